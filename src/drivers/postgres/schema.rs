//! The tables, how a schema gets them, and whether a schema is one of ours.

use deadpool_postgres::{GenericClient, Object};

use crate::directory::{DirectoryError, ErrorKind};

use super::{fault::Fault, lease};

/// Each takes a schema from the version that is its row number to the next. Never edited once released, only added to.
const MIGRATIONS: [&str; 1] = [include_str!("schema.sql")];

/// The version of the schema that this program reads and writes: the number of the migrations.
pub(super) const CURRENT: i32 = 1;

/// What stands in a schema. Only ours has a table of this name.
const LOOK: &str = "SELECT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'tenantry_migrations'), \
     EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid), has_schema_privilege(n.oid, 'USAGE') \
     FROM pg_namespace n WHERE n.nspname = $1";

/// What there is.
pub(super) enum Seen {
    /// No schema, or one with nothing in it.
    Nothing,
    /// An older version of our tables.
    Older,
    /// Our tables.
    Ready,
}

/// Whether the tables are there; anything but what we know is refused.
pub(super) async fn look(client: &impl GenericClient, schema: &str) -> Result<Seen, Fault> {
    let refuse = |kind, cause: String| Err(DirectoryError::new(format!("read the schema {schema}"), kind).because(cause).into());
    let statement = client.prepare_cached(LOOK).await?;
    let Some(row) = client.query_opt(&statement, &[&schema]).await? else { return Ok(Seen::Nothing) };
    // Without that right the server says that there are no such tables. Catalogues may be read by everybody.
    if !row.try_get::<_, bool>(2)? {
        let cause = "permission denied: the role needs USAGE on it; the page on PostgreSQL says which rights there are";
        return refuse(ErrorKind::Refused, cause.into());
    }
    match (row.try_get(0)?, row.try_get(1)?) {
        (false, false) => Ok(Seen::Nothing),
        (false, true) => {
            let cause = "it holds something that is not Tenantry's; name a schema that does not exist, or an empty one";
            refuse(ErrorKind::Incomplete, cause.into())
        }
        (true, _) => {
            let statement = client.prepare_cached("SELECT max(version) FROM tenantry_migrations").await?;
            match client.query_one(&statement, &[]).await?.try_get::<_, Option<i32>>(0)? {
                Some(version) if version > CURRENT => Err(newer(schema, version).into()),
                Some(CURRENT) => Ok(Seen::Ready),
                Some(_) => Ok(Seen::Older),
                None => refuse(ErrorKind::Incomplete, "it says no version".into()),
            }
        }
    }
}

/// The failure of a schema that we do not know.
pub(super) fn newer(schema: &str, version: i32) -> DirectoryError {
    let cause = format!("a newer Tenantry has written it (schema version {version}, this one knows {CURRENT}); update this one");
    DirectoryError::new(format!("read the schema {schema}"), ErrorKind::Rejected).because(cause)
}

/// Makes the schema and its tables, or brings them up to date, in one transaction. One at a time.
pub(super) async fn make(client: &mut Object, schema: &str) -> Result<(), Fault> {
    let transaction = client.build_transaction().read_only(false).start().await?;
    let lock = transaction.prepare_cached("SELECT pg_advisory_xact_lock($1, 0)").await?;
    transaction.query_one(&lock, &[&lease::number(schema)]).await?;
    let from = match look(&transaction, schema).await? {
        Seen::Ready => return Ok(()),
        Seen::Nothing => 0,
        Seen::Older => {
            let version = transaction.query_one("SELECT max(version) FROM tenantry_migrations", &[]).await?;
            usize::try_from(version.try_get::<_, i32>(0)?).unwrap_or(MIGRATIONS.len())
        }
    };
    if from == 0 {
        // `IF NOT EXISTS` asks for the right to create schemas even where there is nothing to create.
        let found = transaction.query_opt("SELECT FROM pg_namespace WHERE nspname = $1", &[&schema]).await?;
        if found.is_none() {
            transaction.batch_execute(&format!("CREATE SCHEMA \"{schema}\"")).await?;
        }
        transaction
            .batch_execute("CREATE TABLE tenantry_migrations (version integer PRIMARY KEY, at timestamptz NOT NULL)")
            .await?;
    }
    for (version, migration) in (1_i32..).zip(MIGRATIONS).skip(from) {
        transaction.batch_execute(migration).await?;
        transaction.execute("INSERT INTO tenantry_migrations VALUES ($1, now())", &[&version]).await?;
    }
    transaction.commit().await.map_err(|error| if error.as_db_error().is_some() { error.into() } else { Fault::Unknown(error) })
}
