//! When to plan again.

use serde::{Deserialize, Serialize};

use crate::address::ObjectRef;
use crate::code::Code;
use crate::decision::{Backup, Verdict};
use crate::part::Part;
use crate::role::Role;
use crate::seen::Seen;
use crate::target::Target;
use crate::writes::Write;

/// When a host should plan for a claim again: after `afterSeconds`, or when one of `objects` changes, whichever comes
/// first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Again {
    /// The number of seconds to wait. It is zero where the plan has writes: once they are carried out, what was seen
    /// has changed.
    pub after_seconds: u64,
    /// The objects to watch, as far as their names are known.
    pub objects: Vec<ObjectRef>,
}

/// How long to wait for a change in something that is not watched: a store that did not answer, a Job, an object that
/// could not be read.
const SOON: u64 = 60;

/// How long to wait without a reason, in case a watch missed a change. A host plans sooner for a claim in a queue: as
/// soon as it has its turn.
const EVENTUALLY: u64 = 60 * 60;

impl Again {
    /// When to plan again after a verdict.
    pub(crate) fn after(verdict: &Verdict, writes: &[Write], target: &Target, seen: &Seen) -> Self {
        let after_seconds = match verdict.code {
            _ if !writes.is_empty() => 0,
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
        let watched = [Role::Claim, Role::Populator].into_iter().chain(Part::roles()).chain([Role::ExternalSecret]);
        let objects = watched.filter(|role| seen.has(*role));
        Again { after_seconds, objects: objects.filter_map(|role| target.object(role, seen)).collect() }
    }
}
