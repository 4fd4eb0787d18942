//! The three manifests that VolSync works from. This file only renders them; it decides nothing.

use k8s_openapi::ByteString;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ask::Ask;
use crate::credentials::{ClaimCredentials, Credentials, Need, SecretBytes, needs_without_credentials};
use crate::decision::{Backup, Restore, Verdict};
use crate::evidence::{Digest, Evidence, Expectation, ReleaseRecord, SecretContent, SecretEvidence, ValueMatch};
use crate::ledger;
use crate::mover::restic::MoverKey;
use crate::mover::restic::Retain;
use crate::names;
use crate::protection::{Classes, Protection};
use crate::quantity::Quantity;
use crate::settings::{
    AccessMode, CopyMethod, ExternalSecretSettings, RemoteReference, RestoreMode, SecurityContext, StoreReference,
};
use crate::vec_map::VecMap;

/// The manifests of one claim.
pub struct Manifests {
    pub(crate) secret: SecretManifest,
    /// The path of the claim's repository below the base repository.
    pub(crate) repository_path: String,
    /// Where the claim's data is restored to.
    pub(crate) restore_mode: RestoreMode,
    /// Absent where nothing is restored.
    pub(crate) destination: Option<Object<DestinationSpec>>,
    pub(crate) source: Object<SourceSpec>,
}

/// A manifest of a plan, by its key in `manifests`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Part {
    /// The Secret, or the ExternalSecret that creates it.
    Secret,
    /// The ReplicationDestination.
    Destination,
    /// The ReplicationSource.
    Source,
}

/// The manifest that carries the credentials.
pub(crate) enum SecretManifest {
    Secret {
        metadata: Metadata,
        data: ClaimCredentials,
        /// The keys whose values are those of the Secret in the cluster.
        kept: Vec<MoverKey>,
    },
    ExternalSecret(Box<Object<ExternalSecretSpec>>),
    /// The manifest cannot be rendered, because keys have no usable value.
    Needs {
        name: String,
        needs: Vec<Need>,
        /// Whether credentials were given at all.
        are_given: bool,
    },
}

/// An object of Kubernetes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Object<S> {
    api_version: &'static str,
    kind: &'static str,
    pub(crate) metadata: Metadata,
    spec: S,
}

/// The metadata that we write. `ObjectMeta` of k8s-openapi brings a date library for two fields that only an API
/// server sets.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    name: String,
    namespace: String,
    labels: VecMap<String, String>,
    #[serde(skip_serializing_if = "VecMap::is_empty")]
    annotations: VecMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    owner_references: Vec<OwnerReference>,
}

impl Metadata {
    /// Adds the annotation `key`, where there is a value.
    fn annotate(&mut self, key: &str, value: Option<String>) {
        self.annotations.extend(value.map(|value| (key.to_owned(), value)));
    }
}

/// An object that is being serialized. Only here do credentials become text.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum RevealedObject<'a> {
    Secret(Secret<'a>),
    ExternalSecret(&'a Object<ExternalSecretSpec>),
    Destination(&'a Object<DestinationSpec>),
    Source(&'a Object<SourceSpec>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Secret<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: &'a Metadata,
    r#type: &'static str,
    data: SecretData<'a>,
}

/// `Secret.data`, the only place that credentials are written to.
pub(crate) struct SecretData<'a>(&'a ClaimCredentials);

impl Serialize for SecretData<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key.as_str(), ByteString(value.reveal().to_vec()))))
    }
}

/// `spec` of a ReplicationDestination: api/v1alpha1/replicationdestination_types.go.
#[derive(Serialize)]
pub(crate) struct DestinationSpec {
    trigger: ManualTrigger,
    restic: Restic,
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
    restic: Restic,
}

#[derive(Serialize)]
struct ScheduleTrigger {
    schedule: String,
}

/// What VolSync's restic mover is told; the last four differ between restores and backups.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Restic {
    /// The name of the Secret, not an address.
    repository: String,
    copy_method: CopyMethod,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage_class_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume_snapshot_class_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_capacity: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_storage_class_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_access_modes: Option<Vec<AccessMode>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mover_security_context: Option<SecurityContext>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mover_service_account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_modes: Option<Vec<AccessMode>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prune_interval_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retain: Option<Retain>,
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
    data: TemplatedData,
}

#[derive(Serialize)]
struct TemplatedData {
    #[serde(rename = "RESTIC_REPOSITORY")]
    repository: String,
}

#[derive(Serialize)]
struct ExternalSecretMetadata {
    labels: VecMap<String, String>,
    annotations: VecMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalSecretData {
    secret_key: MoverKey,
    remote_ref: RemoteReference,
}

impl Manifests {
    /// Renders what `verdict` decided for one claim. `secret` was rendered before, for the decision to know whether it
    /// can be; `record` is that of a release on evidence.
    pub(crate) fn render(
        protection: &Protection<'_>,
        secret: SecretManifest,
        verdict: &Verdict,
        record: Option<&ReleaseRecord>,
    ) -> Self {
        Manifests {
            secret,
            repository_path: protection.repository_path.clone(),
            restore_mode: protection.restore_mode,
            destination: match verdict.restore {
                Restore::Apply => Some(destination(protection, verdict.expects)),
                Restore::Keep | Restore::Consume | Restore::Delete => None,
            },
            source: source(protection, &verdict.backup, record),
        }
    }
}

impl Manifests {
    /// One of the manifests, with its credentials, for serialization; `None` where it is not rendered.
    pub(crate) fn reveal(&self, part: Part) -> Option<RevealedObject<'_>> {
        match part {
            Part::Secret => self.secret.reveal(),
            Part::Destination => self.destination.as_ref().map(RevealedObject::Destination),
            Part::Source => Some(RevealedObject::Source(&self.source)),
        }
    }

    /// One of the manifests as JSON, with its credentials.
    pub(crate) fn json(&self, part: Part) -> Option<Value> {
        let json = serde_json::to_vec(&self.reveal(part)?).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

impl SecretManifest {
    /// The object, credentials and all, to be written out; nothing where keys are missing.
    fn reveal(&self) -> Option<RevealedObject<'_>> {
        match self {
            SecretManifest::Secret { metadata, data, kept: _ } => Some(RevealedObject::Secret(Secret {
                api_version: "v1",
                kind: "Secret",
                metadata,
                r#type: "Opaque",
                data: SecretData(data),
            })),
            SecretManifest::ExternalSecret(object) => Some(RevealedObject::ExternalSecret(object)),
            SecretManifest::Needs { .. } => None,
        }
    }

    /// Whether the manifest can be rendered.
    pub(crate) fn is_rendered(&self) -> bool {
        match self {
            SecretManifest::Secret { .. } | SecretManifest::ExternalSecret(_) => true,
            SecretManifest::Needs { .. } => false,
        }
    }

    /// What the decision must know of a claim with this protection and this Secret.
    pub(crate) fn ask(secret: Option<&Self>, protection: &Protection<'_>, evidence: Option<&Evidence>) -> Ask {
        // The address is expensive to compute, and is only compared with evidence.
        let repository = evidence.and(secret).and_then(SecretManifest::address);
        Ask::of(protection, secret.is_some_and(SecretManifest::is_rendered), repository, evidence)
    }

    /// The SHA-256 of the address of the repository; `None` where External Secrets fills it in.
    pub(crate) fn address(&self) -> Option<Digest> {
        self.value(&MoverKey::REPOSITORY).map(|repository| Digest::of(repository.reveal()))
    }

    /// The keys whose values are those of the Secret in the cluster.
    pub(crate) fn kept(&self) -> &[MoverKey] {
        match self {
            SecretManifest::Secret { kept, .. } => kept,
            SecretManifest::ExternalSecret(_) | SecretManifest::Needs { .. } => &[],
        }
    }

    /// The manifest that carries the claim's credentials.
    pub(crate) fn of(protection: &Protection<'_>, credentials: Option<&Credentials>) -> SecretManifest {
        secret(protection, credentials)
    }

    /// The manifest with the password of the Secret in the cluster, where that differs: the password of a repository
    /// cannot be changed through a Secret, so with another one the next mover would fail. Without the live value, the
    /// key is left out.
    pub(crate) fn keeping_password(mut self, evidence: Option<&Evidence>, live: Option<SecretBytes>) -> Self {
        let has_other_password = matches!(
            evidence.and_then(|evidence| evidence.secret.as_ref()),
            Some(SecretEvidence::Ours(SecretContent { password: ValueMatch::Other, .. }))
        );
        if let SecretManifest::Secret { data, kept, .. } = &mut self
            && has_other_password
        {
            match (data.iter_mut().find(|(key, _)| *key == MoverKey::PASSWORD), live) {
                (Some((_, value)), Some(live)) => *value = live,
                (Some(_), None) | (None, _) => data.retain(|(key, _)| *key != MoverKey::PASSWORD),
            }
            kept.push(MoverKey::PASSWORD);
        }
        self
    }

    /// The value of a key, where it is rendered.
    pub(crate) fn value(&self, key: &MoverKey) -> Option<&SecretBytes> {
        match self {
            SecretManifest::Secret { data, .. } => data.iter().find(|(known, _)| known == key).map(|(_, value)| value),
            SecretManifest::ExternalSecret(_) | SecretManifest::Needs { .. } => None,
        }
    }

    /// The name of the Secret.
    pub(crate) fn name(&self) -> &str {
        match self {
            SecretManifest::Secret { metadata, .. } => &metadata.name,
            SecretManifest::ExternalSecret(object) => &object.metadata.name,
            SecretManifest::Needs { name, .. } => name,
        }
    }

    /// The keys without a usable value, because of which the manifest cannot be rendered.
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
    let identity = protection.settings.credentials.s3_identity;
    let data = match credentials {
        Some(base) => base.for_claim(&protection.repository_path, identity),
        None => Err(needs_without_credentials(identity)),
    };
    match data {
        Ok(data) => SecretManifest::Secret { metadata: metadata(protection, name), data, kept: Vec::new() },
        Err(needs) => SecretManifest::Needs { name: name.clone(), needs, are_given: credentials.is_some() },
    }
}

fn external_secret(protection: &Protection<'_>, external: &ExternalSecretSettings) -> Object<ExternalSecretSpec> {
    let metadata = metadata(protection, &protection.names.secret);
    // External Secrets fills this in where the base repository is known. It trims as we do for a Secret of our own.
    let base = r#"{{ regexReplaceAll "/+$" (.RESTIC_REPOSITORY | trim) "" }}"#;
    let repository = format!("{base}/{}", protection.repository_path);
    // It takes annotations for templates too, over the credentials: braces that came from a claim must stay braces.
    let escaped = |text: &str| text.replace("{{", r#"{{ "{{" }}"#);
    let mut annotations = VecMap::new();
    annotations.extend(metadata.annotations.iter().map(|(key, value)| (key.clone(), escaped(value))));
    Object {
        api_version: names::EXTERNAL_SECRETS_VERSION,
        kind: "ExternalSecret",
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
                    metadata: ExternalSecretMetadata { labels: metadata.labels.clone(), annotations },
                    data: TemplatedData { repository },
                },
            },
            data: (external.data.iter())
                .map(|(key, remote)| ExternalSecretData { secret_key: key.clone(), remote_ref: remote.clone() })
                .collect(),
        },
        metadata,
    }
}

fn destination(protection: &Protection<'_>, expects: Option<Expectation>) -> Object<DestinationSpec> {
    let settings = &protection.settings.restore;
    let mut metadata = metadata(protection, &protection.names.destination);
    metadata.annotate(names::EXPECTS, expects.map(|expects| expects.as_str().to_owned()));
    Object {
        api_version: names::VOLSYNC_VERSION,
        kind: "ReplicationDestination",
        metadata,
        spec: DestinationSpec {
            trigger: ManualTrigger { manual: protection.trigger.clone() },
            restic: Restic {
                cache_capacity: settings.cache_capacity.clone(),
                cache_access_modes: settings.cache_access_modes.clone(),
                capacity: Some(protection.request.clone()),
                access_modes: Some(protection.access_modes.clone()),
                ..restic(protection, settings.copy_method, &protection.restore)
            },
        },
    }
}

fn source(protection: &Protection<'_>, backup: &Backup, record: Option<&ReleaseRecord>) -> Object<SourceSpec> {
    let settings = &protection.settings.backup;
    let paused = match backup {
        Backup::Release(_released) => false,
        Backup::Pause | Backup::Keep | Backup::Withhold | Backup::Delete | Backup::DeleteWhenIdle => true,
    };
    let mut metadata = metadata(protection, &protection.names.source);
    metadata.annotate(names::RELEASED, record.map(ledger::write_record));
    Object {
        api_version: names::VOLSYNC_VERSION,
        kind: "ReplicationSource",
        metadata,
        spec: SourceSpec {
            source_pvc: protection.name.to_owned(),
            trigger: ScheduleTrigger { schedule: protection.schedule.as_str().to_owned() },
            paused,
            restic: Restic {
                cache_capacity: Some(settings.cache_capacity.clone()),
                cache_access_modes: settings.cache_access_modes.clone(),
                prune_interval_days: Some(settings.prune_interval_days),
                retain: Some(settings.retain.clone()),
                ..restic(protection, protection.backup_copy_method, &protection.backup)
            },
        },
    }
}

/// The fields that a restore and a backup have in common.
fn restic(protection: &Protection<'_>, copy_method: CopyMethod, classes: &Classes) -> Restic {
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

/// The mark by which we know our own objects, and by which the API server removes them with their claim.
fn metadata(protection: &Protection<'_>, name: &str) -> Metadata {
    let claim = protection.claim;
    let mut labels = protection.labels.clone();
    labels.insert(names::MANAGED_BY.to_owned(), names::MANAGER.to_owned());
    let mut annotations = protection.annotations.clone();
    annotations.extend(claim.uid.iter().map(|uid| (names::CLAIM_UID.to_owned(), uid.clone())));
    Metadata {
        name: name.to_owned(),
        namespace: claim.namespace.clone(),
        labels,
        annotations,
        owner_references: claim.uid.iter().map(|uid| owner(protection.name, uid)).collect(),
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
