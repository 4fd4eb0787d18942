//! Builds the module.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use anyhow::Context;

use crate::setup::WASM_OPT;
use crate::{cargo, output, root, run};

const BUILT: &str = "target/wasm32-unknown-unknown/wasm/volsync_policy_wapc.wasm";
const MODULE: &str = "target/wasm/volsync-policy.wasm";

/// What every engine of WebAssembly 2.0 has, and rustc uses by default; wasm-opt must not go beyond it.
const FEATURES: [&str; 6] =
    ["bulk-memory", "multivalue", "mutable-globals", "nontrapping-float-to-int", "reference-types", "sign-ext"];

/// Builds and optimises the module, and prints its size.
pub(crate) fn build() -> anyhow::Result<()> {
    let arguments = ["build", "--package", "volsync-policy-wapc", "--profile", "wasm", "--locked"];
    run(cargo().args(arguments).args(["--target", "wasm32-unknown-unknown"]).env("RUSTFLAGS", rust_flags()?))?;
    fs::create_dir_all("target/wasm")?;
    let features = FEATURES.map(|feature| format!("--enable-{feature}"));
    let strip = ["--strip-debug", "--strip-producers", "--strip-target-features"];
    // What one pass learns of the whole module is room for the next.
    let passes = ["-Oz", "--gufa", "-Oz", "--dae-optimizing", "--reorder-functions", "--converge", "-Oz"];
    run(Command::new(WASM_OPT).args([BUILT, "-o", MODULE]).args(passes).args(strip).args(features))?;
    let compressed = output(Command::new("gzip").args(["-9", "-c", MODULE])).map(|bytes| bytes.len());
    let size = fs::metadata(MODULE)?.len();
    println!("{MODULE}: {size} bytes, {} compressed with gzip", compressed.unwrap_or_default());
    Ok(())
}

/// A small SHA-256 (the policy hashes one name a plan), and no path of this machine in the module's panic messages.
fn rust_flags() -> anyhow::Result<String> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo"))).context("no HOME")?;
    let mut flags = vec![r#"--cfg sha2_backend_soft="compact""#.to_owned()];
    flags.push(format!("--remap-path-prefix={}=.", root().display()));
    for registry in fs::read_dir(home.join("registry/src")).into_iter().flatten() {
        flags.push(format!("--remap-path-prefix={}=crates", registry?.path().display()));
    }
    Ok(flags.join(" "))
}
