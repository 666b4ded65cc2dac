//! Records of what was done: a few lines for people, and JSON.

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{
    detail::field_change,
    json::{self, ChangeForm, FORMAT_VERSION, SourceForm},
    style::{BOLD, DIM, GREEN, RED, WARNING, YELLOW, paint},
};
use crate::{
    history::{Commit, FOUND, Record},
    model::{Field, FieldChange, FieldValue, visible},
};

/// One record, as `history -o json` and an export have it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordForm {
    seq: u64,
    at: Timestamp,
    run: String,
    /// Null means the operator of the tool.
    actor: Option<String>,
    owner: String,
    verb: String,
    key: String,
    directory_id: String,
    reason: String,
    cause: Option<String>,
    changes: Vec<ChangeForm>,
    loss: u64,
    loss_allowed: u64,
    source: Option<SourceForm>,
    commit: Option<String>,
    author: Option<String>,
    committed_at: Option<Timestamp>,
    /// From the commit to this record; for a leaver, how long it took to shut them out.
    seconds_since_commit: Option<f64>,
    /// Of what was found changed: when it had last been as recorded.
    found_since: Option<Timestamp>,
    digest: String,
    hash: String,
}

impl RecordForm {
    fn new(record: &Record) -> Self {
        let Record {
            seq,
            at,
            run,
            actor,
            owner,
            verb,
            kind: _,
            namespace: _,
            name: _,
            remote,
            reason,
            cause,
            changes: _,
            loss,
            loss_allowed,
            source,
            commit,
            since,
            digest,
            prev: _,
            hash,
        } = record;
        let text = |text: &smol_str::SmolStr| text.to_string();
        Self {
            seq: *seq,
            at: *at,
            run: text(run),
            actor: actor.as_ref().map(text),
            owner: text(owner),
            verb: text(verb),
            key: text(&record.key()),
            directory_id: text(&remote.0),
            reason: text(reason),
            cause: cause.as_ref().map(text),
            changes: record.fields().into_iter().map(json::form).collect(),
            loss: *loss,
            loss_allowed: *loss_allowed,
            source: source.as_ref().and_then(|place| json::source(place)),
            commit: commit.as_ref().map(|commit| text(&commit.id)),
            author: commit.as_ref().map(|commit| text(&commit.author)),
            committed_at: commit.as_ref().map(|commit| commit.at),
            seconds_since_commit: record.since_commit().as_ref().map(SignedDuration::as_secs_f64),
            found_since: *since,
            digest: text(digest),
            hash: hash.clone(),
        }
    }
}

/// What stands before the records in JSON.
pub(crate) fn begin() -> String {
    format!("{{\n  \"formatVersion\": \"{FORMAT_VERSION}\",\n  \"records\": [")
}

/// What stands behind them.
pub(crate) const END: &str = "\n  ]\n}\n";

/// One record among others in JSON.
pub(crate) fn json(record: &Record, first: bool) -> String {
    format!("{}\n    {}", if first { "" } else { "," }, compact(&RecordForm::new(record)))
}

/// One record as a value.
pub(crate) fn value(record: &Record) -> serde_json::Value {
    serde_json::to_value(RecordForm::new(record)).expect("forms are JSON")
}

/// The first line of an export.
pub(crate) fn export_head(directory: &str) -> String {
    compact(&serde_json::json!({ "type": "version", "formatVersion": FORMAT_VERSION, "directory": directory }))
}

/// A record as a line of an export: with the hash of the one before, so that the chain can be followed.
pub(crate) fn line(record: &Record) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        r#type: &'static str,
        #[serde(flatten)]
        record: RecordForm,
        prev: &'a str,
    }
    compact(&Line { r#type: "record", record: RecordForm::new(record), prev: &record.prev })
}

fn compact(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("forms are JSON")
}

/// One record for people: when, what and to whom; then by whom, why, and by which commit.
pub(crate) fn text(record: &Record) -> String {
    let verb = record.verb.as_str();
    let style = match verb {
        "create" => GREEN,
        "disable" | "delete" | "release" => RED,
        FOUND => WARNING,
        _ => YELLOW,
    };
    let what = what(record);
    let head = format!("{verb:<10} {}", record.key());
    let mut out = format!("{}  {}", paint(BOLD, time(record.at)), paint(style, visible(&head)));
    let _ = if what.is_empty() { writeln!(out) } else { writeln!(out, "  {}", visible(&what)) };
    let _ = writeln!(out, "{:22}{}", "", paint(DIM, visible(&why(record))));
    out
}

/// To the second: what differs within one has its order.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What became different, in a few words.
fn what(record: &Record) -> String {
    let fields = record.fields();
    let of = |field: Field| fields.iter().find(|change| change.field == field);
    let after = |field: Field| of(field).and_then(|change| change.after.text());
    match record.verb.as_str() {
        "create" => {
            let place = after(Field::Company).or(after(Field::Customer)).or(after(Field::Parent));
            let role = after(Field::Role).or(after(Field::Type));
            let parts = [role.map(str::to_owned), place.map(|place| format!("in {place}"))];
            parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
        }
        "delete" => String::new(),
        FOUND if fields.iter().any(|change| change.field == Field::Key && change.after == FieldValue::None) => {
            "deleted by somebody else".into()
        }
        verb => {
            let shown = |change: &&FieldChange| {
                let told = matches!(change.field, Field::Retired | Field::Suspended)
                    || change.field == Field::Enabled && matches!(verb, "enable" | "disable")
                    || change.field == Field::Owner && matches!(verb, "adopt" | "release");
                !told && change.before != change.after
            };
            fields.iter().filter(shown).map(field_change).collect::<Vec<_>>().join("; ")
        }
    }
}

fn why(record: &Record) -> String {
    let Record { actor, reason, cause, source, commit, since, .. } = record;
    let mut parts = vec![match (record.verb.as_str(), actor) {
        (FOUND, _) => "found, and done by somebody else".to_owned(),
        (_, Some(actor)) => format!("by {actor}"),
        (_, None) => "by the operator".to_owned(),
    }];
    if let Some(since) = since {
        parts.push(format!("after {}", time(*since)));
    }
    if record.verb != FOUND {
        parts.push(cause.as_ref().map_or_else(|| reason.to_string(), |cause| format!("{reason} {cause}")));
    }
    parts.extend(source.as_ref().map(ToString::to_string));
    if let Some(Commit { id, author, at: _ }) = commit {
        parts.push(format!("commit {} by {author}", &id[..id.len().min(12)]));
    }
    if let Some(took) = record.since_commit().filter(|_| record.shuts_out()) {
        parts.push(format!("shut out {} after the commit", duration(took)));
    }
    parts.join(", ")
}

/// `41 s`, `3 h 2 min`, `12 d 4 h`.
fn duration(took: SignedDuration) -> String {
    let seconds = took.as_secs().max(0);
    let parts = |(high, unit): (i64, &str), (low, smaller): (i64, &str)| {
        if low == 0 { format!("{high} {unit}") } else { format!("{high} {unit} {low} {smaller}") }
    };
    match seconds {
        0..60 => format!("{:.1} s", took.as_secs_f64().max(0.0)),
        60..3600 => parts((seconds / 60, "min"), (seconds % 60, "s")),
        3600..86_400 => parts((seconds / 3600, "h"), (seconds % 3600 / 60, "min")),
        _ => parts((seconds / 86_400, "d"), (seconds % 86_400 / 3600, "h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        for (seconds, text) in [(0, "0.0 s"), (41, "41.0 s"), (60, "1 min"), (3725, "1 h 2 min"), (90_000, "1 d 1 h")] {
            assert_eq!(duration(SignedDuration::from_secs(seconds)), text);
        }
        assert_eq!(duration(SignedDuration::from_secs(-5)), "0.0 s", "clocks differ");
    }
}
