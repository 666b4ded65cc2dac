//! Directories: what stands behind the port. Each translates between [`crate::observed`] and what it talks to, and decides
//! nothing.

#[cfg(any(feature = "keycloak", feature = "scim", feature = "thingsboard"))]
mod http;
#[cfg(feature = "keycloak")]
pub mod keycloak;
#[cfg(feature = "ldap")]
pub mod ldap;
pub mod ledger;
mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod remote;
mod rows;
#[cfg(feature = "scim")]
pub mod scim;
mod sql;
pub mod sqlite;
mod table;
#[cfg(feature = "thingsboard")]
pub mod thingsboard;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    credential::{SecretString, Vault},
    directory::{Accounts, Directory, DirectoryError, ErrorKind},
    manifest::{DirectorySpec, LedgerSpec},
    model::SecretSource,
};

#[cfg(feature = "postgres")]
use crate::manifest::PostgresSettings;

use self::{
    ledger::Ledger,
    remote::{Ledgered, Remote},
};

pub use memory::Memory;
#[cfg(feature = "postgres")]
pub use postgres::Postgres;
#[cfg(feature = "scim")]
pub use scim::Scim;
pub use sqlite::Sqlite;

/// The ledger of a project that does not say.
const LEDGER: &str = "tenantry-ledger.db";

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

/// A directory that was opened, as each of those who use it sees it.
#[derive(Clone)]
pub struct Opened {
    /// For plans and their apply.
    pub directory: Arc<dyn Directory>,
    /// For people who set their passwords with us.
    pub accounts: Arc<dyn Accounts>,
}

impl Opened {
    fn of<T: Directory + Accounts + 'static>(it: T) -> Self {
        let it = Arc::new(it);
        Self { directory: Arc::clone(&it) as _, accounts: it }
    }
}

/// Opens the directory that a project names. Nothing is read from it or written to it yet: this fails only on what the
/// project says, and on secrets that cannot be read ([`ErrorKind::Refused`]).
pub fn open(opening: &Opening<'_>) -> Result<Opened, DirectoryError> {
    match opening.directory {
        DirectorySpec::Sqlite { path } => Ok(Opened::of(Sqlite::open(opening.base, path)?)),
        #[cfg(feature = "postgres")]
        DirectorySpec::Postgres(PostgresSettings { url, schema }) => {
            Ok(Opened::of(Postgres::open(&secret(opening, url)?, schema, opening.base)?))
        }
        #[cfg(not(feature = "postgres"))]
        DirectorySpec::Postgres(_) => Err(unsupported("postgres")),
        #[cfg(feature = "keycloak")]
        DirectorySpec::Keycloak(settings) => {
            beside(opening, keycloak::Keycloak::open(settings, secret(opening, &settings.client_secret)?)?)
        }
        #[cfg(not(feature = "keycloak"))]
        DirectorySpec::Keycloak(_) => Err(unsupported("keycloak")),
        #[cfg(feature = "scim")]
        DirectorySpec::Scim(settings) => beside(opening, Scim::open(settings, secret(opening, &settings.token)?)?),
        #[cfg(not(feature = "scim"))]
        DirectorySpec::Scim(_) => Err(unsupported("scim")),
        #[cfg(feature = "ldap")]
        DirectorySpec::Ldap(settings) => beside(opening, ldap::Ldap::open(settings, secret(opening, &settings.password)?)?),
        #[cfg(not(feature = "ldap"))]
        DirectorySpec::Ldap(_) => Err(unsupported("ldap")),
        #[cfg(feature = "thingsboard")]
        DirectorySpec::Thingsboard(settings) => {
            beside(opening, thingsboard::Thingsboard::open(settings, secret(opening, settings.proof.secret())?)?)
        }
        #[cfg(not(feature = "thingsboard"))]
        DirectorySpec::Thingsboard(_) => Err(unsupported("thingsboard")),
    }
}

/// Puts a ledger beside a directory without tables.
#[cfg_attr(
    not(any(feature = "keycloak", feature = "ldap", feature = "scim", feature = "thingsboard")),
    expect(dead_code, reason = "no such directory")
)]
fn beside(opening: &Opening<'_>, remote: impl Remote + 'static) -> Result<Opened, DirectoryError> {
    Ok(Opened::of(Ledgered::new(remote, ledger(opening)?, opening.new_ledger)))
}

fn ledger(opening: &Opening<'_>) -> Result<Arc<dyn Ledger>, DirectoryError> {
    let default = LedgerSpec::Sqlite(PathBuf::from(LEDGER));
    match opening.ledger.unwrap_or(&default) {
        LedgerSpec::Sqlite(path) => Ok(Arc::new(Sqlite::ledger(opening.base, path)?)),
        #[cfg(feature = "postgres")]
        LedgerSpec::Postgres(PostgresSettings { url, schema }) => {
            Ok(Arc::new(Postgres::ledger(&secret(opening, url)?, schema, opening.base)?))
        }
        #[cfg(not(feature = "postgres"))]
        LedgerSpec::Postgres(_) => Err(unsupported("postgres")),
    }
}

/// Reads a secret that the project names.
#[cfg_attr(
    not(any(feature = "keycloak", feature = "ldap", feature = "postgres", feature = "scim", feature = "thingsboard")),
    expect(dead_code, reason = "no such directory")
)]
fn secret(opening: &Opening<'_>, source: &SecretSource) -> Result<SecretString, DirectoryError> {
    let operation = || format!("read the secret of the directory ({source})");
    opening.vault.read(source).map_err(|error| DirectoryError::new(operation(), ErrorKind::Refused).because(error))
}

/// One that this program cannot open.
#[cfg_attr(
    all(feature = "keycloak", feature = "ldap", feature = "postgres", feature = "scim", feature = "thingsboard"),
    expect(dead_code, reason = "this one opens all there are")
)]
fn unsupported(kind: &str) -> DirectoryError {
    DirectoryError::new(format!("open the directory `{kind}`"), ErrorKind::Rejected).because("this program was built without it")
}
