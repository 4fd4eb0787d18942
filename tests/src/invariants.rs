//! The promise: *good backups are never aged out by a volume that was not restored from them*.
//!
//! There are eight invariants. Each is a question about the evidence and the verdict, answered from the evidence alone:
//! nothing here calls the decision. The sixth, secrecy, is about text, and is in `properties.rs`, where every
//! credential is a canary.

use volsync_policy::evidence::{
    Address, BackupEvidence, ClaimEvidence, DataSource, Entry, Evidence, Expectation, FinishedRestore, Ledger, Phase,
    ReleaseRecord, Repository, RestoreEvidence, SecretEvidence, Suspicion, Volume,
};
use volsync_policy::{Ask, Backup, Code, Eligibility, Outcome, Restore, Unselected, Verdict};

/// A claim, its evidence, and the verdict.
pub struct Decided<'a> {
    /// What was asked.
    pub asked: &'a Eligibility<Ask>,
    /// What was seen.
    pub seen: &'a Evidence,
    /// What was decided.
    pub verdict: &'a Verdict,
}

/// An invariant: whether a verdict keeps the promise.
pub type Invariant = fn(&Decided<'_>) -> bool;

/// The invariants, each with its name.
pub const INVARIANTS: [(&str, Invariant); 8] = [
    ("1 gate", gate),
    ("1 gate, in a store without conditional writes", gate_without_a_fence),
    ("2 unknown is not fresh", unknown_is_not_fresh),
    ("3 memory", memory),
    ("4 no flapping", no_flapping),
    ("5 blast radius", blast_radius),
    ("7 ownership", ownership),
    ("8 a way out", a_way_out),
];

/// A backup is released for a volume only if that volume was populated from the image of a proven restore, or its
/// repository and ledger entry certainly never had data, or this very volume is the one that is already backed up, or a
/// person accepted this very hold.
fn gate(d: &Decided<'_>) -> bool {
    !d.releases() || d.is_released() || d.was_restored() || d.never_held_data() || d.is_backed_up() || d.is_accepted()
}

/// Where conditional writes do not keep two clusters apart, a backup is released only once the claim's own ledger entry
/// was read back, and that of another cluster is never replaced.
fn gate_without_a_fence(d: &Decided<'_>) -> bool {
    let is_new = matches!(&d.verdict.backup, Backup::Release(released) if released.is_new());
    let is_of_another = d.living_entry().is_some_and(|entry| d.seen.cluster.as_ref() != Some(&entry.writer.cluster));
    !d.seen.unfenced
        || (!is_new || d.is_released() || d.own_entry().is_some()) && (d.verdict.enters.is_none() || !is_of_another)
}

/// Evidence that could not be read never releases a backup, and never lets a claim bind to an empty volume.
fn unknown_is_not_fresh(d: &Decided<'_>) -> bool {
    let expects_nothing = matches!(d.verdict.expects, Some(Expectation::Nothing | Expectation::AcceptedNothing));
    let binds_empty = d.verdict.restore == Restore::Apply && expects_nothing;
    let store_is_read = d.ledger_is_read() && !matches!(d.seen.repository, Repository::Unread(_));
    let is_new = matches!(&d.verdict.backup, Backup::Release(released) if released.is_new());
    // The ReplicationSource of a Pending claim need not be read, because it is never released.
    let objects_are_read = d.seen.cluster.is_some()
        && d.seen.claim.as_ref().is_some_and(|claim| claim.volume.is_some())
        && d.seen.secret.is_some()
        && d.seen.restore.is_some()
        && d.seen.populator.is_some();
    (!binds_empty || store_is_read && objects_are_read)
        && (!is_new || store_is_read && objects_are_read && d.seen.backup.is_some())
        && (!d.releases() || objects_are_read && d.seen.backup.is_some())
}

/// A claim that once had backups, and now has none, fewer, or another repository's, is held and never treated as new.
fn memory(d: &Decided<'_>) -> bool {
    let Some(entry) = d.living_entry() else { return true };
    let Some(remembered) = &entry.memory else { return true };
    let is_gone = match &d.seen.repository {
        Repository::Absent(_) | Repository::Initialised(_) | Repository::Emptied(_) => true,
        Repository::Holds(listing) => {
            listing.fingerprint != remembered.fingerprint || listing.newest_at < remembered.newest_at
        }
        Repository::Unread(_) | Repository::Damaged(_) => false,
    };
    let is_as_new = matches!(d.verdict.code, Code::FreshVolume | Code::StartedFresh | Code::AdoptedVolume);
    let goes_on = d.releases() || d.verdict.restore == Restore::Apply;
    !is_gone || !is_as_new && (!goes_on || d.is_released() || d.is_backed_up() || d.was_restored() || d.is_accepted())
}

/// A backup that was released for a volume stays released: an outage never stops backups, deletes objects or repeats a
/// restore.
fn no_flapping(d: &Decided<'_>) -> bool {
    let is_selected = matches!(d.asked, Eligibility::Eligible(_) | Eligibility::Refused(_));
    let is_of_another = d.own_backup().is_some_and(|backup| backup.uid.as_deref() != d.claim_uid());
    let must_stay = d.is_released() && is_selected && !is_of_another;
    let restore_stays = match d.verdict.restore {
        Restore::Keep | Restore::Consume => true,
        // The ReplicationDestination of an earlier claim is not a restore of this one.
        Restore::Delete => matches!(d.seen.restore, Some(RestoreEvidence::Stale)),
        Restore::Apply => false,
    };
    let stays = restore_stays && matches!(d.verdict.backup, Backup::Release(_) | Backup::Keep) || d.is_accepted();
    !must_stay || stays
}

/// A claim without the label is never touched, whatever is down. Only the policy's own objects are removed.
fn blast_radius(d: &Decided<'_>) -> bool {
    let Eligibility::Unselected(unselected) = d.asked else { return true };
    let adds = d.releases() || d.verdict.restore == Restore::Apply || d.verdict.applies_secret;
    let touches = d.verdict.restore != Restore::Keep || d.verdict.backup != Backup::Keep;
    let has_ours =
        d.own_backup().is_some() || d.restore_is_ours() || matches!(d.seen.secret, Some(SecretEvidence::Ours(_)));
    !adds && !d.verdict.restarts_populator && (!touches || has_ours && *unselected != Unselected::NoClaim)
}

/// An object that the policy did not create is never overwritten or deleted, and neither is one that was not read.
fn ownership(d: &Decided<'_>) -> bool {
    let restore = match d.verdict.restore {
        Restore::Keep => true,
        Restore::Apply => matches!(d.seen.restore, Some(RestoreEvidence::Absent)),
        Restore::Consume => matches!(d.seen.restore, Some(RestoreEvidence::Done(_))),
        Restore::Delete => d.restore_is_ours(),
    };
    let backup = match &d.verdict.backup {
        Backup::Keep | Backup::Withhold => true,
        Backup::Release(_) | Backup::Pause => {
            d.own_backup().is_some() || matches!(d.seen.backup, Some(BackupEvidence::Absent))
        }
        Backup::Delete | Backup::DeleteWhenIdle => d.own_backup().is_some(),
    };
    let secret = match &d.seen.secret {
        Some(SecretEvidence::Absent | SecretEvidence::Ours(_)) => true,
        Some(SecretEvidence::Foreign) | None => !d.verdict.applies_secret,
    };
    restore && backup && secret
}

/// Every hold names what a person can do. `enumeration/ways.rs` follows each of these ways out.
fn a_way_out(d: &Decided<'_>) -> bool {
    let waits = matches!(d.verdict.backup, Backup::Withhold | Backup::Keep);
    let goes_on = d.verdict.restore == Restore::Apply
        || matches!(d.verdict.code, Code::NotSelected | Code::ClaimTerminating | Code::AcceptedByOperator);
    !waits || goes_on || d.verdict.code.way_out().is_some()
}

/// Facts that the invariants ask for.
impl Decided<'_> {
    fn releases(&self) -> bool {
        matches!(self.verdict.backup, Backup::Release(_))
    }

    fn claim(&self) -> Option<&ClaimEvidence> {
        self.seen.claim.as_ref()
    }

    fn claim_uid(&self) -> Option<&str> {
        self.claim().map(|claim| claim.uid.as_str())
    }

    fn own_backup(&self) -> Option<&volsync_policy::evidence::OurBackup> {
        match &self.seen.backup {
            Some(BackupEvidence::Ours(backup)) => Some(backup),
            _ => None,
        }
    }

    fn restore_is_ours(&self) -> bool {
        let restore = self.seen.restore.as_ref();
        restore.is_some_and(|restore| !matches!(restore, RestoreEvidence::Absent | RestoreEvidence::Foreign))
    }

    fn living_entry(&self) -> Option<&Entry> {
        match &self.seen.ledger {
            Ledger::Entry(entry) if !entry.retired => Some(entry),
            _ => None,
        }
    }

    fn ledger_is_read(&self) -> bool {
        matches!(self.seen.ledger, Ledger::None | Ledger::Entry(_))
    }

    /// The claim has a release record for its present volume, and nothing that was read contradicts it.
    fn is_released(&self) -> bool {
        let Some(claim) = self.claim() else { return false };
        let Some(record) = claim.released.as_ref().filter(|record| record.uid == claim.uid) else { return false };
        let is_of_its_volume = match &claim.volume {
            Some(Volume::Of(volume)) => *volume == record.volume,
            None => true,
            Some(Volume::None) => false,
        };
        claim.phase != Phase::Pending && is_of_its_volume && !self.is_taken_over(record) && !self.is_elsewhere(record)
    }

    /// The ledger entry, if it names this cluster, this claim and its volume. A volume that was not read is not
    /// compared.
    fn own_entry(&self) -> Option<&Entry> {
        let (claim, cluster) = (self.claim()?, self.seen.cluster.as_ref()?);
        self.living_entry().filter(|entry| {
            let has_volume = match &claim.volume {
                Some(Volume::Of(volume)) => entry.writer.volume == *volume,
                Some(Volume::None) => false,
                None => true,
            };
            entry.writer.cluster == *cluster && entry.writer.uid == claim.uid && has_volume
        })
    }

    /// The own entry, if it is newer than the release record: then the host crashed between the two.
    fn newer_entry(&self, record: &ReleaseRecord) -> Option<&Entry> {
        let is_read = !matches!(self.seen.repository, Repository::Unread(_))
            && self.claim().is_some_and(|claim| claim.volume.is_some());
        self.own_entry().filter(|entry| is_read && entry.writer.term > record.term)
    }

    /// The entry names another cluster, claim or volume; or the mark says so, and no own entry contradicts it.
    fn is_taken_over(&self, record: &ReleaseRecord) -> bool {
        let Some(entry) = self.own_entry() else {
            return record.overtaken || self.living_entry().is_some() && self.seen.cluster.is_some();
        };
        let knows_the_newest = match &self.seen.repository {
            Repository::Unread(_) | Repository::Damaged(_) => false,
            _ => self.entry_is_up_to_date(entry),
        };
        record.overtaken && self.newer_entry(record).is_none() && !knows_the_newest || self.is_overwritten()
    }

    /// Another is known to have written the newest snapshot.
    fn is_overwritten(&self) -> bool {
        let Repository::Holds(listing) = &self.seen.repository else { return false };
        listing.suspicion == Some(Suspicion::Confirmed)
    }

    /// No snapshot is newer than the one that the entry remembers.
    fn entry_is_up_to_date(&self, entry: &Entry) -> bool {
        let Repository::Holds(listing) = &self.seen.repository else { return true };
        entry.memory.as_ref().is_some_and(|memory| memory.newest_key == listing.newest_key)
    }

    fn is_elsewhere(&self, record: &ReleaseRecord) -> bool {
        // What was released last, to which repository, and up to which snapshot.
        let newer = self.newer_entry(record);
        let memory = newer.and_then(|entry| entry.memory.as_ref());
        let (released, newest, moved) = match newer {
            Some(_) => (memory.map(|it| &it.fingerprint), memory.map(|it| &it.newest_key), false),
            None => (record.fingerprint.as_ref(), record.newest.as_ref(), record.moved),
        };
        let listing = match &self.seen.repository {
            Repository::Unread(_) | Repository::Damaged(_) => return newer.is_none() && record.elsewhere,
            Repository::Absent(_) => return false,
            Repository::Initialised(opened) | Repository::Emptied(opened) => {
                return released.is_some_and(|released| *released != opened.fingerprint);
            }
            Repository::Holds(listing) => listing,
        };
        let entry_is_elsewhere = self.living_entry().is_some_and(|entry| {
            let is_same_repository =
                entry.memory.as_ref().is_some_and(|memory| memory.fingerprint == listing.fingerprint);
            entry.repository != Address::Same && !(is_same_repository && self.entry_is_up_to_date(entry))
        });
        let (secret_moved, secret_is_known) = match &self.seen.secret {
            Some(SecretEvidence::Ours(content)) => (content.repository != Address::Same, true),
            Some(SecretEvidence::Foreign) => (false, false),
            Some(SecretEvidence::Absent) | None => (false, true),
        };
        let wrote_the_newest = listing.lists_saved
            || newest == Some(&listing.newest_key)
            || self.own_entry().is_some_and(|entry| self.entry_is_up_to_date(entry));
        let has_entry_here = self.own_entry().is_some_and(|entry| entry.repository == Address::Same);
        let has_no_entry = match &self.seen.ledger {
            Ledger::None => true,
            Ledger::Unread(_) => false,
            _ => secret_moved && !has_entry_here,
        };
        let went_on = match released {
            Some(_) => wrote_the_newest,
            None => listing.lists_saved && (moved || listing.count == 1),
        };
        let is_another = match released {
            Some(released) => *released != listing.fingerprint,
            None => {
                let saw_it = listing.lists_saved && self.own_entry().is_some() && !entry_is_elsewhere;
                matches!(self.seen.ledger, Ledger::Uninitialised | Ledger::OtherStore)
                    || (secret_moved || !secret_is_known) && !saw_it
            }
        };
        is_another || entry_is_elsewhere && !went_on || has_no_entry && !wrote_the_newest
    }

    /// The volume was populated from the image of its own restore, which restored the newest snapshot.
    fn was_restored(&self) -> bool {
        let Some(claim) = self.claim() else { return false };
        let Some(RestoreEvidence::Done(FinishedRestore { image, outcome: Outcome::Restored(id), .. })) =
            &self.seen.restore
        else {
            return false;
        };
        let Repository::Holds(listing) = &self.seen.repository else { return false };
        claim.phase == Phase::Bound
            && claim.data_source == DataSource::Ours
            && claim.populated_from.as_ref() == Some(image)
            && listing.lists_restored
            && listing.newest_key.as_str().starts_with(id.as_str())
            && self.ledger_is_read()
    }

    /// The repository is empty, and nothing is remembered.
    fn never_held_data(&self) -> bool {
        let is_empty = matches!(self.seen.repository, Repository::Absent(_) | Repository::Initialised(_));
        let has_memory = self.living_entry().is_some_and(|entry| entry.memory.is_some());
        is_empty && self.ledger_is_read() && !has_memory
    }

    /// The ledger names this very volume of this very cluster as the one that is backed up. If it names an earlier
    /// claim, there is no newer snapshot.
    fn is_backed_up(&self) -> bool {
        let volume = self.claim().and_then(|claim| claim.volume.as_ref());
        let (Some(Volume::Of(volume)), Some(entry)) = (volume, self.living_entry()) else { return false };
        entry.writer.volume == *volume
            && !self.is_overwritten()
            && self.seen.cluster.as_ref() == Some(&entry.writer.cluster)
            && (self.claim_uid() == Some(entry.writer.uid.as_str())
                || self.entry_is_up_to_date(entry)
                || self.shows_fewer(entry))
    }

    /// The newest snapshot is older than the one that the entry remembers.
    fn shows_fewer(&self, entry: &Entry) -> bool {
        let Repository::Holds(listing) = &self.seen.repository else { return false };
        entry.memory.as_ref().is_some_and(|memory| listing.newest_at < memory.newest_at)
    }

    /// A person accepted a hold, and the verdict says so. Which hold it was is tested in `enumeration/ways.rs`.
    fn is_accepted(&self) -> bool {
        let Some(ask) = self.asked.eligible() else { return false };
        !ask.accepted.is_empty() && self.verdict.code == Code::AcceptedByOperator
    }
}
