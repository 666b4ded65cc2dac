//! Records laid over each other: what there was at a time.

use std::{borrow::Cow, collections::HashMap};

use jiff::Timestamp;
use smol_str::SmolStr;

use super::{FOUND, fields, key};
use crate::{
    model::{Field, FieldChange, FieldValue, Key, Kind, Name, Namespace, RemoteId, State, ValueError},
    observed::outside_name,
};

/// What one record says of the thing it is about.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its number.
    pub seq: u64,
    /// What was done.
    pub verb: &'a str,
    /// `user`, `company`, …
    pub kind: &'a str,
    /// Empty for what is global.
    pub namespace: &'a str,
    /// The name in its kind and namespace, afterwards.
    pub name: &'a str,
    /// Whose declaration; empty for what nobody manages.
    pub owner: &'a str,
    /// The directory's identifier.
    pub remote: &'a str,
    /// JSON: `{field: [before, after]}`.
    pub changes: &'a str,
}

/// Everything the records until some time come to. Two of them that follow each other can be laid together, so that a long
/// trail is read in parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    things: HashMap<RemoteId, Thing>,
    /// Companies and customers that were re-keyed: what stood under them has followed without a record of its own.
    renames: HashMap<Key, Vec<(u64, Key)>>,
    /// When a run that could write last compared the directory with this.
    pub looked: Option<Timestamp>,
    /// Things that were found changed later, and may have been already.
    pub unsure: u64,
}

/// One thing as it was recorded last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing {
    /// Its key; none for a stranger, and for what cannot be a key.
    pub key: Option<Key>,
    /// Whether it was deleted.
    pub gone: bool,
    /// Whether it was somebody else who did that.
    pub missed: bool,
    /// Whether any record of ours is about it, or it was only ever found.
    pub ours: bool,
    /// The number of its last record.
    pub seq: u64,
    /// The record that said under what it stands.
    placed: u64,
    /// The namespaces it has left since, each with the record by which it did.
    hops: Vec<(Namespace, u64)>,
    /// Its key and number at the first record of this past, for laying one past over another.
    first: (Option<Key>, u64),
    fields: Vec<Slot>,
}

/// One field of a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Slot {
    field: Field,
    /// As it was recorded last.
    value: FieldValue,
    /// As we had left it, where somebody else has changed it since.
    left: Option<FieldValue>,
    /// Whether a record of ours in this past says it.
    ours: bool,
}

impl Past {
    /// Lays one more record over it.
    pub fn add(&mut self, entry: &Entry<'_>) -> Result<(), serde_json::Error> {
        let Entry { seq, verb, kind, namespace, name, owner, remote, changes } = *entry;
        let changes = fields(changes, verb == FOUND)?;
        // Settings, and what became of a secret.
        if kind == "project" || verb == "credential" && changes.is_empty() {
            return Ok(());
        }
        let new = || Thing {
            key: None,
            gone: false,
            seq,
            placed: seq,
            hops: Vec::new(),
            first: (key(kind, namespace, name).filter(|_| !owner.is_empty()), seq),
            fields: Vec::new(),
            missed: false,
            ours: false,
        };
        // Nearly always the thing is there.
        if !self.things.contains_key(remote) {
            self.things.insert(RemoteId(SmolStr::new(remote)), new());
        }
        let Some(thing) = self.things.get_mut(remote) else { return Ok(()) };
        let found = verb == FOUND;
        (thing.seq, thing.gone) = (seq, verb == "delete");
        thing.ours |= !found;
        thing.missed = false;
        let named = |key: &Key| key.kind.word() == kind && key.namespace.as_str() == namespace && key.name.as_str() == name;
        if owner.is_empty() {
            thing.key = None;
        } else if !thing.key.as_ref().is_some_and(named) {
            let now = key(kind, namespace, name);
            thing.hop(now.as_ref(), seq);
            thing.key = now;
        }
        if thing.gone {
            return Ok(());
        }
        for FieldChange { field, before, after } in changes {
            match (field, &before, &after) {
                (Field::Key, FieldValue::Text(before), FieldValue::Text(after)) => {
                    if let (Ok(before), Ok(after)) = (before.parse::<Key>(), after.parse::<Key>())
                        && matches!(before.kind, Kind::Company | Kind::Customer)
                        && before != after
                    {
                        self.renames.entry(before).or_default().push((seq, after));
                    }
                }
                (Field::Key, _, FieldValue::None) if found => (thing.gone, thing.missed) = (true, true),
                (Field::Key, _, _) => {}
                _ => {
                    if field.is_place() {
                        thing.placed = seq;
                        thing.hops.clear();
                    }
                    let left = found.then_some(before);
                    thing.set(Slot { field, value: after, left, ours: !found });
                }
            }
        }
        Ok(())
    }

    /// Lays what came later over this.
    pub fn extend(&mut self, later: Self) {
        let Self { things, renames, looked, unsure } = later;
        for (id, thing) in things {
            match self.things.get_mut(&id) {
                Some(before) => before.overlay(thing),
                None => drop(self.things.insert(id, thing)),
            }
        }
        for (key, mut more) in renames {
            self.renames.entry(key).or_default().append(&mut more);
        }
        self.looked = looked.or(self.looked);
        self.unsure += unsure;
    }

    /// Whether nothing was ever recorded.
    pub fn is_empty(&self) -> bool {
        self.things.is_empty()
    }

    /// Every thing with its identifier, in no order; deleted ones too.
    pub fn things(&self) -> impl Iterator<Item = (&RemoteId, &Thing)> {
        self.things.iter()
    }

    /// The thing with an identifier.
    pub fn get(&self, id: &RemoteId) -> Option<&Thing> {
        self.things.get(id)
    }

    /// What was managed, of that what is `wanted`, as it was, sorted by key. What cannot be read any more is an error beside its
    /// key.
    pub fn states(&self, wanted: impl Fn(&Thing) -> bool) -> Vec<(RemoteId, Key, Result<State, ValueError>)> {
        let managed = self.things.iter().filter(|(_, thing)| thing.managed() && wanted(thing));
        let state = |(id, thing): (&RemoteId, &Thing)| {
            let key = thing.key.clone()?;
            Some((id.clone(), key.clone(), State::restored(key, &self.fields(thing))))
        };
        let mut states: Vec<_> = managed.filter_map(state).collect();
        states.sort_by(|a, b| a.1.cmp(&b.1));
        states
    }

    /// The fields of a thing, under what it stands as that is called now.
    pub fn fields(&self, thing: &Thing) -> Vec<(Field, FieldValue)> {
        thing.fields.iter().map(|slot| (slot.field, self.called(thing, slot, &slot.value).into_owned())).collect()
    }

    /// One field of a thing: as it was recorded last, or as we had left it.
    pub fn field<'a>(&self, thing: &'a Thing, field: Field, as_left: bool) -> Option<Cow<'a, FieldValue>> {
        let slot = thing.fields.iter().find(|slot| slot.field == field)?;
        Some(match slot.left.as_ref().filter(|_| as_left) {
            Some(left) => Cow::Borrowed(left),
            None => self.called(thing, slot, &slot.value),
        })
    }

    /// A value, which is a place by the name that this bears now.
    fn called<'a>(&self, thing: &Thing, slot: &Slot, value: &'a FieldValue) -> Cow<'a, FieldValue> {
        let Some(key) = thing.key.as_ref().filter(|_| !self.renames.is_empty()) else { return Cow::Borrowed(value) };
        let kind = match (slot.field, key.kind) {
            (Field::Parent, Kind::Company) | (Field::Company, Kind::Customer | Kind::User) => Kind::Company,
            (Field::Customer, Kind::User) => Kind::Customer,
            _ => return Cow::Borrowed(value),
        };
        let Some(mut name) = value.text().and_then(|name| Name::new(name).ok()) else { return Cow::Borrowed(value) };
        let mut from = thing.placed;
        let last = (key.namespace.clone(), u64::MAX);
        for (namespace, until) in thing.hops.iter().chain([&last]) {
            let now = self.renamed(Key::new(kind, namespace.clone(), name.clone()), from, *until);
            name = if now.namespace == *namespace {
                now.name
            } else {
                // A place is a name in the same namespace: see `outside_name`.
                let id = self.things.iter().find(|(_, thing)| thing.key.as_ref() == Some(&now)).map(|(id, _)| id);
                id.and_then(outside_name).unwrap_or(now.name)
            };
            from = *until;
        }
        Cow::Owned(FieldValue::Text(SmolStr::new(name.as_str())))
    }

    /// What a key of record `seq` is called at record `until`.
    fn renamed(&self, mut key: Key, mut seq: u64, until: u64) -> Key {
        while let Some((at, to)) = self.renames.get(&key).and_then(|all| all.iter().find(|(at, _)| *at > seq && *at <= until)) {
            (key, seq) = (to.clone(), *at);
        }
        key
    }
}

impl Thing {
    /// Whether it was there and somebody's.
    pub fn managed(&self) -> bool {
        !self.gone && self.find(Field::Owner).is_some_and(|owner| *owner != FieldValue::None)
    }

    /// The value of a field, as it was recorded.
    pub fn find(&self, wanted: Field) -> Option<&FieldValue> {
        self.fields.iter().find(|slot| slot.field == wanted).map(|slot| &slot.value)
    }

    /// Leaves a namespace, where the key is to be one in another.
    fn hop(&mut self, to: Option<&Key>, seq: u64) {
        let left = self.key.as_ref().map(|key| &key.namespace).filter(|left| to.is_some_and(|to| to.namespace != **left));
        self.hops.extend(left.map(|left| (left.clone(), seq)));
    }

    /// Lays a field over what is known of it. What was only found keeps how we had left it.
    fn set(&mut self, slot: Slot) {
        match self.fields.iter_mut().find(|it| it.field == slot.field) {
            Some(old) if slot.ours => *old = slot,
            Some(old) => {
                let Slot { field: _, value, left, ours: _ } = slot;
                old.left = old.left.take().or(left);
                old.value = value;
            }
            None => self.fields.push(slot),
        }
    }

    fn overlay(&mut self, later: Self) {
        let Self { key, gone, missed, ours, seq, placed, hops, first, fields } = later;
        if fields.iter().any(|slot| slot.field.is_place()) {
            (self.placed, self.hops) = (placed, hops);
        } else {
            self.hop(first.0.as_ref(), first.1);
            self.hops.extend(hops);
        }
        (self.key, self.gone, self.missed, self.seq) = (key, gone, missed, seq);
        self.ours |= ours;
        for slot in fields {
            self.set(slot);
        }
    }
}
