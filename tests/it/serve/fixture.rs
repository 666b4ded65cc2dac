//! A directory with people in it, the server over it, and a client that follows nothing by itself.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use jiff::{Span, Timestamp};
use reqwest::{Client, Response, redirect::Policy};
use tempfile::TempDir;
use tenantry::{
    credential::{ExposeSecret, Hasher, SecretString, token},
    directory::{Debt, Issue, NewSecret},
    drivers::Sqlite,
    model::{Key, Place},
    observed::CredentialMark,
    plan::Change,
};

use crate::conformance::{Org, company, create, issue, key, name, user};

/// A password that fits the rules.
pub(super) const GOOD: &str = "correct horse Battery";

/// A company, and a folder with the database.
pub(super) struct World {
    pub(super) folder: TempDir,
    pub(super) org: Org,
}

impl World {
    pub(super) async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let directory = Arc::new(Sqlite::open(folder.path(), Path::new("tenantry.db")).unwrap());
        let org = Org::new(directory);
        org.execute(&create(&company("north", None))).await.unwrap();
        Self { folder, org }
    }

    /// Somebody who owes a credential.
    pub(super) async fn person(&self, called: &str) -> Key {
        let state = user(called, Place::Company(name("north")));
        let owed = issue(CredentialMark::Owed("x".into()));
        self.org.execute(&Change { credential: Some(owed), ..create(&state) }).await.unwrap();
        state.key
    }

    /// Gives somebody a secret that lives for some minutes.
    pub(super) async fn give(&self, called: &str, secret: NewSecret, minutes: i64) {
        let key = key(&format!("user/n/{called}"));
        let id = self.org.live(&key).await.id;
        let until = Some(Timestamp::now() + Span::new().minutes(minutes));
        let issues = [Issue { debt: Debt { key, id, owed: CredentialMark::Owed("x".into()) }, secret, until }];
        self.org.directory.issue(&issues, &self.org.run).await.pop().unwrap().unwrap();
    }

    /// Sends somebody a link: the path that it has.
    pub(super) async fn link(&self, called: &str, minutes: i64) -> String {
        let token = token().unwrap();
        self.give(called, NewSecret::Link(token.hash), minutes).await;
        format!("/set-password/{}", token.text.expose_secret())
    }

    /// Gives somebody a password.
    pub(super) async fn password(&self, called: &str, password: &str, must_change: bool, minutes: i64) {
        let hash = Hasher::default().hash(SecretString::from(password)).await.unwrap();
        self.give(called, NewSecret::Password { hash, plain: None, must_change }, minutes).await;
    }

    /// Shuts somebody off.
    pub(super) async fn disable(&self, called: &str) {
        let change = self.org.change(&key(&format!("user/n/{called}")), |state| state.enabled = false).await;
        self.org.execute(&change).await.unwrap();
    }

    pub(super) fn project(&self, base_url: &str) {
        let text = format!(
            "apiVersion: tenantry.dev/v1alpha1\nkind: Project\nmetadata: {{ name: acme }}\nspec:\n  directory: {{ sqlite: {{ path: tenantry.db }} }}\n  links: {{ baseUrl: \"{base_url}\" }}\n"
        );
        std::fs::write(self.folder.path().join("tenantry.yaml"), text).unwrap();
    }

    pub(super) fn serve(&self) -> Server {
        Server::start(self.folder.path(), &[])
    }

    /// Checks a password by the command: exit code and standard output.
    pub(super) fn verify(&self, username: &str, password: &[u8]) -> (i32, String, String) {
        let mut child = binary(self.folder.path())
            .args(["verify-password", "--", username])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdin.take().unwrap().write_all(password));
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap_or(-1), text(stdout), text(stderr))
    }
}

pub(super) fn binary(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
    command.current_dir(folder).env_clear();
    command
}

/// The server, ended when it is dropped.
pub(super) struct Server {
    pub(super) child: Child,
    /// `http://127.0.0.1:PORT`.
    pub(super) url: String,
    pub(super) client: Client,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(folder: &Path, variables: &[(&str, &str)]) -> Self {
        let mut child = binary(folder)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let log = Arc::new(Mutex::new(first.clone()));
        let sink = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            let mut line = String::new();
            while matches!(lines.read_line(&mut line), Ok(1..)) {
                sink.lock().unwrap().push_str(&line);
                line.clear();
            }
        });
        let Some(url) = first.trim().strip_prefix("Listening on ") else {
            let mut rest = String::new();
            let _ = reader.join();
            rest.push_str(&log.lock().unwrap());
            panic!("it does not listen: {rest}");
        };
        Self { url: url.to_owned(), child, client: client(), log, reader: Some(reader) }
    }

    pub(super) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// Ends it, if it has not ended, and gives what it wrote.
    pub(super) fn log(mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.log.lock().unwrap().clone()
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.client.get(format!("{}{path}", self.url)).send().await.unwrap()).await
    }

    pub(super) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        Answer::of(self.client.post(format!("{}{path}", self.url)).form(fields).send().await.unwrap()).await
    }

    /// Sets a password with a link.
    pub(super) async fn set(&self, link: &str, password: &str) -> Answer {
        self.post(link, &[("password", password), ("again", password)]).await
    }

    /// Changes a password.
    pub(super) async fn change(&self, username: &str, current: &str, password: &str) -> Answer {
        let fields = [("username", username), ("current", current), ("password", password), ("again", password)];
        self.post("/password", &fields).await
    }

    /// Sends bytes as they are and reads until the other side closes.
    pub(super) fn raw(&self, bytes: &str) -> String {
        let mut stream = std::net::TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(bytes.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that keeps no cookies and follows nothing.
pub(super) fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().redirect(Policy::none()).no_proxy().timeout(Duration::from_mins(1)).build().unwrap()
}

/// An answer, without the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Answer {
    pub(super) async fn of(response: Response) -> Self {
        let status = response.status().as_u16();
        let mut headers: Vec<_> = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .filter(|(name, _)| name != "date")
            .collect();
        headers.sort();
        Self { status, headers, body: response.text().await.unwrap() }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
