//! A program in a cluster's node, which a test can end.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use crate::Cluster;
use crate::node::child;

/// A program that runs in a node until it is ended, or until the node ends.
pub struct Program {
    process: Child,
    log: PathBuf,
}

impl Cluster {
    /// Starts a program in the node; see [`Cluster::command`]. What it prints is kept, and is part of what a failure
    /// says.
    ///
    /// # Errors
    ///
    /// The program cannot be started.
    pub fn spawn(&self, name: &str, command: &mut Command) -> anyhow::Result<Program> {
        Ok(Program { process: self.node.start_program(name, command)?, log: self.node.log_of(name) })
    }
}

impl Program {
    /// Asks it to end, and waits until it has ended.
    ///
    /// # Errors
    ///
    /// It has ended already.
    pub fn terminate(self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::TERM)
    }

    /// Ends it at once, in the middle of what it does.
    ///
    /// # Errors
    ///
    /// It has ended already.
    pub fn kill(self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::KILL)
    }

    /// Whether it has ended by itself.
    ///
    /// # Errors
    ///
    /// The system does not know it.
    pub fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.process.try_wait()?.is_some())
    }

    /// What it has printed.
    ///
    /// # Errors
    ///
    /// The cluster is gone.
    pub fn log(&self) -> anyhow::Result<String> {
        fs::read_to_string(&self.log).with_context(|| self.log.display().to_string())
    }

    fn signal(mut self, signal: Signal) -> anyhow::Result<ExitStatus> {
        // The process that was started only waits for the one in the namespaces of the node.
        let program = i32::try_from(child(self.process.id())?).ok().and_then(Pid::from_raw).context("no process")?;
        kill_process(program, signal)?;
        Ok(self.process.wait()?)
    }
}
