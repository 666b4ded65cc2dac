//! A real server for the tests: `tests/servers/slapd`.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use tempfile::TempDir;
use tenantry::{directory::DirectoryError, drivers::ldap::Ldap, manifest::LdapSettings, model::SecretSource};

/// Trees for tests in a server.
const TREES: usize = 80;

/// A server that ends with what holds it.
pub(super) struct Server {
    folder: TempDir,
    options: Vec<String>,
    port: u16,
    child: Child,
    taken: AtomicUsize,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Server {
    /// The one without overlays that write by themselves.
    pub(super) fn alone() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| Self::start(&[]))
    }

    /// The one with them.
    pub(super) fn with_overlays() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| Self::start(&["--overlays", "memberof refint"]))
    }

    pub(super) fn start(options: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let trees = TREES.to_string();
        let options: Vec<_> = options.iter().chain(&["--trees", &trees]).map(|option| (*option).to_owned()).collect();
        let (child, port) = serve(folder.path(), &options);
        Self { folder, options, port, child, taken: AtomicUsize::new(0) }
    }

    /// Stops it, does something without it, and starts it again with the same data.
    pub(super) async fn restart(&mut self, without: impl AsyncFnOnce()) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
        without().await;
        let options = [self.options.clone(), vec!["--port".into(), self.port.to_string()]].concat();
        (self.child, self.port) = serve(self.folder.path(), &options);
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A tree that nobody else uses.
    pub(super) fn tree(&self) -> Tree {
        let tree = self.taken.fetch_add(1, Ordering::SeqCst);
        assert!(tree < TREES);
        Tree { port: self.port, base: format!("ou=t{tree},dc=test") }
    }
}

fn serve(folder: &Path, options: &[String]) -> (Child, u16) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/slapd");
    let mut command = Command::new(script);
    command.arg("serve").arg(folder).args(options).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut value = |name: &str| {
        let line = lines.next().expect("the server says what it listens on").unwrap();
        line.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')).unwrap_or_else(|| panic!("{line}")).to_owned()
    };
    println!("tested with slapd {}", value("VERSION"));
    (child, value("PORT").parse().unwrap())
}

/// The driver, as anybody, anywhere.
pub(super) fn open_at(url: &str, base: &str, dn: &str, password: &str) -> Result<Ldap, DirectoryError> {
    let settings =
        LdapSettings { url: url.into(), base_dn: base.into(), bind_dn: dn.into(), password: SecretSource::File("unused".into()) };
    Ldap::open(&settings, super::secret(password))
}

/// An empty folder of a server.
pub(super) struct Tree {
    port: u16,
    base: String,
}

impl Tree {
    pub(super) fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// The driver, as the account that has no more rights than it needs.
    pub(super) fn open(&self) -> Ldap {
        open_at(&self.url(), &self.base, "cn=tenantry,dc=test", "service").unwrap()
    }

    fn run(&self, program: &str, dn: &str, password: &str, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(program);
        command.args(["-x", "-H", &self.url(), "-D", dn, "-w", password]).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Changes something as the administrator of the server.
    pub(super) fn change(&self, ldif: &str) {
        let output = self.run("ldapmodify", "cn=root,dc=test", "root", &["-M"], ldif);
        assert!(output.status.success(), "{}\n{ldif}", String::from_utf8_lossy(&output.stderr));
    }

    /// Whether somebody may change something.
    pub(super) fn changes_as(&self, dn: &str, password: &str, ldif: &str) -> bool {
        self.run("ldapmodify", dn, password, &[], ldif).status.success()
    }

    /// The lines of an entry as the administrator sees it, sorted.
    pub(super) fn entry(&self, dn: &str) -> Vec<String> {
        self.lines(dn, "*")
    }

    fn lines(&self, dn: &str, attribute: &str) -> Vec<String> {
        let arguments = ["-LLL", "-o", "ldif-wrap=no", "-s", "base", "-b", dn, attribute];
        let output = self.run("ldapsearch", "cn=root,dc=test", "root", &arguments, "");
        let text = String::from_utf8(output.stdout).unwrap();
        let mut lines: Vec<_> =
            text.lines().filter(|line| !line.is_empty() && !line.starts_with("dn:")).map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// The values of an attribute; those that a line cannot hold as they are read from base64, as `userPassword` always is.
    pub(super) fn values(&self, dn: &str, attribute: &str) -> Vec<String> {
        use base64::{Engine, prelude::BASE64_STANDARD};
        let (name, coded) = attribute.strip_suffix(':').map_or((attribute, false), |name| (name, true));
        let value = |line: String| {
            let value = line.split_once(if coded { ":: " } else { ": " })?.1.to_owned();
            if coded { String::from_utf8(BASE64_STANDARD.decode(value).ok()?).ok() } else { Some(value) }
        };
        self.lines(dn, name).into_iter().filter_map(value).collect()
    }

    /// Whether somebody can sign in with the password of the suite.
    pub(super) fn binds(&self, dn: &str) -> bool {
        self.binds_with(dn, crate::conformance::PASSWORD)
    }

    pub(super) fn binds_with(&self, dn: &str, password: &str) -> bool {
        self.run("ldapwhoami", dn, password, &[], "").status.success()
    }

    /// Whether the server lets them do nothing but change their password.
    pub(super) fn must_change(&self, dn: &str) -> bool {
        let output = self.run("ldapwhoami", dn, crate::conformance::PASSWORD, &["-e", "ppolicy"], "");
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&said).contains("Password must be changed")
    }
}
