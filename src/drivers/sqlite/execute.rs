//! Changes → rows, each with its audit record.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, ErrorCode, OptionalExtension, Statement, Transaction, TransactionBehavior, params};
use smol_str::ToSmolStr;
use uuid::Uuid;

use crate::{
    directory::{DirectoryError, ErrorKind, Executed, Run},
    drivers::{
        rows::{self, Claim, Found, Step, Write},
        sql::{
            change::{Outcome, Recorded, all_failed, claims, json, record},
            object::{COLUMNS, decode},
        },
    },
    model::{FieldChange, Key, Kind, Paragraph, RemoteId},
    observed::outside_id,
    plan::Change,
};

use super::{audit::Trail, kind_of, observe, secrets};

/// Why a change was not carried out.
enum Failure {
    /// This one cannot be; the others of its chunk can.
    Change(DirectoryError),
    /// The transaction is lost, and everything in it.
    Chunk(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Chunk(error)
    }
}

impl From<DirectoryError> for Failure {
    fn from(error: DirectoryError) -> Self {
        Self::Change(error)
    }
}

/// Carries out a chunk of changes in one transaction. Every change writes its object with one statement, which SQLite undoes
/// as a whole where it violates a constraint, so that nobody needs savepoints; any other failure ends the transaction.
pub(super) fn execute(connection: &mut Connection, changes: &[Change], run: &Run) -> Vec<Outcome> {
    match try_execute(connection, changes, run) {
        Ok(outcomes) => outcomes,
        Err(error) => {
            let kind = match kind_of(&error) {
                // Constraints of single changes never come this far.
                ErrorKind::Conflict => ErrorKind::Failed,
                kind => kind,
            };
            all_failed(changes, &DirectoryError::new("write", kind).because(error))
        }
    }
}

fn try_execute(connection: &mut Connection, changes: &[Change], run: &Run) -> rusqlite::Result<Vec<Outcome>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let outcomes = one_by_one(&transaction, changes, run)?;
    transaction.commit()?;
    Ok(outcomes)
}

fn one_by_one(transaction: &Transaction<'_>, changes: &[Change], run: &Run) -> rusqlite::Result<Vec<Outcome>> {
    let mut chunk = Chunk {
        insert: transaction.prepare_cached(INSERT)?,
        audit: Trail::statement(transaction)?,
        trail: Trail::continued(transaction)?,
        places: HashMap::new(),
        json: Vec::new(),
        transaction,
        run,
    };
    let mut outcomes = Vec::with_capacity(changes.len());
    for change in changes {
        if run.stop.requested() {
            outcomes.push(Err(rows::failure(change, ErrorKind::Interrupted)));
            continue;
        }
        match chunk.one(change) {
            Ok(executed) => outcomes.push(Ok(executed)),
            Err(Failure::Change(error)) => outcomes.push(Err(error)),
            Err(Failure::Chunk(error)) => return Err(error),
        }
    }
    chunk.trail.finish(transaction)?;
    Ok(outcomes)
}

const INSERT: &str = "INSERT INTO objects (id, kind, namespace, name, owner, parent, enabled, suspended, retired_at, deletion, \
     left_enabled, credential, username, email, title, body, version, created_at, updated_at, source, locked) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?18, ?19, ?20)";

const UPDATE: &str = "UPDATE objects SET namespace = ?2, name = ?3, owner = ?4, parent = iif(?20, parent, ?5), enabled = ?6, suspended = ?7, \
     retired_at = ?8, deletion = ?9, left_enabled = ?10, credential = ?11, username = ?12, email = ?13, title = ?14, body = ?15, \
     version = ?16, updated_at = ?17, source = ?18, formerly = ?19, locked = ?21 WHERE id = ?1";

struct Chunk<'a> {
    transaction: &'a Transaction<'a>,
    run: &'a Run,
    insert: CachedStatement<'a>,
    audit: Statement<'a>,
    trail: Trail,
    /// Row numbers of what others stand under.
    places: HashMap<Key, i64>,
    json: Vec<u8>,
}

impl Chunk<'_> {
    fn one(&mut self, change: &Change) -> Result<Executed, Failure> {
        let now = Timestamp::now();
        let creates = matches!(change.action, crate::plan::Action::Create(_));
        // Nearly every create finds nothing: what it would collide with is looked for afterwards.
        let found = if creates { None } else { self.find(change)? };
        let step = rows::step(change, found.as_ref(), now)?;
        if change.key.kind != Kind::User && !creates {
            self.places.clear();
        }
        let (executed, fields) = match (step, &found) {
            (Step::Settled(executed), _) => return Ok(executed),
            (Step::Insert(write), _) => match self.insert(change, &write, now) {
                Err(Failure::Change(error)) if error.kind == ErrorKind::Conflict => {
                    return match self.find(change)? {
                        Some(found) => match rows::step(change, Some(&found), now)? {
                            Step::Settled(executed) => Ok(executed),
                            Step::Insert(_) | Step::Replace(_) | Step::Remove(_) => Err(error.into()),
                        },
                        None => Err(error.into()),
                    };
                }
                done => (done?, write.fields),
            },
            (Step::Replace(write), Some(found)) => (self.replace(change, &write, found, now)?, write.fields),
            (Step::Remove(fields), Some(found)) => (self.remove(change, found)?, fields),
            (Step::Replace(_) | Step::Remove(_), None) => return Err(rows::failure(change, ErrorKind::Moved).into()),
        };
        self.record(change, found.as_ref(), &executed.id, &fields, now)?;
        Ok(executed)
    }

    /// The object a change is about.
    fn find(&self, change: &Change) -> Result<Option<Found>, Failure> {
        let Change { key, remote, .. } = change;
        let (condition, values) = match remote {
            Some(id) => ("id = ?1", vec![id.0.as_str()]),
            None => {
                ("kind = ?1 AND namespace = ?2 AND name = ?3", vec![key.kind.word(), key.namespace.as_str(), key.name.as_str()])
            }
        };
        let sql = format!("SELECT {COLUMNS} FROM objects WHERE {condition}");
        let mut statement = self.transaction.prepare_cached(&sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let above = |row| observe::parent(self.transaction, row).map_err(|error| super::failed("read the directory", error));
        Ok(Some(decode(&observe::Columns(row), above)?))
    }

    fn insert(&mut self, change: &Change, write: &Write<'_>, now: Timestamp) -> Result<Executed, Failure> {
        let parent = self.parent(change, write)?;
        let Write { to, credential, secret: _, retired_at, source, stays: _, version, fields: _ } = write;
        let id = Uuid::now_v7().hyphenated().to_smolstr();
        let body = json(&mut self.json, &to.body);
        let (username, email, title) = claims(&to.body, parent.is_some());
        let done = self.insert.execute(params![
            id.as_str(),
            to.key.kind.word(),
            to.owner.as_ref().map(|_| to.key.namespace.as_str()),
            to.owner.as_ref().map(|_| to.key.name.as_str()),
            to.owner.as_ref().map(crate::model::Name::as_str),
            parent,
            to.enabled,
            to.suspended,
            retired_at.map(Timestamp::as_microsecond),
            to.owner.as_ref().map(|_| to.deletion.as_str()),
            to.enabled,
            credential.text().as_deref(),
            username,
            email,
            title,
            body,
            version.cast_signed(),
            now.as_microsecond(),
            source.as_deref(),
            to.locked.as_deref().map(Paragraph::as_str),
        ]);
        done.map_err(|error| violated(change, error))?;
        Ok(Executed { id: RemoteId(id), version: Some(rows::version(*version)) })
    }

    fn replace(&mut self, change: &Change, write: &Write<'_>, found: &Found, now: Timestamp) -> Result<Executed, Failure> {
        let Write { to, credential, secret, retired_at, source, stays, version, fields: _ } = write;
        let id = found.id().clone();
        let parent = if *stays { None } else { self.parent(change, write)? };
        if change.key.kind == Kind::Company {
            self.acyclic(change, &id, parent)?;
        }
        let body = json(&mut self.json, &to.body);
        let (username, email, title) = claims(&to.body, to.place.is_some());
        let managed = to.owner.is_some();
        let done = self.transaction.prepare_cached(UPDATE)?.execute(params![
            id.0.as_str(),
            managed.then_some(to.key.namespace.as_str()),
            managed.then_some(to.key.name.as_str()),
            to.owner.as_ref().map(crate::model::Name::as_str),
            parent,
            to.enabled,
            managed && to.suspended,
            retired_at.filter(|_| managed).map(Timestamp::as_microsecond),
            managed.then_some(to.deletion.as_str()),
            to.enabled,
            credential.text().filter(|_| managed).as_deref(),
            username,
            email,
            title,
            body,
            version.cast_signed(),
            now.as_microsecond(),
            source.as_deref().filter(|_| managed),
            (!managed).then(|| to.key.to_smolstr()).as_deref(),
            stays,
            to.locked.as_deref().map(Paragraph::as_str),
        ]);
        done.map_err(|error| violated(change, error))?;
        secrets::kill(self.transaction, &id, *secret, now)?;
        Ok(Executed { id, version: Some(rows::version(*version)) })
    }

    fn remove(&mut self, change: &Change, found: &Found) -> Result<Executed, Failure> {
        let id = found.id().clone();
        let children = "SELECT count(*) FROM objects WHERE parent = (SELECT row FROM objects WHERE id = ?1)";
        let children: u32 = self.transaction.prepare_cached(children)?.query_row([id.0.as_str()], |row| row.get(0))?;
        if children > 0 {
            return Err(rows::inhabited(change, children.into()).into());
        }
        self.transaction.prepare_cached("DELETE FROM objects WHERE id = ?1")?.execute([id.0.as_str()])?;
        Ok(Executed { id, version: None })
    }

    /// The row number of what the object will stand under.
    fn parent(&mut self, change: &Change, write: &Write<'_>) -> Result<Option<i64>, Failure> {
        let Some(above) = write.to.above() else { return Ok(None) };
        if let Some(row) = self.places.get(&above) {
            return Ok(Some(*row));
        }
        let by_key = "SELECT row FROM objects WHERE kind = ?1 AND namespace = ?2 AND name = ?3";
        let Key { kind, namespace, name } = &above;
        let values = [kind.word(), namespace.as_str(), name.as_str()];
        let mut row: Option<i64> = self.transaction.prepare_cached(by_key)?.query_row(values, |row| row.get(0)).optional()?;
        if let (None, Some(id)) = (row, outside_id(name.as_str())) {
            let by_id = "SELECT row FROM objects WHERE kind = ?1 AND id = ?2";
            row = self.transaction.prepare_cached(by_id)?.query_row([kind.word(), id], |row| row.get(0)).optional()?;
        }
        let row = row.ok_or_else(|| rows::homeless(change, &above))?;
        self.places.insert(above, row);
        Ok(Some(row))
    }

    /// Refuses a company that would stand under itself.
    fn acyclic(&self, change: &Change, id: &RemoteId, parent: Option<i64>) -> Result<(), Failure> {
        let sql = "WITH RECURSIVE above (row) AS (VALUES (?1) UNION SELECT parent FROM objects JOIN above USING (row)) \
                   SELECT EXISTS (SELECT 1 FROM objects JOIN above USING (row) WHERE id = ?2)";
        let cyclic: bool = self.transaction.prepare_cached(sql)?.query_row(params![parent, id.0.as_str()], |row| row.get(0))?;
        if cyclic { Err(rows::cyclic(change).into()) } else { Ok(()) }
    }

    fn record(
        &mut self,
        change: &Change,
        found: Option<&Found>,
        id: &RemoteId,
        fields: &[FieldChange],
        now: Timestamp,
    ) -> Result<(), Failure> {
        let it = Recorded { change, loses: &rows::loses(change, found), id, fields, now };
        let (trail, statement) = (&mut self.trail, &mut self.audit);
        Ok(record(self.run, &mut self.json, &it, |record| trail.append(statement, record))?)
    }
}

/// A constraint that a change violates is its own failure; anything else ends the transaction.
fn violated(change: &Change, error: rusqlite::Error) -> Failure {
    if error.sqlite_error_code() != Some(ErrorCode::ConstraintViolation) {
        return Failure::Chunk(error);
    }
    let message = error.to_string();
    let claims = [
        ("objects.username", Claim::Username),
        ("objects.email", Claim::Email),
        ("objects.title", Claim::Title),
        ("objects.namespace", Claim::Key),
    ];
    match claims.into_iter().find(|(column, _)| message.contains(column)) {
        Some((_, claim)) => rows::taken(change, claim).into(),
        None => rows::failure(change, ErrorKind::Rejected).because(error).into(),
    }
}
