//! Writes container images without a builder: a layout of the Open Container Initiative, in one file, as `podman load`,
//! `docker load` and `ctr images import` read it. The same input gives the same bytes.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

/// The media type of a manifest.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The root file system of an image. Everything in it belongs to root.
pub struct Layer(Builder<Vec<u8>>);

impl Default for Layer {
    /// An empty file system.
    fn default() -> Self {
        Layer(Builder::new(Vec::new()))
    }
}

impl Layer {
    /// Adds a directory.
    ///
    /// # Errors
    ///
    /// The path is too long.
    pub fn folder(&mut self, path: impl AsRef<Path>, mode: u32) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Directory);
        header.set_size(0);
        header.set_mode(mode);
        self.0.append_data(&mut header, path, io::empty())
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    ///
    /// A path is too long.
    pub fn link(&mut self, path: impl AsRef<Path>, target: impl AsRef<Path>) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        self.0.append_link(&mut header, path, target)
    }

    /// Adds a file.
    ///
    /// # Errors
    ///
    /// The path is too long.
    pub fn file(&mut self, path: impl AsRef<Path>, contents: &[u8], mode: u32) -> io::Result<()> {
        append(&mut self.0, path, contents, mode)
    }

    /// Writes an image with this root file system to `file`, for machines like this one. `name` is what it is called
    /// once it is loaded; `config` says what is run, as in the field `config` of an image configuration.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(self, file: &Path, name: &str, config: &Value) -> io::Result<()> {
        let mut layout = Layout(Builder::new(File::create(file)?));
        let layer = layout.blob("application/vnd.oci.image.layer.v1.tar", &self.0.into_inner()?)?;
        let config = json!({
            "architecture": std::env::consts::ARCH.replace("x86_64", "amd64").replace("aarch64", "arm64"),
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [layer.get("digest")]},
        });
        let config = layout.blob("application/vnd.oci.image.config.v1+json", &serde_json::to_vec(&config)?)?;
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        let mut manifest = layout.blob(MANIFEST, &serde_json::to_vec(&manifest)?)?;
        if let Some(manifest) = manifest.as_object_mut() {
            let names = json!({"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name});
            manifest.insert("annotations".to_owned(), names);
        }
        let index = json!({"schemaVersion": 2, "manifests": [manifest]});
        layout.file("index.json", &serde_json::to_vec(&index)?)?;
        layout.file("oci-layout", br#"{"imageLayoutVersion": "1.0.0"}"#)?;
        layout.0.finish()
    }
}

/// A layout that is being written.
struct Layout(Builder<File>);

impl Layout {
    fn file(&mut self, name: &str, contents: &[u8]) -> io::Result<()> {
        append(&mut self.0, name, contents, 0o644)
    }

    /// Adds a blob, and returns its descriptor.
    fn blob(&mut self, media_type: &str, contents: &[u8]) -> io::Result<Value> {
        let digest: String = Sha256::digest(contents).iter().map(|byte| format!("{byte:02x}")).collect();
        self.file(&format!("blobs/sha256/{digest}"), contents)?;
        Ok(json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": contents.len()}))
    }
}

fn append(archive: &mut Builder<impl Write>, path: impl AsRef<Path>, contents: &[u8], mode: u32) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(contents.len() as u64);
    header.set_mode(mode);
    archive.append_data(&mut header, path, contents)
}
