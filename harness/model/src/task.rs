//! Tasks: the writes of a plan, in terms of the model's objects.

use serde_json::Value;
use volsync_policy::evidence::Expectation;
use volsync_policy::names::{CONSUMED, RELEASED, SPENT, TOUCHED};
use volsync_policy::{Condition, Deletion, HoldId, ObjectRef, Part, Patch, Plan, Put, Verb, Write};

use crate::naming::{CLAIM, NAMESPACE, folder, number, path_where, prime_of};
use crate::objects::{Entry, Id, Path, Prime, Record};
use crate::raw::{destination_in, manifest, manifests, secret_in, source_in};
use crate::stored::{name_of_entry, read_entry, read_record};
use crate::version::{Expected, Version};

/// A request of the host to the API server or to the store. The first that fails ends the round.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// Writes the ledger entry, if the existing one still has that entity tag, or if there is none.
    PutEntry {
        /// The base whose ledger it is.
        base: Path,
        /// The tag of the entry that was read.
        tag: Option<Version>,
        /// The number of a numbered entry, which has no condition.
        number: Option<u8>,
        /// The entry.
        entry: Entry,
    },
    /// Patches the claim's list of acceptances that no longer count.
    PatchClaimSpent(Expected, Vec<HoldId>),
    /// Patches the claim's record.
    PatchClaimRecord(Expected, Record),
    /// Patches the ReplicationSource's record.
    PatchSourceRecord(Expected, Record),
    /// Deletes the ReplicationSource of that uid.
    DeleteSource(Id),
    /// Deletes the ReplicationDestination of that uid.
    DeleteDestination(Id),
    /// Deletes that claim `vs-prime-<uid>` of VolSync's.
    DeletePrime(Prime),
    /// Creates the Secret, or applies it.
    ApplySecret {
        /// What is there; nothing where it is created.
        expected: Option<Expected>,
        /// The claim's uid.
        claim: Id,
        /// Where it points.
        path: Path,
    },
    /// Creates the ReplicationDestination.
    CreateDestination {
        /// The claim's uid.
        claim: Id,
        /// What it is expected to find.
        expects: Expectation,
    },
    /// Creates the ReplicationSource, or applies it.
    ApplySource {
        /// What is there; nothing where it is created.
        expected: Option<Expected>,
        /// The claim's uid.
        claim: Id,
        /// Whether it is paused.
        is_paused: bool,
        /// The record on it.
        record: Option<Record>,
    },
    /// Patches `paused: false` into the ReplicationSource.
    Unpause(Expected),
    /// Notes that image as consumed on the ReplicationDestination.
    NoteImage(Expected, Id),
    /// Clears `status.latestImage` of the ReplicationDestination.
    ClearImage(Expected),
    /// Deletes the VolumeSnapshot.
    DeleteImage(Id),
}

/// The tasks for the writes of a plan.
pub(crate) fn tasks(plan: &Plan, writes: &[Write]) -> Vec<Task> {
    let has_manifests = writes.iter().any(|write| matches!(write.verb, Verb::Create(_) | Verb::Apply(_)));
    let manifests = if has_manifests { manifests(plan) } else { Value::Null };
    let task = |verb: &Verb| match verb {
        Verb::Create(it) => Some(apply(it.manifest, None, manifest(&manifests, it.manifest))),
        Verb::Apply(it) => {
            let expected = Expected { uid: number(&it.uid), version: Some(version(&it.resource_version)) };
            Some(apply(it.manifest, Some(expected), manifest(&manifests, it.manifest)))
        }
        Verb::Patch(it) => patch(it),
        Verb::PatchStatus(it) => Some(patch_status(it)),
        Verb::Delete(it) => Some(delete(it)),
        Verb::Put(it) => Some(put(it)),
        // Pins are only read by people, and there are no locks.
        Verb::Copy(_) | Verb::Remove(_) => None,
    };
    writes.iter().filter_map(|write| task(&write.verb)).collect()
}

fn version(text: &str) -> Version {
    text.parse().expect("a version of the model")
}

fn apply(part: Part, expected: Option<Expected>, manifest: &Value) -> Task {
    match part {
        Part::Secret => {
            let (claim, path) = secret_in(manifest);
            Task::ApplySecret { expected, claim, path }
        }
        Part::Destination => {
            assert_eq!(expected, None, "one that exists is never edited");
            let (claim, expects) = destination_in(manifest);
            Task::CreateDestination { claim, expects }
        }
        Part::Source => {
            let (claim, is_paused, record) = source_in(manifest);
            Task::ApplySource { expected, claim, is_paused, record }
        }
    }
}

fn expected(Patch { body, .. }: &Patch) -> Expected {
    let metadata = &body["metadata"];
    Expected {
        uid: number(metadata["uid"].as_str().expect("a patch says whose it is")),
        version: metadata["resourceVersion"].as_str().map(version),
    }
}

fn patch(patch: &Patch) -> Option<Task> {
    let annotation = |key: &str| patch.body["metadata"]["annotations"][key].as_str();
    let expected = expected(patch);
    match &*patch.object.kind {
        // VolSync may reconcile a claim at any time.
        "PersistentVolumeClaim" if annotation(TOUCHED).is_some() => None,
        "PersistentVolumeClaim" if let Some(spent) = annotation(SPENT) => {
            let ids = spent.split(',').map(|id| HoldId::parse(id).expect("an id")).collect();
            Some(Task::PatchClaimSpent(expected, ids))
        }
        "PersistentVolumeClaim" => {
            Some(Task::PatchClaimRecord(expected, read_record(annotation(RELEASED).expect("a record"))))
        }
        "ReplicationSource" => Some(match annotation(RELEASED) {
            Some(record) => Task::PatchSourceRecord(expected, read_record(record)),
            None => {
                assert_eq!(patch.body["spec"]["paused"], false);
                Task::Unpause(expected)
            }
        }),
        "ReplicationDestination" => Some(Task::NoteImage(expected, number(annotation(CONSUMED).expect("an image")))),
        kind => panic!("nobody patches a {kind}"),
    }
}

fn patch_status(patch: &Patch) -> Task {
    assert_eq!(patch.object.kind, "ReplicationDestination");
    assert_eq!(patch.body["status"], serde_json::json!({"latestImage": null}));
    Task::ClearImage(expected(patch))
}

fn delete(Deletion { object, uid }: &Deletion) -> Task {
    let ObjectRef { kind, .. } = object;
    match &**kind {
        "ReplicationSource" => Task::DeleteSource(number(uid)),
        "ReplicationDestination" => Task::DeleteDestination(number(uid)),
        "PersistentVolumeClaim" => Task::DeletePrime(prime_of(uid)),
        "VolumeSnapshot" => Task::DeleteImage(number(uid)),
        kind => panic!("nobody deletes a {kind}"),
    }
}

fn put(Put { at, text, condition }: &Put) -> Task {
    let entry = read_entry(text);
    let ledger = |base| format!("{}/.volsync-policy/", folder(base));
    let base = path_where(|base| at.key.starts_with(&ledger(base)));
    let key = at.key.strip_prefix(&ledger(base)).expect("a key of the ledger");
    match condition {
        None => {
            let name = key.strip_prefix(&format!("numbered/{NAMESPACE}/{CLAIM}/")).expect("a numbered entry");
            let number = name.split('.').next().and_then(|number| number.parse().ok()).expect("a small number");
            assert_eq!(name, name_of_entry(number, &entry));
            Task::PutEntry { base, tag: None, number: Some(number), entry }
        }
        Some(condition) => {
            assert_eq!(key, format!("entries/{NAMESPACE}/{CLAIM}.json"));
            let tag = match condition {
                Condition::IfNoneMatch(_) => None,
                Condition::IfMatch(tag) => Some(version(tag.trim_matches('"'))),
            };
            Task::PutEntry { base, tag, number: None, entry }
        }
    }
}
