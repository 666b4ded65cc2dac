//! Letters that carry a secret to somebody: a link to set a password with, or a temporary password. Knows what such a letter
//! says and the two ways it goes out, as a file in a folder or by a mail server; knows no directory, no plan and no document,
//! and decides nothing about who gets one.
//!
//! # Templates
//!
//! A letter is made of two templates, `invite.txt` and `invite.html` or `temporary.txt` and `temporary.html`. A project may
//! have any of the four in the folder `spec.mail.templates`; those it does not have are the ones built in. They are written
//! in the syntax of Jinja. The first line of a `.txt` template is `Subject: …`, the second is empty, and the text follows.
//! Everything a variable holds is data: it is escaped in HTML, and nothing in it is taken for a template.
//!
//! | variable | what it holds |
//! |---|---|
//! | `username` | the name to sign in with |
//! | `name` | what to call the person: the display name, or the username where there is none or it looks like a link |
//! | `secret` | the link (`invite`) or the password (`temporary`); in the text it must be the only thing on its line |
//! | `until` | when the secret dies unused: `Wednesday, 25 November 2026, 04:15 UTC` |
//! | `lifetime` | how long that is after the letter is sent: `72 hours`, `7 days` |
//! | `project` | the name of the project |
//! | `page` | where the password is changed; undefined where there is no such page, so write `{% if page %}` |
//!
//! All of a project's templates are tried on samples when a [`Mailer`] is opened, before any secret exists.
//!
//! # Secrets
//!
//! A secret stands in the letter and nowhere else: not in a subject, a file name, an error or a `Debug`. What is rendered here
//! is overwritten after use; the copies that the libraries below make while they render and encode are not.

mod answer;
mod folder;
mod letter;
mod post;
mod smtp;
mod template;
mod unread;

use std::{fmt, path::Path};

use jiff::Timestamp;
use lettre::message::Mailbox;

use crate::{
    credential::SecretString,
    directory,
    manifest::{Mail, Transport},
    model::{Email, Line, Name, Username},
};

use self::{folder::Folder, smtp::Smtp, template::Templates};

pub use post::{Closed, Post};

/// What is written to somebody.
pub struct Letter<'a> {
    /// Why.
    pub occasion: Occasion,
    /// To which mailbox.
    pub to: &'a Email,
    /// The name they sign in with.
    pub username: &'a Username,
    /// What they are called.
    pub name: Option<&'a Line>,
    /// The link or the password.
    pub secret: &'a SecretString,
    /// When it dies unused.
    pub until: Timestamp,
    /// Where the password is changed, if there is such a page.
    pub page: Option<&'a str>,
    /// The project that writes.
    pub project: &'a Name,
}

/// Why somebody is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// The secret is a link with which a password is set.
    Invite,
    /// The secret is a password that must be changed.
    Temporary,
}

/// Sends letters.
pub struct Mailer {
    from: Mailbox,
    templates: Templates,
    way: Way,
}

enum Way {
    Folder(Folder),
    Smtp(Box<Smtp>),
}

impl Mailer {
    /// Reads the settings and tries the templates; touches no network and writes nothing. Without settings letters go to
    /// `./outbox/`. Relative paths start from `base`. `password` is the one for the mail server.
    pub fn open(mail: Option<&Mail>, base: &Path, password: Option<SecretString>) -> Result<Self, MailError> {
        let from = letter::sender(mail.map(|mail| mail.from.as_str()))?;
        let own = mail.and_then(|mail| mail.templates.as_deref());
        let templates = Templates::read(own, base)?;
        let way = match mail.map(|mail| &mail.transport) {
            None => Way::Folder(Folder::new("outbox".as_ref(), base)),
            Some(Transport::Folder(path)) => Way::Folder(Folder::new(path, base)),
            Some(Transport::Smtp { host, port, tls, username, password: _ }) => {
                let account = match (username, password) {
                    (None, None) => None,
                    (Some(username), Some(password)) => Some((username.to_string(), password)),
                    (Some(_), None) => return Err(MailError::settings("the mail server has a username but no password")),
                    (None, Some(_)) => return Err(MailError::settings("the mail server has a password but no username")),
                };
                Way::Smtp(Box::new(Smtp::new(host, *port, *tls, account)?))
            }
        };
        Ok(Self { from, templates, way })
    }

    /// Where letters go, for people: `./outbox/` or `smtp.acme.example:465`.
    pub fn name(&self) -> String {
        match &self.way {
            Way::Folder(folder) => folder.name(),
            Way::Smtp(smtp) => smtp.name(),
        }
    }

    /// Whether letters can go out: the folder can be written to, or the server answers, its certificate is good and it lets
    /// us in. Asked before the first secret is stored.
    pub async fn check(&self) -> Result<(), MailError> {
        match &self.way {
            Way::Folder(folder) => folder.check().await,
            Way::Smtp(smtp) => smtp.check().await,
        }
    }

    /// Sends a letter. `Ok` means that it is on disk, or that the server has taken it.
    pub async fn send(&self, letter: &Letter<'_>) -> Result<(), MailError> {
        let parts = self.templates.render(letter.occasion, &letter::Values::of(letter, Timestamp::now()))?;
        match &self.way {
            Way::Folder(folder) => {
                let message = letter::message(&self.from, letter.to, parts, letter::Reach::Readable)?;
                folder.put(letter.username, &message).await
            }
            Way::Smtp(smtp) => {
                let message = letter::message(&self.from, letter.to, parts, letter::Reach::Ascii)?;
                smtp.send(letter.to, &message, letter.secret).await
            }
        }
    }

    /// How many letters are worth sending at once.
    pub fn width(&self) -> usize {
        match &self.way {
            Way::Folder(_) => 1,
            Way::Smtp(_) => smtp::WIDTH,
        }
    }
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailer({})", self.name())
    }
}

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailErrorKind {
    /// Nothing gets through now: stop trying, and try again later.
    Unavailable,
    /// Sign-in, TLS, or a server that does not send mail for us: for everybody, until somebody changes something.
    Refused,
    /// This recipient only, for now.
    Deferred,
    /// This recipient only, for good.
    Rejected,
    /// A template that cannot be used.
    Template,
    /// Settings that cannot be used.
    Settings,
}

/// A failure to send. Holds no secret and no text of a letter.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct MailError {
    /// What kind of failure.
    pub kind: MailErrorKind,
    /// What happened, in one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// What the operating system or the server said.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl MailError {
    /// A failure without a cause.
    pub fn new(kind: MailErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, source: None }
    }

    fn settings(message: impl Into<String>) -> Self {
        Self::new(MailErrorKind::Settings, message)
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The failure with every cause, on one line.
    pub fn chain(&self) -> String {
        directory::chain(self)
    }
}
