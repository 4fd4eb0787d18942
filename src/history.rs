//! History: whether a claim's repository holds data, never did, or whether that is unknown; and who writes to it,
//! according to the ledger.

use crate::code::Code;
use crate::evidence::{
    BackupEvidence, ClaimEvidence, Entry, Evidence, Ledger, Phase, ReleaseRecord, Repository, Volume,
};

/// What the ledger and the repository say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum History {
    /// The claim was never backed up.
    Fresh,
    /// The claim was backed up, and its backups are there.
    Data,
    /// It is unknown, because the ledger and the repository contradict each other, or one of them could not be read.
    Unknown(Doubt),
}

/// Why the history is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// The store has no ledger.
    LedgerUninitialised,
    /// The ledger is that of another store.
    LedgerMismatch,
    /// The ledger could not be read.
    LedgerUnread,
    /// The repository could not be read.
    RepositoryUnread,
    /// There are objects where the repository should be, but restic cannot open them.
    RepositoryDamaged,
    /// The repository has data but no snapshot.
    SnapshotsGone,
    /// The ledger entry is for another repository.
    RepositoryMoved,
    /// The ledger remembers backups, but the repository has none.
    DataExpected,
    /// The repository at this address is not the one that the ledger remembers.
    RepositoryReplaced,
    /// The newest snapshot is older than the newest that the ledger remembers.
    RepositoryRolledBack,
}

impl Doubt {
    /// The reason code of a hold because of this doubt.
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

    /// Whether nobody can accept a hold because of this doubt. It clears by itself once the ledger is initialised, the
    /// right store is set, or the read succeeds.
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
        use History::{Data, Fresh, Unknown};
        // 1
        match ledger {
            Ledger::Uninitialised => return Unknown(Doubt::LedgerUninitialised),
            Ledger::OtherStore => return Unknown(Doubt::LedgerMismatch),
            Ledger::Unread(_) => return Unknown(Doubt::LedgerUnread),
            Ledger::None | Ledger::Entry(_) => {}
        }
        match (repository, ledger.memory()) {
            // 2
            (Repository::Unread(_), _) => Unknown(Doubt::RepositoryUnread),
            (Repository::Damaged(_), _) => Unknown(Doubt::RepositoryDamaged),
            (Repository::Emptied(_), _) => Unknown(Doubt::SnapshotsGone),
            // 3
            (_, Some((entry, _))) if entry.repository.is_other() => Unknown(Doubt::RepositoryMoved),
            // 4
            (Repository::Absent(_) | Repository::Initialised(_), Some(_)) => Unknown(Doubt::DataExpected),
            // 5
            (Repository::Absent(_) | Repository::Initialised(_), None) => Fresh,
            // 6
            (Repository::Holds(listing), Some((_, memory))) if listing.fingerprint != memory.fingerprint => {
                Unknown(Doubt::RepositoryReplaced)
            }
            // 7
            (Repository::Holds(listing), Some((_, memory))) if listing.newest_at < memory.newest_at => {
                Unknown(Doubt::RepositoryRolledBack)
            }
            // 8
            (Repository::Holds(_), _) => Data,
        }
    }

    /// The history once a person accepted the hold because of a doubt.
    pub(crate) fn accepted(repository: &Repository) -> History {
        match repository {
            Repository::Absent(_) | Repository::Initialised(_) | Repository::Emptied(_) => History::Fresh,
            Repository::Unread(_) | Repository::Damaged(_) | Repository::Holds(_) => History::Data,
        }
    }
}

/// Whether another writer may be backing up to the repository: a claim of another cluster, or a writer that the ledger
/// does not know, which wrote within the last two of its intervals. `interval` is the claim's own, in seconds.
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
    // If the repository was not read, another writer may be active.
    repository.as_of().is_none_or(|as_of| as_of.since(wrote) < interval.saturating_mul(2))
}

/// Whether the claim's volume is the one that is already backed up.
pub(crate) fn is_same_volume(claim: &ClaimEvidence, ledger: &Ledger) -> bool {
    match (&claim.volume, ledger.living_entry()) {
        (Some(Volume::Of(volume)), Some(entry)) => entry.writer.volume == *volume,
        (Some(Volume::None) | None, _) | (Some(Volume::Of(_)), None) => false,
    }
}

impl ReleaseRecord {
    /// Whether the release was for another volume than the claim's.
    pub(crate) fn is_of_another_volume(&self, claim: &ClaimEvidence) -> bool {
        match (claim.phase, &claim.volume) {
            (Phase::Pending, _) => true,
            (Phase::Bound | Phase::Lost, Some(Volume::Of(volume))) => self.volume != *volume,
            // What cannot be read does not invalidate a release.
            (Phase::Bound | Phase::Lost, Some(Volume::None) | None) => false,
        }
    }

    /// Whether another writer has taken over since the release: the record is marked so, or a ledger entry of another
    /// writer has the same or a higher term. A lower term may be a stale read; the same term is possible where the
    /// ledger was lost and started again.
    pub(crate) fn is_overtaken(&self, cluster: Option<&str>, ledger: &Ledger) -> bool {
        self.overtaken || {
            let taken_over = |(cluster, entry): (&str, &Entry)| {
                entry.writer.term >= self.term && !entry.writer.is(cluster, &self.uid)
            };
            cluster.zip(ledger.entry()).is_some_and(taken_over)
        }
    }

    /// Whether the release was for another repository than the one that the Secret points at.
    pub(crate) fn is_elsewhere(&self, evidence: &Evidence) -> bool {
        let Evidence { ledger, repository, .. } = evidence;
        match (&self.fingerprint, repository.fingerprint()) {
            // What was read decides, whatever the mark says.
            (Some(released), Some(read)) => released != read,
            (Some(_), None) => self.elsewhere,
            // The first backup was not seen yet. It cannot be in a store without a ledger or with that of another
            // store, nor in a repository that a Secret names which differs from the rendered one.
            (None, _) => {
                let is_strange = matches!(ledger, Ledger::Uninitialised | Ledger::OtherStore);
                self.elsewhere || repository.listing().is_some() && (is_strange || !evidence.secret_is_as_rendered())
            }
        }
    }
}

impl Evidence {
    /// The claim's release record: its own or its ReplicationSource's, whichever has the higher term; at equal terms
    /// its own, which is written first. A record with another uid is ignored.
    pub(crate) fn release(&self) -> Option<&ReleaseRecord> {
        let claim = self.claim.as_ref()?;
        let source = self.backup.as_ref().and_then(BackupEvidence::ours).and_then(|backup| backup.released.as_ref());
        // `max_by_key` returns the last of equal elements.
        source.into_iter().chain(&claim.released).filter(|record| record.uid == claim.uid).max_by_key(|it| it.term)
    }

    /// Whether there is a release and it is valid, so that the backup of this volume may run.
    pub(crate) fn release_stands(&self) -> bool {
        self.claim.as_ref().zip(self.release()).is_some_and(|(claim, record)| {
            !record.is_of_another_volume(claim)
                && !record.is_overtaken(self.cluster.as_deref(), &self.ledger)
                && !record.is_elsewhere(self)
        })
    }
}
