//! What is expected of an answer.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::Value;

/// What is expected of an answer. Keys that are left out are not compared. A key that is present is, even if it is
/// `null`.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Expect {
    /// `verdict.code`.
    #[serde(deserialize_with = "given")]
    pub code: Option<Value>,
    /// `verdict.admission`.
    #[serde(deserialize_with = "given")]
    pub admission: Option<Value>,
    /// `verdict.restore`.
    #[serde(deserialize_with = "given")]
    pub restore: Option<Value>,
    /// `verdict.backup`.
    #[serde(deserialize_with = "given")]
    pub backup: Option<Value>,
    /// `verdict.problem`.
    #[serde(deserialize_with = "given")]
    pub problem: Option<Value>,
    /// `patch`.
    #[serde(deserialize_with = "given")]
    pub patch: Option<Value>,
    /// `manifests.secret.object`, with its `data` decoded as `stringData`, so that a person can check it.
    #[serde(deserialize_with = "given")]
    pub secret: Option<Value>,
    /// `manifests.secret.needs`.
    #[serde(deserialize_with = "given")]
    pub needs: Option<Value>,
    /// `manifests.destination.object`.
    #[serde(deserialize_with = "given")]
    pub destination: Option<Value>,
    /// `manifests.source.object`.
    #[serde(deserialize_with = "given")]
    pub source: Option<Value>,
    /// `steps`.
    #[serde(deserialize_with = "given")]
    pub steps: Option<Value>,
    /// The codes of `notes`, in order.
    #[serde(deserialize_with = "given")]
    pub notes: Option<Value>,
    /// The messages of `notes`, in order.
    #[serde(deserialize_with = "given")]
    pub messages: Option<Value>,
    /// The message of Kubewarden's answer.
    #[serde(deserialize_with = "given")]
    pub message: Option<Value>,
    /// The warnings of Kubewarden's answer.
    #[serde(deserialize_with = "given")]
    pub warnings: Option<Value>,
    /// The problems for which the payload is refused.
    #[serde(deserialize_with = "given")]
    pub problems: Option<Value>,
    /// The whole answer.
    #[serde(deserialize_with = "given")]
    pub answer: Option<Value>,
    /// The values at JSON pointers of the answer.
    pub at: BTreeMap<String, Value>,
    /// The parts of `secret`, `destination` and `source` that are not compared: JSON pointers into each.
    pub except: BTreeMap<String, Vec<String>>,
}

/// A value that is present, even if it is `null`: `Some(Null)` is expected to be null, and `None` is not compared.
pub(crate) fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The place of the Secret in a plan.
pub(crate) const SECRET: &str = "/manifests/secret/object";

/// The manifests of which parts may be ignored.
const MANIFESTS: [&str; 3] = ["destination", "secret", "source"];

/// One expectation.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a> {
    /// Its key under `expect`; for those under `at`, that key.
    pub(crate) field: &'static str,
    /// The place in the answer, as a JSON pointer.
    pub(crate) pointer: &'a str,
    /// The expected value.
    pub(crate) value: &'a Value,
}

impl Expect {
    /// Every expectation, one after the other.
    pub(crate) fn all(&self) -> impl Iterator<Item = Expected<'_>> {
        let fields = [
            ("code", "/verdict/code", &self.code),
            ("admission", "/verdict/admission", &self.admission),
            ("restore", "/verdict/restore", &self.restore),
            ("backup", "/verdict/backup", &self.backup),
            ("problem", "/verdict/problem", &self.problem),
            ("patch", "/patch", &self.patch),
            ("secret", SECRET, &self.secret),
            ("needs", "/manifests/secret/needs", &self.needs),
            ("destination", "/manifests/destination/object", &self.destination),
            ("source", "/manifests/source/object", &self.source),
            ("steps", "/steps", &self.steps),
            ("notes", "/notes", &self.notes),
            ("messages", "/notes", &self.messages),
            ("message", "/message", &self.message),
            ("warnings", "/warnings", &self.warnings),
            ("problems", "/problems", &self.problems),
            ("answer", "", &self.answer),
        ];
        let fields = fields
            .into_iter()
            .filter_map(|(field, pointer, value)| value.as_ref().map(|value| Expected { field, pointer, value }));
        fields.chain(self.at.iter().map(|(pointer, value)| Expected { field: "at", pointer, value }))
    }

    /// The parts of the expectation `field` that are not compared.
    pub(crate) fn except(&self, field: &str) -> &[String] {
        self.except.get(field).map(Vec::as_slice).unwrap_or_default()
    }

    /// Refuses expectations that could not fail, and exceptions without an expectation.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.all().next().is_none() {
            bail!("expects nothing");
        }
        for pointer in self.at.keys() {
            check_pointer(pointer).context("at")?;
        }
        for (manifest, pointers) in &self.except {
            self.check_exceptions(manifest, pointers).with_context(|| format!("except: `{manifest}`"))?;
        }
        Ok(())
    }

    fn check_exceptions(&self, manifest: &str, pointers: &[String]) -> anyhow::Result<()> {
        if !MANIFESTS.contains(&manifest) {
            bail!("is no manifest; write `{}`", MANIFESTS.join("`, `"));
        }
        let Some(expected) = self.all().find(|expected| expected.field == manifest) else {
            bail!("is not expected here, so nothing can be left out of it");
        };
        if pointers.is_empty() {
            bail!("nothing is left out; remove it");
        }
        for pointer in pointers {
            check_pointer(pointer)?;
            if pointer.is_empty() {
                bail!("everything is left out; remove the expectation instead");
            }
            if expected.value.pointer(pointer).is_some() {
                bail!("{pointer} is expected and left out at once");
            }
        }
        Ok(())
    }
}

/// Refuses an invalid JSON pointer (RFC 6901).
pub(crate) fn check_pointer(pointer: &str) -> anyhow::Result<()> {
    if !pointer.is_empty() && !pointer.starts_with('/') {
        bail!("`{pointer}` is no JSON pointer; it begins with `/`, as in `/verdict/row`");
    }
    Ok(())
}
