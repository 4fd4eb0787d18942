//! A Secret of ours in the hands of a real restic, against a real S3 server on this machine.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use volsync_policy_tests::{engines, root};

const USER: &str = "made-up-user";
const KEY: &str = "made-up-key";

/// An S3 server on loopback, for as long as it is held.
struct Store {
    folder: TempDir,
    address: SocketAddr,
    _runtime: Runtime,
}

impl Store {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        // restic waits a minute for a bucket that is not there.
        fs::create_dir(folder.path().join("volsync-backup")).unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(USER, KEY));
        let service = service.build();
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    drop(server.serve_connection(TokioIo::new(socket), service).await);
                });
            }
        });
        Store { folder, address, _runtime: runtime }
    }

    fn credentials(&self, password: &str) -> Value {
        json!({"kind": "Secret", "stringData": {
            "RESTIC_REPOSITORY": format!("s3:http://{}/volsync-backup/", self.address),
            "RESTIC_PASSWORD": password, "AWS_ACCESS_KEY_ID": USER, "AWS_SECRET_ACCESS_KEY": KEY,
        }})
    }
}

/// The environment that VolSync makes from the Secret that the module renders.
fn environment(claim: &Value, credentials: &Value) -> BTreeMap<String, String> {
    let [_, wasm] = engines();
    let review = json!({"request": claim, "credentials": credentials});
    let plan = wasm.call("plan", &serde_json::to_vec(&review).unwrap()).unwrap();
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

/// Relative path and bytes of every file below `folder`.
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
    let store = Store::start();
    let work = TempDir::new().unwrap();
    let (data, restored, cache) = (work.path().join("data"), work.path().join("restored"), work.path().join("cache"));
    fs::create_dir_all(data.join("deep/er")).unwrap();
    let bytes: Vec<u8> = (0..300_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    fs::write(data.join("deep/er/large.bin"), &bytes).unwrap();
    fs::write(data.join("small.txt"), "what was written").unwrap();

    let environment = environment(&claim(), &store.credentials("made-up-password"));
    succeed(&restic(&environment, &cache, &["init"]));
    succeed(&restic(&environment, &cache, &["backup", "--host", "volsync", data.to_str().unwrap()]));
    succeed(&restic(&environment, &cache, &["restore", "latest", "--target", restored.to_str().unwrap()]));
    let inside = restored.join(data.strip_prefix("/").unwrap());
    assert_eq!(files(&inside), files(&data));

    // The repository stands where the design says, and nowhere else in the bucket.
    let bucket = store.folder.path().join("volsync-backup");
    let objects: Vec<String> = files(&bucket)
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
fn another_claims_secret_does_not_open_the_repository_and_neither_does_another_password() {
    let store = Store::start();
    let cache = TempDir::new().unwrap();
    let credentials = store.credentials("made-up-password");
    let ours = environment(&claim(), &credentials);
    succeed(&restic(&ours, cache.path(), &["init"]));
    succeed(&restic(&ours, cache.path(), &["snapshots"]));

    let mut other = claim();
    other["metadata"]["name"] = json!("another");
    let output = restic(&environment(&other, &credentials), cache.path(), &["snapshots"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("Is there a repository at the following location"), "{said}");

    let output = restic(&environment(&claim(), &store.credentials("guessed")), cache.path(), &["snapshots"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("wrong password"), "{said}");
}
