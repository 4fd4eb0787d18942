//! Stories: a review that changes from step to step, and time that passes between them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use humantime::{format_rfc3339_seconds, parse_duration, parse_rfc3339};
use json_patch::{PatchOperation, patch};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use serde_saphyr::Spanned;

use crate::expect::{Expect, check_pointer};

/// A step of a story.
#[derive(PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StoryStep {
    /// What happens, in a sentence.
    pub(crate) step: Spanned<String>,
    /// The time that passes before the step.
    after: Option<String>,
    /// The changes since the step before, by JSON pointer into the review; null removes.
    #[serde(default)]
    change: BTreeMap<String, Value>,
    /// What is expected of the answer.
    #[serde(default)]
    pub(crate) expect: Expect,
}

impl StoryStep {
    /// Lets time pass, then makes the changes, in the order of their pointers.
    pub(crate) fn apply(&self, review: &mut Map<String, Value>) -> anyhow::Result<()> {
        if let Some(after) = &self.after {
            let time = parse_duration(after).with_context(|| format!("after: `{after}`: write a time such as `2h`"))?;
            match review.get_mut("evidence").map(|evidence| pass(time, evidence)) {
                Some(Ok(true)) => {}
                Some(Err(error)) => return Err(error).context("after"),
                Some(Ok(false)) | None => bail!("after: the evidence has no `asOf` that time would move on"),
            }
        }
        change_all(review, &self.change)
    }
}

/// Changes a review, in the order of the pointers.
pub(crate) fn change_all(review: &mut Map<String, Value>, changes: &BTreeMap<String, Value>) -> anyhow::Result<()> {
    changes
        .iter()
        .try_for_each(|(pointer, value)| change(review, pointer, value).with_context(|| format!("change: {pointer}")))
}

/// Adds the time to every `asOf`. Returns whether there was one.
fn pass(time: Duration, evidence: &mut Value) -> anyhow::Result<bool> {
    let mut moved = false;
    match evidence {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(moment) if key == "asOf" => {
                        let later = parse_rfc3339(moment).ok().and_then(|moment| moment.checked_add(time));
                        let later = later.context("an `asOf` is no time such as `2026-11-24T10:00:00Z`")?;
                        *moment = format_rfc3339_seconds(later).to_string();
                        moved = true;
                    }
                    value => moved |= pass(time, value)?,
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                moved |= pass(time, value)?;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    Ok(moved)
}

fn change(review: &mut Map<String, Value>, pointer: &str, value: &Value) -> anyhow::Result<()> {
    check_pointer(pointer)?;
    let mut document = Value::Object(std::mem::take(review));
    let op = match (document.pointer(pointer), value) {
        (None, Value::Null) => bail!("there is nothing to remove"),
        (Some(_), Value::Null) => json!({"op": "remove", "path": pointer}),
        (Some(present), value) if present == value => bail!("is so already: it changes nothing"),
        (Some(_), value) => json!({"op": "replace", "path": pointer, "value": value}),
        (None, value) => json!({"op": "add", "path": pointer, "value": value}),
    };
    let operation: PatchOperation = serde_json::from_value(op)?;
    if patch(&mut document, &[operation]).is_err() {
        bail!("there is no such place: what it stands in must be there");
    }
    match document {
        Value::Object(document) => *review = document,
        _ => bail!("a review is an object"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(story: &str, review: Value) -> Result<Value, String> {
        let step: StoryStep = serde_saphyr::from_str(story).unwrap();
        let Value::Object(mut review) = review else { panic!("a review is an object") };
        step.apply(&mut review).map_err(|error| format!("{error:#}"))?;
        Ok(Value::Object(review))
    }

    fn review() -> Value {
        json!({"evidence": {"claim": {"phase": "Pending", "volume": "none"},
            "repository": {"absent": {"asOf": "2026-11-24T10:00:00Z"}}}})
    }

    #[test]
    fn changes_set_and_remove_values_and_time_moves_every_as_of() {
        let story = "{step: a, after: 1day 2h, change: {/evidence/claim/phase: Bound, /evidence/claim/volume: null,
            /evidence/secret: absent}}";
        let expected = json!({"evidence": {"claim": {"phase": "Bound"}, "secret": "absent",
            "repository": {"absent": {"asOf": "2026-11-25T12:00:00Z"}}}});
        assert_eq!(told(story, review()), Ok(expected));
    }

    #[test]
    fn a_time_that_a_change_sets_is_not_moved() {
        let story = "{step: a, after: 1h, change: {/evidence/repository/absent/asOf: '2026-12-01T00:00:00Z'}}";
        let after = told(story, review()).unwrap();
        assert_eq!(after["evidence"]["repository"]["absent"]["asOf"], "2026-12-01T00:00:00Z");
    }

    #[test]
    fn a_change_without_an_effect_is_an_error() {
        for (story, words) in [
            ("{step: a, change: {/evidence/claim/phase: Pending}}", "/evidence/claim/phase: is so already"),
            ("{step: a, change: {/evidence/claim/uid: null}}", "there is nothing to remove"),
            ("{step: a, change: {/evidence/clam/phase: Bound}}", "there is no such place"),
            ("{step: a, change: {evidence: {}}}", "`evidence` is no JSON pointer"),
            ("{step: a, change: {'': 1}}", "a review is an object"),
            ("{step: a, after: soon}", "after: `soon`: write a time such as `2h`"),
        ] {
            let error = told(story, review()).unwrap_err();
            assert!(error.contains(words), "{story}: {error}");
        }
        for unread in [json!({}), json!({"evidence": {"repository": {"unread": "timeout"}}})] {
            assert!(told("{step: a, after: 1h}", unread).unwrap_err().contains("no `asOf`"));
        }
    }
}
