//! The commands `volsync-policy ledger` and `undo`, as an administrator of the cluster runs them: with the settings and
//! the credentials of the host. `tests/ledger.rs` tests what they find.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use volsync_policy::ledger::{ConditionalWrites, MARKER, Marker, write_marker};
use volsync_policy_cluster::text;

use crate::admission::kubectl_does;
use crate::app::{App, CLAIM};
use crate::repositories::snapshots;
use crate::s3::Bucket;
use crate::{STORE_ID, World, host, store, tests, volsync};

tests![
    a_snapshot_that_the_host_pinned_is_put_back_with_the_settings_of_the_cluster,
    in_a_store_without_conditional_writes_a_new_cluster_takes_over_once_the_entries_of_the_lost_one_are_retired,
];

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

fn in_a_store_without_conditional_writes_a_new_cluster_takes_over_once_the_entries_of_the_lost_one_are_retired(
    _: &World,
) -> anyhow::Result<()> {
    let store = store()?;
    let marker = Marker { conditional_writes: Some(ConditionalWrites::None), ..Marker::new(STORE_ID) };
    Bucket::of(&store, &volsync::secret("base", ""))?.put(MARKER, &write_marker(&marker))?;
    let cluster = {
        let lost = World::start(&store)?;
        let app = App::new(&lost, "numbered")?;
        app.create()?;
        // The entry is written before anything of the volume is.
        let codes = app.until("SameVolume")?;
        ensure!(codes.contains(&"EntryUnconfirmed".to_owned()), "{codes:?}");
        app.namespace.run(CLAIM, "echo good > file")?;
        app.is_backed_up("file")?;
        let folder = store.bucket().join(".volsync-policy/numbered").join(app.repository());
        lost.cluster.until("an entry that remembers the newest snapshot", || {
            let newest = snapshots(&store, &app.repository())?.pop().context("no snapshot")?.key;
            let mut entries: Vec<PathBuf> =
                fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
            entries.sort();
            let last = entries.last().context("no entry")?;
            Ok(fs::read_to_string(last)?.contains(&newest).then_some(()))
        })?;
        ensure!(fs::read_dir(&folder)?.count() <= 3, "old entries were not removed");
        let shown: Value = serde_json::from_str(&run(&lost, &["ledger", "show", "--output", "json"])?)?;
        text(&shown, "/0/entry/writer/cluster").to_owned()
    };
    let found = World::start(&store)?;
    let app = App::new(&found, "numbered")?;
    app.create()?;
    let codes = app.until("EntryNotRetired")?;
    ensure!(codes.contains(&"RestoreFromBackup".to_owned()), "{codes:?}");
    ensure!(app.namespace.run(CLAIM, "cat file")? == "good\n");
    ensure!(app.source()?.is_null());
    run(&found, &["ledger", "retire", "--cluster", &cluster, "--yes"])?;
    // A backup that is less than two intervals old may be of a writer that still works.
    app.until("SameVolume")?;
    app.namespace.run(CLAIM, "echo more > after")?;
    app.is_backed_up("after")
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
