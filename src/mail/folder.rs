//! Letters as files: each whole or not there at all, and for nobody else to read.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};
use lettre::Message;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{MailError, MailErrorKind};
use crate::model::{Username, visible};

/// How much of a username goes into a file name, in bytes; a name of a file has at most 255.
const NAME: usize = 96;

/// How old a half-written letter is that nobody is writing any more.
const LEFT_BEHIND: Duration = Duration::from_mins(10);
/// What the group and everybody else may do with a file.
const OTHERS: u32 = 0o077;

/// A folder that letters are written to.
#[derive(Clone)]
pub(super) struct Folder {
    /// As written.
    written: PathBuf,
    /// Where it is.
    path: PathBuf,
}

impl Folder {
    pub(super) fn new(written: &Path, base: &Path) -> Self {
        Self { written: written.to_owned(), path: base.join(written) }
    }

    pub(super) fn name(&self) -> String {
        let written = self.written.display().to_string();
        let written = written.trim_end_matches('/');
        let dotted = self.written.is_absolute() || self.written.starts_with(".") || self.written.starts_with("..");
        if dotted { format!("{written}/") } else { format!("./{written}/") }
    }

    /// Makes the folder if need be, and writes a file to it, and removes it again.
    pub(super) async fn check(&self) -> Result<(), MailError> {
        let folder = self.clone();
        on_disk(move || {
            folder.prepare()?;
            folder.sweep();
            let probe = folder.path.join(format!(".{}.tmp", Uuid::now_v7()));
            let tried = create(&probe, b"tenantry can write here\n");
            let removed = fs::remove_file(&probe);
            tried.and(removed).map_err(|error| folder.failed("cannot be written to", error))
        })
        .await
    }

    /// Removes what a run that was killed left half written. Each holds a secret, which is dead or about to be.
    fn sweep(&self) {
        let old = |path: &Path| {
            let modified = fs::metadata(path).and_then(|found| found.modified());
            modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > LEFT_BEHIND))
        };
        let entries = fs::read_dir(&self.path).into_iter().flatten().filter_map(Result::ok);
        for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with('.')) {
            let path = entry.path();
            if path.extension().is_some_and(|kind| kind == "tmp") && old(&path) {
                let _ = fs::remove_file(path);
            }
        }
    }

    /// Puts a letter into the folder, where it is after a power cut too.
    pub(super) async fn put(&self, to: &Username, message: &Message) -> Result<(), MailError> {
        let (folder, bytes) = (self.clone(), Zeroizing::new(message.formatted()));
        let name = file_name(to, Timestamp::now(), Uuid::now_v7());
        on_disk(move || {
            folder.prepare()?;
            let (part, whole) = (folder.path.join(format!(".{name}.tmp")), folder.path.join(name));
            let written = create(&part, &bytes)
                .and_then(|()| fs::rename(&part, &whole))
                .and_then(|()| File::open(&folder.path).and_then(|opened| opened.sync_all()));
            written.map_err(|error| {
                let _ = fs::remove_file(&part);
                folder.failed("does not take the letter", error)
            })
        })
        .await
    }

    /// Sees to it that the folder is there and ours alone.
    fn prepare(&self) -> Result<(), MailError> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                self.unusable("is not a folder").hint("name a folder that letters can be written to").because(error)
            }
            _ => self.failed("cannot be made", error),
        })?;
        let mode = fs::metadata(&self.path).map_err(|error| self.failed("cannot be looked at", error))?.mode();
        if mode & OTHERS == 0 {
            return Ok(());
        }
        // Only what is plainly an outbox: the folder of a project, or of another program, is not ours to close.
        let foreign = fs::read_dir(&self.path).map_err(|error| self.failed("cannot be read", error))?;
        let foreign = foreign.filter_map(Result::ok).find(|entry| {
            let name = entry.file_name();
            let letter = Path::new(&name).extension().is_some_and(|kind| kind == "eml" || kind == "tmp");
            !letter && name != ".gitignore" && name != ".gitkeep"
        });
        if let Some(entry) = foreign {
            let what = format!(
                "is open to other users of this machine and holds other things, such as `{}`",
                visible(&entry.file_name().to_string_lossy())
            );
            return Err(self.unusable(&what).hint("give mail a folder of its own, or close this one with `chmod 700`"));
        }
        fs::set_permissions(&self.path, Permissions::from_mode(0o700)).map_err(|error| {
            self.unusable("is open to other users of this machine, and cannot be closed to them")
                .hint("give mail a folder of its own")
                .because(error)
        })
    }

    fn unusable(&self, what: &str) -> MailError {
        MailError::settings(format!("the mail folder `{}` {what}", self.name()))
    }

    fn failed(&self, what: &str, error: io::Error) -> MailError {
        let denied = [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem, io::ErrorKind::NotADirectory];
        let kind = if denied.contains(&error.kind()) { MailErrorKind::Settings } else { MailErrorKind::Unavailable };
        MailError::new(kind, format!("the mail folder `{}` {what}", self.name())).because(error)
    }
}

/// Writes a new file, whole and on disk.
fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// `20261122T041554Z-mara.lindqvist-0194….eml`: sorted by time, told apart by the last part.
fn file_name(to: &Username, now: Timestamp, unique: Uuid) -> String {
    let mut name: String = to.as_str().chars().map(|c| if c.is_alphanumeric() || "._-+@".contains(c) { c } else { '_' }).collect();
    name.truncate(name.floor_char_boundary(NAME));
    let time = now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ");
    format!("{time}-{name}-{}.eml", unique.simple())
}

async fn on_disk(work: impl FnOnce() -> Result<(), MailError> + Send + 'static) -> Result<(), MailError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(MailError::new(MailErrorKind::Unavailable, "writing a letter was cut short").because(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(path: &Path) -> Folder {
        Folder::new(path, Path::new("/nowhere"))
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn file_names_are_safe_whatever_the_username() {
        let now: Timestamp = "2026-11-22T04:15:54Z".parse().unwrap();
        let unique = Uuid::from_u128(7);
        let name = |username: &str| file_name(&Username::new(username).unwrap(), now, unique);
        assert_eq!(name("mara.lindqvist"), "20261122T041554Z-mara.lindqvist-00000000000000000000000000000007.eml");
        assert_eq!(name("a+b@c"), "20261122T041554Z-a+b@c-00000000000000000000000000000007.eml");
        for username in ["अमित", "a..", "a-", &"ж".repeat(127), &"x".repeat(255)] {
            let name = name(username);
            assert!(name.len() <= 200 && !name.contains(['/', '\0', ' ']) && name.ends_with("7.eml"), "{name}");
        }
    }

    #[test]
    fn what_a_killed_run_left_half_written_is_removed_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let old = std::time::SystemTime::now() - Duration::from_hours(1);
        for (name, aged) in [(".a.eml.tmp", true), (".b.eml.tmp", false), ("c.eml", true), (".gitkeep", true), ("d.tmp", true)] {
            let file = File::create(home.path().join(name)).unwrap();
            if aged {
                file.set_modified(old).unwrap();
            }
        }
        outbox(home.path()).sweep();
        let mut left: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".b.eml.tmp", ".gitkeep", "c.eml", "d.tmp"]);
    }

    #[test]
    fn folders_are_named_as_people_write_them() {
        let name = |written: &str| Folder::new(Path::new(written), Path::new("/p")).name();
        assert_eq!(name("outbox"), "./outbox/");
        assert_eq!(name("./a/b/"), "./a/b/");
        assert_eq!(name("../out"), "../out/");
        assert_eq!(name("/var/out"), "/var/out/");
    }

    #[test]
    fn the_folder_and_its_parents_are_ours_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b/outbox");
        outbox(&path).prepare().unwrap();
        for made in ["a", "a/b", "a/b/outbox"] {
            assert_eq!(mode(&home.path().join(made)), 0o700, "{made}");
        }
        outbox(&path).prepare().unwrap();
    }

    #[test]
    fn an_open_outbox_is_closed_and_any_other_open_folder_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("outbox");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        fs::write(path.join("old.eml"), "x").unwrap();
        fs::write(path.join(".gitignore"), "*").unwrap();
        outbox(&path).prepare().unwrap();
        assert_eq!(mode(&path), 0o700);

        fs::set_permissions(&path, Permissions::from_mode(0o750)).unwrap();
        fs::write(path.join("tenantry.yaml"), "x").unwrap();
        let error = outbox(&path).prepare().unwrap_err();
        assert_eq!(error.kind, MailErrorKind::Settings);
        assert!(error.message.contains("holds other things, such as `tenantry.yaml`"), "{}", error.message);
        assert_eq!(mode(&path), 0o750, "it is left as it was");
    }

    #[tokio::test]
    async fn a_link_to_a_folder_will_do_and_a_file_will_not() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("real")).unwrap();
        let link = home.path().join("link");
        std::os::unix::fs::symlink("real", &link).unwrap();
        outbox(&link).check().await.unwrap();
        assert_eq!(fs::read_dir(&link).unwrap().count(), 0, "the probe is gone");

        let file = home.path().join("file");
        fs::write(&file, "x").unwrap();
        for path in [file.clone(), file.join("below")] {
            let error = outbox(&path).check().await.unwrap_err();
            assert_eq!(error.kind, MailErrorKind::Settings, "{}", error.chain());
            assert!(error.message.contains("is not a folder"), "{}", error.chain());
        }
    }
}
