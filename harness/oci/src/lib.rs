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

/// The media type of a list of manifests, one for each kind of machine.
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

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

    /// Writes an image with this root file system to `file`, for machines like this one; see [`write()`].
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(self, file: &Path, name: &str, config: &Value) -> io::Result<()> {
        let architecture = std::env::consts::ARCH.replace("x86_64", "amd64").replace("aarch64", "arm64");
        write(file, name, config, [(architecture.as_str(), self)])
    }
}

/// Writes an image to `file`, for one or several kinds of machines: each layer is the root file system for the
/// architecture before it, such as `amd64`. `name` is what the image is called once it is loaded; `config` says what is
/// run, as in the field `config` of an image configuration.
///
/// # Errors
///
/// The file cannot be written.
pub fn write<'a>(
    file: &Path,
    name: &str,
    config: &Value,
    layers: impl IntoIterator<Item = (&'a str, Layer)>,
) -> io::Result<()> {
    let mut layout = Layout(Builder::new(File::create(file)?));
    let mut images = Vec::new();
    for (architecture, layer) in layers {
        images.push(layout.image(architecture, layer, config)?);
    }
    let mut image = match <[Value; 1]>::try_from(images) {
        Ok([image]) => image,
        Err(images) => {
            let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": images});
            layout.blob(INDEX, &serde_json::to_vec(&index)?)?
        }
    };
    if let Some(image) = image.as_object_mut() {
        let names = json!({"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name});
        image.insert("annotations".to_owned(), names);
    }
    let index = json!({"schemaVersion": 2, "manifests": [image]});
    layout.file("index.json", &serde_json::to_vec(&index)?)?;
    layout.file("oci-layout", br#"{"imageLayoutVersion": "1.0.0"}"#)?;
    layout.0.finish()
}

/// A layout that is being written.
struct Layout(Builder<File>);

impl Layout {
    fn file(&mut self, name: &str, contents: &[u8]) -> io::Result<()> {
        append(&mut self.0, name, contents, 0o644)
    }

    /// Adds the image for machines of one architecture, and returns the descriptor of its manifest.
    fn image(&mut self, architecture: &str, layer: Layer, config: &Value) -> io::Result<Value> {
        let layer = self.blob("application/vnd.oci.image.layer.v1.tar", &layer.0.into_inner()?)?;
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [layer.get("digest")]},
        });
        let config = self.blob("application/vnd.oci.image.config.v1+json", &serde_json::to_vec(&config)?)?;
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        let mut manifest = self.blob(MANIFEST, &serde_json::to_vec(&manifest)?)?;
        if let Some(manifest) = manifest.as_object_mut() {
            manifest.insert("platform".to_owned(), json!({"architecture": architecture, "os": "linux"}));
        }
        Ok(manifest)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]

    use std::collections::BTreeMap;
    use std::io::Read;

    use super::*;

    /// The files of an image for these architectures, each with a program that is its name.
    fn files(architectures: &[&str]) -> BTreeMap<String, Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image.tar");
        let layers = architectures.iter().map(|architecture| {
            let mut layer = Layer::default();
            layer.file("program", architecture.as_bytes(), 0o755).unwrap();
            (*architecture, layer)
        });
        write(&image, "example.com/image:1", &json!({"Entrypoint": ["/program"]}), layers).unwrap();
        let mut archive = tar::Archive::new(File::open(image).unwrap());
        let read = |entry: io::Result<tar::Entry<'_, File>>| {
            let mut entry = entry.unwrap();
            let (name, mut contents) = (entry.path().unwrap().display().to_string(), Vec::new());
            entry.read_to_end(&mut contents).unwrap();
            (name, contents)
        };
        archive.entries().unwrap().map(read).collect()
    }

    /// The document that a descriptor names, which has the digest and the size that it says.
    fn blob<'a>(files: &'a BTreeMap<String, Vec<u8>>, descriptor: &Value) -> &'a [u8] {
        let digest = descriptor["digest"].as_str().unwrap();
        let contents = &files[&format!("blobs/{}", digest.replace(':', "/"))];
        let sum: String = Sha256::digest(contents).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((digest, &descriptor["size"]), (format!("sha256:{sum}").as_str(), &json!(contents.len())));
        contents
    }

    #[test]
    fn an_image_for_several_machines_has_a_manifest_and_a_program_for_each() {
        let files = files(&["amd64", "arm64"]);
        let document = |descriptor: &Value| serde_json::from_slice::<Value>(blob(&files, descriptor)).unwrap();
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        assert_eq!(index["manifests"][0]["annotations"]["io.containerd.image.name"], "example.com/image:1");
        let list = document(&index["manifests"][0]);
        assert_eq!(list["mediaType"], INDEX);
        let manifests = list["manifests"].as_array().unwrap();
        assert_eq!(manifests.len(), 2);
        for (descriptor, architecture) in manifests.iter().zip(["amd64", "arm64"]) {
            assert_eq!(descriptor["platform"], json!({"architecture": architecture, "os": "linux"}));
            let manifest = document(descriptor);
            let config = document(&manifest["config"]);
            assert_eq!(config["architecture"], architecture);
            assert_eq!(config["rootfs"]["diff_ids"], json!([manifest["layers"][0]["digest"]]));
            let layer = String::from_utf8_lossy(blob(&files, &manifest["layers"][0]));
            assert!(layer.contains(architecture));
        }
    }

    #[test]
    fn an_image_for_one_machine_needs_no_list() {
        let files = files(&["arm64"]);
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        assert_eq!(index["manifests"][0]["mediaType"], MANIFEST);
        blob(&files, &index["manifests"][0]);
    }
}
