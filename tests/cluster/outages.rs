//! What the host does when the store is away, and when the base credentials lead to a wrong place.

use std::fs;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use volsync_policy::ledger::{MARKER, Marker, write_marker};
use volsync_policy_cluster::{BUCKET, says, text};

use crate::app::{App, CLAIM};
use crate::s3::Bucket;
use crate::volsync::{is_idle, secret};
use crate::{World, host, store, tests};

tests![
    while_the_store_is_away_nothing_is_paused_deleted_or_restored_and_new_claims_wait,
    credentials_that_lead_to_a_wrong_place_release_nothing_until_they_are_right_again,
];

/// The host's counter of requests to the store.
const REQUESTS: &str = "volsync_policy_requests_total{to=\"store\"";
/// The host's counter of rounds for claims.
const ROUNDS: &str = "volsync_policy_rounds_total";

fn while_the_store_is_away_nothing_is_paused_deleted_or_restored_and_new_claims_wait(_: &World) -> anyhow::Result<()> {
    let store = store()?;
    let world = &World::start(&store)?;
    let [backed_up, lost] = protect(world, ["outage", "outage-lost"])?;
    lose(&lost)?;
    let objects = || anyhow::Ok([backed_up.source()?, backed_up.destination()?]);
    let before = objects()?;

    store.stop();
    lost.create()?;
    let new = ["one", "two", "three", "four", "five"];
    let new = new.map(|name| App::new(world, &format!("outage-{name}")));
    let new: Vec<App<'_>> = new.into_iter().collect::<anyhow::Result<_>>()?;
    for app in &new {
        app.create()?;
    }
    for app in new.iter().chain([&lost]) {
        let codes = app.until("LedgerUnread")?;
        ensure!(codes.len() == 1, "{codes:?}");
    }
    backed_up.namespace.run(CLAIM, "echo good > meanwhile")?;
    backed_up
        .namespace
        .wait("ReplicationSource", "data-backup", "a backup without the store", |source| !is_idle(source))?;
    // However many claims wait, a few rounds ask, and the others know that there is no answer.
    let (asked, rounds) = (count(world, REQUESTS)?, count(world, ROUNDS)?);
    let enough = rounds + 2 * (new.len() as u64 + 1);
    world.cluster.until("two more rounds of each claim", || Ok((count(world, ROUNDS)? >= enough).then_some(())))?;
    let (asked, rounds) = (count(world, REQUESTS)? - asked, count(world, ROUNDS)? - rounds);
    ensure!(2 * asked <= rounds, "{asked} requests in {rounds} rounds");

    for (before, now) in before.iter().zip(&objects()?) {
        ensure!(now["metadata"]["uid"] == before["metadata"]["uid"], "{now:#} is not {before:#}");
        ensure!(now["spec"] == before["spec"], "{now:#} is not {before:#}");
    }
    for app in new.iter().chain([&lost]) {
        ensure!(says(&app.claim()?, "/status/phase=Pending"));
        ensure!(app.destination()?.is_null() && app.source()?.is_null(), "something was created for a claim");
    }

    store.resume()?;
    backed_up.is_backed_up("meanwhile")?;
    let [_, destination] = objects()?;
    ensure!(destination["status"] == before[1]["status"], "a restore was run: {destination:#}");
    let codes = lost.until("Restored")?;
    ensure!(!codes.contains(&"StartedFresh".to_owned()), "{codes:?}");
    ensure!(lost.namespace.run(CLAIM, "cat file")? == "good\n");
    for app in &new {
        app.until("StartedFresh")?;
    }
    Ok(())
}

fn credentials_that_lead_to_a_wrong_place_release_nothing_until_they_are_right_again(
    world: &World,
) -> anyhow::Result<()> {
    let world = &World::start(&world.store)?;
    let [backed_up, lost] = protect(world, ["moved", "moved-lost"])?;
    lose(&lost)?;
    let uid = text(&backed_up.source()?, "/metadata/uid").to_owned();

    let right = secret("volsync-policy-base", "");
    let mut other = right.clone();
    let repository = text(&right, "/stringData/RESTIC_REPOSITORY").replace(BUCKET, "other-bucket");
    other["stringData"]["RESTIC_REPOSITORY"] = json!(repository);
    fs::create_dir(world.store.bucket().with_file_name("other-bucket"))?;
    Bucket::of(&world.store, &other)?.put(MARKER, &write_marker(&Marker::new("another-store")))?;

    let settings = world.namespace(host::NAMESPACE)?;
    settings.apply(&secret("volsync-policy-base", "mistyped"))?;
    backed_up.until("RepositoryMoved")?;
    // The ledger is below the prefix, too.
    lost.create()?;
    lost.until("LedgerUninitialised")?;
    settings.apply(&other)?;
    let codes = lost.until("LedgerMismatch")?;
    ensure!(says(&lost.claim()?, "/status/phase=Pending"));
    ensure!(lost.destination()?.is_null() && lost.source()?.is_null(), "{codes:?}");
    // What was released goes on, in the place where its history is.
    backed_up.namespace.run(CLAIM, "echo good > meanwhile")?;
    backed_up.is_backed_up("meanwhile")?;
    let places = ["mistyped", "../other-bucket/moved", "../other-bucket/moved-lost"];
    let written = places.map(|it| world.store.bucket().join(it)).into_iter().find(|place| place.exists());
    ensure!(written.is_none(), "{written:?} was written");

    settings.apply(&right)?;
    lost.until("Restored")?;
    ensure!(lost.namespace.run(CLAIM, "cat file")? == "good\n");
    backed_up.namespace.run(CLAIM, "echo good > after")?;
    backed_up.is_backed_up("after")?;
    ensure!(says(&backed_up.source()?, &format!("/metadata/uid={uid}")), "the backup was deleted");
    Ok(())
}

/// Two applications whose backups the ledger remembers.
fn protect<'a>(world: &'a World, names: [&str; 2]) -> anyhow::Result<[App<'a>; 2]> {
    let [one, other] = names.map(|name| App::new(world, name));
    let apps = [one?, other?];
    let protect = |app: &App<'_>| app.protect().and_then(|()| app.is_remembered());
    std::thread::scope(|scope| {
        let [one, other] = apps.each_ref().map(|app| scope.spawn(move || protect(app)));
        one.join().ok().context("a panic")??;
        other.join().ok().context("a panic")?
    })?;
    Ok(apps)
}

/// Deletes the claim of an application, whose backups stay.
fn lose(app: &App<'_>) -> anyhow::Result<()> {
    app.namespace.delete("PersistentVolumeClaim", CLAIM)?;
    app.namespace.wait("ReplicationSource", "data-backup", "its end", Value::is_null).map(drop)
}

/// The sum of the host's counters whose names and labels begin like this.
fn count(world: &World, counter: &str) -> anyhow::Result<u64> {
    let metrics = host::metrics(world, 8099)?;
    let counts = metrics.lines().filter(|line| line.starts_with(counter));
    counts.map(|line| Ok(line.rsplit(' ').next().context("no count")?.parse::<u64>()?)).sum()
}
