//! Admission with a real API server: what it sends, what it accepts, and whether the added data source stays.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use volsync_policy::names::RELEASED;
use volsync_policy_cluster::{Namespace, says, text};
use volsync_policy_engine::{Engine as _, Native};
use volsync_policy_tests::kubewarden::ADMISSION;
use volsync_policy_tests::{questions, root};

use crate::app::{App, CLAIM};
use crate::policies::{COMPARED, UNHOOKED};
use crate::{World, chart, host, tests};

tests![
    every_rendered_object_of_the_golden_cases_is_accepted_with_strict_field_validation,
    the_added_data_source_survives_every_way_of_applying_and_has_no_field_manager,
    a_claim_from_git_keeps_the_records_of_the_host_and_its_objects_carry_nothing_of_git,
    claims_are_admitted_whoever_creates_them_unless_their_label_is_invalid,
    settings_that_are_refused_from_the_start_refuse_new_labelled_claims_and_no_others,
    a_certificate_authority_is_replaced_without_a_claim_that_is_not_answered,
    the_recorded_requests_are_those_of_this_api_server,
];

/// The namespace in which requests are recorded, and the policy does not answer.
pub(crate) const RECORDED: &str = "shop";

/// The namespace in which claims stay as they are, because the policy has the seed profile there.
pub(crate) const UNTOUCHED: &str = "seed";

/// The namespace in which claims show whether the policy answers.
const INJECTED: &str = "injected";

/// Lets the host whose metrics are at that port answer for labelled claims, as the chart says.
///
/// The host is not a pod, so the Service selects none, and leads to the node.
pub(crate) fn install(world: &World, port: u16) -> anyhow::Result<()> {
    let values = json!({"admission": {"excludeNamespaces": ["kube-system", RECORDED, UNTOUCHED, COMPARED, UNHOOKED]}});
    let mut objects = chart::rendered(world, &values)?;
    objects.retain(|it| it["kind"] == "Service" || it["kind"] == "MutatingWebhookConfiguration");
    ensure!(objects.len() == 2, "{objects:#?}");
    for spec in objects.iter_mut().filter_map(|object| object.get_mut("spec")?.as_object_mut()) {
        spec.remove("selector");
    }
    objects.push(json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "volsync-policy", "namespace": host::NAMESPACE,
                     "labels": {"kubernetes.io/service-name": "volsync-policy"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.99.0.1"]}],
        "ports": [{"name": "admission", "port": host::webhook_port(port), "protocol": "TCP"}],
    }));
    for object in objects {
        kubectl_does(world, &["apply", "--server-side", "-f", "-"], &object)?;
    }
    Ok(())
}

/// Waits until a labelled claim would get its data source.
pub(crate) fn is_in_force(world: &World) -> anyhow::Result<()> {
    world.namespace(INJECTED)?;
    world.cluster.until("an answer at admission", || Ok(rehearsed(world)?.ok().filter(|it| *it).map(drop)))
}

/// Whether a labelled claim would get its data source; an error if it would be refused.
fn rehearsed(world: &World) -> anyhow::Result<Result<bool, String>> {
    const REHEARSE: &[&str] = &["create", "--dry-run=server", "-o", "json", "-f", "-"];
    let claim = kubectl(world, REHEARSE, &labelled(INJECTED, "rehearsed"))?;
    let is_given = |claim: Value| says(&claim, "/spec/dataSourceRef/name=rehearsed-restore");
    Ok(claim.and_then(|claim| serde_json::from_str(&claim).map(is_given).map_err(|error| error.to_string())))
}

/// Lets the policy answer for labelled claims, in the host that Kubewarden uses.
pub(crate) fn install_kubewarden(world: &World) -> anyhow::Result<()> {
    let client = world.cluster.serve_webhook(|review| {
        let answer = ADMISSION.review(&review["request"], &json!({"schedules": host::schedules()}));
        let patch = answer.patch.map(|patch| STANDARD.encode(json!(patch).to_string()));
        let mut response = json!({"allowed": answer.allowed, "warnings": answer.warnings});
        if let Some(patch) = patch {
            response["patchType"] = json!("JSONPatch");
            response["patch"] = json!(patch);
        }
        response
    })?;
    let namespace = world.namespace("volsync-system")?;
    let labelled = json!([{"key": "backup", "operator": "Exists"}]);
    let elsewhere = json!({"operator": "NotIn", "values": [RECORDED, UNTOUCHED]});
    namespace.apply(&webhook("kubewarden", client, elsewhere, labelled)).map(drop)
}

/// The configuration of a webhook for claims with these labels, in these namespaces.
fn webhook(name: &str, client: Value, mut namespaces: Value, labels: Value) -> Value {
    namespaces["key"] = json!("kubernetes.io/metadata.name");
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [{
            "name": format!("{name}.volsync-policy.io"),
            "clientConfig": client,
            "rules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE", "DELETE"],
                "resources": ["persistentvolumeclaims", "persistentvolumeclaims/status"],
            }],
            "namespaceSelector": {"matchExpressions": [namespaces]},
            "objectSelector": {"matchExpressions": labels},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
        }],
    })
}

fn every_rendered_object_of_the_golden_cases_is_accepted_with_strict_field_validation(
    world: &World,
) -> anyhow::Result<()> {
    let mut namespaces: BTreeMap<String, Namespace<'_>> = BTreeMap::new();
    let (mut seen, mut refused) = (BTreeSet::new(), Vec::new());
    for question in questions() {
        let Ok(answer) = Native.call(question.operation.as_str(), question.payload.to_string().as_bytes()) else {
            continue;
        };
        let plan: Value = serde_json::from_slice(&answer)?;
        for part in ["secret", "destination", "source"] {
            let object = &plan["manifests"][part]["object"];
            // External Secrets is not installed in this cluster.
            if object.is_null() || says(object, "/kind=ExternalSecret") || !seen.insert(object.to_string()) {
                continue;
            }
            let name = text(object, "/metadata/namespace");
            if !namespaces.contains_key(name) {
                namespaces.insert(name.to_owned(), world.namespace(name)?);
            }
            if let Err(error) = namespaces[name].rehearse(object) {
                refused.push(format!("{}: {}: {error:#}", question.label, question.name));
            }
        }
    }
    ensure!(refused.is_empty(), "{}", refused.join("\n"));
    ensure!(seen.len() > 50, "only {} objects", seen.len());
    Ok(())
}

/// Runs `kubectl` with `object` on standard input.
fn kubectl(world: &World, arguments: &[&str], object: &Value) -> anyhow::Result<Result<String, String>> {
    let mut kubectl = world.cluster.command("kubectl");
    let mut kubectl =
        kubectl.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    kubectl.stdin.take().context("no input")?.write_all(object.to_string().as_bytes())?;
    let output = kubectl.wait_with_output()?;
    let printed = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ok(if output.status.success() { Ok(printed(&output.stdout)) } else { Err(printed(&output.stderr)) })
}

/// Runs `kubectl`, which must succeed.
pub(crate) fn kubectl_does(world: &World, arguments: &[&str], object: &Value) -> anyhow::Result<String> {
    kubectl(world, arguments, object)?.map_err(|error| anyhow::anyhow!("kubectl {arguments:?}: {error}"))
}

/// A claim that is backed up every hour.
pub(crate) fn labelled(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace, "labels": {"backup": "hourly"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    })
}

/// So Git and admission never conflict. Only `replace` fails, because the field cannot be removed.
fn the_added_data_source_survives_every_way_of_applying_and_has_no_field_manager(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace(INJECTED)?;
    const SERVER_SIDE: &[&str] = &["apply", "--server-side", "--force-conflicts", "--field-manager=git", "-f", "-"];
    const CLIENT_SIDE: &[&str] = &["apply", "-f", "-"];
    let ways: [(&str, &[&[&str]]); 3] = [
        ("server-side", &[SERVER_SIDE, SERVER_SIDE]),
        ("client-side", &[CLIENT_SIDE, CLIENT_SIDE]),
        ("migrated", &[&["create", "--field-manager=git", "-f", "-"], SERVER_SIDE]),
    ];
    for (name, commands) in ways {
        let claim = labelled(INJECTED, name);
        for command in commands {
            kubectl_does(world, command, &claim)?;
            let applied = namespace.get("PersistentVolumeClaim", name)?;
            let destination = format!("/spec/dataSourceRef/name={name}-restore");
            ensure!(says(&applied, &destination), "{command:?}: {applied:#}");
            let managers = applied["metadata"]["managedFields"].as_array().context("no managers")?;
            let owned = |fields: &Value| fields.pointer("/fieldsV1/f:spec/f:dataSourceRef").is_some();
            ensure!(!managers.iter().any(owned), "{command:?}: {managers:#?}");
        }
        let rehearsal = [SERVER_SIDE, &["--dry-run=server", "-o", "json"]].concat();
        let rehearsed: Value = serde_json::from_str(&kubectl_does(world, &rehearsal, &claim)?)?;
        ensure!(says(&rehearsed, &format!("/spec/dataSourceRef/name={name}-restore")), "{rehearsed:#}");
        let replaced = kubectl(world, &["replace", "-f", "-"], &claim)?;
        ensure!(replaced.as_ref().is_err_and(|error| error.contains("immutable")), "{replaced:?}");
    }
    Ok(())
}

/// As Argo CD applies by default, and as Flux does. Objects with their tracking labels would be pruned.
fn a_claim_from_git_keeps_the_records_of_the_host_and_its_objects_carry_nothing_of_git(
    world: &World,
) -> anyhow::Result<()> {
    const ARGO: &[&str] = &["apply", "-f", "-"];
    const FLUX: &[&str] =
        &["apply", "--server-side", "--force-conflicts", "--field-manager=kustomize-controller", "-f", "-"];
    let argo = json!({"labels": {"backup": "hourly", "app.kubernetes.io/instance": "shop"},
                      "annotations": {"argocd.argoproj.io/tracking-id": "shop:/PersistentVolumeClaim:argo/data"}});
    let flux = json!({"labels": {"backup": "hourly", "kustomize.toolkit.fluxcd.io/name": "shop",
                                 "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}, "annotations": {}});
    let apps = [("argo", ARGO, argo), ("flux", FLUX, flux)].map(|(name, apply, metadata)| {
        let mut claim = labelled(name, CLAIM);
        claim["metadata"]["labels"] = metadata["labels"].clone();
        claim["metadata"]["annotations"] = metadata["annotations"].clone();
        (name, apply, claim)
    });
    for (_, apply, claim) in &apps {
        world.namespace(text(claim, "/metadata/namespace"))?;
        kubectl_does(world, apply, claim)?;
    }
    for (name, apply, claim) in &apps {
        let app = App::new(world, name)?;
        app.until("Released")?;
        let record = |claim: &Value| text(claim, "/metadata/annotations/volsync-policy.io~1released").to_owned();
        let released = app.namespace.wait("PersistentVolumeClaim", CLAIM, "the record", |it| !record(it).is_empty())?;
        kubectl_does(world, apply, claim)?;
        let forged = format!("{RELEASED}=forged");
        let forge = ["annotate", "--overwrite", "pvc", CLAIM, "-n", name, &forged];
        kubectl_does(world, &forge, &Value::Null)?;
        ensure!(record(&app.claim()?) == record(&released), "{:#}", app.claim()?);

        // Git finds nothing to change.
        let rehearsal = [apply, &["--dry-run=server", "-o", "json"][..]].concat();
        let rehearsed: Value = serde_json::from_str(&kubectl_does(world, &rehearsal, claim)?)?;
        for part in ["/spec", "/metadata/labels", "/metadata/annotations"] {
            ensure!(rehearsed.pointer(part) == app.claim()?.pointer(part), "{rehearsed:#}");
        }
        let secret = app.namespace.get("Secret", "data-volsync-secret")?;
        for object in [secret, app.destination()?, app.source()?] {
            let keys = ["labels", "annotations"].map(|of| object["metadata"][of].to_string());
            ensure!(!keys.concat().contains("shop"), "{keys:?}");
        }
    }
    Ok(())
}

fn claims_are_admitted_whoever_creates_them_unless_their_label_is_invalid(world: &World) -> anyhow::Result<()> {
    const CREATE: &[&str] = &["create", "-f", "-"];
    let namespace = world.namespace("admitted")?;
    let mut claim = labelled("admitted", "data");
    let template = json!({"metadata": {"name": "data", "labels": {"backup": "hourly"}}, "spec": claim["spec"]});
    namespace.apply(&stateful_set("web", template))?;
    let of_set = namespace.wait("PersistentVolumeClaim", "data-web-0", "its creation", |claim| !claim.is_null())?;
    ensure!(says(&of_set, "/spec/dataSourceRef/name=data-web-0-restore"), "{of_set:#}");

    // As Helm does: it creates what does not exist yet.
    claim["metadata"]["annotations"] = json!({"meta.helm.sh/release-name": "shop"});
    kubectl_does(world, &["create", "--field-manager=helm", "-f", "-"], &claim)?;
    let of_chart = namespace.get("PersistentVolumeClaim", "data")?;
    ensure!(says(&of_chart, "/spec/dataSourceRef/name=data-restore"), "{of_chart:#}");

    // A data source has the name of its claim, which is generated after admission.
    let mut generated = labelled("admitted", "");
    generated["metadata"] = json!({"generateName": "data-", "namespace": "admitted", "labels": {"backup": "hourly"}});
    let created = kubectl_does(world, &["create", "-o", "json", "-f", "-"], &generated)?;
    let created: Value = serde_json::from_str(&created)?;
    ensure!(created["spec"]["dataSourceRef"].is_null(), "{created:#}");

    let mut unlabelled = labelled("admitted", "plain");
    unlabelled["metadata"]["labels"] = json!({"app": "shop"});
    kubectl_does(world, CREATE, &unlabelled)?;
    ensure!(namespace.get("PersistentVolumeClaim", "plain")?["spec"]["dataSourceRef"].is_null());

    let mut invalid = labelled("admitted", "misspelt");
    invalid["metadata"]["labels"]["backup"] = json!("hurly");
    let created = kubectl(world, CREATE, &invalid)?;
    let changed = kubectl(world, &["label", "pvc", "plain", "-n", "admitted", "backup=hurly"], &Value::Null)?;
    for refused in [created, changed] {
        let is_told =
            |error: &String| error.contains("\"claims.volsync-policy.io\" denied the request: LabelInvalid: ");
        ensure!(refused.as_ref().is_err_and(is_told), "{refused:?}");
    }
    Ok(())
}

/// Only what is sent to the host can be refused by it, so claims without the label are not sent.
fn settings_that_are_refused_from_the_start_refuse_new_labelled_claims_and_no_others(
    world: &World,
) -> anyhow::Result<()> {
    let world = &World::without_admission(&world.store)?;
    host::install(world)?;
    let settings = world.namespace(host::NAMESPACE)?;
    let namespace = world.namespace(INJECTED)?;
    let existing = namespace.create(&labelled(INJECTED, "existing"))?;
    ensure!(existing["spec"]["dataSourceRef"].is_null(), "{existing:#}");
    settings.apply(&host::config_map(&json!({"schedules": {"minutely": "every minute"}})))?;
    let _host = host::start(world, "host", 8099)?;
    install(world, 8099)?;
    let refusal = world.cluster.until("the refusal", || Ok(rehearsed(world)?.err()))?;
    ensure!(refusal.contains("schedules.minutely") && refusal.contains("the ConfigMap `volsync-policy`"), "{refusal}");
    let mut probe = world.cluster.command("curl");
    ensure!(probe.args(["-sf", "http://127.0.0.1:8099/readyz"]).output()?.stdout == b"ok\n", "it is not ready");

    let mut unlabelled = labelled(INJECTED, "plain");
    unlabelled["metadata"]["labels"] = json!({});
    namespace.create(&unlabelled)?;
    // A claim that exists can still be changed, lose its label, and be deleted.
    kubectl_does(world, &["annotate", "pvc", "existing", "-n", INJECTED, "note=changed"], &Value::Null)?;
    kubectl_does(world, &["label", "pvc", "existing", "-n", INJECTED, "backup-"], &Value::Null)?;
    namespace.delete("PersistentVolumeClaim", "existing")?;

    settings.apply(&host::config_map(&host::settings()))?;
    is_in_force(world)
}

/// Two hosts answer with one authority. Its Secret is deleted, and every claim gets its data source all the same.
fn a_certificate_authority_is_replaced_without_a_claim_that_is_not_answered(world: &World) -> anyhow::Result<()> {
    const SECRET: &str = "volsync-policy-ca";
    let world = &World::without_admission(&world.store)?;
    host::install(world)?;
    let first = host::start(world, "first", 8099)?;
    let second = host::start(world, "second", 8098)?;
    install(world, 8099)?;
    is_in_force(world)?;
    let namespace = world.namespace(host::NAMESPACE)?;
    let authority = || anyhow::Ok(text(&namespace.get("Secret", SECRET)?, "/data/tls.crt").to_owned());
    let before = authority()?;
    world.cluster.until("both hosts to use it", || both_use(world, &before))?;

    namespace.begin_deleting("Secret", SECRET)?;
    let mut is_trusted_first = false;
    let after = world.cluster.until("both hosts to use another authority", || {
        let answer = rehearsed(world)?;
        ensure!(answer == Ok(true), "{answer:?}\n{}\n{}", first.log()?, second.log()?);
        let after = authority()?;
        if after.is_empty() || after == before {
            return Ok(None);
        }
        let trusted = trusted(world)?;
        let are_trusted = [&before, &after].into_iter().all(|it| pem(it).is_ok_and(|pem| trusted.contains(&pem)));
        is_trusted_first |= are_trusted && both_use(world, &before)?.is_some();
        Ok(both_use(world, &after)?.map(|()| after))
    })?;
    ensure!(is_trusted_first, "the new authority was used before it was trusted");
    ensure!(both_use(world, &before)?.is_none());

    // The configuration is installed again, without `caBundle`.
    namespace.delete("MutatingWebhookConfiguration", "volsync-policy")?;
    install(world, 8098)?;
    is_in_force(world)?;
    ensure!(authority()? == after);

    // An authority that cannot be read is replaced in its Secret.
    namespace.patch("Secret", SECRET, json!({"data": {"tls.crt": ""}}))?;
    let is_another = |secret: &Value| !["", after.as_str()].contains(&text(secret, "/data/tls.crt"));
    namespace.wait("Secret", SECRET, "another authority", is_another).map(drop)
}

/// The authorities that the API server trusts, as PEM.
fn trusted(world: &World) -> anyhow::Result<String> {
    let configuration = world.namespace(host::NAMESPACE)?.get("MutatingWebhookConfiguration", "volsync-policy")?;
    pem(text(&configuration, "/webhooks/0/clientConfig/caBundle"))
}

/// The text that is written in base64.
fn pem(base64: &str) -> anyhow::Result<String> {
    Ok(String::from_utf8(STANDARD.decode(base64)?)?)
}

/// Something if the hosts at both ports have certificates of this authority, which is in base64.
fn both_use(world: &World, authority: &str) -> anyhow::Result<Option<()>> {
    let file = root().join(format!("target/cluster/authority-{}.pem", world.cluster.holder()));
    fs::write(&file, pem(authority)?)?;
    for port in [8099, 8098].map(host::webhook_port) {
        let mut curl = world.cluster.command("curl");
        curl.args(["-s", "--connect-to", &format!("::127.0.0.1:{port}"), "--cacert"]).arg(&file);
        if curl.arg("https://volsync-policy.volsync-policy.svc/").output()?.stdout != b"POST /admit" {
            return Ok(None);
        }
    }
    Ok(Some(()))
}

/// A StatefulSet with one pod, and with a claim of this template.
fn stateful_set(name: &str, template: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}},
                         "spec": {"containers": [{"name": name, "image": "localhost/node:1"}]}},
            "volumeClaimTemplates": [template],
        },
    })
}

/// A request that is recorded.
struct Recording {
    /// The name of its file.
    file: &'static str,
    /// The arguments of `kubectl`, in [`RECORDED`]. None if an earlier command causes the request.
    command: &'static [&'static str],
    /// The object on standard input.
    object: Value,
    /// The name of the claim in the request, or the start of its name.
    claim: &'static str,
    operation: &'static str,
}

/// The requests to record, in order. The claims have no storage class, so no controller changes them.
fn recordings() -> Vec<Recording> {
    const CREATE: &[&str] = &["create", "-f", "-"];
    const APPLY: &[&str] = &["apply", "--server-side", "-f", "-"];
    let of = |file, command, operation, claim| Recording { file, command, object: Value::Null, claim, operation };
    let with = |file, command, operation, claim, change: fn(&mut Value)| {
        let mut object = labelled(RECORDED, claim);
        object["spec"]["storageClassName"] = json!("");
        change(&mut object);
        Recording { object, ..of(file, command, operation, claim) }
    };
    let as_it_is = |_: &mut Value| {};
    vec![
        with("create", CREATE, "CREATE", "labelled", as_it_is),
        of("create-validating", &[], "CREATE", "labelled"),
        with("create-without-label", CREATE, "CREATE", "plain", |it| it["metadata"]["labels"] = json!({})),
        with("create-with-data-source", CREATE, "CREATE", "cloned", |it| {
            it["spec"]["dataSource"] = json!({"kind": "PersistentVolumeClaim", "name": "labelled"});
        }),
        with("create-with-data-source-ref", CREATE, "CREATE", "referring", |it| {
            it["spec"]["dataSourceRef"] =
                json!({"apiGroup": "volsync.backube", "kind": "ReplicationDestination", "name": "referring-restore"});
        }),
        with("create-with-volume-name", CREATE, "CREATE", "fixed", |it| it["spec"]["volumeName"] = json!("pv-1")),
        with("create-with-unknown-schedule", CREATE, "CREATE", "misspelt", |it| {
            it["metadata"]["labels"]["backup"] = json!("hurly");
        }),
        with("create-with-generated-name", CREATE, "CREATE", "generated-", |it| {
            it["metadata"] =
                json!({"generateName": "generated-", "namespace": RECORDED, "labels": {"backup": "hourly"}});
        }),
        with("create-by-stateful-set", CREATE, "CREATE", "data-web-0", |it| {
            let template = json!({"metadata": {"name": "data", "labels": {"backup": "hourly"}}, "spec": it["spec"]});
            *it = stateful_set("web", template);
        }),
        with("create-dry-run", &["create", "--dry-run=server", "-f", "-"], "CREATE", "rehearsed", as_it_is),
        with("apply-create", APPLY, "CREATE", "applied", as_it_is),
        with("apply-update", APPLY, "UPDATE", "applied", |it| it["metadata"]["labels"]["app"] = json!("shop")),
        of("update-adds-label", &["label", "pvc", "plain", "backup=hourly"], "UPDATE", "plain"),
        of("update-to-unknown-schedule", &["label", "pvc", "plain", "backup=hurly", "--overwrite"], "UPDATE", "plain"),
        of("update-removes-label", &["label", "pvc", "plain", "backup-"], "UPDATE", "plain"),
        of(
            "update-status",
            &["patch", "pvc", "plain", "--subresource=status", "-p", r#"{"status": {"capacity": {"storage": "1Gi"}}}"#],
            "UPDATE",
            "plain",
        ),
        of("delete", &["delete", "pvc", "applied", "--wait=false"], "DELETE", "applied"),
        // Sent by the controller that protects claims in use.
        of("update-removes-finalizer", &[], "UPDATE", "applied"),
    ]
}

/// With `RECORD` in the environment, it writes the files.
fn the_recorded_requests_are_those_of_this_api_server(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace(RECORDED)?;
    let asked = Arc::new(Mutex::new(Vec::<Value>::new()));
    for (name, is_validating) in [("recorder", false), ("validating-recorder", true)] {
        let asked = asked.clone();
        let client = world.cluster.serve_webhook(move |review| {
            let mut asked = asked.lock().unwrap();
            // Both webhooks get the same requests, apart from fields that are set later. Only a creation is recorded
            // for both.
            if !is_validating || text(review, "/request/object/metadata/name") == "labelled" {
                asked.push(review.clone());
            }
            json!({"allowed": true})
        })?;
        let mut configuration = webhook(name, client, json!({"operator": "In", "values": [RECORDED]}), json!([]));
        if is_validating {
            configuration["kind"] = json!("ValidatingWebhookConfiguration");
        }
        namespace.apply(&configuration)?;
    }
    // The API server takes some time to read its configuration. Until then nothing is recorded.
    world.cluster.until("the recorder", || {
        kubectl_does(world, &["create", "--dry-run=server", "-f", "-"], &labelled(RECORDED, "unrecorded"))?;
        let asked = asked.lock().unwrap();
        Ok((asked.len() > 1).then_some(()))
    })?;
    let mut differing = Vec::new();
    asked.lock().unwrap().clear();
    for Recording { file, command, object, claim, operation } in recordings() {
        if !command.is_empty() {
            kubectl_does(world, &[command, &["-n", RECORDED]].concat(), &object)?;
        }
        let mut review = world.cluster.until(file, || {
            let mut asked = asked.lock().unwrap();
            let is_it = |review: &Value| {
                let names = ["/request/name", "/request/object/metadata/name", "/request/object/metadata/generateName"];
                says(review, &format!("/request/operation={operation}"))
                    && names.iter().any(|at| text(review, at) == claim)
            };
            Ok(asked.iter().position(is_it).map(|index| asked.remove(index)))
        })?;
        timeless(&mut review);
        let (path, text) = (root().join(format!("tests/requests/{file}.json")), format!("{review:#}\n"));
        if std::env::var_os("RECORD").is_some() {
            fs::write(&path, &text)?;
        } else if fs::read_to_string(&path)? != text {
            differing.push(format!("{file} is now {text}"));
        }
    }
    ensure!(differing.is_empty(), "{}", differing.join("\n"));
    for configuration in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        let name = if configuration.starts_with('M') { "recorder" } else { "validating-recorder" };
        namespace.delete(configuration, name)?;
    }
    Ok(())
}

/// Replaces values that differ from run to run.
fn timeless(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match key.as_str() {
                    "creationTimestamp" | "deletionTimestamp" | "time" if value.is_string() => {
                        *value = json!("2026-11-24T03:36:41Z");
                    }
                    "resourceVersion" => *value = json!("224"),
                    "uid" if value.as_str().is_some_and(|uid| uid.len() == 36) => {
                        *value = json!("5e61635c-098f-4041-a0c5-a2ce3cb0ce92");
                    }
                    _ => timeless(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(timeless),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
