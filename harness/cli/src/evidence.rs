//! The values of `--evidence`, a file or a preset, and of `--seen`, a dump.

use std::path::Path;

use anyhow::Context;
use serde_json::{Map, Value, json};
use volsync_policy_cases::{Dump, Missing, Preset};

use crate::documents::{self, Document};

/// The value of `--evidence`.
pub(crate) enum Given {
    /// Evidence that is the same for every claim.
    File(Value),
    /// A preset, which is expanded for each claim.
    Preset(Preset),
}

impl Given {
    /// A value that can be read as a preset is one. A file with such a name needs its directory, as in `./fresh`.
    pub(crate) fn read(given: &Path) -> anyhow::Result<Given> {
        match Preset::parse(&given.to_string_lossy()) {
            Ok(preset) => Ok(Given::Preset(preset)),
            Err(_) if given == Path::new("-") || given.exists() => Ok(Given::File(documents::read_one(given)?)),
            Err(why) => {
                Err(why).with_context(|| format!("--evidence {}: neither a file nor a preset", given.display()))
            }
        }
    }
}

/// The dump of `--seen`.
pub(crate) struct DumpFile {
    dump: Dump,
    name: String,
    assumes_secrets: bool,
}

impl DumpFile {
    pub(crate) fn read(file: &Path, assumes_secrets: bool) -> anyhow::Result<DumpFile> {
        let mut dump = Dump::default();
        for document in documents::read(file) {
            let Document { value, place } = document?;
            dump.add(value).context(place)?;
        }
        Ok(DumpFile { dump, name: file.display().to_string(), assumes_secrets })
    }

    /// The claims in the dump, as requests; with a namespace, only those in it.
    pub(crate) fn requests(&self, namespace: Option<&str>) -> impl Iterator<Item = Document> {
        let is_asked_for = move |claim: &&Value| {
            namespace.is_none_or(|namespace| claim.pointer("/metadata/namespace") == Some(&json!(namespace)))
        };
        let claims = self.dump.claims().filter(is_asked_for);
        claims.map(|claim| Document { value: claim.clone(), place: self.name.clone() })
    }

    /// Whether the dump has an inspection of the claim that a request is about, with settings and stand-ins of its own.
    pub(crate) fn has_look(&self, request: &Value) -> bool {
        self.dump.has_look(request)
    }

    /// The inspection of the claim that a request is about, and what the dump does not say about it. `shared` are
    /// settings and credentials.
    pub(crate) fn inspection(
        &self,
        request: &Value,
        shared: &Map<String, Value>,
    ) -> (Map<String, Value>, Vec<Missing>) {
        self.dump.inspection(request, shared, self.assumes_secrets)
    }
}
