//! Reason codes: what a verdict says, and what a person can do about it.

use serde::Serialize;

/// Why a plan is as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Code {
    /// The claim is none of the policy's.
    NotSelected,
    /// The claim is going away.
    ClaimTerminating,
    /// The label's value is none that settings know.
    LabelInvalid,
    /// The claim cannot be backed up or restored.
    VolumeUnsupported,
    /// The claim has no name yet.
    NameUnknown,
    /// Nobody looked at the claim's volume, repository and ledger.
    NoEvidence,
    /// The gate is switched off.
    Ungated,
}

impl Code {
    /// All codes, in the order in which the decision comes to them.
    pub const ALL: [Code; 7] = [
        Code::NotSelected,
        Code::ClaimTerminating,
        Code::LabelInvalid,
        Code::VolumeUnsupported,
        Code::NameUnknown,
        Code::NoEvidence,
        Code::Ungated,
    ];

    /// As it stands in a plan.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::NotSelected => "NotSelected",
            Code::ClaimTerminating => "ClaimTerminating",
            Code::LabelInvalid => "LabelInvalid",
            Code::VolumeUnsupported => "VolumeUnsupported",
            Code::NameUnknown => "NameUnknown",
            Code::NoEvidence => "NoEvidence",
            Code::Ungated => "Ungated",
        }
    }

    /// What it means, in one sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Code::NotSelected => "The claim does not carry the label, or its namespace is excluded; nothing is done.",
            Code::ClaimTerminating => "The claim is being deleted; everything stays as it is.",
            Code::LabelInvalid => "The label's value names no schedule; the claim is not protected.",
            Code::VolumeUnsupported => "The claim cannot be backed up or restored; it is not protected.",
            Code::NameUnknown => "The API server has yet to name the claim; it is planned for once it has a name.",
            Code::NoEvidence => {
                "Nobody looked whether older backups exist, so the backup is rendered paused: it can age out none."
            }
            Code::Ungated => {
                "The gate is off: the backup runs at once, and can age out older backups that were never restored."
            }
        }
    }

    /// What a person can do, where something is held back.
    pub fn way_out(self) -> Option<&'static str> {
        match self {
            Code::NotSelected | Code::ClaimTerminating => None,
            Code::LabelInvalid | Code::VolumeUnsupported => {
                Some("Fix the claim as the problem says, or remove the label.")
            }
            Code::NameUnknown => Some("Nothing, where an API server names it; else give the claim a name."),
            Code::NoEvidence => Some(
                "Let the host apply it, which gathers evidence; or set `spec.paused: false` once you know that the \
                 volume was restored, or that there was nothing to restore. What was copied while it was paused is \
                 uploaded first.",
            ),
            Code::Ungated => Some("Switch the gate on: `gate: evidence` in settings."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_listed_once_in_order_and_serializes_as_it_is_named() {
        assert!(Code::ALL.is_sorted_by(|one, next| one < next));
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
