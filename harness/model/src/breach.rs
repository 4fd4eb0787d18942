//! Breaches: what a plan must not do, in the words of the field, not of the procedure.

use crate::answer::Answer;
use crate::objects::{Record, Secret};
use crate::task::Task;
use crate::view::{NO_LEDGER, NO_MARKER, NO_OBJECTS, NO_REPOSITORY, NO_SOURCE, NO_VOLUME, View};
use crate::world::{Broken, World};

impl Answer {
    /// Whether it would delete something that is there, or hold the claim, and neither of these views would.
    pub(crate) fn is_astray(&self, before: &View, now: &View) -> bool {
        let others = [before.answer(), now.answer()];
        let deletes = |task: &Task| match task {
            Task::DeleteSource(uid) => now.source.as_ref().is_some_and(|it| it.uid == *uid),
            Task::DeleteDestination(uid) => now.destination.as_ref().is_some_and(|it| it.uid == *uid),
            Task::DeletePrime(prime) => now.prime.as_ref() == Some(prime),
            _ => false,
        };
        let is_new = |task: &Task| others.iter().all(|other| !other.tasks.contains(task));
        self.tasks.iter().any(|task| deletes(task) && is_new(task))
            || self.hold.is_some() && others.iter().all(|other| other.hold != self.hold)
    }
}

impl View {
    /// Whether the claim has a record that names its own volume and nobody has taken over from.
    fn was_released(&self) -> bool {
        let source = self.source.as_ref().and_then(|it| it.record.as_ref());
        let own = |it: &&Record| it.uid == self.claim.uid && Some(it.volume) == self.claim.volume && !it.overtaken;
        self.claim.record.iter().chain(source).any(|it| own(&it))
    }

    /// What the plan does that it must not do.
    pub(crate) fn breach(&self, answer: &Answer, world: &World, at: usize) -> Option<Broken> {
        let runs =
            (answer.tasks.iter()).any(|it| matches!(it, Task::ApplySource { is_paused: false, .. } | Task::Unpause(_)));
        let restores = answer.tasks.iter().any(|it| matches!(it, Task::CreateDestination { .. }));
        let expects_nothing =
            answer.tasks.iter().any(|it| matches!(it, Task::CreateDestination { expects_nothing: true, .. }));
        let deletes = |task: fn(&Task) -> bool| answer.tasks.iter().any(task);
        let is_accepted = !self.claim.accepted.is_empty();
        // Unknown is not fresh.
        let is_unknown = !self.reads(NO_REPOSITORY | NO_LEDGER | NO_MARKER) || !self.shelf.is_initialised;
        if is_unknown && (restores || runs && !self.was_released()) {
            return Some(Broken::Unknown);
        }
        if !self.reads(NO_OBJECTS | NO_SOURCE | NO_VOLUME)
            && runs
            && (!self.reads(NO_VOLUME) || !self.reads(NO_OBJECTS))
        {
            return Some(Broken::Unknown);
        }
        // Memory: it had backups, and now shows none, fewer, or another repository's.
        if let (Some((config, _, newest)), false, false) =
            (self.shelf.entry.as_ref().and_then(|it| it.memory), is_unknown, is_accepted)
        {
            let contradicts = self.shown.config != config || self.shown.newest().is_none_or(|(_, at)| at < newest);
            let is_writer = self.shelf.entry.as_ref().is_some_and(|it| Some(it.volume) == self.claim.volume);
            if contradicts && (restores || expects_nothing || runs && !is_writer && !self.was_released()) {
                return Some(Broken::Memory);
            }
        }
        // Two writers age out each other's backups: whoever wrote within two intervals is at work.
        let takes_over = answer.tasks.iter().any(|it| match it {
            Task::PutEntry { entry, .. } => self.shelf.entry.as_ref().is_some_and(|read| read.cluster != entry.cluster),
            _ => false,
        });
        let is_silent = self.shown.newest().is_none_or(|(_, at)| self.now >= at + 2);
        if takes_over && !is_silent && !is_accepted {
            return Some(Broken::Writer);
        }
        // No flapping: what a plan that read everything left running stays until something changes. Before the first
        // backup is seen, a Secret that is not as we rendered it is such a change for as long as it is there.
        let objects = &world.clusters[at].objects;
        let has_backed_up = self.claim.record.as_ref().is_some_and(|it| it.config.is_some());
        let is_as_rendered = |secret: &Secret| !secret.is_foreign && secret.path == self.base;
        let is_settled = objects.source.as_ref().is_some_and(|it| !it.unseen && !it.is_foreign && !it.is_paused)
            && (has_backed_up || objects.secret.as_ref().is_none_or(is_as_rendered))
            && world.ledger(self.base).is_initialised
            && self.claim.is_labelled;
        if is_settled && (deletes(|it| matches!(it, Task::DeleteSource(_))) || restores) {
            return Some(Broken::Flapping);
        }
        // Ownership.
        let touches_source = deletes(|it| {
            matches!(
                it,
                Task::DeleteSource(_) | Task::ApplySource { .. } | Task::Unpause(_) | Task::PatchSourceRecord(..)
            )
        });
        let touches_secret = deletes(|it| matches!(it, Task::ApplySecret { .. }));
        if touches_source && self.source.as_ref().is_some_and(|it| it.is_foreign)
            || touches_secret && self.secret.as_ref().is_some_and(|it| it.is_foreign)
        {
            return Some(Broken::Ownership);
        }
        None
    }
}
