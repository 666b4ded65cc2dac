//! Objects in memory, with what each claims and what stands under what: the organisation of a directory, without a word of where
//! it comes from.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use smol_str::SmolStr;

use crate::{
    directory::DirectoryError,
    model::{Body, Key, Kind, Name, RemoteId, Version},
    observed::{Live, Stranger, outside_id},
    plan::Change,
};

use super::rows::{self, Above, Claim, Found, Write};

/// One object. The place within `found` is worked out anew at each look, from `parent`.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) found: Found,
    pub(super) parent: Option<RemoteId>,
}

/// Objects, each identifier and each key once.
#[derive(Debug, Default)]
pub(super) struct Table {
    objects: BTreeMap<RemoteId, Entry>,
    keys: BTreeMap<Key, RemoteId>,
    claims: BTreeMap<(Claimed, SmolStr), RemoteId>,
    children: BTreeSet<(RemoteId, RemoteId)>,
}

/// Within what a value is unique.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Claimed {
    Username,
    Email,
    /// Titles within one company.
    Title(RemoteId),
}

impl Table {
    /// The object with an identifier.
    pub(super) fn get(&self, id: &RemoteId) -> Option<&Entry> {
        self.objects.get(id)
    }

    /// The same, to be changed in what it does not claim.
    pub(super) fn get_mut(&mut self, id: &RemoteId) -> Option<&mut Entry> {
        self.objects.get_mut(id)
    }

    /// The identifier of the object with a key.
    pub(super) fn id(&self, key: &Key) -> Option<&RemoteId> {
        self.keys.get(key)
    }

    /// Every object, sorted by identifier.
    pub(super) fn objects(&self) -> impl Iterator<Item = &Entry> {
        self.objects.values()
    }

    /// How many objects stand right under one.
    pub(super) fn children(&self, id: &RemoteId) -> u64 {
        self.children.range((id.clone(), RemoteId(SmolStr::default()))..).take_while(|it| it.0 == *id).count() as u64
    }

    /// Everything as the port has it: what is managed sorted by key, strangers by identifier.
    pub(super) fn look(&self) -> (Vec<Live>, Vec<Stranger>) {
        let (mut ours, mut strangers) = (Vec::with_capacity(self.keys.len()), Vec::new());
        for entry in self.objects() {
            match self.placed(entry) {
                Found::Managed(live) => ours.push(*live),
                Found::Stranger(stranger) => strangers.push(*stranger),
            }
        }
        ours.sort_unstable_by(|a, b| a.state.key.cmp(&b.state.key));
        (ours, strangers)
    }

    /// An object with its place as it is now.
    pub(super) fn placed(&self, entry: &Entry) -> Found {
        let mut found = entry.found.clone();
        if let Found::Managed(live) = &mut found {
            live.state.place = entry.parent.as_ref().and_then(|id| {
                let above = &self.objects.get(id)?.found;
                let key = above.key().map(|key| (&key.namespace, &key.name));
                Above { id, kind: above.kind(), key }.place(&live.state.key.namespace)
            });
        }
        found
    }

    /// The object that a place means.
    pub(super) fn resolve(&self, above: &Key) -> Option<RemoteId> {
        let outside = || {
            let id = outside_id(above.name.as_str())?;
            let alike = |entry: &&Entry| Name::nearest(&entry.found.id().0).is_some_and(|name| name.as_str() == id);
            let entry = self.objects.values().find(alike)?;
            (entry.found.kind() == above.kind).then(|| entry.found.id().clone())
        };
        self.keys.get(above).cloned().or_else(outside)
    }

    /// What an object will stand under; `id` is the object, unless it is new.
    pub(super) fn parent(
        &self,
        change: &Change,
        write: &Write<'_>,
        id: Option<&RemoteId>,
    ) -> Result<Option<RemoteId>, DirectoryError> {
        let Some(above) = write.to.above() else { return Ok(None) };
        let parent = self.resolve(&above).ok_or_else(|| rows::homeless(change, &above))?;
        let mut next = Some(&parent);
        while let Some(up) = next {
            if Some(up) == id {
                return Err(rows::cyclic(change));
            }
            next = self.objects.get(up).and_then(|entry| entry.parent.as_ref());
        }
        Ok(Some(parent))
    }

    /// Takes an object out, with everything it claims.
    pub(super) fn take(&mut self, id: &RemoteId) -> Option<Entry> {
        let entry = self.objects.remove(id)?;
        if let Some(key) = entry.found.key() {
            self.keys.remove(key);
        }
        for claim in claims(&entry) {
            // Where others than we write, two can have the same.
            if self.claims.get(&claim) == Some(id) {
                self.claims.remove(&claim);
            }
        }
        if let Some(parent) = &entry.parent {
            self.children.remove(&(parent.clone(), id.clone()));
        }
        Some(entry)
    }

    /// Puts in an object that is there, whatever others claim: where others than we write, two can have the same. One whose
    /// identifier or key is there already is given back.
    pub(super) fn put_as_it_is(&mut self, entry: Entry) -> Result<(), Box<Entry>> {
        let id = entry.found.id().clone();
        if self.objects.contains_key(&id) || entry.found.key().is_some_and(|key| self.keys.contains_key(key)) {
            return Err(Box::new(entry));
        }
        for claim in claims(&entry) {
            self.claims.entry(claim).or_insert_with(|| id.clone());
        }
        self.keep(id, entry);
        Ok(())
    }

    fn keep(&mut self, id: RemoteId, entry: Entry) {
        if let Some(key) = entry.found.key() {
            self.keys.insert(key.clone(), id.clone());
        }
        if let Some(parent) = &entry.parent {
            self.children.insert((parent.clone(), id.clone()));
        }
        self.objects.insert(id, entry);
    }

    /// Puts an object in, unless something it claims is taken.
    pub(super) fn put(&mut self, entry: Entry) -> Result<(), Claim> {
        let id = entry.found.id().clone();
        if self.objects.contains_key(&id) || entry.found.key().is_some_and(|key| self.keys.contains_key(key)) {
            return Err(Claim::Key);
        }
        let claims = claims(&entry);
        if let Some((claimed, _)) = claims.iter().find(|claim| self.claims.contains_key(claim)) {
            return Err(match claimed {
                Claimed::Username => Claim::Username,
                Claimed::Email => Claim::Email,
                Claimed::Title(_) => Claim::Title,
            });
        }
        self.claims.extend(claims.into_iter().map(|claim| (claim, id.clone())));
        self.keep(id, entry);
        Ok(())
    }
}

/// The row that a write makes.
pub(super) fn entry(id: RemoteId, created_at: Timestamp, write: Write<'_>, parent: Option<RemoteId>) -> Entry {
    let Write { to, credential, secret: _, retired_at, source, stays: _, version, fields: _ } = write;
    let version: Option<Version> = Some(rows::version(version));
    let found = if to.owner.is_some() {
        let (state, left_enabled) = (to.clone(), to.enabled);
        let unused_until = None;
        Found::Managed(Box::new(Live {
            state,
            id,
            version,
            left_enabled,
            credential,
            unused_until,
            retired_at,
            created_at,
            source,
            activated: None,
        }))
    } else {
        let (label, email) = match &to.body {
            Body::Role(_) => (SmolStr::new(to.key.name.as_str()), None),
            Body::Company(company) => (SmolStr::new(company.display_name.as_str()), None),
            Body::Customer(customer) => (SmolStr::new(customer.display_name.as_str()), None),
            Body::User(user) => (SmolStr::new(user.username.as_str()), Some(SmolStr::new(user.email.as_str()))),
        };
        let (kind, enabled, fit, parent) = (to.key.kind, to.enabled, Ok(to.body.clone()), parent.clone());
        let locked = to.locked.clone();
        Found::Stranger(Box::new(Stranger { id, kind, parent, label, email, enabled, locked, version, created_at, fit }))
    };
    Entry { found, parent }
}

/// What an object has that no other may have, apart from its key.
fn claims(entry: &Entry) -> Vec<(Claimed, SmolStr)> {
    let body = match &entry.found {
        Found::Managed(live) => Some(&live.state.body),
        Found::Stranger(stranger) => stranger.fit.as_ref().ok(),
    };
    match (body, &entry.found) {
        (Some(Body::User(user)), _) => {
            vec![(Claimed::Username, SmolStr::new(user.username.as_str())), (Claimed::Email, SmolStr::new(user.email.as_str()))]
        }
        (Some(Body::Customer(customer)), _) => {
            let title = |parent: &RemoteId| (Claimed::Title(parent.clone()), SmolStr::new(customer.display_name.as_str()));
            entry.parent.iter().map(title).collect()
        }
        (None, Found::Stranger(stranger)) if stranger.kind == Kind::User => {
            let email = stranger.email.iter().map(|email| (Claimed::Email, SmolStr::new(email.to_lowercase())));
            email.chain([(Claimed::Username, SmolStr::new(stranger.label.to_lowercase()))]).collect()
        }
        (Some(Body::Role(_) | Body::Company(_)) | None, _) => Vec::new(),
    }
}
