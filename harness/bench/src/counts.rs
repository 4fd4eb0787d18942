//! Counts what is the same in every run: instructions, allocations, fuel, bytes, crates.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use crate::calls::{MODULE, load};
use crate::inputs::Input;
use crate::report::{Report, grouped};
use crate::scratch;

/// The module, without Kubewarden's metadata.
const CODE: &str = "target/wasm32-unknown-unknown/wasm/volsync_policy_wapc.opt.wasm";

/// The module of the page, which is compiled for size.
const PAGE: &str = "target/wasm/browser/policy_bg.wasm";

/// The calls that are counted, in addition to the first, which also pays for the setup of the process.
const CALLS: u64 = 100;

/// Counts what a call takes.
pub(crate) fn calls(report: &mut Report, inputs: &[Input]) -> anyhow::Result<()> {
    let wasm = load()?;
    for Input { name, review } in inputs {
        report.section(&format!("Counts a call: {name}"));
        let (_, used) = wasm.metered("plan", review)?;
        report.count("fuel, the module in wasmtime", grouped(used.fuel), "");
        let file = scratch("review.json")?;
        fs::write(&file, review)?;
        let counted = [
            ("instructions, native", "callgrind", "Collected :"),
            ("allocations, native", "dhat", "blocks"),
            ("bytes allocated, native", "dhat", "bytes"),
        ];
        for (what, tool, figure) in counted {
            match a_call(&file, tool, figure) {
                Ok(count) => report.count(what, grouped(count), ""),
                Err(error) => report.missing(what, &error),
            }
        }
    }
    Ok(())
}

/// Counts the sizes of what is shipped.
pub(crate) fn module(report: &mut Report) -> anyhow::Result<()> {
    report.section("Size");
    let bytes = |file: &str| fs::metadata(file).context("`cargo xtask wasm` builds the module").map(|it| it.len());
    for (module, file) in [("the module", CODE), ("the page's module", PAGE)] {
        report.count(&format!("{module}, bytes"), grouped(bytes(file)?), "≤ 350,000");
        let compressed = Command::new("gzip").args(["-9", "-c", file]).output().context("gzip")?.stdout.len();
        report.count(&format!("{module}, bytes compressed with gzip"), grouped(compressed as u64), "≤ 120,000");
    }
    report.count("the policy, bytes: the module with Kubewarden's metadata", grouped(bytes(MODULE)?), "");
    let tree = ["tree", "--locked", "--package", "volsync-policy-wapc", "--target", "wasm32-unknown-unknown"];
    let crates = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(tree)
        .args(["--edges", "normal,no-proc-macro", "--prefix", "none", "--no-dedupe"])
        .output()?;
    let crates: BTreeSet<String> = String::from_utf8_lossy(&crates.stdout).lines().map(str::to_owned).collect();
    report.count("crates in the module, our two among them", crates.len(), "");
    Ok(())
}

/// Makes native calls and nothing else, so that valgrind can count them.
pub(crate) fn call(review: &Path, calls: u64) -> anyhow::Result<()> {
    let review = fs::read(review)?;
    for _ in 0..calls {
        if let Err(error) = volsync_policy_engine::Engine::call(&volsync_policy_engine::Native, "plan", &review) {
            bail!("{error}");
        }
    }
    Ok(())
}

/// The result of valgrind's `tool` for one native call.
fn a_call(review: &Path, tool: &str, figure: &str) -> anyhow::Result<u64> {
    let count = |calls: u64| {
        let profile = scratch(&format!("{tool}.out"))?;
        let output = Command::new("valgrind")
            .args([&format!("--tool={tool}"), &format!("--{tool}-out-file={}", profile.display())])
            .arg(env::current_exe()?)
            .arg("call")
            .args([review.as_os_str(), calls.to_string().as_ref()])
            .output()
            .context("valgrind")?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        figure_in(&text, figure).with_context(|| format!("no {figure} in what valgrind says: {text}"))
    };
    Ok((count(CALLS + 1)? - count(1)?) / CALLS)
}

/// The number before or after a word: `Collected : 12`, `Total: 1,234 bytes in 56 blocks`.
fn figure_in(text: &str, word: &str) -> Option<u64> {
    let number = |text: &str| text.replace(',', "").parse().ok();
    text.lines().filter(|line| word.ends_with(':') || line.contains("Total:")).find_map(|line| {
        let (before, behind) = line.split_once(word)?;
        number(behind.trim()).or_else(|| number(before.split_whitespace().last()?))
    })
}
