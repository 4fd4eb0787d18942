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

/// The input of one plan for a host, and of the list of what to read next.
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
    /// The answer to each read, by its role. A role that is left out was not read.
    seen: Option<BTreeMap<String, AnswerDocument>>,
}

/// The answer to one read: the object, the log, the listing or the bytes, or why there is none.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Answer")]
#[expect(dead_code, reason = "its fields are read by hand, see `Seen`")]
struct AnswerDocument {
    /// Why the read failed.
    failed: Option<Failure>,
    /// True where the object does not exist.
    absent: Option<bool>,
    /// The object of Kubernetes, as the API server returned it.
    object: Option<Map<String, Value>>,
    /// The end of the log: its last 1,024 bytes.
    log: Option<String>,
    /// The objects of the store directly below the prefix, from all pages of the listing.
    listing: Option<Vec<ListedDocument>>,
    /// The folders of the store directly below the prefix, as whole prefixes that end in `/`.
    prefixes: Option<Vec<String>>,
    /// True where a page of the listing is missing.
    truncated: Option<bool>,
    /// The content of the object of the store, in base64.
    bytes: Option<String>,
    /// The entity tag of the object of the store: its `ETag` header.
    etag: Option<String>,
    /// The `Date` header of the store's response, unchanged.
    date: Option<String>,
    /// For `queue` only: the number of claims that are ahead of this one. With 0 it has its turn.
    ahead: Option<u32>,
}

/// An object in a listing of the store.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Listed")]
#[expect(dead_code, reason = "its fields are read by hand, see `Seen`")]
struct ListedDocument {
    /// The key of the object, from the root of the bucket.
    key: String,
    /// When the object was written (`LastModified`), in RFC 3339.
    last_modified: String,
}

/// What a host must read next, in this order; empty once it has seen everything that matters.
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
