//! A `ThingsBoard` server, <https://thingsboard.io/docs/reference/rest-api/>: one tenant of it for the tenant's administrator, all
//! of them for the system's.
//!
//! What it knows: tenants, customers and users over HTTP, and what this server does with them. What it must not know: what is
//! declared. A company is a tenant, a customer a customer, a user of a company a tenant administrator, a user of a customer a
//! customer user. `docs/directories/thingsboard.md` says the rest.

mod able;
mod access;
mod api;
mod contents;
mod create;
mod delete;
mod info;
mod list;
mod map;
mod people;
mod read;
mod sign_in;
mod write;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use secrecy::SecretString;
use smol_str::SmolStr;

use crate::{
    directory::{DirectoryError, OwnLink, Stop, Traffic},
    drivers::remote::{Edit, Item, Marks, NewPassword, Remote},
    manifest::{ThingsboardInvites, ThingsboardSettings},
    model::{Field, Kind, RemoteId},
    observed::{Capabilities, Contents},
};

use self::{
    access::{Access, Standing},
    api::Raw,
};

/// Requests worth sending at once.
const CONCURRENCY: usize = 8;

/// A `ThingsBoard` server.
pub struct Thingsboard {
    name: String,
    invites: ThingsboardInvites,
    access: Access,
    known: Mutex<Known>,
}

/// What was read, as far as the next write needs it.
#[derive(Default)]
struct Known {
    /// Where objects stand, of all that were ever seen.
    seats: HashMap<RemoteId, Seat>,
    /// Objects as the server gave them when they were read one by one, or written.
    raw: HashMap<RemoteId, Raw>,
}

/// Where an object stands: what it takes to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seat {
    kind: Kind,
    /// The tenant; itself for one.
    tenant: SmolStr,
    /// A user who is an administrator of the tenant.
    admin: bool,
}

impl Thingsboard {
    /// Speaks to a server. Nothing is sent yet.
    pub fn open(settings: &ThingsboardSettings, secret: SecretString) -> Result<Self, DirectoryError> {
        let ThingsboardSettings { url, proof, invites } = settings;
        let access = Access::open(url, proof, secret)?;
        Ok(Self { name: format!("thingsboard: {url}"), invites: *invites, access, known: Mutex::default() })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes down where an object stands.
    fn seat(&self, id: &RemoteId, seat: Seat) {
        self.known().seats.insert(id.clone(), seat);
    }
}

#[async_trait]
impl Remote for Thingsboard {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Arc<Capabilities> {
        Arc::new(able::capabilities(&self.access.standing_or_guess(), self.invites))
    }

    fn native(&self, kind: Kind) -> &'static [Field] {
        map::native(kind)
    }

    fn marks(&self) -> Marks {
        match self.access.standing_or_guess() {
            Standing::System => Marks::OnObject,
            // A tenant is the system administrator's to write to.
            Standing::Tenant { .. } => Marks::NotOnCompanies,
        }
    }

    async fn sweep(&self, roles: &BTreeSet<SmolStr>) -> Result<Vec<Item>, DirectoryError> {
        self.read_all(roles).await
    }

    async fn read(&self, ids: &[(Kind, RemoteId)], roles: &BTreeSet<SmolStr>) -> Result<Vec<Item>, DirectoryError> {
        self.read_some(ids, roles).await
    }

    async fn write(&self, edits: &[Edit], stop: &Stop) -> Vec<Result<Option<Item>, DirectoryError>> {
        self.write_all(edits, stop).await
    }

    async fn password(&self, id: &RemoteId, password: &NewPassword) -> Result<(), DirectoryError> {
        self.first_password(id, password).await
    }

    async fn revoke(&self, id: &RemoteId) -> Result<(), DirectoryError> {
        self.no_password(id).await
    }

    async fn invite(&self, id: &RemoteId, _lifetime: Duration) -> Result<(), DirectoryError> {
        // How long its links live is a setting of the server: 24 hours at most.
        self.have_mail_sent(id).await
    }

    async fn uninvite(&self, id: &RemoteId) -> Result<(), DirectoryError> {
        self.burn_link(id).await
    }

    async fn link(&self, id: &RemoteId) -> Result<Option<OwnLink>, DirectoryError> {
        self.own_link(id).await
    }

    async fn contents(&self, ids: &[(Kind, RemoteId)]) -> Result<Vec<Contents>, DirectoryError> {
        self.what_goes(ids).await
    }

    fn traffic(&self) -> Traffic {
        self.access.traffic()
    }
}
