//! Documents out of files: YAML or JSON, one after another, each handed on before the next is read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

/// A document and where it came from, as in `claims.yaml:12`.
pub(crate) struct Document {
    pub(crate) value: Value,
    pub(crate) place: String,
}

/// Reads the one document of a file: settings, credentials. No error quotes what the file holds.
pub(crate) fn read_one(path: &Path) -> anyhow::Result<Value> {
    let mut only = None;
    for document in read(path)? {
        let document = document?;
        if only.replace(document.value).is_some() {
            bail!("{}: a second document; this file takes one", document.place);
        }
    }
    only.with_context(|| format!("{}: no document in it", path.display()))
}

/// The documents of a file, a folder or (`-`) of standard input.
pub(crate) fn read(path: &Path) -> anyhow::Result<Box<dyn Iterator<Item = anyhow::Result<Document>>>> {
    if path == Path::new("-") {
        return Ok(Box::new(documents("standard input".to_owned(), Box::new(BufReader::new(io::stdin())))?));
    }
    if path.is_dir() {
        let files = files_in(path)?;
        return Ok(Box::new(files.into_iter().flat_map(|file| match read(&file) {
            Ok(documents) => documents,
            Err(error) => Box::new(std::iter::once(Err(error))),
        })));
    }
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| name.clone())?;
    Ok(Box::new(documents(name, Box::new(BufReader::new(file)))?))
}

/// The documents' files in a folder, by name; folders in it are left alone, as `kubectl -f` does.
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

type Input = Box<dyn BufRead>;

fn documents(name: String, mut input: Input) -> anyhow::Result<Box<dyn Iterator<Item = anyhow::Result<Document>>>> {
    let blank = skip_blank(&mut input).with_context(|| name.clone())?;
    let is_json = matches!(input.fill_buf().with_context(|| name.clone())?.first(), Some(b'{' | b'['));
    if is_json {
        let stream = serde_json::Deserializer::from_reader(input).into_iter::<Value>().enumerate();
        return Ok(Box::new(stream.map(move |(index, value)| {
            let place = format!("{name}, document {}", index + 1);
            match value {
                Ok(value) => Ok(Document { value, place }),
                Err(error) if error.is_io() => Err(io::Error::from(error)).context(place),
                Err(error) => bail!("{name}:{}:{}: this is not JSON", error.line() + blank, error.column()),
            }
        })));
    }
    Ok(Box::new(Yaml { name, input, line: blank, ended: false }))
}

/// Consumes blank lines at the start; gives their number.
fn skip_blank(input: &mut Input) -> io::Result<usize> {
    let mut lines = 0;
    loop {
        let buffer = input.fill_buf()?;
        let Some(byte) = buffer.first().copied().filter(u8::is_ascii_whitespace) else { return Ok(lines) };
        lines += usize::from(byte == b'\n');
        input.consume(1);
    }
}

/// YAML documents, cut at the lines `---` and `...`: at the start of a line they end a document wherever they stand.
struct Yaml {
    name: String,
    input: Input,
    /// How many lines have been read.
    line: usize,
    ended: bool,
}

impl Iterator for Yaml {
    type Item = anyhow::Result<Document>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            let first = self.line;
            let text = match self.chunk() {
                Ok(text) => text,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error).with_context(|| self.name.clone()));
                }
            };
            match serde_saphyr::from_str::<Value>(&text) {
                Ok(Value::Null) => {}
                Ok(value) => {
                    let place = format!("{}:{}", self.name, first + 1 + leading(&text));
                    return Some(Ok(Document { value, place }));
                }
                Err(error) => {
                    // The library's message shows the lines around the fault, and they may hold credentials.
                    let line = error.location().map_or(0, |location| location.line() as usize);
                    let place = format!("{}:{}", self.name, first + line.max(1));
                    return Some(Err(anyhow::anyhow!("{place}: this is not YAML that has one meaning")));
                }
            }
        }
        None
    }
}

impl Yaml {
    /// The text up to the next document marker.
    fn chunk(&mut self) -> io::Result<String> {
        let mut text = String::new();
        loop {
            let from = text.len();
            if self.input.read_line(&mut text)? == 0 {
                self.ended = true;
                return Ok(text);
            }
            self.line += 1;
            let line = text.get(from..).unwrap_or_default().trim_end();
            if line == "---" || line == "..." || line.starts_with("--- ") {
                // What follows the marker on its line belongs to the next document.
                let rest = line.strip_prefix("--- ").map(str::to_owned);
                text.truncate(from);
                if let Some(rest) = rest.filter(|rest| !rest.trim_start().starts_with('#')) {
                    let input = std::mem::replace(&mut self.input, Box::new(io::empty()));
                    self.input = Box::new(io::Cursor::new(format!("{rest}\n")).chain(input));
                    self.line -= 1;
                }
                return Ok(text);
            }
        }
    }
}

/// Blank and comment lines before a document's first.
fn leading(text: &str) -> usize {
    text.lines().take_while(|line| line.trim().is_empty() || line.trim_start().starts_with('#')).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &'static str) -> Vec<(String, String)> {
        let documents = documents("f".to_owned(), Box::new(text.as_bytes())).unwrap();
        documents
            .map(|document| match document {
                Ok(document) => (document.place, document.value.to_string()),
                Err(error) => ("error".to_owned(), format!("{error:#}")),
            })
            .collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(place, value)| ((*place).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn yaml_documents_are_told_apart_and_placed() {
        assert_eq!(
            of("a: 1\n---\n# why\nb: |\n  x\n  --- y\n...\n---\n# nothing\n---\n--- {c: 2}\n"),
            pairs(&[("f:1", r#"{"a":1}"#), ("f:4", r#"{"b":"x\n--- y\n"}"#), ("f:11", r#"{"c":2}"#)])
        );
    }

    #[test]
    fn json_documents_follow_one_another() {
        assert_eq!(
            of("\n {\"a\":1}{\"b\":2}\n"),
            pairs(&[("f, document 1", r#"{"a":1}"#), ("f, document 2", r#"{"b":2}"#)])
        );
    }

    #[test]
    fn an_error_names_the_line_and_quotes_nothing() {
        assert_eq!(
            of("a: 1\n---\nb: \"hunter2\nc: 1\n"),
            pairs(&[("f:1", r#"{"a":1}"#), ("error", "f:3: this is not YAML that has one meaning")])
        );
        assert_eq!(of("{\"a\": hunter2}"), pairs(&[("error", "f:1:7: this is not JSON")]));
        assert_eq!(of("a: 1\na: 2\n"), pairs(&[("error", "f:2: this is not YAML that has one meaning")]));
    }
}
