//! The decision: what to do with the restore and the backup of a claim, and why. Only this file can make a
//! [`Released`].
//!
//! The numbers are those of the rows of `docs/decisions.md`; the first row whose condition holds decides.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::eligibility::{Eligibility, Unselected};
use crate::evidence::{
    BackupEvidence, BackupState, ClaimEvidence, DataSource, Digest, Evidence, Expectation, FinishedRestore, Phase,
    Populator, ReleaseRecord, Repository, RestoreEvidence, RunningRestore, SecretEvidence, Slot, Volume,
};
use crate::history::{Doubt, History, is_active, is_same_volume};
use crate::hold::{HoldId, hold};
use crate::mover::restic::Outcome;
use crate::quantity::Quantity;
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

/// What the decision must know of a claim that can be protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Where the claim's data is restored to.
    pub mode: RestoreMode,
    /// What a backup needs before it is released.
    pub gate: Gate,
    /// Whether a Secret can be rendered.
    pub has_credentials: bool,
    /// The SHA-256 of the address of the repository in the rendered Secret; `None` where an ExternalSecret creates the
    /// Secret.
    pub repository: Option<Digest>,
    /// The storage that the claim requests.
    pub request: Quantity,
    /// The longest time between two backups of the claim's schedule, in seconds.
    pub interval: u64,
    /// The ids of the holds that a person accepted.
    pub accepted: Vec<HoldId>,
    /// The reason that they gave.
    pub reason: Option<String>,
    /// Whether dead locks are deleted from a repository whose restore fails because it is locked.
    pub clears_dead_locks: bool,
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
    /// Whether the marks that follow from evidence are written into the release record.
    pub marks_record: bool,
}

impl Verdict {
    /// The numbers of all rows.
    pub const ROWS: RangeInclusive<u8> = 1..=39;
}

/// Decides: the first row whose condition holds. Every combination of inputs has exactly one verdict.
pub fn decide(asked: &Eligibility<Ask>, evidence: Option<&Evidence>) -> Verdict {
    let Some(evidence) = evidence else { return without_evidence(asked) };
    let has_ours = evidence.has_ours();
    let ask = match asked {
        Eligibility::Unselected(Unselected::NoClaim) => return keep(1, Code::NotSelected),
        Eligibility::Unselected(_) if !has_ours => return keep(1, Code::NotSelected),
        _ if is_stray(evidence) => {
            return Verdict { backup: Backup::Delete, marks_record: true, ..keep(2, Code::StrayBackup) };
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
    let mut procedure = Procedure { ask, evidence, objects, on_the_way: false };
    match (procedure.objects.claim.phase, evidence.release()) {
        (Phase::Lost, _) => keep(12, Code::VolumeLost),
        (Phase::Bound | Phase::Pending, Some(record)) => procedure.released(record),
        (Phase::Bound, None) => procedure.bound(),
        (Phase::Pending, None) => procedure.pending(),
    }
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
        marks_record: false,
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
    cluster: &'a str,
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
        Some(Objects {
            cluster: evidence.cluster.as_ref()?,
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

    fn consume_restore(&self) -> Restore {
        match self.restore {
            RestoreEvidence::Done(done) if !done.consumed => Restore::Consume,
            RestoreEvidence::Done(_)
            | RestoreEvidence::Absent
            | RestoreEvidence::Foreign
            | RestoreEvidence::Stale
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

/// What a finished restore proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// Nothing was restored.
    Nothing,
    /// It is unknown what was restored.
    Unread,
    /// A snapshot was restored that is not in the repository.
    NotListed,
    /// A snapshot of the repository was restored, but not the newest.
    Older,
    /// The newest snapshot was restored.
    Newest,
}

impl Proof {
    fn of(done: &FinishedRestore, repository: &Repository) -> Self {
        match (&done.outcome, repository) {
            (Outcome::Nothing, _) => Proof::Nothing,
            // While the listing is unread, it is unknown whether the snapshot is in the repository.
            (Outcome::Unread, _) | (Outcome::Restored(_), Repository::Unread(_) | Repository::Damaged(_)) => {
                Proof::Unread
            }
            (Outcome::Restored(_), Repository::Absent(_) | Repository::Initialised(_) | Repository::Emptied(_)) => {
                Proof::NotListed
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

/// Rows 13 to 39: every object was read, and is managed by this policy.
struct Procedure<'a> {
    ask: &'a Ask,
    evidence: &'a Evidence,
    objects: Objects<'a>,
    /// Whether an accepted hold was passed so far.
    on_the_way: bool,
}

impl Procedure<'_> {
    /// Whether a person accepted the hold `code`, which would otherwise decide.
    fn accepts(&mut self, code: Code) -> bool {
        let is_accepted = !self.ask.accepted.is_empty()
            && hold(code, self.ask.repository.as_ref(), self.evidence)
                .is_some_and(|id| self.ask.accepted.contains(&id));
        self.on_the_way |= is_accepted;
        is_accepted
    }

    fn history(&self) -> History {
        History::of(&self.evidence.ledger, &self.evidence.repository)
    }

    /// The history. Where it is unknown and a person accepted the hold, it is what the repository shows.
    fn accepted_history(&mut self) -> History {
        match self.history() {
            History::Unknown(doubt) if !doubt.is_closed() && self.accepts(doubt.code()) => {
                History::accepted(&self.evidence.repository)
            }
            history => history,
        }
    }

    /// The closed doubt, if there is one, once an accepted hold was passed.
    fn closed_after_acceptance(&self) -> Option<Doubt> {
        match self.history() {
            History::Unknown(doubt) => (self.on_the_way && doubt.is_closed()).then_some(doubt),
            History::Fresh | History::Data => None,
        }
    }

    fn is_active(&self) -> bool {
        let Evidence { ledger, repository, .. } = self.evidence;
        is_active(self.objects.cluster, ledger, repository, self.ask.interval)
    }

    /// Releases the backup, and consumes any image of the restore.
    fn release(&self, row: u8, code: Code) -> Verdict {
        // The Secret is not created while it is in doubt which repository it points at: the next plan asks (row 18).
        let in_doubt = matches!(self.history(), History::Unknown(_)) && !self.on_the_way;
        Verdict {
            restore: self.objects.consume_restore(),
            backup: Backup::Release(Released { is_new: true }),
            applies_secret: !in_doubt,
            ..keep(row, if self.on_the_way { Code::AcceptedByOperator } else { code })
        }
    }

    /// Continues the valid release. It is recorded again only if it needed the acceptance of a hold.
    fn go_on(&self, row: u8, code: Code) -> Verdict {
        Verdict {
            backup: Backup::Release(Released { is_new: self.on_the_way }),
            applies_secret: true,
            marks_record: true,
            ..self.release(row, code)
        }
    }

    /// Withholds the backup of a claim that is Bound, and consumes any image; otherwise the next claim of the same name
    /// would be populated from it.
    fn hold_bound(&self, row: u8, code: Code) -> Verdict {
        Verdict { restore: self.objects.consume_restore(), ..withhold(row, code) }
    }

    /// Rows 13 to 19.
    fn released(&mut self, record: &ReleaseRecord) -> Verdict {
        let Evidence { ledger, .. } = self.evidence;
        if record.is_of_another_volume(self.objects.claim) && !self.accepts(Code::VolumeReplaced) {
            return withhold(13, Code::VolumeReplaced);
        }
        if record.is_overtaken(Some(self.objects.cluster), ledger) && !self.accepts(Code::Superseded) {
            return Verdict { marks_record: true, ..withhold(14, Code::Superseded) };
        }
        if record.is_elsewhere(self.evidence) && !self.accepts(Code::RepositoryReplaced) {
            return Verdict { marks_record: true, ..withhold(15, Code::RepositoryReplaced) };
        }
        if let Some(doubt) = self.closed_after_acceptance() {
            return withhold(16, doubt.code());
        }
        match self.objects.secret {
            SecretEvidence::Ours(_) => {
                if self.evidence.secret_is_other() && !self.accepts(Code::RepositoryMoved) {
                    return keep(17, Code::RepositoryMoved);
                }
                // A release after an accepted hold is recorded again, which needs the repository to be readable.
                if let Some(doubt) = self.closed_after_acceptance() {
                    return keep(16, doubt.code());
                }
            }
            SecretEvidence::Absent | SecretEvidence::Foreign => match self.accepted_history() {
                History::Unknown(doubt) => return keep(18, doubt.code()),
                History::Fresh | History::Data => {}
            },
        }
        self.go_on(19, Code::Released)
    }

    /// Rows 20 to 28.
    fn bound(&mut self) -> Verdict {
        if self.evidence.secret_is_other() {
            return Verdict { applies_secret: true, ..withhold(20, Code::SecretOutdated) };
        }
        let verdict = self.bound_as_rendered();
        self.with_restore_aside(verdict)
    }

    /// Rows 21 to 28: the Secret points at the repository that settings say.
    fn bound_as_rendered(&mut self) -> Verdict {
        let is_active = self.is_active();
        let history = self.accepted_history();
        if is_same_volume(self.objects.claim, &self.evidence.ledger) && !is_active {
            match history {
                History::Data
                | History::Fresh
                | History::Unknown(Doubt::DataExpected | Doubt::RepositoryRolledBack) => {
                    return self.release(21, Code::SameVolume);
                }
                History::Unknown(_) => {}
            }
        }
        if let History::Unknown(doubt) = history {
            return self.hold_bound(22, doubt.code());
        }
        if is_active && !self.accepts(Code::OtherWriterActive) {
            return self.hold_bound(23, Code::OtherWriterActive);
        }
        if history == History::Fresh {
            return self.release(24, self.code_of_a_fresh_start());
        }
        match (self.objects.claim.data_source, self.objects.restore) {
            (DataSource::Ours, RestoreEvidence::Done(done)) => self.bound_to(done),
            (DataSource::Ours | DataSource::None, _) => self.unproven(25, Code::UnrestoredVolume),
            (DataSource::Foreign, _) => self.unproven(25, Code::ForeignSource),
        }
    }

    fn code_of_a_fresh_start(&self) -> Code {
        match self.objects.claim.data_source {
            DataSource::Ours => Code::StartedFresh,
            DataSource::None | DataSource::Foreign => Code::AdoptedVolume,
        }
    }

    /// A row that is followed by 28 alone: the hold, unless a person accepted it.
    fn unproven(&mut self, row: u8, code: Code) -> Verdict {
        if self.accepts(code) { self.release(28, Code::Restored) } else { self.hold_bound(row, code) }
    }

    /// Rows 26 to 28: the claim is Bound, and its restore is done.
    fn bound_to(&mut self, done: &FinishedRestore) -> Verdict {
        let is_the_image = self.objects.claim.populated_from.as_ref() == Some(&done.image);
        if !is_the_image && !self.accepts(Code::PopulatedFromOtherImage) {
            return self.hold_bound(26, Code::PopulatedFromOtherImage);
        }
        match Proof::of(done, &self.evidence.repository) {
            Proof::Nothing => self.unproven(27, Code::RestoreCameBackEmpty),
            Proof::Unread => self.unproven(27, Code::RestoreUnverified),
            Proof::NotListed => self.unproven(27, Code::RestoredFromElsewhere),
            Proof::Older => self.unproven(27, Code::RestoredOlder),
            Proof::Newest => self.release(28, Code::Restored),
        }
    }

    /// Rows 20 and 29 to 39.
    fn pending(&mut self) -> Verdict {
        if self.evidence.secret_is_other() {
            let restore = self.objects.delete_restore();
            return Verdict { restore, applies_secret: true, ..withhold(20, Code::SecretOutdated) };
        }
        match (self.objects.claim.data_source, self.ask.mode) {
            (DataSource::Ours, _) => {}
            (DataSource::None, RestoreMode::Populate) => return withhold(29, Code::MissedAdmission),
            (DataSource::None, RestoreMode::Side | RestoreMode::None) | (DataSource::Foreign, _) => {
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
    fn pending_done(&mut self, done: &FinishedRestore) -> Verdict {
        let history = self.accepted_history();
        let proof = Proof::of(done, &self.evidence.repository);
        let fault = match proof {
            Proof::Nothing => Some(Code::RestoreCameBackEmpty),
            Proof::NotListed => Some(Code::RestoredFromElsewhere),
            Proof::Unread | Proof::Older | Proof::Newest => None,
        };
        let is_accepted = fault.is_some_and(|code| self.accepts(code));
        let is_closed = matches!(history, History::Unknown(doubt) if doubt.is_closed());
        let is_listed = matches!(proof, Proof::Older | Proof::Newest);
        // A consumed image of unknown content is not usable either.
        let is_of_no_use = is_listed || is_accepted || history == History::Fresh || proof == Proof::Unread;
        if done.consumed && !is_closed && is_of_no_use {
            return self.start_over(31);
        }
        // An image without data is consumed first, accepted or not: the run that binds must expect nothing.
        let must_hold = match (done.expects, history) {
            (Expectation::Data, _) => true,
            (Expectation::Nothing, History::Data | History::Unknown(_)) => !is_closed && !is_accepted,
            (Expectation::Nothing, History::Fresh) => false,
        };
        if let Some(code) = fault.filter(|_| must_hold) {
            let code = match history {
                History::Unknown(doubt) if is_closed => doubt.code(),
                History::Fresh | History::Data | History::Unknown(_) => code,
            };
            let restarts_populator = self.objects.is_filling();
            return Verdict { restarts_populator, ..self.hold_bound(32, code) };
        }
        match self.objects.populator {
            Populator::Filling(image) if *image != done.image || done.consumed => wedged(),
            Populator::Filling(_) | Populator::Idle => withhold(34, Code::Binding),
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
    fn pending_unrestored(&mut self) -> Verdict {
        if self.objects.is_filling() {
            return wedged();
        }
        let code = match self.accepted_history() {
            History::Unknown(doubt) => return withhold(36, doubt.code()),
            History::Data if self.is_too_small() && !self.accepts(Code::CapacityTooSmall) => {
                return withhold(37, Code::CapacityTooSmall);
            }
            History::Data => Code::RestoreFromBackup,
            History::Fresh => Code::FreshVolume,
        };
        if let Slot::Queued(_) = self.evidence.slot {
            return withhold(38, Code::RestoreQueued);
        }
        let comes_back_empty = [Code::RestoreCameBackEmpty, Code::RestoredFromElsewhere];
        let may_be_empty = code == Code::FreshVolume || comes_back_empty.into_iter().any(|code| self.accepts(code));
        Verdict {
            restore: Restore::Apply,
            expects: Some(if may_be_empty { Expectation::Nothing } else { Expectation::Data }),
            applies_secret: true,
            ..withhold(39, if self.on_the_way { Code::AcceptedByOperator } else { code })
        }
    }

    /// Whether the claim requests less storage than it did when it was backed up.
    fn is_too_small(&self) -> bool {
        self.evidence.ledger.memory().is_some_and(|(entry, _)| self.ask.request.is_less_than(&entry.capacity))
    }

    /// Adds the restore beside the claim, with `restore.mode: side`. It proves nothing about the claim's own volume.
    fn with_restore_aside(&self, verdict: Verdict) -> Verdict {
        let is_wanted = self.ask.mode == RestoreMode::Side
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
