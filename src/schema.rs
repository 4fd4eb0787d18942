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
#[expect(dead_code, reason = "its fields are read by hand, see `Review::from_json`")]
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

/// The input of one plan for a host, and of the reads that precede it.
#[derive(JsonSchema)]
#[schemars(rename = "Inspection", deny_unknown_fields)]
#[expect(dead_code, reason = "its fields are read by hand, see `Inspection::from_json`")]
struct InspectionDocument {
    /// A PersistentVolumeClaim, an AdmissionReview v1 about one, or the `request` of such an AdmissionReview. A claim
    /// alone counts as the request to create it.
    request: Map<String, Value>,
    /// The base credentials, as a Secret.
    credentials: Option<Map<String, Value>>,
    /// The settings that an administrator makes once for all claims.
    settings: Option<Settings>,
    /// The raw answers of the host: the answer to each read, by its role. Besides the roles, `queue` says how many
    /// restores are ahead of the claim's.
    seen: Option<BTreeMap<String, AnswerDocument>>,
}

/// The answer to one read: the object, log, listing or bytes that were asked for, or the reason why there are none.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Answer")]
#[expect(dead_code, reason = "its fields are read by hand, see `Seen`")]
struct AnswerDocument {
    /// The class of the failure, where the read failed.
    failed: Option<Failure>,
    /// Whether it does not exist.
    absent: Option<bool>,
    /// The object of Kubernetes, as the API server returned it.
    object: Option<Map<String, Value>>,
    /// The end of the log.
    log: Option<String>,
    /// The objects of the store directly below the prefix, from all pages of the listing.
    listing: Option<Vec<ListedDocument>>,
    /// The folders of the store directly below the prefix, as complete prefixes that end in `/`.
    prefixes: Option<Vec<String>>,
    /// Whether a page of the listing is missing.
    truncated: Option<bool>,
    /// The content of the object of the store, in base64.
    bytes: Option<String>,
    /// The entity tag of the object of the store.
    etag: Option<String>,
    /// The `Date` header of the store's answer, unchanged.
    date: Option<String>,
    /// The number of restores that are ahead of the claim's; only in `queue`.
    ahead: Option<u32>,
}

/// An object in a listing of the store.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Listed")]
#[expect(dead_code, reason = "its fields are read by hand, see `Seen`")]
struct ListedDocument {
    /// The object's key in the bucket.
    key: String,
    /// When the object was written, in RFC 3339.
    last_modified: String,
}

/// What a host must read next, in the order in which it must be read.
#[derive(JsonSchema)]
#[schemars(rename = "Reads")]
#[expect(dead_code, reason = "it describes the list that `reads` returns")]
struct ReadsDocument(Vec<Read>);

/// The schemas, by the name of what they describe.
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
