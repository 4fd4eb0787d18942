//! The policy for JavaScript: objects or JSON text in, objects out, and an `Error` that names the place where something
//! is wrong.
//!
//! It holds no rule: what is tested natively is what runs here.
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

/** What is thrown where a review cannot be read. No part of it holds a value of the review. */
export interface PolicyError extends Error {
    /** Where the first problem stands, as in `settings.backup.retain`. */
    path: string;
    /** What to write instead, where there is something to say. */
    hint?: string;
    /** Everything that is wrong. */
    problems: Problem[];
}
"#;

/// Plans what a review asks for.
///
/// @throws a {@link PolicyError} where the review cannot be read
#[cfg(not(feature = "host"))]
#[wasm_bindgen(unchecked_return_type = "Plan")]
pub fn plan(#[wasm_bindgen(unchecked_param_type = "Review | string")] review: &JsValue) -> Result<JsValue, JsValue> {
    let review = volsync_policy::Review::from_json(json(review)?.as_bytes()).map_err(|error| thrown(&error))?;
    JSON::parse(str::from_utf8(&volsync_policy::plan(&review).to_json()).unwrap_or_default())
}

/// Plans for a host by what it saw: the plan, and beside it evidence, writes, and when to plan again.
///
/// @throws a {@link PolicyError} where the inspection cannot be read
#[cfg(feature = "host")]
#[wasm_bindgen(unchecked_return_type = "Plan & HostPart")]
pub fn plan(
    #[wasm_bindgen(unchecked_param_type = "Inspection | string")] inspection: &JsValue,
) -> Result<JsValue, JsValue> {
    let inspection = volsync_policy::Inspection::from_json(json(inspection)?.as_bytes());
    let plan = volsync_policy::plan_for_host(&inspection.map_err(|error| thrown(&error))?);
    JSON::parse(str::from_utf8(&plan.to_json()).unwrap_or_default())
}

/// What a host must look at next, in the order in which it must be read; nothing once it has seen everything that
/// matters.
///
/// @throws a {@link PolicyError} where the inspection cannot be read
#[cfg(feature = "host")]
#[wasm_bindgen(unchecked_return_type = "Reads")]
pub fn reads(
    #[wasm_bindgen(unchecked_param_type = "Inspection | string")] inspection: &JsValue,
) -> Result<JsValue, JsValue> {
    let inspection = volsync_policy::Inspection::from_json(json(inspection)?.as_bytes());
    let reads = volsync_policy::reads(&inspection.map_err(|error| thrown(&error))?);
    JSON::parse(&serde_json::to_string(&reads).unwrap_or_default())
}

/// Everything that is wrong with settings: nothing where they are valid.
#[wasm_bindgen(js_name = validateSettings, unchecked_return_type = "Problem[]")]
pub fn validate_settings(
    #[wasm_bindgen(unchecked_param_type = "Settings | string")] settings: &JsValue,
) -> Result<JsValue, JsValue> {
    check_settings(json(settings)?.as_bytes()).map_or_else(|error| problems(&error), |()| JSON::parse("[]"))
}

/// Runs one of the module's operations on bytes, as every other engine does.
///
/// @throws an `Error` whose message is the operation's own: JSON with everything that is wrong
#[wasm_bindgen]
pub fn call(operation: &str, payload: &[u8]) -> Result<Vec<u8>, JsValue> {
    let (_, run) = (OPERATIONS.iter().find(|(name, _)| *name == operation))
        // In the words of the waPC guest's own dispatcher.
        .ok_or_else(|| Error::new(&format!("No handler registered for function {operation}")))?;
    run(payload).map_err(|error| Error::new(&error.to_string()).into())
}

/// The text of an object; text itself is taken for JSON.
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
