//! Versions: how a host notices that an object has changed or was replaced.

use std::hash::{DefaultHasher, Hash, Hasher};

use volsync_policy::HoldId;

use crate::objects::{Claim, Destination, Entry, Id, Secret, Source};

/// A resourceVersion, or an entity tag of the store. It differs whenever the content differs.
pub type Version = u64;

fn version(shown: impl Hash) -> Version {
    let mut hasher = DefaultHasher::new();
    shown.hash(&mut hasher);
    hasher.finish()
}

/// The state in which an object must still be when it is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Expected {
    /// Its uid.
    pub uid: Id,
    /// Its resourceVersion, where the whole object matters.
    pub version: Option<Version>,
}

impl Expected {
    /// The object, if it still is so.
    pub(crate) fn find<'a, T: Stored>(&self, object: &'a mut Option<T>) -> Option<&'a mut T> {
        let is_version = |it: &T| self.version.is_none_or(|expected| it.version() == expected);
        object.as_mut().filter(|it| it.uid() == self.uid && is_version(it))
    }
}

/// An object that etcd holds.
pub(crate) trait Stored {
    /// Its uid.
    fn uid(&self) -> Id;

    /// Its resourceVersion.
    fn version(&self) -> Version;
}

impl Stored for Claim {
    fn uid(&self) -> Id {
        self.uid
    }

    fn version(&self) -> Version {
        let Claim { uid, is_sourced, is_labelled, volume, record, accepted, spent, .. } = self;
        let accepted: Vec<&HoldId> = accepted.iter().map(|hold| &hold.id).collect();
        version((uid, is_sourced, is_labelled, volume, record, accepted, spent))
    }
}

impl Stored for Secret {
    /// It has no number of its own: for whom it was made stands in its version.
    fn uid(&self) -> Id {
        0
    }

    fn version(&self) -> Version {
        version(self)
    }
}

impl Stored for Destination {
    fn uid(&self) -> Id {
        self.uid
    }

    fn version(&self) -> Version {
        version(self.clone().shown())
    }
}

impl Stored for Source {
    fn uid(&self) -> Id {
        self.uid
    }

    fn version(&self) -> Version {
        version(self.clone().shown())
    }
}

impl Entry {
    /// Its entity tag.
    pub(crate) fn tag(&self) -> Version {
        version(self)
    }
}
