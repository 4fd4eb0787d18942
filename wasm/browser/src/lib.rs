//! The policy for JavaScript: it takes objects or JSON text and returns objects, or throws an `Error` that names the
//! place of a problem.
//!
//! It contains no rule: the code that runs here is the code that is tested natively.
#![cfg(target_arch = "wasm32")]

use js_sys::{Error, JSON, Reflect};
use volsync_policy::ReviewError;
#[cfg(feature = "host")]
use volsync_policy::guest::OPERATIONS;
#[cfg(not(feature = "host"))]
use volsync_policy::guest::OPERATIONS_OF_A_PAGE as OPERATIONS;
use volsync_policy::guest::check_settings;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
import type { HostPart, Inspection, Plan, Problem, Reads, Review, Settings } from "./types.js";

/** The error for an invalid review. It contains no value of the review. */
export interface PolicyError extends Error {
    /** The place of the first problem, as in `settings.backup.retain`. */
    path: string;
    /** What to write instead, if there is a suggestion. */
    hint?: string;
    /** All problems. */
    problems: Problem[];
}
"#;

/// Plans a review.
///
/// @throws a {@link PolicyError} if the review is invalid
#[cfg(not(feature = "host"))]
#[wasm_bindgen(unchecked_return_type = "Plan")]
pub fn plan(#[wasm_bindgen(unchecked_param_type = "Review | string")] review: &JsValue) -> Result<JsValue, JsValue> {
    let review = volsync_policy::Review::from_json(json(review)?.as_bytes()).map_err(|error| thrown(&error))?;
    JSON::parse(str::from_utf8(&volsync_policy::plan(&review).to_json()).unwrap_or_default())
}

/// Plans for a host from what it has read: the plan, and with it evidence, writes, and when to plan again.
///
/// @throws a {@link PolicyError} if the inspection is invalid
#[cfg(feature = "host")]
#[wasm_bindgen(unchecked_return_type = "Plan & HostPart")]
pub fn plan(
    #[wasm_bindgen(unchecked_param_type = "Inspection | string")] inspection: &JsValue,
) -> Result<JsValue, JsValue> {
    let inspection = volsync_policy::Inspection::from_json(json(inspection)?.as_bytes());
    let plan = volsync_policy::plan_for_host(&inspection.map_err(|error| thrown(&error))?);
    JSON::parse(str::from_utf8(&plan.to_json()).unwrap_or_default())
}

/// What a host must read next, in this order. Empty once it has read everything that matters.
///
/// @throws a {@link PolicyError} if the inspection is invalid
#[cfg(feature = "host")]
#[wasm_bindgen(unchecked_return_type = "Reads")]
pub fn reads(
    #[wasm_bindgen(unchecked_param_type = "Inspection | string")] inspection: &JsValue,
) -> Result<JsValue, JsValue> {
    let inspection = volsync_policy::Inspection::from_json(json(inspection)?.as_bytes());
    let reads = volsync_policy::reads(&inspection.map_err(|error| thrown(&error))?);
    JSON::parse(&serde_json::to_string(&reads).unwrap_or_default())
}

/// All problems of settings. Empty if they are valid.
#[wasm_bindgen(js_name = validateSettings, unchecked_return_type = "Problem[]")]
pub fn validate_settings(
    #[wasm_bindgen(unchecked_param_type = "Settings | string")] settings: &JsValue,
) -> Result<JsValue, JsValue> {
    check_settings(json(settings)?.as_bytes()).map_or_else(|error| problems(&error), |()| JSON::parse("[]"))
}

/// Calls an operation of the module with bytes, like every other engine.
///
/// @throws an `Error` whose message is the operation's own: JSON with every problem
#[wasm_bindgen]
pub fn call(operation: &str, payload: &[u8]) -> Result<Vec<u8>, JsValue> {
    let (_, run) = (OPERATIONS.iter().find(|(name, _)| *name == operation))
        // The same wording as the dispatcher of the waPC guest.
        .ok_or_else(|| Error::new(&format!("No handler registered for function {operation}")))?;
    run(payload).map_err(|error| Error::new(&error.to_string()).into())
}

/// The JSON text of an object. A string is JSON text already.
fn json(value: &JsValue) -> Result<String, JsValue> {
    match value.as_string() {
        Some(text) => Ok(text),
        None => JSON::stringify(value)?.as_string().ok_or_else(|| Error::new("expected an object, or JSON").into()),
    }
}

fn problems(error: &ReviewError) -> Result<JsValue, JsValue> {
    Reflect::get(&JSON::parse(&error.to_json())?, &"problems".into())
}

fn thrown(error: &ReviewError) -> JsValue {
    let thrown = Error::new(&error.to_string());
    let set = |key: &str, value: &JsValue| Reflect::set(&thrown, &key.into(), value);
    let first = error.problems.first();
    let text = |text: &String| JsValue::from_str(text);
    let done = set("path", &first.map(|it| text(&it.path)).unwrap_or_default())
        .and_then(|_| first.and_then(|it| it.hint.as_ref()).map_or(Ok(true), |hint| set("hint", &text(hint))))
        .and_then(|_| set("problems", &problems(error)?));
    done.err().unwrap_or_else(|| thrown.into())
}
