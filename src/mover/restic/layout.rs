//! The objects and folders of a restic repository (restic's design document, "Repository layout").

/// The object that every repository has; its SHA-256 is the repository's fingerprint.
pub(crate) const CONFIG: &str = "config";

/// The folder of the keys. Without it, no password opens the repository.
pub(crate) const KEYS: &str = "keys";

/// The folder of the snapshots: one object for each, named by the snapshot's id.
pub(crate) const SNAPSHOTS: &str = "snapshots";

/// The folder of the locks.
pub(crate) const LOCKS: &str = "locks";

/// The folders of the data that snapshots refer to.
pub(crate) const DATA: [&str; 2] = ["data", "index"];

/// The age from which a lock counts as dead, in seconds. A running restic renews its lock every five minutes.
pub(crate) const DEAD_LOCK: u64 = 60 * 60;
