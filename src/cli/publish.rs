//! Writes one result in every form that was asked for.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use super::{
    args::Format,
    console::{Artefact, Console},
    failure::Failure,
    place::PROJECT,
    values::Output,
};
use crate::{manifest::Sources, model::visible};

/// The forms asked for, at most one of them on standard output.
#[derive(Debug)]
pub(crate) struct Publisher {
    outputs: Vec<(Format, Option<Artefact>)>,
    console: Console,
}

impl Publisher {
    /// Opens every file, so that nothing is done whose report could not be kept. That is after the documents were read: a
    /// report can lie among them, but is none of them. Text goes to standard output unless something else does: an artefact in a
    /// file does not make a terminal silent.
    pub(crate) fn open(outputs: &[Output<Format>], sources: &Sources, console: Console) -> Result<Self, Failure> {
        harmless(outputs, sources)?;
        let open = |Output { format, file }: &Output<Format>| Ok((*format, file.as_deref().map(Artefact::open).transpose()?));
        let opened = outputs.iter().map(open).collect::<Result<Vec<_>, Failure>>();
        let mut outputs = opened.map_err(|failure| failure.hint("what `-o` names is opened first: nothing was done"))?;
        if outputs.iter().all(|(_, file)| file.is_some()) {
            outputs.push((Format::Text, None));
        }
        Ok(Self { outputs, console })
    }

    /// Whether standard output holds nothing but one form for programs, so that text for people goes elsewhere.
    pub(crate) fn form_on_stdout(&self) -> bool {
        self.outputs.iter().any(|(format, file)| file.is_none() && *format != Format::Text)
    }

    /// Writes everything.
    pub(crate) fn publish(&self, render: impl Fn(Format) -> String) -> Result<(), Failure> {
        self.each(|format, file| match file {
            Some(file) => file.write(&render(format)),
            None => self.console.data(&render(format)),
        })
    }

    /// Does something for every form. One that fails keeps none of the others from being written: the first failure is told last.
    pub(crate) fn each(&self, write: impl Fn(Format, Option<&Artefact>) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut outcome = Ok(());
        for (format, file) in &self.outputs {
            outcome = outcome.and(write(*format, file.as_ref()));
        }
        outcome
    }
}

/// Refuses to write over what is no report: a document that was just read, the project file, a database, and another report of
/// this run.
fn harmless(outputs: &[Output<Format>], sources: &Sources) -> Result<(), Failure> {
    let mut named: Vec<PathBuf> = Vec::new();
    for file in outputs.iter().filter_map(|output| output.file.as_deref()) {
        let real = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let refuse = |what: &str| {
            let file = visible(&file.display().to_string());
            Err(Failure::invalid(format!("`-o` would write over `{file}`, which is {what}, so nothing was done")))
        };
        if real.is_file() {
            if sources.reads(&real) {
                return refuse("one of the documents");
            }
            if real.file_name().is_some_and(|name| name == PROJECT) {
                return refuse("a project file");
            }
            if is_database(&real) {
                return refuse("a database");
            }
        }
        if named.contains(&real) && !real.starts_with("/dev") {
            return refuse("named twice");
        }
        named.push(real);
    }
    Ok(())
}

/// Whether a file begins as every database of SQLite does (sqlite.org/fileformat.html, 1.3).
fn is_database(path: &Path) -> bool {
    let mut begin = [0; 16];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut begin));
    read.is_ok() && begin == *b"SQLite format 3\0"
}

/// Two values on standard output would be none.
pub(crate) fn check(outputs: &[Output<Format>]) -> Result<(), Failure> {
    if outputs.iter().filter(|output| output.file.is_none()).count() > 1 {
        return Err(
            Failure::invalid("`-o` asks for two forms on standard output").hint("give all but one a file: `-o json=plan.json`")
        );
    }
    Ok(())
}
