//! What hears of changes in files. What it hears is a hint and no more: whether anything is different is for the fingerprint to
//! say, so that an event too many costs a look at a few names, and one's own writing starts nothing.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, ModifyKind},
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::{Instant, sleep, timeout_at},
};

/// A change is over when nothing more was heard for this long.
const QUIET: Duration = Duration::from_millis(50);

/// Somebody who never stops writing is looked at all the same.
const ENOUGH: Duration = Duration::from_millis(500);

/// How often it is looked where nothing can be heard.
const POLL: Duration = Duration::from_secs(2);

/// A folder that is listened to, and which one it is: one that was removed and made anew has another number.
type Folder = (PathBuf, (u64, u64));

/// Files being written.
type Writing = Arc<Mutex<HashMap<PathBuf, Instant>>>;

/// Who keeps a file open and writes no more has left it for good; not every system tells when a file is closed.
const ABANDONED: Duration = Duration::from_secs(10);

/// Listens to folders.
pub(crate) struct Eyes {
    watcher: Option<RecommendedWatcher>,
    folders: BTreeMap<Folder, bool>,
    hints: UnboundedReceiver<()>,
    /// Files that somebody has begun to write and not closed, with the time when that was last heard.
    writing: Writing,
    /// Why not everything is heard, if so: then it is looked from time to time.
    deaf: Option<String>,
}

impl Eyes {
    /// Listens to nothing yet.
    pub(crate) fn open() -> Self {
        let (sender, hints) = unbounded_channel();
        let writing = Writing::default();
        let heard = Arc::clone(&writing);
        let hear = move |event: notify::Result<Event>| {
            // Reading is heard of too: whoever did not pass over that would wake up by reading.
            if event.map_or(true, |event| note(&event, &heard)) {
                let _ = sender.send(());
            }
        };
        let (watcher, deaf) = match notify::recommended_watcher(hear) {
            Ok(watcher) => (Some(watcher), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Self { watcher, folders: BTreeMap::new(), hints, writing, deaf }
    }

    /// Listens to what these paths mean now, and to nothing else.
    pub(crate) fn turn_to(&mut self, paths: &[PathBuf]) {
        let Some(watcher) = &mut self.watcher else { return };
        let mut wanted: BTreeMap<Folder, bool> = BTreeMap::new();
        for (path, recursive) in paths.iter().flat_map(|path| folders(path)) {
            if let Some(number) = number(&path) {
                *wanted.entry((path, number)).or_default() |= recursive;
            }
        }
        if wanted == self.folders {
            return;
        }
        for (folder, recursive) in &self.folders {
            if wanted.get(folder) != Some(recursive) {
                // One that was removed is not listened to any more.
                let _ = watcher.unwatch(&folder.0);
            }
        }
        let mut deaf = None;
        for (folder, recursive) in &wanted {
            if self.folders.get(folder) == Some(recursive) {
                continue;
            }
            let mode = if *recursive { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            if let Err(error) = watcher.watch(&folder.0, mode)
                && folder.0.exists()
            {
                deaf = Some(error.to_string());
            }
        }
        (self.folders, self.deaf) = (wanted, deaf);
    }

    /// Why not everything is heard, if so.
    pub(crate) fn deaf(&self) -> Option<&str> {
        self.deaf.as_deref()
    }

    /// Whether nobody is in the middle of writing a document.
    pub(crate) fn at_rest(&self) -> bool {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        writing.retain(|_, since| since.elapsed() < ABANDONED);
        writing.is_empty()
    }

    /// Waits until something may have changed, and nothing more does.
    pub(crate) async fn hint(&mut self) {
        if self.deaf.is_some() || self.hints.recv().await.is_none() {
            sleep(POLL).await;
        }
        let enough = Instant::now() + ENOUGH;
        while timeout_at(enough.min(Instant::now() + QUIET), self.hints.recv()).await.is_ok_and(|hint| hint.is_some()) {}
    }
}

/// Notes who is writing what; whether something may have changed.
fn note(event: &Event, writing: &Writing) -> bool {
    let document = |path: &&PathBuf| {
        let suffix = path.extension().and_then(|it| it.to_str()).map(str::to_ascii_lowercase);
        matches!(suffix.as_deref(), Some("yaml" | "yml" | "json"))
    };
    let (begun, changed) = match event.kind {
        EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) => (true, true),
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => (false, true),
        EventKind::Access(_) => return false,
        EventKind::Modify(ModifyKind::Metadata(_)) => return true,
        EventKind::Any | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => (false, true),
    };
    let mut writing = writing.lock().unwrap_or_else(PoisonError::into_inner);
    for path in event.paths.iter().filter(document) {
        if begun {
            // A link, or another name, is complete as it appears.
            if !matches!(event.kind, EventKind::Create(_)) || fs::symlink_metadata(path).is_ok_and(|it| it.is_file()) {
                writing.insert(path.clone(), Instant::now());
            }
        } else {
            writing.remove(path);
        }
    }
    changed
}

/// The folders in which a change of a path shows, each with whether what is below it counts: itself or the folder it is in, the
/// folders of every link on the way to it, and the nearest folder above it that is there.
fn folders(path: &Path) -> Vec<(PathBuf, bool)> {
    let Ok(path) = std::path::absolute(path) else { return Vec::new() };
    let mut folders = Vec::new();
    let parent = |path: &Path| path.parent().map(Path::to_owned);
    if let Ok(real) = fs::canonicalize(&path) {
        let folder = if real.is_dir() { Some((real, true)) } else { parent(&real).map(|parent| (parent, false)) };
        folders.extend(folder);
    }
    let links = path.ancestors().filter(|it| it.is_symlink()).filter_map(parent);
    let above = path.ancestors().skip(1).find(|it| it.is_dir()).map(Path::to_owned);
    folders.extend(links.chain(above).filter_map(|folder| Some((fs::canonicalize(folder).ok()?, false))));
    folders
}

#[cfg(unix)]
fn number(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|it| (it.dev(), it.ino()))
}

#[cfg(not(unix))]
fn number(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|_| (0, 0))
}
