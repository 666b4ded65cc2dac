//! Passwords, by signing in.

use std::time::Duration;

use serde_json::{Value, json};
use tenantry::{drivers::remote::NewPassword, manifest::KeycloakInvites, model::PasswordHash};

use super::{server::tenantry, *};
use crate::conformance::{PASSWORD, PASSWORD_HASH};

fn new(hash: &str, must_change: bool) -> NewPassword {
    NewPassword { hash: PasswordHash::new(hash), plain: None, must_change }
}

#[tokio::test]
async fn a_hash_lets_in_whoever_has_the_password() {
    let realm = Realm::new(Made { rights: LEAST, ..Made::default() });
    assert_eq!(realm.post("roles", json!({"name": "owner"})).await.0, 201);
    let driver = realm.driver();
    let acme = create(&driver, company("acme")).await;
    let mara = create(&driver, full("mara", Some(&acme.id))).await;
    let path = format!("users/{}", mara.id.0);
    assert_eq!(realm.put(&path, json!({"requiredActions": ["CONFIGURE_TOTP"]})).await.0, 204);
    driver.password(&mara.id, &new(PASSWORD_HASH, true)).await.unwrap();
    assert_eq!(
        read(&driver, &mara).await,
        Item { must_change: Some(true), created_at: read(&driver, &mara).await.created_at, ..mara.clone() }
    );
    let mut actions: Vec<String> = serde_json::from_value(realm.user("mara").await["requiredActions"].clone()).unwrap();
    actions.sort();
    assert_eq!(actions, ["CONFIGURE_TOTP", "UPDATE_PASSWORD"], "an action of others stays");
    assert_eq!(realm.put(&path, json!({"requiredActions": ["UPDATE_PASSWORD"]})).await.0, 204);
    assert_eq!(realm.sign_in("mara", PASSWORD).await, Err("Account is not fully set up".into()), "it must be changed");
    assert_eq!(realm.sign_in("mara", "another").await, Err("Invalid user credentials".into()));
    driver.password(&mara.id, &new(PASSWORD_HASH, false)).await.unwrap();
    realm.sign_in("mara", PASSWORD).await.unwrap();
    assert_eq!(read(&driver, &mara).await.must_change, Some(false));
    let count = || async { realm.get(&format!("{path}/credentials")).await.as_array().unwrap().len() };
    assert_eq!(count().await, 1, "it replaces the one before");

    // What it cannot check it would take, and let nobody in.
    for broken in [PASSWORD_HASH.replace("argon2id", "argon2i"), format!("{PASSWORD_HASH}="), "{SSHA}xyz".into(), "x".into()] {
        assert_eq!(refusal(driver.password(&mara.id, &new(&broken, false)).await).0, ErrorKind::Rejected);
    }
    realm.sign_in("mara", PASSWORD).await.unwrap();
    let nobody = RemoteId("00000000-0000-4000-8000-000000000000".into());
    assert_eq!(refusal(driver.password(&nobody, &new(PASSWORD_HASH, false)).await).0, ErrorKind::Moved);

    driver.revoke(&mara.id).await.unwrap();
    assert_eq!((count().await, realm.sign_in("mara", PASSWORD).await), (0, Err("Invalid user credentials".into())));
    driver.revoke(&mara.id).await.unwrap();
    driver.revoke(&nobody).await.unwrap();
    let found = read(&driver, &mara).await;
    assert_eq!((found.fields, found.mark), (mara.fields, mara.mark), "nothing else is touched by any of it");
}

#[tokio::test]
async fn keycloak_mails_an_invitation_where_it_is_told_to() {
    let mut mail = crate::keycloak::server::Mail::start();
    let smtp = json!({"host": "127.0.0.1", "port": mail.port.to_string(), "from": "id@acme.example"});
    let realm = Realm::new(Made { settings: json!({ "smtpServer": smtp }), ..Made::default() });
    let driver = realm.driver_with(|it| it.invites = KeycloakInvites::Keycloak);
    assert!(driver.capabilities().invites && !realm.driver().capabilities().invites);
    sweep(&driver).await;
    let acme = create(&driver, company("acme")).await;
    let mara = create(&driver, full("mara", Some(&acme.id))).await;
    driver.invite(&mara.id, Duration::from_hours(24)).await.unwrap();
    let letter = mail.letter();
    assert!(letter.contains("To: mara@acme.example") && letter.contains("/login-actions/action-token"), "{letter}");
    assert!(letter.contains("24 hours") || letter.contains("1 day"), "{letter}");
    // Who has no address, or is shut off, gets none: the server's words say so.
    let off = update(&driver, read(&driver, &mara).await, Target { enabled: false, ..full("mara", Some(&acme.id)) }).await.unwrap();
    let (kind, said) = refusal(driver.invite(&off.id, Duration::from_hours(24)).await);
    assert!(kind == ErrorKind::Rejected && said.contains("disabled"), "{said}");
    assert_eq!(realm.user("mara").await["requiredActions"], Value::Array(Vec::new()));
}

/// By the program: neither a mail server nor a page of the project's own is needed.
#[tokio::test]
async fn an_invitation_that_keycloak_mails_is_given_once() {
    let mut mail = crate::keycloak::server::Mail::start();
    let smtp = json!({"host": "127.0.0.1", "port": mail.port.to_string(), "from": "id@acme.example"});
    let realm = Realm::new(Made { settings: json!({ "smtpServer": smtp }), ..Made::default() });
    let folder = tempfile::tempdir().unwrap();
    realm.project(folder.path(), &json!({ "invites": "keycloak" }));
    std::fs::create_dir(folder.path().join("tenants")).unwrap();
    let documents = "apiVersion: tenantry.dev/v1alpha1\nkind: Company\nmetadata: { name: acme }\nspec: {}\n---\n\
                     apiVersion: tenantry.dev/v1alpha1\nkind: User\nmetadata: { name: mara }\n\
                     spec: { email: mara@acme.example, company: acme, role: owner, credential: { method: Invite } }\n";
    std::fs::write(folder.path().join("tenants/all.yaml"), documents).unwrap();
    let (status, told) = tenantry(folder.path(), &["apply", "--yes"]);
    assert_eq!(status, 0, "{told}");
    let letter = mail.letter();
    assert!(letter.contains("To: mara@acme.example") && letter.contains("/login-actions/action-token"), "{letter}");
    let (status, told) = tenantry(folder.path(), &["plan", "--detailed-exitcode"]);
    assert_eq!(status, 0, "nothing is owed any more: {told}");
    let (status, told) = tenantry(folder.path(), &["apply", "--yes"]);
    assert_eq!((status, mail.count()), (0, 1), "{told}");
    // Keycloak asks people for their names when they sign in; what they say is theirs.
    let mara = realm.user("mara").await;
    let names = json!({ "email": "mara@acme.example", "firstName": "Mara", "lastName": "Lindqvist" });
    assert_eq!(realm.put(&format!("users/{}", mara["id"].as_str().unwrap()), names).await.0, 204);
    let (status, told) = tenantry(folder.path(), &["plan", "--detailed-exitcode"]);
    assert_eq!(status, 0, "{told}");
    let (status, told) = tenantry(folder.path(), &["reset", "mara", "--method", "Invite"]);
    assert_eq!((status, mail.count()), (0, 2), "{told}");
}
