//! Presets: evidence in a word or two, expanded for each claim.
//!
//! The evidence of a preset is invented, always the same, and consistent: one cluster, one repository, one clock.

use anyhow::{Context, bail};
use serde_json::Value;
use volsync_policy::evidence::{
    Address, BackupEvidence, BackupState, ClaimEvidence, DataSource, Digest, EmptyRepository, Entry, Evidence,
    Expectation, Failure, FinishedRestore, Ledger, Listing, Memory, NoRepository, OurBackup, Phase, Populator,
    ReleaseRecord, Repository, RestoreEvidence, RunningRestore, SecretContent, SecretEvidence, Slot, Timestamp,
    ValueMatch, Volume, VolumeId, Writer,
};
use volsync_policy::{Outcome, Quantity, Review, SnapshotId, nearest};

const CLUSTER: &str = "00000000-0000-4000-8000-00000000c1c5";
const UID: &str = "00000000-0000-4000-8000-0000000000c1";
const EARLIER_UID: &str = "00000000-0000-4000-8000-0000000000c0";
const DRIVER: &str = "csi.example.com";
const IMAGE: &str = "preset-image";
const INTERVAL: u64 = 3600;
/// 1 January 2026: the first backup. The newest is a day later, and the store is read a month after that.
const FIRST: u64 = 1_767_225_600;
const NEWEST: u64 = FIRST + 86_400;
const NOW: u64 = NEWEST + 30 * 86_400;

/// The state of the store, and of the claim.
///
/// ```
/// use volsync_policy_cases::Preset;
///
/// assert!(Preset::parse("snapshots=24,bound").is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    store: Store,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Store {
    Fresh,
    Snapshots(u64),
    Unreachable,
    Emptied,
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Pending,
    Restoring,
    Bound,
    Restored,
    Released,
}

const SNAPSHOTS: &str = "snapshots=";

const STORES: [(&str, Store); 4] =
    [("fresh", Store::Fresh), ("unreachable", Store::Unreachable), ("emptied", Store::Emptied), ("lost", Store::Lost)];

const STAGES: [(&str, Stage); 4] = [
    ("restoring", Stage::Restoring),
    ("bound", Stage::Bound),
    ("restored", Stage::Restored),
    ("released", Stage::Released),
];

/// What a preset needs to know about the claim.
struct About<'a> {
    uid: Option<&'a str>,
    data_source: DataSource,
    request: Option<Quantity>,
}

/// The claim that a request is about.
pub fn claim_of(request: &Value) -> &Value {
    let request = request.get("request").unwrap_or(request);
    ["object", "oldObject"].iter().find_map(|key| request.get(key).filter(|v| v.is_object())).unwrap_or(request)
}

impl<'a> About<'a> {
    /// Problems of a review that cannot be read are reported by the engine, not here.
    fn of(request: &'a Value, review: &[u8]) -> Self {
        let text = |pointer: &str| claim_of(request).pointer(pointer).and_then(Value::as_str);
        About {
            uid: text("/metadata/uid"),
            data_source: Review::from_json(review).ok().and_then(|it| it.data_source()).unwrap_or(DataSource::Ours),
            request: text("/spec/resources/requests/storage").and_then(Quantity::parse),
        }
    }
}

impl Preset {
    /// Reads a preset, such as `snapshots=24,bound`.
    ///
    /// # Errors
    ///
    /// A sentence that names the unknown word, and what was probably meant.
    pub fn parse(text: &str) -> anyhow::Result<Preset> {
        let (mut store, mut stage) = (None, None);
        for word in text.split(',') {
            if let Some(found) = store_of(word)? {
                if store.replace(found).is_some() {
                    bail!("`{word}` is a second word for what the store holds");
                }
            } else if let Some((_, found)) = STAGES.into_iter().find(|(name, _)| *name == word) {
                match stage {
                    Some(other) if other != found && (other == Stage::Restoring || found == Stage::Restoring) => {
                        bail!("`{word}` and the word before it exclude each other");
                    }
                    // A released claim was restored, and a restored claim is Bound.
                    _ => stage = stage.max(Some(found)),
                }
            } else {
                bail!("`{}` is not known; {}", word.escape_default(), meant(word));
            }
        }
        let store = store.with_context(|| format!("say first what the store holds: {}", stores()))?;
        Ok(Preset { store, stage: stage.unwrap_or(Stage::Pending) })
    }

    /// The evidence of the preset for `review`, which is about `request`, is JSON, and has no evidence yet.
    pub fn expand(self, request: &Value, review: &[u8]) -> Evidence {
        let Preset { store, stage } = self;
        let claim = About::of(request, review);
        let uid = claim.uid.unwrap_or(UID);
        let (is_bound, is_restored, is_released) = match stage {
            Stage::Pending | Stage::Restoring => (false, false, false),
            Stage::Bound => (true, false, false),
            Stage::Restored => (true, true, false),
            Stage::Released => (true, true, true),
        };
        let record = is_released.then(|| ReleaseRecord {
            uid: uid.to_owned(),
            volume: volume("of-this-claim"),
            fingerprint: store.memory().map(|memory| memory.fingerprint),
            newest: store.memory().map(|memory| memory.newest_key),
            term: 2,
            overtaken: false,
            elsewhere: false,
            moved: false,
            reason: None,
        });
        Evidence {
            cluster: Some(CLUSTER.to_owned()),
            claim: Some(ClaimEvidence {
                uid: uid.to_owned(),
                phase: if is_bound { Phase::Bound } else { Phase::Pending },
                terminating: false,
                data_source: claim.data_source,
                volume: Some(if is_bound { Volume::Of(volume("of-this-claim")) } else { Volume::None }),
                populated_from: is_restored.then(|| IMAGE.to_owned()),
                released: record.clone(),
                spent: Vec::new(),
            }),
            secret: Some(match stage {
                Stage::Pending | Stage::Bound => SecretEvidence::Absent,
                Stage::Restoring | Stage::Restored | Stage::Released => {
                    SecretEvidence::Ours(SecretContent { repository: Address::Same, password: ValueMatch::Same })
                }
            }),
            restore: Some(match stage {
                Stage::Pending | Stage::Bound => RestoreEvidence::Absent,
                Stage::Restoring => RestoreEvidence::Running(RunningRestore::default()),
                Stage::Restored | Stage::Released => RestoreEvidence::Done(store.restore(is_released)),
            }),
            populator: Some(Populator::Idle),
            backup: Some(record.map_or(BackupEvidence::Absent, |record| {
                BackupEvidence::Ours(OurBackup {
                    uid: Some(uid.to_owned()),
                    state: BackupState::Running,
                    syncing: false,
                    released: Some(record),
                })
            })),
            repository: store.repository(is_restored),
            ledger: store.ledger(is_released.then_some(uid), claim.request.as_ref()),
            unfenced: false,
            slot: Slot::Free,
        }
    }
}

impl Store {
    /// The memory of earlier backups.
    fn memory(self) -> Option<Memory> {
        match self {
            Store::Fresh => None,
            Store::Snapshots(_) | Store::Unreachable | Store::Emptied | Store::Lost => Some(Memory {
                fingerprint: fingerprint(),
                newest_key: newest_key(),
                newest_at: Timestamp::from_unix(NEWEST),
            }),
        }
    }

    fn repository(self, is_restored: bool) -> Repository {
        let as_of = Timestamp::from_unix(NOW);
        match self {
            Store::Fresh | Store::Lost => Repository::Absent(NoRepository { as_of }),
            Store::Unreachable => Repository::Unread(Failure::Unreachable),
            Store::Emptied => Repository::Emptied(EmptyRepository {
                as_of,
                fingerprint: fingerprint(),
                oldest_lock: None,
                newest_lock: None,
            }),
            Store::Snapshots(count) => Repository::Holds(Box::new(Listing {
                as_of,
                fingerprint: fingerprint(),
                oldest_lock: None,
                newest_lock: None,
                count,
                newest_key: newest_key(),
                newest_at: Timestamp::from_unix(NEWEST),
                lists_restored: is_restored,
                lists_saved: false,
                suspicion: None,
            })),
        }
    }

    /// The ledger entry: that of the earlier claim of the same name, or the claim's own once it is released.
    fn ledger(self, released: Option<&str>, request: Option<&Quantity>) -> Ledger {
        if self == Store::Unreachable {
            return Ledger::Unread(Failure::Unreachable);
        }
        let memory = self.memory();
        let capacity = request.cloned().or_else(|| Quantity::parse("1Gi"));
        let (Some(capacity), true) = (capacity, memory.is_some() || released.is_some()) else { return Ledger::None };
        let (uid, handle, since, term) = match released {
            Some(uid) => (uid, "of-this-claim", NEWEST, 2),
            None => (EARLIER_UID, "of-the-earlier-claim", FIRST, 1),
        };
        let writer = Writer {
            cluster: CLUSTER.to_owned(),
            uid: uid.to_owned(),
            volume: volume(handle),
            interval: INTERVAL,
            since: Timestamp::from_unix(since),
            term,
        };
        Ledger::Entry(Box::new(Entry { repository: Address::Same, writer, memory, capacity, retired: false }))
    }

    /// The restore that the claim was populated from.
    fn restore(self, consumed: bool) -> FinishedRestore {
        let newest = newest_key().as_str().get(..8).and_then(SnapshotId::parse);
        let (outcome, expects) = match self {
            Store::Fresh => (Outcome::Nothing, Expectation::Nothing),
            Store::Snapshots(_) | Store::Unreachable | Store::Emptied | Store::Lost => {
                (newest.map_or(Outcome::Unread, Outcome::Restored), Expectation::Data)
            }
        };
        FinishedRestore { image: IMAGE.to_owned(), consumed, outcome, expects }
    }
}

fn fingerprint() -> Digest {
    Digest::of(b"preset: config")
}

fn newest_key() -> Digest {
    Digest::of(b"preset: newest snapshot")
}

fn volume(handle: &str) -> VolumeId {
    VolumeId { driver: DRIVER.to_owned(), handle: handle.to_owned() }
}

/// The state of the store that a word names. None if the word is not about the store.
fn store_of(word: &str) -> anyhow::Result<Option<Store>> {
    match word.strip_prefix(SNAPSHOTS).map(str::parse) {
        Some(Ok(count @ 1..)) => Ok(Some(Store::Snapshots(count))),
        Some(Ok(0)) => bail!("`{word}`: a repository without any is `emptied`, or `fresh`"),
        Some(Err(_)) => bail!("`{}`: write a whole number, one or more", word.escape_default()),
        None => Ok(STORES.into_iter().find(|(name, _)| *name == word).map(|(_, store)| store)),
    }
}

/// The word that was probably meant, or all words that are possible.
fn meant(word: &str) -> String {
    let name = word.split('=').next().unwrap_or(word);
    let bare = SNAPSHOTS.trim_end_matches('=');
    let stores = STORES.map(|(name, _)| name);
    let stages = STAGES.map(|(name, _)| name);
    match nearest(name, stores.into_iter().chain(stages).chain([bare])) {
        Some(near) if near == bare => format!("did you mean `{SNAPSHOTS}N`?"),
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("presets are {}, then `,` and {}", self::stores(), quoted(&stages)),
    }
}

fn stores() -> String {
    format!("`{SNAPSHOTS}N`, {}", quoted(&STORES.map(|(name, _)| name)))
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
