//! The objects of one claim, as etcd, the storage and the store hold them.

use volsync_policy::{Code, HoldId};

/// A number that names an object, a volume, an image, a snapshot or a repository, each counted from 1.
pub type Id = u8;

/// The hours of the store's clock; the interval between two backups is one.
pub type Tick = u8;

/// What is on a volume: nothing at all, or data that descends from these snapshots, a bit for each.
pub type Content = Option<u64>;

/// Where a repository can be: below the base that was always meant, or below another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// The one with the backups.
    Right,
    /// Another.
    Wrong,
}

impl Path {
    /// The other of the two.
    pub fn other(self) -> Self {
        match self {
            Path::Right => Path::Wrong,
            Path::Wrong => Path::Right,
        }
    }
}

/// A snapshot in a repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot {
    /// Its name.
    pub id: Id,
    /// When it was written.
    pub at: Tick,
    /// The snapshots that its data descends from, itself among them.
    pub ancestry: u64,
    /// Whether nobody could have kept it out (see [`Source::unseen`]): it is not missed.
    pub stray: bool,
}

/// A repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Repository {
    /// Its `config`; 0 where there is none.
    pub config: Id,
    /// Its snapshots, oldest first.
    pub snapshots: Vec<Snapshot>,
    /// Whether a person has removed all snapshots, and data is left.
    pub is_emptied: bool,
}

/// The record of a release.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// The claim.
    pub uid: Id,
    /// Its volume.
    pub volume: Id,
    /// Its repository.
    pub config: Option<Id>,
    /// Its newest snapshot when the record was written.
    pub newest: Option<Id>,
    /// The term of the entry.
    pub term: u8,
    /// Marked overtaken.
    pub overtaken: bool,
    /// Marked elsewhere.
    pub elsewhere: bool,
    /// Marked moved.
    pub moved: bool,
    /// Whether it says why a person accepted the hold before it.
    pub is_reasoned: bool,
}

/// The ledger's entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Where the repository is.
    pub path: Path,
    /// The writer's cluster.
    pub cluster: Id,
    /// The writer.
    pub uid: Id,
    /// The writer's volume.
    pub volume: Id,
    /// When it took over.
    pub since: Tick,
    /// How often the entry was taken over.
    pub term: u8,
    /// The repository's `config`, the newest snapshot, and its time.
    pub memory: Option<(Id, Id, Tick)>,
}

/// The ledger below one base.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Shelf {
    /// Whether it is the ledger that settings pin.
    pub is_initialised: bool,
    /// The claim's entry.
    pub entry: Option<Entry>,
}

/// The claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// Its incarnation.
    pub uid: Id,
    /// Whether admission gave it a `dataSourceRef`.
    pub is_sourced: bool,
    /// Whether it carries the label.
    pub is_labelled: bool,
    /// Its volume, once it is Bound.
    pub volume: Option<Id>,
    /// The image its volume was filled from.
    pub populated_from: Option<Id>,
    /// The record of its release.
    pub record: Option<Record>,
    /// The hold that stands on it, where a person can accept one.
    pub hold: Option<(Code, HoldId)>,
    /// The holds that a person accepted.
    pub accepted: Vec<HoldId>,
}

/// The claim's Secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Secret {
    /// The claim's uid on it.
    pub claim: Id,
    /// Where it points.
    pub path: Path,
    /// Whether it is someone else's.
    pub is_foreign: bool,
}

/// What a restore's log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Log {
    /// This snapshot was restored.
    Restored(Id),
    /// Nothing was.
    Nothing,
    /// It is lost.
    Lost,
}

/// The ReplicationDestination `<pvc>-restore`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// Its own uid.
    pub uid: Id,
    /// The claim's uid on it.
    pub claim: Id,
    /// Whether it is expected to find nothing.
    pub expects_nothing: bool,
    /// Where its mover reads, once that has started: its environment is fixed then.
    pub started: Option<Path>,
    /// How it ended.
    pub log: Option<Log>,
    /// `status.latestImage`.
    pub image: Option<Id>,
    /// The image noted as consumed.
    pub noted: Option<Id>,
}

/// A backup under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cut {
    /// What was on the volume when it was cut.
    pub content: Content,
    /// Whether a person has accepted that volume.
    pub is_accepted: bool,
    /// The volume.
    pub volume: Id,
    /// Where it goes.
    pub path: Path,
    /// [`Source::unseen`] when it was cut: the Secret may have been put right since.
    pub unseen: bool,
}

/// The ReplicationSource `<pvc>-backup`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// Its own uid.
    pub uid: Id,
    /// The claim's uid on it.
    pub claim: Id,
    /// Whether it is someone else's.
    pub is_foreign: bool,
    /// `spec.paused`.
    pub is_paused: bool,
    /// The backup under way.
    pub cut: Option<Cut>,
    /// Its copy of the record.
    pub record: Option<Record>,
    /// The snapshot that it saved last, by its log.
    pub saved: Option<Id>,
    /// Something changed under it since its host last carried out a plan made from a full reading: the claim, its
    /// volume, its Secret, its repository, its writer. VolSync runs it all the same; no host can be faster.
    /// Not an object's field: what the properties excuse.
    pub unseen: bool,
}

impl Destination {
    /// What of it stands in its fields: while its mover runs, that it does.
    pub(crate) fn shown(self) -> Self {
        let started = self.started.filter(|_| self.log.is_none()).map(|_| Path::Right);
        Destination { started, ..self }
    }
}

impl Source {
    /// What of it stands in its fields: of a backup under way, that it is.
    pub(crate) fn shown(self) -> Self {
        let cut =
            self.cut.map(|_| Cut { content: None, is_accepted: false, volume: 0, path: Path::Right, unseen: false });
        Source { cut, unseen: false, ..self }
    }
}

/// VolSync's `vs-prime-<uid>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Prime {
    /// The claim that it is for.
    pub claim: Id,
    /// The image that it is filled from.
    pub image: Id,
}

/// A VolumeSnapshot that a restore made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Image {
    /// Its name.
    pub id: Id,
    /// The ReplicationDestination that owns it.
    pub owner: Id,
    /// What is on it.
    pub content: Content,
}

/// A volume of the storage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Volume {
    /// Its handle.
    pub id: Id,
    /// What is on it.
    pub content: Content,
    /// Whether a person has accepted a hold on it.
    pub is_accepted: bool,
}

/// What etcd holds of one claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Objects {
    /// The claim.
    pub claim: Option<Claim>,
    /// The Secret.
    pub secret: Option<Secret>,
    /// The ReplicationDestination.
    pub destination: Option<Destination>,
    /// The ReplicationSource.
    pub source: Option<Source>,
    /// VolSync's own claim.
    pub prime: Option<Prime>,
    /// The VolumeSnapshots of restores.
    pub images: Vec<Image>,
}
