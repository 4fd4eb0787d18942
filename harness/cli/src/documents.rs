//! Reads documents from files, directories and standard input.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

pub(crate) use volsync_policy_cases::Document;
use volsync_policy_cases::Documents;

/// Reads the only document of a file, such as settings or credentials. No error quotes the file.
pub(crate) fn read_one(path: &Path) -> anyhow::Result<Value> {
    let mut documents = read(path);
    let only = documents.next().with_context(|| format!("{}: no document in it", path.display()))??;
    match documents.next() {
        None => Ok(only.value),
        Some(second) => bail!("{}: a second document; this file takes one", second?.place),
    }
}

/// The documents of a file, a directory or (`-`) standard input. An input that cannot be opened becomes an error in its
/// place.
pub(crate) fn read(path: &Path) -> Box<dyn Iterator<Item = anyhow::Result<Document>>> {
    if path == Path::new("-") {
        return Box::new(Documents::new("standard input".to_owned(), Box::new(BufReader::new(io::stdin()))));
    }
    let name = path.display().to_string();
    if path.is_dir() {
        return match files_in(path) {
            Ok(files) => Box::new(files.into_iter().flat_map(|file| read(&file))),
            Err(error) => Box::new(std::iter::once(Err(error))),
        };
    }
    match File::open(path).with_context(|| name.clone()) {
        Ok(file) => Box::new(Documents::new(name, Box::new(BufReader::new(file)))),
        Err(error) => Box::new(std::iter::once(Err(error))),
    }
}

/// The files with documents in a directory, sorted by name. Subdirectories are ignored, as by `kubectl -f`.
fn files_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in folder.read_dir().with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let is_document =
            path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|e| extension == *e));
        if is_document && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
