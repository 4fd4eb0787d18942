//! Claims that are in Git: what Argo CD and Flux make of them and of what the host creates for them, by their own
//! libraries, and kustomize with `volsync-policy function`.

use std::env;
use std::ffi::OsString;
use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use volsync_policy_cluster::text;
use volsync_policy_tests::root;

use crate::admission::{kubectl_does, labelled};
use crate::app::{App, CLAIM};
use crate::{World, host, tests};

tests![
    argo_cd_finds_no_drift_and_prunes_nothing_whatever_it_tracks_objects_by,
    flux_finds_no_drift_and_prunes_nothing,
    kustomize_adds_what_generate_prints_to_the_example,
];

/// The kinds of the objects that the host, VolSync and Kubernetes create in a claim's namespace.
const KINDS: &str = "persistentvolumeclaims,secrets,replicationsources,replicationdestinations,volumesnapshots,jobs,\
                     pods,configmaps,serviceaccounts";

fn argo_cd_finds_no_drift_and_prunes_nothing_whatever_it_tracks_objects_by(world: &World) -> anyhow::Result<()> {
    let ways = [
        ["argo-cd", "annotation", "client"],
        ["argo-cd", "annotation", "server"],
        ["argo-cd", "annotation+label", "server"],
        ["argo-cd", "label", "client"],
    ];
    is_left_alone(world, &ways.map(|way| (format!("{}-{}", way[1].replace('+', "-"), way[2]), way.to_vec())))
}

fn flux_finds_no_drift_and_prunes_nothing(world: &World) -> anyhow::Result<()> {
    is_left_alone(world, &[("by-flux".to_owned(), vec!["flux"])])
}

/// Lets a tool apply a claim in a namespace for each of these ways, and look again once the host has done its work:
/// there is nothing to do. It does see what there is: then the claim is changed in Git, and another object removed.
fn is_left_alone(world: &World, ways: &[(String, Vec<&str>)]) -> anyhow::Result<()> {
    let [drifted, other] = [format!("PersistentVolumeClaim/{CLAIM}"), "ConfigMap/other".to_owned()];
    let mut apps = Vec::new();
    for (name, way) in ways {
        let app = App::new(world, name)?;
        let claim = labelled(name, CLAIM);
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other", "namespace": name}});
        let first = sync(world, way, &json!([claim, object]), &[])?;
        ensure!(first["drift"].as_array().is_some_and(|drift| drift.len() == 2), "{way:?}: {first}");
        ensure!(!app.claim()?["spec"]["dataSourceRef"].is_null(), "nothing was added to the claim");
        apps.push((way, app, claim, object));
    }
    for (way, app, mut claim, object) in apps {
        app.until("StartedFresh")?;
        app.namespace.wait("ReplicationSource", &format!("{CLAIM}-backup"), "the release", |source| {
            !source.is_null() && source["spec"]["paused"] != true
        })?;
        let live = objects(world, &app)?;
        for made in ["Secret", "ReplicationSource", "ReplicationDestination"] {
            ensure!(live.iter().any(|object| text(object, "/kind") == made), "no {made} in {}", app.namespace.name());
        }
        let again = sync(world, way, &json!([claim, object]), &live)?;
        ensure!(again == json!({"drift": [], "prune": []}), "{way:?}: {again}\n{:#}", app.claim()?);
        for object in live.iter().filter(|object| text(object, "/kind").starts_with("Replication")) {
            let now = app.namespace.get(text(object, "/kind"), text(object, "/metadata/name"))?;
            ensure!(now["metadata"]["uid"] == object["metadata"]["uid"], "{way:?}: pruned: {object:#}");
        }
        claim["metadata"]["labels"]["team"] = json!("shop");
        let seen = sync(world, way, &json!([claim]), &objects(world, &app)?)?;
        ensure!(seen == json!({"drift": [drifted], "prune": [other]}), "{way:?}: {seen}");
    }
    Ok(())
}

/// The objects in the namespace of a claim.
fn objects(world: &World, app: &App<'_>) -> anyhow::Result<Vec<Value>> {
    let list = kubectl_does(world, &["get", KINDS, "-n", app.namespace.name(), "-o", "json"], &Value::Null)?;
    let mut list: Value = serde_json::from_str(&list)?;
    Ok(serde_json::from_value(list["items"].take())?)
}

/// Lets a tool find what differs from Git and what it would prune, among these objects of a namespace, and apply what
/// is in Git.
fn sync(world: &World, way: &[&str], git: &Value, live: &[Value]) -> anyhow::Result<Value> {
    let config = root().join(format!("target/cluster/{}-{}.kubeconfig", way.concat(), world.cluster.holder()));
    let administrator = kubectl_does(world, &["config", "view", "--raw", "-o", "json"], &Value::Null)?;
    std::fs::write(&config, administrator)?;
    let mut tool = world.cluster.command("gitops");
    tool.args(way).env("KUBECONFIG", config).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tool = tool.spawn()?;
    let mut input = tool.stdin.take().context("no standard input")?;
    input.write_all(json!({"git": git, "live": live}).to_string().as_bytes())?;
    drop(input);
    let output = tool.wait_with_output()?;
    ensure!(output.status.success(), "{way:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn kustomize_adds_what_generate_prints_to_the_example(world: &World) -> anyhow::Result<()> {
    let program = host::program()?;
    let mut path = OsString::from(program.parent().context("no folder of programs")?);
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    let built = Command::new(world.cluster.tools().program("kustomize"))
        .args(["build", "--enable-alpha-plugins", "--enable-exec"])
        .arg(root().join("examples/kustomize"))
        .env("PATH", path)
        .output()?;
    ensure!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let built: Vec<Value> = serde_saphyr::from_multiple(&String::from_utf8(built.stdout)?)?;

    let read = |file: &str| -> anyhow::Result<Value> {
        Ok(serde_saphyr::from_str(&std::fs::read_to_string(root().join("examples/kustomize").join(file))?)?)
    };
    let files = tempfile::tempdir()?;
    let settings = files.path().join("settings.json");
    std::fs::write(&settings, read("backups.yaml")?["spec"]["settings"].to_string())?;
    let generated = Command::new(program)
        .args(["generate", "--with-claim", "--namespace", "shop", "--settings"])
        .arg(settings)
        .arg("--filename")
        .arg(root().join("examples/kustomize/claim.yaml"))
        .output()?;
    let generated: Vec<Value> = serde_saphyr::from_multiple(&String::from_utf8(generated.stdout)?)?;
    ensure!(generated.len() == 4, "{generated:#?}");
    ensure!(by_kind(built) == by_kind(generated));
    Ok(())
}

fn by_kind(mut objects: Vec<Value>) -> Vec<Value> {
    objects.sort_by_key(|object| text(object, "/kind").to_owned());
    objects
}
