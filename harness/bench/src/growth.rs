//! One process over ever more claims: the time for each must stay, and so must the memory.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::inputs::{self, CREDENTIALS, nth_claim};
use crate::processes::{Needed, run};
use crate::race::Spread;
use crate::report::{Report, grouped, seconds};
use crate::{COMMAND, scratch};

/// How many claims, and how often.
const CLAIMS: [(usize, usize); 5] = [(10, 41), (100, 21), (1_000, 11), (10_000, 5), (100_000, 3)];

/// Measures `volsync-policy generate` over more and more claims.
pub(crate) fn measure(report: &mut Report) -> anyhow::Result<()> {
    report.section("`volsync-policy generate`: a claim's share of the processor, in one process over so many");
    let (one, printed) = (scratch("claims-1.yaml")?, scratch("printed.json")?);
    inputs::write_claims(&one, 1)?;
    let mut first: Option<(Vec<f64>, Vec<f64>)> = None;
    for (count, turns) in CLAIMS {
        let file = scratch(&format!("claims-{count}.yaml"))?;
        inputs::write_claims(&file, count)?;
        let (mut shares, mut memories) = (Vec::new(), Vec::new());
        for _ in 0..turns {
            // What a process costs that plans one claim only is no claim's share.
            let Needed { cpu: start, .. } = run(&mut generate(&one), &printed)?;
            let Needed { cpu, memory, .. } = run(&mut generate(&file), &printed)?;
            shares.push((cpu - start) / (count - 1) as f64);
            memories.push(memory);
        }
        let (share, memory) = (Spread::of(shares.clone()), Spread::of(memories.clone()));
        let range = format!("{} – {}", seconds(share.lower.max(0.0)), seconds(share.upper.max(0.0)));
        let claims = grouped(count as u64);
        let peak = grouped(memory.median as u64);
        let what = format!("{claims} claims, {peak} bytes of memory at the peak");
        let against = first.as_ref().map_or("", |_| "10 claims: time; memory");
        let ratios = first.as_ref().map_or(String::new(), |(times, memories)| {
            let over = |now: f64, then: &[f64]| now / Spread::of(then.to_vec()).median;
            format!("{:.2}; {:.2}", over(share.median, times), over(memory.median, memories))
        });
        let goal = if first.is_some() { "≤ 1.1; flat" } else { "" };
        report.row(&what, &seconds(share.median.max(0.0)), &range, against, &ratios, goal);
        first.get_or_insert((shares, memories));
    }
    let streams = if streams()? { "yes" } else { "no" };
    report.count("the first claim's manifests are printed before the second claim is sent", streams, "yes");
    Ok(())
}

/// The command that prints the manifests of a file of claims.
pub(crate) fn generate(claims: &Path) -> Command {
    let mut command = Command::new(COMMAND);
    command.arg("generate").args(["--output", "json", "--credentials", CREDENTIALS, "--filename"]).arg(claims);
    command
}

/// Whether what is printed comes before the input's end.
fn streams() -> anyhow::Result<bool> {
    let mut command = generate("-".as_ref());
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut asked = process.stdin.take().context("a pipe")?;
    let mut told = BufReader::new(process.stdout.take().context("a pipe")?).lines();
    writeln!(asked, "{}", nth_claim(0)?)?;
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(told.next().is_some()));
    let answer = receiver.recv_timeout(std::time::Duration::from_secs(10));
    drop(asked);
    process.wait()?;
    Ok(answer.unwrap_or(false))
}
