//! Stored formats: the ledger entry and the release record, as the core writes and reads them.

use volsync_policy::evidence::{Address, Digest, Entry as LedgerEntry, Memory, ReleaseRecord, Writer};
use volsync_policy::{Quantity, ledger};

use crate::naming::{
    address, config_of, fingerprint, number, path_where, snapshot, snapshot_of, tick, timestamp, uid, volume,
};
use crate::objects::{Entry, Record};

/// The reason with which a person accepts a hold.
pub(crate) const REASON: &str = "because";

/// The id of the ledger in settings.
pub(crate) const STORE: &str = "store-1";

/// The time between two backups, in seconds.
const HOUR: u64 = 3600;

/// The storage that the claim requests.
pub(crate) const CAPACITY: &str = "1Gi";

/// The record as it stands in an annotation.
pub(crate) fn write_record(record: &Record) -> String {
    ledger::write_record(&ReleaseRecord {
        uid: uid(record.uid),
        volume: volume(record.volume),
        fingerprint: record.config.map(fingerprint),
        newest: record.newest.map(|newest| snapshot(newest).try_into().expect("a digest")),
        term: u64::from(record.term),
        overtaken: record.overtaken,
        elsewhere: record.elsewhere,
        moved: record.moved,
        reason: record.is_reasoned.then(|| REASON.to_owned()),
    })
}

/// The record in an annotation.
pub(crate) fn read_record(annotation: &str) -> Record {
    let stored = ledger::read_record(annotation).expect("the core wrote it");
    let record = Record {
        uid: number(&stored.uid),
        volume: number(&stored.volume.handle),
        config: stored.fingerprint.as_ref().map(config_of),
        newest: stored.newest.as_ref().map(snapshot_of),
        term: u8::try_from(stored.term).expect("a small term"),
        overtaken: stored.overtaken,
        elsewhere: stored.elsewhere,
        moved: stored.moved,
        is_reasoned: stored.reason.is_some(),
    };
    assert_eq!(write_record(&record), annotation, "nothing of it is lost");
    record
}

/// The entry as it stands in the bucket.
pub(crate) fn write_entry(entry: &Entry) -> String {
    let stored = LedgerEntry {
        repository: Address::Same,
        writer: Writer {
            cluster: uid(entry.cluster),
            uid: uid(entry.uid),
            volume: volume(entry.volume),
            interval: HOUR,
            since: timestamp(entry.since),
            term: u64::from(entry.term),
        },
        memory: entry.memory.map(|(config, newest, at)| Memory {
            fingerprint: fingerprint(config),
            newest_key: snapshot(newest).try_into().expect("a digest"),
            newest_at: timestamp(at),
        }),
        capacity: Quantity::parse(CAPACITY).expect("a quantity"),
        retired: entry.is_retired,
    };
    ledger::write_entry(&stored, &address(entry.path))
}

/// The name of a numbered entry.
pub(crate) fn name_of_entry(number: u8, entry: &Entry) -> String {
    let writer = if entry.is_retired { "retired".to_owned() } else { uid(entry.cluster) };
    let digest = Digest::of(write_entry(entry).as_bytes());
    format!("{number:020}.{writer}.{}.json", digest.as_str())
}

/// The entry in the bucket.
pub(crate) fn read_entry(text: &str) -> Entry {
    let stored = ledger::read_entry(text.as_bytes(), None).expect("the core wrote it");
    let remembered = |it: Memory| (config_of(&it.fingerprint), snapshot_of(&it.newest_key), tick(it.newest_at));
    let entry = Entry {
        path: path_where(|path| stored.repository == Address::Other(address(path))),
        cluster: number(&stored.writer.cluster),
        uid: number(&stored.writer.uid),
        volume: number(&stored.writer.volume.handle),
        since: tick(stored.writer.since),
        term: u8::try_from(stored.writer.term).expect("a small term"),
        memory: stored.memory.map(remembered),
        is_retired: stored.retired,
    };
    assert_eq!(write_entry(&entry), text, "nothing of it is lost");
    entry
}
