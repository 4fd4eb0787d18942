//! The image of a cluster's own pods: VolSync's mover, the pause container, and the pods of tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::json;
use volsync_policy_oci::Layer;

use crate::tools::{Tools, source};

/// The name of that image. An image is never pulled if its tag is not `latest`.
pub(crate) const IMAGE: &str = "localhost/node:1";

/// The programs of this machine that the mover's script and the pods of tests call.
const PROGRAMS: [&str; 31] = [
    "bash",
    "basename",
    "cat",
    "chmod",
    "chown",
    "cp",
    "cut",
    "date",
    "dd",
    "dirname",
    "echo",
    "env",
    "find",
    "grep",
    "head",
    "id",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "realpath",
    "rm",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "sync",
    "tail",
    "timeout",
    "tr",
    "wc",
];

/// Writes the image to `file`, for `ctr images import`.
pub(crate) fn write(tools: &Tools, file: &Path) -> anyhow::Result<()> {
    let config = json!({"Env": ["PATH=/usr/bin", "HOME=/tmp"], "Entrypoint": ["/usr/bin/sleep", "infinity"]});
    Ok(layer(tools)?.write(file, IMAGE, &config)?)
}

/// The root file system: the programs with their shared libraries, restic, and VolSync's own script.
fn layer(tools: &Tools) -> anyhow::Result<Layer> {
    let mut layer = Layer::default();
    for folder in ["dev", "etc", "proc", "run", "sys", "tmp"] {
        layer.folder(folder, if folder == "tmp" { 0o1777 } else { 0o755 })?;
    }
    for (name, target) in [("bin", "usr/bin"), ("usr/bin/sh", "bash"), ("usr/bin/awk", "mawk")] {
        layer.link(name, target)?;
    }
    let mut programs = Vec::new();
    for program in PROGRAMS.into_iter().chain(["mawk"]) {
        let found = [Path::new("/usr/bin").join(program), Path::new("/bin").join(program)];
        programs.push(found.into_iter().find(|file| file.exists()).with_context(|| format!("no {program} here"))?);
    }
    for program in &programs {
        let name = Path::new("usr/bin").join(program.file_name().unwrap_or_default());
        layer.file(name, &fs::read(program)?, 0o755)?;
    }
    for library in libraries(&programs)? {
        layer.file(library.strip_prefix("/")?, &fs::read(&library)?, 0o755)?;
    }
    layer.file("usr/bin/restic", &fs::read(tools.program("restic"))?, 0o755)?;
    let script = source("volsync", "github.com/backube/volsync")?.join("mover-restic/entry.sh");
    layer.file("mover-restic/entry.sh", &fs::read(script)?, 0o755)?;
    layer.file("etc/passwd", b"root:x:0:0:root:/tmp:/bin/bash\n", 0o644)?;
    layer.file("etc/group", b"root:x:0:\n", 0o644)?;
    Ok(layer)
}

/// The shared libraries of programs, and the loader, at the paths where the loader looks for them.
fn libraries(programs: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let output = Command::new("ldd").args(programs).output().context("ldd")?;
    let words = String::from_utf8(output.stdout)?;
    let paths = words.split_whitespace().filter(|word| word.starts_with('/') && !word.ends_with(':'));
    let mut libraries: Vec<PathBuf> = paths.map(PathBuf::from).collect();
    libraries.sort();
    libraries.dedup();
    ensure!(!libraries.is_empty(), "ldd names no library");
    Ok(libraries)
}
