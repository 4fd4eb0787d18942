//! `kyverno apply`, with a ClusterPolicy of three rules that generate the same manifests, over the same files.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::growth::generate;
use crate::processes::{Needed, Objects, keyed, objects, run};
use crate::race::Spread;
use crate::report::{Report, bytes, grouped, ratio, seconds};
use crate::{inputs, scratch};

/// Kyverno's command, as `cargo xtask bench` builds it.
const KYVERNO: &str = "target/bench/kyverno";

/// The ClusterPolicy with the same rules.
const POLICY: &str = "harness/bench/kyverno/policy.yaml";

/// The numbers of claims, each with the number of turns.
const CLAIMS: [(usize, usize); 2] = [(1_000, 5), (10_000, 1)];

/// Measures both commands with the same claims, in turns, and compares their output.
pub(crate) fn measure(report: &mut Report) -> anyhow::Result<()> {
    if !Path::new(KYVERNO).exists() {
        report.missing("Kyverno", &anyhow::anyhow!("there is no Go to build it with"));
        return Ok(());
    }
    let settings = scratch("seed.json")?;
    std::fs::write(&settings, json!({ "profile": "seed" }).to_string())?;
    for (count, turns) in CLAIMS {
        report.section(&format!(
            "The same manifests from a file of {} claims, as whole processes",
            grouped(count as u64)
        ));
        let claims = scratch(&format!("claims-{count}.yaml"))?;
        inputs::write_claims(&claims, count)?;
        let printed = [scratch("ours.json")?, scratch("theirs.yaml")?];
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..turns {
            ours.push(run(generate(&claims).arg("--settings").arg(&settings), &printed[0])?);
            theirs.push(run(&apply(&claims), &printed[1])?);
        }
        rows(report, &ours, &theirs);
        let (ours, theirs) = (objects(&printed[0])?, generated(&printed[1])?);
        ensure!(ours.len() == 3 * count, "{} objects of {count} claims", ours.len());
        let equal = ours.iter().filter(|(key, object)| theirs.get(*key) == Some(*object)).count();
        let all = grouped(ours.len() as u64);
        report.count(
            "objects that are equal in both, Kyverno's own labels aside",
            format!("{} of {all}", grouped(equal as u64)),
            "all",
        );
        if let Some((key, object)) = ours.iter().find(|(key, object)| theirs.get(*key) != Some(*object)) {
            eprintln!("{key:?}\n{object:#}\n{:#}", theirs.get(key).unwrap_or(&Value::Null));
        }
    }
    Ok(())
}

fn rows(report: &mut Report, ours: &[Needed], theirs: &[Needed]) {
    type Measure = (&'static str, fn(&Needed) -> f64, fn(f64) -> String, &'static str);
    let measures: [Measure; 3] = [
        ("processor time", |it| it.cpu, seconds, "≥ 100"),
        ("time from start to end", |it| it.wall, seconds, ""),
        ("memory at the peak", |it| it.memory, bytes, ""),
    ];
    for (what, of, written, goal) in measures {
        let spread = |needed: &[Needed]| Spread::of(needed.iter().map(of).collect());
        let range = |it: Spread| format!("{} – {}", written(it.lower), written(it.upper));
        let (our, their) = (spread(ours), spread(theirs));
        let ratios = Spread::of(ours.iter().zip(theirs).map(|(ours, theirs)| of(theirs) / of(ours)).collect());
        report.row(&format!("`volsync-policy generate`: {what}"), &written(our.median), &range(our), "", "", "");
        let what = format!("`kyverno apply`: {what}");
        report.row(&what, &written(their.median), &range(their), "`volsync-policy generate`", &ratio(ratios), goal);
    }
}

/// The command that prints what Kyverno's policy generates for a file of claims.
fn apply(claims: &Path) -> Command {
    let mut command = Command::new(KYVERNO);
    command.arg("apply").arg(POLICY).arg("--resource").arg(claims);
    command
}

/// The objects in the output of `kyverno apply`, without the labels that it adds.
fn generated(file: &Path) -> anyhow::Result<Objects> {
    let text = std::fs::read_to_string(file)?;
    let documents = text.split("\n---\n").filter(|document| document.contains("apiVersion:"));
    documents
        .map(|document| {
            let yaml = document.get(document.find("apiVersion:").unwrap_or_default()..).context("a document")?;
            let mut object: Value = serde_saphyr::from_str(yaml).with_context(|| yaml.to_owned())?;
            object["metadata"]["labels"] = json!({ "app.kubernetes.io/managed-by": "volsync-policy" });
            Ok(keyed(object))
        })
        .collect()
}
