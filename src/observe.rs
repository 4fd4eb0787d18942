//! Observation: turns raw answers into evidence. Only this module knows the formats of Kubernetes, VolSync and a store.
//!
//! Something invalid is unread, never absent: a release record that cannot be parsed does not mean that a backup was
//! never released. The text of a log becomes an outcome here, and the values of a Secret become "same" or "other";
//! neither goes any further.

pub(crate) mod objects;
mod store;
#[cfg(test)]
mod tests;

use crate::claim::Claim;
use crate::credentials::{Credentials, SecretBytes};
use crate::evidence::{Evidence, Repository, Slot};
use crate::mover::restic::MoverKey;
use crate::review::Review;
use crate::role::Role;
use crate::seen::Seen;
use crate::settings::Settings;
use crate::target::{Target, is_numbered};

/// The time between the two listings that must be empty before a repository counts as absent, in seconds.
pub(crate) const TWICE_APART: u32 = 30;

/// Turns the raw answers about one claim into evidence.
pub(crate) struct Observer<'a> {
    /// The objects and keys that belong to the claim.
    pub target: Target,
    /// The raw answers of the host.
    pub seen: &'a Seen,
    /// The settings.
    pub settings: &'a Settings,
    /// The password in the rendered Secret.
    password: Option<SecretBytes>,
}

impl<'a> Observer<'a> {
    /// The observer of the claim that a review is about; `None` where it is about no claim, or one without a name.
    pub(crate) fn of(review: &'a Review, seen: &'a Seen) -> Option<Self> {
        let Review { request, credentials, settings, .. } = review;
        let credentials = credentials.as_deref();
        let target = Target::of(request, settings, credentials)?;
        let password = credentials.and_then(Credentials::password).filter(|_| !target.is_external).cloned();
        Some(Observer { target, seen, settings, password })
    }

    /// The password of the Secret in the cluster, which is kept.
    pub(crate) fn live_password(&self) -> Option<SecretBytes> {
        SecretBytes::in_secret(self.found(Role::Secret)?, &MoverKey::PASSWORD)
    }

    /// The evidence in the raw answers. An answer about another claim counts as unread.
    pub(crate) fn evidence(&self) -> Evidence {
        let cluster = self.found(Role::Cluster).map(|namespace| objects::uid(namespace).to_owned());
        let (claim, backup) = self.claim_and_backup();
        let restore = claim.as_ref().and_then(|claim| self.restore(&claim.uid));
        let mut evidence = Evidence {
            cluster,
            secret: self.secret(),
            populator: self.populator(),
            repository: Repository::default(),
            ledger: self.ledger(),
            unfenced: is_numbered(Role::Marker, self.seen).unwrap_or_default(),
            slot: self.seen.ahead().map_or(Slot::Free, Slot::Queued),
            claim,
            restore,
            backup,
        };
        evidence.repository = self.repository(&evidence);
        evidence
    }

    /// The claim as the API server has it, where it is the one that the request is about.
    fn stored_claim(&self) -> Option<Claim> {
        let claim = Claim::read(self.found(Role::Claim)?, "seen.claim.object", None, self.settings).ok()?;
        let is_same = self.target.uid.is_none() || claim.uid == self.target.uid;
        is_same.then_some(claim)
    }
}
