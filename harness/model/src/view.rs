//! What a host reads of the world, and when.

use crate::objects::{Claim, Destination, Entry, Id, Image, Path, Prime, Saw, Secret, Shelf, Source, Tick};
use crate::world::World;

/// The parts that cannot be read, as bits.
pub type Blind = u8;
/// The repository.
pub const NO_REPOSITORY: Blind = 1;
/// The claim's entry in the ledger, while the ledger marker can be read.
pub const NO_LEDGER: Blind = 2;
/// Secret, ReplicationDestination and VolSync's own claim.
pub const NO_OBJECTS: Blind = 4;
/// The ReplicationSource.
pub const NO_SOURCE: Blind = 8;
/// The PersistentVolume.
pub const NO_VOLUME: Blind = 16;
/// The ledger marker.
pub const NO_MARKER: Blind = 32;
/// The ReplicationSource, at the second look.
pub const NO_SECOND_LOOK: Blind = 64;
/// The whole store.
const NO_STORE: Blind = NO_REPOSITORY | NO_LEDGER | NO_MARKER;

/// The parts that a host reads, as bits in the order of reading: an effect comes before its cause.
pub type Parts = u8;
/// The claim, and its volume.
pub const CLAIM: Parts = 1;
/// VolSync's own claim.
pub const POPULATOR: Parts = 2;
/// The ReplicationDestination, and its image.
pub const DESTINATION: Parts = 4;
/// The ReplicationSource.
pub const SOURCE: Parts = 8;
/// The Secret.
pub const SECRET: Parts = 16;
/// The ledger.
pub const LEDGER: Parts = 32;
/// The repository.
pub const REPOSITORY: Parts = 64;
/// All of them.
pub const ALL: Parts = 127;

/// Whether a host that reads in order can have read these parts before an event, and the others after it.
pub fn is_in_order(earlier: Parts) -> bool {
    (earlier + 1).is_power_of_two()
}

/// A repository as its listings show it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shown {
    /// Where it was read.
    pub(crate) path: Path,
    pub(crate) config: Id,
    pub(crate) is_emptied: bool,
    /// Whether it has a lock that is as old as the listing.
    pub(crate) is_locked: bool,
    /// The snapshots in it, and when each was written; oldest first.
    pub(crate) snapshots: Vec<(Id, Tick)>,
}

impl Shown {
    fn of(world: &World, path: Path) -> Self {
        let repository = world.repository(path);
        Shown {
            path,
            config: repository.config,
            is_emptied: repository.is_emptied,
            is_locked: (0..world.clusters.len()).any(|at| world.is_uploading(at, path)),
            snapshots: repository.snapshots.iter().map(|it| (it.id, it.at)).collect(),
        }
    }

    /// The newest snapshot, and when it was written.
    pub(crate) fn newest(&self) -> Option<(Id, Tick)> {
        self.snapshots.last().copied()
    }
}

/// Everything the host has read about the claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    pub(crate) cluster: Id,
    pub(crate) base: Path,
    pub(crate) now: Tick,
    pub(crate) blind: Blind,
    pub(crate) claim: Claim,
    pub(crate) secret: Option<Secret>,
    pub(crate) destination: Option<Destination>,
    /// The image that the ReplicationDestination names, without its content, which nobody can see.
    pub(crate) image: Option<Image>,
    pub(crate) prime: Option<Prime>,
    pub(crate) source: Option<Source>,
    /// The ReplicationSource as it is at a second look, after everything else.
    pub(crate) source_again: Option<Source>,
    pub(crate) shown: Shown,
    pub(crate) shelf: Shelf,
    /// The ledger beside the repository that the Secret names, where that is another.
    pub(crate) live: Option<Shelf>,
}

/// The repository that is read: the one that the Secret names, or would name.
fn judged(secret: Option<&Secret>, base: Path) -> Path {
    secret.map_or(base, |secret| secret.path)
}

impl View {
    /// Reads every part that can be reached.
    pub fn of(world: &World, at: usize, blind: Blind) -> Option<View> {
        let cluster = &world.clusters[at];
        let objects = &cluster.objects;
        let claim = Claim { hold: None, answered: None, ..objects.claim.clone()? };
        let secret = objects.secret.clone();
        let blind = blind | if world.outage { NO_STORE } else { 0 };
        let destination = objects.destination.clone();
        let named = destination.as_ref().and_then(|it| it.image);
        let image = objects.images.iter().find(|image| Some(image.id) == named);
        let path = judged(secret.as_ref(), cluster.base);
        Some(View {
            cluster: at as Id,
            base: cluster.base,
            now: world.clock,
            blind,
            claim,
            secret,
            image: image.map(|image| Image { content: None, ..image.clone() }),
            destination: destination.map(Destination::shown),
            prime: objects.prime.clone(),
            source: objects.source.clone().map(Source::shown),
            source_again: objects.source.clone().map(Source::shown),
            shown: Shown::of(world, path),
            shelf: world.ledger(cluster.base).seen_by(at as Id),
            live: (path != cluster.base).then(|| world.ledger(path).seen_by(at as Id)),
        })
    }

    /// These parts of an earlier reading, and the others of this one, which is of the present world.
    pub(crate) fn torn(mut self, world: &World, earlier: &View, parts: Parts) -> View {
        let is = |part| parts & part != 0;
        if is(CLAIM) {
            self.claim = earlier.claim.clone();
        }
        if is(POPULATOR) {
            self.prime = earlier.prime.clone();
        }
        if is(DESTINATION) {
            (self.destination, self.image) = (earlier.destination.clone(), earlier.image.clone());
        }
        if is(SOURCE) {
            self.source = earlier.source.clone();
        }
        if is(SECRET) {
            self.secret = earlier.secret.clone();
        }
        if is(LEDGER) {
            self.shelf = earlier.shelf.clone();
            self.live = earlier.live.clone();
            let ledger = NO_LEDGER | NO_MARKER;
            self.blind = self.blind & !ledger | earlier.blind & ledger;
        }
        if is(REPOSITORY) {
            (self.now, self.shown) = (earlier.now, earlier.shown.clone());
            self.blind = self.blind & !NO_REPOSITORY | earlier.blind & NO_REPOSITORY;
        } else {
            self.shown = Shown::of(world, judged(self.secret.as_ref(), self.base));
        }
        self
    }

    /// The entry that counts, unless it is retired: the one beside the repository that the Secret names, if that is
    /// another.
    pub(crate) fn entry(&self) -> Option<&Entry> {
        let live = self.live.as_ref().filter(|it| it.is_initialised).and_then(|it| it.entry.as_ref());
        live.or(self.shelf.entry.as_ref()).filter(|it| !it.is_retired)
    }

    /// What a person is shown, and what is true of it.
    pub(crate) fn saw(&self) -> Saw {
        let writer = self.entry().map(|it| (it.cluster, it.uid, it.volume, it.term));
        Saw {
            volume: self.claim.volume,
            is_released: self.claim.record.as_ref().is_some_and(|it| it.uid == self.claim.uid),
            path: self.shown.path,
            config: self.shown.config,
            is_emptied: self.shown.is_emptied,
            snapshots: self.shown.snapshots.iter().fold(0, |all, (id, _)| all | 1 << id),
            newest: self.shown.newest().map(|(id, _)| id),
            writer,
        }
    }

    pub(crate) fn reads(&self, part: Blind) -> bool {
        self.blind & part == 0
    }
}
