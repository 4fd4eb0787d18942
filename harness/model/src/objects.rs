//! The objects of one claim, as etcd, the storage and the store hold them.

use volsync_policy::evidence::Expectation;
use volsync_policy::{Code, HoldId};

use crate::stored::name_of_entry;

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
    /// Who wrote it. Nobody reads that in a repository: it is what is true.
    pub by: Option<Mover>,
}

/// The one volume of the world whose content a backup is of: handles can be equal in two clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mover {
    /// The cluster.
    pub cluster: Id,
    /// The volume in it.
    pub volume: Id,
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

impl Repository {
    /// Whether a host can read that this mover's volume did not write the newest snapshot: the log of its last backup
    /// names an earlier one. It cannot where that log was never read, where what it names was aged out, or where the
    /// mover has meanwhile written on top.
    pub fn tells_of_another(&self, mover: Option<Mover>, saved: Option<Id>) -> bool {
        let is_listed = |id: Id| self.snapshots.iter().any(|snapshot| snapshot.id == id);
        saved.is_some_and(is_listed) && self.snapshots.last().is_some_and(|newest| newest.by != mover)
    }
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

/// The ledger entry.
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
    /// Whether it is retired.
    pub is_retired: bool,
}

/// The ledger below one base.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Shelf {
    /// Whether it is the ledger that settings pin.
    pub is_initialised: bool,
    /// The claim's entry; in a store without conditional writes, none.
    pub entry: Option<Entry>,
    /// The claim's numbered entries, in a store without conditional writes.
    pub numbered: Option<Vec<(u8, Entry)>>,
    /// Whether a host has seen backups of the claim, and had the time to write that down. It goes where the entry goes.
    /// Not an object's field: what the properties ask for.
    pub is_known: bool,
}

impl Shelf {
    /// The numbered entries with the highest number.
    pub fn newest(&self) -> Vec<&(u8, Entry)> {
        let numbered = self.numbered.iter().flatten();
        let highest = numbered.clone().map(|(number, _)| number).max();
        numbered.filter(|(number, _)| Some(number) == highest).collect()
    }

    /// The ledger as the host of a cluster sees it. If several entries have the highest number, it sees that of another
    /// cluster.
    pub(crate) fn seen_by(&self, cluster: Id) -> Shelf {
        if self.numbered.is_none() {
            return self.clone();
        }
        let mut newest = self.newest();
        newest.sort_by_key(|(number, entry)| {
            (!entry.is_retired && entry.cluster != cluster, name_of_entry(*number, entry))
        });
        Shelf { entry: newest.last().map(|(_, entry)| entry.clone()), ..self.clone() }
    }

    /// Whether there is no entry.
    pub(crate) fn is_blank(&self) -> bool {
        self.entry.is_none() && self.newest().is_empty()
    }
}

/// What a host showed to a person, and what was true of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Saw {
    /// The claim's volume, if it was Bound.
    pub volume: Option<Id>,
    /// Whether the claim was released.
    pub is_released: bool,
    /// Where the repository was read.
    pub path: Path,
    /// Its `config`.
    pub config: Id,
    /// Whether a person had removed all snapshots.
    pub is_emptied: bool,
    /// The snapshots that were listed, a bit for each.
    pub snapshots: u64,
    /// The newest of them.
    pub newest: Option<Id>,
    /// The writer in the ledger: cluster, claim, volume, term.
    pub writer: Option<(Id, Id, Id, u8)>,
}

/// A hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    /// Its code.
    pub code: Code,
    /// Its name.
    pub id: HoldId,
    /// What a person was shown.
    pub saw: Saw,
    /// Whether a host has since read that it had changed, and had the time to write that down.
    pub is_over: bool,
}

/// What a person has agreed that backups of a volume are written over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Excuse {
    /// The snapshots that they were shown, a bit for each.
    pub snapshots: u64,
    /// The other writer that they were shown, and the newest snapshot at that time: what it writes later is agreed to,
    /// because nobody can look again after each of its backups.
    pub writer: Option<(Mover, Id)>,
}

impl Excuse {
    /// Whether they have agreed that this one is written over.
    pub fn covers(&self, snapshot: &Snapshot) -> bool {
        let is_of_writer = |(writer, newest): (Mover, Id)| snapshot.by == Some(writer) && snapshot.id > newest;
        self.snapshots >> snapshot.id & 1 == 1 || self.writer.is_some_and(is_of_writer)
    }
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
    pub hold: Option<Hold>,
    /// The holds that a person accepted. They stay, whatever changes.
    pub accepted: Vec<Hold>,
    /// The names of those that no longer count.
    pub spent: Vec<HoldId>,
    /// The code that a person has just accepted, until anything but the claim's own host does something.
    pub answered: Option<Code>,
    /// Whether a host has seen that it was restored from a backup, and had the time to act on it.
    pub is_known: bool,
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
    /// What it is expected to find.
    pub expects: Expectation,
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
    /// What a person has agreed to of that volume.
    pub excuse: Excuse,
    /// The volume.
    pub volume: Id,
    /// Where it goes.
    pub path: Path,
    /// Whether the mover is at work, and keeps its lock in the repository fresh.
    pub is_uploading: bool,
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
        let cut = self.cut.map(|_| Cut {
            content: None,
            excuse: Excuse::default(),
            volume: 0,
            path: Path::Right,
            is_uploading: false,
            unseen: false,
        });
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
    /// The image it was filled from.
    pub populated_from: Option<Id>,
    /// What a person has agreed that its backups are written over.
    pub excuse: Excuse,
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
