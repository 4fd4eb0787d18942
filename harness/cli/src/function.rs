//! `volsync-policy function`: `generate` as a KRM function, which kustomize and other tools run. They pass it all
//! objects that they have, and go on with those that it returns.
//!
//! The protocol is the KRM Functions Specification of kustomize: a ResourceList on standard input, with what the
//! function is to do in `functionConfig`, and another on standard output, with what there is to say in `results`.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use volsync_policy::names::{MANAGED_BY, MANAGER};
use volsync_policy_engine::Native;

use crate::documents::{self, Document};
use crate::generate::manifests;
use crate::outcome::{Outcome, complain};
use crate::planner::{Planned, Planner, request};

/// The version and the kind of input and output.
const LIST: (&str, &str) = ("config.kubernetes.io/v1", "ResourceList");

/// The version and the kind of the configuration.
const CONFIGURATION: (&str, &str) = ("volsync-policy.io/v1", "Function");

/// The ends of the domains of annotations in which the tools that run functions keep their records.
const OF_TOOLS: [&str; 2] = ["config.k8s.io", "config.kubernetes.io"];

/// The field `spec` of the configuration.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Specification {
    /// The settings of the policy.
    settings: Option<Value>,
    /// The Secret with the base credentials, which is one of the objects.
    credentials: Option<SecretName>,
    /// The namespace of claims that have none.
    namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretName {
    name: String,
    namespace: Option<String>,
}

/// What such a tool passes to a function, and takes from it.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceList {
    api_version: String,
    kind: String,
    #[serde(default)]
    items: Vec<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    function_config: Option<Value>,
    #[serde(skip_deserializing)]
    results: Vec<Said>,
}

/// Something to say about an object.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    severity: Severity,
    message: String,
    resource_ref: Reference,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Tags>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Info,
    Warning,
    Error,
}

/// The reason code, or the code of a note.
#[derive(Serialize)]
struct Tags {
    code: String,
}

/// How `results` refer to an object.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    api_version: String,
    kind: String,
    namespace: String,
    name: String,
}

/// Reads a list, and writes it with the manifests of its claims. Whoever runs the function shows only standard error if
/// it fails, so errors are written there, too.
pub(crate) fn run() -> anyhow::Result<Outcome> {
    // A message of the library would quote a value.
    let list = ResourceList::deserialize(documents::read_one(Path::new("-"))?).ok();
    let list = list.filter(|list| (list.api_version.as_str(), list.kind.as_str()) == LIST);
    let mut list = list.with_context(|| format!("standard input: expected a {} of {}", LIST.1, LIST.0))?;
    let specification = specification(list.function_config.as_ref())?;
    let credentials = specification.credentials.map(|secret| secret.find(&list.items)).transpose()?;
    let planner = Planner::new(&Native, specification.settings, credentials)?;

    for (index, item) in list.items.clone().into_iter().enumerate() {
        let Some(request) = request(item, specification.namespace.as_deref()) else { continue };
        let about = Reference::to(&request);
        match planner.plan(Document { value: request, place: "the claim".to_owned() }) {
            Ok(planned) => list.add(index, &planned),
            Err(error) => list.say(Severity::Error, None, about, format!("{error:#}")),
        }
    }
    let mut outcome = Outcome::Planned;
    for Said { message, resource_ref: Reference { namespace, name, .. }, .. } in
        list.results.iter().filter(|said| said.severity == Severity::Error)
    {
        complain(&format!("{namespace}/{name}: {message}"));
        outcome = Outcome::Refused;
    }
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let yaml = serde_saphyr::to_string_with_options(&list, options).context("the list cannot be written as YAML")?;
    io::stdout().write_all(yaml.as_bytes())?;
    Ok(outcome)
}

/// Reads the configuration; without one, everything is as by default.
fn specification(configuration: Option<&Value>) -> anyhow::Result<Specification> {
    let Some(configuration) = configuration else { return Ok(Specification::default()) };
    ensure!(is(configuration, CONFIGURATION), "functionConfig: expected a {} of {}", CONFIGURATION.1, CONFIGURATION.0);
    let specification = configuration.get("spec").cloned().unwrap_or_else(|| json!({}));
    // A message of the library would quote a value.
    Specification::deserialize(specification).ok().context(
        "functionConfig: spec: it may have `settings`, `credentials` with `name` and `namespace`, and `namespace`",
    )
}

impl SecretName {
    /// The Secret among the objects.
    fn find(self, items: &[Value]) -> anyhow::Result<Value> {
        let has = |item: &Value, key: &str, value: &str| text(item, &format!("/metadata/{key}")) == value;
        let is_it = |item: &&Value| {
            is(item, ("v1", "Secret"))
                && has(item, "name", &self.name)
                && self.namespace.as_deref().is_none_or(|namespace| has(item, "namespace", namespace))
        };
        let found = items.iter().find(is_it).cloned();
        found.context("functionConfig: spec.credentials: there is no such Secret among the objects")
    }
}

impl ResourceList {
    /// Adds the manifests of the claim that is the item at `index`, and to the claim the data source by which it waits
    /// for its restore.
    fn add(&mut self, index: usize, planned: &Planned) {
        let (plan, about) = (&planned.plan, Reference::to(planned.claim()));
        let (code, message) = (Some(plan.verdict.code.as_str()), &plan.verdict.message);
        match &plan.refusal {
            Some(problem) => self.say(Severity::Error, code, about.clone(), format!("{message} {problem}")),
            None => self.say(Severity::Info, code, about.clone(), message.to_string()),
        }
        for note in &plan.notes {
            self.say(Severity::Warning, Some(&note.code), about.clone(), note.message.clone());
        }
        if let Some((item, patch)) = self.items.get_mut(index).zip(plan.patch.as_ref()) {
            let patch: Option<json_patch::Patch> = serde_json::from_value(json!(patch)).ok();
            if patch.is_none_or(|patch| json_patch::patch(item, &patch).is_err()) {
                self.say(Severity::Error, code, about, "its data source cannot be added".to_owned());
            }
        }
        for manifest in manifests(planned, false) {
            self.put(manifest.read());
        }
    }

    /// Adds a manifest, or puts it in place of the one that an earlier run of the function added.
    fn put(&mut self, mut manifest: Value) {
        let about = Reference::to(&manifest);
        let Some(there) = self.items.iter_mut().find(|item| Reference::to(item) == about) else {
            self.items.push(manifest);
            return;
        };
        let labels = there.pointer("/metadata/labels");
        if labels.and_then(|labels| labels.get(MANAGED_BY)?.as_str()) != Some(MANAGER) {
            let message = "there is another object with this name, which stays as it is";
            self.say(Severity::Error, None, about, message.to_owned());
            return;
        }
        keep_records(there, &mut manifest);
        *there = manifest;
    }

    fn say(&mut self, severity: Severity, code: Option<&str>, about: Reference, message: String) {
        let tags = code.map(|code| Tags { code: code.to_owned() });
        self.results.push(Said { severity, message, resource_ref: about, tags });
    }
}

/// Copies the annotations in which tools keep their records.
fn keep_records(from: &Value, to: &mut Value) {
    let is_of_tool = |key: &str| {
        let domain = key.split('/').next().unwrap_or_default();
        OF_TOOLS.iter().any(|end| domain.ends_with(end))
    };
    let annotations = from.pointer("/metadata/annotations").and_then(Value::as_object);
    let Some(metadata) = to.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    for (key, value) in annotations.into_iter().flatten().filter(|(key, _)| is_of_tool(key)) {
        if let Some(kept) = metadata.entry("annotations").or_insert_with(|| json!({})).as_object_mut() {
            kept.insert(key.clone(), value.clone());
        }
    }
}

impl Reference {
    fn to(object: &Value) -> Self {
        let part = |path| text(object, path).to_owned();
        Reference {
            api_version: part("/apiVersion"),
            kind: part("/kind"),
            namespace: part("/metadata/namespace"),
            name: part("/metadata/name"),
        }
    }
}

/// Whether an object is of this version and kind.
fn is(object: &Value, (version, kind): (&str, &str)) -> bool {
    text(object, "/apiVersion") == version && text(object, "/kind") == kind
}

/// The text at a path; empty where there is none.
fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}
