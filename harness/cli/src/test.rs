//! `volsync-policy test`: runs and reports policy tests.

use std::io::{self, ErrorKind, Write};

use anyhow::{Context, bail};
use volsync_policy_cases::{Case, Report, Suite, Updated};

use crate::args::{Engine, Test, TestOutput};
use crate::outcome::{Outcome, complain, warn};
use crate::planner;
use crate::watch::Watch;

pub(crate) fn run(arguments: &Test) -> anyhow::Result<Outcome> {
    if arguments.init {
        return init(arguments);
    }
    if !arguments.watch {
        return once(arguments, &mut |_| Ok(()));
    }
    let mut watch = Watch::start(arguments)?;
    loop {
        // The problem may be fixed once a file has changed.
        if let Err(error) = once(arguments, &mut |suite| watch.add(suite)) {
            complain(&format!("{error:#}"));
        }
        watch.wait()?;
    }
}

fn init(arguments: &Test) -> anyhow::Result<Outcome> {
    let [folder] = arguments.paths.as_slice() else { bail!("--init writes into one folder; name one") };
    for file in volsync_policy_cases::init(folder, arguments.settings.as_deref())? {
        warn(&format!("{}: written", file.display()));
    }
    Ok(Outcome::Planned)
}

/// Reads the cases, passes them to `seen`, and runs them.
fn once(arguments: &Test, seen: &mut dyn FnMut(&Suite) -> anyhow::Result<()>) -> anyhow::Result<Outcome> {
    let Some(suite) = read(arguments) else { return Ok(Outcome::BadInput) };
    seen(&suite)?;
    if arguments.list {
        let mut out = anstream::stdout().lock();
        suite.cases().iter().try_for_each(|case| writeln!(out, "{}", case.title()))?;
        return Ok(Outcome::Planned);
    }
    suite.cases().iter().for_each(warn_of_real);
    let engines = engines(arguments)?;
    let engines: Vec<&dyn volsync_policy_engine::Engine> = engines.iter().map(AsRef::as_ref).collect();
    let report = suite.run(&engines);
    if !arguments.update || report.failed().next().is_none() {
        return print(arguments, &report);
    }
    accept(&report);
    // The report shows the files as they are now.
    read(arguments).map_or(Ok(Outcome::BadInput), |suite| print(arguments, &suite.run(&engines)))
}

/// Writes the answers into the files, and prints which files.
fn accept(report: &Report<'_>) {
    for updated in report.update() {
        match updated {
            Ok(Updated { file, expectations }) => {
                warn(&format!("{}: expectations written anew: {expectations}", file.display()));
            }
            Err(error) => complain(&format!("{error:#}")),
        }
    }
}

/// The cases that match the filter. If there are none, the reason is reported.
fn read(arguments: &Test) -> Option<Suite> {
    let read = Suite::read(&arguments.paths);
    let selected = read.and_then(|suite| match &arguments.filter {
        Some(filter) => suite.select(filter).map_err(|error| vec![error]),
        None => Ok(suite),
    });
    match selected {
        Ok(suite) => Some(suite),
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
    arguments.engine.iter().map(|engine| planner::engine(*engine, arguments.module.as_deref())).collect()
}

/// Reports a run, and returns how it ends.
fn print(arguments: &Test, report: &Report<'_>) -> anyhow::Result<Outcome> {
    if let Some(file) = &arguments.junit {
        std::fs::write(file, report.to_junit()).with_context(|| file.display().to_string())?;
    }
    match write(arguments, report) {
        // The reader has closed the pipe.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written?,
    }
    Ok(if report.failed().next().is_none() { Outcome::Planned } else { Outcome::Failed })
}

fn write(arguments: &Test, report: &Report<'_>) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    if arguments.output == TestOutput::Json {
        return writeln!(out, "{}", report.to_json());
    }
    report.write_text(&mut out, |case| again(arguments, case))?;
    if arguments.coverage {
        report.write_coverage(&mut out)?;
    }
    out.flush()
}

/// The command that runs only this case.
fn again(arguments: &Test, case: &Case) -> String {
    let file = case.file.display().to_string();
    let engines: Vec<String> = arguments.engine.iter().map(ToString::to_string).collect();
    let engines = engines.join(",");
    let mut words = vec!["volsync-policy", "test", &file, "--filter", &case.name];
    if arguments.engine != [Engine::Native] {
        words.extend(["--engine", &engines]);
    }
    // The name of a case contains no NUL, because YAML does not allow it.
    shlex::try_join(words).unwrap_or_default()
}
