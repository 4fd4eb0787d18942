//! A plan: the answer to a review, always of the same shape.

use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::decision::Verdict;
use crate::hold::HoldId;
use crate::manifests::{Manifests, SecretManifest};
use crate::note::Note;
use crate::patch::DataSourcePatch;
use crate::problem::Problem;
use crate::step::Step;

/// What to do about one claim.
///
/// It holds credentials, in `manifests.secret` and nowhere else, and so has neither `Debug` nor `Serialize`.
pub struct Plan {
    /// What was decided, and why.
    pub verdict: Verdict,
    /// The name of the hold, where a person may accept it.
    pub hold: Option<HoldId>,
    /// What is wrong with the claim, where something is.
    pub problem: Option<Problem>,
    /// Whether the API server should take the claim.
    pub admission: Admission,
    /// The one change to the claim.
    pub patch: Option<DataSourcePatch>,
    /// The manifests, where the claim can be served.
    pub manifests: Option<Manifests>,
    /// What to do, in this order: a crash between any two steps is safe.
    pub steps: Vec<Step>,
    /// What a person should know.
    pub notes: Vec<Note>,
}

/// Whether the API server should take the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Admission {
    /// It should.
    Allow,
    /// It should not: a labelled claim that silently goes unprotected is the worst outcome.
    Deny,
}

impl Admission {
    /// A claim with a problem is refused, unless the problem was there before: controllers must be able to update the
    /// claim, and to remove finalizers.
    pub(crate) fn of(problem: Option<&Problem>, problem_before: impl FnOnce() -> Option<Problem>) -> Self {
        match problem {
            Some(problem) if problem_before().as_ref() != Some(problem) => Admission::Deny,
            Some(_) | None => Admission::Allow,
        }
    }
}

impl Plan {
    /// Why the claim does not get what its label asks for, where it does not: it is refused, has no name yet, or these
    /// credentials make no Secret.
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
