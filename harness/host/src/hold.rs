//! Holds of claims, for a person who accepts one.

use anyhow::{Context, anyhow, bail};
use serde_json::{Value, json};
use volsync_policy::names::ACCEPT;
use volsync_policy::{HoldId, PlanDocument, VerdictDocument, accepting};

use crate::api::{PatchType, Refusal};
use crate::claim::ClaimKey;
use crate::cluster::{Cluster, Sight};

/// The field manager of what a person writes with a command.
const MANAGER: &str = "volsync-policy-command";

/// The plan for a claim, and the plan that follows if its hold is accepted. It contains credentials, so it does not
/// implement `Debug`.
pub struct Held {
    /// The claim.
    claim: Value,
    /// The decision that is in force.
    pub verdict: VerdictDocument<'static>,
    /// The plan that follows; `None` if nobody can accept a hold of the claim.
    pub accepted: Option<PlanDocument<'static, Value>>,
}

impl Cluster {
    /// The hold of a claim, and what follows if it is accepted for that reason. Everything is read that the host reads.
    ///
    /// # Errors
    ///
    /// The claim does not exist, or it, settings or credentials cannot be read or are not valid.
    pub fn hold(&self, namespace: &str, name: &str, reason: &str) -> anyhow::Result<Held> {
        let key = ClaimKey { namespace: namespace.to_owned(), name: name.to_owned() };
        self.block_on(async {
            let Sight { policy, round, claim, seen, .. } = &self.see(&key).await?;
            let failed = |error| anyhow!("{key}: the policy returned no answer: {error}");
            let verdict = policy.plan(claim, seen).map_err(failed)?.plan.verdict;
            let accepted = match &verdict.hold {
                None => None,
                Some(hold) => {
                    let accepted = accepting_claim(claim, hold, reason).context("the claim is no object")?;
                    // Once it is accepted, more of the store may matter.
                    let seen = round.complete(policy, &key, &accepted, seen.clone(), &mut None).await;
                    let seen = seen.map_err(|failed| anyhow!("{key}: {failed}"))?;
                    Some(policy.plan(&accepted, &seen).map_err(failed)?.plan)
                }
            };
            Ok(Held { claim: claim.clone(), verdict, accepted })
        })
    }

    /// Accepts the hold of a claim, if the claim has not changed since.
    ///
    /// # Errors
    ///
    /// There is no hold, the claim has changed, or it cannot be written.
    pub fn accept(&self, Held { claim, verdict, .. }: &Held, reason: &str) -> anyhow::Result<()> {
        let hold = verdict.hold.as_ref().context("nobody can accept a hold of the claim")?;
        let text = |at: &str| claim.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let key = ClaimKey { namespace: text("/metadata/namespace"), name: text("/metadata/name") };
        let (uid, version) = (text("/metadata/uid"), text("/metadata/resourceVersion"));
        let body = json!({"metadata": {"uid": uid, "resourceVersion": version,
            "annotations": {ACCEPT: annotation(claim, hold, reason)}}});
        let object = key.object();
        let written = self.api().patch((&object, ""), PatchType::Merge, &body, MANAGER);
        match self.block_on(written) {
            Ok(_) => Ok(()),
            Err(Refusal::Conflict | Refusal::Absent) => {
                bail!("{key}: the claim has changed meanwhile, and nothing was accepted; run the command again")
            }
            Err(refusal) => bail!("{key}: the annotation could not be written: {}", refusal.as_str()),
        }
    }
}

/// The claim as it is once it accepts this hold.
fn accepting_claim(claim: &Value, hold: &HoldId, reason: &str) -> Option<Value> {
    let mut accepted = claim.clone();
    let annotations = accepted.get_mut("metadata")?.as_object_mut()?.entry("annotations").or_insert_with(|| json!({}));
    annotations.as_object_mut()?.insert(ACCEPT.to_owned(), json!(annotation(claim, hold, reason)));
    Some(accepted)
}

/// The annotation with which the claim also accepts this hold.
fn annotation(claim: &Value, hold: &HoldId, reason: &str) -> String {
    let earlier = claim.get("metadata").and_then(|it| it.get("annotations")?.get(ACCEPT)?.as_str());
    accepting(earlier, hold, reason)
}
