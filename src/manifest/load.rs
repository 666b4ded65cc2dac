//! Reads documents from files and folders. The only place of this layer that touches files.
//!
//! A file is cut into documents, and each document takes one typed parse, on all cores. What is not plain or not sound
//! takes a second, strict look that finds every problem. A broken document never reads as a removal: it comes back under
//! its key, or counts as unreadable, and then nothing that is missing is missed.

mod check;
mod classify;
mod diagnose;
mod document;
mod hidden;
mod json;
mod list;
mod object;
mod place;
mod plain;
mod project;
mod scan;
mod secrets;
mod split;
mod tree;
mod walk;
mod work;

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Code, Lowered, Origin, Place, Problem,
    sources::{self, Sources},
};

pub use diagnose::{Diagnostic, RelatedPlace, Snippet, diagnose};
pub use object::{Object, object};
pub use project::{LoadedProject, load_project};

pub(in crate::manifest) use tree::{Plain, resolve};

/// What to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Every `*.yaml`, `*.yml` and `*.json` below a folder that `.gitignore` does not exclude.
    Folder(PathBuf),
    /// One file.
    File(PathBuf),
    /// Text that came in by standard input.
    Stdin(String),
}

/// What is believed of one file or document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest file, in bytes.
    pub file: usize,
    /// The largest document, in bytes: what an API server takes.
    pub document: usize,
    /// How many threads read at most; none means as many as there are cores.
    pub threads: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file: 64 << 20, document: 1 << 20, threads: None }
    }
}

/// What was read.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Documents whose identity is known, in the order of files and lines.
    pub documents: Vec<Lowered>,
    /// Everything that is wrong, in the same order.
    pub problems: Vec<Problem>,
    /// The files.
    pub sources: Sources,
    /// Documents and files whose identity could not be read: unless this is 0, the declaration is incomplete.
    pub unreadable: usize,
    /// Documents that are not for Tenantry.
    pub foreign: usize,
    /// Documents for Tenantry, broken ones included.
    pub count: usize,
}

/// Reads everything. Inputs come in the order given, files of a folder sorted by path; a file that several inputs or links
/// lead to is read once.
pub fn load(inputs: &[Input], limits: &Limits) -> Loaded {
    let mut loaded = Loaded::default();
    walk::files(inputs, &mut loaded);
    let results = work::read(&loaded.sources, limits);
    for result in results {
        let work::Read { documents, problems, unreadable, foreign, count } = result;
        loaded.documents.extend(documents);
        loaded.problems.extend(problems);
        loaded.unreadable += unreadable;
        loaded.foreign += foreign;
        loaded.count += count;
    }
    loaded
}

/// What tells one state of these files from another, without reading them: which there are, and of each the file it is, its
/// length and its times. The time at which a file's entry changed is among them, since that one cannot be set back.
pub fn fingerprint(inputs: &[Input]) -> u64 {
    let mut loaded = Loaded::default();
    walk::files(inputs, &mut loaded);
    let mut hasher = DefaultHasher::new();
    for source in &loaded.sources.files {
        source.name.hash(&mut hasher);
        if let sources::From::File(path) = &source.from {
            file_state(path).hash(&mut hasher);
        }
    }
    loaded.problems.len().hash(&mut hasher);
    loaded.problems.iter().for_each(|problem| problem.message.hash(&mut hasher));
    hasher.finish()
}

#[cfg(unix)]
fn file_state(path: &Path) -> Option<[u64; 7]> {
    use std::os::unix::fs::MetadataExt;
    let it = fs::metadata(path).ok()?;
    let times = [it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec()].map(i64::cast_unsigned);
    Some([it.dev(), it.ino(), it.len(), times[0], times[1], times[2], times[3]])
}

#[cfg(not(unix))]
fn file_state(path: &Path) -> Option<(u64, std::time::SystemTime)> {
    let it = fs::metadata(path).ok()?;
    Some((it.len(), it.modified().ok()?))
}

/// The text of a source, without a byte order mark, or what is wrong with it.
fn text(sources: &Sources, file: u32, most: usize) -> Result<Arc<str>, Box<Problem>> {
    let origin = Origin { file, line: 1 };
    let refuse = |code, place, message: String| Box::new(Problem::error(code, origin, place, message));
    let source = &sources.files[file as usize];
    let large = || refuse(Code::TooMuch, Place::At(1, 1), format!("larger than {} MiB", most >> 20)).hint("split the file");
    let bytes = match &source.from {
        sources::From::Text(text) if text.len() > most => return Err(Box::new(large())),
        sources::From::Text(text) => return Ok(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), Arc::from)),
        sources::From::File(path) => {
            read_file(path, most).map_err(|error| refuse(Code::Unreadable, Place::At(1, 1), reason(&error)))?
        }
    };
    if bytes.len() > most {
        return Err(Box::new(large()));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).into()),
        Err(error) => {
            let (good, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
            let wide = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
            let (line, column) = place::line_column(std::str::from_utf8(&bytes[..good]).unwrap_or(""), good);
            let hint = if wide { "this looks like UTF-16: save it as UTF-8" } else { "save the file as UTF-8" };
            Err(Box::new(refuse(Code::Syntax, Place::At(line, column), "not UTF-8".into()).hint(hint)))
        }
    }
}

fn read_file(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let most = most as u64 + 1;
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(most)).unwrap_or(0));
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "does not exist".into(),
        io::ErrorKind::PermissionDenied => "cannot be read: permission denied".into(),
        io::ErrorKind::IsADirectory => "is a folder".into(),
        _ => format!("cannot be read: {error}"),
    }
}
