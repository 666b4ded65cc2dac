//! Directories: what stands behind the port. Each translates between [`crate::observed`] and what it talks to, and decides
//! nothing.

mod memory;
mod rows;
pub mod sqlite;

use std::{path::Path, sync::Arc};

use crate::{
    directory::{Accounts, Directory, DirectoryError, ErrorKind},
    manifest::DirectorySpec,
};

pub use memory::Memory;
pub use sqlite::Sqlite;

/// Opens the directory that a project names. Relative paths start from `base`, the folder of the project file. Nothing is
/// read or written yet, so this does no I/O and fails only on what the specification itself says.
pub fn open(spec: &DirectorySpec, base: &Path) -> Result<Arc<dyn Directory>, DirectoryError> {
    match spec {
        DirectorySpec::Sqlite { path } => Ok(Arc::new(Sqlite::open(base, path)?)),
        DirectorySpec::Other(kind) => Err(DirectoryError::new(format!("open the directory `{kind}`"), ErrorKind::Rejected)
            .because("this release drives the embedded directory (`sqlite`) only")),
    }
}

/// Opens the accounts of a directory that does not check passwords itself: the embedded one. No I/O, like [`open`].
pub fn accounts(spec: &DirectorySpec, base: &Path) -> Result<Arc<dyn Accounts>, DirectoryError> {
    match spec {
        DirectorySpec::Sqlite { path } => Ok(Arc::new(Sqlite::open(base, path)?)),
        DirectorySpec::Other(kind) => {
            let operation = format!("check passwords of the directory `{kind}`");
            Err(DirectoryError::new(operation, ErrorKind::Rejected).because("this directory checks passwords itself"))
        }
    }
}
