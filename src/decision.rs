//! The decision: what to do with the restore and the backup of a claim, and why. Only this file can make a
//! [`Released`].
//!
//! The numbers are those of the rows of `docs/decisions.md`; the first row whose condition holds decides.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::ask::Ask;
use crate::code::{Acceptance, Code};
use crate::custody::{Custody, Lapse, Own, Proof};
use crate::eligibility::{Eligibility, Unselected};
use crate::evidence::{
    BackupEvidence, BackupState, ClaimEvidence, DataSource, Evidence, Expectation, FinishedRestore, Phase, Populator,
    ReleaseRecord, RestoreEvidence, RunningRestore, SecretEvidence, Slot, Volume,
};
use crate::history::{Doubt, History};
use crate::hold::Hold;
use crate::settings::{Gate, RestoreMode};

/// The proof that a backup may run. Only the decision can make one, and no ReplicationSource is rendered running
/// without it.
///
/// ```compile_fail,E0451
/// let released = volsync_policy::Released { is_new: true };
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Released {
    is_new: bool,
}

impl Released {
    /// Whether the release has yet to be recorded.
    pub fn is_new(&self) -> bool {
        self.is_new
    }
}

/// What to do with a ReplicationDestination, or with a Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Restore {
    /// Apply the Secret, or create the ReplicationDestination. A ReplicationDestination that exists is never edited.
    Apply,
    /// Consume its image, so that no later claim is populated from it. The object stays, as a trace of the restore.
    Consume,
    /// Delete it.
    Delete,
    /// Leave it as it is, whether it exists or not.
    Keep,
}

/// What to do with a ReplicationSource.
#[derive(Debug, PartialEq, Eq)]
pub enum Backup {
    /// Apply it, not paused, so that it backs up on its schedule.
    Release(Released),
    /// Apply it with `spec.paused: true`, so that it starts no backup.
    Pause,
    /// Leave it as it is, whether it exists or not.
    Keep,
    /// Do not create it, and leave an existing one as it is.
    Withhold,
    /// Delete it at once.
    Delete,
    /// Delete it as soon as no backup is in progress.
    DeleteWhenIdle,
}

/// The decision about a claim, and the reason for it.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The number of the row in `docs/decisions.md` that decided.
    pub row: u8,
    /// The reason code.
    pub code: Code,
    /// What to do with the ReplicationDestination.
    pub restore: Restore,
    /// What the restore is expected to find, where the ReplicationDestination is created on evidence.
    pub expects: Option<Expectation>,
    /// What to do with the ReplicationSource.
    pub backup: Backup,
    /// Whether the Secret is applied.
    pub applies_secret: bool,
    /// Whether `vs-prime-<uid>` is deleted and the claim touched, so that VolSync starts filling the claim over.
    pub restarts_populator: bool,
    /// The code of the release that follows once the ledger entry, which is written first, was read back.
    pub enters: Option<Code>,
    /// What is written into the release record besides, where that differs from it.
    pub marks: Option<Marks>,
}

/// The marks in a release record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// Those that follow from evidence: whether another writer has taken over, and whether the repository is another.
    AsSeen,
    /// That a person accepted that the repository moves: the record names no repository until the first backup at the
    /// new place was seen.
    Moved,
}

impl Verdict {
    /// The numbers of all rows.
    pub const ROWS: RangeInclusive<u8> = 1..=42;

    /// Whether the backup is released, and that has yet to be recorded.
    fn is_new_release(&self) -> bool {
        matches!(&self.backup, Backup::Release(released) if released.is_new())
    }

    /// The code of the release for which the ledger entry is taken over, where it is.
    pub(crate) fn takes_over(&self) -> Option<Code> {
        if self.is_new_release() { Some(self.code) } else { self.enters }
    }

    /// Whether the backup is released.
    pub(crate) fn starts_backup(&self) -> bool {
        matches!(self.backup, Backup::Release(_))
    }
}

/// Decides: the first row whose condition holds. Every combination of inputs has exactly one verdict.
pub fn decide(asked: &Eligibility<Ask>, evidence: Option<&Evidence>) -> Verdict {
    let Some(evidence) = evidence else { return without_evidence(asked) };
    let has_ours = evidence.has_ours();
    let ask = match asked {
        Eligibility::Unselected(Unselected::NoClaim) => return keep(1, Code::NotSelected),
        Eligibility::Unselected(_) if !has_ours => return keep(1, Code::NotSelected),
        _ if is_stray(evidence) => {
            return Verdict { backup: Backup::Delete, marks: Some(Marks::AsSeen), ..keep(2, Code::StrayBackup) };
        }
        _ if evidence.claim.as_ref().is_some_and(|claim| claim.terminating) => return keep(3, Code::ClaimTerminating),
        Eligibility::Terminating => return keep(3, Code::ClaimTerminating),
        Eligibility::Refused(refusal) => return keep(4, refusal.code()),
        Eligibility::Unnamed => return keep(4, Code::NameUnknown),
        Eligibility::Unselected(unselected) => return opted_out(*unselected, evidence),
        Eligibility::Eligible(ask) => ask,
    };
    let Some(objects) = Objects::of(evidence) else { return keep(6, Code::ObjectsUnread) };
    if objects.are_not_ours() {
        return keep(10, Code::NotOurs);
    }
    if !ask.has_credentials {
        return keep(11, Code::CredentialsMissing);
    }
    let procedure = Procedure { ask, evidence, objects };
    let verdict = match (procedure.objects.claim.phase, evidence.release()) {
        (Phase::Lost, _) => return keep(12, Code::VolumeLost),
        (Phase::Bound | Phase::Pending, Some(record)) => procedure.released(&record),
        (Phase::Bound, None) => procedure.bound(),
        (Phase::Pending, None) => procedure.pending(),
    };
    procedure.with_current_key(verdict)
}

/// Rows 1, 3, 4 and 5.
fn without_evidence(asked: &Eligibility<Ask>) -> Verdict {
    match asked {
        Eligibility::Unselected(_) => keep(1, Code::NotSelected),
        Eligibility::Terminating => keep(3, Code::ClaimTerminating),
        Eligibility::Refused(refusal) => keep(4, refusal.code()),
        Eligibility::Unnamed => keep(4, Code::NameUnknown),
        Eligibility::Eligible(ask) => {
            let restore = match ask.mode {
                RestoreMode::None => Restore::Keep,
                RestoreMode::Populate | RestoreMode::Side => Restore::Apply,
            };
            let (code, backup) = match ask.gate {
                Gate::Evidence => (Code::NoEvidence, Backup::Pause),
                Gate::None => (Code::Ungated, Backup::Release(Released { is_new: false })),
            };
            Verdict { restore, backup, applies_secret: true, ..keep(5, code) }
        }
    }
}

/// Rows 6 to 9, for a claim that is not selected but has objects that this policy manages.
fn opted_out(unselected: Unselected, evidence: &Evidence) -> Verdict {
    let Some(objects) = Objects::of(evidence) else { return keep(6, Code::ObjectsUnread) };
    let backup = |delete| if objects.backup.is_some_and(BackupEvidence::is_ours) { delete } else { Backup::Keep };
    match unselected {
        Unselected::Unlabelled if objects.waits_for_us() => {
            Verdict { backup: backup(Backup::Delete), ..keep(7, Code::OptOutPending) }
        }
        Unselected::Unlabelled | Unselected::Derived => Verdict {
            restore: objects.delete_restore(),
            backup: backup(Backup::DeleteWhenIdle),
            ..keep(8, Code::OptedOut)
        },
        Unselected::Excluded => keep(9, Code::NamespaceExcluded),
        Unselected::NoClaim => keep(1, Code::NotSelected),
    }
}

/// Everything stays as it is.
fn keep(row: u8, code: Code) -> Verdict {
    Verdict {
        row,
        code,
        restore: Restore::Keep,
        expects: None,
        backup: Backup::Keep,
        applies_secret: false,
        restarts_populator: false,
        enters: None,
        marks: None,
    }
}

/// No ReplicationSource is created, and an existing one stays as it is.
fn withhold(row: u8, code: Code) -> Verdict {
    Verdict { backup: Backup::Withhold, ..keep(row, code) }
}

/// Whether this policy manages the ReplicationSource, and it is that of an earlier claim of the same name or runs
/// without a valid release. Something that cannot be read does not make it stray.
fn is_stray(evidence: &Evidence) -> bool {
    match (&evidence.backup, &evidence.claim) {
        (Some(BackupEvidence::Ours(backup)), Some(claim)) => {
            backup.uid.as_ref() != Some(&claim.uid)
                || backup.state == BackupState::Running && !evidence.release_stands()
        }
        (Some(BackupEvidence::Absent | BackupEvidence::Foreign) | None, _) | (Some(BackupEvidence::Ours(_)), None) => {
            false
        }
    }
}

/// The objects of the cluster, all of them read.
struct Objects<'a> {
    claim: &'a ClaimEvidence,
    secret: &'a SecretEvidence,
    restore: &'a RestoreEvidence,
    populator: &'a Populator,
    /// The ReplicationSource of a claim that is Pending need not be read.
    backup: Option<&'a BackupEvidence>,
}

impl<'a> Objects<'a> {
    /// `None` where one of them could not be read, or a claim is Bound but has no volume, which is inconsistent.
    fn of(evidence: &'a Evidence) -> Option<Self> {
        let claim = evidence.claim.as_ref()?;
        let backup = evidence.backup.as_ref();
        match (claim.phase, &claim.volume, backup) {
            (Phase::Bound, Some(Volume::None), _) | (_, None, _) => return None,
            (Phase::Bound | Phase::Lost, Some(_), None) => return None,
            (Phase::Pending, Some(_), _)
            | (Phase::Bound, Some(Volume::Of(_)), Some(_))
            | (Phase::Lost, Some(_), Some(_)) => {}
        }
        evidence.cluster.as_ref()?;
        Some(Objects {
            claim,
            secret: evidence.secret.as_ref()?,
            restore: evidence.restore.as_ref()?,
            populator: evidence.populator.as_ref()?,
            backup,
        })
    }

    fn are_not_ours(&self) -> bool {
        matches!(self.secret, SecretEvidence::Foreign)
            || matches!(self.restore, RestoreEvidence::Foreign)
            || matches!(self.backup, Some(BackupEvidence::Foreign))
    }

    /// Whether the claim stays Pending until the restore of its own ReplicationDestination is done.
    fn waits_for_us(&self) -> bool {
        self.claim.phase == Phase::Pending && self.claim.data_source == DataSource::Ours
    }

    fn delete_restore(&self) -> Restore {
        if self.restore.is_ours() { Restore::Delete } else { Restore::Keep }
    }

    /// What becomes of the ReplicationDestination of a claim that is Bound: its image is taken away, and one of an
    /// earlier claim of the same name goes, with its image.
    fn consume_restore(&self) -> Restore {
        match self.restore {
            RestoreEvidence::Done(done) if !done.consumed => Restore::Consume,
            RestoreEvidence::Stale => Restore::Delete,
            RestoreEvidence::Done(_)
            | RestoreEvidence::Absent
            | RestoreEvidence::Foreign
            | RestoreEvidence::Running(_) => Restore::Keep,
        }
    }

    fn is_filling(&self) -> bool {
        match self.populator {
            Populator::Idle => false,
            Populator::Filling(_) => true,
        }
    }
}

/// Rows 13 to 42: every object was read, and is managed by this policy.
///
/// A hold that a person accepted leads out at once: its id covers everything that the rows below would ask.
struct Procedure<'a> {
    ask: &'a Ask,
    evidence: &'a Evidence,
    objects: Objects<'a>,
}

impl Procedure<'_> {
    /// Whether a person accepted the hold `code`.
    fn accepts(&self, code: Code) -> bool {
        !self.ask.accepted.is_empty()
            && Hold::of(code, self.ask, self.evidence).is_some_and(|hold| self.ask.accepted.contains(&hold.id))
    }

    fn history(&self) -> History {
        History::of(self.evidence)
    }

    /// Applies a Secret that points where the rendered one does, while the repository cannot be read or a restore runs:
    /// it may still have an S3 key that was replaced, with which neither would ever succeed.
    fn with_current_key(&self, verdict: Verdict) -> Verdict {
        let may_lack_key = matches!(verdict.code, Code::RepositoryUnread | Code::Restoring | Code::RestoreFailing);
        let is_as_rendered = matches!(self.objects.secret, SecretEvidence::Ours(_)) && !self.evidence.secret_is_other();
        Verdict { applies_secret: verdict.applies_secret || may_lack_key && is_as_rendered, ..verdict }
    }

    /// Releases the backup, and consumes any image of the restore.
    fn release(&self, row: u8, code: Code) -> Verdict {
        Verdict {
            restore: self.objects.consume_restore(),
            backup: Backup::Release(Released { is_new: true }),
            applies_secret: true,
            ..keep(row, code)
        }
    }

    /// Withholds the backup of a claim that is Bound, and consumes any image; otherwise the next claim of the same name
    /// would be populated from it.
    fn hold_bound(&self, row: u8, code: Code) -> Verdict {
        Verdict { restore: self.objects.consume_restore(), ..withhold(row, code) }
    }

    /// A hold of a claim that is Bound: a person's acceptance releases the backup.
    fn release_or_hold(&self, row: u8, code: Code) -> Verdict {
        if self.accepts(code) { self.release(row, Code::AcceptedByOperator) } else { self.hold_bound(row, code) }
    }

    /// Rows 13 to 19.
    fn released(&self, record: &ReleaseRecord) -> Verdict {
        if let Some(lapse) = record.lapse(self.evidence) {
            return self.fenced(self.lapsed(lapse));
        }
        match (self.objects.secret, self.history()) {
            (SecretEvidence::Ours(_), _) if self.evidence.secret_is_other() => return self.moved(),
            (SecretEvidence::Absent | SecretEvidence::Foreign, History::Unknown(doubt))
                if !self.evidence.knows_the_place_in(doubt) =>
            {
                if !self.accepts(doubt.code()) {
                    return keep(18, doubt.code());
                }
                return self.release(18, Code::AcceptedByOperator);
            }
            (SecretEvidence::Ours(_) | SecretEvidence::Absent | SecretEvidence::Foreign, _) => {}
        }
        Verdict {
            backup: Backup::Release(Released { is_new: false }),
            marks: Some(Marks::AsSeen),
            ..self.release(19, Code::Released)
        }
    }

    /// Rows 13 to 16, and 20: the release is not valid any more.
    fn lapsed(&self, lapse: Lapse) -> Verdict {
        // Nothing is sent where the Secret points; what is at the place that it should name is judged then.
        if self.evidence.secret_is_other() {
            let marks = Some(Marks::AsSeen);
            return Verdict { applies_secret: true, marks, ..withhold(20, Code::SecretOutdated) };
        }
        let (row, marks) = match lapse {
            Lapse::OtherVolume => (13, None),
            Lapse::Overtaken => (14, Some(Marks::AsSeen)),
            Lapse::Moved | Lapse::Replaced => (15, Some(Marks::AsSeen)),
            Lapse::EntryLost => (16, None),
        };
        if !self.accepts(lapse.code()) {
            return Verdict { marks, ..withhold(row, lapse.code()) };
        }
        self.release(row, Code::AcceptedByOperator)
    }

    /// Row 17: the Secret points elsewhere. Once a person accepted that, the backup is stopped before the Secret
    /// changes; then the release is judged by what is at the new place.
    fn moved(&self) -> Verdict {
        if self.accepts(Code::RepositoryMoved) {
            return self.move_on();
        }
        Verdict { marks: Some(Marks::AsSeen), ..keep(17, Code::RepositoryMoved) }
    }

    /// Row 17, once a person accepted it.
    fn move_on(&self) -> Verdict {
        if self.objects.backup.is_some_and(BackupEvidence::is_ours) {
            // The record on the claim must be there when that on the ReplicationSource goes.
            let marks = Some(Marks::AsSeen);
            return Verdict { backup: Backup::DeleteWhenIdle, marks, ..keep(17, Code::AcceptedByOperator) };
        }
        Verdict { applies_secret: true, marks: Some(Marks::Moved), ..withhold(17, Code::AcceptedByOperator) }
    }

    /// Rows 20 to 28, and 40 to 42.
    fn bound(&self) -> Verdict {
        if self.evidence.secret_is_other() {
            return Verdict { applies_secret: true, ..withhold(20, Code::SecretOutdated) };
        }
        let verdict = self.fenced(self.bound_as_rendered());
        let verdict = match self.evidence.slot {
            Slot::Queued(_) if verdict.starts_backup() => self.hold_bound(40, Code::BackupQueued),
            Slot::Queued(_) | Slot::Free => verdict,
        };
        self.with_restore_aside(verdict)
    }

    /// Rows 21 to 28: the Secret points at the repository that settings say.
    fn bound_as_rendered(&self) -> Verdict {
        let Objects { claim, restore, .. } = self.objects;
        let custody = Custody::of(self.evidence, claim, restore);
        let is_active = || self.evidence.is_active(self.ask.interval);
        match custody {
            // The Secret is not created while it is in doubt which repository it points at: the next plan asks (18).
            // A numbered entry was written for this release, after anything that was in doubt had been accepted.
            Custody::Own => {
                let is_read_back =
                    self.evidence.unfenced && Own::of(self.evidence).is_some_and(|own| own.is_of_the_place());
                let applies_secret = is_read_back || matches!(self.history(), History::Data | History::Fresh);
                Verdict { applies_secret, ..self.release(21, Code::SameVolume) }
            }
            Custody::InDoubt(doubt) => self.release_or_hold(22, doubt.code()),
            Custody::Nothing | Custody::Restored if is_active() => self.release_or_hold(23, Code::OtherWriterActive),
            Custody::Nothing => self.release(24, self.code_of_a_fresh_start()),
            Custody::Unrestored(code) => self.release_or_hold(25, code),
            Custody::OtherImage => self.release_or_hold(26, Code::PopulatedFromOtherImage),
            Custody::Unproven(code) => self.release_or_hold(27, code),
            Custody::Restored => self.release(28, Code::Restored),
        }
    }

    /// Rows 41 and 42: in a store without conditional writes, two clusters could write the claim's ledger entry at the
    /// same time. So the entry is read back before the release, and that of another cluster is never followed by an own
    /// one. Of two that write at the same time, at least one then sees the other.
    fn fenced(&self, verdict: Verdict) -> Verdict {
        let Evidence { cluster, ledger, unfenced, .. } = self.evidence;
        let may_release = verdict.is_new_release() || verdict.code.acceptance() == Acceptance::Possible;
        if !unfenced || !may_release {
            return verdict;
        }
        match ledger.living_entry() {
            // What a person would accept covers the writer, so it is asked once that is retired.
            Some(entry) if Some(&entry.writer.cluster) != cluster.as_ref() => {
                Verdict { marks: verdict.marks, ..self.hold_bound(41, Code::EntryNotRetired) }
            }
            _ if verdict.is_new_release() && Own::of(self.evidence).is_none() => {
                Verdict { enters: Some(verdict.code), ..keep(42, Code::EntryUnconfirmed) }
            }
            Some(_) | None => verdict,
        }
    }

    fn code_of_a_fresh_start(&self) -> Code {
        match self.objects.claim.data_source {
            DataSource::Ours => Code::StartedFresh,
            DataSource::None | DataSource::Foreign => Code::AdoptedVolume,
        }
    }

    /// Rows 20 and 29 to 39.
    fn pending(&self) -> Verdict {
        if self.evidence.secret_is_other() {
            let restore = self.objects.delete_restore();
            return Verdict { restore, applies_secret: true, ..withhold(20, Code::SecretOutdated) };
        }
        match (self.objects.claim.data_source, self.ask.missed_admission) {
            (DataSource::Ours, _) => {}
            (DataSource::None, true) => return withhold(29, Code::MissedAdmission),
            (DataSource::None, false) | (DataSource::Foreign, _) => {
                return self.with_restore_aside(withhold(29, Code::AwaitingBind));
            }
        }
        match self.objects.restore {
            RestoreEvidence::Stale => self.start_over(30),
            RestoreEvidence::Done(done) => self.pending_done(done),
            RestoreEvidence::Running(running) => self.pending_running(running),
            RestoreEvidence::Absent | RestoreEvidence::Foreign => self.pending_unrestored(),
        }
    }

    /// Deletes the ReplicationDestination, and restarts the populator that uses it.
    fn start_over(&self, row: u8) -> Verdict {
        Verdict {
            restore: Restore::Delete,
            restarts_populator: self.objects.is_filling(),
            ..withhold(row, Code::StaleRestore)
        }
    }

    /// Rows 31 to 34.
    fn pending_done(&self, done: &FinishedRestore) -> Verdict {
        let history = self.history();
        let fault = match Proof::of(done, &self.evidence.repository) {
            Proof::Nothing if !self.may_bind_empty(done, history) => Some(Code::RestoreCameBackEmpty),
            // What the next restore would be held for is asked at once.
            Proof::NotListed => Some(match history.doubt() {
                Some(doubt) => doubt.code(),
                None if self.is_too_small() => Code::CapacityTooSmall,
                None => Code::RestoredFromElsewhere,
            }),
            // The image may be all that is left of the data.
            Proof::Vanished if done.consumed => history.doubt().map(Doubt::code),
            Proof::Nothing | Proof::Unread | Proof::Vanished | Proof::Older | Proof::Newest => None,
        };
        let code = history.closed().map(Doubt::code);
        let is_settled = |fault| history == History::Fresh || self.accepts(fault);
        // An image without data is consumed first, accepted or not: the run that binds must expect nothing.
        if done.consumed && code.is_none() && fault.is_none_or(is_settled) {
            return self.start_over(31);
        }
        if let Some(fault) = fault {
            let restarts_populator = self.objects.is_filling();
            return Verdict { restarts_populator, ..self.hold_bound(32, code.unwrap_or(fault)) };
        }
        match self.objects.populator {
            Populator::Filling(image) if *image != done.image || done.consumed => wedged(),
            Populator::Filling(_) | Populator::Idle => withhold(34, Code::Binding),
        }
    }

    /// Whether a claim may bind to a restore that found nothing: it was expected, and there is still nothing.
    fn may_bind_empty(&self, done: &FinishedRestore, history: History) -> bool {
        let has_snapshots = self.evidence.repository.listing().is_some();
        match done.expects {
            Expectation::Data | Expectation::AcceptedData => false,
            Expectation::Nothing => !has_snapshots && (history == History::Fresh || history.closed().is_some()),
            Expectation::AcceptedNothing => !has_snapshots || self.accepts(Code::RestoreCameBackEmpty),
        }
    }

    /// Rows 33 and 35.
    fn pending_running(&self, running: &RunningRestore) -> Verdict {
        match (self.objects.populator, running.failures) {
            (Populator::Filling(_), _) => wedged(),
            (Populator::Idle, 0..3) => withhold(35, Code::Restoring),
            (Populator::Idle, 3..) => withhold(35, Code::RestoreFailing),
        }
    }

    /// Rows 33 and 36 to 39: there is no ReplicationDestination.
    fn pending_unrestored(&self) -> Verdict {
        if self.objects.is_filling() {
            return wedged();
        }
        // A person who accepted that the restore finds nothing was shown the doubt, too.
        let starts_empty = self.accepts(Code::RestoreCameBackEmpty);
        let is_accepted = |code| starts_empty || self.accepts(code);
        let has_snapshots = self.evidence.repository.listing().is_some();
        let (code, expects) = match self.history() {
            History::Fresh => (Code::FreshVolume, Expectation::Nothing),
            History::Unknown(doubt) if doubt.is_closed() || !is_accepted(doubt.code()) => {
                return withhold(36, doubt.code());
            }
            History::Data if self.is_too_small() && !is_accepted(Code::CapacityTooSmall) => {
                return withhold(37, Code::CapacityTooSmall);
            }
            _ if starts_empty => (Code::AcceptedByOperator, Expectation::AcceptedNothing),
            History::Unknown(_) if has_snapshots => (Code::AcceptedByOperator, Expectation::AcceptedData),
            History::Unknown(_) => (Code::AcceptedByOperator, Expectation::AcceptedNothing),
            History::Data if self.is_too_small() => (Code::AcceptedByOperator, Expectation::Data),
            History::Data => (Code::RestoreFromBackup, Expectation::Data),
        };
        if let Slot::Queued(_) = self.evidence.slot {
            return withhold(38, Code::RestoreQueued);
        }
        Verdict { restore: Restore::Apply, expects: Some(expects), applies_secret: true, ..withhold(39, code) }
    }

    /// Whether the claim requests less storage than it did when it was backed up.
    fn is_too_small(&self) -> bool {
        self.evidence.ledger.memory().is_some_and(|(entry, _)| self.ask.request.is_less_than(&entry.capacity))
    }

    /// Adds the restore beside the claim, with `restore.mode: side`. It proves nothing about the claim's own volume.
    fn with_restore_aside(&self, verdict: Verdict) -> Verdict {
        let is_wanted = self.ask.mode == RestoreMode::Side
            && self.objects.claim.data_source != DataSource::Ours
            && matches!(self.objects.restore, RestoreEvidence::Absent)
            && self.history() == History::Data
            && self.evidence.slot == Slot::Free;
        if is_wanted {
            Verdict { restore: Restore::Apply, expects: Some(Expectation::Data), applies_secret: true, ..verdict }
        } else {
            verdict
        }
    }
}

/// Row 33.
fn wedged() -> Verdict {
    Verdict { restarts_populator: true, ..withhold(33, Code::PopulatorWedged) }
}
