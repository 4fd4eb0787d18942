//! Breaches: what a plan must not do, in terms of facts, not of the decision.

use volsync_policy::evidence::Expectation;
use volsync_policy::{Acceptance, Code, HoldId};

use crate::answer::Answer;
use crate::objects::{Claim, Entry, Hold, Id, Log, Mover, Record, Saw, Secret, Snapshot};
use crate::task::Task;
use crate::view::{NO_LEDGER, NO_MARKER, NO_OBJECTS, NO_REPOSITORY, NO_SOURCE, NO_VOLUME, View};
use crate::world::{Broken, World};

impl Answer {
    /// Whether this plan deletes an existing object or holds the claim, although the plan for neither of these views
    /// does so.
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

/// Whether a person can accept a hold with this code.
fn is_hold(code: Code) -> bool {
    code.acceptance() == Acceptance::Possible
}

impl Claim {
    /// Whether a person has accepted taking over from this writer.
    pub(crate) fn accepts_writer(&self, writer: Option<(Id, Id, Id, u8)>) -> bool {
        self.accepted.iter().any(|hold| hold.saw.writer == writer)
    }
}

impl World {
    /// Whether the view shows backups by the claim's volume, under its own ledger entry.
    pub(crate) fn shows_backups(&self, at: usize, view: &View) -> bool {
        let is_here = |entry: &Entry| self.place(entry.path) == self.place(view.shown.path);
        let by = view.claim.volume.map(|volume| Mover { cluster: at as Id, volume });
        let is_good = |it: &Snapshot| it.by == by && !it.stray && view.shown.snapshots.contains(&(it.id, it.at));
        let is_written_down = view.has_entry() && view.entry().is_some_and(is_here);
        is_written_down && self.repository(view.shown.path).snapshots.iter().any(is_good)
    }

    /// Whether the view shows that the claim's own restore restored a snapshot of the right repository.
    pub(crate) fn shows_restored(&self, view: &View) -> bool {
        let all = || self.repositories.iter().flat_map(|it| &it.snapshots);
        let is_strangers = |id: Id| all().any(|snapshot| snapshot.id == id && snapshot.by.is_none());
        let is_own = |log: Log| matches!(log, Log::Restored(id) if !is_strangers(id));
        let destination = view.destination.as_ref().filter(|it| it.claim == view.claim.uid);
        destination.is_some_and(|it| it.log.is_some_and(is_own))
    }

    /// The way in which a plan ignores what a person has accepted, or asks the same question again. The plan was made
    /// from a complete and current reading.
    pub(crate) fn nuisance(&self, at: usize, view: &View, answer: &Answer) -> Option<Broken> {
        // Without a ledger nobody can accept a hold, and the plan says so.
        if is_hold(answer.code) && answer.hold.is_none() && view.shelf.is_initialised {
            return Some(Broken::Stuck);
        }
        let claim = self.clusters[at].objects.claim.as_ref();
        let answered = claim.and_then(|claim| claim.answered);
        let accepted = claim.map_or(&[][..], |claim| &claim.accepted);
        let is_new = |id: &HoldId| accepted.iter().all(|hold| hold.id != *id);
        if answered == Some(answer.code) && answer.hold.as_ref().is_some_and(is_new) {
            return Some(Broken::Asked);
        }
        // A repository with the remembered fingerprint and newest snapshot is the remembered one, whatever its address.
        let shown = (view.shown.config, view.shown.newest());
        let is_remembered = |(config, newest, at)| shown == (config, Some((newest, at)));
        let memory = view.entry().and_then(|it| it.memory);
        let is_pending = view.claim.volume.is_none();
        if answer.code == Code::RepositoryMoved && is_pending && memory.is_some_and(is_remembered) {
            return Some(Broken::Asked);
        }
        // A person accepted that the claim's backup continues at another address, and then the backup is deleted
        // because of what it wrote there.
        let claim = &view.claim;
        let has_moved = |hold: &Hold| {
            let is_away = hold.saw.is_released && hold.saw.path != view.base;
            let is_moved = claim.record.as_ref().is_some_and(|it| it.moved);
            hold.code == Code::RepositoryMoved && hold.saw.volume == claim.volume && is_away && is_moved
        };
        let wrote = self.repository(view.shown.path).snapshots.last().and_then(|it| it.by.filter(|_| !it.stray));
        let is_own = wrote == claim.volume.map(|volume| Mover { cluster: at as Id, volume });
        let is_withdrawn = answer.tasks.iter().any(|it| matches!(it, Task::DeleteSource(_)));
        let is_ours = view.source.as_ref().is_some_and(|it| it.claim == claim.uid && !it.is_foreign);
        let is_writer = view.entry().is_some_and(|it| (it.cluster, it.uid) == (view.cluster, claim.uid));
        let is_as_rendered = view.secret.as_ref().is_some_and(|it| it.path == view.base);
        let stands = is_own && is_ours && is_writer && is_as_rendered && claim.is_labelled;
        (is_withdrawn && stands && claim.accepted.iter().any(has_moved)).then_some(Broken::Flapping)
    }
}

impl View {
    /// Whether a person has accepted a hold while the repository showed what it shows now.
    fn accepts_what_is_shown(&self) -> bool {
        let shown = |saw: &Saw| (saw.path, saw.config, saw.newest, saw.is_emptied);
        let now = shown(&self.saw());
        self.claim.accepted.iter().any(|hold| shown(&hold.saw) == now)
    }

    /// Whether the writer in the entry is this claim with this volume.
    fn has_entry(&self) -> bool {
        let own = Some((self.cluster, self.claim.uid, self.claim.volume));
        self.entry().map(|it| (it.cluster, it.uid, Some(it.volume))) == own
    }

    /// Whether a person has accepted that the claim takes over from the writer in the ledger.
    pub(crate) fn accepts_writer(&self) -> bool {
        self.claim.accepts_writer(self.saw().writer)
    }

    /// Whether a person has accepted that there is nothing to restore: they saw that the repository has no snapshot,
    /// and it has none, or that nothing was restored from the snapshots that it still shows.
    fn accepts_nothing(&self) -> bool {
        let now = self.saw();
        self.claim.accepted.iter().any(|Hold { code, saw, .. }| {
            let is_same = saw.path == now.path && saw.newest == now.newest && saw.is_emptied == now.is_emptied;
            is_same && (saw.snapshots == 0 || *code == Code::RestoreCameBackEmpty)
        })
    }

    /// The accepted holds for which something has changed since the person was shown it. Without a ledger, or for a
    /// claim that is not selected, this is not checked.
    pub(crate) fn changed_acceptances(&self) -> Vec<HoldId> {
        let shown = |saw: &Saw| (saw.volume, saw.path, saw.config, saw.is_emptied, saw.writer);
        let now = shown(&self.saw());
        let is_looked_at = self.shelf.is_initialised && self.claim.is_labelled;
        let changed = self.claim.accepted.iter().filter(|hold| is_looked_at && shown(&hold.saw) != now);
        changed.map(|hold| hold.id.clone()).collect()
    }

    /// Whether the plan depends on an acceptance of something that has changed since, and changed back.
    fn revives(&self, answer: &Answer) -> bool {
        let is_over = |hold: &Hold| hold.is_over;
        answer.code == Code::AcceptedByOperator && self.claim.accepted.iter().any(is_over) && {
            let mut without = self.clone();
            without.claim.accepted.retain(|hold| !hold.is_over);
            without.answer().code != answer.code
        }
    }

    /// Whether the plan writes an entry without a memory, and a person has accepted that there is nothing to remember.
    pub(crate) fn forgets_by_a_persons_word(&self, answer: &Answer) -> bool {
        let forgets = |task: &Task| matches!(task, Task::PutEntry { entry, .. } if entry.memory.is_none());
        answer.tasks.iter().any(forgets) && self.accepts_nothing()
    }

    /// Whether the claim has a release record that names its volume and is not marked as overtaken.
    fn was_released(&self) -> bool {
        let source = self.source.as_ref().and_then(|it| it.record.as_ref());
        let own = |it: &&Record| it.uid == self.claim.uid && Some(it.volume) == self.claim.volume && !it.overtaken;
        self.claim.record.iter().chain(source).any(|it| own(&it))
    }

    /// Whether the claim's own release record or the log of its ReplicationSource names the newest snapshot. Without an
    /// entry for this repository, nothing else shows who wrote it.
    fn is_named(&self) -> bool {
        let Some((newest, _)) = self.shown.newest() else { return true };
        let source = self.source.as_ref();
        let record = self.claim.record.iter().chain(source.and_then(|it| it.record.as_ref()));
        record.filter_map(|it| it.newest).chain(source.and_then(|it| it.saved)).any(|named| named == newest)
    }

    /// Whether the entry or the claim's release record names that snapshot.
    fn is_remembered(&self, snapshot: Id) -> bool {
        let memory = self.entry().and_then(|it| it.memory).map(|(_, newest, _)| newest);
        [memory, self.claim.record.as_ref().and_then(|it| it.newest)].contains(&Some(snapshot))
    }

    /// The breach that the plan commits, if any.
    pub(crate) fn breach(&self, answer: &Answer, world: &World, at: usize) -> Option<Broken> {
        let runs =
            (answer.tasks.iter()).any(|it| matches!(it, Task::ApplySource { is_paused: false, .. } | Task::Unpause(_)));
        let restores = answer.tasks.iter().any(|it| matches!(it, Task::CreateDestination { .. }));
        let expects_nothing = answer.tasks.iter().any(|it| {
            matches!(it, Task::CreateDestination { expects: Expectation::Nothing | Expectation::AcceptedNothing, .. })
        });
        let deletes = |task: fn(&Task) -> bool| answer.tasks.iter().any(task);
        if self.revives(answer) {
            return Some(Broken::Revived);
        }
        // Unread evidence starts no restore and no backup.
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
        // The entry remembers backups, and now there are none, only older ones, or those of another repository.
        let memory = self.entry().and_then(|it| it.memory);
        if let (Some((config, _, newest)), false, false) = (memory, is_unknown, self.accepts_what_is_shown()) {
            let contradicts = self.shown.config != config || self.shown.newest().is_none_or(|(_, at)| at < newest);
            let is_writer = self.entry().is_some_and(|it| Some(it.volume) == self.claim.volume);
            if contradicts && (restores || expects_nothing || runs && !is_writer && !self.was_released()) {
                return Some(Broken::Memory);
            }
        }
        // Two writers age out each other's backups. A writer that wrote within the last two intervals is active.
        let takes_over = answer.tasks.iter().any(|it| match it {
            Task::PutEntry { entry, .. } => self.entry().is_some_and(|read| read.cluster != entry.cluster),
            _ => false,
        });
        let is_silent = self.shown.newest().is_none_or(|(_, at)| self.now >= at + 2);
        if takes_over && !is_silent && !self.accepts_writer() {
            return Some(Broken::Writer);
        }
        // A writer that keeps refreshing a lock is active, too: a first backup can take days, in which there is no
        // snapshot.
        let is_anyones = self.entry().is_none_or(|it| it.cluster != self.cluster);
        let writes_entry = answer.tasks.iter().any(|it| matches!(it, Task::PutEntry { .. }));
        let is_locked = self.shown.is_locked
            && (0..world.clusters.len()).any(|other| other != at && world.is_uploading(other, self.shown.path));
        if is_locked && is_anyones && writes_entry && !self.accepts_writer() {
            return Some(Broken::Writer);
        }
        // If a host has seen backups of a claim, the claim is not treated as new, unless a person has accepted that
        // there is no snapshot, or that nothing was restored.
        let is_current = self.shelf == world.ledger(self.base).seen_by(self.cluster) && !is_unknown;
        let is_known = world.ledger(self.base).is_known || self.claim.is_known;
        let goes_on = self.was_released() || self.has_entry();
        let starts_anew = expects_nothing || runs && self.shown.snapshots.is_empty() && !goes_on;
        if is_current && is_known && starts_anew && !self.accepts_nothing() {
            return Some(Broken::Forgotten);
        }
        // No flapping: a backup that is running after a plan from a complete reading continues until something changes.
        // Before the first backup is seen, a Secret that differs from the rendered one counts as such a change for as
        // long as it exists.
        let objects = &world.clusters[at].objects;
        // A snapshot that another writer wrote under this claim's own entry is such a change, too. Once it is seen, the
        // release record is marked.
        let by = self.claim.volume.map(|volume| Mover { cluster: at as Id, volume });
        let newest = world.repository(self.shown.path).snapshots.last();
        let is_marked = self.claim.record.as_ref().is_some_and(|it| it.overtaken);
        let is_anothers = is_marked || newest.is_some_and(|it| it.by != by && !self.is_remembered(it.id));
        let has_backed_up = self.claim.record.as_ref().is_some_and(|it| it.config.is_some());
        let is_as_rendered = |secret: &Secret| !secret.is_foreign && secret.path == self.base;
        let is_settled = !is_anothers
            && objects.source.as_ref().is_some_and(|it| !it.unseen && !it.is_foreign && !it.is_paused)
            && (has_backed_up || objects.secret.as_ref().is_none_or(is_as_rendered))
            && world.ledger(self.base).is_initialised
            && self.claim.is_labelled
            && (self.entry().is_some_and(|it| it.path == self.shown.path) || has_backed_up && self.is_named());
        // Once a person has accepted that the repository moves, the backup is stopped until it has moved.
        let is_moving = answer.code == Code::AcceptedByOperator;
        if is_settled && !is_moving && (deletes(|it| matches!(it, Task::DeleteSource(_))) || restores) {
            return Some(Broken::Flapping);
        }
        // Objects of someone else are not changed.
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
