//! A directory in a PostgreSQL database keeps the contract, and what a server brings with it.

mod connection;
mod people;
mod rights;
mod rows;
mod server;
mod trail;

use std::{
    net::Ipv4Addr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tenantry::{
    directory::DirectoryError,
    drivers::Postgres,
    observed::{Observed, Scope},
};

use crate::{
    conformance::{Org, Trouble, WINDOW, name},
    proxy::Proxy,
};
use server::{SERVER, fresh, unique};

crate::conformance::suite!(fresh);

/// One with trouble on the way.
fn troubled() -> (Proxy, Arc<Postgres>, Trouble) {
    static SEED: AtomicU64 = AtomicU64::new(1);
    let proxy = Proxy::tcp((Ipv4Addr::LOCALHOST, SERVER.port).into(), SEED.fetch_add(1, Ordering::Relaxed));
    let url = format!("postgres://postgres:{}@{}/postgres", SERVER.password, proxy.address());
    let directory = Postgres::open(&url.into(), &unique("test"), Path::new("")).unwrap();
    let trouble = proxy.switch();
    (proxy, Arc::new(directory), trouble)
}

mod in_trouble {
    crate::conformance::troubled!(super::troubled);
}

/// As the ledger of a directory that has no tables.
mod ledger {
    use std::{path::Path, sync::Arc};

    use tenantry::{
        directory::Directory,
        drivers::{
            Postgres,
            remote::{Ledgered, Marks},
        },
    };

    use super::server::{SERVER, unique};
    use crate::ledgered::Shelf;

    fn fresh() -> ((), Arc<dyn Directory>) {
        let ledger = Postgres::ledger(&SERVER.superuser(), &unique("ledger"), Path::new("")).unwrap();
        ((), Arc::new(Ledgered::new(Shelf::new(Marks::InLedger), Arc::new(ledger), false)))
    }

    crate::conformance::suite!(fresh);
}

async fn observe(directory: &Postgres) -> Result<Observed, DirectoryError> {
    use tenantry::directory::Directory as _;
    directory.observe(&name("acme"), &Scope::All, WINDOW).await
}

/// A schema with a few things in it.
async fn populated() -> (String, Arc<Postgres>) {
    let (schema, directory) = fresh();
    Org::new(directory.clone()).populate().await;
    (schema, directory)
}
