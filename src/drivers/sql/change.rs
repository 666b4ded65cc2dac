//! A change as the columns of an object and the record in the audit trail.

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap};
use smol_str::{SmolStr, format_smolstr};

use crate::{
    directory::{DirectoryError, Executed, Run},
    drivers::rows,
    model::{Body, FieldChange, FieldValue, Key, Namespace, RemoteId},
    plan::{Change, Reason},
};

use super::audit::Record;

/// What became of a change.
pub(crate) type Outcome = Result<Executed, DirectoryError>;

/// The same failure for each of the changes.
pub(crate) fn all_failed(changes: &[Change], error: &DirectoryError) -> Vec<Outcome> {
    let DirectoryError { operation, kind, source } = error;
    let cause = source.as_ref().map_or_else(|| format!("cannot {operation}"), |source| format!("cannot {operation}: {source}"));
    changes.iter().map(|change| Err(rows::failure(change, kind.clone()).because(cause.clone()))).collect()
}

/// The same failure for the credential of an account.
pub(crate) fn same(error: &DirectoryError, key: &Key) -> DirectoryError {
    let cause = error.source.as_ref().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
    DirectoryError::new(format!("give {key} its credential"), error.kind.clone()).because(cause)
}

/// What no other object may have: username, e-mail, title within its company.
pub(crate) fn claims(body: &Body, placed: bool) -> (Option<&str>, Option<&str>, Option<&str>) {
    match body {
        Body::User(user) => (Some(user.username.as_str()), Some(user.email.as_str()), None),
        Body::Customer(customer) => (None, None, placed.then_some(customer.display_name.as_str())),
        Body::Role(_) | Body::Company(_) => (None, None, None),
    }
}

/// A change that was carried out, for the trail.
pub(crate) struct Recorded<'a> {
    pub(crate) change: &'a Change,
    /// Where its losses count.
    pub(crate) loses: &'a Namespace,
    pub(crate) id: &'a RemoteId,
    /// What differed.
    pub(crate) fields: &'a [FieldChange],
    pub(crate) now: Timestamp,
}

/// The record of a change, handed to `append`. The buffer is used over and over.
pub(crate) fn record<T>(run: &Run, buffer: &mut Vec<u8>, it: &Recorded<'_>, append: impl FnOnce(&Record<'_>) -> T) -> T {
    let Run { id: run, owner, actor, digest, losses_allowed, commits, stop: _ } = run;
    let Recorded { change, loses, id, fields, now } = it;
    let Change { key, action: _, credential, reason, remote: _, expect: _, source, loss, before: _, takes: _ } = change;
    let mark = credential.as_ref().and_then(|action| action.mark.text());
    let (counts, allowed) = if *losses_allowed { (0, *loss) } else { (*loss, 0) };
    let cause = match reason {
        Reason::Above(key) | Reason::MovedFrom(key) => Some(format_smolstr!("{key}")),
        Reason::Declared
        | Reason::NotDeclared
        | Reason::DeclaredAgain
        | Reason::DisabledOutside
        | Reason::Expired
        | Reason::Adopted
        | Reason::Purged
        | Reason::Locked
        | Reason::Unlocked
        | Reason::Reset
        | Reason::Owed
        | Reason::Salvaged
        | Reason::ShuttingOff => None,
    };
    let commit = commits.get(key);
    append(&Record {
        at: now.as_microsecond(),
        run,
        actor: actor.as_deref(),
        owner: owner.as_str(),
        verb: change.verb().as_str(),
        kind: key.kind.word(),
        namespace: key.namespace.as_str(),
        name: key.name.as_str(),
        remote: &id.0,
        reason: reason.name(),
        cause: cause.as_deref(),
        changes: json(buffer, &Changes { fields, mark: mark.as_ref() }),
        loss: counts,
        loss_allowed: allowed,
        loss_namespace: (counts > 0).then_some(loses.as_str()),
        source: source.as_deref(),
        commit: commit.map(|commit| commit.id.as_str()),
        author: commit.map(|commit| commit.author.as_str()),
        digest,
        committed_at: commit.map(|commit| commit.at.as_microsecond()),
        since: None,
    })
}

/// The record of what became of the credential of an account.
pub(crate) fn credential<'a>(run: &'a Run, key: &'a Key, id: &'a RemoteId, reason: &'a str, changes: &'a str) -> Record<'a> {
    let Run { id: run, owner, actor, digest, losses_allowed: _, commits: _, stop: _ } = run;
    Record {
        at: Timestamp::now().as_microsecond(),
        run,
        actor: actor.as_deref(),
        owner: owner.as_str(),
        verb: "credential",
        kind: key.kind.word(),
        namespace: key.namespace.as_str(),
        name: key.name.as_str(),
        remote: &id.0,
        reason,
        changes,
        digest,
        ..Record::default()
    }
}

/// What differs, as `{field: [before, after]}`.
struct Changes<'a> {
    fields: &'a [FieldChange],
    mark: Option<&'a SmolStr>,
}

impl Serialize for Changes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { fields, mark } = self;
        let mut map = serializer.serialize_map(None)?;
        for FieldChange { field, before, after } in *fields {
            map.serialize_entry(field.name(), &(before, after))?;
        }
        if let Some(mark) = mark {
            map.serialize_entry("credential", &(FieldValue::None, mark))?;
        }
        map.end()
    }
}

/// A value as JSON, in a buffer that is used over and over.
pub(crate) fn json<'a>(buffer: &'a mut Vec<u8>, value: &impl Serialize) -> &'a str {
    buffer.clear();
    serde_json::to_writer(&mut *buffer, value).expect("values of the model are JSON");
    std::str::from_utf8(buffer).expect("JSON is UTF-8")
}
