//! The controller ends in the midst of its work, has much of it, or none.

use std::{collections::BTreeMap, thread, time::Duration};

use serde_json::{Value, json};

use super::{Bench, PATIENCE, company, counted, is_ready, user};
use crate::cluster::Cluster;

/// When the controller is to end.
type Stage<'s> = (&'s str, &'s dyn Fn(&Bench<'_>) -> bool);

#[test]
fn a_crash_at_any_time_makes_neither_doubles_nor_orphans() {
    const MANY: usize = 200;
    let mut bench = Bench::idle(Cluster::shared(), "crash", &json!({}), &[]);
    let people: Vec<Value> = (0..MANY).map(|at| user(&format!("u{at:03}"))).collect();
    bench.apply(people.into_iter().chain([company("north")]));
    let kept = |bench: &Bench<'_>| {
        let all = bench.cluster.all("users", &bench.home);
        let kept = all.iter().filter(|it| it["metadata"]["finalizers"].is_array()).count();
        (kept, all.iter().filter(|it| it["status"]["directoryId"].is_string()).count())
    };
    let accounts = |bench: &Bench<'_>| {
        let database = rusqlite::Connection::open(bench.path().join(bench.database())).unwrap();
        database.busy_timeout(PATIENCE).unwrap();
        let rows = database.query_row("SELECT count(*) FROM objects WHERE kind = 'user'", (), |row| row.get::<_, i64>(0));
        rows.ok().and_then(|count| usize::try_from(count).ok())
    };
    let stages: [Stage<'_>; 5] = [
        ("some are kept", &|it| kept(it).0 > 5),
        ("more are kept", &|it| kept(it).0 > 100),
        ("there are accounts", &|it| accounts(it) > Some(0)),
        ("somebody is told", &|it| kept(it).1 > 3),
        ("more are told", &|it| kept(it).1 > 100),
    ];
    for (what, is) in stages {
        bench.start();
        bench.controller().until(PATIENCE, what, || is(&bench));
        bench.kill();
    }
    bench.start();
    let all = bench.all_ready("User", MANY);
    let there = bench.accounts("User");
    assert_eq!((there.len(), accounts(&bench)), (MANY, Some(MANY)), "at most one each, and no orphan");
    for object in all {
        let name = object["metadata"]["name"].as_str().unwrap();
        assert_eq!(object["status"]["directoryId"], there[name].id.as_str());
    }
    let history = bench.tenantry(&["history", "-o", "json"]).ended(0).out;
    assert_eq!(history.matches("\"create\"").count(), MANY + 1, "each was made once");
}

#[test]
fn two_thousand_at_once() {
    const MANY: usize = 2_000;
    // Others would see all of them too.
    let cluster = Cluster::start(&crate::cluster::With::default());
    cluster.install();
    let bench = Bench::on(&cluster, "many", &json!({}), &[]);
    bench.controller().says("\"leads\"", 1);
    let mark = cluster.mark();
    bench.apply([company("north")]);
    bench.apply((0..MANY).map(|at| user(&format!("u{at:04}"))));
    bench.all("User", "all are ready", Duration::from_mins(2), |all| all.len() == MANY && all.iter().all(is_ready));
    bench.ready("Company", "north");
    let mut writes: BTreeMap<(String, String), Vec<u64>> = BTreeMap::new();
    for request in bench.writes(&mark).into_iter().filter(|it| it.resource.starts_with("users")) {
        writes.entry((request.resource, request.name)).or_default().push(request.code);
    }
    let mut more: BTreeMap<(&str, &[u64]), usize> = BTreeMap::new();
    for ((resource, _), codes) in writes.iter().filter(|(_, codes)| codes.len() > 1) {
        *more.entry((resource, codes)).or_default() += 1;
    }
    assert_eq!(more, BTreeMap::new(), "objects that were written more than once, by what was answered");
    assert_eq!(writes.len(), 2 * MANY, "the finalizer once, and the status once");
    let metrics = bench.controller().metrics();
    assert_eq!(counted(&metrics, "tenantry_api_writes_total", &["operation=\"status\"", "success"]), MANY as u64 + 1);
    assert_eq!(counted(&metrics, "tenantry_api_writes_total", &["operation=\"finalizer\"", "success"]), MANY as u64 + 1);
    assert!(counted(&metrics, "tenantry_directory_requests_total", &["observe"]) < 200, "{metrics}");
}

#[test]
fn a_restart_writes_nothing() {
    const SOME: usize = 50;
    let mut bench = Bench::new("restart");
    bench.apply([company("north")].into_iter().chain((0..SOME).map(|at| user(&format!("u{at:02}")))));
    bench.all_ready("User", SOME);
    bench.ready("Company", "north");
    bench.settled();
    bench.stop();
    let (before, mark) = (bench.tenantry(&["history", "-o", "json"]).ended(0).out, bench.cluster.mark());
    bench.start();
    let observed = |bench: &Bench<'_>| counted(&bench.controller().metrics(), "tenantry_directory_requests_total", &["observe"]);
    bench.controller().until(PATIENCE, "it has looked", || observed(&bench) >= 1);
    thread::sleep(Duration::from_secs(2));
    assert_eq!(bench.writes(&mark), []);
    let metrics = bench.controller().metrics();
    assert!(observed(&bench) <= 3, "{metrics}");
    assert_eq!(counted(&metrics, "tenantry_directory_requests_total", &["execute"]), 0);
    assert_eq!(counted(&metrics, "tenantry_objects", &["kind=\"user\"", "ready"]), SOME as u64);
    assert_eq!(bench.tenantry(&["history", "-o", "json"]).ended(0).out, before);
}
