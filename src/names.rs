//! Names: of the three manifests, how long they may be for the objects that VolSync derives from them, and of holds.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::code::Code;

/// The longest name of an object (RFC 1123 subdomain).
const LONGEST_NAME: usize = 253;

/// The longest claim that VolSync's populator can fill: it puts the claim's name into a label's value
/// (volumepopulator_controller.go:396, :741), and those end at 63 characters.
pub(crate) const LONGEST_POPULATED: usize = 63;

/// The names of the three manifests of one claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    /// The Secret with the repository's credentials.
    pub secret: String,
    /// The ReplicationDestination.
    pub destination: String,
    /// The ReplicationSource.
    pub source: String,
}

/// The longest name that leaves room for the names derived from it, so that no derived one exceeds 253 characters.
///
/// VolSync 0.16 shortens the names of Jobs and of nothing else (utils.go:368-400).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing is derived from it.
    Secret,
    /// The longest is the snapshot `volsync-<name>-dest-YYYYMMDDhhmmss`.
    Destination,
    /// The longest is the cache's claim `volsync-src-<name>-cache`.
    Source,
}

impl Kind {
    pub(crate) const fn longest(self) -> usize {
        LONGEST_NAME
            - match self {
                Kind::Secret => 0,
                Kind::Destination => "volsync-".len() + "-dest-YYYYMMDDhhmmss".len(),
                Kind::Source => "volsync-src-".len() + "-cache".len(),
            }
    }
}

/// The name of a hold, by which a person accepts it: eight hexadecimal digits that follow from the claim's uid, the
/// code, and what must not have changed since the person looked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HoldId(#[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[0-9a-f]{8}$")))] String);

impl HoldId {
    /// The name of the hold `code` of the claim with that uid; `basis` is what must not change.
    pub(crate) fn of(uid: &str, code: Code, basis: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in [uid, code.as_str()].iter().chain(basis) {
            // The length before each part keeps any two lists of parts apart.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        HoldId(hexadecimal(hash.finalize().iter().take(4)))
    }

    /// Reads eight lower case hexadecimal digits.
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

/// Whether `text` is so many hexadecimal digits, in lower case.
pub(crate) fn is_hexadecimal(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// Bytes as hexadecimal digits, in lower case.
pub(crate) fn hexadecimal<'a>(bytes: impl Iterator<Item = &'a u8>) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
    bytes.flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// Whether `name` can name an object: an RFC 1123 subdomain of at most 253 characters.
pub(crate) fn is_subdomain(name: &str) -> bool {
    name.len() <= LONGEST_NAME && name.split('.').all(|label| is_dashed(label, |c| matches!(c, 'a'..='z' | '0'..='9')))
}

/// Whether `name` can name a namespace: an RFC 1123 label of at most 63 characters.
pub(crate) fn is_label(name: &str) -> bool {
    name.len() <= 63 && is_subdomain(name) && !name.contains('.')
}

/// Whether `value` can be the value of a label.
pub(crate) fn is_label_value(value: &str) -> bool {
    value.is_empty() || (value.len() <= 63 && is_dashed(&value.replace(['_', '.'], "-"), |c| c.is_ascii_alphanumeric()))
}

/// Whether `key` can be the key of a label or an annotation: an optional subdomain and `/`, then a label's value.
pub(crate) fn is_qualified(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    prefix.is_none_or(is_subdomain) && !name.is_empty() && is_label_value(name)
}

/// Characters of a kind, with dashes anywhere but at the ends.
fn is_dashed(text: &str, is_plain: impl Fn(char) -> bool) -> bool {
    let ends = text.chars().next().into_iter().chain(text.chars().next_back());
    !text.is_empty() && ends.clone().all(&is_plain) && text.chars().all(|c| c == '-' || is_plain(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_kubernetes_takes() {
        for name in ["a", "data-0", "a.b-c.d", "0", "z9", &"a".repeat(253)] {
            assert!(is_subdomain(name), "{name}");
        }
        for name in ["", "A", "-a", "a-", "a..b", ".", "..", "a/b", "a b", "a\n", "ü", &"a".repeat(254)] {
            assert!(!is_subdomain(name), "{name:?}");
        }
        assert!(is_label("shop") && is_label(&"a".repeat(63)) && !is_label("a.b") && !is_label(&"a".repeat(64)));
    }

    #[test]
    fn label_values_and_keys_are_those_that_kubernetes_takes() {
        for value in ["", "a", "A_b.c-d", "1", &"a".repeat(63)] {
            assert!(is_label_value(value), "{value}");
        }
        for value in ["-a", "a-", "_a", "a b", "a/b", "{{ x }}", "ä", &"a".repeat(64)] {
            assert!(!is_label_value(value), "{value}");
        }
        assert!(is_qualified("app.kubernetes.io/name") && is_qualified("backup"));
        assert!(!is_qualified("") && !is_qualified("/name") && !is_qualified("a/") && !is_qualified("a/b/c"));
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

    #[test]
    fn the_longest_names_leave_room_for_what_is_derived() {
        // Facts measured on VolSync 0.16: a claim of 217 characters is the longest whose `<pvc>-restore` still works.
        assert_eq!(Kind::Destination.longest() - "-restore".len(), 217);
        assert_eq!(Kind::Source.longest() - "-backup".len(), 228);
        assert_eq!(Kind::Secret.longest() - "-volsync-secret".len(), 238);
    }
}
