//! A rendered Secret, used by a real restic with a real S3 server on this machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use volsync_policy_cluster::{ACCESS_KEY, BUCKET, SECRET_KEY, Store};
use volsync_policy_tests::{interpreter, root};

/// The base credentials of a store.
fn credentials(store: &Store, password: &str) -> Value {
    json!({"kind": "Secret", "stringData": {
        "RESTIC_REPOSITORY": format!("s3:http://{}/{BUCKET}/", store.address()),
        "RESTIC_PASSWORD": password, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    }})
}

/// The environment that VolSync derives from the Secret that the module renders.
fn environment(claim: &Value, credentials: &Value) -> BTreeMap<String, String> {
    let review = json!({"request": claim, "credentials": credentials});
    let plan = interpreter().call("plan", &serde_json::to_vec(&review).unwrap()).unwrap();
    let plan: Value = serde_json::from_slice(&plan).unwrap();
    let data = plan["manifests"]["secret"]["object"]["data"].as_object().unwrap();
    let text = |value: &Value| String::from_utf8(STANDARD.decode(value.as_str().unwrap()).unwrap()).unwrap();
    data.iter().map(|(key, value)| (key.clone(), text(value))).collect()
}

fn restic(environment: &BTreeMap<String, String>, cache: &Path, arguments: &[&str]) -> Output {
    Command::new("restic")
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("RESTIC_CACHE_DIR", cache)
        .envs(environment)
        .output()
        .unwrap()
}

fn succeed(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn claim() -> Value {
    serde_saphyr::from_str(&fs::read_to_string(root().join("examples/claim.yaml")).unwrap()).unwrap()
}

/// The relative path and the bytes of every file below `folder`.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(inner).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

#[test]
fn the_seeds_claim_is_backed_up_and_restored_with_the_secret_that_the_module_renders() {
    let store = Store::start(&root().join("target/cluster")).unwrap();
    let work = TempDir::new().unwrap();
    let (data, restored, cache) = (work.path().join("data"), work.path().join("restored"), work.path().join("cache"));
    fs::create_dir_all(data.join("deep/er")).unwrap();
    let bytes: Vec<u8> = (0..300_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    fs::write(data.join("deep/er/large.bin"), &bytes).unwrap();
    fs::write(data.join("small.txt"), "what was written").unwrap();

    let environment = environment(&claim(), &credentials(&store, "made-up-password"));
    succeed(&restic(&environment, &cache, &["init"]));
    succeed(&restic(&environment, &cache, &["backup", "--host", "volsync", data.to_str().unwrap()]));
    succeed(&restic(&environment, &cache, &["restore", "latest", "--target", restored.to_str().unwrap()]));
    let inside = restored.join(data.strip_prefix("/").unwrap());
    assert_eq!(files(&inside), files(&data));

    // Of two snapshots one is pruned, and the other stays whole.
    fs::write(data.join("deep/er/large.bin"), bytes.iter().map(|byte| !byte).collect::<Vec<u8>>()).unwrap();
    let packs = || files(&store.bucket().join("volsync-test/volsync-test-data/data"));
    let before = packs();
    succeed(&restic(&environment, &cache, &["backup", "--host", "volsync", data.to_str().unwrap()]));
    succeed(&restic(&environment, &cache, &["forget", "--prune", "--keep-last", "1"]));
    succeed(&restic(&environment, &cache, &["check", "--read-data"]));
    let after = packs();
    assert!(before.keys().any(|pack| !after.contains_key(pack)), "nothing was pruned: {:?}", after.keys());

    // The repository is at the documented path, and nowhere else in the bucket.
    let objects: Vec<String> = files(&store.bucket())
        .into_keys()
        .map(|path| path.to_str().unwrap().to_owned())
        .filter(|path| !path.starts_with('.'))
        .collect();
    assert!(objects.iter().all(|path| path.starts_with("volsync-test/volsync-test-data/")), "{objects:?}");
    for kind in ["config", "data/", "keys/", "snapshots/"] {
        assert!(objects.iter().any(|path| path.contains(&format!("volsync-test-data/{kind}"))), "{kind}: {objects:?}");
    }
}

#[test]
fn neither_the_secret_of_another_claim_nor_another_password_opens_the_repository() {
    let store = Store::start(&root().join("target/cluster")).unwrap();
    let cache = TempDir::new().unwrap();
    let base = credentials(&store, "made-up-password");
    let ours = environment(&claim(), &base);
    succeed(&restic(&ours, cache.path(), &["init"]));
    succeed(&restic(&ours, cache.path(), &["snapshots"]));

    let mut other = claim();
    other["metadata"]["name"] = json!("another");
    let output = restic(&environment(&other, &base), cache.path(), &["snapshots"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("Is there a repository at the following location"), "{said}");

    let output = restic(&environment(&claim(), &credentials(&store, "guessed")), cache.path(), &["snapshots"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("wrong password"), "{said}");
}
