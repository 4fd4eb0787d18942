//! Documents out of files: YAML or JSON, one after another, each handed on before the next is read.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
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
        return Ok(Box::new(Documents::new("standard input".to_owned(), Box::new(BufReader::new(io::stdin())))));
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
    Ok(Box::new(Documents::new(name, Box::new(BufReader::new(file)))))
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

/// Documents of one input. A document in braces or brackets, JSON or not, ends where they are closed; any other ends
/// at a line `---` or `...`, which at the start of a line ends a document wherever it stands.
struct Documents {
    name: String,
    input: Box<dyn BufRead>,
    /// How many lines have been read.
    line: usize,
    /// What of the last line has yet to be looked at.
    pending: String,
}

impl Iterator for Documents {
    type Item = anyhow::Result<Document>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.read_text() {
                Ok(Some((text, first))) => match self.parse(&text, first) {
                    Ok(document) if document.value.is_null() => {}
                    parsed => return Some(parsed),
                },
                Ok(None) => return None,
                Err(error) => {
                    // What cannot be read any more is at its end.
                    self.input = Box::new(io::empty());
                    return Some(Err(error).with_context(|| self.name.clone()));
                }
            }
        }
    }
}

impl Documents {
    fn new(name: String, input: Box<dyn BufRead>) -> Self {
        Documents { name, input, line: 0, pending: String::new() }
    }

    fn parse(&self, text: &str, first: usize) -> anyhow::Result<Document> {
        let place = format!("{}:{first}", self.name);
        if let Ok(value) = serde_json::from_str(text) {
            return Ok(Document { value, place });
        }
        serde_saphyr::from_str(text).map(|value| Document { value, place }).map_err(|error| {
            // The library's message shows the lines around the fault, and they may hold credentials.
            let line = error.location().map_or(1, |location| (location.line() as usize).max(1));
            anyhow::anyhow!("{}:{}: this is neither JSON nor YAML that has one meaning", self.name, first + line - 1)
        })
    }

    /// The text of the next document and its first line.
    fn read_text(&mut self) -> io::Result<Option<(String, usize)>> {
        while let Some(line) = self.read_line()? {
            let content = line.trim_start_matches('\u{feff}').trim();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            if let Some(rest) = after_marker(&line) {
                self.pending = rest.to_owned();
                continue;
            }
            let first = self.line;
            let text = if content.starts_with(['{', '[']) { self.read_flow(line)? } else { self.read_block(line)? };
            return Ok(Some((text, first)));
        }
        Ok(None)
    }

    /// Lines until the braces and brackets that `text` opens are closed.
    fn read_flow(&mut self, mut text: String) -> io::Result<String> {
        let mut braces = Braces::default();
        let mut from = 0;
        loop {
            let new = text.get(from..).unwrap_or_default();
            if let Some(end) =
                new.char_indices().find_map(|(at, c)| braces.closes(c).then_some(from + at + c.len_utf8()))
            {
                self.pending = text.split_off(end);
                return Ok(text);
            }
            from = text.len();
            match self.read_line()? {
                Some(line) => text.push_str(&line),
                None => return Ok(text),
            }
        }
    }

    /// Lines up to the next marker.
    fn read_block(&mut self, mut text: String) -> io::Result<String> {
        while let Some(line) = self.read_line()? {
            if let Some(rest) = after_marker(&line) {
                self.pending = rest.to_owned();
                break;
            }
            text.push_str(&line);
        }
        Ok(text)
    }

    fn read_line(&mut self) -> io::Result<Option<String>> {
        let mut line = std::mem::take(&mut self.pending);
        if line.is_empty() {
            self.line += usize::from(self.input.read_line(&mut line)? > 0);
        }
        Ok((!line.is_empty()).then_some(line))
    }
}

/// What follows the marker of a new document on its line, if the line begins with one.
fn after_marker(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("---").or_else(|| line.strip_prefix("..."))?;
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then(|| rest.trim_start_matches([' ', '\t']))
}

/// Finds where the outermost brace or bracket is closed, passing over double-quoted strings.
#[derive(Default)]
struct Braces {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Braces {
    fn closes(&mut self, character: char) -> bool {
        if self.in_string {
            let escaped = std::mem::take(&mut self.escaped);
            let ends = !escaped && character == '"';
            self.escaped = !escaped && character == '\\';
            self.in_string = !ends;
            return false;
        }
        match character {
            '"' => self.in_string = true,
            '{' | '[' => self.depth += 1,
            '}' | ']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &'static str) -> Vec<String> {
        Documents::new("f".to_owned(), Box::new(text.as_bytes()))
            .map(|document| match document {
                Ok(Document { value, place }) => format!("{place} {value}"),
                Err(error) => format!("{error:#}"),
            })
            .collect()
    }

    #[test]
    fn yaml_documents_are_told_apart_and_placed() {
        let text = "a: 1\n---\n# why\nb: |\n  x\n  --- y\n...\n---\n# nothing\n---\n--- {c: 2}\n--- # d\nd: ----\n";
        assert_eq!(
            of(text),
            [r#"f:1 {"a":1}"#, r#"f:4 {"b":"x\n--- y\n"}"#, r#"f:11 {"c":2}"#, r#"f:13 {"d":"----"}"#]
        );
    }

    #[test]
    fn documents_in_braces_follow_one_another_with_or_without_markers() {
        let text = "\u{feff}\n {\"a\":\"}\\\"{\"}{\"b\":\n[\"\\\\\"]} [3]\n---\n{\"c\":4}\n---\nd: 5\n---\n{e: 6}\n";
        assert_eq!(
            of(text),
            [
                r#"f:2 {"a":"}\"{"}"#,
                r#"f:2 {"b":["\\"]}"#,
                "f:3 [3]",
                r#"f:5 {"c":4}"#,
                r#"f:7 {"d":5}"#,
                r#"f:9 {"e":6}"#
            ]
        );
    }

    #[test]
    fn an_error_names_the_line_and_quotes_nothing_and_what_follows_is_read() {
        let wrong = |line: usize| format!("f:{line}: this is neither JSON nor YAML that has one meaning");
        assert_eq!(of("a: 1\n---\nb: 1\nc: \"hunter2\n---\nd: 1\n"), ["f:1 {\"a\":1}", &wrong(4), "f:6 {\"d\":1}"]);
        assert_eq!(of("{\"a\": hunter2"), [wrong(1)]);
        assert_eq!(of("a: 1\na: hunter2\n"), [wrong(2)]);
    }
}
