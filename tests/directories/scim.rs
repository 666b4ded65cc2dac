//! SCIM: against a real service, `tests/servers/scim`, and against one that follows a script where no real one can be made to
//! misbehave as services are known to.

mod remote;
mod scripted;
mod traps;

use std::{
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use tempfile::TempDir;
use tenantry::{
    credential::SecretString,
    directory::{Directory, ErrorKind, Stop},
    drivers::{
        Scim, Sqlite,
        remote::{Edit, Ledgered, Remote},
    },
    manifest::ScimSettings,
    model::{Kind, SecretSource},
};

use crate::{conformance::Trouble, proxy::Proxy};

const TOKEN: &str = "a token of the tests";

/// Many services, which end with us.
struct Server {
    _child: Child,
    address: SocketAddr,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/scim");
    let mut child = Command::new(script)
        .arg("serve")
        .env("TOKEN", TOKEN)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the service can be started");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().strip_prefix("PORT=").expect("the service tells its port").parse().unwrap();
    Server { _child: child, address: (Ipv4Addr::LOCALHOST, port).into() }
});

/// The path of a fresh, empty service of a profile of `scim.py`.
fn place(profile: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("{profile}.{}/v2", NUMBER.fetch_add(1, Ordering::SeqCst))
}

fn settings(address: SocketAddr, place: &str) -> ScimSettings {
    ScimSettings { url: format!("http://{address}/{place}"), token: SecretSource::Env("UNREAD".into()) }
}

fn open(address: SocketAddr, place: &str) -> Scim {
    // Whoever comes second finds it done.
    drop(rustls::crypto::ring::default_provider().install_default());
    Scim::open(&settings(address, place), SecretString::from(TOKEN)).unwrap()
}

/// A fresh service of a profile.
fn fresh(profile: &str) -> Scim {
    open(SERVER.address, &place(profile))
}

/// A service with a ledger beside it.
fn ledgered(scim: Scim) -> (TempDir, Arc<dyn Directory>) {
    let folder = TempDir::new().unwrap();
    let ledger = Arc::new(Sqlite::ledger(folder.path(), Path::new("ledger.db")).unwrap());
    (folder, Arc::new(Ledgered::new(scim, ledger, false)))
}

/// One with trouble on the way.
fn troubled(profile: &str) -> ((TempDir, Proxy), Arc<dyn Directory>, Trouble) {
    static SEED: AtomicU64 = AtomicU64::new(1);
    let proxy = Proxy::http(SERVER.address, SEED.fetch_add(1, Ordering::SeqCst));
    let (folder, directory) = ledgered(open(proxy.address(), &place(profile)));
    let trouble = proxy.switch();
    ((folder, proxy), directory, trouble)
}

/// What the driver reads is the same whatever happens on the way, and everything that can happen does.
#[tokio::test]
async fn reads_the_same_in_trouble() {
    let place = place("small");
    let calm = open(SERVER.address, &place);
    let users = (0..40).map(|i| Edit::Create(remote::target(Kind::User, &format!("u{i}"), None)));
    let made = calm.write(&users.collect::<Vec<_>>(), &Stop::default()).await;
    assert!(made.iter().all(Result::is_ok));
    let expected = calm.sweep(&remote::roles()).await.unwrap();
    let proxy = Proxy::http(SERVER.address, 7);
    (proxy.switch())(true);
    let scim = open(proxy.address(), &place);
    let mut read = 0;
    for _ in 0..40 {
        match scim.sweep(&remote::roles()).await {
            Ok(items) => {
                assert_eq!(items, expected);
                read += 1;
            }
            Err(error) => assert!(error.retry_helps() || error.kind == ErrorKind::Incomplete, "{error}"),
        }
    }
    let done = proxy.done();
    assert!(read > 30 && done.len() == 8, "{read} were read; {done:?}");
}

mod with_everything_in_trouble {
    crate::conformance::troubled!(|| super::troubled("default"));
}

mod with_the_least_in_trouble {
    crate::conformance::troubled!(|| super::troubled("bare"));
}

mod with_everything {
    crate::conformance::suite!(|| super::ledgered(super::fresh("default")));
}

mod with_nothing_but_the_least {
    crate::conformance::suite!(|| super::ledgered(super::fresh("bare")));
}

mod with_cursors {
    crate::conformance::suite!(|| super::ledgered(super::fresh("cursor")));
}
