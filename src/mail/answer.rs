//! What a mail server's refusal means: for whom, and whether trying again can help.
//!
//! | step | 421, connection lost, no answer in time | other 4xx | 5xx |
//! |---|---|---|---|
//! | connect, greeting, `STARTTLS` | unavailable | unavailable | refused |
//! | sign-in | unavailable | unavailable | refused |
//! | sender | unavailable | unavailable | refused |
//! | recipient | unavailable | deferred | rejected; refused where the server sends no mail for us (530, relaying) |
//! | text | unavailable | deferred; unavailable where its disk is full (452) | rejected |
//!
//! TLS that does not come about is refused: trying again does not make a certificate good.

use std::{error::Error as _, io};

use lettre::transport::smtp::Error;
use rustls::CertificateError;

use super::{MailError, MailErrorKind};
use crate::model::visible;

/// The longest text of a server that is passed on, in characters.
const LONGEST: usize = 300;
/// As many bytes of a secret in what a server says make us keep it to ourselves.
const ECHO: usize = 12;

/// How far a conversation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Connecting, the greeting, TLS from the first byte on.
    Connect,
    /// TLS after the greeting.
    Encrypt,
    /// Saying who we are.
    SignIn,
    /// `MAIL FROM`.
    Sender,
    /// `RCPT TO`.
    Recipient,
    /// `DATA` and the letter itself.
    Text,
}

/// Why a step did not succeed.
pub(super) enum Cause {
    /// The server said no, or could not be understood, or went away.
    Server(Error),
    /// It said nothing for so many seconds.
    Silence(u64),
}

/// The failure of a step. Nothing in it quotes a secret of `secrets`, whatever the server says.
pub(super) fn failure(server: &str, step: Step, cause: Cause, secrets: &[&str]) -> MailError {
    let error = match cause {
        Cause::Silence(seconds) => {
            let what = format!("{server} has not answered for {seconds} seconds");
            return MailError::new(MailErrorKind::Unavailable, what);
        }
        Cause::Server(error) => error,
    };
    if let Some(tls) = tls(&error) {
        let failed = MailError::new(MailErrorKind::Refused, format!("no private connection to {server} comes about"));
        return failed.hint(advice(tls)).because(visible(&tls.to_string()));
    }
    let code = error.status().map(|code| code.to_string());
    let text = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let kind = kind(step, code.as_deref(), &text);
    let mut failed = MailError::new(kind, describe(server, step, kind, code.is_some()));
    failed.hint = remedy(step, kind, code.as_deref()).map(str::to_owned);
    let said = if code.is_some() { text } else { error.to_string() };
    failed.because(match (code, harmless(&said, secrets)) {
        (Some(code), Some(said)) => format!("{code} {said}").trim_end().to_owned(),
        (Some(code), None) => code,
        (None, Some(said)) => said,
        (None, None) => "it cannot be understood".into(),
    })
}

fn kind(step: Step, code: Option<&str>, text: &str) -> MailErrorKind {
    use MailErrorKind::{Deferred, Refused, Rejected, Unavailable};
    let Some(code) = code.filter(|code| *code != "421") else { return Unavailable };
    let later = code.starts_with('4');
    match step {
        Step::Connect | Step::Encrypt | Step::SignIn | Step::Sender if later => Unavailable,
        Step::Connect | Step::Encrypt | Step::SignIn | Step::Sender => Refused,
        Step::Recipient if !later && (code == "530" || text.to_lowercase().contains("relay")) => Refused,
        Step::Text if code == "452" => Unavailable,
        Step::Recipient | Step::Text if later => Deferred,
        Step::Recipient | Step::Text => Rejected,
    }
}

fn describe(server: &str, step: Step, kind: MailErrorKind, answered: bool) -> String {
    match step {
        Step::Connect if !answered => format!("{server} cannot be reached"),
        _ if !answered => format!("the connection to {server} broke off"),
        Step::Connect => format!("{server} turns us away"),
        Step::Encrypt => format!("{server} does not begin TLS"),
        Step::SignIn => format!("{server} does not let us sign in"),
        Step::Sender => format!("{server} takes no mail from our sender"),
        Step::Recipient if kind == MailErrorKind::Refused => format!("{server} sends no mail for us"),
        Step::Recipient => format!("{server} does not take the recipient"),
        Step::Text => format!("{server} does not take the letter"),
    }
}

/// What to do about a refusal.
fn remedy(step: Step, kind: MailErrorKind, code: Option<&str>) -> Option<&'static str> {
    match step {
        Step::SignIn if kind == MailErrorKind::Refused => Some("are `spec.mail.smtp.username` and its password right?"),
        Step::Sender | Step::Recipient if code == Some("530") => {
            Some("it wants us to sign in: write `username` and `password` under `spec.mail.smtp`")
        }
        Step::Sender if kind == MailErrorKind::Refused => Some("may `spec.mail.from` send from this server?"),
        Step::Recipient if kind == MailErrorKind::Refused => Some("it has to know us: by sign-in, or by its own settings"),
        Step::Connect | Step::Encrypt | Step::SignIn | Step::Sender | Step::Recipient | Step::Text => None,
    }
}

/// What a server said, fit to be shown; none where it repeats a secret.
fn harmless(said: &str, secrets: &[&str]) -> Option<String> {
    let repeats = |secret: &&str| {
        let secret = secret.as_bytes();
        let said = said.as_bytes();
        !secret.is_empty() && secret.windows(ECHO.min(secret.len())).any(|piece| said.windows(piece.len()).any(|it| it == piece))
    };
    (!secrets.iter().any(repeats)).then(|| visible(said.trim()).chars().take(LONGEST).collect())
}

/// The failure of TLS that is at the bottom of an error.
fn tls(error: &Error) -> Option<&rustls::Error> {
    let mut cause = error.source();
    while let Some(it) = cause {
        let inner = it.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()).or_else(|| it.downcast_ref::<rustls::Error>());
        if found.is_some() {
            return found;
        }
        cause = it.source();
    }
    None
}

fn advice(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
            "its certificate is for another name: is `spec.mail.smtp.host` the right one?"
        }
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired"
        }
        rustls::Error::InvalidCertificate(_) => {
            "nobody this machine trusts has signed its certificate: add the authority to those of the system, or name its file in SSL_CERT_FILE"
        }
        rustls::Error::InvalidMessage(_) => "it does not speak TLS here: is it another port, or `tls: StartTls`?",
        _ => "is it the right port, and the right kind of `tls`?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_what_is_done() {
        use MailErrorKind::{Deferred, Refused, Rejected, Unavailable};
        use Step::{Connect, Encrypt, Recipient, Sender, SignIn, Text};
        for (step, code, text, expected) in [
            (Connect, "421", "", Unavailable),
            (Connect, "450", "", Unavailable),
            (Connect, "554", "", Refused),
            (Encrypt, "454", "", Unavailable),
            (Encrypt, "501", "", Refused),
            (SignIn, "454", "", Unavailable),
            (SignIn, "535", "5.7.8 bad", Refused),
            (Sender, "451", "", Unavailable),
            (Sender, "530", "5.7.0 authenticate first", Refused),
            (Sender, "550", "", Refused),
            (Recipient, "421", "", Unavailable),
            (Recipient, "450", "4.2.0 greylisted", Deferred),
            (Recipient, "452", "4.2.2 mailbox full", Deferred),
            (Recipient, "550", "5.1.1 no such user", Rejected),
            (Recipient, "554", "5.7.1 <a@b.example>: Relay access denied", Refused),
            (Recipient, "454", "4.7.1 <a@b.example>: Relay access denied", Deferred),
            (Recipient, "530", "", Refused),
            (Text, "451", "", Deferred),
            (Text, "452", "", Unavailable),
            (Text, "554", "5.6.0 it looks like spam", Rejected),
        ] {
            assert_eq!(kind(step, Some(code), text), expected, "{step:?} {code}");
            assert_eq!(kind(step, None, text), Unavailable, "{step:?}");
        }
    }

    #[test]
    fn a_server_that_repeats_a_secret_is_not_quoted() {
        let link = "https://acme.example/set?token=abcdefghijklmnopqrstuvwxyz";
        let said = |text: &str| harmless(text, &[link, "hunter2!"]);
        assert_eq!(said("no such\u{1b}[31m user").as_deref(), Some("no such\\u{1b}[31m user"));
        assert_eq!(said("spam: https://acme.example/set?token=abc"), None);
        assert_eq!(said("spam: token=abcdefghijk"), None);
        assert_eq!(said("line 7: hunter2!"), None);
        assert!(said("see https://postmaster.example").is_some());
        assert_eq!(said(&"x".repeat(1000)).unwrap().len(), LONGEST);
    }
}
