//! The Admin API: paths, lists in pages, and what failed.
//!
//! <https://www.keycloak.org/docs-api/26.7.3/rest-api/index.html>

use serde::{Serialize, de::DeserializeOwned};

use super::wire::Row;
use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::http::{Answer, Client, Request, Status, Tuning, Verb, each},
};

/// Rows of a page. Of 10 000 users pages of 200 to 500 came fastest; 1 000 and more are slow on a cold server.
const PAGE: usize = 500;
/// Pages that are read ahead once a list is known to be long.
const AHEAD: usize = 4;
/// How often a list is read that does not hold still.
const WALKS: usize = 3;

/// A realm's Admin API.
pub(super) struct Api {
    pub(super) client: Client,
    pub(super) realm: String,
}

impl Api {
    /// The same realm by a connection of its own.
    pub(super) fn alone(&self, tuning: Tuning) -> Result<Self, DirectoryError> {
        Ok(Self { client: self.client.alone(tuning)?, realm: self.realm.clone() })
    }

    /// A request below the realm.
    pub(super) fn ask(&self, verb: Verb, path: &[&str], what: &str) -> Request {
        Request::new(verb, ["admin", "realms", &self.realm].into_iter().chain(path.iter().copied()), what)
    }

    /// Reads something that must be there.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &[&str], what: &str) -> Result<T, DirectoryError> {
        self.client.send(&self.ask(Verb::Get, path, what)).await?.json(what)
    }

    /// Reads something that may be gone.
    pub(super) async fn find<T: DeserializeOwned>(&self, request: &Request, what: &str) -> Result<Option<T>, DirectoryError> {
        let answer = self.client.send(request).await?;
        if answer.status == Status::Missing { Ok(None) } else { answer.json(what).map(Some) }
    }

    /// Does something that has a body and no answer to speak of.
    pub(super) async fn put(
        &self,
        verb: Verb,
        path: &[&str],
        body: &(impl Serialize + Sync),
        what: &str,
    ) -> Result<Answer, DirectoryError> {
        self.client.send(&self.ask(verb, path, what).json(body).repeatable()).await?.accepted(what)
    }

    /// Deletes something; what is gone is deleted.
    pub(super) async fn delete(&self, path: &[&str], what: &str) -> Result<(), DirectoryError> {
        let answer = self.client.send(&self.ask(Verb::Delete, path, what)).await?;
        if answer.status == Status::Missing { Ok(()) } else { answer.accepted(what).map(drop) }
    }

    /// Reads a list to its end. Offsets drift: somebody else's insert shows a row twice, their deletion hides one. So each page
    /// begins with the last row of the one before, and a list that does not fit together is read again.
    pub(super) async fn walk<T: Row>(
        &self,
        path: &[&str],
        query: &[(&'static str, &str)],
        what: &str,
    ) -> Result<Vec<T>, DirectoryError> {
        for _ in 0..WALKS {
            if let Some(rows) = self.walk_once(path, query, what).await? {
                return Ok(rows);
            }
        }
        Err(unstable(what))
    }

    async fn walk_once<T: Row>(
        &self,
        path: &[&str],
        query: &[(&'static str, &str)],
        what: &str,
    ) -> Result<Option<Vec<T>>, DirectoryError> {
        let mut rows: Vec<T> = Vec::new();
        let mut next = 0;
        loop {
            let ahead = if next == 0 { 1 } else { AHEAD };
            let pages = each(AHEAD, next..next + ahead, |page| self.page::<T>(path, query, page * (PAGE - 1), what)).await;
            for page in pages {
                let page = page?;
                let fits = match (rows.last(), page.first()) {
                    (None, _) => true,
                    (Some(last), Some(first)) => last.id() == first.id(),
                    (Some(_), None) => false,
                };
                if !fits {
                    return Ok(None);
                }
                let whole = page.len() == PAGE;
                rows.extend(page.into_iter().skip(usize::from(next > 0)));
                next += 1;
                if !whole {
                    let mut ids: Vec<&str> = rows.iter().map(Row::id).collect();
                    ids.sort_unstable();
                    return Ok(ids.is_sorted_by(|a, b| a < b).then_some(rows));
                }
            }
        }
    }

    async fn page<T: Row>(
        &self,
        path: &[&str],
        query: &[(&'static str, &str)],
        first: usize,
        what: &str,
    ) -> Result<Vec<T>, DirectoryError> {
        // Without `max` most lists end after 100 rows, and organizations after 10.
        let mut request = self.ask(Verb::Get, path, what).query("first", first).query("max", PAGE);
        for (name, value) in query {
            request = request.query(name, value);
        }
        self.client.send(&request).await?.json(what)
    }

    /// Reads every user, and believes it if the server counts as many before and after.
    pub(super) async fn users<T: Row>(&self, what: &str) -> Result<Vec<T>, DirectoryError> {
        for _ in 0..WALKS {
            let before: usize = self.get(&["users", "count"], what).await?;
            let rows = self.walk_once::<T>(&["users"], &[], what).await?;
            let after: usize = self.get(&["users", "count"], what).await?;
            if let Some(rows) = rows
                && before == after
                && rows.len() == after
            {
                return Ok(rows);
            }
        }
        Err(unstable(what))
    }
}

fn unstable(what: &str) -> DirectoryError {
    let cause = format!("the list did not hold still: {WALKS} times rows came twice, were missing, or were not as many as counted");
    DirectoryError::new(what, ErrorKind::Incomplete).because(cause)
}

/// The identifier of what was made: the end of its `Location`.
pub(super) fn made(answer: &Answer, what: &str) -> Result<String, DirectoryError> {
    let id = answer.location.as_deref().and_then(|location| location.rsplit('/').next()).filter(|id| !id.is_empty());
    id.map(str::to_owned).ok_or_else(|| DirectoryError::new(what, ErrorKind::Incomplete).because("it does not say what it made"))
}
