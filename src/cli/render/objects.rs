//! What a directory holds: tables, documents, lists.

use std::fmt::Write;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    manifest::{self, Declared},
    model::{Body, Deletion, Kind, Name, Place, RemoteId, State, visible},
    observed::{CredentialMark, Live},
    pipeline::{ImportedState, LeftOut},
};

/// One object with its status.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// What it is.
    pub(crate) state: State,
    managed: bool,
    id: RemoteId,
    /// What they have to sign in with, as far as it came from here.
    credential: Option<&'static str>,
}

impl Item {
    /// An object under management, of whichever owner.
    pub(crate) fn managed(live: Live, now: Timestamp) -> Self {
        let Live {
            state,
            id,
            credential,
            unused_until,
            version: _,
            left_enabled: _,
            retired_at: _,
            created_at: _,
            source: _,
            activated: _,
        } = live;
        let died = unused_until.is_some_and(|until| until <= now);
        let credential = match credential {
            CredentialMark::None => None,
            CredentialMark::Owed(_) | CredentialMark::Ordered(..) => Some("owed"),
            CredentialMark::Given(_) if died => Some("expired"),
            CredentialMark::Given(_) => Some("given"),
        };
        Self { state, managed: true, id, credential }
    }

    /// An object as it once was.
    pub(crate) fn past(id: RemoteId, state: State) -> Self {
        Self { state, managed: true, id, credential: None }
    }

    /// A stranger that could be declared; nothing for what is managed.
    pub(crate) fn unmanaged(imported: &ImportedState) -> Option<Self> {
        let ImportedState { state, adopt } = imported;
        Some(Self { state: state.clone(), managed: false, id: adopt.clone()?, credential: None })
    }

    fn status(&self) -> Value {
        let Self { state, managed, id, credential } = self;
        let mut status = json!({ "enabled": state.enabled, "retired": state.retired, "managed": managed, "directoryId": id });
        if let Some(credential) = credential {
            status["credential"] = Value::from(*credential);
        }
        if let Some(reason) = &state.locked {
            status["locked"] = Value::from(reason.as_str());
        }
        status
    }

    /// As a JSON document with its status.
    pub(crate) fn value(&self, deletion: Deletion) -> Value {
        let mut value = manifest::document_json(&self.state.key, &Declared::of(&self.state, None), deletion);
        value["status"] = self.status();
        value
    }

    fn document(&self, deletion: Deletion) -> String {
        let Self { state, managed, id, credential } = self;
        let document = manifest::write_document(&state.key, &Declared::of(state, None), deletion);
        let id = Value::from(id.0.as_str());
        let mut status =
            format!("enabled: {}\n  retired: {}\n  managed: {managed}\n  directoryId: {id}", state.enabled, state.retired);
        if let Some(credential) = credential {
            let _ = write!(status, "\n  credential: {credential}");
        }
        if let Some(reason) = &state.locked {
            let _ = write!(status, "\n  locked: {}", Value::from(reason.as_str()));
        }
        format!("---\n{document}status:\n  {status}\n")
    }

    /// `enabled`, with what stands in the way of signing in.
    fn word(&self) -> String {
        let secret = match self.credential {
            Some("owed") => ", secret owed",
            Some("expired") => ", secret expired",
            Some(_) | None => "",
        };
        match (self.state.retired, &self.state.locked, self.state.enabled) {
            (true, _, _) => "retired".into(),
            (false, Some(reason), _) => format!("locked: {}", reason.as_str()),
            (false, None, true) => format!("enabled{secret}"),
            (false, None, false) => "disabled".into(),
        }
    }
}

/// The document of something imported; `deletion` is what holds for documents that do not say.
pub(crate) fn imported_yaml(imported: &ImportedState, deletion: Deletion) -> String {
    let ImportedState { state, adopt } = imported;
    format!("---\n{}", manifest::write_document(&state.key, &Declared::of(state, adopt.as_ref()), deletion))
}

/// The same as a JSON value.
pub(crate) fn imported_json(imported: &ImportedState, deletion: Deletion) -> Value {
    let ImportedState { state, adopt } = imported;
    manifest::document_json(&state.key, &Declared::of(state, adopt.as_ref()), deletion)
}

/// Documents one after the other, each with its status.
pub(crate) fn yaml(items: &[Item], deletion: Deletion) -> String {
    items.iter().map(|item| item.document(deletion)).collect()
}

/// `{apiVersion: v1, kind: List, items}`.
pub(crate) fn json(items: &[Item], deletion: Deletion) -> String {
    list(items.iter().map(|item| item.value(deletion)))
}

/// A List of values.
pub(crate) fn list(items: impl Iterator<Item = Value>) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct List {
        api_version: &'static str,
        kind: &'static str,
        items: Vec<Value>,
    }
    super::json::print(&List { api_version: "v1", kind: "List", items: items.collect() })
}

/// A table per kind, and the strangers that fit nowhere.
pub(crate) fn table(items: &[Item], left_out: &[LeftOut], owner: &Name) -> String {
    let mut tables = Vec::new();
    for kind in Kind::ALL {
        let rows: Vec<Vec<String>> = items.iter().filter(|item| item.state.key.kind == kind).map(|item| row(item, owner)).collect();
        if !rows.is_empty() {
            tables.push(columns(headers(kind), rows));
        }
    }
    if !left_out.is_empty() {
        let rows = left_out.iter().map(|LeftOut { what, reason }| vec![visible(what), visible(reason)]);
        tables.push(columns(&["UNMANAGED", "CANNOT BE DECLARED BECAUSE"], rows.collect()));
    }
    if tables.is_empty() { "Nothing.\n".into() } else { tables.join("\n") }
}

fn headers(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Role => &["ROLE", "LIVES UNDER", "MAY APPOINT", "PRIVILEGED", "STATUS", "OWNER"],
        Kind::Company => &["COMPANY", "DISPLAY NAME", "TYPE", "PARENT", "REGION", "STATUS", "OWNER"],
        Kind::Customer => &["CUSTOMER", "DISPLAY NAME", "COMPANY", "EMAIL", "STATUS", "OWNER"],
        Kind::User => &["USER", "USERNAME", "EMAIL", "ROLE", "IN", "STATUS", "OWNER"],
    }
}

fn row(item: &Item, owner: &Name) -> Vec<String> {
    let State { key, place, body, enabled: _, suspended: _, locked: _, retired: _, owner: holder, deletion: _ } = &item.state;
    let name = if key.namespace.is_global() { key.name.to_string() } else { format!("{}/{}", key.namespace, key.name) };
    let above = place.as_ref().map_or("-", |place| match place {
        Place::Company(name) | Place::Customer(name) => name.as_str(),
    });
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let mut row = vec![name];
    match body {
        Body::Role(role) => row.extend([
            role.lives_under.iter().map(|kind| kind.manifest()).collect::<Vec<_>>().join(","),
            or_dash(Some(role.may_appoint.iter().map(Name::as_str).collect::<Vec<_>>().join(",")).filter(|text| !text.is_empty())),
            if role.privileged { "yes" } else { "no" }.into(),
        ]),
        Body::Company(company) => row.extend([
            company.display_name.to_string(),
            or_dash(company.company_type.map(|it| it.as_str().to_owned())),
            above.to_owned(),
            or_dash(company.region.as_ref().map(ToString::to_string)),
        ]),
        Body::Customer(customer) => row.extend([
            customer.display_name.to_string(),
            above.to_owned(),
            or_dash(customer.email.as_ref().map(ToString::to_string)),
        ]),
        Body::User(user) => {
            row.extend([user.username.to_string(), user.email.to_string(), user.role.to_string(), above.to_owned()]);
        }
    }
    row.push(item.word());
    row.push(match holder {
        Some(holder) if holder == owner => String::new(),
        Some(holder) => holder.to_string(),
        None => String::new(),
    });
    row.iter().map(|text| visible(text)).collect()
}

/// Columns as wide as they need to be; one that is empty everywhere is left out.
fn columns(headers: &[&str], rows: Vec<Vec<String>>) -> String {
    let used: Vec<usize> = (0..headers.len()).filter(|column| rows.iter().any(|row| !row[*column].is_empty())).collect();
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).chain([headers[column].len()]).max().unwrap_or(0);
    let widths: Vec<usize> = (0..headers.len()).map(width).collect();
    let mut out = String::new();
    let header = headers.iter().map(|text| (*text).to_owned()).collect();
    for row in std::iter::once(header).chain(rows) {
        let cells: Vec<String> = used.iter().map(|column| format!("{:<1$}", row[*column], widths[*column])).collect();
        let _ = writeln!(out, "{}", cells.join("  ").trim_end());
    }
    out
}
