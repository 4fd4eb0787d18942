//! A case: what is asked, and what is expected of the answers.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::expect::Expect;

/// A case: where it is, what it asks, and what it expects.
pub struct Case {
    /// The path of the file that contains the case.
    pub file: PathBuf,
    /// The line of its name.
    pub line: u64,
    /// The name of the case: a sentence that says what it shows.
    pub name: String,
    /// The path of the file below the given directory, without the extension.
    pub label: String,
    /// The operation that is called.
    pub operation: Operation,
    /// The questions, in order: the steps of the story, or only one.
    pub steps: Vec<Step>,
    /// The files that the case names.
    pub files: Vec<PathBuf>,
    /// The keys of credentials that look real.
    pub looks_real: Vec<String>,
    /// Whether the credentials are in a separate file.
    pub(crate) borrows_credentials: bool,
}

/// A question of a case, and what is expected of the answer.
pub struct Step {
    /// What happens, in a sentence. None if the case has no story.
    pub name: Option<String>,
    /// The line at which it begins.
    pub line: u64,
    /// The payload of the operation. It contains credentials.
    pub payload: Value,
    /// What is expected of the answer.
    pub expect: Expect,
}

/// An operation of the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Takes a review, and returns its plan.
    #[default]
    Plan,
    /// Kubewarden's validation of a request.
    Validate,
    /// Kubewarden's validation of settings. Its payload is `settings` only.
    ValidateSettings,
}

impl Operation {
    /// The name of the operation in the module.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Plan => "plan",
            Operation::Validate => "validate",
            Operation::ValidateSettings => "validate_settings",
        }
    }
}

impl Case {
    /// The title that `--filter` matches, as in `evidence/pending: a claim waits`. No two cases of a suite have the
    /// same title.
    pub fn title(&self) -> String {
        format!("{}: {}", self.label, self.name)
    }
}
