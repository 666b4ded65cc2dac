//! What a role, a company, a customer and a user say of themselves.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Country, Email, Kind, Line, Name, Paragraph, Phone, Username};

/// What one thing says of itself, apart from its key, its place and whether it is enabled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Body {
    /// A role.
    Role(Role),
    /// A company.
    Company(Company),
    /// A customer.
    Customer(Customer),
    /// A user.
    User(User),
}

impl Body {
    /// The kind this body belongs to.
    pub fn kind(&self) -> Kind {
        match self {
            Self::User(_) => Kind::User,
            Self::Role(_) => Kind::Role,
            Self::Company(_) => Kind::Company,
            Self::Customer(_) => Kind::Customer,
        }
    }

    /// Reads the body of a `kind` from the JSON that serializing one gives: the form in which directories that have a
    /// place for it keep it.
    pub fn from_json(kind: Kind, json: &str) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            Kind::Role => Self::Role(serde_json::from_str(json)?),
            Kind::Company => Self::Company(serde_json::from_str(json)?),
            Kind::Customer => Self::Customer(serde_json::from_str(json)?),
            Kind::User => Self::User(serde_json::from_str(json)?),
        })
    }

    /// The user in it, if it is one.
    pub fn user(&self) -> Option<&User> {
        match self {
            Self::User(user) => Some(user),
            Self::Role(_) | Self::Company(_) | Self::Customer(_) => None,
        }
    }
}

/// What a user may do and whom they may appoint (manual S1). Lists are sorted and without repetition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Role {
    /// Kinds a user with this role may belong to: [`Kind::Company`], [`Kind::Customer`] or both.
    pub lives_under: Vec<Kind>,
    /// Roles that a holder may give, and take away.
    pub may_appoint: Vec<Name>,
    /// Whether losing it is a loss in the budget, and its last holder protected.
    pub privileged: bool,
    /// Whether a holder may create, change and remove companies (and customers).
    pub manage_companies: bool,
    /// Whether a holder may create, change and remove customers.
    pub manage_customers: bool,
    /// A holder must have `expires`.
    pub requires_expires: bool,
    /// A holder must have `justification`.
    pub requires_justification: bool,
}

/// What kind of company it is (manual S1). A distributor may stand above both, an installer above installers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CompanyType {
    /// Sells to installers.
    Distributor,
    /// Builds and keeps plants.
    Installer,
}

impl CompanyType {
    /// As it is written in a document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Distributor => "Distributor",
            Self::Installer => "Installer",
        }
    }
}

/// Whom to ask at a company.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Contact {
    /// A person's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Line>,
    /// Their mailbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// Their number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Phone>,
}

/// A postal address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Address {
    /// ISO 3166-1 alpha-2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// State or province.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Line>,
    /// City.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<Line>,
    /// Postal code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zip: Option<Line>,
    /// Street and number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line1: Option<Line>,
    /// What does not fit into the first line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line2: Option<Line>,
}

/// A tenant (manual S1). Empty contacts and addresses are `None`, never `Some` of nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Company {
    /// What people call it; defaults to its name.
    pub display_name: Line,
    /// Immutable once given.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub company_type: Option<CompanyType>,
    /// One of the project's regions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Name>,
    /// Whom to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Box<Contact>>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Box<Address>>,
    /// Where its picture is: a URL, as the directory takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo: Option<Paragraph>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Paragraph>,
}

/// A customer of a company, or one that stands alone (manual S2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Customer {
    /// Its title, unique inside its company; defaults to its name.
    pub display_name: Line,
    /// Mailbox of the customer itself; not unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// Number of the customer itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Phone>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Box<Address>>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Paragraph>,
}

/// A person with an account (manuals S1, S2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct User {
    /// The name to sign in with, unique in the directory; defaults to `metadata.name`.
    pub username: Username,
    /// Unique in the directory.
    pub email: Email,
    /// The name of their role: one of their namespace, else a global one.
    pub role: Name,
    /// What people call them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Line>,
    /// Given name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Line>,
    /// Family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Line>,
    /// Only where their region has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Phone>,
    /// As declared; none means that of the company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Name>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Paragraph>,
    /// From then on the account is wanted disabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Why they have what they have; a role can require it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub justification: Option<Paragraph>,
}
