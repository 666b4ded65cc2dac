//! A document as a tree with positions, built within a budget: the strict second look.
//!
//! It is also what is left of a document that breaks off: everything before the error.

use std::{collections::HashMap, ops::Range};

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};

use crate::manifest::Code;

/// How deep a document may nest. Ours need five levels, `managedFields` a few more.
const DEPTH: usize = 48;
/// How many nodes a document may have, those that aliases repeat included.
const NODES: usize = 50_000;

/// A value in a document.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) data: Data,
    /// Bytes of the document's text.
    pub(super) at: Range<usize>,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(super) enum Data {
    /// A scalar, and whether it is plain: neither quoted nor tagged `!!str`.
    Scalar { text: String, plain: bool },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in order, repeated keys included.
    Map {
        entries: Vec<(Node, Node)>,
        /// Whether the text broke off inside.
        open: bool,
    },
}

/// Something wrong with the text itself.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) code: Code,
    pub(super) at: Range<usize>,
    pub(super) message: String,
    pub(super) hint: Option<&'static str>,
}

/// A document read as far as it goes.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) root: Option<Node>,
    pub(super) faults: Vec<Fault>,
}

enum Frame {
    List { items: Vec<Node>, start: usize, anchor: usize },
    Map { entries: Vec<(Node, Node)>, key: Option<Node>, start: usize, anchor: usize },
}

impl Node {
    /// The one value of a key; nothing where it is missing or there are several.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        let Data::Map { entries, open: _ } = &self.data else { return None };
        let mut found = entries.iter().filter(|(key, _)| key.text() == Some(name));
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// Whether a key is there at all, once or more often.
    pub(super) fn has(&self, name: &str) -> bool {
        matches!(&self.data, Data::Map { entries, open: _ } if entries.iter().any(|(key, _)| key.text() == Some(name)))
    }

    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar { text, plain: _ } => Some(text),
            Data::List(_) | Data::Map { .. } => None,
        }
    }

    /// Whether it is a mapping in which the text broke off.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.data, Data::Map { open: true, .. })
    }

    fn size(&self) -> usize {
        1 + match &self.data {
            Data::Scalar { text, plain: _ } => text.len() / 64,
            Data::List(items) => items.iter().map(Self::size).sum(),
            Data::Map { entries, open: _ } => entries.iter().map(|(key, value)| key.size() + value.size()).sum(),
        }
    }
}

/// Reads one document. Bounded: it stops at the first syntax error, at a depth and at a number of nodes.
pub(super) fn parse(text: &str) -> Tree {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => {
                if !builder.take(&event, &span) {
                    break;
                }
            }
            Err(error) => {
                let at = offset(text, error.marker());
                builder.fault(Code::Syntax, at..at, error.info(), None);
                break;
            }
        }
    }
    builder.finish(text.len())
}

fn offset(text: &str, marker: &Marker) -> usize {
    let at = marker.byte_offset().unwrap_or_else(|| text.char_indices().nth(marker.index()).map_or(text.len(), |it| it.0));
    at.min(text.len())
}

#[derive(Default)]
struct Builder {
    stack: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    documents: usize,
    tree: Tree,
}

impl Builder {
    fn fault(&mut self, code: Code, at: Range<usize>, message: impl Into<String>, hint: Option<&'static str>) {
        self.tree.faults.push(Fault { code, at, message: message.into(), hint });
    }

    /// Takes an event; says whether to go on.
    fn take(&mut self, event: &Event<'_>, span: &Span) -> bool {
        let at = span.byte_range().unwrap_or(0..0);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.fault(
                        Code::Syntax,
                        at,
                        "a second document begins here",
                        Some("put `---` on a line of its own, at its beginning"),
                    );
                    return false;
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let string = self.tag(tag.as_deref(), span, &at);
                let plain = *style == ScalarStyle::Plain && !string;
                let size = 1 + text.len() / 64;
                return self.value(Node { data: Data::Scalar { text: text.to_string(), plain }, at }, *anchor, size);
            }
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(id).cloned() else {
                    self.fault(Code::Syntax, at, "an alias inside its own anchor", None);
                    return false;
                };
                let size = node.size();
                return self.value(Node { at, ..node }, 0, size);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), span, &at);
                self.stack.push(Frame::List { items: Vec::new(), start: at.start, anchor: *anchor });
                return self.deep(at);
            }
            Event::MappingStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), span, &at);
                self.stack.push(Frame::Map { entries: Vec::new(), key: None, start: at.start, anchor: *anchor });
                return self.deep(at);
            }
            Event::SequenceEnd | Event::MappingEnd => return self.close(at.end, false),
            _ => {}
        }
        true
    }

    /// Checks a tag; says whether it is `!!str`.
    fn tag(&mut self, tag: Option<&Tag>, span: &Span, at: &Range<usize>) -> bool {
        let Some(tag) = tag else { return false };
        if tag.core_suffix() == Some("str") {
            return true;
        }
        let start = span.tag_start.and_then(|marker| marker.byte_offset()).unwrap_or(at.start);
        self.fault(
            Code::Tag,
            start..at.end.max(start),
            "an explicit tag other than `!!str` is not allowed",
            Some("remove the tag"),
        );
        false
    }

    fn deep(&mut self, at: Range<usize>) -> bool {
        if self.stack.len() <= DEPTH {
            return true;
        }
        self.fault(Code::TooMuch, at, format!("nested deeper than {DEPTH} levels"), None);
        false
    }

    fn value(&mut self, node: Node, anchor: usize, size: usize) -> bool {
        self.nodes += size;
        if self.nodes > NODES {
            self.fault(
                Code::TooMuch,
                node.at,
                format!("more than {NODES} values in one document, those that aliases repeat included"),
                None,
            );
            return false;
        }
        if anchor != 0 {
            self.nodes += node.size();
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut() {
            None => self.tree.root = Some(node),
            Some(Frame::List { items, start: _, anchor: _ }) => items.push(node),
            Some(Frame::Map { entries, key, start: _, anchor: _ }) => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
        true
    }

    /// Closes the innermost list or mapping, which broke off where `open`.
    fn close(&mut self, end: usize, open: bool) -> bool {
        let (data, start, anchor) = match self.stack.pop() {
            None => return false,
            Some(Frame::List { items, start, anchor }) => (Data::List(items), start, anchor),
            Some(Frame::Map { entries, key: _, start, anchor }) => (Data::Map { entries, open }, start, anchor),
        };
        self.value(Node { data, at: start..end.max(start) }, anchor, 1)
    }

    fn finish(mut self, end: usize) -> Tree {
        self.nodes = 0;
        while !self.stack.is_empty() && self.close(end, true) {}
        self.tree
    }
}

/// What a plain scalar is, to YAML 1.2 (the typed parser here) and to YAML 1.1 (Kubernetes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::manifest) enum Plain {
    /// Text to both.
    Text,
    /// Nothing.
    Null,
    /// Yes or no to both.
    Flag(bool),
    /// A number to both, and the same one.
    Number,
    /// To one of them something else than to the other.
    Ambiguous,
}

/// Tells what a plain scalar is.
pub(in crate::manifest) fn resolve(text: &str) -> Plain {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Null,
        "true" | "True" | "TRUE" => return Plain::Flag(true),
        "false" | "False" | "FALSE" => return Plain::Flag(false),
        "y" | "Y" | "yes" | "Yes" | "YES" | "n" | "N" | "no" | "No" | "NO" | "on" | "On" | "ON" | "off" | "Off" | "OFF" => {
            return Plain::Ambiguous;
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF" => {
            return Plain::Number;
        }
        _ => {}
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Plain::Text;
    }
    let bare = digits.replace('_', "");
    if !numeric(&bare) {
        return Plain::Text;
    }
    let decimal = digits == "0" || !digits.starts_with('0') || digits.starts_with("0.");
    if bare == digits && decimal { Plain::Number } else { Plain::Ambiguous }
}

/// Whether text without sign and underscores is a number to either of them: an integer of any base, or a float.
fn numeric(text: &str) -> bool {
    let radix = |prefixes: [&str; 2], radix: u32| {
        prefixes
            .iter()
            .find_map(|it| text.strip_prefix(it))
            .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix)))
    };
    if radix(["0x", "0X"], 16) || radix(["0o", "0O"], 8) || radix(["0b", "0B"], 2) {
        return true;
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let digits = |it: &str| it.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|it| !it.is_empty() && digits(it))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    #[test]
    fn plain_scalars_as_both_versions_read_them() {
        for (plain, texts) in [
            (Plain::Text, &["a", "12:30:45", "2026-01-01", "=", "_1", "1.2.3", "1e", "+", ".", "0x", "e3", "nope", "4-5"][..]),
            (Plain::Null, &["~", "null", "NULL", ""]),
            (Plain::Flag(true), &["true", "TRUE"]),
            (Plain::Number, &["0", "12", "-5", "+4420", "1.10", "1e3", ".5", "5.", "0.5", ".inf"]),
            (
                Plain::Ambiguous,
                &["no", "y", "ON", "01234", "017", "0o17", "0x1f", "0b11", "1_000", "1_000.5", "089", "-0x1_f", "00"],
            ),
        ] {
            for text in texts {
                assert_eq!(resolve(text), plain, "{text}");
            }
        }
    }

    #[test]
    fn a_tree_ends_at_the_error_and_keeps_what_came_before() {
        let tree = parse("a: 1\nm: { x: y, z\nb: \"");
        assert_eq!(tree.faults.len(), 1);
        let root = tree.root.unwrap();
        assert!(root.is_open());
        assert_eq!(root.get("a").and_then(Node::text), Some("1"));
        assert!(parse("a: b\na: c").root.unwrap().get("a").is_none());
    }

    #[test]
    fn bombs_and_towers_are_bounded() {
        let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
        for (to, from) in ('b'..='k').zip('a'..) {
            let _ = writeln!(bomb, "{to}: &{to} [*{from}, *{from}, *{from}, *{from}, *{from}, *{from}, *{from}, *{from}, *{from}]");
        }
        assert_eq!(parse(&bomb).faults[0].code, Code::TooMuch);
        for tower in ["[".repeat(100_000), "- ".repeat(100_000), "{a: ".repeat(100_000)] {
            assert!(matches!(parse(&tower).faults[0].code, Code::TooMuch | Code::Syntax));
        }
        assert_eq!(parse("a: !foo b").faults[0].code, Code::Tag);
        assert!(parse("a: !!str 5").faults.is_empty());
    }
}
