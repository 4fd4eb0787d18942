//! A review: the admission request, the base credentials, the settings and the evidence that one plan is made from.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::credentials::Credentials;
use crate::document::{parse, read};
use crate::evidence::{ClaimEvidence, DataSource, Evidence, Phase};
use crate::patch::DataSourcePatch;
use crate::problem::{Problem, keyed, known_key};
use crate::protection::{self, Protection};
use crate::request::{Operation, Request};
use crate::settings::{Gate, Settings};

/// The input of one plan.
pub struct Review {
    /// The request to the API server.
    pub(crate) request: Request,
    /// The base credentials, where the caller has them.
    pub(crate) credentials: Option<Arc<Credentials>>,
    /// The settings.
    pub(crate) settings: Arc<Settings>,
    /// The evidence. Without it the manifests are rendered and no backup is released.
    pub(crate) evidence: Option<Evidence>,
}

/// A review that cannot be read: all its problems, at least one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct ReviewError {
    /// The problems.
    pub problems: Vec<Problem>,
}

impl ReviewError {
    /// The problems as JSON, for hosts across a byte boundary: `{"problems":[{"path","message","hint"?}]}`.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl From<Problem> for ReviewError {
    fn from(problem: Problem) -> Self {
        ReviewError { problems: vec![problem] }
    }
}

impl From<Vec<Problem>> for ReviewError {
    fn from(problems: Vec<Problem>) -> Self {
        ReviewError { problems }
    }
}

impl fmt::Display for ReviewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, problem) in self.problems.iter().enumerate() {
            f.write_str(if nth == 0 { "" } else { "\n" })?;
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ReviewError {}

impl Review {
    /// Reads a review from JSON: an object of `request`, `credentials`, `settings` and `evidence`.
    ///
    /// `request` is the `request` of an AdmissionReview v1, a whole AdmissionReview, or a claim alone, which counts as
    /// the request to create it. The others may be absent or null.
    ///
    /// # Errors
    ///
    /// All problems, each with its path; never a value.
    pub fn from_json(bytes: &[u8]) -> Result<Review, ReviewError> {
        Review::from_value(parse(bytes)?)
    }

    /// Reads one of many reviews from JSON: an object of `request` and `evidence`, as in [`Review::from_json`].
    ///
    /// # Errors
    ///
    /// All problems, each with its path; never a value.
    pub fn under(shared: &Shared, bytes: &[u8]) -> Result<Review, ReviewError> {
        Parts::of(parse(bytes)?, &["request", "evidence"])?.read(shared.clone())
    }

    /// The data source that the claim has once it is stored: from the patch that it gets, or else its own. `None` for a
    /// claim whose name is not known yet, or that the policy does not select.
    pub fn data_source(&self) -> Option<DataSource> {
        let claim = self.request.subject.eligible()?;
        let eligibility = Protection::of(&self.request, &self.settings);
        let patch = eligibility.eligible().and_then(|protection| DataSourcePatch::of(&self.request, protection));
        match patch {
            Some(_) => Some(DataSource::Ours),
            None => protection::data_source(claim, &self.settings),
        }
    }

    pub(crate) fn from_value(document: Value) -> Result<Review, ReviewError> {
        let mut parts = Parts::of(document, &["request", "credentials", "settings", "evidence"])?;
        let shared = Shared::of(&mut parts)?;
        parts.read(shared)
    }
}

/// The part that many reviews have in common, read and checked once: settings and base credentials.
#[derive(Clone)]
pub struct Shared {
    pub(crate) settings: Arc<Settings>,
    pub(crate) credentials: Option<Arc<Credentials>>,
}

impl Shared {
    /// Reads it from JSON: an object of `settings` and `credentials`, as in [`Review::from_json`].
    ///
    /// # Errors
    ///
    /// All problems, each with its path; never a value.
    pub fn from_json(bytes: &[u8]) -> Result<Shared, ReviewError> {
        Shared::of(&mut Parts::of(parse(bytes)?, &["settings", "credentials"])?)
    }

    /// The key of the label that selects a claim.
    pub fn label(&self) -> &str {
        &self.settings.label
    }

    /// The name of the Secret with the host's own S3 access key, in the namespace of its settings.
    pub fn host_secret(&self) -> Option<&str> {
        self.settings.credentials.host_secret.as_deref()
    }

    pub(crate) fn of(parts: &mut Parts) -> Result<Shared, ReviewError> {
        let settings = parts.take("settings").map_or_else(|| Ok(Settings::default()), Settings::from_value)?;
        let credentials = parts.take("credentials").map(|given| Credentials::from_value(&given)).transpose()?;
        Ok(Shared { settings: Arc::new(settings), credentials: credentials.map(Arc::new) })
    }
}

/// The parts of a review that have not been read yet, by key.
pub(crate) struct Parts(Map<String, Value>);

impl Parts {
    pub(crate) fn of(document: Value, keys: &[&str]) -> Result<Parts, Problem> {
        let Value::Object(parts) = document else { return Err(Problem::new("", "expected an object")) };
        match parts.keys().find(|key| !keys.contains(&key.as_str())) {
            Some(unknown) => Err(Problem::new(keyed("", unknown), "unknown key").hint(known_key(unknown, keys))),
            None => Ok(Parts(parts)),
        }
    }

    /// Takes a part out; `None` where it is absent or null. Its key stays, because the code to remove one from the map
    /// would enlarge the module.
    pub(crate) fn take(&mut self, key: &str) -> Option<Value> {
        self.0.get_mut(key).map(Value::take).filter(|value| !value.is_null())
    }

    /// Reads the remaining parts of a review.
    pub(crate) fn read(mut self, Shared { settings, credentials }: Shared) -> Result<Review, ReviewError> {
        let evidence: Option<Evidence> = self.take("evidence").map(|given| read(&given, "evidence")).transpose()?;
        if evidence.is_some() && settings.gate == Gate::None {
            return Err(useless("evidence").into());
        }
        let request =
            self.take("request").ok_or_else(|| Problem::new("request", "is missing").hint("write a claim"))?;
        let request = Request::read(request, &settings)?;
        if let Some(seen) = evidence.as_ref().and_then(|evidence| evidence.claim.as_ref()) {
            check_claim(&request, seen, &settings)?;
        }
        Ok(Review { request, credentials, settings, evidence })
    }
}

/// The problem that `key` has no effect while the gate is off.
pub(crate) fn useless(key: &'static str) -> Problem {
    let problem = Problem::new(key, "has no effect while the gate is off");
    problem.hint("leave it out, or set `gate: evidence` in settings")
}

/// Rejects evidence that is about another claim than the request's.
fn check_claim(request: &Request, seen: &ClaimEvidence, settings: &Settings) -> Result<(), Problem> {
    let Some(claim) = request.subject.eligible() else { return Ok(()) };
    let Some(uid) = &claim.uid else {
        // An API server that is about to create a claim has none yet; a manifest may be that of a claim that exists.
        let is_creation = request.operation == Operation::Create && request.uid.is_some();
        return match seen.phase {
            Phase::Bound | Phase::Lost if is_creation => {
                Err(Problem::new("evidence.claim", "is about an earlier claim than the one that the request creates"))
            }
            Phase::Pending | Phase::Bound | Phase::Lost => Ok(()),
        };
    };
    if *uid != seen.uid {
        return Err(Problem::new("evidence.claim.uid", "differs from that of the request's claim"));
    }
    if protection::data_source(claim, settings).is_some_and(|source| source != seen.data_source) {
        return Err(Problem::new("evidence.claim.source", "differs from that of the request's claim"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_told_by_its_place_and_never_quoted() {
        let refused = [
            (&b"{\"request\": \"\xff\"}"[..], "is not UTF-8 from byte 13 on"),
            (b"{\"request\":\n hunter2}", "is not JSON: line 2, column 2"),
            (b"", "is not JSON: line 1, column 0"),
        ];
        for (review, problem) in refused {
            assert_eq!(Review::from_json(review).err().map(|error| error.to_string()).as_deref(), Some(problem));
        }
    }
}
