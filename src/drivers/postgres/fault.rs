//! What went wrong, and what kind of failure that is (postgresql.org/docs/current/errcodes-appendix.html).

use std::time::Duration;

use deadpool_postgres::{HookError, PoolError};
use tokio_postgres::{Error, error::SqlState};

use crate::directory::{DirectoryError, ErrorKind, chain};

/// How often something is begun anew that another transaction stood in the way of.
const TURNS: u32 = 4;

/// Why something did not happen.
#[derive(Debug)]
pub(super) enum Fault {
    /// We say no.
    Directory(DirectoryError),
    /// The server does, or it is not there.
    Server(Error),
    /// The server was lost before it said whether it had ended the transaction well.
    Unknown(Error),
    /// There is no connection to be had.
    Connection(String),
}

impl From<DirectoryError> for Fault {
    fn from(error: DirectoryError) -> Self {
        Self::Directory(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

impl From<PoolError> for Fault {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => Self::Server(error),
            error => Self::Connection(error.to_string()),
        }
    }
}

impl Fault {
    /// As others hear of it.
    pub(super) fn error(self, operation: &str) -> DirectoryError {
        match self {
            Self::Directory(error) => error,
            Self::Server(error) => DirectoryError::new(operation, kind_of(&error)).because(said(&error)),
            Self::Unknown(error) => {
                let cause = format!(
                    "the connection was lost while a transaction ended, and it is not known whether it took effect: {}",
                    said(&error)
                );
                DirectoryError::new(operation, ErrorKind::Unavailable).because(cause)
            }
            Self::Connection(cause) => DirectoryError::new(operation, ErrorKind::Unavailable).because(cause),
        }
    }

    /// What the server calls it.
    fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Server(error) => error.code(),
            Self::Directory(_) | Self::Unknown(_) | Self::Connection(_) => None,
        }
    }

    /// Whether a constraint was violated.
    pub(super) fn is_violation(&self) -> bool {
        self.code().is_some_and(is_violation)
    }

    /// Whether the tables are not there.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.code(), Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME))
    }

    /// Whether another transaction stood in the way.
    fn is_crossed(&self) -> bool {
        matches!(self.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED))
    }
}

/// Whether a constraint was violated: class 23.
pub(super) fn is_violation(code: &SqlState) -> bool {
    code.code().starts_with("23")
}

/// Does something, and begins anew where another transaction stood in the way.
pub(super) async fn again<T, F: Future<Output = Result<T, Fault>>>(mut work: impl FnMut() -> F) -> Result<T, Fault> {
    for turn in 1..TURNS {
        match work().await {
            Err(fault) if fault.is_crossed() => tokio::time::sleep(Duration::from_millis(20) * turn).await,
            done => return done,
        }
    }
    work().await
}

fn kind_of(error: &Error) -> ErrorKind {
    let Some(code) = error.code() else {
        // The library does not say by type what it was; these are not about the network.
        return match error.to_string().as_str() {
            "authentication error" | "invalid configuration" => ErrorKind::Refused,
            text if text.starts_with("error communicating") || text.starts_with("error connecting") => ErrorKind::Unavailable,
            "error performing TLS handshake" | "connection closed" | "timeout waiting for server" => ErrorKind::Unavailable,
            _ => ErrorKind::Failed,
        };
    };
    match (code.code().get(..2).unwrap_or_default(), code.code()) {
        ("28", _) | (_, "42501" | "25006") => ErrorKind::Refused,
        (_, "23505") => ErrorKind::Conflict,
        ("08" | "40" | "53" | "57" | "58", _) | (_, "55P03" | "25P03") => ErrorKind::Unavailable,
        // There is no such database, table or schema; what there is, is damaged.
        (_, "3D000") => ErrorKind::Rejected,
        (_, "42P01" | "3F000") | ("XX", _) => ErrorKind::Incomplete,
        _ => ErrorKind::Failed,
    }
}

/// What the server says, in a line.
pub(super) fn said(error: &Error) -> String {
    let Some(db) = error.as_db_error() else { return chain(error) };
    let mut text = db.message().to_owned();
    for more in [db.detail(), db.hint()].into_iter().flatten() {
        text.push_str(": ");
        text.push_str(more);
    }
    match db.code().code() {
        "42501" => text.push_str("; the page on PostgreSQL says which rights the role needs"),
        "25006" => text.push_str("; the role may only read, or the server is a standby"),
        _ => {}
    }
    text
}
