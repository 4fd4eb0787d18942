//! Acceptance: how a person accepts a hold.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::code::Code;
use crate::names::{hexadecimal, is_hexadecimal};

/// The id of a hold, by which a person accepts it: eight hexadecimal digits, in lower case. It is derived from the
/// claim's uid, the reason code, and what was seen.
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

    /// The id of the same hold, once this one is spent.
    pub(crate) fn next(&self, uid: &str, code: Code) -> Self {
        HoldId::of(uid, code, &[&self.0])
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

/// The annotation with which a claim accepts this hold for that reason, besides those that its annotation accepts so
/// far.
pub fn accepting(annotation: Option<&str>, hold: &HoldId, reason: &str) -> String {
    let earlier = annotation.and_then(Accepted::parse).map(|accepted| accepted.holds).unwrap_or_default();
    let holds = earlier.iter().filter(|earlier| *earlier != hold).chain([hold]);
    let holds: Vec<&str> = holds.map(|hold| hold.0.as_str()).collect();
    format!("{} {}", holds.join(","), reason.trim())
}

/// The annotation `volsync-policy.io/spent: <hold-id>[,<hold-id>]`: the acceptances that no longer count.
pub(crate) struct Spent;

impl Spent {
    /// How many ids are kept, besides those that the annotation of the acceptance still names.
    const KEPT: usize = 16;

    /// Parses the annotation; `None` where it is not written in this form.
    pub(crate) fn parse(text: &str) -> Option<Vec<HoldId>> {
        text.split(',').map(HoldId::parse).collect()
    }

    /// The annotation with these ids.
    pub(crate) fn write(ids: &[HoldId]) -> String {
        let ids: Vec<&str> = ids.iter().map(|id| id.0.as_str()).collect();
        ids.join(",")
    }

    /// The ids that are spent once those of the accepted holds are that are not `open`; `None` where no id is added.
    pub(crate) fn after(spent: &[HoldId], accepted: &[HoldId], open: &[HoldId]) -> Option<Vec<HoldId>> {
        let added = accepted.iter().filter(|id| !spent.contains(id) && !open.contains(id));
        let all: Vec<&HoldId> = spent.iter().chain(added).collect();
        let excess = all.len().saturating_sub(Self::KEPT);
        let kept = all.iter().enumerate().filter(|(nth, id)| *nth >= excess || accepted.contains(id));
        (all.len() > spent.len()).then(|| kept.map(|(_, id)| (*id).clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_spent_ids_are_kept_and_those_that_are_still_named() {
        let ids: Vec<HoldId> = (0..20).map(|nth| HoldId::parse(&format!("{nth:08x}")).unwrap()).collect();
        let [first, last] = [&ids[0], &ids[19]].map(std::slice::from_ref);
        assert_eq!(Spent::after(&[], first, first), None, "it still counts");
        assert_eq!(Spent::after(first, first, &[]), None, "it is written down");
        assert_eq!(Spent::after(&ids[..19], last, &[]).as_deref(), Some(&ids[4..]));
        let named = [ids[0].clone(), ids[19].clone()];
        let kept = Spent::after(&ids[..19], &named, &[]).unwrap();
        assert_eq!((&kept[0], &kept[1..]), (&ids[0], &ids[4..]), "or it would count again");
        assert_eq!(Spent::parse(&Spent::write(&ids)), Some(ids));
        for text in ["", "0000000", "00000000,", "00000000 00000001"] {
            assert_eq!(Spent::parse(text), None, "{text}");
        }
    }

    #[test]
    fn one_more_hold_is_accepted_besides_the_others() {
        let hold = |id: &str| HoldId::parse(id).unwrap();
        let accepting = |annotation, id| super::accepting(annotation, &hold(id), " lost in a fire ");
        assert_eq!(accepting(None, "00000001"), "00000001 lost in a fire");
        assert_eq!(accepting(Some("not in that form"), "00000001"), "00000001 lost in a fire");
        let both = accepting(Some("00000001,00000002 as planned"), "00000001");
        assert_eq!(both, "00000002,00000001 lost in a fire");
        assert_eq!(Accepted::parse(&both).unwrap().holds, [hold("00000002"), hold("00000001")]);
    }

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
