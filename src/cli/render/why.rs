//! Everything about one thing: for people line by line, each with what it answers; and JSON.

use std::fmt::Write;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{
    detail,
    detail::field_change,
    diagnostics, history,
    json::{self, ChangeForm, FORMAT_VERSION, HoldForm, ProblemForm, RefusalForm, SourceForm},
    objects::Item,
    style::{BOLD, WARNING, paint},
};
use crate::{
    history::{Commit, Found, Record},
    manifest::Diagnostic,
    model::{Body, Deletion, Key, Place, State, visible},
    observed::{Live, Observed},
    pipeline::Planned,
    plan::Decision,
};

/// Where something is declared.
pub(crate) struct Declared {
    pub(crate) file: String,
    pub(crate) line: u32,
    /// The last commit of the document, and whether it was changed since; none where there is no repository.
    pub(crate) blamed: Option<(Option<Commit>, bool)>,
}

/// All that is known about one thing.
pub(crate) struct Why<'a> {
    pub(crate) key: Key,
    pub(crate) declared: Option<Declared>,
    pub(crate) problems: Vec<Diagnostic>,
    pub(crate) live: Option<&'a Live>,
    /// What stands above it and is disabled.
    pub(crate) above: Vec<Key>,
    pub(crate) last: Option<Record>,
    pub(crate) found: Option<Found>,
    pub(crate) decision: Option<&'a Decision>,
    pub(crate) planned: &'a Planned,
    pub(crate) deletion: Deletion,
}

/// What stands above a thing in the directory and is disabled, nearest first.
pub(crate) fn shut_above(state: &State, observed: &Observed) -> Vec<Key> {
    let mut shut = Vec::new();
    let mut at = state.above();
    // Longer than there are objects is a cycle.
    for _ in 0..=observed.ours.len() {
        let Some(live) = at.as_ref().and_then(|key| observed.get(key)) else { break };
        if !live.state.enabled {
            shut.push(live.state.key.clone());
        }
        at = live.state.above();
    }
    shut
}

impl Why<'_> {
    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut out = format!("{}\n", paint(BOLD, &self.key));
        let mut line = |label: &str, text: &str| {
            let _ = writeln!(out, "  {label:<10} {text}");
        };
        line("declared", &self.place());
        line("holds", &self.holds());
        for (row, why) in self.shut_off().iter().enumerate() {
            line(if row == 0 { "shut off" } else { "" }, why);
        }
        if let Some(found) = &self.found {
            for (row, change) in found.changes.iter().enumerate() {
                line(
                    if row == 0 { "outside" } else { "" },
                    &format!("{} (since the last run, by somebody else)", field_change(change)),
                );
            }
        }
        if let Some(last) = &self.last {
            for (row, text) in history::text(last).lines().enumerate() {
                line(if row == 0 { "last" } else { "" }, text.trim_start());
            }
        }
        for (row, text) in self.next().iter().enumerate() {
            line(if row == 0 { "next" } else { "" }, text);
        }
        for text in self.waits() {
            line("waits for", &paint(WARNING, text));
        }
        if !self.problems.is_empty() {
            out.push('\n');
            out.push_str(&diagnostics::text(&self.problems));
        }
        out
    }

    fn place(&self) -> String {
        let Some(Declared { file, line, blamed }) = &self.declared else { return "nowhere in what was read".into() };
        let place = visible(&format!("{file}:{line}"));
        match blamed {
            None => place,
            Some((commit, dirty)) => {
                let commit = commit.as_ref().map_or_else(
                    || ", in no commit yet".into(),
                    |Commit { id, author, at }| {
                        let date = at.strftime("%Y-%m-%dT%H:%M:%SZ");
                        visible(&format!(", commit {} of {date} by {author}", &id[..id.len().min(12)]))
                    },
                );
                format!("{place}{commit}{}", if *dirty { ", changed since" } else { "" })
            }
        }
    }

    fn holds(&self) -> String {
        let Some(live) = self.live else { return "nothing".into() };
        let Live { state, id, .. } = live;
        let under = match &state.place {
            Some(Place::Company(name) | Place::Customer(name)) => format!(" in {name}"),
            None => String::new(),
        };
        let what = match &state.body {
            Body::User(user) => format!("{} <{}>, {}{under}", user.username, user.email, user.role),
            Body::Company(company) => format!("{}{under}", company.display_name),
            Body::Customer(customer) => format!("{}{under}", customer.display_name),
            Body::Role(role) => format!("a role{}", if role.privileged { ", privileged" } else { "" }),
        };
        let word = if state.enabled { "enabled" } else { "disabled" };
        let owner = state.owner.as_ref().map(|owner| format!(", of the owner {owner}")).unwrap_or_default();
        visible(&format!("{what}, {word}{owner}, id {}", id.0))
    }

    /// Every reason why it is shut off.
    fn shut_off(&self) -> Vec<String> {
        let Some(Live { state, left_enabled, .. }) = self.live.filter(|live| !live.state.enabled) else { return Vec::new() };
        let State { suspended, locked, retired, body, .. } = state;
        let mut reasons = Vec::new();
        reasons.extend(locked.as_ref().map(|why| format!("locked until `tenantry unlock`: {}", visible(why.as_str()))));
        reasons.extend(retired.then(|| "not declared any more, and kept".to_owned()));
        reasons.extend(suspended.then(|| "its document says `enabled: false`".to_owned()));
        let expires = body.user().and_then(|user| user.expires);
        reasons.extend(expires.map(|at| format!("it expires {at}")));
        reasons.extend(self.above.iter().map(|key| format!("{key} above it is disabled")));
        if *left_enabled {
            reasons.push("by somebody else: the last run left it enabled".into());
        }
        reasons
    }

    /// What the next apply does.
    fn next(&self) -> Vec<String> {
        let Some(decision) = self.decision else {
            return vec![if self.declared.is_some() { "nothing: it is as declared" } else { "nothing" }.into()];
        };
        let Some(change) = &decision.change else { return vec!["nothing, since it is held".into()] };
        let details = detail::change(change);
        let mut lines = vec![
            format!("{}: {}", change.verb().as_str(), details.first().map_or("", String::as_str))
                .trim_end_matches([':', ' '])
                .to_owned(),
        ];
        lines.extend(details.into_iter().skip(1));
        lines
    }

    /// What keeps that from happening.
    fn waits(&self) -> Vec<String> {
        let held = self.decision.and_then(|decision| decision.held.as_ref());
        let mut waits: Vec<String> =
            held.map(|held| visible(&format!("{}: {}", held.hold.name(), held.message))).into_iter().collect();
        if self.decision.is_some_and(|decision| decision.change.is_some()) {
            let refused = self.planned.refused.iter().map(|it| visible(&format!("the gate `{}`: {}", it.gate.name(), it.message)));
            waits.extend(refused);
        }
        waits
    }

    /// For scripts.
    pub(crate) fn json(&self) -> String {
        let source = self.declared.as_ref().and_then(|it| json::source(&format!("{}:{}", it.file, it.line)));
        let blamed = self.declared.as_ref().and_then(|it| it.blamed.as_ref());
        let commit = blamed.and_then(|(commit, _)| commit.as_ref());
        let change = self.decision.and_then(|decision| decision.change.as_ref());
        let held = self.decision.and_then(|decision| decision.held.as_ref());
        json::print(&WhyForm {
            format_version: FORMAT_VERSION,
            key: self.key.to_string(),
            source,
            commit: commit.map(|commit| commit.id.to_string()),
            author: commit.map(|commit| commit.author.to_string()),
            committed_at: commit.map(|commit| commit.at),
            uncommitted: blamed.is_some_and(|(commit, dirty)| *dirty || commit.is_none()),
            holds: self.live.map(|live| Item::managed(live.clone(), Timestamp::now()).value(self.deletion)),
            shut_off: self.shut_off(),
            outside: self.found.iter().flat_map(|found| found.changes.iter().cloned().map(json::form)).collect(),
            last: self.last.as_ref().map(history::value),
            next: change.map(|change| NextForm {
                verb: change.verb().as_str(),
                reason: change.reason.name(),
                changes: change.differences().into_iter().map(json::form).collect(),
            }),
            hold: held.map(json::hold),
            refused: change.and(self.planned.refused.first()).map(json::refusal),
            problems: self.problems.iter().map(json::problem).collect(),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WhyForm {
    format_version: &'static str,
    key: String,
    /// Where it is declared; null where it is not.
    source: Option<SourceForm>,
    commit: Option<String>,
    author: Option<String>,
    committed_at: Option<Timestamp>,
    /// Its document has changed since that commit, or is in none.
    uncommitted: bool,
    /// As `tenantry get` shows it; null where the directory holds nothing.
    holds: Option<Value>,
    shut_off: Vec<String>,
    /// What somebody else has changed since the last run.
    outside: Vec<ChangeForm>,
    /// The last record of the history about it.
    last: Option<Value>,
    /// What the next apply does; null where nothing.
    next: Option<NextForm>,
    hold: Option<HoldForm>,
    refused: Option<RefusalForm>,
    problems: Vec<ProblemForm>,
}

#[derive(Serialize)]
struct NextForm {
    verb: &'static str,
    reason: &'static str,
    changes: Vec<ChangeForm>,
}
