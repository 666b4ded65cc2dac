//! What was applied last, for each owner: the root of a whole declaration, and the settings. Settings that change have their
//! audit record.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use crate::{directory::DirectoryError, drivers::sql::audit::Record, model::Name, observed::Settings};

use super::{audit::Trail, failed};

/// Remembers what was applied, where that is anything new.
pub(super) fn remember(
    connection: &mut Connection,
    owner: &Name,
    root: Option<&str>,
    settings: &Settings,
) -> Result<(), DirectoryError> {
    let mut write = || -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(root) = root {
            let known = "SELECT root FROM applied WHERE owner = ?1";
            let known: Option<String> = transaction.query_row(known, [owner.as_str()], |row| row.get(0)).optional()?;
            if known.as_deref() != Some(root) {
                transaction.execute("INSERT OR REPLACE INTO applied (owner, root) VALUES (?1, ?2)", [owner.as_str(), root])?;
            }
        }
        keep(&transaction, owner, settings)?;
        transaction.commit()
    };
    write().map_err(|error| failed("remember what was applied", error))
}

fn keep(transaction: &Transaction<'_>, owner: &Name, settings: &Settings) -> rusqlite::Result<()> {
    let json = serde_json::to_string(settings).expect("settings are JSON");
    let known = "SELECT settings FROM settings WHERE owner = ?1";
    let known: Option<String> = transaction.query_row(known, [owner.as_str()], |row| row.get(0)).optional()?;
    if known.as_ref() == Some(&json) {
        return Ok(());
    }
    let write = "INSERT OR REPLACE INTO settings (owner, project, settings) VALUES (?1, ?2, ?3)";
    transaction.execute(write, [owner.as_str(), settings.project.as_str(), &json])?;
    let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap_or_default();
    let changes = serde_json::json!({ "settings": [known.as_deref().map(value), value(&json)] }).to_string();
    let record = Record {
        at: Timestamp::now().as_microsecond(),
        owner: owner.as_str(),
        verb: "settings",
        kind: "project",
        name: settings.project.as_str(),
        reason: "Declared",
        changes: &changes,
        ..Record::default()
    };
    let mut trail = Trail::continued(transaction)?;
    trail.append(&mut Trail::statement(transaction)?, &record)?;
    trail.finish(transaction)
}
