//! The right to write: an advisory lock of a session that does nothing else. The server lets go of it when the connection ends,
//! so a killed run never blocks the next one. That cuts both ways: a run whose connection was lost does not hold its right any
//! more, however busy it is. So a task asks now and then whether the connection lives, and each transaction that writes asks the
//! server whether the lock is still held by that very session.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::{task::JoinHandle, time::timeout};
use tokio_postgres::Client;

use crate::directory::{DirectoryError, ErrorKind, Lease, Right};

use super::{Postgres, fault::Fault};

/// How often a lock that somebody holds is tried again.
const EVERY: Duration = Duration::from_millis(100);

/// How often a connection that holds a lock is asked whether it lives, and how long it may take to say so.
const PULSE: Duration = Duration::from_secs(5);

/// The leases of one directory that were taken and not let go of, and those that are just being let go of.
#[derive(Debug, Default)]
pub(super) struct Held {
    sessions: Mutex<Vec<Arc<Session>>>,
    leaving: Mutex<Vec<JoinHandle<()>>>,
}

/// The connection that holds a lock.
#[derive(Debug)]
struct Session {
    client: Client,
    right: Right,
    /// The process of the server.
    process: i32,
}

impl Held {
    fn all(&self) -> Vec<Arc<Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the server knows of what was let go of here: whoever drops a lease can take it at once.
    async fn settle(&self) {
        let leaving = std::mem::take(&mut *self.leaving.lock().unwrap_or_else(PoisonError::into_inner));
        for task in leaving {
            drop(timeout(PULSE, task).await);
        }
    }

    /// Refuses to go on once the connection of a lease is gone.
    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.all().iter().any(|session| session.client.is_closed()) { Err(lost().into()) } else { Ok(()) }
    }

    /// Asks the server whether every lease is still held.
    pub(super) async fn confirm(&self, transaction: &deadpool_postgres::Transaction<'_>, schema: &str) -> Result<(), Fault> {
        self.check()?;
        let all = self.all();
        if all.is_empty() {
            return Ok(());
        }
        let (rights, processes): (Vec<_>, Vec<_>) = all.iter().map(|session| (object(session.right), session.process)).unzip();
        let sql = "SELECT count(*) FROM unnest($2::int[], $3::int[]) AS held (object, process) WHERE EXISTS ( \
                   SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid = $1::int8::oid \
                   AND objid = held.object::oid AND pid = held.process \
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
        let statement = transaction.prepare_cached(sql).await?;
        let found = transaction.query_one(&statement, &[&class(schema), &rights, &processes]).await?;
        if usize::try_from(found.try_get::<_, i64>(0)?) == Ok(all.len()) { Ok(()) } else { Err(lost().into()) }
    }
}

fn lost() -> DirectoryError {
    let cause = "the connection that held the lock is gone, and another run may have taken it over";
    DirectoryError::new("write", ErrorKind::Unavailable).because(cause)
}

/// Lets go of a lock when it is dropped; with the connection it would end as well, some time later.
struct Token {
    held: Arc<Held>,
    session: Arc<Session>,
    pulse: JoinHandle<()>,
}

impl Drop for Token {
    fn drop(&mut self) {
        self.pulse.abort();
        self.held.sessions.lock().unwrap_or_else(PoisonError::into_inner).retain(|it| !Arc::ptr_eq(it, &self.session));
        let session = Arc::clone(&self.session);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let leave = runtime.spawn(async move { drop(session.client.simple_query("SELECT pg_advisory_unlock_all()").await) });
            self.held.leaving.lock().unwrap_or_else(PoisonError::into_inner).push(leave);
        }
    }
}

/// The first key of our locks: no two schemas of a database have the same, as far as 31 bits go.
pub(super) fn number(schema: &str) -> i32 {
    let hash = Sha256::new_with_prefix(b"tenantry-lease-1").chain_update(schema.as_bytes()).finalize();
    i32::from_be_bytes([hash[0] & 0x7f, hash[1], hash[2], hash[3]])
}

fn class(schema: &str) -> i64 {
    number(schema).into()
}

/// The second key.
fn object(right: Right) -> i32 {
    match right {
        Right::Run => 1,
        Right::Write => 2,
    }
}

pub(super) async fn lease(directory: &Postgres, right: Right, wait: Duration) -> Result<Lease, DirectoryError> {
    let operation = "take the lock of the directory";
    let failed = |error: tokio_postgres::Error| Fault::Server(error).error(operation);
    let until = Instant::now().checked_add(wait);
    directory.leases.settle().await;
    let client = directory.server.connect().await.map_err(|fault| fault.error(operation))?;
    let (class, object) = (number(&directory.schema), object(right));
    let attempt = client.prepare("SELECT pg_try_advisory_lock($1, $2), pg_backend_pid()").await.map_err(failed)?;
    let process = loop {
        let row = client.query_one(&attempt, &[&class, &object]).await.map_err(failed)?;
        if row.try_get(0).map_err(failed)? {
            break row.try_get(1).map_err(failed)?;
        }
        let left = until.map_or(EVERY, |until| until.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            let holder = holder(&client, class, object).await.map_err(failed)?;
            return Err(DirectoryError::new(operation, ErrorKind::Locked(holder)));
        }
        tokio::time::sleep(EVERY.min(left)).await;
    };
    // What others see of it in `pg_stat_activity`.
    let name = format!("tenantry process {} since {:.0}", std::process::id(), Timestamp::now());
    client.execute("SELECT set_config('application_name', $1, false)", &[&name]).await.map_err(failed)?;
    let session = Arc::new(Session { client, right, process });
    let held = Arc::clone(&directory.leases);
    held.sessions.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&session));
    let pulse = tokio::spawn(pulse(Arc::clone(&session)));
    Ok(Lease::new(Token { held, session, pulse }))
}

/// Keeps asking, so that nothing between us and the server takes the connection for dead, and its end is noticed soon. An answer
/// that does not come proves nothing: whether the lock is still held, the next transaction asks the server itself.
async fn pulse(session: Arc<Session>) {
    while !session.client.is_closed() {
        tokio::time::sleep(PULSE).await;
        drop(timeout(PULSE, session.client.simple_query("")).await);
    }
}

/// Who holds a lock, as far as the server says so.
async fn holder(client: &Client, class: i32, object: i32) -> Result<Option<String>, tokio_postgres::Error> {
    let sql = "SELECT application_name, host(client_addr) FROM pg_locks JOIN pg_stat_activity USING (pid) \
               WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid = $1::int8::oid AND objid = $2::int::oid \
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let Some(row) = client.query_opt(sql, &[&i64::from(class), &object]).await? else { return Ok(None) };
    let (name, host): (Option<String>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
    // Between its lock and its name it is called as every connection is.
    let Some(text) = name.as_deref().and_then(|name| name.strip_prefix("tenantry ")) else { return Ok(name) };
    Ok(Some(match (host, text.split_once(" since ")) {
        (Some(host), Some((process, since))) => format!("{process} of {host} since {since}"),
        _ => text.to_owned(),
    }))
}
