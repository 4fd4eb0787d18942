//! `volsync-policy ledger`: begins and inspects the ledger of a store. It prints names, ids and times, never a value of
//! a Secret.

use std::io::Write;

use anyhow::{bail, ensure};
use serde_json::{Value, json};
use volsync_policy::evidence::Entry;
use volsync_policy::ledger::Marker;
use volsync_policy::maintenance::MarkerFault;
use volsync_policy_host::{Init, Ledger, Retired, Sources, Stored};

use crate::args::{self, ClaimName, Report, StoreInput};
use crate::documents;
use crate::outcome::{Outcome, complain, warn};
use crate::table;

/// The heads of the columns of `ledger show`.
const HEADS: [&str; 6] = ["REPOSITORY", "CLUSTER", "CLAIM UID", "NEWEST SNAPSHOT", "CAPACITY", "RETIRED"];

/// What follows if entries are numbered.
const NUMBERED: &str = "the store does not honour conditional writes. So that two clusters cannot both believe that a \
    repository is theirs, a claim that another cluster backed up is not taken over until that entry is retired, with \
    `volsync-policy ledger retire`";

/// What follows if a store does not honour conditions.
const UNSAFE: &str = "without conditional writes, two clusters could both believe that a repository is theirs, and age \
    out each other's backups; docs/running.md lists stores that honour them";

pub(crate) fn run(command: args::Ledger) -> anyhow::Result<Outcome> {
    match command {
        args::Ledger::Init { store_id, store } => init(&open(&store)?, store_id.as_deref()),
        args::Ledger::Show { claim, output, store } => show(&open(&store)?, claim.as_ref(), output),
        args::Ledger::Retire { claim, cluster, yes, store } => {
            retire(&open(&store)?, claim.as_ref(), cluster.as_deref(), yes)
        }
        args::Ledger::Verify { probe, store } => verify(&open(&store)?, probe),
    }
}

/// The ledger that settings and credentials name.
pub(crate) fn open(store: &StoreInput) -> anyhow::Result<Ledger> {
    let StoreInput { settings, credentials, namespace, config_map, secret } = store;
    let read = |file: &Option<_>| file.as_deref().map(documents::read_one).transpose();
    let sources = Sources { namespace: namespace.clone(), settings: config_map.clone(), credentials: secret.clone() };
    Ledger::open(read(settings)?, read(credentials)?, &sources)
}

/// Ends the command if the store is not the one that settings name.
pub(crate) fn must_be_the_store(ledger: &Ledger) -> anyhow::Result<()> {
    ledger.marker().map(drop).map_err(|fault| anyhow::anyhow!("{fault}"))
}

fn init(ledger: &Ledger, store_id: Option<&str>) -> anyhow::Result<Outcome> {
    let mut out = anstream::stdout().lock();
    let Marker { store_id, .. } = match ledger.init(store_id)? {
        Init::Written { marker, faults, left } => {
            if faults.is_empty() {
                writeln!(out, "The store honours conditional writes, and has a ledger now.")?;
            } else {
                writeln!(out, "The store has a ledger with numbered entries now.")?;
                warn(NUMBERED);
                faults.iter().for_each(|fault| warn(fault));
            }
            warn_of_leftovers(&left);
            marker
        }
        Init::Present(marker) => {
            writeln!(out, "The store has had this ledger before.")?;
            marker
        }
        Init::Refused(probe) => {
            complain(
                "the store cannot have a ledger: it neither honours conditional writes, nor lists what was written",
            );
            complain_of(&[probe.faults, probe.unlisted].concat());
            warn_of_leftovers(&probe.left);
            return Ok(Outcome::Unsound);
        }
    };
    if ledger.base().store_id() == Some(&store_id) {
        writeln!(out, "Settings name it: {store_id}")?;
    } else {
        writeln!(out, "Its id, for settings:\n\nledger:\n  storeId: {}", json!(store_id))?;
    }
    Ok(Outcome::Planned)
}

fn show(ledger: &Ledger, claim: Option<&ClaimName>, output: Report) -> anyhow::Result<Outcome> {
    if let Err(fault) = ledger.marker() {
        warn(&fault.to_string());
    }
    let entries = match claim {
        Some(claim) => entries_of(ledger, claim)?,
        None => ledger.entries()?,
    };
    let mut out = anstream::stdout().lock();
    match output {
        Report::Json => {
            serde_json::to_writer_pretty(&mut out, &entries.iter().map(in_json).collect::<Vec<_>>())?;
            writeln!(out)?;
        }
        Report::Text if entries.is_empty() => writeln!(out, "The ledger has no entries.")?,
        Report::Text => table::print(&mut out, HEADS, &entries.iter().map(row).collect::<Vec<_>>())?,
    }
    let is_whole = entries.iter().all(|stored| stored.entry.is_ok());
    Ok(if is_whole { Outcome::Planned } else { Outcome::Unsound })
}

fn retire(ledger: &Ledger, claim: Option<&ClaimName>, cluster: Option<&str>, yes: bool) -> anyhow::Result<Outcome> {
    must_be_the_store(ledger)?;
    let entries = match claim {
        Some(claim) => entries_of(ledger, claim)?,
        None => ledger.entries()?,
    };
    let is_meant = |entry: &Entry| cluster.is_none_or(|cluster| entry.writer.cluster == cluster);
    let mut out = anstream::stdout().lock();
    let (mut outcome, mut found) = (Outcome::Planned, 0);
    for Stored { path: raw, entry } in &entries {
        let path = raw.escape_debug();
        let result = match entry {
            Err(error) => {
                complain(&format!("{path}: {error}"));
                outcome = Outcome::Unsound;
                continue;
            }
            Ok(entry) if !is_meant(entry) => continue,
            Ok(Entry { retired: true, .. }) => "has been retired before",
            Ok(_) if !yes => "would be retired",
            Ok(_) => match ledger.retire(raw, is_meant)? {
                Retired::Now => "retired",
                Retired::Before => "has been retired before",
                Retired::Changed => {
                    outcome = Outcome::Unsound;
                    "has changed meanwhile, and stays as it is"
                }
            },
        };
        found += 1;
        writeln!(out, "{path}: {result}")?;
    }
    match cluster {
        Some(cluster) if found == 0 => bail!("no entry names the cluster `{}`", cluster.escape_debug()),
        _ if !yes => warn("nothing was changed; --yes retires them"),
        _ => {}
    }
    Ok(outcome)
}

fn verify(ledger: &Ledger, probe: bool) -> anyhow::Result<Outcome> {
    let mut out = anstream::stdout().lock();
    let (mut differs, mut is_numbered) = (0, false);
    match ledger.marker() {
        Err(fault) => {
            writeln!(out, "{fault}")?;
            differs += 1;
            // The entries of another store say nothing about this one's.
            if let MarkerFault::OtherStore(_) = fault {
                return Ok(Outcome::Unsound);
            }
        }
        Ok(marker) => {
            if ledger.base().store_id().is_none() {
                writeln!(out, "settings have no `ledger.storeId`; that of the store is {}", json!(marker.store_id))?;
                differs += 1;
            }
            is_numbered = marker.is_numbered();
            if !probe && marker.conditional_writes.is_none() {
                warn("the marker does not say whether the store honours conditional writes: --probe finds out");
            }
        }
    }
    if probe {
        let probe = ledger.probe()?;
        // A ledger with numbered entries rests on listings alone.
        let (lack, faults) = match is_numbered {
            true => ("the store does not list what was written", probe.unlisted),
            false => ("the store does not honour conditional writes", [probe.faults, probe.unlisted].concat()),
        };
        if !faults.is_empty() {
            complain(lack);
            complain_of(&faults);
            differs += 1;
        }
        warn_of_leftovers(&probe.left);
    }
    let (deviations, entries) = ledger.verify()?;
    for (path, deviation) in &deviations {
        writeln!(out, "{}: {deviation}", path.escape_debug())?;
    }
    if differs + deviations.len() > 0 {
        return Ok(Outcome::Unsound);
    }
    writeln!(out, "Everything agrees. Entries: {entries}.")?;
    Ok(Outcome::Planned)
}

/// The entries of a claim, which must have one.
fn entries_of(ledger: &Ledger, ClaimName { namespace, name }: &ClaimName) -> anyhow::Result<Vec<Stored>> {
    let entries = ledger.entries_of(&ledger.base().path(namespace, name))?;
    ensure!(!entries.is_empty(), "{namespace}/{name}: the ledger has no entry for the claim");
    Ok(entries)
}

fn complain_of(faults: &[String]) {
    for fault in faults {
        complain(fault);
    }
    complain(UNSAFE);
}

fn warn_of_leftovers(left: &[String]) {
    for key in left {
        warn(&format!("the probe could not remove its object {key}"));
    }
}

fn in_json(Stored { path, entry }: &Stored) -> Value {
    match entry {
        Ok(entry) => json!({"path": path, "entry": entry}),
        Err(error) => json!({"path": path, "error": error}),
    }
}

/// The cells of an entry. What a store contains may be anything, so control characters are escaped.
fn row(Stored { path, entry }: &Stored) -> [String; 6] {
    let path = path.escape_debug().to_string();
    let Entry { repository: _, writer, memory, capacity, retired } = match entry {
        Ok(entry) => entry,
        Err(error) => return [path, format!("({error})"), String::new(), String::new(), String::new(), String::new()],
    };
    [
        path,
        writer.cluster.escape_debug().to_string(),
        writer.uid.escape_debug().to_string(),
        memory.as_ref().map_or_else(|| "none yet".to_owned(), |memory| memory.newest_at.to_string()),
        capacity.as_str().to_owned(),
        if *retired { "yes" } else { "" }.to_owned(),
    ]
}
