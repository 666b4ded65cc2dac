//! From problems to what people see: files, lines, columns and the source line, looked up only now.

use std::{borrow::Cow, collections::HashMap, ops::Range, sync::Arc};

use serde::Serialize;

use super::{
    Limits,
    document::{self, Format, Found},
    json, place, secrets, split,
    split::Piece,
    tree,
};
use crate::{
    manifest::{Code, Lowered, Origin, Place, Problem, Related, Severity, Sources},
    model::visible,
};

/// A problem with its place: `{code, severity, message, file, line, column, hint}` in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// What kind of problem.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// The file, as people know it.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// What to do about it.
    pub hint: Option<String>,
    /// The source, where there is one to show.
    #[serde(skip)]
    pub snippet: Option<Snippet>,
    /// Other places that belong to it.
    #[serde(skip)]
    pub related: Vec<RelatedPlace>,
}

/// Source lines with the place of a problem in them. Values that may be secrets are blanked, character by character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// One or more whole lines.
    pub text: String,
    /// The number of the first one.
    pub first_line: u32,
    /// Bytes of `text` to mark; may be empty.
    pub range: Range<usize>,
}

/// Another place that belongs to a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelatedPlace {
    /// The file, as people know it.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// What is there.
    pub label: String,
    /// The source, where there is one to show.
    pub snippet: Option<Snippet>,
}

/// Looks up where problems are. Reads each file once, and only those that have problems.
pub fn diagnose(problems: &[Problem], sources: &Sources) -> Vec<Diagnostic> {
    let mut files = Files { sources, open: HashMap::new() };
    // A file is kept while problems of it come one after another; in what `load` returns they do.
    problems.iter().map(|problem| files.diagnostic(problem)).collect()
}

struct Files<'a> {
    sources: &'a Sources,
    open: HashMap<u32, Option<Opened>>,
}

/// A file whose lines are shown.
struct Opened {
    text: Arc<str>,
    json: bool,
    lines: Vec<usize>,
    pieces: Vec<Piece>,
    /// The document looked at last, as one has several problems.
    last: Option<(usize, tree::Tree, String)>,
    /// The same, blanked: where it begins, and its characters.
    shown: Option<(usize, Vec<char>)>,
}

struct Spot {
    line: u32,
    column: u32,
    snippet: Option<Snippet>,
}

impl Files<'_> {
    fn diagnostic(&mut self, problem: &Problem) -> Diagnostic {
        let Problem { code, severity, message, origin, place, hint, related, key } = problem;
        let Spot { line, column, snippet } = self.spot(*origin, place, key.as_ref());
        let mut elsewhere = Vec::with_capacity(related.len());
        for Related { origin, place, label } in related {
            let Spot { line, column, snippet } = self.spot(*origin, place, key.as_ref());
            let file = self.sources.file(*origin).to_owned();
            elsewhere.push(RelatedPlace { file, line, column, label: label.clone(), snippet });
        }
        Diagnostic {
            code: *code,
            severity: *severity,
            message: message.clone(),
            file: self.sources.file(*origin).to_owned(),
            line,
            column,
            hint: hint.clone(),
            snippet,
            related: elsewhere,
        }
    }

    fn spot(&mut self, origin: Origin, place: &Place, key: Option<&crate::model::Key>) -> Spot {
        let nowhere = match place {
            Place::At(line, column) => Spot { line: *line, column: *column, snippet: None },
            Place::Path(_) | Place::Key(..) => Spot { line: origin.line, column: 1, snippet: None },
        };
        if !self.open.contains_key(&origin.file) {
            // At most a few texts at once: related places point into other files.
            if self.open.len() >= 4 {
                self.open.clear();
            }
            self.open.insert(origin.file, Opened::open(self.sources, origin.file));
        }
        match self.open.get_mut(&origin.file) {
            Some(Some(opened)) => opened.spot(origin, place, key).unwrap_or(nowhere),
            Some(None) | None => nowhere,
        }
    }
}

impl Opened {
    fn open(sources: &Sources, file: u32) -> Option<Self> {
        let source = sources.files.get(file as usize)?;
        let json = source.is_json();
        let text = super::text(sources, file, Limits::default().file).ok()?;
        let (pieces, _) = split::split(&text, json);
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|it| it.0 + 1)).collect();
        Some(Self { text, json, lines, pieces, last: None, shown: None })
    }

    fn spot(&mut self, origin: Origin, place: &Place, key: Option<&crate::model::Key>) -> Option<Spot> {
        if self.text.is_empty() {
            return None;
        }
        let range = match place {
            Place::At(line, column) => {
                let at = self.byte(*line, *column);
                at..at
            }
            Place::Path(_) | Place::Key(..) => self.find(origin, place, key)?,
        };
        let row = self.lines.partition_point(|start| *start <= range.start).saturating_sub(1);
        let start = self.lines[row];
        let column = self.text.get(start..range.start)?.chars().count() + 1;
        let count = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
        let snippet = self.snippet(row, &range, column);
        Some(Spot { line: count(row + 1), column: count(column), snippet })
    }

    fn byte(&self, line: u32, column: u32) -> usize {
        let start = self.lines.get((line as usize).saturating_sub(1)).copied().unwrap_or(self.text.len());
        start + place::byte(&self.text[start..], 1, column)
    }

    /// The document that starts where `origin` says; of several on one line the one with the right key.
    fn piece(&self, origin: Origin, key: Option<&crate::model::Key>) -> Option<usize> {
        let first = self.pieces.partition_point(|it| it.line < origin.line);
        let count = self.pieces[first..].iter().take_while(|it| it.line == origin.line).count();
        if count < 2 {
            return (count == 1).then_some(first);
        }
        let fits = |row: &usize| {
            let text = self.pieces[*row].text(&self.text);
            matches!(document::strict(&text, Format { json: self.json, project: false }, origin, &mut Vec::new()),
                Found::Ours(Lowered { key: found, .. }) | Found::Torn(Lowered { key: found, .. }) if Some(&found) == key)
        };
        Some((first..first + count).find(fits).unwrap_or(first))
    }

    fn find(&mut self, origin: Origin, place: &Place, key: Option<&crate::model::Key>) -> Option<Range<usize>> {
        let row = self.piece(origin, key)?;
        if self.last.as_ref().is_none_or(|it| it.0 != row) {
            let text = self.pieces[row].text(&self.text);
            let normal = if self.json { json::normal(&text) } else { Cow::Borrowed(text.as_ref()) };
            self.last = Some((row, tree::parse(&normal), normal.into_owned()));
        }
        let (_, tree, normal) = self.last.as_ref()?;
        let at = match (&tree.root, place) {
            (Some(root), Place::Path(path)) => place::find(root, path),
            (Some(root), Place::Key(path, nth)) => place::find_key(root, path, *nth),
            (None, _) | (_, Place::At(..)) => return None,
        };
        // A document begins at its mark; show its first line instead.
        let at = if at.is_empty() && at.start == 0 { first_content(normal) } else { at };
        let piece = self.pieces[row];
        let clamp = |at: usize| {
            let mut at = piece.offset(at);
            while !self.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        Some(clamp(at.start)..clamp(at.end))
    }

    /// The line of a problem, blanked where it may hold a secret.
    fn snippet(&mut self, row: usize, range: &Range<usize>, column: usize) -> Option<Snippet> {
        let start = self.lines[row];
        let end = self.lines.get(row + 1).copied().unwrap_or(self.text.len());
        let line = self.text[start..end].trim_end_matches(['\n', '\r']);
        if line.len() > 4096 {
            return None;
        }
        let first = self.pieces.partition_point(|it| it.start <= start).saturating_sub(1);
        let from = self.pieces.get(first).map_or(0, |it| it.start).min(start);
        // From the document's first line on, so that a column means the same for every line of it.
        let from = self.text[..from].rfind('\n').map_or(0, |it| it + 1);
        if self.shown.as_ref().is_none_or(|it| it.0 != from) {
            let end = self.pieces.get(first).map_or(self.text.len(), |it| it.end).max(start + line.len());
            self.shown = Some((from, secrets::blank(&self.text[from..end]).chars().collect()));
        }
        let (_, shown) = self.shown.as_ref()?;
        let above = self.text[from..start].chars().count();
        let text: String = shown.iter().skip(above).take(line.chars().count()).copied().map(shown_as).collect();
        let bytes = |chars: usize| text.char_indices().nth(chars).map_or(text.len(), |it| it.0);
        let length =
            self.text.get(range.start..range.end.clamp(range.start, (start + line.len()).max(range.start)))?.chars().count();
        let range = bytes(column - 1)..bytes(column - 1 + length);
        Some(Snippet { first_line: u32::try_from(row + 1).ok()?, range, text })
    }
}

/// What stands for a character in a source line: nothing in it may steer a terminal, or hide.
fn shown_as(c: char) -> char {
    let hides = matches!(c, '\u{ad}' | '\u{34f}' | '\u{180e}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    let plain = c == '\t' || !(hides || c.is_control() || visible(c.encode_utf8(&mut [0; 4])).starts_with("\\u"));
    if plain { c } else { char::REPLACEMENT_CHARACTER }
}

/// The first line of a document that is neither empty nor a comment nor a mark.
fn first_content(text: &str) -> Range<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if !trimmed.is_empty() && !trimmed.starts_with(['#', '%']) && trimmed != "---" {
            let start = at + (line.len() - line.trim_start().len());
            return start..start + trimmed.len();
        }
        at += line.len();
    }
    0..0
}
