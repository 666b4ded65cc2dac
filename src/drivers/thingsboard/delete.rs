//! Objects deleted: the server takes with them whatever is in them, so that nobody may be.

use std::sync::PoisonError;

use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::{
        http::{Answer, Client, Status, Verb},
        remote::Item,
    },
    model::Kind,
};

use super::{
    Thingsboard,
    access::{Standing, is_caretaker},
    api::{ask, failure},
    list,
    write::{Rest, SECOND},
};

impl Thingsboard {
    pub(super) async fn delete(&self, before: &Item, rest: &Rest, what: &str) -> Result<(), DirectoryError> {
        let id = before.id.0.as_str();
        let main = &**self.access.main();
        self.known().raw.remove(&before.id);
        if self.is_us(before) {
            let cause = "it is the account that Tenantry itself signs in with";
            return Err(DirectoryError::new(what, ErrorKind::Rejected).because(cause));
        }
        match before.kind {
            Kind::User => {
                let Some(way) = self.way_to(id).await? else { return Ok(()) };
                let client = way.client(main);
                if before.enabled == Some(true) && before.must_change == Some(false) {
                    // A token of this very second would outlive the account.
                    self.shut_for_good(client, id, what).await?;
                }
                let answer = client.send(&ask(Verb::Delete, &["user", id], what)).await?;
                let last = answer.status == Status::Invalid && answer.said().contains("At least one tenant administrator");
                if !last || !matches!(self.access.standing().await?, Standing::System) {
                    return gone(&answer, what);
                }
                // The last one stays as long as the tenant: somebody takes their place who can do nothing.
                let tenant = before.parent.as_ref().map(|tenant| tenant.0.clone()).unwrap_or_default();
                self.access.place_caretaker(&tenant).await?;
                rest.manned.lock().unwrap_or_else(PoisonError::into_inner).remove(&tenant);
                gone(&client.send(&ask(Verb::Delete, &["user", id], what)).await?, what)
            }
            Kind::Customer => {
                let Some(way) = self.way_to(id).await? else { return Ok(()) };
                let client = way.client(main);
                let inside = list::page(client, &["customer", id, "users"], (0, 1), None, None, what).await;
                match inside {
                    // The server would delete them as well.
                    Ok(page) if page.total > 0 => {
                        let cause = format!("{} users have come into it since it was read", page.total);
                        Err(DirectoryError::new(what, ErrorKind::Moved).because(cause))
                    }
                    Ok(_) => gone(&client.send(&ask(Verb::Delete, &["customer", id], what)).await?, what),
                    // It is gone itself.
                    Err(error) if error.kind == ErrorKind::Moved => Ok(()),
                    Err(error) => Err(error),
                }
            }
            Kind::Company | Kind::Role => {
                if matches!(self.access.standing().await?, Standing::Tenant { .. }) {
                    let cause = "only the system administrator deletes tenants";
                    return Err(DirectoryError::new(what, ErrorKind::Rejected).because(cause));
                }
                self.empty(id, what).await?;
                gone(&main.send(&ask(Verb::Delete, &["tenant", id], what)).await?, what)
            }
        }
    }

    /// Refuses a tenant in which customers or users are: the server would delete them all.
    async fn empty(&self, tenant: &str, what: &str) -> Result<(), DirectoryError> {
        let way = self.access.tenant(tenant).await?;
        match way.has_admin().await {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) if error.kind == ErrorKind::Moved => return Ok(()),
            Err(error) => return Err(error),
        }
        let customers = list::page(way.client(), &["customers"], (0, 1), None, None, what).await?.total;
        let users = list::list(way.client(), &["users"], "email", None, what).await?;
        let users = users.iter().filter(|user| !is_caretaker(user, tenant)).count() as u64;
        if customers + users > 0 {
            let cause = format!("{customers} customers and {users} users have come into it since it was read");
            return Err(DirectoryError::new(what, ErrorKind::Moved).because(cause));
        }
        Ok(())
    }

    /// Shuts an account off and waits until no token of it can be good any more. One that is gone is shut.
    async fn shut_for_good(&self, client: &Client, id: &str, what: &str) -> Result<(), DirectoryError> {
        match self.open_or_shut(client, id, false, what).await {
            Err(error) if error.kind == ErrorKind::Moved => Ok(()),
            Err(error) => Err(error),
            Ok(()) => {
                tokio::time::sleep(SECOND).await;
                Ok(())
            }
        }
    }
}

/// The answer to a deletion: what is gone already is gone.
fn gone(answer: &Answer, what: &str) -> Result<(), DirectoryError> {
    match answer.status {
        Status::Ok | Status::Missing => Ok(()),
        Status::Invalid | Status::Unauthorized | Status::Conflict | Status::Changed | Status::Other(_) => {
            Err(failure(answer, what))
        }
    }
}
