//! Steps: what a host carries out, in an order in which a crash between any two of them is safe.

use serde::{Deserialize, Serialize};

use crate::acceptance::HoldId;
use crate::ask::Ask;
use crate::code::Code;
use crate::custody::Own;
use crate::decision::{Backup, Marks, Restore, Verdict, decide};
use crate::eligibility::Eligibility;
use crate::evidence::{
    Address, BackupEvidence, BackupState, Entry, Evidence, Ledger, Listing, Memory, OurBackup, ReleaseRecord,
    Repository, RestoreEvidence, Timestamp, Volume, Writer,
};
use crate::hold::Hold;
use crate::mover::restic::Cause;
use crate::mover::restic::layout::DEAD_LOCK;
use crate::part::Part;

/// A step that a host carries out. A step that deletes an object has the uid of the observed object as a precondition.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Step {
    /// Write these ids into the claim's annotation `volsync-policy.io/spent`: acceptances of a person that no longer
    /// count, because what they cover has changed.
    SpendAcceptances(Vec<HoldId>),
    /// Write this release record into the claim's annotation, then into the ReplicationSource's.
    MarkRelease(ReleaseRecord),
    /// Delete the ReplicationSource.
    DeleteSource,
    /// Delete the ReplicationDestination.
    DeleteDestination,
    /// Delete the claim `vs-prime-<uid>`, so that VolSync's populator starts over.
    DeletePopulator,
    /// Change an annotation of the claim, so that VolSync reconciles it again.
    TouchClaim,
    /// Write a numbered ledger entry for the claim, with the address of the rendered Secret's repository added. The
    /// release follows if the entry is the only one with the highest number when it is read back.
    EnterLedger(Box<Entry>),
    /// Take over the ledger entry by compare-and-swap, unless it is a numbered one, with the address of the rendered
    /// Secret's repository added; then write the release record into the claim's annotation, then into the
    /// ReplicationSource's. If another writer was faster, plan again.
    RecordRelease(Box<LedgerWrite>),
    /// Copy the repository's objects `snapshots/*` to the ledger's folder `pins/`. Until the next prune, a snapshot
    /// that was aged out can be put back from there.
    PinSnapshots,
    /// Apply the Secret, or the ExternalSecret that creates it. Keys that the manifest leaves out keep their value in
    /// the cluster.
    ApplySecret,
    /// Create the ReplicationDestination.
    ApplyDestination,
    /// Apply the ReplicationSource.
    ApplySource,
    /// Set `spec.paused: false` on the ReplicationSource and change nothing else, because it was paused while a backup
    /// was in progress.
    UnpauseSource,
    /// Consume the image of the restore: write its name into the ReplicationDestination's annotation
    /// `volsync-policy.io/consumed`, clear `status.latestImage`, then delete the VolumeSnapshot.
    ConsumeImage,
    /// Delete the repository's locks that are older than one hour.
    ClearLocks,
    /// Write the ledger entry by compare-and-swap, with the address of the rendered Secret's repository added; then
    /// write the release record, as `markRelease` does.
    WriteLedger(Box<LedgerWrite>),
}

/// What is written at a release, and whenever a new backup is seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LedgerWrite {
    /// The ledger entry.
    pub entry: Entry,
    /// The release record, for the claim and its ReplicationSource.
    pub record: ReleaseRecord,
}

/// What was decided about a claim, and everything that follows from it.
pub struct Decision {
    /// The decision, and the reason for it.
    pub verdict: Verdict,
    /// The hold, where a person may accept it.
    pub hold: Option<Hold>,
    /// The steps to carry out, in order. A crash between any two of them is safe.
    pub steps: Vec<Step>,
    /// The release record on the ReplicationSource, where its backup is released on evidence.
    pub record: Option<ReleaseRecord>,
}

impl Decision {
    /// Decides what to do with the claim that `asked` is about.
    pub fn of(asked: &Eligibility<Ask>, evidence: Option<&Evidence>) -> Self {
        let verdict = decide(asked, evidence);
        let hold = (asked.eligible().zip(evidence)).and_then(|(ask, evidence)| Hold::of(verdict.code, ask, evidence));
        let steps = Step::of(&verdict, asked, evidence);
        let record = LedgerWrite::record(&verdict, &steps, evidence);
        Decision { verdict, hold, steps, record }
    }
}

impl Step {
    /// The name of the step in a plan.
    pub fn name(&self) -> &'static str {
        match self {
            Step::SpendAcceptances(_) => "spendAcceptances",
            Step::MarkRelease(_) => "markRelease",
            Step::DeleteSource => "deleteSource",
            Step::DeleteDestination => "deleteDestination",
            Step::DeletePopulator => "deletePopulator",
            Step::TouchClaim => "touchClaim",
            Step::EnterLedger(_) => "enterLedger",
            Step::RecordRelease(_) => "recordRelease",
            Step::PinSnapshots => "pinSnapshots",
            Step::ApplySecret => "applySecret",
            Step::ApplyDestination => "applyDestination",
            Step::ApplySource => "applySource",
            Step::UnpauseSource => "unpauseSource",
            Step::ConsumeImage => "consumeImage",
            Step::ClearLocks => "clearLocks",
            Step::WriteLedger(_) => "writeLedger",
        }
    }

    /// What the step does, in words.
    pub fn words(&self) -> &'static str {
        match self {
            Step::SpendAcceptances(_) => "note which acceptances no longer count, because what they cover has changed",
            Step::MarkRelease(_) => "correct the release record",
            Step::DeleteSource => "delete the ReplicationSource",
            Step::DeleteDestination => "delete the ReplicationDestination",
            Step::DeletePopulator => "delete the claim from which VolSync fills this one",
            Step::TouchClaim => "change an annotation of the claim, so that VolSync reconciles it again",
            Step::EnterLedger(_) => "write a ledger entry for the claim, to be read back before the release",
            Step::RecordRelease(_) => "record the release, in the ledger and on the claim",
            Step::PinSnapshots => "copy the repository's snapshot objects to the ledger's pins",
            Step::ApplySecret => "apply the Secret",
            Step::ApplyDestination => "create the ReplicationDestination",
            Step::ApplySource => "apply the ReplicationSource",
            Step::UnpauseSource => "un-pause the ReplicationSource",
            Step::ConsumeImage => "consume the image of the restore, so that no later claim is populated from it",
            Step::ClearLocks => "delete dead locks from the repository",
            Step::WriteLedger(_) => "write the ledger entry",
        }
    }

    /// The manifest that the step applies, where it applies one.
    pub fn applies(&self) -> Option<Part> {
        match self {
            Step::ApplySecret => Some(Part::Secret),
            Step::ApplyDestination => Some(Part::Destination),
            Step::ApplySource => Some(Part::Source),
            Step::SpendAcceptances(_)
            | Step::MarkRelease(_)
            | Step::DeleteSource
            | Step::DeleteDestination
            | Step::DeletePopulator
            | Step::TouchClaim
            | Step::EnterLedger(_)
            | Step::RecordRelease(_)
            | Step::PinSnapshots
            | Step::UnpauseSource
            | Step::ConsumeImage
            | Step::ClearLocks
            | Step::WriteLedger(_) => None,
        }
    }

    /// The steps that carry out a verdict.
    fn of(verdict: &Verdict, asked: &Eligibility<Ask>, evidence: Option<&Evidence>) -> Vec<Step> {
        let nothing = Evidence::default();
        let evidence = evidence.unwrap_or(&nothing);
        let mut steps = Vec::new();
        let spent = asked.eligible().and_then(|ask| Hold::spent(ask, evidence));
        steps.extend(spent.map(Step::SpendAcceptances));
        steps.extend(verdict.marks.and_then(|marks| mark(marks, evidence)));
        steps.extend(delete_source(verdict, evidence));
        steps.extend((verdict.restore == Restore::Delete).then_some(Step::DeleteDestination));
        // The image goes before VolSync starts over; otherwise it would fill the claim from the same image again.
        let consumes = verdict.restore == Restore::Consume;
        steps.extend((consumes && verdict.restarts_populator).then_some(Step::ConsumeImage));
        if verdict.restarts_populator {
            steps.extend([Step::DeletePopulator, Step::TouchClaim]);
        }
        if let Some(write) = LedgerWrite::of_release(verdict, asked, evidence) {
            let is_entered = evidence.unfenced && Own::of(evidence).is_some_and(|own| own.says(&write.entry));
            steps.push(match verdict.enters {
                Some(_) => Step::EnterLedger(Box::new(write.entry)),
                None if is_entered => Step::MarkRelease(write.record),
                None => Step::RecordRelease(Box::new(write)),
            });
            let is_pinned = verdict.enters.is_none() && evidence.repository.listing().is_some();
            steps.extend(is_pinned.then_some(Step::PinSnapshots));
        }
        // The Secret comes before the movers, which fail without it.
        steps.extend(
            (verdict.applies_secret && asked.eligible().is_some_and(|ask| ask.has_credentials))
                .then_some(Step::ApplySecret),
        );
        steps.extend((verdict.restore == Restore::Apply).then_some(Step::ApplyDestination));
        steps.extend(run_source(verdict, evidence));
        steps.extend((consumes && !verdict.restarts_populator).then_some(Step::ConsumeImage));
        let clears_locks = asked.eligible().is_some_and(|ask| ask.clears_dead_locks);
        steps.extend((clears_locks && has_dead_lock(verdict, evidence)).then_some(Step::ClearLocks));
        steps.extend(LedgerWrite::of_backup(verdict, asked, evidence).map(|it| Step::WriteLedger(Box::new(it))));
        steps
    }
}

/// The step that writes the release record with its marks, where the claim's record differs.
fn mark(marks: Marks, evidence: &Evidence) -> Option<Step> {
    let claim = evidence.claim.as_ref()?;
    let record = evidence.release()?;
    let marked = match marks {
        Marks::AsSeen => ReleaseRecord {
            overtaken: record.is_overtaken(evidence),
            elsewhere: record.elsewhere(evidence).is_some(),
            // Where the ledger is written, the record is, too.
            newest: evidence.saved().filter(|_| evidence.secret_is_other()).or(record.newest.clone()),
            ..record
        },
        Marks::Moved => {
            ReleaseRecord { fingerprint: None, newest: None, overtaken: false, elsewhere: false, moved: true, ..record }
        }
    };
    (claim.released.as_ref() != Some(&marked)).then_some(Step::MarkRelease(marked))
}

fn delete_source(verdict: &Verdict, evidence: &Evidence) -> Option<Step> {
    let is_due = match verdict.backup {
        Backup::Delete => true,
        Backup::DeleteWhenIdle => our_backup(evidence).is_some_and(|backup| !backup.is_at_work()),
        Backup::Release(_) | Backup::Pause | Backup::Keep | Backup::Withhold => false,
    };
    is_due.then_some(Step::DeleteSource)
}

/// A ReplicationSource is patched only while idle; otherwise VolSync would delete the running Job and leave its lock.
fn run_source(verdict: &Verdict, evidence: &Evidence) -> Option<Step> {
    match (&verdict.backup, our_backup(evidence)) {
        (Backup::Release(_), Some(OurBackup { state: BackupState::Running, syncing: true, .. })) => None,
        (Backup::Release(_), Some(OurBackup { state: BackupState::Paused, syncing: true, .. })) => {
            Some(Step::UnpauseSource)
        }
        (Backup::Release(_), Some(OurBackup { syncing: false, .. }) | None) | (Backup::Pause, _) => {
            Some(Step::ApplySource)
        }
        (Backup::Keep | Backup::Withhold | Backup::Delete | Backup::DeleteWhenIdle, _) => None,
    }
}

fn our_backup(evidence: &Evidence) -> Option<&OurBackup> {
    evidence.backup.as_ref().and_then(BackupEvidence::ours)
}

impl OurBackup {
    /// Whether a mover of this ReplicationSource is running. None runs while it is paused.
    fn is_at_work(&self) -> bool {
        self.syncing && self.state == BackupState::Running
    }
}

fn has_dead_lock(verdict: &Verdict, evidence: &Evidence) -> bool {
    let is_locked = match &evidence.restore {
        Some(RestoreEvidence::Running(running)) => running.cause == Cause::Locked,
        Some(
            RestoreEvidence::Absent | RestoreEvidence::Foreign | RestoreEvidence::Stale | RestoreEvidence::Done(_),
        )
        | None => false,
    };
    let age = |(as_of, lock): (Timestamp, Timestamp)| as_of.since(lock) > DEAD_LOCK;
    let Evidence { repository, .. } = evidence;
    let is_at_it = matches!(verdict.code, Code::Restoring | Code::RestoreFailing);
    is_at_it && is_locked && repository.as_of().zip(repository.oldest_lock()).is_some_and(age)
}

impl LedgerWrite {
    /// What a new release writes, or what is to be read back before it: the claim takes over the ledger entry, with
    /// what was just read.
    fn of_release(verdict: &Verdict, asked: &Eligibility<Ask>, evidence: &Evidence) -> Option<LedgerWrite> {
        let ask = asked.eligible()?;
        let code = verdict.takes_over()?;
        let Evidence { cluster, claim, repository, ledger, .. } = evidence;
        let (claim, entry) = (claim.as_ref()?, ledger.entry());
        let Some(Volume::Of(volume)) = &claim.volume else { return None };
        let terms = [entry.map(|entry| entry.writer.term), evidence.release().map(|record| record.term)];
        let term = terms.into_iter().flatten().max().unwrap_or_default().saturating_add(1);
        let writer = Writer {
            cluster: cluster.clone()?,
            uid: claim.uid.clone(),
            volume: volume.clone(),
            interval: ask.interval,
            since: repository.as_of()?,
            term,
        };
        let remembered = || ledger.living_entry().and_then(|entry| entry.memory.clone());
        let memory = match repository {
            Repository::Holds(listing) => Some(Memory::of(listing)),
            // What was known is not forgotten, unless a person accepted that it is gone.
            Repository::Damaged(_) | Repository::Unread(_) => remembered(),
            Repository::Absent(_) | Repository::Initialised(_) | Repository::Emptied(_) => {
                remembered().filter(|_| code != Code::AcceptedByOperator)
            }
        };
        let record = ReleaseRecord {
            uid: claim.uid.clone(),
            volume: volume.clone(),
            fingerprint: repository.listing().map(|listing| listing.fingerprint.clone()),
            newest: repository.listing().map(|listing| listing.newest_key.clone()),
            term,
            overtaken: false,
            elsewhere: false,
            moved: false,
            reason: ask.reason.clone().filter(|_| code == Code::AcceptedByOperator),
        };
        let entry = Entry { repository: Address::Same, writer, memory, capacity: ask.request.clone(), retired: false };
        Some(LedgerWrite { entry, record })
    }

    /// What is written when a new snapshot is seen: never because a status says `Successful`, which an empty volume
    /// says too.
    fn of_backup(verdict: &Verdict, asked: &Eligibility<Ask>, evidence: &Evidence) -> Option<LedgerWrite> {
        let ask = asked.eligible()?;
        let Evidence { cluster, claim, repository, ledger, .. } = evidence;
        let (claim, cluster, listing) = (claim.as_ref()?, cluster.as_ref()?, repository.listing()?);
        let goes_on = matches!(&verdict.backup, Backup::Release(released) if !released.is_new());
        let record = evidence.release().filter(|_| goes_on)?;
        let since = match ledger {
            // Whoever wrote the newest snapshot, it is not remembered as this claim's.
            Ledger::Entry(_) if listing.suspicion.is_some() => None,
            Ledger::Entry(entry) if entry.retired => listing.lists_saved.then_some(listing.as_of),
            Ledger::Entry(entry) => {
                let is_new = match &entry.memory {
                    // Whatever appears under the claim's own entry is its own; a log is not needed.
                    None => true,
                    Some(memory) if memory.fingerprint == listing.fingerprint => {
                        memory.newest_key != listing.newest_key && memory.newest_at <= listing.newest_at
                    }
                    // The repository was lost, and this claim's backup began it anew.
                    Some(_) => listing.lists_saved,
                };
                (is_new || entry.repository.is_other()).then_some(entry.writer.since)
            }
            // The entry was lost, and the newest snapshot is this claim's.
            Ledger::None => Some(listing.as_of),
            Ledger::Unread(_) | Ledger::Uninitialised | Ledger::OtherStore => None,
        }?;
        let term = ledger.entry().map_or(record.term, |entry| entry.writer.term.max(record.term));
        let entry = Entry {
            repository: Address::Same,
            writer: Writer {
                cluster: cluster.clone(),
                uid: claim.uid.clone(),
                volume: record.volume.clone(),
                interval: ask.interval,
                since,
                term,
            },
            memory: Some(Memory::of(listing)),
            capacity: ask.request.clone(),
            retired: false,
        };
        let record = ReleaseRecord {
            fingerprint: Some(listing.fingerprint.clone()),
            newest: Some(listing.newest_key.clone()),
            term,
            overtaken: false,
            elsewhere: false,
            moved: false,
            ..record.clone()
        };
        Some(LedgerWrite { entry, record })
    }

    /// The release record on the ReplicationSource of a claim whose backup is released: the one that a step writes, or
    /// else the one that is already there.
    fn record(verdict: &Verdict, steps: &[Step], evidence: Option<&Evidence>) -> Option<ReleaseRecord> {
        let evidence = evidence.filter(|_| matches!(verdict.backup, Backup::Release(_)))?;
        let written = steps.iter().find_map(|step| match step {
            Step::RecordRelease(write) | Step::WriteLedger(write) => Some(write.record.clone()),
            Step::MarkRelease(record) if verdict.takes_over().is_some() => Some(record.clone()),
            _ => None,
        });
        written.or_else(|| {
            let record = evidence.release()?;
            Some(ReleaseRecord { overtaken: false, elsewhere: false, ..record })
        })
    }
}

impl Memory {
    fn of(listing: &Listing) -> Self {
        Memory {
            fingerprint: listing.fingerprint.clone(),
            newest_key: listing.newest_key.clone(),
            newest_at: listing.newest_at,
        }
    }
}
