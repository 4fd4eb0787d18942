//! One label on a PersistentVolumeClaim, `backup: hourly`, and the volume is restored first if it ever had a backup,
//! then backed up for ever. **Good backups are never aged out by a volume that was not restored from them.**
//!
//! The policy is one pure function, [`plan()`]. It reads no clock, no network, no randomness and no environment: the
//! same bytes in give the same bytes out as native code, in Kubewarden and in a browser.
//!
//! ```text
//!   request       credentials        settings
//!      │ claim         │ base            │ classes, schedules, names
//!      ▼               │                 ▼
//!   Standing ──────────┼──────────► Protection      what one claim's protection looks like, or why it has none
//!      │               │                 │
//!      ▼               ▼                 ▼
//!   Verdict ─────► Manifests: Secret, ReplicationDestination, ReplicationSource
//!      │               │
//!      └───► Plan: verdict, patch, manifests, steps, notes
//! ```
//!
//! A backup runs only with a [`Released`], which nothing but the decision can make:
//!
//! ```compile_fail,E0423
//! let released = volsync_policy::Released(());
//! ```

mod claim;
mod code;
mod credentials;
mod decision;
mod document;
pub mod guest;
mod manifests;
mod names;
mod note;
mod outcome;
mod patch;
mod plan;
mod problem;
mod protection;
mod quantity;
mod review;
mod schedule;
#[cfg(feature = "schema")]
pub mod schema;
mod settings;
mod template;

pub use code::Code;
pub use decision::{Admission, Backup, Released, Restore, Verdict};
pub use manifests::Manifests;
pub use note::Note;
pub use outcome::{Cause, Outcome, SnapshotId, saved};
pub use patch::DataSourcePatch;
pub use plan::{Plan, Step};
pub use problem::Problem;
pub use review::{LONGEST_REVIEW, Review, ReviewError};

use protection::Standing;

/// The whole policy. Total: every review that can be read has exactly one plan.
pub fn plan(review: &Review) -> Plan {
    let (request, settings) = (&review.request, &review.settings);
    let standing = Standing::of(request, settings);
    let verdict = decision::decide(&standing, || Standing::problem_before(request, settings), settings.gate);
    let manifests =
        (standing.protection()).map(|protection| Manifests::render(protection, review.credentials.as_ref(), &verdict));
    Plan {
        patch: standing.protection().and_then(|protection| DataSourcePatch::of(request, protection)),
        steps: manifests.as_ref().map(|manifests| Step::of(&verdict, manifests)).unwrap_or_default(),
        notes: Note::of(review, &standing, verdict.code, manifests.as_ref()),
        verdict,
        manifests,
    }
}
