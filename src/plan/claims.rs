//! Claims: a username, an e-mail or a customer's title belongs to whoever holds it.
//!
//! Whoever wants a value that somebody else holds gets it only if that one gives it up in the same plan; everybody else is
//! held (`Taken`). Holding one keeps what it holds, which may hold others: so until nothing changes.

use std::collections::HashMap;

use smol_str::SmolStr;

use super::{
    board::{After, Board, Draft, Found},
    types::{Held, Hold},
};
use crate::{
    model::{Body, Email, Field, Key, Kind, State, Username},
    observed::Stranger,
};

/// A value that only one can hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Claim {
    Username(SmolStr),
    Email(SmolStr),
    /// A customer's title inside its company.
    Title(SmolStr, Option<Key>, SmolStr),
}

impl Claim {
    fn field(&self) -> Field {
        match self {
            Self::Username(_) => Field::Username,
            Self::Email(_) => Field::Email,
            Self::Title(..) => Field::DisplayName,
        }
    }

    fn value(&self) -> &str {
        match self {
            Self::Username(value) | Self::Email(value) | Self::Title(_, _, value) => value,
        }
    }
}

/// The claims of a state that stands under `above`.
pub(super) fn claims(state: &State, above: Option<Key>) -> Vec<Claim> {
    match &state.body {
        Body::User(user) => vec![Claim::Username(user.username.clone().into()), Claim::Email(user.email.clone().into())],
        Body::Customer(customer) => {
            let namespace = state.key.namespace.clone().into();
            vec![Claim::Title(namespace, above, customer.display_name.clone().into())]
        }
        Body::Role(_) | Body::Company(_) => Vec::new(),
    }
}

/// Who holds a value now.
enum Holder {
    Row(usize),
    /// A stranger, by the directory's identifier.
    Stranger(String),
}

impl Board<'_> {
    /// Holds every draft of a kind that wants what somebody else keeps.
    pub(super) fn settle_claims(&mut self, kind: Kind) {
        if !matches!(kind, Kind::Customer | Kind::User) {
            return;
        }
        loop {
            let losers = self.losers(kind);
            if losers.is_empty() {
                return;
            }
            for (row, held) in losers {
                self.give_up(row, held);
            }
        }
    }

    /// Holds a draft; shutting off goes through all the same.
    pub(super) fn give_up(&mut self, row: usize, held: Held) {
        let draft = &self.drafts[row];
        let off = match (draft.found.state(), draft.state()) {
            (Some(found), Some(wanted)) => self.staying(draft, found, wanted),
            _ => None,
        };
        let draft = &mut self.drafts[row];
        draft.after = off.map_or(After::Same, |state| After::To(Box::new(state)));
        draft.held = Some(Box::new(held));
        self.settle_rekeying(row);
    }

    fn row_claims(&self, draft: &Draft<'_>) -> (Vec<Claim>, Vec<Claim>) {
        (self.claims_of(draft.found.state()), self.claims_of(draft.state()))
    }

    fn claims_of(&self, state: Option<&State>) -> Vec<Claim> {
        state.map_or_else(Vec::new, |state| claims(state, self.above(state)))
    }

    fn losers(&self, kind: Kind) -> Vec<(usize, Held)> {
        // Only values that somebody is about to take matter: in a run that renames nobody this is all there is.
        let mut wanted: HashMap<Claim, usize> = HashMap::new();
        let mut losers = Vec::new();
        for row in self.rows(kind) {
            let draft = &self.drafts[row];
            // Who is set aside for now loses nothing by it to somebody younger, and takes nothing either.
            if draft.wish.is_some() || matches!(draft.after, After::To(_)) {
                let (before, after) =
                    (self.claims_of(draft.found.state()), self.claims_of(draft.wish.as_deref().or(draft.state())));
                for claim in after.into_iter().filter(|claim| !before.contains(claim)) {
                    let Some(first) = wanted.get(&claim).copied() else {
                        wanted.insert(claim, row);
                        continue;
                    };
                    // Objects of a cluster: the older one has the better claim. In files two that claim one value are an error.
                    let age = |row: usize| self.drafts[row].entry.map(|entry| entry.origin);
                    let (winner, loser) = if age(row) < age(first) { (row, first) } else { (first, row) };
                    let (by, claimant) = (self.drafts[winner].key, self.drafts[loser].key);
                    losers.push((loser, taken(&claim, &by.to_string(), &hint(claimant, by, false))));
                    wanted.insert(claim, winner);
                }
            }
        }
        if wanted.is_empty() {
            return losers;
        }
        for (claim, holder) in self.holders(kind, &wanted) {
            let row = wanted[&claim];
            match holder {
                Holder::Row(by) if by == row => {}
                Holder::Row(by) => {
                    let (holder, claimant) = (&self.drafts[by], &self.drafts[row]);
                    let gives_up = matches!(holder.after, After::To(_)) && !self.row_claims(holder).1.contains(&claim);
                    if !gives_up {
                        let retired = holder.found.state().is_some_and(|state| state.retired);
                        let leaving = matches!(holder.after, After::Gone) || holder.state().is_some_and(|state| state.retired);
                        let hint = hint(claimant.key, holder.key, retired || leaving);
                        losers.push((row, taken(&claim, &holder.key.to_string(), &hint)));
                    }
                }
                Holder::Stranger(id) => {
                    let hint = format!("if it is the same one, write the annotation `tenantry.dev/adopt: {id}`");
                    losers.push((row, taken(&claim, &format!("unmanaged {id}"), &hint)));
                }
            }
        }
        losers.retain(|(row, _)| self.drafts[*row].wish.is_none());
        losers.sort_by_key(|(row, _)| *row);
        losers.dedup_by_key(|(row, _)| *row);
        losers
    }

    /// Who holds the wanted values, over everything live: ours, other owners', retired, broken, strangers.
    fn holders(&self, kind: Kind, wanted: &HashMap<Claim, usize>) -> Vec<(Claim, Holder)> {
        let mut out = Vec::new();
        for row in self.rows(kind) {
            let draft = &self.drafts[row];
            // A re-keyed account is held by the row of its new key.
            if let Found::Live(live) = &draft.found
                && !(self.rekeyed.contains_key(draft.key) && live.state.key == *draft.key)
            {
                let held = claims(&live.state, self.above(&live.state));
                out.extend(held.into_iter().filter(|claim| wanted.contains_key(claim)).map(|claim| (claim, Holder::Row(row))));
            }
        }
        let adopting: HashMap<_, _> = self
            .rows(kind)
            .filter_map(|row| match &self.drafts[row].found {
                Found::Stranger(stranger, _) => Some((&stranger.id, row)),
                Found::Nothing | Found::Live(_) => None,
            })
            .collect();
        let holder = |stranger: &Stranger| {
            let adopting = adopting.get(&stranger.id);
            adopting.map_or_else(|| Holder::Stranger(stranger.id.0.to_string()), |row| Holder::Row(*row))
        };
        let companies: HashMap<_, _> = self
            .rows(Kind::Company)
            .filter_map(|row| match &self.drafts[row].found {
                Found::Live(live) => Some((&live.id, self.drafts[row].key)),
                Found::Nothing | Found::Stranger(..) => None,
            })
            .filter(|(_, key)| !self.rekeyed.contains_key(*key))
            .collect();
        for stranger in self.input.observed.strangers.iter().filter(|stranger| stranger.kind == kind) {
            if kind == Kind::Customer {
                // A title is unique inside its company; outside of ours nobody can want it.
                let company = stranger.parent.as_ref().and_then(|id| companies.get(id));
                let title =
                    company.map(|key| Claim::Title(key.namespace.clone().into(), Some((*key).clone()), stranger.label.clone()));
                out.extend(title.filter(|claim| wanted.contains_key(claim)).map(|claim| (claim, holder(stranger))));
                continue;
            }
            let username = Username::new(&stranger.label).map_or_else(|_| stranger.label.clone(), Into::into);
            let email = stranger.email.as_ref().map(|email| Email::new(email).map_or_else(|_| email.clone(), Into::into));
            for claim in [Some(Claim::Username(username)), email.map(Claim::Email)].into_iter().flatten() {
                if wanted.contains_key(&claim) {
                    out.push((claim, holder(stranger)));
                }
            }
        }
        out
    }

    /// Pairs of rows of which the first takes a value that the second gives up.
    pub(super) fn handovers(&self, kind: Kind) -> Vec<(usize, usize)> {
        let mut wanted: HashMap<Claim, usize> = HashMap::new();
        for row in self.rows(kind) {
            if matches!(self.drafts[row].after, After::To(_)) {
                let (before, after) = self.row_claims(&self.drafts[row]);
                wanted.extend(after.into_iter().filter(|claim| !before.contains(claim)).map(|claim| (claim, row)));
            }
        }
        let pairs = self.holders(kind, &wanted).into_iter().filter_map(|(claim, holder)| match holder {
            Holder::Row(by) if by != wanted[&claim] => Some((wanted[&claim], by)),
            Holder::Row(_) | Holder::Stranger(_) => None,
        });
        pairs.collect()
    }
}

fn hint(claimant: &Key, holder: &Key, leaving: bool) -> String {
    let moved = format!("write the annotation `tenantry.dev/moved-from: {}/{}` on `{claimant}`", holder.namespace, holder.name);
    let other = if leaving { format!("`--purge {holder}`") } else { "change that one first".to_owned() };
    format!("if it is the same one, {moved}; if it is another, {other}")
}

fn taken(claim: &Claim, by: &str, hint: &str) -> Held {
    let field = claim.field();
    let message = format!("the {} `{}` belongs to `{by}`: {hint}", field.name(), claim.value());
    Held { hold: Hold::Taken { by: by.to_owned(), field }, message }
}
