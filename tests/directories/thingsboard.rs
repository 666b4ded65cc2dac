//! ThingsBoard: against a server of our own that follows the notes (`tests/it/thingsboard`), since no package of the real one can be
//! had here; and against a real one as well where `TENANTRY_TEST_THINGSBOARD_URL` names one.

mod binary;
mod figures;
mod server;
mod traps;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tempfile::TempDir;
use tenantry::{
    credential::SecretString,
    directory::Directory,
    drivers::{Sqlite, remote::Ledgered, thingsboard::Thingsboard},
    manifest::{ThingsboardInvites, ThingsboardProof, ThingsboardSettings},
    model::SecretSource,
};

use self::server::Server;
use crate::{conformance::Trouble, proxy::Proxy};

fn open_with(url: &str, proof: ThingsboardProof, secret: &str, invites: ThingsboardInvites) -> Thingsboard {
    // Whoever comes second finds it done.
    drop(rustls::crypto::ring::default_provider().install_default());
    let settings = ThingsboardSettings { url: url.to_owned(), proof, invites };
    Thingsboard::open(&settings, SecretString::from(secret)).unwrap()
}

fn unread() -> SecretSource {
    SecretSource::Env("UNREAD".into())
}

/// As the system administrator.
fn system(server: &Server) -> Thingsboard {
    at(server, &server.url())
}

/// The same by another way.
fn at(server: &Server, url: &str) -> Thingsboard {
    let proof = ThingsboardProof::Login { username: server.username.clone(), password: unread() };
    open_with(url, proof, &server.password, ThingsboardInvites::Tenantry)
}

/// With an API key of a tenant.
fn tenant(server: &Server, key: &str) -> Thingsboard {
    open_with(&server.url(), ThingsboardProof::ApiKey(unread()), key, ThingsboardInvites::Tenantry)
}

/// A server with a ledger beside it.
fn ledgered(thingsboard: Thingsboard) -> (TempDir, Arc<dyn Directory>) {
    let folder = TempDir::new().unwrap();
    let ledger = Arc::new(Sqlite::ledger(folder.path(), Path::new("ledger.db")).unwrap());
    (folder, Arc::new(Ledgered::new(thingsboard, ledger, false)))
}

mod as_system_administrator {
    use super::*;

    fn fresh() -> ((TempDir, Server), Arc<dyn Directory>) {
        let server = Server::fresh();
        let (folder, directory) = ledgered(system(&server));
        ((folder, server), directory)
    }

    crate::conformance::suite!(fresh);
}

mod in_trouble {
    use super::*;

    fn troubled() -> ((TempDir, Server, Proxy), Arc<dyn Directory>, Trouble) {
        static SEED: AtomicU64 = AtomicU64::new(1);
        let server = Server::fresh();
        let proxy = Proxy::http(server.address, SEED.fetch_add(1, Ordering::SeqCst));
        let (folder, directory) = ledgered(at(&server, &format!("http://{}", proxy.address())));
        let trouble = proxy.switch();
        ((folder, server, proxy), directory, trouble)
    }

    crate::conformance::troubled!(troubled);
}

mod as_tenant {
    use super::*;

    /// One tenant, with the account that we use.
    fn fresh() -> ((TempDir, Server), Arc<dyn Directory>) {
        let server = Server::fresh();
        let (_, key) = server.tenant("north");
        let (folder, directory) = ledgered(tenant(&server, &key));
        ((folder, server), directory)
    }

    // Everything for which one company is enough.
    crate::conformance::suite! { fresh;
        keeps_every_field_of_every_kind
        edits_every_field
        renames_and_swaps_through_parking
        moves_between_companies_and_customers
        disables_retires_and_declares_again
        releases_and_adopts
        keeps_whoever_stands_under_a_released_company
        refuses_what_moved
        a_failed_change_stops_no_other
        repeats_change_nothing
        marks_credentials
        gives_out_what_is_owed
        gives_nothing_that_is_not_owed
        an_unused_secret_dies_with_account_and_address
        stops_between_objects
        counts_losses_in_the_window
        tells_owners_apart
    }
}
