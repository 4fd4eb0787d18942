//! A plan: the answer to a review, always of the same shape.

use serde::Serialize;

use crate::again::Again;
use crate::code::Code;
use crate::credentials::Need;
use crate::decision::{Backup, Restore, Verdict};
use crate::evidence::Evidence;
use crate::hold::HoldId;
use crate::manifests::{DestinationSpec, Manifests, Object, RevealedSecret, SecretManifest, SourceSpec};
use crate::mover::restic::MoverKey;
use crate::note::Note;
use crate::patch::{DataSourcePatch, PatchOperation};
use crate::problem::Problem;
use crate::protection::Standing;
use crate::settings::RestoreMode;
use crate::step::Step;
use crate::writes::Write;

/// What to do about one claim.
///
/// A plan contains credentials, in `manifests.secret` and nowhere else. It therefore implements neither `Debug` nor
/// `Serialize`.
pub struct Plan {
    /// The decision, and the reason for it.
    pub verdict: Verdict,
    /// The id of the hold, where a person may accept it.
    pub hold: Option<HoldId>,
    /// The problem with the claim, where there is one.
    pub problem: Option<Problem>,
    /// Whether the API server should admit the request.
    pub admission: Admission,
    /// The change to the claim, where there is one.
    pub patch: Option<DataSourcePatch>,
    /// The manifests, where the claim can be protected.
    pub manifests: Option<Manifests>,
    /// The steps to carry out, in order. A crash between any two of them is safe.
    pub steps: Vec<Step>,
    /// What a person should know besides the verdict.
    pub notes: Vec<Note>,
    /// The evidence that the plan was made from; `None` where there is none.
    pub evidence: Option<Evidence>,
    /// The writes that the steps consist of, where the review holds the answers of a host. A step that cannot be
    /// carried out on what was seen is left out, and so are those after it.
    pub writes: Option<Vec<Write>>,
    /// When to plan again, where the review holds the answers of a host.
    pub again: Option<Again>,
}

/// Whether the API server should admit the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Admission {
    /// The request should be admitted.
    Allow,
    /// The request should be rejected, because the claim carries the label and cannot be protected.
    Deny,
}

impl Admission {
    /// A request whose claim has a problem is rejected, unless the claim had the same problem before: controllers must
    /// be able to update the claim, and to remove finalizers.
    pub(crate) fn of(standing: &Standing<'_>, problem_before: impl FnOnce() -> Option<Problem>) -> Self {
        match standing.problem() {
            Some(problem) if problem_before().as_ref() != Some(problem) => Admission::Deny,
            Some(_) | None => Admission::Allow,
        }
    }
}

impl Plan {
    /// Why the claim does not get what its label asks for, where it does not: it cannot be protected, has no name yet,
    /// or the credentials do not make a Secret.
    pub(crate) fn refusal(&self) -> Option<(Code, Problem)> {
        let code = self.verdict.code;
        if let Some(problem) = &self.problem {
            return Some((code, problem.clone()));
        }
        if code == Code::NameUnknown {
            return Some((code, Problem::new("metadata.name", "is missing").hint("name the claim")));
        }
        let secret = &self.manifests.as_ref()?.secret;
        let is_refused = matches!(secret, SecretManifest::Needs { are_given, .. }
            if *are_given || code == Code::CredentialsMissing);
        let note = Note::of_secret(secret).filter(|_| is_refused)?;
        Some((Code::CredentialsMissing, Problem::new("credentials", note.to_string())))
    }

    /// The plan as JSON, with the credentials in `manifests.secret.object.data`.
    ///
    /// The same plan gives the same bytes in every engine: object keys have a fixed order.
    pub fn to_json(&self) -> Vec<u8> {
        // Most plans fit, and a buffer that grows is copied.
        let mut json = Vec::with_capacity(4096);
        match serde_json::to_writer(&mut json, &PlanDocument::of(self)) {
            Ok(()) => json,
            Err(_) => Vec::new(),
        }
    }
}

/// What to do about one claim: a decision, and all that follows from it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Plan"))]
pub(crate) struct PlanDocument<'a> {
    /// The decision, and the reason for it.
    verdict: VerdictDocument<'a>,
    /// Why the claim does not get what its label asks for: it cannot be protected, has no name yet, or the credentials
    /// do not make a Secret. Null where it gets what it asks for.
    refusal: Option<Problem>,
    /// Where the claim's data is restored to; null where the claim is not protected.
    restore_mode: Option<RestoreMode>,
    /// The change to the claim, as a JSON Patch (RFC 6902) that adds `spec.dataSourceRef`; null where there is none.
    patch: Option<Vec<PatchOperation>>,
    /// The manifests; null where the claim is not protected.
    manifests: Option<ManifestsDocument<'a>>,
    /// The steps to carry out, in order. A crash between any two of them is safe.
    steps: &'a [Step],
    /// What a person should know besides the verdict.
    notes: Vec<NoteDocument>,
    /// The evidence that the plan was made from; left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<&'a Evidence>,
    /// The writes that the steps consist of, in order; left out where the review does not hold the answers of a host.
    #[serde(skip_serializing_if = "Option::is_none")]
    writes: Option<&'a [Write]>,
    /// When to plan again; left out where the review does not hold the answers of a host.
    #[serde(skip_serializing_if = "Option::is_none")]
    again: Option<&'a Again>,
}

/// The decision about a claim, and the reason for it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Verdict"))]
struct VerdictDocument<'a> {
    /// The number of the row in `docs/decisions.md` that decided.
    row: u8,
    /// The reason code.
    code: Code,
    /// What the reason code means, in a sentence.
    message: &'static str,
    /// The problem with the claim; null where there is none.
    problem: Option<&'a Problem>,
    /// What a person can do; null where nothing is held back.
    way_out: Option<&'static str>,
    /// The id of the hold, by which a person accepts it; null where nobody can accept it or nothing is held back.
    hold: Option<&'a HoldId>,
    /// Whether the API server should admit the request.
    admission: Admission,
    /// What to do with the ReplicationDestination.
    restore: Restore,
    /// What to do with the ReplicationSource.
    backup: BackupDocument,
}

/// What to do with a ReplicationSource.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Backup"))]
enum BackupDocument {
    /// Apply it, not paused, so that it backs up on its schedule.
    Release,
    /// Apply it with `spec.paused: true`, so that it starts no backup.
    Pause,
    /// Leave it as it is, whether it exists or not.
    Keep,
    /// Do not create it, and leave an existing one as it is.
    Withhold,
    /// Delete it. Unless it must not run at all, this waits until no backup is in progress.
    Delete,
}

/// The manifests of one claim.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Manifests"))]
struct ManifestsDocument<'a> {
    /// The Secret, or the ExternalSecret that creates it.
    secret: SecretDocument<'a>,
    /// The ReplicationDestination.
    destination: ManifestDocument<'a, Restore, DestinationSpec>,
    /// The ReplicationSource.
    source: ManifestDocument<'a, BackupDocument, SourceSpec>,
}

/// The Secret of one claim, or the ExternalSecret that creates it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "SecretManifest"))]
struct SecretDocument<'a> {
    /// What to do with it: `apply` or `keep`.
    action: Restore,
    /// The name of the Secret.
    name: &'a str,
    /// The path of the claim's repository below the base repository.
    repository_path: &'a str,
    /// The object, with the credentials in `data`; null where keys are missing, see `needs`.
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    object: Option<RevealedSecret<'a>>,
    /// The keys without a usable value, because of which the Secret cannot be rendered.
    needs: &'a [Need],
    /// The keys that are left out of the object, because the Secret in the cluster keeps its own value of them.
    keeps: &'a [MoverKey],
}

/// A manifest, and what to do with it.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "{A}Manifest"))]
struct ManifestDocument<'a, A, S> {
    /// What to do with the object.
    action: A,
    /// The object; null where nothing is restored.
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    object: Option<&'a Object<S>>,
}

/// Something that a person should know besides the verdict.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Note"))]
struct NoteDocument {
    /// The code of the note.
    code: &'static str,
    /// The note, in words.
    message: String,
}

impl<'a> PlanDocument<'a> {
    fn of(plan: &'a Plan) -> Self {
        let verdict = &plan.verdict;
        PlanDocument {
            verdict: VerdictDocument {
                row: verdict.row,
                code: verdict.code,
                message: verdict.code.sentence(),
                problem: plan.problem.as_ref(),
                way_out: verdict.code.way_out(),
                hold: plan.hold.as_ref(),
                admission: plan.admission,
                restore: verdict.restore,
                backup: (&verdict.backup).into(),
            },
            refusal: plan.refusal().map(|(_, problem)| problem),
            restore_mode: plan.manifests.as_ref().map(|manifests| manifests.restore_mode),
            patch: plan.patch.as_ref().map(DataSourcePatch::operations),
            manifests: plan.manifests.as_ref().map(|manifests| ManifestsDocument {
                secret: SecretDocument::of(manifests, verdict),
                destination: ManifestDocument { action: verdict.restore, object: manifests.destination.as_ref() },
                source: ManifestDocument { action: (&verdict.backup).into(), object: Some(&manifests.source) },
            }),
            steps: &plan.steps,
            notes: (plan.notes.iter())
                .map(|note| NoteDocument { code: note.code(), message: note.to_string() })
                .collect(),
            evidence: plan.evidence.as_ref(),
            writes: plan.writes.as_deref(),
            again: plan.again.as_ref(),
        }
    }
}

impl<'a> SecretDocument<'a> {
    fn of(manifests: &'a Manifests, verdict: &Verdict) -> Self {
        let secret = &manifests.secret;
        let is_applied = verdict.applies_secret && secret.is_rendered();
        SecretDocument {
            action: if is_applied { Restore::Apply } else { Restore::Keep },
            name: secret.name(),
            repository_path: &manifests.repository_path,
            object: secret.reveal(),
            needs: secret.needs(),
            keeps: secret.kept(),
        }
    }
}

impl From<&Backup> for BackupDocument {
    fn from(backup: &Backup) -> Self {
        match backup {
            Backup::Release(_) => BackupDocument::Release,
            Backup::Pause => BackupDocument::Pause,
            Backup::Keep => BackupDocument::Keep,
            Backup::Withhold => BackupDocument::Withhold,
            Backup::Delete | Backup::DeleteWhenIdle => BackupDocument::Delete,
        }
    }
}
