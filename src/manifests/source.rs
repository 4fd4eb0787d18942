//! The ReplicationSource, which backs up the claim.

use serde::Serialize;

use super::restic::Restic;
use super::{Manifest, Metadata, SecretManifest, Spec};
use crate::decision::{Backup, Verdict};
use crate::evidence::ReleaseRecord;
use crate::ledger;
use crate::names::RELEASED;
use crate::part::Part;
use crate::protection::Protection;

/// `spec` of a ReplicationSource: api/v1alpha1/replicationsource_types.go.
#[derive(Serialize)]
pub(super) struct SourceSpec {
    #[serde(rename = "sourcePVC")]
    source_pvc: String,
    trigger: Trigger,
    /// No job runs while it is true. Left out when false, as the seed does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    paused: bool,
    restic: Restic,
}

#[derive(Serialize)]
struct Trigger {
    schedule: String,
}

/// The ReplicationSource, which runs only with the proof of a release; `record` is that of a release on evidence.
pub(super) fn render(
    protection: &Protection<'_>,
    secret: &SecretManifest,
    verdict: &Verdict,
    record: Option<&ReleaseRecord>,
) -> Manifest {
    let settings = &protection.settings.backup;
    let paused = match &verdict.backup {
        Backup::Release(_released) => false,
        Backup::Pause | Backup::Keep | Backup::Withhold | Backup::Delete | Backup::DeleteWhenIdle => true,
    };
    let mut metadata = Metadata::of(Part::Source, protection);
    metadata.annotate(RELEASED, record.map(ledger::write_record));
    let spec = SourceSpec {
        source_pvc: protection.name.to_owned(),
        trigger: Trigger { schedule: protection.schedule.as_str().to_owned() },
        paused,
        restic: Restic {
            cache_capacity: Some(settings.cache_capacity.clone()),
            cache_access_modes: settings.cache_access_modes.clone(),
            prune_interval_days: Some(settings.prune_interval_days),
            retain: Some(settings.retain.clone()),
            ..Restic::of(protection, secret, protection.backup_copy_method, &protection.backup)
        },
    };
    Manifest::new(Part::Source, metadata, Spec::Source(spec))
}
