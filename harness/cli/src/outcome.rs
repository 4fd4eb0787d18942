//! How a command ends: exit codes, and messages on standard error.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::LazyLock;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// How a command ends. Of several outcomes, the last in this order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// Everything was planned, or every test passed.
    Planned,
    /// Other settings change something, and no claim is in danger.
    Differs,
    /// Other settings endanger a claim.
    Endangered,
    /// The policy refused a claim, or could not make its Secret.
    Refused,
    /// A policy test failed.
    Failed,
    /// A store cannot have a ledger, or its ledger differs from what it should be.
    #[cfg_attr(not(feature = "host"), expect(dead_code, reason = "only the commands of the host look at a store"))]
    Unsound,
    /// Something could not be read.
    BadInput,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        ExitCode::from(match outcome {
            Outcome::Planned => 0,
            Outcome::Refused | Outcome::Failed | Outcome::Endangered | Outcome::Unsound => 1,
            Outcome::BadInput => 2,
            Outcome::Differs => 3,
        })
    }
}

/// Prints an error.
pub(crate) fn complain(message: &str) {
    say(ERROR, "error", [message]);
}

/// Prints a warning.
pub(crate) fn warn(message: &str) {
    say(WARNING, "note", [message]);
}

/// Prints several warnings at once.
pub(crate) fn warn_of_all(messages: &[String]) {
    say(WARNING, "note", messages);
}

fn say(style: Style, word: &str, messages: impl IntoIterator<Item = impl Display>) {
    static IS_PLAIN: LazyLock<bool> = LazyLock::new(|| AutoStream::choice(&io::stderr()) == ColorChoice::Never);
    let (on, off) = if *IS_PLAIN { (Style::new(), Style::new()) } else { (style, style) };
    let lines: String = messages.into_iter().map(|message| format!("{on}{word}{off:#}: {message}\n")).collect();
    // Each message is written with one call, because parts could mix with the output of other processes, and each call
    // costs time. If standard error is closed, nobody reads it, so errors are ignored.
    drop(io::stderr().write_all(lines.as_bytes()));
}
