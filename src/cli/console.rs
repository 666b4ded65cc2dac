//! The one place that writes: data to standard output or a file, everything else to standard error.

use std::{
    fs,
    io::{self, ErrorKind, Seek, Write},
    path::{Path, PathBuf},
};

use anstream::{AutoStream, ColorChoice};

use super::failure::Failure;
use crate::{config::Config, model::visible};

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

    /// How far a run has come, drawn over itself on a terminal; nothing elsewhere.
    pub(crate) fn progress(self, done: u64, of: u64) {
        if self.config.progress && of >= 50 && (done == of || done.is_multiple_of(25)) {
            let end = if done == of { "\r\u{1b}[K" } else { "" };
            let _ = write!(io::stderr().lock(), "\r  {done} of {of}{end}");
        }
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
