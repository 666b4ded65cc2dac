//! Documents as one could declare them: what `import` writes and `get` prints.

#![allow(clippy::redundant_closure_for_method_calls, reason = "one closure for every type, so that the lines below read alike")]

use std::fmt::Write as _;

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::{Map, Value};
use smol_str::SmolStr;

use super::{
    ADOPT, API_VERSION, Declared, MOVED_FROM,
    load::{Plain, resolve},
};
use crate::model::{
    Address, Body, Company, Contact, Credential, Customer, Deletion, Key, Place, RemoteId, Role, SecretSource, State, User,
};

impl Declared {
    /// What one would declare to get a state. Whether the thing is retired, and whose it is, no document says.
    pub fn of(state: &State, adopt: Option<&RemoteId>) -> Self {
        let State { key: _, place, body, enabled: _, suspended, locked: _, retired: _, owner: _, deletion } = state;
        Self {
            place: place.clone(),
            body: body.clone(),
            enabled: !suspended,
            deletion: Some(*deletion),
            credential: None,
            moved_from: None,
            adopt: adopt.cloned(),
        }
    }
}

/// A document as YAML, without what is default; `deletion` is what holds for documents that do not say.
pub fn write_document(key: &Key, declared: &Declared, deletion: Deletion) -> String {
    let mut out = String::new();
    fields(&document(key, declared, deletion), 0, &mut out);
    out
}

/// The same document as JSON.
pub fn document_json(key: &Key, declared: &Declared, deletion: Deletion) -> Value {
    Out::Map(document(key, declared, deletion)).json()
}

enum Out {
    Text(SmolStr),
    Flag(bool),
    List(Vec<SmolStr>),
    Map(Fields),
}

type Fields = Vec<(&'static str, Out)>;

impl Out {
    fn json(self) -> Value {
        match self {
            Self::Text(text) => Value::String(text.into()),
            Self::Flag(flag) => Value::Bool(flag),
            Self::List(items) => items.into_iter().map(|it| Value::String(it.into())).collect(),
            Self::Map(fields) => {
                Value::Object(fields.into_iter().map(|(name, out)| (name.to_owned(), out.json())).collect::<Map<_, _>>())
            }
        }
    }
}

fn document(key: &Key, declared: &Declared, default: Deletion) -> Fields {
    let Key { kind, namespace, name } = key;
    let Declared { place, body, enabled, deletion, credential, moved_from, adopt } = declared;
    let mut metadata = vec![("name", text(name.as_str()))];
    if !namespace.is_global() && *namespace != crate::model::Namespace::DEFAULT
        || (namespace.as_str() == "default" && matches!(body, Body::Role(_)))
    {
        metadata.push(("namespace", text(namespace.as_str())));
    }
    let mut annotations = Vec::new();
    if let Some(from) = moved_from {
        annotations.push((MOVED_FROM, text(&format!("{}/{}", from.namespace, from.name))));
    }
    annotations.extend(adopt.as_ref().map(|RemoteId(id)| (ADOPT, text(id))));
    if !annotations.is_empty() {
        metadata.push(("annotations", Out::Map(annotations)));
    }
    let mut spec = match body {
        Body::Role(role) => role_fields(role),
        Body::Company(company) => company_fields(company, place.as_ref(), name.as_str()),
        Body::Customer(customer) => customer_fields(customer, place.as_ref(), name.as_str()),
        Body::User(user) => user_fields(user, place.as_ref(), name.as_str()),
    };
    if !enabled {
        spec.push(("enabled", Out::Flag(false)));
    }
    spec.extend(credential.as_ref().map(|it| ("credential", Out::Map(credential_fields(it)))));
    // A role that nobody declares is deleted: there is nothing to say about it.
    let deletion = deletion.filter(|_| !matches!(body, Body::Role(_)));
    spec.extend(deletion.filter(|it| *it != default).map(|it| ("deletion", text(it.as_str()))));
    vec![
        ("apiVersion", text(API_VERSION)),
        ("kind", text(kind.manifest())),
        ("metadata", Out::Map(metadata)),
        ("spec", Out::Map(spec)),
    ]
}

fn text(text: &str) -> Out {
    Out::Text(SmolStr::new(text))
}

fn push(fields: &mut Fields, name: &'static str, value: Option<&str>) {
    fields.extend(value.map(|it| (name, text(it))));
}

fn place_fields(place: Option<&Place>, company: &'static str, out: &mut Fields) {
    match place {
        None => {}
        Some(Place::Company(name)) => out.push((company, text(name.as_str()))),
        Some(Place::Customer(name)) => out.push(("customer", text(name.as_str()))),
    }
}

fn role_fields(role: &Role) -> Fields {
    let Role { lives_under, may_appoint, privileged, manage_companies, manage_customers, requires_expires, requires_justification } =
        role;
    let mut out = vec![("livesUnder", Out::List(lives_under.iter().map(|it| SmolStr::new_static(it.manifest())).collect()))];
    if !may_appoint.is_empty() {
        out.push(("mayAppoint", Out::List(may_appoint.iter().map(|it| it.as_str().into()).collect())));
    }
    let flags = [("privileged", privileged), ("manageCompanies", manage_companies), ("manageCustomers", manage_customers)];
    out.extend(flags.into_iter().filter(|it| *it.1).map(|(name, _)| (name, Out::Flag(true))));
    let requires: Vec<SmolStr> = [("expires", requires_expires), ("justification", requires_justification)]
        .into_iter()
        .filter(|it| *it.1)
        .map(|it| SmolStr::new_static(it.0))
        .collect();
    if !requires.is_empty() {
        out.push(("requires", Out::List(requires)));
    }
    out
}

fn company_fields(company: &Company, place: Option<&Place>, own: &str) -> Fields {
    let Company { display_name, company_type, region, contact, address, logo, description } = company;
    let mut out = Vec::new();
    push(&mut out, "displayName", Some(display_name.as_str()).filter(|it| *it != own));
    push(&mut out, "type", company_type.map(|it| it.as_str()));
    place_fields(place, "parent", &mut out);
    push(&mut out, "region", region.as_ref().map(|it| it.as_str()));
    if let Some(contact) = contact {
        let Contact { name, email, phone } = contact.as_ref();
        let mut fields = Vec::new();
        push(&mut fields, "name", name.as_ref().map(|it| it.as_str()));
        push(&mut fields, "email", email.as_ref().map(|it| it.as_str()));
        push(&mut fields, "phone", phone.as_ref().map(|it| it.as_str()));
        out.push(("contact", Out::Map(fields)));
    }
    out.extend(address.as_ref().map(|it| ("address", Out::Map(address_fields(it)))));
    push(&mut out, "logo", logo.as_ref().map(|it| it.as_str()));
    push(&mut out, "description", description.as_ref().map(|it| it.as_str()));
    out
}

fn customer_fields(customer: &Customer, place: Option<&Place>, own: &str) -> Fields {
    let Customer { display_name, email, phone, address, description } = customer;
    let mut out = Vec::new();
    push(&mut out, "displayName", Some(display_name.as_str()).filter(|it| *it != own));
    place_fields(place, "company", &mut out);
    push(&mut out, "email", email.as_ref().map(|it| it.as_str()));
    push(&mut out, "phone", phone.as_ref().map(|it| it.as_str()));
    out.extend(address.as_ref().map(|it| ("address", Out::Map(address_fields(it)))));
    push(&mut out, "description", description.as_ref().map(|it| it.as_str()));
    out
}

fn user_fields(user: &User, place: Option<&Place>, own: &str) -> Fields {
    let User { username, email, role, display_name, first_name, last_name, phone, region, description, expires, justification } =
        user;
    let mut out = Vec::new();
    push(&mut out, "username", Some(username.as_str()).filter(|it| *it != own));
    push(&mut out, "email", Some(email.as_str()));
    push(&mut out, "displayName", display_name.as_ref().map(|it| it.as_str()));
    push(&mut out, "firstName", first_name.as_ref().map(|it| it.as_str()));
    push(&mut out, "lastName", last_name.as_ref().map(|it| it.as_str()));
    push(&mut out, "phone", phone.as_ref().map(|it| it.as_str()));
    push(&mut out, "region", region.as_ref().map(|it| it.as_str()));
    place_fields(place, "company", &mut out);
    push(&mut out, "role", Some(role.as_str()));
    push(&mut out, "description", description.as_ref().map(|it| it.as_str()));
    push(&mut out, "expires", expires.map(moment).as_deref());
    push(&mut out, "justification", justification.as_ref().map(|it| it.as_str()));
    out
}

/// The end of a day as that day, any other moment as it is.
fn moment(at: Timestamp) -> String {
    let zoned = at.to_zoned(TimeZone::UTC);
    if zoned.time() == jiff::civil::Time::midnight()
        && let Ok(before) = zoned.checked_sub(1.day())
    {
        return before.date().to_string();
    }
    at.to_string()
}

fn address_fields(address: &Address) -> Fields {
    let Address { country, state, city, zip, line1, line2 } = address;
    let mut out = Vec::new();
    push(&mut out, "country", country.as_ref().map(|it| it.as_str()));
    push(&mut out, "state", state.as_ref().map(|it| it.as_str()));
    push(&mut out, "city", city.as_ref().map(|it| it.as_str()));
    push(&mut out, "zip", zip.as_ref().map(|it| it.as_str()));
    push(&mut out, "line1", line1.as_ref().map(|it| it.as_str()));
    push(&mut out, "line2", line2.as_ref().map(|it| it.as_str()));
    out
}

fn credential_fields(credential: &Credential) -> Fields {
    let Credential { method, source, reset } = credential;
    let mut out = vec![("method", text(method.as_str()))];
    match source {
        None => {}
        Some(SecretSource::Env(name)) => out.push(("env", text(name))),
        Some(SecretSource::File(path)) => out.push(("file", text(path))),
        Some(SecretSource::SecretRef { name, key }) => {
            out.push(("secretRef", Out::Map(vec![("name", text(name.as_str())), ("key", text(key))])));
        }
    }
    push(&mut out, "reset", reset.as_deref());
    out
}

fn fields(fields: &Fields, indent: usize, out: &mut String) {
    for (name, value) in fields {
        out.extend(std::iter::repeat_n(' ', indent));
        out.push_str(name);
        out.push(':');
        match value {
            Out::Text(text) => {
                out.push(' ');
                scalar(text, out);
            }
            Out::Flag(flag) => out.push_str(if *flag { " true" } else { " false" }),
            Out::List(items) => {
                out.push_str(" [");
                for (row, item) in items.iter().enumerate() {
                    out.push_str(if row == 0 { "" } else { ", " });
                    scalar(item, out);
                }
                out.push(']');
            }
            Out::Map(below) if below.is_empty() => out.push_str(" {}"),
            Out::Map(below) => {
                out.push('\n');
                self::fields(below, indent + 2, out);
                continue;
            }
        }
        out.push('\n');
    }
}

/// Writes text: plain only where YAML 1.1 and 1.2, in block and in flow, cannot but read the same text.
fn scalar(text: &str, out: &mut String) {
    let inner = |c: char| c.is_alphanumeric() || " ._@/+-".contains(c);
    let plain =
        text.starts_with(char::is_alphabetic) && !text.ends_with(' ') && text.chars().all(inner) && resolve(text) == Plain::Text;
    if plain {
        return out.push_str(text);
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            // What YAML 1.2.2 §5.1 does not call printable.
            c if c.is_control() || matches!(u32::from(c), 0xfff0..=0xffff) || u32::from(c) & 0xfffe == 0xfffe => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
