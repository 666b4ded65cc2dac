//! Several users in one request: `partialImport`, the fastest way in. All of it comes to pass, or nothing.
//!
//! It is a back door: it asks no validator of the user profile, gives no default role and no default group, demands no default
//! action, and makes a role that it does not know. All of that is seen to here, so that who comes by it has what everybody has.

use std::sync::Arc;

use futures_util::FutureExt as _;
use smol_str::SmolStr;

use super::{
    Keycloak, realm,
    users::{self, UPDATE_PASSWORD},
    wire::{Attributes, Import, UserBody},
    write::{Batch, Outcome},
};
use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::{
        http::{Status, Verb, each},
        remote::{Item, Target},
    },
    manifest::{KeycloakCompanies, KeycloakRoles},
    model::{Field, Kind},
};

/// Characters before the `@` of an e-mail: the validator `email` takes no more.
const LOCAL_PART: usize = 64;

impl Keycloak {
    /// Whether a user can be made by an import: we may, and we know that no validator would have refused it.
    pub(super) fn can_import(&self, target: &Target, batch: &Batch) -> bool {
        if target.kind != Kind::User || self.known().no_imports || !batch.facts.imports() {
            return false;
        }
        let (username, email) = (users::text(target, Field::Username), users::text(target, Field::Email));
        let plain = username.is_ascii() && email.is_ascii() && email.find('@').is_some_and(|at| at <= LOCAL_PART);
        let limits = self.known().capabilities.clone();
        let limits = limits.iter().flat_map(|it| &it.limits).filter(|limit| limit.kind == Kind::User);
        let fits = limits.into_iter().all(|limit| limit.refuses(users::text(target, limit.field)).is_none());
        // A role that cannot be had is an error of that user alone; so is a place whose path cannot be said.
        let role = Self::role(target, batch).is_ok();
        let place =
            target.parent.as_ref().and_then(|id| batch.parents.get(id)).is_none_or(|it| it.as_ref().is_some_and(|it| it.sure));
        plain && fits && role && place
    }

    /// Makes users by one import, or one by one where that is refused.
    pub(super) async fn import(&self, targets: Vec<(usize, &Target)>, batch: &Batch) -> Vec<(usize, Outcome)> {
        let made = self.import_all(&targets, batch).await;
        let Ok(Some(items)) = made else {
            // Somebody has one of the names, an answer was lost, or it is one of the many other things that are said of all
            // of them at once: each by itself is told what it is.
            let one = |(at, target)| async move { (at, self.create_user(target, batch).await.map(Some)) }.boxed();
            return each(self.api.client.width(), targets, one).await;
        };
        each(self.api.client.width(), targets.into_iter().zip(items), |((at, target), item)| {
            async move {
                // No import knows organizations.
                let joined = match (&target.parent, self.settings.companies) {
                    (Some(parent), KeycloakCompanies::Organizations) => self.join(&item.id.0, parent, true).await,
                    (Some(_) | None, _) => Ok(()),
                };
                (at, joined.map(|()| Some(item)))
            }
            .boxed()
        })
        .await
    }

    async fn import_all(&self, targets: &[(usize, &Target)], batch: &Batch) -> Result<Option<Vec<Item>>, DirectoryError> {
        let what = "import users";
        let actions = self.actions().await?;
        let users: Vec<UserBody<'_>> = targets.iter().map(|(_, target)| self.imported(target, batch, &actions)).collect();
        let ids: Vec<String> = users.iter().filter_map(|user| user.id.clone()).collect();
        let import = Import { if_resource_exists: "FAIL", users };
        let answer = match self.api.client.send(&self.api.ask(Verb::Post, &["partialImport"], what).json(&import)).await {
            Ok(answer) => answer,
            Err(error) if error.kind == ErrorKind::Refused => {
                tracing::info!("we may not import users into this realm (`manage-realm`), so they are made one by one");
                self.known().no_imports = true;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if answer.status != Status::Ok {
            return Ok(None);
        }
        let must_change = actions.iter().any(|action| action == UPDATE_PASSWORD);
        let item = |(id, (_, target)): (String, &(usize, &Target))| Item {
            must_change: Some(must_change),
            ..users::after(&id, target, None)
        };
        Ok(Some(ids.into_iter().zip(targets).map(item).collect()))
    }

    fn imported<'a>(&self, target: &'a Target, batch: &Batch, actions: &[String]) -> UserBody<'a> {
        let mut body = users::body(target, Attributes::new());
        // One of our own for each attempt. One made of the key would give a successor what belonged to its predecessor.
        body.id = Some(uuid::Uuid::now_v7().to_string());
        body.enabled = Some(target.enabled);
        body.required_actions = Some(actions.to_vec());
        let realm = &batch.facts.realm;
        body.groups.clone_from(&realm.default_groups);
        body.realm_roles.extend(realm.default_role.as_ref().map(|role| role.name.clone()));
        let place = target.parent.as_ref().and_then(|id| batch.parents.get(id)?.as_ref());
        if self.settings.companies == KeycloakCompanies::Groups {
            body.groups.extend(place.map(|place| place.path.clone()));
        }
        match self.settings.roles {
            KeycloakRoles::Realm => body.realm_roles.extend(target.role.as_ref().map(SmolStr::to_string)),
            KeycloakRoles::Groups => {
                body.groups.extend(target.role.as_ref().map(|role| format!("/{}/{role}", super::places::ROLES)));
            }
        }
        body
    }

    /// What everybody has to do first who comes in by the front door.
    async fn actions(&self) -> Result<Arc<Vec<String>>, DirectoryError> {
        let known = self.known().actions.clone();
        if let Some(actions) = known {
            return Ok(actions);
        }
        let actions = Arc::new(realm::default_actions(&self.api).await?);
        self.known().actions = Some(Arc::clone(&actions));
        Ok(actions)
    }
}
