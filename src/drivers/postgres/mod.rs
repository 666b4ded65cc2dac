//! A directory in a PostgreSQL database: the same tables as the embedded one, in a schema of their own, with the audit trail
//! among them.
//!
//! Reading happens in one transaction that sees one moment and can write nothing; where there is no schema there is nothing, and
//! none is made. Whoever writes locks the row in `head` first, so that one transaction after another adds to the trail. What is
//! written is there once [`Directory::execute_all`] has said so, and a chunk of changes is there as a whole or not at all, each
//! with its audit record. A connection that is lost while a transaction ends leaves it open whether that took effect: that is
//! [`ErrorKind::Unavailable`], and the next look tells.

mod applied;
mod audit;
mod bulk;
mod connect;
mod copy;
mod execute;
mod fault;
mod history;
mod lease;
mod ledger;
mod observe;
mod schema;
mod secrets;

use std::{
    fmt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use deadpool_postgres::{Object, Pool, Transaction};
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync::Mutex;
use tokio_postgres::IsolationLevel;

use crate::{
    directory::{Accounts, Debt, Directory, DirectoryError, ErrorKind, Executed, History, Issue, Lease, Right, Run, SignIn},
    history::{Chain, Found, Past, Record},
    model::{Name, PasswordHash, PlainPassword, TokenHash, Username},
    observed::{Capabilities, Observed, Scope, Settings},
    plan::Change,
};

use super::{
    rows,
    sql::{change, past::Known},
};
use connect::Server;
use fault::{Fault, again};
use schema::Seen;

/// Changes in one transaction: enough that waiting for the disk does not count, few enough to stop soon when asked to.
const CHUNK: usize = 2_000;

/// A directory in a schema of a PostgreSQL database.
pub struct Postgres {
    name: String,
    schema: String,
    server: Server,
    pool: Pool,
    capabilities: Arc<Capabilities>,
    leases: Arc<lease::Held>,
    /// The tables are there, and of our version: looked at once before the first write.
    ready: AtomicBool,
    past: Mutex<Option<Known>>,
    /// Its trail speaks of objects that are elsewhere.
    ledger: bool,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Postgres").field(&self.name).finish()
    }
}

impl Postgres {
    /// Stands for a schema of a database, which the first write makes. `url` is `postgres://USER:PASSWORD@HOST:PORT/DATABASE`,
    /// with `sslmode` and `sslrootcert` as libpq has them (a file relative to `base`), except that a certificate is always
    /// checked, and that off this machine there is no way without TLS but `sslmode=disable`. Nothing is connected to yet.
    pub fn open(url: &SecretString, schema: &str, base: &Path) -> Result<Self, DirectoryError> {
        let server = Server::new(url, schema, base)?;
        Ok(Self {
            name: format!("postgres: {} schema {schema}", server.place),
            schema: schema.to_owned(),
            pool: server.pool()?,
            server,
            capabilities: Arc::new(Capabilities::everything()),
            leases: Arc::default(),
            ready: AtomicBool::new(false),
            past: Mutex::default(),
            ledger: false,
        })
    }

    /// The same as the ledger of another directory: it may hold nothing although its trail speaks of many things.
    pub fn ledger(url: &SecretString, schema: &str, base: &Path) -> Result<Self, DirectoryError> {
        Ok(Self { ledger: true, ..Self::open(url, schema, base)? })
    }

    /// One of our connections.
    async fn client(&self) -> Result<Object, Fault> {
        Ok(self.pool.get().await?)
    }

    /// Whether there are tables to read; older ones are brought up to date.
    async fn there(&self, client: &mut Object) -> Result<bool, Fault> {
        match schema::look(client, &self.schema).await? {
            Seen::Nothing => Ok(false),
            Seen::Older => schema::make(client, &self.schema).await.map(|()| true),
            Seen::Ready => Ok(true),
        }
    }

    /// A transaction that sees one moment, and can write nothing.
    async fn reading<'a>(&self, client: &'a mut Object) -> Result<Transaction<'a>, Fault> {
        let begin = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
        Ok(begin.start().await?)
    }

    /// A failure as others hear of it.
    fn failed(&self, operation: &str, fault: Fault) -> DirectoryError {
        if fault.is_gone() {
            self.ready.store(false, Ordering::Relaxed);
        }
        fault.error(operation)
    }
}

#[async_trait]
impl Directory for Postgres {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Arc<Capabilities> {
        Arc::clone(&self.capabilities)
    }

    /// Reads everything whatever the scope: it costs about as much as finding out what may be left out.
    async fn observe(&self, owner: &Name, _: &Scope, window: Duration) -> Result<Observed, DirectoryError> {
        let operation = "read the directory";
        again(|| observe::observe(self, owner, window)).await.map_err(|fault| self.failed(operation, fault))
    }

    async fn execute_all(&self, changes: &[Change], run: &Run) -> Vec<Result<Executed, DirectoryError>> {
        let mut outcomes = Vec::with_capacity(changes.len());
        for chunk in changes.chunks(CHUNK) {
            if run.stop.requested() {
                outcomes.extend(chunk.iter().map(|change| Err(rows::failure(change, ErrorKind::Interrupted))));
                continue;
            }
            match execute::execute(self, chunk, run).await {
                Ok(done) => outcomes.extend(done),
                Err(fault) => {
                    let error = self.failed("write", fault);
                    // One that cannot be reached is not asked again for each of fifty chunks.
                    let left = match error.kind {
                        ErrorKind::Unavailable => &changes[outcomes.len()..],
                        _ => chunk,
                    };
                    outcomes.extend(change::all_failed(left, &error));
                    if outcomes.len() == changes.len() {
                        break;
                    }
                }
            }
        }
        outcomes
    }

    async fn issue(&self, issues: &[Issue], run: &Run) -> Vec<Result<(), DirectoryError>> {
        let done = again(|| secrets::issue(self, issues, run)).await.map_err(|fault| self.failed("store secrets", fault));
        done.unwrap_or_else(|error| issues.iter().map(|issue| Err(change::same(&error, &issue.debt.key))).collect())
    }

    async fn delivered(&self, debts: &[Debt], run: &Run) -> Vec<Result<(), DirectoryError>> {
        let done = again(|| secrets::delivered(self, debts, run)).await.map_err(|fault| self.failed("mark credentials", fault));
        done.unwrap_or_else(|error| debts.iter().map(|debt| Err(change::same(&error, &debt.key))).collect())
    }

    async fn remember(&self, owner: &Name, root: Option<&str>, settings: &Settings) -> Result<(), DirectoryError> {
        let done = again(|| applied::remember(self, owner, root, settings)).await;
        done.map_err(|fault| self.failed("remember what was applied", fault))
    }

    fn history(&self) -> Option<&dyn History> {
        Some(self)
    }

    async fn lease(&self, right: Right, wait: Duration) -> Result<Lease, DirectoryError> {
        lease::lease(self, right, wait).await
    }
}

#[async_trait]
impl History for Postgres {
    async fn records(&self, after: u64, most: usize) -> Result<Vec<Record>, DirectoryError> {
        again(|| history::records(self, after, most)).await.map_err(|fault| self.failed("read the history", fault))
    }

    async fn past(&self, until: Option<Timestamp>) -> Result<Arc<Past>, DirectoryError> {
        let past = async || match until {
            Some(until) => again(|| history::past(self, until)).await.map(Arc::new),
            None => history::present(self, &mut *self.past.lock().await).await,
        };
        past().await.map_err(|fault| self.failed("read the history", fault))
    }

    async fn looked(&self, found: &[Found], since: Option<Timestamp>, at: Timestamp, run: &Run) -> Result<(), DirectoryError> {
        let done = again(|| history::looked(self, found, since, at, run)).await;
        done.map_err(|fault| self.failed("record what was found", fault))
    }

    async fn verify(&self, head: Option<&str>) -> Result<Chain, DirectoryError> {
        again(|| audit::verify(self, head)).await.map_err(|fault| self.failed("verify the audit trail", fault))
    }
}

#[async_trait]
impl Accounts for Postgres {
    async fn sign_in(&self, username: &Username) -> Result<Option<SignIn>, DirectoryError> {
        again(|| secrets::sign_in(self, username)).await.map_err(|fault| self.failed("check a password", fault))
    }

    async fn redeemable(&self, token: &TokenHash, now: Timestamp) -> Result<bool, DirectoryError> {
        again(|| secrets::redeemable(self, token, now)).await.map_err(|fault| self.failed("look at a link", fault))
    }

    async fn redeem(
        &self,
        token: &TokenHash,
        password: &PasswordHash,
        _: &PlainPassword,
        now: Timestamp,
    ) -> Result<bool, DirectoryError> {
        again(|| secrets::redeem(self, token, password, now)).await.map_err(|fault| self.failed("set a password", fault))
    }

    async fn replace(
        &self,
        username: &Username,
        old: &PasswordHash,
        new: &PasswordHash,
        now: Timestamp,
    ) -> Result<bool, DirectoryError> {
        let done = again(|| secrets::replace(self, username, old, new, now)).await;
        done.map_err(|fault| self.failed("change a password", fault))
    }
}

/// A duration in microseconds, as times are stored.
fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A time, from microseconds.
fn time(micros: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(micros).ok()
}
