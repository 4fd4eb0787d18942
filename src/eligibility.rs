//! Eligibility: whether a request is about a claim that the policy can protect, and the reason if it is not.

use crate::code::Code;
use crate::problem::Problem;

/// Whether a request is about a claim that the policy can protect. `T` is what is known of a claim that it can protect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Eligibility<T> {
    /// The policy does not select the object of the request.
    Unselected(Unselected),
    /// The claim is being deleted. Nothing more of it is read, so it cannot be invalid.
    Terminating,
    /// The policy selects the claim, but cannot protect it.
    Refused(Refusal),
    /// The API server has yet to make the claim's name from `generateName`.
    Unnamed,
    /// The claim can be protected.
    Eligible(Box<T>),
}

/// Why the policy does not select the object of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unselected {
    /// The request is not about a claim.
    NoClaim,
    /// The claim does not carry the label.
    Unlabelled,
    /// The claim carries the label, in an excluded namespace.
    Excluded,
    /// The claim was created by VolSync for its own use.
    Derived,
}

/// Why a claim that the policy selects cannot be protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The label's value names no schedule.
    LabelInvalid(Problem),
    /// The claim cannot be backed up or restored.
    VolumeUnsupported(Problem),
}

impl<T> Eligibility<T> {
    /// What is known of the claim, where it can be protected.
    pub fn eligible(&self) -> Option<&T> {
        match self {
            Eligibility::Eligible(known) => Some(known),
            Eligibility::Unselected(_) | Eligibility::Terminating | Eligibility::Refused(_) | Eligibility::Unnamed => {
                None
            }
        }
    }

    /// The problem with the claim, where it is refused.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Eligibility::Refused(refusal) => Some(refusal.problem()),
            Eligibility::Unselected(_) | Eligibility::Terminating | Eligibility::Unnamed | Eligibility::Eligible(_) => {
                None
            }
        }
    }

    /// Replaces what is known of a claim that can be protected.
    pub(crate) fn map<'a, U>(&'a self, further: impl FnOnce(&'a T) -> U) -> Eligibility<U> {
        self.and_then(|known| Eligibility::Eligible(Box::new(further(known))))
    }

    /// Checks further whether a claim that could be protected so far can be protected.
    pub(crate) fn and_then<'a, U>(&'a self, further: impl FnOnce(&'a T) -> Eligibility<U>) -> Eligibility<U> {
        match self {
            Eligibility::Unselected(unselected) => Eligibility::Unselected(*unselected),
            Eligibility::Terminating => Eligibility::Terminating,
            Eligibility::Refused(refusal) => Eligibility::Refused(refusal.clone()),
            Eligibility::Unnamed => Eligibility::Unnamed,
            Eligibility::Eligible(known) => further(known),
        }
    }
}

impl Refusal {
    /// The reason code of the verdict.
    pub fn code(&self) -> Code {
        match self {
            Refusal::LabelInvalid(_) => Code::LabelInvalid,
            Refusal::VolumeUnsupported(_) => Code::VolumeUnsupported,
        }
    }

    /// The problem with the claim.
    pub fn problem(&self) -> &Problem {
        match self {
            Refusal::LabelInvalid(problem) | Refusal::VolumeUnsupported(problem) => problem,
        }
    }
}
