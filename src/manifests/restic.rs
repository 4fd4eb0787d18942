//! What VolSync's restic mover is told, in a restore and in a backup.

use serde::Serialize;

use crate::mover::restic::Retain;
use crate::protection::{Classes, Protection};
use crate::quantity::Quantity;
use crate::settings::{AccessMode, CopyMethod, SecurityContext};

/// `spec.restic` of a ReplicationDestination or a ReplicationSource; the last four fields differ between the two.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Restic {
    /// The name of the Secret, not an address.
    pub repository: String,
    pub copy_method: CopyMethod,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_snapshot_class_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_capacity: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_storage_class_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_access_modes: Option<Vec<AccessMode>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mover_security_context: Option<SecurityContext>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mover_service_account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_modes: Option<Vec<AccessMode>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prune_interval_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retain: Option<Retain>,
}

impl Restic {
    /// The fields that a restore and a backup have in common.
    pub(super) fn of(protection: &Protection<'_>, copy_method: CopyMethod, classes: &Classes) -> Self {
        Restic {
            repository: protection.names.secret.clone(),
            copy_method,
            storage_class_name: classes.storage_class_name.clone(),
            volume_snapshot_class_name: classes.volume_snapshot_class_name.clone(),
            cache_capacity: None,
            cache_storage_class_name: classes.cache_storage_class_name.clone(),
            cache_access_modes: None,
            mover_security_context: protection.security_context.clone(),
            mover_service_account: protection.service_account.clone(),
            capacity: None,
            access_modes: None,
            prune_interval_days: None,
            retain: None,
        }
    }
}
