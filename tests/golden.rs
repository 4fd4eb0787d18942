//! Runs every case in `tests/cases` in every engine. The answers are as expected, and the same to the byte.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use volsync_policy_cases::Fault;
use volsync_policy_tests::{cases, engines};

fn main() -> ExitCode {
    // The trials outlive this function.
    let suite = Box::leak(Box::new(cases()));
    let trials = suite.cases().iter().map(|case| {
        Trial::test(case.title(), || {
            let faults: String = case.run(&engines()).faults.iter().map(Fault::to_string).collect();
            if faults.is_empty() { Ok(()) } else { Err(faults.into()) }
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
