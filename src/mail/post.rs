//! The way out as a port: what gives out credentials needs no more of mail than this.

use std::fmt;

use async_trait::async_trait;

use super::{Letter, MailError, MailErrorKind, Mailer};

/// A way out for letters.
#[async_trait]
pub trait Post: Send + Sync {
    /// Where letters go, for people.
    fn name(&self) -> String;

    /// How many letters are worth sending at once.
    fn width(&self) -> usize;

    /// Whether letters can go out; asked before the first secret is stored.
    async fn check(&self) -> Result<(), MailError>;

    /// Sends a letter. `Ok` means that somebody answers for it from now on.
    async fn send(&self, letter: &Letter<'_>) -> Result<(), MailError>;
}

#[async_trait]
impl Post for Mailer {
    fn name(&self) -> String {
        Self::name(self)
    }

    fn width(&self) -> usize {
        Self::width(self)
    }

    async fn check(&self) -> Result<(), MailError> {
        Self::check(self).await
    }

    async fn send(&self, letter: &Letter<'_>) -> Result<(), MailError> {
        Self::send(self, letter).await
    }
}

/// A way out that cannot be opened: every letter fails with why.
#[derive(Debug, Clone)]
pub struct Closed {
    kind: MailErrorKind,
    message: String,
    hint: Option<String>,
}

impl Closed {
    /// One whose settings or templates cannot be used.
    pub fn new(error: &MailError) -> Self {
        Self { kind: error.kind, message: error.chain(), hint: error.hint.clone() }
    }

    /// One without the password that it signs in with.
    pub fn without_password(error: &dyn std::error::Error) -> Self {
        let message = format!("the password of the mail server cannot be read: {error}");
        Self { kind: MailErrorKind::Settings, message, hint: None }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> MailErrorKind {
        self.kind
    }

    fn error(&self) -> MailError {
        let Self { kind, message, hint } = self;
        MailError { kind: *kind, message: message.clone(), hint: hint.clone(), source: None }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind: _, message, hint } = self;
        f.write_str(message)?;
        hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

#[async_trait]
impl Post for Closed {
    fn name(&self) -> String {
        "nowhere".into()
    }

    fn width(&self) -> usize {
        1
    }

    async fn check(&self) -> Result<(), MailError> {
        Err(self.error())
    }

    async fn send(&self, _: &Letter<'_>) -> Result<(), MailError> {
        Err(self.error())
    }
}
