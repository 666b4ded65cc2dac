//! Keycloak, by the program itself: new users with their companies and roles against bare `POST`s of the same users over eight
//! connections; then, with many users, what a plan costs that changes nothing, and an apply that changes one.

use std::{
    fmt::Write as _,
    fs,
    io::{Read, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::server;

/// Users that are made beside bare requests, connections of those, and users of a realm where nearly nothing changes.
const NEW: usize = 2_000;
const CONNECTIONS: usize = 8;
const MANY: usize = 10_000;
/// Users of a company.
const STAFF: usize = 100;
const SECRET: &str = "wei-Chu9ieng";

struct Server {
    _process: server::Server,
    url: String,
    token: String,
    http: Client,
}

impl Server {
    async fn start() -> Self {
        let mut server = server::Server::start("keycloak", &["--lasting".as_ref()]);
        let (url, user, password) = (server.says("URL"), server.says("USER"), server.says("PASSWORD"));
        let mut it = Self { _process: server, url, token: String::new(), http: Client::new() };
        it.token = it.sign_in(&user, &password).await;
        // Longer than all of this takes.
        it.call(Method::PUT, "master", Some(json!({"accessTokenLifespan": 36_000}))).await;
        it.token = it.sign_in(&user, &password).await;
        it
    }

    async fn sign_in(&self, user: &str, password: &str) -> String {
        let form = [("grant_type", "password"), ("client_id", "admin-cli"), ("username", user), ("password", password)];
        let url = format!("{}/realms/master/protocol/openid-connect/token", self.url);
        let answer: Value = self.http.post(url).form(&form).send().await.expect("an answer").json().await.expect("JSON");
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.http.request(method, format!("{}/admin/realms/{path}", self.url)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("an answer").error_for_status().expect("success");
        serde_json::from_str(&answer.text().await.expect("a body")).unwrap_or_default()
    }

    /// A realm with our client in it.
    async fn realm(&self, name: &str) {
        let realm = json!({
            "realm": name,
            "enabled": true,
            "clients": [{"clientId": "tenantry", "secret": SECRET, "serviceAccountsEnabled": true, "standardFlowEnabled": false}],
            "users": [{
                "username": "service-account-tenantry",
                "enabled": true,
                "serviceAccountClientId": "tenantry",
                "clientRoles": {"realm-management": ["manage-users", "manage-realm"]},
            }],
        });
        self.call(Method::POST, "", Some(realm)).await;
        let mut profile = self.call(Method::GET, &format!("{name}/users/profile"), None).await;
        profile["unmanagedAttributePolicy"] = "ADMIN_EDIT".into();
        self.call(Method::PUT, &format!("{name}/users/profile"), Some(profile)).await;
    }

    /// The users of one realm, made in another one by bare requests, without companies and roles.
    async fn bare(&self, from: &str, to: &str) -> Duration {
        let users = self.call(Method::GET, &format!("{from}/users?max={}&briefRepresentation=false", 2 * NEW), None).await;
        let users: Vec<Value> = users.as_array().expect("a list").iter().map(same).collect();
        assert_eq!(users.len(), NEW);
        let clients: Vec<Client> =
            (0..CONNECTIONS).map(|_| Client::builder().pool_max_idle_per_host(1).build().expect("one")).collect();
        let begin = Instant::now();
        let lanes = clients.iter().enumerate().map(|(lane, client)| {
            let users = &users;
            async move {
                for user in users.iter().skip(lane).step_by(CONNECTIONS) {
                    let request = client.post(format!("{}/admin/realms/{to}/users", self.url)).bearer_auth(&self.token).json(user);
                    assert_eq!(request.send().await.expect("an answer").status(), 201);
                }
            }
        });
        stream::iter(lanes).for_each_concurrent(None, |lane| lane).await;
        let took = begin.elapsed();
        println!("POST of the same {NEW} users over {CONNECTIONS} connections: {took:.2?}");
        took
    }
}

/// A user as it was made, without what the server adds.
fn same(user: &Value) -> Value {
    let kept = ["username", "email", "firstName", "lastName", "enabled", "attributes"];
    kept.into_iter().map(|field| (field.to_owned(), user[field].clone())).collect::<serde_json::Map<_, _>>().into()
}

/// What goes to the server through here: requests, and those of them that write.
struct Counter {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
    writes: Arc<AtomicU64>,
}

impl Counter {
    fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let it = Self { address: listener.local_addr().expect("its own"), requests: Arc::default(), writes: Arc::default() };
        let (requests, writes) = (Arc::clone(&it.requests), Arc::clone(&it.writes));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(server) else { return };
                let (Ok(from), Ok(to)) = (server.try_clone(), client.try_clone()) else { return };
                thread::spawn(move || pump(from, to, |_| ()));
                let (requests, writes) = (Arc::clone(&requests), Arc::clone(&writes));
                thread::spawn(move || {
                    pump(client, server, |part| {
                        let asks = |words: &[&str]| words.iter().any(|word| part.starts_with(format!("{word} /admin/").as_bytes()));
                        requests.fetch_add(u64::from(asks(&["GET", "POST", "PUT", "DELETE"])), Ordering::Relaxed);
                        writes.fetch_add(u64::from(asks(&["POST", "PUT", "DELETE"])), Ordering::Relaxed);
                    });
                });
            }
        });
        it
    }

    /// Since the last time.
    fn take(&self) -> String {
        let (requests, writes) = (self.requests.swap(0, Ordering::Relaxed), self.writes.swap(0, Ordering::Relaxed));
        format!("{} reads, {writes} writes", requests - writes)
    }
}

/// One direction of a connection. A request is sent at once, so it begins where something that is read begins.
fn pump(mut from: TcpStream, mut to: TcpStream, see: impl Fn(&[u8])) {
    let mut buffer = vec![0; 256 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        see(&buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Both));
}

/// A project for a realm, with so many users.
struct Home(TempDir);

impl Home {
    fn new(url: &str, realm: &str, users: usize) -> Self {
        let it = Self(TempDir::new().expect("a folder"));
        let project = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Project", "metadata": { "name": "acme" },
            "spec": {
                "directory": { "keycloak": { "url": url, "realm": realm, "clientId": "tenantry", "clientSecret": { "env": "SECRET" } } },
                "paths": ["tenants"],
            },
        });
        it.write("tenantry.yaml", &project.to_string());
        it.declare(users, "Musterfrau");
        it
    }

    fn write(&self, file: &str, text: &str) {
        let file = self.0.path().join(file);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, text).expect("a file");
    }

    /// `last` is the last name of the last one.
    fn declare(&self, users: usize, last: &str) {
        let mut text = String::new();
        for at in 0..users.div_ceil(STAFF) {
            let _ = writeln!(
                text,
                "---\napiVersion: tenantry.dev/v1alpha1\nkind: Company\nmetadata: {{ name: company-{at:03}, namespace: acme }}\nspec: {{ displayName: Company {at} }}"
            );
        }
        for at in 0..users {
            let (role, last) = (["owner", "common-manager"][at % 2], if at + 1 == users { last } else { "Musterfrau" });
            let _ = writeln!(
                text,
                "---\napiVersion: tenantry.dev/v1alpha1\nkind: User\nmetadata: {{ name: user-{at:05}, namespace: acme }}\nspec: {{ username: \
                 first.last-{at:05}, email: first.last-{at:05}@acme.example, firstName: Maximilian, lastName: {last}, displayName: \
                 Maximilian Musterfrau, region: asia-pacific, phone: \"+4915112345678\", company: company-{:03}, role: {role} }}",
                at / STAFF
            );
        }
        self.write("tenants/all.yaml", &text);
    }

    /// Runs the program, shows how it ends, and says how long it took.
    fn run(&self, words: &[&str]) -> Duration {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        command.args(words).current_dir(self.0.path()).env_clear().env("SECRET", SECRET).env("HOME", self.0.path());
        let begin = Instant::now();
        let done = command.output().expect("the program");
        let took = begin.elapsed();
        let text = [done.stdout, done.stderr].map(|it| String::from_utf8_lossy(&it).into_owned()).concat();
        let last: Vec<&str> =
            text.lines().filter(|line| ["Plan:", "Applied", "keycloak:"].iter().any(|it| line.starts_with(it))).collect();
        println!("  tenantry {}: {took:.2?}\n    {}", words.join(" "), last.join("\n    "));
        assert!(done.status.success(), "it has failed");
        took
    }
}

const APPLY: &[&str] = &["apply", "--yes", "--allow-creates", "100000", "-v"];

async fn measure() {
    let server = Server::start().await;
    let address = server.url.strip_prefix("http://").and_then(|it| it.parse().ok()).expect("an address");
    // The first turns make the server warm: a Java program is compiled while it runs.
    for turn in 1..=5 {
        let (ours, theirs) = (format!("ours-{turn}"), format!("bare-{turn}"));
        server.realm(&ours).await;
        server.realm(&theirs).await;
        let took = Home::new(&server.url, &ours, NEW).run(APPLY);
        println!("apply of {NEW} new users with their companies and roles: {took:.2?}");
        let bare = server.bare(&ours, &theirs).await;
        println!("speed of creating, as a part of that of bare requests: {:.2}", bare.as_secs_f64() / took.as_secs_f64());
    }
    server.realm("many").await;
    let counter = Counter::before(address);
    let home = Home::new(&format!("http://{}", counter.address), "many", MANY);
    home.run(APPLY);
    println!("apply of {MANY} new users in {} companies: {}", MANY / STAFF, counter.take());
    home.run(&["plan", "-v"]);
    println!("plan that changes nothing: {}", counter.take());
    home.declare(MANY, "Mustermann");
    home.run(APPLY);
    println!("apply that changes one: {}", counter.take());
    home.run(&["apply", "--yes", "-v"]);
    println!("apply that changes nothing: {}", counter.take());
}

pub(crate) fn run() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Runtime::new().expect("a runtime").block_on(measure());
}
