//! Eligibility: whether a request is about a claim that the policy acts on, and why not where it is not.

use crate::code::Code;
use crate::problem::Problem;

/// Whether a request is about a claim that the policy acts on; `T` is what is known of one that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Eligibility<T> {
    /// The claim is not selected, or there is none.
    Unselected(Unselected),
    /// The claim is being deleted. Nothing more of it is read, and so nothing of it can be wrong.
    Terminating,
    /// The claim is selected and cannot be protected.
    Refused(Refusal),
    /// The API server has yet to make the claim's name from `generateName`.
    Unnamed,
    /// The claim can be protected.
    Eligible(Box<T>),
}

/// Why a claim is not selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unselected {
    /// The request is about no claim at all.
    NoClaim,
    /// It does not carry the label.
    Unlabelled,
    /// It does, in an excluded namespace.
    Excluded,
    /// It is a volume of VolSync's own.
    Derived,
}

/// Why a claim that is selected cannot be protected.
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

    /// What is wrong with the claim, where it is refused.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Eligibility::Refused(refusal) => Some(refusal.problem()),
            Eligibility::Unselected(_) | Eligibility::Terminating | Eligibility::Unnamed | Eligibility::Eligible(_) => {
                None
            }
        }
    }

    /// The same of something else that is known of the claim.
    pub(crate) fn map<'a, U>(&'a self, further: impl FnOnce(&'a T) -> U) -> Eligibility<U> {
        self.and_then(|known| Eligibility::Eligible(Box::new(further(known))))
    }

    /// What comes of looking further into a claim that can be protected so far.
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
    /// What the verdict says of it.
    pub fn code(&self) -> Code {
        match self {
            Refusal::LabelInvalid(_) => Code::LabelInvalid,
            Refusal::VolumeUnsupported(_) => Code::VolumeUnsupported,
        }
    }

    /// What is wrong with the claim.
    pub fn problem(&self) -> &Problem {
        match self {
            Refusal::LabelInvalid(problem) | Refusal::VolumeUnsupported(problem) => problem,
        }
    }
}
