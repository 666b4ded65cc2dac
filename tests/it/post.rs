//! A way out for mail that keeps what it is given, and fails when it is told to.

use std::{
    ffi::OsString,
    path::Path,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use tenantry::{
    credential::{ExposeSecret, Vault},
    issue::Issuer,
    mail::{Letter, MailError, MailErrorKind, Occasion, Post},
    manifest::Project,
};

fn environment(name: &str) -> Option<OsString> {
    let value = match name {
        "GOOD" => "correct horse 1",
        "WEAK" => "hunter2",
        "HASH" => "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        _ => return None,
    };
    Some(value.into())
}

/// One letter that went out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) occasion: Occasion,
    pub(crate) to: String,
    pub(crate) secret: String,
}

/// What happens to a letter.
type Fate = dyn Fn(usize, &str) -> Option<MailErrorKind> + Send + Sync;

/// Letters that went out, and what becomes of those that come.
#[derive(Clone)]
pub(crate) struct Letterbox {
    sent: Arc<Mutex<Vec<Sent>>>,
    fate: Arc<Mutex<Arc<Fate>>>,
    closed: Arc<Mutex<Option<MailErrorKind>>>,
}

impl Letterbox {
    pub(crate) fn new() -> Self {
        Self { sent: Arc::default(), fate: Arc::new(Mutex::new(Arc::new(|_, _| None))), closed: Arc::default() }
    }

    /// What becomes of the `nth` letter, to an address: an error, or nothing.
    pub(crate) fn fate(&self, fate: impl Fn(usize, &str) -> Option<MailErrorKind> + Send + Sync + 'static) {
        *self.fate.lock().unwrap() = Arc::new(fate);
    }

    /// Whether it can be reached at all.
    pub(crate) fn close(&self, kind: Option<MailErrorKind>) {
        *self.closed.lock().unwrap() = kind;
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    /// To whom, in order.
    pub(crate) fn recipients(&self) -> Vec<String> {
        self.sent().into_iter().map(|sent| sent.to).collect()
    }

    pub(crate) fn issuer(&self, project: &Project) -> Issuer {
        Issuer::new(project, false, Vault::new(Path::new("."), environment), Arc::new(self.clone()))
    }
}

#[async_trait]
impl Post for Letterbox {
    fn name(&self) -> String {
        "letterbox".into()
    }

    fn width(&self) -> usize {
        2
    }

    async fn check(&self) -> Result<(), MailError> {
        match *self.closed.lock().unwrap() {
            Some(kind) => Err(MailError::new(kind, "the letterbox is closed")),
            None => Ok(()),
        }
    }

    async fn send(&self, letter: &Letter<'_>) -> Result<(), MailError> {
        let mut sent = self.sent.lock().unwrap();
        let fate = Arc::clone(&self.fate.lock().unwrap());
        if let Some(kind) = fate(sent.len(), letter.to.as_str()) {
            return Err(MailError::new(kind, "the letterbox refuses"));
        }
        let (to, secret) = (letter.to.to_string(), letter.secret.expose_secret().to_owned());
        sent.push(Sent { occasion: letter.occasion, to, secret });
        Ok(())
    }
}
