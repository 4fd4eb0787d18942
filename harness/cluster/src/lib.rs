//! A real Kubernetes with a real VolSync on this machine, in namespaces of its own.
//!
//! ```text
//!   this machine                                  │ the node's network
//!   a test ── Cluster ── runtime in the network ──┼── kube-apiserver ── etcd
//!                │                                │       │ kubelet ── containerd ── pods: movers, ours
//!              Store ── versitygw over a folder ──┼── S3 at 10.99.0.1:9000
//! ```
//!
//! Kubernetes, its controllers and its kubelet, etcd, containerd, VolSync, restic and the S3 server are the real ones;
//! of our own are the CSI driver (a volume is a folder, a snapshot a copy of it) and the image that holds VolSync's
//! script. There is no DNS and no second node, and a Service leads to webhooks only. A cluster is gone without a trace
//! when it is dropped, or when its process ends, however it ends.

mod config;
mod held;
mod image;
mod node;
mod objects;
mod program;
mod store;
mod tools;
mod webhook;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use kube::config::AuthInfo;
use kube::{Client, Config};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

pub use node::check;
pub use objects::{DryRun, Namespace, says, text};
pub use program::Program;
pub use store::{ACCESS_KEY, BUCKET, GUEST, SECRET_KEY, Store};
pub use tools::Tools;

use node::Node;
use tools::{Succeed, source};

/// The address of the store in the network of every cluster.
pub const STORE: &str = "10.99.0.1:9000";

/// The longest that anything may take. It usually takes seconds; this is for machines with other load.
const PATIENCE: Duration = Duration::from_secs(180);

/// The time between two checks.
const INTERVAL: Duration = Duration::from_millis(50);

/// A cluster of one node, ready for claims, until it is dropped.
pub struct Cluster {
    // The order in which they must be dropped.
    client: Client,
    runtime: Runtime,
    node: Node,
    tools: Tools,
}

impl Cluster {
    /// Starts a cluster whose pods reach `store` at [`STORE`]. Its tools and its state are below the directory
    /// `target`.
    ///
    /// # Errors
    ///
    /// This machine lacks something, or a part of the cluster does not become ready; then the error contains its last
    /// output.
    pub fn start(target: &Path, store: &Store) -> anyhow::Result<Self> {
        fs::create_dir_all(target)?;
        let tools = Tools::build(target)?;
        let node = Node::start(&tools, target)?;
        let runtime = node.runtime()?;
        let client = {
            let _guard = runtime.enter();
            Client::try_from(admin()?)?
        };
        let cluster = Cluster { client, runtime, node, tools };
        let started = cluster.begin(store);
        started.with_context(|| cluster.node.logs("error"))?;
        Ok(cluster)
    }

    fn begin(&self, store: &Store) -> anyhow::Result<()> {
        let listener = self.call(TcpListener::bind(STORE))?;
        self.runtime.spawn(store.serve(listener));
        let (node, state) = (&self.node, self.node.state());
        config::write(state)?;
        let spawn = |name: &str, arguments: &[&str]| node.spawn(name, node.command(name).args(arguments));

        spawn("containerd", &["--config", "/run/state/containerd.toml"])?;
        spawn("etcd", &config::ETCD)?;
        node.command("openssl")
            .args(["genrsa", "-out", "/run/state/sa.key", "2048"])
            .stderr(Stdio::null())
            .succeed()?;
        spawn("kube-apiserver", &config::APISERVER)?;
        image::write(&self.tools, &state.join("image.tar"))?;
        self.until("containerd", || succeeds(node.command("ctr").args(["--namespace", "k8s.io", "version"])))?;
        self.load(Path::new("/run/state/image.tar"))?;
        self.until("the API server", || {
            let (client, request) = (self.client.clone(), http::Request::get("/readyz").body(Vec::new())?);
            Ok(self.call(async move { client.request_text(request).await }).ok())
        })?;
        spawn("kube-controller-manager", &config::CONTROLLER_MANAGER)?;
        spawn("kube-scheduler", &config::SCHEDULER)?;
        spawn("kubelet", &config::KUBELET)?;

        let volsync = source("volsync", "github.com/backube/volsync")?.join("config/crd/bases");
        let snapshots = source("kubernetes", "github.com/kubernetes-csi/external-snapshotter/client/v8")?;
        let system = self.namespace("volsync-system")?;
        for folder in [volsync, snapshots.join("config/crd")] {
            system.define(&folder)?;
        }
        for object in config::classes() {
            system.apply(&object)?;
        }
        spawn("csi-driver", &config::CSI_DRIVER)?;
        self.until("the CSI driver", || Ok(state.join("csi.sock").exists().then_some(())))?;
        spawn("csi-provisioner", &config::CSI_PROVISIONER)?;
        spawn("csi-snapshotter", &config::CSI_SNAPSHOTTER)?;
        spawn("snapshot-controller", &config::SNAPSHOT_CONTROLLER)?;
        node.spawn("volsync", node.command("volsync").args(config::VOLSYNC).env("POD_NAMESPACE", "volsync-system"))?;
        system.wait("Node", config::NODE, "Ready", |node| objects::condition(node, "Ready") == Some("True"))?;
        let driver = format!("/spec/drivers/0/name={}", config::DRIVER);
        system.wait("CSINode", config::NODE, "its driver", |node| objects::says(node, &driver))?;
        let probe = ["-sf", "http://127.0.0.1:8081/readyz"];
        self.until("VolSync", || succeeds(node.command("curl").args(probe)))
    }

    /// A namespace, which is created if it does not exist. Its movers may preserve owners and modes.
    ///
    /// # Errors
    ///
    /// The API server refuses it.
    pub fn namespace(&self, name: &str) -> anyhow::Result<Namespace<'_>> {
        Namespace::new(self, name)
    }

    /// Loads an image that pods can run. `file` is a layout of the Open Container Initiative.
    ///
    /// # Errors
    ///
    /// The file is not such an image.
    pub fn load(&self, file: &Path) -> anyhow::Result<()> {
        let import = ["--namespace", "k8s.io", "images", "import"];
        self.command("ctr").args(import).arg(file).stdout(Stdio::null()).succeed()
    }

    /// The requests that service accounts have made so far, as `Event`s of the API server's audit log.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn audit(&self) -> anyhow::Result<Vec<Value>> {
        let log = fs::read_to_string(self.node.state().join("audit.log"))?;
        // The last line may not be complete yet.
        let lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        Ok(lines.map(serde_json::from_str).collect::<Result<_, _>>()?)
    }

    /// A command that runs in the cluster's node. `kubectl` and `helm` are in its path.
    pub fn command(&self, program: &str) -> Command {
        self.node.command(program)
    }

    /// The programs of the cluster.
    pub fn tools(&self) -> &Tools {
        &self.tools
    }

    /// The process that holds the namespaces of the cluster.
    pub fn holder(&self) -> u32 {
        self.node.holder()
    }

    /// Runs something that connects or listens in the cluster's network, and waits for the result.
    pub fn call<T: Send + 'static>(&self, what: impl Future<Output = T> + Send + 'static) -> T {
        let done = self.runtime.block_on(self.runtime.spawn(what));
        done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    /// Waits until `look` returns something.
    ///
    /// # Errors
    ///
    /// The first error of `look`, or that it took too long.
    pub fn until<T>(&self, what: &str, mut look: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
        let limit = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            ensure!(Instant::now() < limit, "waited too long for {what}");
            self.call(async { tokio::time::sleep(INTERVAL).await });
        }
    }
}

/// A command that runs its arguments in the namespaces of the process [`Cluster::holder`]. `kubectl` and `helm` are
/// in its path.
pub fn enter(holder: u32, tools: &Tools) -> Command {
    node::enter(holder, &node::path(tools))
}

/// Returns something once a command succeeds. Its output is ignored.
fn succeeds(command: &mut Command) -> anyhow::Result<Option<()>> {
    Ok(command.stdout(Stdio::null()).stderr(Stdio::null()).status()?.success().then_some(()))
}

/// The administrator's configuration, for use in the cluster's network.
fn admin() -> anyhow::Result<Config> {
    let mut admin = Config::new(config::SERVER.parse()?);
    admin.accept_invalid_certs = true;
    admin.auth_info = AuthInfo { token: Some(config::ADMIN.to_owned().into()), ..AuthInfo::default() };
    Ok(admin)
}
