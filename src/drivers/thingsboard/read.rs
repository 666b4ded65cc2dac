//! Everything, and objects one by one.

use std::collections::BTreeSet;

use smol_str::SmolStr;

use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::{
        http::{Client, each},
        remote::Item,
    },
    model::{Kind, RemoteId},
};

use super::{
    CONCURRENCY, Seat, Thingsboard,
    access::{Standing, Tenant, is_caretaker},
    api::{self, Raw, found, id},
    info, list,
    map::{self, Door},
};

/// What a tenant holds.
struct Inside {
    customers: Vec<Raw>,
    users: Vec<(Raw, Door)>,
}

impl Thingsboard {
    /// See [`crate::drivers::remote::Remote::sweep`].
    pub(super) async fn read_all(&self, roles: &BTreeSet<SmolStr>) -> Result<Vec<Item>, DirectoryError> {
        let tenants = match self.access.standing().await? {
            Standing::System => list::list(self.access.main(), &["tenants"], "createdTime", None, "read tenants").await?,
            Standing::Tenant { tenant, user: _ } => {
                let what = format!("read tenant {tenant}");
                let ours = found(self.access.main(), &["tenant", tenant], &what).await?;
                vec![ours.ok_or_else(|| list::unlike(&what, "it is not there, and we are"))?]
            }
        };
        let inside = each(CONCURRENCY, &tenants, |tenant| self.inside(id(tenant, "id").unwrap_or_default())).await;
        let mut items = Vec::new();
        // Where things stood before is where they may still be: a write that follows on a read of long ago finds that out.
        let mut seats = Vec::new();
        for (tenant, inside) in tenants.iter().zip(inside) {
            let Inside { customers, users } = inside?;
            let at: SmolStr = id(tenant, "id").unwrap_or_default().into();
            let seat = |kind, admin| Seat { kind, tenant: at.clone(), admin };
            items.push(self.company(tenant));
            seats.push((RemoteId(at.clone()), seat(Kind::Company, false)));
            for customer in &customers {
                let item = map::item(Kind::Customer, customer, Some(&at));
                seats.push((item.id.clone(), seat(Kind::Customer, false)));
                items.push(item);
            }
            for (user, door) in &users {
                // One that somebody has activated is somebody's.
                if is_caretaker(user, &at) && door.activated == Some(false) {
                    self.access.keeps_caretaker(&at);
                    continue;
                }
                let item = map::user(user, *door, roles, self.ourselves().as_deref());
                seats.push((item.id.clone(), seat(Kind::User, map::is_admin(user))));
                items.push(item);
            }
        }
        let mut known = self.known();
        known.seats.extend(seats);
        known.raw.clear();
        Ok(items)
    }

    /// A tenant as a company. What is ours of it stands in the ledger where it is not ours to write to.
    pub(super) fn company(&self, tenant: &Raw) -> Item {
        let item = map::item(Kind::Company, tenant, None);
        match self.access.standing_or_guess() {
            Standing::System => item,
            // The system administrator's Tenantry may have its mark there.
            Standing::Tenant { .. } => Item { mark: None, unfit: None, ..item },
        }
    }

    /// Who we are among the users.
    pub(super) fn ourselves(&self) -> Option<SmolStr> {
        match self.access.standing_or_guess() {
            Standing::System => None,
            Standing::Tenant { tenant: _, user } => Some(user),
        }
    }

    /// Everything in a tenant. A user who is gone when we come to look at them one by one has moved the list under our feet.
    async fn inside(&self, tenant: &str) -> Result<Inside, DirectoryError> {
        let way = self.access.tenant(tenant).await?;
        if !way.has_admin().await? {
            return Ok(Inside { customers: Vec::new(), users: Vec::new() });
        }
        for _ in 0..list::WALKS {
            let (customers, users) = tokio::try_join!(
                list::list(way.client(), &["customers"], "title", None, "read customers"),
                list::list(way.client(), &["users"], "email", None, "read users"),
            )?;
            let one = |user: &Raw| {
                let (way, id) = (&way, SmolStr::new(id(user, "id").unwrap_or_default()));
                async move { one(way.client(), &id).await }
            };
            let whole: Vec<_> = each(CONCURRENCY, &users, one).await;
            let whole = whole.into_iter().collect::<Result<Vec<_>, _>>()?;
            if let Some(users) = whole.into_iter().collect::<Option<Vec<_>>>() {
                return Ok(Inside { customers, users });
            }
        }
        Err(list::restless("read users", "users were deleted on the way"))
    }

    /// See [`crate::drivers::remote::Remote::read`].
    pub(super) async fn read_some(&self, ids: &[(Kind, RemoteId)], roles: &BTreeSet<SmolStr>) -> Result<Vec<Item>, DirectoryError> {
        self.access.standing().await?;
        let found = each(CONCURRENCY, ids, |(kind, id)| self.fresh(*kind, id, roles)).await;
        found.into_iter().filter_map(Result::transpose).collect()
    }

    /// An object as it is now; what the next write of it needs is kept.
    pub(super) async fn fresh(&self, kind: Kind, id: &RemoteId, roles: &BTreeSet<SmolStr>) -> Result<Option<Item>, DirectoryError> {
        let Some((raw, door)) = self.raw(kind, id).await? else {
            self.known().raw.remove(id);
            return Ok(None);
        };
        let item = match kind {
            Kind::User => map::user(&raw, door, roles, self.ourselves().as_deref()),
            Kind::Company => self.company(&raw),
            Kind::Customer | Kind::Role => map::item(kind, &raw, api::id(&raw, "tenantId")),
        };
        self.known().raw.insert(id.clone(), raw);
        Ok(Some(item))
    }

    /// An object as the server has it.
    pub(super) async fn raw(&self, kind: Kind, id: &RemoteId) -> Result<Option<(Raw, Door)>, DirectoryError> {
        let id = id.0.as_str();
        let what = format!("read {} {id}", kind.word());
        match kind {
            Kind::User => match self.way_to(id).await? {
                Some(way) => self.one_by(&way, id).await,
                None => Ok(None),
            },
            Kind::Company => Ok(found(self.access.main(), &["tenant", id], &what).await?.map(|raw| (raw, Door::default()))),
            Kind::Customer | Kind::Role => {
                let Some(way) = self.way_to(id).await? else { return Ok(None) };
                let Way::Tenant(way) = &way else { return Ok(None) };
                Ok(found(way.client(), &["customer", id], &what).await?.map(|raw| (raw, Door::default())))
            }
        }
    }

    async fn one_by(&self, way: &Way, id: &str) -> Result<Option<(Raw, Door)>, DirectoryError> {
        match way {
            Way::System => one(self.access.main(), id).await,
            Way::Tenant(way) => one(way.client(), id).await,
        }
    }

    /// How a user or customer is reached; nothing where nobody knows it.
    pub(super) async fn way_to(&self, id: &str) -> Result<Option<Way>, DirectoryError> {
        let standing = self.access.standing().await?;
        let seat = self.known().seats.get(&RemoteId(id.into())).cloned();
        match (standing, seat) {
            (Standing::Tenant { tenant, user: _ }, _) => Ok(Some(Way::Tenant(self.access.tenant(tenant).await?))),
            // Of an administrator it is the system's to say everything.
            (Standing::System, Some(Seat { kind: _, tenant: _, admin: true })) => Ok(Some(Way::System)),
            (Standing::System, Some(Seat { kind: _, tenant, admin: false })) => {
                let way = self.access.tenant(&tenant).await?;
                // Where nobody is to act for, nobody else is.
                Ok(if way.has_admin().await? { Some(Way::Tenant(way)) } else { None })
            }
            (Standing::System, None) => self.search(id).await,
        }
    }

    /// Looks for a user of whom nothing was read yet: somebody uses a link of a mail, which takes no sweep.
    async fn search(&self, id: &str) -> Result<Option<Way>, DirectoryError> {
        match one(self.access.main(), id).await {
            Ok(Some(_)) => return Ok(Some(Way::System)),
            Ok(None) => return Ok(None),
            // A user of a customer: the system's administrator is told nothing of them.
            Err(error) if error.kind == ErrorKind::Refused => {}
            Err(error) => return Err(error),
        }
        for tenant in list::list(self.access.main(), &["tenants"], "createdTime", None, "read tenants").await? {
            let Some(at) = api::id(&tenant, "id") else { continue };
            let way = self.access.tenant(at).await?;
            if !way.has_admin().await? {
                continue;
            }
            match one(way.client(), id).await {
                Ok(Some(_)) => {
                    self.seat(&RemoteId(id.into()), Seat { kind: Kind::User, tenant: at.into(), admin: false });
                    return Ok(Some(Way::Tenant(way)));
                }
                Ok(None) => {}
                // Another tenant's.
                Err(error) if error.kind == ErrorKind::Refused => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// Who reaches an object.
pub(super) enum Way {
    /// The system administrator.
    System,
    /// An administrator of the tenant.
    Tenant(Tenant),
}

impl Way {
    pub(super) fn client<'a>(&'a self, system: &'a Client) -> &'a Client {
        match self {
            Self::System => system,
            Self::Tenant(way) => way.client(),
        }
    }
}

/// A user by itself: only so does the server say whether it can sign in.
pub(super) async fn one(client: &Client, id: &str) -> Result<Option<(Raw, Door)>, DirectoryError> {
    let what = format!("read user {id}");
    let Some(mut raw) = found(client, &["user", id], &what).await? else { return Ok(None) };
    let (enabled, activated) = info::strip(&mut raw);
    if enabled.is_none() || activated.is_none() {
        // Nobody could be shut off then, and nobody would know.
        return Err(list::unlike(&what, "the server does not say whether the account is open"));
    }
    Ok(Some((raw, Door { enabled, activated })))
}
