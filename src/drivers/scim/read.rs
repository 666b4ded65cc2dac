//! Lists, read to their end or not at all, <https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2>.
//!
//! A walk is no snapshot: what others create and delete meanwhile shifts the pages, so that a resource comes twice or not at all
//! (Keycloak lost 50 of 20 252 in one). What does not add up is walked again; what never adds up is an error and no answer.

use std::collections::BTreeMap;

use serde_json::Value;
use smol_str::{SmolStr, format_smolstr};

use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::http::{Client, Status, Verb},
};

use super::{
    resource::{Resource, member},
    service::Service,
    wire::{failure, request, scim_type},
};

/// How often a list is walked before we give up on it.
const WALKS: usize = 3;

/// How many empty pages in a row are no end.
const EMPTY: usize = 10;

/// One page of a list.
struct Page {
    total: Option<u64>,
    next: Option<String>,
    resources: Vec<Resource>,
}

/// What a page is asked for by.
#[derive(Clone)]
enum From {
    /// The number of its first resource; the first one is 1.
    Index(u64),
    /// What the page before said, empty for the first one.
    Cursor(String),
}

/// Why a walk came to nothing.
enum Broken {
    /// It did not add up: another one may.
    Moving(SmolStr),
    /// The service sorts no lists, or not by this.
    Unsorted,
    /// The service failed.
    Failed(DirectoryError),
}

/// Every resource of an endpoint, by identifier, that fits a filter. The filter spares transport where the service heeds it: what comes is to
/// be looked through again by whoever asks.
pub(super) async fn list(
    http: &Client,
    service: &Service,
    endpoint: &str,
    filter: Option<&str>,
    what: &str,
) -> Result<Vec<Resource>, DirectoryError> {
    let mut sorted = service.sort;
    let mut why = SmolStr::default();
    for _ in 0..WALKS {
        loop {
            match walk(http, service, endpoint, filter, sorted, what).await {
                Ok(found) => return Ok(found),
                Err(Broken::Unsorted) => sorted = false,
                Err(Broken::Failed(error)) => return Err(error),
                Err(Broken::Moving(reason)) => {
                    why = reason;
                    break;
                }
            }
        }
    }
    let cause = format!("{WALKS} walks through `{endpoint}` came to nothing: {why}");
    Err(DirectoryError::new(what, ErrorKind::Incomplete).because(cause))
}

async fn walk(
    http: &Client,
    service: &Service,
    endpoint: &str,
    filter: Option<&str>,
    sorted: bool,
    what: &str,
) -> Result<Vec<Resource>, Broken> {
    let mut found: BTreeMap<SmolStr, Resource> = BTreeMap::new();
    let mut from = if service.cursor { From::Cursor(String::new()) } else { From::Index(1) };
    let (mut first, mut empty) = (None, 0);
    loop {
        let Page { total, next, resources } = page(http, service, endpoint, filter, sorted, &from, what).await?;
        if total.is_none() && matches!(from, From::Index(_)) {
            let cause = "the list does not say how long it is";
            return Err(Broken::Failed(DirectoryError::new(what, ErrorKind::Incomplete).because(cause)));
        }
        if *first.get_or_insert(total) != total {
            return Err(Broken::Moving("the total changed on the way".into()));
        }
        let came = resources.len() as u64;
        // Where a service filters after it has paged, a page can be empty and not the last. One that goes on like that never ends.
        empty = if came == 0 { empty + 1 } else { 0 };
        for resource in resources {
            let id = SmolStr::new(resource.id());
            if found.insert(id.clone(), resource).is_some() {
                return Err(Broken::Moving(format_smolstr!("{id} came twice")));
            }
        }
        let complete = total.is_none_or(|total| found.len() as u64 == total);
        let short = || Broken::Moving(format_smolstr!("{} of {} came", found.len(), total.unwrap_or_default()));
        from = match (from, next) {
            (From::Cursor(_), Some(next)) if empty < EMPTY => From::Cursor(next),
            (From::Index(at), _) if total.is_some_and(|total| at + came <= total) && came > 0 => From::Index(at + came),
            (From::Cursor(_) | From::Index(_), _) if complete => return Ok(found.into_values().collect()),
            (From::Cursor(_) | From::Index(_), _) => return Err(short()),
        };
    }
}

async fn page(
    http: &Client,
    service: &Service,
    endpoint: &str,
    filter: Option<&str>,
    sorted: bool,
    from: &From,
    what: &str,
) -> Result<Page, Broken> {
    let mut asked = request(Verb::Get, endpoint, None, what).query("count", service.page);
    asked = match from {
        From::Index(at) => asked.query("startIndex", at),
        From::Cursor(cursor) => asked.query("cursor", cursor),
    };
    if sorted {
        asked = asked.query("sortBy", "id").query("sortOrder", "ascending");
    }
    if let Some(filter) = filter {
        asked = asked.query("filter", filter);
    }
    let answer = http.send(&asked).await.map_err(Broken::Failed)?;
    match answer.status {
        Status::Ok => parse(&answer.body)
            .map_err(|why| Broken::Failed(DirectoryError::new(what, ErrorKind::Incomplete).because(why.as_str()))),
        Status::Invalid if matches!(scim_type(&answer), Some("expiredCursor" | "invalidCursor")) => {
            Err(Broken::Moving("the cursor ended before the list did".into()))
        }
        Status::Invalid | Status::Other(_) if sorted => Err(Broken::Unsorted),
        Status::Missing => Err(Broken::Failed(answer.error(what, ErrorKind::Rejected))),
        Status::Invalid | Status::Unauthorized | Status::Conflict | Status::Changed | Status::Other(_) => {
            Err(Broken::Failed(failure(&answer, what)))
        }
    }
}

fn parse(body: &[u8]) -> Result<Page, SmolStr> {
    let list: Value = serde_json::from_slice(body).map_err(|error| format_smolstr!("{error}"))?;
    let list = list.as_object().ok_or("a list is no JSON object")?;
    let total = member(list, "totalResults").and_then(Value::as_u64);
    let next = member(list, "nextCursor").and_then(Value::as_str).filter(|next| !next.is_empty()).map(str::to_owned);
    let resources = match member(list, "Resources") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(resources)) => resources.iter().cloned().map(Resource::new).collect::<Result<_, _>>()?,
        Some(_) => return Err("`Resources` is no list".into()),
    };
    if total.is_none() && next.is_none() && member(list, "Resources").is_none() {
        return Err("the answer is no list".into());
    }
    Ok(Page { total, next, resources })
}

/// A filter for one value. It is quoted as JSON is, <https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.2>.
pub(super) fn equals(attribute: &str, value: &str) -> String {
    format!("{attribute} eq {}", Value::from(value))
}
