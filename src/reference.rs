//! The reference page of the reason codes, `docs/reason-codes.md`, and the texts about accepting a hold.

use std::fmt::Write as _;

use crate::code::{Acceptance, Code};
use crate::names;

/// The longest line of prose.
const WIDTH: usize = 120;

const INTRODUCTION: &str = "\
# Reason codes

<!-- `cargo xtask docs` writes this page from src/code.rs. -->

Every plan has one reason code. The codes are listed in the order in which the decision checks them: the first whose
condition holds is the plan's. `volsync-policy explain CODE` prints one of them.

## How a hold is accepted

A hold keeps back a backup or a restore. Every hold has a way out. Where a person may accept the hold instead, the plan
contains its id (`verdict.hold`), and the person annotates the claim with that id and the reason:
";

const AFTERWARDS: &str = "\
The id is derived from the claim, the code, and the facts that must not have changed since the person looked. Once they
change, the hold has another id and is no longer accepted. Separate several ids with commas, without blanks.

## The codes
";

/// `docs/reason-codes.md`.
pub fn reason_codes() -> String {
    let command = accept_command("NAMESPACE", "NAME", "<hold-id>");
    let mut page = format!("{INTRODUCTION}\n```sh\n{command}\n```\n\n{AFTERWARDS}");
    for code in Code::ALL {
        let way_out = code.way_out().map(|way_out| format!("**Way out:** {way_out}"));
        let acceptance = format!("**Acceptance:** {}", acceptance(code));
        let paragraphs = [Some(code.sentence().to_owned()), way_out, Some(acceptance)];
        // Writing to a string does not fail.
        let _ = write!(page, "\n### {}\n", code.as_str());
        for paragraph in paragraphs.into_iter().flatten() {
            let _ = write!(page, "\n{}\n", wrapped(&paragraph));
        }
    }
    page
}

/// Whether a person may accept the hold, in a sentence.
pub fn acceptance(code: Code) -> &'static str {
    match (code.acceptance(), code.way_out()) {
        (Acceptance::Possible, _) => "a person may accept it.",
        (Acceptance::None, Some(_)) => "nobody can accept it.",
        (Acceptance::None, None) => "there is nothing to accept.",
    }
}

/// The command with which a person accepts a hold of the claim `namespace`/`name`, with a placeholder for the reason.
pub fn accept_command(namespace: &str, name: &str, hold: &str) -> String {
    let key = names::ACCEPT;
    format!("kubectl annotate --overwrite pvc {name} -n {namespace} {key}=\"{hold} <reason>\"")
}

/// Wraps a paragraph. Text in backticks stays on one line.
fn wrapped(paragraph: &str) -> String {
    let mut lines = vec![String::new()];
    for chunk in chunks(paragraph) {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(&chunk),
            Some(line) if line.chars().count() + 1 + chunk.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(&chunk);
            }
            Some(_) | None => lines.push(chunk),
        }
    }
    lines.join("\n")
}

/// The words of a paragraph; text in backticks is one word.
fn chunks(paragraph: &str) -> Vec<String> {
    let mut chunks: Vec<String> = Vec::new();
    for word in paragraph.split(' ') {
        match chunks.last_mut().filter(|chunk| chunk.matches('`').count() % 2 == 1) {
            Some(open) => {
                open.push(' ');
                open.push_str(word);
            }
            None => chunks.push(word.to_owned()),
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_too_long_and_no_word_is_lost() {
        let page = reason_codes();
        for code in Code::ALL {
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
            assert!(words(&page).contains(&words(code.sentence())), "{code:?}");
        }
        assert!(page.lines().all(|line| line.chars().count() <= WIDTH), "{page}");
    }

    #[test]
    fn what_stands_in_backticks_stays_on_one_line() {
        let text = format!("{} `b c` d", "a".repeat(WIDTH - 4));
        assert_eq!(wrapped(&text), format!("{}\n`b c` d", "a".repeat(WIDTH - 4)));
    }
}
