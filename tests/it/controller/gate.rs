//! What would be lost at once is held, until somebody approves or rejects just that.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Bench, company, condition, is_ready, user, user_with, waits, with};

const PEOPLE: usize = 40;

fn names() -> Vec<String> {
    (0..PEOPLE).map(|at| format!("u{at:02}")).collect()
}

/// Forty people, each ready.
fn crowd(hint: &str, more: &Value) -> Bench<'static> {
    let bench = Bench::new(hint);
    bench.apply([company("north")].into_iter().chain(names().iter().map(|name| user_with(name, more))));
    bench.all_ready("User", PEOPLE);
    bench
}

fn delete_all(bench: &Bench<'_>) {
    bench.delete("User", names().iter().map(String::as_str));
}

/// All of them are deleted, and nothing is done about it.
fn all_held(bench: &Bench<'_>) -> String {
    delete_all(bench);
    let held = bench.held(PEOPLE);
    let digest = held["digest"].as_str().unwrap().to_owned();
    assert!(digest.starts_with("sha256:"), "{held}");
    assert_eq!(held["first"].as_array().unwrap().len(), 10, "{held}");
    assert_eq!(held["first"][0], format!("user/{}/u00", bench.home));
    bench.all("User", "all are held", Duration::from_secs(20), |all| {
        all.len() == PEOPLE
            && all
                .iter()
                .all(|it| waits(it, "OverBudget", "Stalled") && it["metadata"]["finalizers"] == json!(["tenantry.dev/directory"]))
    });
    digest
}

fn approve(bench: &Bench<'_>, annotation: &str, digest: &str) {
    bench.annotate("Directory", &bench.directory, annotation, &json!(digest));
}

fn all_gone(bench: &Bench<'_>) {
    bench.all("User", "all objects are gone", Duration::from_secs(40), <[Value]>::is_empty);
}

#[test]
fn a_mass_removal_waits_for_an_approval() {
    let bench = crowd("approve", &json!({}));
    let before = bench.accounts("User");
    let digest = all_held(&bench);
    assert_eq!(bench.accounts("User"), before);
    let one = |what: &str| {
        let events = bench.events("OverBudget");
        assert_eq!(events.len(), 1, "{what}: {events:?}");
        assert!(
            events[0]["note"].as_str().unwrap().contains("tenantry.dev/approve=sha256:") && events[0]["series"].is_null(),
            "{what}: {events:?}"
        );
    };
    one("held");
    assert_eq!(condition(&bench.dir(), "Ready")["status"], "True");
    // An approval of something else is answered.
    let wrong = format!("sha256:{}", "0".repeat(64));
    approve(&bench, "approve", &wrong);
    bench.until("Directory", &bench.directory, "answers", |it| {
        it["status"]["held"]["message"].as_str().is_some_and(|it| it.contains(&wrong) && it.contains(&digest))
    });
    bench.stays_still(Duration::from_secs(4));
    assert_eq!(bench.accounts("User"), before);
    one("answered");
    approve(&bench, "approve", &digest);
    all_gone(&bench);
    let after = bench.accounts("User");
    assert!(after.len() == PEOPLE && after.values().all(|it| it.retired && !it.enabled), "{after:?}");
    let is_handled = |it: &Value| it["status"]["held"].is_null() && it["status"]["lastHandledApproval"] == digest.as_str();
    bench.until("Directory", &bench.directory, "has handled it", is_handled);
    one("carried out");
    // It works once. The same people again are another set, and none of them came out of the window by it.
    bench.apply(names().iter().map(|name| user(name)));
    bench.all_ready("User", PEOPLE);
    assert!(bench.accounts("User").iter().all(|(name, it)| it.id == before[name].id && it.enabled));
    delete_all(&bench);
    assert_ne!(bench.held(PEOPLE)["digest"], digest.as_str());
}

#[test]
fn a_mass_removal_is_rejected() {
    let bench = crowd("reject", &json!({ "deletion": "Delete" }));
    let before = bench.accounts("User");
    let digest = all_held(&bench);
    approve(&bench, "reject", &digest);
    all_gone(&bench);
    assert_eq!(bench.accounts("User"), before, "everybody is there, enabled, and ours");
    bench.nothing_held();
    // Declared again, each has the account it had.
    bench.apply(names().iter().map(|name| user(name)));
    bench.all_ready("User", PEOPLE);
    assert!(bench.accounts("User").iter().all(|(name, it)| it.id == before[name].id && it.enabled));
}

#[test]
fn a_crash_forgets_neither_what_is_held_nor_what_was_decided() {
    for annotation in ["approve", "reject"] {
        let mut bench = crowd(annotation, &json!({}));
        let before = bench.accounts("User");
        let digest = all_held(&bench);
        bench.kill();
        bench.start();
        // It is the same set, and nothing of it passes by the restart.
        bench.controller().until(Duration::from_secs(20), "it has looked", || {
            super::counted(&bench.controller().metrics(), "tenantry_directory_requests_total", &["observe"]) >= 1
        });
        assert_eq!(bench.held(PEOPLE)["digest"], digest.as_str());
        bench.stays_still(Duration::from_secs(4));
        assert_eq!(bench.accounts("User"), before);
        approve(&bench, annotation, &digest);
        for wait in [0, 40, 150] {
            std::thread::sleep(Duration::from_millis(wait));
            bench.kill();
            bench.start();
            bench.controller().says("\"leads\"", 1);
        }
        all_gone(&bench);
        bench.nothing_held();
        let after = bench.accounts("User");
        let retired = annotation == "approve";
        assert!(after.len() == PEOPLE && after.values().all(|it| it.retired == retired && it.enabled != retired), "{after:?}");
    }
}

#[test]
fn what_is_held_is_let_go_by_undoing_it_or_by_another_budget() {
    let bench = crowd("budget", &json!({}));
    let shut = |count: usize| names().into_iter().take(count).map(|name| user_with(&name, &json!({ "enabled": false })));
    bench.apply(shut(20));
    let held = bench.held(20);
    let all = bench.accounts("User");
    assert!(all.values().all(|it| it.enabled), "all or nothing");
    // One who is declared as before is no loss any more: it is another set.
    bench.apply([user("u00")]);
    let fewer = bench.held(19);
    assert_ne!(fewer["digest"], held["digest"]);
    bench.ready("User", "u00");
    approve(&bench, "approve", held["digest"].as_str().unwrap());
    bench.until("Directory", &bench.directory, "answers", |it| it["status"]["held"]["message"].is_string());
    assert!(bench.accounts("User").values().all(|it| it.enabled), "an approval is for one set");
    bench.direct(&json!({ "budget": { "atLeast": 30, "removals": "80%" } }));
    bench.all_ready("User", PEOPLE);
    bench.nothing_held();
    assert_eq!(bench.accounts("User").values().filter(|it| !it.enabled).count(), 19);
    // What was lost counts: eleven more are 30, one more is too many.
    let window = &bench.dir()["status"]["window"];
    let losses: i64 = window.as_array().unwrap().iter().map(|it| it["losses"].as_i64().unwrap()).sum();
    assert_eq!(losses, 19, "{window}");
}

#[test]
fn an_approval_tells_that_nobody_is_left() {
    let bench = Bench::new("nobody");
    let chief = json!({ "role": "common-manager" });
    bench.apply(
        [company("north"), user_with("anna", &chief), user_with("ben", &chief)]
            .into_iter()
            .chain(names().iter().map(|name| user(name))),
    );
    bench.all_ready("User", PEOPLE + 2);
    bench.cluster.kubectl(&["-n", &bench.home, "delete", "users.tenantry.dev", "--all", "--wait=false"]).ended(0);
    let held = bench.held(PEOPLE + 2);
    let message = held["message"].as_str().unwrap_or_default();
    assert!(message.contains("nobody enabled holds `common-manager`"), "{held}");
}

#[test]
fn the_last_holder_stays() {
    let bench = Bench::new("last");
    let manager = |name: &str| user_with(name, &json!({ "role": "common-manager" }));
    bench.apply([company("north"), manager("anna"), manager("ben"), user("cleo")]);
    bench.all_ready("User", 3);
    bench.delete("User", ["anna"]);
    bench.gone("User", "anna");
    bench.delete("User", ["ben"]);
    let held = bench.waiting("User", "ben", "Refused", "Stalled");
    assert!(condition(&held, "Ready")["message"].as_str().unwrap().contains("privileged role"), "{held}");
    let digest = bench.held(1)["digest"].as_str().unwrap().to_owned();
    assert!(bench.account("ben").enabled);
    approve(&bench, "approve", &digest);
    bench.gone("User", "ben");
    assert!(bench.account("ben").retired);
    bench.nothing_held();
    assert!(is_ready(&bench.get("User", "cleo")));
}

#[test]
fn a_company_that_is_shut_off_counts_everybody() {
    let bench = crowd("company", &json!({}));
    let shut = with(company("north"), &json!({ "enabled": false }));
    bench.apply([shut]);
    let held = bench.held(PEOPLE + 1);
    assert!(waits(&bench.waiting("Company", "north", "OverBudget", "Stalled"), "OverBudget", "Stalled"));
    assert!(bench.accounts("User").values().all(|it| it.enabled));
    assert!(bench.accounts("Company").values().all(|it| it.enabled));
    approve(&bench, "approve", held["digest"].as_str().unwrap());
    bench.ready("Company", "north");
    bench.all_ready("User", PEOPLE);
    assert!(bench.accounts("User").values().all(|it| !it.enabled && !it.retired));
    bench.nothing_held();
    // Enabling is no loss.
    bench.apply([company("north")]);
    bench.ready("Company", "north");
    bench.all_ready("User", PEOPLE);
    assert!(bench.accounts("User").values().all(|it| it.enabled));
}
