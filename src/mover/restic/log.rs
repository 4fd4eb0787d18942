//! Outcomes: what a mover did, read from its log.
//!
//! VolSync reports `Successful` even if nothing was restored (entry.sh:339-341), so only the log tells the two apart.
//! `latestMoverStatus.logs` contains the end of the log: the lines that pass logfilter.go after a successful run, all
//! lines after a failed one (mover.go:613, :650), cut to the last 1,024 bytes (podlogs.go:40, :219), even within a
//! line. So a log never counts as complete, and what it does not say is unread. All of this applies to VolSync 0.16.0,
//! whose mover runs restic 0.18.1.

use serde::{Deserialize, Serialize};

use crate::names::is_hexadecimal;

/// The short id of a restic snapshot, as restic's log has it: the first 8 digits of the snapshot's id, in lower case
/// hexadecimal.
///
/// The name of the object below `<repository>/snapshots/` is the whole id, so it begins with these digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SnapshotId(#[cfg_attr(feature = "schema", schemars(with = "String"))] String);

impl SnapshotId {
    /// Parses the short id of a snapshot.
    pub fn parse(text: &str) -> Option<Self> {
        is_hexadecimal(text, 8).then(|| SnapshotId(text.to_owned()))
    }

    /// The short id, as the log has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SnapshotId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        SnapshotId::parse(&text).ok_or("expected 8 lower case hexadecimal digits")
    }
}

/// What a successful restore put into its volume.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Outcome {
    /// The snapshot with this id was restored.
    Restored(SnapshotId),
    /// Nothing was restored: the repository held no snapshot that the mover could select, or this run initialised it.
    Nothing,
    /// The log does not say what was restored.
    Unread,
}

impl Outcome {
    /// Reads `latestMoverStatus.logs` of a ReplicationDestination.
    ///
    /// Nothing was restored if the mover says so (entry.sh:341). A snapshot was restored if restic names it
    /// (`internal/restic/snapshot.go`) and the mover then completed (entry.sh:390), which it does not after an error.
    /// restic 0.14 wrote the name in angle brackets, as VolSync's own test still shows (`logfilter_test.go:209`). No
    /// current mover writes that form, so it counts as unread.
    pub fn of_restore(log: &str) -> Self {
        if log.contains("No data will be restored") {
            return Outcome::Nothing;
        }
        let id = last_finished(log, |line| {
            let (id, _) = line.strip_prefix("restoring snapshot ")?.split_once(" of ")?;
            SnapshotId::parse(id)
        });
        id.map_or(Outcome::Unread, Outcome::Restored)
    }
}

/// Reads from `latestMoverStatus.logs` of a ReplicationSource which snapshot a completed backup saved; the last one, if
/// the log names several.
///
/// `None` in these cases:
///
/// - The run did not complete. Its snapshot may be incomplete: restic saves one even if it could not read every file
///   (exit code 3).
/// - The volume was empty. Nothing is saved then, although VolSync reports `Successful` (entry.sh:84-86).
pub fn saved(log: &str) -> Option<SnapshotId> {
    last_finished(log, |line| SnapshotId::parse(line.strip_prefix("snapshot ")?.strip_suffix(" saved")?))
}

/// Whether a run of a ReplicationSource found the volume empty: nothing is saved then, although VolSync reports
/// `Successful` (entry.sh:84-86).
pub fn was_empty(log: &str) -> bool {
    log.contains("Directory is empty skipping backup")
}

/// The last snapshot that is named before the line with which the mover reports its completion.
fn last_finished(log: &str, name: impl Fn(&str) -> Option<SnapshotId>) -> Option<SnapshotId> {
    log.lines().rev().skip_while(|line| !line.starts_with("Restic completed in ")).find_map(name)
}

/// Why a mover failed, told by its log.
///
/// The log itself can contain URLs, paths and file names, so this value is all that is kept of it. It helps a person to
/// solve the problem; no decision depends on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Cause {
    /// Nothing failed, or the log could not be read.
    #[default]
    None,
    /// The password does not open the repository.
    Password,
    /// The store denied access.
    Denied,
    /// The store could not be reached, or its certificate is not trusted.
    Unreachable,
    /// The repository is locked by another run.
    Locked,
    /// The volume is full.
    NoSpace,
    /// The mover's user lacks permission to read, write or own files on the volume.
    Permission,
    /// Any other cause.
    Other,
}

/// The texts by which each cause is recognized, in lower case. The first cause of which a text occurs is chosen.
///
/// A wrong password and a lock have unambiguous texts, and always end the run. A full volume comes before the causes in
/// the store, because restic also logs requests that succeeded when they were retried. Permissions come last, because
/// restic also logs files that it leaves out.
///
/// A text without another source beside it was observed in a run of entry.sh with restic 0.18.1, where a line ends in
/// Go's text for an error of the operating system, or in the store's answer.
const SIGNS: [(Cause, &[&str]); 6] = [
    (
        Cause::Password,
        &[
            "wrong password or no key found", // restic: internal/repository/key.go:21
            "incorrect password",             // entry.sh:143
        ],
    ),
    (
        Cause::Locked,
        &[
            // restic: internal/repository/lock.go:89, internal/restic/lock.go:56; alone if `restic forget` fails
            "unable to create lock in backend: repository is already locked",
            "failure locking repository", // entry.sh:138
        ],
    ),
    (Cause::NoSpace, &["no space left on device"]), // ENOSPC
    (
        // These follow `=== Initialize Dir ===`: entry.sh mistakes denied access for a missing repository, and tries
        // to create one (entry.sh:119-124).
        Cause::Denied,
        &[
            "access denied", // also if HEAD is denied, for any reason
            "access key id you provided",
            "request signature we calculated does not match",
            "provided token has expired",
            "401 unauthorized",
        ],
    ),
    (
        // These too follow `=== Initialize Dir ===`, except if the mover's own timeout of 60 seconds ends while restic
        // creates its lock (entry.sh:98, volsync issue 1710).
        Cause::Unreachable,
        &[
            "dial tcp", // unknown host name, connection refused, no route, no answer
            "context canceled",
            "tls: failed to verify certificate",
            "tls handshake timeout",
            "connection reset by peer",
            "connection closed by foreign host",
            "503 service unavailable",
        ],
    ),
    (
        Cause::Permission,
        &[
            "permission denied",       // EACCES: from restic when it reads or writes, from `ls` in entry.sh:83
            "operation not permitted", // EPERM: from restic when it restores a file's owner
        ],
    ),
];

impl Cause {
    /// Reads the cause from the log of a mover that failed. The log may be complete or cut.
    pub fn of(log: &str) -> Self {
        if log.trim().is_empty() {
            return Cause::None;
        }
        // restic reports that it cannot use its cache, and continues without it (`cmd/restic/global.go:543`).
        let lines: Vec<String> =
            log.lines().filter(|line| !line.contains("unable to open cache: ")).map(str::to_ascii_lowercase).collect();
        let is_said = |sign: &&str| lines.iter().any(|line| line.contains(sign));
        SIGNS.iter().find(|(_, signs)| signs.iter().any(is_said)).map_or(Cause::Other, |(cause, _)| *cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESTORED: &str = "\
restoring snapshot de5770e6 of [/data] at 2026-11-23 18:24:07.730571025 +0000 UTC by root@volsync to .
Restic completed in 3s";

    const NO_REPOSITORY: &str = "\
=== Initialize Dir ===
created restic repository a230e0500e at s3:http://10.99.0.1:9000/backups/shop/data
No eligible snapshots found
=== No data will be restored ===
Restic completed in 4s";

    const NO_SNAPSHOT: &str = "\
No eligible snapshots found
=== No data will be restored ===
Restic completed in 2s";

    const SAVED: &str = "\
no parent snapshot found, will read all files
Added to the repository: 352 B (373 B stored)
processed 1 files, 2 B in 0:00
snapshot de5770e6 saved
Restic completed in 3s";

    const EMPTY_VOLUME: &str = "== Directory is empty skipping backup ===";

    #[test]
    fn an_empty_volume_is_told_from_one_that_was_saved() {
        assert_eq!(EVERY_LOG.map(was_empty), [false, false, false, false, true]);
    }

    const EVERY_LOG: [&str; 5] = [RESTORED, NO_REPOSITORY, NO_SNAPSHOT, SAVED, EMPTY_VOLUME];

    /// What `MOVER_LOG_DEBUG` keeps of a restore: everything.
    const RESTORED_UNFILTERED: &str = "\
restic 0.18.1 compiled with go1.26.8 on linux/amd64
Testing mandatory env variables
=== Check for dir initialized ===
dir is initialized
=== Starting restore ===
/data /
Selected restic snapshot with id: 83df84c7
restoring snapshot 83df84c7 of [/data] at 2026-11-24 00:24:24.056111209 +0000 UTC by root@volsync to .
Summary: Restored 1 files/dirs (2 B) in 0:00
/
Restic completed in 3s
=== Done ===";

    fn id(text: &str) -> SnapshotId {
        SnapshotId::parse(text).unwrap()
    }

    fn restored(text: &str) -> Outcome {
        Outcome::Restored(id(text))
    }

    /// From the byte `start` on, as it comes out of JSON that VolSync wrote.
    fn cut(log: &str, start: usize) -> String {
        String::from_utf8_lossy(&log.as_bytes()[start..]).into_owned()
    }

    /// All that a cut can leave of `log`: what is left from each byte on, and its last 1,024 bytes where lines between
    /// any two of its own, before or after them make it longer, so that the cut comes to each byte.
    fn every_cut(log: &str) -> Vec<String> {
        let mut cuts: Vec<String> = (0..=log.len()).map(|start| cut(log, start)).collect();
        let lines: Vec<&str> = log.lines().collect();
        for at in 0..=lines.len() {
            for length in 0..=1024 + log.len() {
                let filler = "ü".repeat(length / 2) + &"x".repeat(length % 2);
                let (before, after) = lines.split_at(at);
                let long = [before, &[filler.as_str()], after].concat().join("\n");
                cuts.push(cut(&long, long.len().saturating_sub(1024)));
            }
        }
        cuts
    }

    #[test]
    fn a_snapshot_is_named_by_eight_lower_case_hexadecimal_digits() {
        for text in ["de5770e6", "00000000", "ffffffff"] {
            assert_eq!(id(text).as_str(), text);
            assert_eq!(serde_json::to_value(id(text)).unwrap(), text);
            assert_eq!(serde_json::from_value::<SnapshotId>(text.into()).unwrap(), id(text));
        }
        for text in ["", "de5770e", "de5770e60", "DE5770E6", "ge5770e6", " e5770e6", "de5770e\n", "+e5770e6", "üüüü"]
        {
            assert_eq!(SnapshotId::parse(text), None, "{text:?}");
            let refused = serde_json::from_value::<SnapshotId>(text.into()).unwrap_err().to_string();
            assert_eq!(refused, "expected 8 lower case hexadecimal digits");
        }
    }

    #[test]
    fn an_outcome_is_a_word_or_names_its_snapshot() {
        let written = [
            (Outcome::Nothing, serde_json::json!("nothing")),
            (Outcome::Unread, serde_json::json!("unread")),
            (restored("de5770e6"), serde_json::json!({ "restored": "de5770e6" })),
        ];
        for (outcome, value) in written {
            assert_eq!(serde_json::to_value(&outcome).unwrap(), value);
            assert_eq!(serde_json::from_value::<Outcome>(value).unwrap(), outcome);
        }
        assert!(serde_json::from_str::<Outcome>(r#"{"restored": "latest"}"#).is_err());
    }

    #[test]
    fn a_restore_is_read_as_what_the_mover_wrote() {
        assert_eq!(Outcome::of_restore(RESTORED), restored("de5770e6"));
        assert_eq!(Outcome::of_restore(RESTORED_UNFILTERED), restored("83df84c7"));
        assert_eq!(Outcome::of_restore(&RESTORED.replace("/data", "/data of old")), restored("de5770e6"));
        assert_eq!(Outcome::of_restore(NO_REPOSITORY), Outcome::Nothing);
        assert_eq!(Outcome::of_restore(NO_SNAPSHOT), Outcome::Nothing);
        assert_eq!(Outcome::of_restore(""), Outcome::Unread, "the pod was gone before its log was read");
    }

    #[test]
    fn a_log_that_says_both_is_of_nothing_restored() {
        for both in [format!("{RESTORED}\n{NO_SNAPSHOT}"), format!("{NO_SNAPSHOT}\n{RESTORED}")] {
            assert_eq!(Outcome::of_restore(&both), Outcome::Nothing);
        }
    }

    #[test]
    fn a_restore_that_did_not_come_to_its_end_is_unread() {
        let (begun, ended) = RESTORED.split_once('\n').unwrap();
        let failed = format!("{begun}\nignoring error for /f: write /data/f: no space left on device");
        let debug_mover = "Debug done, exiting.";
        for log in [begun, ended, &format!("{ended}\n{begun}"), &failed, &format!("{begun}\n{debug_mover}")] {
            assert_eq!(Outcome::of_restore(log), Outcome::Unread, "{log}");
        }
    }

    #[test]
    fn what_only_looks_like_a_restore_is_unread() {
        let old =
            "restoring <Snapshot 0ff74383 of [/data] at 2022-12-15 11:10:01.858799017 -0500 EST by me@volsync> to .";
        let looks_alike = [
            old,
            " restoring snapshot de5770e6 of [/data]",
            "x restoring snapshot de5770e6 of [/data]",
            "restoring snapshot de5770e6",
            "restoring snapshot de5770e6 to .",
            "restoring snapshot de5770e of [/data]",
            "restoring snapshot de5770e60 of [/data]",
            "restoring snapshot DE5770E6 of [/data]",
            "restoring snapshot  de5770e6 of [/data]",
            "restoring snapshot latest of [/data] of de5770e6 of",
            "Selected restic snapshot with id: de5770e6",
        ];
        for line in looks_alike {
            assert_eq!(Outcome::of_restore(&format!("{line}\nRestic completed in 9s")), Outcome::Unread, "{line}");
        }
        let (begun, _) = RESTORED.split_once('\n').unwrap();
        for end in ["restic completed in 3s", " Restic completed in 3s", "Restic completed", "=== Done ==="] {
            assert_eq!(Outcome::of_restore(&format!("{begun}\n{end}")), Outcome::Unread, "{end}");
        }
    }

    #[test]
    fn a_cut_log_of_an_empty_restore_is_never_of_a_restored_one() {
        for log in [NO_REPOSITORY, NO_SNAPSHOT] {
            let outcomes: Vec<Outcome> = every_cut(log).iter().map(|log| Outcome::of_restore(log)).collect();
            assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Nothing | Outcome::Unread)));
            assert!(outcomes.contains(&Outcome::Nothing) && outcomes.contains(&Outcome::Unread));
        }
    }

    #[test]
    fn a_cut_log_of_a_restore_never_names_another_snapshot() {
        for (log, restored) in [(RESTORED, restored("de5770e6")), (RESTORED_UNFILTERED, restored("83df84c7"))] {
            let outcomes: Vec<Outcome> = every_cut(log).iter().map(|log| Outcome::of_restore(log)).collect();
            assert!(outcomes.iter().all(|outcome| *outcome == restored || *outcome == Outcome::Unread));
            assert!(outcomes.contains(&restored) && outcomes.contains(&Outcome::Unread));
        }
    }

    #[test]
    fn a_backup_is_read_as_no_restore_and_a_restore_as_no_backup() {
        for log in [SAVED, EMPTY_VOLUME] {
            assert!(every_cut(log).iter().all(|log| Outcome::of_restore(log) == Outcome::Unread));
        }
        for log in [RESTORED, RESTORED_UNFILTERED, NO_REPOSITORY, NO_SNAPSHOT] {
            assert!(every_cut(log).iter().all(|log| saved(log).is_none()));
        }
    }

    #[test]
    fn a_backup_that_finished_names_the_last_snapshot_it_saved() {
        assert_eq!(saved(SAVED), Some(id("de5770e6")));
        assert_eq!(saved(&format!("snapshot 01234567 saved\n{SAVED}")), Some(id("de5770e6")));
        assert_eq!(saved(&format!("{SAVED}\nsnapshot 01234567 saved")), Some(id("de5770e6")));
    }

    #[test]
    fn a_backup_without_a_snapshot_or_an_end_saved_none() {
        let unfinished = SAVED.strip_suffix("\nRestic completed in 3s").unwrap();
        let partial = format!("{unfinished}\nWarning: at least one source file could not be read");
        for log in ["", EMPTY_VOLUME, unfinished, &partial, "Restic completed in 3s"] {
            assert_eq!(saved(log), None, "{log}");
        }
        for line in ["snapshot de5770e saved", "snapshot de5770e6", "a snapshot de5770e6 saved", "snapshot  saved"] {
            assert_eq!(saved(&format!("{line}\nRestic completed in 3s")), None, "{line}");
        }
    }

    #[test]
    fn a_cut_log_of_a_backup_never_names_another_snapshot() {
        let read: Vec<Option<SnapshotId>> = every_cut(SAVED).iter().map(|log| saved(log)).collect();
        assert!(read.iter().flatten().all(|saved| *saved == id("de5770e6")));
        assert!(read.contains(&None) && read.contains(&Some(id("de5770e6"))));
    }

    /// The ends of failed runs of entry.sh with restic 0.18.1, some without their beginning. What S3 answered came from
    /// a stub.
    const FAILED: [(Cause, &str); 24] = [
        (
            Cause::Password,
            "=== Check for dir initialized ===\nFatal: wrong password or no key found\n\
             ERROR: failure connecting to repository, incorrect password\n",
        ),
        (
            // VolSync 0.11 with restic 0.17.0: logfilter_test.go:268-287
            Cause::Password,
            "Fatal: wrong password or no key found\nERROR: failure checking existence of repository\n",
        ),
        (
            Cause::Locked,
            "=== Check for dir initialized ===\nunable to create lock in backend: repository is already locked \
             exclusively by PID 21575 on vm by root (UID 0, GID 0)\nlock was created at 2026-11-24 01:12:00 (6s ago)\n\
             storage ID 653fb133\nthe `unlock` command can be used to remove stale locks\n\
             ERROR: failure locking repository\n",
        ),
        (
            Cause::Locked,
            "snapshot de5770e6 saved\n/\n=== Starting forget ===\nunable to create lock in backend: repository is \
             already locked by PID 27 on volsync-src-data-abcde by  (UID 0, GID 0)\nlock was created at 2026-11-24 \
             01:12:00 (6s ago)\nstorage ID 653fb133\nthe `unlock` command can be used to remove stale locks\n",
        ),
        (
            Cause::NoSpace,
            "ignoring error for /blob: write /data/blob: no space left on device\n\
             Summary: Restored 2 files/dirs (390.627 KiB) in 0:00\nFatal: There were 1 errors\n",
        ),
        (
            Cause::Denied,
            "=== Initialize Dir ===\nStat(<config/>) failed: Stat: Access Denied.\nFatal: create key in repository at \
             s3:http://10.99.0.1:9000/backups/shop/data failed: Stat: Access Denied.\n\n",
        ),
        (
            Cause::Denied,
            "=== Initialize Dir ===\nFatal: create repository at s3:http://10.99.0.1:9000/backups/p failed: Fatal: \
             unable to open repository at s3:http://10.99.0.1:9000/backups/p: client.BucketExists: The AWS Access Key \
             Id you provided does not exist in our records.\n\n",
        ),
        (
            Cause::Denied,
            "Fatal: unable to open repository at s3:http://10.99.0.1:9000/backups/p: client.BucketExists: The request \
             signature we calculated does not match the signature you provided. Check your key and signing method.\n",
        ),
        (
            Cause::Denied,
            "Fatal: unable to open repository at s3:http://10.99.0.1:9000/backups/p: client.BucketExists: The provided \
             token has expired.\n",
        ),
        (
            Cause::Denied,
            "Fatal: unable to open repository at s3:http://10.99.0.1:9000/backups/p: client.BucketExists: 401 \
             Unauthorized\n",
        ),
        (
            Cause::Unreachable,
            "=== Initialize Dir ===\nFatal: create repository at s3:http://store.invalid/backups/p failed: Fatal: \
             unable to open repository at s3:http://store.invalid/backups/p: client.BucketExists: Head \
             \"http://store.invalid/backups/\": dial tcp: lookup store.invalid on 10.96.0.10:53: no such host\n\n",
        ),
        (
            Cause::Unreachable,
            "client.BucketExists: Head \"http://127.0.0.1:1/backups/\": dial tcp 127.0.0.1:1: connect: connection \
             refused\n\n",
        ),
        (
            Cause::Unreachable,
            "client.BucketExists: Head \"https://127.0.0.1:9190/backups/\": tls: failed to verify certificate: x509: \
             certificate signed by unknown authority\n\n",
        ),
        (
            Cause::Unreachable,
            "client.BucketExists: Get \"https://127.0.0.1:9304/backups/?location=\": net/http: TLS handshake \
             timeout\n\n",
        ),
        (
            Cause::Unreachable,
            "client.BucketExists: Get \"http://127.0.0.1:9301/backups/?location=\": read tcp 127.0.0.1:46136->\
             127.0.0.1:9301: read: connection reset by peer\n\n",
        ),
        (
            Cause::Unreachable,
            "client.BucketExists: Get \"http://127.0.0.1:9302/backups/?location=\": Connection closed by foreign host \
             http://127.0.0.1:9302/backups/?location=. Retry again.\n\n",
        ),
        (Cause::Unreachable, "client.BucketExists: 503 Service Unavailable\n\n"),
        (
            // volsync issue 1710
            Cause::Unreachable,
            "=== Check for dir initialized ===\nsignal terminated received, cleaning up\nunable to create lock in \
             backend: context canceled\nERROR: failure checking existence of repository\n",
        ),
        (
            Cause::Permission,
            "error: /data/x: open x: permission denied\nFatal: unable to save snapshot: snapshot is empty\n",
        ),
        (
            Cause::Permission,
            "error: /data/b: open b: permission denied\nprocessed 1 files, 2 B in 0:00\nsnapshot 712c2ad8 saved\n\
             Warning: at least one source file could not be read\n",
        ),
        (
            Cause::Permission,
            "== Checking directory for content ===\nls: cannot open directory '/data': Permission denied\n",
        ),
        (
            Cause::Permission,
            "ignoring error for /x: lchown /data/x: operation not permitted\n\
             Summary: Restored 1 files/dirs (2 B) in 0:00\nFatal: There were 1 errors\n",
        ),
        (Cause::Other, "Testing mandatory env variables\nERROR: RESTIC_PASSWORD must be defined\n"),
        (Cause::Other, "Fatal: unable to save snapshot: snapshot is empty\n"),
    ];

    #[test]
    fn a_failed_mover_is_told_by_what_it_wrote_last() {
        for (cause, log) in FAILED {
            assert_eq!(Cause::of(log), cause, "{log}");
        }
    }

    #[test]
    fn every_sign_is_of_its_own_cause_alone() {
        for (cause, signs) in SIGNS {
            for sign in signs {
                assert_eq!(Cause::of(sign), cause, "{sign}");
                assert_eq!(Cause::of(&sign.to_ascii_uppercase()), cause, "{sign}");
            }
        }
    }

    #[test]
    fn without_a_log_there_is_no_cause() {
        assert_eq!(Cause::default(), Cause::None);
        for log in ["", "\n", " \r\n\t"] {
            assert_eq!(Cause::of(log), Cause::None);
        }
    }

    #[test]
    fn a_cut_log_of_a_failed_mover_has_its_cause_or_an_unknown_one() {
        for (cause, log) in FAILED {
            for log in every_cut(log).iter().filter(|log| !log.trim().is_empty()) {
                assert!([cause, Cause::Other].contains(&Cause::of(log)), "{log}");
            }
        }
    }

    #[test]
    fn of_several_complaints_the_one_that_ended_the_run_is_the_cause() {
        let no_cache = "unable to open cache: open /cache/CACHEDIR.TAG: permission denied";
        let retried =
            "Load(<data/9f96293853>, 0, 0) returned error, retrying after 1s: dial tcp 10.99.0.1:9000: i/o timeout";
        let unreadable = "error: /data/x: open x: permission denied";
        let full = "ignoring error for /f: write /data/f: no space left on device";
        let refused = "Fatal: create key in repository at s3:http://10.99.0.1:9000/b failed: Stat: Access Denied.";
        let told = [
            (Cause::Other, vec![no_cache, "Fatal: config cannot be loaded"]),
            (Cause::Permission, vec![no_cache, unreadable]),
            (Cause::NoSpace, vec![retried, full]),
            (Cause::NoSpace, vec!["ignoring error for /x: lchown /data/x: operation not permitted", full]),
            (Cause::Denied, vec![retried, refused]),
            (
                Cause::Unreachable,
                vec![unreadable, "Fatal: unable to save snapshot: dial tcp 10.99.0.1:9000: i/o timeout"],
            ),
            (Cause::Locked, vec![retried, unreadable, "ERROR: failure locking repository"]),
            (Cause::Password, vec![retried, "Fatal: wrong password or no key found"]),
            (Cause::Password, vec!["ERROR: failure connecting to repository, incorrect password"]),
        ];
        for (cause, lines) in told {
            assert_eq!(Cause::of(&lines.join("\n")), cause, "{lines:?}");
        }
    }

    #[test]
    fn words_of_a_run_that_goes_well_are_no_cause() {
        let harmless = "created restic repository a230e0500e at s3:http://10.99.0.1:9000/backups/shop/data\n\
                        Please note that knowledge of your password is required to access\nthe repository.\n\
                        repository f5bccd54 opened (repository version 2) successfully, password is correct\n\
                        successfully removed 1 locks\n=== Starting unlock ===";
        assert_eq!(Cause::of(harmless), Cause::Other);
        for log in EVERY_LOG {
            assert_eq!(Cause::of(log), Cause::Other);
        }
    }

    #[test]
    fn a_cause_is_one_word() {
        let words = [
            (Cause::None, "none"),
            (Cause::Password, "password"),
            (Cause::Denied, "denied"),
            (Cause::Unreachable, "unreachable"),
            (Cause::Locked, "locked"),
            (Cause::NoSpace, "noSpace"),
            (Cause::Permission, "permission"),
            (Cause::Other, "other"),
        ];
        for (cause, word) in words {
            assert_eq!(serde_json::to_value(cause).unwrap(), word);
            assert_eq!(serde_json::from_value::<Cause>(word.into()).unwrap(), cause);
        }
    }

    #[test]
    fn anything_at_all_can_be_read() {
        let garbage: String = (0..=0x10ffff).step_by(61).filter_map(char::from_u32).collect();
        let binary = String::from_utf8_lossy(&(0..=u8::MAX).cycle().take(4096).collect::<Vec<u8>>()).into_owned();
        let parts =
            ["restoring snapshot ", "snapshot ", "dédédédé", "de5770e", "ß of ", " saved", "\r\n", "\0", "\u{fffd}"];
        let mut logs = vec![garbage, binary];
        logs.extend(parts.iter().flat_map(|one| parts.map(|next| format!("{one}{next}"))));
        for log in logs {
            let ended = format!("{log}\nRestic completed in 3s");
            assert_eq!((Outcome::of_restore(&ended), saved(&ended)), (Outcome::Unread, None), "{log:?}");
            assert!([Cause::None, Cause::Other].contains(&Cause::of(&log)), "{log:?}");
        }
    }
}
