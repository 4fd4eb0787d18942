//! Admission by the API server itself: its policies in CEL answer as the policy's module does.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use volsync_policy::names::{ACCEPT, ATTENTION, ON_CLAIMS};
use volsync_policy_cluster::{DryRun, Namespace, text};
use volsync_policy_engine::{Engine as _, Native};
use volsync_policy_tests::{questions, root};

use crate::admission::labelled;
use crate::app::App;
use crate::{World, chart, host, tests};

tests![
    api_servers_answer_by_themselves_as_the_module_does,
    a_claim_is_protected_without_a_webhook,
    the_chart_installs_what_the_command_prints_and_git_finds_nothing_to_change,
];

/// The namespace in which answers are compared. Neither the host nor its webhook does anything in it.
pub(crate) const COMPARED: &str = "compared";

/// The namespace in which the host works, and its webhook does not answer.
pub(crate) const UNHOOKED: &str = "unhooked";

/// The host as a user of the API server, in the chart.
const HOST: &str = "system:serviceaccount:volsync-policy:volsync-policy";

/// Settings that change what admission does.
fn all_settings() -> Vec<Value> {
    let long = |length: usize| "l".repeat(length);
    vec![
        json!({"hostUser": HOST}),
        json!({"profile": "seed", "hostUser": HOST}),
        json!({"gate": "none", "restore": {"mode": "none"}, "storageClasses": {
            "slow": {"restore": "populate"}, "local": {"restore": "side"}, "other": {"backupCopyMethod": "Clone"}}}),
        json!({"label": "example.org/backup-tier", "refuseOwners": ["apps"], "refuseLabels": ["application"],
               "excludeNamespaces": [],
               "hostUser": "someone", "schedules": {"daily": "@daily", "weekly": "H H * * 0"},
               "names": {"destination": "dst.{{request.namespace}}.{{ request.object.metadata.name }}.x",
                         "secret": format!("{}{{{{ request.name }}}}", long(190)),
                         "source": format!("{{{{ request.name }}}}-{}", long(175))}}),
        json!({"excludeNamespaces": [COMPARED], "hostUser": HOST}),
        json!({"schedules": {"minutely": "* * * * *"}, "storageClasses": {"local": {"restore": "none"}},
               "hostUser": HOST, "mover": {"securityContext": {"fsGroup": 1000}}}),
    ]
}

/// What the command prints for these settings.
fn exported(settings: &Value) -> anyhow::Result<Vec<Value>> {
    let file = tempfile::NamedTempFile::new()?;
    fs::write(&file, settings.to_string())?;
    let mut export = Command::new(root().join("target/debug/volsync-policy"));
    let output = export.args(["export", "admission", "--settings"]).arg(file.path()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_saphyr::from_multiple(&String::from_utf8(output.stdout)?)?)
}

/// Policies that are in force in one namespace until they are dropped.
struct InForce<'a> {
    namespace: &'a Namespace<'a>,
    objects: Vec<Value>,
}

impl<'a> InForce<'a> {
    /// Brings the policies for these settings into force in a namespace, under names that end in `suffix`.
    fn of(world: &World, namespace: &'a Namespace<'a>, settings: &Value, suffix: &str) -> anyhow::Result<Self> {
        let mut objects = exported(settings)?;
        objects.extend(signs());
        for object in &mut objects {
            for name in ["/metadata/name", "/spec/policyName"] {
                if let Some(Value::String(name)) = object.pointer_mut(name) {
                    name.push_str(suffix);
                }
            }
            if text(object, "/kind").ends_with("Binding") {
                let here = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace.name()}});
                object["spec"]["matchResources"] = json!({"namespaceSelector": here});
            }
            namespace.apply(object)?;
        }
        let in_force = InForce { namespace, objects };
        // The API server learns of its policies one after the other, and last of those that are signs.
        let mut claim = labelled(namespace.name(), "sign");
        claim["metadata"]["labels"] = json!({"sign": "wanted"});
        world.cluster.until("the policies to be in force", || {
            let DryRun { object, warnings } = namespace.dry_run(&claim, None)?;
            let is_mutated = object.is_ok_and(|claim| text(&claim, "/metadata/annotations/sign") == "seen");
            Ok((is_mutated && warnings.iter().any(|it| it.contains(&format!("'sign{suffix}'")))).then_some(()))
        })?;
        Ok(in_force)
    }
}

impl Drop for InForce<'_> {
    fn drop(&mut self) {
        for object in &self.objects {
            let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
            self.namespace.delete(kind, name).expect("a policy that can be deleted");
        }
    }
}

/// Policies that show on claims with the label `sign` that they are in force.
fn signs() -> Vec<Value> {
    let of = |kind: &str, spec: Value| {
        let metadata = json!({"name": "sign"});
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": spec})
    };
    let constraints = json!({"resourceRules": [{
        "apiGroups": [""], "apiVersions": ["v1"], "resources": ["persistentvolumeclaims"], "operations": ["CREATE"],
    }], "objectSelector": {"matchLabels": {"sign": "wanted"}}});
    let annotated = "Object{metadata: Object.metadata{annotations: {'sign': 'seen'}}}";
    vec![
        of(
            "MutatingAdmissionPolicy",
            json!({
            "matchConstraints": constraints, "reinvocationPolicy": "Never", "mutations": [
                {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": annotated}}]}),
        ),
        of("MutatingAdmissionPolicyBinding", json!({"policyName": "sign"})),
        of(
            "ValidatingAdmissionPolicy",
            json!({
            "matchConstraints": constraints, "validations": [{"expression": "false", "message": "seen"}]}),
        ),
        of("ValidatingAdmissionPolicyBinding", json!({"policyName": "sign", "validationActions": ["Warn"]})),
    ]
}

/// A change of a claim, by JSON pointers.
type Change = Vec<(&'static str, Value)>;

/// Changes of claims that admission looks at, each alone, with a label of `label`.
fn changes(label: &str) -> Vec<Change> {
    let at_label: &'static str = match label {
        "backup" => "/metadata/labels/backup",
        _ => "/metadata/labels/example.org~1backup-tier",
    };
    let annotation = |key: &str, value: &str| {
        let at = format!("/metadata/annotations/{}", key.replace('/', "~1"));
        vec![(&*Box::leak(at.into_boxed_str()), json!(value))]
    };
    let ours = |name: &str, namespace: Option<&str>| {
        let reference = json!({"apiGroup": "volsync.backube", "kind": "ReplicationDestination", "name": name});
        let mut reference = reference;
        reference["namespace"] = json!(namespace);
        vec![("/spec/dataSourceRef", reference)]
    };
    let owned = |versions: &[&str]| {
        let owners = versions.iter().map(|it| json!({"apiVersion": it, "kind": "Owner", "name": "o", "uid": "1"}));
        vec![("/metadata/ownerReferences", owners.collect())]
    };
    let mut changes = vec![
        vec![],
        vec![(at_label, json!("hurly"))],
        vec![(at_label, json!(""))],
        vec![(at_label, json!("weekly"))],
        vec![(at_label, Value::Null)],
        vec![("/metadata/labels/app.kubernetes.io~1created-by", json!("volsync"))],
        vec![("/metadata/labels/app.kubernetes.io~1created-by", json!("helm"))],
        vec![("/metadata/labels/application", json!("spilo"))],
        vec![("/metadata/labels/application", json!("shop"))],
        vec![("/metadata/labels/strimzi.io~1cluster", json!("kafka"))],
        vec![("/spec/selector", json!({"matchLabels": {"velero.io/dynamic-pv-restore": "shop.data.87z5b"}}))],
        vec![("/spec/selector", json!({}))],
        vec![("/metadata/name", json!("vs-prime-0b4c"))],
        vec![("/metadata/name", json!("d.4-ta"))],
        vec![("/metadata/name", json!("n".repeat(63)))],
        vec![("/metadata/name", json!("n".repeat(64)))],
        vec![("/metadata/name", json!("n".repeat(218)))],
        vec![("/metadata/name", json!("n".repeat(229)))],
        vec![("/metadata/name", json!("n".repeat(240)))],
        vec![("/metadata/name", Value::Null), ("/metadata/generateName", json!("data-"))],
        vec![("/metadata/name", Value::Null), ("/metadata/generateName", json!("n".repeat(80)))],
        vec![("/metadata/generateName", json!("another-"))],
        vec![("/spec/volumeName", json!("pv-1"))],
        vec![("/spec/volumeName", json!(""))],
        vec![
            ("/spec/volumeName", json!("pv-1")),
            ("/metadata/annotations/pv.kubernetes.io~1bound-by-controller", json!("yes")),
        ],
        vec![("/spec/volumeMode", json!("Block"))],
        vec![("/spec/dataSource", json!({"kind": "PersistentVolumeClaim", "name": "other"}))],
        vec![("/spec/dataSourceRef", json!({"kind": "PersistentVolumeClaim", "name": "other"}))],
        vec![(
            "/spec/dataSource",
            json!({"apiGroup": "volsync.backube", "kind": "ReplicationDestination", "name": "data-restore"}),
        )],
        vec![(
            "/spec/dataSource",
            json!({"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "data-restore"}),
        )],
        ours("data-restore", None),
        ours("other-restore", None),
        ours("-restore", None),
        ours("something", None),
        ours("Not.A_Name", None),
        ours(&"r".repeat(226), None),
        ours("dst.compared.data.x", None),
        ours("dst.compared.other.x", None),
        ours("data-restore", Some(COMPARED)),
        ours("data-restore", Some("elsewhere")),
        vec![("/spec/storageClassName", json!("local"))],
        vec![("/spec/storageClassName", json!("slow"))],
        vec![("/spec/storageClassName", json!("other"))],
        vec![("/spec/storageClassName", json!(""))],
        vec![("/spec/accessModes", json!(["ReadOnlyMany"]))],
        vec![("/spec/accessModes", json!(["ReadOnlyMany", "ReadWriteMany"]))],
        vec![("/spec/accessModes", json!(["ReadWriteOncePod"]))],
        vec![("/spec/accessModes", json!([]))],
        vec![("/spec/resources/requests/storage", json!("0"))],
        vec![("/spec/resources/requests/storage", json!("128974848000m"))],
        vec![("/spec/resources/requests/storage", json!("1e9"))],
        vec![("/spec/resources/requests/storage", Value::Null)],
        owned(&["postgresql.cnpg.io/v1"]),
        owned(&["v1", "apps/v1"]),
        owned(&["apps/v1", "rabbitmq.com/v1beta1", "k8s.mariadb.com/v1alpha1"]),
        owned(&["rabbitmq.com"]),
    ];
    for value in ["skip", "skip ", "skip it", "skip\u{a0}it", "skip\n it", " skip it", "never", "", "skipit now"] {
        changes.push(annotation("volsync-policy.io/restore", value));
    }
    for value in ["1000", "+7", "-1", "007", "2147483647", "2147483648", "99999999999999999999", "1e3", "", "x"] {
        changes.push(annotation("volsync-policy.io/run-as-user", value));
        changes.push(annotation("volsync-policy.io/priority", value));
    }
    changes.push(annotation("volsync-policy.io/priority", "-2147483649"));
    changes.push(annotation("volsync-policy.io/fs-group", "root"));
    changes.push(annotation("volsync-policy.io/run-as-group", "root"));
    for value in ["mover", "a.b-c", "Mover", "", &"m".repeat(254)] {
        changes.push(annotation("volsync-policy.io/mover-service-account", value));
    }
    for value in ["0123abcd gone", "0123abcd", "0123abcd,fedcba98\u{2003}gone for good ", "0123abcg gone", "\tx", ""] {
        changes.push(annotation(ACCEPT, value));
    }
    changes.push(annotation("volsync-policy.io/restore-as", "x"));
    changes.push(annotation("volsync-policy.iox/restore", "x"));
    changes.extend(ON_CLAIMS.map(|key| annotation(key, "1")));
    changes
}

/// The claim `data` with a label, and with these changes.
fn changed(label: &str, changes: &[&Change]) -> Value {
    let mut claim = labelled(COMPARED, "data");
    claim["metadata"]["labels"] = json!({label: if label == "backup" { "hourly" } else { "daily" }});
    claim["metadata"]["annotations"] = json!({});
    claim["spec"]["storageClassName"] = json!("unknown");
    for change in changes {
        change_in(&mut claim, change);
    }
    claim
}

/// Makes a change in a claim; null removes.
fn change_in(claim: &mut Value, change: &Change) {
    for (at, value) in change {
        let (object, key) = at.rsplit_once('/').expect("a JSON pointer");
        let object = claim.pointer_mut(object).and_then(Value::as_object_mut).expect("an object");
        match value {
            Value::Null => object.remove(&key.replace("~1", "/")),
            value => object.insert(key.replace("~1", "/"), value.clone()),
        };
    }
}

/// Whether the API server drops the data source of a claim that it creates, so that policies which validate never see
/// it.
fn is_dropped(claim: &Value) -> bool {
    let is_created = claim["metadata"]["uid"].is_null();
    let (source, reference) = (&claim["spec"]["dataSource"], &claim["spec"]["dataSourceRef"]);
    let is_legacy = ["PersistentVolumeClaim", "VolumeSnapshot"].contains(&text(source, "/kind"));
    is_created && (!reference["namespace"].is_null() || reference.is_null() && !source.is_null() && !is_legacy)
}

/// How often an answer of each kind was seen.
#[derive(Debug, Default)]
struct Seen {
    patched: usize,
    kept: usize,
    refused: usize,
    warned: usize,
    /// Claims that no API server takes, whatever the policies say.
    invalid: usize,
}

/// Asks the API server and the module, and compares what they answer.
struct Comparison<'a> {
    namespace: &'a Namespace<'a>,
    settings: &'a Value,
    /// The label in settings.
    label: &'a str,
    seen: &'a mut Seen,
    differing: Vec<String>,
}

impl Comparison<'_> {
    fn compare(&mut self, claim: &Value, before: Option<&Value>, user: Option<&str>) -> anyhow::Result<()> {
        if [Some(claim), before].into_iter().flatten().all(|claim| claim["metadata"]["labels"][self.label].is_null()) {
            // Nobody is asked about it.
            return Ok(());
        }
        let answer = self.namespace.dry_run(claim, user)?;
        let compared = if before.is_none() && is_dropped(claim) {
            self.is_not_empty(claim, &answer)
        } else {
            let of_module = self.of_module(claim, before, user)?;
            self.difference(claim, &answer, &of_module).with_context(|| format!("the module answers {of_module}"))
        };
        if let Err(difference) = compared {
            self.differing.push(format!("{difference:#}\n{claim}\nbefore: {before:?}"));
        }
        Ok(())
    }

    /// What the module answers at a webhook.
    fn of_module(&self, claim: &Value, before: Option<&Value>, user: Option<&str>) -> anyhow::Result<Value> {
        let request = json!({
            "uid": "1", "operation": if before.is_some() { "UPDATE" } else { "CREATE" },
            "kind": {"group": "", "version": "v1", "kind": "PersistentVolumeClaim"},
            "namespace": COMPARED, "name": claim["metadata"]["name"], "object": claim, "oldObject": before,
            "userInfo": {"username": user.unwrap_or("an administrator")},
        });
        let payload = json!({"request": request, "settings": self.settings});
        let mut answer: Value = serde_json::from_slice(&Native.call("validate", payload.to_string().as_bytes())?)?;
        if self.settings["excludeNamespaces"] == json!([COMPARED]) {
            // There is no host whose records would have to be kept.
            answer["mutated_object"] = Value::Null;
        }
        Ok(answer)
    }

    /// Checks that no claim binds empty because its data source was dropped.
    fn is_not_empty(&self, claim: &Value, answer: &DryRun) -> anyhow::Result<()> {
        let mut bare = claim.clone();
        let field = if claim["spec"]["dataSourceRef"].is_null() { "dataSource" } else { "dataSourceRef" };
        bare["spec"][field] = Value::Null;
        let would_be_restored =
            !self.of_module(&bare, None, None)?["mutated_object"]["spec"]["dataSourceRef"].is_null();
        ensure!(answer.object.is_err() || !would_be_restored, "accepted");
        Ok(())
    }

    fn difference(&mut self, claim: &Value, answer: &DryRun, of_module: &Value) -> anyhow::Result<()> {
        let accepted = match &answer.object {
            Err(status) => {
                let message = text(status, "/message");
                let Some((_, told)) = message.split_once("' denied request: ") else {
                    // As by a schema: not the policies' business.
                    self.seen.invalid += 1;
                    return Ok(());
                };
                ensure!(told == text(of_module, "/message"), "refused: {message}");
                ensure!(status["code"] == of_module["code"], "refused with another status: {status}");
                self.seen.refused += 1;
                None
            }
            Ok(accepted) => {
                ensure!(of_module["accepted"] == true, "accepted");
                Some(accepted)
            }
        };
        if let Some(accepted) = accepted {
            let expected = if of_module["mutated_object"].is_null() { claim } else { &of_module["mutated_object"] };
            let source =
                |claim: &Value| claim["spec"].get("dataSourceRef").or(claim["spec"].get("dataSource")).cloned();
            let annotations =
                |claim: &Value| claim["metadata"]["annotations"].as_object().filter(|it| !it.is_empty()).cloned();
            let is_patched = source(expected) != source(claim);
            // The one that a claim has already is completed.
            let of_it = if is_patched { |source: Value| source } else { |source: Value| source["name"].clone() };
            let [is, should] = [accepted, expected].map(|claim| source(claim).map(of_it));
            ensure!(is == should, "another data source: {:?}", source(accepted));
            ensure!(annotations(accepted) == annotations(expected), "other annotations: {:?}", annotations(accepted));
            self.seen.patched += usize::from(is_patched);
            self.seen.kept += usize::from(annotations(expected) != annotations(claim));
        }
        let told: BTreeSet<String> = (answer.warnings.iter())
            .filter_map(|warning| warning.split_once("with binding 'volsync-policy-notes")?.1.split_once("': "))
            .map(|(_, warning)| warning.to_owned())
            .collect();
        let expected: BTreeSet<String> = (of_module["warnings"].as_array().into_iter().flatten())
            .filter_map(Value::as_str)
            .filter(|warning| !warning.starts_with("RecordsKept"))
            // CEL does not find what was probably meant.
            .map(|warning| warning.split("; did you mean").next().unwrap_or_default().to_owned())
            .collect();
        self.seen.warned += expected.len();
        ensure!(told == expected, "other warnings: {told:?}, all of them: {:?}", answer.warnings);
        Ok(())
    }
}

/// The claims of the golden cases that are created, in this namespace.
fn golden() -> Vec<Value> {
    let of_request = |payload: &Value| {
        let request = &payload["request"];
        let request = request.get("request").unwrap_or(request);
        let is_claim = request["kind"] == "PersistentVolumeClaim";
        let claim =
            if is_claim { Some(request) } else { request.get("object").filter(|_| request["operation"] == "CREATE") };
        claim.filter(|claim| claim["metadata"].is_object() && claim["metadata"]["uid"].is_null()).cloned()
    };
    let mut claims: Vec<Value> = Vec::new();
    for mut claim in questions().iter().filter_map(|question| of_request(&question.payload)) {
        claim["apiVersion"] = json!("v1");
        claim["kind"] = json!("PersistentVolumeClaim");
        claim["metadata"]["namespace"] = json!(COMPARED);
        if !claims.contains(&claim) {
            claims.push(claim);
        }
    }
    claims
}

/// Claims as they are before an UPDATE. What cannot be stored has none, and the host removes its own `attention`.
fn stored(namespace: &Namespace<'_>, label: &str) -> Vec<Value> {
    let mut stored = Vec::new();
    for (nth, change) in changes(label).iter().enumerate() {
        let mut claim = changed(label, &[change]);
        claim["metadata"]["name"] = json!(format!("stored-{}-{nth}", label.len()));
        if !claim["metadata"]["annotations"][ATTENTION].is_null() {
            continue;
        }
        if let Ok(mut claim) = namespace.create(&claim) {
            // A controller changes its status.
            claim["metadata"]["resourceVersion"] = Value::Null;
            stored.push(claim);
        }
    }
    stored
}

/// The claim with a change of its labels and annotations. Most else can never be changed.
fn updated(before: &Value, change: &Change) -> Value {
    let mut after = before.clone();
    for map in ["labels", "annotations"] {
        let map = &mut after["metadata"][map];
        *map = json!(map.as_object().cloned().unwrap_or_default());
    }
    let may_change = |at: &str| at.starts_with("/metadata/labels/") || at.starts_with("/metadata/annotations/");
    change_in(&mut after, &change.iter().filter(|(at, _)| may_change(at)).cloned().collect());
    after
}

/// Each claim is compared with one change, and a sixteenth of them with any two. Of the updates it is one of 32.
fn api_servers_answer_by_themselves_as_the_module_does(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace(COMPARED)?;
    let labels = ["backup", "example.org/backup-tier"];
    // They are created before a policy could refuse them.
    let all_stored = labels.map(|label| stored(&namespace, label));
    let mut seen = Seen::default();
    for (nth, settings) in all_settings().iter().enumerate() {
        let _in_force = InForce::of(world, &namespace, settings, &format!("-{nth}"))?;
        let label = settings["label"].as_str().unwrap_or("backup");
        let mut comparison = Comparison { namespace: &namespace, settings, label, seen: &mut seen, differing: vec![] };
        let changes = changes(label);
        for claim in golden() {
            comparison.compare(&claim, None, None)?;
        }
        for (i, first) in changes.iter().enumerate() {
            comparison.compare(&changed(label, &[first]), None, None)?;
            for (j, second) in changes.iter().enumerate().skip(i).filter(|(j, _)| (nth + i * 31 + j * 17) % 16 == 0) {
                comparison.compare(&changed(label, &[first, second]), None, Some(HOST).filter(|_| j % 8 == 0))?;
            }
        }
        let stored = &all_stored[usize::from(label != labels[0])];
        for (i, before) in stored.iter().enumerate() {
            for (j, change) in changes.iter().enumerate().filter(|(j, _)| (nth + i * 31 + j * 17) % 32 == 0) {
                comparison.compare(&updated(before, change), Some(before), Some(HOST).filter(|_| j % 8 == 0))?;
            }
        }
        let differing = comparison.differing;
        ensure!(differing.is_empty(), "{settings}: {} differ: {}", differing.len(), differing[0]);
    }
    let Seen { patched, kept, refused, warned, invalid } = seen;
    ensure!([patched, kept, refused, warned].into_iter().all(|it| it > 50) && invalid * 5 < refused, "{seen:?}");
    Ok(())
}

/// The host does the rest.
fn a_claim_is_protected_without_a_webhook(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace(UNHOOKED)?;
    let settings = json!({"hostUser": HOST, "schedules": host::schedules()});
    let _in_force = InForce::of(world, &namespace, &settings, "-unhooked")?;
    App::new(world, UNHOOKED)?.protect()
}

fn the_chart_installs_what_the_command_prints_and_git_finds_nothing_to_change(world: &World) -> anyhow::Result<()> {
    let namespace = world.namespace(COMPARED)?;
    for mut settings in all_settings() {
        settings["hostUser"] = Value::Null;
        let values = json!({"admission": {"kind": "policies"}, "settings": settings});
        let of_chart = chart::rendered(world, &values)?;
        ensure!(!of_chart.iter().any(|it| text(it, "/kind").ends_with("WebhookConfiguration")), "a webhook, too");
        settings["hostUser"] = json!(HOST);
        let printed = exported(&settings)?;
        let is_policy = |object: &&Value| text(object, "/kind").contains("AdmissionPolicy");
        let of_chart: Vec<&Value> = of_chart.iter().filter(is_policy).collect();
        ensure!(of_chart.len() == printed.len(), "{} policies", of_chart.len());
        for of_chart in of_chart {
            let is_it =
                |it: &Value| it["kind"] == of_chart["kind"] && it["metadata"]["name"] == of_chart["metadata"]["name"];
            let printed = printed.iter().find(|it| is_it(it)).context("a policy of the chart alone")?;
            ensure!(of_chart["spec"] == printed["spec"], "{settings}: {of_chart:#} is not {printed:#}");
            // As Argo CD and Flux compare it.
            let known = namespace.rehearse(of_chart)?;
            ensure!(known["spec"] == of_chart["spec"], "{:#} became {:#}", of_chart["spec"], known["spec"]);
        }
    }
    let commands = chart::documented("export admission")?.replace("--server-side", "--server-side --dry-run=server");
    chart::run(world, &commands, &[("settings.yaml", host::settings())]).map(drop)
}
