//! The controller on a real API server and the embedded directory: how soon one user is ready, what ten thousand at once cost, and
//! what a restart with ten thousand settled ones costs.
//!
//!     cargo bench --bench controller            ten thousand
//!     cargo bench --bench controller -- 2000    as many as that
//!
//! Everything runs on this machine, server, database of the server and load included: what is said of seconds is true for two cores
//! that do all of that. What is said of writes is counted by the server's own audit log.

#![allow(clippy::cast_precision_loss, reason = "no count here is that large")]

#[allow(dead_code, unused_imports, reason = "made for the tests")]
#[path = "../tests/it/cluster/mod.rs"]
mod cluster;
#[allow(dead_code, unused_imports, reason = "made for the tests")]
#[path = "../tests/it/place.rs"]
mod place;

#[allow(dead_code, unused_imports, reason = "made for the tests")]
#[path = "../tests/it/chart.rs"]
mod chart;

use std::{
    collections::HashSet,
    path::PathBuf,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use kube::{
    Api, Client, Config,
    api::{PostParams, WatchEvent, WatchParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::{ApiResource, DynamicObject},
};
use serde_json::json;

use cluster::{CONTROLLER, Cluster, Controller, Identity, With};

/// Users by which the server alone is timed.
const FLOOR: usize = 2_000;
/// Single users that are timed.
const SINGLE: usize = 200;
/// Creates at once.
const WIDTH: usize = 8;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    let many: usize = words.first().and_then(|it| it.parse().ok()).unwrap_or(10_000);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cluster = Cluster::start(&With::default());
    cluster.install();
    let namespace = cluster.namespace("bench");
    cluster
        .apply(&format!(
            "apiVersion: tenantry.dev/v1alpha1\nkind: Directory\nmetadata: {{ name: bench }}\nspec:\n  namespaces: [{namespace}]\n  \
             directory: {{ sqlite: {{ path: bench.db }} }}\n---\napiVersion: tenantry.dev/v1alpha1\nkind: Company\nmetadata: {{ name: \
             service, namespace: {namespace} }}\nspec: {{ region: europe }}\n"
        ))
        .ended(0);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let floor = cluster.namespace("floor");
    let alone = runtime.block_on(users(cluster.kubeconfig(&Identity::Admin), &floor));
    let took = runtime.block_on(create(&alone, names(FLOOR)));
    let bare = FLOOR as f64 / took.as_secs_f64();
    println!("the server alone, without a controller: {bare:.0} creates a second");
    cluster.kubectl(&["delete", "namespace", &floor, "--wait=false"]).ended(0);
    cluster.kubectl(&["-n", &floor, "delete", "users.tenantry.dev", "--all", "--wait=false"]).ended(0);
    let users = runtime.block_on(users(cluster.kubeconfig(&Identity::Admin), &namespace));
    let folder = tempfile::tempdir().expect("a folder");
    let controller = Controller::start_in(&cluster, folder.path(), &["--only", "bench"]);
    controller.until(Duration::from_secs(30), "it is ready", || controller.page("/readyz").0 == 200);

    let mut waits: Vec<Duration> = (0..SINGLE).map(|at| runtime.block_on(one(&users, &format!("single-{at}")))).collect();
    waits.sort();
    println!("one user, of {SINGLE}: ready after {:?} (p50), {:?} (p99)", waits[SINGLE / 2], waits[SINGLE * 99 / 100]);

    let mark = cluster.mark();
    let (created, ready) = runtime.block_on(all(&users, many));
    println!("{many} at once: created in {created:?}, all ready after {ready:?}");
    let writes = mark.writes(CONTROLLER);
    let count = |what: &str| writes.iter().filter(|it| it.resource == what).count();
    println!(
        "    writes for each object: {:.3} of status, {:.3} of finalizers; events {}; memory {} MiB",
        count("users/status") as f64 / many as f64,
        count("users") as f64 / many as f64,
        count("events"),
        metric(&controller.metrics(), "process_resident_memory_bytes") / 1_048_576.0,
    );
    let rate = many as f64 / ready.as_secs_f64();
    println!("    {rate:.0} objects a second, {:.2} of the bare rate with two more writes for each", rate / bare);

    let mut waits: Vec<Duration> = (0..SINGLE).map(|at| runtime.block_on(one(&users, &format!("late-{at}")))).collect();
    waits.sort();
    println!("one user beside {many}: ready after {:?} (p50), {:?} (p99)", waits[SINGLE / 2], waits[SINGLE * 99 / 100]);

    let _ = controller.stop();
    let database = folder.path().join("bench.db");
    let before = std::fs::metadata(&database).and_then(|it| it.modified()).expect("the database");
    let mark = cluster.mark();
    let started = Instant::now();
    let controller = Controller::start_in(&cluster, folder.path(), &["--only", "bench"]);
    controller.until(Duration::from_mins(1), "it is ready", || controller.page("/readyz").0 == 200);
    let ready = started.elapsed();
    controller.until(Duration::from_mins(1), "it has looked", || {
        metric(&controller.metrics(), "tenantry_directory_requests_total") >= 1.0
    });
    std::thread::sleep(Duration::from_secs(5));
    let writes: Vec<_> = mark.writes(CONTROLLER).into_iter().filter(|it| it.resource != "leases").collect();
    println!(
        "restart: ready after {ready:?}, {} writes to the API server, {} reads of the directory, its file {}; memory {} MiB",
        writes.len(),
        metric(&controller.metrics(), "tenantry_directory_requests_total"),
        if std::fs::metadata(&database).and_then(|it| it.modified()).ok() == Some(before) { "untouched" } else { "written" },
        metric(&controller.metrics(), "process_resident_memory_bytes") / 1_048_576.0,
    );
    let _ = controller.stop();
}

/// The sum of a metric over all its labels.
fn metric(text: &str, name: &str) -> f64 {
    let values = text.lines().filter(|line| line.starts_with(name) && line[name.len()..].starts_with(['{', ' ']));
    values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

async fn users(kubeconfig: PathBuf, namespace: &str) -> Api<DynamicObject> {
    let config = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.expect("a configuration");
    let resource = ApiResource {
        group: "tenantry.dev".into(),
        version: "v1alpha1".into(),
        api_version: "tenantry.dev/v1alpha1".into(),
        kind: "User".into(),
        plural: "users".into(),
    };
    Api::namespaced_with(Client::try_from(config).expect("a client"), namespace, &resource)
}

fn user(name: &str) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "User", "metadata": { "name": name },
        "spec": { "email": format!("{name}@bench.example"), "displayName": "Somebody", "company": "service", "role": "owner" },
    }))
    .expect("an object")
}

fn is_ready(object: &DynamicObject) -> bool {
    let conditions = object.data["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|it| it["type"] == "Ready" && it["status"] == "True")
}

/// From the request that creates a user to the news that they are ready.
async fn one(users: &Api<DynamicObject>, name: &str) -> Duration {
    let parameters = WatchParams::default().fields(&format!("metadata.name={name}"));
    let mut news = users.watch(&parameters, "0").await.expect("a watch").boxed();
    let started = Instant::now();
    users.create(&PostParams::default(), &user(name)).await.expect("a user");
    while let Some(event) = news.next().await {
        if let Ok(WatchEvent::Modified(object) | WatchEvent::Added(object)) = event
            && is_ready(&object)
        {
            break;
        }
    }
    started.elapsed()
}

fn names(many: usize) -> Vec<String> {
    (0..many).map(|at| format!("user-{at}")).collect()
}

/// Creates all of them, some at once, and says how long that took.
async fn create(users: &Api<DynamicObject>, names: Vec<String>) -> Duration {
    let started = Instant::now();
    stream::iter(names)
        .for_each_concurrent(WIDTH, |name| async move {
            while users.create(&PostParams::default(), &user(&name)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        })
        .await;
    started.elapsed()
}

/// From the first request to the last created, and to the last that is ready.
async fn all(users: &Api<DynamicObject>, many: usize) -> (Duration, Duration) {
    let names = names(many);
    let mut waiting: HashSet<String> = names.iter().cloned().collect();
    let version = users.list(&kube::api::ListParams::default().limit(1)).await.expect("a list").metadata.resource_version;
    let mut news = users.watch(&WatchParams::default(), &version.unwrap_or_default()).await.expect("a watch").boxed();
    let started = Instant::now();
    let create = {
        let users = users.clone();
        tokio::spawn(async move { create(&users, names).await })
    };
    let mut seen = version_after(users).await;
    while !waiting.is_empty() {
        match tokio::time::timeout(Duration::from_secs(30), news.next()).await {
            Ok(Some(Ok(WatchEvent::Modified(object) | WatchEvent::Added(object)))) => {
                if is_ready(&object) {
                    waiting.remove(object.metadata.name.as_deref().unwrap_or_default());
                }
                seen = object.metadata.resource_version.unwrap_or(seen);
            }
            Ok(Some(_)) => {}
            // A watch ends after some minutes.
            Ok(None) | Err(_) => {
                for object in users.list(&kube::api::ListParams::default()).await.expect("a list").items {
                    if is_ready(&object) {
                        waiting.remove(object.metadata.name.as_deref().unwrap_or_default());
                    }
                }
                news = users.watch(&WatchParams::default(), &seen).await.expect("a watch").boxed();
            }
        }
    }
    let ready = started.elapsed();
    (create.await.expect("all created"), ready)
}

async fn version_after(users: &Api<DynamicObject>) -> String {
    let list = users.list(&kube::api::ListParams::default().limit(1)).await.expect("a list");
    list.metadata.resource_version.unwrap_or_default()
}
