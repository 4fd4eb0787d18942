//! What has lost data in the field, and what a review of the first design found, each by name and move by move: first
//! what VolSync does unasked, then what the policy makes of it.

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

/// The world after those moves, each of which can be made.
fn after(start: &World, moves: &[Action]) -> World {
    moves.iter().fold(start.clone(), |world, action| {
        let after = world.after(*action).unwrap_or_else(|| panic!("cannot be made: {action}"));
        assert_eq!(after.broken, None, "{action}");
        after
    })
}

/// After the host has read everything and carried out its plan, until that changes nothing more.
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

/// Why the core does what it does now.
fn code(world: &World, at: usize) -> Code {
    View::of(world, at, 0).expect("there is a claim").answer().code
}

fn is_running(world: &World, at: usize) -> bool {
    world.clusters[at].objects.source.is_some()
}

fn kept(world: &World) -> Vec<u8> {
    world.repositories[0].snapshots.iter().map(|snapshot| snapshot.id).collect()
}

/// What is on the claim's volume.
fn content(world: &World, at: usize) -> Option<u64> {
    let cluster = &world.clusters[at];
    let id = cluster.objects.claim.as_ref()?.volume?;
    cluster.volumes.iter().find(|volume| volume.id == id)?.content
}

/// A claim whose restore is done and whose volume is bound from it; the host has yet to look.
fn bound(start: &World, at: usize) -> World {
    let world = hosted(&after(start, &[Create(at)]), at);
    after(&world, &[EndRestore(at, false), Populate(at), Bind(at)])
}

/// A claim that is restored, released and backed up once more.
fn released(start: &World, at: usize) -> World {
    let world = hosted(&bound(start, at), at);
    assert!(world.has_restored());
    hosted(&after(&world, &[Tick, Backup(at)]), at)
}

/// field.md 1.3, 2026-04-29: a claim deleted alone keeps its old ReplicationDestination, and comes back 13 days stale.
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

/// Findings 1 and 2: the host was away between Bound and the next incarnation, and the old image won the race.
#[test]
fn an_old_image_that_won_the_race_is_held() {
    let world = bound(&World::with_backups(1), 0);
    // Another incarnation's backups were written since the image was made.
    let mut world = after(&world, &[Recreate(0), Populate(0), Bind(0)]);
    world.repositories[0].snapshots.push(Snapshot { id: 3, at: 4, ancestry: 0b1110, stray: false, by: None });
    world.made.snapshots = 3;
    let world = hosted(&after(&world, &[Tick, Tick]), 0);
    assert!(!is_running(&world, 0));
    assert_eq!(code(&world, 0), Code::UnrestoredVolume);
}

/// Finding 2: the populator has taken an image that is gone, and waits for ever.
#[test]
fn a_populator_that_waits_for_an_image_that_is_gone_is_freed() {
    let world = after(&bound(&World::with_backups(1), 0), &[Recreate(0), Populate(0), Collect(0)]);
    assert_eq!(world.after(Bind(0)), None, "the image is gone");
    assert_eq!(code(&world, 0), Code::PopulatorWedged);
    let world = hosted(&world, 0);
    let world = hosted(&after(&world, &[EndRestore(0, false), Populate(0), Bind(0)]), 0);
    assert!(is_running(&world, 0));
}

/// Found on a real cluster: the restore ended, and the populator took its image, while a host read one after the other.
/// In the wrong order that looks wedged: VolSync fills the claim anew, and nothing is lost but time.
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

/// Finding 3: the Secret is re-pointed while the mover runs, which ends well and has read another repository.
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

/// Finding 4: a restore beside a claim that is Bound already ends well, and the claim was never restored.
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

/// Finding 5: a wrong prefix takes the ledger away with the data, and everything looks new.
#[test]
fn a_wrong_prefix_is_not_a_fresh_start() {
    let world = after(&World::with_backups(1), &[Action::Mishap(0, Mishap::RepointBase), Create(0)]);
    let world = hosted(&world, 0);
    assert_eq!(code(&world, 0), Code::LedgerUninitialised);
    assert_eq!(world.clusters[0].objects.destination, None, "so that it cannot bind empty");
    let back = hosted(&after(&world, &[Action::Mishap(0, Mishap::RepointBase)]), 0);
    assert_eq!(code(&back, 0), Code::Restoring);
}

/// field.md 1.3, 2026-05-17: the credentials that reach the mover are not those that are looked at.
#[test]
fn a_secret_that_points_elsewhere_restores_nothing_and_is_held() {
    let repoint = Action::Mishap(0, Mishap::RepointSecret);
    let world = hosted(&after(&World::with_backups(1), &[Create(0)]), 0);
    let world = after(&world, &[repoint, StartRestore(0), repoint, EndRestore(0, false)]);
    assert_eq!(code(&world, 0), Code::RestoreCameBackEmpty);
    let held = hosted(&world, 0);
    assert_eq!(held.after(Populate(0)), None, "the empty image is taken away before it is bound");
    // And where the populator was faster:
    let held = hosted(&after(&world, &[Populate(0), Bind(0), Write(0)]), 0);
    assert_eq!(code(&held, 0), Code::RestoreCameBackEmpty);
    assert!(!is_running(&held, 0));
    assert_eq!(kept(&held), [1, 2]);
}

/// review.md A2-10: a cluster is rebuilt and admission is not there yet: every claim binds empty.
#[test]
fn a_claim_that_missed_admission_is_held() {
    let moves = [Action::Mishap(0, Mishap::Admission), Create(0), BindEmpty(0), Write(0)];
    let world = hosted(&after(&World::with_backups(1), &moves), 0);
    assert_eq!(code(&world, 0), Code::UnrestoredVolume);
    assert!(!is_running(&world, 0));
}

/// review.md A1-2: two clusters on one bucket. The second waits until the first is silent, and then the first stops.
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

/// review.md A1-3: etcd comes back with a ReplicationSource of an incarnation before.
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

/// review.md A1-4: the storage is lost and made anew, under the same claim.
#[test]
fn a_volume_that_was_replaced_is_held() {
    let world = released(&World::with_backups(1), 0);
    let world = hosted(&after(&world, &[Action::Mishap(0, Mishap::ReplaceVolume), Write(0)]), 0);
    assert_eq!(code(&world, 0), Code::VolumeReplaced);
    assert!(!is_running(&world, 0));
}

/// A bucket is copied, and the settings point at the copy: a person says so, and from then on that is the repository,
/// of this claim and of the next.
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

/// review.md A5-31: an outage stops no backup.
#[test]
fn an_outage_stops_no_backup() {
    let world = released(&World::with_backups(1), 0);
    let away = after(&world, &[Action::Mishap(0, Mishap::Outage)]);
    let away = hosted(&away, 0);
    assert!(is_running(&away, 0));
    let blind = world.after(Plan(0, NO_REPOSITORY | NO_LEDGER)).unwrap_or(world);
    assert!(is_running(&blind, 0));
}

/// Found by the model: the mark `elsewhere` is taken off the claim's record, and the host crashes before it takes it
/// off the ReplicationSource's. The claim's copy is written first, so it is the one that counts.
#[test]
fn half_a_mark() {
    let world = released(&World::with_backups(1), 0);
    let repoint = Action::Mishap(0, Mishap::RepointSecret);
    // The Secret points elsewhere, at a repository that a backup made; both copies are marked; the host crashes.
    let world = after(&world, &[repoint, Backup(0), Plan(0, 0), CarryOut(0), CarryOut(0), Crash(0)]);
    // It points back, a backup starts, one copy is corrected; the host crashes.
    let world = after(&world, &[repoint, StartBackup(0), Plan(0, 0), CarryOut(0), Crash(0)]);
    let world = hosted(&world, 0);
    assert!(is_running(&world, 0));
    let world = after(&world, &[Action::Mishap(0, Mishap::Outage)]);
    let world = hosted(&world, 0);
    assert!(is_running(&world, 0), "an outage deletes what is released");
}

/// Found by the model: before a released claim's first backup has been seen, its record has no fingerprint. If the
/// Secret is then pointed at a repository with someone's backups, the release does not stand there.
#[test]
fn a_first_backup_does_not_go_to_a_stranger() {
    let world = bound(&World::new(1).with_stranger(), 0);
    let world = hosted(&after(&world, &[Write(0)]), 0);
    assert!(world.has_started_fresh());
    let world = hosted(&after(&world, &[Action::Mishap(0, Mishap::RepointSecret)]), 0);
    // Nothing was sent there: the Secret is rendered anew, and the backup goes on where it was released to.
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
