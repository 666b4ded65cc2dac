//! Namespaces, definitions and Directories go: finalizers always end, and nobody is removed by it.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Bench, PATIENCE, company, condition, is_ready, user, user_with, waits};
use crate::cluster::{Call, Cluster, With, unique};

fn people(count: usize) -> impl Iterator<Item = Value> {
    (0..count).map(|at| user(&format!("u{at:02}")))
}

#[test]
fn a_namespace_goes_when_somebody_has_approved_it() {
    let cluster = Cluster::start(&With { controller_manager: true });
    cluster.install();
    let bench = Bench::on(&cluster, "north", &json!({}), &[]);
    bench.apply([company("north")].into_iter().chain(people(12)));
    bench.all_ready("User", 12);
    bench.ready("Company", "north");
    cluster.kubectl(&["delete", "namespace", &bench.home, "--wait=false"]).ended(0);
    let held = bench.held(13);
    let all = bench.accounts("User");
    assert!(all.len() == 12 && all.values().all(|it| it.enabled && !it.retired));
    assert!(!cluster.get("namespace", "", &bench.home).is_null());
    bench.annotate("Directory", &bench.directory, "approve", &held["digest"]);
    let gone = || cluster.get("namespace", "", &bench.home).is_null();
    bench.controller().until(PATIENCE, "the namespace is gone", gone);
    let all = bench.accounts("User");
    assert!(all.len() == 12 && all.values().all(|it| !it.enabled && it.retired), "{all:?}");

    // Uninstalled: the accounts stay, and nobody waits for a controller that is not there.
    let mut bench = Bench::on(&cluster, "south", &json!({}), &[]);
    bench.apply([company("north")].into_iter().chain(people(12)));
    bench.all_ready("User", 12);
    let before = bench.accounts("User");
    bench.direct(&json!({ "release": true }));
    bench.all("User", "all are released", PATIENCE, |all| all.iter().all(|it| it["metadata"]["finalizers"].is_null()));
    bench.until("Directory", &bench.directory, "is released", |it| {
        it["metadata"]["finalizers"].is_null() && condition(it, "Ready")["status"] == "True"
    });
    bench.stop();
    cluster.kubectl(&["delete", "namespace", &bench.home, "--timeout=40s"]).ended(0);
    cluster.kubectl(&["delete", "directory", &bench.directory, "--timeout=10s"]).ended(0);
    assert_eq!(bench.accounts("User"), before);
}

#[test]
fn a_definition_goes_and_takes_nobody_with_it() {
    let cluster = Cluster::start(&With::default());
    cluster.install();
    let bench = Bench::on(&cluster, "north", &json!({}), &[]);
    bench.apply([company("north"), user_with("anna", &json!({ "deletion": "Delete" }))].into_iter().chain(people(8)));
    bench.all_ready("User", 9);
    bench.ready("Company", "north");
    let before = bench.accounts("User");
    cluster.kubectl(&["delete", "customresourcedefinition", "users.tenantry.dev", "--timeout=40s"]).ended(0);
    let gone = || cluster.get("customresourcedefinition", "", "users.tenantry.dev").is_null();
    bench.controller().until(PATIENCE, "the definition is gone", gone);
    assert_eq!(bench.accounts("User"), before, "nobody was touched");
    assert_eq!(bench.events("DefinitionDeleted").len(), 1);
    // The rest goes on, and whoever comes back has the account of before.
    bench.apply([company("south")]);
    bench.ready("Company", "south");
    cluster.apply(&tenantry::manifest::crds().into_iter().map(|(_, text)| format!("---\n{text}")).collect::<String>()).ended(0);
    cluster.kubectl(&["wait", "--for=condition=Established", "--timeout=30s", "crd/users.tenantry.dev"]).ended(0);
    let again = || cluster.ask(Call::apply("users", &bench.home, user_with("anna", &json!({ "deletion": "Delete" })))).0 < 300;
    bench.controller().until(PATIENCE, "it can be declared", again);
    bench.ready("User", "anna");
    assert_eq!(bench.accounts("User"), before);
}

#[test]
fn a_directory_waits_for_what_is_bound_to_it() {
    let bench = Bench::new("bound");
    bench.apply([company("north"), user("anna")]);
    bench.ready("User", "anna");
    bench.until("Directory", &bench.directory, "is kept", |it| it["metadata"]["finalizers"] == json!(["tenantry.dev/directory"]));
    bench.cluster.ask_all(vec![Call::delete("directories", "", &bench.directory)]);
    bench.stays_still(Duration::from_secs(2));
    let account = bench.account("anna");
    assert!(account.enabled && !bench.dir().is_null());
    // It works as long as it is there.
    bench.delete("User", ["anna"]);
    bench.gone("User", "anna");
    assert!(bench.account("anna").retired && !bench.dir().is_null());
    bench.delete("Company", ["north"]);
    bench.gone("Company", "north");
    bench.gone("Directory", &bench.directory);
}

#[test]
fn a_namespace_that_changes_its_directory_writes_nothing() {
    let cluster = Cluster::shared();
    let bench = Bench::new("from");
    bench.apply([company("north"), user("anna"), user("ben")]);
    bench.all_ready("User", 2);
    let before = bench.accounts("User");
    // The namespace goes to the other one.
    let mut other = Bench::idle(cluster, "to", &json!({ "namespaces": [bench.home] }), &[]);
    bench.direct(&json!({ "namespaces": [unique("nowhere")] }));
    other.start();
    let look = |kind: &str, name: &str| cluster.fetch(super::plural(kind), &bench.home, name);
    let changed = |name: &'static str| {
        other.controller().until(PATIENCE, "it says so", || {
            let it = look("User", name);
            if waits(&it, "DirectoryChanged", "Stalled") { Ok(it) } else { Err(it.to_string()) }
        })
    };
    for name in ["anna", "ben"] {
        let held = changed(name);
        let message = condition(&held, "Ready")["message"].as_str().unwrap();
        assert!(message.contains(&format!("tenantry.dev/rebind: {}", other.directory)), "{message}");
        assert_eq!(held["status"]["directory"], bench.directory.as_str());
    }
    assert!(!other.path().join(other.database()).exists() || other.accounts("User").is_empty());
    assert_eq!(bench.accounts("User"), before);
    for (kind, name) in [("Company", "north"), ("User", "anna")] {
        bench.annotate(kind, name, "rebind", &json!(other.directory));
    }
    let bound = |kind: &str, name: &str| {
        let it = look(kind, name);
        if is_ready(&it) && it["status"]["directory"] == other.directory.as_str() { Ok(it) } else { Err(it.to_string()) }
    };
    other.controller().until(PATIENCE, "anna is bound", || bound("User", "anna"));
    let new = other.accounts("User");
    assert!(new.len() == 1 && new["anna"].id != before["anna"].id, "{new:?}");
    assert_eq!(look("User", "anna")["status"]["directoryId"], new["anna"].id.as_str());
    assert_eq!(bench.accounts("User"), before, "the old one is as it was");
    changed("ben");
    // One that is bound elsewhere waits there, and ends when it is deleted and its Directory is asked for it.
    bench.delete("User", ["anna"]);
    other.controller().until(PATIENCE, "anna is gone", || look("User", "anna").is_null());
    assert!(other.accounts("User")["anna"].retired && bench.account("anna").enabled);
}

#[test]
fn whoever_belongs_to_no_directory_or_to_two_is_told() {
    let cluster = Cluster::start(&With::default());
    cluster.install();
    let (nowhere, twice) = (cluster.namespace("nowhere"), cluster.namespace("twice"));
    let one = Bench::on(&cluster, "one", &json!({ "namespaces": [twice] }), &["--all"]);
    let two = Bench::idle(&cluster, "two", &json!({ "namespaces": ["twic*"] }), &[]);
    let apply = |home: &str| {
        let calls = [company("north"), user("anna")].map(|it| Call::apply(super::plural(it["kind"].as_str().unwrap()), home, it));
        cluster.ask_all(calls.into());
    };
    apply(&nowhere);
    apply(&twice);
    for (home, names) in [(&nowhere, vec![nowhere.as_str()]), (&twice, vec![twice.as_str(), &one.directory, &two.directory])] {
        let held = one.controller().until(PATIENCE, "it is told", || {
            let it = cluster.fetch("users", home, "anna");
            if waits(&it, "Refused", "Stalled") { Ok(it) } else { Err(it.to_string()) }
        });
        let message = condition(&held, "Ready")["message"].as_str().unwrap();
        assert!(names.iter().all(|it| message.contains(*it)), "{message}");
        assert!(held["metadata"]["finalizers"].is_null() && held["status"]["directory"].is_null(), "{held}");
    }
    assert!(!one.path().join(one.database()).exists() || one.accounts("User").is_empty());
    // One of them lets go of it: then it has a home.
    two.direct(&json!({ "namespaces": ["elsewhere"] }));
    one.controller().until(PATIENCE, "it has a home", || is_ready(&cluster.fetch("users", &twice, "anna")));
    cluster.ask_all(vec![Call::delete("users", &nowhere, "anna")]);
    one.controller().until(PATIENCE, "it may go", || cluster.fetch("users", &nowhere, "anna").is_null());
}

/// What is bound to a Directory is released by it, wherever its namespace belongs by now.
#[test]
fn a_release_lets_go_of_what_is_bound_elsewhere() {
    let bench = Bench::new("stray");
    bench.apply([company("north")].into_iter().chain(people(6)));
    bench.all_ready("User", 6);
    bench.ready("Company", "north");
    let before = bench.accounts("User");
    bench.direct(&json!({ "namespaces": ["nowhere-at-all"] }));
    bench.cluster.kubectl(&["delete", "directory", &bench.directory, "--wait=false"]).ended(0);
    bench.until("Directory", &bench.directory, "says what it waits for", |it| {
        condition(it, "Ready")["message"].as_str().is_some_and(|it| it.contains("waits for the objects"))
    });
    bench.direct(&json!({ "release": true }));
    bench.all("User", "all are released", PATIENCE, |all| all.iter().all(|it| it["metadata"]["finalizers"].is_null()));
    bench.gone("Directory", &bench.directory);
    assert_eq!(bench.accounts("User"), before);
}

/// A definition goes even where its objects belong to no Directory any more.
#[test]
fn a_definition_goes_where_no_directory_is() {
    let cluster = Cluster::start(&With::default());
    cluster.install();
    let bench = Bench::on(&cluster, "lost", &json!({}), &[]);
    bench.apply([company("north")].into_iter().chain(people(4)));
    bench.all_ready("User", 4);
    let before = bench.accounts("User");
    bench.direct(&json!({ "namespaces": ["nowhere-at-all"] }));
    cluster.kubectl(&["delete", "customresourcedefinition", "users.tenantry.dev", "--timeout=40s"]).ended(0);
    let gone = || cluster.get("customresourcedefinition", "", "users.tenantry.dev").is_null();
    bench.controller().until(PATIENCE, "the definition is gone", gone);
    assert_eq!(bench.accounts("User"), before, "nobody was touched");
}
