//! Resources → objects, and what is to become of an object → what is sent. No request is made here.
//!
//! A user is a User. A company is a Group, and so are a customer and a role, told apart by the `displayName`: a role's is
//! `role:NAME`, a customer's `customer:TITLE`, any other is a company's. A company whose own name would begin like one of them
//! has `company:` before it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use smol_str::{SmolStr, format_smolstr};

use crate::{
    drivers::remote::{Item, Target},
    model::{Field, Kind, RemoteId},
};

use super::{
    places::{Member, Places},
    resource::{Resource, member, text, truth},
    service::{GROUP, Schema, Service, USER},
    wire::Op,
};

const ROLE: &str = "role:";
const CUSTOMER: &str = "customer:";
const COMPANY: &str = "company:";

/// Fields of a user that are one text each.
const TEXTS: [(Field, &str); 4] = [
    (Field::Username, "userName"),
    (Field::DisplayName, "displayName"),
    (Field::FirstName, "name.givenName"),
    (Field::LastName, "name.familyName"),
];

/// Fields that are one of several values, with the types that are looked for, best first.
const VALUES: [(Field, &str, &[&str]); 2] =
    [(Field::Email, "emails", &["work"]), (Field::Phone, "phoneNumbers", &["mobile", "work"])];

/// Native fields of each kind.
pub(super) fn native(kind: Kind) -> &'static [Field] {
    match kind {
        Kind::User => &[Field::Username, Field::Email, Field::DisplayName, Field::FirstName, Field::LastName, Field::Phone],
        Kind::Company | Kind::Customer => &[Field::DisplayName],
        Kind::Role => &[],
    }
}

/// What an object is called here: users and groups may have the same identifiers. It becomes part of names of ours, so there is
/// no sign in it that names cannot have.
pub(super) fn remote(kind: Kind, id: &str) -> RemoteId {
    RemoteId(match kind {
        Kind::User => format_smolstr!("u-{id}"),
        Kind::Role | Kind::Company | Kind::Customer => format_smolstr!("g-{id}"),
    })
}

/// What the service calls it.
pub(super) fn local(id: &RemoteId) -> &str {
    id.0.split_once('-').map_or(id.0.as_str(), |(_, id)| id)
}

/// What a group stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stands<'a> {
    /// Who holds a role, by its native name.
    Role(&'a str),
    /// A company or customer, with what people call it.
    Place(Kind, &'a str),
}

/// What a group with this name stands for.
pub(super) fn stands(name: &str) -> Stands<'_> {
    if let Some(role) = name.strip_prefix(ROLE) {
        return Stands::Role(role);
    }
    match name.strip_prefix(CUSTOMER) {
        Some(title) => Stands::Place(Kind::Customer, title),
        None => Stands::Place(Kind::Company, name.strip_prefix(COMPANY).unwrap_or(name)),
    }
}

/// The name of the group of a role.
pub(super) fn role_name(role: &str) -> String {
    format!("{ROLE}{role}")
}

/// The name of the group of a company or customer.
pub(super) fn place_name(kind: Kind, title: &str) -> String {
    match kind {
        Kind::Customer => format!("{CUSTOMER}{title}"),
        Kind::Company | Kind::Role | Kind::User if [ROLE, CUSTOMER, COMPANY].iter().any(|it| title.starts_with(it)) => {
            format!("{COMPANY}{title}")
        }
        Kind::Company | Kind::Role | Kind::User => title.to_owned(),
    }
}

/// The user in a resource, with its place and its roles among those asked for.
pub(super) fn user(resource: &Resource, service: &Service, places: &Places) -> Item {
    let texts = TEXTS.iter().filter_map(|(field, path)| Some((*field, SmolStr::new(resource.text(path)?))));
    let values = VALUES.iter().filter_map(|(field, name, types)| {
        let found: Vec<_> = resource.values(name).collect();
        Some((*field, SmolStr::new(text(found[chosen(&found, types)?], "value")?)))
    });
    let (parent, unfit) = places.parent(Member::User, resource.id());
    Item {
        id: remote(Kind::User, resource.id()),
        kind: Kind::User,
        parent,
        fields: texts.chain(values).collect(),
        roles: places.roles(resource.id()),
        enabled: service.user.has("active").then(|| resource.flag("active").unwrap_or(true)),
        mark: resource.text("externalId").map(str::to_owned),
        created_at: resource.created(),
        tag: resource.version().filter(|_| service.etag),
        must_change: None,
        unfit,
    }
}

/// The company or customer in a resource, unless it is a role.
pub(super) fn place(resource: &Resource, service: &Service, places: &Places) -> Option<Item> {
    let Stands::Place(kind, title) = stands(resource.text("displayName").unwrap_or_default()) else { return None };
    let (parent, unfit) = places.parent(Member::Group, resource.id());
    Some(Item {
        id: remote(kind, resource.id()),
        kind,
        parent,
        fields: (!title.is_empty()).then(|| (Field::DisplayName, SmolStr::new(title))).into_iter().collect(),
        roles: Vec::new(),
        enabled: None,
        mark: resource.text("externalId").map(str::to_owned),
        created_at: resource.created(),
        tag: resource.version().filter(|_| service.etag),
        must_change: None,
        unfit,
    })
}

/// Which of several values is meant: the primary one, else one of the types, else the first.
fn chosen(values: &[&Map<String, Value>], types: &[&str]) -> Option<usize> {
    let primary = values.iter().position(|value| member(value, "primary").and_then(truth) == Some(true));
    let of = |wanted: &str| values.iter().position(|value| text(value, "type").is_some_and(|it| it.eq_ignore_ascii_case(wanted)));
    primary.or_else(|| types.iter().find_map(|wanted| of(wanted))).or((!values.is_empty()).then_some(0))
}

/// A new resource.
pub(super) fn created(target: &Target, service: &Service) -> Value {
    let Target { kind, name: _, parent: _, fields, role: _, enabled, mark } = target;
    let mut body = Map::new();
    if let Some(mark) = mark {
        body.insert("externalId".into(), mark.as_str().into());
    }
    if *kind != Kind::User {
        body.insert("schemas".into(), json!([GROUP]));
        let title = of(fields, Field::DisplayName).unwrap_or_default();
        body.insert("displayName".into(), place_name(*kind, title).into());
        return Value::Object(body);
    }
    body.insert("schemas".into(), json!([USER]));
    let mut names = Map::new();
    for (field, path) in TEXTS {
        let Some(value) = of(fields, field) else { continue };
        match path.split_once('.') {
            Some((_, inner)) => names.insert(inner.into(), value.into()),
            None => body.insert(path.into(), value.into()),
        };
    }
    if service.user.required("name.formatted") {
        names.insert("formatted".into(), formatted(fields).into());
    }
    if !names.is_empty() {
        body.insert("name".into(), Value::Object(names));
    }
    for (field, name, types) in VALUES {
        if let Some(value) = of(fields, field) {
            body.insert(name.into(), json!([one(&service.user, name, types, value)]));
        }
    }
    if service.user.writable("active") {
        body.insert("active".into(), (*enabled).into());
    }
    Value::Object(body)
}

/// A name in one piece, for the services that will not do without.
fn formatted(fields: &[(Field, SmolStr)]) -> String {
    let names: Vec<_> = [Field::FirstName, Field::LastName].into_iter().filter_map(|field| of(fields, field)).collect();
    let username = || of(fields, Field::Username).unwrap_or_default().to_owned();
    match of(fields, Field::DisplayName) {
        Some(name) => name.to_owned(),
        None if names.is_empty() => username(),
        None => names.join(" "),
    }
}

/// A value of several, with what the service knows of such: some refuse `primary`.
fn one(schema: &Schema, name: &str, types: &[&str], value: &str) -> Value {
    let mut it = Map::from_iter([("value".to_owned(), Value::from(value))]);
    let known = schema.canonical(&format!("{name}.type"));
    let fits = |wanted: &&&str| known.is_empty() || known.iter().any(|it| it.eq_ignore_ascii_case(wanted));
    if schema.writable(&format!("{name}.type"))
        && let Some(wanted) = types.iter().find(fits)
    {
        it.insert("type".into(), (*wanted).into());
    }
    if schema.writable(&format!("{name}.primary")) {
        it.insert("primary".into(), true.into());
    }
    Value::Object(it)
}

/// One attribute that is to be something else.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Set {
    path: &'static str,
    was: bool,
    to: Option<Value>,
}

/// What differs between an object and what it should be, apart from place and role. `whole` is the resource, where there is
/// any need to know it: [`needs_whole`].
pub(super) fn sets(item: &Item, target: &Target, service: &Service, whole: Option<&Resource>) -> Vec<Set> {
    let Target { kind, name: _, parent: _, fields, role: _, enabled, mark: _ } = target;
    let changed = |field: Field| of(&item.fields, field) != of(fields, field);
    let text = |path: &'static str, field: Field, spelled: &dyn Fn(&str) -> String| Set {
        path,
        was: of(&item.fields, field).is_some(),
        to: of(fields, field).map(|text| spelled(text).into()),
    };
    if *kind != Kind::User {
        let name = |title: &str| place_name(*kind, title);
        return changed(Field::DisplayName).then(|| text("displayName", Field::DisplayName, &name)).into_iter().collect();
    }
    let mut sets: Vec<Set> =
        TEXTS.into_iter().filter(|(field, _)| changed(*field)).map(|(field, path)| text(path, field, &str::to_owned)).collect();
    if service.user.required("name.formatted") && sets.iter().any(|set| set.path != "userName") {
        sets.push(Set { path: "name.formatted", was: true, to: Some(formatted(fields).into()) });
    }
    for (field, name, types) in VALUES {
        if changed(field) {
            sets.push(several(whole, service, (name, types), of(fields, field)));
        }
    }
    if item.enabled.is_some_and(|was| was != *enabled) {
        sets.push(Set { path: "active", was: true, to: Some((*enabled).into()) });
    }
    sets
}

/// Whether the resource has to be read again before a change: some values stand beside others, which stay.
pub(super) fn needs_whole(item: &Item, target: &Target) -> bool {
    VALUES.iter().any(|(field, _, _)| of(&item.fields, *field) != of(&target.fields, *field))
}

/// All values of an attribute, with the one that is meant replaced, added or taken away.
fn several(whole: Option<&Resource>, service: &Service, (name, types): (&'static str, &[&str]), to: Option<&str>) -> Set {
    let found: Vec<_> = whole.into_iter().flat_map(|whole| whole.values(name)).collect();
    let meant = chosen(&found, types);
    let mut values: Vec<Value> = found.iter().map(|value| Value::Object((*value).clone())).collect();
    let was = !values.is_empty();
    match (meant, to) {
        (Some(at), Some(to)) => {
            if let Value::Object(value) = &mut values[at] {
                value.retain(|key, _| !key.eq_ignore_ascii_case("display") && !key.eq_ignore_ascii_case("value"));
                value.insert("value".into(), to.into());
            }
        }
        (Some(at), None) => drop(values.remove(at)),
        (None, Some(to)) => values.push(one(&service.user, name, types, to)),
        (None, None) => {}
    }
    Set { path: name, was, to: (!values.is_empty()).then_some(Value::Array(values)) }
}

/// A change in parts.
pub(super) fn ops(sets: &[Set]) -> Vec<Op> {
    let op = |Set { path, was, to }: &Set| match to {
        Some(value) if *was => Op::Replace((*path).into(), value.clone()),
        Some(value) => Op::Add((*path).into(), value.clone()),
        None => Op::Remove((*path).into()),
    };
    sets.iter().map(op).collect()
}

/// The same change made to the whole resource.
pub(super) fn apply(resource: &mut Resource, sets: &[Set]) {
    for Set { path, was: _, to } in sets {
        resource.set(path, to.clone());
    }
}

/// What is sent to replace a resource: everything that was read, but what is for the service alone to say. The password is not
/// among what is read; some services take it away then.
pub(super) fn replacement(resource: Resource, schema: &Schema) -> Value {
    resource.body(|name| {
        let own = ["meta", "groups", "password"].iter().any(|it| name.eq_ignore_ascii_case(it));
        own || schema.read_only(name) && !name.eq_ignore_ascii_case("id")
    })
}

/// The text of a field.
pub(super) fn of(fields: &[(Field, SmolStr)], wanted: Field) -> Option<&str> {
    fields.iter().find(|(field, _)| *field == wanted).map(|(_, text)| text.as_str())
}

/// Whether what was created is what was to be: for a service that forgets the reference.
pub(super) fn equal(item: &Item, target: &Target) -> bool {
    let sorted = |fields: &[(Field, SmolStr)]| fields.iter().cloned().collect::<BTreeMap<_, _>>();
    let enabled = item.enabled.is_none_or(|enabled| enabled == target.enabled);
    item.kind == target.kind && enabled && sorted(&item.fields) == sorted(&target.fields)
}
