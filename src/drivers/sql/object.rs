//! The row of an object → what the directory holds.

use jiff::Timestamp;
use smol_str::{SmolStr, format_smolstr};

use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::rows::{self, Above, Found},
    model::{Body, Deletion, Key, Kind, Name, Namespace, Paragraph, RemoteId, State},
    observed::{CredentialMark, Live, Stranger},
};

/// The columns that [`decode`] takes, in the order of [`Column`].
pub(crate) const COLUMNS: &str = "row, id, kind, namespace, name, owner, parent, enabled, suspended, retired_at, deletion, \
     left_enabled, credential, username, email, body, version, created_at, source, formerly, locked, unused_until";

/// A column of an object, by its place in [`COLUMNS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Id = 1,
    Kind = 2,
    Namespace = 3,
    Name = 4,
    Owner = 5,
    Parent = 6,
    Enabled = 7,
    Suspended = 8,
    RetiredAt = 9,
    Deletion = 10,
    LeftEnabled = 11,
    Credential = 12,
    Username = 13,
    Email = 14,
    Body = 15,
    Version = 16,
    CreatedAt = 17,
    Source = 18,
    Formerly = 19,
    Locked = 20,
    UnusedUntil = 21,
}

/// A row of [`COLUMNS`]; what cannot be read as what is asked for is an error in words.
pub(crate) trait Row {
    fn text(&self, column: Column) -> Result<Option<&str>, String>;
    fn number(&self, column: Column) -> Result<Option<i64>, String>;
    fn flag(&self, column: Column) -> Result<bool, String>;
    /// Whatever it is, as text.
    fn lossy(&self, column: Column) -> SmolStr;
}

/// What others can stand under.
#[derive(Debug, Clone)]
pub(crate) struct Parent {
    pub(crate) id: RemoteId,
    pub(crate) kind: Kind,
    pub(crate) key: Option<(Namespace, Name)>,
}

impl Parent {
    /// What cannot be read here is said where the row itself is read.
    pub(crate) fn new(id: Option<&str>, kind: Option<&str>, namespace: Option<&str>, name: Option<&str>) -> Self {
        let namespace = namespace.and_then(|text| Namespace::try_from(SmolStr::new(text)).ok());
        Self {
            id: RemoteId(id.map(SmolStr::new).unwrap_or_default()),
            kind: kind.and_then(Kind::parse).unwrap_or(Kind::Role),
            key: namespace.zip(name.and_then(|text| Name::new(text).ok())),
        }
    }
}

/// A row that holds what nothing of ours has written.
pub(crate) fn corrupt(id: &str, cause: impl std::fmt::Display) -> DirectoryError {
    DirectoryError::new(format!("read object {id}"), ErrorKind::Incomplete).because(cause.to_string())
}

/// The object in a row. What is managed is exactly as we wrote it, or this is an error; what is not can be anything.
pub(crate) fn decode(
    row: &impl Row,
    above: impl FnOnce(i64) -> Result<Option<Parent>, DirectoryError>,
) -> Result<Found, DirectoryError> {
    let id = row.lossy(Column::Id);
    let wrong = |cause: &dyn std::fmt::Display| corrupt(&id, cause);
    let optional = |column| row.text(column).map_err(|error| wrong(&error));
    let text = |column| optional(column)?.ok_or_else(|| wrong(&format_args!("it has no {column:?}")));
    let number = |column| row.number(column).map_err(|error| wrong(&error));
    let flag = |column| row.flag(column).map_err(|error| wrong(&error));
    let time = |micros: i64| Timestamp::from_microsecond(micros).map_err(|error| wrong(&error));

    let kind = text(Column::Kind)?;
    let kind = Kind::ALL.into_iter().find(|it| it.word() == kind).ok_or_else(|| wrong(&"its kind is unknown"))?;
    let parent = number(Column::Parent)?.map(above).transpose()?.flatten();
    let version = Some(rows::version(number(Column::Version)?.and_then(|it| u64::try_from(it).ok()).unwrap_or_default()));
    let created_at = time(number(Column::CreatedAt)?.unwrap_or_default());
    let Some(owner) = optional(Column::Owner)? else {
        return Ok(Found::Stranger(Box::new(Stranger {
            kind,
            parent: parent.map(|parent| parent.id),
            label: label(kind, row).unwrap_or_else(|| id.clone()),
            email: Some(row.lossy(Column::Email)).filter(|email| !email.is_empty()),
            enabled: flag(Column::Enabled)?,
            version,
            created_at: created_at.unwrap_or(Timestamp::UNIX_EPOCH),
            locked: optional(Column::Locked)?.and_then(|text| Paragraph::new(text).ok()).map(Box::new),
            fit: fit(kind, row),
            id: RemoteId(id),
        })));
    };
    let namespace = Namespace::try_from(SmolStr::new(text(Column::Namespace)?)).map_err(|error| wrong(&error))?;
    let place = parent.and_then(|Parent { id, kind, key }| {
        Above { id: &id, kind, key: key.as_ref().map(|(namespace, name)| (namespace, name)) }.place(&namespace)
    });
    let body = Body::from_json(kind, text(Column::Body)?).map_err(|error| wrong(&error))?;
    if !agrees(&body, optional(Column::Username)?, optional(Column::Email)?) {
        return Err(wrong(&"its columns and its body do not agree"));
    }
    let retired_at = number(Column::RetiredAt)?.map(time).transpose()?;
    let deletion = match text(Column::Deletion)? {
        "Disable" => Deletion::Disable,
        "Delete" => Deletion::Delete,
        "Retain" => Deletion::Retain,
        other => return Err(wrong(&format_args!("there is no deletion policy {other}"))),
    };
    let name = Name::new(text(Column::Name)?).map_err(|error| wrong(&error))?;
    let state = State {
        key: Key { kind, namespace, name },
        place,
        body,
        enabled: flag(Column::Enabled)?,
        suspended: flag(Column::Suspended)?,
        locked: optional(Column::Locked)?.map(Paragraph::new).transpose().map_err(|error| wrong(&error))?.map(Box::new),
        retired: retired_at.is_some(),
        owner: Some(Name::new(owner).map_err(|error| wrong(&error))?),
        deletion,
    };
    let credential = optional(Column::Credential)?.map_or(Ok(CredentialMark::None), |text| {
        CredentialMark::parse(text).ok_or_else(|| wrong(&"its credential mark is unknown"))
    })?;
    let unused_until = number(Column::UnusedUntil)?.map(time).transpose()?;
    let (left_enabled, source) = (flag(Column::LeftEnabled)?, optional(Column::Source)?.map(SmolStr::new));
    let created_at = created_at?;
    Ok(Found::Managed(Box::new(Live {
        state,
        version,
        left_enabled,
        credential,
        unused_until,
        retired_at,
        created_at,
        source,
        id: RemoteId(id),
        activated: None,
    })))
}

/// Whether the unique columns are those of the body.
fn agrees(body: &Body, username: Option<&str>, email: Option<&str>) -> bool {
    match body {
        Body::User(user) => username == Some(user.username.as_str()) && email == Some(user.email.as_str()),
        Body::Role(_) | Body::Company(_) | Body::Customer(_) => username.is_none() && email.is_none(),
    }
}

/// What could be declared of a stranger.
fn fit(kind: Kind, row: &impl Row) -> Result<Body, SmolStr> {
    let text = |column| row.text(column).ok().flatten();
    let json = text(Column::Body).ok_or("its body is not text")?;
    let body = Body::from_json(kind, json).map_err(|error| format_smolstr!("its body cannot be read: {error}"))?;
    if agrees(&body, text(Column::Username), text(Column::Email)) {
        Ok(body)
    } else {
        Err("its columns and its body do not agree".into())
    }
}

/// What people know a stranger by.
fn label(kind: Kind, row: &impl Row) -> Option<SmolStr> {
    let text = |column| Some(row.lossy(column)).filter(|text| !text.is_empty());
    match kind {
        Kind::User => text(Column::Username),
        Kind::Role => text(Column::Formerly).map(|key| SmolStr::new(key.rsplit('/').next().unwrap_or(&key))),
        Kind::Company | Kind::Customer => {
            let json: serde_json::Value = serde_json::from_str(&text(Column::Body)?).ok()?;
            json.get("displayName")?.as_str().map(SmolStr::new)
        }
    }
}
