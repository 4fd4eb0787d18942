//! What `--evidence` takes: a file, or a preset.

use std::path::Path;

use anyhow::Context;
use serde_json::Value;
use volsync_policy_cases::Preset;

use crate::documents;

/// What `--evidence` names.
pub(crate) enum Given {
    /// Evidence that is the same for every claim.
    File(Value),
    /// Evidence to be made up for each.
    Preset(Preset),
}

impl Given {
    /// What reads as a preset is one; a file of such a name is given with its folder.
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
