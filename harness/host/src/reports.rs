//! Reports in the API of OpenReports, which show claims beside the findings of other policies: one report in each
//! namespace, with a result for each claim.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use volsync_policy::evidence::Timestamp;
use volsync_policy::names::{FIELD_MANAGER, MANAGED_BY, MANAGER};
use volsync_policy::{Code, ObjectRef};

use crate::api::{ApiServer, Refusal};
use crate::claim::ClaimKey;
use crate::round::Round;

/// The API version of reports.
const VERSION: &str = "openreports.io/v1alpha1";

/// The name of every report, which is also the name of the policy and of the source in it.
const NAME: &str = "volsync-policy";

/// How long changes are collected before they are written together.
const PAUSE: Duration = Duration::from_secs(10);

/// The pause after reports that could not be written, for example because there is no such CRD.
const LONG_PAUSE: Duration = Duration::from_secs(60);

/// The reports of all namespaces.
#[derive(Default)]
pub(crate) struct Reports {
    state: Mutex<State>,
    has_changed: Notify,
}

#[derive(Default)]
struct State {
    /// What was found about each claim, by namespace.
    findings: BTreeMap<String, BTreeMap<String, Finding>>,
    /// The namespaces whose report may differ from what was found.
    changed: BTreeSet<String>,
}

/// What was found about a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The claim's uid.
    pub(crate) uid: String,
    /// The code of its last plan.
    pub(crate) code: Code,
    /// What was decided, and what to do.
    pub(crate) message: String,
    /// Since when a person has had to do something.
    pub(crate) since: Option<SystemTime>,
    /// When a backup was due, if it is overdue.
    pub(crate) overdue: Option<Timestamp>,
}

impl Reports {
    /// Notes what was found about a claim; `None` if nothing is to be reported about it.
    pub(crate) fn claim(&self, claim: &ClaimKey, finding: Option<Finding>) {
        let mut state = self.state();
        let claims = state.findings.entry(claim.namespace.clone()).or_default();
        let earlier = match finding.clone() {
            Some(finding) => claims.insert(claim.name.clone(), finding),
            None => claims.remove(&claim.name),
        };
        if earlier != finding {
            state.changed.insert(claim.namespace.clone());
            self.has_changed.notify_one();
        }
    }

    /// Writes the reports that change, while this host leads. A report is complete, so none is written before all
    /// claims were planned.
    pub(crate) async fn run(self: Arc<Self>, api: ApiServer, round: Arc<Round>, leads: watch::Receiver<bool>) {
        loop {
            self.has_changed.notified().await;
            tokio::time::sleep(PAUSE).await;
            if !*leads.borrow() || !round.queues.are_all_planned() {
                self.has_changed.notify_one();
                continue;
            }
            let mut failed = BTreeSet::new();
            while let Some(namespace) = self.next() {
                if let Err(refusal) = self.write(&api, &namespace).await {
                    tracing::warn!(namespace, reason = refusal.as_str(), "a report could not be written");
                    failed.insert(namespace);
                }
            }
            if !failed.is_empty() {
                self.state().changed.append(&mut failed);
                self.has_changed.notify_one();
                tokio::time::sleep(LONG_PAUSE).await;
            }
        }
    }

    /// Takes a namespace whose report may have to be written.
    fn next(&self) -> Option<String> {
        self.state().changed.pop_first()
    }

    /// Writes the report of a namespace, if it differs from what was found.
    async fn write(&self, api: &ApiServer, namespace: &str) -> Result<(), Refusal> {
        let report = ObjectRef::new(VERSION, "Report", Some(namespace), NAME);
        let wanted = self
            .state()
            .findings
            .get(namespace)
            .filter(|claims| !claims.is_empty())
            .map(|claims| Report::of(namespace, claims));
        let found = match api.get(&report).await {
            Ok(found) => Some(found),
            Err(Refusal::Absent) => None,
            Err(refusal) => return Err(refusal),
        };
        match (found, wanted) {
            (None, None) => Ok(()),
            (None, Some(wanted)) => api.create(&report, &wanted.object(), FIELD_MANAGER).await.map(drop),
            (Some(found), _) if !is_ours(&found) => {
                tracing::warn!(namespace, "the report is somebody else's, and stays as it is");
                Ok(())
            }
            (Some(found), Some(wanted)) if wanted.is(&found) => Ok(()),
            (Some(found), Some(wanted)) => api.replace(&report, &wanted.in_place_of(found)).await.map(drop),
            (Some(found), None) => api.delete(&report, text(&found, "/metadata/uid")).await.map(drop),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a report says. Its claims own it, so that it does not outlive them.
struct Report {
    owners: Value,
    summary: Value,
    results: Value,
}

impl Report {
    fn of(namespace: &str, claims: &BTreeMap<String, Finding>) -> Self {
        let mut summary: BTreeMap<&str, u64> = ["pass", "fail", "warn", "error", "skip"].map(|it| (it, 0)).into();
        claims.values().for_each(|finding| *summary.entry(finding.result()).or_default() += 1);
        Report {
            owners: claims.iter().map(|(claim, finding)| finding.reference(claim)).collect(),
            summary: json!(summary),
            results: claims.iter().map(|(claim, finding)| finding.to_json(namespace, claim)).collect(),
        }
    }

    /// The report as an object that does not exist yet.
    fn object(self) -> Value {
        let Report { owners, summary, results } = self;
        json!({
            "apiVersion": VERSION, "kind": "Report",
            "metadata": {"name": NAME, "labels": {MANAGED_BY: MANAGER}, "ownerReferences": owners},
            "source": NAME, "summary": summary, "results": results,
        })
    }

    /// Whether an object says the same.
    fn is(&self, found: &Value) -> bool {
        found.get("summary") == Some(&self.summary) && found.get("results") == Some(&self.results)
    }

    /// An object that says this instead. What others have added to its metadata stays.
    fn in_place_of(self, mut found: Value) -> Value {
        let Report { owners, summary, results } = self;
        if let Some(metadata) = found.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("ownerReferences".to_owned(), owners);
        }
        if let Some(object) = found.as_object_mut() {
            object.extend([("summary".to_owned(), summary), ("results".to_owned(), results)]);
        }
        found
    }
}

impl Finding {
    /// How reports call it: a claim that somebody has to look at fails, and one that waits is skipped.
    fn result(&self) -> &'static str {
        match self {
            _ if self.code.needs_a_person() || self.overdue.is_some() => "fail",
            _ if self.code.way_out().is_some() => "skip",
            _ => "pass",
        }
    }

    /// The claim, as an owner of the report.
    fn reference(&self, claim: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": claim, "uid": self.uid})
    }

    fn to_json(&self, namespace: &str, claim: &str) -> Value {
        let mut subject = self.reference(claim);
        if let Some(subject) = subject.as_object_mut() {
            subject.insert("namespace".to_owned(), json!(namespace));
        }
        let overdue = self.overdue.map(|due| format!(" A backup was due at {due}.")).unwrap_or_default();
        let mut result = json!({
            "source": NAME, "policy": NAME, "rule": self.code, "category": "Backup", "scored": true,
            "result": self.result(), "message": format!("{}{overdue}", self.message),
            "resources": [subject],
        });
        if let (Some(since), Some(result)) = (self.since, result.as_object_mut()) {
            let seconds = since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            result.insert("timestamp".to_owned(), json!({"seconds": seconds, "nanos": 0}));
        }
        result
    }
}

fn is_ours(report: &Value) -> bool {
    let labels = report.pointer("/metadata/labels");
    labels.and_then(|labels| labels.get(MANAGED_BY)?.as_str()) == Some(MANAGER)
}

/// The text at a JSON pointer; empty if there is none.
fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(code: Code) -> Finding {
        Finding { uid: "u-1".into(), code, message: "Why.".into(), since: None, overdue: None }
    }

    #[test]
    fn a_claim_that_somebody_has_to_look_at_fails() {
        let overdue = Finding { overdue: Some(Timestamp::from_unix(0)), ..finding(Code::Released) };
        for (finding, result) in [
            (finding(Code::UnrestoredVolume), "fail"),
            (overdue.clone(), "fail"),
            (finding(Code::Restoring), "skip"),
            (finding(Code::Released), "pass"),
        ] {
            assert_eq!(finding.result(), result, "{finding:?}");
        }
        let message = &overdue.to_json("shop", "data")["message"];
        assert_eq!(*message, "Why. A backup was due at 1970-01-01T00:00:00Z.");
    }

    #[test]
    fn a_report_that_says_the_same_is_not_written_again() {
        let claims = BTreeMap::from([("data".to_owned(), finding(Code::Released))]);
        let mut stored = Report::of("shop", &claims).object();
        stored["metadata"]["annotations"] = json!({"added": "by another"});
        assert!(Report::of("shop", &claims).is(&stored));
        let held = BTreeMap::from([("data".to_owned(), finding(Code::Superseded))]);
        assert!(!Report::of("shop", &held).is(&stored));
        let replaced = Report::of("shop", &held).in_place_of(stored);
        assert!(Report::of("shop", &held).is(&replaced) && is_ours(&replaced));
        assert_eq!(replaced["metadata"]["annotations"], json!({"added": "by another"}));
        assert_eq!(replaced["summary"], json!({"pass": 0, "fail": 1, "warn": 0, "error": 0, "skip": 0}));
    }

    #[test]
    fn only_a_change_is_written() {
        let (reports, claim) = (Reports::default(), ClaimKey { namespace: "shop".into(), name: "data".into() });
        reports.claim(&claim, Some(finding(Code::Restoring)));
        assert_eq!(reports.next().as_deref(), Some("shop"));
        reports.claim(&claim, Some(finding(Code::Restoring)));
        assert_eq!(reports.next(), None);
        reports.claim(&claim, None);
        assert_eq!(reports.next().as_deref(), Some("shop"));
        reports.claim(&claim, None);
        assert_eq!(reports.next(), None);
    }
}
