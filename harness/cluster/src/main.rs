//! A cluster for a person: `cargo xtask cluster`.

use std::env;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail, ensure};
use clap::{Parser, Subcommand};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::signal::unix::{SignalKind, signal};
use volsync_policy_cluster::{Cluster, Store, Tools};

/// A real Kubernetes with a real VolSync on this machine
#[derive(Parser)]
#[command(bin_name = "cargo xtask cluster")]
struct Arguments {
    /// The directory for tools and for the cluster's state
    #[arg(long, default_value = "target/cluster")]
    target: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Print what this machine lacks; the exit code is 1 if it lacks anything
    Check,
    /// Build the programs of a cluster; the first time takes a quarter of an hour
    Build,
    /// Start a cluster, and keep it until it is interrupted or `down` is run
    Up,
    /// Run a command in the cluster's namespaces, with kubectl and Helm at hand; a shell if none is named
    Sh {
        /// The command
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Run Helm, which is built first if necessary
    #[command(disable_help_flag = true)]
    Helm {
        /// Its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Stop the cluster, and remove everything that belongs to it
    Down,
}

fn main() -> ExitCode {
    let Arguments { target, what } = Arguments::parse();
    let done = match what {
        What::Check => volsync_policy_cluster::check(),
        What::Build => Tools::build(&target).map(drop),
        What::Up => up(&target),
        What::Sh { command } => sh(&target, command),
        What::Helm { arguments } => helm(&target, &arguments),
        What::Down => down(&target),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The file with the ids of the process that keeps the cluster, and of the process that holds its namespaces.
fn running(target: &Path) -> PathBuf {
    target.join("running")
}

fn ids(target: &Path) -> anyhow::Result<(i32, u32)> {
    let ids = fs::read_to_string(running(target)).context("no cluster is up")?;
    let (keeper, holder) = ids.trim().split_once(' ').context("no cluster is up")?;
    Ok((keeper.parse()?, holder.parse()?))
}

fn up(target: &Path) -> anyhow::Result<()> {
    if running(target).exists() {
        bail!("a cluster is up, or was not ended by `down`: {} says so", running(target).display());
    }
    let store = Store::start(target)?;
    let cluster = Cluster::start(target, &store)?;
    fs::write(running(target), format!("{} {}", std::process::id(), cluster.holder()))?;
    println!("ready: `cargo xtask cluster sh` enters it");
    let ended = cluster.call(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        anyhow::Ok(())
    });
    fs::remove_file(running(target))?;
    ended
}

fn sh(target: &Path, mut command: Vec<String>) -> anyhow::Result<()> {
    let (_, holder) = ids(target)?;
    if command.is_empty() {
        command = vec![env::var("SHELL").unwrap_or_else(|_| "bash".to_owned())];
    }
    Err(volsync_policy_cluster::enter(holder, &Tools::build(target)?).args(command).exec().into())
}

fn helm(target: &Path, arguments: &[String]) -> anyhow::Result<()> {
    let helm = Tools::build_one(target, "helm")?.program("helm");
    Err(Command::new(helm).args(arguments).exec().into())
}

fn down(target: &Path) -> anyhow::Result<()> {
    let (keeper, _) = ids(target)?;
    let process = Pid::from_raw(keeper).and_then(|id| pidfd_open(id, PidfdFlags::empty()).ok());
    // A process that was killed left its file behind, and another process may have its id now.
    let is_it = |_: &OwnedFd| {
        fs::read_to_string(format!("/proc/{keeper}/comm")).is_ok_and(|name| name.starts_with("volsync-policy-"))
    };
    let Some(process) = process.filter(is_it) else {
        return Ok(fs::remove_file(running(target))?);
    };
    pidfd_send_signal(&process, Signal::TERM)?;
    let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&Timespec { tv_sec: 60, tv_nsec: 0 }))?;
    ensure!(ended == 1, "process {keeper} was told to end, and runs on after a minute");
    Ok(())
}
