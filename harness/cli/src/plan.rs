//! A plan, as far as the command reads what an engine answers. Objects stay text until somebody looks into one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny};
use serde_json::Value;
use volsync_policy::Problem;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Plan {
    pub(crate) verdict: Verdict,
    /// Why the claim does not get what its label asks for, where it does not.
    pub(crate) refusal: Option<Problem>,
    /// Where the claim's data is restored to, in the word of settings.
    pub(crate) restore_mode: Option<String>,
    /// The change to the claim, where there is one.
    pub(crate) patch: Option<Object>,
    /// Where the claim is served.
    pub(crate) manifests: Option<Manifests>,
    steps: Vec<Step>,
    pub(crate) notes: Vec<Note>,
    /// What was made of what was seen.
    pub(crate) evidence: Option<Object>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Verdict {
    pub(crate) code: String,
    pub(crate) message: String,
    /// What is wrong with the claim, where something is.
    pub(crate) problem: Option<Problem>,
    pub(crate) way_out: Option<String>,
    pub(crate) hold: Option<String>,
    pub(crate) admission: String,
    pub(crate) restore: String,
    pub(crate) backup: String,
}

#[derive(Deserialize)]
pub(crate) struct Manifests {
    pub(crate) secret: SecretManifest,
    pub(crate) destination: Manifest,
    pub(crate) source: Manifest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretManifest {
    pub(crate) action: String,
    pub(crate) name: String,
    pub(crate) repository_path: String,
    pub(crate) object: Option<Object>,
    pub(crate) needs: Vec<Need>,
    pub(crate) keeps: Vec<String>,
}

/// A key without which there is no Secret.
#[derive(Deserialize)]
pub(crate) struct Need {
    pub(crate) key: String,
}

#[derive(Deserialize)]
pub(crate) struct Manifest {
    pub(crate) object: Option<Object>,
}

#[derive(Deserialize)]
pub(crate) struct Note {
    pub(crate) code: String,
    pub(crate) message: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Step {
    Alone(String),
    With(BTreeMap<String, IgnoredAny>),
}

/// An object of the plan, in JSON, its keys in the engine's order. `RawValue` would be this, but where its feature is
/// switched on serde_json takes an object of a certain key for more than it is, wherever one is read.
pub(crate) struct Object(String);

impl Object {
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    pub(crate) fn read(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Most fit.
        let mut text = Vec::with_capacity(2048);
        let written = serde_transcode::transcode(deserializer, &mut serde_json::Serializer::new(&mut text));
        let text = written.ok().and_then(|()| String::from_utf8(text).ok());
        text.map(Object).ok_or_else(|| D::Error::custom("expected an object"))
    }
}

impl Plan {
    /// The names of the steps, in their order.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| match step {
            Step::Alone(name) => Some(name.as_str()),
            Step::With(content) => content.keys().next().map(String::as_str),
        })
    }

    /// Whether the policy has anything to do with the claim.
    pub(crate) fn is_selected(&self) -> bool {
        self.verdict.code != "NotSelected"
    }
}

/// Whether a step applies a manifest.
pub(crate) fn applies(step: &str) -> bool {
    matches!(step, "applySecret" | "applyDestination" | "applySource")
}

impl Manifests {
    /// The object that a step applies.
    pub(crate) fn applied_by(&self, step: &str) -> Option<&Object> {
        match step {
            "applySecret" => self.secret.object.as_ref(),
            "applyDestination" => self.destination.object.as_ref(),
            "applySource" => self.source.object.as_ref(),
            _ => None,
        }
    }
}
