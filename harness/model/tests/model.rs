//! Every order of events within bounds, long walks beyond them, and the incidents of the field by name.

use std::io::Write;
use std::time::Instant;

use stateright::{Checker, Model};
use volsync_policy_model::view::{
    ALL, NO_LEDGER, NO_MARKER, NO_OBJECTS, NO_REPOSITORY, NO_SOURCE, NO_VOLUME, is_in_order,
};
use volsync_policy_model::walk::{Story, replay};
use volsync_policy_model::world::World;
use volsync_policy_model::{Action, Limits, Mishap, Trial};

const RESTORED: &str = "a claim is restored and released";
const FRESH: &str = "a claim starts fresh and is released";
const HELD: &str = "a claim is held";
const TAKEN_OVER: &str = "an entry is taken over";

/// Moves that bring a claim to a volume restored, and its backup to run.
fn restored(at: usize) -> Vec<Action> {
    vec![
        Action::Create(at),
        Action::Plan(at, 0),
        Action::CarryOutAll(at),
        Action::EndRestore(at, false),
        Action::Populate(at),
        Action::Bind(at),
        Action::Write(at),
        Action::Plan(at, 0),
        Action::CarryOutAll(at),
    ]
}

/// Tries every order of events, to a number of states, and asserts that what should happen does.
fn try_all(name: &str, trial: Trial, states: usize, happens: &[&'static str]) {
    let began = Instant::now();
    let checker = trial.checker().threads(1).target_state_count(states).spawn_bfs().join();
    // Past the capture of what tests print: the figures belong into every log.
    let figures = format!(
        "{name}: {} unique states of {} generated, to depth {}, in {:.1?}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        began.elapsed()
    );
    writeln!(std::io::stderr(), "{figures}").expect("there is somebody to tell");
    let discoveries = checker.discoveries();
    for property in checker.model().properties() {
        let found = discoveries.get(property.name);
        let is_always = !property.name.starts_with("a claim is")
            && !property.name.starts_with("an entry")
            && !property.name.starts_with("a claim starts");
        if let (true, Some(path)) = (is_always, found) {
            let mut states = path.clone().into_states().into_iter();
            let start = states.next().expect("a path starts somewhere");
            let broken = states.next_back().and_then(|world| world.broken).expect("it breaks in the end");
            let moves = path.clone().into_actions();
            panic!("{name}: {}\n{}", property.name, Story { start, moves, broken }.tell());
        }
        if happens.contains(&property.name) {
            assert!(found.is_some(), "{name}: never happens: {}", property.name);
        }
    }
}

fn limits() -> Limits {
    Limits { uids: 5, images: 2, snapshots: 5, clock: 5, mishaps: 1 }
}

const BLIND: [u8; 4] = [0, NO_REPOSITORY, NO_LEDGER, NO_OBJECTS];

#[test]
fn one_cluster() {
    let empty = World::new(1);
    let backups = World::with_backups(1);
    let starts = vec![replay(&empty, &restored(0)), replay(&backups, &restored(0)), backups, empty];
    let mishaps = vec![Mishap::Admission, Mishap::Outage, Mishap::LoseRecord];
    let trial = Trial { starts, blind: BLIND.to_vec(), earlier: vec![], mishaps, limits: limits() };
    try_all("one cluster", trial, 4_000_000, &[RESTORED, FRESH, HELD]);
}

#[test]
fn two_clusters_on_one_bucket() {
    let backups = World::with_backups(2);
    let one = replay(&backups, &restored(0));
    let idle = replay(&one, &[Action::Backup(0), Action::Plan(0, 0), Action::CarryOutAll(0), Action::Tick]);
    let starts = vec![idle, one, backups];
    let limits = Limits { uids: 8, clock: 8, ..limits() };
    let trial = Trial { starts, blind: vec![0], earlier: vec![], mishaps: vec![], limits };
    try_all("two clusters on one bucket", trial, 4_000_000, &[RESTORED, HELD, TAKEN_OVER]);
}

#[test]
fn a_wrong_prefix() {
    let backups = World::with_backups(1);
    let released = replay(&backups, &restored(0));
    let wrong = replay(&backups, &[Action::Mishap(0, Mishap::RepointBase)]);
    let strange = replay(&World::new(1).with_stranger(), &restored(0));
    let starts = vec![strange, released, wrong, backups];
    let mishaps = vec![Mishap::RepointBase, Mishap::RepointSecret];
    let limits = Limits { mishaps: 2, ..limits() };
    let trial = Trial { starts, blind: vec![0, NO_REPOSITORY], earlier: vec![], mishaps, limits };
    try_all("a wrong prefix", trial, 4_000_000, &[RESTORED]);
}

#[test]
fn a_roll_back_of_etcd() {
    let backups = World::with_backups(1);
    let save = Action::Mishap(0, Mishap::SaveEtcd);
    let released = replay(&replay(&backups, &restored(0)), &[save]);
    let created = replay(&backups, &[Action::Create(0), Action::Plan(0, 0), Action::CarryOutAll(0), save]);
    let mishaps = vec![Mishap::RestoreEtcd, Mishap::ReplaceVolume];
    let limits = Limits { mishaps: 3, uids: 7, ..limits() };
    let trial = Trial { starts: vec![released, created], blind: vec![0], earlier: vec![], mishaps, limits };
    try_all("a roll-back of etcd", trial, 4_000_000, &[RESTORED, HELD]);
}

/// VolSync, the app and people do not wait for a host that reads one object after the other.
#[test]
fn readings_at_two_times() {
    let backups = World::with_backups(1);
    let starts = vec![replay(&backups, &restored(0)), backups, World::new(1)];
    let earlier = (1..ALL).filter(|parts| is_in_order(*parts) || parts.is_power_of_two()).collect();
    let trial = Trial { starts, blind: vec![0], earlier, mishaps: vec![Mishap::Admission], limits: limits() };
    try_all("readings at two times", trial, 4_000_000, &[RESTORED, FRESH, HELD]);
}

#[test]
fn long_walks() {
    let blind = vec![
        0,
        0,
        0,
        0,
        0,
        NO_REPOSITORY,
        NO_LEDGER,
        NO_MARKER,
        NO_OBJECTS,
        NO_SOURCE,
        NO_VOLUME,
        NO_REPOSITORY | NO_LEDGER,
    ];
    let mishaps = vec![
        Mishap::Admission,
        Mishap::Outage,
        Mishap::RepointSecret,
        Mishap::RepointBase,
        Mishap::SaveEtcd,
        Mishap::RestoreEtcd,
        Mishap::ReplaceVolume,
        Mishap::Label,
        Mishap::Accept,
        Mishap::Wipe,
        Mishap::Vanish,
        Mishap::LoseRecord,
        Mishap::LoseEntry,
        Mishap::ForeignSource,
        Mishap::ForeignSecret,
    ];
    let limits = Limits { uids: 200, images: 100, snapshots: 60, clock: 200, mishaps: 100 };
    let began = Instant::now();
    let (mut steps, mut seen) = (0_u64, [false; 4]);
    let seeds = 1..=12_000;
    for seed in seeds.clone() {
        let clusters = 1 + seed as usize % 2;
        let starts = vec![
            World::new(clusters),
            World::with_backups(clusters),
            World::new(clusters).with_stranger(),
            World::with_backups(clusters).with_stranger(),
        ];
        // One walk in two is without mishaps: with them, little is left that could be lost.
        let mishaps = if seed / 2 % 2 == 0 { mishaps.clone() } else { vec![] };
        let trial = Trial { starts, blind: blind.clone(), earlier: (1..ALL).collect(), mishaps, limits };
        let story = trial.walk(seed, 300, |world| {
            steps += 1;
            let happened = [world.has_restored(), world.has_started_fresh(), world.has_held(), world.has_taken_over()];
            seen.iter_mut().zip(happened).for_each(|(seen, happened)| *seen |= happened);
        });
        if let Some(story) = story {
            panic!("seed {seed}: {}", story.tell());
        }
    }
    let figures = format!("walks: seeds {seeds:?}, {steps} steps in {:.1?}", began.elapsed());
    writeln!(std::io::stderr(), "{figures}").expect("there is somebody to tell");
    assert_eq!(seen, [true; 4]);
}
