//! Reads the cases of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_saphyr::{Spanned, UserMessageFormatter};

use crate::base::{Bases, Files, Parts, Start, Written};
use crate::case::{Case, Operation, Step};
use crate::credentials::{look_real, secrets};
use crate::expect::{Expect, given};
use crate::story::StoryStep;

/// A document of a file: a case, or the bases of the cases after it.
#[derive(Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Document {
    bases: Option<Written>,
    name: Option<Spanned<String>>,
    operation: Operation,
    base: Option<String>,
    #[serde(deserialize_with = "given")]
    request: Option<Value>,
    #[serde(deserialize_with = "given")]
    credentials: Option<Value>,
    #[serde(deserialize_with = "given")]
    settings: Option<Value>,
    #[serde(deserialize_with = "given")]
    evidence: Option<Value>,
    #[serde(deserialize_with = "given")]
    seen: Option<Value>,
    change: BTreeMap<String, Value>,
    expect: Expect,
    story: Option<Vec<StoryStep>>,
}

/// What is wrong with a file of cases.
#[derive(Default)]
pub(crate) struct Faults {
    /// Every problem, each with its place. The content of cases is not quoted.
    pub(crate) all: Vec<anyhow::Error>,
    /// The file with the bases, which is not itself read for cases.
    pub(crate) bases: Option<PathBuf>,
}

impl From<anyhow::Error> for Faults {
    fn from(fault: anyhow::Error) -> Self {
        Faults { all: vec![fault], bases: None }
    }
}

/// Reads the cases of one file. `label` begins their titles.
///
/// # Errors
///
/// The file has a fault.
pub(crate) fn file(file: &Path, label: &str) -> Result<Vec<Case>, Faults> {
    text(&read_to_string(file)?, file, label)
}

/// Reads the cases in the text of a file, as [`file()`] does.
pub(crate) fn text(text: &str, file: &Path, label: &str) -> Result<Vec<Case>, Faults> {
    let documents: Vec<Spanned<Document>> = documents(text, file)?;
    let mut documents = documents.into_iter().peekable();
    let mut faults = Faults::default();
    let bases = match documents.next_if(|document| document.value.bases.is_some()) {
        Some(document) => {
            let written = bases(document, file)?;
            faults.bases = written.file(file);
            match Bases::read(written, file) {
                Ok(bases) => bases,
                Err(fault) => return Err(Faults { all: vec![fault], ..faults }),
            }
        }
        None => Bases::default(),
    };
    if documents.peek().is_none() {
        return Err(Faults { all: vec![anyhow!("{}: no case in it", file.display())], ..faults });
    }
    let mut cases = Vec::new();
    for document in documents {
        match case(document, &bases, file, label) {
            Ok(case) => cases.push(case),
            Err(fault) => faults.all.push(fault),
        }
    }
    if faults.all.is_empty() { Ok(cases) } else { Err(faults) }
}

/// The bases in the first document of a file, which contains nothing else.
fn bases(document: Spanned<Document>, file: &Path) -> anyhow::Result<Written> {
    let line = line(&document);
    let mut document = document.value;
    match document.bases.take() {
        Some(bases) if document == Document::default() => Ok(bases),
        _ => bail!("{}:{line}: `bases` stand in a document of their own", file.display()),
    }
}

/// The case in a document.
fn case(document: Spanned<Document>, bases: &Bases, file: &Path, label: &str) -> anyhow::Result<Case> {
    let line = line(&document);
    let document = document.value;
    if document.bases.is_some() {
        bail!("{}:{line}: `bases` stand in the first document of a file", file.display());
    }
    let Some(name) = document.name.clone() else { bail!("{}:{line}: a case without a `name`", file.display()) };
    let place = || format!("{}:{}: the case {:?}", file.display(), self::line(&name), name.value);
    document.case(&name, bases, file, label).with_context(place)
}

/// A problem of a step, with its place.
fn fault(step: &Step, fault: &anyhow::Error) -> anyhow::Error {
    match &step.name {
        Some(name) => anyhow!("line {}: the step {name:?}: {fault:#}", step.line),
        None => anyhow!("{fault:#}"),
    }
}

fn read_to_string(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| file.display().to_string())
}

/// The documents in the text of a file. No error quotes the text around the problem, which may contain a credential.
fn documents<T: DeserializeOwned>(text: &str, file: &Path) -> anyhow::Result<Vec<T>> {
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| anyhow!("{}: {}", file.display(), error.render_with_formatter(&UserMessageFormatter)))
}

/// The only document of a file.
pub(crate) fn document<T: DeserializeOwned>(file: &Path) -> anyhow::Result<T> {
    let mut documents = documents(&read_to_string(file)?, file)?;
    match (documents.pop(), documents.is_empty()) {
        (Some(document), true) => Ok(document),
        (None, _) => bail!("{}: no document in it", file.display()),
        (Some(_), false) => bail!("{}: more than one document; a case takes one", file.display()),
    }
}

/// All documents of a file. JSON documents may follow one another, as `kubectl` prints them.
pub(crate) fn documents_in(file: &Path) -> anyhow::Result<Vec<Value>> {
    let text = read_to_string(file)?;
    let json: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(&text).into_iter().collect();
    json.or_else(|_| documents(&text, file))
}

pub(crate) fn line<T>(spanned: &Spanned<T>) -> u64 {
    spanned.referenced.line()
}

impl Case {
    /// Reads the only case in the text of a file. `file` is its name in errors.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each problem with its place. The content is not quoted.
    pub fn parse(text: &str, file: &Path) -> Result<Case, Vec<anyhow::Error>> {
        let mut cases = self::text(text, file, "").map_err(|faults| faults.all)?;
        match (cases.pop(), cases.len()) {
            (Some(case), 0) => Ok(case),
            (_, others) => Err(vec![anyhow!("{}: {} cases; write one", file.display(), others + 1)]),
        }
    }
}

impl Document {
    fn case(self, name: &Spanned<String>, bases: &Bases, file: &Path, label: &str) -> anyhow::Result<Case> {
        let line = line(name);
        let parts = Parts {
            base: self.base,
            request: self.request,
            credentials: self.credentials,
            settings: self.settings,
            evidence: self.evidence,
            seen: self.seen,
            change: self.change,
        };
        let Start { mut review, mut files } = bases.start(parts, file)?;
        files.write_out(&mut review)?;
        let steps = match self.story {
            _ if self.operation == Operation::ValidateSettings => {
                let settings = review.remove("settings").unwrap_or_default();
                if !review.is_empty() || self.story.is_some() {
                    bail!("takes settings alone");
                }
                vec![Step { name: None, line, payload: settings, expect: self.expect }]
            }
            None => vec![Step { name: None, line, payload: Value::Object(review), expect: self.expect }],
            Some(story) => {
                if self.expect != Expect::default() {
                    bail!("has a story: what is expected stands in its steps");
                }
                tell(story, review, &mut files)?
            }
        };
        for step in &steps {
            step.expect.check().map_err(|wrong| fault(step, &wrong))?;
        }
        let credentials = steps.iter().flat_map(|step| secrets(&step.payload));
        let looks_real: BTreeSet<String> = credentials.flat_map(look_real).collect();
        Ok(Case {
            file: file.to_owned(),
            line,
            label: label.to_owned(),
            name: name.value.clone(),
            operation: self.operation,
            steps,
            borrows_credentials: files.credentials,
            files: files.named,
            looks_real: looks_real.into_iter().collect(),
        })
    }
}

/// The steps of a story, each with the review as it is at that step.
fn tell(story: Vec<StoryStep>, mut review: Map<String, Value>, files: &mut Files) -> anyhow::Result<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    for told in story {
        let mut step = Step {
            line: line(&told.step),
            name: Some(told.step.value.clone()),
            payload: Value::Null,
            expect: told.expect.clone(),
        };
        if steps.iter().any(|earlier| earlier.name == step.name) {
            return Err(fault(&step, &anyhow!("a second step of that name")));
        }
        (told.apply(&mut review).and_then(|()| files.write_out(&mut review))).map_err(|wrong| fault(&step, &wrong))?;
        step.payload = Value::Object(review.clone());
        if steps.last().is_some_and(|before| before.payload == step.payload) {
            return Err(fault(&step, &anyhow!("nothing happens: write `after` or `change`")));
        }
        steps.push(step);
    }
    if steps.is_empty() {
        bail!("story: has no step");
    }
    Ok(steps)
}
