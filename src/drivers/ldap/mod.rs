//! An LDAP server, OpenLDAP first: companies and customers are `organizationalUnit`s below a base, users `inetOrgPerson`s right
//! under them, roles are groups of ours, and the mark is a value of `labeledURI`. No schema needs to be installed.
//!
//! What stands where, which rights it takes, and how the server is set up: `docs/directories/ldap.md`.

mod answer;
mod attributes;
mod discover;
mod dn;
mod entry;
mod items;
mod known;
mod lease;
mod names;
mod password;
mod read;
mod roles;
mod search;
mod server;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use smol_str::SmolStr;
use tokio::sync::{OnceCell, RwLock};

use crate::{
    credential::SecretString,
    directory::{DirectoryError, ErrorKind, Lease, Right, Stop, Traffic},
    manifest::LdapSettings,
    model::{Field, Kind, Method, RemoteId},
    observed::{Capabilities, Limit},
};

use super::remote::{Edit, Item, Marks, NewPassword, Remote};
use discover::Abilities;
use dn::Canonical;
use known::Known;
use password::Hashes;
use server::Server;

/// Our folder below the base.
const OWN: &str = "tenantry";
/// The folder of the role groups in it.
const ROLES: &str = "roles";
/// Requests on their way at the same time. OpenLDAP closes a connection with more than a thousand of them
/// (`conn_max_pending_auth` in slapd.conf(5)), and writes one after the other anyway.
const WIDTH: usize = 16;

/// A tree in an LDAP server.
pub struct Ldap(Arc<Inner>);

/// What the parts of this driver share.
struct Inner {
    name: String,
    server: Server,
    base: String,
    /// The same in the form that is compared.
    top: Canonical,
    /// `ou=tenantry` below the base.
    own: String,
    /// `ou=roles` in it.
    roles: String,
    /// Whom we sign in as.
    us: Canonical,
    abilities: OnceCell<Abilities>,
    capabilities: Mutex<Arc<Capabilities>>,
    known: Mutex<Known>,
    /// Held for writing by what renames a whole subtree: everybody else's names would be wrong half-way.
    names: RwLock<()>,
    hashes: Mutex<Hashes>,
}

impl Ldap {
    /// The tree that a project names. Nothing is sent yet.
    pub fn open(settings: &LdapSettings, password: SecretString) -> Result<Self, DirectoryError> {
        let LdapSettings { url, base_dn, bind_dn, password: _ } = settings;
        let own = dn::child("ou", OWN, base_dn);
        Ok(Self(Arc::new(Inner {
            name: format!("ldap: {url}/{base_dn}"),
            server: Server::new(url, bind_dn, password)?,
            base: base_dn.clone(),
            top: Canonical::of(base_dn),
            roles: dn::child("ou", ROLES, &own),
            own,
            us: Canonical::of(bind_dn),
            abilities: OnceCell::new(),
            capabilities: Mutex::new(Arc::new(capabilities(true))),
            known: Mutex::default(),
            names: RwLock::default(),
            hashes: Mutex::default(),
        })))
    }
}

/// What any such server can hold and do.
fn capabilities(disable: bool) -> Capabilities {
    // `mail` is an IA5String: RFC 4524 §2.16.
    let mailbox = Limit { kind: Kind::User, field: Field::Email, least: 0, most: 256, ascii: true, without: SmolStr::default() };
    Capabilities {
        fields: Field::ALL.into(),
        fixed: BTreeMap::new(),
        limits: vec![mailbox],
        disable,
        move_users: true,
        places: Capabilities::every_place(),
        methods: [Method::Invite, Method::Temporary, Method::Secret, Method::Hash, Method::None].into(),
        invites: false,
        roles: None,
        concurrency: WIDTH,
        ..Capabilities::everything()
    }
}

impl Inner {
    /// What the server can do; asked once.
    async fn abilities(&self) -> Result<&Abilities, DirectoryError> {
        self.abilities.get_or_try_init(|| discover::abilities(&self.server, &self.top)).await
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn able(&self, disable: bool) {
        *self.capabilities.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(capabilities(disable));
    }
}

#[async_trait]
impl Remote for Ldap {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn capabilities(&self) -> Arc<Capabilities> {
        Arc::clone(&self.0.capabilities.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn native(&self, kind: Kind) -> &'static [Field] {
        match kind {
            Kind::User => &[
                Field::Username,
                Field::Email,
                Field::DisplayName,
                Field::FirstName,
                Field::LastName,
                Field::Phone,
                Field::Description,
            ],
            Kind::Customer => &[Field::Phone, Field::Description],
            Kind::Company => &[Field::Description],
            Kind::Role => &[],
        }
    }

    fn marks(&self) -> Marks {
        Marks::OnObject
    }

    async fn sweep(&self, roles: &BTreeSet<SmolStr>) -> Result<Vec<Item>, DirectoryError> {
        self.0.sweep(roles).await
    }

    async fn read(&self, ids: &[(Kind, RemoteId)], roles: &BTreeSet<SmolStr>) -> Result<Vec<Item>, DirectoryError> {
        self.0.read(ids, roles).await
    }

    async fn write(&self, edits: &[Edit], stop: &Stop) -> Vec<Result<Option<Item>, DirectoryError>> {
        self.0.write(edits, stop).await
    }

    async fn password(&self, id: &RemoteId, password: &NewPassword) -> Result<(), DirectoryError> {
        self.0.password(id, password).await
    }

    async fn revoke(&self, id: &RemoteId) -> Result<(), DirectoryError> {
        self.0.revoke(id).await
    }

    async fn invite(&self, id: &RemoteId, _lifetime: Duration) -> Result<(), DirectoryError> {
        let RemoteId(id) = id;
        Err(DirectoryError::new(format!("invite {id}"), ErrorKind::Rejected).because("an LDAP server sends no mail"))
    }

    async fn lease(&self, right: Right, wait: Duration) -> Result<Option<Lease>, DirectoryError> {
        lease::lease(&self.0, right, wait).await
    }

    fn traffic(&self) -> Traffic {
        self.0.server.traffic()
    }
}
