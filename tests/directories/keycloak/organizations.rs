//! Organizations in place of groups.

use std::{io::BufReader, net::TcpStream};

use serde_json::{Value, json};

use super::*;
use crate::http::{Door, Message};

const LEAST_OF_ORGANIZATIONS: &[&str] = &["manage-users", "view-realm", "manage-organizations"];

fn flat(realm: &Realm) -> Keycloak {
    realm.driver_with(|it| it.companies = KeycloakCompanies::Organizations)
}

#[tokio::test]
async fn an_organization_keeps_what_others_wrote_and_no_list_ends_early() {
    let realm =
        Realm::new(Made { rights: LEAST_OF_ORGANIZATIONS, settings: json!({"organizationsEnabled": true}), ..Made::default() });
    assert_eq!(realm.post("roles", json!({"name": "owner"})).await.0, 201);
    for at in 0..12 {
        let body = json!({
            "name": format!("Org {at}"), "alias": format!("org-{at}"), "description": "theirs", "redirectUrl": "https://x.example/",
            "domains": [{"name": format!("d{at}.example"), "verified": true}], "attributes": {"theirs": ["1", "2"]},
        });
        assert_eq!(realm.post("organizations", body).await.0, 201);
    }
    let driver = flat(&realm);
    let items = sweep(&driver).await;
    assert_eq!(items.len(), 12, "a list of organizations ends after ten");
    assert!(!driver.capabilities().places.contains(&(Kind::Company, Kind::Company)));
    let found = items.iter().find(|it| label(it) == "Org 7").unwrap().clone();
    let path = format!("organizations/{}", found.id.0);
    let before = realm.get(&path).await;
    let mut to = company("Org 7");
    to.fields = vec![(Field::DisplayName, "Seven".into())];
    let after = update(&driver, found, to.clone()).await.unwrap();
    assert_eq!((label(&after), after.enabled), ("Seven", Some(true)));
    let raw = realm.get(&path).await;
    for key in ["name", "alias", "description", "redirectUrl", "domains"] {
        assert_eq!(raw[key], before[key], "{key}");
    }
    assert_eq!(raw["attributes"]["theirs"], json!(["1", "2"]));
    let off = update(&driver, after, Target { enabled: false, ..to.clone() }).await.unwrap();
    assert_eq!((realm.get(&path).await["enabled"].clone(), off.enabled), (json!(false), Some(false)));
    // More members than the usual end of their list.
    let several: Vec<Edit> = (0..15).map(|at| Edit::Create(user(&format!("user-{at:02}"), Some(&off.id)))).collect();
    assert!(write(&driver, &several).await.iter().all(Result::is_ok));
    let people: Vec<Item> = sweep(&driver).await.into_iter().filter(|it| it.kind == Kind::User).collect();
    assert_eq!(people.len(), 15);
    assert!(people.iter().all(|it| it.parent.as_ref() == Some(&off.id) && it.roles == ["owner"]));
    // Not while somebody is in it.
    let kept = write(&driver, &[Edit::Delete(Box::new(off.clone()))]).await.remove(0);
    assert!(refusal(kept).1.contains("stands under it"));
}

/// The same server, as one where somebody is a managed member: only a sign-in by an organization's own identity provider
/// makes one, and an import that says so makes another.
fn with_managed(username: &str, url: &'static str) -> Door {
    let (to, name) = (url.strip_prefix("http://").unwrap(), format!("\"username\":\"{username}\""));
    Door::open(move |stream| {
        let mut from = BufReader::new(stream.try_clone().unwrap());
        let Ok(Some(request)) = Message::read(&mut from) else { return };
        let mut server = TcpStream::connect(to).unwrap();
        request.write(&mut server).unwrap();
        let mut answer = Message::read(&mut BufReader::new(server)).unwrap().unwrap();
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if request.method() == "GET" && request.path().contains("/members/") && text.contains(&name) {
            assert!(text.contains("\"membershipType\":\"UNMANAGED\""), "{text}");
            answer.body = text.replace("UNMANAGED", "MANAGED").into_bytes();
        }
        let _ = answer.write(&mut &stream);
    })
}

#[tokio::test]
async fn a_managed_member_is_never_moved_since_that_would_delete_it() {
    let settings = json!({
        "organizationsEnabled": true,
        "organizations": [{
            "name": "Theirs", "alias": "theirs", "domains": [{"name": "theirs.example"}],
            "members": [{"username": "managed"}, {"username": "free"}],
        }],
        "users": [
            {"username": "managed", "email": "managed@theirs.example", "enabled": true},
            {"username": "free", "email": "free@theirs.example", "enabled": true},
            {"username": "service-account-tenantry", "enabled": true, "serviceAccountClientId": "tenantry",
             "clientRoles": {"realm-management": ["manage-users", "manage-realm"]}},
        ],
    });
    let realm = Realm::new(Made { settings, ..Made::default() });
    let door = with_managed("managed", realm.url);
    let driver = realm.driver_with(|it| {
        it.companies = KeycloakCompanies::Organizations;
        it.url = format!("http://{}", door.address);
    });
    let acme = create(&driver, company("acme")).await;
    let shop = create(&driver, Target { kind: Kind::Customer, parent: Some(acme.id.clone()), ..company("shop") }).await;
    assert_eq!((shop.kind, shop.parent.as_ref()), (Kind::Customer, Some(&acme.id)));
    let items = sweep(&driver).await;
    let find = |called: &str| items.iter().find(|it| label(it) == called).unwrap().clone();
    let theirs = find("Theirs");
    let to = |called: &str, place: &Item| {
        let mut target = user(called, Some(&place.id));
        target.fields[1].1 = format!("{called}@theirs.example").into();
        target
    };
    for called in ["managed", "free"] {
        assert_eq!(find(called).parent, Some(theirs.id.clone()));
    }
    let (kind, said) = refusal(update(&driver, find("managed"), to("managed", &shop)).await);
    assert!(kind == ErrorKind::Rejected && said.contains("would delete it"), "{said}");
    assert_eq!(realm.user("managed").await.get("attributes").and_then(|it| it.get("tenantry")), None, "and nothing was written");
    update(&driver, find("free"), to("free", &shop)).await.unwrap();
    let members = |of: &Item| {
        let path = format!("organizations/{}/members", of.id.0);
        let realm = &realm;
        async move {
            let found = realm.get(&path).await;
            found.as_array().unwrap().iter().map(|it: &Value| it["username"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        }
    };
    assert_eq!((members(&theirs).await, members(&shop).await), (vec!["managed".to_owned()], vec!["free".to_owned()]));
    // Where it is, it can be taken over and edited.
    let mut stays = to("managed", &theirs);
    stays.enabled = false;
    update(&driver, find("managed"), stays).await.unwrap();
    assert_eq!(realm.user("managed").await["enabled"], false);
    // Moved on within what is ours.
    let free = read(&driver, &find("free")).await;
    update(&driver, free, to("free", &acme)).await.unwrap();
    assert_eq!((members(&acme).await, members(&shop).await), (vec!["free".to_owned()], vec![]));
}
