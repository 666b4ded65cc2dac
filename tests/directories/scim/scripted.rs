//! A small SCIM service that keeps resources and misbehaves as a test wants it to.

use std::{
    collections::BTreeMap,
    io::BufReader,
    net::TcpStream,
    sync::{Arc, Mutex},
};

use serde_json::{Map, Value, json};

use crate::http::{Door, Message};

/// What the service answers instead of what it would; it is told what it would.
type Script = dyn Fn(&Asked, &mut State, Message) -> Option<Message> + Send + Sync;

/// A request.
pub(super) struct Asked {
    pub(super) method: String,
    /// `Users`, `Groups`, `Schemas`
    pub(super) endpoint: String,
    pub(super) id: Option<String>,
    pub(super) query: BTreeMap<String, String>,
    pub(super) body: Value,
}

/// What the service keeps, and how often it was asked what.
#[derive(Default)]
pub(super) struct State {
    /// `Users/7`
    pub(super) resources: BTreeMap<String, Value>,
    /// `POST Users`
    pub(super) asked: BTreeMap<String, usize>,
    next: u64,
}

pub(super) struct Scripted {
    door: Door,
    pub(super) state: Arc<Mutex<State>>,
}

impl Scripted {
    /// One that does what it should but for the script.
    pub(super) fn new(script: impl Fn(&Asked, &mut State, Message) -> Option<Message> + Send + Sync + 'static) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let (it, script): (_, Box<Script>) = (Arc::clone(&state), Box::new(script));
        let door = Door::open(move |stream| drop(serve(&stream, &it, &*script)));
        Self { door, state }
    }

    pub(super) fn scim(&self) -> tenantry::drivers::Scim {
        super::open(self.door.address, "")
    }

    pub(super) fn keep(&self, endpoint: &str, id: &str, mut resource: Value) {
        resource["id"] = id.into();
        self.state.lock().unwrap().resources.insert(format!("{endpoint}/{id}"), resource);
    }

    pub(super) fn asked(&self, what: &str) -> usize {
        self.state.lock().unwrap().asked.get(what).copied().unwrap_or_default()
    }

    pub(super) fn kept(&self, at: &str) -> Option<Value> {
        self.state.lock().unwrap().resources.get(at).cloned()
    }
}

fn serve(mut stream: &TcpStream, state: &Mutex<State>, script: &Script) -> std::io::Result<()> {
    let Some(message) = Message::read(&mut BufReader::new(stream))? else { return Ok(()) };
    let mut parts = message.path().trim_matches('/').split('/').map(str::to_owned);
    let asked = Asked {
        method: message.method().to_owned(),
        endpoint: parts.next().unwrap_or_default(),
        id: parts.next(),
        query: url(message.query()),
        body: serde_json::from_slice(&message.body).unwrap_or_default(),
    };
    let answer = {
        let mut state = state.lock().unwrap();
        *state.asked.entry(format!("{} {}", asked.method, asked.endpoint)).or_default() += 1;
        let usual = usual(&asked, &mut state);
        script(&asked, &mut state, usual)
    };
    match answer {
        Some(answer) => answer.write(&mut stream),
        None => stream.shutdown(std::net::Shutdown::Both),
    }
}

/// What a service without PATCH, filters and discovery does.
fn usual(asked: &Asked, state: &mut State) -> Message {
    let Asked { method, endpoint, id, query, body } = asked;
    let at = format!("{endpoint}/{}", id.as_deref().unwrap_or_default());
    match (method.as_str(), id) {
        _ if endpoint != "Users" && endpoint != "Groups" => Message::answer(404, &[], ""),
        ("POST", None) => {
            state.next += 1;
            let mut body = body.clone();
            body["id"] = format!("new-{}", state.next).into();
            state.resources.insert(format!("{endpoint}/new-{}", state.next), body.clone());
            scim(201, &body)
        }
        ("GET", None) => {
            let all = state.resources.iter().filter(|(at, _)| at.starts_with(endpoint.as_str())).map(|(_, it)| it.clone());
            list(&all.collect::<Vec<_>>(), query)
        }
        ("GET", Some(_)) => match state.resources.get(&at) {
            Some(found) => scim(200, found),
            None => Message::answer(404, &[], ""),
        },
        ("PUT", Some(_)) => {
            state.resources.insert(at, body.clone());
            scim(200, body)
        }
        ("DELETE", Some(_)) => {
            let status = if state.resources.remove(&at).is_some() { 204 } else { 404 };
            Message::answer(status, &[], "")
        }
        _ => Message::answer(501, &[], ""),
    }
}

/// One page of a list.
pub(super) fn list(all: &[Value], query: &BTreeMap<String, String>) -> Message {
    let number = |name: &str, default: usize| query.get(name).map_or(default, |it| it.parse().unwrap());
    let (start, count) = (number("startIndex", 1), number("count", 10));
    let page: Vec<_> = all.iter().skip(start - 1).take(count).collect();
    scim(200, &json!({"totalResults": all.len(), "startIndex": start, "itemsPerPage": page.len(), "Resources": page}))
}

pub(super) fn scim(status: u16, body: &Value) -> Message {
    Message::answer(status, &[("Content-Type", "application/scim+json")], body.to_string())
}

/// An error as services give them.
pub(super) fn error(status: u16, kind: &str) -> Message {
    let mut body = Map::new();
    body.insert("status".into(), status.to_string().into());
    body.insert("scimType".into(), kind.into());
    scim(status, &Value::Object(body))
}

fn url(query: &str) -> BTreeMap<String, String> {
    let url = reqwest::Url::parse(&format!("http://x/?{query}")).unwrap();
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}
