//! Every combination of evidence: the invariants hold, every row is reached, the way out of every hold works with one
//! acceptance, and no acceptance counts once what was accepted has changed. The test prints how many combinations it
//! tried.
//!
//! Of numbers, times and names, only those are tried that make a difference: equal or not, before or after, within two
//! intervals or not. Pairs of a ledger and a repository are first reduced to those that differ in this respect
//! ([`Store::meaning`]), and each of them is combined with everything else.

#[path = "enumeration/changes.rs"]
mod changes;
#[path = "enumeration/cores.rs"]
mod cores;
#[path = "enumeration/host.rs"]
mod host;
#[path = "enumeration/objects.rs"]
mod objects;
#[path = "enumeration/stores.rs"]
mod stores;
#[path = "enumeration/walk.rs"]
mod walk;
#[path = "enumeration/ways.rs"]
mod ways;

use std::collections::BTreeSet;
use std::io::Write;

use serde_json::json;
use volsync_policy::evidence::{Digest, Evidence, Timestamp, VolumeId};
use volsync_policy::{Ask, Code, Eligibility, Gate, Quantity, RestoreMode, Verdict, decide};
use volsync_policy_tests::invariants::{Decided, INVARIANTS};

use changes::accept_and_change;
use cores::on_all_cores;
use stores::stores;
use walk::walk;
use ways::lead_out;

const UID: &str = "claim-now";
const UID_BEFORE: &str = "claim-before";
const HERE: &str = "cluster-here";
const ELSEWHERE: &str = "cluster-elsewhere";
const HOUR: u64 = 3600;
/// When everything was read.
const NOW: Timestamp = Timestamp::from_unix(100 * HOUR);

/// How many combinations of each hold are accepted and then changed.
const CHANGED: usize = 400;

/// What is asked for a claim, and what is known about it.
type Situation = (Eligibility<Ask>, Evidence);

#[test]
fn every_combination_keeps_the_promise() {
    let (stores, pairs) = stores();
    let walk = walk(&stores);
    let rows: BTreeSet<u8> = walk.reached.keys().map(|(row, _)| *row).collect();
    // Row 5 is the one without evidence.
    let missed: Vec<u8> = Verdict::ROWS.filter(|row| *row != 5 && !rows.contains(row)).collect();
    assert!(missed.is_empty(), "rows that no combination reaches: {missed:?}");
    let codes: BTreeSet<Code> = walk.reached.keys().map(|(_, code)| *code).collect();
    let generated = [Code::NoEvidence, Code::Ungated, Code::AcceptedByOperator];
    let missed: Vec<Code> =
        Code::ALL.into_iter().filter(|code| !codes.contains(code) && !generated.contains(code)).collect();
    assert!(missed.is_empty(), "codes that no combination reaches: {missed:?}");

    let holds: Vec<&Situation> = walk.holds.values().flat_map(|sample| &sample.kept).collect();
    let led_out = on_all_cores(&holds, |hold| lead_out(hold)).len();

    let of_each = walk.holds.values().map(|sample| &sample.kept);
    let some: Vec<&Situation> = of_each.flat_map(|kept| kept.iter().step_by(kept.len().div_ceil(CHANGED))).collect();
    let changes: u64 = on_all_cores(&some, |hold| accept_and_change(hold)).into_iter().sum();

    // Not `eprintln!`, whose output is captured while tests run: the figures belong in every log.
    let figures = format!(
        "{} million combinations of evidence; {pairs} pairs of ledger and repository, {} that differ; {} rows and \
         codes reached; {led_out} holds led out; {changes} changes after an acceptance",
        walk.combinations / 1_000_000,
        stores.len(),
        walk.reached.len(),
    );
    writeln!(std::io::stderr(), "{figures}").expect("standard error can be written");
}

/// The verdict, after a check that every invariant holds.
fn decide_and_check(asked: &Eligibility<Ask>, evidence: &Evidence) -> Verdict {
    let verdict = decide(asked, Some(evidence));
    let decided = Decided { asked, seen: evidence, verdict: &verdict };
    for (name, holds) in INVARIANTS {
        assert!(holds(&decided), "{name}: {verdict:?}\nfor {asked:?}\nand {}", json!(evidence));
    }
    verdict
}

fn volume(handle: &str) -> VolumeId {
    VolumeId { driver: "csi".to_owned(), handle: handle.to_owned() }
}

fn digest(letter: char) -> Digest {
    Digest::parse(&letter.to_string().repeat(64)).expect("64 digits")
}

/// The fingerprint that the ledger entry remembers, and another one.
fn fingerprints() -> [Digest; 2] {
    [digest('f'), digest('9')]
}

fn ask(mode: RestoreMode) -> Ask {
    Ask {
        mode,
        missed_admission: mode == RestoreMode::Populate,
        gate: Gate::Evidence,
        has_credentials: true,
        repository: None,
        request: Quantity::parse("1Gi").expect("a quantity"),
        interval: HOUR,
        accepted: Vec::new(),
        reason: None,
        clears_dead_locks: false,
    }
}
