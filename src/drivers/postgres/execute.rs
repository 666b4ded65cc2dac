//! Changes → rows, each with its audit record.
//!
//! A chunk is first written in the belief that nothing is in its way: [`bulk`] sends what it can together. Only when the server
//! says that a constraint was violated, and has undone the chunk, is it done again with care: one by one, each behind a
//! savepoint.

use std::collections::HashMap;

use deadpool_postgres::Transaction;
use jiff::Timestamp;
use smol_str::ToSmolStr;
use tokio_postgres::error::DbError;
use uuid::Uuid;

use crate::{
    directory::{ErrorKind, Executed, Run},
    drivers::{
        rows::{self, Claim, Found, Step, Write},
        sql::{
            change::{Outcome, Recorded, claims, json, record},
            object::{COLUMNS, decode},
        },
    },
    model::{Key, Kind, Name, Paragraph, RemoteId},
    observed::outside_id,
    plan::{Action, Change},
};

use super::{
    Postgres,
    audit::{Writing, begin},
    bulk,
    fault::{self, Fault, again},
    observe::{self, Columns},
    secrets,
};

/// Carries out a chunk of changes in one transaction.
pub(super) async fn execute(directory: &Postgres, changes: &[Change], run: &Run) -> Result<Vec<Outcome>, Fault> {
    match again(|| attempt(directory, changes, run, false)).await {
        Err(fault) if fault.is_violation() => again(|| attempt(directory, changes, run, true)).await,
        done => done,
    }
}

async fn attempt(directory: &Postgres, changes: &[Change], run: &Run, careful: bool) -> Result<Vec<Outcome>, Fault> {
    let mut client = directory.client().await?;
    let mut writing = begin(directory, &mut client).await?;
    let outcomes = if !careful && bulk::fits(changes) {
        bulk::execute(&mut writing, changes, run).await?
    } else {
        let mut chunk = Chunk::new(&mut writing, run, careful);
        let mut outcomes = Vec::with_capacity(changes.len());
        for change in changes {
            outcomes.push(chunk.one(change).await?);
        }
        outcomes
    };
    writing.commit().await?;
    Ok(outcomes)
}

/// The columns of a new object, in the order of [`INSERT`].
pub(super) const INSERTED: &str = "id, kind, namespace, name, owner, parent, enabled, suspended, retired_at, deletion, \
     left_enabled, credential, username, email, title, body, version, created_at, updated_at, source, locked";

const INSERT: &str = "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $18, $19, $20)";

pub(super) const UPDATE: &str = "UPDATE objects SET namespace = $2, name = $3, owner = $4, \
     parent = CASE WHEN $20 THEN parent ELSE $5 END, enabled = $6, suspended = $7, retired_at = $8, deletion = $9, \
     left_enabled = $10, credential = $11, username = $12, email = $13, title = $14, body = $15, version = $16, updated_at = $17, \
     source = $18, formerly = $19, locked = $21 WHERE id = $1";

/// Changes that are carried out one after another.
pub(super) struct Chunk<'a, 'w> {
    writing: &'a mut Writing<'w>,
    run: &'a Run,
    /// Each change is behind a savepoint: one that violates a constraint is undone alone.
    careful: bool,
    /// Row numbers of what others stand under.
    places: HashMap<Key, i64>,
    json: Vec<u8>,
}

/// Why a change was not carried out.
enum Failure {
    /// This one cannot be; the others of its chunk can.
    Change(crate::directory::DirectoryError),
    /// The transaction is lost, and everything in it.
    Chunk(Fault),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Chunk(error.into())
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Directory(error) => Self::Change(error),
            fault @ (Fault::Server(_) | Fault::Unknown(_) | Fault::Connection(_)) => Self::Chunk(fault),
        }
    }
}

impl From<crate::directory::DirectoryError> for Failure {
    fn from(error: crate::directory::DirectoryError) -> Self {
        Self::Change(error)
    }
}

impl<'a, 'w> Chunk<'a, 'w> {
    pub(super) fn new(writing: &'a mut Writing<'w>, run: &'a Run, careful: bool) -> Self {
        Self { writing, run, careful, places: HashMap::new(), json: Vec::new() }
    }

    /// Carries out one change; fails where the whole chunk is lost.
    pub(super) async fn one(&mut self, change: &Change) -> Result<Outcome, Fault> {
        if self.run.stop.requested() {
            return Ok(Err(rows::failure(change, ErrorKind::Interrupted)));
        }
        match self.carry_out(change).await {
            Ok(executed) => Ok(Ok(executed)),
            Err(Failure::Change(error)) => Ok(Err(error)),
            Err(Failure::Chunk(fault)) => Err(fault),
        }
    }

    async fn carry_out(&mut self, change: &Change) -> Result<Executed, Failure> {
        let now = Timestamp::now();
        let creates = matches!(change.action, Action::Create(_));
        // Nearly every create finds nothing: what it would collide with is looked for afterwards.
        let found = if creates { None } else { self.find(change).await? };
        let step = rows::step(change, found.as_ref(), now)?;
        if change.key.kind != Kind::User && !creates {
            self.places.clear();
        }
        let (executed, fields) = match (step, &found) {
            (Step::Settled(executed), _) => return Ok(executed),
            (Step::Insert(write), _) => match self.insert(change, &write, now).await {
                Err(Failure::Change(error)) if error.kind == ErrorKind::Conflict => {
                    return match self.find(change).await? {
                        Some(found) => match rows::step(change, Some(&found), now)? {
                            Step::Settled(executed) => Ok(executed),
                            Step::Insert(_) | Step::Replace(_) | Step::Remove(_) => Err(error.into()),
                        },
                        None => Err(error.into()),
                    };
                }
                done => (done?, write.fields),
            },
            (Step::Replace(write), Some(found)) => (self.replace(change, &write, found, now).await?, write.fields),
            (Step::Remove(fields), Some(found)) => (self.remove(change, found).await?, fields),
            (Step::Replace(_) | Step::Remove(_), None) => return Err(rows::failure(change, ErrorKind::Moved).into()),
        };
        let recorded = Recorded { change, loses: &rows::loses(change, found.as_ref()), id: &executed.id, fields: &fields, now };
        record(self.run, &mut self.json, &recorded, |record| self.writing.append(record));
        Ok(executed)
    }

    /// The object a change is about. Nobody else changes it until the end of the transaction.
    async fn find(&self, change: &Change) -> Result<Option<Found>, Failure> {
        let transaction = &self.writing.transaction;
        let Change { key, remote, .. } = change;
        let row = if let Some(id) = remote {
            let sql = format!("SELECT {COLUMNS} FROM objects WHERE id = $1 FOR UPDATE");
            transaction.query_opt(&transaction.prepare_cached(&sql).await?, &[&id.0.as_str()]).await?
        } else {
            let sql = format!(
                "SELECT {COLUMNS} FROM objects WHERE kind = $1 AND namespace = $2 AND name = $3 AND name IS NOT NULL FOR UPDATE"
            );
            let values = [key.kind.word(), key.namespace.as_str(), key.name.as_str()];
            transaction.query_opt(&transaction.prepare_cached(&sql).await?, &[&values[0], &values[1], &values[2]]).await?
        };
        let Some(row) = row else { return Ok(None) };
        let columns = Columns(&row);
        let parent = columns.parent();
        let mut parents = observe::parents_of(transaction, parent.as_slice()).await?;
        Ok(Some(decode(&columns, |row| Ok(parents.remove(&row)))?))
    }

    async fn insert(&mut self, change: &Change, write: &Write<'_>, now: Timestamp) -> Result<Executed, Failure> {
        let parent = self.parent(change, write).await?;
        let id = RemoteId(Uuid::now_v7().hyphenated().to_smolstr());
        let body = json(&mut self.json, &write.to.body).to_owned();
        let transaction = &self.writing.transaction;
        let done = insert(transaction, &id, write, parent, &body, now);
        guarded(transaction, self.careful, change, done).await?;
        Ok(Executed { id, version: Some(rows::version(write.version)) })
    }

    async fn replace(&mut self, change: &Change, write: &Write<'_>, found: &Found, now: Timestamp) -> Result<Executed, Failure> {
        let Write { to, credential: _, secret, retired_at: _, source: _, stays, version, fields: _ } = write;
        let id = found.id().clone();
        let parent = if *stays { None } else { self.parent(change, write).await? };
        let transaction = &self.writing.transaction;
        if change.key.kind == Kind::Company {
            acyclic(transaction, change, &id, parent).await?;
        }
        let body = json(&mut self.json, &to.body).to_owned();
        let done = update(transaction, &id, write, parent, &body, now);
        let done = guarded(transaction, self.careful, change, done).await?;
        if done == 0 {
            return Err(rows::failure(change, ErrorKind::Moved).because("it is gone").into());
        }
        secrets::kill(transaction, &[&id.0], *secret, now).await?;
        Ok(Executed { id, version: Some(rows::version(*version)) })
    }

    async fn remove(&mut self, change: &Change, found: &Found) -> Result<Executed, Failure> {
        let transaction = &self.writing.transaction;
        let id = found.id().clone();
        let children = "SELECT count(*) FROM objects WHERE parent = (SELECT row FROM objects WHERE id = $1)";
        let children = transaction.query_one(&transaction.prepare_cached(children).await?, &[&id.0.as_str()]).await?;
        let children: i64 = children.try_get(0)?;
        if children > 0 {
            return Err(rows::inhabited(change, children.cast_unsigned()).into());
        }
        let statement = transaction.prepare_cached("DELETE FROM objects WHERE id = $1").await?;
        let values = [id.0.as_str()];
        let done = async { transaction.execute(&statement, &[&values[0]]).await };
        guarded(transaction, self.careful, change, done).await?;
        Ok(Executed { id, version: None })
    }

    /// The row number of what the object will stand under.
    async fn parent(&mut self, change: &Change, write: &Write<'_>) -> Result<Option<i64>, Failure> {
        let Some(above) = write.to.above() else { return Ok(None) };
        if let Some(row) = self.places.get(&above) {
            return Ok(Some(*row));
        }
        let transaction = &self.writing.transaction;
        let by_key = "SELECT row FROM objects WHERE kind = $1 AND namespace = $2 AND name = $3 AND name IS NOT NULL";
        let Key { kind, namespace, name } = &above;
        let statement = transaction.prepare_cached(by_key).await?;
        let mut row = transaction.query_opt(&statement, &[&kind.word(), &namespace.as_str(), &name.as_str()]).await?;
        if let (None, Some(id)) = (&row, outside_id(name.as_str())) {
            let statement = transaction.prepare_cached("SELECT row FROM objects WHERE kind = $1 AND id = $2").await?;
            row = transaction.query_opt(&statement, &[&kind.word(), &id]).await?;
        }
        let row = row.ok_or_else(|| rows::homeless(change, &above))?.try_get(0)?;
        self.places.insert(above, row);
        Ok(Some(row))
    }
}

/// Writes an object that is not there yet.
async fn insert(
    transaction: &Transaction<'_>,
    id: &RemoteId,
    write: &Write<'_>,
    parent: Option<i64>,
    body: &str,
    now: Timestamp,
) -> Result<u64, tokio_postgres::Error> {
    let Write { to, credential, secret: _, retired_at, source, stays: _, version, fields: _ } = write;
    let (username, email, title) = claims(&to.body, parent.is_some());
    let managed = to.owner.is_some();
    let statement = transaction.prepare_cached(&format!("INSERT INTO objects ({INSERTED}) {INSERT}")).await?;
    transaction
        .execute(
            &statement,
            &[
                &id.0.as_str(),
                &to.key.kind.word(),
                &managed.then_some(to.key.namespace.as_str()),
                &managed.then_some(to.key.name.as_str()),
                &to.owner.as_ref().map(Name::as_str),
                &parent,
                &to.enabled,
                &to.suspended,
                &retired_at.map(Timestamp::as_microsecond),
                &managed.then_some(to.deletion.as_str()),
                &to.enabled,
                &credential.text().as_deref(),
                &username,
                &email,
                &title,
                &body,
                &version.cast_signed(),
                &now.as_microsecond(),
                &source.as_deref(),
                &to.locked.as_deref().map(Paragraph::as_str),
            ],
        )
        .await
}

/// Writes an object that is there already.
pub(super) async fn update(
    transaction: &Transaction<'_>,
    id: &RemoteId,
    write: &Write<'_>,
    parent: Option<i64>,
    body: &str,
    now: Timestamp,
) -> Result<u64, tokio_postgres::Error> {
    let Write { to, credential, secret: _, retired_at, source, stays, version, fields: _ } = write;
    let (username, email, title) = claims(&to.body, to.place.is_some());
    let managed = to.owner.is_some();
    let statement = transaction.prepare_cached(UPDATE).await?;
    transaction
        .execute(
            &statement,
            &[
                &id.0.as_str(),
                &managed.then_some(to.key.namespace.as_str()),
                &managed.then_some(to.key.name.as_str()),
                &to.owner.as_ref().map(Name::as_str),
                &parent,
                &to.enabled,
                &(managed && to.suspended),
                &retired_at.filter(|_| managed).map(Timestamp::as_microsecond),
                &managed.then_some(to.deletion.as_str()),
                &to.enabled,
                &credential.text().filter(|_| managed).as_deref(),
                &username,
                &email,
                &title,
                &body,
                &version.cast_signed(),
                &now.as_microsecond(),
                &source.as_deref().filter(|_| managed),
                &(!managed).then(|| to.key.to_smolstr()).as_deref(),
                stays,
                &to.locked.as_deref().map(Paragraph::as_str),
            ],
        )
        .await
}

/// Refuses a company that would stand under itself.
async fn acyclic(transaction: &Transaction<'_>, change: &Change, id: &RemoteId, parent: Option<i64>) -> Result<(), Failure> {
    let sql = "WITH RECURSIVE above (row) AS (VALUES ($1::bigint) UNION SELECT parent FROM objects JOIN above USING (row)) \
               SELECT EXISTS (SELECT FROM objects JOIN above USING (row) WHERE id = $2)";
    let statement = transaction.prepare_cached(sql).await?;
    let cyclic = transaction.query_one(&statement, &[&parent, &id.0.as_str()]).await?;
    if cyclic.try_get(0)? { Err(rows::cyclic(change).into()) } else { Ok(()) }
}

/// A statement of one change. With care, a constraint that it violates is its own failure; without, of the whole chunk.
async fn guarded<T>(
    transaction: &Transaction<'_>,
    careful: bool,
    change: &Change,
    statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Failure> {
    if !careful {
        return Ok(statement.await?);
    }
    transaction.batch_execute("SAVEPOINT change").await?;
    let failure = match statement.await {
        Ok(done) => {
            transaction.batch_execute("RELEASE SAVEPOINT change").await?;
            return Ok(done);
        }
        Err(error) => match error.as_db_error() {
            Some(violation) if fault::is_violation(violation.code()) => violated(change, violation),
            Some(_) | None => return Err(error.into()),
        },
    };
    transaction.batch_execute("ROLLBACK TO SAVEPOINT change; RELEASE SAVEPOINT change").await?;
    Err(failure)
}

/// What a change wanted that another object has.
fn violated(change: &Change, error: &DbError) -> Failure {
    let claim = match error.constraint() {
        Some("objects_username") => Claim::Username,
        Some("objects_email") => Claim::Email,
        Some("objects_title") => Claim::Title,
        Some("objects_key") => Claim::Key,
        Some(_) | None => return rows::failure(change, ErrorKind::Rejected).because(error.message().to_owned()).into(),
    };
    rows::taken(change, claim).into()
}
