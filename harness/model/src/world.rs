//! The world: the objects and volumes of the clusters, one bucket, and the moves of VolSync, Kubernetes and people.
//!
//! The facts are those of VolSync 0.16 on Kubernetes 1.36. If the real system is slower or does less, the model may do
//! more: every additional move is one more chance for a property to break.

use volsync_policy::{Code, HoldId};

use crate::objects::{
    Claim, Content, Cut, Entry, Excuse, Id, Image, Log, Mover, Objects, Path, Prime, Repository, Saw, Shelf, Snapshot,
    Tick, Volume,
};
use crate::task::Task;
use crate::view::View;

/// The number of snapshots that a backup keeps. `forget` removes the rest.
pub const KEPT: usize = 2;

/// The host of one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Host {
    /// The tasks of the last plan that were not carried out yet.
    pub tasks: Vec<Task>,
    /// Whether the plan was made from a complete reading, and nothing has changed since.
    pub covers: bool,
    /// An earlier reading, which a later plan may use in part.
    pub kept: Option<Box<Kept>>,
    /// Whether the plan was made from a reading that shows backups of the claim under its own entry.
    pub saw_backups: bool,
    /// Whether a person has accepted that the host takes over from the writer in the ledger.
    pub takes_over: bool,
    /// Whether a person has said that there is nothing to remember.
    pub forgets: bool,
    /// Whether the plan was made from a reading that shows that the claim's restore restored something.
    pub saw_restored: bool,
    /// The accepted holds for which the reading shows that something has changed.
    pub changed: Vec<HoldId>,
}

/// An earlier reading.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kept {
    /// What was read.
    pub view: View,
    /// Whether nothing that the ReplicationSource depends on has changed since.
    pub covers: bool,
}

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cluster {
    /// The base that its settings name.
    pub base: Path,
    /// Whether admission answers.
    pub admission: bool,
    /// The objects in etcd.
    pub objects: Objects,
    /// The volumes of the storage.
    pub volumes: Vec<Volume>,
    /// The host.
    pub host: Host,
    /// A backup of etcd.
    pub etcd: Option<Box<Objects>>,
    /// Whether a volume outlives its claim.
    pub retains: bool,
    /// The number of volume handles so far, if its storage numbers them independently, so that handles of two clusters
    /// can be equal.
    pub handles: Option<Id>,
    /// Whether no log of a mover can be read.
    pub is_logless: bool,
}

/// The numbers that were given out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Made {
    /// Objects.
    pub uids: Id,
    /// Volumes.
    pub volumes: Id,
    /// Images.
    pub images: Id,
    /// Snapshots.
    pub snapshots: Id,
    /// Repositories.
    pub configs: Id,
    /// Mishaps.
    pub mishaps: u8,
}

/// A property that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Broken {
    /// Good backups were aged out by a volume that was not restored from them.
    Promise,
    /// A backup was written to a repository although its volume does not continue from the newest snapshot.
    Overwritten,
    /// A claim that had backups was treated as new.
    Forgotten,
    /// A person was asked the same question again, or was asked about something that is known.
    Asked,
    /// An acceptance counted again, although what had been accepted had changed in between.
    Revived,
    /// A hold exists that nobody can accept.
    Stuck,
    /// A cluster took over the repository from another that backs up to it.
    Writer,
    /// A backup was released, or a restore started, because of something that could not be read.
    Unknown,
    /// Evidence that contradicts the memory was treated as new.
    Memory,
    /// A released backup was deleted although nothing had changed.
    Flapping,
    /// Someone else's object would be overwritten or deleted.
    Ownership,
    /// An action of VolSync between two readings caused a deletion or a question to a person.
    Torn,
}

/// The whole world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The store's clock.
    pub clock: Tick,
    /// Whether the store cannot be reached.
    pub outage: bool,
    /// The clusters.
    pub clusters: Vec<Cluster>,
    /// The repository at each path.
    pub repositories: [Repository; 2],
    /// The ledger below each base.
    pub ledgers: [Shelf; 2],
    /// A backup of both.
    pub saved: Option<Box<[Shelf; 2]>>,
    /// Whether both addresses lead to the same repository.
    pub is_renamed: bool,
    /// Whether two writers continue from different snapshots, and nothing that a host can read shows which of them
    /// wrote the newest. This is so if one took over, the earlier writer made another backup that was not seen, and
    /// then the ledger entry was lost.
    pub is_forked: bool,
    /// Whether an entry was replaced by an older one of another cluster's claim, whose backup may never have stopped.
    pub is_put_back: bool,
    /// The numbers that were given out.
    pub made: Made,
    /// The first property that did not hold.
    pub broken: Option<Broken>,
}

fn next(counter: &mut u8) -> u8 {
    *counter += 1;
    *counter
}

impl World {
    /// One bucket with a ledger, and that many clusters without the claim.
    pub fn new(clusters: usize) -> Self {
        let cluster = Cluster {
            base: Path::Right,
            admission: true,
            objects: Objects::default(),
            volumes: Vec::new(),
            host: Host::default(),
            etcd: None,
            retains: false,
            handles: None,
            is_logless: false,
        };
        World {
            clock: 4,
            outage: false,
            clusters: vec![cluster; clusters],
            repositories: [Repository::default(), Repository::default()],
            ledgers: [Shelf { is_initialised: true, ..Shelf::default() }, Shelf::default()],
            saved: None,
            is_renamed: false,
            is_forked: false,
            is_put_back: false,
            made: Made::default(),
            broken: None,
        }
    }

    /// The same, with two good backups by a cluster that no longer exists.
    pub fn with_backups(clusters: usize) -> Self {
        let mut world = World::new(clusters);
        let by = Some(Mover { cluster: 9, volume: 1 });
        let snapshot = |id: Id| Snapshot { id, at: id - 1, ancestry: (1 << id) | 1 << 1, stray: false, by };
        world.repositories[0] = Repository { config: 1, snapshots: vec![snapshot(1), snapshot(2)], is_emptied: false };
        world.made = Made { uids: 1, volumes: 1, images: 0, snapshots: 2, configs: 1, mishaps: 0 };
        let memory = Some((1, 2, 1));
        let entry =
            Entry { path: Path::Right, cluster: 9, uid: 1, volume: 1, since: 0, term: 1, memory, is_retired: false };
        world.ledgers[0] = Shelf { entry: Some(entry), is_known: true, ..world.ledgers[0].clone() };
        world
    }

    /// The same, in a store without conditional writes.
    pub fn without_conditional_writes(mut self) -> Self {
        for ledger in &mut self.ledgers {
            ledger.numbered = Some(ledger.entry.take().into_iter().map(|entry| (1, entry)).collect());
        }
        self
    }

    /// A person retires the entries below the base that settings name, if nothing runs of what they name.
    pub(crate) fn retire(&mut self, base: Path) -> Option<()> {
        let newest: Vec<(u8, Entry)> = self.ledger(base).newest().into_iter().cloned().collect();
        let runs = |entry: &Entry| {
            self.clusters.get(entry.cluster as usize).is_some_and(|cluster| cluster.objects.source.is_some())
        };
        if newest.iter().any(|(_, entry)| runs(entry)) {
            return None;
        }
        let (number, entry) = newest.into_iter().find(|(_, entry)| !entry.is_retired)?;
        let ledger = self.ledger_mut(base);
        ledger.numbered.as_mut()?.push((number + 1, Entry { is_retired: true, ..entry }));
        ledger.is_known = false;
        // The claim that it names may be about to run.
        self.all_changed();
        Some(())
    }

    /// The same, with storage that keeps the volume of a deleted claim.
    pub fn with_storage_that_keeps(mut self) -> Self {
        self.clusters.iter_mut().for_each(|cluster| cluster.retains = true);
        self
    }

    /// The same, but the storage of each cluster numbers its handles independently, and so did that of the cluster that
    /// no longer exists.
    pub fn with_equal_handles(mut self) -> Self {
        self.clusters.iter_mut().for_each(|cluster| cluster.handles = Some(0));
        self
    }

    /// The same, but no log of a mover can be read.
    pub fn without_logs(mut self) -> Self {
        self.clusters.iter_mut().for_each(|cluster| cluster.is_logless = true);
        self
    }

    /// The same, with someone else's backup at the wrong path.
    pub fn with_stranger(mut self) -> Self {
        self.made.snapshots += 1;
        self.made.configs += 1;
        let id = self.made.snapshots;
        let snapshots = vec![Snapshot { id, at: 0, ancestry: 1 << id, stray: false, by: None }];
        self.repositories[1] = Repository { config: self.made.configs, snapshots, is_emptied: false };
        self
    }

    /// The path that an address leads to.
    pub(crate) fn place(&self, path: Path) -> usize {
        if self.is_renamed { Path::Right as usize } else { path as usize }
    }

    pub(crate) fn repository(&self, path: Path) -> &Repository {
        &self.repositories[self.place(path)]
    }

    pub(crate) fn repository_mut(&mut self, path: Path) -> &mut Repository {
        let place = self.place(path);
        &mut self.repositories[place]
    }

    pub(crate) fn ledger(&self, base: Path) -> &Shelf {
        &self.ledgers[self.place(base)]
    }

    pub(crate) fn ledger_mut(&mut self, base: Path) -> &mut Shelf {
        let place = self.place(base);
        &mut self.ledgers[place]
    }

    /// Whether the cluster's mover is uploading to the repository at that path.
    pub(crate) fn is_uploading(&self, at: usize, path: Path) -> bool {
        let cut = self.clusters[at].objects.source.as_ref().and_then(|it| it.cut.as_ref());
        cut.is_some_and(|cut| cut.is_uploading && self.place(cut.path) == self.place(path))
    }

    pub(crate) fn break_(&mut self, broken: Broken) {
        self.broken.get_or_insert(broken);
    }

    /// Notes that something changed on which the cluster's ReplicationSource depends.
    pub(crate) fn changed(&mut self, cluster: usize) {
        let cluster = &mut self.clusters[cluster];
        cluster.host.covers = false;
        if let Some(kept) = &mut cluster.host.kept {
            kept.covers = false;
        }
        if let Some(source) = &mut cluster.objects.source {
            source.unseen = true;
        }
    }

    /// Notes that a repository was created, for every ReplicationSource whose Secret points to it.
    fn repository_made(&mut self, path: Path) {
        for at in 0..self.clusters.len() {
            let points_there = |path_of: Path| self.place(path_of) == self.place(path);
            if self.clusters[at].objects.secret.as_ref().is_some_and(|it| points_there(it.path)) {
                self.changed(at);
            }
        }
    }

    /// Notes that something changed on which every ReplicationSource depends.
    pub(crate) fn all_changed(&mut self) {
        (0..self.clusters.len()).for_each(|at| self.changed(at));
    }

    pub(crate) fn new_uid(&mut self) -> Id {
        next(&mut self.made.uids)
    }

    fn new_volume(&mut self, cluster: usize, content: Content, populated_from: Option<Id>) -> Id {
        let cluster = &mut self.clusters[cluster];
        let id = next(cluster.handles.as_mut().unwrap_or(&mut self.made.volumes));
        cluster.volumes.push(Volume { id, content, populated_from, excuse: Excuse::default() });
        id
    }

    /// Someone creates the claim. Admission adds its data source, unless it is down.
    pub(crate) fn create(&mut self, at: usize) -> Option<()> {
        if self.clusters[at].objects.claim.is_some() {
            return None;
        }
        let uid = self.new_uid();
        let cluster = &mut self.clusters[at];
        cluster.objects.claim = Some(Claim {
            uid,
            is_sourced: cluster.admission,
            is_labelled: true,
            volume: None,
            populated_from: None,
            record: None,
            hold: None,
            accepted: Vec::new(),
            spent: Vec::new(),
            answered: None,
            is_known: false,
        });
        self.changed(at);
        Some(())
    }

    /// Someone deletes the claim. Its volume is deleted with it, unless the storage keeps volumes. Objects that it owns
    /// stay until the garbage collector runs.
    pub(crate) fn delete(&mut self, at: usize) -> Option<()> {
        let cluster = &mut self.clusters[at];
        let claim = cluster.objects.claim.take()?;
        cluster.volumes.retain(|volume| cluster.retains || Some(volume.id) != claim.volume);
        self.changed(at);
        Some(())
    }

    /// The garbage collector deletes objects whose owner is gone.
    pub(crate) fn collect(&mut self, at: usize) -> Option<()> {
        let objects = &mut self.clusters[at].objects;
        let before = objects.clone();
        let uid = objects.claim.as_ref().map(|claim| claim.uid);
        objects.destination.take_if(|it| Some(it.claim) != uid);
        objects.source.take_if(|it| !it.is_foreign && Some(it.claim) != uid);
        objects.prime.take_if(|it| Some(it.claim) != uid);
        objects.secret.take_if(|it| !it.is_foreign && Some(it.claim) != uid);
        let owner = objects.destination.as_ref().map(|it| it.uid);
        objects.images.retain(|image| Some(image.owner) == owner);
        (before != *objects).then_some(())
    }

    /// The application writes to an empty volume. Its data descends from no snapshot.
    pub(crate) fn write(&mut self, at: usize) -> Option<()> {
        let cluster = &mut self.clusters[at];
        let id = cluster.objects.claim.as_ref()?.volume?;
        let volume = cluster.volumes.iter_mut().find(|volume| volume.id == id && volume.content.is_none())?;
        volume.content = Some(0);
        Some(())
    }

    /// A claim without a data source gets an empty volume.
    pub(crate) fn bind_empty(&mut self, at: usize) -> Option<()> {
        let claim = self.clusters[at].objects.claim.as_ref()?;
        if claim.is_sourced || claim.volume.is_some() {
            return None;
        }
        let id = self.new_volume(at, None, None);
        self.clusters[at].objects.claim.as_mut()?.volume = Some(id);
        self.changed(at);
        Some(())
    }

    /// A restore's mover starts. From now on it is fixed which repository it reads.
    pub(crate) fn start_restore(&mut self, at: usize) -> Option<()> {
        let objects = &mut self.clusters[at].objects;
        let path = objects.secret.as_ref()?.path;
        let destination = objects.destination.as_mut().filter(|it| it.log.is_none() && it.started.is_none())?;
        destination.started = Some(path);
        Some(())
    }

    /// A restore's mover ends. If the repository does not exist or has no snapshot, it restores nothing, initialises
    /// the repository, and succeeds.
    pub(crate) fn end_restore(&mut self, at: usize, loses_log: bool) -> Option<()> {
        if self.outage {
            return None;
        }
        if self.clusters[at].objects.destination.as_ref()?.started.is_none() {
            self.start_restore(at)?;
        }
        let destination = self.clusters[at].objects.destination.as_ref().filter(|it| it.log.is_none())?;
        let (uid, path) = (destination.uid, destination.started?);
        let is_new = self.make_repository(path);
        let repository = self.repository(path);
        let newest = repository.snapshots.last();
        let all = repository.snapshots.iter().fold(0, |all, snapshot| all | snapshot.ancestry | 1 << snapshot.id);
        // A mover restores the newest snapshot, whoever wrote it.
        let content = newest.map(|snapshot| if snapshot.stray { all } else { snapshot.ancestry });
        let log = newest.map_or(Log::Nothing, |snapshot| Log::Restored(snapshot.id));
        let loses_log = loses_log || self.clusters[at].is_logless;
        let id = next(&mut self.made.images);
        let objects = &mut self.clusters[at].objects;
        objects.images.push(Image { id, owner: uid, content });
        let destination = objects.destination.as_mut()?;
        destination.log = Some(if loses_log { Log::Lost } else { log });
        destination.image = Some(id);
        if is_new {
            self.repository_made(path);
        }
        Some(())
    }

    /// VolSync's populator takes any image of the destination, even one that was made for an earlier claim.
    pub(crate) fn populate(&mut self, at: usize) -> Option<()> {
        let objects = &mut self.clusters[at].objects;
        let claim = objects.claim.as_ref().filter(|claim| claim.is_sourced && claim.volume.is_none())?;
        let image = objects.destination.as_ref()?.image?;
        if objects.prime.as_ref().is_some_and(|prime| prime.claim == claim.uid) {
            return None;
        }
        objects.prime = Some(Prime { claim: claim.uid, image });
        Some(())
    }

    /// VolSync has populated its own claim, if the image still exists, and gives the volume to the claim.
    pub(crate) fn bind(&mut self, at: usize) -> Option<()> {
        let objects = &mut self.clusters[at].objects;
        let claim = objects.claim.as_ref().filter(|claim| claim.volume.is_none())?;
        let prime = objects.prime.as_ref().filter(|prime| prime.claim == claim.uid)?;
        let image = objects.images.iter().find(|image| image.id == prime.image)?;
        let (id, content) = (image.id, image.content);
        objects.prime = None;
        let volume = self.new_volume(at, content, Some(id));
        let claim = self.clusters[at].objects.claim.as_mut()?;
        claim.volume = Some(volume);
        claim.populated_from = Some(id);
        Some(())
    }

    /// VolSync copies the volume for a backup. It does so at once for a new ReplicationSource, and later on its
    /// schedule, even if it is paused.
    pub(crate) fn start_backup(&mut self, at: usize) -> Option<()> {
        let cluster = &mut self.clusters[at];
        let path = cluster.objects.secret.as_ref()?.path;
        let id = cluster.objects.claim.as_ref()?.volume?;
        let volume = cluster.volumes.iter().find(|volume| volume.id == id)?;
        let source = cluster.objects.source.as_mut().filter(|it| !it.is_foreign && it.cut.is_none())?;
        source.cut = Some(Cut {
            content: volume.content,
            excuse: volume.excuse.clone(),
            volume: id,
            path,
            is_uploading: false,
            unseen: source.unseen,
        });
        Some(())
    }

    /// Initialises the repository if it does not exist, and returns whether it did.
    fn make_repository(&mut self, path: Path) -> bool {
        let is_new = self.repository(path).config == 0;
        if is_new {
            self.repository_mut(path).config = next(&mut self.made.configs);
        }
        is_new
    }

    /// The mover of a backup starts to upload the copy of the volume. It initialises the repository if there is none,
    /// and locks it. Time passes until [`World::end_backup`].
    pub(crate) fn upload(&mut self, at: usize) -> Option<()> {
        if self.outage {
            return None;
        }
        let source = self.clusters[at].objects.source.as_mut().filter(|it| !it.is_paused)?;
        let cut = source.cut.as_mut().filter(|cut| cut.content.is_some() && !cut.is_uploading)?;
        cut.is_uploading = true;
        let path = cut.path;
        if self.make_repository(path) {
            self.repository_made(path);
        }
        Some(())
    }

    /// The mover uploads the copy of the volume, and forgets the snapshots that it does not keep. The promise is
    /// checked here.
    pub(crate) fn end_backup(&mut self, at: usize) -> Option<()> {
        let cluster = &mut self.clusters[at];
        let is_logless = cluster.is_logless;
        let source = cluster.objects.source.as_mut().filter(|it| !it.is_paused)?;
        if self.outage {
            return None;
        }
        let cut = source.cut.take()?;
        let saved = source.saved;
        // A backup of an empty volume is skipped.
        let Some(content) = cut.content else { return Some(()) };
        let id = next(&mut self.made.snapshots);
        source.saved = Some(id).filter(|_| !is_logless);
        let is_stray = source.unseen || cut.unseen;
        let path = cut.path;
        let is_new = self.make_repository(path);
        let clock = self.clock;
        let repository = self.repository_mut(path);
        let is_missed = |snapshot: &Snapshot, ancestry: u64| {
            !is_stray && !snapshot.stray && !cut.excuse.covers(snapshot) && ancestry >> snapshot.id & 1 == 0
        };
        // Whoever wrote the newest snapshot, this volume must continue from it, or a person must have accepted that it
        // may.
        let newest = repository.snapshots.iter().rev().find(|snapshot| !snapshot.stray);
        let is_over = newest.is_some_and(|newest| is_missed(newest, content));
        let excused = repository.snapshots.iter().filter(|it| cut.excuse.covers(it));
        let ancestry = excused.fold(content, |all, it| all | it.ancestry | 1 << it.id) | 1 << id;
        self.is_forked |= is_stray && self.ledger(path).is_blank();
        let is_put_back = self.is_put_back;
        let repository = self.repository_mut(path);
        let by = Some(Mover { cluster: at as Id, volume: cut.volume });
        let is_told = !is_put_back || repository.tells_of_another(by, saved);
        repository.snapshots.push(Snapshot { id, at: clock, ancestry, stray: is_stray, by });
        repository.is_emptied = false;
        let mut is_lost = false;
        while repository.snapshots.len() > KEPT {
            let forgotten = repository.snapshots.remove(0);
            is_lost |= is_missed(&forgotten, ancestry);
        }
        if let Some(volume) = self.clusters[at].volumes.iter_mut().find(|volume| volume.id == cut.volume) {
            // The data on the volume now descends from the new snapshot.
            volume.content = volume.content.map(|content| content | ancestry);
        }
        let is_excused = self.is_forked || !is_told;
        if is_lost && !is_excused {
            self.break_(Broken::Promise);
        }
        if is_over && !is_excused {
            self.break_(Broken::Overwritten);
        }
        if is_new {
            self.repository_made(path);
        }
        Some(())
    }

    /// A person accepts the hold that was last shown for the claim.
    pub(crate) fn accept(&mut self, at: usize) -> Option<()> {
        let still = View::of(self, at, 0)?.answer().hold.clone();
        let cluster = &mut self.clusters[at];
        let claim = cluster.objects.claim.as_mut()?;
        let hold = claim.hold.clone()?;
        if claim.accepted.iter().any(|it| it.id == hold.id) {
            return None;
        }
        claim.answered = Some(hold.code).filter(|_| still.as_ref() == Some(&hold.id));
        // The person accepted the volume that they were shown, which the claim may no longer have.
        if let Some(volume) = cluster.volumes.iter_mut().find(|volume| Some(volume.id) == hold.saw.volume) {
            agree(&mut volume.excuse, hold.code, &hold.saw);
        }
        claim.accepted.push(hold);
        Some(())
    }

    /// Someone changes the Secret to the other repository.
    pub(crate) fn repoint_secret(&mut self, at: usize) -> Option<()> {
        let secret = self.clusters[at].objects.secret.as_mut()?;
        secret.path = secret.path.other();
        self.changed(at);
        Some(())
    }

    /// Someone changes the settings to the other base.
    pub(crate) fn repoint_base(&mut self, at: usize) {
        self.clusters[at].base = self.clusters[at].base.other();
        self.changed(at);
    }

    /// etcd is restored from its backup; the storage and the bucket are not.
    pub(crate) fn restore_etcd(&mut self, at: usize) -> Option<()> {
        let cluster = &mut self.clusters[at];
        cluster.objects = *cluster.etcd.take()?;
        cluster.host = Host::default();
        self.changed(at);
        Some(())
    }

    /// The claim's volume is lost, or kept if the storage keeps volumes, and the same claim gets a new one.
    pub(crate) fn replace_volume(&mut self, at: usize) -> Option<()> {
        let old = self.clusters[at].objects.claim.as_ref()?.volume?;
        if !self.clusters[at].retains {
            self.clusters[at].volumes.retain(|volume| volume.id != old);
        }
        let new = self.new_volume(at, None, None);
        self.put_volume(at, new, None)
    }

    /// The claim gets back the oldest volume that the storage kept.
    pub(crate) fn bring_volume_back(&mut self, at: usize) -> Option<()> {
        let cluster = &self.clusters[at];
        let now = cluster.objects.claim.as_ref()?.volume?;
        let old = cluster.volumes.iter().find(|volume| volume.id != now)?;
        let (old, populated_from) = (old.id, old.populated_from);
        self.put_volume(at, old, populated_from)
    }

    fn put_volume(&mut self, at: usize, volume: Id, populated_from: Option<Id>) -> Option<()> {
        let claim = self.clusters[at].objects.claim.as_mut()?;
        (claim.volume, claim.populated_from) = (Some(volume), populated_from);
        self.changed(at);
        Some(())
    }

    /// The bucket is copied: the ledger, with the repository or without it.
    pub(crate) fn copy_bucket(&mut self, with_repository: bool) -> Option<()> {
        if self.is_renamed {
            return None;
        }
        self.ledgers[1] = self.ledgers[0].clone();
        if with_repository {
            self.repositories[1] = self.repositories[0].clone();
        }
        self.all_changed();
        Some(())
    }

    /// The endpoint gets another name, which the settings use from now on. The old name still works.
    pub(crate) fn rename(&mut self, at: usize) -> Option<()> {
        let has_place = self.repositories[1] != Repository::default() || self.ledgers[1] != Shelf::default();
        if has_place && !self.is_renamed {
            return None;
        }
        self.is_renamed = true;
        self.repoint_base(at);
        Some(())
    }
}

/// Notes what a person agrees to by accepting a hold with that code: that this volume continues from the snapshots that
/// they see, or only that the repository is as they see it.
fn agree(excuse: &mut Excuse, code: Code, saw: &Saw) {
    let goes_on = match code {
        Code::VolumeReplaced
        | Code::Superseded
        | Code::UnrestoredVolume
        | Code::ForeignSource
        | Code::PopulatedFromOtherImage
        | Code::RestoreCameBackEmpty
        | Code::RestoreUnverified
        | Code::RestoredFromElsewhere
        | Code::RestoredOlder => true,
        // The person agrees only to what the other writer writes from now on. There are other holds for what it has
        // written already.
        Code::OtherWriterActive => false,
        _ => saw.is_released,
    };
    if goes_on {
        excuse.snapshots |= saw.snapshots;
    }
    if let (Code::Superseded | Code::OtherWriterActive, Some((cluster, _, volume, _))) = (code, saw.writer) {
        excuse.writer = Some((Mover { cluster, volume }, saw.newest.unwrap_or_default()));
    }
}
