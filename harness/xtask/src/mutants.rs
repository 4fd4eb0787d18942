//! Breaks the core in small ways, one at a time, and counts what no test notices.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::ErrorKind;
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::{cargo, output, root, run_to, works};

/// cargo-mutants, at the version that .cargo/mutants.toml and [`Outcomes`] are written for.
const CARGO_MUTANTS: &str = "27.1.0";

/// What it writes, into the folder that .cargo/mutants.toml names.
const OUTCOMES: &str = "target/mutants.out/outcomes.json";

/// The lines to which a run is confined.
const DIFF: &str = "target/mutants.diff";

/// What the last whole run found.
const RESULT: &str = "tests/mutants.txt";

/// Of a hundred mutants so many may be alive at the end.
const MOST_ALIVE: usize = 5;

/// How cargo-mutants ends where every mutant was judged: all are dead, some are alive, some ran out of time.
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

/// How many mutants came to which end.
#[derive(Default)]
struct Count {
    caught: usize,
    missed: usize,
    timeout: usize,
    unviable: usize,
}

/// What a run found.
#[derive(Default)]
struct Found {
    files: BTreeMap<String, Count>,
    survivors: Vec<String>,
}

/// Tries every mutant and writes down what it found; with a base, those in the lines that differ from it.
pub(crate) fn run(base: Option<&str>) -> anyhow::Result<ExitCode> {
    if !works(cargo().args(["mutants", "--version"])) {
        crate::run(cargo().args(["install", "--locked", "--debug", "cargo-mutants", "--version", CARGO_MUTANTS]))?;
    }
    // What was built of the dependencies stays in our own folder from run to run. In there two jobs would take each
    // other's mutants for their own.
    let mut mutants = cargo();
    mutants.args(["mutants", "--jobs=1"]).env("CARGO_TARGET_DIR", root().join("target"));
    if let Some(base) = base {
        fs::create_dir_all("target")?;
        let diff = ["diff", "--no-ext-diff", "--no-color", "--dst-prefix=b/", base, "--"];
        fs::write(DIFF, output(Command::new("git").args(diff))?)?;
        mutants.args(["--in-diff", DIFF]);
    }
    // Where a diff holds no mutant nothing is written: what is there must not be an earlier run's.
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
            // Lines and columns are others after any edit: of those that are called alike, the second says so.
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

    /// How many are alive, and of how many that could be built.
    fn alive(&self) -> (usize, usize) {
        let counts = || self.files.values();
        let alive = counts().map(|count| count.missed).sum();
        (alive, alive + counts().map(|count| count.caught + count.timeout).sum::<usize>())
    }

    /// The counts of each file, and the percentage of all.
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
