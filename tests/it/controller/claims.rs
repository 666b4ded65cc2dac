//! Names that several want, and accounts that go from one object to another.

use std::{thread, time::Duration};

use serde_json::json;

use super::{Bench, company, condition, is_ready, user, user_with};
use crate::cluster::Cluster;

#[test]
fn the_older_of_two_has_a_name() {
    let mut bench = Bench::idle(Cluster::shared(), "claims", &json!({}), &[]);
    let want = |name: &str, more| user_with(name, &more);
    // By name the younger ones come first.
    bench.apply([company("north"), want("zoe", json!({ "username": "boss", "deletion": "Delete" })), user("yan")]);
    // Times of objects are in whole seconds.
    thread::sleep(Duration::from_millis(1_100));
    bench.apply([want("anna", json!({ "username": "Boss" })), want("ben", json!({ "email": "YAN@x.example" }))]);
    bench.start();
    let old = bench.ready("User", "zoe");
    bench.ready("User", "yan");
    for (name, who) in [("anna", "zoe"), ("ben", "yan")] {
        let held = bench.waiting("User", name, "Taken", "Stalled");
        let message = condition(&held, "Ready")["message"].as_str().unwrap();
        assert!(message.contains(&format!("user/{}/{who}", bench.home)), "{message}");
        assert!(message.contains(&format!("tenantry.dev/moved-from: {}/{who}", bench.home)), "a hint: {message}");
    }
    assert_eq!(bench.accounts("User").keys().collect::<Vec<_>>(), ["yan", "zoe"]);
    bench.delete("User", ["zoe"]);
    bench.gone("User", "zoe");
    let new = bench.ready("User", "anna");
    assert_ne!(new["status"]["directoryId"], old["status"]["directoryId"]);
    assert_eq!(bench.account("anna").spec["username"], "boss");
}

#[test]
fn two_swap_their_names() {
    let bench = Bench::new("swap");
    bench.apply([company("north"), user("anna"), user("ben"), user("cleo")]);
    bench.all_ready("User", 3);
    let before = bench.accounts("User");
    let called = |name: &str, username: &str| user_with(name, &json!({ "username": username }));
    bench.apply([called("anna", "ben"), called("ben", "cleo"), called("cleo", "anna")]);
    bench.all_ready("User", 3);
    let after = bench.accounts("User");
    for (name, username) in [("anna", "ben"), ("ben", "cleo"), ("cleo", "anna")] {
        assert_eq!(after[name].id, before[name].id);
        assert_eq!(after[name].spec["username"], username);
    }
}

#[test]
fn the_same_name_with_another_uid_has_the_same_account() {
    let mut bench = Bench::new("again");
    bench.apply([company("north"), user("anna"), user("ben"), user("cleo")]);
    let before = bench.all_ready("User", 3);
    let accounts = bench.accounts("User");
    let force = |bench: &Bench<'_>, name: &str| {
        bench.delete("User", [name]);
        let patch = json!({ "metadata": { "finalizers": null } });
        let _ = bench.cluster.ask(crate::cluster::Call::merge("users", &bench.home, name, patch));
        bench.gone("User", name);
        bench.apply([user_with(name, &json!({ "displayName": "Again" }))]);
    };
    // Nobody looks while the object becomes another one.
    bench.controller().pause();
    force(&bench, "anna");
    bench.controller().resume();
    bench.ready("User", "anna");
    bench.stop();
    force(&bench, "ben");
    bench.start();
    bench.ready("User", "ben");
    // Somebody looks: it is removed as it should be, and then there again.
    bench.delete("User", ["cleo"]);
    bench.gone("User", "cleo");
    bench.apply([user_with("cleo", &json!({ "displayName": "Again" }))]);
    let after = bench.all_ready("User", 3);
    for (old, new) in before.iter().zip(&after) {
        assert_ne!(old["metadata"]["uid"], new["metadata"]["uid"]);
        assert_eq!(old["status"]["directoryId"], new["status"]["directoryId"]);
        assert_eq!(new["metadata"]["finalizers"], json!(["tenantry.dev/directory"]));
    }
    for (name, account) in bench.accounts("User") {
        assert!(account.id == accounts[&name].id && account.enabled && account.spec["displayName"] == "Again", "{account:?}");
    }
}

#[test]
fn an_account_goes_on_under_another_name() {
    let bench = Bench::new("moved");
    let credential = json!({ "credential": { "method": "Temporary" }, "deletion": "Delete" });
    bench.apply([company("north"), user_with("anna", &credential)]);
    bench.ready("User", "anna");
    let before = bench.account("anna");
    let mut new = user_with("anna-berg", &json!({ "username": "anna", "email": "anna@x.example", "deletion": "Delete" }));
    new["spec"]["credential"] = credential["credential"].clone();
    new["metadata"]["annotations"] = json!({ "tenantry.dev/moved-from": format!("{}/anna", bench.home) });
    bench.apply([new]);
    bench.ready("User", "anna-berg");
    let old = bench.waiting("User", "anna", "Moved", "Stalled");
    assert!(condition(&old, "Ready")["message"].as_str().unwrap().contains("anna-berg"), "{old}");
    let account = bench.account("anna-berg");
    assert!(account.id == before.id && account.enabled, "{account:?}");
    assert_eq!(bench.accounts("User").len(), 1);
    bench.delete("User", ["anna"]);
    bench.gone("User", "anna");
    assert_eq!(bench.accounts("User")["anna-berg"], account, "nobody was touched");
    assert_eq!(bench.path().join("outbox").read_dir().unwrap().count(), 1, "one mail, at the beginning");
    // The annotation may stay, and does nothing any more. Times of objects are in whole seconds.
    thread::sleep(Duration::from_millis(1_100));
    bench.apply([user_with("anna", &json!({ "username": "anna2", "email": "anna2@x.example" }))]);
    let other = bench.ready("User", "anna");
    assert_ne!(other["status"]["directoryId"], before.id.as_str());
    let still = bench.get("User", "anna-berg");
    assert!(is_ready(&still) && still["status"]["directoryId"] == before.id.as_str(), "{still}");
}

#[test]
fn of_two_that_move_at_once_nobody_is_lost() {
    let mut bench = Bench::new("moves");
    let delete = json!({ "deletion": "Delete" });
    bench.apply([company("north"), user_with("anna", &delete), user_with("ben", &delete)]);
    bench.all_ready("User", 2);
    let before = bench.accounts("User");
    // The old object is deleted in the moment that the new one comes, seen in one look.
    bench.controller().pause();
    for (new, old) in [("anna-a", "anna"), ("ben-b", "ben")] {
        let mut document = user_with(new, &json!({ "username": old, "email": format!("{old}@x.example") }));
        document["metadata"]["annotations"] = json!({ "tenantry.dev/moved-from": format!("{}/{old}", bench.home) });
        bench.apply([document]);
        bench.delete("User", [old]);
    }
    bench.controller().resume();
    bench.all_ready("User", 2);
    let after = bench.accounts("User");
    assert_eq!(after["anna-a"].id, before["anna"].id);
    assert_eq!(after["ben-b"].id, before["ben"].id);
    assert!(after.len() == 2 && after.values().all(|it| it.enabled), "{after:?}");
    bench.stop();
}

/// Whoever says that it was somebody, and cannot be, keeps nobody from being shut off.
#[test]
fn shutting_off_waits_for_no_move() {
    let bench = Bench::new("stuck");
    bench.apply([company("north"), user("anna"), user("ben")]);
    bench.all_ready("User", 2);
    let before = bench.accounts("User");
    let mut new = user_with("anna-berg", &json!({ "username": "anna-berg", "email": "berg@x.example", "company": "nowhere" }));
    new["metadata"]["annotations"] = json!({ "tenantry.dev/moved-from": format!("{}/anna", bench.home) });
    bench.apply([new]);
    bench.waiting("User", "anna-berg", "WaitingFor", "Reconciling");
    bench.apply([user_with("anna", &json!({ "enabled": false }))]);
    bench.until("User", "anna", "is shut off", |it| is_ready(it) && it["metadata"]["generation"] == 2);
    assert!(!bench.account("anna").enabled);
    assert_eq!(bench.accounts("User").len(), 2, "nobody was made beside");
    // As soon as it can, it is who it was.
    bench.apply([company("nowhere")]);
    bench.ready("User", "anna-berg");
    assert_eq!(bench.account("anna-berg").id, before["anna"].id);
    bench.waiting("User", "anna", "Moved", "Stalled");
}

/// Of two that say that they were somebody the older one is; the other is told why.
#[test]
fn of_two_that_say_they_were_somebody_the_older_is() {
    let bench = Bench::new("claimants");
    bench.apply([company("north"), user("anna")]);
    let before = bench.ready("User", "anna")["status"]["directoryId"].clone();
    let from = json!({ "tenantry.dev/moved-from": format!("{}/anna", bench.home) });
    let new = |name: &str| {
        let mut new = user_with(name, &json!({ "email": format!("{name}@x.example") }));
        new["metadata"]["annotations"] = from.clone();
        new
    };
    bench.controller().pause();
    bench.apply([new("zora")]);
    thread::sleep(Duration::from_millis(1_100)); // times of objects are in whole seconds
    bench.apply([new("amy")]);
    bench.controller().resume();
    assert_eq!(bench.ready("User", "zora")["status"]["directoryId"], before);
    let other = bench.waiting("User", "amy", "Invalid", "Stalled");
    assert!(condition(&other, "Ready")["message"].as_str().unwrap().contains("two documents say that they were"), "{other}");
}
