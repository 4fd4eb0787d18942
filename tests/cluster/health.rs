//! The health of claims in Argo CD and Flux, judged by their own code, for the claims of a cluster.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use volsync_policy_cluster::{says, text};
use volsync_policy_tests::root;

use crate::app::{App, CLAIM};
use crate::unattended::attention;
use crate::volsync::{bound, claim as unlabelled};
use crate::{World, tests};

tests![a_claim_that_needs_a_person_is_degraded_in_argo_cd_and_has_failed_in_flux];

/// What a program says of the health of objects, with the file of the examples that configures it.
fn judged(world: &World, program: &str, example: &str, objects: &[&Value]) -> anyhow::Result<Vec<Value>> {
    let mut program = world.cluster.command(program);
    program.arg(root().join("examples").join(example)).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut program = program.spawn()?;
    program.stdin.take().context("no input")?.write_all(json!(objects).to_string().as_bytes())?;
    let output = program.wait_with_output()?;
    ensure!(output.status.success(), "{}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn a_claim_that_needs_a_person_is_degraded_in_argo_cd_and_has_failed_in_flux(world: &World) -> anyhow::Result<()> {
    let app = App::new(world, "healthy")?;
    let namespace = &app.namespace;
    let waiting = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "waiting"},
        "provisioner": "folder.csi.test", "volumeBindingMode": "WaitForFirstConsumer"});
    namespace.apply(&waiting)?;
    let first_pod = App::new(world, "unused")?.of_class("waiting");
    first_pod.create()?;
    app.protect()?;
    let well = app.claim()?;
    // The image is there, and nobody uses the claim.
    first_pod.until("Binding")?;
    let unused = first_pod.claim()?;

    namespace.delete("PersistentVolumeClaim", CLAIM)?;
    namespace.wait("ReplicationSource", "data-backup", "its end", Value::is_null)?;
    let restoring = app.create()?;
    let needs_a_person = |claim: &Value| attention(claim).is_some();
    bound(namespace, CLAIM)?;
    app.until("Restored")?;
    app.is_remembered()?;
    namespace.delete("PersistentVolumeClaim", CLAIM)?;
    namespace.wait("ReplicationSource", "data-backup", "its end", Value::is_null)?;
    fs::remove_dir_all(world.store.bucket().join(app.repository()))?;
    app.create()?;
    let held = namespace.wait("PersistentVolumeClaim", CLAIM, "the annotation", needs_a_person)?;
    namespace.delete("PersistentVolumeClaim", CLAIM)?;
    namespace.wait("PersistentVolumeClaim", CLAIM, "its end", Value::is_null)?;
    namespace.create(&unlabelled(CLAIM, None))?;
    bound(namespace, CLAIM)?;
    namespace.patch("PersistentVolumeClaim", CLAIM, json!({"metadata": {"labels": {"backup": "minutely"}}}))?;
    let unrestored = namespace.wait("PersistentVolumeClaim", CLAIM, "the annotation", needs_a_person)?;
    let pending = [&unused, &restoring, &held];
    ensure!(pending.iter().all(|claim| says(claim, "/status/phase=Pending")), "{pending:#?}");
    ensure!([&well, &unrestored].iter().all(|claim| says(claim, "/status/phase=Bound")), "{well:#} {unrestored:#}");

    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other"}});
    let objects = [&well, &unused, &restoring, &held, &unrestored, &secret];
    let judged_by_argo_cd = judged(world, "argo-cd-health", "argo-cd.yaml", &objects)?;
    let status = |health: &Value| text(health, "/status").to_owned();
    let statuses: Vec<String> = judged_by_argo_cd.iter().map(status).collect();
    ensure!(
        statuses == ["Healthy", "Progressing", "Progressing", "Degraded", "Degraded", ""],
        "{judged_by_argo_cd:#?}"
    );
    let message = text(&judged_by_argo_cd[3], "/message");
    ensure!(message.contains(" DataExpected: ") && message.contains("hold"), "{message}");

    let judged_by_flux = judged(world, "flux-health", "flux.yaml", &objects)?;
    ensure!(judged_by_flux == ["Current", "InProgress", "InProgress", "Failed", "Failed", ""], "{judged_by_flux:?}");
    Ok(())
}
