//! The sentences both front ends are made of: check, plan, apply, import.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use smol_str::SmolStr;

use crate::{
    desired::Desired,
    directory::{Directory, DirectoryError, Stop},
    manifest::{Problem, Project, Sources},
    model::{Key, Name, State},
    observed::{Scope, Stranger},
    plan::{Allow, Plan, Purge, Refusal},
    report::Report,
};

/// What is asked for: the same for a plan and for the apply of it.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// What is wanted.
    pub desired: &'a Desired,
    /// Where documents stand, for the directory to remember.
    pub sources: &'a Sources,
    /// Whose, and within which limits.
    pub project: &'a Project,
    /// What is decided.
    pub scope: Scope,
    /// `--adopt KEY`.
    pub adopt: BTreeSet<Key>,
    /// `--purge`, `--purge KEY`.
    pub purge: Purge,
    /// What the flags allow.
    pub allow: Allow,
    /// The time that `expires` and retention are judged by.
    pub now: Timestamp,
}

/// A plan, and what came with it.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// What the roles in force have against the declaration; the problems of loading are not repeated here.
    pub problems: Vec<Problem>,
    /// The gates it does not pass.
    pub refused: Vec<Refusal>,
    /// How long reading took.
    pub read: Duration,
    /// How long planning took.
    pub planned: Duration,
}

/// Reads the directory and decides. Writes nothing.
pub async fn plan(_directory: &dyn Directory, _request: &Request<'_>) -> Result<Planned, DirectoryError> {
    todo!()
}

/// How a plan is carried out.
#[derive(Debug, Clone)]
pub struct Order {
    /// Unique to the run.
    pub run: SmolStr,
    /// Who acts; none means the operator.
    pub actor: Option<SmolStr>,
    /// How long to wait for the lease.
    pub wait: Duration,
    /// Set by Ctrl-C.
    pub stop: Stop,
}

/// Why nothing was carried out.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The directory failed before the first write, or the lease is held by another run.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The directory moved after the plan was shown: this is what would happen now.
    #[error("the directory changed after the plan was made")]
    Stale(Box<Planned>),
    /// The plan under the lease does not pass the gates.
    #[error("a safety gate refused")]
    Refused(Box<Planned>),
}

/// Takes the lease, plans again, and carries the plan out if it is still `shown`. An empty plan is done at once, without
/// lease or write.
pub async fn apply(
    _directory: &dyn Directory,
    _request: &Request<'_>,
    _shown: &Planned,
    _order: &Order,
    _progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<Report, ApplyError> {
    todo!()
}

/// What an import found.
#[derive(Debug, Clone)]
pub struct Imported {
    /// What is managed by this owner and not retired, and with `all` what could be adopted; sorted by key. A stranger has
    /// its directory id beside it.
    pub states: Vec<ImportedState>,
    /// Strangers that cannot be declared, with the reason.
    pub left_out: Vec<(Stranger, String)>,
}

/// One thing to write as a document.
#[derive(Debug, Clone)]
pub struct ImportedState {
    /// What it is. `suspended` says whether the document has `enabled: false`.
    pub state: State,
    /// The id for `tenantry.dev/adopt`, if it is not managed yet.
    pub adopt: Option<crate::model::RemoteId>,
    /// The `credential.reset`-mark of a managed account, so that a plan after the import is empty.
    pub live: Option<crate::observed::CredentialMark>,
}

/// Reads what the directory holds as things that can be declared.
pub async fn import(_directory: &dyn Directory, _owner: &Name, _all: bool) -> Result<Imported, DirectoryError> {
    todo!()
}
