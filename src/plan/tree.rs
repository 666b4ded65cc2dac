//! The tree of companies and customers: who stands above whom, and who is shut off by whom.

use std::collections::HashMap;

use super::board::{Board, Draft};
use crate::model::{Key, Kind, State};

/// The rows of a kind, so that whatever stands above another comes first: companies by depth in the wanted tree, other
/// kinds as they are.
pub(super) fn top_first(board: &Board<'_>, kind: Kind) -> Vec<usize> {
    let rows = board.rows(kind);
    if kind != Kind::Company {
        return rows.collect();
    }
    let start = rows.start;
    let parents: Vec<Option<usize>> = rows.clone().map(|row| board.row(&board.above(wanted(&board.drafts[row])?)?)).collect();
    let mut depths: Vec<Option<usize>> = vec![None; parents.len()];
    for index in 0..parents.len() {
        // Walks up to something known, then assigns on the way back: no recursion, since a chain may be as long as the list.
        let (mut path, mut at, mut base) = (Vec::new(), index, 0);
        loop {
            if let Some(depth) = depths[at] {
                base = depth + 1;
                break;
            }
            if path.contains(&at) {
                break; // a cycle between broken and sound documents; the cycle check holds whoever would close it
            }
            path.push(at);
            match parents[at] {
                Some(row) => at = row - start,
                None => break,
            }
        }
        for (distance, index) in path.into_iter().rev().enumerate() {
            depths[index] = Some(base + distance);
        }
    }
    let mut order: Vec<usize> = rows.collect();
    order.sort_by_key(|row| (depths[row - start], *row));
    order
}

/// The state a draft's place is read from before it is decided.
fn wanted<'b>(draft: &'b Draft<'_>) -> Option<&'b State> {
    draft.entry.and_then(|entry| entry.state()).or_else(|| draft.found.state())
}

impl Board<'_> {
    /// Whether putting `row` under `above` would make a company stand above itself.
    pub(super) fn closes_cycle(&self, row: usize, above: &Key) -> bool {
        let mut at = self.row(above);
        for _ in 0..=self.rows(Kind::Company).len() {
            match at {
                None => return false,
                Some(up) if up == row => return true,
                Some(up) => at = self.stays_under(up),
            }
        }
        true // longer than there are companies: a cycle further up
    }

    /// What stands above a row after the plan. Something that is to be deleted is looked at as well: whoever was found under
    /// it keeps it where it is.
    fn stays_under(&self, row: usize) -> Option<usize> {
        let draft = &self.drafts[row];
        let above = self.above(draft.state().or_else(|| draft.found.state())?)?;
        self.row(&above)
    }
}

/// What shuts off the people below each company and customer after the plan: the nearest thing that is disabled, retired or
/// gone.
#[derive(Default)]
pub(super) struct Closed(HashMap<Key, Key>);

impl Closed {
    /// What shuts off whoever stands under `above`.
    pub(super) fn by(&self, above: Option<&Key>) -> Option<&Key> {
        self.0.get(above?)
    }

    /// Adds what was decided about one kind. Only closed things are kept, so an organisation in which nobody is disabled
    /// costs nothing here.
    pub(super) fn extend(&mut self, board: &Board<'_>, kind: Kind) {
        if !matches!(kind, Kind::Company | Kind::Customer) {
            return;
        }
        let open = |draft: &Draft<'_>| draft.state().is_none_or(|state| state.enabled && !state.retired);
        let gone = |draft: &Draft<'_>| draft.state().is_none() && draft.found.state().is_some();
        for row in board.rows(kind) {
            let draft = &board.drafts[row];
            if !open(draft) || gone(draft) {
                self.0.insert(draft.key.clone(), draft.key.clone());
            }
        }
        if self.0.is_empty() {
            return;
        }
        for row in board.rows(kind) {
            let mut path = Vec::new();
            let (mut at, mut by) = (Some(row), None);
            while let Some(row) = at {
                let draft = &board.drafts[row];
                if let Some(key) = self.0.get(draft.key) {
                    by = Some(key.clone());
                    break;
                }
                if path.len() > board.drafts.len() {
                    break;
                }
                path.push(draft.key);
                at = draft.state().and_then(|state| board.above(state)).and_then(|key| board.row(&key));
            }
            if let Some(by) = by {
                for key in path {
                    self.0.insert(key.clone(), by.clone());
                }
            }
        }
    }
}
