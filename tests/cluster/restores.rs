//! What VolSync reports about a restore.

use anyhow::ensure;
use serde_json::{Value, json};
use volsync_policy::{Cause, Outcome};
use volsync_policy_cluster::{says, text};

use crate::repositories::{Repository, leave_lock, restic, snapshots};
use crate::volsync::{
    back_up, bound, claim, destination, failed_log, image, is_populated_from, logs, run, secret, source,
};
use crate::{World, tests};

tests![
    a_restore_names_the_snapshot_and_the_store_lists_it,
    a_restore_of_nothing_succeeds_with_an_image_and_initialises_the_repository,
    a_restore_without_a_suitable_snapshot_succeeds_too,
    a_restore_whose_pod_is_gone_succeeds_without_a_log,
    a_restore_whose_secret_is_changed_names_a_snapshot_that_is_not_listed,
    a_restore_with_another_password_fails_and_only_its_job_says_so,
    a_restore_behind_a_dead_lock_fails_until_the_lock_is_deleted,
];

/// The image is proven by the snapshot's id: the first eight digits of the name of an object below `snapshots/`.
fn a_restore_names_the_snapshot_and_the_store_lists_it(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace("restored")?;
    namespace.apply(&secret("repository", "restored/data"))?;
    back_up(&namespace, "written", "repository", "echo good > file")?;
    let restored = run(&namespace, &destination("data", "repository", "once"))?;
    let Outcome::Restored(id) = Outcome::of_restore(logs(&restored)) else { anyhow::bail!("{}", logs(&restored)) };
    let listed = snapshots(&world.store, "restored/data")?;
    ensure!(listed.len() == 1 && listed[0].key.starts_with(id.as_str()), "{id:?} of {listed:?}");
    ensure!(says(&restored, "/status/latestMoverStatus/result=Successful"));

    namespace.apply(&claim("data", Some("data")))?;
    let volume = bound(&namespace, "data")?;
    ensure!(is_populated_from(&volume, &restored), "{volume:#}");
    ensure!(namespace.run("data", "cat file")? == "good\n");
    Ok(())
}

fn a_restore_of_nothing_succeeds_with_an_image_and_initialises_the_repository(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace("nothing")?;
    namespace.apply(&secret("repository", "nothing/data"))?;
    ensure!(Repository::read(world, "nothing/data")? == Repository::Absent);
    let restored = run(&namespace, &destination("data", "repository", "once"))?;
    for line in ["=== Initialize Dir ===", "created restic repository", "No eligible snapshots found"] {
        ensure!(logs(&restored).contains(line), "{line:?} is not in {}", logs(&restored));
    }
    ensure!(Outcome::of_restore(logs(&restored)) == Outcome::Nothing, "{}", logs(&restored));
    ensure!(says(&restored, "/status/latestMoverStatus/result=Successful") && !image(&restored).is_empty());
    ensure!(Repository::read(world, "nothing/data")? == Repository::Initialised);

    namespace.apply(&claim("data", Some("data")))?;
    bound(&namespace, "data")?;
    ensure!(namespace.run("data", "find . -type f | wc -l")? == "0\n");
    Ok(())
}

/// VolSync restores only snapshots of `/data`, but the store lists others too.
fn a_restore_without_a_suitable_snapshot_succeeds_too(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace("ineligible")?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("file"), "of another path")?;
    restic(world, "ineligible/data", &["init"])?;
    restic(world, "ineligible/data", &["backup", "--host", "volsync", &folder.path().to_string_lossy()])?;
    ensure!(Repository::read(world, "ineligible/data")? == Repository::Holds(1));

    namespace.apply(&secret("repository", "ineligible/data"))?;
    let restored = run(&namespace, &destination("data", "repository", "once"))?;
    ensure!(Outcome::of_restore(logs(&restored)) == Outcome::Nothing, "{}", logs(&restored));
    ensure!(!logs(&restored).contains("=== Initialize Dir ==="), "{}", logs(&restored));
    ensure!(!image(&restored).is_empty());
    Ok(())
}

/// The mover's pod is deleted while VolSync waits for the VolumeSnapshot of the restored volume.
fn a_restore_whose_pod_is_gone_succeeds_without_a_log(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace("unread")?;
    namespace.apply(&secret("repository", "unread/data"))?;
    back_up(&namespace, "written", "repository", "echo good > file")?;
    let mut late = destination("data", "repository", "once");
    late["spec"]["restic"]["volumeSnapshotClassName"] = json!("late");
    namespace.apply(&late)?;
    namespace.wait("ReplicationDestination", "data", "a result", |it| {
        says(it, "/status/latestMoverStatus/result=Successful")
    })?;
    for pod in namespace.list("Pod")? {
        namespace.delete("Pod", text(&pod, "/metadata/name"))?;
    }
    namespace.apply(&json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass", "metadata": {"name": "late"},
        "driver": "folder.csi.test", "deletionPolicy": "Delete",
    }))?;
    let restored = run(&namespace, &late)?;
    ensure!(says(&restored, "/status/latestMoverStatus/result=Successful"));
    ensure!(Outcome::of_restore(logs(&restored)) == Outcome::Unread, "{}", logs(&restored));
    namespace.delete("VolumeSnapshotClass", "late")
}

/// Both the trigger and the Secret change while a mover runs. The status reports a run that never happened.
fn a_restore_whose_secret_is_changed_names_a_snapshot_that_is_not_listed(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace("re-pointed")?;
    namespace.apply(&secret("first", "re-pointed/first"))?;
    namespace.apply(&secret("repository", "re-pointed/first"))?;
    back_up(&namespace, "written", "first", "head -c 50M /dev/urandom > file")?;
    namespace.apply(&secret("second", "re-pointed/second"))?;
    run(&namespace, &source("written", "written", "second", "once"))?;

    namespace.apply(&destination("data", "repository", "one"))?;
    // A mover keeps its Secret from start to end.
    world.cluster.until("a mover", || {
        let is_running = |pod: &Value| says(pod, "/status/phase=Running");
        Ok(namespace.list("Pod")?.iter().any(is_running).then_some(()))
    })?;
    namespace.apply(&secret("repository", "re-pointed/second"))?;
    let restored = run(&namespace, &destination("data", "repository", "two"))?;
    let Outcome::Restored(id) = Outcome::of_restore(logs(&restored)) else { anyhow::bail!("{}", logs(&restored)) };
    let listed = |path| anyhow::Ok(snapshots(&world.store, path)?.iter().any(|it| it.key.starts_with(id.as_str())));
    ensure!(listed("re-pointed/first")? && !listed("re-pointed/second")?, "{id:?}");
    Ok(())
}

/// A restic password cannot be changed through a Secret, and for long the status of a failing restore does not say so.
fn a_restore_with_another_password_fails_and_only_its_job_says_so(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace("password")?;
    namespace.apply(&secret("repository", "password/data"))?;
    back_up(&namespace, "written", "repository", "echo good > file")?;
    let mut rotated = secret("repository", "password/data");
    rotated["stringData"]["RESTIC_PASSWORD"] = json!("rotated");
    namespace.apply(&rotated)?;
    namespace.apply(&destination("data", "repository", "once"))?;
    let log = failed_log(&namespace, "volsync-dst-data")?;
    ensure!(log.contains("incorrect password"), "{log}");
    ensure!(Cause::of(&log) == Cause::Password, "{log}");
    let failing = namespace.get("ReplicationDestination", "data")?;
    ensure!(failing.pointer("/status/latestMoverStatus/result").is_none(), "{failing:#}");
    ensure!(failing.pointer("/status/lastManualSync").is_none() && image(&failing).is_empty());
    Ok(())
}

/// A ReplicationDestination cannot unlock. But an object can be deleted without the password.
fn a_restore_behind_a_dead_lock_fails_until_the_lock_is_deleted(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace("locked")?;
    namespace.apply(&secret("repository", "locked/data"))?;
    back_up(&namespace, "written", "repository", "echo good > file")?;
    let lock = leave_lock(world, "locked/data")?;
    namespace.apply(&destination("data", "repository", "once"))?;
    let log = failed_log(&namespace, "volsync-dst-data")?;
    ensure!(Cause::of(&log) == Cause::Locked, "{log}");
    std::fs::remove_file(lock)?;
    let restored = run(&namespace, &destination("data", "repository", "once"))?;
    ensure!(matches!(Outcome::of_restore(logs(&restored)), Outcome::Restored(_)), "{}", logs(&restored));
    Ok(())
}
