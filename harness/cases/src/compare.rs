//! The differences between an answer and what is expected of it.

use std::fmt;

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::credentials::{Credentials, decoded};
use crate::expect::{Expect, Expected};

/// A difference between the answer and an expectation.
pub struct Difference {
    /// The key of the expectation under `expect`; for those under `at`, that key.
    pub(crate) field: &'static str,
    /// The place in the answer, as a JSON pointer.
    pub pointer: String,
    /// What is wrong, to be printed.
    pub lines: Vec<Line>,
    /// The value in the answer, in the form of an expectation. It may contain credentials. None if it cannot be
    /// expected.
    pub(crate) found: Option<Value>,
}

/// A line of a difference. It contains no credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A line that is expected, and is not in the answer.
    Expected(String),
    /// A line that is in the answer, and is not expected.
    Found(String),
    /// A line that is in the answer, as expected.
    Same(String),
    /// A remark for the reader.
    Note(String),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Expected(text) => write!(f, "- {text}"),
            Line::Found(text) => write!(f, "+ {text}"),
            Line::Same(text) => write!(f, "  {text}"),
            Line::Note(text) => f.write_str(text),
        }
    }
}

impl Difference {
    /// The name of the expectation: its key, or the pointer.
    pub fn name(&self) -> &str {
        if self.field == "at" { &self.pointer } else { self.field }
    }
}

/// Compares every expectation, and returns every difference.
pub(crate) fn differences(expect: &Expect, answer: &Value, credentials: &Credentials) -> Vec<Difference> {
    expect
        .all()
        .filter_map(|expected| difference(expected, expect.except(expected.field), answer, credentials))
        .collect()
}

fn difference(
    expected: Expected<'_>,
    except: &[String],
    answer: &Value,
    credentials: &Credentials,
) -> Option<Difference> {
    let Expected { field, pointer, value } = expected;
    let differs = |lines, found| Some(Difference { field, pointer: pointer.to_owned(), lines, found });
    let Some(mut found) = found(field, pointer, answer) else {
        return differs(vec![Line::Note("the answer has no such place".to_owned())], None);
    };
    let missed: Vec<&str> = except.iter().map(String::as_str).filter(|place| !remove(&mut found, place)).collect();
    if !missed.is_empty() {
        let note = |place: &&str| Line::Note(format!("except: {place}: the answer has nothing there to leave out"));
        return differs(missed.iter().map(note).collect(), None);
    }
    if found == *value { None } else { differs(diff(pointer, value, &found, credentials), Some(found)) }
}

/// The value in the answer that an expectation is compared with.
fn found(field: &str, pointer: &str, answer: &Value) -> Option<Value> {
    let found = answer.pointer(pointer)?;
    let of_notes = |key: &str| {
        let notes = found.as_array()?;
        Some(notes.iter().map(|note| note.get(key).cloned().unwrap_or_default()).collect())
    };
    match field {
        "secret" => Some(decoded(found)),
        "notes" => of_notes("code"),
        "messages" => of_notes("message"),
        _ => Some(found.clone()),
    }
}

/// Removes the value at a pointer, and returns whether there was one. Items of lists are not removed, because the other
/// items would move up.
fn remove(value: &mut Value, pointer: &str) -> bool {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return false };
    let parent = value.pointer_mut(parent).and_then(Value::as_object_mut);
    parent.is_some_and(|parent| parent.remove(&key.replace("~1", "/").replace("~0", "~")).is_some())
}

/// The difference between two values as lines of YAML, with a few unchanged lines around each change.
pub(crate) fn diff(pointer: &str, expected: &Value, found: &Value, credentials: &Credentials) -> Vec<Line> {
    const CONTEXT: usize = 3;
    let (mut expected, mut found) = (expected.clone(), found.clone());
    credentials.mask(pointer, Some(&mut expected), Some(&mut found));
    let (expected, found) = (to_yaml(&expected), to_yaml(&found));
    let diff = TextDiff::from_lines(&expected, &found);
    let mut lines = Vec::new();
    for (index, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if index > 0 {
            lines.push(Line::Note("…".to_owned()));
        }
        for change in group.iter().flat_map(|operation| diff.iter_changes(operation)) {
            let text = change.value().trim_end_matches('\n').to_owned();
            lines.push(match change.tag() {
                ChangeTag::Delete => Line::Expected(text),
                ChangeTag::Insert => Line::Found(text),
                ChangeTag::Equal => Line::Same(text),
            });
        }
    }
    if lines.is_empty() {
        lines.push(Line::Note("a credential differs".to_owned()));
    }
    lines
}

/// A value as YAML, with a newline at the end.
pub(crate) fn to_yaml(value: &Value) -> String {
    // Text of several lines is written as a block, and long lines are never folded.
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    let yaml = serde_saphyr::to_string_with_options(value, options).unwrap_or_else(|_| value.to_string());
    format!("{}\n", yaml.trim_end_matches('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer() -> Value {
        json!({
            "verdict": {"code": "NoEvidence", "problem": null},
            "patch": [],
            "notes": [{"code": "A", "message": "It is so."}],
            "manifests": {"source": {"object": {"kind": "S", "spec": {"a": 1, "b": [1, 2], "c/d": 3}}}},
        })
    }

    fn check(expect: &str) -> Vec<String> {
        let expect: Expect = serde_saphyr::from_str(expect).unwrap();
        expect.check().unwrap();
        let answer = answer();
        let differences = differences(&expect, &answer, &Credentials::of(&Value::Null, [&answer]));
        let text = |it: &Difference| it.lines.iter().map(Line::to_string).collect::<Vec<_>>().join("\n");
        differences.iter().map(|it| format!("{}:\n{}", it.name(), text(it))).collect()
    }

    #[test]
    fn expectations_are_compared_and_null_can_be_expected() {
        assert_eq!(check("{code: NoEvidence, patch: [], notes: [A], messages: [It is so.], problem: null}"), [""; 0]);
        for wrong in ["code: Ungated", "patch: null", "notes: []", "messages: [A]", "at: {/verdict/code: null}"] {
            assert_eq!(check(wrong).len(), 1, "{wrong}");
        }
        assert_eq!(check("{code: Ungated, notes: [], answer: null}").len(), 3, "every difference is told");
    }

    #[test]
    fn an_expectation_about_a_missing_place_fails() {
        for wrong in ["destination: null", "secret: null", "at: {/no/such: null}", "problems: []", "message: null"] {
            assert!(check(wrong).concat().ends_with("the answer has no such place"), "{wrong}");
        }
    }

    #[test]
    fn a_manifest_is_compared_without_its_exceptions() {
        let source = |spec: &str, except: &str| {
            check(&format!("{{source: {{kind: S, spec: {spec}}}, except: {{source: {except}}}}}"))
        };
        assert_eq!(source("{b: [1, 2]}", "[/spec/a, /spec/c~1d]"), [""; 0]);
        assert_eq!(source("{a: 1, b: [1, 2]}", "[/spec/c~1d]"), [""; 0]);
        assert_eq!(source("{b: [1, 3]}", "[/spec/a, /spec/c~1d]").len(), 1, "the rest is compared");
        assert_eq!(source("{b: [1, 2], x: 1}", "[/spec/a, /spec/c~1d]").len(), 1, "and is compared whole");
    }

    #[test]
    fn an_exception_for_a_missing_part_fails() {
        for nothing in ["/spec/e", "/spec/a/b", "/spec/b/0", "/x/y"] {
            let found = check(&format!("{{source: {{kind: S}}, except: {{source: [/spec, {nothing}]}}}}"));
            assert!(found.concat().contains("the answer has nothing there to leave out"), "{nothing}: {found:?}");
        }
    }

    #[test]
    fn a_difference_shows_the_change_and_the_lines_around_it() {
        let found = check("{source: {kind: S, spec: {a: 1, b: [1, 3], c/d: 3}}, code: X}");
        assert_eq!(
            found,
            ["code:\n- X\n+ NoEvidence", "source:\n    a: 1\n    b:\n    - 1\n-   - 3\n+   - 2\n    c/d: 3"]
        );
    }
}
