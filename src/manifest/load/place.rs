//! Places: from a path to the bytes of a document, and to lines and columns.

use std::ops::Range;

use super::tree::{Data, Fault, Node};
use crate::{
    manifest::{Origin, Place, Problem, Step},
    model::visible,
};

/// A fault of the text as a problem. Its place is kept as a line and column of the document's own text, counted from the
/// document's first line.
pub(super) fn fault(fault: &Fault, text: &str, origin: Origin) -> Problem {
    let Fault { code, at, message, hint } = fault;
    let (line, column) = line_column(text, at.start);
    let problem = Problem::error(*code, origin, Place::At(origin.line + line - 1, column), visible(message));
    Problem { hint: hint.map(str::to_owned), ..problem }
}

/// The bytes of the value at a path, or of the nearest thing above it that exists.
pub(super) fn find(root: &Node, path: &[Step]) -> Range<usize> {
    let mut node = root;
    for (row, step) in path.iter().enumerate() {
        let below = match (step, &node.data) {
            (Step::Key(name), Data::Map { entries, open: _ }) => entries.iter().find(|(key, _)| key.text() == Some(name)),
            (Step::Index(row), Data::List(items)) => {
                let Some(item) = items.get(*row) else { break };
                node = item;
                continue;
            }
            (Step::Key(_) | Step::Index(_), _) => None,
        };
        let Some((key, value)) = below else {
            // What is missing is missing in the thing above it: point at its key rather than at all of it.
            return if row == 0 {
                node.at.start..node.at.start
            } else {
                key_of(root, &path[..row]).unwrap_or_else(|| node.at.clone())
            };
        };
        if row + 1 == path.len() && value.at.is_empty() {
            return key.at.clone();
        }
        node = value;
    }
    match node.data {
        // A mapping or list is shown by its key, or by its first character.
        Data::Map { .. } | Data::List(_) => {
            key_of(root, path).unwrap_or(node.at.start..node.at.start + usize::from(!node.at.is_empty()))
        }
        Data::Scalar { .. } => node.at.clone(),
    }
}

/// The bytes of the nth occurrence of a key.
pub(super) fn find_key(root: &Node, path: &[Step], nth: usize) -> Range<usize> {
    let Some((Step::Key(name), above)) = path.split_last() else { return find(root, path) };
    let mut node = root;
    for step in above {
        let below = match (step, &node.data) {
            (Step::Key(name), Data::Map { entries, open: _ }) => {
                entries.iter().find(|(key, _)| key.text() == Some(name)).map(|(_, value)| value)
            }
            (Step::Index(row), Data::List(items)) => items.get(*row),
            (Step::Key(_) | Step::Index(_), _) => None,
        };
        let Some(below) = below else { return find(root, above) };
        node = below;
    }
    let Data::Map { entries, open: _ } = &node.data else { return find(root, above) };
    let mut keys = entries.iter().filter(|(key, _)| key.text() == Some(name)).map(|(key, _)| key.at.clone());
    keys.nth(nth).unwrap_or_else(|| find(root, above))
}

fn key_of(root: &Node, path: &[Step]) -> Option<Range<usize>> {
    match path.last() {
        Some(Step::Key(_)) => Some(find_key(root, path, 0)),
        Some(Step::Index(_)) | None => None,
    }
}

/// Line and column of a byte, from 1, the column in characters.
pub(super) fn line_column(text: &str, at: usize) -> (u32, u32) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let line = text[..at].bytes().filter(|b| *b == b'\n').count() + 1;
    let start = text[..at].rfind('\n').map_or(0, |it| it + 1);
    let count = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
    (count(line), count(text[start..at].chars().count() + 1))
}

/// The byte at a line and column.
pub(super) fn byte(text: &str, line: u32, column: u32) -> usize {
    let mut start = 0;
    for _ in 1..line {
        match text[start..].find('\n') {
            Some(at) => start += at + 1,
            None => return text.len(),
        }
    }
    let rest = &text[start..];
    let end = rest.find('\n').unwrap_or(rest.len());
    start + rest[..end].char_indices().nth(column.saturating_sub(1) as usize).map_or(end, |it| it.0)
}
