//! What a store shows of a repository without its password, and what can be done with its objects.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Barrier;

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use volsync_policy::{Condition, evidence};
use volsync_policy_cluster::{ACCESS_KEY, BUCKET, SECRET_KEY, Store, text};

use crate::s3::{Bucket, seconds_between};
use crate::volsync::{PASSWORD, secret};
use crate::{STORE_ID, World, tests};

tests![
    one_listing_tells_five_repositories_apart,
    a_missing_bucket_differs_from_a_missing_repository,
    of_sixteen_writers_with_the_same_condition_one_wins,
    snapshots_that_aged_out_are_put_back
];

/// The state of a repository.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Repository {
    /// There are no objects.
    Absent,
    /// It was initialised, and never had data.
    Initialised,
    /// It has data, and no snapshot.
    Emptied,
    /// It has this many snapshots.
    Holds(u64),
    /// The objects are not a repository.
    Damaged,
}

/// An object of the store.
#[derive(Debug)]
pub(crate) struct Object {
    /// Its key, relative to the listed prefix.
    pub(crate) key: String,
    /// When it was written, by the store's clock.
    pub(crate) at: String,
}

/// The bucket with all repositories.
fn bucket(store: &Store) -> anyhow::Result<Bucket> {
    Bucket::of(store, &secret("base", ""))
}

/// The snapshots of a repository, the oldest first.
pub(crate) fn snapshots(store: &Store, path: &str) -> anyhow::Result<Vec<Object>> {
    let folder = format!("{path}/snapshots/");
    let listed = bucket(store)?.list(&folder);
    let objects = listed["listing"].as_array().with_context(|| listed.to_string())?.iter();
    let object = |it| Object { key: text(it, "/key").replace(&folder, ""), at: text(it, "/lastModified").to_owned() };
    let mut snapshots: Vec<Object> = objects.map(object).collect();
    snapshots.sort_by(|one, other| one.at.cmp(&other.at));
    Ok(snapshots)
}

impl Repository {
    /// The repository at `path`, as the policy observes it for the claim `<namespace>/<name>`. The host reads the real
    /// store; the claim is invented, is Bound, and has no objects of the policy.
    pub(crate) fn read(world: &World, path: &str) -> anyhow::Result<Self> {
        let (namespace, name) = path.split_once('/').context("no path of a claim")?;
        let claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": namespace, "uid": "made-up", "labels": {"backup": "hourly"},
                         "creationTimestamp": "2026-11-24T09:00:00Z"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Mi"}}},
            "status": {"phase": "Bound"},
        });
        let [cluster, namespace] = ["kube-system", namespace].map(|name| {
            json!({"object": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": "made-up"}}})
        });
        let absent = json!({"absent": true});
        let mut seen = json!({
            "cluster": cluster, "namespace": namespace, "claim": {"object": claim}, "populator": absent,
            "destination": absent, "source": absent, "secret": absent,
        });
        let ask = |operation: &str, seen: &Value| {
            let settings = json!({"ledger": {"storeId": STORE_ID}});
            world.ask(operation, &json!({"request": claim, "settings": settings, "seen": seen}))
        };
        // What is left to read is in the bucket.
        while let Some(read) = ask("reads", &seen)?.get(0).cloned() {
            let bucket = bucket(&world.store)?;
            let key = |form: &str| read[form]["key"].as_str();
            let look =
                || key("listing").map_or_else(|| bucket.get(key("bytes").unwrap_or_default()), |it| bucket.list(it));
            let after = read["afterSeconds"].as_u64().unwrap_or_default();
            let earlier = seen["repository"].clone();
            seen[text(&read, "/role")] = world.cluster.until("the next look", || {
                let answer = look();
                let since = seconds_between(&earlier, &answer).filter(|_| after > 0);
                Ok(since.is_none_or(|since| since >= after).then_some(answer))
            })?;
        }
        let plan = ask("plan", &seen)?;
        Ok(match serde_json::from_value(plan["evidence"]["repository"].clone())? {
            evidence::Repository::Absent(_) => Repository::Absent,
            evidence::Repository::Initialised(_) => Repository::Initialised,
            evidence::Repository::Emptied(_) => Repository::Emptied,
            evidence::Repository::Holds(listing) => Repository::Holds(listing.count),
            evidence::Repository::Damaged(_) => Repository::Damaged,
            evidence::Repository::Unread(failure) => bail!("{path} is unread: {failure:?}"),
        })
    }
}

/// The restic of VolSync's movers, on this machine, with the repository at `path`.
pub(crate) fn command(world: &World, path: &str, arguments: &[&str]) -> Command {
    let mut restic = Command::new(world.cluster.tools().program("restic"));
    restic
        .args(["--no-cache", "--quiet"])
        .args(arguments)
        .env("RESTIC_REPOSITORY", format!("s3:{}://{}/{BUCKET}/{path}", world.store.scheme(), world.store.address()))
        .env("RESTIC_PASSWORD", PASSWORD)
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .envs(world.store.authority().map(|authority| ("RESTIC_CACERT", authority)));
    restic
}

/// Runs it, and returns its output.
pub(crate) fn restic(world: &World, path: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = command(world, path, arguments).output()?;
    ensure!(output.status.success(), "restic {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Leaves an exclusive lock in a repository, like a `restic check` that is killed.
pub(crate) fn leave_lock(world: &World, path: &str) -> anyhow::Result<PathBuf> {
    let locks = world.store.bucket().join(path).join("locks");
    let mut check = command(world, path, &["check"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let found = world.cluster.until("a lock", || {
        let lock = fs::read_dir(&locks).into_iter().flatten().flatten().next();
        let read = |file: PathBuf| fs::read(&file).ok().filter(|it| !it.is_empty()).map(|contents| (file, contents));
        Ok(lock.and_then(|lock| read(lock.path())))
    });
    check.wait()?;
    let (file, contents) = found?;
    // The server removes a directory with its last object.
    fs::create_dir_all(locks)?;
    fs::write(&file, contents)?;
    Ok(file)
}

fn one_listing_tells_five_repositories_apart(world: &World) -> anyhow::Result<()> {
    let path = "five/data";
    let read = || Repository::read(world, path);
    let folder = tempfile::tempdir()?;
    let back_up = || restic(world, path, &["backup", "--host", "volsync", &folder.path().to_string_lossy()]);
    ensure!(read()? == Repository::Absent, "{:?}", read()?);
    restic(world, path, &["init"])?;
    ensure!(read()? == Repository::Initialised, "{:?}", read()?);
    for count in 1..=2 {
        fs::write(folder.path().join(count.to_string()), "data")?;
        back_up()?;
        ensure!(read()? == Repository::Holds(count), "{:?}", read()?);
    }
    restic(world, path, &["forget", "--host", "volsync", "--keep-last", "1"])?;
    ensure!(read()? == Repository::Holds(1), "{:?}", read()?);
    let last = snapshots(&world.store, path)?.pop().context("no snapshot")?.key;
    restic(world, path, &["forget", &last])?;
    ensure!(read()? == Repository::Emptied, "{:?}", read()?);
    fs::remove_file(world.store.bucket().join(path).join("config"))?;
    ensure!(read()? == Repository::Damaged, "{:?}", read()?);
    Ok(())
}

/// restic would create the bucket, and succeed.
fn a_missing_bucket_differs_from_a_missing_repository(world: &World) -> anyhow::Result<()> {
    let mut elsewhere = secret("base", "");
    let repository = text(&elsewhere, "/stringData/RESTIC_REPOSITORY").replace(BUCKET, "no-such-bucket");
    elsewhere["stringData"]["RESTIC_REPOSITORY"] = json!(repository);
    let answer = Bucket::of(&world.store, &elsewhere)?.list("data/");
    ensure!(answer == json!({"failed": "storeMissing"}), "{answer}");
    Ok(())
}

/// A host that takes a claim over relies on it.
fn of_sixteen_writers_with_the_same_condition_one_wins(world: &World) -> anyhow::Result<()> {
    let (bucket, key) = (bucket(&world.store)?, "conditions/object");
    let absent = Condition::IfNoneMatch("*".into());
    let write = |condition: &Condition, name: &str| bucket.put_if(condition, key, name);
    let missing = write(&Condition::IfMatch("\"made-up\"".to_owned()), "missing")?;
    ensure!([404, 412].contains(&missing), "{missing}");

    let mut condition = absent.clone();
    for round in 0..8 {
        let barrier = Barrier::new(16);
        let answers: Vec<u16> = std::thread::scope(|scope| {
            let write = |writer| {
                barrier.wait();
                write(&condition, &format!("{round} {writer}"))
            };
            let writers: Vec<_> = (0..16).map(|writer| scope.spawn(move || write(writer))).collect();
            writers.into_iter().map(|writer| writer.join().ok().context("a panic")?).collect::<anyhow::Result<_>>()
        })?;
        let winner = answers.iter().position(|status| *status == 200).context("nobody won")?;
        ensure!(answers.iter().filter(|status| [409, 412].contains(status)).count() == 15, "{answers:?}");
        let found = bucket.get(key);
        let bytes = STANDARD.decode(text(&found, "/bytes"))?;
        ensure!(bytes == format!("{round} {winner}").as_bytes(), "{winner} won, and wrote {found}");
        ensure!(httpdate::parse_http_date(text(&found, "/date")).is_ok(), "{found}");

        // What was true before is true no more.
        let status = write(&condition, "late")?;
        ensure!(status == 412, "{status}");
        condition = Condition::IfMatch(text(&found, "/etag").to_owned());
    }
    let status = write(&absent, "late")?;
    ensure!(status == 412, "{status}");
    Ok(())
}

/// The copies that a host makes at a release allow an undo: a snapshot that was forgotten is back, and can be restored.
fn snapshots_that_aged_out_are_put_back(world: &World) -> anyhow::Result<()> {
    let path = "pins/data";
    let (folder, target) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let data = folder.path().to_string_lossy().into_owned();
    restic(world, path, &["init"])?;
    fs::write(folder.path().join("file"), "good")?;
    restic(world, path, &["backup", "--host", "volsync", &data])?;
    let objects = world.store.bucket().join(path).join("snapshots");
    let good = snapshots(&world.store, path)?.pop().context("no snapshot")?.key;
    let pin = fs::read(objects.join(&good))?;

    fs::write(folder.path().join("file"), "bad")?;
    restic(world, path, &["backup", "--host", "volsync", &data])?;
    restic(world, path, &["forget", "--host", "volsync", "--keep-last", "1"])?;
    let left = snapshots(&world.store, path)?;
    ensure!(left.len() == 1 && left[0].key != good, "{left:?}");

    fs::write(objects.join(&good), pin)?;
    ensure!(Repository::read(world, path)? == Repository::Holds(2));
    restic(world, path, &["restore", &good, "--target", &target.path().to_string_lossy()])?;
    let restored = target.path().join(data.trim_start_matches('/')).join("file");
    ensure!(fs::read_to_string(restored)? == "good");
    Ok(())
}
