//! The commands for people, as somebody runs them who may read everything that the host reads, and write nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use volsync_policy::names::ATTENTION;
use volsync_policy_cluster::{ACCESS_KEY, SECRET_KEY, says, text};
use volsync_policy_engine::{Engine, Native};
use volsync_policy_tests::{interpreter, root};

use crate::admission::kubectl_does;
use crate::app::{App, CLAIM};
use crate::volsync::{PASSWORD, bound, claim as unlabelled};
use crate::{World, host, tests};

tests![people_see_what_the_host_sees_and_accept_the_hold_that_a_claim_has];

fn people_see_what_the_host_sees_and_accept_the_hold_that_a_claim_has(world: &World) -> anyhow::Result<()> {
    let reader = Person::new(world, "reader", &["get", "list"])?;
    let app = App::new(world, "looked")?;
    app.protect()?;
    // No backup is to run while others look.
    app.rest()?;
    // As a person may have left it there.
    let planted = json!({"kubectl.kubernetes.io/last-applied-configuration": STANDARD.encode(SECRET_KEY),
        "example.com/note": format!("https://{ACCESS_KEY}:{PASSWORD}@store and {PASSWORD}")});
    app.namespace.patch("PersistentVolumeClaim", CLAIM, json!({"metadata": {"annotations": planted}}))?;
    let claim = format!("{}/{CLAIM}", app.namespace.name());
    let files = || files(&world.store.bucket());
    let before = files()?;
    let planned = plan(&reader, &claim)?;
    ensure!(text(&planned, "/verdict/code") == "Released", "{planned:#}");
    // Everything is as it should be, also what the look has left out and replaced.
    ensure!(planned["writes"] == json!([]), "{planned:#}");
    ensure!(files()? == before, "a look has written to the store");

    let listed = reader.list(0, &["status", "--namespace", "looked"])?;
    let [row] = listed.as_slice() else { bail!("{listed:?}") };
    ensure!(says(row, "/code=Protected") && says(row, "/severity=well") && says(row, "/name=data"), "{row}");
    let source = app.source()?;
    ensure!(text(row, "/lastBackup") == text(&source, "/status/lastSyncTime"), "{row} {source:#}");
    ensure!(reader.list(0, &["audit", "--namespace", "looked"])?.is_empty());
    app.namespace.create(&unlabelled("scratch", None))?;
    let listed = reader.list(1, &["audit", "--namespace", "looked"])?;
    let [row] = listed.as_slice() else { bail!("{listed:?}") };
    ensure!(says(row, "/code=Unlabelled") && says(row, "/name=scratch"), "{row}");
    // As kubectl finds a plugin.
    let folder = root().join(format!("target/cluster/plugin-{}", world.cluster.holder()));
    fs::create_dir_all(&folder)?;
    drop(std::os::unix::fs::symlink(host::program()?, folder.join("kubectl-volsync_policy")));
    let plugin = format!("PATH={}:$PATH kubectl volsync-policy status -n looked", folder.display());
    let output = world.cluster.command("sh").env("KUBECONFIG", &reader.config).args(["-c", &plugin]).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success() && said.contains("\nlooked     data   Protected  "), "{said}");
    // This cluster is built without a version, no Deployment says which VolSync it has, and nothing was probed.
    let output = reader.run(&["doctor", "-o", "json"])?;
    let findings: Value = serde_json::from_slice(&output.stdout)?;
    let is = |topic: &str| -> Vec<&str> {
        let findings = findings["findings"].as_array().into_iter().flatten();
        findings.filter(|finding| text(finding, "/topic") == topic).map(|finding| text(finding, "/is")).collect()
    };
    ensure!(is("Kubernetes") == ["unknown"] && is("host") == ["well"] && is("clock") == ["well"], "{findings:#}");
    ensure!(is("VolSync") == ["unknown"] && is("ledger") == ["unknown"], "{findings:#}");
    ensure!(is("snapshots").iter().all(|it| *it == "well") && !is("snapshots").is_empty(), "{findings:#}");
    ensure!(is("your rights") == ["well", "well", "well", "lacking"], "{findings:#}");
    ensure!(output.status.code() == Some(2), "{findings:#}");
    let silent = reader.list(2, &["status", "--namespace", "looked", "--lease", "of-nobody"])?;
    ensure!(says(&silent[0], "/code=Unknown"), "{silent:?}");

    app.namespace.delete("PersistentVolumeClaim", CLAIM)?;
    app.namespace.wait("ReplicationSource", "data-backup", "its end", Value::is_null)?;
    fs::remove_dir_all(world.store.bucket().join(app.repository()))?;
    app.create()?;
    app.until("DataExpected")?;
    let attention = format!("/metadata/annotations/{}", ATTENTION.replace('/', "~1"));
    let held = app.namespace.wait("PersistentVolumeClaim", CLAIM, "the annotation", |claim| {
        text(claim, &attention).contains("DataExpected")
    })?;
    let planned = plan(&reader, &claim)?;
    ensure!(text(&planned, "/verdict/code") == "DataExpected", "{planned:#}");
    let hold = text(&planned, "/verdict/hold");
    ensure!(text(&held, &attention).contains(hold) && hold.len() == 8, "{hold}: {held:#}");
    let listed = reader.list(1, &["status", "-A"])?;
    let row = listed.iter().find(|row| text(row, "/namespace") == "looked").context("no row")?;
    ensure!(says(row, "/code=DataExpected") && says(row, "/severity=action"), "{row}");
    ensure!(text(row, "/told").contains(hold), "{row}");

    let accept = |person: &Person<'_>, hold: &str, more: &[&str]| {
        person.run(&[&["hold", "accept", &claim, hold, "--reason", "lost in a fire"], more].concat())
    };
    let fails = |output: Output, code: i32, why: &str| {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.code() == Some(code) && said.contains(why), "{said}");
        anyhow::Ok(())
    };
    fails(accept(&reader, "00000000", &["--yes"])?, 1, &format!("the hold is {hold} now, not 00000000"))?;
    fails(accept(&reader, hold, &[])?, 2, "use --yes")?;
    let writer = Person::new(world, "writer", &["get", "list", "patch"])?;
    let accepted = accept(&writer, hold, &["--yes"])?;
    let said = String::from_utf8_lossy(&accepted.stdout).into_owned();
    ensure!(accepted.status.success() && said.contains("  meaning  ") && said.contains("AcceptedByOperator"), "{said}");
    bound(&app.namespace, CLAIM)?;

    fails(reader.run(&["look", "looked/other"])?, 2, "looked/other: there is no such claim")
}

/// The plan for a look at a claim, which must be what `explain` tells of it.
fn plan(reader: &Person<'_>, claim: &str) -> anyhow::Result<Value> {
    let (namespace, name) = claim.split_once('/').context("no namespace")?;
    let look = reader.must(&["look", name, "--namespace", namespace])?;
    for value in [PASSWORD, ACCESS_KEY, SECRET_KEY] {
        ensure!(!look.contains(value) && !look.contains(&STANDARD.encode(value)), "{value} is in {look}");
    }
    let file = root().join(format!("target/cluster/look-{}.json", reader.world.cluster.holder()));
    fs::write(&file, &look)?;
    let explained = reader.must(&["explain", "--seen", file.to_str().context("its path")?])?;
    let plan: Value = serde_json::from_slice(&interpreter().call("plan", look.as_bytes())?)?;
    ensure!(explained.starts_with(&format!("{claim}: {}\n", text(&plan, "/verdict/code"))), "{explained}");
    ensure!(explained.contains(text(&plan, "/verdict/hold")), "{explained}");
    Ok(plan)
}

/// All files of a folder, with when they were written.
fn files(folder: &std::path::Path) -> anyhow::Result<Vec<(PathBuf, std::time::SystemTime)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push((entry.path(), entry.metadata()?.modified()?));
        }
    }
    found.sort();
    Ok(found)
}

/// Somebody who runs commands.
pub(crate) struct Person<'a> {
    world: &'a World,
    config: PathBuf,
}

impl<'a> Person<'a> {
    /// A service account with these verbs on what the host reads.
    pub(crate) fn new(world: &'a World, name: &str, verbs: &[&str]) -> anyhow::Result<Self> {
        let rule =
            |group: &str, resources: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
        let (roles, metadata) = ("rbac.authorization.k8s.io", json!({"name": name, "namespace": host::NAMESPACE}));
        let version = format!("{roles}/v1");
        let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
            {"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": name}, "rules": [
                rule("", &["persistentvolumeclaims", "persistentvolumes", "namespaces", "secrets", "configmaps", "pods",
                           "pods/log"]),
                rule("batch", &["jobs"]),
                rule("coordination.k8s.io", &["leases"]),
                rule("volsync.backube", &["replicationsources", "replicationdestinations"]),
                rule("snapshot.storage.k8s.io", &["volumesnapshots", "volumesnapshotclasses"]),
            rule("storage.k8s.io", &["storageclasses"]),
            rule("apps", &["deployments"]),
            ]},
            {"apiVersion": version, "kind": "ClusterRoleBinding", "metadata": {"name": name},
             "roleRef": {"apiGroup": roles, "kind": "ClusterRole", "name": name},
             "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": host::NAMESPACE}]},
        ]});
        kubectl_does(world, &["apply", "--server-side", "-f", "-"], &objects)?;
        let kubectl = |arguments: &[&str]| kubectl_does(world, arguments, &Value::Null);
        let mut config: Value = serde_json::from_str(&kubectl(&["config", "view", "--raw", "-o", "json"])?)?;
        let token = kubectl(&["create", "token", name, "-n", host::NAMESPACE, "--duration=8h"])?;
        config["users"][0]["user"] = json!({"token": token.trim()});
        let file = root().join(format!("target/cluster/{name}-{}.kubeconfig", world.cluster.holder()));
        fs::write(&file, config.to_string())?;
        Ok(Person { world, config: file })
    }

    /// Runs the command.
    fn run(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let program = host::program()?;
        let mut command = self.world.cluster.command(program.to_str().context("the path of the command")?);
        Ok(command.env("KUBECONFIG", &self.config).args(arguments).output()?)
    }

    /// Runs a command that lists claims, and ends with this exit code.
    fn list(&self, code: i32, arguments: &[&str]) -> anyhow::Result<Vec<Value>> {
        let output = self.run(&[arguments, &["--output", "json"]].concat())?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.code() == Some(code), "volsync-policy {arguments:?}: {:?} {said}", output.status);
        let listed: Value = serde_json::from_slice(&output.stdout)?;
        Ok(listed["claims"].as_array().context("no claims")?.clone())
    }

    /// Looks at a claim until the host has nothing to do for it. Leaves the look in `file`, and returns its plan.
    pub(crate) fn until_quiet(&self, claim: &str, file: &Path) -> anyhow::Result<Value> {
        self.world.cluster.until("a plan without writes", || {
            let look = self.must(&["look", claim])?;
            let plan: Value = serde_json::from_slice(&Native.call("plan", look.as_bytes())?)?;
            fs::write(file, look)?;
            Ok((plan["writes"] == json!([])).then_some(plan))
        })
    }

    /// Runs the command, which must succeed without a warning.
    fn must(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.run(arguments)?;
        let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        ensure!(output.status.success() && err.is_empty(), "volsync-policy {arguments:?}: {out}{err}");
        Ok(out)
    }
}
