//! Evidence: what an observer found out about one claim. Enums alone, and what is absent was not read.
//!
//! A person's own words (the label, `volsync-policy.io/accept`) stand in the request; what happened stands here. Text
//! of a mover's log never does: [`Outcome`] and [`Cause`] are what the policy reads out of it.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::mover::restic::{Cause, Outcome};
use crate::names::{hexadecimal, is_hexadecimal};
use crate::quantity::Quantity;

/// What an observer found out. What is left out was not read; `{}` is evidence too, of nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Evidence {
    /// The cluster: the uid of its namespace `kube-system`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The claim as it is stored, and its volume. It is read first: it may be bound from what a ReplicationDestination
    /// has restored since that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<ClaimEvidence>,
    /// The claim's Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretEvidence>,
    /// The ReplicationDestination that the claim's `dataSourceRef` names; with `restore.mode: side` the one beside
    /// the claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreEvidence>,
    /// The claim `vs-prime-<uid>` from which VolSync's populator fills the claim. It is read before the
    /// ReplicationDestination: read after it, it may be filled from an image that was made in between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub populator: Option<Populator>,
    /// The ReplicationSource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupEvidence>,
    /// The repository, read through the claim's Secret, or through what would be applied where there is none. It is
    /// read last: a snapshot that a log or the ledger names may be younger than what was listed before.
    pub repository: Repository,
    /// The claim's entry in the ledger.
    pub ledger: Ledger,
    /// Whether the host has room for one more restore.
    pub slot: Slot,
}

/// The claim as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClaimEvidence {
    /// `metadata.uid`.
    pub uid: String,
    /// `status.phase`.
    pub phase: Phase,
    /// Whether it or its namespace is being deleted.
    #[serde(default)]
    pub terminating: bool,
    /// Where its data comes from, by `spec.dataSourceRef`.
    pub source: DataSource,
    /// Its volume; left out where the PersistentVolume could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<Volume>,
    /// The image that VolSync's populator filled its volume from: the part after `/` of the PersistentVolume's
    /// annotation `volsync.backube/populated-from` (volumepopulator_controller.go:447).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub populated_from: Option<String>,
    /// The record of its release: its annotation `volsync-policy.io/released`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Record>,
}

/// The phase of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Phase {
    /// It has no volume yet.
    Pending,
    /// It has one.
    Bound,
    /// It has lost the one it had.
    Lost,
}

/// Where a stored claim's data comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum DataSource {
    /// Nowhere.
    None,
    /// The ReplicationDestination that is the claim's own.
    Ours,
    /// Anything else.
    Foreign,
}

/// The volume behind a claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Volume {
    /// The claim has none.
    None,
    /// It has this one.
    Of(VolumeId),
}

/// What tells a volume from every other: the storage itself, not the objects that stand for it, which outlive it or
/// are restored without it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VolumeId {
    /// `spec.csi.driver` of the PersistentVolume, or `PersistentVolume` where it is no CSI volume.
    pub driver: String,
    /// `spec.csi.volumeHandle`, or the PersistentVolume's uid.
    pub handle: String,
}

/// The record of a release, on the claim and on its ReplicationSource alike: either suffices. As an annotation it is
/// this, in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Record {
    /// The claim's uid. A record of another uid was copied, and counts for nothing.
    pub uid: String,
    /// The volume that was released.
    pub volume: VolumeId,
    /// The repository that it is backed up to, once the first backup is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Digest>,
    /// The term of the ledger's entry since when the claim is its writer.
    pub term: u64,
    /// Another writer has taken over since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overtaken: bool,
    /// The Secret was seen to point at another repository.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
    /// Why a person accepted the hold that stood before the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The claim's Secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SecretEvidence {
    /// There is none.
    Absent,
    /// It is not ours, or a key that we render in it is not.
    Foreign,
    /// It is ours, or what our ExternalSecret makes.
    Ours(SecretContent),
}

/// How a Secret compares with the one that would be rendered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SecretContent {
    /// Its `RESTIC_REPOSITORY`.
    pub repository: Address,
    /// Its `RESTIC_PASSWORD`.
    pub password: Likeness,
}

/// Whether two repositories are one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Address {
    /// They are.
    Same,
    /// They are not; the Secret's is this one: the SHA-256 of `RESTIC_REPOSITORY`.
    Other(Digest),
}

/// Whether two values are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Likeness {
    /// They are.
    Same,
    /// They are not.
    Other,
}

/// The ReplicationDestination.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RestoreEvidence {
    /// There is none.
    Absent,
    /// It is not ours.
    Foreign,
    /// It is ours, and carries the uid of another incarnation of the claim, or none.
    Stale,
    /// It has yet to finish.
    Running(RunningRestore),
    /// It has finished: `status.lastManualSync` is its trigger, `status.lastSyncStartTime` is empty, and
    /// `status.latestImage` is set, or consumed.
    Done(FinishedRestore),
}

/// A restore that has yet to finish.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunningRestore {
    /// How often its mover failed: `status.failed` of the Job `volsync-dst-<name>`.
    pub failures: u32,
    /// Why it failed last.
    pub cause: Cause,
}

/// A restore that has finished.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FinishedRestore {
    /// The VolumeSnapshot that holds what was restored: `status.latestImage.name`, or as consumed.
    pub image: String,
    /// Whether the image was consumed: taken away, so that no later claim binds from it.
    #[serde(default)]
    pub consumed: bool,
    /// What was restored.
    pub outcome: Outcome,
    /// What was expected when it was applied: its annotation `volsync-policy.io/expects`.
    #[serde(default)]
    pub expects: Expectation,
}

/// What a restore is expected to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Expectation {
    /// A backup.
    #[default]
    Data,
    /// None: there never was one, or a person accepted that it comes back empty.
    Nothing,
}

/// What VolSync's populator is at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Populator {
    /// There is no `vs-prime-<uid>`.
    Idle,
    /// It fills the claim from this image: `spec.dataSourceRef.name` of `vs-prime-<uid>`.
    Filling(String),
}

/// The ReplicationSource.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum BackupEvidence {
    /// There is none.
    Absent,
    /// It is not ours.
    Foreign,
    /// It is ours.
    Ours(OurBackup),
}

/// A ReplicationSource of ours.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OurBackup {
    /// The claim's uid, as its annotation `volsync-policy.io/claim-uid` has it. None is another claim's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Whether it runs.
    pub state: BackupState,
    /// Whether a backup is under way: `status.lastSyncStartTime` is set.
    #[serde(default)]
    pub syncing: bool,
    /// Its copy of the record of the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Record>,
}

/// Whether a ReplicationSource is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum BackupState {
    /// It backs up on its schedule.
    Running,
    /// `spec.paused` is true.
    Paused,
}

/// A repository on S3, told by one listing without its password.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Repository {
    /// It could not be read.
    Unread(Failure),
    /// There is nothing: no `config` and an empty listing, twice, 30 seconds apart.
    Absent(Blank),
    /// It was initialised, and never backed up to.
    Initialised(Opened),
    /// It has data, and no snapshot any more.
    Emptied(Opened),
    /// What is there is no repository.
    Damaged(Blank),
    /// It has snapshots.
    Holds(Box<Listing>),
}

/// Of a repository without a `config`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Blank {
    /// When it was read, by the store's own clock (the `Date` of its answer).
    pub as_of: Timestamp,
}

/// Of a repository without snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Opened {
    /// When it was read, by the store's own clock (the `Date` of its answer).
    pub as_of: Timestamp,
    /// The SHA-256 of its `config`.
    pub fingerprint: Digest,
    /// When its oldest lock was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_lock: Option<Timestamp>,
}

/// Of a repository with snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Listing {
    /// When it was read, by the store's own clock (the `Date` of its answer).
    pub as_of: Timestamp,
    /// The SHA-256 of its `config`.
    pub fingerprint: Digest,
    /// When its oldest lock was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_lock: Option<Timestamp>,
    /// How many snapshots it has.
    pub count: u64,
    /// The newest of them: its object's name under `snapshots/`.
    pub newest_key: Digest,
    /// When that was written (`LastModified`).
    pub newest_at: Timestamp,
    /// Whether the snapshot that was restored is among them.
    #[serde(default)]
    pub lists_restored: bool,
    /// Whether the snapshot that the claim's ReplicationSource saved last, by its log, is among them.
    #[serde(default)]
    pub lists_saved: bool,
}

/// Why something on S3 could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Failure {
    /// Nobody tried.
    #[default]
    NotTried,
    /// The store does not answer.
    Unreachable,
    /// The store refuses.
    Denied,
    /// The store answered too late.
    Timeout,
    /// There is no such bucket, which is not an empty one: restic would create it.
    StoreMissing,
    /// It is not on S3.
    Unsupported,
    /// What the store answered makes no sense.
    Malformed,
}

/// The ledger: what was backed up, kept beside the data.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Ledger {
    /// It could not be read.
    Unread(Failure),
    /// The store has no ledger.
    Uninitialised,
    /// The store's id is not the one in settings.
    OtherStore,
    /// The ledger has no entry for the claim.
    None,
    /// It has this one.
    Entry(Box<Entry>),
}

/// The claim's entry in the ledger. It outlives the claim and the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Entry {
    /// Whether its repository is the one that the Secret points at.
    pub repository: Address,
    /// Who backs up.
    pub writer: Writer,
    /// What was backed up, once the first backup is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// The storage that the claim requested.
    pub capacity: Quantity,
    /// A tombstone: a person declared that what was backed up is gone for good.
    #[serde(default)]
    pub retired: bool,
}

/// Who backs up to a repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Writer {
    /// The cluster: the uid of its namespace `kube-system`.
    pub cluster: String,
    /// The claim's uid.
    pub uid: String,
    /// The claim's volume.
    pub volume: VolumeId,
    /// The longest time between two of its backups, in seconds.
    pub interval: u64,
    /// When it took over, by the store's own clock.
    pub since: Timestamp,
    /// How often the entry was taken over.
    pub term: u64,
}

/// What was backed up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Memory {
    /// The repository: the SHA-256 of its `config`.
    pub fingerprint: Digest,
    /// The newest snapshot: its object's name under `snapshots/`.
    pub newest_key: Digest,
    /// When that was written (`LastModified`).
    pub newest_at: Timestamp,
}

/// Whether the host has room for one more restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Slot {
    /// It has.
    #[default]
    Free,
    /// So many go first.
    Queued(u32),
}

/// A SHA-256: 64 lower case hexadecimal digits. restic names its snapshots so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Digest(#[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[0-9a-f]{64}$")))] String);

/// A moment, in whole seconds, by the clock of the store. As text it is RFC 3339 in UTC: `2026-11-24T10:00:00Z`.
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
    /// The class of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "notTried" => Failure::NotTried,
            "unreachable" => Failure::Unreachable,
            "denied" => Failure::Denied,
            "timeout" => Failure::Timeout,
            "storeMissing" => Failure::StoreMissing,
            "unsupported" => Failure::Unsupported,
            "malformed" => Failure::Malformed,
            _ => return None,
        })
    }
}

impl Digest {
    /// Reads 64 lower case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        is_hexadecimal(text, 64).then(|| Digest(text.to_owned()))
    }

    /// That of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Digest(hexadecimal(Sha256::digest(bytes).iter()))
    }

    /// As text.
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
    /// So many seconds after 1970 began, or the end of the year 9999, the last that RFC 3339 can write.
    pub const fn from_unix(seconds: u64) -> Self {
        const LAST: u64 = 253_402_300_799;
        Timestamp(if seconds < LAST { seconds } else { LAST })
    }

    /// Reads RFC 3339.
    pub fn parse(text: &str) -> Option<Self> {
        Timestamp::of(humantime::parse_rfc3339(text).ok()?)
    }

    /// Reads the `Date` of an HTTP response, as in `Tue, 24 Nov 2026 10:00:00 GMT`.
    pub fn parse_http(text: &str) -> Option<Self> {
        Timestamp::of(httpdate::parse_http_date(text).ok()?)
    }

    fn of(time: std::time::SystemTime) -> Option<Self> {
        let since_1970 = time.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(Timestamp::from_unix(since_1970.as_secs()))
    }

    /// The seconds from `earlier` to this; none where that is later.
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
    /// Whether something of ours was seen.
    pub(crate) fn has_ours(&self) -> bool {
        let secret = self.secret.as_ref().is_some_and(SecretEvidence::is_ours);
        let restore = self.restore.as_ref().is_some_and(RestoreEvidence::is_ours);
        secret || restore || self.backup.as_ref().is_some_and(BackupEvidence::is_ours)
    }

    /// Whether the Secret points at another repository than the one that would be rendered.
    pub(crate) fn secret_is_other(&self) -> bool {
        self.other_address().is_some()
    }

    /// Whether nothing that was read says that the Secret points anywhere else than one that would be rendered.
    pub(crate) fn secret_is_as_rendered(&self) -> bool {
        !self.secret_is_other() && self.secret != Some(SecretEvidence::Foreign)
    }

    /// The repository that the Secret points at, where that is not the one that would be rendered.
    fn other_address(&self) -> Option<&Digest> {
        match &self.secret {
            Some(SecretEvidence::Ours(content)) => content.repository.other(),
            Some(SecretEvidence::Absent | SecretEvidence::Foreign) | None => None,
        }
    }

    /// The repository that the Secret points at, where that is not the one that would be rendered or remembered.
    pub(crate) fn secret_address(&self) -> Option<&Digest> {
        self.other_address().or_else(|| self.ledger.entry()?.repository.other())
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

    /// The ReplicationSource, where it is ours.
    pub(crate) fn ours(&self) -> Option<&OurBackup> {
        match self {
            BackupEvidence::Ours(backup) => Some(backup),
            BackupEvidence::Absent | BackupEvidence::Foreign => None,
        }
    }
}

impl Address {
    /// The other one, where they are two.
    fn other(&self) -> Option<&Digest> {
        match self {
            Address::Same => None,
            Address::Other(address) => Some(address),
        }
    }

    /// Whether they are two.
    pub(crate) fn is_other(&self) -> bool {
        self.other().is_some()
    }
}

impl Expectation {
    /// As it stands in the annotation `volsync-policy.io/expects`.
    pub fn as_str(self) -> &'static str {
        match self {
            Expectation::Data => "data",
            Expectation::Nothing => "nothing",
        }
    }
}

impl Writer {
    /// Whether it is the claim of that uid in that cluster.
    pub(crate) fn is(&self, cluster: &str, uid: &str) -> bool {
        self.cluster == cluster && self.uid == uid
    }
}

impl Repository {
    /// When it was read; unknown where it was not.
    pub fn as_of(&self) -> Option<Timestamp> {
        match self {
            Repository::Unread(_) => None,
            Repository::Absent(blank) | Repository::Damaged(blank) => Some(blank.as_of),
            Repository::Initialised(opened) | Repository::Emptied(opened) => Some(opened.as_of),
            Repository::Holds(listing) => Some(listing.as_of),
        }
    }

    /// What tells it from every other repository, where that could be read.
    pub fn fingerprint(&self) -> Option<&Digest> {
        match self {
            Repository::Unread(_) | Repository::Absent(_) | Repository::Damaged(_) => None,
            Repository::Initialised(opened) | Repository::Emptied(opened) => Some(&opened.fingerprint),
            Repository::Holds(listing) => Some(&listing.fingerprint),
        }
    }

    /// Its snapshots, where it has any.
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

    /// When its oldest lock was written, where it has one.
    pub(crate) fn oldest_lock(&self) -> Option<Timestamp> {
        match self {
            Repository::Unread(_) | Repository::Absent(_) | Repository::Damaged(_) => None,
            Repository::Initialised(opened) | Repository::Emptied(opened) => opened.oldest_lock,
            Repository::Holds(listing) => listing.oldest_lock,
        }
    }
}

impl Ledger {
    /// The entry, tombstones too.
    pub fn entry(&self) -> Option<&Entry> {
        match self {
            Ledger::Entry(entry) => Some(entry),
            Ledger::Unread(_) | Ledger::Uninitialised | Ledger::OtherStore | Ledger::None => None,
        }
    }

    /// The entry, unless it is a tombstone.
    pub(crate) fn living_entry(&self) -> Option<&Entry> {
        self.entry().filter(|entry| !entry.retired)
    }

    /// What was backed up, as far as the ledger knows: of an entry that is no tombstone.
    pub(crate) fn memory(&self) -> Option<(&Entry, &Memory)> {
        let entry = self.living_entry()?;
        Some((entry, entry.memory.as_ref()?))
    }
}
