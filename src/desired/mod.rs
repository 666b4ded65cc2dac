//! What is wanted: every document of a declaration, judged together. Pure, synchronous and total.
//!
//! Knows documents and the project; knows nothing of what a directory holds. The rules about roles are judged apart
//! ([`roles`]), because what is in force matters to them.

mod roles;
mod rules;

use crate::{
    manifest::{Code, Extent, Form, Lowered, Origin, Place, Problem, Project, Salvage},
    model::{Credential, Deletion, Key, Kind, RemoteId, State},
};

pub use roles::{Known, Regions, Roles, roles};
pub use rules::closest;

/// A declaration, judged: what is wanted of every key in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Sorted by key, each key once.
    pub entries: Vec<Entry>,
    /// How much of the owner's declaration it is.
    pub extent: Extent,
    /// Documents whose identity could not be read: while there are any, absence means nothing.
    pub unreadable: u64,
    /// Documents, broken ones included.
    pub documents: u64,
}

/// What is wanted of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub key: Key,
    /// Its document; the first, where there are several.
    pub origin: Origin,
    /// What is wanted.
    pub wanted: Wanted,
    /// Where its account was.
    pub moved_from: Option<Key>,
    /// The one account it may take over.
    pub adopt: Option<RemoteId>,
    /// The credential that it asks for.
    pub credential: Option<Box<Credential>>,
}

/// Invalid is not absent: a broken declaration holds its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// This state; `enabled` is what the document says, before anything above it is looked at.
    State(Box<State>),
    /// Declared and broken; this much of it is certain.
    Invalid(Salvage),
    /// Somebody deleted the object that declared it.
    Gone,
}

impl Entry {
    /// The state it wants, unless it is broken.
    pub fn state(&self) -> Option<&State> {
        match &self.wanted {
            Wanted::State(state) => Some(state),
            Wanted::Invalid(_) | Wanted::Gone => None,
        }
    }

    /// Breaks a sound entry: what is certain of it stays certain.
    fn spoil(&mut self) {
        if let Wanted::State(state) = &self.wanted {
            self.wanted = Wanted::Invalid(salvage(state, self.moved_from.clone()));
        }
    }
}

/// What stays certain of a state whose declaration turns out to be broken.
pub fn salvage(state: &State, moved_from: Option<Key>) -> Salvage {
    Salvage { disabled: state.suspended, role: state.body.user().map(|user| user.role.clone()), moved_from }
}

impl Desired {
    /// What is wanted of a key.
    pub fn get(&self, key: &Key) -> Option<&Entry> {
        self.entries.binary_search_by(|entry| entry.key.cmp(key)).ok().map(|row| &self.entries[row])
    }

    /// Whether a key is declared, be it broken.
    pub fn declares(&self, key: &Key) -> bool {
        self.get(key).is_some_and(|entry| entry.wanted != Wanted::Gone)
    }

    /// Whether this is the owner's whole declaration.
    pub fn whole(&self) -> bool {
        match self.extent {
            Extent::Whole { .. } => true,
            Extent::Part | Extent::Objects => false,
        }
    }

    /// The entries of one kind.
    pub fn of(&self, kind: Kind) -> &[Entry] {
        let start = self.entries.partition_point(|entry| entry.key.kind < kind);
        let end = self.entries.partition_point(|entry| entry.key.kind <= kind);
        &self.entries[start..end]
    }
}

/// Judges documents together: identities, claims, references, cycles, regions, parents. What breaks a rule of its own is
/// [`Wanted::Invalid`]; a reference to something undeclared is a problem that leaves the rest of its document standing.
pub fn desired(documents: Vec<Lowered>, project: &Project, extent: Extent, unreadable: u64) -> (Desired, Vec<Problem>) {
    let count = documents.len() as u64;
    let mut problems = Vec::new();
    let mut entries: Vec<Entry> = documents.into_iter().map(|document| entry(document, project)).collect();
    entries.sort_by(|a, b| a.key.cmp(&b.key).then(a.origin.cmp(&b.origin)));
    entries.dedup_by(|again, first| {
        let same = again.key == first.key;
        if same {
            problems.push(duplicate(first, again));
            let disabled = |entry: &Entry| match &entry.wanted {
                Wanted::State(state) => state.suspended,
                Wanted::Invalid(salvage) => salvage.disabled,
                Wanted::Gone => false,
            };
            // Two documents that contradict each other agree on shutting off, or on nothing.
            first.wanted = Wanted::Invalid(Salvage { disabled: disabled(first) && disabled(again), ..Salvage::default() });
        }
        same
    });
    let mut desired = Desired { entries, extent, unreadable, documents: count };
    rules::judge(&mut desired, project, &mut problems);
    (desired, problems)
}

fn entry(document: Lowered, project: &Project) -> Entry {
    let Lowered { key, origin, form } = document;
    match form {
        Form::Broken(salvage) => {
            let moved_from = salvage.moved_from.clone();
            Entry { key, origin, wanted: Wanted::Invalid(salvage), moved_from, adopt: None, credential: None }
        }
        Form::Gone => Entry { key, origin, wanted: Wanted::Gone, moved_from: None, adopt: None, credential: None },
        Form::Sound(declared) => {
            let crate::manifest::Declared { place, body, enabled, deletion, credential, moved_from, adopt } = *declared;
            let deletion = match key.kind {
                Kind::Role => Deletion::Delete,
                Kind::Company | Kind::Customer | Kind::User => deletion.unwrap_or(project.deletion),
            };
            let owner = Some(project.owner.clone());
            let state = State {
                key: key.clone(),
                place,
                body,
                enabled,
                suspended: !enabled,
                locked: None,
                retired: false,
                owner,
                deletion,
            };
            Entry { key, origin, wanted: Wanted::State(Box::new(state)), moved_from, adopt, credential: credential.map(Box::new) }
        }
    }
}

fn duplicate(first: &Entry, again: &Entry) -> Problem {
    let place = || Place::path("metadata.name");
    Problem::error(Code::DuplicateIdentity, again.origin, place(), format!("`{}` is declared twice", again.key))
        .related(first.origin, place(), "first declared here")
        .hint("a name stands for one thing within its kind and namespace: rename or remove one of them")
        .of(&again.key)
}
