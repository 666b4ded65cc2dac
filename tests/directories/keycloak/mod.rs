//! Keycloak, against the real server: the contract, and what is peculiar to it.

mod imports;
mod lists;
mod organizations;
mod passwords;
mod rights;
mod server;
mod strangers;
mod traps;

use std::collections::BTreeSet;

use server::{LEAST, Made, Realm, name};
use smol_str::SmolStr;
use tenantry::{
    directory::{DirectoryError, ErrorKind, Stop},
    drivers::{
        keycloak::Keycloak,
        remote::{Edit, Item, Remote as _, Target},
    },
    manifest::{KeycloakCompanies, KeycloakRoles},
    model::{Field, Kind, RemoteId},
};

mod groups {
    use super::*;

    crate::conformance::suite!(|| Realm::new(Made::default()).directory(|_| ()));
}

mod groups_in_trouble {
    use super::*;

    crate::conformance::troubled!(|| Realm::new(Made::default()).troubled());
}

mod organizations_and_role_groups {
    use super::*;

    crate::conformance::suite!(|| {
        let settings = serde_json::json!({"organizationsEnabled": true});
        Realm::new(Made { settings, ..Made::default() }).directory(|it| {
            it.companies = KeycloakCompanies::Organizations;
            it.roles = KeycloakRoles::Groups;
        })
    });
}

fn roles() -> BTreeSet<SmolStr> {
    ["owner", "helper"].map(SmolStr::new).into()
}

/// A company, with a mark.
fn company(called: &str) -> Target {
    Target {
        kind: Kind::Company,
        name: called.into(),
        parent: None,
        fields: vec![(Field::DisplayName, called.into())],
        role: None,
        enabled: true,
        mark: Some(format!("{{\"key\":\"company/{called}\"}}")),
    }
}

/// A user with a mark and a role.
fn user(called: &str, parent: Option<&RemoteId>) -> Target {
    Target {
        kind: Kind::User,
        name: called.into(),
        parent: parent.cloned(),
        fields: vec![(Field::Username, called.into()), (Field::Email, format!("{called}@acme.example").into())],
        role: Some("owner".into()),
        enabled: true,
        mark: Some(format!("{{\"key\":\"user/{called}\"}}")),
    }
}

/// A user as it could be.
fn full(called: &str, parent: Option<&RemoteId>) -> Target {
    let mut it = user(called, parent);
    let more =
        [(Field::FirstName, "Mara"), (Field::LastName, "Lindqvist"), (Field::DisplayName, "M. L."), (Field::Description, "x\ny")];
    it.fields.extend(more.map(|(field, text)| (field, text.into())));
    it
}

async fn write(driver: &Keycloak, edits: &[Edit]) -> Vec<Result<Option<Item>, DirectoryError>> {
    driver.write(edits, &Stop::default()).await
}

async fn create(driver: &Keycloak, target: Target) -> Item {
    write(driver, &[Edit::Create(target)]).await.remove(0).unwrap().unwrap()
}

async fn update(driver: &Keycloak, item: Item, target: Target) -> Result<Item, DirectoryError> {
    write(driver, &[Edit::Update(Box::new(item), target)]).await.remove(0).map(Option::unwrap)
}

async fn sweep(driver: &Keycloak) -> Vec<Item> {
    let mut items = driver.sweep(&roles()).await.unwrap();
    items.sort_by(|a, b| (a.kind, label(a)).cmp(&(b.kind, label(b))));
    items
}

async fn read(driver: &Keycloak, item: &Item) -> Item {
    let [found] = &driver.read(&[(item.kind, item.id.clone())], &roles()).await.unwrap()[..] else { panic!("it is not there") };
    found.clone()
}

/// What it is called.
fn label(item: &Item) -> &str {
    let field = if item.kind == Kind::User { Field::Username } else { Field::DisplayName };
    item.fields.iter().find(|(known, _)| *known == field).map_or("", |(_, text)| text)
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T, DirectoryError>) -> (ErrorKind, String) {
    let error = outcome.unwrap_err();
    (error.kind.clone(), error.chain())
}
