//! The audit trail as history: what was read of it so far, and the record of what was found.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    directory::Run,
    history::{FOUND, Found, Past, changes_json},
};

use super::audit::{Record, Trail};

/// What the records came to, as far as they have been read.
#[derive(Debug)]
pub(crate) struct Known {
    /// The last record that was read.
    pub(crate) last: Trail,
    pub(crate) past: Arc<Past>,
}

impl Known {
    /// Takes up what was read after it, until the record `last`.
    pub(crate) fn extend(known: &mut Option<Self>, more: Past, last: Trail, looked: Option<Timestamp>) -> Arc<Past> {
        let known = known.get_or_insert_with(|| Self { last, past: Arc::default() });
        let past = Arc::make_mut(&mut known.past);
        past.extend(more);
        past.looked = looked;
        known.last = last;
        Arc::clone(&known.past)
    }
}

/// The record of something that was found at the time `at`, handed to `append`. `since` is when it had last been as recorded.
pub(crate) fn record<T>(found: &Found, since: Option<i64>, at: Timestamp, run: &Run, append: impl FnOnce(&Record<'_>) -> T) -> T {
    let Found { id, kind, key, label, owner, role: _, what: _, changes } = found;
    let Run { id: run, owner: _, actor, digest, losses_allowed: _, commits: _, stop: _ } = run;
    append(&Record {
        at: at.as_microsecond(),
        run,
        actor: actor.as_deref(),
        owner: owner.as_deref().unwrap_or_default(),
        verb: FOUND,
        kind: kind.word(),
        namespace: key.as_ref().map_or("", |key| key.namespace.as_str()),
        name: key.as_ref().map_or(label, |key| key.name.as_str()),
        remote: &id.0,
        reason: "Outside",
        changes: &changes_json(changes),
        digest,
        since,
        ..Record::default()
    })
}
