//! The fields that are compared, each with its name and its value.

use std::{collections::HashMap, fmt, sync::LazyLock};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{SeqAccess, Visitor},
};
use smol_str::SmolStr;

/// Something about a thing that can differ between what is wanted and what a directory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The identity: differs when `moved-from` re-keys an account.
    Key,
    /// Whose it is; none after a release, and before an adoption.
    Owner,
    /// No longer declared, kept and shut off.
    Retired,
    /// Whether it is enabled; for a user, whether they can sign in.
    Enabled,
    /// Whether the declaration itself says `enabled: false`, whatever stands above.
    Suspended,
    /// Shut off against the declaration by `tenantry lock`; the value says why.
    Locked,
    /// What removing the declaration means.
    Deletion,
    /// A company's parent.
    Parent,
    /// The company a customer or user belongs to.
    Company,
    /// The customer a user belongs to.
    Customer,
    /// The name to sign in with.
    Username,
    /// A mailbox.
    Email,
    /// What people call it.
    DisplayName,
    /// Given name.
    FirstName,
    /// Family name.
    LastName,
    /// A number in E.164.
    Phone,
    /// One of the project's regions.
    Region,
    /// A user's role.
    Role,
    /// Text for people.
    Description,
    /// When the account ends.
    Expires,
    /// Why they have what they have.
    Justification,
    /// Distributor or installer.
    Type,
    /// A picture's URL.
    Logo,
    /// `contact.name`
    ContactName,
    /// `contact.email`
    ContactEmail,
    /// `contact.phone`
    ContactPhone,
    /// `address.country`
    Country,
    /// `address.state`
    State,
    /// `address.city`
    City,
    /// `address.zip`
    Zip,
    /// `address.line1`
    Line1,
    /// `address.line2`
    Line2,
    /// Where a holder may live.
    LivesUnder,
    /// Whom a holder may appoint.
    MayAppoint,
    /// Whether a role is privileged.
    Privileged,
    /// Whether a holder manages companies.
    ManageCompanies,
    /// Whether a holder manages customers.
    ManageCustomers,
    /// What a holder must state.
    Requires,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 38] = [
        Self::Key,
        Self::Owner,
        Self::Retired,
        Self::Enabled,
        Self::Suspended,
        Self::Locked,
        Self::Deletion,
        Self::Parent,
        Self::Company,
        Self::Customer,
        Self::Username,
        Self::Email,
        Self::DisplayName,
        Self::FirstName,
        Self::LastName,
        Self::Phone,
        Self::Region,
        Self::Role,
        Self::Description,
        Self::Expires,
        Self::Justification,
        Self::Type,
        Self::Logo,
        Self::ContactName,
        Self::ContactEmail,
        Self::ContactPhone,
        Self::Country,
        Self::State,
        Self::City,
        Self::Zip,
        Self::Line1,
        Self::Line2,
        Self::LivesUnder,
        Self::MayAppoint,
        Self::Privileged,
        Self::ManageCompanies,
        Self::ManageCustomers,
        Self::Requires,
    ];

    /// The name in a plan, which is the name in `spec` where there is one.
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Owner => "owner",
            Self::Retired => "retired",
            Self::Enabled => "enabled",
            Self::Suspended => "suspended",
            Self::Locked => "locked",
            Self::Deletion => "deletion",
            Self::Parent => "parent",
            Self::Company => "company",
            Self::Customer => "customer",
            Self::Username => "username",
            Self::Email => "email",
            Self::DisplayName => "displayName",
            Self::FirstName => "firstName",
            Self::LastName => "lastName",
            Self::Phone => "phone",
            Self::Region => "region",
            Self::Role => "role",
            Self::Description => "description",
            Self::Expires => "expires",
            Self::Justification => "justification",
            Self::Type => "type",
            Self::Logo => "logo",
            Self::ContactName => "contact.name",
            Self::ContactEmail => "contact.email",
            Self::ContactPhone => "contact.phone",
            Self::Country => "address.country",
            Self::State => "address.state",
            Self::City => "address.city",
            Self::Zip => "address.zip",
            Self::Line1 => "address.line1",
            Self::Line2 => "address.line2",
            Self::LivesUnder => "livesUnder",
            Self::MayAppoint => "mayAppoint",
            Self::Privileged => "privileged",
            Self::ManageCompanies => "manageCompanies",
            Self::ManageCustomers => "manageCustomers",
            Self::Requires => "requires",
        }
    }
}

impl Field {
    /// Whether it says under what a thing stands.
    pub fn is_place(self) -> bool {
        matches!(self, Self::Parent | Self::Company | Self::Customer)
    }

    /// The field with a name, as [`Field::name`] gives it.
    pub fn parse(name: &str) -> Option<Self> {
        static NAMES: LazyLock<HashMap<&'static str, Field>> =
            LazyLock::new(|| Field::ALL.into_iter().map(|field| (field.name(), field)).collect());
        NAMES.get(name).copied()
    }
}

impl Serialize for Field {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The value of a field, as it is shown and hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum FieldValue {
    /// Not there.
    None,
    /// Yes or no.
    Flag(bool),
    /// Text in normal form.
    Text(SmolStr),
    /// A sorted set.
    List(Vec<SmolStr>),
}

impl FieldValue {
    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::None | Self::Flag(_) | Self::List(_) => None,
        }
    }

    /// Whether it is there and says yes.
    pub fn is_set(&self) -> bool {
        match self {
            Self::Flag(flag) => *flag,
            Self::None | Self::Text(_) | Self::List(_) => false,
        }
    }
}

/// By hand: what `untagged` derives reads a value into a buffer first, and a trail has millions.
impl<'de> Deserialize<'de> for FieldValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = FieldValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("null, a boolean, text, or a list of texts")
            }

            fn visit_unit<E>(self) -> Result<FieldValue, E> {
                Ok(FieldValue::None)
            }

            fn visit_bool<E>(self, flag: bool) -> Result<FieldValue, E> {
                Ok(FieldValue::Flag(flag))
            }

            fn visit_str<E>(self, text: &str) -> Result<FieldValue, E> {
                Ok(FieldValue::Text(SmolStr::new(text)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<FieldValue, A::Error> {
                let mut list = Vec::new();
                while let Some(text) = seq.next_element::<SmolStr>()? {
                    list.push(text);
                }
                Ok(FieldValue::List(list))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// Which.
    pub field: Field,
    /// What the directory holds.
    pub before: FieldValue,
    /// What is wanted.
    pub after: FieldValue,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_fields_is_complete() {
        let sorted = Field::ALL.windows(2).all(|pair| pair[0] < pair[1]);
        assert!(sorted && Field::ALL[0] == Field::Key && Field::ALL.last() == Some(&Field::Requires));
        assert_eq!(Field::ALL.len(), Field::Requires as usize + 1);
        assert!(Field::ALL.into_iter().all(|field| Field::parse(field.name()) == Some(field)));
    }
}
