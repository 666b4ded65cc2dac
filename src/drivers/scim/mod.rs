//! A service that speaks SCIM 2.0, <https://www.rfc-editor.org/rfc/rfc7643> and <https://www.rfc-editor.org/rfc/rfc7644>.
//!
//! What it knows: users and groups over HTTP, and how services differ. It asks a service what it can and believes what it reads
//! back. What it must not know: what is declared. Accounts of how services differ are in `docs/directories/scim.md`.

mod groups;
mod map;
mod places;
mod read;
mod resource;
mod service;
mod wire;
mod write;

use std::{
    collections::{BTreeSet, HashSet},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use smol_str::SmolStr;

use crate::{
    credential,
    directory::{DirectoryError, ErrorKind, Stop, Traffic},
    drivers::{
        http::{Client, Fixed, Status, Tuning, Verb, Wire, each},
        remote::{Edit, Item, Marks, NewPassword, Remote},
    },
    manifest::ScimSettings,
    model::{Field, Kind, RemoteId},
    observed::Capabilities,
};

use self::{places::Places, resource::Resource, service::Service};

/// Requests worth sending at once.
const CONCURRENCY: usize = 8;

/// Characters of the password that nobody knows, which stands in for none.
const UNKNOWN: u32 = 64;

/// What comes of some requests, [`CONCURRENCY`] at a time, in the order given.
async fn all<F: Future>(requests: Vec<F>) -> Vec<F::Output> {
    each(CONCURRENCY, requests, |request| request).await
}

/// A SCIM service.
pub struct Scim {
    name: String,
    url: String,
    http: Client,
    service: OnceLock<Service>,
    /// It has turned out that nothing can be changed in part, whatever the service says of itself.
    patchless: AtomicBool,
    /// What was there when everything was read last, and what was created since and known to be.
    seen: Mutex<HashSet<RemoteId>>,
    places: Mutex<Option<Arc<Places>>>,
}

impl Scim {
    /// Speaks to a service with this token. Nothing is sent yet.
    pub fn open(settings: &ScimSettings, token: SecretString) -> Result<Self, DirectoryError> {
        let ScimSettings { url, token: _ } = settings;
        let wire = Wire::new(url, Tuning { width: CONCURRENCY, ..Tuning::default() })?;
        Ok(Self {
            name: format!("scim: {url}"),
            url: url.clone(),
            http: Client::new(wire, Fixed(token)),
            service: OnceLock::new(),
            patchless: AtomicBool::new(false),
            seen: Mutex::default(),
            places: Mutex::default(),
        })
    }

    /// What the service says of itself; asked once.
    async fn service(&self) -> Result<&Service, DirectoryError> {
        if let Some(service) = self.service.get() {
            return Ok(service);
        }
        let (config, types, schemas) =
            tokio::try_join!(self.discover("ServiceProviderConfig"), self.discover("ResourceTypes"), self.discover("Schemas"))?;
        let service = Service::new(config.as_ref(), types.as_ref(), schemas.as_ref());
        if !service.patch {
            self.patchless.store(true, Ordering::Relaxed);
        }
        Ok(self.service.get_or_init(|| service))
    }

    async fn discover(&self, part: &str) -> Result<Option<Value>, DirectoryError> {
        let what = format!("read `/{part}`");
        let answer = self.http.send(&wire::request(Verb::Get, part, None, &what)).await?;
        match answer.status {
            Status::Ok => answer.json(&what).map(Some),
            Status::Missing | Status::Invalid | Status::Other(405 | 501) => Ok(None),
            Status::Unauthorized | Status::Conflict | Status::Changed | Status::Other(_) => Err(wire::failure(&answer, &what)),
        }
    }

    /// All groups, and what their members come to.
    async fn groups(&self, service: &Service, roles: &BTreeSet<SmolStr>) -> Result<(Vec<Resource>, Arc<Places>), DirectoryError> {
        let groups = read::list(&self.http, service, &service.groups, None, "read groups").await?;
        let places = Arc::new(Places::new(&groups, roles));
        *self.places.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&places));
        Ok((groups, places))
    }

    /// What the members of groups came to when they were read last.
    async fn places(&self, service: &Service) -> Result<Arc<Places>, DirectoryError> {
        let known = self.places.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(places) => Ok(places),
            None => Ok(self.groups(service, &BTreeSet::new()).await?.1),
        }
    }

    /// One object as it is now; a group is taken from the list where that has it.
    async fn one(
        &self,
        service: &Service,
        (groups, places): (&[Resource], &Places),
        kind: Kind,
        id: &RemoteId,
    ) -> Result<Option<Item>, DirectoryError> {
        let id = map::local(id);
        let what = format!("read {} {id}", kind.word());
        match kind {
            Kind::User => {
                let user = wire::get(&self.http, &service.users, id, &what).await?;
                Ok(user.map(|user| map::user(&user, service, places)))
            }
            Kind::Role | Kind::Company | Kind::Customer => {
                if let Some(group) = groups.iter().find(|group| group.id() == id) {
                    return Ok(map::place(group, service, places));
                }
                // A list that does not have it does not say that it is gone.
                let group = wire::get(&self.http, &service.groups, id, &what).await?;
                Ok(group.and_then(|group| map::place(&group, service, places)))
            }
        }
    }

    fn patchless(&self) -> bool {
        self.patchless.load(Ordering::Relaxed)
    }

    async fn set_password(&self, id: &RemoteId, password: &SecretString, what: &str) -> Result<(), DirectoryError> {
        let service = self.service().await?;
        let at = (service.users.as_str(), map::local(id));
        let value = Value::from(password.expose_secret());
        if !self.patchless() {
            let ops = [wire::Op::Replace("password".into(), value.clone())];
            match wire::patch(&self.http, at, &ops, None, Some(password), what).await? {
                wire::Patched::Done(_) => return Ok(()),
                wire::Patched::Unable { ever } => self.patchless.fetch_or(ever, Ordering::Relaxed),
            };
        }
        let whole = wire::get(&self.http, at.0, at.1, what).await?;
        let whole = whole.ok_or_else(|| DirectoryError::new(what, ErrorKind::Moved).because("it is gone"))?;
        let tag = whole.version().filter(|_| service.etag);
        let mut body = map::replacement(whole, &service.user);
        if let Value::Object(body) = &mut body {
            body.insert("password".into(), value);
        }
        wire::put(&self.http, at, &body, tag.as_ref(), Some(password), what).await.map(drop)
    }
}

#[async_trait]
impl Remote for Scim {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Arc<Capabilities> {
        let unasked = || Service::new(None, None, None).capabilities();
        Arc::new(self.service.get().map_or_else(unasked, Service::capabilities))
    }

    fn native(&self, kind: Kind) -> &'static [Field] {
        map::native(kind)
    }

    fn marks(&self) -> Marks {
        Marks::InLedger
    }

    async fn sweep(&self, roles: &BTreeSet<SmolStr>) -> Result<Vec<Item>, DirectoryError> {
        let service = self.service().await?;
        let (users, (groups, places)) =
            tokio::try_join!(read::list(&self.http, service, &service.users, None, "read users"), self.groups(service, roles))?;
        let mut items: Vec<_> = groups.iter().filter_map(|group| map::place(group, service, &places)).collect();
        items.extend(users.iter().map(|user| map::user(user, service, &places)));
        let seen = items.iter().map(|item| item.id.clone()).collect();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        Ok(items)
    }

    async fn read(&self, ids: &[(Kind, RemoteId)], roles: &BTreeSet<SmolStr>) -> Result<Vec<Item>, DirectoryError> {
        let service = self.service().await?;
        let (groups, places) = self.groups(service, roles).await?;
        let found: Vec<_> = ids.iter().map(|(kind, id)| self.one(service, (&groups, &places), *kind, id)).collect();
        all(found).await.into_iter().filter_map(Result::transpose).collect()
    }

    async fn write(&self, edits: &[Edit], stop: &Stop) -> Vec<Result<Option<Item>, DirectoryError>> {
        write::write(self, edits, stop).await
    }

    async fn password(&self, id: &RemoteId, password: &NewPassword) -> Result<(), DirectoryError> {
        // It cannot be said that a password must be changed.
        let NewPassword { hash: _, plain, must_change: _ } = password;
        let what = format!("set the password of user {}", map::local(id));
        let Some(plain) = plain else {
            let cause = "SCIM takes a password itself, and only its hash is known";
            return Err(DirectoryError::new(what, ErrorKind::Rejected).because(cause));
        };
        self.set_password(id, &SecretString::from(plain.expose()), &what).await
    }

    async fn revoke(&self, id: &RemoteId) -> Result<(), DirectoryError> {
        let what = format!("take the password of user {} away", map::local(id));
        // No request takes a password away. One that nobody knows comes to the same.
        let unknown =
            credential::password(UNKNOWN).map_err(|error| DirectoryError::new(&*what, ErrorKind::Failed).because(error))?;
        self.set_password(id, &unknown, &what).await
    }

    async fn invite(&self, id: &RemoteId, _lifetime: Duration) -> Result<(), DirectoryError> {
        let what = format!("have a mail sent to user {}", map::local(id));
        Err(DirectoryError::new(what, ErrorKind::Rejected).because("SCIM knows no such request"))
    }

    fn traffic(&self) -> Traffic {
        self.http.traffic()
    }
}
