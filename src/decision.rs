//! The decision: what is done with the restore and the backup of a claim, and why. [`Released`] is born here.

use serde::Serialize;

use crate::code::Code;
use crate::problem::Problem;
use crate::protection::{Protection, Standing};
use crate::settings::{Gate, RestoreMode};

/// The proof that a backup may run. Only the decision makes one, and no ReplicationSource is rendered running
/// without.
///
/// ```compile_fail,E0423
/// let released = volsync_policy::Released(());
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Released(());

/// What is done with the ReplicationDestination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Restore {
    /// It is created; one that exists is never edited.
    Apply,
    /// What is there stays as it is.
    Keep,
}

/// What is done with the ReplicationSource.
#[derive(Debug, PartialEq, Eq)]
pub enum Backup {
    /// It is applied, running.
    Release(Released),
    /// It is applied with `paused: true`.
    Pause,
    /// What is there stays as it is.
    Keep,
}

/// Whether the API server should take the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Admission {
    /// It should.
    Allow,
    /// It should not: a labelled claim that silently goes unprotected is the worst outcome.
    Deny,
}

/// What was decided, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Why.
    pub code: Code,
    /// What is wrong with the claim, where something is.
    pub problem: Option<Problem>,
    /// Whether the API server should take the claim.
    pub admission: Admission,
    /// What is done with the ReplicationDestination.
    pub restore: Restore,
    /// What is done with the ReplicationSource.
    pub backup: Backup,
}

/// The decision procedure: the first condition that holds decides.
pub(crate) fn decide(standing: &Standing<'_>, problem_before: impl FnOnce() -> Option<Problem>, gate: Gate) -> Verdict {
    let untouched = |code| Verdict {
        code,
        problem: None,
        admission: Admission::Allow,
        restore: Restore::Keep,
        backup: Backup::Keep,
    };
    let refused = |code, problem: &Problem| Verdict {
        problem: Some(problem.clone()),
        // What was wrong before is let through: controllers must be able to update the claim, and to remove
        // finalizers.
        admission: if problem_before().as_ref() == Some(problem) { Admission::Allow } else { Admission::Deny },
        ..untouched(code)
    };
    match (standing, gate) {
        (Standing::NotSelected, _) => untouched(Code::NotSelected),
        (Standing::Terminating, _) => untouched(Code::ClaimTerminating),
        (Standing::LabelInvalid(problem), _) => refused(Code::LabelInvalid, problem),
        (Standing::Unservable(problem), _) => refused(Code::VolumeUnsupported, problem),
        (Standing::Unnamed, _) => untouched(Code::NameUnknown),
        (Standing::Servable(protection), Gate::Evidence) => {
            Verdict { restore: restore(protection), backup: Backup::Pause, ..untouched(Code::NoEvidence) }
        }
        (Standing::Servable(protection), Gate::None) => {
            let backup = Backup::Release(Released(()));
            Verdict { restore: restore(protection), backup, ..untouched(Code::Ungated) }
        }
    }
}

/// A restore is made where it has somewhere to go.
fn restore(protection: &Protection<'_>) -> Restore {
    match protection.restore_mode {
        RestoreMode::None => Restore::Keep,
        RestoreMode::Populate | RestoreMode::Side => Restore::Apply,
    }
}
