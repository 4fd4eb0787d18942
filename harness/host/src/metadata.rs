//! The metadata of an object, as far as commands and metrics look at it.

use std::collections::HashMap;

use serde::Deserialize;
use volsync_policy::evidence::Timestamp;

/// The metadata of an object.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Metadata {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) creation_timestamp: Option<Timestamp>,
    pub(crate) labels: HashMap<String, String>,
    pub(crate) annotations: HashMap<String, String>,
}
