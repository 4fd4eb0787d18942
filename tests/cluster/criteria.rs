//! The seven criteria of success for the project, in their original words, and the restore.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::json;
use volsync_policy::ledger::pin_key;
use volsync_policy_cluster::{says, text};

use crate::app::{App, CLAIM};
use crate::repositories::{Object, Repository, restic, snapshots};
use crate::volsync::{bound, image, is_idle, logs};
use crate::{World, admission, tests};

tests![
    criterion_1_pvc_bound_to_storage,
    criterion_2_secret_generated_with_s3_credentials,
    criterion_3_replicationdestination_created_with_secret_reference,
    criterion_4_restore_attempted_once,
    criterion_5_replicationsource_created_with_secret_reference,
    criterion_6_backup_running_on_schedule,
    criterion_7_data_in_s3,
    a_claim_that_is_created_again_gets_its_data_back,
    a_new_cluster_restores_what_the_lost_one_backed_up,
    manifests_without_evidence_back_nothing_up_when_they_are_applied,
    the_seeds_own_manifests_are_applied_and_neither_restore_the_claim_nor_keep_its_backups,
];

/// Writes an application's data: contents, owners and modes.
const WRITE: &str = "mkdir -p a/b; echo hello > a/b/hello; head -c 3M /dev/urandom > blob
    chown 1000:2000 a/b/hello; chmod 640 a/b/hello; chmod 750 a; sync";

/// Reads it back: the owner, the mode and the hash of each file and directory.
const READ: &str = "find . | sort | while read -r it; do
    stat -c '%n %u:%g %a' \"$it\"; [ -d \"$it\" ] || sha256sum < \"$it\"; done";

/// Writes the data, waits until a backup has all of it, and reads it back. The first backup begins with the release, so
/// it may have a part of the data.
fn write(app: &App<'_>) -> anyhow::Result<String> {
    app.namespace.run(CLAIM, WRITE)?;
    let written = app.namespace.run(CLAIM, &format!("echo all > written; {READ}"))?;
    app.is_backed_up("written")?;
    Ok(written)
}

/// The application for the criteria. Its claim was created and backed up once for all of them.
fn application(world: &World) -> anyhow::Result<App<'_>> {
    static PREPARED: OnceLock<Result<(), String>> = OnceLock::new();
    let app = || Ok(App::new(world, "criteria")?.hourly());
    let prepare = || {
        let app = app()?;
        app.create()?;
        let codes = app.until("StartedFresh")?;
        ensure!(codes.first().is_some_and(|code| code == "FreshVolume"), "{codes:?}");
        // VolSync backs up at once whatever the schedule.
        app.namespace.wait("ReplicationSource", "data-backup", "a first backup", |source| {
            !text(source, "/status/lastSyncTime").is_empty() && is_idle(source)
        })?;
        anyhow::Ok(())
    };
    let prepared = PREPARED.get_or_init(|| prepare().map_err(|error| format!("{error:#}")));
    prepared.clone().map_err(anyhow::Error::msg)?;
    app()
}

fn criterion_1_pvc_bound_to_storage(world: &World) -> anyhow::Result<()> {
    let app = application(world)?;
    ensure!(says(&app.claim()?, "/status/phase=Bound"));
    let volume = bound(&app.namespace, CLAIM)?;
    ensure!(says(&volume, "/spec/csi/driver=folder.csi.test"), "{volume:#}");
    Ok(())
}

fn criterion_2_secret_generated_with_s3_credentials(world: &World) -> anyhow::Result<()> {
    let secret = application(world)?.namespace.get("Secret", "data-volsync-secret")?;
    let keys: Vec<&String> = secret["data"].as_object().context("no data")?.keys().collect();
    ensure!(keys == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "RESTIC_PASSWORD", "RESTIC_REPOSITORY"], "{keys:?}");
    Ok(())
}

fn criterion_3_replicationdestination_created_with_secret_reference(world: &World) -> anyhow::Result<()> {
    let destination = application(world)?.destination()?;
    ensure!(says(&destination, "/spec/restic/repository=data-volsync-secret"), "{destination:#}");
    ensure!(text(&destination, "/spec/trigger/manual").starts_with("auto-restore-"), "{destination:#}");
    Ok(())
}

fn criterion_4_restore_attempted_once(world: &World) -> anyhow::Result<()> {
    let destination = application(world)?.destination()?;
    let trigger = text(&destination, "/spec/trigger/manual");
    ensure!(says(&destination, &format!("/status/lastManualSync={trigger}")), "{destination:#}");
    ensure!(says(&destination, "/status/conditions/0/reason=WaitingForManual"), "{destination:#}");
    ensure!(logs(&destination).contains("No data will be restored"), "{}", logs(&destination));
    Ok(())
}

fn criterion_5_replicationsource_created_with_secret_reference(world: &World) -> anyhow::Result<()> {
    let source = application(world)?.source()?;
    ensure!(says(&source, "/spec/restic/repository=data-volsync-secret"), "{source:#}");
    ensure!(says(&source, "/spec/trigger/schedule=0 * * * *"), "{source:#}");
    Ok(())
}

fn criterion_6_backup_running_on_schedule(world: &World) -> anyhow::Result<()> {
    let app = application(world)?;
    let source = app.namespace.wait("ReplicationSource", "data-backup", "the next backup, on the hour", |source| {
        text(source, "/status/nextSyncTime").ends_with(":00:00Z")
    })?;
    let time = |at: &str| anyhow::Ok(humantime::parse_rfc3339(text(&source, at))?);
    let between = time("/status/nextSyncTime")?.duration_since(time("/status/lastSyncTime")?)?;
    ensure!(between <= Duration::from_secs(3600), "{source:#}");
    Ok(())
}

fn criterion_7_data_in_s3(world: &World) -> anyhow::Result<()> {
    let app = App::new(world, "written")?;
    app.create()?;
    app.namespace.run(CLAIM, WRITE)?;
    app.is_backed_up("blob")?;
    let repository = world.store.bucket().join(app.repository());
    // There are locks only while a mover runs.
    for object in ["config", "data", "index", "keys", "snapshots"] {
        ensure!(repository.join(object).exists(), "{object} is not in {repository:?}");
    }
    Ok(())
}

fn a_claim_that_is_created_again_gets_its_data_back(world: &World) -> anyhow::Result<()> {
    let app = App::new(world, "again")?;
    app.create()?;
    app.until("StartedFresh")?;
    let written = write(&app)?;
    let newest = snapshots(&world.store, &app.repository())?.pop().context("no snapshot")?;
    app.namespace.delete("PersistentVolumeClaim", CLAIM)?;
    app.create()?;
    let codes = app.until("Restored")?;
    ensure!(!codes.contains(&"StartedFresh".to_owned()), "{codes:?}");
    ensure!(logs(&app.destination()?).contains(&format!("restoring snapshot {} ", &newest.key[..8])));
    ensure!(app.namespace.run(CLAIM, READ)? == written);
    let pin = world.store.bucket().join(pin_key(&app.repository(), &newest.key));
    ensure!(pin.exists(), "{pin:?} is not there");
    // Its backups go on, from what was restored.
    app.namespace.run(CLAIM, "echo more > after")?;
    app.is_backed_up("after")?;
    app.is_backed_up("blob")
}

fn a_new_cluster_restores_what_the_lost_one_backed_up(world: &World) -> anyhow::Result<()> {
    let written = {
        let lost = World::start(&world.store)?;
        let app = App::new(&lost, "disaster")?;
        app.create()?;
        app.until("StartedFresh")?;
        write(&app)?
    };
    let found = World::start(&world.store)?;
    let app = App::new(&found, "disaster")?;
    app.create()?;
    // The lost cluster may still exist and run. Its backups are restored, and not added to.
    let codes = app.until("OtherWriterActive")?;
    ensure!(codes.contains(&"RestoreFromBackup".to_owned()), "{codes:?}");
    ensure!(app.namespace.run(CLAIM, READ)? == written);
    ensure!(app.source()?.is_null());
    Ok(())
}

fn manifests_without_evidence_back_nothing_up_when_they_are_applied(world: &World) -> anyhow::Result<()> {
    let world = &World::without_host(&world.store)?;
    let app = App::new(world, "piped")?.hourly();
    app.create()?;
    let plan = app.plan(&json!({}))?;
    app.apply(&plan)?;
    bound(&app.namespace, CLAIM)?;
    app.namespace.run(CLAIM, WRITE)?;
    app.namespace.wait("Job", "volsync-src-data-backup", "a paused job", |job| {
        job.pointer("/spec/parallelism") == Some(&json!(0))
    })?;
    ensure!(Repository::read(world, "piped/data")? == Repository::Initialised);
    Ok(())
}

/// The seed restores into a volume beside the claim, and its backup runs whatever the claim contains.
fn the_seeds_own_manifests_are_applied_and_neither_restore_the_claim_nor_keep_its_backups(
    world: &World,
) -> anyhow::Result<()> {
    let world = &World::without_host(&world.store)?;
    let seed = json!({"profile": "seed"});
    let app = App::new(world, admission::UNTOUCHED)?.hourly().of_class("longhorn");
    for mut class in [
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "folder.csi.test"}),
        json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass", "driver": "folder.csi.test",
               "deletionPolicy": "Delete"}),
    ] {
        class["metadata"] = json!({"name": "longhorn"});
        app.namespace.apply(&class)?;
    }
    let listed = || snapshots(&world.store, "seed/data");
    // Waits for the end, because the lock of a killed mover would block every restore. A mover that met the other's
    // lock may have saved twice, so this looks for any new snapshot.
    let backed_up = |before: &[Object]| {
        app.namespace.wait("ReplicationSource", "data-backup", "the end of a backup", |source| {
            let is_done = !text(source, "/status/lastSyncTime").is_empty() && is_idle(source);
            is_done && listed().is_ok_and(|listed| listed.iter().any(|it| before.iter().all(|old| old.key != it.key)))
        })
    };
    // In a first deployment, both of the seed's movers initialise the repository at the same time, and may damage it.
    restic(world, "seed/data", &["init"])?;
    app.create()?;
    bound(&app.namespace, CLAIM)?;
    app.namespace.run(CLAIM, "echo good > file")?;
    app.apply(&app.plan(&seed)?)?;
    backed_up(&[])?;
    let kept = listed()?;
    let good = &kept.last().context("no snapshot")?.key;

    // A mover that copies directly keeps its claim from being deleted. It is deleted with its ReplicationSource.
    for (kind, name) in [
        ("ReplicationSource", "data-backup"),
        ("ReplicationDestination", "data-restore"),
        ("PersistentVolumeClaim", CLAIM),
    ] {
        app.namespace.delete(kind, name)?;
    }
    app.create()?;
    bound(&app.namespace, CLAIM)?;
    ensure!(app.namespace.run(CLAIM, "ls; echo of a fresh database > file")?.is_empty(), "the claim was restored");
    app.apply(&app.plan(&seed)?)?;
    backed_up(&kept)?;
    let restored = app.namespace.wait("ReplicationDestination", "data-restore", "the end of its run", |it| {
        !text(it, "/status/lastManualSync").is_empty()
    })?;
    ensure!(image(&restored) == "volsync-data-restore-dest", "{restored:#}");
    ensure!(app.namespace.run(CLAIM, "cat file")? == "of a fresh database\n");
    let newest = listed()?.pop().context("no snapshot")?.key;
    ensure!(newest != *good, "what the next restore takes is the good backup");
    Ok(())
}
