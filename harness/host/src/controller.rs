//! Which claims are planned, and when: whenever an object changes on which a plan depends, and after the time that a
//! plan gives.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures::future::{BoxFuture, ready};
use futures::stream::{BoxStream, FuturesUnordered};
use futures::{FutureExt, StreamExt, stream};
use kube::Api;
use kube::core::{DynamicObject, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::scheduler::{ScheduleRequest, scheduler};
use kube::runtime::watcher::{self, Event};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use volsync_policy::ObjectRef;
use volsync_policy::names::{CREATED_BY, MANAGED_BY, MANAGER, VOLSYNC_VERSION};

use crate::api::{Refusal, resource};
use crate::claim::ClaimKey;
use crate::metrics::Known;
use crate::policy::{Policy, Standing};
use crate::queues::Ended;
use crate::round::{Done, Failed, Round};
use crate::told::Teller;

/// How many rounds may have begun. Most of them wait: for an answer, or for the time between two listings.
const BEGUN: usize = 256;

/// The shortest and the longest pause after a round that failed.
const PAUSE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(300)];

/// The pause after a write that failed because the object had changed since it was read.
const CONFLICT: Duration = Duration::from_millis(200);

/// Plans claims for as long as this host leads.
pub(crate) struct Controller {
    pub(crate) round: Arc<Round>,
    pub(crate) teller: Arc<Teller>,
    pub(crate) policies: watch::Receiver<Standing>,
    pub(crate) leads: watch::Receiver<bool>,
    pub(crate) stop: watch::Receiver<bool>,
    /// True once all objects have been listed.
    pub(crate) is_ready: watch::Sender<bool>,
}

/// The claims with one label, and when they are planned.
struct Claims {
    known: HashSet<ClaimKey>,
    /// The objects on which the last plan of a claim depends.
    objects: HashMap<ClaimKey, Vec<Watched>>,
    /// Each of these objects, with the claim.
    index: HashMap<Watched, ClaimKey>,
    /// The pauses for claims whose last round failed; they grow with each failure.
    pauses: HashMap<ClaimKey, ExponentialBackoff>,
    due: mpsc::UnboundedSender<ScheduleRequest<ClaimKey>>,
}

/// The kind, the namespace and the name of an object.
type Watched = (String, Option<String>, String);

/// What a watch saw.
enum Change {
    /// All objects have been listed.
    Listed,
    /// This object changed. The claim is the object itself if it is a selected claim, or else its owner.
    Object(Watched, Option<ClaimKey>),
}

/// A running round, which returns its claim and its result.
type Running = BoxFuture<'static, (ClaimKey, Result<Option<Done>, Failed>)>;

impl Controller {
    /// Runs until it is stopped, and then waits for the running rounds to end.
    pub(crate) async fn run(mut self) {
        while !*self.stop.borrow() {
            let label = self.policies.borrow_and_update().in_force().map(|policy| policy.label().to_owned());
            match label {
                Some(label) => self.plan(&label).await,
                None => tokio::select! {
                    _ = self.policies.changed() => {}
                    _ = self.stop.changed() => {}
                },
            }
        }
    }

    /// Plans the claims with this label, until settings name another label.
    async fn plan(&mut self, label: &str) {
        let (due, requests) = mpsc::unbounded_channel();
        let requests = stream::unfold(requests, async |mut requests| Some((requests.recv().await?, requests)));
        let mut scheduled = pin!(scheduler(requests));
        let mut claims = Claims::new(due);
        let watches = self.watches(label);
        let mut unlisted = watches.len();
        let mut changes = stream::select_all(watches);
        let mut rounds = FuturesUnordered::<Running>::new();
        let mut running = HashSet::new();
        self.round.queues.set_listed(false);
        self.round.queues.restart([]);
        loop {
            let may_run = *self.leads.borrow() && running.len() < BEGUN;
            let can_run = |claim: &ClaimKey| may_run && !running.contains(claim);
            tokio::select! {
                Some(claim) = async { scheduled.as_mut().hold_unless(can_run).next().await } => {
                    if let Some(policy) = self.policies.borrow().in_force().cloned() {
                        running.insert(claim.clone());
                        rounds.push(work(self.round.clone(), self.teller.clone(), policy, claim).boxed());
                    }
                }
                Some((claim, result)) = rounds.next() => {
                    running.remove(&claim);
                    claims.at_once(self.round.queues.settle(&claim, &Ended::of(&result)));
                    claims.planned(claim, result);
                }
                Some(change) = changes.next() => match change {
                    Change::Listed => {
                        unlisted = unlisted.saturating_sub(1);
                        self.is_ready.send_replace(unlisted == 0);
                        claims.at_once(self.round.queues.set_listed(unlisted == 0));
                    }
                    Change::Object(object, claim) => {
                        claim.iter().for_each(|claim| self.round.queues.listed(claim));
                        claims.changed(&object, claim);
                    }
                },
                changed = self.policies.changed() => {
                    let is_same = |policy: &Arc<Policy>| policy.label() == label;
                    if changed.is_err() || !self.policies.borrow_and_update().in_force().is_some_and(is_same) {
                        break;
                    }
                    claims.all();
                }
                _ = self.leads.changed() => {
                    if !*self.leads.borrow_and_update() {
                        // Another host may be working now, so nothing more is written.
                        rounds.clear();
                        running.clear();
                        self.round.metrics.forget_claims();
                    }
                    self.round.queues.restart(claims.known.iter().cloned());
                    claims.all();
                }
                _ = self.stop.changed() => break,
            }
            self.round.metrics.running(running.len());
        }
        self.is_ready.send_replace(false);
        // Running rounds are completed, so that their last writes are reported.
        while rounds.next().await.is_some() {}
    }

    /// The watches. They are for metadata only, because a round reads the objects that it needs. Secrets are not
    /// watched, because the right to do so is a right to read them all. VolSync reports a missing one in the
    /// ReplicationSource.
    fn watches(&self, label: &str) -> Vec<BoxStream<'static, Change>> {
        let ours = format!("{MANAGED_BY}={MANAGER}");
        let of_volsync = format!("{CREATED_BY}=volsync");
        let watch = |version: &str, kind: &'static str, labels: &str, is_selected: bool| {
            let objects =
                Api::<PartialObjectMeta<DynamicObject>>::all_with(self.round.client(), &resource(version, kind));
            let events = watcher::watcher(objects, watcher::Config::default().labels(labels)).default_backoff();
            events.filter_map(move |event| ready(change(kind, is_selected, event))).boxed()
        };
        vec![
            watch("v1", "PersistentVolumeClaim", label, true),
            watch("v1", "PersistentVolumeClaim", &of_volsync, false),
            watch(VOLSYNC_VERSION, "ReplicationDestination", &ours, false),
            watch(VOLSYNC_VERSION, "ReplicationSource", &ours, false),
        ]
    }
}

/// Runs a round, and reports what it decided.
async fn work(
    round: Arc<Round>,
    teller: Arc<Teller>,
    policy: Arc<Policy>,
    claim: ClaimKey,
) -> (ClaimKey, Result<Option<Done>, Failed>) {
    let started = Instant::now();
    let result = round.run(&policy, &claim).await;
    round.metrics.round(result.as_ref().err().map(Failed::as_str), started.elapsed());
    match &result {
        Ok(Some(done)) => {
            if !done.steps.is_empty() {
                tracing::info!(%claim, steps = done.steps.join(" "), "carried out");
            }
            let since = teller.annotate(&claim, done).await;
            round.metrics.claim(&claim, Some(Known::now(done.verdict.code, since, done.times)));
            teller.report(&claim, done, since);
            teller.decided(&claim, done).await;
        }
        Ok(None) => {
            round.metrics.claim(&claim, None);
            teller.forget(&claim);
        }
        Err(failed) => tracing::warn!(%claim, reason = %failed, "a round failed"),
    }
    (claim, result)
}

/// The change that an event of a watch reports.
fn change(
    kind: &str,
    is_selected: bool,
    event: watcher::Result<Event<PartialObjectMeta<DynamicObject>>>,
) -> Option<Change> {
    let object = match event {
        Ok(Event::InitDone) => return Some(Change::Listed),
        Ok(Event::Init) => return None,
        Ok(Event::Apply(object) | Event::InitApply(object) | Event::Delete(object)) => object,
        Err(_) => {
            tracing::warn!(kind, "a watch failed, and is started again");
            return None;
        }
    };
    let claim = if is_selected { ClaimKey::of(&object) } else { ClaimKey::owner_of(&object) };
    Some(Change::Object((kind.to_owned(), object.metadata.namespace, object.metadata.name?), claim))
}

impl Claims {
    fn new(due: mpsc::UnboundedSender<ScheduleRequest<ClaimKey>>) -> Self {
        Claims { known: HashSet::new(), objects: HashMap::new(), index: HashMap::new(), pauses: HashMap::new(), due }
    }

    /// Schedules a claim. If it is already scheduled, the earlier time counts.
    fn plan(&self, claim: ClaimKey, after: Duration) {
        // The receiver outlives `self`, so this does not fail.
        drop(self.due.send(ScheduleRequest { message: claim, run_at: Instant::now() + after }));
    }

    /// Schedules claims without a delay.
    fn at_once(&self, claims: impl IntoIterator<Item = ClaimKey>) {
        claims.into_iter().for_each(|claim| self.plan(claim, Duration::ZERO));
    }

    /// Schedules all claims without a delay.
    fn all(&self) {
        self.at_once(self.known.iter().cloned());
    }

    /// Schedules the claims that are affected by a change of an object.
    fn changed(&mut self, object: &Watched, claim: Option<ClaimKey>) {
        let dependent = self.index.get(object).filter(|dependent| Some(*dependent) != claim.as_ref()).cloned();
        for claim in claim.into_iter().chain(dependent) {
            self.known.insert(claim.clone());
            self.plan(claim, Duration::ZERO);
        }
    }

    /// Schedules a claim again after a round.
    fn planned(&mut self, claim: ClaimKey, result: Result<Option<Done>, Failed>) {
        let done = match result {
            Ok(done) => done,
            Err(failed) => {
                let pause = self.pause(&claim, &failed);
                return self.plan(claim, pause);
            }
        };
        self.pauses.remove(&claim);
        for object in self.objects.remove(&claim).into_iter().flatten() {
            self.index.remove(&object);
        }
        let Some(again) = done.and_then(|done| done.again) else {
            self.known.remove(&claim);
            return;
        };
        let watched = |ObjectRef { kind, namespace, name, .. }: ObjectRef| (kind.into_owned(), namespace, name);
        let objects: Vec<Watched> = again.objects.into_iter().map(watched).collect();
        self.index.extend(objects.iter().map(|object| (object.clone(), claim.clone())));
        self.objects.insert(claim.clone(), objects);
        self.plan(claim, Duration::from_secs(again.after_seconds));
    }

    /// How long to wait after a round that failed.
    fn pause(&mut self, claim: &ClaimKey, failed: &Failed) -> Duration {
        match failed {
            Failed::Write(_, Refusal::Conflict) => CONFLICT,
            Failed::Claim(Refusal::Busy(pause)) | Failed::Write(_, Refusal::Busy(pause)) => *pause,
            Failed::Claim(_) | Failed::Write(..) | Failed::Policy(_) | Failed::Stopped => {
                let [shortest, longest] = PAUSE;
                let pauses = self.pauses.entry(claim.clone()).or_insert_with(|| {
                    let pauses = ExponentialBuilder::default().with_min_delay(shortest).with_max_delay(longest);
                    pauses.with_jitter().without_max_times().build()
                });
                pauses.next().unwrap_or(longest)
            }
        }
    }
}
