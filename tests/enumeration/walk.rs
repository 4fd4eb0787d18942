//! The walk: every value of each piece of evidence, combined with every value of every other.

use std::collections::BTreeMap;
use std::mem::swap;

use volsync_policy::evidence::{
    BackupEvidence, ClaimEvidence, Evidence, Populator, RestoreEvidence, SecretEvidence, Slot,
};
use volsync_policy::{Ask, Code, Eligibility, Hold, Problem, Refusal, RestoreMode, Unselected, decide};

use crate::cores::on_all_cores;
use crate::objects::{backups, claims, populators, restores, secrets};
use crate::stores::Store;
use crate::{HERE, Situation, ask, decide_and_check};

/// What a walk has found.
#[derive(Default)]
pub struct Walk {
    pub combinations: u64,
    /// The first combination for every row and code.
    pub reached: BTreeMap<(u8, Code), Situation>,
    /// For every row and code with a way out, combinations from which to take it.
    pub holds: BTreeMap<(u8, Code), Sample>,
}

/// How many combinations of each hold are kept at most, in each part of the walk.
const KEPT: usize = 400;

/// If an object was not read or is not ours, the store matters only for whether a release is valid. So only one store
/// in this many is combined with such objects.
const SHORT: usize = 8;

/// Tries every combination, and then variations of those that it keeps.
pub fn walk(stores: &[Store]) -> Walk {
    let modes = [RestoreMode::Populate, RestoreMode::Side, RestoreMode::None];
    let unselected = [Unselected::NoClaim, Unselected::Unlabelled, Unselected::Excluded, Unselected::Derived];
    // For a claim that is not selected, the store matters only for whether its release is valid, so a few suffice.
    let few: Vec<Store> = stores.iter().step_by(stores.len() / 40).cloned().collect();
    let mut parts: Vec<(Eligibility<Ask>, &[Store])> = Vec::new();
    for mode in modes {
        let asked = Eligibility::Eligible(Box::new(ask(mode)));
        parts.extend(stores.chunks(stores.len().div_ceil(8)).map(|some| (asked.clone(), some)));
    }
    // The smallest parts come last, so that no core is left with a large one.
    parts.extend(unselected.into_iter().map(|unselected| (Eligibility::Unselected(unselected), few.as_slice())));
    let walks = on_all_cores(&parts, |(asked, stores)| {
        let mut walk = Walk::default();
        walk.combine(asked, stores);
        walk.vary();
        walk
    });
    walks.into_iter().fold(Walk::default(), Walk::join)
}

impl Walk {
    fn join(mut self, other: Walk) -> Walk {
        self.combinations += other.combinations;
        for (key, value) in other.reached {
            self.reached.entry(key).or_insert(value);
        }
        for (key, sample) in other.holds {
            self.holds.entry(key).or_default().kept.extend(sample.kept);
        }
        self
    }

    fn visit(&mut self, asked: &Eligibility<Ask>, evidence: &Evidence) {
        let verdict = decide_and_check(asked, evidence);
        self.combinations += 1;
        let (key, known) = ((verdict.row, verdict.code), self.reached.len());
        self.reached.entry(key).or_insert_with(|| (asked.clone(), evidence.clone()));
        let is_first = self.reached.len() > known;
        // One in 97 is enough of every hold that is not rare. To keep more would take longer than to decide.
        if (is_first || self.combinations.is_multiple_of(97)) && verdict.code.way_out().is_some() {
            self.holds.entry(key).or_default().offer(asked, evidence);
        }
    }

    /// Every combination of a claim, its objects and these stores.
    fn combine(&mut self, asked: &Eligibility<Ask>, stores: &[Store]) {
        let mut evidence = Evidence { cluster: Some(HERE.to_owned()), ..Evidence::default() };
        let (mut all, mut ours) = (Objects::all(), Objects::ours());
        for claim in claims() {
            evidence.claim = claim;
            for (index, store) in stores.iter().enumerate() {
                evidence.ledger = store.ledger.clone();
                evidence.repository = store.repository.clone();
                let objects = if index.is_multiple_of(SHORT) { &mut all } else { &mut ours };
                for secret in &objects.secrets {
                    evidence.secret = secret.clone();
                    for restore in &objects.restores {
                        evidence.restore = restore.clone();
                        // The innermost values are swapped in and out, because cloning them would take longer than
                        // deciding.
                        for backup in &mut objects.backups {
                            swap(&mut evidence.backup, backup);
                            for populator in &mut objects.populators {
                                swap(&mut evidence.populator, populator);
                                self.visit(asked, &evidence);
                                swap(&mut evidence.populator, populator);
                            }
                            swap(&mut evidence.backup, backup);
                        }
                    }
                }
            }
        }
    }

    /// Variations of the combinations that were kept, each with one change that is not part of the walk.
    fn vary(&mut self) {
        let kept: Vec<Situation> =
            self.reached.values().chain(self.holds.values().flat_map(|sample| &sample.kept)).cloned().collect();
        for (asked, evidence) in kept {
            let terminating = evidence.claim.clone().map(|claim| ClaimEvidence { terminating: true, ..claim });
            let others = [
                Evidence { cluster: None, ..evidence.clone() },
                Evidence { slot: Slot::Queued(3), ..evidence.clone() },
                Evidence { unfenced: true, ..evidence.clone() },
                Evidence { claim: terminating, ..evidence.clone() },
            ];
            others.iter().for_each(|other| self.visit(&asked, other));
            if let Eligibility::Eligible(ask) = &asked {
                let missing = Ask { has_credentials: false, ..ask.as_ref().clone() };
                self.visit(&Eligibility::Eligible(Box::new(missing)), &evidence);
                self.accept(ask.as_ref().clone(), &evidence);
            }
            let refusals = [Refusal::LabelInvalid(problem()), Refusal::VolumeUnsupported(problem())];
            let refused = refusals.map(Eligibility::Refused);
            for ineligible in refused.into_iter().chain([Eligibility::Terminating, Eligibility::Unnamed]) {
                self.visit(&ineligible, &evidence);
            }
        }
    }

    /// A person accepts one hold after the other.
    fn accept(&mut self, mut ask: Ask, evidence: &Evidence) {
        loop {
            let code = decide(&Eligibility::Eligible(Box::new(ask.clone())), Some(evidence)).code;
            let Some(id) = Hold::of(code, &ask, evidence).map(|hold| hold.id) else { break };
            // Only row 32 keeps its code after an acceptance, because its image is consumed first.
            if ask.accepted.contains(&id) {
                break;
            }
            ask.accepted.push(id);
            self.visit(&Eligibility::Eligible(Box::new(ask.clone())), evidence);
        }
    }
}

/// A sample that is spread evenly over all combinations that were offered.
#[derive(Default)]
pub struct Sample {
    pub kept: Vec<Situation>,
    offered: usize,
    /// How often the sample was halved: one in 2^`halved` combinations is kept.
    halved: u32,
}

impl Sample {
    fn offer(&mut self, asked: &Eligibility<Ask>, evidence: &Evidence) {
        if self.offered.is_multiple_of(1 << self.halved) {
            if self.kept.len() == KEPT {
                let mut stays = [true, false].into_iter().cycle();
                self.kept.retain(|_| stays.next() == Some(true));
                self.halved += 1;
            }
            self.kept.push((asked.clone(), evidence.clone()));
        }
        self.offered += 1;
    }
}

/// The objects of a claim, each in every state.
struct Objects {
    secrets: Vec<Option<SecretEvidence>>,
    restores: Vec<Option<RestoreEvidence>>,
    backups: Vec<Option<BackupEvidence>>,
    populators: Vec<Option<Populator>>,
}

impl Objects {
    fn all() -> Self {
        Objects { secrets: secrets(), restores: restores(), backups: backups(), populators: populators() }
    }

    /// Only objects that are ours or absent. The ReplicationSource may also be unread.
    fn ours() -> Self {
        let mut objects = Objects::all();
        objects.secrets.retain(|secret| !matches!(secret, None | Some(SecretEvidence::Foreign)));
        objects.restores.retain(|restore| !matches!(restore, None | Some(RestoreEvidence::Foreign)));
        objects.backups.retain(|backup| !matches!(backup, Some(BackupEvidence::Foreign)));
        objects.populators.retain(Option::is_some);
        objects
    }
}

/// A problem. No decision depends on which one it is.
fn problem() -> Problem {
    Problem { path: "metadata".to_owned(), message: "is wrong".to_owned(), hint: None }
}
