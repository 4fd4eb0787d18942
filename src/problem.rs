//! What is wrong with an input: where it stands, what is wrong there, what to write instead. Never a value.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing wrong with an input.
///
/// No part of it holds a value of a request or of credentials: an error ends up in logs. Of settings it may quote a
/// template's expression.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// Where: keys and indices from the root of the document, as in `settings.backup.retain` or
    /// `request.object.metadata.ownerReferences[0].kind`; empty where it is the whole document.
    pub path: String,
    /// What is wrong, lower case, names in backticks.
    pub message: String,
    /// What to write instead, where there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Problem { path: path.into(), message: message.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message)?,
            path => write!(f, "{path}: {}", self.message)?,
        }
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

/// The path to `key` below `path`: `.key`, or `["key"]` where the key is no plain word. Control characters are
/// escaped: a path ends up on a terminal.
pub fn keyed(path: &str, key: &str) -> String {
    let is_word = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match (path, is_word) {
        ("", true) => key.to_owned(),
        (_, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[\"{}\"]", key.escape_default()),
    }
}

/// The name in `names` that was most likely meant by `written`.
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|name| (strsim::osa_distance(&written.to_ascii_lowercase(), &name.to_ascii_lowercase()), name))
        .filter(|(distance, name)| *distance <= name.len().max(written.len()) / 3 + 1)
        .min()
        .map(|(_, name)| name)
}

/// What to write instead of a key that is none of `names`.
pub(crate) fn known_key(written: &str, names: &[&str]) -> String {
    match nearest(written, names.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("known here: {}", names.join(", ")),
    }
}

/// `a`, `b` or `c`, in backticks.
pub(crate) fn one_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_a_stranger_is_not() {
        let names = ["retain", "schedules", "cacheCapacity"];
        assert_eq!(nearest("retian", names), Some("retain"));
        assert_eq!(nearest("cachecapacity", names), Some("cacheCapacity"));
        assert_eq!(nearest("moverAffinity", names), None);
    }

    #[test]
    fn names_are_listed_as_a_sentence_would() {
        assert_eq!(one_of([]), "");
        assert_eq!(one_of(["a"]), "`a`");
        assert_eq!(one_of(["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
