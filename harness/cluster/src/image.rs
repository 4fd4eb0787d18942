//! The only image that pods run: VolSync's mover, the pause container, and the pods of tests.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::tools::{Tools, source};

/// The name of the image. An image is never pulled if its tag is not `latest`.
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

/// Writes the image to `file`, in the layout of the Open Container Initiative, for `ctr images import`.
pub(crate) fn write(tools: &Tools, file: &Path) -> anyhow::Result<()> {
    let layer = layer(tools)?;
    let mut layout = Layout(Builder::new(fs::File::create(file)?));
    let layer = layout.blob("application/vnd.oci.image.layer.v1.tar", &layer)?;
    let config = json!({
        "architecture": std::env::consts::ARCH.replace("x86_64", "amd64").replace("aarch64", "arm64"),
        "os": "linux",
        "config": {"Env": ["PATH=/usr/bin", "HOME=/tmp"], "Entrypoint": ["/usr/bin/sleep", "infinity"]},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    });
    let config = layout.blob("application/vnd.oci.image.config.v1+json", &serde_json::to_vec(&config)?)?;
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
    let mut manifest = layout.blob(MANIFEST, &serde_json::to_vec(&manifest)?)?;
    manifest["annotations"] = json!({"io.containerd.image.name": IMAGE});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    layout.file("index.json", &serde_json::to_vec(&index)?)?;
    layout.file("oci-layout", br#"{"imageLayoutVersion": "1.0.0"}"#)?;
    Ok(layout.0.finish()?)
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The root file system: the programs with their shared libraries, restic, and VolSync's own script.
fn layer(tools: &Tools) -> anyhow::Result<Vec<u8>> {
    let mut layer = Builder::new(Vec::new());
    for folder in ["dev", "etc", "proc", "run", "sys", "tmp"] {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Directory);
        header.set_size(0);
        header.set_mode(if folder == "tmp" { 0o1777 } else { 0o755 });
        layer.append_data(&mut header, folder, std::io::empty())?;
    }
    for (name, target) in [("bin", "usr/bin"), ("usr/bin/sh", "bash"), ("usr/bin/awk", "mawk")] {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        layer.append_link(&mut header, name, target)?;
    }
    let mut programs = Vec::new();
    for program in PROGRAMS.into_iter().chain(["mawk"]) {
        let found = [Path::new("/usr/bin").join(program), Path::new("/bin").join(program)];
        programs.push(found.into_iter().find(|file| file.exists()).with_context(|| format!("no {program} here"))?);
    }
    for program in &programs {
        let name = Path::new("usr/bin").join(program.file_name().unwrap_or_default());
        append(&mut layer, &name, &fs::read(program)?, 0o755)?;
    }
    for library in libraries(&programs)? {
        append(&mut layer, library.strip_prefix("/")?, &fs::read(&library)?, 0o755)?;
    }
    append(&mut layer, Path::new("usr/bin/restic"), &fs::read(tools.program("restic"))?, 0o755)?;
    let script = source("volsync", "github.com/backube/volsync")?.join("mover-restic/entry.sh");
    append(&mut layer, Path::new("mover-restic/entry.sh"), &fs::read(script)?, 0o755)?;
    append(&mut layer, Path::new("etc/passwd"), b"root:x:0:0:root:/tmp:/bin/bash\n", 0o644)?;
    append(&mut layer, Path::new("etc/group"), b"root:x:0:\n", 0o644)?;
    Ok(layer.into_inner()?)
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

fn append(archive: &mut Builder<impl Write>, name: &Path, contents: &[u8], mode: u32) -> anyhow::Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(contents.len() as u64);
    header.set_mode(mode);
    Ok(archive.append_data(&mut header, name, contents)?)
}

/// A layout that is being written.
struct Layout(Builder<fs::File>);

impl Layout {
    fn file(&mut self, name: &str, contents: &[u8]) -> anyhow::Result<()> {
        append(&mut self.0, Path::new(name), contents, 0o644)
    }

    /// Adds a blob, and returns its descriptor.
    fn blob(&mut self, media_type: &str, contents: &[u8]) -> anyhow::Result<Value> {
        let digest: String = Sha256::digest(contents).iter().map(|byte| format!("{byte:02x}")).collect();
        self.file(&format!("blobs/sha256/{digest}"), contents)?;
        Ok(json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": contents.len()}))
    }
}
