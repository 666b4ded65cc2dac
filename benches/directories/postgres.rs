//! PostgreSQL: new users against `COPY` of the same rows into the same tables without anything else, reading everything, and
//! changing every user. The server waits for the disk, as one that is meant does.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use tempfile::TempDir;
use tenantry::{
    directory::{Directory, Run, Stop},
    drivers::Postgres,
    model::{Body, Company, Deletion, Email, Key, Kind, Line, Name, Namespace, Phone, Place, State, User, Username},
    observed::Scope,
    plan::{Action, Change, Reason},
};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use crate::server;

/// Users, and those of one company.
const USERS: usize = 100_000;
const STAFF: usize = 100;

/// Columns of an object that are not given by the database.
const COLUMNS: &str = "id, kind, namespace, name, owner, parent, enabled, suspended, retired_at, deletion, left_enabled, \
     credential, username, email, title, body, version, created_at, updated_at, source, locked";

struct Server {
    _process: server::Server,
    url: String,
    _folder: TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut server = server::Server::start("postgres", &[folder.path().as_os_str(), "--durable".as_ref()]);
        println!("{}", server.says("VERSION"));
        let (port, password) = (server.says("PORT"), server.says("PASSWORD"));
        let url = format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres");
        Self { _process: server, url, _folder: folder }
    }

    async fn connect(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.expect("a connection");
        tokio::spawn(connection);
        client
    }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a label")
}

fn change(kind: Kind, called: &str, place: Option<Place>, body: Body) -> Change {
    let key = Key::new(kind, Namespace::new("nordlicht").expect("a label"), name(called));
    let owner = Some(name("acme"));
    let deletion = Deletion::Disable;
    let state =
        State { key: key.clone(), place, body, enabled: true, suspended: false, locked: None, retired: false, owner, deletion };
    let action = Action::Create(Box::new(state));
    let source = Some("users/service.yaml:41".into());
    Change {
        key,
        action,
        credential: None,
        reason: Reason::Declared,
        before: None,
        remote: None,
        expect: None,
        source,
        loss: 0,
        takes: None,
    }
}

fn companies() -> Vec<Change> {
    let one = |row: usize| {
        let called = format!("company-{row:06}");
        let body = Company {
            display_name: Line::new(&called).expect("a line"),
            company_type: None,
            region: Some(name("europe")),
            contact: None,
            address: None,
            logo: None,
            description: None,
        };
        change(Kind::Company, &called, None, Body::Company(body))
    };
    (0..=USERS / STAFF).map(one).collect()
}

fn users() -> Vec<Change> {
    let one = |row: usize| {
        let called = format!("user-{row:07}");
        let body = User {
            username: Username::new(&format!("first.last-{row:07}")).expect("a username"),
            email: Email::new(&format!("first.last-{row:07}@nordlicht.example")).expect("a mailbox"),
            role: name("operations-engineer"),
            display_name: Line::new("Maximilian Musterfrau").ok(),
            first_name: Line::new("Maximilian").ok(),
            last_name: Line::new("Musterfrau").ok(),
            phone: Phone::new("+4915112345678").ok(),
            region: Some(name("asia-pacific")),
            description: None,
            expires: None,
            justification: None,
        };
        let place = Place::Company(name(&format!("company-{:06}", row / STAFF)));
        change(Kind::User, &called, Some(place), Body::User(body))
    };
    (0..USERS).map(one).collect()
}

async fn timed<T>(what: &str, work: impl Future<Output = T>) -> (T, Duration) {
    let begin = Instant::now();
    let done = work.await;
    let took = begin.elapsed();
    println!("{what}: {took:.2?}");
    (done, took)
}

async fn carry_out(directory: &Postgres, changes: &[Change], run: &Run) {
    let outcomes = directory.execute_all(changes, run).await;
    assert!(outcomes.iter().all(Result::is_ok), "{:?}", outcomes.iter().find(|it| it.is_err()));
}

/// The rows that creating the users of one schema wrote, copied into another one, which has the same companies: objects, and
/// their audit records. What is copied is read beforehand.
async fn bare(client: &mut Client, from: &str, to: &str) -> (Duration, Duration) {
    let objects =
        (format!("objects ({COLUMNS})"), format!("SELECT {COLUMNS} FROM {from}.objects WHERE kind = 'user' ORDER BY row"));
    let audit = ("audit".to_owned(), format!("SELECT * FROM {from}.audit WHERE kind = 'user' ORDER BY seq"));
    let mut tables = Vec::new();
    for (into, rows) in [objects, audit] {
        let out = client.copy_out(&format!("COPY ({rows}) TO STDOUT (FORMAT binary)")).await.expect("rows");
        let rows: Vec<_> = out.map(|chunk| chunk.expect("rows")).collect().await;
        tables.push((into, rows));
    }
    let begin = Instant::now();
    let transaction = client.transaction().await.expect("a transaction");
    let mut took = Vec::new();
    for (into, rows) in tables {
        let into = format!("COPY {to}.{into} FROM STDIN (FORMAT binary)");
        let mut sink = std::pin::pin!(transaction.copy_in(&into).await.expect("a table"));
        for chunk in rows {
            sink.feed(chunk).await.expect("rows");
        }
        assert_eq!(sink.finish().await.expect("rows"), USERS as u64);
        took.push(begin.elapsed());
    }
    transaction.commit().await.expect("an end");
    let all = begin.elapsed();
    println!("COPY of the same {USERS} rows: objects alone {:.2?}, with their audit records {all:.2?}", took[0]);
    (took[0], all)
}

async fn measure(server: &Server) {
    let open = |schema: &str| Postgres::open(&server.url.clone().into(), schema, Path::new("")).expect("a directory");
    let (id, digest) = ("run".into(), "sha256:00".into());
    let (owner, stop) = (name("acme"), Stop::default());
    let run = Run { id, owner, actor: None, digest, losses_allowed: false, commits: std::sync::Arc::default(), stop };
    let changes = users();
    let mut client = server.connect().await;
    for turn in 1..=3 {
        let (ours, theirs) = (format!("ours_{turn}"), format!("bare_{turn}"));
        let directory = open(&ours);
        carry_out(&directory, &companies(), &run).await;
        carry_out(&open(&theirs), &companies(), &run).await;
        let create =
            timed(&format!("create {USERS} users, each with its audit record"), carry_out(&directory, &changes, &run)).await.1;
        let (objects, all) = bare(&mut client, &ours, &theirs).await;
        let part = |copy: Duration| copy.as_secs_f64() / create.as_secs_f64();
        println!("speed of creating, as a part of that of COPY: {:.2}; of objects alone: {:.2}", part(all), part(objects));
        let window = Duration::from_hours(24);
        let observed = timed("read everything", directory.observe(&run.owner, &Scope::All, window)).await.0.expect("a directory");
        timed("read everything again", directory.observe(&run.owner, &Scope::All, window)).await.0.expect("a directory");
        let disable = |live: &tenantry::observed::Live| {
            let mut to = live.state.clone();
            to.enabled = false;
            let action = Action::Update { fields: live.state.changes(&to), to: Box::new(to) };
            let (remote, expect) = (Some(live.id.clone()), live.version.clone());
            Change { key: live.state.key.clone(), action, remote, expect, ..changes[0].clone() }
        };
        let disabled: Vec<_> = observed.ours.iter().filter(|live| live.state.key.kind == Kind::User).map(disable).collect();
        timed(&format!("disable {USERS} users"), carry_out(&directory, &disabled, &run)).await;
    }
}

pub(crate) fn run() {
    let server = Server::start();
    Runtime::new().expect("a runtime").block_on(measure(&server));
}
