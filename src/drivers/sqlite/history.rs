//! The audit trail as history: read in pages, laid over each other, and added to by what was found.

use std::{num::NonZero, path::Path, thread};

use jiff::Timestamp;
use rusqlite::{Connection, Row, TransactionBehavior, params, types::Value};
use smol_str::SmolStr;

use crate::{
    directory::{DirectoryError, ErrorKind, Run},
    history::{Commit, Entry, FOUND, Found, Past, Record, changes_json},
    model::RemoteId,
};

use super::{
    audit::{self, Trail},
    failed, schema,
};

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
        let sql = format!("SELECT {} FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2", audit::every_column());
        let mut statement = connection.prepare(&sql)?;
        let (after, most) = (i64::try_from(after).unwrap_or(i64::MAX), i64::try_from(most).unwrap_or(i64::MAX));
        let rows = statement.query_map([after, most], record)?;
        rows.collect()
    };
    read().map_err(|error| failed("read the history", error))
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let text = |name: &str| Ok::<_, rusqlite::Error>(SmolStr::new(row.get_ref(name)?.as_str()?));
    let optional = |name: &str| Ok::<_, rusqlite::Error>(row.get_ref(name)?.as_str_or_null()?.map(SmolStr::new));
    let number = |name: &str| Ok::<_, rusqlite::Error>(row.get::<_, i64>(name)?.cast_unsigned());
    let time = |micros: i64| Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
    let hex = |name: &str| Ok::<_, rusqlite::Error>(audit::hex(row.get_ref(name)?.as_blob()?));
    let committed = row.get::<_, Option<i64>>("committed_at")?;
    let commit = optional("commit_id")?.map(|id| -> rusqlite::Result<Commit> {
        Ok(Commit { id, author: optional("author")?.unwrap_or_default(), at: time(committed.unwrap_or_default()) })
    });
    Ok(Record {
        seq: number("seq")?,
        at: time(row.get("at")?),
        run: text("run")?,
        actor: optional("actor")?,
        owner: text("owner")?,
        verb: text("verb")?,
        kind: text("kind")?,
        namespace: text("namespace")?,
        name: text("name")?,
        remote: RemoteId(text("remote")?),
        reason: text("reason")?,
        cause: optional("cause")?,
        changes: row.get("changes")?,
        loss: number("loss")?,
        loss_allowed: number("loss_allowed")?,
        source: optional("source")?,
        commit: commit.transpose()?,
        since: row.get::<_, Option<i64>>("since")?.map(time),
        digest: text("digest")?,
        prev: hex("prev")?,
        hash: hex("hash")?,
    })
}

/// What the records until a time come to. A long trail is read in parts, on as many threads.
pub(super) fn past(path: &Path, until: Option<Timestamp>) -> Result<Past, DirectoryError> {
    if !schema::exists(path)? {
        return Ok(Past::default());
    }
    let connection = schema::reader(path)?;
    let failed = |error| failed("read the history", error);
    let last: i64 = connection.query_row("SELECT seq FROM head", [], |row| row.get(0)).map_err(failed)?;
    let looked: Option<i64> = connection.query_row("SELECT looked_at FROM head", [], |row| row.get(0)).map_err(failed)?;
    let cores = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS);
    let parts = i64::try_from(cores).unwrap_or(1).min(last / SHARE).max(1);
    let until = until.map_or(i64::MAX, Timestamp::as_microsecond);
    let parts: Vec<_> = (0..parts).map(|part| (last * part / parts, last * (part + 1) / parts)).collect();
    let mut past = thread::scope(|scope| {
        let later: Vec<_> =
            parts[1..].iter().map(|(from, to)| scope.spawn(move || part(&schema::reader(path)?, *from, *to, until))).collect();
        let mut past = part(&connection, parts[0].0, parts[0].1, until)?;
        for part in later {
            past = past.then(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok::<_, DirectoryError>(past)
    })?;
    past.looked = looked.and_then(|micros| Timestamp::from_microsecond(micros).ok());
    Ok(past)
}

fn part(connection: &Connection, from: i64, to: i64, until: i64) -> Result<Past, DirectoryError> {
    let failed = |error| failed("read the history", error);
    let corrupt = |seq: i64, error: &dyn std::fmt::Display| {
        DirectoryError::new(format!("read record {seq} of the history"), ErrorKind::Incomplete).because(error.to_string())
    };
    let sql = "SELECT seq, at, verb, kind, namespace, name, owner, remote, changes, since FROM audit \
               WHERE seq > ?1 AND seq <= ?2 ORDER BY seq";
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
            at,
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
            let mut trail = Trail::continued(&transaction)?;
            let mut statement = Trail::statement(&transaction)?;
            for it in found {
                append(&mut trail, &mut statement, it, since, at, run)?;
            }
            trail.finish(&transaction)?;
        }
        transaction.execute("UPDATE head SET looked_at = ?1", [Value::Integer(at.as_microsecond())])?;
        transaction.commit()
    };
    write().map_err(|error| failed("record what was found", error))
}

fn append(
    trail: &mut Trail,
    statement: &mut rusqlite::Statement<'_>,
    found: &Found,
    since: Option<i64>,
    at: Timestamp,
    run: &Run,
) -> rusqlite::Result<()> {
    let Found { id, kind, key, label, owner, role: _, what: _, changes } = found;
    let Run { id: run, owner: _, actor, digest, losses_allowed: _, commits: _, stop: _ } = run;
    let record = audit::Record {
        at: at.as_microsecond(),
        run,
        actor: actor.as_deref(),
        owner: owner.as_deref().unwrap_or_default(),
        verb: FOUND,
        kind: kind.word(),
        namespace: key.as_ref().map_or("", |key| key.namespace.as_str()),
        name: key.as_ref().map_or(label, |key| key.name.as_str()),
        remote: &id.0,
        reason: "Outside",
        changes: &changes_json(changes),
        digest,
        since,
        ..audit::Record::default()
    };
    trail.append(statement, &record)
}
