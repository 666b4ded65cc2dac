//! Holds on the board whatever was not approved, and what needs it.
//!
//! This is how a plan for some keys comes about as well (`plan/scope.rs`): a draft is taken back, and whatever waited for it
//! is asked again. So claims, places, re-keyings and whoever remains somewhere are judged by the same code as ever, and what
//! the plan counts is counted of what remains.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    model::{Key, Kind, Namespace, State},
    plan::{
        board::{After, Board, Draft, Found},
        tree::Closed,
        types::{Held, Hold, Reason},
    },
};

/// What to do about something that waits for others.
const LATER: &str = "it waits for the merge that brings that, or `tenantry apply` without `--expect`";

/// How the drafts stood before anything was taken back.
struct Before {
    /// Whether something was held.
    held: Vec<bool>,
    /// Whether something above where it goes to is shut off.
    shut: Vec<bool>,
}

impl Board<'_> {
    /// Takes back what is not approved until all that remains is.
    pub(in crate::plan) fn approve(&mut self) {
        let Some(approved) = self.input.approved else { return };
        let held = self.drafts.iter().map(|draft| draft.held.is_some()).collect();
        let before = Before { held, shut: self.shut_above() };
        let mut taken_back: BTreeSet<usize> = BTreeSet::new();
        loop {
            let mut rows = self.unapproved();
            let grounded = !rows.is_empty();
            if !grounded {
                rows = self.unfounded(&before, &taken_back);
            }
            if rows.is_empty() {
                break;
            }
            // Who is shut off depends on what above them is, after all that is taken back as well.
            let (people, others): (Vec<_>, Vec<_>) =
                rows.into_iter().partition(|(row, _)| self.drafts[*row].key.kind == Kind::User);
            for rows in [others, people] {
                let closed = self.closed();
                for (row, why) in rows {
                    // What goes on of a draft is asked once: what is not approved of that either stays as it is found.
                    let part = if taken_back.insert(row) { self.part(row, approved, &closed, grounded) } else { None };
                    self.take_back(row, part, why, &before);
                }
            }
            self.hold_waiting();
            self.leave();
        }
        self.name_holds(&before);
    }

    /// Drafts whose change is not approved, each with the reason.
    fn unapproved(&self) -> Vec<(usize, String)> {
        let Some(approved) = self.input.approved else { return Vec::new() };
        let (closed, mut out) = (self.closed(), Vec::new());
        for (row, draft) in self.drafts.iter().enumerate() {
            if self.outside.get(row).copied().unwrap_or(false) || !self.changes(draft) {
                continue;
            }
            let why =
                self.change(draft, self.loss(row)).and_then(|change| approved.objection(&change, self.implied(draft, &closed)));
            out.extend(why.map(|why| (row, why)));
        }
        out
    }

    /// Whether a draft can come to a change. Nearly all of a large plan is settled, and is passed over without a copy.
    fn changes(&self, draft: &Draft<'_>) -> bool {
        match &draft.after {
            After::To(_) | After::Gone => true,
            After::Same => draft.held.is_none() && self.credential(draft).is_some(),
        }
    }

    fn take_back(&mut self, row: usize, part: Option<(State, Option<Reason>)>, why: String, before: &Before) {
        let draft = &mut self.drafts[row];
        let message = match draft.held.take() {
            None => why,
            Some(held) if before.held[row] => format!("{why}; besides, {}", held.message),
            // It is approved, waits for something that is not, and what never waits of it was not approved by itself.
            Some(held) => named(&held),
        };
        draft.after = After::Same;
        if let Some((state, reason)) = part {
            draft.after = After::To(Box::new(state));
            draft.reason = reason.unwrap_or(draft.reason.clone());
        }
        draft.held = Some(Box::new(Held { hold: Hold::NotApproved, message }));
        self.settle_rekeying(row);
    }

    /// What came to be held on the way is held for want of an approval, whatever it waits for.
    fn name_holds(&mut self, before: &Before) {
        for (draft, held_before) in self.drafts.iter_mut().zip(&before.held) {
            let Some(held) = draft.held.as_mut().filter(|held| !held_before && held.hold != Hold::NotApproved) else { continue };
            **held = Held { hold: Hold::NotApproved, message: named(held) };
        }
    }

    /// Whether each draft goes to where something above is shut off after the plan.
    fn shut_above(&self) -> Vec<bool> {
        let closed = self.closed();
        self.drafts.iter().map(|draft| self.shut_by(draft, &closed).is_some()).collect()
    }

    fn shut_by<'c>(&self, draft: &Draft<'_>, closed: &'c Closed) -> Option<&'c Key> {
        let After::To(to) = &draft.after else { return None };
        closed.by(self.above(to).as_ref())
    }

    fn closed(&self) -> Closed {
        let mut closed = Closed::default();
        closed.extend(self, Kind::Company);
        closed.extend(self, Kind::Customer);
        closed
    }

    /// Approved drafts that are without ground now, each with the reason, and which [`Board::hold_waiting`] does not know.
    fn unfounded(&self, before: &Before, taken_back: &BTreeSet<usize>) -> Vec<(usize, String)> {
        let closed = self.closed();
        let mut out = Vec::new();
        for (row, draft) in self.drafts.iter().enumerate() {
            let After::To(to) = &draft.after else { continue };
            let shut = self.shut_by(draft, &closed).filter(|_| !before.shut[row] && self.gains(draft, to));
            let needs = shut
                .map(|key| format!("`{key}` stays shut off"))
                .or_else(|| self.adopted_under(draft, to).map(|key| format!("`{key}` is not taken over")))
                .or_else(|| self.role_taken_back(draft, to, taken_back).map(|key| format!("the role `{key}` is held as it is")));
            out.extend(needs.map(|needs| (row, format!("{needs}: {LATER}"))));
        }
        out.extend(self.roles_left_behind());
        out
    }

    /// Whether somebody can sign in by a draft who cannot now, or somewhere else than now. A company or customer that moves
    /// takes its people along; what it says of itself when it is created is its own.
    fn gains(&self, draft: &Draft<'_>, to: &State) -> bool {
        let found = draft.found.state();
        let moves = found.is_some_and(|found| self.above(found) != self.above(to));
        let user = draft.key.kind == Kind::User;
        to.enabled && (moves || user && found.is_none_or(|found| !found.enabled))
    }

    /// What somebody who is taken over stands under, where that is a stranger still.
    fn adopted_under(&self, draft: &Draft<'_>, to: &State) -> Option<Key> {
        let above = self.above(to).filter(|_| matches!(draft.found, Found::Stranger(..)))?;
        let there = &self.drafts[self.row(&above)?];
        matches!((&there.found, &there.after), (Found::Stranger(..), After::Same)).then_some(above)
    }

    /// The role that somebody comes to hold, or brings to another place, where its own change was taken back: what it allows
    /// is not what it was approved to be.
    fn role_taken_back(&self, draft: &Draft<'_>, to: &State, taken_back: &BTreeSet<usize>) -> Option<Key> {
        let role = &to.body.user()?.role;
        let found = draft.found.state().filter(|_| matches!(draft.found, Found::Live(_)));
        let same = found
            .is_some_and(|found| found.body.user().is_some_and(|user| user.role == *role) && self.above(found) == self.above(to));
        if same || !to.enabled {
            return None;
        }
        let own = draft.key.sibling(Kind::Role, role.clone());
        let global = Key { namespace: Namespace::GLOBAL, ..own.clone() };
        [own, global].into_iter().find(|key| self.row(key).is_some_and(|row| taken_back.contains(&row)))
    }

    /// Roles that get another name while somebody keeps the old one.
    fn roles_left_behind(&self) -> Vec<(usize, String)> {
        let renamed = self.rows(Kind::Role).filter_map(|row| {
            let draft = &self.drafts[row];
            let old = draft.found.state().map(|found| &found.key).filter(|old| *old != draft.key)?;
            matches!(draft.after, After::To(_)).then_some((old, row))
        });
        let renamed: BTreeMap<&Key, usize> = renamed.collect();
        if renamed.is_empty() {
            return Vec::new();
        }
        let mut out = BTreeMap::new();
        for user in self.rows(Kind::User) {
            let draft = &self.drafts[user];
            let Some((state, role)) = draft.state().and_then(|state| Some((state, &state.body.user()?.role))) else { continue };
            let own = state.key.sibling(Kind::Role, role.clone());
            let global = Key { namespace: Namespace::GLOBAL, ..own.clone() };
            let left = [own, global].into_iter().find_map(|key| renamed.get(&key).copied());
            if let Some(row) = left
                && self.input.roles.table.get(&state.key.namespace, role).is_none()
            {
                out.entry(row).or_insert_with(|| format!("`{}` keeps the role under its old name: {LATER}", draft.key));
            }
        }
        out.into_iter().collect()
    }
}

/// What something approved waits for, with its name.
fn named(held: &Held) -> String {
    let Held { hold, message } = held;
    let needs = match hold {
        Hold::NotApproved => return message.clone(),
        Hold::WaitingFor(key) => format!("it needs `{key}`, which is held"),
        Hold::Taken { by, field } => format!("it needs the {} of `{by}`, which is held as it is", field.name()),
        Hold::Blocked(names) => format!("it cannot go while these remain, which are held: {}", names.join(", ")),
        Hold::Invalid
        | Hold::NotOurs
        | Hold::Unsupported(_)
        | Hold::Protected
        | Hold::Incomplete
        | Hold::Denied
        | Hold::DisabledOutside
        | Hold::OverBudget
        | Hold::Refused
        | Hold::Paused
        | Hold::PendingActivation
        | Hold::Progressing => message.clone(),
    };
    format!("{needs}: {LATER}")
}
