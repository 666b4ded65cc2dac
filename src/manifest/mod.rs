//! What people write ⇄ text, CRDs, JSON Schema. Reads documents and lowers each to values; knows nothing of directories.

pub mod company;
pub mod customer;
pub mod directory;
mod load;
mod lower;
pub mod parts;
mod problem;
pub mod project;
pub mod role;
mod schema;
mod sources;
pub mod status;
mod text;
pub mod user;
mod write;

use crate::model::{self, Body, Credential, Deletion, Key, Name, RemoteId};

pub use company::{Company, CompanySpec};
pub use customer::{Customer, CustomerSpec};
pub use directory::{Directory, DirectoryFields};
pub use load::{
    Diagnostic, Input, Limits, Loaded, LoadedProject, Object, RelatedPlace, Snippet, diagnose, fingerprint, load, load_project,
    object,
};
pub use lower::{ADOPT, Lowering, MOVED_FROM, Spec, lower, moment};
pub use parts::{AddressSpec, ContactSpec, CredentialSpec, SecretRef};
pub use problem::{Code, Origin, Place, Problem, Related, Severity, Step};
pub use project::{
    Budget, DEFAULT_BASE_URL, DirectorySpec, KeycloakCompanies, KeycloakInvites, KeycloakRoles, KeycloakSettings, LdapSettings,
    LedgerSpec, Mail, Passwords, Percent, PostgresSettings, Project, ProjectSpec, Region, ScimSettings, ThingsboardInvites,
    ThingsboardProof, ThingsboardSettings, Tls, Transport,
};
pub use role::{Home, Requirement, Role, RoleSpec};
pub use schema::{crds, schemas};
pub use sources::Sources;
pub use status::{Condition, ConditionStatus, DirectoryStatus, HeldStatus, HourStatus, PlanStatus, Status};
pub use user::{User, UserSpec};
pub use write::{document_json, write_document};

/// The group of our documents.
pub const GROUP: &str = "tenantry.dev";
/// The one version there is.
pub const API_VERSION: &str = "tenantry.dev/v1alpha1";

/// One document, lowered: what it says of one thing, before anything else is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lowered {
    /// Whose it is.
    pub key: Key,
    /// Where it stands.
    pub origin: Origin,
    /// What it says.
    pub form: Form,
}

/// What a document says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// Everything, in normal form.
    Sound(Box<Declared>),
    /// It is broken (a problem says how), and this much could be read all the same.
    Broken(Salvage),
    /// An object of a cluster that somebody deleted: what removing it means is to be done.
    Gone,
}

/// What a sound document declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// What it stands under.
    pub place: Option<model::Place>,
    /// What it says of itself.
    pub body: Body,
    /// `spec.enabled`.
    pub enabled: bool,
    /// `spec.deletion`, where given.
    pub deletion: Option<Deletion>,
    /// `spec.credential`, where given (users only).
    pub credential: Option<Credential>,
    /// Annotation `tenantry.dev/moved-from`: a key of the same kind.
    pub moved_from: Option<Key>,
    /// Annotation `tenantry.dev/adopt`: the one account this document may take over.
    pub adopt: Option<RemoteId>,
}

/// What a broken document still says for certain. Shutting off never waits for the rest to be mended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Salvage {
    /// It says `enabled: false`.
    pub disabled: bool,
    /// The role it names, where that can be read.
    pub role: Option<Name>,
    /// Annotation `tenantry.dev/moved-from`, where that can be read: the old account is spoken for.
    pub moved_from: Option<Key>,
}

/// How much of an owner's declaration was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// All of it: what is not declared is not wanted.
    Whole {
        /// Where it stands, relative to the project: another root than last time is suspicious.
        root: String,
    },
    /// A part: what is not declared is settled.
    Part,
    /// The objects of a cluster. What is not among them is settled, as in a part: removal is said ([`Form::Gone`]). People of
    /// several teams write them, so nobody can break what another has declared: of two that claim one value the older wins.
    Objects,
}
