//! A request to the API server, and the claim that it is about.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::claim::Claim;
use crate::document::read_part;
use crate::eligibility::{Eligibility, Unselected};
use crate::names;
use crate::problem::Problem;
use crate::settings::Settings;

/// A request to the API server.
pub(crate) struct Request {
    /// The operation of the request.
    pub operation: Operation,
    /// The uid of the request, where an API server sent it.
    pub uid: Option<String>,
    /// The claim that the request is about. Whether its label and its volume are valid is checked later, so this is
    /// never [`Eligibility::Refused`].
    pub subject: Eligibility<Claim>,
    /// On UPDATE, the claim as it was before the request.
    pub before: Eligibility<Claim>,
    /// The whole AdmissionRequest, for templates and patches.
    pub document: Value,
}

/// The request is about another kind, or about a subresource.
const NO_CLAIM: Eligibility<Claim> = Eligibility::Unselected(Unselected::NoClaim);

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
        let subject = subject(&claim, "request", None, settings)?;
        let metadata = |key: &str| claim.get("metadata").and_then(|metadata| metadata.get(key)).cloned();
        let mut request = Map::new();
        request.insert("kind".to_owned(), json!({"group": "", "version": "v1", "kind": "PersistentVolumeClaim"}));
        request.insert("operation".to_owned(), json!("CREATE"));
        request.extend(metadata("namespace").map(|namespace| ("namespace".to_owned(), namespace)));
        request.extend(metadata("name").map(|name| ("name".to_owned(), name)));
        request.insert("object".to_owned(), claim);
        let (operation, before) = (Operation::Create, NO_CLAIM);
        Ok(Request { operation, uid: None, subject, before, document: Value::Object(request) })
    }

    fn admission(document: Value, path: &str, settings: &Settings) -> Result<Request, Vec<Problem>> {
        let envelope: Envelope = read_part(&document, path)?;
        let about_claim = (envelope.kind.as_ref())
            .is_none_or(|kind| kind.group.is_empty() && kind.kind == "PersistentVolumeClaim")
            && envelope.sub_resource.as_deref().unwrap_or_default().is_empty();
        let claim = |key: &str| match document.get(key) {
            Some(object) if about_claim && !object.is_null() => {
                subject(object, &format!("{path}.{key}"), envelope.namespace.as_deref(), settings)
            }
            _ => Ok(NO_CLAIM),
        };
        let (subject, before) = match envelope.operation {
            Operation::Create => (claim("object")?, NO_CLAIM),
            Operation::Update => (claim("object")?, claim("oldObject").unwrap_or(NO_CLAIM)),
            Operation::Delete => {
                let unselected = match document.get("oldObject") {
                    Some(object) if about_claim => Claim::unselected(object, envelope.namespace.as_deref(), settings),
                    _ => Some(Unselected::NoClaim),
                };
                (unselected.map_or(Eligibility::Terminating, Eligibility::Unselected), NO_CLAIM)
            }
            Operation::Connect => (NO_CLAIM, NO_CLAIM),
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

/// The claim `object` at `path`. Nothing more is read of a claim that the policy does not select, so it cannot be
/// invalid.
fn subject(
    object: &Value,
    path: &str,
    namespace: Option<&str>,
    settings: &Settings,
) -> Result<Eligibility<Claim>, Vec<Problem>> {
    if let Some(unselected) = Claim::unselected(object, namespace, settings) {
        return Ok(Eligibility::Unselected(unselected));
    }
    if Claim::is_terminating(object) {
        return Ok(Eligibility::Terminating);
    }
    let claim = Claim::read(object, path, namespace, settings)?;
    if !names::is_label(&claim.namespace) {
        return Err(vec![Problem::new(format!("{path}.metadata.namespace"), "is not a valid namespace name")]);
    }
    if claim.name.as_ref().is_some_and(|name| !names::is_subdomain(name)) {
        let problem = Problem::new(format!("{path}.metadata.name"), "is not a valid claim name");
        return Err(vec![problem.hint("write at most 253 lower case letters, digits, `-` and `.`")]);
    }
    Ok(Eligibility::Eligible(Box::new(claim)))
}
