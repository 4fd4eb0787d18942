//! Measures the policy, and compares it with what a user might use instead.
//!
//! ```text
//!   calls      native, the module warm and fresh, Chromium    a call of `plan`
//!   counts     instructions, allocations, fuel, bytes         the same in every run
//!   rivals     Rego (regorus), CEL                            the same manifests from the same review
//!   kyverno    `kyverno apply`                                the same manifests from the same file
//!   growth     `volsync-policy generate`                      from 10 to 100,000 claims
//!     └──► report: one table, printed and written to RESULTS.md
//! ```
//!
//! `cargo xtask bench` builds what is measured, and runs this.

mod calls;
mod counts;
mod growth;
mod inputs;
mod kyverno;
mod processes;
mod race;
mod report;
mod rivals;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use crate::report::Report;

/// The command from `cargo build --release`.
const COMMAND: &str = "target/release/volsync-policy";

/// Measures the policy side by side with what a user would pick instead
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
    /// Only these parts, and nothing is written down
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
}

#[derive(Subcommand)]
enum Task {
    /// Plan a review so many times, for valgrind to count
    Call { review: PathBuf, calls: u64 },
    /// Run a command with its output in a file, and print what it needed
    Run {
        printed: PathBuf,
        #[arg(last = true)]
        command: Vec<OsString>,
    },
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Part {
    Calls,
    Counts,
    Rivals,
    Kyverno,
    Growth,
}

fn main() -> anyhow::Result<()> {
    let Arguments { task, only } = Arguments::parse();
    match task {
        Some(Task::Call { review, calls }) => return counts::call(&review, calls),
        Some(Task::Run { printed, command }) => return processes::run_here(&printed, &command),
        None => {}
    }
    let mut report = Report::default();
    let wanted = |part| only.is_empty() || only.contains(&part);
    let inputs = inputs::inputs()?;
    if wanted(Part::Calls) {
        calls::measure(&mut report, &inputs)?;
    }
    if wanted(Part::Counts) {
        counts::calls(&mut report, &inputs)?;
        counts::module(&mut report)?;
    }
    if wanted(Part::Rivals) {
        rivals::measure(&mut report)?;
    }
    if wanted(Part::Kyverno) {
        kyverno::measure(&mut report)?;
    }
    if wanted(Part::Growth) {
        growth::measure(&mut report)?;
    }
    let table = report.print()?;
    // A table with only some parts would replace one with all of them.
    if only.is_empty() { report::keep(&table) } else { Ok(()) }
}

/// The path of a temporary file, in a directory that Git ignores.
fn scratch(name: &str) -> anyhow::Result<PathBuf> {
    let folder = Path::new("target/bench");
    std::fs::create_dir_all(folder)?;
    Ok(folder.join(name))
}
