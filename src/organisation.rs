//! Companies and customers as a tree, with the people in them: what a picture is drawn from. Pure and total: a declaration may
//! be broken and a directory strange, and still nothing is lost and nothing goes round for ever.
//!
//! The nodes of a namespace stand in one list, each before what is below it. There is no recursion here or in whoever draws: a
//! chain of companies may be as long as the list.

mod build;

use std::collections::{BTreeMap, HashMap, HashSet};

use smol_str::SmolStr;

use self::build::{Piece, build};
use crate::{
    desired::{Desired, Entry, Wanted},
    model::{Field, FieldValue, Key, Kind, Name, Namespace, RemoteId, State},
    observed::Observed,
    plan::{Action, Change, Plan},
};

/// All namespaces, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Organisation {
    /// Each with what is in it.
    pub namespaces: Vec<Division>,
}

/// One namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    /// Which one; the global one has roles only.
    pub namespace: Namespace,
    /// How many roles are declared for it.
    pub roles: u64,
    /// Companies and customers, each before what is below it; siblings sorted by key.
    pub nodes: Vec<Node>,
    /// People who are in nothing that is known.
    pub astray: People,
}

/// A company or a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Which one.
    pub key: Key,
    /// What people call it.
    pub title: SmolStr,
    /// How it stands with it.
    pub standing: Standing,
    /// Why it stands at the top although it says that it does not.
    pub adrift: Option<Adrift>,
    /// What is above it: a row of the same list.
    pub above: Option<usize>,
    /// How many are above it.
    pub depth: usize,
    /// People directly in it.
    pub people: People,
    /// How many people are in it and in everything below.
    pub within: u64,
}

/// How it stands with a company or customer itself, whatever is above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// People in it can sign in.
    Enabled,
    /// Shut off.
    Disabled,
    /// Not declared any more, kept and shut off.
    Retired,
    /// Its document is broken: nothing but its name is known.
    Broken,
    /// Deleted or released by the plan.
    Gone,
}

/// Why something stands at the top although it says that it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adrift {
    /// There is no such thing as it says it stands under.
    Unknown(Key),
    /// It stands under this, and that stands under it.
    Cycle(Key),
}

/// How many people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct People {
    /// Those with an account, by role.
    pub roles: BTreeMap<Name, u64>,
    /// How many of them cannot sign in.
    pub disabled: u64,
    /// Accounts that are kept and not declared any more.
    pub retired: u64,
    /// Broken documents.
    pub broken: u64,
}

impl People {
    /// Everybody with an account that is declared, and every broken document.
    pub fn total(&self) -> u64 {
        let Self { roles, disabled: _, retired: _, broken } = self;
        roles.values().sum::<u64>() + broken
    }

    fn add(&mut self, role: Option<&Name>, standing: Standing) {
        match (role, standing) {
            (_, Standing::Gone) => {}
            (_, Standing::Retired) => self.retired += 1,
            (None, _) | (_, Standing::Broken) => self.broken += 1,
            (Some(role), Standing::Enabled | Standing::Disabled) => {
                match self.roles.get_mut(role) {
                    Some(number) => *number += 1,
                    None => drop(self.roles.insert(role.clone(), 1)),
                }
                self.disabled += u64::from(standing == Standing::Disabled);
            }
        }
    }
}

/// What an organisation will be after a plan, and where in it each decision belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// What will be; what goes is in it, and marked.
    pub organisation: Organisation,
    /// What the thing of each decision stands under, where that is known.
    pub places: BTreeMap<Key, Key>,
}

impl Outlook {
    /// Lays a plan over what a directory holds.
    pub fn new(desired: &Desired, observed: &Observed, plan: &Plan) -> Self {
        let rekeyed = rekeyed(plan);
        let place = |key: &Key, change: Option<&Change>| {
            let state = change.and_then(after).or_else(|| change.and_then(|change| change.before.as_deref()));
            let held = || above(&observed.get(key)?.state, &rekeyed);
            let wanted = || desired.get(key)?.state()?.above();
            state.and_then(State::above).or_else(held).or_else(wanted)
        };
        let places = plan.decisions.iter().filter_map(|it| Some((it.key.clone(), place(&it.key, it.change.as_ref())?)));
        Self { places: places.collect(), organisation: build(&overlaid(observed, plan, &rekeyed)) }
    }
}

impl Organisation {
    /// What is declared.
    pub fn declared(desired: &Desired) -> Self {
        build(&desired.entries.iter().map(piece).collect::<Vec<_>>())
    }

    /// What a directory holds and somebody manages.
    pub fn held(observed: &Observed) -> Self {
        build(&observed.ours.iter().map(|live| Piece::of(&live.state, live.state.above())).collect::<Vec<_>>())
    }
}

fn piece(entry: &Entry) -> Piece<'_> {
    match &entry.wanted {
        Wanted::State(state) => Piece::of(state, state.above()),
        Wanted::Invalid(_) | Wanted::Gone => Piece::broken(&entry.key),
    }
}

/// The state after a change, unless there is none.
fn after(change: &Change) -> Option<&State> {
    match &change.action {
        Action::Create(to) | Action::Update { fields: _, to } => Some(to),
        Action::Delete => None,
    }
}

/// Keys that go on under another one: what does not change itself says the old name of what it stands under.
fn rekeyed(plan: &Plan) -> HashMap<Key, Key> {
    let renamed = plan.changes().flat_map(|change| change.fields().iter().map(move |field| (change, field)));
    let keys = renamed.filter(|(_, field)| field.field == Field::Key).filter_map(|(change, field)| {
        let FieldValue::Text(old) = &field.before else { return None };
        Some((old.parse().ok()?, change.key.clone()))
    });
    keys.collect()
}

fn above(state: &State, rekeyed: &HashMap<Key, Key>) -> Option<Key> {
    let above = state.above()?;
    Some(rekeyed.get(&above).cloned().unwrap_or(above))
}

fn overlaid<'a>(observed: &'a Observed, plan: &'a Plan, rekeyed: &HashMap<Key, Key>) -> Vec<Piece<'a>> {
    let id = |change: &'a Change| change.remote.as_ref().map(|id| (change.key.kind, id));
    let touched: HashSet<(Kind, &RemoteId)> = plan.changes().filter_map(id).collect();
    let untouched = observed.ours.iter().filter(|live| !touched.contains(&(live.state.key.kind, &live.id)));
    let mut pieces: Vec<_> = untouched.map(|live| Piece::of(&live.state, above(&live.state, rekeyed))).collect();
    pieces.extend(plan.changes().filter_map(after).map(|to| Piece::of(to, to.above())));
    // What is deleted comes last: something new may bear its name.
    let gone = plan.changes().filter(|change| after(change).is_none()).filter_map(|change| change.before.as_deref());
    pieces.extend(gone.map(|before| Piece { standing: Standing::Gone, ..Piece::of(before, before.above()) }));
    pieces
}
