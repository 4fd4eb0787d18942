//! Custody: who wrote the newest snapshot of a repository, and whether a volume continues from it.
//!
//! A backup ages out older snapshots, so it may run only for a volume that continues from the newest one:
//!
//! ```text
//!   own        the volume wrote the snapshot itself: the ledger entry is its own
//!   restored   the volume was restored from it: the image, the id in the log and the listing agree
//!   nothing    there never was a snapshot: repository and ledger are blank, and nothing else remembers one
//!   accepted   a person accepted exactly what was seen
//! ```
//!
//! The first three are told from evidence, here. The fourth is a hold whose id a person wrote down (`hold.rs`).

use crate::code::Code;
use crate::evidence::{
    BackupEvidence, ClaimEvidence, DataSource, Entry, Evidence, Expectation, FinishedRestore, Ledger, Listing, Phase,
    ReleaseRecord, Repository, RestoreEvidence, Suspicion, Volume,
};
use crate::history::{Doubt, History};
use crate::mover::restic::Outcome;
use crate::mover::restic::layout::DEAD_LOCK;

/// A ledger entry that the claim wrote for its present volume: cluster, uid and volume are the claim's.
pub(crate) struct Own<'a>(&'a Entry);

impl<'a> Own<'a> {
    /// The claim's ledger entry, unless it is retired or another's. A volume that could not be read is not compared.
    pub(crate) fn of(evidence: &'a Evidence) -> Option<Self> {
        let Evidence { cluster, claim, ledger, .. } = evidence;
        let (entry, claim) = (ledger.living_entry()?, claim.as_ref()?);
        let is_its_volume = match &claim.volume {
            Some(Volume::Of(volume)) => entry.writer.volume == *volume,
            Some(Volume::None) => false,
            None => true,
        };
        (entry.writer.is(cluster.as_ref()?, &claim.uid) && is_its_volume).then_some(Own(entry))
    }

    /// The entry.
    pub(crate) fn entry(&self) -> &'a Entry {
        self.0
    }

    /// Whether the entry is for the repository that was read, by its address.
    pub(crate) fn is_of_the_place(&self) -> bool {
        !self.0.repository.is_other()
    }

    /// Whether the entry says what this one would: the same repository, and the same newest snapshot.
    pub(crate) fn says(&self, entry: &Entry) -> bool {
        self.is_of_the_place() && self.0.memory == entry.memory
    }

    /// The record of the release that the entry is from.
    fn record(&self, earlier: &ReleaseRecord) -> ReleaseRecord {
        let Entry { writer, memory, .. } = self.0;
        ReleaseRecord {
            uid: writer.uid.clone(),
            volume: writer.volume.clone(),
            fingerprint: memory.as_ref().map(|memory| memory.fingerprint.clone()),
            newest: memory.as_ref().map(|memory| memory.newest_key.clone()),
            term: writer.term,
            overtaken: false,
            elsewhere: false,
            moved: false,
            reason: earlier.reason.clone(),
        }
    }
}

/// Whether the volume of a claim that is Bound continues from the newest snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Custody {
    /// The volume wrote the snapshot itself.
    Own,
    /// The volume was restored from the snapshot.
    Restored,
    /// There never was a snapshot.
    Nothing,
    /// The repository is in doubt, and nobody accepted that.
    InDoubt(Doubt),
    /// Nothing proves that the volume was restored at all; the code says why.
    Unrestored(Code),
    /// The volume was populated from another image than that of its restore.
    OtherImage,
    /// The restore does not prove that the newest snapshot is in the volume; the code says why.
    Unproven(Code),
}

impl Custody {
    /// The first condition that holds decides.
    pub(crate) fn of(evidence: &Evidence, claim: &ClaimEvidence, restore: &RestoreEvidence) -> Custody {
        let history = History::of(evidence);
        let is_known = match history {
            History::Data | History::Fresh => true,
            History::Unknown(doubt) => match doubt {
                Doubt::DataExpected | Doubt::RepositoryRolledBack => true,
                // What is left could be recovered, and a backup would prune it; unless the entry knows of none.
                Doubt::SnapshotsGone => evidence.ledger.memory().is_none(),
                // A person accepted that before the entry was written, which is read back before the release.
                Doubt::RepositoryDamaged => evidence.unfenced && evidence.knows_the_place_in(doubt),
                Doubt::LedgerUninitialised
                | Doubt::LedgerMismatch
                | Doubt::LedgerUnread
                | Doubt::RepositoryUnread
                | Doubt::RepositoryMoved
                | Doubt::RepositoryReplaced => false,
            },
        };
        match history {
            _ if is_known && evidence.wrote_the_newest() => Custody::Own,
            History::Fresh => Custody::Nothing,
            History::Unknown(doubt) if doubt.is_closed() || evidence.repository.listing().is_none() => {
                Custody::InDoubt(doubt)
            }
            History::Data | History::Unknown(_) => match (claim.data_source, restore) {
                (DataSource::Ours, RestoreEvidence::Done(done)) => {
                    let custody = Custody::of_restore(evidence, claim, done);
                    match history {
                        // A person accepted the repository as it is before the restore.
                        _ if done.expects == Expectation::AcceptedData => custody,
                        History::Unknown(doubt) if custody == Custody::Restored => Custody::InDoubt(doubt),
                        History::Unknown(_) | History::Data | History::Fresh => custody,
                    }
                }
                (DataSource::Ours | DataSource::None, _) => Custody::Unrestored(Code::UnrestoredVolume),
                (DataSource::Foreign, _) => Custody::Unrestored(Code::ForeignSource),
            },
        }
    }

    fn of_restore(evidence: &Evidence, claim: &ClaimEvidence, done: &FinishedRestore) -> Custody {
        if claim.populated_from.as_ref() != Some(&done.image) {
            return Custody::OtherImage;
        }
        match Proof::of(done, &evidence.repository) {
            Proof::Nothing => Custody::Unproven(Code::RestoreCameBackEmpty),
            Proof::Unread => Custody::Unproven(Code::RestoreUnverified),
            Proof::NotListed | Proof::Vanished => Custody::Unproven(Code::RestoredFromElsewhere),
            Proof::Older => Custody::Unproven(Code::RestoredOlder),
            Proof::Newest => Custody::Restored,
        }
    }
}

/// What a finished restore proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nothing was restored.
    Nothing,
    /// It is unknown what was restored.
    Unread,
    /// A snapshot was restored, and the repository has no snapshot any more.
    Vanished,
    /// A snapshot was restored that is not in the repository, which has others.
    NotListed,
    /// A snapshot of the repository was restored, but not the newest.
    Older,
    /// The newest snapshot was restored.
    Newest,
}

impl Proof {
    pub(crate) fn of(done: &FinishedRestore, repository: &Repository) -> Self {
        match (&done.outcome, repository) {
            (Outcome::Nothing, _) => Proof::Nothing,
            // While the listing is unread, it is unknown whether the snapshot is in the repository.
            (Outcome::Unread, _) | (Outcome::Restored(_), Repository::Unread(_) | Repository::Damaged(_)) => {
                Proof::Unread
            }
            (Outcome::Restored(_), Repository::Absent(_) | Repository::Initialised(_) | Repository::Emptied(_)) => {
                Proof::Vanished
            }
            (Outcome::Restored(id), Repository::Holds(listing)) => {
                match (listing.lists_restored, listing.newest_key.as_str().starts_with(id.as_str())) {
                    (false, _) => Proof::NotListed,
                    (true, false) => Proof::Older,
                    (true, true) => Proof::Newest,
                }
            }
        }
    }
}

/// Why a release is not valid any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lapse {
    /// The claim has another volume than the released one.
    OtherVolume,
    /// The ledger entry is another's.
    Overtaken,
    /// The ledger entry is for another repository than the one that was read.
    Moved,
    /// The repository is not the released one.
    Replaced,
    /// The ledger has no entry, and nothing shows that this volume wrote the newest snapshot.
    EntryLost,
}

impl Lapse {
    /// The reason code of the hold.
    pub(crate) fn code(self) -> Code {
        match self {
            Lapse::OtherVolume => Code::VolumeReplaced,
            Lapse::Overtaken => Code::Superseded,
            Lapse::Moved => Code::RepositoryMoved,
            Lapse::Replaced => Code::RepositoryReplaced,
            Lapse::EntryLost => Code::EntryLost,
        }
    }
}

impl ReleaseRecord {
    /// Why the release is not valid any more; `None` while it is. What cannot be read does not invalidate a release.
    pub(crate) fn lapse(&self, evidence: &Evidence) -> Option<Lapse> {
        let claim = evidence.claim.as_ref()?;
        if self.is_of_another_volume(claim) {
            return Some(Lapse::OtherVolume);
        }
        if self.is_overtaken(evidence) {
            return Some(Lapse::Overtaken);
        }
        self.elsewhere(evidence).or_else(|| {
            let listing = evidence.repository.listing()?;
            // While the Secret points elsewhere, the ledger that was read is not that of the repository.
            let is_of_the_place = || Own::of(evidence).is_some_and(|own| own.is_of_the_place());
            let has_no_entry = match &evidence.ledger {
                Ledger::None => true,
                Ledger::Unread(_) => false,
                Ledger::Entry(_) | Ledger::Uninitialised | Ledger::OtherStore => {
                    evidence.secret_is_other() && !is_of_the_place()
                }
            };
            (has_no_entry && !self.names_the_newest(listing, evidence)).then_some(Lapse::EntryLost)
        })
    }

    fn is_of_another_volume(&self, claim: &ClaimEvidence) -> bool {
        match (claim.phase, &claim.volume) {
            (Phase::Pending, _) => true,
            (Phase::Bound | Phase::Lost, Some(Volume::Of(volume))) => self.volume != *volume,
            (Phase::Bound | Phase::Lost, Some(Volume::None) | None) => false,
        }
    }

    /// Whether another writer has taken over the repository since the release.
    ///
    /// The record is written after the entry, and the claim is read before the ledger. So an entry that is another's is
    /// no stale read, whatever its term: the ledger was lost and started again. Under an entry of the claim's own,
    /// which may have been put back, another has taken over if it is known to have written the newest snapshot. The
    /// record's mark yields to an own entry whose newest snapshot is still the newest.
    pub(crate) fn is_overtaken(&self, evidence: &Evidence) -> bool {
        let Evidence { cluster, ledger, repository, secret, .. } = evidence;
        match (Own::of(evidence), ledger.living_entry()) {
            (Some(own), _) => {
                let is_last = match repository {
                    Repository::Unread(_) | Repository::Damaged(_) => false,
                    Repository::Absent(_) | Repository::Initialised(_) | Repository::Emptied(_) => true,
                    Repository::Holds(listing) => own.entry().remembers(listing),
                };
                self.overtaken && !is_last || evidence.suspicion() == Some(Suspicion::Confirmed)
            }
            // While the Secret is unread, it is unknown which repository's entry this is.
            (None, Some(_)) => self.overtaken || cluster.is_some() && secret.is_some(),
            (None, None) => self.overtaken,
        }
    }

    /// Whether the repository is another than the released one, and how that is known. The record's mark counts only
    /// while the repository cannot be read.
    pub(crate) fn elsewhere(&self, evidence: &Evidence) -> Option<Lapse> {
        let Evidence { ledger, repository, .. } = evidence;
        if let Repository::Unread(_) | Repository::Damaged(_) = repository {
            return self.elsewhere.then_some(Lapse::Replaced);
        }
        let Some(listing) = repository.listing() else {
            // Without snapshots, none can be aged out.
            let is_other = self.fingerprint.as_ref().zip(repository.fingerprint()).is_some_and(|(a, b)| a != b);
            return is_other.then_some(Lapse::Replaced);
        };
        let entry_is_elsewhere = ledger.living_entry().is_some_and(|entry| entry.is_elsewhere(repository));
        let is_other = match &self.fingerprint {
            Some(released) => *released != listing.fingerprint,
            // The first backup was not seen yet. It cannot be in a store without a ledger or with that of another
            // store, nor in a repository that a Secret names which differs from the rendered one, unless it is the
            // newest snapshot there, under the claim's own entry.
            None => {
                let was_seen = listing.lists_saved && Own::of(evidence).is_some() && !entry_is_elsewhere;
                matches!(ledger, Ledger::Uninitialised | Ledger::OtherStore)
                    || !evidence.secret_is_as_rendered() && !was_seen
            }
        };
        let went_on = match &self.fingerprint {
            Some(_) => self.names_the_newest(listing, evidence),
            // Nothing else was there, or a person accepted that the repository moves.
            None => listing.lists_saved && (self.moved || listing.count == 1),
        };
        match (is_other, entry_is_elsewhere && !went_on) {
            (_, true) if !self.moved => Some(Lapse::Moved),
            (true, _) | (_, true) => Some(Lapse::Replaced),
            (false, false) => None,
        }
    }

    /// Whether the newest snapshot is one that this claim's backup wrote, by its log, by the record, or by its entry.
    fn names_the_newest(&self, listing: &Listing, evidence: &Evidence) -> bool {
        listing.lists_saved
            || self.newest.as_ref() == Some(&listing.newest_key)
            || Own::of(evidence).is_some_and(|own| own.entry().remembers(listing))
    }
}

impl Entry {
    /// Whether the newest snapshot is the one that the entry remembers.
    fn remembers(&self, listing: &Listing) -> bool {
        self.memory.as_ref().is_some_and(|memory| memory.newest_key == listing.newest_key)
    }

    /// Whether no snapshot is newer than the one that the entry remembers.
    fn knows(&self, listing: &Listing) -> bool {
        self.remembers(listing) || self.memory.as_ref().is_some_and(|memory| listing.newest_at < memory.newest_at)
    }
}

impl Evidence {
    /// The claim's release record: its own or its ReplicationSource's, whichever has the higher term; at equal terms
    /// its own, which is written first. A record with another uid is ignored.
    ///
    /// The ledger entry is written before the record. So where the claim's own entry is newer, a host crashed in
    /// between, and the record is that of the entry, unless the repository cannot be read.
    pub(crate) fn release(&self) -> Option<ReleaseRecord> {
        let claim = self.claim.as_ref()?;
        let source = self.backup.as_ref().and_then(BackupEvidence::ours).and_then(|backup| backup.released.as_ref());
        let records = source.into_iter().chain(&claim.released);
        // `max_by_key` returns the last of equal elements.
        let record = records.filter(|record| record.uid == claim.uid).max_by_key(|it| it.term)?;
        let is_read = claim.volume.is_some() && self.repository.as_of().is_some();
        let is_newer = |own: &Own<'_>| is_read && own.entry().writer.term > record.term;
        Some(match Own::of(self).filter(is_newer) {
            Some(own) => own.record(record),
            None => record.clone(),
        })
    }

    /// Whether there is a release and it is valid, so that the backup of this volume may run.
    pub(crate) fn release_stands(&self) -> bool {
        self.release().is_some_and(|record| record.lapse(self).is_none())
    }

    /// Whether the claim's own entry is for the repository that was read, and the doubt is about its content alone.
    pub(crate) fn knows_the_place_in(&self, doubt: Doubt) -> bool {
        let is_about_content = match doubt {
            Doubt::SnapshotsGone => self.ledger.memory().is_none(),
            doubt => doubt == Doubt::RepositoryDamaged,
        };
        is_about_content && Own::of(self).is_some_and(|own| own.is_of_the_place())
    }

    /// Whether the volume wrote the newest snapshot itself, as the ledger says. An earlier claim of this cluster may
    /// have had the same volume; then it must have written the last snapshot that there is.
    fn wrote_the_newest(&self) -> bool {
        if self.suspicion() == Some(Suspicion::Confirmed) {
            return false;
        }
        if Own::of(self).is_some() {
            return true;
        }
        let (Some(entry), Some(cluster)) = (self.ledger.living_entry(), &self.cluster) else { return false };
        let volume = self.claim.as_ref().and_then(|claim| claim.volume.as_ref());
        entry.writer.cluster == *cluster
            && matches!(volume, Some(Volume::Of(volume)) if *volume == entry.writer.volume)
            && self.repository.listing().is_none_or(|listing| entry.knows(listing))
    }

    /// Whether another writer may be backing up to the repository: a claim of another cluster, or a writer that the
    /// ledger does not know. It is at work while its lock is young, as restic renews a lock every five minutes, and
    /// until two of its intervals have passed since it wrote. `interval` is the claim's own, in seconds.
    pub(crate) fn is_active(&self, interval: u64) -> bool {
        let Evidence { cluster, ledger, repository, .. } = self;
        let listed = repository.listing().map(|listing| listing.newest_at);
        let lock = repository.newest_lock();
        let (wrote, interval) = match (ledger.living_entry(), listed) {
            (Some(entry), _) if Some(&entry.writer.cluster) == cluster.as_ref() => return false,
            (Some(Entry { writer, memory, .. }), _) => {
                let remembered = memory.as_ref().map(|memory| memory.newest_at);
                let wrote = [remembered, listed].into_iter().flatten().fold(writer.since, Ord::max);
                (wrote, if writer.interval == 0 { interval } else { writer.interval })
            }
            (None, Some(newest_at)) => (newest_at, interval),
            // Nothing was written yet; somebody may be about to.
            (None, None) => match lock {
                Some(lock) => (lock, 0),
                None => return false,
            },
        };
        // If the repository was not read, another writer may be active.
        repository.as_of().is_none_or(|as_of| {
            as_of.since(wrote) < interval.saturating_mul(2) || lock.is_some_and(|lock| as_of.since(lock) <= DEAD_LOCK)
        })
    }
}
