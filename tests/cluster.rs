//! Tests on a real Kubernetes with the real VolSync: the seven criteria of success for the project, every fact about
//! VolSync that the decision depends on, and the requests that its API server sends at admission.
//!
//! All tests share one cluster, and each has a namespace of its own. `harness/cluster` says what is real in it.

#[path = "cluster/admission.rs"]
mod admission;
#[path = "cluster/app.rs"]
mod app;
#[path = "cluster/backups.rs"]
mod backups;
#[path = "cluster/chart.rs"]
mod chart;
#[path = "cluster/commands.rs"]
mod commands;
#[path = "cluster/criteria.rs"]
mod criteria;
#[path = "cluster/gitops.rs"]
mod gitops;
#[path = "cluster/health.rs"]
mod health;
#[path = "cluster/host.rs"]
mod host;
#[path = "cluster/ledger.rs"]
mod ledger;
#[path = "cluster/monitoring.rs"]
mod monitoring;
#[path = "cluster/outages.rs"]
mod outages;
#[path = "cluster/policies.rs"]
mod policies;
#[path = "cluster/populator.rs"]
mod populator;
#[path = "cluster/reports.rs"]
mod reports;
#[path = "cluster/repositories.rs"]
mod repositories;
#[path = "cluster/restores.rs"]
mod restores;
#[path = "cluster/rights.rs"]
mod rights;
#[path = "cluster/s3.rs"]
mod s3;
#[path = "cluster/stored.rs"]
mod stored;
#[path = "cluster/unattended.rs"]
mod unattended;
#[path = "cluster/volsync.rs"]
mod volsync;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use serde_json::Value;
use volsync_policy::ledger::{MARKER, Marker, write_marker};
use volsync_policy_cluster::{Cluster, Namespace, Program, Store};
use volsync_policy_tests::{interpreter, root};

use s3::Bucket;

/// The store id of the ledger in the bucket that all clusters share.
const STORE_ID: &str = "store-of-tests";

/// What all tests share.
struct World {
    cluster: Cluster,
    store: Arc<Store>,
    /// The host that works in the cluster, where one does.
    host: Option<Program>,
}

/// A store with an empty ledger.
fn store() -> anyhow::Result<Arc<Store>> {
    let store = Store::start(&root().join("target/cluster"))?;
    Bucket::of(&store, &volsync::secret("base", ""))?.put(MARKER, &write_marker(&Marker::new(STORE_ID)))?;
    Ok(Arc::new(store))
}

impl World {
    /// A cluster with that store, and with a host that works in it and answers at admission.
    fn start(store: &Arc<Store>) -> anyhow::Result<World> {
        let mut world = World::without_admission(store)?;
        host::install(&world)?;
        world.host = Some(host::start(&world, "host", 8099)?);
        admission::install(&world, 8099)?;
        admission::is_in_force(&world)?;
        Ok(world)
    }

    /// A cluster with that store, in which Kubewarden answers at admission, and a person applies what the policy plans.
    fn without_host(store: &Arc<Store>) -> anyhow::Result<World> {
        let world = World::without_admission(store)?;
        admission::install_kubewarden(&world)?;
        Ok(world)
    }

    /// A cluster with that store, in which nobody knows of the policy.
    fn without_admission(store: &Arc<Store>) -> anyhow::Result<World> {
        let cluster = Cluster::start(&root().join("target/cluster"), store)?;
        Ok(World { cluster, store: store.clone(), host: None })
    }

    /// The namespace of a test.
    fn namespace(&self, name: &str) -> anyhow::Result<Namespace<'_>> {
        self.cluster.namespace(name)
    }

    /// Calls an operation of the module with the base credentials, and with what is in `input`.
    fn ask(&self, operation: &str, input: &Value) -> anyhow::Result<Value> {
        let mut input = input.clone();
        input["credentials"] = volsync::secret("base", "");
        Ok(serde_json::from_slice(&interpreter().call(operation, input.to_string().as_bytes())?)?)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Err(error) = rights::observe(self) {
            eprintln!("the audit log of a cluster: {error:#}");
        }
    }
}

/// The name of a test's function, and the function.
type Test = (&'static str, fn(&World) -> anyhow::Result<()>);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each test mostly waits for VolSync.
    arguments.test_threads.get_or_insert(4);
    let tests = [
        admission::TESTS,
        backups::TESTS,
        chart::TESTS,
        commands::TESTS,
        criteria::TESTS,
        gitops::TESTS,
        health::TESTS,
        ledger::TESTS,
        monitoring::TESTS,
        outages::TESTS,
        policies::TESTS,
        populator::TESTS,
        reports::TESTS,
        repositories::TESTS,
        restores::TESTS,
        rights::TESTS,
        stored::TESTS,
        unattended::TESTS,
    ];
    if arguments.list {
        let nothing: Run = Arc::new(|_| Ok(()));
        return libtest_mimic::run(&arguments, trials(&tests, &nothing)).exit_code();
    }
    let started = store().and_then(|store| World::start(&store));
    let world = match started {
        Ok(world) => Arc::new(world),
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let run: Run = Arc::new({
        let world = world.clone();
        move |test| test(&world)
    });
    // What hosts did in all tests is known at their end.
    let is_whole = arguments.filter.is_none() && arguments.skip.is_empty();
    let ended = libtest_mimic::run(&arguments, trials(&tests, &run));
    if ended.has_failed() || !is_whole {
        return ended.exit_code();
    }
    let last: &[Test] =
        &[("each_right_of_the_chart_is_used_and_none_is_missing", rights::each_is_used_and_none_is_missing)];
    libtest_mimic::run(&arguments, trials(&[last], &run)).exit_code()
}

/// The function that runs a test.
type Run = Arc<dyn Fn(fn(&World) -> anyhow::Result<()>) -> anyhow::Result<()> + Send + Sync>;

fn trials(tests: &[&[Test]], run: &Run) -> Vec<Trial> {
    let trial = |(name, test): &Test| {
        let (test, run) = (*test, run.clone());
        Trial::test(*name, move || run(test).map_err(|error| format!("{error:#}").into()))
    };
    tests.iter().flat_map(|tests| tests.iter().map(trial)).collect()
}

/// The tests of a module, by name.
macro_rules! tests {
    ($($test:ident),* $(,)?) => {
        pub(crate) const TESTS: &[crate::Test] = &[$((stringify!($test), $test)),*];
    };
}
use tests;
