//! A directory that somebody else runs: how the controller gets in is in a Secret of its own namespace.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use super::{Bench, company, condition, is_ready, user, user_with};
use crate::cluster::{Call, SYSTEM, unique};

/// A `PostgreSQL` server with throw-away data; it ends with its standard input.
struct Postgres {
    child: Child,
    port: u16,
    password: String,
    _folder: tempfile::TempDir,
}

impl Postgres {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/postgres");
        let mut command = Command::new(script);
        let mut child =
            command.arg("serve").arg(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("PostgreSQL");
        let said = BufReader::new(child.stdout.take().unwrap()).lines().take(3).map(Result::unwrap);
        let said: Vec<String> = said.map(|line| line.split_once('=').unwrap().1.to_owned()).collect();
        let [_, port, password] = &said[..] else { panic!("{said:?}") };
        Self { child, port: port.parse().unwrap(), password: password.clone(), _folder: folder }
    }

    fn url(&self, role: &str, password: &str) -> String {
        format!("postgres://{role}:{password}@127.0.0.1:{}/postgres", self.port)
    }

    /// What the superuser does.
    fn sql(&self, sql: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let url = self.url("postgres", &self.password);
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
            tokio::join!(async { drop(connection.await) }, async move { client.batch_execute(sql).await.unwrap() });
        });
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn secret(bench: &Bench<'_>, name: &str, url: &str) {
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": { "url": url } });
    bench.cluster.ask_all(vec![Call::apply("secrets", SYSTEM, secret)]);
}

#[test]
fn a_directory_is_entered_with_a_secret_that_may_come_late_and_change() {
    const FIRST: &str = "Orange-Lamp-41";
    const SECOND: &str = "Green-Door-17";
    let server = Postgres::start();
    server.sql(&format!("CREATE ROLE tenants LOGIN PASSWORD '{FIRST}'; GRANT CREATE ON DATABASE postgres TO tenants"));
    let name = unique("way-in");
    let directory =
        json!({ "directory": { "postgres": { "url": { "secretRef": { "name": name, "key": "url" } }, "schema": "tenants" } } });
    let bench = Bench::with("elsewhere", &directory, &["--resync", "3s"]);
    bench.apply([company("north"), user("anna")]);
    let away = |it: &Value, word: &str| {
        let ready = condition(it, "Ready");
        ready["reason"] == "DirectoryUnavailable" && ready["message"].as_str().unwrap().contains(word)
    };
    bench
        .until("Directory", &bench.directory, "misses its Secret", |it| away(it, &format!("there is no Secret `{SYSTEM}/{name}`")));
    assert!(!is_ready(&bench.get("User", "anna")));
    secret(&bench, &name, &server.url("tenants", FIRST));
    bench.ready("User", "anna");
    bench.ready("Directory", &bench.directory);
    // The same program, by hand, finds them there.
    let project = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Project", "metadata": { "name": bench.directory },
        "spec": { "directory": { "postgres": { "url": { "file": "url" }, "schema": "tenants" } } },
    });
    fs::write(bench.path().join("tenantry.yaml"), project.to_string()).unwrap();
    fs::write(bench.path().join("url"), server.url("postgres", &server.password)).unwrap();
    let before = bench.account("anna");
    assert!(before.enabled && before.spec["email"] == "anna@x.example");
    // The password is another one by now: nobody is removed for it, and all goes on when the Secret says so.
    server.sql(&format!(
        "ALTER ROLE tenants PASSWORD '{SECOND}'; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tenants'"
    ));
    bench.apply([user_with("anna", &json!({ "displayName": "Anna" })), user("ben")]);
    let told = bench.until("Directory", &bench.directory, "is refused", |it| away(it, "password authentication failed"));
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(bench.accounts("User").into_values().collect::<Vec<_>>(), std::slice::from_ref(&before));
    secret(&bench, &name, &server.url("tenants", SECOND));
    bench.all_ready("User", 2);
    let after = bench.account("anna");
    assert_eq!((&after.id, &after.spec["displayName"]), (&before.id, &json!("Anna")));
    bench.delete("User", ["ben"]);
    bench.gone("User", "ben");
    let told = format!("{told}{}{}{}", bench.dir(), bench.log(), bench.controller().metrics());
    for password in [FIRST, SECOND] {
        assert!(!told.contains(password), "{told}");
    }
}
