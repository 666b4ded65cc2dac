//! What a directory holds, as things that can be declared.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use crate::{
    directory::{Directory, DirectoryError},
    model::{Key, Kind, Name, Namespace, Place, RemoteId, State},
    observed::{Live, Observed, Scope, Stranger},
};

/// What an import found.
#[derive(Debug, Clone)]
pub struct Imported {
    /// What is managed by this owner and not retired, and with `all` what could be adopted; sorted by key.
    pub states: Vec<ImportedState>,
    /// What cannot be declared, with the reason; sorted.
    pub left_out: Vec<LeftOut>,
}

/// One thing to write as a document.
#[derive(Debug, Clone)]
pub struct ImportedState {
    /// What it is. `suspended` says whether the document has `enabled: false`.
    pub state: State,
    /// The id for `tenantry.dev/adopt`, if it is not managed yet.
    pub adopt: Option<RemoteId>,
}

/// Something that cannot be declared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// Which object, for people.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// Reads what the directory holds as things that can be declared.
pub async fn import(directory: &dyn Directory, owner: &Name, all: bool) -> Result<Imported, DirectoryError> {
    let observed = directory.observe(owner, &Scope::All, Duration::ZERO).await?;
    let mut imported = Imported { states: Vec::new(), left_out: Vec::new() };
    for live in observed.ours.iter().filter(|live| live.state.owner.as_ref() == Some(owner) && !live.state.retired) {
        match declarable(live, &observed) {
            Ok(state) => imported.states.push(ImportedState { state, adopt: None }),
            Err(reason) => imported.left_out.push(LeftOut { what: live.state.key.to_string(), reason }),
        }
    }
    if all {
        strangers(&observed, owner, &mut imported);
    }
    imported.states.sort_by(|a, b| a.state.key.cmp(&b.state.key));
    imported.left_out.sort();
    Ok(imported)
}

fn declarable(live: &Live, observed: &Observed) -> Result<State, String> {
    let state = live.state.clone();
    if state.key.kind != Kind::User {
        return Ok(state);
    }
    let Some(above) = state.above().filter(|above| observed.get(above).is_some()) else {
        return Err("what it stands under is not managed".into());
    };
    // Somebody who is shut off for no reason that the documents will tell is written as what they are: shut off. Otherwise an
    // import, applied, would let them in.
    let expires = state.body.user().and_then(|user| user.expires).is_some();
    let told = expires || state.locked.is_some() || shut_above(&above, observed);
    let suspended = state.suspended || !state.enabled && !told;
    Ok(State { suspended, ..state })
}

/// Whether something at or above a key is disabled.
fn shut_above(above: &Key, observed: &Observed) -> bool {
    let mut at = Some(above.clone());
    // Longer than there are objects is a cycle, which no directory of ours lets in.
    for _ in 0..=observed.ours.len() {
        let Some(live) = at.as_ref().and_then(|key| observed.get(key)) else { return false };
        if !live.state.enabled || live.state.retired {
            return true;
        }
        at = live.state.above();
    }
    true
}

/// Strangers get a name: companies first, since those below name them.
fn strangers(observed: &Observed, owner: &Name, imported: &mut Imported) {
    let mut places: HashMap<&RemoteId, Key> = observed.ours.iter().map(|live| (&live.id, live.state.key.clone())).collect();
    let mut names: BTreeSet<Key> = observed.ours.iter().map(|live| live.state.key.clone()).collect();
    let mut waiting: Vec<&Stranger> = observed.strangers.iter().collect();
    loop {
        let mut later = Vec::new();
        let before = waiting.len();
        for stranger in std::mem::take(&mut waiting) {
            let parent = stranger.parent.as_ref().map(|id| places.get(id));
            match (parent, &stranger.fit) {
                (_, Err(reason)) => imported.left_out.push(left_out(stranger, reason)),
                (Some(None), _) => later.push(stranger),
                (None, _) if stranger.kind == Kind::User => imported.left_out.push(left_out(stranger, "it stands under nothing")),
                (parent, Ok(body)) => {
                    let above = parent.flatten().cloned();
                    let namespace = match (&above, stranger.kind) {
                        (Some(above), _) => above.namespace.clone(),
                        (None, Kind::Role) => Namespace::GLOBAL,
                        (None, Kind::Company | Kind::Customer | Kind::User) => Namespace::DEFAULT,
                    };
                    let key = free_key(stranger, &namespace, &names);
                    names.insert(key.clone());
                    places.insert(&stranger.id, key.clone());
                    let state = State {
                        place: above.as_ref().and_then(Place::under),
                        key,
                        body: body.clone(),
                        enabled: stranger.enabled,
                        suspended: !stranger.enabled,
                        retired: false,
                        locked: stranger.locked.clone(),
                        owner: Some(owner.clone()),
                        deletion: crate::model::Deletion::Disable,
                    };
                    imported.states.push(ImportedState { state, adopt: Some(stranger.id.clone()) });
                }
            }
        }
        waiting = later;
        if waiting.is_empty() || waiting.len() == before {
            break;
        }
    }
    imported.left_out.extend(waiting.into_iter().map(|stranger| left_out(stranger, "what it stands under cannot be declared")));
}

fn left_out(stranger: &Stranger, reason: &str) -> LeftOut {
    LeftOut { what: format!("{} `{}` ({})", stranger.kind.word(), stranger.label, stranger.id.0), reason: reason.to_owned() }
}

/// The label as a DNS label, with a short hash of the directory's id where that changed it or the name is taken.
fn free_key(stranger: &Stranger, namespace: &Namespace, names: &BTreeSet<Key>) -> Key {
    let nearest = Name::nearest(&stranger.label);
    if let Some(name) = nearest.clone().filter(|name| name.as_str() == stranger.label.as_str()) {
        let key = Key::new(stranger.kind, namespace.clone(), name);
        if !names.contains(&key) {
            return key;
        }
    }
    let base: String = nearest.map_or_else(|| stranger.kind.word().to_owned(), |name| name.as_str().chars().take(50).collect());
    let salted = (0u32..).find_map(|salt| {
        let hash = short_hash(&stranger.id, salt);
        let name = Name::new(&format!("{}-{hash}", base.trim_end_matches('-'))).ok()?;
        let key = Key::new(stranger.kind, namespace.clone(), name);
        (!names.contains(&key)).then_some(key)
    });
    salted.expect("one of four thousand million names is free")
}

fn short_hash(id: &RemoteId, salt: u32) -> String {
    use sha2::{Digest, Sha256};
    let hash = Sha256::new().chain_update(id.0.as_bytes()).chain_update(salt.to_be_bytes()).finalize();
    format!("{:08x}", u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]))
}
