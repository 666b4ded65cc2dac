//! Several replicas, of which one works.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{Bench, PATIENCE, company, user};
use crate::cluster::{Controller, SYSTEM};

/// Another replica beside the one of a bench.
fn another(bench: &Bench<'_>) -> Controller {
    Controller::start_in(bench.cluster, bench.path(), &["--lease", &bench.lease, "--only", &bench.directory])
}

fn leads(controller: &Controller) -> bool {
    controller.log().contains("\"leads\"")
}

fn holder(bench: &Bench<'_>) -> Value {
    bench.cluster.get("lease", SYSTEM, &bench.lease)["spec"].clone()
}

#[test]
fn a_graceful_stop_hands_over_at_once() {
    let mut bench = Bench::new("hand");
    bench.controller().says("\"leads\"", 1);
    let second = another(&bench);
    second.until(PATIENCE, "it waits, and is well", || second.page("/readyz").0 == 200);
    bench.apply([company("north"), user("anna")]);
    bench.ready("User", "anna");
    let first_holder = holder(&bench);
    assert_eq!(first_holder["leaseTransitions"], 0);
    let since = Instant::now();
    bench.stop();
    second.until(PATIENCE, "the second leads", || leads(&second));
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    bench.apply([user("ben")]);
    bench.ready("User", "ben");
    let spec = holder(&bench);
    assert!(spec["leaseTransitions"] == 1 && spec["holderIdentity"] != first_holder["holderIdentity"], "{spec}");
    assert!(second.metrics().contains("leader_election_master_status 1"));
    assert!(second.stop().0.success());
    assert_eq!(holder(&bench)["holderIdentity"], "");
}

#[test]
fn a_leader_that_was_stopped_writes_nothing_any_more() {
    let mut bench = Bench::new("paused");
    bench.controller().says("\"leads\"", 1);
    let second = another(&bench);
    bench.apply([company("north"), user("anna")]);
    bench.ready("User", "anna");
    assert!(!leads(&second), "one works");
    bench.controller().pause();
    // Work that the first one finds when it wakes up.
    bench.apply([user("ben")]);
    let patience = Duration::from_secs(30);
    second.until(patience, "the second leads", || leads(&second));
    bench.ready("User", "ben");
    // The second has nothing to do now: whoever writes is the first one.
    second.pause();
    let mark = bench.cluster.mark();
    bench.apply([user("cleo")]);
    bench.controller().resume();
    let (status, log) = bench.controller.as_mut().unwrap().ended();
    assert!(!status.success() && log.contains("another replica leads now"), "{status}\n{log}");
    assert_eq!(bench.writes(&mark), []);
    let of_leases = |it: &crate::cluster::Request| it.resource == "leases" && it.name == bench.lease;
    let taken: Vec<_> = mark.writes(super::CONTROLLER).into_iter().filter(of_leases).collect();
    assert!(taken.iter().all(|it| it.code >= 400), "it does not take the lease: {taken:?}");
    second.resume();
    thread::sleep(Duration::from_millis(1));
    bench.ready("User", "cleo");
    assert_eq!(bench.accounts("User").len(), 3);
}
