//! Lists are read to their end, and people belong where they belong.

use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn no_list_ends_early_and_a_sweep_costs_lists() {
    let realm = Realm::new(Made::default());
    assert_eq!(realm.post("roles", json!({"name": "owner"})).await.0, 201);
    assert_eq!(realm.post("groups", json!({"name": "acme"})).await.0, 201);
    // More than a page of users in one company, with one role; more than the usual end of a list of groups.
    let users: Vec<Value> = (0..1_050)
        .map(|at| json!({"username": format!("user-{at:04}"), "enabled": true, "groups": ["/acme"], "realmRoles": ["owner"]}))
        .collect();
    for chunk in users.chunks(50) {
        assert_eq!(realm.post("partialImport", json!({"ifResourceExists": "FAIL", "users": chunk})).await.0, 200);
    }
    let acme = realm.get("groups").await[0]["id"].as_str().unwrap().to_owned();
    for at in 0..110 {
        assert_eq!(realm.post(&format!("groups/{acme}/children"), json!({"name": format!("g{at:03}")})).await.0, 201);
    }
    let driver = realm.driver();
    sweep(&driver).await;
    let before = driver.traffic().requests;
    let items = sweep(&driver).await;
    let cost = driver.traffic().requests - before;
    assert_eq!(items.iter().filter(|it| it.kind == Kind::Company).count(), 111);
    let users: Vec<&Item> = items.iter().filter(|it| it.kind == Kind::User).collect();
    assert_eq!(users.len(), 1_050);
    assert!(users.iter().all(|it| it.parent.as_ref().is_some_and(|it| it.0 == acme) && it.roles == ["owner"]));
    // The realm, its profile and roles; two counts; users, members and holders in three pages each, read ahead by two; the
    // groups, the children of one, the members of 110.
    assert!(cost <= 3 + 2 + 3 * 5 + 2 + 110, "{cost} requests");
}

#[tokio::test]
async fn people_belong_to_one_company_or_cannot_be_declared() {
    let realm = Realm::new(Made::default());
    let driver = realm.driver_with(|it| it.root_company = Some(name("acme")));
    for group in ["list", "other"] {
        assert_eq!(realm.post("groups", json!({"name": group})).await.0, 201);
    }
    let users: &[(&str, &[&str])] = &[("both", &["/list", "/other"]), ("one", &["/list"]), ("none", &[])];
    for (username, groups) in users {
        let body = json!({"username": username, "email": format!("{username}@x.example"), "enabled": true, "groups": groups});
        assert_eq!(realm.post("users", body).await.0, 201);
    }
    let find = |items: &[Item], called: &str| items.iter().find(|it| label(it) == called).unwrap().clone();
    let items = sweep(&driver).await;
    assert_eq!(find(&items, "none").parent, None, "there is no root company yet");
    let (both, list) = (find(&items, "both"), find(&items, "list"));
    assert!(both.unfit.as_ref().unwrap().contains("list, other") && both.parent.is_none());
    assert_eq!(find(&items, "one").parent, Some(list.id.clone()));

    let acme = create(&driver, company("acme")).await;
    let shop = create(&driver, Target { kind: Kind::Customer, parent: Some(acme.id.clone()), ..company("shop") }).await;
    assert_eq!((shop.kind, shop.parent.as_ref()), (Kind::Customer, Some(&acme.id)));
    let none = find(&sweep(&driver).await, "none");
    assert_eq!(none.parent, Some(acme.id.clone()), "who is in no group belongs to the root company");
    assert_eq!(read(&driver, &none).await, none);

    // Taken over and moved: from the list, from nowhere.
    let one = find(&items, "one");
    let adopted = |item: &Item, to: &Item| {
        let mut target = user(label(item), Some(&to.id));
        target.fields[1].1 = format!("{}@x.example", label(item)).into();
        target
    };
    update(&driver, one.clone(), adopted(&one, &shop)).await.unwrap();
    update(&driver, none.clone(), adopted(&none, &shop)).await.unwrap();
    let items = sweep(&driver).await;
    for called in ["one", "none"] {
        let it = find(&items, called);
        assert_eq!((it.parent.as_ref(), &it.roles[..]), (Some(&shop.id), &["owner".into()][..]));
        let groups = realm.get(&format!("users/{}/groups", it.id.0)).await;
        assert_eq!(groups.as_array().unwrap().len(), 1);
        assert_eq!(read(&driver, &it).await, it);
    }
    // A list of others makes no difference to somebody who is ours, and a move leaves it.
    let it = find(&items, "one");
    let path = format!("users/{}/groups/{}", it.id.0, list.id.0);
    assert_eq!(realm.put(&path, json!({})).await.0, 204);
    assert_eq!(read(&driver, &it).await.parent, Some(shop.id.clone()));
    let moved = update(&driver, it.clone(), adopted(&it, &acme)).await.unwrap();
    assert_eq!(find(&sweep(&driver).await, "one").parent, Some(acme.id.clone()));
    let groups = realm.get(&format!("users/{}/groups", it.id.0)).await;
    let mut names: Vec<&str> = groups.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["acme", "list"]);
    // A company that moves to where its name is taken gets another name.
    let shop_at_top = realm.post("groups", json!({"name": "shop"})).await.0;
    assert_eq!(shop_at_top, 201);
    let to_top = Target { kind: Kind::Customer, parent: None, ..company("shop") };
    let after = update(&driver, read(&driver, &shop).await, to_top).await.unwrap();
    assert_eq!((after.parent.as_ref(), label(&after)), (None, "shop"));
    assert_eq!(moved.parent, Some(acme.id));
}
