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
        http::{Client, Status, Verb, each},
        remote::{Edit, Item, Target},
    },
    model::{Field, Kind, RemoteId},
};

use super::{
    CONCURRENCY, Seat, Thingsboard,
    access::Standing,
    api::{self, Raw, ask, failure, id},
    info::{self, Own},
    map::{self, Door},
    read::{self, one},
};

type Outcome = Result<Option<Item>, DirectoryError>;

/// Tokens bear the second they were made in, and shutting an account off ends those of the seconds before: one that was made in
/// the same second goes on. So it is shut off again when the second is over.
const SECOND: Duration = Duration::from_millis(1_100);

/// What is left to do when a list of edits is through.
#[derive(Default)]
struct Rest {
    /// Tenants that have an administrator by now.
    manned: Mutex<HashSet<SmolStr>>,
    /// Users whose sign-in was shut off.
    shut: Mutex<Vec<RemoteId>>,
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

    async fn create(&self, target: &Target, rest: &Rest, what: &str) -> Result<Item, DirectoryError> {
        let rejected = |why: &'static str| DirectoryError::new(what, ErrorKind::Rejected).because(why);
        let parent = target.parent.as_ref().map(|parent| (parent, self.known().seats.get(parent).cloned()));
        let mut raw = Raw::new();
        let (seat, entity) = match (target.kind, parent) {
            (Kind::Company, None) => match self.access.standing().await? {
                Standing::System => (Seat { kind: Kind::Company, tenant: SmolStr::default(), admin: false }, "tenant"),
                Standing::Tenant { .. } => return Err(rejected("only the system administrator makes tenants")),
            },
            (Kind::Customer, Some((tenant, _))) => {
                (Seat { kind: Kind::Customer, tenant: tenant.0.clone(), admin: false }, "customer")
            }
            (Kind::User, Some((customer, Some(Seat { kind: Kind::Customer, tenant, admin: _ })))) => {
                raw.insert("authority".into(), "CUSTOMER_USER".into());
                raw.insert("tenantId".into(), api::reference("TENANT", &tenant));
                raw.insert("customerId".into(), api::reference("CUSTOMER", &customer.0));
                (Seat { kind: Kind::User, tenant, admin: false }, "user")
            }
            (Kind::User, Some((tenant, _))) => {
                raw.insert("authority".into(), "TENANT_ADMIN".into());
                raw.insert("tenantId".into(), api::reference("TENANT", &tenant.0));
                (Seat { kind: Kind::User, tenant: tenant.0.clone(), admin: true }, "user")
            }
            (Kind::Role | Kind::Company | Kind::Customer | Kind::User, _) => {
                return Err(rejected("it cannot stand there"));
            }
        };
        let door = Door { enabled: Some(false), activated: (target.kind == Kind::User).then_some(false) };
        map::apply(&mut raw, target, door);
        if target.kind == Kind::User && !target.enabled {
            let own = Own { off: true, ..Own::of(&raw) };
            info::put(&mut raw, &own);
        }
        let saved = self.save_new(target, &seat, (entity, &raw), what).await?;
        let item = self.written(target.kind, &saved, door, target.role.as_ref());
        let tenant = if target.kind == Kind::Company { item.id.0.clone() } else { seat.tenant.clone() };
        if seat.admin {
            rest.manned.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone());
        }
        self.seat(&item.id, Seat { tenant, ..seat });
        Ok(item)
    }

    /// Sends a new object; one whose answer was lost is looked for.
    async fn save_new(&self, target: &Target, seat: &Seat, (entity, raw): (&str, &Raw), what: &str) -> Result<Raw, DirectoryError> {
        let (tenant, client);
        let by: &Client = if entity == "customer" || entity == "user" && !seat.admin {
            client = self.access.manned(&seat.tenant).await?;
            &client
        } else {
            tenant = self.access.main();
            tenant
        };
        let error = match api::object(by, &save(entity, raw, what), what).await {
            Ok(saved) => return Ok(saved),
            Err(error) => error,
        };
        match error.kind {
            // What became of it is not known; or it is in its own way, from an attempt whose answer was lost.
            ErrorKind::Unavailable | ErrorKind::Incomplete | ErrorKind::Conflict | ErrorKind::Failed => {
                // Whoever cannot be asked tells nothing new.
                let found = find(by, target, seat, raw).await.ok().flatten();
                found.ok_or(error)
            }
            ErrorKind::Refused
            | ErrorKind::Unwritable
            | ErrorKind::Moved
            | ErrorKind::Rejected
            | ErrorKind::Locked(_)
            | ErrorKind::Interrupted => Err(error),
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
        let mut wanted = raw.clone();
        map::apply(&mut wanted, target, door);
        let mut saved = raw;
        if wanted != saved {
            if matches!(self.access.standing().await?, Standing::Tenant { .. }) && before.kind == Kind::Company {
                return Err(rejected("only the system administrator changes a tenant"));
            }
            saved = self.save(client, before, &wanted, what).await?;
        }
        let shut = before.kind == Kind::User && !target.enabled;
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
            (Some(_) | None, Some(_) | None) => door,
        };
        let roles = target.role.as_ref().or(before.roles.first());
        Ok(self.written(before.kind, &saved, after, roles))
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
        match error.kind {
            ErrorKind::Unavailable | ErrorKind::Incomplete | ErrorKind::Failed => {
                let now = self.raw(before.kind, &before.id).await.ok().flatten().map(|(raw, _)| raw);
                let saved = now.filter(|now| unversioned(now) == unversioned(wanted));
                saved.ok_or(error)
            }
            ErrorKind::Refused
            | ErrorKind::Unwritable
            | ErrorKind::Moved
            | ErrorKind::Conflict
            | ErrorKind::Rejected
            | ErrorKind::Locked(_)
            | ErrorKind::Interrupted => Err(error),
        }
    }

    /// The object in what the server answered to a save, which is kept for the next one.
    fn written(&self, kind: Kind, saved: &Raw, door: Door, role: Option<&SmolStr>) -> Item {
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

    async fn delete(&self, before: &Item, rest: &Rest, what: &str) -> Result<(), DirectoryError> {
        let id = before.id.0.as_str();
        let main = &**self.access.main();
        self.known().raw.remove(&before.id);
        match before.kind {
            Kind::User => {
                let Some(way) = self.way_to(id).await? else { return Ok(()) };
                let client = way.client(main);
                if before.enabled == Some(true) && before.must_change == Some(false) {
                    // A token of this very second would outlive the account.
                    self.shut_for_good(client, id, what).await?;
                }
                let answer = client.send(&ask(Verb::Delete, &["user", id], what)).await?;
                let last = answer.status == Status::Invalid && answer.said().contains("At least one tenant administrator");
                if !last || !matches!(self.access.standing().await?, Standing::System) {
                    return gone(&answer, what);
                }
                // The last one stays as long as the tenant: somebody takes their place who can do nothing.
                let tenant = before.parent.as_ref().map(|tenant| tenant.0.clone()).unwrap_or_default();
                self.access.place_caretaker(&tenant).await?;
                rest.manned.lock().unwrap_or_else(PoisonError::into_inner).remove(&tenant);
                gone(&client.send(&ask(Verb::Delete, &["user", id], what)).await?, what)
            }
            Kind::Customer => {
                let Some(way) = self.way_to(id).await? else { return Ok(()) };
                let client = way.client(main);
                let inside = read::page(client, &["customer", id, "users"], (0, 1), None, None, what).await;
                match inside {
                    // The server would delete them as well.
                    Ok(page) if page.total > 0 => {
                        let cause = format!("{} users have come into it since it was read", page.total);
                        Err(DirectoryError::new(what, ErrorKind::Moved).because(cause))
                    }
                    Ok(_) => gone(&client.send(&ask(Verb::Delete, &["customer", id], what)).await?, what),
                    // It is gone itself.
                    Err(error) if error.kind == ErrorKind::Moved => Ok(()),
                    Err(error) => Err(error),
                }
            }
            Kind::Company | Kind::Role => {
                if matches!(self.access.standing().await?, Standing::Tenant { .. }) {
                    let cause = "only the system administrator deletes tenants";
                    return Err(DirectoryError::new(what, ErrorKind::Rejected).because(cause));
                }
                self.empty(id, what).await?;
                gone(&main.send(&ask(Verb::Delete, &["tenant", id], what)).await?, what)
            }
        }
    }

    /// Refuses a tenant in which customers or users are: the server would delete them all.
    async fn empty(&self, tenant: &str, what: &str) -> Result<(), DirectoryError> {
        let way = self.access.tenant(tenant).await?;
        match way.has_admin().await {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) if error.kind == ErrorKind::Moved => return Ok(()),
            Err(error) => return Err(error),
        }
        let customers = read::page(way.client(), &["customers"], (0, 1), None, None, what).await?.total;
        let users = read::list(way.client(), &["users"], "email", None, what).await?;
        let users = users.iter().filter(|user| !Own::of(user).caretaker).count() as u64;
        if customers + users > 0 {
            let cause = format!("{customers} customers and {users} users have come into it since it was read");
            return Err(DirectoryError::new(what, ErrorKind::Moved).because(cause));
        }
        Ok(())
    }

    /// Shuts an account off and waits until no token of it can be good any more. One that is gone is shut.
    async fn shut_for_good(&self, client: &Client, id: &str, what: &str) -> Result<(), DirectoryError> {
        match self.open_or_shut(client, id, false, what).await {
            Err(error) if error.kind == ErrorKind::Moved => Ok(()),
            Err(error) => Err(error),
            Ok(()) => {
                tokio::time::sleep(SECOND).await;
                Ok(())
            }
        }
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

fn label(target: &Target) -> &str {
    let field = if target.kind == Kind::User { Field::Email } else { Field::DisplayName };
    map::of(&target.fields, field).unwrap_or(&target.name)
}

/// The request that saves an object. Without its parameter a user would be mailed.
fn save(entity: &str, raw: &Raw, what: &str) -> crate::drivers::http::Request {
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

/// The answer to a deletion: what is gone already is gone.
fn gone(answer: &crate::drivers::http::Answer, what: &str) -> Result<(), DirectoryError> {
    match answer.status {
        Status::Ok | Status::Missing => Ok(()),
        Status::Invalid | Status::Unauthorized | Status::Conflict | Status::Changed | Status::Other(_) => {
            Err(failure(answer, what))
        }
    }
}

/// What we created without being told so: it is called what it should be called, and bears our mark.
async fn find(client: &Client, target: &Target, seat: &Seat, wanted: &Raw) -> Result<Option<Raw>, DirectoryError> {
    let what = format!("look for {} {}", target.kind.word(), label(target));
    let (path, name): (Vec<&str>, _) = match target.kind {
        Kind::Company => (vec!["tenants"], "title"),
        Kind::Customer => (vec!["customers"], "title"),
        // The system administrator is shown the users of a tenant; one of a tenant all of its own.
        Kind::User | Kind::Role if seat.admin => (vec!["tenant", &seat.tenant, "users"], "email"),
        Kind::User | Kind::Role => (vec!["users"], "email"),
    };
    let called = wanted.get(name).and_then(Value::as_str).unwrap_or_default();
    let rows = match read::list(client, &path, "createdTime", Some(called), &what).await {
        // A tenant's administrator may not ask in that way, and need not.
        Err(error) if error.kind == ErrorKind::Refused && seat.admin => {
            read::list(client, &["users"], "createdTime", Some(called), &what).await?
        }
        rows => rows?,
    };
    let ours = Own::of(wanted);
    let same = |row: &&Raw| row.get(name).and_then(Value::as_str) == Some(called) && ours.mark.is_some() && Own::of(row) == ours;
    let Some(found) = rows.iter().find(same) else { return Ok(None) };
    if target.kind == Kind::User
        && let Some(found) = id(found, "id")
    {
        return Ok(one(client, found).await?.map(|(raw, _)| raw));
    }
    Ok(Some(found.clone()))
}
