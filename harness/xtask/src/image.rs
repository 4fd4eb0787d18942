//! Builds the command as one static program with the module in it, and images that contain nothing else.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::json;
use volsync_policy_oci::Layer;

use crate::{cargo, run, setup};

/// A kind of machine that programs are built for.
pub(crate) struct Machine {
    /// Its target of the toolchain.
    pub(crate) target: &'static str,
    /// How images and releases call it.
    pub(crate) architecture: &'static str,
    /// How Debian's cross compilers call it.
    pub(crate) cross: &'static str,
}

/// All of them.
pub(crate) const MACHINES: [Machine; 2] = [
    Machine { target: "x86_64-unknown-linux-musl", architecture: "amd64", cross: "x86_64-linux-gnu" },
    Machine { target: "aarch64-unknown-linux-musl", architecture: "arm64", cross: "aarch64-linux-gnu" },
];

/// The directory of the program and of the image, from which `Containerfile` builds the same image.
const FOLDER: &str = "target/oci";

impl Machine {
    /// The kind of machine that this is.
    pub(crate) fn this() -> anyhow::Result<&'static Machine> {
        MACHINES.iter().find(|machine| machine.is_this()).with_context(|| format!("no image is built for {ARCH}"))
    }

    /// Whether it is the kind of machine that this is.
    pub(crate) fn is_this(&self) -> bool {
        self.target.split('-').next() == Some(ARCH)
    }

    /// The C compiler for it on another machine. It has the headers of another C library, which makes no difference:
    /// what is compiled with it calls little more than `memcpy`. The toolchain brings musl.
    pub(crate) fn cross_compiler(&self) -> String {
        format!("{}-gcc", self.cross)
    }

    /// Builds the program for it from the module that was built before, and returns its path.
    pub(crate) fn program(&self) -> anyhow::Result<PathBuf> {
        ensure!(setup::compiler(self)?, "no C compiler for {}; Debian has packages of one", self.target);
        let mut build = cargo();
        build.args(["rustc", "--locked", "--profile", "image", "--target", self.target]);
        build.args(["--package", "volsync-policy-cli", "--bin", "volsync-policy", "--features", "host,embed"]);
        if !self.is_this() {
            let target = self.target.replace('-', "_");
            build.env(format!("CC_{target}"), self.cross_compiler());
            build.env(format!("CARGO_TARGET_{}_LINKER", target.to_uppercase()), self.cross_compiler());
        }
        // Cargo does not heed the profile's `strip` for a package with settings of its own in the profile `release`.
        run(build.args(["--", "-C", "strip=symbols"]))?;
        Ok(Path::new("target").join(self.target).join("image/volsync-policy"))
    }
}

/// Builds the program for this machine and an image with it, and prints the size of the image.
pub(crate) fn build() -> anyhow::Result<()> {
    let machine = Machine::this()?;
    let program = machine.program()?;
    let folder = Path::new(FOLDER);
    fs::create_dir_all(folder)?;
    fs::copy(&program, folder.join("volsync-policy"))?;
    write(&folder.join("volsync-policy.tar"), &[(machine, program)])
}

/// Writes an image of programs, each with the kind of machine that it is for, and prints its size.
pub(crate) fn write(image: &Path, programs: &[(&Machine, PathBuf)]) -> anyhow::Result<()> {
    let mut layers = Vec::new();
    for (machine, program) in programs {
        let mut layer = Layer::default();
        layer.file("volsync-policy", &fs::read(program)?, 0o755)?;
        layers.push((machine.architecture, layer));
    }
    let name = format!("localhost/volsync-policy:{}", env!("CARGO_PKG_VERSION"));
    // As in `Containerfile`.
    let config = json!({"User": "65532:65532", "Entrypoint": ["/volsync-policy"], "Cmd": ["host"]});
    volsync_policy_oci::write(image, &name, &config, layers)?;
    println!("{}: {name}, {} bytes", image.display(), fs::metadata(image)?.len());
    Ok(())
}
