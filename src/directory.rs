//! The port: what every directory offers, and what it promises.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use smol_str::SmolStr;

use crate::{
    history::{Chain, Commit, Found, Past, Record},
    model::{Key, Kind, Name, PasswordHash, PlainPassword, RemoteId, TokenHash, Username, Version},
    observed::{Capabilities, Contents, CredentialMark, Observed, Scope, Settings},
    plan::Change,
};

/// A directory that holds companies, customers, users and roles.
///
/// A driver translates; it decides nothing: no diffing, no policy, no printing, no retry policy of its own.
#[async_trait]
pub trait Directory: Send + Sync {
    /// What it is called in a plan: `sqlite: tenantry.db`. The same for every run that means the same directory, since the
    /// digest of a plan covers it.
    fn name(&self) -> &str;

    /// What it can hold and do, as of the last time it was read: some say only then.
    fn capabilities(&self) -> Arc<Capabilities>;

    /// What reading and writing it has cost so far, where it is on the other side of a network.
    fn traffic(&self) -> Option<Traffic> {
        None
    }

    /// Everything as it is now ([`Scope::Only`]: the last sweep with these keys refreshed), or an error: never a part of
    /// it. Reads only. `owner` selects whose runs [`Observed::applied`] speaks of; the window of [`Observed::spent`] reaches
    /// back `window` from now and covers every owner.
    async fn observe(&self, owner: &Name, scope: &Scope, window: Duration) -> Result<Observed, DirectoryError>;

    /// Carries out one change and records it. Idempotent: a change that already holds is `Ok`; a create that already took
    /// effect is adopted. A [`Change::expect`] that does not fit any more is [`ErrorKind::Moved`].
    async fn execute(&self, change: &Change, run: &Run) -> Result<Executed, DirectoryError> {
        let mut outcomes = self.execute_all(std::slice::from_ref(change), run).await;
        outcomes.pop().unwrap_or_else(|| Err(DirectoryError::new("execute", ErrorKind::Interrupted)))
    }

    /// Carries out changes that do not depend on each other, in any order, and says of each what became of it, in the order
    /// given. When [`Run::stop`] is set it ends at an object boundary; what was not begun is [`ErrorKind::Interrupted`].
    async fn execute_all(&self, changes: &[Change], run: &Run) -> Vec<Result<Executed, DirectoryError>>;

    /// Stores a secret for each of some accounts, in the order given; whatever the account had is dead from then on, so that
    /// at most one secret of it is ever live. What the account's mark says stays as it is. An account that owes no such
    /// credential any more, or cannot sign in, is [`ErrorKind::Moved`].
    async fn issue(&self, issues: &[Issue], run: &Run) -> Vec<Result<(), DirectoryError>>;

    /// Marks what each of some accounts owed as given: the last step of a delivery. One that owes something else by now is
    /// [`ErrorKind::Moved`].
    async fn delivered(&self, debts: &[Debt], run: &Run) -> Vec<Result<(), DirectoryError>>;

    /// The directory's own link with which somebody who owes an invitation sets the first password ([`Capabilities::links`]); none
    /// for one who has a password by now.
    async fn link(&self, debt: &Debt) -> Result<Option<OwnLink>, DirectoryError> {
        let _ = debt;
        Ok(None)
    }

    /// What would go with each of some companies and customers if it were deleted, in the order given
    /// ([`Capabilities::contents`]). What is under management, or could be, is not among it. Reads only.
    async fn contents(&self, ids: &[(Kind, RemoteId)]) -> Result<Vec<Contents>, DirectoryError> {
        Ok(ids.iter().map(|_| Contents::default()).collect())
    }

    /// How many passwords have died unused by the time `now` and still open the door there: a directory that does not end them
    /// by itself needs [`Directory::bury`].
    async fn overdue(&self, now: Timestamp) -> usize {
        let _ = now;
        0
    }

    /// Takes those passwords away, and records it.
    async fn bury(&self, now: Timestamp, run: &Run) -> Result<(), DirectoryError> {
        let _ = (now, run);
        Ok(())
    }

    /// Remembers what was applied for an owner: with which settings, and, where it was a whole declaration, its root.
    /// Writes only where that differs from what is remembered.
    async fn remember(&self, owner: &Name, root: Option<&str>, settings: &Settings) -> Result<(), DirectoryError>;

    /// What was done to it, where anything is kept of that: in the directory itself, or in a ledger beside it.
    fn history(&self) -> Option<&dyn History> {
        None
    }

    /// Takes one of the two rights, waiting up to `wait` for it; released on drop. Reading takes none. One that another run
    /// holds is [`ErrorKind::Locked`].
    async fn lease(&self, right: Right, wait: Duration) -> Result<Lease, DirectoryError>;
}

/// The records of what was done. They are only ever added to, each with a hash over itself and the one before.
#[async_trait]
pub trait History: Send + Sync {
    /// The records after number `after`, oldest first, `most` of them or fewer: none are left where there are fewer.
    async fn records(&self, after: u64, most: usize) -> Result<Vec<Record>, DirectoryError>;

    /// What the records until a time come to, or all of them. Of all of them only those are read that are new since this was last
    /// asked for.
    async fn past(&self, until: Option<Timestamp>) -> Result<Arc<Past>, DirectoryError>;

    /// Adds what was found when a run looked at the time `at`, before it changes anything. `since` is when it had last been as
    /// recorded, for one who looks oftener than they write; else it is the last time that this was called.
    async fn looked(&self, found: &[Found], since: Option<Timestamp>, at: Timestamp, run: &Run) -> Result<(), DirectoryError>;

    /// Goes through all of it and says whether every record is as it was written, none is missing, and `head`, kept from an
    /// earlier time, is among them.
    async fn verify(&self, head: Option<&str>) -> Result<Chain, DirectoryError>;
}

/// A credential that an account owes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debt {
    /// Whose.
    pub key: Key,
    /// The account.
    pub id: RemoteId,
    /// Its mark: one that [`is owed`](CredentialMark::is_owed).
    pub owed: CredentialMark,
}

/// A secret to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// For which account, and which request of it.
    pub debt: Debt,
    /// What is kept of the secret.
    pub secret: NewSecret,
    /// When it dies if it has not been used; none for what lives until it is replaced.
    pub until: Option<Timestamp>,
}

/// What is kept of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewSecret {
    /// A password.
    Password {
        /// Its hash.
        hash: PasswordHash,
        /// Itself, unless only the hash is known: for a directory that takes no hash.
        plain: Option<PlainPassword>,
        /// It must be changed at the first sign-in, and dies unless it is.
        must_change: bool,
    },
    /// A one-time link with which a password is set. There is no password until then.
    Link(TokenHash),
    /// The directory mails a link itself ([`Capabilities::invites`]), which lives this long.
    Invitation(Duration),
    /// The directory's own link goes into our mail ([`Directory::link`]); there is nothing to store.
    OwnLink,
}

/// A link of the directory itself, with which somebody sets the first password.
#[derive(Debug, Clone)]
pub struct OwnLink {
    /// Where it leads: whoever has it can set the password.
    pub url: SecretString,
    /// When it ends.
    pub until: Timestamp,
}

/// What a directory of our own does beside the port, and others do for themselves: check passwords, let people set them.
/// Nothing here is a change of what is declared.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// What there is to check a user's password against; none where there is no such user, or no password.
    async fn sign_in(&self, username: &Username) -> Result<Option<SignIn>, DirectoryError>;

    /// Whether a link could be used at the time `now`. Reads only, and uses nothing up.
    async fn redeemable(&self, token: &TokenHash, now: Timestamp) -> Result<bool, DirectoryError>;

    /// Sets the password of the account that a link is for and uses the link up, in one step: of many that try at the same
    /// time one gets `true`. `false` for a link that is unknown, used, dead, or of an account that cannot sign in.
    /// `plain` is the password itself, for a directory that takes no hash.
    async fn redeem(
        &self,
        token: &TokenHash,
        password: &PasswordHash,
        plain: &PlainPassword,
        now: Timestamp,
    ) -> Result<bool, DirectoryError>;

    /// Replaces a password that has just been checked. `false` where it is not that password any more, is dead at the time
    /// `now`, or the account cannot sign in.
    async fn replace(
        &self,
        username: &Username,
        old: &PasswordHash,
        new: &PasswordHash,
        now: Timestamp,
    ) -> Result<bool, DirectoryError>;
}

/// What a password is checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// The hash of the password.
    pub password: PasswordHash,
    /// It must be changed before anything else.
    pub must_change: bool,
    /// When it dies if it has not been changed.
    pub until: Option<Timestamp>,
    /// Whether the account can sign in at all.
    pub enabled: bool,
}

/// What a lease is for. Whoever takes both takes them in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// A whole run, until the last mail has gone out: minutes.
    Run,
    /// To decide and to change, on what nobody else changes meanwhile: as short as can be.
    Write,
}

/// Who changes, why, and whether to go on: what the audit trail says of every change of a run.
#[derive(Debug, Clone)]
pub struct Run {
    /// Unique to the run.
    pub id: SmolStr,
    /// Whose declaration.
    pub owner: Name,
    /// Who acts; none means the operator of the tool.
    pub actor: Option<SmolStr>,
    /// The digest of the plan.
    pub digest: SmolStr,
    /// Losses were allowed by a flag: they do not count in the window.
    pub losses_allowed: bool,
    /// By which commit things came to be declared, or ceased to be, where that could be told.
    pub commits: Arc<BTreeMap<Key, Commit>>,
    /// Set by Ctrl-C.
    pub stop: Stop,
}

/// A request to stop at the next object boundary.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<std::sync::atomic::AtomicBool>);

impl Stop {
    /// Asks to stop.
    pub fn request(&self) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }

    /// Whether somebody asked.
    pub fn requested(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

/// What was sent to a directory and received from it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests, repeated ones included.
    pub requests: u64,
    /// Bytes of requests and answers, without what the transport adds.
    pub bytes: u64,
    /// Time that requests took, added up: more than has passed where several went at once.
    pub time: Duration,
}

/// What a change came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// The object's identifier.
    pub id: RemoteId,
    /// The precondition of the next write.
    pub version: Option<Version>,
}

/// The right to write, for as long as it lives.
pub struct Lease {
    _held: Box<dyn Send>,
}

impl Lease {
    /// Wraps whatever releases the right when dropped.
    pub fn new(held: impl Send + 'static) -> Self {
        Self { _held: Box::new(held) }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lease")
    }
}

/// What kind of failure it was: exit code and whether a retry can help are one match on it each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// It cannot be reached, or did not answer in time.
    Unavailable,
    /// Credentials or permission.
    Refused,
    /// It is a file that may not be read or written to, or not beside it.
    Unwritable,
    /// What it holds is not what we can believe: short, empty, changed in shape, tampered with.
    Incomplete,
    /// The object is not as it was when the change was planned.
    Moved,
    /// A name that must be unique is taken.
    Conflict,
    /// The change cannot be carried out as asked, and never will be.
    Rejected,
    /// Another run holds the lease; who, where that is known.
    Locked(Option<String>),
    /// It was not begun, because the run was asked to stop.
    Interrupted,
    /// Anything else, a defect of ours included.
    Failed,
}

/// A failure with every cause, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A failure of a directory.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.describe())]
pub struct DirectoryError {
    /// What was being done: `read users`, `create user/nordlicht/mara`.
    pub operation: String,
    /// What kind of failure.
    pub kind: ErrorKind,
    /// What the directory said.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl DirectoryError {
    /// A failure without a cause.
    pub fn new(operation: impl Into<String>, kind: ErrorKind) -> Self {
        Self { operation: operation.into(), kind, source: None }
    }

    /// The same failure with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same failure, for another who failed of it. A cause is not copied: what it says is.
    #[must_use]
    pub fn again(&self) -> Self {
        let Self { operation, kind, source } = self;
        let same = Self::new(operation.as_str(), kind.clone());
        match source {
            Some(source) => same.because(chain(&**source)),
            None => same,
        }
    }

    /// The same failure, of something else that came to nothing by it.
    #[must_use]
    pub fn of(&self, operation: impl Into<String>) -> Self {
        let Self { operation: first, kind, source } = self;
        let cause = source.as_ref().map_or_else(|| format!("cannot {first}"), |source| chain(&**source));
        Self::new(operation, kind.clone()).because(cause)
    }

    /// The failure with every cause, on one line.
    pub fn chain(&self) -> String {
        chain(self)
    }

    fn describe(&self) -> String {
        let Self { operation, kind, source: _ } = self;
        match kind {
            ErrorKind::Unavailable => format!("cannot {operation}: the directory is not available"),
            ErrorKind::Refused => format!("cannot {operation}: the directory refused us"),
            ErrorKind::Unwritable => format!("cannot {operation}: the file or its folder is not ours to write to"),
            ErrorKind::Incomplete => format!("cannot {operation}: what was read is not complete"),
            ErrorKind::Moved => format!("cannot {operation}: it changed after the plan was made"),
            ErrorKind::Conflict => format!("cannot {operation}: a name is taken"),
            ErrorKind::Rejected | ErrorKind::Failed => format!("cannot {operation}"),
            ErrorKind::Locked(Some(holder)) => format!("another run holds the lock: {holder}"),
            ErrorKind::Locked(None) => "another run holds the lock".into(),
            ErrorKind::Interrupted => format!("did not {operation}: the run was asked to stop"),
        }
    }

    /// Whether a write that failed so may have taken effect all the same: its answer was lost, or cannot be understood.
    pub fn leaves_open(&self) -> bool {
        match self.kind {
            ErrorKind::Unavailable | ErrorKind::Incomplete | ErrorKind::Failed => true,
            ErrorKind::Refused
            | ErrorKind::Unwritable
            | ErrorKind::Moved
            | ErrorKind::Conflict
            | ErrorKind::Rejected
            | ErrorKind::Locked(_)
            | ErrorKind::Interrupted => false,
        }
    }

    /// Whether doing the same again later can help.
    pub fn retry_helps(&self) -> bool {
        match self.kind {
            ErrorKind::Unavailable | ErrorKind::Moved | ErrorKind::Locked(_) | ErrorKind::Interrupted => true,
            ErrorKind::Refused
            | ErrorKind::Unwritable
            | ErrorKind::Incomplete
            | ErrorKind::Conflict
            | ErrorKind::Rejected
            | ErrorKind::Failed => false,
        }
    }
}
