//! Notes: what a person should know about a plan beside its verdict. They hold names, escaped, and never values.

use std::fmt;

use crate::code::Code;
use crate::credentials::{Credentials, Flaw, Need};
use crate::manifests::Manifests;
use crate::protection::{Standing, unknown_annotations};
use crate::review::{Review, Subject};
use crate::settings::{PREFIX, RestoreMode};

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
    /// An annotation that looks like ours and is none.
    AnnotationUnknown(String, Option<&'static str>),
    /// The claim has no name yet.
    NameUnknown,
}

impl Note {
    /// All there is to say about a plan.
    pub(crate) fn of(review: &Review, standing: &Standing<'_>, code: Code, manifests: Option<&Manifests>) -> Vec<Note> {
        let mut notes = Vec::new();
        match code {
            Code::Ungated => notes.push(Note::Ungated),
            Code::NameUnknown => notes.push(Note::NameUnknown),
            Code::NotSelected
            | Code::ClaimTerminating
            | Code::LabelInvalid
            | Code::VolumeUnsupported
            | Code::NoEvidence => {}
        }
        match standing.protection().map(|protection| protection.restore_mode) {
            Some(RestoreMode::Side) => notes.push(Note::RestoredAside),
            Some(RestoreMode::None) => notes.push(Note::NotRestored),
            Some(RestoreMode::Populate) | None => {}
        }
        if let Some(manifests) = manifests {
            let needs = manifests.secret.needs().to_vec();
            match &review.credentials {
                _ if needs.is_empty() => {}
                None => notes.push(Note::CredentialsAbsent(needs)),
                Some(_) => notes.push(Note::CredentialsMissing(needs)),
            }
            let ignored = review.credentials.as_ref().map(Credentials::ignored).unwrap_or_default();
            if !ignored.is_empty() {
                let names = ignored.iter().map(|key| key.escape_default().to_string());
                notes.push(Note::CredentialsIgnored(names.collect()));
            }
        }
        if let Subject::Claim(claim) = &review.request.subject {
            notes.extend(
                unknown_annotations(claim)
                    .map(|(key, meant)| Note::AnnotationUnknown(key.escape_default().to_string(), meant)),
            );
        }
        notes
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
        }
    }

    /// Whether it concerns the one who creates the claim. Admission never has credentials, nor does it need any.
    pub(crate) fn concerns_admission(&self) -> bool {
        match self {
            Note::AnnotationUnknown(..) | Note::NameUnknown | Note::Ungated => true,
            Note::CredentialsAbsent(_)
            | Note::CredentialsMissing(_)
            | Note::CredentialsIgnored(_)
            | Note::RestoredAside
            | Note::NotRestored => false,
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
                write!(f, "the annotation `{key}` is not known; did you mean `{PREFIX}{meant}`?")
            }
            Note::AnnotationUnknown(key, None) => write!(f, "the annotation `{key}` is not known"),
            Note::NameUnknown => f.write_str(
                "a claim of a generated name gets a new one each time, so it is backed up and never restored",
            ),
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
