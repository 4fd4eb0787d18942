//! Dumps of a cluster for JavaScript: `volsync-policy explain --seen` runs the same code.
#![cfg(target_arch = "wasm32")]

use std::fmt::Display;
use std::io::Cursor;

use anyhow::Context;
use js_sys::{Error, JSON};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use volsync_policy::{Code, ReviewError};
use volsync_policy_cases::{Document, Documents, redact};
use volsync_policy_engine::{CallError, Engine, Native};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
import type { HostPart, Plan, Review } from "./types.js";

/** What the reviews of all claims of a dump have in common. */
export type Shared = Pick<Review, "credentials" | "settings">;

/** A claim of a dump. */
export interface ClaimOfDump {
    /** The claim itself. */
    request: Review["request"];
    /** Whether the claim has the label, and its namespace is not excluded. */
    isSelected: boolean;
}

/** What would happen to a claim, according to a dump. */
export interface Explanation {
    plan: Plan & HostPart;
    /** What the dump does not say about the claim: what is unread, and what is assumed. */
    missing: { topic: "unread" | "assumed"; sentence: string }[];
}

/** What was read from a cluster and its store, in files that a person sent. It contains no value of a Secret. */
export interface Dump {
    /**
     * All claims, by namespace and name.
     *
     * @throws an `Error` that says what is wrong with settings or credentials
     */
    claims(shared: Shared): ClaimOfDump[];
    /**
     * What would happen to the claim that `request` is about. With `assumesSecrets`, the values of its Secret are
     * assumed to be those that the base credentials would make.
     *
     * @throws an `Error` that says why there is no answer
     */
    explain(request: Review["request"], shared: Shared, assumesSecrets: boolean): Explanation;
    /** Frees its memory. */
    free(): void;
}
"#;

/// What was read from a cluster and its store, in files that a person sent. It contains no value of a Secret.
#[wasm_bindgen(skip_typescript)]
#[derive(Default)]
pub struct Dump(volsync_policy_cases::Dump);

#[wasm_bindgen]
impl Dump {
    /// A dump without documents.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Dump::default()
    }

    /// Reads a file, and removes the values of its Secrets. An error names the file and the line, and quotes nothing.
    pub fn add(&mut self, name: String, text: String) -> Result<(), JsValue> {
        Documents::new(name, Box::new(Cursor::new(text))).try_for_each(|document| self.take(document)).map_err(thrown)
    }

    /// All claims, by namespace and name.
    pub fn claims(&self, shared: &JsValue) -> Result<JsValue, JsValue> {
        let plan = Native.under(&read(shared)?).map_err(thrown)?;
        // A claim that cannot be planned is worth explaining.
        let is_selected = |claim: &Value| {
            let plan = plan(json!({ "request": claim }).to_string().as_bytes()).unwrap_or_default();
            let plan: Value = serde_json::from_slice(&plan).unwrap_or_default();
            plan.pointer("/verdict/code") != Some(&json!(Code::NotSelected.as_str()))
        };
        let claims = self.0.claims().map(|claim| json!({"request": claim, "isSelected": is_selected(claim)}));
        JSON::parse(&claims.collect::<Value>().to_string())
    }

    /// What would happen to the claim that `request` is about.
    pub fn explain(&self, request: &JsValue, shared: &JsValue, assumes_secrets: bool) -> Result<JsValue, JsValue> {
        let shared: Map<String, Value> = read(shared)?;
        let (inspection, missing) = self.0.inspection(&read(request)?, &shared, assumes_secrets);
        let plan =
            Native.call("plan", Value::Object(inspection).to_string().as_bytes()).map_err(|error| refused(&error))?;
        let plan: Value = serde_json::from_slice(&plan).map_err(thrown)?;
        let missing = missing.iter().map(|it| json!({"topic": it.topic(), "sentence": it.to_string()}));
        JSON::parse(&json!({"plan": plan, "missing": missing.collect::<Value>()}).to_string())
    }

    fn take(&mut self, document: anyhow::Result<Document>) -> anyhow::Result<()> {
        let Document { mut value, place } = document?;
        redact(&mut value);
        self.0.add(value).context(place)
    }
}

/// The value of a JavaScript object.
fn read<T: DeserializeOwned>(object: &JsValue) -> Result<T, JsValue> {
    let text = JSON::stringify(object)?.as_string().unwrap_or_default();
    serde_json::from_str(&text).map_err(|_| thrown("expected an object"))
}

/// Every problem, one per line.
fn refused(error: &CallError) -> JsValue {
    match error {
        CallError::Refused(problems) => match serde_json::from_str::<ReviewError>(problems) {
            Ok(problems) => thrown(problems),
            Err(_) => thrown(problems),
        },
        CallError::Failed(why) => thrown(why),
    }
}

fn thrown(why: impl Display) -> JsValue {
    Error::new(&format!("{why:#}")).into()
}
