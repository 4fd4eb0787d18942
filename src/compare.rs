//! Comparison: what other settings do to a claim, by its plans under the old and under the new settings.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::claim::BOUND_BY_CONTROLLER;
use crate::code::Code;
use crate::document::at;
use crate::mover::restic::Retain;
use crate::names::VOLSYNC;
use crate::part::Part;
use crate::plan_document::{BackupAction, ManifestsDocument, PlanDocument, SecretDocument};
use crate::problem::{Problem, keyed};
use crate::settings::RestoreMode;

/// What other settings do to a claim, the most dangerous first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Effect {
    /// The claim is no longer selected.
    Unselected,
    /// The claim is refused.
    Refused,
    /// The claim is backed up to another repository.
    RepositoryMoved,
    /// Fewer snapshots are kept.
    RetentionReduced,
    /// The backup runs without evidence.
    Ungated,
    /// The claim is no longer restored before it binds.
    NotRestored,
    /// The credentials come from elsewhere.
    CredentialsChanged,
    /// The manifests have other names.
    Renamed,
    /// The claim is backed up at other times.
    Rescheduled,
    /// The manifests differ in other ways.
    Changed,
    /// The claim is protected from now on.
    Protected,
}

impl Effect {
    /// That of a change in a manifest; `of_retain` where it is in what is retained.
    fn of(field: &str, of_retain: Effect) -> Self {
        match field.split_once('.').unwrap_or((field, "")) {
            ("Secret", "repositoryPath") => Effect::RepositoryMoved,
            ("Secret", "name") | (_, "metadata.name") => Effect::Renamed,
            ("ReplicationSource", "spec.trigger.schedule") => Effect::Rescheduled,
            ("ExternalSecret", "spec.refreshInterval") => Effect::Changed,
            ("Secret" | "ExternalSecret", _) => Effect::CredentialsChanged,
            ("ReplicationSource", path) if path.starts_with("spec.restic.retain.") => of_retain,
            _ => Effect::Changed,
        }
    }

    /// Whether backups, or the way back to them, may be lost.
    pub fn is_dangerous(self) -> bool {
        self <= Effect::CredentialsChanged
    }

    /// What becomes of the claims.
    pub fn sentence(self) -> &'static str {
        match self {
            Effect::Unselected => "no longer selected, and so no longer protected",
            Effect::Refused => "refused, and so not protected",
            Effect::RepositoryMoved => "backed up to another repository; the backups so far stay unseen in the old one",
            Effect::RetentionReduced => "fewer snapshots are kept, and the next backup forgets the rest",
            Effect::Ungated => "backed up at once, whatever older backups that ages out",
            Effect::NotRestored => "no longer restored before they bind",
            Effect::CredentialsChanged => "the credentials come from elsewhere, and may not open the repository",
            Effect::Renamed => "the manifests have other names; what has the old ones stays until it is deleted",
            Effect::Rescheduled => "backed up at other times",
            Effect::Changed => "the manifests differ in other ways",
            Effect::Protected => "protected from now on",
        }
    }
}

/// A value that differs; null where there is none.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The field, as a path from the kind of the manifest.
    pub field: String,
    /// The value under the old settings.
    pub old: Value,
    /// The value under the new settings.
    pub new: Value,
}

impl Change {
    fn between(field: &str, old: impl Into<Value>, new: impl Into<Value>) -> Option<Self> {
        let (old, new) = (old.into(), new.into());
        (old != new).then(|| Change { field: field.to_owned(), old, new })
    }
}

/// What the policy does for a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Unselected,
    Refused,
    Protected,
    /// Nothing any more: the claim goes away.
    Terminating,
}

/// The effects of other settings on a claim, by its plans under the old and the new settings, each with a change that
/// shows it. `read` gives an object of a manifest as JSON.
pub fn effects<O>(
    old: &PlanDocument<'_, O>,
    new: &PlanDocument<'_, O>,
    read: impl Fn(&O) -> Value,
) -> Vec<(Effect, Change)> {
    let mut effects = effects_on_standing(old, new);
    effects.extend(effect_on_gate(old.verdict.backup, new.verdict.backup));
    if let (Some(old_manifests), Some(new_manifests)) = (&old.manifests, &new.manifests) {
        effects.extend(effect_on_restore(old.restore_mode, new.restore_mode));
        effects.extend(effects_on_manifests(&comparable(old_manifests, &read), &comparable(new_manifests, &read)));
    }
    effects
}

/// The claim as it would be created again, where settings could then make a difference: until it is deleted, a stored
/// claim is either restored from the ReplicationDestination that it names, or from nothing.
pub fn created_again(stored: &Value) -> Option<Value> {
    let mut claim = stored.clone();
    let is_ours = |source: &Value| source.get("apiGroup").is_some_and(|group| group == VOLSYNC);
    let is_restored = claim.pointer("/spec/dataSourceRef").is_none_or(is_ours);
    let is_bound_by_controller = at(&claim, &["metadata", "annotations", BOUND_BY_CONTROLLER]).is_some();
    claim.pointer_mut("/metadata")?.as_object_mut()?.remove("uid")?;
    let spec = claim.pointer_mut("/spec")?.as_object_mut()?;
    spec.remove("dataSource");
    spec.remove("dataSourceRef");
    // One that a person chose is in the manifest.
    if is_bound_by_controller {
        spec.remove("volumeName");
    }
    is_restored.then_some(claim)
}

fn effects_on_standing<O>(old: &PlanDocument<'_, O>, new: &PlanDocument<'_, O>) -> Vec<(Effect, Change)> {
    let effect = match (standing(old), standing(new)) {
        (Standing::Protected, Standing::Unselected) => Effect::Unselected,
        (Standing::Protected | Standing::Unselected, Standing::Refused) => Effect::Refused,
        (Standing::Unselected | Standing::Refused, Standing::Protected) => Effect::Protected,
        // Nothing is lost: it was not protected before.
        (Standing::Refused, Standing::Unselected) => Effect::Changed,
        _ => return Vec::new(),
    };
    let changes = [
        Change::between("code", old.verdict.code.as_str(), new.verdict.code.as_str()),
        Change::between("problem", problem(old), problem(new)),
    ];
    changes.into_iter().flatten().map(|change| (effect, change)).collect()
}

fn effect_on_gate(old: BackupAction, new: BackupAction) -> Option<(Effect, Change)> {
    let effect = match (old, new) {
        (_, BackupAction::Release) => Effect::Ungated,
        (BackupAction::Release, BackupAction::Pause) => Effect::Changed,
        _ => return None,
    };
    Change::between("backup", json!(old), json!(new)).map(|change| (effect, change))
}

fn effect_on_restore(old: Option<RestoreMode>, new: Option<RestoreMode>) -> Option<(Effect, Change)> {
    let effect = if old == Some(RestoreMode::Populate) { Effect::NotRestored } else { Effect::Changed };
    Change::between("restore", json!(old), json!(new)).map(|change| (effect, change))
}

fn effects_on_manifests(old: &Comparable, new: &Comparable) -> Vec<(Effect, Change)> {
    let mut changes = Vec::new();
    // That there is only one of a kind follows from the restore, or from the Secret's kind, which differ then.
    for (kind, old) in old {
        if let Some(new) = new.get(kind) {
            compare(kind, old, new, &mut changes);
        }
    }
    let is_reduced = retain(old).zip(retain(new)).is_some_and(|(old, new)| new.is_reduced_from(&old));
    let of_retain = if is_reduced { Effect::RetentionReduced } else { Effect::Changed };
    changes.into_iter().map(|change| (Effect::of(&change.field, of_retain), change)).collect()
}

fn standing<O>(plan: &PlanDocument<'_, O>) -> Standing {
    match (plan.verdict.code != Code::NotSelected, plan.refusal.is_some()) {
        (false, _) => Standing::Unselected,
        (true, true) => Standing::Refused,
        (true, false) if plan.manifests.is_some() => Standing::Protected,
        (true, false) => Standing::Terminating,
    }
}

/// Why the claim is refused, where it is.
fn problem<O>(plan: &PlanDocument<'_, O>) -> Option<String> {
    plan.refusal.as_ref().map(Problem::to_string)
}

fn retain(manifests: &Comparable) -> Option<Retain> {
    let source = manifests.get(Part::Source.kind())?;
    serde_json::from_value(source.pointer("/spec/restic/retain")?.clone()).ok()
}

/// The manifests by their kinds, with what can differ and does not stand twice.
type Comparable = BTreeMap<&'static str, Value>;

fn comparable<O>(manifests: &ManifestsDocument<'_, O>, read: impl Fn(&O) -> Value) -> Comparable {
    let mut comparable = Comparable::new();
    for part in Part::ALL {
        let object = manifests.object(part).map(&read);
        if part == Part::Secret {
            comparable.insert("Secret", without_values(&manifests.secret, object.as_ref()));
            comparable.extend(object.as_ref().and_then(external_secret).map(|object| ("ExternalSecret", object)));
        } else {
            comparable.extend(object.map(|object| (part.kind(), without_repetition(object))));
        }
    }
    comparable
}

/// The gate says `paused`, the Secret's name says `repository`, and the Secret's keys say `customCA`.
fn without_repetition(mut object: Value) -> Value {
    for (section, key) in [("/spec", "paused"), ("/spec/restic", "repository"), ("/spec/restic", "customCA")] {
        object.pointer_mut(section).and_then(Value::as_object_mut).and_then(|section| section.remove(key));
    }
    object
}

/// What there is to say of the Secret without its values. Its labels and annotations are those of the others.
fn without_values<O>(secret: &SecretDocument<'_, O>, object: Option<&Value>) -> Value {
    let SecretDocument { name, repository_path, needs, .. } = secret;
    let needs: Vec<&str> = needs.iter().map(|need| need.key.as_str()).collect();
    let kind = object.and_then(|object| object.get("kind").cloned()).unwrap_or_else(|| json!("Secret"));
    json!({"kind": kind, "name": name, "needs": needs, "repositoryPath": repository_path})
}

/// Where an ExternalSecret finds the credentials, each by its key.
fn external_secret(object: &Value) -> Option<Value> {
    let spec = object.get("spec")?;
    let item = |item: &Value| Some((item.get("secretKey")?.as_str()?.to_owned(), item.get("remoteRef")?.clone()));
    let data: Map<String, Value> = spec.get("data")?.as_array()?.iter().filter_map(item).collect();
    let (store, interval) = (spec.get("secretStoreRef"), spec.get("refreshInterval"));
    Some(json!({"spec": {"data": data, "secretStoreRef": store, "refreshInterval": interval}}))
}

/// Where two values differ: in which of their keys, else as a whole.
fn compare(field: &str, old: &Value, new: &Value, changes: &mut Vec<Change>) {
    let (Value::Object(olds), Value::Object(news)) = (old, new) else {
        changes.extend(Change::between(field, old.clone(), new.clone()));
        return;
    };
    for key in olds.keys().chain(news.keys()).collect::<BTreeSet<_>>() {
        let value = |values: &Map<String, Value>| values.get(key).cloned().unwrap_or_default();
        compare(&keyed(field, key), &value(olds), &value(news), changes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_created_again_from_its_manifest_and_not_from_what_was_added_to_it() {
        let again = |annotations: Value, spec: Value| {
            created_again(&json!({"metadata": {"uid": "1", "annotations": annotations}, "spec": spec}))
        };
        let bound = json!({BOUND_BY_CONTROLLER: "yes"});
        let spec = |claim: Option<Value>| claim.map(|claim| claim["spec"].clone());
        let ours = json!({"apiGroup": VOLSYNC, "kind": "ReplicationDestination", "name": "data-restore"});
        assert_eq!(spec(again(bound.clone(), json!({"volumeName": "pvc-1", "dataSourceRef": ours}))), Some(json!({})));
        assert_eq!(spec(again(bound.clone(), json!({"volumeName": "pvc-1"}))), Some(json!({})));
        assert_eq!(spec(again(json!({}), json!({"volumeName": "nfs"}))), Some(json!({"volumeName": "nfs"})));
        let clone = json!({"dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "other"}});
        assert_eq!(again(bound, clone), None, "it is filled from another claim again");
        assert_eq!(created_again(&json!({"metadata": {"name": "data"}, "spec": {}})), None, "it is not stored");
    }
}
