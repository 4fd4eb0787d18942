//! A review: the admission request, the base credentials, the settings and the evidence that one plan is made from.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::claim::Claim;
use crate::credentials::Credentials;
use crate::decision::Unselected;
use crate::document::{read, read_part};
use crate::evidence::{ClaimEvidence, DataSource, Evidence};
use crate::names;
use crate::patch::DataSourcePatch;
use crate::problem::{Problem, keyed, known_key};
use crate::protection::{self, Standing};
use crate::settings::{Gate, Settings};

/// The longest review that is read, in bytes. An API server takes no request longer than 3 MiB.
pub const LONGEST_REVIEW: usize = 4 * 1024 * 1024;

/// What one plan is made from.
pub struct Review {
    /// What is asked of the API server.
    pub(crate) request: Request,
    /// The base credentials, where the caller has them.
    pub(crate) credentials: Option<Arc<Credentials>>,
    /// What the administrator decided.
    pub(crate) settings: Arc<Settings>,
    /// What an observer found out; without it manifests are generated and nothing is released.
    pub(crate) evidence: Option<Evidence>,
}

/// A review that cannot be read: everything that is wrong with it, at least one thing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct ReviewError {
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl ReviewError {
    /// As JSON, for hosts on the other side of a byte boundary: `{"problems":[{"path","message","hint"?}]}`.
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
    /// `request` is the `request` of an AdmissionReview v1, a whole AdmissionReview, or a bare claim, which stands
    /// for the request to create it. The others may be absent or null.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, each with its path; never a value.
    pub fn from_json(bytes: &[u8]) -> Result<Review, ReviewError> {
        Review::from_value(parse(bytes)?)
    }

    /// Reads one of many reviews from JSON: an object of `request` and `evidence`, as in [`Review::from_json`].
    ///
    /// # Errors
    ///
    /// Everything that is wrong, each with its path; never a value.
    pub fn under(shared: &Shared, bytes: &[u8]) -> Result<Review, ReviewError> {
        Parts::of(parse(bytes)?, &["request", "evidence"])?.read(shared.clone())
    }

    /// Where the claim's data comes from once it is stored: by the patch that it gets, else by its own words. Nothing
    /// for one whose name is not known yet, or that is none of the policy's.
    pub fn data_source(&self) -> Option<DataSource> {
        let Subject::Claim(claim) = &self.request.subject else { return None };
        let standing = Standing::of(&self.request, &self.settings);
        let patch = standing.protection().and_then(|protection| DataSourcePatch::of(&self.request, protection));
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

/// What many reviews have in common, read and checked once: settings and base credentials.
#[derive(Clone)]
pub struct Shared {
    settings: Arc<Settings>,
    credentials: Option<Arc<Credentials>>,
}

impl Shared {
    /// Reads it from JSON: an object of `settings` and `credentials`, as in [`Review::from_json`].
    ///
    /// # Errors
    ///
    /// Everything that is wrong, each with its path; never a value.
    pub fn from_json(bytes: &[u8]) -> Result<Shared, ReviewError> {
        Shared::of(&mut Parts::of(parse(bytes)?, &["settings", "credentials"])?)
    }

    fn of(parts: &mut Parts) -> Result<Shared, ReviewError> {
        let settings = parts.take("settings").map_or_else(|| Ok(Settings::default()), Settings::from_value)?;
        let credentials = parts.take("credentials").map(|given| Credentials::from_value(&given)).transpose()?;
        Ok(Shared { settings: Arc::new(settings), credentials: credentials.map(Arc::new) })
    }
}

/// What has yet to be read, by its keys.
struct Parts(Map<String, Value>);

impl Parts {
    fn of(document: Value, keys: &[&str]) -> Result<Parts, Problem> {
        let Value::Object(parts) = document else { return Err(Problem::new("", "expected an object")) };
        match parts.keys().find(|key| !keys.contains(&key.as_str())) {
            Some(unknown) => Err(Problem::new(keyed("", unknown), "unknown key").hint(known_key(unknown, keys))),
            None => Ok(Parts(parts)),
        }
    }

    /// Takes a part out; nothing where it is absent or null. Its key stays: to remove one would put the balancing of
    /// trees into the module.
    fn take(&mut self, key: &str) -> Option<Value> {
        self.0.get_mut(key).map(Value::take).filter(|value| !value.is_null())
    }

    /// Reads what is left of a review.
    fn read(mut self, Shared { settings, credentials }: Shared) -> Result<Review, ReviewError> {
        let evidence: Option<Evidence> = self.take("evidence").map(|given| read(&given, "evidence")).transpose()?;
        if evidence.is_some() && settings.gate == Gate::None {
            let problem = Problem::new("evidence", "is of no use while the gate is off");
            return Err(problem.hint("leave it out, or set `gate: evidence` in settings").into());
        }
        let request =
            self.take("request").ok_or_else(|| Problem::new("request", "is missing").hint("write a claim"))?;
        let request = Request::read(request, &settings)?;
        if let Some(seen) = evidence.as_ref().and_then(|evidence| evidence.claim.as_ref()) {
            request.check(seen, &settings)?;
        }
        Ok(Review { request, credentials, settings, evidence })
    }
}

/// Reads JSON.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    if bytes.len() > LONGEST_REVIEW {
        return Err(Problem::new("", format!("is longer than {LONGEST_REVIEW} bytes")));
    }
    // At once: the library would look at each text by itself.
    let text = str::from_utf8(bytes)
        .map_err(|error| Problem::new("", format!("is not UTF-8 from byte {} on", error.valid_up_to())))?;
    // Its own message could quote what it read.
    serde_json::from_str(text)
        .map_err(|error| Problem::new("", format!("is not JSON: line {}, column {}", error.line(), error.column())))
}

/// What is asked of the API server.
pub(crate) struct Request {
    /// What shall happen to the claim.
    pub operation: Operation,
    /// The request's own uid, where an API server sent it.
    pub uid: Option<String>,
    /// Whom it is about.
    pub subject: Subject,
    /// On UPDATE, whom it was about before.
    pub before: Subject,
    /// The whole AdmissionRequest, for templates and patches.
    pub document: Value,
}

/// Whom a request is about, as far as that is the policy's business.
pub(crate) enum Subject {
    /// Nobody whom the policy knows: another kind, a subresource, a claim that is not selected.
    Other(Unselected),
    /// A claim that goes away. Nothing more of it is read, and so nothing of it can be wrong.
    Terminating,
    /// A claim.
    Claim(Box<Claim>),
}

/// What shall happen to the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Operation {
    /// It is created.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
    /// Something connects to it.
    Connect,
}

/// The part of an AdmissionRequest around the object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    operation: Operation,
    #[serde(default)]
    uid: Option<String>,
    #[serde(default)]
    kind: Option<GroupKind>,
    #[serde(default)]
    sub_resource: Option<String>,
    #[serde(default)]
    namespace: Option<String>,
}

#[derive(Deserialize)]
struct GroupKind {
    #[serde(default)]
    group: String,
    kind: String,
}

impl Request {
    fn read(document: Value, settings: &Settings) -> Result<Request, ReviewError> {
        match document.get("kind").and_then(Value::as_str) {
            Some("PersistentVolumeClaim") => Request::create(document, settings),
            Some("AdmissionReview") => match document {
                Value::Object(mut review) => match review.get_mut("request").map(Value::take) {
                    Some(request @ Value::Object(_)) => Request::admission(request, "request.request", settings),
                    _ => Err(Problem::new("request.request", "is missing").into()),
                },
                _ => Err(Problem::new("request", "expected an object").into()),
            },
            Some(_) => {
                Err(Problem::new("request.kind", "expected `PersistentVolumeClaim` or `AdmissionReview`").into())
            }
            None => Request::admission(document, "request", settings),
        }
    }

    /// The request to create a bare claim.
    fn create(claim: Value, settings: &Settings) -> Result<Request, ReviewError> {
        let subject = Subject::read(&claim, "request", None, settings)?;
        let metadata = |key: &str| claim.get("metadata").and_then(|metadata| metadata.get(key)).cloned();
        let mut request = Map::new();
        request.insert("kind".to_owned(), json!({"group": "", "version": "v1", "kind": "PersistentVolumeClaim"}));
        request.insert("operation".to_owned(), json!("CREATE"));
        request.extend(metadata("namespace").map(|namespace| ("namespace".to_owned(), namespace)));
        request.extend(metadata("name").map(|name| ("name".to_owned(), name)));
        request.insert("object".to_owned(), claim);
        let (operation, before) = (Operation::Create, Subject::Other(Unselected::NoClaim));
        Ok(Request { operation, uid: None, subject, before, document: Value::Object(request) })
    }

    fn admission(document: Value, path: &str, settings: &Settings) -> Result<Request, ReviewError> {
        let envelope: Envelope = read_part(&document, path)?;
        let about_claim = (envelope.kind.as_ref())
            .is_none_or(|kind| kind.group.is_empty() && kind.kind == "PersistentVolumeClaim")
            && envelope.sub_resource.as_deref().unwrap_or_default().is_empty();
        let subject = |key: &str| match document.get(key) {
            Some(object) if about_claim && !object.is_null() => {
                Subject::read(object, &format!("{path}.{key}"), envelope.namespace.as_deref(), settings)
            }
            _ => Ok(Subject::Other(Unselected::NoClaim)),
        };
        let (subject, before) = match envelope.operation {
            Operation::Create => (subject("object")?, Subject::Other(Unselected::NoClaim)),
            Operation::Update => {
                (subject("object")?, subject("oldObject").unwrap_or(Subject::Other(Unselected::NoClaim)))
            }
            Operation::Delete => {
                let unselected = match document.get("oldObject") {
                    Some(object) if about_claim => Claim::unselected(object, envelope.namespace.as_deref(), settings),
                    _ => Some(Unselected::NoClaim),
                };
                (unselected.map_or(Subject::Terminating, Subject::Other), Subject::Other(Unselected::NoClaim))
            }
            Operation::Connect => (Subject::Other(Unselected::NoClaim), Subject::Other(Unselected::NoClaim)),
        };
        Ok(Request { operation: envelope.operation, uid: envelope.uid, subject, before, document })
    }
}

impl Request {
    /// Evidence of another claim than the one that is asked about decides nothing.
    fn check(&self, seen: &ClaimEvidence, settings: &Settings) -> Result<(), Problem> {
        let Subject::Claim(claim) = &self.subject else { return Ok(()) };
        let Some(uid) = &claim.uid else { return Ok(()) };
        if *uid != seen.uid {
            return Err(Problem::new("evidence.claim.uid", "is not that of the request's claim"));
        }
        if protection::data_source(claim, settings).is_some_and(|source| source != seen.source) {
            return Err(Problem::new("evidence.claim.source", "is not that of the request's claim"));
        }
        Ok(())
    }
}

impl Subject {
    /// Whom `object` at `path` is. Of one that is none of ours nothing is read that could be found wrong.
    fn read(object: &Value, path: &str, namespace: Option<&str>, settings: &Settings) -> Result<Subject, ReviewError> {
        if let Some(unselected) = Claim::unselected(object, namespace, settings) {
            return Ok(Subject::Other(unselected));
        }
        if Claim::is_terminating(object) {
            return Ok(Subject::Terminating);
        }
        let claim = Claim::read(object, path, namespace, settings)?;
        if !names::is_label(&claim.namespace) {
            return Err(Problem::new(format!("{path}.metadata.namespace"), "is not the name of a namespace").into());
        }
        if claim.name.as_ref().is_some_and(|name| !names::is_subdomain(name)) {
            let problem = Problem::new(format!("{path}.metadata.name"), "is not the name of a claim");
            return Err(problem.hint("write at most 253 lower case letters, digits, `-` and `.`").into());
        }
        Ok(Subject::Claim(Box::new(claim)))
    }
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
