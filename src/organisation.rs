//! Companies and customers as a tree, with the people in them: what a picture is drawn from. Pure and total: a declaration may
//! be broken and a directory strange, and still nothing is lost and nothing goes round for ever.
//!
//! The nodes of a namespace stand in one list, each before what is below it. There is no recursion here or in whoever draws: a
//! chain of companies may be as long as the list.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use smol_str::{SmolStr, ToSmolStr};

use crate::{
    desired::{Desired, Wanted},
    model::{Body, Field, FieldValue, Key, Kind, Name, Namespace, RemoteId, State},
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
        Self { places: places.collect(), organisation: build(overlaid(observed, plan, &rekeyed)) }
    }
}

impl Organisation {
    /// What is declared.
    pub fn declared(desired: &Desired) -> Self {
        build(
            desired
                .entries
                .iter()
                .map(|entry| match &entry.wanted {
                    Wanted::State(state) => Piece::of(state, state.above()),
                    Wanted::Invalid(_) => Piece { key: &entry.key, above: None, body: None, standing: Standing::Broken },
                })
                .collect(),
        )
    }

    /// What a directory holds and somebody manages.
    pub fn held(observed: &Observed) -> Self {
        build(observed.ours.iter().map(|live| Piece::of(&live.state, live.state.above())).collect())
    }
}

/// One thing, with what it stands under.
struct Piece<'a> {
    key: &'a Key,
    above: Option<Key>,
    body: Option<&'a Body>,
    standing: Standing,
}

impl<'a> Piece<'a> {
    fn of(state: &'a State, above: Option<Key>) -> Self {
        let standing = match (&state.owner, state.retired, state.enabled) {
            (None, _, _) => Standing::Gone,
            (Some(_), true, _) => Standing::Retired,
            (Some(_), false, true) => Standing::Enabled,
            (Some(_), false, false) => Standing::Disabled,
        };
        Self { key: &state.key, above, body: Some(&state.body), standing }
    }

    fn title(&self) -> SmolStr {
        match self.body {
            Some(Body::Company(company)) => company.display_name.as_str().to_smolstr(),
            Some(Body::Customer(customer)) => customer.display_name.as_str().to_smolstr(),
            Some(Body::Role(_) | Body::User(_)) | None => self.key.name.as_str().to_smolstr(),
        }
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

fn build(pieces: Vec<Piece<'_>>) -> Organisation {
    let mut by_key: BTreeMap<&Key, &Piece<'_>> = BTreeMap::new();
    for piece in pieces.iter().filter(|piece| matches!(piece.key.kind, Kind::Company | Kind::Customer)) {
        by_key.entry(piece.key).or_insert(piece);
    }
    let places: Vec<&Piece<'_>> = by_key.into_values().collect();
    let find = |key: &Key| places.binary_search_by(|piece| piece.key.cmp(key)).ok();
    let mut above: Vec<Option<usize>> = places.iter().map(|piece| find(piece.above.as_ref()?)).collect();
    let turned = open_cycles(&mut above);

    let mut people = vec![People::default(); places.len()];
    let mut roles: BTreeMap<&Namespace, u64> = BTreeMap::new();
    let mut astray: BTreeMap<&Namespace, People> = BTreeMap::new();
    for piece in &pieces {
        let namespace = &piece.key.namespace;
        match piece.key.kind {
            Kind::Company | Kind::Customer => {}
            Kind::Role => *roles.entry(namespace).or_default() += u64::from(piece.standing != Standing::Gone),
            Kind::User => {
                let role = piece.body.and_then(Body::user).map(|user| &user.role);
                let place = piece.above.as_ref().and_then(&find);
                place.map_or_else(|| astray.entry(namespace).or_default(), |row| &mut people[row]).add(role, piece.standing);
            }
        }
    }

    let namespaces = places.iter().map(|piece| &piece.key.namespace).chain(roles.keys().copied()).chain(astray.keys().copied());
    let namespaces: BTreeSet<&Namespace> = namespaces.collect();
    let mut nodes = arrange(&places, &above, &turned, people);
    let division = |namespace: &Namespace| Division {
        namespace: namespace.clone(),
        roles: roles.get(namespace).copied().unwrap_or_default(),
        nodes: nodes.remove(namespace).unwrap_or_default(),
        astray: astray.get(namespace).cloned().unwrap_or_default(),
    };
    Organisation { namespaces: namespaces.into_iter().map(division).collect() }
}

/// Puts the first of each cycle at the top, and gives what those were.
fn open_cycles(above: &mut [Option<usize>]) -> BTreeSet<usize> {
    let mut turned = BTreeSet::new();
    let mut walked = vec![None; above.len()];
    for start in 0..above.len() {
        let mut at = Some(start);
        while let Some(row) = at {
            if walked[row] == Some(start) {
                let (mut first, mut next) = (row, above[row]);
                while let Some(other) = next.filter(|other| *other != row) {
                    first = first.min(other);
                    next = above[other];
                }
                above[first] = None;
                turned.insert(first);
                break;
            }
            if walked[row].is_some() {
                break;
            }
            walked[row] = Some(start);
            at = above[row];
        }
    }
    turned
}

/// The nodes of each namespace, each before what is below it.
fn arrange(
    places: &[&Piece<'_>],
    above: &[Option<usize>],
    turned: &BTreeSet<usize>,
    mut people: Vec<People>,
) -> HashMap<Namespace, Vec<Node>> {
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); places.len()];
    let mut tops = Vec::new();
    for (row, above) in above.iter().enumerate() {
        match above {
            Some(above) => below[*above].push(row),
            None => tops.push(row),
        }
    }
    let mut out: HashMap<Namespace, Vec<Node>> = HashMap::new();
    let mut waiting: Vec<(usize, Option<usize>, usize)> = tops.into_iter().rev().map(|row| (row, None, 0)).collect();
    while let Some((row, above, depth)) = waiting.pop() {
        let piece = places[row];
        let nodes = out.entry(piece.key.namespace.clone()).or_default();
        let adrift = piece.above.clone().filter(|_| above.is_none());
        let adrift = adrift.map(|key| if turned.contains(&row) { Adrift::Cycle(key) } else { Adrift::Unknown(key) });
        let people = std::mem::take(&mut people[row]);
        let (key, title, standing, within) = (piece.key.clone(), piece.title(), piece.standing, people.total());
        waiting.extend(below[row].iter().rev().map(|below| (*below, Some(nodes.len()), depth + 1)));
        nodes.push(Node { key, title, standing, adrift, above, depth, people, within });
    }
    for nodes in out.values_mut() {
        for row in (0..nodes.len()).rev() {
            if let Some(above) = nodes[row].above {
                nodes[above].within += nodes[row].within;
            }
        }
    }
    out
}
