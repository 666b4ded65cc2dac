//! The audit trail as history: read in pages, laid over each other, and added to by what was found.

use std::{pin::pin, sync::Arc};

use deadpool_postgres::Transaction;
use futures_util::StreamExt;
use jiff::Timestamp;
use smol_str::SmolStr;
use tokio_postgres::Row;

use crate::{
    directory::{DirectoryError, ErrorKind, Run},
    drivers::sql::{
        audit::{Trail, every_column, hex},
        past::{self, Known},
    },
    history::{Commit, Entry, Found, Past, Record},
    model::RemoteId,
};

use super::{
    Postgres,
    audit::{self, begin},
    fault::Fault,
    time,
};

/// The records after a number, oldest first.
pub(super) async fn records(directory: &Postgres, after: u64, most: usize) -> Result<Vec<Record>, Fault> {
    let mut client = directory.client().await?;
    if !directory.there(&mut client).await? {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT {} FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2", every_column());
    let (after, most) = (i64::try_from(after).unwrap_or(i64::MAX), i64::try_from(most).unwrap_or(i64::MAX));
    let rows = client.query(&sql, &[&after, &most]).await?;
    Ok(rows.iter().map(record).collect::<Result<_, _>>()?)
}

/// The record in a row of every column.
fn record(row: &Row) -> Result<Record, tokio_postgres::Error> {
    let text = |column| row.try_get::<_, &str>(column).map(SmolStr::new);
    let optional = |column| row.try_get::<_, Option<&str>>(column).map(|text| text.map(SmolStr::new));
    let number = |column| row.try_get::<_, i64>(column).map(i64::cast_unsigned);
    let time = |micros| time(micros).unwrap_or(Timestamp::UNIX_EPOCH);
    let committed: Option<i64> = row.try_get(21)?;
    let author = optional(18)?.unwrap_or_default();
    Ok(Record {
        seq: number(0)?,
        at: time(row.try_get(1)?),
        run: text(2)?,
        actor: optional(3)?,
        owner: text(4)?,
        verb: text(5)?,
        kind: text(6)?,
        namespace: text(7)?,
        name: text(8)?,
        remote: RemoteId(text(9)?),
        reason: text(10)?,
        cause: optional(11)?,
        changes: row.try_get(12)?,
        loss: number(13)?,
        loss_allowed: number(14)?,
        source: optional(16)?,
        commit: optional(17)?.map(|id| Commit { id, author, at: time(committed.unwrap_or_default()) }),
        since: row.try_get::<_, Option<i64>>(22)?.map(time),
        digest: text(19)?,
        prev: hex(row.try_get(20)?),
        hash: hex(row.try_get(23)?),
    })
}

/// What the records until a time come to.
pub(super) async fn past(directory: &Postgres, until: Timestamp) -> Result<Past, Fault> {
    let mut client = directory.client().await?;
    if !directory.there(&mut client).await? {
        return Ok(Past::default());
    }
    let transaction = directory.reading(&mut client).await?;
    let (head, looked) = audit::head(&transaction).await?;
    let mut past = part(&transaction, 0, head.seq, until.as_microsecond()).await?;
    past.looked = looked.and_then(time);
    Ok(past)
}

/// What all records come to. Those that are known already are not read again. A trail that does not go on where the known one
/// ends is that of another directory, or of this one at another time, and is refused as long as this program runs: whoever looks
/// again and again must not take a database that was set up anew for a new directory.
pub(super) async fn present(directory: &Postgres, known: &mut Option<Known>) -> Result<Arc<Past>, Fault> {
    let other = || {
        let cause = "this is not the directory that was read before, or not all of it; if that is meant, start again";
        DirectoryError::new(format!("read the schema {}", directory.schema), ErrorKind::Incomplete).because(cause)
    };
    let mut client = directory.client().await?;
    if !directory.there(&mut client).await? {
        return if known.is_some() { Err(other().into()) } else { Ok(Arc::default()) };
    }
    let transaction = directory.reading(&mut client).await?;
    let (head, looked) = audit::head(&transaction).await?;
    let last = known.as_ref().map_or(Trail::EMPTY, |known| known.last);
    if last != Trail::EMPTY {
        let found = transaction.query_opt("SELECT seq, hash FROM audit WHERE seq = $1", &[&last.seq]).await?;
        if found.as_ref().map(audit::trail).transpose()? != Some(last) {
            return Err(other().into());
        }
    }
    let more = part(&transaction, last.seq, head.seq, i64::MAX).await?;
    Ok(Known::extend(known, more, head, looked.and_then(time)))
}

async fn part(transaction: &Transaction<'_>, from: i64, to: i64, until: i64) -> Result<Past, Fault> {
    let corrupt = |seq: i64, error: &dyn std::fmt::Display| {
        DirectoryError::new(format!("read record {seq} of the history"), ErrorKind::Incomplete).because(error.to_string())
    };
    let sql = "SELECT seq, at, verb, kind, namespace, name, owner, remote, changes, since FROM audit \
               WHERE seq > $1 AND seq <= $2 ORDER BY seq";
    let mut rows = pin!(transaction.query_raw(sql, [from, to]).await?);
    let mut past = Past::default();
    while let Some(row) = rows.next().await {
        let row = row?;
        let (seq, at): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        if at > until {
            let since: Option<i64> = row.try_get(9)?;
            past.unsure += u64::from(since.is_some_and(|since| since <= until));
            continue;
        }
        let entry = Entry {
            seq: seq.cast_unsigned(),
            verb: row.try_get(2)?,
            kind: row.try_get(3)?,
            namespace: row.try_get(4)?,
            name: row.try_get(5)?,
            owner: row.try_get(6)?,
            remote: row.try_get(7)?,
            changes: row.try_get(8)?,
        };
        past.add(&entry).map_err(|error| corrupt(seq, &error))?;
    }
    Ok(past)
}

/// Records what was found, and that somebody has looked.
pub(super) async fn looked(
    directory: &Postgres,
    found: &[Found],
    since: Option<Timestamp>,
    at: Timestamp,
    run: &Run,
) -> Result<(), Fault> {
    let mut client = directory.client().await?;
    let mut writing = begin(directory, &mut client).await?;
    let since = since.map(Timestamp::as_microsecond).max(writing.looked);
    for it in found {
        past::record(it, since, at, run, |record| writing.append(record));
    }
    writing.transaction.execute("UPDATE head SET looked_at = $1", &[&at.as_microsecond()]).await?;
    writing.commit().await
}
