//! JSON Schemas of the inputs and outputs, generated from the types.

use schemars::{JsonSchema, Schema, schema_for};
use serde_json::{Map, Value};

use crate::evidence::Evidence;
use crate::plan::PlanDocument;
use crate::settings::Settings;

/// The input of one plan.
#[derive(JsonSchema)]
#[schemars(rename = "Review", deny_unknown_fields)]
#[expect(dead_code, reason = "what stands in it is read by hand, see `Review::from_json`")]
struct ReviewDocument {
    /// A PersistentVolumeClaim, an AdmissionReview v1 about one, or the `request` of such an AdmissionReview. A claim
    /// alone counts as the request to create it.
    request: Map<String, Value>,
    /// The base credentials, as a Secret.
    credentials: Option<Map<String, Value>>,
    /// The settings that an administrator makes once for all claims.
    settings: Option<Settings>,
    /// What an observer found out about the claim. Without it the manifests are rendered and no backup is released.
    evidence: Option<Evidence>,
}

/// The schemas, by the name of what they describe.
pub fn all() -> [(&'static str, Schema); 4] {
    [
        ("evidence", schema_for!(Evidence)),
        ("plan", schema_for!(PlanDocument<'static>)),
        ("review", schema_for!(ReviewDocument)),
        ("settings", schema_for!(Settings)),
    ]
}
