//! Objects of a directory → the normal form, and back.

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use smol_str::{SmolStr, format_smolstr};

use crate::{
    drivers::{
        rows::{Found, Write},
        sql::audit::hex,
        table::Entry,
    },
    model::{Body, Field, FieldValue, Key, Kind, Name, Namespace, RemoteId, State, ValueError, Version},
    observed::{Live, Stranger},
};

use super::{Item, Target, mark::Mark};

/// What a user has who holds none of the roles there are.
pub(super) const NO_ROLE: &str = "none";

/// The object in an item, with its mark where that could be read; `unused_until` is for accounts.
pub(super) fn decode(item: &Item, mark: Result<Option<Mark>, SmolStr>, unused_until: Option<Timestamp>) -> Entry {
    let mut found = match mark {
        Ok(Some(mark)) => Found::Managed(Box::new(live(item, mark, unused_until))),
        Ok(None) => Found::Stranger(Box::new(stranger(item, None))),
        Err(why) => Found::Stranger(Box::new(stranger(item, Some(why)))),
    };
    let version = Some(version(&found, item.parent.as_ref()));
    match &mut found {
        Found::Managed(live) => live.version = version,
        Found::Stranger(stranger) => stranger.version = version,
    }
    Entry { found, parent: item.parent.clone() }
}

/// A managed object, whatever somebody else has made of it: a text that cannot be, as it stands there, is not there, so that a
/// plan shows what differs, and mends it.
fn live(item: &Item, mark: Mark, unused_until: Option<Timestamp>) -> Live {
    let Mark {
        owner,
        key,
        deletion,
        suspended,
        locked,
        retired_at,
        left_enabled,
        credential,
        source,
        created_at,
        role,
        fields,
        spelled,
    } = mark;
    let mut all: Vec<(Field, FieldValue)> = Vec::new();
    let ours = |field: Field, text: &SmolStr| spelled.iter().find(|it| it.0 == field && it.2 == *text).map(|it| it.1.clone());
    let native = item.fields.iter().map(|(field, text)| (*field, ours(*field, text).unwrap_or_else(|| text.clone())));
    for (field, text) in native.chain(fields) {
        if all.iter().all(|(known, _)| *known != field) && sound(item.kind, field, &text) {
            all.push((field, FieldValue::Text(text)));
        }
    }
    if item.kind == Kind::User {
        all.push((Field::Role, FieldValue::Text(held(item, role.as_deref(), &key.namespace))));
    }
    for (field, filler) in fillers(item.kind, &item.id) {
        if all.iter().all(|(known, _)| *known != field) {
            all.push((field, FieldValue::Text(filler)));
        }
    }
    let state = State::restored(key, &all).expect("every field of it is sound, and none is missing");
    let enabled = item.enabled.unwrap_or(left_enabled);
    let retired = retired_at.is_some();
    let state = State { enabled, suspended, locked: locked.map(Box::new), retired, owner: Some(owner), deletion, ..state };
    Live {
        state,
        id: item.id.clone(),
        version: None,
        left_enabled,
        credential,
        unused_until,
        retired_at,
        created_at: item.created_at.unwrap_or(created_at),
        source,
        activated: item.must_change.map(|must_change| !must_change),
    }
}

/// The role of a managed user: the one they hold. Of several it is one that we did not give, so that a plan shows it, and
/// takes it away.
fn held(item: &Item, given: Option<&str>, namespace: &Namespace) -> SmolStr {
    let other = item.roles.iter().find(|role| Some(role.as_str()) != given);
    other.or(item.roles.first()).map_or(SmolStr::new_static(NO_ROLE), |role| local(role, namespace))
}

/// What documents of a namespace call a role of the directory.
fn local(role: &str, namespace: &Namespace) -> SmolStr {
    let name = role.strip_prefix(namespace.as_str()).and_then(|rest| rest.strip_prefix('.')).unwrap_or(role);
    // One of another namespace has a dot in it, and is no name here.
    Name::new(name).map_or_else(|_| SmolStr::new_static(NO_ROLE), |name| SmolStr::new(name.as_str()))
}

/// What stands for a field without which there is nothing to compare: nothing that anybody declares.
fn fillers(kind: Kind, id: &RemoteId) -> Vec<(Field, SmolStr)> {
    let tail: String = id.0.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    match kind {
        Kind::User => vec![
            (Field::Username, format_smolstr!("unreadable-{tail}")),
            (Field::Email, format_smolstr!("{tail}@unreadable.invalid")),
        ],
        Kind::Company | Kind::Customer => vec![(Field::DisplayName, format_smolstr!("unreadable {tail}"))],
        Kind::Role => Vec::new(),
    }
}

/// Whether a field of a kind can hold a text.
fn sound(kind: Kind, field: Field, text: &str) -> bool {
    restored(kind, &[(field, FieldValue::Text(SmolStr::new(text)))]).is_ok()
}

/// What a kind with these fields says of itself; what it needs and is not there is filled in.
fn restored(kind: Kind, fields: &[(Field, FieldValue)]) -> Result<Body, ValueError> {
    let mut all = fields.to_vec();
    let role = (Field::Role, SmolStr::new_static(NO_ROLE));
    for (field, filler) in fillers(kind, &RemoteId("x".into())).into_iter().chain([role]) {
        if all.iter().all(|(known, _)| *known != field) {
            all.push((field, FieldValue::Text(filler)));
        }
    }
    let key = Key::new(kind, Namespace::DEFAULT, Name::new("x").expect("a label"));
    State::restored(key, &all).map(|state| state.body)
}

fn stranger(item: &Item, broken: Option<SmolStr>) -> Stranger {
    let text = |field: Field| item.fields.iter().find(|(known, _)| *known == field).map(|(_, text)| text.clone());
    let label = match item.kind {
        Kind::User => text(Field::Username),
        Kind::Role | Kind::Company | Kind::Customer => text(Field::DisplayName),
    };
    Stranger {
        id: item.id.clone(),
        kind: item.kind,
        parent: item.parent.clone(),
        label: label.unwrap_or_else(|| item.id.0.clone()),
        email: text(Field::Email).filter(|_| item.kind == Kind::User),
        enabled: item.enabled.unwrap_or(true),
        locked: None,
        version: None,
        created_at: item.created_at.unwrap_or(Timestamp::UNIX_EPOCH),
        fit: broken.or_else(|| item.unfit.clone()).map_or_else(|| fit(item), Err),
    }
}

/// What could be declared of a stranger.
fn fit(item: &Item) -> Result<Body, SmolStr> {
    let mut fields: Vec<(Field, FieldValue)> = Vec::new();
    for (field, text) in &item.fields {
        if !sound(item.kind, *field, text) {
            let why = restored(item.kind, &[(*field, FieldValue::Text(text.clone()))]).err().map(|error| error.to_string());
            return Err(format_smolstr!("its {}: {}", field.name(), why.unwrap_or_default()));
        }
        fields.push((*field, FieldValue::Text(text.clone())));
    }
    if item.kind == Kind::User {
        let role = match &item.roles[..] {
            [role] => role.clone(),
            [] => return Err("it holds none of the roles there are".into()),
            several => return Err(format_smolstr!("it holds several roles: {}", several.join(", "))),
        };
        if Name::new(&role).is_err() {
            return Err(format_smolstr!("its role `{role}` is that of a namespace"));
        }
        fields.push((Field::Role, FieldValue::Text(role)));
    }
    for (field, _) in fillers(item.kind, &item.id) {
        if fields.iter().all(|(known, _)| *known != field) {
            return Err(format_smolstr!("it has no {}", field.name()));
        }
    }
    restored(item.kind, &fields).map_err(|error| error.to_string().into())
}

/// Tells whether an object is as it was: a hash over everything that is compared. What a secret or its delivery changes is not.
pub(super) fn version(found: &Found, parent: Option<&RemoteId>) -> Version {
    #[derive(Serialize)]
    struct Hashed<'a> {
        fields: Vec<(Field, FieldValue)>,
        left_enabled: bool,
        label: Option<&'a str>,
        email: Option<&'a str>,
        enabled: bool,
        body: Option<&'a Body>,
        parent: Option<&'a str>,
    }
    let parent = parent.map(|id| id.0.as_str());
    let hashed = match found {
        Found::Managed(live) => Hashed {
            fields: live.state.fields().into_iter().filter(|(field, _)| !field.is_place()).collect(),
            left_enabled: live.left_enabled,
            label: None,
            email: None,
            enabled: live.state.enabled,
            body: None,
            parent,
        },
        Found::Stranger(stranger) => Hashed {
            fields: Vec::new(),
            left_enabled: false,
            label: Some(&stranger.label),
            email: stranger.email.as_deref(),
            enabled: stranger.enabled,
            body: stranger.fit.as_ref().ok(),
            parent,
        },
    };
    let hash = Sha256::digest(serde_json::to_vec(&hashed).expect("values of the model are JSON"));
    Version(hex(&hash[..12]).into())
}

/// The mark of an object after a write; none after a release.
pub(super) fn marked(write: &Write<'_>, native: &[Field], role: Option<SmolStr>, created_at: Timestamp) -> Option<Mark> {
    let Write { to, credential, secret: _, retired_at, source, stays: _, version: _, fields: _ } = write;
    let extra = |(field, value): (Field, FieldValue)| match value {
        FieldValue::Text(text) if !native.contains(&field) && kept(field) => Some((field, text)),
        FieldValue::Text(_) | FieldValue::None | FieldValue::Flag(_) | FieldValue::List(_) => None,
    };
    Some(Mark {
        owner: to.owner.clone()?,
        key: to.key.clone(),
        deletion: to.deletion,
        suspended: to.suspended,
        locked: to.locked.as_deref().cloned(),
        retired_at: *retired_at,
        left_enabled: to.enabled,
        credential: credential.clone(),
        source: source.clone(),
        created_at,
        role,
        fields: to.fields().into_iter().filter_map(extra).collect(),
        spelled: Vec::new(),
    })
}

/// Whether a field is one of those that a mark keeps in its list; the others have a place of their own.
fn kept(field: Field) -> bool {
    let own = [Field::Key, Field::Owner, Field::Retired, Field::Enabled, Field::Suspended, Field::Locked, Field::Deletion];
    !own.contains(&field) && !field.is_place() && field != Field::Role
}

/// What an object should be after a write. `mark` is its text, or the reference.
pub(super) fn target(
    to: &State,
    parent: Option<RemoteId>,
    role: Option<SmolStr>,
    mark: Option<String>,
    native: &[Field],
) -> Target {
    let fields = to.fields().into_iter().filter_map(|(field, value)| match value {
        FieldValue::Text(text) if native.contains(&field) => Some((field, text)),
        FieldValue::Text(_) | FieldValue::None | FieldValue::Flag(_) | FieldValue::List(_) => None,
    });
    Target {
        kind: to.key.kind,
        name: native_name(to, parent.is_some()),
        parent,
        fields: fields.collect(),
        role,
        enabled: to.enabled,
        mark,
    }
}

/// What a new object is called where it stands: what stands under nothing bears its namespace too, unless that says nothing.
fn native_name(to: &State, placed: bool) -> SmolStr {
    let Key { kind: _, namespace, name } = &to.key;
    if placed || *namespace == Namespace::DEFAULT || namespace.as_str() == name.as_str() {
        SmolStr::new(name.as_str())
    } else {
        format_smolstr!("{namespace}.{name}")
    }
}
