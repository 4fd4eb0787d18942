//! Kubewarden's host for policies: the crates of its evaluator, in the versions that it uses, and a little code around
//! them that follows crates/policy-evaluator of kubewarden/adm-controller (v1.36).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use json_patch::Patch;
use serde::Deserialize;
use serde_json::{Value, json};
use wapc::WapcHost;
use wasmtime_provider::wasmtime::{Config, Engine, Module};
use wasmtime_provider::{EpochDeadlines, WasmtimeEngineProviderBuilder, WasmtimeEngineProviderPre};

use crate::{module, raw_policy};

/// The policy at admission, compiled once per process.
pub static ADMISSION: LazyLock<Policy> = LazyLock::new(|| Policy::load(&module()));

/// The raw policy, compiled once per process.
pub static RAW: LazyLock<Policy> = LazyLock::new(|| Policy::load(&raw_policy()));

/// A policy that is loaded.
pub struct Policy(WasmtimeEngineProviderPre);

/// The answer to a validation of settings.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingsResponse {
    /// Whether they are valid.
    pub valid: bool,
    /// The problems of the settings.
    pub message: Option<String>,
}

/// A policy's answer to a request, in its protocol.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ValidationResponse {
    accepted: bool,
    message: Option<String>,
    code: Option<u16>,
    mutated_object: Option<Value>,
    audit_annotations: Option<BTreeMap<String, String>>,
    warnings: Option<Vec<String>>,
}

/// The response that Kubewarden sends to the API server.
#[derive(Debug, PartialEq)]
pub struct AdmissionResponse {
    /// Whether the request is allowed.
    pub allowed: bool,
    /// The reason for a rejection.
    pub message: Option<String>,
    /// The reason for a rejection, as an HTTP status code.
    pub code: Option<u16>,
    /// The JSON Patch.
    pub patch: Option<Patch>,
    /// The annotations for the audit log.
    pub audit_annotations: BTreeMap<String, String>,
    /// The warnings for the client.
    pub warnings: Vec<String>,
}

/// The ticks of a second that a call may take: the default of the policy server's `--policy-timeout`.
pub const DEADLINE: u64 = 2;

impl AdmissionResponse {
    /// The document with the patch applied, which must change it.
    pub fn applied_to(&self, mut document: Value) -> Value {
        json_patch::patch(&mut document, self.patch.as_ref().expect("a change")).unwrap();
        document
    }
}

impl Policy {
    /// Compiles the policy in `file`. It is refused if it imports something that the host does not have.
    fn load(file: &Path) -> Policy {
        let mut config = Config::default();
        config.epoch_interruption(true);
        let engine = Engine::new(&config).unwrap();
        let module = Module::from_file(&engine, file).expect("`cargo xtask wasm` builds the policies first");
        Policy(WasmtimeEngineProviderBuilder::new().engine(engine).module(module).build_pre().unwrap())
    }

    /// A new instance, in which a call may take `deadline` ticks.
    pub fn instance(&self, deadline: u64) -> WapcHost {
        let deadlines = EpochDeadlines { wapc_init: DEADLINE, wapc_func: deadline };
        let provider = self.0.rehydrate(Some(deadlines)).unwrap();
        let no_capability = |_, binding: &str, namespace: &str, operation: &str, _: &[u8]| {
            panic!("the policy asks its host for {binding} {namespace} {operation}")
        };
        WapcHost::new(Box::new(provider), Some(Box::new(no_capability))).unwrap()
    }

    /// Calls an operation in a new instance, as the policy server does.
    pub fn call(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        self.instance(DEADLINE).call(operation, payload).map_err(|error| error.to_string())
    }

    /// Validates settings.
    pub fn validate_settings(&self, settings: &Value) -> SettingsResponse {
        let answer = self.call("validate_settings", settings.to_string().as_bytes()).unwrap();
        serde_json::from_slice(&answer).unwrap()
    }

    /// The answer to an AdmissionRequest, which is sent without fields that are null, as by Kubewarden.
    pub fn review(&self, request: &Value, settings: &Value) -> AdmissionResponse {
        let mut request = request.clone();
        request.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.answer(&request, request.get("object"), settings)
    }

    /// The answer of a raw policy to any document.
    pub fn review_raw(&self, document: &Value, settings: &Value) -> AdmissionResponse {
        self.answer(document, Some(document), settings)
    }

    /// The patch applies to `object`, which is absent if a claim is deleted.
    fn answer(&self, request: &Value, object: Option<&Value>, settings: &Value) -> AdmissionResponse {
        let payload = json!({ "request": request, "settings": settings });
        let answer = self.call("validate", payload.to_string().as_bytes()).unwrap();
        let response: ValidationResponse = serde_json::from_slice(&answer).unwrap();
        let patch = response.mutated_object.map(|mutated| {
            json_patch::diff(object.expect("Kubewarden refuses what changes a request to delete"), &mutated)
        });
        AdmissionResponse {
            allowed: response.accepted,
            message: response.message,
            code: response.code,
            patch: patch.filter(|patch| !patch.is_empty()),
            audit_annotations: response.audit_annotations.unwrap_or_default(),
            warnings: response.warnings.unwrap_or_default(),
        }
    }
}
