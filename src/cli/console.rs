//! The one place that writes: data to standard output or a file, everything else to standard error.

use std::{
    fs,
    io::{self, ErrorKind, Write},
    path::Path,
};

use anstream::{AutoStream, ColorChoice};

use super::failure::Failure;
use crate::config::Config;

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

    /// Data, to a file, without colours.
    pub(crate) fn file(path: &Path, text: &str) -> Result<(), Failure> {
        let plain = anstream::adapter::strip_str(text).to_string();
        fs::write(path, plain).map_err(|error| Failure::failed(format!("cannot write `{}`", path.display())).because(&error))
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

fn choice(colour: bool) -> ColorChoice {
    if colour { ColorChoice::Always } else { ColorChoice::Never }
}
