//! Answers: what the API server and the store return for everything that a host may read about the claim.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use volsync_policy::Role;
use volsync_policy::ledger::{self, ConditionalWrites, Marker};

use crate::naming::{CLAIM, NAMESPACE, config, date, folder, snapshot, time, uid};
use crate::objects::{Claim, Destination, Entry, Id, Image, Path, Prime, Secret, Source, Tick};
use crate::raw;
use crate::stored::{STORE, name_of_entry, write_entry};
use crate::view::{NO_LEDGER, NO_MARKER, NO_OBJECTS, NO_REPOSITORY, NO_SECOND_LOOK, NO_SOURCE, NO_VOLUME, Shown, View};

/// The seconds between the first and the second listing of a repository.
const TWICE_APART: u32 = 30;

/// A PersistentVolume.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Volume {
    /// Its volume.
    pub(crate) id: Id,
    /// The claim that is bound to it.
    pub(crate) claim: Id,
    /// The image that it was filled from.
    pub(crate) populated_from: Option<Id>,
}

/// Something that is read.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Sight {
    Cluster(Id),
    Claim(Claim),
    Volume(Option<Volume>),
    Populator(Option<Prime>),
    Destination(Option<Destination>, Option<Image>),
    Source(Option<Source>),
    Secret(Option<Secret>),
    Marker(bool, bool, Tick),
    Entries(Option<Vec<(u8, Entry)>>, Path, Tick),
    Entry(Option<Entry>, Tick),
    LiveMarker(bool, bool, Tick),
    LiveEntries(Option<Vec<(u8, Entry)>>, Path, Tick),
    LiveEntry(Option<Entry>, Tick),
    Repository(Shown, Tick),
    SourceAgain(Option<Source>),
}

/// The answer to a question for an object.
fn object(found: Option<Value>) -> Value {
    found.map_or_else(|| json!({"absent": true}), |found| json!({"object": found}))
}

/// The answer to a question for an object of the store.
fn bytes(found: Option<(&str, u64)>, at: Tick) -> Value {
    match found {
        Some((text, tag)) => {
            json!({"bytes": STANDARD.encode(text), "etag": format!("\"{tag}\""), "date": date(at, 0)})
        }
        None => json!({"absent": true, "date": date(at, 0)}),
    }
}

/// The answer to a question for a ledger marker.
fn marker(is_there: bool, is_numbered: bool, at: Tick) -> Value {
    let conditional_writes = is_numbered.then_some(ConditionalWrites::None);
    let marker = is_there.then(|| ledger::write_marker(&Marker { conditional_writes, ..Marker::new(STORE) }));
    bytes(marker.as_ref().map(|marker| (marker.as_str(), 1)), at)
}

/// The answer to a question for the numbered entries below a base.
fn entries(numbered: &[(u8, Entry)], base: Path, at: Tick) -> Value {
    let file = |(number, entry): &(u8, Entry)| {
        let name = name_of_entry(*number, entry);
        let key = format!("{}/.volsync-policy/numbered/{NAMESPACE}/{CLAIM}/{name}", folder(base));
        json!({"key": key, "lastModified": time(at)})
    };
    listing(numbered.iter().map(file).collect(), &[], at, 0)
}

/// The answer to a question for a ledger entry.
fn entry(found: Option<&Entry>, at: Tick) -> Value {
    let entry = found.map(|entry| (write_entry(entry), entry.tag()));
    bytes(entry.as_ref().map(|(entry, tag)| (entry.as_str(), *tag)), at)
}

/// The answer to a question for a listing, so many seconds before that hour.
fn listing(objects: Vec<Value>, folders: &[String], at: Tick, seconds: u32) -> Value {
    json!({"listing": objects, "prefixes": folders, "date": date(at, seconds)})
}

impl Sight {
    fn answers(&self) -> Vec<(Role, Value)> {
        match self {
            Sight::Cluster(id) => vec![
                (Role::Cluster, object(Some(raw::namespace("kube-system", &uid(*id))))),
                (Role::Namespace, object(Some(raw::namespace(NAMESPACE, "namespace")))),
            ],
            Sight::Claim(claim) => vec![(Role::Claim, object(Some(raw::claim(claim))))],
            Sight::Volume(volume) => {
                let volume = volume.as_ref().map(raw::volume);
                volume.map(|volume| (Role::Volume, object(Some(volume)))).into_iter().collect()
            }
            Sight::Populator(prime) => vec![(Role::Populator, object(prime.as_ref().map(raw::prime)))],
            Sight::Destination(destination, image) => {
                let next = match destination.as_ref().map(|it| it.image) {
                    Some(Some(_)) => Some((Role::Image, object(image.as_ref().map(raw::image)))),
                    Some(None) => Some((Role::DestinationJob, object(None))),
                    None => None,
                };
                let destination = object(destination.as_ref().map(raw::destination));
                [(Role::Destination, destination)].into_iter().chain(next).collect()
            }
            Sight::Source(source) => vec![(Role::Source, object(source.as_ref().map(raw::source)))],
            Sight::Secret(secret) => vec![(Role::Secret, object(secret.as_ref().map(raw::secret)))],
            Sight::Marker(is_there, is_numbered, at) => vec![(Role::Marker, marker(*is_there, *is_numbered, *at))],
            Sight::Entries(numbered, base, at) => {
                numbered.iter().map(|numbered| (Role::Entries, entries(numbered, *base, *at))).collect()
            }
            Sight::Entry(found, at) => vec![(Role::Entry, entry(found.as_ref(), *at))],
            Sight::LiveMarker(is_there, is_numbered, at) => {
                vec![(Role::LiveMarker, marker(*is_there, *is_numbered, *at))]
            }
            Sight::LiveEntries(numbered, base, at) => {
                numbered.iter().map(|numbered| (Role::LiveEntries, entries(numbered, *base, *at))).collect()
            }
            Sight::LiveEntry(found, at) => vec![(Role::LiveEntry, entry(found.as_ref(), *at))],
            Sight::Repository(shown, at) => repository(shown, *at),
            Sight::SourceAgain(source) => vec![(Role::SourceAgain, object(source.as_ref().map(raw::source)))],
        }
    }

    /// The answers as keys and values of a JSON object.
    fn text(&self, is_read: bool) -> String {
        let mut text = String::new();
        for (role, answer) in self.answers() {
            let answer = if is_read { answer } else { json!({"failed": "unreachable"}) };
            let comma = if text.is_empty() { "" } else { "," };
            _ = write!(text, r#"{comma}"{}":{answer}"#, role.as_str());
        }
        text
    }
}

/// The texts of all answers so far, each serialised once, because the world changes in one thing at a time.
#[derive(Default)]
struct Texts {
    numbers: HashMap<(Sight, bool), usize>,
    by_text: HashMap<Rc<str>, usize>,
    texts: Vec<Rc<str>>,
    /// The last serialised inspection, whose memory is reused.
    inspection: String,
}

thread_local! {
    static TEXTS: RefCell<Texts> = RefCell::default();
}

impl Texts {
    /// The number of a text, which is the same for whatever looks the same.
    fn number(&mut self, sight: Sight, is_read: bool) -> usize {
        let key = (sight, is_read);
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let text: Rc<str> = key.0.text(is_read).into();
        let number = *self.by_text.entry(Rc::clone(&text)).or_insert_with(|| {
            self.texts.push(text);
            self.texts.len() - 1
        });
        self.numbers.insert(key, number);
        number
    }
}

/// Everything that a host saw of a claim, as the numbers of texts: equal texts have equal numbers.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Seen([usize; 15]);

/// A repository's listings: two if there is nothing.
fn repository(shown: &Shown, at: Tick) -> Vec<(Role, Value)> {
    if shown.config == 0 {
        return vec![
            (Role::Repository, listing(vec![], &[], at, TWICE_APART)),
            (Role::Config, bytes(None, at)),
            (Role::RepositoryAgain, listing(vec![], &[], at, 0)),
        ];
    }
    let key = |name: &str| format!("{}/{NAMESPACE}/{CLAIM}/{name}", folder(shown.path));
    let file = |name: &str, at: Tick| json!({"key": key(name), "lastModified": time(at)});
    let has_snapshots = !shown.snapshots.is_empty();
    let has_data = has_snapshots || shown.is_emptied;
    let folders = [("keys/", true), ("locks/", shown.is_locked), ("data/", has_data), ("snapshots/", has_snapshots)];
    let folders: Vec<String> = folders.iter().filter(|(_, is)| *is).map(|(name, _)| key(name)).collect();
    let mut answers = vec![
        (Role::Repository, listing(vec![file("config", 0)], &folders, at, 0)),
        (Role::Config, bytes(Some((&config(shown.config), 1)), at)),
    ];
    if shown.is_locked {
        // A running mover refreshes its lock every few minutes.
        answers.push((Role::Locks, listing(vec![file(&format!("locks/{}", snapshot(0)), at)], &[], at, 0)));
    }
    if has_snapshots {
        let files = shown.snapshots.iter().map(|(id, at)| file(&format!("snapshots/{}", snapshot(*id)), *at));
        answers.push((Role::Snapshots, listing(files.collect(), &[], at, 0)));
    }
    answers
}

impl View {
    /// All that the host saw.
    pub(crate) fn seen(&self) -> Seen {
        // Its name contains the claim's uid, so that of another claim has another name.
        let prime = self.prime.clone().filter(|it| it.claim == self.claim.uid);
        let Claim { uid: claim, volume, populated_from, .. } = self.claim;
        let volume = volume.map(|id| Volume { id, claim, populated_from });
        let live = self.live.as_ref().unwrap_or(&self.shelf);
        let sights = [
            (Sight::Claim(self.claim.clone()), 0),
            (Sight::Cluster(self.cluster), 0),
            (Sight::Volume(volume), NO_VOLUME),
            (Sight::Populator(prime), NO_OBJECTS),
            (Sight::Destination(self.destination.clone(), self.image.clone()), NO_OBJECTS),
            (Sight::Source(self.source.clone()), NO_SOURCE),
            (Sight::Secret(self.secret.clone()), NO_OBJECTS),
            (Sight::Marker(self.shelf.is_initialised, self.shelf.numbered.is_some(), self.now), NO_MARKER),
            (Sight::Entries(self.shelf.numbered.clone(), self.base, self.now), NO_LEDGER),
            (Sight::Entry(self.shelf.entry.clone(), self.now), NO_LEDGER),
            (Sight::LiveMarker(live.is_initialised, live.numbered.is_some(), self.now), NO_MARKER),
            (Sight::LiveEntries(live.numbered.clone(), self.shown.path, self.now), NO_LEDGER),
            (Sight::LiveEntry(live.entry.clone(), self.now), NO_LEDGER),
            (Sight::Repository(self.shown.clone(), self.now), NO_REPOSITORY),
            (Sight::SourceAgain(self.source_again.clone()), NO_SOURCE | NO_SECOND_LOOK),
        ];
        TEXTS.with_borrow_mut(|texts| Seen(sights.map(|(sight, blind)| texts.number(sight, self.reads(blind)))))
    }
}

impl Seen {
    /// Writes all of it out, as the core reads it, with the claim for which the host plans.
    pub(crate) fn write<T>(&self, read: impl FnOnce(&str) -> T) -> T {
        TEXTS.with_borrow_mut(|Texts { texts, inspection, .. }| {
            let texts = self.0.map(|number| &*texts[number]);
            // The claim that the host plans for is the claim that it saw.
            let claim = texts[0].strip_prefix(r#""claim":{"object":"#).and_then(|claim| claim.strip_suffix('}'));
            inspection.clear();
            inspection.extend([r#"{"request":"#, claim.expect("there is a claim"), r#","seen":{"#, texts[0]]);
            for text in texts[1..].iter().filter(|text| !text.is_empty()) {
                inspection.extend([",", text]);
            }
            inspection.push_str("}}");
            read(inspection)
        })
    }
}
