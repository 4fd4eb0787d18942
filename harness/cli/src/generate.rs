//! `volsync-policy generate`: the manifests, ready to be applied.

use std::io::{self, Write};

use anyhow::Context;
use serde_json::Value;

use crate::args::{Generate, Output};
use crate::outcome::{Outcome, warn};
use crate::planner::{Planned, plan_all};

pub(crate) fn run(arguments: &Generate) -> anyhow::Result<Outcome> {
    plan_all(&arguments.input, |planned| {
        // Each claim is written at once: whoever reads can start before we have read the last.
        let mut out = io::stdout().lock();
        match arguments.output {
            Output::Plan => {
                out.write_all(&planned.json)?;
                out.write_all(b"\n")?;
            }
            Output::Json | Output::Yaml => {
                for Manifest { object, comment } in manifests(planned, arguments.with_claim) {
                    if arguments.output == Output::Json {
                        serde_json::to_writer(&mut out, &object).map_err(io::Error::from)?;
                        out.write_all(b"\n")?;
                        continue;
                    }
                    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
                    let yaml = serde_saphyr::to_string_with_options(&object, options)
                        .context("a manifest cannot be written as YAML")?;
                    let comment: String = comment.iter().map(|line| format!("# {line}\n")).collect();
                    write!(out, "---\n{comment}{yaml}")?;
                }
            }
        }
        out.flush()?;
        speak(planned);
        Ok(())
    })
}

/// What a person must know beside the manifests goes to standard error.
fn speak(planned: &Planned) {
    let name = planned.name();
    if planned.plan.get("manifests").is_none_or(Value::is_null) {
        warn(&format!("{}: {name}: {}", planned.place, planned.text("/verdict/message")));
    }
    if let Some(problem) = planned.problem() {
        warn(&format!("{}: {name}: {problem}", planned.place));
    }
    planned.notes().for_each(|(_, message)| warn(&format!("{name}: {message}")));
}

struct Manifest {
    object: Value,
    comment: Vec<String>,
}

/// The objects to apply, in the order of the plan's steps, each with why it is there. The claim, where it is asked
/// for, stands before the ReplicationSource that backs it up.
fn manifests(planned: &Planned, with_claim: bool) -> Vec<Manifest> {
    let name = planned.name();
    let mut manifests = Vec::new();
    let object = |which: &str| planned.plan.pointer(&format!("/manifests/{which}/object")).cloned();
    let steps = planned.plan.get("steps").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for step in steps {
        let (object, comment) = match step.as_str() {
            Some("applySecret") => (
                object("secret"),
                vec![format!("For {name}: where its repository is, and the keys to it. Apply with --server-side.")],
            ),
            Some("applyDestination") => (object("destination"), destination_comment(planned, &name)),
            Some("applySource") => {
                manifests.extend(claim(planned, &name).filter(|_| with_claim));
                (object("source"), source_comment(planned, &name))
            }
            _ => continue,
        };
        manifests.extend(object.map(|object| Manifest { object, comment }));
    }
    manifests
}

fn destination_comment(planned: &Planned, name: &str) -> Vec<String> {
    let mut comment = vec![
        format!("Restores {name} once, from its newest backup. Never edit it, and delete it together with the claim:"),
        "a claim that is created again would bind from what this one restored.".to_owned(),
    ];
    if let Some(reference) = planned.plan.pointer("/patch/0/value") {
        comment.push("The claim waits for it if it is created with (--with-claim prints it so):".to_owned());
        comment.push(format!("  spec: {{dataSourceRef: {reference}}}"));
    }
    comment
}

fn source_comment(planned: &Planned, name: &str) -> Vec<String> {
    let verdict = format!("{}: {}", planned.text("/verdict/code"), planned.text("/verdict/message"));
    let mut comment = vec![format!("Backs {name} up. {verdict}")];
    if planned.text("/manifests/source/action") == "pause" {
        comment.push(format!("To un-pause: {}", planned.text("/verdict/wayOut")));
    }
    comment
}

/// The claim as the plan's patch leaves it.
fn claim(planned: &Planned, name: &str) -> Option<Manifest> {
    let mut object = planned.claim().clone();
    let mut comment = vec![format!("{name} itself.")];
    if let Some(patch) = planned.plan.get("patch").filter(|patch| patch.is_array()) {
        let patch: json_patch::Patch = serde_json::from_value(patch.clone()).ok()?;
        json_patch::patch(&mut object, &patch).ok()?;
        comment = vec![format!("{name} itself, which stays Pending until it is restored.")];
    }
    Some(Manifest { object, comment })
}
