//! What VolSync does with a ReplicationSource.

use std::fs;

use anyhow::ensure;
use serde_json::{Value, json};
use volsync_policy::saved;
use volsync_policy_cluster::{says, text};

use crate::repositories::{Repository, snapshots};
use crate::volsync::{bound, claim, destination, failed_log, logs, run, secret, source};
use crate::{World, tests};

tests![
    a_new_source_backs_up_at_once_whatever_its_schedule,
    a_backup_names_the_snapshot_that_the_store_lists,
    a_backup_of_an_empty_volume_succeeds_and_saves_nothing,
    a_paused_source_leaves_the_repository_alone_and_later_uploads_its_old_copy,
    a_backup_with_another_password_fails,
    a_source_is_deleted_with_its_claim_and_its_mover_leaves_no_lock,
];

fn a_new_source_backs_up_at_once_whatever_its_schedule(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace("at-once")?;
    namespace.apply(&secret("repository", "at-once/data"))?;
    namespace.apply(&claim("data", None))?;
    namespace.run("data", "echo of an application > file")?;
    let mut yearly = source("data", "data", "repository", "");
    yearly["spec"]["trigger"] = json!({"schedule": "0 0 1 1 *"});
    namespace.apply(&yearly)?;
    let done = namespace
        .wait("ReplicationSource", "data", "a first backup", |it| !text(it, "/status/lastSyncTime").is_empty())?;
    ensure!(snapshots(&world.store, "at-once/data")?.len() == 1);
    ensure!(text(&done, "/status/nextSyncTime").contains("-01-01T00:00:00Z"), "{done:#}");
    Ok(())
}

fn a_backup_names_the_snapshot_that_the_store_lists(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace("saved")?;
    namespace.apply(&secret("repository", "saved/data"))?;
    namespace.apply(&claim("data", None))?;
    namespace.run("data", "echo good > file")?;
    let done = run(&namespace, &source("data", "data", "repository", "once"))?;
    let listed = snapshots(&world.store, "saved/data")?;
    let id = saved(logs(&done)).map(|id| id.as_str().to_owned()).unwrap_or_default();
    ensure!(!id.is_empty() && listed.len() == 1 && listed[0].key.starts_with(&id), "{id:?} of {listed:?}");
    Ok(())
}

/// So `Successful` in a status does not prove a backup. A new object below `snapshots/` does.
fn a_backup_of_an_empty_volume_succeeds_and_saves_nothing(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace("empty")?;
    namespace.apply(&secret("repository", "empty/data"))?;
    namespace.apply(&claim("data", None))?;
    let done = run(&namespace, &source("data", "data", "repository", "once"))?;
    ensure!(says(&done, "/status/latestMoverStatus/result=Successful"), "{done:#}");
    ensure!(logs(&done).contains("== Directory is empty skipping backup ==="), "{}", logs(&done));
    ensure!(saved(logs(&done)).is_none());
    ensure!(Repository::read(world, "empty/data")? == Repository::Absent);
    Ok(())
}

/// It is paused during the restore and the application's first writes, as in a plan without evidence.
fn a_paused_source_leaves_the_repository_alone_and_later_uploads_its_old_copy(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace("paused")?;
    namespace.apply(&secret("repository", "paused/data"))?;
    namespace.apply(&secret("restored", "paused/restored"))?;
    namespace.apply(&claim("data", Some("data")))?;
    let mut paused = source("data", "data", "repository", "once");
    paused["spec"]["paused"] = json!(true);
    namespace.apply(&paused)?;
    run(&namespace, &destination("data", "restored", "once"))?;
    bound(&namespace, "data")?;
    // Its Job exists, and starts no pod: the copy of the volume has been taken.
    let job = namespace.wait("Job", "volsync-src-data", "a paused job", |job| !job.is_null())?;
    ensure!(job.pointer("/spec/parallelism") == Some(&json!(0)), "{job:#}");
    namespace.run("data", "echo of an application > file")?;
    // A backup that began later has ended, and this one has uploaded nothing.
    namespace.apply(&secret("other", "paused/other"))?;
    run(&namespace, &source("other", "data", "other", "once"))?;
    ensure!(Repository::read(world, "paused/data")? == Repository::Absent);

    let sent = run(&namespace, &source("data", "data", "repository", "once"))?;
    ensure!(saved(logs(&sent)).is_none(), "what was written after the cut was sent: {}", logs(&sent));
    let sent = run(&namespace, &source("data", "data", "repository", "again"))?;
    ensure!(saved(logs(&sent)).is_some(), "{}", logs(&sent));
    Ok(())
}

fn a_backup_with_another_password_fails(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace("rotated")?;
    namespace.apply(&secret("repository", "rotated/data"))?;
    namespace.apply(&claim("data", None))?;
    namespace.run("data", "echo good > file")?;
    run(&namespace, &source("data", "data", "repository", "once"))?;
    let mut rotated: Value = secret("repository", "rotated/data");
    rotated["stringData"]["RESTIC_PASSWORD"] = json!("rotated");
    namespace.apply(&rotated)?;
    namespace.apply(&source("data", "data", "repository", "again"))?;
    let log = failed_log(&namespace, "volsync-src-data")?;
    ensure!(log.contains("incorrect password"), "{log}");
    ensure!(Repository::read(world, "rotated/data")? == Repository::Holds(1));
    Ok(())
}

/// Every ReplicationSource is owned by its claim, because one that outlives it would be worse than an interrupted
/// backup. If it can, the mover finishes within the grace period of its pod.
fn a_source_is_deleted_with_its_claim_and_its_mover_leaves_no_lock(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace("owned")?;
    namespace.apply(&secret("repository", "owned/data"))?;
    let owner = namespace.apply(&claim("data", None))?;
    namespace.run("data", "head -c 50M /dev/urandom > file")?;
    let mut owned = source("data", "data", "repository", "once");
    owned["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": "data", "uid": owner["metadata"]["uid"]}]);
    namespace.apply(&owned)?;
    let locks = world.store.bucket().join("owned/data/locks");
    let locked = || fs::read_dir(&locks).is_ok_and(|mut locks| locks.next().is_some());
    world.cluster.until("a lock", || Ok(locked().then_some(())))?;

    namespace.delete("PersistentVolumeClaim", "data")?;
    namespace.wait("ReplicationSource", "data", "its end", Value::is_null)?;
    for kind in ["Job", "Pod", "VolumeSnapshot"] {
        world.cluster.until(kind, || Ok(namespace.list(kind)?.is_empty().then_some(())))?;
    }
    ensure!(!locked(), "{locks:?} is not empty");
    Ok(())
}
