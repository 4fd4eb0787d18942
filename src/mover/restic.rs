//! restic, as VolSync's mover runs it: the keys of its Secret, the address and layout of a repository, retention, and
//! the mover's log.

mod address;
mod keys;
pub(crate) mod layout;
mod log;
mod retain;

pub use address::S3Address;
pub(crate) use address::join;
pub(crate) use keys::S3_KEYS;
pub use keys::{Flaw, MoverKey};
pub use log::{Cause, Outcome, SnapshotId, saved, was_empty};
pub use retain::Retain;
