//! Connections: TLS, leases, and servers that go away.

use std::{path::Path, sync::Arc, time::Duration};

use tenantry::{
    directory::{Directory, DirectoryError, ErrorKind, History, Lease, Right},
    drivers::Postgres,
    history::Chain,
    model::Place,
};

use super::{
    observe,
    server::{SERVER, Server, fresh, unique},
};
use crate::conformance::{Org, company, create, kind_of, name, user};

#[test]
fn a_url_is_understood_or_refused_without_a_word_of_it() {
    let open = |url: &str| Postgres::open(&url.into(), "tenantry", Path::new(""));
    for (url, name) in [
        ("postgres://a:b@db.example/x?sslmode=disable", "db.example:5432/x"),
        ("postgresql://a:b@[::1]:5433/x", "[::1]:5433/x"),
        ("postgres://a:b@localhost/x?connect_timeout=3", "localhost:5432/x"),
        ("postgres://a:b%40%2F%3F@one.example:1,two.example:2/x?sslmode=disable", "one.example:1,two.example:2/x"),
        ("postgres://a:b@%2Frun%2Fpostgresql/x", "/run/postgresql:5432/x"),
    ] {
        let directory = open(url).unwrap();
        assert_eq!(directory.name(), format!("postgres: {name} schema tenantry"));
        assert!(!format!("{directory:?}").contains("a:b"));
    }
    for url in [
        "hunter2",
        "mysql://a:hunter2@h/x",
        "host=h password=hunter2",
        "postgres://a:hunter2@h",
        "postgres://a:hunter2@/x",
        "postgres://:hunter2@h/x",
        "postgres://a:hun?ter2@h/x",
        "postgres://a:b@hunter2@h/x",
        "postgres://a:b@h/x?hunter2=1",
        "postgres://a:b@h/x?hunter2",
        "postgres://a:hunter2@h:port/x",
        "postgres://a:b@h/x?sslmode=hunter2",
        "postgres://a:b@h/x?sslrootcert=%zzhunter2",
    ] {
        let error = open(url).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Rejected, "{url}");
        assert!(!error.chain().contains("hunter2") && !error.chain().contains("ter2"), "{}", error.chain());
    }
}

#[tokio::test]
async fn a_certificate_is_always_checked() {
    let server = Server::start(&["--tls"]);
    let folder = server.folder.path();
    let open = |host: &str, more: &str, base: &Path| {
        let url = format!("postgres://postgres:{}@{host}:{}/postgres{more}", server.password, server.port);
        Postgres::open(&url.into(), "tenantry", base)
    };
    for (mode, tls) in [("verify-full", true), ("require", true), ("prefer", false), ("disable", false)] {
        let directory = open("localhost", &format!("?sslmode={mode}&sslrootcert=ca.pem"), folder).unwrap();
        let mut org = Org::new(Arc::new(directory));
        org.create(company(mode.split('-').next().unwrap(), None)).await;
        let seen = "SELECT bool_or(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'tenantry'";
        assert_eq!(server.connect().await.query_one(seen, &[]).await.unwrap().get::<_, bool>(0), tls, "{mode}");
        drop(org);
        server.connect().await.execute("DROP SCHEMA tenantry CASCADE", &[]).await.unwrap();
    }
    let unavailable = async |host: &str, roots: &str| {
        let directory = open(host, &format!("?sslmode=verify-full{roots}"), folder).unwrap();
        let error = observe(&directory).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(!error.chain().contains(&server.password));
        error.chain()
    };
    for (host, roots) in [("localhost", "&sslrootcert=other.pem"), ("127.0.0.1", "&sslrootcert=ca.pem"), ("localhost", "")] {
        let chain = unavailable(host, roots).await;
        assert!(chain.contains("certificate"), "{host} {roots}: {chain}");
    }
    for (more, word) in [("?sslrootcert=nowhere.pem&sslmode=require", "nowhere.pem"), ("?sslmode=perhaps", "sslmode")] {
        let error = open("localhost", more, folder).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Rejected);
        assert!(error.chain().contains(word), "{}", error.chain());
    }
    // A server without TLS is not spoken to in the clear where TLS is asked for.
    let plain = Postgres::open(&SERVER.url("postgres", &SERVER.password, "?sslmode=require&sslrootcert=ca.pem"), "x", folder);
    let error = observe(&plain.unwrap()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.chain().contains("does not support TLS"), "{}", error.chain());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_not_available() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let directory = Postgres::open(&format!("postgres://a:hunter2@127.0.0.1:{nobody}/x").into(), "x", Path::new("")).unwrap();
    let refused = |error: DirectoryError| {
        assert_eq!(error.kind, ErrorKind::Unavailable, "{}", error.chain());
        assert!(!error.chain().contains("hunter2"));
    };
    refused(observe(&directory).await.unwrap_err());
    refused(directory.lease(Right::Run, Duration::ZERO).await.unwrap_err());
    let org = Org::new(Arc::new(directory));
    let changes: Vec<_> = (0..5_000).map(|row| create(&company(&format!("c{row}"), None))).collect();
    for outcome in org.directory.execute_all(&changes, &org.run).await {
        refused(outcome.unwrap_err());
    }
}

/// The processes of the server that hold a lease.
const HOLDERS: &str = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'tenantry process %' AND pid IN \
    (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = $1::int8::oid)";

async fn holder(schema: &str) -> String {
    let error = SERVER.open(schema).lease(Right::Run, Duration::ZERO).await.map(|_: Lease| ()).unwrap_err();
    let ErrorKind::Locked(Some(holder)) = error.kind else { panic!("{error}") };
    holder
}

#[tokio::test]
async fn a_lease_whose_connection_died_is_not_believed() {
    let (schema, directory) = fresh();
    let mut org = Org::new(directory.clone());
    org.create(company("north", None)).await;
    let lease = directory.lease(Right::Run, Duration::ZERO).await.unwrap();
    org.create(company("south", None)).await;
    let by = holder(&schema).await;
    assert!(by.starts_with(&format!("process {} of 127.0.0.1 since 2", std::process::id())), "{by}");

    let client = SERVER.connect().await;
    let held = client.query(HOLDERS, &[&i64::from(lease_class(&schema))]).await.unwrap();
    let [held] = &held[..] else { panic!("{} hold it", held.len()) };
    client.execute("SELECT pg_terminate_backend($1)", &[&held.get::<_, i32>(0)]).await.unwrap();
    // Another run takes it over, and the one that lost it does not go on.
    let other = SERVER.open(&schema);
    let taken = other.lease(Right::Run, Duration::from_secs(10)).await.unwrap();
    let error = org.execute(&create(&company("west", None))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.chain().contains("taken it over"), "{}", error.chain());
    org.check().await;
    let mut theirs = Org::new(other.clone());
    theirs.wanted = org.wanted.clone();
    theirs.create(company("west", None)).await;
    drop((lease, taken));
    // A new run of the first one begins with a new lease.
    let _lease = directory.lease(Right::Run, Duration::from_secs(10)).await.unwrap();
    org.wanted = theirs.wanted.clone();
    org.create(company("east", None)).await;
}

/// The first key of the locks of a schema, as the driver has it.
fn lease_class(schema: &str) -> i32 {
    use sha2::{Digest, Sha256};
    let hash = Sha256::new_with_prefix(b"tenantry-lease-1").chain_update(schema.as_bytes()).finalize();
    i32::from_be_bytes([hash[0] & 0x7f, hash[1], hash[2], hash[3]])
}

/// Where the process that is killed below finds what it holds.
const HOLDER: &str = "TENANTRY_TEST_POSTGRES_HOLDER";

/// Nothing by itself; [`a_killed_run_blocks_nobody`] runs it in a process of its own.
#[tokio::test]
async fn holds_the_lease_until_killed() {
    let Some(place) = std::env::var_os(HOLDER) else { return };
    let place = place.into_string().unwrap();
    let (url, schema) = place.split_once(' ').unwrap();
    let directory = Postgres::open(&url.into(), schema, Path::new("")).unwrap();
    let _lease = directory.lease(Right::Run, Duration::ZERO).await.unwrap();
    println!("ready");
    tokio::time::sleep(Duration::from_mins(1)).await;
}

#[tokio::test]
async fn a_killed_run_blocks_nobody() {
    let (schema, directory) = fresh();
    let url = format!("postgres://postgres:{}@127.0.0.1:{}/postgres {schema}", SERVER.password, SERVER.port);
    let mut process = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "postgres::connection::holds_the_lease_until_killed"])
        .env(HOLDER, url)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let by = loop {
        match directory.lease(Right::Run, Duration::ZERO).await {
            Ok(lease) => drop(lease),
            Err(DirectoryError { kind: ErrorKind::Locked(Some(by)), .. }) if by.starts_with("process") => break by,
            Err(error) => assert!(matches!(error.kind, ErrorKind::Locked(_)), "{error}"),
        }
        assert!(process.try_wait().unwrap().is_none(), "the other process ended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(by.starts_with(&format!("process {} ", process.id())), "{by}");
    process.kill().unwrap();
    process.wait().unwrap();
    directory.lease(Right::Run, Duration::from_secs(10)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_reported_is_there_when_the_server_falls_over_meanwhile() {
    let server = Server::start(&[]);
    let schema = unique("fallen");
    let directory = server.open(&schema);
    let mut org = Org::new(directory.clone());
    org.create(company("north", None)).await;
    let states: Vec<_> = (0..20_000).map(|row| user(&format!("u{row:05}"), Place::Company(name("north")))).collect();
    let changes: Vec<_> = states.iter().map(create).collect();
    let (writer, run, list) = (directory.clone(), org.run.clone(), changes.clone());
    let writing = tokio::spawn(async move { writer.execute_all(&list, &run).await });
    // After the first chunk the process of the server that writes is killed; all others fall with it, and it recovers.
    let client = server.connect().await;
    let sql = format!("SELECT count(*) FROM {schema}.audit");
    while client.query_one(&sql, &[]).await.unwrap().get::<_, i64>(0) < 1_000 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let pids = "SELECT pid FROM pg_stat_activity WHERE application_name = 'tenantry'";
    let pid = client.query(pids, &[]).await.unwrap()[0].get::<_, i32>(0);
    let killed = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    assert!(killed.success());
    let outcomes = writing.await.unwrap();
    let done = outcomes.iter().take_while(|it| it.is_ok()).count();
    assert!((1_000..20_000).contains(&done), "{done}");
    assert!(outcomes[done..].iter().all(|it| it.as_ref().is_err_and(|error| error.kind == ErrorKind::Unavailable)));

    let observed = loop {
        match observe(&directory).await {
            Ok(observed) => break observed,
            Err(error) => assert_eq!(error.kind, ErrorKind::Unavailable, "{}", error.chain()),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    // All that was reported, and at most the one chunk of which nobody knows.
    let there = observed.ours.len() - 1;
    assert!(states[..done].iter().all(|state| observed.get(&state.key).is_some()));
    assert!(there >= done && there - done <= 2_000, "{there} of {done}");
    assert!(matches!(directory.verify(None).await.unwrap(), Chain::Whole { .. }));
    // The next run does the rest, and what is there already is no conflict.
    let again = directory.execute_all(&changes[done..], &org.run).await;
    assert!(again.iter().all(Result::is_ok), "{:?}", again.iter().find(|it| it.is_err()));
    org.wanted.extend(states.into_iter().map(|state| (state.key.clone(), state)));
    org.check().await;
    assert_eq!(kind_of(org.execute(&create(&company("north", Some("north")))).await), ErrorKind::Conflict);
}
