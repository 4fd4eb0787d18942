//! The table of results: figures and ratios, with the goals for them.

use std::fmt::Display;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;

use crate::race::{Spread, Times};

/// Where the table is kept.
const RESULTS: &str = "harness/bench/RESULTS.md";

/// The part of the page from this heading on is written by hand, and kept.
const BY_HAND: &str = "## Before and after";

const ABOUT: &str = "\
# Results

Written by `cargo xtask bench`. Contenders run in turns, in one run, on one machine: the ratios mean something, the
times alone do not. A figure is the median of its turns; the middle half of the turns lies within the range beside it.
Counts are the same in every run.
";

/// The rows so far.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<[String; 6]>,
}

impl Report {
    /// Adds a heading for the rows after it.
    pub(crate) fn section(&mut self, title: &str) {
        self.row(&format!("**{title}**"), "", "", "", "", "");
    }

    /// Adds the time of a contender.
    pub(crate) fn time(&mut self, times: &Times) {
        let Spread { lower, median, upper } = times.spread();
        self.row(&times.name, &seconds(median), &format!("{} – {}", seconds(lower), seconds(upper)), "", "", "");
    }

    /// Adds the time of a contender, and its ratio to another.
    pub(crate) fn time_over(&mut self, times: &Times, other: &Times, goal: &str) {
        let Spread { lower, median, upper } = times.spread();
        let range = format!("{} – {}", seconds(lower), seconds(upper));
        self.row(&times.name, &seconds(median), &range, &other.name, &ratio(times.over(other)), goal);
    }

    /// Adds a figure that is counted, not measured.
    pub(crate) fn count(&mut self, what: &str, count: impl Display, goal: &str) {
        self.row(what, &count.to_string(), "", "", "", goal);
    }

    /// Adds a row: what, figure, range, compared with what, ratio, goal.
    pub(crate) fn row(&mut self, what: &str, figure: &str, range: &str, against: &str, ratio: &str, goal: &str) {
        eprintln!("{what}: {figure} {ratio}");
        self.rows.push([what, figure, range, against, ratio, goal].map(str::to_owned));
    }

    /// Adds a row for something that cannot be measured on this machine.
    pub(crate) fn missing(&mut self, what: &str, why: &anyhow::Error) {
        self.row(what, &format!("not measured: {why:#}"), "", "", "", "");
    }

    /// Prints the table, with the machine that it was measured on.
    pub(crate) fn print(self) -> anyhow::Result<String> {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN).set_header(["", "figure", "middle half", "against", "ratio", "goal"]);
        table.add_rows(self.rows);
        let text = format!("{ABOUT}\n{table}\n\n{}\n", machine()?);
        println!("{text}");
        Ok(text)
    }
}

/// Writes the table to the page, and keeps the part below it that is written by hand.
pub(crate) fn keep(text: &str) -> anyhow::Result<()> {
    let before = fs::read_to_string(RESULTS).unwrap_or_default();
    let by_hand = before.find(BY_HAND).and_then(|at| before.get(at..)).unwrap_or_default();
    fs::write(RESULTS, format!("{text}\n{by_hand}").trim_end().to_owned() + "\n").context(RESULTS)
}

/// A ratio, with its range.
pub(crate) fn ratio(Spread { lower, median, upper }: Spread) -> String {
    format!("{median:.2} ({lower:.2} – {upper:.2})")
}

/// A time in a suitable unit.
pub(crate) fn seconds(seconds: f64) -> String {
    format!("{:.3?}", Duration::from_secs_f64(seconds))
}

/// An amount of memory.
pub(crate) fn bytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / f64::from(1 << 20))
}

/// A count with a comma between thousands.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let group = |(at, digit): (usize, char)| {
        let apart = at > 0 && (digits.len() - at).is_multiple_of(3);
        [apart.then_some(','), Some(digit)]
    };
    digits.chars().enumerate().flat_map(group).flatten().collect()
}

/// The machine, and the versions of the tools and contenders.
fn machine() -> anyhow::Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let count = std::thread::available_parallelism()?;
    let tools = [("rustc", "--version"), ("valgrind", "--version"), ("chromium", "--version"), ("go", "version")];
    let tools = tools.map(|(tool, argument)| first_line(tool, argument)).join("; ");
    let others = [("wasmtime", LOCK), ("regorus", LOCK), ("cel", LOCK), ("github.com/kyverno/kyverno", KYVERNO)];
    let others = others.map(|(name, file)| locked(name, file)).join("; ");
    Ok(format!("On {count} × {}.\n{tools}.\n{others}.", model.unwrap_or("a processor")))
}

/// The file with the versions of the contenders.
const LOCK: &str = "Cargo.lock";
const KYVERNO: &str = "harness/bench/kyverno/go.mod";

/// The version of a dependency in its lock file.
fn locked(name: &str, file: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let behind = [format!("name = \"{name}\"\nversion = "), format!("\t{name} v")]
        .into_iter()
        .find_map(|before| text.split_once(&before).map(|(_, behind)| behind));
    let version = behind.and_then(|behind| behind.split_whitespace().next()).unwrap_or("of no known version");
    format!("{name} {}", version.trim_matches('"'))
}

fn first_line(tool: &str, argument: &str) -> String {
    let output = Command::new(tool).arg(argument).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().map_or_else(|| format!("no {tool}"), |line| line.trim().to_owned())
}
