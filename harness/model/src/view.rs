//! What a host reads of the world, and what it tells the core of it.

use volsync_policy::evidence::{
    Address, BackupEvidence, BackupState, Blank, ClaimEvidence, DataSource, Digest, Entry as LedgerEntry, Expectation,
    Failure, FinishedRestore, Ledger, Likeness, Listing, Memory, Opened, OurBackup, Phase, Populator,
    Record as ReleaseRecord, Repository as RepositoryEvidence, RestoreEvidence, RunningRestore, SecretContent,
    SecretEvidence, Slot, Timestamp, Volume as VolumeEvidence, VolumeId, Writer,
};
use volsync_policy::{Ask, Eligibility, Evidence, Gate, Outcome, Quantity, RestoreMode, SnapshotId, Unselected};

use crate::objects::{Claim, Destination, Entry, Id, Log, Path, Prime, Record, Secret, Shelf, Source, Tick};
use crate::world::World;

/// What of the evidence cannot be read, as bits.
pub type Blind = u8;
/// The repository.
pub const NO_REPOSITORY: Blind = 1;
/// The ledger.
pub const NO_LEDGER: Blind = 2;
/// Secret, ReplicationDestination and VolSync's own claim.
pub const NO_OBJECTS: Blind = 4;
/// The ReplicationSource.
pub const NO_SOURCE: Blind = 8;
/// The PersistentVolume.
pub const NO_VOLUME: Blind = 16;

/// Parts of what a host reads, as bits in the order in which it reads them: what follows before what it follows from.
pub type Parts = u8;
/// The claim, and its volume.
pub const CLAIM: Parts = 1;
/// VolSync's own claim.
pub const POPULATOR: Parts = 2;
/// The ReplicationDestination.
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

/// Whether a host that reads in order can have read these parts before something happened, and the others after it.
pub fn is_in_order(earlier: Parts) -> bool {
    (earlier + 1).is_power_of_two()
}

const HOUR: u64 = 3600;

/// A repository as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shown {
    pub(crate) config: Id,
    pub(crate) is_emptied: bool,
    /// The snapshots in it, a bit for each.
    pub(crate) listed: u64,
    pub(crate) newest: Option<(Id, Tick)>,
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
    pub(crate) prime: Option<Prime>,
    pub(crate) source: Option<Source>,
    pub(crate) shown: Shown,
    pub(crate) shelf: Shelf,
}

fn uid(id: Id) -> String {
    format!("uid-{id}")
}

fn number(text: &str) -> Id {
    text.rsplit('-').next().and_then(|digits| digits.parse().ok()).expect("the model's own name")
}

fn digest(id: Id) -> Digest {
    Digest::parse(&format!("{id:08x}{id:056x}")).expect("64 digits")
}

fn of_digest(digest: &Digest) -> Id {
    Id::from_str_radix(&digest.as_str()[62..], 16).expect("the model's own digest")
}

fn time(tick: Tick) -> Timestamp {
    Timestamp::from_unix(u64::from(tick) * HOUR)
}

fn tick(time: Timestamp) -> Tick {
    (0..=Tick::MAX).find(|tick| self::time(*tick) == time).expect("the model's own time")
}

fn volume(id: Id) -> VolumeId {
    VolumeId { driver: "csi".to_owned(), handle: uid(id) }
}

fn address(of: Path, judged: Path) -> Address {
    if of == judged { Address::Same } else { Address::Other(digest(100 + of as Id)) }
}

fn record_out(record: &Record) -> ReleaseRecord {
    ReleaseRecord {
        uid: uid(record.uid),
        volume: volume(record.volume),
        fingerprint: record.config.map(digest),
        term: u64::from(record.term),
        overtaken: record.overtaken,
        elsewhere: record.elsewhere,
        reason: None,
    }
}

pub(crate) fn record_in(record: &ReleaseRecord) -> Record {
    Record {
        uid: number(&record.uid),
        volume: number(&record.volume.handle),
        config: record.fingerprint.as_ref().map(of_digest),
        term: u8::try_from(record.term).expect("a small term"),
        overtaken: record.overtaken,
        elsewhere: record.elsewhere,
    }
}

impl View {
    /// Reads everything that is not out of reach.
    pub fn of(world: &World, at: usize, blind: Blind) -> Option<View> {
        let cluster = &world.clusters[at];
        let objects = &cluster.objects;
        let claim = Claim { hold: None, ..objects.claim.clone()? };
        let secret = objects.secret.clone();
        let path = secret.as_ref().map_or(cluster.base, |secret| secret.path);
        let repository = world.repository(path);
        let shown = Shown {
            config: repository.config,
            is_emptied: repository.is_emptied,
            listed: repository.snapshots.iter().fold(0, |listed, it| listed | 1 << it.id),
            newest: repository.snapshots.last().map(|it| (it.id, it.at)),
        };
        Some(View {
            cluster: at as Id,
            base: cluster.base,
            now: world.clock,
            blind: blind | if world.outage { NO_REPOSITORY | NO_LEDGER } else { 0 },
            claim,
            secret,
            destination: objects.destination.clone(),
            prime: objects.prime.clone(),
            source: objects.source.clone().map(|it| Source { unseen: false, ..it }),
            shown,
            shelf: world.ledger(cluster.base).clone(),
        })
    }

    /// These parts as an earlier reading has them, the others as this one.
    pub fn torn(mut self, earlier: &View, parts: Parts) -> View {
        let is = |part| parts & part != 0;
        if is(CLAIM) {
            self.claim = earlier.claim.clone();
        }
        if is(POPULATOR) {
            self.prime = earlier.prime.clone();
        }
        if is(DESTINATION) {
            self.destination = earlier.destination.clone();
        }
        if is(SOURCE) {
            self.source = earlier.source.clone();
        }
        if is(SECRET) {
            self.secret = earlier.secret.clone();
        }
        if is(LEDGER) {
            self.shelf = earlier.shelf.clone();
            self.blind = self.blind & !NO_LEDGER | earlier.blind & NO_LEDGER;
        }
        if is(REPOSITORY) {
            (self.now, self.shown) = (earlier.now, earlier.shown.clone());
            self.blind = self.blind & !NO_REPOSITORY | earlier.blind & NO_REPOSITORY;
        }
        self
    }

    pub(crate) fn reads(&self, part: Blind) -> bool {
        self.blind & part == 0
    }

    /// Where the Secret points, or would.
    fn path(&self) -> Path {
        self.secret.as_ref().map_or(self.base, |secret| secret.path)
    }

    pub(crate) fn asked(&self) -> Eligibility<Ask> {
        if !self.claim.is_labelled {
            return Eligibility::Unselected(Unselected::Unlabelled);
        }
        Eligibility::Eligible(Box::new(Ask {
            mode: RestoreMode::Populate,
            gate: Gate::Evidence,
            has_credentials: true,
            repository: Some(digest(100 + self.base as Id)),
            request: Quantity::parse("1Gi").expect("a quantity"),
            interval: HOUR,
            accepted: self.claim.accepted.clone(),
            reason: None,
        }))
    }

    pub(crate) fn evidence(&self) -> Evidence {
        let claim = &self.claim;
        let claim_evidence = ClaimEvidence {
            uid: uid(claim.uid),
            phase: if claim.volume.is_some() { Phase::Bound } else { Phase::Pending },
            terminating: false,
            source: if claim.is_sourced { DataSource::Ours } else { DataSource::None },
            volume: self
                .reads(NO_VOLUME)
                .then(|| claim.volume.map_or(VolumeEvidence::None, |id| VolumeEvidence::Of(volume(id)))),
            populated_from: claim.populated_from.filter(|_| self.reads(NO_VOLUME)).map(uid),
            released: claim.record.as_ref().map(record_out),
        };
        let secret = match &self.secret {
            None => SecretEvidence::Absent,
            Some(Secret { is_foreign: true, .. }) => SecretEvidence::Foreign,
            Some(Secret { path, .. }) => {
                SecretEvidence::Ours(SecretContent { repository: address(*path, self.base), password: Likeness::Same })
            }
        };
        let backup = match &self.source {
            None => BackupEvidence::Absent,
            Some(Source { is_foreign: true, .. }) => BackupEvidence::Foreign,
            Some(source) => BackupEvidence::Ours(OurBackup {
                uid: Some(uid(source.claim)),
                state: if source.is_paused { BackupState::Paused } else { BackupState::Running },
                syncing: source.cut.is_some(),
                released: source.record.as_ref().map(record_out),
            }),
        };
        let filling = self.prime.as_ref().filter(|it| it.claim == claim.uid);
        let populator = filling.map_or(Populator::Idle, |it| Populator::Filling(uid(it.image)));
        Evidence {
            cluster: Some(uid(self.cluster)),
            claim: Some(claim_evidence),
            secret: self.reads(NO_OBJECTS).then_some(secret),
            restore: self.reads(NO_OBJECTS).then(|| self.restore()),
            populator: self.reads(NO_OBJECTS).then_some(populator),
            backup: self.reads(NO_SOURCE).then_some(backup),
            repository: self.repository(),
            ledger: self.ledger(),
            slot: Slot::Free,
        }
    }

    fn restore(&self) -> RestoreEvidence {
        let Some(it) = &self.destination else { return RestoreEvidence::Absent };
        if it.claim != self.claim.uid {
            return RestoreEvidence::Stale;
        }
        match (it.log, it.image.or(it.noted)) {
            (Some(log), Some(image)) => RestoreEvidence::Done(FinishedRestore {
                image: uid(image),
                consumed: it.image.is_none(),
                outcome: match log {
                    Log::Restored(id) => Outcome::Restored(SnapshotId::parse(&format!("{id:08x}")).expect("8 digits")),
                    Log::Nothing => Outcome::Nothing,
                    Log::Lost => Outcome::Unread,
                },
                expects: if it.expects_nothing { Expectation::Nothing } else { Expectation::Data },
            }),
            _ => RestoreEvidence::Running(RunningRestore::default()),
        }
    }

    fn repository(&self) -> RepositoryEvidence {
        let as_of = time(self.now);
        if !self.reads(NO_REPOSITORY) {
            return RepositoryEvidence::Unread(Failure::Unreachable);
        }
        let fingerprint = digest(self.shown.config);
        let lists = |id: Option<Id>| id.is_some_and(|id| self.shown.listed >> id & 1 == 1);
        let restored = self.destination.as_ref().and_then(|it| match it.log {
            Some(Log::Restored(id)) => Some(id),
            Some(Log::Nothing | Log::Lost) | None => None,
        });
        match self.shown.newest {
            _ if self.shown.config == 0 => RepositoryEvidence::Absent(Blank { as_of }),
            None if self.shown.is_emptied => {
                RepositoryEvidence::Emptied(Opened { as_of, fingerprint, oldest_lock: None })
            }
            None => RepositoryEvidence::Initialised(Opened { as_of, fingerprint, oldest_lock: None }),
            Some((id, at)) => RepositoryEvidence::Holds(Box::new(Listing {
                as_of,
                fingerprint,
                oldest_lock: None,
                count: u64::from(self.shown.listed.count_ones()),
                newest_key: digest(id),
                newest_at: time(at),
                lists_restored: lists(restored),
                lists_saved: lists(self.source.as_ref().and_then(|it| it.saved)),
            })),
        }
    }

    fn ledger(&self) -> Ledger {
        if !self.reads(NO_LEDGER) {
            return Ledger::Unread(Failure::Unreachable);
        }
        if !self.shelf.is_initialised {
            return Ledger::Uninitialised;
        }
        self.shelf.entry.as_ref().map_or(Ledger::None, |entry| {
            Ledger::Entry(Box::new(LedgerEntry {
                repository: address(entry.path, self.path()),
                writer: Writer {
                    cluster: uid(entry.cluster),
                    uid: uid(entry.uid),
                    volume: volume(entry.volume),
                    interval: HOUR,
                    since: time(entry.since),
                    term: u64::from(entry.term),
                },
                memory: entry.memory.map(|(config, newest, at)| Memory {
                    fingerprint: digest(config),
                    newest_key: digest(newest),
                    newest_at: time(at),
                }),
                capacity: Quantity::parse("1Gi").expect("a quantity"),
                retired: false,
            }))
        })
    }

    /// What the host writes: with the repository of the Secret as it is rendered.
    pub(crate) fn entry_in(&self, entry: &LedgerEntry) -> Entry {
        Entry {
            path: self.base,
            cluster: number(&entry.writer.cluster),
            uid: number(&entry.writer.uid),
            volume: number(&entry.writer.volume.handle),
            since: tick(entry.writer.since),
            term: u8::try_from(entry.writer.term).expect("a small term"),
            memory: entry
                .memory
                .as_ref()
                .map(|it| (of_digest(&it.fingerprint), of_digest(&it.newest_key), tick(it.newest_at))),
        }
    }
}
