//! History: whether a claim's repository holds data, never did, or cannot be told; and what the memory of it says
//! about who writes there.

use crate::code::Code;
use crate::evidence::{BackupEvidence, ClaimEvidence, Entry, Evidence, Ledger, Phase, Record, Repository, Volume};

/// What ledger and repository say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum History {
    /// There never was a backup.
    Fresh,
    /// There is one.
    Data,
    /// It cannot be told: they contradict each other, or one of them could not be read.
    Unsure(Doubt),
}

/// Why history cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// The store has no ledger.
    LedgerUninitialised,
    /// The ledger is another store's.
    LedgerMismatch,
    /// The ledger could not be read.
    LedgerUnread,
    /// The repository could not be read.
    RepositoryUnread,
    /// What is there is no repository.
    RepositoryDamaged,
    /// There is data and no snapshot.
    SnapshotsGone,
    /// The memory is of another repository.
    RepositoryMoved,
    /// There is a memory of backups, and none of them.
    DataExpected,
    /// At the same place there is another repository than the one remembered.
    RepositoryReplaced,
    /// The newest backup remembered is newer than the newest there is.
    RepositoryRolledBack,
}

impl Doubt {
    /// The code of a hold because of it.
    pub(crate) fn code(self) -> Code {
        match self {
            Doubt::LedgerUninitialised => Code::LedgerUninitialised,
            Doubt::LedgerMismatch => Code::LedgerMismatch,
            Doubt::LedgerUnread => Code::LedgerUnread,
            Doubt::RepositoryUnread => Code::RepositoryUnread,
            Doubt::RepositoryDamaged => Code::RepositoryDamaged,
            Doubt::SnapshotsGone => Code::SnapshotsGone,
            Doubt::RepositoryMoved => Code::RepositoryMoved,
            Doubt::DataExpected => Code::DataExpected,
            Doubt::RepositoryReplaced => Code::RepositoryReplaced,
            Doubt::RepositoryRolledBack => Code::RepositoryRolledBack,
        }
    }

    /// Whether nobody can accept it: it clears by itself, once the ledger is initialised, the right store pinned, the
    /// read possible.
    pub(crate) fn is_closed(self) -> bool {
        match self {
            Doubt::LedgerUninitialised | Doubt::LedgerMismatch | Doubt::LedgerUnread | Doubt::RepositoryUnread => true,
            Doubt::RepositoryDamaged
            | Doubt::SnapshotsGone
            | Doubt::RepositoryMoved
            | Doubt::DataExpected
            | Doubt::RepositoryReplaced
            | Doubt::RepositoryRolledBack => false,
        }
    }
}

impl History {
    /// The first condition that holds decides.
    pub(crate) fn of(ledger: &Ledger, repository: &Repository) -> History {
        use History::{Data, Fresh, Unsure};
        // 1
        match ledger {
            Ledger::Uninitialised => return Unsure(Doubt::LedgerUninitialised),
            Ledger::OtherStore => return Unsure(Doubt::LedgerMismatch),
            Ledger::Unread(_) => return Unsure(Doubt::LedgerUnread),
            Ledger::None | Ledger::Entry(_) => {}
        }
        match (repository, ledger.memory()) {
            // 2
            (Repository::Unread(_), _) => Unsure(Doubt::RepositoryUnread),
            (Repository::Damaged(_), _) => Unsure(Doubt::RepositoryDamaged),
            (Repository::Emptied(_), _) => Unsure(Doubt::SnapshotsGone),
            // 3
            (_, Some((entry, _))) if entry.repository.is_other() => Unsure(Doubt::RepositoryMoved),
            // 4
            (Repository::Absent(_) | Repository::Initialised(_), Some(_)) => Unsure(Doubt::DataExpected),
            // 5
            (Repository::Absent(_) | Repository::Initialised(_), None) => Fresh,
            // 6
            (Repository::Holds(listing), Some((_, memory))) if listing.fingerprint != memory.fingerprint => {
                Unsure(Doubt::RepositoryReplaced)
            }
            // 7
            (Repository::Holds(listing), Some((_, memory))) if listing.newest_at < memory.newest_at => {
                Unsure(Doubt::RepositoryRolledBack)
            }
            // 8
            (Repository::Holds(_), _) => Data,
        }
    }

    /// How it reads to a person who accepted its doubt.
    pub(crate) fn accepted(repository: &Repository) -> History {
        match repository {
            Repository::Absent(_) | Repository::Initialised(_) | Repository::Emptied(_) => History::Fresh,
            Repository::Unread(_) | Repository::Damaged(_) | Repository::Holds(_) => History::Data,
        }
    }
}

/// Whether another writer may be at work on the repository: another cluster's, or one of whom the ledger knows
/// nothing, and it wrote within its last two intervals. `interval` is our own, in seconds.
pub(crate) fn is_active(cluster: &str, ledger: &Ledger, repository: &Repository, interval: u64) -> bool {
    let listed = repository.listing().map(|listing| listing.newest_at);
    let (wrote, interval) = match (ledger.living_entry(), listed) {
        (Some(entry), _) if entry.writer.cluster == cluster => return false,
        (Some(Entry { writer, memory, .. }), _) => {
            let remembered = memory.as_ref().map(|memory| memory.newest_at);
            ([remembered, listed].into_iter().flatten().fold(writer.since, Ord::max), writer.interval)
        }
        (None, Some(newest_at)) => (newest_at, interval),
        (None, None) => return false,
    };
    // What was not read may be at work.
    repository.as_of().is_none_or(|as_of| as_of.since(wrote) < interval.saturating_mul(2))
}

/// Whether the claim's volume is the one that is already backed up.
pub(crate) fn is_same_volume(claim: &ClaimEvidence, ledger: &Ledger) -> bool {
    match (&claim.volume, ledger.living_entry()) {
        (Some(Volume::Of(volume)), Some(entry)) => entry.writer.volume == *volume,
        (Some(Volume::None) | None, _) | (Some(Volume::Of(_)), None) => false,
    }
}

impl Record {
    /// Whether it names another volume than the claim's.
    pub(crate) fn is_of_another_volume(&self, claim: &ClaimEvidence) -> bool {
        match (claim.phase, &claim.volume) {
            (Phase::Pending, _) => true,
            (Phase::Bound | Phase::Lost, Some(Volume::Of(volume))) => self.volume != *volume,
            // What cannot be read takes nothing from it.
            (Phase::Bound | Phase::Lost, Some(Volume::None) | None) => false,
        }
    }

    /// Whether another writer has taken over since: marked so, or an entry that is not its own has its term or a higher
    /// one. A lower term may be a stale read; its own term was its own until the ledger was lost and begun again.
    pub(crate) fn is_overtaken(&self, cluster: Option<&str>, ledger: &Ledger) -> bool {
        self.overtaken || {
            let taken_over = |(cluster, entry): (&str, &Entry)| {
                entry.writer.term >= self.term && !entry.writer.is(cluster, &self.uid)
            };
            cluster.zip(ledger.entry()).is_some_and(taken_over)
        }
    }

    /// Whether it is for another repository than the one that the Secret points at.
    pub(crate) fn is_elsewhere(&self, evidence: &Evidence) -> bool {
        let Evidence { ledger, repository, .. } = evidence;
        match (&self.fingerprint, repository.fingerprint()) {
            // What is read decides, whatever the mark says.
            (Some(released), Some(read)) => released != read,
            (Some(_), None) => self.elsewhere,
            // Its first backup has yet to be seen. It cannot be here, in a store without a ledger or with another's, or
            // where a Secret points that is not as we rendered it.
            (None, _) => {
                let is_strange = matches!(ledger, Ledger::Uninitialised | Ledger::OtherStore);
                self.elsewhere || repository.listing().is_some() && (is_strange || !evidence.secret_is_as_rendered())
            }
        }
    }
}

impl Evidence {
    /// The record of the claim's release: its own or its ReplicationSource's, whichever has the higher term; of two
    /// alike its own, which is written first. One of another uid is none.
    pub(crate) fn release(&self) -> Option<&Record> {
        let claim = self.claim.as_ref()?;
        let source = self.backup.as_ref().and_then(BackupEvidence::ours).and_then(|backup| backup.released.as_ref());
        // Of two that are equal the last counts.
        source.into_iter().chain(&claim.released).filter(|record| record.uid == claim.uid).max_by_key(|it| it.term)
    }

    /// Whether there is a release and it stands: a backup of this volume may run on it.
    pub(crate) fn release_stands(&self) -> bool {
        self.claim.as_ref().zip(self.release()).is_some_and(|(claim, record)| {
            !record.is_of_another_volume(claim)
                && !record.is_overtaken(self.cluster.as_deref(), &self.ledger)
                && !record.is_elsewhere(self)
        })
    }
}
