//! stub, replaced by branch mail
use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;

use crate::model::{Email, Line, Name, Username};

/// Somebody's way out.
#[async_trait]
pub trait Post: Send + Sync {
    /// For people.
    fn name(&self) -> String;
    /// Letters at once.
    fn width(&self) -> usize;
    /// Before the first secret is stored.
    async fn check(&self) -> Result<(), MailError>;
    /// Sends.
    async fn send(&self, letter: &Letter<'_>) -> Result<(), MailError>;
}

/// What is written to somebody.
#[allow(missing_docs)]
pub struct Letter<'a> {
    pub occasion: Occasion,
    pub to: &'a Email,
    pub username: &'a Username,
    pub name: Option<&'a Line>,
    pub secret: &'a SecretString,
    pub until: Timestamp,
    pub page: Option<&'a str>,
    pub project: &'a Name,
}
/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Occasion {
    Invite,
    Temporary,
}
/// Failure.
#[derive(Debug, thiserror::Error)]
#[error("mail")]
#[allow(missing_docs)]
pub struct MailError {
    pub kind: MailErrorKind,
}
/// Kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MailErrorKind {
    Unavailable,
    Refused,
    Rejected,
    Template,
    Settings,
}

/// A way out that is closed.
#[derive(Debug)]
pub struct Closed;
#[allow(missing_docs)]
impl Closed {
    pub fn new(_: &MailError) -> Self {
        Self
    }
    pub fn because(_: &str, _: &dyn std::error::Error) -> Self {
        Self
    }
}
#[async_trait]
impl Post for Closed {
    fn name(&self) -> String {
        "closed".into()
    }
    fn width(&self) -> usize {
        1
    }
    async fn check(&self) -> Result<(), MailError> {
        Err(MailError { kind: MailErrorKind::Settings })
    }
    async fn send(&self, _: &Letter<'_>) -> Result<(), MailError> {
        Err(MailError { kind: MailErrorKind::Settings })
    }
}
/// Mailer
#[derive(Debug)]
pub struct Mailer(std::path::PathBuf);
#[allow(missing_docs)]
impl Mailer {
    pub fn open(_: Option<&crate::manifest::Mail>, base: &std::path::Path, _: Option<SecretString>) -> Result<Self, MailError> {
        Ok(Self(base.join("outbox")))
    }
}
#[async_trait]
impl Post for Mailer {
    fn name(&self) -> String {
        "outbox".into()
    }
    fn width(&self) -> usize {
        1
    }
    async fn check(&self) -> Result<(), MailError> {
        std::fs::create_dir_all(&self.0).unwrap();
        Ok(())
    }
    async fn send(&self, letter: &Letter<'_>) -> Result<(), MailError> {
        use secrecy::ExposeSecret;
        std::fs::write(
            self.0.join(format!("{}.eml", uuid::Uuid::now_v7())),
            format!("{}\n{}\n", letter.username, letter.secret.expose_secret()),
        )
        .unwrap();
        Ok(())
    }
}
impl MailError {
    /// new
    pub fn new(kind: MailErrorKind, _: &str) -> Self {
        Self { kind }
    }
}
