//! Runs every test, and says which it could not run.

use std::process::ExitCode;

use crate::{browser, cargo, playground, setup, wasm};

/// The code of a run in which every test passed that could be run, and some could not.
const INCOMPLETE: u8 = 3;

/// The suites that need nothing but what is built here.
const SUITES: [&str; 9] =
    ["allocations", "artefacts", "conformance", "enumeration", "golden", "module", "package", "properties", "schema"];

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    setup::wasm()?;
    wasm::build()?;
    browser::build()?;
    playground::build()?;
    // The suites that need more, and whether it is there.
    let cluster = setup::cluster();
    if cluster {
        crate::run(&mut setup::cluster_command("build"))?;
    }
    let needy = [
        ("playground", "chromium", setup::chromium()),
        ("restic", "restic", setup::restic()),
        ("cluster", "what `cargo xtask cluster check` names", cluster),
    ];
    let apart = ["volsync-policy-tests", "xtask"].into_iter().chain((!cluster).then_some("volsync-policy-cluster"));
    let apart = apart.flat_map(|package| ["--exclude", package]);
    crate::run(cargo().args(["test", "--locked", "--workspace"]).args(apart))?;
    let (run, not_run): (Vec<_>, Vec<_>) = needy.into_iter().partition(|(_, _, is_there)| *is_there);
    // Where everything can be run no suite is named, so that none can be forgotten.
    let suites = SUITES.into_iter().chain(run.into_iter().map(|(suite, _, _)| suite)).filter(|_| !not_run.is_empty());
    let targets = suites.flat_map(|suite| ["--test", suite]);
    crate::run(cargo().args(["test", "--locked", "--package", "volsync-policy-tests"]).args(targets))?;
    for (suite, program, _) in &not_run {
        eprintln!(
            "NOT RUN: the suite `{suite}`, for want of {program}; install it, or run this as root where apt-get is"
        );
    }
    Ok(if not_run.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}
