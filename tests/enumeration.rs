//! Every combination of evidence: the invariants hold, every row is reached, and every hold has a way out that leads
//! out. It prints how many combinations there were.
//!
//! Where evidence holds numbers, times or names, those stand for all that make a difference: equal or not, before or
//! after, within two intervals or not. What ledger and repository say together is first reduced to the pairs that
//! differ in that respect ([`Store::meaning`]), and each of those is combined with everything else.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Mutex;
use std::thread;

use serde_json::json;
use volsync_policy::evidence::{
    Address, BackupEvidence, BackupState, ClaimEvidence, DataSource, Digest, EmptyRepository, Entry, Evidence,
    Expectation, Failure, FinishedRestore, Ledger, Listing, Memory, NoRepository, OurBackup, Phase, Populator,
    ReleaseRecord, Repository, RestoreEvidence, RunningRestore, SecretContent, SecretEvidence, Slot, Timestamp,
    ValueMatch, Volume, VolumeId, Writer,
};
use volsync_policy::{
    Acceptance, Ask, Backup, Cause, Code, Eligibility, Gate, HoldId, Outcome, Problem, Quantity, Refusal, Restore,
    RestoreMode, SnapshotId, Unselected, Verdict, decide, hold,
};
use volsync_policy_tests::invariants::{Decided, INVARIANTS};

const UID: &str = "claim-now";
const UID_BEFORE: &str = "claim-before";
const HERE: &str = "cluster-here";
const ELSEWHERE: &str = "cluster-elsewhere";
const HOUR: u64 = 3600;
/// When everything was read.
const NOW: Timestamp = Timestamp::from_unix(100 * HOUR);

fn volume(handle: &str) -> VolumeId {
    VolumeId { driver: "csi".to_owned(), handle: handle.to_owned() }
}

fn digest(letter: char) -> Digest {
    Digest::parse(&letter.to_string().repeat(64)).expect("64 digits")
}

/// The fingerprint that is remembered, and another.
fn fingerprints() -> [Digest; 2] {
    [digest('f'), digest('9')]
}

fn restored() -> SnapshotId {
    SnapshotId::parse("aaaaaaaa").expect("8 digits")
}

fn ask(mode: RestoreMode) -> Ask {
    Ask {
        mode,
        gate: Gate::Evidence,
        has_credentials: true,
        repository: None,
        request: Quantity::parse("1Gi").expect("a quantity"),
        interval: HOUR,
        accepted: Vec::new(),
        reason: None,
        clears_dead_locks: false,
    }
}

fn claims() -> Vec<Option<ClaimEvidence>> {
    let record = |uid: &str, handle: &str, fingerprint: Option<usize>| ReleaseRecord {
        uid: uid.to_owned(),
        volume: volume(handle),
        fingerprint: fingerprint.map(|index| fingerprints()[index].clone()),
        term: 2,
        overtaken: false,
        elsewhere: false,
        reason: None,
    };
    let records = [
        None,
        Some(record(UID_BEFORE, "now", Some(0))),
        Some(record(UID, "now", None)),
        Some(record(UID, "now", Some(0))),
        Some(record(UID, "now", Some(1))),
        Some(ReleaseRecord { overtaken: true, ..record(UID, "now", Some(0)) }),
        Some(ReleaseRecord { elsewhere: true, ..record(UID, "now", Some(0)) }),
        Some(ReleaseRecord { elsewhere: true, ..record(UID, "now", None) }),
        Some(record(UID, "before", Some(0))),
    ];
    let of = |handle| Some(Volume::Of(volume(handle)));
    let volumes = [
        (Phase::Pending, Some(Volume::None), None),
        (Phase::Bound, of("now"), None),
        (Phase::Bound, of("now"), Some("image")),
        (Phase::Bound, of("now"), Some("other")),
        (Phase::Bound, Some(Volume::None), None),
        (Phase::Bound, None, None),
        (Phase::Lost, of("now"), None),
    ];
    let mut claims = vec![None];
    for (phase, volume, populated_from) in &volumes {
        // Where a claim comes from is not asked of one that is Lost, or of which its volume was misread.
        let is_asked = matches!(volume, Some(Volume::Of(_))) && *phase == Phase::Bound || *phase == Phase::Pending;
        let sources = [DataSource::Ours, DataSource::None, DataSource::Foreign];
        for source in sources.into_iter().take(if is_asked { 3 } else { 1 }) {
            for released in &records {
                claims.push(Some(ClaimEvidence {
                    uid: UID.to_owned(),
                    phase: *phase,
                    terminating: false,
                    data_source: source,
                    volume: volume.clone(),
                    populated_from: populated_from.map(str::to_owned),
                    released: released.clone(),
                }));
            }
        }
    }
    claims
}

fn secrets() -> Vec<Option<SecretEvidence>> {
    let ours = |repository, password| Some(SecretEvidence::Ours(SecretContent { repository, password }));
    vec![
        None,
        Some(SecretEvidence::Absent),
        Some(SecretEvidence::Foreign),
        ours(Address::Same, ValueMatch::Same),
        ours(Address::Same, ValueMatch::Other),
        ours(Address::Other(digest('0')), ValueMatch::Same),
    ]
}

fn restores() -> Vec<Option<RestoreEvidence>> {
    let running = |failures| Some(RestoreEvidence::Running(RunningRestore { failures, cause: Cause::Other }));
    let mut restores = vec![
        None,
        Some(RestoreEvidence::Absent),
        Some(RestoreEvidence::Foreign),
        Some(RestoreEvidence::Stale),
        running(2),
        running(3),
    ];
    for consumed in [false, true] {
        for outcome in [Outcome::Restored(restored()), Outcome::Nothing, Outcome::Unread] {
            for expects in [Expectation::Data, Expectation::Nothing] {
                let (image, outcome) = ("image".to_owned(), outcome.clone());
                restores.push(Some(RestoreEvidence::Done(FinishedRestore { image, consumed, outcome, expects })));
            }
        }
    }
    restores
}

fn populators() -> Vec<Option<Populator>> {
    let filling = |image: &str| Some(Populator::Filling(image.to_owned()));
    vec![None, Some(Populator::Idle), filling("image"), filling("other")]
}

fn backups() -> Vec<Option<BackupEvidence>> {
    let ours = |uid: Option<&str>, state| {
        let uid = uid.map(str::to_owned);
        Some(BackupEvidence::Ours(OurBackup { uid, state, syncing: false, released: None }))
    };
    vec![
        None,
        Some(BackupEvidence::Absent),
        Some(BackupEvidence::Foreign),
        ours(Some(UID), BackupState::Running),
        ours(Some(UID), BackupState::Paused),
        ours(Some(UID_BEFORE), BackupState::Running),
        ours(None, BackupState::Paused),
    ]
}

/// What S3 says: the ledger and the repository.
#[derive(Clone)]
struct Store {
    ledger: Ledger,
    repository: Repository,
}

/// When the newest snapshot that is remembered was written.
const REMEMBERED: Timestamp = Timestamp::from_unix(50 * HOUR);

fn repositories() -> Vec<Repository> {
    let mut repositories = vec![Repository::Unread(Failure::Timeout)];
    let recently = Timestamp::from_unix(51 * HOUR);
    for as_of in [NOW, recently] {
        repositories.push(Repository::Absent(NoRepository { as_of }));
        repositories.push(Repository::Damaged(NoRepository { as_of }));
        for fingerprint in fingerprints() {
            let opened = EmptyRepository { as_of, fingerprint: fingerprint.clone(), oldest_lock: None };
            repositories.extend([Repository::Initialised(opened.clone()), Repository::Emptied(opened)]);
            for (newest_key, lists_restored) in [('a', true), ('b', true), ('b', false)] {
                for newest_at in [49, 50, 51] {
                    repositories.push(Repository::Holds(Box::new(Listing {
                        as_of,
                        fingerprint: fingerprint.clone(),
                        oldest_lock: None,
                        count: 14,
                        newest_key: digest(newest_key),
                        newest_at: Timestamp::from_unix(newest_at * HOUR),
                        lists_restored,
                        lists_saved: false,
                    })));
                }
            }
        }
    }
    repositories
}

fn ledgers() -> Vec<Ledger> {
    let mut ledgers = vec![Ledger::Unread(Failure::Timeout), Ledger::Uninitialised, Ledger::OtherStore, Ledger::None];
    let writers = [
        (HERE, UID, "now", 2),
        (HERE, UID, "now", 3),
        (HERE, UID, "before", 3),
        (HERE, UID_BEFORE, "now", 1),
        (HERE, UID_BEFORE, "before", 3),
        (ELSEWHERE, UID_BEFORE, "before", 1),
        (ELSEWHERE, UID_BEFORE, "before", 3),
        (ELSEWHERE, UID_BEFORE, "now", 2),
    ];
    let memory = Memory { fingerprint: fingerprints()[0].clone(), newest_key: digest('a'), newest_at: REMEMBERED };
    for (cluster, uid, handle, term) in writers {
        for memory in [None, Some(memory.clone())] {
            for repository in [Address::Same, Address::Other(digest('0'))] {
                for capacity in ["1Gi", "2Gi"] {
                    for retired in [false, true] {
                        ledgers.push(Ledger::Entry(Box::new(Entry {
                            repository: repository.clone(),
                            writer: Writer {
                                cluster: cluster.to_owned(),
                                uid: uid.to_owned(),
                                volume: volume(handle),
                                interval: HOUR,
                                since: Timestamp::from_unix(HOUR),
                                term,
                            },
                            memory: memory.clone(),
                            capacity: Quantity::parse(capacity).expect("a quantity"),
                            retired,
                        })));
                    }
                }
            }
        }
    }
    ledgers
}

impl Store {
    /// Everything about the pair that could make a difference, said without the procedure.
    fn meaning(&self) -> impl Ord + use<> {
        let kind = match &self.repository {
            Repository::Unread(_) => 0,
            Repository::Absent(_) => 1,
            Repository::Initialised(_) => 2,
            Repository::Emptied(_) => 3,
            Repository::Damaged(_) => 4,
            Repository::Holds(_) => 5,
        };
        let listing = self.repository.listing();
        let age = |since: Timestamp| {
            self.repository.as_of().map(|as_of| as_of < Timestamp::from_unix(seconds(since) + 2 * HOUR))
        };
        let repository = (
            kind,
            self.repository.fingerprint().cloned(),
            listing.map(|listing| (listing.newest_key.clone(), listing.lists_restored, age(listing.newest_at))),
        );
        let ledger = match &self.ledger {
            Ledger::Unread(_) => (0, None),
            Ledger::Uninitialised => (1, None),
            Ledger::OtherStore => (2, None),
            Ledger::None => (3, None),
            Ledger::Entry(entry) => {
                let remembered = entry.memory.as_ref().map(|memory| {
                    let is_older = listing.map(|listing| listing.newest_at < memory.newest_at);
                    (is_older, age(memory.newest_at), entry.capacity == Quantity::parse("2Gi").expect("a quantity"))
                });
                let writer =
                    (entry.writer.cluster.clone(), entry.writer.uid.clone(), entry.writer.volume.handle.clone());
                let address = remembered.is_some() && entry.repository != Address::Same;
                // Of a tombstone the term alone is left, and whose it was.
                let content = (!entry.retired).then_some((remembered, address, writer.2));
                (4, Some((content, entry.writer.term >= 2, writer.0, writer.1)))
            }
        };
        (repository, ledger)
    }
}

fn seconds(time: Timestamp) -> u64 {
    (0..200).map(|hour| hour * HOUR).find(|seconds| Timestamp::from_unix(*seconds) >= time).unwrap_or_default()
}

/// The pairs of ledger and repository, one for each meaning; and how many there were.
fn stores() -> (Vec<Store>, usize) {
    let (mut stores, mut meanings, mut all) = (Vec::new(), BTreeSet::new(), 0);
    for ledger in ledgers() {
        for repository in repositories() {
            let store = Store { ledger: ledger.clone(), repository };
            all += 1;
            if meanings.insert(store.meaning()) {
                stores.push(store);
            }
        }
    }
    (stores, all)
}

/// What is asked for a claim, and what is known of it.
type Situation = (Eligibility<Ask>, Evidence);

/// What a walk has come upon.
#[derive(Default)]
struct Walk {
    combinations: u64,
    /// The first combination for every row and code.
    reached: BTreeMap<(u8, Code), Situation>,
    /// For every row and code that is a hold, combinations to take the way out of.
    holds: BTreeMap<(u8, Code), Vec<Situation>>,
}

/// So many combinations of each hold are led out.
const LED_OUT: usize = 400;

impl Walk {
    fn visit(&mut self, asked: &Eligibility<Ask>, evidence: &Evidence) {
        let verdict = decide(asked, Some(evidence));
        check(asked, evidence, &verdict);
        self.combinations += 1;
        let key = (verdict.row, verdict.code);
        self.reached.entry(key).or_insert_with(|| (asked.clone(), evidence.clone()));
        if verdict.code.way_out().is_some() {
            let holds = self.holds.entry(key).or_default();
            // Thinly spread over the walk, not its beginning alone.
            if holds.len() < LED_OUT && self.combinations.is_multiple_of(97) {
                holds.push((asked.clone(), evidence.clone()));
            }
        }
    }

    fn join(&mut self, other: Walk) {
        self.combinations += other.combinations;
        for (key, value) in other.reached {
            self.reached.entry(key).or_insert(value);
        }
        other.holds.into_iter().for_each(|(key, value)| self.holds.entry(key).or_default().extend(value));
    }
}

fn check(asked: &Eligibility<Ask>, evidence: &Evidence, verdict: &Verdict) {
    let decided = Decided { asked, seen: evidence, verdict };
    for (name, holds) in INVARIANTS {
        assert!(holds(&decided), "{name}: {verdict:?}\nfor {asked:?}\nand {}", json!(evidence));
    }
}

/// Walks every combination for what is asked, or every `sparse`th store where it is not all of them.
fn walk(asked: &Eligibility<Ask>, stores: &[Store]) -> Walk {
    let mut walk = Walk::default();
    let mut evidence = Evidence { cluster: Some(HERE.to_owned()), ..Evidence::default() };
    let (secrets, restores, populators, backups) = (secrets(), restores(), populators(), backups());
    for claim in claims() {
        evidence.claim = claim;
        for store in stores {
            evidence.ledger = store.ledger.clone();
            evidence.repository = store.repository.clone();
            for secret in &secrets {
                evidence.secret = secret.clone();
                for restore in &restores {
                    evidence.restore = restore.clone();
                    for backup in &backups {
                        evidence.backup = backup.clone();
                        for populator in &populators {
                            evidence.populator = populator.clone();
                            walk.visit(asked, &evidence);
                        }
                    }
                }
            }
        }
    }
    walk
}

/// Combinations of what else may be the case, one at a time: all else stays as in `evidence`.
fn besides(walk: &mut Walk) {
    let all: Vec<Situation> = walk.reached.values().chain(walk.holds.values().flatten()).cloned().collect();
    for (asked, evidence) in all {
        let terminating = evidence.claim.clone().map(|claim| ClaimEvidence { terminating: true, ..claim });
        let others = [
            Evidence { cluster: None, ..evidence.clone() },
            Evidence { slot: Slot::Queued(3), ..evidence.clone() },
            Evidence { claim: terminating, ..evidence.clone() },
        ];
        others.iter().for_each(|other| walk.visit(&asked, other));
        if let Eligibility::Eligible(ask) = &asked {
            let missing = Ask { has_credentials: false, ..ask.as_ref().clone() };
            walk.visit(&Eligibility::Eligible(Box::new(missing)), &evidence);
            visit_accepted(walk, ask.as_ref().clone(), &evidence);
        }
        let refusals = [Refusal::LabelInvalid(problem()), Refusal::VolumeUnsupported(problem())];
        let refused = refusals.map(Eligibility::Refused);
        for ineligible in refused.into_iter().chain([Eligibility::Terminating, Eligibility::Unnamed]) {
            walk.visit(&ineligible, &evidence);
        }
    }
}

/// No decision depends on what exactly is wrong.
fn problem() -> Problem {
    Problem { path: "metadata".to_owned(), message: "is wrong".to_owned(), hint: None }
}

/// So many plans lead out of any hold.
const MOST_PLANS: usize = 40;

/// A person takes the way out that each verdict names, the host carries out what it says, and VolSync does its part;
/// until the backup is released, or the claim is nobody's any more. They accept what they may, or create the claim
/// again where that is the first way named and it was not tried before.
fn lead_out(asked: &Eligibility<Ask>, evidence: &Evidence) {
    for creates_again in [false, true] {
        let mut way = Way { asked: asked.clone(), evidence: evidence.clone(), creates_again, story: Vec::new() };
        while !way.step() {
            assert!(way.story.len() < MOST_PLANS, "{:?}\nfrom {asked:?}\nand {}", way.story, json!(evidence));
        }
    }
}

struct Way {
    asked: Eligibility<Ask>,
    evidence: Evidence,
    creates_again: bool,
    story: Vec<(u8, Code)>,
}

impl Way {
    /// One plan, and all that follows from it; true where the way has led out.
    fn step(&mut self) -> bool {
        let verdict = decide(&self.asked, Some(&self.evidence));
        check(&self.asked, &self.evidence, &verdict);
        self.story.push((verdict.row, verdict.code));
        self.carry_out(&verdict);
        match verdict.code {
            Code::Released | Code::NotSelected | Code::OptedOut | Code::ClaimTerminating => return true,
            code => self.take(code),
        }
        false
    }

    fn ask(&mut self) -> &mut Ask {
        match &mut self.asked {
            Eligibility::Eligible(ask) => ask,
            other => panic!("{other:?} has nothing to accept"),
        }
    }

    /// What the host does.
    fn carry_out(&mut self, verdict: &Verdict) {
        let evidence = &mut self.evidence;
        if verdict.applies_secret {
            let content = SecretContent { repository: Address::Same, password: ValueMatch::Same };
            evidence.secret = Some(SecretEvidence::Ours(content));
        }
        if verdict.restarts_populator {
            evidence.populator = Some(Populator::Idle);
        }
        match verdict.restore {
            Restore::Keep => {}
            Restore::Delete => evidence.restore = Some(RestoreEvidence::Absent),
            Restore::Apply => self.finish_restore(verdict.expects.expect("what is applied expects something")),
            Restore::Consume => match &mut evidence.restore {
                Some(RestoreEvidence::Done(done)) => done.consumed = true,
                other => panic!("{other:?} is consumed"),
            },
        }
        match &verdict.backup {
            Backup::Keep | Backup::Withhold | Backup::Pause => {}
            Backup::Delete | Backup::DeleteWhenIdle => self.evidence.backup = Some(BackupEvidence::Absent),
            Backup::Release(released) => self.run_backup(released.is_new()),
        }
    }

    /// VolSync's restore ends: the newest snapshot where there is one, and a repository where there was none.
    fn finish_restore(&mut self, expects: Expectation) {
        let (ask, evidence) = (&self.asked, &mut self.evidence);
        let outcome = match &mut evidence.repository {
            Repository::Holds(listing) => {
                listing.lists_restored = true;
                let id = listing.newest_key.as_str().get(..8).and_then(SnapshotId::parse);
                Outcome::Restored(id.expect("a key begins with an id"))
            }
            Repository::Absent(blank) => {
                let (as_of, fingerprint) = (blank.as_of, digest('1'));
                evidence.repository =
                    Repository::Initialised(EmptyRepository { as_of, fingerprint, oldest_lock: None });
                Outcome::Nothing
            }
            _ => Outcome::Nothing,
        };
        let is_beside = matches!(ask, Eligibility::Eligible(ask) if ask.mode == RestoreMode::Side);
        let image = if is_beside { "beside" } else { "image" }.to_owned();
        evidence.restore = Some(RestoreEvidence::Done(FinishedRestore { image, consumed: false, outcome, expects }));
    }

    fn run_backup(&mut self, is_new: bool) {
        let interval = HOUR;
        let evidence = &mut self.evidence;
        let claim = evidence.claim.as_mut().expect("a claim is released");
        let Some(Volume::Of(volume)) = claim.volume.clone() else { panic!("a volume is released") };
        if is_new {
            let term = evidence.ledger.entry().map_or(0, |entry| entry.writer.term).max(2) + 1;
            let listing = evidence.repository.listing();
            claim.released = Some(ReleaseRecord {
                uid: claim.uid.clone(),
                volume: volume.clone(),
                fingerprint: listing.map(|listing| listing.fingerprint.clone()),
                term,
                overtaken: false,
                elsewhere: false,
                reason: None,
            });
            let memory = listing.map(|listing| Memory {
                fingerprint: listing.fingerprint.clone(),
                newest_key: listing.newest_key.clone(),
                newest_at: listing.newest_at,
            });
            let (cluster, uid) = (HERE.to_owned(), claim.uid.clone());
            evidence.ledger = Ledger::Entry(Box::new(Entry {
                repository: Address::Same,
                writer: Writer { cluster, uid, volume, interval, since: NOW, term },
                memory,
                capacity: Quantity::parse("1Gi").expect("a quantity"),
                retired: false,
            }));
        }
        let uid = Some(claim.uid.clone());
        let state = BackupState::Running;
        evidence.backup = Some(BackupEvidence::Ours(OurBackup { uid, state, syncing: false, released: None }));
    }

    /// What a person does, or what comes by itself.
    fn take(&mut self, code: Code) {
        let is_first = self.story.iter().filter(|(_, known)| *known == code).count() == 1;
        let says_again = code.way_out().is_some_and(|way_out| way_out.contains("create it again"));
        if code.acceptance() == Acceptance::Possible {
            let ask = self.ask().clone();
            let id = hold(code, ask.repository.as_ref(), &self.evidence);
            match id {
                Some(id) if !(self.creates_again && says_again && is_first) => self.accept(id),
                Some(_) | None => self.create_again(),
            }
            return;
        }
        let evidence = &mut self.evidence;
        match code {
            Code::ObjectsUnread => self.read_everything(),
            Code::LedgerUnread | Code::LedgerUninitialised | Code::LedgerMismatch => evidence.ledger = Ledger::None,
            Code::RepositoryUnread => evidence.repository = Repository::Absent(NoRepository { as_of: NOW }),
            Code::NotOurs => {
                evidence.secret = evidence.secret.take().filter(|it| *it != SecretEvidence::Foreign);
                evidence.restore = evidence.restore.take().filter(|it| *it != RestoreEvidence::Foreign);
                evidence.backup = evidence.backup.take().filter(|it| *it != BackupEvidence::Foreign);
                self.read_everything();
            }
            Code::CredentialsMissing => self.ask().has_credentials = true,
            Code::LabelInvalid | Code::VolumeUnsupported | Code::NameUnknown | Code::OptOutPending => {
                self.asked = Eligibility::Eligible(Box::new(ask(RestoreMode::Populate)));
            }
            Code::NamespaceExcluded => self.asked = Eligibility::Unselected(Unselected::Unlabelled),
            Code::VolumeLost | Code::MissedAdmission => self.create_again(),
            Code::AwaitingBind => self.bind(None),
            Code::Binding => match evidence.restore.clone() {
                Some(RestoreEvidence::Done(done)) if !done.consumed => self.bind(Some(done.image)),
                _ => evidence.restore = Some(RestoreEvidence::Absent),
            },
            Code::Restoring | Code::RestoreFailing => self.finish_restore(Expectation::Data),
            Code::RestoreQueued => evidence.slot = Slot::Free,
            // What the host does is enough.
            _ => {}
        }
    }

    fn accept(&mut self, id: HoldId) {
        // A hold that was accepted is over: it never comes back under the same name.
        assert!(!self.ask().accepted.contains(&id) || self.story.len() < 2, "{:?}", self.story);
        let before = decide(&self.asked, Some(&self.evidence));
        let another = HoldId::parse("00000000").expect("an id");
        self.ask().accepted.push(another);
        assert_eq!(decide(&self.asked, Some(&self.evidence)), before, "any id was accepted");
        self.ask().accepted.pop();
        self.ask().accepted.push(id);
    }

    fn bind(&mut self, image: Option<String>) {
        let claim = self.evidence.claim.as_mut().expect("a claim binds");
        claim.phase = Phase::Bound;
        claim.volume = Some(Volume::Of(volume("after")));
        claim.populated_from = image;
        self.evidence.populator = Some(Populator::Idle);
        self.evidence.backup.get_or_insert(BackupEvidence::Absent);
    }

    /// The claim is deleted and created again, while admission is up.
    fn create_again(&mut self) {
        let mode = self.ask().mode;
        self.ask().accepted.clear();
        let source = if mode == RestoreMode::Populate { DataSource::Ours } else { DataSource::None };
        let evidence = &mut self.evidence;
        evidence.claim = Some(ClaimEvidence {
            uid: format!("claim-after-{}", self.story.len()),
            phase: Phase::Pending,
            terminating: false,
            data_source: source,
            volume: Some(Volume::None),
            populated_from: None,
            released: None,
        });
        // The API server removes what the old claim owned, if not at once.
        evidence.restore = match (&evidence.restore, mode) {
            (Some(RestoreEvidence::Absent), _) | (_, RestoreMode::Side | RestoreMode::None) => {
                Some(RestoreEvidence::Absent)
            }
            (_, RestoreMode::Populate) => Some(RestoreEvidence::Stale),
        };
        evidence.backup = Some(BackupEvidence::Absent);
        evidence.populator = Some(Populator::Idle);
    }

    fn read_everything(&mut self) {
        let evidence = &mut self.evidence;
        evidence.cluster = Some(HERE.to_owned());
        evidence.secret.get_or_insert(SecretEvidence::Absent);
        evidence.restore.get_or_insert(RestoreEvidence::Absent);
        evidence.populator.get_or_insert(Populator::Idle);
        evidence.backup.get_or_insert(BackupEvidence::Absent);
        match &mut evidence.claim {
            None => {
                let released = None;
                evidence.claim = Some(ClaimEvidence {
                    uid: UID.to_owned(),
                    phase: Phase::Bound,
                    terminating: false,
                    data_source: DataSource::None,
                    volume: Some(Volume::Of(volume("now"))),
                    populated_from: None,
                    released,
                });
            }
            Some(claim) if claim.phase == Phase::Bound => claim.volume = Some(Volume::Of(volume("now"))),
            Some(claim) => drop(claim.volume.get_or_insert(Volume::None)),
        }
    }
}

/// A person accepts one hold after the other.
fn visit_accepted(walk: &mut Walk, mut ask: Ask, evidence: &Evidence) {
    loop {
        let code = decide(&Eligibility::Eligible(Box::new(ask.clone())), Some(evidence)).code;
        let Some(id) = hold(code, ask.repository.as_ref(), evidence) else { break };
        // Row 32 alone goes on under its own name: its image is consumed first.
        if ask.accepted.contains(&id) {
            break;
        }
        ask.accepted.push(id);
        walk.visit(&Eligibility::Eligible(Box::new(ask.clone())), evidence);
    }
}

#[test]
fn every_combination_keeps_the_promise() {
    let (stores, pairs) = stores();
    let modes = [RestoreMode::Populate, RestoreMode::Side, RestoreMode::None];
    let unselected = [Unselected::NoClaim, Unselected::Unlabelled, Unselected::Excluded, Unselected::Derived];
    // For a claim that is not selected the store matters to its release alone: a few say all.
    let few: Vec<Store> = stores.iter().step_by(stores.len() / 40).cloned().collect();
    let mut work: Vec<(Eligibility<Ask>, &[Store])> =
        unselected.into_iter().map(|unselected| (Eligibility::Unselected(unselected), few.as_slice())).collect();
    for mode in modes {
        let asked = Eligibility::Eligible(Box::new(ask(mode)));
        work.extend(stores.chunks(stores.len().div_ceil(8)).map(|some| (asked.clone(), some)));
    }
    let (work, whole) = (Mutex::new(work), Mutex::new(Walk::default()));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let next = work.lock().expect("no thread panics while it holds it").pop();
                    let Some((asked, stores)) = next else { break };
                    let some = self::walk(&asked, stores);
                    whole.lock().expect("no thread panics while it holds it").join(some);
                }
            });
        }
    });
    let mut walk = whole.into_inner().expect("no thread panics while it holds it");
    besides(&mut walk);

    let rows: BTreeSet<u8> = walk.reached.keys().map(|(row, _)| *row).collect();
    // Row 5 is the one without evidence.
    let missed: Vec<u8> = Verdict::ROWS.filter(|row| *row != 5 && !rows.contains(row)).collect();
    assert!(missed.is_empty(), "rows that nothing reaches: {missed:?}");
    let led_out = walk.holds.values().flatten().map(|(asked, evidence)| lead_out(asked, evidence)).count();
    // Past the capture of what tests print: the figures belong into every log.
    let figures = format!(
        "{} million combinations of evidence; {pairs} pairs of ledger and repository, {} that differ; {} rows and \
         codes reached; {led_out} holds led out",
        walk.combinations / 1_000_000,
        stores.len(),
        walk.reached.len(),
    );
    writeln!(std::io::stderr(), "{figures}").expect("there is somebody to tell");
    let codes: BTreeSet<Code> = walk.reached.keys().map(|(_, code)| *code).collect();
    let generated = [Code::NoEvidence, Code::Ungated, Code::AcceptedByOperator];
    let missed: Vec<Code> =
        Code::ALL.into_iter().filter(|code| !codes.contains(code) && !generated.contains(code)).collect();
    assert!(missed.is_empty(), "codes that nothing reaches: {missed:?}");
}
