//! Maintenance of the ledger by a person, with the base credentials and without a claim: the commands
//! `volsync-policy ledger` and `volsync-policy undo`.
//!
//! Here is what they look at, what they find and what they write. A caller makes the requests; it passes each answer of
//! the store as a host does in `seen`, see `docs/hosts.md`.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::address::{StoreRef, Through};
use crate::credentials::{Credentials, SecretBytes};
use crate::evidence::{Digest, Entry, Failure, Timestamp};
use crate::ledger::{self, Marker, Numbers, Unreadable};
use crate::mover::restic::{MoverKey, layout};
use crate::problem::{Problem, keyed};
use crate::review::Shared;
use crate::seen::{Bytes, Found, Listing};
use crate::target::Place;
use crate::writes::Copy;

/// The base repository: the place in the store below which the ledger and the repositories of all claims are.
pub struct BaseRepository {
    shared: Shared,
    place: Place,
}

/// The keys of a claim's repository and of its pins, in the bucket. A prefix ends in `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryKeys {
    /// The prefix of all objects of the repository.
    pub root: String,
    /// The object whose SHA-256 is the repository's fingerprint.
    pub config: String,
    /// The prefix of the keys that passwords open.
    pub keys: String,
    /// The prefix of the snapshots.
    pub snapshots: String,
    /// The prefix of the pins: copies of snapshots, made when a backup was released.
    pub pins: String,
}

/// What is wrong with the ledger marker of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarkerFault {
    /// The store has no marker.
    Absent,
    /// The marker is of another version, or cannot be parsed.
    Unreadable,
    /// The marker could not be read.
    Unread(Failure),
    /// The id in the marker differs from the setting `ledger.storeId`.
    OtherStore(Marker),
}

/// A difference between a ledger entry and the repository that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deviation {
    /// The entry is for a repository with another address.
    OtherAddress,
    /// The repository could not be read.
    Unread(Failure),
    /// The entry remembers a repository, and there is none.
    RepositoryGone,
    /// The repository has another fingerprint than the one that the entry remembers.
    OtherFingerprint,
    /// The repository does not have the snapshot that the entry remembers as the newest.
    NewestGone(Digest),
    /// Several writers have written an entry with the same number, so none of them backs up.
    Contested,
}

/// Where a ledger entry is that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPlace {
    /// The path of the repository that it is for, below the base repository.
    pub path: String,
    /// The key, in the bucket.
    pub key: String,
}

/// The listings from which it follows which snapshots can be put back, each as an answer of the store.
#[derive(Clone, Copy)]
pub struct UndoSeen<'a> {
    /// The listing of [`RepositoryKeys::root`].
    pub root: &'a Value,
    /// The listing of [`RepositoryKeys::keys`].
    pub keys: &'a Value,
    /// The listing of [`RepositoryKeys::snapshots`].
    pub snapshots: &'a Value,
    /// The listing of [`RepositoryKeys::pins`].
    pub pins: &'a Value,
}

/// The pinned snapshots that a repository does not list any more, oldest pin first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    /// The snapshots that can be put back.
    pub back: Vec<PutBack>,
    /// The snapshots that were pinned before the repository began. They may be of another repository at the same
    /// address, and a snapshot that a repository's key does not decrypt makes restic fail, so they are not put back.
    pub older: Vec<PutBack>,
}

/// A pinned snapshot, and the request that puts it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutBack {
    /// The id of the snapshot.
    pub snapshot: Digest,
    /// When it was pinned, by the store's clock.
    pub pinned_at: Timestamp,
    /// The copy that puts it back.
    pub copy: Copy,
}

/// Why it is unknown which snapshots can be put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndoError {
    /// There is no repository to put a snapshot back into.
    NoRepository,
    /// The repository or its pins could not be listed.
    Unread(Failure),
}

impl BaseRepository {
    /// The base repository that the base credentials name.
    ///
    /// # Errors
    ///
    /// The credentials name no repository on S3, or their certificate authorities are malformed.
    pub fn of(shared: Shared) -> Result<Self, Problem> {
        let credentials = shared.credentials.as_deref();
        if credentials.is_some_and(Credentials::has_malformed_authorities) {
            let path = keyed("credentials.data", MoverKey::AUTHORITIES.as_str());
            return Err(Problem::new(path, "not certificates in PEM"));
        }
        let base = credentials.and_then(Credentials::base);
        let place = base.as_ref().ok_or(Failure::NotTried).and_then(|base| Place::of(Through::Base, base));
        let place = place.map_err(|failure| {
            let problem = match failure {
                Failure::NotTried => "missing, empty or not readable",
                Failure::Unsupported => "the ledger needs a store with S3, that is, `s3:<endpoint>/<bucket>/<prefix>`",
                _ => "not the address of a bucket, as in `s3:<endpoint>/<bucket>/<prefix>`",
            };
            Problem::new(keyed("credentials.data", MoverKey::REPOSITORY.as_str()), problem)
        })?;
        Ok(BaseRepository { shared, place })
    }

    /// The id of the store in the setting `ledger.storeId`.
    pub fn store_id(&self) -> Option<&str> {
        self.shared.settings.ledger.store_id.as_deref()
    }

    /// The path of a claim's repository below the base repository.
    pub fn path(&self, namespace: &str, claim: &str) -> String {
        self.shared.settings.repository_path.render(namespace, claim)
    }

    /// The key of the ledger marker, in the bucket.
    pub fn marker_key(&self) -> String {
        self.key(ledger::MARKER)
    }

    /// The prefix of the keys of all ledger entries, in the bucket. Between it and an entry's name are folders.
    pub fn entries_prefix(&self, is_numbered: bool) -> String {
        self.key(if is_numbered { ledger::NUMBERED } else { ledger::ENTRIES })
    }

    /// The key of the ledger entry for the repository at `path`, in the bucket.
    pub fn entry_key(&self, path: &str) -> String {
        self.key(&ledger::entry_key(path))
    }

    /// The prefix of the keys of the numbered ledger entries for the repository at `path`, in the bucket.
    pub fn numbered_prefix(&self, path: &str) -> String {
        self.key(&ledger::numbered(path))
    }

    /// The key of the next numbered ledger entry for the repository at `path`, which is retired and has this text.
    /// `keys` are those of all entries for it.
    ///
    /// # Errors
    ///
    /// One of the keys is not that of a numbered entry.
    pub fn retired_key(&self, path: &str, keys: &[String], text: &str) -> Result<String, Unreadable> {
        let prefix = self.numbered_prefix(path);
        let numbers = Numbers::of(keys.iter().filter_map(|key| key.strip_prefix(&prefix)))?;
        Ok(format!("{prefix}{}", numbers.next(None, text)))
    }

    /// The prefix of the keys of the probe with this name, in the bucket.
    pub fn probe_prefix(&self, name: &str) -> String {
        self.key(&ledger::probe(name))
    }

    /// The entries that count, in the order of their paths. `keys` are all keys below [`Self::entries_prefix`], or
    /// below [`Self::numbered_prefix`]. There are several for a path if they have the same number, or if the name of
    /// one cannot be parsed.
    pub fn entries(&self, is_numbered: bool, keys: &[String]) -> Vec<EntryPlace> {
        let below = keys.iter().filter_map(|key| key.strip_prefix(&self.key("")));
        if !is_numbered {
            let mut paths: Vec<&str> = below.filter_map(ledger::path_of_entry).collect();
            paths.sort_unstable();
            let place = |path: &str| EntryPlace { path: path.to_owned(), key: self.entry_key(path) };
            return paths.into_iter().map(place).collect();
        }
        let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (path, name) in below.filter_map(|key| key.strip_prefix(ledger::NUMBERED)?.rsplit_once('/')) {
            names.entry(path).or_default().push(name);
        }
        let mut places = Vec::new();
        for (path, names) in names {
            let newest = match Numbers::of(names.iter().copied()) {
                Ok(numbers) => numbers.newest().map(|it| it.name).collect(),
                Err(Unreadable) => names,
            };
            for name in newest {
                let key = format!("{}{name}", self.numbered_prefix(path));
                places.push(EntryPlace { path: path.to_owned(), key });
            }
        }
        places
    }

    /// The keys of the repository at `path`.
    pub fn repository(&self, path: &str) -> RepositoryKeys {
        let of = |below: &str| self.key(&format!("{path}/{below}"));
        let folder = |name: &str| of(&format!("{name}/"));
        RepositoryKeys {
            root: of(""),
            config: of(layout::CONFIG),
            keys: folder(layout::KEYS),
            snapshots: folder(layout::SNAPSHOTS),
            pins: self.key(&ledger::pins(path)),
        }
    }

    /// Reads the ledger marker from the answer to a read of its key.
    ///
    /// # Errors
    ///
    /// There is no marker, or it is not that of the store that settings name. Settings without an id name every store.
    pub fn marker(&self, answer: &Value) -> Result<Marker, MarkerFault> {
        let marker = match Bytes::of(Some(answer)) {
            Found::Is(marker) => ledger::read_marker(&marker.data).map_err(|Unreadable| MarkerFault::Unreadable)?,
            Found::Absent => return Err(MarkerFault::Absent),
            Found::Unread(failure) => return Err(MarkerFault::Unread(failure)),
        };
        match self.store_id() {
            Some(id) if id != marker.store_id => Err(MarkerFault::OtherStore(marker)),
            Some(_) | None => Ok(marker),
        }
    }

    /// Reads the ledger entry for the repository at `path`.
    ///
    /// # Errors
    ///
    /// It is of another version, or is not a ledger entry.
    pub fn entry(&self, path: &str, entry: &[u8]) -> Result<Entry, Unreadable> {
        let address = self.shared.credentials.as_deref().and_then(|credentials| credentials.repository(path));
        ledger::read_entry(entry, address.as_ref().map(SecretBytes::reveal).map(Digest::of).as_ref())
    }

    /// The differences between a ledger entry and its repository at `path`; `config` and `snapshots` are the answers to
    /// a read of these keys. An entry that is retired or has no memory is not compared.
    pub fn deviations(&self, path: &str, entry: &Entry, config: &Value, snapshots: &Value) -> Vec<Deviation> {
        if entry.retired {
            return Vec::new();
        }
        if entry.repository.is_other() {
            return vec![Deviation::OtherAddress];
        }
        let Some(memory) = &entry.memory else { return Vec::new() };
        let prefix = self.repository(path).snapshots;
        let config = match Bytes::of(Some(config)) {
            Found::Is(config) => config,
            Found::Absent => return vec![Deviation::RepositoryGone],
            Found::Unread(failure) => return vec![Deviation::Unread(failure)],
        };
        let is_other = Digest::of(&config.data) != memory.fingerprint;
        let mut deviations: Vec<Deviation> = is_other.then_some(Deviation::OtherFingerprint).into_iter().collect();
        deviations.extend(match listing(snapshots, &prefix) {
            Err(failure) => Some(Deviation::Unread(failure)),
            Ok(listing) if listing.has_object(memory.newest_key.as_str()) => None,
            Ok(_) => Some(Deviation::NewestGone(memory.newest_key.clone())),
        });
        deviations
    }

    /// The pinned snapshots of the repository at `path` that it does not list any more.
    ///
    /// # Errors
    ///
    /// There is no such repository, or a listing is missing.
    pub fn undo(&self, path: &str, seen: UndoSeen<'_>) -> Result<Undo, UndoError> {
        let at = self.repository(path);
        let list = |answer, prefix| listing(answer, prefix).map_err(UndoError::Unread);
        let (root, keys) = (list(seen.root, &at.root)?, list(seen.keys, &at.keys)?);
        let (snapshots, pins) = (list(seen.snapshots, &at.snapshots)?, list(seen.pins, &at.pins)?);
        if !root.has_object(layout::CONFIG) {
            return Err(UndoError::NoRepository);
        }
        // Its config alone does not say when it began: an upgrade of the repository's format writes it again.
        let all = [&root, &keys, &snapshots].into_iter().flat_map(|listing| &listing.objects);
        let began = all.map(|(_, written)| *written).min();
        let put_back = |(name, pinned_at): &(&str, Timestamp)| {
            let key = |prefix: &str| StoreRef { through: Through::Base, key: format!("{prefix}{name}") };
            let copy = Copy { from: key(&at.pins), to: key(&at.snapshots) };
            Some(PutBack { snapshot: Digest::parse(name)?, pinned_at: *pinned_at, copy })
        };
        let gone = pins.objects.iter().filter(|(name, _)| !snapshots.has_object(name));
        let mut gone: Vec<PutBack> = gone.filter_map(put_back).collect();
        gone.sort_by(|a, b| (a.pinned_at, &a.snapshot).cmp(&(b.pinned_at, &b.snapshot)));
        let (back, older) = gone.into_iter().partition(|pin| began.is_none_or(|began| began <= pin.pinned_at));
        Ok(Undo { back, older })
    }

    /// A key in the bucket, from one below the base repository.
    fn key(&self, below: &str) -> String {
        self.place.key(below).key
    }
}

/// The listing in an answer. S3 lists nothing where there is no key, so it is never absent.
fn listing<'a>(answer: &'a Value, prefix: &str) -> Result<Listing<'a>, Failure> {
    match Listing::of(Some(answer), prefix) {
        Found::Is(listing) => Ok(listing),
        Found::Absent => Err(Failure::Malformed),
        Found::Unread(failure) => Err(failure),
    }
}

impl fmt::Display for MarkerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MarkerFault::Absent => {
                f.write_str("the store has no ledger marker: `volsync-policy ledger init` writes it")
            }
            MarkerFault::Unreadable => {
                f.write_str("the ledger marker cannot be parsed, or was written by a later release")
            }
            MarkerFault::Unread(failure) => write!(f, "the ledger marker could not be read: {}", failure.as_str()),
            MarkerFault::OtherStore(Marker { store_id, .. }) => {
                let id = store_id.escape_debug();
                write!(f, "the ledger marker has the id `{id}`, and not that of `ledger.storeId` in settings")
            }
        }
    }
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Deviation::OtherAddress => f.write_str("the entry is for a repository with another address"),
            Deviation::Unread(failure) => write!(f, "the repository could not be read: {}", failure.as_str()),
            Deviation::RepositoryGone => f.write_str("the entry remembers backups, and there is no repository"),
            Deviation::OtherFingerprint => f.write_str("the repository is not the one that the entry remembers"),
            Deviation::NewestGone(snapshot) => {
                write!(f, "the newest snapshot that the entry remembers is gone: {}", snapshot.as_str())
            }
            Deviation::Contested => f.write_str(
                "several clusters have written the entry at the same time, so none of them backs up; decide which one \
                 may, stop the others, and retire the entry",
            ),
        }
    }
}

impl fmt::Display for UndoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UndoError::NoRepository => f.write_str("there is no repository to put a snapshot back into"),
            UndoError::Unread(failure) => write!(f, "the repository could not be read: {}", failure.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;

    const ENTRY: &str = include_str!("../tests/stored/entry.json");

    /// The base repository at that address.
    fn at(address: &str, settings: &Value) -> Result<BaseRepository, Problem> {
        let shared = json!({"settings": settings, "credentials": {"stringData": {"RESTIC_REPOSITORY": address}}});
        BaseRepository::of(Shared::from_json(shared.to_string().as_bytes()).unwrap())
    }

    fn base() -> BaseRepository {
        at("s3:https://s3.local/bucket/deep/er", &json!({"ledger": {"storeId": "store-1"}})).unwrap()
    }

    fn bytes(content: &str) -> Value {
        json!({"bytes": STANDARD.encode(content), "etag": "e", "date": "2026-11-24T10:00:00Z"})
    }

    /// A listing below `prefix`: names, and the minute of the day in which each was written.
    fn listed(prefix: &str, objects: &[(&str, u32)]) -> Value {
        let object = |(name, minute): &(&str, u32)| {
            json!({"key": format!("{prefix}{name}"),
                   "lastModified": format!("2026-11-24T{:02}:{:02}:00Z", minute / 60, minute % 60)})
        };
        json!({"listing": objects.iter().map(object).collect::<Vec<_>>(), "prefixes": [],
               "date": "2026-11-24T23:00:00Z"})
    }

    fn id(last: char) -> String {
        format!("{}{last}", "0".repeat(63))
    }

    #[test]
    fn of_numbered_entries_those_with_the_highest_number_count() {
        let base = at("s3:https://s3.local/bucket/here", &json!({})).unwrap();
        let key = |path: &str, number: u64, writer: &str| {
            format!("here/.volsync-policy/numbered/{path}/{number:020}.{writer}.{}.json", id('a'))
        };
        let place = |path: &str, key: String| EntryPlace { path: path.to_owned(), key };
        let all = [
            key("shop/data", 9, "c-2"),
            key("shop/data", 10, "c-1"),
            key("shop/cache", 1, "c-1"),
            key("shop/data", 10, "c-2"),
        ];
        let of_data = ["c-1", "c-2"].map(|writer| place("shop/data", key("shop/data", 10, writer)));
        let cache = place("shop/cache", key("shop/cache", 1, "c-1"));
        assert_eq!(base.entries(true, &all), [vec![cache], of_data.to_vec()].concat());

        let retired = base.retired_key("shop/data", &all[..2], "text").unwrap();
        let expected = key("shop/data", 11, "retired").replace(&id('a'), Digest::of(b"text").as_str());
        assert_eq!(retired, expected);
        // What cannot be parsed is shown, and hides nothing.
        let odd = "here/.volsync-policy/numbered/shop/data/odd".to_owned();
        assert_eq!(base.entries(true, &[all[0].clone(), odd.clone()]).len(), 2);
        assert_eq!(base.retired_key("shop/data", &[odd], "text"), Err(Unreadable));
    }

    #[test]
    fn everything_is_below_the_base_repository_however_its_address_ends() {
        for end in ["", "/", "\n", "//\n"] {
            let base = at(&format!("s3:https://s3.local/bucket/deep/er{end}"), &json!({})).unwrap();
            assert_eq!(base.marker_key(), "deep/er/.volsync-policy/store.json");
            assert_eq!(base.entries_prefix(false), "deep/er/.volsync-policy/entries/");
            assert_eq!(base.entries_prefix(true), "deep/er/.volsync-policy/numbered/");
            assert_eq!(base.probe_prefix("a"), "deep/er/.volsync-policy/probe/a/");
            let key = base.entry_key(&base.path("shop", "data"));
            assert_eq!(key, "deep/er/.volsync-policy/entries/shop/data.json");
            let keys = [".volsync-policy/entries/shop/data.json".to_owned(), key.clone()];
            let place = EntryPlace { path: "shop/data".to_owned(), key };
            assert_eq!(base.entries(false, &keys), [place]);
            let keys = base.repository("shop/data");
            assert_eq!((keys.root.as_str(), keys.config.as_str()), ("deep/er/shop/data/", "deep/er/shop/data/config"));
            assert_eq!(keys.keys, "deep/er/shop/data/keys/");
            assert_eq!(keys.snapshots, "deep/er/shop/data/snapshots/");
            assert_eq!(keys.pins, "deep/er/.volsync-policy/pins/shop/data/");
        }
        assert_eq!(at("s3:https://s3.local/bucket", &json!({})).unwrap().marker_key(), ".volsync-policy/store.json");
        let settings = json!({"repositoryPath": "one/{{ request.namespace }}/{{ request.name }}"});
        assert_eq!(at("s3:h/b", &settings).unwrap().path("shop", "data"), "one/shop/data");
    }

    #[test]
    fn a_base_repository_that_is_not_on_s3_is_a_problem_that_does_not_name_it() {
        for address in ["", "b2:bucket", "s3:https://s3.local", "s3:https://key:secret@s3.local/bucket"] {
            let problem = at(address, &json!({})).err().unwrap();
            assert_eq!(problem.path, "credentials.data.RESTIC_REPOSITORY");
            assert!(address.is_empty() || !problem.to_string().contains(address), "{problem}");
        }
        let nothing = Shared::from_json(b"{}").unwrap();
        assert!(BaseRepository::of(nothing).is_err());
    }

    #[test]
    fn a_marker_must_be_that_of_the_store_in_settings_where_they_name_one() {
        let marker = |id: &str| bytes(&ledger::write_marker(&Marker::new(id)));
        assert_eq!(base().marker(&marker("store-1")), Ok(Marker::new("store-1")));
        assert_eq!(base().marker(&marker("store-2")), Err(MarkerFault::OtherStore(Marker::new("store-2"))));
        let nameless = at("s3:h/b", &json!({})).unwrap();
        assert_eq!(nameless.marker(&marker("store-2")), Ok(Marker::new("store-2")));
        for (answer, fault) in [
            (json!({"absent": true}), MarkerFault::Absent),
            (bytes("{}"), MarkerFault::Unreadable),
            (json!({"failed": "denied"}), MarkerFault::Unread(Failure::Denied)),
        ] {
            assert_eq!(base().marker(&answer), Err(fault));
        }
    }

    /// The entry of `tests/stored` for the repository at `shop/data`, which has the content `config`.
    fn entry() -> Entry {
        let address = Digest::of(b"s3:https://s3.local/bucket/deep/er/shop/data");
        let stored = ENTRY.replace(&id('1'), address.as_str()).replace(&id('2'), Digest::of(b"config").as_str());
        base().entry("shop/data", stored.as_bytes()).unwrap()
    }

    #[test]
    fn an_entry_deviates_if_its_repository_is_gone_is_another_or_lacks_the_newest_snapshot() {
        let snapshots = "deep/er/shop/data/snapshots/";
        let (config, listing) = (bytes("config"), listed(snapshots, &[(&id('3'), 1)]));
        let failed = json!({"failed": "timeout"});
        let without = listed(snapshots, &[(&id('4'), 1)]);
        let of =
            |entry: &Entry, config: &Value, listing: &Value| base().deviations("shop/data", entry, config, listing);
        assert_eq!(of(&entry(), &config, &listing), []);
        assert_eq!(of(&entry(), &json!({"absent": true}), &listing), [Deviation::RepositoryGone]);
        assert_eq!(of(&entry(), &failed, &listing), [Deviation::Unread(Failure::Timeout)]);
        assert_eq!(of(&entry(), &config, &failed), [Deviation::Unread(Failure::Timeout)]);
        let gone = Deviation::NewestGone(Digest::parse(&id('3')).unwrap());
        assert_eq!(of(&entry(), &bytes("other"), &without), [Deviation::OtherFingerprint, gone.clone()]);
        assert_eq!(of(&entry(), &config, &without), [gone]);

        // Nobody expects anything of the repository.
        assert_eq!(of(&Entry { retired: true, ..entry() }, &failed, &failed), []);
        assert_eq!(of(&Entry { memory: None, ..entry() }, &failed, &failed), []);
        // An entry of another address was never for this repository.
        let elsewhere = base().entry("shop/data", ENTRY.as_bytes()).unwrap();
        assert_eq!(of(&elsewhere, &config, &listing), [Deviation::OtherAddress]);
    }

    /// What can be put back, and what not: the last digits of the ids.
    fn undo(config: &[(&str, u32)], keys: &[(&str, u32)], listed_now: &str, pins: &[(&str, u32)]) -> [String; 2] {
        let at = base().repository("shop/data");
        let (root, keys) = (listed(&at.root, config), listed(&at.keys, keys));
        let now: Vec<(String, u32)> = listed_now.chars().map(|last| (id(last), 600)).collect();
        let now: Vec<(&str, u32)> = now.iter().map(|(id, at)| (id.as_str(), *at)).collect();
        let (snapshots, pins) = (listed(&at.snapshots, &now), listed(&at.pins, pins));
        let seen = UndoSeen { root: &root, keys: &keys, snapshots: &snapshots, pins: &pins };
        let Undo { back, older } = base().undo("shop/data", seen).unwrap();
        for PutBack { snapshot, copy, .. } in back.iter().chain(&older) {
            assert_eq!(copy.from.key, format!("deep/er/.volsync-policy/pins/shop/data/{}", snapshot.as_str()));
            assert_eq!(copy.to.key, format!("deep/er/shop/data/snapshots/{}", snapshot.as_str()));
        }
        [back, older].map(|pins| pins.iter().map(|pin| &pin.snapshot.as_str()[63..]).collect())
    }

    #[test]
    fn a_pinned_snapshot_that_is_not_listed_can_be_put_back() {
        let pins = [(id('3'), 120), (id('1'), 120), (id('2'), 90), ("note".to_owned(), 120)];
        let pins = pins.each_ref().map(|(id, at)| (id.as_str(), *at));
        let (config, keys) = ([("config", 60)], [("key", 60)]);
        assert_eq!(undo(&config, &keys, "4", &pins), ["213", ""]);
        assert_eq!(undo(&config, &keys, "14", &pins), ["23", ""]);
        assert_eq!(undo(&config, &keys, "123", &pins), ["", ""]);
        assert_eq!(undo(&config, &keys, "", &[]), ["", ""]);
    }

    #[test]
    fn a_snapshot_that_was_pinned_before_the_repository_began_stays_where_it_is() {
        let pins = [(id('1'), 59), (id('2'), 60)];
        let pins = pins.each_ref().map(|(id, at)| (id.as_str(), *at));
        assert_eq!(undo(&[("config", 60)], &[("key", 61)], "3", &pins), ["2", "1"]);
        // The config of an upgraded repository is younger than the repository.
        assert_eq!(undo(&[("config", 300)], &[("key", 30)], "3", &pins), ["12", ""]);
    }

    #[test]
    fn nothing_is_put_back_where_there_is_no_repository_or_a_listing_is_missing() {
        let at = base().repository("shop/data");
        let (root, empty) = (listed(&at.root, &[("config", 60)]), listed(&at.keys, &[]));
        let (snapshots, pins) = (listed(&at.snapshots, &[]), listed(&at.pins, &[(&id('1'), 120)]));
        let (nothing, failed) = (listed(&at.root, &[]), json!({"failed": "denied"}));
        let seen = UndoSeen { root: &root, keys: &empty, snapshots: &snapshots, pins: &pins };
        let undo = |seen| base().undo("shop/data", seen).map(|undo| undo.back.len());
        assert_eq!(undo(seen), Ok(1));
        assert_eq!(undo(UndoSeen { root: &nothing, ..seen }), Err(UndoError::NoRepository));
        for seen in [
            UndoSeen { root: &failed, ..seen },
            UndoSeen { keys: &failed, ..seen },
            UndoSeen { snapshots: &failed, ..seen },
            UndoSeen { pins: &failed, ..seen },
        ] {
            assert_eq!(undo(seen), Err(UndoError::Unread(Failure::Denied)));
        }
    }
}
