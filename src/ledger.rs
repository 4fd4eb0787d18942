//! The ledger's stored formats, which stay in buckets and annotations for years, with their version.
//!
//! All of it is JSON with `"version": 1` first. Another version, or what cannot be parsed, is unreadable, which is
//! never the same as absent. Below the base repository:
//!
//! ```text
//! .volsync-policy/store.json                   the ledger marker: {"version":1,"storeId":"…"}
//! .volsync-policy/entries/<path>.json          a claim's entry, by the path of its repository
//! .volsync-policy/numbered/<path>/<name>       one of a claim's entries, in a store without conditional writes
//! .volsync-policy/pins/<path>/<snapshot>       a copy of an object under `<path>/snapshots/`
//! .volsync-policy/probe/<random>/              objects of a probe, which removes them
//! ```
//!
//! Without conditional writes, two writers could both overwrite an entry and believe that it is theirs. So each entry
//! is an object of its own, with the name `<number>.<writer>.<sha256>.json`: one more than the highest number that its
//! writer saw, in 20 digits; the writer's cluster, or `retired`; the SHA-256 of its text. Those with the highest number
//! count. Whoever writes lists the folder afterwards, so of two that write the same number, at least one sees both.
//!
//! The release record is in the annotation `volsync-policy.io/released` of the claim and of its ReplicationSource. None
//! of these contains a credential: a repository is named by the SHA-256 of its address.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::{parse, read_part};
use crate::evidence::{Address, Digest, Entry, Memory, ReleaseRecord, Writer};
use crate::quantity::Quantity;

/// The version of all stored formats.
pub const VERSION: u64 = 1;

/// The key of the ledger marker, below the base repository.
pub const MARKER: &str = ".volsync-policy/store.json";

/// The text is of another version, or cannot be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// The ledger marker, which says which store this is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Marker {
    /// The id of the store.
    pub store_id: String,
    /// What is known about conditional writes to the store; left out where they were not probed when the marker was
    /// written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditional_writes: Option<ConditionalWrites>,
}

/// What is known about conditional writes to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ConditionalWrites {
    /// A probe showed that the store honours `If-Match` and `If-None-Match`, also if many write at the same time.
    Proven,
    /// A probe showed that the store does not honour them, so ledger entries are numbered.
    None,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct StoredEntry {
    repository: Digest,
    writer: Writer,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory: Option<Memory>,
    capacity: Quantity,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    retired: bool,
}

/// The prefix of the keys of all ledger entries, below the base repository.
pub(crate) const ENTRIES: &str = ".volsync-policy/entries/";

/// The prefix of the keys of all numbered ledger entries, below the base repository.
pub(crate) const NUMBERED: &str = ".volsync-policy/numbered/";

/// The prefix of the keys of all pins, below the base repository.
const PINS: &str = ".volsync-policy/pins/";

/// The prefix of the keys of all probes, below the base repository.
const PROBES: &str = ".volsync-policy/probe/";

/// The number of digits in the name of a numbered ledger entry, which are those of the highest number.
const DIGITS: usize = 20;

/// The extension of the key of a ledger entry.
const JSON: &str = ".json";

/// The key of a claim's ledger entry, below the base repository; `path` is the path of the claim's repository.
pub fn entry_key(path: &str) -> String {
    format!("{ENTRIES}{path}{JSON}")
}

/// The path of the repository whose ledger entry has this key, below the base repository; `None` for another key.
pub(crate) fn path_of_entry(key: &str) -> Option<&str> {
    key.strip_prefix(ENTRIES)?.strip_suffix(JSON)
}

/// The prefix of the keys of a claim's numbered entries, below the base repository; `path` is the path of the claim's
/// repository.
pub(crate) fn numbered(path: &str) -> String {
    format!("{NUMBERED}{path}/")
}

/// The prefix of the keys of a repository's pins, below the base repository.
pub(crate) fn pins(path: &str) -> String {
    format!("{PINS}{path}/")
}

/// The prefix of the keys of the probe with this name, below the base repository.
pub(crate) fn probe(name: &str) -> String {
    format!("{PROBES}{name}/")
}

/// The key of the copy of a snapshot, below the base repository; `path` is the path of the snapshot's repository.
pub fn pin_key(path: &str, snapshot: &str) -> String {
    format!("{}{snapshot}", pins(path))
}

/// The writer in the name of a numbered entry that is retired.
const RETIRED: &str = "retired";

/// The name of a numbered ledger entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbered<'a> {
    number: u64,
    writer: &'a str,
    /// The whole name.
    pub name: &'a str,
}

impl<'a> Numbered<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let (number, rest) = name.strip_suffix(JSON)?.split_once('.')?;
        let (writer, digest) = rest.rsplit_once('.')?;
        let is_number = number.len() == DIGITS && number.bytes().all(|digit| digit.is_ascii_digit());
        Digest::parse(digest)?;
        Some(Numbered { number: number.parse().ok().filter(|_| is_number)?, writer, name })
    }
}

/// A claim's numbered entries.
pub(crate) struct Numbers<'a>(Vec<Numbered<'a>>);

impl<'a> Numbers<'a> {
    /// Reads the names of all objects in the folder of a claim's numbered entries.
    ///
    /// # Errors
    ///
    /// One of them is not the name of a numbered entry.
    pub(crate) fn of(names: impl Iterator<Item = &'a str>) -> Result<Self, Unreadable> {
        let mut all = Vec::new();
        for name in names {
            all.push(Numbered::parse(name).ok_or(Unreadable)?);
        }
        Ok(Numbers(all))
    }

    /// The highest number; zero where there is no entry.
    fn highest(&self) -> u64 {
        self.0.iter().fold(0, |highest, it| highest.max(it.number))
    }

    /// The entries with the highest number: one, or those of writers that did not see each other.
    pub(crate) fn newest(&self) -> impl Iterator<Item = &Numbered<'a>> {
        let highest = self.highest();
        self.0.iter().filter(move |it| it.number == highest)
    }

    /// The entries that do not count any more. Those just below the highest number are left out: a writer that has not
    /// yet seen the newest may be about to read them.
    pub(crate) fn obsolete(&self) -> impl Iterator<Item = &Numbered<'a>> {
        let highest = self.highest();
        self.0.iter().filter(move |it| it.number.saturating_add(1) < highest)
    }

    /// The entry that counts for this cluster. If several have the highest number, that of another cluster counts, so
    /// that none of the writers believes that the entry is its own.
    pub(crate) fn entry_for(&self, cluster: &str) -> Option<&Numbered<'a>> {
        self.newest().max_by_key(|it| (it.writer != cluster && it.writer != RETIRED, it.name))
    }

    /// The name of the next entry, which has this text. `cluster` is the cluster of its writer; `None` if the entry is
    /// retired.
    pub(crate) fn next(&self, cluster: Option<&str>, text: &str) -> String {
        let number = self.highest().saturating_add(1);
        let digest = Digest::of(text.as_bytes());
        format!("{number:0DIGITS$}.{}.{}{JSON}", cluster.unwrap_or(RETIRED), digest.as_str())
    }
}

impl Marker {
    /// Whether the store's ledger entries are numbered.
    pub fn is_numbered(&self) -> bool {
        self.conditional_writes == Some(ConditionalWrites::None)
    }

    /// The marker of the store with this id, whose conditional writes were not probed.
    pub fn new(store_id: &str) -> Self {
        Marker { store_id: store_id.to_owned(), conditional_writes: None }
    }
}

/// Writes a ledger marker.
pub fn write_marker(marker: &Marker) -> String {
    versioned(marker)
}

/// Reads a ledger marker.
///
/// # Errors
///
/// The text is of another version, or is not a ledger marker.
pub fn read_marker(bytes: &[u8]) -> Result<Marker, Unreadable> {
    body(bytes)
}

/// Writes a ledger entry for the repository whose address has this SHA-256.
pub fn write_entry(entry: &Entry, repository: &Digest) -> String {
    let Entry { repository: _, writer, memory, capacity, retired } = entry.clone();
    versioned(&StoredEntry { repository: repository.clone(), writer, memory, capacity, retired })
}

/// Reads a ledger entry. `repository` is the SHA-256 of the address to compare the entry's with; without it, the entry
/// counts as that of another repository.
///
/// # Errors
///
/// The text is of another version, or is not a ledger entry.
pub fn read_entry(bytes: &[u8], repository: Option<&Digest>) -> Result<Entry, Unreadable> {
    let StoredEntry { repository: stored, writer, memory, capacity, retired } = body(bytes)?;
    let repository = if repository == Some(&stored) { Address::Same } else { Address::Other(stored) };
    Ok(Entry { repository, writer, memory, capacity, retired })
}

/// Writes the same ledger entry, retired: it remembers nothing any more, and names no writer. `None` where it already
/// is.
///
/// # Errors
///
/// The text is of another version, or is not a ledger entry.
pub fn retire(entry: &[u8]) -> Result<Option<String>, Unreadable> {
    let stored: StoredEntry = body(entry)?;
    Ok((!stored.retired).then(|| versioned(&StoredEntry { retired: true, ..stored })))
}

/// Writes a release record, as the value of an annotation.
pub fn write_record(record: &ReleaseRecord) -> String {
    versioned(record)
}

/// Reads a release record from the value of an annotation.
///
/// # Errors
///
/// The text is of another version, or is not a release record.
pub fn read_record(annotation: &str) -> Result<ReleaseRecord, Unreadable> {
    body(annotation.as_bytes())
}

/// The version comes first, where a person finds it.
fn versioned(body: &impl Serialize) -> String {
    let json = serde_json::to_string(body).unwrap_or_default();
    format!(r#"{{"version":{VERSION},{}"#, json.trim_start_matches('{'))
}

fn body<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, Unreadable> {
    let document = parse(bytes).map_err(|_| Unreadable)?;
    if document.get("version").and_then(Value::as_u64) != Some(VERSION) {
        return Err(Unreadable);
    }
    read_part(&document, "").map_err(|_| Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Timestamp, VolumeId};

    const MARKER: &str = include_str!("../tests/stored/store.json");
    const PROVEN: &str = include_str!("../tests/stored/store-proven.json");
    const NUMBERED: &str = include_str!("../tests/stored/store-numbered.json");
    const ENTRY: &str = include_str!("../tests/stored/entry.json");
    const RECORD: &str = include_str!("../tests/stored/record.json");

    fn digest(last: char) -> Digest {
        Digest::parse(&format!("{}{last}", "0".repeat(63))).unwrap()
    }

    fn entry(repository: Address) -> Entry {
        Entry {
            repository,
            writer: Writer {
                cluster: "c-1".to_owned(),
                uid: "u-1".to_owned(),
                volume: VolumeId { driver: "csi.example.com".to_owned(), handle: "vol-1".to_owned() },
                interval: 3600,
                since: Timestamp::parse("2026-11-24T10:00:00Z").unwrap(),
                term: 2,
            },
            memory: Some(Memory {
                fingerprint: digest('2'),
                newest_key: digest('3'),
                newest_at: Timestamp::parse("2026-11-24T10:30:00Z").unwrap(),
            }),
            capacity: Quantity::parse("1Gi").unwrap(),
            retired: false,
        }
    }

    fn record() -> ReleaseRecord {
        ReleaseRecord {
            uid: "u-1".to_owned(),
            volume: entry(Address::Same).writer.volume,
            fingerprint: Some(digest('2')),
            newest: Some(digest('3')),
            term: 2,
            overtaken: false,
            elsewhere: false,
            moved: false,
            reason: Some("the volume is the right one".to_owned()),
        }
    }

    #[test]
    fn the_stored_formats_are_written_as_they_were_and_read_back() {
        let marker = Marker::new("b9f1c0de-8a5b-4c55-9a0e-2f6d2a4f7c11");
        let proven = Marker { conditional_writes: Some(ConditionalWrites::Proven), ..marker.clone() };
        let numbered = Marker { conditional_writes: Some(ConditionalWrites::None), ..marker.clone() };
        for (marker, stored) in [(marker, MARKER), (proven, PROVEN), (numbered, NUMBERED)] {
            assert_eq!(write_marker(&marker), stored.trim_end());
            assert_eq!(read_marker(stored.as_bytes()), Ok(marker));
        }
        assert_eq!(write_entry(&entry(Address::Same), &digest('1')), ENTRY.trim_end());
        assert_eq!(read_entry(ENTRY.as_bytes(), Some(&digest('1'))), Ok(entry(Address::Same)));
        assert_eq!(write_record(&record()), RECORD.trim_end());
        assert_eq!(read_record(RECORD), Ok(record()));
    }

    #[test]
    fn an_entry_is_of_another_repository_unless_the_address_is_known_to_be_the_same() {
        let other = Ok(entry(Address::Other(digest('1'))));
        assert_eq!(read_entry(ENTRY.as_bytes(), Some(&digest('4'))), other);
        assert_eq!(read_entry(ENTRY.as_bytes(), None), other);
    }

    #[test]
    fn a_retired_entry_is_the_same_but_for_that() {
        let retired = retire(ENTRY.as_bytes()).unwrap().unwrap();
        assert_eq!(
            read_entry(retired.as_bytes(), Some(&digest('1'))),
            Ok(Entry { retired: true, ..entry(Address::Same) })
        );
        assert_eq!(retire(retired.as_bytes()), Ok(None));
        assert_eq!(retire(RECORD.as_bytes()), Err(Unreadable));
    }

    #[test]
    fn of_entries_with_the_same_number_that_of_another_cluster_counts() {
        let name = |number: u64, writer: &str| format!("{number:020}.{writer}.{}.json", "0".repeat(64));
        let all = [name(2, "c-1"), name(2, "c-2"), name(1, "c-3"), name(0, "c-3")];
        let numbers = Numbers::of(all.iter().map(String::as_str)).unwrap();
        let entry_for = |cluster| numbers.entry_for(cluster).unwrap().name;
        assert_eq!([entry_for("c-1"), entry_for("c-2")], [&all[1], &all[0]]);
        let obsolete: Vec<&str> = numbers.obsolete().map(|it| it.name).collect();
        assert_eq!(obsolete, [&all[3]]);
        assert_eq!(
            numbers.next(Some("c-1"), "text"),
            name(3, "c-1").replace(&"0".repeat(64), Digest::of(b"text").as_str())
        );

        // A retired entry is nobody's.
        let with = |writer| [name(7, "retired"), name(7, writer)];
        let entry_for = |all: &[String; 2]| {
            let numbers = Numbers::of(all.iter().map(String::as_str)).unwrap();
            numbers.entry_for("c-1").unwrap().name.to_owned()
        };
        assert_eq!(entry_for(&with("c-1")), name(7, "retired"));
        assert_eq!(entry_for(&with("c-2")), name(7, "c-2"));
    }

    #[test]
    fn what_is_not_the_name_of_a_numbered_entry_is_unreadable() {
        let digest = "0".repeat(64);
        for name in [
            String::new(),
            "x".to_owned(),
            format!("1.c-1.{digest}.json"),
            format!("+0000000000000000001.c-1.{digest}.json"),
            format!("99999999999999999999.c-1.{digest}.json"),
            format!("{:020}.c-1.{digest}", 1),
            format!("{:020}.c-1.00.json", 1),
            format!("{:020}.{digest}.json", 1),
        ] {
            assert!(Numbers::of([name.as_str()].into_iter()).is_err(), "{name}");
        }
        let last = format!("{}.c-1.{digest}.json", u64::MAX);
        let numbers = Numbers::of([last.as_str()].into_iter()).unwrap();
        assert!(numbers.next(None, "").starts_with(&u64::MAX.to_string()));
        assert!(Numbers::of([].into_iter()).is_ok_and(|numbers| numbers.entry_for("c-1").is_none()));
    }

    #[test]
    fn the_key_of_an_entry_leads_back_to_the_path() {
        assert_eq!(path_of_entry(&entry_key("shop/data")), Some("shop/data"));
        assert_eq!(path_of_entry(&pin_key("shop/data", "0")), None);
        assert_eq!(path_of_entry(".volsync-policy/entries/shop/data"), None);
    }

    #[test]
    fn what_is_of_another_version_or_cannot_be_parsed_is_unreadable() {
        for (known, unknown) in [("\"version\":1", "\"version\":2"), ("\"version\":1,", ""), ("{", ""), ("u-1", "\\")] {
            for stored in [ENTRY, RECORD].map(|stored| stored.replace(known, unknown)) {
                assert_eq!(read_entry(stored.as_bytes(), None), Err(Unreadable), "{stored}");
                assert_eq!(read_record(&stored), Err(Unreadable), "{stored}");
            }
        }
        for marker in [
            "",
            "{}",
            r#"{"version":2,"storeId":"a"}"#,
            r#"{"version":1}"#,
            r#"{"version":1,"storeId":7}"#,
            // What a later release may find about a store, this one does not know how to write to.
            r#"{"version":1,"storeId":"a","conditionalWrites":"ignored"}"#,
        ] {
            assert_eq!(read_marker(marker.as_bytes()), Err(Unreadable), "{marker}");
        }
        // One is not the other.
        assert_eq!(read_record(ENTRY), Err(Unreadable));
        assert_eq!(read_entry(RECORD.as_bytes(), None), Err(Unreadable));
    }
}
