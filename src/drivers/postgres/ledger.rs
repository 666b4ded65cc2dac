//! The database as the ledger of another directory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use deadpool_postgres::Transaction;
use jiff::Timestamp;

use crate::{
    directory::{DirectoryError, Run},
    drivers::{
        ledger::{Deed, Ledger, Note},
        sql::change::{Recorded, credential, record},
    },
};

use super::{
    Postgres,
    audit::begin,
    fault::{Fault, again},
};

#[async_trait]
impl Ledger for Postgres {
    async fn last(&self) -> Result<u64, DirectoryError> {
        again(|| last(self)).await.map_err(|fault| self.failed("read the ledger", fault))
    }

    async fn notes(&self) -> Result<BTreeMap<String, String>, DirectoryError> {
        again(|| notes(self)).await.map_err(|fault| self.failed("read the ledger", fault))
    }

    async fn write(&self, deeds: Vec<Deed>, notes: Vec<Note>, run: &Run) -> Result<(), DirectoryError> {
        let done = again(|| write(self, &deeds, &notes, run)).await;
        done.map_err(|fault| self.failed("write to the ledger", fault))
    }

    async fn swap(&self, name: &str, before: Option<&str>, after: Option<&str>) -> Result<bool, DirectoryError> {
        let done = again(|| swap(self, name, before, after)).await;
        done.map_err(|fault| self.failed("write to the ledger", fault))
    }
}

async fn last(directory: &Postgres) -> Result<u64, Fault> {
    let mut client = directory.client().await?;
    if !directory.there(&mut client).await? {
        return Ok(0);
    }
    Ok(client.query_one("SELECT seq FROM head", &[]).await?.try_get::<_, i64>(0)?.cast_unsigned())
}

async fn notes(directory: &Postgres) -> Result<BTreeMap<String, String>, Fault> {
    let mut client = directory.client().await?;
    if !directory.there(&mut client).await? {
        return Ok(BTreeMap::new());
    }
    let rows = client.query("SELECT name, note FROM notes", &[]).await?;
    Ok(rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, tokio_postgres::Error>>()?)
}

async fn write(directory: &Postgres, deeds: &[Deed], notes: &[Note], run: &Run) -> Result<(), Fault> {
    let mut client = directory.client().await?;
    let mut writing = begin(directory, &mut client).await?;
    let (now, mut json) = (Timestamp::now(), Vec::new());
    for deed in deeds {
        match deed {
            Deed::Changed { change, loses, id, fields } => {
                let it = Recorded { change, loses, id, fields, now };
                record(run, &mut json, &it, |record| writing.append(record));
            }
            Deed::Credential { key, id, reason, changes } => writing.append(&credential(run, key, id, reason, changes)),
        }
    }
    for (name, note) in notes {
        keep(&writing.transaction, name, note.as_deref()).await?;
    }
    writing.commit().await
}

async fn keep(transaction: &Transaction<'_>, name: &str, note: Option<&str>) -> Result<(), tokio_postgres::Error> {
    if let Some(note) = note {
        let write = "INSERT INTO notes (name, note) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET note = excluded.note";
        transaction.execute(&transaction.prepare_cached(write).await?, &[&name, &note]).await?;
    } else {
        let delete = transaction.prepare_cached("DELETE FROM notes WHERE name = $1").await?;
        transaction.execute(&delete, &[&name]).await?;
    }
    Ok(())
}

async fn swap(directory: &Postgres, name: &str, before: Option<&str>, after: Option<&str>) -> Result<bool, Fault> {
    let mut client = directory.client().await?;
    let writing = begin(directory, &mut client).await?;
    let found = writing.transaction.query_opt("SELECT note FROM notes WHERE name = $1", &[&name]).await?;
    let found: Option<String> = found.map(|row| row.try_get(0)).transpose()?;
    if found.as_deref() != before {
        return Ok(false);
    }
    keep(&writing.transaction, name, after).await?;
    writing.commit().await?;
    Ok(true)
}
