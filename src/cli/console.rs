//! The one place that writes: data to standard output or a file, everything else to standard error.

use std::{
    fs,
    io::{self, ErrorKind, Seek, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use anstream::{AutoStream, ColorChoice};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::failure::Failure;
use crate::{apply::Progress, config::Config, model::visible};

/// Where text goes, and whether colours go with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    config: Config,
    verbose: bool,
}

impl Console {
    pub(crate) fn new(config: Config, verbose: bool) -> Self {
        Self { config, verbose }
    }

    /// Whether somebody can be asked.
    pub(crate) fn interactive(self) -> bool {
        self.config.interactive
    }

    /// Whether what is written to standard error has colours.
    pub(crate) fn colours_notes(self) -> bool {
        self.config.colour_err
    }

    /// Data, to standard output. A reader that has gone away (`| head`) is no failure.
    pub(crate) fn data(self, text: &str) -> Result<(), Failure> {
        let mut stream = AutoStream::new(io::stdout().lock(), choice(self.config.colour_out));
        match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Failure::failed("cannot write to standard output").because(&error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// For people, to standard error. There is nowhere to report a failure to.
    pub(crate) fn note(self, text: &str) {
        let mut stream = AutoStream::new(io::stderr().lock(), choice(self.config.colour_err));
        let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
    }

    /// How long something took, for who asked with `-v`.
    pub(crate) fn timing(self, text: impl FnOnce() -> String) {
        if self.verbose {
            self.note(&format!("{}\n", text()));
        }
    }

    /// How far a run of so many changes has come, drawn over itself on a terminal; nothing elsewhere.
    pub(crate) fn progress(self, changes: u64) -> Bars {
        Bars { shown: self.config.progress, changes, bar: Mutex::new(None) }
    }

    /// Asks for a line; nothing at the end of the input.
    pub(crate) fn ask(self, question: &str) -> Option<String> {
        self.note(question);
        let mut line = String::new();
        match io::stdin().read_line(&mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(line.trim().to_owned()),
        }
    }
}

/// A bar for the changes of a run, and then one for its credentials, with the time that is left.
#[derive(Debug)]
pub(crate) struct Bars {
    shown: bool,
    changes: u64,
    bar: Mutex<Option<(&'static str, ProgressBar)>>,
}

/// Fewer than this are done before anybody has read a bar.
const WORTH_A_BAR: u64 = 50;
/// The same for credentials, of which each takes as long as a hundred changes.
const WORTH_A_BAR_OF_CREDENTIALS: u64 = 5;

impl Bars {
    /// Draws how far it is.
    pub(crate) fn told(&self, progress: Progress) {
        let (what, done, of, worth) = match progress {
            Progress::Changes(done) => ("changes", done, self.changes, WORTH_A_BAR),
            Progress::Credentials(done, of) => ("credentials", done, of, WORTH_A_BAR_OF_CREDENTIALS),
        };
        if !self.shown || of < worth {
            return;
        }
        let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if bar.as_ref().is_none_or(|(shown, _)| *shown != what) {
            if let Some((_, before)) = bar.take() {
                before.finish_and_clear();
            }
            let style = ProgressStyle::with_template("  {bar:30} {pos} of {len} {msg}, {eta} left");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            let new = ProgressBar::with_draw_target(Some(of), ProgressDrawTarget::stderr_with_hz(10));
            *bar = Some((what, new.with_style(style).with_message(what)));
        }
        if let Some((_, bar)) = &*bar {
            bar.set_position(done);
        }
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        if let Some((_, bar)) = self.bar.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }
}

/// A file that data goes to, without colours. It is opened before any work is done for it, and emptied when the data is there.
#[derive(Debug)]
pub(crate) struct Artefact {
    file: fs::File,
    path: PathBuf,
}

impl Artefact {
    /// Makes the file where there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        Self::with(fs::OpenOptions::new().create(true), path)
    }

    /// Makes the file, which must not be there: neither a file nor a link of that name.
    pub(crate) fn new(path: &Path) -> Result<Self, Failure> {
        Self::with(fs::OpenOptions::new().create_new(true), path)
    }

    fn with(options: &mut fs::OpenOptions, path: &Path) -> Result<Self, Failure> {
        match options.write(true).open(path) {
            Ok(file) => Ok(Self { file, path: path.to_owned() }),
            Err(error) => {
                let path = visible(&path.display().to_string());
                Err(Failure::invalid(format!("cannot open `{path}` for writing")).because(&error))
            }
        }
    }

    /// Writes what the file is to hold, once.
    pub(crate) fn write(&self, text: &str) -> Result<(), Failure> {
        let (mut file, plain) = (&self.file, anstream::adapter::strip_str(text).to_string());
        let mut write = || {
            // A pipe or a terminal has no length.
            if file.metadata()?.is_file() {
                file.set_len(0)?;
                file.rewind()?;
            }
            file.write_all(plain.as_bytes())
        };
        let path = || visible(&self.path.display().to_string());
        write().map_err(|error: io::Error| Failure::failed(format!("cannot write `{}`", path())).because(&error))
    }
}

fn choice(colour: bool) -> ColorChoice {
    if colour { ColorChoice::Always } else { ColorChoice::Never }
}
