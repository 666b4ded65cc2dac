//! Reading: a page at a time, all of it or an error.

use std::time::Instant;

use ldap3::{
    Scope,
    controls::{Control, ControlType, MakeCritical, PagedResults, RawControl},
};

use crate::directory::{DirectoryError, ErrorKind};

use super::{answer, entry::Entry, server::Server};

/// Entries in a page: RFC 2696.
const PAGE: i32 = 500;

/// What to look for.
pub(super) struct Search<'a> {
    pub(super) base: &'a str,
    pub(super) scope: Scope,
    pub(super) filter: &'a str,
    pub(super) attributes: &'a [&'a str],
}

impl Server {
    /// Every entry that fits, or an error: never a part of them. Nothing where the base itself is not there, or is hidden
    /// from us.
    pub(super) async fn search(&self, search: &Search<'_>, paged: bool) -> Result<Option<Vec<Entry>>, DirectoryError> {
        self.search_with(search, paged, Vec::new()).await
    }

    /// The same with other controls.
    pub(super) async fn search_with(
        &self,
        search: &Search<'_>,
        paged: bool,
        controls: Vec<RawControl>,
    ) -> Result<Option<Vec<Entry>>, DirectoryError> {
        let (mut found, mut cookie) = (Vec::new(), Vec::new());
        loop {
            let mut controls = controls.clone();
            if paged {
                controls.push(PagedResults { size: PAGE, cookie }.critical().into());
            }
            match self.page(search, controls, paged, &mut found).await? {
                None => return Ok(None),
                Some(next) if next.is_empty() => return Ok(Some(found)),
                Some(next) => cookie = next,
            }
        }
    }

    /// One page, and where the next one begins; nothing where the base is not there.
    async fn page(
        &self,
        search: &Search<'_>,
        controls: Vec<RawControl>,
        paged: bool,
        found: &mut Vec<Entry>,
    ) -> Result<Option<Vec<u8>>, DirectoryError> {
        let Search { base, scope, filter, attributes } = search;
        let operation = || format!("read {base}");
        let incomplete = |why: String| DirectoryError::new(operation(), ErrorKind::Incomplete).because(why);
        let mut ldap = self.handle().await?;
        let (since, mut bytes) = (Instant::now(), 0);
        let outcome = async {
            let mut stream = ldap.with_controls(controls).streaming_search(base, *scope, filter, *attributes).await?;
            let mut elsewhere = None;
            while let Some(entry) = stream.next().await? {
                if entry.is_ref() {
                    elsewhere.get_or_insert_with(|| ldap3::parse_refs(entry.0).join(", "));
                } else if !entry.is_intermediate() {
                    let entry = Entry::found(entry);
                    bytes += entry.bytes();
                    found.push(entry);
                }
            }
            Ok((stream.finish().await, elsewhere))
        };
        let outcome = outcome.await.map_err(|error| answer::failed(operation(), &error));
        self.count(1, bytes, since);
        let (result, elsewhere) = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                self.disconnect().await;
                return Err(error);
            }
        };
        if result.rc == answer::NO_SUCH_OBJECT {
            return Ok(None);
        }
        let result = answer::checked(result, operation)?;
        if let Some(elsewhere) = elsewhere {
            return Err(incomplete(format!("a part of it is on another server: {elsewhere}")));
        }
        if !paged {
            return Ok(Some(Vec::new()));
        }
        let next = result.ctrls.iter().find_map(|Control(kind, control)| match kind {
            Some(ControlType::PagedResults) if control.val.is_some() => Some(control.parse::<PagedResults>().cookie),
            _ => None,
        });
        next.map(Some).ok_or_else(|| incomplete("the server did not say whether there is more".into()))
    }
}
