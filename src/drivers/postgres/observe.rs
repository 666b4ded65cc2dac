//! Rows → what the directory holds.

use std::{
    collections::{BTreeMap, HashMap},
    pin::pin,
    time::Duration,
};

use deadpool_postgres::Transaction;
use futures_util::StreamExt;
use jiff::Timestamp;
use smol_str::SmolStr;
use tokio_postgres::{Row, types::Type};

use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::{
        rows::Found,
        sql::object::{self, COLUMNS, Column, Parent, corrupt, decode},
    },
    model::{Kind, Name, Namespace, RemoteId},
    observed::{Applied, Observed, Settings, Spent},
};

use super::{Postgres, audit, fault::Fault, micros};

/// Everything, as of one moment. Nothing where there are no tables.
pub(super) async fn observe(directory: &Postgres, owner: &Name, window: Duration) -> Result<Observed, Fault> {
    let mut client = directory.client().await?;
    if !directory.there(&mut client).await? {
        return Ok(Observed::default());
    }
    let transaction = directory.reading(&mut client).await?;
    audit::check_head(&transaction).await?;
    let parents = parents(&transaction).await?;
    let mut observed = Observed::default();
    for kind in [Kind::Role, Kind::Company, Kind::Customer, Kind::User] {
        // The index has the order of keys, except that kinds are in alphabetical order there.
        let sql = format!("SELECT {COLUMNS} FROM objects WHERE kind = $1 AND name IS NOT NULL ORDER BY namespace, name");
        let mut rows = pin!(transaction.query_raw(&sql, [kind.word()]).await?);
        while let Some(row) = rows.next().await {
            match decode(&Columns(&row?), |row| Ok(parents.get(&row).cloned()))? {
                Found::Managed(live) => observed.ours.push(*live),
                Found::Stranger(stranger) => return Err(corrupt(&stranger.id.0, "it has a name and no owner").into()),
            }
        }
    }
    let sql = format!("SELECT {COLUMNS} FROM objects WHERE name IS NULL ORDER BY id");
    let mut rows = pin!(transaction.query_raw(&sql, std::iter::empty::<i64>()).await?);
    while let Some(row) = rows.next().await {
        match decode(&Columns(&row?), |row| Ok(parents.get(&row).cloned()))? {
            Found::Stranger(stranger) => observed.strangers.push(*stranger),
            Found::Managed(live) => return Err(corrupt(&live.id.0, "it has an owner and no name").into()),
        }
    }
    if observed.ours.is_empty() && observed.strangers.is_empty() && !directory.ledger {
        audit::check_emptied(&transaction, &directory.schema).await?;
    }
    observed.spent = spent(&transaction, window).await?;
    let root = transaction.query_opt("SELECT root FROM applied WHERE owner = $1", &[&owner.as_str()]).await?;
    let root = root.map(|row| row.try_get(0)).transpose()?;
    let (settings, others) = settings(&transaction, owner).await?;
    observed.applied = Applied { root, settings, others, begins: false };
    Ok(observed)
}

/// The settings that an owner applied last, and those of the other owners.
async fn settings(transaction: &Transaction<'_>, owner: &Name) -> Result<(Option<Settings>, BTreeMap<Name, Settings>), Fault> {
    let wrong = |error: &dyn std::fmt::Display| {
        DirectoryError::new("read what was applied", ErrorKind::Incomplete).because(error.to_string())
    };
    let (mut ours, mut others) = (None, BTreeMap::new());
    for row in transaction.query("SELECT owner, settings FROM settings", &[]).await? {
        let settings: Settings = serde_json::from_str(row.try_get(1)?).map_err(|error| wrong(&error))?;
        match Name::new(row.try_get(0)?).map_err(|error| wrong(&error))? {
            whose if whose == *owner => ours = Some(settings),
            whose => drop(others.insert(whose, settings)),
        }
    }
    Ok((ours, others))
}

async fn spent(transaction: &Transaction<'_>, window: Duration) -> Result<Spent, Fault> {
    let since = Timestamp::now().as_microsecond().saturating_sub(micros(window));
    let sql = "SELECT loss_namespace, sum(loss)::bigint FROM audit WHERE loss > 0 AND at > $1 GROUP BY 1";
    let mut spent = Spent::default();
    for row in transaction.query(sql, &[&since]).await? {
        let namespace: &str = row.try_get(0)?;
        let key = Namespace::try_from(SmolStr::new(namespace)).map_err(|error| corrupt(namespace, error))?;
        spent.0.insert(key, row.try_get::<_, i64>(1)?.cast_unsigned());
    }
    Ok(spent)
}

async fn parents(transaction: &Transaction<'_>) -> Result<HashMap<i64, Parent>, Fault> {
    let sql = "SELECT row, id, kind, namespace, name FROM objects WHERE kind IN ('company', 'customer')";
    let rows = transaction.query(sql, &[]).await?;
    let parent = |row: &Row| Ok((row.try_get(0)?, Parent::new(text(row, 1), text(row, 2), text(row, 3), text(row, 4))));
    rows.iter().map(parent).collect()
}

/// What stands above one of some objects, by row.
pub(super) async fn parents_of(transaction: &Transaction<'_>, rows: &[i64]) -> Result<HashMap<i64, Parent>, Fault> {
    if rows.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = "SELECT row, id, kind, namespace, name FROM objects WHERE row = ANY ($1)";
    let statement = transaction.prepare_cached(sql).await?;
    let found = transaction.query(&statement, &[&rows]).await?;
    let parent = |row: &Row| Ok((row.try_get(0)?, Parent::new(text(row, 1), text(row, 2), text(row, 3), text(row, 4))));
    found.iter().map(parent).collect()
}

fn text(row: &Row, column: usize) -> Option<&str> {
    row.try_get(column).ok().flatten()
}

/// A row of [`COLUMNS`].
pub(super) struct Columns<'a>(pub(super) &'a Row);

impl Columns<'_> {
    pub(super) fn id(&self) -> RemoteId {
        RemoteId(object::Row::lossy(self, Column::Id))
    }

    /// The row number of what it stands under.
    pub(super) fn parent(&self) -> Option<i64> {
        self.0.try_get(Column::Parent as usize).ok().flatten()
    }
}

impl object::Row for Columns<'_> {
    fn text(&self, column: Column) -> Result<Option<&str>, String> {
        self.0.try_get(column as usize).map_err(|error| super::fault::said(&error))
    }

    fn number(&self, column: Column) -> Result<Option<i64>, String> {
        self.0.try_get(column as usize).map_err(|error| super::fault::said(&error))
    }

    fn flag(&self, column: Column) -> Result<bool, String> {
        self.0.try_get(column as usize).map_err(|error| super::fault::said(&error))
    }

    fn lossy(&self, column: Column) -> SmolStr {
        match self.0.columns().get(column as usize).map(tokio_postgres::Column::type_) {
            Some(&Type::TEXT) => text(self.0, column as usize).map(SmolStr::new).unwrap_or_default(),
            _ => SmolStr::default(),
        }
    }
}
