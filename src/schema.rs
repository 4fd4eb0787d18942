//! JSON Schemas of what goes in and out, generated from the types.

use schemars::{JsonSchema, Schema, schema_for};
use serde_json::{Map, Value};

use crate::evidence::Evidence;
use crate::plan::PlanDocument;
use crate::settings::Settings;

/// What one plan is made from.
#[derive(JsonSchema)]
#[schemars(rename = "Review", deny_unknown_fields)]
#[expect(dead_code, reason = "what stands in it is read by hand, see `Review::from_json`")]
struct ReviewDocument {
    /// A PersistentVolumeClaim, an AdmissionReview v1 about one, or the `request` of one.
    request: Map<String, Value>,
    /// The base credentials: a Secret.
    credentials: Option<Map<String, Value>>,
    /// What the administrator decided.
    settings: Option<Settings>,
    /// What an observer found out; without it manifests are generated and nothing is released.
    evidence: Option<Evidence>,
}

/// The schemas by the names of what they describe.
pub fn all() -> [(&'static str, Schema); 4] {
    [
        ("evidence", schema_for!(Evidence)),
        ("plan", schema_for!(PlanDocument<'static>)),
        ("review", schema_for!(ReviewDocument)),
        ("settings", schema_for!(Settings)),
    ]
}
