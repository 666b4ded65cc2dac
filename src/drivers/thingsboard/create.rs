//! Objects made; what was made without our being told so is found, and never made twice.

use std::sync::PoisonError;

use serde_json::Value;
use smol_str::SmolStr;

use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::{
        http::Client,
        remote::{Item, Target},
    },
    model::Kind,
};

use super::{
    Seat, Thingsboard,
    access::Standing,
    api::{self, Raw, id},
    info::{self, Own},
    list,
    map::{self, Door},
    read::one,
    write::{Rest, label, save},
};

impl Thingsboard {
    pub(super) async fn create(&self, target: &Target, rest: &Rest, what: &str) -> Result<Item, DirectoryError> {
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
            (Kind::User, Some((tenant, Some(Seat { kind: Kind::Company, tenant: _, admin: _ })))) => {
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
        // What became of it is not known; or it is in its own way, from an attempt whose answer was lost.
        if !error.leaves_open() && error.kind != ErrorKind::Conflict {
            return Err(error);
        }
        // Whoever cannot be asked tells nothing new.
        find(by, target, seat, raw).await.ok().flatten().ok_or(error)
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
    let rows = match list::list(client, &path, "createdTime", Some(called), &what).await {
        // A tenant's administrator may not ask in that way, and need not.
        Err(error) if error.kind == ErrorKind::Refused && seat.admin => {
            list::list(client, &["users"], "createdTime", Some(called), &what).await?
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
