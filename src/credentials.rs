//! Base credentials: read once, written into one Secret, seen nowhere else.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::text;
use crate::problem::{Problem, nearest};
use crate::vec_map::VecMap;

/// As whom movers reach a repository on S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) enum S3Identity {
    /// As the user whose access key stands in the credentials.
    #[default]
    Keys,
    /// As whatever their service account or their node is: the credentials need no access key.
    Ambient,
}

/// A key that VolSync's restic mover reads from a Secret.
///
/// The list is that of VolSync 0.16 (internal/controller/mover/restic/mover.go, `resticOptionalEnvVars`), with the
/// two required ones, the Google credentials that it mounts as a file, and everything that begins with `RCLONE_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MoverKey(#[cfg_attr(feature = "schema", schemars(with = "String"))] Cow<'static, str>);

impl MoverKey {
    /// The repository: in the base credentials the one below which all claims' repositories stand.
    pub const REPOSITORY: MoverKey = MoverKey(Cow::Borrowed("RESTIC_REPOSITORY"));
    /// The password with which restic encrypts.
    pub const PASSWORD: MoverKey = MoverKey(Cow::Borrowed("RESTIC_PASSWORD"));

    /// The key of that name, if the mover reads it.
    pub fn parse(name: &str) -> Option<MoverKey> {
        if let Some(known) = KEYS.iter().find(|known| **known == name) {
            return Some(MoverKey(Cow::Borrowed(known)));
        }
        name.strip_prefix("RCLONE_").is_some_and(is_variable).then(|| MoverKey(name.to_owned().into()))
    }

    /// As it stands in the Secret.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_variable(rest: &str) -> bool {
    !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl TryFrom<String> for MoverKey {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        MoverKey::parse(&name).ok_or_else(|| match nearest(&name, KEYS) {
            Some(key) => format!("VolSync's mover does not read this key; did you mean `{key}`?"),
            None => "VolSync's mover does not read this key".to_owned(),
        })
    }
}

/// Keys that name the mover's S3 user; needed where the repository is on S3.
const S3_KEYS: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

const KEYS: [&str; 50] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_ACCOUNT_KEY",
    "AZURE_ACCOUNT_NAME",
    "AZURE_ACCOUNT_SAS",
    "AZURE_CLIENT_ID",
    "AZURE_ENDPOINT_SUFFIX",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_TENANT_ID",
    "B2_ACCOUNT_ID",
    "B2_ACCOUNT_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_PROJECT_ID",
    "OS_APPLICATION_CREDENTIAL_ID",
    "OS_APPLICATION_CREDENTIAL_NAME",
    "OS_APPLICATION_CREDENTIAL_SECRET",
    "OS_AUTH_TOKEN",
    "OS_AUTH_URL",
    "OS_PASSWORD",
    "OS_PROJECT_DOMAIN_ID",
    "OS_PROJECT_DOMAIN_NAME",
    "OS_PROJECT_NAME",
    "OS_REGION_NAME",
    "OS_STORAGE_URL",
    "OS_TENANT_ID",
    "OS_TENANT_NAME",
    "OS_TRUST_ID",
    "OS_USERNAME",
    "OS_USER_DOMAIN_ID",
    "OS_USER_DOMAIN_NAME",
    "OS_USER_ID",
    "RESTIC_AWS_ASSUME_ROLE_ARN",
    "RESTIC_AWS_ASSUME_ROLE_EXTERNAL_ID",
    "RESTIC_AWS_ASSUME_ROLE_POLICY",
    "RESTIC_AWS_ASSUME_ROLE_REGION",
    "RESTIC_AWS_ASSUME_ROLE_SESSION_NAME",
    "RESTIC_AWS_ASSUME_ROLE_STS_ENDPOINT",
    "RESTIC_COMPRESSION",
    "RESTIC_PACK_SIZE",
    "RESTIC_PASSWORD",
    "RESTIC_READ_CONCURRENCY",
    "RESTIC_REPOSITORY",
    "RESTIC_REST_PASSWORD",
    "RESTIC_REST_USERNAME",
    "ST_AUTH",
    "ST_KEY",
    "ST_USER",
];

/// The base credentials: what the administrator keeps once, and what every claim's Secret is made from.
///
/// It has neither `Debug` nor `Display` nor `Serialize`: the only way out is into the Secret of a plan.
pub(crate) struct Credentials {
    values: VecMap<MoverKey, Result<SecretBytes, Flaw>>,
    ignored: Vec<String>,
}

/// A value of a Secret. It has neither `Debug` nor `Display` nor `Serialize`.
#[derive(Clone)]
pub(crate) struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// The value of a key of a live Secret; nothing where it has none, an empty one, or one that is no base64.
    pub(crate) fn in_secret(secret: &Value, key: &MoverKey) -> Option<Self> {
        decode(text(secret, &["data", key.as_str()])).and_then(usable).ok()
    }

    /// The bytes themselves, for the one place that writes `Secret.data`.
    pub(crate) fn reveal(&self) -> &[u8] {
        &self.0
    }
}

/// What one claim's Secret holds, in the order of its keys.
pub(crate) type ClaimCredentials = Vec<(MoverKey, SecretBytes)>;

/// A key that is needed, and what is wrong with its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Need {
    /// The key.
    pub key: MoverKey,
    /// What is wrong with its value.
    pub flaw: Flaw,
}

/// What is wrong with a value of the base credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Flaw {
    /// There is none.
    Missing,
    /// It is there and empty, which VolSync's mover refuses.
    Empty,
    /// It is not base64, holds a NUL byte, or is no repository.
    Malformed,
}

impl Credentials {
    /// Reads a Secret with `data` or `stringData`; where a key stands in both, `stringData` wins, as in the API
    /// server.
    ///
    /// A value that cannot be read is kept as a flaw of its key. Keys that the mover does not read are set aside.
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
                    Some(key) => credentials.values.insert(key, value),
                    None if credentials.ignored.contains(name) => {}
                    None => credentials.ignored.push(name.clone()),
                }
            }
        }
        Ok(credentials)
    }

    /// The names of keys that no mover reads, and that go nowhere.
    pub(crate) fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// What the Secret of the claim at `path` below the base repository holds.
    ///
    /// # Errors
    ///
    /// The keys that are needed or of no use as they are; never a value.
    pub(crate) fn for_claim(&self, path: &str, identity: S3Identity) -> Result<ClaimCredentials, Vec<Need>> {
        let repository = self.get(&MoverKey::REPOSITORY).and_then(|base| join(base.reveal(), path));
        let on_s3 = repository.as_ref().map_or(true, |url| url.reveal().starts_with(b"s3:"));
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
                // An optional key that is empty is as good as absent; one that cannot be read was meant to be there.
                (Err(Flaw::Empty | Flaw::Missing), _) => {}
                (Err(Flaw::Malformed), _) => needs.insert(key.clone(), Flaw::Malformed),
            }
        }
        if needs.is_empty() {
            return Ok(values);
        }
        Err(needs.iter().map(|(key, flaw)| Need { key: key.clone(), flaw: *flaw }).collect())
    }

    /// The base repository, where it can be read.
    pub(crate) fn base(&self) -> Option<&SecretBytes> {
        self.get(&MoverKey::REPOSITORY).ok()
    }

    /// The repository at `path` below the base repository.
    pub(crate) fn repository(&self, path: &str) -> Option<SecretBytes> {
        join(self.base()?.reveal(), path).ok()
    }

    fn get(&self, key: &MoverKey) -> Result<&SecretBytes, Flaw> {
        self.values.get(key).map_or(Err(Flaw::Missing), |value| value.as_ref().map_err(|flaw| *flaw))
    }
}

/// The keys without which no mover runs.
fn required(with_s3_keys: bool) -> impl Iterator<Item = MoverKey> {
    let s3 = S3_KEYS.into_iter().filter(move |_| with_s3_keys).filter_map(MoverKey::parse);
    s3.chain([MoverKey::PASSWORD])
}

/// The keys that a claim's Secret needs when no credentials are given at all: as if the repository were on S3.
pub(crate) fn needs_without_credentials(identity: S3Identity) -> Vec<Need> {
    required(identity == S3Identity::Keys)
        .chain([MoverKey::REPOSITORY])
        .map(|key| Need { key, flaw: Flaw::Missing })
        .collect()
}

fn decode(text: &str) -> Result<Vec<u8>, Flaw> {
    // As the API server: line breaks inside base64 are passed over.
    STANDARD.decode(text.replace(['\n', '\r'], "")).map_err(|_| Flaw::Malformed)
}

/// The mover gets its values as environment variables, which end at a NUL.
fn usable(bytes: Vec<u8>) -> Result<SecretBytes, Flaw> {
    match bytes.as_slice() {
        [] => Err(Flaw::Empty),
        bytes if bytes.contains(&0) => Err(Flaw::Malformed),
        _ => Ok(SecretBytes(bytes)),
    }
}

/// The repository at `path` below the base. A base from a file often ends in a line break or a slash, and restic
/// cleans the path of a repository; without the same care the policy would speak of another repository than the
/// mover.
///
/// The notations are those of restic: an address and a path for `s3` and `rest`, a container, a colon and a path for
/// `azure`, `b2`, `gs`, `rclone` and `swift`. A bare path must be absolute: the mover works in the volume itself.
fn join(base: &[u8], path: &str) -> Result<SecretBytes, Flaw> {
    let base = std::str::from_utf8(base).map_err(|_| Flaw::Malformed)?.trim().trim_end_matches('/');
    if base.is_empty() {
        return Err(Flaw::Empty);
    }
    let (scheme, location) = base.split_once(':').unwrap_or(("", base));
    let separator = match scheme {
        "s3" | "rest" | "sftp" => "/",
        "azure" | "b2" | "gs" | "swift" if !location.contains(':') => ":",
        "azure" | "b2" | "gs" | "swift" | "rclone" if location.contains(':') => "/",
        "" if location.starts_with('/') => "/",
        _ => return Err(Flaw::Malformed),
    };
    let address = location.strip_prefix("http://").or_else(|| location.strip_prefix("https://")).unwrap_or(location);
    let mut segments = address.trim_start_matches('/').split('/');
    let is_clean = segments.clone().all(|segment| !matches!(segment, "" | "." | ".."));
    let has_bucket = scheme != "s3" || segments.nth(1).is_some();
    let is_plain = !base.chars().any(|c| c.is_control() || c.is_whitespace() || c == '?' || c == '#');
    let is_repository = is_clean && has_bucket && is_plain;
    // After a container's colon a path needs no slash.
    let separator = if base.ends_with(':') { "" } else { separator };
    is_repository.then(|| SecretBytes(format!("{base}{separator}{path}").into_bytes())).ok_or(Flaw::Malformed)
}

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
        needs.into_iter().map(|need| (need.key.0.into_owned(), need.flaw)).collect()
    }

    fn repository(base: &str) -> Option<String> {
        let url = join(base.as_bytes(), "shop/data").ok()?;
        Some(String::from_utf8(url.reveal().to_vec()).unwrap())
    }

    #[test]
    fn the_claims_repository_stands_below_the_base_however_that_ends() {
        for base in
            ["s3:http://s3.local:9000/bucket", "s3:http://s3.local:9000/bucket/", " s3:http://s3.local:9000/bucket//\n"]
        {
            assert_eq!(repository(base).as_deref(), Some("s3:http://s3.local:9000/bucket/shop/data"));
        }
        assert_eq!(repository("s3:s3.local/bucket/deep/er").as_deref(), Some("s3:s3.local/bucket/deep/er/shop/data"));
        // The notations of restic's manual for its backends.
        for (base, joined) in [
            ("b2:bucket", "b2:bucket:shop/data"),
            ("b2:bucket:deep", "b2:bucket:deep/shop/data"),
            ("gs:bucket:/", "gs:bucket:shop/data"),
            ("azure:container:/deep/", "azure:container:/deep/shop/data"),
            ("swift:container:/deep", "swift:container:/deep/shop/data"),
            ("rclone:remote:deep", "rclone:remote:deep/shop/data"),
            ("rest:https://host:8000/deep/", "rest:https://host:8000/deep/shop/data"),
            ("/srv/restic", "/srv/restic/shop/data"),
        ] {
            assert_eq!(repository(base).as_deref(), Some(joined));
        }
    }

    #[test]
    fn a_base_that_restic_would_read_as_another_is_refused() {
        let refused = [
            "",
            "/",
            "s3:",
            "s3:http://",
            "s3:http://s3.local",
            "s3:http://s3.local/",
            "s3:https://s3.local/a//b",
            "s3:https://s3.local/../b",
            "s3:https://s3.local/b/.",
            "s3:https://s3.local/b c",
            "s3:https://s3.local/b\nc",
            "s3:https://s3.local/b?x=1",
            "s3:https://s3.local/b#x",
            "bucket",
            "s3.local/bucket",
            "http://s3.local/bucket",
            "S3:https://s3.local/bucket",
            "rclone:remote",
        ];
        for base in refused {
            assert_eq!(repository(base), None, "{base:?}");
        }
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
