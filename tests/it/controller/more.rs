//! What else happens in a cluster.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Bench, PATIENCE, company, condition, is_current, is_ready, user, user_with, with};
use crate::cluster::{Call, Cluster, Controller, unique};

#[test]
fn whoever_never_had_an_account_goes_at_once() {
    let bench = Bench::new("never");
    bench.apply([user("late"), user_with("broken", &json!({ "phone": "+4930123456", "region": "europe" }))]);
    bench.waiting("User", "late", "WaitingFor", "Reconciling");
    bench.waiting("User", "broken", "Invalid", "Stalled");
    bench.delete("User", ["late", "broken"]);
    bench.gone("User", "late");
    bench.gone("User", "broken");
    assert!(bench.accounts("User").is_empty());
    bench.until("Directory", &bench.directory, "counts nothing", |it| it["status"]["window"].is_null());
}

#[test]
fn what_was_applied_last_says_what_removal_means() {
    let bench = Bench::new("policy");
    let delete = json!({ "deletion": "Delete" });
    bench.apply([company("north"), user("anna"), user_with("ben", &delete), user("cleo")]);
    bench.all_ready("User", 3);
    let phone = json!({ "phone": "+4930123456", "region": "europe", "deletion": "Delete" });
    bench.apply([
        user_with("anna", &phone),
        with(user_with("ben", &delete), &json!({ "phone": "+4930123456", "region": "europe", "deletion": "Disable" })),
    ]);
    bench.waiting("User", "anna", "Invalid", "Stalled");
    bench.waiting("User", "ben", "Invalid", "Stalled");
    // A sound one is applied as it says, and then deleted.
    bench.apply([user_with("cleo", &delete)]);
    bench.ready("User", "cleo");
    bench.delete("User", ["anna", "ben", "cleo"]);
    for name in ["anna", "ben", "cleo"] {
        bench.gone("User", name);
    }
    let after = bench.accounts("User");
    assert_eq!(after.keys().collect::<Vec<_>>(), ["anna"]);
    assert!(after["anna"].retired && !after["anna"].enabled);
}

#[test]
fn time_alone_shuts_off() {
    let bench = Bench::new("expires");
    let at = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + 7).unwrap();
    let expires = json!({ "expires": at.to_string() });
    bench.apply([company("north"), user_with("anna", &expires), user("ben")]);
    bench.all_ready("User", 2);
    assert!(bench.account("anna").enabled);
    bench.controller().until(Duration::from_secs(15), "the time has come", || !bench.account("anna").enabled);
    let there = bench.ready("User", "anna");
    assert!(jiff::Timestamp::now() >= at && !condition(&there, "Ready")["message"].as_str().unwrap().is_empty());
    assert!(bench.account("ben").enabled);
    bench.until("Directory", &bench.directory, "counts nothing", |it| it["status"]["window"].is_null());
    bench.apply([user_with("anna", &json!({ "expires": "2099-12-31" }))]);
    bench.ready("User", "anna");
    assert!(bench.account("anna").enabled);
}

#[test]
fn what_others_say_of_an_object_stays() {
    let bench = Bench::with("others", &json!({}), &["--resync", "2s"]);
    bench.apply([company("north"), user("anna")]);
    let first = bench.ready("User", "anna");
    let theirs = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "User", "metadata": { "name": "anna" },
        "status": { "conditions": [{
            "type": "Reviewed", "status": "True", "reason": "Seen", "message": "", "lastTransitionTime": "2026-11-22T10:00:00Z",
        }] },
    });
    let path = format!("/apis/tenantry.dev/v1alpha1/namespaces/{}/users/anna/status?fieldManager=review", bench.home);
    bench.cluster.ask_all(vec![Call::raw(reqwest::Method::PATCH, path, "application/apply-patch+yaml", theirs)]);
    let finalizers =
        json!({ "metadata": { "finalizers": ["tenantry.dev/directory", "example.com/theirs"], "labels": { "a": "b" } } });
    bench.cluster.ask_all(vec![Call::merge("users", &bench.home, "anna", finalizers)]);
    bench.apply([user_with("anna", &json!({ "displayName": "Anna" }))]);
    let there = bench.ready("User", "anna");
    assert_eq!(condition(&there, "Reviewed")["status"], "True", "{there}");
    let since = |it: &Value| condition(it, "Ready")["lastTransitionTime"].clone();
    assert_eq!(since(&there), since(&first), "it was ready all the time");
    // Somebody wipes our status: it is written again, and the account is the same.
    let id = bench.account("anna").id;
    let wiped = json!({ "status": null });
    let path = format!("/apis/tenantry.dev/v1alpha1/namespaces/{}/users/anna/status?fieldManager=somebody", bench.home);
    bench.cluster.ask_all(vec![Call::raw(reqwest::Method::PATCH, path, "application/merge-patch+json", wiped)]);
    let again = bench.until("User", "anna", "is told again", |it| is_ready(it) && it["status"]["directoryId"].is_string());
    assert_eq!(again["status"]["directoryId"], id.as_str());
    // The other finalizer is not ours to take.
    bench.delete("User", ["anna"]);
    bench.until("User", "anna", "is let go", |it| it["metadata"]["finalizers"] == json!(["example.com/theirs"]));
    assert!(bench.account("anna").retired);
    bench.stays_still(Duration::from_secs(3));
    bench.cluster.ask_all(vec![Call::merge("users", &bench.home, "anna", json!({ "metadata": { "finalizers": null } }))]);
    bench.gone("User", "anna");
}

#[test]
fn an_account_moves_to_another_namespace() {
    let mut bench = Bench::idle(Cluster::shared(), "here", &json!({}), &[]);
    let there = bench.cluster.namespace("there");
    bench.direct(&json!({ "namespaces": [bench.home, there] }));
    bench.start();
    bench.apply([company("north"), user_with("anna", &json!({ "deletion": "Delete" }))]);
    bench.ready("User", "anna");
    let id = bench.account("anna").id;
    let mut moved = user_with("anna", &json!({ "deletion": "Delete" }));
    moved["metadata"]["annotations"] = json!({ "tenantry.dev/moved-from": format!("{}/anna", bench.home) });
    bench.cluster.ask_all(vec![Call::apply("companies", &there, company("north")), Call::apply("users", &there, moved)]);
    bench.controller().until(PATIENCE, "it is there", || {
        let it = bench.cluster.fetch("users", &there, "anna");
        if is_ready(&it) { Ok(()) } else { Err(it.to_string()) }
    });
    bench.waiting("User", "anna", "Moved", "Stalled");
    bench.delete("User", ["anna"]);
    bench.gone("User", "anna");
    let accounts = bench.accounts("User");
    assert!(accounts.len() == 1 && accounts["anna"].id == id && accounts["anna"].enabled, "{accounts:?}");
}

#[test]
fn one_directory_that_is_away_does_not_hold_up_another() {
    let cluster = Cluster::shared();
    let bad = Bench::idle(cluster, "bad", &json!({ "directory": { "sqlite": { "path": "nowhere/it.db" } } }), &[]);
    let good = Bench::idle(cluster, "good", &json!({}), &[]);
    let lease = unique("lease");
    let words = ["--lease", &lease, "--only", &bad.directory, "--only", &good.directory];
    let controller = Controller::start_in(cluster, good.path(), &words);
    bad.apply([company("north"), user("anna")]);
    good.apply([company("north"), user("anna")]);
    controller.until(PATIENCE, "the good one works", || is_ready(&cluster.fetch("users", &good.home, "anna")));
    controller.until(PATIENCE, "the bad one says so", || {
        let it = cluster.fetch("users", &bad.home, "anna");
        let reason = condition(&it, "Ready")["reason"].clone();
        if is_current(&it) && reason == "DirectoryUnavailable" { Ok(()) } else { Err(it.to_string()) }
    });
    assert!(controller.stop().0.success());
}
