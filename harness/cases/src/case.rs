//! A case: what is asked, and what is expected of the answers.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::expect::Expect;

/// A case, where it stands, and what it asks.
pub struct Case {
    /// The file.
    pub file: PathBuf,
    /// The line of its name.
    pub line: u64,
    /// What is shown, in a sentence.
    pub name: String,
    /// The file below the folder that was named, without its ending.
    pub label: String,
    /// The operation that is called.
    pub operation: Operation,
    /// What is asked, in this order: the steps of its story, else one.
    pub steps: Vec<Step>,
    /// The files that it names.
    pub files: Vec<PathBuf>,
    /// The keys of credentials that look real.
    pub looks_real: Vec<String>,
    /// Whether its credentials stand in a file of their own.
    pub(crate) borrows_credentials: bool,
}

/// One question of a case, and what is expected of the answer.
pub struct Step {
    /// What happens, in a sentence; nothing where there is no story.
    pub name: Option<String>,
    /// The line at which it begins.
    pub line: u64,
    /// What is asked: it holds credentials.
    pub payload: Value,
    /// What is expected of the answer.
    pub expect: Expect,
}

/// An operation of the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A review in, its plan out.
    #[default]
    Plan,
    /// Kubewarden's question about a request.
    Validate,
    /// Kubewarden's question about settings: `settings` alone is its payload.
    ValidateSettings,
}

impl Operation {
    /// As the module names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Plan => "plan",
            Operation::Validate => "validate",
            Operation::ValidateSettings => "validate_settings",
        }
    }
}

impl Case {
    /// By what it is selected, as in `evidence/pending: a claim waits`. No two cases of a suite are called alike.
    pub fn title(&self) -> String {
        format!("{}: {}", self.label, self.name)
    }
}
