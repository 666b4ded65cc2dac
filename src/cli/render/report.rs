//! What an apply came to, for people.

use std::{collections::BTreeMap, fmt::Write};

use super::style::{BOLD, DIM, ERROR, GREEN, WARNING, count, counted, paint, symbol};
use crate::{
    manifest::Extent,
    model::{Key, visible},
    plan::Plan,
    report::{Done, Outcome, Report, ResultKind, Skipped},
};

/// Failures of one message that are shown one by one: a mail server that is away fails a thousand times alike.
const ALIKE: usize = 5;
/// Rows of what was skipped before the table is cut.
const ROWS: usize = 50;

/// How many mails went out, and where; nothing where none did.
pub(crate) fn mailed(report: &Report, plan: &Plan, to: impl FnOnce() -> String) -> String {
    let row = |key: &Key| report.results.binary_search_by(|it| it.key.cmp(key)).ok();
    let done = |key: &Key| row(key).is_some_and(|row| report.results[row].result == ResultKind::Applied);
    let sent = plan.changes().filter(|change| change.mailed()).filter(|change| done(&change.key)).count() as u64;
    if sent == 0 { String::new() } else { format!("{} to {}\n", counted(sent, "mail went", "mails went"), visible(&to())) }
}

/// The table of what was not done, what was done, and last what remains.
pub(crate) fn text(report: &Report, plan: &Plan, broken: u64) -> String {
    let mut out = String::new();
    let width = report.results.iter().filter(|it| it.result != ResultKind::Applied).map(|it| it.key.to_string().len()).max();
    let mut left = 0;
    let mut alike: BTreeMap<&str, usize> = BTreeMap::new();
    for outcome in &report.results {
        let Outcome { key: _, verb: _, source: _, id: _, result } = outcome;
        match result {
            ResultKind::Applied => {}
            ResultKind::Failed { message, retry_helps, refused: _, interrupted: _ } => {
                let before = alike.entry(message).or_default();
                *before += 1;
                if *before <= ALIKE {
                    failed(&mut out, outcome, message, *retry_helps, width.unwrap_or(0));
                }
            }
            ResultKind::Skipped(why) => {
                left += 1;
                if left <= ROWS {
                    skip(&mut out, outcome, why, width.unwrap_or(0));
                }
            }
        }
    }
    for (message, number) in alike.into_iter().filter(|(_, number)| *number > ALIKE) {
        let more = format!("… and {} more failed in the same way: {}", count((number - ALIKE) as u64), visible(message));
        let _ = writeln!(out, "{}", paint(DIM, more));
    }
    if left > ROWS {
        let _ =
            writeln!(out, "{}", paint(DIM, format!("… and {} more skipped: `-o json` lists them", count((left - ROWS) as u64))));
    }
    out + &verdict(report, plan, broken)
}

/// How much was done, and what remains.
pub(super) fn verdict(report: &Report, plan: &Plan, broken: u64) -> String {
    let done = report.done();
    let applied = if report.results.is_empty() { String::new() } else { format!("{}\n", applied(report, done)) };
    format!("{applied}{}\n", remains(report, plan, done, broken))
}

fn row(outcome: &Outcome, word: &str, width: usize) -> String {
    let Outcome { key, verb, source, id: _, result: _ } = outcome;
    let (sign, style) = symbol(*verb);
    let source = source.as_ref().map_or_else(String::new, |source| visible(source));
    let head = format!("{sign} {:<width$}  {:<10}", key.to_string(), verb.as_str());
    format!("{word}  {}  {source}", paint(style, head)).trim_end().to_owned()
}

fn failed(out: &mut String, outcome: &Outcome, message: &str, retry_helps: bool, width: usize) {
    let _ = writeln!(out, "{}", row(outcome, &paint(ERROR, "failed "), width));
    for line in message.lines() {
        let _ = writeln!(out, "           {}", visible(line));
    }
    let _ = writeln!(out, "           {}", next(retry_helps));
}

fn skip(out: &mut String, outcome: &Outcome, why: &Skipped, width: usize) {
    let _ = writeln!(out, "{}", row(outcome, &paint(WARNING, "skipped"), width));
    let _ = writeln!(out, "           {}", skipped(why));
}

/// Whether doing the same again can help.
pub(super) fn next(retry_helps: bool) -> &'static str {
    if retry_helps { "Running again can help." } else { "Running again does not help before this is mended." }
}

/// Why something was not tried.
pub(super) fn skipped(why: &Skipped) -> String {
    match why {
        Skipped::Dependency(key) => format!("It needs {key}, which was not done."),
        Skipped::Interrupted => "The run was asked to stop before it.".into(),
    }
}

fn applied(report: &Report, done: Done) -> String {
    let Done { applied, failed, skipped } = done;
    let mut by_verb: BTreeMap<&str, u64> = BTreeMap::new();
    for outcome in report.results.iter().filter(|outcome| outcome.result == ResultKind::Applied) {
        *by_verb.entry(outcome.verb.as_str()).or_default() += 1;
    }
    let verbs: Vec<String> = by_verb.into_iter().map(|(verb, number)| format!("{verb} {}", count(number))).collect();
    let verbs = if verbs.is_empty() { String::new() } else { format!(" ({})", verbs.join(", ")) };
    let style = if failed + skipped == 0 { GREEN } else { BOLD };
    paint(style, format!("Applied {}{verbs}, failed {}, skipped {}.", count(applied), count(failed), count(skipped)))
}

/// The last line: whether what is declared is true now, and if not, what is missing.
fn remains(report: &Report, plan: &Plan, done: Done, broken: u64) -> String {
    let held = plan.held().count() as u64;
    let mut missing: Vec<String> = Vec::new();
    for (number, word) in [(done.failed, "failed"), (done.skipped, "skipped"), (held, "held")] {
        if number > 0 {
            missing.push(format!("{} {word}", count(number)));
        }
    }
    if broken > 0 {
        missing.push(counted(broken, "problem in the documents", "problems in the documents"));
    }
    let stopped = if report.interrupted { "The run was asked to stop. " } else { "" };
    match (&missing[..], &plan.extent) {
        ([], Extent::Whole { root: _ }) => format!("{stopped}What is declared is true now."),
        ([], Extent::Part) if plan.tally.documents == 0 => format!("{stopped}What was asked for is done."),
        ([], Extent::Part | Extent::Objects) => format!("{stopped}What this part declares is true now."),
        (missing, Extent::Part) if plan.tally.documents == 0 => {
            format!("{stopped}Not all that was asked for is done yet: {}.", missing.join(", "))
        }
        (missing, Extent::Whole { root: _ } | Extent::Part | Extent::Objects) => {
            format!("{stopped}Not all that is declared is true yet: {}.", missing.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::Name,
        plan::{Tally, Verb},
    };

    #[test]
    fn what_failed_says_why_and_what_can_be_done() {
        let outcome = |key: &str, verb, result| {
            let source = Some("users.yaml:7".into());
            Outcome { key: key.parse().unwrap(), verb, source, id: None, result }
        };
        let message = "cannot rename: a name is taken".into();
        let failed = ResultKind::Failed { message, retry_helps: false, refused: false, interrupted: false };
        let dependency = ResultKind::Skipped(Skipped::Dependency("company/a/x".parse().unwrap()));
        let results = vec![
            outcome("user/a/anna", Verb::Create, ResultKind::Applied),
            outcome("user/a/bea", Verb::Rename, failed),
            outcome("user/a/cleo", Verb::Create, dependency),
        ];
        let report = Report { results, interrupted: false };
        let extent = Extent::Part;
        let owner = Name::new("acme").unwrap();
        let (directory, decisions) = ("memory".into(), Vec::new());
        let plan = Plan {
            directory,
            owner,
            extent,
            last_root: None,
            decisions,
            after: std::collections::BTreeMap::default(),
            loosens: Vec::new(),
            tally: Tally { documents: 3, ..Tally::default() },
        };
        let expected = "\
failed   ~ user/a/bea   rename      users.yaml:7
           cannot rename: a name is taken
           Running again does not help before this is mended.
skipped  + user/a/cleo  create      users.yaml:7
           It needs company/a/x, which was not done.
Applied 1 (create 1), failed 1, skipped 1.
Not all that is declared is true yet: 1 failed, 1 skipped, 2 problems in the documents.
";
        assert_eq!(anstream::adapter::strip_str(&text(&report, &plan, 2)).to_string(), expected);
    }
}
