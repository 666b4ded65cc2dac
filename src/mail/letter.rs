//! From what is to be said to a message: the values that templates see, the headers, the encoding.

use std::time::SystemTime;

use jiff::{Timestamp, tz::TimeZone};
use lettre::{
    Address, Message,
    message::{
        Body, Mailbox, MultiPart, SinglePart,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
    },
};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Letter, MailError, MailErrorKind, template::Parts};
use crate::{
    credential::ExposeSecret,
    model::{Email, Line, visible},
};

/// The sender where the project names none; letters in a folder go nowhere by themselves.
const SENDER: &str = "Tenantry <no-reply@localhost>";

/// The longest line of a message, without its line break (RFC 5322 §2.1.1).
const LONGEST_LINE: usize = 998;

/// What templates see of a letter.
pub(super) struct Values<'a> {
    pub(super) username: &'a str,
    pub(super) name: &'a str,
    pub(super) secret: &'a str,
    pub(super) until: String,
    pub(super) lifetime: String,
    pub(super) project: &'a str,
    pub(super) page: Option<&'a str>,
}

impl<'a> Values<'a> {
    pub(super) fn of(letter: &'a Letter<'_>, now: Timestamp) -> Self {
        let Letter { occasion: _, to: _, username, name, secret, until, page, project } = *letter;
        let called = name.map(Line::as_str).filter(|name| !inviting(name));
        Self {
            username: username.as_str(),
            name: called.unwrap_or(username.as_str()),
            secret: secret.expose_secret(),
            until: moment(until),
            lifetime: lifetime(until.duration_since(now).as_secs()),
            project: project.as_str(),
            page,
        }
    }
}

/// Whether a display name could be taken for a link or an address: mail programs make such text clickable, and who may change
/// a name could send anything in ours. `=?` begins an encoded word in a header.
fn inviting(name: &str) -> bool {
    let lower = name.to_lowercase().replace(['．', '。', '｡', '․'], ".");
    let domain = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        word.rsplit_once('.').is_some_and(|(host, top)| {
            host.ends_with(char::is_alphanumeric) && top.chars().count() > 1 && top.chars().all(char::is_alphabetic)
        })
    };
    lower.contains(['/', '\\', ':', '@', '<', '>', '＠', '：', '／'])
        || lower.contains("=?")
        || lower.split_whitespace().any(|word| word.starts_with("www.") || domain(word))
}

fn moment(until: Timestamp) -> String {
    until.to_zoned(TimeZone::UTC).strftime("%A, %-d %B %Y, %H:%M UTC").to_string()
}

/// A span for people: days from four days on, hours from two hours on.
fn lifetime(seconds: i64) -> String {
    let minutes = (seconds + 30) / 60;
    let hours = (minutes + 30) / 60;
    match (minutes, hours) {
        (..=1, _) => "1 minute".into(),
        (..120, _) => format!("{minutes} minutes"),
        (_, ..96) => format!("{hours} hours"),
        _ => format!("{} days", hours / 24),
    }
}

/// Who writes. Taken apart here: a name as people write it (`Müller, Söhne <post@acme.example>`) needs no quotes.
pub(super) fn sender(from: Option<&str>) -> Result<Mailbox, MailError> {
    let from = from.unwrap_or(SENDER);
    let (name, address) = match from.split_once('<') {
        Some((name, rest)) => (name.trim(), rest.trim().trim_end_matches('>')),
        None => ("", from.trim()),
    };
    let name = name.trim_matches('"').trim();
    if from.chars().any(char::is_control) {
        return Err(MailError::settings("`spec.mail.from` has a control character"));
    }
    let address: Address = address.parse().map_err(|error: lettre::address::AddressError| {
        MailError::settings(format!("`spec.mail.from` has no address that mail can come from: {}", visible(address)))
            .hint("write `Tenantry <no-reply@acme.example>`")
            .because(error)
    })?;
    Ok(Mailbox::new((!name.is_empty()).then(|| name.to_owned()), address))
}

/// What the text of a message may consist of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Seven bits: any server takes it.
    Ascii,
    /// As it is, so that people who open the file see the text.
    Readable,
}

/// Makes the message. Values get into headers only through the encoder of the library.
pub(super) fn message(from: &Mailbox, to: &Email, parts: Parts, reach: Reach) -> Result<Message, MailError> {
    let address: Address = to.as_str().parse().map_err(|error: lettre::address::AddressError| {
        MailError::new(MailErrorKind::Rejected, format!("mail cannot be sent to `{}`", visible(to.as_str()))).because(error)
    })?;
    let domain = from.email.domain();
    let domain = if domain.is_ascii() { domain } else { "localhost" };
    let header = |name, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
    let Parts { subject, text, html } = parts;
    let part = |kind: ContentType, text: &Zeroizing<String>| SinglePart::builder().header(kind).body(body(text, reach));
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, address))
        .subject(subject)
        .date(SystemTime::now())
        .message_id(Some(format!("<{}@{domain}>", Uuid::now_v7())))
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Auto-Response-Suppress", "All"))
        .multipart(
            MultiPart::alternative()
                .singlepart(part(ContentType::TEXT_PLAIN, &text))
                .singlepart(part(ContentType::TEXT_HTML, &html)),
        )
        .map_err(|error| MailError::new(MailErrorKind::Rejected, "the message cannot be put together").because(error))
}

/// Text goes as it is wherever that is allowed, so that a link stands unbroken in the raw message; otherwise it is encoded.
fn body(text: &str, reach: Reach) -> Body {
    let fits = text.lines().all(|line| line.len() <= LONGEST_LINE);
    if !fits || !(text.is_ascii() || reach == Reach::Readable) {
        return Body::new(text.to_owned());
    }
    let encoding = if text.is_ascii() { ContentTransferEncoding::SevenBit } else { ContentTransferEncoding::EightBit };
    Body::dangerous_pre_encoded(text.replace('\n', "\r\n").into_bytes(), encoding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::MailErrorKind;

    #[test]
    fn names_of_people_are_shown_and_links_are_not() {
        for name in ["Mara Lindqvist", "J. R. R. Tolkien", "Dr. Ann O'Neil", "Ann & Co", "{{ secret }}", "St. John", "Vol.2", "..."]
        {
            assert!(!inviting(name), "{name}");
        }
        for name in [
            "www.x.y",
            "see WWW.X",
            "evil.com",
            "evil.com!",
            "«evil.com»",
            "a.b.museum",
            "пример.рф",
            "x@y",
            "a:b",
            "=?x",
            "＜＠＞",
        ] {
            assert!(inviting(name), "{name}");
        }
    }

    #[test]
    fn spans_are_round() {
        for (seconds, text) in [
            (-5, "1 minute"),
            (0, "1 minute"),
            (90, "2 minutes"),
            (30 * 60, "30 minutes"),
            (24 * 3600 - 2, "24 hours"),
            (72 * 3600, "72 hours"),
            (72 * 3600 - 1, "72 hours"),
            (7 * 24 * 3600 - 1, "7 days"),
        ] {
            assert_eq!(lifetime(seconds), text, "{seconds}");
        }
        assert_eq!(moment("2026-11-25T04:15:59Z".parse().unwrap()), "Wednesday, 25 November 2026, 04:15 UTC");
    }

    #[test]
    fn senders_are_taken_as_people_write_them() {
        for (written, name, address) in [
            ("Tenantry <no-reply@acme.example>", Some("Tenantry"), "no-reply@acme.example"),
            ("\"Müller, Söhne\" <post@acme.example>", Some("Müller, Söhne"), "post@acme.example"),
            ("Müller, Söhne <post@acme.example>", Some("Müller, Söhne"), "post@acme.example"),
            ("post@acme.example", None, "post@acme.example"),
            ("<post@acme.example>", None, "post@acme.example"),
        ] {
            let sender = sender(Some(written)).unwrap();
            assert_eq!((sender.name.as_deref(), sender.email.to_string().as_str()), (name, address), "{written}");
        }
        assert_eq!(sender(None).unwrap().email.to_string(), "no-reply@localhost");
        for bad in ["", "Tenantry", "Tenantry <>", "a@b.example>\r\nBcc: <c@d.example", "x <a@b.example>, <c@d.example>"] {
            assert_eq!(sender(Some(bad)).unwrap_err().kind, MailErrorKind::Settings, "{bad}");
        }
    }

    #[test]
    fn lines_too_long_for_mail_are_encoded() {
        let encoding = |text: &str, reach| body(text, reach).encoding();
        assert_eq!(encoding(&"x".repeat(LONGEST_LINE), Reach::Ascii), ContentTransferEncoding::SevenBit);
        assert_eq!(encoding(&"x".repeat(LONGEST_LINE + 1), Reach::Ascii), ContentTransferEncoding::QuotedPrintable);
        assert_eq!(encoding("Zoë", Reach::Readable), ContentTransferEncoding::EightBit);
        assert!(body("Zoë\nJörg", Reach::Ascii).into_vec().is_ascii());
        assert_eq!(body("a\nb\n", Reach::Ascii).into_vec(), b"a\r\nb\r\n");
    }
}
