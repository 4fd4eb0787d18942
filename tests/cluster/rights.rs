//! The rights of the host, which are those of the chart: what it does without the others, and that it uses each.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use volsync_policy_cluster::{ACCESS_KEY, SECRET_KEY, says, text};

use crate::app::App;
use crate::volsync::secret;
use crate::{World, admission, chart, host, tests};

tests![
    secrets_in_other_namespaces_and_logs_without_a_right_to_them_count_as_unread,
    secrets_that_external_secrets_creates_are_only_read,
];

/// The service account of the chart, as the API server knows it.
const USER: &str = "system:serviceaccount:volsync-policy:volsync-policy";

/// A kind of request, or a right to it. The names of objects are left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    is_in_own_namespace: bool,
    group: String,
    /// With the subresource, as in `pods/log`.
    resource: String,
    verb: String,
}

/// The requests that hosts have made in clusters that are gone, each with whether it was allowed.
static OBSERVED: Mutex<BTreeSet<(Right, bool)>> = Mutex::new(BTreeSet::new());

/// The requests of the hosts in this cluster so far, each with whether it was allowed, by the API server's audit log.
fn requests(world: &World) -> anyhow::Result<BTreeSet<(Right, bool)>> {
    let request = |event: &Value| {
        let resource = [text(event, "/objectRef/resource"), text(event, "/objectRef/subresource")];
        let right = Right {
            is_in_own_namespace: text(event, "/objectRef/namespace") == host::NAMESPACE,
            group: text(event, "/objectRef/apiGroup").to_owned(),
            resource: resource.join("/").trim_end_matches('/').to_owned(),
            verb: text(event, "/verb").to_owned(),
        };
        (right, says(event, "/annotations/authorization.k8s.io~1decision=allow"))
    };
    let events = world.cluster.audit()?;
    Ok(events.iter().filter(|event| says(event, &format!("/user/username={USER}"))).map(request).collect())
}

/// Notes which requests the hosts in this cluster have made.
pub(crate) fn observe(world: &World) -> anyhow::Result<()> {
    OBSERVED.lock().unwrap_or_else(PoisonError::into_inner).append(&mut requests(world)?);
    Ok(())
}

/// Waits until a host has read the log of a mover.
pub(crate) fn a_log_is_read(world: &World) -> anyhow::Result<()> {
    let is_log = |(right, is_allowed): &(Right, bool)| right.resource == "pods/log" && *is_allowed;
    world.cluster.until("the host to read a log", || Ok(requests(world)?.iter().any(is_log).then_some(())))
}

/// The rights in the roles of the chart with these values.
fn granted(world: &World, values: &Value) -> anyhow::Result<BTreeSet<Right>> {
    let mut rights = BTreeSet::new();
    for role in chart::rendered(world, values)? {
        let is_in_own_namespace = says(&role, &format!("/metadata/namespace={}", host::NAMESPACE));
        let texts = |rule: &Value, of: &str| -> Vec<String> {
            rule[of].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        for rule in role.get("rules").and_then(Value::as_array).into_iter().flatten() {
            for group in texts(rule, "apiGroups") {
                for resource in texts(rule, "resources") {
                    rights.extend(texts(rule, "verbs").into_iter().map(|verb| {
                        let (group, resource) = (group.clone(), resource.clone());
                        Right { is_in_own_namespace, group, resource, verb }
                    }));
                }
            }
        }
    }
    Ok(rights)
}

/// Compares the rights of the chart with what hosts have done in all tests. What was denied was taken away on purpose,
/// and allowed in another test.
pub(crate) fn each_is_used_and_none_is_missing(world: &World) -> anyhow::Result<()> {
    observe(world)?;
    let observed = OBSERVED.lock().unwrap_or_else(PoisonError::into_inner);
    let of = |is_allowed| observed.iter().filter(move |(_, it)| *it == is_allowed).map(|(right, _)| right);
    let used: BTreeSet<&Right> = of(true).collect();
    let missing: Vec<&Right> = of(false).filter(|right| !used.contains(right)).collect();
    let mut granted = granted(world, &json!({}))?;
    granted.append(&mut self::granted(world, &namespaced("shop"))?);
    granted.append(&mut self::granted(world, &external())?);
    granted.append(&mut self::granted(world, &json!({"reports": {"enabled": true}}))?);
    let unused: Vec<&Right> = granted.iter().filter(|right| !used.contains(right)).collect();
    ensure!(missing.is_empty() && unused.is_empty(), "always denied: {missing:#?}\nnever used: {unused:#?}");
    Ok(())
}

/// Values with Secrets in one namespace, and without logs.
fn namespaced(namespace: &str) -> Value {
    json!({"rights": {"secrets": "namespaced", "namespaces": [namespace], "podLogs": false}})
}

/// Values in which External Secrets creates the Secrets.
fn external() -> Value {
    json!({"rights": {"secrets": "external"}})
}

/// A cluster with a host that has the rights of these values, and these settings besides those of all tests.
fn narrowed(world: &World, values: &Value, credentials: &Value) -> anyhow::Result<World> {
    let mut world = World::without_admission(&world.store)?;
    host::install(&world)?;
    // The chart creates no namespace.
    for namespace in values["rights"]["namespaces"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        world.namespace(namespace)?;
    }
    host::give_rights(&world, values)?;
    let mut settings = host::settings();
    settings["credentials"] = credentials.clone();
    world.namespace(host::NAMESPACE)?.apply(&host::config_map(&settings))?;
    world.host = Some(host::start(&world, "host", 8099)?);
    admission::install(&world, 8099)?;
    admission::is_in_force(&world)?;
    Ok(world)
}

/// Whether the host has logged that this read was denied.
fn was_denied(world: &World, read: &str) -> anyhow::Result<bool> {
    let log = world.host.as_ref().context("no host")?.log()?;
    Ok(log.lines().any(|line| line.contains("denied a read") && line.contains(&format!("\"read\":\"{read}\""))))
}

fn secrets_in_other_namespaces_and_logs_without_a_right_to_them_count_as_unread(world: &World) -> anyhow::Result<()> {
    let world = &narrowed(world, &namespaced("named"), &json!({"hostSecret": "store"}))?;
    let namespace = world.namespace(host::NAMESPACE)?;
    let key = json!({"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY});
    namespace
        .apply(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "store"}, "stringData": key}))?;
    // The store does not know the key that movers get, so the restore fails.
    let mut of_movers = secret("volsync-policy-base", "");
    of_movers["stringData"]["AWS_SECRET_ACCESS_KEY"] = json!("another-key");
    namespace.apply(&of_movers)?;
    let [named, other] = ["named", "not-named"].map(|name| App::new(world, name));
    let (named, other) = (named?, other?);
    named.create()?;
    other.create()?;

    other.until("ObjectsUnread")?;
    ensure!(was_denied(world, "secret")?, "{}", other.note("ObjectsUnread")?);
    ensure!(says(&other.claim()?, "/status/phase=Pending"));
    ensure!(other.namespace.get("Secret", "data-volsync-secret")?.is_null() && other.destination()?.is_null());

    let log = || Ok(was_denied(world, "destinationLog")?.then_some(()));
    world.cluster.until("the log of a failed mover to be denied", log)?;
    namespace.apply(&secret("volsync-policy-base", ""))?;
    let is_replaced =
        |secret: &Value| says(secret, &format!("/data/AWS_SECRET_ACCESS_KEY={}", STANDARD.encode(SECRET_KEY)));
    named.namespace.wait("Secret", "data-volsync-secret", "the other key", is_replaced).map(drop)
}

/// The test does what External Secrets would do.
fn secrets_that_external_secrets_creates_are_only_read(world: &World) -> anyhow::Result<()> {
    let keys = ["RESTIC_REPOSITORY", "RESTIC_PASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let data: Value = keys.iter().map(|key| (key.to_string(), json!({"key": key}))).collect();
    let vault = json!({"store": {"kind": "ClusterSecretStore", "name": "vault"}, "data": data});
    let credentials = json!({"kind": "ExternalSecret", "externalSecret": vault});
    let world = &narrowed(world, &external(), &credentials)?;
    let app = App::new(world, "external")?;
    let definition = "config/crds/bases/external-secrets.io_externalsecrets.yaml";
    app.namespace.define_of("github.com/external-secrets/external-secrets", definition)?;
    app.create()?;
    let external = app.namespace.wait("ExternalSecret", "data-volsync-secret", "its creation", |it| !it.is_null())?;
    let mut created = secret("data-volsync-secret", &app.repository());
    created["metadata"]["labels"] = external["spec"]["target"]["template"]["metadata"]["labels"].clone();
    app.namespace.apply(&created)?;
    app.until("StartedFresh")?;

    let mut settings = host::settings();
    settings["credentials"] = credentials;
    settings["credentials"]["externalSecret"]["refreshInterval"] = json!("30m");
    world.namespace(host::NAMESPACE)?.apply(&host::config_map(&settings))?;
    let is_changed = |external: &Value| says(external, "/spec/refreshInterval=30m");
    app.namespace.wait("ExternalSecret", "data-volsync-secret", "the new interval", is_changed).map(drop)
}
