//! `volsync-policy doctor`: what a cluster and its store lack, and what that costs.

use std::io::{self, Write};

use serde_json::{Value, json};
use volsync_policy_host::Finding;

use crate::args::{self, TableOutput};
use crate::cluster::connect;
use crate::outcome::Outcome;
use crate::table;

/// The heads of the columns.
const HEADS: [&str; 4] = ["CHECK", "IS", "FOUND", "COSTS"];

pub(crate) fn run(args::Doctor { output, cluster }: &args::Doctor) -> anyhow::Result<Outcome> {
    let findings = connect(cluster)?.doctor();
    let mut out = anstream::stdout().lock();
    match output {
        TableOutput::Json => {
            let findings: Vec<Value> = findings.iter().map(in_json).collect();
            serde_json::to_writer_pretty(&mut out, &json!({ "findings": findings })).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        TableOutput::Table => table::print(&mut out, HEADS, &findings.iter().map(row).collect::<Vec<_>>())?,
    }
    Ok(findings.iter().map(outcome).max().unwrap_or(Outcome::Planned))
}

fn word(finding: &Finding) -> &'static str {
    match finding.is_well {
        Some(true) => "well",
        Some(false) => "lacking",
        None => "unknown",
    }
}

fn outcome(finding: &Finding) -> Outcome {
    match finding.is_well {
        Some(true) => Outcome::Planned,
        Some(false) => Outcome::Unsound,
        None => Outcome::BadInput,
    }
}

fn row(finding: &Finding) -> [String; 4] {
    let found = finding.found.escape_debug().to_string();
    [finding.topic.to_owned(), word(finding).to_owned(), found, finding.cost.to_owned()]
}

fn in_json(finding: &Finding) -> Value {
    let Finding { topic, found, cost, .. } = finding;
    json!({"topic": topic, "is": word(finding), "found": found, "costs": cost})
}
