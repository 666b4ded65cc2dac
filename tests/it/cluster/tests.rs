//! The server of the tests is one, and leaves nothing behind.

use std::{
    env,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use super::{CONTROLLER, Cluster, Controller, Identity, SYSTEM, With, servers, unique, until};

const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn somebody_may_do_what_they_may() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("rights");
    let can = |words: &[&str]| {
        let ran = cluster.ran(&Identity::Controller, &[&["auth", "can-i"], words].concat(), "");
        ran.out.trim() == "yes"
    };
    assert!(can(&["patch", "users.tenantry.dev/status", "-A"]) && can(&["watch", "directories.tenantry.dev"]));
    assert!(can(&["get", "secrets", "-n", SYSTEM]) && can(&["update", "leases.coordination.k8s.io", "-n", SYSTEM]));
    assert!(!can(&["list", "secrets", "-n", SYSTEM]) && !can(&["get", "secrets", "-n", &namespace]));
    assert!(!can(&["delete", "users.tenantry.dev", "-A"]) && !can(&["update", "users.tenantry.dev", "-A"]));
    let who = |identity| {
        let ran = cluster.ran(identity, &["auth", "whoami", "-o", "json"], "").ended(0).json();
        (ran["status"]["userInfo"]["username"].clone(), ran["status"]["userInfo"]["groups"].to_string())
    };
    let (name, groups) = who(&Identity::Controller);
    assert!(name == CONTROLLER && groups.contains("system:serviceaccounts:tenantry-system"), "{groups}");
    let (name, groups) = who(&Identity::Person("anna", &["admins"]));
    assert!(name == "anna" && groups.contains("admins"), "{groups}");
    assert!(cluster.kubectl_as("anna", &[], &["get", "pods"]).ended(1).err.contains("User \"anna\" cannot list resource \"pods\""));
}

#[test]
fn every_request_can_be_read_afterwards() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("audit");
    let map = |name: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: {name}, namespace: {namespace} }}\ndata: {{ a: b }}\n")
    };
    cluster.apply(&map("before")).ended(0);
    let mark = cluster.mark();
    assert_eq!(cluster.get("configmap", &namespace, "nobody"), serde_json::Value::Null);
    cluster.apply(&map("one")).ended(0);
    let ben = unique("ben");
    cluster.apply_as(&Identity::Person(&ben, &[]), &map("two")).ended(1);
    cluster.kubectl(&["create", "configmap", "three", "-n", &namespace, "--dry-run=server"]).ended(0);
    let here = |it: &super::Request| it.namespace == namespace;
    let written: Vec<String> = mark.writes("admin").iter().filter(|it| here(it)).map(ToString::to_string).collect();
    assert_eq!(written, [format!("patch configmaps {namespace}/one by admin: 201")]);
    assert!(mark.writes(&ben).iter().all(|it| it.code == 403), "{:?}", mark.writes(&ben));
    let asked = mark.requests();
    assert!(asked.iter().any(|it| here(it) && it.name == "nobody" && it.verb == "get" && it.code == 404), "{asked:?}");
    assert!(asked.iter().any(|it| here(it) && it.user == ben && it.code == 403), "{asked:?}");
}

/// Our own client has to trust the server for its certificate, not against it.
#[tokio::test]
async fn the_certificate_is_a_real_one() {
    let cluster = Cluster::shared();
    let (status, version) = cluster.api().ask(reqwest::Method::GET, "/version", None).await;
    assert_eq!((status, version["minor"].is_string()), (200, true), "{version}");
    let url = format!("{}/version", cluster.server);
    assert!(reqwest::Client::new().get(&url).bearer_auth("admin").send().await.is_err());
}

#[test]
fn a_namespace_goes_with_all_it_has() {
    let cluster = Cluster::start(&With { controller_manager: true });
    let namespace = cluster.namespace("gone");
    cluster.until(
        || !cluster.get("serviceaccount", &namespace, "default").is_null(),
        PATIENCE,
        "the controller manager makes the namespace's account",
    );
    cluster.kubectl(&["delete", "namespace", &namespace, "--timeout=60s"]).ended(0);
    assert!(cluster.get("namespace", "", &namespace).is_null());
}

/// What the next test starts, and ends in several ways: the server of a test, and a process as the controller is one.
#[test]
fn somebody_who_is_ended() {
    let Some(way) = env::var_os("TENANTRY_TEST_END") else { return };
    let cluster = Cluster::start(&With::default());
    let process = Command::new(servers().join("leash")).args(["sleep", "1000"]).stdin(Stdio::piped()).spawn().unwrap();
    println!("\n{} {} {}", cluster.folder.display(), cluster.child.id(), process.id());
    assert!(way != "panic", "as it was told to");
    thread::sleep(Duration::from_secs(1000));
    drop((process, cluster));
}

#[test]
fn nothing_is_left_however_a_test_ends() {
    let end = |way: &str| {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "cluster::tests::somebody_who_is_ended", "--nocapture"])
            .env("TENANTRY_TEST_END", way)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let told = lines.find(|line| line.starts_with('/')).unwrap();
        let [folder, server, process] = told.split(' ').collect::<Vec<_>>()[..] else { panic!("{told}") };
        let (pid, group) = (child.id().to_string(), format!("-{}", child.id()));
        let kill = |signal: &str, whom: &str| {
            assert!(Command::new("kill").args(["-s", signal, "--", whom]).status().unwrap().success());
        };
        match way {
            "killed" => kill("KILL", &pid),
            // What Ctrl-C does.
            "interrupted" => kill("INT", &group),
            // What is left without whom the rest hangs on.
            "server killed" => {
                kill("KILL", server);
                kill("KILL", &pid);
            }
            _ => {}
        }
        child.wait().unwrap();
        until(PATIENCE, &format!("{way}: everything ends"), || {
            let all = Command::new("ps").args(["-eo", "pid=,args="]).output().unwrap();
            let all = String::from_utf8_lossy(&all.stdout).into_owned();
            let ours = |line: &&str| {
                let pid = line.split_whitespace().next();
                line.contains(folder) || pid == Some(server) || pid == Some(process)
            };
            let left: Vec<&str> = all.lines().filter(ours).collect();
            if left.is_empty() { Ok(()) } else { Err(left.join("\n")) }
        });
        if way == "server killed" {
            let _ = std::fs::remove_dir_all(folder);
        }
        assert!(!Path::new(folder).exists(), "{way}");
    };
    thread::scope(|scope| {
        for way in ["killed", "interrupted", "panic", "server killed"] {
            scope.spawn(move || end(way));
        }
    });
}

/// A controller can be started beside others, asked, held still and ended.
#[test]
fn a_controller_runs_as_a_process() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("process");
    let documents = format!(
        "apiVersion: tenantry.dev/v1alpha1
kind: Directory
metadata: {{ name: {namespace} }}
spec: {{ namespaces: [{namespace}], directory: {{ sqlite: {{}} }} }}
---
apiVersion: tenantry.dev/v1alpha1
kind: Company
metadata: {{ name: north, namespace: {namespace} }}
spec: {{}}
"
    );
    cluster.apply(&documents).ended(0);
    let controller = Controller::start(cluster, &["--only", &namespace]);
    assert!(controller.metrics().contains("# TYPE"));
    assert_eq!(controller.page("/healthz").0, 200);
    let ready = || {
        let status = cluster.get("company", &namespace, "north")["status"].clone();
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.iter().any(|it| it["type"] == "Ready" && it["status"] == "True");
        if ready { Ok(()) } else { Err(status.to_string()) }
    };
    controller.until(PATIENCE, "the company is ready", ready);
    assert!(controller.folder().join("tenantry.db").exists());
    controller.pause();
    controller.resume();
    assert!(!controller.lines().is_empty());
    let folder = controller.folder().to_owned();
    let (status, log) = controller.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!folder.exists());
    let mut wrong = Controller::start(cluster, &["--resync", "never"]);
    assert_eq!(wrong.ended().0.code(), Some(3), "{}", wrong.log());
    let next = Controller::start(cluster, &["--only", &namespace]);
    next.says("listening", 1);
    assert!(next.kill().contains("listening"));
}
