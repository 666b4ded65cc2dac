//! The decision about one key, before anybody else's claims are looked at.
//!
//! | declared | found | then |
//! |---|---|---|
//! | broken | anything | held `Invalid`; of ours, what is certain of shutting off goes through |
//! | a state | another owner's, or a stranger's, not adopted | held `NotOurs` |
//! | a state | adopted, ours, or nothing | wanted: the state |
//! | not at all | nothing, or not ours | settled: a hold would make every foreign account an unfinished apply |
//! | not at all | ours, under another key from now on | settled |
//! | not at all | ours, and this is a part | settled, apart from what stands above it |
//! | not at all | ours, and something cannot be read | held `Incomplete` |
//! | not at all | ours | wanted, by `deletion`: retired, nothing, or released |
//! | anything | ours, and somebody orders it locked or unlocked | wanted: that, and nothing else |
//! | an object that somebody deleted | ours | as if it were not declared at all in a whole declaration |
//! | anything | anything, and it is set aside ([`Policy::aside`](super::Policy)) | held, if it would change |
//!
//! Then: a field the directory cannot hold (`Unsupported`), an adoption that would empty a field, a reference that neither
//! exists nor is about to (`WaitingFor`). Whatever is held, shutting off goes through.

use std::borrow::Cow;

use super::{
    Order, able,
    board::{After, Board, Draft, Found, same_username},
    tree::Closed,
    types::{Held, Hold, Reason},
};
use crate::{
    desired::{Entry, Wanted, salvage},
    manifest::Salvage,
    model::{Body, CompanyType, Deletion, Field, FieldChange, FieldValue, Key, Kind, Place, State},
};

/// What came out for one key.
pub(super) struct Outcome {
    pub(super) after: After,
    pub(super) reason: Reason,
    pub(super) held: Option<Held>,
}

const SETTLED: Outcome = Outcome { after: After::Same, reason: Reason::Declared, held: None };

fn to(state: State, reason: Reason) -> Outcome {
    Outcome { after: After::To(Box::new(state)), reason, held: None }
}

impl Board<'_> {
    /// Decides one row.
    pub(super) fn decide(&mut self, row: usize, closed: &Closed) {
        if !matches!(self.drafts[row].after, After::Same) {
            return; // a re-keying that did not come about has left here what never waits
        }
        let here = self.drafts[row].found.state().filter(|found| found.key.kind == Kind::User).and_then(|found| self.above(found));
        self.drafts[row].closed_here = closed.by(here.as_ref()).is_some();
        let outcome = self.outcome(row, closed);
        let (Outcome { after, reason, held }, wish) = self.set_aside(row, outcome);
        let draft = &mut self.drafts[row];
        (draft.after, draft.reason, draft.held, draft.wish) = (after, reason, held.map(Box::new), wish);
        self.protect(row);
        self.settle_rekeying(row);
    }

    /// Holds what is not to be changed for now. It is decided as it stands then, so that whatever needs it, stands under it or
    /// wants what it keeps is judged by that; what it would become comes with it.
    fn set_aside(&self, row: usize, outcome: Outcome) -> (Outcome, Option<Box<State>>) {
        let draft = &self.drafts[row];
        let Some(aside) = self.input.policy.aside.get(draft.key) else { return (outcome, None) };
        let owes = outcome.held.is_none() && self.credential(draft).is_some();
        if matches!(outcome.after, After::Same) && !owes {
            return (outcome, None);
        }
        let wish = match outcome.after {
            After::To(state) => Some(state),
            After::Same | After::Gone => None,
        };
        (Outcome { held: Some(aside.clone()), ..SETTLED }, wish)
    }

    fn outcome(&self, row: usize, closed: &Closed) -> Outcome {
        let draft = &self.drafts[row];
        if let Some(order) = self.input.policy.orders.get(draft.key) {
            return self.ordered(draft, order, closed);
        }
        match (draft.entry, &draft.found) {
            (Some(entry), _) => match &entry.wanted {
                Wanted::Invalid(salvage) => self.invalid(draft, salvage, closed),
                Wanted::Gone => self.gone(draft, closed),
                Wanted::State(state) if self.input.roles.broken.contains(draft.key) => {
                    self.invalid(draft, &salvage(state, None), closed)
                }
                Wanted::State(state) => self.declared(row, entry, state, closed),
            },
            (None, _) => self.gone(draft, closed),
        }
    }

    /// What nobody declares, or somebody removed.
    fn gone(&self, draft: &Draft<'_>, closed: &Closed) -> Outcome {
        match &draft.found {
            Found::Live(live) if self.mine(&live.state) && self.input.roles.broken.contains(draft.key) => {
                let message = "it is not declared any more, and its holders need it as it is".to_owned();
                Outcome { held: Some(Held { hold: Hold::Invalid, message }), ..SETTLED }
            }
            Found::Live(live) if self.mine(&live.state) => self.undeclared(draft, closed),
            Found::Live(_) | Found::Nothing | Found::Stranger(..) => SETTLED,
        }
    }

    fn invalid(&self, draft: &Draft<'_>, salvage: &Salvage, closed: &Closed) -> Outcome {
        let held = Some(Held { hold: Hold::Invalid, message: "it is declared, and the document is broken".into() });
        let nothing = Outcome { after: After::Same, reason: Reason::Salvaged, held: held.clone() };
        let Found::Live(live) = &draft.found else { return nothing };
        if !self.mine(&live.state) {
            return nothing;
        }
        let Salvage { disabled, role, moved_from: _ } = salvage;
        let mut wanted = live.state.clone();
        if *disabled {
            (wanted.enabled, wanted.suspended) = (false, true);
        }
        if let (Body::User(user), Some(role)) = (&mut wanted.body, role) {
            user.role = role.clone();
        }
        let above = self.above(&live.state);
        let by = if draft.key.kind == Kind::User { closed.by(above.as_ref()) } else { None };
        wanted.enabled &= by.is_none();
        match self.shut_off(&live.state, &wanted) {
            Some(state) => Outcome { after: After::To(Box::new(state)), reason: Reason::Salvaged, held },
            None => nothing,
        }
    }

    /// What somebody orders, of a user of ours; nothing else of them changes with it.
    fn ordered(&self, draft: &Draft<'_>, order: &Order, closed: &Closed) -> Outcome {
        let Found::Live(live) = &draft.found else { return SETTLED };
        let found = &live.state;
        if !self.mine(found) {
            let message = found.owner.as_ref().map_or_else(String::new, |other| format!("it belongs to the owner `{other}`"));
            return Outcome { held: Some(Held { hold: Hold::NotOurs, message }), ..SETTLED };
        }
        match order {
            Order::Lock(reason) => {
                let locked = Some(Box::new(reason.clone()));
                self.off(found, State { enabled: false, locked, ..found.clone() }, Reason::Locked)
            }
            Order::Unlock(_) if found.locked.is_none() => SETTLED,
            Order::Unlock(_) => {
                let shut = found.suspended || found.retired || self.over(found);
                let enabled = !shut && closed.by(self.above(found).as_ref()).is_none();
                to(State { enabled, locked: None, ..found.clone() }, Reason::Unlocked)
            }
            Order::Reset(method) => Outcome { reason: Reason::Reset, held: self.ungivable(draft, *method), ..SETTLED },
        }
    }

    fn declared(&self, row: usize, entry: &Entry, wanted: &State, closed: &Closed) -> Outcome {
        let draft = &self.drafts[row];
        if let Some(held) = self.not_ours(draft, entry, wanted) {
            return Outcome { after: After::Same, reason: Reason::Declared, held: Some(held) };
        }
        let found = draft.found.state();
        let wanted = &*self.with_theirs(found, wanted);
        let user = wanted.body.user();
        let by = user.and_then(|_| closed.by(self.above(wanted).as_ref()));
        let expired = user.and_then(|user| user.expires).is_some_and(|at| at <= self.input.policy.now);
        let locked = found.and_then(|found| found.locked.as_ref());
        let enabled = wanted.enabled && by.is_none() && !expired && locked.is_none();
        if found.is_some_and(|found| self.same(found, wanted, enabled)) {
            return Outcome { held: Self::asks(draft).and_then(|method| self.ungivable(draft, method)), ..SETTLED };
        }
        let wanted = State { enabled, locked: locked.cloned(), ..wanted.clone() };
        let reason = self.reason(draft, &wanted, by, expired);
        match self.impossible(row, &wanted) {
            None => to(wanted, reason),
            Some(held) => {
                let off = found.and_then(|found| self.staying(draft, found, &wanted));
                let after = off.map_or(After::Same, |state| After::To(Box::new(state)));
                let reason = if reason == Reason::Expired { reason } else { Reason::ShuttingOff };
                Outcome { after, reason, held: Some(held) }
            }
        }
    }

    /// What is declared, with what people have told the directory itself, which [asks](crate::observed::Capabilities::asks) them:
    /// taken away, it would be asked for again, and who cannot be asked would not get in.
    fn with_theirs<'s>(&self, found: Option<&State>, wanted: &'s State) -> Cow<'s, State> {
        let asks = &self.input.capabilities.asks;
        let (Some(Body::User(found)), Body::User(to)) = (found.map(|it| &it.body), &wanted.body) else {
            return Cow::Borrowed(wanted);
        };
        let first = asks.contains(&Field::FirstName) && to.first_name.is_none() && found.first_name.is_some();
        let last = asks.contains(&Field::LastName) && to.last_name.is_none() && found.last_name.is_some();
        if !first && !last {
            return Cow::Borrowed(wanted);
        }
        let mut wanted = wanted.clone();
        if let Body::User(to) = &mut wanted.body {
            to.first_name = to.first_name.take().or_else(|| found.first_name.clone().filter(|_| first));
            to.last_name = to.last_name.take().or_else(|| found.last_name.clone().filter(|_| last));
        }
        Cow::Owned(wanted)
    }

    /// Compares without building anything: in a run that changes nothing this is all that happens to a user.
    fn same(&self, found: &State, wanted: &State, effective: bool) -> bool {
        // No document says that somebody is locked: that is never a difference.
        let State { key, place, body, enabled, suspended, locked: _, retired, owner, deletion } = found;
        *key == wanted.key
            && *enabled == effective
            && *suspended == wanted.suspended
            && *retired == wanted.retired
            && *owner == wanted.owner
            && *deletion == wanted.deletion
            && *body == wanted.body
            && (*place == wanted.place && self.rekeyed.is_empty() || self.above(found) == wanted.above())
    }

    fn reason(&self, draft: &Draft<'_>, wanted: &State, by: Option<&Key>, expired: bool) -> Reason {
        let live = match &draft.found {
            Found::Nothing => return Reason::Declared,
            Found::Stranger(..) => return Reason::Adopted,
            Found::Live(live) => live,
        };
        let found = &live.state;
        if !self.mine(found) {
            Reason::Adopted
        } else if found.key != *draft.key {
            Reason::MovedFrom(found.key.clone())
        } else if found.retired {
            Reason::DeclaredAgain
        } else if found.enabled && !wanted.enabled && !wanted.suspended {
            match by {
                Some(key) => Reason::Above(key.clone()),
                None if wanted.locked.is_some() => Reason::Locked,
                None if expired => Reason::Expired,
                None => Reason::Declared,
            }
        } else if !found.enabled && wanted.enabled && live.left_enabled {
            Reason::DisabledOutside
        } else if !found.enabled && wanted.enabled && found.suspended == wanted.suspended && !self.over(found) {
            wanted.above().map_or(Reason::Declared, Reason::Above)
        } else {
            Reason::Declared
        }
    }

    /// Whether its `expires` is over.
    pub(super) fn over(&self, state: &State) -> bool {
        state.body.user().and_then(|user| user.expires).is_some_and(|at| at <= self.input.policy.now)
    }

    /// A directory that cannot shut off says so: an action of security weight is never dropped silently.
    fn off(&self, found: &State, to: State, reason: Reason) -> Outcome {
        if found.enabled && !self.input.capabilities.disable {
            return Outcome { held: Some(able::lacking(Field::Enabled)), ..SETTLED };
        }
        self::to(to, reason)
    }

    fn undeclared(&self, draft: &Draft<'_>, closed: &Closed) -> Outcome {
        let Found::Live(live) = &draft.found else { return SETTLED };
        let found = &live.state;
        let policy = &self.input.policy;
        if self.rekeyed.contains_key(draft.key) || self.reserved.contains_key(draft.key) {
            return SETTLED;
        }
        let due = live.retired_at.is_some_and(|at| at + policy.retention <= policy.now);
        // What cannot be read, or stands outside a part, may be what declares it again.
        let due = due && policy.purge.due && self.input.desired.whole() && self.input.desired.unreadable == 0;
        if found.retired && (due || policy.purge.keys.contains(draft.key)) {
            return Outcome { after: After::Gone, reason: Reason::Purged, held: None };
        }
        let followed = || self.follow(draft, closed).unwrap_or(SETTLED);
        let removed = draft.entry.is_some() || self.input.desired.whole();
        if !removed || found.retired && found.deletion != Deletion::Delete {
            return followed();
        }
        if self.input.desired.unreadable > 0 {
            let message = "it is not declared, but part of the declaration cannot be read: mend that first".to_owned();
            return Outcome { held: (!found.retired).then_some(Held { hold: Hold::Incomplete, message }), ..followed() };
        }
        let reason = Reason::NotDeclared;
        if policy.gently && found.deletion != Deletion::Disable {
            let message = "it is not declared any more; that counts when the files have been at rest for a moment".to_owned();
            let held = Some(Held { hold: Hold::Incomplete, message });
            let keeps = found.retired || found.deletion == Deletion::Retain;
            let shut = || self.off(found, State { enabled: false, retired: true, ..found.clone() }, reason);
            return Outcome { held, ..if keeps { followed() } else { shut() } };
        }
        match found.deletion {
            Deletion::Disable => self.off(found, State { enabled: false, retired: true, ..found.clone() }, reason),
            Deletion::Retain => to(State { owner: None, ..found.clone() }, reason),
            Deletion::Delete => Outcome { after: After::Gone, reason, held: None },
        }
    }

    /// Somebody who is not declared here, and not removed either, still follows what stands above them: shut off with it,
    /// and let in again if nothing but that had shut them off.
    fn follow(&self, draft: &Draft<'_>, closed: &Closed) -> Option<Outcome> {
        let Found::Live(live) = &draft.found else { return None };
        let found = &live.state;
        found.body.user()?;
        let above = self.above(found)?;
        let by = closed.by(Some(&above));
        if found.enabled && by.is_some() {
            return Some(self.off(found, State { enabled: false, ..found.clone() }, Reason::Above(by?.clone())));
        }
        let barred = found.suspended || found.retired || found.locked.is_some() || self.over(found);
        let only_above = !found.enabled && !live.left_enabled && !barred;
        (only_above && by.is_none()).then(|| to(State { enabled: true, ..found.clone() }, Reason::Above(above)))
    }

    fn not_ours(&self, draft: &Draft<'_>, entry: &Entry, wanted: &State) -> Option<Held> {
        let flag = format!("`--adopt {}`", draft.key);
        let held = |message| Some(Held { hold: Hold::NotOurs, message });
        match &draft.found {
            Found::Live(live) => {
                let other = live.state.owner.as_ref()?;
                let foreign = *other != self.input.policy.owner && !self.input.policy.adopt.contains(draft.key);
                if foreign { held(format!("it belongs to the owner `{other}`; {flag} takes it over")) } else { None }
            }
            Found::Stranger(..) => None,
            Found::Nothing => {
                if let Some(id) = &entry.adopt {
                    let unfit = self.input.observed.strangers.iter().find(|stranger| stranger.id == *id);
                    return held(match unfit.map(|stranger| &stranger.fit) {
                        Some(Err(reason)) => format!("the account `{}` cannot be declared: {reason}", id.0),
                        Some(Ok(_)) => format!("the object `{}` is no {}", id.0, draft.key.kind.word()),
                        None => format!(
                            "there is no unmanaged object `{}`; remove the annotation `tenantry.dev/adopt` to create a new one",
                            id.0
                        ),
                    });
                }
                let stranger = self.input.observed.strangers.iter().find(|stranger| same_username(stranger, wanted))?;
                held(format!(
                    "an account with this username is not managed; take it over with the annotation `tenantry.dev/adopt: {}` or {flag}",
                    stranger.id.0
                ))
            }
        }
    }

    /// Why a wanted state cannot be reached now, if so.
    fn impossible(&self, row: usize, wanted: &State) -> Option<Held> {
        let draft = &self.drafts[row];
        self.misplaced(wanted)
            .or_else(|| self.unsupported(draft, wanted))
            .or_else(|| self.emptying(draft, wanted))
            .or_else(|| self.waiting(row, wanted))
    }

    /// A distributor under an installer that only the directory knows: where both are declared, the documents are judged
    /// together.
    fn misplaced(&self, wanted: &State) -> Option<Held> {
        let company_type = |state: &State| match &state.body {
            Body::Company(company) => company.company_type,
            Body::Role(_) | Body::Customer(_) | Body::User(_) => None,
        };
        let above = wanted.above().filter(|_| company_type(wanted) == Some(CompanyType::Distributor))?;
        let parent = self.drafts[self.row(&above)?].state()?;
        let message = || format!("a distributor cannot stand under the installer `{above}`");
        (company_type(parent) == Some(CompanyType::Installer)).then(|| Held { hold: Hold::Invalid, message: message() })
    }

    /// Taking something over writes our mark; it never empties a field that a document forgot.
    fn emptying(&self, draft: &Draft<'_>, wanted: &State) -> Option<Held> {
        let taken_over = draft.found.state().filter(|found| !self.mine(found))?;
        let emptied = |change: &FieldChange| {
            change.field != Field::Owner && change.after == FieldValue::None && change.before != FieldValue::None
        };
        let lines: Vec<String> = taken_over
            .changes(wanted)
            .iter()
            .filter(|change| emptied(change))
            .map(|change| match &change.before {
                FieldValue::Text(text) => format!("`{}: {text:?}`", change.field.name()),
                FieldValue::None | FieldValue::Flag(_) | FieldValue::List(_) => format!("`{}`", change.field.name()),
            })
            .collect();
        if lines.is_empty() {
            return None;
        }
        let message = format!("taking it over would empty what it has; add {} to `spec`", lines.join(", "));
        Some(Held { hold: Hold::NotOurs, message })
    }

    /// What has to be there before a thing can be created, moved or given a role. What stays where it is waits for nothing.
    pub(super) fn waiting(&self, row: usize, wanted: &State) -> Option<Held> {
        let draft = &self.drafts[row];
        let found = draft.found.state();
        let held = |key: Key, why: String| Some(Held { hold: Hold::WaitingFor(key), message: why });
        if let Some(above) = wanted.above()
            && found.and_then(|found| self.above(found)).as_ref() != Some(&above)
        {
            // In a whole declaration what is not declared is on its way out, or belongs to somebody else.
            let undeclared = self.input.desired.whole() && self.input.desired.get(&above).is_none();
            if undeclared || self.rekeyed.contains_key(&above) || !self.row(&above).is_some_and(|at| self.drafts[at].offers_place())
            {
                let why = if undeclared { "which is not declared" } else { "which neither exists nor is about to" };
                let message = format!("it waits for `{above}`, {why}");
                return held(above, message);
            }
            if draft.key.kind == Kind::Company && found.is_some() && self.closes_cycle(row, &above) {
                let message = format!("`{above}` stands below it in the directory; it waits for that to change");
                return held(above, message);
            }
        }
        let user = wanted.body.user()?;
        let before = found.and_then(|found| found.body.user()).map(|user| &user.role);
        if before != Some(&user.role) && self.input.roles.table.get(&draft.key.namespace, &user.role).is_none() {
            let role = draft.key.sibling(Kind::Role, user.role.clone());
            let message = format!("it waits for the role `{}`, which neither exists nor is about to", user.role);
            return held(role, message);
        }
        None
    }

    /// What never waits of a change that is held: whoever stays is judged by what is above them there, not by what is above
    /// the place they do not get to.
    pub(super) fn staying(&self, draft: &Draft<'_>, found: &State, wanted: &State) -> Option<State> {
        if wanted.key.kind != Kind::User {
            return self.shut_off(found, wanted);
        }
        let barred = wanted.suspended || wanted.retired || wanted.locked.is_some() || self.over(wanted);
        let enabled = !barred && !draft.closed_here;
        self.shut_off(found, &State { enabled, ..wanted.clone() })
    }

    /// The part of a change that never waits: sign-in shut off, and a privileged role given up for one that is not. What is
    /// not taken over yet is not ours to shut off.
    fn shut_off(&self, found: &State, wanted: &State) -> Option<State> {
        let mut state = Some(found).filter(|found| self.mine(found))?.clone();
        if found.enabled && !wanted.enabled && self.input.capabilities.disable {
            state.enabled = false;
            state.suspended |= wanted.suspended;
        }
        if let (Body::User(user), Some(lesser)) = (&mut state.body, self.lesser_role(found, wanted)) {
            user.role = lesser;
        }
        (state != *found).then_some(state)
    }

    pub(super) fn lesser_role(&self, found: &State, wanted: &State) -> Option<crate::model::Name> {
        let (before, after) = (found.body.user()?, wanted.body.user()?);
        let roles = self.input.roles;
        let privileged = roles.last.get(&found.key.namespace, &before.role).is_some_and(|role| role.privileged);
        let role = roles.table.get(&found.key.namespace, &after.role)?;
        let kind = match found.place.as_ref()? {
            Place::Company(_) => Kind::Company,
            Place::Customer(_) => Kind::Customer,
        };
        (privileged && !role.privileged && role.lives_under.contains(&kind)).then(|| after.role.clone())
    }
}
