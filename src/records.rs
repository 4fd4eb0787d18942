//! The annotations in which the host keeps its records on a claim. Nobody else may change them: they say for which
//! volume a backup was released, and what a person has to do.

use serde_json::{Map, Value};

use crate::document::at;
use crate::eligibility::Eligibility;
use crate::names;
use crate::request::Request;
use crate::settings::Settings;

/// The keys of the annotations.
const RECORDS: [&str; 4] = [names::ATTENTION, names::RELEASED, names::SPENT, names::TOUCHED];

/// What somebody is told whose request would have changed them.
pub(crate) const KEPT: &str = "RecordsKept: only the host changes its annotations; they stay as they were";

/// The claim of a request with the records that it had before, where somebody other than the host changes them. A claim
/// that was not labelled before had none: whatever it has was not written by the host for it.
pub(crate) fn kept(request: &Request, settings: &Settings) -> Option<Value> {
    let user = at(&request.document, &["userInfo", "username"])?.as_str()?;
    if settings.host_user.as_deref()? == user {
        return None;
    }
    let claim = request.document.get("object")?;
    let before = match request.before {
        Eligibility::Unselected(_) => None,
        _ => annotations(request.document.get("oldObject")?),
    };
    let given = annotations(claim);
    if RECORDS.iter().all(|key| record(before, key) == record(given, key)) {
        return None;
    }
    // Copied, not removed from: see `Parts::take`.
    let mut annotations = Map::new();
    for (of, is_wanted) in [(given, false), (before, true)] {
        for (key, value) in of.into_iter().flatten() {
            if RECORDS.contains(&key.as_str()) == is_wanted {
                annotations.insert(key.clone(), value.clone());
            }
        }
    }
    let mut claim = claim.clone();
    if let Some(Value::Object(metadata)) = claim.get_mut("metadata") {
        metadata.insert("annotations".to_owned(), Value::Object(annotations));
    }
    Some(claim)
}

fn annotations(claim: &Value) -> Option<&Map<String, Value>> {
    at(claim, &["metadata", "annotations"])?.as_object()
}

fn record<'a>(annotations: Option<&'a Map<String, Value>>, key: &str) -> Option<&'a str> {
    annotations?.get(key)?.as_str()
}
