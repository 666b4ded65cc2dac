//! The inner port: what a directory that other people run has to offer. [`Ledgered`] makes a [`crate::directory::Directory`]
//! of it: everything that such a directory has no table for stands in a ledger beside it.
//!
//! An implementation translates, and nothing else: no diffing of what is declared, no policy, no printing. It does not check
//! who may have a name or what stands under what either: that is done before it is asked.

mod decode;
mod execute;
mod ledgered;
mod mark;
mod secrets;
mod sweep;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use smol_str::SmolStr;

use crate::{
    directory::{DirectoryError, Lease, OwnLink, Right, Stop, Traffic},
    model::{Field, Kind, PasswordHash, PlainPassword, RemoteId},
    observed::{Capabilities, Contents},
};

pub use ledgered::Ledgered;

/// A directory without tables of its own.
#[async_trait]
pub trait Remote: Send + Sync {
    /// What it is called in a plan: `keycloak: https://id.example/realms/acme`. The same for every run that means the same
    /// directory.
    fn name(&self) -> &str;

    /// What it can hold and do, as far as is known: discovery and the rights we turn out to have may narrow it, so it is asked
    /// for after [`Remote::sweep`]. Fields that are not [native](Remote::native) are kept in the mark and count as held.
    fn capabilities(&self) -> Arc<Capabilities>;

    /// Fields that it has a place for which other programs look at, by kind. Everything else that
    /// [`Capabilities::fields`] says goes into the mark.
    fn native(&self, kind: Kind) -> &'static [Field];

    /// Where marks stand; asked for after [`Remote::sweep`] and [`Remote::read`].
    fn marks(&self) -> Marks;

    /// Every company, customer and user as it is now, managed or not, in any order, or an error: never a part of it. Costs
    /// lists, not a request for each object. `roles` are the native names of all roles there are: of these it says who holds
    /// which. A total that the server gives is compared with what came.
    async fn sweep(&self, roles: &BTreeSet<SmolStr>) -> Result<Vec<Item>, DirectoryError>;

    /// These objects as they are now, in any order; what is not there any more is left out.
    async fn read(&self, ids: &[(Kind, RemoteId)], roles: &BTreeSet<SmolStr>) -> Result<Vec<Item>, DirectoryError>;

    /// Carries out edits that do not depend on each other, several at a time, and says of each what became of it, in the order
    /// given: the object as it is afterwards, nothing for one that is gone. When `stop` is set it ends at an object boundary;
    /// what was not begun is [`ErrorKind::Interrupted`](crate::directory::ErrorKind::Interrupted). A name that somebody else
    /// has is [`ErrorKind::Conflict`](crate::directory::ErrorKind::Conflict); an object that is gone, or not as it was read
    /// where the server can tell, is [`ErrorKind::Moved`](crate::directory::ErrorKind::Moved); deleting what is gone is done.
    async fn write(&self, edits: &[Edit], stop: &Stop) -> Vec<Result<Option<Item>, DirectoryError>>;

    /// Sets the password of an account, whatever it had before.
    async fn password(&self, id: &RemoteId, password: &NewPassword) -> Result<(), DirectoryError>;

    /// Takes every password of an account away; one without is done.
    async fn revoke(&self, id: &RemoteId) -> Result<(), DirectoryError>;

    /// Has the directory itself mail a link with which a password is set, where [`Capabilities::invites`] says that it can.
    async fn invite(&self, id: &RemoteId, lifetime: Duration) -> Result<(), DirectoryError>;

    /// Kills the link of an invitation that was not used. Where a link and a password are one thing, that is the password.
    async fn uninvite(&self, id: &RemoteId) -> Result<(), DirectoryError> {
        self.revoke(id).await
    }

    /// The directory's own link with which somebody sets the first password, where [`Capabilities::links`] says that there is such
    /// a thing; none for one who has a password.
    async fn link(&self, id: &RemoteId) -> Result<Option<OwnLink>, DirectoryError> {
        let _ = id;
        Ok(None)
    }

    /// What would go with each of some companies and customers if it were deleted, in the order given, beside users, customers and
    /// companies; see [`Capabilities::contents`].
    async fn contents(&self, ids: &[(Kind, RemoteId)]) -> Result<Vec<Contents>, DirectoryError> {
        Ok(ids.iter().map(|_| Contents::default()).collect())
    }

    /// One of the two rights, where the directory itself can give it; `None`: the ledger's counts. See
    /// [`crate::directory::Directory::lease`].
    async fn lease(&self, right: Right, wait: Duration) -> Result<Option<Lease>, DirectoryError> {
        let _ = (right, wait);
        Ok(None)
    }

    /// What was sent and received since it was opened.
    fn traffic(&self) -> Traffic;
}

/// Where marks stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// On the object, whole, as text of any length.
    OnObject,
    /// In the ledger; the object has room for a reference at most (SCIM's `externalId`), set when it is created and never
    /// changed by us.
    InLedger,
    /// On the object, but for the marks of companies, which are not ours to write to: those stand in the ledger.
    NotOnCompanies,
}

impl Marks {
    /// Whether the mark of an object stands on it.
    pub fn on_object(self, kind: Kind) -> bool {
        match self {
            Self::OnObject => true,
            Self::InLedger => false,
            Self::NotOnCompanies => kind != Kind::Company,
        }
    }
}

/// An object as it stands in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Opaque, unique among all kinds, stable over renames and moves.
    pub id: RemoteId,
    /// A company, a customer or a user.
    pub kind: Kind,
    /// What it stands under.
    pub parent: Option<RemoteId>,
    /// Native fields that are not empty, in the directory's own spelling; each at most once. A user's role is not among them.
    pub fields: Vec<(Field, SmolStr)>,
    /// The roles among those asked for that a user holds directly, by their native names, sorted.
    pub roles: Vec<SmolStr>,
    /// Whether it is enabled; nothing where the directory does not know such a thing of this kind.
    pub enabled: Option<bool>,
    /// The text of its mark, or the reference.
    pub mark: Option<String>,
    /// When it was created, where the directory says so.
    pub created_at: Option<Timestamp>,
    /// What the next write of it has to give to be refused if somebody was faster: an `ETag`, an `entryCSN`.
    pub tag: Option<SmolStr>,
    /// Whether its password must be changed, or the first one set, at the next sign-in; nothing where that cannot be told.
    pub must_change: Option<bool>,
    /// Why it can never be declared, whatever its fields say: a service account, several parents.
    pub unfit: Option<SmolStr>,
}

/// What an object should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// A company, a customer or a user.
    pub kind: Kind,
    /// What a new company or customer is called where it needs a native name: unique among what stands beside it as far as
    /// is known. Never changed afterwards.
    pub name: SmolStr,
    /// What it stands under.
    pub parent: Option<RemoteId>,
    /// Native fields that are not empty, in normal form. What is native, was there and is not here is emptied.
    pub fields: Vec<(Field, SmolStr)>,
    /// A user's role by its native name: held afterwards, and none of the other [roles](Item::roles) that were found. It is
    /// made where it does not exist yet. None leaves the roles as they are.
    pub role: Option<SmolStr>,
    /// Whether it is enabled; means nothing where [`Item::enabled`] is none.
    pub enabled: bool,
    /// The mark, or the reference; none takes it away.
    pub mark: Option<String>,
}

/// A change of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// A new one. Users get no password.
    Create(Target),
    /// One that was just read, in another form. What differs between the two is written, and nothing else. One that gets
    /// disabled loses its sessions where the directory can do that.
    Update(Box<Item>, Target),
    /// One that was just read goes. Nothing stands under it.
    Delete(Box<Item>),
}

/// A password to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPassword {
    /// Its argon2id hash.
    pub hash: PasswordHash,
    /// Itself, unless only the hash is known.
    pub plain: Option<PlainPassword>,
    /// It must be changed at the first sign-in.
    pub must_change: bool,
}
