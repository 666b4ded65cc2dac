//! A failure for people.

use std::fmt::Write;

use super::style::{ERROR, HINT, paint};
use crate::{cli::failure::Failure, model::visible};

/// Message, causes and hint.
pub(crate) fn text(failure: &Failure) -> String {
    let Failure { exit: _, message, causes, hint, problems: _ } = failure;
    let mut out = format!("{} {}\n", paint(ERROR, "error:"), visible(message));
    for cause in causes {
        let _ = writeln!(out, "  because: {}", visible(cause));
    }
    if let Some(hint) = hint {
        let _ = writeln!(out, "{} {hint}", paint(HINT, "hint:"));
    }
    out
}
