//! The chart: it installs pods with as few rights as pods can have, leaves backups alone when it is uninstalled, and
//! refuses what is misspelt.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use volsync_policy_cluster::{Namespace, text};
use volsync_policy_tests::root;

use crate::admission::{is_in_force, kubectl_does, labelled};
use crate::app::{App, CLAIM};
use crate::volsync::{bound, claim, secret};
use crate::{STORE_ID, World, host, tests};

tests![
    a_claim_is_protected_by_pods_of_the_chart_and_its_backups_go_on_without_them,
    an_upgrade_from_the_release_before_changes_nothing_of_a_claim,
    kustomize_makes_the_objects_of_the_chart,
    invalid_values_are_refused_by_their_path,
    values_of_every_earlier_version_are_still_valid,
    network_policies_are_accepted_and_select_hosts_and_movers_only,
];

/// The name of the release in the documentation.
const RELEASE: &str = "volsync-policy";

/// Runs a subcommand of Helm with the chart and with these values.
fn helm(world: &World, subcommand: &[&str], values: &Value) -> anyhow::Result<Result<String, String>> {
    let files = tempfile::tempdir()?;
    let file = files.path().join("values.json");
    fs::write(&file, values.to_string())?;
    let mut helm = world.cluster.command("helm");
    helm.args(subcommand).arg(RELEASE).arg(root().join("harness/host/chart"));
    let output = helm.args(["--namespace", host::NAMESPACE, "--values"]).arg(file).output()?;
    let printed = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ok(if output.status.success() { Ok(printed(&output.stdout)) } else { Err(printed(&output.stderr)) })
}

/// The objects of the chart with these values.
pub(crate) fn rendered(world: &World, values: &Value) -> anyhow::Result<Vec<Value>> {
    let manifests = helm(world, &["template"], values)?.map_err(anyhow::Error::msg)?;
    Ok(serde_saphyr::from_multiple(&manifests)?)
}

/// The commands of the first block in the README, or else in `docs/running.md`, that contain this text.
pub(crate) fn documented(containing: &str) -> anyhow::Result<String> {
    documented_in("README.md", containing).or_else(|_| documented_in("docs/running.md", containing))
}

/// The commands of the first block on a page that contain this text.
fn documented_in(page: &str, containing: &str) -> anyhow::Result<String> {
    let page = fs::read_to_string(root().join(page))?;
    let mut blocks = page.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    Ok(blocks.find(|block| block.contains(containing)).context("no such block")?.to_owned())
}

/// Runs commands of the documentation in the cluster, in a checkout that also has these files. Returns what they print.
pub(crate) fn run(world: &World, commands: &str, files: &[(&str, Value)]) -> anyhow::Result<String> {
    let checkout = tempfile::tempdir()?;
    for folder in ["examples", "harness"] {
        std::os::unix::fs::symlink(root().join(folder), checkout.path().join(folder))?;
    }
    for (file, contents) in files {
        fs::write(checkout.path().join(file), contents.to_string())?;
    }
    let command = root().join("target/debug/volsync-policy");
    let of_this_checkout = format!("volsync-policy() {{ {} \"$@\"; }}", command.display());
    let script = format!("{of_this_checkout}\ncd {}\n{commands}", checkout.path().display());
    let output = world.cluster.command("bash").args(["-euxc", &script]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The image has no certificate authorities, no time zones, no users and no shell. Its root is read-only, and it has no
/// writable volume. The API server reaches the pods by their Service.
fn a_claim_is_protected_by_pods_of_the_chart_and_its_backups_go_on_without_them(world: &World) -> anyhow::Result<()> {
    let world = &World::without_admission(&world.store)?;
    world.cluster.load(&root().join("target/oci/volsync-policy.tar")).context("`cargo xtask image` comes first")?;
    // All clusters have one bucket, so its ledger is not new.
    let files = [("base.yaml", secret("volsync-policy-base", "")), ("values.yaml", values())];
    let install = documented("helm install")?.replace("ledger init", &format!("ledger init --store-id {STORE_ID}"));
    let begun = run(world, &install, &files)?;
    ensure!(begun.contains(STORE_ID), "{begun}");
    run(world, &documented("helm upgrade")?.replace("=ID", &format!("={STORE_ID}")), &files)?;
    let namespace = world.namespace(host::NAMESPACE)?;
    let has_level =
        |namespace: &Value| text(namespace, "/metadata/labels/pod-security.kubernetes.io~1enforce") == "restricted";
    ensure!(has_level(&namespace.get("Namespace", host::NAMESPACE)?), "the pods may do more than they must");
    are_ready(&namespace)?;
    is_in_force(world)?;
    let unlabelled = world.namespace("default")?;
    unlabelled.create(&claim(CLAIM, None))?;
    run(world, &documented("kubectl label pvc")?.replace("volsync-policy status", ""), &[])?;
    let app = App::new(world, "chart")?;
    app.protect()?;
    unlabelled.wait("ReplicationSource", "data-backup", "its creation", |source| !source.is_null())?;
    let before = objects(&app.namespace, &namespace)?;

    run(world, &documented("helm uninstall")?, &[])?;
    namespace.wait("Deployment", "volsync-policy", "its end", Value::is_null)?;
    world.cluster.until("the end of the pods", || Ok(namespace.list("Pod")?.is_empty().then_some(())))?;
    app.namespace.run(CLAIM, "echo more > after")?;
    app.is_backed_up("after")?;
    app.is_backed_up("file")?;
    ensure!(objects(&app.namespace, &namespace)? == before, "{before:?}");
    // Nobody is asked about labelled claims any more.
    ensure!(namespace.get("MutatingWebhookConfiguration", "volsync-policy")?.is_null(), "the webhook is left");
    let created = app.namespace.create(&labelled(app.namespace.name(), "new"))?;
    ensure!(created["spec"]["dataSourceRef"].is_null(), "{created:#}");
    bound(&app.namespace, "new").map(drop)
}

/// Values with which the pods work in this cluster, where nothing serves the address of a Service: they need that of
/// the API server.
fn values() -> Value {
    json!({"settings": host::settings(), "env": [
        {"name": "KUBERNETES_SERVICE_HOST", "value": "10.99.0.1"},
        {"name": "KUBERNETES_SERVICE_PORT", "value": "6443"},
    ]})
}

/// Waits until the present pods of the chart are ready, and no others are left.
fn are_ready(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let are_ready = |deployment: &Value| {
        let count = |field: &str| deployment.pointer(field).and_then(Value::as_u64).unwrap_or_default();
        let is_seen = count("/status/observedGeneration") == count("/metadata/generation");
        let pods = ["replicas", "updatedReplicas", "availableReplicas"].map(|of| count(&format!("/status/{of}")));
        is_seen && pods == [2; 3]
    };
    namespace.wait("Deployment", RELEASE, "two pods that are ready", are_ready).map(drop)
}

/// The chart of the newest release before this commit. Until there is one, it is the present chart.
fn chart_before(folder: &Path) -> anyhow::Result<PathBuf> {
    let git = |arguments: &[&str]| Command::new("git").current_dir(root()).args(arguments).output();
    let tag = git(&["describe", "--tags", "--abbrev=0", "--match=v*", "HEAD^"])?;
    let chart = "harness/host/chart";
    if !tag.status.success() {
        return Ok(root().join(chart));
    }
    let archive = folder.join("chart.tar");
    let output = format!("--output={}", archive.display());
    let exported = git(&["archive", &output, String::from_utf8(tag.stdout)?.trim(), chart])?;
    ensure!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    ensure!(Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(folder).status()?.success(), "tar failed");
    Ok(folder.join(chart))
}

/// The image is the present one before and after: that of an earlier release is in no registry that a test reaches.
/// What earlier hosts wrote is in `tests/stored`.
fn an_upgrade_from_the_release_before_changes_nothing_of_a_claim(world: &World) -> anyhow::Result<()> {
    let world = &World::without_admission(&world.store)?;
    world.cluster.load(&root().join("target/oci/volsync-policy.tar")).context("`cargo xtask image` comes first")?;
    let folder = tempfile::tempdir()?;
    let mut before = values();
    before["image"] = json!({"tag": env!("CARGO_PKG_VERSION")});
    let chart = chart_before(folder.path())?;
    let install = documented("helm install")?.replace("harness/host/chart", &chart.to_string_lossy());
    // The store of the tests has one, which the settings name.
    let install = install.replace("volsync-policy ledger init", "");
    run(world, &install, &[("base.yaml", secret("volsync-policy-base", "")), ("values.yaml", before)])?;
    let namespace = world.namespace(host::NAMESPACE)?;
    are_ready(&namespace)?;
    is_in_force(world)?;
    let app = App::new(world, "upgraded")?;
    app.protect()?;
    app.is_remembered()?;
    let uid = text(&app.claim()?, "/metadata/uid").to_owned();
    let (kept, told) = (kept(&app)?, app.told(&uid)?);
    let pods = uids(&namespace.list("Pod")?);

    let mut after = values();
    after["podAnnotations"] = json!({"example.com/upgraded": "yes"});
    run(world, &documented_in("docs/releases.md", "helm upgrade")?, &[("values.yaml", after)])?;
    are_ready(&namespace)?;
    is_in_force(world)?;
    world.cluster.until("the end of the pods", || {
        Ok(uids(&namespace.list("Pod")?).iter().all(|uid| !pods.contains(uid)).then_some(()))
    })?;
    // The new host has planned for the claim once it has followed a backup.
    app.namespace.run(CLAIM, "echo more > after")?;
    app.is_backed_up("after")?;
    app.is_remembered()?;
    ensure!(self::kept(&app)? == kept, "{:#}\n{kept:#}", self::kept(&app)?);
    ensure!(app.told(&uid)? == told, "{:?}, and before {told:?}", app.told(&uid)?);
    ensure!(app.claim()?.pointer("/metadata/annotations/volsync-policy.io~1attention").is_none(), "the claim is held");
    Ok(())
}

fn uids(objects: &[Value]) -> Vec<String> {
    objects.iter().map(|object| text(object, "/metadata/uid").to_owned()).collect()
}

/// What the host wrote for a claim, but for what it writes after every backup: a manifest that is written again has
/// another generation, or, as a Secret has none, another version.
fn kept(app: &App<'_>) -> anyhow::Result<Value> {
    let secret = app.namespace.get("Secret", "data-volsync-secret")?;
    let of = |object: &Value| -> anyhow::Result<Value> {
        let mut object = object.clone();
        if let Some(record) = object.pointer_mut("/metadata/annotations/volsync-policy.io~1released") {
            let released: Value = serde_json::from_str(record.as_str().context("no text")?)?;
            *record = json!([released["uid"], released["volume"], released["term"]]);
        }
        let metadata = &object["metadata"];
        let generation = &metadata["generation"];
        Ok(json!([metadata["uid"], generation, metadata["annotations"], metadata["labels"], object["spec"]]))
    };
    Ok(json!([
        secret["metadata"]["resourceVersion"],
        of(&app.destination()?)?,
        of(&app.source()?)?,
        of(&app.claim()?)?
    ]))
}

/// The uids of what must outlive the host: the claim with all that was made for it, and the base credentials.
fn objects(of_app: &Namespace<'_>, of_host: &Namespace<'_>) -> anyhow::Result<Vec<String>> {
    let objects = [
        of_app.get("PersistentVolumeClaim", CLAIM)?,
        of_app.get("ReplicationSource", "data-backup")?,
        of_app.get("ReplicationDestination", "data-restore")?,
        of_app.get("Secret", "data-volsync-secret")?,
        of_host.get("Secret", "volsync-policy-base")?,
    ];
    let uids = objects.iter().map(|object| text(object, "/metadata/uid").to_owned()).collect::<Vec<_>>();
    ensure!(uids.iter().all(|uid| !uid.is_empty()), "{objects:#?}");
    Ok(uids)
}

/// For those who do not have Helm.
fn kustomize_makes_the_objects_of_the_chart(world: &World) -> anyhow::Result<()> {
    let manifests = helm(world, &["template"], &json!({"settings": null}))?.map_err(anyhow::Error::msg)?;
    let written = fs::read_to_string(root().join("examples/host/manifests.yaml"))?;
    ensure!(
        written == manifests,
        "write it again: cargo xtask cluster helm template volsync-policy harness/host/chart \
         --namespace volsync-policy --set settings=null > examples/host/manifests.yaml"
    );
    let by_name = |mut objects: Vec<Value>| {
        objects.sort_by_key(|it| format!("{} {}", it["kind"], it["metadata"]["name"]));
        objects
    };
    let kustomized = Command::new(world.cluster.tools().program("kubectl"))
        .args(["kustomize"])
        .arg(root().join("examples/host"))
        .output()?;
    let mut kustomized: Vec<Value> = serde_saphyr::from_multiple(&String::from_utf8(kustomized.stdout)?)?;
    let is_settings = |object: &Value| object["kind"] == "ConfigMap";
    let settings = kustomized.iter().position(is_settings).context("no ConfigMap")?;
    let settings = kustomized.remove(settings);
    ensure!(settings["metadata"]["name"] == "volsync-policy", "{settings:#}");
    ensure!(by_name(kustomized) == by_name(serde_saphyr::from_multiple(&manifests)?));

    // The cluster has these rights already, and other settings.
    let rehearsal = documented("kubectl apply --server-side -k")?;
    let rehearsal = rehearsal.replace("--server-side", "--server-side --force-conflicts --dry-run=server");
    run(world, &rehearsal, &[]).map(drop)
}

fn invalid_values_are_refused_by_their_path(world: &World) -> anyhow::Result<()> {
    let invalid = [
        (json!({"replicas": "two"}), "at '/replicas'"),
        (json!({"rights": {"secrets": "some"}}), "at '/rights/secrets'"),
        (json!({"right": {}}), "'right'"),
        (json!({"settings": {"ledger": {"storeID": "x"}}}), "at '/settings/ledger'"),
        (json!({"settings": {"backup": {"pruneIntervalDays": "ten"}}}), "at '/settings/backup/pruneIntervalDays'"),
        (json!({"networkPolicy": {"store": {"ports": [0]}}}), "at '/networkPolicy/store/ports/0'"),
        (json!({"admission": {"kind": "policies"}, "settings": null}), "settings: "),
        (
            json!({"admission": {"kind": "policies"}, "settings": {"schedules": {"own": "{{ request.name }}"}}}),
            "settings.schedules: ",
        ),
        (json!({"monitoring": {"rules": {"enable": true}}}), "at '/monitoring/rules'"),
        (json!({"rights": {"secrets": "namespaced"}}), "rights.namespaces: "),
        (json!({"rights": {"namespaces": ["shop"]}}), "rights.namespaces: "),
        (
            json!({"rights": {"secrets": "external"}, "settings": {"credentials": {"kind": "Secret"}}}),
            "settings.credentials.kind: ",
        ),
    ];
    for (values, path) in invalid {
        let refused = helm(world, &["template"], &values)?;
        ensure!(refused.as_ref().is_err_and(|error| error.contains(path)), "{values}: {refused:?}");
    }
    Ok(())
}

fn values_of_every_earlier_version_are_still_valid(world: &World) -> anyhow::Result<()> {
    for version in fs::read_dir(root().join("tests/stored"))? {
        let file = version?.path().join("values.yaml");
        if file.exists() {
            let values = serde_saphyr::from_str(&fs::read_to_string(&file)?)?;
            helm(world, &["template"], &values)?.map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
        }
    }
    Ok(())
}

/// No program in this cluster enforces them.
fn network_policies_are_accepted_and_select_hosts_and_movers_only(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace("movers")?;
    let cilium = "pkg/k8s/apis/cilium.io/client/crds/v2/ciliumnetworkpolicies.yaml";
    namespace.define_of("github.com/cilium/cilium", cilium)?;
    world.namespace(host::NAMESPACE)?;
    let stores = [
        json!({"namespace": "minio"}),
        json!({"names": ["s3.example.org", "*.s3.example.org"]}),
        json!({"cidrs": ["10.99.0.1/32"], "ports": [9000]}),
    ];
    for (kind, expected) in [("kubernetes", "NetworkPolicy"), ("cilium", "CiliumNetworkPolicy")] {
        for store in &stores {
            let values = json!({"networkPolicy": {"kind": kind, "store": store, "movers": {"namespaces": ["movers"]}}});
            let mut policies = rendered(world, &values)?;
            policies.retain(|object| text(object, "/kind").ends_with("NetworkPolicy"));
            ensure!(policies.len() == 2, "{policies:#?}");
            for policy in policies {
                ensure!(policy["kind"] == expected, "{policy:#}");
                let rehearsal = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"];
                kubectl_does(world, &rehearsal, &policy)?;
                let selector = policy["spec"].get("podSelector").or_else(|| policy["spec"].get("endpointSelector"));
                let labels = &selector.context("no selector")?["matchLabels"];
                let [of_host, of_movers] = ["name", "created-by"].map(|it| format!("app.kubernetes.io/{it}"));
                ensure!(labels[of_host] == "volsync-policy" || labels[of_movers] == "volsync", "{policy:#}");
            }
        }
    }
    Ok(())
}
