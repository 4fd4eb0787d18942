//! Changes after an acceptance: it counts only while everything that the person was shown is unchanged.

use serde_json::json;
use volsync_policy::evidence::{Address, DataSource, Evidence, Phase, RestoreEvidence, SecretEvidence, Writer};
use volsync_policy::{Ask, Code, Eligibility, Hold, decide};

use crate::objects::{claims, restores, secrets};
use crate::stores::{ledgers, repositories};
use crate::{HERE, Situation, decide_and_check};

/// A person accepts a hold, and then one piece of evidence changes. The acceptance counts only if everything that the
/// person was shown is unchanged. Returns how many changes were tried.
pub fn accept_and_change((asked, seen): &Situation) -> u64 {
    let Eligibility::Eligible(ask) = asked else { return 0 };
    let code = decide(asked, Some(seen)).code;
    let Some(hold) = Hold::of(code, ask, seen) else { return 0 };
    let accepted = Ask { accepted: vec![hold.id], ..ask.as_ref().clone() };
    let accepted = Eligibility::Eligible(Box::new(accepted));
    let of_claims = claims().into_iter().map(|claim| Evidence { claim, ..seen.clone() });
    let of_secrets = secrets().into_iter().map(|secret| Evidence { secret, ..seen.clone() });
    let of_restores = restores().into_iter().map(|restore| Evidence { restore, ..seen.clone() });
    let of_ledgers = ledgers().into_iter().map(|ledger| Evidence { ledger, ..seen.clone() });
    let of_repositories = repositories().into_iter().map(|repository| Evidence { repository, ..seen.clone() });
    let changes = of_claims.chain(of_secrets).chain(of_restores).chain(of_ledgers).chain(of_repositories);
    let mut tried = 0;
    for changed in changes {
        let verdict = decide_and_check(&accepted, &changed);
        tried += 1;
        let counts = verdict.code == Code::AcceptedByOperator;
        assert!(
            !counts || shows_the_same(code, seen, &changed),
            "{code:?} was accepted for {}\nand also counts for {}",
            json!(seen),
            json!(changed)
        );
    }
    tried
}

/// Whether everything that a person was shown about a hold is unchanged: the claim and its volume, what was restored
/// into it, the repository and its newest snapshot, its writer, and the addresses. The newest snapshot may differ while
/// another writer or the claim's own backup continues to write.
fn shows_the_same(code: Code, one: &Evidence, other: &Evidence) -> bool {
    let claim = |seen: &Evidence| {
        let claim = seen.claim.clone().expect("a hold is of a claim");
        (claim.uid, claim.phase, claim.volume, claim.populated_from)
    };
    let restored = |seen: &Evidence| {
        let is_its_own = seen.claim.as_ref().is_some_and(|claim| claim.data_source == DataSource::Ours);
        match &seen.restore {
            Some(RestoreEvidence::Done(done)) if is_its_own => Some((done.image.clone(), done.outcome.clone())),
            _ => None,
        }
    };
    let repository = |seen: &Evidence| {
        let kind = std::mem::discriminant(&seen.repository);
        (kind, seen.repository.fingerprint().cloned())
    };
    let newest = |seen: &Evidence| seen.repository.listing().map(|listing| listing.newest_key.clone());
    let writer = |seen: &Evidence| {
        seen.ledger.entry().map(|entry| {
            let Writer { cluster, uid, volume, term, .. } = entry.writer.clone();
            (cluster, uid, volume, term, entry.retired)
        })
    };
    let addresses = |seen: &Evidence| {
        let secret = match &seen.secret {
            Some(SecretEvidence::Ours(content)) => Some(content.repository.clone()).filter(|it| *it != Address::Same),
            _ => None,
        };
        // The address in the entry matters only if the Secret names no other address.
        let entry = seen.ledger.entry().map(|entry| entry.repository.clone()).filter(|it| *it != Address::Same);
        secret.or(entry)
    };
    let is_bound = one.claim.as_ref().is_some_and(|claim| claim.phase == Phase::Bound);
    let writes_on = code == Code::Superseded
        || one.ledger.entry().is_none_or(|entry| entry.retired || entry.writer.cluster != HERE)
        || matches!(&one.secret, Some(SecretEvidence::Ours(content)) if content.repository != Address::Same);
    claim(one) == claim(other)
        && (!is_bound || restored(one) == restored(other))
        && repository(one) == repository(other)
        && (writes_on || newest(one) == newest(other))
        && writer(one) == writer(other)
        && addresses(one) == addresses(other)
}
