//! A look: what was read for one claim, as an inspection without a value of a Secret.
//!
//! In place of each value there is a stand-in: the same one for equal values, and of the same form where the form
//! matters. So the plan for a look is the plan for what was read, although nobody can open the store with it. The
//! address of a repository stays, because the id of a hold depends on it, but without a user name and a password in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use volsync_policy::mover::restic::MoverKey;
use volsync_policy::{Inspection, reads};

use super::REPOSITORY;
use super::redact::{COPIES, SHORTEST_VALUE};

/// What every stand-in begins with, before its number.
const STAND_IN: &str = "taken-out-";

/// The stand-in for a list of certificates: what counts as one, with nothing in it.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";

/// The stand-in for the user name and the password in an address.
const USER: &str = "taken-out";

/// Takes the values of Secrets out of an inspection. What is left of each object are the fields that the policy reads.
/// `others` are Secrets that are not in the inspection, whose values may be in the text of a log or an annotation.
///
/// A value with less than six characters is not looked for in such text, because it could be there by chance.
pub fn take_out(mut inspection: Map<String, Value>, others: &[Value]) -> Map<String, Value> {
    let mut seen = answers(&inspection);
    let mut stand_ins = StandIns::default();
    if let Some(credentials) = inspection.get_mut("credentials").filter(|it| !it.is_null()) {
        *credentials = stand_ins.secret(credentials);
    }
    for answer in seen.values_mut() {
        let secret = answer.get_mut("object").filter(|object| object.get("kind") == Some(&json!("Secret")));
        if let Some(secret) = secret.and_then(Value::as_object_mut) {
            let values = stand_ins.secret(&Value::Object(secret.clone()));
            secret.retain(|key, _| key != "data" && key != "stringData");
            secret.extend(values.as_object().cloned().unwrap_or_default());
        }
    }
    for other in others {
        stand_ins.secret(other);
    }
    inspection.insert("seen".to_owned(), Value::Object(seen));
    for (part, value) in &mut inspection {
        if part != "credentials" {
            stand_ins.sweep(value, false);
        }
    }
    inspection
}

/// Whether a Secret has stand-ins, and no value but them and the address of a repository.
pub(super) fn is_taken_out(secret: &Map<String, Value>) -> bool {
    let is_numbered = |text: &str| {
        let number = text.strip_prefix(STAND_IN);
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()))
    };
    let mut has_stand_in = false;
    let mut is_one = |key: &str, value: &str| {
        let stands_in = is_numbered(value) || value == CERTIFICATE;
        has_stand_in |= stands_in;
        stands_in || value.is_empty() || (key == REPOSITORY && without_users(value) == value)
    };
    let entries = |field| secret.get(field).and_then(Value::as_object).into_iter().flatten();
    let are_all = entries("data")
        .all(|(key, value)| value.as_str().and_then(text_of).is_some_and(|it| is_one(key, &it)))
        && entries("stringData").all(|(key, value)| value.as_str().is_some_and(|it| is_one(key, it)));
    are_all && has_stand_in
}

/// The answers in an inspection, each with no more than the policy reads.
fn answers(inspection: &Map<String, Value>) -> Map<String, Value> {
    let given = inspection.get("seen").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut asked = inspection.clone();
    let mut seen = Map::new();
    loop {
        asked.insert("seen".to_owned(), Value::Object(seen.clone()));
        let inspection = serde_json::to_vec(&asked).ok().and_then(|asked| Inspection::from_json(&asked).ok());
        let reads = inspection.map(|inspection| reads(&inspection)).unwrap_or_default();
        if reads.is_empty() {
            return seen;
        }
        for read in reads {
            let mut answer = given.get(read.role.as_str()).cloned().unwrap_or(json!({"failed": "notTried"}));
            if let Some(object) = answer.get_mut("object") {
                *object = trimmed(object, &read.fields);
            }
            seen.insert(read.role.as_str().to_owned(), answer);
        }
    }
}

/// An object with the fields that say which it is, and those at these paths.
fn trimmed(object: &Value, fields: &[impl AsRef<str>]) -> Value {
    const OWN: [&str; 4] = ["apiVersion", "kind", "metadata.namespace", "metadata.name"];
    let mut kept = Map::new();
    for path in OWN.into_iter().chain(fields.iter().map(AsRef::as_ref)) {
        if let Some(value) = object.pointer(&format!("/{}", path.replace('.', "/"))) {
            put(&mut kept, path, value);
        }
    }
    Value::Object(kept)
}

fn put(fields: &mut Map<String, Value>, path: &str, value: &Value) {
    match path.split_once('.') {
        None => drop(fields.insert(path.to_owned(), value.clone())),
        Some((key, rest)) => {
            if let Value::Object(inner) = fields.entry(key).or_insert_with(|| json!({})) {
                put(inner, rest, value);
            }
        }
    }
}

/// The values that were taken out, and what stands in their place.
#[derive(Default)]
struct StandIns {
    /// What was taken out; its place in the list is its number.
    taken: Vec<String>,
    /// What must not be left in any text, with its stand-in.
    values: Vec<(String, String)>,
}

impl StandIns {
    /// The values of a Secret with stand-ins in their place, and nothing else of it.
    fn secret(&mut self, secret: &Value) -> Value {
        let mut kept = Map::new();
        for (field, is_encoded) in [("data", true), ("stringData", false)] {
            let Some(entries) = secret.get(field).and_then(Value::as_object) else { continue };
            let entries = entries.iter().map(|(key, value)| {
                let stand_in = match value.as_str() {
                    Some(value) if is_encoded => json!(self.encoded(key, value)),
                    Some(value) => json!(self.of(key, value)),
                    None => Value::Null,
                };
                (key.clone(), stand_in)
            });
            kept.insert(field.to_owned(), entries.collect());
        }
        Value::Object(kept)
    }

    /// The stand-in for a value in Base64. One that cannot be used stays one.
    fn encoded(&mut self, key: &str, value: &str) -> String {
        let value = value.replace(['\n', '\r'], "");
        match STANDARD.decode(&value) {
            Err(_) => "%".to_owned(),
            Ok(bytes) if bytes.contains(&0) => STANDARD.encode([0]),
            Ok(bytes) => STANDARD.encode(match String::from_utf8(bytes) {
                Ok(text) => self.of(key, &text),
                Err(_) => self.numbered(&value),
            }),
        }
    }

    /// The stand-in for the value of a key.
    fn of(&mut self, key: &str, value: &str) -> String {
        let stand_in = match key {
            _ if value.is_empty() => return String::new(),
            REPOSITORY => return self.address(value),
            key if key == MoverKey::AUTHORITIES.as_str() => authorities(value),
            _ => self.numbered(value),
        };
        self.values.push((value.trim().to_owned(), stand_in.trim().to_owned()));
        stand_in
    }

    /// An address without what opens it.
    fn address(&mut self, address: &str) -> String {
        let users = address.split('/').filter_map(|part| part.rsplit_once('@'));
        let values = users.flat_map(|(user, _)| user.split(':').chain([user]));
        self.values.extend(values.map(|value| (value.to_owned(), USER.to_owned())));
        without_users(address)
    }

    fn numbered(&mut self, value: &str) -> String {
        let known = self.taken.iter().position(|taken| taken == value);
        let number = known.unwrap_or_else(|| {
            self.taken.push(value.to_owned());
            self.taken.len() - 1
        });
        format!("{STAND_IN}{}", number + 1)
    }

    /// Takes what must not be left out of all text. `is_text` says that a string is text of people or programs.
    fn sweep(&self, value: &mut Value, is_text: bool) {
        match value {
            Value::Object(fields) => {
                fields.retain(|key, _| key != "managedFields" && !COPIES.contains(&key.as_str()));
                for (key, value) in fields {
                    match (key.as_str(), &mut *value) {
                        ("bytes", Value::String(bytes)) => self.sweep_bytes(bytes),
                        // They were replaced already.
                        ("data" | "stringData", Value::Object(_)) => {}
                        (key, value) => {
                            let is_text = is_text || ["annotations", "log", "logs", "message"].contains(&key);
                            self.sweep(value, is_text);
                        }
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.sweep(value, is_text)),
            Value::String(text) if is_text || text.contains("://") || text.contains(char::is_whitespace) => {
                *text = self.swept(text);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// The content of an object of the store. The ledger's are text; others are encrypted.
    fn sweep_bytes(&self, bytes: &mut String) {
        if let Some(text) = text_of(bytes) {
            *bytes = STANDARD.encode(self.swept(&text));
        }
    }

    fn swept(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let mut values: Vec<_> = self.values.iter().filter(|(value, _)| value.len() >= SHORTEST_VALUE).collect();
        // A value may contain another one.
        values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        for (value, stand_in) in values {
            for form in forms(value) {
                text = text.replace(&form, stand_in);
            }
        }
        without_users_in_urls(&text)
    }
}

/// The stand-in for certificates, or for what should be some.
fn authorities(value: &str) -> String {
    let is_private = |label: &str| !label.starts_with("CERTIFICATE-----");
    match value.split("-----BEGIN ").skip(1).any(is_private) || !value.contains("-----BEGIN ") {
        true => format!("{STAND_IN}0"),
        false => CERTIFICATE.to_owned(),
    }
}

/// The forms in which a value may be in a text: as it is, in JSON, in a URL, and in Base64.
fn forms(value: &str) -> Vec<String> {
    let in_json = json!(value).to_string();
    let in_json = in_json.trim_matches('"').to_owned();
    let percent = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    let mut forms = vec![value.to_owned(), in_json, value.bytes().map(percent).collect(), STANDARD.encode(value)];
    forms.dedup();
    forms
}

/// The address of a repository without the user names and passwords in it: what is before an `@`.
fn without_users(address: &str) -> String {
    let parts = address.split('/').map(|part| match part.rsplit_once('@') {
        Some((_, host)) => format!("{USER}@{host}"),
        None => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

/// A text without the user names and passwords in its URLs: what is between `://` and `@`.
fn without_users_in_urls(text: &str) -> String {
    let mut parts = text.split("://");
    let mut without = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| "/\"'".contains(c) || c.is_whitespace()).unwrap_or(part.len());
        let (host, rest) = part.split_at_checked(end).unwrap_or((part, ""));
        without += &format!("://{}{rest}", without_users(host));
    }
    without
}

/// The text in Base64, where it is text.
fn text_of(encoded: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Cursor;

    use volsync_policy::{Inspection, plan_for_host};

    use super::super::{Dump, redact};
    use super::*;
    use crate::Documents;

    /// The parts of a dump, as `harness/cli/tests` has them.
    const PARTS: [&str; 3] = ["cluster.json", "listed-twice.yaml", "objects.yaml"];

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    /// The inspections of all claims of the dump, under these credentials.
    fn inspections(credentials: &Value) -> Vec<Map<String, Value>> {
        let mut dump = Dump::default();
        for part in PARTS {
            let text = fs::read(format!("{}/../cli/tests/dump/{part}", env!("CARGO_MANIFEST_DIR"))).unwrap();
            let documents = Documents::new(part.to_owned(), Box::new(Cursor::new(text)));
            documents.for_each(|document| dump.add(document.unwrap().value).unwrap());
        }
        let shared = object(json!({"settings": {"ledger": {"storeId": "store-1"}}, "credentials": credentials}));
        dump.claims().map(|claim| dump.inspection(claim, &shared, false).0).collect()
    }

    fn credentials() -> Value {
        json!({"stringData": {"RESTIC_REPOSITORY": "s3:http://s3.example.internal:9000/volsync-backup\n",
            "RESTIC_PASSWORD": "made-up-password", "AWS_ACCESS_KEY_ID": "made-up-user",
            "AWS_SECRET_ACCESS_KEY": "made-up-key"}})
    }

    /// What is decided, and from which evidence.
    fn decision(inspection: &Map<String, Value>) -> Value {
        let inspection = Inspection::from_json(&serde_json::to_vec(inspection).unwrap());
        let plan = plan_for_host(&inspection.unwrap_or_else(|error| panic!("{error}"))).to_json();
        let plan: Value = serde_json::from_slice(&plan).unwrap();
        json!([plan["verdict"], plan["steps"], plan["evidence"]])
    }

    #[test]
    fn the_plan_for_a_look_is_that_for_what_was_read() {
        let mut other = credentials();
        other["stringData"]["RESTIC_PASSWORD"] = json!("another-password");
        let mut elsewhere = credentials();
        elsewhere["stringData"]["RESTIC_REPOSITORY"] = json!("s3:http://s3.example.internal:9000/other-bucket");
        let mut codes = Vec::new();
        for credentials in [credentials(), other, elsewhere] {
            for inspection in inspections(&credentials) {
                let (before, look) = (decision(&inspection), take_out(inspection, &[]));
                let after = decision(&look);
                codes.push(before[0]["code"].as_str().unwrap().to_owned());
                assert_eq!(before, after);
            }
        }
        for code in ["FreshVolume", "UnrestoredVolume", "Released", "Restored", "SecretOutdated"] {
            assert!(codes.iter().any(|it| it == code), "{codes:?}");
        }
    }

    #[test]
    fn no_value_of_a_secret_is_left_anywhere() {
        let planted = ["planted-password", "planted/key+=", "planted-user", "planted-host-key", "planted-of-claim"];
        let [password, key, user, of_host, of_claim] = planted;
        let address = format!("s3:http://{user}:{password}@s3.internal:9000/bucket/below");
        let credentials = json!({"data": {"RESTIC_REPOSITORY": STANDARD.encode(&address),
            "RESTIC_PASSWORD": STANDARD.encode(password), "AWS_ACCESS_KEY_ID": STANDARD.encode(user),
            "AWS_SECRET_ACCESS_KEY": STANDARD.encode(key), "EMPTY": ""}});
        let mut inspection = inspections(&credentials).swap_remove(2);
        let in_url = "planted%2Fkey%2B%3D";
        let secret = &mut inspection["seen"]["secret"]["object"];
        secret["data"]["RESTIC_PASSWORD"] = json!(STANDARD.encode(of_claim));
        let copy = json!({"kind": "Secret", "data": secret["data"]}).to_string();
        secret["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": copy,
            "note": format!("{address} {of_claim}"), "kept": "as it is"});
        secret["metadata"]["managedFields"] = json!([{"fieldsV1": of_claim}]);
        for role in ["claim", "source"] {
            let object = &mut inspection["seen"][role]["object"];
            object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = json!(password);
            object["metadata"]["annotations"]["note"] = json!(STANDARD.encode(key));
            object["spec"]["somewhere"] = json!(format!("https://nobody:unknown-planted@example.com/?key={in_url}"));
        }
        let log = format!("export {user} {key} {of_host}\nFatal: {address} https://a:unknown-planted@b/c@d {of_claim}");
        inspection["seen"]["source"]["object"]["status"]["latestMoverStatus"] = json!({"logs": of_claim});
        inspection["seen"]["source"]["object"]["status"]["conditions"] = json!([{"message": of_claim}]);
        inspection["seen"]["destinationLog"] = json!({"log": log});
        let others = [json!({"kind": "Secret", "data": {"AWS_SECRET_ACCESS_KEY": STANDARD.encode(of_host)}})];
        let look = take_out(inspection, &others);
        let text = Value::Object(look.clone()).to_string();
        for value in planted.iter().chain(&["unknown-planted", in_url]) {
            assert!(!text.contains(value) && !text.contains(&STANDARD.encode(value)), "{value}: {text}");
        }
        assert!(!text.contains("managedFields") && !text.contains("last-applied"), "{text}");
        assert_eq!(look["seen"]["secret"]["object"]["metadata"]["annotations"]["kept"], "as it is");
        assert_eq!(look["credentials"]["data"]["EMPTY"], "");
        assert!(is_taken_out(&object(look["credentials"].clone())));
        assert!(is_taken_out(&object(look["seen"]["secret"]["object"].clone())));
    }

    #[test]
    fn stand_ins_are_no_values_and_stay_in_a_dump() {
        let inspection = inspections(&credentials()).swap_remove(2);
        let look = Value::Object(take_out(inspection, &[]));
        let mut redacted = look.clone();
        redact(&mut redacted);
        assert_eq!(redacted, look);
        let mut dump = Dump::default();
        dump.add(look.clone()).unwrap();
        let claims: Vec<&Value> = dump.claims().collect();
        assert_eq!(claims, [&look["request"]]);
        assert_eq!(Value::Object(dump.inspection(claims[0], &Map::new(), false).0), look);
        for data in [
            json!({"RESTIC_PASSWORD": "taken-out-1x"}),
            json!({"RESTIC_PASSWORD": "taken-out-"}),
            json!({"RESTIC_PASSWORD": "taken-out-1", "AWS_ACCESS_KEY_ID": "i"}),
            json!({"RESTIC_PASSWORD": "taken-out-1", "RESTIC_REPOSITORY": "s3:http://u:p@h/b"}),
            json!({"RESTIC_REPOSITORY": "s3:http://h/b"}),
            json!({}),
        ] {
            assert!(!is_taken_out(&object(json!({"stringData": data}))), "{data}");
        }
    }

    #[test]
    fn an_address_stays_without_what_opens_it() {
        for (address, stand_in) in [
            (" s3:https://h:9000/bucket/a/b/\n", " s3:https://h:9000/bucket/a/b/\n"),
            ("s3:http://u:p@h/bucket/a", "s3:http://taken-out@h/bucket/a"),
            ("rest:https://u:p@x@h:8000/a/", "rest:https://taken-out@h:8000/a/"),
            ("b2:bucket:a/b", "b2:bucket:a/b"),
        ] {
            assert_eq!(StandIns::default().of(REPOSITORY, address), stand_in);
        }
    }

    #[test]
    fn certificates_are_still_certificates_and_nothing_else_is() {
        let pem = |label: &str| format!("-----BEGIN {label}-----\nMIIB\n-----END {label}-----\n");
        let with = |authorities: &str| {
            let mut credentials = credentials();
            credentials["stringData"]["ca.crt"] = json!(authorities);
            let look = take_out(inspections(&credentials).swap_remove(0), &[]);
            assert!(!look["credentials"].to_string().contains("MIIB"));
            decision(&look)[0]["code"].as_str().unwrap().to_owned()
        };
        assert_eq!(with(&pem("CERTIFICATE")), "FreshVolume");
        assert_eq!(with(&format!("{}{}", pem("CERTIFICATE"), pem("PRIVATE KEY"))), "CredentialsMissing");
        assert_eq!(with("no PEM"), "CredentialsMissing");
    }
}
