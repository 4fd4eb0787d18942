//! How the cases of a file are read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;
use serde_json::{Map, Value};
use serde_saphyr::{Spanned, UserMessageFormatter};

use crate::case::{Case, Operation, Step};
use crate::credentials::look_real;
use crate::expect::Expect;
use crate::preset::Preset;
use crate::story::StoryStep;

/// A case as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    name: Spanned<String>,
    #[serde(default)]
    operation: Operation,
    request: Option<Value>,
    credentials: Option<Value>,
    settings: Option<Value>,
    evidence: Option<Value>,
    #[serde(default)]
    expect: Expect,
    story: Option<Vec<StoryStep>>,
}

/// Reads the cases of one file, which is called `label`.
///
/// # Errors
///
/// Everything that is wrong, each with its place; what a case holds is not quoted.
pub(crate) fn file(file: &Path, label: &str) -> Result<Vec<Case>, Vec<anyhow::Error>> {
    text(&read_to_string(file).map_err(|error| vec![error])?, file, label)
}

/// Reads the cases in the text of a file, as [`file()`] does.
pub(crate) fn text(text: &str, file: &Path, label: &str) -> Result<Vec<Case>, Vec<anyhow::Error>> {
    let documents = documents::<Document>(text, file).map_err(|error| vec![error])?;
    if documents.is_empty() {
        return Err(vec![anyhow!("{}: no case in it", file.display())]);
    }
    let (mut cases, mut faults) = (Vec::new(), Vec::new());
    for document in documents {
        let place = format!("{}:{}: the case {:?}", file.display(), line(&document.name), document.name.value);
        match document.case(file, label) {
            Ok(case) => cases.push(case),
            Err(fault) => faults.push(fault.context(place)),
        }
    }
    if faults.is_empty() { Ok(cases) } else { Err(faults) }
}

/// What is wrong with a step, with its place.
fn fault(step: &Step, fault: &anyhow::Error) -> anyhow::Error {
    match &step.name {
        Some(name) => anyhow!("line {}: the step {name:?}: {fault:#}", step.line),
        None => anyhow!("{fault:#}"),
    }
}

fn read_to_string(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| file.display().to_string())
}

/// The documents in the text of a file. No error quotes what stands around the fault: it may be a credential.
fn documents<T: serde::de::DeserializeOwned>(text: &str, file: &Path) -> anyhow::Result<Vec<T>> {
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| anyhow!("{}: {}", file.display(), error.render_with_formatter(&UserMessageFormatter)))
}

/// The one document of a file.
pub(crate) fn document(file: &Path) -> anyhow::Result<Value> {
    let mut documents = documents(&read_to_string(file)?, file)?;
    match (documents.pop(), documents.is_empty()) {
        (Some(document), true) => Ok(document),
        (None, _) => bail!("{}: no document in it", file.display()),
        (Some(_), false) => bail!("{}: more than one document; a case takes one", file.display()),
    }
}

fn line<T>(spanned: &Spanned<T>) -> u64 {
    spanned.referenced.line()
}

impl Case {
    /// Reads the one case in the text of a `file`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each with its place; what it holds is not quoted.
    pub fn parse(text: &str, file: &Path) -> Result<Case, Vec<anyhow::Error>> {
        let mut cases = self::text(text, file, "")?;
        match (cases.pop(), cases.len()) {
            (Some(case), 0) => Ok(case),
            (_, others) => Err(vec![anyhow!("{}: {} cases; write one", file.display(), others + 1)]),
        }
    }
}

impl Document {
    fn case(self, file: &Path, label: &str) -> anyhow::Result<Case> {
        let (line, name) = (line(&self.name), self.name.value);
        let mut files = Files { folder: file.parent().unwrap_or(Path::new("")), named: Vec::new(), credentials: false };
        let parts = [
            ("request", self.request),
            ("credentials", self.credentials),
            ("settings", self.settings),
            ("evidence", self.evidence),
        ];
        let parts = parts.into_iter().filter_map(|(key, part)| Some((key.to_owned(), part?)));
        let mut review: Map<String, Value> = parts.collect();
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
        let credentials = steps.iter().filter_map(|step| step.payload.get("credentials"));
        let looks_real: BTreeSet<String> = credentials.flat_map(look_real).collect();
        Ok(Case {
            file: file.to_owned(),
            line,
            label: label.to_owned(),
            name,
            operation: self.operation,
            steps,
            borrows_credentials: files.credentials,
            files: files.named,
            looks_real: looks_real.into_iter().collect(),
        })
    }
}

/// The steps of a story, each with the review as it is by then.
fn tell(story: Vec<StoryStep>, mut review: Map<String, Value>, files: &mut Files<'_>) -> anyhow::Result<Vec<Step>> {
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

/// The files that a case names.
struct Files<'a> {
    folder: &'a Path,
    named: Vec<PathBuf>,
    /// Whether credentials stood in one.
    credentials: bool,
}

impl Files<'_> {
    /// Puts what is meant in the place of text: a file's one document, a preset's evidence.
    fn write_out(&mut self, review: &mut Map<String, Value>) -> anyhow::Result<()> {
        for (key, part) in review.iter_mut() {
            match part {
                Value::String(text) if key != "evidence" => {
                    self.credentials |= key == "credentials";
                    *part = self.read(text).with_context(|| key.clone())?;
                }
                _ => {}
            }
        }
        let Some(Value::String(text)) = review.get("evidence").cloned() else { return Ok(()) };
        review.remove("evidence");
        let evidence = match Preset::parse(&text) {
            Ok(preset) => {
                let json = serde_json::to_vec(&review)?;
                serde_json::to_value(preset.expand(review.get("request").unwrap_or(&Value::Null), &json))?
            }
            Err(_) if self.folder.join(&text).exists() => self.read(&text).context("evidence")?,
            Err(why) => return Err(why.context(format!("evidence: `{text}` is neither a file nor a preset"))),
        };
        review.insert("evidence".to_owned(), evidence);
        Ok(())
    }

    fn read(&mut self, name: &str) -> anyhow::Result<Value> {
        let file = self.folder.join(name);
        let document = document(&file)?;
        self.named.push(file);
        Ok(document)
    }
}
