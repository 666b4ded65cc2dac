//! Which files there are.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use ignore::WalkBuilder;

use super::{Input, Loaded, reason};
use crate::{
    manifest::{Code, Origin, Place, Problem, sources::From},
    model::visible,
};

/// Lists the files of the inputs.
///
/// Hidden files and folders are skipped, so the `..data` of a mounted `ConfigMap` is. Links to folders are not followed, and are errors.
/// Links to files are, where the file is below the folder: somebody who may add a link to a repository must not make us
/// read, and quote, any file of this machine.
pub(super) fn files(inputs: &[Input], loaded: &mut Loaded) {
    let mut seen = HashSet::new();
    for input in inputs {
        match input {
            Input::Folder(folder) => walk(folder, &mut seen, loaded),
            Input::File(path) => {
                if fs::canonicalize(path).map_or(true, |real| seen.insert(real)) {
                    loaded.sources.add(shown(path), From::File(path.clone()));
                }
            }
            Input::Stdin(text) => {
                loaded.sources.add("<stdin>", From::Text(text.as_str().into()));
            }
        }
    }
}

fn walk(folder: &Path, seen: &mut HashSet<PathBuf>, loaded: &mut Loaded) {
    let root = match fs::canonicalize(folder) {
        Ok(root) => root,
        Err(error) => return unreadable(folder, &reason(&error), loaded),
    };
    // Above a folder only the repository it stands in can say what to ignore: not somebody's `~/.gitignore`.
    let in_git = root.ancestors().any(|it| it.join(".git").exists());
    let mut builder = WalkBuilder::new(folder);
    builder.standard_filters(false).hidden(true).git_ignore(true).parents(in_git).require_git(in_git);
    // Only what everybody sees may leave documents out: neither `.git/info/exclude` nor somebody's own configuration.
    builder.git_exclude(false).git_global(false);
    builder.sort_by_file_path(Path::cmp);
    for entry in builder.build() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                unreadable(folder, &visible(&error.to_string()), loaded);
                continue;
            }
        };
        let path = entry.path();
        if entry.depth() > 0 && entry.path_is_symlink() {
            match fs::metadata(path) {
                Ok(it) if it.is_dir() => {
                    let hint = "name the folder itself in `paths`, or put a folder in place of the link";
                    unreadable(path, "is a link to a folder, which is not followed", loaded);
                    loaded.problems.last_mut().expect("just told").hint = Some(hint.into());
                    continue;
                }
                Ok(_) => {}
                Err(error) => {
                    unreadable(path, &format!("is a link, and what it leads to {}", reason(&error)), loaded);
                    loaded.problems.last_mut().expect("just told").hint = Some("remove the link, or mend it".into());
                    continue;
                }
            }
        }
        let suffix = path.extension().and_then(|it| it.to_str()).map(str::to_ascii_lowercase);
        let Some(kind) = entry.file_type().filter(|_| matches!(suffix.as_deref(), Some("yaml" | "yml" | "json"))) else { continue };
        if kind.is_dir() {
            continue;
        }
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            Err(error) => {
                unreadable(path, &reason(&error), loaded);
                continue;
            }
        };
        if kind.is_symlink() && !real.starts_with(&root) {
            unreadable(path, "is a link to a file outside of the folder", loaded);
            continue;
        }
        if !real.is_file() {
            unreadable(path, "is neither a file nor a folder", loaded);
        } else if seen.insert(real) {
            loaded.sources.add(shown(path), From::File(path.to_owned()));
        }
    }
}

fn unreadable(path: &Path, message: &str, loaded: &mut Loaded) {
    // Not read again for a snippet.
    let file = loaded.sources.add(shown(path), From::Text("".into()));
    let origin = Origin { file, line: 1 };
    loaded.problems.push(Problem::error(Code::Unreadable, origin, Place::At(1, 1), message));
    loaded.unreadable += 1;
}

fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    visible(text.strip_prefix("./").unwrap_or(&text))
}
