//! Reports in the API of OpenReports, under the rights of the chart.

use anyhow::ensure;
use serde_json::{Value, json};
use volsync_policy_cluster::{says, text};

use crate::app::{App, CLAIM};
use crate::{World, admission, chart, host, tests};

tests![claims_are_reported_in_each_namespace_and_reports_of_others_are_left_alone];

/// The name of every report.
const REPORT: &str = "volsync-policy";

fn claims_are_reported_in_each_namespace_and_reports_of_others_are_left_alone(world: &World) -> anyhow::Result<()> {
    let mut world = World::without_admission(&world.store)?;
    world
        .namespace("reported")?
        .define_of("github.com/openreports/reports-api", "config/crd/openreports.io_reports.yaml")?;
    host::install(&world)?;
    let values = json!({"reports": {"enabled": true}});
    host::give_rights(&world, &values)?;
    let mut pods = chart::rendered(&world, &values)?.into_iter().filter(|object| says(object, "/kind=Deployment"));
    let arguments = pods.next().map(|pods| pods["spec"]["template"]["spec"]["containers"][0]["args"].clone());
    ensure!(arguments.as_ref().is_some_and(|it| it.to_string().contains("\"--reports\"")), "{arguments:?}");
    let namespace = world.namespace(host::NAMESPACE)?;
    let mut elsewhere = host::settings();
    elsewhere["ledger"]["storeId"] = json!("another-store");
    namespace.apply(&host::config_map(&elsewhere))?;
    drop(namespace);
    world.host = Some(host::start_with_reports(&world)?);
    admission::install(&world, 8099)?;
    admission::is_in_force(&world)?;

    let world = &world;
    let foreign = App::new(world, "foreign")?;
    let theirs = json!({"apiVersion": "openreports.io/v1alpha1", "kind": "Report", "metadata": {"name": REPORT},
        "source": "another", "results": []});
    let theirs = foreign.namespace.create(&theirs)?;
    foreign.create()?;
    let app = App::new(world, "reported")?;
    let claim = app.create()?;
    let counts = |report: &Value, result: &str| report["summary"][result] == 1;
    let held = app.namespace.wait("Report", REPORT, "a claim that is held", |report| counts(report, "fail"))?;
    let result = &held["results"][0];
    ensure!(says(result, "/rule=LedgerMismatch") && says(result, "/result=fail"), "{held:#}");
    ensure!(text(result, "/message").contains("ledger.storeId") && result["timestamp"]["seconds"] != 0, "{held:#}");
    let uid = text(&claim, "/metadata/uid");
    for of_claim in [&result["resources"][0], &held["metadata"]["ownerReferences"][0]] {
        ensure!(says(of_claim, &format!("/name={CLAIM}")) && text(of_claim, "/uid") == uid, "{held:#}");
    }

    world.namespace(host::NAMESPACE)?.apply(&host::config_map(&host::settings()))?;
    let passed = app.namespace.wait("Report", REPORT, "a claim that is protected", |report| counts(report, "pass"))?;
    ensure!(text(&passed, "/metadata/uid") == text(&held, "/metadata/uid"), "another report");
    ensure!(
        passed["summary"]["fail"] == 0 && passed["results"].as_array().is_some_and(|it| it.len() == 1),
        "{passed:#}"
    );

    let unlabelled = json!({"metadata": {"labels": {"backup": null}}});
    app.namespace.patch("PersistentVolumeClaim", CLAIM, unlabelled)?;
    app.namespace.wait("Report", REPORT, "its end", Value::is_null)?;
    let is_left = || {
        let log = world.host.as_ref().map(|host| host.log()).transpose()?.unwrap_or_default();
        let is_said = |line: &str| line.contains("somebody else's") && line.contains("\"namespace\":\"foreign\"");
        Ok(log.lines().any(is_said).then_some(()))
    };
    world.cluster.until("the host to find the report of somebody else", is_left)?;
    let found = foreign.namespace.get("Report", REPORT)?;
    ensure!(found["metadata"]["resourceVersion"] == theirs["metadata"]["resourceVersion"], "{found:#}");
    Ok(())
}
