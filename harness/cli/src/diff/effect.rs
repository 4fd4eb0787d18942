//! What other settings do to one claim: how two plans of it differ, and what that means.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value, json};
use volsync_policy::{BackupAction, Code, Part, Problem, RestoreMode, Retain, SecretDocument, keyed};

use crate::object::Object;
use crate::planner::{Manifests, Plan, Planned};

/// What other settings do to a claim, the most dangerous first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum Effect {
    Unselected,
    Refused,
    RepositoryMoved,
    RetentionReduced,
    Ungated,
    NotRestored,
    CredentialsChanged,
    Renamed,
    Rescheduled,
    Changed,
    Protected,
}

impl Effect {
    /// That of a change in a manifest; `of_retain` where it is in what is retained.
    fn of(field: &str, of_retain: Effect) -> Self {
        match field {
            "Secret.repositoryPath" => Effect::RepositoryMoved,
            "Secret.name" | "ReplicationDestination.metadata.name" | "ReplicationSource.metadata.name" => {
                Effect::Renamed
            }
            "ReplicationSource.spec.trigger.schedule" => Effect::Rescheduled,
            "ExternalSecret.spec.refreshInterval" => Effect::Changed,
            _ if field.starts_with("Secret.") || field.starts_with("ExternalSecret.") => Effect::CredentialsChanged,
            _ if field.starts_with("ReplicationSource.spec.restic.retain.") => of_retain,
            _ => Effect::Changed,
        }
    }

    /// Whether backups, or the way back to them, may be lost.
    pub(super) fn is_dangerous(self) -> bool {
        self <= Effect::CredentialsChanged
    }

    /// What becomes of the claims.
    pub(super) fn sentence(self) -> &'static str {
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
pub(super) struct Change {
    field: String,
    old: Value,
    new: Value,
}

impl Change {
    fn between(field: &str, old: impl Into<Value>, new: impl Into<Value>) -> Option<Self> {
        let (old, new) = (old.into(), new.into());
        (old != new).then(|| Change { field: field.to_owned(), old, new })
    }

    /// The values stand as JSON, as `pattern` shows them.
    pub(super) fn in_words(&self, pattern: &dyn Fn(&str) -> String) -> String {
        let word = |value: &Value| if value.is_null() { "unset".to_owned() } else { pattern(&printable(value)) };
        format!("{} {} → {}", self.field, word(&self.old), word(&self.new))
    }
}

/// A value as JSON with nothing in it that a terminal would obey: JSON itself allows some control characters.
fn printable(value: &Value) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    value.to_string().chars().map(escaped).collect()
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

/// The plans of one claim under the old settings and under the new.
pub(super) struct Pair {
    pub(super) old: Planned,
    pub(super) new: Planned,
}

impl Pair {
    pub(super) fn is_selected(&self) -> bool {
        self.old.is_selected() || self.new.is_selected()
    }

    /// Namespace and name of the claim.
    pub(super) fn names(&self) -> (&str, &str) {
        self.new.names()
    }

    /// What the new settings do to the claim, and by which changes.
    pub(super) fn effects(&self) -> Vec<(Effect, Change)> {
        let (old, new) = (&self.old.plan, &self.new.plan);
        let mut effects = effects_on_standing(old, new);
        effects.extend(effect_on_gate(old.verdict.backup, new.verdict.backup));
        if let (Some(old_manifests), Some(new_manifests)) = (&old.manifests, &new.manifests) {
            effects.extend(effect_on_restore(old.restore_mode, new.restore_mode));
            effects.extend(effects_on_manifests(old_manifests, new_manifests));
        }
        effects
    }
}

fn effects_on_standing(old: &Plan, new: &Plan) -> Vec<(Effect, Change)> {
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

fn effects_on_manifests(old: &Manifests, new: &Manifests) -> Vec<(Effect, Change)> {
    let mut changes = Vec::new();
    let is_reduced = retain(old).zip(retain(new)).is_some_and(|(old, new)| new.is_reduced_from(&old));
    let (old, new) = (manifests(old), manifests(new));
    // That there is only one of a kind follows from the restore, or from the Secret's kind, which differ then.
    for (kind, old) in &old {
        if let Some(new) = new.get(kind) {
            compare(kind, old, new, &mut changes);
        }
    }
    let of_retain = if is_reduced { Effect::RetentionReduced } else { Effect::Changed };
    changes.into_iter().map(|change| (Effect::of(&change.field, of_retain), change)).collect()
}

fn standing(plan: &Plan) -> Standing {
    match (plan.verdict.code != Code::NotSelected, plan.refusal.is_some()) {
        (false, _) => Standing::Unselected,
        (true, true) => Standing::Refused,
        (true, false) if plan.manifests.is_some() => Standing::Protected,
        (true, false) => Standing::Terminating,
    }
}

/// Why the claim is refused, where it is.
fn problem(plan: &Plan) -> Option<String> {
    plan.refusal.as_ref().map(Problem::to_string)
}

fn retain(manifests: &Manifests) -> Option<Retain> {
    let source = manifests.object(Part::Source)?.read();
    serde_json::from_value(source.pointer("/spec/restic/retain")?.clone()).ok()
}

/// The manifests by their kinds, with what can differ and does not stand twice.
fn manifests(manifests: &Manifests) -> BTreeMap<&'static str, Value> {
    let manifest = |part: Part| {
        let mut object = manifests.object(part)?.read();
        // The gate says `paused`, and the Secret's name says `repository`.
        object.get_mut("spec")?.as_object_mut()?.remove("paused");
        object.pointer_mut("/spec/restic")?.as_object_mut()?.remove("repository");
        Some(object)
    };
    let manifests = [
        ("Secret", Some(secret(&manifests.secret))),
        ("ExternalSecret", external_secret(manifests)),
        ("ReplicationDestination", manifest(Part::Destination)),
        ("ReplicationSource", manifest(Part::Source)),
    ];
    manifests.into_iter().filter_map(|(kind, object)| Some((kind, object?))).collect()
}

/// What there is to say of the Secret without its values. Its labels and annotations are those of the others.
fn secret(SecretDocument { name, repository_path, object, needs, .. }: &SecretDocument<'_, Object>) -> Value {
    let needs: Vec<&str> = needs.iter().map(|need| need.key.as_str()).collect();
    let kind = object.as_ref().and_then(|object| object.read().get("kind").cloned());
    let kind = kind.unwrap_or_else(|| json!("Secret"));
    json!({"kind": kind, "name": name, "needs": needs, "repositoryPath": repository_path})
}

/// Where an ExternalSecret finds the credentials, each by its key.
fn external_secret(manifests: &Manifests) -> Option<Value> {
    let object = manifests.object(Part::Secret)?.read();
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
