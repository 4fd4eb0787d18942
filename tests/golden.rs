//! Every case of `tests/cases`, in every engine: the answer is the expected one, and the same to the byte.

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use volsync_policy_cases::Case;
use volsync_policy_tests::{engines, root};

fn main() -> ExitCode {
    let folder = root().join("tests/cases");
    let cases = match Case::read_all(&folder) {
        Ok(cases) if !cases.is_empty() => cases,
        Ok(_) => panic!("no case in {}", folder.display()),
        Err(error) => panic!("{error}"),
    };
    let trials = cases.into_iter().map(|case| trial(case, &folder)).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(case: Case, folder: &Path) -> Trial {
    let file = case.file.strip_prefix(folder).unwrap_or(&case.file).with_extension("");
    let name = format!("{}: {}", file.display(), case.name);
    Trial::test(name, move || {
        let mut first = None;
        for engine in engines() {
            let answer = case.run(engine).map_err(|error| format!("{}: {error}", engine.name()))?;
            case.check(&answer).map_err(|difference| format!("{}:\n{difference}", engine.name()))?;
            if *first.get_or_insert_with(|| answer.clone()) != answer {
                return Err(format!("{} gives other bytes than the first engine", engine.name()).into());
            }
        }
        Ok(())
    })
}
