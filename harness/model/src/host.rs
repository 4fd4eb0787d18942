//! The host: it reads, asks the core, and carries out the steps one by one. It holds no rule.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use volsync_policy::evidence::Expectation;
use volsync_policy::{Code, Eligibility, HoldId, Recording, Step, decide, hold};

use crate::objects::{Destination, Entry, Id, Path, Record, Secret, Source};
use crate::view::{
    Blind, NO_LEDGER, NO_OBJECTS, NO_REPOSITORY, NO_SOURCE, NO_VOLUME, Parts, View, is_in_order, record_in,
};
use crate::world::{Broken, Host, World};

/// One thing that the host does to the cluster or to the store: what the core's steps come down to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// Writes the ledger's entry, if it still is what was read. Else everything after it is dropped.
    TakeLedger {
        /// The entry that was read.
        expected: Option<Entry>,
        /// The entry to write.
        entry: Entry,
        /// The newest snapshot that was read.
        newest: Id,
    },
    /// Writes the claim's annotation.
    ClaimRecord(Record),
    /// Writes the ReplicationSource's annotation.
    SourceRecord(Record),
    /// Deletes the ReplicationSource of that uid.
    DeleteSource(Id),
    /// Deletes the ReplicationDestination of that uid.
    DeleteDestination(Id),
    /// Deletes VolSync's claim `vs-prime-<uid>`.
    DeletePrime(Id),
    /// Applies the Secret.
    ApplySecret(Path),
    /// Creates the ReplicationDestination for that claim.
    ApplyDestination {
        /// The claim's uid.
        claim: Id,
        /// What it is expected to find.
        expects_nothing: bool,
    },
    /// Applies the ReplicationSource, running.
    ApplySource {
        /// The claim's uid.
        claim: Id,
        /// The record on it.
        record: Option<Record>,
    },
    /// Sets `paused: false` on the ReplicationSource.
    Unpause,
    /// Notes that image as consumed on the ReplicationDestination of that uid.
    NoteImage(Id, Id),
    /// Clears `status.latestImage` of the ReplicationDestination of that uid.
    ClearImage(Id),
    /// Deletes the VolumeSnapshot.
    DropImage(Id),
}

/// What the core answers.
pub struct Answer {
    /// Why.
    pub code: Code,
    /// The name of the hold.
    pub hold: Option<HoldId>,
    /// What to do.
    pub tasks: Vec<Task>,
}

impl Answer {
    /// Whether it would delete something that is there, or hold the claim, and neither of these views would.
    fn is_astray(&self, before: &View, now: &View) -> bool {
        let others = [before.answer(), now.answer()];
        let deletes = |task: &Task| match task {
            Task::DeleteSource(uid) => now.source.as_ref().is_some_and(|it| it.uid == *uid),
            Task::DeleteDestination(uid) => now.destination.as_ref().is_some_and(|it| it.uid == *uid),
            Task::DeletePrime(claim) => now.prime.as_ref().is_some_and(|it| it.claim == *claim),
            _ => false,
        };
        let is_new = |task: &Task| others.iter().all(|other| !other.tasks.contains(task));
        self.tasks.iter().any(|task| deletes(task) && is_new(task))
            || self.hold.is_some() && others.iter().all(|other| other.hold != self.hold)
    }
}

impl View {
    fn recorded(&self, recording: &Recording) -> [Task; 3] {
        let record = record_in(&recording.record);
        let entry = self.entry_in(&recording.entry);
        let expected = self.shelf.entry.clone().filter(|_| self.reads(NO_LEDGER));
        [
            Task::TakeLedger { expected, entry, newest: self.shown.newest.map_or(0, |(id, _)| id) },
            Task::ClaimRecord(record.clone()),
            Task::SourceRecord(record),
        ]
    }

    fn ask(&self) -> Answer {
        let (asked, evidence) = (self.asked(), self.evidence());
        let verdict = decide(&asked, Some(&evidence));
        let steps = Step::of(&verdict, &asked, Some(&evidence), false);
        let record = Recording::record(&verdict, &steps, Some(&evidence)).as_ref().map(record_in);
        let hold = match &asked {
            Eligibility::Eligible(ask) => hold(verdict.code, ask.repository.as_ref(), &evidence),
            _ => None,
        };
        let mut tasks = Vec::new();
        for step in steps {
            match step {
                Step::MarkRelease(record) => {
                    let record = record_in(&record);
                    tasks.extend([Task::ClaimRecord(record.clone()), Task::SourceRecord(record)]);
                }
                Step::RecordRelease(recording) | Step::WriteLedger(recording) => {
                    tasks.extend(self.recorded(&recording))
                }
                Step::DeleteSource => tasks.extend(self.source.as_ref().map(|it| Task::DeleteSource(it.uid))),
                Step::DeleteDestination => {
                    tasks.extend(self.destination.as_ref().map(|it| Task::DeleteDestination(it.uid)));
                }
                Step::DeletePopulator => tasks.push(Task::DeletePrime(self.claim.uid)),
                Step::ApplySecret => tasks.push(Task::ApplySecret(self.base)),
                Step::ApplyDestination => tasks.push(Task::ApplyDestination {
                    claim: self.claim.uid,
                    expects_nothing: verdict.expects == Some(Expectation::Nothing),
                }),
                Step::ApplySource => {
                    tasks.push(Task::ApplySource { claim: self.claim.uid, record: record.clone() });
                }
                Step::UnpauseSource => tasks.push(Task::Unpause),
                Step::ConsumeImage => {
                    if let Some(Destination { uid, image: Some(image), .. }) = self.destination {
                        tasks.extend([Task::NoteImage(uid, image), Task::ClearImage(uid), Task::DropImage(image)]);
                    }
                }
                // Neither changes what the model holds: VolSync looks at a claim at any time, pins are only read by
                // people, and there are no locks.
                Step::TouchClaim | Step::PinSnapshots | Step::ClearLocks => {}
            }
        }
        Answer { code: verdict.code, hold, tasks }
    }

    /// The core's answer. The core is a function: what it has answered once is remembered.
    pub fn answer(&self) -> Rc<Answer> {
        thread_local! {
            static ANSWERS: RefCell<HashMap<View, Rc<Answer>>> = RefCell::default();
        }
        ANSWERS.with_borrow_mut(|answers| match answers.get(self) {
            Some(answer) => Rc::clone(answer),
            None => {
                let answer = Rc::new(self.ask());
                answers.insert(self.clone(), Rc::clone(&answer));
                answer
            }
        })
    }

    /// Whether the claim has a record that names its own volume and nobody has taken over from.
    fn was_released(&self) -> bool {
        let source = self.source.as_ref().and_then(|it| it.record.as_ref());
        let own = |it: &&Record| it.uid == self.claim.uid && Some(it.volume) == self.claim.volume && !it.overtaken;
        self.claim.record.iter().chain(source).any(|it| own(&it))
    }

    /// What the plan must not do, in the words of the field, not of the procedure.
    fn breach(&self, answer: &Answer, world: &World, at: usize) -> Option<Broken> {
        let runs = answer.tasks.iter().any(|it| matches!(it, Task::ApplySource { .. } | Task::Unpause));
        let restores = answer.tasks.iter().any(|it| matches!(it, Task::ApplyDestination { .. }));
        let expects_nothing =
            answer.tasks.iter().any(|it| matches!(it, Task::ApplyDestination { expects_nothing: true, .. }));
        let deletes = |task: fn(&Task) -> bool| answer.tasks.iter().any(task);
        let is_accepted = !self.claim.accepted.is_empty();
        // Unknown is not fresh.
        let is_unknown = !self.reads(NO_REPOSITORY) || !self.reads(NO_LEDGER) || !self.shelf.is_initialised;
        if is_unknown && (restores || runs && !self.was_released()) {
            return Some(Broken::Unknown);
        }
        if !self.reads(NO_OBJECTS | NO_SOURCE | NO_VOLUME)
            && runs
            && (!self.reads(NO_VOLUME) || !self.reads(NO_OBJECTS))
        {
            return Some(Broken::Unknown);
        }
        // Memory: it had backups, and now shows none, fewer, or another repository's.
        if let (Some((config, _, newest)), false, false) =
            (self.shelf.entry.as_ref().and_then(|it| it.memory), is_unknown, is_accepted)
        {
            let contradicts = self.shown.config != config || self.shown.newest.is_none_or(|(_, at)| at < newest);
            let is_writer = self.shelf.entry.as_ref().is_some_and(|it| Some(it.volume) == self.claim.volume);
            if contradicts && (restores || expects_nothing || runs && !is_writer && !self.was_released()) {
                return Some(Broken::Memory);
            }
        }
        // Two writers age out each other's backups: whoever wrote within two intervals is at work.
        let takes_over = answer.tasks.iter().any(|it| match it {
            Task::TakeLedger { expected: Some(expected), entry, .. } => expected.cluster != entry.cluster,
            _ => false,
        });
        let is_silent = self.shown.newest.is_none_or(|(_, at)| self.now >= at + 2);
        if takes_over && !is_silent && !is_accepted {
            return Some(Broken::Writer);
        }
        // No flapping: what a plan that read everything left running stays until something changes. Before the first
        // backup is seen, a Secret that is not as we rendered it is such a change for as long as it is there.
        let objects = &world.clusters[at].objects;
        let has_backed_up = self.claim.record.as_ref().is_some_and(|it| it.config.is_some());
        let is_as_rendered = |secret: &Secret| !secret.is_foreign && secret.path == self.base;
        let is_settled = objects.source.as_ref().is_some_and(|it| !it.unseen && !it.is_foreign && !it.is_paused)
            && (has_backed_up || objects.secret.as_ref().is_none_or(is_as_rendered))
            && world.ledger(self.base).is_initialised
            && self.claim.is_labelled;
        if is_settled && (deletes(|it| matches!(it, Task::DeleteSource(_))) || restores) {
            return Some(Broken::Flapping);
        }
        // Ownership.
        let touches_source =
            deletes(|it| matches!(it, Task::DeleteSource(_) | Task::ApplySource { .. } | Task::Unpause));
        let touches_secret = deletes(|it| matches!(it, Task::ApplySecret(_)));
        if touches_source && self.source.as_ref().is_some_and(|it| it.is_foreign)
            || touches_secret && self.secret.as_ref().is_some_and(|it| it.is_foreign)
        {
            return Some(Broken::Ownership);
        }
        None
    }
}

impl World {
    /// The host plans on what it has just read.
    pub(crate) fn plan(&mut self, at: usize, blind: Blind) -> Option<()> {
        let now = View::of(self, at, blind)?;
        self.plan_on(at, &now, true)
    }

    /// The host plans on what it has just read, but for these parts, which it has read earlier.
    pub(crate) fn plan_on_kept(&mut self, at: usize, earlier: Parts) -> Option<()> {
        let now = View::of(self, at, 0)?;
        let kept = self.clusters[at].host.kept.take()?;
        let view = now.clone().torn(&kept.view, earlier);
        if kept.covers && is_in_order(earlier) && view.answer().is_astray(&kept.view, &now) {
            self.break_(Broken::Torn);
        }
        self.plan_on(at, &view, kept.covers)
    }

    /// `is_whole` says whether the view is of a world that has not changed under the ReplicationSource meanwhile.
    fn plan_on(&mut self, at: usize, view: &View, is_whole: bool) -> Option<()> {
        if !self.clusters[at].host.tasks.is_empty() {
            return None;
        }
        let answer = view.answer();
        if let Some(broken) = view.breach(&answer, self, at) {
            self.break_(broken);
        }
        let covers = view.blind == 0 && is_whole;
        let cluster = &mut self.clusters[at];
        if covers && let Some(claim) = &mut cluster.objects.claim {
            claim.hold = answer.hold.clone().map(|id| (answer.code, id));
        }
        cluster.host = Host { tasks: answer.tasks.clone(), covers, kept: None };
        self.settle(at);
        Some(())
    }

    /// A plan that covers everything has been carried out to its end: what runs now, runs by its word.
    fn settle(&mut self, at: usize) {
        let cluster = &mut self.clusters[at];
        if !cluster.host.tasks.is_empty() {
            return;
        }
        if cluster.host.covers
            && let Some(source) = &mut cluster.objects.source
        {
            source.unseen = false;
        }
        cluster.host.covers = false;
    }

    /// The host carries out one task.
    pub(crate) fn carry_out(&mut self, at: usize) -> Option<()> {
        if self.clusters[at].host.tasks.is_empty() {
            return None;
        }
        let task = self.clusters[at].host.tasks.remove(0);
        self.carry_out_task(at, task);
        self.settle(at);
        Some(())
    }

    fn carry_out_task(&mut self, at: usize, task: Task) {
        let base = self.clusters[at].base;
        let new_uid = self.made.uids + 1;
        let cluster = &mut self.clusters[at];
        let covers = cluster.host.covers;
        let objects = &mut cluster.objects;
        match task {
            Task::TakeLedger { expected, entry, newest } => {
                let shelf = &mut self.ledgers[base as usize];
                if self.outage || shelf.entry != expected {
                    cluster.host = Default::default();
                    return;
                }
                let is_takeover = shelf.entry.as_ref().is_some_and(|it| it.cluster != entry.cluster);
                // Where the entry was lost, another may still take itself for the writer.
                let is_new_writer = is_takeover || shelf.entry.is_none();
                if is_takeover {
                    // What the other wrote since the host read is lost to it: S3 has no lock that holds both.
                    for snapshot in &mut self.repositories[entry.path as usize].snapshots {
                        snapshot.stray |= snapshot.id > newest;
                    }
                }
                shelf.entry = Some(entry);
                for other in (0..self.clusters.len()).filter(|other| is_new_writer && *other != at) {
                    self.changed(other);
                }
            }
            Task::ClaimRecord(record) => {
                if let Some(claim) = &mut objects.claim {
                    claim.record = Some(record);
                }
            }
            Task::SourceRecord(record) => {
                if let Some(source) = objects.source.as_mut().filter(|it| !it.is_foreign) {
                    source.record = Some(record);
                }
            }
            Task::DeleteSource(uid) => {
                objects.source.take_if(|it| it.uid == uid);
            }
            Task::DeleteDestination(uid) => {
                objects.destination.take_if(|it| it.uid == uid);
            }
            Task::DeletePrime(uid) => {
                objects.prime.take_if(|it| it.claim == uid);
            }
            Task::ApplySecret(path) => match &mut objects.secret {
                Some(secret) if secret.is_foreign => {}
                secret => {
                    let old = secret.replace(Secret { path, is_foreign: false });
                    // Where it points now has not been read.
                    if old.is_some_and(|old| old.path != path) {
                        self.changed(at);
                    }
                }
            },
            Task::ApplyDestination { claim, expects_nothing } => {
                if objects.destination.is_none() {
                    self.made.uids = new_uid;
                    objects.destination = Some(Destination {
                        uid: new_uid,
                        claim,
                        expects_nothing,
                        started: None,
                        log: None,
                        image: None,
                        noted: None,
                    });
                }
            }
            Task::ApplySource { claim, record } => match &mut objects.source {
                Some(source) if source.is_foreign => {}
                Some(source) => {
                    source.claim = claim;
                    source.is_paused = false;
                    source.record = record;
                }
                source @ None => {
                    self.made.uids = new_uid;
                    *source = Some(Source {
                        uid: new_uid,
                        claim,
                        is_foreign: false,
                        is_paused: false,
                        cut: None,
                        record,
                        saved: None,
                        unseen: !covers,
                    });
                }
            },
            Task::Unpause => {
                if let Some(source) = &mut objects.source {
                    source.is_paused = false;
                }
            }
            Task::NoteImage(uid, image) => {
                if let Some(it) = objects.destination.as_mut().filter(|it| it.uid == uid) {
                    it.noted = Some(image);
                }
            }
            Task::ClearImage(uid) => {
                if let Some(it) = objects.destination.as_mut().filter(|it| it.uid == uid) {
                    it.image = None;
                }
            }
            Task::DropImage(image) => objects.images.retain(|it| it.id != image),
        }
    }
}
