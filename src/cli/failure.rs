//! Why a verb could not do its work: one message, its causes, a next step and an exit code.

use std::error::Error;

use super::exit::Exit;
use crate::{
    directory::{DirectoryError, ErrorKind},
    manifest::Diagnostic,
};

/// A failure that ends the run.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// How the run ends.
    pub(crate) exit: Exit,
    /// What is wrong, in one sentence without a full stop.
    pub(crate) message: String,
    /// Why, outermost first.
    pub(crate) causes: Vec<String>,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// The places in the project file that are wrong.
    pub(crate) problems: Vec<Diagnostic>,
}

impl Failure {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), hint: None, problems: Vec::new() }
    }

    /// The input or the command line is wrong.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Exit::Invalid, message)
    }

    /// Credentials or a permission are not what they should be.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, message)
    }

    /// Anything else.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// The same failure with a next step.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same failure with its chain of causes.
    #[must_use]
    pub(crate) fn because(mut self, error: &dyn Error) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            self.causes.push(error.to_string());
            cause = error.source();
        }
        self
    }

    /// The same failure with the places that are wrong.
    #[must_use]
    pub(crate) fn with(mut self, problems: Vec<Diagnostic>) -> Self {
        self.problems = problems;
        self
    }
}

/// What to do about a file that cannot be written to: nobody gave a wrong password.
const UNWRITABLE: &str =
    "make the file and its folder writable for who runs this, also to read: SQLite keeps its write-ahead log (WAL) beside the file";

impl From<DirectoryError> for Failure {
    fn from(error: DirectoryError) -> Self {
        let (exit, hint) = match &error.kind {
            ErrorKind::Locked(_) => (Exit::Locked, Some("wait for it with `--wait 10m`")),
            ErrorKind::Refused => (Exit::Refused, Some("look at the credentials and permissions of the directory")),
            ErrorKind::Unwritable => (Exit::Failed, Some(UNWRITABLE)),
            ErrorKind::Interrupted => (Exit::Interrupted, None),
            ErrorKind::Unavailable => (Exit::Failed, Some("run the same command again when it is back; nothing has to be undone")),
            ErrorKind::Incomplete => (Exit::Failed, Some("nothing is decided on a part of what a directory holds")),
            ErrorKind::Moved | ErrorKind::Conflict | ErrorKind::Rejected | ErrorKind::Failed => (Exit::Failed, None),
        };
        let mut failure = Self::new(exit, error.to_string());
        failure.hint = hint.map(str::to_owned);
        match error.source() {
            Some(source) => failure.because(source),
            None => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_directory_failure_has_its_exit_code() {
        for (kind, exit) in [
            (ErrorKind::Locked(None), Exit::Locked),
            (ErrorKind::Refused, Exit::Refused),
            (ErrorKind::Interrupted, Exit::Interrupted),
            (ErrorKind::Unavailable, Exit::Failed),
            (ErrorKind::Unwritable, Exit::Failed),
            (ErrorKind::Incomplete, Exit::Failed),
            (ErrorKind::Failed, Exit::Failed),
        ] {
            let error = DirectoryError::new("read users", kind.clone()).because(std::io::Error::other("the disk is full"));
            let failure = Failure::from(error);
            assert_eq!(failure.exit, exit, "{kind:?}");
            assert_eq!(failure.causes, ["the disk is full"]);
        }
    }
}
