//! Gives out what is owed: makes a secret, stores what is kept of it, mails it, and marks it as given, in this order. There is
//! no queue: whatever is owed stays owed until the mark, so that a crash, a refused mail or Ctrl-C anywhere between is made
//! good by the next run, with a fresh secret that kills the one before.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use smol_str::SmolStr;
use tokio::task::JoinSet;

use crate::{
    credential::{self, ExposeSecret, HashError, Hasher, SecretString, SourceError, Vault, Weakness},
    directory::{self, Debt, Directory, DirectoryError, Issue, NewSecret, OwnLink, Run},
    mail::{Letter, MailError, MailErrorKind, Occasion, Post},
    manifest::{DEFAULT_BASE_URL, Passwords, Project},
    model::{Credential, Email, Line, Method, Name, PlainPassword, Username},
};

/// Secrets that are stored, mailed and marked together: enough that waiting for the disk does not count, few enough that a
/// crash sends few of them twice.
const CHUNK: usize = 16;

/// Letters in turn that fail as if for everybody before nobody else is tried.
const STRIKES: u32 = 3;

/// What it takes to give out credentials.
#[derive(Clone)]
pub struct Issuer {
    /// Whose mails.
    pub project: Name,
    /// What passwords look like.
    pub passwords: Passwords,
    /// `tenantry reset` asks: its secrets live as long as it says.
    pub reset: bool,
    /// Where the set-password page is, without a slash at the end, where the project says so.
    pub base_url: Option<SmolStr>,
    /// How mail goes out.
    pub post: Arc<dyn Post>,
    /// Where secrets are read that are written down elsewhere.
    pub vault: Vault,
    /// Hashes passwords.
    pub hasher: Hasher,
}

impl Issuer {
    /// As a project says it. `reset` is for `tenantry reset`.
    pub fn new(project: &Project, reset: bool, vault: Vault, post: Arc<dyn Post>) -> Self {
        Self {
            project: project.name.clone(),
            passwords: project.passwords.clone(),
            reset,
            base_url: project.base_url.as_deref().map(|url| url.trim_end_matches('/').into()),
            post,
            vault,
            hasher: Hasher::default(),
        }
    }

    /// How long an invitation lives.
    fn invitation(&self) -> Duration {
        if self.reset { self.passwords.reset } else { self.passwords.invite }
    }
}

/// A credential that is due.
#[derive(Debug, Clone)]
pub struct Due {
    /// For which account, and which request of it.
    pub debt: Debt,
    /// What is asked for.
    pub credential: Credential,
    /// Where mail goes.
    pub email: Email,
    /// What they sign in with.
    pub username: Username,
    /// What people call them.
    pub name: Option<Line>,
}

/// Why a credential is still owed.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The secret that it names cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The password that it names is none.
    #[error(transparent)]
    Weak(#[from] Weakness),
    /// Hashing, or the hash that it names.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The mail did not go out.
    #[error("{0}")]
    Mail(Arc<MailError>),
    /// The run was asked to stop.
    #[error("the run was asked to stop")]
    Interrupted,
    /// A defect of ours.
    #[error("it was not prepared")]
    Failed,
}

impl IssueError {
    /// The failure with every cause, and what to do about it where that is known, on one line.
    pub fn chain(&self) -> String {
        if let Self::Mail(error) = self {
            let hint = error.hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})"));
            return format!("{}{hint}", error.chain());
        }
        directory::chain(self)
    }

    /// Whether doing the same again later can help.
    pub fn retry_helps(&self) -> bool {
        match self {
            Self::Directory(error) => error.retry_helps(),
            Self::Mail(error) => matches!(error.kind, MailErrorKind::Unavailable | MailErrorKind::Deferred),
            Self::Interrupted => true,
            Self::Source(_) | Self::Weak(_) | Self::Hash(_) | Self::Failed => false,
        }
    }
}

type Outcome = Result<(), IssueError>;

/// A secret that was made and is not stored yet.
struct Prepared {
    row: usize,
    issue: Issue,
    /// What is mailed, if anything is.
    letter: Option<(Occasion, SecretString)>,
}

/// Gives out what is due, and says of each what became of it, in the order given. `told` hears how many are done with.
pub async fn issue(
    directory: &dyn Directory,
    dues: &[Due],
    issuer: &Issuer,
    run: &Run,
    told: &(dyn Fn(u64) + Send + Sync),
) -> Vec<Outcome> {
    let outcomes = dues.iter().map(|_| None).collect();
    let can = directory.capabilities();
    let (invites, links) = (can.invites, can.links);
    let mut batch = Batch { directory, dues, issuer, run, invites, links, outcomes, closed: None, strikes: 0, done: 0 };
    // Before the first secret is stored: a reset must not take a password away while no mail can bring the new one.
    if dues.iter().any(|due| mailed(&due.credential, invites))
        && let Err(error) = issuer.post.check().await
    {
        batch.closed = Some(Arc::new(error));
    }
    batch.run(told).await;
    let left = || Err(if run.stop.requested() { IssueError::Interrupted } else { IssueError::Failed });
    batch.outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(left)).collect()
}

/// Whether a credential goes out by a mail of ours; `invites`: links are mailed by the directory.
fn mailed(credential: &Credential, invites: bool) -> bool {
    match credential.method {
        Method::Invite => !invites,
        Method::Temporary => true,
        Method::Secret | Method::Hash | Method::None => false,
    }
}

/// Secrets in the making, by the row they are for.
type Making = JoinSet<(usize, Result<Prepared, IssueError>)>;

struct Batch<'a> {
    directory: &'a dyn Directory,
    dues: &'a [Due],
    issuer: &'a Issuer,
    run: &'a Run,
    /// The directory mails links itself.
    invites: bool,
    /// The directory's own links go into our mails.
    links: bool,
    outcomes: Vec<Option<Outcome>>,
    /// Why no mail gets through any more.
    closed: Option<Arc<MailError>>,
    /// Letters in turn that failed as if for everybody.
    strikes: u32,
    done: u64,
}

impl Batch<'_> {
    /// Makes secrets on all cores while those made before are stored and mailed.
    async fn run(&mut self, told: &(dyn Fn(u64) + Send + Sync)) {
        let mut waiting = 0..self.dues.len();
        let mut making = Making::new();
        self.make_more(&mut waiting, &mut making);
        while let Some(first) = making.join_next().await {
            let mut ready = Vec::new();
            let mut next = Some(first);
            while let Some(made) = next {
                match made {
                    Ok((_, Ok(prepared))) => ready.push(prepared),
                    Ok((row, Err(error))) => self.finish(row, Err(error)),
                    // A panic in there has been told; whose it was is left without an outcome, and still owed.
                    Err(_) => {}
                }
                next = if ready.len() < CHUNK { making.try_join_next() } else { None };
            }
            if self.run.stop.requested() {
                break; // what is made and not stored is as if it had never been
            }
            // The cores have work while the disk and the mail server have theirs.
            self.make_more(&mut waiting, &mut making);
            self.deliver(ready).await;
            self.make_more(&mut waiting, &mut making);
            told(self.done);
        }
        told(self.done);
    }

    /// Begins to make as many secrets as are worth having in the making.
    fn make_more(&mut self, waiting: &mut std::ops::Range<usize>, making: &mut Making) {
        while making.len() < CHUNK + self.issuer.hasher.width() && !self.run.stop.requested() {
            let Some(row) = waiting.next() else { break };
            if let Some(error) = self.closed.clone().filter(|_| mailed(&self.dues[row].credential, self.invites)) {
                self.finish(row, Err(IssueError::Mail(error)));
                continue;
            }
            let (due, issuer, invites) = (self.dues[row].clone(), self.issuer.clone(), self.invites);
            making.spawn(async move { (row, prepare(row, due, &issuer, invites).await) });
        }
    }

    /// Stores a chunk, mails it, and marks what went out.
    async fn deliver(&mut self, mut ready: Vec<Prepared>) {
        if let Some(error) = self.closed.clone() {
            let (unsent, rest) = ready.into_iter().partition(|prepared| prepared.letter.is_some());
            ready = rest;
            let unsent: Vec<Prepared> = unsent;
            unsent.iter().for_each(|prepared| self.finish(prepared.row, Err(IssueError::Mail(Arc::clone(&error)))));
        }
        if self.links {
            ready = self.with_links(ready).await;
        }
        let issues: Vec<Issue> = ready.iter().map(|prepared| prepared.issue.clone()).collect();
        if issues.is_empty() {
            return;
        }
        let stored = self.directory.issue(&issues, self.run).await;
        let mut letters = Vec::new();
        let mut given = Vec::new();
        for (prepared, stored) in ready.into_iter().zip(stored) {
            match (stored, &prepared.letter) {
                (Err(error), _) => self.finish(prepared.row, Err(error.into())),
                (Ok(()), Some(_)) => letters.push(prepared),
                (Ok(()), None) => given.push(prepared),
            }
        }
        let width = self.issuer.post.width().max(1);
        while !letters.is_empty() {
            let rest = letters.split_off(letters.len().min(width));
            let sending = std::mem::replace(&mut letters, rest);
            if let Some(error) = self.closed.clone() {
                sending.iter().for_each(|prepared| self.finish(prepared.row, Err(IssueError::Mail(Arc::clone(&error)))));
                continue;
            }
            let sent = self.send(&sending).await;
            for (prepared, sent) in sending.into_iter().zip(sent) {
                match sent {
                    Ok(()) => {
                        self.strikes = 0;
                        given.push(prepared);
                    }
                    Err(error) => self.unsent(prepared.row, error),
                }
            }
        }
        let debts: Vec<Debt> = given.iter().map(|prepared| prepared.issue.debt.clone()).collect();
        if debts.is_empty() {
            return;
        }
        let marked = self.directory.delivered(&debts, self.run).await;
        for (prepared, marked) in given.iter().zip(marked) {
            self.finish(prepared.row, marked.map_err(IssueError::from));
        }
    }

    /// The directory's own links in place of ours. Who has set a password there is written to by the directory itself: it has no
    /// link for them that anybody else may see.
    async fn with_links(&mut self, ready: Vec<Prepared>) -> Vec<Prepared> {
        let directory = self.directory;
        let asked = |prepared: &Prepared| {
            let invited = matches!(prepared.issue.secret, NewSecret::Link(_));
            let debt = prepared.issue.debt.clone();
            async move { if invited { Some(directory.link(&debt).await) } else { None } }
        };
        let links = futures_util::future::join_all(ready.iter().map(asked)).await;
        let mut linked = Vec::new();
        for (prepared, link) in ready.into_iter().zip(links) {
            let Prepared { row, issue: Issue { debt, secret, until }, letter } = prepared;
            let (secret, until, letter) = match link {
                None => (secret, until, letter),
                Some(Ok(Some(OwnLink { url, until: ends }))) => {
                    (NewSecret::OwnLink, Some(until.map_or(ends, |until| until.min(ends))), Some((Occasion::Invite, url)))
                }
                Some(Ok(None)) => (NewSecret::Invitation(self.issuer.invitation()), until, None),
                Some(Err(error)) => {
                    self.finish(row, Err(error.into()));
                    continue;
                }
            };
            linked.push(Prepared { row, issue: Issue { debt, secret, until }, letter });
        }
        linked
    }

    /// A letter that did not go out. What one recipient makes a server say may sound as if it were for everybody: only when
    /// some in turn have failed so is nobody else tried.
    fn unsent(&mut self, row: usize, error: MailError) {
        let error = Arc::new(error);
        let ends = match error.kind {
            MailErrorKind::Rejected | MailErrorKind::Deferred => false,
            MailErrorKind::Unavailable | MailErrorKind::Refused => {
                self.strikes += 1;
                self.strikes >= STRIKES
            }
            MailErrorKind::Template | MailErrorKind::Settings => true,
        };
        if ends {
            self.closed = Some(Arc::clone(&error));
        }
        self.finish(row, Err(IssueError::Mail(error)));
    }

    async fn send(&self, sending: &[Prepared]) -> Vec<Result<(), MailError>> {
        let one = |prepared: &Prepared| {
            let Due { debt: _, credential: _, email, username, name } = &self.dues[prepared.row];
            // Somebody who got a password need not be able to reach the machine that sent it.
            let page = self.issuer.base_url.as_ref().map(|url| format!("{url}/password"));
            let (issuer, until) = (self.issuer, prepared.issue.until.unwrap_or(Timestamp::MAX));
            let letter = prepared.letter.as_ref().map(|(occasion, secret)| (*occasion, secret.clone()));
            let (to, username, name) = (email.clone(), username.clone(), name.clone());
            async move {
                let Some((occasion, secret)) = letter else { return Ok(()) };
                let page = match occasion {
                    Occasion::Temporary => page.as_deref(),
                    Occasion::Invite => None,
                };
                let (to, username, name, secret) = (&to, &username, name.as_ref(), &secret);
                let letter = Letter { occasion, to, username, name, secret, until, page, project: &issuer.project };
                match issuer.post.send(&letter).await {
                    // A connection that broke says nothing of the next one. Who gets the same letter twice has lost nothing.
                    Err(error) if error.kind == MailErrorKind::Unavailable => issuer.post.send(&letter).await,
                    done => done,
                }
            }
        };
        futures_util::future::join_all(sending.iter().map(one)).await
    }

    fn finish(&mut self, row: usize, outcome: Outcome) {
        self.outcomes[row] = Some(outcome);
        self.done += 1;
    }
}

/// Makes a secret, or reads it.
async fn prepare(row: usize, due: Due, issuer: &Issuer, invites: bool) -> Result<Prepared, IssueError> {
    let Due { debt, credential: Credential { method, source, reset: _ }, email: _, username: _, name: _ } = due;
    let Issuer { project: _, passwords, reset, base_url, post: _, vault, hasher } = issuer;
    let until = |lifetime: Duration| {
        let lifetime = if *reset { passwords.reset } else { lifetime };
        Timestamp::now().checked_add(lifetime).unwrap_or(Timestamp::MAX)
    };
    let read = || source.as_ref().map_or(Err(IssueError::Failed), |source| Ok(vault.read_for(&debt.key.namespace, source)?));
    let (secret, until, letter) = match method {
        Method::Invite if invites => (NewSecret::Invitation(issuer.invitation()), Some(until(passwords.invite)), None),
        Method::Invite => {
            let credential::Token { text, hash } = credential::token().map_err(HashError::from)?;
            let base_url = base_url.as_deref().unwrap_or(DEFAULT_BASE_URL);
            let link = SecretString::from(format!("{base_url}/set-password/{}", text.expose_secret()));
            (NewSecret::Link(hash), Some(until(passwords.invite)), Some((Occasion::Invite, link)))
        }
        Method::Temporary => {
            let plain = credential::password(passwords.generated).map_err(HashError::from)?;
            let hash = hasher.hash(plain.clone()).await?;
            let secret = NewSecret::Password { hash, plain: Some(exposed(&plain)), must_change: true };
            (secret, Some(until(passwords.temporary)), Some((Occasion::Temporary, plain)))
        }
        Method::Secret => {
            let plain = read()?;
            credential::check(plain.expose_secret(), passwords)?;
            let hash = hasher.hash(plain.clone()).await?;
            (NewSecret::Password { hash, plain: Some(exposed(&plain)), must_change: false }, None, None)
        }
        Method::Hash => {
            let hash = credential::imported(read()?.expose_secret())?;
            (NewSecret::Password { hash, plain: None, must_change: false }, None, None)
        }
        Method::None => return Err(IssueError::Failed),
    };
    Ok(Prepared { row, issue: Issue { debt, secret, until }, letter })
}

/// A password on its way to a directory that takes no hash.
fn exposed(plain: &SecretString) -> PlainPassword {
    PlainPassword::new(plain.expose_secret())
}
