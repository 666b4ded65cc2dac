//! The tables, how a file gets them, and whether a file is one of ours.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::directory::{DirectoryError, ErrorKind};

use super::failed;

/// `PRAGMA application_id`: says that a file is ours. "Tena".
const APPLICATION: i32 = 0x5465_6e61;

/// Each takes a file from the version that is its row number to the next. Never edited once released, only added to.
const MIGRATIONS: [&str; 4] =
    [include_str!("schema.sql"), include_str!("people.sql"), include_str!("history.sql"), include_str!("ledger.sql")];

/// The version of the schema that this program reads and writes.
const CURRENT: usize = MIGRATIONS.len();

/// The oldest SQLite that resets a WAL correctly (sqlite.org/wal.html#walresetbug).
const OLDEST: i32 = 3_051_003;

/// Bytes of pages kept in memory by one connection, and of the file mapped into it.
const TUNING: &str = "PRAGMA busy_timeout = 5000; PRAGMA cache_size = -65536; PRAGMA mmap_size = 2147418112;";

/// A reader goes through the file once: pages mapped for that count as memory of ours, once for each connection, and a large
/// cache is never looked into again.
const READING: &str = "PRAGMA query_only = ON; PRAGMA mmap_size = 0; PRAGMA cache_size = -16384;";

/// Whether the file is there. One that is not while its log still is has been taken away, which is not the same as empty.
pub(super) fn exists(path: &Path) -> Result<bool, DirectoryError> {
    let present = |path: &Path| match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            let cause = "it is a folder, and `sqlite.path` names a file";
            Err(DirectoryError::new(format!("open {}", path.display()), ErrorKind::Rejected).because(cause))
        }
        Ok(found) => Ok(Some(found.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DirectoryError::new(format!("open {}", path.display()), kind_of(&error)).because(error)),
    };
    let incomplete =
        |cause: &str| Err(DirectoryError::new(format!("read {}", path.display()), ErrorKind::Incomplete).because(cause));
    match present(path)? {
        Some(0) => incomplete("the file is empty, and a database of Tenantry never is; to begin anew, remove it"),
        Some(_) => Ok(true),
        None if present(&beside(path, "-wal"))?.is_some_and(|length| length > 0) => {
            incomplete("the file is gone, but its write-ahead log is still there")
        }
        None => Ok(false),
    }
}

/// A connection that only reads, to a file that exists. It is opened for writing where that is allowed, so that the last one
/// to leave removes the log files that SQLite needs meanwhile; `query_only` keeps it from changing anything.
pub(super) fn reader(path: &Path) -> Result<Connection, DirectoryError> {
    let failed = |error| failed(format!("read {}", path.display()), error);
    let connection = connect(path).map_err(failed)?;
    connection.execute_batch(READING).map_err(failed)?;
    let version = version(&connection, path)?;
    if version < CURRENT {
        drop(connection);
        drop(writer(path)?);
        return reader(path);
    }
    Ok(connection)
}

/// The connection that writes. Makes the file where there is none, and brings an older one up to date.
pub(super) fn writer(path: &Path) -> Result<Connection, DirectoryError> {
    if !exists(path)? {
        create(path)?;
    }
    let failed = |error| failed(format!("open {}", path.display()), error);
    let mut connection = connect(path).map_err(failed)?;
    version(&connection, path)?;
    let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";
    connection.execute_batch(settings).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    migrate(&mut connection).map_err(failed)?;
    Ok(connection)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch(TUNING)?;
    Ok(connection)
}

/// Refuses a library that is too old; it is linked in, so this is about how the program was built.
pub(super) fn assert_library() -> Result<(), DirectoryError> {
    if rusqlite::version_number() >= OLDEST {
        return Ok(());
    }
    let cause = format!("SQLite {} is older than 3.51.3", rusqlite::version());
    Err(DirectoryError::new("use this build of SQLite", ErrorKind::Failed).because(cause))
}

/// The version of the schema in a file; anything but one of ours that we know is refused.
fn version(connection: &Connection, path: &Path) -> Result<usize, DirectoryError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let failed = |error| failed(format!("read {}", path.display()), error);
    let (application, version) = (pragma("application_id").map_err(failed)?, pragma("user_version").map_err(failed)?);
    let refuse = |kind, cause: String| Err(DirectoryError::new(format!("read {}", path.display()), kind).because(cause));
    match usize::try_from(version) {
        _ if application != APPLICATION => refuse(ErrorKind::Incomplete, "it is not a database of Tenantry".into()),
        Ok(version @ 1..=CURRENT) => Ok(version),
        Ok(0) | Err(_) => refuse(ErrorKind::Incomplete, format!("there is no schema version {version}")),
        Ok(newer) => {
            let cause =
                format!("a newer Tenantry has written it (schema version {newer}, this one knows {CURRENT}); update this one");
            refuse(ErrorKind::Rejected, cause)
        }
    }
}

/// Runs what is missing, in one transaction.
fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let version = |connection: &Connection| {
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0)).map(|version| version as usize)
    };
    if version(connection)? == CURRENT {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for migration in MIGRATIONS.iter().skip(version(&transaction)?) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", i32::try_from(CURRENT).unwrap_or(i32::MAX))?;
    transaction.commit()
}

/// Makes a file with the tables in it, readable for nobody else. It gets its name when it is complete, so that an empty or
/// half-made file never bears it, whatever happens meanwhile.
fn create(path: &Path) -> Result<(), DirectoryError> {
    let operation = || format!("create {}", path.display());
    let stopped = |error: io::Error| DirectoryError::new(operation(), kind_of(&error)).because(error);
    let making = beside(path, &format!(".new-{}", std::process::id()));
    let remove = |suffix: &str| match fs::remove_file(beside(&making, suffix)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(stopped(error)),
        Ok(()) | Err(_) => Ok(()),
    };
    for suffix in ["", "-wal", "-shm"] {
        remove(suffix)?;
    }
    private(&making).map_err(stopped)?;
    let fill = || -> rusqlite::Result<()> {
        let mut connection = connect(&making)?;
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
        migrate(&mut connection)?;
        connection.close().map_err(|(_, error)| error)
    };
    let named = fill().map_err(|error| failed(operation(), error)).and_then(|()| match fs::hard_link(&making, path) {
        // Another run was faster: its file is as good.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // Not every file system has hard links.
        Err(_) if !path.exists() => fs::rename(&making, path).map_err(stopped),
        Err(error) => Err(stopped(error)),
        Ok(()) => Ok(()),
    });
    remove("").and(named)?;
    // Names are durable once the folder is.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(stopped)
}

/// Opens a file for writing that nobody else may read, whatever the umask; makes it where there is none.
pub(super) fn private(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if file.metadata()?.permissions().mode() & 0o777 != 0o600 {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(file)
}

/// The file of the same name with something behind it.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// What kind of failure an error of the file system is.
pub(super) fn kind_of(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Unwritable,
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => ErrorKind::Rejected,
        // `io::ErrorKind` is not ours: what else there is may pass.
        _ => ErrorKind::Unavailable,
    }
}

/// A duration in microseconds, as times are stored.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_ours_to_write_to_is_no_matter_of_credentials() {
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem] {
            assert_eq!(kind_of(&kind.into()), ErrorKind::Unwritable);
        }
        for code in [rusqlite::ffi::SQLITE_CANTOPEN, rusqlite::ffi::SQLITE_READONLY, rusqlite::ffi::SQLITE_PERM] {
            let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
            assert_eq!(failed("open x", error).kind, ErrorKind::Unwritable);
        }
    }
}
