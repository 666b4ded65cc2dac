//! What a role may, and what it is told where it may not.

use std::{path::Path, sync::Arc};

use tenantry::{
    directory::{Directory, ErrorKind},
    drivers::Postgres,
};

use super::{
    observe, populated,
    server::{SERVER, unique},
};
use crate::conformance::{Org, company, create, kind_of};

/// The role that the page on PostgreSQL tells to make, and its password.
fn documented(role: &str, schema: &str) -> String {
    let page = include_str!("../../../docs/directories/postgres.md");
    let begin = page.find("```sql\nCREATE ROLE").expect("the page says how to make a role") + "```sql\n".len();
    let end = begin + page[begin..].find("```").expect("and ends");
    page[begin..end]
        .replace("tenantry_app", role)
        .replace("SCHEMA tenantry", &format!("SCHEMA {schema}"))
        .replace("accounts", "postgres")
}

fn open(role: &str, password: &str, schema: &str) -> Arc<Postgres> {
    Arc::new(Postgres::open(&SERVER.url(role, password, ""), schema, Path::new("")).unwrap())
}

#[tokio::test]
async fn the_role_of_the_page_can_do_everything_in_its_schema_and_nothing_else() {
    let (role, schema) = (unique("app"), unique("least"));
    SERVER.connect().await.batch_execute(&documented(&role, &schema)).await.unwrap();
    let directory = open(&role, "a-long-random-password", &schema);
    let mut org = Org::new(directory.clone());
    org.check().await;
    org.populate().await;
    drop(directory.lease(tenantry::directory::Right::Run, std::time::Duration::ZERO).await.unwrap());
    // Another schema it may neither make nor read.
    let (other, _) = populated().await;
    let foreign = open(&role, "a-long-random-password", &other);
    assert_eq!(kind_of(observe(&foreign).await), ErrorKind::Refused);
    let made = Org::new(open(&role, "a-long-random-password", &unique("none"))).execute(&create(&company("a", None))).await;
    let error = made.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(
        error.chain().contains("permission denied for database") && error.chain().contains("which rights"),
        "{}",
        error.chain()
    );
}

#[tokio::test]
async fn a_role_that_may_only_read_can_plan() {
    let (schema, directory) = populated().await;
    let role = unique("reader");
    let sql = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'r'; GRANT USAGE ON SCHEMA {schema} TO {role};
         GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}"
    );
    SERVER.connect().await.batch_execute(&sql).await.unwrap();
    let reader = open(&role, "r", &schema);
    assert_eq!(observe(&reader).await.unwrap(), observe(&directory).await.unwrap());
    let org = Org::new(reader);
    org.observe().await;
    let error = org.execute(&create(&company("a", None))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.chain().contains("permission denied"), "{}", error.chain());
    // One whose transactions only read is told as much, even where it might write.
    SERVER.connect().await.batch_execute(&format!("ALTER ROLE {role} SET default_transaction_read_only = on")).await.unwrap();
    let reader = open(&role, "r", &schema);
    assert_eq!(observe(&reader).await.unwrap().ours.len(), 6);
}

#[tokio::test]
async fn who_signs_in_wrongly_is_refused_without_a_word_of_the_password() {
    let (_, schema) = (unique("x"), unique("schema"));
    for (role, password) in [("postgres", "hunter2"), ("nobody_of_the_kind", "hunter2")] {
        let error = observe(&open(role, password, &schema)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(!error.chain().contains("hunter2") && error.chain().contains("authentication failed"), "{}", error.chain());
    }
    let url = format!("postgres://postgres:{}@127.0.0.1:{}/nowhere", SERVER.password, SERVER.port).into();
    let error = observe(&Postgres::open(&url, &schema, Path::new("")).unwrap()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(error.chain().contains("does not exist") && !error.chain().contains(&SERVER.password), "{}", error.chain());
}
