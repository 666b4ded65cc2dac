//! The right to write: a lock on a file beside the database. The kernel lets go of it when its holder ends, however that
//! happens, so a killed run never blocks the next.

use std::{
    fs::{File, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use crate::directory::{DirectoryError, ErrorKind, Lease};

use super::{
    blocking,
    schema::{kind_of, private},
};

/// How often a lock that somebody holds is tried again.
const EVERY: Duration = Duration::from_millis(100);

/// The lock. The file stays behind, empty: removing it would let two runs hold locks on two files of one name.
struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // Who held it is of no interest any more; the lock goes with the file.
        let _ = self.0.set_len(0);
        let _ = self.0.unlock();
    }
}

pub(super) async fn lease(path: PathBuf, wait: Duration) -> Result<Lease, DirectoryError> {
    let until = Instant::now().checked_add(wait);
    loop {
        let file = path.clone();
        match blocking("take the lock", move || attempt(&file)).await {
            Err(error) if matches!(error.kind, ErrorKind::Locked(_)) => {
                let left = until.map_or(EVERY, |until| until.saturating_duration_since(Instant::now()));
                if left.is_zero() {
                    return Err(error);
                }
                tokio::time::sleep(EVERY.min(left)).await;
            }
            done => return done.map(Lease::new),
        }
    }
}

fn attempt(path: &Path) -> Result<Held, DirectoryError> {
    let operation = || format!("take the lock {}", path.display());
    let stopped = |error: io::Error| DirectoryError::new(operation(), kind_of(&error)).because(error);
    let mut file = private(path).map_err(stopped)?;
    match file.try_lock() {
        Ok(()) => {
            let line = format!("process {} since {:.0}\n", std::process::id(), Timestamp::now());
            file.set_len(0).and_then(|()| file.write_all(line.as_bytes())).map_err(stopped)?;
            Ok(Held(file))
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let read = file.rewind().and_then(|()| file.read_to_string(&mut holder));
            let holder = read.ok().map(|_| holder.trim().to_owned()).filter(|holder| !holder.is_empty());
            Err(DirectoryError::new(operation(), ErrorKind::Locked(holder)))
        }
        Err(TryLockError::Error(error)) => Err(stopped(error)),
    }
}
