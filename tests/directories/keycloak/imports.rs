//! Many users at once.

use serde_json::{Value, json};

use super::*;

/// What a user has of something, sorted.
async fn names(realm: &Realm, user: &Value, what: &str) -> Vec<String> {
    let found = realm.get(&format!("users/{}/{what}", user["id"].as_str().unwrap())).await;
    let mut names: Vec<String> = found.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn who_comes_by_an_import_has_what_everybody_has() {
    let settings = json!({"groups": [{"name": "everybody"}], "defaultGroups": ["/everybody"]});
    let realm = Realm::new(Made { settings, ..Made::default() });
    let action = json!({
        "alias": "UPDATE_PASSWORD", "name": "x", "providerId": "UPDATE_PASSWORD", "enabled": true, "defaultAction": true, "priority": 57, "config": {},
    });
    assert_eq!(realm.put("authentication/required-actions/UPDATE_PASSWORD", action).await.0, 204);
    let driver = realm.driver();
    let acme = create(&driver, company("acme")).await;
    let before = driver.traffic().requests;
    let several: Vec<Edit> = (0..60).map(|at| Edit::Create(full(&format!("user-{at:02}"), Some(&acme.id)))).collect();
    let items: Vec<Item> = write(&driver, &several).await.into_iter().map(|it| it.unwrap().unwrap()).collect();
    assert!(driver.traffic().requests - before < 20, "{}", driver.traffic().requests - before);
    // By the front door.
    assert_eq!(realm.post("users", json!({"username": "front", "enabled": true})).await.0, 201);
    let front = realm.user("front").await;
    let came = realm.user("user-07").await;
    assert_eq!(came["requiredActions"], front["requiredActions"]);
    let mut more = names(&realm, &front, "role-mappings/realm").await;
    more.push("owner".into());
    assert_eq!(names(&realm, &came, "role-mappings/realm").await, more);
    assert_eq!(names(&realm, &front, "groups").await, ["everybody"]);
    assert_eq!(names(&realm, &came, "groups").await, ["acme", "everybody"]);
    // What came back is what is there.
    let there = sweep(&driver).await;
    for item in items {
        let found = there.iter().find(|it| it.id == item.id).unwrap();
        assert_eq!(Item { created_at: found.created_at, ..item }, *found);
    }
}

#[tokio::test]
async fn one_that_is_refused_stops_no_other_and_no_validator_is_gone_round() {
    let realm = Realm::new(Made { shortest: 3, ..Made::default() });
    let driver = realm.driver();
    let acme = create(&driver, company("acme")).await;
    assert_eq!(realm.post("users", json!({"username": "taken", "enabled": true})).await.0, 201);
    let mut all: Vec<Target> = ["fine", "taken", "ab", "мария", "good"].map(|it| user(it, Some(&acme.id))).into();
    all[3].fields[1].1 = "maria@acme.example".into();
    let mut name = user("name", Some(&acme.id));
    name.fields.push((Field::FirstName, "<b>".into()));
    let mut address = user("address", Some(&acme.id));
    address.fields[1].1 = format!("{}@acme.example", "x".repeat(70)).into();
    all.extend([name, address]);
    let edits: Vec<Edit> = all.into_iter().map(Edit::Create).collect();
    let kinds: Vec<_> = write(&driver, &edits).await.into_iter().map(|it| it.map(|_| ()).map_err(|error| error.kind)).collect();
    let no = || Err(ErrorKind::Rejected);
    assert_eq!(kinds, [Ok(()), Err(ErrorKind::Conflict), no(), no(), Ok(()), no(), no()]);
    let names: Vec<String> = sweep(&driver).await.iter().map(|it| label(it).to_owned()).collect();
    assert_eq!(names, ["acme", "fine", "good", "taken"]);
    // A validator that we do not know is asked, by the front door.
    let mut profile = realm.get("users/profile").await;
    let username = profile["attributes"].as_array_mut().unwrap().iter_mut().find(|it| it["name"] == "username").unwrap();
    username["validations"]["pattern"] = json!({"pattern": "[a-m]+"});
    assert_eq!(realm.put("users/profile", profile).await.0, 200);
    sweep(&driver).await;
    let edits: Vec<Edit> = ["abc", "xyz", "def"].map(|it| Edit::Create(user(it, Some(&acme.id)))).into();
    let kinds: Vec<_> = write(&driver, &edits).await.into_iter().map(|it| it.map(|_| ()).map_err(|error| error.kind)).collect();
    assert_eq!(kinds, [Ok(()), no(), Ok(())]);
}

#[tokio::test]
async fn a_path_that_is_that_of_two_groups_is_not_gone() {
    let realm = Realm::new(Made::default());
    let driver = realm.driver();
    // `a/b` beside `b` under `a`.
    let (a, odd) = (create(&driver, company("a")).await, json!({"name": "a/b"}));
    let b = create(&driver, Target { parent: Some(a.id.clone()), ..company("b") }).await;
    assert_eq!(realm.post("groups", odd).await.0, 201);
    let odd = sweep(&driver).await.into_iter().find(|it| label(it) == "a/b").unwrap();
    let several = [&b, &odd].map(|place| ["x", "y"].map(|it| user(&format!("{it}{}", &place.id.0[..4]), Some(&place.id))));
    let edits: Vec<Edit> = several.into_iter().flatten().map(Edit::Create).collect();
    let items: Vec<Item> = write(&driver, &edits).await.into_iter().map(|it| it.unwrap().unwrap()).collect();
    for (item, place) in items.iter().zip([&b, &b, &odd, &odd]) {
        assert_eq!(read(&driver, item).await.parent.as_ref(), Some(&place.id));
    }
    // A name of ours never has one.
    let plain = create(&driver, Target { mark: Some("{}".into()), ..company("c/d") }).await;
    assert_eq!(realm.get(&format!("groups/{}", plain.id.0)).await["name"], "c-d");
}
