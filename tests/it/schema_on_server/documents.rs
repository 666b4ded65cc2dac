//! Documents that say everything there is to say, to be broken in one place.

use std::{fmt, sync::LazyLock};

use serde_json::{Value, json};
use tenantry::manifest::crds;

/// A kind of ours, as the server knows it.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) plural: &'static str,
    /// The schema of its `spec`.
    pub(super) schema: Value,
    /// Rules about the whole object.
    pub(super) rules: Value,
    /// Each a `spec` with everything that can be given at once; together they have everything there is.
    pub(super) full: Vec<Value>,
}

impl Kind {
    pub(super) fn all() -> &'static [Self; 5] {
        static ALL: LazyLock<[Kind; 5]> = LazyLock::new(|| {
            [
                Kind::new("Role", "roles", vec![role()]),
                Kind::new("Company", "companies", vec![company()]),
                Kind::new("Customer", "customers", vec![customer()]),
                Kind::new("User", "users", users()),
                Kind::new("Directory", "directories", directories()),
            ]
        });
        &ALL
    }

    pub(super) fn of(name: &str) -> &'static Self {
        Self::all().iter().find(|it| it.name == name).unwrap()
    }

    fn new(name: &'static str, plural: &'static str, full: Vec<Value>) -> Self {
        let (_, text) = crds().into_iter().find(|(path, _)| *path == format!("crds/{plural}.yaml")).unwrap();
        let crd: Value = serde_yaml::from_str(&text).unwrap();
        let whole = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let (schema, rules) = (whole["properties"]["spec"].clone(), whole["x-kubernetes-validations"].clone());
        Self { name, plural, schema, rules, full }
    }

    /// The full `spec`s that a cluster takes.
    pub(super) fn in_cluster(&self) -> impl Iterator<Item = &Value> {
        self.full.iter().filter(|it| !Self::files_only(it))
    }

    /// Whether a `spec` says what may stand in files only.
    pub(super) fn files_only(spec: &Value) -> bool {
        spec.to_string().contains(":\"PASSWORD\"")
    }

    pub(super) fn document(&self, name: &str, spec: &Value) -> Value {
        json!({ "apiVersion": "tenantry.dev/v1alpha1", "kind": self.name, "metadata": { "name": name }, "spec": spec })
    }

    /// A full `spec` that has this place, with another value there; none takes it away.
    pub(super) fn with(&self, path: &Path, value: Option<&Value>) -> Value {
        let fits = |it: &&Value| path.find(it).is_some();
        let full = self.full.iter().find(fits).unwrap_or_else(|| panic!("nothing has {} {path}", self.name));
        path.put(full, value)
    }
}

fn address() -> Value {
    json!({
        "country": "DE", "state": "Hamburg", "city": "Hamburg", "zip": "20457", "line1": "Am Sandtorkai 1", "line2": "Tor 3",
    })
}

fn role() -> Value {
    json!({
        "livesUnder": ["Company", "Customer"], "mayAppoint": ["owner"], "privileged": true, "manageCompanies": true,
        "manageCustomers": true, "requires": ["expires", "justification"], "deletion": "Retain",
    })
}

fn company() -> Value {
    json!({
        "displayName": "Nordlicht", "type": "Distributor", "parent": "acme", "region": "europe",
        "contact": { "name": "Anna Sand", "email": "anna@x.example", "phone": "+4915112345678" }, "address": address(),
        "logo": "https://x.example/logo.png", "description": "Two\nlines", "enabled": true, "deletion": "Disable",
    })
}

fn customer() -> Value {
    json!({
        "displayName": "Hafen", "company": "acme", "email": "hafen@x.example", "phone": "+4915112345678",
        "address": address(), "description": "A line", "enabled": false, "deletion": "Delete",
    })
}

/// The last two stand in files only.
fn users() -> Vec<Value> {
    let mut user = json!({
        "username": "anna.sand", "email": "anna@x.example", "displayName": "Anna Sand", "firstName": "Anna", "lastName": "Sand",
        "phone": "+4915112345678", "region": "europe", "company": "acme", "role": "owner", "description": "A line",
        "enabled": true, "deletion": "Disable", "expires": "2030-01-31", "justification": "Ticket 7",
        "credential": { "method": "Secret", "secretRef": { "name": "passwords", "key": "anna" }, "reset": "2026-01-01" },
    });
    let mut all = vec![user.clone()];
    user["credential"] = json!({ "method": "Invite" });
    let fields = user.as_object_mut().unwrap();
    fields.remove("company");
    fields.insert("customer".into(), json!("hafen"));
    for source in [None, Some("env"), Some("file")] {
        if let Some(source) = source {
            user["credential"] = json!({ "method": "Hash", source: "PASSWORD" });
        }
        all.push(user.clone());
    }
    all
}

/// One of each choice; the last two stand in files only.
fn directories() -> Vec<Value> {
    let secret = json!({ "secretRef": { "name": "secrets", "key": "token" } });
    let database = json!({ "url": secret, "schema": "tenantry" });
    let url = "https://id.example";
    let smtp = json!({ "host": "mail.example", "port": 587, "tls": "StartTls", "username": "tenantry", "password": secret });
    let choices = [
        json!({ "scim": { "url": url, "token": secret } }),
        json!({ "keycloak": { "url": url, "realm": "acme", "clientId": "tenantry", "clientSecret": secret,
            "companies": "groups", "roles": "realm", "rootCompany": "acme", "invites": "tenantry" } }),
        json!({ "ldap": { "url": "ldaps://id.example", "baseDn": "dc=x", "bindDn": "cn=x", "password": secret } }),
        json!({ "thingsboard": { "url": url, "apiKey": secret, "invites": "tenantry" } }),
        json!({ "thingsboard": { "url": url, "username": "sysadmin@id.example", "password": secret, "invites": "thingsboard" } }),
        json!({ "postgres": database }),
        json!({ "sqlite": { "path": "it.db" } }),
    ];
    let mut all: Vec<Value> = choices
        .iter()
        .map(|choice| {
            let sqlite = choice["sqlite"].is_object();
            let mail = if sqlite { json!({ "folder": "outbox" }) } else { json!({ "templates": "letters", "smtp": smtp }) };
            let mut spec = json!({
                "namespaces": ["team-*", "nordlicht"], "directory": choice, "owner": "acme",
                "regions": [{ "name": "europe", "phone": true }], "deletion": "Disable", "retention": "30d",
                "budget": { "removals": "10%", "atLeast": 1, "atMost": 10, "window": "24h", "creates": 10, "mails": 10 },
                "protected": ["user/nordlicht/root"],
                "passwords": { "minLength": 8, "maxLength": 64, "classes": 2, "generated": 20,
                    "validFor": { "invite": "72h", "temporary": "72h", "reset": "24h" } },
                "mail": mail, "links": { "baseUrl": "https://accounts.example" },
                "ledger": if sqlite { json!({ "postgres": database }) } else { json!({ "sqlite": { "path": "ledger.db" } }) },
                "release": false, "trustAuthors": false,
            });
            spec["mail"]["from"] = json!("Tenantry <no-reply@x.example>");
            spec
        })
        .collect();
    for source in ["env", "file"] {
        for place in 0..choices.len() {
            let text = all[place].to_string().replace(&secret.to_string(), &json!({ source: "PASSWORD" }).to_string());
            all.push(serde_json::from_str(&text).unwrap());
        }
    }
    all
}

fn put(at: &mut Value, path: &[Step], value: Option<&Value>) {
    match (path, value) {
        ([], _) => *at = value.unwrap().clone(),
        ([Step::Key(name)], None) => {
            at.as_object_mut().unwrap().remove(name);
        }
        ([Step::Key(name), rest @ ..], _) => put(&mut at[name], rest, value),
        ([Step::Index(row), rest @ ..], _) => put(&mut at[row], rest, value),
    }
}

/// Where something stands: `spec.regions[0].name`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path(pub(super) Vec<Step>);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl Path {
    pub(super) fn spec() -> Self {
        Self(vec![Step::Key("spec".into())])
    }

    pub(super) fn key(&self, name: &str) -> Self {
        Self(self.0.iter().cloned().chain([Step::Key(name.into())]).collect())
    }

    /// What stands there in a `spec`.
    pub(super) fn find<'a>(&self, spec: &'a Value) -> Option<&'a Value> {
        self.0[1..].iter().try_fold(spec, |at, step| match step {
            Step::Key(name) => at.get(name),
            Step::Index(row) => at.get(row),
        })
    }

    /// That `spec` with another value there.
    pub(super) fn put(&self, spec: &Value, value: Option<&Value>) -> Value {
        let mut spec = spec.clone();
        put(&mut spec, &self.0[1..], value);
        spec
    }

    fn first(&self) -> Self {
        Self(self.0.iter().cloned().chain([Step::Index(0)]).collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (row, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(name) if row == 0 => f.write_str(name)?,
                Step::Key(name) => write!(f, ".{name}")?,
                Step::Index(row) => write!(f, "[{row}]")?,
            }
        }
        Ok(())
    }
}

/// Every place of a schema with what is allowed there, of lists their first row.
pub(super) fn places(path: &Path, schema: &Value, out: &mut Vec<(Path, Value)>) {
    out.push((path.clone(), schema.clone()));
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        places(&path.key(name), field, out);
    }
    if schema["items"].is_object() {
        places(&path.first(), &schema["items"], out);
    }
}
