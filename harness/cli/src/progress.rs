//! Shows progress on standard error, on a terminal, after one second.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Prints from time to time how far a long run has come.
pub(crate) struct Progress {
    last: Instant,
    is_watched: bool,
    is_shown: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        // If results go to the same terminal, they show enough.
        let is_watched = std::io::stderr().is_terminal() && !std::io::stdout().is_terminal();
        Progress { last: Instant::now(), is_watched, is_shown: false }
    }

    pub(crate) fn show(&mut self, claims: usize) {
        if self.is_watched && self.last.elapsed() > Duration::from_secs(1) {
            self.last = Instant::now();
            self.is_shown = true;
            drop(write!(std::io::stderr(), "\r{claims} claims planned"));
        }
    }

    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            drop(write!(std::io::stderr(), "\r\x1b[K"));
        }
    }
}
