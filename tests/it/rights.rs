//! What the chart lets the controller do is what the controller does: no more, and no less.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    chart::{documents, rendered},
    cluster::{CONTROLLER, Cluster, Controller, SYSTEM, With},
};

const PATIENCE: Duration = Duration::from_secs(40);

/// Every verb on every resource that a rule of the controller grants.
fn granted(rendered: &[Value]) -> BTreeSet<String> {
    let roles = rendered.iter().filter(|it| {
        let (kind, name) = (it["kind"].as_str().unwrap_or_default(), it["metadata"]["name"].as_str().unwrap_or_default());
        matches!(kind, "Role" | "ClusterRole") && (name == "tenantry-controller" || name == "tenantry-secrets")
    });
    let texts =
        |value: &Value| -> Vec<String> { value.as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect() };
    let mut all = BTreeSet::new();
    for rule in roles.flat_map(|it| it["rules"].as_array().unwrap()) {
        for resource in texts(&rule["resources"]) {
            all.extend(texts(&rule["verbs"]).iter().map(|verb| format!("{verb} {resource}")));
        }
    }
    all
}

fn user(name: &str, namespace: &str, more: &str) -> String {
    format!(
        "---\napiVersion: tenantry.dev/v1alpha1\nkind: User\nmetadata: {{ name: {name}, namespace: {namespace} }}\nspec:\n  \
         email: {name}@rights.example\n  company: service\n{more}"
    )
}

#[test]
fn the_chart_grants_just_what_the_controller_asks_for() {
    let cluster = Cluster::start(&With::default());
    cluster.kubectl(&["create", "namespace", SYSTEM]).ended(0);
    cluster.kubectl(&["create", "namespace", "rights"]).ended(0);
    let text = rendered("tenantry", &["--set", "crds.enabled=false,secretNamespaces={rights}"]);
    let rendered = documents(&text);
    // The definitions first: a policy about kinds that nobody knows yet is checked late.
    cluster.kubectl(&["apply", "--server-side", "-f", concat!(env!("CARGO_MANIFEST_DIR"), "/crds")]).ended(0);
    cluster.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"]).ended(0);
    cluster.apply(&text).ended(0);
    cluster
        .apply(
            "apiVersion: v1\nkind: Secret\nmetadata: { name: mail, namespace: tenantry-system }\nstringData: { password: hunter2 }\n---\n\
             apiVersion: v1\nkind: Secret\nmetadata: { name: anna, namespace: rights }\nstringData: { password: correct-horse-9 }\n",
        )
        .ended(0);
    let mark = cluster.mark();
    let controller = Controller::start(&cluster, &["--lease", "tenantry", "--resync", "2s"]);
    cluster
        .apply(
            "apiVersion: tenantry.dev/v1alpha1\nkind: Directory\nmetadata: { name: rights }\nspec:\n  namespaces: [rights]\n  directory: { \
             sqlite: { path: rights.db } }\n  mail:\n    from: Tenantry <no-reply@rights.example>\n    smtp: { host: 127.0.0.1, port: 9, \
             tls: None, username: tenantry, password: { secretRef: { name: mail, key: password } } }\n",
        )
        .ended(0);
    let documents = [
        "apiVersion: tenantry.dev/v1alpha1\nkind: Role\nmetadata: { name: helper, namespace: rights }\nspec: { livesUnder: [Company], \
         mayAppoint: [helper] }\n"
            .to_owned(),
        "---\napiVersion: tenantry.dev/v1alpha1\nkind: Company\nmetadata: { name: service, namespace: rights }\nspec: {}\n".to_owned(),
        "---\napiVersion: tenantry.dev/v1alpha1\nkind: Customer\nmetadata: { name: roof, namespace: rights }\nspec: { company: service }\n"
            .to_owned(),
        user("chief", "rights", "  role: common-manager\n"), // somebody is asked who grants it
        user(
            "anna",
            "rights",
            "  role: helper\n  credential: { method: Secret, secretRef: { name: anna, key: password } }\n",
        ),
        user("ben", "rights", "  role: owner\n"),
    ];
    cluster.apply(&documents.concat()).ended(0);
    let ready = |kind: &str, name: &str| {
        let object = cluster.get(kind, "rights", name);
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.iter().any(|it| it["type"] == "Ready" && it["status"] == "True");
        ready && object["status"]["observedGeneration"] == object["metadata"]["generation"]
    };
    for (kind, name) in [("role", "helper"), ("company", "service"), ("customer", "roof")] {
        let kind = format!("{kind}s.tenantry.dev").replace("companys", "companies");
        controller.until(PATIENCE, name, || ready(&kind, name));
    }
    for name in ["chief", "anna", "ben"] {
        controller.until(PATIENCE, name, || ready("users.tenantry.dev", name));
    }
    // A mail that cannot go out: its server's password is read all the same. A thing that happens twice is one event, patched.
    cluster.apply(&user("carl", "rights", "  role: owner\n  credential: { method: Temporary }\n")).ended(0);
    let set = |name: &str, spec: &str| {
        let patch = format!("{{\"spec\":{spec}}}");
        cluster.kubectl(&["-n", "rights", "patch", "users.tenantry.dev", name, "--type=merge", "-p", &patch]).ended(0);
    };
    for round in 0..2 {
        set("ben", "{\"enabled\":false}");
        controller.until(PATIENCE, &format!("ben is shut off, {round}"), || ready("users.tenantry.dev", "ben"));
        set("ben", "{\"enabled\":true}");
        controller.until(PATIENCE, &format!("ben is back, {round}"), || ready("users.tenantry.dev", "ben"));
    }
    cluster.kubectl(&["-n", "rights", "delete", "users.tenantry.dev", "anna", "--timeout=30s"]).ended(0);
    let wanted = granted(&rendered);
    let mut asked = BTreeSet::new();
    let until = Instant::now() + PATIENCE;
    // Whatever is to come comes within the patience: events are sent in the background.
    while asked != wanted && Instant::now() < until {
        asked =
            mark.requests().iter().filter(|it| it.user == CONTROLLER).map(|it| format!("{} {}", it.verb, it.resource)).collect();
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(asked, wanted, "left: asked for, right: granted\n{}", controller.log());
    let refused: Vec<_> =
        mark.requests().into_iter().filter(|it| it.user == CONTROLLER && (it.code == 401 || it.code == 403)).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let _ = controller.stop();
}
