//! What is kept of secrets: given out, used up, dead. That one was delivered, or set by its owner, is recorded in the same
//! transaction; that one is owed was recorded with the change that asked. Never a hash is.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::{
    directory::{Debt, DirectoryError, ErrorKind, Issue, NewSecret, Run, SignIn},
    drivers::{
        rows::Secret,
        sql::{audit::Record, change::credential},
    },
    model::{PasswordHash, RemoteId, TokenHash, Username},
    observed::CredentialMark,
};

use super::{audit::Trail, failed, schema};

/// Does to the secret of an account what a write of the account does to it.
pub(super) fn kill(connection: &Connection, id: &RemoteId, secret: Secret, now: Timestamp) -> rusqlite::Result<()> {
    let (died, unused) = match secret {
        Secret::Stays => return Ok(()),
        Secret::Dies => (None, false),
        Secret::DiesUnused => (Some(now.as_microsecond()), true),
    };
    let account = "object = (SELECT row FROM objects WHERE id = ?1 AND (NOT ?2 OR unused_until IS NOT NULL))";
    connection.prepare_cached(&format!("DELETE FROM secrets WHERE {account}"))?.execute(params![id.0.as_str(), unused])?;
    // One that died by its time keeps that time.
    let update = "UPDATE objects SET unused_until = iif(?2 IS NULL, NULL, min(unused_until, ?2)) WHERE id = ?1";
    connection.prepare_cached(update)?.execute(params![id.0.as_str(), died])?;
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
pub(super) fn issue(
    connection: &mut Connection,
    issues: &[Issue],
    run: &Run,
) -> Result<Vec<Result<(), DirectoryError>>, DirectoryError> {
    let find = "SELECT row FROM objects WHERE id = ?1 AND credential = ?2 AND enabled = 1 AND retired_at IS NULL AND owner = ?3";
    let store = "INSERT OR REPLACE INTO secrets (object, password, token, must_change, issued_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut write = || -> rusqlite::Result<Vec<Result<(), DirectoryError>>> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut outcomes = Vec::with_capacity(issues.len());
        for Issue { debt, secret, until } in issues {
            let owed = debt.owed.text();
            let values = params![debt.id.0.as_str(), owed.as_deref(), run.owner.as_str()];
            let row: Option<i64> = transaction.prepare_cached(find)?.query_row(values, |row| row.get(0)).optional()?;
            let Some(row) = row else {
                outcomes.push(Err(moved(debt, "it does not owe this credential any more, or cannot sign in")));
                continue;
            };
            let (password, token, must_change) = match secret {
                NewSecret::Password { hash, plain: _, must_change } => (Some(hash.expose()), None, *must_change),
                NewSecret::Link(token) => (None, Some(token.expose()), false),
                NewSecret::Invitation(_) | NewSecret::OwnLink => {
                    outcomes.push(Err(no_mail(debt)));
                    continue;
                }
            };
            let now = Timestamp::now().as_microsecond();
            transaction.prepare_cached(store)?.execute(params![row, password, token, must_change, now])?;
            let until = until.map(Timestamp::as_microsecond);
            transaction.prepare_cached("UPDATE objects SET unused_until = ?2 WHERE row = ?1")?.execute(params![row, until])?;
            outcomes.push(Ok(()));
        }
        transaction.commit()?;
        Ok(outcomes)
    };
    write().map_err(|error| failed("store secrets", error))
}

/// Marks credentials as given.
pub(super) fn delivered(
    connection: &mut Connection,
    debts: &[Debt],
    run: &Run,
) -> Result<Vec<Result<(), DirectoryError>>, DirectoryError> {
    let mark = "UPDATE objects SET credential = ?3 WHERE id = ?1 AND credential = ?2";
    let mut write = || -> rusqlite::Result<Vec<Result<(), DirectoryError>>> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut trail = Trail::continued(&transaction)?;
        let mut statement = Trail::statement(&transaction)?;
        let mut outcomes = Vec::with_capacity(debts.len());
        for debt in debts {
            let given = CredentialMark::Given(debt.owed.reset().cloned().unwrap_or_default());
            let (owed, given) = (debt.owed.text(), given.text());
            let values = params![debt.id.0.as_str(), owed.as_deref(), given.as_deref()];
            if transaction.prepare_cached(mark)?.execute(values)? == 0 {
                outcomes.push(Err(moved(debt, "it does not owe this credential any more")));
                continue;
            }
            let changes = serde_json::json!({ "credential": [owed, given] }).to_string();
            trail.append(&mut statement, &credential(run, &debt.key, &debt.id, "Delivered", &changes))?;
            outcomes.push(Ok(()));
        }
        trail.finish(&transaction)?;
        drop(statement);
        transaction.commit()?;
        Ok(outcomes)
    };
    write().map_err(|error| failed("mark credentials", error))
}

/// Refuses a directory that is not there: whoever asks for somebody in it must not hear that there is no such person.
fn there(path: &Path) -> Result<(), DirectoryError> {
    if schema::exists(path)? {
        return Ok(());
    }
    let operation = format!("read {}", path.display());
    Err(DirectoryError::new(operation, ErrorKind::Unavailable).because("there is no such file: nothing was ever applied here"))
}

/// What a password is checked against.
pub(super) fn sign_in(path: &Path, username: &Username) -> Result<Option<SignIn>, DirectoryError> {
    there(path)?;
    let sql = "SELECT s.password, s.must_change, o.unused_until, o.enabled, o.retired_at IS NOT NULL \
               FROM objects o JOIN secrets s ON s.object = o.row WHERE o.username = ?1 AND s.password IS NOT NULL";
    let connection = schema::reader(path)?;
    let found = connection.query_row(sql, [username.as_str()], |row| {
        let until: Option<i64> = row.get(2)?;
        let (enabled, retired): (bool, bool) = (row.get(3)?, row.get(4)?);
        Ok(SignIn {
            password: PasswordHash::new(row.get::<_, String>(0)?),
            must_change: row.get(1)?,
            until: until.and_then(|micros| Timestamp::from_microsecond(micros).ok()),
            enabled: enabled && !retired,
        })
    });
    found.optional().map_err(|error| failed("check a password", error))
}

/// An account whose link is this one, and can be used at `?2`.
const LINK: &str = "FROM objects o JOIN secrets s ON s.object = o.row \
     WHERE s.token = ?1 AND o.unused_until > ?2 AND o.enabled = 1 AND o.retired_at IS NULL";

/// Whether a link could be used.
pub(super) fn redeemable(path: &Path, token: &TokenHash, now: Timestamp) -> Result<bool, DirectoryError> {
    there(path)?;
    let sql = format!("SELECT EXISTS (SELECT 1 {LINK})");
    let found = schema::reader(path)?.query_row(&sql, params![token.expose(), now.as_microsecond()], |row| row.get(0));
    found.map_err(|error| failed("look at a link", error))
}

/// Uses a link up and sets the password, in one transaction.
pub(super) fn redeem(
    connection: &mut Connection,
    token: &TokenHash,
    password: &PasswordHash,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    let set = |transaction: &Transaction<'_>| {
        let sql = format!("SELECT o.row {LINK}");
        transaction.query_row(&sql, params![token.expose(), now.as_microsecond()], |row| row.get::<_, i64>(0)).optional()
    };
    chosen(connection, password, "LinkUsed", set)
}

/// Replaces a password that was checked.
pub(super) fn replace(
    connection: &mut Connection,
    username: &Username,
    old: &PasswordHash,
    new: &PasswordHash,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    let sql = "SELECT o.row FROM objects o JOIN secrets s ON s.object = o.row WHERE o.username = ?1 AND s.password = ?2 \
               AND (o.unused_until IS NULL OR o.unused_until > ?3) AND o.enabled = 1 AND o.retired_at IS NULL";
    let set = |transaction: &Transaction<'_>| {
        let values = params![username.as_str(), old.expose(), now.as_microsecond()];
        transaction.query_row(sql, values, |row| row.get::<_, i64>(0)).optional()
    };
    chosen(connection, new, "PasswordChanged", set)
}

/// A password that the user chose themselves, for the account that `find` finds: it is not temporary, and lives on.
fn chosen(
    connection: &mut Connection,
    password: &PasswordHash,
    reason: &str,
    find: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<Option<i64>>,
) -> Result<bool, DirectoryError> {
    let mut find = Some(find);
    let mut write = || -> rusqlite::Result<bool> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let Some(find) = find.take() else { return Ok(false) };
        let Some(row) = find(&transaction)? else { return Ok(false) };
        let now = Timestamp::now().as_microsecond();
        let store = "UPDATE secrets SET password = ?2, token = NULL, must_change = 0, issued_at = ?3 WHERE object = ?1";
        transaction.execute(store, params![row, password.expose(), now])?;
        transaction.execute("UPDATE objects SET unused_until = NULL WHERE row = ?1", [row])?;
        let who = "SELECT id, namespace, name, owner, username FROM objects WHERE row = ?1";
        let text = |row: &rusqlite::Row<'_>, column| row.get::<_, Option<String>>(column).map(Option::unwrap_or_default);
        let (id, namespace, name, owner, username) = transaction
            .query_row(who, [row], |row| Ok((text(row, 0)?, text(row, 1)?, text(row, 2)?, text(row, 3)?, text(row, 4)?)))?;
        let mut trail = Trail::continued(&transaction)?;
        let record = Record {
            at: now,
            actor: Some(&username),
            owner: &owner,
            verb: "credential",
            kind: "user",
            namespace: &namespace,
            name: &name,
            remote: &id,
            reason,
            changes: "{}",
            ..Record::default()
        };
        trail.append(&mut Trail::statement(&transaction)?, &record)?;
        trail.finish(&transaction)?;
        transaction.commit()?;
        Ok(true)
    };
    write().map_err(|error| failed("set a password", error))
}
