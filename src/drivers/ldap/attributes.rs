//! What a target is in attributes: of a new entry, and what differs from one that is there.

use std::collections::HashSet;

use ldap3::Mod;
use smol_str::SmolStr;

use crate::{
    drivers::remote::{Item, Target},
    model::{Field, Kind},
};

use super::{
    discover::Abilities,
    dn,
    entry::Entry,
    items::{MARK, SHUT_OFF},
    server::{Attributes, Modification},
};

/// The auxiliary class that lets any entry have a `labeledURI`: RFC 2079.
const LABELED: &str = "labeledURIObject";

/// A field among those given.
pub(super) fn field(fields: &[(Field, SmolStr)], wanted: Field) -> Option<&str> {
    fields.iter().find(|(field, _)| *field == wanted).map(|(_, value)| value.as_str())
}

/// Fields of a kind with the attribute that each has to itself.
fn attributes_of(kind: Kind) -> &'static [(Field, &'static str)] {
    match kind {
        Kind::User => &[
            (Field::Email, "mail"),
            (Field::DisplayName, "displayName"),
            (Field::FirstName, "givenName"),
            (Field::Phone, "mobile"),
            (Field::Description, "description"),
        ],
        Kind::Customer => &[(Field::Phone, "telephoneNumber"), (Field::Description, "description")],
        Kind::Company => &[(Field::Description, "description")],
        Kind::Role => &[],
    }
}

/// What a person's entry must have, whether they have such names or not: RFC 4519 §3.12.
#[derive(Debug, PartialEq, Eq)]
struct Names {
    cn: String,
    sn: String,
}

impl Names {
    /// The `cn` is the first of display name, first and last name, username that is not the last name; without a last name the
    /// `sn` is the `cn`. So an `sn` that is the `cn` says that there is no last name, and never anything else.
    fn of(fields: &[(Field, SmolStr)]) -> Self {
        let [username, display, first, last] =
            [Field::Username, Field::DisplayName, Field::FirstName, Field::LastName].map(|it| field(fields, it));
        let both = [first, last].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let whole = (!both.is_empty()).then_some(both.as_str());
        let names = [display, whole, username].into_iter().flatten();
        let cn = names.into_iter().find(|name| Some(*name) != last).map(str::to_owned);
        let cn = cn.unwrap_or_else(|| format!("{} ({})", last.unwrap_or_default(), username.unwrap_or_default()));
        let sn = last.map_or_else(|| cn.clone(), str::to_owned);
        Self { cn, sn }
    }
}

/// The attributes of a new entry, apart from those in its name: `name` is what its own name says.
pub(super) fn new(target: &Target, name: &str, abilities: &Abilities) -> Attributes {
    let Target { kind, name: _, parent: _, fields, role: _, enabled, mark } = target;
    let mut all: Attributes = Vec::new();
    let mut put =
        |attribute: &str, values: &[&str]| all.push((attribute.into(), values.iter().map(|value| (*value).into()).collect()));
    match kind {
        Kind::User => {
            put("objectClass", &["top", "person", "organizationalPerson", "inetOrgPerson"]);
            let Names { cn, sn } = Names::of(fields);
            put("uid", &[name]);
            put("cn", &[&cn]);
            put("sn", &[&sn]);
            if !enabled && abilities.policy {
                put("pwdAccountLockedTime", &[SHUT_OFF]);
            }
        }
        Kind::Company | Kind::Customer | Kind::Role => {
            put(
                "objectClass",
                if mark.is_some() { &["top", "organizationalUnit", LABELED] } else { &["top", "organizationalUnit"] },
            );
            put("ou", &[name]);
            if *kind == Kind::Customer {
                put("businessCategory", &["customer"]);
            }
        }
    }
    for (field_, attribute) in attributes_of(*kind) {
        if let Some(value) = field(fields, *field_) {
            put(attribute, &[value]);
        }
    }
    if let Some(mark) = mark {
        put("labeledURI", &[&format!("{MARK}{mark}")]);
    }
    all
}

/// What has to be changed of an entry: what differs between what was read and what is wanted, and nothing else.
pub(super) fn changes(entry: &Entry, item: &Item, target: &Target) -> Vec<Modification> {
    let mut all = Vec::new();
    for (field_, attribute) in attributes_of(target.kind) {
        let wanted = field(&target.fields, *field_);
        if field(&item.fields, *field_) != wanted {
            all.extend(first(entry, attribute, wanted));
        }
    }
    if target.kind == Kind::User {
        all.extend(names(entry, item, target));
        let named = dn::leftmost(&entry.dn).is_some_and(|(kind, _)| kind == "uid");
        let username = field(&target.fields, Field::Username);
        if !named && field(&item.fields, Field::Username) != username {
            all.extend(first(entry, "uid", username));
        }
        if item.enabled.is_some_and(|enabled| enabled != target.enabled) {
            all.push(replace("pwdAccountLockedTime", (!target.enabled).then_some(SHUT_OFF)));
        }
    }
    all.extend(mark(entry, target.mark.as_deref()));
    all
}

/// Sets an attribute to a value, or to nothing.
pub(super) fn replace(attribute: &str, value: Option<&str>) -> Modification {
    Mod::Replace(attribute.into(), value.into_iter().map(Into::into).collect())
}

/// Makes a value the first of an attribute: the others stay behind it. Without one all of them go, since the next would be
/// read as the first.
fn first(entry: &Entry, attribute: &str, value: Option<&str>) -> Vec<Modification> {
    let mut all = vec![replace(attribute, value)];
    let others = entry.all(&attribute.to_ascii_lowercase()).iter().skip(1);
    if let Some(value) = value {
        let same = folded(attribute, value);
        // In a modification of its own: values of one come in no order.
        let others: HashSet<Vec<u8>> =
            others.filter(|other| folded(attribute, other) != same).map(|other| other.clone().into_bytes()).collect();
        if !others.is_empty() {
            all.push(Mod::Add(attribute.into(), others));
        }
    }
    all
}

/// What is equal for values that the server takes for the same one: RFC 4517 §4.2.
fn folded(attribute: &str, value: &str) -> String {
    let number = matches!(attribute, "mobile" | "telephoneNumber");
    let words = value.split_whitespace().collect::<Vec<_>>();
    if number { words.concat().replace('-', "") } else { words.join(" ").to_lowercase() }
}

/// `cn` and `sn`. A `cn` that is not what we would have written is somebody else's, and stays.
fn names(entry: &Entry, item: &Item, target: &Target) -> Vec<Modification> {
    let (before, after) = (Names::of(&item.fields), Names::of(&target.fields));
    if before == after {
        return Vec::new();
    }
    let (cn, sn) = (entry.first("cn").unwrap_or_default(), entry.first("sn").unwrap_or_default());
    let last = field(&target.fields, Field::LastName);
    let theirs = cn != before.cn && Some(cn) != last || dn::leftmost(&entry.dn).is_none_or(|(kind, _)| kind == "cn");
    let wanted = if theirs { cn } else { &after.cn };
    let mut all = Vec::new();
    if wanted != cn {
        all.extend(first(entry, "cn", Some(wanted)));
    }
    let filler = last.unwrap_or(wanted);
    if filler != sn {
        all.extend(first(entry, "sn", Some(filler)));
    }
    all
}

/// The mark. Other values of its attribute stay, and so does the class that it needs.
fn mark(entry: &Entry, wanted: Option<&str>) -> Vec<Modification> {
    let wanted = wanted.map(|mark| format!("{MARK}{mark}"));
    let ours: Vec<_> = entry.all("labeleduri").iter().filter(|value| value.starts_with(MARK)).collect();
    if ours.iter().copied().eq(wanted.as_ref()) {
        return Vec::new();
    }
    let mut all = Vec::new();
    let able = entry.has("objectclass", "inetOrgPerson") || entry.has("objectclass", LABELED);
    if wanted.is_some() && !able {
        all.push(Mod::Add("objectClass".into(), HashSet::from([LABELED.into()])));
    }
    if !ours.is_empty() {
        all.push(Mod::Delete("labeledURI".into(), ours.into_iter().map(|value| value.clone().into_bytes()).collect()));
    }
    all.extend(wanted.map(|wanted| Mod::Add("labeledURI".into(), HashSet::from([wanted.into_bytes()]))));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_of(fields: &[(Field, &str)]) -> (String, String) {
        let fields: Vec<_> = fields.iter().map(|(field, value)| (*field, SmolStr::new(value))).collect();
        let Names { cn, sn } = Names::of(&fields);
        (cn, sn)
    }

    /// Fields, and the `cn` and `sn` that are made of them.
    type Case<'a> = (&'a [(Field, &'a str)], &'a str, &'a str);

    #[test]
    fn an_sn_that_is_the_cn_is_no_last_name() {
        use Field::{DisplayName, FirstName, LastName, Username};
        let cases: &[Case] = &[
            (&[(Username, "m")], "m", "m"),
            (&[(Username, "m"), (DisplayName, "Mara")], "Mara", "Mara"),
            (&[(Username, "m"), (FirstName, "Mara")], "Mara", "Mara"),
            (&[(Username, "m"), (LastName, "Berg")], "m", "Berg"),
            (&[(Username, "m"), (LastName, "m")], "m (m)", "m"),
            (&[(Username, "m"), (DisplayName, "Berg"), (FirstName, "Mara"), (LastName, "Berg")], "Mara Berg", "Berg"),
            (&[(Username, "m"), (DisplayName, "M."), (FirstName, "Mara"), (LastName, "Berg")], "M.", "Berg"),
        ];
        for (fields, cn, sn) in cases {
            assert_eq!(names_of(fields), ((*cn).into(), (*sn).into()));
        }
    }
}
