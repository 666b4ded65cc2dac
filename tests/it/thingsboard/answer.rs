//! Requests read, answers and errors written, lists cut into pages: `backends.md`, 2.2.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::http::Message;

/// A request of something below `/api`.
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: Vec<String>,
    pub(super) query: BTreeMap<String, String>,
    /// `X-Authorization`, else `Authorization` (2.1).
    pub(super) proof: Option<String>,
    /// Nothing where it is no JSON.
    pub(super) body: Option<Value>,
}

impl Asked {
    pub(super) fn of(message: &Message) -> Self {
        let url = reqwest::Url::parse(&format!("http://x{}?{}", message.path(), message.query())).unwrap();
        let path: Vec<String> = url.path_segments().unwrap().map(str::to_owned).collect();
        let proof = message.header("X-Authorization").filter(|it| !it.is_empty()).or(message.header("Authorization"));
        Self {
            method: message.method().to_owned(),
            path: path.into_iter().skip(1).collect(),
            query: url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
            proof: proof.map(str::to_owned),
            body: serde_json::from_slice(&message.body).ok(),
        }
    }

    /// The object that is sent. Malformed JSON is a 500/2 (2.2).
    pub(super) fn object(&self) -> Result<serde_json::Map<String, Value>, Refusal> {
        match &self.body {
            Some(Value::Object(object)) => Ok(object.clone()),
            _ => Err(error(500, 2, "Malformed JSON")),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<String, Refusal> {
        let text = self.object()?.get(name).and_then(Value::as_str).map(str::to_owned);
        text.ok_or_else(|| error(400, 31, &format!("{name} should be specified!")))
    }
}

/// An error of the server.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    code: u16,
    message: String,
}

pub(super) fn error(status: u16, code: u16, message: &str) -> Refusal {
    Refusal { status, code, message: message.to_owned() }
}

impl Refusal {
    /// `{"status","message","errorCode","timestamp"}` (2.2). One that quotes what is no ASCII is Latin-1 and says so; a 429 has no
    /// `Retry-After` (2.2).
    pub(super) fn message(&self) -> Message {
        let Self { status, code, message } = self;
        let body =
            json!({ "status": status, "message": message, "errorCode": code, "timestamp": 1_767_225_600_000_u64 }).to_string();
        if body.is_ascii() {
            return Message::answer(*status, &[("Content-Type", "application/json")], body);
        }
        let latin: Vec<u8> = body.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
        Message::answer(*status, &[("Content-Type", "application/json;charset=ISO-8859-1")], latin)
    }
}

/// What was asked for, in UTF-8 (2.2).
pub(super) fn ok(value: &Value) -> Message {
    Message::answer(200, &[("Content-Type", "application/json")], value.to_string())
}

/// Done, and nothing to say.
pub(super) fn done() -> Message {
    Message::answer(200, &[], "")
}

/// One page (2.2): size and number are required, and without them it is a 500/2; `textSearch` is SQL `ilike` over one column, with
/// `_` and `%` as wildcards and `\` before them.
pub(super) fn page(asked: &Asked, mut rows: Vec<&Value>, searched: &str) -> Result<Message, Refusal> {
    let number = |name: &str| asked.query.get(name).map(|it| it.parse::<i64>());
    let (Some(Ok(size)), Some(Ok(at))) = (number("pageSize"), number("page")) else {
        return Err(error(500, 2, "Required request parameter is not present"));
    };
    if size <= 0 || at < 0 {
        return Err(error(400, 31, "Incorrect page link: pageSize should be greater than zero, page not negative"));
    }
    if let Some(search) = asked.query.get("textSearch") {
        let pattern: Vec<char> = format!("%{search}%").to_lowercase().chars().collect();
        rows.retain(|row| {
            let text: Vec<char> = row[searched].as_str().unwrap_or_default().to_lowercase().chars().collect();
            like(&pattern, &text)
        });
    }
    match asked.query.get("sortProperty").map(String::as_str) {
        // guessed: without one in the order of identifiers.
        None => {}
        Some("createdTime") => rows.sort_by_key(|row| row["createdTime"].as_i64()),
        Some(name @ ("email" | "title" | "name" | "firstName" | "lastName")) => {
            rows.sort_by_key(|row| row[name].as_str().unwrap_or_default().to_owned());
        }
        Some(_) => return Err(error(500, 46, "Database error")),
    }
    match asked.query.get("sortOrder").map(String::as_str) {
        None | Some("ASC") => {}
        Some("DESC") => rows.reverse(),
        Some(_) => return Err(error(400, 31, "Unsupported sort order")),
    }
    let (size, at, total) = (usize::try_from(size).unwrap(), usize::try_from(at).unwrap(), rows.len());
    let data: Vec<&Value> = rows.into_iter().skip(size * at).take(size).collect();
    let next = size * (at + 1) < total;
    Ok(ok(&json!({ "data": data, "totalPages": total.div_ceil(size), "totalElements": total, "hasNext": next })))
}

/// SQL `like`.
fn like(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['%', rest @ ..] => (0..=text.len()).any(|from| like(rest, &text[from..])),
        ['_', rest @ ..] => !text.is_empty() && like(rest, &text[1..]),
        ['\\', c, rest @ ..] | [c, rest @ ..] => text.first() == Some(c) && like(rest, &text[1..]),
    }
}
