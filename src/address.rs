//! Addresses of objects of Kubernetes, and of keys of the store.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::text;

/// The address of an object of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ObjectRef {
    /// The object's API group and version, such as `v1` or `volsync.backube/v1alpha1`.
    pub api_version: Cow<'static, str>,
    /// The object's kind.
    pub kind: Cow<'static, str>,
    /// The object's namespace; left out where the kind is cluster-scoped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
}

/// The address of an object of the store, or of a prefix of keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StoreRef {
    /// The credentials to use.
    pub through: Through,
    /// The key in the bucket that those credentials name, without a leading `/`. A prefix ends in `/`.
    pub key: String,
}

/// The credentials to use for the store. Their `RESTIC_REPOSITORY` names the endpoint and the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Through {
    /// The claim's Secret in the cluster, because the mover uses it too.
    Secret,
    /// The base credentials of the review.
    Base,
    /// The base credentials of the review, but with the S3 access key of the Secret that the setting
    /// `credentials.hostSecret` names.
    Host,
}

impl ObjectRef {
    /// The address of an object; `namespace` is `None` for one that is in no namespace.
    pub fn new(api_version: &'static str, kind: &'static str, namespace: Option<&str>, name: &str) -> Self {
        let namespace = namespace.map(str::to_owned);
        ObjectRef { api_version: api_version.into(), kind: kind.into(), namespace, name: name.to_owned() }
    }

    /// Whether `object` has this address. Its API version may differ: an API server answers with the one asked for.
    pub(crate) fn is(&self, object: &Value) -> bool {
        text(object, &["kind"]) == self.kind
            && group(text(object, &["apiVersion"])) == group(&self.api_version)
            && text(object, &["metadata", "name"]) == self.name
            && text(object, &["metadata", "namespace"]) == self.namespace.as_deref().unwrap_or_default()
            && !text(object, &["metadata", "uid"]).is_empty()
    }
}

/// The group of an `apiVersion`; empty for the core group.
fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}
