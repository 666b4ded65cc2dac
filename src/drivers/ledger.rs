//! The inner port of a ledger: what a database of ours does for a directory that has no tables. It is an embedded directory
//! that holds nothing but Roles, with a trail that speaks of everything.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::{
    directory::{Directory, DirectoryError, History, Run},
    model::{FieldChange, Key, Namespace, RemoteId},
    plan::Change,
};

/// Something that was done elsewhere, to be recorded.
#[derive(Debug, Clone)]
pub enum Deed {
    /// A change was carried out.
    Changed {
        /// Which.
        change: Box<Change>,
        /// Where its losses count.
        loses: Namespace,
        /// The object.
        id: RemoteId,
        /// What differed.
        fields: Vec<FieldChange>,
    },
    /// Something became of a credential.
    Credential {
        /// Whose.
        key: Key,
        /// The account.
        id: RemoteId,
        /// `Delivered`, `LinkUsed`.
        reason: &'static str,
        /// JSON: `{field: [before, after]}`.
        changes: String,
    },
}

/// Something to remember under a name; nothing forgets it.
pub type Note = (String, Option<String>);

/// Keeps what a directory has no place for. What it holds itself are Roles.
#[async_trait]
pub trait Ledger: Directory + History {
    /// How many records there are: another number later means that somebody wrote meanwhile.
    async fn last(&self) -> Result<u64, DirectoryError>;

    /// Every note.
    async fn notes(&self) -> Result<BTreeMap<String, String>, DirectoryError>;

    /// Records deeds, in this order, and writes notes: all of it or nothing.
    async fn write(&self, deeds: Vec<Deed>, notes: Vec<Note>, run: &Run) -> Result<(), DirectoryError>;

    /// Replaces a note if it is as it was read, and says whether it was: of many who try at once one succeeds.
    async fn swap(&self, name: &str, before: Option<&str>, after: Option<&str>) -> Result<bool, DirectoryError>;
}
