//! A plan for people.

use std::fmt::Write;

use super::{
    detail,
    style::{BOLD, DIM, ERROR, HINT, WARNING, count, counted, paint, seconds, symbol},
};
use crate::{
    cli::summary::Summary,
    manifest::{Extent, Sources},
    model::visible,
    pipeline::Planned,
    plan::{Decision, Plan, Refusal, Verb},
};

/// Rows of one verb before a long plan is cut. Losses are never cut.
const ROWS: usize = 50;
/// The widest a column of keys gets.
const WIDEST: usize = 64;

/// Verbs in the order in which they are shown: what is lost or held stands last, beside the sum and above the prompt, where
/// it cannot scroll away.
const ORDER: [Verb; 11] = [
    Verb::Create,
    Verb::Adopt,
    Verb::Enable,
    Verb::Credential,
    Verb::Edit,
    Verb::Rename,
    Verb::Move,
    Verb::Disable,
    Verb::Release,
    Verb::Delete,
    Verb::Held,
];

/// The whole plan: header, rows, sum, and what the gates say.
pub(crate) fn text(planned: &Planned, actor: Option<&str>, sources: &Sources) -> String {
    let mut out = header(&planned.plan, actor);
    rows(&mut out, &planned.plan, sources);
    let _ = writeln!(out, "{}", sum(planned));
    for refusal in &planned.refused {
        let _ = write!(out, "\n{}", refused(refusal));
    }
    out
}

/// Where it goes, who acts, and what else is there.
fn header(plan: &Plan, actor: Option<&str>) -> String {
    let Plan { directory, owner, extent, last_root: _, decisions: _, tally, after: _ } = plan;
    let mut out = String::new();
    match extent {
        Extent::Part => {
            let _ = writeln!(out, "{}", paint(BOLD, "part: nothing is removed"));
        }
        Extent::Whole { root: _ } => {}
    }
    let actor = actor.map_or_else(|| "the operator".to_owned(), visible);
    let left = |label: &str, value: &str| format!("{label:<11}{value:<30}");
    let _ = writeln!(out, "{}Actor  {actor} (nobody's rights are checked)", left("Directory", &format!("{} ", visible(directory))));
    let managed = format!("{}, and {} ", count(tally.managed), counted(tally.strangers, "stranger", "strangers"));
    let _ = writeln!(out, "{}Owner  {owner}", left("Managed", &managed));
    let summary = Summary::of(plan);
    if summary.credential + tally.owed > 0 {
        let new = counted(summary.credential, "credential becomes due", "credentials become due");
        let _ = writeln!(out, "To issue   {new}, {} before; this version sends none", counted(tally.owed, "was due", "were due"));
    }
    if tally.purgeable > 0 {
        let accounts = counted(tally.purgeable, "account is", "accounts are");
        let _ = writeln!(out, "Retired    {accounts} past the retention; `--purge` deletes what is");
    }
    out
}

struct Row {
    verb: Verb,
    key: String,
    details: Vec<String>,
    loss: u64,
}

fn rows_of(decision: &Decision, sources: &Sources) -> impl Iterator<Item = Row> {
    let Decision { key, change, held, origin } = decision;
    let declared = origin.map_or_else(String::new, |origin| format!(" ({})", sources.display(origin)));
    let changed = change.as_ref().map(|change| Row {
        verb: change.verb(),
        key: key.to_string(),
        details: detail::change(change),
        loss: change.loss,
    });
    let held = held.as_ref().map(|held| Row {
        verb: Verb::Held,
        key: key.to_string(),
        details: vec![visible(&format!("{}{declared}", held.message))],
        loss: 0,
    });
    changed.into_iter().chain(held)
}

fn rows(out: &mut String, plan: &Plan, sources: &Sources) {
    let mut by_verb: Vec<Vec<Row>> = ORDER.iter().map(|_| Vec::new()).collect();
    for row in plan.decisions.iter().flat_map(|decision| rows_of(decision, sources)) {
        let place = ORDER.iter().position(|verb| *verb == row.verb).unwrap_or(0);
        by_verb[place].push(row);
    }
    let mut cut = Vec::new();
    for (verb, rows) in ORDER.iter().zip(&mut by_verb) {
        let (mut seen, before) = (0, rows.len());
        rows.retain(|row| {
            seen += 1;
            seen <= ROWS || row.loss > 0 || matches!(verb, Verb::Disable | Verb::Release | Verb::Delete)
        });
        if rows.len() < before {
            cut.push(format!("{} more to {}", count((before - rows.len()) as u64), to_do(*verb)));
        }
    }
    let shown: Vec<&Row> = by_verb.iter().flatten().collect();
    let width = shown.iter().map(|row| row.key.chars().count()).max().unwrap_or(0).min(WIDEST);
    for row in shown {
        table_row(out, row, width);
    }
    if !cut.is_empty() {
        let _ = writeln!(out, "  {}", paint(DIM, format!("… and {}: `-o json` lists everything", cut.join(", "))));
    }
    if !plan.decisions.is_empty() {
        out.push('\n');
    }
}

fn to_do(verb: Verb) -> &'static str {
    match verb {
        Verb::Held => "hold",
        Verb::Credential => "issue a credential",
        Verb::Delete
        | Verb::Disable
        | Verb::Release
        | Verb::Move
        | Verb::Rename
        | Verb::Create
        | Verb::Enable
        | Verb::Adopt
        | Verb::Edit => verb.as_str(),
    }
}

fn table_row(out: &mut String, row: &Row, width: usize) {
    let Row { verb, key, details, loss } = row;
    let (sign, style) = symbol(*verb);
    let lossy = *loss > 0 && !matches!(verb, Verb::Disable | Verb::Release | Verb::Delete);
    let note = lossy.then(|| paint(WARNING, format!("this counts as {}", counted(*loss, "loss", "losses"))));
    let mut details = details.iter().cloned().chain(note);
    let first = details.next().unwrap_or_default();
    let verb = if first.is_empty() { verb.as_str().to_owned() } else { format!("{:<10}", verb.as_str()) };
    let head = paint(style, format!("{sign} {key:<width$}  {verb}"));
    let _ = if first.is_empty() { writeln!(out, "  {head}") } else { writeln!(out, "  {head}  {first}") };
    for line in details {
        let _ = writeln!(out, "{:indent$}{line}", "", indent = width + 18);
    }
}

/// `Plan: 1 to create, 2 to edit, …`
fn sum(planned: &Planned) -> String {
    let Summary { create, edit, enable, disable, delete, release, adopt, credential: _, held, unchanged } =
        Summary::of(&planned.plan);
    let tail = format!("{}  read {}, planned {}", planned.plan.digest(), seconds(planned.read), seconds(planned.planned));
    if planned.plan.decisions.is_empty() {
        let same = paint(BOLD, "No changes.");
        return format!("{same} What is declared is what the directory holds; {} unchanged.   {tail}", count(unchanged));
    }
    let mut parts: Vec<String> = [(create, "create"), (edit, "edit"), (disable, "disable"), (delete, "delete")]
        .map(|(number, word)| format!("{} to {word}", count(number)))
        .into();
    for (number, word) in [(enable, "enable"), (adopt, "adopt"), (release, "release")] {
        if number > 0 {
            parts.push(format!("{} to {word}", count(number)));
        }
    }
    let losses = planned.plan.losses();
    let losses = if losses > 0 { format!(" ({})", counted(losses, "loss", "losses")) } else { String::new() };
    format!("{} {}{losses}; {} held; {} unchanged.   {tail}", paint(BOLD, "Plan:"), parts.join(", "), count(held), count(unchanged))
}

/// A gate that refuses, with the one flag that allows exactly this.
pub(crate) fn refused(refusal: &Refusal) -> String {
    let Refusal { gate, message, flag } = refusal;
    let mut out = format!("{} gate `{}`: {}\n", paint(ERROR, "refused:"), super::json::gate_name(*gate), visible(message));
    if let Some(flag) = flag {
        let _ = writeln!(out, "{} `{flag}` allows exactly this", paint(HINT, "hint:"));
    }
    out
}
