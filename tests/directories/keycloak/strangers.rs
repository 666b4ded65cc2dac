//! A realm that was there long before us is brought under management, by the program itself.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::server::{Made, Realm, tenantry};

/// Users, and groups that they are in.
const USERS: usize = 3_000;
const GROUPS: usize = 25;

/// Everything that a realm says of its users, but our own mark.
async fn everything(realm: &Realm) -> BTreeMap<String, Value> {
    let users = realm.get(&format!("users?max={}&briefRepresentation=false", 2 * USERS)).await;
    let mut all: BTreeMap<String, Value> = BTreeMap::new();
    for mut user in users.as_array().unwrap().clone() {
        if let Some(attributes) = user["attributes"].as_object_mut() {
            attributes.remove("tenantry");
        }
        if user["attributes"].as_object().is_none_or(serde_json::Map::is_empty) {
            user.as_object_mut().unwrap().remove("attributes");
        }
        all.insert(user["username"].as_str().unwrap().to_owned(), json!({ "user": user, "in": [] }));
    }
    let groups = realm.get("groups?max=1000").await;
    let groups = groups
        .as_array()
        .unwrap()
        .iter()
        .map(|group| (group["name"].clone(), format!("groups/{}/members", group["id"].as_str().unwrap())));
    let roles = ["owner", "common-manager", "offline_access"].map(|role| (role.into(), format!("roles/{role}/users")));
    for (name, path) in groups.chain(roles) {
        for member in realm.get(&format!("{path}?max={}", 2 * USERS)).await.as_array().unwrap() {
            all.get_mut(member["username"].as_str().unwrap()).unwrap()["in"].as_array_mut().unwrap().push(name.clone());
        }
    }
    all
}

/// Accounts that cannot be declared: what each is like, and a word of the reason.
fn odd() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"username": "no-mail", "groups": ["/team-00"], "realmRoles": ["owner"]}), "email"),
        (json!({"username": "no-role", "email": "no-role@x.example", "groups": ["/team-00"]}), "role"),
        (json!({"username": "no-group", "email": "no-group@x.example", "realmRoles": ["owner"]}), "under nothing"),
        (
            json!({"username": "two-groups", "email": "two-groups@x.example", "groups": ["/team-00", "/team-01"], "realmRoles": ["owner"]}),
            "team-01",
        ),
        (
            json!({"username": "two-roles", "email": "two-roles@x.example", "groups": ["/team-00"], "realmRoles": ["owner", "common-manager"]}),
            "role",
        ),
    ]
}

#[tokio::test]
async fn three_thousand_strangers_are_taken_over_and_nobody_is_touched() {
    let realm = Realm::new(Made::default());
    for role in ["owner", "common-manager"] {
        assert_eq!(realm.post("roles", json!({ "name": role })).await.0, 201);
    }
    for at in 0..GROUPS {
        assert_eq!(realm.post("groups", json!({ "name": format!("team-{at:02}") })).await.0, 201);
    }
    let one = |at: usize| {
        json!({
            "username": format!("person.{at:04}"), "email": format!("Person.{at:04}@X.example"), "enabled": !at.is_multiple_of(7),
            "emailVerified": at.is_multiple_of(2), "firstName": "Ada", "lastName": format!("Núñez {at}"), "groups": [format!("/team-{:02}", at % GROUPS)],
            "realmRoles": [if at.is_multiple_of(3) { "common-manager" } else { "owner" }, "offline_access"],
            "requiredActions": if at.is_multiple_of(11) { vec!["UPDATE_PASSWORD"] } else { Vec::new() },
            "attributes": { "shoeSize": [format!("{}", at % 50)] },
        })
    };
    let mut users: Vec<Value> = (0..USERS - odd().len()).map(one).collect();
    users[1]["credentials"] = json!([{ "type": "password", "value": "a word of hers", "temporary": false }]);
    users.extend(odd().into_iter().map(|(user, _)| user));
    for chunk in users.chunks(20) {
        let (status, answer) = realm.post("partialImport", json!({ "ifResourceExists": "FAIL", "users": chunk })).await;
        assert_eq!(status, 200, "{answer}");
    }
    let before = everything(&realm).await;
    let folder = tempfile::tempdir().unwrap();
    realm.project(folder.path(), &json!({}));
    let (status, told) = tenantry(folder.path(), &["import", "--all", "--into", "tenants"]);
    assert_eq!(status, 6, "{told}");
    let said = |user: &Value| told.lines().find(|line| line.contains(user["username"].as_str().unwrap())).unwrap_or_default();
    let unsaid: Vec<_> = odd().into_iter().filter(|(user, why)| !said(user).contains(why)).map(|(user, _)| said(&user)).collect();
    assert!(unsaid.is_empty(), "{unsaid:#?}");
    let left_out = odd().len();
    assert!(told.contains(&format!("{left_out} objects cannot be declared")), "{told}");
    assert_eq!(everything(&realm).await, before);

    let (status, told) = tenantry(folder.path(), &["plan", "--detailed-exitcode"]);
    assert_eq!(status, 2, "{told}");
    let (status, told) = tenantry(folder.path(), &["apply", "--yes", "--allow-creates", "0"]);
    assert_eq!(status, 0, "{told}");
    let after = everything(&realm).await;
    for (name, was) in &before {
        assert_eq!(after[name], *was);
    }
    assert_eq!(after.len(), before.len());
    assert_eq!(realm.sign_in("person.0001", "a word of hers").await.map(drop), Ok(()));
    let (status, told) = tenantry(folder.path(), &["plan", "--detailed-exitcode"]);
    assert_eq!(status, 0, "{told}");
    let (status, told) = tenantry(folder.path(), &["import", "--into", "again"]);
    assert_eq!(status, 0, "{told}");
}
