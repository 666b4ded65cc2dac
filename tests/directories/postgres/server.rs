//! A real server, for as long as a test or the whole test process lives.

use std::{
    io::{BufRead, BufReader, Lines},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use secrecy::SecretString;
use tempfile::TempDir;
use tenantry::drivers::Postgres;
use tokio_postgres::{Client, NoTls};

/// A server with throw-away data, for as long as this lives.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) password: String,
    pub(crate) folder: TempDir,
    child: Child,
    // The server ends with its standard input.
    leash: Option<ChildStdin>,
    // Nobody closes what it writes to while it does.
    _said: Lines<BufReader<ChildStdout>>,
}

impl Server {
    pub(crate) fn start(options: &[&str]) -> Self {
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
        Self { port, password, folder, child, leash, _said: lines }
    }

    /// Where a role signs in; what is in the URL besides comes last.
    pub(crate) fn url(&self, role: &str, password: &str, more: &str) -> SecretString {
        format!("postgres://{role}:{password}@127.0.0.1:{}/postgres{more}", self.port).into()
    }

    pub(crate) fn superuser(&self) -> SecretString {
        self.url("postgres", &self.password, "")
    }

    pub(crate) fn open(&self, schema: &str) -> Arc<Postgres> {
        Arc::new(Postgres::open(&self.superuser(), schema, Path::new("")).unwrap())
    }

    /// Another program that is connected.
    pub(crate) async fn connect(&self) -> Client {
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

/// The server of every test that does no harm to it.
pub(crate) static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(&[]));

/// A name that no other test uses.
pub(crate) fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{what}_{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A schema that does not exist yet.
pub(crate) fn fresh() -> (String, Arc<Postgres>) {
    let schema = unique("test");
    let directory = SERVER.open(&schema);
    (schema, directory)
}

/// Changes what is in a schema with another program.
pub(crate) async fn tamper(schema: &str, sql: &str) {
    let client = SERVER.connect().await;
    client.batch_execute(&format!("SET search_path = {schema}; {sql}")).await.unwrap();
}
