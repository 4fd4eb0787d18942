//! Tries every order of events within limits, and long random walks beyond them.

use std::io::Write;
use std::ops::RangeInclusive;
use std::slice::from_ref;
use std::time::Instant;

use stateright::{Checker, Expectation, Model};
use volsync_policy_model::view::{
    ALL, NO_LEDGER, NO_MARKER, NO_OBJECTS, NO_REPOSITORY, NO_SECOND_LOOK, NO_SOURCE, NO_VOLUME, is_in_order,
};
use volsync_policy_model::walk::{Story, replay};
use volsync_policy_model::world::World;
use volsync_policy_model::{Action, FRESH, HELD, Limits, Mishap, RESTORED, TAKEN_OVER, Trial};

/// The moves that restore a claim, release it, and start its backup.
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

/// The moves until a claim is Bound to its restored volume, before its host looks.
fn bound(at: usize) -> Vec<Action> {
    restored(at)[..6].to_vec()
}

/// The host reads everything, plans, and carries the plan out.
fn planned(at: usize) -> [Action; 2] {
    [Action::Plan(at, 0), Action::CarryOutAll(at)]
}

/// A backup that the host sees.
fn backed_up(at: usize) -> Vec<Action> {
    [vec![Action::Backup(at)], planned(at).to_vec()].concat()
}

/// A person accepts a hold, and the host acts on it.
fn accepted(at: usize) -> Vec<Action> {
    [planned(at), planned(at)].concat().into_iter().chain(mishap(at, Mishap::Accept)).chain(planned(at)).collect()
}

/// Two hours, after which a writer that has not written counts as silent.
const SILENCE: [Action; 2] = [Action::Tick; 2];

fn mishap(at: usize, mishap: Mishap) -> Vec<Action> {
    vec![Action::Mishap(at, mishap)]
}

/// The start of a trial: the world after those moves, even if a property is broken on the way.
fn played(start: &World, moves: &[Vec<Action>]) -> World {
    let played = |world: World, action: &Action| World { broken: None, ..world.after(*action).unwrap_or(world) };
    moves.concat().iter().fold(start.clone(), played)
}

/// The same, and the claim's backup must run there.
fn running(start: &World, at: usize, moves: &[Vec<Action>]) -> World {
    let world = played(start, moves);
    let source = world.clusters[at].objects.source.as_ref();
    assert!(source.is_some_and(|it| !it.is_paused && !it.unseen), "{world:#?}");
    world
}

/// Tries every order of events, up to a number of states, and asserts that the expected things happen.
fn try_all(name: &str, trial: Trial, states: usize, happens: &[&'static str]) {
    let began = Instant::now();
    let checker = trial.checker().threads(1).target_state_count(states).spawn_bfs().join();
    // Written directly, because tests' output is captured, and the figures belong into every log.
    let figures = format!(
        "{name}: {} unique states of {} generated, to depth {}, in {:.1?}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        began.elapsed()
    );
    writeln!(std::io::stderr(), "{figures}").expect("there is somebody to tell");
    let discoveries = checker.discoveries();
    let mut stories = Vec::new();
    for property in checker.model().properties() {
        let found = discoveries.get(property.name);
        if let (Expectation::Always, Some(path)) = (&property.expectation, found) {
            let mut states = path.clone().into_states().into_iter();
            let start = states.next().expect("a path starts somewhere");
            let broken = states.next_back().and_then(|world| world.broken).expect("it breaks in the end");
            let moves = path.clone().into_actions();
            stories.push(format!("{name}: {}\n{}", property.name, Story { start, moves, broken }.shrunk().tell()));
        }
        if happens.contains(&property.name) {
            assert!(found.is_some(), "{name}: never happens: {}", property.name);
        }
    }
    assert!(stories.is_empty(), "{}", stories.join("\n"));
}

fn limits() -> Limits {
    Limits { uids: 5, images: 2, snapshots: 5, clock: 5, mishaps: 1 }
}

/// The number of states in the trials of rare events.
const STATES: usize = 2_500_000;

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

/// VolSync, the application and people do not wait for a host that reads one object after the other.
#[test]
fn readings_at_two_times() {
    let backups = World::with_backups(1);
    let starts = vec![replay(&backups, &restored(0)), backups, World::new(1)];
    let earlier = (1..ALL).filter(|parts| is_in_order(*parts) || parts.is_power_of_two()).collect();
    let trial = Trial { starts, blind: vec![0], earlier, mishaps: vec![Mishap::Admission], limits: limits() };
    try_all("readings at two times", trial, 4_000_000, &[RESTORED, FRESH, HELD]);
}

/// A second cluster waits, or has just taken over from the first. The backup of the ledger is older.
fn taken_over() -> Vec<World> {
    let backups = World::with_backups(2);
    let first = [restored(0), backed_up(0), bound(1), planned(1).to_vec(), SILENCE.to_vec()].concat();
    let waiting = running(&backups, 0, &[first]);
    let saved = played(&waiting, &[mishap(0, Mishap::SaveLedger)]);
    // The second cluster took over; the first has seen it, or was switched off.
    let unseen = running(&saved, 1, &[planned(1).to_vec(), backed_up(1)]);
    let seen = played(&unseen, &[planned(0).to_vec()]);
    vec![unseen, seen, waiting]
}

/// The ledger entry is lost while the first cluster is switched off, and the second starts it again.
#[test]
fn a_ledger_that_is_begun_anew() {
    let limits = Limits { uids: 12, images: 3, snapshots: 7, clock: 10, mishaps: 3 };
    let mishaps = vec![Mishap::LoseEntry];
    let starts = taken_over().into_iter().skip(2).collect();
    let trial = Trial { starts, blind: vec![0], earlier: vec![], mishaps, limits };
    try_all("a ledger that is begun anew", trial, STATES, &[TAKEN_OVER]);
}

/// The ledger entry is lost, while both clusters remember that they were released.
#[test]
fn a_ledger_that_is_lost() {
    let limits = Limits { uids: 12, images: 3, snapshots: 7, clock: 10, mishaps: 3 };
    let mishaps = vec![Mishap::LoseEntry, Mishap::Accept];
    let starts = taken_over().into_iter().take(2).collect();
    let trial = Trial { starts, blind: vec![0], earlier: vec![], mishaps, limits };
    try_all("a ledger that is lost", trial, STATES, &[TAKEN_OVER]);
}

/// The ledger is put back to its state before another cluster took over.
#[test]
fn a_ledger_that_is_put_back() {
    let limits = Limits { uids: 12, images: 3, snapshots: 7, clock: 10, mishaps: 3 };
    let mishaps = vec![Mishap::RestoreLedger, Mishap::Accept];
    let blind = vec![0, NO_SECOND_LOOK];
    let trial = Trial { starts: taken_over(), blind, earlier: vec![], mishaps, limits };
    try_all("a ledger that is put back", trial, STATES, &[TAKEN_OVER]);
}

/// etcd is rolled back, and the bucket is not. Meanwhile the claim got another volume, and a person accepted that.
#[test]
fn a_roll_back_of_etcd_to_another_volume() {
    let backups = World::with_backups(1).with_storage_that_keeps();
    let save = mishap(0, Mishap::SaveEtcd);
    let first = played(&backups, &[restored(0), backed_up(0), save]);
    let replaced = [mishap(0, Mishap::ReplaceVolume), vec![Action::Write(0)]].concat();
    let second = running(&first, 0, &[replaced, accepted(0)]);
    let third = running(&second, 0, &[backed_up(0)]);
    let created = played(&first, &[vec![Action::Recreate(0), Action::Collect(0)], planned(0).to_vec()]);
    let mishaps = vec![Mishap::RestoreEtcd, Mishap::VolumeComesBack, Mishap::LoseRecord, Mishap::Accept];
    let limits = Limits { uids: 10, images: 3, snapshots: 7, clock: 5, mishaps: 6 };
    let starts = vec![third, second, created, first];
    let trial = Trial { starts, blind: vec![0], earlier: vec![], mishaps, limits };
    try_all("a roll-back of etcd to another volume", trial, STATES, &[HELD]);
}

/// A claim's volume is replaced, comes back, and is replaced by the same volume again.
#[test]
fn a_volume_that_comes_back() {
    let backups = World::with_backups(1).with_storage_that_keeps();
    let first = played(&backups, &[restored(0), backed_up(0)]);
    let replaced = [mishap(0, Mishap::ReplaceVolume), vec![Action::Write(0)]].concat();
    let second = running(&first, 0, &[replaced, accepted(0), backed_up(0)]);
    let third = running(&second, 0, &[mishap(0, Mishap::VolumeComesBack), accepted(0), backed_up(0)]);
    let mishaps = vec![Mishap::ReplaceVolume, Mishap::VolumeComesBack, Mishap::Accept];
    let limits = Limits { uids: 10, images: 2, snapshots: 9, clock: 5, mishaps: 8 };
    let trial = Trial { starts: vec![first, second, third], blind: vec![0], earlier: vec![], mishaps, limits };
    try_all("a volume that comes back", trial, STATES, &[HELD]);
}

/// A bucket is copied, the settings name the copy, and both are used.
#[test]
fn a_copy_of_the_bucket() {
    let backups = World::with_backups(2);
    let released = played(&backups, &[restored(0), backed_up(0), mishap(0, Mishap::CopyBucket)]);
    // The second cluster uses the copy, and has written to it.
    let moved = [mishap(1, Mishap::RepointBase), vec![Action::Create(1)], accepted(1)].concat();
    let bound = [Action::EndRestore(1, false), Action::Populate(1), Action::Bind(1)];
    let both = running(&released, 1, &[moved, bound.to_vec(), SILENCE.to_vec(), accepted(1), backed_up(1)]);
    let mishaps = vec![Mishap::RepointBase, Mishap::RepointAll, Mishap::Vanish, Mishap::Accept];
    let limits = Limits { uids: 12, images: 3, snapshots: 7, clock: 8, mishaps: 7 };
    let starts = vec![released, both];
    let trial = Trial { starts, blind: vec![0], earlier: vec![], mishaps, limits };
    try_all("a copy of the bucket", trial, STATES, &[HELD]);
}

/// The ledger is copied to another base, where there is no repository, or someone else's.
#[test]
fn a_ledger_without_its_repository() {
    let copy = mishap(0, Mishap::CopyLedger);
    let starts = [World::with_backups(1), World::with_backups(1).with_stranger()];
    let before = starts.clone().map(|start| played(&start, from_ref(&copy)));
    let after = starts.map(|start| running(&start, 0, &[restored(0), backed_up(0), copy.clone(), planned(0).to_vec()]));
    let mishaps = vec![Mishap::RepointBase, Mishap::RepointAll, Mishap::LoseRecord, Mishap::Accept];
    let limits = Limits { uids: 7, images: 3, snapshots: 7, clock: 4, mishaps: 6 };
    let starts = after.into_iter().chain(before).collect();
    let trial = Trial { starts, blind: vec![0], earlier: vec![], mishaps, limits };
    try_all("a ledger without its repository", trial, STATES, &[HELD]);
}

/// The same before a first backup was seen: neither the record nor the entry says which repository it was.
#[test]
fn a_move_before_the_first_backup() {
    let copy = mishap(0, Mishap::CopyLedger);
    let starts = [World::new(1).with_stranger(), World::new(1)];
    let starts = starts.map(|start| running(&start, 0, &[restored(0), copy.clone(), planned(0).to_vec()])).to_vec();
    let mishaps = vec![Mishap::RepointBase, Mishap::RepointSecret, Mishap::RepointAll, Mishap::Accept];
    let limits = Limits { uids: 7, images: 3, snapshots: 7, clock: 4, mishaps: 5 };
    let trial = Trial { starts, blind: vec![0], earlier: vec![], mishaps, limits };
    try_all("a move before the first backup", trial, STATES, &[HELD]);
}

/// The same repository under another name.
#[test]
fn an_endpoint_with_another_name() {
    let backups = World::with_backups(2);
    let released = played(&backups, &[restored(0), backed_up(0)]);
    let mishaps = vec![Mishap::RenameEndpoint, Mishap::Accept];
    let limits = Limits { uids: 8, images: 2, snapshots: 6, clock: 7, mishaps: 3 };
    let trial = Trial { starts: vec![backups, released], blind: vec![0], earlier: vec![], mishaps, limits };
    try_all("an endpoint with another name", trial, STATES, &[RESTORED]);
}

/// No log of a mover can ever be read.
#[test]
fn movers_without_logs() {
    let empty = World::new(1).without_logs();
    let fresh = played(&empty, &[restored(0), backed_up(0)]);
    let backups = World::with_backups(1).without_logs();
    let mishaps = vec![Mishap::Vanish, Mishap::Wipe, Mishap::LoseRecord, Mishap::Accept];
    let limits = Limits { uids: 8, images: 3, snapshots: 6, clock: 4, mishaps: 4 };
    let trial = Trial { starts: vec![fresh, empty, backups], blind: vec![0], earlier: vec![], mishaps, limits };
    try_all("movers without logs", trial, STATES, &[HELD]);
}

/// The repository is gone, and so is the release record.
#[test]
fn a_repository_that_is_gone() {
    let backups = World::with_backups(1);
    let released = running(&backups, 0, &[restored(0), backed_up(0)]);
    let mishaps = vec![Mishap::Vanish, Mishap::Wipe, Mishap::LoseRecord];
    let limits = Limits { uids: 8, images: 4, snapshots: 6, clock: 6, mishaps: 3 };
    let trial = Trial { starts: vec![released, backups], blind: vec![0], earlier: vec![], mishaps, limits };
    try_all("a repository that is gone", trial, STATES, &[HELD]);
}

/// The same before there is an entry: only the restore shows that there were backups.
#[test]
fn a_repository_that_only_the_restore_has_seen() {
    let mut backups = World::with_backups(1);
    (backups.ledgers[0].entry, backups.ledgers[0].is_known) = (None, false);
    let created = played(&backups, &[vec![Action::Create(0)], planned(0).to_vec()]);
    let mishaps = vec![Mishap::Vanish, Mishap::Wipe];
    let limits = Limits { uids: 8, images: 4, snapshots: 6, clock: 6, mishaps: 2 };
    let trial = Trial { starts: vec![created], blind: vec![0], earlier: vec![], mishaps, limits };
    try_all("a repository that only the restore has seen", trial, STATES, &[RESTORED]);
}

/// A first backup takes longer than two intervals: only its lock shows it.
#[test]
fn a_long_first_backup() {
    let empty = World::new(2);
    let first = played(&empty, &[restored(0), vec![Action::StartBackup(0)]]);
    let both = played(&first, &[vec![Action::Create(1)], planned(1).to_vec()]);
    let bound = [vec![Action::StartBackup(0)], bound(1), vec![Action::Write(1)]].concat();
    let bound = played(&empty, &[restored(0), bound]);
    let limits = Limits { uids: 8, images: 3, snapshots: 3, clock: 8, mishaps: 2 };
    let mishaps = vec![Mishap::LongBackup];
    let trial = Trial { starts: vec![bound, both, first], blind: vec![0], earlier: vec![], mishaps, limits };
    try_all("a long first backup", trial, STATES, &[FRESH]);
}

/// In a store without conditional writes, two clusters write the entry at the same time, or one after the other.
#[test]
fn two_clusters_without_conditional_writes() {
    let empty = World::new(2).without_conditional_writes();
    let backups = World::with_backups(2).without_conditional_writes();
    let retired = [mishap(0, Mishap::Retire), bound(0), bound(1)].concat();
    // Both are about to write the first entry, or the one after that which was retired.
    let both = [bound(0), bound(1), vec![Action::Plan(0, 0), Action::Plan(1, 0)]].concat();
    let both_again = [retired.clone(), vec![Action::Plan(0, 0), Action::Plan(1, 0)]].concat();
    let starts = [(&empty, both), (&backups, both_again), (&backups, retired), (&empty, vec![])];
    let starts = starts.map(|(start, moves)| played(start, &[moves])).to_vec();
    let limits = Limits { uids: 8, images: 2, snapshots: 6, clock: 5, mishaps: 4 };
    let trial = Trial { starts, blind: vec![0], earlier: vec![], mishaps: vec![Mishap::Retire], limits };
    try_all("two clusters without conditional writes", trial, STATES, &[RESTORED, FRESH, HELD]);
}

/// Two clusters number their volumes independently, so handles can be equal.
#[test]
fn volumes_with_equal_handles() {
    let backups = World::with_backups(2).with_equal_handles();
    let released = played(&backups, &[restored(0), backed_up(0)]);
    let mishaps = vec![Mishap::Admission];
    let limits = Limits { uids: 8, images: 2, snapshots: 6, clock: 8, mishaps: 2 };
    let trial = Trial { starts: vec![backups, released], blind: vec![0], earlier: vec![], mishaps, limits };
    try_all("volumes with equal handles", trial, STATES, &[HELD]);
}

/// The base changes in one cluster, or in both, while the second takes over from the first.
#[test]
fn a_base_that_moves_while_another_takes_over() {
    let backups = World::with_backups(2);
    let waiting = [restored(0), backed_up(0), bound(1), planned(1).to_vec(), SILENCE.to_vec()].concat();
    let waiting = played(&backups, &[waiting]);
    let copied = played(&waiting, &[mishap(0, Mishap::CopyBucket)]);
    let copied_ledger = played(&waiting, &[mishap(0, Mishap::CopyLedger)]);
    let mishaps = vec![Mishap::RepointBase, Mishap::RepointSecret, Mishap::RepointAll];
    let limits = Limits { uids: 10, images: 3, snapshots: 7, clock: 8, mishaps: 4 };
    let starts = vec![copied, waiting, copied_ledger];
    let trial = Trial { starts, blind: vec![0], earlier: vec![], mishaps, limits };
    try_all("a base that moves while another takes over", trial, STATES, &[TAKEN_OVER]);
}

/// What a person accepted stays on the claim, and then the claim has another volume.
#[test]
fn an_acceptance_and_another_volume() {
    let backups = World::with_backups(1).with_storage_that_keeps();
    let missed = [Action::Create(0), Action::BindEmpty(0), Action::Write(0)];
    let missed = played(&backups, &[mishap(0, Mishap::Admission), missed.to_vec()]);
    let mishaps = vec![Mishap::Accept, Mishap::ReplaceVolume, Mishap::VolumeComesBack];
    let limits = Limits { uids: 8, images: 3, snapshots: 6, clock: 5, mishaps: 5 };
    let trial = Trial { starts: vec![missed], blind: vec![0], earlier: vec![], mishaps, limits };
    try_all("an acceptance and another volume", trial, STATES, &[HELD]);
}

/// A Pending claim whose mover read another repository, because the Secret named it for a moment.
fn strayed(start: &World) -> World {
    let repoint = || mishap(0, Mishap::RepointSecret);
    let create = [vec![Action::Create(0)], planned(0).to_vec()].concat();
    played(start, &[create, repoint(), vec![Action::StartRestore(0)], repoint(), vec![Action::EndRestore(0, false)]])
}

/// What a person accepts for a Pending claim does not count for its volume. The restore found nothing.
#[test]
fn an_acceptance_before_there_is_a_volume() {
    let backups = World::with_backups(1);
    let created = played(&backups, &[vec![Action::Create(0)], planned(0).to_vec()]);
    let mishaps = vec![Mishap::Accept, Mishap::RepointSecret];
    let limits = Limits { uids: 8, images: 4, snapshots: 6, clock: 4, mishaps: 5 };
    let starts = vec![strayed(&backups), created];
    let trial = Trial { starts, blind: vec![0], earlier: vec![], mishaps, limits };
    try_all("an acceptance before there is a volume", trial, STATES, &[HELD]);
}

/// The same, but the restore found someone else's data.
#[test]
fn an_acceptance_of_what_is_a_strangers() {
    let backups = World::with_backups(1).with_stranger();
    let mishaps = vec![Mishap::Accept, Mishap::RepointSecret];
    let limits = Limits { uids: 8, images: 4, snapshots: 6, clock: 4, mishaps: 5 };
    let trial = Trial { starts: vec![strayed(&backups)], blind: vec![0], earlier: vec![], mishaps, limits };
    try_all("an acceptance of what is a stranger's", trial, STATES, &[HELD]);
}

/// What a person accepted for a copy of the bucket stays on the claim, and then the copy is gone.
#[test]
fn an_acceptance_and_a_copy_that_is_gone() {
    let backups = World::with_backups(1);
    let copied = [mishap(0, Mishap::CopyBucket), mishap(0, Mishap::RepointBase), vec![Action::Create(0)]];
    let mut copied = played(&backups, &copied);
    copied.repositories[1].snapshots.pop().expect("the last backup did not arrive");
    let mishaps = vec![Mishap::Accept, Mishap::Vanish, Mishap::Wipe];
    let limits = Limits { uids: 6, images: 3, snapshots: 6, clock: 4, mishaps: 6 };
    let trial = Trial { starts: vec![copied], blind: vec![0], earlier: vec![], mishaps, limits };
    try_all("an acceptance and a copy that is gone", trial, STATES, &[RESTORED]);
}

/// What a person accepted stays on the claim, and then there is another repository, or none.
#[test]
fn an_acceptance_and_another_repository() {
    let backups = World::with_backups(1).with_stranger();
    let released = running(&backups, 0, &[restored(0), backed_up(0)]);
    let replaced = [mishap(0, Mishap::ReplaceVolume), vec![Action::Write(0)], planned(0).to_vec()].concat();
    let replaced = played(&released, &[replaced]);
    let mishaps = vec![Mishap::Accept, Mishap::RepointSecret, Mishap::Wipe, Mishap::Vanish];
    let limits = Limits { uids: 8, images: 4, snapshots: 7, clock: 5, mishaps: 5 };
    let trial = Trial { starts: vec![released, replaced], blind: vec![0], earlier: vec![], mishaps, limits };
    try_all("an acceptance and another repository", trial, STATES, &[HELD]);
}

/// What a person has accepted changes before the host acts on it, and changes back.
#[test]
fn an_acceptance_of_what_changes_and_changes_back() {
    let backups = World::with_backups(1).with_storage_that_keeps();
    let missed = [Action::Create(0), Action::BindEmpty(0), Action::Write(0)];
    let missed = played(&backups, &[mishap(0, Mishap::Admission), missed.to_vec(), planned(0).to_vec()]);
    let released = running(&backups, 0, &[restored(0), backed_up(0)]);
    let mishaps = vec![Mishap::Accept, Mishap::RepointSecret, Mishap::ReplaceVolume, Mishap::VolumeComesBack];
    let limits = Limits { uids: 8, images: 2, snapshots: 5, clock: 4, mishaps: 6 };
    let trial = Trial { starts: vec![missed, released], blind: vec![0], earlier: vec![], mishaps, limits };
    try_all("an acceptance of what changes and changes back", trial, STATES, &[HELD]);
}

/// Everything that people and accidents do. People accept more often than storage is lost.
const MISHAPS: [Mishap; 26] = [
    Mishap::Admission,
    Mishap::Outage,
    Mishap::RepointSecret,
    Mishap::RepointBase,
    Mishap::SaveEtcd,
    Mishap::RestoreEtcd,
    Mishap::ReplaceVolume,
    Mishap::VolumeComesBack,
    Mishap::Label,
    Mishap::Accept,
    Mishap::Accept,
    Mishap::Accept,
    Mishap::Wipe,
    Mishap::Vanish,
    Mishap::LoseRecord,
    Mishap::LoseEntry,
    Mishap::SaveLedger,
    Mishap::RestoreLedger,
    Mishap::CopyBucket,
    Mishap::CopyLedger,
    Mishap::RenameEndpoint,
    Mishap::RepointAll,
    Mishap::LoseLogs,
    Mishap::LongBackup,
    Mishap::ForeignSource,
    Mishap::ForeignSecret,
];

#[test]
fn long_walks() {
    walk_all("walks", 1..=10_000, &MISHAPS);
}

/// With mishaps, soon little is left that could be lost.
#[test]
fn long_walks_without_mishaps() {
    walk_all("walks without mishaps", 10_001..=14_000, &[]);
}

/// Walks once with each seed, and asserts that the expected things happen.
fn walk_all(name: &str, seeds: RangeInclusive<u64>, mishaps: &[Mishap]) {
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
        NO_SECOND_LOOK,
        NO_REPOSITORY | NO_LEDGER,
    ];
    let limits = Limits { uids: 200, images: 100, snapshots: 60, clock: 200, mishaps: 100 };
    let began = Instant::now();
    let (mut steps, mut seen) = (0_u64, [false; 4]);
    let mut stories: Vec<(u64, Story)> = Vec::new();
    for seed in seeds.clone() {
        let clusters = 1 + seed as usize % 2;
        let starts = vec![
            World::new(clusters),
            World::with_backups(clusters),
            World::new(clusters).with_stranger(),
            World::with_backups(clusters).with_stranger(),
        ];
        let start_of = |mut start: World| {
            start = if seed % 3 == 0 { start.with_storage_that_keeps() } else { start };
            if seed % 5 == 0 { start.with_equal_handles() } else { start }
        };
        let starts = starts.into_iter().map(start_of).collect();
        let (blind, mishaps) = (blind.clone(), mishaps.to_vec());
        let trial = Trial { starts, blind, earlier: (1..ALL).collect(), mishaps, limits };
        let story = trial.walk(seed, 300, |world| {
            steps += 1;
            let happened = [world.has_restored(), world.has_started_fresh(), world.has_held(), world.has_taken_over()];
            seen.iter_mut().zip(happened).for_each(|(seen, happened)| *seen |= happened);
        });
        // One of each kind.
        let is_new = |story: &Story| stories.iter().all(|(_, it)| it.broken != story.broken);
        stories.extend(story.filter(is_new).map(|story| (seed, story.shrunk())));
    }
    let figures = format!("{name}: seeds {seeds:?}, {steps} steps in {:.1?}", began.elapsed());
    writeln!(std::io::stderr(), "{figures}").expect("there is somebody to tell");
    let told: Vec<String> = stories.iter().map(|(seed, story)| format!("seed {seed}: {}", story.tell())).collect();
    assert!(stories.is_empty(), "{}", told.join("\n"));
    assert_eq!(seen, [true; 4]);
}
