//! A plan for some keys: decided on the whole board, then narrowed to those keys and whatever their claims touch.

use super::board::{After, Board, Found};
use crate::{model::Kind, observed::Scope};

impl Board<'_> {
    /// Takes back what is decided outside the scope, and holds what would need it. One key at a time, in any order, ends
    /// where all at once ends.
    pub(super) fn narrow(&mut self) {
        if matches!(self.input.scope, Scope::All) {
            return;
        }
        let inside = self.inside();
        for (draft, _) in self.drafts.iter_mut().zip(&inside).filter(|(_, inside)| !**inside) {
            (draft.after, draft.held) = (After::Same, None);
        }
        for row in 0..self.drafts.len() {
            self.settle_rekeying(row);
        }
        self.outside = inside.iter().map(|inside| !inside).collect();
        self.hold_waiting();
    }

    /// What was about to be there no longer is: whoever needs it waits for the pass that brings it, and whoever needs the
    /// name that those keep waits as well.
    pub(super) fn hold_waiting(&mut self) {
        for kind in Kind::ALL {
            for row in super::tree::top_first(self, kind) {
                let held = match (&self.drafts[row].after, self.drafts[row].entry.and_then(|entry| entry.state())) {
                    (After::To(_), Some(_)) => self.drafts[row].state().and_then(|state| self.waiting(row, state)),
                    _ => None,
                };
                if let Some(held) = held {
                    self.give_up(row, held);
                }
            }
            self.settle_claims(kind);
        }
    }

    /// Rows in scope: the keys, and both ends of every handover that one of them has a part in.
    fn inside(&self) -> Vec<bool> {
        let mut inside: Vec<bool> = self.drafts.iter().map(|draft| self.in_scope(draft.key, &draft.found)).collect();
        let pairs: Vec<_> = [Kind::Customer, Kind::User].into_iter().flat_map(|kind| self.handovers(kind)).collect();
        loop {
            let mut grown = false;
            for (a, b) in &pairs {
                if inside[*a] != inside[*b] {
                    (inside[*a], inside[*b], grown) = (true, true, true);
                }
            }
            if !grown {
                return inside;
            }
        }
    }

    fn in_scope(&self, key: &crate::model::Key, found: &Found<'_>) -> bool {
        self.input.scope.contains(key) || found.state().is_some_and(|found| self.input.scope.contains(&found.key))
    }
}
