//! Requests, and what the answers mean. <https://thingsboard.io/docs/reference/rest-api/>

use serde_json::{Map, Value};

use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::http::{Answer, Client, Request, Status, Verb},
};

/// An object as the server gave it: whatever stands in it that we know nothing of goes back as it came.
pub(super) type Raw = Map<String, Value>;

/// A request of the path below `/api`.
pub(super) fn ask(verb: Verb, path: &[&str], what: &str) -> Request {
    Request::new(verb, std::iter::once("api").chain(path.iter().copied()), what)
}

/// What is wrong, as this server says it: 409 is a version that is not the last one, and whatever it does not like is a 400
/// with prose. A 500 is often that too, so none is repeated.
pub(super) fn failure(answer: &Answer, what: &str) -> DirectoryError {
    let said = answer.said();
    let taken = ["already present in database", "already exists"].iter().any(|words| said.contains(words));
    let kind = match answer.status {
        Status::Invalid if taken => ErrorKind::Conflict,
        Status::Invalid => ErrorKind::Rejected,
        Status::Missing | Status::Conflict | Status::Changed => ErrorKind::Moved,
        Status::Unauthorized => ErrorKind::Refused,
        Status::Ok | Status::Other(_) => ErrorKind::Failed,
    };
    answer.error(what, kind)
}

/// Sends what is to succeed.
pub(super) async fn done(client: &Client, request: &Request, what: &str) -> Result<Answer, DirectoryError> {
    let answer = client.send(request).await?;
    if answer.status == Status::Ok { Ok(answer) } else { Err(failure(&answer, what)) }
}

/// The object that is answered.
pub(super) async fn object(client: &Client, request: &Request, what: &str) -> Result<Raw, DirectoryError> {
    done(client, request, what).await?.json(what)
}

/// The object that is answered; nothing where there is none.
pub(super) async fn found(client: &Client, path: &[&str], what: &str) -> Result<Option<Raw>, DirectoryError> {
    let answer = client.send(&ask(Verb::Get, path, what)).await?;
    match answer.status {
        Status::Missing => Ok(None),
        Status::Ok => answer.json(what).map(Some),
        Status::Invalid | Status::Unauthorized | Status::Conflict | Status::Changed | Status::Other(_) => {
            Err(failure(&answer, what))
        }
    }
}

/// The identifier in `{"entityType":"CUSTOMER","id":"…"}`.
pub(super) fn id<'a>(raw: &'a Raw, name: &str) -> Option<&'a str> {
    raw.get(name)?.get("id")?.as_str()
}

/// A text that says something.
pub(super) fn text<'a>(raw: &'a Raw, name: &str) -> Option<&'a str> {
    raw.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// How this server writes an identifier.
pub(super) fn reference(entity: &str, id: &str) -> Value {
    serde_json::json!({ "entityType": entity, "id": id })
}

/// A text for `textSearch`, in which `_`, `%` and `\` mean themselves.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '_' | '%' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
