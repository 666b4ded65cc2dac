//! The project file, `kind: Project`: whose declaration it is, which directory it goes to, and within which limits.

#![allow(unreachable_pub, reason = "the derive of the schema repeats the type inside a function")]

mod lower;
mod wire;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::model::{Deletion, Key, Name, SecretSource, Username};

pub use wire::*;

/// Where the set-password page is as long as the project does not say: where `tenantry serve` listens when it is not told
/// otherwise.
pub const DEFAULT_BASE_URL: &str = "http://127.0.0.1:8080";

/// A project, in normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// What the project is called.
    pub name: Name,
    /// Whose things these are.
    pub owner: Name,
    /// Who acts, where the project says so.
    pub actor: Option<Username>,
    /// Where it all goes.
    pub directory: DirectorySpec,
    /// The whole declaration, relative to the project file; empty where the project does not say.
    pub paths: Vec<String>,
    /// Regions and what they have.
    pub regions: BTreeMap<Name, Region>,
    /// What removal means for things that do not say.
    pub deletion: Deletion,
    /// How long a retired account is kept before a plan counts it as due for purging.
    pub retention: Duration,
    /// How much may go wrong at once.
    pub budget: Budget,
    /// Things that lose nothing, whatever is declared.
    pub protected: BTreeSet<Key>,
    /// What passwords look like, and how long secrets live.
    pub passwords: Passwords,
    /// How mail goes out; none means `./outbox/`.
    pub mail: Option<Mail>,
    /// Where the set-password page is; none means [`DEFAULT_BASE_URL`].
    pub base_url: Option<SmolStr>,
    /// Where the history is kept, for directories without a place for it.
    pub ledger: Option<LedgerSpec>,
}

/// What passwords look like, and how long secrets live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passwords {
    /// The shortest.
    pub min_length: u32,
    /// The longest.
    pub max_length: u32,
    /// How many of the four classes of characters.
    pub classes: u32,
    /// The length of a generated one.
    pub generated: u32,
    /// How long a set-password link lives.
    pub invite: Duration,
    /// How long a temporary password lives.
    pub temporary: Duration,
    /// How long a secret of `tenantry reset` lives.
    pub reset: Duration,
}

impl Default for Passwords {
    fn default() -> Self {
        let (invite, temporary, reset) = (Duration::from_hours(72), Duration::from_hours(72), Duration::from_hours(24));
        Self { min_length: 8, max_length: 128, classes: 2, generated: 20, invite, temporary, reset }
    }
}

/// How mail goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The sender, as written: `Tenantry <no-reply@acme.example>`.
    pub from: SmolStr,
    /// A folder with templates of the project's own, relative to the project file.
    pub templates: Option<PathBuf>,
    /// By which way.
    pub transport: Transport,
}

/// The way that mail goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// As `.eml` files in a folder, relative to the project file.
    Folder(PathBuf),
    /// By a mail server.
    Smtp {
        /// Its name.
        host: SmolStr,
        /// Its port; none means the usual one.
        port: Option<u16>,
        /// How the connection is kept private.
        tls: Tls,
        /// Who signs in.
        username: Option<SmolStr>,
        /// With what.
        password: Option<SecretSource>,
    },
}

/// How a connection to a mail server is kept private.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Tls {
    /// From the first byte on.
    #[default]
    Required,
    /// After a plain greeting, and not without.
    StartTls,
    /// Not at all: only where the host is loopback.
    None,
}

/// Where the history is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerSpec {
    /// In an `SQLite` file, relative to the project file.
    Sqlite(PathBuf),
    /// In a `PostgreSQL` database.
    Postgres(PostgresSettings),
}

/// A region of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Whether people there may have a phone number (manual S1: the Asia-Pacific site only).
    pub phone: bool,
}

/// Which directory, with how to get there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectorySpec {
    /// The embedded one: an SQLite file.
    Sqlite {
        /// As written; relative to the project file.
        path: PathBuf,
    },
    /// A `PostgreSQL` database.
    Postgres(PostgresSettings),
    /// A Keycloak realm.
    Keycloak(KeycloakSettings),
    /// A SCIM 2.0 service.
    Scim(ScimSettings),
    /// An LDAP server.
    Ldap(LdapSettings),
    /// A `ThingsBoard` server.
    Thingsboard(ThingsboardSettings),
}

impl DirectorySpec {
    /// The secret that it takes to get in, where it takes one.
    pub fn secret(&self) -> Option<&SecretSource> {
        match self {
            Self::Postgres(PostgresSettings { url, schema: _ }) => Some(url),
            Self::Keycloak(settings) => Some(&settings.client_secret),
            Self::Scim(ScimSettings { url: _, token }) => Some(token),
            Self::Ldap(settings) => Some(&settings.password),
            Self::Thingsboard(settings) => Some(settings.proof.secret()),
            Self::Sqlite { path: _ } => None,
        }
    }
}

/// How to get to a `PostgreSQL` database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresSettings {
    /// `postgres://…`, with the password in it.
    pub url: SecretSource,
    /// The schema that the tables are in.
    pub schema: String,
}

/// How to get to a Keycloak realm, and what is what in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeycloakSettings {
    /// The base URL, without a slash at the end.
    pub url: String,
    /// The realm.
    pub realm: String,
    /// The client we sign in as.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretSource,
    /// What companies are there.
    pub companies: KeycloakCompanies,
    /// What roles are there.
    pub roles: KeycloakRoles,
    /// The company of users in no group.
    pub root_company: Option<Name>,
    /// Who mails the links with which people set their passwords.
    pub invites: KeycloakInvites,
}

/// How to get to a SCIM service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScimSettings {
    /// The base URL, without a slash at the end.
    pub url: String,
    /// The bearer token.
    pub token: SecretSource,
}

/// How to get to an LDAP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapSettings {
    /// `ldaps://…`
    pub url: String,
    /// What everything is below.
    pub base_dn: String,
    /// Whom we sign in as.
    pub bind_dn: String,
    /// With what.
    pub password: SecretSource,
}

/// How to get to a `ThingsBoard` server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThingsboardSettings {
    /// The base URL, without a slash at the end.
    pub url: String,
    /// What lets us in.
    pub proof: ThingsboardProof,
    /// Who mails the links with which people set their passwords.
    pub invites: ThingsboardInvites,
}

/// What lets us in at a `ThingsBoard` server. Whether that is a tenant's administrator or the system's is asked there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThingsboardProof {
    /// An API key.
    ApiKey(SecretSource),
    /// Somebody's e-mail and password.
    Login {
        /// The e-mail.
        username: String,
        /// The password.
        password: SecretSource,
    },
}

impl ThingsboardProof {
    /// The secret in it.
    pub fn secret(&self) -> &SecretSource {
        match self {
            Self::ApiKey(secret) | Self::Login { username: _, password: secret } => secret,
        }
    }
}

/// A share in hundredths of a percent, so that it compares exactly: `10%` is 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Percent(pub u32);

impl Percent {
    /// That share of `whole`, rounded down.
    pub fn of(self, whole: u64) -> u64 {
        whole.saturating_mul(u64::from(self.0)) / 10_000
    }
}

/// How much may go wrong at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Budget {
    /// Losses, as a share of the enabled managed objects.
    pub removals: Percent,
    /// Losses that are always allowed.
    pub at_least: u64,
    /// Losses that are never exceeded.
    pub at_most: u64,
    /// For how long losses are remembered.
    pub window: Duration,
    /// Creates in one plan.
    pub creates: u64,
    /// Mails in one run.
    pub mails: u64,
}

impl Budget {
    /// What may be lost within the window, of `enabled` objects.
    pub fn limit(&self, enabled: u64) -> u64 {
        self.removals.of(enabled).max(self.at_least).min(self.at_most)
    }
}

impl Default for Budget {
    fn default() -> Self {
        let window = Duration::from_hours(24);
        Self { removals: Percent(1_000), at_least: 5, at_most: 100, window, creates: 100_000, mails: 1_000 }
    }
}

impl Default for Project {
    /// What holds without a project file: an embedded directory `tenantry.db` in the working directory, owner `default`,
    /// the three regions of manual S1.
    fn default() -> Self {
        let name = |text: &str| Name::new(text).expect("a label");
        let region = |text, phone| (name(text), Region { phone });
        Self {
            name: name("default"),
            owner: name("default"),
            actor: None,
            directory: DirectorySpec::Sqlite { path: "tenantry.db".into() },
            paths: Vec::new(),
            regions: [region("asia-pacific", true), region("europe", false), region("north-america", false)].into(),
            deletion: Deletion::Disable,
            retention: Duration::from_hours(30 * 24),
            budget: Budget::default(),
            protected: BTreeSet::new(),
            passwords: Passwords::default(),
            mail: None,
            base_url: None,
            ledger: None,
        }
    }
}
