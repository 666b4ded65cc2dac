//! From things that say what they stand under to the lists of nodes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use smol_str::{SmolStr, ToSmolStr};

use super::{Adrift, Division, Node, Organisation, People, Standing};
use crate::model::{Body, Key, Kind, Namespace, State};

/// One thing, with what it stands under.
pub(super) struct Piece<'a> {
    pub(super) key: &'a Key,
    pub(super) above: Option<Key>,
    pub(super) body: Option<&'a Body>,
    pub(super) standing: Standing,
}

impl<'a> Piece<'a> {
    pub(super) fn of(state: &'a State, above: Option<Key>) -> Self {
        let standing = match (&state.owner, state.retired, state.enabled) {
            (None, _, _) => Standing::Gone,
            (Some(_), true, _) => Standing::Retired,
            (Some(_), false, true) => Standing::Enabled,
            (Some(_), false, false) => Standing::Disabled,
        };
        Self { key: &state.key, above, body: Some(&state.body), standing }
    }

    /// What is declared and broken: nothing is known of it but its name.
    pub(super) fn broken(key: &'a Key) -> Self {
        Self { key, above: None, body: None, standing: Standing::Broken }
    }

    fn title(&self) -> SmolStr {
        match self.body {
            Some(Body::Company(company)) => company.display_name.as_str().to_smolstr(),
            Some(Body::Customer(customer)) => customer.display_name.as_str().to_smolstr(),
            Some(Body::Role(_) | Body::User(_)) | None => self.key.name.as_str().to_smolstr(),
        }
    }
}

/// Puts every thing where it stands.
pub(super) fn build(pieces: &[Piece<'_>]) -> Organisation {
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
    for piece in pieces {
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
