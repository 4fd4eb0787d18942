//! The queues of claims that wait for their turn: to be restored, or to run their first backup. The policy says who
//! waits, how many may have their turn, and in which order; this module counts.
//!
//! No claim has its turn before each claim was planned once since this host began to lead, because until then it is not
//! known which claims have theirs already, and which should come first.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use volsync_policy::{Queue, Turn};

use crate::claim::ClaimKey;
use crate::round::{Done, Failed};

/// How long a turn counts. One that lasts longer ends by itself, but does not keep others waiting: it may never end.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// All queues.
pub(crate) struct Queues {
    longest: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether all claims have been listed.
    is_listed: bool,
    /// The claims that have not been planned yet.
    unplanned: HashSet<ClaimKey>,
    /// The claims that wait, each for its turn.
    waiting: HashMap<ClaimKey, Turn>,
    /// The claims that have their turn in a queue, each until when it counts.
    turns: HashMap<ClaimKey, (Queue, Instant)>,
}

/// What the end of a round says about the place of its claim in the queues.
pub(crate) enum Ended {
    /// Whether the claim asked for its turn, and the queue in which it has it.
    Planned { has_asked: bool, holds: Option<Queue> },
    /// The round failed, so a turn that the claim had may not have ended.
    Failed,
    /// The claim does not exist.
    Gone,
}

impl Ended {
    /// What the result of a round says.
    pub(crate) fn of(result: &Result<Option<Done>, Failed>) -> Self {
        match result {
            Ok(Some(Done { has_asked, holds, .. })) => Ended::Planned { has_asked: *has_asked, holds: *holds },
            Ok(None) => Ended::Gone,
            Err(_) => Ended::Failed,
        }
    }
}

impl Default for Queues {
    fn default() -> Self {
        Queues { longest: LONGEST, state: Mutex::default() }
    }
}

impl Queues {
    /// Begins anew with these claims, of which nothing is known.
    pub(crate) fn restart(&self, claims: impl IntoIterator<Item = ClaimKey>) {
        let is_listed = self.state().is_listed;
        *self.state() = State { is_listed, unplanned: claims.into_iter().collect(), ..State::default() };
    }

    /// Adds a claim that was listed.
    pub(crate) fn listed(&self, claim: &ClaimKey) {
        let mut state = self.state();
        if !state.is_listed {
            state.unplanned.insert(claim.clone());
        }
    }

    /// Sets whether all claims have been listed. Returns the claims that have their turn because of it, once they ask.
    pub(crate) fn set_listed(&self, is_listed: bool) -> Vec<ClaimKey> {
        let mut state = self.state();
        state.is_listed = is_listed;
        state.next()
    }

    /// Whether each claim was planned once since this host began to lead.
    pub(crate) fn are_all_planned(&self) -> bool {
        self.state().unplanned(None) == 0
    }

    /// The number of claims that are ahead of one that waits for its turn. If none is, it has its turn now.
    pub(crate) fn ask(&self, claim: &ClaimKey, turn: &Turn) -> usize {
        let mut state = self.state();
        let ahead = state.ahead(claim, turn);
        if ahead == 0 {
            state.waiting.remove(claim);
            state.turns.insert(claim.clone(), (turn.queue, Instant::now() + self.longest));
        } else {
            state.waiting.insert(claim.clone(), turn.clone());
        }
        ahead
    }

    /// Notes the result of a round. Returns the claims that have their turn because of it, once they ask.
    pub(crate) fn settle(&self, claim: &ClaimKey, ended: &Ended) -> Vec<ClaimKey> {
        let mut state = self.state();
        state.unplanned.remove(claim);
        let (has_asked, holds) = match ended {
            Ended::Planned { has_asked, holds } => (*has_asked, *holds),
            Ended::Gone => (false, None),
            Ended::Failed => (false, state.turns.get(claim).map(|(queue, _)| *queue)),
        };
        if !has_asked {
            state.waiting.remove(claim);
        }
        match (holds, state.turns.get(claim)) {
            (Some(queue), Some((held, _))) if *held == queue => {}
            (Some(queue), _) => drop(state.turns.insert(claim.clone(), (queue, Instant::now() + self.longest))),
            (None, _) => drop(state.turns.remove(claim)),
        }
        state.next()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How many claims are ahead of one that asks for its turn.
    fn ahead(&self, claim: &ClaimKey, turn: &Turn) -> usize {
        let taken = self.taken(turn.queue, Some(claim));
        let place = (turn.order(), claim);
        let is_better = |other: &ClaimKey, waiting: &Turn| (waiting.order(), other) < place;
        let better = self
            .waiting
            .iter()
            .filter(|(other, waiting)| *other != claim && waiting.queue == turn.queue && is_better(other, waiting));
        let (before, unplanned) = (taken + better.count(), self.unplanned(Some(claim)));
        if unplanned > 0 { before + unplanned } else { (before + 1).saturating_sub(limit(turn)) }
    }

    /// The claims that have their turn once they ask.
    fn next(&self) -> Vec<ClaimKey> {
        if self.waiting.is_empty() || self.unplanned(None) > 0 {
            return Vec::new();
        }
        let mut next = Vec::new();
        for queue in [Queue::Restores, Queue::Backups] {
            let mut waiting: Vec<_> = self.waiting.iter().filter(|(_, turn)| turn.queue == queue).collect();
            let limit = waiting.first().map_or(0, |(_, turn)| limit(turn));
            let free = limit.saturating_sub(self.taken(queue, None));
            if free > 0 {
                waiting.sort_by_cached_key(|(claim, turn)| (turn.order(), *claim));
                next.extend(waiting.into_iter().take(free).map(|(claim, _)| claim.clone()));
            }
        }
        next
    }

    /// How many claims have their turn in a queue, besides one.
    fn taken(&self, queue: Queue, besides: Option<&ClaimKey>) -> usize {
        let counts = |(claim, (of, until)): &(&ClaimKey, &(Queue, Instant))| {
            *of == queue && Some(*claim) != besides && Instant::now() < *until
        };
        self.turns.iter().filter(counts).count()
    }

    /// How many claims, besides one, were not planned yet. If it is not known which claims there are, one more counts.
    fn unplanned(&self, besides: Option<&ClaimKey>) -> usize {
        let known = self.unplanned.len() - usize::from(besides.is_some_and(|claim| self.unplanned.contains(claim)));
        known + usize::from(!self.is_listed)
    }
}

fn limit(turn: &Turn) -> usize {
    usize::try_from(turn.limit).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITS: Ended = Ended::Planned { has_asked: true, holds: None };
    const RESTORING: Ended = Ended::Planned { has_asked: false, holds: Some(Queue::Restores) };
    const DONE: Ended = Ended::Planned { has_asked: false, holds: None };

    fn claim(name: &str) -> ClaimKey {
        ClaimKey { namespace: "shop".to_owned(), name: name.to_owned() }
    }

    fn turn(limit: u32, priority: i32, since: &str) -> Turn {
        Turn { queue: Queue::Restores, limit, priority, since: Some(since.to_owned()) }
    }

    /// The queues of a host that has planned all claims once; these wait, and asked in this order.
    fn asked(claims: &[(&str, Turn)]) -> Queues {
        let queues = Queues::default();
        queues.listed(&claim("planned last"));
        queues.set_listed(true);
        for (name, turn) in claims {
            assert!(queues.ask(&claim(name), turn) > 0, "{name}");
            queues.settle(&claim(name), &WAITS);
        }
        queues.settle(&claim("planned last"), &DONE);
        queues
    }

    #[test]
    fn nobody_has_its_turn_before_all_claims_were_planned() {
        let queues = Queues::default();
        ["a", "b"].map(claim).into_iter().for_each(|it| queues.listed(&it));
        assert!(queues.ask(&claim("a"), &turn(1, 0, "1")) > 0, "not all claims are listed");
        queues.set_listed(true);
        assert_eq!(queues.ask(&claim("a"), &turn(1, 0, "1")), 1, "`b` was not planned yet");
        assert!(queues.settle(&claim("a"), &WAITS).is_empty());
        // A restore of `b` was running already.
        assert!(queues.settle(&claim("b"), &RESTORING).is_empty());
        assert_eq!(queues.ask(&claim("a"), &turn(1, 0, "1")), 1);
        assert_eq!(queues.settle(&claim("b"), &DONE), [claim("a")]);
        assert_eq!(queues.ask(&claim("a"), &turn(1, 0, "1")), 0);
    }

    #[test]
    fn a_claim_that_was_planned_before_all_were_listed_has_its_turn_once_they_are() {
        let queues = Queues::default();
        queues.listed(&claim("a"));
        assert!(queues.ask(&claim("a"), &turn(1, 0, "1")) > 0);
        assert!(queues.settle(&claim("a"), &WAITS).is_empty());
        assert_eq!(queues.set_listed(true), [claim("a")]);
    }

    #[test]
    fn claims_come_by_priority_then_by_age_then_by_name() {
        let waiting =
            [("old", turn(1, 0, "1")), ("young", turn(1, 0, "2")), ("a", turn(1, 0, "2")), ("urgent", turn(1, 5, "3"))];
        let queues = asked(&waiting);
        let mut order = Vec::new();
        let next = || queues.state().next();
        while let [next] = next().as_slice() {
            let turn = waiting.iter().find(|(name, _)| claim(name) == *next).map(|(_, turn)| turn.clone());
            assert_eq!(queues.ask(next, &turn.unwrap()), 0);
            queues.settle(next, &DONE);
            order.push(next.name.clone());
        }
        assert_eq!(order, ["urgent", "old", "a", "young"]);
    }

    #[test]
    fn a_limit_is_kept_and_a_claim_that_fails_or_goes_does_not_keep_others_waiting() {
        let queues = asked(&["a", "b", "c", "d"].map(|name| (name, turn(2, 0, "1"))));
        for name in ["a", "b"] {
            assert_eq!(queues.ask(&claim(name), &turn(2, 0, "1")), 0);
            queues.settle(&claim(name), &RESTORING);
        }
        assert_eq!(queues.ask(&claim("d"), &turn(2, 0, "1")), 2, "`c` is ahead, and one that is restored");
        assert!(queues.settle(&claim("c"), &Ended::Failed).is_empty());
        assert_eq!(queues.ask(&claim("d"), &turn(2, 0, "1")), 1, "`c` asks again once it can be planned");
        assert!(queues.settle(&claim("a"), &Ended::Failed).is_empty(), "its restore may be running");
        assert_eq!(queues.settle(&claim("a"), &Ended::Gone), [claim("d")]);
    }

    #[test]
    fn a_turn_that_never_ends_does_not_keep_others_waiting() {
        let claims = ["a", "b"].map(|name| (name, turn(1, 0, "1")));
        let queues = Queues { longest: Duration::ZERO, ..asked(&claims) };
        assert_eq!(queues.ask(&claim("a"), &turn(1, 0, "1")), 0);
        assert_eq!(queues.ask(&claim("b"), &turn(1, 0, "1")), 0);
    }
}
