//! The objects of a claim, each in every state that makes a difference. `None` is an object that was not read.

use volsync_policy::evidence::{
    Address, BackupEvidence, BackupState, ClaimEvidence, DataSource, Expectation, FinishedRestore, OurBackup, Phase,
    Populator, ReleaseRecord, RestoreEvidence, RunningRestore, SecretContent, SecretEvidence, ValueMatch, Volume,
};
use volsync_policy::{Cause, Outcome, SnapshotId};

use crate::{UID, UID_BEFORE, digest, fingerprints, volume};

/// Every claim, with every release record and without one.
pub fn claims() -> Vec<Option<ClaimEvidence>> {
    let record = |uid: &str, handle: &str, fingerprint: Option<usize>| ReleaseRecord {
        uid: uid.to_owned(),
        volume: volume(handle),
        fingerprint: fingerprint.map(|index| fingerprints()[index].clone()),
        newest: None,
        term: 2,
        overtaken: false,
        elsewhere: false,
        moved: false,
        reason: None,
    };
    let records = [
        None,
        Some(record(UID_BEFORE, "now", Some(0))),
        Some(record(UID, "now", None)),
        Some(record(UID, "now", Some(0))),
        Some(ReleaseRecord { overtaken: true, ..record(UID, "now", Some(0)) }),
        Some(ReleaseRecord { elsewhere: true, ..record(UID, "now", Some(0)) }),
        Some(record(UID, "before", Some(0))),
        Some(ReleaseRecord { newest: Some(digest('b')), ..record(UID, "now", Some(0)) }),
        Some(ReleaseRecord { moved: true, ..record(UID, "now", None) }),
    ];
    let of = |handle| Some(Volume::Of(volume(handle)));
    let volumes = [
        (Phase::Pending, Some(Volume::None), None),
        (Phase::Bound, of("now"), None),
        (Phase::Bound, of("now"), Some("image")),
        (Phase::Bound, of("now"), Some("other")),
        (Phase::Bound, Some(Volume::None), None),
        (Phase::Bound, None, None),
        (Phase::Lost, of("now"), None),
    ];
    let mut claims = vec![None];
    for (phase, volume, populated_from) in &volumes {
        // The data source makes no difference for a claim that is Lost, or whose volume is not known.
        let is_asked = matches!(volume, Some(Volume::Of(_))) && *phase == Phase::Bound || *phase == Phase::Pending;
        let sources = [DataSource::Ours, DataSource::None, DataSource::Foreign];
        for source in sources.into_iter().take(if is_asked { 3 } else { 1 }) {
            for released in &records {
                claims.push(Some(ClaimEvidence {
                    uid: UID.to_owned(),
                    phase: *phase,
                    terminating: false,
                    data_source: source,
                    volume: volume.clone(),
                    populated_from: populated_from.map(str::to_owned),
                    released: released.clone(),
                    spent: Vec::new(),
                }));
            }
        }
    }
    claims
}

pub fn secrets() -> Vec<Option<SecretEvidence>> {
    let ours = |repository, password| Some(SecretEvidence::Ours(SecretContent { repository, password }));
    vec![
        None,
        Some(SecretEvidence::Absent),
        Some(SecretEvidence::Foreign),
        ours(Address::Same, ValueMatch::Same),
        ours(Address::Same, ValueMatch::Other),
        ours(Address::Other(digest('0')), ValueMatch::Same),
    ]
}

pub fn restores() -> Vec<Option<RestoreEvidence>> {
    let running = |failures| Some(RestoreEvidence::Running(RunningRestore { failures, cause: Cause::Other }));
    let restored = SnapshotId::parse("aaaaaaaa").expect("8 digits");
    let mut restores = vec![
        None,
        Some(RestoreEvidence::Absent),
        Some(RestoreEvidence::Foreign),
        Some(RestoreEvidence::Stale),
        running(2),
        running(3),
    ];
    // What was expected matters most if nothing was restored.
    let ends = [
        (Outcome::Restored(restored.clone()), Expectation::Data),
        (Outcome::Restored(restored), Expectation::AcceptedData),
        (Outcome::Unread, Expectation::Data),
        (Outcome::Unread, Expectation::Nothing),
        (Outcome::Nothing, Expectation::Data),
        (Outcome::Nothing, Expectation::Nothing),
        (Outcome::Nothing, Expectation::AcceptedNothing),
    ];
    for consumed in [false, true] {
        for (outcome, expects) in ends.clone() {
            let image = "image".to_owned();
            restores.push(Some(RestoreEvidence::Done(FinishedRestore { image, consumed, outcome, expects })));
        }
    }
    restores
}

pub fn populators() -> Vec<Option<Populator>> {
    let filling = |image: &str| Some(Populator::Filling(image.to_owned()));
    vec![None, Some(Populator::Idle), filling("image"), filling("other")]
}

pub fn backups() -> Vec<Option<BackupEvidence>> {
    let ours = |uid: Option<&str>, state| {
        let uid = uid.map(str::to_owned);
        Some(BackupEvidence::Ours(OurBackup { uid, state, syncing: false, released: None }))
    };
    vec![
        None,
        Some(BackupEvidence::Absent),
        Some(BackupEvidence::Foreign),
        ours(Some(UID), BackupState::Running),
        ours(Some(UID), BackupState::Paused),
        ours(Some(UID_BEFORE), BackupState::Running),
        ours(None, BackupState::Paused),
    ]
}
