//! Objects of the server → objects, and what is to become of an object → what is sent. No request is made here.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;
use smol_str::{SmolStr, ToSmolStr as _};

use crate::{
    drivers::remote::{Item, Target},
    model::{Field, Kind, RemoteId},
};

use super::{
    api::{Raw, id, text},
    info::{self, Own},
};

/// The role that a user of a company has, where nothing else is said.
const ADMINISTRATOR: &str = "tenant-administrator";
/// The role that a user of a customer has, where nothing else is said.
const CUSTOMER_USER: &str = "customer-user";

/// Texts of a user.
const USER: &[(Field, &str)] =
    &[(Field::Email, "email"), (Field::FirstName, "firstName"), (Field::LastName, "lastName"), (Field::Phone, "phone")];

/// Texts of a customer.
const CUSTOMER: &[(Field, &str)] = &[
    (Field::DisplayName, "title"),
    (Field::Email, "email"),
    (Field::Phone, "phone"),
    (Field::Country, "country"),
    (Field::State, "state"),
    (Field::City, "city"),
    (Field::Zip, "zip"),
    (Field::Line1, "address"),
    (Field::Line2, "address2"),
];

/// Texts of a tenant. Its `region` is `Global`, whatever is sent.
const TENANT: &[(Field, &str)] = &[
    (Field::DisplayName, "title"),
    (Field::ContactEmail, "email"),
    (Field::ContactPhone, "phone"),
    (Field::Country, "country"),
    (Field::State, "state"),
    (Field::City, "city"),
    (Field::Zip, "zip"),
    (Field::Line1, "address"),
    (Field::Line2, "address2"),
];

/// Native fields of each kind.
pub(super) fn native(kind: Kind) -> &'static [Field] {
    use Field::{
        City, ContactEmail, ContactPhone, Country, Description, DisplayName, Email, FirstName, LastName, Line1, Line2, Phone,
        State, Username, Zip,
    };
    match kind {
        Kind::User => &[Username, Email, FirstName, LastName, Phone, Description],
        Kind::Customer => &[DisplayName, Email, Phone, Country, State, City, Zip, Line1, Line2, Description],
        Kind::Company => &[DisplayName, ContactEmail, ContactPhone, Country, State, City, Zip, Line1, Line2, Description],
        Kind::Role => &[],
    }
}

fn texts(kind: Kind) -> &'static [(Field, &'static str)] {
    match kind {
        Kind::User => USER,
        Kind::Customer => CUSTOMER,
        Kind::Company => TENANT,
        Kind::Role => &[],
    }
}

/// Whether somebody can sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Door {
    /// Whether the account is open; nothing where the server did not say.
    pub(super) enabled: Option<bool>,
    /// Whether it ever had a password.
    pub(super) activated: Option<bool>,
}

/// A text as the model has it. Countries are the names that the server's own pages offer, as often as codes.
fn spelled(field: Field, text: &str) -> SmolStr {
    if field == Field::Country && text.len() > 2 {
        let named = rust_iso3166::ALL.iter().find(|country| country.name.eq_ignore_ascii_case(text));
        return named.map_or_else(|| SmolStr::new(text), |country| SmolStr::new(country.alpha2));
    }
    SmolStr::new(text)
}

/// What an object says in a field.
fn value(kind: Kind, raw: &Raw, field: Field) -> Option<SmolStr> {
    if field == Field::Description {
        return info::description(raw).map(SmolStr::new);
    }
    if field == Field::Username {
        return Own::of(raw).username.or_else(|| text(raw, "email").map(SmolStr::new));
    }
    let name = texts(kind).iter().find(|(known, _)| *known == field)?.1;
    text(raw, name).map(|text| spelled(field, text))
}

/// The object that was read.
pub(super) fn item(kind: Kind, raw: &Raw, parent: Option<&str>) -> Item {
    let own = Own::of(raw);
    let created = raw.get("createdTime").and_then(Value::as_i64);
    let unfit = match kind {
        Kind::Customer if info::is_public(raw) => Some("it is the server's own, for what is public"),
        Kind::Role | Kind::Company | Kind::Customer | Kind::User => {
            info::is_strange(raw).then_some("its `additionalInfo` is no object, and has no room for a mark")
        }
    };
    Item {
        id: RemoteId(id(raw, "id").unwrap_or_default().into()),
        kind,
        parent: parent.map(|id| RemoteId(id.into())),
        fields: native(kind).iter().filter_map(|field| Some((*field, value(kind, raw, *field)?))).collect(),
        roles: Vec::new(),
        enabled: None,
        mark: own.mark,
        created_at: created.and_then(|created| Timestamp::from_millisecond(created).ok()),
        tag: raw.get("version").and_then(Value::as_i64).map(|version| version.to_smolstr()),
        must_change: None,
        unfit: unfit.map(SmolStr::new_static),
    }
}

/// Whether a user is an administrator of the tenant.
pub(super) fn is_admin(raw: &Raw) -> bool {
    text(raw, "authority") == Some("TENANT_ADMIN")
}

/// The user that was read. `ourselves` is who we are.
pub(super) fn user(raw: &Raw, door: Door, roles: &BTreeSet<SmolStr>, ourselves: Option<&str>) -> Item {
    let (admin, own) = (is_admin(raw), Own::of(raw));
    let parent = id(raw, if admin { "tenantId" } else { "customerId" });
    let held = own.role.unwrap_or_else(|| usual_role(admin));
    let Door { enabled, activated } = door;
    let item = item(Kind::User, raw, parent);
    let us = ourselves.is_some() && id(raw, "id") == ourselves;
    Item {
        roles: Some(held).filter(|role| roles.contains(role)).into_iter().collect(),
        // Who never had a password cannot sign in, and will as soon as they set one: that counts as open, unless we said no.
        enabled: if activated == Some(false) { Some(!own.off) } else { enabled },
        must_change: activated.map(|activated| !activated),
        unfit: if us { Some("it is the account that Tenantry itself signs in with".into()) } else { item.unfit },
        ..item
    }
}

fn usual_role(admin: bool) -> SmolStr {
    SmolStr::new_static(if admin { ADMINISTRATOR } else { CUSTOMER_USER })
}

/// The text of a field.
pub(super) fn of(fields: &[(Field, SmolStr)], wanted: Field) -> Option<&str> {
    fields.iter().find(|(field, _)| *field == wanted).map(|(_, text)| text.as_str())
}

/// Makes an object what it should be: native fields and what is ours. Everything else stays as it is, and so does what is
/// spelled otherwise and means the same.
pub(super) fn apply(raw: &mut Raw, target: &Target, door: Door) {
    let Target { kind, name: _, parent: _, fields, role, enabled, mark } = target;
    for field in native(*kind).iter().filter(|field| **field != Field::Username) {
        let wanted = of(fields, *field);
        let found = value(*kind, raw, *field);
        // The server tells the case of an e-mail apart: another spelling would be another name to sign in with.
        let mailbox = matches!(field, Field::Email | Field::ContactEmail);
        let same = |found: &str| wanted.is_some_and(|wanted| mailbox && found.eq_ignore_ascii_case(wanted));
        if found.as_deref() == wanted || found.as_deref().is_some_and(same) {
            continue;
        }
        match texts(*kind).iter().find(|(known, _)| known == field) {
            Some((_, name)) => drop(raw.insert((*name).into(), wanted.map_or(Value::Null, Value::from))),
            None => info::describe(raw, wanted),
        }
    }
    let before = Own::of(raw);
    let mut own = Own { mark: mark.clone(), caretaker: false, ..before.clone() };
    if *kind == Kind::User {
        own.username = of(fields, Field::Username).filter(|name| Some(*name) != of(fields, Field::Email)).map(SmolStr::new);
        if let Some(role) = role {
            own.role = Some(role.clone()).filter(|role| *role != usual_role(is_admin(raw)));
        }
        own.off = before.off && !*enabled && door.activated == Some(false);
    }
    if own != before {
        info::put(raw, &own);
    }
}

/// Whether two forms of a user have the same mailbox.
pub(super) fn same_email(one: &Raw, other: &Raw) -> bool {
    let email = |raw: &Raw| raw.get("email").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    email(one) == email(other)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(value: Value) -> Raw {
        let Value::Object(raw) = value else { unreachable!() };
        raw
    }

    fn target(kind: Kind, fields: &[(Field, &str)]) -> Target {
        let fields = fields.iter().map(|(field, text)| (*field, SmolStr::new(text))).collect();
        Target { kind, name: "x".into(), parent: None, fields, role: None, enabled: true, mark: None }
    }

    #[test]
    fn what_does_not_differ_is_not_touched() {
        let customer = raw(json!({ "id": {"id": "c"}, "title": "Shop", "country": "Germany", "zip": "", "version": 4,
            "additionalInfo": { "description": "old", "homeDashboardId": null } }));
        let item = item(Kind::Customer, &customer, Some("t"));
        assert_eq!((of(&item.fields, Field::Country), of(&item.fields, Field::Zip)), (Some("DE"), None));
        let fields: Vec<_> = item.fields.iter().map(|(field, text)| (*field, text.as_str())).collect();
        let mut same = customer.clone();
        apply(&mut same, &target(Kind::Customer, &fields), Door::default());
        assert_eq!(same, customer);
        apply(&mut same, &target(Kind::Customer, &[(Field::DisplayName, "Store"), (Field::Country, "FR")]), Door::default());
        let wanted = json!({ "id": {"id": "c"}, "title": "Store", "country": "FR", "zip": "", "version": 4,
            "additionalInfo": { "homeDashboardId": null } });
        assert_eq!(Value::Object(same), wanted);
    }

    #[test]
    fn a_name_beside_the_email_and_an_unusual_role_are_ours_to_keep() {
        let mut mara = raw(json!({ "email": "m@x.example", "authority": "TENANT_ADMIN", "tenantId": {"id": "t"} }));
        let roles = ["support", "tenant-administrator"].map(SmolStr::new).into();
        assert_eq!(user(&mara, Door::default(), &roles, None).roles, ["tenant-administrator"]);
        let fields = [(Field::Username, "mara"), (Field::Email, "m@x.example")];
        apply(&mut mara, &Target { role: Some("support".into()), ..target(Kind::User, &fields) }, Door::default());
        let item = user(&mara, Door { enabled: Some(false), activated: Some(false) }, &roles, None);
        assert_eq!((of(&item.fields, Field::Username), &item.roles[..]), (Some("mara"), &["support".into()][..]));
        assert_eq!((item.enabled, item.must_change, item.parent), (Some(true), Some(true), Some(RemoteId("t".into()))));
        let fields = [(Field::Username, "m@x.example"), (Field::Email, "m@x.example")];
        let usual = Target { role: Some("tenant-administrator".into()), ..target(Kind::User, &fields) };
        apply(&mut mara, &usual, Door::default());
        assert_eq!(mara["additionalInfo"], json!({}));
    }
}
