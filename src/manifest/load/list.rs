//! The items of a `kind: List`, each a document of its own.
//!
//! Whatever says that it is a list is either unpacked, as a whole, or an error: an item that nobody reads would read as a
//! removal.

use std::{borrow::Cow, collections::HashMap};

use granit_parser::{Event, Parser, ScalarStyle, Span};

use super::{
    split::Piece,
    tree::{Fault, Plain, resolve},
};
use crate::manifest::{Code, GROUP};

const DEPTH: usize = 64;

/// How sure it is whose a document is, by its `apiVersion`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Of our group.
    Ours,
    /// Of none, or of a group that looks like ours misspelt.
    Maybe,
    /// Without a group, as Kubernetes' own `v1`, or no `group/version` at all.
    Groupless,
    /// Of another group.
    Others,
}

/// Tells whose a document is.
pub(super) fn whose(version: Option<&str>) -> Whose {
    let Some(version) = version else { return Whose::Maybe };
    let (group, rest) = version.split_once('/').map_or((version, None), |it| (it.0, Some(it.1)));
    if group == GROUP && rest.is_some() {
        return Whose::Ours;
    }
    let lower = group.chars().take(256).collect::<String>().to_lowercase();
    if lower.contains("tenantry") || strsim::osa_distance(&lower, GROUP) <= 3 {
        return Whose::Maybe;
    }
    let word = |it: &str| it.starts_with(|c: char| c.is_ascii_alphanumeric()) && it.bytes().all(|b| b.is_ascii_alphanumeric());
    let group = !group.is_empty() && group.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    if group && rest.is_some_and(word) { Whose::Others } else { Whose::Groupless }
}

/// Whether a document says that it is a list of documents, right or wrong.
pub(super) fn is_list(kind: &str, version: Option<&str>) -> bool {
    let lower = kind.trim().to_ascii_lowercase();
    lower == "list" || (lower.ends_with("list") && whose(version) != Whose::Others)
}

/// Whether it may be one, told by its bytes.
pub(super) fn possible(text: &str) -> bool {
    text.as_bytes().windows(4).any(|it| it.eq_ignore_ascii_case(b"list"))
}

/// What stands at the top of a document.
#[derive(Default)]
struct Outline {
    kinds: Vec<String>,
    versions: Vec<String>,
    /// Where `items` begin, and whether they are a sequence.
    items: Vec<(usize, bool)>,
    /// Where it says that it is a part, or is put together from elsewhere.
    partial: Option<usize>,
    merged: Option<usize>,
    pieces: Vec<Piece>,
    faults: Vec<Fault>,
}

struct Level {
    map: bool,
    next: Next,
}

/// What comes next in a mapping.
enum Next {
    Key,
    /// The value of a key; of a key that is no text nothing is known.
    Value(Option<String>),
}

/// Unpacks a list into pieces and faults; says no where the document is none.
pub(super) fn unpack(
    text: &str,
    list: Piece,
    json: bool,
    guess: Option<&str>,
    out: &mut Vec<Piece>,
    faults: &mut Vec<Fault>,
) -> bool {
    if json && serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return false;
    }
    let same = if json { super::json::same_length(text) } else { Cow::Borrowed(text) };
    let mut outline = Outline::default();
    let torn = outline.read(&same, list);
    if torn.is_some()
        && outline.kinds.is_empty()
        && let Some(guess) = guess
    {
        outline.kinds.push(guess.to_owned());
    }
    let version = outline.versions.first().map(String::as_str);
    let Some(kind) = outline.kinds.iter().find(|kind| is_list(kind, version)) else { return false };
    let mut refuse = |code, at: usize, message: &str, hint| {
        let at = list.start + at.min(text.len());
        faults.push(Fault { code, at: at..at, message: message.to_owned(), hint });
    };
    let fetch = Some("read it again, as a whole: without a limit, or with all its pages");
    if let Some((code, at, message)) = torn {
        refuse(code, at, &message, None);
    } else if outline.kinds.len() > 1 || outline.versions.len() > 1 {
        refuse(Code::DuplicateKey, 0, "`kind` or `apiVersion` of this list is given twice", Some("keep one of them"));
    } else if !kind.ends_with("List") {
        refuse(Code::NoIdentity, 0, "a list is `kind: List`", Some("did you mean `List`?"));
    } else if let Some(at) = outline.merged {
        refuse(Code::MergeKey, at, "merge keys `<<` are not allowed", Some("write the fields out"));
    } else if let Some(at) = outline.partial {
        refuse(Code::NotADocument, at, "this list says itself that it is only a part", fetch);
    } else if outline.items.len() > 1 {
        refuse(Code::DuplicateKey, outline.items[1].0, "`items` is given twice", Some("keep one of them"));
    } else if let [(at, false)] = outline.items[..] {
        refuse(Code::NotADocument, at, "`items` must be a list of documents", Some("for no items write `items: []`"));
    } else if outline.items.is_empty() {
        refuse(Code::NotADocument, 0, "`items` of this list is missing", Some("for no items write `items: []`"));
    }
    faults.append(&mut outline.faults);
    out.append(&mut outline.pieces);
    true
}

impl Outline {
    /// Reads as far as it goes; gives back where and why it broke off.
    fn read(&mut self, text: &str, list: Piece) -> Option<(Code, usize, String)> {
        let (mut stack, mut anchors, mut documents) = (Vec::<Level>::new(), HashMap::new(), 0);
        let mut begun = None;
        for event in Parser::new_from_str(text) {
            let (event, span) = match event {
                Ok(it) => it,
                Err(error) => return Some((Code::Syntax, error.marker().byte_offset().unwrap_or(0), error.info())),
            };
            let at = span.byte_range().unwrap_or(0..0);
            let (scalar, opens) = match &event {
                Event::DocumentStart(..) if documents > 0 => {
                    return Some((Code::Syntax, at.start, "a second document begins here".to_owned()));
                }
                Event::DocumentStart(..) => {
                    documents += 1;
                    continue;
                }
                Event::Scalar(text, style, anchor, _) => {
                    let value = (text.to_string(), *style == ScalarStyle::Plain);
                    if *anchor != 0 {
                        anchors.insert(*anchor, value.clone());
                    }
                    (Some(value), None)
                }
                Event::Alias(id) => (anchors.get(id).cloned(), None),
                Event::MappingStart(..) => (None, Some(true)),
                Event::SequenceStart(..) => (None, Some(false)),
                Event::MappingEnd | Event::SequenceEnd => {
                    stack.pop();
                    if in_items(&stack) {
                        self.item(&mut begun, at.end, list);
                    }
                    finish(&mut stack, None);
                    continue;
                }
                _ => continue,
            };
            if stack.len() > DEPTH {
                return Some((Code::TooMuch, at.start, "nested too deeply".to_owned()));
            }
            let is_key = stack.last().is_some_and(|it| it.map && matches!(it.next, Next::Key));
            if is_key && stack.len() == 1 && scalar.as_ref().is_some_and(|it| it.1 && it.0 == "<<") {
                self.merged = Some(at.start);
            }
            if !is_key {
                self.value(&stack, scalar.as_ref(), opens, at.start);
                if in_items(&stack) {
                    begun = Some(start(&span));
                    let nothing = scalar.as_ref().is_some_and(|(text, plain)| *plain && resolve(text) == Plain::Null);
                    if nothing {
                        begun = None;
                        let at = list.start + at.start;
                        let message = "an item of this list is nothing".to_owned();
                        self.faults.push(Fault { code: Code::NotADocument, at: at..at, message, hint: Some("remove it") });
                    }
                }
            }
            if let Some(map) = opens {
                stack.push(Level { map, next: Next::Key });
                continue;
            }
            if !is_key && in_items(&stack) {
                self.item(&mut begun, at.end, list);
            }
            finish(&mut stack, scalar.map(|it| it.0));
        }
        None
    }

    /// A value that begins.
    fn value(&mut self, stack: &[Level], scalar: Option<&(String, bool)>, opens: Option<bool>, at: usize) {
        let text = || scalar.map(|it| it.0.clone()).unwrap_or_default();
        match stack {
            [Level { map: true, next: Next::Value(Some(key)) }] => match key.as_str() {
                "kind" => self.kinds.push(text()),
                "apiVersion" => self.versions.push(text()),
                "items" => self.items.push((at, opens == Some(false))),
                "metadata" if scalar.is_none() && opens != Some(true) => self.partial = Some(at),
                _ => {}
            },
            [Level { map: true, next: Next::Value(Some(above)) }, Level { map: true, next: Next::Value(Some(key)) }]
                if above == "metadata" =>
            {
                let given = scalar.is_none_or(|(text, plain)| !(text.is_empty() || *plain && resolve(text) == Plain::Null));
                let partial = match key.as_str() {
                    "continue" => given,
                    "remainingItemCount" => given && scalar.is_none_or(|it| it.0 != "0"),
                    _ => false,
                };
                if partial {
                    self.partial = Some(at);
                }
            }
            _ => {}
        }
    }

    fn item(&mut self, begun: &mut Option<(usize, usize, usize)>, end: usize, list: Piece) {
        let Some((start, line, column)) = begun.take() else { return };
        let line = list.line + u32::try_from(line.saturating_sub(1)).unwrap_or(0);
        let indent = u16::try_from(column).unwrap_or(u16::MAX);
        self.pieces.push(Piece { start: list.start + start, end: list.start + end.max(start), line, indent });
    }
}

fn start(span: &Span) -> (usize, usize, usize) {
    (span.byte_range().map_or(0, |it| it.start), span.start.line(), span.start.col())
}

/// Whether the next value is an item.
fn in_items(stack: &[Level]) -> bool {
    matches!(stack, [Level { map: true, next: Next::Value(Some(key)) }, Level { map: false, next: _ }] if key == "items")
}

/// A node has ended: it was a key, or the value of one.
fn finish(stack: &mut [Level], text: Option<String>) {
    if let Some(level) = stack.last_mut().filter(|it| it.map) {
        level.next = match level.next {
            Next::Key => Next::Value(text),
            Next::Value(_) => Next::Key,
        };
    }
}
