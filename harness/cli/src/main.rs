//! The `volsync-policy` command, which shows what the policy would do before it is used in a cluster.
//!
//! It reads documents, passes them to an engine and prints the result. It contains no rule of the policy.

mod args;
#[cfg(feature = "host")]
mod cluster;
mod diff;
#[cfg(feature = "host")]
mod doctor;
mod documents;
mod evidence;
mod explain;
mod export;
mod function;
mod generate;
#[cfg(feature = "host")]
mod hold;
#[cfg(feature = "host")]
mod host;
#[cfg(feature = "host")]
mod ledger;
#[cfg(feature = "host")]
mod look;
mod object;
mod outcome;
mod planner;
mod progress;
mod redact;
#[cfg(feature = "host")]
mod status;
#[cfg(feature = "host")]
mod table;
mod test;
#[cfg(feature = "host")]
mod undo;
mod watch;

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, FromArgMatches};

use crate::args::{Arguments, Command, Schema};
use crate::outcome::Outcome;

fn main() -> ExitCode {
    let matches = command().get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match run(arguments.command) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            outcome::complain(&format!("{error:#}"));
            Outcome::BadInput.into()
        }
    }
}

/// The command line. As a plugin, `kubectl volsync-policy` runs a file with this name.
fn command() -> clap::Command {
    let program = env::args_os().next().map(PathBuf::from);
    let name = program.as_deref().and_then(|program| program.file_stem()?.to_str());
    match name {
        Some("kubectl-volsync_policy") => Arguments::command().bin_name("kubectl volsync-policy"),
        _ => Arguments::command(),
    }
}

fn run(command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Function => function::run(),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Redact(arguments) => redact::run(&arguments),
        Command::Export { command } => export::run(&command),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        #[cfg(feature = "host")]
        Command::Host(arguments) => host::run(arguments),
        #[cfg(feature = "host")]
        Command::Status(arguments) => status::status(&arguments),
        #[cfg(feature = "host")]
        Command::Audit(arguments) => status::audit(&arguments),
        #[cfg(feature = "host")]
        Command::Doctor(arguments) => doctor::run(&arguments),
        #[cfg(feature = "host")]
        Command::Hold { command } => hold::run(&command),
        #[cfg(feature = "host")]
        Command::Look(arguments) => look::run(&arguments),
        #[cfg(feature = "host")]
        Command::Ledger { command } => ledger::run(command),
        #[cfg(feature = "host")]
        Command::Undo(arguments) => undo::run(&arguments),
        Command::Codes => print(volsync_policy::reference::reason_codes().as_bytes()),
        Command::Schema { of } => schema(of),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "volsync-policy", &mut script);
            print(&script)
        }
        Command::Man => {
            let mut page = Vec::new();
            let mut command = Arguments::command();
            command.build();
            clap_mangen::Man::new(command.clone()).render(&mut page)?;
            for part in command.get_subcommands().filter(|part| part.get_name() != "help") {
                clap_mangen::Man::new(part.clone()).render(&mut page)?;
            }
            print(&page)
        }
    }
}

fn schema(of: Schema) -> anyhow::Result<Outcome> {
    let of_the_policy = |name| {
        let found = volsync_policy::schema::all().into_iter().find(|(known, _)| *known == name);
        found.map(|(_, schema)| schema).context("no such schema")
    };
    let schema = match of {
        Schema::Evidence => of_the_policy("evidence")?,
        Schema::Host => of_the_policy("host")?,
        Schema::Inspection => of_the_policy("inspection")?,
        Schema::Plan => of_the_policy("plan")?,
        Schema::Reads => of_the_policy("reads")?,
        Schema::Report => volsync_policy_cases::report_schema(),
        Schema::Review => of_the_policy("review")?,
        Schema::Settings => of_the_policy("settings")?,
    };
    let mut text = serde_json::to_vec_pretty(&schema)?;
    text.push(b'\n');
    print(&text)
}

fn print(bytes: &[u8]) -> anyhow::Result<Outcome> {
    io::stdout().write_all(bytes)?;
    Ok(Outcome::Planned)
}
