//! Keycloak: companies and customers are groups or organizations of a realm, users are its users, roles are realm roles or
//! groups. Marks stand in an attribute of each.
//!
//! Checked against 26.7.3. Keycloak has no version of anything and tells nobody who was faster: what is written is read again
//! right before, and what differs is not overwritten. Attributes of others are never touched.

mod api;
mod import;
mod lease;
mod marks;
mod password;
mod places;
mod read;
mod realm;
mod rights;
mod roles;
mod users;
mod wire;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use secrecy::SecretString;
use smol_str::SmolStr;

use self::{api::Api, places::Places, realm::Facts};
use super::{
    http::{Client, ClientCredentials, Tuning, Wire},
    remote::{Edit, Item, Marks, NewPassword, Remote},
};
use crate::{
    directory::{DirectoryError, Lease, Right, Stop, Traffic},
    manifest::KeycloakSettings,
    model::{Field, Kind, RemoteId},
    observed::Capabilities,
};

/// A realm of a Keycloak.
pub struct Keycloak {
    name: String,
    api: Arc<Api>,
    settings: KeycloakSettings,
    known: Mutex<Known>,
}

/// What was found out until now.
#[derive(Default)]
struct Known {
    facts: Option<Arc<Facts>>,
    capabilities: Option<Arc<Capabilities>>,
    /// The company of users in no group.
    root: Option<RemoteId>,
    /// Groups that are roles.
    role_groups: BTreeMap<SmolStr, String>,
    /// What everybody has to do first who comes in by the front door; read when the first import needs it.
    actions: Option<Arc<Vec<String>>>,
    /// An import was refused: users are made one by one.
    no_imports: bool,
}

impl Keycloak {
    /// Speaks for the client of the settings, with its secret. Nothing is sent yet.
    pub fn open(settings: &KeycloakSettings, secret: SecretString) -> Result<Self, DirectoryError> {
        let wire = Wire::new(&settings.url, Tuning::default())?;
        let token = ["realms", &settings.realm, "protocol", "openid-connect", "token"];
        let tokens = ClientCredentials::new(Arc::clone(&wire), &token, &settings.client_id, secret);
        let api = Arc::new(Api { client: Client::new(wire, tokens), realm: settings.realm.clone() });
        let name = format!("keycloak: {}/realms/{}", settings.url, settings.realm);
        Ok(Self { name, api, settings: settings.clone(), known: Mutex::default() })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the realm allows, read anew.
    async fn fresh_facts(&self) -> Result<Arc<Facts>, DirectoryError> {
        let facts = Arc::new(Facts::read(&self.api, self.settings.roles).await?);
        let mut known = self.known();
        known.capabilities = Some(Arc::new(facts.capabilities(&self.settings)));
        known.facts = Some(Arc::clone(&facts));
        known.actions = None;
        known.role_groups.clear();
        Ok(facts)
    }

    /// What the realm allows, as of the last sweep.
    async fn facts(&self) -> Result<Arc<Facts>, DirectoryError> {
        let known = self.known().facts.clone();
        match known {
            Some(facts) => Ok(facts),
            None => self.fresh_facts().await,
        }
    }

    fn root(&self) -> Option<RemoteId> {
        self.known().root.clone()
    }

    fn remember_root(&self, places: &Places) -> Option<RemoteId> {
        let name = self.settings.root_company.as_ref()?;
        let root = places.all.values().find(|place| place.parent.is_none() && place.name == name.as_str());
        let root = root.map(|place| RemoteId(place.id.clone()));
        self.known().root.clone_from(&root);
        root
    }

    fn known_role_group(&self, name: &str) -> Option<String> {
        self.known().role_groups.get(name).cloned()
    }

    fn remember_role_groups(&self, groups: impl IntoIterator<Item = (SmolStr, String)>) {
        self.known().role_groups.extend(groups);
    }
}

#[async_trait]
impl Remote for Keycloak {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Arc<Capabilities> {
        let known = self.known().capabilities.clone();
        known.unwrap_or_else(|| Arc::new(Facts::default().capabilities(&self.settings)))
    }

    fn native(&self, kind: Kind) -> &'static [Field] {
        match kind {
            Kind::User => &users::NATIVE,
            Kind::Company | Kind::Customer => &[Field::DisplayName],
            Kind::Role => &[],
        }
    }

    fn marks(&self) -> Marks {
        Marks::OnObject
    }

    async fn sweep(&self, roles: &BTreeSet<SmolStr>) -> Result<Vec<Item>, DirectoryError> {
        self.everything(roles).await
    }

    async fn read(&self, ids: &[(Kind, RemoteId)], roles: &BTreeSet<SmolStr>) -> Result<Vec<Item>, DirectoryError> {
        self.some(ids, roles).await
    }

    async fn write(&self, edits: &[Edit], stop: &Stop) -> Vec<Result<Option<Item>, DirectoryError>> {
        self.carry_out(edits, stop).await
    }

    async fn password(&self, id: &RemoteId, password: &NewPassword) -> Result<(), DirectoryError> {
        self.set_password(&id.0, password).await
    }

    async fn revoke(&self, id: &RemoteId) -> Result<(), DirectoryError> {
        self.drop_passwords(&id.0).await
    }

    async fn invite(&self, id: &RemoteId, lifetime: Duration) -> Result<(), DirectoryError> {
        self.mail_a_link(&id.0, lifetime).await
    }

    async fn lease(&self, right: Right, wait: Duration) -> Result<Option<Lease>, DirectoryError> {
        lease::take(&self.api, right, wait).await.map(Some)
    }

    fn traffic(&self) -> Traffic {
        self.api.client.traffic()
    }
}
