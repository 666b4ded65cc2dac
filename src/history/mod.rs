//! What was done to a directory, as records; what they come to at a time; and what has changed there since. Pure: where the
//! records are kept is behind [`crate::directory::History`].

mod drift;
mod past;

use jiff::Timestamp;
use serde::{
    Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use smol_str::SmolStr;

use crate::model::{Field, FieldChange, FieldValue, Key, RemoteId};

pub use drift::{Found, What, drift, news};
pub use past::{Entry, Past, Thing};

/// The verb of a record that says what was found rather than what was done.
pub const FOUND: &str = "found";

/// The commit by which something came to be declared, or ceased to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The full hash.
    pub id: SmolStr,
    /// `Name <mailbox>` of its author.
    pub author: SmolStr,
    /// When it was committed.
    pub at: Timestamp,
}

/// One record of the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// Unique to the run that wrote it.
    pub run: SmolStr,
    /// Who acted; none means the operator of the tool.
    pub actor: Option<SmolStr>,
    /// Whose declaration; empty for what nobody manages.
    pub owner: SmolStr,
    /// What was done: a [`crate::plan::Verb`], `settings`, or [`FOUND`].
    pub verb: SmolStr,
    /// `user`, `company`, …, or `project` for its settings.
    pub kind: SmolStr,
    /// Empty for what is global.
    pub namespace: SmolStr,
    /// The name in its kind and namespace.
    pub name: SmolStr,
    /// The directory's identifier.
    pub remote: RemoteId,
    /// Why: a [`crate::plan::Reason`].
    pub reason: SmolStr,
    /// The key that the reason names.
    pub cause: Option<SmolStr>,
    /// JSON: `{field: [before, after]}`.
    pub changes: String,
    /// What counted as lost.
    pub loss: u64,
    /// What was lost and allowed by a flag.
    pub loss_allowed: u64,
    /// Where it was declared, or last had been.
    pub source: Option<SmolStr>,
    /// By which commit, where that could be told.
    pub commit: Option<Commit>,
    /// Of what was found: when it had last been as recorded.
    pub since: Option<Timestamp>,
    /// The digest of the plan.
    pub digest: SmolStr,
    /// The hash of the record before, in hexadecimal.
    pub prev: String,
    /// The hash over all of this, in hexadecimal.
    pub hash: String,
}

impl Record {
    /// `user/nordlicht/mara-lindqvist`.
    pub fn key(&self) -> SmolStr {
        let (kind, namespace, name) = (&self.kind, &self.namespace, &self.name);
        if namespace.is_empty() {
            smol_str::format_smolstr!("{kind}/{name}")
        } else {
            smol_str::format_smolstr!("{kind}/{namespace}/{name}")
        }
    }

    /// What differed.
    pub fn fields(&self) -> Vec<FieldChange> {
        fields(&self.changes, true).unwrap_or_default()
    }

    /// Whether somebody was shut out by it: disabled, deleted, or locked.
    pub fn shuts_out(&self) -> bool {
        self.kind == "user" && matches!(self.verb.as_str(), "disable" | "delete")
    }

    /// How long it took from the commit to this.
    pub fn since_commit(&self) -> Option<jiff::SignedDuration> {
        let Commit { id: _, author: _, at } = self.commit.as_ref()?;
        Some(self.at.duration_since(*at))
    }
}

/// What is to be said of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chain {
    /// Every record is as it was written. Somebody who could write the file could have written all of it anew: compare the
    /// head with one that was kept elsewhere.
    Whole {
        /// How many records there are.
        records: u64,
        /// The hash of the last one, in hexadecimal; zeros where there is none.
        head: String,
        /// The number of the record with the hash that was asked for.
        at: Option<u64>,
    },
    /// A record is not as it was written, or is not there.
    Broken {
        /// The number of the first such record, from 1.
        record: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// The fields in the JSON of a record; what is no field of ours is passed over. What was before is read only where it is asked
/// for, and of keys.
fn fields(json: &str, before: bool) -> Result<Vec<FieldChange>, serde_json::Error> {
    struct Changes(bool);

    impl<'de> Visitor<'de> for Changes {
        type Value = Vec<FieldChange>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("{field: [before, after]}")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut changes = Vec::new();
            while let Some(name) = map.next_key::<&str>()? {
                if let Some(field) = Field::parse(name) {
                    let (before, after) = if self.0 || field == Field::Key {
                        map.next_value::<(FieldValue, FieldValue)>()?
                    } else {
                        let (IgnoredAny, after) = map.next_value()?;
                        (FieldValue::None, after)
                    };
                    changes.push(FieldChange { field, before, after });
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(changes)
        }
    }
    serde_json::Deserializer::from_str(json).deserialize_map(Changes(before))
}

/// `{field: [before, after]}`.
pub fn changes_json(fields: &[FieldChange]) -> String {
    let map: serde_json::Map<String, serde_json::Value> = fields
        .iter()
        .map(|FieldChange { field, before, after }| (field.name().to_owned(), serde_json::json!([before, after])))
        .collect();
    serde_json::Value::Object(map).to_string()
}

/// The key that a record is about; none where it is none of ours.
fn key(kind: &str, namespace: &str, name: &str) -> Option<Key> {
    let text = if namespace.is_empty() { format!("{kind}/{name}") } else { format!("{kind}/{namespace}/{name}") };
    text.parse().ok()
}
