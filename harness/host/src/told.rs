//! What people are told: an annotation on each claim for which a person has to do something, an Event for each claim,
//! code and hold, and reports.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde_json::{Value, json};
use volsync_policy::evidence::Digest;
use volsync_policy::names::{ATTENTION, FIELD_MANAGER, RECORD_MANAGER};
use volsync_policy::reference::accept_command;
use volsync_policy::{Code, ObjectRef};

use crate::api::{ApiServer, PatchType, Refusal};
use crate::claim::ClaimKey;
use crate::config::Sources;
use crate::reports::{Finding, Reports};
use crate::round::Done;
use crate::survey::now;

/// The longest note of an Event, in bytes, that an API server accepts.
const LONGEST_NOTE: usize = 1024;

/// Writes annotations and publishes Events.
pub(crate) struct Teller {
    api: ApiServer,
    /// The reports, if the host writes any.
    reports: Option<Arc<Reports>>,
    /// The last decision of each claim for which an Event was published.
    last: Mutex<HashMap<ClaimKey, String>>,
}

/// The subject of an Event.
struct Subject<'a> {
    object: ObjectRef,
    uid: &'a str,
}

impl Teller {
    pub(crate) fn new(api: ApiServer, reports: Option<Arc<Reports>>) -> Self {
        Teller { api, reports, last: Mutex::default() }
    }

    /// Writes into an annotation of the claim what a person has to do, and removes it once there is nothing to do.
    /// Returns since when there has been something to do.
    pub(crate) async fn annotate(&self, claim: &ClaimKey, done: &Done) -> Option<SystemTime> {
        let verdict = &done.verdict;
        let code = verdict.code.as_str();
        let earlier = || done.attention.as_deref().and_then(|attention| had_since(attention, code));
        let since = verdict.code.needs_a_person().then(|| earlier().unwrap_or_else(SystemTime::now));
        let wanted = since.map(|since| {
            let since = humantime::format_rfc3339_seconds(since);
            format!("{since} {code}: {}", note(done, claim))
        });
        if done.attention != wanted {
            let body = json!({"metadata": {"uid": done.uid, "annotations": {ATTENTION: wanted}}});
            let written = self.api.patch((&claim.object(), ""), PatchType::Merge, &body, RECORD_MANAGER).await;
            if let Err(refusal) = written {
                tracing::warn!(%claim, reason = refusal.as_str(), "the annotation of a claim could not be written");
            }
        }
        since
    }

    /// Reports what a round decided. A person has had to do something since `since`.
    pub(crate) fn report(&self, claim: &ClaimKey, done: &Done, since: Option<SystemTime>) {
        let Some(reports) = &self.reports else { return };
        // Nothing is promised to such a claim.
        let is_left_out = matches!(done.verdict.code, Code::NotSelected | Code::OptedOut | Code::ClaimTerminating);
        let finding = (!is_left_out).then(|| Finding {
            uid: done.uid.clone(),
            code: done.verdict.code,
            message: cut(&note(done, claim)).to_owned(),
            since,
            overdue: done.times.and_then(|times| times.overdue).filter(|due| now() > *due),
        });
        reports.claim(claim, finding);
    }

    /// Publishes what a round decided, if that is new.
    pub(crate) async fn decided(&self, claim: &ClaimKey, done: &Done) {
        let Done { uid, verdict, .. } = done;
        let hold = verdict.hold.as_ref().map(|hold| hold.to_string()).unwrap_or_default();
        let told = format!("{uid} {} {hold}", verdict.code.as_str());
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).insert(claim.clone(), told.clone());
        if last.as_ref() == Some(&told) {
            return;
        }
        tracing::info!(%claim, code = verdict.code.as_str(), hold, "decided");
        let kind = if verdict.code.needs_a_person() { "Warning" } else { "Normal" };
        let subject = Subject { object: claim.object(), uid };
        self.publish(&subject, &told, (kind, verdict.code.as_str()), &note(done, claim)).await;
    }

    /// Forgets a claim that no longer exists.
    pub(crate) fn forget(&self, claim: &ClaimKey) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).remove(claim);
        if let Some(reports) = &self.reports {
            reports.claim(claim, None);
        }
    }

    /// Publishes that settings or credentials were refused.
    pub(crate) async fn refused(&self, Sources { namespace, settings, .. }: &Sources, problems: &str) {
        let object = ObjectRef::new("v1", "ConfigMap", Some(namespace), settings);
        self.publish(&Subject { object, uid: "" }, problems, ("Warning", "SettingsRefused"), problems).await;
    }

    /// Publishes an Event. Its name depends on `told`, so the same is published only once.
    async fn publish(&self, subject: &Subject<'_>, told: &str, (kind, reason): (&str, &str), note: &str) {
        let Subject { object: about, uid } = subject;
        let digest = Digest::of(told.as_bytes());
        let digest = digest.as_str().get(..16).unwrap_or_default();
        let name = format!("{}.{digest}", about.name.get(..200).unwrap_or(&about.name));
        let event = ObjectRef::new("events.k8s.io/v1", "Event", about.namespace.as_deref(), &name);
        let body = json!({
            "apiVersion": event.api_version, "kind": event.kind,
            "metadata": {"namespace": event.namespace, "name": event.name},
            "eventTime": humantime::format_rfc3339_micros(SystemTime::now()).to_string(),
            "reportingController": "volsync-policy.io/host", "reportingInstance": "host",
            "action": "Plan", "reason": reason, "type": kind, "note": cut(note),
            "regarding": {"apiVersion": about.api_version, "kind": about.kind, "namespace": about.namespace,
                          "name": about.name, "uid": uid},
        });
        match self.api.create(&event, &body, FIELD_MANAGER).await {
            Ok(Value::Object(_)) | Err(Refusal::Conflict) => {}
            Ok(_) | Err(_) => tracing::warn!(event = event.name, "an Event could not be written"),
        }
    }
}

/// Since when a claim has had a code, by its annotation [`ATTENTION`]; `None` if the annotation is about another code.
fn had_since(attention: &str, code: &str) -> Option<SystemTime> {
    let (since, told) = attention.split_once(' ')?;
    let (told, _) = told.split_once(": ")?;
    humantime::parse_rfc3339(since).ok().filter(|_| told == code)
}

/// What was decided, and what to do, for an Event or an annotation.
fn note(Done { verdict, notes, .. }: &Done, claim: &ClaimKey) -> String {
    let mut note = verdict.message.clone().into_owned();
    if let Some(problem) = &verdict.problem {
        note += &format!(" {problem}");
    }
    for said in notes {
        note += &format!(" {}: {}.", said.code, said.message);
    }
    if let Some(way_out) = &verdict.way_out {
        note += &format!(" {way_out}");
    }
    if let Some(hold) = &verdict.hold {
        let command = accept_command(&claim.namespace, &claim.name, &hold.to_string());
        note += &format!(" The command to accept it: {command}");
    }
    note
}

/// The beginning of a note, with at most [`LONGEST_NOTE`] bytes.
fn cut(note: &str) -> &str {
    let end = (0..=LONGEST_NOTE.min(note.len())).rev().find(|end| note.is_char_boundary(*end));
    note.get(..end.unwrap_or_default()).unwrap_or_default()
}
