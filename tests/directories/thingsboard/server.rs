//! The server that a test works on: a simulator of its own; or, where `TENANTRY_TEST_THINGSBOARD_URL` names a real one, that, one
//! test after the other. A real one has to be without tenants when a test begins, and is again when it ends: nothing is ever
//! deleted that was there before.

use std::{
    env,
    io::BufReader,
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};

use crate::{
    http::Message,
    simulator::{SYSTEM, Simulator},
};

/// Whose turn it is on the real server.
static TURN: Mutex<()> = Mutex::new(());

pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// The system administrator.
    pub(super) username: String,
    pub(super) password: String,
    simulator: Option<Simulator>,
    _turn: Option<MutexGuard<'static, ()>>,
}

impl Server {
    /// One without tenants.
    pub(super) fn fresh() -> Self {
        let Ok(url) = env::var("TENANTRY_TEST_THINGSBOARD_URL") else { return Self::simulated() };
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let host = url.strip_prefix("http://").expect("the URL of a test server begins with http://").trim_end_matches('/');
        let address = host.to_socket_addrs().expect("HOST:PORT").next().expect("the host has an address");
        let told =
            |name: &str| env::var(format!("TENANTRY_TEST_THINGSBOARD_{name}")).unwrap_or_else(|_| panic!("…_{name} is not set"));
        let (username, password) = (told("USERNAME"), told("PASSWORD"));
        let it = Self { address, username, password, simulator: None, _turn: Some(turn) };
        assert_eq!(it.tenants(&it.sign_in()), Vec::<String>::new(), "the server has tenants: these tests want one without");
        it
    }

    /// A simulator, whatever there is: for what only that can be made to do.
    pub(super) fn simulated() -> Self {
        let simulator = Simulator::start();
        let (username, password) = (SYSTEM.0.to_owned(), SYSTEM.1.to_owned());
        Self { address: simulator.address(), username, password, simulator: Some(simulator), _turn: None }
    }

    /// The simulator of [`Server::simulated`].
    pub(super) fn simulator(&self) -> &Simulator {
        self.simulator.as_ref().expect("this is a simulator")
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A tenant with an administrator who has a password, and an API key of theirs.
    pub(super) fn tenant(&self, title: &str) -> (String, String) {
        let token = self.sign_in();
        let id = |value: &Value| value["id"]["id"].as_str().unwrap().to_owned();
        let tenant = id(&self.ask(Some(&token), "POST", "tenant", &json!({ "title": title })));
        let admin = json!({ "email": format!("{title}@robots.example"), "authority": "TENANT_ADMIN",
            "tenantId": { "entityType": "TENANT", "id": tenant } });
        let admin = id(&self.ask(Some(&token), "POST", "user?sendActivationMail=false", &admin));
        let link = self.ask(Some(&token), "GET", &format!("user/{admin}/activationLinkInfo"), &Value::Null);
        let activate = link["value"].as_str().unwrap().split_once("activateToken=").unwrap().1;
        let activate = json!({ "activateToken": activate, "password": "A robot's password 1" });
        let pair = self.ask(None, "POST", "noauth/activate?sendActivationMail=false", &activate);
        let key = json!({ "userId": { "entityType": "USER", "id": admin }, "description": "tests", "enabled": true,
            "expirationTime": 0 });
        let key = self.ask(pair["token"].as_str(), "POST", "apiKey", &key);
        (tenant, key["value"].as_str().unwrap().to_owned())
    }

    pub(super) fn sign_in(&self) -> String {
        let body = json!({ "username": self.username, "password": self.password });
        self.ask(None, "POST", "auth/login", &body)["token"].as_str().unwrap().to_owned()
    }

    fn tenants(&self, token: &str) -> Vec<String> {
        let page = self.ask(Some(token), "GET", "tenants?pageSize=1000&page=0", &Value::Null);
        page["data"].as_array().unwrap().iter().map(|it| it["id"]["id"].as_str().unwrap().to_owned()).collect()
    }

    /// A request by hand.
    pub(super) fn ask(&self, token: Option<&str>, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.raw(token, method, path, body);
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status(), Some(200), "{method} {path}: {said}");
        serde_json::from_str(&said).unwrap_or_default()
    }

    pub(super) fn raw(&self, token: Option<&str>, method: &str, path: &str, body: &Value) -> Message {
        let mut headers = vec![("Host".to_owned(), self.address.to_string())];
        headers.extend(token.map(|token| ("X-Authorization".to_owned(), format!("Bearer {token}"))));
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        headers.extend((!body.is_empty()).then(|| ("Content-Type".to_owned(), "application/json".to_owned())));
        let mut stream = TcpStream::connect(self.address).unwrap();
        Message { start: format!("{method} /api/{path} HTTP/1.1"), headers, body }.write(&mut stream).unwrap();
        Message::read(&mut BufReader::new(stream)).unwrap().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.simulator.is_some() {
            return;
        }
        // It had none when this began.
        let token = self.sign_in();
        for tenant in self.tenants(&token) {
            self.ask(Some(&token), "DELETE", &format!("tenant/{tenant}"), &Value::Null);
        }
    }
}
