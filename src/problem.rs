//! Problems of an input: where the problem is, what it is, and what to write instead; never a value.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A problem of an input.
///
/// It never contains a value of a request or of credentials, because problems end up in logs. It may quote an
/// expression of a template in settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// Where the problem is: keys and indices from the root of the document, such as `settings.backup.retain` or
    /// `request.object.metadata.ownerReferences[0].kind`; empty where it concerns the whole document.
    pub path: String,
    /// What the problem is, in lower case, with names in backticks.
    pub message: String,
    /// What to write instead, where that can be said.
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

/// The path to `key` below `path`: `.key`, or `["key"]` where the key is not a plain word. Control characters are
/// escaped, because paths are printed to terminals.
pub fn keyed(path: &str, key: &str) -> String {
    let is_word = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match (path, is_word) {
        ("", true) => key.to_owned(),
        (_, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[\"{}\"]", key.escape_default()),
    }
}

/// The name in `names` that is most similar to `written`, where one is similar enough.
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|name| (strsim::osa_distance(&written.to_ascii_lowercase(), &name.to_ascii_lowercase()), name))
        .filter(|(distance, name)| *distance <= name.len().max(written.len()) / 3 + 1)
        .min()
        .map(|(_, name)| name)
}

/// What to write instead of a key that is not one of `names`.
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
