//! The host in the cluster: it asks the policy what to read, gives it the raw answers, and carries out what it plans.
//!
//! ```text
//!   config ── settings, base credentials ──┐
//!   certificate ── admission ──────────────┤
//!   lease ─── who works ───────────────────┤
//!   controller ── which claim, when ── round ── policy: reads, plan ── engine
//!        │                                │
//!     watches                             ├── api:   the API server
//!                                         └── store: S3
//! ```
//!
//! `ledger` and `probe` stand apart: they make the requests of the commands with which a person maintains a ledger.
//!
//! It contains no rule of the policy and has no state that it could lose: after a restart, it reads everything again.

mod admission;
mod api;
mod authorities;
mod backup;
mod certificate;
mod claim;
mod cluster;
mod config;
mod connector;
mod controller;
mod doctor;
mod health;
mod hold;
mod lease;
mod ledger;
mod listen;
mod metadata;
mod metrics;
mod policy;
mod probe;
mod probes;
mod queues;
mod reports;
mod round;
mod store;
mod survey;
mod told;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use volsync_policy::ObjectRef;
use volsync_policy_engine::Engine;

use crate::admission::Desk;
use crate::api::ApiServer;
use crate::certificate::Place;
use crate::controller::Controller;
use crate::metrics::Metrics;
use crate::policy::Standing;
use crate::probes::Readiness;
use crate::reports::Reports;
use crate::round::Round;
use crate::store::Stores;
use crate::told::Teller;

pub use cluster::{Cluster, Look};
pub use config::Sources;
pub use doctor::Finding;
pub use health::{Health, Severity};
pub use hold::Held;
pub use ledger::{Init, Ledger, Retired, Stored};
pub use probe::Probe;
pub use survey::{Scope, Survey, Surveyed};

/// How a host runs.
pub struct Options {
    /// Where settings and base credentials are.
    pub sources: Sources,
    /// The name of the Lease, in the namespace of the settings.
    pub lease: String,
    /// The name of this host among those that share the Lease.
    pub identity: String,
    /// The address on which metrics and probes are served.
    pub listen: SocketAddr,
    /// How the host answers at admission; `None` if it does not.
    pub admission: Option<Admission>,
    /// Whether the host reports in the API of OpenReports.
    pub reports: bool,
    /// The engine that runs the policy.
    pub engine: Arc<dyn Engine>,
}

/// How a host answers at admission.
pub struct Admission {
    /// The address of the webhook.
    pub listen: SocketAddr,
    /// The name of the Service, in the namespace of the settings, by which API servers reach the webhook. The Secret
    /// with the certificate authority has the same name with the suffix `-ca`.
    pub service: String,
    /// The name of the MutatingWebhookConfiguration.
    pub webhook: String,
}

/// Runs a host until it gets SIGTERM or SIGINT.
///
/// # Errors
///
/// The host cannot start: no cluster is configured, or an address is in use.
pub fn run(options: Options) -> anyhow::Result<()> {
    // Only this crate logs: libraries log what they cannot parse, which may be a Secret.
    let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), LevelFilter::INFO);
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines.with_filter(ours)).try_init()?;
    let _failpoints = fail::FailScenario::setup();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(host(options))
}

async fn host(options: Options) -> anyhow::Result<()> {
    let Options { sources, lease, identity, listen, admission, reports, engine } = options;
    let reports = reports.then(Arc::<Reports>::default);
    let metrics = Metrics::new();
    let api = ApiServer::connect(metrics.clone()).await?;
    let listener = listen::listen(listen).await?;
    let (stop, stopped) = watch::channel(false);
    let (policies, policy) = watch::channel(Standing::Unread);
    let (leads, is_leader) = watch::channel(false);
    let (is_ready, is_listed) = watch::channel(false);
    let teller = Arc::new(Teller::new(api.clone(), reports.clone()));

    let certificate = match admission {
        Some(admission) => Some(answer(admission, &api, &sources, policy.clone(), metrics.clone()).await?),
        None => None,
    };
    let readiness = Readiness { is_listed, policies: policy.clone(), certificate };
    tokio::spawn(probes::serve(listener, metrics.clone(), readiness));
    let lease = ObjectRef::new("coordination.k8s.io/v1", "Lease", Some(&sources.namespace), &lease);
    tokio::spawn(config::run(api.clone(), engine, sources, policies, metrics.clone(), teller.clone()));
    let round = Round::new(api.clone(), Stores::new(metrics.clone())?, metrics.clone(), stopped.clone());
    let round = Arc::new(round);
    if let Some(reports) = reports {
        tokio::spawn(reports.run(api.clone(), round.clone(), is_leader.clone()));
    }
    let controller = Controller { round, teller, policies: policy, leads: is_leader, stop: stopped, is_ready };
    // The Lease is given back after the last write.
    let (end_election, election_ends) = watch::channel(false);
    let election = tokio::spawn(lease::run(api, lease, identity, leads, metrics, election_ends));
    let controller = tokio::spawn(controller.run());

    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    tracing::info!("stopping");
    stop.send_replace(true);
    controller.await?;
    end_election.send_replace(true);
    election.await?;
    Ok(())
}

/// Answers at admission from now on. Returns the certificate, once there is one.
async fn answer(
    Admission { listen, service, webhook }: Admission,
    api: &ApiServer,
    sources: &Sources,
    policies: watch::Receiver<Standing>,
    metrics: Metrics,
) -> anyhow::Result<watch::Receiver<Option<TlsAcceptor>>> {
    let listener = listen::listen(listen).await?;
    let (certificates, certificate) = watch::channel(None);
    let place = Place {
        secret: ObjectRef::new("v1", "Secret", Some(&sources.namespace), &format!("{service}-ca")),
        webhook: ObjectRef::new("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", None, &webhook),
        host: format!("{service}.{}.svc", sources.namespace),
    };
    tokio::spawn(certificate::run(api.clone(), place, certificates));
    let desk = Desk { policies, sources: sources.clone(), metrics };
    tokio::spawn(admission::serve(listener, certificate.clone(), Arc::new(desk)));
    Ok(certificate)
}
