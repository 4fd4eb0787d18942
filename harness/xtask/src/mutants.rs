//! Mutates the core, one small change at a time, and counts the mutants that no test notices.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::ErrorKind;
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::{cargo, output, root, run_to, works};

/// The version of cargo-mutants that .cargo/mutants.toml and [`Outcomes`] are written for.
const CARGO_MUTANTS: &str = "27.1.0";

/// Its output, in the directory that .cargo/mutants.toml names.
const OUTCOMES: &str = "target/mutants.out/outcomes.json";

/// The lines that a run is limited to.
const DIFF: &str = "target/mutants.diff";

/// The result of the last complete run.
const RESULT: &str = "tests/mutants.txt";

/// The most mutants out of a hundred that may survive.
const MOST_ALIVE: usize = 5;

/// The exit codes of cargo-mutants if every mutant was tested: none survived, some survived, some timed out.
const JUDGED: [i32; 3] = [0, 2, 3];

#[derive(Deserialize)]
struct Outcomes {
    outcomes: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    scenario: Scenario,
    summary: Summary,
}

#[derive(Deserialize)]
enum Scenario {
    Baseline,
    Mutant {
        /// `<file>:<line>:<column>: <what was done>`
        name: String,
        file: String,
    },
}

#[derive(Deserialize)]
enum Summary {
    CaughtMutant,
    MissedMutant,
    Timeout,
    Unviable,
    Success,
    Failure,
}

/// The number of mutants with each outcome.
#[derive(Default)]
struct Count {
    caught: usize,
    missed: usize,
    timeout: usize,
    unviable: usize,
}

/// The result of a run.
#[derive(Default)]
struct Found {
    files: BTreeMap<String, Count>,
    survivors: Vec<String>,
}

/// Tests every mutant and writes the result; with a base, only the lines that differ from it.
pub(crate) fn run(base: Option<&str>) -> anyhow::Result<ExitCode> {
    if !works(cargo().args(["mutants", "--version"])) {
        crate::run(cargo().args(["install", "--locked", "--debug", "cargo-mutants", "--version", CARGO_MUTANTS]))?;
    }
    // The repository's target directory keeps the built dependencies from run to run. Two jobs in it would use each
    // other's mutants.
    let mut mutants = cargo();
    mutants.args(["mutants", "--jobs=1"]).env("CARGO_TARGET_DIR", root().join("target"));
    if let Some(base) = base {
        fs::create_dir_all("target")?;
        let diff = ["diff", "--no-ext-diff", "--no-color", "--dst-prefix=b/", base, "--"];
        fs::write(DIFF, output(Command::new("git").args(diff))?)?;
        mutants.args(["--in-diff", DIFF]);
    }
    // If a diff has no mutant, nothing is written, so a file from an earlier run must not remain.
    match fs::remove_file(OUTCOMES) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).context(OUTCOMES),
        _ => run_to(&mut mutants, &JUDGED)?,
    }
    let found = match fs::read(OUTCOMES) {
        Err(error) if error.kind() == ErrorKind::NotFound && base.is_some() => Found::default(),
        outcomes => Found::of(serde_json::from_slice(&outcomes.context(OUTCOMES)?).context(OUTCOMES)?)?,
    };
    print!("{}", found.summary());
    if base.is_none() {
        fs::write(RESULT, found.result(&fs::read_to_string(RESULT).unwrap_or_default()))?;
    }
    let (alive, all) = found.alive();
    Ok(if alive * 100 > all * MOST_ALIVE { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Found {
    fn of(outcomes: Outcomes) -> anyhow::Result<Self> {
        let (mut found, mut namesakes) = (Found::default(), HashMap::new());
        for Outcome { scenario, summary } in outcomes.outcomes {
            let Scenario::Mutant { name, file } = scenario else { continue };
            // Lines and columns change with any edit, so they are left out. Mutants with the same name are numbered.
            let what = name.splitn(4, ':').last().unwrap_or_default();
            let nth = namesakes.entry(format!("{file}:{what}")).or_insert(0);
            *nth += 1;
            let survivor = if *nth == 1 { format!("{file}:{what}") } else { format!("{file}:{what} ({nth})") };
            let count = found.files.entry(file).or_default();
            match summary {
                Summary::CaughtMutant => count.caught += 1,
                Summary::MissedMutant => {
                    count.missed += 1;
                    found.survivors.push(survivor);
                }
                Summary::Timeout => count.timeout += 1,
                Summary::Unviable => count.unviable += 1,
                Summary::Success | Summary::Failure => bail!("{name}: neither dead nor alive"),
            }
        }
        Ok(found)
    }

    /// The number of survivors, and the number of mutants that could be built.
    fn alive(&self) -> (usize, usize) {
        let counts = || self.files.values();
        let alive = counts().map(|count| count.missed).sum();
        (alive, alive + counts().map(|count| count.caught + count.timeout).sum::<usize>())
    }

    /// The counts of each file, and the percentage for all.
    fn summary(&self) -> String {
        let files = self.files.iter().map(|(file, Count { caught, missed, timeout, unviable })| {
            format!("{file}: {caught} caught, {missed} missed, {timeout} timeout, {unviable} unviable\n")
        });
        let (alive, all) = self.alive();
        let percentage = 100.0 * alive as f64 / all.max(1) as f64;
        files.chain([format!("alive: {alive} of {all}, {percentage:.1} %\n")]).collect()
    }

    /// The summary and the survivors, each with the lines that begin with `#` below it in the last result.
    fn result(&self, last: &str) -> String {
        let (mut reasons, mut survivor) = (HashMap::<_, String>::new(), "");
        for line in last.lines() {
            if line.starts_with('#') {
                reasons.entry(survivor).or_default().extend([line, "\n"]);
            } else {
                survivor = line;
            }
        }
        let mut result = self.summary();
        if !self.survivors.is_empty() {
            result.push('\n');
        }
        for survivor in &self.survivors {
            let reason = reasons.get(survivor.as_str()).map_or("", String::as_str);
            result.extend([survivor, "\n", reason]);
        }
        result
    }
}
