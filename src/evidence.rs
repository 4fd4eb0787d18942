//! Evidence: what an observer found out about one claim. Every field is an enum or a plain value, and a fact that is
//! absent was not read.
//!
//! What a person asked for (the label, `volsync-policy.io/accept`) is part of the request; what happened is part of the
//! evidence. The text of a mover's log never is: [`Outcome`] and [`Cause`] are what the policy reads out of it.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::acceptance::HoldId;
use crate::mover::restic::{Cause, Outcome};
use crate::names::{hexadecimal, is_hexadecimal};
use crate::quantity::Quantity;

/// What an observer found out about one claim. A field that is left out was not read; `{}` is valid and says that
/// nothing was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Evidence {
    /// The identity of the cluster: `metadata.uid` of its namespace `kube-system`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The claim as the API server has it, and its volume. A host reads the claim before the ReplicationDestination: a
    /// claim that was read later could already be bound to an image that the ReplicationDestination did not yet name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<ClaimEvidence>,
    /// The claim's Secret, which holds the credentials of its repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretEvidence>,
    /// The ReplicationDestination that the claim's `spec.dataSourceRef` names. With `restore.mode: side` it is the one
    /// that restores into a volume beside the claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreEvidence>,
    /// The state of VolSync's volume populator, told by its temporary claim `vs-prime-<uid>`, where `<uid>` is the
    /// claim's. A host reads it before the ReplicationDestination: a `vs-prime-<uid>` that was read later could already
    /// be filled from an image that the ReplicationDestination did not yet name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub populator: Option<Populator>,
    /// The ReplicationSource that backs up the claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupEvidence>,
    /// The claim's restic repository, read through the claim's Secret, or, where there is no Secret, through the one
    /// that the plan would apply. A host reads it last, so that its listing contains every snapshot that a log or the
    /// ledger names.
    pub repository: Repository,
    /// The claim's entry in the ledger.
    pub ledger: Ledger,
    /// Whether the ledger marker says that the store does not honour conditional writes, so that they do not keep two
    /// clusters from taking over the same entry.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unfenced: bool,
    /// Whether the claim has its turn, if a restore or its first backup is to start.
    pub slot: Slot,
}

/// The claim as the API server has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClaimEvidence {
    /// The claim's `metadata.uid`.
    pub uid: String,
    /// The claim's `status.phase`.
    pub phase: Phase,
    /// Whether the claim or its namespace is being deleted, told by `metadata.deletionTimestamp`.
    #[serde(default)]
    pub terminating: bool,
    /// The claim's data source, told by `spec.dataSourceRef`.
    #[serde(rename = "source")]
    pub data_source: DataSource,
    /// The claim's volume; left out where the PersistentVolume could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<Volume>,
    /// The name of the VolumeSnapshot (the image) from which VolSync's populator filled the claim's volume: the part
    /// after `/` of the PersistentVolume's annotation `volsync.backube/populated-from`
    /// (volumepopulator_controller.go:447).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub populated_from: Option<String>,
    /// The release record in the claim's annotation `volsync-policy.io/released`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<ReleaseRecord>,
    /// The ids in the claim's annotation `volsync-policy.io/spent`: what a person accepted, and what no longer counts,
    /// because what it covers has changed since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spent: Vec<HoldId>,
}

/// The phase of a claim, as Kubernetes defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Phase {
    /// The claim is not yet bound to a volume.
    Pending,
    /// The claim is bound to a volume.
    Bound,
    /// The volume that the claim was bound to no longer exists.
    Lost,
}

/// The data source of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum DataSource {
    /// The claim has no data source.
    None,
    /// The data source is the ReplicationDestination that belongs to this claim.
    Ours,
    /// The data source is something else, such as a VolumeSnapshot, another claim or another ReplicationDestination.
    Foreign,
}

/// The volume of a claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Volume {
    /// The claim has no volume.
    None,
    /// The claim is bound to the volume with this identity.
    Of(VolumeId),
}

/// The identity of a volume. It identifies the storage itself and not the PersistentVolume object, because such objects
/// can be deleted and restored independently of the storage.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VolumeId {
    /// The CSI driver, `spec.csi.driver` of the PersistentVolume; `PersistentVolume` where it is not a CSI volume.
    pub driver: String,
    /// The driver's handle of the volume, `spec.csi.volumeHandle` of the PersistentVolume; the PersistentVolume's
    /// `metadata.uid` where it is not a CSI volume.
    pub handle: String,
}

/// A release record: it says for which volume and to which repository a claim's backup was released. It is stored as
/// JSON in the annotation `volsync-policy.io/released` of the claim and of its ReplicationSource; either copy suffices.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReleaseRecord {
    /// The uid of the claim that was released. A record with another claim's uid was copied and is ignored.
    pub uid: String,
    /// The volume that was released.
    pub volume: VolumeId,
    /// The fingerprint of the repository that the volume is backed up to: the SHA-256 of its object `config`. Left out
    /// until the first backup was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Digest>,
    /// The newest snapshot when the record was written: the name of its object below `snapshots/`. Left out where there
    /// was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Digest>,
    /// The term of the ledger entry at which this claim became the writer of the repository.
    pub term: u64,
    /// Whether another writer has taken over the repository since the release.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overtaken: bool,
    /// Whether the claim's Secret was seen to point at another repository than the released one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
    /// Whether a person accepted that the repository moves to the address that would be rendered, and the first backup
    /// there was not seen yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moved: bool,
    /// The reason that a person gave for accepting the hold that preceded the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The claim's Secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SecretEvidence {
    /// The Secret does not exist.
    Absent,
    /// A Secret or ExternalSecret of the expected name exists, but lacks the label
    /// `app.kubernetes.io/managed-by: volsync-policy`.
    Foreign,
    /// The Secret carries the label `app.kubernetes.io/managed-by: volsync-policy`.
    Ours(SecretContent),
}

/// How the claim's Secret compares with the Secret that the plan would render.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SecretContent {
    /// Whether `RESTIC_REPOSITORY` of the Secret is the address that the plan would render.
    pub repository: Address,
    /// Whether `RESTIC_PASSWORD` of the Secret is the value that the plan would render.
    pub password: ValueMatch,
}

/// Whether two repository addresses name the same repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Address {
    /// The two addresses name the same repository.
    Same,
    /// The two addresses differ. The value is the SHA-256 of the observed address: `RESTIC_REPOSITORY` of the Secret,
    /// or the repository of the ledger entry.
    Other(Digest),
}

/// Whether two values are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ValueMatch {
    /// The two values are equal, or they could not be compared.
    Same,
    /// The two values differ.
    Other,
}

/// The ReplicationDestination that restores the claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RestoreEvidence {
    /// The ReplicationDestination does not exist.
    Absent,
    /// A ReplicationDestination of the expected name exists, but lacks the label
    /// `app.kubernetes.io/managed-by: volsync-policy`.
    Foreign,
    /// The ReplicationDestination is managed by this policy, but its annotation `volsync-policy.io/claim-uid` does not
    /// hold this claim's uid: it was created for an earlier claim of the same name.
    Stale,
    /// The restore has not finished.
    Running(RunningRestore),
    /// The restore has finished: `status.lastManualSync` equals `spec.trigger.manual`, `status.lastSyncStartTime` is
    /// empty, and `status.latestImage` is set or its image was consumed.
    Done(FinishedRestore),
}

/// A restore that has not finished.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunningRestore {
    /// How many times the mover has failed: `status.failed` of the Job `volsync-dst-<name>`, and 8 more once VolSync
    /// has given up on a Job.
    pub failures: u32,
    /// The cause of the latest failure, told by the mover's log.
    pub cause: Cause,
}

/// A restore that has finished.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FinishedRestore {
    /// The name of the VolumeSnapshot that holds the restored data: `status.latestImage.name`, or, once the image was
    /// consumed, the annotation `volsync-policy.io/consumed`.
    pub image: String,
    /// Whether the image was consumed: `status.latestImage` was cleared, so that no later claim of the same name is
    /// populated from it.
    #[serde(default)]
    pub consumed: bool,
    /// What was restored, told by `status.latestMoverStatus.logs`.
    pub outcome: Outcome,
    /// What the restore was expected to find when it was created: the annotation `volsync-policy.io/expects`.
    #[serde(default)]
    pub expects: Expectation,
}

/// What a restore is expected to find in the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Expectation {
    /// At least one snapshot.
    #[default]
    Data,
    /// At least one snapshot, of a repository that a person accepted although it is not as the ledger remembers it.
    AcceptedData,
    /// No snapshot: the claim was never backed up.
    Nothing,
    /// No snapshot: a person accepted that the claim starts empty.
    AcceptedNothing,
}

/// The state of VolSync's volume populator for one claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Populator {
    /// The temporary claim `vs-prime-<uid>` does not exist.
    Idle,
    /// The populator is filling the claim from the VolumeSnapshot of this name: `spec.dataSourceRef.name` of
    /// `vs-prime-<uid>`.
    Filling(String),
}

/// The ReplicationSource that backs up the claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum BackupEvidence {
    /// The ReplicationSource does not exist.
    Absent,
    /// A ReplicationSource of the expected name exists, but lacks the label
    /// `app.kubernetes.io/managed-by: volsync-policy`.
    Foreign,
    /// The ReplicationSource carries the label `app.kubernetes.io/managed-by: volsync-policy`.
    Ours(OurBackup),
}

/// A ReplicationSource that this policy manages.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OurBackup {
    /// The uid of the claim that the ReplicationSource was created for: its annotation `volsync-policy.io/claim-uid`.
    /// Where it is left out, the ReplicationSource counts as that of another claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Whether the ReplicationSource is paused.
    pub state: BackupState,
    /// Whether a backup is in progress: `status.lastSyncStartTime` is set.
    #[serde(default)]
    pub syncing: bool,
    /// The release record in the ReplicationSource's annotation `volsync-policy.io/released`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<ReleaseRecord>,
}

/// Whether a ReplicationSource is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum BackupState {
    /// The ReplicationSource backs up on its schedule: `spec.paused` is not true.
    Running,
    /// The ReplicationSource starts no backup: `spec.paused` is true.
    Paused,
}

/// The state of a restic repository on S3, told by listings of its objects. No password is needed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Repository {
    /// The repository could not be read.
    Unread(Failure),
    /// There is no repository: two listings at least 30 seconds apart were empty, and the object `config` does not
    /// exist.
    Absent(NoRepository),
    /// The repository was initialised and holds neither snapshots nor data: nothing was ever backed up to it.
    Initialised(EmptyRepository),
    /// The repository holds data but no snapshot: the snapshots were removed.
    Emptied(EmptyRepository),
    /// Objects exist where the repository should be, but the object `config` or the folder `keys/` is missing, so
    /// restic cannot open it.
    Damaged(NoRepository),
    /// The repository holds snapshots.
    Holds(Box<Listing>),
}

/// What is known of a place that holds no repository that restic can open.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NoRepository {
    /// When the store was read, by the store's clock: the `Date` header of its response.
    pub as_of: Timestamp,
}

/// What is known of a repository without snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EmptyRepository {
    /// When the store was read, by the store's clock: the `Date` header of its response.
    pub as_of: Timestamp,
    /// The fingerprint of the repository: the SHA-256 of its object `config`.
    pub fingerprint: Digest,
    /// When the oldest lock in the repository was written (`LastModified`); left out where there is no lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_lock: Option<Timestamp>,
    /// When the newest lock in the repository was written (`LastModified`); left out where there is no lock, or only
    /// the oldest is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_lock: Option<Timestamp>,
}

/// What is known of a repository with snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Listing {
    /// When the store was read, by the store's clock: the `Date` header of its response.
    pub as_of: Timestamp,
    /// The fingerprint of the repository: the SHA-256 of its object `config`.
    pub fingerprint: Digest,
    /// When the oldest lock in the repository was written (`LastModified`); left out where there is no lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_lock: Option<Timestamp>,
    /// When the newest lock in the repository was written (`LastModified`); left out where there is no lock, or only
    /// the oldest is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_lock: Option<Timestamp>,
    /// The number of snapshots in the repository.
    pub count: u64,
    /// The id of the newest snapshot: the name of its object below `snapshots/`.
    pub newest_key: Digest,
    /// When the newest snapshot was written: `LastModified` of its object.
    pub newest_at: Timestamp,
    /// Whether the repository contains the snapshot that was restored into the claim's volume.
    #[serde(default)]
    pub lists_restored: bool,
    /// Whether the newest snapshot is the one that the claim's ReplicationSource saved last, told by its log, and no
    /// other was written since the one that the release record names.
    #[serde(default)]
    pub lists_saved: bool,
    /// Whether somebody else is suspected to have written the newest snapshot, although the ledger entry is the claim's
    /// own: the log of the claim's ReplicationSource names an older snapshot as the one that it saved last. Left out
    /// where nothing is suspected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspicion: Option<Suspicion>,
}

/// The suspicion that somebody else wrote the newest snapshot under the claim's own ledger entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Suspicion {
    /// The ReplicationSource may have saved the newest snapshot meanwhile: it was running, or it was not read again
    /// after the snapshots were listed, or it had changed by then.
    Open,
    /// The ReplicationSource was idle, and after the snapshots were listed it was still as it was before.
    Confirmed,
}

/// Why something in the store could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Failure {
    /// No attempt was made to read it.
    #[default]
    NotTried,
    /// The store could not be reached.
    Unreachable,
    /// The store denied access.
    Denied,
    /// The store did not answer in time.
    Timeout,
    /// The bucket does not exist. This differs from an empty bucket: restic would create it.
    StoreMissing,
    /// The repository is not on S3, and no other kind of store can be read, or the store does not implement the
    /// request.
    Unsupported,
    /// The answer could not be understood.
    Malformed,
}

/// What the ledger says about the claim. The ledger remembers what was backed up; it is kept in the store, beside the
/// repositories.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Ledger {
    /// The ledger could not be read.
    Unread(Failure),
    /// The store has no ledger marker.
    Uninitialised,
    /// The id in the ledger marker differs from the setting `ledger.storeId`.
    OtherStore,
    /// The ledger has no entry for the claim.
    None,
    /// The ledger has this entry for the claim.
    Entry(Box<Entry>),
}

/// The entry of a claim in the ledger. It outlives the claim and the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Entry {
    /// Whether the entry is for the repository that the claim's Secret points at.
    pub repository: Address,
    /// The claim that backs up to the repository.
    pub writer: Writer,
    /// What was last seen in the repository; left out until the first backup was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// The storage that the claim requested, as a Kubernetes quantity.
    pub capacity: Quantity,
    /// Whether the entry is retired: a person declared that the backups are permanently lost.
    #[serde(default)]
    pub retired: bool,
}

/// The claim that backs up to a repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Writer {
    /// The identity of the writer's cluster: `metadata.uid` of its namespace `kube-system`.
    pub cluster: String,
    /// The uid of the writer's claim.
    pub uid: String,
    /// The volume of the writer's claim.
    pub volume: VolumeId,
    /// The longest time between two backups of the writer's schedule, in seconds.
    pub interval: u64,
    /// When the writer took over the repository, by the store's clock.
    pub since: Timestamp,
    /// The number of times that a writer has taken over the repository, including this one.
    pub term: u64,
}

/// What was last seen in a repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Memory {
    /// The fingerprint of the repository: the SHA-256 of its object `config`.
    pub fingerprint: Digest,
    /// The id of the newest snapshot: the name of its object below `snapshots/`.
    pub newest_key: Digest,
    /// When the newest snapshot was written: `LastModified` of its object.
    pub newest_at: Timestamp,
}

/// Whether the claim has its turn, if a restore or its first backup is to start. A host limits how many claims have
/// theirs at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Slot {
    /// The claim has its turn, or need not wait for it.
    #[default]
    Free,
    /// The claim must wait. The value is the number of claims that are ahead of it.
    Queued(u32),
}

/// A SHA-256 digest: 64 lower case hexadecimal digits. The id of a restic snapshot has the same form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Digest(#[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[0-9a-f]{64}$")))] String);

/// A point in time by the store's clock, in whole seconds, written in RFC 3339 and UTC: `2026-11-24T10:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String", extend("format" = "date-time")))]
pub struct Timestamp(u64);

impl Default for Repository {
    fn default() -> Self {
        Repository::Unread(Failure::NotTried)
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger::Unread(Failure::NotTried)
    }
}

impl Failure {
    /// The name of the failure, as it is written in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Failure::NotTried => "notTried",
            Failure::Unreachable => "unreachable",
            Failure::Denied => "denied",
            Failure::Timeout => "timeout",
            Failure::StoreMissing => "storeMissing",
            Failure::Unsupported => "unsupported",
            Failure::Malformed => "malformed",
        }
    }

    /// Parses the name of a failure, as it is written in JSON.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        const ALL: [Failure; 7] = [
            Failure::NotTried,
            Failure::Unreachable,
            Failure::Denied,
            Failure::Timeout,
            Failure::StoreMissing,
            Failure::Unsupported,
            Failure::Malformed,
        ];
        ALL.into_iter().find(|failure| failure.as_str() == name)
    }
}

impl Digest {
    /// Parses 64 lower case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        is_hexadecimal(text, 64).then(|| Digest(text.to_owned()))
    }

    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Digest(hexadecimal(Sha256::digest(bytes).iter()))
    }

    /// The hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Digest::parse(&text).ok_or("expected 64 lower case hexadecimal digits")
    }
}

impl Timestamp {
    /// Makes a time from seconds since the Unix epoch. Times after the year 9999, which RFC 3339 cannot express, become
    /// the last second of that year.
    pub const fn from_unix(seconds: u64) -> Self {
        const LAST: u64 = 253_402_300_799;
        Timestamp(if seconds < LAST { seconds } else { LAST })
    }

    /// Parses a time in RFC 3339.
    pub fn parse(text: &str) -> Option<Self> {
        Timestamp::of(humantime::parse_rfc3339(text).ok()?)
    }

    /// Parses the `Date` header of an HTTP response, such as `Tue, 24 Nov 2026 10:00:00 GMT`.
    pub fn parse_http(text: &str) -> Option<Self> {
        Timestamp::of(httpdate::parse_http_date(text).ok()?)
    }

    fn of(time: std::time::SystemTime) -> Option<Self> {
        let since_1970 = time.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(Timestamp::from_unix(since_1970.as_secs()))
    }

    /// The seconds from `earlier` to this time; zero where `earlier` is the later one.
    pub fn since(self, earlier: Timestamp) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl TryFrom<String> for Timestamp {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Timestamp::parse(&text).ok_or("expected a time such as `2026-11-24T10:00:00Z`")
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(self.0));
        match time {
            Some(time) => humantime::format_rfc3339_seconds(time).fmt(f),
            None => Err(fmt::Error),
        }
    }
}

impl Evidence {
    /// Whether an object that this policy manages was seen.
    pub(crate) fn has_ours(&self) -> bool {
        let secret = self.secret.as_ref().is_some_and(SecretEvidence::is_ours);
        let restore = self.restore.as_ref().is_some_and(RestoreEvidence::is_ours);
        secret || restore || self.backup.as_ref().is_some_and(BackupEvidence::is_ours)
    }

    /// The suspicion that somebody else wrote the newest snapshot under the claim's own ledger entry.
    pub(crate) fn suspicion(&self) -> Option<Suspicion> {
        self.repository.listing()?.suspicion
    }

    /// Whether a second look at the ReplicationSource could settle who wrote the newest snapshot.
    pub(crate) fn needs_second_look(&self) -> bool {
        let is_idle = self.backup.as_ref().and_then(BackupEvidence::ours).is_some_and(|backup| !backup.syncing);
        self.suspicion() == Some(Suspicion::Open) && is_idle
    }

    /// The newest snapshot, where the claim's ReplicationSource saved it.
    pub(crate) fn saved(&self) -> Option<Digest> {
        self.repository.listing().filter(|listing| listing.lists_saved).map(|listing| listing.newest_key.clone())
    }

    /// Whether the Secret points at another repository than the one that would be rendered.
    pub(crate) fn secret_is_other(&self) -> bool {
        self.other_address().is_some()
    }

    /// Whether nothing that was read shows that the Secret differs from the one that would be rendered.
    pub(crate) fn secret_is_as_rendered(&self) -> bool {
        !self.secret_is_other() && self.secret != Some(SecretEvidence::Foreign)
    }

    /// The repository that the Secret points at, where that is not the one that would be rendered.
    pub(crate) fn other_address(&self) -> Option<&Digest> {
        match &self.secret {
            Some(SecretEvidence::Ours(content)) => content.repository.other(),
            Some(SecretEvidence::Absent | SecretEvidence::Foreign) | None => None,
        }
    }
}

impl SecretEvidence {
    fn is_ours(&self) -> bool {
        match self {
            SecretEvidence::Ours(_) => true,
            SecretEvidence::Absent | SecretEvidence::Foreign => false,
        }
    }
}

impl RestoreEvidence {
    pub(crate) fn is_ours(&self) -> bool {
        match self {
            RestoreEvidence::Stale | RestoreEvidence::Running(_) | RestoreEvidence::Done(_) => true,
            RestoreEvidence::Absent | RestoreEvidence::Foreign => false,
        }
    }
}

impl BackupEvidence {
    pub(crate) fn is_ours(&self) -> bool {
        self.ours().is_some()
    }

    /// The ReplicationSource, where this policy manages it.
    pub(crate) fn ours(&self) -> Option<&OurBackup> {
        match self {
            BackupEvidence::Ours(backup) => Some(backup),
            BackupEvidence::Absent | BackupEvidence::Foreign => None,
        }
    }
}

impl Address {
    /// The observed address, where the two addresses differ.
    pub(crate) fn other(&self) -> Option<&Digest> {
        match self {
            Address::Same => None,
            Address::Other(address) => Some(address),
        }
    }

    /// Whether the two addresses differ.
    pub(crate) fn is_other(&self) -> bool {
        self.other().is_some()
    }
}

impl Expectation {
    /// The value of the annotation `volsync-policy.io/expects`.
    pub fn as_str(self) -> &'static str {
        match self {
            Expectation::Data => "data",
            Expectation::AcceptedData => "accepted-data",
            Expectation::Nothing => "nothing",
            Expectation::AcceptedNothing => "accepted-nothing",
        }
    }

    /// Parses the value of the annotation. Any other value counts as [`Expectation::Data`].
    pub(crate) fn parse(annotation: Option<&str>) -> Self {
        let is_it = |expects: &Expectation| annotation == Some(expects.as_str());
        let others = [Expectation::AcceptedData, Expectation::Nothing, Expectation::AcceptedNothing];
        others.into_iter().find(is_it).unwrap_or_default()
    }
}

impl Writer {
    /// Whether the writer is the claim `uid` of the cluster `cluster`.
    pub(crate) fn is(&self, cluster: &str, uid: &str) -> bool {
        self.cluster == cluster && self.uid == uid
    }
}

impl Repository {
    /// When the repository was read, by the store's clock; `None` where it was not read.
    pub fn as_of(&self) -> Option<Timestamp> {
        match self {
            Repository::Unread(_) => None,
            Repository::Absent(blank) | Repository::Damaged(blank) => Some(blank.as_of),
            Repository::Initialised(opened) | Repository::Emptied(opened) => Some(opened.as_of),
            Repository::Holds(listing) => Some(listing.as_of),
        }
    }

    /// The fingerprint of the repository (the SHA-256 of its `config`), where it could be read.
    pub fn fingerprint(&self) -> Option<&Digest> {
        match self {
            Repository::Unread(_) | Repository::Absent(_) | Repository::Damaged(_) => None,
            Repository::Initialised(opened) | Repository::Emptied(opened) => Some(&opened.fingerprint),
            Repository::Holds(listing) => Some(&listing.fingerprint),
        }
    }

    /// What is known of the repository's snapshots, where it has any.
    pub fn listing(&self) -> Option<&Listing> {
        match self {
            Repository::Holds(listing) => Some(listing),
            Repository::Unread(_)
            | Repository::Absent(_)
            | Repository::Initialised(_)
            | Repository::Emptied(_)
            | Repository::Damaged(_) => None,
        }
    }

    /// When the repository's oldest lock was written, where it has one.
    pub(crate) fn oldest_lock(&self) -> Option<Timestamp> {
        match self {
            Repository::Unread(_) | Repository::Absent(_) | Repository::Damaged(_) => None,
            Repository::Initialised(opened) | Repository::Emptied(opened) => opened.oldest_lock,
            Repository::Holds(listing) => listing.oldest_lock,
        }
    }

    /// When the repository's newest lock was written, where it has one; the oldest, where only that is known.
    pub(crate) fn newest_lock(&self) -> Option<Timestamp> {
        let newest = match self {
            Repository::Unread(_) | Repository::Absent(_) | Repository::Damaged(_) => None,
            Repository::Initialised(opened) | Repository::Emptied(opened) => opened.newest_lock,
            Repository::Holds(listing) => listing.newest_lock,
        };
        newest.or_else(|| self.oldest_lock())
    }

    /// The name of the state, as it is written in JSON.
    pub(crate) fn state(&self) -> &'static str {
        match self {
            Repository::Unread(_) => "unread",
            Repository::Absent(_) => "absent",
            Repository::Initialised(_) => "initialised",
            Repository::Emptied(_) => "emptied",
            Repository::Damaged(_) => "damaged",
            Repository::Holds(_) => "holds snapshots",
        }
    }
}

impl Ledger {
    /// The entry, even if it is retired.
    pub fn entry(&self) -> Option<&Entry> {
        match self {
            Ledger::Entry(entry) => Some(entry),
            Ledger::Unread(_) | Ledger::Uninitialised | Ledger::OtherStore | Ledger::None => None,
        }
    }

    /// The entry, unless it is retired.
    pub(crate) fn living_entry(&self) -> Option<&Entry> {
        self.entry().filter(|entry| !entry.retired)
    }

    /// What the ledger remembers of the repository, unless the entry is retired.
    pub(crate) fn memory(&self) -> Option<(&Entry, &Memory)> {
        let entry = self.living_entry()?;
        Some((entry, entry.memory.as_ref()?))
    }
}
