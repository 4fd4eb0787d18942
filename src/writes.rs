//! Writes: the requests that the steps of a plan consist of. Each carries its own preconditions. At the first that
//! fails, the host stops, reads again and plans again.
//!
//! - An absent object is created by POST: server-side apply cannot say "only if absent", and would merge into an object
//!   of someone else.
//! - An object that this policy manages is applied with the uid and the resourceVersion that were seen, which makes
//!   force safe. Fields that its manifest has no more are removed by a merge patch.
//! - Release records are merge patches by a field manager of their own; otherwise the next apply would remove them.
//! - An object is deleted with its uid as a precondition.
//! - The ledger entry is put on condition that it is still what was read. In a store without conditional writes, each
//!   entry is an object of its own, and is read back before anything else follows from it.
//!
//! After a write whose answer was lost, the host reads and plans again. It never repeats the write blindly.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::acceptance::Spent;
use crate::address::{ObjectRef, StoreRef};
use crate::document::{at, text};
use crate::evidence::{Digest, Entry, ReleaseRecord, Timestamp};
use crate::ledger::{self, Numbers};
use crate::manifests::Manifests;
use crate::mover::restic::layout::DEAD_LOCK;
use crate::names::{CONSUMED, FIELD_MANAGER, RECORD_MANAGER, RELEASED, SPENT, TOUCHED};
use crate::observe::objects::{annotation, is_ours, uid};
use crate::part::Part;
use crate::role::Role;
use crate::seen::{Found, Seen};
use crate::step::Step;
use crate::target::{Target, is_numbered, numbers};

/// One request to the API server or to the store.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Write {
    /// The name of the step that the request belongs to.
    pub step: Cow<'static, str>,
    /// The request.
    #[serde(flatten)]
    pub verb: Verb,
}

/// A request to the API server or to the store, with its preconditions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Verb {
    /// POST a manifest of the plan. If the object exists by now, read and plan again.
    Create(Creation),
    /// Apply a manifest of the plan by server-side apply, with force, and with this uid and resourceVersion in its
    /// metadata.
    Apply(Application),
    /// Patch an object with a JSON merge patch. Its body contains the preconditions: the uid and, where the whole
    /// object matters, the resourceVersion.
    Patch(Patch),
    /// Patch the subresource `status` of an object with a JSON merge patch. Its body contains the preconditions, as
    /// with `patch`.
    PatchStatus(Patch),
    /// Delete the object with this uid. It is not an error if the object no longer exists.
    Delete(Deletion),
    /// Write an object of the store under a condition.
    Put(Put),
    /// Copy an object within the store. It is not an error if the object no longer exists.
    Copy(Copy),
    /// Delete an object of the store. It is not an error if the object no longer exists.
    Remove(StoreRef),
}

/// An object of Kubernetes to create.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Creation {
    /// The manifest of the plan.
    pub manifest: Part,
    /// The field manager of the request.
    pub field_manager: Cow<'static, str>,
}

/// An object of Kubernetes to apply by server-side apply.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Application {
    /// The manifest of the plan.
    pub manifest: Part,
    /// The uid that the object must have.
    pub uid: String,
    /// The resourceVersion that the object must have.
    pub resource_version: String,
    /// The field manager of the request.
    pub field_manager: Cow<'static, str>,
}

/// A change to an object of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Patch {
    /// The object to change.
    pub object: ObjectRef,
    /// The field manager of the request.
    pub field_manager: Cow<'static, str>,
    /// The JSON merge patch (RFC 7386).
    pub body: Value,
}

/// An object of Kubernetes to delete.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Deletion {
    /// The object to delete.
    pub object: ObjectRef,
    /// The uid that the object must have.
    pub uid: String,
}

/// An object of the store to write.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Put {
    /// The key to write to.
    #[serde(flatten)]
    pub at: StoreRef,
    /// The content, as UTF-8 text.
    pub text: String,
    /// The condition of the request; left out where the key is that of a numbered ledger entry, which contains the
    /// SHA-256 of the content, so that nothing else is written over.
    #[serde(flatten)]
    pub condition: Option<Condition>,
}

/// The condition on which an object of the store is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Condition {
    /// The object must have this entity tag: the header `If-Match`.
    IfMatch(String),
    /// The object must not exist: the header `If-None-Match`, whose value is `*`.
    IfNoneMatch(Cow<'static, str>),
}

/// An object of the store to copy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Copy {
    /// The key to copy from.
    pub from: StoreRef,
    /// The key to copy to.
    pub to: StoreRef,
}

/// Translates steps into writes.
pub(crate) struct Scribe<'a> {
    /// What belongs to the claim.
    pub target: &'a Target,
    /// What the host saw.
    pub seen: &'a Seen,
    /// The manifests, where the claim is protected.
    pub manifests: Option<&'a Manifests>,
}

/// A step that cannot be carried out on what was seen; neither can the steps after it.
struct Impossible;

impl Scribe<'_> {
    /// The writes that the steps consist of, up to the first step that cannot be carried out.
    pub(crate) fn writes(&self, steps: &[Step]) -> Vec<Write> {
        // The manifest of a ReplicationSource holds its record. A patch before the apply would only change the version
        // that the apply was planned for.
        let recorded: &[Role] =
            if steps.contains(&Step::ApplySource) { &[Role::Claim] } else { &[Role::Claim, Role::Source] };
        let mut writes = Vec::new();
        for step in steps {
            let Ok(verbs) = self.step(step, recorded) else { break };
            writes.extend(verbs.into_iter().map(|verb| Write { step: step.name().into(), verb }));
        }
        writes
    }

    fn step(&self, step: &Step, recorded: &[Role]) -> Result<Vec<Verb>, Impossible> {
        match step {
            Step::SpendAcceptances(ids) => {
                let claim = self.target.found(Role::Claim, self.seen).ok_or(Impossible)?;
                let mut metadata = revision(claim);
                metadata.insert("annotations".to_owned(), json!({SPENT: Spent::write(ids)}));
                Ok(vec![self.patch(Role::Claim, RECORD_MANAGER, json!({"metadata": metadata}))?])
            }
            Step::MarkRelease(record) => Ok(self.record(record, recorded)),
            Step::DeleteSource => self.delete(Role::Source),
            Step::DeleteDestination => self.delete(Role::Destination),
            Step::DeletePopulator => self.delete(Role::Populator),
            Step::TouchClaim => self.touch().map(|verb| vec![verb]),
            Step::EnterLedger(entry) => Ok(vec![self.put(entry)?]),
            Step::RecordRelease(write) | Step::WriteLedger(write) => {
                let mut verbs = vec![self.put(&write.entry)?];
                verbs.extend(self.record(&write.record, recorded));
                self.remove_obsolete(&mut verbs)?;
                Ok(verbs)
            }
            Step::PinSnapshots => self.pin(),
            Step::ApplySecret => self.apply(Part::Secret),
            Step::ApplyDestination => self.apply(Part::Destination),
            Step::ApplySource => self.apply(Part::Source),
            Step::UnpauseSource => {
                let source = self.target.found(Role::Source, self.seen).ok_or(Impossible)?;
                let body = json!({"metadata": revision(source), "spec": {"paused": false}});
                Ok(vec![self.patch(Role::Source, FIELD_MANAGER, body)?])
            }
            Step::ConsumeImage => self.consume(),
            Step::ClearLocks => self.clear_locks(),
        }
    }

    /// Creates an absent object, and applies one that this policy manages and that differs from its manifest. Any other
    /// is left as it is.
    fn apply(&self, part: Part) -> Result<Vec<Verb>, Impossible> {
        let role = self.target.role(part);
        let wanted = self.manifests.and_then(|manifests| manifests.json(part)).ok_or(Impossible)?;
        let object = self.target.object(role, self.seen).ok_or(Impossible)?;
        let live = match self.seen.object(role, &object) {
            Found::Absent => {
                let field_manager = FIELD_MANAGER.into();
                return Ok(vec![Verb::Create(Creation { manifest: part, field_manager })]);
            }
            Found::Is(live) if is_ours(live) => live,
            Found::Is(_) | Found::Unread(_) => return Err(Impossible),
        };
        if let Some((field, change)) = removal(part, live, &wanted) {
            let mut metadata = revision(live);
            // The manifest of a ReplicationSource holds its record.
            metadata.extend(wanted.pointer("/metadata/annotations").map(|it| ("annotations".to_owned(), it.clone())));
            let body = json!({"metadata": metadata, field: change});
            return Ok(vec![self.patch(role, FIELD_MANAGER, body)?]);
        }
        let application = || Application {
            manifest: part,
            uid: uid(live).to_owned(),
            resource_version: resource_version(live).to_owned(),
            field_manager: FIELD_MANAGER.into(),
        };
        Ok((!covers(live, &wanted)).then(|| Verb::Apply(application())).into_iter().collect())
    }

    fn delete(&self, role: Role) -> Result<Vec<Verb>, Impossible> {
        let object = self.target.object(role, self.seen).ok_or(Impossible)?;
        let found = self.seen.object(role, &object).found().ok_or(Impossible)?;
        Ok(vec![Verb::Delete(Deletion { uid: uid(found).to_owned(), object })])
    }

    fn patch(&self, role: Role, field_manager: &'static str, body: Value) -> Result<Verb, Impossible> {
        let object = self.target.object(role, self.seen).ok_or(Impossible)?;
        Ok(Verb::Patch(Patch { object, field_manager: field_manager.into(), body }))
    }

    /// VolSync reconciles a claim again when it changes.
    fn touch(&self) -> Result<Verb, Impossible> {
        let claim = self.target.found(Role::Claim, self.seen).ok_or(Impossible)?;
        let prime = self.target.found(Role::Populator, self.seen).ok_or(Impossible)?;
        let body = json!({"metadata": {"uid": uid(claim), "annotations": {TOUCHED: uid(prime)}}});
        self.patch(Role::Claim, RECORD_MANAGER, body)
    }

    /// Writes the release record to these objects, unless it is already there. A ReplicationSource that this policy
    /// does not manage is left as it is.
    fn record(&self, record: &ReleaseRecord, on: &[Role]) -> Vec<Verb> {
        let written = ledger::write_record(record);
        let patch = |role: Role| {
            let object = self.target.found(role, self.seen)?;
            let is_due = annotation(object, RELEASED) != Some(&written) && (role == Role::Claim || is_ours(object));
            let body = json!({"metadata": {"uid": uid(object), "annotations": {RELEASED: written}}});
            is_due.then(|| self.patch(role, RECORD_MANAGER, body).ok()).flatten()
        };
        on.iter().copied().filter_map(patch).collect()
    }

    /// Writes the ledger entry, if it is still what was read, with the address of the rendered Secret's repository.
    fn put(&self, entry: &Entry) -> Result<Verb, Impossible> {
        let repository: Digest =
            (self.target.rendered_address()).or_else(|| self.target.judged_address(self.seen)).ok_or(Impossible)?;
        let text = ledger::write_entry(entry, &repository);
        if let Some((folder, numbers)) = self.numbers()? {
            let name = numbers.next(Some(&entry.writer.cluster), &text);
            let at = StoreRef { key: format!("{}{name}", folder.key), ..folder };
            return Ok(Verb::Put(Put { at, text, condition: None }));
        }
        let condition = match self.seen.bytes(Role::Entry) {
            Found::Absent => Condition::IfNoneMatch("*".into()),
            Found::Is(stored) => Condition::IfMatch(stored.etag.ok_or(Impossible)?.to_owned()),
            Found::Unread(_) => return Err(Impossible),
        };
        let at = self.target.key(Role::Entry, self.seen).map_err(|_| Impossible)?;
        Ok(Verb::Put(Put { at, text, condition: Some(condition) }))
    }

    /// Removes numbered entries that do not count any more.
    fn remove_obsolete(&self, verbs: &mut Vec<Verb>) -> Result<(), Impossible> {
        if let Some((folder, numbers)) = self.numbers()? {
            for entry in numbers.obsolete() {
                verbs.push(Verb::Remove(StoreRef { key: format!("{}{}", folder.key, entry.name), ..folder.clone() }));
            }
        }
        Ok(())
    }

    /// The folder of the claim's numbered entries, and these; nothing where entries are not numbered.
    fn numbers(&self) -> Result<Option<(StoreRef, Numbers<'_>)>, Impossible> {
        if !is_numbered(Role::Marker, self.seen).unwrap_or_default() {
            return Ok(None);
        }
        let folder = self.target.key(Role::Entries, self.seen).map_err(|_| Impossible)?;
        let numbers = numbers(Role::Entries, &folder, self.seen).map_err(|_| Impossible)?;
        Ok(Some((folder, numbers)))
    }

    /// Copies each snapshot to the ledger's pins. There is no place for pins where the repository's address does not
    /// end in the path that settings give it.
    fn pin(&self) -> Result<Vec<Verb>, Impossible> {
        let from = self.target.key(Role::Snapshots, self.seen).map_err(|_| Impossible)?;
        let Some(pins) = self.target.beside_repository(self.seen) else { return Ok(Vec::new()) };
        let listing = self.seen.listing(Role::Snapshots, &from.key).found().ok_or(Impossible)?;
        let copy = |(snapshot, _): &(&str, Timestamp)| {
            let to = pins.key(&ledger::pin_key(&self.target.repository_path, snapshot));
            Verb::Copy(Copy { from: StoreRef { key: format!("{}{snapshot}", from.key), ..from.clone() }, to })
        };
        Ok(listing.objects.iter().map(copy).collect())
    }

    /// Notes the image's name, clears `status.latestImage`, and deletes the VolumeSnapshot if the
    /// ReplicationDestination owns it.
    fn consume(&self) -> Result<Vec<Verb>, Impossible> {
        let destination = self.target.found(Role::Destination, self.seen).ok_or(Impossible)?;
        let image = text(destination, &["status", "latestImage", "name"]);
        let mut metadata = revision(destination);
        metadata.insert("annotations".to_owned(), json!({CONSUMED: image}));
        let noted = json!({"metadata": metadata});
        let cleared = json!({"metadata": {"uid": uid(destination)}, "status": {"latestImage": null}});
        let object = self.target.object(Role::Destination, self.seen).ok_or(Impossible)?;
        let mut verbs = vec![
            self.patch(Role::Destination, RECORD_MANAGER, noted)?,
            Verb::PatchStatus(Patch { object, field_manager: RECORD_MANAGER.into(), body: cleared }),
        ];
        if let Some(snapshot) = self.target.found(Role::Image, self.seen)
            && is_owned_by(snapshot, uid(destination))
        {
            verbs.extend(self.delete(Role::Image)?);
        }
        Ok(verbs)
    }

    fn clear_locks(&self) -> Result<Vec<Verb>, Impossible> {
        let at = self.target.key(Role::Locks, self.seen).map_err(|_| Impossible)?;
        let locks = self.seen.listing(Role::Locks, &at.key).found().ok_or(Impossible)?;
        let dead = locks.objects.iter().filter(|(_, written)| locks.as_of.since(*written) > DEAD_LOCK);
        Ok(dead.map(|(lock, _)| Verb::Remove(StoreRef { key: format!("{}{lock}", at.key), ..at.clone() })).collect())
    }
}

fn resource_version(object: &Value) -> &str {
    text(object, &["metadata", "resourceVersion"])
}

/// The metadata by which a patch changes nothing but this revision of this object.
fn revision(object: &Value) -> Map<String, Value> {
    let metadata = [("uid", uid(object)), ("resourceVersion", resource_version(object))];
    metadata.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
}

fn is_owned_by(object: &Value, owner: &str) -> bool {
    let owners = at(object, &["metadata", "ownerReferences"]).and_then(Value::as_array);
    owners.into_iter().flatten().any(|reference| text(reference, &["uid"]) == owner)
}

/// A merge patch that removes what a live object has and its manifest has not; nothing where there is none.
///
/// Server-side apply does not remove it: what a POST wrote belongs to the same manager by another operation
/// (kubernetes/kubernetes#99003). A ReplicationSource gets its other fields with the same request, or a backup could
/// run between the two with neither the old retention nor the new. The values of a Secret follow by apply. The objects
/// of External Secrets have defaults that the API server adds, so nothing is removed from them.
fn removal(part: Part, live: &Value, wanted: &Value) -> Option<(&'static str, Value)> {
    let (key, change): (_, fn(&Value, &Value) -> Value) = match part {
        Part::Source => ("spec", difference),
        Part::Secret => ("data", removed),
        Part::Destination => return None,
    };
    let (live, wanted) = (live.get(key)?, wanted.get(key)?);
    has_other_fields(live, wanted).then(|| (key, change(live, wanted)))
}

/// Whether a field of `live` is not in `wanted`.
fn has_other_fields(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            live.iter().any(|(key, live)| wanted.get(key).is_none_or(|wanted| has_other_fields(live, wanted)))
        }
        _ => false,
    }
}

/// The JSON merge patch (RFC 7386) from `live` to `wanted`.
fn difference(live: &Value, wanted: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (live, wanted) else { return wanted.clone() };
    let Value::Object(mut patch) = removed(live, wanted) else { return wanted.clone() };
    for (key, wanted) in to.iter().filter(|(key, wanted)| from.get(*key) != Some(*wanted)) {
        let change = from.get(key).map_or_else(|| wanted.clone(), |live| difference(live, wanted));
        patch.insert(key.clone(), change);
    }
    Value::Object(patch)
}

/// The JSON merge patch that removes the fields of `live` that are not in `wanted`, at the first level.
fn removed(live: &Value, wanted: &Value) -> Value {
    let fields = live.as_object().into_iter().flat_map(Map::keys);
    fields.filter(|key| wanted.get(key).is_none()).map(|key| (key.clone(), Value::Null)).collect()
}

/// Whether everything in `wanted` is in `live`. Another may add objects to a list, such as owner references; a list of
/// plain values is ours as a whole.
fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| live.get(key).is_some_and(|live| covers(live, wanted)))
        }
        (Value::Array(live), Value::Array(wanted)) if wanted.iter().all(Value::is_object) => {
            wanted.iter().all(|wanted| live.iter().any(|live| covers(live, wanted)))
        }
        (live, wanted) => live == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_may_be_added_to_a_list_and_plain_values_may_not() {
        let ours = json!({"ownerReferences": [{"uid": "ours"}], "accessModes": ["ReadWriteOnce"]});
        let mut live = ours.clone();
        live["ownerReferences"] = json!([{"uid": "theirs"}, {"uid": "ours", "controller": false}]);
        assert!(covers(&live, &ours));
        live["accessModes"] = json!(["ReadWriteOnce", "ReadWriteMany"]);
        assert!(!covers(&live, &ours));
    }
}
