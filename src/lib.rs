//! With one label on a PersistentVolumeClaim, `backup: hourly`, its volume is first restored if it ever had a backup,
//! and from then on backed up. **Good backups are never aged out by a volume that was not restored from them.**
//!
//! The policy is one pure function, [`plan()`]. It reads no clock, no network, no randomness and no environment: the
//! same bytes in give the same bytes out as native code, in Kubewarden and in a browser.
//!
//! ```text
//!   request       credentials        settings           evidence
//!      │ claim         │ base            │ classes…         │ ledger, repository, objects, volume
//!      ▼               │                 ▼                  ▼
//!   Eligibility ───────┼──────────► Protection           History     fresh, data or unsure
//!      │               │                 │                  │
//!      └───────────────┼─────────────────┼──► Verdict ◄─────┘        39 rows, the first that holds
//!                      ▼                 ▼       │
//!                 Manifests: Secret, ReplicationDestination, ReplicationSource
//!                      │                         │
//!                      └──► Plan: verdict, patch, manifests, steps, notes
//! ```
//!
//! A host in a cluster needs no rules: [`reads()`] tells it what to read, an [`Inspection`] takes the raw answers,
//! which become evidence, and [`plan_for_host`] tells it what to write. `docs/hosts.md` describes the whole contract.
//!
//! A backup runs only with a [`Released`], which only the decision can make:
//!
//! ```compile_fail,E0451
//! let released = volsync_policy::Released { is_new: true };
//! ```

mod acceptance;
mod address;
mod again;
mod ask;
pub mod cel;
mod claim;
mod code;
pub mod compare;
mod coverage;
mod credentials;
mod custody;
mod decision;
mod document;
mod eligibility;
pub mod evidence;
pub mod guest;
mod history;
mod hold;
mod host;
pub mod ledger;
pub mod maintenance;
mod manifests;
pub mod mover;
pub mod names;
mod note;
mod observe;
mod part;
mod patch;
mod plan;
mod plan_document;
mod problem;
mod protection;
mod quantity;
mod queue;
mod reads;
mod records;
#[cfg(feature = "schema")]
pub mod reference;
mod request;
mod review;
mod role;
mod schedule;
#[cfg(feature = "schema")]
pub mod schema;
mod seen;
mod settings;
mod step;
mod target;
mod template;
mod vec_map;
mod writes;

pub use acceptance::{HoldId, accepting};
pub use address::{ObjectRef, StoreRef, Through};
pub use again::Again;
pub use ask::Ask;
pub use code::{Acceptance, Code};
pub use coverage::Coverage;
pub use credentials::Need;
pub use decision::{Backup, Marks, Released, Restore, Verdict, decide};
pub use document::LONGEST_REVIEW;
pub use eligibility::{Eligibility, Refusal, Unselected};
pub use evidence::Evidence;
pub use hold::{Fact, Hold};
pub use host::{HostPart, HostPlan, Inspection, plan_for_host, reads};
pub use manifests::Manifests;
pub use mover::restic::{Cause, Outcome, Retain, SnapshotId, saved};
pub use note::Note;
pub use part::Part;
pub use patch::{DataSourcePatch, PatchOperation};
pub use plan::{Admission, Plan};
pub use plan_document::{
    BackupAction, ManifestDocument, ManifestsDocument, NoteDocument, PlanDocument, SecretDocument, VerdictDocument,
};
pub use problem::{Problem, keyed, nearest};
pub use quantity::Quantity;
pub use queue::{Queue, Turn};
pub use reads::{Read, ReadTarget};
pub use review::{Review, ReviewError, Shared};
pub use role::Role;
pub use settings::{Gate, RestoreMode};
pub use step::{Decision, LedgerWrite, Step};
pub use writes::{Application, Condition, Copy, Creation, Deletion, Patch, Put, Verb, Write};

use credentials::SecretBytes;
use manifests::SecretManifest;
use protection::{Protection, problem_before};

/// Makes the plan for a review. Every review that can be read has exactly one plan.
pub fn plan(review: &Review) -> Plan {
    plan_on(review, review.evidence.as_ref(), None)
}

/// The plan that follows from `evidence`; `password` is that of the Secret in the cluster, where it is known.
fn plan_on(review: &Review, evidence: Option<&Evidence>, password: Option<SecretBytes>) -> Plan {
    let Review { request, credentials, settings, .. } = review;
    let eligibility = Protection::of(request, settings);
    let protection = eligibility.eligible();
    let secret =
        protection.map(|it| SecretManifest::of(it, credentials.as_deref()).keeping_password(evidence, password));
    let asked = eligibility.map(|protection| SecretManifest::ask(secret.as_ref(), protection, evidence));
    let Decision { verdict, hold, steps, record } = Decision::of(&asked, evidence);
    let manifests = (protection.zip(secret))
        .map(|(protection, secret)| Manifests::render(protection, secret, &verdict, record.as_ref()));
    Plan {
        hold,
        problem: eligibility.problem().cloned(),
        admission: Admission::of(eligibility.problem(), || problem_before(request, settings)),
        patch: protection.and_then(|protection| DataSourcePatch::of(request, protection)),
        steps,
        notes: Note::of(review, protection, &verdict, evidence, manifests.as_ref()),
        verdict,
        manifests,
    }
}
