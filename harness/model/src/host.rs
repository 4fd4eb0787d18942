//! The host: it reads, calls the core, and carries out the writes one by one. It contains no rule.

use volsync_policy::HoldId;

use crate::objects::{Destination, Hold, Id, Secret, Source};
use crate::task::Task;
use crate::version::{Expected, Stored};
use crate::view::{Blind, Parts, View, is_in_order};
use crate::world::{Broken, Host, World};

/// Checks that an object is as expected. None is expected if the object is to be created.
fn check<T: Stored>(object: &mut Option<T>, expected: Option<Expected>) -> Option<()> {
    match expected {
        Some(expected) => expected.find(object).map(drop),
        None => object.is_none().then_some(()),
    }
}

/// Deletes the object with that uid. It succeeds if the object is gone, and fails if another one is in its place.
fn delete<T: Stored>(object: &mut Option<T>, uid: Id) -> Option<()> {
    let is_other = object.as_ref().is_some_and(|it| it.uid() != uid);
    object.take_if(|_| !is_other);
    (!is_other).then_some(())
}

impl World {
    /// The host plans with what it has just read.
    pub(crate) fn plan(&mut self, at: usize, blind: Blind) -> Option<()> {
        let now = View::of(self, at, blind)?;
        self.plan_on(at, &now, true)
    }

    /// The host plans with what it has just read, except for these parts, for which it uses an earlier reading.
    pub(crate) fn plan_on_kept(&mut self, at: usize, earlier: Parts) -> Option<()> {
        let now = View::of(self, at, 0)?;
        let kept = self.clusters[at].host.kept.take()?;
        let view = now.clone().torn(self, &kept.view, earlier);
        if kept.covers && is_in_order(earlier) && view.answer().is_astray(&kept.view, &now) {
            self.break_(Broken::Torn);
        }
        self.plan_on(at, &view, kept.covers)
    }

    /// `is_whole` says whether nothing that the ReplicationSource depends on changed while the view was read.
    fn plan_on(&mut self, at: usize, view: &View, is_whole: bool) -> Option<()> {
        if !self.clusters[at].host.tasks.is_empty() {
            return None;
        }
        let answer = view.answer();
        if let Some(broken) = view.breach(&answer, self, at) {
            self.break_(broken);
        }
        let covers = view.blind == 0 && is_whole;
        if let Some(broken) = self.nuisance(at, view, &answer).filter(|_| covers) {
            self.break_(broken);
        }
        let forgets = view.forgets_by_a_persons_word(&answer);
        if forgets {
            self.ledger_mut(view.base).is_known = false;
        }
        let cluster = &mut self.clusters[at];
        if covers && let Some(claim) = &mut cluster.objects.claim {
            let hold = |id: HoldId| Hold { code: answer.code, id, saw: view.saw(), is_over: false };
            claim.hold = answer.hold.clone().map(hold);
        }
        let (saw_backups, saw_restored) = (self.shows_backups(at, view), self.shows_restored(view));
        let takes_over = view.accepts_writer();
        let changed = view.changed_acceptances();
        let host = &mut self.clusters[at].host;
        let tasks = answer.tasks.clone();
        *host = Host { tasks, covers, kept: None, saw_backups, saw_restored, takes_over, forgets, changed };
        self.settle(at);
        Some(())
    }

    /// If a plan from a complete reading has been carried out completely, what runs now runs because of it.
    fn settle(&mut self, at: usize) {
        let cluster = &mut self.clusters[at];
        if !cluster.host.tasks.is_empty() {
            return;
        }
        if cluster.host.covers {
            if let Some(source) = &mut cluster.objects.source {
                source.unseen = false;
            }
            if let Some(claim) = &mut cluster.objects.claim {
                claim.is_known |= cluster.host.saw_restored;
                let is_changed = |hold: &&mut Hold| cluster.host.changed.contains(&hold.id);
                claim.accepted.iter_mut().filter(is_changed).for_each(|hold| hold.is_over = true);
            }
            // While the Secret points elsewhere, nothing is written into a ledger.
            let base = cluster.base;
            let is_there = cluster.objects.secret.as_ref().is_none_or(|secret| secret.path == base);
            // Nor is it for a claim that is not selected.
            let is_labelled = cluster.objects.claim.as_ref().is_some_and(|claim| claim.is_labelled);
            let saw_backups = cluster.host.saw_backups && is_there && is_labelled;
            self.ledger_mut(base).is_known |= saw_backups;
        }
        let host = &mut self.clusters[at].host;
        (host.covers, host.saw_backups, host.saw_restored) = (false, false, false);
        host.changed.clear();
    }

    /// The host carries out one task.
    pub(crate) fn carry_out(&mut self, at: usize) -> Option<()> {
        if self.clusters[at].host.tasks.is_empty() {
            return None;
        }
        let task = self.clusters[at].host.tasks.remove(0);
        // The first task that fails ends the round.
        if self.carry_out_task(at, task).is_none() {
            self.clusters[at].host = Host::default();
        }
        self.settle(at);
        Some(())
    }

    /// Carries out a task. It fails if a precondition of the task does not hold.
    fn carry_out_task(&mut self, at: usize, task: Task) -> Option<()> {
        let new_uid = self.made.uids + 1;
        let cluster = &mut self.clusters[at];
        let base = cluster.base;
        let covers = cluster.host.covers;
        let objects = &mut cluster.objects;
        match task {
            Task::PutEntry { base, number: Some(number), entry, .. } => {
                let place = if self.is_renamed { 0 } else { base as usize };
                let shelf = &mut self.ledgers[place];
                if self.outage {
                    return None;
                }
                let numbered = shelf.numbered.as_mut()?;
                if !numbered.contains(&(number, entry.clone())) {
                    numbered.push((number, entry));
                }
                // The host removes entries that no longer count.
                numbered.retain(|(other, _)| other + 1 >= number);
                shelf.is_known &= !cluster.host.forgets;
                // Whoever has written the same number has to notice.
                let newest: Vec<usize> = shelf.newest().iter().map(|(_, entry)| entry.cluster as usize).collect();
                for other in (0..self.clusters.len()).filter(|other| *other != at && newest.contains(other)) {
                    self.changed(other);
                }
            }
            Task::PutEntry { base, tag, number: None, entry } => {
                let place = if self.is_renamed { 0 } else { base as usize };
                let shelf = &mut self.ledgers[place];
                if self.outage || shelf.entry.as_ref().map(|it| it.tag()) != tag {
                    return None;
                }
                let taken_from = shelf.entry.as_ref().filter(|it| it.cluster != entry.cluster);
                let is_takeover = taken_from.is_some();
                // A writer that took over within the last two intervals is active, even if nobody has read that yet.
                let is_at_work = taken_from.is_some_and(|it| self.clock < it.since + 2);
                let is_accepted = cluster.host.takes_over;
                // If the entry was lost, another host may still consider its claim the writer.
                let is_new_writer = is_takeover || shelf.entry.is_none();
                if is_takeover {
                    // What the other writer wrote after the host's reading is not protected: S3 has no lock for the
                    // ledger and the repository together.
                    let newest = entry.memory.map_or(0, |(_, newest, _)| newest);
                    let place = if self.is_renamed { 0 } else { entry.path as usize };
                    for snapshot in &mut self.repositories[place].snapshots {
                        snapshot.stray |= snapshot.id > newest;
                    }
                }
                shelf.entry = Some(entry);
                shelf.is_known &= !cluster.host.forgets;
                for other in (0..self.clusters.len()).filter(|other| is_new_writer && *other != at) {
                    self.changed(other);
                }
                if is_at_work && !is_accepted {
                    self.break_(Broken::Writer);
                }
            }
            Task::PatchClaimSpent(expected, spent) => {
                expected.find(&mut objects.claim)?.spent = spent;
            }
            Task::PatchClaimRecord(expected, record) => {
                expected.find(&mut objects.claim)?.record = Some(record);
            }
            Task::PatchSourceRecord(expected, record) => {
                expected.find(&mut objects.source)?.record = Some(record);
            }
            Task::DeleteSource(uid) => delete(&mut objects.source, uid)?,
            Task::DeleteDestination(uid) => {
                delete(&mut objects.destination, uid)?;
                // A restore with another Secret says nothing about the claim's own repository. The restore of a Bound
                // claim is deleted because the claim has opted out. In both cases, it no longer counts as a memory of
                // backups.
                let moves = |task: &Task| matches!(task, Task::ApplySecret { expected: Some(_), .. });
                let is_elsewhere = objects.secret.as_ref().is_some_and(|secret| secret.path != base)
                    || cluster.host.tasks.iter().any(moves);
                if let Some(claim) = objects.claim.as_mut().filter(|it| is_elsewhere || it.volume.is_some()) {
                    claim.is_known = false;
                    // The plan that deletes the restore does not count it either.
                    cluster.host.saw_restored = false;
                }
            }
            Task::DeletePrime(prime) => {
                if objects.prime.as_ref().is_some_and(|it| *it != prime) {
                    return None;
                }
                objects.prime = None;
            }
            Task::ApplySecret { expected, claim, path } => {
                check(&mut objects.secret, expected)?;
                let old = objects.secret.replace(Secret { claim, path, is_foreign: false });
                // The repository to which it points now has not been read.
                if old.is_some_and(|old| old.path != path) {
                    self.changed(at);
                }
            }
            Task::CreateDestination { claim, expects } => {
                if objects.destination.is_some() {
                    return None;
                }
                self.made.uids = new_uid;
                objects.destination = Some(Destination {
                    uid: new_uid,
                    claim,
                    expects,
                    started: None,
                    log: None,
                    image: None,
                    noted: None,
                });
            }
            Task::ApplySource { expected, claim, is_paused, record } => {
                check(&mut objects.source, expected)?;
                match &mut objects.source {
                    Some(source) => (source.claim, source.is_paused, source.record) = (claim, is_paused, record),
                    source @ None => {
                        self.made.uids = new_uid;
                        *source = Some(Source {
                            uid: new_uid,
                            claim,
                            is_foreign: false,
                            is_paused,
                            cut: None,
                            record,
                            saved: None,
                            unseen: !covers,
                        });
                    }
                }
            }
            Task::Unpause(expected) => {
                expected.find(&mut objects.source)?.is_paused = false;
            }
            Task::NoteImage(expected, image) => {
                expected.find(&mut objects.destination)?.noted = Some(image);
            }
            Task::ClearImage(expected) => {
                expected.find(&mut objects.destination)?.image = None;
            }
            Task::DeleteImage(image) => objects.images.retain(|it| it.id != image),
        }
        Some(())
    }
}
