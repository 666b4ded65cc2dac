//! What is answered.

use std::{collections::BTreeMap, time::Duration};

use jiff::{Timestamp, fmt::rfc2822};
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, HeaderMap, HeaderName, LOCATION, RETRY_AFTER},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use smol_str::SmolStr;

use super::{
    Bearer, Request, Tuning,
    meter::Counted,
    retry::{Again, Failure},
    without,
};
use crate::{
    directory::{DirectoryError, ErrorKind},
    model::visible,
};

/// Characters of a server's words that are repeated.
const WORDS: usize = 300;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// 2xx.
    Ok,
    /// 400: it is not right.
    Invalid,
    /// 401: it wants another token. Comes back from no `send`.
    Unauthorized,
    /// 404 and 410: there is no such thing.
    Missing,
    /// 409: something else is in the way.
    Conflict,
    /// 412: it is not as it was.
    Changed,
    /// Anything else that is no redirect and no 403.
    Other(u16),
}

/// An answer, read to its end.
pub(crate) struct Answer {
    /// What became of the request.
    pub(crate) status: Status,
    /// The number of that.
    pub(crate) code: u16,
    /// Where what was made is (`Location`), as it was said.
    pub(crate) location: Option<String>,
    /// Which version it is (`ETag`).
    pub(crate) etag: Option<SmolStr>,
    /// The body as it came.
    pub(crate) body: Vec<u8>,
    /// What the server says, of what is no success: one line.
    words: String,
}

impl Answer {
    /// The body of a success, or the failure of what was done.
    pub(crate) fn json<T: DeserializeOwned>(self, what: &str) -> Result<T, DirectoryError> {
        let answer = self.accepted(what)?;
        serde_json::from_slice(&answer.body).map_err(|error| DirectoryError::new(what, ErrorKind::Incomplete).because(error))
    }

    /// The answer, if it is a success; else what is usually wrong when a server says so.
    pub(crate) fn accepted(self, what: &str) -> Result<Self, DirectoryError> {
        let kind = match self.status {
            Status::Ok => return Ok(self),
            Status::Invalid => ErrorKind::Rejected,
            Status::Unauthorized => ErrorKind::Refused,
            Status::Missing | Status::Changed => ErrorKind::Moved,
            Status::Conflict => ErrorKind::Conflict,
            Status::Other(_) => ErrorKind::Failed,
        };
        Err(self.error(what, kind))
    }

    /// A failure of this kind, with the server's words.
    pub(crate) fn error(&self, what: &str, kind: ErrorKind) -> DirectoryError {
        DirectoryError::new(what, kind).because(self.said())
    }

    /// What was said, with its number: `409 Conflict: User exists with same username`.
    pub(crate) fn said(&self) -> String {
        said(self.code, &self.words)
    }
}

fn said(code: u16, words: &str) -> String {
    let reason = StatusCode::from_u16(code).ok().and_then(|it| it.canonical_reason()).unwrap_or_default();
    let head = format!("{code} {reason}").trim_end().to_owned();
    if words.is_empty() { head } else { format!("{head}: {words}") }
}

/// Reads an answer to its end, and sorts out what is none.
pub(super) async fn read(
    mut response: Response,
    request: &Request,
    bearer: Option<&Bearer>,
    tuning: &Tuning,
    counted: Counted<'_>,
) -> Result<Answer, Failure> {
    let what = request.what.as_str();
    let (code, headers) = (response.status(), response.headers().clone());
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let media = text(&CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
    let too_large = || {
        let cause = format!("the answer is larger than {} MiB", tuning.most / (1024 * 1024));
        Failure::last(DirectoryError::new(what, ErrorKind::Incomplete).because(cause))
    };
    if text(&CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length > tuning.most) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(what, error))? {
        counted.bytes(chunk.len());
        if body.len() + chunk.len() > tuning.most {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    let secrets: Vec<_> = request.hidden().iter().chain(bearer.map(|Bearer(token)| token)).collect();
    let page = media.starts_with("text/html") || media.starts_with("application/xhtml");
    let words = match (code.is_success(), page) {
        (true, _) => String::new(),
        (false, true) => "the answer is a page for people".into(),
        (false, false) => words(&without(prose(decode(&body, &media)), &secrets)),
    };
    let status = match code.as_u16() {
        200..300 if page => {
            let cause = "the answer is a page for people: a login page? Look at the URL";
            return Err(Failure::last(DirectoryError::new(what, ErrorKind::Incomplete).because(cause)));
        }
        200..300 => Status::Ok,
        300..400 => return Err(Failure::last(redirected(what, code, text(&LOCATION), &secrets))),
        400 => Status::Invalid,
        401 => Status::Unauthorized,
        403 => {
            let error = DirectoryError::new(what, ErrorKind::Refused).because(said(403, &words));
            return Err(Failure::last(error));
        }
        404 | 410 => Status::Missing,
        409 => Status::Conflict,
        412 => Status::Changed,
        429 | 502 | 503 | 504 => return Err(later(what, code.as_u16(), &words, &headers, tuning.wait)),
        other => Status::Other(other),
    };
    let etag = text(&ETAG).map(SmolStr::new);
    Ok(Answer { status, code: code.as_u16(), location: text(&LOCATION).map(str::to_owned), etag, body, words })
}

/// An answer that ended before its end.
fn broken(what: &str, error: reqwest::Error) -> Failure {
    let cause = if error.is_timeout() { "the answer took too long" } else { "the answer broke off" };
    let error = DirectoryError::new(what, ErrorKind::Unavailable).because(Broken(cause, error.without_url()));
    Failure { error, again: Again::Repeatable, after: None }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Broken(&'static str, #[source] reqwest::Error);

fn redirected(what: &str, code: StatusCode, to: Option<&str>, secrets: &[&secrecy::SecretString]) -> DirectoryError {
    // What stands behind a `?` may be a ticket of somebody.
    let to = to.and_then(|to| to.split(['?', '#']).next()).unwrap_or("nowhere");
    let to = without(words(to), secrets);
    let cause =
        format!("{} leads to {to}, and redirects are not followed: a credential goes only where the project says", code.as_u16());
    DirectoryError::new(what, ErrorKind::Rejected).because(cause)
}

/// The server has no time for us.
fn later(what: &str, code: u16, words: &str, headers: &HeaderMap, wait: Duration) -> Failure {
    let after = after(headers);
    let mut cause = said(code, words);
    if let Some(after) = after.filter(|after| *after > wait) {
        cause = format!("{cause}: it asks to be left alone for {} seconds", after.as_secs());
    }
    let again = if code == 429 { Again::Slower } else { Again::Repeatable };
    Failure { error: DirectoryError::new(what, ErrorKind::Unavailable).because(cause), again, after }
}

/// How long to wait (RFC 9110, section 10.2.3): seconds, or a date. A date is held against the server's own clock where it
/// says what that shows.
fn after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let wanted = text(&RETRY_AFTER)?;
    if let Ok(seconds) = wanted.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| rfc2822::parse(text).ok().map(|at| at.timestamp());
    let until = date(wanted)?;
    let now = text(&DATE).and_then(date).unwrap_or_else(Timestamp::now);
    Some(until.duration_since(now).try_into().unwrap_or_default())
}

/// Text in what the header says it is encoded in: UTF-8, or Latin-1. `ThingsBoard` quotes what it does not like in Latin-1.
fn decode(body: &[u8], media: &str) -> String {
    let charset = media.split(';').find_map(|part| part.trim().strip_prefix("charset="));
    match charset.map(|charset| charset.trim_matches('"')) {
        Some("iso-8859-1" | "iso_8859-1" | "latin1" | "windows-1252") => body.iter().map(|byte| char::from(*byte)).collect(),
        Some(_) | None => String::from_utf8_lossy(body).into_owned(),
    }
}

/// What an object of JSON says that says one thing: `{"errorMessage":"User exists with same username"}`, or one with a number
/// beside the words: `{"status":400,"message":"…","errorCode":31,"timestamp":…}`.
fn prose(text: String) -> String {
    let Ok(object) = serde_json::from_str::<BTreeMap<String, Value>>(&text) else { return text };
    let numbered = object.get("errorCode").filter(|it| it.is_number()).and(object.get("message"));
    match numbered.or_else(|| object.values().next().filter(|_| object.len() == 1)) {
        Some(Value::String(said)) => said.clone(),
        Some(_) | None => text,
    }
}

/// A server's words as one line of bounded length, in which nothing is hidden and nothing moves a cursor.
fn words(text: &str) -> String {
    let mut line = String::new();
    let mut count = 0;
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
            count += 1;
        }
        for c in visible(word).chars() {
            if count >= WORDS {
                line.push('…');
                return line;
            }
            line.push(c);
            count += 1;
        }
    }
    line
}
