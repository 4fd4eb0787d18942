//! Quantities of storage, as Kubernetes writes them: `1Gi`, `1.5T`, `1e9`, `128974848000m`, or a bare number.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A quantity greater than zero, kept as it was written: what is rendered is what the user wrote.
///
/// The notation is that of `k8s.io/apimachinery/pkg/api/resource`: a decimal number, then a binary suffix (`Ki` to
/// `Ei`), a decimal one (`n`, `u`, `m`, none, `k` to `E`) or an exponent (`e9`, `E9`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Value")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Quantity(#[cfg_attr(feature = "schema", schemars(with = "String", example = &"2Gi"))] String);

impl Quantity {
    /// Reads the notation; `None` where it is not a quantity, or not more than zero.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
        let (number, suffix) = digits.split_at_checked(end)?;
        let is_number = number.chars().filter(|c| *c == '.').count() <= 1 && number.chars().any(|c| c.is_ascii_digit());
        let is_positive = number.chars().any(|c| ('1'..='9').contains(&c));
        (is_number && is_positive && is_suffix(suffix)).then(|| Quantity(text.to_owned()))
    }

    pub(crate) fn gibibytes(number: u32) -> Self {
        Quantity(format!("{number}Gi"))
    }
}

fn is_suffix(suffix: &str) -> bool {
    const SUFFIXES: [&str; 16] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "n", "u", "m", "k", "M", "G", "T", "P", "E"];
    let exponent = suffix.strip_prefix(['e', 'E']).map(|rest| rest.strip_prefix(['+', '-']).unwrap_or(rest));
    SUFFIXES.contains(&suffix)
        || exponent.is_some_and(|digits| !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()))
}

impl TryFrom<Value> for Quantity {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        let parsed = match &value {
            Value::String(text) => Quantity::parse(text),
            // A fraction that is no text was rounded when it was read, if only a little.
            Value::Number(number) if number.is_u64() => Quantity::parse(&number.to_string()),
            Value::Number(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        parsed.ok_or("expected a quantity greater than zero, such as `2Gi`")
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
