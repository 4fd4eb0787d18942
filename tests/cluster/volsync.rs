//! Manifests written by hand for the tests of facts about VolSync, without the policy.

use anyhow::Context;
use serde_json::{Value, json};
use volsync_policy_cluster::{ACCESS_KEY, BUCKET, Namespace, SECRET_KEY, STORE, says, text};

/// The password of every repository.
pub(crate) const PASSWORD: &str = "made-up-password";

/// A Secret for the repository at `path` of the bucket.
pub(crate) fn secret(name: &str, path: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
        "stringData": {
            "RESTIC_REPOSITORY": format!("s3:http://{STORE}/{BUCKET}/{path}"), "RESTIC_PASSWORD": PASSWORD,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        },
    })
}

/// A claim without a label; with a data source, if a ReplicationDestination is named.
pub(crate) fn claim(name: &str, destination: Option<&str>) -> Value {
    let mut claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Mi"}}},
    });
    if let Some(destination) = destination {
        claim["spec"]["dataSourceRef"] =
            json!({"apiGroup": "volsync.backube", "kind": "ReplicationDestination", "name": destination});
    }
    claim
}

/// A ReplicationDestination with that name, which restores once per trigger.
pub(crate) fn destination(name: &str, secret: &str, trigger: &str) -> Value {
    json!({
        "apiVersion": "volsync.backube/v1alpha1", "kind": "ReplicationDestination", "metadata": {"name": name},
        "spec": {
            "trigger": {"manual": trigger},
            "restic": {"repository": secret, "copyMethod": "Snapshot", "capacity": "100Mi",
                       "accessModes": ["ReadWriteOnce"], "cacheCapacity": "50Mi"},
        },
    })
}

/// A ReplicationSource that backs up a claim once per trigger.
pub(crate) fn source(name: &str, claim: &str, secret: &str, trigger: &str) -> Value {
    json!({
        "apiVersion": "volsync.backube/v1alpha1", "kind": "ReplicationSource", "metadata": {"name": name},
        "spec": {
            "sourcePVC": claim,
            "trigger": {"manual": trigger},
            "restic": {"repository": secret, "copyMethod": "Snapshot", "pruneIntervalDays": 7,
                       "retain": {"hourly": 24, "daily": 7}, "cacheCapacity": "50Mi"},
        },
    })
}

/// Applies a ReplicationSource or ReplicationDestination, and waits until its trigger is done.
pub(crate) fn run(namespace: &Namespace<'_>, object: &Value) -> anyhow::Result<Value> {
    namespace.apply(object)?;
    let trigger = text(object, "/spec/trigger/manual");
    let is_done = |object: &Value| says(object, &format!("/status/lastManualSync={trigger}")) && is_idle(object);
    namespace.wait(text(object, "/kind"), text(object, "/metadata/name"), "the end of its run", is_done)
}

/// Whether it has no run in progress.
pub(crate) fn is_idle(object: &Value) -> bool {
    object.pointer("/status/lastSyncStartTime").is_none_or(Value::is_null)
}

/// The log of its last mover.
pub(crate) fn logs(object: &Value) -> &str {
    text(object, "/status/latestMoverStatus/logs")
}

/// The image of a ReplicationDestination.
pub(crate) fn image(destination: &Value) -> &str {
    text(destination, "/status/latestImage/name")
}

/// Backs up what a script writes to a new claim `claim`.
pub(crate) fn back_up(namespace: &Namespace<'_>, claim: &str, secret: &str, script: &str) -> anyhow::Result<()> {
    namespace.apply(&self::claim(claim, None))?;
    namespace.run(claim, script)?;
    run(namespace, &source(claim, claim, secret, "once"))?;
    namespace.delete("ReplicationSource", claim)
}

/// Waits until a claim is Bound, and returns its volume.
pub(crate) fn bound(namespace: &Namespace<'_>, claim: &str) -> anyhow::Result<Value> {
    let claim =
        namespace.wait("PersistentVolumeClaim", claim, "being bound", |claim| says(claim, "/status/phase=Bound"))?;
    namespace.get("PersistentVolume", text(&claim, "/spec/volumeName"))
}

/// Whether VolSync's annotation on a volume names the image of this ReplicationDestination.
pub(crate) fn is_populated_from(volume: &Value, destination: &Value) -> bool {
    let (namespace, image) = (text(destination, "/metadata/namespace"), image(destination));
    says(volume, &format!("/metadata/annotations/volsync.backube~1populated-from={namespace}/{image}"))
}

/// The log of a mover that failed.
pub(crate) fn failed_log(namespace: &Namespace<'_>, job: &str) -> anyhow::Result<String> {
    namespace.wait("Job", job, "a failed pod", |job| job.pointer("/status/failed").is_some())?;
    let pods = namespace.list("Pod")?;
    let failed =
        |pod: &&Value| says(pod, &format!("/metadata/labels/job-name={job}")) && says(pod, "/status/phase=Failed");
    namespace.log(text(pods.iter().find(failed).context("no failed pod")?, "/metadata/name"))
}
