//! The files around the module: metadata in the policies, manifests that deploy them, the README and the form.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use volsync_policy_tests::kubewarden::{ADMISSION, RAW, SettingsResponse};
use volsync_policy_tests::{module, raw_policy, root};
use wasmparser::{Parser, Payload};

/// Kubewarden's metadata of a policy (crates/policy-evaluator/src/policy_metadata.rs of kubewarden/adm-controller).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Metadata {
    protocol_version: String,
    policy_type: String,
    execution_mode: String,
    rules: Vec<Rule>,
    mutating: bool,
    background_audit: bool,
    context_aware_resources: Vec<Value>,
    host_capabilities: Vec<String>,
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    api_groups: Vec<String>,
    api_versions: Vec<String>,
    resources: Vec<String>,
    operations: Vec<String>,
}

/// The fields of the custom resource that the example uses (charts/kubewarden-crds of kubewarden/adm-controller).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClusterAdmissionPolicy {
    api_version: String,
    kind: String,
    metadata: BTreeMap<String, String>,
    spec: ClusterAdmissionPolicySpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClusterAdmissionPolicySpec {
    module: String,
    rules: Vec<Rule>,
    object_selector: Value,
    failure_policy: String,
    timeout_seconds: u8,
    mutating: bool,
    mode: String,
    background_audit: bool,
    settings: Value,
}

/// A policy in the configuration of a policy server (crates/policy-server/src/config.rs of kubewarden/adm-controller).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ServedPolicy {
    module: String,
    allowed_to_mutate: bool,
    policy_mode: String,
    settings: Value,
}

/// The form for Rancher.
#[derive(Deserialize)]
struct Form {
    questions: Vec<Question>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    variable: String,
    label: String,
    description: String,
    group: String,
    r#type: String,
    #[serde(default)]
    options: Vec<String>,
    default: Value,
    required: bool,
}

fn text(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn yaml<T: serde::de::DeserializeOwned>(file: &str) -> T {
    serde_saphyr::from_str(&text(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The bytes of the module before its custom sections, and the custom sections by name.
fn sections(artefact: &Path) -> (Vec<u8>, Vec<(String, Vec<u8>)>) {
    let bytes = fs::read(artefact).expect("`cargo xtask wasm` builds the policies first");
    let (mut end, mut custom) = (0, Vec::new());
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.unwrap() {
            Payload::CustomSection(section) => custom.push((section.name().to_owned(), section.data().to_vec())),
            other => end = other.as_section().map_or(end, |(_, range)| range.end),
        }
    }
    (bytes[..usize::try_from(end).unwrap()].to_vec(), custom)
}

/// The metadata in an artefact, which is its only custom section.
fn metadata(artefact: &Path) -> Value {
    let (_, custom) = sections(artefact);
    let [(name, data)] = custom.as_slice() else { panic!("{} custom sections", custom.len()) };
    assert_eq!(name, "io.kubewarden.metadata");
    serde_json::from_slice(data).unwrap()
}

#[test]
fn the_policies_are_one_module_and_differ_in_their_metadata() {
    assert!(sections(&module()).0 == sections(&raw_policy()).0);
    for (artefact, file) in [(module(), "metadata.yml"), (raw_policy(), "metadata-raw.yml")] {
        let mut written: Value = yaml(&format!("wasm/policy/{file}"));
        written["annotations"]["io.kubewarden.policy.usage"] = text("wasm/policy/README.md").into();
        assert_eq!(metadata(&artefact), written, "`cargo xtask wasm` writes it again");
    }
}

#[test]
fn the_metadata_has_what_kubewarden_requires() {
    for (artefact, policy, policy_type) in [(module(), &ADMISSION, "kubernetes"), (raw_policy(), &RAW, "raw")] {
        let metadata: Metadata = serde_json::from_value(metadata(&artefact)).unwrap();
        assert_eq!(metadata.policy_type, policy_type);
        assert_eq!(metadata.execution_mode, "kubewarden-wapc");
        let protocol = policy.call("protocol_version", b"").unwrap();
        assert_eq!(json!(metadata.protocol_version), serde_json::from_slice::<Value>(&protocol).unwrap());
        assert!(metadata.mutating && !metadata.background_audit);
        assert_eq!((metadata.context_aware_resources, metadata.host_capabilities), (vec![], vec![]));
        // Without these, `kwctl scaffold artifacthub` does not create a package.
        for mandatory in [
            "io.kubewarden.policy.title",
            "io.kubewarden.policy.version",
            "io.kubewarden.policy.description",
            "io.kubewarden.policy.ociUrl",
            "io.kubewarden.policy.usage",
            "io.artifacthub.displayName",
            "io.artifacthub.resources",
        ] {
            assert!(!metadata.annotations[mandatory].is_empty(), "{mandatory}");
        }
        assert_eq!(metadata.annotations["io.kubewarden.policy.version"], env!("CARGO_PKG_VERSION"));
        assert!(metadata.annotations["io.artifacthub.keywords"].split(',').all(|word| !word.trim().is_empty()));
        let severities = ["info", "low", "medium", "high", "critical"];
        assert!(severities.contains(&metadata.annotations["io.kubewarden.policy.severity"].as_str()));
    }
}

#[test]
fn only_the_creation_and_the_update_of_claims_are_reviewed() {
    let metadata_of = |artefact: &Path| serde_json::from_value::<Metadata>(metadata(artefact)).unwrap();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let rule = Rule {
        api_groups: words(&[""]),
        api_versions: words(&["v1"]),
        resources: words(&["persistentvolumeclaims"]),
        operations: words(&["CREATE", "UPDATE"]),
    };
    assert_eq!(metadata_of(&module()).rules, [rule]);
    assert_eq!(metadata_of(&raw_policy()).rules, []);
}

/// Checks where a policy is fetched from, and in which version.
fn assert_plausible(module: &str, metadata: &Value) {
    let annotations = &metadata["annotations"];
    let [url, version] =
        ["ociUrl", "version"].map(|name| annotations[format!("io.kubewarden.policy.{name}")].as_str().unwrap());
    assert_eq!(module, format!("registry://{url}:v{version}"));
}

#[test]
fn the_cluster_admission_policy_deploys_the_policy_as_its_metadata_says() {
    let ClusterAdmissionPolicy { api_version, kind, metadata: names, spec } = yaml("examples/kubewarden.yaml");
    assert_eq!((api_version.as_str(), kind.as_str()), ("policies.kubewarden.io/v1", "ClusterAdmissionPolicy"));
    assert_eq!(names.keys().collect::<Vec<_>>(), ["name"]);
    let annotated = metadata(&module());
    assert_plausible(&spec.module, &annotated);
    let metadata: Metadata = serde_json::from_value(annotated).unwrap();
    assert_eq!(spec.rules, metadata.rules);
    assert_eq!((spec.mutating, spec.background_audit), (metadata.mutating, metadata.background_audit));
    assert_eq!((spec.mode.as_str(), spec.failure_policy.as_str()), ("protect", "Ignore"));
    assert!((2..=30).contains(&spec.timeout_seconds), "the bounds of the custom resource");
    let valid = SettingsResponse { valid: true, message: None };
    assert_eq!(ADMISSION.validate_settings(&spec.settings), valid);
    let label = spec.settings.get("label").unwrap_or(&schema()["properties"]["label"]["default"]).clone();
    assert_eq!(spec.object_selector, json!({"matchExpressions": [{"key": label, "operator": "Exists"}]}));
}

#[test]
fn a_policy_server_of_your_own_may_return_plans() {
    let policies: BTreeMap<String, ServedPolicy> = yaml("examples/kubewarden-raw.yml");
    let [policy] = policies.values().collect::<Vec<_>>()[..] else { panic!("{} policies", policies.len()) };
    assert_plausible(&policy.module, &metadata(&raw_policy()));
    assert!(policy.allowed_to_mutate && policy.policy_mode == "protect");
    let valid = SettingsResponse { valid: true, message: None };
    assert_eq!(RAW.validate_settings(&policy.settings), valid);
}

fn schema() -> Value {
    serde_json::from_str(&text("docs/schema/settings.json")).unwrap()
}

/// The settings by path, two keys deep; deeper ones are those of Kubernetes or VolSync.
fn settings() -> BTreeMap<String, Value> {
    let schema = schema();
    let mut settings = BTreeMap::new();
    for (key, setting) in schema["properties"].as_object().unwrap() {
        let definition = setting["$ref"].as_str().map(|reference| &schema["$defs"][&reference["#/$defs/".len()..]]);
        match definition.and_then(|definition| definition["properties"].as_object()) {
            Some(inner) => settings.extend(inner.iter().map(|(name, it)| (format!("{key}.{name}"), it.clone()))),
            None => drop(settings.insert(key.clone(), setting.clone())),
        }
    }
    settings
}

#[test]
fn the_readme_has_exactly_the_settings_with_their_defaults() {
    let readme = text("wasm/policy/README.md");
    let (_, table) = readme.split_once("| key | default | |\n|---|---|---|\n").unwrap();
    let rows: BTreeMap<&str, &str> = (table.lines())
        .map(|row| row.trim_matches(['|', ' ']).split(" | ").collect::<Vec<_>>())
        .map(|cells| (cells[0].trim_matches('`'), cells[1].trim_matches(['`', '|', ' '])))
        .collect();
    let settings = settings();
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), settings.keys().map(String::as_str).collect::<Vec<_>>());
    for (key, setting) in settings {
        let default = match &setting["default"] {
            Value::String(text) => text.clone(),
            plain @ (Value::Number(_) | Value::Bool(_)) => plain.to_string(),
            _ => continue,
        };
        assert_eq!(rows[key.as_str()], default, "{key}");
    }
}

#[test]
fn the_form_has_only_settings_that_exist() {
    let Form { questions } = yaml("wasm/policy/questions-ui.yml");
    let (settings, mut answers) = (settings(), json!({}));
    for question in questions {
        let setting = &settings[&question.variable];
        assert_eq!(question.default, setting["default"], "{}", question.variable);
        assert!(![&question.label, &question.description, &question.group].iter().any(|text| text.is_empty()));
        let kinds = [(Some("string"), "string"), (Some("object"), "map["), (Some("array"), "array["), (None, "enum")];
        assert!(kinds.contains(&(setting["type"].as_str(), question.r#type.as_str())), "{}", question.variable);
        assert_eq!(question.required, ["string", "enum"].contains(&question.r#type.as_str()), "{}", question.variable);
        // The policy accepts whatever is chosen.
        for answer in question.options.into_iter().map(Value::from).chain([question.default]) {
            let (key, name) = question.variable.split_once('.').unwrap_or((&question.variable, ""));
            answers[key] = if name.is_empty() { answer } else { json!({ name: answer }) };
            let response = ADMISSION.validate_settings(&answers);
            assert_eq!(response, SettingsResponse { valid: true, message: None }, "{answers}");
        }
    }
    assert_eq!(answers.as_object().unwrap().len(), 5);
}
