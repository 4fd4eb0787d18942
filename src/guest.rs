//! The operations of the module, bytes in and bytes out. Every engine calls these, and adds nothing to them.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::code::Code;
use crate::document::parse;
use crate::host::{Inspection, plan_for_host, reads};
use crate::plan;
use crate::plan::{Admission, Plan};
use crate::problem::Problem;
use crate::records;
use crate::review::{Review, ReviewError};
use crate::settings::Settings;

/// The answer of an operation: JSON, or an error whose text is JSON too (see [`ReviewError::to_json`]).
pub type Answer = Result<Vec<u8>, Box<dyn std::error::Error + Sync + Send>>;

/// An operation, with the signature that waPC requires.
pub type Operation = fn(&[u8]) -> Answer;

/// The operations, by name.
pub const OPERATIONS: [(&str, Operation); 5] = [
    ("plan", plan_review_or_inspection),
    ("reads", reads_of_inspection),
    ("protocol_version", protocol_version),
    ("validate", validate),
    VALIDATE_SETTINGS,
];

/// The operations of a module that serves neither a host nor an API server, such as that of a page.
pub const OPERATIONS_OF_A_PAGE: [(&str, Operation); 2] = [("plan", plan_review), VALIDATE_SETTINGS];

const VALIDATE_SETTINGS: (&str, Operation) = ("validate_settings", validate_settings);

/// Takes a review, returns its plan.
fn plan_review(review: &[u8]) -> Answer {
    let review = Review::from_json(review).map_err(|error| error.to_json())?;
    Ok(plan(&review).to_json())
}

/// Takes a review or an inspection, returns its plan. An input with `seen` is an inspection.
fn plan_review_or_inspection(given: &[u8]) -> Answer {
    let plan = |document: Value| match document.get("seen") {
        Some(_) => Inspection::from_value(document).map(|inspection| plan_for_host(&inspection).to_json()),
        None => Review::from_value(document).map(|review| plan(&review).to_json()),
    };
    Ok(parse(given).map_err(ReviewError::from).and_then(plan).map_err(|error| error.to_json())?)
}

/// Takes an inspection, returns what to read next: a list, which is empty once everything that matters was seen.
fn reads_of_inspection(inspection: &[u8]) -> Answer {
    let inspection = Inspection::from_json(inspection).map_err(|error| error.to_json())?;
    Ok(to_json(&reads(&inspection)))
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

/// Takes settings, returns whether they are valid, with all their problems.
fn validate_settings(settings: &[u8]) -> Answer {
    let message = check_settings(settings).err().map(|error| error.to_string());
    Ok(to_json(&SettingsResponse { valid: message.is_none(), message }))
}

/// Checks settings, given as JSON. Every key is optional.
///
/// # Errors
///
/// All problems, each with its path.
pub fn check_settings(settings: &[u8]) -> Result<(), ReviewError> {
    match parse(settings)? {
        Value::Null => Ok(()),
        document => Ok(Settings::from_value(document).map(drop)?),
    }
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

/// The annotations of an answer in the API server's audit log.
#[derive(Serialize)]
struct AuditAnnotations {
    code: Code,
}

/// Kubewarden's question in, `{"request", "settings"}`, its answer out.
///
/// The module is two policies to Kubewarden, told apart by what `request` is: an AdmissionRequest, as an API server
/// makes it, never has a key `request`, and a review always has one.
///
/// - An AdmissionRequest asks whether a claim may be created or changed. The answer holds the claim as it should be.
/// - A review asks what is to be done. The answer holds the plan. See [`raw_review`].
///
/// What cannot be read is rejected, and is no error: an error would be logged with its payload.
fn validate(payload: &[u8]) -> Answer {
    let rejected = |error: ReviewError| ValidationResponse::rejection(400, error.to_string());
    Ok(to_json(&respond(payload).unwrap_or_else(rejected)))
}

fn respond(payload: &[u8]) -> Result<ValidationResponse, ReviewError> {
    let payload = parse(payload)?;
    if payload.get("request").and_then(|request| request.get("request")).is_none() {
        return Ok(admit(&Review::from_value(payload)?));
    }
    Ok(hand_out(&plan(&Review::from_value(raw_review(payload)?)?)))
}

/// The review that a raw policy is asked about, as [`Review::from_json`] reads it.
///
/// Its settings are part of the policy's configuration, and its `uid` is the host's, which echoes it. An
/// AdmissionReview is a review of its request.
fn raw_review(mut payload: Value) -> Result<Value, Problem> {
    let mut take = |key| payload.get_mut(key).map(Value::take).unwrap_or_default();
    let (given, settings) = (take("request"), take("settings"));
    let Value::Object(given) = given else { return Ok(given) };
    let is_admission = given.get("kind").is_some_and(|kind| kind == "AdmissionReview");
    let is_envelope = |key: &str| key == "uid" || is_admission && matches!(key, "kind" | "apiVersion");
    // Copied, not removed from: see `Parts::take`.
    let mut review = Map::new();
    for (key, value) in given.into_iter().filter(|(key, _)| !is_envelope(key)) {
        review.insert(key, value);
    }
    if review.insert("settings".to_owned(), settings).is_some() {
        let problem = Problem::new("settings", "are part of the policy's configuration");
        return Err(problem.hint("leave them out of the review"));
    }
    Ok(Value::Object(review))
}

/// Answers whether the claim may be created or changed, with the claim as it should be.
fn admit(review: &Review) -> ValidationResponse {
    let plan = plan(review);
    let code = plan.verdict.code;
    let problem = plan.problem.filter(|_| plan.admission == Admission::Deny);
    let response = problem.map_or(ValidationResponse::acceptance(code), |it| ValidationResponse::refusal(code, &it));
    let claim = review.request.document.get("object");
    let kept = records::kept(&review.request, &review.settings);
    let warnings: Vec<String> = (plan.notes.iter())
        .filter(|note| note.concerns_admission())
        .map(|note| format!("{}: {note}", note.code()))
        .chain(kept.is_some().then(|| records::KEPT.to_owned()))
        .collect();
    ValidationResponse {
        mutated_object: match (plan.patch, kept.as_ref().or(claim)) {
            (Some(patch), Some(claim)) => Some(patch.apply(claim)),
            (None, _) | (_, None) => kept,
        },
        warnings: (!warnings.is_empty()).then_some(warnings),
        ..response
    }
}

/// Returns the plan in place of the review, so that the patch of the host turns the review into the plan.
fn hand_out(plan: &Plan) -> ValidationResponse {
    match plan.refusal() {
        Some((code, problem)) => ValidationResponse::refusal(code, &problem),
        None => ValidationResponse {
            mutated_object: str::from_utf8(&plan.to_json()).ok().and_then(|json| serde_json::from_str(json).ok()),
            ..ValidationResponse::acceptance(plan.verdict.code)
        },
    }
}

impl ValidationResponse {
    fn acceptance(code: Code) -> Self {
        ValidationResponse {
            accepted: true,
            message: None,
            code: None,
            mutated_object: None,
            audit_annotations: Some(AuditAnnotations { code }),
            warnings: None,
        }
    }

    /// The claim is rejected for a problem.
    fn refusal(code: Code, problem: &Problem) -> Self {
        let rejection = ValidationResponse::rejection(422, format!("{}: {problem}", code.as_str()));
        ValidationResponse { audit_annotations: Some(AuditAnnotations { code }), ..rejection }
    }

    /// The request is rejected, with an HTTP status code.
    fn rejection(code: u16, message: String) -> Self {
        ValidationResponse {
            accepted: false,
            message: Some(message),
            code: Some(code),
            mutated_object: None,
            audit_annotations: None,
            warnings: None,
        }
    }
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
