//! What goes with a customer or tenant that is deleted, and nobody declares.
//!
//! <https://thingsboard.io/docs/reference/rest-api/>

use smol_str::format_smolstr;

use crate::{
    directory::DirectoryError,
    drivers::http::{Client, each},
    model::{Kind, RemoteId},
    observed::{CONTENTS_NAMED, Contents},
};

use super::{CONCURRENCY, Thingsboard, api::text, list, read::Way};

/// Of which sort, in one word and in many, which are what they are listed below, and what they are called by.
const SORTS: [(&str, &str, &str); 3] =
    [("device", "devices", "name"), ("asset", "assets", "name"), ("dashboard", "dashboards", "title")];

impl Thingsboard {
    /// See [`crate::drivers::remote::Remote::contents`].
    pub(super) async fn what_goes(&self, ids: &[(Kind, RemoteId)]) -> Result<Vec<Contents>, DirectoryError> {
        each(CONCURRENCY, ids, |(kind, id)| self.what_goes_with(*kind, &id.0)).await.into_iter().collect()
    }

    async fn what_goes_with(&self, kind: Kind, id: &str) -> Result<Contents, DirectoryError> {
        match kind {
            // They stay with the tenant.
            Kind::Customer => match self.way_to(id).await? {
                Some(Way::Tenant(way)) => counted(way.client(), &["customer", id], "unassigned").await,
                Some(Way::System) | None => Ok(Contents::default()),
            },
            Kind::Company => {
                let way = self.access.tenant(id).await?;
                if !way.has_admin().await? {
                    return Ok(Contents::default());
                }
                counted(way.client(), &["tenant"], "deleted").await
            }
            Kind::User | Kind::Role => Ok(Contents::default()),
        }
    }
}

async fn counted(client: &Client, below: &[&str], becomes: &str) -> Result<Contents, DirectoryError> {
    let mut contents = Contents::default();
    for (one, many, name) in SORTS {
        let path: Vec<&str> = below.iter().copied().chain([many]).collect();
        let what = format!("count the {many} of {}", below.join(" "));
        let page = list::page(client, &path, (0, CONTENTS_NAMED), Some(name), None, &what).await?;
        if page.total == 0 {
            continue;
        }
        contents.counts.insert(format_smolstr!("{} {becomes}", if page.total == 1 { one } else { many }), page.total);
        let names = page.data.iter().filter_map(|it| text(it, name));
        contents.first.extend(names.map(|name| format_smolstr!("{one} `{name}`")));
    }
    contents.first.truncate(CONTENTS_NAMED);
    Ok(contents)
}
