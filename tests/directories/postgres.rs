//! A directory in a PostgreSQL database keeps the contract, and what a server brings with it.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use secrecy::SecretString;
use tempfile::TempDir;
use tenantry::drivers::Postgres;
use tokio_postgres::{Client, NoTls};

/// A server with throw-away data, for as long as this lives.
struct Server {
    port: u16,
    password: String,
    process: u32,
    folder: TempDir,
    child: Child,
    // The server ends with its standard input.
    leash: Option<ChildStdin>,
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/postgres");
        let mut child = Command::new(script)
            .arg("serve")
            .arg(folder.path())
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let leash = child.stdin.take();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut value = |name: &str| {
            let line = lines.next().expect("the server says what it listens on").unwrap();
            line.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')).unwrap_or_else(|| panic!("{line}")).to_owned()
        };
        println!("tested with {}", value("VERSION"));
        let (port, password) = (value("PORT").parse().unwrap(), value("PASSWORD"));
        Self { port, password, process: value("PID").parse().unwrap(), folder, child, leash }
    }

    /// Where a role signs in; what is in the URL besides comes last.
    fn url(&self, role: &str, password: &str, more: &str) -> SecretString {
        format!("postgres://{role}:{password}@127.0.0.1:{}/postgres{more}", self.port).into()
    }

    fn superuser(&self) -> SecretString {
        self.url("postgres", &self.password, "")
    }

    fn open(&self, schema: &str) -> Arc<Postgres> {
        Arc::new(Postgres::open(&self.superuser(), schema, Path::new("")).unwrap())
    }

    /// Another program that is connected.
    async fn connect(&self) -> Client {
        let config = format!("host=127.0.0.1 port={} user=postgres password={} dbname=postgres", self.port, self.password);
        let (client, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.leash = None;
        let _ = self.child.wait();
    }
}

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(&[]));

fn schema() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn fresh() -> (String, Arc<Postgres>) {
    let schema = schema();
    let directory = SERVER.open(&schema);
    (schema, directory)
}

crate::conformance::suite!(fresh);
