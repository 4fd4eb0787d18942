//! Incidents in which data was lost, and faults that reviews found in early designs, each by name and step by step:
//! first what VolSync does on its own, then what the policy does about it.

use volsync_policy::Code;
use volsync_policy::evidence::Expectation;
use volsync_policy_model::objects::{Destination, Log, Path, Prime, Snapshot};
use volsync_policy_model::task::Task;
use volsync_policy_model::view::{
    CLAIM, DESTINATION, NO_LEDGER, NO_REPOSITORY, NO_SECOND_LOOK, POPULATOR, Parts, View,
};
use volsync_policy_model::world::World;
use volsync_policy_model::{Action, Mishap};

use Action::{
    Backup, Bind, BindEmpty, CarryOut, CarryOutAll, Collect, Crash, Create, EndRestore, Keep, Plan, PlanOnKept,
    Populate, Recreate, StartBackup, StartRestore, Tick, Write,
};

/// The world after those moves, each of which must be possible.
fn after(start: &World, moves: &[Action]) -> World {
    moves.iter().fold(start.clone(), |world, action| {
        let after = world.after(*action).unwrap_or_else(|| panic!("cannot be made: {action}"));
        assert_eq!(after.broken, None, "{action}");
        after
    })
}

/// The world after the host has read everything and carried out its plan, until nothing changes any more.
fn hosted(start: &World, at: usize) -> World {
    let mut world = start.clone();
    for _ in 0..10 {
        let Some(planned) = world.after(Plan(at, 0)) else { return world };
        assert_eq!(planned.broken, None);
        let done = planned.after(CarryOutAll(at)).unwrap_or(planned);
        if done == world {
            return world;
        }
        world = done;
    }
    panic!("the host does not come to rest");
}

/// The code of the core's present answer.
fn code(world: &World, at: usize) -> Code {
    View::of(world, at, 0).expect("there is a claim").answer().code
}

fn is_running(world: &World, at: usize) -> bool {
    world.clusters[at].objects.source.is_some()
}

fn kept(world: &World) -> Vec<u8> {
    world.repositories[0].snapshots.iter().map(|snapshot| snapshot.id).collect()
}

/// The data on the claim's volume.
fn content(world: &World, at: usize) -> Option<u64> {
    let cluster = &world.clusters[at];
    let id = cluster.objects.claim.as_ref()?.volume?;
    cluster.volumes.iter().find(|volume| volume.id == id)?.content
}

/// A claim that is Bound to its restored volume, before the host looks.
fn bound(start: &World, at: usize) -> World {
    let world = hosted(&after(start, &[Create(at)]), at);
    after(&world, &[EndRestore(at, false), Populate(at), Bind(at)])
}

/// A claim that is restored, released and backed up once.
fn released(start: &World, at: usize) -> World {
    let world = hosted(&bound(start, at), at);
    assert!(world.has_restored());
    hosted(&after(&world, &[Tick, Backup(at)]), at)
}

/// Incident of 2026-04-29: a claim is deleted, its old ReplicationDestination stays, and the new claim is 13 days
/// stale.
#[test]
fn a_surgical_delete_does_not_bring_back_the_old_image() {
    let world = after(&released(&World::with_backups(1), 0), &[Recreate(0)]);
    assert!(world.clusters[0].objects.destination.is_some(), "the old one is still there");
    assert_eq!(world.after(Populate(0)), None, "and has no image");
    let world = hosted(&world, 0);
    let world = hosted(&after(&world, &[EndRestore(0, false), Populate(0), Bind(0)]), 0);
    assert_eq!(content(&world, 0).map(|it| it >> 3 & 1), Some(1), "the newest backup is what comes back");
    assert!(is_running(&world, 0));
}

/// The host was down from Bound until the next claim was created, and the populator was faster with the old image.
#[test]
fn an_old_image_that_won_the_race_is_held() {
    let world = bound(&World::with_backups(1), 0);
    // Another claim's backups were written since the image was made.
    let mut world = after(&world, &[Recreate(0), Populate(0), Bind(0)]);
    world.repositories[0].snapshots.push(Snapshot { id: 3, at: 4, ancestry: 0b1110, stray: false, by: None });
    world.made.snapshots = 3;
    let world = hosted(&after(&world, &[Tick, Tick]), 0);
    assert!(!is_running(&world, 0));
    assert_eq!(code(&world, 0), Code::UnrestoredVolume);
}

/// The populator waits forever for an image that is gone.
#[test]
fn a_populator_that_waits_for_an_image_that_is_gone_is_freed() {
    let world = after(&bound(&World::with_backups(1), 0), &[Recreate(0), Populate(0), Collect(0)]);
    assert_eq!(world.after(Bind(0)), None, "the image is gone");
    assert_eq!(code(&world, 0), Code::PopulatorWedged);
    let world = hosted(&world, 0);
    let world = hosted(&after(&world, &[EndRestore(0, false), Populate(0), Bind(0)]), 0);
    assert!(is_running(&world, 0));
}

/// Seen on a real cluster: the restore ended, and the populator took its image, while a host read one after the other.
/// In the wrong order this looks wedged: VolSync populates the claim again, and only time is lost.
#[test]
fn a_restore_that_ends_between_two_readings_is_not_wedged() {
    let world = hosted(&after(&World::with_backups(1), &[Create(0)]), 0);
    let world = after(&world, &[Keep(0), EndRestore(0, false), Populate(0)]);
    let read = |earlier: Parts| after(&world, &[PlanOnKept(0, earlier)]);
    assert_eq!(read(CLAIM | POPULATOR).clusters[0].host.tasks, []);
    let uid = world.clusters[0].objects.claim.as_ref().expect("it was created").uid;
    let wedged = read(DESTINATION);
    assert_eq!(wedged.clusters[0].host.tasks, [Task::DeletePrime(Prime { claim: uid, image: 1 })]);
    let world = hosted(&after(&wedged, &[CarryOutAll(0), Populate(0), Bind(0)]), 0);
    assert!(world.has_restored());
    assert_eq!(kept(&world), [1, 2]);
}

/// The Secret changes while the mover runs, which succeeds and has read another repository.
#[test]
fn a_restore_from_another_repository_is_held() {
    let mut start = World::with_backups(1);
    start.made.snapshots = 3;
    start.repositories[1].config = 7;
    start.repositories[1].snapshots.push(Snapshot { id: 3, at: 0, ancestry: 0b1000, stray: false, by: None });
    let repoint = Action::Mishap(0, Mishap::RepointSecret);
    let world = hosted(&after(&start, &[Create(0)]), 0);
    let world = after(&world, &[repoint, StartRestore(0), repoint, EndRestore(0, false), Populate(0), Bind(0)]);
    let world = hosted(&world, 0);
    assert_eq!(code(&world, 0), Code::RestoredFromElsewhere);
    assert!(!is_running(&world, 0));
}

/// A restore beside a Bound claim succeeds, and the claim itself was never restored.
#[test]
fn a_restore_beside_the_claim_releases_nothing() {
    let start = World::with_backups(1);
    let mut world = after(&start, &[Action::Mishap(0, Mishap::Admission), Create(0), BindEmpty(0), Write(0)]);
    let uid = world.clusters[0].objects.claim.as_ref().expect("it was created").uid;
    world.clusters[0].objects.destination = Some(Destination {
        uid: 9,
        claim: uid,
        expects: Expectation::Data,
        started: Some(Path::Right),
        log: Some(Log::Restored(2)),
        image: Some(9),
        noted: None,
    });
    let world = hosted(&world, 0);
    assert_eq!(code(&world, 0), Code::UnrestoredVolume);
    assert!(!is_running(&world, 0));
}

/// A wrong prefix hides the ledger together with the data, so everything looks new.
#[test]
fn a_wrong_prefix_is_not_a_fresh_start() {
    let world = after(&World::with_backups(1), &[Action::Mishap(0, Mishap::RepointBase), Create(0)]);
    let world = hosted(&world, 0);
    assert_eq!(code(&world, 0), Code::LedgerUninitialised);
    assert_eq!(world.clusters[0].objects.destination, None, "so that it cannot bind empty");
    let back = hosted(&after(&world, &[Action::Mishap(0, Mishap::RepointBase)]), 0);
    assert_eq!(code(&back, 0), Code::Restoring);
}

/// Incident of 2026-05-17: the mover's credentials are not those that are read.
#[test]
fn a_secret_that_points_elsewhere_restores_nothing_and_is_held() {
    let repoint = Action::Mishap(0, Mishap::RepointSecret);
    let world = hosted(&after(&World::with_backups(1), &[Create(0)]), 0);
    let world = after(&world, &[repoint, StartRestore(0), repoint, EndRestore(0, false)]);
    assert_eq!(code(&world, 0), Code::RestoreCameBackEmpty);
    let held = hosted(&world, 0);
    assert_eq!(held.after(Populate(0)), None, "the empty image is taken away before it is bound");
    // And if the populator was faster:
    let held = hosted(&after(&world, &[Populate(0), Bind(0), Write(0)]), 0);
    assert_eq!(code(&held, 0), Code::RestoreCameBackEmpty);
    assert!(!is_running(&held, 0));
    assert_eq!(kept(&held), [1, 2]);
}

/// A cluster is rebuilt, and admission does not work yet: every claim binds to an empty volume.
#[test]
fn a_claim_that_missed_admission_is_held() {
    let moves = [Action::Mishap(0, Mishap::Admission), Create(0), BindEmpty(0), Write(0)];
    let world = hosted(&after(&World::with_backups(1), &moves), 0);
    assert_eq!(code(&world, 0), Code::UnrestoredVolume);
    assert!(!is_running(&world, 0));
}

/// Two clusters use one bucket. The second waits until the first is silent, and then the first stops.
#[test]
fn the_second_cluster_waits_and_the_first_one_stops() {
    let world = released(&World::with_backups(2), 0);
    let waiting = hosted(&bound(&world, 1), 1);
    assert_eq!(code(&waiting, 1), Code::OtherWriterActive);
    assert!(!is_running(&waiting, 1));
    let over = hosted(&after(&waiting, &[Tick, Tick]), 1);
    assert!(is_running(&over, 1) && over.has_taken_over());
    let over = hosted(&over, 0);
    assert!(!is_running(&over, 0));
    assert_eq!(code(&over, 0), Code::Superseded);
}

/// etcd is restored with the ReplicationSource of an earlier claim.
#[test]
fn a_source_from_a_backup_of_etcd_is_deleted() {
    let save = Action::Mishap(0, Mishap::SaveEtcd);
    let world = after(&released(&World::with_backups(1), 0), &[save, Recreate(0), Collect(0)]);
    let world = hosted(&world, 0);
    let world = hosted(&after(&world, &[EndRestore(0, false), Populate(0), Bind(0)]), 0);
    let world = hosted(&after(&world, &[Tick, Backup(0)]), 0);
    let world = after(&world, &[Action::Mishap(0, Mishap::RestoreEtcd)]);
    assert!(is_running(&world, 0));
    let world = hosted(&world, 0);
    assert!(!is_running(&world, 0), "{}", code(&world, 0).as_str());
}

/// The storage is lost and created again, under the same claim.
#[test]
fn a_volume_that_was_replaced_is_held() {
    let world = released(&World::with_backups(1), 0);
    let world = hosted(&after(&world, &[Action::Mishap(0, Mishap::ReplaceVolume), Write(0)]), 0);
    assert_eq!(code(&world, 0), Code::VolumeReplaced);
    assert!(!is_running(&world, 0));
}

/// A bucket is copied, and the settings name the copy. A person accepts that, and from then on it is the repository of
/// this claim and of the next.
#[test]
fn a_migration_that_was_accepted_is_remembered_where_it_went() {
    let mut world = after(&released(&World::with_backups(1), 0), &[Action::Mishap(0, Mishap::RepointBase)]);
    world.repositories[1] = world.repositories[0].clone();
    world.ledgers[1] = world.ledgers[0].clone();
    let world = hosted(&world, 0);
    assert_eq!(code(&world, 0), Code::RepositoryMoved);
    let world = hosted(&after(&world, &[Action::Mishap(0, Mishap::Accept)]), 0);
    assert_eq!(code(&world, 0), Code::Released);
    let world = hosted(&after(&world, &[Tick, Backup(0)]), 0);
    let entry = world.ledgers[1].entry.as_ref().expect("it was copied");
    assert_eq!((entry.path, entry.memory.map(|(_, newest, _)| newest)), (Path::Wrong, Some(4)));
    let world = hosted(&after(&world, &[Recreate(0)]), 0);
    let world = hosted(&after(&world, &[EndRestore(0, false), Populate(0), Bind(0)]), 0);
    assert!(is_running(&world, 0));
    assert_eq!(content(&world, 0).map(|it| it >> 4 & 1), Some(1), "the newest backup is what comes back");
}

/// An outage stops no backup.
#[test]
fn an_outage_stops_no_backup() {
    let world = released(&World::with_backups(1), 0);
    let away = after(&world, &[Action::Mishap(0, Mishap::Outage)]);
    let away = hosted(&away, 0);
    assert!(is_running(&away, 0));
    let blind = world.after(Plan(0, NO_REPOSITORY | NO_LEDGER)).unwrap_or(world);
    assert!(is_running(&blind, 0));
}

/// Found by the model: the mark `elsewhere` is removed from the claim's record, and the host crashes before it removes
/// it from that of the ReplicationSource. The claim's copy is written first, so it is the one that counts.
#[test]
fn half_a_mark() {
    let world = released(&World::with_backups(1), 0);
    let repoint = Action::Mishap(0, Mishap::RepointSecret);
    // The Secret names another repository, which a backup created; both copies are marked; the host crashes.
    let world = after(&world, &[repoint, Backup(0), Plan(0, 0), CarryOut(0), CarryOut(0), Crash(0)]);
    // It names the first one again, a backup starts, one copy is corrected; the host crashes.
    let world = after(&world, &[repoint, StartBackup(0), Plan(0, 0), CarryOut(0), Crash(0)]);
    let world = hosted(&world, 0);
    assert!(is_running(&world, 0));
    let world = after(&world, &[Action::Mishap(0, Mishap::Outage)]);
    let world = hosted(&world, 0);
    assert!(is_running(&world, 0), "an outage deletes what is released");
}

/// Found by the model: until a released claim's first backup is seen, its record has no fingerprint. If the Secret is
/// then changed to a repository with someone else's backups, the release is not valid there.
#[test]
fn a_first_backup_does_not_go_to_a_stranger() {
    let world = bound(&World::new(1).with_stranger(), 0);
    let world = hosted(&after(&world, &[Write(0)]), 0);
    assert!(world.has_started_fresh());
    let world = hosted(&after(&world, &[Action::Mishap(0, Mishap::RepointSecret)]), 0);
    // Nothing was written there: the Secret is rendered again, and the backup continues in the released repository.
    assert_eq!(code(&world, 0), Code::Released);
    assert_eq!(world.clusters[0].objects.secret.as_ref().map(|it| it.path), Some(Path::Right));
}

/// The ledger is put back to what it was before another cluster took over, and the first never looked meanwhile.
#[test]
fn an_entry_that_was_put_back_does_not_hide_who_wrote_the_newest() {
    let accept = Action::Mishap(0, Mishap::Accept);
    let world = after(&released(&World::with_backups(2), 0), &[Action::Mishap(0, Mishap::SaveLedger)]);
    let over = hosted(&after(&bound(&world, 1), &[Tick, Tick]), 1);
    let over = hosted(&after(&over, &[Tick, Backup(1)]), 1);
    let world = after(&over, &[Action::Mishap(0, Mishap::RestoreLedger)]);
    assert!(is_running(&world, 0), "it never stopped");
    let blind = world.after(Plan(0, NO_SECOND_LOOK));
    assert_eq!(blind, None, "nothing follows: it may have written the newest between the two readings");
    let world = hosted(&world, 0);
    assert!(!is_running(&world, 0));
    assert_eq!(code(&world, 0), Code::Superseded);
    assert!(is_running(&hosted(&after(&world, &[accept]), 0), 0), "one acceptance leads out");
}

/// What a person has accepted changes back before the host acts on it, and comes again.
#[test]
fn an_acceptance_does_not_count_again_after_it_has_changed() {
    let [repoint, accept] = [Mishap::RepointSecret, Mishap::Accept].map(|mishap| Action::Mishap(0, mishap));
    let world = hosted(&after(&released(&World::with_backups(1), 0), &[repoint]), 0);
    assert_eq!(code(&world, 0), Code::RepositoryMoved);
    let world = hosted(&after(&world, &[accept, repoint]), 0);
    assert_eq!(code(&world, 0), Code::Released);
    let world = hosted(&after(&world, &[repoint]), 0);
    assert_eq!(code(&world, 0), Code::RepositoryMoved, "that was another time");
    let world = hosted(&after(&world, &[accept]), 0);
    assert_eq!(code(&world, 0), Code::Released);
    assert_eq!(world.clusters[0].objects.secret.as_ref().map(|it| it.path), Some(Path::Right));
}
