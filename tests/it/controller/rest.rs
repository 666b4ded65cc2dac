//! Annotations, roles and who grants them, what is answered over HTTP.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Bench, PATIENCE, company, condition, is_ready, object, user, user_with};
use crate::cluster::{Call, Cluster, SYSTEM, unique};

#[test]
fn what_is_paused_waits() {
    let bench = Bench::new("paused");
    bench.apply([company("north"), user("anna"), user("ben"), user_with("cleo", &json!({ "deletion": "Retain" }))]);
    bench.all_ready("User", 3);
    for name in ["anna", "ben", "cleo"] {
        bench.annotate("User", name, "paused", &json!("true"));
    }
    let before = bench.accounts("User");
    bench.apply([user_with("anna", &json!({ "displayName": "Anna" }))]);
    let held = bench.waiting("User", "anna", "Paused", "Reconciling");
    assert_eq!(held["status"]["plan"]["verb"], "edit", "what would be done is shown: {held}");
    bench.delete("User", ["ben", "cleo"]);
    bench.gone("User", "cleo");
    bench.until("User", "ben", "waits", |it| condition(it, "Ready")["reason"] == "Paused");
    bench.stays_still(Duration::from_secs(4));
    assert_eq!(bench.accounts("User"), before, "nobody was touched");
    bench.annotate("User", "anna", "paused", &json!("false"));
    bench.annotate("User", "ben", "paused", &Value::Null);
    bench.ready("User", "anna");
    bench.gone("User", "ben");
    let after = bench.accounts("User");
    assert!(after["anna"].spec["displayName"] == "Anna" && after["ben"].retired, "{after:?}");
}

#[test]
fn somebody_asks_for_a_look() {
    let bench = Bench::new("ask");
    bench.apply([company("north"), user("anna")]);
    bench.ready("User", "anna");
    bench.sql("UPDATE objects SET body = json_set(body, '$.displayName', 'Somebody') WHERE name = 'anna'");
    assert_eq!(bench.account("anna").spec["displayName"], "Somebody");
    for at in ["2026-11-22T10:00:00Z", "2026-11-22T10:00:01Z"] {
        bench.annotate("User", "anna", "reconcile-at", &json!(at));
        bench.until("User", "anna", "was looked at", |it| is_ready(it) && it["status"]["lastHandledReconcileAt"] == at);
    }
    assert!(bench.account("anna").spec["displayName"].is_null());
}

#[test]
fn nobody_is_given_a_privileged_role_while_nobody_asks_who_gives_it() {
    let policy = unique("roles");
    let bench = Bench::with("denied", &json!({ "trustAuthors": false }), &["--admission-policy", &policy, "--resync", "2s"]);
    bench.apply([company("north"), user("anna"), user_with("boss", &json!({ "role": "common-manager" }))]);
    bench.ready("User", "anna");
    let held = bench.waiting("User", "boss", "Denied", "Stalled");
    assert!(condition(&held, "Ready")["message"].as_str().unwrap().contains(&policy), "{held}");
    // Neither is somebody who has another role by now.
    bench.apply([user_with("anna", &json!({ "role": "common-manager" }))]);
    bench.waiting("User", "anna", "Denied", "Stalled");
    assert_eq!(bench.account("anna").spec["role"], "owner");
    assert_eq!(bench.accounts("User").len(), 1);
    // A binding that only warns is none.
    let install = |action: &str| {
        let yaml = format!(
            "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {{ name: {policy} }}\nspec:\n  failurePolicy: Fail\n  matchConstraints:\n    namespaceSelector: {{ matchLabels: {{ kubernetes.io/metadata.name: {home} }} }}\n    resourceRules: [{{ apiGroups: [tenantry.dev], apiVersions: ['*'], resources: [users], operations: [CREATE] }}]\n  validations: [{{ expression: 'true' }}]\n---\napiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {{ name: {policy} }}\nspec: {{ policyName: {policy}, validationActions: [{action}] }}\n",
            home = bench.home
        );
        bench.cluster.apply(&yaml).ended(0);
    };
    install("Warn");
    bench.stays_still(Duration::from_secs(6));
    install("Deny");
    bench.ready("User", "boss");
    bench.ready("User", "anna");
    bench.cluster.kubectl(&["delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", &policy]).ended(0);
}

#[test]
fn a_role_of_the_controllers_namespace_is_for_everybody() {
    let cluster = Cluster::start(&crate::cluster::With::default());
    cluster.install();
    let bench = Bench::on(&cluster, "global", &json!({ "namespaces": [SYSTEM, "global-*"] }), &[]);
    let person = || user_with("anna", &json!({ "role": "watcher" }));
    bench.apply([company("north"), person()]);
    bench.waiting("User", "anna", "WaitingFor", "Reconciling");
    let role = object("Role", "watcher", json!({ "livesUnder": ["Company"], "mayAppoint": ["watcher"] }));
    cluster.ask_all(vec![Call::apply("roles", SYSTEM, role.clone())]);
    bench.ready("User", "anna");
    assert_eq!(bench.account("anna").spec["role"], "watcher");
    // Nobody may call a role of their own like it.
    bench.apply([role]);
    let held = bench.waiting("Role", "watcher", "Invalid", "Stalled");
    assert!(condition(&held, "Ready")["message"].as_str().unwrap().contains("global"), "{held}");
    bench.delete("Role", ["watcher"]);
    bench.gone("Role", "watcher");
    // It stays as long as somebody has it.
    cluster.ask_all(vec![Call::delete("roles", SYSTEM, "watcher")]);
    bench.controller().until(PATIENCE, "it is held", || {
        let it = cluster.fetch("roles", SYSTEM, "watcher");
        if condition(&it, "Stalled")["status"] == "True" { Ok(()) } else { Err(it.to_string()) }
    });
    assert!(bench.account("anna").enabled);
}

#[test]
fn it_says_how_it_is_and_of_nobody_who() {
    let bench = Bench::new("metrics");
    let broken = user_with("mallory", &json!({ "phone": "+4930123456", "region": "europe" }));
    bench.apply([company("north"), user_with("anna", &json!({ "username": "anna.secret" })), broken]);
    bench.ready("User", "anna");
    bench.waiting("User", "mallory", "Invalid", "Stalled");
    let controller = bench.controller();
    assert_eq!(controller.page("/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(controller.page("/readyz"), (200, "ready\n".to_owned()));
    assert_eq!(controller.page("/nothing").0, 404);
    bench.delete("User", ["anna"]);
    bench.gone("User", "anna");
    let metrics = controller.metrics();
    for name in [
        "controller_runtime_reconcile_total{",
        "controller_runtime_reconcile_errors_total",
        "controller_runtime_reconcile_time_seconds_bucket",
        "workqueue_depth",
        "workqueue_adds_total",
        "workqueue_retries_total",
        "tenantry_objects{kind=\"user\",state=\"stalled\"} 1",
        "tenantry_changes_total{verb=\"create\"} 2",
        "tenantry_changes_total{verb=\"disable\"} 1",
        "tenantry_holds{reason=\"Invalid\"} 1",
        "tenantry_directory_requests_total{",
        "tenantry_api_writes_total{",
        "tenantry_drift_seconds",
        "tenantry_time_to_disable_seconds_count 1",
        "leader_election_master_status 1",
    ] {
        assert!(metrics.contains(name), "{name} is missing in\n{metrics}");
    }
    for who in ["anna", "mallory", "x.example", "north", &bench.home, &bench.directory] {
        assert!(!metrics.contains(who), "{who} is in\n{metrics}");
    }
    assert!(metrics.trim_end().ends_with("# EOF"));
}

#[test]
fn a_directory_that_cannot_be_says_so() {
    // A port that no host has: whatever happens, it can never be reached.
    let name = unique("iot");
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": { "key": "tb_x" } });
    Cluster::shared().ask_all(vec![Call::apply("secrets", SYSTEM, secret)]);
    let bench = Bench::with(
        "cannot",
        &json!({ "directory": { "thingsboard": { "url": "https://iot.invalid:99999", "apiKey": { "secretRef": { "name": name, "key": "key" } } } } }),
        &[],
    );
    bench.apply([company("north"), user("anna")]);
    let held = bench.until("Directory", &bench.directory, "says so", |it| condition(it, "Ready")["status"] == "False");
    assert!(!condition(&held, "Ready")["message"].as_str().unwrap().is_empty(), "{held}");
    bench.until("User", "anna", "says so", |it| condition(it, "Ready")["status"] == "False" && super::is_current(it));
    bench.delete("User", ["anna"]);
    bench.delete("Company", ["north"]);
    // They never had accounts.
    bench.gone("User", "anna");
    bench.gone("Company", "north");
}
