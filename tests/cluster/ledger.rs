//! The commands `volsync-policy ledger` and `undo`, as an administrator of the cluster runs them: with the settings and
//! the credentials of the host. `tests/ledger.rs` tests what they find.

use std::fs;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use volsync_policy_cluster::text;

use crate::admission::kubectl_does;
use crate::app::{App, CLAIM};
use crate::repositories::snapshots;
use crate::{World, host, tests};

tests![a_snapshot_that_the_host_pinned_is_put_back_with_the_settings_of_the_cluster];

fn a_snapshot_that_the_host_pinned_is_put_back_with_the_settings_of_the_cluster(world: &World) -> anyhow::Result<()> {
    let app = App::new(world, "undone")?;
    app.protect()?;
    app.is_remembered()?;
    let pinned = snapshots(&world.store, &app.repository())?.pop().context("no snapshot")?.key;
    app.namespace.delete("PersistentVolumeClaim", CLAIM)?;
    app.create()?;
    app.until("Restored")?;

    let claim = format!("{}/{CLAIM}", app.namespace.name());
    let shown: Value = serde_json::from_str(&run(world, &["ledger", "show", &claim, "--output", "json"])?)?;
    ensure!(shown.pointer("/0/path") == Some(&json!(app.repository())), "{shown:#}");
    ensure!(shown.pointer("/0/entry/writer/uid") == app.claim()?.pointer("/metadata/uid"), "{shown:#}");
    let uid = ["get", "namespace", "kube-system", "--output", "jsonpath={.metadata.uid}"];
    let cluster = kubectl_does(world, &uid, &Value::Null)?;
    ensure!(text(&shown, "/0/entry/writer/cluster") == cluster, "{shown:#}");

    // As `restic forget` would.
    fs::remove_file(world.store.bucket().join(app.repository()).join("snapshots").join(&pinned))?;
    let undone = run(world, &["undo", &claim])?;
    ensure!(undone.contains(&pinned) && undone.contains("put back"), "{undone}");
    run(world, &["undo", &claim]).map(drop)
}

/// Runs the command as the administrator, who passes no files. It must succeed.
fn run(world: &World, arguments: &[&str]) -> anyhow::Result<String> {
    let program = host::program()?;
    let mut command = world.cluster.command(program.to_str().context("the path of the command")?);
    let output = command.args(arguments).output()?;
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    ensure!(output.status.success(), "volsync-policy {arguments:?}: {out}{err}");
    Ok(out)
}
