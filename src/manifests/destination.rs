//! The ReplicationDestination, which restores the claim.

use serde::Serialize;

use super::restic::Restic;
use super::{Manifest, Metadata, SecretManifest, Spec};
use crate::decision::{Restore, Verdict};
use crate::names::EXPECTS;
use crate::part::Part;
use crate::protection::Protection;

/// `spec` of a ReplicationDestination: api/v1alpha1/replicationdestination_types.go.
#[derive(Serialize)]
pub(super) struct DestinationSpec {
    trigger: Trigger,
    restic: Restic,
}

#[derive(Serialize)]
struct Trigger {
    manual: String,
}

/// The ReplicationDestination; `None` where nothing is restored.
pub(super) fn render(protection: &Protection<'_>, secret: &SecretManifest, verdict: &Verdict) -> Option<Manifest> {
    match verdict.restore {
        Restore::Apply => {}
        Restore::Keep | Restore::Consume | Restore::Delete => return None,
    }
    let settings = &protection.settings.restore;
    let mut metadata = Metadata::of(Part::Destination, protection);
    metadata.annotate(EXPECTS, verdict.expects.map(|expects| expects.as_str().to_owned()));
    let spec = DestinationSpec {
        trigger: Trigger { manual: protection.trigger.clone() },
        restic: Restic {
            cache_capacity: settings.cache_capacity.clone(),
            cache_access_modes: settings.cache_access_modes.clone(),
            capacity: Some(protection.request.clone()),
            access_modes: Some(protection.access_modes.clone()),
            ..Restic::of(protection, secret, settings.copy_method, &protection.restore)
        },
    };
    Some(Manifest::new(Part::Destination, metadata, Spec::Destination(spec)))
}
