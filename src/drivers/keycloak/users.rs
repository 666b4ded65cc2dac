//! A user ↔ what the port says of it.

use jiff::Timestamp;
use smol_str::SmolStr;

use super::{
    marks::{self, ATTRIBUTES},
    wire::{Attributes, User, UserBody},
};
use crate::{
    drivers::remote::{Item, Target},
    model::{Field, Kind, RemoteId},
};

/// What it is called when a password has to be changed.
pub(super) const UPDATE_PASSWORD: &str = "UPDATE_PASSWORD";

/// Fields of a user that other programs look at.
pub(super) const NATIVE: [Field; 10] = [
    Field::Username,
    Field::Email,
    Field::DisplayName,
    Field::FirstName,
    Field::LastName,
    Field::Phone,
    Field::Region,
    Field::Description,
    Field::Expires,
    Field::Justification,
];

/// A user as the port has it. Who is in no company belongs to `root`.
pub(super) fn item(user: &User, parent: Result<Option<RemoteId>, SmolStr>, root: Option<&RemoteId>, roles: Vec<SmolStr>) -> Item {
    let (parent, several) = match parent {
        Ok(parent) => (parent.or_else(|| root.cloned()), None),
        Err(why) => (None, Some(why)),
    };
    Item {
        id: RemoteId(SmolStr::new(&user.id)),
        kind: Kind::User,
        parent,
        fields: fields(user),
        roles,
        enabled: Some(user.enabled),
        mark: marks::mark(&user.attributes),
        created_at: user.created_timestamp.and_then(|at| Timestamp::from_millisecond(at).ok()),
        tag: None,
        must_change: Some(user.required_actions.iter().any(|action| action == UPDATE_PASSWORD)),
        unfit: unfit(user).or(several),
    }
}

/// Why a user is not ours to touch.
pub(super) fn unfit(user: &User) -> Option<SmolStr> {
    if user.service_account_client_id.is_some() || user.username.starts_with("service-account-") {
        return Some("it is the service account of a client".into());
    }
    user.federation_link.as_ref().map(|_| "it comes from another directory (user federation)".into())
}

fn fields(user: &User) -> Vec<(Field, SmolStr)> {
    let own = [
        (Field::Username, Some(user.username.as_str())),
        (Field::Email, user.email.as_deref()),
        (Field::FirstName, user.first_name.as_deref()),
        (Field::LastName, user.last_name.as_deref()),
    ];
    let attributes = ATTRIBUTES.into_iter().map(|(field, name)| (field, marks::value(&user.attributes, name)));
    let all = own.into_iter().chain(attributes);
    sorted(all.filter_map(|(field, text)| Some((field, SmolStr::new(text.filter(|text| !text.is_empty())?)))).collect())
}

fn sorted(mut fields: Vec<(Field, SmolStr)>) -> Vec<(Field, SmolStr)> {
    fields.sort_unstable_by_key(|(field, _)| *field);
    fields
}

/// Whether a user is as it was read, as far as we change it.
pub(super) fn is_as_read(user: &User, item: &Item) -> bool {
    sorted(item.fields.clone()) == fields(user) && item.mark == marks::mark(&user.attributes) && item.enabled == Some(user.enabled)
}

/// The text of a field of a target.
pub(super) fn text(target: &Target, field: Field) -> &str {
    target.fields.iter().find(|(known, _)| *known == field).map_or("", |(_, text)| text.as_str())
}

/// All of a user that stands in its own fields and in attributes, beside attributes of others.
pub(super) fn body(target: &Target, mut attributes: Attributes) -> UserBody<'_> {
    for (field, name) in ATTRIBUTES {
        marks::set(&mut attributes, name, Some(text(target, field)).filter(|text| !text.is_empty()));
    }
    marks::set_mark(&mut attributes, Kind::User, target.mark.as_deref());
    UserBody {
        username: Some(text(target, Field::Username)),
        email: Some(text(target, Field::Email)),
        first_name: Some(text(target, Field::FirstName)),
        last_name: Some(text(target, Field::LastName)),
        attributes: Some(attributes),
        ..UserBody::default()
    }
}

/// A user as it is after a write, given what it was if it was there.
pub(super) fn after(id: &str, target: &Target, before: Option<&Item>) -> Item {
    let Target { kind, name: _, parent, fields, role, enabled, mark } = target.clone();
    Item {
        id: RemoteId(SmolStr::new(id)),
        kind,
        parent,
        fields: sorted(fields),
        roles: role.map_or_else(|| before.map(|item| item.roles.clone()).unwrap_or_default(), |role| vec![role]),
        enabled: Some(enabled),
        mark,
        created_at: before.and_then(|item| item.created_at),
        tag: None,
        must_change: Some(before.is_some_and(|item| item.must_change == Some(true))),
        unfit: None,
    }
}
