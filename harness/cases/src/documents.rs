//! Reads the YAML and JSON documents of an input one after another. Each is returned before the next is read.

use std::io::{self, BufRead};

use anyhow::Context;
use serde_json::Value;

/// A document and its place in the input.
#[derive(Clone)]
pub struct Document {
    /// The content of the document.
    pub value: Value,
    /// The place, as in `claims.yaml:12`.
    pub place: String,
}

/// The documents of one input. A document in braces or brackets, JSON or not, ends where they are closed. Any other
/// ends at a line `---` or `...`, and a line that begins with one of them always ends a document. No error quotes the
/// input.
pub struct Documents {
    name: String,
    input: Box<dyn BufRead>,
    /// The current line, the number of lines before it, and how much of it has been consumed.
    line: String,
    number: usize,
    taken: usize,
}

impl Iterator for Documents {
    type Item = anyhow::Result<Document>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.read_document() {
                Ok(Some(Ok(document))) if document.value.is_null() => {}
                Ok(document) => return document,
                Err(error) => {
                    // After an error the input cannot be read further, so this is its end.
                    self.input = Box::new(io::empty());
                    return Some(Err(error).with_context(|| self.name.clone()));
                }
            }
        }
    }
}

impl Documents {
    /// The documents of an input that is called `name` in errors.
    pub fn new(name: String, input: Box<dyn BufRead>) -> Self {
        Documents { name, input, line: String::new(), number: 0, taken: 0 }
    }

    fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.name)
    }

    fn parse(&self, text: &str, first: usize) -> anyhow::Result<Document> {
        if let Ok(value) = serde_json::from_str(text) {
            return Ok(Document { value, place: self.place(first) });
        }
        serde_saphyr::from_str(text).map(|value| Document { value, place: self.place(first) }).map_err(|error| {
            // The library's message shows the lines around the error, and they may contain credentials.
            let line = error.location().map_or(1, |location| (location.line() as usize).max(1));
            let place = self.place(first + line - 1);
            anyhow::anyhow!("{place}: this is neither JSON nor YAML that has one meaning")
        })
    }

    /// Reads the next document, or returns what is wrong with it. The outer error is that of the input.
    fn read_document(&mut self) -> io::Result<Option<anyhow::Result<Document>>> {
        while let Some(rest) = self.rest()? {
            let content = rest.trim_start_matches('\u{feff}').trim();
            let is_blank = content.is_empty() || content.starts_with(['#', '%']);
            let is_flow = content.starts_with(['{', '[']);
            if is_blank {
                self.take_line();
            } else if let Some(marker) = self.marker() {
                self.taken += marker;
            } else if is_flow && let Some(value) = self.read_json() {
                return Ok(Some(Ok(Document { value, place: self.place(self.number) })));
            } else {
                let first = self.number;
                let text = if is_flow { self.read_flow()? } else { self.read_block()? };
                return Ok(Some(self.parse(&text, first)));
            }
        }
        Ok(None)
    }

    /// Reads a JSON document that is on a single line, as programs write them.
    fn read_json(&mut self) -> Option<Value> {
        let rest = self.line.get(self.taken..)?;
        let text = rest.trim_start_matches('\u{feff}');
        let mut documents = serde_json::Deserializer::from_str(text).into_iter();
        let value = documents.next()?.ok()?;
        self.taken += rest.len() - text.len() + documents.byte_offset();
        Some(value)
    }

    /// Reads until every brace and bracket that was opened is closed.
    fn read_flow(&mut self) -> io::Result<String> {
        let mut text = String::new();
        let mut flow = Flow::default();
        while let Some(rest) = self.rest()? {
            if let Some(end) = rest.char_indices().find_map(|(at, c)| flow.closes(c).then_some(at + c.len_utf8())) {
                text.push_str(rest.get(..end).unwrap_or_default());
                self.taken += end;
                return Ok(text);
            }
            text.push_str(&self.take_line());
            if self.rest()?.is_some() && self.marker().is_some() {
                break;
            }
        }
        Ok(text)
    }

    /// Reads the lines up to the next marker.
    fn read_block(&mut self) -> io::Result<String> {
        let mut text = self.take_line();
        while self.rest()?.is_some() && self.marker().is_none() {
            text.push_str(&self.take_line());
        }
        Ok(text)
    }

    /// The rest of the current line, or the next line. None at the end.
    fn rest(&mut self) -> io::Result<Option<&str>> {
        if self.taken >= self.line.len() {
            self.line.clear();
            self.taken = 0;
            if self.input.read_line(&mut self.line)? == 0 {
                return Ok(None);
            }
            self.number += 1;
        }
        Ok(self.line.get(self.taken..))
    }

    fn take_line(&mut self) -> String {
        let rest = self.line.get(self.taken..).unwrap_or_default().to_owned();
        self.taken = self.line.len();
        rest
    }

    /// The length of the marker at the start of the line, with the blanks after it.
    fn marker(&self) -> Option<usize> {
        let after = self.line.strip_prefix("---").or_else(|| self.line.strip_prefix("..."))?;
        let is_marker = self.taken == 0 && (after.is_empty() || after.starts_with(char::is_whitespace));
        is_marker.then(|| self.line.len() - after.trim_start_matches([' ', '\t']).len())
    }
}

/// Finds where the outermost brace or bracket is closed. It skips quoted text, if the quote begins a value, and
/// comments. JSON has neither single quotes nor comments.
struct Flow {
    depth: usize,
    quote: Option<char>,
    escaped: bool,
    in_comment: bool,
    /// The last character that is not blank, and the last character.
    before: char,
    previous: char,
}

impl Default for Flow {
    fn default() -> Self {
        Flow { depth: 0, quote: None, escaped: false, in_comment: false, before: '{', previous: ' ' }
    }
}

impl Flow {
    fn closes(&mut self, character: char) -> bool {
        let previous = std::mem::replace(&mut self.previous, character);
        if self.in_comment {
            self.in_comment = character != '\n';
            return false;
        }
        if let Some(quote) = self.quote {
            let escaped = std::mem::take(&mut self.escaped);
            self.escaped = !escaped && character == '\\' && quote == '"';
            if !escaped && character == quote {
                self.quote = None;
                self.before = quote;
            }
            return false;
        }
        let opens_value = "{[,:".contains(self.before);
        match character {
            '"' | '\'' if opens_value => self.quote = Some(character),
            '#' if previous.is_whitespace() => self.in_comment = true,
            '{' | '[' => self.depth += 1,
            '}' | ']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        if !character.is_whitespace() && !self.in_comment {
            self.before = character;
        }
        matches!(character, '}' | ']') && self.depth == 0
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
    fn yaml_documents_are_separated_and_have_places() {
        let text = "a: 1\n---\n# why\nb: |\n  x\n  --- y\n...\n---\n# nothing\n---\n--- {c: 2}\n--- # d\nd: ----\n";
        assert_eq!(
            of(text),
            [r#"f:1 {"a":1}"#, r#"f:4 {"b":"x\n--- y\n"}"#, r#"f:11 {"c":2}"#, r#"f:13 {"d":"----"}"#]
        );
    }

    #[test]
    fn documents_in_braces_are_separated_with_or_without_markers() {
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
    fn braces_in_quotes_and_comments_are_skipped() {
        let text = "{a: '}', b: 'it''s', c: 5\" disk, # 5\" }\n d: don't}\n---\n%YAML 1.2\n---\n{e: \"}\"}\n";
        assert_eq!(of(text), [r#"f:1 {"a":"}","b":"it's","c":"5\" disk","d":"don't"}"#, r#"f:6 {"e":"}"}"#]);
    }

    #[test]
    fn a_brace_that_is_never_closed_affects_only_its_own_document() {
        let text = "{a: 1\n---\nb: 2\n";
        assert_eq!(of(text), ["f:1: this is neither JSON nor YAML that has one meaning", r#"f:3 {"b":2}"#]);
    }

    #[test]
    fn an_error_names_the_line_and_quotes_nothing_and_later_documents_are_read() {
        let wrong = |line: usize| format!("f:{line}: this is neither JSON nor YAML that has one meaning");
        assert_eq!(of("a: 1\n---\nb: 1\nc: \"hunter2\n---\nd: 1\n"), ["f:1 {\"a\":1}", &wrong(4), "f:6 {\"d\":1}"]);
        assert_eq!(of("{\"a\": hunter2"), [wrong(1)]);
        assert_eq!(of("a: 1\na: hunter2\n"), [wrong(2)]);
    }
}
