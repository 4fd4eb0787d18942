//! Quantities of storage, as Kubernetes writes them: `1Gi`, `1.5T`, `1e9`, `128974848000m`, or a bare number.

use std::{fmt, iter};

use serde::de::{self, Deserializer, Unexpected, Visitor};
use serde::{Deserialize, Serialize};

/// A quantity greater than zero, in the notation of Kubernetes, such as `10Gi`. It is kept as it was written.
///
/// The notation is that of `k8s.io/apimachinery/pkg/api/resource`: a decimal number, followed by a binary suffix (`Ki`
/// to `Ei`), a decimal suffix (`n`, `u`, `m`, none, `k` to `E`) or an exponent (`e9`, `E9`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("type" = ["string", "integer"], "examples" = ["2Gi"])))]
pub struct Quantity(String);

impl Quantity {
    /// Parses a quantity; `None` where the text is not a quantity, or is not greater than zero.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, suffix) = split(text);
        let is_number = number.chars().filter(|c| *c == '.').count() <= 1 && number.chars().any(|c| c.is_ascii_digit());
        let is_positive = number.chars().any(|c| ('1'..='9').contains(&c));
        (is_number && is_positive && Factor::of(suffix).is_some()).then(|| Quantity(text.to_owned()))
    }

    /// The quantity, as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_less_than(&self, other: &Self) -> bool {
        self.trillionths() < other.trillionths()
    }

    /// In trillionths of a byte, of which nearly every notation makes a whole number. Less than one counts as one, and
    /// more than fits as the most that does.
    fn trillionths(&self) -> u128 {
        let (number, suffix) = split(&self.0);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let (two, ten) = match Factor::of(suffix) {
            Some(Factor::Two(power)) => (power, 0),
            Some(Factor::Ten(power)) => (0, power),
            None => (0, 0),
        };
        let written = whole.len() + fraction.len();
        // Behind what is written as many zeros as a number can have: an exponent may ask for more.
        let counted = (whole.len() as i64 + 12 + i64::from(ten)).clamp(0, written as i64 + 39);
        let digits = whole.bytes().chain(fraction.bytes()).chain(iter::repeat(b'0')).take(counted as usize);
        let digits = digits.map(|digit| u128::from(digit.wrapping_sub(b'0')));
        let amount = digits.fold(0_u128, |sum, digit| sum.saturating_mul(10).saturating_add(digit));
        amount.saturating_mul(1 << two).max(1)
    }

    pub(crate) fn gibibytes(number: u32) -> Self {
        Quantity(format!("{number}Gi"))
    }
}

/// The number, and what follows it.
fn split(text: &str) -> (&str, &str) {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
    digits.split_at_checked(end).unwrap_or((digits, ""))
}

/// The suffixes, each with what it multiplies by: a power of two, or of ten.
const SUFFIXES: [(&str, Factor); 16] = [
    ("", Factor::Ten(0)),
    ("Ki", Factor::Two(10)),
    ("Mi", Factor::Two(20)),
    ("Gi", Factor::Two(30)),
    ("Ti", Factor::Two(40)),
    ("Pi", Factor::Two(50)),
    ("Ei", Factor::Two(60)),
    ("n", Factor::Ten(-9)),
    ("u", Factor::Ten(-6)),
    ("m", Factor::Ten(-3)),
    ("k", Factor::Ten(3)),
    ("M", Factor::Ten(6)),
    ("G", Factor::Ten(9)),
    ("T", Factor::Ten(12)),
    ("P", Factor::Ten(15)),
    ("E", Factor::Ten(18)),
];

#[derive(Clone, Copy)]
enum Factor {
    Two(u32),
    Ten(i32),
}

impl Factor {
    fn of(suffix: &str) -> Option<Self> {
        let known = SUFFIXES.iter().find(|(known, _)| *known == suffix).map(|(_, factor)| *factor);
        known.or_else(|| {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            // Kubernetes' own parser multiplies as often as the exponent says, without an end in sight.
            (digits.len() <= 2).then(|| exponent.parse().ok().map(Factor::Ten)).flatten()
        })
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Notation)
    }
}

/// Reads a quantity from a string or a whole number. A fraction that is no string was rounded when it was read, if only
/// a little.
struct Notation;

impl Visitor<'_> for Notation {
    type Value = Quantity;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quantity greater than zero, such as `2Gi`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
        Quantity::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Quantity, E> {
        self.visit_str(&number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notation_is_kept_as_it_was_written() {
        let notations = [
            "1Gi",
            "1G",
            "1.5Gi",
            ".5Ti",
            "1.",
            "+2Gi",
            "1073741824",
            "1e9",
            "1E9",
            "1e+9",
            "12e-1",
            "128974848000m",
            "3E",
            "5k",
            "1Ki",
            "0.1Ei",
            "9n",
            "9u",
        ];
        for notation in notations {
            assert_eq!(Quantity::parse(notation).map(|quantity| quantity.0).as_deref(), Some(notation));
        }
    }

    #[test]
    fn quantities_are_compared_by_what_they_amount_to() {
        let amount = |text: &str| Quantity::parse(text).unwrap().trillionths();
        let (byte, milli) = (1_000_000_000_000, 1_000_000_000);
        let amounts = [
            ("1Gi", byte << 30),
            ("1.5Gi", (byte * 3) << 29),
            ("+2Ki", byte * 2048),
            ("1G", byte * 1_000_000_000),
            ("1e9", byte * 1_000_000_000),
            ("12e-1", milli * 1200),
            ("99999999999999e-13", milli * 9999 + 999_999_999),
            (".5", milli * 500),
            ("1500m", milli * 1500),
            ("9n", 9000),
            ("1000000u", byte),
            ("128974848000m", byte * 128_974_848),
            ("0.1Ei", (byte << 60) / 10),
            ("00.0001e4", byte),
            ("1e-99", 1),
            ("1.0000000000001", byte),
        ];
        for (text, expected) in amounts {
            assert_eq!(amount(text), expected, "{text}");
        }
        assert_eq!(amount("1e99"), u128::MAX);
        assert_eq!(amount(&"9".repeat(99)), u128::MAX);
    }

    #[test]
    fn what_is_no_amount_of_storage_is_refused() {
        let refused = [
            "", "0", "0Gi", "0.0", "-1Gi", "1gi", "1GiB", "1 Gi", "Gi", "1e", "1e+", "1.2.3", ".", "+", "++1", "1Gi\n",
            "$(x)", "{{ x }}", "١Gi",
        ];
        for notation in refused {
            assert_eq!(Quantity::parse(notation), None, "{notation:?}");
        }
    }
}
