//! How a command ends: exit codes, and what is said on standard error.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::LazyLock;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// How a command ends; of several outcomes the last in this order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// Everything that was asked for was planned, or passed.
    Planned,
    /// Other settings do other things, and no claim is worse off.
    Differs,
    /// Other settings endanger a claim.
    Endangered,
    /// The policy refused a claim, or could not make its Secret.
    Refused,
    /// A policy test failed.
    Failed,
    /// Something could not be read.
    BadInput,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        ExitCode::from(match outcome {
            Outcome::Planned => 0,
            Outcome::Refused | Outcome::Failed | Outcome::Endangered => 1,
            Outcome::BadInput => 2,
            Outcome::Differs => 3,
        })
    }
}

/// Says what went wrong.
pub(crate) fn complain(message: &str) {
    say(ERROR, "error", [message]);
}

/// Says what a person should know.
pub(crate) fn warn(message: &str) {
    say(WARNING, "note", [message]);
}

/// Says all that a person should know, at once.
pub(crate) fn warn_of_all(messages: &[String]) {
    say(WARNING, "note", messages);
}

fn say(style: Style, word: &str, messages: impl IntoIterator<Item = impl Display>) {
    static IS_PLAIN: LazyLock<bool> = LazyLock::new(|| AutoStream::choice(&io::stderr()) == ColorChoice::Never);
    let (on, off) = if *IS_PLAIN { (Style::new(), Style::new()) } else { (style, style) };
    let lines: String = messages.into_iter().map(|message| format!("{on}{word}{off:#}: {message}\n")).collect();
    // Lines are written as a whole: pieces would mix with those of others, and each costs a call of the system.
    // Where standard error is gone there is nobody left to tell.
    drop(io::stderr().write_all(lines.as_bytes()));
}
