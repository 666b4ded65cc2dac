//! Every rule that looks at more than one field, or at what was there before.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    documents::{Kind, Path, places},
    verdict::{Verdict, change, create, ours},
};
use crate::cluster::{Api, Cluster, unique};

const NAME: &str = "metadata.name must be a DNS label of at most 63 characters";
const PARENT: &str = "a company cannot be its own parent";
const TYPE: &str = "type must not change";
const PLACE: &str = "exactly one of `company` and `customer` must be given";
const SOURCE: &str = "a source (`secretRef`) goes with the methods Secret and Hash, and with no other";
const CLUSTER: &str = "in a cluster a secret comes from `secretRef`: `env` and `file` would be the controller's own";
const SECRET: &str = "exactly one of `env`, `file` and `secretRef` must be given";
const CHOICE: &str = "exactly one directory must be given";
const KIND: &str = "what kind of directory it is must not change: make another Directory";
const LEDGER: &str = "exactly one of `sqlite` and `postgres` must be given";
const MAIL: &str = "only one of `folder` and `smtp` can be given";
const PROOF: &str = "either `apiKey` or `username` and `password` must be given";
const URL: &str = "`url` must not change while the credential stays the same: name another secret as well";
const HOST: &str = "`host` must not change while the credential stays the same: name another secret as well";

/// What the definitions say: kind, place, message.
type Rules = BTreeSet<(String, String, String)>;

struct Table {
    api: Api,
    namespace: String,
    fired: Rules,
}

impl Table {
    fn note(&mut self, kind: &Kind, verdict: &Verdict, place: &str, message: &str) {
        assert!(verdict.says(place, message), "{} {place}: `{message}` is not said: {:?}", kind.name, verdict.0);
        self.fired.insert((kind.name.into(), place.into(), message.into()));
    }

    /// Both refuse this; or only the server, where `files` may have it.
    async fn refused(&mut self, kind: &Kind, name: &str, spec: &Value, place: &str, message: &str, files: bool) {
        let document = kind.document(name, spec);
        let (verdict, _) = create(&self.api, &self.namespace, kind, &document).await;
        self.note(kind, &verdict, place, message);
        let we = ours(kind, &document);
        assert_eq!(we.accepted(), files, "{} {place}: {message}: we say {:?}", kind.name, we.0);
    }

    /// The server refuses that the second takes the place of the first.
    async fn kept(&mut self, kind: &Kind, old: &Value, new: &Value, place: &str, message: &str) {
        let verdict = change(&self.api, &self.namespace, kind, &unique("rule"), old, new).await;
        self.note(kind, &verdict, place, message);
    }

    async fn taken(&self, kind: &Kind, old: &Value, new: &Value) {
        let verdict = change(&self.api, &self.namespace, kind, &unique("rule"), old, new).await;
        assert!(verdict.accepted(), "{}: {:?}", kind.name, verdict.0);
    }
}

/// Rules stand in the schema of what they are about; some point further down.
fn rules() -> Rules {
    let mut out = Rules::new();
    for kind in Kind::all() {
        let mut found = Vec::new();
        places(&Path::spec(), &kind.schema, &mut found);
        for (path, schema) in found {
            for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
                let place = format!("{path}{}", rule["fieldPath"].as_str().unwrap_or_default());
                out.insert((kind.name.into(), place, rule["message"].as_str().unwrap().into()));
            }
        }
        for rule in kind.rules.as_array().unwrap() {
            out.insert((kind.name.into(), "<nil>".into(), rule["message"].as_str().unwrap().into()));
        }
    }
    out
}

fn changed(spec: &Value, pointer: &str, value: &Value) -> Value {
    let mut spec = spec.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = spec.pointer_mut(parent).unwrap();
    if value.is_null() {
        parent.as_object_mut().unwrap().remove(name);
    } else {
        parent[name] = value.clone();
    }
    spec
}

#[tokio::test]
async fn every_rule_fires_with_its_message() {
    let cluster = Cluster::shared();
    let mut it = Table { api: cluster.api(), namespace: cluster.namespace("rules"), fired: Rules::new() };
    for kind in Kind::all() {
        it.refused(kind, "a.b", &kind.full[0], "<nil>", NAME, false).await;
        it.refused(kind, &"a".repeat(64), &kind.full[0], "<nil>", NAME, false).await;
    }
    companies(&mut it).await;
    users(&mut it).await;
    directories(&mut it).await;
    secrets(&mut it).await;
    hosts(&mut it).await;
    let all = rules();
    let missing: Vec<_> = all.difference(&it.fired).collect();
    assert!(missing.is_empty(), "rules without a case: {missing:#?}");
    assert!(all.len() > 30, "only {} rules were found", all.len());
}

async fn companies(it: &mut Table) {
    let company = Kind::of("Company");
    let full = &company.full[0];
    it.refused(company, "acme", full, "<nil>", PARENT, false).await;
    let without = changed(full, "/type", &Value::Null);
    it.kept(company, full, &changed(full, "/type", &json!("Installer")), "spec.type", TYPE).await;
    it.kept(company, full, &without, "spec.type", TYPE).await;
    it.taken(company, full, &changed(full, "/displayName", &json!("Other"))).await;
    it.taken(company, &without, full).await;
}

async fn users(it: &mut Table) {
    let user = Kind::of("User");
    let full = &user.full[0];
    it.refused(user, "it", &changed(full, "/customer", &json!("hafen")), "spec", PLACE, false).await;
    it.refused(user, "it", &changed(full, "/company", &Value::Null), "spec", PLACE, false).await;
    let place = "spec.credential";
    let source = json!({ "name": "passwords", "key": "anna" });
    for method in ["Secret", "Hash"] {
        it.refused(user, "it", &changed(full, "/credential", &json!({ "method": method })), place, SOURCE, false).await;
        for from in ["env", "file"] {
            let credential = json!({ "method": method, from: "PASSWORD" });
            it.refused(user, "it", &changed(full, "/credential", &credential), place, CLUSTER, true).await;
        }
    }
    for method in ["Invite", "Temporary", "None"] {
        let credential = json!({ "method": method, "secretRef": source });
        it.refused(user, "it", &changed(full, "/credential", &credential), place, SOURCE, false).await;
    }
}

async fn directories(it: &mut Table) {
    let kind = Kind::of("Directory");
    let full = &kind.full[0];
    it.refused(kind, "it", &changed(full, "/directory", &json!({})), "spec.directory", CHOICE, false).await;
    it.refused(kind, "it", &changed(full, "/directory/sqlite", &json!({})), "spec.directory", CHOICE, false).await;
    it.refused(kind, "it", &changed(full, "/ledger", &json!({})), "spec.ledger", LEDGER, false).await;
    let postgres = &kind.full[6]["ledger"]["postgres"];
    it.refused(kind, "it", &changed(full, "/ledger/postgres", postgres), "spec.ledger", LEDGER, false).await;
    it.refused(kind, "it", &changed(full, "/mail/folder", &json!("outbox")), "spec.mail", MAIL, false).await;
    let thingsboard = kind.full.iter().find(|it| it["directory"]["thingsboard"]["apiKey"].is_object()).unwrap();
    let place = "spec.directory.thingsboard";
    for (pointer, value) in [
        ("apiKey", Value::Null),
        ("username", json!("a@b.example")),
        ("password", json!({ "secretRef": { "name": "a", "key": "b" } })),
    ] {
        let changed = changed(thingsboard, &format!("/directory/thingsboard/{pointer}"), &value);
        it.refused(kind, "it", &changed, place, PROOF, false).await;
    }
    // By way of another kind a credential would get to another host.
    let other = changed(full, "/directory", &kind.full[1]["directory"]);
    it.kept(kind, full, &other, "spec.directory", KIND).await;
    // Switches of a running cluster.
    let on = changed(&changed(full, "/release", &json!(true)), "/trustAuthors", &json!(true));
    it.taken(kind, full, &on).await;
}

/// Wherever a secret stands.
async fn secrets(it: &mut Table) {
    let kind = Kind::of("Directory");
    let mut found = Vec::new();
    places(&Path::spec(), &kind.schema, &mut found);
    let all: Vec<Path> =
        found.into_iter().filter(|(_, schema)| schema["properties"]["secretRef"].is_object()).map(|(path, _)| path).collect();
    assert_eq!(all.len(), 8);
    for path in all {
        let place = path.to_string();
        let source = json!({ "name": "secrets", "key": "token" });
        let with = |secret: Value| kind.with(&path, Some(&secret));
        it.refused(kind, "it", &with(json!({})), &place, SECRET, false).await;
        it.refused(kind, "it", &with(json!({ "env": "TOKEN", "secretRef": source })), &place, SECRET, false).await;
        // The project file has these.
        it.refused(kind, "it", &with(json!({ "env": "TOKEN" })), &place, CLUSTER, true).await;
        it.refused(kind, "it", &with(json!({ "file": "/run/secrets/token" })), &place, CLUSTER, true).await;
    }
}

/// A credential goes to the host it was given for.
async fn hosts(it: &mut Table) {
    let kind = Kind::of("Directory");
    let other = json!({ "secretRef": { "name": "others", "key": "token" } });
    let of = |choice: &str| kind.full.iter().find(|it| it["directory"][choice].is_object()).unwrap().clone();
    for (choice, host, secret, message) in [
        ("scim", "/directory/scim/url", "/directory/scim/token", URL),
        ("keycloak", "/directory/keycloak/url", "/directory/keycloak/clientSecret", URL),
        ("ldap", "/directory/ldap/url", "/directory/ldap/password", URL),
        ("thingsboard", "/directory/thingsboard/url", "/directory/thingsboard/apiKey", URL),
        ("scim", "/mail/smtp/host", "/mail/smtp/password", HOST),
    ] {
        let old = of(choice);
        let moved = changed(&old, host, &json!("https://elsewhere.example"));
        let place = format!("spec{}", host.replace('/', "."));
        it.kept(kind, &old, &moved, &place, message).await;
        it.taken(kind, &old, &changed(&moved, secret, &other)).await;
        it.taken(kind, &old, &changed(&old, secret, &other)).await;
        // The same name with another key is another secret.
        it.taken(kind, &old, &changed(&moved, &format!("{secret}/secretRef/key"), &json!("another"))).await;
    }
    let old = changed(&of("scim"), "/mail/smtp/password", &Value::Null);
    it.taken(kind, &old, &changed(&old, "/mail/smtp/host", &json!("elsewhere.example"))).await;
}
