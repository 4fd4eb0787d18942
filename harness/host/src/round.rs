//! One round for one claim: read what the policy asks for, plan, carry out the writes. It contains no rule; see
//! docs/hosts.md.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::Instant;
use volsync_policy::evidence::Failure;
use volsync_policy::ledger::read_record;
use volsync_policy::names::{ATTENTION, RELEASED};
use volsync_policy::{
    Again, Application, Copy, Creation, Deletion, NoteDocument, ObjectRef, Part, Patch, PlanDocument, Put, Queue, Read,
    ReadTarget, Role, StoreRef, Through, Verb, VerdictDocument, Write,
};
use volsync_policy_engine::CallError;

use crate::api::{ApiServer, PatchType, Refusal};
use crate::backup::{Source, Times};
use crate::claim::ClaimKey;
use crate::metrics::Metrics;
use crate::policy::{Planned, Policy, Seen};
use crate::queues::Queues;
use crate::store::{Bucket, Stores, Written, answer};

/// How many bytes of a log are read, from its end.
const LOG: usize = 1024;

/// How many rounds read, plan or write at the same time. More may have begun: those that wait between two listings.
const CONCURRENT: usize = 32;

/// What rounds read from and write to.
pub(crate) struct Round {
    api: ApiServer,
    stores: Stores,
    pub(crate) metrics: Metrics,
    pub(crate) queues: Queues,
    permits: Semaphore,
    stop: watch::Receiver<bool>,
}

/// The result of a round.
pub(crate) struct Done {
    /// The claim's uid.
    pub(crate) uid: String,
    /// The decision.
    pub(crate) verdict: VerdictDocument<'static>,
    /// What a person should know besides, in sentences.
    pub(crate) notes: Vec<NoteDocument>,
    /// What the claim's annotation [`ATTENTION`] says.
    pub(crate) attention: Option<String>,
    /// Its last backup and the next one, if it has a ReplicationSource.
    pub(crate) times: Option<Times>,
    /// Whether the claim asked for its turn in a queue.
    pub(crate) has_asked: bool,
    /// The queue in which the claim has its turn.
    pub(crate) holds: Option<Queue>,
    /// When to plan again; `None` if nothing is left to do for the claim.
    pub(crate) again: Option<Again>,
    /// The names of the steps that were carried out.
    pub(crate) steps: Vec<String>,
}

/// Why a round ended early. The next one starts over.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The claim could not be read.
    Claim(Refusal),
    /// The policy returned no answer. Its error contains paths, but no values.
    Policy(CallError),
    /// A write of this step failed.
    Write(String, Refusal),
    /// The host stops, and the round was not going to write soon.
    Stopped,
}

impl Round {
    pub(crate) fn new(api: ApiServer, stores: Stores, metrics: Metrics, stop: watch::Receiver<bool>) -> Self {
        Round { api, stores, metrics, queues: Queues::default(), permits: Semaphore::new(CONCURRENT), stop }
    }

    pub(crate) fn client(&self) -> Client {
        self.api.client()
    }

    /// Runs a round. The result is `None` if the claim does not exist.
    pub(crate) async fn run(&self, policy: &Policy, claim: &ClaimKey) -> Result<Option<Done>, Failed> {
        let mut permit = self.permits.acquire().await.ok();
        let Some((object, seen)) = self.see(policy, claim, &mut permit).await? else { return Ok(None) };
        let Planned { plan, host } = policy.plan(&object, &seen).map_err(Failed::Policy)?;
        let mut steps: Vec<String> = Vec::new();
        for write in host.writes.iter() {
            let Write { step, verb } = write;
            let written = self.write(verb, &plan, policy, &seen).await;
            self.metrics.write(step, written.err().map(Refusal::as_str));
            written.map_err(|refusal| Failed::Write(step.to_string(), refusal))?;
            fail::fail_point!("written", |_| std::process::exit(1));
            if steps.last().is_none_or(|last| last != step) {
                steps.push(step.to_string());
            }
        }
        let metadata = object.get("metadata").unwrap_or(&Value::Null);
        let uid = metadata.get("uid").and_then(Value::as_str).unwrap_or_default().to_owned();
        let attention = annotation(&object, ATTENTION).map(str::to_owned);
        let times = times(policy, &object, &uid, &seen);
        let again = host.again.map(|again| again.into_owned());
        let has_asked = seen.answer(Role::Queue).is_some();
        Ok(Some(Done {
            uid,
            verdict: plan.verdict,
            notes: plan.notes,
            attention,
            times,
            has_asked,
            holds: host.holds,
            again,
            steps,
        }))
    }

    /// Reads the claim, and everything that the policy asks for. The result is `None` if the claim does not exist.
    pub(crate) async fn see<'a>(
        &'a self,
        policy: &Policy,
        claim: &ClaimKey,
        permit: &mut Option<SemaphorePermit<'a>>,
    ) -> Result<Option<(Value, Seen)>, Failed> {
        let object = match self.api.get(&claim.object()).await {
            Ok(object) => object,
            Err(Refusal::Absent) => return Ok(None),
            Err(refusal) => return Err(Failed::Claim(refusal)),
        };
        let seen = self.complete(policy, claim, &object, Seen::default(), permit).await?;
        Ok(Some((object, seen)))
    }

    /// Reads everything that the policy asks for, besides what was seen already.
    pub(crate) async fn complete<'a>(
        &'a self,
        policy: &Policy,
        claim: &ClaimKey,
        object: &Value,
        mut seen: Seen,
        permit: &mut Option<SemaphorePermit<'a>>,
    ) -> Result<Seen, Failed> {
        seen.insert(Role::Claim, json!({"object": object}));
        let mut first_listing = None;
        loop {
            let reads = policy.reads(object, &seen).map_err(Failed::Policy)?;
            if reads.is_empty() {
                return Ok(seen);
            }
            for Read { role, target, after_seconds, .. } in reads {
                if let (Some(seconds), Some(first)) = (after_seconds, first_listing) {
                    drop(permit.take());
                    // One second more, because the `Date` of an answer has whole seconds.
                    let then = first + Duration::from_secs(u64::from(seconds) + 1);
                    let mut stop = self.stop.clone();
                    tokio::select! {
                        () = tokio::time::sleep_until(then) => {}
                        _ = stop.wait_for(|stop| *stop) => return Err(Failed::Stopped),
                    }
                    *permit = self.permits.acquire().await.ok();
                }
                let read = self.read(claim, &target, policy, &seen).await;
                if let (ReadTarget::Object(_) | ReadTarget::Log(_), Err(Failure::Denied)) = (&target, &read) {
                    tracing::warn!(%claim, read = role.as_str(), "the API server denied a read");
                }
                let answer = answer(read);
                if role == Role::Repository {
                    first_listing = Some(Instant::now());
                }
                seen.insert(role, answer);
            }
        }
    }

    async fn read(
        &self,
        claim: &ClaimKey,
        target: &ReadTarget,
        policy: &Policy,
        seen: &Seen,
    ) -> Result<Value, Failure> {
        let of_api = |refusal: Refusal| refusal.failure().map_or(Ok(json!({"absent": true})), Err);
        match target {
            ReadTarget::Object(object) => {
                self.api.get(object).await.map(|object| json!({"object": object})).or_else(of_api)
            }
            ReadTarget::Log(job) => self.api.log(job, LOG).await.map(|log| json!({"log": log})).or_else(of_api),
            ReadTarget::Listing(place) => self.bucket(place.through, policy, seen)?.list(&place.key).await,
            ReadTarget::Bytes(place) => self.bucket(place.through, policy, seen)?.get(&place.key).await,
            ReadTarget::Turn(turn) => Ok(json!({"ahead": self.queues.ask(claim, turn)})),
        }
    }

    /// The bucket of the base credentials, or of the claim's Secret.
    fn bucket(&self, through: Through, policy: &Policy, seen: &Seen) -> Result<Arc<Bucket>, Failure> {
        let base = Some(policy.credentials());
        let of_claim = || seen.answer(Role::Secret).and_then(|answer| answer.get("object"));
        let (secret, key) = match through {
            Through::Base => (base, base),
            Through::Host => (base, policy.host_secret()),
            Through::Secret => (of_claim(), of_claim()),
        };
        self.stores.bucket(secret.ok_or(Failure::NotTried)?, key.ok_or(Failure::NotTried)?)
    }

    async fn write(
        &self,
        verb: &Verb,
        plan: &PlanDocument<'static, Value>,
        policy: &Policy,
        seen: &Seen,
    ) -> Result<(), Refusal> {
        let bucket = |place: &StoreRef| self.bucket(place.through, policy, seen).map_err(Refusal::Failed);
        match verb {
            Verb::Create(Creation { manifest, field_manager }) => {
                let (object, body) = rendered(plan, *manifest)?;
                self.api.create(&object, body, field_manager).await.map(drop)
            }
            Verb::Apply(Application { manifest, uid, resource_version, field_manager }) => {
                let (object, body) = rendered(plan, *manifest)?;
                let mut body = body.clone();
                if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
                    metadata.insert("uid".to_owned(), json!(uid));
                    metadata.insert("resourceVersion".to_owned(), json!(resource_version));
                }
                self.api.patch((&object, ""), PatchType::Apply, &body, field_manager).await.map(drop)
            }
            Verb::Patch(Patch { object, field_manager, body }) => {
                self.api.patch((object, ""), PatchType::Merge, body, field_manager).await.map(drop)
            }
            Verb::PatchStatus(Patch { object, field_manager, body }) => {
                self.api.patch((object, "/status"), PatchType::Merge, body, field_manager).await.map(drop)
            }
            Verb::Delete(Deletion { object, uid }) => match self.api.delete(object, uid).await {
                Ok(_) | Err(Refusal::Absent) => Ok(()),
                Err(refusal) => Err(refusal),
            },
            Verb::Put(Put { at, text, condition }) => written(bucket(at)?.put(&at.key, text, condition.as_ref()).await),
            Verb::Copy(Copy { from, to }) => written(bucket(to)?.copy(&from.key, &to.key).await),
            Verb::Remove(at) => written(bucket(at)?.remove(&at.key).await),
        }
    }
}

fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("annotations")?.get(key)?.as_str()
}

/// The last backup of a claim and the next one, by its ReplicationSource.
fn times(policy: &Policy, claim: &Value, uid: &str, seen: &Seen) -> Option<Times> {
    let source = seen.answer(Role::Source)?.get("object")?;
    let source = Source::deserialize(source).ok().filter(Source::is_ours)?;
    let record = annotation(claim, RELEASED).and_then(|record| read_record(record).ok());
    let has_backups = record.is_some_and(|record| record.uid == uid && record.fingerprint.is_some());
    Some(source.backup().times(has_backups, policy.interval(claim)?))
}

fn written(written: Result<Written, Failure>) -> Result<(), Refusal> {
    match written.map_err(Refusal::Failed)? {
        Written::Done => Ok(()),
        Written::Conflict => Err(Refusal::Conflict),
    }
}

/// A manifest of the plan, and the object that it is for.
fn rendered<'a>(plan: &'a PlanDocument<'_, Value>, part: Part) -> Result<(ObjectRef, &'a Value), Refusal> {
    let manifests = plan.manifests.as_ref().ok_or(Refusal::Invalid)?;
    let object = match part {
        Part::Secret => &manifests.secret.object,
        Part::Destination => &manifests.destination.object,
        Part::Source => &manifests.source.object,
    };
    let object = object.as_ref().ok_or(Refusal::Invalid)?;
    let text = |at: &str| object.pointer(at).and_then(Value::as_str).map(str::to_owned).ok_or(Refusal::Invalid);
    let address = ObjectRef {
        api_version: text("/apiVersion")?.into(),
        kind: text("/kind")?.into(),
        namespace: Some(text("/metadata/namespace")?),
        name: text("/metadata/name")?,
    };
    Ok((address, object))
}

impl Failed {
    /// The class of the failure, as it is counted.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Failed::Policy(_) => "policy",
            Failed::Stopped => "stopped",
            Failed::Claim(refusal) | Failed::Write(_, refusal) => refusal.as_str(),
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Claim(refusal) => write!(f, "the claim could not be read: {}", refusal.as_str()),
            Failed::Policy(error) => write!(f, "the policy returned no answer: {error}"),
            Failed::Stopped => f.write_str("the host stops"),
            Failed::Write(step, refusal) => write!(f, "a write of {step} failed: {}", refusal.as_str()),
        }
    }
}
