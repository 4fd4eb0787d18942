//! `volsync-policy look`: everything that the host reads for one claim, without a value of a Secret.

use std::io::{self, Write};

use anyhow::Context;
use serde_json::{Map, Value};
use volsync_policy_cases::take_out;
use volsync_policy_engine::{Engine, Native};
use volsync_policy_host::Look;

use crate::args;
use crate::cluster::{connect, names};
use crate::outcome::{Outcome, warn};

pub(crate) fn run(arguments: &args::Look) -> anyhow::Result<Outcome> {
    let cluster = connect(&arguments.cluster)?;
    let (namespace, name) = names(&arguments.claim, &cluster);
    let Look { inspection, host_secret } = cluster.look(namespace, name)?;
    let Value::Object(inspection) = inspection else { return Ok(Outcome::BadInput) };
    let planned = decision(&inspection)?;
    let others: Vec<Value> = host_secret.into_iter().collect();
    let look = take_out(inspection, &others);
    if decision(&look)? != planned {
        let code = planned.first().and_then(|verdict| verdict.get("code")?.as_str()).unwrap_or_default();
        warn(&format!("without the values of the Secrets, the plan differs from that of the host, which is {code}"));
    }
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &look).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(Outcome::Planned)
}

/// The part of the plan that must not depend on the values of Secrets.
fn decision(inspection: &Map<String, Value>) -> anyhow::Result<Vec<Value>> {
    let plan = Native.call("plan", &serde_json::to_vec(inspection)?);
    let plan = plan.map_err(anyhow::Error::new).context("the policy has no plan for what was read")?;
    let plan: Value = serde_json::from_slice(&plan)?;
    let parts = ["/verdict", "/steps", "/writes", "/evidence"];
    Ok(parts.map(|part| plan.pointer(part).cloned().unwrap_or_default()).to_vec())
}
