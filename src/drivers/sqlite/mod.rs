//! The embedded directory: one SQLite file, with the audit trail in it.
//!
//! Reading opens the file anew each time, in one transaction; where there is no file there is nothing, and none is made.
//! One connection writes. All of it runs on blocking threads. What is written is there once [`Directory::execute_all`] has
//! said so (`synchronous = FULL`), and a chunk of changes is there as a whole or not at all, each with its audit record.

mod applied;
mod audit;
mod execute;
mod history;
mod lease;
mod ledger;
mod observe;
mod schema;
mod secrets;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode};

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

/// Changes in one transaction: enough that waiting for the disk does not count, few enough to stop soon when asked to.
const CHUNK: usize = 1_000;

/// A directory in an SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    name: String,
    path: PathBuf,
    capabilities: Arc<Capabilities>,
    writer: Arc<Mutex<Option<Writer>>>,
    past: Arc<Mutex<Option<Known>>>,
    /// Its trail speaks of objects that are elsewhere.
    ledger: bool,
}

/// The connection that writes, and the file it writes to.
#[derive(Debug)]
struct Writer {
    connection: Connection,
    file: FileId,
}

impl Sqlite {
    /// Stands for the file at `path`, which is relative to `base` and which the first write makes. No I/O.
    pub fn open(base: &Path, path: &Path) -> Result<Self, DirectoryError> {
        if path == Path::new(":memory:") {
            let cause = "a database in memory is gone when the run ends, and `sqlite.path` names a file";
            return Err(DirectoryError::new("open the directory `:memory:`", ErrorKind::Rejected).because(cause));
        }
        schema::assert_library()?;
        Ok(Self {
            name: format!("sqlite: {}", path.display()),
            path: base.join(path),
            capabilities: Arc::new(Capabilities::everything()),
            writer: Arc::default(),
            past: Arc::default(),
            ledger: false,
        })
    }

    /// The same as the ledger of another directory: it may hold nothing although its trail speaks of many things.
    pub fn ledger(base: &Path, path: &Path) -> Result<Self, DirectoryError> {
        Ok(Self { ledger: true, ..Self::open(base, path)? })
    }

    /// Runs something on the connection that writes, which is opened at the first time and whenever the file has been
    /// replaced since.
    async fn on_writer<T: Send + 'static>(
        &self,
        operation: &str,
        work: impl FnOnce(&mut Connection) -> Result<T, DirectoryError> + Send + 'static,
    ) -> Result<T, DirectoryError> {
        let (path, writer) = (self.path.clone(), Arc::clone(&self.writer));
        blocking(operation, move || {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            if writer.as_ref().is_some_and(|writer| file_id(&path) != Some(writer.file)) {
                *writer = None;
            }
            let open = if let Some(open) = &mut *writer {
                open
            } else {
                let connection = schema::writer(&path)?;
                let file =
                    file_id(&path).ok_or_else(|| DirectoryError::new("find the file just opened", ErrorKind::Unavailable))?;
                writer.insert(Writer { connection, file })
            };
            work(&mut open.connection)
        })
        .await
    }
}

#[async_trait]
impl Directory for Sqlite {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Arc<Capabilities> {
        Arc::clone(&self.capabilities)
    }

    /// Reads everything whatever the scope: it costs about as much as finding out what may be left out.
    async fn observe(&self, owner: &Name, _: &Scope, window: Duration) -> Result<Observed, DirectoryError> {
        let (path, owner, ledger) = (self.path.clone(), owner.clone(), self.ledger);
        blocking("read the directory", move || observe::observe(&path, &owner, window, ledger)).await
    }

    async fn execute_all(&self, changes: &[Change], run: &Run) -> Vec<Result<Executed, DirectoryError>> {
        let mut outcomes = Vec::with_capacity(changes.len());
        for chunk in changes.chunks(CHUNK) {
            if run.stop.requested() {
                outcomes.extend(chunk.iter().map(|change| Err(rows::failure(change, ErrorKind::Interrupted))));
                continue;
            }
            let (owned, run) = (chunk.to_vec(), run.clone());
            let done = self.on_writer("write", move |connection| Ok(execute::execute(connection, &owned, &run))).await;
            match done {
                Ok(done) => outcomes.extend(done),
                Err(error) => outcomes.extend(change::all_failed(chunk, &error)),
            }
        }
        outcomes
    }

    async fn issue(&self, issues: &[Issue], run: &Run) -> Vec<Result<(), DirectoryError>> {
        let (owned, run) = (issues.to_vec(), run.clone());
        let done = self.on_writer("store secrets", move |connection| secrets::issue(connection, &owned, &run)).await;
        done.unwrap_or_else(|error| issues.iter().map(|issue| Err(change::same(&error, &issue.debt.key))).collect())
    }

    async fn delivered(&self, debts: &[Debt], run: &Run) -> Vec<Result<(), DirectoryError>> {
        let (owned, run) = (debts.to_vec(), run.clone());
        let done = self.on_writer("mark credentials", move |connection| secrets::delivered(connection, &owned, &run)).await;
        done.unwrap_or_else(|error| debts.iter().map(|debt| Err(change::same(&error, &debt.key))).collect())
    }

    async fn remember(&self, owner: &Name, root: Option<&str>, settings: &Settings) -> Result<(), DirectoryError> {
        let (owner, root, settings) = (owner.clone(), root.map(str::to_owned), settings.clone());
        let write = move |connection: &mut Connection| applied::remember(connection, &owner, root.as_deref(), &settings);
        self.on_writer("remember what was applied", write).await
    }

    fn history(&self) -> Option<&dyn History> {
        Some(self)
    }

    async fn lease(&self, right: Right, wait: Duration) -> Result<Lease, DirectoryError> {
        let file = match right {
            Right::Run => ".lock",
            Right::Write => ".write.lock",
        };
        lease::lease(schema::beside(&self.path, file), wait).await
    }
}

#[async_trait]
impl History for Sqlite {
    async fn records(&self, after: u64, most: usize) -> Result<Vec<Record>, DirectoryError> {
        let path = self.path.clone();
        blocking("read the history", move || history::records(&path, after, most)).await
    }

    async fn past(&self, until: Option<Timestamp>) -> Result<Arc<Past>, DirectoryError> {
        let (path, past) = (self.path.clone(), Arc::clone(&self.past));
        blocking("read the history", move || match until {
            Some(until) => history::past(&path, until).map(Arc::new),
            None => history::present(&path, &mut past.lock().unwrap_or_else(PoisonError::into_inner)),
        })
        .await
    }

    async fn looked(&self, found: &[Found], since: Option<Timestamp>, at: Timestamp, run: &Run) -> Result<(), DirectoryError> {
        let (found, run) = (found.to_vec(), run.clone());
        let write = move |connection: &mut Connection| history::looked(connection, &found, since, at, &run);
        self.on_writer("record what was found", write).await
    }

    async fn verify(&self, head: Option<&str>) -> Result<Chain, DirectoryError> {
        let (path, head) = (self.path.clone(), head.map(str::to_owned));
        blocking("verify the audit trail", move || audit::verify(&path, head.as_deref())).await
    }
}

#[async_trait]
impl Accounts for Sqlite {
    async fn sign_in(&self, username: &Username) -> Result<Option<SignIn>, DirectoryError> {
        let (path, username) = (self.path.clone(), username.clone());
        blocking("check a password", move || secrets::sign_in(&path, &username)).await
    }

    async fn redeemable(&self, token: &TokenHash, now: Timestamp) -> Result<bool, DirectoryError> {
        let (path, token) = (self.path.clone(), token.clone());
        blocking("look at a link", move || secrets::redeemable(&path, &token, now)).await
    }

    async fn redeem(
        &self,
        token: &TokenHash,
        password: &PasswordHash,
        _: &PlainPassword,
        now: Timestamp,
    ) -> Result<bool, DirectoryError> {
        let (token, password) = (token.clone(), password.clone());
        self.on_writer("set a password", move |connection| secrets::redeem(connection, &token, &password, now)).await
    }

    async fn replace(
        &self,
        username: &Username,
        old: &PasswordHash,
        new: &PasswordHash,
        now: Timestamp,
    ) -> Result<bool, DirectoryError> {
        let (username, old, new) = (username.clone(), old.clone(), new.clone());
        self.on_writer("change a password", move |connection| secrets::replace(connection, &username, &old, &new, now)).await
    }
}

/// Runs something that blocks where that harms nobody.
async fn blocking<T: Send + 'static>(
    operation: &str,
    work: impl FnOnce() -> Result<T, DirectoryError> + Send + 'static,
) -> Result<T, DirectoryError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panic) => Err(DirectoryError::new(operation, ErrorKind::Failed).because(panic)),
    }
}

/// What tells a file from another one of the same name.
type FileId = (u64, u64);

#[cfg(unix)]
fn file_id(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn file_id(path: &Path) -> Option<FileId> {
    fs::metadata(path).ok().map(|_| (0, 0))
}

/// A failure that SQLite reports.
fn failed(operation: impl Into<String>, error: rusqlite::Error) -> DirectoryError {
    let kind = kind_of(&error);
    DirectoryError::new(operation, kind).because(error)
}

fn kind_of(error: &rusqlite::Error) -> ErrorKind {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::SchemaChanged | ErrorCode::TypeMismatch) => {
            ErrorKind::Incomplete
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => {
            ErrorKind::Unavailable
        }
        Some(
            ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied,
        ) => ErrorKind::Unwritable,
        Some(ErrorCode::ConstraintViolation) => ErrorKind::Conflict,
        // `ErrorCode` is not ours: what else there is, is a defect of ours.
        Some(_) | None => ErrorKind::Failed,
    }
}
