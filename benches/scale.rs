//! The measured claims of the README: the whole program, its wall time and peak memory, beside what cannot be avoided.
//!
//! ```text
//! cargo build --release && cargo bench --bench scale              1 000, 10 000 and 100 000 users
//! cargo bench --bench scale -- 1000000                            any sizes
//! ```
//!
//! The release binary is run as people run it. Beside it stand a bare parse of the same files (the same YAML crate, typed,
//! on all cores), a bare insert of the same rows (the same SQLite, the same tables, one transaction), and a no-op plan of
//! 1 000 resources by Terraform, where that is on the PATH. Every time is the least of a few runs; every ratio is of times
//! taken in this run.

#![allow(clippy::cast_precision_loss, reason = "sizes are shown in MiB")]

mod organisation;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, params_from_iter, types::Value};
use serde::Deserialize;
use tempfile::TempDir;

use organisation::Organisation;

/// The program under measurement, built by the profile that benches have.
const PROGRAM: &str = env!("CARGO_BIN_EXE_tenantry");

/// How often something is measured, at most; what takes long is measured once.
const RUNS: usize = 3;

/// What a no-op plan of so many users may take, and how much memory: seconds, MiB.
const TARGETS: [(usize, f64, f64); 3] = [(10_000, 0.4, f64::INFINITY), (100_000, 1.5, 400.0), (1_000_000, 15.0, 2_560.0)];

fn main() {
    let sizes: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1_000, 10_000, 100_000] } else { sizes };
    let others = terraform(1_000);
    println!("{:>9}  {:28} {:>9} {:>9}  target or ratio", "users", "what", "s", "MiB");
    for size in sizes {
        measure(size, others.as_ref());
    }
}

fn measure(size: usize, others: Option<&Run>) {
    let folder = TempDir::new().expect("a folder");
    let organisation = organisation::write(folder.path(), size).expect("files");
    let row = |what: &str, run: &Run, note: &str| {
        let memory = run.memory.map_or_else(String::new, |bytes| format!("{:.0}", mib(bytes)));
        println!("{size:>9}  {what:28} {:>9.3} {memory:>9}  {note}", run.seconds());
    };

    let parse = least(|| Run::of(|| bare_parse(&organisation)));
    let (count, mebibytes) = (organisation.documents, organisation.bytes as f64 / f64::from(1 << 20));
    row("bare parse", &parse, &format!("{count} documents, {mebibytes:.1} MiB"));

    let allow = organisation.documents.to_string();
    let apply = tenantry(folder.path(), &["apply", "tenants", "--yes", "--allow-creates", &allow]);
    let insert = bare_insert(folder.path());
    row("bare insert", &insert, "");
    let target = if size == 100_000 { ", target 4" } else { "" };
    row("apply, creating all", &apply, &format!("{:.1} × a bare insert{target}", apply.seconds() / insert.seconds()));

    let plan = least(|| tenantry(folder.path(), &["plan", "tenants", "--detailed-exitcode"]));
    let mut note = format!("{:.1} × a bare parse", plan.seconds() / parse.seconds());
    if let Some((_, seconds, memory)) = TARGETS.iter().find(|target| target.0 == size) {
        let _ = write!(note, ", target {seconds} s");
        if memory.is_finite() {
            let _ = write!(note, " and {memory} MiB");
        }
    }
    row("plan, nothing to do", &plan, &note);
    if let Some(others) = others.filter(|_| size == 1_000) {
        let note = format!("{:.0} × ours, target 100 ×", others.seconds() / plan.seconds());
        row("terraform plan, nothing to do", others, &note);
    }
}

/// How long something took, and the most memory it had where that is known.
struct Run {
    wall: Duration,
    memory: Option<u64>,
}

impl Run {
    fn of(work: impl FnOnce()) -> Self {
        let begin = Instant::now();
        work();
        Self { wall: begin.elapsed(), memory: None }
    }

    fn seconds(&self) -> f64 {
        self.wall.as_secs_f64()
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The fastest of a few runs.
fn least(run: impl Fn() -> Run) -> Run {
    let mut best = run();
    for _ in 1..RUNS {
        if best.wall > Duration::from_secs(20) {
            break;
        }
        let next = run();
        if next.wall < best.wall {
            best = next;
        }
    }
    best
}

/// Runs the program; anything but success ends the measurement.
fn tenantry(folder: &Path, arguments: &[&str]) -> Run {
    process(Command::new(PROGRAM).args(arguments).current_dir(folder))
}

/// Runs a process to its end. Linux says of a living process how much memory it had at most (`VmHWM`), so what was said
/// last counts: that is exact but for the last milliseconds, in which a process gives memory back.
fn process(command: &mut Command) -> Run {
    let begin = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("a process");
    let errors = child.stderr.take().map(|errors| thread::spawn(move || std::io::read_to_string(errors).unwrap_or_default()));
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut memory = None;
    let ended = loop {
        if let Some(ended) = child.try_wait().expect("a process that was started") {
            break ended;
        }
        memory = peak(&status).or(memory);
        thread::sleep(Duration::from_millis(2));
    };
    let wall = begin.elapsed();
    let errors = errors.and_then(|errors| errors.join().ok()).unwrap_or_default();
    assert!(ended.success(), "{command:?}: {ended}\n{errors}");
    Run { wall, memory }
}

fn peak(status: &Path) -> Option<u64> {
    let status = fs::read_to_string(status).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

/// A document as it is written, without a single rule.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "it is read and thrown away")]
struct Document {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "it is read and thrown away")]
struct Metadata {
    name: String,
    namespace: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "it is read and thrown away")]
struct Spec {
    username: Option<String>,
    email: Option<String>,
    display_name: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    phone: Option<String>,
    company: Option<String>,
    customer: Option<String>,
    parent: Option<String>,
    role: Option<String>,
    region: Option<String>,
    description: Option<String>,
    enabled: Option<bool>,
    deletion: Option<String>,
}

fn bare_parse(organisation: &Organisation) {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        let mut count = 0;
        loop {
            let file = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let Some(file) = organisation.files.get(file) else { return count };
            let text = fs::read_to_string(file).expect("a file");
            for document in serde_yaml::Deserializer::from_str(&text) {
                std::hint::black_box(Document::deserialize(document).expect("a document"));
                count += 1;
            }
        }
    };
    let count: usize = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker")).sum()
    });
    assert_eq!(count, organisation.documents);
}

/// Inserts the rows that an apply has made into an empty database with the same tables.
fn bare_insert(folder: &Path) -> Run {
    let source = Connection::open(folder.join("tenantry.db")).expect("a database");
    let texts = |sql: &str| -> Vec<String> {
        let mut statement = source.prepare(sql).expect("SQL");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<Result<_, _>>().expect("texts")
    };
    let tables =
        texts("SELECT sql FROM sqlite_schema WHERE tbl_name = 'objects' AND sql IS NOT NULL ORDER BY type DESC, name").join(";");
    let mut select = source.prepare("SELECT * FROM objects ORDER BY row").expect("SQL");
    let columns = select.column_count();
    let rows = select.query_map([], |row| (0..columns).map(|column| row.get(column)).collect::<Result<Vec<Value>, _>>());
    let rows: Vec<Vec<Value>> = rows.and_then(Iterator::collect).expect("rows");
    least(|| {
        let folder = TempDir::new_in(folder).expect("a folder");
        let mut target = Connection::open(folder.path().join("bare.db")).expect("a database");
        let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                        PRAGMA cache_size = -65536; PRAGMA mmap_size = 268435456;";
        target.execute_batch(&format!("{settings}{tables}")).expect("tables");
        Run::of(|| {
            let transaction = target.transaction().expect("a transaction");
            let insert = format!("INSERT INTO objects VALUES ({})", vec!["?"; columns].join(", "));
            let mut insert = transaction.prepare(&insert).expect("SQL");
            for row in &rows {
                insert.execute(params_from_iter(row)).expect("a row");
            }
            drop(insert);
            transaction.commit().expect("a commit");
        })
    })
}

/// A no-op plan of so many `terraform_data`, which are built in: local state, nothing to download. Nothing without Terraform.
fn terraform(resources: usize) -> Option<Run> {
    let folder = TempDir::new().expect("a folder");
    let mut text = String::new();
    for row in 0..resources {
        let input = format!("username = \"user-{row}\", email = \"user-{row}@nordlicht.example\", role = \"owner\"");
        let _ = writeln!(text, "resource \"terraform_data\" \"user_{row}\" {{\n  input = {{ {input} }}\n}}");
    }
    fs::write(folder.path().join("main.tf"), text).expect("a file");
    let command = |arguments: &[&str]| {
        let mut command = Command::new("terraform");
        command.args(arguments).arg("-no-color").current_dir(folder.path()).env("CHECKPOINT_DISABLE", "1");
        command
    };
    command(&["version"]).stdout(Stdio::null()).stderr(Stdio::null()).status().ok().filter(std::process::ExitStatus::success)?;
    process(&mut command(&["init", "-input=false"]));
    process(&mut command(&["apply", "-auto-approve", "-input=false"]));
    Some(least(|| process(&mut command(&["plan", "-refresh=true", "-detailed-exitcode", "-input=false"]))))
}
