//! Everything as it is, by lists; and single objects as they are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::{future::try_join_all, try_join};
use smol_str::SmolStr;

use super::{
    Keycloak,
    places::{LEASES, Place, Places, ROLES, home},
    realm::Facts,
    users,
    wire::{Group, Id, Organization, Role, User},
};
use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::{
        http::{Verb, each},
        remote::Item,
    },
    manifest::{KeycloakCompanies, KeycloakRoles},
    model::{Kind, RemoteId},
};

/// Who holds which roles, by the identifier of the user.
type Holders = HashMap<String, BTreeSet<SmolStr>>;

impl Keycloak {
    /// Every company, customer and user.
    pub(super) async fn everything(&self, roles: &BTreeSet<SmolStr>) -> Result<Vec<Item>, DirectoryError> {
        let facts = self.fresh_facts().await?;
        facts.check(&self.settings)?;
        if facts.open_to_people() {
            tracing::warn!(
                "people can write attributes of their own accounts in this realm, `tenantry` among them: set unmanagedAttributePolicy to ADMIN_EDIT"
            );
        }
        let (users, (places, holders)) = try_join!(self.api.users::<User>("read users"), self.places_and_holders(&facts, roles))?;
        let root = self.remember_root(&places);
        let mut items: Vec<Item> = places.all.values().map(Place::item).collect();
        for user in &users {
            let parent = places.home(&user.id);
            let roles = holders.get(&user.id).into_iter().flatten().cloned().collect();
            items.push(users::item(user, parent, root.as_ref(), roles));
        }
        Ok(items)
    }

    async fn places_and_holders(&self, facts: &Facts, roles: &BTreeSet<SmolStr>) -> Result<(Places, Holders), DirectoryError> {
        match (self.settings.companies, self.settings.roles) {
            (KeycloakCompanies::Groups, KeycloakRoles::Realm) => {
                try_join!(async { Ok(self.groups().await?.0) }, self.holders_of_roles(facts, roles))
            }
            (KeycloakCompanies::Groups, KeycloakRoles::Groups) => {
                let (places, top) = self.groups().await?;
                Ok((places, self.holders_of_groups(&top, roles).await?))
            }
            (KeycloakCompanies::Organizations, KeycloakRoles::Realm) => {
                try_join!(self.organizations(), self.holders_of_roles(facts, roles))
            }
            (KeycloakCompanies::Organizations, KeycloakRoles::Groups) => {
                let role_groups = async {
                    let top = self.top_groups().await?;
                    self.holders_of_groups(&top, roles).await
                };
                try_join!(self.organizations(), role_groups)
            }
        }
    }

    async fn top_groups(&self) -> Result<Vec<Group>, DirectoryError> {
        self.api.walk(&["groups"], &[("briefRepresentation", "false")], "read groups").await
    }

    async fn children(&self, id: &str) -> Result<Vec<Group>, DirectoryError> {
        self.api.walk(&["groups", id, "children"], &[("briefRepresentation", "false")], "read groups").await
    }

    /// The tree of groups with their members, and the top level as it is.
    async fn groups(&self) -> Result<(Places, Vec<Group>), DirectoryError> {
        let top = self.top_groups().await?;
        let mut places = Places::default();
        let mut level: Vec<Group> = top.iter().filter(|group| !reserved(&group.name)).cloned().collect();
        while !level.is_empty() {
            let with_children: Vec<&str> =
                level.iter().filter(|group| group.sub_group_count > 0).map(|group| group.id.as_str()).collect();
            let below = try_join_all(with_children.into_iter().map(|id| self.children(id))).await?;
            places.all.extend(level.into_iter().map(Place::of_group).map(|place| (place.id.clone(), place)));
            level = below.into_iter().flatten().collect();
        }
        self.add_members(&mut places, "groups").await?;
        Ok((places, top))
    }

    /// Organizations with their members.
    async fn organizations(&self) -> Result<Places, DirectoryError> {
        let all: Vec<Organization> =
            self.api.walk(&["organizations"], &[("briefRepresentation", "false")], "read organizations").await?;
        let mut places = Places::default();
        places.all.extend(all.into_iter().map(Place::of_organization).map(|place| (place.id.clone(), place)));
        self.add_members(&mut places, "organizations").await?;
        Ok(places)
    }

    async fn add_members(&self, places: &mut Places, of: &str) -> Result<(), DirectoryError> {
        let ids: Vec<SmolStr> = places.all.keys().cloned().collect();
        let lists = each(self.api.client.width(), &ids, |id| self.members(of, id)).await;
        for (id, members) in ids.iter().zip(lists) {
            for member in members? {
                places.of_users.entry(member).or_default().push(id.clone());
            }
        }
        Ok(())
    }

    async fn members(&self, of: &str, id: &str) -> Result<Vec<String>, DirectoryError> {
        let rows: Vec<Id> = self.api.walk(&[of, id, "members"], &[("briefRepresentation", "true")], "read members").await?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    async fn holders_of_roles(&self, facts: &Facts, roles: &BTreeSet<SmolStr>) -> Result<Holders, DirectoryError> {
        let there: Vec<&SmolStr> = roles.iter().filter(|role| facts.roles.contains_key(*role)).collect();
        let lists = each(self.api.client.width(), there, |role| async move {
            let brief = [("briefRepresentation", "true")];
            let rows: Vec<Id> = self.api.walk(&["roles", role, "users"], &brief, "read who holds which role").await?;
            Ok((role, rows.into_iter().map(|row| row.id).collect()))
        });
        by_user(lists.await)
    }

    async fn holders_of_groups(&self, top: &[Group], roles: &BTreeSet<SmolStr>) -> Result<Holders, DirectoryError> {
        let Some(above) = top.iter().find(|group| group.name == ROLES) else { return Ok(Holders::new()) };
        let groups = self.children(&above.id).await?;
        self.remember_role_groups(groups.iter().map(|group| (SmolStr::new(&group.name), group.id.clone())));
        let there = groups.iter().filter_map(|group| Some((roles.get(group.name.as_str())?, group.id.as_str())));
        let lists = each(self.api.client.width(), there, |(role, id)| async move { Ok((role, self.members("groups", id).await?)) });
        by_user(lists.await)
    }

    /// Some objects.
    pub(super) async fn some(&self, ids: &[(Kind, RemoteId)], roles: &BTreeSet<SmolStr>) -> Result<Vec<Item>, DirectoryError> {
        self.facts().await?;
        let items = each(self.api.client.width(), ids, |(kind, id)| async move {
            match kind {
                Kind::User => self.user(&id.0, roles).await,
                Kind::Company | Kind::Customer => Ok(self.place(&id.0).await?.map(|place| place.item())),
                Kind::Role => Ok(None),
            }
        });
        items.await.into_iter().filter_map(Result::transpose).collect()
    }

    /// A company or customer.
    pub(super) async fn place(&self, id: &str) -> Result<Option<Place>, DirectoryError> {
        match self.settings.companies {
            KeycloakCompanies::Groups => {
                let what = "read a group";
                let found: Option<Group> = self.api.find(&self.api.ask(Verb::Get, &["groups", id], what), what).await?;
                Ok(found.map(Place::of_group))
            }
            KeycloakCompanies::Organizations => {
                let what = "read an organization";
                let found: Option<Organization> =
                    self.api.find(&self.api.ask(Verb::Get, &["organizations", id], what), what).await?;
                Ok(found.map(Place::of_organization))
            }
        }
    }

    /// A user, with what it belongs to and holds.
    async fn user(&self, id: &str, roles: &BTreeSet<SmolStr>) -> Result<Option<Item>, DirectoryError> {
        let (user, groups, organizations, mapped) =
            try_join!(self.raw_user(id), self.groups_of(id), self.organizations_of(id), self.mapped(id))?;
        let Some(user) = user else { return Ok(None) };
        let in_groups = groups.iter().filter_map(|group| group.path.strip_prefix('/')?.strip_prefix(ROLES)?.strip_prefix('/'));
        let mut held: Vec<SmolStr> = match self.settings.roles {
            KeycloakRoles::Realm => mapped.iter().filter_map(|role| roles.get(role.name.as_str())).cloned().collect(),
            KeycloakRoles::Groups => in_groups.filter_map(|name| roles.get(name)).cloned().collect(),
        };
        held.sort();
        let places = self.places_among(groups, organizations);
        let parent = home(&places.iter().collect::<Vec<_>>());
        Ok(Some(users::item(&user, parent, self.root().as_ref(), held)))
    }

    pub(super) async fn raw_user(&self, id: &str) -> Result<Option<User>, DirectoryError> {
        let what = "read a user";
        self.api.find(&self.api.ask(Verb::Get, &["users", id], what), what).await
    }

    /// The companies and customers that a user is a member of.
    pub(super) async fn places_of(&self, id: &str) -> Result<Vec<Place>, DirectoryError> {
        match self.settings.companies {
            KeycloakCompanies::Groups => Ok(self.places_among(self.groups_of(id).await?, Vec::new())),
            KeycloakCompanies::Organizations => Ok(self.places_among(Vec::new(), self.organizations_of(id).await?)),
        }
    }

    fn places_among(&self, groups: Vec<Group>, organizations: Vec<Organization>) -> Vec<Place> {
        match self.settings.companies {
            KeycloakCompanies::Groups => {
                let top = |group: &Group| group.path.split('/').nth(1).unwrap_or_default().to_owned();
                groups.into_iter().filter(|group| !reserved(&top(group))).map(Place::of_group).collect()
            }
            KeycloakCompanies::Organizations => organizations.into_iter().map(Place::of_organization).collect(),
        }
    }

    /// Groups of a user, where they mean anything.
    async fn groups_of(&self, id: &str) -> Result<Vec<Group>, DirectoryError> {
        if self.settings.companies != KeycloakCompanies::Groups && self.settings.roles != KeycloakRoles::Groups {
            return Ok(Vec::new());
        }
        let what = "read the groups of a user";
        let request = self.api.ask(Verb::Get, &["users", id, "groups"], what).query("briefRepresentation", "false");
        Ok(self.api.find(&request.query("first", 0).query("max", -1), what).await?.unwrap_or_default())
    }

    async fn organizations_of(&self, id: &str) -> Result<Vec<Organization>, DirectoryError> {
        if self.settings.companies != KeycloakCompanies::Organizations {
            return Ok(Vec::new());
        }
        let what = "read the organizations of a user";
        let path = ["organizations", "members", id, "organizations"];
        let request = self.api.ask(Verb::Get, &path, what).query("briefRepresentation", "false");
        Ok(self.api.find(&request, what).await?.unwrap_or_default())
    }

    /// Realm roles that a user holds directly, where they mean anything.
    async fn mapped(&self, id: &str) -> Result<Vec<Role>, DirectoryError> {
        if self.settings.roles != KeycloakRoles::Realm {
            return Ok(Vec::new());
        }
        let what = "read the roles of a user";
        let request = self.api.ask(Verb::Get, &["users", id, "role-mappings", "realm"], what);
        Ok(self.api.find(&request, what).await?.unwrap_or_default())
    }

    /// The user with a name. The filter is asked and not believed: Keycloak answers some that it does not understand with
    /// everybody.
    pub(super) async fn named(&self, username: &str) -> Result<Option<User>, DirectoryError> {
        let what = "look for a username";
        let request = self.api.ask(Verb::Get, &["users"], what).query("username", username).query("exact", "true");
        let found: Vec<User> = self.api.client.send(&request).await?.json(what)?;
        let mut same = found.into_iter().filter(|user| user.username == username);
        match (same.next(), same.next()) {
            (found, None) => Ok(found),
            (_, Some(_)) => Err(DirectoryError::new(what, ErrorKind::Incomplete).because("several users have it")),
        }
    }
}

/// Whether a top-level group is one of ours that is no company.
fn reserved(name: &str) -> bool {
    name == ROLES || name.starts_with(LEASES)
}

fn by_user(lists: Vec<Result<(&SmolStr, Vec<String>), DirectoryError>>) -> Result<Holders, DirectoryError> {
    let mut holders = Holders::new();
    let lists: BTreeMap<&SmolStr, Vec<String>> = lists.into_iter().collect::<Result<_, _>>()?;
    for (role, users) in lists {
        for user in users {
            holders.entry(user).or_default().insert(role.clone());
        }
    }
    Ok(holders)
}
