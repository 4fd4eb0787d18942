//! What a claim leaves in the cluster and in the store, as it is kept for later versions in `tests/stored`.

use std::fs;

use anyhow::ensure;
use serde_json::Value;
use volsync_policy_cluster::text;
use volsync_policy_tests::root;

use crate::app::{App, CLAIM};
use crate::commands::Person;
use crate::{World, tests};

tests![what_this_version_stores_gives_a_later_one_nothing_to_do];

/// The looks are left in `target/cluster/stored`, from where a release takes them.
fn what_this_version_stores_gives_a_later_one_nothing_to_do(world: &World) -> anyhow::Result<()> {
    let person = Person::new(world, "keeper", &["get", "list"])?;
    let app = App::new(world, "stored")?;
    app.protect()?;
    look(&person, &app, "released", "Released")?;

    app.namespace.delete("PersistentVolumeClaim", CLAIM)?;
    app.namespace.wait("ReplicationSource", "data-backup", "its end", Value::is_null)?;
    app.create()?;
    app.until("Restored")?;
    app.namespace.run(CLAIM, "echo more > after")?;
    app.is_backed_up("after")?;
    look(&person, &app, "restored", "Released")?;

    app.namespace.delete("PersistentVolumeClaim", CLAIM)?;
    app.namespace.wait("ReplicationSource", "data-backup", "its end", Value::is_null)?;
    fs::remove_dir_all(world.store.bucket().join(app.repository()))?;
    app.create()?;
    app.until("DataExpected")?;
    look(&person, &app, "held", "DataExpected")
}

/// Keeps everything that the host reads for the claim, once no backup runs and nothing is left to do.
fn look(person: &Person<'_>, app: &App<'_>, name: &str, code: &str) -> anyhow::Result<()> {
    if !app.source()?.is_null() {
        app.rest()?;
    }
    let folder = root().join("target/cluster/stored");
    fs::create_dir_all(&folder)?;
    let file = folder.join(name).with_extension("json");
    let claim = format!("{}/{CLAIM}", app.namespace.name());
    let plan = person.until_quiet(&claim, &file)?;
    ensure!(text(&plan, "/verdict/code") == code, "{name}: {plan:#}");
    Ok(())
}
