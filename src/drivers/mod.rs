//! Directories: what stands behind the port. Each translates between [`crate::observed`] and what it talks to, and decides
//! nothing.

#[cfg(any(feature = "keycloak", feature = "scim"))]
mod http;
#[cfg(feature = "keycloak")]
pub mod keycloak;
pub mod ledger;
mod memory;
#[cfg(any(feature = "keycloak", feature = "ldap", feature = "scim"))]
pub mod remote;
mod rows;
pub mod sqlite;
mod table;

use std::{path::Path, sync::Arc};

use crate::{
    credential::Vault,
    directory::{Accounts, Directory, DirectoryError, ErrorKind},
    manifest::{DirectorySpec, LedgerSpec},
};

pub use memory::Memory;
pub use sqlite::Sqlite;

/// What a directory is opened with.
#[derive(Clone)]
pub struct Opening<'a> {
    /// Which directory.
    pub directory: &'a DirectorySpec,
    /// Where the history is kept, for one without a place for it; none means `tenantry-ledger.db`.
    pub ledger: Option<&'a LedgerSpec>,
    /// Relative paths start from here: the folder of the project file.
    pub base: &'a Path,
    /// Where the secrets are found that the two name.
    pub vault: &'a Vault,
    /// An empty ledger is meant, although the directory holds what is ours.
    pub new_ledger: bool,
}

/// Opens the directory that a project names. Nothing is read from it or written to it yet: this fails only on what the
/// project says, and on secrets that cannot be read.
pub fn open(opening: &Opening<'_>) -> Result<Arc<dyn Directory>, DirectoryError> {
    let Opening { directory, ledger: _, base, vault: _, new_ledger: _ } = opening;
    match directory {
        DirectorySpec::Sqlite { path } => Ok(Arc::new(Sqlite::open(base, path)?)),
        DirectorySpec::Postgres(_) => Err(unsupported("postgres")),
        DirectorySpec::Keycloak(_) => Err(unsupported("keycloak")),
        DirectorySpec::Scim(_) => Err(unsupported("scim")),
        DirectorySpec::Ldap(_) => Err(unsupported("ldap")),
        DirectorySpec::Other(kind) => Err(unsupported(kind)),
    }
}

/// Opens the accounts of a directory whose people set their passwords with us. Nothing is read yet, like [`open`].
pub fn accounts(opening: &Opening<'_>) -> Result<Arc<dyn Accounts>, DirectoryError> {
    let Opening { directory, ledger: _, base, vault: _, new_ledger: _ } = opening;
    match directory {
        DirectorySpec::Sqlite { path } => Ok(Arc::new(Sqlite::open(base, path)?)),
        DirectorySpec::Postgres(_) => Err(unsupported("postgres")),
        DirectorySpec::Keycloak(_) => Err(unsupported("keycloak")),
        DirectorySpec::Scim(_) => Err(unsupported("scim")),
        DirectorySpec::Ldap(_) => Err(unsupported("ldap")),
        DirectorySpec::Other(kind) => Err(unsupported(kind)),
    }
}

/// One that this program cannot open.
fn unsupported(kind: &str) -> DirectoryError {
    DirectoryError::new(format!("open the directory `{kind}`"), ErrorKind::Rejected).because("this program was built without it")
}
