//! Which reason codes and rows the answers of a suite reached.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use volsync_policy::{Code, Verdict};

/// The reason codes and rows that answers reached.
#[derive(Default)]
pub(crate) struct Reached {
    codes: BTreeSet<Code>,
    rows: BTreeSet<u64>,
}

impl Reached {
    /// Adds the code and row of a plan, or the code of Kubewarden's answer.
    pub(crate) fn add(&mut self, answer: &Value) {
        let code = answer.pointer("/verdict/code").or_else(|| answer.pointer("/audit_annotations/code"));
        self.codes.extend(code.and_then(Value::as_str).and_then(Code::parse));
        self.rows.extend(answer.pointer("/verdict/row").and_then(Value::as_u64));
    }
}

/// The reason codes and rows that a suite reached, out of all.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// The coverage of the reason codes.
    pub codes: Share<&'static str>,
    /// The coverage of the rows of `docs/decisions.md`.
    pub rows: Share<u64>,
}

/// How many reason codes or rows were reached, and which were not.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "{T}_share")]
pub struct Share<T> {
    /// The number of those that were reached.
    pub reached: usize,
    /// The number of all.
    pub all: usize,
    /// The names of those that were not reached.
    pub missing: Vec<T>,
}

impl Coverage {
    pub(crate) fn of<'a>(reached: impl Iterator<Item = &'a Reached> + Clone) -> Self {
        let codes: BTreeSet<Code> = reached.clone().flat_map(|it| it.codes.iter().copied()).collect();
        let rows: BTreeSet<u64> = reached.flat_map(|it| it.rows.iter().copied()).collect();
        let missing_codes = Code::ALL.into_iter().filter(|code| !codes.contains(code)).map(Code::as_str).collect();
        Coverage {
            codes: Share::of(Code::ALL.len(), missing_codes),
            rows: Share::of(
                Verdict::ROWS.count(),
                Verdict::ROWS.map(u64::from).filter(|row| !rows.contains(row)).collect(),
            ),
        }
    }
}

impl<T> Share<T> {
    fn of(all: usize, missing: Vec<T>) -> Self {
        Share { reached: all - missing.len(), all, missing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plans_and_kubewardens_answers_reach_codes_and_plans_reach_rows() {
        let mut one = Reached::default();
        one.add(&json!({"verdict": {"code": "Released", "row": 19}}));
        let mut other = Reached::default();
        other.add(&json!({"audit_annotations": {"code": "LabelInvalid"}}));
        other.add(&json!({"verdict": {"code": "NoSuchCode", "row": 43}}));
        other.add(&json!({"problems": []}));
        let Coverage { codes, rows } = Coverage::of([&one, &other].into_iter());
        assert_eq!((codes.reached, codes.missing.len()), (2, Code::ALL.len() - 2));
        assert!(!codes.missing.contains(&"Released") && !codes.missing.contains(&"LabelInvalid"));
        assert_eq!((rows.reached, rows.all), (1, 42));
        assert!(!rows.missing.contains(&19) && rows.missing.contains(&39));
    }
}
