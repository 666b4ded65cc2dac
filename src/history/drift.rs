//! What a directory holds now, against what the records come to: what somebody else has changed.

use std::{borrow::Cow, collections::HashSet};

use smol_str::{SmolStr, ToSmolStr};

use super::past::{Past, Thing};
use crate::{
    model::{Body, Field, FieldChange, FieldValue, Key, Kind, RemoteId},
    observed::{Live, Observed, Stranger, outside_id},
};

/// Something that is not as the last run left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The directory's identifier.
    pub id: RemoteId,
    /// What it is.
    pub kind: Kind,
    /// Its key; none for a stranger.
    pub key: Option<Key>,
    /// What people know it by.
    pub label: SmolStr,
    /// Whose it is; none for a stranger.
    pub owner: Option<SmolStr>,
    /// The role of a user; what it was where they are gone.
    pub role: Option<SmolStr>,
    /// What happened to it.
    pub what: What,
    /// What differs: as it was recorded, and as it is.
    pub changes: Vec<FieldChange>,
}

/// What happened to something outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// It was added.
    Added,
    /// It is another.
    Changed,
    /// It is gone.
    Gone,
}

/// What a directory is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Against {
    /// What was recorded, found or done.
    Records,
    /// What we had left, whatever was found since.
    Ours,
}

/// What is other than recorded, sorted by key and then by what people know it by: what a run that looks has to record. Nothing
/// where no run ever wrote: then there is nothing to compare with.
pub fn news(past: &Past, observed: &Observed) -> Vec<Found> {
    compared(past, observed, Against::Records)
}

/// What is other than we had left it, sorted alike, whether or not a run has looked since: what somebody else changed, and nobody
/// has put right.
pub fn drift(past: &Past, observed: &Observed) -> Vec<Found> {
    compared(past, observed, Against::Ours)
}

fn compared(past: &Past, observed: &Observed, against: Against) -> Vec<Found> {
    if past.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<Found> = observed.ours.iter().filter_map(|live| of_live(past, live, against)).collect();
    let ids: HashSet<&RemoteId> = observed.ours.iter().map(|live| &live.id).collect();
    let strangers: HashSet<&RemoteId> = observed.strangers.iter().map(|stranger| &stranger.id).collect();
    let missing = |thing: &Thing| match against {
        Against::Records => thing.managed(),
        Against::Ours => {
            let back = || thing.key.as_ref().is_some_and(|key| observed.get(key).is_some());
            thing.managed() || thing.missed && thing.ours && !back()
        }
    };
    for (id, thing) in past.things().filter(|(id, thing)| missing(thing) && !ids.contains(id)) {
        found.extend(of_missing(id, thing, strangers.contains(id)));
    }
    found.extend(observed.strangers.iter().filter(|stranger| is_new(past, stranger, against)).map(of_stranger));
    found.sort_by(|a, b| (&a.key, a.kind, &a.label, &a.id).cmp(&(&b.key, b.kind, &b.label, &b.id)));
    found
}

/// Somebody who was there before anybody looked is no change. One who came later is drift for as long as nobody manages them.
fn is_new(past: &Past, stranger: &Stranger, against: Against) -> bool {
    match past.get(&stranger.id).filter(|thing| !thing.gone) {
        Some(thing) => against == Against::Ours && !thing.ours,
        None => past.looked.is_some_and(|looked| stranger.created_at > looked),
    }
}

fn of_live(past: &Past, live: &Live, against: Against) -> Option<Found> {
    let key = live.state.key.clone();
    let label = key.name.as_str().into();
    let owner = live.state.owner.as_ref().map(ToSmolStr::to_smolstr);
    let role = live.state.body.user().map(|user| user.role.to_smolstr());
    let known = past.get(&live.id).filter(|thing| thing.managed() && (against == Against::Records || thing.ours));
    let (what, changes) = match known {
        None => {
            let given = live.state.fields().into_iter().filter(|(_, value)| *value != FieldValue::None);
            let changes = given.map(|(field, after)| FieldChange { field, before: FieldValue::None, after });
            (What::Added, changes.collect())
        }
        Some(thing) => (What::Changed, differing(past, thing, live, against)),
    };
    if changes.is_empty() {
        return None;
    }
    Some(Found { id: live.id.clone(), kind: key.kind, key: Some(key), label, owner, role, what, changes })
}

fn differing(past: &Past, thing: &Thing, live: &Live, against: Against) -> Vec<FieldChange> {
    let recorded = |field| past.field(thing, field, against == Against::Ours).unwrap_or(Cow::Owned(FieldValue::None));
    let mut changes = Vec::new();
    // The key is no field of what was recorded, and is compared as it is: nearly all are alike, and there are many.
    if thing.key.as_ref() != Some(&live.state.key) {
        let text = |key: &Key| FieldValue::Text(key.to_smolstr());
        let before = thing.key.as_ref().map_or(FieldValue::None, text);
        changes.push(FieldChange { field: Field::Key, before, after: text(&live.state.key) });
    }
    for (field, after) in live.state.fields() {
        let before = recorded(field);
        if field != Field::Key && *before != after {
            let change = FieldChange { field, before: before.into_owned(), after };
            changes.extend(Some(change).filter(|change| !followed(change)));
        }
    }
    changes
}

/// Under what a thing stands has no name any more in its namespace: that is a change of the other thing.
fn followed(change: &FieldChange) -> bool {
    change.field.is_place() && change.after.text().and_then(outside_id).is_some()
}

fn of_missing(id: &RemoteId, thing: &Thing, a_stranger: bool) -> Option<Found> {
    let key = thing.key.clone()?;
    let owner = thing.find(Field::Owner).cloned().unwrap_or(FieldValue::None);
    let change = if a_stranger {
        FieldChange { field: Field::Owner, before: owner.clone(), after: FieldValue::None }
    } else {
        FieldChange { field: Field::Key, before: FieldValue::Text(key.to_smolstr()), after: FieldValue::None }
    };
    Some(Found {
        id: id.clone(),
        kind: key.kind,
        label: key.name.as_str().into(),
        owner: owner.text().map(SmolStr::new),
        role: thing.find(Field::Role).and_then(FieldValue::text).map(SmolStr::new),
        key: Some(key),
        what: if a_stranger { What::Changed } else { What::Gone },
        changes: vec![change],
    })
}

fn of_stranger(stranger: &Stranger) -> Found {
    let Stranger { id, kind, parent: _, label, email, enabled, locked: _, version: _, created_at: _, fit } = stranger;
    let text = |field, value: &str| (field, FieldValue::Text(SmolStr::new(value)));
    let name = if *kind == Kind::User { Field::Username } else { Field::DisplayName };
    let mut fields = vec![text(name, label)];
    fields.extend(email.as_ref().map(|email| text(Field::Email, email)));
    let role = match fit {
        Ok(Body::User(user)) => Some(user.role.to_smolstr()),
        Ok(Body::Role(_) | Body::Company(_) | Body::Customer(_)) | Err(_) => None,
    };
    fields.extend(role.as_ref().map(|role| text(Field::Role, role)));
    fields.push((Field::Enabled, FieldValue::Flag(*enabled)));
    let changes = fields.into_iter().map(|(field, after)| FieldChange { field, before: FieldValue::None, after }).collect();
    Found { id: id.clone(), kind: *kind, key: None, label: label.clone(), owner: None, role, what: What::Added, changes }
}
