//! The operations of the module, bytes in and bytes out. Every engine calls these; none adds anything to them.

use serde::Serialize;
use serde_json::Value;

use crate::code::Code;
use crate::note::Note;
use crate::plan;
use crate::plan::Admission;
use crate::review::{Review, ReviewError, parse};
use crate::settings::Settings;

/// What an operation gives back: JSON, or an error that reads as JSON too (see [`ReviewError::to_json`]).
pub type Answer = Result<Vec<u8>, Box<dyn std::error::Error + Sync + Send>>;

/// An operation, in the shape in which waPC takes it.
pub type Operation = fn(&[u8]) -> Answer;

/// The operations by their names.
pub const OPERATIONS: [(&str, Operation); 4] = [
    ("plan", plan_review),
    ("protocol_version", protocol_version),
    ("validate", validate),
    ("validate_settings", validate_settings),
];

/// A review in, its plan out.
fn plan_review(review: &[u8]) -> Answer {
    let review = Review::from_json(review).map_err(|error| error.to_json())?;
    Ok(plan(&review).to_json())
}

/// The version of Kubewarden's protocol.
fn protocol_version(_: &[u8]) -> Answer {
    Ok(br#""v1""#.to_vec())
}

/// Kubewarden's answer to settings.
#[derive(Serialize)]
struct SettingsResponse {
    valid: bool,
    message: Option<String>,
}

/// Settings in, whether they are valid out, with everything that is wrong.
fn validate_settings(settings: &[u8]) -> Answer {
    let read = parse(settings).map_err(|problem| vec![problem]).and_then(|document| match document {
        Value::Null => Ok(Settings::default()),
        document => Settings::from_value(&document),
    });
    let message = read.err().map(|problems| ReviewError { problems }.to_string());
    Ok(to_json(&SettingsResponse { valid: message.is_none(), message }))
}

/// Kubewarden's answer to a request (policy-sdk-rust, src/response.rs).
#[derive(Serialize)]
struct ValidationResponse {
    accepted: bool,
    message: Option<String>,
    code: Option<u16>,
    mutated_object: Option<Value>,
    audit_annotations: Option<AuditAnnotations>,
    warnings: Option<Vec<String>>,
}

/// What the API server's audit log keeps of an answer.
#[derive(Serialize)]
struct AuditAnnotations {
    code: Code,
}

/// A request and settings in, whether the claim may be created or changed out, with the claim as it should be.
///
/// A request that cannot be read is rejected, not an error: an error would be logged with its payload.
fn validate(review: &[u8]) -> Answer {
    let response = match Review::from_json(review) {
        Ok(review) => respond(&review),
        Err(error) => ValidationResponse::rejection(400, error.to_string()),
    };
    Ok(to_json(&response))
}

fn respond(review: &Review) -> ValidationResponse {
    let plan = plan(review);
    let verdict = &plan.verdict;
    let response = match (plan.admission, &plan.problem) {
        (Admission::Deny, Some(problem)) => {
            ValidationResponse::rejection(422, format!("{}: {problem}", verdict.code.as_str()))
        }
        (Admission::Deny, None) => ValidationResponse::rejection(422, verdict.code.sentence().to_owned()),
        (Admission::Allow, _) => ValidationResponse::acceptance(),
    };
    let claim = review.request.document.get("object");
    let warnings: Vec<String> =
        plan.notes.iter().filter(|note| note.concerns_admission()).map(Note::to_string).collect();
    ValidationResponse {
        mutated_object: plan.patch.zip(claim).map(|(patch, claim)| patch.apply(claim)),
        audit_annotations: Some(AuditAnnotations { code: verdict.code }),
        warnings: (!warnings.is_empty()).then_some(warnings),
        ..response
    }
}

impl ValidationResponse {
    fn acceptance() -> Self {
        ValidationResponse {
            accepted: true,
            message: None,
            code: None,
            mutated_object: None,
            audit_annotations: None,
            warnings: None,
        }
    }

    fn rejection(code: u16, message: String) -> Self {
        ValidationResponse { accepted: false, message: Some(message), code: Some(code), ..Self::acceptance() }
    }
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
