//! Creates, updates and deletions.

use std::collections::BTreeMap;

use futures_util::{FutureExt as _, future::join};
use serde_json::json;
use smol_str::{SmolStr, format_smolstr};

use super::{
    Keycloak,
    api::made,
    places::{Place, Rest},
    realm::{CHUNK, Facts},
    roles::Resolved,
    users,
    wire::{Attributes, Member, Role},
};
use crate::{
    directory::{DirectoryError, ErrorKind, Stop},
    drivers::{
        http::{Status, Verb, each},
        remote::{Edit, Item, Target},
    },
    manifest::KeycloakCompanies,
    model::{Field, Kind, RemoteId},
};

pub(super) type Outcome = Result<Option<Item>, DirectoryError>;

/// What the edits of a batch share.
pub(super) struct Batch {
    pub(super) facts: std::sync::Arc<Facts>,
    pub(super) roles: Resolved,
    /// What new users stand under; none for what is not there.
    pub(super) parents: BTreeMap<RemoteId, Option<Parent>>,
}

/// What new users stand under.
pub(super) struct Parent {
    pub(super) path: String,
    /// Its path is that of no other group: names can have slashes in them.
    pub(super) sure: bool,
}

impl Keycloak {
    /// Carries out edits that do not depend on each other.
    pub(super) async fn carry_out(&self, edits: &[Edit], stop: &Stop) -> Vec<Outcome> {
        let batch = match self.batch(edits).await {
            Ok(batch) => batch,
            Err(error) => return edits.iter().map(|_| Err(error.again())).collect(),
        };
        let mut importable: Vec<(usize, &Target)> = Vec::new();
        let mut jobs: Vec<Vec<(usize, &Edit)>> = Vec::new();
        for (at, edit) in edits.iter().enumerate() {
            match edit {
                Edit::Create(target) if self.can_import(target, &batch) => importable.push((at, target)),
                Edit::Create(_) | Edit::Update(..) | Edit::Delete(_) => jobs.push(vec![(at, edit)]),
            }
        }
        // One of its kind has nothing to gain.
        if importable.len() == 1 {
            jobs.extend(importable.drain(..).map(|(at, _)| vec![(at, &edits[at])]));
        }
        let chunks = importable.chunks(CHUNK).map(|chunk| chunk.iter().map(|(at, _)| (*at, &edits[*at])).collect());
        jobs.extend(chunks);
        let done = each(self.api.client.width(), jobs, |job| self.job(job, &batch, stop).boxed()).await;
        let mut outcomes: Vec<(usize, Outcome)> = done.into_iter().flatten().collect();
        outcomes.sort_by_key(|(at, _)| *at);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    async fn job(&self, job: Vec<(usize, &Edit)>, batch: &Batch, stop: &Stop) -> Vec<(usize, Outcome)> {
        if stop.requested() {
            let interrupted = || Err(DirectoryError::new("write", ErrorKind::Interrupted));
            return job.into_iter().map(|(at, _)| (at, interrupted())).collect();
        }
        match &job[..] {
            [(at, edit)] => vec![(*at, self.one(edit, batch).await)],
            several => {
                let targets: Vec<(usize, &Target)> = several
                    .iter()
                    .filter_map(|(at, edit)| match edit {
                        Edit::Create(target) => Some((*at, target)),
                        Edit::Update(..) | Edit::Delete(_) => None,
                    })
                    .collect();
                self.import(targets, batch).await
            }
        }
    }

    /// Looks up what the edits need: roles, and what new users stand under.
    async fn batch(&self, edits: &[Edit]) -> Result<Batch, DirectoryError> {
        let facts = self.facts().await?;
        let (mut roles, mut parents) = (Vec::new(), BTreeMap::new());
        for edit in edits {
            match edit {
                Edit::Create(target) => {
                    roles.extend(target.role.clone());
                    if target.kind == Kind::User {
                        parents.extend(target.parent.clone().map(|parent| (parent, None)));
                    }
                }
                Edit::Update(item, target) => {
                    roles.extend(target.role.clone().filter(|role| item.roles != [role.clone()]));
                }
                Edit::Delete(_) => {}
            }
        }
        let ids: Vec<RemoteId> = parents.keys().cloned().collect();
        let found = each(self.api.client.width(), &ids, |id| self.parent(id));
        let (found, roles) = join(found, self.resolve(roles)).await;
        for (id, found) in ids.iter().zip(found) {
            parents.insert(id.clone(), found?);
        }
        Ok(Batch { facts, roles, parents })
    }

    async fn parent(&self, id: &RemoteId) -> Result<Option<Parent>, DirectoryError> {
        let Some(Place { id: _, name, path, parent, attributes: _, enabled: _, rest: _ }) = self.place(&id.0).await? else {
            return Ok(None);
        };
        let sure = match (self.settings.companies, parent) {
            (KeycloakCompanies::Organizations, _) => true,
            (KeycloakCompanies::Groups, None) => !name.contains('/'),
            (KeycloakCompanies::Groups, Some(_)) => {
                let what = "look for a group";
                let parts = ["group-by-path"].into_iter().chain(path.split('/').filter(|part| !part.is_empty()));
                let parts: Vec<&str> = parts.collect();
                let found: Option<super::wire::Id> = self.api.find(&self.api.ask(Verb::Get, &parts, what), what).await?;
                !name.contains('/') && found.is_some_and(|found| found.id == id.0)
            }
        };
        Ok(Some(Parent { path, sure }))
    }

    async fn one(&self, edit: &Edit, batch: &Batch) -> Outcome {
        match edit {
            Edit::Create(target) if target.kind == Kind::User => self.create_user(target, batch).await.map(Some),
            Edit::Create(target) => self.create_place(target).await.map(Some),
            Edit::Update(item, target) if target.kind == Kind::User => self.update_user(item, target, batch).await.map(Some),
            Edit::Update(item, target) => self.update_place(item, target).await.map(Some),
            Edit::Delete(item) => self.remove(item).await.map(|()| None),
        }
    }

    /// The role of a target as it is called here.
    pub(super) fn role<'a>(target: &Target, batch: &'a Batch) -> Result<Option<&'a Role>, DirectoryError> {
        let Some(name) = &target.role else { return Ok(None) };
        match batch.roles.get(name) {
            Some(Ok(role)) => Ok(Some(role)),
            Some(Err((kind, why))) => {
                Err(DirectoryError::new(format!("give the role `{name}`"), kind.clone()).because(why.clone()))
            }
            None => Ok(None),
        }
    }

    /// Makes a user by itself.
    pub(super) async fn create_user(&self, target: &Target, batch: &Batch) -> Result<Item, DirectoryError> {
        let username = users::text(target, Field::Username);
        let what = format!("create the user `{username}`");
        let role = Self::role(target, batch)?;
        if let Some(parent) = &target.parent
            && batch.parents.get(parent).is_some_and(Option::is_none)
        {
            return Err(DirectoryError::new(what, ErrorKind::Moved).because("what it should stand under is gone"));
        }
        let mut body = users::body(target, Attributes::new());
        body.enabled = Some(target.enabled);
        let request = self.api.ask(Verb::Post, &["users"], &what).json(&body).repeatable();
        let id = match self.api.client.send(&request).await {
            Ok(answer) if answer.status == Status::Ok => made(&answer, &what)?,
            // The name is taken: by us, if an answer was lost on the way.
            Ok(answer) if answer.status == Status::Conflict => match self.ours(username, target).await? {
                Some(id) => id,
                None => return Err(answer.error(&what, ErrorKind::Conflict)),
            },
            Ok(answer) => return Err(answer.accepted(&what).err().unwrap_or_else(|| DirectoryError::new(what, ErrorKind::Failed))),
            Err(error) if error.kind == ErrorKind::Unavailable => match self.ours(username, target).await {
                Ok(Some(id)) => id,
                Ok(None) | Err(_) => return Err(error),
            },
            Err(error) => return Err(error),
        };
        if let Some(parent) = &target.parent {
            self.join(&id, parent, true).await?;
        }
        if let Some(role) = role {
            self.map_role(&id, role, true).await?;
        }
        let actions = self.raw_user(&id).await?;
        let mut item = users::after(&id, target, None);
        if let Some(user) = actions {
            item.must_change = Some(user.required_actions.iter().any(|action| action == users::UPDATE_PASSWORD));
        }
        Ok(item)
    }

    /// The user of a name, if it bears the mark that we sent.
    async fn ours(&self, username: &str, target: &Target) -> Result<Option<String>, DirectoryError> {
        let found = self.named(username).await?;
        let same = |user: &super::wire::User| target.mark.is_some() && super::marks::mark(&user.attributes) == target.mark;
        Ok(found.filter(same).map(|user| user.id))
    }

    /// Puts a user into a company or customer, or takes it out.
    pub(super) async fn join(&self, user: &str, place: &RemoteId, member: bool) -> Result<(), DirectoryError> {
        let what = if member { "put a user into a company" } else { "take a user out of a company" };
        match self.settings.companies {
            KeycloakCompanies::Groups => self.membership(user, &place.0, member, what).await,
            KeycloakCompanies::Organizations if member => {
                // The body is the bare identifier.
                let request = self.api.ask(Verb::Post, &["organizations", &place.0, "members"], what).json(&user).repeatable();
                let answer = self.api.client.send(&request).await?;
                if answer.status == Status::Conflict { Ok(()) } else { answer.accepted(what).map(drop) }
            }
            KeycloakCompanies::Organizations => self.api.delete(&["organizations", &place.0, "members", user], what).await,
        }
    }

    /// Whether taking a user out of an organization would delete it: a managed member is the organization's own.
    async fn is_managed(&self, user: &str, place: &RemoteId) -> Result<bool, DirectoryError> {
        let what = "read the membership of a user";
        let request = self.api.ask(Verb::Get, &["organizations", &place.0, "members", user], what);
        let member: Option<Member> = self.api.find(&request, what).await?;
        Ok(member.is_some_and(|member| member.membership_type.as_deref() != Some("UNMANAGED")))
    }

    async fn update_user(&self, item: &Item, target: &Target, batch: &Batch) -> Result<Item, DirectoryError> {
        let id = item.id.0.as_str();
        let what = format!("update the user `{}`", users::text(target, Field::Username));
        let failed = |kind| DirectoryError::new(what.as_str(), kind);
        let role = Self::role(target, batch)?;
        let user = self.raw_user(id).await?.ok_or_else(|| failed(ErrorKind::Moved).because("it is gone"))?;
        if let Some(why) = users::unfit(&user) {
            return Err(failed(ErrorKind::Rejected).because(why.to_string()));
        }
        if !users::is_as_read(&user, item) {
            return Err(failed(ErrorKind::Moved).because("it is not as it was read"));
        }
        let moves = target.parent != item.parent;
        let leaves = if moves { self.leaves(id, item, target, &what).await? } else { Vec::new() };
        let mut body = users::body(target, user.attributes.clone());
        body.enabled = Some(target.enabled).filter(|enabled| *enabled != user.enabled);
        let after = users::after(id, target, Some(item));
        if after.fields != users::after(id, &as_target(item), None).fields
            || after.mark != item.mark
            || after.enabled != item.enabled
        {
            self.api.put(Verb::Put, &["users", id], &body, &what).await?;
        }
        if user.enabled && !target.enabled {
            // Sessions outlive the account otherwise, and access tokens the sessions.
            self.api.put(Verb::Post, &["users", id, "logout"], &json!({}), &what).await?;
        }
        if let Some(role) = role {
            self.change_role(id, item, role).await?;
        }
        if let Some(parent) = target.parent.as_ref().filter(|_| moves) {
            self.join(id, parent, true).await?;
        }
        for place in leaves {
            self.join(id, &place, false).await?;
        }
        Ok(after)
    }

    async fn change_role(&self, id: &str, item: &Item, role: &Role) -> Result<(), DirectoryError> {
        let others = item.roles.iter().filter(|held| held.as_str() != role.name).cloned().collect();
        for (name, other) in self.resolve(others).await {
            let other =
                other.map_err(|(kind, why)| DirectoryError::new(format!("take away the role `{name}`"), kind).because(why))?;
            self.map_role(id, &other, false).await?;
        }
        if item.roles.iter().all(|held| held.as_str() != role.name) {
            self.map_role(id, role, true).await?;
        }
        Ok(())
    }

    /// What a user leaves who moves: where it was, and everything else of ours.
    async fn leaves(&self, id: &str, item: &Item, target: &Target, what: &str) -> Result<Vec<RemoteId>, DirectoryError> {
        let places = self.places_of(id).await?;
        let was = item.parent.as_ref().and_then(|parent| places.iter().find(|place| place.id == parent.0));
        let left = |place: &&Place| {
            let above = was.is_some_and(|was| was.id == place.id || place.is_above(was));
            Some(&place.id) != target.parent.as_ref().map(|parent| &parent.0) && (place.is_marked() || above)
        };
        let leaves: Vec<RemoteId> = places.iter().filter(left).map(|place| RemoteId(place.id.clone())).collect();
        if self.settings.companies == KeycloakCompanies::Organizations {
            for place in &leaves {
                if self.is_managed(id, place).await? {
                    let cause =
                        "it is a managed member of its organization, and leaving would delete it: make it an unmanaged one first";
                    return Err(DirectoryError::new(what, ErrorKind::Rejected).because(cause));
                }
            }
        }
        Ok(leaves)
    }

    async fn remove(&self, item: &Item) -> Result<(), DirectoryError> {
        let id = item.id.0.as_str();
        let what = format!("delete {} {id}", item.kind.word());
        let failed = |kind| DirectoryError::new(what.as_str(), kind);
        if item.kind == Kind::User {
            if let Some(why) = self.raw_user(id).await?.as_ref().and_then(users::unfit) {
                return Err(failed(ErrorKind::Rejected).because(why.to_string()));
            }
            return self.api.delete(&["users", id], &what).await;
        }
        let Some(place) = self.place(id).await? else { return Ok(()) };
        if place.item() != *item {
            return Err(failed(ErrorKind::Moved).because("it is not as it was read"));
        }
        let of = self.of();
        let first = self.api.ask(Verb::Get, &[of, id, "members"], &what).query("first", 0).query("max", 1);
        let members: Option<Vec<super::wire::Id>> = self.api.find(&first, &what).await?;
        let children = match place.rest {
            Rest::Group { description: _, children } => children,
            Rest::Organization(_) => 0,
        };
        // What stands under a group goes with it, and somebody may have been faster than we.
        if children > 0 || members.is_some_and(|members| !members.is_empty()) {
            return Err(failed(ErrorKind::Moved).because("something stands under it by now"));
        }
        self.api.delete(&[of, id], &what).await
    }

    fn of(&self) -> &'static str {
        match self.settings.companies {
            KeycloakCompanies::Groups => "groups",
            KeycloakCompanies::Organizations => "organizations",
        }
    }

    async fn create_place(&self, target: &Target) -> Result<Item, DirectoryError> {
        // A slash would be taken for a step down in a path.
        let plain = target.name.replace('/', "-");
        let mut name = plain.clone();
        for _ in 0..3 {
            let what = format!("create {} `{name}`", target.kind.word());
            let flat = self.settings.companies == KeycloakCompanies::Organizations;
            let attributes = Place::written(Attributes::new(), &name, target, flat);
            let (path, body) = match (self.settings.companies, &target.parent) {
                (KeycloakCompanies::Groups, None) => (vec!["groups"], json!({ "name": name, "attributes": attributes })),
                (KeycloakCompanies::Groups, Some(above)) => {
                    (vec!["groups", above.0.as_str(), "children"], json!({ "name": name, "attributes": attributes }))
                }
                (KeycloakCompanies::Organizations, _) => {
                    let alias: String = name.chars().map(|c| if c.is_whitespace() { '-' } else { c }).collect();
                    let body = json!({ "name": name, "alias": alias, "enabled": target.enabled, "attributes": attributes });
                    (vec!["organizations"], body)
                }
            };
            let answer = self.api.client.send(&self.api.ask(Verb::Post, &path, &what).json(&body).repeatable()).await?;
            if answer.status == Status::Conflict {
                if let Some(place) = self.beside(target, &name).await?.filter(|place| is_ours(place, target)) {
                    return Ok(place.item());
                }
                name = format!("{plain}-{}", suffix());
                continue;
            }
            let id = made(&answer.accepted(&what)?, &what)?;
            let place = self.place(&id).await?;
            let place = place.ok_or_else(|| DirectoryError::new(what, ErrorKind::Moved).because("it was gone right away"))?;
            if target.parent.is_none() && self.settings.root_company.as_ref().is_some_and(|root| root.as_str() == place.name) {
                self.known().root = Some(RemoteId(place.id.clone()));
            }
            return Ok(place.item());
        }
        Err(DirectoryError::new(format!("create {} `{plain}`", target.kind.word()), ErrorKind::Conflict))
    }

    /// The place of a name where a new one should stand.
    async fn beside(&self, target: &Target, name: &str) -> Result<Option<Place>, DirectoryError> {
        match self.settings.companies {
            KeycloakCompanies::Groups => {
                let above = target.parent.as_ref().map(|parent| parent.0.as_str());
                Ok(self.group_named(above, name).await?.map(Place::of_group))
            }
            KeycloakCompanies::Organizations => {
                let what = "look for an organization";
                let request = self.api.ask(Verb::Get, &["organizations"], what).query("search", name).query("exact", "true");
                let request = request.query("briefRepresentation", "false").query("first", 0).query("max", 100);
                let found: Vec<super::wire::Organization> = self.api.client.send(&request).await?.json(what)?;
                Ok(found.into_iter().find(|it| it.name == name).map(Place::of_organization))
            }
        }
    }

    async fn update_place(&self, item: &Item, target: &Target) -> Result<Item, DirectoryError> {
        let id = item.id.0.as_str();
        let what = format!("update {} {id}", target.kind.word());
        let failed = |kind| DirectoryError::new(what.as_str(), kind);
        let place = self.place(id).await?.ok_or_else(|| failed(ErrorKind::Moved).because("it is gone"))?;
        if place.item() != *item {
            return Err(failed(ErrorKind::Moved).because("it is not as it was read"));
        }
        let flat = self.settings.companies == KeycloakCompanies::Organizations;
        let attributes = Place::written(place.attributes.clone(), &place.name, target, flat);
        let enabled = place.enabled.map(|_| target.enabled);
        if attributes != place.attributes || enabled != place.enabled {
            match &place.rest {
                Rest::Group { description, children: _ } => {
                    let body = json!({ "name": place.name, "description": description, "attributes": attributes });
                    self.api.put(Verb::Put, &["groups", id], &body, &what).await?;
                }
                Rest::Organization(before) => {
                    // A PUT replaces: everything goes back, the alias as well, which must not change.
                    let mut after = (**before).clone();
                    (after.attributes, after.enabled) = (attributes, target.enabled);
                    self.api.put(Verb::Put, &["organizations", id], &after, &what).await?;
                }
            }
        }
        if !flat && target.parent != place.parent {
            self.move_group(&place, target, &what).await?;
        }
        let after = self.place(id).await?.ok_or_else(|| failed(ErrorKind::Moved).because("it is gone"))?;
        Ok(after.item())
    }

    /// Puts a group under another, or under nothing. Where its name is taken there it gets another one.
    async fn move_group(&self, place: &Place, target: &Target, what: &str) -> Result<(), DirectoryError> {
        let path = target.parent.as_ref().map_or_else(|| vec!["groups"], |above| vec!["groups", above.0.as_str(), "children"]);
        let request =
            |name: &str| self.api.ask(Verb::Post, &path, what).json(&json!({ "id": place.id, "name": name })).repeatable();
        let answer = self.api.client.send(&request(&place.name)).await?;
        if answer.status != Status::Conflict {
            return answer.accepted(what).map(drop);
        }
        let name = format!("{}-{}", place.name, suffix());
        self.api.put(Verb::Put, &["groups", &place.id], &json!({ "name": name }), what).await?;
        self.api.client.send(&request(&name)).await?.accepted(what).map(drop)
    }
}

fn is_ours(place: &Place, target: &Target) -> bool {
    target.mark.is_some() && super::marks::mark(&place.attributes) == target.mark
}

/// What an item would be as a target: to compare the two.
fn as_target(item: &Item) -> Target {
    Target {
        kind: item.kind,
        name: SmolStr::default(),
        parent: item.parent.clone(),
        fields: item.fields.clone(),
        role: None,
        enabled: item.enabled.unwrap_or(true),
        mark: item.mark.clone(),
    }
}

/// A few characters that nothing else is likely to end with.
fn suffix() -> SmolStr {
    let id = uuid::Uuid::now_v7().simple().to_string();
    format_smolstr!("{}", &id[id.len() - 4..])
}
