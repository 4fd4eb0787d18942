//! A model of the world around the policy: a claim, in one cluster or in two that share a bucket; VolSync with
//! everything that it does on its own; Kubernetes, the store, people; and a host that reads, asks the core, and carries
//! out its writes, each of which may come late, fail, or be based on an incomplete reading.
//!
//! The core is the real one. Everything around it is small enough that every order of events can be tried. [`Broken`]
//! says what must hold, in terms of lost data and not of the decision.

pub mod answer;
mod breach;
pub mod host;
mod naming;
pub mod objects;
mod raw;
mod seen;
mod stored;
pub mod task;
pub mod version;
pub mod view;
pub mod walk;
pub mod world;

use std::fmt;

use stateright::{Model, Property};

use crate::objects::{Log, Repository, Secret, Source};
use crate::view::{Blind, Parts, View};
use crate::world::{Broken, Kept, World};

/// A claim was restored from a backup, and its backup was released.
pub const RESTORED: &str = "a claim is restored and released";
/// A claim started empty, and its backup was released.
pub const FRESH: &str = "a claim starts empty and is released";
/// A Bound claim is held.
pub const HELD: &str = "a claim is held";
/// A cluster has taken over the ledger entry from another.
pub const TAKEN_OVER: &str = "a ledger entry is taken over";

/// What people and accidents do. Each counts against a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mishap {
    /// Admission stops or starts working.
    Admission,
    /// The store becomes unreachable, or reachable again.
    Outage,
    /// The Secret is changed to the other repository.
    RepointSecret,
    /// Settings are changed to the other base.
    RepointBase,
    /// etcd is backed up.
    SaveEtcd,
    /// etcd is restored.
    RestoreEtcd,
    /// The claim's volume is lost, or kept if the storage keeps volumes, and the same claim gets a new one.
    ReplaceVolume,
    /// The claim gets back a volume that the storage kept.
    VolumeComesBack,
    /// The label is removed, or put back.
    Label,
    /// The current hold is accepted.
    Accept,
    /// All snapshots are removed below the base that settings name.
    Wipe,
    /// The repository below the base that settings name is removed.
    Vanish,
    /// The release record is removed from the claim.
    LoseRecord,
    /// The ledger entry is removed.
    LoseEntry,
    /// The ledger is backed up.
    SaveLedger,
    /// The ledger is restored from its backup.
    RestoreLedger,
    /// The bucket is copied.
    CopyBucket,
    /// The bucket is copied, without the repository.
    CopyLedger,
    /// The endpoint gets another name, and the settings use it.
    RenameEndpoint,
    /// Settings are changed to the other base, and the Secret follows at once.
    RepointAll,
    /// Logs of movers become unreadable.
    LoseLogs,
    /// The mover of a backup starts to upload, which takes long.
    LongBackup,
    /// Someone else's ReplicationSource is created.
    ForeignSource,
    /// Someone else's Secret is created.
    ForeignSecret,
    /// A person retires the ledger entry, if what it names does not run.
    Retire,
}

/// One move. The number is that of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The claim is created.
    Create(usize),
    /// The claim is deleted.
    Delete(usize),
    /// The claim is deleted and at once created again.
    Recreate(usize),
    /// The garbage collector runs.
    Collect(usize),
    /// The application writes to an empty volume.
    Write(usize),
    /// A claim without a data source is bound.
    BindEmpty(usize),
    /// A restore's mover starts.
    StartRestore(usize),
    /// A restore ends, with its log or without.
    EndRestore(usize, bool),
    /// VolSync's populator takes an image.
    Populate(usize),
    /// The claim is bound to the volume that the populator prepared.
    Bind(usize),
    /// A backup starts.
    StartBackup(usize),
    /// A backup ends.
    EndBackup(usize),
    /// A backup starts and ends.
    Backup(usize),
    /// An hour passes.
    Tick,
    /// The host reads everything except these parts, and plans.
    Plan(usize, Blind),
    /// The host reads everything, and keeps the reading.
    Keep(usize),
    /// The host reads everything again, but plans with these parts of the reading that it kept.
    PlanOnKept(usize, Parts),
    /// The host carries out one task.
    CarryOut(usize),
    /// The host carries out all remaining tasks.
    CarryOutAll(usize),
    /// The host crashes.
    Crash(usize),
    /// A mishap.
    Mishap(usize, Mishap),
}

/// The limits of a trial.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The number of objects.
    pub uids: u8,
    /// The number of images, which is the number of restores that end.
    pub images: u8,
    /// The number of snapshots.
    pub snapshots: u8,
    /// The hours on the clock.
    pub clock: u8,
    /// The number of mishaps.
    pub mishaps: u8,
}

/// A trial: where it starts, and what may happen.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The worlds in which it starts.
    pub starts: Vec<World>,
    /// What the host may fail to read.
    pub blind: Vec<Blind>,
    /// Which parts the host may have read earlier than the others.
    pub earlier: Vec<Parts>,
    /// The mishaps that may happen.
    pub mishaps: Vec<Mishap>,
    /// The limits.
    pub limits: Limits,
}

impl World {
    /// The world after that move. None if it is impossible.
    pub fn after(&self, action: Action) -> Option<World> {
        let mut world = self.clone();
        match action {
            Action::Create(at) => world.create(at),
            Action::Delete(at) => world.delete(at),
            Action::Recreate(at) => world.delete(at).and_then(|()| world.create(at)),
            Action::Collect(at) => world.collect(at),
            Action::Write(at) => world.write(at),
            Action::BindEmpty(at) => world.bind_empty(at),
            Action::StartRestore(at) => world.start_restore(at),
            Action::EndRestore(at, loses_log) => world.end_restore(at, loses_log),
            Action::Populate(at) => world.populate(at),
            Action::Bind(at) => world.bind(at),
            Action::StartBackup(at) => world.start_backup(at),
            Action::EndBackup(at) => world.end_backup(at),
            Action::Backup(at) => world.start_backup(at).and_then(|()| world.end_backup(at)),
            Action::Tick => {
                world.clock += 1;
                Some(())
            }
            Action::Plan(at, blind) => world.plan(at, blind),
            Action::Keep(at) => {
                let view = View::of(&world, at, 0)?;
                let host = &mut world.clusters[at].host;
                host.tasks.is_empty().then(|| host.kept = Some(Box::new(Kept { view, covers: true })))
            }
            Action::PlanOnKept(at, parts) => world.plan_on_kept(at, parts),
            Action::CarryOut(at) => world.carry_out(at),
            Action::CarryOutAll(at) => {
                world.carry_out(at)?;
                while world.carry_out(at).is_some() {}
                Some(())
            }
            Action::Crash(at) => {
                let host = &mut world.clusters[at].host;
                let is_at_work = !host.tasks.is_empty();
                *host = Default::default();
                is_at_work.then_some(())
            }
            Action::Mishap(at, mishap) => {
                world.made.mishaps += 1;
                world.suffer(at, mishap)
            }
        }?;
        // An action of anyone but this host may be a reason to ask a person again.
        for (at, cluster) in world.clusters.iter_mut().enumerate() {
            if let Some(claim) = cluster.objects.claim.as_mut().filter(|_| !action.is_of_host(at)) {
                claim.answered = None;
            }
        }
        (world != *self).then_some(world)
    }

    fn suffer(&mut self, at: usize, mishap: Mishap) -> Option<()> {
        let cluster = &mut self.clusters[at];
        match mishap {
            Mishap::Admission => cluster.admission = !cluster.admission,
            Mishap::Outage => self.outage = !self.outage,
            Mishap::RepointSecret => self.repoint_secret(at)?,
            Mishap::RepointBase => self.repoint_base(at),
            Mishap::SaveEtcd => cluster.etcd = Some(Box::new(cluster.objects.clone())),
            Mishap::RestoreEtcd => self.restore_etcd(at)?,
            Mishap::ReplaceVolume => self.replace_volume(at)?,
            Mishap::VolumeComesBack => self.bring_volume_back(at)?,
            Mishap::Label => {
                let claim = cluster.objects.claim.as_mut()?;
                claim.is_labelled = !claim.is_labelled;
                self.changed(at);
            }
            Mishap::Accept => self.accept(at)?,
            Mishap::Wipe | Mishap::Vanish => {
                let base = cluster.base;
                let repository = self.repository_mut(base);
                if repository.snapshots.is_empty() {
                    return None;
                }
                repository.snapshots.clear();
                repository.is_emptied = true;
                if mishap == Mishap::Vanish {
                    *repository = Repository::default();
                }
                self.all_changed();
            }
            Mishap::LoseRecord => {
                cluster.objects.claim.as_mut()?.record.take()?;
                self.changed(at);
            }
            Mishap::LoseEntry => {
                self.ledgers[0].entry.take()?;
                self.ledgers[0].is_known = false;
                let last = |it: &Repository| it.snapshots.last().is_some_and(|snapshot| snapshot.stray);
                self.is_forked |= self.repositories.iter().any(last);
                self.all_changed();
            }
            Mishap::SaveLedger => self.saved = Some(Box::new(self.ledgers.clone())),
            Mishap::RestoreLedger => {
                let now = std::mem::replace(&mut self.ledgers, *self.saved.take()?);
                let mut entries =
                    self.ledgers.iter().zip(&now).filter_map(|(then, now)| then.entry.as_ref().zip(now.entry.as_ref()));
                let is_of_another = entries.any(|(then, now)| then.cluster != now.cluster);
                self.is_put_back |= is_of_another;
                self.all_changed();
                // A host can no longer prevent a backup that has already started.
                let sources = self.clusters.iter_mut().filter_map(|cluster| cluster.objects.source.as_mut());
                sources.filter_map(|source| source.cut.as_mut()).for_each(|cut| cut.unseen = true);
            }
            Mishap::CopyBucket | Mishap::CopyLedger => self.copy_bucket(mishap == Mishap::CopyBucket)?,
            Mishap::RenameEndpoint => self.rename(at)?,
            Mishap::RepointAll => {
                let path = cluster.base.other();
                cluster.objects.secret.as_mut()?.path = path;
                self.repoint_base(at);
            }
            Mishap::Retire => {
                let base = cluster.base;
                self.retire(base)?;
            }
            Mishap::LoseLogs => cluster.is_logless = true,
            Mishap::LongBackup => self.upload(at)?,
            Mishap::ForeignSource => {
                if cluster.objects.source.is_some() {
                    return None;
                }
                let uid = self.new_uid();
                self.clusters[at].objects.source = Some(Source {
                    uid,
                    claim: 0,
                    is_foreign: true,
                    is_paused: false,
                    cut: None,
                    record: None,
                    saved: None,
                    unseen: true,
                });
            }
            Mishap::ForeignSecret => {
                if cluster.objects.secret.is_some() {
                    return None;
                }
                let path = cluster.base;
                cluster.objects.secret = Some(Secret { claim: 0, path, is_foreign: true });
                self.changed(at);
            }
        }
        Some(())
    }

    /// Whether a claim was restored from a backup, and its backup released.
    pub fn has_restored(&self) -> bool {
        self.has_released(|log| matches!(log, Log::Restored(_)))
    }

    /// Whether a claim started empty, and its backup was released.
    pub fn has_started_fresh(&self) -> bool {
        self.has_released(|log| log == Log::Nothing)
    }

    fn has_released(&self, is: impl Fn(Log) -> bool) -> bool {
        self.clusters.iter().any(|cluster| {
            let objects = &cluster.objects;
            let is_running = objects.source.as_ref().is_some_and(|it| !it.is_foreign && !it.is_paused && !it.unseen);
            is_running
                && objects.claim.as_ref().is_some_and(|it| it.record.is_some())
                && objects.destination.as_ref().is_some_and(|it| it.noted.is_some() && it.log.is_some_and(&is))
        })
    }

    /// Whether a Bound claim is held.
    pub fn has_held(&self) -> bool {
        let claims = self.clusters.iter().filter_map(|cluster| cluster.objects.claim.as_ref());
        claims.into_iter().any(|claim| claim.hold.is_some() && claim.volume.is_some())
    }

    /// Whether one of the clusters has taken over from another.
    pub fn has_taken_over(&self) -> bool {
        self.ledgers[0].entry.as_ref().is_some_and(|it| it.cluster < 9 && it.term > 1)
    }
}

impl Action {
    /// Whether the action is that of the cluster's host.
    fn is_of_host(self, cluster: usize) -> bool {
        match self {
            Action::Plan(at, _)
            | Action::Keep(at)
            | Action::PlanOnKept(at, _)
            | Action::CarryOut(at)
            | Action::CarryOutAll(at)
            | Action::Crash(at)
            | Action::Mishap(at, Mishap::Accept) => at == cluster,
            _ => false,
        }
    }
}

impl Trial {
    /// Every move that may be possible.
    pub fn moves(&self, world: &World, moves: &mut Vec<Action>) {
        let limits = &self.limits;
        let made = &world.made;
        for (at, cluster) in world.clusters.iter().enumerate() {
            if made.uids < limits.uids {
                moves.extend([Action::Create(at), Action::Recreate(at)]);
            }
            moves.extend([Action::Delete(at), Action::Collect(at), Action::Write(at), Action::BindEmpty(at)]);
            moves.push(Action::StartRestore(at));
            if made.images < limits.images {
                moves.extend([Action::EndRestore(at, false), Action::EndRestore(at, true)]);
            }
            moves.extend([Action::Populate(at), Action::Bind(at), Action::StartBackup(at)]);
            if made.snapshots < limits.snapshots {
                moves.extend([Action::EndBackup(at), Action::Backup(at)]);
            }
            if cluster.host.tasks.is_empty() {
                moves.extend(self.blind.iter().map(|blind| Action::Plan(at, *blind)));
                if !self.earlier.is_empty() {
                    moves.push(Action::Keep(at));
                }
                if cluster.host.kept.is_some() {
                    moves.extend(self.earlier.iter().map(|parts| Action::PlanOnKept(at, *parts)));
                }
            } else {
                moves.extend([Action::CarryOut(at), Action::CarryOutAll(at), Action::Crash(at)]);
            }
            if made.mishaps < limits.mishaps {
                moves.extend(self.mishaps.iter().map(|mishap| Action::Mishap(at, *mishap)));
            }
        }
        if world.clock < limits.clock {
            moves.push(Action::Tick);
        }
    }
}

impl Model for Trial {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        self.starts.clone()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.broken.is_none() {
            self.moves(world, actions);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        world.after(action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "good backups are aged out only by volumes that were restored from them",
                |_, world: &World| world.broken != Some(Broken::Promise),
            ),
            Property::always("a backup continues from the newest snapshot", |_, world: &World| {
                world.broken != Some(Broken::Overwritten)
            }),
            Property::always("a claim that had backups is not treated as new", |_, world: &World| {
                world.broken != Some(Broken::Forgotten)
            }),
            Property::always("a person is asked a question only once", |_, world: &World| {
                world.broken != Some(Broken::Asked)
            }),
            Property::always("an acceptance does not count again after a change", |_, world: &World| {
                world.broken != Some(Broken::Revived)
            }),
            Property::always("every hold can be accepted", |_, world: &World| world.broken != Some(Broken::Stuck)),
            Property::always("unread evidence starts no restore and no backup", |_, world: &World| {
                world.broken != Some(Broken::Unknown)
            }),
            Property::always("a repository that contradicts the memory is not treated as new", |_, world: &World| {
                world.broken != Some(Broken::Memory)
            }),
            Property::always("a released backup is not deleted without a reason", |_, world: &World| {
                world.broken != Some(Broken::Flapping)
            }),
            Property::always("objects of someone else are not changed", |_, world: &World| {
                world.broken != Some(Broken::Ownership)
            }),
            Property::always(
                "an action of VolSync between two reads causes no hold and no deletion",
                |_, world: &World| world.broken != Some(Broken::Torn),
            ),
            Property::always("no cluster takes over from an active writer", |_, world: &World| {
                world.broken != Some(Broken::Writer)
            }),
            Property::sometimes(RESTORED, |_, world: &World| world.has_restored()),
            Property::sometimes(FRESH, |_, world: &World| world.has_started_fresh()),
            Property::sometimes(HELD, |_, world: &World| world.has_held()),
            Property::sometimes(TAKEN_OVER, |_, world: &World| world.has_taken_over()),
        ]
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, text) = match *self {
            Action::Create(at) => (at, "someone creates the claim".to_owned()),
            Action::Delete(at) => (at, "someone deletes the claim".to_owned()),
            Action::Recreate(at) => (at, "the claim is deleted, and at once created again".to_owned()),
            Action::Collect(at) => (at, "the garbage collector deletes objects without an owner".to_owned()),
            Action::Write(at) => (at, "the app writes to its empty volume".to_owned()),
            Action::BindEmpty(at) => (at, "Kubernetes binds the claim to an empty volume".to_owned()),
            Action::StartRestore(at) => (at, "VolSync starts the restore".to_owned()),
            Action::EndRestore(at, false) => (at, "VolSync ends the restore".to_owned()),
            Action::EndRestore(at, true) => (at, "VolSync ends the restore, and its log is lost".to_owned()),
            Action::Populate(at) => (at, "VolSync's populator takes the image".to_owned()),
            Action::Bind(at) => (at, "VolSync binds the claim to the image".to_owned()),
            Action::StartBackup(at) => (at, "VolSync starts a backup".to_owned()),
            Action::EndBackup(at) => (at, "VolSync ends the backup, and forgets old snapshots".to_owned()),
            Action::Backup(at) => (at, "VolSync backs up, and forgets old snapshots".to_owned()),
            Action::Tick => return f.write_str("an hour passes"),
            Action::Plan(at, 0) => (at, "the host reads everything and plans".to_owned()),
            Action::Plan(at, blind) => (at, format!("the host plans without having read {}", named(blind, &BLIND))),
            Action::Keep(at) => (at, "the host reads everything".to_owned()),
            Action::PlanOnKept(at, parts) => (
                at,
                format!(
                    "the host reads everything again, and plans with an earlier reading of {}",
                    named(parts, &PARTS)
                ),
            ),
            Action::CarryOut(at) => (at, "the host carries out its next task".to_owned()),
            Action::CarryOutAll(at) => (at, "the host carries out all remaining tasks".to_owned()),
            Action::Crash(at) => (at, "the host crashes".to_owned()),
            Action::Mishap(at, mishap) => (at, format!("mishap: {mishap:?}")),
        };
        write!(f, "[{at}] {text}")
    }
}

/// The names of the bits of a [`Blind`], from the lowest.
const BLIND: [&str; 7] = [
    "the repository",
    "the ledger entry",
    "the objects",
    "the ReplicationSource",
    "the volume",
    "the ledger marker",
    "the ReplicationSource a second time",
];
/// The names of the bits of [`Parts`], from the lowest.
const PARTS: [&str; 7] = [
    "the claim",
    "VolSync's own claim",
    "the ReplicationDestination",
    "the ReplicationSource",
    "the Secret",
    "the ledger",
    "the repository",
];

/// The names of those bits that are set.
fn named(bits: u8, names: &[&str]) -> String {
    let set = names.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
    set.map(|(_, name)| *name).collect::<Vec<&str>>().join(", ")
}
