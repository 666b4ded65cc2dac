//! What stands in the tables, and what is made of it.

use std::sync::Arc;

use tenantry::{
    directory::{Directory, ErrorKind, History},
    drivers::ledger::Ledger,
    history::Chain,
    manifest::Project,
    model::{Place, State},
    observed::Settings,
    plan::{Action, Change},
};

use super::{
    observe, populated,
    server::{SERVER, fresh, tamper},
};
use crate::conformance::{Org, call, cause, company, create, delete, key, kind_of, name, user};

async fn count(sql: &str) -> i64 {
    SERVER.connect().await.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn looking_makes_nothing() {
    let (schema, directory) = fresh();
    let org = Org::new(directory.clone());
    org.check().await;
    assert!(matches!(directory.verify(None).await.unwrap(), Chain::Whole { records: 0, .. }));
    assert_eq!(directory.records(0, 10).await.unwrap(), []);
    assert_eq!((directory.last().await.unwrap(), directory.notes().await.unwrap().len()), (0, 0));
    assert_eq!(count(&format!("SELECT count(*) FROM pg_namespace WHERE nspname = '{schema}'")).await, 0);
    assert_eq!(directory.name(), format!("postgres: 127.0.0.1:{}/postgres schema {schema}", SERVER.port));
    // An empty schema that somebody has made for us is as good as none.
    SERVER.connect().await.batch_execute(&format!("CREATE SCHEMA {schema}")).await.unwrap();
    assert_eq!(observe(&directory).await.unwrap().ours, []);
    assert_eq!(count(&format!("SELECT count(*) FROM pg_class WHERE relnamespace = '{schema}'::regnamespace")).await, 0);
}

#[tokio::test]
async fn remembering_the_same_writes_nothing() {
    let (schema, directory) = populated().await;
    let settings = Settings::of(&Project::default());
    directory.remember(&name("acme"), Some("x"), &settings).await.unwrap();
    let last = directory.last().await.unwrap();
    let row = format!("SELECT xmin::text::bigint FROM {schema}.applied");
    let before = count(&row).await;
    directory.remember(&name("acme"), Some("x"), &settings).await.unwrap();
    assert_eq!((directory.last().await.unwrap(), count(&row).await), (last, before));
}

#[tokio::test]
async fn what_is_no_schema_of_ours_is_refused() {
    let (schema, directory) = fresh();
    SERVER.connect().await.batch_execute(&format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.theirs (x int)")).await.unwrap();
    assert!(cause(observe(&directory).await).contains("not Tenantry's"));
    let written = Org::new(directory).execute(&create(&company("a", None))).await;
    assert_eq!(kind_of(written), ErrorKind::Incomplete);
    assert_eq!(count(&format!("SELECT count(*) FROM pg_class WHERE relnamespace = '{schema}'::regnamespace")).await, 1);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let (schema, directory) = populated().await;
    tamper(&schema, "INSERT INTO tenantry_migrations VALUES (99, now())").await;
    assert!(cause(observe(&directory).await).contains("newer Tenantry"));
    for written in [directory, SERVER.open(&schema)] {
        let written = Org::new(written).execute(&delete(&key("user/n/mara"))).await;
        assert_eq!(kind_of(written), ErrorKind::Rejected);
    }
}

#[tokio::test]
async fn what_is_damaged_is_not_taken_for_empty() {
    for sql in [
        "UPDATE objects SET body = '{}' WHERE name = 'mara'",
        "UPDATE objects SET username = 'other' WHERE name = 'mara'",
        "UPDATE objects SET name = 'Not A Name' WHERE name = 'mara'",
        "UPDATE objects SET deletion = 'Perhaps' WHERE name = 'mara'",
        "UPDATE objects SET credential = 'lost' WHERE name = 'mara'",
        "UPDATE objects SET created_at = 9223372036854775807 WHERE name = 'mara'",
    ] {
        let (schema, directory) = populated().await;
        tamper(&schema, sql).await;
        let error = observe(&directory).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Incomplete, "{sql}");
        assert!(error.to_string().contains("read object"), "{error}");
    }
    let (schema, directory) = populated().await;
    tamper(&schema, "DROP TABLE secrets; DROP TABLE objects CASCADE").await;
    assert_eq!(kind_of(observe(&directory).await), ErrorKind::Incomplete);
}

#[tokio::test]
async fn an_emptied_directory_is_not_taken_for_a_new_one() {
    let (schema, directory) = populated().await;
    tamper(&schema, "TRUNCATE objects CASCADE").await;
    let error = observe(&directory).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Incomplete);
    assert!(error.chain().contains("an empty list from a directory that held things"), "{}", error.chain());

    // One whose things were all deleted by us is empty, and so is one that was made and never filled.
    let (_, directory) = fresh();
    let mut org = Org::new(directory.clone());
    org.create(company("north", None)).await;
    org.execute(&delete(&key("company/n/north"))).await.unwrap();
    assert_eq!(observe(&directory).await.unwrap().ours, []);
    let (_, directory) = fresh();
    directory.remember(&name("acme"), Some("x"), &Settings::of(&Project::default())).await.unwrap();
    assert_eq!(observe(&directory).await.unwrap().ours, []);
}

#[tokio::test]
async fn a_schema_that_was_dropped_is_noticed() {
    let (schema, directory) = populated().await;
    SERVER.connect().await.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
    let org = Org::new(directory.clone());
    let made = create(&company("north", None));
    assert_eq!(kind_of(org.execute(&made).await), ErrorKind::Incomplete, "not made anew behind the back of a run");
    org.execute(&made).await.unwrap();
    assert_eq!(org.observe().await.ours.len(), 1);
    // Whoever reads the history again and again is told.
    assert_eq!(directory.past(None).await.unwrap_err().kind, ErrorKind::Incomplete);
}

#[tokio::test]
async fn a_stranger_never_fails_a_read() {
    let (schema, directory) = populated().await;
    tamper(
        &schema,
        "INSERT INTO objects (id, kind, username, email, body, created_at) VALUES
             ('x1', 'user', 'Service Account', NULL, 'no JSON', 9223372036854775807),
             ('x2', 'company', NULL, NULL, '{\"displayName\": \"Old & Co\"}', 0),
             ('x3', 'company', NULL, NULL, '{\"name\": 1}', 0)",
    )
    .await;
    let observed = observe(&directory).await.unwrap();
    let labels: Vec<_> = observed.strangers.iter().map(|it| (it.label.as_str(), it.fit.is_ok())).collect();
    assert_eq!(labels, [("Service Account", false), ("Old & Co", true), ("x3", false)]);
    // In whatever case a foreign tool wrote it, a name is taken.
    tamper(&schema, "UPDATE objects SET username = 'SERVICE' WHERE id = 'x1'").await;
    let org = Org::new(directory);
    assert_eq!(kind_of(org.execute(&create(&user("service", Place::Company(name("north"))))).await), ErrorKind::Conflict);
}

#[tokio::test]
async fn names_sort_as_bytes_whatever_the_locale() {
    let (_, directory) = fresh();
    let mut org = Org::new(directory);
    for called in ["b", "a-b", "ab", "a0", "a-a"] {
        org.create(company(called, None)).await;
    }
}

fn many(count: usize) -> Vec<State> {
    (0..count).map(|row| user(&format!("u{row:05}"), Place::Company(name("north")))).collect()
}

#[tokio::test]
async fn in_a_long_list_what_cannot_be_fails_alone() {
    let (_, directory) = fresh();
    let mut org = Org::new(directory.clone());
    org.create(company("north", None)).await;
    let mut states = many(2_500);
    // Taken by another one of the list, under a company that does not exist, under one of the same list.
    call(&mut states[1_200], "u00007", "seven@acme.example");
    states[2_100].place = Some(Place::Company(name("nowhere")));
    let below = State { place: Some(Place::Company(name("late"))), ..user("below", Place::Company(name("late"))) };
    let mut changes: Vec<_> = states.iter().map(create).collect();
    changes.extend([create(&company("late", None)), create(&below)]);
    let outcomes = directory.execute_all(&changes, &org.run).await;
    let failed: Vec<_> = outcomes.iter().enumerate().filter_map(|(row, it)| Some((row, it.as_ref().err()?.kind.clone()))).collect();
    assert_eq!(failed, [(1_200, ErrorKind::Conflict), (2_100, ErrorKind::Rejected)]);
    org.wanted.extend(
        states.into_iter().enumerate().filter(|(row, _)| ![1_200, 2_100].contains(row)).map(|(_, it)| (it.key.clone(), it)),
    );
    org.wanted.extend([company("late", None), below].map(|it| (it.key.clone(), it)));
    org.check().await;
}

#[tokio::test]
async fn many_users_change_at_once() {
    let (_, directory) = fresh();
    let mut org = Org::new(directory.clone());
    for called in ["north", "south"] {
        org.create(company(called, None)).await;
    }
    let states = many(1_000);
    let changes: Vec<_> = states.iter().map(create).collect();
    assert!(directory.execute_all(&changes, &org.run).await.iter().all(Result::is_ok));
    let observed = org.observe().await;
    let mut changes = Vec::new();
    for (row, mut state) in states.into_iter().enumerate() {
        let live = observed.get(&state.key).unwrap();
        let (remote, expect) = (Some(live.id.clone()), live.version.clone());
        let before = state.clone();
        match row % 4 {
            0 => {
                changes.push(Change { remote, expect, ..delete(&state.key) });
                continue;
            }
            // The name of the one that is deleted before it, so that order matters within one transaction.
            1 => call(&mut state, &format!("u{:05}", row - 1), &format!("u{:05}@acme.example", row - 1)),
            2 => state.place = Some(Place::Company(name("south"))),
            _ => state.enabled = false,
        }
        let action = Action::Update { fields: before.changes(&state), to: Box::new(state.clone()) };
        changes.push(Change { action, remote, expect, ..delete(&state.key) });
        org.wanted.insert(state.key.clone(), state);
    }
    // One that has moved since, and one that is gone.
    let stale = Change { expect: Some(tenantry::model::Version("77".into())), ..changes[2].clone() };
    let outcomes = directory.execute_all(&changes, &org.run).await;
    assert!(outcomes.iter().all(Result::is_ok), "{:?}", outcomes.iter().find(|it| it.is_err()));
    org.check().await;
    let stale = Change {
        action: match stale.action {
            Action::Update { fields, mut to } => {
                to.suspended = true;
                Action::Update { fields, to }
            }
            other => other,
        },
        ..stale
    };
    let outcomes = directory.execute_all(&[stale, changes[0].clone()], &org.run).await;
    let kinds: Vec<_> = outcomes.into_iter().map(|it| it.err().map(|error| error.kind)).collect();
    assert_eq!(kinds, [Some(ErrorKind::Moved), None]);
    // Two who swap what is unique cannot do it in one step, whatever the order: both stay as they are, and so says the trail.
    let observed = org.observe().await;
    let swap = |from: &str, to: &str| {
        let live = observed.get(&key(from)).unwrap();
        let mut wanted = live.state.clone();
        wanted.body = observed.get(&key(to)).unwrap().state.body.clone();
        let action = Action::Update { fields: live.state.changes(&wanted), to: Box::new(wanted) };
        Change { action, remote: Some(live.id.clone()), expect: live.version.clone(), ..delete(&key(from)) }
    };
    let swaps = [swap("user/n/u00002", "user/n/u00003"), swap("user/n/u00003", "user/n/u00002")];
    assert!(directory.execute_all(&swaps, &org.run).await.into_iter().all(|it| kind_of(it) == ErrorKind::Conflict));
    org.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_write_first_make_one_schema() {
    let (schema, directory) = fresh();
    let writers = (0..8).map(|row| {
        let directory = SERVER.open(&schema);
        tokio::spawn(async move {
            let org = Org::new(directory);
            for turn in 0..5 {
                org.execute(&create(&company(&format!("c{row}-{turn}"), None))).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(observe(&directory).await.unwrap().ours.len(), 40);
    assert!(matches!(directory.verify(None).await.unwrap(), Chain::Whole { records: 40, .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_is_of_one_moment() {
    let (_, directory) = fresh();
    let mut org = Org::new(directory.clone());
    org.create(company("north", None)).await;
    let ends = [key("user/n/a"), key("user/n/z")];
    for called in ["a", "z"] {
        org.create(user(called, Place::Company(name("north")))).await;
    }
    let (writer, stop) = (Org::new(directory.clone()), tenantry::directory::Stop::default());
    let (stopped, both) = (stop.clone(), ends.clone());
    let writing = tokio::spawn(async move {
        let mut turns = 0;
        while !stopped.requested() {
            let mut changes = Vec::new();
            for key in &both {
                changes.push(writer.change(key, |it| it.enabled ^= true).await);
            }
            assert!(writer.directory.execute_all(&changes, &writer.run).await.iter().all(Result::is_ok));
            turns += 1;
        }
        turns
    });
    for _ in 0..30 {
        let observed = observe(&directory).await.unwrap();
        let [first, last] = ends.each_ref().map(|key| observed.get(key).unwrap().state.enabled);
        assert_eq!(first, last);
    }
    stop.request();
    assert!(writing.await.unwrap() > 0);
}

#[tokio::test]
async fn people_can_look_with_psql() {
    let (schema, _) = populated().await;
    let client = SERVER.connect().await;
    client.batch_execute(&format!("SET search_path = {schema}")).await.unwrap();
    let rows = async |sql: &str| -> Vec<String> { client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect() };
    let users = "SELECT name || ' ' || role || ' ' || parent_kind || ' ' || parent FROM users ORDER BY 1";
    assert_eq!(rows(users).await[0], "jonas owner company south");
    let companies = "SELECT display_name || ' ' || coalesce(parent, '-') FROM companies ORDER BY 1";
    assert_eq!(rows(companies).await, ["north -", "south north"]);
    assert_eq!(rows("SELECT display_name || ' ' || company FROM customers").await, ["shop south"]);
    assert_eq!(rows("SELECT name FROM roles").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_swap_a_note_one_succeeds() {
    let (_, directory) = fresh();
    let run = Org::new(directory.clone()).run;
    directory.write(Vec::new(), vec![("lock".into(), Some("free".into()))], &run).await.unwrap();
    let tries = (0..10).map(|row| {
        let directory: Arc<_> = directory.clone();
        tokio::spawn(async move { directory.swap("lock", Some("free"), Some(&format!("{row}"))).await.unwrap() })
    });
    let mut won = 0;
    for one in tries.collect::<Vec<_>>() {
        won += u32::from(one.await.unwrap());
    }
    assert_eq!(won, 1);
    let held = directory.notes().await.unwrap()["lock"].clone();
    assert!(directory.swap("lock", Some(&held), None).await.unwrap());
    assert!(directory.swap("lock", None, Some("again")).await.unwrap());
}
