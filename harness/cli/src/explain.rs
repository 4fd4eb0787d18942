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
        let code = planned.text("/verdict/code");
        writeln!(out, "{CLAIM}{}{CLAIM:#}: {CODE}{code}{CODE:#}", planned.name())?;
        writeln!(out, "  {}", planned.text("/verdict/message"))?;
        for (topic, sentence) in sentences(planned) {
            writeln!(out, "  {topic:<9}{sentence}")?;
        }
        for (code, message) in planned.notes() {
            writeln!(out, "  {:<9}{code}: {message}", "note")?;
        }
        writeln!(out)?;
        Ok(())
    })
}

fn sentences(planned: &Planned) -> Vec<(&'static str, String)> {
    let mut sentences = Vec::new();
    if let Some(problem) = planned.problem() {
        sentences.push(("problem", problem.to_string()));
    }
    if planned.text("/verdict/admission") == "deny" {
        sentences.push(("claim", "is refused at admission".to_owned()));
    } else if planned.plan.get("patch").is_some_and(Value::is_array) && !is_bound(planned) {
        let sentence = "gets `spec.dataSourceRef` when it is created, and stays Pending until it is restored";
        sentences.push(("claim", sentence.to_owned()));
    }
    sentences.extend(secret(planned).map(|sentence| ("secret", sentence)));
    let is_served = planned.plan.get("manifests").is_some_and(Value::is_object);
    let kept = || is_served.then(|| "what is there stays as it is".to_owned());
    sentences.extend(restore(planned).or_else(kept).map(|sentence| ("restore", sentence)));
    sentences.extend(backup(planned).or_else(kept).map(|sentence| ("backup", sentence)));
    match planned.text("/verdict/wayOut") {
        "" => {}
        way_out => sentences.push(("way out", way_out.to_owned())),
    }
    match planned.text("/verdict/hold") {
        "" => {}
        hold => {
            let (namespace, name) = planned.names();
            sentences.push(("hold", format!("{hold}; a person accepts it with")));
            sentences.push(("", accept_command(namespace, name, hold)));
        }
    }
    sentences
}

/// Whether evidence shows the claim with its volume: what happens when it is created is of no interest any more.
fn is_bound(planned: &Planned) -> bool {
    planned.evidence.as_ref().and_then(|evidence| evidence.pointer("/claim/phase")) == Some(&Value::from("Bound"))
}

/// The name of a manifest that is rendered.
fn name<'a>(planned: &'a Planned, which: &str) -> &'a str {
    planned.text(&format!("/manifests/{which}/object/metadata/name"))
}

fn secret(planned: &Planned) -> Option<String> {
    let list = |key: &str| planned.plan.pointer(&format!("/manifests/secret/{key}")).and_then(Value::as_array);
    let name = planned.text("/manifests/secret/name");
    let kept: Vec<&str> = list("keeps").into_iter().flatten().filter_map(Value::as_str).collect();
    Some(match planned.text("/manifests/secret/action") {
        "apply" if kept.is_empty() => format!("{name} is applied"),
        "apply" => format!("{name} is applied, and keeps the {} that it has", kept.join(", ")),
        "keep" if list("needs").is_some_and(|needs| !needs.is_empty()) => format!("{name} cannot be rendered"),
        "keep" => format!("{name} is not applied; what is there stays as it is"),
        _ => return None,
    })
}

/// What is done with the ReplicationDestination, unless it stays as it is.
fn restore(planned: &Planned) -> Option<String> {
    Some(match planned.text("/verdict/restore") {
        "apply" => format!("{} is created", name(planned, "destination")),
        "consume" => "its image is taken away, so that no later claim binds from it".to_owned(),
        "delete" => "the ReplicationDestination is deleted".to_owned(),
        _ => return None,
    })
}

/// What is done with the ReplicationSource, unless it stays as it is.
fn backup(planned: &Planned) -> Option<String> {
    let name = name(planned, "source");
    let schedule = planned.text("/manifests/source/object/spec/trigger/schedule");
    Some(match planned.text("/verdict/backup") {
        "release" => format!("{name} runs: at once where it is new, then `{schedule}`"),
        "pause" => format!("{name} is paused; then `{schedule}`"),
        "withhold" => "none is made for now".to_owned(),
        "delete" if planned.steps().any(|step| step == "deleteSource") => "the ReplicationSource is deleted".to_owned(),
        "delete" => "the ReplicationSource is deleted as soon as no backup is under way".to_owned(),
        _ => return None,
    })
}
