//! Settings that an administrator makes once for all claims. Settings that could not be safe are rejected.

mod checks;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::credentials::S3Identity;
use crate::document::{overlay, parse, read};
use crate::mover::restic::MoverKey;
use crate::mover::restic::Retain;
use crate::part::Part;
use crate::problem::Problem;
use crate::quantity::Quantity;
use crate::template::IdentityPart::{Name, Namespace, Text};
use crate::template::{Identity, Template};
use crate::vec_map::VecMap;

/// Settings that an administrator makes once for all claims. Every key may be left out.
///
/// Texts marked as templates may contain `{{ JMESPath }}` expressions over the AdmissionRequest.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, Serialize))]
pub(crate) struct Settings {
    /// The profile that supplies the value of every key that is not set.
    pub profile: Profile,
    /// What a backup needs before it is released, that is, before its ReplicationSource runs.
    pub gate: Gate,
    /// The key of the label that selects a claim. The label's value names one of `schedules`.
    pub label: String,
    /// A schedule for each value of the label, in addition to `hourly: "0 * * * *"`: a macro such as `@daily`, or five
    /// cron fields. The field `H` stands for a number that is derived from the claim's namespace and name, so that
    /// `H * * * *` spreads claims over the hour. Templates.
    pub schedules: VecMap<String, Template>,
    /// The namespaces in which no claim is selected.
    pub exclude_namespaces: Vec<Cow<'static, str>>,
    /// API groups. A claim with an owner of one of these groups is rejected: database operators make their own backups,
    /// and cannot start from a restored copy of their files.
    pub refuse_owners: Vec<Cow<'static, str>>,
    /// Labels, as `key` or `key=value`. A claim with one of them is rejected, like one with such an owner: most
    /// operators leave their claims without an owner, so that they outlive the cluster.
    pub refuse_labels: Vec<Cow<'static, str>>,
    /// The path of a claim's repository below the base repository, which `RESTIC_REPOSITORY` of the base credentials
    /// names. One of its segments must contain `{{ request.namespace }}` and another `{{ request.name }}`, so that no
    /// two claims share a repository.
    pub repository_path: Identity,
    /// The names of the three manifests.
    pub names: NameSettings,
    /// How the credentials reach the claim's namespace.
    pub credentials: CredentialSettings,
    /// How a claim is restored.
    pub restore: RestoreSettings,
    /// How a claim is backed up.
    pub backup: BackupSettings,
    /// The identity under which VolSync's mover pods run, in restores and backups alike.
    pub mover: MoverSettings,
    /// Settings that differ for the claims of one storage class, by the name of the storage class.
    pub storage_classes: VecMap<String, StorageClassSettings>,
    /// Labels and annotations that are added to all three manifests.
    pub metadata: MetadataSettings,
    /// The ledger, which remembers in the store what was backed up.
    pub ledger: LedgerSettings,
    /// The name of the host as a user of the API server, such as
    /// `system:serviceaccount:volsync-policy:volsync-policy`. If it is set, the policy lets nobody else change the
    /// annotations in which the host keeps its records on claims. The host sets it where it answers at admission.
    pub host_user: Option<String>,
}

/// A profile: the defaults of all other settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) enum Profile {
    /// The claim is restored before it binds, and its backup is released by evidence.
    #[default]
    Default,
    /// The manifests of a Kyverno policy, field for field: Longhorn classes, copy method `Direct`, a restore into a
    /// volume beside the claim, and no gate. This profile is for comparison only: it neither restores the claim nor
    /// protects its backups.
    Seed,
}

/// What a backup needs before it is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Gate {
    /// A backup runs once evidence shows that it cannot age out good snapshots. Until then its ReplicationSource is
    /// paused.
    #[default]
    Evidence,
    /// A backup runs at once. A volume that was never restored may age out older snapshots.
    None,
}

/// The names of the three manifests. Each is literal text around `{{ request.name }}`; `{{ request.namespace }}` is
/// allowed too.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, Serialize))]
pub(crate) struct NameSettings {
    /// The name of the Secret, and of the ExternalSecret that creates it.
    pub secret: Identity,
    /// The name of the ReplicationDestination.
    pub destination: Identity,
    /// The name of the ReplicationSource.
    pub source: Identity,
}

impl NameSettings {
    /// The name of one of the manifests.
    pub(crate) fn of(&self, part: Part) -> &Identity {
        match part {
            Part::Secret => &self.secret,
            Part::Destination => &self.destination,
            Part::Source => &self.source,
        }
    }
}

/// How the credentials reach the claim's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, Serialize))]
pub(crate) struct CredentialSettings {
    /// The kind of manifest that carries the credentials.
    pub kind: CredentialKind,
    /// The identity that movers use to reach a repository on S3.
    pub s3_identity: S3Identity,
    /// The name of a Secret with an S3 access key, in the namespace of the host's settings. With that key instead of
    /// the movers', the host reads and writes the bucket of the base repository. The movers' key then needs no rights
    /// below `.volsync-policy/`.
    pub host_secret: Option<String>,
    /// Where External Secrets finds the credentials. Required with `kind: ExternalSecret`, and invalid with
    /// `kind: Secret`.
    pub external_secret: Option<ExternalSecretSettings>,
}

/// The kind of manifest that carries the credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) enum CredentialKind {
    /// A Secret with the base credentials and the address of the claim's repository.
    #[default]
    Secret,
    /// An ExternalSecret that creates that Secret. Use it where manifests are kept in Git, which must not contain
    /// credentials.
    ExternalSecret,
}

/// Where External Secrets finds the credentials.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, Serialize))]
pub(crate) struct ExternalSecretSettings {
    /// The SecretStore or ClusterSecretStore to read from.
    pub store: StoreReference,
    /// How often External Secrets reads the store again, as a duration such as `1h`.
    #[serde(default = "every_hour")]
    pub refresh_interval: String,
    /// For each key that VolSync's restic mover reads, where its value is in the store. The value of
    /// `RESTIC_REPOSITORY` is the base repository; the path of the claim's repository is appended to it.
    pub data: VecMap<MoverKey, RemoteReference>,
}

fn every_hour() -> String {
    "1h".to_owned()
}

/// A SecretStore or ClusterSecretStore of External Secrets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct StoreReference {
    /// The name of the store.
    pub name: String,
    /// The kind of the store.
    #[serde(default)]
    pub kind: StoreKind,
}

/// The kind of a store of External Secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) enum StoreKind {
    /// A ClusterSecretStore, which serves the whole cluster.
    #[default]
    ClusterSecretStore,
    /// A SecretStore in the claim's namespace.
    SecretStore,
}

/// Where a value is in a store of External Secrets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct RemoteReference {
    /// The key of the item in the store.
    pub key: String,
    /// The property of the item, where the item has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
}

/// How a claim is restored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, Serialize))]
pub(crate) struct RestoreSettings {
    /// Where the data is restored to.
    pub mode: RestoreMode,
    /// How many claims the host restores at the same time, at least 1. The others wait in the order of their annotation
    /// `volsync-policy.io/priority`.
    pub max_concurrent: u32,
    /// The ReplicationDestination's `copyMethod`: `Snapshot`, which `mode: populate` requires, or `Direct`.
    pub copy_method: CopyMethod,
    /// The storage class of the volume that the mover restores into; the claim's own where absent. A template.
    pub storage_class_name: Option<Template>,
    /// The VolumeSnapshotClass of the snapshot that the claim is populated from. A template.
    pub volume_snapshot_class_name: Option<Template>,
    /// The access modes of the volume that the mover restores into; the claim's own where absent.
    pub access_modes: Option<Vec<AccessMode>>,
    /// The size of restic's cache volume; VolSync's default (1Gi) where absent.
    pub cache_capacity: Option<Quantity>,
    /// The storage class of restic's cache volume. A template.
    pub cache_storage_class_name: Option<Template>,
    /// The access modes of restic's cache volume.
    pub cache_access_modes: Option<Vec<AccessMode>>,
    /// Whether locks older than one hour are deleted from a repository whose restore fails because it is locked. A
    /// cluster that is lost during a backup leaves such a lock, and a ReplicationDestination cannot remove it.
    pub clear_dead_locks: bool,
}

/// Where a claim's data is restored to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RestoreMode {
    /// Into the claim itself, which stays Pending until its data is restored.
    #[default]
    Populate,
    /// Into a volume beside the claim, for inspection. Such a restore never releases a backup.
    Side,
    /// Nothing is restored.
    None,
}

/// How a claim is backed up.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, Serialize))]
pub(crate) struct BackupSettings {
    /// The ReplicationSource's `copyMethod`: what restic reads.
    pub copy_method: CopyMethod,
    /// The number of days between two prunes of the repository, at least 1. Until the next prune, a snapshot that was
    /// aged out can be put back.
    pub prune_interval_days: u32,
    /// The size of restic's cache volume. VolSync cannot shrink a cache volume that exists.
    pub cache_capacity: Quantity,
    /// The storage class of restic's cache volume. A template.
    pub cache_storage_class_name: Option<Template>,
    /// The access modes of restic's cache volume.
    pub cache_access_modes: Option<Vec<AccessMode>>,
    /// The storage class of the copy that the mover reads; the claim's own where absent. A template.
    pub storage_class_name: Option<Template>,
    /// The VolumeSnapshotClass of the snapshot that the mover reads. A template.
    pub volume_snapshot_class_name: Option<Template>,
    /// Which snapshots restic keeps after each backup.
    pub retain: Retain,
    /// How many claims run their first backup at the same time, at least 1. VolSync starts it at once, whatever the
    /// schedule. The others wait in the order of their annotation `volsync-policy.io/priority`.
    pub max_concurrent_first: u32,
}

/// VolSync's `copyMethod`: how data passes between a volume and the mover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) enum CopyMethod {
    /// Through a VolumeSnapshot: a consistent point in time.
    #[default]
    Snapshot,
    /// Through a clone of the volume: a consistent point in time. Valid for backups only.
    Clone,
    /// Through the volume itself. A backup then reads it while the application writes to it.
    Direct,
}

/// An access mode of a volume, as Kubernetes defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[allow(clippy::enum_variant_names, reason = "the names are those of Kubernetes")]
pub(crate) enum AccessMode {
    /// Mounted by one node for reading and writing.
    ReadWriteOnce,
    /// Mounted by many nodes for reading and writing.
    ReadWriteMany,
    /// Mounted by many nodes for reading.
    ReadOnlyMany,
    /// Mounted by one pod for reading and writing.
    ReadWriteOncePod,
}

/// The identity under which VolSync's mover pods run. Annotations on a claim override it for that claim.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, Serialize))]
pub(crate) struct MoverSettings {
    /// The security context of the mover pod; usually the application's own. Files that the mover cannot read are
    /// missing from the backup, and a restore fails where the mover cannot set the owner of a file.
    pub security_context: Option<SecurityContext>,
    /// The name of the mover's service account, which must exist in the claim's namespace.
    pub service_account: Option<String>,
}

/// The fields of a pod's security context that movers need. Their meaning is that of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct SecurityContext {
    /// The user id of the mover's processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<u32>,
    /// The primary group id of the mover's processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_group: Option<u32>,
    /// Whether Kubernetes refuses to start the mover as root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_non_root: Option<bool>,
    /// The group id that owns the files of the volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_group: Option<u32>,
    /// When Kubernetes changes the group of the volume's files to `fsGroup`. `OnRootMismatch` where absent and
    /// `fsGroup` is set, because Kubernetes' own default, `Always`, changes every file at every backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_group_change_policy: Option<FsGroupChangePolicy>,
    /// Additional group ids of the mover's processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supplemental_groups: Option<Vec<u32>>,
    /// The seccomp profile of the mover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp_profile: Option<SeccompProfile>,
}

impl AccessMode {
    /// Parses the name of an access mode; `None` where this version does not know it.
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

/// When Kubernetes changes the group of a volume's files to `fsGroup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) enum FsGroupChangePolicy {
    /// Only if the root directory of the volume has another owner or other permissions.
    OnRootMismatch,
    /// Every time the volume is mounted.
    Always,
}

/// A seccomp profile.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct SeccompProfile {
    /// The type of the seccomp profile.
    #[serde(rename = "type")]
    pub kind: SeccompKind,
}

/// The type of a seccomp profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) enum SeccompKind {
    /// The default profile of the container runtime.
    RuntimeDefault,
    /// No seccomp profile.
    Unconfined,
}

/// Settings that differ for the claims of one storage class.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, Serialize))]
pub(crate) struct StorageClassSettings {
    /// The VolumeSnapshotClass for volumes of this storage class.
    pub volume_snapshot_class_name: Option<String>,
    /// Where claims of this storage class are restored to: `none` where its driver cannot make snapshots.
    pub restore: Option<RestoreMode>,
    /// How backups read volumes of this storage class: `Direct` where its driver can make neither snapshots nor clones.
    pub backup_copy_method: Option<CopyMethod>,
}

/// Labels and annotations that are added to all three manifests. Those of the claim are never copied: with a copied
/// tracking label, Argo CD or Flux would prune the manifests.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, Serialize))]
pub(crate) struct MetadataSettings {
    /// Labels. The values are templates.
    pub labels: VecMap<String, Template>,
    /// Annotations. The values are templates.
    pub annotations: VecMap<String, Template>,
}

/// The ledger, which remembers in the store what was backed up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, Serialize))]
pub(crate) struct LedgerSettings {
    /// The id of the store, as `volsync-policy ledger init` prints it. It must equal `storeId` in the ledger marker,
    /// the object `.volsync-policy/store.json` below the base repository.
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
            refuse_labels: LABELS_OF_OPERATORS.map(Cow::Borrowed).to_vec(),
            repository_path: Identity::new([Namespace, Text("/".into()), Name]),
            names: NameSettings::default(),
            credentials: CredentialSettings::default(),
            restore: RestoreSettings::default(),
            backup: BackupSettings::default(),
            mover: MoverSettings::default(),
            storage_classes: VecMap::new(),
            metadata: MetadataSettings::default(),
            ledger: LedgerSettings::default(),
            host_user: None,
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

impl Default for RestoreSettings {
    fn default() -> Self {
        RestoreSettings {
            mode: RestoreMode::default(),
            max_concurrent: CONCURRENT,
            copy_method: CopyMethod::default(),
            storage_class_name: None,
            volume_snapshot_class_name: None,
            access_modes: None,
            cache_capacity: None,
            cache_storage_class_name: None,
            cache_access_modes: None,
            clear_dead_locks: false,
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
            max_concurrent_first: CONCURRENT,
        }
    }
}

/// How many claims have their turn in a queue at the same time. Few enough for a small cluster: each keeps one mover
/// pod, and the volumes that it writes to, busy.
const CONCURRENT: u32 = 8;

/// The API groups of database operators that own the claims of their clusters.
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

/// The labels that database operators write on the claims of their clusters, or in the selectors of their StatefulSets,
/// whose controller copies them (pkg/controller/statefulset/stateful_set_utils.go of Kubernetes).
const LABELS_OF_OPERATORS: [&str; 9] = [
    "app.kubernetes.io/managed-by=percona-server-mongodb-operator",
    "app.kubernetes.io/managed-by=percona-xtradb-cluster-operator",
    "application=spilo",
    "clickhouse.altinity.com/chi",
    "cnpg.io/cluster",
    "elasticsearch.k8s.elastic.co/cluster-name",
    "postgres-operator.crunchydata.com/cluster",
    "pvc.k8s.mariadb.com/role",
    "strimzi.io/cluster",
];

/// The schedule that is defined whatever settings say.
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
    /// The templates of class names, each with its path.
    pub(crate) fn classes(&self) -> [(&'static str, &Option<Template>); 6] {
        let (restore, backup) = (&self.restore, &self.backup);
        [
            ("restore.storageClassName", &restore.storage_class_name),
            ("restore.volumeSnapshotClassName", &restore.volume_snapshot_class_name),
            ("restore.cacheStorageClassName", &restore.cache_storage_class_name),
            ("backup.storageClassName", &backup.storage_class_name),
            ("backup.volumeSnapshotClassName", &backup.volume_snapshot_class_name),
            ("backup.cacheStorageClassName", &backup.cache_storage_class_name),
        ]
    }

    /// Reads settings from a JSON object. The profile supplies what is absent.
    ///
    /// # Errors
    ///
    /// All problems at once, each with its path below `settings`.
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
