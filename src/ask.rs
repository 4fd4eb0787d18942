//! What the decision must know of a claim: its protection, the manifest with its credentials, the evidence.

use crate::acceptance::{Accepted, HoldId};
use crate::evidence::{Digest, Evidence};
use crate::names;
use crate::protection::Protection;
use crate::quantity::Quantity;
use crate::settings::{Gate, RestoreMode};

/// What the decision must know of a claim that can be protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Where the claim's data is restored to.
    pub mode: RestoreMode,
    /// Whether the claim should have had to wait for its restore, and was stored without a data source.
    pub missed_admission: bool,
    /// What a backup needs before it is released.
    pub gate: Gate,
    /// Whether a Secret can be rendered.
    pub has_credentials: bool,
    /// The SHA-256 of the address of the repository in the rendered Secret; `None` where an ExternalSecret creates the
    /// Secret.
    pub repository: Option<Digest>,
    /// The storage that the claim requests.
    pub request: Quantity,
    /// The longest time between two backups of the claim's schedule, in seconds.
    pub interval: u64,
    /// The ids of the holds that a person accepted.
    pub accepted: Vec<HoldId>,
    /// The reason that they gave.
    pub reason: Option<String>,
    /// Whether dead locks are deleted from a repository whose restore fails because it is locked.
    pub clears_dead_locks: bool,
}

impl Ask {
    /// What the decision must know of a claim with this protection. `repository` is the SHA-256 of the address in the
    /// rendered Secret.
    pub(crate) fn of(
        protection: &Protection<'_>,
        has_credentials: bool,
        repository: Option<Digest>,
        evidence: Option<&Evidence>,
    ) -> Self {
        let acceptance = protection.claim.annotation(names::ACCEPT).and_then(Accepted::parse);
        let (accepted, reason) = acceptance.map(|Accepted { holds, reason }| (holds, reason)).unzip();
        Ask {
            mode: protection.restore_mode,
            missed_admission: protection.missed_admission,
            gate: protection.settings.gate,
            has_credentials,
            repository,
            // It is expensive to compute, and is only compared with evidence.
            interval: evidence.map_or(0, |_| protection.schedule.interval()),
            request: protection.request.clone(),
            accepted: accepted.unwrap_or_default(),
            reason,
            clears_dead_locks: protection.settings.restore.clear_dead_locks,
        }
    }
}
