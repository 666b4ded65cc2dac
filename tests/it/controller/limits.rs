//! How much may happen at once, and how much of it is remembered.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Bench, company, condition, is_ready, object, user, user_with, waits, with};

fn people(count: usize) -> impl Iterator<Item = Value> {
    (0..count).map(|at| user(&format!("u{at:02}")))
}

#[test]
fn what_was_lost_is_remembered_over_a_restart() {
    let mut bench = Bench::new("window");
    bench.apply([company("north")].into_iter().chain(people(12)));
    bench.all_ready("User", 12);
    bench.delete("User", ["u00", "u01", "u02", "u03", "u04"]);
    for name in ["u00", "u04"] {
        bench.gone("User", name);
    }
    bench.all_ready("User", 7);
    bench.kill();
    bench.start();
    bench.delete("User", ["u05"]);
    bench.waiting("User", "u05", "OverBudget", "Stalled");
    let held = bench.held(1);
    assert!(bench.account("u05").enabled);
    // Who came back gives nothing back.
    bench.apply(people(5));
    bench.until("User", "u00", "is back", is_ready);
    assert!(bench.account("u05").enabled);
    bench.annotate("Directory", &bench.directory, "approve", &held["digest"]);
    bench.gone("User", "u05");
    let window = &bench.dir()["status"]["window"];
    let losses: i64 = window.as_array().unwrap().iter().map(|it| it["losses"].as_i64().unwrap()).sum();
    assert_eq!(losses, 5, "what was approved does not count: {window}");
}

#[test]
fn a_rejection_of_what_is_no_deletion_says_what_is_left() {
    let bench = Bench::new("shut");
    bench.apply([company("north")].into_iter().chain(people(12)));
    bench.all_ready("User", 12);
    bench.apply((0..8).map(|at| user_with(&format!("u{at:02}"), &json!({ "enabled": false }))));
    bench.delete("User", ["u08", "u09"]);
    let held = bench.held(10);
    bench.annotate("Directory", &bench.directory, "reject", &held["digest"]);
    bench.gone("User", "u08");
    bench.gone("User", "u09");
    let left = bench.held(8);
    assert!(bench.accounts("User").values().all(|it| it.enabled && !it.retired));
    assert!(waits(&bench.get("User", "u00"), "OverBudget", "Stalled"));
    assert_ne!(left["digest"], held["digest"]);
    // Declared as they are, nothing is held.
    bench.apply(people(8));
    bench.all_ready("User", 10);
    bench.nothing_held();
    assert_eq!(bench.accounts("User").values().filter(|it| it.enabled).count(), 12);
}

#[test]
fn too_many_at_once_are_not_made() {
    let kept = |mut document: Value| {
        document["metadata"]["finalizers"] = json!(["tenantry.dev/directory"]);
        document
    };
    let budget = |creates: u64, mails: u64| json!({ "budget": { "creates": creates, "mails": mails } });
    let mut bench = Bench::idle(super::Cluster::shared(), "creates", &budget(10, 3), &[]);
    bench.apply([company("north")]);
    bench.start();
    bench.ready("Company", "north");
    bench.stop();
    // All of them are seen at once.
    bench.apply(people(20).map(kept));
    bench.start();
    let held = bench.waiting("User", "u00", "Refused", "Stalled");
    let message = condition(&held, "Ready")["message"].as_str().unwrap();
    assert!(message.contains("spec.budget") && message.contains(&bench.directory), "{message}");
    assert!(bench.accounts("User").is_empty());
    bench.direct(&budget(30, 3));
    bench.all_ready("User", 20);
    bench.stop();
    let mailed = |at: usize| user_with(&format!("m{at}"), &json!({ "credential": { "method": "Temporary" } }));
    bench.apply((0..5).map(mailed).map(kept));
    bench.start();
    bench.waiting("User", "m0", "Refused", "Stalled");
    let mails = || bench.path().join("outbox").read_dir().map_or(0, Iterator::count);
    assert_eq!(mails(), 0);
    bench.direct(&budget(30, 5));
    bench.all_ready("User", 25);
    assert_eq!(mails(), 5);
}

#[test]
fn a_protected_one_loses_nothing() {
    let mut bench = Bench::idle(super::Cluster::shared(), "protected", &json!({}), &[]);
    bench.direct(&json!({ "protected": [format!("user/{}/root", bench.home)] }));
    bench.start();
    bench.apply([company("north"), user("root"), user("anna")]);
    bench.all_ready("User", 2);
    bench.apply([user_with("root", &json!({ "enabled": false }))]);
    bench.waiting("User", "root", "Protected", "Stalled");
    bench.delete("User", ["root", "anna"]);
    bench.gone("User", "anna");
    bench.stays_still(Duration::from_secs(1));
    assert!(bench.account("root").enabled && !bench.get("User", "root").is_null());
    bench.direct(&json!({}));
    bench.gone("User", "root");
    assert!(bench.account("root").retired);
}

#[test]
fn a_role_that_changes_takes_nobody_by_surprise() {
    let bench = Bench::new("role");
    let role = |more: &Value| {
        with(object("Role", "chief", json!({ "livesUnder": ["Company"], "mayAppoint": ["chief"], "privileged": true })), more)
    };
    let chiefs = (0..8).map(|at| user_with(&format!("c{at}"), &json!({ "role": "chief" })));
    bench.apply([company("north"), role(&json!({}))].into_iter().chain(chiefs));
    bench.all_ready("User", 8);
    // A form in which its holders would not fit is an error at the role.
    bench.apply([role(&json!({ "livesUnder": ["Customer"] }))]);
    let held = bench.waiting("Role", "chief", "Invalid", "Stalled");
    assert!(!condition(&held, "Ready")["message"].as_str().unwrap().is_empty());
    bench.apply([user_with("c0", &json!({ "role": "chief", "displayName": "Zero" }))]);
    bench.all_ready("User", 8);
    assert_eq!(bench.account("c0").spec["displayName"], "Zero", "its holders stay valid");
    // Without the privilege each holder loses something.
    bench.apply([role(&json!({ "privileged": false }))]);
    let held = bench.until("Directory", &bench.directory, "holds it", |it| it["status"]["held"].is_object());
    assert!(condition(&bench.get("Role", "chief"), "Stalled")["status"] == "True", "{held}");
    bench.annotate("Directory", &bench.directory, "approve", &held["status"]["held"]["digest"]);
    bench.ready("Role", "chief");
    bench.nothing_held();
    bench.all_ready("User", 8);
}
