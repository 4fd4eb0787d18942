//! Builds the module, and of it two Kubewarden policies: the type of a policy is metadata.

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

/// Where cargo puts what it compiles.
const BUILT: &str = "target/wasm32-unknown-unknown/wasm";

/// Where the modules that wasm-opt made are kept, each by the digest of what it was made from.
const OPTIMISED: &str = "target/wasm-opt";

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
    let built = compile("volsync-policy-wapc", &[], &[])?;
    let optimised = built.with_extension("opt.wasm");
    optimise(&built, &optimised)?;
    print_size(&optimised)?;
    let module = fs::read(optimised)?;
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

/// Compiles a package to WebAssembly, with those features, and with what `settings` change of the profile `wasm`.
pub(crate) fn compile(package: &str, features: &[&str], settings: &[&str]) -> anyhow::Result<PathBuf> {
    let settings = settings.iter().flat_map(|setting| ["--config", setting]);
    let mut build = cargo();
    build.args(["build", "--locked", "--package", package, "--target", "wasm32-unknown-unknown", "--profile", "wasm"]);
    build.arg("--features").arg(features.join(","));
    run(build.args(settings).env("RUSTFLAGS", rust_flags()?))?;
    Ok(Path::new(BUILT).join(package.replace('-', "_")).with_extension("wasm"))
}

/// Makes a module as small as wasm-opt can. What it made of the same bytes in the same way it makes only once.
pub(crate) fn optimise(built: &Path, optimised: &Path) -> anyhow::Result<()> {
    let features = FEATURES.map(|feature| format!("--enable-{feature}"));
    let strip = ["--strip-debug", "--strip-producers", "--strip-target-features"];
    // What one pass learns of the whole module is room for the next.
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

/// Prints how large a module is, and how large it is on its way to a browser.
pub(crate) fn print_size(module: &Path) -> anyhow::Result<()> {
    let compressed = output(Command::new("gzip").args(["-9", "-c"]).arg(module))?.len();
    let (module, size) = (module.display(), fs::metadata(module)?.len());
    println!("{module}: {size} bytes, {compressed} compressed with gzip");
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
