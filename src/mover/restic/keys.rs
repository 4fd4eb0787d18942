//! The keys of a Secret that VolSync's restic mover reads.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::problem::nearest;

/// A key that VolSync's restic mover reads from a Secret.
///
/// The list is that of VolSync 0.16 (internal/controller/mover/restic/mover.go, `resticOptionalEnvVars`), with the two
/// required keys, the Google credentials that it mounts as a file, and every key that begins with `RCLONE_`. Besides,
/// `ca.crt` contains the certificates of the authorities that the store's certificate may be from, as PEM text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MoverKey(#[cfg_attr(feature = "schema", schemars(with = "String"))] Cow<'static, str>);

impl MoverKey {
    /// The address of the repository; in the base credentials the one below which all repositories of claims are.
    pub const REPOSITORY: MoverKey = MoverKey(Cow::Borrowed("RESTIC_REPOSITORY"));
    /// The password with which restic encrypts the repository.
    pub const PASSWORD: MoverKey = MoverKey(Cow::Borrowed("RESTIC_PASSWORD"));
    /// The certificates of the authorities that the store's certificate may be from, as PEM text. No other authority is
    /// trusted then: the mover passes them to restic as `--cacert` (mover-restic/entry.sh), which replaces the roots of
    /// its image. VolSync reads the key that `customCA` of a ReplicationSource or ReplicationDestination names.
    pub const AUTHORITIES: MoverKey = MoverKey(Cow::Borrowed("ca.crt"));

    /// Parses the name of a key; `None` where the mover does not read it.
    pub fn parse(name: &str) -> Option<MoverKey> {
        if let Some(known) = KEYS.iter().find(|known| **known == name) {
            return Some(MoverKey(Cow::Borrowed(known)));
        }
        name.strip_prefix("RCLONE_").is_some_and(is_variable).then(|| MoverKey(name.to_owned().into()))
    }

    /// The name of the key in the Secret.
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

/// The mover's S3 access key, which is needed where the repository is on S3.
pub(crate) const S3_KEYS: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

const KEYS: [&str; 51] = [
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
    "ca.crt",
];

/// Why a value of the base credentials is not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Flaw {
    /// The credentials do not contain the key.
    Missing,
    /// The value is empty, which VolSync's mover refuses.
    Empty,
    /// The value is invalid: it is not base64, contains a NUL byte, is not the address of a repository that movers
    /// reach, or is not PEM text of certificates alone.
    Malformed,
    /// The value still contains a variable such as `${NAME}`, which Flux or another tool was to fill in.
    Unrendered,
    /// The value is still encrypted by SOPS: it begins with `ENC[`.
    Encrypted,
    /// An S3 access key contains white space, usually a line break at its end, and can never work.
    WhiteSpace,
}
