//! What an apply came to, as data.

use serde::Serialize;
use smol_str::SmolStr;

use crate::{
    model::{Key, RemoteId},
    plan::Verb,
};

/// What became of every change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// One for each change, sorted by key.
    pub results: Vec<Outcome>,
    /// The run was asked to stop.
    pub interrupted: bool,
}

/// What became of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whose it is.
    pub key: Key,
    /// What was to happen.
    pub verb: Verb,
    /// Where it is declared, or was last.
    pub source: Option<SmolStr>,
    /// The object, where it is known by now.
    pub id: Option<RemoteId>,
    /// What happened.
    pub result: ResultKind,
}

/// What happened to one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResultKind {
    /// Done.
    Applied,
    /// The directory did not do it.
    Failed {
        /// The whole chain of causes.
        message: String,
        /// Whether doing the same again later can help.
        retry_helps: bool,
        /// The directory refused our credentials: exit code 4.
        refused: bool,
        /// All that is missing was not tried, because the run was asked to stop.
        interrupted: bool,
    },
    /// Not tried.
    Skipped(Skipped),
}

/// Why a change was not tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Skipped {
    /// What it depends on was not done.
    Dependency(Key),
    /// The run was asked to stop.
    Interrupted,
}

/// How many changes came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Done.
    pub applied: u64,
    /// Refused or failed.
    pub failed: u64,
    /// Not tried.
    pub skipped: u64,
}

impl Report {
    /// Counts.
    pub fn done(&self) -> Done {
        let mut done = Done::default();
        for outcome in &self.results {
            match outcome.result {
                ResultKind::Applied => done.applied += 1,
                ResultKind::Failed { .. } => done.failed += 1,
                ResultKind::Skipped(_) => done.skipped += 1,
            }
        }
        done
    }
}
