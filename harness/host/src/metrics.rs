//! Metrics, in the text format of Prometheus. Labels contain codes, classes and names of steps, but no names of objects
//! and no values.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use volsync_policy::Code;

use crate::claim::ClaimKey;

type Counters = Family<Vec<(&'static str, String)>, Counter>;

type Gauges = Family<Vec<(&'static str, String)>, Gauge>;

/// The metrics of the host.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    requests: Counters,
    rounds: Counters,
    writes: Counters,
    loads: Counters,
    admissions: Counters,
    claims: Gauges,
    attention: Gauges,
    oldest_plan: Gauge,
    duration: Histogram,
    running: Gauge,
    leader: Gauge,
    /// What is known of each claim, from which its gauges are worked out.
    known: Arc<Mutex<HashMap<ClaimKey, Known>>>,
}

/// What is known of a claim.
struct Known {
    /// The code of its last plan.
    code: Code,
    /// Since when a person has had to do something.
    since: Option<SystemTime>,
    /// When it was planned last.
    planned: SystemTime,
}

/// Where a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    ApiServer,
    Store,
}

/// The label `result` of a success.
const OK: &str = "ok";

impl Metrics {
    pub(crate) fn new() -> Self {
        let [requests, rounds, writes, loads, admissions] = std::array::from_fn(|_| Counters::default());
        let (claims, attention) = (Gauges::default(), Gauges::default());
        let duration = Histogram::new(exponential_buckets(0.01, 2.0, 14));
        let (running, leader, oldest_plan) = (Gauge::default(), Gauge::default(), Gauge::default());
        let mut all = Registry::with_prefix("volsync_policy");
        all.register("requests", "Requests to the API server and to the store, by result", requests.clone());
        all.register("rounds", "Rounds of reading, planning and writing, by result", rounds.clone());
        all.register("writes", "Writes of plans, by step and result", writes.clone());
        all.register("settings_loads", "Loads of settings and credentials, by result", loads.clone());
        all.register("admissions", "Requests of API servers to admit a claim, by result", admissions.clone());
        all.register("claims", "Claims, by the reason code of their last plan", claims.clone());
        let help = "Since when a person has had to do something for a claim, by reason code: the longest, in Unix time";
        all.register("attention_since_timestamp_seconds", help, attention.clone());
        let help = "When the claim was planned whose last plan is the oldest, in Unix time; 0 without a claim";
        all.register("oldest_plan_timestamp_seconds", help, oldest_plan.clone());
        all.register("round_duration_seconds", "The duration of a round", duration.clone());
        all.register("rounds_running", "Rounds that are running", running.clone());
        all.register("leader", "1 while this host holds the Lease, otherwise 0", leader.clone());
        let (registry, known) = (Arc::new(all), Arc::default());
        Metrics {
            registry,
            requests,
            rounds,
            writes,
            loads,
            admissions,
            claims,
            attention,
            oldest_plan,
            duration,
            running,
            leader,
            known,
        }
    }

    /// Counts a request, with the class of its failure.
    pub(crate) fn request(&self, side: Side, failure: Option<&'static str>) {
        let to = match side {
            Side::ApiServer => "apiserver",
            Side::Store => "store",
        };
        count(&self.requests, [("to", to), ("result", failure.unwrap_or(OK))]);
    }

    /// Counts a round, with the class of its failure.
    pub(crate) fn round(&self, failure: Option<&'static str>, duration: Duration) {
        count(&self.rounds, [("result", failure.unwrap_or(OK))]);
        self.duration.observe(duration.as_secs_f64());
    }

    /// Counts a write of a plan, with the class of its failure.
    pub(crate) fn write(&self, step: &str, failure: Option<&'static str>) {
        count(&self.writes, [("step", step), ("result", failure.unwrap_or(OK))]);
    }

    /// Counts a load of settings and credentials.
    pub(crate) fn loaded(&self, failure: Option<&'static str>) {
        count(&self.loads, [("result", failure.unwrap_or(OK))]);
    }

    /// Counts a request of an API server to admit a claim.
    pub(crate) fn admission(&self, result: &'static str) {
        count(&self.admissions, [("result", result)]);
    }

    /// Sets the number of running rounds.
    pub(crate) fn running(&self, rounds: usize) {
        self.running.set(i64::try_from(rounds).unwrap_or(i64::MAX));
    }

    /// Sets whether this host holds the Lease.
    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    /// Sets the code of a claim's last plan, and since when a person has had to do something; `None` if the claim no
    /// longer exists.
    pub(crate) fn claim(&self, claim: &ClaimKey, plan: Option<(Code, Option<SystemTime>)>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match plan {
            Some((code, since)) => {
                known.insert(claim.clone(), Known { code, since, planned: SystemTime::now() });
            }
            None => {
                known.remove(claim);
            }
        }
    }

    /// All metrics, in the text format of Prometheus.
    pub(crate) fn text(&self) -> String {
        self.work_out();
        let mut text = String::new();
        // Writing to a String does not fail.
        encode(&mut text, &self.registry).map_or_else(|_| String::new(), |()| text)
    }

    /// Sets the gauges of claims.
    fn work_out(&self) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.claims.clear();
        self.attention.clear();
        for Known { code, since, .. } in known.values() {
            let labels = vec![("code", code.as_str().to_owned())];
            self.claims.get_or_create(&labels).inc();
            if let Some(since) = since {
                let oldest = self.attention.get_or_create(&labels);
                oldest.set(match oldest.get() {
                    0 => seconds(*since),
                    earliest => earliest.min(seconds(*since)),
                });
            }
        }
        self.oldest_plan.set(known.values().map(|known| seconds(known.planned)).min().unwrap_or_default());
    }
}

/// Seconds since 1970.
fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn count<const N: usize>(counters: &Counters, labels: [(&'static str, &str); N]) {
    let labels = labels.map(|(name, value)| (name, value.to_owned())).to_vec();
    counters.get_or_create_owned(&labels).inc();
}
