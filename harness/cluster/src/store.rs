//! A real S3 server that keeps objects in a directory. It outlives clusters.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::held::Held;

/// The access key of every store.
pub const ACCESS_KEY: &str = "made-up-user";
/// The secret key of every store.
pub const SECRET_KEY: &str = "made-up-key";
/// The bucket that exists from the start, because restic waits a minute for a missing one.
pub const BUCKET: &str = "volsync-backup";

/// An S3 server on loopback, and in the networks of clusters, until it is dropped.
pub struct Store {
    // The order in which they must be dropped.
    address: SocketAddr,
    service: S3Service,
    _runtime: Runtime,
    folder: Folder,
}

impl Store {
    /// Starts a server with one empty bucket.
    ///
    /// # Errors
    ///
    /// The directory cannot be created, or there is no free port.
    pub fn start() -> anyhow::Result<Self> {
        let folder = Folder::new()?;
        fs::create_dir(folder.path.join(BUCKET))?;
        let files = s3s_fs::FileSystem::new(&folder.path).ok().context("the folder of the store")?;
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = service.build();
        let runtime = Runtime::new()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        runtime.spawn(serve(service.clone(), listener));
        Ok(Store { address, service, _runtime: runtime, folder })
    }

    /// The address on this machine's loopback.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The directory of the bucket. Each object is a file.
    pub fn bucket(&self) -> PathBuf {
        self.folder.path.join(BUCKET)
    }

    /// Serves the same objects in another network too, until the runtime that this is spawned on ends.
    pub(crate) fn serve(&self, listener: TcpListener) -> impl Future<Output = ()> + use<> {
        serve(self.service.clone(), listener)
    }
}

async fn serve(service: S3Service, listener: TcpListener) {
    while let Ok((socket, _)) = listener.accept().await {
        let service = service.clone();
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            drop(server.serve_connection(TokioIo::new(socket), service).await);
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
        let folder = tempfile::Builder::new().prefix("volsync-policy-store-").tempdir()?;
        let mut remover = Command::new("sh");
        remover.args(["-c", r#"cat; exec rm -rf "$1""#, "sh"]).arg(folder.path()).stdout(Stdio::null());
        let remover = Held::start(&mut remover).context("sh")?;
        Ok(Folder { path: folder.keep(), _remover: remover })
    }
}
