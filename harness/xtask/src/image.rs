//! Builds the command as one static program with the module in it, and an image that contains nothing else.

use std::fs;
use std::path::Path;

use serde_json::json;
use volsync_policy_oci::Layer;

use crate::{cargo, run, setup};

/// The directory of the program and of the image, from which `Containerfile` builds the same image.
const FOLDER: &str = "target/oci";

/// Builds both from the module that was built before, and prints the size of the image.
pub(crate) fn build() -> anyhow::Result<()> {
    let mut build = cargo();
    build.args(["rustc", "--locked", "--profile", "image", "--target", setup::STATIC]);
    build.args(["--package", "volsync-policy-cli", "--bin", "volsync-policy", "--features", "host,embed"]);
    // Cargo does not heed the profile's `strip` for a package with settings of its own in the profile `release`.
    run(build.args(["--", "-C", "strip=symbols"]))?;
    let program = Path::new("target").join(setup::STATIC).join("image/volsync-policy");
    let mut layer = Layer::default();
    layer.file("volsync-policy", &fs::read(&program)?, 0o755)?;

    let folder = Path::new(FOLDER);
    fs::create_dir_all(folder)?;
    fs::copy(program, folder.join("volsync-policy"))?;
    let image = folder.join("volsync-policy.tar");
    let name = format!("localhost/volsync-policy:{}", env!("CARGO_PKG_VERSION"));
    // As in `Containerfile`.
    let config = json!({"User": "65532:65532", "Entrypoint": ["/volsync-policy"], "Cmd": ["host"]});
    layer.write(&image, &name, &config)?;
    println!("{}: {name}, {} bytes", image.display(), fs::metadata(&image)?.len());
    Ok(())
}
