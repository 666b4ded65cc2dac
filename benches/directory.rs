//! What the embedded directory costs: reading everything, and creating users with their audit records.
//!
//! `cargo bench --bench directory` prints how creating compares with inserting the same rows without anything else, then
//! measures at 1 000, 10 000 and 100 000 users. `-- million` adds one read of a million.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput};
use rusqlite::{Connection, params_from_iter, types::Value};
use tempfile::TempDir;
use tenantry::{
    directory::{Directory, Run, Stop},
    drivers::Sqlite,
    model::{Body, Company, Deletion, Email, Key, Kind, Line, Name, Namespace, Phone, Place, State, User, Username},
    observed::{Observed, Scope},
    plan::{Action, Change, Reason},
};
use tokio::runtime::Runtime;

/// A company for every so many users.
const STAFF: usize = 100;

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

fn companies(users: usize) -> Vec<Change> {
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
    (0..=users / STAFF).map(one).collect()
}

fn users(users: usize) -> Vec<Change> {
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
    (0..users).map(one).collect()
}

struct Stage {
    folder: TempDir,
    directory: Sqlite,
    runtime: Runtime,
    run: Run,
}

impl Stage {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let directory = Sqlite::open(folder.path(), Path::new("tenantry.db")).expect("SQLite");
        let (id, digest) = ("run".into(), "sha256:00".into());
        let run = Run {
            id,
            owner: name("acme"),
            actor: None,
            digest,
            losses_allowed: false,
            commits: std::sync::Arc::default(),
            stop: Stop::default(),
        };
        Self { folder, directory, runtime: Runtime::new().expect("a runtime"), run }
    }

    fn with(count: usize) -> Self {
        let stage = Self::new();
        stage.execute(&companies(count));
        stage.execute(&users(count));
        stage
    }

    fn execute(&self, changes: &[Change]) {
        let outcomes = self.runtime.block_on(self.directory.execute_all(changes, &self.run));
        assert!(outcomes.iter().all(Result::is_ok));
    }

    fn observe(&self) -> Observed {
        let window = Duration::from_hours(24);
        self.runtime.block_on(self.directory.observe(&self.run.owner, &Scope::All, window)).expect("a directory")
    }
}

/// Creates users, then inserts the very same rows into the same schema in one transaction.
fn ratio(count: usize) {
    let stage = Stage::new();
    stage.execute(&companies(count));
    let changes = users(count);
    let begin = Instant::now();
    stage.execute(&changes);
    let create = begin.elapsed();

    let bare = Stage::new();
    bare.execute(&companies(count));
    let Stage { folder, directory, runtime: _, run: _ } = bare;
    drop(directory);
    let source = Connection::open(stage.folder.path().join("tenantry.db")).expect("a database");
    let mut select = source.prepare("SELECT * FROM objects WHERE kind = 'user' ORDER BY row").expect("a table");
    let columns = select.column_count();
    let rows: Vec<Vec<Value>> =
        select.query_map([], |row| (0..columns).map(|column| row.get(column)).collect()).and_then(Iterator::collect).expect("rows");
    let mut target = Connection::open(folder.path().join("tenantry.db")).expect("a database");
    target.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -65536;").expect("settings");
    let begin = Instant::now();
    let transaction = target.transaction().expect("a transaction");
    let mut insert = transaction.prepare(&format!("INSERT INTO objects VALUES ({})", vec!["?"; columns].join(", "))).expect("SQL");
    for row in rows {
        insert.execute(params_from_iter(row)).expect("a row");
    }
    drop(insert);
    transaction.commit().expect("a commit");
    let insert = begin.elapsed();
    println!(
        "create {count} users: {create:.2?}; bare insert of the same rows: {insert:.2?}; ratio {:.2}",
        create.as_secs_f64() / insert.as_secs_f64()
    );
}

fn observe_million() {
    let stage = Stage::with(1_000_000);
    for _ in 0..3 {
        let begin = Instant::now();
        let observed = stage.observe();
        println!("observe {} objects: {:.2?}", observed.ours.len(), begin.elapsed());
    }
}

fn main() {
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    if std::env::args().any(|argument| argument == "million") {
        return observe_million();
    }
    if std::env::args().any(|argument| argument == "--bench") {
        ratio(100_000);
    }
    for (what, most) in [("observe", 100_000_u64), ("create", 100_000)] {
        let mut group = criterion.benchmark_group(what);
        for count in [1_000, 10_000, 100_000].into_iter().filter(|count| *count <= most) {
            group.throughput(Throughput::Elements(count));
            let size = usize::try_from(count).expect("it fits");
            group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
                if what == "observe" {
                    let stage = Stage::with(size);
                    return bencher.iter(|| stage.observe());
                }
                let changes = users(size);
                let prepare = || {
                    let stage = Stage::new();
                    stage.execute(&companies(size));
                    stage
                };
                bencher.iter_batched(
                    prepare,
                    |stage| {
                        stage.execute(&changes);
                        stage
                    },
                    criterion::BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
    criterion.final_summary();
}
