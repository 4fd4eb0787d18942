//! The reference page of the reason codes, `docs/reason-codes.md`, and what a person is told about accepting a hold.

use std::fmt::Write as _;

use crate::code::{Acceptance, Code};
use crate::names;

/// The longest line of prose.
const WIDTH: usize = 120;

const INTRODUCTION: &str = "\
# Reason codes

<!-- `cargo xtask docs` writes this page from src/code.rs. -->

Every plan has one code: why it is as it is. The codes stand here in the order in which the decision comes to them;
the first whose condition holds is the one. `volsync-policy explain CODE` prints one of them.

## How a hold is accepted

What holds something back has a way out. Where a person may accept it instead, the plan names the hold
(`verdict.hold`), and the claim is annotated with that name and with the reason:
";

const AFTERWARDS: &str = "\
The name follows from the claim, the code, and what must not have changed since the person looked. Once that changes,
the hold has another name and stands again. Several are accepted at once with commas between their names, and no blanks.

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

/// Whether a person may accept the code, in a sentence.
pub fn acceptance(code: Code) -> &'static str {
    match (code.acceptance(), code.way_out()) {
        (Acceptance::Possible, _) => "a person may accept it.",
        (Acceptance::None, Some(_)) => "nobody can accept it.",
        (Acceptance::None, None) => "there is nothing to accept.",
    }
}

/// The command by which a person accepts a hold of the claim `namespace`/`name`; they have yet to write the reason.
pub fn accept_command(namespace: &str, name: &str, hold: &str) -> String {
    let key = names::ACCEPT;
    format!("kubectl annotate pvc {name} -n {namespace} {key}=\"{hold} <reason>\"")
}

/// A paragraph in lines that are not too long. What stands in backticks stays on one line.
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

/// Words, with those between backticks in one.
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
