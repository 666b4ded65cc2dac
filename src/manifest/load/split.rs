//! A file as pieces, one for each document.

use super::{list, scan, tree::Fault};
use crate::{manifest::Code, model::Kind};

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
    let pieces = if json { whole(text, &mut faults) } else { documents(text, &mut faults) };
    let mut out = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let body = &text[piece.start..piece.end];
        let kind = scan::guess(body, json);
        let known = Kind::ALL.into_iter().any(|it| Some(it.manifest()) == kind);
        if known || !list::possible(body) || !list::unpack(body, piece, json, kind, &mut out, &mut faults) {
            out.push(piece);
        }
    }
    (out, faults)
}

fn whole(text: &str, faults: &mut Vec<Fault>) -> Vec<Piece> {
    if text.trim().is_empty() {
        let message = "a file of JSON must hold a document, and this one is empty".to_owned();
        faults.push(Fault { code: Code::NotADocument, at: 0..0, message, hint: Some("remove the file, if it is not meant") });
        return Vec::new();
    }
    vec![Piece { start: 0, end: text.len(), line: 1, indent: 0 }]
}

/// Whether a text has something that some take for the end of a line, and others do not: what follows may be documents.
pub(super) fn stray_break(text: &str) -> bool {
    let bytes = text.as_bytes();
    let bad = |(at, b): (usize, &u8)| match b {
        0x0b | 0x0c => true,
        b'\r' => bytes.get(at + 1).is_some_and(|next| *next != b'\n'),
        0xc2 => bytes.get(at + 1) == Some(&0x85),
        0xe2 => matches!(bytes.get(at + 1..at + 3), Some([0x80, 0xa8 | 0xa9])),
        0xef => matches!(bytes.get(at + 1..at + 3), Some([0xbb, 0xbf])),
        _ => false,
    };
    bytes.iter().enumerate().any(bad)
}

/// Cuts at lines that are `---` or `...` at column 0, followed by white space or nothing: YAML forbids them inside any
/// scalar (YAML 1.2.2 §9.1.2), so a document that is broken never takes its neighbours with it. Agrees with the parsers
/// on comments, directives, CRLF and empty documents.
fn documents(text: &str, faults: &mut Vec<Fault>) -> Vec<Piece> {
    let (mut out, mut at, mut start, mut first) = (Vec::new(), 0, 0, 1);
    let (mut opened, mut content) = (false, false);
    let filled = |it: &str| !it.trim().is_empty() && (!it.trim_start().starts_with('#') || stray_break(it));
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
        } else if let Some(rest) = after("...").filter(|_| marker) {
            if content {
                out.push(Piece { start, end: at, line: first, indent: 0 });
            }
            (start, first, opened, content) =
                if filled(rest) { (at, number, true, true) } else { (at + line.len(), number + 1, false, false) };
        } else if !content {
            // `%YAML` belongs to the next `---`.
            content = filled(line) && (opened || !line.starts_with('%') || stray_break(line));
        }
        at += line.len();
    }
    if content {
        out.push(Piece { start, end: at, line: first, indent: 0 });
    }
    out
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
