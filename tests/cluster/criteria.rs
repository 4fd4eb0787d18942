//! The seven criteria of success in the notes that the project was started from, in their words; and the restore.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, ensure};
use serde_json::json;
use volsync_policy_cluster::{Cluster, says, text};
use volsync_policy_tests::root;

use crate::app::{App, CLAIM};
use crate::repositories::{Repository, restic, snapshots};
use crate::volsync::{bound, image, logs};
use crate::{World, admission, tests};

tests![
    a_labelled_claim_meets_the_seven_criteria_and_its_data_comes_back,
    a_new_cluster_restores_what_the_lost_one_backed_up,
    what_is_piped_into_apply_without_evidence_backs_nothing_up,
    the_seeds_own_manifests_are_applied_and_neither_restore_the_claim_nor_keep_its_backups,
];

/// What an application leaves: contents, owners and modes.
const WRITE: &str = "mkdir -p a/b; echo hello > a/b/hello; head -c 3M /dev/urandom > blob
    chown 1000:2000 a/b/hello; chmod 640 a/b/hello; chmod 750 a; sync";

/// What an application finds: for each file and folder its owner and mode, and the hash of what is in it.
const READ: &str = "find . | sort | while read -r it; do
    stat -c '%n %u:%g %a' \"$it\"; [ -d \"$it\" ] || sha256sum < \"$it\"; done";

fn a_labelled_claim_meets_the_seven_criteria_and_its_data_comes_back(world: &World) -> anyhow::Result<()> {
    let app = App::new(world, "criteria", json!({}))?;
    app.create()?;
    let codes = app.until("StartedFresh")?;
    ensure!(codes.first().is_some_and(|code| code == "FreshVolume"), "{codes:?}");

    // 1. PVC bound to storage
    bound(&app.namespace, CLAIM)?;
    // 2. Secret generated with S3 credentials
    let secret = app.namespace.get("Secret", "data-volsync-secret")?;
    let keys: Vec<&String> = secret["data"].as_object().context("no data")?.keys().collect();
    ensure!(keys == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "RESTIC_PASSWORD", "RESTIC_REPOSITORY"], "{keys:?}");
    // 3. ReplicationDestination created with secret reference
    let destination = app.destination()?;
    ensure!(says(&destination, "/spec/restic/repository=data-volsync-secret"), "{destination:#}");
    ensure!(text(&destination, "/spec/trigger/manual").starts_with("auto-restore-"), "{destination:#}");
    // 4. Restore attempted once
    let trigger = text(&destination, "/spec/trigger/manual");
    ensure!(says(&destination, &format!("/status/lastManualSync={trigger}")), "{destination:#}");
    ensure!(logs(&destination).contains("No data will be restored"), "{}", logs(&destination));
    // 5. ReplicationSource created with secret reference
    let source = app.source()?;
    ensure!(says(&source, "/spec/restic/repository=data-volsync-secret"), "{source:#}");
    ensure!(says(&source, "/spec/trigger/schedule=0 * * * *"), "{source:#}");
    // 6. Backup running on schedule: one within the last hour, and the next one due on the hour
    let source = app.namespace.wait("ReplicationSource", "data-backup", "a first backup", |source| {
        !text(source, "/status/lastSyncTime").is_empty()
    })?;
    ensure!(text(&source, "/status/nextSyncTime").ends_with(":00:00Z"), "{source:#}");
    // 7. Data in RustFS S3: config, data/, locks/, snapshots/
    let written = app.namespace.run(CLAIM, &format!("{WRITE}; {READ}"))?;
    app.back_up()?;
    let repository = world.store.bucket().join("criteria/data");
    let objects: BTreeSet<String> = fs::read_dir(&repository)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<anyhow::Result<_>>()?;
    for object in ["config", "data", "locks", "snapshots"] {
        ensure!(objects.contains(object), "{object} is not among {objects:?}");
    }

    // And back: the claim is deleted and created again.
    app.namespace.delete("PersistentVolumeClaim", CLAIM)?;
    let before = snapshots(&world.store, "criteria/data")?.pop().context("no snapshot")?;
    app.create()?;
    let codes = app.until("Restored")?;
    ensure!(!codes.contains(&"StartedFresh".to_owned()), "{codes:?}");
    ensure!(logs(&app.destination()?).contains(&format!("restoring snapshot {} ", &before.key[..8])));
    ensure!(app.namespace.run(CLAIM, READ)? == written);
    app.until("Released")?;
    Ok(())
}

fn a_new_cluster_restores_what_the_lost_one_backed_up(world: &World) -> anyhow::Result<()> {
    let (written, ledger) = {
        let lost = another(world)?;
        let app = App::new(&lost, "disaster", json!({}))?;
        app.create()?;
        app.until("StartedFresh")?;
        let written = app.namespace.run(CLAIM, &format!("{WRITE}; {READ}"))?;
        app.back_up()?;
        (written, app.ledger())
    };
    let found = another(world)?;
    let app = App::new(&found, "disaster", json!({}))?.remembering(ledger);
    app.create()?;
    // The lost cluster may still be there, and at work: its backups are restored, and not added to.
    let codes = app.until("OtherWriterActive")?;
    ensure!(codes.contains(&"RestoreFromBackup".to_owned()), "{codes:?}");
    ensure!(app.namespace.run(CLAIM, READ)? == written);
    ensure!(app.source()?.is_null());
    Ok(())
}

/// A cluster of its own, with the same store.
fn another(world: &World) -> anyhow::Result<World> {
    let cluster = Cluster::start(&root().join("target/cluster"), &world.store)?;
    let another = World { cluster, store: world.store.clone() };
    admission::install(&another)?;
    Ok(another)
}

fn what_is_piped_into_apply_without_evidence_backs_nothing_up(world: &World) -> anyhow::Result<()> {
    let app = App::new(world, "piped", json!({}))?;
    app.create()?;
    let plan = app.plan(None)?;
    app.apply(&plan)?;
    bound(&app.namespace, CLAIM)?;
    app.namespace.run(CLAIM, WRITE)?;
    app.namespace.wait("Job", "volsync-src-data-backup", "a paused job", |job| {
        job.pointer("/spec/parallelism") == Some(&json!(0))
    })?;
    ensure!(Repository::read(&world.store, "piped/data")? == Repository::Initialised);
    Ok(())
}

/// Their restore fills a volume beside the claim, and their backup follows whatever the claim holds.
fn the_seeds_own_manifests_are_applied_and_neither_restore_the_claim_nor_keep_its_backups(
    world: &World,
) -> anyhow::Result<()> {
    let app = App::new(world, admission::UNTOUCHED, json!({"profile": "seed"}))?.of_class("longhorn");
    for mut class in [
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "folder.csi.test"}),
        json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass", "driver": "folder.csi.test",
               "deletionPolicy": "Delete"}),
    ] {
        class["metadata"] = json!({"name": "longhorn"});
        app.namespace.apply(&class)?;
    }
    let backed_up = |count: usize| {
        app.namespace.wait("ReplicationSource", "data-backup", "a backup", |_| {
            snapshots(&world.store, "seed/data").is_ok_and(|snapshots| snapshots.len() == count)
        })
    };
    // At a first deployment both of its movers make the repository at the same time, and may ruin it for good.
    restic(world, "seed/data", &["init"])?;
    app.create()?;
    bound(&app.namespace, CLAIM)?;
    app.namespace.run(CLAIM, "echo good > file")?;
    app.apply(&app.plan(None)?)?;
    backed_up(1)?;
    let good = snapshots(&world.store, "seed/data")?.pop().context("no snapshot")?.key;

    for (kind, name) in [
        ("PersistentVolumeClaim", CLAIM),
        ("ReplicationSource", "data-backup"),
        ("ReplicationDestination", "data-restore"),
    ] {
        app.namespace.delete(kind, name)?;
    }
    app.create()?;
    bound(&app.namespace, CLAIM)?;
    ensure!(app.namespace.run(CLAIM, "ls; echo of a fresh database > file")?.is_empty(), "the claim was restored");
    app.apply(&app.plan(None)?)?;
    backed_up(2)?;
    let restored = app.namespace.wait("ReplicationDestination", "data-restore", "the end of its run", |it| {
        !text(it, "/status/lastManualSync").is_empty()
    })?;
    ensure!(image(&restored) == "volsync-data-restore-dest", "{restored:#}");
    ensure!(app.namespace.run(CLAIM, "cat file")? == "of a fresh database\n");
    let newest = snapshots(&world.store, "seed/data")?.pop().context("no snapshot")?.key;
    ensure!(newest != good, "what the next restore takes is the good backup");
    Ok(())
}
