//! What Keycloak does without a word.

use reqwest::Method;
use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn what_others_wrote_survives_our_writes() {
    let realm = Realm::new(Made::default());
    let driver = realm.driver();
    let acme = create(&driver, company("acme")).await;
    let mara = create(&driver, full("mara", Some(&acme.id))).await;
    // Attributes of others on both, several values and none of ours; a required action, a verified address, a description.
    let mut raw = realm.user("mara").await;
    raw["attributes"]["theirs"] = json!(["b", "a"]);
    raw["attributes"]["region"] = json!(["one", "two"]);
    raw["emailVerified"] = true.into();
    raw["requiredActions"] = json!(["CONFIGURE_TOTP"]);
    assert_eq!(realm.put(&format!("users/{}", mara.id.0), raw).await.0, 204);
    let path = format!("groups/{}", acme.id.0);
    let mut raw = realm.get(&path).await;
    raw["attributes"]["theirs"] = json!(["c"]);
    raw["description"] = "of a group".into();
    assert_eq!(realm.put(&path, raw).await.0, 204);

    let (mara, acme) = (read(&driver, &mara).await, read(&driver, &acme).await);
    let mut to = full("mara", Some(&acme.id));
    to.fields.push((Field::Region, "one".into()));
    to.fields.retain(|(field, _)| *field != Field::DisplayName);
    to.mark = Some("{}".into());
    to.enabled = false;
    update(&driver, mara, to).await.unwrap();
    let raw = realm.user("mara").await;
    let of = |name: &str| raw["attributes"][name].clone();
    assert_eq!((of("theirs"), of("region"), of("tenantry")), (json!(["b", "a"]), json!(["one", "two"]), json!(["{}"])));
    assert_eq!((of("displayName"), of("description")), (Value::Null, json!(["x\ny"])));
    assert_eq!(
        (&raw["firstName"], &raw["lastName"], &raw["email"]),
        (&json!("Mara"), &json!("Lindqvist"), &json!("mara@acme.example"))
    );
    assert_eq!(
        (&raw["emailVerified"], &raw["enabled"], &raw["requiredActions"]),
        (&json!(true), &json!(false), &json!(["CONFIGURE_TOTP"]))
    );

    let mut to = company("acme");
    to.fields = vec![(Field::DisplayName, "ACME AG".into())];
    let after = update(&driver, acme.clone(), to).await.unwrap();
    assert_eq!(label(&after), "ACME AG");
    let raw = realm.get(&path).await;
    assert_eq!((&raw["name"], &raw["description"]), (&json!("acme"), &json!("of a group")));
    assert_eq!((&raw["attributes"]["theirs"], &raw["attributes"]["displayName"]), (&json!(["c"]), &json!(["ACME AG"])));
}

#[tokio::test]
async fn what_somebody_changed_meanwhile_is_not_overwritten() {
    let realm = Realm::new(Made::default());
    let driver = realm.driver();
    let acme = create(&driver, company("acme")).await;
    let mara = create(&driver, full("mara", Some(&acme.id))).await;
    let path = format!("users/{}", mara.id.0);
    let mut raw = realm.user("mara").await;
    raw["lastName"] = "Other".into();
    assert_eq!(realm.put(&path, raw).await.0, 204);
    let mut to = full("mara", Some(&acme.id));
    to.enabled = false;
    assert_eq!(refusal(update(&driver, mara.clone(), to.clone()).await).0, ErrorKind::Moved);
    assert_eq!(
        (realm.user("mara").await["enabled"].clone(), realm.user("mara").await["lastName"].clone()),
        (json!(true), json!("Other"))
    );
    assert_eq!(realm.delete(&path).await, 204);
    assert_eq!(refusal(update(&driver, mara.clone(), to).await).0, ErrorKind::Moved);
    assert_eq!(write(&driver, &[Edit::Delete(Box::new(mara))]).await.remove(0).unwrap(), None, "what is gone is deleted");

    // A stranger was put under it: a company goes with everything in it.
    let (_, _) = realm.post("users", json!({"username": "stranger", "enabled": true, "groups": ["/acme"]})).await;
    let kept = write(&driver, &[Edit::Delete(Box::new(acme.clone()))]).await.remove(0);
    assert!(refusal(kept).1.contains("stands under it"));
    assert_eq!(realm.delete(&format!("users/{}", realm.user("stranger").await["id"].as_str().unwrap())).await, 204);
    assert_eq!(realm.post(&format!("groups/{}/children", acme.id.0), json!({"name": "theirs"})).await.0, 201);
    let kept = write(&driver, &[Edit::Delete(Box::new(acme))]).await.remove(0);
    assert!(refusal(kept).1.contains("stands under it"));
}

#[tokio::test]
async fn a_name_is_that_of_one_and_a_repeat_finds_its_own() {
    let realm = Realm::new(Made::default());
    let driver = realm.driver();
    let acme = create(&driver, company("acme")).await;
    assert_eq!(realm.post("users", json!({"username": "anna", "email": "anna@acme.example", "enabled": true})).await.0, 201);
    // The beginning of another name is another name.
    create(&driver, user("ann", Some(&acme.id))).await;
    let taken = write(&driver, &[Edit::Create(user("anna", Some(&acme.id)))]).await.remove(0);
    assert_eq!(refusal(taken).0, ErrorKind::Conflict);
    assert_eq!(realm.user("anna").await.get("attributes"), None, "a stranger is not touched");
    let mut same_address = user("other", Some(&acme.id));
    same_address.fields[1].1 = "anna@acme.example".into();
    assert_eq!(refusal(write(&driver, &[Edit::Create(same_address)]).await.remove(0)).0, ErrorKind::Conflict);

    // The answer to a create was lost, wherever it broke off: whoever has the mark is the one.
    let first = create(&driver, user("mara", Some(&acme.id))).await;
    assert_eq!(realm.delete(&format!("users/{}/groups/{}", first.id.0, acme.id.0)).await, 204);
    let second = create(&driver, user("mara", Some(&acme.id))).await;
    assert_eq!(
        (&first.id, read(&driver, &second).await),
        (&second.id, Item { created_at: read(&driver, &second).await.created_at, ..second.clone() })
    );
    let several: Vec<Edit> = ["mara", "jonas", "pia"].map(|it| Edit::Create(user(it, Some(&acme.id)))).into();
    let outcomes = write(&driver, &several).await;
    assert_eq!(outcomes[0].as_ref().unwrap().as_ref().unwrap().id, first.id);
    assert!(outcomes.iter().all(Result::is_ok));
    let again = create(&driver, company("acme")).await;
    assert_eq!(again.id, acme.id);
    // Another company of that name gets another name, and keeps its title.
    let twin = create(&driver, Target { mark: Some("{\"key\":\"company/twin\"}".into()), ..company("acme") }).await;
    assert!(twin.id != acme.id && label(&twin) == "acme");
    let names: Vec<String> =
        realm.get("groups").await.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect();
    assert!(names.len() == 2 && names.iter().all(|name| name.starts_with("acme")), "{names:?}");
}

#[tokio::test]
async fn a_realm_that_drops_attributes_is_refused_before_anything_is_read() {
    for policy in [None, Some("ADMIN_VIEW")] {
        let realm = Realm::new(Made { policy, ..Made::default() });
        let (kind, said) = refusal(realm.driver().sweep(&roles()).await);
        assert_eq!(kind, ErrorKind::Rejected);
        for word in ["displayName", "expires", "tenantry", "unmanagedAttributePolicy: ADMIN_EDIT", policy.unwrap_or("Disabled")] {
            assert!(said.contains(word), "{said}");
        }
        // Declared, each of them, it holds them as well.
        let mut profile = realm.get("users/profile").await;
        let ours = ["displayName", "phoneNumber", "region", "description", "expires", "justification", "tenantry"];
        for name in ours {
            let permissions = json!({"view": ["admin"], "edit": ["admin"]});
            profile["attributes"].as_array_mut().unwrap().push(json!({"name": name, "permissions": permissions}));
        }
        assert_eq!(realm.put("users/profile", profile.clone()).await.0, 200);
        let driver = realm.driver();
        let acme = create(&driver, company("acme")).await;
        let mara = create(&driver, full("mara", Some(&acme.id))).await;
        assert_eq!(read(&driver, &mara).await.fields, mara.fields);
        // What is declared without permissions is hidden from everybody.
        let last = profile["attributes"].as_array_mut().unwrap().last_mut().unwrap();
        last.as_object_mut().unwrap().remove("permissions");
        assert_eq!(realm.put("users/profile", profile).await.0, 200);
        let (kind, said) = refusal(driver.sweep(&roles()).await);
        assert!(kind == ErrorKind::Rejected && said.contains("without a word: tenantry. Set"), "{said}");
    }
    let realm = Realm::new(Made { policy: Some("ENABLED"), ..Made::default() });
    assert_eq!(realm.driver().sweep(&roles()).await.unwrap(), []);
}

#[tokio::test]
async fn settings_of_a_realm_that_cannot_be_are_said() {
    let realm = Realm::new(Made { settings: json!({"registrationEmailAsUsername": true}), ..Made::default() });
    assert!(refusal(realm.driver().sweep(&roles()).await).1.contains("registrationEmailAsUsername"));
    let realm = Realm::new(Made::default());
    let organizations = realm.driver_with(|it| it.companies = KeycloakCompanies::Organizations);
    let (kind, said) = refusal(organizations.sweep(&roles()).await);
    assert!(kind == ErrorKind::Rejected && said.contains("organizationsEnabled"), "{said}");
    let invites = realm.driver_with(|it| it.invites = tenantry::manifest::KeycloakInvites::Keycloak);
    let (kind, said) = refusal(invites.sweep(&roles()).await);
    assert!(kind == ErrorKind::Rejected && said.contains("Realm settings > Email"), "{said}");
    let nowhere = realm.driver_with(|it| it.realm = "nowhere".into());
    assert!(refusal(nowhere.sweep(&roles()).await).1.contains("Realm does not exist"));
    let unknown = realm.driver_with(|it| it.client_id = "nobody".into());
    let (kind, said) = refusal(unknown.sweep(&roles()).await);
    assert!(kind == ErrorKind::Refused && said.contains("sign in as the client `nobody`"), "{said}");
    assert_eq!(realm.call_at("users", Method::DELETE).await, 405, "it is there, and takes no such thing");
}

#[tokio::test]
async fn the_account_of_a_service_is_nobody_s_to_touch() {
    let realm = Realm::new(Made::default());
    let driver = realm.driver();
    assert_eq!(sweep(&driver).await, []);
    let id = realm.user("service-account-tenantry").await["id"].as_str().unwrap().to_owned();
    let item = driver.read(&[(Kind::User, RemoteId(id.as_str().into()))], &roles()).await.unwrap().remove(0);
    assert!(item.unfit.as_ref().unwrap().contains("service account"));
    let acme = create(&driver, company("acme")).await;
    let taken = write(&driver, &[Edit::Create(user("service-account-tenantry", Some(&acme.id)))]).await.remove(0);
    assert_eq!(refusal(taken).0, ErrorKind::Conflict);
    assert_eq!(refusal(update(&driver, item.clone(), user("x", Some(&acme.id))).await).0, ErrorKind::Rejected);
    assert_eq!(refusal(write(&driver, &[Edit::Delete(Box::new(item))]).await.remove(0)).0, ErrorKind::Rejected);
    realm.user("service-account-tenantry").await;
}

#[tokio::test]
async fn who_is_disabled_has_no_session_any_more() {
    let realm = Realm::new(Made::default());
    let driver = realm.driver();
    let acme = create(&driver, company("acme")).await;
    let mara = create(&driver, full("mara", Some(&acme.id))).await;
    let path = format!("users/{}", mara.id.0);
    let password = json!({"type": "password", "value": "s3cret", "temporary": false});
    assert_eq!(realm.put(&format!("{path}/reset-password"), password).await.0, 204);
    realm.sign_in("mara", "s3cret").await.unwrap();
    assert_eq!(realm.get(&format!("{path}/sessions")).await.as_array().unwrap().len(), 1);
    let off = update(&driver, mara, Target { enabled: false, ..full("mara", Some(&acme.id)) }).await.unwrap();
    assert_eq!(realm.get(&format!("{path}/sessions")).await, json!([]));
    assert_eq!(realm.sign_in("mara", "s3cret").await, Err("Account disabled".into()));
    update(&driver, off, full("mara", Some(&acme.id))).await.unwrap();
    realm.sign_in("mara", "s3cret").await.unwrap();
}

#[tokio::test]
async fn the_limits_are_those_of_the_server() {
    let realm = Realm::new(Made { shortest: 3, ..Made::default() });
    let driver = realm.driver();
    sweep(&driver).await;
    let can = driver.capabilities();
    let refuses = |field: Field, text: &str| {
        can.limits
            .iter()
            .filter(|limit| limit.kind == Kind::User && limit.field == field)
            .any(|limit| limit.refuses(text).is_some())
    };
    let mut texts: Vec<String> = (' '..='~').chain("§£ü€´¨".chars()).map(|c| format!("ab{c}cd")).collect();
    texts.extend(["ab".into(), "abc".into(), "x".repeat(255), "x".repeat(256)]);
    for text in texts {
        for (field, key) in [(Field::Username, "username"), (Field::FirstName, "firstName")] {
            let mut body = json!({"username": "nobody", "enabled": true});
            body[key] = text.clone().into();
            let (status, answer) = realm.post("users", body).await;
            let (ours, theirs) = (refuses(field, &text), status == 400);
            // Which letters a username may have is said by the server alone.
            let alike = ours == theirs || (field == Field::Username && !text.is_ascii() && !ours);
            assert!(alike, "{key} {text:?}: {status} {answer}");
            for user in realm.get("users").await.as_array().unwrap() {
                assert_eq!(realm.delete(&format!("users/{}", user["id"].as_str().unwrap())).await, 204);
            }
        }
    }
    assert!(can.fixed.is_empty(), "{:?}", can.fixed);
    assert_eq!(realm.put("", json!({"editUsernameAllowed": false})).await.0, 204);
    sweep(&driver).await;
    assert!(driver.capabilities().fixed[&(Kind::User, Field::Username)].contains("editUsernameAllowed"));
    // Without the permission the server says so, and nothing is written.
    let acme = create(&driver, company("acme")).await;
    let mara = create(&driver, user("mara", Some(&acme.id))).await;
    let (kind, said) = refusal(update(&driver, mara, user("other", Some(&acme.id))).await);
    assert!(kind == ErrorKind::Rejected && said.contains("error-user-attribute-read-only"), "{said}");
}

#[tokio::test]
async fn long_texts_are_held_or_limited() {
    let realm = Realm::new(Made::default());
    let driver = realm.driver();
    sweep(&driver).await;
    let can = driver.capabilities();
    let most = |kind, field| can.limits.iter().find(|it| (it.kind, it.field) == (kind, field)).unwrap().most;
    let mark = format!("{{\"x\":\"{}\"}}", "🌞ü\"".repeat(2_000));
    let mut to = company("acme");
    to.mark = Some(mark.clone());
    to.fields = vec![(Field::DisplayName, "ü".repeat(most(Kind::Company, Field::DisplayName)).into())];
    let acme = create(&driver, to.clone()).await;
    assert_eq!((read(&driver, &acme).await, acme.mark.as_deref()), (acme.clone(), Some(mark.as_str())));
    let mut to = user("mara", Some(&acme.id));
    to.mark = Some(mark.clone());
    to.fields.push((Field::Description, "ü".repeat(most(Kind::User, Field::Description)).into()));
    let mara = create(&driver, to.clone()).await;
    let found = read(&driver, &mara).await;
    assert_eq!((found.fields, found.mark), (mara.fields.clone(), Some(mark)));
    to.fields.last_mut().unwrap().1 = format!("{}ü", to.fields.last().unwrap().1).into();
    assert_eq!(refusal(update(&driver, mara, to).await).0, ErrorKind::Rejected);
}
