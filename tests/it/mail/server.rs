//! A real mail server, made to misbehave: `tests/servers/smtp`.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use tempfile::TempDir;
use tenantry::{
    credential::SecretString,
    mail::Mailer,
    manifest::{Tls, Transport},
    model::SecretSource,
};

use super::{Seen, settings};

pub(super) struct Server {
    folder: TempDir,
    child: Child,
    pub(super) port: u16,
}

impl Server {
    /// Starts one with options of `smtp.py`, and installs it first where it is not there.
    pub(super) fn start(options: &[&str]) -> Self {
        static PREPARED: OnceLock<()> = OnceLock::new();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/smtp");
        PREPARED.get_or_init(|| assert!(Command::new(&script).arg("prepare").status().unwrap().success(), "no mail server"));
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(script)
            .arg("serve")
            .arg(folder.path())
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("PORT=").expect("the server tells its port").parse().unwrap();
        Self { folder, child, port }
    }

    /// What sends to it, unencrypted.
    pub(super) fn mailer(&self, account: Option<(&str, &str)>) -> Mailer {
        mailer("127.0.0.1", self.port, Tls::None, account)
    }

    /// The letters that came, in that order.
    pub(super) fn letters(&self) -> Vec<Seen> {
        let files: Vec<_> = (1..=self.count("letters")).map(|number| self.path(&format!("{number}.eml"))).collect();
        Seen::read(&files)
    }

    /// Recipient, sender, and whether the connection was private, of a letter.
    pub(super) fn envelope(&self, number: usize) -> String {
        fs::read_to_string(self.path(&format!("{number}.to"))).unwrap().lines().collect::<Vec<_>>().join(" ")
    }

    /// Every byte it was sent.
    pub(super) fn wire(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("wire")).unwrap()).into_owned()
    }

    /// `letters`, `connections`, and the `most` of them at once.
    pub(super) fn count(&self, what: &str) -> u32 {
        let text = fs::read_to_string(self.path("counts")).unwrap_or_default();
        let counts: BTreeMap<&str, u32> =
            text.lines().filter_map(|line| line.split_once('=')).map(|(name, count)| (name, count.parse().unwrap())).collect();
        counts.get(what).copied().unwrap_or_default()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

pub(super) fn mailer(host: &str, port: u16, tls: Tls, account: Option<(&str, &str)>) -> Mailer {
    let transport = Transport::Smtp {
        host: host.into(),
        port: Some(port),
        tls,
        username: account.map(|(username, _)| username.into()),
        password: account.map(|_| SecretSource::Env("UNREAD".into())),
    };
    let mail = settings("Tenantry <no-reply@acme.example>", transport);
    Mailer::open(Some(&mail), Path::new("/nowhere"), account.map(|(_, password)| SecretString::from(password))).unwrap()
}
