//! The safety gates: what a plan must not do all at once, however it came about. Each can be narrowed, none can be switched
//! off wholesale.

use std::collections::BTreeSet;

use serde::Serialize;

use super::types::{LastHolder, Plan};
use crate::{
    manifest::{Budget, Extent},
    model::visible,
};

/// What somebody allows for one plan, by flag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allow {
    /// `--allow-removals N`: up to N losses, whatever the window says.
    pub removals: Option<u64>,
    /// `--allow-creates N`.
    pub creates: Option<u64>,
    /// `--allow-mails N`.
    pub mails: Option<u64>,
    /// `--allow-empty`.
    pub empty: bool,
    /// `--whole`: the root is meant to be another one.
    pub whole: bool,
    /// `--allow-last-holder NAMESPACE/ROLE`.
    pub last_holders: BTreeSet<LastHolder>,
}

/// The name of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// Too many losses.
    Budget,
    /// Too many creates.
    Creates,
    /// Too many mails.
    Mails,
    /// A whole declaration without documents.
    EmptyInput,
    /// Another root than last time, and something would be removed.
    RootChanged,
    /// A privileged role would lose its last holder.
    LastHolder,
    /// The actor may not.
    Role,
    /// The project was loosened in the run that makes use of it.
    Settings,
    /// The plan is not the one that was approved.
    StalePlan,
}

impl Gate {
    /// The name of the gate: `empty-input`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Creates => "creates",
            Self::Mails => "mails",
            Self::EmptyInput => "empty-input",
            Self::RootChanged => "root-changed",
            Self::LastHolder => "last-holder",
            Self::Role => "role",
            Self::Settings => "settings",
            Self::StalePlan => "stale-plan",
        }
    }
}

/// Why a plan is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Which gate.
    pub gate: Gate,
    /// Why, with the numbers; more than one line where there is more to tell. Only the ends of lines are control characters.
    pub message: String,
    /// The flag that allows exactly this, where there is one.
    pub flag: Option<String>,
}

impl Plan {
    /// Every gate on what is changed that this plan does not pass, in the order of [`Gate`]; who acts, and by which settings, is
    /// asked by [`Plan::overreach`] and [`Plan::loosened`].
    pub fn check(&self, budget: &Budget, allow: &Allow) -> Vec<Refusal> {
        let refusals = [
            self.over_budget(budget, allow),
            self.over_creates(budget, allow),
            self.over_mails(budget, allow),
            self.empty_input(allow),
            self.root_changed(allow),
            self.last_holder(allow),
        ];
        refusals.into_iter().flatten().collect()
    }

    /// Losses of this plan.
    pub fn losses(&self) -> u64 {
        self.tally.losses.values().sum()
    }

    fn over_budget(&self, budget: &Budget, allow: &Allow) -> Option<Refusal> {
        let (losses, tally) = (self.losses(), &self.tally);
        if losses == 0 || allow.removals.is_some_and(|allowed| losses <= allowed) {
            return None;
        }
        let enabled: u64 = tally.enabled.values().sum();
        let directory = ("the directory".to_owned(), losses, tally.spent.values().sum(), enabled);
        let namespaces = tally.losses.iter().map(|(namespace, losses)| {
            let of = |map: &std::collections::BTreeMap<_, u64>| map.get(namespace).copied().unwrap_or(0);
            (format!("namespace `{namespace}`"), *losses, of(&tally.spent), of(&tally.enabled))
        });
        let over = std::iter::once(directory)
            .chain(namespaces)
            .find(|(_, losses, spent, enabled)| losses + spent > budget.limit(*enabled));
        over.map(|(place, here, spent, enabled)| {
            let before = if spent > 0 { format!(", after {spent} within the window before") } else { String::new() };
            let (allowed, enabled) = (
                budget.limit(enabled),
                if enabled == 1 { "1 enabled object".to_owned() } else { format!("{enabled} enabled objects") },
            );
            let message = format!(
                "this plan takes something from {here} of {enabled} of {place}{before}; {allowed} {} allowed",
                are(allowed)
            );
            Refusal { gate: Gate::Budget, message, flag: Some(format!("--allow-removals {losses}")) }
        })
    }

    fn over_creates(&self, budget: &Budget, allow: &Allow) -> Option<Refusal> {
        let creates = self.creates(None);
        let allowed = allow.creates.unwrap_or(budget.creates);
        (creates > allowed).then(|| Refusal {
            gate: Gate::Creates,
            message: format!("this plan creates {}; {allowed} {} allowed", objects(creates), are(allowed)),
            flag: Some(format!("--allow-creates {creates}")),
        })
    }

    /// Credentials that go out by mail.
    pub fn mails(&self) -> u64 {
        self.changes().filter(|change| change.mailed()).count() as u64
    }

    fn over_mails(&self, budget: &Budget, allow: &Allow) -> Option<Refusal> {
        let mails = self.mails();
        let allowed = allow.mails.unwrap_or(budget.mails);
        let sent = if mails == 1 { "1 mail".to_owned() } else { format!("{mails} mails") };
        (mails > allowed).then(|| Refusal {
            gate: Gate::Mails,
            message: format!("this plan sends {sent}; {allowed} {} allowed", are(allowed)),
            flag: Some(format!("--allow-mails {mails}")),
        })
    }

    fn empty_input(&self, allow: &Allow) -> Option<Refusal> {
        let whole = matches!(self.extent, Extent::Whole { .. });
        (whole && self.tally.documents == 0 && self.tally.unreadable == 0 && !allow.empty).then(|| Refusal {
            gate: Gate::EmptyInput,
            message: "the whole declaration has no documents at all".to_owned(),
            flag: Some("--allow-empty".to_owned()),
        })
    }

    fn root_changed(&self, allow: &Allow) -> Option<Refusal> {
        let Extent::Whole { root } = &self.extent else { return None };
        let last = self.last_root.as_ref().filter(|last| *last != root)?;
        let removals = self.changes().filter(|change| change.reason == super::Reason::NotDeclared).count();
        (removals > 0 && !allow.whole).then(|| Refusal {
            gate: Gate::RootChanged,
            message: format!(
                "{} {} not declared in `{}`, and the last whole apply was of `{}`",
                objects(removals as u64),
                are(removals as u64),
                visible(root),
                visible(last)
            ),
            flag: Some("--whole".to_owned()),
        })
    }

    fn last_holder(&self, allow: &Allow) -> Option<Refusal> {
        let mut losing = self.tally.last_holders.iter().filter(|role| !allow.last_holders.contains(role)).peekable();
        losing.peek()?;
        let losing: Vec<String> = losing.map(|LastHolder { namespace, role }| format!("{namespace}/{role}")).collect();
        Some(Refusal {
            gate: Gate::LastHolder,
            message: format!(
                "nobody enabled would hold {} any more",
                losing.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
            ),
            flag: Some(losing.iter().map(|it| format!("--allow-last-holder {it}")).collect::<Vec<_>>().join(" ")),
        })
    }
}

fn objects(count: u64) -> String {
    if count == 1 { "1 object".to_owned() } else { format!("{count} objects") }
}

fn are(count: u64) -> &'static str {
    if count == 1 { "is" } else { "are" }
}
