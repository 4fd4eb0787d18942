//! Notes: what a person should know about a plan besides its verdict. They contain names, escaped, and never values.

use std::fmt;

use crate::acceptance::Accepted;
use crate::code::Code;
use crate::credentials::{Credentials, Need};
use crate::decision::Verdict;
use crate::evidence::{Evidence, Failure, Ledger, Repository, RestoreEvidence, Slot};
use crate::history::History;
use crate::manifests::{Manifests, SecretManifest};
use crate::mover::restic::{Cause, Flaw, MoverKey};
use crate::names::{self, PREFIX};
use crate::protection::Protection;
use crate::review::Review;
use crate::settings::RestoreMode;

/// Something that a person should know besides the verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The gate is off.
    Ungated,
    /// No credentials were given, so no Secret is rendered.
    CredentialsAbsent(Vec<Need>),
    /// The credentials that were given do not make a Secret.
    CredentialsMissing(Vec<Need>),
    /// Keys of the credentials that no mover reads.
    CredentialsIgnored(Vec<String>),
    /// The restore goes into a volume beside the claim.
    RestoredAside,
    /// The claim is not restored.
    NotRestored,
    /// An annotation with the policy's prefix that the policy does not know: its key without the prefix, and the one
    /// that was probably meant.
    AnnotationUnknown(String, Option<&'static str>),
    /// The claim has no name yet.
    NameUnknown,
    /// The annotation `volsync-policy.io/accept` has an invalid value.
    AcceptMalformed,
    /// A part of the store could not be read, and why.
    StoreUnread(&'static str, Failure),
    /// Why the history of the claim is in doubt, beside what holds it back.
    InDoubt(Code),
    /// The restore fails: how many times it has failed, and why.
    RestoreFails(u32, Cause),
    /// The number of restores that are ahead of this one.
    Queued(u32),
    /// The Secret in the cluster keeps its password, although the base credentials have another one.
    PasswordKept,
}

impl Note {
    /// All notes of a plan.
    pub(crate) fn of(
        review: &Review,
        protection: Option<&Protection<'_>>,
        verdict: &Verdict,
        evidence: Option<&Evidence>,
        manifests: Option<&Manifests>,
    ) -> Vec<Note> {
        let mut notes = Vec::new();
        notes.extend((verdict.code == Code::Ungated).then_some(Note::Ungated));
        notes.extend((verdict.code == Code::NameUnknown).then_some(Note::NameUnknown));
        notes.extend(evidence.and_then(|evidence| Note::of_evidence(verdict.code, evidence)));
        match protection.map(|protection| (protection.restore_mode, protection.missed_admission)) {
            Some((RestoreMode::Side, _)) => notes.push(Note::RestoredAside),
            Some((RestoreMode::None, false)) => notes.push(Note::NotRestored),
            Some((RestoreMode::Populate | RestoreMode::None, _)) | None => {}
        }
        if let Some(manifests) = manifests {
            notes.extend(Note::of_secret(&manifests.secret));
            notes.extend((verdict.applies_secret && !manifests.secret.kept().is_empty()).then_some(Note::PasswordKept));
            let ignored = review.credentials.as_deref().map(Credentials::ignored).unwrap_or_default();
            if !ignored.is_empty() {
                let names = ignored.iter().map(|key| key.escape_default().to_string());
                notes.push(Note::CredentialsIgnored(names.collect()));
            }
        }
        if let Some(claim) = review.request.subject.eligible() {
            let is_malformed = |text: &str| Accepted::parse(text).is_none();
            notes.extend(claim.annotation(names::ACCEPT).is_some_and(is_malformed).then_some(Note::AcceptMalformed));
            notes.extend(
                claim
                    .unknown_annotations()
                    .map(|(key, meant)| Note::AnnotationUnknown(key.escape_default().to_string(), meant)),
            );
        }
        notes
    }

    /// The keys that are missing for the Secret, where it cannot be rendered.
    pub(crate) fn of_secret(secret: &SecretManifest) -> Option<Note> {
        match secret {
            SecretManifest::Needs { needs, are_given: true, .. } => Some(Note::CredentialsMissing(needs.clone())),
            SecretManifest::Needs { needs, are_given: false, .. } => Some(Note::CredentialsAbsent(needs.clone())),
            SecretManifest::Secret { .. } | SecretManifest::ExternalSecret(_) => None,
        }
    }

    /// What evidence says about a verdict beyond its code.
    fn of_evidence(code: Code, evidence: &Evidence) -> Option<Note> {
        match (code, &evidence.ledger, &evidence.repository, &evidence.restore) {
            (Code::LedgerUnread, Ledger::Unread(why), _, _) => Some(Note::StoreUnread("ledger", *why)),
            (Code::RepositoryUnread, _, Repository::Unread(why), _) => Some(Note::StoreUnread("repository", *why)),
            (Code::Restoring | Code::RestoreFailing, _, _, Some(RestoreEvidence::Running(running)))
                if running.failures > 0 =>
            {
                Some(Note::RestoreFails(running.failures, running.cause))
            }
            (
                Code::UnrestoredVolume
                | Code::ForeignSource
                | Code::PopulatedFromOtherImage
                | Code::RestoreCameBackEmpty
                | Code::RestoreUnverified
                | Code::RestoredFromElsewhere
                | Code::RestoredOlder,
                ..,
            ) => History::of(evidence).doubt().map(|doubt| Note::InDoubt(doubt.code())),
            (Code::RestoreQueued | Code::BackupQueued, _, _, _) => match evidence.slot {
                Slot::Queued(ahead) => Some(Note::Queued(ahead)),
                Slot::Free => None,
            },
            _ => None,
        }
    }

    /// The code of the note.
    pub fn code(&self) -> &'static str {
        match self {
            Note::Ungated => "Ungated",
            Note::CredentialsAbsent(_) => "CredentialsAbsent",
            Note::CredentialsMissing(_) => "CredentialsMissing",
            Note::CredentialsIgnored(_) => "CredentialsIgnored",
            Note::RestoredAside => "RestoredAside",
            Note::NotRestored => "NotRestored",
            Note::AnnotationUnknown(..) => "AnnotationUnknown",
            Note::NameUnknown => "NameUnknown",
            Note::AcceptMalformed => "AcceptMalformed",
            Note::StoreUnread(..) => "StoreUnread",
            Note::InDoubt(_) => "InDoubt",
            Note::RestoreFails(..) => "RestoreFails",
            Note::Queued(_) => "Queued",
            Note::PasswordKept => "PasswordKept",
        }
    }

    /// Whether the note concerns whoever creates the claim. Admission never has credentials and needs none.
    pub(crate) fn concerns_admission(&self) -> bool {
        match self {
            Note::AnnotationUnknown(..) | Note::AcceptMalformed | Note::NameUnknown | Note::Ungated => true,
            Note::CredentialsAbsent(_)
            | Note::CredentialsMissing(_)
            | Note::CredentialsIgnored(_)
            | Note::RestoredAside
            | Note::NotRestored
            | Note::StoreUnread(..)
            | Note::InDoubt(_)
            | Note::RestoreFails(..)
            | Note::Queued(_)
            | Note::PasswordKept => false,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Ungated => f.write_str(
                "the gate is off: this backup runs at once, and ages out older ones even if nothing was restored",
            ),
            Note::CredentialsAbsent(needs) => {
                write!(f, "no Secret is rendered, because no credentials were given; it needs {}", in_words(needs))
            }
            Note::CredentialsMissing(needs) => write!(f, "no Secret is rendered; correct {}", in_words(needs)),
            Note::CredentialsIgnored(keys) => {
                write!(f, "the Secret leaves out keys that VolSync's restic mover does not read: {}", keys.join(", "))
            }
            Note::RestoredAside => f.write_str(
                "the restore goes into a volume beside the claim; it proves nothing about the claim's own volume",
            ),
            Note::NotRestored => f.write_str("the policy does not restore this claim"),
            Note::AnnotationUnknown(key, Some(meant)) => {
                write!(f, "unknown annotation `{PREFIX}{key}`; did you mean `{PREFIX}{meant}`?")
            }
            Note::AnnotationUnknown(key, None) => write!(f, "unknown annotation `{PREFIX}{key}`"),
            Note::NameUnknown => f.write_str(
                "a claim with a generated name gets a new name each time, so it is backed up but never restored",
            ),
            Note::AcceptMalformed => {
                let key = names::ACCEPT;
                write!(f, "the annotation `{key}` is invalid; write `<hold-id>[,<hold-id>] <reason>`")
            }
            Note::StoreUnread(what, why) => write!(f, "the {what} could not be read: {}", why.sentence()),
            Note::InDoubt(code) => write!(f, "{}: {}", code.as_str(), code.sentence()),
            Note::RestoreFails(1, cause) => write!(f, "the restore failed once: {}", cause.sentence()),
            Note::RestoreFails(failures, cause) => {
                write!(f, "the restore failed {failures} times: {}", cause.sentence())
            }
            Note::Queued(ahead) => write!(f, "claims ahead of this one: {ahead}"),
            Note::PasswordKept => f.write_str(
                "the Secret keeps its RESTIC_PASSWORD, which differs from that of the base credentials; to change the \
                 password of a repository, run `restic key add` first",
            ),
        }
    }
}

impl Failure {
    /// The reason, and what helps.
    fn sentence(self) -> &'static str {
        match self {
            Failure::NotTried => "no attempt was made",
            Failure::Unreachable => "the store cannot be reached",
            Failure::Denied => "the store denied access; check the access key and the clock",
            Failure::Timeout => "the store did not answer in time",
            Failure::StoreMissing => "the bucket does not exist; check its name, because restic would create it",
            Failure::Unsupported => "it is not on S3, and no other kind of store can be read",
            Failure::Malformed => "the answer of the store is invalid; check its address",
        }
    }
}

impl Cause {
    /// The reason, and what helps.
    fn sentence(self) -> &'static str {
        match self {
            Cause::None => "the mover's log could not be read",
            Cause::Password => "the password does not open the repository",
            Cause::Denied => "the store denied access; check the access key and the clock",
            Cause::Unreachable => "the store cannot be reached",
            Cause::Locked => "the repository is locked; if no other run uses it, run `restic unlock`",
            Cause::NoSpace => "the volume is full; create the claim again with more storage",
            Cause::Permission => {
                "the mover lacks permission; set `volsync-policy.io/run-as-user` and `volsync-policy.io/fs-group` on \
                 the claim"
            }
            Cause::Other => "see the mover's log",
        }
    }
}

fn in_words(needs: &[Need]) -> String {
    let word = |need: &Need| match need.flaw {
        Flaw::Missing => "missing",
        Flaw::Empty => "empty",
        Flaw::Malformed if need.key == MoverKey::AUTHORITIES => "not certificates in PEM",
        Flaw::Malformed => "invalid",
        Flaw::Unrendered => "still a variable such as `${NAME}`",
        Flaw::Encrypted => "still encrypted by SOPS",
        Flaw::WhiteSpace => "with white space or a line break in it",
    };
    let words: Vec<String> = needs.iter().map(|need| format!("{} ({})", need.key.as_str(), word(need))).collect();
    words.join(", ")
}
