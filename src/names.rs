//! Names in the cluster: the keys of the policy's labels and annotations, the API groups, the names that VolSync
//! derives from those of the manifests, and how long a name may be.

/// The prefix of the keys of the policy's annotations.
pub const PREFIX: &str = "volsync-policy.io/";

/// A key that begins with [`PREFIX`].
macro_rules! ours {
    ($name:literal) => {
        concat!("volsync-policy.io/", $name)
    };
}

/// On a claim, written by a person: `<hold-id>[,<hold-id>] <reason>`, the holds that the person accepts and why.
pub const ACCEPT: &str = ours!("accept");
/// On a claim, while a person has to do something: `<since> <code>: <what happened and what to do>`, for people to
/// read. `<since>` is the time in RFC 3339 since when the claim has had this code.
pub const ATTENTION: &str = ours!("attention");
/// On each object that the policy manages: the uid of the claim that it was created for.
pub const CLAIM_UID: &str = ours!("claim-uid");
/// On a ReplicationDestination: the name of its image, once the image was consumed.
pub const CONSUMED: &str = ours!("consumed");
/// On a ReplicationDestination: what it was expected to restore when it was created, see [`Expectation`].
///
/// [`Expectation`]: crate::evidence::Expectation
pub const EXPECTS: &str = ours!("expects");
/// On a claim, written by a person: `fsGroup` of its movers. It overrides the settings.
pub const FS_GROUP: &str = ours!("fs-group");
/// On a claim, written by a person: the service account of its movers. It overrides the settings.
pub const MOVER_SERVICE_ACCOUNT: &str = ours!("mover-service-account");
/// On a claim and on its ReplicationSource: the release record, see [`ReleaseRecord`].
///
/// [`ReleaseRecord`]: crate::evidence::ReleaseRecord
pub const RELEASED: &str = ours!("released");
/// On a claim: the ids of the holds that a person accepted and that no longer count, `<hold-id>[,<hold-id>]`, the
/// newest last.
pub const SPENT: &str = ours!("spent");
/// On a claim: changed by the host, so that VolSync reconciles the claim again.
pub const TOUCHED: &str = ours!("touched");
/// On a claim, written by a person: a whole number. Of the claims that wait to be restored or backed up for the first
/// time, those with a higher number come first; without the annotation it is 0.
pub const PRIORITY: &str = ours!("priority");
/// On a claim, written by a person: with `skip <reason>` the claim is not restored.
pub const RESTORE: &str = ours!("restore");
/// On a claim: the repository of another claim to restore from. Such a claim is rejected: this is not supported.
pub const RESTORE_FROM: &str = ours!("restore-from");
/// On a claim, written by a person: `runAsGroup` of its movers. It overrides the settings.
pub const RUN_AS_GROUP: &str = ours!("run-as-group");
/// On a claim, written by a person: `runAsUser` of its movers. It overrides the settings.
pub const RUN_AS_USER: &str = ours!("run-as-user");

/// The policy's annotations that a claim may have. Any other that begins with [`PREFIX`] counts as a mistake.
pub const ON_CLAIMS: [&str; 13] = [
    ACCEPT,
    ATTENTION,
    CLAIM_UID,
    FS_GROUP,
    MOVER_SERVICE_ACCOUNT,
    PRIORITY,
    RELEASED,
    RESTORE,
    RESTORE_FROM,
    RUN_AS_GROUP,
    RUN_AS_USER,
    SPENT,
    TOUCHED,
];

/// The label that marks the objects that the policy manages; its value is [`MANAGER`].
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The value of the label [`MANAGED_BY`] on the objects that the policy manages.
pub const MANAGER: &str = "volsync-policy";

/// The label that marks the claims that VolSync creates for its own use; its value is `volsync`.
pub const CREATED_BY: &str = "app.kubernetes.io/created-by";

/// The API group of VolSync's kinds.
pub const VOLSYNC: &str = "volsync.backube";

/// `apiVersion` of VolSync's kinds.
pub const VOLSYNC_VERSION: &str = "volsync.backube/v1alpha1";

/// `apiVersion` of an ExternalSecret.
pub const EXTERNAL_SECRETS_VERSION: &str = "external-secrets.io/v1";

/// `apiVersion` of a VolumeSnapshot.
pub const SNAPSHOT_VERSION: &str = "snapshot.storage.k8s.io/v1";

/// The field manager with which a host creates and applies manifests.
pub const FIELD_MANAGER: &str = "volsync-policy";

/// The field manager with which a host writes release records. It differs from [`FIELD_MANAGER`]; otherwise the next
/// apply of a manifest would remove them.
pub const RECORD_MANAGER: &str = "volsync-policy-records";

/// The annotation in which VolSync notes on a PersistentVolume which image it was populated from, as
/// `<namespace>/<VolumeSnapshot>`.
pub const POPULATED_FROM: &str = "volsync.backube/populated-from";

/// The prefix of the name of a claim from which VolSync's populator fills another one.
pub(crate) const POPULATOR_PREFIX: &str = "vs-prime-";

/// The prefix of the name of a Job that restores for a ReplicationDestination.
const DESTINATION_JOB: &str = "volsync-dst-";

/// The prefix of the name of a Job that backs up for a ReplicationSource, and of the claim of its cache.
const SOURCE_JOB: &str = "volsync-src-";

/// The longest name of a Job that VolSync creates: as long as the value of a label may be.
const LONGEST_JOB: usize = 63;

/// The name of the claim from which VolSync's populator fills the claim of that uid: `vs-prime-<uid>`.
pub fn populator(uid: &str) -> String {
    format!("{POPULATOR_PREFIX}{uid}")
}

/// The name of the Job that restores for the ReplicationDestination of that name: `volsync-dst-<name>`. Where that
/// would be longer than 63 characters, VolSync 0.16 writes the CRC-32 of the name in its place, in hexadecimal digits
/// (utils.go:368-400).
pub fn destination_job(destination: &str) -> String {
    match DESTINATION_JOB.len() + destination.len() {
        ..=LONGEST_JOB => format!("{DESTINATION_JOB}{destination}"),
        _ => format!("{DESTINATION_JOB}{:08x}", crc32(destination.as_bytes())),
    }
}

/// The CRC-32 of IEEE 802.3. A crate's is faster by tables of 8 KiB and more, which every load of the page would pay.
fn crc32(bytes: &[u8]) -> u32 {
    let shift = |crc: u32| crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| shift(crc)))
}

/// The longest name of an object (RFC 1123 subdomain).
pub(crate) const LONGEST_NAME: usize = 253;

/// The longest claim that VolSync's populator can fill: it puts the claim's name into a label's value
/// (volumepopulator_controller.go:396, :741), and those end at 63 characters.
pub(crate) const LONGEST_POPULATED: usize = 63;

/// The longest name of a ReplicationDestination for which the longest name that VolSync derives from it,
/// `volsync-<name>-dest-YYYYMMDDhhmmss` of a snapshot, is still valid. VolSync 0.16 shortens the names of Jobs and of
/// nothing else (utils.go:368-400).
pub(crate) const LONGEST_DESTINATION: usize = LONGEST_NAME - "volsync-".len() - "-dest-YYYYMMDDhhmmss".len();

/// The longest name of a ReplicationSource for which the longest name that VolSync derives from it,
/// `volsync-src-<name>-cache` of the claim of its cache, is still valid.
pub(crate) const LONGEST_SOURCE: usize = LONGEST_NAME - SOURCE_JOB.len() - "-cache".len();

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
    fn every_key_of_ours_begins_with_the_prefix() {
        assert!(ON_CLAIMS.into_iter().chain([CONSUMED, EXPECTS]).all(|key| key.starts_with(PREFIX)));
        assert_eq!(VOLSYNC_VERSION.split_once('/').map(|(group, _)| group), Some(VOLSYNC));
    }

    #[test]
    fn a_job_is_named_as_volsync_names_it() {
        assert_eq!(populator("0b4c"), "vs-prime-0b4c");
        assert_eq!(destination_job("data-restore"), "volsync-dst-data-restore");
        let longest = "a".repeat(LONGEST_JOB - DESTINATION_JOB.len());
        assert_eq!(destination_job(&longest), format!("volsync-dst-{longest}"));
        assert_eq!(destination_job(&format!("{longest}a")), "volsync-dst-b6af0329");
    }

    #[test]
    fn the_longest_names_leave_room_for_what_is_derived() {
        // Facts measured on VolSync 0.16: a claim of 217 characters is the longest whose `<pvc>-restore` still works.
        assert_eq!(LONGEST_DESTINATION - "-restore".len(), 217);
        assert_eq!(LONGEST_SOURCE - "-backup".len(), 228);
        assert_eq!(LONGEST_NAME - "-volsync-secret".len(), 238);
    }
}
