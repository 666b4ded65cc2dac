//! The file as the ledger of another directory.

use std::{collections::BTreeMap, path::Path};

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::{
    directory::{DirectoryError, Run},
    drivers::{
        ledger::{Deed, Ledger, Note},
        sql::change::{Recorded, credential, record},
    },
};

use super::{Sqlite, audit::Trail, blocking, failed, schema};

#[async_trait]
impl Ledger for Sqlite {
    async fn last(&self) -> Result<u64, DirectoryError> {
        let path = self.path.clone();
        blocking("read the ledger", move || last(&path)).await
    }

    async fn notes(&self) -> Result<BTreeMap<String, String>, DirectoryError> {
        let path = self.path.clone();
        blocking("read the ledger", move || notes(&path)).await
    }

    async fn write(&self, deeds: Vec<Deed>, notes: Vec<Note>, run: &Run) -> Result<(), DirectoryError> {
        let run = run.clone();
        self.on_writer("write to the ledger", move |connection| write(connection, &deeds, &notes, &run)).await
    }

    async fn swap(&self, name: &str, before: Option<&str>, after: Option<&str>) -> Result<bool, DirectoryError> {
        let [before, after] = [before, after].map(|text| text.map(str::to_owned));
        let name = name.to_owned();
        let swap = move |connection: &mut Connection| swap(connection, &name, before.as_deref(), after.as_deref());
        self.on_writer("write to the ledger", swap).await
    }
}

fn last(path: &Path) -> Result<u64, DirectoryError> {
    if !schema::exists(path)? {
        return Ok(0);
    }
    let last = schema::reader(path)?.query_row("SELECT seq FROM head", [], |row| row.get::<_, i64>(0));
    last.map(i64::cast_unsigned).map_err(|error| failed("read the ledger", error))
}

fn notes(path: &Path) -> Result<BTreeMap<String, String>, DirectoryError> {
    if !schema::exists(path)? {
        return Ok(BTreeMap::new());
    }
    let connection = schema::reader(path)?;
    let read = || -> rusqlite::Result<_> {
        let mut statement = connection.prepare("SELECT name, note FROM notes ORDER BY name")?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    read().map_err(|error| failed("read the ledger", error))
}

fn write(connection: &mut Connection, deeds: &[Deed], notes: &[Note], run: &Run) -> Result<(), DirectoryError> {
    let mut write = || -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if !deeds.is_empty() {
            let now = Timestamp::now();
            let (mut trail, mut json) = (Trail::continued(&transaction)?, Vec::new());
            let mut statement = Trail::statement(&transaction)?;
            for deed in deeds {
                match deed {
                    Deed::Changed { change, loses, id, fields } => {
                        let it = Recorded { change, loses, id, fields, now };
                        record(run, &mut json, &it, |record| trail.append(&mut statement, record))?;
                    }
                    Deed::Credential { key, id, reason, changes } => {
                        trail.append(&mut statement, &credential(run, key, id, reason, changes))?;
                    }
                }
            }
            trail.finish(&transaction)?;
        }
        notes.iter().try_for_each(|(name, note)| keep(&transaction, name, note.as_deref()))?;
        transaction.commit()
    };
    write().map_err(|error| failed("write to the ledger", error))
}

fn keep(transaction: &Transaction<'_>, name: &str, note: Option<&str>) -> rusqlite::Result<()> {
    match note {
        Some(note) => {
            let write = "INSERT INTO notes (name, note) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET note = excluded.note";
            transaction.prepare_cached(write)?.execute([name, note])?;
        }
        None => drop(transaction.prepare_cached("DELETE FROM notes WHERE name = ?1")?.execute([name])?),
    }
    Ok(())
}

fn swap(connection: &mut Connection, name: &str, before: Option<&str>, after: Option<&str>) -> Result<bool, DirectoryError> {
    let mut write = || -> rusqlite::Result<bool> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let read = "SELECT note FROM notes WHERE name = ?1";
        let found: Option<String> = transaction.query_row(read, params![name], |row| row.get(0)).optional()?;
        if found.as_deref() != before {
            return Ok(false);
        }
        keep(&transaction, name, after)?;
        transaction.commit().map(|()| true)
    };
    write().map_err(|error| failed("write to the ledger", error))
}
