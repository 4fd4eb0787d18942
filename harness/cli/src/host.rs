//! `volsync-policy host`: runs the policy in a cluster.

use std::sync::Arc;

use volsync_policy_host::{Admission, Options, Sources};

use crate::args::Host;
use crate::outcome::Outcome;
use crate::planner;

pub(crate) fn run(arguments: Host) -> anyhow::Result<Outcome> {
    let engine = Arc::from(planner::engine(arguments.engine, arguments.module.as_deref())?);
    let Host { namespace, settings, credentials, lease, identity, listen, .. } = arguments;
    let Host { admission, service, webhook, reports, .. } = arguments;
    let sources = Sources { namespace, settings, credentials };
    let admission = admission.map(|listen| Admission { listen, service, webhook });
    volsync_policy_host::run(Options { sources, lease, identity, listen, admission, reports, engine })?;
    Ok(Outcome::Planned)
}
