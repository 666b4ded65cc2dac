//! A file as pieces, one for each document.

use std::ops::Range;

use granit_parser::{Event, Parser};

use crate::manifest::Code;

use super::{scan, tree::Fault};

/// How many documents a file may have.
const PIECES: usize = 1_000_000;

/// One document in the text of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Its first line, from 1.
    pub(super) line: u32,
    /// Columns before its first line that belong to the list it is an item of.
    pub(super) indent: u16,
}

impl Piece {
    /// The text of the document, shifted so that its first line stands where it stood.
    pub(super) fn text<'a>(&self, file: &'a str) -> std::borrow::Cow<'a, str> {
        let text = &file[self.start..self.end];
        if self.indent == 0 { text.into() } else { format!("{}{text}", " ".repeat(self.indent.into())).into() }
    }

    /// Where a byte of that text is in the file.
    pub(super) fn offset(&self, at: usize) -> usize {
        (self.start + at.saturating_sub(self.indent.into())).min(self.end)
    }
}

/// The documents of a file, and what is wrong with its outline: faults have their place in the file.
pub(super) fn split(text: &str, json: bool) -> (Vec<Piece>, Vec<Fault>) {
    let mut faults = Vec::new();
    let pieces = if json { whole(text) } else { documents(text, &mut faults) };
    let mut out = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let body = &text[piece.start..piece.end];
        match scan::guess(body, json) {
            Some(kind) if kind.ends_with("List") => items(body, piece, json, &mut out, &mut faults),
            _ => out.push(piece),
        }
    }
    (out, faults)
}

fn whole(text: &str) -> Vec<Piece> {
    if text.trim().is_empty() { Vec::new() } else { vec![Piece { start: 0, end: text.len(), line: 1, indent: 0 }] }
}

/// Cuts at lines that are `---` or `...` at column 0, followed by white space or nothing: YAML forbids them inside any
/// scalar (YAML 1.2.2 §9.1.2), so a document that is broken never takes its neighbours with it. Agrees with the parsers
/// on comments, directives, CRLF and empty documents.
fn documents(text: &str, faults: &mut Vec<Fault>) -> Vec<Piece> {
    let (mut out, mut at, mut start, mut first) = (Vec::new(), 0, 0, 1);
    let (mut opened, mut content) = (false, false);
    let filled = |it: &str| !it.trim().is_empty() && !it.trim_start().starts_with('#');
    for (line, number) in text.split_inclusive('\n').zip(1_u32..) {
        if out.len() >= PIECES {
            let message = format!("more than {PIECES} documents in one file; the rest is not read");
            faults.push(Fault { code: Code::TooMuch, at: at..at, message, hint: None });
            return out;
        }
        let marker = matches!(line.as_bytes().first(), Some(b'-' | b'.' | b'%'));
        let after = |mark| line.strip_prefix(mark).filter(|it| it.is_empty() || it.starts_with([' ', '\t', '\r', '\n']));
        if let Some(rest) = after("---").filter(|_| marker) {
            if content {
                out.push(Piece { start, end: at, line: first, indent: 0 });
            }
            (start, first, opened, content) = (at, number, true, filled(rest));
        } else if marker && after("...").is_some() {
            if content {
                out.push(Piece { start, end: at, line: first, indent: 0 });
            }
            (start, first, opened, content) = (at + line.len(), number + 1, false, false);
        } else if !content {
            // `%YAML` belongs to the next `---`.
            content = filled(line) && (opened || !line.starts_with('%'));
        }
        at += line.len();
    }
    if content {
        out.push(Piece { start, end: at, line: first, indent: 0 });
    }
    out
}

/// The items of a `kind: List`, each a document of its own.
fn items(text: &str, list: Piece, json: bool, out: &mut Vec<Piece>, faults: &mut Vec<Fault>) {
    if json {
        let Some(ranges) = json_items(text) else { return out.push(list) };
        let (mut line, mut seen) = (list.line, 0);
        for range in ranges {
            line += u32::try_from(text[seen..range.start].bytes().filter(|b| *b == b'\n').count()).unwrap_or(0);
            seen = range.start;
            out.push(Piece { start: list.start + range.start, end: list.start + range.end, line, indent: 0 });
        }
        return;
    }
    let (mut depth, mut inside, mut key, mut found) = (0_usize, false, true, false);
    let mut begun = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(it) => it,
            Err(error) => {
                let at = list.start + error.marker().byte_offset().unwrap_or(0).min(text.len());
                faults.push(Fault { code: Code::Syntax, at: at..at, message: error.info(), hint: None });
                return;
            }
        };
        let at = span.byte_range().unwrap_or(0..0);
        if depth > 64 {
            let at = list.start + at.start;
            faults.push(Fault { code: Code::TooMuch, at: at..at, message: "nested too deeply".into(), hint: None });
            return;
        }
        let mut finished = false;
        match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                if depth == 1 && !key && found && matches!(event, Event::SequenceStart(..)) {
                    inside = true;
                } else if depth == 2 && inside {
                    begun = Some((at.start, span.start.line(), span.start.col()));
                }
                depth += 1;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                depth = depth.saturating_sub(1);
                finished = depth == 2 && inside;
                if depth == 1 {
                    (inside, key) = (false, true);
                }
            }
            Event::Scalar(ref text, ..) if depth == 1 => {
                found = if key { text == "items" } else { found };
                key = !key;
            }
            Event::Alias(_) if depth == 1 => key = !key,
            Event::Scalar(..) | Event::Alias(_) if depth == 2 && inside => {
                begun = Some((at.start, span.start.line(), span.start.col()));
                finished = true;
            }
            _ => {}
        }
        if finished && let Some((start, line, column)) = begun.take() {
            let line = list.line + u32::try_from(line.saturating_sub(1)).unwrap_or(0);
            let indent = u16::try_from(column).unwrap_or(u16::MAX);
            out.push(Piece { start: list.start + start, end: list.start + at.end.max(start), line, indent });
        }
    }
}

/// The items of a JSON list, which is valid JSON.
fn json_items(text: &str) -> Option<Vec<Range<usize>>> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    let bytes = text.as_bytes();
    let (mut depth, mut at, mut out) = (0_usize, 0, Vec::new());
    let (mut key, mut inside, mut begun) = ("", false, None);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = at + 1 + string_end(&bytes[at + 1..]);
                if depth == 1 && bytes[end + 1..].iter().find(|b| !b.is_ascii_whitespace()) == Some(&b':') {
                    key = &text[at + 1..end];
                }
                at = end;
            }
            b'{' | b'[' => {
                if depth == 1 && bytes[at] == b'[' && key == "items" {
                    inside = true;
                } else if depth == 2 && inside {
                    begun = Some(at);
                }
                depth += 1;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 2 && inside {
                    out.extend(begun.take().map(|start| start..at + 1));
                }
                inside &= depth > 1;
            }
            _ => {}
        }
        at += 1;
    }
    Some(out)
}

fn string_end(bytes: &[u8]) -> usize {
    let mut at = 0;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, json: bool) -> Vec<(u32, String)> {
        split(text, json).0.into_iter().map(|piece| (piece.line, piece.text(text).trim().to_owned())).collect()
    }

    #[test]
    fn documents_begin_at_marks() {
        let text = "# head\na: 1\n---\n# nothing\n---\nb: 2\n--- # c\nc: 3\n...\n%YAML 1.2\n---\nd: |\n  ---\n---e: f\n";
        let cut = cut(text, false);
        assert_eq!(cut.iter().map(|it| it.0).collect::<Vec<_>>(), [1, 5, 7, 11]);
        assert!(cut[3].1.ends_with("---e: f"));
        assert!(split("", false).0.is_empty());
        assert!(split("---\n---\r\n...\n# x\n", false).0.is_empty());
    }

    #[test]
    fn lists_are_unpacked() {
        let text =
            "---\napiVersion: v1\nitems:\n- a: 1\n  items: [ { x: 1 } ]\n- { b: 2 }\n-   c: 3\n    d:\n    - 4\nkind: List\n";
        let yaml = cut(text, false);
        assert_eq!(yaml.iter().map(|it| it.0).collect::<Vec<_>>(), [4, 6, 7]);
        assert_eq!(yaml[1].1, "{ b: 2 }");
        assert!(yaml[2].1.starts_with("c: 3\n    d:"), "{yaml:?}");
        let json = r#"{"kind":"List","metadata":{"items":[1]},"items":[{"a":"]\"}"},
            {"items":[{"b":1}]}]}"#;
        assert_eq!(cut(json, true).iter().map(|it| it.0).collect::<Vec<_>>(), [1, 2]);
    }
}
