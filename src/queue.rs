//! Queues: how many claims are restored, or run their first backup, at the same time.
//!
//! When a cluster is rebuilt, all its claims are to be restored at once, and VolSync would start all of them. So a
//! claim waits in a queue before its restore starts, and in another before its first backup starts. This module decides
//! who waits, and in which order. A host keeps the queues, because only it knows the other claims.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::code::Code;
use crate::decision::{Restore, Verdict};
use crate::document::at;
use crate::protection::Protection;

/// A queue in which claims wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Queue {
    /// Claims whose restore has yet to start.
    Restores,
    /// Claims whose first backup has yet to start.
    Backups,
}

/// A claim in a queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Turn {
    /// The queue.
    pub queue: Queue,
    /// How many claims may have their turn at the same time: the setting `restore.maxConcurrent` or
    /// `backup.maxConcurrentFirst`.
    pub limit: u32,
    /// The claim's annotation `volsync-policy.io/priority`. Higher numbers come first.
    pub priority: i32,
    /// The claim's `metadata.creationTimestamp`; left out where it is not known. Older claims come first if their
    /// priorities are equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

impl Queue {
    /// The queue of a claim with this verdict if it has its turn, and that one if it has not.
    pub(crate) fn of(in_turn: &Verdict, queued: &Verdict) -> Option<Self> {
        let starts_restore = |verdict: &Verdict| verdict.restore == Restore::Apply;
        if starts_restore(in_turn) && !starts_restore(queued) {
            return Some(Queue::Restores);
        }
        (in_turn.starts_backup() && !queued.starts_backup()).then_some(Queue::Backups)
    }

    /// The queue in which a claim has its turn after this verdict. A restore that has failed several times has lost it,
    /// so that one that cannot succeed does not stop all others. A first backup has it until it has succeeded once;
    /// `source` is the ReplicationSource as it was read.
    pub(crate) fn held(verdict: &Verdict, source: Option<&Value>) -> Option<Self> {
        let has_synced = || source.is_some_and(|source| at(source, &["status", "lastSyncTime"]).is_some());
        match verdict.code {
            _ if verdict.restore == Restore::Apply => Some(Queue::Restores),
            Code::Restoring => Some(Queue::Restores),
            _ if verdict.starts_backup() && !has_synced() => Some(Queue::Backups),
            _ => None,
        }
    }
}

impl Turn {
    /// The turn that a claim waits for in a queue.
    pub(crate) fn of(queue: Queue, protection: &Protection<'_>) -> Self {
        let Protection { settings, claim, priority, .. } = protection;
        let limit = match queue {
            Queue::Restores => settings.restore.max_concurrent,
            Queue::Backups => settings.backup.max_concurrent_first,
        };
        Turn { queue, limit, priority: *priority, since: claim.creation_timestamp.clone() }
    }

    /// What a queue is sorted by; the first claim has its turn first.
    pub fn order(&self) -> impl Ord + use<> {
        (Reverse(self.priority), self.since.clone())
    }
}
