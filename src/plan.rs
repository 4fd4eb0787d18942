//! A plan: the answer to a review, always of the same shape.

use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::decision::Verdict;
use crate::hold::Hold;
use crate::manifests::{Manifests, SecretManifest};
use crate::note::Note;
use crate::patch::DataSourcePatch;
use crate::problem::Problem;
use crate::step::Step;

/// What to do about one claim.
///
/// A plan contains credentials, in `manifests.secret` and nowhere else. It therefore implements neither `Debug` nor
/// `Serialize`.
pub struct Plan {
    /// The decision, and the reason for it.
    pub verdict: Verdict,
    /// The hold, where a person may accept it.
    pub hold: Option<Hold>,
    /// The problem with the claim, where there is one.
    pub problem: Option<Problem>,
    /// Whether the API server should admit the request.
    pub admission: Admission,
    /// The change to the claim, where there is one.
    pub patch: Option<DataSourcePatch>,
    /// The manifests, where the claim can be protected.
    pub manifests: Option<Manifests>,
    /// The steps to carry out, in order. A crash between any two of them is safe.
    pub steps: Vec<Step>,
    /// What a person should know besides the verdict.
    pub notes: Vec<Note>,
}

/// Whether the API server should admit the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Admission {
    /// The request should be admitted.
    Allow,
    /// The request should be rejected, because the claim carries the label and cannot be protected.
    Deny,
}

impl Admission {
    /// A request whose claim has a problem is rejected, unless the claim had the same problem before: controllers must
    /// be able to update the claim, and to remove finalizers.
    pub(crate) fn of(problem: Option<&Problem>, problem_before: impl FnOnce() -> Option<Problem>) -> Self {
        match problem {
            Some(problem) if problem_before().as_ref() != Some(problem) => Admission::Deny,
            Some(_) | None => Admission::Allow,
        }
    }
}

impl Plan {
    /// Why the claim does not get what its label asks for, where it does not: it cannot be protected, has no name yet,
    /// or the credentials do not make a Secret.
    pub(crate) fn refusal(&self) -> Option<(Code, Problem)> {
        let code = self.verdict.code;
        if let Some(problem) = &self.problem {
            return Some((code, problem.clone()));
        }
        if code == Code::NameUnknown {
            return Some((code, Problem::new("metadata.name", "is missing").hint("name the claim")));
        }
        let secret = &self.manifests.as_ref()?.secret;
        let is_refused = matches!(secret, SecretManifest::Needs { are_given, .. }
            if *are_given || code == Code::CredentialsMissing);
        let note = Note::of_secret(secret).filter(|_| is_refused)?;
        Some((Code::CredentialsMissing, Problem::new("credentials", note.to_string())))
    }
}
