//! The objects of the cluster: turns their fields into evidence.

use serde_json::Value;

use super::Observer;
use crate::acceptance::Spent;
use crate::credentials::SecretBytes;
use crate::document::{at, text};
use crate::evidence::{
    Address, BackupEvidence, BackupState, ClaimEvidence, Digest, Expectation, FinishedRestore, OurBackup, Phase,
    Populator, ReleaseRecord, RestoreEvidence, RunningRestore, SecretContent, SecretEvidence, ValueMatch, Volume,
    VolumeId,
};
use crate::ledger;
use crate::mover::restic::MoverKey;
use crate::mover::restic::{Cause, Outcome, SnapshotId, saved};
use crate::names::{CLAIM_UID, CONSUMED, EXPECTS, MANAGED_BY, MANAGER, POPULATED_FROM, RELEASED, SPENT};
use crate::protection;
use crate::role::Role;
use crate::seen::Found;

/// How many times a mover's Job fails before VolSync sets the result `Failed` and starts over: its `backoffLimit`
/// (internal/controller/mover/restic/mover.go:355).
const BACKOFF_LIMIT: u32 = 8;

impl Observer<'_> {
    /// The object that was found for a role.
    pub(super) fn found(&self, role: Role) -> Option<&Value> {
        self.target.found(role, self.seen)
    }

    /// The object of a role, or that it is absent; `None` where it could not be read.
    fn look(&self, role: Role) -> Option<Option<&Value>> {
        match self.seen.object(role, &self.target.object(role, self.seen)?) {
            Found::Is(object) => Some(Some(object)),
            Found::Absent => Some(None),
            Found::Unread(_) => None,
        }
    }

    /// The claim and its ReplicationSource. Both have a copy of the release record, and one readable copy suffices.
    /// Where there is only an unreadable copy, it is unknown whether the backup was released, and the claim counts as
    /// unread.
    pub(super) fn claim_and_backup(&self) -> (Option<ClaimEvidence>, Option<BackupEvidence>) {
        let source = self.look(Role::Source);
        let of_source = source.flatten().map(annotated_record).unwrap_or(Ok(None));
        let of_claim = self.found(Role::Claim).map(annotated_record).unwrap_or(Ok(None));
        let is_unread = match (&of_claim, &of_source) {
            (Err(_), Ok(Some(_))) | (Ok(Some(_)), Err(_)) | (Ok(_), Ok(_)) => false,
            (Err(_), _) | (Ok(None), Err(_)) => true,
        };
        let claim = self.claim(of_claim.ok().flatten()).filter(|_| !is_unread);
        let backup = source.map(|source| match source {
            None => BackupEvidence::Absent,
            Some(source) if !is_ours(source) => BackupEvidence::Foreign,
            Some(source) => BackupEvidence::Ours(OurBackup {
                uid: annotation(source, CLAIM_UID).map(str::to_owned),
                state: match at(source, &["spec", "paused"]) {
                    Some(Value::Bool(true)) => BackupState::Paused,
                    _ => BackupState::Running,
                },
                syncing: is_syncing(source),
                released: of_source.ok().flatten(),
            }),
        });
        (claim, backup)
    }

    fn claim(&self, released: Option<ReleaseRecord>) -> Option<ClaimEvidence> {
        let (object, claim) = (self.found(Role::Claim)?, self.stored_claim()?);
        let spent = annotation(object, SPENT).map_or(Some(Vec::new()), Spent::parse)?;
        let namespace = self.found(Role::Namespace);
        let is_deleted = |object: &Value| at(object, &["metadata", "deletionTimestamp"]).is_some();
        let phase = match text(object, &["status", "phase"]) {
            "Pending" => Phase::Pending,
            "Bound" => Phase::Bound,
            "Lost" => Phase::Lost,
            _ => return None,
        };
        let uid = claim.uid.clone()?;
        let has_volume = !text(object, &["spec", "volumeName"]).is_empty();
        let volume = self.found(Role::Volume).filter(|volume| text(volume, &["spec", "claimRef", "uid"]) == uid);
        Some(ClaimEvidence {
            phase,
            terminating: is_deleted(object) || namespace.is_some_and(is_deleted),
            data_source: protection::data_source(&claim, self.settings)?,
            volume: if has_volume { volume.map(|volume| Volume::Of(volume_id(volume))) } else { Some(Volume::None) },
            populated_from: volume.and_then(populated_from),
            released,
            spent,
            uid,
        })
    }

    /// The Secret, and the ExternalSecret that makes it. It is unread where a value that matters was taken out.
    pub(super) fn secret(&self) -> Option<SecretEvidence> {
        let external = if self.target.is_external { self.look(Role::ExternalSecret)? } else { None };
        let secret = self.look(Role::Secret)?;
        if external.into_iter().chain(secret).any(|object| !is_ours(object)) {
            return Some(SecretEvidence::Foreign);
        }
        let Some(secret) = secret else { return Some(SecretEvidence::Absent) };
        let rendered = self.target.rendered_address();
        // What was taken out of a dump cannot be compared.
        let is_taken_out = |key: &MoverKey| SecretBytes::is_taken_out(secret, key);
        if rendered.is_some() && is_taken_out(&MoverKey::REPOSITORY)
            || self.password.is_some() && is_taken_out(&MoverKey::PASSWORD)
        {
            return None;
        }
        let live = |key: &MoverKey| SecretBytes::in_secret(secret, key);
        let repository = live(&MoverKey::REPOSITORY).map_or_else(|| Digest::of(b""), |it| Digest::of(it.reveal()));
        let is_same = rendered.is_none_or(|rendered| rendered == repository);
        let password = live(&MoverKey::PASSWORD).zip(self.password.as_ref());
        Some(SecretEvidence::Ours(SecretContent {
            repository: if is_same { Address::Same } else { Address::Other(repository) },
            password: match password {
                Some((live, rendered)) if live.reveal() != rendered.reveal() => ValueMatch::Other,
                Some(_) | None => ValueMatch::Same,
            },
        }))
    }

    /// The ReplicationDestination that restores the claim with this uid.
    pub(super) fn restore(&self, uid: &str) -> Option<RestoreEvidence> {
        let Some(destination) = self.look(Role::Destination)? else { return Some(RestoreEvidence::Absent) };
        if !is_ours(destination) {
            return Some(RestoreEvidence::Foreign);
        }
        if annotation(destination, CLAIM_UID) != Some(uid) {
            return Some(RestoreEvidence::Stale);
        }
        let latest = Some(text(destination, &["status", "latestImage", "name"])).filter(|image| !image.is_empty());
        let consumed = annotation(destination, CONSUMED);
        let trigger = text(destination, &["spec", "trigger", "manual"]);
        let is_done = text(destination, &["status", "lastManualSync"]) == trigger && !is_syncing(destination);
        Some(match latest.or(consumed).filter(|_| is_done) {
            Some(image) => RestoreEvidence::Done(FinishedRestore {
                image: image.to_owned(),
                consumed: latest.is_none(),
                outcome: Outcome::of_restore(mover_log(destination)),
                expects: Expectation::parse(annotation(destination, EXPECTS)),
            }),
            None => RestoreEvidence::Running(self.running(destination)),
        })
    }

    fn running(&self, destination: &Value) -> RunningRestore {
        let gave_up = text(destination, &["status", "latestMoverStatus", "result"]) == "Failed";
        let of_job = self.found(Role::DestinationJob).map_or(0, failures);
        let log = self.seen.log(Role::DestinationLog).or_else(|| gave_up.then(|| mover_log(destination)));
        RunningRestore {
            failures: of_job.saturating_add(if gave_up { BACKOFF_LIMIT } else { 0 }),
            cause: log.map_or(Cause::None, Cause::of),
        }
    }

    /// The state of VolSync's populator. A `vs-prime-<uid>` without an image counts as unread.
    pub(super) fn populator(&self) -> Option<Populator> {
        let Some(prime) = self.look(Role::Populator)? else { return Some(Populator::Idle) };
        let image = text(prime, &["spec", "dataSourceRef", "name"]);
        (!image.is_empty()).then(|| Populator::Filling(image.to_owned()))
    }

    /// The snapshot that the claim's ReplicationSource saved last, told by its log.
    pub(super) fn saved(&self) -> Option<SnapshotId> {
        saved(mover_log(self.found(Role::Source)?))
    }

    /// Whether the ReplicationSource was idle, and still as it was before when it was read a second time.
    pub(super) fn source_rested(&self) -> bool {
        let looks = (self.found(Role::Source), self.found(Role::SourceAgain));
        let (Some(first), Some(again)) = looks else { return false };
        uid(first) == uid(again) && first.get("status") == again.get("status") && !is_syncing(first)
    }
}

/// Whether this policy manages an object.
pub(crate) fn is_ours(object: &Value) -> bool {
    text(object, &["metadata", "labels", MANAGED_BY]) == MANAGER
}

/// An object's uid.
pub(crate) fn uid(object: &Value) -> &str {
    text(object, &["metadata", "uid"])
}

/// An annotation of an object.
pub(crate) fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    at(object, &["metadata", "annotations", key])?.as_str()
}

/// How many pods of a Job have failed.
pub(crate) fn failures(job: &Value) -> u32 {
    let failed = at(job, &["status", "failed"]).and_then(Value::as_u64).unwrap_or_default();
    u32::try_from(failed).unwrap_or(u32::MAX)
}

/// Whether a run of a ReplicationSource or ReplicationDestination is in progress, told by `lastSyncStartTime`, as in
/// VolSync's own state machine (internal/controller/statemachine/machine.go:162-174).
fn is_syncing(object: &Value) -> bool {
    at(object, &["status", "lastSyncStartTime"]).is_some()
}

/// The end of the log of the last mover of a ReplicationSource or ReplicationDestination.
fn mover_log(object: &Value) -> &str {
    text(object, &["status", "latestMoverStatus", "logs"])
}

/// The release record on an object; an error where the annotation exists but cannot be read.
fn annotated_record(object: &Value) -> Result<Option<ReleaseRecord>, ledger::Unreadable> {
    annotation(object, RELEASED).map(ledger::read_record).transpose()
}

/// The identity of the storage behind a PersistentVolume.
fn volume_id(volume: &Value) -> VolumeId {
    match text(volume, &["spec", "csi", "volumeHandle"]) {
        "" => VolumeId { driver: "PersistentVolume".to_owned(), handle: uid(volume).to_owned() },
        handle => VolumeId { driver: text(volume, &["spec", "csi", "driver"]).to_owned(), handle: handle.to_owned() },
    }
}

/// The image that VolSync's populator filled a volume from: `<namespace>/<name>` in an annotation of the
/// PersistentVolume (internal/controller/volumepopulator_controller.go:447).
fn populated_from(volume: &Value) -> Option<String> {
    annotation(volume, POPULATED_FROM)?.rsplit_once('/').map(|(_, image)| image.to_owned())
}
