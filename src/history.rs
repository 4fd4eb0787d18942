//! History: whether a claim's repository holds data, never did, or whether that is unknown.

use crate::code::Code;
use crate::evidence::{Entry, Evidence, Ledger, Repository, RestoreEvidence};
use crate::mover::restic::Outcome;

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
    pub(crate) fn of(evidence: &Evidence) -> History {
        use History::{Data, Fresh, Unknown};
        let Evidence { ledger, repository, .. } = evidence;
        // 1
        match ledger {
            Ledger::Uninitialised => return Unknown(Doubt::LedgerUninitialised),
            Ledger::OtherStore => return Unknown(Doubt::LedgerMismatch),
            Ledger::Unread(_) => return Unknown(Doubt::LedgerUnread),
            Ledger::None | Ledger::Entry(_) => {}
        }
        let memory = ledger.memory().map(|(_, memory)| memory);
        match (repository, memory) {
            // 2
            (Repository::Unread(_), _) => Unknown(Doubt::RepositoryUnread),
            (Repository::Damaged(_), _) => Unknown(Doubt::RepositoryDamaged),
            (Repository::Emptied(_), _) => Unknown(Doubt::SnapshotsGone),
            // 3
            _ if ledger.living_entry().is_some_and(|entry| entry.is_elsewhere(repository)) => {
                Unknown(Doubt::RepositoryMoved)
            }
            // 4
            (Repository::Absent(_) | Repository::Initialised(_), Some(_)) => Unknown(Doubt::DataExpected),
            (Repository::Absent(_) | Repository::Initialised(_), None) if evidence.restored_a_snapshot() => {
                Unknown(Doubt::DataExpected)
            }
            // 5
            (Repository::Absent(_) | Repository::Initialised(_), None) => Fresh,
            // 6
            (Repository::Holds(listing), Some(memory)) if listing.fingerprint != memory.fingerprint => {
                Unknown(Doubt::RepositoryReplaced)
            }
            // 7
            (Repository::Holds(listing), Some(memory)) if listing.newest_at < memory.newest_at => {
                Unknown(Doubt::RepositoryRolledBack)
            }
            // 8
            (Repository::Holds(_), _) => Data,
        }
    }

    /// Why the history is unknown, where it is.
    pub(crate) fn doubt(self) -> Option<Doubt> {
        match self {
            History::Unknown(doubt) => Some(doubt),
            History::Fresh | History::Data => None,
        }
    }

    /// The doubt that nobody can accept, where there is one.
    pub(crate) fn closed(self) -> Option<Doubt> {
        self.doubt().filter(|doubt| doubt.is_closed())
    }
}

impl Entry {
    /// Whether the entry is for another repository than the one that was read. An address of another name is the same
    /// place where the repository and its newest snapshot are those that the entry remembers.
    pub(crate) fn is_elsewhere(&self, repository: &Repository) -> bool {
        let is_remembered = repository.listing().zip(self.memory.as_ref()).is_some_and(|(listing, memory)| {
            listing.fingerprint == memory.fingerprint && listing.newest_key == memory.newest_key
        });
        self.repository.is_other() && !is_remembered
    }
}

impl Evidence {
    /// Whether the claim's restore has restored a snapshot. This is remembered where the ledger remembers nothing.
    fn restored_a_snapshot(&self) -> bool {
        match &self.restore {
            Some(RestoreEvidence::Done(done)) => matches!(done.outcome, Outcome::Restored(_)),
            Some(
                RestoreEvidence::Absent
                | RestoreEvidence::Foreign
                | RestoreEvidence::Stale
                | RestoreEvidence::Running(_),
            )
            | None => false,
        }
    }
}
