//! The state of a thing: everything that is compared, in normal form.

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, ToSmolStr, format_smolstr};

use super::{
    Address, Body, Company, Contact, Customer, Field, FieldChange, FieldValue, Key, Kind, Name, Namespace, Paragraph, Role, User,
};

/// What removing a declaration means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Deletion {
    /// Sign-in is shut off, the account stays, retired.
    #[default]
    Disable,
    /// Deleted from the directory.
    Delete,
    /// Left as it is, and released from management.
    Retain,
}

impl Deletion {
    /// As it is written in a document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "Disable",
            Self::Delete => "Delete",
            Self::Retain => "Retain",
        }
    }
}

/// The thing another one stands under, by name in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Under a company.
    Company(Name),
    /// Under a customer.
    Customer(Name),
}

impl Place {
    /// The key of what stands above, seen from `namespace`.
    pub fn key(&self, namespace: &Namespace) -> Key {
        match self {
            Self::Company(name) => Key::new(Kind::Company, namespace.clone(), name.clone()),
            Self::Customer(name) => Key::new(Kind::Customer, namespace.clone(), name.clone()),
        }
    }

    /// The place that a company or customer offers; nothing for other kinds.
    pub fn under(key: &Key) -> Option<Self> {
        match key.kind {
            Kind::Company => Some(Self::Company(key.name.clone())),
            Kind::Customer => Some(Self::Customer(key.name.clone())),
            Kind::Role | Kind::User => None,
        }
    }
}

/// The directory's own, opaque identifier of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RemoteId(pub SmolStr);

/// So that one is looked up without being made; both are hashed as the text.
impl std::borrow::Borrow<str> for RemoteId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// What a directory gives to tell whether an object has changed: a row version, an `ETag`, a hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub SmolStr);

/// How a person gets to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Method {
    /// A one-time set-password link by mail.
    Invite,
    /// A generated password by mail, to be changed at first sign-in.
    Temporary,
    /// A password from outside the document.
    Secret,
    /// A PHC string from outside the document.
    Hash,
    /// The directory or a single sign-on provider owns it.
    None,
}

impl Method {
    /// As it is written in a document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invite => "Invite",
            Self::Temporary => "Temporary",
            Self::Secret => "Secret",
            Self::Hash => "Hash",
            Self::None => "None",
        }
    }
}

/// Where a secret is to be found; never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretSource {
    /// An environment variable.
    Env(SmolStr),
    /// A file below the project's folder or `/run/secrets`.
    File(SmolStr),
    /// A Kubernetes Secret of the object's own namespace.
    SecretRef {
        /// Its name.
        name: Name,
        /// The key in it.
        key: SmolStr,
    },
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env {name}"),
            Self::File(path) => write!(f, "file {path}"),
            Self::SecretRef { name, key } => write!(f, "secretRef {name}/{key}"),
        }
    }
}

/// A declared credential: a request, never compared with anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Credential {
    /// How.
    pub method: Method,
    /// Where the secret is, for [`Method::Secret`] and [`Method::Hash`].
    pub source: Option<SecretSource>,
    /// A value whose change asks for a new credential.
    pub reset: Option<SmolStr>,
}

/// Everything that is compared of one thing, in normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Its identity.
    pub key: Key,
    /// What it stands under: a company's parent, a customer's company, a user's company or customer.
    pub place: Option<Place>,
    /// What it says of itself.
    pub body: Body,
    /// For companies and customers, whether they are enabled themselves; for users, whether they can sign in, with
    /// everything above them taken into account.
    pub enabled: bool,
    /// Whether its own declaration says `enabled: false`. Kept beside `enabled`, because a user under a disabled company
    /// who is enabled again with it must not be one who was disabled for themselves.
    pub suspended: bool,
    /// Why a user is shut off against the declaration, until `tenantry unlock`. No document says it.
    pub locked: Option<Box<Paragraph>>,
    /// No longer declared, kept and shut off.
    pub retired: bool,
    /// Whose declaration it belongs to; none for what is not managed.
    pub owner: Option<Name>,
    /// What removing the declaration means.
    pub deletion: Deletion,
}

impl State {
    /// The key of what it stands under.
    pub fn above(&self) -> Option<Key> {
        self.place.as_ref().map(|place| place.key(&self.key.namespace))
    }

    /// Every compared field with its value, always the same ones in the same order for one kind.
    pub fn fields(&self) -> Vec<(Field, FieldValue)> {
        let Self { key, place, body, enabled, suspended, locked, retired, owner, deletion } = self;
        let mut out = vec![
            (Field::Key, FieldValue::Text(key.to_smolstr())),
            (Field::Owner, optional(owner.as_ref())),
            (Field::Retired, FieldValue::Flag(*retired)),
            (Field::Deletion, FieldValue::Text(SmolStr::new_static(deletion.as_str()))),
        ];
        let (company, customer) = match place {
            None => (FieldValue::None, FieldValue::None),
            Some(Place::Company(name)) => (text(name), FieldValue::None),
            Some(Place::Customer(name)) => (FieldValue::None, text(name)),
        };
        match body {
            Body::Role(role) => return [out, role_fields(role)].concat(),
            Body::Company(body) => {
                out.push((Field::Parent, company));
                out.extend(company_fields(body));
            }
            Body::Customer(body) => {
                out.push((Field::Company, company));
                out.extend(customer_fields(body));
            }
            Body::User(body) => {
                out.extend([(Field::Company, company), (Field::Customer, customer)]);
                out.extend(user_fields(body));
                out.push((Field::Locked, optional(locked.as_deref())));
            }
        }
        out.extend([(Field::Enabled, FieldValue::Flag(*enabled)), (Field::Suspended, FieldValue::Flag(*suspended))]);
        out
    }

    /// The fields in which `wanted` differs from this state, which is what a directory holds.
    ///
    /// # Panics
    /// Where the two are of different kinds, which never have the same key.
    pub fn changes(&self, wanted: &Self) -> Vec<FieldChange> {
        if self == wanted {
            return Vec::new();
        }
        assert_eq!(self.key.kind, wanted.key.kind, "only things of one kind are compared");
        let differing = self.fields().into_iter().zip(wanted.fields()).filter(|(found, wanted)| found.1 != wanted.1);
        differing.map(|((field, before), (_, after))| FieldChange { field, before, after }).collect()
    }
}

fn text(value: &impl ToSmolStr) -> FieldValue {
    FieldValue::Text(value.to_smolstr())
}

fn optional(value: Option<&impl ToSmolStr>) -> FieldValue {
    value.map_or(FieldValue::None, text)
}

fn role_fields(role: &Role) -> Vec<(Field, FieldValue)> {
    let Role { lives_under, may_appoint, privileged, manage_companies, manage_customers, requires_expires, requires_justification } =
        role;
    let requires = [(*requires_expires, "expires"), (*requires_justification, "justification")];
    vec![
        (Field::LivesUnder, FieldValue::List(lives_under.iter().map(|kind| SmolStr::new_static(kind.manifest())).collect())),
        (Field::MayAppoint, FieldValue::List(may_appoint.iter().map(ToSmolStr::to_smolstr).collect())),
        (Field::Privileged, FieldValue::Flag(*privileged)),
        (Field::ManageCompanies, FieldValue::Flag(*manage_companies)),
        (Field::ManageCustomers, FieldValue::Flag(*manage_customers)),
        (Field::Requires, FieldValue::List(requires.iter().filter(|it| it.0).map(|it| SmolStr::new_static(it.1)).collect())),
    ]
}

fn company_fields(company: &Company) -> Vec<(Field, FieldValue)> {
    let Company { display_name, company_type, region, contact, address, logo, description } = company;
    let nobody = Contact::default();
    let Contact { name, email, phone } = contact.as_deref().unwrap_or(&nobody);
    let mut out = vec![
        (Field::DisplayName, text(display_name)),
        (Field::Type, company_type.map_or(FieldValue::None, |it| FieldValue::Text(SmolStr::new_static(it.as_str())))),
        (Field::Region, optional(region.as_ref())),
        (Field::ContactName, optional(name.as_ref())),
        (Field::ContactEmail, optional(email.as_ref())),
        (Field::ContactPhone, optional(phone.as_ref())),
        (Field::Logo, optional(logo.as_ref())),
        (Field::Description, optional(description.as_ref())),
    ];
    out.extend(address_fields(address.as_deref()));
    out
}

fn customer_fields(customer: &Customer) -> Vec<(Field, FieldValue)> {
    let Customer { display_name, email, phone, address, description } = customer;
    let mut out = vec![
        (Field::DisplayName, text(display_name)),
        (Field::Email, optional(email.as_ref())),
        (Field::Phone, optional(phone.as_ref())),
        (Field::Description, optional(description.as_ref())),
    ];
    out.extend(address_fields(address.as_deref()));
    out
}

fn address_fields(address: Option<&Address>) -> Vec<(Field, FieldValue)> {
    let nowhere = Address::default();
    let Address { country, state, city, zip, line1, line2 } = address.unwrap_or(&nowhere);
    vec![
        (Field::Country, optional(country.as_ref())),
        (Field::State, optional(state.as_ref())),
        (Field::City, optional(city.as_ref())),
        (Field::Zip, optional(zip.as_ref())),
        (Field::Line1, optional(line1.as_ref())),
        (Field::Line2, optional(line2.as_ref())),
    ]
}

fn user_fields(user: &User) -> Vec<(Field, FieldValue)> {
    let User { username, email, role, display_name, first_name, last_name, phone, region, description, expires, justification } =
        user;
    vec![
        (Field::Username, text(username)),
        (Field::Email, text(email)),
        (Field::Role, text(role)),
        (Field::DisplayName, optional(display_name.as_ref())),
        (Field::FirstName, optional(first_name.as_ref())),
        (Field::LastName, optional(last_name.as_ref())),
        (Field::Phone, optional(phone.as_ref())),
        (Field::Region, optional(region.as_ref())),
        (Field::Description, optional(description.as_ref())),
        (Field::Expires, expires.map_or(FieldValue::None, |at| FieldValue::Text(format_smolstr!("{at}")))),
        (Field::Justification, optional(justification.as_ref())),
    ]
}
