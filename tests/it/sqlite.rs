//! The embedded directory keeps the contract, and what a file brings with it.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use rusqlite::Connection;
use tempfile::TempDir;
use tenantry::{
    directory::{Accounts, Directory, ErrorKind, History, Right},
    drivers::Sqlite,
    history::Chain,
    manifest::Project,
    model::{PasswordHash, Place, PlainPassword, TokenHash, Username},
    observed::{CredentialMark, Live, Observed, Scope, Settings},
    plan::Change,
};

use crate::conformance::{
    Org, PASSWORD_HASH, WINDOW, cause, company, create, delete, issue, key, kind_of, link, name, password, user,
};

fn open(folder: &TempDir) -> Arc<Sqlite> {
    Arc::new(Sqlite::open(folder.path(), Path::new("tenantry.db")).unwrap())
}

fn fresh() -> (TempDir, Arc<Sqlite>) {
    let folder = TempDir::new().unwrap();
    let directory = open(&folder);
    (folder, directory)
}

crate::conformance::suite!(fresh);

fn files(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn observe(folder: &TempDir) -> Result<Observed, tenantry::directory::DirectoryError> {
    open(folder).observe(&name("acme"), &Scope::All, WINDOW).await
}

async fn populated() -> TempDir {
    let (folder, directory) = fresh();
    Org::new(directory).populate().await;
    folder
}

/// Changes the file with another program.
fn tamper(folder: &TempDir, sql: &str) {
    let connection = Connection::open(folder.path().join("tenantry.db")).unwrap();
    connection.execute_batch(sql).unwrap();
}

#[tokio::test]
async fn looking_leaves_no_file_behind() {
    let (folder, directory) = fresh();
    let org = Org::new(directory.clone());
    org.check().await;
    assert!(matches!(directory.verify(None).await.unwrap(), Chain::Whole { records: 0, .. }));
    assert_eq!(files(&folder), Vec::<String>::new());
    assert_eq!(directory.name(), "sqlite: tenantry.db");
}

#[tokio::test]
async fn looking_changes_nothing() {
    let folder = populated().await;
    let path = folder.path().join("tenantry.db");
    assert_eq!(files(&folder), ["tenantry.db"]);
    let before = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap());
    observe(&folder).await.unwrap();
    open(&folder).remember(&name("acme"), Some("x"), &Settings::of(&Project::default())).await.unwrap();
    let written = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap());
    assert_ne!(before.0, written.0, "the file tells a write from none");
    observe(&folder).await.unwrap();
    open(&folder).remember(&name("acme"), Some("x"), &Settings::of(&Project::default())).await.unwrap();
    let after = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap());
    assert_eq!(written.0, after.0);
    assert_eq!((written.1.mtime(), written.1.mtime_nsec()), (after.1.mtime(), after.1.mtime_nsec()));
    assert_eq!(files(&folder), ["tenantry.db"]);
}

#[tokio::test]
async fn nobody_else_can_read_the_files() {
    let (folder, directory) = fresh();
    let mut org = Org::new(directory.clone());
    org.populate().await;
    let _lease = directory.lease(Right::Run, Duration::ZERO).await.unwrap();
    let names = files(&folder);
    assert_eq!(names, ["tenantry.db", "tenantry.db-shm", "tenantry.db-wal", "tenantry.db.lock"]);
    for file in names {
        let mode = fs::metadata(folder.path().join(&file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn what_is_no_database_of_ours_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tenantry.db");
    let incomplete = |outcome| assert_eq!(kind_of(outcome), ErrorKind::Incomplete);
    for content in ["", "kind: User\n", &"x".repeat(10_000)] {
        fs::write(&path, content).unwrap();
        incomplete(observe(&folder).await);
        let written = Org::new(open(&folder)).execute(&create(&company("a", None))).await;
        assert_eq!(kind_of(written), ErrorKind::Incomplete);
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    fs::remove_file(&path).unwrap();
    tamper(&folder, "CREATE TABLE theirs (x)");
    assert!(cause(observe(&folder).await).contains("not a database of Tenantry"));
    fs::remove_file(&path).unwrap();
    fs::write(folder.path().join("tenantry.db-wal"), "frames").unwrap();
    incomplete(observe(&folder).await);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let folder = populated().await;
    tamper(&folder, "PRAGMA user_version = 99");
    assert!(cause(observe(&folder).await).contains("newer Tenantry"));
    let written = Org::new(open(&folder)).execute(&delete(&key("user/n/mara"))).await;
    assert_eq!(kind_of(written), ErrorKind::Rejected);
}

#[tokio::test]
async fn what_is_damaged_is_not_taken_for_empty() {
    let folder = populated().await;
    let path = folder.path().join("tenantry.db");
    let whole = fs::read(&path).unwrap();
    for length in [1_000, 4_096, 8_192, whole.len() / 2] {
        fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(kind_of(observe(&folder).await), ErrorKind::Incomplete, "{length}");
    }
    let rows = [
        "UPDATE objects SET body = '{}' WHERE name = 'mara'",
        "UPDATE objects SET username = 'other' WHERE name = 'mara'",
        "UPDATE objects SET name = 'Not A Name' WHERE name = 'mara'",
        "UPDATE objects SET deletion = 'Perhaps' WHERE name = 'mara'",
        "UPDATE objects SET credential = 'lost' WHERE name = 'mara'",
        "UPDATE objects SET created_at = 9223372036854775807 WHERE name = 'mara'",
    ];
    for sql in rows {
        fs::write(&path, &whole).unwrap();
        tamper(&folder, sql);
        let error = observe(&folder).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Incomplete, "{sql}");
        assert!(error.to_string().contains("read object"), "{error}");
    }
}

#[tokio::test]
async fn an_emptied_directory_is_not_taken_for_a_new_one() {
    let folder = populated().await;
    tamper(&folder, "PRAGMA foreign_keys = OFF; DELETE FROM objects");
    let error = observe(&folder).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Incomplete);
    assert!(error.chain().contains("an empty list from a directory that held things"), "{}", error.chain());

    // One whose things were all deleted by us is empty, and so is one that was made and never filled.
    let (folder, directory) = fresh();
    let mut org = Org::new(directory.clone());
    org.create(company("north", None)).await;
    org.execute(&delete(&key("company/n/north"))).await.unwrap();
    assert_eq!(observe(&folder).await.unwrap().ours, []);
    let (folder, directory) = fresh();
    directory.remember(&name("acme"), Some("x"), &Settings::of(&Project::default())).await.unwrap();
    assert_eq!(observe(&folder).await.unwrap().ours, []);
}

#[tokio::test]
async fn a_folder_is_no_database() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("tenantry.db")).unwrap();
    let error = observe(&folder).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(error.chain().contains("it is a folder"), "{}", error.chain());
    assert_eq!(Sqlite::open(folder.path(), Path::new(":memory:")).unwrap_err().kind, ErrorKind::Rejected);
}

#[tokio::test]
async fn a_stranger_never_fails_a_read() {
    let folder = populated().await;
    let columns = "id, kind, username, email, body, created_at";
    tamper(
        &folder,
        &format!(
            "INSERT INTO objects ({columns}) VALUES ('x1', 'user', 'Service Account', NULL, 'no JSON', 9223372036854775807);
             INSERT INTO objects ({columns}) VALUES ('x2', 'company', NULL, NULL, '{{\"displayName\": \"Old & Co\"}}', 0);
             INSERT INTO objects ({columns}) VALUES ('x3', 'company', NULL, NULL, '{{\"name\": 1}}', 0);"
        ),
    );
    let observed = observe(&folder).await.unwrap();
    let labels: Vec<_> = observed.strangers.iter().map(|it| (it.label.as_str(), it.fit.is_ok())).collect();
    assert_eq!(labels, [("Service Account", false), ("Old & Co", true), ("x3", false)]);
    // In whatever case a foreign tool wrote it, a name is taken.
    tamper(&folder, "UPDATE objects SET username = 'SERVICE' WHERE id = 'x1'");
    let org = Org::new(open(&folder));
    assert_eq!(kind_of(org.execute(&create(&user("service", Place::Company(name("north"))))).await), ErrorKind::Conflict);
}

#[tokio::test]
async fn the_audit_trail_shows_what_was_done_to_it() {
    let folder = populated().await;
    let mut org = Org::new(open(&folder));
    org.wanted = org.observe().await.ours.into_iter().map(|live| (live.state.key.clone(), live.state)).collect();
    org.run.id = "x\u{3}y".into();
    org.run.losses_allowed = true;
    let change = Change { loss: 1, ..org.change(&key("user/n/mara"), |it| it.enabled = false).await };
    org.execute(&change).await.unwrap();
    drop(org);
    let path = folder.path().join("tenantry.db");
    let whole = fs::read(&path).unwrap();
    let Chain::Whole { records, head, at: _ } = open(&folder).verify(None).await.unwrap() else { panic!("it is whole") };
    assert_eq!((records, head.len()), (7, 64));

    let connection = Connection::open(&path).unwrap();
    let changes: String = connection.query_row("SELECT changes FROM audit WHERE seq = 7", [], |row| row.get(0)).unwrap();
    assert_eq!(changes, r#"{"enabled":[true,false]}"#);
    let loss = "SELECT loss, loss_allowed FROM audit WHERE seq = 7";
    let loss: (bool, bool) = connection.query_row(loss, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(loss, (false, true), "a loss that was allowed is one in the history all the same");
    let columns = "SELECT name, type FROM pragma_table_info('audit')";
    let mut statement = connection.prepare(columns).unwrap();
    let columns: Vec<(String, String)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
    assert!(connection.execute("UPDATE audit SET verb = 'edit'", []).is_err());
    assert!(connection.execute("DELETE FROM audit", []).is_err());
    drop(statement);
    drop(connection);

    let unlock = "DROP TRIGGER audit_keeps; DROP TRIGGER audit_stays;";
    let mut attacks: Vec<(String, u64)> = Vec::new();
    for (column, kind) in &columns {
        let value = match kind.as_str() {
            "INTEGER" => "77",
            "TEXT" => "'forged'",
            _ => "zeroblob(32)",
        };
        attacks.push((format!("UPDATE audit SET {column} = {value} WHERE seq = 3"), 3));
    }
    for (sql, record) in [
        ("DELETE FROM audit WHERE seq = 1", 1),
        ("DELETE FROM audit WHERE seq = 4", 4),
        ("DELETE FROM audit WHERE seq = 7", 7),
        ("DELETE FROM audit", 1),
        (
            "UPDATE audit SET seq = -1 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = -1",
            2,
        ),
        ("UPDATE audit SET actor = '', cause = 'sofia.berg' WHERE seq = 5", 5),
        ("DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = seq - 1 WHERE seq > 3", 3),
        // What moves from one column into the next.
        ("UPDATE audit SET run = 'x', actor = 'y' || char(3) || actor WHERE seq = 7", 7),
        ("UPDATE audit SET reason = 'Declared' || char(0), cause = NULL WHERE seq = 7", 7),
        ("UPDATE head SET seq = 6", 8),
    ] {
        attacks.push((sql.into(), record));
    }
    for (sql, record) in attacks {
        fs::write(&path, &whole).unwrap();
        tamper(&folder, &format!("{unlock} {sql}"));
        match open(&folder).verify(None).await.unwrap() {
            Chain::Broken { record: found, reason: _ } => assert_eq!(found, record, "{sql}"),
            Chain::Whole { .. } => panic!("not noticed: {sql}"),
        }
    }
    // The budget counts from the trail, so a shortened one is no basis for a plan.
    fs::write(&path, &whole).unwrap();
    tamper(&folder, &format!("{unlock} DELETE FROM audit WHERE seq = 7"));
    assert_eq!(kind_of(observe(&folder).await), ErrorKind::Incomplete);
}

#[tokio::test]
async fn what_was_not_committed_is_not_there() {
    let folder = populated().await;
    let before = observe(&folder).await.unwrap();
    let connection = Connection::open(folder.path().join("tenantry.db")).unwrap();
    connection
        .execute_batch("BEGIN IMMEDIATE; DELETE FROM objects WHERE kind = 'user'; DELETE FROM objects WHERE kind = 'customer'")
        .unwrap();
    assert_eq!(observe(&folder).await.unwrap(), before, "readers see what was committed last");
    drop(connection);
    assert_eq!(observe(&folder).await.unwrap(), before);
}

#[tokio::test]
async fn a_chunk_that_cannot_be_committed_did_not_happen() {
    let folder = populated().await;
    let before = observe(&folder).await.unwrap();
    // The trail cannot be written: no change may go unrecorded.
    tamper(&folder, "CREATE TRIGGER stuck BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'stuck'); END;");
    let org = Org::new(open(&folder));
    let north = Place::Company(name("north"));
    let changes = [create(&user("a", north.clone())), delete(&key("user/n/nobody")), create(&user("b", north))];
    for outcome in org.directory.execute_all(&changes, &org.run).await {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Failed);
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("stuck"));
    }
    assert_eq!(observe(&folder).await.unwrap(), before);
}

#[tokio::test]
async fn the_lease_names_its_holder() {
    let (folder, directory) = fresh();
    let lease = directory.lease(Right::Run, Duration::ZERO).await.unwrap();
    let Err(error) = open(&folder).lease(Right::Run, Duration::ZERO).await else { panic!("it is taken") };
    let ErrorKind::Locked(Some(holder)) = &error.kind else { panic!("{error}") };
    assert!(holder.starts_with(&format!("process {} since 2", std::process::id())), "{holder}");
    drop(lease);
    let held = open(&folder).lease(Right::Run, Duration::ZERO).await.unwrap();
    // Whoever does not know it is locked asks the kernel as we do.
    let lock = fs::File::open(folder.path().join("tenantry.db.lock")).unwrap();
    assert!(matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock)));
    drop(held);
    lock.try_lock().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_are_read_as_of_one_moment() {
    let (folder, directory) = fresh();
    let mut org = Org::new(directory.clone());
    org.create(company("north", None)).await;
    let users: Vec<_> = (0..4_500).map(|row| user(&format!("u{row:04}"), Place::Company(name("north")))).collect();
    let changes: Vec<_> = users.iter().map(create).collect();
    assert!(directory.execute_all(&changes, &org.run).await.iter().all(Result::is_ok));
    org.wanted.extend(users.into_iter().map(|state| (state.key.clone(), state)));
    org.check().await;
    // The first and the last, which different threads read, are changed in one transaction, over and over.
    let ends = [key("user/n/u0000"), key("user/n/u4499")];
    let (writer, stop) = (Org::new(directory.clone()), tenantry::directory::Stop::default());
    let (stopped, both) = (stop.clone(), ends.clone());
    let writing = tokio::spawn(async move {
        let mut states = [writer.live(&both[0]).await, writer.live(&both[1]).await];
        let mut turns = 0;
        while !stopped.requested() {
            let changes = states.each_mut().map(|live| {
                let before = live.state.clone();
                live.state.enabled ^= true;
                let (fields, to) = (before.changes(&live.state), Box::new(live.state.clone()));
                Change {
                    action: tenantry::plan::Action::Update { fields, to },
                    remote: Some(live.id.clone()),
                    ..delete(&before.key)
                }
            });
            assert!(writer.directory.execute_all(&changes, &writer.run).await.iter().all(Result::is_ok));
            turns += 1;
        }
        turns
    });
    for _ in 0..10 {
        let observed = observe(&folder).await.unwrap();
        let [first, last] = ends.each_ref().map(|key| observed.get(key).unwrap().state.enabled);
        assert_eq!(first, last);
        assert_eq!(observed.ours.len(), 4_501);
    }
    stop.request();
    assert!(writing.await.unwrap() > 0);
}

/// Where the process that is killed below finds its folder.
const HOLDER: &str = "TENANTRY_TEST_HOLDER";

/// Nothing by itself; [`a_killed_run_blocks_nobody`] runs it in a process of its own.
#[tokio::test]
async fn holds_the_lease_until_killed() {
    if let Some(folder) = std::env::var_os(HOLDER) {
        let directory = Sqlite::open(Path::new(&folder), Path::new("tenantry.db")).unwrap();
        let _lease = directory.lease(Right::Run, Duration::ZERO).await.unwrap();
        fs::write(Path::new(&folder).join("ready"), "").unwrap();
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
}

#[tokio::test]
async fn a_killed_run_blocks_nobody() {
    let (folder, directory) = fresh();
    let mut holder = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sqlite::holds_the_lease_until_killed"])
        .env(HOLDER, folder.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..600 {
        if folder.path().join("ready").exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ErrorKind::Locked(Some(by)) = kind_of(directory.lease(Right::Run, Duration::ZERO).await) else {
        panic!("another process holds it")
    };
    assert!(by.starts_with(&format!("process {} ", holder.id())), "{by}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    directory.lease(Right::Run, Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn a_file_that_was_replaced_is_written_to() {
    let (folder, directory) = fresh();
    let mut org = Org::new(directory);
    org.populate().await;
    for file in files(&folder) {
        fs::remove_file(folder.path().join(file)).unwrap();
    }
    org.execute(&create(&company("north", None))).await.unwrap();
    assert_eq!(org.observe().await.ours.len(), 1);
    // Whoever reads the history again and again is told.
    let error = org.directory.history().unwrap().past(None).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Incomplete);
}

#[tokio::test]
async fn people_can_look_with_sqlite() {
    let folder = populated().await;
    let connection = Connection::open(folder.path().join("tenantry.db")).unwrap();
    let rows = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(
        rows("SELECT name || ' ' || role || ' ' || parent_kind || ' ' || parent FROM users ORDER BY 1")[0],
        "jonas owner company south"
    );
    assert_eq!(rows("SELECT display_name || ' ' || coalesce(parent, '-') FROM companies ORDER BY 1"), ["north -", "south north"]);
    assert_eq!(rows("SELECT display_name || ' ' || company FROM customers"), ["shop south"]);
    assert_eq!(rows("SELECT name FROM roles"), Vec::<String>::new());
}

/// Somebody with a link, somebody with a temporary password, and the directory.
async fn people(folder: &TempDir, until: Timestamp) -> (Arc<Sqlite>, Org, [Live; 2]) {
    let directory = open(folder);
    let mut org = Org::new(directory.clone());
    org.create(company("north", None)).await;
    let mut live = Vec::new();
    for called in ["anna", "bea"] {
        let state = user(called, Place::Company(name("north")));
        let change = Change { credential: Some(issue(CredentialMark::Owed("".into()))), ..create(&state) };
        org.execute(&change).await.unwrap();
        org.wanted.insert(state.key.clone(), state.clone());
        live.push(org.live(&state.key).await);
    }
    let issues = [link(&live[0], "token", Some(until)), password(&live[1], true, Some(until))];
    let stored = directory.issue(&issues, &org.run).await;
    assert!(stored.iter().all(Result::is_ok), "{stored:?}");
    (directory, org, live.try_into().unwrap())
}

fn in_an_hour() -> Timestamp {
    Timestamp::now() + jiff::SignedDuration::from_hours(1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_use_a_link_one_gets_through() {
    let folder = TempDir::new().unwrap();
    let (directory, org, [anna, _]) = people(&folder, in_an_hour()).await;
    let (token, wrong) = (TokenHash::of(b"token"), TokenHash::of(b"tokeN"));
    let now = Timestamp::now();
    for _ in 0..20 {
        assert!(directory.redeemable(&token, now).await.unwrap(), "looking uses nothing up");
    }
    assert!(!directory.redeemable(&wrong, now).await.unwrap());
    assert!(!directory.redeem(&wrong, &PasswordHash::new("$w"), &PlainPassword::new("x"), now).await.unwrap());
    let username = Username::new("anna").unwrap();
    assert_eq!(directory.sign_in(&username).await.unwrap(), None, "no password exists until it is used");
    let tries = (0..50).map(|row| {
        let (directory, token) = (open(&folder), token.clone());
        tokio::spawn(async move {
            directory.redeem(&token, &PasswordHash::new(format!("${row}")), &PlainPassword::new("x"), now).await.unwrap()
        })
    });
    let mut won = 0;
    for one in tries.collect::<Vec<_>>() {
        won += u32::from(one.await.unwrap());
    }
    assert_eq!(won, 1);
    let found = directory.sign_in(&username).await.unwrap().unwrap();
    assert!(found.enabled && !found.must_change && found.until.is_none());
    assert!(!directory.redeemable(&token, now).await.unwrap());
    assert_eq!(org.live(&anna.state.key).await.unused_until, None);
    assert!(matches!(directory.verify(None).await.unwrap(), Chain::Whole { .. }));
}

#[tokio::test]
async fn links_and_temporary_passwords_die_by_time_disabling_and_deletion() {
    let folder = TempDir::new().unwrap();
    let until = in_an_hour();
    let (directory, mut org, [anna, bea]) = people(&folder, until).await;
    let (token, old, new) = (TokenHash::of(b"token"), PasswordHash::new(PASSWORD_HASH), PasswordHash::new("$new"));
    let bea_is = Username::new("bea").unwrap();
    assert!(
        !directory.redeemable(&token, until).await.unwrap()
            && !directory.redeem(&token, &new, &PlainPassword::new("x"), until).await.unwrap()
    );
    assert!(!directory.replace(&bea_is, &old, &new, until).await.unwrap(), "dead at its time");
    assert!(!directory.replace(&bea_is, &new, &old, Timestamp::now()).await.unwrap(), "another password");
    assert!(directory.sign_in(&bea_is).await.unwrap().unwrap().must_change);
    assert!(directory.replace(&bea_is, &old, &new, Timestamp::now()).await.unwrap());
    let found = directory.sign_in(&bea_is).await.unwrap().unwrap();
    assert!(found.password == new && !found.must_change && found.until.is_none(), "changed by its owner, it lives on");

    org.update(&anna.state.key, |it| it.enabled = false).await;
    org.update(&bea.state.key, |it| it.enabled = false).await;
    assert!(!directory.redeemable(&token, Timestamp::now()).await.unwrap());
    assert!(!directory.sign_in(&bea_is).await.unwrap().unwrap().enabled);
    assert!(!directory.replace(&bea_is, &new, &old, Timestamp::now()).await.unwrap());
    org.update(&anna.state.key, |it| it.enabled = true).await;
    assert!(
        !directory.redeem(&token, &new, &PlainPassword::new("x"), Timestamp::now()).await.unwrap(),
        "it does not come back to life"
    );
    org.delete(&bea.state.key).await;
    assert_eq!(directory.sign_in(&bea_is).await.unwrap(), None);
    let database = Connection::open(folder.path().join("tenantry.db")).unwrap();
    let left: u32 = database.query_row("SELECT count(*) FROM secrets", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0, "nothing is kept of those who are gone");
}

#[tokio::test]
async fn a_file_of_the_first_release_is_brought_up_to_date() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tenantry.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../../src/drivers/sqlite/schema.sql")).unwrap();
    old.execute_batch("PRAGMA application_id = 0x54656e61; PRAGMA user_version = 1;").unwrap();
    let company = "INSERT INTO objects (id, kind, namespace, name, owner, deletion, body) \
                   VALUES ('c', 'company', 'n', 'north', 'acme', 'Disable', '{\"displayName\":\"North\"}')";
    old.execute_batch(company).unwrap();
    drop(old);
    let observed = observe(&folder).await.unwrap();
    assert_eq!(observed.ours.len(), 1);
    let org = Org::new(open(&folder));
    org.execute(&create(&user("anna", Place::Company(name("north"))))).await.unwrap();
    assert!(org.observe().await.ours.iter().all(|live| live.unused_until.is_none() && live.state.locked.is_none()));
}
