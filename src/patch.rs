//! The one change to the claim: its data source.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::claim::DataSourceRef;
use crate::names::VOLSYNC;
use crate::protection::Protection;
use crate::request::{Operation, Request};
use crate::settings::RestoreMode;

/// Adds `spec.dataSourceRef` to the claim, so that it stays Pending until VolSync has restored it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSourcePatch {
    /// The name of the ReplicationDestination.
    destination: String,
}

/// An operation of a JSON Patch (RFC 6902).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PatchOperation {
    /// The operation: always `add`.
    pub op: Cow<'static, str>,
    /// The place in the claim, as a JSON Pointer (RFC 6901).
    pub path: Cow<'static, str>,
    /// The value to add.
    pub value: Value,
}

impl DataSourcePatch {
    /// The patch for a claim that is being created and has no data source. The field is immutable afterwards. A claim
    /// that already has a uid is stored: an audit that replays it as a CREATE request must find nothing to change.
    pub(crate) fn of(request: &Request, protection: &Protection<'_>) -> Option<Self> {
        let claim = protection.claim;
        let is_wanted = request.operation == Operation::Create
            && protection.restore_mode == RestoreMode::Populate
            && claim.data_source == DataSourceRef::None
            && claim.uid.is_none();
        is_wanted.then(|| DataSourcePatch { destination: protection.names.destination.clone() })
    }

    /// The reference that is added.
    pub(crate) fn reference(&self) -> Value {
        json!({ "apiGroup": VOLSYNC, "kind": "ReplicationDestination", "name": self.destination })
    }

    /// The patch as a JSON Patch (RFC 6902).
    pub(crate) fn operations(&self) -> Vec<PatchOperation> {
        vec![PatchOperation { op: "add".into(), path: "/spec/dataSourceRef".into(), value: self.reference() }]
    }

    /// The claim with the reference added. Its document is edited, not rendered again, so that nothing else changes.
    pub(crate) fn apply(&self, claim: &Value) -> Value {
        let mut patched = claim.clone();
        if let Some(Value::Object(spec)) = patched.get_mut("spec") {
            spec.insert("dataSourceRef".to_owned(), self.reference());
        }
        patched
    }
}
