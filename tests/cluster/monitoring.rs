//! Monitoring: the alerts and the dashboard of the chart, judged by Prometheus' own tool, and compared with the metrics
//! of a host.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use volsync_policy::Code;
use volsync_policy_cluster::text;
use volsync_policy_tests::root;

use crate::admission::kubectl_does;
use crate::app::{App, CLAIM};
use crate::{World, chart, host, tests};

tests![
    alerts_fire_in_the_situations_that_they_are_for_and_in_no_other,
    every_expression_of_the_dashboard_is_valid,
    alerts_and_the_dashboard_name_metrics_that_a_host_has,
    the_prometheus_operator_accepts_the_objects_of_the_chart,
];

/// The beginning of the name of each metric of a host.
const PREFIX: &str = "volsync_policy_";

/// A file of the chart.
fn file(name: &str) -> anyhow::Result<String> {
    Ok(fs::read_to_string(root().join("harness/host/chart/files").join(name))?)
}

/// Runs promtool, which must succeed.
fn promtool(world: &World, arguments: &[&str], file: &Path) -> anyhow::Result<()> {
    let output = world.cluster.command("promtool").args(arguments).arg(file).output()?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "promtool {arguments:?}: {}", String::from_utf8_lossy(&said));
    Ok(())
}

/// The values of a key, wherever it is in a document.
fn all<'a>(document: &'a Value, key: &str) -> Vec<&'a str> {
    let inner: Vec<&Value> = match document {
        Value::Array(values) => values.iter().collect(),
        Value::Object(members) => members.values().collect(),
        _ => Vec::new(),
    };
    let here = document.get(key).and_then(Value::as_str);
    here.into_iter().chain(inner.into_iter().flat_map(|value| all(value, key))).collect()
}

/// The expressions of the dashboard, with a range in place of Grafana's variable.
fn of_dashboard() -> anyhow::Result<Vec<String>> {
    let dashboard = serde_json::from_str(&file("dashboard.json")?)?;
    Ok(all(&dashboard, "expr").iter().map(|expression| expression.replace("$__rate_interval", "5m")).collect())
}

/// The expressions of the alerts.
fn of_alerts() -> anyhow::Result<Vec<String>> {
    let rules = serde_saphyr::from_str(&file("rules.yaml")?)?;
    Ok(all(&rules, "expr").into_iter().map(str::to_owned).collect())
}

fn alerts_fire_in_the_situations_that_they_are_for_and_in_no_other(world: &World) -> anyhow::Result<()> {
    let rules = root().join("harness/host/chart/files/rules.yaml");
    promtool(world, &["check", "rules", "--lint=all", "--lint-fatal"], &rules)?;
    let situations = root().join("tests/alerts.yaml");
    promtool(world, &["test", "rules"], &situations)?;
    let situations: Value = serde_saphyr::from_str(&fs::read_to_string(situations)?)?;
    let firing = all(&situations, "labels").join("\n");
    for alert in all(&serde_saphyr::from_str(&file("rules.yaml")?)?, "alert") {
        let is_expected = firing.contains(&format!("alertname=\"{alert}\"")) || has_alerts(&situations, alert);
        ensure!(is_expected, "{alert} fires in no situation");
    }
    Ok(())
}

/// Whether a situation expects an alert with its labels and annotations.
fn has_alerts(situations: &Value, alert: &str) -> bool {
    let tests = situations["tests"].as_array().into_iter().flatten();
    let mut tests = tests.flat_map(|situation| situation["alert_rule_test"].as_array().into_iter().flatten());
    tests.any(|test| text(test, "/alertname") == alert && test["exp_alerts"].is_array())
}

fn every_expression_of_the_dashboard_is_valid(world: &World) -> anyhow::Result<()> {
    let expressions = of_dashboard()?;
    ensure!(expressions.len() > 10, "{expressions:#?}");
    let rule = |(number, expression)| json!({"record": format!("dashboard:{number}"), "expr": expression});
    let rules: Vec<Value> = expressions.iter().enumerate().map(rule).collect();
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string())?;
    promtool(world, &["check", "rules"], file.path())
}

/// A name that a text has after [`PREFIX`].
fn named(text: &str) -> BTreeSet<&str> {
    let of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.split(|letter| !of_name(letter)).filter(|word| word.starts_with(PREFIX)).collect()
}

/// The value of a metric of a host, with these labels in the order in which the host writes them.
fn value(metrics: &str, metric: &str, labels: &str) -> Option<u64> {
    let start = format!("{PREFIX}{metric}{{{labels}}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok())
}

fn alerts_and_the_dashboard_name_metrics_that_a_host_has(world: &World) -> anyhow::Result<()> {
    let app = App::new(world, "monitored")?;
    app.protect()?;
    let source = app.source()?;
    let last = humantime::parse_rfc3339(text(&source, "/status/lastSyncTime"))?;
    let last = last.duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let claim = format!("namespace=\"monitored\",persistentvolumeclaim=\"{CLAIM}\"");
    let backed_up = world.cluster.until("the time of the last backup", || {
        let metrics = host::metrics(world, 8099)?;
        let saved = value(&metrics, "last_backup_timestamp_seconds", &claim).filter(|saved| *saved >= last);
        Ok(saved.map(|saved| (metrics, saved)))
    });
    let (backed_up, saved) = backed_up?;
    // A backup every minute may be an hour late.
    let overdue =
        value(&backed_up, "backup_overdue_timestamp_seconds", &claim).context("no time of the next backup")?;
    ensure!(overdue == saved + 60 + 3600, "{overdue} {saved}");

    app.namespace.delete("PersistentVolumeClaim", CLAIM)?;
    app.namespace.wait("ReplicationSource", "data-backup", "its end", Value::is_null)?;
    fs::remove_dir_all(world.store.bucket().join(app.repository()))?;
    app.create()?;
    let held = format!("{claim},code=\"DataExpected\"");
    let held = world.cluster.until("the claim to be held", || {
        let metrics = host::metrics(world, 8099)?;
        let since = value(&metrics, "attention_since_timestamp_seconds", &held);
        Ok(since.filter(|since| *since >= saved).map(|_| metrics))
    })?;
    ensure!(value(&held, "last_backup_timestamp_seconds", &claim).is_none(), "the new claim has no backup: {held}");

    let samples = [backed_up, held].join("\n");
    let samples: String = samples.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let exposed = named(&samples);
    let looked_at = [of_alerts()?, of_dashboard()?].concat();
    for expression in &looked_at {
        let unknown: Vec<_> = named(expression).difference(&exposed).copied().collect();
        ensure!(unknown.is_empty(), "no host has {unknown:?}: {expression}");
    }
    let codes = looked_at.iter().flat_map(|it| it.split("code=~\"").skip(1)).filter_map(|it| it.split('"').next());
    for code in codes.flat_map(|codes| codes.split('|')) {
        ensure!(Code::parse(code).is_some(), "there is no code {code}");
    }
    // The page that explains metrics is about the same.
    let page = fs::read_to_string(root().join("docs/running.md"))?;
    let unknown: Vec<_> = exposed.iter().filter(|name| !page.contains(name.trim_end_matches("_bucket"))).collect();
    let is_part = |name: &&&str| name.ends_with("_sum") || name.ends_with("_count");
    let unknown: Vec<_> = unknown.into_iter().filter(|name| !is_part(name)).collect();
    ensure!(unknown.is_empty(), "docs/running.md does not explain {unknown:?}");
    Ok(())
}

fn the_prometheus_operator_accepts_the_objects_of_the_chart(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace(host::NAMESPACE)?;
    for kind in ["podmonitors", "prometheusrules"] {
        let file = format!("example/prometheus-operator-crd/monitoring.coreos.com_{kind}.yaml");
        namespace.define_of("github.com/prometheus-operator/prometheus-operator", &file)?;
    }
    let label = json!({"enabled": true, "labels": {"release": "prometheus"}});
    let mut monitoring = json!({"podMonitor": label, "rules": label, "dashboard": {"enabled": true}});
    let kinds = ["PodMonitor", "PrometheusRule", "ConfigMap"];
    let of_monitoring = |monitoring: &Value| -> anyhow::Result<Vec<Value>> {
        let mut objects = chart::rendered(world, &json!({"monitoring": monitoring, "settings": null}))?;
        objects.retain(|object| kinds.contains(&text(object, "/kind")));
        Ok(objects)
    };
    let objects = of_monitoring(&monitoring)?;
    ensure!(objects.len() == 3, "{objects:#?}");
    for object in &objects {
        kubectl_does(world, &["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"], object)?;
    }
    let of_kind = |kind: &str| objects.iter().find(|object| text(object, "/kind") == kind).context("no such object");
    let rules: Value = serde_saphyr::from_str(&file("rules.yaml")?)?;
    ensure!(of_kind("PrometheusRule")?["spec"] == rules, "the PrometheusRule has other rules than the file");
    ensure!(text(of_kind("PrometheusRule")?, "/metadata/labels/release") == "prometheus");
    // Otherwise, Prometheus would rename the label `namespace`, by which alerts know a claim.
    let endpoint = &of_kind("PodMonitor")?["spec"]["podMetricsEndpoints"][0];
    ensure!(*endpoint == json!({"port": "metrics", "honorLabels": true}), "{endpoint}");
    let dashboard = of_kind("ConfigMap")?;
    ensure!(text(dashboard, "/metadata/labels/grafana_dashboard") == "1", "{dashboard:#}");
    let written: Value = serde_json::from_str(text(dashboard, "/data/volsync-policy.json"))?;
    ensure!(written == serde_json::from_str::<Value>(&file("dashboard.json")?)?, "another dashboard than the file");

    for part in ["podMonitor", "rules", "dashboard"] {
        monitoring[part]["enabled"] = json!(false);
    }
    ensure!(of_monitoring(&monitoring)?.is_empty(), "what is switched off is there");
    Ok(())
}
