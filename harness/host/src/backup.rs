//! A claim's ReplicationSource: when its last run ended, and when the next one is overdue.

use serde::Deserialize;
use volsync_policy::evidence::Timestamp;
use volsync_policy::mover::restic::was_empty;
use volsync_policy::names::{MANAGED_BY, MANAGER};

use crate::metadata::Metadata;

/// How late a backup may be, whatever its schedule, in seconds.
const SHORTEST_DELAY: u64 = 60 * 60;

/// What is known about a ReplicationSource.
#[derive(Debug, Clone, Copy, Default)]
pub struct Backup {
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Whether it is paused.
    pub is_paused: bool,
    /// When its last run ended.
    pub last: Option<Timestamp>,
    /// Whether that run found an empty volume, of which nothing was saved.
    pub was_empty: bool,
}

/// The last backup of a claim, and the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    /// When the last run ended, if the claim has backups.
    pub(crate) saved: Option<Timestamp>,
    /// When the next backup is overdue; without any backup, the first one.
    pub(crate) overdue: Option<Timestamp>,
}

/// A ReplicationSource, as the API server returns it.
#[derive(Deserialize)]
pub(crate) struct Source {
    pub(crate) metadata: Metadata,
    pub(crate) spec: SourceSpec,
    #[serde(default)]
    status: SourceStatus,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SourceSpec {
    #[serde(rename = "sourcePVC")]
    pub(crate) source_pvc: String,
    paused: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SourceStatus {
    last_sync_time: Option<Timestamp>,
    latest_mover_status: MoverStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MoverStatus {
    logs: String,
}

impl Source {
    /// Whether the host has created it.
    pub(crate) fn is_ours(&self) -> bool {
        self.metadata.labels.get(MANAGED_BY).is_some_and(|manager| manager == MANAGER)
    }

    /// What is known about it.
    pub(crate) fn backup(&self) -> Backup {
        Backup {
            created: self.metadata.creation_timestamp,
            is_paused: self.spec.paused,
            last: self.status.last_sync_time,
            was_empty: was_empty(&self.status.latest_mover_status.logs),
        }
    }
}

impl Backup {
    /// The last backup and the next one, with a schedule whose longest time between two backups is `interval`, in
    /// seconds. VolSync reports success also if the volume was empty and nothing was saved; `has_backups` says whether
    /// there are backups from before.
    pub(crate) fn times(&self, has_backups: bool, interval: u64) -> Times {
        let saved = self.last.filter(|_| has_backups || !self.was_empty);
        let overdue = saved.or(self.created).map(|since| after(since, patience(interval)));
        Times { saved, overdue }
    }
}

/// How old the last backup may be, in seconds: the longest time between two of them, and a quarter of it more, but at
/// least an hour. A backup takes its time, and a mover that failed is started again.
fn patience(interval: u64) -> u64 {
    interval + (interval / 4).max(SHORTEST_DELAY)
}

/// The time so many seconds after another one.
fn after(time: Timestamp, seconds: u64) -> Timestamp {
    Timestamp::from_unix(time.since(Timestamp::from_unix(0)).saturating_add(seconds))
}
