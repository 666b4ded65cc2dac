//! Leaving: nothing goes while somebody remains in it.
//!
//! A company or customer in which anyone remains is retired instead of deleted. One that is released stays ours while ours
//! remain in it: below something that nobody manages, their place could not be said any more.

use std::collections::HashMap;

use super::{
    board::{After, Board, Found},
    tree::top_first,
    types::{Held, Hold},
};
use crate::model::{Body, Key, Kind, RemoteId, State};

/// How many of those that remain are named.
const NAMED: usize = 10;

/// Who remains in a thing: all are counted, some are named.
#[derive(Default)]
struct Remaining {
    count: usize,
    named: Vec<String>,
}

/// Those that remain in a thing.
#[derive(Default)]
struct Inside {
    anyone: Remaining,
    managed: Remaining,
}

impl Remaining {
    fn add(&mut self, who: impl FnOnce() -> String) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(who());
        }
    }

    fn held(&self, what: &str) -> Held {
        let more = if self.count > NAMED { format!(" and {} more", self.count - NAMED) } else { String::new() };
        let message = format!("{what} while anyone remains: {}{more}", self.named.join(", "));
        Held { hold: Hold::Blocked(self.named.clone()), message }
    }
}

impl Board<'_> {
    /// Holds the deletion of roles that somebody keeps, and of customers and companies in which anyone remains: those are
    /// retired instead.
    pub(super) fn leave(&mut self) {
        self.keep_held_roles();
        self.keep_closed();
        if !self.rows(Kind::Company).chain(self.rows(Kind::Customer)).any(|row| self.leaves(row)) {
            return;
        }
        while self.block_inhabited() {
            self.hold_waiting(); // what does not move to another namespace is not there for those who follow
        }
    }

    /// Holds whatever cannot go; whether something stays that others expected elsewhere.
    fn block_inhabited(&mut self) -> bool {
        let (mut stays, mut blocked) = (false, true);
        let mut remaining = self.remaining();
        let mut rows = top_first(self, Kind::Company);
        rows.reverse(); // deepest first: a company that stays keeps the one above it
        rows.splice(0..0, self.rows(Kind::Customer));
        // Once is enough, unless what is wanted and what is found stand in each other's way.
        while std::mem::take(&mut blocked) {
            for row in &rows {
                if self.leaves(*row)
                    && let Some(held) = self.inhabited(*row, &remaining)
                {
                    blocked = true;
                    stays |= self.changes_namespace(*row);
                    self.block(*row, held);
                    self.add_remaining(*row, &mut remaining);
                }
            }
        }
        stays
    }

    /// Why something cannot leave: whoever remains in it.
    fn inhabited(&self, row: usize, remaining: &HashMap<Key, Inside>) -> Option<Held> {
        let Inside { anyone, managed } = remaining.get(self.drafts[row].key)?;
        let (inside, what) = match &self.drafts[row].after {
            After::Gone => (anyone, "it is not deleted"),
            After::To(state) if state.owner.is_none() => (managed, "it is not released"),
            After::Same | After::To(_) => (anyone, "it cannot move to another namespace"),
        };
        (inside.count > 0).then(|| inside.held(what))
    }

    /// One that stays after all remains in what it was found in.
    fn add_remaining(&self, row: usize, remaining: &mut HashMap<Key, Inside>) {
        let draft = &self.drafts[row];
        let Some(above) = draft.found.state().and_then(|state| self.above(state)) else { return };
        let Inside { anyone, managed } = remaining.entry(above).or_default();
        for it in [anyone, managed] {
            it.add(|| draft.key.to_string());
        }
    }

    /// Whether it is about to be deleted or released, or to move to a namespace into which its people must follow.
    fn leaves(&self, row: usize) -> bool {
        let draft = &self.drafts[row];
        match &draft.after {
            After::Gone => true,
            After::Same => false,
            After::To(state) => self.changes_namespace(row) || state.owner.is_none() && draft.found.state().is_some(),
        }
    }

    fn changes_namespace(&self, row: usize) -> bool {
        let draft = &self.drafts[row];
        let (Some(found), After::To(after)) = (draft.found.state(), &draft.after) else { return false };
        found.key.namespace != after.key.namespace
    }

    /// Everything that stands under something after the plan, strangers included. A thing that moves to another namespace
    /// keeps those that do not follow it there.
    fn remaining(&self) -> HashMap<Key, Inside> {
        let mut out: HashMap<Key, Inside> = HashMap::new();
        let mut ids: HashMap<&RemoteId, &Key> = HashMap::new();
        let mut adopted: Vec<&RemoteId> = Vec::new();
        for draft in &self.drafts {
            if let Found::Live(live) = &draft.found
                && matches!(draft.key.kind, Kind::Company | Kind::Customer)
            {
                ids.insert(&live.id, draft.key);
            }
            if let (Found::Stranger(stranger, _), After::To(_)) = (&draft.found, &draft.after) {
                adopted.push(&stranger.id);
            }
            if self.rekeyed.contains_key(draft.key) {
                continue; // counted under its new key
            }
            let Some(state) = draft.state() else { continue };
            let above = state.above().map(|above| self.rekeyed.get(&above).map_or(above, |new| (*new).clone()));
            let Some(above) = above else { continue };
            let Inside { anyone, managed } = out.entry(above.clone()).or_default();
            if state.owner.is_some() {
                managed.add(|| draft.key.to_string());
            }
            if !self.row(&above).is_some_and(|row| self.changes_namespace(row)) || above.namespace != state.key.namespace {
                anyone.add(|| draft.key.to_string());
            }
        }
        for stranger in &self.input.observed.strangers {
            let Some(above) = stranger.parent.as_ref().and_then(|id| ids.get(id)) else { continue };
            if !adopted.contains(&&stranger.id) {
                let who = || format!("unmanaged {} `{}`", stranger.kind.word(), stranger.label);
                out.entry((*above).clone()).or_default().anyone.add(who);
            }
        }
        out
    }

    fn block(&mut self, row: usize, held: Held) {
        let draft = &mut self.drafts[row];
        let gone = matches!(draft.after, After::Gone);
        let retired = draft.found.state().filter(|_| gone).and_then(|found| {
            let retired = State { enabled: false, retired: true, ..found.clone() };
            (retired != *found).then_some(retired)
        });
        draft.after = retired.map_or(After::Same, |state| After::To(Box::new(state)));
        draft.held = Some(Box::new(held));
        self.settle_rekeying(row);
    }

    /// Holds what would cost a protected thing anything.
    pub(super) fn protect(&mut self, row: usize) {
        let found_key = self.drafts[row].found.state().map(|found| &found.key);
        let protected = &self.input.policy.protected;
        if protected.is_empty()
            || !(protected.contains(self.drafts[row].key) || found_key.is_some_and(|key| protected.contains(key)))
        {
            return;
        }
        // Under another name it would be protected no more.
        let renamed =
            found_key.is_some_and(|found| found != self.drafts[row].key) && matches!(self.drafts[row].after, After::To(_));
        if renamed || self.loss(row) > 0 {
            let what = if renamed { "renamed in Git, " } else { "" };
            let message =
                format!("it is protected by the project: `protected` keeps it from being {what}shut off, removed or demoted");
            let draft = &mut self.drafts[row];
            draft.after = After::Same;
            draft.held = Some(Box::new(Held { hold: Hold::Protected, message }));
        }
    }

    /// Holds the deletion of what the directory removes for nobody: it is retired instead.
    fn keep_closed(&mut self) {
        let rows: Vec<usize> = (0..self.drafts.len()).filter(|row| matches!(self.drafts[*row].after, After::Gone)).collect();
        for row in rows {
            if let Some(held) = self.irremovable(&self.drafts[row]) {
                self.block(row, held);
            }
        }
    }

    /// A role goes only when nobody holds it, unless a role of that name remains in force.
    fn keep_held_roles(&mut self) {
        for row in self.rows(Kind::Role) {
            let key = self.drafts[row].key;
            if !matches!(self.drafts[row].after, After::Gone) || self.input.roles.table.get(&key.namespace, &key.name).is_some() {
                continue;
            }
            let mut holders = Remaining::default();
            for user in self.rows(Kind::User) {
                let draft = &self.drafts[user];
                let Some(state) = draft.state() else { continue };
                let holds = match &state.body {
                    Body::User(user) => user.role == key.name,
                    Body::Role(_) | Body::Company(_) | Body::Customer(_) => false,
                };
                let own = Key { namespace: state.key.namespace.clone(), ..key.clone() };
                let meant =
                    own == *key || key.namespace.is_global() && self.row(&own).is_none_or(|at| self.drafts[at].state().is_none());
                if holds && meant {
                    holders.add(|| draft.key.to_string());
                }
            }
            if holders.count > 0 {
                let draft = &mut self.drafts[row];
                draft.after = After::Same;
                draft.held = Some(Box::new(holders.held("the role is not deleted")));
            }
        }
    }
}
