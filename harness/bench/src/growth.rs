//! One process with more and more claims. The time per claim and the memory must not grow.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::inputs::{self, CREDENTIALS, one_claim};
use crate::processes::{Needed, run};
use crate::race::Spread;
use crate::report::{Report, bytes, grouped, ratio, seconds};
use crate::{COMMAND, scratch};

/// The numbers of claims.
const CLAIMS: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];

/// The number of turns.
const TURNS: usize = 7;

/// Measures `volsync-policy generate` over more and more claims.
pub(crate) fn measure(report: &mut Report) -> anyhow::Result<()> {
    report.section("`volsync-policy generate`: one process over ever more claims");
    let file = |count: usize| scratch(&format!("claims-{count}.yaml"));
    let printed = scratch("printed.json")?;
    for count in [1].into_iter().chain(CLAIMS) {
        inputs::write_claims(&file(count)?, count)?;
    }
    let (mut shares, mut memories) = (CLAIMS.map(|_| Vec::new()), CLAIMS.map(|_| Vec::new()));
    for _ in 0..TURNS {
        for ((count, shares), memories) in CLAIMS.into_iter().zip(&mut shares).zip(&mut memories) {
            // With few claims, a turn consists of many runs, because the start of a process takes a hundred times as
            // long as a claim.
            let runs = (1_000 / count).max(1);
            let (mut share, mut peak) = (0.0, 0.0_f64);
            for _ in 0..runs {
                // The cost of a process with only one claim is subtracted.
                let start = run(&generate(&file(1)?), &printed)?.cpu;
                let Needed { cpu, memory, .. } = run(&generate(&file(count)?), &printed)?;
                share += (cpu - start) / ((count - 1) * runs) as f64;
                peak = peak.max(memory);
            }
            shares.push(share.max(f64::MIN_POSITIVE));
            memories.push(peak);
        }
    }
    rows(report, "processor time a claim", &shares, seconds, "≤ 1.1");
    rows(report, "memory at the peak", &memories, bytes, "≤ 1.1");
    let streams = if streams()? { "yes" } else { "no" };
    report.count("the first claim's manifests are printed before the second claim is sent", streams, "yes");
    Ok(())
}

/// A row for each number of claims, compared with the smallest.
fn rows(report: &mut Report, what: &str, figures: &[Vec<f64>; 5], written: fn(f64) -> String, goal: &str) {
    for (count, turns) in CLAIMS.into_iter().zip(figures) {
        let Spread { lower, median, upper } = Spread::of(turns.clone());
        let range = format!("{} – {}", written(lower), written(upper));
        let what = format!("{} claims: {what}", grouped(count as u64));
        let over = Spread::of(turns.iter().zip(&figures[0]).map(|(now, then)| now / then).collect());
        match count {
            10 => report.row(&what, &written(median), &range, "", "", ""),
            _ => report.row(&what, &written(median), &range, "10 claims", &ratio(over), goal),
        }
    }
}

/// The command that prints the manifests for a file of claims.
pub(crate) fn generate(claims: &Path) -> Command {
    let mut command = Command::new(COMMAND);
    command.arg("generate").args(["--output", "json", "--credentials", CREDENTIALS, "--filename"]).arg(claims);
    command
}

/// Whether output starts before the end of the input.
fn streams() -> anyhow::Result<bool> {
    let mut command = generate("-".as_ref());
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut asked = process.stdin.take().context("a pipe")?;
    let mut told = BufReader::new(process.stdout.take().context("a pipe")?).lines();
    writeln!(asked, "{}", one_claim()?)?;
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(told.next().is_some()));
    let answer = receiver.recv_timeout(std::time::Duration::from_secs(10));
    drop(asked);
    process.wait()?;
    Ok(answer.unwrap_or(false))
}
