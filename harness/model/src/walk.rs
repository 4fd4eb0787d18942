//! Random walks, which go far deeper than every order of events can be tried, and their stories.

use std::fmt::Write as _;

use crate::world::{Broken, World};
use crate::{Action, Trial};

/// A xorshift generator. The same seed gives the same walk on every machine.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % bound as u64) as usize
    }
}

/// A walk that broke a property.
#[derive(Debug)]
pub struct Story {
    /// Where it starts.
    pub start: World,
    /// Its moves.
    pub moves: Vec<Action>,
    /// What broke.
    pub broken: Broken,
}

/// The world after those moves. Impossible moves are left out.
pub fn replay(start: &World, moves: &[Action]) -> World {
    moves.iter().fold(start.clone(), |world, action| match world.broken {
        Some(_) => world,
        None => world.after(*action).unwrap_or(world),
    })
}

impl Trial {
    /// Makes a random walk of that many steps from one of the starts, and calls `seen` with each world on the way.
    pub fn walk(&self, seed: u64, steps: usize, mut seen: impl FnMut(&World)) -> Option<Story> {
        let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        (0..8).for_each(|_| _ = chance.below(2));
        let start = self.starts[chance.below(self.starts.len())].clone();
        let mut world = start.clone();
        let mut moves = Vec::new();
        for _ in 0..10 * steps {
            if moves.len() == steps {
                break;
            }
            let mut possible = Vec::new();
            self.moves(&world, &mut possible);
            // A claim lives longer than one step, a host plans more often than it crashes, and its kept reading gets
            // old.
            let action = loop {
                let action = possible[chance.below(possible.len())];
                let is_one_of = match action {
                    Action::Delete(_) | Action::Recreate(_) | Action::Crash(_) | Action::Mishap(..) => 8,
                    Action::PlanOnKept(..) => self.earlier.len(),
                    _ => 1,
                };
                if chance.below(is_one_of) == 0 {
                    break action;
                }
            };
            let Some(after) = world.after(action) else { continue };
            world = after;
            moves.push(action);
            seen(&world);
            if let Some(broken) = world.broken {
                return Some(Story { start, moves, broken });
            }
        }
        None
    }
}

impl Story {
    /// The same story, without unnecessary moves.
    pub fn shrunk(mut self) -> Self {
        while let Some(fewer) = self.with_fewer() {
            self.moves = fewer;
        }
        self
    }

    /// The story without one move, or without two, because what is switched off and on again can be left out only
    /// together.
    fn with_fewer(&self) -> Option<Vec<Action>> {
        let without = |one: usize, other: usize| -> Option<Vec<Action>> {
            let left = self.moves.iter().enumerate().filter(|(index, _)| *index != one && *index != other);
            let fewer: Vec<Action> = left.map(|(_, action)| *action).collect();
            (replay(&self.start, &fewer).broken == Some(self.broken)).then_some(fewer)
        };
        let all = 0..self.moves.len();
        let pairs = || all.clone().flat_map(|one| (one + 1..self.moves.len()).map(move |other| (one, other)));
        all.clone().find_map(|one| without(one, one)).or_else(|| pairs().find_map(|(one, other)| without(one, other)))
    }

    /// The story in words.
    pub fn tell(&self) -> String {
        let mut text = format!("{:?} breaks:\n", self.broken);
        let mut world = self.start.clone();
        for action in &self.moves {
            let Some(after) = world.after(*action) else { continue };
            let detail = detail(*action, &world, &after);
            world = after;
            _ = writeln!(text, "  {action}{detail}");
        }
        _ = write!(text, "in the end: {world:#?}");
        text
    }
}

/// The tasks that the host is about to carry out, or carries out.
fn detail(action: Action, before: &World, after: &World) -> String {
    match action {
        Action::Plan(at, _) | Action::PlanOnKept(at, _) => {
            let cluster = &after.clusters[at];
            let hold = cluster.objects.claim.as_ref().and_then(|claim| claim.hold.as_ref()).map(|hold| hold.code);
            format!(": {:?}, hold {hold:?}", cluster.host.tasks)
        }
        Action::CarryOut(at) => format!(": {:?}", before.clusters[at].host.tasks.first()),
        _ => String::new(),
    }
}
