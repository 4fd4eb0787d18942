//! What VolSync's populator populates a claim from.

use anyhow::ensure;
use serde_json::{Value, json};
use volsync_policy::Outcome;
use volsync_policy_cluster::{Namespace, says, text};

use crate::volsync::{bound, claim, destination, image, is_populated_from, logs, run, secret, source};
use crate::{World, tests};

tests![
    the_populator_takes_any_image_of_the_destination_whatever_its_trigger,
    a_populator_with_a_wrong_image_starts_over_once_it_is_deleted_and_the_claim_touched,
    a_consumed_image_does_not_reach_the_next_claim_of_the_same_name,
];

/// Restores nothing into a first claim `data`, and backs up what its application then writes.
fn first_incarnation(namespace: &Namespace<'_>) -> anyhow::Result<Value> {
    namespace.apply(&claim("data", Some("data")))?;
    let first = run(namespace, &destination("data", "repository", "first"))?;
    bound(namespace, "data")?;
    namespace.run("data", "echo good > file")?;
    run(namespace, &source("data", "data", "repository", "once"))?;
    namespace.delete("ReplicationSource", "data")?;
    Ok(first)
}

fn the_populator_takes_any_image_of_the_destination_whatever_its_trigger(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace("stale")?;
    namespace.apply(&secret("repository", "stale/data"))?;
    let first = first_incarnation(&namespace)?;
    namespace.delete("PersistentVolumeClaim", "data")?;
    namespace.apply(&destination("data", "repository", "second"))?;
    namespace.apply(&claim("data", Some("data")))?;
    let volume = bound(&namespace, "data")?;
    ensure!(is_populated_from(&volume, &first), "{volume:#}");
    let second = run(&namespace, &destination("data", "repository", "second"))?;
    ensure!(matches!(Outcome::of_restore(logs(&second)), Outcome::Restored(_)), "{}", logs(&second));
    ensure!(namespace.run("data", "find . -type f")?.is_empty(), "what the second run restored reached the claim");
    Ok(())
}

/// `vs-prime-<uid>` is created once. The right image would come too late, and so would its own deletion.
fn a_populator_with_a_wrong_image_starts_over_once_it_is_deleted_and_the_claim_touched(
    world: &World,
) -> anyhow::Result<()> {
    let namespace = world.namespace("wedged")?;
    namespace.apply(&secret("repository", "wedged/data"))?;
    let done = run(&namespace, &destination("data", "repository", "once"))?;
    // A VolumeSnapshot of no volume is never ready, like one that was deleted.
    namespace.create(&json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", "metadata": {"name": "never"},
        "spec": {"volumeSnapshotClassName": "folder", "source": {"persistentVolumeClaimName": "no-such-claim"}},
    }))?;
    let of = |name: &str| {
        json!({"status": {"latestImage": {
            "apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": name,
        }}})
    };
    namespace.patch_status("ReplicationDestination", "data", of("never"))?;
    let pending = namespace.apply(&claim("data", Some("data")))?;
    let prime = format!("vs-prime-{}", text(&pending, "/metadata/uid"));
    namespace
        .wait("PersistentVolumeClaim", &prime, "being made", |prime| says(prime, "/spec/dataSourceRef/name=never"))?;
    namespace.patch_status("ReplicationDestination", "data", of(image(&done)))?;
    let is_pending = || {
        // A later claim is populated by now, so this one has been reconciled.
        run(&namespace, &destination("other", "repository", "once"))?;
        namespace.apply(&claim("other", Some("other")))?;
        bound(&namespace, "other")?;
        namespace.delete("PersistentVolumeClaim", "other")?;
        anyhow::Ok(says(&namespace.get("PersistentVolumeClaim", "data")?, "/status/phase=Pending"))
    };
    ensure!(is_pending()?, "the right image reached the claim by itself");
    namespace.delete("PersistentVolumeClaim", &prime)?;
    ensure!(is_pending()?, "the claim was looked at again by itself");
    namespace.patch("PersistentVolumeClaim", "data", json!({"metadata": {"annotations": {"touched": "once"}}}))?;
    let volume = bound(&namespace, "data")?;
    ensure!(is_populated_from(&volume, &done), "{volume:#}");
    Ok(())
}

fn a_consumed_image_does_not_reach_the_next_claim_of_the_same_name(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace("consumed")?;
    namespace.apply(&secret("repository", "consumed/data"))?;
    let first = first_incarnation(&namespace)?;
    namespace.patch_status("ReplicationDestination", "data", json!({"status": {"latestImage": null}}))?;
    namespace.delete("VolumeSnapshot", image(&first))?;

    // Deleted and created again at once, as by a StatefulSet or `kubectl replace --force`.
    namespace.begin_deleting("PersistentVolumeClaim", "data")?;
    world.cluster.until("room for the claim", || Ok(namespace.create(&claim("data", Some("data"))).ok()))?;
    // VolSync has reconciled the ReplicationDestination since, and its status is still without an image.
    namespace.patch("ReplicationDestination", "data", json!({"spec": {"restic": {"cacheCapacity": "60Mi"}}}))?;
    run(&namespace, &destination("other", "repository", "once"))?;
    let seen = namespace.get("ReplicationDestination", "data")?;
    ensure!(says(&seen, "/status/lastManualSync=first") && image(&seen).is_empty(), "{seen:#}");
    ensure!(says(&namespace.get("PersistentVolumeClaim", "data")?, "/status/phase=Pending"));

    namespace.delete("ReplicationDestination", "data")?;
    let second = run(&namespace, &destination("data", "repository", "second"))?;
    let volume = bound(&namespace, "data")?;
    ensure!(is_populated_from(&volume, &second), "{volume:#}");
    ensure!(namespace.run("data", "cat file")? == "good\n");
    Ok(())
}
