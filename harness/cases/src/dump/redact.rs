//! Removes the values of the Secrets in a dump.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::look::is_taken_out;

/// Annotations in which tools keep a copy of the object that they applied.
pub(super) const COPIES: [&str; 4] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "banzaicloud.com/last-applied",
    "kapp.k14s.io/original",
    "objectset.rio.cattle.io/applied",
];

/// A shorter value may be in an annotation by chance.
pub(super) const SHORTEST_VALUE: usize = 6;

/// Removes the values of every Secret in a document, wherever it is: each value in `data` and `stringData` becomes
/// null. `metadata.managedFields` is removed, and so is each annotation that contains a copy of the object or one of
/// its values. Nothing else changes. A Secret with stand-ins in place of its values stays as it is.
pub fn redact(document: &mut Value) {
    redact_as(None, document);
}

/// Redacts a value that has this kind unless it names another: the API server leaves the kind out of the items of a
/// list.
fn redact_as(kind: Option<&str>, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let of_its_own = fields.get("kind").and_then(Value::as_str).map(str::to_owned);
            let kind = of_its_own.as_deref().or(kind);
            if kind == Some("Secret") && !is_taken_out(fields) {
                redact_secret(fields);
            }
            let of_items = kind.and_then(|kind| kind.strip_suffix("List")).filter(|kind| !kind.is_empty());
            for (key, value) in fields {
                redact_as(of_items.filter(|_| key == "items"), value);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| redact_as(kind, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn redact_secret(secret: &mut Map<String, Value>) {
    let mut values = Vec::new();
    for field in ["data", "stringData"] {
        match secret.get_mut(field) {
            Some(Value::Object(entries)) => {
                for value in entries.values_mut() {
                    values.extend(forms(&value.take()));
                }
            }
            Some(other) => *other = Value::Null,
            None => {}
        }
    }
    let Some(Value::Object(metadata)) = secret.get_mut("metadata") else { return };
    metadata.remove("managedFields");
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        let holds_one = |text: &Value| text.as_str().is_some_and(|text| values.iter().any(|it| text.contains(it)));
        annotations.retain(|key, text| !COPIES.contains(&key.as_str()) && !holds_one(text));
    }
}

/// The forms in which a value may appear in an annotation: as it is, decoded and encoded.
fn forms(value: &Value) -> Vec<String> {
    let Some(text) = value.as_str() else { return Vec::new() };
    let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let forms = [text.to_owned(), STANDARD.encode(text)].into_iter().chain(decoded);
    forms.filter(|form| form.len() >= SHORTEST_VALUE).collect()
}
