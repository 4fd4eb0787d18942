//! Builds the npm package.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::run;
use crate::wasm::{compile, optimise, print_size};

/// The directory of the package.
const PACKAGE: &str = "target/wasm/browser";

/// The files of the package that are written by hand.
const SOURCES: [&str; 8] =
    ["package.json", "index.js", "index.d.ts", "node.js", "host.js", "host.d.ts", "host.node.js", "README.md"];

/// A module: its name in the package, the crate that it is built from, and that crate's features.
type Module = (&'static str, &'static str, &'static [&'static str]);

/// The modules of the package. Hosts, policy tests and dumps have modules of their own, so that only users who need
/// them load them.
const MODULES: [Module; 4] = [
    ("policy", "volsync-policy-browser", &[]),
    ("policy_for_hosts", "volsync-policy-browser", &["host"]),
    ("cases", "volsync-policy-browser-cases", &[]),
    ("dump", "volsync-policy-browser-dump", &[]),
];

/// Optimised for size rather than speed, because every page load transfers the module. This is not a separate profile,
/// because cargo would then compile all dependencies again, not only these two.
const SMALL: [&str; 2] =
    [r#"profile.wasm.package.volsync-policy.opt-level="z""#, r#"profile.wasm.package.serde_json.opt-level="z""#];

/// Builds the package, and prints the sizes of its modules.
pub(crate) fn build() -> anyhow::Result<()> {
    let package = Path::new(PACKAGE);
    // Files of an earlier build do not belong to this one.
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

/// Writes a module with its JavaScript and its types.
fn bind(name: &str, built: &Path, package: &Path) -> anyhow::Result<()> {
    let mut bindgen = wasm_bindgen_cli_support::Bindgen::new();
    bindgen.input_path(built).web(true)?.typescript(true).out_name(name).generate(package)?;
    // The declarations of the module's internals are of no use to anyone.
    fs::remove_file(package.join(format!("{name}_bg.wasm.d.ts")))?;
    let module = package.join(format!("{name}_bg.wasm"));
    optimise(&module, &module)?;
    print_size(&module)
}
