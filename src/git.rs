//! By which commit something came to be declared: asked of `git`, where there is one and the files are in a repository. It is
//! only ever a remark in the history, so that whatever goes wrong here is no commit, and nothing waits for it for long.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader},
    path::{Component, Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use smol_str::SmolStr;

use crate::{
    history::Commit,
    model::{Key, Name},
};

/// Files that are named to `git`; of more it is asked without naming any, and stopped when it has said enough.
const NAMED: usize = 200;

/// What begins the line of a commit, in what we ask `git` to print: no name of a file has it.
const MARK: char = '\u{1}';

/// Of more changes than this only the commit of the file is asked for: that of each document takes its time.
const EACH: usize = 50;

/// What a commit is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// The document that begins there: `users/service.yaml:41`, relative to the working directory.
    Document(SmolStr),
    /// The document of this name that stood there once.
    Gone(SmolStr, Name),
}

/// By which commits things came to be declared, or ceased to be: the last one that touched the document; the one that took it
/// away; of more than a few, the last one of the file. Whatever has changed since is in no commit, and what lies before the
/// beginning of a shallow clone is unknown: no name is better than a wrong one. Blocks for `limit` at most.
pub fn commits(asked: &BTreeMap<Key, Asked>, limit: Duration) -> BTreeMap<Key, Commit> {
    let until = Instant::now() + limit;
    if asked.len() > EACH {
        return of_files(asked, until);
    }
    let mut known: BTreeMap<&Asked, Option<Commit>> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for (key, asked) in asked {
        let commit = known.entry(asked).or_insert_with(|| match asked {
            Asked::Document(place) => {
                let (file, line) = place.rsplit_once(':')?;
                let (commit, changed) = blamed(Path::new(file), line.parse().ok()?, until)?;
                commit.filter(|_| !changed)
            }
            Asked::Gone(place, name) => removed(Path::new(place.rsplit_once(':')?.0), name, until),
        });
        found.extend(commit.clone().map(|commit| (key.clone(), commit)));
    }
    found
}

fn of_files(asked: &BTreeMap<Key, Asked>, until: Instant) -> BTreeMap<Key, Commit> {
    let mut repositories: BTreeMap<PathBuf, BTreeMap<String, Vec<&Key>>> = BTreeMap::new();
    for (key, asked) in asked {
        let (Asked::Document(place) | Asked::Gone(place, _)) = asked;
        if let Some((root, file)) = place.rsplit_once(':').and_then(|(file, _)| repository(Path::new(file))) {
            repositories.entry(root).or_default().entry(file).or_default().push(key);
        }
    }
    let mut found = BTreeMap::new();
    for (root, files) in repositories {
        let wanted: BTreeSet<&str> = files.keys().map(String::as_str).collect();
        let unknown = beginnings(&root, until);
        for (file, commit) in last_commits(&root, &wanted, until) {
            let keys = files.get(&file).into_iter().flatten().filter(|_| !unknown.contains(commit.id.as_str()));
            found.extend(keys.map(|key| ((*key).clone(), commit.clone())));
        }
    }
    found
}

/// The commit that took the document of a name away, unless it is there in the last one.
fn removed(file: &Path, name: &Name, until: Instant) -> Option<Commit> {
    let (root, file) = repository(file)?;
    let line = format!("name[\"']?:[[:space:]]*[\"']?{name}([\"' ,}}]|$)");
    if !ask(&root, &["grep", "--name-only", "-E", "-e", &line, "HEAD", "--", &file], until, |_| true).is_empty() {
        return None;
    }
    let changed = format!("-G{line}");
    let log = ["log", "--no-show-signature", "--no-renames", "--max-count=1", &changed, &format(), "--", &file];
    let found = ask(&root, &log, until, |_| true).iter().find_map(|line| commit(line));
    found.filter(|commit| !beginnings(&root, until).contains(commit.id.as_str()))
}

/// Where a shallow clone begins: these commits seem to have made everything that was there before.
fn beginnings(root: &Path, until: Instant) -> BTreeSet<String> {
    let path = ask(root, &["rev-parse", "--git-path", "shallow"], until, |_| true);
    let text = path.first().and_then(|path| std::fs::read_to_string(root.join(path)).ok());
    text.unwrap_or_default().lines().map(str::to_owned).collect()
}

/// The commit that touched a document last, and whether it has been changed since: the document that begins at `line` of a
/// file. Blocks for `limit` at most.
pub fn blame(file: &Path, line: u32, limit: Duration) -> Option<(Option<Commit>, bool)> {
    blamed(file, line, Instant::now() + limit)
}

fn blamed(file: &Path, line: u32, until: Instant) -> Option<(Option<Commit>, bool)> {
    let (root, file) = repository(file)?;
    // A document ends where the next one begins.
    for range in [format!("{line},/^---/"), format!("{line},")] {
        let lines = ask(&root, &["blame", "--porcelain", "-L", &range, "--", &file], until, |_| true);
        let (mut ids, mut dirty, mut id) = (BTreeSet::new(), false, "");
        for line in &lines {
            if let Some(text) = line.strip_prefix('\t') {
                // What stands between two documents belongs to neither.
                if !text.starts_with("---") {
                    dirty |= uncommitted(id);
                    ids.insert(id);
                }
            } else if let Some(first) =
                line.split(' ').next().filter(|it| it.len() >= 40 && it.bytes().all(|c| c.is_ascii_hexdigit()))
            {
                id = first;
            }
        }
        ids.retain(|id| !uncommitted(id));
        if dirty || !ids.is_empty() {
            let latest = latest(&root, &ids, until);
            return Some((latest.filter(|commit| !beginnings(&root, until).contains(commit.id.as_str())), dirty));
        }
    }
    None
}

/// The one of some commits that comes after the others in the history, whatever dates it bears: those are for anybody to set.
fn latest(root: &Path, ids: &BTreeSet<&str>, until: Instant) -> Option<Commit> {
    let last = match ids.len() {
        0 => return None,
        1 => ids.first()?.to_string(),
        _ => {
            let walk = ["rev-list", "--topo-order", "--max-count=1"].into_iter().chain(ids.iter().copied().take(NAMED));
            ask(root, &walk.collect::<Vec<_>>(), until, |_| true).into_iter().next()?
        }
    };
    let shown = ask(root, &["show", "--no-patch", &format(), &last], until, |_| true);
    shown.iter().find_map(|line| commit(line))
}

/// What `git` calls the commit of lines that are in none.
fn uncommitted(id: &str) -> bool {
    id.bytes().all(|it| it == b'0')
}

/// The repository that a file belongs to, and its name in it. The file need not be there any more.
fn repository(file: &Path) -> Option<(PathBuf, String)> {
    let file = std::path::absolute(file).ok()?;
    if file.components().any(|part| part == Component::ParentDir) {
        return None;
    }
    let root = file.ancestors().skip(1).find(|folder| folder.join(".git").exists())?;
    let name = file.strip_prefix(root).ok()?.to_str()?;
    Some((root.to_owned(), name.to_owned()))
}

fn last_commits(root: &Path, wanted: &BTreeSet<&str>, until: Instant) -> Vec<(String, Commit)> {
    let mut changed = vec!["diff", "--name-only", "--no-renames", "--no-ext-diff", "HEAD", "--"];
    let format = format();
    let mut log = vec!["log", "--no-show-signature", "--name-only", "--no-renames", &format, "--"];
    if wanted.len() <= NAMED {
        changed.extend(wanted);
        log.extend(wanted);
    }
    let changed: BTreeSet<String> = ask(root, &changed, until, |_| true).into_iter().collect();
    let mut left: BTreeSet<&str> = wanted.iter().copied().filter(|file| !changed.contains(*file)).collect();
    let (mut found, mut of) = (Vec::new(), None);
    ask(root, &log, until, |line| {
        if line.starts_with(MARK) {
            of = commit(line);
        } else if let Some(commit) = of.as_ref().filter(|_| left.remove(line)) {
            found.push((line.to_owned(), commit.clone()));
        }
        !left.is_empty()
    });
    found
}

/// Hash, committer's time in seconds, author.
fn format() -> String {
    format!("--format={MARK}%H %ct %an <%ae>")
}

fn commit(line: &str) -> Option<Commit> {
    let mut parts = line.strip_prefix(MARK)?.splitn(3, ' ');
    let (id, at, author) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
    Some(Commit { id: id.into(), author: author.into(), at: Timestamp::from_second(at).ok()? })
}

/// The lines that `git` prints, until `go_on` has seen enough or time is up.
fn ask(root: &Path, arguments: &[&str], until: Instant, mut go_on: impl FnMut(&str) -> bool) -> Vec<String> {
    let Some((mut child, lines)) = start(root, arguments) else { return Vec::new() };
    let mut seen = Vec::new();
    let complete = loop {
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                let more = go_on(&line);
                seen.push(line);
                if !more {
                    break true;
                }
            }
            Err(RecvTimeoutError::Disconnected) => break child.wait().is_ok_and(|status| status.success()),
            Err(RecvTimeoutError::Timeout) => break false,
        }
    };
    let _ = child.kill();
    let _ = child.wait();
    // Half of an answer could be a wrong one.
    if complete { seen } else { Vec::new() }
}

fn start(root: &Path, arguments: &[&str]) -> Option<(Child, Receiver<String>)> {
    let mut command = Command::new("git");
    command.arg("-C").arg(root).args([
        "--no-pager",
        "--literal-pathspecs",
        "-c",
        "core.quotePath=off",
        "-c",
        "core.fsmonitor=false",
    ]);
    // Within a hook these say another repository.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(variable);
    }
    command.env("GIT_OPTIONAL_LOCKS", "0").env("LC_ALL", "C");
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let out = BufReader::new(child.stdout.take()?);
    let (sender, lines) = sync_channel(1_000);
    thread::spawn(move || {
        for line in out.split(b'\n') {
            let Ok(line) = line else { return };
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
    Some((child, lines))
}
