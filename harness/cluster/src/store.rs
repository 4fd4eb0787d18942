//! A real S3 server that keeps objects in a directory. It outlives clusters.
//!
//! The server is versitygw, which decides conditional writes to a key one at a time: of all writers that create an
//! object, or replace the same version of it, one wins. It listens on a socket in the file system, which every network
//! of this machine reaches, and which needs no free port. Connections to a port are passed on to it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};
use tokio::runtime::Runtime;

use crate::held::Held;
use crate::node::ADDRESS;
use crate::tools::{Succeed, Tools};
use crate::{INTERVAL, PATIENCE};

/// The access key of every store.
pub const ACCESS_KEY: &str = "made-up-user";
/// The secret key of every store.
pub const SECRET_KEY: &str = "made-up-key";
/// The access key and the secret key of another account of every store, which has no rights unless a bucket's policy
/// gives it some.
pub const GUEST: [&str; 2] = ["made-up-guest", "made-up-key-of-a-guest"];
/// The bucket that exists from the start, because restic waits a minute for a missing one.
pub const BUCKET: &str = "volsync-backup";

/// Runs the server until standard input is closed, or until it ends by itself.
const SERVE: &str = r#"exec 3<&0; "$@" & cat <&3 & wait -n; kill -KILL $(jobs -p); wait"#;

/// An S3 server on loopback, and in the networks of clusters, until it is dropped.
pub struct Store {
    // The order in which they must be dropped.
    address: SocketAddr,
    _runtime: Runtime,
    server: Mutex<Option<Held>>,
    program: PathBuf,
    folder: Folder,
    tls: Option<Tls>,
}

/// What a store with TLS has.
struct Tls {
    key: PathBuf,
    certificate: PathBuf,
    /// The certificate of the authority that has issued `certificate`.
    authority: PathBuf,
}

impl Store {
    /// Starts a server with one empty bucket. Its program is built below the directory `target` if it does not exist.
    ///
    /// # Errors
    ///
    /// The program cannot be built, the directory cannot be created, or the server does not start; then the error
    /// contains its output.
    pub fn start(target: &Path) -> anyhow::Result<Self> {
        Store::start_in(Folder::new()?, None, target)
    }

    /// Starts a server that speaks TLS alone, with a certificate of an authority that nobody trusts.
    ///
    /// # Errors
    ///
    /// Those of [`Store::start`], and that the certificate cannot be created.
    pub fn start_with_own_authority(target: &Path) -> anyhow::Result<Self> {
        let folder = Folder::new()?;
        let tls = Tls::create(&folder.path)?;
        Store::start_in(folder, Some(tls), target)
    }

    fn start_in(folder: Folder, tls: Option<Tls>, target: &Path) -> anyhow::Result<Self> {
        let program = Tools::build_one(target, "versitygw")?.program("versitygw");
        fs::create_dir_all(folder.objects().join(BUCKET))?;
        let runtime = Runtime::new()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        runtime.spawn(pass_on(listener, folder.socket()));
        let store = Store { address, _runtime: runtime, server: Mutex::default(), program, folder, tls };
        store.resume()?;
        Ok(store)
    }

    /// The address on this machine's loopback.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The scheme of its URLs: `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// The file with the certificate of the authority that its certificate is from; `None` without TLS.
    pub fn authority(&self) -> Option<&Path> {
        self.tls.as_ref().map(|tls| tls.authority.as_path())
    }

    /// The directory of the bucket. Each object is a file.
    pub fn bucket(&self) -> PathBuf {
        self.folder.objects().join(BUCKET)
    }

    /// Ends the server, in the middle of what it does. Until [`Store::resume`], every connection is closed at once.
    pub fn stop(&self) {
        drop(self.server.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Starts the server again, with the same objects at the same addresses.
    ///
    /// # Errors
    ///
    /// It does not start; then the error contains its output.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.stop();
        // A server that was killed has left it.
        drop(fs::remove_file(self.folder.socket()));
        let log = File::create(self.folder.log())?;
        let mut command = Command::new("bash");
        command.args(["-c", SERVE, "bash"]).arg(&self.program).arg("--port").arg(self.folder.socket());
        if let Some(Tls { key, certificate, .. }) = &self.tls {
            command.arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        let [access, secret] = GUEST;
        let accounts = json!({"accessAccounts": {access: {"access": access, "secret": secret, "role": "user"}}});
        fs::create_dir_all(self.folder.accounts())?;
        fs::write(self.folder.accounts().join("users.json"), accounts.to_string())?;
        command
            .arg("--iam-dir")
            .arg(self.folder.accounts())
            .arg("posix")
            .arg(self.folder.objects())
            .env("ROOT_ACCESS_KEY", ACCESS_KEY)
            .env("ROOT_SECRET_KEY", SECRET_KEY);
        let mut server = Held::start(command.stdout(log.try_clone()?).stderr(log)).context("bash")?;
        let limit = Instant::now() + PATIENCE;
        while net::UnixStream::connect(self.folder.socket()).is_err() {
            let has_ended = server.process.try_wait()?.is_some();
            let said = || fs::read_to_string(self.folder.log()).unwrap_or_default();
            ensure!(!has_ended && Instant::now() < limit, "the S3 server does not start: {}", said());
            thread::sleep(INTERVAL);
        }
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
        Ok(())
    }

    /// Serves the same objects in another network too, until the runtime that this is spawned on ends.
    pub(crate) fn serve(&self, listener: TcpListener) -> impl Future<Output = ()> + use<> {
        pass_on(listener, self.folder.socket())
    }
}

impl Tls {
    /// Creates an authority, and a certificate of it for the addresses of a store, in this directory.
    fn create(folder: &Path) -> anyhow::Result<Self> {
        let files = ["authority.key", "authority.pem", "store.key", "store.pem"];
        let [authority_key, authority, key, certificate] = files.map(|name| folder.join(name));
        let request = |subject: &str, key: &Path, certificate: &Path| {
            let mut command = Command::new("openssl");
            command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", subject]);
            command.arg("-keyout").arg(key).arg("-out").arg(certificate).stderr(Stdio::null());
            command
        };
        request("/CN=authority of a store", &authority_key, &authority).succeed()?;
        let mut issue = request("/CN=store", &key, &certificate);
        issue.arg("-CA").arg(&authority).arg("-CAkey").arg(&authority_key);
        issue.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        issue.args(["-addext", &format!("subjectAltName=IP:127.0.0.1,IP:{ADDRESS}")]).succeed()?;
        Ok(Tls { key, certificate, authority })
    }
}

/// Passes every connection on to the server. While there is none, the client's is closed.
async fn pass_on(listener: TcpListener, socket: PathBuf) {
    while let Ok((mut client, _)) = listener.accept().await {
        let socket = socket.clone();
        tokio::spawn(async move {
            let mut server = UnixStream::connect(socket).await?;
            copy_bidirectional(&mut client, &mut server).await
        });
    }
}

/// A directory that is removed when it is dropped, or when this process ends for any reason.
struct Folder {
    path: PathBuf,
    _remover: Held,
}

impl Folder {
    fn new() -> anyhow::Result<Self> {
        // The process is in the name, so that it can be seen whose a directory is, and whose a server.
        let prefix = format!("volsync-policy-store-{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir()?;
        let mut remover = Command::new("sh");
        // If this process was killed, the server may still write for a moment.
        remover.args(["-c", r#"cat; until rm -rf "$1"; do sleep 0.05; done"#, "sh"]).arg(folder.path());
        let remover = Held::start(remover.stdout(Stdio::null()).stderr(Stdio::null())).context("sh")?;
        Ok(Folder { path: folder.keep(), _remover: remover })
    }

    /// The directory with a directory for each bucket.
    fn objects(&self) -> PathBuf {
        self.path.join("objects")
    }

    /// The directory with the server's accounts.
    fn accounts(&self) -> PathBuf {
        self.path.join("accounts")
    }

    /// The socket that the server listens on.
    fn socket(&self) -> PathBuf {
        self.path.join("socket")
    }

    /// The file with the server's output.
    fn log(&self) -> PathBuf {
        self.path.join("log")
    }
}
