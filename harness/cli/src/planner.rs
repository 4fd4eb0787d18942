//! Plans claims one after another: documents in, the engine's plans out.

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use volsync_policy_engine::{CallError, Engine, Limits, Native, Wasm};

use crate::args::{self, Input};
use crate::documents::{self, Document};
use crate::outcome::{Outcome, complain, warn};
use crate::progress::Progress;

/// One claim and its plan, as JSON that holds credentials: what is printed of it is chosen by name.
pub(crate) struct Planned {
    /// The claim, or the request about it.
    pub(crate) request: Value,
    /// Where it came from.
    pub(crate) place: String,
    /// The plan as the engine gave it.
    pub(crate) json: Vec<u8>,
    pub(crate) plan: Value,
}

impl Planned {
    /// What stands at a JSON pointer of the plan, if it is text.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.plan.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The claim itself.
    pub(crate) fn claim(&self) -> &Value {
        let request = self.request.get("request").unwrap_or(&self.request);
        ["object", "oldObject"].iter().find_map(|key| request.get(key).filter(|v| v.is_object())).unwrap_or(request)
    }

    /// `namespace/name`. What came through the policy is a valid name; what did not is not printed.
    pub(crate) fn name(&self) -> String {
        let part = |key: &str| {
            let name = self.claim().pointer(&format!("/metadata/{key}")).and_then(Value::as_str).unwrap_or("?");
            if name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)) { name } else { "?" }
        };
        format!("{}/{}", part("namespace"), part("name"))
    }

    /// The notes, each with its code.
    pub(crate) fn notes(&self) -> impl Iterator<Item = (&str, &str)> {
        let notes = self.plan.get("notes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        notes.iter().filter_map(|note| Some((note.get("code")?.as_str()?, note.get("message")?.as_str()?)))
    }

    fn outcome(&self) -> Outcome {
        let denied = self.text("/verdict/admission") == "deny" || self.text("/verdict/code") == "NameUnknown";
        let no_secret = self.notes().any(|(code, _)| code == "CredentialsMissing");
        if denied || no_secret { Outcome::Refused } else { Outcome::Planned }
    }
}

/// Plans every claim of `input` and hands each plan to `print` before the next claim is read.
pub(crate) fn plan_all(
    input: &Input,
    mut print: impl FnMut(&Planned) -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    let engine = engine(input)?;
    let around = around(input)?;
    let mut outcome = Outcome::Planned;
    let (mut planned, mut unselected, mut passed_over) = (0_usize, 0_usize, 0_usize);
    let mut progress = Progress::new();
    for file in &input.files {
        for document in documents::read(file)? {
            let document = match document {
                Ok(document) => document,
                Err(error) => {
                    complain(&format!("{error:#}"));
                    outcome = Outcome::BadInput;
                    continue;
                }
            };
            for Document { value, place } in claims(document) {
                let Some(request) = request(value, input.namespace.as_deref()) else {
                    passed_over += 1;
                    continue;
                };
                match plan(engine.as_ref(), &around, request, place) {
                    Ok(plan) if plan.text("/verdict/code") == "NotSelected" => unselected += 1,
                    Ok(plan) => {
                        planned += 1;
                        outcome = outcome.max(plan.outcome());
                        print(&plan)?;
                    }
                    Err(error) => {
                        complain(&format!("{error:#}"));
                        outcome = Outcome::BadInput;
                    }
                }
                progress.show(planned);
            }
        }
    }
    progress.clear();
    if passed_over > 0 {
        warn(&format!("{passed_over} documents are no claims and were passed over"));
    }
    if unselected > 0 {
        warn(&format!("{unselected} claims are not selected: they lack the label, or their namespace is excluded"));
    }
    if planned + unselected == 0 && outcome == Outcome::Planned {
        complain("no claim in the input");
        return Ok(Outcome::BadInput);
    }
    Ok(outcome)
}

fn engine(input: &Input) -> anyhow::Result<Box<dyn Engine>> {
    Ok(match input.engine {
        args::Engine::Native => Box::new(Native),
        args::Engine::Wasm => {
            let module = Wasm::from_file(&input.module, Limits::default()).map_err(anyhow::Error::msg);
            Box::new(module.context("build the module with `cargo xtask wasm`, or name one with --module")?)
        }
    })
}

/// The part of a review that is the same for every claim.
fn around(input: &Input) -> anyhow::Result<Map<String, Value>> {
    let mut review = Map::new();
    let files = [("credentials", &input.credentials), ("settings", &input.settings), ("evidence", &input.evidence)];
    for (key, file) in files {
        if let Some(file) = file {
            review.insert(key.to_owned(), documents::read_one(file)?);
        }
    }
    if input.ungated {
        let settings = review.entry("settings").or_insert_with(|| json!({}));
        if let Some(settings) = settings.as_object_mut() {
            settings.insert("gate".to_owned(), json!("none"));
        }
    }
    Ok(review)
}

/// The documents in a document: the items of a List, else itself.
fn claims(document: Document) -> Vec<Document> {
    let Document { mut value, place } = document;
    let is_list = value.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
    match value.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if is_list => {
            let place = |index: usize| format!("{place}, item {}", index + 1);
            items.into_iter().enumerate().map(|(index, value)| Document { value, place: place(index) }).collect()
        }
        _ => vec![Document { value, place }],
    }
}

/// The document, if the policy can be asked about it: a claim, an AdmissionReview or its request.
fn request(mut document: Value, namespace: Option<&str>) -> Option<Value> {
    match document.get("kind") {
        Some(Value::String(kind)) if kind == "PersistentVolumeClaim" => {
            let metadata = document.get_mut("metadata").and_then(Value::as_object_mut);
            if let Some((metadata, namespace)) = metadata.zip(namespace) {
                metadata.entry("namespace").or_insert_with(|| json!(namespace));
            }
            Some(document)
        }
        Some(Value::String(kind)) => (kind == "AdmissionReview").then_some(document),
        _ => document.get("operation").is_some().then_some(document),
    }
}

fn plan(engine: &dyn Engine, around: &Map<String, Value>, request: Value, place: String) -> anyhow::Result<Planned> {
    let mut review = around.clone();
    review.insert("request".to_owned(), request.clone());
    match engine.call("plan", &serde_json::to_vec(&review)?) {
        Ok(json) => {
            let plan = serde_json::from_slice(&json).context("the engine's answer is not JSON")?;
            Ok(Planned { request, place, json, plan })
        }
        Err(CallError::Refused(problems)) => Err(anyhow::anyhow!(in_words(&problems, &place))),
        Err(error @ CallError::Failed(_)) => Err(anyhow::Error::new(error).context(place)),
    }
}

#[derive(Deserialize)]
struct Problems {
    problems: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    path: String,
    message: String,
    hint: Option<String>,
}

/// What the policy found wrong, a line each, with the place of the claim where the claim is meant.
fn in_words(problems: &str, place: &str) -> String {
    let Ok(Problems { problems }) = serde_json::from_str(problems) else { return problems.to_owned() };
    let lines: Vec<String> = (problems.iter())
        .map(|Problem { path, message, hint }| {
            let at = match path.strip_prefix("request.").or_else(|| path.strip_prefix("request")) {
                Some("") => place.to_owned(),
                Some(inner) => format!("{place}: {inner}"),
                None => path.clone(),
            };
            let hint = hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
            format!("{at}: {message}{hint}")
        })
        .collect();
    lines.join("\n")
}
