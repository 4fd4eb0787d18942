//! Builds what is measured, and runs `harness/bench`.

use std::env;
use std::process::Command;

use crate::{cargo, root, run, setup, works};

/// The package of the benchmarks.
const PACKAGE: [&str; 2] = ["--package", "volsync-policy-bench"];

/// The Go module that names Kyverno's command as a tool.
const KYVERNO: &str = "harness/bench/kyverno";

/// Builds the command as users get it, and Kyverno's if Go is installed, and measures them. `only` names parts.
pub(crate) fn measure(only: Option<&str>) -> anyhow::Result<()> {
    setup::chromium();
    run(cargo().args(["build", "--release", "--locked", "--package", "volsync-policy-cli", "--features", "wasm"]))?;
    if works(Command::new("go").arg("version")) {
        let mut build = Command::new("go");
        build.args(["build", "-C", KYVERNO, "-ldflags=-s -w", "-o"]).arg(root().join("target/bench/kyverno"));
        run(build.arg("github.com/kyverno/kyverno/cmd/cli/kubectl-kyverno").env("CGO_ENABLED", "0"))?;
    }
    let mut measure = cargo();
    measure.args(["run", "--release", "--locked"]).args(PACKAGE).arg("--");
    measure.args(only.map(|parts| format!("--only={parts}")));
    run(measure.env("CARGO", env::var_os("CARGO").unwrap_or_else(|| "cargo".into())))
}
