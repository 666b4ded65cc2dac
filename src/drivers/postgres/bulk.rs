//! Many changes at once: what they are about is read together, new objects go out by `COPY`, and whatever else is written
//! does not wait for the answer to the one before.
//!
//! Only for what leaves the places of others alone: new objects of every kind, and users. What does not fit in, because it needs
//! something of the same chunk, comes afterwards, one by one.

use std::collections::{HashMap, HashSet};

use deadpool_postgres::Transaction;
use futures_util::future::{join, try_join_all};
use jiff::Timestamp;
use smol_str::{SmolStr, ToSmolStr};
use uuid::Uuid;

use crate::{
    directory::{DirectoryError, ErrorKind, Executed, Run},
    drivers::{
        rows::{self, Found, Secret, Step, Write},
        sql::{
            change::{Outcome, Recorded, claims, json, record},
            object::{COLUMNS, decode},
        },
    },
    model::{Key, Kind, Name, Paragraph, RemoteId},
    plan::{Action, Change},
};

use super::{
    audit::{self, Pen, Writing},
    copy::Rows,
    execute::{Chunk, INSERTED, update},
    fault::Fault,
    observe::{Columns, parents_of},
    secrets,
};

/// New objects that are sent together: few enough that the server has something to do soon, and while more are made ready.
const PART: usize = 500;
/// Changes that are made ready without a look at whether the server waits.
const STRIDE: usize = 32;

/// Whether changes can be carried out at once.
pub(super) fn fits(changes: &[Change]) -> bool {
    let fits = |change: &Change| match change.action {
        Action::Create(_) => true,
        Action::Update { .. } | Action::Delete => change.key.kind == Kind::User && change.remote.is_some(),
    };
    changes.len() > 1 && changes.iter().all(fits)
}

/// What is written of one object that is there already.
struct Update<'a> {
    id: RemoteId,
    write: Write<'a>,
    parent: Option<i64>,
    body: String,
    now: Timestamp,
}

/// What of some changes is on its way to the server.
struct Batch<'a> {
    deletes: Vec<String>,
    updates: Vec<Update<'a>>,
    inserts: Rows,
}

/// Carries out changes that [fit](fits), each object once. A constraint that one of them violates undoes all of them. New objects
/// go out part by part: the server writes one while the next is made ready.
pub(super) async fn execute(writing: &mut Writing<'_>, changes: &[Change], run: &Run) -> Result<Vec<Outcome>, Fault> {
    let found = found(&writing.transaction, changes).await?;
    let places = places(&writing.transaction, changes).await?;
    // What goes gives its names free to what comes, so the two are sent together.
    let part = if found.is_empty() { PART } else { changes.len() };
    let mut ready =
        Ready { found: &found, places: &places, run, touched: HashSet::new(), outcomes: Vec::with_capacity(changes.len()) };
    let mut sending = None;
    for part in changes.chunks(part) {
        let (transaction, pen) = (&writing.transaction, &mut writing.pen);
        let (sent, batch) = join(send(transaction, sending.take()), ready.prepare(part, pen)).await;
        sent?;
        sending = Some(batch);
    }
    send(&writing.transaction, sending).await?;
    let mut rest = Chunk::new(writing, run, false);
    let mut all = Vec::with_capacity(changes.len());
    for (outcome, change) in ready.outcomes.into_iter().zip(changes) {
        all.push(match outcome {
            Some(outcome) => outcome,
            None => rest.one(change).await?,
        });
    }
    Ok(all)
}

/// Makes changes ready to be sent.
struct Ready<'a> {
    found: &'a HashMap<RemoteId, Result<Found, DirectoryError>>,
    places: &'a HashMap<Key, i64>,
    run: &'a Run,
    touched: HashSet<&'a RemoteId>,
    /// What became of each; nothing yet where it comes afterwards, one by one.
    outcomes: Vec<Option<Outcome>>,
}

impl<'a> Ready<'a> {
    /// Makes some changes ready, with their records. Now and then it lets others go on, so that what was made ready before is sent.
    async fn prepare(&mut self, changes: &'a [Change], pen: &mut Pen) -> (Batch<'a>, Rows) {
        let mut batch = Batch { deletes: Vec::new(), updates: Vec::new(), inserts: Rows::new(21) };
        let mut buffer = Vec::new();
        for (at, change) in changes.iter().enumerate() {
            if at % STRIDE == 0 {
                tokio::task::yield_now().await;
            }
            let outcome = self.one(change, &mut batch, &mut buffer, pen);
            self.outcomes.push(outcome);
        }
        (batch, pen.take())
    }

    fn one(&mut self, change: &'a Change, batch: &mut Batch<'a>, buffer: &mut Vec<u8>, pen: &mut Pen) -> Option<Outcome> {
        if self.run.stop.requested() {
            return Some(Err(rows::failure(change, ErrorKind::Interrupted)));
        }
        let now = Timestamp::now();
        if change.remote.as_ref().is_some_and(|id| !self.touched.insert(id)) {
            return None;
        }
        let found = change.remote.as_ref().and_then(|id| self.found.get(id));
        let found = if matches!(change.action, Action::Create(_)) { None } else { found };
        let step = match found.map(Result::as_ref).transpose() {
            Ok(found) => rows::step(change, found, now),
            Err(error) => Err(same(change, error)),
        };
        let found = found.and_then(|found| found.as_ref().ok());
        let (executed, fields) = match step {
            Err(error) => return Some(Err(error)),
            Ok(Step::Settled(executed)) => return Some(Ok(executed)),
            Ok(Step::Insert(write)) => {
                let Ok(parent) = place(self.places, &write) else { return None };
                let id = RemoteId(Uuid::now_v7().hyphenated().to_smolstr());
                insert(&mut batch.inserts, buffer, &id, &write, parent, now);
                (Executed { id, version: Some(rows::version(write.version)) }, write.fields)
            }
            Ok(Step::Replace(mut write)) => {
                let parent = if write.stays { Ok(None) } else { place(self.places, &write) };
                let (Ok(parent), Some(found)) = (parent, found) else { return None };
                let (id, fields) = (found.id().clone(), std::mem::take(&mut write.fields));
                let executed = Executed { id: id.clone(), version: Some(rows::version(write.version)) };
                let body = json(buffer, &write.to.body).to_owned();
                batch.updates.push(Update { id, write, parent, body, now });
                (executed, fields)
            }
            Ok(Step::Remove(fields)) => {
                let found = found?;
                batch.deletes.push(found.id().0.to_string());
                (Executed { id: found.id().clone(), version: None }, fields)
            }
        };
        let recorded = Recorded { change, loses: &rows::loses(change, found), id: &executed.id, fields: &fields, now };
        record(self.run, buffer, &recorded, |record| pen.append(record));
        Some(Ok(executed))
    }
}

/// What goes gives its names free first.
async fn send(transaction: &Transaction<'_>, ready: Option<(Batch<'_>, Rows)>) -> Result<(), Fault> {
    let Some((Batch { deletes, updates, inserts }, records)) = ready else { return Ok(()) };
    if !deletes.is_empty() {
        transaction.execute("DELETE FROM objects WHERE id = ANY ($1)", &[&deletes]).await?;
    }
    // All of them are on their way before the first is answered.
    let write = async |it: &Update<'_>| {
        let Update { id, write, parent, body, now } = it;
        update(transaction, id, write, *parent, body, *now).await
    };
    try_join_all(updates.iter().map(write)).await?;
    for secret in [Secret::Dies, Secret::DiesUnused] {
        let ids: Vec<&str> = updates.iter().filter(|it| it.write.secret == secret).map(|it| it.id.0.as_str()).collect();
        if let Some(last) = updates.last().filter(|_| !ids.is_empty()) {
            secrets::kill(transaction, &ids, secret, last.now).await?;
        }
    }
    if !inserts.is_empty() {
        inserts.send(transaction, &format!("COPY objects ({INSERTED}) FROM STDIN (FORMAT binary)")).await?;
    }
    audit::send(transaction, records).await
}

/// The failure to read the object of a change, which is another one's as well.
fn same(change: &Change, error: &DirectoryError) -> DirectoryError {
    rows::failure(change, error.kind.clone()).because(error.chain())
}

/// What changes are about, by identifier, where it could be read. Nobody else changes it until the end of the transaction.
async fn found(
    transaction: &Transaction<'_>,
    changes: &[Change],
) -> Result<HashMap<RemoteId, Result<Found, DirectoryError>>, Fault> {
    let about = |change: &Change| match change.action {
        Action::Create(_) => None,
        Action::Update { .. } | Action::Delete => change.remote.as_ref().map(|id| id.0.to_string()),
    };
    let ids: Vec<_> = changes.iter().filter_map(about).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = format!("SELECT {COLUMNS} FROM objects WHERE id = ANY ($1) FOR UPDATE");
    let statement = transaction.prepare_cached(&sql).await?;
    let rows = transaction.query(&statement, &[&ids]).await?;
    let above: HashSet<i64> = rows.iter().filter_map(|row| Columns(row).parent()).collect();
    let parents = parents_of(transaction, &Vec::from_iter(above)).await?;
    let decode = |row| {
        let columns = Columns(row);
        (columns.id(), decode(&columns, |row| Ok(parents.get(&row).cloned())))
    };
    Ok(rows.iter().map(decode).collect())
}

/// Row numbers of what the objects of changes will stand under.
async fn places(transaction: &Transaction<'_>, changes: &[Change]) -> Result<HashMap<Key, i64>, Fault> {
    let above = |change: &Change| match &change.action {
        Action::Create(to) | Action::Update { fields: _, to } => to.above(),
        Action::Delete => None,
    };
    let keys: Vec<Key> = Vec::from_iter(changes.iter().filter_map(above).collect::<HashSet<_>>());
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let kinds: Vec<_> = keys.iter().map(|key| key.kind.word()).collect();
    let namespaces: Vec<_> = keys.iter().map(|key| key.namespace.as_str()).collect();
    let names: Vec<_> = keys.iter().map(|key| key.name.as_str()).collect();
    let sql = "SELECT n, row FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS above (kind, namespace, name, n) \
               JOIN objects USING (kind, namespace, name)";
    let statement = transaction.prepare_cached(sql).await?;
    let rows = transaction.query(&statement, &[&kinds, &namespaces, &names]).await?;
    let place = |row: &tokio_postgres::Row| {
        let place = usize::try_from(row.try_get::<_, i64>(0)? - 1).unwrap_or_default();
        Ok((keys[place].clone(), row.try_get(1)?))
    };
    rows.iter().map(place).collect()
}

/// What a change needs is not known beforehand.
struct Later;

/// What an object will stand under, if anything.
fn place(places: &HashMap<Key, i64>, write: &Write<'_>) -> Result<Option<i64>, Later> {
    write.to.above().map(|above| places.get(&above).copied().ok_or(Later)).transpose()
}

/// The row of a new object, in the order of [`INSERTED`].
fn insert(inserts: &mut Rows, buffer: &mut Vec<u8>, id: &RemoteId, write: &Write<'_>, parent: Option<i64>, now: Timestamp) {
    let Write { to, credential, secret: _, retired_at, source, stays: _, version, fields: _ } = write;
    let (username, email, title) = claims(&to.body, parent.is_some());
    let (owned, now) = (to.owner.is_some(), now.as_microsecond());
    let credential: Option<SmolStr> = credential.text();
    inserts
        .row()
        .text(Some(&id.0))
        .text(Some(to.key.kind.word()))
        .text(owned.then_some(to.key.namespace.as_str()))
        .text(owned.then_some(to.key.name.as_str()))
        .text(to.owner.as_ref().map(Name::as_str))
        .number(parent)
        .flag(to.enabled)
        .flag(to.suspended)
        .number(retired_at.map(Timestamp::as_microsecond))
        .text(owned.then_some(to.deletion.as_str()))
        .flag(to.enabled)
        .text(credential.as_deref())
        .text(username)
        .text(email)
        .text(title)
        .text(Some(json(buffer, &to.body)))
        .number(Some(version.cast_signed()))
        .number(Some(now))
        .number(Some(now))
        .text(source.as_deref())
        .text(to.locked.as_deref().map(Paragraph::as_str));
}
