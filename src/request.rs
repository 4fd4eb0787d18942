//! A request to the API server, and the claim that it is about.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::claim::{Claim, Unselected};
use crate::document::read_part;
use crate::names;
use crate::problem::Problem;
use crate::settings::Settings;

/// A request to the API server.
pub(crate) struct Request {
    /// The operation of the request.
    pub operation: Operation,
    /// The uid of the request, where an API server sent it.
    pub uid: Option<String>,
    /// The object of the request.
    pub subject: Subject,
    /// On UPDATE, the object as it was before the request.
    pub before: Subject,
    /// The whole AdmissionRequest, for templates and patches.
    pub document: Value,
}

/// The object of a request, as far as it concerns the policy.
pub(crate) enum Subject {
    /// An object that the policy does not select: another kind, a subresource, or a claim that is not selected.
    Other(Unselected),
    /// A claim that is being deleted. Nothing more of it is read, so it cannot be invalid.
    Terminating,
    /// A claim that the policy selects.
    Claim(Box<Claim>),
}

/// The operation of an admission request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Operation {
    /// The object is created.
    Create,
    /// The object is updated.
    Update,
    /// The object is deleted.
    Delete,
    /// A client connects to the object.
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
    /// Reads a request, an AdmissionReview with a request in it, or a bare claim.
    pub(crate) fn read(document: Value, settings: &Settings) -> Result<Request, Vec<Problem>> {
        match document.get("kind").and_then(Value::as_str) {
            Some("PersistentVolumeClaim") => Request::create(document, settings),
            Some("AdmissionReview") => match document {
                Value::Object(mut review) => match review.get_mut("request").map(Value::take) {
                    Some(request @ Value::Object(_)) => Request::admission(request, "request.request", settings),
                    _ => Err(vec![Problem::new("request.request", "is missing")]),
                },
                _ => Err(vec![Problem::new("request", "expected an object")]),
            },
            Some(_) => Err(vec![Problem::new("request.kind", "expected `PersistentVolumeClaim` or `AdmissionReview`")]),
            None => Request::admission(document, "request", settings),
        }
    }

    /// The request to create a bare claim.
    fn create(claim: Value, settings: &Settings) -> Result<Request, Vec<Problem>> {
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

    fn admission(document: Value, path: &str, settings: &Settings) -> Result<Request, Vec<Problem>> {
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
    /// The claim that the request is about, labelled or not; `None` where there is none that can be read.
    pub(crate) fn claim(&self, settings: &Settings) -> Option<Claim> {
        let namespace = self.document.get("namespace").and_then(Value::as_str);
        let claim = Claim::read(self.document.get("object")?, "request.object", namespace, settings).ok()?;
        let is_named = claim.name.as_deref().is_some_and(names::is_subdomain) && names::is_label(&claim.namespace);
        is_named.then_some(claim)
    }
}

impl Subject {
    /// Classifies the object at `path`. Nothing more is read of an object that the policy does not select, so it cannot
    /// be invalid.
    fn read(object: &Value, path: &str, namespace: Option<&str>, settings: &Settings) -> Result<Subject, Vec<Problem>> {
        if let Some(unselected) = Claim::unselected(object, namespace, settings) {
            return Ok(Subject::Other(unselected));
        }
        if Claim::is_terminating(object) {
            return Ok(Subject::Terminating);
        }
        let claim = Claim::read(object, path, namespace, settings)?;
        if !names::is_label(&claim.namespace) {
            return Err(vec![Problem::new(format!("{path}.metadata.namespace"), "is not a valid namespace name")]);
        }
        if claim.name.as_ref().is_some_and(|name| !names::is_subdomain(name)) {
            let problem = Problem::new(format!("{path}.metadata.name"), "is not a valid claim name");
            return Err(vec![problem.hint("write at most 253 lower case letters, digits, `-` and `.`")]);
        }
        Ok(Subject::Claim(Box::new(claim)))
    }
}
