//! Objects written: a save is a whole object with the version it had, and is sent only where something differs, since every save
//! makes another version.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;
use smol_str::SmolStr;

use crate::{
    directory::{DirectoryError, ErrorKind, Stop},
    drivers::{
        http::{Client, Request, Verb, each},
        remote::{Edit, Item, Target},
    },
    model::{Field, Kind, RemoteId},
};

use super::{
    CONCURRENCY, Thingsboard,
    access::Standing,
    api::{self, Raw, ask, id},
    info::{self, Own},
    map::{self, Door},
};

type Outcome = Result<Option<Item>, DirectoryError>;

/// Tokens bear the second they were made in, and shutting an account off ends those of the seconds before: one that was made in
/// the same second goes on. So it is shut off again when the second is over.
pub(super) const SECOND: Duration = Duration::from_millis(1_100);

/// What is left to do when a list of edits is through.
#[derive(Default)]
pub(super) struct Rest {
    /// Tenants that have an administrator by now.
    pub(super) manned: Mutex<HashSet<SmolStr>>,
    /// Users whose sign-in was shut off.
    pub(super) shut: Mutex<Vec<RemoteId>>,
}

impl Thingsboard {
    /// See [`crate::drivers::remote::Remote::write`].
    pub(super) async fn write_all(&self, edits: &[Edit], stop: &Stop) -> Vec<Outcome> {
        if let Err(error) = self.access.standing().await {
            return edits.iter().map(|_| Err(error.again())).collect();
        }
        let rest = Rest::default();
        let mut outcomes = each(CONCURRENCY, edits, |edit| self.object(edit, &rest, stop)).await;
        let mut failed = self.finish(rest).await;
        for (edit, outcome) in edits.iter().zip(&mut outcomes) {
            if let Edit::Update(before, _) = edit
                && let Some(error) = failed.remove(&before.id)
            {
                *outcome = Err(error);
            }
        }
        outcomes
    }

    /// Does what is left to do, and says whose sessions may not have ended. A caretaker who could not be taken away does no harm:
    /// the next administrator takes the place.
    async fn finish(&self, rest: Rest) -> HashMap<RemoteId, DirectoryError> {
        let Rest { manned, shut } = rest;
        let manned = manned.into_inner().unwrap_or_else(PoisonError::into_inner);
        let vacated: Vec<SmolStr> = manned.into_iter().filter(|tenant| self.access.has_caretaker(tenant)).collect();
        each(CONCURRENCY, vacated, |tenant| async move { self.access.dismiss_caretaker(&tenant).await }).await;
        let shut = shut.into_inner().unwrap_or_else(PoisonError::into_inner);
        if shut.is_empty() {
            return HashMap::new();
        }
        tokio::time::sleep(SECOND).await;
        let ended = each(CONCURRENCY, shut, |id| async move {
            let ended = self.end_sessions(&id).await;
            (id, ended)
        });
        ended.await.into_iter().filter_map(|(id, ended)| Some((id, ended.err()?))).collect()
    }

    /// Shuts an account off that is shut off. One that is gone has no sessions.
    async fn end_sessions(&self, id: &RemoteId) -> Result<(), DirectoryError> {
        let Some(way) = self.way_to(&id.0).await? else { return Ok(()) };
        let what = format!("end the sessions of user {}", id.0);
        match self.open_or_shut(way.client(self.access.main()), &id.0, false, &what).await {
            Err(error) if error.kind == ErrorKind::Moved => Ok(()),
            ended => ended,
        }
    }

    async fn object(&self, edit: &Edit, rest: &Rest, stop: &Stop) -> Outcome {
        let what = &*describe(edit);
        if stop.requested() {
            return Err(DirectoryError::new(what, ErrorKind::Interrupted));
        }
        match edit {
            Edit::Create(target) => self.create(target, rest, what).await.map(Some),
            Edit::Update(before, target) => self.update(before, target, rest, what).await.map(Some),
            Edit::Delete(before) => self.delete(before, rest, what).await.map(|()| None),
        }
    }

    async fn update(&self, before: &Item, target: &Target, rest: &Rest, what: &str) -> Result<Item, DirectoryError> {
        let rejected = |why: &'static str| DirectoryError::new(what, ErrorKind::Rejected).because(why);
        let moved = |why: &'static str| DirectoryError::new(what, ErrorKind::Moved).because(why);
        if before.parent != target.parent {
            return Err(rejected("ThingsBoard moves nothing: make another one there"));
        }
        let way = match before.kind {
            Kind::Company => None,
            Kind::Customer | Kind::User | Kind::Role => Some(self.way_to(&before.id.0).await?.ok_or_else(|| moved("it is gone"))?),
        };
        let client = way.as_ref().map_or(&**self.access.main(), |way| way.client(self.access.main()));
        let raw = self.last_read(before).await?.ok_or_else(|| moved("it is gone, or somebody else has changed it"))?;
        let door = Door { enabled: before.enabled, activated: before.must_change.map(|must_change| !must_change) };
        let shut = before.kind == Kind::User && !target.enabled;
        if shut && self.is_us(before) {
            return Err(rejected("it is the account that Tenantry itself signs in with"));
        }
        let mut wanted = raw.clone();
        map::apply(&mut wanted, target, door);
        let closed = before.kind == Kind::Company && matches!(self.access.standing().await?, Standing::Tenant { .. });
        if closed {
            // What the system administrator's Tenantry has noted there stays; ours stands in the ledger.
            info::put(&mut wanted, &Own::of(&raw));
        }
        if closed && wanted != raw {
            return Err(rejected("only the system administrator changes a tenant"));
        }
        // The door first: a save can be refused for something else, and nobody stays in for that.
        let after = match (door.activated, door.enabled) {
            // Nobody has ever had a password: there may be a link that lets somebody in.
            (Some(false), Some(true)) if shut => {
                self.burn(client, &before.id, what).await?;
                self.open_or_shut(client, &before.id.0, false, what).await?;
                Door { enabled: Some(false), activated: Some(true) }
            }
            (Some(true) | None, Some(true)) if shut => {
                self.open_or_shut(client, &before.id.0, false, what).await?;
                rest.shut.lock().unwrap_or_else(PoisonError::into_inner).push(before.id.clone());
                Door { enabled: Some(false), ..door }
            }
            (Some(true) | None, Some(false)) if !shut && before.kind == Kind::User => {
                self.open_or_shut(client, &before.id.0, true, what).await?;
                Door { enabled: Some(true), ..door }
            }
            // Whoever got the link is not whom the account belongs to from now on.
            (Some(false), Some(true)) if !map::same_email(&raw, &wanted) => {
                self.burn(client, &before.id, what).await?;
                Door { enabled: Some(true), activated: Some(true) }
            }
            (Some(_) | None, Some(_) | None) => door,
        };
        let saved = if wanted == raw { raw } else { self.save(client, before, &wanted, what).await? };
        let roles = target.role.as_ref().or(before.roles.first());
        Ok(self.written(before.kind, &saved, after, roles))
    }

    /// Whether it is the account that we sign in with.
    pub(super) fn is_us(&self, item: &Item) -> bool {
        item.kind == Kind::User && self.ourselves().is_some_and(|us| us == item.id.0)
    }

    /// The object as it was when it was read, as the server gave it; nothing where it is gone or another one by now.
    async fn last_read(&self, before: &Item) -> Result<Option<Raw>, DirectoryError> {
        let same =
            |raw: &Raw| raw.get("version").and_then(Value::as_i64).map(|it| it.to_string()).as_deref() == before.tag.as_deref();
        let known = self.known().raw.get(&before.id).filter(|raw| same(raw)).cloned();
        if known.is_some() {
            return Ok(known);
        }
        Ok(self.raw(before.kind, &before.id).await?.map(|(raw, _)| raw).filter(same))
    }

    /// Saves an object over the version that it had; one whose answer was lost is looked at again.
    async fn save(&self, client: &Client, before: &Item, wanted: &Raw, what: &str) -> Result<Raw, DirectoryError> {
        let entity = match before.kind {
            Kind::Company => "tenant",
            Kind::Customer => "customer",
            Kind::User | Kind::Role => "user",
        };
        let error = match api::object(client, &save(entity, wanted, what), what).await {
            Ok(saved) => return Ok(saved),
            Err(error) => error,
        };
        if !error.leaves_open() {
            return Err(error);
        }
        let now = self.raw(before.kind, &before.id).await.ok().flatten().map(|(raw, _)| raw);
        now.filter(|now| unversioned(now) == unversioned(wanted)).ok_or(error)
    }

    /// The object in what the server answered to a save, which is kept for the next one.
    pub(super) fn written(&self, kind: Kind, saved: &Raw, door: Door, role: Option<&SmolStr>) -> Item {
        let item = match kind {
            Kind::User => {
                let roles: BTreeSet<SmolStr> = role.into_iter().cloned().collect();
                map::user(saved, door, &roles, self.ourselves().as_deref())
            }
            Kind::Company => self.company(saved),
            Kind::Customer | Kind::Role => map::item(kind, saved, id(saved, "tenantId")),
        };
        self.known().raw.insert(item.id.clone(), saved.clone());
        item
    }
}

/// What is being done, for errors.
fn describe(edit: &Edit) -> String {
    match edit {
        Edit::Create(target) => format!("create {} {}", target.kind.word(), label(target)),
        Edit::Update(item, _) => format!("change {} {}", item.kind.word(), item.id.0),
        Edit::Delete(item) => format!("delete {} {}", item.kind.word(), item.id.0),
    }
}

pub(super) fn label(target: &Target) -> &str {
    let field = if target.kind == Kind::User { Field::Email } else { Field::DisplayName };
    map::of(&target.fields, field).unwrap_or(&target.name)
}

/// The request that saves an object. Without its parameter a user would be mailed.
pub(super) fn save(entity: &str, raw: &Raw, what: &str) -> Request {
    let request = ask(Verb::Post, &[entity], what);
    let request = match entity {
        "user" => request.query("sendActivationMail", false),
        "customer" => request.query("nameConflictPolicy", "FAIL"),
        _ => request,
    };
    request.json(raw)
}

/// An object without what every save makes another one, or the server makes itself.
fn unversioned(raw: &Raw) -> Raw {
    let mut raw = raw.clone();
    for name in ["version", "region", "name", "createdTime"] {
        raw.remove(name);
    }
    raw
}
