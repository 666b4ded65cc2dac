//! The board: one draft for every key that is declared or held, joined by key.

use std::collections::{BTreeMap, HashMap};

use super::{
    Input,
    types::{Held, Reason},
};
use crate::{
    desired::Entry,
    manifest::Extent,
    model::{Key, Kind, Place, RemoteId, State, Username},
    observed::{Live, Stranger},
};

/// What is known and decided of one key. Rows are sorted by key.
pub(super) struct Draft<'a> {
    pub(super) key: &'a Key,
    pub(super) entry: Option<&'a Entry>,
    pub(super) found: Found<'a>,
    pub(super) after: After,
    pub(super) reason: Reason,
    pub(super) held: Option<Box<Held>>,
    /// What it would be if it were not set aside: its turn comes, and until then nobody younger gets what it claims.
    pub(super) wish: Option<Box<State>>,
    /// Whether something above the place where it is now is shut off after the plan: what counts if it stays there.
    pub(super) closed_here: bool,
}

/// What the directory holds for a key.
pub(super) enum Found<'a> {
    Nothing,
    /// A managed object; under another key where it is being re-keyed.
    Live(&'a Live),
    /// A stranger that the document names for adoption, as the state it would have if nothing but our mark were written.
    Stranger(&'a Stranger, Box<State>),
}

/// What the directory will hold for a key.
pub(super) enum After {
    /// What it holds now.
    Same,
    To(Box<State>),
    Gone,
}

impl Found<'_> {
    pub(super) fn state(&self) -> Option<&State> {
        match self {
            Self::Nothing => None,
            Self::Live(live) => Some(&live.state),
            Self::Stranger(_, state) => Some(state),
        }
    }
}

impl Draft<'_> {
    /// The state after the plan.
    pub(super) fn state(&self) -> Option<&State> {
        match &self.after {
            After::Same => self.found.state(),
            After::To(state) => Some(state),
            After::Gone => None,
        }
    }

    /// Whether others can be put under it after the plan.
    pub(super) fn offers_place(&self) -> bool {
        let managed = !matches!((&self.found, &self.after), (Found::Stranger(..), After::Same));
        managed && self.state().is_some_and(|state| !state.retired && state.owner.is_some())
    }
}

/// All drafts, and what is needed to decide them.
pub(super) struct Board<'a> {
    pub(super) input: &'a Input<'a>,
    pub(super) drafts: Vec<Draft<'a>>,
    /// Keys whose account goes on under another key.
    pub(super) rekeyed: BTreeMap<&'a Key, &'a Key>,
    /// Keys that a broken document says it was: their accounts are spoken for.
    pub(super) reserved: BTreeMap<&'a Key, &'a Key>,
    /// Rows that are not decided; empty where everything is.
    pub(super) outside: Vec<bool>,
}

impl<'a> Board<'a> {
    /// Joins what is declared with what is held.
    pub(super) fn new(input: &'a Input<'a>) -> Self {
        let (mut rekeyed, mut reserved) = (BTreeMap::new(), BTreeMap::new());
        // What a broken object says of another account holds that one, and is no objection to a sound one that says the same.
        let objects = input.desired.extent == Extent::Objects;
        let (sound, broken): (Vec<&Entry>, Vec<&Entry>) =
            input.desired.entries.iter().partition(|it| !objects || it.state().is_some());
        for entry in sound.into_iter().chain(broken) {
            let Some(old) = &entry.moved_from else { continue };
            let ours = input.observed.get(old).is_some_and(|live| live.state.owner.as_ref() == Some(&input.policy.owner));
            if !ours || input.desired.declares(old) {
                continue;
            }
            if input.observed.get(&entry.key).is_some() {
                // It has happened already: the annotation does nothing. What a broken document says of another account holds
                // that one all the same, until it is mended.
                if entry.state().is_none() {
                    reserved.insert(old, &entry.key);
                }
                continue;
            }
            if objects && entry.state().is_none() && rekeyed.contains_key(old) {
                continue;
            }
            // A broken document re-keys nothing; its row has the account until that is decided, for what never waits. Two
            // that contradict each other have it not.
            if reserved.contains_key(old) || rekeyed.remove(old).is_some() {
                reserved.insert(old, &entry.key);
            } else {
                rekeyed.insert(old, &entry.key);
            }
        }
        let mut board = Self { input, drafts: Vec::new(), rekeyed, reserved, outside: Vec::new() };
        let adopted = Adopted::new(input);
        board.join(&adopted);
        board
    }

    fn join(&mut self, adopted: &Adopted<'a>) {
        let (entries, ours) = (&self.input.desired.entries, &self.input.observed.ours);
        self.drafts.reserve(entries.len().max(ours.len()));
        let (mut e, mut o) = (entries.iter().peekable(), ours.iter().peekable());
        loop {
            let order = match (e.peek(), o.peek()) {
                (None, None) => break,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(entry), Some(live)) => entry.key.cmp(&live.state.key),
            };
            let entry = if order.is_le() { e.next() } else { None };
            let live = if order.is_ge() { o.next() } else { None };
            let found = match (entry, live) {
                (_, Some(live)) => Found::Live(live),
                (Some(entry), None) => self.found(entry, adopted),
                (None, None) => Found::Nothing,
            };
            let Some(key) = entry.map(|entry| &entry.key).or(live.map(|live| &live.state.key)) else { break };
            self.drafts.push(Draft {
                key,
                entry,
                found,
                after: After::Same,
                reason: Reason::Declared,
                held: None,
                wish: None,
                closed_here: false,
            });
        }
    }

    /// What the directory holds for a document whose key it does not know.
    fn found(&self, entry: &'a Entry, adopted: &Adopted<'a>) -> Found<'a> {
        if let Some(old) = &entry.moved_from
            && self.rekeyed.get(old) == Some(&&entry.key)
            && let Some(live) = self.input.observed.get(old)
        {
            return Found::Live(live);
        }
        adopted.found(entry).map_or(Found::Nothing, |(stranger, state)| Found::Stranger(stranger, Box::new(state)))
    }

    /// The row of a key.
    pub(super) fn row(&self, key: &Key) -> Option<usize> {
        self.drafts.binary_search_by(|draft| draft.key.cmp(key)).ok()
    }

    /// The rows of one kind.
    pub(super) fn rows(&self, kind: Kind) -> std::ops::Range<usize> {
        self.drafts.partition_point(|draft| draft.key.kind < kind)..self.drafts.partition_point(|draft| draft.key.kind <= kind)
    }

    /// Gives a re-keying up where it did not come about: the account stays under its old key, spoken for, with whatever
    /// never waits.
    pub(super) fn settle_rekeying(&mut self, row: usize) {
        let draft = &self.drafts[row];
        let Some(old) = draft.found.state().map(|found| &found.key).filter(|old| *old != draft.key) else { return };
        if matches!(&draft.after, After::To(state) if state.key == *draft.key) {
            return;
        }
        let Some(home) = self.row(old) else { return };
        let new = draft.key;
        let draft = &mut self.drafts[row];
        let after = std::mem::replace(&mut draft.after, After::Same);
        let reason = draft.reason.clone();
        draft.found = Found::Nothing;
        let home = &mut self.drafts[home];
        (home.after, home.reason) = (after, reason);
        self.rekeyed.remove(home.key);
        self.reserved.insert(home.key, new);
    }

    /// What a state stands under, with re-keyed things under their new keys: being renamed is not being left.
    pub(super) fn above(&self, state: &State) -> Option<Key> {
        let above = state.above()?;
        Some(self.rekeyed.get(&above).map_or(above, |new| (*new).clone()))
    }

    /// Whether an object is of this declaration's owner.
    pub(super) fn mine(&self, state: &State) -> bool {
        state.owner.as_ref() == Some(&self.input.policy.owner)
    }
}

/// Strangers that documents, or flags, say to take over.
pub(super) struct Adopted<'a> {
    by_key: HashMap<&'a Key, &'a Stranger>,
    places: HashMap<&'a RemoteId, &'a Key>,
}

impl<'a> Adopted<'a> {
    fn new(input: &'a Input<'a>) -> Self {
        let wanting = |entry: &&Entry| entry.adopt.is_some() || input.policy.adopt.contains(&entry.key);
        let mut this = Self { by_key: HashMap::new(), places: HashMap::new() };
        for entry in input.desired.entries.iter().filter(wanting) {
            let Some(wanted) = entry.state() else { continue };
            let by_id = |stranger: &&Stranger| stranger.kind == entry.key.kind && Some(&stranger.id) == entry.adopt.as_ref();
            let by_name = |stranger: &&Stranger| input.policy.adopt.contains(&entry.key) && same_username(stranger, wanted);
            let strangers = &input.observed.strangers;
            if let Some(stranger) = strangers.iter().find(by_id).or_else(|| strangers.iter().find(by_name)) {
                this.by_key.insert(&entry.key, stranger);
            }
        }
        if !this.by_key.is_empty() {
            for live in &input.observed.ours {
                this.places.insert(&live.id, &live.state.key);
            }
            for (key, stranger) in &this.by_key {
                this.places.insert(&stranger.id, key);
            }
        }
        this
    }

    /// The stranger a document takes over, in the state it would have with our mark alone.
    fn found(&self, entry: &Entry) -> Option<(&'a Stranger, State)> {
        let stranger = *self.by_key.get(&entry.key)?;
        let wanted = entry.state()?;
        let body = stranger.fit.as_ref().ok()?.clone();
        // A place is a name in the same namespace: from anywhere else, getting there is a move.
        let above = stranger.parent.as_ref().and_then(|id| self.places.get(id));
        let place = above.filter(|above| above.namespace == entry.key.namespace).and_then(|above| Place::under(above));
        let state = State {
            key: entry.key.clone(),
            place,
            body,
            enabled: stranger.enabled,
            suspended: wanted.suspended,
            retired: false,
            locked: stranger.locked.clone(),
            owner: None,
            deletion: wanted.deletion,
        };
        Some((stranger, state))
    }
}

/// Whether a stranger bears the username that a user wants.
pub(super) fn same_username(stranger: &Stranger, wanted: &State) -> bool {
    let Some(user) = wanted.body.user() else { return false };
    stranger.kind == Kind::User
        && (stranger.label == user.username.as_str() || Username::new(&stranger.label).is_ok_and(|label| label == user.username))
}
