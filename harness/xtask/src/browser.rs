//! Builds the npm package.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::run;
use crate::wasm::{compile, optimise, print_size};

/// What is packed.
const PACKAGE: &str = "target/wasm/browser";

/// What of it is written by hand.
const SOURCES: [&str; 5] = ["package.json", "index.js", "index.d.ts", "node.js", "README.md"];

/// Builds the package, and prints how large its module is.
pub(crate) fn build() -> anyhow::Result<()> {
    let built = compile("volsync-policy-browser")?;
    // What a former build wrote is no part of this one.
    drop(fs::remove_dir_all(PACKAGE));
    fs::create_dir_all(PACKAGE)?;
    let mut bindgen = wasm_bindgen_cli_support::Bindgen::new();
    bindgen.input_path(built).web(true)?.typescript(true).out_name("policy").generate(PACKAGE)?;
    let package = Path::new(PACKAGE);
    // Nothing that it declares of the module's insides is of use to anybody.
    fs::remove_file(package.join("policy_bg.wasm.d.ts"))?;
    let module = package.join("policy_bg.wasm");
    optimise(&module, &module)?;
    for file in SOURCES {
        fs::copy(Path::new("wasm/browser").join(file), package.join(file))?;
    }
    fs::copy("LICENSE", package.join("LICENSE"))?;
    run(Command::new("node").args(["wasm/browser/generate.mjs", "docs/schema", PACKAGE]))?;
    print_size(PACKAGE, &module)
}
