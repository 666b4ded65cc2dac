//! The audit trail within a transaction that writes: its end is locked, its records go along.

use deadpool_postgres::{Object, Transaction};
use futures_util::{StreamExt, future::try_join};
use tokio_postgres::{IsolationLevel, Row, types::Type};

use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::sql::audit::{self, Record, Trail, Value, Verifier, WIDTH},
    history::Chain,
};

use super::{Ordering, Postgres, copy::Rows, fault::Fault, schema};

/// How statements are carried out in a transaction that writes.
const PLANS: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";

/// A transaction that writes, while nobody else does.
pub(super) struct Writing<'a> {
    pub(super) transaction: Transaction<'a>,
    /// When somebody last looked.
    pub(super) looked: Option<i64>,
    began: Trail,
    pub(super) pen: Pen,
}

/// Writes records in the order of the trail, for the server to take as it has time.
pub(super) struct Pen {
    trail: Trail,
    records: Rows,
}

/// Begins to write: makes the tables where there are none, waits for whoever else writes, and checks that the leases that were
/// taken are still ours. As the row of `head` is locked, nobody who took one over can be writing at the same time.
pub(super) async fn begin<'a>(directory: &Postgres, client: &'a mut Object) -> Result<Writing<'a>, Fault> {
    if !directory.ready.load(Ordering::Relaxed) {
        directory.leases.check()?;
        if !matches!(schema::look(client, &directory.schema).await?, schema::Seen::Ready) {
            schema::make(client, &directory.schema).await?;
        }
        directory.ready.store(true, Ordering::Relaxed);
    }
    let begin = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).read_only(false);
    let transaction = begin.start().await?;
    let head = "SELECT seq, hash, looked_at, (SELECT max(version) FROM tenantry_migrations) FROM head FOR UPDATE";
    let head = transaction.prepare_cached(head).await?;
    // Whatever is looked for while writing has an index. A plan that was made while there were few rows must not be kept for
    // when there are many: not by us, and not by the server for its own checks.
    let ((), row) = try_join(transaction.batch_execute(PLANS), transaction.query_one(&head, &[])).await?;
    let version = row.try_get(3)?;
    if version != schema::CURRENT {
        return Err(schema::newer(&directory.schema, version).into());
    }
    directory.leases.confirm(&transaction, &directory.schema).await?;
    let (trail, looked) = (trail(&row)?, row.try_get(2)?);
    Ok(Writing { transaction, looked, began: trail, pen: Pen { trail, records: Pen::none() } })
}

impl Pen {
    fn none() -> Rows {
        Rows::new(i16::try_from(WIDTH).unwrap_or(i16::MAX))
    }

    /// The records since the last time: whoever takes them [sends](send) them, in this order.
    pub(super) fn take(&mut self) -> Rows {
        std::mem::replace(&mut self.records, Self::none())
    }

    /// Adds a record.
    pub(super) fn append(&mut self, record: &Record<'_>) {
        let records = &mut self.records;
        self.trail.append(record, |values| {
            records.row();
            for value in values {
                match value {
                    Value::Null => records.bytes(None),
                    Value::Integer(number) => records.number(Some(number)),
                    Value::Real(number) => records.bytes(Some(&number.to_be_bytes())),
                    Value::Text(bytes) | Value::Blob(bytes) => records.bytes(Some(bytes)),
                };
            }
        });
    }
}

/// Sends records.
pub(super) async fn send(transaction: &Transaction<'_>, records: Rows) -> Result<(), Fault> {
    if !records.is_empty() {
        records.send(transaction, &format!("COPY audit ({}) FROM STDIN (FORMAT binary)", audit::every_column())).await?;
    }
    Ok(())
}

impl Writing<'_> {
    /// Adds a record.
    pub(super) fn append(&mut self, record: &Record<'_>) {
        self.pen.append(record);
    }

    /// Writes what records are left and ends the transaction.
    pub(super) async fn commit(self) -> Result<(), Fault> {
        let Self { transaction, looked: _, began, pen: Pen { trail, records } } = self;
        if trail != began {
            send(&transaction, records).await?;
            let head = transaction.prepare_cached("UPDATE head SET seq = $1, hash = $2").await?;
            transaction.execute(&head, &[&trail.seq, &trail.hash.as_slice()]).await?;
        }
        let lost = |error: tokio_postgres::Error| match error.as_db_error() {
            Some(_) => Fault::Server(error),
            None => Fault::Unknown(error),
        };
        transaction.commit().await.map_err(lost)
    }
}

/// The number and the hash in the first two columns.
pub(super) fn trail(row: &Row) -> Result<Trail, Fault> {
    let hash = row.try_get::<_, &[u8]>(1)?.try_into().map_err(|_| {
        DirectoryError::new("read the audit trail", ErrorKind::Incomplete).because("there is a hash of a wrong length in it")
    })?;
    Ok(Trail { seq: row.try_get(0)?, hash })
}

/// Where the trail ends, and when somebody last looked.
pub(super) async fn head(transaction: &Transaction<'_>) -> Result<(Trail, Option<i64>), Fault> {
    let row = transaction.query_opt("SELECT seq, hash, looked_at FROM head", &[]).await?;
    let missing = || DirectoryError::new("read the audit trail", ErrorKind::Incomplete).because("it does not say where it ends");
    let row = row.ok_or_else(missing)?;
    Ok((trail(&row)?, row.try_get(2)?))
}

/// Refuses a trail that does not end where it ended.
pub(super) async fn check_head(transaction: &Transaction<'_>) -> Result<(), Fault> {
    let (head, _) = head(transaction).await?;
    let last = transaction.query_opt("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", &[]).await?;
    Ok(audit::check_head(last.as_ref().map(trail).transpose()?, head)?)
}

/// Refuses a directory without a single object while the trail knows of one that nobody deleted.
pub(super) async fn check_emptied(transaction: &Transaction<'_>, schema: &str) -> Result<(), Fault> {
    let left = "SELECT kind || '/' || namespace || '/' || name FROM (SELECT DISTINCT ON (remote) kind, namespace, name, verb \
                FROM audit WHERE kind <> 'project' AND owner <> '' ORDER BY remote, seq DESC) last WHERE verb <> 'delete' LIMIT 1";
    match transaction.query_opt(left, &[]).await? {
        Some(row) => Err(audit::emptied(row.try_get(0)?, &format!("drop the schema {schema}")).into()),
        None => Ok(()),
    }
}

/// Reads the whole trail, one record at a time.
pub(super) async fn verify(directory: &Postgres, head: Option<&str>) -> Result<Chain, Fault> {
    let mut verifier = Verifier::new(head);
    let mut client = directory.client().await?;
    if !directory.there(&mut client).await? {
        return Ok(verifier.finish(Trail::EMPTY));
    }
    let transaction = directory.reading(&mut client).await?;
    let sql = format!("SELECT {} FROM audit ORDER BY seq", audit::every_column());
    let mut rows = std::pin::pin!(transaction.query_raw(&sql, std::iter::empty::<i64>()).await?);
    while let Some(row) = rows.next().await {
        if let Err(broken) = verifier.add(&values(&row?)?) {
            return Ok(broken);
        }
    }
    Ok(verifier.finish(self::head(&transaction).await?.0))
}

/// What stands in the columns of a record.
fn values(row: &Row) -> Result<[Value<'_>; WIDTH], Fault> {
    let mut values = [Value::Null; WIDTH];
    for (place, (value, column)) in values.iter_mut().zip(row.columns()).enumerate() {
        *value = match *column.type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(place)?.map_or(Value::Null, Value::Integer),
            Type::BYTEA => row.try_get::<_, Option<&[u8]>>(place)?.map_or(Value::Null, Value::Blob),
            _ => row.try_get::<_, Option<&str>>(place)?.map_or(Value::Null, |text| Value::Text(text.as_bytes())),
        };
    }
    Ok(values)
}
