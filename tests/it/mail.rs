//! Letters: what they say, the folder they are put into, and a real mail server that takes or refuses them.

mod folder;
mod server;
mod smtp;
mod templates;
mod tls;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use tenantry::{
    credential::SecretString,
    mail::{Letter, MailError, Mailer, Occasion},
    manifest::{Mail, Transport},
    model::{Email, Line, Name, Username},
};

/// What a letter is made of.
#[derive(Clone)]
struct Case {
    occasion: Occasion,
    to: &'static str,
    username: String,
    name: Option<String>,
    secret: String,
    page: Option<&'static str>,
}

impl Case {
    fn invite() -> Self {
        let secret = format!("https://people.acme.example/tenantry/set-password?token={}", "aB3_".repeat(16));
        Self { occasion: Occasion::Invite, secret, ..Self::temporary() }
    }

    fn temporary() -> Self {
        Self {
            occasion: Occasion::Temporary,
            to: "mara@nordlicht.example",
            username: "mara.lindqvist".into(),
            name: Some("Mara Lindqvist".into()),
            secret: "aB3%x?Y_z-Q+4=h.M:7k".into(),
            page: None,
        }
    }

    fn named(name: &str) -> Self {
        Self { name: Some(name.into()), ..Self::temporary() }
    }

    fn to(to: &'static str) -> Self {
        Self { to, ..Self::temporary() }
    }

    async fn send(&self, mailer: &Mailer) -> Result<(), MailError> {
        let Self { occasion, to, username, name, secret, page } = self.clone();
        let name = name.map(|name| Line::new(&name).unwrap());
        let letter = Letter {
            occasion,
            to: &Email::new(to).unwrap(),
            username: &Username::new(&username).unwrap(),
            name: name.as_ref(),
            secret: &SecretString::from(secret),
            until: Timestamp::now() + 72.hours(),
            page,
            project: &Name::new("acme").unwrap(),
        };
        mailer.send(&letter).await
    }
}

/// A message as a mail program sees it.
#[derive(Debug, Deserialize)]
struct Seen {
    headers: BTreeMap<String, String>,
    count: usize,
    #[serde(rename = "type")]
    kind: String,
    types: Vec<String>,
    text: String,
    html: String,
    defects: Vec<String>,
}

impl Seen {
    fn read(files: &[PathBuf]) -> Vec<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/read_mail.py");
        let output = Command::new("python3").arg(script).args(files).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let all: Vec<Self> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(all.len(), files.len(), "{}", String::from_utf8_lossy(&output.stderr));
        for seen in &all {
            assert_eq!(seen.defects, [""; 0]);
            assert_eq!(seen.count, seen.headers.len(), "no header twice");
        }
        all
    }

    fn lines(&self) -> Vec<&str> {
        self.text.lines().collect()
    }

    /// The parts of the page that a person reads, without markup; entities are as they are.
    fn shown(&self) -> String {
        self.html.split('<').filter_map(|piece| piece.split_once('>')).map(|(_, text)| text).collect()
    }
}

fn settings(from: &str, transport: Transport) -> Mail {
    Mail { from: from.into(), templates: None, transport }
}

/// The files in a folder, which are letters and nothing else, oldest first.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.iter().all(|file| file.extension().is_some_and(|kind| kind == "eml")), "{files:?}");
    files
}

fn letters(folder: &Path) -> Vec<Seen> {
    Seen::read(&files(folder))
}

/// Writes letters into a folder and reads them back.
async fn written(cases: &[Case]) -> Vec<Seen> {
    let base = tempfile::tempdir().unwrap();
    let mailer = Mailer::open(None, base.path(), None).unwrap();
    for case in cases {
        case.send(&mailer).await.unwrap();
    }
    letters(&base.path().join("outbox"))
}
