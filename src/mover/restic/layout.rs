//! What stands in a repository, by the names of its objects and folders (restic's design document, "Repository layout").

/// The object by which a repository is known; its SHA-256 is the repository's fingerprint.
pub(crate) const CONFIG: &str = "config";

/// The folder of the keys, without which no password opens the repository.
pub(crate) const KEYS: &str = "keys";

/// The folder of the snapshots, one object for each, whose name is the snapshot's id.
pub(crate) const SNAPSHOTS: &str = "snapshots";

/// The folder of the locks.
pub(crate) const LOCKS: &str = "locks";

/// The folders of what snapshots refer to.
pub(crate) const DATA: [&str; 2] = ["data", "index"];

/// How old a lock must be to be dead, in seconds: restic renews its own every five minutes.
pub(crate) const DEAD_LOCK: u64 = 60 * 60;
