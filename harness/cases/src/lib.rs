//! Policy tests: YAML documents with an input and what is expected of the answer.
//!
//! ```yaml
//! # Why this matters.
//! name: a labelled claim without evidence is backed up paused
//! request: {…}        # a claim, an AdmissionReview or its request
//! credentials: {…}    # a Secret; may be left out
//! settings: {…}       # may be left out
//! evidence: {…}       # may be left out; or `seen`
//! expect:
//!   code: NoEvidence
//!   source: {…}       # the whole manifest
//! ```
//!
//! Each of these four keys may be the name of a file, relative to the case's directory. Evidence may be a [`Preset`].
//! Instead of evidence, a case may have `seen`: a [`Dump`], as the name of a file or as its documents, or raw answers
//! by role. Only the keys under `expect` are compared, each as a whole, apart from what `except` names. A case that
//! could not fail is an error, and so is an expectation about something that the answer does not have.
//!
//! What several cases have in common is in bases: in the first document of their file, or in a file that it names:
//!
//! ```yaml
//! bases:
//!   pending: {request: {…}, evidence: snapshots=24}
//!   bound: {base: pending, evidence: "snapshots=24,bound"}
//! ---
//! name: a claim of another cluster is not backed up
//! base: bound
//! change:             # by JSON pointer into the review; null removes
//!   /evidence/cluster: the-second
//! expect: {code: OtherWriterActive}
//! ```
//!
//! A case with a story asks more than once:
//!
//! ```yaml
//! name: a claim is restored before it is backed up
//! request: {…}
//! evidence: snapshots=24
//! story:
//!   - step: there are backups
//!     expect: {code: RestoreFromBackup}
//!   - step: two hours later it is restored
//!     after: 2h       # added to every asOf in the evidence
//!     change:         # by JSON pointer into the review; null removes
//!       /evidence: snapshots=24,restored
//!     expect: {code: Restored}
//! ```

mod base;
mod case;
mod compare;
mod coverage;
mod credentials;
mod documents;
mod dump;
mod expect;
mod init;
mod preset;
mod read;
mod report;
mod run;
mod story;
mod suite;
mod update;

pub use case::{Case, Operation, Step};
pub use compare::{Difference, Line};
pub use coverage::{Coverage, Share};
pub use documents::{Document, Documents};
pub use dump::{Dump, Missing, Observation, redact, take_out};
pub use expect::Expect;
pub use init::init;
pub use preset::{Preset, claim_of};
pub use report::report_schema;
pub use run::{Fault, FaultKind, Outcome};
pub use suite::{Report, Suite};
pub use update::Updated;
