//! `volsync-policy export`: the rules of admission for others than this module.

use std::io::Write;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use volsync_policy::cel::Terms;

use crate::args::{Admission, Export};
use crate::documents;
use crate::outcome::Outcome;

/// The rules in CEL, which the chart reads too.
const RULES: &str = include_str!("../../host/chart/files/admission.yaml");

/// What the rules contain.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rules {
    /// The variables of all policies, which follow those of settings.
    variables: Vec<Value>,
    /// The requests of all policies, without the selectors, which settings give.
    match_constraints: Map<String, Value>,
    policies: Vec<Policy>,
}

/// A policy, and what its binding does.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Policy {
    kind: String,
    name: String,
    validation_actions: Option<Value>,
    #[serde(flatten)]
    spec: Map<String, Value>,
}

pub(crate) fn run(command: &Export) -> anyhow::Result<Outcome> {
    match command {
        Export::Admission(arguments) => admission(arguments),
    }
}

fn admission(Admission { settings, host_user }: &Admission) -> anyhow::Result<Outcome> {
    let mut settings = settings.as_deref().map_or_else(|| Ok(json!({})), documents::read_one)?;
    if let (Some(settings), Some(host_user)) = (settings.as_object_mut(), host_user) {
        settings.insert("hostUser".to_owned(), json!(host_user));
    }
    let terms = Terms::of(settings.to_string().as_bytes())?;
    let mut out = anstream::stdout().lock();
    for object in policies(terms)? {
        write!(out, "---\n{}", serde_saphyr::to_string(&object)?)?;
    }
    Ok(Outcome::Planned)
}

/// The policies with these terms, each with its binding.
fn policies(terms: Terms) -> anyhow::Result<Vec<Value>> {
    let Rules { mut match_constraints, policies, variables: common } = serde_saphyr::from_str(RULES)?;
    let Terms { label, exclude_namespaces, variables } = terms;
    let mut namespaces = json!({});
    if !exclude_namespaces.is_empty() {
        let others = json!({"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": exclude_namespaces});
        namespaces = json!({"matchExpressions": [others]});
    }
    let labelled = json!({"matchExpressions": [{"key": label, "operator": "Exists"}]});
    match_constraints.insert("namespaceSelector".to_owned(), namespaces);
    match_constraints.insert("objectSelector".to_owned(), labelled);
    let settings = variables.into_iter().map(|(name, expression)| json!({"name": name, "expression": expression}));
    let variables: Vec<Value> = settings.chain(common).collect();

    let mut objects = Vec::new();
    for Policy { kind, name, validation_actions, mut spec } in policies {
        spec.insert("matchConstraints".to_owned(), json!(match_constraints));
        spec.insert("variables".to_owned(), json!(variables));
        let mut binding = Map::from_iter([("policyName".to_owned(), json!(name))]);
        binding.extend(validation_actions.map(|actions| ("validationActions".to_owned(), actions)));
        let of_binding = format!("{kind}Binding");
        for (kind, spec) in [(kind, spec), (of_binding, binding)] {
            objects.push(json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec,
            }));
        }
    }
    Ok(objects)
}
