//! Values: names, e-mails, roles, companies, customers, users.
//!
//! Everything here is in normal form once it exists: the constructors refuse what is malformed, so that no layer above
//! checks a name twice. This module knows nothing of files, clusters, directories, clocks or the environment.

mod body;
mod field;
mod key;
mod name;
mod restore;
mod role;
mod secret;
mod state;
mod text;

pub use body::{Address, Body, Company, CompanyType, Contact, Customer, Role, User};
pub use field::{Field, FieldChange, FieldValue};
pub use key::{Key, KeyError, Kind};
pub use name::{Name, Namespace, ValueError};
pub use role::{RoleTable, built_in_roles};
pub use secret::{PasswordHash, PlainPassword, TokenHash};
pub use state::{Credential, Deletion, Method, Place, RemoteId, SecretSource, State, Version};
pub use text::{Country, Email, Line, Paragraph, Phone, Username, visible};
