//! The base credentials: read once, written into each claim's Secret, and nowhere else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::text;
use crate::mover::restic::{Flaw, MoverKey, S3_KEYS, join};
use crate::problem::Problem;
use crate::vec_map::VecMap;

/// The identity that movers use to reach a repository on S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) enum S3Identity {
    /// The access key in the credentials.
    #[default]
    Keys,
    /// The identity of the mover's service account or of its node. The credentials then need no access key.
    Ambient,
}

/// The base credentials: the administrator keeps them once, and every claim's Secret is made from them.
///
/// They implement neither `Debug` nor `Display` nor `Serialize`: they can only be written into the Secret of a plan.
pub(crate) struct Credentials {
    values: VecMap<MoverKey, Result<SecretBytes, Flaw>>,
    ignored: Vec<String>,
}

/// A value of a Secret. It implements neither `Debug` nor `Display` nor `Serialize`.
#[derive(Clone)]
pub(crate) struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// The value of a key of a live Secret; `None` where it is missing, empty or not base64.
    pub(crate) fn in_secret(secret: &Value, key: &MoverKey) -> Option<Self> {
        decode(text(secret, &["data", key.as_str()])).and_then(usable).ok()
    }

    /// Whether the value of a key of a live Secret was taken out of what was seen: it, or all of `data`, is null. An
    /// API server never answers that.
    pub(crate) fn is_taken_out(secret: &Value, key: &MoverKey) -> bool {
        match secret.get("data") {
            Some(Value::Null) => true,
            Some(data) => data.get(key.as_str()).is_some_and(Value::is_null),
            None => false,
        }
    }

    /// The bytes themselves, for the one place that writes `Secret.data`.
    pub(crate) fn reveal(&self) -> &[u8] {
        &self.0
    }
}

/// The data of one claim's Secret, sorted by key.
pub(crate) type ClaimCredentials = Vec<(MoverKey, SecretBytes)>;

/// A key without a usable value, which a claim's Secret needs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Need {
    /// The name of the key.
    pub key: MoverKey,
    /// Why its value is not usable.
    pub flaw: Flaw,
}

impl Credentials {
    /// Reads a Secret with `data` or `stringData`. Where both have a key, `stringData` wins, as in the API server.
    ///
    /// For a value that cannot be read the reason is kept instead. Keys that the mover does not read are ignored.
    ///
    /// # Errors
    ///
    /// The document is not a Secret.
    pub(crate) fn from_value(document: &Value) -> Result<Self, Problem> {
        let wrong = |path: &str, message: &str| Problem::new(format!("credentials{path}"), message);
        let secret = document.as_object().ok_or_else(|| wrong("", "expected a Secret"))?;
        if secret.get("kind").is_some_and(|kind| kind != "Secret") {
            return Err(wrong(".kind", "expected `Secret`"));
        }
        if secret.contains_key("sops") {
            return Err(wrong(".sops", "the Secret is still encrypted by SOPS").hint("decrypt it first"));
        }
        let mut credentials = Credentials { values: VecMap::new(), ignored: Vec::new() };
        for (field, decode) in [("data", decode as fn(&str) -> _), ("stringData", |text| Ok(text.as_bytes().to_vec()))]
        {
            let entries = match secret.get(field) {
                None | Some(Value::Null) => continue,
                Some(Value::Object(entries)) => entries,
                Some(_) => return Err(wrong(&format!(".{field}"), "expected an object")),
            };
            for (name, value) in entries {
                let value = value.as_str().ok_or(Flaw::Malformed).and_then(decode).and_then(usable);
                match MoverKey::parse(name) {
                    Some(key) => {
                        let value = value.and_then(|value| meant(&key, value));
                        credentials.values.insert(key, value);
                    }
                    None if credentials.ignored.contains(name) => {}
                    None => credentials.ignored.push(name.clone()),
                }
            }
        }
        Ok(credentials)
    }

    /// The names of the keys that no mover reads, which are not used.
    pub(crate) fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// The data of the Secret of the claim whose repository is at `path` below the base repository.
    ///
    /// # Errors
    ///
    /// The keys that are missing, empty or invalid; never a value.
    pub(crate) fn for_claim(&self, path: &str, identity: S3Identity) -> Result<ClaimCredentials, Vec<Need>> {
        let repository = self
            .get(&MoverKey::REPOSITORY)
            .and_then(|base| join(base.reveal(), path))
            .map(|url| SecretBytes(url.into_bytes()));
        let on_s3 = self.base().is_none_or(|base| base.reveal().starts_with(b"s3:"));
        let mut needs = VecMap::new();
        for key in required(on_s3 && identity == S3Identity::Keys) {
            if let Err(flaw) = self.get(&key) {
                needs.insert(key, flaw);
            }
        }
        needs.extend(repository.as_ref().err().map(|flaw| (MoverKey::REPOSITORY, *flaw)));
        let mut values = Vec::new();
        for (key, value) in &self.values {
            match (value, &repository) {
                (Ok(_), Ok(url)) if *key == MoverKey::REPOSITORY => values.push((key.clone(), url.clone())),
                (Ok(value), _) => values.push((key.clone(), value.clone())),
                // An empty optional key counts as absent; one that cannot be read was meant to be used.
                (Err(Flaw::Empty | Flaw::Missing), _) => {}
                (Err(flaw), _) => needs.insert(key.clone(), *flaw),
            }
        }
        if needs.is_empty() {
            return Ok(values);
        }
        Err(needs.iter().map(|(key, flaw)| Need { key: key.clone(), flaw: *flaw }).collect())
    }

    /// The address of the base repository, where it can be read. A value from a file often ends in a line break.
    pub(crate) fn base(&self) -> Option<SecretBytes> {
        self.get(&MoverKey::REPOSITORY).ok().map(|base| SecretBytes(base.reveal().trim_ascii().to_vec()))
    }

    /// Whether there are certificate authorities that cannot be read.
    pub(crate) fn has_malformed_authorities(&self) -> bool {
        self.get(&MoverKey::AUTHORITIES).is_err_and(|flaw| !matches!(flaw, Flaw::Empty | Flaw::Missing))
    }

    /// The base password, where it can be read.
    pub(crate) fn password(&self) -> Option<&SecretBytes> {
        self.get(&MoverKey::PASSWORD).ok()
    }

    /// The address of the repository at `path` below the base repository.
    pub(crate) fn repository(&self, path: &str) -> Option<SecretBytes> {
        join(self.base()?.reveal(), path).ok().map(|url| SecretBytes(url.into_bytes()))
    }

    fn get(&self, key: &MoverKey) -> Result<&SecretBytes, Flaw> {
        self.values.get(key).map_or(Err(Flaw::Missing), |value| value.as_ref().map_err(|flaw| *flaw))
    }
}

/// The keys that every mover needs.
fn required(with_s3_keys: bool) -> impl Iterator<Item = MoverKey> {
    let s3 = S3_KEYS.into_iter().filter(move |_| with_s3_keys).filter_map(MoverKey::parse);
    s3.chain([MoverKey::PASSWORD])
}

/// The keys that a claim's Secret needs when no credentials are given: those of a repository on S3.
pub(crate) fn needs_without_credentials(identity: S3Identity) -> Vec<Need> {
    required(identity == S3Identity::Keys)
        .chain([MoverKey::REPOSITORY])
        .map(|key| Need { key, flaw: Flaw::Missing })
        .collect()
}

fn decode(text: &str) -> Result<Vec<u8>, Flaw> {
    // The API server ignores line breaks inside base64 too.
    STANDARD.decode(text.replace(['\n', '\r'], "")).map_err(|_| Flaw::Malformed)
}

/// The mover receives the values as environment variables, which end at a NUL byte.
fn usable(bytes: Vec<u8>) -> Result<SecretBytes, Flaw> {
    match bytes.as_slice() {
        [] => Err(Flaw::Empty),
        bytes if bytes.contains(&0) => Err(Flaw::Malformed),
        _ => Ok(SecretBytes(bytes)),
    }
}

/// A value that can be meant for its key.
fn meant(key: &MoverKey, value: SecretBytes) -> Result<SecretBytes, Flaw> {
    let is_s3_key = S3_KEYS.contains(&key.as_str());
    let bytes = value.reveal();
    let trimmed = bytes.trim_ascii();
    let is_variable = trimmed.starts_with(b"${") && trimmed.ends_with(b"}");
    // A password may contain anything.
    if is_variable || (is_s3_key || *key == MoverKey::REPOSITORY) && bytes.windows(2).any(|pair| pair == b"${") {
        return Err(Flaw::Unrendered);
    }
    if trimmed.starts_with(b"ENC[") {
        return Err(Flaw::Encrypted);
    }
    if is_s3_key && bytes.iter().any(u8::is_ascii_whitespace) {
        return Err(Flaw::WhiteSpace);
    }
    if *key == MoverKey::AUTHORITIES { certificates(value) } else { Ok(value) }
}

/// PEM text of certificates, and of nothing else: a private key beside them would be copied into every namespace. Text
/// before and between certificates is a comment.
fn certificates(value: SecretBytes) -> Result<SecretBytes, Flaw> {
    const BEGIN: &str = "-----BEGIN ";
    let is_certificate = |section: &str| {
        let body = section.strip_prefix("CERTIFICATE-----").and_then(|it| it.split_once("-----END CERTIFICATE-----"));
        body.is_some_and(|(body, _)| decode(body).is_ok_and(|der| der.first() == Some(&DER_SEQUENCE)))
    };
    let text = str::from_utf8(value.reveal()).map_err(|_| Flaw::Malformed)?;
    let are_certificates = text.contains(BEGIN) && text.split(BEGIN).skip(1).all(is_certificate);
    are_certificates.then_some(value).ok_or(Flaw::Malformed)
}

/// The first byte of a certificate in DER.
const DER_SEQUENCE: u8 = 0x30;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn needs(document: Value) -> Vec<(String, Flaw)> {
        let needs = Credentials::from_value(&document)
            .unwrap()
            .for_claim("shop/data", S3Identity::Keys)
            .err()
            .unwrap_or_default();
        needs.into_iter().map(|need| (need.key.as_str().to_owned(), need.flaw)).collect()
    }

    #[test]
    fn every_key_that_is_needed_is_named_and_what_is_wrong_with_it() {
        let data = json!({"data": {"RESTIC_REPOSITORY": "%", "RESTIC_PASSWORD": "", "AWS_ACCESS_KEY_ID": "AAE="}});
        assert_eq!(
            needs(data),
            [
                ("AWS_ACCESS_KEY_ID".to_owned(), Flaw::Malformed),
                ("AWS_SECRET_ACCESS_KEY".to_owned(), Flaw::Missing),
                ("RESTIC_PASSWORD".to_owned(), Flaw::Empty),
                ("RESTIC_REPOSITORY".to_owned(), Flaw::Malformed),
            ]
        );
    }

    #[test]
    fn a_value_that_is_not_yet_what_it_should_be_is_named_with_the_reason() {
        let with = |key: &str, value: &str| {
            let mut secret = json!({"stringData": {"RESTIC_REPOSITORY": "s3:h/b", "RESTIC_PASSWORD": "x",
                                                   "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}});
            secret["stringData"][key] = json!(value);
            needs(secret)
        };
        for (key, value, flaw) in [
            ("RESTIC_REPOSITORY", "s3:https://${ENDPOINT}/b", Flaw::Unrendered),
            ("RESTIC_PASSWORD", "${PASSWORD}\n", Flaw::Unrendered),
            ("AWS_ACCESS_KEY_ID", "key-${NUMBER}", Flaw::Unrendered),
            ("AWS_SESSION_TOKEN", "${TOKEN}", Flaw::Unrendered),
            ("RESTIC_PASSWORD", "ENC[AES256_GCM,data:x,type:str]", Flaw::Encrypted),
            ("ca.crt", "ENC[AES256_GCM,data:x,type:str]", Flaw::Encrypted),
            ("AWS_SECRET_ACCESS_KEY", "secret\n", Flaw::WhiteSpace),
            ("AWS_ACCESS_KEY_ID", "two keys", Flaw::WhiteSpace),
        ] {
            assert_eq!(with(key, value), [(key.to_owned(), flaw)], "{key}: {value}");
        }
        for (key, value) in [("RESTIC_PASSWORD", "a${b}c\n"), ("RESTIC_PASSWORD", "an ENC["), ("AWS_PROFILE", "a b")] {
            assert_eq!(with(key, value), [], "{key}: {value}");
        }
        let encrypted = json!({"kind": "Secret", "stringData": {}, "sops": {"version": "3.9.0"}});
        assert_eq!(
            Credentials::from_value(&encrypted).err().map(|problem| problem.path).as_deref(),
            Some("credentials.sops")
        );
    }

    #[test]
    fn authorities_are_certificates_and_nothing_else() {
        let pem = |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
        let [one, two] = ["MIIBszCCAVm\ngAwIBAgIUQQ==", "MIIB"].map(|body| pem("CERTIFICATE", body));
        for authorities in [one.clone(), format!("# home\n{one}{two}"), one.replace('\n', "\r\n")] {
            assert_eq!(needs(with_authorities(&authorities)), [], "{authorities}");
        }
        let (key, no_der) = (pem("PRIVATE KEY", "MIIB"), pem("CERTIFICATE", "bm8="));
        for authorities in ["-", &key, &no_der, &one[..40], &format!("{one}{key}"), &pem("CERTIFICATE", "%")] {
            let flaw = ("ca.crt".to_owned(), Flaw::Malformed);
            assert_eq!(needs(with_authorities(authorities)), [flaw], "{authorities}");
        }
    }

    fn with_authorities(authorities: &str) -> Value {
        json!({"stringData": {"RESTIC_REPOSITORY": "b2:bucket", "RESTIC_PASSWORD": "x", "ca.crt": authorities}})
    }

    #[test]
    fn a_mover_that_is_someone_already_needs_no_keys_of_s3() {
        let data = json!({"stringData": {"RESTIC_REPOSITORY": "s3:h/b", "RESTIC_PASSWORD": "x"}});
        let credentials = Credentials::from_value(&data).unwrap();
        assert!(credentials.for_claim("shop/data", S3Identity::Ambient).is_ok());
        assert!(credentials.for_claim("shop/data", S3Identity::Keys).is_err());
    }

    #[test]
    fn only_s3_needs_the_keys_of_s3() {
        assert_eq!(needs(json!({"stringData": {"RESTIC_REPOSITORY": "b2:bucket", "RESTIC_PASSWORD": "x"}})), []);
    }

    #[test]
    fn string_data_wins_and_what_no_mover_reads_is_set_aside() {
        let credentials = Credentials::from_value(&json!({
            "kind": "Secret",
            "data": {"RESTIC_PASSWORD": "%", "RESTIC_REPOSITORY": "czM6aC9i\n", "AWS_REGION": "eA=="},
            "stringData": {"RESTIC_PASSWORD": "p", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s",
                           "AWS_REGION": "x",
                           "RCLONE_CONFIG_X_TYPE": "s3", "RCLONE_": "x"},
        }))
        .unwrap();
        assert_eq!(credentials.ignored(), ["AWS_REGION", "RCLONE_"]);
        let Ok(values) = credentials.for_claim("shop/data", S3Identity::Keys) else { panic!("nothing is missing") };
        let keys: Vec<&str> = values.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "AWS_ACCESS_KEY_ID",
                "AWS_SECRET_ACCESS_KEY",
                "RCLONE_CONFIG_X_TYPE",
                "RESTIC_PASSWORD",
                "RESTIC_REPOSITORY"
            ]
        );
        assert_eq!(values[3].1.reveal(), b"p");
        assert_eq!(values[4].1.reveal(), b"s3:h/b/shop/data");
    }
}
