//! Coverage: what the policy promises a claim, as far as the claim and settings alone say.

use crate::eligibility::Eligibility;
use crate::protection::Protection;
use crate::review::Review;

/// What the policy promises a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The name of the claim's ReplicationDestination.
    pub destination: String,
    /// The name of the claim's ReplicationSource.
    pub source: String,
    /// The longest time between two scheduled backups, in seconds.
    pub interval: u64,
}

impl Review {
    /// Whether the policy protects the claim that the review is about, and how; or why not.
    pub fn coverage(&self) -> Eligibility<Coverage> {
        Protection::of(&self.request, &self.settings).map(|protection| Coverage {
            destination: protection.names.destination.clone(),
            source: protection.names.source.clone(),
            interval: protection.schedule.interval(),
        })
    }
}
