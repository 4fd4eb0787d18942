//! When to plan again.

use serde::{Deserialize, Serialize};

use crate::address::ObjectRef;
use crate::code::Code;
use crate::decision::{Backup, Verdict};
use crate::role::Role;
use crate::seen::Seen;
use crate::target::Target;
use crate::writes::Write;

/// When a host plans for a claim again: after so many seconds, or when one of these objects changes, whichever comes
/// first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Again {
    /// After so many seconds; zero once the writes are carried out, for they change what was seen.
    pub after_seconds: u64,
    /// The objects, as far as they could be named.
    pub objects: Vec<ObjectRef>,
}

/// Until something that is not watched may have changed: a store that did not answer, a Job, an object that could not
/// be read.
const SOON: u64 = 60;

/// Until a slot for a restore may be free.
const IN_TURN: u64 = 30;

/// A look without a reason, for what a watch has missed.
const EVENTUALLY: u64 = 60 * 60;

impl Again {
    /// When to plan again after a verdict.
    pub(crate) fn after(verdict: &Verdict, writes: &[Write], target: &Target, seen: &Seen) -> Self {
        let after_seconds = match verdict.code {
            _ if !writes.is_empty() => 0,
            Code::RestoreQueued => IN_TURN,
            Code::ObjectsUnread
            | Code::LedgerUnread
            | Code::LedgerUninitialised
            | Code::LedgerMismatch
            | Code::RepositoryUnread
            | Code::OtherWriterActive
            | Code::Restoring
            | Code::RestoreFailing => SOON,
            _ if verdict.backup == Backup::DeleteWhenIdle => SOON,
            _ => EVENTUALLY,
        };
        let watched =
            [Role::Claim, Role::Populator, Role::Destination, Role::Source, Role::Secret, Role::ExternalSecret];
        let objects = watched.into_iter().filter(|role| seen.has(*role));
        Again { after_seconds, objects: objects.filter_map(|role| target.object(role, seen)).collect() }
    }
}
