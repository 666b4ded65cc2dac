//! How fast a leaver is shut out by `tenantry watch`, and what it costs to look back.
//!
//! ```text
//! cargo bench --bench operations                    watch at 10 000 and 100 000 users, a history of 1 000 000 records
//! cargo bench --bench operations -- 10000           watch at these sizes, and a history of ten records each
//! ```
//!
//! The program is run as people run it. From a saved file to a disabled account is measured by asking the database again and
//! again; beside the history stands a bare read of the same rows by the same SQLite. Every ratio is of times taken in this run.

#![allow(clippy::cast_precision_loss, reason = "ratios are for people")]

mod organisation;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use tenantry::{
    directory::{Directory, Run, Stop},
    drivers::Sqlite,
    model::{Body, Line, Name},
    observed::Scope,
    plan::{Action, Change, Reason},
};

/// The program under measurement, built by the profile that benches have.
const PROGRAM: &str = env!("CARGO_BIN_EXE_tenantry");

/// How often something is measured; what is told is the least, and for a leaver also the most.
const RUNS: usize = 5;

/// What a leaver may take at so many users, in seconds.
const LEAVER: [(usize, f64); 2] = [(10_000, 0.5), (100_000, 3.0)];

fn main() {
    let sizes: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![10_000, 100_000] } else { sizes };
    for size in &sizes {
        let folder = TempDir::new().expect("a folder");
        let organisation = organisation::write(folder.path(), *size).expect("files");
        let allow = organisation.documents.to_string();
        tenantry(folder.path(), &["apply", "tenants", "--yes", "--allow-creates", &allow]);
        watch(folder.path(), &organisation, *size);
        if Some(size) == sizes.last() {
            history(folder.path(), organisation.documents);
        }
    }
}

fn tenantry(folder: &Path, arguments: &[&str]) -> Duration {
    let begin = Instant::now();
    let status = Command::new(PROGRAM).args(arguments).current_dir(folder).stdout(Stdio::null()).status().expect("a process");
    assert!(status.success(), "{arguments:?}");
    begin.elapsed()
}

/// Lets people go one by one, and waits for each to be shut out.
fn watch(folder: &Path, organisation: &organisation::Organisation, size: usize) {
    let mut watch: Child = Command::new(PROGRAM)
        .args(["watch", "tenants"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a process");
    let file = organisation.files.iter().rfind(|file| file.to_string_lossy().contains("users")).expect("a file of users");
    let mut text = fs::read_to_string(file).expect("a file");
    // It looks at everything once before it waits.
    thread::sleep(Duration::from_secs(2 + size as u64 / 20_000));
    let mut took = Vec::new();
    for _ in 0..RUNS {
        let mut documents: Vec<&str> = text.split_inclusive("---\n").collect();
        let leaver = documents.iter().rposition(|it| it.contains("enabled: true")).expect("somebody who can sign in");
        let field = |name: &str| documents[leaver].lines().find_map(|line| line.strip_prefix(name)).expect("a field").to_owned();
        let (namespace, name) = (field("  namespace: "), field("  name: "));
        documents.remove(leaver);
        text = documents.concat();
        fs::write(file, &text).expect("a file");
        // Opened before: whoever is measured has the machine for itself.
        let connection = open(folder);
        let begin = Instant::now();
        while enabled(&connection, &namespace, &name) {
            assert!(begin.elapsed() < Duration::from_mins(1), "{name} is not shut out");
            thread::sleep(Duration::from_millis(2));
        }
        took.push(begin.elapsed().as_secs_f64());
        thread::sleep(Duration::from_secs(1 + size as u64 / 50_000));
    }
    watch.kill().and_then(|()| watch.wait()).expect("it ends");
    took.sort_by(f64::total_cmp);
    let target = LEAVER.iter().find(|it| it.0 == size).map_or_else(String::new, |(_, seconds)| format!(", target {seconds} s"));
    println!("{size:>9}  watch, file saved → account disabled   {:.3} to {:.3} s{target}", took[0], took[RUNS - 1]);
}

/// By the key, which costs next to nothing to ask for.
fn enabled(connection: &Connection, namespace: &str, name: &str) -> bool {
    connection
        .query_row("SELECT enabled FROM objects WHERE kind = 'user' AND namespace = ?1 AND name = ?2", [namespace, name], |row| {
            row.get(0)
        })
        .expect("a row")
}

fn open(folder: &Path) -> Connection {
    Connection::open_with_flags(folder.join("tenantry.db"), OpenFlags::SQLITE_OPEN_READ_WRITE).expect("a database")
}

/// Edits everybody until there are ten records of each, then looks back.
fn history(folder: &Path, objects: usize) {
    let directory = Sqlite::open(folder, Path::new("tenantry.db")).expect("SQLite");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let owner = Name::new("default").expect("a name");
    let run = Run {
        id: "run".into(),
        owner: owner.clone(),
        actor: None,
        digest: "sha256:00".into(),
        losses_allowed: false,
        commits: std::sync::Arc::default(),
        stop: Stop::default(),
    };
    for round in 0..9 {
        let observed = runtime.block_on(directory.observe(&owner, &Scope::All, Duration::ZERO)).expect("a directory");
        let edit = |live: &tenantry::observed::Live| {
            let mut to = live.state.clone();
            match &mut to.body {
                Body::User(user) => user.display_name = Line::new(&format!("Round {round}")).ok(),
                Body::Company(company) => company.display_name = Line::new(&format!("{} {round}", company.display_name)).ok()?,
                Body::Customer(_) | Body::Role(_) => return None,
            }
            Some(Change {
                key: to.key.clone(),
                action: Action::Update { fields: live.state.changes(&to), to: Box::new(to) },
                credential: None,
                reason: Reason::Declared,
                before: None,
                remote: Some(live.id.clone()),
                expect: live.version.clone(),
                source: live.source.clone(),
                loss: 0,
                takes: None,
            })
        };
        let changes: Vec<Change> = observed.ours.iter().filter_map(edit).collect();
        let outcomes = runtime.block_on(directory.execute_all(&changes, &run));
        assert!(outcomes.iter().all(Result::is_ok));
    }
    let least = |work: &dyn Fn() -> Duration| (0..3).map(|_| work()).min().unwrap_or_default().as_secs_f64();
    let (scan, records) = (least(&|| scan(folder).0), scan(folder).1);
    println!("{records:>9}  records of {objects} objects, bare read          {scan:.3} s");
    for (what, arguments, note) in [
        ("history --at, one role", vec!["history", "--at", "2999-01-01", "--role", "common-manager"], ", target 2 s at 1 000 000"),
        ("history --at, everything", vec!["history", "--at", "2999-01-01"], ""),
        ("history --user", vec!["history", "--user", "nobody.here", "-o", "json"], ""),
        ("history verify", vec!["history", "verify"], ""),
        ("drift", vec!["drift", "tenants"], ""),
    ] {
        let run = || {
            let begin = Instant::now();
            let mut command = Command::new(PROGRAM);
            let _ = command
                .args(&arguments)
                .current_dir(folder)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .expect("a process");
            begin.elapsed()
        };
        let took = least(&run);
        println!("{records:>9}  {what:38} {took:.3} s, {:.1} × a bare read{note}", took / scan);
    }
}

/// Reads what history reads of every record, and does nothing with it.
fn scan(folder: &Path) -> (Duration, usize) {
    let begin = Instant::now();
    let connection = open(folder);
    let sql = "SELECT seq, at, verb, kind, namespace, name, owner, remote, changes FROM audit ORDER BY seq";
    let mut statement = connection.prepare(sql).expect("SQL");
    let mut rows = statement.query([]).expect("rows");
    let mut records = 0;
    while let Some(row) = rows.next().expect("a row") {
        for column in 0..9 {
            std::hint::black_box(row.get_ref(column).expect("a column"));
        }
        records += 1;
    }
    (begin.elapsed(), records)
}
