//! A real Keycloak, one for all tests, and a realm of its own for each.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    thread,
};

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tenantry::{
    credential::SecretString,
    directory::Directory,
    drivers::{Sqlite, keycloak::Keycloak, remote::Ledgered},
    manifest::{KeycloakCompanies, KeycloakInvites, KeycloakRoles, KeycloakSettings},
    model::{Name, SecretSource},
};

use crate::{conformance::Trouble, proxy::Proxy};

/// The secret of every client.
pub(super) const SECRET: &str = "wei-Chu9ieng";

struct Server {
    /// It dies with us: its standard input is ours.
    _child: Child,
    url: String,
    token: String,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/keycloak");
    assert!(Command::new(&script).arg("prepare").status().unwrap().success(), "no Keycloak");
    let mut child = Command::new(script).arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = |name: &str| {
        let line = lines.next().unwrap().unwrap();
        line.strip_prefix(name).unwrap_or_else(|| panic!("{line}")).to_owned()
    };
    let (url, user, password) = (said("URL="), said("USER="), said("PASSWORD="));
    let at = url.clone();
    let token = alone(async move {
        let token = sign_in(&at, "master", "admin-cli", &user, &password).await;
        // The token has to last for as long as the tests do.
        let path = format!("{at}/admin/realms/master");
        let longer = json!({"accessTokenLifespan": 36_000});
        let answer = reqwest::Client::new().put(path).bearer_auth(token.unwrap()).json(&longer).send().await.unwrap();
        assert_eq!(answer.status(), 204);
        sign_in(&at, "master", "admin-cli", &user, &password).await.unwrap()
    });
    Server { _child: child, url, token }
});

/// Runs something to its end wherever we are, also on the thread of another runtime.
pub(super) fn alone<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    thread::spawn(move || runtime().block_on(work)).join().unwrap()
}

/// A token by somebody's password, or what was said to it.
pub(super) async fn sign_in(url: &str, realm: &str, client: &str, user: &str, password: &str) -> Result<String, String> {
    let form = [("grant_type", "password"), ("client_id", client), ("username", user), ("password", password)];
    let url = format!("{url}/realms/{realm}/protocol/openid-connect/token");
    let answer: Value = reqwest::Client::new().post(url).form(&form).send().await.unwrap().json().await.unwrap();
    match answer["access_token"].as_str() {
        Some(token) => Ok(token.to_owned()),
        None => Err(answer["error_description"].as_str().unwrap_or_default().to_owned()),
    }
}

/// A fresh realm.
pub(super) struct Realm {
    pub(super) name: String,
    pub(super) url: &'static str,
    http: reqwest::Client,
}

/// What a realm is made with.
pub(super) struct Made {
    /// Roles of the service account.
    pub(super) rights: &'static [&'static str],
    /// What the user profile says of attributes that it does not know.
    pub(super) policy: Option<&'static str>,
    /// Characters of the shortest username.
    pub(super) shortest: usize,
    /// Settings of the realm.
    pub(super) settings: Value,
}

impl Default for Made {
    fn default() -> Self {
        Self { rights: MANAGE_REALM, policy: Some("ADMIN_EDIT"), shortest: 1, settings: json!({}) }
    }
}

pub(super) const MANAGE_REALM: &[&str] = &["manage-users", "manage-realm"];
pub(super) const LEAST: &[&str] = &["manage-users", "view-realm"];

impl Realm {
    pub(super) fn new(made: Made) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("r{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let realm = Self { name: name.clone(), url: &SERVER.url, http: reqwest::Client::new() };
        alone(async move { Self::make(&name, made).await });
        realm
    }

    async fn make(name: &str, made: Made) {
        let Made { rights, policy, shortest, settings } = made;
        let mut realm = json!({
            "realm": name,
            "enabled": true,
            "editUsernameAllowed": true,
            "clients": [
                {"clientId": "tenantry", "secret": SECRET, "serviceAccountsEnabled": true, "standardFlowEnabled": false},
                {"clientId": "app", "publicClient": true, "directAccessGrantsEnabled": true},
            ],
            "users": [{
                "username": "service-account-tenantry",
                "enabled": true,
                "serviceAccountClientId": "tenantry",
                "clientRoles": {"realm-management": rights},
            }],
        });
        realm.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let it = Self { name: name.to_owned(), url: &SERVER.url, http: reqwest::Client::new() };
        assert_eq!(it.call(Method::POST, &format!("{}/admin/realms", it.url), Some(realm)).await, (201, Value::Null));
        let mut profile = it.get("users/profile").await;
        // The contract is tested with short names as well.
        let username = profile["attributes"].as_array_mut().unwrap().iter_mut().find(|it| it["name"] == "username").unwrap();
        username["validations"]["length"]["min"] = shortest.into();
        if let Some(policy) = policy {
            profile["unmanagedAttributePolicy"] = policy.into();
        }
        assert_eq!(it.put("users/profile", profile).await.0, 200);
    }

    async fn call(&self, method: Method, url: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.http.request(method, url).bearer_auth(&SERVER.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    fn path(&self, path: &str) -> String {
        let base = format!("{}/admin/realms/{}", self.url, self.name);
        if path.is_empty() { base } else { format!("{base}/{path}") }
    }

    /// What an administrator sees at a path of the realm.
    pub(super) async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.call(Method::GET, &self.path(path), None).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    pub(super) async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::PUT, &self.path(path), Some(body)).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::POST, &self.path(path), Some(body)).await
    }

    pub(super) async fn delete(&self, path: &str) -> u16 {
        self.call(Method::DELETE, &self.path(path), None).await.0
    }

    /// What becomes of a request without a body.
    pub(super) async fn call_at(&self, path: &str, method: Method) -> u16 {
        self.call(method, &self.path(path), None).await.0
    }

    /// The one user of a name.
    pub(super) async fn user(&self, username: &str) -> Value {
        let found = self.get(&format!("users?username={username}&exact=true")).await;
        let [user] = &found.as_array().unwrap()[..] else { panic!("{username}: {found}") };
        user.clone()
    }

    /// Whether somebody gets in with a password, or what they are told.
    pub(super) async fn sign_in(&self, user: &str, password: &str) -> Result<String, String> {
        sign_in(self.url, &self.name, "app", user, password).await
    }

    pub(super) fn settings(&self) -> KeycloakSettings {
        KeycloakSettings {
            url: self.url.to_owned(),
            realm: self.name.clone(),
            client_id: "tenantry".into(),
            client_secret: SecretSource::Env("UNUSED".into()),
            companies: KeycloakCompanies::Groups,
            roles: KeycloakRoles::Realm,
            root_company: None,
            invites: KeycloakInvites::Tenantry,
        }
    }

    /// A driver without a ledger.
    pub(super) fn driver(&self) -> Keycloak {
        open(&self.settings())
    }

    pub(super) fn driver_with(&self, edit: impl FnOnce(&mut KeycloakSettings)) -> Keycloak {
        let mut settings = self.settings();
        edit(&mut settings);
        open(&settings)
    }

    /// A directory, with a ledger of its own in a folder that has to outlive it.
    pub(super) fn directory(&self, edit: impl FnOnce(&mut KeycloakSettings)) -> (TempDir, Arc<dyn Directory>) {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Sqlite::ledger(folder.path(), Path::new("ledger.db")).unwrap();
        let directory = Ledgered::new(self.driver_with(edit), Arc::new(ledger), false);
        (folder, Arc::new(directory))
    }

    /// Writes a project for the realm, with some more in its settings: documents stand below `tenants`.
    pub(super) fn project(&self, folder: &Path, more: &Value) {
        let mut keycloak =
            json!({ "url": self.url, "realm": self.name, "clientId": "tenantry", "clientSecret": { "env": "SECRET" } });
        keycloak.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let project = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Project", "metadata": { "name": "acme" },
            "spec": { "directory": { "keycloak": keycloak }, "paths": ["tenants"] },
        });
        std::fs::write(folder.join("tenantry.yaml"), project.to_string()).unwrap();
    }

    /// The same with trouble on the way.
    pub(super) fn troubled(&self) -> ((TempDir, Proxy), Arc<dyn Directory>, Trouble) {
        static SEED: AtomicU64 = AtomicU64::new(1);
        let server = self.url.strip_prefix("http://").and_then(|it| it.parse().ok()).expect("an address");
        let proxy = Proxy::http(server, SEED.fetch_add(1, Ordering::Relaxed));
        let (folder, directory) = self.directory(|it| it.url = format!("http://{}", proxy.address()));
        let trouble = proxy.switch();
        ((folder, proxy), directory, trouble)
    }
}

/// What the program says in a folder, and how it ends.
pub(super) fn tenantry(folder: &Path, words: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
    let command = command.args(words).current_dir(folder).env_clear().env("SECRET", SECRET).env("HOME", folder);
    let done = command.output().unwrap();
    let text = [done.stdout, done.stderr].map(|it| String::from_utf8(it).unwrap()).concat();
    (done.status.code().unwrap(), text)
}

fn open(settings: &KeycloakSettings) -> Keycloak {
    Keycloak::open(settings, SecretString::from(SECRET)).unwrap()
}

pub(super) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A mail server of the tests.
pub(super) struct Mail {
    folder: TempDir,
    child: Child,
    pub(super) port: u16,
}

impl Mail {
    pub(super) fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/smtp");
        let folder = tempfile::tempdir().unwrap();
        let mut child =
            Command::new(script).arg("serve").arg(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("PORT=").expect("the server tells its port").parse().unwrap();
        Self { folder, child, port }
    }

    /// How many letters came.
    pub(super) fn count(&self) -> usize {
        std::fs::read_dir(self.folder.path())
            .unwrap()
            .filter(|it| it.as_ref().unwrap().path().extension().is_some_and(|it| it == "eml"))
            .count()
    }

    /// The first letter that came.
    pub(super) fn letter(&mut self) -> String {
        std::fs::read_to_string(self.folder.path().join("1.eml")).unwrap().replace("=\r\n", "").replace("=\n", "")
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
