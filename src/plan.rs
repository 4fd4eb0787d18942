//! A plan: the answer to a review, always of the same shape.

use serde::Serialize;

use crate::code::Code;
use crate::credentials::Need;
use crate::decision::{Backup, Restore, Verdict};
use crate::hold::HoldId;
use crate::manifests::{DestinationSpec, Manifests, Object, RevealedSecret, SecretManifest, SourceSpec};
use crate::mover::restic::MoverKey;
use crate::note::Note;
use crate::patch::{DataSourcePatch, PatchOperation};
use crate::problem::Problem;
use crate::settings::RestoreMode;
use crate::step::Step;

/// What to do about one claim.
///
/// It holds credentials, in `manifests.secret` and nowhere else, and so has neither `Debug` nor `Serialize`.
pub struct Plan {
    /// What was decided, and why.
    pub verdict: Verdict,
    /// The name of the hold, where a person may accept it.
    pub hold: Option<HoldId>,
    /// What is wrong with the claim, where something is.
    pub problem: Option<Problem>,
    /// Whether the API server should take the claim.
    pub admission: Admission,
    /// The one change to the claim.
    pub patch: Option<DataSourcePatch>,
    /// The manifests, where the claim can be served.
    pub manifests: Option<Manifests>,
    /// What to do, in this order: a crash between any two steps is safe.
    pub steps: Vec<Step>,
    /// What a person should know.
    pub notes: Vec<Note>,
}

/// Whether the API server should take the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Admission {
    /// It should.
    Allow,
    /// It should not: a labelled claim that silently goes unprotected is the worst outcome.
    Deny,
}

impl Admission {
    /// A claim with a problem is refused, unless the problem was there before: controllers must be able to update the
    /// claim, and to remove finalizers.
    pub(crate) fn of(problem: Option<&Problem>, problem_before: impl FnOnce() -> Option<Problem>) -> Self {
        match problem {
            Some(problem) if problem_before().as_ref() != Some(problem) => Admission::Deny,
            Some(_) | None => Admission::Allow,
        }
    }
}

impl Plan {
    /// Why the claim does not get what its label asks for, where it does not: it is refused, has no name yet, or these
    /// credentials make no Secret.
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
    /// The same plan gives the same bytes in every engine: object keys stand in a fixed order.
    pub fn to_json(&self) -> Vec<u8> {
        // Most plans fit, and a buffer that grows is copied.
        let mut json = Vec::with_capacity(4096);
        match serde_json::to_writer(&mut json, &PlanDocument::of(self)) {
            Ok(()) => json,
            Err(_) => Vec::new(),
        }
    }
}

/// A plan as it stands in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Plan"))]
pub(crate) struct PlanDocument<'a> {
    /// What was decided, and why.
    verdict: VerdictDocument<'a>,
    /// Why the claim does not get what its label asks for: it is refused, has no name yet, or these credentials make no
    /// Secret; null where it does.
    refusal: Option<Problem>,
    /// Where the claim's data is restored to; null where the claim is not served.
    restore_mode: Option<RestoreMode>,
    /// The change to the claim, as a JSON Patch (RFC 6902); null where there is none.
    patch: Option<Vec<PatchOperation>>,
    /// The manifests; null where the claim is not served.
    manifests: Option<ManifestsDocument<'a>>,
    /// What to do, in this order.
    steps: &'a [Step],
    /// What a person should know.
    notes: Vec<NoteDocument>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Verdict"))]
struct VerdictDocument<'a> {
    /// The row of `docs/decisions.md` that decided.
    row: u8,
    /// Why.
    code: Code,
    /// What the code means.
    message: &'static str,
    /// What is wrong with the claim; null where nothing is.
    problem: Option<&'a Problem>,
    /// What a person can do; null where nothing is held back.
    way_out: Option<&'static str>,
    /// The name of the hold, by which a person accepts it; null where nobody can.
    hold: Option<&'a HoldId>,
    /// Whether the API server should take the claim.
    admission: Admission,
    /// What is done with the ReplicationDestination.
    restore: Restore,
    /// What is done with the ReplicationSource.
    backup: BackupDocument,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Backup"))]
enum BackupDocument {
    /// It is applied, running.
    Release,
    /// It is applied with `paused: true`.
    Pause,
    /// What is there stays as it is.
    Keep,
    /// None is made.
    Withhold,
    /// It is deleted; where it is no stray, as soon as no backup is under way.
    Delete,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Manifests"))]
struct ManifestsDocument<'a> {
    /// The Secret, or the ExternalSecret that makes it.
    secret: SecretDocument<'a>,
    /// The ReplicationDestination.
    destination: ManifestDocument<'a, Restore, DestinationSpec>,
    /// The ReplicationSource.
    source: ManifestDocument<'a, BackupDocument, SourceSpec>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "SecretManifest"))]
struct SecretDocument<'a> {
    /// What to do with it.
    action: Restore,
    /// Its name.
    name: &'a str,
    /// Where the repository that it names stands below the base repository.
    repository_path: &'a str,
    /// The object; null where keys are missing.
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    object: Option<RevealedSecret<'a>>,
    /// The keys without which it cannot be rendered.
    needs: &'a [Need],
    /// The keys that are left out of the object because those of the live Secret stay.
    keeps: &'a [MoverKey],
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "{A}Manifest"))]
struct ManifestDocument<'a, A, S> {
    /// What to do with it.
    action: A,
    /// The object; null where there is nothing to restore.
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    object: Option<&'a Object<S>>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Note"))]
struct NoteDocument {
    /// What it is about.
    code: &'static str,
    /// What it says.
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
