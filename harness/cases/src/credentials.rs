//! The credentials of a case. They should be invented. In case they are real, no value is ever printed.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use volsync_policy::mover::restic::MoverKey;

use crate::expect::SECRET;

/// The values that are never printed, each with its key. It has no `Debug`, `Display` or `Serialize`.
pub(crate) struct Credentials(Vec<(String, String)>);

/// What is printed instead of a value in a Secret, and instead of the second of two different values.
const MASKED: &str = "(a credential)";
const MASKED_OTHER: &str = "(another credential)";

/// A shorter value is masked only where it is the whole text.
const SHORTEST_PART: usize = 6;

impl Credentials {
    /// The values of the credentials in `payload` and of the Secrets in `answers`.
    pub(crate) fn of<'a>(payload: &'a Value, answers: impl IntoIterator<Item = &'a Value>) -> Self {
        let of_answers = answers.into_iter().filter_map(|answer| answer.pointer(SECRET));
        let mut values = Vec::new();
        for secret in secrets(payload).chain(of_answers) {
            for (key, value) in entries(secret, "stringData") {
                values.push((key.clone(), STANDARD.encode(value)));
                values.push((key.clone(), value.to_owned()));
            }
            for (key, value) in entries(secret, "data") {
                values.push((key.clone(), value.to_owned()));
                values.extend(decode(value).map(|value| (key.clone(), value)));
            }
        }
        values.retain(|(_, value)| !value.is_empty());
        // The longest values first, because one may begin with another.
        values.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        Credentials(values)
    }

    /// Masks the expected and the found value at `pointer` of an answer, so that both can be printed.
    pub(crate) fn mask(&self, pointer: &str, expected: Option<&mut Value>, found: Option<&mut Value>) {
        match (expected, found) {
            (Some(Value::Object(expected)), Some(Value::Object(found))) => {
                let keys: BTreeSet<String> = expected.keys().chain(found.keys()).cloned().collect();
                for key in keys {
                    self.mask(&below(pointer, &key), expected.get_mut(&key), found.get_mut(&key));
                }
            }
            (Some(Value::Array(expected)), Some(Value::Array(found))) => {
                for index in 0..expected.len().max(found.len()) {
                    self.mask(&below(pointer, &index.to_string()), expected.get_mut(index), found.get_mut(index));
                }
            }
            (Some(expected), Some(found)) => {
                let differ = expected != found;
                self.mask_one(pointer, expected, MASKED);
                self.mask_one(pointer, found, if differ { MASKED_OTHER } else { MASKED });
            }
            (one, other) => one.into_iter().chain(other).for_each(|value| self.mask_one(pointer, value, MASKED)),
        }
    }

    fn mask_one(&self, pointer: &str, value: &mut Value, mask: &str) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    self.mask_one(&below(pointer, key), value, mask);
                }
            }
            Value::Array(values) => {
                for (index, value) in values.iter_mut().enumerate() {
                    self.mask_one(&below(pointer, &index.to_string()), value, mask);
                }
            }
            Value::Null => {}
            value if is_in_secret(pointer) => *value = Value::from(mask),
            Value::String(text) => *text = self.redact(text),
            Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The text, with each value of a credential replaced by its key.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (key, value) in &self.0 {
            if text == *value || value.len() >= SHORTEST_PART {
                text = text.replace(value.as_str(), &format!("({key})"));
            }
        }
        text
    }
}

/// The Secrets in a payload: the base credentials, and the claim's own Secret if it was read.
pub(crate) fn secrets(payload: &Value) -> impl Iterator<Item = &Value> {
    payload.get("credentials").into_iter().chain(payload.pointer("/seen/secret/object"))
}

fn below(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// Whether a place in an answer is in the Secret's data.
fn is_in_secret(pointer: &str) -> bool {
    let field = pointer.strip_prefix(SECRET).and_then(|rest| rest.split('/').nth(1));
    matches!(field, Some("data" | "stringData"))
}

fn entries<'a>(secret: &'a Value, field: &str) -> impl Iterator<Item = (&'a String, &'a str)> {
    let entries = secret.get(field).and_then(Value::as_object);
    entries.into_iter().flatten().filter_map(|(key, value)| Some((key, value.as_str()?)))
}

fn decode(value: &str) -> Option<String> {
    Some(String::from_utf8_lossy(&STANDARD.decode(value).ok()?).into_owned())
}

/// A Secret with its `data` decoded as `stringData`.
pub(crate) fn decoded(secret: &Value) -> Value {
    let mut secret = secret.clone();
    let Some(fields) = secret.as_object_mut() else { return secret };
    if let Some(Value::Object(data)) = fields.remove("data") {
        let text = |value: &Value| Value::from(decode(value.as_str().unwrap_or_default()).unwrap_or_default());
        let values: Map<String, Value> = data.iter().map(|(key, value)| (key.clone(), text(value))).collect();
        fields.insert("stringData".to_owned(), Value::Object(values));
    }
    secret
}

/// The keys of base credentials whose values do not look invented. Certificates are random and no secret.
pub(crate) fn look_real(credentials: &Value) -> Vec<String> {
    let is_secret = |key: &str| key != MoverKey::AUTHORITIES.as_str();
    let data = entries(credentials, "data").filter_map(|(key, value)| Some((key, decode(value)?)));
    let text = entries(credentials, "stringData").map(|(key, value)| (key, value.to_owned()));
    let random = data.chain(text).filter(|(_, value)| value.split(is_separator).any(is_random));
    let keys: BTreeSet<&String> = random.map(|(key, _)| key).filter(|key| is_secret(key)).collect();
    keys.into_iter().cloned().collect()
}

/// Whether a character separates the words of a URL or of an invented value. `/` and `+` do not, because Base64
/// contains them.
fn is_separator(character: char) -> bool {
    !character.is_ascii_alphanumeric() && !"/+".contains(character)
}

/// Whether a word looks random: it is long, has many different characters, and often changes between letters and digits
/// or capitals. Words of a language do not, even with a year at the end.
fn is_random(word: &str) -> bool {
    const SHORTEST: usize = 16;
    const MOST_ENTROPY_OF_WORDS: f64 = 3.0;
    let turns = word.chars().zip(word.chars().skip(1)).filter(|(one, next)| turns(*one, *next)).count();
    word.len() >= SHORTEST && turns * 5 >= word.len() && entropy(word) > MOST_ENTROPY_OF_WORDS
}

/// Whether a letter follows a digit, a capital a small letter, or the other way round.
fn turns(one: char, next: char) -> bool {
    let class = |c: char| (c.is_ascii_digit(), c.is_ascii_uppercase());
    one.is_ascii_alphanumeric() && next.is_ascii_alphanumeric() && class(one) != class(next)
}

/// The Shannon entropy, in bits per character.
fn entropy(word: &str) -> f64 {
    let length = word.chars().count() as f64;
    let characters: BTreeSet<char> = word.chars().collect();
    let shares = characters.into_iter().map(|c| word.chars().filter(|other| *other == c).count() as f64 / length);
    shares.map(|share| -share * share.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn random_values_look_real_and_invented_ones_do_not() {
        let keys = |value: &str| look_real(&json!({"stringData": {"KEY": value}}));
        for real in
            ["AKIAI44QH8DHBEXAMPLE", "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY", "s3:http://u:q8Zr2LxT9vBn4WcY@h/b"]
        {
            assert_eq!(keys(real), ["KEY"], "{real}");
        }
        for made_up in [
            "made-up-password",
            "canary-of-the-credentials",
            "volsyncbackup2026",
            "correcthorsebatterystaple",
            "s3:https://s3.eu-central-1.amazonaws.com/volsync-backup/deep",
            "s3:https://s3.example.internal/bucket/deep/",
            "00000000-0000-4000-8000-0000000000c1",
            "",
        ] {
            assert!(keys(made_up).is_empty(), "{made_up}");
        }
        let data = STANDARD.encode("AKIAI44QH8DHBEXAMPLE");
        assert_eq!(look_real(&json!({"data": {"ID": data, "OTHER": "bm9uZQ==", "ca.crt": data}})), ["ID"]);
    }

    #[test]
    fn values_in_a_secret_are_masked_and_still_differ() {
        let credentials = Credentials(Vec::new());
        let mut expected = json!({"stringData": {"A": "one", "B": "same", "C": "gone"}, "type": "Opaque"});
        let mut found = json!({"stringData": {"A": "two", "B": "same"}, "type": "Opaque"});
        credentials.mask(SECRET, Some(&mut expected), Some(&mut found));
        let text = |a: &str| json!({"A": a, "B": MASKED});
        assert_eq!(found, json!({"stringData": text(MASKED_OTHER), "type": "Opaque"}));
        let mut with_c = text(MASKED);
        with_c["C"] = json!(MASKED);
        assert_eq!(expected, json!({"stringData": with_c, "type": "Opaque"}));
    }

    #[test]
    fn a_credential_is_masked_everywhere_whole_or_in_part_plain_or_encoded() {
        let payload = json!({"credentials": {"stringData": {"P": "hunter2!", "Q": "x"}, "data": {"R": "c2VjcmV0"}}});
        let credentials = Credentials::of(&payload, []);
        let encoded = STANDARD.encode("hunter2!");
        let mut found = json!({"a": ["is hunter2!", "x", "xx"], "b": encoded, "c": "c2VjcmV0", "d": "my secret"});
        credentials.mask("", None, Some(&mut found));
        assert_eq!(found, json!({"a": ["is (P)", "(Q)", "xx"], "b": "(P)", "c": "(R)", "d": "my (R)"}));
    }
}
