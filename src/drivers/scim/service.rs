//! What a service says of itself, <https://www.rfc-editor.org/rfc/rfc7644#section-4>. What it does not say is assumed to be as
//! the standard has it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::{
    model::{Field, Kind, Method},
    observed::Capabilities,
};

use super::{
    CONCURRENCY,
    resource::{member, text, truth},
};

/// <https://www.rfc-editor.org/rfc/rfc7643#section-4.1>
pub(super) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// <https://www.rfc-editor.org/rfc/rfc7643#section-4.2>
pub(super) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// The most resources asked for at once: AWS refuses more, Keycloak gives no more.
const PAGE: u64 = 100;

/// The native fields of a user, with the attribute that must be writable for each.
const ATTRIBUTES: [(Field, &str); 5] = [
    (Field::Email, "emails"),
    (Field::FirstName, "name.givenName"),
    (Field::LastName, "name.familyName"),
    (Field::DisplayName, "displayName"),
    (Field::Phone, "phoneNumbers"),
];

/// A service, as far as it says what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    /// Below the base URL, where users are: `/Users`.
    pub(super) users: String,
    /// Where groups are: `/Groups`.
    pub(super) groups: String,
    /// Whether a resource can be changed in part.
    pub(super) patch: bool,
    /// Whether a write can be made to depend on the state that was read.
    pub(super) etag: bool,
    /// Whether it takes filters. What it answers to one is looked through again in any case.
    pub(super) filter: bool,
    /// Whether lists can be sorted.
    pub(super) sort: bool,
    /// Whether lists are walked by cursor, <https://www.rfc-editor.org/rfc/rfc9865>.
    pub(super) cursor: bool,
    /// How many resources are asked for at once.
    pub(super) page: u64,
    /// What users have.
    pub(super) user: Schema,
    /// What groups have.
    pub(super) group: Schema,
}

/// The attributes of a kind of resource; none means that the service does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Schema(BTreeMap<String, Attribute>);

/// <https://www.rfc-editor.org/rfc/rfc7643#section-7>
#[derive(Debug, Clone, PartialEq, Eq)]
struct Attribute {
    required: bool,
    read_only: bool,
    /// The values of `type` that are meant to be used.
    canonical: Vec<String>,
    /// Whether what is in it is told; where it is not, anything can be.
    detailed: bool,
}

impl Service {
    /// What is known from the three answers, each as it came, or nothing where the service has no such thing.
    pub(super) fn new(config: Option<&Value>, types: Option<&Value>, schemas: Option<&Value>) -> Self {
        let config = config.and_then(Value::as_object);
        let of = |part: &str| config.and_then(|config| member(config, part)).and_then(Value::as_object);
        let says = |part: &str, name: &str| of(part).and_then(|part| member(part, name)).and_then(truth);
        let most = |part: &str, name: &str| of(part).and_then(|part| member(part, name)).and_then(Value::as_u64);
        // Nothing is the most of no service: every list would be empty.
        let page = [most("filter", "maxResults"), most("pagination", "maxPageSize")];
        let page = page.into_iter().flatten().filter(|most| *most > 0).fold(PAGE, u64::min);
        let endpoint = |urn: &str| {
            let of_it = |of: &&Map<String, Value>| text(of, "schema").is_some_and(|schema| schema.eq_ignore_ascii_case(urn));
            let endpoint = listed(types).find(of_it).and_then(|of| text(of, "endpoint"))?;
            // It is relative to the base URL, whatever some make of it.
            Some(format!("/{}", endpoint.trim_end_matches('/').rsplit('/').next()?))
        };
        let schema = |urn: &str| {
            let it = |of: &&Map<String, Value>| text(of, "id").is_some_and(|id| id.eq_ignore_ascii_case(urn));
            listed(schemas).find(it).map(Schema::new).unwrap_or_default()
        };
        Self {
            users: endpoint(USER).unwrap_or_else(|| "/Users".into()),
            groups: endpoint(GROUP).unwrap_or_else(|| "/Groups".into()),
            patch: says("patch", "supported").unwrap_or(true),
            etag: says("etag", "supported").unwrap_or(true),
            filter: says("filter", "supported").unwrap_or(true),
            sort: says("sort", "supported").unwrap_or(false),
            cursor: says("pagination", "cursor").unwrap_or(false),
            page,
            user: schema(USER),
            group: schema(GROUP),
        }
    }

    /// Where objects of a kind are.
    pub(super) fn endpoint(&self, kind: Kind) -> &str {
        match kind {
            Kind::User => &self.users,
            Kind::Role | Kind::Company | Kind::Customer => &self.groups,
        }
    }

    /// Whether groups can stand within groups, so that companies and customers can stand under companies.
    pub(super) fn nested(&self) -> bool {
        let types = self.group.canonical("members.type");
        types.is_empty() || types.iter().any(|it| it.eq_ignore_ascii_case("Group"))
    }

    /// What it can hold and do.
    pub(super) fn capabilities(&self) -> Capabilities {
        let lacks = ATTRIBUTES.into_iter().filter(|(field, path)| *field != Field::DisplayName && !self.user.writable(path));
        let lacks: BTreeSet<Field> = lacks.map(|(field, _)| field).collect();
        let mut methods: BTreeSet<Method> = [Method::None].into();
        if self.user.writable("password") {
            // No service can be told that a password must be changed, so a temporary one would live for ever.
            methods.extend([Method::Invite, Method::Secret]);
        }
        let everything = Capabilities::everything();
        Capabilities {
            fields: everything.fields.iter().filter(|field| !lacks.contains(field)).copied().collect(),
            disable: self.user.writable("active"),
            places: Capabilities::every_place().into_iter().filter(|(what, _)| *what == Kind::User || self.nested()).collect(),
            methods,
            concurrency: CONCURRENCY,
            ..everything
        }
    }
}

impl Schema {
    fn new(schema: &Map<String, Value>) -> Self {
        let mut known = BTreeMap::new();
        for attribute in objects(member(schema, "attributes")) {
            let Some(name) = text(attribute, "name") else { continue };
            let within = objects(member(attribute, "subAttributes")).collect::<Vec<_>>();
            known.insert(name.to_lowercase(), Attribute::new(attribute, !within.is_empty()));
            for inner in within {
                if let Some(inner_name) = text(inner, "name") {
                    known.insert(format!("{name}.{inner_name}").to_lowercase(), Attribute::new(inner, true));
                }
            }
        }
        Self(known)
    }

    /// Whether there is such an attribute, or may be.
    pub(super) fn has(&self, path: &str) -> bool {
        let within = path.split_once('.').is_some_and(|(outer, _)| self.get(outer).is_some_and(|outer| !outer.detailed));
        self.0.is_empty() || within || self.get(path).is_some()
    }

    /// Whether it can be written.
    pub(super) fn writable(&self, path: &str) -> bool {
        let outer = path.split_once('.').map_or(path, |(outer, _)| outer);
        self.has(path) && [outer, path].iter().all(|path| self.get(path).is_none_or(|attribute| !attribute.read_only))
    }

    /// Whether nothing can be without it.
    pub(super) fn required(&self, path: &str) -> bool {
        self.get(path).is_some_and(|attribute| attribute.required)
    }

    /// Whether an attribute is for the service alone to write.
    pub(super) fn read_only(&self, name: &str) -> bool {
        self.get(name).is_some_and(|attribute| attribute.read_only)
    }

    /// What it is meant to be one of.
    pub(super) fn canonical(&self, path: &str) -> &[String] {
        self.get(path).map_or(&[], |attribute| &attribute.canonical)
    }

    fn get(&self, path: &str) -> Option<&Attribute> {
        self.0.get(&path.to_lowercase())
    }
}

impl Attribute {
    fn new(wire: &Map<String, Value>, detailed: bool) -> Self {
        let values = member(wire, "canonicalValues").and_then(Value::as_array).into_iter().flatten();
        Self {
            required: member(wire, "required").and_then(truth).unwrap_or(false),
            read_only: text(wire, "mutability").is_some_and(|mutability| mutability.eq_ignore_ascii_case("readOnly")),
            canonical: values.filter_map(Value::as_str).map(str::to_owned).collect(),
            detailed,
        }
    }
}

/// What a list holds. Some services give the bare array.
fn listed(list: Option<&Value>) -> impl Iterator<Item = &Map<String, Value>> {
    objects(list.and_then(|list| list.as_object().map_or(Some(list), |list| member(list, "Resources"))))
}

fn objects(array: Option<&Value>) -> impl Iterator<Item = &Map<String, Value>> {
    array.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}
