//! Settings: what an administrator decides once for all claims. Refuses what cannot be safe.

mod checks;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::credentials::S3Identity;
use crate::document::{overlay, parse, read};
use crate::mover::restic::MoverKey;
use crate::mover::restic::Retain;
use crate::problem::Problem;
use crate::quantity::Quantity;
use crate::template::IdentityPart::{Name, Namespace, Text};
use crate::template::{Identity, Template};
use crate::vec_map::VecMap;

/// What an administrator decides once for all claims.
///
/// Texts marked as templates may hold `{{ JMESPath }}` over the admission request.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, Serialize))]
pub(crate) struct Settings {
    /// Where everything starts that is not set here.
    pub profile: Profile,
    /// What releases a backup.
    pub gate: Gate,
    /// The label that selects a claim; its value names one of `schedules`.
    pub label: String,
    /// A schedule for each value of the label, added to `hourly: "0 * * * *"`. A macro such as `@daily`, or five cron
    /// fields, in which `H` is a number of the claim's own: `H * * * *` spreads claims over the hour. A template.
    pub schedules: VecMap<String, Template>,
    /// Namespaces in which no claim is selected.
    pub exclude_namespaces: Vec<Cow<'static, str>>,
    /// API groups of owners whose claims are refused, because a restored volume breaks their own bootstrap or because
    /// a copy of their files is no backup: database operators bring their own.
    pub refuse_owners: Vec<Cow<'static, str>>,
    /// Where a claim's repository stands below the base repository: path segments, of which one holds
    /// `{{ request.namespace }}` and one `{{ request.name }}`.
    pub repository_path: Identity,
    /// The names of the three manifests.
    pub names: NameSettings,
    /// What carries the credentials into the claim's namespace.
    pub credentials: CredentialSettings,
    /// How a claim is restored.
    pub restore: RestoreSettings,
    /// How a claim is backed up.
    pub backup: BackupSettings,
    /// As whom VolSync's movers run, in restores and backups alike.
    pub mover: MoverSettings,
    /// What differs for claims of a storage class, by its name.
    pub storage_classes: VecMap<String, StorageClassSettings>,
    /// What is added to all three manifests.
    pub metadata: MetadataSettings,
    /// The memory of what was backed up, beside the data.
    pub ledger: LedgerSettings,
}

/// Where settings start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) enum Profile {
    /// The claim is restored before it binds, and its backup is released by evidence.
    #[default]
    Default,
    /// The manifests of the notes that this project started from, field for field: Longhorn, direct copies, a restore
    /// into a volume of its own, and no gate. To compare with; it neither restores the claim nor protects its
    /// backups.
    Seed,
}

/// What releases a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Gate {
    /// A backup runs once evidence shows that it can age out no good one; until then it is rendered paused.
    #[default]
    Evidence,
    /// A backup runs at once. What was backed up before may be aged out by a volume that was never restored.
    None,
}

/// The names of the three manifests: literal text around the claim's name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, Serialize))]
pub(crate) struct NameSettings {
    /// The Secret.
    pub secret: Identity,
    /// The ReplicationDestination.
    pub destination: Identity,
    /// The ReplicationSource.
    pub source: Identity,
}

/// What carries the credentials into the claim's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, Serialize))]
pub(crate) struct CredentialSettings {
    /// The kind of manifest that is rendered.
    pub kind: CredentialKind,
    /// As whom movers reach a repository on S3.
    pub s3_identity: S3Identity,
    /// Where External Secrets finds the credentials; needed with `kind: ExternalSecret`, and only there.
    pub external_secret: Option<ExternalSecretSettings>,
}

/// The kind of manifest that carries the credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) enum CredentialKind {
    /// A Secret with the base credentials and the claim's own repository.
    #[default]
    Secret,
    /// An ExternalSecret that makes that Secret: for Git, where no Secret may stand.
    ExternalSecret,
}

/// Where External Secrets finds the credentials.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, Serialize))]
pub(crate) struct ExternalSecretSettings {
    /// The store.
    pub store: StoreReference,
    /// How often the operator reads the store again, as in `1h`.
    #[serde(default = "every_hour")]
    pub refresh_interval: String,
    /// For each key that the restic mover reads, where its value stands in the store. `RESTIC_REPOSITORY` is the base
    /// repository, to which the claim's path is added.
    pub data: VecMap<MoverKey, RemoteReference>,
}

fn every_hour() -> String {
    "1h".to_owned()
}

/// A SecretStore or ClusterSecretStore.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct StoreReference {
    /// Its name.
    pub name: String,
    /// Its kind.
    #[serde(default)]
    pub kind: StoreKind,
}

/// The kind of a store of External Secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) enum StoreKind {
    /// A store of the whole cluster.
    #[default]
    ClusterSecretStore,
    /// A store of the claim's namespace.
    SecretStore,
}

/// Where a value stands in a store.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct RemoteReference {
    /// The item.
    pub key: String,
    /// Its property, where the item has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
}

/// How a claim is restored.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, Serialize))]
pub(crate) struct RestoreSettings {
    /// Where the data goes.
    pub mode: RestoreMode,
    /// How the restored data is handed over: `Snapshot`, which `populate` needs, or `Direct`.
    pub copy_method: CopyMethod,
    /// The storage class of the volume that is restored into; the claim's own where absent. A template.
    pub storage_class_name: Option<Template>,
    /// The class of the snapshot from which the claim is populated. A template.
    pub volume_snapshot_class_name: Option<Template>,
    /// The access modes of the volume that is restored into; the claim's own where absent.
    pub access_modes: Option<Vec<AccessMode>>,
    /// The size of restic's cache; VolSync's own choice (1Gi) where absent.
    pub cache_capacity: Option<Quantity>,
    /// The storage class of the cache. A template.
    pub cache_storage_class_name: Option<Template>,
    /// The access modes of the cache.
    pub cache_access_modes: Option<Vec<AccessMode>>,
    /// Whether locks that are older than an hour are removed from a repository whose restore fails for them: a
    /// cluster that died while it backed up leaves one, and a ReplicationDestination cannot unlock.
    pub clear_dead_locks: bool,
}

/// Where restored data goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RestoreMode {
    /// Into the claim itself, which stays Pending until its data is there.
    #[default]
    Populate,
    /// Into a volume beside the claim, for a person to look at. It never releases a backup by itself.
    Side,
    /// Nowhere.
    None,
}

/// How a claim is backed up.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, Serialize))]
pub(crate) struct BackupSettings {
    /// What restic reads.
    pub copy_method: CopyMethod,
    /// Days between prunes. Until the next prune, an aged-out snapshot can still be put back.
    pub prune_interval_days: u32,
    /// The size of restic's cache. VolSync cannot make an existing one smaller.
    pub cache_capacity: Quantity,
    /// The storage class of the cache. A template.
    pub cache_storage_class_name: Option<Template>,
    /// The access modes of the cache.
    pub cache_access_modes: Option<Vec<AccessMode>>,
    /// The storage class of the copy that is read; the claim's own where absent. A template.
    pub storage_class_name: Option<Template>,
    /// The class of the snapshot that is read. A template.
    pub volume_snapshot_class_name: Option<Template>,
    /// Which snapshots are kept.
    pub retain: Retain,
}

/// How VolSync hands data over: to restic in a backup, to the claim in a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) enum CopyMethod {
    /// As a snapshot of the volume: one moment in time.
    #[default]
    Snapshot,
    /// As a clone of the volume: one moment in time. For backups only.
    Clone,
    /// As the volume itself; a backup then reads it while the application writes to it.
    Direct,
}

/// How a volume may be mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[allow(clippy::enum_variant_names, reason = "the names are those of Kubernetes")]
pub(crate) enum AccessMode {
    /// By one node.
    ReadWriteOnce,
    /// By many nodes.
    ReadWriteMany,
    /// By many nodes, for reading.
    ReadOnlyMany,
    /// By one pod.
    ReadWriteOncePod,
}

/// As whom VolSync's movers run. A claim's annotations say otherwise for that claim.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, Serialize))]
pub(crate) struct MoverSettings {
    /// The mover pod's security context. Files that it may not read are missing from the backup, and ownership that
    /// it may not set fails the restore: it is the application's own.
    pub security_context: Option<SecurityContext>,
    /// The mover's service account, which must exist in the claim's namespace.
    pub service_account: Option<String>,
}

/// The part of a pod's security context that movers need.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct SecurityContext {
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<u32>,
    /// The group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_group: Option<u32>,
    /// Whether the user may not be root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_non_root: Option<bool>,
    /// The group of the volume's files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_group: Option<u32>,
    /// When the volume's files are given to that group. `OnRootMismatch` where absent and `fsGroup` is set: the
    /// kubelet's own default changes every file of the volume at every backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_group_change_policy: Option<FsGroupChangePolicy>,
    /// Further groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supplemental_groups: Option<Vec<u32>>,
    /// The seccomp profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp_profile: Option<SeccompProfile>,
}

impl AccessMode {
    /// The mode of that name, if it is one that we know.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "ReadWriteOnce" => Some(AccessMode::ReadWriteOnce),
            "ReadWriteMany" => Some(AccessMode::ReadWriteMany),
            "ReadOnlyMany" => Some(AccessMode::ReadOnlyMany),
            "ReadWriteOncePod" => Some(AccessMode::ReadWriteOncePod),
            _ => None,
        }
    }
}

/// When a volume's files are given to `fsGroup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) enum FsGroupChangePolicy {
    /// When the volume's root has another owner.
    OnRootMismatch,
    /// At every mount.
    Always,
}

/// A seccomp profile.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct SeccompProfile {
    /// Which one.
    #[serde(rename = "type")]
    pub kind: SeccompKind,
}

/// Which seccomp profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) enum SeccompKind {
    /// That of the container runtime.
    RuntimeDefault,
    /// None.
    Unconfined,
}

/// What differs for claims of one storage class.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, Serialize))]
pub(crate) struct StorageClassSettings {
    /// The class of snapshots of its volumes.
    pub volume_snapshot_class_name: Option<String>,
    /// Where its claims are restored to: `none` where its driver has no snapshots.
    pub restore: Option<RestoreMode>,
    /// How its volumes are read by backups: `Direct` where its driver has neither snapshots nor clones.
    pub backup_copy_method: Option<CopyMethod>,
}

/// What is added to all three manifests. Nothing is ever copied from the claim: a copied tracking label of Argo CD or
/// Flux gets the manifests pruned.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, Serialize))]
pub(crate) struct MetadataSettings {
    /// Labels; the values are templates.
    pub labels: VecMap<String, Template>,
    /// Annotations; the values are templates.
    pub annotations: VecMap<String, Template>,
}

/// The memory of what was backed up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, Serialize))]
pub(crate) struct LedgerSettings {
    /// The id of the store, as `ledger init` printed it.
    pub store_id: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let mut schedules = VecMap::new();
        schedules.insert(HOURLY.0.to_owned(), Template::text(HOURLY.1));
        Settings {
            profile: Profile::Default,
            gate: Gate::Evidence,
            label: "backup".to_owned(),
            schedules,
            exclude_namespaces: ["kube-system", "volsync-system"].map(Cow::Borrowed).to_vec(),
            refuse_owners: DATABASE_OPERATORS.map(Cow::Borrowed).to_vec(),
            repository_path: Identity::new([Namespace, Text("/".into()), Name]),
            names: NameSettings::default(),
            credentials: CredentialSettings::default(),
            restore: RestoreSettings::default(),
            backup: BackupSettings::default(),
            mover: MoverSettings::default(),
            storage_classes: VecMap::new(),
            metadata: MetadataSettings::default(),
            ledger: LedgerSettings::default(),
        }
    }
}

impl Default for NameSettings {
    fn default() -> Self {
        NameSettings {
            secret: Identity::new([Name, Text("-volsync-secret".into())]),
            destination: Identity::new([Name, Text("-restore".into())]),
            source: Identity::new([Name, Text("-backup".into())]),
        }
    }
}

impl Default for BackupSettings {
    fn default() -> Self {
        BackupSettings {
            copy_method: CopyMethod::Snapshot,
            prune_interval_days: 10,
            cache_capacity: Quantity::gibibytes(2),
            cache_storage_class_name: None,
            cache_access_modes: None,
            storage_class_name: None,
            volume_snapshot_class_name: None,
            retain: Retain { hourly: Some(24), daily: Some(7), ..Retain::default() },
        }
    }
}

/// Database operators that own the claims of their clusters, by API group.
const DATABASE_OPERATORS: [&str; 11] = [
    "acid.zalan.do",
    "core.strimzi.io",
    "elasticsearch.k8s.elastic.co",
    "k8s.mariadb.com",
    "kafka.strimzi.io",
    "mongodbcommunity.mongodb.com",
    "postgres-operator.crunchydata.com",
    "postgresql.cnpg.io",
    "psmdb.percona.com",
    "pxc.percona.com",
    "rabbitmq.com",
];

/// The schedule that is always there.
const HOURLY: (&str, &str) = ("hourly", "0 * * * *");

/// What the profile `seed` sets, where that differs from [`Settings::default`].
const SEED: &str = r#"{
    "gate": "none",
    "restore": {
        "mode": "side",
        "copyMethod": "Direct",
        "storageClassName": "longhorn",
        "volumeSnapshotClassName": "longhorn",
        "accessModes": ["ReadWriteOnce"]
    },
    "backup": {
        "copyMethod": "Direct",
        "storageClassName": "longhorn",
        "volumeSnapshotClassName": "longhorn",
        "cacheStorageClassName": "longhorn",
        "cacheAccessModes": ["ReadWriteOnce"]
    }
}"#;

impl Settings {
    /// Reads settings out of a JSON object; what is absent comes from the profile.
    ///
    /// # Errors
    ///
    /// Every problem at once, each with its path below `settings`.
    pub(crate) fn from_value(document: Value) -> Result<Settings, Vec<Problem>> {
        let Value::Object(given) = document else {
            return Err(vec![Problem::new("settings", "expected an object")]);
        };
        let is_seed = given.get("profile").is_some_and(|profile| profile == "seed");
        let given = match is_seed.then(|| parse(SEED.as_bytes())) {
            Some(Ok(Value::Object(preset))) => overlay(preset, given),
            _ => given,
        };
        let mut settings: Settings = read(&Value::Object(given), "settings")?;
        if !settings.schedules.contains_key(HOURLY.0) {
            settings.schedules.insert(HOURLY.0.to_owned(), Template::text(HOURLY.1));
        }
        let problems = settings.problems();
        if problems.is_empty() { Ok(settings) } else { Err(problems) }
    }
}
