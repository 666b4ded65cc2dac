//! Desired × observed → one decision per key. Pure, synchronous and total.

mod gates;
mod types;

use std::collections::BTreeSet;

use crate::model::Key;

pub use gates::{Allow, Gate, Refusal};
pub use types::{Action, Change, CredentialAction, Decision, Held, Hold, LastHolder, Plan, Reason, Tally, Verb};

/// Which retired accounts are to be deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purge {
    /// `--purge`: all whose retention is over.
    pub due: bool,
    /// `--purge KEY`: these, at once.
    pub keys: BTreeSet<Key>,
}

impl Plan {
    /// `sha256:` and 64 hexadecimal digits over canonical JSON of directory, owner, changes and holds.
    pub fn digest(&self) -> String {
        todo!()
    }
}
