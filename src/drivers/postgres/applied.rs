//! What was applied last, for each owner: the root of a whole declaration, and the settings. Settings that change have their
//! audit record.

use jiff::Timestamp;

use crate::{drivers::sql::audit::Record, model::Name, observed::Settings};

use super::{
    Postgres,
    audit::{Writing, begin},
    fault::Fault,
};

/// Remembers what was applied, where that is anything new.
pub(super) async fn remember(directory: &Postgres, owner: &Name, root: Option<&str>, settings: &Settings) -> Result<(), Fault> {
    let mut client = directory.client().await?;
    let mut writing = begin(directory, &mut client).await?;
    if let Some(root) = root {
        let write = "INSERT INTO applied (owner, root) VALUES ($1, $2) ON CONFLICT (owner) DO UPDATE SET root = excluded.root \
                     WHERE applied.root <> excluded.root";
        writing.transaction.execute(write, &[&owner.as_str(), &root]).await?;
    }
    keep(&mut writing, owner, settings).await?;
    writing.commit().await
}

async fn keep(writing: &mut Writing<'_>, owner: &Name, settings: &Settings) -> Result<(), Fault> {
    let json = serde_json::to_string(settings).expect("settings are JSON");
    let known = "SELECT settings FROM settings WHERE owner = $1";
    let known = writing.transaction.query_opt(known, &[&owner.as_str()]).await?;
    let known: Option<String> = known.map(|row| row.try_get(0)).transpose()?;
    if known.as_ref() == Some(&json) {
        return Ok(());
    }
    let write = "INSERT INTO settings (owner, project, settings) VALUES ($1, $2, $3) \
                 ON CONFLICT (owner) DO UPDATE SET project = excluded.project, settings = excluded.settings";
    writing.transaction.execute(write, &[&owner.as_str(), &settings.project.as_str(), &json]).await?;
    let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap_or_default();
    let changes = serde_json::json!({ "settings": [known.as_deref().map(value), value(&json)] }).to_string();
    writing.append(&Record {
        at: Timestamp::now().as_microsecond(),
        owner: owner.as_str(),
        verb: "settings",
        kind: "project",
        name: settings.project.as_str(),
        reason: "Declared",
        changes: &changes,
        ..Record::default()
    });
    Ok(())
}
