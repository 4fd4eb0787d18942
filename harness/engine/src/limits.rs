//! How much a call of the module may use.

use std::time::Duration;

/// How much one call may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Units of the engine's fuel, about one per instruction.
    pub fuel: u64,
    /// Bytes of linear memory per instance.
    pub memory: usize,
    /// Time, in whole tenths of a second.
    pub time: Duration,
}

impl Default for Limits {
    /// Enough for the longest review in the worst case, which takes thousands of times as much as an ordinary plan.
    fn default() -> Self {
        Limits { fuel: 20_000_000_000, memory: 1 << 30, time: Duration::from_secs(10) }
    }
}

impl Limits {
    /// The error of a call that exceeded its fuel.
    pub(crate) fn out_of_fuel(&self) -> String {
        format!("it used more than {} units of fuel", self.fuel)
    }

    /// The error of a call that exceeded its time.
    pub(crate) fn out_of_time(&self) -> String {
        format!("it took longer than {:?}", self.time)
    }
}

/// The error of a guest that named a place outside its memory.
pub(crate) const OUTSIDE: &str = "it named a place outside its memory";

/// The error of a guest without memory.
pub(crate) const NO_MEMORY: &str = "it exports no memory";
