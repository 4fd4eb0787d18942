//! A process that is there for as long as it is held, and then does what it was left to do.

use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

/// A process whose standard input is open until it is dropped, or until this process ends, however it ends.
pub(crate) struct Held {
    pub(crate) process: Child,
    life: Option<ChildStdin>,
}

impl Held {
    /// Starts it. An interrupt at the terminal is not for it, but for whoever holds it.
    pub(crate) fn start(command: &mut Command) -> std::io::Result<Self> {
        let mut process = command.process_group(0).stdin(Stdio::piped()).spawn()?;
        Ok(Held { life: process.stdin.take(), process })
    }

    /// Closes its input, and waits until it has ended.
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
