//! What somebody else has changed, in words of identity.

use std::{collections::BTreeMap, fmt::Write};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    detail::field_change,
    json::{self, ChangeForm, FORMAT_VERSION},
    style::{BOLD, GREEN, RED, YELLOW, count, paint},
};
use crate::{
    history::{Found, What},
    model::{Field, FieldChange, FieldValue, Kind, visible},
    plan::{Decision, Plan},
};

/// Rows before the list is cut.
const ROWS: usize = 200;

/// What was found, and what the next apply makes of it.
pub(crate) struct Drift<'a> {
    pub(crate) found: &'a [Found],
    /// When a run that could write last looked.
    pub(crate) looked: Option<Timestamp>,
    pub(crate) plan: &'a Plan,
}

/// How weighty one difference is: the weightiest gives the sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Role,
    Enabled,
    Owner,
    Place,
    Name,
    Other,
}

impl Drift<'_> {
    /// The sentences, then what each is about.
    pub(crate) fn text(&self) -> String {
        let Some(looked) = self.looked else {
            return "Nothing was ever applied here, so there is nothing to compare with.\n".into();
        };
        let looked = looked.strftime("%Y-%m-%dT%H:%M:%SZ");
        if self.found.is_empty() {
            return format!("Nothing was changed outside Git since the last apply ({looked}).\n");
        }
        let mut out = format!("Since the last apply ({looked}):\n");
        for (sentence, _) in self.sentences() {
            let _ = writeln!(out, "  {}", paint(BOLD, visible(&sentence)));
        }
        out.push('\n');
        let width = self.found.iter().take(ROWS).map(|it| name(it).chars().count()).max().unwrap_or(0).min(64);
        for found in self.found.iter().take(ROWS) {
            self.row(&mut out, found, width);
        }
        if self.found.len() > ROWS {
            let _ = writeln!(out, "  … and {} more: `-o json` lists everything", count((self.found.len() - ROWS) as u64));
        }
        out
    }

    /// `2 common-managers were added outside Git`, with how many; the weightiest first.
    fn sentences(&self) -> Vec<(String, u64)> {
        let mut groups: BTreeMap<(Weight, String, String), u64> = BTreeMap::new();
        for found in self.found {
            let (weight, one, many) = sentence(found);
            *groups.entry((weight, one, many)).or_default() += 1;
        }
        let words = |((_, one, many), number): ((Weight, String, String), u64)| {
            (format!("{} {} outside Git", count(number), if number == 1 { one } else { many }), number)
        };
        groups.into_iter().map(words).collect()
    }

    fn row(&self, out: &mut String, found: &Found, width: usize) {
        let (sign, style) = match found.what {
            What::Added => ("+", GREEN),
            What::Changed => ("~", YELLOW),
            What::Gone => ("-", RED),
        };
        let head = paint(style, format!("{sign} {:<width$}", visible(&name(found))));
        let mut lines: Vec<String> = match found.what {
            What::Added => vec![format!("added: {}", added(found))],
            What::Gone => vec!["deleted".into()],
            What::Changed => found.changes.iter().map(field_change).collect(),
        };
        lines.push(format!("next apply: {}", self.next(found)));
        for (row, line) in lines.iter().enumerate() {
            let _ = if row == 0 {
                writeln!(out, "  {head}  {line}")
            } else {
                writeln!(out, "{:indent$}{line}", "", indent = width + 6)
            };
        }
    }

    fn decision(&self, found: &Found) -> Option<&Decision> {
        self.plan.decision(found.key.as_ref()?)
    }

    /// What becomes of it.
    fn next(&self, found: &Found) -> String {
        match (found.key.is_some(), self.decision(found)) {
            (false, _) => "nothing, since nobody declares it".into(),
            (true, None) => "nothing, since it is as declared, or not declared here".into(),
            (true, Some(decision)) => match &decision.held {
                Some(held) if decision.change.is_none() => format!("held ({}): {}", held.hold.name(), visible(&held.message)),
                Some(_) | None => decision.verb().as_str().to_owned(),
            },
        }
    }

    /// For scripts.
    pub(crate) fn json(&self) -> String {
        json::print(&DriftForm {
            format_version: FORMAT_VERSION,
            since: self.looked,
            summary: self.sentences().into_iter().map(|(what, count)| SentenceForm { what, count }).collect(),
            objects: self.found.iter().map(|found| self.form(found)).collect(),
        })
    }

    fn form(&self, found: &Found) -> ObjectForm {
        let Found { id, kind, key, label, owner: _, role: _, what, changes } = found;
        let decision = self.decision(found);
        ObjectForm {
            key: key.as_ref().map(ToString::to_string),
            kind: kind.word(),
            name: label.to_string(),
            directory_id: id.0.to_string(),
            what: match what {
                What::Added => "added",
                What::Changed => "changed",
                What::Gone => "deleted",
            },
            changes: changes.iter().cloned().map(json::form).collect(),
            next: decision.map(|decision| decision.verb().as_str()),
            hold: decision.and_then(|decision| decision.held.as_ref()).map(|held| held.hold.name()),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DriftForm {
    format_version: &'static str,
    /// When a run that could write last looked; null where none did.
    since: Option<Timestamp>,
    summary: Vec<SentenceForm>,
    objects: Vec<ObjectForm>,
}

#[derive(Serialize)]
struct SentenceForm {
    what: String,
    count: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectForm {
    /// Null for what nobody manages.
    key: Option<String>,
    kind: &'static str,
    name: String,
    directory_id: String,
    /// `added`, `changed` or `deleted`.
    what: &'static str,
    changes: Vec<ChangeForm>,
    /// What the next apply does to it; null where nothing.
    next: Option<&'static str>,
    /// Why not all of that, where it is held.
    hold: Option<&'static str>,
}

fn name(found: &Found) -> String {
    found.key.as_ref().map_or_else(|| format!("{} {} (not managed)", found.kind.word(), found.label), ToString::to_string)
}

fn added(found: &Found) -> String {
    let shown = |change: &&FieldChange| {
        !matches!(change.field, Field::Key | Field::Owner | Field::Deletion | Field::Retired | Field::Suspended)
    };
    found
        .changes
        .iter()
        .filter(shown)
        .filter(|it| it.after != FieldValue::None)
        .map(|it| format!("{} {}", it.field.name(), after(it)))
        .collect::<Vec<_>>()
        .join(", ")
}

fn after(change: &FieldChange) -> String {
    let text = field_change(change);
    text.rsplit_once(" → ").map_or(text.clone(), |(_, after)| after.to_owned())
}

/// What people are called who hold a role, or what another thing is.
fn noun(found: &Found) -> (String, String) {
    match (&found.role, found.kind) {
        (Some(role), Kind::User) => (role.to_string(), format!("{role}s")),
        (_, kind) => (kind.word().to_owned(), kind.plural().to_owned()),
    }
}

/// One and several, and how weighty it is.
fn sentence(found: &Found) -> (Weight, String, String) {
    let (one, many) = noun(found);
    let both = |weight, what: &str| (weight, format!("{one} was {what}"), format!("{many} were {what}"));
    match found.what {
        What::Added => return both(Weight::Role, "added"),
        What::Gone => return both(Weight::Role, "deleted"),
        What::Changed => {}
    }
    let weights = [(Field::Role, Weight::Role), (Field::Enabled, Weight::Enabled), (Field::Owner, Weight::Owner)];
    let names = [(Field::Key, Weight::Name), (Field::Username, Weight::Name)];
    let weighed = |change: &&FieldChange| {
        let known = weights.into_iter().chain(names).find(|(field, _)| *field == change.field).map(|(_, weight)| weight);
        known.unwrap_or(if change.field.is_place() { Weight::Place } else { Weight::Other })
    };
    let Some(change) = found.changes.iter().min_by_key(weighed) else { return both(Weight::Other, "edited") };
    match weighed(&change) {
        Weight::Role => {
            let what = format!("given the role {}", change.after.text().unwrap_or("none"));
            (Weight::Role, format!("user was {what}"), format!("users were {what}"))
        }
        Weight::Enabled => both(Weight::Enabled, if change.after.is_set() { "enabled" } else { "disabled" }),
        Weight::Owner => match change.after.text() {
            Some(owner) => both(Weight::Owner, &format!("given to the owner {owner}")),
            None => both(Weight::Owner, "released"),
        },
        Weight::Place => both(Weight::Place, "moved"),
        Weight::Name => both(Weight::Name, "renamed"),
        Weight::Other => both(Weight::Other, "edited"),
    }
}
