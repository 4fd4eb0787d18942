//! `volsync-policy explain`: what would happen to a claim, and why, in words. It prints names, never a value of a
//! Secret.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use anyhow::bail;
use serde_json::Value;
use volsync_policy::evidence::Phase;
use volsync_policy::mover::restic::MoverKey;
use volsync_policy::reference::{accept_command, acceptance};
use volsync_policy::{
    Acceptance, Admission, BackupAction, Code, Fact, HostPart, NoteDocument, Part, Restore, SecretDocument, Step,
    VerdictDocument, nearest,
};

use crate::args::{Explain, Input};
use crate::object::Object;
use crate::outcome::Outcome;
use crate::planner::{Manifests, Plan, Planned, plan_all};

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
        bail!("`{}` is not a reason code; {hint}", name.escape_default());
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
        let VerdictDocument { code, message, .. } = &planned.plan.verdict;
        writeln!(out, "{CLAIM}{}{CLAIM:#}: {CODE}{}{CODE:#}", planned.name(), code.as_str())?;
        writeln!(out, "  {message}")?;
        for (topic, sentence) in sentences(planned) {
            writeln!(out, "  {topic:<9}{sentence}")?;
        }
        for NoteDocument { code, message } in &planned.plan.notes {
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
    if verdict.admission == Admission::Deny {
        sentences.push(("claim", "is rejected at admission".to_owned()));
    } else if plan.patch.is_some() && !is_bound(planned) {
        let sentence = "gets `spec.dataSourceRef` when it is created, and stays Pending until it is restored";
        sentences.push(("claim", sentence.to_owned()));
    }
    sentences.extend(manifests.as_ref().and_then(secret).map(|sentence| ("secret", sentence)));
    let kept = || manifests.is_some().then(|| "existing objects stay as they are".to_owned());
    sentences.extend(restore(plan).or_else(kept).map(|sentence| ("restore", sentence)));
    sentences.extend(backup(plan).or_else(kept).map(|sentence| ("backup", sentence)));
    sentences.extend(verdict.way_out.iter().map(|way_out| ("way out", way_out.to_string())));
    if let Some(hold) = &verdict.hold {
        let (namespace, name) = planned.names();
        sentences.push(("hold", format!("{hold}; an acceptance counts only for these facts:")));
        let covers = verdict.covers.iter().map(|Fact { topic, text, .. }| ("", format!("{topic}: {text}")));
        sentences.extend(covers);
        sentences.push(("accept", "a person accepts it with".to_owned()));
        sentences.push(("", accept_command(namespace, name, &hold.to_string())));
    }
    sentences
}

/// Whether the claim already has its volume, according to the evidence or the dump. Then its creation is not explained.
fn is_bound(Planned { told, json, .. }: &Planned) -> bool {
    let is_told = told.as_ref().and_then(|evidence| evidence.pointer("/claim/phase")) == Some(&Value::from("Bound"));
    let seen = || serde_json::from_slice::<HostPart<'_>>(json).ok()?.evidence?.into_owned().claim;
    is_told || seen().is_some_and(|claim| claim.phase == Phase::Bound)
}

fn secret(Manifests { secret, source, .. }: &Manifests) -> Option<String> {
    let SecretDocument { action, name, needs, keeps, .. } = secret;
    let keeps: Vec<&str> = keeps.iter().map(MoverKey::as_str).collect();
    let source = source.object.as_ref().map(Object::read).unwrap_or_default();
    let trust = match text(&source, "/spec/restic/customCA/key") {
        "" => String::new(),
        key => format!("; movers trust the certificate authorities in its `{key}`, and no other"),
    };
    Some(match action {
        Restore::Apply if keeps.is_empty() => format!("{name} is applied{trust}"),
        Restore::Apply => format!("{name} is applied, and keeps the {} that it has{trust}", keeps.join(", ")),
        Restore::Keep if !needs.is_empty() => format!("{name} cannot be rendered"),
        Restore::Keep => format!("{name} is not applied"),
        Restore::Consume | Restore::Delete => return None,
    })
}

/// The action on the ReplicationDestination, unless it stays as it is.
fn restore(plan: &Plan) -> Option<String> {
    let destination = || object(plan, Part::Destination);
    Some(match plan.verdict.restore {
        Restore::Apply => format!("{} is created", text(&destination(), "/metadata/name")),
        Restore::Consume => "its image is consumed, so that no later claim is populated from it".to_owned(),
        Restore::Delete => "the ReplicationDestination is deleted".to_owned(),
        Restore::Keep => return None,
    })
}

/// The action on the ReplicationSource, unless it stays as it is.
fn backup(plan: &Plan) -> Option<String> {
    let source = object(plan, Part::Source);
    let (name, schedule) = (text(&source, "/metadata/name"), text(&source, "/spec/trigger/schedule"));
    Some(match plan.verdict.backup {
        BackupAction::Release => format!("{name} runs: at once where it is new, then `{schedule}`"),
        BackupAction::Pause => format!("{name} is paused; then `{schedule}`"),
        BackupAction::Withhold => "no ReplicationSource is created for now".to_owned(),
        BackupAction::Delete if plan.steps.contains(&Step::DeleteSource) => {
            "the ReplicationSource is deleted".to_owned()
        }
        BackupAction::Delete => "the ReplicationSource is deleted as soon as no backup is in progress".to_owned(),
        BackupAction::Keep => return None,
    })
}

/// The object of a manifest; null if it is not rendered.
fn object(plan: &Plan, part: Part) -> Value {
    let object = plan.manifests.as_ref().and_then(|manifests| manifests.object(part));
    object.map(Object::read).unwrap_or_default()
}

/// The text at a JSON pointer, if there is one.
fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
