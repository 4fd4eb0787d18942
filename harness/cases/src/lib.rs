//! The format of a policy test: a YAML document with what goes in and what is expected.
//!
//! ```yaml
//! # Why this matters, for whoever reads it.
//! name: a labelled claim without evidence is backed up paused
//! request: {…}        # a claim, an AdmissionReview or its request
//! credentials: {…}    # a Secret; may be left out
//! settings: {…}       # may be left out
//! expect:
//!   code: NoEvidence
//!   source: {…}       # the whole manifest
//! ```
//!
//! Only what is named under `expect` is compared, and each of it whole. A case that expects nothing is an error, and
//! so is an expectation about something that the answer does not have.

mod compare;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};
use volsync_policy_engine::{CallError, Engine};

/// A case and where it stands.
#[derive(Debug, Clone)]
pub struct Case {
    /// The file.
    pub file: PathBuf,
    /// What is shown, in a sentence.
    pub name: String,
    /// The operation that is called.
    pub operation: Operation,
    /// Its payload.
    pub payload: Value,
    /// What is expected of its answer.
    pub expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    name: String,
    #[serde(default)]
    operation: Operation,
    request: Option<Value>,
    credentials: Option<Value>,
    settings: Option<Value>,
    evidence: Option<Value>,
    expect: Expect,
}

/// An operation of the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A review in, its plan out.
    #[default]
    Plan,
    /// Kubewarden's question about a request.
    Validate,
    /// Kubewarden's question about settings: `settings` alone is its payload.
    ValidateSettings,
}

impl Operation {
    /// As the module names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Plan => "plan",
            Operation::Validate => "validate",
            Operation::ValidateSettings => "validate_settings",
        }
    }
}

/// What is expected of an answer. What is left out is not compared.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Expect {
    /// `verdict.code`.
    #[serde(deserialize_with = "given")]
    pub code: Option<Value>,
    /// `verdict.admission`.
    #[serde(deserialize_with = "given")]
    pub admission: Option<Value>,
    /// `verdict.restore`.
    #[serde(deserialize_with = "given")]
    pub restore: Option<Value>,
    /// `verdict.backup`.
    #[serde(deserialize_with = "given")]
    pub backup: Option<Value>,
    /// `verdict.problem`.
    #[serde(deserialize_with = "given")]
    pub problem: Option<Value>,
    /// `patch`.
    #[serde(deserialize_with = "given")]
    pub patch: Option<Value>,
    /// `manifests.secret.object`, with its `data` decoded as `stringData`, so that a person can check it.
    #[serde(deserialize_with = "given")]
    pub secret: Option<Value>,
    /// `manifests.secret.needs`.
    #[serde(deserialize_with = "given")]
    pub needs: Option<Value>,
    /// `manifests.destination.object`.
    #[serde(deserialize_with = "given")]
    pub destination: Option<Value>,
    /// `manifests.source.object`.
    #[serde(deserialize_with = "given")]
    pub source: Option<Value>,
    /// `steps`.
    #[serde(deserialize_with = "given")]
    pub steps: Option<Value>,
    /// The codes of `notes`, in order.
    #[serde(deserialize_with = "given")]
    pub notes: Option<Value>,
    /// What stands at JSON pointers of the answer.
    pub at: BTreeMap<String, Value>,
    /// The problems because of which the payload is refused.
    #[serde(deserialize_with = "given")]
    pub problems: Option<Value>,
    /// The whole answer.
    #[serde(deserialize_with = "given")]
    pub answer: Option<Value>,
}

/// A value that was written, if only as `null`: nothing is expected where nothing is written, and `null` where that
/// is.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Case {
    /// Reads the cases of every `.yaml` file in `folder` and the folders in it.
    ///
    /// # Errors
    ///
    /// A sentence that names the file: it cannot be read, holds no case or one that expects nothing, or two cases of
    /// the folder have one name.
    pub fn read_all(folder: &Path) -> Result<Vec<Case>, String> {
        let mut cases = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = folder.read_dir().map_err(|error| format!("{}: {error}", folder.display()))?;
            for entry in entries {
                let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "yaml") {
                    cases.extend(Case::read(&path)?);
                }
            }
        }
        cases.sort_by(|one, other| one.file.cmp(&other.file));
        let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair.first() == pair.last()) {
            Some(pair) => Err(format!("two cases are called {:?}", pair.first().unwrap_or(&""))),
            None => Ok(cases),
        }
    }

    /// Reads the cases of one file.
    ///
    /// # Errors
    ///
    /// As [`Case::read_all`].
    pub fn read(file: &Path) -> Result<Vec<Case>, String> {
        let place = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let text = std::fs::read_to_string(file).map_err(|error| place(&error))?;
        let documents: Vec<Document> = serde_saphyr::from_multiple(&text).map_err(|error| place(&error))?;
        if documents.is_empty() {
            return Err(place(&"no case in it"));
        }
        documents.into_iter().map(|document| document.case(file).map_err(|error| place(&error))).collect()
    }

    /// Runs the case in `engine`.
    ///
    /// # Errors
    ///
    /// The engine's own; what the operation refuses is an answer.
    pub fn run(&self, engine: &dyn Engine) -> Result<Answer, String> {
        let payload = serde_json::to_vec(&self.payload).map_err(|error| error.to_string())?;
        match engine.call(self.operation.as_str(), &payload) {
            Ok(bytes) => Ok(Answer::Given(bytes)),
            Err(CallError::Refused(problems)) => Ok(Answer::Refused(problems)),
            Err(CallError::Failed(error)) => Err(error),
        }
    }

    /// Compares an answer with what is expected.
    ///
    /// # Errors
    ///
    /// Where they differ, for a person to read.
    pub fn check(&self, answer: &Answer) -> Result<(), String> {
        compare::check(&self.expect, answer)
    }
}

impl Document {
    fn case(self, file: &Path) -> Result<Case, String> {
        if self.expect == Expect::default() {
            return Err(format!("the case {:?} expects nothing", self.name));
        }
        let mut review = Map::new();
        let given = [("request", self.request), ("credentials", self.credentials), ("evidence", self.evidence)];
        review.extend(given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
        let payload = match (self.operation, self.settings) {
            (Operation::ValidateSettings, settings) if review.is_empty() => settings.unwrap_or_default(),
            (Operation::ValidateSettings, _) => return Err(format!("the case {:?} takes settings alone", self.name)),
            (Operation::Plan | Operation::Validate, settings) => {
                review.extend(settings.map(|settings| ("settings".to_owned(), settings)));
                Value::Object(review)
            }
        };
        Ok(Case { file: file.to_owned(), name: self.name, operation: self.operation, payload, expect: self.expect })
    }
}

/// What an operation gave back.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// JSON.
    Given(Vec<u8>),
    /// The problems because of which it refused its payload, as JSON.
    Refused(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"{"verdict": {"code": "NoEvidence", "problem": null}, "patch": [], "notes": [{"code": "A"}]}"#;

    fn check(expect: &str) -> Result<(), String> {
        let expect = serde_saphyr::from_str(expect).unwrap();
        compare::check(&expect, &Answer::Given(PLAN.as_bytes().to_vec()))
    }

    fn case(text: &str) -> Result<Case, String> {
        let document: Document = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        document.case(Path::new("f"))
    }

    #[test]
    fn what_is_expected_is_compared_and_null_is_something_to_expect() {
        assert_eq!(check("{code: NoEvidence, patch: [], notes: [A], problem: null}"), Ok(()));
        for wrong in ["code: Ungated", "patch: null", "notes: []", "at: {/verdict/code: null}", "answer: null"] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_expectation_about_nothing_fails() {
        for wrong in ["source: null", "secret: null", "at: {/no/such/place: null}", "problems: []"] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_case_that_could_not_fail_is_no_case() {
        assert!(case("{name: a, expect: {code: X}}").is_ok());
        assert!(case("{name: a, expect: {}}").unwrap_err().contains("expects nothing"));
        assert!(case("{name: a, expect: {cod: X}}").is_err());
        assert!(case("{name: a}").is_err());
        assert!(case("{name: a, operation: validate_settings, request: {}, expect: {answer: 1}}").is_err());
    }
}
