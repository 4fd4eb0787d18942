//! The machine of a cluster: a process that holds namespaces, and programs that are started in them.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, ensure};
use rustix::fs::XattrFlags;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::runtime::Runtime;

use crate::held::Held;
use crate::tools::Tools;

/// The address of the node in its network.
pub(crate) const ADDRESS: &str = "10.99.0.1";
/// The path of the state directory in the node.
pub(crate) const STATE: &str = "/run/state";
/// The path of the tools directory in the node.
const TOOLS: &str = "/run/tools";

/// The programs that must be installed besides Go, each with its Debian package.
const NEEDED: [(&str, &str); 7] = [
    ("/usr/bin/containerd", "containerd"),
    ("/usr/sbin/runc", "runc"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("/usr/bin/nsenter", "util-linux"),
    ("/usr/bin/openssl", "openssl"),
    ("/usr/bin/curl", "curl"),
    ("/bin/ip", "iproute2"),
];

/// Checks that this machine has everything.
///
/// # Errors
///
/// The first program or right that is missing.
pub fn check() -> anyhow::Result<()> {
    ensure!(rustix::process::geteuid().is_root(), "only root can make namespaces and mounts");
    for (file, package) in NEEDED {
        ensure!(Path::new(file).exists(), "{file} is missing; Debian's package {package} brings it");
    }
    ensure!(Path::new("/sys/fs/cgroup/memory").exists(), "the machine has no control groups of version 1");
    let (folder, attribute) = (tempfile::tempdir()?, "user.volsync-policy");
    let kept = rustix::fs::setxattr(folder.path(), attribute, b"", XattrFlags::CREATE);
    ensure!(kept.is_ok(), "{:?} has no extended attributes, which the S3 server needs", env::temp_dir());
    ensure!(Command::new("go").arg("version").output().is_ok(), "Go is missing, which builds the programs");
    Ok(())
}

/// The machine, until it is dropped.
pub(crate) struct Node {
    /// The node lives until this is dropped.
    supervisor: Held,
    holder: u32,
    state: PathBuf,
    path: OsString,
    programs: Mutex<Vec<Child>>,
}

impl Node {
    /// Starts a node, with its state in a directory below `target`.
    pub(crate) fn start(tools: &Tools, target: &Path) -> anyhow::Result<Self> {
        check()?;
        let state = tempfile::Builder::new().prefix("node-").tempdir_in(target.canonicalize()?)?.keep();
        fs::create_dir(state.join("log"))?;
        let script = state.join("node.sh");
        fs::write(&script, include_str!("node.sh"))?;
        let mut supervisor = Command::new("bash");
        supervisor.args([&script, &state]).arg(tools.folder()).args(state.file_name()).stdout(Stdio::piped());
        let mut supervisor = Held::start(&mut supervisor)?;
        let said = supervisor.process.stdout.take().context("no output")?;
        let mut ready = String::new();
        BufReader::new(said).read_line(&mut ready)?;
        ensure!(ready == "ready\n", "the namespaces could not be made");
        // The script's child is `unshare`, whose child is the first process inside.
        let holder = child(child(supervisor.process.id())?)?;
        Ok(Node { supervisor, holder, state, path: path(tools), programs: Mutex::default() })
    }

    /// The directory that is [`STATE`] in the node.
    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// The process that holds the namespaces.
    pub(crate) fn holder(&self) -> u32 {
        self.holder
    }

    /// A command that runs in the node.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = enter(self.holder, &self.path);
        command.arg(program).process_group(0);
        command
    }

    /// Starts a program that runs until the node ends. Its output is kept for [`Node::logs`].
    pub(crate) fn spawn(&self, name: &str, command: &mut Command) -> anyhow::Result<()> {
        let program = self.start_program(name, command)?;
        self.programs.lock().unwrap_or_else(PoisonError::into_inner).push(program);
        Ok(())
    }

    /// Starts a program that the caller ends, or that ends with the node. Its output is kept for [`Node::logs`].
    pub(crate) fn start_program(&self, name: &str, command: &mut Command) -> anyhow::Result<Child> {
        let log = File::create(self.log_of(name))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn().context(name.to_owned())
    }

    /// The file with the output of the program of that name.
    pub(crate) fn log_of(&self, name: &str) -> PathBuf {
        self.state.join("log").join(name)
    }

    /// A runtime whose threads are in the node's network, so that it connects and listens there.
    pub(crate) fn runtime(&self) -> anyhow::Result<Runtime> {
        let network = File::open(format!("/proc/{}/ns/net", self.holder))?;
        let enter = move || {
            let entered = move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network));
            // INVARIANT: the link is that of a network namespace, and this process is root.
            debug_assert!(entered.is_ok(), "{entered:?}");
        };
        Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().on_thread_start(enter).build()?)
    }

    /// The last lines that each program printed, after its last lines about `subject`.
    pub(crate) fn logs(&self, subject: &str) -> String {
        let mut logs = String::new();
        for log in fs::read_dir(self.state.join("log")).into_iter().flatten().flatten() {
            let text = fs::read(log.path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let (about, other): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.contains(subject));
            logs += &format!("--- {}\n", log.file_name().to_string_lossy());
            for (lines, most) in [(about, 12), (other, 4)] {
                for line in lines.get(lines.len().saturating_sub(most)..).unwrap_or_default() {
                    logs.extend(line.chars().take(240).chain(['\n']));
                }
            }
        }
        logs
    }
}

/// The only child of a process.
pub(crate) fn child(of: u32) -> anyhow::Result<u32> {
    let children = fs::read_to_string(format!("/proc/{of}/task/{of}/children"))?;
    children.trim().parse().with_context(|| format!("the children of {of}: {children}"))
}

/// The `PATH` of programs in a node.
pub(crate) fn path(tools: &Tools) -> OsString {
    let mut path = tools.path(TOOLS);
    path.push(":/usr/sbin:/usr/bin:/sbin:/bin");
    path
}

/// A command that runs its arguments in the namespaces of the process `holder`.
pub(crate) fn enter(holder: u32, path: &OsStr) -> Command {
    let mut command = Command::new("/usr/bin/nsenter");
    command.args(["--target", &holder.to_string(), "--mount", "--net", "--pid", "--"]);
    command.env("PATH", path).env("KUBECONFIG", format!("{STATE}/kubeconfig"));
    // The files that kubectl and Helm would otherwise write in the home directory.
    command.env("KUBECACHEDIR", format!("{STATE}/kubectl"));
    for kind in ["CACHE", "CONFIG", "DATA"] {
        command.env(format!("HELM_{kind}_HOME"), format!("{STATE}/helm"));
    }
    command
}

impl Drop for Node {
    fn drop(&mut self) {
        // The supervisor ends only after every program of the node has ended, and nothing of the node is left.
        self.supervisor.end();
        for program in self.programs.get_mut().unwrap_or_else(PoisonError::into_inner) {
            drop(program.wait());
        }
    }
}
