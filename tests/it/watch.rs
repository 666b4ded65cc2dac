//! A declaration kept applied with nobody at the keyboard: what wakes it, what it survives, and how it ends.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::symlink,
    process::{Child, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::place::{Place, company, user};

/// However slow the machine is: what is waited for has happened by then, or never will.
const PATIENCE: Duration = Duration::from_mins(1);

/// A watch that runs, and all it has printed.
struct Watch {
    child: Child,
    printed: Arc<Mutex<String>>,
}

impl Watch {
    fn start(place: &Place, line: &str) -> Self {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = place.command(env!("CARGO_BIN_EXE_tenantry"), &words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let printed = Arc::new(Mutex::new(String::new()));
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let collect = |stream: Box<dyn std::io::Read + Send>| {
            let printed = Arc::clone(&printed);
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    printed.lock().unwrap().push_str(&format!("{line}\n"));
                }
            });
        };
        collect(Box::new(out));
        collect(Box::new(err));
        Self { child, printed }
    }

    fn printed(&self) -> String {
        self.printed.lock().unwrap().clone()
    }

    /// Waits until it has said something so often.
    #[track_caller]
    fn says(&self, text: &str, times: usize) {
        let since = Instant::now();
        while self.printed().matches(text).count() < times {
            assert!(since.elapsed() < PATIENCE, "it does not say `{text}`:\n{}", self.printed());
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    #[track_caller]
    fn ends(mut self, code: i32) -> String {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert_eq!(status.code(), Some(code), "{}", self.printed());
                return self.printed();
            }
            assert!(since.elapsed() < PATIENCE, "it does not end:\n{}", self.printed());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody who writes another file again and again.
struct Noise {
    stop: Arc<AtomicBool>,
    writer: JoinHandle<()>,
}

impl Noise {
    fn every(place: &Place, pause: Duration) -> Self {
        let (stop, file) = (Arc::new(AtomicBool::new(false)), place.file("tenants/noise.yaml"));
        let stopped = Arc::clone(&stop);
        let writer = thread::spawn(move || {
            for row in 0_u32.. {
                fs::write(&file, format!("# {row}\n")).unwrap();
                thread::sleep(pause);
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
        Self { stop, writer }
    }

    fn ends(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.writer.join().unwrap();
    }
}

/// Waits until the directory holds this about somebody.
#[track_caller]
fn holds(place: &Place, name: &str, what: &str) {
    let since = Instant::now();
    loop {
        let line = place.run(&format!("get users {name}")).out;
        if line.contains(what) {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "{name} is not {what}: {line}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn users(names: &[&str]) -> String {
    names.iter().map(|name| user(name, "operations-engineer")).collect()
}

fn place(names: &[&str]) -> Place {
    let place = Place::new();
    place.write("tenants/company.yaml", &company("north"));
    place.write("tenants/users.yaml", &users(names));
    place
}

#[test]
fn a_change_of_a_file_is_applied_and_the_last_line_says_what_it_waits_for() {
    let place = place(&["anna", "ben"]);
    let watch = Watch::start(&place, "watch tenants --interval 10m");
    watch.says("3 as declared; waiting for a change, and looking again in 10 min", 1);
    holds(&place, "ben", "enabled");
    // As editors do: another file under the same name.
    place.write("users.new", &users(&["anna"]));
    fs::rename(place.file("users.new"), place.file("tenants/users.yaml")).unwrap();
    holds(&place, "ben", "retired");
    place.write("tenants/more/deeper/new.yaml", &users(&["cleo"]));
    holds(&place, "cleo", "enabled");
    place.write("tenants/more/deeper/new.yaml", &users(&["dora"]));
    holds(&place, "dora", "enabled");
    holds(&place, "cleo", "retired");
    watch.signal("TERM");
    let printed = watch.ends(0);
    assert!(printed.contains("stopped"), "{printed}");
    place.run("plan tenants --detailed-exitcode").ended(0);
}

#[test]
fn a_bad_file_in_between_removes_nobody_and_is_said_once() {
    let place = place(&["anna", "ben"]);
    let watch = Watch::start(&place, "watch tenants --interval 1s");
    watch.says("3 as declared", 1);
    place.write("tenants/users.yaml", "kind: User\nmetadata: [");
    watch.says("1 problem in the documents", 1);
    // Some more looks.
    thread::sleep(Duration::from_millis(2500));
    holds(&place, "ben", "enabled");
    place.write("tenants/users.yaml", &users(&["anna"]));
    holds(&place, "ben", "retired");
    watch.signal("INT");
    let printed = watch.ends(0);
    assert_eq!(printed.matches("error[T").count(), 1, "{printed}");
}

/// Somebody writes a file in two goes, as a program does whose output goes there.
#[test]
fn who_is_not_written_yet_is_not_removed() {
    for policy in ["Disable", "Delete"] {
        let place = place(&["anna"]);
        let people = |names: &[&str]| users(names).replace("spec:\n", &format!("spec:\n  deletion: {policy}\n"));
        place.write("tenants/more.yaml", &people(&["ben", "cleo", "dora"]));
        let watch = Watch::start(&place, "watch tenants --interval 10m");
        watch.says("5 as declared", 1);
        let ids = |place: &Place| {
            place.run("get users -o json").ended(0).json()["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["status"].clone())
                .collect::<Vec<_>>()
        };
        let before = ids(&place);
        let mut file = fs::File::create(place.file("tenants/more.yaml")).unwrap();
        std::io::Write::write_all(&mut file, people(&["ben"]).as_bytes()).unwrap();
        // Somebody else's change goes through meanwhile.
        place.write("tenants/users.yaml", &users(&["anna", "emil"]));
        holds(&place, "emil", "enabled");
        thread::sleep(Duration::from_secs(1));
        std::io::Write::write_all(&mut file, people(&["cleo", "dora"]).as_bytes()).unwrap();
        drop(file);
        watch.says("6 as declared", 1);
        let after = ids(&place);
        assert!(before.iter().all(|status| after.contains(status)), "{policy}: {}", watch.printed());
        // And whoever is gone for good goes.
        place.write("tenants/more.yaml", &people(&["ben", "cleo"]));
        let since = Instant::now();
        while place.run("get users dora").out.contains("enabled") {
            assert!(since.elapsed() < PATIENCE, "{}", watch.printed());
            thread::sleep(Duration::from_millis(20));
        }
        watch.signal("TERM");
        watch.ends(0);
    }
}

#[test]
fn nobody_is_removed_while_git_checks_out() {
    let place = place(&["anna", "ben"]);
    place.git("init --quiet --initial-branch=main", "2026-03-03T08:00:00Z");
    let watch = Watch::start(&place, "watch tenants --interval 10m");
    watch.says("3 as declared", 1);
    place.write(".git/index.lock", "");
    place.write("tenants/users.yaml", &users(&["anna", "cleo"]));
    holds(&place, "cleo", "enabled");
    thread::sleep(Duration::from_secs(1));
    holds(&place, "ben", "enabled");
    fs::remove_file(place.file(".git/index.lock")).unwrap();
    holds(&place, "ben", "retired");
    watch.signal("TERM");
    watch.ends(0);
}

#[test]
fn whoever_never_stops_writing_keeps_nobody_in() {
    let place = place(&["anna", "ben"]);
    let watch = Watch::start(&place, "watch tenants --interval 10m");
    watch.says("3 as declared", 1);
    let noise = Noise::every(&place, Duration::from_millis(30));
    place.write("tenants/users.yaml", &users(&["anna", "ben"]).replace("email: ben@", "enabled: false\n  email: ben@"));
    holds(&place, "ben", "disabled");
    noise.ends();
    watch.signal("TERM");
    let printed = watch.ends(0);
    assert!(!printed.contains("asked to stop"), "{printed}");
}

/// What cannot be taken back waits for the files to be at rest; shutting off does not.
#[test]
fn who_is_to_be_deleted_is_shut_off_at_once() {
    let place = place(&["anna"]);
    place.write("tenants/ben.yaml", &users(&["ben"]).replace("spec:\n", "spec:\n  deletion: Delete\n"));
    let watch = Watch::start(&place, "watch tenants --interval 10m");
    watch.says("3 as declared", 1);
    let noise = Noise::every(&place, Duration::from_millis(200));
    fs::remove_file(place.file("tenants/ben.yaml")).unwrap();
    holds(&place, "ben", "retired");
    noise.ends();
    let since = Instant::now();
    while place.run("get users ben").code == 0 {
        assert!(since.elapsed() < PATIENCE, "{}", watch.printed());
        thread::sleep(Duration::from_millis(50));
    }
    watch.signal("TERM");
    watch.ends(0);
}

#[test]
fn nobody_is_let_in_below_a_company_that_was_shut_off_outside() {
    let place = place(&["anna"]);
    let watch = Watch::start(&place, "watch tenants --interval 10m");
    watch.says("2 as declared", 1);
    place.sql("UPDATE objects SET enabled = 0 WHERE name = 'north'");
    place.write("tenants/users.yaml", &users(&["anna", "ben"]));
    watch.says("2 held", 1);
    assert_eq!(place.run("get users ben").code, 1);
    place.run("apply tenants --yes").ended(0);
    holds(&place, "ben", "enabled");
    watch.signal("TERM");
    watch.ends(0);
}

#[test]
fn another_directory_in_its_place_is_not_taken_for_it() {
    let place = Place::new();
    place.write("tenantry.yaml", "apiVersion: tenantry.dev/v1alpha1\nkind: Project\nmetadata: { name: p }\nspec: { paths: [tenants], directory: { sqlite: { path: data/tenantry.db } } }\n");
    place.write("tenants/all.yaml", &(company("north") + &users(&["anna", "ben"])));
    fs::create_dir(place.file("data")).unwrap();
    let watch = Watch::start(&place, "watch --interval 10m");
    watch.says("3 as declared", 1);
    place.run("lock ben --reason stolen").ended(0);
    fs::rename(place.file("data"), place.file("unmounted")).unwrap();
    fs::create_dir(place.file("data")).unwrap();
    place.write("tenants/all.yaml", &(company("north") + &users(&["anna", "ben", "cleo"])));
    watch.says("this is not the directory that was read before", 1);
    assert!(place.run("get users").out.contains("Nothing."), "nobody was let in anew");
    fs::remove_dir_all(place.file("data")).unwrap();
    fs::rename(place.file("unmounted"), place.file("data")).unwrap();
    holds(&place, "cleo", "enabled");
    holds(&place, "ben", "locked");
    watch.signal("TERM");
    watch.ends(0);
}

#[test]
fn what_a_gate_refuses_keeps_no_leaver_in() {
    let place = place(&["anna", "ben"]);
    place.write("tenants/lead.yaml", &user("lead", "common-manager"));
    let watch = Watch::start(&place, "watch tenants --interval 10m");
    watch.says("4 as declared", 1);
    fs::remove_file(place.file("tenants/lead.yaml")).unwrap();
    watch.says("refused by the gate `last-holder`", 1);
    place.write("tenants/users.yaml", &users(&["anna", "ben"]).replace("email: ben@", "enabled: false\n  email: ben@"));
    holds(&place, "ben", "disabled");
    watch.says("the rest is refused by the gate `last-holder`", 1);
    holds(&place, "lead", "enabled");
    watch.signal("TERM");
    watch.ends(0);
}

#[test]
fn a_folder_may_go_and_come_back() {
    let place = place(&["anna", "ben"]);
    let watch = Watch::start(&place, "watch tenants --interval 10m");
    watch.says("3 as declared", 1);
    fs::rename(place.file("tenants"), place.file("away")).unwrap();
    watch.says("`tenants` cannot be found; waiting for somebody to change that", 1);
    holds(&place, "ben", "enabled");
    place.write("tenants/company.yaml", &company("north"));
    place.write("tenants/users.yaml", &users(&["anna", "ben", "cleo"]));
    holds(&place, "cleo", "enabled");
    // The new folder is listened to as the old one was.
    place.write("tenants/users.yaml", &users(&["anna", "cleo"]));
    holds(&place, "ben", "retired");
    // One without a document is no declaration of nobody.
    fs::remove_file(place.file("tenants/users.yaml")).unwrap();
    fs::remove_file(place.file("tenants/company.yaml")).unwrap();
    watch.says("refused by the gate `empty-input`", 1);
    holds(&place, "anna", "enabled");
    watch.signal("TERM");
    watch.ends(0);
}

/// A folder as Kubernetes mounts a `ConfigMap`: links to `..data`, itself a link that is swapped.
#[test]
fn a_mounted_folder_is_swapped() {
    let place = Place::new();
    let version = |number: u32, names: &[&str]| {
        place.write(&format!("mount/..{number}/all.yaml"), &(company("north") + &users(names)));
        symlink(format!("..{number}"), place.file("mount/..data_tmp")).unwrap();
        fs::rename(place.file("mount/..data_tmp"), place.file("mount/..data")).unwrap();
    };
    version(1, &["anna", "ben"]);
    symlink("..data/all.yaml", place.file("mount/all.yaml")).unwrap();
    let watch = Watch::start(&place, "watch mount --interval 10m");
    watch.says("3 as declared", 1);
    version(2, &["anna"]);
    fs::remove_dir_all(place.file("mount/..1")).unwrap();
    holds(&place, "ben", "retired");
    version(3, &["anna", "cleo"]);
    holds(&place, "cleo", "enabled");
    watch.signal("TERM");
    watch.ends(0);
}

/// A folder that is itself a link, as a tool that checks out revisions beside each other leaves it.
#[test]
fn a_link_to_a_folder_is_swapped() {
    let place = Place::new();
    let version = |number: u32, names: &[&str]| {
        place.write(&format!("revisions/{number}/all.yaml"), &(company("north") + &users(names)));
        symlink(format!("revisions/{number}"), place.file("next")).unwrap();
        fs::rename(place.file("next"), place.file("current")).unwrap();
    };
    place.write(
        "tenantry.yaml",
        "apiVersion: tenantry.dev/v1alpha1\nkind: Project\nmetadata: { name: p }\nspec: { paths: [current] }\n",
    );
    version(1, &["anna", "ben"]);
    let watch = Watch::start(&place, "watch --interval 10m");
    watch.says("3 as declared", 1);
    version(2, &["anna"]);
    holds(&place, "ben", "retired");
    place.write("revisions/2/all.yaml", &(company("north") + &users(&["anna", "cleo"])));
    holds(&place, "cleo", "enabled");
    watch.signal("TERM");
    watch.ends(0);
}

#[test]
fn what_others_change_is_repaired_and_recorded_with_the_time_of_the_look_before() {
    let place = place(&["anna", "ben"]);
    let watch = Watch::start(&place, "watch tenants --interval 1s");
    watch.says("3 as declared", 1);
    thread::sleep(Duration::from_millis(1500));
    place.sql("UPDATE objects SET body = json_set(body, '$.role', 'owner') WHERE name = 'anna'");
    let role = |name: &str| place.run(&format!("get users {name}")).out;
    let since = Instant::now();
    while !role("anna").contains("operations-engineer") {
        assert!(since.elapsed() < PATIENCE);
    }
    // Whoever was shut off outside stays shut off.
    place.sql("UPDATE objects SET enabled = 0 WHERE name = 'ben'");
    watch.says("1 held", 1);
    holds(&place, "ben", "disabled");
    watch.signal("TERM");
    let printed = watch.ends(0);
    assert!(printed.contains("1 thing changed outside Git") && printed.contains("shut off outside"), "{printed}");
    let history = place.run("history -o json").ended(0).json();
    let found: Vec<_> = history["records"].as_array().unwrap().iter().filter(|it| it["verb"] == "found").cloned().collect();
    assert_eq!(found.len(), 2);
    let seconds = |it: &serde_json::Value| {
        let time = |name: &str| it[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        time("at").duration_since(time("foundSince")).as_secs_f64()
    };
    // It was looked at every second: not since the first apply.
    assert!(found.iter().all(|it| seconds(it) < 30.0), "{found:?}");
    assert!(seconds(&found[0]) > 0.0);
    // A person says that it is to be let in.
    place.run("apply tenants --yes").ended(0);
    holds(&place, "ben", "enabled");
}

#[test]
fn a_directory_that_is_away_is_waited_for() {
    let place = place(&["anna"]);
    place.run("apply tenants --yes").ended(0);
    let watch = Watch::start(&place, "watch tenants --interval 10m");
    watch.says("2 as declared", 1);
    // The file is gone while its name is taken by something else.
    fs::rename(place.file("tenantry.db"), place.file("saved.db")).unwrap();
    fs::write(place.file("tenantry.db"), "").unwrap();
    place.write("tenants/users.yaml", &users(&["anna", "ben"]));
    watch.says("trying again in", 1);
    fs::rename(place.file("saved.db"), place.file("tenantry.db")).unwrap();
    holds(&place, "ben", "enabled");
    watch.signal("TERM");
    watch.ends(0);
}

#[test]
fn another_run_is_waited_for() {
    let place = place(&["anna"]);
    place.run("apply tenants --yes").ended(0);
    let lock = fs::File::options().write(true).open(place.file("tenantry.db.lock")).unwrap();
    lock.lock().unwrap();
    let watch = Watch::start(&place, "watch tenants --interval 10m");
    watch.says("2 as declared", 1);
    place.write("tenants/users.yaml", &users(&["anna", "ben"]));
    watch.says("another run holds the lock", 1);
    drop(lock);
    holds(&place, "ben", "enabled");
    watch.signal("TERM");
    watch.ends(0);
}

#[test]
fn a_project_is_read_again_when_asked_and_a_wrong_one_is_not_taken() {
    let place = place(&["anna"]);
    let project =
        |spec: &str| format!("apiVersion: tenantry.dev/v1alpha1\nkind: Project\nmetadata: {{ name: p }}\nspec: {{ {spec} }}\n");
    place.write("tenantry.yaml", &project("paths: [tenants]"));
    place.write("more/ben.yaml", &users(&["ben"]));
    let watch = Watch::start(&place, "watch --interval 10m");
    watch.says("2 as declared", 1);
    place.write("tenantry.yaml", &project("paths: [tenants], nonsense: 1"));
    watch.signal("HUP");
    watch.says("the project as it was read before stays in force", 1);
    assert!(watch.printed().contains("error[T0028]"), "{}", watch.printed());
    place.write("tenants/users.yaml", &users(&["anna", "cleo"]));
    watch.says("3 as declared", 1);
    place.write("tenantry.yaml", &project("paths: [tenants, more]"));
    watch.signal("HUP");
    watch.says("the project was read again", 1);
    holds(&place, "cleo", "enabled");
    holds(&place, "ben", "enabled");
    watch.signal("TERM");
    watch.ends(0);
}

#[test]
fn an_account_ends_when_it_expires() {
    let place = place(&["anna"]);
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(4);
    let expiring = user("ben", "owner").replace("spec:\n", &format!("spec:\n  expires: \"{soon:.0}\"\n"));
    place.write("tenants/ben.yaml", &expiring);
    let watch = Watch::start(&place, "watch tenants --interval 10m");
    holds(&place, "ben", "enabled");
    holds(&place, "ben", "disabled");
    watch.signal("TERM");
    watch.ends(0);
}

/// Mails take long, and a leaver waits for none of them.
#[test]
fn a_leaver_waits_for_nobody_s_mails() {
    let place = place(&["anna", "ben"]);
    let watch = Watch::start(&place, "watch tenants --interval 10m");
    watch.says("3 as declared", 1);
    let names: Vec<String> = (0..400).map(|row| format!("joiner{row}")).collect();
    let joiners: String =
        names.iter().map(|name| user(name, "owner").replace("spec:\n", "spec:\n  credential: { method: Temporary }\n")).collect();
    place.write("tenants/joiners.yaml", &joiners);
    let letters = || fs::read_dir(place.file("outbox")).map_or(0, Iterator::count);
    let since = Instant::now();
    while letters() == 0 {
        assert!(since.elapsed() < PATIENCE, "{}", watch.printed());
        thread::sleep(Duration::from_millis(5));
    }
    place.write("tenants/users.yaml", &users(&["anna"]));
    holds(&place, "ben", "retired");
    assert!(letters() < 400, "all mails went out first");
    let since = Instant::now();
    while letters() < 400 {
        assert!(since.elapsed() < PATIENCE * 3, "{}", watch.printed());
        thread::sleep(Duration::from_millis(50));
    }
    watch.says("403 as declared", 1);
    watch.signal("TERM");
    watch.ends(0);
}

#[test]
fn it_stops_between_two_objects() {
    let place = place(&["anna"]);
    let names: Vec<String> = (0..400).map(|row| format!("joiner{row}")).collect();
    let joiners: String =
        names.iter().map(|name| user(name, "owner").replace("spec:\n", "spec:\n  credential: { method: Temporary }\n")).collect();
    place.write("tenants/joiners.yaml", &joiners);
    let watch = Watch::start(&place, "watch tenants --interval 10m");
    let since = Instant::now();
    while fs::read_dir(place.file("outbox")).map_or(0, Iterator::count) == 0 {
        assert!(since.elapsed() < PATIENCE, "{}", watch.printed());
        thread::sleep(Duration::from_millis(5));
    }
    watch.signal("TERM");
    watch.ends(8);
    place.run("history verify").ended(0);
    assert!(place.run("plan tenants --detailed-exitcode").ended(2).out.contains("credential"));
}

#[test]
fn a_program_can_read_along() {
    let place = place(&["anna"]);
    let watch = Watch::start(&place, "watch tenants --interval 10m -o jsonl");
    watch.says("2 as declared", 1);
    place.write("tenants/users.yaml", &users(&["anna", "ben"]));
    watch.says("3 as declared", 1);
    watch.signal("TERM");
    let printed = watch.ends(0);
    let lines =
        printed.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let told: Vec<_> =
        lines.map(|line| format!("{} {}", line["type"].as_str().unwrap(), line["key"].as_str().unwrap_or("-"))).collect();
    let expected = [
        "version -",
        "change company/default/north",
        "change user/default/anna",
        "result company/default/north",
        "result user/default/anna",
        "summary -",
        "version -",
        "change user/default/ben",
        "result user/default/ben",
        "summary -",
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_cannot_be_watched_is_said_at_once() {
    let place = place(&["anna"]);
    assert!(place.run("watch nowhere").ended(3).err.contains("`nowhere` cannot be found"));
    assert!(place.run("watch -").ended(3).err.contains("standard input cannot be watched"));
    assert!(place.run("watch tenants --interval 0s").ended(3).err.contains("a second or more"));
    assert!(place.run("watch tenants -o html").ended(3).err.contains("neither text nor jsonl"));
    assert!(place.run("watch").ended(3).err.contains("there is nothing to read"));
}
