//! The tasks of this repository. `cargo xtask test` works on a bare machine.

mod bench;
mod browser;
mod check;
mod circles;
mod image;
mod mutants;
mod playground;
mod release;
mod sbom;
mod setup;
mod test;
mod wasm;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use serde_json::Value;

/// The tasks of this repository
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what the tests need, build the module, run every test
    Test {
        /// Leave out what takes long or needs more than the module, and print what was left out: under a minute, once
        /// built
        #[arg(long)]
        quick: bool,
    },
    /// Run the command with all features, as the tests build it: `cargo xtask run test tests/cases`
    Run {
        /// The arguments of `volsync-policy`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Build the module, as two Kubewarden policies, as an npm package and as a page, into target/wasm
    Wasm,
    /// Build the command as one static program, and an image with it for a cluster, into target/oci
    Image,
    /// Build everything that a release consists of, into target/release-files
    Release {
        /// Build it in a checkout with changes and of a version that the changelog calls unreleased, too
        #[arg(long)]
        rehearsal: bool,
    },
    /// Build the playground, and serve it on this machine
    Playground {
        /// The port; 0 for a free one
        #[arg(long, default_value_t = 8080)]
        port: u16,
    },
    /// Start a real Kubernetes with a real VolSync on this machine: check, build, up, sh, helm, down
    Cluster {
        /// The subcommand and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure the policy and what a user might use instead: harness/bench/RESULTS.md
    Bench {
        /// Only these parts, without writing the file: calls, counts, rivals, kyverno, growth
        #[arg(long, value_name = "PARTS")]
        only: Option<String>,
    },
    /// Check format, lints, documentation, licences and sources
    Check,
    /// Write the generated files again: docs/schema, docs/reason-codes.md, and what the chart knows of settings
    Docs,
    /// Mutate the core, and write the mutants that no test notices to tests/mutants.txt
    Mutants {
        /// Only the lines that `git diff BASE` touches, without writing the file
        #[arg(long, value_name = "BASE")]
        diff: Option<String>,
    },
}

fn main() -> ExitCode {
    match carry_out() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out() -> anyhow::Result<ExitCode> {
    env::set_current_dir(root())?;
    match Arguments::parse().task {
        Task::Test { quick } => test::run(quick),
        Task::Run { arguments } => {
            let status = program("volsync-policy")?.args(arguments).status()?;
            Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
        }
        Task::Wasm => {
            setup::wasm()?;
            wasm::build()?;
            browser::build()?;
            playground::build()?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Image => {
            setup::wasm()?;
            wasm::build()?;
            image::build()?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Release { rehearsal } => {
            release::build(rehearsal)?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Playground { port } => {
            setup::wasm()?;
            browser::build()?;
            playground::build()?;
            playground::serve(port)?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Cluster { arguments } => {
            let (what, with) =
                arguments.split_first().map_or(("--help", &[][..]), |(what, with)| (what.as_str(), with));
            run(setup::cluster_command(what)?.args(with))?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Bench { only } => {
            setup::wasm()?;
            wasm::build()?;
            browser::build()?;
            bench::measure(only.as_deref())?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Check => {
            setup::wasm()?;
            check::run()?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Docs => {
            docs()?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Mutants { diff } => mutants::run(diff.as_deref()),
    }
}

/// Writes the generated files, each of which the command prints. Helm checks settings with the schema of its values,
/// and finds their defaults in a file of the chart.
fn docs() -> anyhow::Result<()> {
    let files: [(&[&str], &str); 9] = [
        (&["schema", "evidence"], "docs/schema/evidence.json"),
        (&["schema", "host"], "docs/schema/host.json"),
        (&["schema", "inspection"], "docs/schema/inspection.json"),
        (&["schema", "plan"], "docs/schema/plan.json"),
        (&["schema", "reads"], "docs/schema/reads.json"),
        (&["schema", "report"], "docs/schema/report.json"),
        (&["schema", "review"], "docs/schema/review.json"),
        (&["schema", "settings"], "docs/schema/settings.json"),
        (&["codes"], "docs/reason-codes.md"),
    ];
    std::fs::create_dir_all("docs/schema")?;
    for (arguments, file) in files {
        let command = ["run", "--quiet", "--package", "volsync-policy-cli", "--"];
        std::fs::write(file, output(cargo().args(command).args(arguments))?)?;
    }
    let values = "harness/host/chart/values.schema.json";
    let mut schema: Value = serde_json::from_slice(&std::fs::read(values)?)?;
    let mut settings: Value = serde_json::from_slice(&std::fs::read("docs/schema/settings.json")?)?;
    let of_chart = settings["properties"].as_object().context("settings have no keys")?.iter();
    let defaults: Value = of_chart.map(|(key, schema)| (key.clone(), schema["default"].clone())).collect();
    std::fs::write("harness/host/chart/files/defaults.json", serde_json::to_string_pretty(&defaults)? + "\n")?;
    settings["$id"] = "settings.json".into();
    schema["$defs"]["settings"] = settings;
    Ok(std::fs::write(values, serde_json::to_string_pretty(&schema)? + "\n")?)
}

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(Path::to_owned).unwrap_or_default()
}

/// Every package at once. For only some of them, cargo would compile their dependencies again, with the features that
/// only these packages ask for.
const WORKSPACE: [&str; 4] =
    ["--locked", "--workspace", "--features", "volsync-policy-cli/host,volsync-policy-host/failpoints"];

/// A program of the workspace, built as for the tests.
fn program(name: &str) -> anyhow::Result<Command> {
    run(cargo().args(["build", "--quiet", "--profile", "test"]).args(WORKSPACE).args(["--bin", name]))?;
    Ok(Command::new(root().join("target/debug").join(name)))
}

/// The cargo that runs this program.
fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a command, which prints its own errors.
fn run(command: &mut Command) -> anyhow::Result<()> {
    run_to(command, &[0])
}

/// Runs a command that may end with any of these exit codes.
fn run_to(command: &mut Command, codes: &[i32]) -> anyhow::Result<()> {
    let words = in_words(command);
    eprintln!("› {words}");
    let status = command.status().with_context(|| words.clone())?;
    if !status.code().is_some_and(|code| codes.contains(&code)) {
        bail!("{words}: {status}");
    }
    Ok(())
}

/// The output of a command.
fn output(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let words = in_words(command);
    let output = command.output().with_context(|| words.clone())?;
    if !output.status.success() {
        bail!("{words}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}

/// Whether a command exists and succeeds.
fn works(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

fn in_words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
