//! Secrets that are written down elsewhere: environment variables and files.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::model::{Namespace, SecretSource};

/// Bytes of the longest secret that is read.
const MOST: u64 = 64 * 1024;
/// Where a container's secrets are.
const MOUNTED: &str = "/run/secrets";

/// Where secrets are read.
#[derive(Clone)]
pub enum Vault {
    /// On this machine.
    Here {
        /// Files are found from here.
        base: PathBuf,
        /// Reads a variable.
        environment: fn(&str) -> Option<OsString>,
    },
    /// In a cluster: what was read there ahead, or why it could not be, by namespace and Secret. Nothing of the machine: that
    /// would be the controller's own.
    Cluster(Arc<Fetched>),
}

/// Secrets of a cluster, read ahead.
pub type Fetched = BTreeMap<(Namespace, SecretSource), Result<SecretString, String>>;

/// Why a secret could not be read. Never a part of it.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The variable is not there, or empty.
    #[error("the environment variable {0} is not set, or empty")]
    NoVariable(String),
    /// It is no text.
    #[error("{0} is no text (UTF-8)")]
    NoText(String),
    /// It has nothing in it, or far too much.
    #[error("`{0}` must hold one secret: it is empty, or larger than 64 KiB")]
    Size(String),
    /// The file leads somewhere else.
    #[error("`{0}` leads outside the project's folder and {MOUNTED}")]
    Outside(String),
    /// It is something else.
    #[error("`{0}` is no file")]
    NoFile(String),
    /// The file cannot be read.
    #[error("cannot read `{0}`")]
    Unreadable(String, #[source] std::io::Error),
    /// The Secret of a cluster cannot be read, or is no text.
    #[error("{0}")]
    Secret(String),
    /// What is of this machine is not read for what a cluster declares.
    #[error("in a cluster a secret comes from `secretRef`, and from nowhere else")]
    Machine,
    /// A Secret of a cluster.
    #[error("a `secretRef` is read in a cluster only: use `env` or `file` here")]
    Cluster,
}

impl Vault {
    /// Files are found from `base`, the folder of the project; variables by `environment`.
    pub fn new(base: &Path, environment: fn(&str) -> Option<OsString>) -> Self {
        Self::Here { base: base.to_owned(), environment }
    }

    /// Reads a secret that something of a namespace names. One line break at the end of a file is not part of it.
    pub fn read_for(&self, namespace: &Namespace, source: &SecretSource) -> Result<SecretString, SourceError> {
        match (self, source) {
            (Self::Here { base, environment }, source) => read(source, base, *environment),
            (Self::Cluster(fetched), SecretSource::SecretRef { name: _, key: _ }) => {
                match fetched.get(&(namespace.clone(), source.clone())) {
                    Some(Ok(secret)) => Ok(secret.clone()),
                    Some(Err(why)) => Err(SourceError::Secret(why.clone())),
                    None => Err(SourceError::Secret("the Secret was not read".into())),
                }
            }
            (Self::Cluster(_), SecretSource::Env(_) | SecretSource::File(_)) => Err(SourceError::Machine),
        }
    }

    /// Whether the same secrets are found here as there. What is on this machine is read when it is asked for.
    pub fn same(&self, other: &Self) -> bool {
        let alike = |it: &Result<SecretString, String>, other: &Result<SecretString, String>| match (it, other) {
            (Ok(it), Ok(other)) => it.expose_secret() == other.expose_secret(),
            (Err(it), Err(other)) => it == other,
            (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
        };
        match (self, other) {
            (Self::Here { base: _, environment: _ }, Self::Here { base: _, environment: _ }) => true,
            (Self::Cluster(ours), Self::Cluster(theirs)) => {
                let same = |((it, value), (other, theirs))| it == other && alike(value, theirs);
                ours.len() == theirs.len() && ours.iter().zip(theirs.iter()).all(same)
            }
            (Self::Here { base: _, environment: _ }, Self::Cluster(_))
            | (Self::Cluster(_), Self::Here { base: _, environment: _ }) => false,
        }
    }

    /// Reads a secret that the project names.
    pub fn read(&self, source: &SecretSource) -> Result<SecretString, SourceError> {
        self.read_for(&Namespace::GLOBAL, source)
    }
}

fn read(source: &SecretSource, base: &Path, environment: fn(&str) -> Option<OsString>) -> Result<SecretString, SourceError> {
    match source {
        SecretSource::Env(name) => {
            let value = environment(name).filter(|value| !value.is_empty());
            let value = value.ok_or_else(|| SourceError::NoVariable(name.to_string()))?;
            let text = value.into_string().map_err(|_| SourceError::NoText(format!("the environment variable {name}")))?;
            Ok(SecretString::from(text))
        }
        SecretSource::File(path) => file(path, base),
        SecretSource::SecretRef { name: _, key: _ } => Err(SourceError::Cluster),
    }
}

fn file(path: &str, folder: &Path) -> Result<SecretString, SourceError> {
    let unreadable = |error| SourceError::Unreadable(path.to_owned(), error);
    let base = fs::canonicalize(if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    // Links are followed first: what counts is where the file really is.
    let real = fs::canonicalize(folder.join(path)).map_err(unreadable)?;
    let mounted = fs::canonicalize(MOUNTED).ok();
    let below = |folder: &PathBuf| real.starts_with(folder);
    if !(base.as_ref().is_ok_and(below) || mounted.as_ref().is_some_and(below)) {
        return Err(SourceError::Outside(path.to_owned()));
    }
    // Looked at before it is opened: a pipe would be waited for without end.
    if !fs::metadata(&real).map_err(unreadable)?.is_file() {
        return Err(SourceError::NoFile(path.to_owned()));
    }
    let file = fs::File::open(&real).map_err(unreadable)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MOST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| SourceError::NoText(format!("`{path}`")))?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() || bytes.len() as u64 > MOST {
        return Err(SourceError::Size(path.to_owned()));
    }
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn environment(name: &str) -> Option<OsString> {
        match name {
            "SET" => Some("hunter2 \n".into()),
            "EMPTY" => Some(OsString::new()),
            _ => None,
        }
    }

    #[test]
    fn variables_and_files_are_read_and_nothing_outside() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("project");
        fs::create_dir_all(project.join("in")).unwrap();
        fs::write(project.join("in/good"), "hunter2\r\n").unwrap();
        fs::write(project.join("in/empty"), "\n").unwrap();
        fs::write(project.join("in/bytes"), [0xff, 0xfe]).unwrap();
        fs::write(project.join("in/large"), "x".repeat(70_000)).unwrap();
        fs::write(folder.path().join("outside"), "hunter2").unwrap();
        std::os::unix::fs::symlink("../../outside", project.join("in/link")).unwrap();
        std::os::unix::fs::symlink("good", project.join("in/alias")).unwrap();
        let vault = Vault::new(&project, environment);
        let env = |name: &str| vault.read(&SecretSource::Env(name.into()));
        let file = |path: &str| vault.read(&SecretSource::File(path.into()));
        assert_eq!(env("SET").unwrap().expose_secret(), "hunter2 \n", "a variable is taken as it is");
        assert!(matches!(env("EMPTY"), Err(SourceError::NoVariable(_))));
        assert!(matches!(env("UNSET"), Err(SourceError::NoVariable(_))));
        assert_eq!(file("in/good").unwrap().expose_secret(), "hunter2");
        assert_eq!(file("in/alias").unwrap().expose_secret(), "hunter2");
        assert!(matches!(file("in/link"), Err(SourceError::Outside(_))));
        assert!(matches!(file("../outside"), Err(SourceError::Outside(_))));
        assert!(matches!(file("in/empty"), Err(SourceError::Size(_))));
        assert!(matches!(file("in/large"), Err(SourceError::Size(_))));
        assert!(matches!(file("in/bytes"), Err(SourceError::NoText(_))));
        let made = std::process::Command::new("mkfifo").arg(project.join("in/pipe")).status().unwrap();
        assert!(made.success());
        assert!(matches!(file("in"), Err(SourceError::NoFile(_))));
        assert!(matches!(file("in/pipe"), Err(SourceError::NoFile(_))), "it is not waited for");
        assert!(matches!(file("nowhere"), Err(SourceError::Unreadable(..))));
    }
}
