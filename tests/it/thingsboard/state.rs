//! What the server keeps.

use std::{
    collections::BTreeMap,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};

use super::{
    answer::{Asked, Refusal, error},
    reference,
};

/// The customer of those who have none (2.2).
pub(super) const NOBODY: &str = "13814000-1dd2-11b2-8080-808080808080";

/// A mail that the server sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mail {
    /// With the link that activates.
    Activation(String),
    /// With the link that sets another password.
    Reset(String),
}

/// What lets somebody in.
#[derive(Debug, Clone, Default)]
pub(super) struct Credentials {
    pub(super) enabled: bool,
    /// Until it is used, and never after.
    pub(super) activate: Option<String>,
    pub(super) reset: Option<String>,
    pub(super) password: Option<String>,
}

/// A token: whose, and in which second it was made.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) caller: Caller,
    pub(super) issued: u64,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) user: String,
    pub(super) authority: String,
    pub(super) tenant: String,
}

/// A device, an asset, a dashboard.
pub(super) struct Thing {
    pub(super) sort: String,
    pub(super) tenant: String,
    pub(super) customer: Option<String>,
    pub(super) row: Value,
}

/// How fast those of a tenant may go.
pub(super) struct Bucket {
    pub(super) holds: f64,
    pub(super) per_second: f64,
    pub(super) left: f64,
    pub(super) since: Instant,
}

/// Everything.
pub(crate) struct State {
    pub(super) tenants: BTreeMap<String, Value>,
    pub(super) customers: BTreeMap<String, Value>,
    pub(super) users: BTreeMap<String, Value>,
    pub(super) credentials: BTreeMap<String, Credentials>,
    pub(super) tokens: BTreeMap<String, Token>,
    /// Tokens of earlier seconds than this are no good any more.
    pub(super) outdated: BTreeMap<String, u64>,
    pub(super) keys: BTreeMap<String, String>,
    pub(super) things: BTreeMap<String, Thing>,
    pub(super) bucket: Option<Bucket>,
    made: u64,
    /// The server's own mails.
    pub(crate) mails: Vec<Mail>,
    /// No mail goes out.
    pub(crate) no_mail: bool,
    /// How often what was asked: `GET user/ID`.
    pub(crate) asked: BTreeMap<String, u64>,
    /// Requests that were read and not answered yet, and the most that there ever were.
    pub(super) under_way: u64,
    pub(crate) most: u64,
    /// How often 429 was said.
    pub(crate) slowed: u64,
    /// What is answered instead, given method and path.
    pub(crate) script: Option<Box<Script>>,
}

/// See [`State::script`].
pub(crate) type Script = dyn FnMut(&str, &str) -> Option<crate::http::Message> + Send;

impl State {
    pub(super) fn new() -> Self {
        let mut state = Self {
            tenants: BTreeMap::new(),
            customers: BTreeMap::new(),
            users: BTreeMap::new(),
            credentials: BTreeMap::new(),
            tokens: BTreeMap::new(),
            outdated: BTreeMap::new(),
            keys: BTreeMap::new(),
            things: BTreeMap::new(),
            bucket: None,
            made: 0,
            mails: Vec::new(),
            no_mail: false,
            asked: BTreeMap::new(),
            under_way: 0,
            most: 0,
            slowed: 0,
            script: None,
        };
        let system = state.id();
        let mut row = Map::new();
        row.insert("email".into(), super::SYSTEM.0.into());
        row.insert("authority".into(), "SYS_ADMIN".into());
        row.insert("tenantId".into(), reference("TENANT", NOBODY));
        state.keep_user(&system, row, 1);
        state.let_in(&system, super::SYSTEM.1);
        state
    }

    /// A new identifier, as of a UUID of version 1.
    pub(super) fn id(&mut self) -> String {
        self.made += 1;
        format!("{:08x}-7c11-11f0-a9d7-{:012x}", self.made.wrapping_mul(2_654_435_761) & 0xffff_ffff, self.made)
    }

    pub(super) fn begin(&mut self, asked: &Asked) {
        self.under_way += 1;
        self.most = self.most.max(self.under_way);
        let what: Vec<&str> = asked.path.iter().map(|part| if part.len() == 36 { "ID" } else { part.as_str() }).collect();
        *self.asked.entry(format!("{} {}", asked.method, what.join("/"))).or_default() += 1;
    }

    pub(super) fn keep_user(&mut self, id: &str, mut row: Map<String, Value>, version: i64) -> Value {
        let created = self.users.get(id).map_or_else(|| json!(millis()), |known| known["createdTime"].clone());
        row.insert("id".into(), reference("USER", id));
        row.insert("createdTime".into(), created);
        row.insert("version".into(), version.into());
        let email = row["email"].clone();
        row.insert("name".into(), email);
        if !row.contains_key("customerId") || row["customerId"].is_null() {
            row.insert("customerId".into(), reference("CUSTOMER", NOBODY));
        }
        self.users.insert(id.to_owned(), Value::Object(row.clone()));
        Value::Object(row)
    }

    /// A tenant that somebody else has made.
    pub(crate) fn add_tenant(&mut self, title: &str) -> String {
        let id = self.id();
        let row = json!({ "id": reference("TENANT", &id), "createdTime": millis(), "title": title, "region": "Global", "version": 1,
            "additionalInfo": null });
        self.tenants.insert(id.clone(), row);
        id
    }

    /// A user whom somebody else has made, and who never had a password.
    pub(crate) fn add_user(&mut self, tenant: &str, customer: Option<&str>, email: &str) -> String {
        let id = self.id();
        let mut row = Map::new();
        row.insert("email".into(), email.into());
        row.insert("authority".into(), if customer.is_some() { "CUSTOMER_USER" } else { "TENANT_ADMIN" }.into());
        row.insert("tenantId".into(), reference("TENANT", tenant));
        row.insert("customerId".into(), reference("CUSTOMER", customer.unwrap_or(NOBODY)));
        row.insert("additionalInfo".into(), Value::Null);
        self.keep_user(&id, row, 1);
        let credentials = Credentials { activate: Some(format!("{id}-act")), ..Credentials::default() };
        self.credentials.insert(id.clone(), credentials);
        id
    }

    /// Somebody has set a password.
    pub(crate) fn let_in(&mut self, user: &str, password: &str) {
        let credentials = Credentials { enabled: true, activate: None, reset: None, password: Some(password.to_owned()) };
        self.credentials.insert(user.to_owned(), credentials);
    }

    pub(crate) fn add_key(&mut self, user: &str) -> String {
        let key = format!("tb_{}", self.id());
        self.keys.insert(key.clone(), user.to_owned());
        key
    }

    /// A device, an asset, a dashboard.
    pub(crate) fn add_thing(&mut self, sort: &str, tenant: &str, customer: Option<&str>, name: &str) {
        let id = self.id();
        let row = json!({ "id": { "id": id }, "createdTime": millis(), "name": name, "title": name });
        let (sort, tenant, customer) = (sort.to_owned(), tenant.to_owned(), customer.map(str::to_owned));
        self.things.insert(id, Thing { sort, tenant, customer, row });
    }

    /// From now on those of tenants get so many requests at once, and so many a second.
    pub(crate) fn limit(&mut self, holds: f64, per_second: f64) {
        self.bucket = Some(Bucket { holds, per_second, left: holds, since: Instant::now() });
    }

    /// No token is good any more; API keys are.
    pub(crate) fn end_tokens(&mut self) {
        self.tokens.clear();
    }

    /// The user with an e-mail, as the server keeps it: the additions of a single read are not there.
    pub(crate) fn user(&self, email: &str) -> Option<Value> {
        self.users.values().find(|user| user["email"] == email).cloned()
    }

    /// The customer or tenant with a title.
    pub(crate) fn place(&self, title: &str) -> Option<Value> {
        self.customers.values().chain(self.tenants.values()).find(|it| it["title"] == title).cloned()
    }

    /// Whether somebody could sign in, with which password, and how they could set the first one.
    pub(crate) fn door(&self, email: &str) -> (bool, Option<String>, Option<String>) {
        let id = self.user(email).expect("there is such a user")["id"]["id"].as_str().unwrap().to_owned();
        let Credentials { enabled, activate, reset: _, password } = self.credentials[&id].clone();
        (enabled, password, activate)
    }

    /// Somebody else changes an object.
    pub(crate) fn change(&mut self, id: &str, edit: impl FnOnce(&mut Value)) {
        let row = self.users.get_mut(id).or_else(|| self.customers.get_mut(id)).or_else(|| self.tenants.get_mut(id)).unwrap();
        edit(row);
        row["version"] = json!(row["version"].as_i64().unwrap() + 1);
    }

    /// Every user's e-mail, sorted.
    pub(crate) fn emails(&self) -> Vec<String> {
        let mut emails: Vec<String> = self.users.values().map(|user| user["email"].as_str().unwrap().to_owned()).collect();
        emails.sort();
        emails
    }

    /// Whom a request is about, if the caller may (2.1): the system's administrator is refused for users of customers, and one of
    /// a tenant for another tenant's.
    pub(super) fn user_for(&self, caller: &Caller, id: &str) -> Result<Value, Refusal> {
        let user = self.users.get(id).ok_or_else(|| error(404, 32, "Requested item wasn't found!"))?;
        let theirs = user["tenantId"]["id"] == caller.tenant.as_str();
        match caller.authority.as_str() {
            "SYS_ADMIN" if user["authority"] != "CUSTOMER_USER" => Ok(user.clone()),
            "TENANT_ADMIN" if theirs => Ok(user.clone()),
            _ if id == caller.user => Ok(user.clone()),
            _ => Err(forbidden()),
        }
    }

    /// The object may be saved over the version that it has, and over whichever it has where none is said (2.3).
    pub(super) fn next_version(entity: &str, known: &Value, sent: &Map<String, Value>) -> Result<i64, Refusal> {
        let has = known["version"].as_i64().unwrap();
        match sent.get("version").and_then(Value::as_i64) {
            Some(said) if said != has => Err(error(409, 35, &format!("{entity} was already changed by someone else"))),
            Some(_) | None => Ok(has + 1),
        }
    }
}

/// 403/20 (2.2).
pub(super) fn forbidden() -> Refusal {
    error(403, 20, "You don't have permission to perform this operation!")
}

/// What is saved of what is sent: these fields, and null for those that are left out (2.3). What is not known is ignored (2.2).
pub(super) fn replaced(sent: &Map<String, Value>, fields: &[&str]) -> Result<Map<String, Value>, Refusal> {
    for (name, value) in sent {
        // guessed: how `@NoXss` says it, and that nothing but `<` counts.
        if fields.contains(&name.as_str()) && value.to_string().contains('<') {
            return Err(error(400, 31, &format!("Validation error: {name} is malformed")));
        }
        // 2.4: texts have 255 characters at most.
        if value.as_str().is_some_and(|text| text.chars().count() > 255) {
            return Err(error(400, 31, &format!("Validation error: length of {name} must be equal or less than 255")));
        }
    }
    Ok(fields.iter().map(|name| ((*name).to_owned(), sent.get(*name).cloned().unwrap_or_default())).collect())
}

/// What the server takes for an e-mail (2.4): ASCII, and a name of at least two letters at the end.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, host)) = text.split_once('@') else { return false };
    let Some((name, top)) = host.rsplit_once('.') else { return false };
    let fits = |text: &str, more: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    fits(local, "_!#$%&'*+/=?`{|}~^.-") && fits(name, ".-") && top.len() >= 2 && top.chars().all(|c| c.is_ascii_alphabetic())
}

pub(super) fn millis() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}
