//! The host: it observes, asks the core, and carries out the steps one by one. It holds no rule.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use volsync_policy::evidence::{
    Address, BackupEvidence, BackupState, Blank, ClaimEvidence, DataSource, Digest, Entry as LedgerEntry, Expectation,
    Failure, FinishedRestore, Ledger, Likeness, Listing, Memory, Opened, OurBackup, Phase, Populator,
    Record as ReleaseRecord, Repository as RepositoryEvidence, RestoreEvidence, RunningRestore, SecretContent,
    SecretEvidence, Slot, Timestamp, Volume as VolumeEvidence, VolumeId, Writer,
};
use volsync_policy::{
    Ask, Asked, Code, Evidence, Gate, HoldId, Outcome, Quantity, Recording, RestoreMode, SnapshotId, Step, Unselected,
    decide, hold,
};

use crate::world::{
    Broken, Claim, Destination, Entry, Id, Log, Path, Record, Repository, Secret, Shelf, Source, Tick, World,
};

/// What of the evidence cannot be read, as bits.
pub type Blind = u8;
/// The repository.
pub const NO_REPOSITORY: Blind = 1;
/// The ledger.
pub const NO_LEDGER: Blind = 2;
/// Secret, ReplicationDestination and VolSync's own claim.
pub const NO_OBJECTS: Blind = 4;
/// The ReplicationSource.
pub const NO_SOURCE: Blind = 8;
/// The PersistentVolume.
pub const NO_VOLUME: Blind = 16;

const HOUR: u64 = 3600;

/// A repository as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shown {
    config: Id,
    is_emptied: bool,
    count: usize,
    newest: Option<(Id, Tick)>,
    lists_restored: bool,
    lists_saved: bool,
}

/// Everything the host has read about the claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    cluster: Id,
    base: Path,
    now: Tick,
    blind: Blind,
    claim: Claim,
    secret: Option<Secret>,
    destination: Option<Destination>,
    filling: Option<Id>,
    source: Option<Source>,
    shown: Shown,
    shelf: Shelf,
}

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

fn uid(id: Id) -> String {
    format!("uid-{id}")
}

fn number(text: &str) -> Id {
    text.rsplit('-').next().and_then(|digits| digits.parse().ok()).expect("the model's own name")
}

fn digest(id: Id) -> Digest {
    Digest::parse(&format!("{id:08x}{id:056x}")).expect("64 digits")
}

fn of_digest(digest: &Digest) -> Id {
    Id::from_str_radix(&digest.as_str()[62..], 16).expect("the model's own digest")
}

fn time(tick: Tick) -> Timestamp {
    Timestamp::from_unix(u64::from(tick) * HOUR)
}

fn tick(time: Timestamp) -> Tick {
    (0..=Tick::MAX).find(|tick| self::time(*tick) == time).expect("the model's own time")
}

fn volume(id: Id) -> VolumeId {
    VolumeId { driver: "csi".to_owned(), handle: uid(id) }
}

fn address(of: Path, judged: Path) -> Address {
    if of == judged { Address::Same } else { Address::Other(digest(100 + of as Id)) }
}

fn record_out(record: &Record) -> ReleaseRecord {
    ReleaseRecord {
        uid: uid(record.uid),
        volume: volume(record.volume),
        fingerprint: record.config.map(digest),
        term: u64::from(record.term),
        overtaken: record.overtaken,
        elsewhere: record.elsewhere,
        reason: None,
    }
}

fn record_in(record: &ReleaseRecord) -> Record {
    Record {
        uid: number(&record.uid),
        volume: number(&record.volume.handle),
        config: record.fingerprint.as_ref().map(of_digest),
        term: u8::try_from(record.term).expect("a small term"),
        overtaken: record.overtaken,
        elsewhere: record.elsewhere,
    }
}

impl View {
    /// Reads everything that is not out of reach.
    pub fn of(world: &World, at: usize, blind: Blind) -> Option<View> {
        let cluster = &world.clusters[at];
        let objects = &cluster.objects;
        let claim = Claim { hold: None, ..objects.claim.clone()? };
        let secret = objects.secret.clone();
        let path = secret.as_ref().map_or(cluster.base, |secret| secret.path);
        let repository = world.repository(path);
        let lists = |id: Option<Id>| id.is_some_and(|id| repository.snapshots.iter().any(|it| it.id == id));
        let restored = objects.destination.as_ref().and_then(|it| match it.log {
            Some(Log::Restored(id)) => Some(id),
            Some(Log::Nothing | Log::Lost) | None => None,
        });
        let source = objects.source.clone().map(|it| Source { unseen: false, ..it });
        let shown = Shown {
            config: repository.config,
            is_emptied: repository.is_emptied,
            count: repository.snapshots.len(),
            newest: repository.snapshots.last().map(|it| (it.id, it.at)),
            lists_restored: lists(restored),
            lists_saved: lists(source.as_ref().and_then(|it| it.saved)),
        };
        Some(View {
            cluster: at as Id,
            base: cluster.base,
            now: world.clock,
            blind: blind | if world.outage { NO_REPOSITORY | NO_LEDGER } else { 0 },
            claim,
            secret,
            destination: objects.destination.clone(),
            filling: objects
                .prime
                .as_ref()
                .filter(|it| Some(it.claim) == objects.claim.as_ref().map(|it| it.uid))
                .map(|it| it.image),
            source,
            shown,
            shelf: world.ledger(cluster.base).clone(),
        })
    }

    /// The cluster as this view has it, the store as `other` has it.
    pub fn with_store_of(self, other: &View) -> View {
        View { now: other.now, shown: other.shown.clone(), shelf: other.shelf.clone(), blind: other.blind, ..self }
    }

    fn reads(&self, part: Blind) -> bool {
        self.blind & part == 0
    }

    /// Where the Secret points, or would.
    fn path(&self) -> Path {
        self.secret.as_ref().map_or(self.base, |secret| secret.path)
    }

    fn asked(&self) -> Asked {
        if !self.claim.is_labelled {
            return Asked::Unselected(Unselected::Unlabelled);
        }
        Asked::Protection(Box::new(Ask {
            mode: RestoreMode::Populate,
            gate: Gate::Evidence,
            has_credentials: true,
            repository: Some(digest(100 + self.base as Id)),
            request: Quantity::parse("1Gi").expect("a quantity"),
            interval: HOUR,
            accepted: self.claim.accepted.clone(),
            reason: None,
        }))
    }

    fn evidence(&self) -> Evidence {
        let claim = &self.claim;
        let claim_evidence = ClaimEvidence {
            uid: uid(claim.uid),
            phase: if claim.volume.is_some() { Phase::Bound } else { Phase::Pending },
            terminating: false,
            source: if claim.is_sourced { DataSource::Ours } else { DataSource::None },
            volume: self
                .reads(NO_VOLUME)
                .then(|| claim.volume.map_or(VolumeEvidence::None, |id| VolumeEvidence::Of(volume(id)))),
            populated_from: claim.populated_from.filter(|_| self.reads(NO_VOLUME)).map(uid),
            released: claim.record.as_ref().map(record_out),
        };
        let secret = match &self.secret {
            None => SecretEvidence::Absent,
            Some(Secret { is_foreign: true, .. }) => SecretEvidence::Foreign,
            Some(Secret { path, .. }) => {
                SecretEvidence::Ours(SecretContent { repository: address(*path, self.base), password: Likeness::Same })
            }
        };
        let backup = match &self.source {
            None => BackupEvidence::Absent,
            Some(Source { is_foreign: true, .. }) => BackupEvidence::Foreign,
            Some(source) => BackupEvidence::Ours(OurBackup {
                uid: Some(uid(source.claim)),
                state: if source.is_paused { BackupState::Paused } else { BackupState::Running },
                syncing: source.cut.is_some(),
                released: source.record.as_ref().map(record_out),
            }),
        };
        let populator = self.filling.map_or(Populator::Idle, |image| Populator::Filling(uid(image)));
        Evidence {
            cluster: Some(uid(self.cluster)),
            claim: Some(claim_evidence),
            secret: self.reads(NO_OBJECTS).then_some(secret),
            restore: self.reads(NO_OBJECTS).then(|| self.restore()),
            populator: self.reads(NO_OBJECTS).then_some(populator),
            backup: self.reads(NO_SOURCE).then_some(backup),
            repository: self.repository(),
            ledger: self.ledger(),
            slot: Slot::Free,
        }
    }

    fn restore(&self) -> RestoreEvidence {
        let Some(it) = &self.destination else { return RestoreEvidence::Absent };
        if it.claim != self.claim.uid {
            return RestoreEvidence::Stale;
        }
        match (it.log, it.image.or(it.noted)) {
            (Some(log), Some(image)) => RestoreEvidence::Done(FinishedRestore {
                image: uid(image),
                consumed: it.image.is_none(),
                outcome: match log {
                    Log::Restored(id) => Outcome::Restored(SnapshotId::parse(&format!("{id:08x}")).expect("8 digits")),
                    Log::Nothing => Outcome::Nothing,
                    Log::Lost => Outcome::Unread,
                },
                expects: if it.expects_nothing { Expectation::Nothing } else { Expectation::Data },
            }),
            _ => RestoreEvidence::Running(RunningRestore::default()),
        }
    }

    fn repository(&self) -> RepositoryEvidence {
        let as_of = time(self.now);
        if !self.reads(NO_REPOSITORY) {
            return RepositoryEvidence::Unread(Failure::Unreachable);
        }
        let fingerprint = digest(self.shown.config);
        match self.shown.newest {
            _ if self.shown.config == 0 => RepositoryEvidence::Absent(Blank { as_of }),
            None if self.shown.is_emptied => {
                RepositoryEvidence::Emptied(Opened { as_of, fingerprint, oldest_lock: None })
            }
            None => RepositoryEvidence::Initialised(Opened { as_of, fingerprint, oldest_lock: None }),
            Some((id, at)) => RepositoryEvidence::Holds(Box::new(Listing {
                as_of,
                fingerprint,
                oldest_lock: None,
                count: self.shown.count as u64,
                newest_key: digest(id),
                newest_at: time(at),
                lists_restored: self.shown.lists_restored,
                lists_saved: self.shown.lists_saved,
            })),
        }
    }

    fn ledger(&self) -> Ledger {
        if !self.reads(NO_LEDGER) {
            return Ledger::Unread(Failure::Unreachable);
        }
        if !self.shelf.is_initialised {
            return Ledger::Uninitialised;
        }
        self.shelf.entry.as_ref().map_or(Ledger::None, |entry| {
            Ledger::Entry(Box::new(LedgerEntry {
                repository: address(entry.path, self.path()),
                writer: Writer {
                    cluster: uid(entry.cluster),
                    uid: uid(entry.uid),
                    volume: volume(entry.volume),
                    interval: HOUR,
                    since: time(entry.since),
                    term: u64::from(entry.term),
                },
                memory: entry.memory.map(|(config, newest, at)| Memory {
                    fingerprint: digest(config),
                    newest_key: digest(newest),
                    newest_at: time(at),
                }),
                capacity: Quantity::parse("1Gi").expect("a quantity"),
                retired: false,
            }))
        })
    }

    fn entry_in(&self, entry: &LedgerEntry) -> Entry {
        Entry {
            path: self.path(),
            cluster: number(&entry.writer.cluster),
            uid: number(&entry.writer.uid),
            volume: number(&entry.writer.volume.handle),
            since: tick(entry.writer.since),
            term: u8::try_from(entry.writer.term).expect("a small term"),
            memory: entry
                .memory
                .as_ref()
                .map(|it| (of_digest(&it.fingerprint), of_digest(&it.newest_key), tick(it.newest_at))),
        }
    }

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
            Asked::Protection(ask) => hold(verdict.code, ask, &evidence),
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
        // No flapping: what a plan that read everything left running stays until something changes.
        let source = world.clusters[at].objects.source.as_ref();
        let is_settled = source.is_some_and(|it| !it.unseen && !it.is_foreign && !it.is_paused)
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
    /// The host plans on what it has just read; on `kept`, with the store as it was read earlier.
    pub(crate) fn plan(&mut self, at: usize, blind: Blind, with_kept: bool) -> Option<Code> {
        if !self.clusters[at].host.tasks.is_empty() {
            return None;
        }
        let mut view = View::of(self, at, blind)?;
        let kept = self.clusters[at].host.kept.take();
        if with_kept {
            view = view.with_store_of(kept.as_deref()?);
        }
        let answer = view.answer();
        if let Some(broken) = view.breach(&answer, self, at) {
            self.break_(broken);
        }
        let covers = view.blind == 0 && !with_kept;
        let cluster = &mut self.clusters[at];
        if covers && let Some(claim) = &mut cluster.objects.claim {
            claim.hold = answer.hold.clone().map(|id| (answer.code, id));
        }
        cluster.host.tasks = answer.tasks.clone();
        cluster.host.covers = covers;
        self.settle(at);
        Some(answer.code)
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
                if is_takeover {
                    // What the other wrote since the host read is lost to it: S3 has no lock that holds both.
                    for snapshot in &mut self.repositories[entry.path as usize].snapshots {
                        snapshot.stray |= snapshot.id > newest;
                    }
                }
                shelf.entry = Some(entry);
                for other in (0..self.clusters.len()).filter(|other| is_takeover && *other != at) {
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
                secret => *secret = Some(Secret { path, is_foreign: false }),
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

/// Whether the repository has anything that could be lost.
pub fn has_backups(repository: &Repository) -> bool {
    !repository.snapshots.is_empty()
}
