//! An entry as an object: which one it is, and what its fields are.

use smol_str::{SmolStr, ToSmolStr};

use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::remote::Item,
    model::{Field, Kind, RemoteId},
};

use super::{
    discover::Abilities,
    dn::{self, Canonical},
    entry::{self, Entry},
};

/// What is read of every entry.
pub(super) const ATTRIBUTES: &[&str] = &[
    "entryUUID",
    "entryCSN",
    "createTimestamp",
    "objectClass",
    "ou",
    "uid",
    "cn",
    "sn",
    "givenName",
    "displayName",
    "mail",
    "mobile",
    "telephoneNumber",
    "description",
    "businessCategory",
    "labeledURI",
    "pwdAccountLockedTime",
    "pwdReset",
];

/// What the server adds to a new entry.
pub(super) const ADDED: &[&str] = &["entryUUID", "entryCSN", "createTimestamp"];

/// Entries that are objects.
pub(super) const OBJECTS: &str = "(|(objectClass=organizationalUnit)(objectClass=inetOrgPerson))";

/// What begins the value of `labeledURI` that is a mark: a URI, and a label behind the space (RFC 2079).
pub(super) const MARK: &str = "urn:tenantry:mark ";

/// What `pwdAccountLockedTime` says of an account that somebody shut off. A time is one that locks itself for a while, after
/// too many wrong passwords: slapo-ppolicy(5).
pub(super) const SHUT_OFF: &str = "000001010000Z";

/// What an entry is; nothing where it is neither a place nor a person.
pub(super) fn kind_of(entry: &Entry) -> Option<Kind> {
    if entry.has("objectclass", "inetOrgPerson") {
        Some(Kind::User)
    } else if !entry.has("objectclass", "organizationalUnit") {
        None
    } else if entry.has("businesscategory", "customer") {
        Some(Kind::Customer)
    } else {
        Some(Kind::Company)
    }
}

/// The stable name of an entry: <https://www.rfc-editor.org/rfc/rfc4530>.
pub(super) fn id_of(entry: &Entry) -> Result<RemoteId, DirectoryError> {
    let missing = || {
        DirectoryError::new(format!("read {}", entry.dn), ErrorKind::Incomplete)
            .because("it has no `entryUUID`: the server does not give one, or the account that signs in may not read it")
    };
    entry.first("entryuuid").map(|id| RemoteId(SmolStr::new(id))).ok_or_else(missing)
}

/// The mark of an entry.
pub(super) fn mark_of(entry: &Entry) -> Option<&str> {
    entry.all("labeleduri").iter().find_map(|value| value.strip_prefix(MARK))
}

/// What an entry stands under, as far as that was looked up.
#[derive(Debug, Clone, Default)]
pub(super) struct Above {
    /// The nearest place.
    pub(super) place: Option<RemoteId>,
    /// Between the two there is a person.
    pub(super) person: bool,
}

/// An entry as an object. Its roles stand elsewhere.
pub(super) fn item(entry: &Entry, kind: Kind, above: Above, abilities: &Abilities, us: &Canonical) -> Result<Item, DirectoryError> {
    let id = id_of(entry)?;
    let mark = mark_of(entry).map(str::to_owned);
    let mut fields = Vec::new();
    let mut put = |field: Field, value: Option<&str>| fields.extend(value.map(|value| (field, value.to_smolstr())));
    let mut unfit = None;
    match kind {
        Kind::User => {
            let username = username(entry);
            if username.is_none() {
                unfit = Some("it has no `uid`");
            }
            put(Field::Username, username.as_deref());
            put(Field::Email, entry.first("mail"));
            put(Field::DisplayName, entry.first("displayname"));
            put(Field::FirstName, entry.first("givenname"));
            put(Field::LastName, last_name(entry));
            put(Field::Phone, entry.first("mobile"));
            put(Field::Description, entry.first("description"));
            if Canonical::of(&entry.dn) == *us {
                unfit = Some("it is the account with which Tenantry signs in");
            }
        }
        Kind::Company | Kind::Customer => {
            let name = dn::leftmost(&entry.dn).filter(|(kind, _)| kind == "ou").map(|(_, name)| name);
            let name = name.or_else(|| entry.first("ou").map(str::to_owned));
            // One of ours has its display name in the mark: an organizationalUnit has no attribute for it.
            put(Field::DisplayName, name.as_deref().filter(|_| mark.is_none()));
            if kind == Kind::Customer {
                put(Field::Phone, entry.first("telephonenumber"));
            }
            put(Field::Description, entry.first("description"));
        }
        Kind::Role => {}
    }
    if above.person {
        unfit = Some("it stands under a person");
    }
    let policy = abilities.policy && kind == Kind::User;
    Ok(Item {
        id,
        kind,
        parent: above.place,
        fields,
        roles: Vec::new(),
        enabled: policy.then(|| entry.first("pwdaccountlockedtime") != Some(SHUT_OFF)),
        mark,
        created_at: entry.first("createtimestamp").and_then(entry::time),
        tag: entry.first("entrycsn").map(SmolStr::new),
        must_change: policy.then(|| entry.has("pwdreset", "TRUE")),
        unfit: unfit.map(SmolStr::new_static),
    })
}

/// The name to sign in with: the one in the entry's own name, where that is a `uid`.
fn username(entry: &Entry) -> Option<String> {
    let named = dn::leftmost(&entry.dn).filter(|(kind, _)| kind == "uid").map(|(_, name)| name);
    named.or_else(|| entry.first("uid").map(str::to_owned))
}

/// A person must have an `sn` (RFC 4519 §3.12). One that is the `cn` stands there because there was nothing else: see
/// [`super::attributes`].
fn last_name(entry: &Entry) -> Option<&str> {
    entry.first("sn").filter(|sn| entry.first("cn") != Some(sn))
}
