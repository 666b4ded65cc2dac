//! What is wanted: every document of a declaration, judged together. Pure, synchronous and total.

use std::collections::BTreeSet;

use crate::{
    manifest::{Extent, Lowered, Origin, Problem, Project, Salvage},
    model::{Credential, Key, RemoteId, RoleTable, State},
};

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
}

impl Desired {
    /// What is wanted of a key.
    pub fn get(&self, key: &Key) -> Option<&Entry> {
        self.entries.binary_search_by(|entry| entry.key.cmp(key)).ok().map(|row| &self.entries[row])
    }
}

/// The roles that hold while a declaration is planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// In force after the plan.
    pub table: RoleTable,
    /// Keys that break a rule about roles; they are held like broken documents.
    pub broken: BTreeSet<Key>,
    /// What is wrong with them.
    pub problems: Vec<Problem>,
}

/// Judges documents together: identities, claims, references, cycles, regions, parents. Whatever breaks a rule is
/// [`Wanted::Invalid`] and has a problem.
pub fn desired(_documents: Vec<Lowered>, _project: &Project, _extent: Extent, _unreadable: u64) -> (Desired, Vec<Problem>) {
    todo!()
}

/// Judges the rules about roles, which need to know what is in force: `last` are the roles as last applied, or nothing
/// where no directory was asked.
pub fn roles(_desired: &Desired, _last: Option<&RoleTable>) -> Roles {
    todo!()
}
