//! What becomes of an account while its object lives, and when it goes.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Bench, company, condition, is_ready, object, user, user_with, with};

/// What is done, and whether an account looks like it then.
type Step = (&'static str, Value, fn(&Value) -> bool);

#[test]
fn an_account_follows_its_object() {
    let mut bench = Bench::new("life");
    let role = object("Role", "watcher", json!({ "livesUnder": ["Company", "Customer"], "mayAppoint": ["watcher"] }));
    let customer = object("Customer", "hafen", json!({ "company": "north" }));
    bench.apply([role, company("north"), company("south"), customer, user_with("anna", &json!({ "role": "watcher" }))]);
    for (kind, name) in [("Role", "watcher"), ("Company", "north"), ("Company", "south"), ("Customer", "hafen"), ("User", "anna")] {
        let there = bench.ready(kind, name);
        assert_eq!(there["status"]["directory"], bench.directory.as_str());
        assert_eq!(there["metadata"]["finalizers"], json!(["tenantry.dev/directory"]));
        assert_eq!(there["status"]["conditions"].as_array().unwrap().len(), 1, "{there}");
        assert_eq!(there["status"]["directoryId"], bench.accounts(kind)[name].id.as_str());
    }
    let id = bench.account("anna").id;
    let steps: [Step; 8] = [
        ("edit", json!({ "displayName": "Anna A." }), |it| it["displayName"] == "Anna A."),
        ("rename", json!({ "username": "anna.a" }), |it| it["username"] == "anna.a" && it["displayName"] == "Anna A."),
        ("another address", json!({ "email": "a@y.example" }), |it| it["email"] == "a@y.example"),
        ("move", json!({ "company": "south" }), |it| it["company"] == "south" && it["username"] == "anna.a"),
        ("to a customer", json!({ "company": null, "customer": "hafen" }), |it| it["customer"] == "hafen"),
        ("disable", json!({ "enabled": false }), |it| it["enabled"] == false),
        ("enable", json!({ "enabled": null }), |it| it["enabled"].is_null()),
        ("less", json!({ "displayName": null }), |it| it["displayName"].is_null() && it["customer"] == "hafen"),
    ];
    let mut document = user_with("anna", &json!({ "role": "watcher" }));
    for (step, change, is) in steps {
        document = with(document, &change);
        bench.apply([document.clone()]);
        bench.ready("User", "anna");
        let account = bench.account("anna");
        assert!(is(&account.spec) && account.id == id && !account.retired, "{step}: {account:?}");
        assert_eq!(account.enabled, step != "disable", "{step}");
    }
    bench.stop();
}

#[test]
fn what_removal_means() {
    let bench = Bench::new("removal");
    let policies = ["Disable", "Delete", "Retain"];
    let people = || policies.map(|it| user_with(&it.to_lowercase(), &json!({ "deletion": it })));
    bench.apply([company("north")].into_iter().chain(people()));
    bench.all_ready("User", 3);
    let before = bench.accounts("User");
    bench.delete("User", ["disable", "delete", "retain"]);
    for policy in policies {
        bench.gone("User", &policy.to_lowercase());
    }
    let after = bench.accounts("User");
    assert_eq!(after.keys().collect::<Vec<_>>(), ["disable"], "one is deleted, one is not ours any more");
    assert!(after["disable"].retired && !after["disable"].enabled && after["disable"].id == before["disable"].id, "{after:?}");
    let stranger = bench.tenantry(&["get", "users", "--unmanaged", "-o", "json"]).ended(0).json();
    let stranger = &stranger["items"][0];
    assert_eq!(stranger["metadata"]["name"], "retain", "{stranger}");
    assert!(stranger["status"]["enabled"] == true && stranger["status"]["directoryId"] == before["retain"].id.as_str());
    // Declared again.
    bench.apply(people());
    let back = bench.ready("User", "disable");
    assert_eq!(back["status"]["directoryId"], before["disable"].id.as_str());
    bench.ready("User", "delete");
    let now = bench.accounts("User");
    assert!(now["disable"].enabled && !now["disable"].retired && now["disable"].id == before["disable"].id, "{now:?}");
    assert!(now["delete"].enabled && now["delete"].id != before["delete"].id, "another account: {now:?}");
    let held = bench.waiting("User", "retain", "NotOurs", "Stalled");
    let message = condition(&held, "Ready")["message"].as_str().unwrap();
    assert!(message.contains("adopt"), "it says how to have it again: {message}");
    bench.annotate("User", "retain", "adopt", &json!(before["retain"].id));
    bench.ready("User", "retain");
    assert_eq!(bench.account("retain").id, before["retain"].id);
}

#[test]
fn a_company_goes_after_its_people() {
    // Whoever is shut off with a company and deleted then is lost twice.
    let bench = Bench::with("tree", &json!({ "budget": { "atLeast": 50 } }), &[]);
    let delete = json!({ "deletion": "Delete" });
    let under = object("Company", "harbour", json!({ "parent": "north", "deletion": "Delete" }));
    let there = user_with("ben", &json!({ "company": "harbour", "deletion": "Delete" }));
    bench.apply([with(company("north"), &delete), under, user_with("anna", &delete), there]);
    bench.all_ready("User", 2);
    bench.all_ready("Company", 2);
    // From the top, which is the wrong way round.
    bench.delete("Company", ["north"]);
    let held = bench.waiting("Company", "north", "Blocked", "Stalled");
    let message = condition(&held, "Ready")["message"].as_str().unwrap();
    assert!(message.contains("company/") && message.contains("harbour"), "{message}");
    bench.delete("Company", ["harbour"]);
    bench.delete("User", ["anna", "ben"]);
    for (kind, name) in [("User", "anna"), ("User", "ben"), ("Company", "harbour"), ("Company", "north")] {
        bench.gone(kind, name);
    }
    assert!(bench.accounts("User").is_empty() && bench.accounts("Company").is_empty());
}

#[test]
fn references_may_arrive_late() {
    let bench = Bench::new("late");
    bench.apply([user("anna"), user_with("ben", &json!({ "role": "watcher", "company": "south" }))]);
    let waits = bench.waiting("User", "anna", "WaitingFor", "Reconciling");
    assert!(condition(&waits, "Ready")["message"].as_str().unwrap().contains("company/"), "{waits}");
    assert_eq!(waits["status"]["plan"]["reason"], "WaitingFor");
    assert!(bench.accounts("User").is_empty());
    bench.apply([company("north")]);
    let there = bench.ready("User", "anna");
    assert!(there["status"]["plan"].is_null() && condition(&there, "Reconciling").is_null(), "{there}");
    bench.until("User", "ben", "waits for its role or its company", |it| {
        waits_for_something(it) && it["status"]["plan"]["reason"] == "WaitingFor"
    });
    bench.apply([company("south"), object("Role", "watcher", json!({ "livesUnder": ["Company"], "mayAppoint": ["watcher"] }))]);
    bench.ready("User", "ben");
}

fn waits_for_something(object: &Value) -> bool {
    !is_ready(object) && condition(object, "Reconciling")["status"] == "True"
}

#[test]
fn a_broken_declaration_touches_nobody() {
    let bench = Bench::new("broken");
    let names = ["phone", "region", "role", "place"];
    let person = |name: &str| user_with(name, &json!({ "region": "europe" }));
    let tenants = object("Role", "tenant", json!({ "livesUnder": ["Customer"], "mayAppoint": ["tenant"] }));
    bench.apply([company("north"), tenants].into_iter().chain(names.map(person)));
    bench.all_ready("User", 4);
    let before = bench.accounts("User");
    // What a CRD cannot know; and something good beside it.
    let changes = [
        ("phone", json!({ "phone": "+4930123456", "displayName": "New" }), "europe"),
        ("region", json!({ "region": "atlantis", "displayName": "New" }), "asia-pacific"),
        ("role", json!({ "role": "ownr", "displayName": "New" }), "ownr"),
        ("place", json!({ "role": "tenant", "displayName": "New" }), "customer"),
    ];
    bench.apply(changes.iter().map(|(name, change, _)| with(person(name), change)));
    for (name, _, hint) in &changes {
        let held = bench.until("User", name, "is not ready", |it| it["status"]["plan"].is_object() && !is_ready(it));
        let ready = condition(&held, "Ready");
        assert!(ready["message"].as_str().unwrap().contains(hint), "{name}: {held}");
        if *name == "role" {
            // It may come yet; the message says which one is meant.
            continue;
        }
        assert!(ready["reason"] == "Invalid" && condition(&held, "Stalled")["status"] == "True", "{name}: {held}");
    }
    assert_eq!(bench.accounts("User"), before, "nobody was touched");
    // Shutting off never waits for the rest to be mended.
    bench.apply([with(person("phone"), &json!({ "phone": "+4930123456", "enabled": false }))]);
    bench.controller().until(Duration::from_secs(20), "somebody is shut off", || !bench.account("phone").enabled);
    bench.apply(names.map(|name| with(person(name), &json!({ "displayName": "Good" }))));
    bench.all_ready("User", 4);
    let after = bench.accounts("User");
    assert!(after.values().all(|it| it.spec["displayName"] == "Good" && it.enabled), "{after:?}");
    assert!(names.iter().all(|it| after[*it].id == before[*it].id));
}
