//! The commands `volsync-policy ledger` and `volsync-policy undo`, on a real S3 server, with a real restic.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::http::{Method, Request};
use volsync_policy::evidence::{Digest, Entry};
use volsync_policy::ledger::{ConditionalWrites, MARKER, Marker};
use volsync_policy::ledger::{entry_key, pin_key, read_entry, read_marker, write_entry, write_marker};
use volsync_policy::mover::restic::MoverKey;
use volsync_policy_cluster::{ACCESS_KEY, BUCKET, SECRET_KEY, Store};
use volsync_policy_tests::root;

/// The password of all repositories.
const PASSWORD: &str = "made-up-password";

/// A store, and the files that a person passes to the command.
struct World {
    store: Arc<Store>,
    files: TempDir,
    address: SocketAddr,
}

/// How the command ended, and what it printed.
#[derive(Debug)]
struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl World {
    fn new() -> Self {
        World::with(Store::start(&root().join("target/cluster")).unwrap())
    }

    fn with(store: Store) -> Self {
        let store = Arc::new(store);
        let world = World { address: store.address(), store, files: TempDir::new().unwrap() };
        world.settings(&json!({}));
        world.credentials(world.address);
        world
    }

    /// A world in which the command reaches the store through a gateway with a fault.
    fn behind(fault: Fault) -> Self {
        let mut world = World::new();
        world.address = gateway(world.store.clone(), fault);
        world.credentials(world.address);
        world
    }

    /// A world with a ledger, which settings name.
    fn with_ledger() -> Self {
        let world = World::new();
        world.put(MARKER, &write_marker(&Marker::new("store-1")));
        world.settings(&json!({"ledger": {"storeId": "store-1"}}));
        world
    }

    fn settings(&self, settings: &Value) {
        fs::write(self.files.path().join("settings.yaml"), settings.to_string()).unwrap();
    }

    fn credentials(&self, address: SocketAddr) {
        self.credentials_trusting(address, None);
    }

    /// Credentials that name the certificate authorities of the store, as PEM text.
    fn credentials_trusting(&self, address: SocketAddr, authorities: Option<&str>) {
        let scheme = self.store.scheme();
        let mut secret = json!({"kind": "Secret", "stringData": {
            "RESTIC_REPOSITORY": format!("s3:{scheme}://{address}/{BUCKET}\n"), "RESTIC_PASSWORD": PASSWORD,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }});
        if let Some(authorities) = authorities {
            secret["stringData"][MoverKey::AUTHORITIES.as_str()] = json!(authorities);
        }
        fs::write(self.files.path().join("base.yaml"), secret.to_string()).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let test = std::env::current_exe().unwrap();
        let program = test.ancestors().nth(2).unwrap().join("volsync-policy");
        let mut command = Command::new(program);
        command.args(arguments).args(["--settings", "settings.yaml", "--credentials", "base.yaml"]);
        let Output { status, stdout, stderr } = command.current_dir(self.files.path()).output().unwrap();
        let [out, err] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
        for printed in [&out, &err] {
            assert!(!printed.contains(SECRET_KEY) && !printed.contains(PASSWORD), "{printed}");
        }
        Ended { code: status.code().unwrap(), out, err }
    }

    fn put(&self, key: &str, text: &str) {
        let (status, ..) = ask(&self.store, &Method::PUT, key, None, text.as_bytes());
        assert_eq!(status, 200, "{key}");
    }

    fn get(&self, key: &str) -> String {
        let (status, _, body) = ask(&self.store, &Method::GET, key, None, &[]);
        assert_eq!(status, 200, "{key}");
        String::from_utf8(body).unwrap()
    }

    fn has(&self, key: &str) -> bool {
        ask(&self.store, &Method::GET, key, None, &[]).0 == 200
    }

    /// The objects below a prefix.
    fn objects(&self, prefix: &str) -> Vec<PathBuf> {
        let mut folders = vec![self.store.bucket().join(prefix)];
        let mut objects = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { objects.push(path) }
            }
        }
        objects
    }

    /// Writes the entry of a claim in the namespace `shop` whose writer is in that cluster.
    fn enter(&self, claim: &str, cluster: &str, memory: &Value) {
        let path = format!("shop/{claim}");
        let address = Digest::of(format!("s3:http://{}/{BUCKET}/{path}", self.address).as_bytes());
        let mut entry = json!({
            "repository": "same", "capacity": "1Gi",
            "writer": {"cluster": cluster, "uid": format!("uid-of-{claim}"), "interval": 3600, "term": 1,
                       "since": "2026-11-24T10:00:00Z", "volume": {"driver": "csi.example.com", "handle": "vol-1"}},
        });
        if !memory.is_null() {
            entry["memory"] = memory.clone();
        }
        let entry: Entry = serde_json::from_value(entry).unwrap();
        self.put(&entry_key(&path), &write_entry(&entry, &address));
    }
}

/// A memory of a repository whose config has this content.
fn memory(config: &[u8], newest: &str) -> Value {
    json!({"fingerprint": Digest::of(config).as_str(), "newestKey": newest, "newestAt": "2026-11-24T10:30:00Z"})
}

fn id(last: char) -> String {
    format!("{}{last}", "0".repeat(63))
}

/// Makes a request to the store, under a condition if there is one: the status, the ETag and the body of the answer. A
/// key that begins with `?` is the query of a listing.
fn ask(
    store: &Store,
    method: &Method,
    key: &str,
    condition: Option<(&str, &str)>,
    body: &[u8],
) -> (u16, Option<String>, Vec<u8>) {
    const PATIENCE: Duration = Duration::from_secs(60);
    let endpoint = format!("http://{}", store.address()).parse().unwrap();
    let bucket = Bucket::new(endpoint, UrlStyle::Path, BUCKET, "us-east-1").unwrap();
    let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY);
    let url = match *method {
        Method::PUT => bucket.put_object(Some(&credentials), key).sign(PATIENCE),
        Method::DELETE => bucket.delete_object(Some(&credentials), key).sign(PATIENCE),
        _ if key.starts_with('?') => {
            let mut list = bucket.list_objects_v2(Some(&credentials));
            for (name, value) in bucket.base_url().join(key).unwrap().query_pairs() {
                list.query_mut().insert(name.into_owned(), value.into_owned());
            }
            list.sign(PATIENCE)
        }
        _ => bucket.get_object(Some(&credentials), key).sign(PATIENCE),
    };
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut request = Request::builder().method(method).uri(url.as_str());
    if let Some((name, value)) = condition {
        request = request.header(name, value);
    }
    let answer = match *method {
        Method::PUT => agent.run(request.body(body).unwrap()),
        _ => agent.run(request.body(()).unwrap()),
    };
    let mut answer = answer.unwrap();
    let etag = answer.headers().get("etag").map(|etag| etag.to_str().unwrap().to_owned());
    (answer.status().as_u16(), etag, answer.body_mut().read_to_vec().unwrap())
}

/// What is wrong with a gateway between the command and the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It does not pass conditions on, so every write is carried out, as by Garage 1.2.
    IgnoresConditions,
    /// It does not implement conditional writes, as Backblaze B2.
    RefusesConditions,
    /// It does not pass conditions on, and its listings are late, as those of Amazon S3 were until 2020.
    ListsNothing,
    /// It passes the ledger marker on, and then no answer back.
    LosesTheAnswer,
}

/// Serves the store with a fault, until the process ends. It signs each request anew.
fn gateway(store: Arc<Store>, fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let store = store.clone();
            std::thread::spawn(move || pass_on(&client.unwrap(), &store, fault));
        }
    });
    address
}

/// Passes one request on.
fn pass_on(mut client: &TcpStream, store: &Store, fault: Fault) {
    let mut reader = BufReader::new(client);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let begin = line();
    let mut begin = begin.split(' ');
    let (Some(method), Some(target)) = (begin.next(), begin.next()) else { return };
    let headers: Vec<(String, String)> = std::iter::from_fn(|| {
        let line = line();
        line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
    })
    .collect();
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let mut body = vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();

    let key = target.strip_prefix(&format!("/{BUCKET}")).unwrap();
    let key = key.strip_prefix('/').map_or(key, |key| key.split('?').next().unwrap());
    let condition = ["if-match", "if-none-match"].into_iter().find_map(|name| Some((name, header(name)?)));
    let (status, etag, body) = match fault {
        Fault::RefusesConditions if condition.is_some() => {
            (501, None, b"<Error><Code>NotImplemented</Code></Error>".to_vec())
        }
        Fault::ListsNothing if key.starts_with('?') => {
            (200, None, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>".to_vec())
        }
        Fault::IgnoresConditions | Fault::RefusesConditions | Fault::ListsNothing => {
            ask(store, &method.parse().unwrap(), key, None, &body)
        }
        Fault::LosesTheAnswer => ask(store, &method.parse().unwrap(), key, condition, &body),
    };
    if fault == Fault::LosesTheAnswer && method == "PUT" && key == MARKER {
        return;
    }
    let etag = etag.map(|etag| format!("ETag: {etag}\r\n")).unwrap_or_default();
    let date = "Last-Modified: Tue, 24 Nov 2026 10:00:00 GMT\r\nDate: Tue, 24 Nov 2026 10:00:00 GMT";
    let length = body.len();
    let head = format!("HTTP/1.1 {status} -\r\n{etag}{date}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    // The command may have ended.
    drop(client.write_all(head.as_bytes()).and_then(|()| client.write_all(&body)));
}

/// The id that `ledger init` prints for settings.
fn printed_id(Ended { code, out, err }: &Ended) -> String {
    assert_eq!(*code, 0, "{out}{err}");
    let (_, id) = out.split_once("ledger:\n  storeId: \"").unwrap();
    id.split('"').next().unwrap().to_owned()
}

#[test]
fn a_ledger_is_begun_once_and_its_id_is_for_settings() {
    let world = World::new();
    let id = printed_id(&world.run(&["ledger", "init"]));
    let marker = Marker { store_id: id.clone(), conditional_writes: Some(ConditionalWrites::Proven) };
    assert_eq!(read_marker(world.get(MARKER).as_bytes()), Ok(marker));
    assert_eq!(world.objects(".volsync-policy/probe"), Vec::<PathBuf>::new());

    let again = world.run(&["ledger", "init"]);
    assert_eq!(again.code, 2);
    assert!(again.err.contains(&format!("has a ledger already, with the id `{id}`")), "{}", again.err);
    assert_eq!(world.run(&["ledger", "init", "--store-id", "another"]).code, 2);
    let same = world.run(&["ledger", "init", "--store-id", &id]);
    assert!(same.code == 0 && same.out.contains("has had this ledger before"), "{same:?}");

    // What it printed makes settings that name the store.
    world.settings(&json!({"ledger": {"storeId": id}}));
    let verified = world.run(&["ledger", "verify", "--probe"]);
    assert_eq!((verified.code, verified.out.as_str()), (0, "Everything agrees. Entries: 0.\n"), "{}", verified.err);
}

#[test]
fn a_store_is_trusted_by_the_certificate_authorities_in_the_credentials_and_by_no_other() {
    let start = || World::with(Store::start_with_own_authority(&root().join("target/cluster")).unwrap());
    let (world, other) = (start(), start());
    let [authority, of_other] = [&world, &other].map(|it| fs::read_to_string(it.store.authority().unwrap()).unwrap());
    for (authorities, said) in [
        (None, "unreachable"),
        (Some(of_other.as_str()), "unreachable"),
        (Some("made-up-authority"), "credentials.data[\"ca.crt\"]: not certificates in PEM"),
    ] {
        world.credentials_trusting(world.address, authorities);
        let refused = world.run(&["ledger", "init"]);
        assert!(refused.code == 2 && refused.err.contains(said), "{refused:?}");
        assert!(!refused.err.contains("made-up-authority"), "{refused:?}");
    }
    world.credentials_trusting(world.address, Some(&format!("{of_other}{authority}")));
    let id = printed_id(&world.run(&["ledger", "init"]));
    assert!(fs::read_to_string(world.store.bucket().join(MARKER)).unwrap().contains(&id));
}

#[test]
fn the_commands_of_the_documentation_work() {
    let text = fs::read_to_string(root().join("docs/running.md")).unwrap();
    let commands: Vec<Vec<&str>> = text
        .lines()
        .filter_map(|line| Some(line.strip_prefix("volsync-policy ")?.split(' ').collect()))
        .filter(|words: &Vec<&str>| ["ledger", "undo"].contains(&words[0]))
        .collect();
    let [begin, others @ ..] = commands.as_slice() else { panic!("{commands:?}") };
    let world = World::new();
    world.settings(&json!({"ledger": {"storeId": printed_id(&world.run(begin))}}));
    world.enter("data", "CLUSTER-UID", &memory(b"config", &id('1')));
    world.put("shop/data/config", "config");
    world.put(&format!("shop/data/snapshots/{}", id('1')), "snapshot");
    assert_eq!(others.len(), 4);
    for command in others {
        let ended = world.run(command);
        assert_eq!(ended.code, 0, "{command:?}: {ended:?}");
    }
    assert!(world.run(&["ledger", "show"]).out.ends_with(" yes\n"));
}

#[test]
fn a_store_without_the_ledger_that_settings_name_gets_none_unless_a_person_repeats_the_id() {
    let world = World::new();
    world.settings(&json!({"ledger": {"storeId": "store-1"}}));
    let refused = world.run(&["ledger", "init"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("another bucket, or another prefix"), "{}", refused.err);
    assert!(!world.has(MARKER));
    let begun = world.run(&["ledger", "init", "--store-id", "store-1"]);
    assert!(begun.code == 0 && begun.out.contains("Settings name it: store-1"), "{begun:?}");
    assert_eq!(read_marker(world.get(MARKER).as_bytes()).unwrap().store_id, "store-1");
}

#[test]
fn a_store_that_ignores_conditions_gets_a_ledger_with_numbered_entries() {
    let world = World::behind(Fault::IgnoresConditions);
    let begun = world.run(&["ledger", "init"]);
    let id = printed_id(&begun);
    assert!(begun.out.starts_with("The store has a ledger with numbered entries now."), "{}", begun.out);
    for warning in [
        "a write with `If-None-Match: *` where there is an object is carried out",
        "a write with `If-Match` where the object has another ETag by now is carried out",
        "a write with `If-Match` where there is no object is carried out",
        "an object has changed although the write was refused",
        "of 16 writes with `If-None-Match: *` at the same time, 16 are carried out",
        "of 16 writes with `If-Match` at the same time, 16 are carried out",
        "is not taken over until that entry is retired",
    ] {
        assert!(begun.err.contains(warning), "{warning}: {}", begun.err);
    }
    let marker = Marker { store_id: id.clone(), conditional_writes: Some(ConditionalWrites::None) };
    assert_eq!(read_marker(world.get(MARKER).as_bytes()), Ok(marker));
    assert_eq!(world.objects(".volsync-policy/probe"), Vec::<PathBuf>::new());
    world.settings(&json!({"ledger": {"storeId": id}}));
    let verified = world.run(&["ledger", "verify", "--probe"]);
    assert_eq!((verified.code, verified.out.as_str()), (0, "Everything agrees. Entries: 0.\n"), "{}", verified.err);
}

#[test]
fn a_store_that_does_not_implement_conditional_writes_gets_numbered_entries_too() {
    let world = World::behind(Fault::RefusesConditions);
    let begun = world.run(&["ledger", "init"]);
    printed_id(&begun);
    assert!(begun.err.contains("does not implement a write with"), "{begun:?}");
    assert!(read_marker(world.get(MARKER).as_bytes()).unwrap().is_numbered());
}

#[test]
fn a_store_that_does_not_list_what_was_written_either_gets_no_ledger() {
    let world = World::behind(Fault::ListsNothing);
    let refused = world.run(&["ledger", "init"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    for fault in [
        "a write with `If-None-Match: *` where there is an object is carried out",
        "of 16 writers that listed their objects after they had written them, 16 did not see their own",
        "could both believe that a repository is theirs",
    ] {
        assert!(refused.err.contains(fault), "{fault}: {}", refused.err);
    }
    assert!(!world.has(MARKER));
}

#[test]
fn of_numbered_entries_the_newest_are_shown_compared_and_retired() {
    let world = World::new();
    let marker = Marker { conditional_writes: Some(ConditionalWrites::None), ..Marker::new("store-1") };
    world.put(MARKER, &write_marker(&marker));
    world.settings(&json!({"ledger": {"storeId": "store-1"}}));
    // Two clusters have written the second entry of `data` at the same time.
    for (claim, number, cluster) in
        [("data", 1, "blue"), ("data", 2, "blue"), ("data", 2, "green"), ("cache", 10, "blue"), ("cache", 9, "green")]
    {
        world.enter(claim, cluster, &Value::Null);
        let text = world.get(&entry_key(&format!("shop/{claim}")));
        let digest = Digest::of(text.as_bytes());
        let name = format!("{number:020}.{cluster}.{}.json", digest.as_str());
        world.put(&format!(".volsync-policy/numbered/shop/{claim}/{name}"), &text);
    }
    let shown = world.run(&["ledger", "show"]);
    let rows: Vec<Vec<&str>> = shown.out.lines().skip(1).map(|row| row.split_whitespace().take(2).collect()).collect();
    assert_eq!(rows, [["shop/cache", "blue"], ["shop/data", "blue"], ["shop/data", "green"]], "{}", shown.out);
    let verified = world.run(&["ledger", "verify"]);
    let contested = "shop/data: several clusters have written the entry at the same time";
    assert!(verified.code == 1 && verified.out.starts_with(contested), "{verified:?}");
    assert_eq!(verified.out.lines().count(), 1, "{}", verified.out);

    let retired = world.run(&["ledger", "retire", "shop/data", "--yes"]);
    assert_eq!((retired.code, retired.out.lines().next()), (0, Some("shop/data: retired")), "{retired:?}");
    let entries = world.objects(".volsync-policy/numbered/shop/data");
    let names = entries.iter().map(|path| path.file_name().unwrap().to_str().unwrap());
    let newest = names.max().unwrap();
    assert!(newest.starts_with("00000000000000000003.retired."), "{newest}");
    let text = world.get(&format!(".volsync-policy/numbered/shop/data/{newest}"));
    assert!(
        read_entry(text.as_bytes(), None).unwrap().retired && newest.contains(Digest::of(text.as_bytes()).as_str())
    );
    let shown = world.run(&["ledger", "show", "shop/data"]);
    assert!(shown.out.lines().count() == 2 && shown.out.ends_with(" yes\n"), "{}", shown.out);
    assert_eq!(world.run(&["ledger", "verify"]).code, 0);
    let others = world.run(&["ledger", "retire", "--cluster", "green", "--yes"]);
    assert_eq!(others.code, 2, "the entries of green count no more: {others:?}");
    let again = world.run(&["ledger", "retire", "shop/data", "--yes"]);
    assert_eq!((again.code, again.out.as_str()), (0, "shop/data: has been retired before\n"));
}

#[test]
fn a_ledger_marker_whose_answer_was_lost_is_read_again() {
    let world = World::behind(Fault::LosesTheAnswer);
    let id = printed_id(&world.run(&["ledger", "init"]));
    assert_eq!(read_marker(world.get(MARKER).as_bytes()).unwrap().store_id, id);
}

#[test]
fn one_entry_that_cannot_be_read_does_not_hide_the_others() {
    let world = World::with_ledger();
    world.enter("data", "cluster-1", &memory(b"config", &id('1')));
    world.enter("fresh", "cluster-2", &Value::Null);
    world.put(&entry_key("shop/odd"), "{}");
    let shown = world.run(&["ledger", "show"]);
    assert_eq!(shown.code, 1, "{}", shown.err);
    let rows: Vec<Vec<&str>> = shown.out.lines().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows[1], ["shop/data", "cluster-1", "uid-of-data", "2026-11-24T10:30:00Z", "1Gi"], "{}", shown.out);
    assert_eq!(rows[2], ["shop/fresh", "cluster-2", "uid-of-fresh", "none", "yet", "1Gi"]);
    assert_eq!(rows[3][0], "shop/odd");
    assert!(shown.out.contains("cannot be parsed"), "{}", shown.out);

    let one = world.run(&["ledger", "show", "shop/data", "--output", "json"]);
    let entries: Value = serde_json::from_str(&one.out).unwrap();
    assert_eq!((one.code, entries.as_array().unwrap().len()), (0, 1));
    assert_eq!(entries.pointer("/0/path"), Some(&json!("shop/data")));
    assert_eq!(entries.pointer("/0/entry/repository"), Some(&json!("same")));
    let none = world.run(&["ledger", "show", "shop/none"]);
    assert!(none.code == 2 && none.err.contains("no entry for the claim"), "{none:?}");
}

#[test]
fn only_the_entries_that_are_meant_are_retired_and_only_with_yes() {
    let world = World::with_ledger();
    for (claim, cluster) in [("one", "gone"), ("two", "gone"), ("three", "here")] {
        world.enter(claim, cluster, &Value::Null);
    }
    let stored = |claim: &str| world.get(&entry_key(&format!("shop/{claim}")));
    let before = ["one", "two", "three"].map(stored);
    let asked = world.run(&["ledger", "retire", "--cluster", "gone"]);
    assert_eq!((asked.code, asked.out.as_str()), (0, "shop/one: would be retired\nshop/two: would be retired\n"));
    assert!(asked.err.contains("nothing was changed"), "{}", asked.err);
    assert_eq!(["one", "two", "three"].map(stored), before);

    let done = world.run(&["ledger", "retire", "--cluster", "gone", "--yes"]);
    assert_eq!((done.code, done.out.as_str()), (0, "shop/one: retired\nshop/two: retired\n"), "{}", done.err);
    for (claim, before) in ["one", "two"].into_iter().zip(&before) {
        let [before, after] = [before, &stored(claim)].map(|it| read_entry(it.as_bytes(), None).unwrap());
        assert_eq!(after, Entry { retired: true, ..before });
    }
    assert_eq!(stored("three"), before[2]);

    let again = world.run(&["ledger", "retire", "shop/one", "--yes"]);
    assert_eq!((again.code, again.out.as_str()), (0, "shop/one: has been retired before\n"));
    let one = world.run(&["ledger", "retire", "shop/three", "--yes"]);
    assert_eq!((one.code, one.out.as_str()), (0, "shop/three: retired\n"));
    assert!(read_entry(stored("three").as_bytes(), None).unwrap().retired);
    assert_eq!(world.run(&["ledger", "retire", "--cluster", "nobody", "--yes"]).code, 2);
    assert_eq!(world.run(&["ledger", "retire", "--yes"]).code, 2);
}

#[test]
fn verify_names_each_entry_that_its_repository_contradicts() {
    let world = World::with_ledger();
    let (good, gone, other) = (memory(b"config", &id('1')), memory(b"config", &id('2')), memory(b"other", &id('1')));
    for (claim, memory) in [("good", good), ("gone", gone), ("other", other)] {
        world.enter(claim, "cluster-1", &memory);
        world.put(&format!("shop/{claim}/config"), "config");
        world.put(&format!("shop/{claim}/snapshots/{}", id('1')), "snapshot");
    }
    world.enter("lost", "cluster-1", &memory(b"config", &id('1')));
    let verified = world.run(&["ledger", "verify"]);
    let lines: Vec<&str> = verified.out.lines().collect();
    let newest_gone = format!("shop/gone: the newest snapshot that the entry remembers is gone: {}", id('2'));
    assert_eq!(
        (verified.code, lines),
        (
            1,
            vec![
                newest_gone.as_str(),
                "shop/lost: the entry remembers backups, and there is no repository",
                "shop/other: the repository is not the one that the entry remembers",
            ]
        )
    );
    world.settings(&json!({"ledger": {"storeId": "store-2"}}));
    let other = world.run(&["ledger", "verify"]);
    assert!(other.code == 1 && other.out.contains("has the id `store-1`"), "{other:?}");
    // What changes a store is done to the right one only.
    for command in [["ledger", "retire", "shop/good", "--yes"].as_slice(), &["undo", "shop/good"]] {
        let refused = world.run(command);
        assert!(refused.code == 2 && refused.err.contains("has the id `store-1`"), "{refused:?}");
    }
}

/// Runs restic on the repository of `shop/data`.
fn restic(world: &World, arguments: &[&str]) -> String {
    let output = Command::new("restic")
        .args(["--repo", &format!("s3:http://{}/{BUCKET}/shop/data", world.address), "--no-cache"])
        .args(arguments)
        .envs(BTreeMap::from([
            ("RESTIC_PASSWORD", PASSWORD),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ]))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The ids of the snapshots that restic lists, oldest first.
fn snapshots(world: &World) -> Vec<String> {
    let listed: Vec<Value> = serde_json::from_str(&restic(world, &["snapshots", "--json"])).unwrap();
    listed.iter().map(|snapshot| snapshot["id"].as_str().unwrap().to_owned()).collect()
}

fn read(folder: &Path) -> String {
    fs::read_to_string(folder.join("note.txt")).unwrap()
}

#[test]
fn a_snapshot_that_was_aged_out_is_put_back_and_restored() {
    let world = World::with_ledger();
    let data = world.files.path().join("data");
    fs::create_dir(&data).unwrap();
    restic(&world, &["init"]);
    for content in ["first", "second"] {
        fs::write(data.join("note.txt"), content).unwrap();
        restic(&world, &["backup", data.to_str().unwrap()]);
    }
    let [first, second] = snapshots(&world).try_into().unwrap();
    // As the host does when it releases a backup.
    for snapshot in [&first, &second] {
        let content = fs::read(world.store.bucket().join(format!("shop/data/snapshots/{snapshot}"))).unwrap();
        assert_eq!(ask(&world.store, &Method::PUT, &pin_key("shop/data", snapshot), None, &content).0, 200);
    }
    let nothing = world.run(&["undo", "shop/data"]);
    assert_eq!((nothing.code, nothing.out.as_str()), (0, "shop/data: there is no snapshot to put back\n"));

    restic(&world, &["forget", &first]);
    assert_eq!(snapshots(&world), [second.as_str()]);
    let asked = world.run(&["undo", "shop/data", "--dry-run"]);
    assert!(asked.code == 0 && asked.out.contains(&format!("snapshot {first}, pinned 2")), "{asked:?}");
    assert_eq!(snapshots(&world), [second.as_str()]);

    let undone = world.run(&["undo", "shop/data"]);
    assert_eq!(undone.code, 0, "{}", undone.err);
    assert!(undone.out.contains(&first) && undone.out.ends_with(": put back\n"), "{}", undone.out);
    assert!(undone.err.contains("cannot come back") && undone.err.contains("restic check"), "{}", undone.err);
    assert_eq!(snapshots(&world), [first.as_str(), second.as_str()]);
    let restored = world.files.path().join("restored");
    restic(&world, &["restore", &first, "--target", restored.to_str().unwrap()]);
    assert_eq!(read(&restored.join(data.strip_prefix("/").unwrap())), "first");
}
