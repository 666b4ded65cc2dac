//! How people of a cluster come to what they sign in with.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

use super::{Bench, PATIENCE, company, condition, is_ready, user_with};
use crate::cluster::{Call, unique};

/// The mails that went out.
fn mails(bench: &Bench<'_>) -> BTreeSet<String> {
    let Ok(files) = fs::read_dir(bench.path().join("outbox")) else { return BTreeSet::new() };
    files
        .map(|it| it.unwrap().path())
        .filter(|it| it.extension().is_some_and(|it| it == "eml"))
        .map(|it| fs::read_to_string(it).unwrap())
        .collect()
}

fn delivered(object: &Value) -> bool {
    is_ready(object) && condition(object, "CredentialDelivered")["status"] == "True"
}

#[test]
fn a_temporary_password_is_mailed_and_reset() {
    let mut bench = Bench::new("mail");
    let temporary = |reset: Option<&str>| {
        let mut credential = json!({ "method": "Temporary" });
        if let Some(reset) = reset {
            credential["reset"] = json!(reset);
        }
        user_with("anna", &json!({ "credential": credential }))
    };
    bench.apply([company("north"), temporary(None)]);
    let there = bench.until("User", "anna", "has its password", delivered);
    assert!(there["status"]["lastHandledReset"].is_null(), "{there}");
    let first = mails(&bench);
    assert!(first.len() == 1 && first.iter().all(|it| it.contains("anna@x.example")), "{first:?}");
    // Nothing else sends one.
    bench.apply([with_name(temporary(None))]);
    bench.ready("User", "anna");
    bench.stop();
    bench.start();
    bench.apply([temporary(Some("2026-11-22"))]);
    bench.until("User", "anna", "has another one", |it| delivered(it) && it["status"]["lastHandledReset"] == "2026-11-22");
    assert_eq!(mails(&bench).len(), 2);
    // Taking `reset` away does nothing.
    bench.apply([temporary(None)]);
    bench.ready("User", "anna");
    assert_eq!(mails(&bench).len(), 2);
    bench.apply([temporary(Some("again"))]);
    bench.until("User", "anna", "has a third one", |it| delivered(it) && it["status"]["lastHandledReset"] == "again");
    let all = mails(&bench);
    assert_eq!(all.len(), 3);
    // None of them is anywhere else.
    let told = format!("{}{}{}", bench.get("User", "anna"), json!(bench.cluster.all("events", &bench.home)), bench.log());
    for mail in all {
        let password =
            mail.lines().map(|it| it.trim_end_matches(['\r', '='])).find(|it| it.trim().len() == 20 && !it.trim().contains(' '));
        assert!(password.is_none_or(|it| !told.contains(it.trim())), "{told}");
    }
}

fn with_name(document: Value) -> Value {
    super::with(document, &json!({ "displayName": "Anna" }))
}

#[test]
fn a_password_comes_from_a_secret_of_its_own_namespace() {
    const VALUE: &str = "Correct-Horse-9-Battery";
    let bench = Bench::new("secret");
    let source = json!({ "credential": { "method": "Secret", "secretRef": { "name": "anna", "key": "password" } } });
    bench.apply([company("north"), user_with("anna", &source)]);
    // The controller may not read Secrets here, and there is none.
    let owed = |it: &Value| condition(it, "CredentialDelivered")["status"] == "False";
    let denied = bench.until("User", "anna", "says why", owed);
    assert!(condition(&denied, "CredentialDelivered")["message"].as_str().unwrap().contains("Secret"), "{denied}");
    let name = unique("secrets");
    bench.cluster.kubectl(&["create", "role", &name, "--verb=get", "--resource=secrets", "-n", &bench.home]).ended(0);
    let account = "--serviceaccount=tenantry-system:tenantry";
    bench.cluster.kubectl(&["create", "rolebinding", &name, "--role", &name, account, "-n", &bench.home]).ended(0);
    let missing = bench.until("User", "anna", "misses the Secret", |it| {
        owed(it) && condition(it, "CredentialDelivered")["message"].as_str().unwrap().contains("there is no")
    });
    assert!(!is_ready(&missing), "{missing}");
    let secret =
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "anna" }, "stringData": { "password": VALUE } });
    bench.cluster.ask_all(vec![Call::apply("secrets", &bench.home, secret)]);
    bench.until("User", "anna", "has its password", delivered);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tenantry"));
    command.args(["verify-password", "anna"]).current_dir(bench.path()).env_clear();
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{VALUE}\n").as_bytes()).unwrap();
    let ran: crate::place::Ran = child.wait_with_output().unwrap().into();
    ran.ended(0);
    // A Secret of somebody else's namespace cannot be named, and what is no password says so.
    let weak = json!({ "credential": { "method": "Secret", "secretRef": { "name": "ben", "key": "password" } } });
    let secret =
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "ben" }, "stringData": { "password": "tiny" } });
    bench.cluster.ask_all(vec![Call::apply("secrets", &bench.home, secret)]);
    bench.apply([user_with("ben", &weak)]);
    let refused = bench.until("User", "ben", "is refused its password", owed);
    let message = condition(&refused, "CredentialDelivered")["message"].as_str().unwrap();
    assert!(!message.contains("tiny") && !message.is_empty(), "{message}");
    let told = || {
        let events = json!(bench.cluster.all("events", &bench.home));
        format!("{}{}{events}{}{}", bench.get("User", "anna"), bench.get("User", "ben"), bench.log(), bench.controller().metrics())
    };
    bench.controller().until(PATIENCE, "there are events", || !bench.cluster.all("events", &bench.home).is_empty());
    let told = told();
    assert!(!told.contains(VALUE) && !told.contains("tiny"), "{told}");
}
