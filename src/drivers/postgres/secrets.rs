//! What is kept of secrets: given out, used up, dead. That one was delivered, or set by its owner, is recorded in the same
//! transaction; that one is owed was recorded with the change that asked. Never a hash is.

use deadpool_postgres::{Object, Transaction};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use tokio_postgres::{Error, types::ToSql};

use crate::{
    directory::{Debt, DirectoryError, ErrorKind, Issue, NewSecret, Run, SignIn},
    drivers::{
        rows::Secret,
        sql::{audit::Record, change::credential},
    },
    model::{PasswordHash, TokenHash, Username},
    observed::CredentialMark,
};

use super::{Postgres, audit::begin, fault::Fault, time};

/// Does to the secrets of accounts what a write of the accounts does to them.
pub(super) async fn kill(transaction: &Transaction<'_>, ids: &[&str], secret: Secret, now: Timestamp) -> Result<(), Error> {
    let (died, unused) = match secret {
        Secret::Stays => return Ok(()),
        Secret::Dies => (None, false),
        Secret::DiesUnused => (Some(now.as_microsecond()), true),
    };
    let delete = "DELETE FROM secrets WHERE object = ANY \
                  (ARRAY (SELECT row FROM objects WHERE id = ANY ($1) AND (NOT $2 OR unused_until IS NOT NULL)))";
    let delete = transaction.prepare_cached(delete).await?;
    transaction.execute(&delete, &[&ids, &unused]).await?;
    // One that died by its time keeps that time.
    let update = "UPDATE objects SET unused_until = CASE WHEN $2::bigint IS NULL THEN NULL ELSE least(unused_until, $2::bigint) END \
                  WHERE id = ANY ($1) AND unused_until IS NOT NULL";
    let update = transaction.prepare_cached(update).await?;
    transaction.execute(&update, &[&ids, &died]).await?;
    Ok(())
}

fn moved(debt: &Debt, cause: &'static str) -> DirectoryError {
    DirectoryError::new(format!("give {} its credential", debt.key), ErrorKind::Moved).because(cause)
}

/// A database mails nothing, and says so ([`Capabilities::invites`](crate::observed::Capabilities::invites)).
fn no_mail(debt: &Debt) -> DirectoryError {
    DirectoryError::new(format!("give {} its credential", debt.key), ErrorKind::Rejected).because("it mails no links itself")
}

/// Stores secrets, each in place of whatever its account had.
pub(super) async fn issue(directory: &Postgres, issues: &[Issue], run: &Run) -> Result<Vec<Result<(), DirectoryError>>, Fault> {
    let store = "WITH account AS (UPDATE objects SET unused_until = $4 WHERE id = $1 AND credential = $2 AND enabled \
                 AND retired_at IS NULL AND owner = $3 RETURNING row) \
                 INSERT INTO secrets (object, password, token, must_change, issued_at) SELECT row, $5, $6, $7, $8 FROM account \
                 ON CONFLICT (object) DO UPDATE SET password = excluded.password, token = excluded.token, \
                 must_change = excluded.must_change, issued_at = excluded.issued_at";
    let mut client = directory.client().await?;
    let writing = begin(directory, &mut client).await?;
    let transaction = &writing.transaction;
    let store = &transaction.prepare_cached(store).await?;
    let one = async |Issue { debt, secret, until }: &Issue| -> Result<Result<(), DirectoryError>, Error> {
        let (password, token, must_change) = match secret {
            NewSecret::Password { hash, plain: _, must_change } => (Some(hash.expose()), None, *must_change),
            NewSecret::Link(token) => (None, Some(token.expose()), false),
            NewSecret::Invitation(_) | NewSecret::OwnLink => return Ok(Err(no_mail(debt))),
        };
        let (owed, until) = (debt.owed.text(), until.map(Timestamp::as_microsecond));
        let now = Timestamp::now().as_microsecond();
        let token = token.map(AsRef::<[u8]>::as_ref);
        let values: [&(dyn ToSql + Sync); 8] =
            [&debt.id.0.as_str(), &owed.as_deref(), &run.owner.as_str(), &until, &password, &token, &must_change, &now];
        match transaction.execute(store, &values).await? {
            0 => Ok(Err(moved(debt, "it does not owe this credential any more, or cannot sign in"))),
            _ => Ok(Ok(())),
        }
    };
    // All of them are on their way before the first is answered.
    let outcomes = try_join_all(issues.iter().map(one)).await?;
    writing.commit().await?;
    Ok(outcomes)
}

/// Marks credentials as given.
pub(super) async fn delivered(directory: &Postgres, debts: &[Debt], run: &Run) -> Result<Vec<Result<(), DirectoryError>>, Fault> {
    let mut client = directory.client().await?;
    let mut writing = begin(directory, &mut client).await?;
    let transaction = &writing.transaction;
    let mark = "UPDATE objects SET credential = $3 WHERE id = $1 AND credential = $2";
    let mark = &transaction.prepare_cached(mark).await?;
    let one = async |debt: &Debt| -> Result<Result<String, DirectoryError>, Error> {
        let given = CredentialMark::Given(debt.owed.reset().cloned().unwrap_or_default());
        let (owed, given) = (debt.owed.text(), given.text());
        match transaction.execute(mark, &[&debt.id.0.as_str(), &owed.as_deref(), &given.as_deref()]).await? {
            0 => Ok(Err(moved(debt, "it does not owe this credential any more"))),
            _ => Ok(Ok(serde_json::json!({ "credential": [owed, given] }).to_string())),
        }
    };
    let marked = try_join_all(debts.iter().map(one)).await?;
    let mut outcomes = Vec::with_capacity(debts.len());
    for (debt, marked) in debts.iter().zip(marked) {
        outcomes.push(marked.map(|changes| writing.append(&credential(run, &debt.key, &debt.id, "Delivered", &changes))));
    }
    writing.commit().await?;
    Ok(outcomes)
}

/// A connection to a directory that is there: whoever asks for somebody in it must not hear that there is no such person.
async fn there(directory: &Postgres) -> Result<Object, Fault> {
    let mut client = directory.client().await?;
    if directory.there(&mut client).await? {
        return Ok(client);
    }
    let operation = format!("read the schema {}", directory.schema);
    let cause = "there are no tables in it: nothing was ever applied here";
    Err(DirectoryError::new(operation, ErrorKind::Unavailable).because(cause).into())
}

/// What a password is checked against.
pub(super) async fn sign_in(directory: &Postgres, username: &Username) -> Result<Option<SignIn>, Fault> {
    let sql = "SELECT s.password, s.must_change, o.unused_until, o.enabled AND o.retired_at IS NULL \
               FROM objects o JOIN secrets s ON s.object = o.row \
               WHERE lower(o.username) = lower($1::text COLLATE \"C\") AND s.password IS NOT NULL";
    let client = there(directory).await?;
    let statement = client.prepare_cached(sql).await?;
    let Some(row) = client.query_opt(&statement, &[&username.as_str()]).await? else { return Ok(None) };
    Ok(Some(SignIn {
        password: PasswordHash::new(row.try_get::<_, String>(0)?),
        must_change: row.try_get(1)?,
        until: row.try_get::<_, Option<i64>>(2)?.and_then(time),
        enabled: row.try_get(3)?,
    }))
}

/// An account whose link is this one, and can be used at `$2`.
const LINK: &str = "FROM objects o JOIN secrets s ON s.object = o.row \
     WHERE s.token = $1 AND o.unused_until > $2 AND o.enabled AND o.retired_at IS NULL";

/// Whether a link could be used.
pub(super) async fn redeemable(directory: &Postgres, token: &TokenHash, now: Timestamp) -> Result<bool, Fault> {
    let client = there(directory).await?;
    let statement = client.prepare_cached(&format!("SELECT EXISTS (SELECT {LINK})")).await?;
    let found = client.query_one(&statement, &[&token.expose().as_ref(), &now.as_microsecond()]).await?;
    Ok(found.try_get(0)?)
}

/// Uses a link up and sets the password, in one transaction.
pub(super) async fn redeem(
    directory: &Postgres,
    token: &TokenHash,
    password: &PasswordHash,
    now: Timestamp,
) -> Result<bool, Fault> {
    // Whoever only tries must not make others wait.
    if !redeemable(directory, token, now).await? {
        return Ok(false);
    }
    let sql = format!("SELECT o.row {LINK} FOR UPDATE");
    chosen(directory, password, "LinkUsed", &sql, &[&token.expose().as_ref(), &now.as_microsecond()]).await
}

/// Replaces a password that was checked.
pub(super) async fn replace(
    directory: &Postgres,
    username: &Username,
    old: &PasswordHash,
    new: &PasswordHash,
    now: Timestamp,
) -> Result<bool, Fault> {
    drop(there(directory).await?);
    let sql = "SELECT o.row FROM objects o JOIN secrets s ON s.object = o.row \
               WHERE lower(o.username) = lower($1::text COLLATE \"C\") AND s.password = $2 \
               AND (o.unused_until IS NULL OR o.unused_until > $3) AND o.enabled AND o.retired_at IS NULL FOR UPDATE";
    chosen(directory, new, "PasswordChanged", sql, &[&username.as_str(), &old.expose(), &now.as_microsecond()]).await
}

/// A password that the user chose themselves, for the account that `find` finds: it is not temporary, and lives on.
async fn chosen(
    directory: &Postgres,
    password: &PasswordHash,
    reason: &str,
    find: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<bool, Fault> {
    let mut client = directory.client().await?;
    let mut writing = begin(directory, &mut client).await?;
    let transaction = &writing.transaction;
    let Some(found) = transaction.query_opt(&transaction.prepare_cached(find).await?, values).await? else { return Ok(false) };
    let row: i64 = found.try_get(0)?;
    let now = Timestamp::now().as_microsecond();
    let store = "UPDATE secrets SET password = $2, token = NULL, must_change = false, issued_at = $3 WHERE object = $1";
    transaction.execute(store, &[&row, &password.expose(), &now]).await?;
    let who = "UPDATE objects SET unused_until = NULL WHERE row = $1 RETURNING id, namespace, name, owner, username";
    let who = transaction.query_one(who, &[&row]).await?;
    let text = |column| who.try_get::<_, Option<&str>>(column).map(Option::unwrap_or_default);
    writing.append(&Record {
        at: now,
        actor: Some(text(4)?),
        owner: text(3)?,
        verb: "credential",
        kind: "user",
        namespace: text(1)?,
        name: text(2)?,
        remote: text(0)?,
        reason,
        changes: "{}",
        ..Record::default()
    });
    writing.commit().await?;
    Ok(true)
}
