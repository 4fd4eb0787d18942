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
//!   Standing ──────────┼──────────► Protection           History     fresh, data or unsure
//!      │               │                 │                  │
//!      └───────────────┼─────────────────┼──► Verdict ◄─────┘        39 rows, the first that holds
//!                      ▼                 ▼       │
//!                 Manifests: Secret, ReplicationDestination, ReplicationSource
//!                      │                         │
//!                      └──► Plan: verdict, patch, manifests, steps, notes
//! ```
//!
//! A backup runs only with a [`Released`], which only the decision can make:
//!
//! ```compile_fail,E0451
//! let released = volsync_policy::Released { is_new: true };
//! ```

mod address;
mod again;
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
pub mod ledger;
mod manifests;
pub mod mover;
pub mod names;
mod note;
mod observe;
mod patch;
mod plan;
mod problem;
mod protection;
mod quantity;
mod reads;
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

pub use address::{ObjectRef, StoreRef, Through};
pub use again::Again;
pub use claim::Unselected;
pub use code::{Acceptance, Code};
pub use decision::{Ask, Asked, Backup, Released, Restore, Verdict, decide};
pub use document::LONGEST_REVIEW;
pub use evidence::Evidence;
pub use hold::{HoldId, hold};
pub use manifests::{Manifests, Part};
pub use mover::restic::{Cause, Outcome, Retain, SnapshotId, saved};
pub use note::Note;
pub use patch::DataSourcePatch;
pub use plan::{Admission, Plan};
pub use problem::{Problem, keyed, nearest};
pub use quantity::Quantity;
pub use reads::{Read, ReadTarget};
pub use review::{Review, ReviewError, Shared};
pub use role::Role;
pub use settings::{Gate, RestoreMode};
pub use step::{Decision, Recording, Step};
pub use writes::{Application, Condition, Copy, Creation, Deletion, Patch, Put, Verb, Write};

use std::borrow::Cow;

use manifests::SecretManifest;
use observe::Observer;
use protection::Standing;
use reads::Depth;
use seen::Seen;
use writes::Scribe;

/// Makes the plan for a review. Every review that can be read has exactly one plan.
pub fn plan(review: &Review) -> Plan {
    let Review { request, credentials, settings, .. } = review;
    let standing = Standing::of(request, settings);
    let secret = standing.protection().map(|it| SecretManifest::of(it, credentials.as_deref()));
    let observer = review.seen().and_then(|seen| Observer::of(review, seen, secret.as_ref()));
    let evidence = review.told().map(Cow::Borrowed).or_else(|| Some(Cow::Owned(observer.as_ref()?.evidence())));
    let evidence = evidence.as_deref();
    let password = observer.as_ref().and_then(Observer::live_password);
    let secret = secret.map(|secret| secret.keeping_password(evidence, password));
    let asked = Asked::of(&standing, secret.as_ref(), evidence);
    let Decision { verdict, hold, steps, record } = Decision::of(&asked, evidence);
    let manifests = (standing.protection().zip(secret))
        .map(|(protection, secret)| Manifests::render(protection, secret, &verdict, record.as_ref()));
    let writes = (observer.as_ref())
        .map(|Observer { target, seen, .. }| Scribe { target, seen, manifests: manifests.as_ref() }.writes(&steps));
    Plan {
        hold,
        problem: standing.problem().cloned(),
        admission: Admission::of(&standing, || Standing::problem_before(request, settings)),
        patch: standing.protection().and_then(|protection| DataSourcePatch::of(request, protection)),
        notes: Note::of(review, &standing, &verdict, evidence, manifests.as_ref()),
        again: (observer.as_ref().zip(writes.as_ref()))
            .map(|(Observer { target, seen, .. }, writes)| Again::after(&verdict, writes, target, seen)),
        evidence: evidence.cloned(),
        writes,
        steps,
        verdict,
        manifests,
    }
}

/// What a host must read next to plan for a claim, in the order in which it must be read. The list is empty once the
/// host has seen everything that matters.
pub fn reads(review: &Review) -> Vec<Read> {
    let Review { request, credentials, settings, .. } = review;
    let standing = Standing::of(request, settings);
    let secret = standing.protection().map(|it| SecretManifest::of(it, credentials.as_deref()));
    let nothing = Seen::default();
    let seen = review.seen().unwrap_or(&nothing);
    let Some(observer) = Observer::of(review, seen, secret.as_ref()) else { return Vec::new() };
    let evidence = observer.evidence();
    let asked = Asked::of(&standing, secret.as_ref(), Some(&evidence));
    observer.target.reads(Depth::of(&asked, &evidence), seen)
}
