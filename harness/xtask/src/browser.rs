//! Builds the npm package.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::run;
use crate::wasm::{compile, optimise, print_size};

/// What is packed.
const PACKAGE: &str = "target/wasm/browser";

/// What of it is written by hand.
const SOURCES: [&str; 8] =
    ["package.json", "index.js", "index.d.ts", "node.js", "host.js", "host.d.ts", "host.node.js", "README.md"];

/// A module by its name in the package: the crate that it is built from, and that crate's features.
type Module = (&'static str, &'static str, &'static [&'static str]);

/// Its modules. What serves a host, policy tests and dumps have modules of their own: only those load them who use
/// them.
const MODULES: [Module; 4] = [
    ("policy", "volsync-policy-browser", &[]),
    ("policy_for_hosts", "volsync-policy-browser", &["host"]),
    ("cases", "volsync-policy-browser-cases", &[]),
    ("dump", "volsync-policy-browser-dump", &[]),
];

/// Small before fast, because every page load pays for the bytes. No profile of its own: in that, cargo would compile
/// all of them anew, and not these two alone.
const SMALL: [&str; 2] =
    [r#"profile.wasm.package.volsync-policy.opt-level="z""#, r#"profile.wasm.package.serde_json.opt-level="z""#];

/// Builds the package, and prints how large its modules are.
pub(crate) fn build() -> anyhow::Result<()> {
    let package = Path::new(PACKAGE);
    // What a former build wrote is no part of this one.
    drop(fs::remove_dir_all(package));
    fs::create_dir_all(package)?;
    for (name, of, features) in MODULES {
        bind(name, &compile(of, features, &SMALL)?, package)?;
    }
    for file in SOURCES {
        fs::copy(Path::new("wasm/browser").join(file), package.join(file))?;
    }
    fs::copy("LICENSE", package.join("LICENSE"))?;
    run(Command::new("node").args(["wasm/browser/generate.mjs", "docs/schema", PACKAGE]))
}

/// Writes a module, and the JavaScript and the types around it.
fn bind(name: &str, built: &Path, package: &Path) -> anyhow::Result<()> {
    let mut bindgen = wasm_bindgen_cli_support::Bindgen::new();
    bindgen.input_path(built).web(true)?.typescript(true).out_name(name).generate(package)?;
    // Nothing that it declares of the module's insides is of use to anybody.
    fs::remove_file(package.join(format!("{name}_bg.wasm.d.ts")))?;
    let module = package.join(format!("{name}_bg.wasm"));
    optimise(&module, &module)?;
    print_size(&module)
}
