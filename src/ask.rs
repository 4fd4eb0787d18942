//! What a request asks for, in the form in which the decision needs it.

use crate::decision::Ask;
use crate::evidence::Evidence;
use crate::hold::Accepted;
use crate::manifests::SecretManifest;
use crate::names;
use crate::protection::Protection;

impl Ask {
    /// What the decision must know of a claim with this protection. `secret` is the manifest that carries the claim's
    /// credentials.
    pub(crate) fn of(
        protection: &Protection<'_>,
        secret: Option<&SecretManifest>,
        evidence: Option<&Evidence>,
    ) -> Self {
        let acceptance = protection.claim.annotation(names::ACCEPT).and_then(Accepted::parse);
        let (accepted, reason) = acceptance.map(|Accepted { holds, reason }| (holds, reason)).unzip();
        Ask {
            mode: protection.restore_mode,
            gate: protection.settings.gate,
            has_credentials: secret.is_some_and(SecretManifest::is_rendered),
            // These two are expensive to compute, and are only compared with evidence.
            repository: evidence.and(secret).and_then(SecretManifest::address),
            interval: evidence.map_or(0, |_| protection.schedule.interval()),
            request: protection.request.clone(),
            accepted: accepted.unwrap_or_default(),
            reason,
            clears_dead_locks: protection.settings.restore.clear_dead_locks,
        }
    }
}
