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
    drivers::{
        rows::Found,
        sql::object::{self, COLUMNS, Column, Parent, corrupt, decode},
    },
    model::{Kind, Name, Namespace},
    observed::{Applied, Live, Observed, Settings, Spent},
};

use super::{audit, failed, schema};

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
        match decode(&Columns(row), |row| Ok(parents.get(&row).cloned()))? {
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
    Ok(Observed { ours, strangers, spent, applied: Applied { root, settings, others, begins: false }, contents: BTreeMap::new() })
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
            match decode(&Columns(row), |row| Ok(parents.get(&row).cloned()))? {
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
    let text = |column| row.get_ref(column).map(|value| value.as_str_or_null().ok().flatten());
    Ok(Parent::new(text(1)?, text(2)?, text(3)?, text(4)?))
}

/// A row of [`COLUMNS`].
pub(super) struct Columns<'a>(pub(super) &'a Row<'a>);

impl Columns<'_> {
    fn value(&self, column: Column) -> Result<ValueRef<'_>, String> {
        self.0.get_ref(column as usize).map_err(|error| error.to_string())
    }
}

impl object::Row for Columns<'_> {
    fn text(&self, column: Column) -> Result<Option<&str>, String> {
        self.value(column)?.as_str_or_null().map_err(|error| error.to_string())
    }

    fn number(&self, column: Column) -> Result<Option<i64>, String> {
        self.value(column)?.as_i64_or_null().map_err(|error| error.to_string())
    }

    fn flag(&self, column: Column) -> Result<bool, String> {
        self.value(column)?.as_i64().map(|flag| flag != 0).map_err(|error| error.to_string())
    }

    fn lossy(&self, column: Column) -> SmolStr {
        match self.value(column) {
            Ok(ValueRef::Text(text) | ValueRef::Blob(text)) => SmolStr::new(String::from_utf8_lossy(text)),
            Ok(ValueRef::Integer(number)) => format_smolstr!("{number}"),
            Ok(ValueRef::Real(number)) => format_smolstr!("{number}"),
            Ok(ValueRef::Null) | Err(_) => SmolStr::default(),
        }
    }
}
