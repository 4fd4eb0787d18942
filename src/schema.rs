//! JSON Schemas of the inputs and outputs, generated from the types.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, schema_for};
use serde_json::{Map, Value};

use crate::evidence::{Evidence, Failure};
use crate::host::HostPart;
use crate::plan_document::PlanDocument;
use crate::reads::Read;
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

/// What one plan for a host is made from, and what the next reads follow from.
#[derive(JsonSchema)]
#[schemars(rename = "Inspection", deny_unknown_fields)]
#[expect(dead_code, reason = "what stands in it is read by hand, see `Inspection::from_json`")]
struct InspectionDocument {
    /// A PersistentVolumeClaim, an AdmissionReview v1 about one, or the `request` of one.
    request: Map<String, Value>,
    /// The base credentials: a Secret.
    credentials: Option<Map<String, Value>>,
    /// What the administrator decided.
    settings: Option<Settings>,
    /// What the host saw: the answer to each read, by its role. Beside the roles, `queue` says how many restores the
    /// host lets go first.
    seen: Option<BTreeMap<String, AnswerDocument>>,
}

/// The answer to one read: the object, the log, the listing or the bytes that were asked for, or why there are none.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Answer")]
#[expect(dead_code, reason = "what stands in it is read by hand, see `Seen`")]
struct AnswerDocument {
    /// Why it could not be read.
    failed: Option<Failure>,
    /// It is true where what was asked for does not exist.
    absent: Option<bool>,
    /// The object of Kubernetes, as the API server gave it.
    object: Option<Map<String, Value>>,
    /// The end of the log.
    log: Option<String>,
    /// The objects of the store below the prefix, all pages of them.
    listing: Option<Vec<ListedDocument>>,
    /// The folders of the store right below the prefix, as whole prefixes that end in `/`.
    prefixes: Option<Vec<String>>,
    /// It is true where a page of the listing is missing.
    truncated: Option<bool>,
    /// The bytes of the object of the store, in base64.
    bytes: Option<String>,
    /// The entity tag of the object of the store.
    etag: Option<String>,
    /// The `Date` of the store's answer, as it stands in the header.
    date: Option<String>,
    /// Of `queue`: how many restores go first.
    ahead: Option<u32>,
}

/// An object in a listing of the store.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Listed")]
#[expect(dead_code, reason = "what stands in it is read by hand, see `Seen`")]
struct ListedDocument {
    /// Its key, from the bucket's root.
    key: String,
    /// When it was written, in RFC 3339.
    last_modified: String,
}

/// What to look at next.
#[derive(JsonSchema)]
#[schemars(rename = "Reads")]
#[expect(dead_code, reason = "it is written as the list that it holds, see `reads`")]
struct ReadsDocument(Vec<Read>);

/// The schemas by the names of what they describe.
pub fn all() -> [(&'static str, Schema); 7] {
    [
        ("evidence", schema_for!(Evidence)),
        ("host", schema_for!(HostPart<'static>)),
        ("inspection", schema_for!(InspectionDocument)),
        ("plan", schema_for!(PlanDocument<'static, Value>)),
        ("reads", schema_for!(ReadsDocument)),
        ("review", schema_for!(ReviewDocument)),
        ("settings", schema_for!(Settings)),
    ]
}
