//! Rows → what the directory holds.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZero,
    path::Path,
    thread,
    time::Duration,
};

use jiff::Timestamp;
use rusqlite::{
    Connection, OptionalExtension, Row, params,
    types::{Value, ValueRef},
};
use smol_str::{SmolStr, format_smolstr};

use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::rows::{self, Above, Found},
    model::{Body, Deletion, Key, Kind, Name, Namespace, Paragraph, RemoteId, State},
    observed::{Applied, CredentialMark, Live, Observed, Settings, Spent, Stranger},
};

use super::{audit, failed, schema};

/// The columns that [`decode`] takes, in its order.
pub(super) const COLUMNS: &str = "row, id, kind, namespace, name, owner, parent, enabled, suspended, retired_at, deletion, \
     left_enabled, credential, username, email, body, version, created_at, source, formerly, locked, unused_until";

/// Managed objects that are worth another thread.
const SHARE: usize = 1_000;

/// Threads that read at most.
const THREADS: usize = 4;

/// Everything, as of one moment. Nothing where there is no file. The trail of a `ledger` speaks of what is elsewhere.
pub(super) fn observe(path: &Path, owner: &Name, window: Duration, ledger: bool) -> Result<Observed, DirectoryError> {
    if !schema::exists(path)? {
        return Ok(Observed::default());
    }
    let failed = |error| failed("read the directory", error);
    let mut connections = vec![schema::reader(path)?];
    let count = connections[0].query_row(MANAGED, [], |row| row.get::<_, u32>(0)).map_err(failed)? as usize;
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    for _ in 1..(count / SHARE).clamp(1, THREADS).min(cores) {
        connections.push(schema::reader(path)?);
    }
    begin_at_once(path, &connections)?;
    let connection = &connections[0];
    audit::check_head(connection)?;
    let parents = parents(connection).map_err(failed)?;
    let bounds = bounds(connection, connections.len()).map_err(failed)?;
    let mut ours = Vec::with_capacity(count);
    let (connection, others) = connections.split_first_mut().expect("there is at least one");
    thread::scope(|scope| {
        let (parents, mut shares) = (&parents, bounds.windows(2));
        let first = shares.next().unwrap_or_default();
        let later: Vec<_> = others
            .iter_mut()
            .zip(shares)
            .map(|(connection, share)| {
                scope.spawn(move || {
                    let mut users = Vec::new();
                    managed(connection, parents, &[Kind::User], share, &mut users).map(|()| users)
                })
            })
            .collect();
        let whole = [Bound::least(), Bound::beyond()];
        managed(connection, parents, &[Kind::Role, Kind::Company, Kind::Customer], &whole, &mut ours)?;
        managed(connection, parents, &[Kind::User], first, &mut ours)?;
        for share in later {
            ours.append(&mut share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok::<_, DirectoryError>(())
    })?;

    let mut strangers = Vec::new();
    let sql = format!("SELECT {COLUMNS} FROM objects INDEXED BY objects_strangers WHERE name IS NULL ORDER BY id");
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    let mut found = statement.query([]).map_err(failed)?;
    while let Some(row) = found.next().map_err(failed)? {
        match decode(row, |row| Ok(parents.get(&row).cloned()))? {
            Found::Stranger(stranger) => strangers.push(*stranger),
            Found::Managed(live) => return Err(corrupt(&live.id.0, "it has an owner and no name")),
        }
    }
    if ours.is_empty() && strangers.is_empty() && !ledger {
        audit::check_emptied(connection)?;
    }
    let spent = spent(connection, window)?;
    let root = "SELECT root FROM applied WHERE owner = ?1";
    let root = connection.query_row(root, [owner.as_str()], |row| row.get(0)).optional().map_err(failed)?;
    let (settings, others) = settings(connection, owner)?;
    Ok(Observed { ours, strangers, spent, applied: Applied { root, settings, others, begins: false } })
}

/// The settings that an owner applied last, and those of the other owners.
fn settings(connection: &Connection, owner: &Name) -> Result<(Option<Settings>, BTreeMap<Name, Settings>), DirectoryError> {
    let failed = |error| failed("read what was applied", error);
    let wrong = |error: &dyn std::fmt::Display| {
        DirectoryError::new("read what was applied", ErrorKind::Incomplete).because(error.to_string())
    };
    let name = |text: &str| Name::new(text).map_err(|error| wrong(&error));
    let mut statement = connection.prepare("SELECT owner, settings FROM settings").map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let (mut ours, mut others) = (None, BTreeMap::new());
    while let Some(row) = rows.next().map_err(failed)? {
        let text = |column| row.get::<_, String>(column).map_err(failed);
        let settings: Settings = serde_json::from_str(&text(1)?).map_err(|error| wrong(&error))?;
        match name(&text(0)?)? {
            whose if whose == *owner => ours = Some(settings),
            whose => drop(others.insert(whose, settings)),
        }
    }
    Ok((ours, others))
}

const MANAGED: &str = "SELECT count(*) FROM objects INDEXED BY objects_key WHERE name IS NOT NULL";

/// Begins a transaction on each connection, all of which see the same. Somebody who writes meanwhile is noticed by a further
/// connection (`PRAGMA data_version` changes when another one has committed), and then it is done again.
fn begin_at_once(path: &Path, connections: &[Connection]) -> Result<(), DirectoryError> {
    let failed = |error| failed("read the directory", error);
    let begin = |connection: &Connection| connection.execute_batch("BEGIN; SELECT seq FROM head;").map_err(failed);
    if let [connection] = connections {
        return begin(connection);
    }
    let watch = schema::reader(path)?;
    let version = || watch.pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0)).map_err(failed);
    for _ in 0..100 {
        let before = version()?;
        connections.iter().try_for_each(begin)?;
        if version()? == before {
            return Ok(());
        }
        connections.iter().try_for_each(|connection| connection.execute_batch("ROLLBACK").map_err(failed))?;
    }
    Err(DirectoryError::new("read the directory", ErrorKind::Unavailable).because("others do not stop writing to it"))
}

/// Where a share of the users begins: a namespace and a name, or what sorts behind all text (SQLite sorts blobs there).
struct Bound(Value, Value);

impl Bound {
    fn least() -> Self {
        Self(Value::Text(String::new()), Value::Text(String::new()))
    }

    fn beyond() -> Self {
        Self(Value::Blob(Vec::new()), Value::Blob(Vec::new()))
    }
}

/// The bounds between which there are equally many users, one more than there are `shares`.
fn bounds(connection: &Connection, shares: usize) -> rusqlite::Result<Vec<Bound>> {
    let mut bounds = vec![Bound::least()];
    if shares > 1 {
        let users: usize = connection.query_row(&format!("{MANAGED} AND kind = 'user'"), [], |row| row.get::<_, u32>(0))? as usize;
        let nth = "SELECT namespace, name FROM objects INDEXED BY objects_key WHERE kind = 'user' AND name IS NOT NULL \
                   ORDER BY namespace, name LIMIT 1 OFFSET ?1";
        for share in 1..shares {
            let at = i64::try_from(users * share / shares).unwrap_or(i64::MAX);
            bounds.extend(connection.query_row(nth, [at], |row| Ok(Bound(row.get(0)?, row.get(1)?))).optional()?);
        }
    }
    bounds.push(Bound::beyond());
    Ok(bounds)
}

/// Managed objects of some kinds from one bound to the next, sorted by key.
fn managed(
    connection: &Connection,
    parents: &HashMap<i64, Parent>,
    kinds: &[Kind],
    bounds: &[Bound],
    ours: &mut Vec<Live>,
) -> Result<(), DirectoryError> {
    let failed = |error| failed("read the directory", error);
    let [from, to] = bounds else { return Ok(()) };
    // The index has the order of keys, except that kinds are in alphabetical order there.
    let sql = format!(
        "SELECT {COLUMNS} FROM objects INDEXED BY objects_key WHERE kind = ?1 AND name IS NOT NULL \
         AND (namespace, name) >= (?2, ?3) AND (namespace, name) < (?4, ?5) ORDER BY namespace, name"
    );
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    for kind in kinds {
        let mut found = statement.query(params![kind.word(), from.0, from.1, to.0, to.1]).map_err(failed)?;
        while let Some(row) = found.next().map_err(failed)? {
            match decode(row, |row| Ok(parents.get(&row).cloned()))? {
                Found::Managed(live) => ours.push(*live),
                Found::Stranger(stranger) => return Err(corrupt(&stranger.id.0, "it has a name and no owner")),
            }
        }
    }
    Ok(())
}

fn spent(connection: &Connection, window: Duration) -> Result<Spent, DirectoryError> {
    let failed = |error| failed("count the losses", error);
    let since = Timestamp::now().as_microsecond().saturating_sub(schema::micros(window));
    let sql = "SELECT loss_namespace, sum(loss) FROM audit INDEXED BY audit_losses WHERE loss > 0 AND at > ?1 GROUP BY 1";
    let mut statement = connection.prepare(sql).map_err(failed)?;
    let mut rows = statement.query([since]).map_err(failed)?;
    let mut spent = Spent::default();
    while let Some(row) = rows.next().map_err(failed)? {
        let namespace: String = row.get(0).map_err(failed)?;
        let key = Namespace::try_from(SmolStr::new(&namespace)).map_err(|error| corrupt(&namespace, error))?;
        spent.0.insert(key, row.get::<_, u32>(1).map_err(failed)?.into());
    }
    Ok(spent)
}

/// What others can stand under.
#[derive(Debug, Clone)]
pub(super) struct Parent {
    id: RemoteId,
    kind: Kind,
    key: Option<(Namespace, Name)>,
}

fn parents(connection: &Connection) -> rusqlite::Result<HashMap<i64, Parent>> {
    let sql = "SELECT row, id, kind, namespace, name FROM objects INDEXED BY objects_place WHERE kind IN ('company', 'customer')";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, decode_parent(row)?)))?;
    rows.collect()
}

/// The parent in a row, by its number.
pub(super) fn parent(connection: &Connection, row: i64) -> rusqlite::Result<Option<Parent>> {
    let sql = "SELECT row, id, kind, namespace, name FROM objects WHERE row = ?1";
    connection.prepare_cached(sql)?.query_row([row], decode_parent).optional()
}

fn decode_parent(row: &Row<'_>) -> rusqlite::Result<Parent> {
    // What cannot be read here is said where the row itself is read.
    let text = |column| row.get_ref(column).map(|value| value.as_str_or_null().ok().flatten());
    let namespace = text(3)?.and_then(|text| Namespace::try_from(SmolStr::new(text)).ok());
    Ok(Parent {
        id: RemoteId(text(1)?.map(SmolStr::new).unwrap_or_default()),
        kind: text(2)?.and_then(Kind::parse).unwrap_or(Kind::Role),
        key: namespace.zip(text(4)?.and_then(|text| Name::new(text).ok())),
    })
}

/// A row that holds what nothing of ours has written.
fn corrupt(id: &str, cause: impl std::fmt::Display) -> DirectoryError {
    DirectoryError::new(format!("read object {id}"), ErrorKind::Incomplete).because(cause.to_string())
}

/// The object in a row of [`COLUMNS`]. What is managed is exactly as we wrote it, or this is an error; what is not can be
/// anything.
pub(super) fn decode(
    row: &Row<'_>,
    above: impl FnOnce(i64) -> Result<Option<Parent>, DirectoryError>,
) -> Result<Found, DirectoryError> {
    let value = |column: usize| row.get_ref(column).map_err(|error| failed("read the directory", error));
    let id = lossy(value(1)?);
    let wrong = |cause: &dyn std::fmt::Display| corrupt(&id, cause);
    let text = |column: usize| value(column)?.as_str().map_err(|error| wrong(&error));
    let optional = |column: usize| value(column)?.as_str_or_null().map_err(|error| wrong(&error));
    let number = |column: usize| value(column)?.as_i64().map_err(|error| wrong(&error));
    let flag = |column: usize| Ok::<_, DirectoryError>(number(column)? != 0);
    let time = |micros: i64| Timestamp::from_microsecond(micros).map_err(|error| wrong(&error));

    let kind = text(2)?;
    let kind = Kind::ALL.into_iter().find(|it| it.word() == kind).ok_or_else(|| wrong(&"its kind is unknown"))?;
    let parent = value(6)?.as_i64_or_null().map_err(|error| wrong(&error))?;
    let parent = parent.map(above).transpose()?.flatten();
    let version = Some(rows::version(u64::try_from(number(16)?).unwrap_or_default()));
    let Some(owner) = optional(5)? else {
        return Ok(Found::Stranger(Box::new(Stranger {
            kind,
            parent: parent.map(|parent| parent.id),
            label: label(kind, row).unwrap_or_else(|| id.clone()),
            email: Some(lossy(value(14)?)).filter(|email| !email.is_empty()),
            enabled: flag(7)?,
            version,
            created_at: time(number(17)?).unwrap_or(Timestamp::UNIX_EPOCH),
            locked: optional(20)?.and_then(|text| Paragraph::new(text).ok()).map(Box::new),
            fit: fit(kind, row),
            id: RemoteId(id),
        })));
    };
    let namespace = Namespace::try_from(SmolStr::new(text(3)?)).map_err(|error| wrong(&error))?;
    let place = parent.and_then(|Parent { id, kind, key }| {
        Above { id: &id, kind, key: key.as_ref().map(|(namespace, name)| (namespace, name)) }.place(&namespace)
    });
    let body = Body::from_json(kind, text(15)?).map_err(|error| wrong(&error))?;
    if !agrees(&body, optional(13)?, optional(14)?) {
        return Err(wrong(&"its columns and its body do not agree"));
    }
    let retired_at = value(9)?.as_i64_or_null().map_err(|error| wrong(&error))?.map(time).transpose()?;
    let deletion = match text(10)? {
        "Disable" => Deletion::Disable,
        "Delete" => Deletion::Delete,
        "Retain" => Deletion::Retain,
        other => return Err(wrong(&format_args!("there is no deletion policy {other}"))),
    };
    let name = Name::new(text(4)?).map_err(|error| wrong(&error))?;
    let state = State {
        key: Key { kind, namespace, name },
        place,
        body,
        enabled: flag(7)?,
        suspended: flag(8)?,
        locked: optional(20)?.map(Paragraph::new).transpose().map_err(|error| wrong(&error))?.map(Box::new),
        retired: retired_at.is_some(),
        owner: Some(Name::new(owner).map_err(|error| wrong(&error))?),
        deletion,
    };
    let credential = optional(12)?.map_or(Ok(CredentialMark::None), |text| {
        CredentialMark::parse(text).ok_or_else(|| wrong(&"its credential mark is unknown"))
    })?;
    let unused_until = value(21)?.as_i64_or_null().map_err(|error| wrong(&error))?.map(time).transpose()?;
    let (left_enabled, created_at, source) = (flag(11)?, time(number(17)?)?, optional(18)?.map(SmolStr::new));
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
fn fit(kind: Kind, row: &Row<'_>) -> Result<Body, SmolStr> {
    let text = |column| row.get_ref(column).ok().and_then(|value| value.as_str().ok());
    let json = text(15).ok_or("its body is not text")?;
    let body = Body::from_json(kind, json).map_err(|error| format_smolstr!("its body cannot be read: {error}"))?;
    if agrees(&body, text(13), text(14)) { Ok(body) } else { Err("its columns and its body do not agree".into()) }
}

/// What people know a stranger by.
fn label(kind: Kind, row: &Row<'_>) -> Option<SmolStr> {
    let text = |column| row.get_ref(column).ok().map(lossy).filter(|text| !text.is_empty());
    match kind {
        Kind::User => text(13),
        Kind::Role => text(19).map(|key| SmolStr::new(key.rsplit('/').next().unwrap_or(&key))),
        Kind::Company | Kind::Customer => {
            let json: serde_json::Value = serde_json::from_str(&text(15)?).ok()?;
            json.get("displayName")?.as_str().map(SmolStr::new)
        }
    }
}

fn lossy(value: ValueRef<'_>) -> SmolStr {
    match value {
        ValueRef::Text(text) | ValueRef::Blob(text) => SmolStr::new(String::from_utf8_lossy(text)),
        ValueRef::Integer(number) => format_smolstr!("{number}"),
        ValueRef::Real(number) => format_smolstr!("{number}"),
        ValueRef::Null => SmolStr::default(),
    }
}
