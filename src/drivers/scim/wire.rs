//! Requests and answers, <https://www.rfc-editor.org/rfc/rfc7644#section-3>.

use reqwest::header::IF_MATCH;
use secrecy::SecretString;
use serde_json::{Value, json};
use smol_str::SmolStr;

use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::http::{Answer, Client, Request, Status, Verb},
};

use super::resource::Resource;

/// <https://www.rfc-editor.org/rfc/rfc7644#section-3.1>
const MEDIA: &str = "application/scim+json";

/// <https://www.rfc-editor.org/rfc/rfc7644#section-3.5.2>
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// A part of a change of one resource.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Op {
    /// Sets what was not there, or adds to a list.
    Add(String, Value),
    /// Sets what was there.
    Replace(String, Value),
    /// Takes away.
    Remove(String),
}

impl Op {
    /// As it is sent. The names are lower-case: some services know no other.
    fn wire(&self) -> Value {
        match self {
            Self::Add(path, value) => json!({"op": "add", "path": path, "value": value}),
            Self::Replace(path, value) => json!({"op": "replace", "path": path, "value": value}),
            Self::Remove(path) => json!({"op": "remove", "path": path}),
        }
    }
}

/// What became of a change in part.
pub(super) enum Patched {
    /// It is done; the resource where the service gave it back.
    Done(Option<Resource>),
    /// Not like this: the whole resource has to be written. `ever`: to no resource at all.
    Unable {
        /// Whether that is so for every resource.
        ever: bool,
    },
}

/// A request of a path below the base URL, `/Users`, and of one resource there.
pub(super) fn request(verb: Verb, endpoint: &str, id: Option<&str>, what: &str) -> Request {
    let parts = endpoint.split('/').filter(|part| !part.is_empty()).chain(id);
    Request::new(verb, parts, what).accept("application/scim+json, application/json")
}

/// Reads one resource; nothing where there is none.
pub(super) async fn get(http: &Client, endpoint: &str, id: &str, what: &str) -> Result<Option<Resource>, DirectoryError> {
    let answer = http.send(&request(Verb::Get, endpoint, Some(id), what)).await?;
    if answer.status == Status::Missing {
        return Ok(None);
    }
    let answer = answer.accepted(what)?;
    let resource = resource(&answer, what)?;
    if resource.id() == id {
        return Ok(Some(resource));
    }
    Err(DirectoryError::new(what, ErrorKind::Incomplete).because(format!("another resource than {id} was answered")))
}

/// The resource in an answer. One whose `meta` has no version has it in the header, if anywhere.
pub(super) fn resource(answer: &Answer, what: &str) -> Result<Resource, DirectoryError> {
    let unlike = || DirectoryError::new(what, ErrorKind::Incomplete);
    let value = serde_json::from_slice(&answer.body).map_err(|error| unlike().because(error))?;
    let mut resource = Resource::new(value).map_err(|why| unlike().because(why.as_str()))?;
    if let (None, Some(etag)) = (resource.version(), &answer.etag) {
        resource.set("meta.version", Some(etag.as_str().into()));
    }
    Ok(resource)
}

/// Changes a resource in part. `tag` is the state that is meant. Doing it twice comes to the same.
pub(super) async fn patch(
    http: &Client,
    (endpoint, id): (&str, &str),
    ops: &[Op],
    tag: Option<&SmolStr>,
    hidden: Option<&SecretString>,
    what: &str,
) -> Result<Patched, DirectoryError> {
    let ops: Vec<Value> = ops.iter().map(Op::wire).collect();
    let body = json!({"schemas": [PATCH], "Operations": ops});
    let answer = http
        .send(&conditional(request(Verb::Patch, endpoint, Some(id), what), tag, hidden).json_as(MEDIA, &body).repeatable())
        .await?;
    match (answer.status, answer.code) {
        (Status::Other(_), 405 | 501) => Ok(Patched::Unable { ever: true }),
        (Status::Invalid, _)
            if matches!(scim_type(&answer), Some("invalidPath" | "noTarget" | "invalidFilter" | "invalidSyntax")) =>
        {
            Ok(Patched::Unable { ever: false })
        }
        (Status::Ok, _) => {
            let answered = resource(&answer, what).ok().filter(|resource| resource.id() == id);
            Ok(Patched::Done(answered))
        }
        (Status::Invalid | Status::Unauthorized | Status::Missing | Status::Conflict | Status::Changed | Status::Other(_), _) => {
            Err(failure(&answer, what))
        }
    }
}

/// Writes a resource whole; what is not in the body goes. The resource where the service gave it back.
pub(super) async fn put(
    http: &Client,
    (endpoint, id): (&str, &str),
    body: &Value,
    tag: Option<&SmolStr>,
    hidden: Option<&SecretString>,
    what: &str,
) -> Result<Option<Resource>, DirectoryError> {
    let answer = http.send(&conditional(request(Verb::Put, endpoint, Some(id), what), tag, hidden).json_as(MEDIA, body)).await?;
    if answer.status != Status::Ok {
        return Err(failure(&answer, what));
    }
    Ok(resource(&answer, what).ok().filter(|resource| resource.id() == id))
}

/// Makes a resource. What is returned is the answer, whatever it says.
pub(super) async fn post(http: &Client, endpoint: &str, body: &Value, what: &str) -> Result<Answer, DirectoryError> {
    http.send(&request(Verb::Post, endpoint, None, what).json_as(MEDIA, body)).await
}

/// Deletes a resource. One that is gone is done.
pub(super) async fn delete(
    http: &Client,
    (endpoint, id): (&str, &str),
    tag: Option<&SmolStr>,
    what: &str,
) -> Result<(), DirectoryError> {
    let answer = http.send(&conditional(request(Verb::Delete, endpoint, Some(id), what), tag, None)).await?;
    match answer.status {
        Status::Ok | Status::Missing => Ok(()),
        Status::Invalid | Status::Unauthorized | Status::Conflict | Status::Changed | Status::Other(_) => {
            Err(failure(&answer, what))
        }
    }
}

fn conditional(request: Request, tag: Option<&SmolStr>, hidden: Option<&SecretString>) -> Request {
    let request = match tag {
        Some(tag) => request.header(IF_MATCH, tag.as_str()),
        None => request,
    };
    match hidden {
        Some(secret) => request.hiding(secret.clone()),
        None => request,
    }
}

/// What kind of failure an answer is. A service that is out of order may be in order again later.
pub(super) fn failure(answer: &Answer, what: &str) -> DirectoryError {
    let kind = match (answer.status, answer.code) {
        (Status::Invalid, _) if scim_type(answer) == Some("uniqueness") => ErrorKind::Conflict,
        (Status::Invalid, _) | (Status::Other(_), 405 | 413..=422 | 501) => ErrorKind::Rejected,
        (Status::Unauthorized, _) => ErrorKind::Refused,
        (Status::Missing | Status::Changed, _) => ErrorKind::Moved,
        (Status::Conflict, _) => ErrorKind::Conflict,
        (Status::Other(_), 500..) => ErrorKind::Unavailable,
        (Status::Ok | Status::Other(_), _) => ErrorKind::Failed,
    };
    answer.error(what, kind)
}

/// The kind of error that the service says it is, <https://www.rfc-editor.org/rfc/rfc7644#section-3.12>.
pub(super) fn scim_type(answer: &Answer) -> Option<&'static str> {
    const KNOWN: [&str; 10] = [
        "uniqueness",
        "invalidPath",
        "noTarget",
        "invalidFilter",
        "invalidSyntax",
        "invalidCursor",
        "expiredCursor",
        "invalidCount",
        "invalidValue",
        "mutability",
    ];
    let error: Value = serde_json::from_slice(&answer.body).ok()?;
    let said = super::resource::text(error.as_object()?, "scimType")?;
    KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(said))
}
