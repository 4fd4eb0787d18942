//! Addresses: of objects of Kubernetes, and of keys of the store.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::text;

/// The address of an object of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ObjectRef {
    /// Its API group and version, as in `v1` or `volsync.backube/v1alpha1`.
    pub api_version: Cow<'static, str>,
    /// Its kind.
    pub kind: Cow<'static, str>,
    /// Its namespace, where the kind has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// A key of the store, or a prefix of keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StoreRef {
    /// Whose credentials lead there.
    pub through: Through,
    /// The key in the bucket that those credentials name; a prefix ends in `/`.
    pub key: String,
}

/// The credentials through which a store is reached: their `RESTIC_REPOSITORY` names endpoint and bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Through {
    /// The claim's live Secret: what is judged is what the mover will use.
    Secret,
    /// The base credentials of the review.
    Base,
}

impl ObjectRef {
    pub(crate) fn new(api_version: &'static str, kind: &'static str, namespace: Option<&str>, name: &str) -> Self {
        let namespace = namespace.map(str::to_owned);
        ObjectRef { api_version: api_version.into(), kind: kind.into(), namespace, name: name.to_owned() }
    }

    /// Whether `object` is that object. Its version may differ: an API server gives the one that was asked for.
    pub(crate) fn is(&self, object: &Value) -> bool {
        text(object, &["kind"]) == self.kind
            && group(text(object, &["apiVersion"])) == group(&self.api_version)
            && text(object, &["metadata", "name"]) == self.name
            && text(object, &["metadata", "namespace"]) == self.namespace.as_deref().unwrap_or_default()
            && !text(object, &["metadata", "uid"]).is_empty()
    }
}

/// The group of an `apiVersion`; empty for the core's.
fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}
