//! Roles: realm roles, or groups below a group of ours.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;
use smol_str::SmolStr;

use super::{
    Keycloak,
    api::made,
    places::ROLES,
    wire::{Group, Role},
};
use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::http::{Status, Verb},
    manifest::KeycloakRoles,
};

/// Roles that a batch of edits gives or takes, each with what it is called here, or why it cannot be had.
pub(super) type Resolved = BTreeMap<SmolStr, Result<Role, (ErrorKind, String)>>;

impl Keycloak {
    /// Finds roles, and makes those that are not there.
    pub(super) async fn resolve(&self, names: Vec<SmolStr>) -> Resolved {
        let mut resolved = Resolved::new();
        for name in names {
            if resolved.contains_key(&name) {
                continue;
            }
            let role = match self.settings.roles {
                KeycloakRoles::Realm => self.realm_role(&name).await,
                KeycloakRoles::Groups => self.role_group(&name).await,
            };
            resolved.insert(name, role.map_err(|error| (error.kind.clone(), error.chain())));
        }
        resolved
    }

    async fn realm_role(&self, name: &str) -> Result<Role, DirectoryError> {
        let facts = self.facts().await?;
        if let Some(role) = facts.roles.get(name) {
            return Ok(role.clone());
        }
        let what = format!("find the role `{name}`");
        let find = self.api.ask(Verb::Get, &["roles", name], &what);
        if let Some(role) = self.api.find::<Role>(&find, &what).await? {
            return Ok(role);
        }
        let what = format!("make the role `{name}`");
        let forbidden = || {
            let cause = format!(
                "the realm has no role `{name}`, and we may not make it: make it beforehand, or give the client's service account the role `manage-realm`"
            );
            DirectoryError::new(what.as_str(), ErrorKind::Refused).because(cause)
        };
        if !facts.rights.manage_realm() {
            return Err(forbidden());
        }
        let make = self.api.ask(Verb::Post, &["roles"], &what).json(&json!({ "name": name })).repeatable();
        match self.api.client.send(&make).await {
            // Somebody else was faster.
            Ok(answer) if answer.status == Status::Conflict => {}
            Ok(answer) => drop(answer.accepted(&what)?),
            Err(error) if error.kind == ErrorKind::Refused => return Err(forbidden()),
            Err(error) => return Err(error),
        }
        self.api.get(&["roles", name], &what).await
    }

    /// A group that is a role: its identifier, and its name.
    async fn role_group(&self, name: &str) -> Result<Role, DirectoryError> {
        if let Some(id) = self.known_role_group(name) {
            return Ok(Role { id, name: name.to_owned() });
        }
        let above = match self.group_named(None, ROLES).await? {
            Some(group) => group.id,
            None => self.make_group(None, ROLES).await?,
        };
        let id = match self.group_named(Some(&above), name).await? {
            Some(group) => group.id,
            None => self.make_group(Some(&above), name).await?,
        };
        self.remember_role_groups([(SmolStr::new(name), id.clone())]);
        Ok(Role { id, name: name.to_owned() })
    }

    async fn make_group(&self, above: Option<&str>, name: &str) -> Result<String, DirectoryError> {
        let what = format!("make the group `{name}`");
        let path = above.map_or_else(|| vec!["groups"], |above| vec!["groups", above, "children"]);
        let answer = self.api.client.send(&self.api.ask(Verb::Post, &path, &what).json(&json!({ "name": name }))).await?;
        if answer.status == Status::Conflict {
            let found = self.group_named(above, name).await?;
            return found.map(|group| group.id).ok_or_else(|| answer.error(&what, ErrorKind::Conflict));
        }
        made(&answer.accepted(&what)?, &what)
    }

    /// The group of a name that stands right under another, or under nothing.
    pub(super) async fn group_named(&self, above: Option<&str>, name: &str) -> Result<Option<Group>, DirectoryError> {
        let what = "look for a group";
        let path = above.map_or_else(|| vec!["groups"], |above| vec!["groups", above, "children"]);
        let request = self.api.ask(Verb::Get, &path, what).query("search", name).query("exact", "true");
        let request = request.query("briefRepresentation", "false").query("populateHierarchy", "false");
        let found: Vec<Group> = self.api.find(&request.query("first", 0).query("max", 100), what).await?.unwrap_or_default();
        Ok(found.into_iter().find(|group| group.name == name && group.parent_id.as_deref() == above))
    }

    /// Gives a user a role, or takes it away. Both can be repeated.
    pub(super) async fn map_role(&self, user: &str, role: &Role, give: bool) -> Result<(), DirectoryError> {
        let what = format!("{} the role `{}`", if give { "give" } else { "take away" }, role.name);
        match self.settings.roles {
            KeycloakRoles::Realm => {
                // It wants both the identifier and the name, and says 404 where one is missing.
                let verb = if give { Verb::Post } else { Verb::Delete };
                self.api.put(verb, &["users", user, "role-mappings", "realm"], &[role], &what).await.map(drop)
            }
            KeycloakRoles::Groups => self.membership(user, &role.id, give, &what).await,
        }
    }

    /// Puts a user into a group, or takes it out.
    pub(super) async fn membership(&self, user: &str, group: &str, member: bool, what: &str) -> Result<(), DirectoryError> {
        #[derive(Serialize)]
        struct Nothing {}
        let path = ["users", user, "groups", group];
        if member { self.api.put(Verb::Put, &path, &Nothing {}, what).await.map(drop) } else { self.api.delete(&path, what).await }
    }
}
