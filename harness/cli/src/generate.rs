//! `volsync-policy generate`: the manifests, ready to be applied.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use volsync_policy::{BackupAction, Part, VerdictDocument};

use crate::args::{Generate, Output};
use crate::object::Object;
use crate::outcome::{Outcome, warn_of_all};
use crate::planner::{Planned, plan_all};

pub(crate) fn run(arguments: &Generate) -> anyhow::Result<Outcome> {
    let mut out = BufWriter::new(io::stdout().lock());
    plan_all(&arguments.input, |planned| {
        if planned.has_stand_ins {
            let name = planned.name();
            bail!("{name}: in place of its credentials there are stand-ins, so it can only be explained");
        }
        match arguments.output {
            Output::Plan => {
                write_plan(&mut out, planned)?;
                out.flush()?;
                warn_of_all(&to_know(planned));
            }
            Output::Json | Output::Yaml => {
                let manifests = manifests(planned, arguments.with_claim);
                for Manifest { part, object } in &manifests {
                    if arguments.output == Output::Json {
                        writeln!(out, "{object}")?;
                        continue;
                    }
                    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
                    let object: Value = serde_json::from_str(object)?;
                    let yaml = serde_saphyr::to_string_with_options(&object, options)
                        .context("a manifest cannot be written as YAML")?;
                    let comment = comment(planned, *part);
                    let comment: String = comment.iter().map(|line| format!("# {line}\n")).collect();
                    write!(out, "---\n{comment}{yaml}")?;
                }
                // Flush at once, so that a reader can start before the last claim is read.
                out.flush()?;
                warn_of_all(&[to_know(planned), left_out(planned)].concat());
            }
        }
        Ok(())
    })
}

/// Writes the plan as the engine returned it. Evidence that was given is added; a plan from a dump already contains its
/// own.
fn write_plan(out: &mut impl Write, planned: &Planned) -> anyhow::Result<()> {
    match (&planned.told, planned.json.strip_suffix(b"}")) {
        (Some(evidence), Some(open)) => {
            out.write_all(open)?;
            out.write_all(b",\"evidence\":")?;
            serde_json::to_writer(&mut *out, evidence).map_err(io::Error::from)?;
            out.write_all(b"}\n")?;
        }
        (Some(_) | None, _) => {
            out.write_all(&planned.json)?;
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}

/// What a person must know in addition to the manifests.
fn to_know(planned: &Planned) -> Vec<String> {
    let Planned { place, plan, .. } = planned;
    let name = planned.name();
    let mut said = Vec::new();
    if plan.manifests.is_none() {
        said.push(format!("{place}: {name}: {}", plan.verdict.message));
    }
    said.extend(plan.verdict.problem.iter().map(|problem| format!("{place}: {name}: {problem}")));
    said.extend(plan.notes.iter().map(|note| format!("{name}: {}", note.message)));
    said.extend(planned.missing().map(|(topic, sentence)| format!("{name}: {topic}: {sentence}")));
    said
}

/// What the manifests do not contain: why there are none, and the other steps of a host.
fn left_out(planned: &Planned) -> Vec<String> {
    let Planned { place, plan, .. } = planned;
    let name = planned.name();
    let mut said = Vec::new();
    let (mut is_applied, mut rest) = (false, Vec::new());
    for step in plan.steps.iter() {
        match step.applies() {
            Some(_) => is_applied = true,
            None => rest.push(step.words()),
        }
    }
    if plan.manifests.is_some() && !is_applied {
        let VerdictDocument { code, message, .. } = &plan.verdict;
        said.push(format!("{place}: {name}: nothing is applied; {}: {message}", code.as_str()));
    }
    if !rest.is_empty() {
        let rest = rest.join("; ");
        said.push(format!("{name}: `kubectl apply` does not do what a host would do too: {rest}"));
    }
    said
}

/// An object to apply.
pub(crate) struct Manifest<'a> {
    /// The part of the plan; none for the claim itself.
    part: Option<Part>,
    /// The object as JSON.
    object: Cow<'a, str>,
}

impl Manifest<'_> {
    /// The object, parsed.
    pub(crate) fn read(&self) -> Value {
        serde_json::from_str(&self.object).unwrap_or_default()
    }
}

/// The objects to apply, in the order of the plan's steps. The claim, if requested, comes before the ReplicationSource
/// that backs it up, or last.
pub(crate) fn manifests(planned: &Planned, with_claim: bool) -> Vec<Manifest<'_>> {
    let Some(rendered) = &planned.plan.manifests else { return Vec::new() };
    let mut claim = with_claim.then(|| claim(planned)).flatten();
    let mut manifests = Vec::new();
    for step in planned.plan.steps.iter() {
        let Some(part) = step.applies() else { continue };
        if part == Part::Source {
            manifests.extend(claim.take());
        }
        let object = rendered.object(part).map(Object::text);
        manifests.extend(object.map(|text| Manifest { part: Some(part), object: Cow::Borrowed(text) }));
    }
    manifests.extend(claim);
    manifests
}

/// The comment that says why a manifest is there.
fn comment(planned: &Planned, part: Option<Part>) -> Vec<String> {
    let name = planned.name();
    match part {
        Some(Part::Secret) => {
            vec![format!("For {name}: where its repository is, and the keys to it. Apply with --server-side.")]
        }
        Some(Part::Destination) => destination_comment(planned, &name),
        Some(Part::Source) => source_comment(planned, &name),
        None if planned.plan.patch.is_some() => {
            vec![format!("{name} itself, which stays Pending until it is restored.")]
        }
        None => vec![format!("{name} itself.")],
    }
}

fn destination_comment(planned: &Planned, name: &str) -> Vec<String> {
    let mut comment = vec![
        format!("Restores {name} once, from its newest backup. Never edit it, and delete it together with the claim:"),
        "a claim that is created again would bind from what this one restored.".to_owned(),
    ];
    if let Some(operation) = planned.plan.patch.iter().flatten().next() {
        let reference = &operation.value;
        comment.push("The claim waits for it if it is created with (--with-claim prints it so):".to_owned());
        comment.push(format!("  spec: {{dataSourceRef: {reference}}}"));
    }
    comment
}

fn source_comment(planned: &Planned, name: &str) -> Vec<String> {
    let VerdictDocument { code, message, backup, way_out, .. } = &planned.plan.verdict;
    let mut comment = vec![format!("Backs {name} up. {}: {message}", code.as_str())];
    if *backup == BackupAction::Pause {
        comment.push(format!("To un-pause: {}", way_out.as_deref().unwrap_or_default()));
    }
    comment
}

/// The claim with the plan's patch.
fn claim(planned: &Planned) -> Option<Manifest<'static>> {
    let mut object = planned.claim().clone();
    if let Some(patch) = &planned.plan.patch {
        let patch: json_patch::Patch = serde_json::from_value(json!(patch)).ok()?;
        json_patch::patch(&mut object, &patch).ok()?;
    }
    Some(Manifest { part: None, object: Cow::Owned(object.to_string()) })
}
