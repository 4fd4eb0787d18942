//! Builds the module, and of it two Kubewarden policies: the type of a policy is metadata.

use std::borrow::Cow;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use anyhow::Context;
use serde_json::Value;
use wasm_encoder::{CustomSection, Section};

use crate::setup::WASM_OPT;
use crate::{cargo, output, root, run};

const BUILT: &str = "target/wasm32-unknown-unknown/wasm/volsync_policy_wapc.wasm";
const OPTIMISED: &str = "target/wasm32-unknown-unknown/wasm/volsync_policy_wapc.opt.wasm";

/// The policies, each of its metadata.
const POLICIES: [(&str, &str); 2] = [
    ("target/wasm/volsync-policy.wasm", "wasm/policy/metadata.yml"),
    ("target/wasm/volsync-policy-raw.wasm", "wasm/policy/metadata-raw.yml"),
];

/// What Kubewarden shows of a policy to whoever looks at it.
const USAGE: &str = "wasm/policy/README.md";

/// What every engine of WebAssembly 2.0 has, and rustc uses by default; wasm-opt must not go beyond it.
const FEATURES: [&str; 6] =
    ["bulk-memory", "multivalue", "mutable-globals", "nontrapping-float-to-int", "reference-types", "sign-ext"];

/// Builds and optimises the module, prints its size, and writes the policies.
pub(crate) fn build() -> anyhow::Result<()> {
    let arguments = ["build", "--package", "volsync-policy-wapc", "--profile", "wasm", "--locked"];
    run(cargo().args(arguments).args(["--target", "wasm32-unknown-unknown"]).env("RUSTFLAGS", rust_flags()?))?;
    let features = FEATURES.map(|feature| format!("--enable-{feature}"));
    let strip = ["--strip-debug", "--strip-producers", "--strip-target-features"];
    // What one pass learns of the whole module is room for the next.
    let passes = ["-Oz", "--gufa", "-Oz", "--dae-optimizing", "--reorder-functions", "--converge", "-Oz"];
    run(Command::new(WASM_OPT).args([BUILT, "-o", OPTIMISED]).args(passes).args(strip).args(features))?;
    let compressed = output(Command::new("gzip").args(["-9", "-c", OPTIMISED])).map(|bytes| bytes.len());
    let module = fs::read(OPTIMISED)?;
    println!("the module: {} bytes, {} compressed with gzip", module.len(), compressed.unwrap_or_default());
    fs::create_dir_all("target/wasm")?;
    for (policy, metadata) in POLICIES {
        fs::write(policy, annotated(&module, metadata).context(metadata)?)?;
        println!("{policy}: with {metadata}");
    }
    Ok(())
}

/// The module with the metadata of the file `metadata`, as `kwctl annotate` adds it: in a section at the end.
fn annotated(module: &[u8], metadata: &str) -> anyhow::Result<Vec<u8>> {
    let mut metadata: Value = serde_saphyr::from_str(&fs::read_to_string(metadata)?)?;
    let annotations = metadata.get_mut("annotations").and_then(Value::as_object_mut).context("no annotations")?;
    annotations.insert("io.kubewarden.policy.usage".to_owned(), fs::read_to_string(USAGE)?.into());
    let data = Cow::Owned(serde_json::to_vec(&metadata)?);
    let mut policy = module.to_vec();
    CustomSection { name: Cow::Borrowed("io.kubewarden.metadata"), data }.append_to(&mut policy);
    Ok(policy)
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
