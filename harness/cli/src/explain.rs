//! `volsync-policy explain`: what would happen to a claim, and why, in words. It shows names, never a value of a
//! Secret.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use anyhow::bail;
use serde_json::Value;
use volsync_policy::reference::{accept_command, acceptance};
use volsync_policy::{Acceptance, Code, nearest};

use crate::args::{Explain, Input};
use crate::outcome::Outcome;
use crate::plan::{Manifest, Manifests, Note, Object, Plan, SecretManifest, Verdict};
use crate::planner::{Planned, plan_all};

const CLAIM: Style = Style::new().bold();
const CODE: Style = AnsiColor::Cyan.on_default().bold();

pub(crate) fn run(arguments: &Explain) -> anyhow::Result<Outcome> {
    match &arguments.code {
        Some(code) => explain_code(code),
        None => explain_claims(&arguments.input),
    }
}

fn explain_code(name: &str) -> anyhow::Result<Outcome> {
    let Some(code) = Code::parse(name) else {
        let hint = match nearest(name, Code::ALL.map(Code::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`volsync-policy codes` prints them all".to_owned(),
        };
        bail!("`{}` is no reason code; {hint}", name.escape_default());
    };
    let mut out = anstream::stdout().lock();
    writeln!(out, "{CODE}{}{CODE:#}", code.as_str())?;
    writeln!(out, "  {}", code.sentence())?;
    if let Some(way_out) = code.way_out() {
        writeln!(out, "  {:<9}{way_out}", "way out")?;
    }
    writeln!(out, "  {:<9}{}", "accept", acceptance(code))?;
    if code.acceptance() == Acceptance::Possible {
        writeln!(out, "  {:<9}{}", "", accept_command("NAMESPACE", "NAME", "<hold-id>"))?;
    }
    Ok(Outcome::Planned)
}

fn explain_claims(input: &Input) -> anyhow::Result<Outcome> {
    plan_all(input, |planned| {
        let mut out = anstream::stdout().lock();
        let Verdict { code, message, .. } = &planned.plan.verdict;
        writeln!(out, "{CLAIM}{}{CLAIM:#}: {CODE}{code}{CODE:#}", planned.name())?;
        writeln!(out, "  {message}")?;
        for (topic, sentence) in sentences(planned) {
            writeln!(out, "  {topic:<9}{sentence}")?;
        }
        for Note { code, message } in &planned.plan.notes {
            writeln!(out, "  {:<9}{code}: {message}", "note")?;
        }
        for (topic, sentence) in planned.missing() {
            writeln!(out, "  {topic:<9}{sentence}")?;
        }
        writeln!(out)?;
        Ok(())
    })
}

fn sentences(planned: &Planned) -> Vec<(&'static str, String)> {
    let Planned { plan: plan @ Plan { verdict, manifests, .. }, .. } = planned;
    let mut sentences = Vec::new();
    sentences.extend(verdict.problem.as_ref().map(|problem| ("problem", problem.to_string())));
    if verdict.admission == "deny" {
        sentences.push(("claim", "is refused at admission".to_owned()));
    } else if plan.patch.is_some() && !is_bound(planned) {
        let sentence = "gets `spec.dataSourceRef` when it is created, and stays Pending until it is restored";
        sentences.push(("claim", sentence.to_owned()));
    }
    sentences.extend(manifests.as_ref().and_then(secret).map(|sentence| ("secret", sentence)));
    let kept = || manifests.is_some().then(|| "what is there stays as it is".to_owned());
    sentences.extend(restore(plan).or_else(kept).map(|sentence| ("restore", sentence)));
    sentences.extend(backup(plan).or_else(kept).map(|sentence| ("backup", sentence)));
    sentences.extend(verdict.way_out.iter().map(|way_out| ("way out", way_out.clone())));
    if let Some(hold) = &verdict.hold {
        let (namespace, name) = planned.names();
        sentences.push(("hold", format!("{hold}; a person accepts it with")));
        sentences.push(("", accept_command(namespace, name, hold)));
    }
    sentences
}

/// Whether evidence shows the claim with its volume: what happens when it is created is of no interest any more.
fn is_bound(planned: &Planned) -> bool {
    let made = planned.plan.evidence.as_ref().map(Object::read);
    let evidence = planned.told.as_ref().or(made.as_ref());
    evidence.and_then(|evidence| evidence.pointer("/claim/phase")) == Some(&Value::from("Bound"))
}

fn secret(Manifests { secret, .. }: &Manifests) -> Option<String> {
    let SecretManifest { action, name, needs, keeps, .. } = secret;
    Some(match action.as_str() {
        "apply" if keeps.is_empty() => format!("{name} is applied"),
        "apply" => format!("{name} is applied, and keeps the {} that it has", keeps.join(", ")),
        "keep" if !needs.is_empty() => format!("{name} cannot be rendered"),
        "keep" => format!("{name} is not applied; what is there stays as it is"),
        _ => return None,
    })
}

/// What is done with the ReplicationDestination, unless it stays as it is.
fn restore(plan: &Plan) -> Option<String> {
    let destination = || object(plan, |manifests| &manifests.destination);
    Some(match plan.verdict.restore.as_str() {
        "apply" => format!("{} is created", text(&destination(), "/metadata/name")),
        "consume" => "its image is taken away, so that no later claim binds from it".to_owned(),
        "delete" => "the ReplicationDestination is deleted".to_owned(),
        _ => return None,
    })
}

/// What is done with the ReplicationSource, unless it stays as it is.
fn backup(plan: &Plan) -> Option<String> {
    let source = object(plan, |manifests| &manifests.source);
    let (name, schedule) = (text(&source, "/metadata/name"), text(&source, "/spec/trigger/schedule"));
    Some(match plan.verdict.backup.as_str() {
        "release" => format!("{name} runs: at once where it is new, then `{schedule}`"),
        "pause" => format!("{name} is paused; then `{schedule}`"),
        "withhold" => "none is made for now".to_owned(),
        "delete" if plan.steps().any(|step| step == "deleteSource") => "the ReplicationSource is deleted".to_owned(),
        "delete" => "the ReplicationSource is deleted as soon as no backup is under way".to_owned(),
        _ => return None,
    })
}

/// The object of a manifest; null where it is not rendered.
fn object(plan: &Plan, manifest: fn(&Manifests) -> &Manifest) -> Value {
    let object = plan.manifests.as_ref().and_then(|manifests| manifest(manifests).object.as_ref());
    object.map(Object::read).unwrap_or_default()
}

/// What stands at a JSON pointer, if it is text.
fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
