//! The gate `settings`: what guards a directory is loosened in a run of its own, so that whoever approves it sees just that.

use super::{
    gates::{Gate, Refusal},
    types::Plan,
};
use crate::{
    manifest::{Budget, Percent, Project},
    model::{Key, Name, Username},
    observed::{Applied, Settings},
};

/// How many things are named that lose their protection.
const NAMED: usize = 10;

impl Plan {
    /// The gate `settings`: the project loosens what was last applied, and more than that would change.
    pub fn loosened(&self) -> Option<Refusal> {
        self.changes().next()?;
        let loosened = &self.loosens;
        if loosened.is_empty() {
            return None;
        }
        let lines: String = loosened.iter().map(|line| format!("\n{line}")).collect();
        let message = format!(
            "the project is looser than what was last applied, and more than that would change{lines}\n\
             apply the settings alone first, with a declaration that changes nothing else"
        );
        Some(Refusal { gate: Gate::Settings, message, flag: None })
    }
}

impl Applied {
    /// The owner under whom a project was applied last, where it names another one now.
    pub fn owner_before<'a>(&'a self, project: &Project) -> Option<&'a Name> {
        // Two projects of one name and two owners, side by side, are each known under their own owner.
        let known = self.settings.as_ref().is_some_and(|settings| settings.project == project.name);
        let mut named = self.others.iter().filter(|(_, settings)| settings.project == project.name);
        named.find(|(owner, _)| !known && **owner != project.owner).map(|(owner, _)| owner)
    }

    /// What a project loosens of what was applied last, each with before and after; nothing the first time.
    pub fn loosened_by(&self, project: &Project) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(owner) = self.owner_before(project) {
            lines.push(format!("`owner`: {owner} → {}", project.owner));
        }
        let now = Settings::of(project);
        let Some(last) = &self.settings else {
            // One that was never applied here begins where somebody's rights are checked already: under another name nobody
            // gets rid of that.
            let checked = self.others.iter().find_map(|(owner, settings)| Some((owner, settings.actor.as_ref()?)));
            if let Some((owner, actor)) = checked.filter(|(_, actor)| Some(*actor) != now.actor.as_ref()) {
                lines.push(format!("`actor`: {actor} (of the owner `{owner}`) → {}", called(now.actor.as_ref())));
            }
            return lines;
        };
        let Settings { project: _, actor, budget, protected } = last;
        if actor.is_some() && *actor != now.actor {
            lines.push(format!("`actor`: {} → {}", called(actor.as_ref()), called(now.actor.as_ref())));
        }
        lines.extend(budget_lines(budget, &now.budget));
        let mut gone = protected.difference(&now.protected).map(Key::to_string);
        let named: Vec<String> = gone.by_ref().take(NAMED).collect();
        let more = gone.count();
        if !named.is_empty() {
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            lines.push(format!("`protected`: {}{more} → not protected", named.join(", ")));
        }
        lines
    }
}

fn called(actor: Option<&Username>) -> String {
    actor.map_or_else(|| "none".to_owned(), ToString::to_string)
}

fn budget_lines(last: &Budget, now: &Budget) -> impl Iterator<Item = String> {
    let Budget { removals, at_least, at_most, window, creates, mails } = now;
    let numbers = [
        ("atLeast", last.at_least, *at_least),
        ("atMost", last.at_most, *at_most),
        ("creates", last.creates, *creates),
        ("mails", last.mails, *mails),
    ];
    let share = (last.removals < *removals).then(|| line("removals", percent(last.removals), percent(*removals)));
    let span = |window| format!("{:#}", jiff::SignedDuration::try_from(window).unwrap_or(jiff::SignedDuration::MAX));
    let shorter = (*window < last.window).then(|| line("window", span(last.window), span(*window)));
    let more = numbers.into_iter().filter(|(_, last, now)| last < now).map(|(name, last, now)| line(name, last, now));
    share.into_iter().chain(more).chain(shorter)
}

fn line(name: &str, last: impl std::fmt::Display, now: impl std::fmt::Display) -> String {
    format!("`budget.{name}`: {last} → {now}")
}

/// As it is written in a project: `12.5%`.
fn percent(Percent(hundredths): Percent) -> String {
    let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}
