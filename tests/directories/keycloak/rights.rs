//! What a service account may do, and the two rights of runs.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;
use tenantry::directory::Right;

use super::*;

#[tokio::test]
async fn with_the_least_rights_users_are_made_one_by_one_with_roles_that_are_there() {
    let lightweight = json!([{
        "clientId": "tenantry", "secret": server::SECRET, "serviceAccountsEnabled": true, "standardFlowEnabled": false,
        "attributes": {"client.use.lightweight.access.token.enabled": "true"},
    }]);
    // A lightweight token does not say what we may do: that is found out by being refused.
    for (settings, says) in [(json!({}), true), (json!({ "clients": lightweight }), false)] {
        let realm = Realm::new(Made { rights: LEAST, settings, ..Made::default() });
        assert_eq!(realm.post("roles", json!({"name": "owner"})).await.0, 201);
        let driver = realm.driver();
        sweep(&driver).await;
        let given = driver.capabilities().roles.clone();
        assert_eq!(given.is_some_and(|it| it.contains("owner") && !it.contains("helper")), says);
        let acme = create(&driver, company("acme")).await;
        let several: Vec<Edit> = ["mara", "jonas", "pia"].map(|it| Edit::Create(user(it, Some(&acme.id)))).into();
        for outcome in write(&driver, &several).await {
            let item = outcome.unwrap().unwrap();
            let found = read(&driver, &item).await;
            assert_eq!((found.roles, found.parent), (vec!["owner".into()], Some(acme.id.clone())));
        }
        let mut helper = user("new", Some(&acme.id));
        helper.role = Some("helper".into());
        let (kind, said) = refusal(write(&driver, &[Edit::Create(helper)]).await.remove(0));
        assert_eq!(kind, ErrorKind::Refused);
        assert!(said.contains("no role `helper`") && said.contains("manage-realm"), "{said}");
        assert_eq!(sweep(&driver).await.len(), 4);
    }
}

#[tokio::test]
async fn with_roles_as_groups_the_least_rights_can_make_them() {
    let realm = Realm::new(Made { rights: LEAST, ..Made::default() });
    let driver = realm.driver_with(|it| it.roles = KeycloakRoles::Groups);
    assert_eq!(driver.capabilities().roles, None);
    let acme = create(&driver, company("acme")).await;
    let mara = create(&driver, user("mara", Some(&acme.id))).await;
    let items = sweep(&driver).await;
    assert_eq!(items.iter().map(label).collect::<Vec<_>>(), ["acme", "mara"], "roles are no companies");
    assert_eq!((items[1].roles.clone(), items[1].parent.clone()), (vec!["owner".into()], Some(acme.id.clone())));
    let mut to = user("mara", Some(&acme.id));
    to.role = Some("helper".into());
    let after = update(&driver, Item { created_at: None, ..mara }, to).await.unwrap();
    assert_eq!((read(&driver, &after).await.roles, after.roles), (vec!["helper".into()], vec!["helper".into()]));
}

#[tokio::test]
async fn without_rights_it_is_said_what_is_refused() {
    let realm = Realm::new(Made { rights: &[], ..Made::default() });
    let (kind, said) = refusal(realm.driver().sweep(&roles()).await);
    assert!(kind == ErrorKind::Refused && said.contains("403"), "{said}");
    let wrong = Keycloak::open(&realm.settings(), "another".to_owned().into()).unwrap();
    let (kind, said) = refusal(wrong.sweep(&roles()).await);
    assert!(kind == ErrorKind::Refused && said.contains("sign in as the client `tenantry`") && !said.contains("another"), "{said}");
}

#[tokio::test]
async fn a_right_is_one_run_s_until_it_lets_go_or_its_time_is_up() {
    let realm = Realm::new(Made { rights: LEAST, ..Made::default() });
    let (one, two) = (realm.driver(), realm.driver());
    let none = Duration::ZERO;
    let held = one.lease(Right::Write, none).await.unwrap().unwrap();
    let (kind, _) = refusal(two.lease(Right::Write, none).await);
    let ErrorKind::Locked(Some(holder)) = kind else { panic!("{kind:?}") };
    assert!(holder.starts_with(&format!("process {} since ", std::process::id())), "{holder}");
    // The other right is another one.
    drop(two.lease(Right::Run, none).await.unwrap());
    assert_eq!(sweep(&one).await, [], "a lease is no company");
    drop(held);
    assert_eq!(realm.get("groups").await, json!([]), "it is given back before anything else happens");

    // Whoever waits gets it as soon as it is there.
    let held = one.lease(Right::Write, none).await.unwrap().unwrap();
    let wait = two.lease(Right::Write, Duration::from_secs(20));
    let (got, ()) = tokio::join!(wait, async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        drop(held);
    });
    drop(got.unwrap());

    // One that died a while ago is pushed aside; one that may still be alive, by its clock, is not.
    for (ago, free) in [(-20, false), (5, false), (60, true)] {
        let deadline = Timestamp::now() - Duration::from_secs(100) + Duration::from_secs((100_i64 - ago).unsigned_abs());
        let attributes = json!({"holder": ["process 1"], "deadline": [format!("{deadline:.0}")]});
        assert_eq!(realm.post("groups", json!({"name": "tenantry-lease-run", "attributes": attributes})).await.0, 201);
        let taken = two.lease(Right::Run, none).await;
        assert_eq!(taken.is_ok(), free, "{ago}: {taken:?}");
        drop(taken);
        for group in realm.get("groups").await.as_array().unwrap() {
            assert_eq!(realm.delete(&format!("groups/{}", group["id"].as_str().unwrap())).await, 204);
        }
    }
    // One that says nothing of a deadline is not ours to break.
    assert_eq!(realm.post("groups", json!({"name": "tenantry-lease-run"})).await.0, 201);
    assert_eq!(refusal(two.lease(Right::Run, none).await).0, ErrorKind::Locked(None));
}

#[tokio::test]
async fn a_right_is_kept_for_as_long_as_it_is_held() {
    let realm = Realm::new(Made::default());
    let driver = realm.driver();
    let _held = driver.lease(Right::Write, Duration::ZERO).await.unwrap().unwrap();
    let deadline = || async { realm.get("groups?briefRepresentation=false").await[0]["attributes"]["deadline"][0].clone() };
    let (first, begun) = (deadline().await, Instant::now());
    while deadline().await == first {
        assert!(begun.elapsed() < Duration::from_secs(25), "it is not renewed");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
