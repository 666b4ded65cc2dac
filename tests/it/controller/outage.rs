//! The directory is away, or somebody else has changed it.

use std::{fs, time::Duration};

use serde_json::{Value, json};

use super::{Bench, PATIENCE, company, condition, counted, is_ready, user, user_with, waits};

#[test]
fn nothing_goes_while_the_directory_is_away() {
    for way in ["garbage", "folder"] {
        let path = if way == "folder" { "data/it.db" } else { "it.db" };
        let mut bench = Bench::idle(
            super::Cluster::shared(),
            way,
            &json!({ "directory": { "sqlite": { "path": path } } }),
            &["--resync", "1s"],
        );
        fs::create_dir_all(bench.path().join("data")).unwrap();
        let project = fs::read_to_string(bench.path().join("tenantry.yaml")).unwrap().replace(&bench.database(), path);
        fs::write(bench.path().join("tenantry.yaml"), project).unwrap();
        bench.start();
        let retain = json!({ "deletion": "Retain" });
        let delete = json!({ "deletion": "Delete" });
        bench.apply([company("north"), user("anna"), user("ben"), user_with("cleo", &delete), user_with("dora", &retain)]);
        bench.all_ready("User", 4);
        let before = bench.accounts("User");
        let there = bench.get("User", "anna");
        // Away.
        let (file, away) = (bench.path().join(path), bench.path().join("away"));
        if way == "folder" {
            fs::rename(bench.path().join("data"), &away).unwrap();
        } else {
            for end in ["", "-wal", "-shm"] {
                let from = bench.path().join(format!("it.db{end}"));
                if from.exists() {
                    fs::rename(from, bench.path().join(format!("away.db{end}"))).unwrap();
                }
            }
            fs::write(&file, "This is no database, and was never one.\n".repeat(1_000)).unwrap();
        }
        let is_away =
            |it: &Value| condition(it, "Ready")["status"] == "False" && condition(it, "Ready")["reason"] == "DirectoryUnavailable";
        let directory = bench.until("Directory", &bench.directory, "is away", is_away);
        assert!(!condition(&directory, "Reconciling").is_null() && condition(&directory, "Stalled").is_null(), "{directory}");
        bench.apply([user_with("ben", &json!({ "displayName": "Ben" })), user("emil")]);
        bench.delete("User", ["cleo", "dora"]);
        bench.waiting("User", "ben", "DirectoryUnavailable", "Reconciling");
        bench.waiting("User", "emil", "DirectoryUnavailable", "Reconciling");
        bench.waiting("User", "cleo", "DirectoryUnavailable", "Reconciling");
        bench.gone("User", "dora");
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(bench.get("User", "anna"), there, "{way}: what was settled is as true as it was");
        assert!(waits(&bench.get("User", "cleo"), "DirectoryUnavailable", "Reconciling"), "{way}: its finalizer is there");
        // A restart meanwhile finds no better.
        bench.kill();
        bench.start();
        bench.controller().until(PATIENCE, "it looks", || {
            counted(&bench.controller().metrics(), "tenantry_directory_requests_total", &["observe", "error"]) >= 1
                || bench.log().contains("a pass came to nothing")
        });
        assert!(!bench.get("User", "cleo").is_null() && bench.get("User", "anna") == there, "{way}");
        // Back.
        if way == "folder" {
            assert!(!bench.path().join("data").exists(), "a folder that is away is not made anew");
            fs::rename(&away, bench.path().join("data")).unwrap();
        } else {
            for end in ["", "-wal", "-shm"] {
                let _ = fs::remove_file(bench.path().join(format!("it.db{end}")));
                let from = bench.path().join(format!("away.db{end}"));
                if from.exists() {
                    fs::rename(from, bench.path().join(format!("it.db{end}"))).unwrap();
                }
            }
        }
        bench.gone("User", "cleo");
        bench.all_ready("User", 3);
        bench.until("Directory", &bench.directory, "is back", |it| condition(it, "Ready")["status"] == "True");
        let after = bench.accounts("User");
        assert!(after["anna"] == before["anna"] && after["ben"].id == before["ben"].id, "{way}: {after:?}");
        assert!(!after.contains_key("cleo") && after["emil"].enabled, "{way}: {after:?}");
    }
}

/// A volume that is not there: the file is made anew, and empty. It is no directory in which nobody is; taken for one, whoever is
/// removed meanwhile stays for ever, and everybody else is there twice.
#[test]
fn an_empty_directory_in_the_place_of_a_full_one_is_an_outage() {
    let mut bench = Bench::with("empty", &json!({}), &["--resync", "1s"]);
    let names: Vec<String> = (0..8).map(|at| format!("u{at}")).collect();
    bench.apply([company("north")].into_iter().chain(names.iter().map(|it| user_with(it, &json!({ "deletion": "Delete" })))));
    bench.all_ready("User", 8);
    let before = bench.accounts("User");
    bench.stop();
    let away = tempfile::tempdir().unwrap();
    let ends = ["", "-wal", "-shm"].map(|end| format!("{}{end}", bench.database()));
    for file in &ends {
        let _ = fs::rename(bench.path().join(file), away.path().join(file));
    }
    bench.delete("User", ["u0"]);
    bench.start();
    bench.controller().until(PATIENCE, "it has looked", || {
        counted(&bench.controller().metrics(), "tenantry_directory_requests_total", &["observe"]) >= 2
            || bench.log().contains("a pass came to nothing")
    });
    std::thread::sleep(Duration::from_secs(4));
    let directory = bench.dir();
    let left = bench.get("User", "u0");
    bench.stop();
    for file in &ends {
        let _ = fs::remove_file(bench.path().join(file));
        let _ = fs::rename(away.path().join(file), bench.path().join(file));
    }
    bench.start();
    bench.gone("User", "u0");
    bench.all_ready("User", 7);
    assert!(!left.is_null(), "a finalizer was released, and the account is an orphan: {:?}", bench.accounts("User").get("u0"));
    assert_eq!(condition(&directory, "Ready")["status"], "False", "{directory}");
    let after = bench.accounts("User");
    assert!(after.len() == 7 && after.iter().all(|(name, it)| it.id == before[name].id), "{after:?}");
}

#[test]
fn what_changed_outside_is_repaired_and_a_lock_is_held() {
    let bench = Bench::with("drift", &json!({}), &["--resync", "2s"]);
    bench.apply([company("north"), user_with("anna", &json!({ "displayName": "Anna" })), user("ben"), user("cleo")]);
    bench.all_ready("User", 3);
    let before = bench.accounts("User");
    bench.settled();
    // Nothing changes: nothing is written, over several looks.
    let version = |it: &Value| it["metadata"]["resourceVersion"].clone();
    let looks = || counted(&bench.controller().metrics(), "tenantry_directory_requests_total", &["observe"]);
    let versions = || {
        (
            ["anna", "ben", "cleo"].map(|it| version(&bench.get("User", it))),
            version(&bench.get("Company", "north")),
            version(&bench.dir()),
        )
    };
    let (first, mark, since) = (versions(), bench.cluster.mark(), looks());
    bench.controller().until(PATIENCE, "it looks again and again", || looks() >= since + 3);
    assert_eq!((versions(), bench.writes(&mark)), (first, vec![]));
    // Somebody applies a file in the name of the same owner.
    let document = format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: User\nmetadata: {{ name: anna, namespace: {} }}\nspec: {{ email: other@x.example, company: north, role: owner }}\n",
        bench.home
    );
    fs::write(bench.path().join("part.yaml"), document).unwrap();
    bench.tenantry(&["apply", "part.yaml", "--yes", "--wait", "10s"]).ended(0);
    bench.controller().until(Duration::from_secs(10), "it is repaired", || bench.account("anna") == before["anna"]);
    assert!(is_ready(&bench.get("User", "anna")));
    // Shut off outside: nobody but a person enables it.
    bench.sql("UPDATE objects SET enabled = 0 WHERE name = 'ben'");
    let held = bench.waiting("User", "ben", "DisabledOutside", "Stalled");
    let message = condition(&held, "Ready")["message"].as_str().unwrap();
    assert!(!message.is_empty(), "{held}");
    let (since, mark) = (looks(), bench.cluster.mark());
    bench.controller().until(PATIENCE, "it looks again", || looks() >= since + 2);
    assert_eq!(bench.writes(&mark), []);
    assert!(!bench.account("ben").enabled && bench.account("cleo").enabled);
    bench.tenantry(&["unlock", "ben"]);
    bench.sql("UPDATE objects SET enabled = 1 WHERE name = 'ben'");
    bench.ready("User", "ben");
}

/// One account that somebody deleted is made again; more of them than may be lost at once are another directory, or an older copy.
#[test]
fn an_older_copy_is_no_drift() {
    let bench = Bench::with("copy", &json!({ "budget": { "atLeast": 2, "removals": "1%" } }), &["--resync", "2s"]);
    bench.apply([company("north"), user("anna"), user("ben"), user("cleo"), user("dora")]);
    bench.all_ready("User", 4);
    let before = bench.accounts("User");
    bench.sql("DELETE FROM objects WHERE name = 'anna'");
    let again = || bench.accounts("User").get("anna").is_some_and(|it| it.id != before["anna"].id);
    bench.controller().until(PATIENCE, "anna is made again", again);
    let now = bench.accounts("User");
    bench.sql("DELETE FROM objects WHERE name IN ('ben', 'cleo', 'dora')");
    bench.until("Directory", &bench.directory, "does not believe it", |it| {
        let ready = condition(it, "Ready");
        ready["reason"] == "DirectoryUnavailable" && ready["message"].as_str().unwrap().contains("not there any more")
    });
    assert_eq!(bench.accounts("User"), [("anna".to_owned(), now["anna"].clone())].into(), "nobody was made anew");
}
