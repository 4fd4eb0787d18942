//! The world: objects of the clusters, volumes, one bucket; and the moves that VolSync, Kubernetes and people make.
//!
//! Facts are those of VolSync 0.16 on Kubernetes 1.36. Where the real thing is slower or does less, the model may do
//! more: every extra move is one more chance for a property to break.

use crate::objects::{
    Claim, Content, Cut, Entry, Id, Image, Log, Objects, Path, Prime, Repository, Shelf, Snapshot, Tick, Volume,
};
use crate::task::Task;
use crate::view::View;

/// How many snapshots a backup keeps: `forget` drops the rest.
pub const KEPT: usize = 2;

/// The host of one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Host {
    /// What is left to carry out.
    pub tasks: Vec<Task>,
    /// Whether the plan came from a full reading, and nothing has changed since.
    pub covers: bool,
    /// What it has read, to plan with a part of it later.
    pub kept: Option<Box<Kept>>,
}

/// An earlier reading.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kept {
    /// What was read.
    pub view: View,
    /// Whether nothing has changed under the ReplicationSource since.
    pub covers: bool,
}

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cluster {
    /// The base that its settings name.
    pub base: Path,
    /// Whether admission answers.
    pub admission: bool,
    /// What etcd holds.
    pub objects: Objects,
    /// What the storage holds.
    pub volumes: Vec<Volume>,
    /// The host.
    pub host: Host,
    /// A backup of etcd.
    pub etcd: Option<Box<Objects>>,
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
    /// Moves of people and of fate.
    pub mishaps: u8,
}

/// A property that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Broken {
    /// Good backups were aged out by a volume that was not restored from them.
    Promise,
    /// The repository was taken over from a cluster that backs up to it.
    Writer,
    /// What could not be read released a backup, or started a restore.
    Unknown,
    /// What contradicts the memory was treated as new.
    Memory,
    /// A backup that was released was deleted, and nothing had changed.
    Flapping,
    /// An object of someone else was to be overwritten or deleted.
    Ownership,
    /// What VolSync did between two readings was taken for something to delete, or to ask a person about.
    Torn,
}

/// Everything there is.
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
    /// The numbers that were given out.
    pub made: Made,
    /// The first property that broke.
    pub broken: Option<Broken>,
}

fn next(counter: &mut u8) -> u8 {
    *counter += 1;
    *counter
}

impl World {
    /// One bucket with a pinned ledger, and so many clusters without the claim.
    pub fn new(clusters: usize) -> Self {
        let cluster = Cluster {
            base: Path::Right,
            admission: true,
            objects: Objects::default(),
            volumes: Vec::new(),
            host: Host::default(),
            etcd: None,
        };
        World {
            clock: 4,
            outage: false,
            clusters: vec![cluster; clusters],
            repositories: [Repository::default(), Repository::default()],
            ledgers: [Shelf { is_initialised: true, entry: None }, Shelf::default()],
            made: Made::default(),
            broken: None,
        }
    }

    /// The same, with two good backups that a cluster long gone has made.
    pub fn with_backups(clusters: usize) -> Self {
        let mut world = World::new(clusters);
        let snapshot = |id: Id| Snapshot { id, at: id - 1, ancestry: (1 << id) | 1 << 1, stray: false };
        world.repositories[0] = Repository { config: 1, snapshots: vec![snapshot(1), snapshot(2)], is_emptied: false };
        world.made = Made { uids: 1, volumes: 1, images: 0, snapshots: 2, configs: 1, mishaps: 0 };
        let memory = Some((1, 2, 1));
        let entry = Entry { path: Path::Right, cluster: 9, uid: 1, volume: 1, since: 0, term: 1, memory };
        world.ledgers[0].entry = Some(entry);
        world
    }

    /// The same, with a stranger's backup where the wrong path leads.
    pub fn with_stranger(mut self) -> Self {
        self.made.snapshots += 1;
        self.made.configs += 1;
        let id = self.made.snapshots;
        let snapshots = vec![Snapshot { id, at: 0, ancestry: 1 << id, stray: false }];
        self.repositories[1] = Repository { config: self.made.configs, snapshots, is_emptied: false };
        self
    }

    pub(crate) fn repository(&self, path: Path) -> &Repository {
        &self.repositories[path as usize]
    }

    pub(crate) fn ledger(&self, base: Path) -> &Shelf {
        &self.ledgers[base as usize]
    }

    pub(crate) fn break_(&mut self, broken: Broken) {
        self.broken.get_or_insert(broken);
    }

    /// Something changed under the cluster's ReplicationSource.
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

    /// Where there was nothing, there is a repository now: under every ReplicationSource whose Secret points there.
    fn repository_made(&mut self, path: Path) {
        for at in 0..self.clusters.len() {
            if self.clusters[at].objects.secret.as_ref().is_some_and(|it| it.path == path) {
                self.changed(at);
            }
        }
    }

    pub(crate) fn new_uid(&mut self) -> Id {
        next(&mut self.made.uids)
    }

    fn new_volume(&mut self, cluster: usize, content: Content, is_accepted: bool) -> Id {
        let id = next(&mut self.made.volumes);
        self.clusters[cluster].volumes.push(Volume { id, content, is_accepted });
        id
    }

    /// Someone creates the claim; admission gives it its source, unless it is down.
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
        });
        self.changed(at);
        Some(())
    }

    /// Someone deletes the claim, and its volume with it. What it owns stays until the garbage collector comes.
    pub(crate) fn delete(&mut self, at: usize) -> Option<()> {
        let cluster = &mut self.clusters[at];
        let claim = cluster.objects.claim.take()?;
        cluster.volumes.retain(|volume| Some(volume.id) != claim.volume);
        self.changed(at);
        Some(())
    }

    /// The garbage collector removes what the claim does not own any more.
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

    /// The app writes to an empty volume: data that descends from nothing.
    pub(crate) fn write(&mut self, at: usize) -> Option<()> {
        let cluster = &mut self.clusters[at];
        let id = cluster.objects.claim.as_ref()?.volume?;
        let volume = cluster.volumes.iter_mut().find(|volume| volume.id == id && volume.content.is_none())?;
        volume.content = Some(0);
        Some(())
    }

    /// A claim without a source gets an empty volume.
    pub(crate) fn bind_empty(&mut self, at: usize) -> Option<()> {
        let claim = self.clusters[at].objects.claim.as_ref()?;
        if claim.is_sourced || claim.volume.is_some() {
            return None;
        }
        let id = self.new_volume(at, None, false);
        self.clusters[at].objects.claim.as_mut()?.volume = Some(id);
        self.changed(at);
        Some(())
    }

    /// A restore's mover starts: where it reads is settled.
    pub(crate) fn start_restore(&mut self, at: usize) -> Option<()> {
        let objects = &mut self.clusters[at].objects;
        let path = objects.secret.as_ref()?.path;
        let destination = objects.destination.as_mut().filter(|it| it.log.is_none() && it.started.is_none())?;
        destination.started = Some(path);
        Some(())
    }

    /// A restore's mover ends. In a repository that is not there or has no snapshot it restores nothing, makes the
    /// repository, and succeeds.
    pub(crate) fn end_restore(&mut self, at: usize, loses_log: bool) -> Option<()> {
        if self.outage {
            return None;
        }
        if self.clusters[at].objects.destination.as_ref()?.started.is_none() {
            self.start_restore(at)?;
        }
        let destination = self.clusters[at].objects.destination.as_ref().filter(|it| it.log.is_none())?;
        let (uid, path) = (destination.uid, destination.started?);
        let repository = &mut self.repositories[path as usize];
        let is_new = repository.config == 0;
        if is_new {
            repository.config = next(&mut self.made.configs);
        }
        let newest = repository.snapshots.last();
        let all = repository.snapshots.iter().fold(0, |all, snapshot| all | snapshot.ancestry | 1 << snapshot.id);
        // The newest is what a mover restores, whoever wrote it.
        let content = newest.map(|snapshot| if snapshot.stray { all } else { snapshot.ancestry });
        let log = newest.map_or(Log::Nothing, |snapshot| Log::Restored(snapshot.id));
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

    /// VolSync's populator takes any image that the destination of that name has, whichever incarnation's.
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

    /// VolSync has filled its own claim, where the image still is, and gives the volume to the claim.
    pub(crate) fn bind(&mut self, at: usize) -> Option<()> {
        let objects = &mut self.clusters[at].objects;
        let claim = objects.claim.as_ref().filter(|claim| claim.volume.is_none())?;
        let prime = objects.prime.as_ref().filter(|prime| prime.claim == claim.uid)?;
        let image = objects.images.iter().find(|image| image.id == prime.image)?;
        let (id, content, is_accepted) = (image.id, image.content, !claim.accepted.is_empty());
        objects.prime = None;
        let volume = self.new_volume(at, content, is_accepted);
        let claim = self.clusters[at].objects.claim.as_mut()?;
        claim.volume = Some(volume);
        claim.populated_from = Some(id);
        Some(())
    }

    /// A ReplicationSource cuts the volume: a new one at once, later on its schedule, paused or not.
    pub(crate) fn start_backup(&mut self, at: usize) -> Option<()> {
        let cluster = &mut self.clusters[at];
        let path = cluster.objects.secret.as_ref()?.path;
        let id = cluster.objects.claim.as_ref()?.volume?;
        let volume = cluster.volumes.iter().find(|volume| volume.id == id)?;
        let source = cluster.objects.source.as_mut().filter(|it| !it.is_foreign && it.cut.is_none())?;
        source.cut = Some(Cut {
            content: volume.content,
            is_accepted: volume.is_accepted,
            volume: id,
            path,
            unseen: source.unseen,
        });
        Some(())
    }

    /// A ReplicationSource uploads what it cut and forgets what is older than it keeps. The promise is tested here.
    pub(crate) fn end_backup(&mut self, at: usize) -> Option<()> {
        let cluster = &mut self.clusters[at];
        let source = cluster.objects.source.as_mut().filter(|it| !it.is_paused)?;
        if self.outage {
            return None;
        }
        let cut = source.cut.take()?;
        // An empty volume is skipped.
        let Some(ancestry) = cut.content else { return Some(()) };
        let id = next(&mut self.made.snapshots);
        source.saved = Some(id);
        let is_stray = source.unseen || cut.unseen;
        let is_excused = is_stray || cut.is_accepted;
        let path = cut.path;
        let repository = &mut self.repositories[path as usize];
        let is_new = repository.config == 0;
        if is_new {
            repository.config = next(&mut self.made.configs);
        }
        let all = repository.snapshots.iter().fold(0, |all, snapshot| all | snapshot.ancestry | 1 << snapshot.id);
        let ancestry = if cut.is_accepted { ancestry | all } else { ancestry } | 1 << id;
        repository.snapshots.push(Snapshot { id, at: self.clock, ancestry, stray: is_stray });
        repository.is_emptied = false;
        let mut is_lost = false;
        while repository.snapshots.len() > KEPT {
            let forgotten = repository.snapshots.remove(0);
            is_lost |= !is_excused && !forgotten.stray && ancestry >> forgotten.id & 1 == 0;
        }
        if let Some(volume) = cluster.volumes.iter_mut().find(|volume| volume.id == cut.volume) {
            // What is on the volume goes on from the snapshot just taken of it.
            volume.content = volume.content.map(|content| content | ancestry);
        }
        if is_lost {
            self.break_(Broken::Promise);
        }
        if is_new {
            self.repository_made(path);
        }
        Some(())
    }

    /// A person accepts the hold that stands on the claim.
    pub(crate) fn accept(&mut self, at: usize) -> Option<()> {
        let cluster = &mut self.clusters[at];
        let claim = cluster.objects.claim.as_mut()?;
        let (_, id) = claim.hold.clone()?;
        if claim.accepted.contains(&id) {
            return None;
        }
        claim.accepted.push(id);
        if let Some(volume) = cluster.volumes.iter_mut().find(|volume| Some(volume.id) == claim.volume) {
            volume.is_accepted = true;
        }
        Some(())
    }

    /// Someone points the Secret at the other repository.
    pub(crate) fn repoint_secret(&mut self, at: usize) -> Option<()> {
        let secret = self.clusters[at].objects.secret.as_mut()?;
        secret.path = secret.path.other();
        self.changed(at);
        Some(())
    }

    /// Someone points the settings at the other base.
    pub(crate) fn repoint_base(&mut self, at: usize) {
        self.clusters[at].base = self.clusters[at].base.other();
        self.changed(at);
    }

    /// Etcd is restored from its backup; the storage and the bucket are not.
    pub(crate) fn restore_etcd(&mut self, at: usize) -> Option<()> {
        let cluster = &mut self.clusters[at];
        cluster.objects = *cluster.etcd.take()?;
        cluster.host = Host::default();
        self.changed(at);
        Some(())
    }

    /// The storage is lost, and made anew for the same claim.
    pub(crate) fn replace_volume(&mut self, at: usize) -> Option<()> {
        let old = self.clusters[at].objects.claim.as_ref()?.volume?;
        self.clusters[at].volumes.retain(|volume| volume.id != old);
        let new = self.new_volume(at, None, false);
        let claim = self.clusters[at].objects.claim.as_mut()?;
        claim.volume = Some(new);
        claim.populated_from = None;
        self.changed(at);
        Some(())
    }
}
