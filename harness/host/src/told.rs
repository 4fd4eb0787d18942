//! What people are told: an annotation on each claim for which a person has to do something, and an Event for each
//! claim, code and hold.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use volsync_policy::evidence::Digest;
use volsync_policy::names::{ATTENTION, FIELD_MANAGER, RECORD_MANAGER};
use volsync_policy::reference::accept_command;
use volsync_policy::{ObjectRef, VerdictDocument};

use crate::api::{ApiServer, PatchType, Refusal};
use crate::claim::ClaimKey;
use crate::config::Sources;
use crate::round::Done;

/// The longest note of an Event, in bytes, that an API server accepts.
const LONGEST_NOTE: usize = 1024;

/// Publishes Events.
pub(crate) struct Teller {
    api: ApiServer,
    /// The last decision of each claim for which an Event was published.
    last: Mutex<HashMap<ClaimKey, String>>,
}

/// The subject of an Event.
struct Subject<'a> {
    object: ObjectRef,
    uid: &'a str,
}

impl Teller {
    pub(crate) fn new(api: ApiServer) -> Self {
        Teller { api, last: Mutex::default() }
    }

    /// Writes into an annotation of the claim what a person has to do, and removes it once there is nothing to do.
    /// Returns since when there has been something to do.
    pub(crate) async fn annotate(&self, claim: &ClaimKey, done: &Done) -> Option<SystemTime> {
        let earlier = done.attention.as_deref().and_then(Attention::parse);
        let wanted = Attention::of(claim, &done.verdict, earlier.as_ref());
        if done.attention.is_some() != wanted.is_some() || earlier != wanted {
            let annotations = json!({ATTENTION: wanted.as_ref().map(Attention::to_string)});
            let body = json!({"metadata": {"uid": done.uid, "annotations": annotations}});
            let written = self.api.patch((&claim.object(), ""), PatchType::Merge, &body, RECORD_MANAGER).await;
            if let Err(refusal) = written {
                tracing::warn!(%claim, reason = refusal.as_str(), "the annotation of a claim could not be written");
            }
        }
        wanted.map(|attention| attention.since)
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
        let kind = if verdict.way_out.is_some() { "Warning" } else { "Normal" };
        let subject = Subject { object: claim.object(), uid };
        self.publish(&subject, &told, (kind, verdict.code.as_str()), &note(verdict, claim)).await;
    }

    /// Forgets a claim that no longer exists.
    pub(crate) fn forget(&self, claim: &ClaimKey) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).remove(claim);
    }

    /// Publishes that settings or credentials were refused.
    pub(crate) async fn refused(&self, Sources { namespace, settings, .. }: &Sources, problems: &str) {
        let object = ObjectRef {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: Some(namespace.clone()),
            name: settings.clone(),
        };
        self.publish(&Subject { object, uid: "" }, problems, ("Warning", "SettingsRefused"), problems).await;
    }

    /// Publishes an Event. Its name depends on `told`, so the same is published only once.
    async fn publish(&self, subject: &Subject<'_>, told: &str, (kind, reason): (&str, &str), note: &str) {
        let Subject { object: about, uid } = subject;
        let digest = Digest::of(told.as_bytes());
        let digest = digest.as_str().get(..16).unwrap_or_default();
        let name = format!("{}.{digest}", about.name.get(..200).unwrap_or(&about.name));
        let event = ObjectRef {
            api_version: "events.k8s.io/v1".into(),
            kind: "Event".into(),
            namespace: about.namespace.clone(),
            name,
        };
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

/// What the annotation [`ATTENTION`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Attention {
    /// Since when the claim has had the code.
    since: SystemTime,
    code: String,
    note: String,
}

impl Attention {
    fn parse(annotation: &str) -> Option<Self> {
        let (since, told) = annotation.split_once(' ')?;
        let (code, note) = told.split_once(": ")?;
        Some(Attention { since: humantime::parse_rfc3339(since).ok()?, code: code.to_owned(), note: note.to_owned() })
    }

    /// What a verdict requires of a person; `None` if nothing. The time stays as long as the code does.
    fn of(claim: &ClaimKey, verdict: &VerdictDocument<'_>, earlier: Option<&Attention>) -> Option<Self> {
        verdict.way_out.as_ref()?;
        let code = verdict.code.as_str();
        // The annotation has whole seconds.
        let now = || UNIX_EPOCH + Duration::from_secs(UNIX_EPOCH.elapsed().unwrap_or_default().as_secs());
        let since = earlier.filter(|earlier| earlier.code == code).map_or_else(now, |earlier| earlier.since);
        Some(Attention { since, code: code.to_owned(), note: note(verdict, claim) })
    }
}

impl fmt::Display for Attention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Attention { since, code, note } = self;
        write!(f, "{} {code}: {note}", humantime::format_rfc3339_seconds(*since))
    }
}

/// The text of an Event: what was decided, and what to do.
fn note(verdict: &VerdictDocument<'_>, claim: &ClaimKey) -> String {
    let mut note = verdict.message.clone().into_owned();
    if let Some(problem) = &verdict.problem {
        note += &format!(" {problem}");
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
