//! A process that runs until it is dropped, and can then clean up.

use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

/// A process whose standard input stays open until it is dropped, or until this process ends for any reason.
pub(crate) struct Held {
    pub(crate) process: Child,
    life: Option<ChildStdin>,
}

impl Held {
    /// Starts it. An interrupt at the terminal does not reach it, only this process.
    pub(crate) fn start(command: &mut Command) -> std::io::Result<Self> {
        let mut process = command.process_group(0).stdin(Stdio::piped()).spawn()?;
        Ok(Held { life: process.stdin.take(), process })
    }

    /// Closes its standard input, and waits until it has ended.
    pub(crate) fn end(&mut self) {
        drop(self.life.take());
        drop(self.process.wait());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.end();
    }
}
