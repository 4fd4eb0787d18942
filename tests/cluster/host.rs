//! The host under test: `volsync-policy host`, as a pod would run it, but as a process of the cluster's node.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use anyhow::Context;
use serde_json::{Value, json};
use volsync_policy_cluster::{Program, text};
use volsync_policy_tests::root;

use crate::admission::{RECORDED, kubectl_does};
use crate::policies::COMPARED;
use crate::volsync::secret;
use crate::{STORE_ID, World, chart};

/// The namespace of its settings.
pub(crate) const NAMESPACE: &str = "volsync-policy";

/// The namespaces whose claims it leaves alone. In the last ones, requests are recorded and compared.
const EXCLUDED: [&str; 4] = ["kube-system", "volsync-system", RECORDED, COMPARED];

/// The schedules of the settings. A backup every minute is one that a test can wait for.
pub(crate) fn schedules() -> Value {
    json!({"minutely": "* * * * *"})
}

/// The settings of the tests.
pub(crate) fn settings() -> Value {
    json!({"ledger": {"storeId": STORE_ID}, "schedules": schedules(), "excludeNamespaces": EXCLUDED})
}

/// The kinds of the chart's objects that give the host its rights.
const RIGHTS: [&str; 5] = ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];

/// Creates the settings and the base credentials, and the service account with the rights of the chart.
pub(crate) fn install(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace(NAMESPACE)?;
    namespace.apply(&secret("volsync-policy-base", ""))?;
    namespace.apply(&config_map(&settings()))?;
    give_rights(world, &json!({}))
}

/// Gives the host the rights that the chart gives it with these values.
pub(crate) fn give_rights(world: &World, values: &Value) -> anyhow::Result<()> {
    let mut objects = chart::rendered(world, values)?;
    objects.retain(|object| RIGHTS.contains(&text(object, "/kind")));
    for object in objects {
        kubectl_does(world, &["apply", "--server-side", "-f", "-"], &object)?;
    }
    Ok(())
}

/// The ConfigMap with these settings.
pub(crate) fn config_map(settings: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "volsync-policy"},
           "data": {"settings.yaml": settings.to_string()}})
}

/// Starts a host of that name, with the built module, and its metrics at that port.
pub(crate) fn start(world: &World, name: &str, port: u16) -> anyhow::Result<Program> {
    world.cluster.spawn(name, &mut command(world, name, port)?)
}

/// Starts a host that writes reports, too.
pub(crate) fn start_with_reports(world: &World) -> anyhow::Result<Program> {
    world.cluster.spawn("host", command(world, "host", 8099)?.arg("--reports"))
}

/// Starts a host that ends as if it were killed, right after so many writes.
pub(crate) fn start_for_writes(world: &World, writes: usize) -> anyhow::Result<Program> {
    let points = format!("written={}*off->return", writes - 1);
    world.cluster.spawn("host", command(world, "host", 8099)?.env("FAILPOINTS", points))
}

/// The port of the webhook of a host whose metrics are at that port.
pub(crate) fn webhook_port(port: u16) -> u16 {
    port + 1000
}

/// The metrics of the host at that port; empty while it does not answer.
pub(crate) fn metrics(world: &World, port: u16) -> anyhow::Result<String> {
    let metrics = world.cluster.command("curl").args(["-s", &format!("http://127.0.0.1:{port}/metrics")]).output()?;
    Ok(String::from_utf8_lossy(&metrics.stdout).into_owned())
}

fn command(world: &World, name: &str, port: u16) -> anyhow::Result<Command> {
    let kubectl = |arguments: &[&str]| kubectl_does(world, arguments, &Value::Null);
    let mut host = world.cluster.command(program()?.to_str().context("the path of the command")?);
    // The cluster as its administrator sees it, as the service account that may do what the host needs.
    let mut config: Value = serde_json::from_str(&kubectl(&["config", "view", "--raw", "-o", "json"])?)?;
    let token = kubectl(&["create", "token", "volsync-policy", "-n", NAMESPACE, "--duration=8h"])?;
    config["users"][0]["user"] = json!({"token": token.trim()});
    let file = root().join(format!("target/cluster/{name}-{}.kubeconfig", world.cluster.holder()));
    fs::write(&file, config.to_string())?;
    host.env("KUBECONFIG", file);
    host.args(["host", "--namespace", NAMESPACE, "--identity", name, "--listen", &format!("127.0.0.1:{port}")]);
    host.args(["--admission", &format!("0.0.0.0:{}", webhook_port(port))]);
    host.arg("--module").arg(root().join("target/wasm/volsync-policy.wasm"));
    Ok(host)
}

/// The command, which is built with the tests.
pub(crate) fn program() -> anyhow::Result<PathBuf> {
    let test = env::current_exe()?;
    let folder = test.ancestors().nth(2).context("no folder of programs")?;
    Ok(folder.join("volsync-policy"))
}
