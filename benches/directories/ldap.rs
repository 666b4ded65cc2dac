//! LDAP: new users against `ldapadd` with the very same entries, and a look at what has not changed. Each server starts empty.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use secrecy::SecretString;
use smol_str::{SmolStr, format_smolstr};
use tempfile::TempDir;
use tenantry::{
    directory::Stop,
    drivers::{
        ldap::Ldap,
        remote::{Edit, Remote, Target},
    },
    manifest::LdapSettings,
    model::{Field, Kind, RemoteId, SecretSource},
};
use tokio::runtime::Runtime;

use crate::server;

const USERS: usize = 10_000;
/// A company for every so many users.
const STAFF: usize = 100;
/// Edits at a time.
const CHUNK: usize = 200;
const PAIRS: usize = 3;
const ACCOUNT: &str = "cn=tenantry,dc=test";

struct Server {
    _process: server::Server,
    folder: TempDir,
    url: String,
}

impl Server {
    fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut server = server::Server::start("slapd", &[folder.path().as_os_str()]);
        let url = format!("ldap://127.0.0.1:{}", server.says("PORT"));
        Self { _process: server, folder, url }
    }

    fn tool(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["-x", "-H", &self.url, "-D", ACCOUNT, "-w", "service"]);
        command
    }

    fn open(&self) -> Ldap {
        let settings = LdapSettings {
            url: self.url.clone(),
            base_dn: "ou=t0,dc=test".into(),
            bind_dn: ACCOUNT.into(),
            password: SecretSource::File("unused".into()),
        };
        Ldap::open(&settings, SecretString::from("service")).expect("settings")
    }

    /// Everything in it, in an order in which it can be added: what stands above comes first.
    fn dump(&self) -> String {
        let mut command = self.tool("ldapsearch");
        command.args(["-LLL", "-o", "ldif-wrap=no", "-E", "pr=500/noprompt", "-b", "ou=t0,dc=test", "(!(ou=t0))"]);
        String::from_utf8(command.output().expect("ldapsearch").stdout).expect("text")
    }
}

fn company(row: usize) -> Target {
    let name = format_smolstr!("company-{row:06}");
    let mark = format!(
        r#"{{"owner":"acme","key":"company/nordlicht/{name}","deletion":"Disable","leftEnabled":true,"displayName":"{name}"}}"#
    );
    Target { kind: Kind::Company, name, parent: None, fields: Vec::new(), role: None, enabled: true, mark: Some(mark) }
}

fn user(row: usize, parent: &RemoteId) -> Target {
    let name = format_smolstr!("first.last-{row:07}");
    let fields = vec![
        (Field::Username, name.clone()),
        (Field::Email, format_smolstr!("{name}@nordlicht.example")),
        (Field::DisplayName, "Maximilian Musterfrau".into()),
        (Field::FirstName, "Maximilian".into()),
        (Field::LastName, "Musterfrau".into()),
        (Field::Phone, "+4915112345678".into()),
    ];
    let mark = format!(
        r#"{{"owner":"acme","key":"user/nordlicht/user-{row:07}","deletion":"Disable","leftEnabled":true,"source":"users/service.yaml:41","region":"asia-pacific"}}"#
    );
    let (parent, role) = (Some(parent.clone()), Some(SmolStr::new_static("operations-engineer")));
    Target { kind: Kind::User, name, parent, fields, role, enabled: true, mark: Some(mark) }
}

async fn write(ldap: &Ldap, targets: Vec<Target>) -> Vec<RemoteId> {
    let edits: Vec<Edit> = targets.into_iter().map(Edit::Create).collect();
    let mut ids = Vec::with_capacity(edits.len());
    for chunk in edits.chunks(CHUNK) {
        let written = ldap.write(chunk, &Stop::default()).await;
        ids.extend(written.into_iter().map(|item| item.expect("written").expect("there").id));
    }
    ids
}

/// Users a second: ours, then of `ldapadd` with the same entries.
fn pair(runtime: &Runtime) -> (f64, f64) {
    #[allow(clippy::cast_precision_loss, reason = "ten thousand")]
    let rate = |time: Duration| (USERS + USERS / STAFF) as f64 / time.as_secs_f64();
    let server = Server::start();
    let ours = runtime.block_on(async {
        let ldap = server.open();
        let started = Instant::now();
        let companies = write(&ldap, (0..USERS / STAFF).map(company).collect()).await;
        write(&ldap, (0..USERS).map(|row| user(row, &companies[row / STAFF])).collect()).await;
        started.elapsed()
    });
    let ldif = server.dump();
    drop(server);
    let server = Server::start();
    let file = server.folder.path().join("all.ldif");
    std::fs::write(&file, ldif).expect("a file");
    let mut command = server.tool("ldapadd");
    command.arg("-f").arg(&file).stdout(Stdio::null());
    let started = Instant::now();
    assert!(command.status().expect("ldapadd").success());
    (rate(ours), rate(started.elapsed()))
}

/// What it costs to look at everything when nothing has changed.
fn sweep(runtime: &Runtime) {
    let server = Server::start();
    runtime.block_on(async {
        let ldap = server.open();
        let companies = write(&ldap, (0..USERS / STAFF).map(company).collect()).await;
        write(&ldap, (0..USERS).map(|row| user(row, &companies[row / STAFF])).collect()).await;
        let roles = BTreeSet::from(["operations-engineer".into()]);
        let ldap = Arc::new(server.open());
        let mut text = String::new();
        for what in ["the first", "the next"] {
            let (started, before) = (Instant::now(), ldap.traffic().requests);
            let found = ldap.sweep(&roles).await.expect("all of it");
            assert_eq!(found.len(), USERS + USERS / STAFF);
            let _ =
                write!(text, "; {what} {} requests, {:.2} s", ldap.traffic().requests - before, started.elapsed().as_secs_f64());
        }
        println!("ldap: reading {} objects{text}", USERS + USERS / STAFF);
    });
}

pub(crate) fn run() {
    let runtime = Runtime::new().expect("a runtime");
    let mut ratios = Vec::new();
    for _ in 0..PAIRS {
        let (ours, theirs) = pair(&runtime);
        println!("ldap: {USERS} users: {ours:.0}/s, ldapadd {theirs:.0}/s, ratio {:.2}", ours / theirs);
        ratios.push(ours / theirs);
    }
    ratios.sort_by(f64::total_cmp);
    println!("ldap: median ratio {:.2}", ratios[PAIRS / 2]);
    sweep(&runtime);
}
