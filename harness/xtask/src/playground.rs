//! Builds the playground, a page of static files, and serves it.

use std::process::Command;

use crate::run;

/// The directory of the page.
const PAGE: &str = "target/wasm/playground";

/// Builds the page with the npm package, and prints the sizes of what a browser loads.
pub(crate) fn build() -> anyhow::Result<()> {
    run(Command::new("wasm/node_modules/.bin/tsc").args(["--project", "wasm/playground"]))?;
    run(Command::new("node").args(["wasm/playground/build.mjs", "target/wasm/browser", PAGE]))
}

/// Serves the page on loopback until it is interrupted.
pub(crate) fn serve(port: u16) -> anyhow::Result<()> {
    run(Command::new("node").args(["wasm/playground/serve.mjs", PAGE, &port.to_string()]))
}
