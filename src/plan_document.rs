//! The JSON form of a plan: what [`Plan::to_json`] writes, and what hosts and tools read.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::acceptance::HoldId;
use crate::code::Code;
use crate::credentials::Need;
use crate::decision::{Backup, Restore, Verdict};
use crate::hold::Fact;
use crate::manifests::{Manifests, RevealedManifest};
use crate::mover::restic::MoverKey;
use crate::note::Note;
use crate::part::Part;
use crate::patch::{DataSourcePatch, PatchOperation};
use crate::plan::{Admission, Plan};
use crate::problem::Problem;
use crate::settings::RestoreMode;
use crate::step::Step;

/// What to do about one claim: a decision, and all that follows from it, in JSON.
///
/// `O` is the type that the objects of manifests are read as, such as `serde_json::Value`, or `serde::de::IgnoredAny`
/// to leave them out. The object of the Secret contains credentials, so there is no `Debug`, and `Serialize` only where
/// `O` implements it.
///
/// The other part of a plan for a host is read from the same JSON as a [`HostPart`](crate::HostPart).
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schema",
    schemars(rename = "Plan", description = "What to do about one claim: a decision, and all that follows.")
)]
pub struct PlanDocument<'a, O> {
    /// The decision, and the reason for it.
    pub verdict: VerdictDocument<'a>,
    /// Why the claim does not get what its label asks for: it cannot be protected, has no name yet, or the credentials
    /// do not make a Secret. Null where it gets what it asks for.
    pub refusal: Option<Problem>,
    /// Where the claim's data is restored to; null where the claim is not protected.
    pub restore_mode: Option<RestoreMode>,
    /// The change to the claim, as a JSON Patch (RFC 6902) that adds `spec.dataSourceRef`; null where there is none.
    pub patch: Option<Vec<PatchOperation>>,
    /// The manifests; null where the claim is not protected.
    pub manifests: Option<ManifestsDocument<'a, O>>,
    /// The steps to carry out, in order. A crash between any two of them is safe.
    pub steps: Cow<'a, [Step]>,
    /// What a person should know besides the verdict.
    pub notes: Vec<NoteDocument>,
}

/// The decision about a claim, and the reason for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Verdict"))]
pub struct VerdictDocument<'a> {
    /// The number of the row in `docs/decisions.md` that decided.
    pub row: u8,
    /// The reason code.
    pub code: Code,
    /// What the reason code means, in a sentence.
    pub message: Cow<'a, str>,
    /// The problem with the claim; null where there is none.
    pub problem: Option<Cow<'a, Problem>>,
    /// What a person can do; null where nothing is held back.
    pub way_out: Option<Cow<'a, str>>,
    /// The id of the hold, by which a person accepts it; null where nobody can accept it or nothing is held back.
    pub hold: Option<Cow<'a, HoldId>>,
    /// What was seen, and is accepted with the hold. If any of it changes, the hold has another id.
    pub covers: Cow<'a, [Fact]>,
    /// Whether the API server should admit the request.
    pub admission: Admission,
    /// What to do with the ReplicationDestination.
    pub restore: Restore,
    /// What to do with the ReplicationSource.
    pub backup: BackupAction,
}

/// What to do with a ReplicationSource: [`Backup`] without the proof of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Backup", description = "What to do with a ReplicationSource."))]
pub enum BackupAction {
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
#[derive(Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Manifests"))]
pub struct ManifestsDocument<'a, O> {
    /// The Secret, or the ExternalSecret that creates it.
    pub secret: SecretDocument<'a, O>,
    /// The ReplicationDestination.
    pub destination: ManifestDocument<Restore, O>,
    /// The ReplicationSource.
    pub source: ManifestDocument<BackupAction, O>,
}

/// The Secret of one claim, or the ExternalSecret that creates it.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "SecretManifest"))]
pub struct SecretDocument<'a, O> {
    /// What to do with it: `apply` or `keep`.
    pub action: Restore,
    /// The name of the Secret.
    pub name: Cow<'a, str>,
    /// The path of the claim's repository below the base repository.
    pub repository_path: Cow<'a, str>,
    /// The object, with the credentials in `data`; null where keys are missing, see `needs`.
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    pub object: Option<O>,
    /// The keys without a usable value, because of which the Secret cannot be rendered.
    pub needs: Cow<'a, [Need]>,
    /// The keys that are left out of the object, because the Secret in the cluster keeps its own value of them.
    pub keeps: Cow<'a, [MoverKey]>,
}

/// A manifest, and what to do with it; `A` is the set of actions.
#[derive(Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "{A}Manifest", description = "A manifest, and what to do with it."))]
pub struct ManifestDocument<A, O> {
    /// What to do with the object.
    pub action: A,
    /// The object; null where nothing is restored.
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    pub object: Option<O>,
}

/// Something that a person should know besides the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Note"))]
pub struct NoteDocument {
    /// The code of the note.
    pub code: Cow<'static, str>,
    /// The note, in words.
    pub message: String,
}

impl Plan {
    /// The plan as JSON, with the credentials in `manifests.secret.object.data`. [`PlanDocument`] reads it back.
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

impl<'a> PlanDocument<'a, RevealedManifest<'a>> {
    fn of(plan: &'a Plan) -> Self {
        let verdict = &plan.verdict;
        PlanDocument {
            verdict: VerdictDocument {
                row: verdict.row,
                code: verdict.code,
                message: verdict.code.sentence().into(),
                problem: plan.problem.as_ref().map(Cow::Borrowed),
                way_out: verdict.code.way_out().map(Cow::Borrowed),
                hold: plan.hold.as_ref().map(|hold| Cow::Borrowed(&hold.id)),
                covers: plan.hold.as_ref().map_or_else(Cow::default, |hold| hold.covers.as_slice().into()),
                admission: plan.admission,
                restore: verdict.restore,
                backup: (&verdict.backup).into(),
            },
            refusal: plan.refusal().map(|(_, problem)| problem),
            restore_mode: plan.manifests.as_ref().map(|manifests| manifests.restore_mode),
            patch: plan.patch.as_ref().map(DataSourcePatch::operations),
            manifests: plan.manifests.as_ref().map(|manifests| ManifestsDocument::of(manifests, verdict)),
            steps: plan.steps.as_slice().into(),
            notes: plan.notes.iter().map(NoteDocument::of).collect(),
        }
    }
}

impl<'a> ManifestsDocument<'a, RevealedManifest<'a>> {
    fn of(manifests: &'a Manifests, verdict: &Verdict) -> Self {
        let Manifests { secret, repository_path, .. } = manifests;
        let is_applied = verdict.applies_secret && secret.is_rendered();
        ManifestsDocument {
            secret: SecretDocument {
                action: if is_applied { Restore::Apply } else { Restore::Keep },
                name: secret.name().into(),
                repository_path: repository_path.into(),
                object: manifests.reveal(Part::Secret),
                needs: secret.needs().into(),
                keeps: secret.kept().into(),
            },
            destination: ManifestDocument { action: verdict.restore, object: manifests.reveal(Part::Destination) },
            source: ManifestDocument { action: (&verdict.backup).into(), object: manifests.reveal(Part::Source) },
        }
    }
}

impl<O> ManifestsDocument<'_, O> {
    /// The object of one of the manifests, where it is rendered.
    pub fn object(&self, part: Part) -> Option<&O> {
        match part {
            Part::Secret => self.secret.object.as_ref(),
            Part::Destination => self.destination.object.as_ref(),
            Part::Source => self.source.object.as_ref(),
        }
    }
}

impl NoteDocument {
    fn of(note: &Note) -> Self {
        NoteDocument { code: note.code().into(), message: note.to_string() }
    }
}

impl From<&Backup> for BackupAction {
    fn from(backup: &Backup) -> Self {
        match backup {
            Backup::Release(_) => BackupAction::Release,
            Backup::Pause => BackupAction::Pause,
            Backup::Keep => BackupAction::Keep,
            Backup::Withhold => BackupAction::Withhold,
            Backup::Delete | Backup::DeleteWhenIdle => BackupAction::Delete,
        }
    }
}
