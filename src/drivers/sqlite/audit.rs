//! The audit trail: how it stands in the file.

use std::path::Path;

use rusqlite::{
    Connection, OptionalExtension, Row, Statement, Transaction,
    types::{ToSqlOutput, ValueRef},
};

use crate::{
    directory::DirectoryError,
    drivers::sql::audit::{self, Hash, Record, Value, Verifier, WIDTH},
    history::Chain,
};

use super::{failed, schema};

/// The end of the trail within one transaction.
#[derive(Debug)]
pub(super) struct Trail(audit::Trail);

impl Trail {
    /// Takes up the trail where it ends.
    pub(super) fn continued(connection: &Connection) -> rusqlite::Result<Self> {
        connection.query_row("SELECT seq, hash FROM head", [], |row| trail(row).map(Self))
    }

    /// The statement that [`Trail::append`] takes.
    pub(super) fn statement(connection: &Connection) -> rusqlite::Result<Statement<'_>> {
        let marks = ["?"; WIDTH].join(", ");
        connection.prepare(&format!("INSERT INTO audit ({}) VALUES ({marks})", audit::every_column()))
    }

    /// Adds a record.
    pub(super) fn append(&mut self, statement: &mut Statement<'_>, record: &Record<'_>) -> rusqlite::Result<()> {
        self.0.append(record, |values| {
            for (column, value) in values.into_iter().enumerate() {
                statement.raw_bind_parameter(column + 1, ToSqlOutput::Borrowed(stored(value)))?;
            }
            statement.raw_execute().map(drop)
        })
    }

    /// Says where the trail ends now.
    pub(super) fn finish(&self, connection: &Connection) -> rusqlite::Result<()> {
        let Self(audit::Trail { seq, hash }) = self;
        connection.execute("UPDATE head SET seq = ?1, hash = ?2", rusqlite::params![seq, hash])?;
        Ok(())
    }
}

/// The number and the hash in the first two columns.
pub(super) fn trail(row: &Row<'_>) -> rusqlite::Result<audit::Trail> {
    Ok(audit::Trail { seq: row.get(0)?, hash: row.get::<_, Hash>(1)? })
}

fn stored(value: Value<'_>) -> ValueRef<'_> {
    match value {
        Value::Null => ValueRef::Null,
        Value::Integer(number) => ValueRef::Integer(number),
        Value::Real(number) => ValueRef::Real(number),
        Value::Text(bytes) => ValueRef::Text(bytes),
        Value::Blob(bytes) => ValueRef::Blob(bytes),
    }
}

fn found(value: ValueRef<'_>) -> Value<'_> {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(bytes) => Value::Text(bytes),
        ValueRef::Blob(bytes) => Value::Blob(bytes),
    }
}

/// Reads the whole trail, one record at a time.
pub(super) fn verify(path: &Path, head: Option<&str>) -> Result<Chain, DirectoryError> {
    let mut verifier = Verifier::new(head);
    if !schema::exists(path)? {
        return Ok(verifier.finish(audit::Trail::EMPTY));
    }
    let mut connection = schema::reader(path)?;
    let verify = || -> rusqlite::Result<Chain> {
        let transaction: Transaction<'_> = connection.transaction()?;
        let mut statement = transaction.prepare(&format!("SELECT {} FROM audit ORDER BY seq", audit::every_column()))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let mut values = [Value::Null; WIDTH];
            for (column, value) in values.iter_mut().enumerate() {
                *value = found(row.get_ref(column)?);
            }
            if let Err(broken) = verifier.add(&values) {
                return Ok(broken);
            }
        }
        Ok(verifier.finish(Trail::continued(&transaction)?.0))
    };
    verify().map_err(|error| failed("verify the audit trail", error))
}

/// Refuses a directory without a single object while the trail knows of one that nobody deleted.
pub(super) fn check_emptied(connection: &Connection) -> Result<(), DirectoryError> {
    // Beside `max` SQLite takes the other columns from the row that has it.
    let left = "SELECT kind || '/' || namespace || '/' || name FROM \
                (SELECT kind, namespace, name, verb, max(seq) FROM audit WHERE kind <> 'project' AND owner <> '' GROUP BY remote) WHERE verb <> 'delete' LIMIT 1";
    let left: Option<String> =
        connection.query_row(left, [], |row| row.get(0)).optional().map_err(|error| failed("read the audit trail", error))?;
    left.map_or(Ok(()), |key| Err(audit::emptied(&key, "remove the file")))
}

/// Refuses a trail that does not end where it ended.
pub(super) fn check_head(connection: &Connection) -> Result<(), DirectoryError> {
    let failed = |error| failed("read the audit trail", error);
    let Trail(head) = Trail::continued(connection).map_err(failed)?;
    let last = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1";
    audit::check_head(connection.query_row(last, [], trail).optional().map_err(failed)?, head)
}
