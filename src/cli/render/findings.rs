//! What a check or a plan found, as one list: what every form for a pipeline is made of.

use super::{View, detail, json::sensitive};
use crate::{
    manifest::{Diagnostic, Origin, RelatedPlace, Severity, Sources},
    model::visible,
    plan::{Decision, Gate, Held, Hold, Refusal},
    report::{Outcome, ResultKind, Skipped},
};

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Something is wrong, refused or failed.
    Error,
    /// Something is not done, or worth a look.
    Warning,
    /// Something to know.
    Note,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    /// As it was read: below a PATH that was given, else relative to the working directory.
    pub(super) file: String,
    /// From 1.
    pub(super) line: u32,
    /// From 1, in characters, where there is a column.
    pub(super) column: Option<u32>,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// `T0007`, `hold/Taken`, `gate/budget`, `result/failed`, `loss/disable`: what [`crate::cli::explain`] knows, for the most part.
    pub(super) rule: String,
    /// How much it matters.
    pub(super) level: Level,
    /// What is wrong; nothing in it but ends of lines steers anything.
    pub(super) message: String,
    /// What to do about it.
    pub(super) hint: Option<String>,
    /// Whose it is, where that is not said by its place.
    pub(super) key: Option<String>,
    /// Where, if anywhere.
    pub(super) at: Option<Spot>,
    /// Other places, with what is there.
    pub(super) related: Vec<(Spot, String)>,
}

impl Finding {
    fn new(rule: String, level: Level, message: &str) -> Self {
        let message = message.lines().map(visible).collect::<Vec<_>>().join("\n");
        Self { rule, level, message, hint: None, key: None, at: None, related: Vec::new() }
    }

    /// Whose it is, what is wrong, and what to do about it.
    pub(super) fn whole(&self) -> String {
        let key = self.key.as_ref().map_or_else(String::new, |key| format!("{key}: "));
        let hint = self.hint.as_ref().map_or_else(String::new, |hint| format!("\n{hint}"));
        format!("{key}{}{hint}", self.message)
    }
}

impl Level {
    /// Weightiest first.
    pub(super) const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Note];
}

/// What is wrong with documents.
pub(super) fn problems(problems: &[Diagnostic]) -> Vec<Finding> {
    problems.iter().map(problem).collect()
}

fn problem(problem: &Diagnostic) -> Finding {
    let Diagnostic { code, severity, message, file, line, column, hint, snippet: _, related } = problem;
    let level = match severity {
        Severity::Error => Level::Error,
        Severity::Warning => Level::Warning,
    };
    let spot = |file: &String, line: u32, column: u32| Spot { file: file.clone(), line, column: Some(column) };
    let other = |place: &RelatedPlace| {
        let RelatedPlace { file, line, column, label, snippet: _ } = place;
        (spot(file, *line, *column), label.clone())
    };
    Finding {
        hint: hint.clone(),
        at: Some(spot(file, *line, *column)),
        related: related.iter().map(other).collect(),
        ..Finding::new(code.to_string(), level, message)
    }
}

/// What a plan comes to that somebody should know: problems, refused gates, holds, and what failed of it.
pub(super) fn plan(view: &View<'_>) -> Vec<Finding> {
    let mut found = problems(view.problems);
    found.extend(gates(view));
    found.extend(holds(view));
    found.extend(view.report.into_iter().flat_map(|report| &report.results).filter_map(result));
    found
}

/// The gates that `apply` would refuse at, or did.
pub(super) fn gates(view: &View<'_>) -> Vec<Finding> {
    let gate = |refusal: &Refusal| {
        let Refusal { gate, message, flag } = refusal;
        let hint = flag.as_ref().map(|flag| format!("`{flag}` allows exactly this"));
        Finding { hint, at: cause(view, *gate), ..Finding::new(format!("gate/{}", gate.name()), Level::Error, message) }
    };
    view.planned.refused.iter().map(gate).collect()
}

/// A gate is about the plan as a whole. Where something of it is lost, the first of that is the best place to look; else the
/// first thing that is changed.
fn cause(view: &View<'_>, gate: Gate) -> Option<Spot> {
    let decisions = &view.planned.plan.decisions;
    let losses = decisions.iter().filter(|decision| decision.change.as_ref().is_some_and(|change| change.loss > 0));
    let any = decisions.iter().filter(|decision| decision.change.is_some());
    match gate {
        Gate::Budget | Gate::LastHolder | Gate::RootChanged => losses.chain(any).find_map(|it| source(it, view.sources)),
        Gate::Creates | Gate::Mails | Gate::Role => any.clone().find_map(|it| source(it, view.sources)),
        // These are about no document.
        Gate::EmptyInput | Gate::Settings | Gate::StalePlan => None,
    }
}

/// What is not done, and why. A broken document is told by its problem: that its account is held is only to know.
pub(super) fn holds(view: &View<'_>) -> Vec<Finding> {
    let held = |decision: &Decision| {
        let Held { hold, message } = decision.held.as_ref()?;
        let level = if *hold == Hold::Invalid { Level::Note } else { Level::Warning };
        let (key, at) = (Some(decision.key.to_string()), source(decision, view.sources));
        Some(Finding { key, at, ..Finding::new(format!("hold/{}", hold.name()), level, message) })
    };
    view.planned.plan.decisions.iter().filter_map(held).collect()
}

/// What is lost, with where it stands or stood. Notes on a pull request are public where it is, so no personal data is in them.
pub(super) fn losses(view: &View<'_>) -> Vec<Finding> {
    let loss = |decision: &Decision| {
        let change = decision.change.as_ref().filter(|change| change.loss > 0)?;
        let verb = change.verb().as_str();
        let differing = change.fields().iter().filter(|field| !sensitive(field.field)).map(detail::field_change);
        let why = detail::reason(change).unwrap_or_else(|| differing.collect::<Vec<_>>().join("; "));
        let message = format!("{verb}: {why}");
        let (key, at) = (Some(change.key.to_string()), source(decision, view.sources));
        Some(Finding { key, at, ..Finding::new(format!("loss/{verb}"), Level::Note, &message) })
    };
    view.planned.plan.decisions.iter().filter_map(loss).collect()
}

fn result(outcome: &Outcome) -> Option<Finding> {
    let Outcome { key, verb, source, id: _, result } = outcome;
    let (word, level, why) = match result {
        ResultKind::Applied => return None,
        ResultKind::Failed { message, retry_helps: _, refused: _, interrupted: _ } => ("failed", Level::Error, message.clone()),
        ResultKind::Skipped(why) => ("skipped", Level::Warning, skipped(why)),
    };
    let message = format!("{}: {why}", verb.as_str());
    let at = source.as_ref().and_then(|place| spot(place));
    Some(Finding { key: Some(key.to_string()), at, ..Finding::new(format!("result/{word}"), level, &message) })
}

/// Why something was not tried.
pub(super) fn skipped(why: &Skipped) -> String {
    match why {
        Skipped::Dependency(key) => format!("{key} was not done, and this needs it"),
        Skipped::Interrupted => "the run was asked to stop".into(),
    }
}

/// Where something is declared, or was last.
fn source(decision: &Decision, sources: &Sources) -> Option<Spot> {
    let Decision { key: _, change, held: _, origin } = decision;
    let declared = |origin: Origin| Spot { file: sources.file(origin).to_owned(), line: origin.line, column: None };
    let last = || change.as_ref().and_then(|change| change.source.as_ref()).and_then(|place| spot(place));
    origin.map(declared).or_else(last)
}

/// `users/service.yaml:41`
pub(super) fn spot(place: &str) -> Option<Spot> {
    let (file, line) = place.rsplit_once(':')?;
    Some(Spot { file: visible(file), line: line.parse().ok()?, column: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Verb;

    fn outcome(result: ResultKind) -> Outcome {
        Outcome { key: "user/a/x".parse().unwrap(), verb: Verb::Rename, source: Some("a:b.yaml:7".into()), id: None, result }
    }

    #[test]
    fn what_failed_is_an_error_and_what_was_not_tried_a_warning() {
        let message = "the name is taken\u{1b}[2J\nby somebody".to_owned();
        let failed = ResultKind::Failed { message, retry_helps: false, refused: false, interrupted: false };
        let found = result(&outcome(failed)).unwrap();
        assert_eq!((found.rule.as_str(), found.level), ("result/failed", Level::Error));
        assert_eq!(found.whole(), "user/a/x: rename: the name is taken\\u{1b}[2J\nby somebody");
        assert_eq!(found.at, Some(Spot { file: "a:b.yaml".into(), line: 7, column: None }));
        let found = result(&outcome(ResultKind::Skipped(Skipped::Interrupted))).unwrap();
        assert_eq!((found.rule.as_str(), found.level), ("result/skipped", Level::Warning));
        assert_eq!(found.message, "rename: the run was asked to stop");
        assert_eq!(result(&outcome(ResultKind::Applied)), None);
    }

    #[test]
    fn a_place_has_a_file_and_a_line() {
        assert_eq!(spot("a.yaml"), None);
        assert_eq!(spot("a.yaml:x"), None);
        assert_eq!(spot("a.yaml:41"), Some(Spot { file: "a.yaml".into(), line: 41, column: None }));
    }
}
