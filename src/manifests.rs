//! The three manifests that VolSync works from. Everything in them was decided elsewhere.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde::Serialize;

use crate::credentials::{ClaimCredentials, Credentials, MoverKey, Need, needs_without_credentials};
use crate::decision::{Backup, Restore, Verdict};
use crate::protection::Protection;
use crate::settings::{
    AccessMode, BackupCopyMethod, ExternalSecretSettings, MANAGED_BY, PREFIX, RemoteReference, RestoreCopyMethod,
    Retain, SecurityContext, StoreReference,
};

/// The manifests of one claim.
pub struct Manifests {
    pub(crate) secret: SecretManifest,
    pub(crate) destination: Object<DestinationSpec>,
    pub(crate) source: Object<SourceSpec>,
}

/// What carries the credentials. The Secret's own type has no `Debug` and no `Serialize`: only
/// [`SecretManifest::to_value`] writes it out.
pub(crate) enum SecretManifest {
    Secret {
        metadata: Box<ObjectMeta>,
        data: ClaimCredentials,
    },
    ExternalSecret(Box<Object<ExternalSecretSpec>>),
    /// It cannot be rendered before these keys are there.
    Needs {
        name: String,
        needs: Vec<Need>,
    },
}

/// An object of Kubernetes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Object<S> {
    api_version: &'static str,
    kind: &'static str,
    pub(crate) metadata: ObjectMeta,
    spec: S,
}

/// `spec` of a ReplicationDestination: api/v1alpha1/replicationdestination_types.go.
#[derive(Serialize)]
pub(crate) struct DestinationSpec {
    trigger: ManualTrigger,
    restic: ResticDestination,
}

#[derive(Serialize)]
struct ManualTrigger {
    manual: String,
}

/// `spec` of a ReplicationSource: api/v1alpha1/replicationsource_types.go.
#[derive(Serialize)]
pub(crate) struct SourceSpec {
    #[serde(rename = "sourcePVC")]
    source_pvc: String,
    trigger: ScheduleTrigger,
    /// No job runs while it is true. Left out when false, as the seed does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    paused: bool,
    restic: ResticSource,
}

#[derive(Serialize)]
struct ScheduleTrigger {
    schedule: String,
}

/// What a restore and a backup say alike.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Restic<M> {
    /// The name of the Secret, not an address.
    repository: String,
    copy_method: M,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage_class_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume_snapshot_class_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_capacity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_storage_class_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_access_modes: Option<Vec<AccessMode>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mover_security_context: Option<SecurityContext>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mover_service_account: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResticDestination {
    #[serde(flatten)]
    restic: Restic<RestoreCopyMethod>,
    capacity: String,
    access_modes: Vec<AccessMode>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResticSource {
    #[serde(flatten)]
    restic: Restic<BackupCopyMethod>,
    prune_interval_days: u32,
    retain: Retain,
}

/// `spec` of an ExternalSecret, external-secrets.io/v1.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExternalSecretSpec {
    refresh_interval: String,
    secret_store_ref: StoreReference,
    target: ExternalSecretTarget,
    data: Vec<ExternalSecretData>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalSecretTarget {
    name: String,
    creation_policy: &'static str,
    template: ExternalSecretTemplate,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalSecretTemplate {
    engine_version: &'static str,
    merge_policy: &'static str,
    metadata: ExternalSecretMetadata,
    data: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct ExternalSecretMetadata {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalSecretData {
    secret_key: MoverKey,
    remote_ref: RemoteReference,
}

impl Manifests {
    /// Renders what `verdict` decided for one claim.
    pub(crate) fn render(protection: &Protection<'_>, credentials: Option<&Credentials>, verdict: &Verdict) -> Self {
        Manifests {
            secret: secret(protection, credentials),
            destination: destination(protection),
            source: source(protection, verdict.backup),
        }
    }
}

impl SecretManifest {
    /// The manifest as JSON, credentials and all; nothing where keys are missing.
    pub(crate) fn to_value(&self) -> Option<serde_json::Value> {
        let object = match self {
            SecretManifest::Secret { metadata, data } => serde_json::to_value(Secret {
                metadata: ObjectMeta::clone(metadata),
                data: Some(
                    data.iter()
                        .map(|(key, value)| (key.as_str().to_owned(), ByteString(value.reveal().to_vec())))
                        .collect(),
                ),
                type_: Some("Opaque".to_owned()),
                ..Secret::default()
            }),
            SecretManifest::ExternalSecret(object) => serde_json::to_value(object),
            SecretManifest::Needs { .. } => return None,
        };
        object.ok()
    }

    /// What is done with it: it is applied with the others, where it can be rendered.
    pub(crate) fn action(&self) -> Restore {
        match self {
            SecretManifest::Secret { .. } | SecretManifest::ExternalSecret(_) => Restore::Apply,
            SecretManifest::Needs { .. } => Restore::Keep,
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        match self {
            SecretManifest::Secret { metadata, .. } => metadata.name.as_deref().unwrap_or_default(),
            SecretManifest::ExternalSecret(object) => object.metadata.name.as_deref().unwrap_or_default(),
            SecretManifest::Needs { name, .. } => name,
        }
    }

    /// The keys without which it cannot be rendered.
    pub(crate) fn needs(&self) -> &[Need] {
        match self {
            SecretManifest::Needs { needs, .. } => needs,
            SecretManifest::Secret { .. } | SecretManifest::ExternalSecret(_) => &[],
        }
    }
}

fn secret(protection: &Protection<'_>, credentials: Option<&Credentials>) -> SecretManifest {
    let name = &protection.names.secret;
    if let Some(external) = &protection.settings.credentials.external_secret {
        return SecretManifest::ExternalSecret(Box::new(external_secret(protection, external)));
    }
    let data = credentials
        .map_or_else(|| Err(needs_without_credentials()), |base| base.for_claim(&protection.repository_path));
    match data {
        Ok(data) => SecretManifest::Secret { metadata: Box::new(metadata(protection, name)), data },
        Err(needs) => SecretManifest::Needs { name: name.clone(), needs },
    }
}

fn external_secret(protection: &Protection<'_>, external: &ExternalSecretSettings) -> Object<ExternalSecretSpec> {
    let made = metadata(protection, &protection.names.secret);
    // External Secrets fills this in where the base repository is known. It trims as we do for a Secret of our own.
    let repository = format!("{{{{ .RESTIC_REPOSITORY | trim | trimSuffix \"/\" }}}}/{}", protection.repository_path);
    Object {
        api_version: "external-secrets.io/v1",
        kind: "ExternalSecret",
        metadata: metadata(protection, &protection.names.secret),
        spec: ExternalSecretSpec {
            refresh_interval: external.refresh_interval.clone(),
            secret_store_ref: external.store.clone(),
            target: ExternalSecretTarget {
                name: protection.names.secret.clone(),
                creation_policy: "Owner",
                template: ExternalSecretTemplate {
                    engine_version: "v2",
                    // The keys that are not templated are copied.
                    merge_policy: "Merge",
                    metadata: ExternalSecretMetadata {
                        labels: made.labels.unwrap_or_default(),
                        annotations: made.annotations.unwrap_or_default(),
                    },
                    data: BTreeMap::from([("RESTIC_REPOSITORY", repository)]),
                },
            },
            data: (external.data.iter())
                .map(|(key, remote)| ExternalSecretData { secret_key: key.clone(), remote_ref: remote.clone() })
                .collect(),
        },
    }
}

fn destination(protection: &Protection<'_>) -> Object<DestinationSpec> {
    let settings = &protection.settings.restore;
    let classes = &protection.restore;
    Object {
        api_version: "volsync.backube/v1alpha1",
        kind: "ReplicationDestination",
        metadata: metadata(protection, &protection.names.destination),
        spec: DestinationSpec {
            trigger: ManualTrigger { manual: protection.trigger.clone() },
            restic: ResticDestination {
                restic: Restic {
                    repository: protection.names.secret.clone(),
                    copy_method: settings.copy_method,
                    storage_class_name: classes.storage_class_name.clone(),
                    volume_snapshot_class_name: classes.volume_snapshot_class_name.clone(),
                    cache_capacity: settings.cache_capacity.as_ref().map(|size| size.as_str().to_owned()),
                    cache_storage_class_name: classes.cache_storage_class_name.clone(),
                    cache_access_modes: settings.cache_access_modes.clone(),
                    mover_security_context: protection.security_context.clone(),
                    mover_service_account: protection.service_account.clone(),
                },
                capacity: protection.capacity.clone(),
                access_modes: protection.access_modes.clone(),
            },
        },
    }
}

fn source(protection: &Protection<'_>, backup: Backup) -> Object<SourceSpec> {
    let settings = &protection.settings.backup;
    let classes = &protection.backup;
    let paused = match backup {
        Backup::Release(_released) => false,
        Backup::Pause | Backup::Keep => true,
    };
    Object {
        api_version: "volsync.backube/v1alpha1",
        kind: "ReplicationSource",
        metadata: metadata(protection, &protection.names.source),
        spec: SourceSpec {
            source_pvc: protection.name.to_owned(),
            trigger: ScheduleTrigger { schedule: protection.schedule.as_str().to_owned() },
            paused,
            restic: ResticSource {
                restic: Restic {
                    repository: protection.names.secret.clone(),
                    copy_method: settings.copy_method,
                    storage_class_name: classes.storage_class_name.clone(),
                    volume_snapshot_class_name: classes.volume_snapshot_class_name.clone(),
                    cache_capacity: Some(settings.cache_capacity.as_str().to_owned()),
                    cache_storage_class_name: classes.cache_storage_class_name.clone(),
                    cache_access_modes: settings.cache_access_modes.clone(),
                    mover_security_context: protection.security_context.clone(),
                    mover_service_account: protection.service_account.clone(),
                },
                prune_interval_days: settings.prune_interval_days,
                retain: settings.retain.clone(),
            },
        },
    }
}

/// The mark by which we know our own objects, and by which the API server removes them with their claim.
fn metadata(protection: &Protection<'_>, name: &str) -> ObjectMeta {
    let claim = protection.claim;
    let mut labels = protection.labels.clone();
    labels.insert(MANAGED_BY.to_owned(), "volsync-policy".to_owned());
    let mut annotations = protection.annotations.clone();
    annotations.extend(claim.uid.iter().map(|uid| (format!("{PREFIX}claim-uid"), uid.clone())));
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(claim.namespace.clone()),
        labels: Some(labels),
        annotations: (!annotations.is_empty()).then_some(annotations),
        owner_references: claim.uid.as_ref().map(|uid| vec![owner(protection.name, uid)]),
        ..ObjectMeta::default()
    }
}

fn owner(name: &str, uid: &str) -> OwnerReference {
    OwnerReference {
        api_version: "v1".to_owned(),
        kind: "PersistentVolumeClaim".to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
        ..OwnerReference::default()
    }
}
