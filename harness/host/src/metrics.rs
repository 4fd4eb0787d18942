//! Metrics, in the text format of Prometheus. Labels contain codes, classes, names of steps, and the names of claims,
//! but no values.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use volsync_policy::Code;
use volsync_policy::evidence::Timestamp;

use crate::backup::Times;
use crate::claim::ClaimKey;

type Counters = Family<Vec<(&'static str, String)>, Counter>;

/// The metrics of the host.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    requests: Counters,
    rounds: Counters,
    writes: Counters,
    loads: Counters,
    admissions: Counters,
    duration: Histogram,
    running: Gauge,
    leader: Gauge,
    has_loaded: Gauge,
    claims: Arc<Claims>,
}

/// What is known of each claim, from which gauges are worked out whenever they are read.
#[derive(Default)]
struct Claims(Mutex<HashMap<ClaimKey, Known>>);

/// What is known of a claim.
pub(crate) struct Known {
    /// The code of its last plan.
    code: Code,
    /// Since when a person has had to do something.
    since: Option<SystemTime>,
    /// When it was planned last.
    planned: SystemTime,
    /// Its last backup and the next one.
    times: Option<Times>,
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
        // Only a counter that was 0 before shows its first increase.
        for result in ["allowed", "refused", "unanswered", "malformed"] {
            admissions.get_or_create_owned(&vec![("result", result.to_owned())]);
        }
        let duration = Histogram::new(exponential_buckets(0.01, 2.0, 14));
        let (running, leader, has_loaded) = (Gauge::default(), Gauge::default(), Gauge::default());
        let claims = Arc::<Claims>::default();
        let mut all = Registry::with_prefix("volsync_policy");
        all.register("requests", "Requests to the API server and to the store, by result", requests.clone());
        all.register("rounds", "Rounds of reading, planning and writing, by result", rounds.clone());
        all.register("writes", "Writes of plans, by step and result", writes.clone());
        all.register("settings_loads", "Loads of settings and credentials, by result", loads.clone());
        all.register("admissions", "Requests of API servers to admit a claim, by result", admissions.clone());
        all.register("round_duration_seconds", "The duration of a round", duration.clone());
        all.register("rounds_running", "Rounds that are running", running.clone());
        all.register("leader", "1 while this host holds the Lease, otherwise 0", leader.clone());
        let help = "1 if the last load of settings and credentials succeeded, otherwise 0";
        all.register("settings_last_load_successful", help, has_loaded.clone());
        all.register_collector(Box::new(claims.clone()));
        let registry = Arc::new(all);
        Metrics { registry, requests, rounds, writes, loads, admissions, duration, running, leader, has_loaded, claims }
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
        self.has_loaded.set(failure.is_none().into());
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

    /// Sets what is known of a claim; `None` if the claim no longer exists.
    pub(crate) fn claim(&self, claim: &ClaimKey, known: Option<Known>) {
        let mut claims = self.claims.known();
        match known {
            Some(known) => claims.insert(claim.clone(), known),
            None => claims.remove(claim),
        };
    }

    /// Forgets all claims, because another host plans them now.
    pub(crate) fn forget_claims(&self) {
        self.claims.known().clear();
    }

    /// All metrics, in the text format of Prometheus.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        encode(&mut text, &self.registry).map_or_else(|_| String::new(), |()| text)
    }
}

impl Known {
    /// What is known after a round: the code, since when a person has had to do something, and the times of backups.
    pub(crate) fn now(code: Code, since: Option<SystemTime>, times: Option<Times>) -> Self {
        Known { code, since, planned: SystemTime::now(), times }
    }

    fn last_backup(&self) -> Option<u64> {
        self.times?.saved.map(unix)
    }

    fn overdue(&self) -> Option<u64> {
        self.times?.overdue.map(unix)
    }
}

impl Claims {
    fn known(&self) -> MutexGuard<'_, HashMap<ClaimKey, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims")
    }
}

impl Collector for Claims {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let known = self.known();
        let mut by_code = BTreeMap::<Code, u64>::new();
        known.values().for_each(|known| *by_code.entry(known.code).or_default() += 1);
        let help = "Claims, by the reason code of their last plan";
        let mut gauge = encoder.encode_descriptor("claims", help, None, MetricType::Gauge)?;
        for (code, claims) in by_code {
            gauge.encode_family(&[("code", code.as_str())])?.encode_gauge(&claims)?;
        }

        let help = "When the claim was planned whose last plan is the oldest, in Unix time; 0 without a claim";
        let oldest = known.values().map(|known| seconds(known.planned)).min().unwrap_or_default();
        encoder
            .encode_descriptor("oldest_plan_timestamp_seconds", help, None, MetricType::Gauge)?
            .encode_gauge(&oldest)?;

        let help = "Since when a person has had to do something for a claim, in Unix time, with the reason code";
        let name = "attention_since_timestamp_seconds";
        let mut gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (claim, known) in known.iter() {
            let Some(since) = known.since.map(seconds) else { continue };
            let [namespace, name] = labels(claim);
            gauge.encode_family(&[namespace, name, ("code", known.code.as_str())])?.encode_gauge(&since)?;
        }

        let help = "When the last backup of a claim ended, in Unix time";
        each(&known, &mut encoder, ("last_backup_timestamp_seconds", help), Known::last_backup)?;
        let help = "When the next backup of a claim is overdue, in Unix time";
        each(&known, &mut encoder, ("backup_overdue_timestamp_seconds", help), Known::overdue)
    }
}

/// Encodes a gauge for each claim that has a value.
fn each(
    known: &HashMap<ClaimKey, Known>,
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    value: impl Fn(&Known) -> Option<u64>,
) -> fmt::Result {
    let mut gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (claim, known) in known {
        if let Some(value) = value(known) {
            gauge.encode_family(&labels(claim))?.encode_gauge(&value)?;
        }
    }
    Ok(())
}

/// The labels that name a claim, as kube-state-metrics names them.
fn labels(claim: &ClaimKey) -> [(&'static str, &str); 2] {
    [("namespace", &claim.namespace), ("persistentvolumeclaim", &claim.name)]
}

/// A time in seconds since 1970.
fn unix(time: Timestamp) -> u64 {
    time.since(Timestamp::from_unix(0))
}

/// Seconds since 1970.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn count<const N: usize>(counters: &Counters, labels: [(&'static str, &str); N]) {
    let labels = labels.map(|(name, value)| (name, value.to_owned())).to_vec();
    counters.get_or_create_owned(&labels).inc();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_one_claim_names_it_as_kube_state_metrics_does() {
        let metrics = Metrics::new();
        let data = ClaimKey { namespace: "shop".into(), name: "data".into() };
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let times = Times { saved: Some(Timestamp::from_unix(3000)), overdue: Some(Timestamp::from_unix(9000)) };
        let held = Known { code: Code::Superseded, since: Some(at(2000)), planned: at(5000), times: Some(times) };
        metrics.claim(&data, Some(held));
        let other = ClaimKey { name: "other".into(), ..data.clone() };
        metrics.claim(&other, Some(Known { code: Code::Restoring, since: None, planned: at(4000), times: None }));
        let text = metrics.text();
        let of_claims = || text.lines().filter(|line| !line.starts_with('#') && line.contains("claim"));
        let expected = [
            "volsync_policy_claims{code=\"Superseded\"} 1",
            "volsync_policy_claims{code=\"Restoring\"} 1",
            "volsync_policy_attention_since_timestamp_seconds{namespace=\"shop\",persistentvolumeclaim=\"data\",\
             code=\"Superseded\"} 2000",
            "volsync_policy_last_backup_timestamp_seconds{namespace=\"shop\",persistentvolumeclaim=\"data\"} 3000",
            "volsync_policy_backup_overdue_timestamp_seconds{namespace=\"shop\",persistentvolumeclaim=\"data\"} 9000",
        ];
        assert_eq!(of_claims().collect::<Vec<_>>(), expected);
        assert!(text.contains("\nvolsync_policy_oldest_plan_timestamp_seconds 4000\n"), "{text}");

        metrics.claim(&data, None);
        assert!(!metrics.text().contains("shop"), "a claim that is gone is left");
        metrics.claim(
            &data,
            Some(Known { code: Code::Superseded, since: Some(at(2000)), planned: at(5000), times: None }),
        );
        metrics.forget_claims();
        assert!(!metrics.text().contains("code="), "a host that does not lead speaks of claims");
    }

    #[test]
    fn whether_settings_are_refused_follows_the_last_load() {
        let metrics = Metrics::new();
        let says =
            |value: &str| metrics.text().contains(&format!("\nvolsync_policy_settings_last_load_successful {value}\n"));
        assert!(says("0"), "nothing is loaded yet");
        metrics.loaded(None);
        assert!(says("1"));
        metrics.loaded(Some("refused"));
        assert!(says("0"));
    }
}
