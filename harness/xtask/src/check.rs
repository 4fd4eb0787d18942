//! Checks what tests do not see.

use std::process::Command;

use anyhow::{bail, ensure};

use crate::{WORKSPACE, cargo, circles, output, setup};

pub(crate) fn run() -> anyhow::Result<()> {
    crate::run(cargo().args(["fmt", "--all", "--check"]))?;
    long_lines()?;
    circles::check()?;
    let scripts = tracked(&["*.css", "*.html", "*.js", "*.mjs", "*.ts"])?;
    let unformatted = output(Command::new("gofmt").arg("-l").args(tracked(&["*.go"])?))?;
    ensure!(unformatted.is_empty(), "gofmt would change {}", String::from_utf8_lossy(&unformatted));
    crate::run(Command::new("wasm/node_modules/.bin/prettier").args(["--check", "--print-width=120"]).args(scripts))?;
    crate::run(cargo().arg("clippy").args(WORKSPACE).args(["--all-targets", "--", "-D", "warnings"]))?;
    let modules = ["wapc", "browser", "browser-cases", "browser-dump"];
    let modules = modules.map(|module| format!("--package=volsync-policy-{module}"));
    let target = ["--target", "wasm32-unknown-unknown", "--", "-D", "warnings"];
    crate::run(cargo().args(["clippy", "--locked"]).args(modules).args(target))?;
    let docs = ["--no-deps", "--document-private-items"];
    crate::run(cargo().arg("doc").args(WORKSPACE).args(docs).env("RUSTDOCFLAGS", "-D warnings"))?;
    crate::run(setup::cargo_deny()?.args(["--all-features", "check", "bans", "licenses", "sources"]))
}

/// Checks that no line of code or prose is longer than 120 characters.
fn long_lines() -> anyhow::Result<()> {
    let mut long = Vec::new();
    // The table of the benchmarks is as wide as its figures.
    let table = ":!harness/bench/RESULTS.md";
    for file in tracked(&["*.css", "*.go", "*.js", "*.md", "*.mjs", "*.rs", "*.sh", "*.toml", "*.ts", table])? {
        let text = std::fs::read_to_string(&file)?;
        let lines = text.lines().enumerate().filter(|(_, line)| line.chars().count() > 120);
        long.extend(lines.map(|(index, _)| format!("{file}:{}", index + 1)));
    }
    if !long.is_empty() {
        bail!("lines of more than 120 characters:\n{}", long.join("\n"));
    }
    Ok(())
}

/// The files in the repository whose names match one of `patterns`.
pub(crate) fn tracked(patterns: &[&str]) -> anyhow::Result<Vec<String>> {
    let files = output(Command::new("git").arg("ls-files").args(patterns))?;
    Ok(String::from_utf8_lossy(&files).lines().map(str::to_owned).collect())
}
