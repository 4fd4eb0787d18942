//! Policy tests for JavaScript: `volsync-policy test` runs the same code.
#![cfg(target_arch = "wasm32")]

use std::path::Path;

use js_sys::{Error, JSON};
use volsync_policy_cases::Case;
use volsync_policy_engine::Native;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"import type { CaseReport } from "./types.js";"#;

/// The file name in the errors of a case that is not in a file.
const FILE: &str = "case.yaml";

/// Runs one case, given as YAML or JSON. Its parts cannot be in other files.
///
/// @throws an `Error` that says why the case cannot be read, or could not fail
#[wasm_bindgen(js_name = runCase, unchecked_return_type = "CaseReport")]
pub fn run_case(text: &str) -> Result<JsValue, JsValue> {
    let case = Case::parse(text, Path::new(FILE)).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(|fault| format!("{fault:#}")).collect();
        Error::new(&faults.join("\n"))
    })?;
    JSON::parse(&case.run(&[&Native]).to_json(&case))
}
