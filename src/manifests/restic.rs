//! What VolSync's restic mover is told, in a restore and in a backup.

use serde::Serialize;

use super::SecretManifest;
use crate::mover::restic::{MoverKey, Retain};
use crate::protection::{Classes, Protection};
use crate::quantity::Quantity;
use crate::settings::{AccessMode, CopyMethod, SecurityContext};

/// `spec.restic` of a ReplicationDestination or a ReplicationSource; the last four fields differ between the two.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Restic {
    /// The name of the Secret, not an address.
    pub repository: String,
    #[serde(rename = "customCA", skip_serializing_if = "Option::is_none")]
    pub custom_ca: Option<CustomCa>,
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

/// Where the certificates of the authorities are that the mover trusts. VolSync fails where the Secret lacks the key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CustomCa {
    secret_name: String,
    key: MoverKey,
}

impl Restic {
    /// The fields that a restore and a backup have in common.
    pub(super) fn of(
        protection: &Protection<'_>,
        secret: &SecretManifest,
        copy_method: CopyMethod,
        classes: &Classes,
    ) -> Self {
        let key = MoverKey::AUTHORITIES;
        let secret_name = protection.names.secret.clone();
        Restic {
            custom_ca: secret.has(&key).then(|| CustomCa { secret_name: secret_name.clone(), key }),
            repository: secret_name,
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
