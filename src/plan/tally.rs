//! From the board to the plan: changes, holds, and what they count.

use std::collections::{BTreeMap, BTreeSet};

use smol_str::SmolStr;

use super::{
    Order,
    board::{After, Board, Draft, Found},
    types::{Action, Change, CredentialAction, Decision, LastHolder, Plan, Reason, Tally},
};
use crate::{
    model::{Credential, Key, Kind, Method, Name, Namespace, Role, RoleTable, State},
    observed::{Contents, CredentialMark, Live},
};

impl Board<'_> {
    /// What a row costs the budget: an object that goes from enabled to disabled, is deleted or released, loses a
    /// privileged role, or moves to another namespace; one for each object. A role edit that takes the privilege away
    /// costs one for each holder who loses nothing else.
    pub(super) fn loss(&self, row: usize) -> u64 {
        let draft = &self.drafts[row];
        let demoted = self.demoted(row).count() as u64;
        let Some(found) = draft.found.state() else { return demoted };
        let after = match &draft.after {
            After::Same => return 0,
            After::Gone => return demoted.max(1) + self.taken(draft).map_or(0, Contents::total),
            After::To(after) => after,
        };
        if found.key.kind == Kind::Role {
            return demoted.max(u64::from(found.key.namespace != after.key.namespace));
        }
        // A date that lay ahead when it was applied was agreed on then.
        let agreed = draft.reason == Reason::Expired && expires(found) == expires(after);
        let disabled = found.enabled && !after.enabled && !agreed;
        let released = found.owner.is_some() && after.owner.is_none();
        let left = found.key.namespace != after.key.namespace;
        u64::from(disabled || released || left || self.privileged(found) && !self.stays_privileged(after))
    }

    /// What of the directory's own goes with an object that is deleted, as far as that was asked.
    fn taken(&self, draft: &Draft<'_>) -> Option<&Contents> {
        let Found::Live(live) = &draft.found else { return None };
        self.input.observed.contents.get(&live.id).filter(|taken| matches!(draft.after, After::Gone) && taken.total() > 0)
    }

    /// Rows of the users from whom a role that changes takes the privilege and nothing else is taken. A document may take the
    /// place of a built-in role, and a built-in role that of a document.
    fn demoted(&self, row: usize) -> impl Iterator<Item = usize> {
        let draft = &self.drafts[row];
        let found = draft.found.state().map_or(draft.key, |found| &found.key);
        let now = if matches!(draft.after, After::Gone) { found } else { draft.key };
        let (last, table) = (&self.input.roles.last, &self.input.roles.table);
        let demotes = found.kind == Kind::Role
            && !matches!(draft.after, After::Same)
            && last.exact(&found.namespace, &found.name).is_some_and(|role| role.privileged)
            && !table.get(&now.namespace, &now.name).is_some_and(|role| role.privileged);
        let holders = demotes.then(|| self.holders_of(found)).into_iter().flatten();
        holders.filter(|holder| self.loss(*holder) == 0) // one for each object
    }

    /// Whether somebody comes to hold a privileged role who did not, or is taken from one namespace to another.
    fn grants(&self, draft: &Draft<'_>) -> bool {
        let After::To(after) = &draft.after else { return false };
        let Some(user) = after.body.user() else { return false };
        let found = draft.found.state().filter(|found| self.mine(found));
        let same = |found: &State| found.body.user().is_some_and(|before| before.role == user.role);
        let held = found.is_some_and(|found| same(found) && found.key.namespace == after.key.namespace);
        !held && (privilege(after, &self.input.roles.table).is_some() || found.is_some_and(same))
    }

    fn privileged(&self, state: &State) -> bool {
        privilege(state, &self.input.roles.last).is_some()
    }

    fn stays_privileged(&self, state: &State) -> bool {
        // Judged by the roles as they were: an edit of the role itself is counted at the role.
        self.privileged(state) || privilege(state, &self.input.roles.table).is_some()
    }

    /// Rows of the users that hold a role now.
    fn holders_of<'b>(&'b self, role: &'b Key) -> impl Iterator<Item = usize> + 'b {
        self.rows(Kind::User).filter(move |row| {
            let draft = &self.drafts[*row];
            !self.rekeyed.contains_key(draft.key)
                && draft.found.state().is_some_and(|state| {
                    let named = state.body.user().is_some_and(|user| user.role == role.name);
                    named && self.mine(state) && (role.namespace.is_global() || role.namespace == state.key.namespace)
                })
        })
    }

    /// The plan that the board has become.
    pub(super) fn into_plan(self) -> Plan {
        let mut tally = self.counts();
        let mut decisions = Vec::new();
        for row in 0..self.drafts.len() {
            if self.outside.get(row).copied().unwrap_or(false) {
                continue;
            }
            let loss = self.loss(row);
            let draft = &self.drafts[row];
            let change = self.change(draft, loss);
            let held = draft.held.as_deref().cloned();
            if change.as_ref().is_none_or(|change| change.issues().is_none()) {
                self.count_undelivered(draft, &mut tally);
            }
            let concerns = draft.entry.is_some() || draft.found.state().is_some_and(|state| self.mine(state));
            if change.is_none() && held.is_none() {
                tally.settled += u64::from(concerns);
                continue;
            }
            if loss > 0 {
                self.count_loss(row, loss, &mut tally.losses);
            }
            if self.grants(draft) {
                tally.grants.push(draft.key.clone());
            }
            decisions.push(Decision { key: draft.key.clone(), change, held, origin: draft.entry.map(|entry| entry.origin) });
        }
        tally.last_holders = self.last_holders();
        Plan {
            directory: self.input.directory.to_owned(),
            owner: self.input.policy.owner.clone(),
            extent: self.input.desired.extent.clone(),
            last_root: self.input.observed.applied.root.clone(),
            after: self.moving_above(),
            loosens: Vec::new(),
            decisions,
            tally,
        }
    }

    /// Counts an account of ours that waits for a credential which this plan does not issue.
    fn count_undelivered(&self, draft: &Draft<'_>, tally: &mut Tally) {
        let Found::Live(live) = &draft.found else { return };
        let stays = draft.state().is_some_and(|state| !state.retired && state.owner.is_some());
        if !stays || !self.mine(&live.state) {
            return;
        }
        let email = |state: &State| state.body.user().map(|user| user.email.clone());
        let moves = draft.state().and_then(email) != email(&live.state);
        let died = live.unused_until.is_some_and(|until| moves || until <= self.input.policy.now);
        match &live.credential {
            CredentialMark::Owed(_) | CredentialMark::Ordered(..) => tally.owed += 1,
            CredentialMark::Given(_) => tally.expired += u64::from(died),
            CredentialMark::None => {}
        }
    }

    pub(super) fn change(&self, draft: &Draft<'_>, loss: u64) -> Option<Change> {
        let credential = if draft.held.is_none() { self.credential(draft) } else { None };
        // What the directory holds, with re-keyed parents under their new names: only what really differs is a difference.
        let before = draft.found.state().map(|found| {
            let place = self.above(found).and_then(|key| crate::model::Place::under(&key));
            Box::new(State { place, ..found.clone() })
        });
        let action = match (&before, &draft.after) {
            (None, After::Same | After::Gone) => return None,
            (None, After::To(to)) => Action::Create(to.clone()),
            (Some(_), After::Gone) => Action::Delete,
            (Some(before), After::To(to)) => {
                // One that nobody declares wants to be where it is, whatever that is called from now on.
                let place = self.above(to).and_then(|key| crate::model::Place::under(&key));
                let to = Box::new(State { place, ..to.as_ref().clone() });
                Action::Update { fields: before.changes(&to), to }
            }
            (Some(_), After::Same) if credential.is_none() => return None,
            (Some(before), After::Same) => Action::Update { fields: Vec::new(), to: before.clone() },
        };
        if let Action::Update { fields, to: _ } = &action
            && fields.is_empty()
            && credential.is_none()
        {
            return None;
        }
        let (remote, expect, source) = match &draft.found {
            Found::Nothing => (None, None, None),
            Found::Live(live) => (Some(live.id.clone()), live.version.clone(), live.source.clone()),
            Found::Stranger(stranger, _) => (Some(stranger.id.clone()), stranger.version.clone(), None),
        };
        let still = |live: &Live| credential.as_ref().is_some_and(|asked| asked.mark == live.credential);
        let owed = matches!(&draft.found, Found::Live(live) if still(live));
        let only_owed = owed && draft.reason == Reason::Declared && matches!(draft.after, After::Same);
        let reason = if only_owed { Reason::Owed } else { draft.reason.clone() };
        let takes = self.taken(draft).cloned().map(Box::new);
        Some(Change { key: draft.key.clone(), action, credential, reason, before, remote, expect, source, loss, takes })
    }

    /// The credential that becomes due: when the account is created, and when `credential.reset` changes to another value.
    /// Adopting records that one was given, and sends nothing.
    ///
    /// | account | then |
    /// |---|---|
    /// | a reset was ordered | owed in the way that was ordered |
    /// | unlocked, and owed or its secret died unused | owed in the way that was ordered |
    /// | ours, and `reset` differs from the one handled last | owed as declared |
    /// | ours, enabled again, and its secret died unused | owed: as declared if that is mailed, else a temporary password |
    /// | ours, owed in the way that was ordered, has a document, and can sign in | the same: it is due |
    /// | ours, owed, declared, and can sign in | the same: it is due |
    /// | ours otherwise, or not declared | nothing |
    /// | taken over | given |
    /// | new | owed as declared |
    pub(super) fn credential(&self, draft: &Draft<'_>) -> Option<CredentialAction> {
        let declared = draft.entry.and_then(|entry| entry.credential.as_deref());
        let declared = declared.filter(|credential| credential.method != Method::None);
        let asked = |credential: &Credential| credential.reset.clone().unwrap_or_default();
        let live = match &draft.found {
            Found::Nothing => return declared.map(|it| action(it.clone(), CredentialMark::Owed(asked(it)))),
            Found::Stranger(..) => return declared.map(|it| action(it.clone(), CredentialMark::Given(asked(it)))),
            Found::Live(live) => live,
        };
        let handled = live.credential.reset();
        let ordered = |method: Method| {
            let credential = Credential { method, source: None, reset: handled.cloned() };
            action(credential, CredentialMark::Ordered(method, handled.cloned().unwrap_or_default()))
        };
        if !self.mine(&live.state) {
            // What another owner still owes is not forgotten.
            return match &live.credential {
                CredentialMark::Ordered(method, _) => Some(ordered(*method)),
                CredentialMark::Owed(_) => declared.map(|it| action(it.clone(), live.credential.clone())),
                CredentialMark::Given(_) | CredentialMark::None => {
                    declared.map(|it| action(it.clone(), CredentialMark::Given(asked(it))))
                }
            };
        }
        let able = draft.state().is_some_and(|state| state.enabled && !state.retired && state.owner.is_some());
        match (self.input.policy.orders.get(draft.key), &live.credential) {
            (Some(Order::Reset(method)), _) => return Some(ordered(*method)),
            (Some(Order::Unlock(_)), CredentialMark::Ordered(method, _)) if able => return Some(ordered(*method)),
            (Some(Order::Unlock(method)), CredentialMark::Owed(_)) if able => return Some(ordered(*method)),
            (Some(Order::Unlock(method)), _) if self.died_and_enabled(draft) => return Some(ordered(*method)),
            (Some(Order::Unlock(_) | Order::Lock(_)), _) => return None,
            (None, _) => {}
        }
        if let Some(it) = declared.filter(|it| it.reset.is_some() && it.reset.as_ref() != handled) {
            return Some(action(it.clone(), CredentialMark::Owed(asked(it))));
        }
        if self.died_and_enabled(draft) {
            // What was killed must not come back to life: a declared password may be the one that was given up.
            let mailed = declared.filter(|it| matches!(it.method, Method::Invite | Method::Temporary));
            let owed = || CredentialMark::Owed(handled.cloned().unwrap_or_default());
            return Some(mailed.map_or_else(|| ordered(self.mailed_method()), |it| action(it.clone(), owed())));
        }
        match (&live.credential, declared) {
            (CredentialMark::Ordered(method, _), _) if able && draft.entry.is_some() => Some(ordered(*method)),
            (CredentialMark::Owed(_), Some(it)) if able => Some(action(it.clone(), live.credential.clone())),
            (CredentialMark::Owed(_) | CredentialMark::Ordered(..) | CredentialMark::Given(_) | CredentialMark::None, _) => None,
        }
    }

    /// Whether an account can sign in again, and has nothing to sign in with: its secret died before it was used.
    fn died_and_enabled(&self, draft: &Draft<'_>) -> bool {
        let Found::Live(live) = &draft.found else { return false };
        let enabled = draft.state().is_some_and(|state| state.enabled && !state.retired && state.owner.is_some());
        let given = matches!(live.credential, CredentialMark::Given(_));
        given && enabled && !live.state.enabled && live.unused_until.is_some_and(|until| until <= self.input.policy.now)
    }

    fn moves(&self, row: usize) -> bool {
        let draft = &self.drafts[row];
        let above = |state: Option<&State>| state.and_then(|state| self.above(state));
        matches!(draft.after, After::To(_)) && draft.found.state().is_some() && above(draft.found.state()) != above(draft.state())
    }

    /// Companies that move, each with the nearest above it in the wanted tree that moves as well.
    fn moving_above(&self) -> BTreeMap<Key, Key> {
        let companies = self.rows(Kind::Company);
        let up = |row: usize| self.drafts[row].state().and_then(|state| self.above(state)).and_then(|key| self.row(&key));
        let nearest =
            |row: usize| std::iter::successors(up(row), |row| up(*row)).take(companies.len()).find(|row| self.moves(*row));
        let moving = companies.clone().filter(|row| self.moves(*row));
        moving.filter_map(|row| Some((self.drafts[row].key.clone(), self.drafts[nearest(row)?].key.clone()))).collect()
    }

    fn counts(&self) -> Tally {
        let input = self.input;
        let mut tally = Tally {
            strangers: input.observed.strangers.len() as u64,
            spent: input.observed.spent.0.clone(),
            documents: input.desired.documents,
            unreadable: input.desired.unreadable,
            ..Tally::default()
        };
        let mut enabled: BTreeMap<&Namespace, u64> = BTreeMap::new();
        for live in input.observed.ours.iter().filter(|live| self.mine(&live.state)) {
            tally.managed += 1;
            if live.state.enabled && live.state.key.kind != Kind::Role {
                *enabled.entry(&live.state.key.namespace).or_default() += 1;
            }
            let waits = live.activated == Some(false) && live.state.enabled && !live.state.retired;
            tally.pending += u64::from(input.capabilities.activation && waits);
            tally.locked += u64::from(live.state.locked.is_some() && !live.state.retired);
            let due = live.state.retired && live.retired_at.is_some_and(|at| at + input.policy.retention <= input.policy.now);
            tally.purgeable += u64::from(due && input.desired.get(&live.state.key).is_none());
        }
        tally.enabled = enabled.into_iter().map(|(namespace, count)| (namespace.clone(), count)).collect();
        tally
    }

    fn count_loss(&self, row: usize, loss: u64, losses: &mut BTreeMap<Namespace, u64>) {
        let mut holders = self.demoted(row).peekable();
        if holders.peek().is_some() {
            for holder in holders {
                *losses.entry(self.drafts[holder].key.namespace.clone()).or_default() += 1;
            }
        } else if let Some(found) = self.drafts[row].found.state() {
            *losses.entry(found.key.namespace.clone()).or_default() += loss;
        }
    }

    /// Privileged roles that somebody enabled holds today and nobody would hold afterwards, all causes counted together.
    /// The last holder may go with the last company of the namespace.
    fn last_holders(&self) -> Vec<LastHolder> {
        let roles = self.input.roles;
        let mut losing: BTreeSet<(Namespace, SmolStr)> = BTreeSet::new();
        for row in self.rows(Kind::User) {
            let draft = &self.drafts[row];
            let Some(found) = draft.found.state().filter(|found| found.enabled && self.mine(found)) else { continue };
            let Some(role) = privilege(found, &roles.last) else { continue };
            let keeps = draft.state().is_some_and(|after| {
                after.enabled
                    && after.owner.is_some()
                    && after.key.namespace == found.key.namespace
                    && privilege(after, &roles.last) == Some(role)
            });
            if !keeps && !self.rekeyed.contains_key(draft.key) {
                losing.insert((found.key.namespace.clone(), role.clone().into()));
            }
        }
        if losing.is_empty() {
            return Vec::new();
        }
        let kept = self.drafts.iter().filter(|draft| !self.rekeyed.contains_key(draft.key)).filter_map(|draft| {
            let after = draft.state().filter(|after| after.enabled && after.owner.is_some())?;
            let role = &after.body.user()?.role;
            Some((after.key.namespace.clone(), SmolStr::from(role.clone())))
        });
        for holder in kept.collect::<BTreeSet<_>>() {
            losing.remove(&holder);
        }
        let companies: BTreeSet<Namespace> = self
            .rows(Kind::Company)
            .filter_map(|row| self.drafts[row].state().filter(|state| !state.retired && state.owner.is_some()))
            .map(|state| state.key.namespace.clone())
            .collect();
        let names = losing.into_iter().filter(|(namespace, _)| companies.contains(namespace));
        names.filter_map(|(namespace, role)| Some(LastHolder { namespace, role: Name::new(&role).ok()? })).collect()
    }
}

/// The privileged role that somebody holds.
fn privilege<'s>(state: &'s State, table: &RoleTable) -> Option<&'s Name> {
    let user = state.body.user()?;
    table.get(&state.key.namespace, &user.role).filter(|role: &&Role| role.privileged).map(|_| &user.role)
}

fn action(credential: Credential, mark: CredentialMark) -> CredentialAction {
    CredentialAction { credential, mark }
}

fn expires(state: &State) -> Option<jiff::Timestamp> {
    state.body.user().and_then(|user| user.expires)
}
