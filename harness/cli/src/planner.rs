//! Plans claims one after another: documents in, the engine's plans out.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde_json::{Map, Value, json};
use volsync_policy::{Code, ManifestsDocument, PlanDocument, Problem, ReviewError};
use volsync_policy_cases::{Missing, claim_of};
use volsync_policy_engine::{CallError, Engine, LoadError, Native, PlanFn, Runtime, load};

use crate::args::{self, Input};
use crate::documents::{self, Document};
use crate::evidence::{DumpFile, Given};
use crate::object::Object;
use crate::outcome::{Outcome, complain, warn};
use crate::progress::Progress;

/// A plan as an engine answers it.
pub(crate) type Plan = PlanDocument<'static, Object>;

/// Its manifests.
pub(crate) type Manifests = ManifestsDocument<'static, Object>;

/// One claim and its plan. It holds credentials: what is printed of it is chosen by name.
pub(crate) struct Planned {
    /// The claim, or the request about it.
    pub(crate) request: Value,
    /// Where it came from.
    pub(crate) place: String,
    /// The plan as the engine gave it.
    pub(crate) json: Vec<u8>,
    pub(crate) plan: Plan,
    /// The evidence that somebody told.
    pub(crate) told: Option<Value>,
    /// Whether it was made from stand-ins for credentials, so that its Secret must not be applied.
    pub(crate) has_stand_ins: bool,
    /// What a dump does not say about it.
    missing: Vec<Missing>,
}

impl Planned {
    /// The claim itself.
    pub(crate) fn claim(&self) -> &Value {
        claim_of(&self.request)
    }

    /// Namespace and name. Only names that the policy has checked are printed.
    pub(crate) fn names(&self) -> (&str, &str) {
        let part = |key: &str| {
            let metadata = self.claim().get("metadata");
            let name = metadata.and_then(|metadata| metadata.get(key)?.as_str()).unwrap_or("?");
            if name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)) { name } else { "?" }
        };
        (part("namespace"), part("name"))
    }

    /// `namespace/name`.
    pub(crate) fn name(&self) -> String {
        let (namespace, name) = self.names();
        format!("{namespace}/{name}")
    }

    /// Whether the policy selects the claim.
    pub(crate) fn is_selected(&self) -> bool {
        self.plan.verdict.code != Code::NotSelected
    }

    /// What a dump does not say about the claim: sentences, each with what follows from it.
    pub(crate) fn missing(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.missing.iter().map(|missing| {
            let help = match missing {
                Missing::Values(_) => "; --assume-secrets takes them for those that --credentials would make",
                _ => "",
            };
            (missing.topic(), format!("{missing}{help}"))
        })
    }

    fn outcome(&self) -> Outcome {
        if self.plan.refusal.is_some() { Outcome::Refused } else { Outcome::Planned }
    }
}

/// Plans every claim of `input` and passes each plan to `print` before the next claim is read.
///
/// Claims that cannot be read or planned are reported, and the others are still planned.
pub(crate) fn plan_all(
    input: &Input,
    mut print: impl FnMut(&Planned) -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    let engine = engine(input.runner.engine, input.runner.module.as_deref())?;
    let planner = Planner::of(engine.as_ref(), input)?;
    let (mut seen, mut looks) = (Seen::new(), 0);
    let namespace = input.claims.namespace.as_deref();
    let of_dump = planner.dump.as_ref().filter(|_| input.files.is_empty());
    let of_dump = of_dump.into_iter().flat_map(|dump| dump.requests(namespace));
    for request in requests(&input.files, namespace).chain(of_dump.map(|request| Ok(Some(request)))) {
        let Some(request) = seen.request(request) else { continue };
        let Some(planned) = seen.sound(planner.plan(request)) else { continue };
        if !planned.is_selected() {
            seen.unselected();
            continue;
        }
        seen.planned();
        looks += usize::from(planned.has_stand_ins);
        seen.outcome = seen.outcome.max(planned.outcome());
        match print(&planned) {
            // The reader has closed the pipe.
            Err(error) if is_broken_pipe(&error) => return Ok(seen.outcome),
            printed => printed?,
        }
    }
    if let Some(Given::Preset(_)) = &planner.evidence {
        warn("the evidence is a preset, made up to show a plan; nobody looked at a cluster or a store");
    }
    if looks > 0 && (input.settings.is_some() || input.claims.credentials.is_some()) {
        warn("a file of `look` has settings of its own; --settings and --credentials do not count for its claim");
    }
    Ok(seen.summary())
}

/// What a run has found so far.
pub(crate) struct Seen {
    outcome: Outcome,
    planned: usize,
    unselected: usize,
    passed_over: usize,
    progress: Progress,
}

impl Seen {
    pub(crate) fn new() -> Self {
        Seen { outcome: Outcome::Planned, planned: 0, unselected: 0, passed_over: 0, progress: Progress::new() }
    }

    /// The request in a document, if it could be read and is one.
    pub(crate) fn request(&mut self, read: anyhow::Result<Option<Document>>) -> Option<Document> {
        let request = self.sound(read)?;
        self.passed_over += usize::from(request.is_none());
        request
    }

    /// The value, if there is no error; otherwise the error is reported.
    pub(crate) fn sound<T>(&mut self, made: anyhow::Result<T>) -> Option<T> {
        made.map_err(|error| {
            complain(&format!("{error:#}"));
            self.outcome = Outcome::BadInput;
        })
        .ok()
    }

    pub(crate) fn planned(&mut self) {
        self.planned += 1;
        self.progress.show(self.planned);
    }

    pub(crate) fn unselected(&mut self) {
        self.unselected += 1;
    }

    /// Reports what was not planned, and returns how the run ends.
    pub(crate) fn summary(mut self) -> Outcome {
        self.progress.clear();
        if self.passed_over > 0 {
            warn(&format!("{} documents are no claims and were passed over", self.passed_over));
        }
        if self.unselected > 0 {
            let why = "they lack the label, or their namespace is excluded";
            warn(&format!("{} claims are not selected: {why}", self.unselected));
        }
        if self.planned + self.unselected == 0 && self.outcome == Outcome::Planned {
            complain("no claim in the input");
            return Outcome::BadInput;
        }
        self.outcome
    }
}

pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// The engine with that name; `module` is the file of the module that it runs, if one is named.
pub(crate) fn engine(engine: args::Engine, module: Option<&Path>) -> anyhow::Result<Box<dyn Engine>> {
    let runtime = match engine {
        args::Engine::Native => return Ok(Box::new(Native)),
        args::Engine::Wasm => Runtime::Wasmtime,
        args::Engine::Wasmi => Runtime::Wasmi,
    };
    load(runtime, module).map_err(|error| {
        let way_out = match error {
            LoadError::LeftOut(runtime) => {
                format!("build the command with this engine: `cargo build --features {}`", runtime.name())
            }
            LoadError::Module(_) => "build the module with `cargo xtask wasm`, or name one with --module".to_owned(),
        };
        anyhow::Error::new(error).context(way_out)
    })
}

/// What all reviews have in common, and the engine that plans them.
pub(crate) struct Planner<'a> {
    engine: &'a dyn Engine,
    plan: PlanFn<'a>,
    /// The part that is the same for every claim.
    shared: Map<String, Value>,
    evidence: Option<Given>,
    dump: Option<DumpFile>,
}

impl<'a> Planner<'a> {
    /// Settings and credentials are the same for every claim, so problems with them are reported once.
    pub(crate) fn new(
        engine: &'a dyn Engine,
        settings: Option<Value>,
        credentials: Option<Value>,
    ) -> anyhow::Result<Self> {
        let of = |part: Option<Value>| part.unwrap_or_default();
        let shared = [("settings", of(settings)), ("credentials", of(credentials))];
        let shared: Map<String, Value> = shared.into_iter().map(|(key, part)| (key.to_owned(), part)).collect();
        let plan = engine.under(&Value::Object(shared.clone())).map_err(anyhow::Error::msg)?;
        Ok(Planner { engine, plan, shared, evidence: None, dump: None })
    }

    fn of(engine: &'a dyn Engine, input: &Input) -> anyhow::Result<Self> {
        let read = |file: &Option<PathBuf>| file.as_deref().map(documents::read_one).transpose();
        let credentials = read(&input.claims.credentials)?;
        let mut settings = read(&input.settings)?;
        if input.ungated
            && let Some(settings) = settings.get_or_insert_with(|| json!({})).as_object_mut()
        {
            settings.insert("gate".to_owned(), json!("none"));
        }
        let evidence = input.evidence.as_deref().map(Given::read).transpose()?;
        let dump = input.seen.as_deref().map(|file| DumpFile::read(file, input.assume_secrets)).transpose()?;
        Ok(Planner { evidence, dump, ..Planner::new(engine, settings, credentials)? })
    }

    pub(crate) fn plan(&self, Document { value: request, place }: Document) -> anyhow::Result<Planned> {
        let told = self.evidence(&request)?;
        let (answer, missing) = match &self.dump {
            Some(dump) => {
                let (inspection, missing) = dump.inspection(&request, &self.shared);
                (self.engine.call("plan", &serde_json::to_vec(&inspection)?), missing)
            }
            None => {
                let review = Review { request: &request, shared: None, evidence: told.as_ref() };
                ((self.plan)(&serde_json::to_vec(&review)?), Vec::new())
            }
        };
        match answer {
            Ok(json) => {
                // The library's own message could quote the document.
                let plan = str::from_utf8(&json).ok().and_then(|json| serde_json::from_str(json).ok());
                let plan = plan.with_context(|| format!("{place}: the engine's answer is no plan"))?;
                let has_stand_ins = self.dump.as_ref().is_some_and(|dump| dump.has_look(&request));
                Ok(Planned { request, place, json, plan, told, has_stand_ins, missing })
            }
            Err(CallError::Refused(problems)) => Err(anyhow::anyhow!(in_words(&problems, &place))),
            Err(error @ CallError::Failed(_)) => Err(anyhow::Error::new(error).context(place)),
        }
    }

    /// The evidence for one claim.
    fn evidence(&self, request: &Value) -> anyhow::Result<Option<Value>> {
        let preset = match &self.evidence {
            None => return Ok(None),
            Some(Given::File(evidence)) => return Ok(Some(evidence.clone())),
            Some(Given::Preset(preset)) => preset,
        };
        let review = serde_json::to_vec(&Review { request, shared: Some(&self.shared), evidence: None })?;
        Ok(Some(serde_json::to_value(preset.expand(request, &review))?))
    }
}

/// The requests in the input, one after another; none for a document that is not a request.
pub(crate) fn requests(
    files: &[PathBuf],
    namespace: Option<&str>,
) -> impl Iterator<Item = anyhow::Result<Option<Document>>> {
    let documents = files.iter().flat_map(|file| documents::read(file));
    let items = documents.flat_map(|document| match document {
        Ok(document) => items(document).into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    });
    items.map(move |item| {
        let Document { value, place } = item?;
        Ok(request(value, namespace).map(|value| Document { value, place }))
    })
}

/// The documents in a document: the items of a List, each with the kind of the list if it has none of its own;
/// otherwise the document itself.
fn items(document: Document) -> Vec<Document> {
    let Document { mut value, place } = document;
    let kind = value.get("kind").and_then(Value::as_str).and_then(|kind| kind.strip_suffix("List")).map(str::to_owned);
    let Some((kind, Value::Array(items))) = kind.zip(value.get_mut("items").map(Value::take)) else {
        return vec![Document { value, place }];
    };
    let item = |(index, mut value): (usize, Value)| {
        if let Some(item) = value.as_object_mut().filter(|_| !kind.is_empty()) {
            item.entry("kind").or_insert_with(|| json!(kind));
        }
        Document { value, place: format!("{place}, item {}", index + 1) }
    };
    items.into_iter().enumerate().map(item).collect()
}

/// The document, if the policy can plan it: a claim, an AdmissionReview or its request.
pub(crate) fn request(mut document: Value, namespace: Option<&str>) -> Option<Value> {
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

/// A review. The parts that are the same for every claim are not copied.
#[derive(Serialize)]
struct Review<'a> {
    request: &'a Value,
    #[serde(flatten)]
    shared: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<&'a Value>,
}

/// The policy's problems, one per line. The request in them is replaced by the place of the claim.
fn in_words(error: &str, place: &str) -> String {
    let Ok(ReviewError { problems }) = serde_json::from_str(error) else { return error.to_owned() };
    let at = |problem: Problem| match problem.path.strip_prefix("request") {
        Some("") => Problem { path: place.to_owned(), ..problem },
        Some(inner) => Problem { path: format!("{place}: {}", inner.trim_start_matches('.')), ..problem },
        None => problem,
    };
    problems.into_iter().map(|problem| at(problem).to_string()).collect::<Vec<_>>().join("\n")
}
