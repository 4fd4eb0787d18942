//! `volsync-policy test`: policy tests, run and reported.

use std::io::Write;

use anyhow::Context;
use volsync_policy_cases::{Case, Report, Suite};

use crate::args::{Engine, Test, TestOutput};
use crate::outcome::{Outcome, complain, warn};
use crate::planner;

pub(crate) fn run(arguments: &Test) -> anyhow::Result<Outcome> {
    let Some(suite) = read(arguments) else { return Ok(Outcome::BadInput) };
    if arguments.list {
        let mut out = anstream::stdout().lock();
        suite.cases().iter().try_for_each(|case| writeln!(out, "{}", case.title()))?;
        return Ok(Outcome::Planned);
    }
    let engines = engines(arguments)?;
    let engines: Vec<&dyn volsync_policy_engine::Engine> = engines.iter().map(AsRef::as_ref).collect();
    let report = suite.run(&engines);
    print(arguments, &report)?;
    Ok(if report.failed().next().is_none() { Outcome::Planned } else { Outcome::Failed })
}

/// The cases that are asked for; where there are none, why not is complained about.
fn read(arguments: &Test) -> Option<Suite> {
    let read = Suite::read(&arguments.paths);
    let selected = read.and_then(|suite| match &arguments.filter {
        Some(filter) => suite.select(filter).map_err(|error| vec![error]),
        None => Ok(suite),
    });
    match selected {
        Ok(suite) => {
            suite.cases().iter().for_each(warn_of_real);
            Some(suite)
        }
        Err(faults) => {
            faults.iter().for_each(|fault| complain(&format!("{fault:#}")));
            None
        }
    }
}

fn warn_of_real(case: &Case) {
    for key in &case.looks_real {
        let place = format!("{}:{}", case.file.display(), case.line);
        warn(&format!("{place}: the value of {key} looks real; credentials of a test should be made up"));
    }
}

fn engines(arguments: &Test) -> anyhow::Result<Vec<Box<dyn volsync_policy_engine::Engine>>> {
    arguments.engine.iter().map(|engine| planner::engine(*engine, &arguments.module)).collect()
}

fn print(arguments: &Test, report: &Report<'_>) -> anyhow::Result<()> {
    if let Some(file) = &arguments.junit {
        std::fs::write(file, report.to_junit()).with_context(|| file.display().to_string())?;
    }
    let mut out = anstream::stdout().lock();
    match arguments.output {
        TestOutput::Json => writeln!(out, "{}", report.to_json())?,
        TestOutput::Text => {
            report.write_text(&mut out, |case| again(arguments, case))?;
            if arguments.coverage {
                report.write_coverage(&mut out)?;
            }
        }
    }
    Ok(())
}

/// The command that runs a case alone.
fn again(arguments: &Test, case: &Case) -> String {
    let file = case.file.display().to_string();
    let engines: Vec<String> = arguments.engine.iter().map(ToString::to_string).collect();
    let engines = engines.join(",");
    let mut words = vec!["volsync-policy", "test", &file, "--filter", &case.name];
    if arguments.engine != [Engine::Native] {
        words.extend(["--engine", &engines]);
    }
    // No case is called by a name with a NUL in it: YAML has none.
    shlex::try_join(words).unwrap_or_default()
}
