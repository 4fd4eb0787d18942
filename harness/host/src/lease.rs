//! Leader election by a Lease: which of several hosts works. This only saves work: two hosts that work at the same time
//! do no harm, because every write has its own preconditions.
//!
//! Only this host's own clock counts: a Lease has expired once this host has not seen it change for as long as the
//! Lease is valid. Clocks of different machines are never compared.

#[cfg(test)]
mod model;

use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use tokio::sync::watch;
use volsync_policy::ObjectRef;
use volsync_policy::evidence::Failure;
use volsync_policy::names::FIELD_MANAGER;

use crate::api::{ApiServer, Refusal};
use crate::metrics::Metrics;

/// How long a Lease is valid after it was renewed.
const VALID: Duration = Duration::from_secs(15);

/// How long a host works after it renewed its Lease. It is shorter than [`VALID`], so that the host has stopped before
/// another takes over.
const TRUSTED: Duration = Duration::from_secs(10);

/// The time between two reads of the Lease.
const INTERVAL: Duration = Duration::from_secs(2);

/// What a host remembers of the Lease.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Elector {
    identity: String,
    /// The last resourceVersion that was read, and when it was first read.
    seen: Option<(String, Instant)>,
    /// When the last successful renewal was sent.
    renewed: Option<Instant>,
}

/// What to do about the Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Create it.
    Create,
    /// Take it over, or renew it, if it is still as it was read.
    Hold,
    /// Wait, because another host holds it.
    Wait,
}

/// The fields of a Lease that the election needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// The identity of the host that holds it; empty if nobody does.
    pub(crate) holder: String,
    /// The resourceVersion.
    pub(crate) version: String,
    /// How long it is valid after it was renewed.
    pub(crate) valid: Duration,
}

impl Elector {
    pub(crate) fn new(identity: String) -> Self {
        Elector { identity, seen: None, renewed: None }
    }

    /// What to do about the Lease that was just read; `None` if it does not exist.
    pub(crate) fn judge(&mut self, lease: Option<&Record>, now: Instant) -> Action {
        let Some(Record { holder, version, valid }) = lease else {
            self.seen = None;
            return Action::Create;
        };
        let since = match &self.seen {
            Some((known, since)) if known == version => *since,
            _ => now,
        };
        self.seen = Some((version.clone(), since));
        match holder {
            holder if holder.is_empty() || *holder == self.identity => Action::Hold,
            _ if now.duration_since(since) > *valid => Action::Hold,
            _ => Action::Wait,
        }
    }

    /// Notes that the Lease was written, with a request that was sent at `sent`.
    pub(crate) fn renewed(&mut self, sent: Instant) {
        self.renewed = Some(sent);
    }

    /// Notes that another host holds the Lease.
    pub(crate) fn lost(&mut self) {
        self.renewed = None;
    }

    /// Whether this host may work.
    pub(crate) fn leads(&self, now: Instant) -> bool {
        self.renewed.is_some_and(|renewed| now.duration_since(renewed) < TRUSTED)
    }
}

/// Takes part in the election until `stop` is true, and then gives the Lease back.
pub(crate) async fn run(
    api: ApiServer,
    lease: ObjectRef,
    identity: String,
    leads: watch::Sender<bool>,
    metrics: Metrics,
    mut stop: watch::Receiver<bool>,
) {
    let mut elector = Elector::new(identity);
    while !*stop.borrow() {
        let sent = Instant::now();
        match try_to_hold(&api, &lease, &mut elector).await {
            Ok(true) => elector.renewed(sent),
            Ok(false) | Err(Refusal::Conflict) => elector.lost(),
            // A Lease that could not be renewed is still held until `TRUSTED` has passed.
            Err(refusal) => tracing::warn!(reason = refusal.as_str(), "the Lease could not be renewed"),
        }
        let is_leader = elector.leads(Instant::now());
        let has_changed = leads.send_if_modified(|leads| std::mem::replace(leads, is_leader) != is_leader);
        if has_changed {
            tracing::info!(leader = is_leader, "leadership has changed");
            metrics.leads(is_leader);
        }
        // The loop continues even if the API server does not answer, so that the host stops working in time.
        let wait = tokio::time::timeout(INTERVAL, stop.changed());
        drop(wait.await);
    }
    if elector.leads(Instant::now()) {
        leads.send_replace(false);
        if let Err(refusal) = give_back(&api, &lease, &elector.identity).await {
            tracing::warn!(reason = refusal.as_str(), "the Lease could not be given back");
        }
    }
}

/// Tries to take or renew the Lease. Returns whether this host holds it now.
async fn try_to_hold(api: &ApiServer, lease: &ObjectRef, elector: &mut Elector) -> Result<bool, Refusal> {
    let live = match in_time(api.get(lease)).await {
        Ok(live) => Some(live),
        Err(Refusal::Absent) => None,
        Err(refusal) => return Err(refusal),
    };
    let record = live.as_ref().map(Record::of);
    let body = match elector.judge(record.as_ref(), Instant::now()) {
        Action::Wait => return Ok(false),
        Action::Create => held(&elector.identity, lease, None),
        Action::Hold => held(&elector.identity, lease, live.as_ref()),
    };
    let written = match live {
        None => in_time(api.create(lease, &body, FIELD_MANAGER)).await,
        Some(_) => in_time(api.replace(lease, &body)).await,
    };
    written.map(|_| true)
}

/// Limits a request to the time until the next one is due.
async fn in_time(request: impl Future<Output = Result<Value, Refusal>>) -> Result<Value, Refusal> {
    tokio::time::timeout(INTERVAL, request).await.unwrap_or(Err(Refusal::Failed(Failure::Timeout)))
}

async fn give_back(api: &ApiServer, lease: &ObjectRef, identity: &str) -> Result<(), Refusal> {
    let mut live = api.get(lease).await?;
    if Record::of(&live).holder != identity {
        return Ok(());
    }
    if let Some(spec) = live.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("holderIdentity".to_owned(), json!(""));
    }
    api.replace(lease, &live).await.map(drop)
}

/// The Lease with this host as its holder; `earlier` is the Lease that it replaces.
fn held(identity: &str, lease: &ObjectRef, earlier: Option<&Value>) -> Value {
    let now = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
    let of = |at: &str| earlier.and_then(|earlier| earlier.pointer(at)).cloned().unwrap_or_default();
    let is_renewal = of("/spec/holderIdentity") == identity;
    let transitions = of("/spec/leaseTransitions").as_u64().unwrap_or_default() + u64::from(!is_renewal);
    json!({
        "apiVersion": lease.api_version, "kind": lease.kind,
        "metadata": {"namespace": lease.namespace, "name": lease.name,
                     "uid": of("/metadata/uid"), "resourceVersion": of("/metadata/resourceVersion")},
        "spec": {"holderIdentity": identity, "leaseDurationSeconds": VALID.as_secs(), "renewTime": now,
                 "acquireTime": if is_renewal { of("/spec/acquireTime") } else { json!(now) },
                 "leaseTransitions": transitions},
    })
}

impl Record {
    fn of(lease: &Value) -> Self {
        let text = |at: &str| lease.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let valid = lease.pointer("/spec/leaseDurationSeconds").and_then(Value::as_u64);
        Record {
            holder: text("/spec/holderIdentity"),
            version: text("/metadata/resourceVersion"),
            valid: valid.map_or(VALID, Duration::from_secs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(holder: &str, version: u32) -> Record {
        Record { holder: holder.to_owned(), version: version.to_string(), valid: VALID }
    }

    #[test]
    fn a_lease_that_nobody_holds_is_taken_at_once() {
        let now = Instant::now();
        let mut elector = Elector::new("a".to_owned());
        assert_eq!(elector.judge(None, now), Action::Create);
        assert_eq!(elector.judge(Some(&record("", 1)), now), Action::Hold);
        assert_eq!(elector.judge(Some(&record("a", 2)), now), Action::Hold);
    }

    #[test]
    fn the_lease_of_another_is_taken_once_it_has_not_changed_for_as_long_as_it_is_valid() {
        let start = Instant::now();
        let mut elector = Elector::new("a".to_owned());
        assert_eq!(elector.judge(Some(&record("b", 1)), start), Action::Wait);
        assert_eq!(elector.judge(Some(&record("b", 1)), start + VALID), Action::Wait);
        assert_eq!(elector.judge(Some(&record("b", 2)), start + VALID * 2), Action::Wait);
        assert_eq!(elector.judge(Some(&record("b", 2)), start + VALID * 3), Action::Wait);
        assert_eq!(elector.judge(Some(&record("b", 2)), start + VALID * 4), Action::Hold);
    }

    #[test]
    fn a_host_stops_working_before_its_lease_can_be_taken() {
        let start = Instant::now();
        let (mut ours, mut theirs) = (Elector::new("a".to_owned()), Elector::new("b".to_owned()));
        // The other host sees the renewal no earlier than it was sent.
        ours.renewed(start);
        let mut taken = None;
        for seconds in 0..60 {
            let now = start + Duration::from_secs(seconds);
            if theirs.judge(Some(&record("a", 1)), now) == Action::Hold {
                taken = taken.or(Some(now));
            }
            assert!(taken.is_none() || !ours.leads(now), "both work after {seconds} s");
        }
        assert!(taken.is_some());
        assert!(ours.leads(start));
    }
}
