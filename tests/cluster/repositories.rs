//! What a store tells of a repository without its password, and what can be done there.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use serde_json::{Value, json};
use volsync_policy_cluster::{ACCESS_KEY, BUCKET, SECRET_KEY, Store};

use crate::volsync::PASSWORD;
use crate::{World, tests};

tests![
    one_listing_tells_five_repositories_apart,
    a_missing_bucket_is_no_missing_repository,
    snapshots_that_aged_out_are_put_back
];

/// What a repository is, by the folders and objects right below its path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Repository {
    /// Nothing is there.
    Absent,
    /// It was made, and never held data.
    Initialised,
    /// It holds data, and no snapshot.
    Emptied,
    /// It holds so many snapshots.
    Holds(usize),
    /// It is none.
    Damaged,
}

/// An object.
#[derive(Debug)]
pub(crate) struct Object {
    /// Its key, below what was listed.
    pub(crate) key: String,
    /// When it was written, by the clock of the store.
    pub(crate) at: String,
}

/// What is right below a place of the bucket: objects, and folders.
struct Listing {
    objects: Vec<Object>,
    folders: Vec<String>,
    as_of: String,
}

fn list(store: &Store, path: &str) -> anyhow::Result<Listing> {
    let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY);
    let endpoint = format!("http://{}", store.address()).parse()?;
    let bucket = Bucket::new(endpoint, UrlStyle::Path, BUCKET, "us-east-1")?;
    let mut action = bucket.list_objects_v2(Some(&credentials));
    action.with_prefix(path);
    action.with_delimiter("/");
    let mut answer = ureq::get(action.sign(Duration::from_secs(60)).as_str()).call()?;
    let date = answer.headers().get("date").context("no date")?.to_str()?;
    let as_of = humantime::format_rfc3339_seconds(httpdate::parse_http_date(date)?).to_string();
    let found = ListObjectsV2::parse_response(&answer.body_mut().read_to_string()?)?;
    ensure!(found.next_continuation_token.is_none(), "more than a page");
    let below = |key: &str| key.strip_prefix(path).unwrap_or(key).trim_end_matches('/').to_owned();
    Ok(Listing {
        objects: (found.contents.iter())
            .map(|it| Object { key: below(&it.key), at: it.last_modified.clone().unwrap_or_default() })
            .collect(),
        folders: found.common_prefixes.iter().map(|it| below(&it.prefix)).collect(),
        as_of,
    })
}

/// The snapshots of a repository, the oldest first.
pub(crate) fn snapshots(store: &Store, path: &str) -> anyhow::Result<Vec<Object>> {
    let mut snapshots = list(store, &format!("{path}/snapshots/"))?.objects;
    snapshots.sort_by(|one, other| one.at.cmp(&other.at));
    Ok(snapshots)
}

impl Repository {
    /// Reads the one at `path`.
    pub(crate) fn read(store: &Store, path: &str) -> anyhow::Result<Self> {
        let Listing { objects, folders, .. } = list(store, &format!("{path}/"))?;
        let holds = |folder: &str| folders.iter().any(|it| it == folder);
        let is_made = objects.iter().any(|object| object.key == "config") && holds("keys");
        Ok(match is_made {
            _ if objects.is_empty() && folders.is_empty() => Repository::Absent,
            false => Repository::Damaged,
            true if holds("snapshots") => Repository::Holds(snapshots(store, path)?.len()),
            true if holds("data") || holds("index") => Repository::Emptied,
            true => Repository::Initialised,
        })
    }

    /// The same as evidence. `restored` and `saved` are ids that movers named.
    pub(crate) fn evidence(store: &Store, path: &str, restored: &str, saved: &str) -> anyhow::Result<Value> {
        let as_of = list(store, &format!("{path}/"))?.as_of;
        let fingerprint = || anyhow::Ok(sha256(&fs::read(store.bucket().join(path).join("config"))?));
        Ok(match Repository::read(store, path)? {
            Repository::Absent => json!({"absent": {"asOf": as_of}}),
            Repository::Damaged => json!({"damaged": {"asOf": as_of}}),
            Repository::Initialised => json!({"initialised": {"asOf": as_of, "fingerprint": fingerprint()?}}),
            Repository::Emptied => json!({"emptied": {"asOf": as_of, "fingerprint": fingerprint()?}}),
            Repository::Holds(count) => {
                let listed = snapshots(store, path)?;
                let newest = listed.last().context("a snapshot went away")?;
                let lists = |id: &str| !id.is_empty() && listed.iter().any(|it| it.key.starts_with(id));
                json!({"holds": {
                    "asOf": as_of, "fingerprint": fingerprint()?, "count": count, "newestKey": newest.key,
                    "newestAt": newest.at, "listsRestored": lists(restored), "listsSaved": lists(saved),
                }})
            }
        })
    }
}

fn sha256(bytes: &[u8]) -> String {
    volsync_policy::evidence::Digest::of(bytes).as_str().to_owned()
}

/// The restic that VolSync's movers run, on this machine and on the repository at `path`.
pub(crate) fn command(world: &World, path: &str, arguments: &[&str]) -> Command {
    let mut restic = Command::new(world.cluster.tools().program("restic"));
    restic
        .args(["--no-cache", "--quiet"])
        .args(arguments)
        .env("RESTIC_REPOSITORY", format!("s3:http://{}/{BUCKET}/{path}", world.store.address()))
        .env("RESTIC_PASSWORD", PASSWORD)
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    restic
}

/// Runs it, and gives what it printed.
pub(crate) fn restic(world: &World, path: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = command(world, path, arguments).output()?;
    ensure!(output.status.success(), "restic {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Leaves the exclusive lock of a check in a repository, as one does that is killed.
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
    fs::write(&file, contents)?;
    Ok(file)
}

fn one_listing_tells_five_repositories_apart(world: &World) -> anyhow::Result<()> {
    let path = "five/data";
    let read = || Repository::read(&world.store, path);
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

/// restic would make the bucket, and succeed.
fn a_missing_bucket_is_no_missing_repository(world: &World) -> anyhow::Result<()> {
    let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY);
    let endpoint = format!("http://{}", world.store.address()).parse()?;
    let bucket = Bucket::new(endpoint, UrlStyle::Path, "no-such-bucket", "us-east-1")?;
    let url = bucket.list_objects_v2(Some(&credentials)).sign(Duration::from_secs(60));
    let answer =
        ureq::get(url.as_str()).config().http_status_as_error(false).build().call()?.into_body().read_to_string()?;
    ensure!(answer.contains("NoSuchBucket"), "{answer}");
    Ok(())
}

/// What the host copies aside at a release is an undo: a snapshot that was forgotten is there again, and restores.
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
    ensure!(Repository::read(&world.store, path)? == Repository::Holds(2));
    restic(world, path, &["restore", &good, "--target", &target.path().to_string_lossy()])?;
    let restored = target.path().join(data.trim_start_matches('/')).join("file");
    ensure!(fs::read_to_string(restored)? == "good");
    Ok(())
}
