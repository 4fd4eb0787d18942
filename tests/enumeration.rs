//! Every combination of evidence: the invariants hold, every row is reached, every hold has a way out that leads out
//! with one acceptance, and none counts once what was accepted has changed. It prints how many combinations there were.
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
    Acceptance, Ask, Backup, Cause, Code, Eligibility, Gate, Hold, HoldId, Marks, Outcome, Problem, Quantity, Refusal,
    Restore, RestoreMode, SnapshotId, Unselected, Verdict, decide,
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
        newest: None,
        term: 2,
        overtaken: false,
        elsewhere: false,
        moved: false,
        reason: None,
    };
    let records = [
        None,
        Some(record(UID_BEFORE, "now", Some(0))),
        Some(record(UID, "now", None)),
        Some(record(UID, "now", Some(0))),
        Some(ReleaseRecord { overtaken: true, ..record(UID, "now", Some(0)) }),
        Some(ReleaseRecord { elsewhere: true, ..record(UID, "now", Some(0)) }),
        Some(record(UID, "before", Some(0))),
        Some(ReleaseRecord { newest: Some(digest('b')), ..record(UID, "now", Some(0)) }),
        Some(ReleaseRecord { moved: true, ..record(UID, "now", None) }),
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
    // What was expected matters where nothing came.
    let ends = [
        (Outcome::Restored(restored()), Expectation::Data),
        (Outcome::Restored(restored()), Expectation::AcceptedData),
        (Outcome::Unread, Expectation::Data),
        (Outcome::Unread, Expectation::Nothing),
        (Outcome::Nothing, Expectation::Data),
        (Outcome::Nothing, Expectation::Nothing),
        (Outcome::Nothing, Expectation::AcceptedNothing),
    ];
    for consumed in [false, true] {
        for (outcome, expects) in ends.clone() {
            let image = "image".to_owned();
            restores.push(Some(RestoreEvidence::Done(FinishedRestore { image, consumed, outcome, expects })));
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
            let opened =
                EmptyRepository { as_of, fingerprint: fingerprint.clone(), oldest_lock: None, newest_lock: None };
            repositories.extend([Repository::Initialised(opened.clone()), Repository::Emptied(opened)]);
            for (newest_key, lists_restored, lists_saved) in
                [('a', true, false), ('b', true, false), ('b', false, false), ('b', false, true)]
            {
                for newest_at in [49, 50, 51] {
                    repositories.push(Repository::Holds(Box::new(Listing {
                        as_of,
                        fingerprint: fingerprint.clone(),
                        oldest_lock: None,
                        newest_lock: None,
                        count: 14,
                        newest_key: digest(newest_key),
                        newest_at: Timestamp::from_unix(newest_at * HOUR),
                        lists_restored,
                        lists_saved,
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
            listing.map(|listing| {
                let Listing { newest_key, lists_restored, lists_saved, .. } = listing;
                (newest_key.clone(), *lists_restored, *lists_saved, age(listing.newest_at))
            }),
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
                let address = entry.repository != Address::Same;
                // Of a tombstone the term alone is left, and whose it was.
                let content = (!entry.retired).then_some((remembered, address, writer.2));
                (4, Some((content, entry.writer.term > 2, writer.0, writer.1)))
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

/// Where an object was not read or is not ours, the store matters to the release alone: one store in so many says all.
const SHORT: usize = 8;

/// Whether every object was read and is ours, or absent.
fn is_asked_further(Evidence { secret, restore, populator, backup, .. }: &Evidence) -> bool {
    populator.is_some()
        && !matches!(secret, None | Some(SecretEvidence::Foreign))
        && !matches!(restore, None | Some(RestoreEvidence::Foreign))
        && !matches!(backup, Some(BackupEvidence::Foreign))
}

/// Walks every combination for what is asked, or every `sparse`th store where it is not all of them.
fn walk(asked: &Eligibility<Ask>, stores: &[Store]) -> Walk {
    let mut walk = Walk::default();
    let mut evidence = Evidence { cluster: Some(HERE.to_owned()), ..Evidence::default() };
    let (secrets, restores, populators, backups) = (secrets(), restores(), populators(), backups());
    for claim in claims() {
        evidence.claim = claim;
        for (index, store) in stores.iter().enumerate() {
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
                            if index.is_multiple_of(SHORT) || is_asked_further(&evidence) {
                                walk.visit(asked, &evidence);
                            }
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

/// A person accepts a hold, and then one thing changes: the acceptance counts only while everything that they were
/// shown is still so. Returns how many changes were tried.
fn accept_and_change(asked: &Eligibility<Ask>, seen: &Evidence, stores: &[Store]) -> u64 {
    let Eligibility::Eligible(ask) = asked else { return 0 };
    let code = decide(asked, Some(seen)).code;
    let Some(hold) = Hold::of(code, ask, seen) else { return 0 };
    let accepted = Ask { accepted: vec![hold.id], ..ask.as_ref().clone() };
    let accepted = Eligibility::Eligible(Box::new(accepted));
    let change = |apply: &dyn Fn(&mut Evidence)| {
        let mut changed = seen.clone();
        apply(&mut changed);
        changed
    };
    let of_claims = claims().into_iter().map(|claim| change(&|it| it.claim = claim.clone()));
    let of_secrets = secrets().into_iter().map(|secret| change(&|it| it.secret = secret.clone()));
    let of_restores = restores().into_iter().map(|restore| change(&|it| it.restore = restore.clone()));
    let of_ledgers = stores.iter().map(|store| change(&|it| it.ledger = store.ledger.clone()));
    let of_repositories = stores.iter().map(|store| change(&|it| it.repository = store.repository.clone()));
    let changes = of_claims.chain(of_secrets).chain(of_restores).chain(of_ledgers).chain(of_repositories);
    let mut tried = 0;
    for changed in changes {
        let verdict = decide(&accepted, Some(&changed));
        check(&accepted, &changed, &verdict);
        tried += 1;
        let counts = verdict.code == Code::AcceptedByOperator;
        assert!(
            !counts || shows_the_same(code, seen, &changed),
            "{code:?} was accepted of {}\nand counts for {}",
            json!(seen),
            json!(changed)
        );
    }
    tried
}

/// Whether what a person was shown of a hold is still so: the claim and its volume, what was restored into it, the
/// repository and its newest snapshot, its writer, and the addresses. The newest snapshot may be another where another
/// writer, or the claim's own backup, goes on writing.
fn shows_the_same(code: Code, one: &Evidence, other: &Evidence) -> bool {
    let claim = |seen: &Evidence| {
        let claim = seen.claim.clone().expect("a hold is of a claim");
        (claim.uid, claim.phase, claim.volume, claim.populated_from)
    };
    let restored = |seen: &Evidence| {
        let is_its_own = seen.claim.as_ref().is_some_and(|claim| claim.data_source == DataSource::Ours);
        match &seen.restore {
            Some(RestoreEvidence::Done(done)) if is_its_own => Some((done.image.clone(), done.outcome.clone())),
            _ => None,
        }
    };
    let repository = |seen: &Evidence| {
        let kind = std::mem::discriminant(&seen.repository);
        (kind, seen.repository.fingerprint().cloned())
    };
    let newest = |seen: &Evidence| seen.repository.listing().map(|listing| listing.newest_key.clone());
    let writer = |seen: &Evidence| {
        seen.ledger.entry().map(|entry| {
            let Writer { cluster, uid, volume, term, .. } = entry.writer.clone();
            (cluster, uid, volume, term, entry.retired)
        })
    };
    let addresses = |seen: &Evidence| {
        let secret = match &seen.secret {
            Some(SecretEvidence::Ours(content)) => Some(content.repository.clone()).filter(|it| *it != Address::Same),
            _ => None,
        };
        // What the entry says matters where the Secret says nothing.
        let entry = seen.ledger.entry().map(|entry| entry.repository.clone()).filter(|it| *it != Address::Same);
        secret.or(entry)
    };
    let is_bound = one.claim.as_ref().is_some_and(|claim| claim.phase == Phase::Bound);
    let writes_on = code == Code::Superseded
        || one.ledger.entry().is_none_or(|entry| entry.retired || entry.writer.cluster != HERE)
        || matches!(&one.secret, Some(SecretEvidence::Ours(content)) if content.repository != Address::Same);
    claim(one) == claim(other)
        && (!is_bound || restored(one) == restored(other))
        && repository(one) == repository(other)
        && (writes_on || newest(one) == newest(other))
        && writer(one) == writer(other)
        && addresses(one) == addresses(other)
}

/// No decision depends on what exactly is wrong.
fn problem() -> Problem {
    Problem { path: "metadata".to_owned(), message: "is wrong".to_owned(), hint: None }
}

/// The row of a released claim whose Secret points elsewhere.
const MOVED: u8 = 17;

/// Of each hold so many combinations are accepted, and then changed.
const CHANGED: usize = 100;

/// So many plans lead out of any hold.
const MOST_PLANS: usize = 40;

/// A person takes the way out that each verdict names, the host carries out what it says, and VolSync does its part;
/// until the backup is released, or the claim is nobody's any more. They accept what they may, or create the claim
/// again where that is the first way named and it was not tried before.
fn lead_out(asked: &Eligibility<Ask>, evidence: &Evidence) {
    for creates_again in [false, true] {
        let mut way = Way {
            asked: asked.clone(),
            evidence: evidence.clone(),
            creates_again,
            story: Vec::new(),
            accepted: Vec::new(),
        };
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
    /// What was accepted so far: of which claim, in which phase, and whether that was a move to other settings.
    accepted: Vec<(String, Phase, bool)>,
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
        if let (Some(Marks::Moved), Some(claim)) = (verdict.marks, &mut evidence.claim)
            && let Some(record) = &mut claim.released
        {
            *record = ReleaseRecord { fingerprint: None, newest: None, moved: true, ..record.clone() };
        }
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
                evidence.repository = Repository::Initialised(EmptyRepository {
                    as_of,
                    fingerprint,
                    oldest_lock: None,
                    newest_lock: None,
                });
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
                newest: listing.map(|listing| listing.newest_key.clone()),
                term,
                overtaken: false,
                elsewhere: false,
                moved: false,
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
            let id = Hold::of(code, &ask, &self.evidence).map(|hold| hold.id);
            match id {
                Some(id) if !(self.creates_again && says_again && is_first) => self.accept(id),
                Some(_) => self.create_again(),
                // What could not be read is read again.
                None if self.store_is_unread() => self.read_the_store(),
                None => self.create_again(),
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
        let claim = self.evidence.claim.as_ref().expect("a hold is of a claim");
        let moves = self.story.last().is_some_and(|(row, _)| *row == MOVED);
        let act = (claim.uid.clone(), claim.phase, moves);
        assert!(!self.accepted.contains(&act), "a second acceptance is needed: {:?}", self.story);
        self.accepted.push(act);
        // A hold that was accepted is over: it never comes back under the same name.
        assert!(!self.ask().accepted.contains(&id) || self.story.len() < 2, "{:?}", self.story);
        let before = decide(&self.asked, Some(&self.evidence));
        let another = HoldId::parse("00000000").expect("an id");
        self.ask().accepted.push(another);
        assert_eq!(decide(&self.asked, Some(&self.evidence)), before, "any id was accepted");
        self.ask().accepted.pop();
        self.ask().accepted.push(id);
    }

    fn store_is_unread(&self) -> bool {
        let ledger_is_read = matches!(self.evidence.ledger, Ledger::None | Ledger::Entry(_));
        !ledger_is_read || matches!(self.evidence.repository, Repository::Unread(_))
    }

    fn read_the_store(&mut self) {
        let Evidence { ledger, repository, .. } = &mut self.evidence;
        if !matches!(ledger, Ledger::None | Ledger::Entry(_)) {
            *ledger = Ledger::None;
        }
        if matches!(repository, Repository::Unread(_)) {
            *repository = Repository::Absent(NoRepository { as_of: NOW });
        }
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
        let Some(id) = Hold::of(code, &ask, evidence).map(|hold| hold.id) else { break };
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
    let some = walk.holds.values().flat_map(|holds| holds.iter().step_by(holds.len().div_ceil(CHANGED).max(1)));
    let changes: u64 = some.map(|(asked, evidence)| accept_and_change(asked, evidence, &stores)).sum();
    // Past the capture of what tests print: the figures belong into every log.
    let figures = format!(
        "{} million combinations of evidence; {pairs} pairs of ledger and repository, {} that differ; {} rows and \
         codes reached; {led_out} holds led out; {changes} changes after an acceptance",
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
