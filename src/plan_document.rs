//! A plan as it stands in JSON: what [`Plan::to_json`] writes, and what hosts and tools read.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::credentials::Need;
use crate::decision::{Backup, Restore, Verdict};
use crate::hold::HoldId;
use crate::manifests::{Manifests, Part, RevealedObject};
use crate::mover::restic::MoverKey;
use crate::note::Note;
use crate::patch::{DataSourcePatch, PatchOperation};
use crate::plan::{Admission, Plan};
use crate::problem::Problem;
use crate::settings::RestoreMode;
use crate::step::Step;

/// A plan as it stands in JSON.
///
/// `O` is what the objects of manifests are read as: `serde_json::Value`, say, or `serde::de::IgnoredAny` to leave
/// them out. That of the Secret holds credentials, so there is no `Debug`, and `Serialize` only where `O` has it.
///
/// What a plan for a host says beside it is read from the same JSON as a [`HostPart`](crate::HostPart).
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Plan", description = "A plan as it stands in JSON."))]
pub struct PlanDocument<'a, O> {
    /// What was decided, and why.
    pub verdict: VerdictDocument<'a>,
    /// Why the claim does not get what its label asks for: it is refused, has no name yet, or these credentials make no
    /// Secret; null where it does.
    pub refusal: Option<Problem>,
    /// Where the claim's data is restored to; null where the claim is not served.
    pub restore_mode: Option<RestoreMode>,
    /// The change to the claim, as a JSON Patch (RFC 6902); null where there is none.
    pub patch: Option<Vec<PatchOperation>>,
    /// The manifests; null where the claim is not served.
    pub manifests: Option<ManifestsDocument<'a, O>>,
    /// What to do, in this order.
    pub steps: Cow<'a, [Step]>,
    /// What a person should know.
    pub notes: Vec<NoteDocument>,
}

/// What was decided, and why.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Verdict"))]
pub struct VerdictDocument<'a> {
    /// The row of `docs/decisions.md` that decided.
    pub row: u8,
    /// Why.
    pub code: Code,
    /// What the code means.
    pub message: Cow<'a, str>,
    /// What is wrong with the claim; null where nothing is.
    pub problem: Option<Cow<'a, Problem>>,
    /// What a person can do; null where nothing is held back.
    pub way_out: Option<Cow<'a, str>>,
    /// The name of the hold, by which a person accepts it; null where nobody can.
    pub hold: Option<Cow<'a, HoldId>>,
    /// Whether the API server should take the claim.
    pub admission: Admission,
    /// What is done with the ReplicationDestination.
    pub restore: Restore,
    /// What is done with the ReplicationSource.
    pub backup: BackupAction,
}

/// What is done with the ReplicationSource, as it stands in JSON: [`Backup`] without the proof of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Backup", description = "What is done with the ReplicationSource."))]
pub enum BackupAction {
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

/// The manifests of a claim.
#[derive(Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Manifests"))]
pub struct ManifestsDocument<'a, O> {
    /// The Secret, or the ExternalSecret that makes it.
    pub secret: SecretDocument<'a, O>,
    /// The ReplicationDestination.
    pub destination: ManifestDocument<Restore, O>,
    /// The ReplicationSource.
    pub source: ManifestDocument<BackupAction, O>,
}

/// What carries the credentials.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "SecretManifest"))]
pub struct SecretDocument<'a, O> {
    /// What to do with it.
    pub action: Restore,
    /// Its name.
    pub name: Cow<'a, str>,
    /// Where the repository that it names stands below the base repository.
    pub repository_path: Cow<'a, str>,
    /// The object; null where keys are missing.
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    pub object: Option<O>,
    /// The keys without which it cannot be rendered.
    pub needs: Cow<'a, [Need]>,
    /// The keys that are left out of the object because those of the live Secret stay.
    pub keeps: Cow<'a, [MoverKey]>,
}

/// A manifest; `A` is what can be done with it.
#[derive(Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "{A}Manifest", description = "A manifest."))]
pub struct ManifestDocument<A, O> {
    /// What to do with it.
    pub action: A,
    /// The object; null where there is nothing to restore.
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    pub object: Option<O>,
}

/// Something that a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Note"))]
pub struct NoteDocument {
    /// What it is about.
    pub code: Cow<'static, str>,
    /// What it says.
    pub message: String,
}

impl Plan {
    /// The plan as JSON, with the credentials in `manifests.secret.object.data`. [`PlanDocument`] reads it back.
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

impl<'a> PlanDocument<'a, RevealedObject<'a>> {
    fn of(plan: &'a Plan) -> Self {
        let verdict = &plan.verdict;
        PlanDocument {
            verdict: VerdictDocument {
                row: verdict.row,
                code: verdict.code,
                message: verdict.code.sentence().into(),
                problem: plan.problem.as_ref().map(Cow::Borrowed),
                way_out: verdict.code.way_out().map(Cow::Borrowed),
                hold: plan.hold.as_ref().map(Cow::Borrowed),
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

impl<'a> ManifestsDocument<'a, RevealedObject<'a>> {
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
    /// The object of one of them, where it is rendered.
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
