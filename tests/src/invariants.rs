//! The promise, in the words of design: *good backups are never aged out by a volume that was not restored from them*.
//!
//! Eight invariants. Each is a question about what was seen and what was decided, answered from the evidence alone: not
//! one line of the decision procedure is called from here. The sixth, secrecy, is about text and stands in
//! `properties.rs`, where every credential is a canary.

use volsync_policy::evidence::{
    Address, BackupEvidence, ClaimEvidence, DataSource, Entry, Evidence, Expectation, FinishedRestore, Ledger, Phase,
    ReleaseRecord, Repository, RestoreEvidence, SecretEvidence, Volume,
};
use volsync_policy::{Ask, Backup, Code, Eligibility, Outcome, Restore, Unselected, Verdict};

/// What was asked, what was seen, and what was decided.
pub struct Decided<'a> {
    /// What was asked.
    pub asked: &'a Eligibility<Ask>,
    /// What was seen.
    pub seen: &'a Evidence,
    /// What was decided.
    pub verdict: &'a Verdict,
}

/// A question about a decision; the promise is kept where it is answered with yes.
pub type Invariant = fn(&Decided<'_>) -> bool;

/// The invariants, each with its name.
pub const INVARIANTS: [(&str, Invariant); 7] = [
    ("1 gate", gate),
    ("2 unknown is not fresh", unknown_is_not_fresh),
    ("3 memory", memory),
    ("4 no flapping", no_flapping),
    ("5 blast radius", blast_radius),
    ("7 ownership", ownership),
    ("8 a way out", a_way_out),
];

/// A backup is released for a volume only if that volume was populated from the image of a proven restore, or its
/// repository and the memory of it authoritatively never held data, or this very volume is the one already backed up,
/// or a person accepted this very hold.
fn gate(d: &Decided<'_>) -> bool {
    !d.releases() || d.is_released() || d.was_restored() || d.never_held_data() || d.is_backed_up() || d.is_accepted()
}

/// Evidence that could not be read never releases a backup and never lets a claim bind empty.
fn unknown_is_not_fresh(d: &Decided<'_>) -> bool {
    let binds_empty = d.verdict.restore == Restore::Apply && d.verdict.expects == Some(Expectation::Nothing);
    let store_is_read = d.ledger_is_read() && !matches!(d.seen.repository, Repository::Unread(_));
    let is_new = matches!(&d.verdict.backup, Backup::Release(released) if released.is_new());
    // Of a claim that is Pending the ReplicationSource need not be read: it is never released.
    let objects_are_read = d.seen.cluster.is_some()
        && d.seen.claim.as_ref().is_some_and(|claim| claim.volume.is_some())
        && d.seen.secret.is_some()
        && d.seen.restore.is_some()
        && d.seen.populator.is_some();
    (!binds_empty || store_is_read && objects_are_read)
        && (!is_new || store_is_read && objects_are_read && d.seen.backup.is_some())
        && (!d.releases() || objects_are_read && d.seen.backup.is_some())
}

/// A claim that once had backups and now shows none, fewer, or another repository's is held, never treated as new.
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
    !is_gone || !is_as_new && (!goes_on || d.is_released() || d.is_backed_up() || d.is_accepted())
}

/// Once released for a volume, a backup stays released: an outage never stops backups, deletes objects or re-runs a
/// restore.
fn no_flapping(d: &Decided<'_>) -> bool {
    let is_selected = matches!(d.asked, Eligibility::Eligible(_) | Eligibility::Refused(_));
    let is_of_another = d.own_backup().is_some_and(|backup| backup.uid.as_deref() != d.claim_uid());
    let must_stay = d.is_released() && is_selected && !is_of_another;
    let stays = matches!(d.verdict.backup, Backup::Release(_) | Backup::Keep)
        && matches!(d.verdict.restore, Restore::Keep | Restore::Consume);
    !must_stay || stays
}

/// A claim without the label is never touched, whatever is down: what happens to it takes back what we did.
fn blast_radius(d: &Decided<'_>) -> bool {
    let Eligibility::Unselected(unselected) = d.asked else { return true };
    let adds = d.releases() || d.verdict.restore == Restore::Apply || d.verdict.applies_secret;
    let touches = d.verdict.restore != Restore::Keep || d.verdict.backup != Backup::Keep;
    let has_ours =
        d.own_backup().is_some() || d.restore_is_ours() || matches!(d.seen.secret, Some(SecretEvidence::Ours(_)));
    !adds && !d.verdict.restarts_populator && (!touches || has_ours && *unselected != Unselected::NoClaim)
}

/// An object that we did not create is never overwritten or deleted, and neither is one that was not read.
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

/// Every hold names what a person can do. That the ways lead out is shown by taking them: `enumeration.rs`.
fn a_way_out(d: &Decided<'_>) -> bool {
    let waits = matches!(d.verdict.backup, Backup::Withhold | Backup::Keep);
    let goes_on =
        d.verdict.restore == Restore::Apply || matches!(d.verdict.code, Code::NotSelected | Code::ClaimTerminating);
    !waits || goes_on || d.verdict.code.way_out().is_some()
}

/// What the questions are asked of.
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

    /// The claim has a record of a release, for the volume it has, of which nothing that was read says otherwise.
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

    fn is_taken_over(&self, record: &ReleaseRecord) -> bool {
        let by_another = match (&self.seen.ledger, &self.seen.cluster) {
            (Ledger::Entry(entry), Some(cluster)) => {
                let is_own = entry.writer.cluster == *cluster && entry.writer.uid == record.uid;
                entry.writer.term >= record.term && !is_own
            }
            _ => false,
        };
        record.overtaken || by_another
    }

    fn is_elsewhere(&self, record: &ReleaseRecord) -> bool {
        let read = match &self.seen.repository {
            Repository::Initialised(opened) | Repository::Emptied(opened) => Some(&opened.fingerprint),
            Repository::Holds(listing) => Some(&listing.fingerprint),
            Repository::Unread(_) | Repository::Absent(_) | Repository::Damaged(_) => None,
        };
        let points_elsewhere = match &self.seen.secret {
            Some(SecretEvidence::Ours(content)) => content.repository != Address::Same,
            Some(SecretEvidence::Foreign) => true,
            Some(SecretEvidence::Absent) | None => false,
        };
        let is_strange_store = (points_elsewhere
            || matches!(self.seen.ledger, Ledger::Uninitialised | Ledger::OtherStore))
            && matches!(self.seen.repository, Repository::Holds(_));
        match (&record.fingerprint, read) {
            (Some(released), Some(read)) => released != read,
            (Some(_), None) => record.elsewhere,
            (None, _) => record.elsewhere || is_strange_store,
        }
    }

    /// The volume was populated from the image of its own restore, and that restored the newest snapshot there is.
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

    /// There is nothing in the repository and no memory of anything.
    fn never_held_data(&self) -> bool {
        let is_empty = matches!(self.seen.repository, Repository::Absent(_) | Repository::Initialised(_));
        let has_memory = self.living_entry().is_some_and(|entry| entry.memory.is_some());
        is_empty && self.ledger_is_read() && !has_memory
    }

    /// The ledger names this very volume as the one that is backed up.
    fn is_backed_up(&self) -> bool {
        match (self.claim().and_then(|claim| claim.volume.as_ref()), self.living_entry()) {
            (Some(Volume::Of(volume)), Some(entry)) => entry.writer.volume == *volume,
            _ => false,
        }
    }

    /// A person accepted a hold, and the verdict says so. Which hold it was is shown where ways out are taken.
    fn is_accepted(&self) -> bool {
        let Some(ask) = self.asked.eligible() else { return false };
        !ask.accepted.is_empty() && self.verdict.code == Code::AcceptedByOperator
    }
}
