//! `volsync-policy explain`: what would happen to a claim, and why, in words. It shows names, never a value of a
//! Secret.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use crate::args::Input;
use crate::outcome::Outcome;
use crate::planner::{Planned, plan_all};

const CLAIM: Style = Style::new().bold();
const CODE: Style = AnsiColor::Cyan.on_default().bold();

pub(crate) fn run(input: &Input) -> anyhow::Result<Outcome> {
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
    } else if planned.plan.get("patch").is_some_and(Value::is_array) {
        let sentence = "gets `spec.dataSourceRef` when it is created, and stays Pending until it is restored";
        sentences.push(("claim", sentence.to_owned()));
    }
    let name = |which: &str| planned.text(&format!("/manifests/{which}/object/metadata/name")).to_owned();
    match planned.text("/manifests/secret/action") {
        "apply" => sentences.push(("secret", format!("{} is applied", name("secret")))),
        "keep" => {
            sentences.push(("secret", format!("{} cannot be rendered", planned.text("/manifests/secret/name"))));
        }
        _ => {}
    }
    match planned.text("/manifests/destination/action") {
        "apply" => sentences.push(("restore", format!("{} is created", name("destination")))),
        "keep" => sentences.push(("restore", "none".to_owned())),
        _ => {}
    }
    let schedule = planned.text("/manifests/source/object/spec/trigger/schedule");
    match planned.text("/manifests/source/action") {
        "release" => sentences.push(("backup", format!("{} runs, at once and then `{schedule}`", name("source")))),
        "pause" => sentences.push(("backup", format!("{} is paused; then `{schedule}`", name("source")))),
        _ => {}
    }
    match planned.text("/verdict/wayOut") {
        "" => {}
        way_out => sentences.push(("way out", way_out.to_owned())),
    }
    sentences
}
