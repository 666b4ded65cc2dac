//! The audit trail as history: read in pages, laid over each other, and added to by what was found.

use std::{num::NonZero, path::Path, sync::Arc, thread};

use jiff::Timestamp;
use rusqlite::{Connection, Row, TransactionBehavior, params, types::Value};
use smol_str::SmolStr;

use crate::{
    directory::{DirectoryError, ErrorKind, Run},
    drivers::sql::{
        audit::{Trail, every_column, hex},
        past::{self, Known},
    },
    history::{Commit, Entry, Found, Past, Record},
    model::RemoteId,
};

use super::{audit, failed, schema};

/// Records that are worth another thread.
const SHARE: i64 = 20_000;

/// Threads that read at most.
const THREADS: usize = 4;

/// The records after a number, oldest first.
pub(super) fn records(path: &Path, after: u64, most: usize) -> Result<Vec<Record>, DirectoryError> {
    if !schema::exists(path)? {
        return Ok(Vec::new());
    }
    let connection = schema::reader(path)?;
    let read = || -> rusqlite::Result<Vec<Record>> {
        let sql = format!("SELECT {} FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2", every_column());
        let mut statement = connection.prepare(&sql)?;
        let (after, most) = (i64::try_from(after).unwrap_or(i64::MAX), i64::try_from(most).unwrap_or(i64::MAX));
        let rows = statement.query_map([after, most], record)?;
        rows.collect()
    };
    read().map_err(|error| failed("read the history", error))
}

/// The record in a row of [`audit::every_column`].
fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let text = |column: usize| Ok::<_, rusqlite::Error>(SmolStr::new(row.get_ref(column)?.as_str()?));
    let optional = |column: usize| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str_or_null()?.map(SmolStr::new));
    let number = |column: usize| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.cast_unsigned());
    let time = |micros: i64| Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
    let hex = |column: usize| Ok::<_, rusqlite::Error>(hex(row.get_ref(column)?.as_blob()?));
    let committed = row.get::<_, Option<i64>>(21)?;
    let commit = optional(17)?.map(|id| -> rusqlite::Result<Commit> {
        Ok(Commit { id, author: optional(18)?.unwrap_or_default(), at: time(committed.unwrap_or_default()) })
    });
    Ok(Record {
        seq: number(0)?,
        at: time(row.get(1)?),
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
        changes: row.get(12)?,
        loss: number(13)?,
        loss_allowed: number(14)?,
        source: optional(16)?,
        commit: commit.transpose()?,
        since: row.get::<_, Option<i64>>(22)?.map(time),
        digest: text(19)?,
        prev: hex(20)?,
        hash: hex(23)?,
    })
}

/// What the records until a time come to.
pub(super) fn past(path: &Path, until: Timestamp) -> Result<Past, DirectoryError> {
    if !schema::exists(path)? {
        return Ok(Past::default());
    }
    let connection = schema::reader(path)?;
    let (last, looked) = head(&connection)?;
    let mut past = parts(path, &connection, (0, last.seq), until.as_microsecond())?;
    past.looked = looked;
    Ok(past)
}

/// What all records come to. Those that are known already are not read again. A trail that does not go on where the known one
/// ends is that of another directory, or of this one at another time, and is refused as long as this program runs: whoever looks
/// again and again must not take a folder that was unmounted for a new directory.
pub(super) fn present(path: &Path, known: &mut Option<Known>) -> Result<Arc<Past>, DirectoryError> {
    let other = || {
        let cause = "this is not the directory that was read before, or not all of it; if that is meant, start again";
        DirectoryError::new(format!("read {}", path.display()), ErrorKind::Incomplete).because(cause)
    };
    if !schema::exists(path)? {
        return if known.is_some() { Err(other()) } else { Ok(Arc::default()) };
    }
    let connection = schema::reader(path)?;
    let (last, looked) = head(&connection)?;
    if known.as_ref().is_some_and(|known| !is_record(&connection, known.last)) {
        return Err(other());
    }
    let from = known.as_ref().map_or(0, |known| known.last.seq);
    let more = parts(path, &connection, (from, last.seq), i64::MAX)?;
    Ok(Known::extend(known, more, last, looked))
}

/// The last record, and when somebody last looked.
fn head(connection: &Connection) -> Result<(Trail, Option<Timestamp>), DirectoryError> {
    let read = |row: &Row<'_>| Ok((audit::trail(row)?, row.get::<_, Option<i64>>(2)?));
    let head = connection.query_row("SELECT seq, hash, looked_at FROM head", [], read);
    let (last, looked) = head.map_err(|error| failed("read the history", error))?;
    Ok((last, looked.and_then(|micros| Timestamp::from_microsecond(micros).ok())))
}

fn is_record(connection: &Connection, last: Trail) -> bool {
    let found = connection.query_row("SELECT seq, hash FROM audit WHERE seq = ?1", [last.seq], audit::trail);
    last.seq == 0 || found.is_ok_and(|found| found == last)
}

/// What some records come to. Many are read in parts, on as many threads.
fn parts(path: &Path, connection: &Connection, (from, to): (i64, i64), until: i64) -> Result<Past, DirectoryError> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS);
    let (count, most) = (to - from, i64::try_from(cores).unwrap_or(1));
    let shares = most.min(count / SHARE).max(1);
    let parts: Vec<_> = (0..shares).map(|share| (from + count * share / shares, from + count * (share + 1) / shares)).collect();
    thread::scope(|scope| {
        let later: Vec<_> =
            parts[1..].iter().map(|(from, to)| scope.spawn(move || part(&schema::reader(path)?, *from, *to, until))).collect();
        let mut past = part(connection, parts[0].0, parts[0].1, until)?;
        for part in later {
            past.extend(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(past)
    })
}

fn part(connection: &Connection, from: i64, to: i64, until: i64) -> Result<Past, DirectoryError> {
    let failed = |error| failed("read the history", error);
    let corrupt = |seq: i64, error: &dyn std::fmt::Display| {
        DirectoryError::new(format!("read record {seq} of the history"), ErrorKind::Incomplete).because(error.to_string())
    };
    let sql = "SELECT seq, at, verb, kind, namespace, name, owner, remote, changes, since FROM audit \
               WHERE seq > ?1 AND seq <= ?2 ORDER BY seq";
    // Once through a long trail: pages that are mapped are not copied, and the kernel takes them back when it wants to.
    connection.execute_batch("PRAGMA mmap_size = 2147418112").map_err(failed)?;
    let mut statement = connection.prepare(sql).map_err(failed)?;
    let mut rows = statement.query(params![from, to]).map_err(failed)?;
    let mut past = Past::default();
    while let Some(row) = rows.next().map_err(failed)? {
        let (seq, at): (i64, i64) = (row.get(0).map_err(failed)?, row.get(1).map_err(failed)?);
        if at > until {
            let since: Option<i64> = row.get(9).map_err(failed)?;
            past.unsure += u64::from(since.is_some_and(|since| since <= until));
            continue;
        }
        let text = |column: usize| row.get_ref(column).map_err(failed)?.as_str().map_err(|error| corrupt(seq, &error));
        let entry = Entry {
            seq: seq.cast_unsigned(),
            verb: text(2)?,
            kind: text(3)?,
            namespace: text(4)?,
            name: text(5)?,
            owner: text(6)?,
            remote: text(7)?,
            changes: text(8)?,
        };
        past.add(&entry).map_err(|error| corrupt(seq, &error))?;
    }
    Ok(past)
}

/// Records what was found, and that somebody has looked.
pub(super) fn looked(
    connection: &mut Connection,
    found: &[Found],
    since: Option<Timestamp>,
    at: Timestamp,
    run: &Run,
) -> Result<(), DirectoryError> {
    let mut write = || -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if !found.is_empty() {
            let before: Option<i64> = transaction.query_row("SELECT looked_at FROM head", [], |row| row.get(0))?;
            let since = since.map(Timestamp::as_microsecond).max(before);
            let mut trail = audit::Trail::continued(&transaction)?;
            let mut statement = audit::Trail::statement(&transaction)?;
            for it in found {
                past::record(it, since, at, run, |record| trail.append(&mut statement, record))?;
            }
            trail.finish(&transaction)?;
        }
        transaction.execute("UPDATE head SET looked_at = ?1", [Value::Integer(at.as_microsecond())])?;
        transaction.commit()
    };
    write().map_err(|error| failed("record what was found", error))
}
