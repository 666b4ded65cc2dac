//! The audit trail shows what was done to it.

use std::path::Path;

use rusqlite::{Connection, params_from_iter, types::Value};
use tempfile::TempDir;
use tenantry::{
    directory::{ErrorKind, History},
    drivers::Sqlite,
    history::Chain,
    plan::Change,
};
use tokio_postgres::types::Type;

use super::{
    observe, populated,
    server::{SERVER, tamper},
};
use crate::conformance::{Org, key, kind_of};

#[tokio::test]
async fn the_audit_trail_shows_what_was_done_to_it() {
    let (schema, directory) = populated().await;
    let mut org = Org::new(directory.clone());
    org.wanted = org.observe().await.ours.into_iter().map(|live| (live.state.key.clone(), live.state)).collect();
    org.run.id = "x\u{3}y".into();
    org.run.losses_allowed = true;
    let change = Change { loss: 1, ..org.change(&key("user/n/mara"), |it| it.enabled = false).await };
    org.execute(&change).await.unwrap();
    let Chain::Whole { records, head, at: _ } = directory.verify(None).await.unwrap() else { panic!("it is whole") };
    assert_eq!((records, head.len()), (7, 64));
    assert!(matches!(directory.verify(Some(&head)).await.unwrap(), Chain::Whole { at: Some(7), .. }));

    let client = SERVER.connect().await;
    client.batch_execute(&format!("SET search_path = {schema}")).await.unwrap();
    let row = client.query_one("SELECT changes, loss, loss_allowed FROM audit WHERE seq = 7", &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), r#"{"enabled":[true,false]}"#);
    assert_eq!((row.get::<_, i64>(1), row.get::<_, i64>(2)), (0, 1), "a loss that was allowed is one in the history all the same");
    for sql in ["UPDATE audit SET verb = 'edit'", "DELETE FROM audit", "TRUNCATE audit"] {
        assert!(client.execute(sql, &[]).await.unwrap_err().as_db_error().unwrap().message().contains("only added to"), "{sql}");
    }

    // Whoever owns the table can take the trigger away.
    client.batch_execute("ALTER TABLE audit DISABLE TRIGGER audit_keeps; CREATE TABLE whole AS TABLE audit").await.unwrap();
    let columns = client.prepare("SELECT * FROM audit").await.unwrap();
    let mut attacks: Vec<(String, u64)> = Vec::new();
    for column in columns.columns() {
        let value = match *column.type_() {
            Type::INT8 => "77",
            Type::TEXT => "'forged'",
            _ => "decode(repeat('00', 32), 'hex')",
        };
        attacks.push((format!("UPDATE audit SET {} = {value} WHERE seq = 3", column.name()), 3));
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
        ("UPDATE audit SET run = 'x', actor = 'y' || chr(3) || actor WHERE seq = 7", 7),
        ("UPDATE audit SET reason = 'Declared' || chr(1), cause = NULL WHERE seq = 7", 7),
        ("UPDATE head SET seq = 6", 8),
    ] {
        attacks.push((sql.into(), record));
    }
    for (sql, record) in attacks {
        client.batch_execute(&sql).await.unwrap();
        match directory.verify(None).await.unwrap() {
            Chain::Broken { record: found, reason: _ } => assert_eq!(found, record, "{sql}"),
            Chain::Whole { .. } => panic!("not noticed: {sql}"),
        }
        client.batch_execute("TRUNCATE audit; INSERT INTO audit TABLE whole; UPDATE head SET seq = 7").await.unwrap();
        assert!(matches!(directory.verify(None).await.unwrap(), Chain::Whole { .. }));
    }
    // The budget counts from the trail, so a shortened one is no basis for a plan.
    client.batch_execute("DELETE FROM audit WHERE seq = 7").await.unwrap();
    assert_eq!(kind_of(observe(&directory).await), ErrorKind::Incomplete);
}

#[tokio::test]
async fn a_trail_can_be_carried_to_another_database_and_checked_there() {
    let (schema, directory) = populated().await;
    let Chain::Whole { records, head, .. } = directory.verify(None).await.unwrap() else { panic!("it is whole") };
    let folder = TempDir::new().unwrap();
    let file = Sqlite::open(folder.path(), Path::new("copy.db")).unwrap();
    // The same tables, with nothing in them yet.
    let settings = tenantry::observed::Settings::of(&tenantry::manifest::Project::default());
    tenantry::directory::Directory::remember(&file, &crate::conformance::name("acme"), None, &settings).await.unwrap();
    let target = Connection::open(folder.path().join("copy.db")).unwrap();
    target.execute_batch("DROP TRIGGER audit_keeps; DROP TRIGGER audit_stays; DELETE FROM audit").unwrap();
    let client = SERVER.connect().await;
    let rows = client.query(&format!("SELECT * FROM {schema}.audit ORDER BY seq"), &[]).await.unwrap();
    for row in &rows {
        let names: Vec<_> = row.columns().iter().map(tokio_postgres::Column::name).collect();
        let values = row.columns().iter().enumerate().map(|(place, column)| match *column.type_() {
            Type::INT8 => row.get::<_, Option<i64>>(place).map_or(Value::Null, Value::Integer),
            Type::BYTEA => row.get::<_, Option<Vec<u8>>>(place).map_or(Value::Null, Value::Blob),
            _ => row.get::<_, Option<String>>(place).map_or(Value::Null, Value::Text),
        });
        let sql = format!("INSERT INTO audit ({}) VALUES ({})", names.join(", "), vec!["?"; names.len()].join(", "));
        target.execute(&sql, params_from_iter(values)).unwrap();
    }
    target.execute("UPDATE head SET (seq, hash) = (SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1)", []).unwrap();
    assert_eq!(file.verify(None).await.unwrap(), Chain::Whole { records, head, at: None });
}

#[tokio::test]
async fn a_chunk_that_cannot_be_committed_did_not_happen() {
    let (schema, directory) = populated().await;
    let before = observe(&directory).await.unwrap();
    // The trail cannot be written: no change may go unrecorded.
    tamper(
        &schema,
        "CREATE FUNCTION stuck() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stuck'; END $$;
         CREATE TRIGGER stuck BEFORE INSERT ON audit EXECUTE FUNCTION stuck()",
    )
    .await;
    let org = Org::new(directory.clone());
    let north = tenantry::model::Place::Company(crate::conformance::name("north"));
    let users = ["a", "b"].map(|called| crate::conformance::create(&crate::conformance::user(called, north.clone())));
    for outcome in org.directory.execute_all(&users, &org.run).await {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Failed);
        assert!(error.chain().contains("stuck"), "{}", error.chain());
    }
    assert_eq!(observe(&directory).await.unwrap(), before);
}
