//! Runs every test, and prints which it could not run.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::image::Machine;
use crate::{WORKSPACE, browser, cargo, image, in_words, output, playground, root, setup, wasm};

/// The exit code if every test that could be run passed, and some could not be run.
const INCOMPLETE: u8 = 3;

/// The suites on a real cluster. They mostly wait, so they run at the same time as the others.
const WAITING: [&str; 2] = ["fixture", "cluster"];

/// The suites that `--quick` leaves out, because they take long or need more than the module.
const LONG: [&str; 8] = ["cluster", "enumeration", "fixture", "ledger", "model", "package", "playground", "restic"];

/// The name of the tests that are not in a suite.
const EXAMPLES: &str = "the examples in the documentation";

/// The directory for the output of the waiting suites until they end.
const LOGS: &str = "target/suites";

/// A test program of one package, built by cargo.
struct Suite {
    /// The name of the integration test, or of the library or program with unit tests.
    name: String,
    /// The package's directory, in which its tests run.
    folder: PathBuf,
    program: PathBuf,
}

/// The result of a suite.
struct Ended {
    name: String,
    passed: bool,
    took: Duration,
}

/// Runs every suite that this machine can run. `quick` leaves out the long ones.
pub(crate) fn run(quick: bool) -> anyhow::Result<ExitCode> {
    setup::wasm()?;
    wasm::build()?;
    let missing = if quick { Vec::new() } else { prepare()? };
    let mut suites = suites()?;
    let is_left_out = |name: &str| quick && LONG.contains(&name) || missing.iter().any(|(suite, _)| *suite == name);
    suites.retain(|suite| !is_left_out(&suite.name));
    let (waiting, computing): (Vec<_>, Vec<_>) =
        suites.iter().partition(|suite| WAITING.contains(&suite.name.as_str()));
    let mut ended = thread::scope(|scope| {
        let waiting = scope.spawn(|| waiting.into_iter().map(Suite::run_aside).collect::<Vec<_>>());
        let mut ended: Vec<_> = computing.into_iter().map(Suite::run).collect();
        ended.extend(waiting.join().unwrap_or_default());
        ended
    });
    if !quick {
        ended.push(examples());
    }
    println!("\nSuites, and how long each took:");
    for Ended { name, passed, took } in &ended {
        println!("{:>7.1} s  {name}{}", took.as_secs_f64(), if *passed { "" } else { ": FAILED" });
    }
    if quick {
        println!("NOT RUN, for it would not be quick: {}, and {EXAMPLES}", LONG.join(", "));
    }
    for (suite, program) in &missing {
        eprintln!(
            "NOT RUN: the suite `{suite}`, for want of {program}; install it, or run this as root where apt-get is"
        );
    }
    Ok(match (ended.iter().all(|suite| suite.passed), missing.is_empty()) {
        (false, _) => ExitCode::FAILURE,
        (true, true) => ExitCode::SUCCESS,
        (true, false) => ExitCode::from(INCOMPLETE),
    })
}

/// Builds and installs what the suites need in addition to the module. Returns the suites that cannot be run, each with
/// what it needs.
fn prepare() -> anyhow::Result<Vec<(&'static str, &'static str)>> {
    browser::build()?;
    playground::build()?;
    let cluster = setup::cluster();
    let image = setup::compiler(Machine::this()?)?;
    if cluster && image {
        crate::run(&mut setup::cluster_command("build")?)?;
        image::build()?;
    }
    let check = "what `cargo xtask cluster check` names";
    let restic = setup::restic();
    let needy = [
        ("playground", "chromium", setup::chromium()),
        ("ledger", "restic", restic),
        ("restic", "restic", restic),
        ("cluster", check, cluster),
        ("cluster", "musl-gcc", image),
        ("fixture", check, cluster),
    ];
    Ok(needy.into_iter().filter(|(_, _, is_there)| !is_there).map(|(suite, program, _)| (suite, program)).collect())
}

/// Builds every test program of the workspace, in the order in which they are run.
fn suites() -> anyhow::Result<Vec<Suite>> {
    let mut build = cargo();
    build.args(["test", "--no-run", "--message-format=json-render-diagnostics"]).args(WORKSPACE);
    eprintln!("› {}", in_words(&build));
    let messages = output(build.stderr(Stdio::inherit()))?;
    let mut suites = Vec::new();
    for message in String::from_utf8_lossy(&messages).lines() {
        suites.extend(Suite::of(&serde_json::from_str(message)?));
    }
    suites.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(suites)
}

/// Runs the examples in the documentation.
fn examples() -> Ended {
    timed(EXAMPLES, || {
        crate::run(cargo().args(["test", "--doc"]).args(WORKSPACE))?;
        Ok(true)
    })
}

impl Suite {
    /// The suite in one of cargo's messages. None if the message is about something else.
    fn of(message: &Value) -> Option<Self> {
        message.pointer("/profile/test")?.as_bool().filter(|is_test| *is_test)?;
        let program = PathBuf::from(message.get("executable")?.as_str()?);
        let folder = Path::new(message.get("manifest_path")?.as_str()?).parent()?.to_owned();
        let name = match message.pointer("/target/kind/0")?.as_str()? {
            "test" => message.pointer("/target/name")?.as_str()?.to_owned(),
            _ => {
                let source = Path::new(message.pointer("/target/src_path")?.as_str()?);
                format!("unit tests of {}", source.strip_prefix(root()).unwrap_or(source).display())
            }
        };
        Some(Suite { name, folder, program })
    }

    /// Runs the suite in the package's directory, as cargo would. Its priority is low, so that the suites that mostly
    /// wait go first.
    fn run(&self) -> Ended {
        let mut command = Command::new("nice");
        command.arg(&self.program).current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        timed(&self.name, || {
            eprintln!("› {}: {}", self.name, self.program.display());
            Ok(command.status()?.success())
        })
    }

    /// Runs the suite at the same time as others, and prints its output at the end.
    fn run_aside(&self) -> Ended {
        timed(&self.name, || {
            fs::create_dir_all(LOGS)?;
            let log = Path::new(LOGS).join(&self.name);
            let output = File::create(&log)?;
            eprintln!("› {}: beside the others; what it prints is in {} until it ends", self.name, log.display());
            let mut command = Command::new(&self.program);
            command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
            let status = command.stdout(output.try_clone()?).stderr(output).status()?;
            print!("{}", fs::read_to_string(&log)?);
            Ok(status.success())
        })
    }
}

/// Runs a suite, and measures the time that it takes.
fn timed(name: &str, run: impl FnOnce() -> anyhow::Result<bool>) -> Ended {
    let start = Instant::now();
    let passed = run().unwrap_or_else(|error| {
        eprintln!("{name}: {error:#}");
        false
    });
    Ended { name: name.to_owned(), passed, took: start.elapsed() }
}
