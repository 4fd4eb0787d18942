//! One label on a PersistentVolumeClaim, `backup: hourly`, and the volume is restored first if it ever had a backup,
//! then backed up for ever. **Good backups are never aged out by a volume that was not restored from them.**
//!
//! The policy is one pure function, [`plan()`]. It reads no clock, no network, no randomness and no environment: the
//! same bytes in give the same bytes out as native code, in Kubewarden and in a browser.
//!
//! ```text
//!   request       credentials        settings           evidence
//!      │ claim         │ base            │ classes…         │ ledger, repository, objects, volume
//!      ▼               │                 ▼                  ▼
//!   Standing ──────────┼──────────► Protection           History     fresh, data or unsure
//!      │               │                 │                  │
//!      └───────────────┼─────────────────┼──► Verdict ◄─────┘        39 rows, the first that holds
//!                      ▼                 ▼       │
//!                 Manifests: Secret, ReplicationDestination, ReplicationSource
//!                      │                         │
//!                      └──► Plan: verdict, patch, manifests, steps, notes
//! ```
//!
//! A backup runs only with a [`Released`], which nothing but the decision can make:
//!
//! ```compile_fail,E0451
//! let released = volsync_policy::Released { is_new: true };
//! ```

mod ask;
mod claim;
mod code;
mod credentials;
mod decision;
mod document;
pub mod evidence;
pub mod guest;
mod history;
mod hold;
mod manifests;
pub mod names;
mod note;
mod outcome;
mod patch;
mod plan;
mod problem;
mod protection;
mod quantity;
#[cfg(feature = "schema")]
pub mod reference;
mod request;
mod retain;
mod review;
mod schedule;
#[cfg(feature = "schema")]
pub mod schema;
mod settings;
mod step;
mod template;
mod vec_map;

pub use claim::Unselected;
pub use code::{Acceptance, Code};
pub use decision::{Ask, Asked, Backup, Released, Restore, Verdict, decide};
pub use document::LONGEST_REVIEW;
pub use evidence::Evidence;
pub use hold::{HoldId, hold};
pub use manifests::Manifests;
pub use note::Note;
pub use outcome::{Cause, Outcome, SnapshotId, saved};
pub use patch::DataSourcePatch;
pub use plan::{Admission, Plan};
pub use problem::{Problem, keyed, nearest};
pub use quantity::Quantity;
pub use retain::Retain;
pub use review::{Review, ReviewError, Shared};
pub use settings::{Gate, RestoreMode};
pub use step::{Recording, Step};

use manifests::SecretManifest;
use protection::Standing;

/// The whole policy. Total: every review that can be read has exactly one plan.
pub fn plan(review: &Review) -> Plan {
    let Review { request, credentials, settings, evidence } = review;
    let standing = Standing::of(request, settings);
    let secret = standing.protection().map(|it| SecretManifest::of(it, credentials.as_deref(), evidence.as_ref()));
    let asked = Asked::of(&standing, secret.as_ref(), evidence.as_ref());
    let verdict = decide(&asked, evidence.as_ref());
    let steps = Step::of(&verdict, &asked, evidence.as_ref(), settings.restore.clear_dead_locks);
    let record = Recording::record(&verdict, &steps, evidence.as_ref());
    let manifests = (standing.protection().zip(secret))
        .map(|(protection, secret)| Manifests::render(protection, secret, &verdict, record.as_ref()));
    Plan {
        hold: (asked.protection().zip(evidence.as_ref()))
            .and_then(|(ask, evidence)| hold(verdict.code, ask.repository.as_ref(), evidence)),
        problem: standing.problem().cloned(),
        admission: Admission::of(&standing, || Standing::problem_before(request, settings)),
        patch: standing.protection().and_then(|protection| DataSourcePatch::of(request, protection)),
        steps,
        notes: Note::of(review, &standing, &verdict, manifests.as_ref()),
        verdict,
        manifests,
    }
}
