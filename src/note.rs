//! Notes: what a person should know about a plan beside its verdict. They hold names, escaped, and never values.

use std::fmt;

use crate::code::Code;
use crate::credentials::{Credentials, Need};
use crate::decision::Verdict;
use crate::evidence::{Evidence, Failure, Ledger, Repository, RestoreEvidence, Slot};
use crate::hold::Accepted;
use crate::manifests::{Manifests, SecretManifest};
use crate::mover::restic::Cause;
use crate::mover::restic::Flaw;
use crate::names::{self, PREFIX};
use crate::protection::Protection;
use crate::review::Review;
use crate::settings::RestoreMode;

/// Something that a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The backup runs ungated.
    Ungated,
    /// Without credentials no Secret is rendered.
    CredentialsAbsent(Vec<Need>),
    /// The credentials that were given do not make a Secret.
    CredentialsMissing(Vec<Need>),
    /// Keys of the credentials that no mover reads.
    CredentialsIgnored(Vec<String>),
    /// The restore goes into a volume beside the claim.
    RestoredAside,
    /// The claim is not restored.
    NotRestored,
    /// An annotation that looks like ours and is none: its key without our prefix, and the one that was likely meant.
    AnnotationUnknown(String, Option<&'static str>),
    /// The claim has no name yet.
    NameUnknown,
    /// The annotation `accept` is not written as it must be.
    AcceptMalformed,
    /// What could not be read of the store, and why.
    StoreUnread(&'static str, Failure),
    /// A restore fails: how often it did, and why.
    RestoreFails(u32, Cause),
    /// So many restores go first.
    Queued(u32),
    /// The live Secret's password stays, though the base credentials have another.
    PasswordKept,
}

impl Note {
    /// All there is to say about a plan.
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
        match protection.map(|protection| protection.restore_mode) {
            Some(RestoreMode::Side) => notes.push(Note::RestoredAside),
            Some(RestoreMode::None) => notes.push(Note::NotRestored),
            Some(RestoreMode::Populate) | None => {}
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

    /// What a Secret needs that cannot be rendered.
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
            (Code::RestoreQueued, _, _, _) => match evidence.slot {
                Slot::Queued(ahead) => Some(Note::Queued(ahead)),
                Slot::Free => None,
            },
            _ => None,
        }
    }

    /// What it is about, for machines.
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
            Note::RestoreFails(..) => "RestoreFails",
            Note::Queued(_) => "Queued",
            Note::PasswordKept => "PasswordKept",
        }
    }

    /// Whether it concerns the one who creates the claim. Admission never has credentials, nor does it need any.
    pub(crate) fn concerns_admission(&self) -> bool {
        match self {
            Note::AnnotationUnknown(..) | Note::AcceptMalformed | Note::NameUnknown | Note::Ungated => true,
            Note::CredentialsAbsent(_)
            | Note::CredentialsMissing(_)
            | Note::CredentialsIgnored(_)
            | Note::RestoredAside
            | Note::NotRestored
            | Note::StoreUnread(..)
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
                "the gate is off: this backup starts at once, and ages out older ones even if nothing was restored",
            ),
            Note::CredentialsAbsent(needs) => {
                write!(f, "no credentials were given, so no Secret is rendered; it needs {}", in_words(needs))
            }
            Note::CredentialsMissing(needs) => write!(f, "no Secret is rendered; fix {}", in_words(needs)),
            Note::CredentialsIgnored(keys) => {
                write!(f, "VolSync's restic mover does not read {}; left out of the Secret", keys.join(", "))
            }
            Note::RestoredAside => f.write_str(
                "the restore goes into a volume beside the claim, which proves nothing about the claim's own",
            ),
            Note::NotRestored => f.write_str("the policy restores nothing into this claim"),
            Note::AnnotationUnknown(key, Some(meant)) => {
                write!(f, "the annotation `{PREFIX}{key}` is not known; did you mean `{PREFIX}{meant}`?")
            }
            Note::AnnotationUnknown(key, None) => write!(f, "the annotation `{PREFIX}{key}` is not known"),
            Note::NameUnknown => f.write_str(
                "a claim of a generated name gets a new one each time, so it is backed up and never restored",
            ),
            Note::AcceptMalformed => {
                let key = names::ACCEPT;
                write!(f, "the annotation `{key}` accepts nothing; write `<hold-id>[,<hold-id>] <reason>`")
            }
            Note::StoreUnread(what, why) => write!(f, "the {what} could not be read: {}", why.sentence()),
            Note::RestoreFails(1, cause) => write!(f, "the restore failed once: {}", cause.sentence()),
            Note::RestoreFails(failures, cause) => {
                write!(f, "the restore failed {failures} times: {}", cause.sentence())
            }
            Note::Queued(ahead) => write!(f, "{ahead} restores go first"),
            Note::PasswordKept => f.write_str(
                "the Secret keeps its RESTIC_PASSWORD, which is another than the base credentials'; to change a \
                 repository's password, run `restic key add` first",
            ),
        }
    }
}

impl Failure {
    /// Why, and what helps.
    fn sentence(self) -> &'static str {
        match self {
            Failure::NotTried => "nobody tried",
            Failure::Unreachable => "the store does not answer",
            Failure::Denied => "the store refuses; look at the access key, and at the clock",
            Failure::Timeout => "the store answered too late",
            Failure::StoreMissing => "there is no such bucket; restic would create it, so look at its name first",
            Failure::Unsupported => "it is not on S3, and nothing else can be read",
            Failure::Malformed => "the store's answer makes no sense; look at its address",
        }
    }
}

impl Cause {
    /// Why, and what helps.
    fn sentence(self) -> &'static str {
        match self {
            Cause::None => "its log could not be read",
            Cause::Password => "the password does not open the repository",
            Cause::Denied => "the store refuses; look at the access key, and at the clock",
            Cause::Unreachable => "the store does not answer",
            Cause::Locked => "the repository is locked; if nobody is at work on it, run `restic unlock`",
            Cause::NoSpace => "there is no room; create the claim again with more storage",
            Cause::Permission => "the mover may not write; set `run-as-user` and `fs-group` on the claim",
            Cause::Other => "look at the log of its mover",
        }
    }
}

fn in_words(needs: &[Need]) -> String {
    let word = |flaw| match flaw {
        Flaw::Missing => "missing",
        Flaw::Empty => "empty",
        Flaw::Malformed => "malformed",
    };
    let words: Vec<String> = needs.iter().map(|need| format!("{} ({})", need.key.as_str(), word(need.flaw))).collect();
    words.join(", ")
}
