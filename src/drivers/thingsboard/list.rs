//! Lists, read to their end or not at all.
//!
//! A walk is no snapshot: what goes on the way takes later rows with it out of the walk. What does not add up is walked again;
//! what never adds up is an error and no answer.

use std::collections::BTreeMap;

use serde_json::Value;
use smol_str::{SmolStr, format_smolstr};

use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::http::{Client, Verb},
};

use super::api::{self, Raw, ask, id};

/// How often a list is walked before we give up on it.
pub(super) const WALKS: usize = 3;

/// Rows of a page: the server has no limit of its own, and a large page costs it little more than a small one.
const PAGE: usize = 1_000;

/// Every row of a list, sorted by `sort`, of which a text that people see fits `search`.
pub(super) async fn list(
    client: &Client,
    path: &[&str],
    sort: &str,
    search: Option<&str>,
    what: &str,
) -> Result<Vec<Raw>, DirectoryError> {
    let mut why = SmolStr::default();
    for _ in 0..WALKS {
        match walk(client, path, sort, search, what).await? {
            Ok(rows) => return Ok(rows),
            Err(moving) => why = moving,
        }
    }
    Err(restless(what, &why))
}

pub(super) fn restless(what: &str, why: &str) -> DirectoryError {
    let cause = format!("{WALKS} walks through the list came to nothing: {why}");
    DirectoryError::new(what, ErrorKind::Incomplete).because(cause)
}

/// One walk; `Err` inside says why it did not add up.
async fn walk(
    client: &Client,
    path: &[&str],
    sort: &str,
    search: Option<&str>,
    what: &str,
) -> Result<Result<Vec<Raw>, SmolStr>, DirectoryError> {
    let (mut rows, mut total) = (BTreeMap::new(), None);
    for page in 0.. {
        let Page { data, total: now, next } = self::page(client, path, (page, PAGE), Some(sort), search, what).await?;
        if *total.get_or_insert(now) != now {
            return Ok(Err("the total changed on the way".into()));
        }
        let came = data.len();
        for row in data {
            let Some(key) = id(&row, "id").map(SmolStr::new) else { return Err(unlike(what, "a row has no identifier")) };
            if rows.insert(key.clone(), row).is_some() {
                return Ok(Err(format_smolstr!("{key} came twice")));
            }
        }
        if !next || came == 0 {
            break;
        }
    }
    let total = total.unwrap_or_default();
    if rows.len() as u64 != total {
        return Ok(Err(format_smolstr!("{} of {total} came", rows.len())));
    }
    Ok(Ok(rows.into_values().collect()))
}

/// A page of a list.
pub(super) struct Page {
    pub(super) data: Vec<Raw>,
    pub(super) total: u64,
    next: bool,
}

/// The page with a number, from 0, of so many rows. Both have to be said.
pub(super) async fn page(
    client: &Client,
    path: &[&str],
    (number, size): (usize, usize),
    sort: Option<&str>,
    search: Option<&str>,
    what: &str,
) -> Result<Page, DirectoryError> {
    let mut request = ask(Verb::Get, path, what).query("pageSize", size).query("page", number);
    if let Some(sort) = sort {
        request = request.query("sortProperty", sort).query("sortOrder", "ASC");
    }
    if let Some(search) = search {
        request = request.query("textSearch", api::escaped(search));
    }
    let mut answer = api::object(client, &request, what).await?;
    let total = answer.get("totalElements").and_then(Value::as_u64);
    let next = answer.get("hasNext").and_then(Value::as_bool);
    let (Some(Value::Array(data)), Some(total), Some(next)) = (answer.remove("data"), total, next) else {
        return Err(unlike(what, "the answer is no page of a list"));
    };
    let rows = data.into_iter().map(|row| match row {
        Value::Object(row) => Some(row),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
    });
    let data = rows.collect::<Option<Vec<Raw>>>().ok_or_else(|| unlike(what, "a row of the list is no object"))?;
    Ok(Page { data, total, next })
}

pub(super) fn unlike(what: &str, why: &'static str) -> DirectoryError {
    DirectoryError::new(what, ErrorKind::Incomplete).because(why)
}
