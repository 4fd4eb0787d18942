//! Where an answer differs from what is expected of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use similar::{ChangeTag, TextDiff};

use crate::{Answer, Expect};

/// Compares all that is expected; collects every difference.
pub(crate) fn check(expect: &Expect, answer: &Answer) -> Result<(), String> {
    let (bytes, is_refused) = match answer {
        Answer::Given(bytes) => (bytes.as_slice(), false),
        Answer::Refused(problems) => (problems.as_bytes(), true),
    };
    let answer: Value = serde_json::from_slice(bytes).map_err(|_| "the answer is not JSON".to_owned())?;
    if is_refused && expect.problems.is_none() {
        return Err(format!("the payload was refused:\n{}", pretty(&answer)));
    }
    let fields = [
        (&expect.code, "/verdict/code"),
        (&expect.admission, "/verdict/admission"),
        (&expect.restore, "/verdict/restore"),
        (&expect.backup, "/verdict/backup"),
        (&expect.problem, "/verdict/problem"),
        (&expect.patch, "/patch"),
        (&expect.needs, "/manifests/secret/needs"),
        (&expect.destination, "/manifests/destination/object"),
        (&expect.source, "/manifests/source/object"),
        (&expect.steps, "/steps"),
        (&expect.problems, "/problems"),
        (&expect.answer, ""),
    ];
    let mut differences: Vec<String> = fields
        .into_iter()
        .filter_map(|(expected, pointer)| Some((expected.as_ref()?, pointer)))
        .chain(expect.at.iter().map(|(pointer, expected)| (expected, pointer.as_str())))
        .filter_map(|(expected, pointer)| difference(pointer, expected, answer.pointer(pointer)))
        .collect();
    if let Some(expected) = &expect.secret {
        let secret = answer.pointer("/manifests/secret/object").map(decoded);
        differences.extend(difference("/manifests/secret/object", expected, secret.as_ref()));
    }
    if let Some(expected) = &expect.notes {
        let notes = answer.pointer("/notes").and_then(Value::as_array).map(|notes| {
            Value::Array(notes.iter().map(|note| note.get("code").cloned().unwrap_or_default()).collect())
        });
        differences.extend(difference("/notes/*/code", expected, notes.as_ref()));
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n")) }
}

fn difference(pointer: &str, expected: &Value, found: Option<&Value>) -> Option<String> {
    let Some(found) = found else { return Some(format!("{pointer}: the answer has no such place")) };
    if found == expected {
        return None;
    }
    let (expected, found) = (pretty(expected), pretty(found));
    let lines: String = TextDiff::from_lines(&expected, &found)
        .iter_all_changes()
        .map(|change| {
            let sign = match change.tag() {
                ChangeTag::Delete => "- expected ",
                ChangeTag::Insert => "+ found    ",
                ChangeTag::Equal => "           ",
            };
            format!("{sign}{}", change.value())
        })
        .collect();
    Some(format!("{pointer}:\n{lines}"))
}

/// A Secret with its `data` decoded as `stringData`.
fn decoded(secret: &Value) -> Value {
    let mut secret = secret.clone();
    let data = secret.as_object_mut().and_then(|secret| secret.remove("data"));
    let text = |value: &Value| {
        let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default();
        Value::String(String::from_utf8_lossy(&bytes).into_owned())
    };
    if let Some(Value::Object(data)) = data {
        let values: Map<String, Value> = data.iter().map(|(key, value)| (key.clone(), text(value))).collect();
        secret.as_object_mut().into_iter().for_each(|secret| {
            secret.insert("stringData".to_owned(), Value::Object(values.clone()));
        });
    }
    secret
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
