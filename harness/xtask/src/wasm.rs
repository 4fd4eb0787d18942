//! Builds the module, and makes two Kubewarden policies from it, which differ in their metadata.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::Context;
use serde_json::Value;
use sha2::{Digest, Sha256};
use wasm_encoder::{CustomSection, Section};

use crate::setup::WASM_OPT;
use crate::{cargo, in_words, output, root, run};

/// The directory in which cargo puts compiled modules.
const BUILT: &str = "target/wasm32-unknown-unknown/wasm";

/// The directory of optimised modules, each named by the digest of its input.
const OPTIMISED: &str = "target/wasm-opt";

/// The policies, each with the file of its metadata.
const POLICIES: [(&str, &str); 2] = [
    ("target/wasm/volsync-policy.wasm", "wasm/policy/metadata.yml"),
    ("target/wasm/volsync-policy-raw.wasm", "wasm/policy/metadata-raw.yml"),
];

/// The page that Kubewarden shows for a policy.
const USAGE: &str = "wasm/policy/README.md";

/// The features of WebAssembly 2.0, which every engine has and rustc uses by default. wasm-opt must not use others.
const FEATURES: [&str; 6] =
    ["bulk-memory", "multivalue", "mutable-globals", "nontrapping-float-to-int", "reference-types", "sign-ext"];

/// Builds and optimises the module, prints its size, and writes the policies.
pub(crate) fn build() -> anyhow::Result<()> {
    let built = compile("volsync-policy-wapc", &[], &[])?;
    let optimised = built.with_extension("opt.wasm");
    optimise(&built, &optimised)?;
    print_size(&optimised)?;
    let module = fs::read(optimised)?;
    fs::create_dir_all("target/wasm")?;
    for (policy, metadata) in POLICIES {
        let annotated = annotated(&module, metadata).context(metadata)?;
        // The program that embeds a policy would be compiled again if the file were newer.
        if fs::read(policy).ok().as_ref() != Some(&annotated) {
            fs::write(policy, annotated)?;
        }
        println!("{policy}: with {metadata}");
    }
    Ok(())
}

/// The module with the metadata in the file `metadata`, in a section at the end, as `kwctl annotate` adds it.
fn annotated(module: &[u8], metadata: &str) -> anyhow::Result<Vec<u8>> {
    let mut metadata: Value = serde_saphyr::from_str(&fs::read_to_string(metadata)?)?;
    let annotations = metadata.get_mut("annotations").and_then(Value::as_object_mut).context("no annotations")?;
    annotations.insert("io.kubewarden.policy.usage".to_owned(), fs::read_to_string(USAGE)?.into());
    let data = Cow::Owned(serde_json::to_vec(&metadata)?);
    let mut policy = module.to_vec();
    CustomSection { name: Cow::Borrowed("io.kubewarden.metadata"), data }.append_to(&mut policy);
    Ok(policy)
}

/// Compiles a package to WebAssembly with these features. `settings` change the profile `wasm`.
pub(crate) fn compile(package: &str, features: &[&str], settings: &[&str]) -> anyhow::Result<PathBuf> {
    let settings = settings.iter().flat_map(|setting| ["--config", setting]);
    let mut build = cargo();
    build.args(["build", "--locked", "--package", package, "--target", "wasm32-unknown-unknown", "--profile", "wasm"]);
    build.arg("--features").arg(features.join(","));
    run(build.args(settings).env("RUSTFLAGS", rust_flags()?))?;
    Ok(Path::new(BUILT).join(package.replace('-', "_")).with_extension("wasm"))
}

/// Optimises a module for size with wasm-opt. The result is reused for the same input and options.
pub(crate) fn optimise(built: &Path, optimised: &Path) -> anyhow::Result<()> {
    let features = FEATURES.map(|feature| format!("--enable-{feature}"));
    let strip = ["--strip-debug", "--strip-producers", "--strip-target-features"];
    // A second pass can use what the first one found out about the whole module.
    let passes = ["-Oz", "--gufa", "-Oz", "--dae-optimizing", "--reorder-functions", "--converge", "-Oz"];
    let mut wasm_opt = Command::new(WASM_OPT);
    wasm_opt.args(passes).args(strip).args(features);
    let mut digest = Sha256::new_with_prefix(in_words(&wasm_opt));
    digest.update(fs::read("wasm/package-lock.json")?);
    digest.update(fs::read(built)?);
    let digest: String = digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let kept = Path::new(OPTIMISED).join(digest).with_extension("wasm");
    if !kept.exists() {
        fs::create_dir_all(OPTIMISED)?;
        let unfinished = kept.with_extension("unfinished");
        run(wasm_opt.arg(built).arg("-o").arg(&unfinished))?;
        fs::rename(unfinished, &kept)?;
    }
    fs::copy(kept, optimised)?;
    Ok(())
}

/// Prints the size of a module, and its size on the wire.
pub(crate) fn print_size(module: &Path) -> anyhow::Result<()> {
    let compressed = output(Command::new("gzip").args(["-9", "-c"]).arg(module))?.len();
    let (module, size) = (module.display(), fs::metadata(module)?.len());
    println!("{module}: {size} bytes, {compressed} compressed with gzip");
    Ok(())
}

/// Flags for a small SHA-256, because the policy hashes only one name per plan, and against paths of this machine in
/// the panic messages of the module.
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
