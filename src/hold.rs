//! Holds: what holds back a backup or a restore until a person accepts it, and how a person accepts it.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::code::Code;
use crate::evidence::{Digest, Evidence, Volume, VolumeId};
use crate::names::{hexadecimal, is_hexadecimal};

/// The id of a hold, by which a person accepts it: eight hexadecimal digits, in lower case. It is derived from the
/// claim's uid, the reason code, and the facts that must not have changed since the person looked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HoldId(#[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[0-9a-f]{8}$")))] String);

impl HoldId {
    /// The id of the hold with this code of the claim with this uid; `basis` are the facts that must not change.
    pub(crate) fn of(uid: &str, code: Code, basis: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in [uid, code.as_str()].iter().chain(basis) {
            // The length before each part ensures that two lists of parts never give the same bytes.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        HoldId(hexadecimal(hash.finalize().iter().take(4)))
    }

    /// Parses eight lower case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        is_hexadecimal(text, 8).then(|| HoldId(text.to_owned()))
    }
}

impl TryFrom<String> for HoldId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        HoldId::parse(&text).ok_or("expected 8 lower case hexadecimal digits")
    }
}

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The annotation `volsync-policy.io/accept: <hold-id>[,<hold-id>] <reason>`.
pub(crate) struct Accepted {
    pub holds: Vec<HoldId>,
    pub reason: String,
}

impl Accepted {
    /// Parses the annotation. One that is not written in this form accepts nothing.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (holds, reason) = text.trim().split_once(char::is_whitespace)?;
        let holds = holds.split(',').map(HoldId::parse).collect::<Option<Vec<HoldId>>>()?;
        // The release record has to fit into an annotation.
        let reason: String = reason.trim().chars().take(256).collect();
        (!reason.is_empty()).then_some(Accepted { holds, reason })
    }
}

/// The id of the hold with this code, where a person may accept it. It is derived from the facts that must not have
/// changed since they looked, so there is none where those could not be read. `rendered` is the SHA-256 of the address
/// of the repository in the rendered Secret; `None` where an ExternalSecret creates the Secret.
pub fn hold(code: Code, rendered: Option<&Digest>, evidence: &Evidence) -> Option<HoldId> {
    let Evidence { claim, ledger, repository, .. } = evidence;
    let claim = claim.as_ref()?;
    let id = |basis: &[&str]| Some(HoldId::of(&claim.uid, code, basis));
    let by_newest_key = || {
        let listed = repository.listing().map(|listing| listing.newest_key.as_str());
        let remembered = || ledger.memory().map(|(_, memory)| memory.newest_key.as_str());
        id(&[listed.or_else(remembered).unwrap_or_default()])
    };
    match code {
        Code::VolumeReplaced => match &claim.volume {
            Some(Volume::Of(VolumeId { driver, handle })) => id(&[driver, handle]),
            Some(Volume::None) | None => None,
        },
        // Not by the newest snapshot, which changes with every backup of the other writer.
        Code::Superseded | Code::OtherWriterActive => match (ledger.entry(), repository.fingerprint()) {
            (Some(entry), _) => id(&[&entry.writer.term.to_string()]),
            (None, Some(fingerprint)) if code == Code::OtherWriterActive => id(&["", fingerprint.as_str()]),
            (None, _) => None,
        },
        Code::RepositoryReplaced => id(&[repository.fingerprint()?.as_str()]),
        Code::RepositoryMoved => {
            id(&[evidence.secret_address(), rendered].map(|it| it.map(Digest::as_str).unwrap_or_default()))
        }
        Code::DataExpected
        | Code::RepositoryDamaged
        | Code::RepositoryRolledBack
        | Code::SnapshotsGone
        | Code::UnrestoredVolume
        | Code::ForeignSource
        | Code::PopulatedFromOtherImage
        | Code::RestoreCameBackEmpty
        | Code::RestoreUnverified
        | Code::RestoredFromElsewhere
        | Code::RestoredOlder
        | Code::CapacityTooSmall => by_newest_key(),
        Code::NotSelected
        | Code::StrayBackup
        | Code::ClaimTerminating
        | Code::LabelInvalid
        | Code::VolumeUnsupported
        | Code::NameUnknown
        | Code::NoEvidence
        | Code::Ungated
        | Code::ObjectsUnread
        | Code::OptOutPending
        | Code::OptedOut
        | Code::NamespaceExcluded
        | Code::NotOurs
        | Code::CredentialsMissing
        | Code::VolumeLost
        | Code::LedgerUninitialised
        | Code::LedgerMismatch
        | Code::LedgerUnread
        | Code::RepositoryUnread
        | Code::Released
        | Code::SecretOutdated
        | Code::SameVolume
        | Code::StartedFresh
        | Code::AdoptedVolume
        | Code::Restored
        | Code::MissedAdmission
        | Code::AwaitingBind
        | Code::StaleRestore
        | Code::PopulatorWedged
        | Code::Binding
        | Code::Restoring
        | Code::RestoreFailing
        | Code::RestoreQueued
        | Code::RestoreFromBackup
        | Code::FreshVolume
        | Code::AcceptedByOperator => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_has_another_name_for_another_claim_code_or_basis() {
        let ids = [
            HoldId::of("u", Code::DataExpected, &[]),
            HoldId::of("v", Code::DataExpected, &[]),
            HoldId::of("u", Code::SnapshotsGone, &[]),
            HoldId::of("u", Code::DataExpected, &[""]),
            HoldId::of("u", Code::DataExpected, &["ab"]),
            HoldId::of("u", Code::DataExpected, &["a", "b"]),
            HoldId::of("u", Code::DataExpected, &["b", "a"]),
        ];
        for (index, id) in ids.iter().enumerate() {
            assert_eq!(HoldId::parse(&id.to_string()).as_ref(), Some(id));
            assert!(!ids.iter().take(index).any(|other| other == id), "{id}");
        }
        for wrong in ["", "0123456", "012345678", "0123456g", "ABCDEF01"] {
            assert_eq!(HoldId::parse(wrong), None, "{wrong:?}");
        }
    }
}
