//! Our definitions on a real API server: what it takes, what it refuses and in which words, and that `tenantry validate` says
//! the same of the same documents.

mod agree;
mod documents;
mod limits;
mod rules;
mod verdict;

use std::{collections::BTreeSet, fs, path::Path};

use serde::Deserialize;
use serde_json::{Value, json};

use self::{
    documents::Kind,
    verdict::{create, ours},
};
use crate::{
    cluster::{Cluster, unique},
    place::Place,
};

const CRDS: [&str; 5] =
    ["companies.tenantry.dev", "customers.tenantry.dev", "directories.tenantry.dev", "roles.tenantry.dev", "users.tenantry.dev"];

/// `install` has applied them, and takes no warning.
#[test]
fn definitions_are_established_as_they_are_written() {
    let cluster = Cluster::shared();
    for name in CRDS {
        let crd = cluster.get("crd", "", name);
        let conditions: Vec<String> = crd["status"]["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| format!("{}={}", it["type"].as_str().unwrap(), it["status"].as_str().unwrap()))
            .collect();
        for wanted in ["Established=True", "NamesAccepted=True"] {
            assert!(conditions.iter().any(|it| it == wanted), "{name}: {conditions:?}");
        }
        assert!(!conditions.iter().any(|it| it == "NonStructuralSchema=True"), "{name}: {conditions:?}");
    }
    let mark = cluster.mark();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let again = cluster.kubectl(&["apply", "--server-side", "--field-manager=tests", "-f", folder.to_str().unwrap()]).ended(0);
    assert_eq!((again.out.lines().count(), again.err.as_str()), (5, ""), "{}", again.out);
    assert_eq!(mark.writes("admin").iter().filter(|it| it.resource == "customresourcedefinitions").count(), 5);
}

/// What `kubectl get` shows of each kind, and finds by each of its names.
#[test]
fn kubectl_shows_what_people_look_for() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("columns");
    let directory = unique("columns");
    for kind in Kind::all() {
        let name = if kind.name == "Directory" { &directory } else { "it" };
        let mut document = kind.document(name, &kind.full[0]);
        if kind.name != "Directory" {
            document["metadata"]["namespace"] = json!(namespace);
        }
        cluster.apply(&document.to_string()).ended(0);
    }
    let get = |words: &[&str]| {
        let ran = cluster.kubectl(&[&["get", "-n", &namespace], words].concat()).ended(0);
        ran.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    for (kind, headings, wide) in [
        ("companies", "NAME READY TYPE PARENT AGE", "NAME READY TYPE PARENT STATUS AGE"),
        ("customers", "NAME READY PARENT EMAIL AGE", "NAME READY PARENT EMAIL STATUS AGE"),
        ("directories", "NAME READY NAMESPACES HELD AGE", "NAME READY NAMESPACES HELD STATUS AGE"),
        ("roles.tenantry.dev", "NAME READY LIVES-UNDER PRIVILEGED AGE", "NAME READY LIVES-UNDER PRIVILEGED STATUS AGE"),
        ("users", "NAME READY ROLE COMPANY CUSTOMER EMAIL AGE", "NAME READY ROLE COMPANY CUSTOMER EMAIL STATUS AGE"),
    ] {
        assert_eq!(get(&[kind])[0], headings);
        assert_eq!(get(&[kind, "-o", "wide"])[0], wide);
    }
    let row = |kind: &str, name: &str| get(&[kind, name]).pop().unwrap();
    assert!(row("tuser", "it").starts_with("it owner acme anna@x.example "), "{}", row("tuser", "it"));
    assert!(row("tcompany", "it").starts_with("it Distributor acme "), "{}", row("tcompany", "it"));
    assert!(row("tcustomer", "it").starts_with("it acme hafen@x.example "), "{}", row("tcustomer", "it"));
    assert!(row("trole", "it").starts_with("it [\"Company\",\"Customer\"] true "), "{}", row("trole", "it"));
    assert!(row("tdirectory", &directory).starts_with(&format!("{directory} [\"team-*\",\"nordlicht\"] ")));
    let all: BTreeSet<String> = get(&["tenantry", "-o", "name"]).into_iter().filter(|it| it.ends_with("/it")).collect();
    let expected = ["company.tenantry.dev/it", "customer.tenantry.dev/it", "role.tenantry.dev/it", "user.tenantry.dev/it"];
    assert!(all.iter().eq(expected), "{all:?}");
    for (kind, selector, count) in [
        ("users", "spec.company=acme", 1),
        ("users", "spec.company=other", 0),
        ("users", "spec.customer=hafen", 0),
        ("users", "spec.role=owner,spec.company=acme", 1),
        ("companies", "spec.parent=acme", 1),
        ("customers", "spec.company=acme", 1),
    ] {
        assert_eq!(get(&[kind, "--field-selector", selector, "-o", "name"]).len(), count, "{kind} {selector}");
    }
    cluster.kubectl(&["get", "users", "-n", &namespace, "--field-selector", "spec.email=x"]).ended(1);
    let explained = cluster.kubectl(&["explain", "user.spec.credential.method"]).ended(0).out;
    let explained = explained.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(explained.contains("ENUM: Invite Temporary Secret Hash None DESCRIPTION: Invite: a set-password link"), "{explained}");
}

/// What the controller writes, as the server keeps it: conditions by their type, and nothing of `spec`.
#[test]
fn a_status_is_kept() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("status");
    let user = Kind::of("User");
    let mut document = user.document("it", &user.full[0]);
    document["metadata"]["namespace"] = json!(namespace);
    cluster.apply(&document.to_string()).ended(0);
    let status = json!({
        "observedGeneration": 1, "directory": "acme", "directoryId": "7", "approved": "sha256:1", "rejected": "sha256:2",
        "plan": { "verb": "create", "reason": "Declared", "message": "is declared and not there" }, "lastHandledReset": "1",
        "lastHandledReconcileAt": "2", "authorizationCode": "x",
        "conditions": [{ "type": "Ready", "status": "True", "observedGeneration": 1, "reason": "Succeeded", "message": "as declared",
            "lastTransitionTime": "2026-01-01T00:00:00Z" }],
    });
    let patch = json!({ "status": status }).to_string();
    let words = ["patch", "user", "it", "-n", &namespace, "--subresource=status", "--type=merge", "-p", &patch];
    assert_eq!(cluster.kubectl(&words).ended(0).err, "");
    assert_eq!(cluster.get("user", &namespace, "it")["status"], status);
    assert!(cluster.kubectl(&["get", "user", "it", "-n", &namespace]).out.contains("it     True    owner"));
    let directory = Kind::of("Directory");
    let name = unique("status");
    cluster.apply(&directory.document(&name, &directory.full[0]).to_string()).ended(0);
    let status = json!({
        "observedGeneration": 1, "conditions": [], "window": [{ "hour": "2026-01-01T00:00:00Z", "losses": 1 }],
        "held": { "count": 1, "digest": "sha256:1", "first": ["user/a/b"], "message": "that approval was for another digest" },
        "lastHandledApproval": "sha256:0",
    });
    let patch = json!({ "status": status }).to_string();
    let words = ["patch", "directory", &name, "--subresource=status", "--type=merge", "-p", &patch];
    assert_eq!(cluster.kubectl(&words).ended(0).err, "");
    assert_eq!(cluster.get("directory", "", &name)["status"], status);
}

/// A field that is null is a mistake to us. The server drops it before anything is looked at, whatever a schema says: there
/// it is as if it were not given, and what must be given is missing.
#[tokio::test]
async fn null_is_not_given() {
    let cluster = Cluster::shared();
    let (namespace, api) = (cluster.namespace("null"), cluster.api());
    let user = Kind::of("User");
    let mut spec = user.full[0].clone();
    for name in ["phone", "enabled", "credential"] {
        spec[name] = Value::Null;
    }
    let document = user.document("it", &spec);
    let (verdict, taken) = create(&api, &namespace, user, &document).await;
    assert!(verdict.accepted(), "{:?}", verdict.0);
    assert_eq!((taken["spec"].get("phone"), &taken["spec"]["enabled"]), (None, &json!(true)));
    assert!(["spec.phone", "spec.enabled", "spec.credential"].iter().all(|it| ours(user, &document).refuses(it)));
    spec["email"] = Value::Null;
    let (verdict, _) = create(&api, &namespace, user, &user.document("it", &spec)).await;
    assert!(verdict.says("spec.email", "Required value"), "{:?}", verdict.0);
}

/// A field nobody knows: both refuse it, in each object there is.
#[tokio::test]
async fn unknown_fields_are_refused() {
    let cluster = Cluster::shared();
    let (namespace, api) = (cluster.namespace("unknown"), cluster.api());
    for kind in Kind::all() {
        let mut found = Vec::new();
        documents::places(&documents::Path::spec(), &kind.schema, &mut found);
        for (path, _) in found.into_iter().filter(|(_, it)| it["type"] == "object") {
            let mut object = kind.full.iter().find_map(|it| path.find(it)).unwrap().clone();
            object["nonsense"] = json!(1);
            let document = kind.document("it", &kind.with(&path, Some(&object)));
            let (verdict, answer) = create(&api, &namespace, kind, &document).await;
            assert!(verdict.says("", &format!("unknown field \"{path}.nonsense\"")), "{} {path}: {answer}", kind.name);
            assert!(ours(kind, &document).refuses(&format!("{path}.nonsense")), "{} {path}", kind.name);
        }
    }
}

/// Everything valid is taken, and comes back as it was; the defaults of the schema are the defaults of the reader.
#[tokio::test]
async fn full_documents_come_back_as_they_were() {
    let cluster = Cluster::shared();
    let (namespace, api) = (cluster.namespace("full"), cluster.api());
    for kind in Kind::all() {
        for full in &kind.full {
            let document = kind.document("it", full);
            let we = ours(kind, &document);
            assert!(we.accepted(), "{}: {:?}", kind.name, we.0);
            let (verdict, taken) = create(&api, &namespace, kind, &document).await;
            let files_only = Kind::files_only(full);
            assert_eq!(verdict.accepted(), !files_only, "{}: {:?}", kind.name, verdict.0);
            if !files_only {
                assert_eq!(&taken["spec"], full, "{}", kind.name);
            }
        }
    }
}

/// The examples, as the server would keep them: read again they mean what they meant.
#[tokio::test]
async fn examples_are_taken_and_mean_the_same() {
    let cluster = Cluster::shared();
    let (namespace, api) = (cluster.namespace("examples"), cluster.api());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for (example, declared) in [("quickstart", "tenants.yaml"), ("solar-fleet", "tenants"), ("iot-platform", "tenants")] {
        let mut files = vec![root.join(example).join(declared)];
        if files[0].is_dir() {
            files = fs::read_dir(&files[0]).unwrap().map(|it| it.unwrap().path()).collect();
        }
        let place = Place::new();
        place.write("tenantry.yaml", &fs::read_to_string(root.join(example).join("tenantry.yaml")).unwrap());
        let (mut written, mut kept) = (0, String::new());
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            place.write(&format!("{declared}/{}", file.file_name().unwrap().display()).replace("tenants.yaml/", ""), &text);
            for document in serde_yaml::Deserializer::from_str(&text) {
                let Some(mut document) = Option::<Value>::deserialize(document).unwrap() else { continue };
                let own = document["metadata"].as_object_mut().unwrap().remove("namespace");
                let kind = Kind::of(document["kind"].as_str().unwrap());
                let (verdict, mut taken) = create(&api, &namespace, kind, &document).await;
                assert!(verdict.accepted(), "{}: {:?}\n{document}", file.display(), verdict.0);
                match own {
                    Some(own) => taken["metadata"]["namespace"] = own,
                    None => drop(taken["metadata"].as_object_mut().unwrap().remove("namespace")),
                }
                kept.push_str(&format!("---\n{taken}\n"));
                written += 1;
            }
        }
        assert!(written > 5, "{example}: {written}");
        place.run("apply --yes").ended(0);
        let folder = place.file(declared);
        if folder.is_dir() {
            fs::remove_dir_all(&folder).unwrap();
            place.write(&format!("{declared}/kept.yaml"), &kept);
        } else {
            place.write(declared, &kept);
        }
        let plan = place.run("plan --detailed-exitcode").ended(0);
        assert!(plan.out.contains("nothing to change") || plan.out.contains("unchanged"), "{}", plan.out);
    }
}
