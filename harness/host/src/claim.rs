//! The key of a claim, and how the key follows from an object.

use std::fmt;

use kube::core::{DynamicObject, PartialObjectMeta};
use volsync_policy::ObjectRef;

/// The namespace and the name of a claim.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClaimKey {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl ClaimKey {
    /// The claim as an object of the API server.
    pub(crate) fn object(&self) -> ObjectRef {
        ObjectRef::new("v1", "PersistentVolumeClaim", Some(&self.namespace), &self.name)
    }

    /// The key of an object that is a claim.
    pub(crate) fn of(object: &PartialObjectMeta<DynamicObject>) -> Option<Self> {
        Some(ClaimKey { namespace: object.metadata.namespace.clone()?, name: object.metadata.name.clone()? })
    }

    /// The key of the claim that owns an object.
    pub(crate) fn owner_of(object: &PartialObjectMeta<DynamicObject>) -> Option<Self> {
        let owners = object.metadata.owner_references.as_deref().unwrap_or_default();
        let claim = owners.iter().find(|owner| owner.kind == "PersistentVolumeClaim" && owner.api_version == "v1")?;
        Some(ClaimKey { namespace: object.metadata.namespace.clone()?, name: claim.name.clone() })
    }
}

impl fmt::Display for ClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
