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
    plan::{Acting, Actor, Decision, Plan, Refusal, Verb},
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
pub(crate) fn text(planned: &Planned, sources: &Sources) -> String {
    let mut out = header(planned);
    rows(&mut out, &planned.plan, sources);
    let _ = writeln!(out, "{}", sum(planned));
    for refusal in &planned.refused {
        let _ = write!(out, "\n{}", refused(refusal));
    }
    out
}

/// Where it goes, who acts, and what else is there.
fn header(planned: &Planned) -> String {
    let Planned { plan, acting, problems: _, refused: _, applied: _, outlook: _, read: _, planned: _ } = planned;
    let Plan { directory, owner, extent, last_root: _, decisions: _, tally, after: _, loosens } = plan;
    let mut out = String::new();
    match extent {
        Extent::Part if tally.documents > 0 => {
            let _ = writeln!(out, "{}", paint(BOLD, "part: nothing is removed"));
        }
        Extent::Part | Extent::Objects | Extent::Whole { root: _ } => {}
    }
    let left = |label: &str, value: &str| format!("{label:<11}{value:<30}");
    let _ = writeln!(out, "{}Actor  {}", left("Directory", &format!("{} ", visible(directory))), actor(acting));
    let managed = format!("{}, and {} ", count(tally.managed), counted(tally.strangers, "stranger", "strangers"));
    let _ = writeln!(out, "{}Owner  {owner}", left("Managed", &managed));
    // Where more than that would change, the gate says it.
    if plan.changes().next().is_none() {
        for line in loosens {
            let _ = writeln!(out, "Loosened   {}", visible(line));
        }
    }
    let issued = issued(plan);
    if issued > 0 {
        let _ = writeln!(out, "To issue   {}, {} by mail", counted(issued, "credential", "credentials"), count(plan.mails()));
    }
    if tally.owed > 0 {
        let credentials = counted(tally.owed, "credential is", "credentials are");
        let _ = writeln!(
            out,
            "Owed       {credentials} not issued by this plan: the account is shut off, or no document here asks for one"
        );
    }
    if tally.expired > 0 {
        let died = counted(tally.expired, "secret", "secrets");
        let _ = writeln!(
            out,
            "Expired    {died} died unused, or will with this plan (a new e-mail); `tenantry reset`, or another `credential.reset`, \
             sends a new one, and `tenantry get users` says whose"
        );
    }
    if tally.pending > 0 {
        let people = counted(tally.pending, "user has", "users have");
        let _ =
            writeln!(out, "Pending    {people} never set a password (PendingActivation): the directory lets them in when they do");
    }
    if tally.locked > 0 {
        let _ = writeln!(out, "Locked     {}, until `tenantry unlock`", counted(tally.locked, "user", "users"));
    }
    if tally.purgeable > 0 {
        let accounts = counted(tally.purgeable, "account is", "accounts are");
        let _ = writeln!(out, "Retired    {accounts} past the retention; `--purge` deletes what is");
    }
    out
}

/// Who acts, and what they are here.
pub(super) fn actor(acting: &Acting) -> String {
    match acting {
        Acting::Operator => "the operator (nobody's rights are checked)".to_owned(),
        Acting::FirstApply => "the operator (the first apply: nobody is here yet)".to_owned(),
        Acting::Actor(Actor { username, role, namespace: _, company: _ }) => format!("{username} ({role})"),
        Acting::Unknown(username) => format!("{username} (unknown here)"),
        Acting::Barred(username, why) => format!("{username} ({})", why.as_str()),
    }
}

/// Credentials that are given out.
fn issued(plan: &Plan) -> u64 {
    plan.changes().filter(|change| change.issues().is_some()).count() as u64
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
    let (head, words) = sum_words(&planned.plan);
    let (digest, read, planned) = (planned.plan.digest(), seconds(planned.read), seconds(planned.planned));
    format!("{} {words}.   {digest}  read {read}, planned {planned}", paint(BOLD, head))
}

/// The sum in words, without a full stop: `Plan:`, and `1 to create, 2 to edit, …`.
pub(super) fn sum_words(plan: &Plan) -> (&'static str, String) {
    let Summary { create, edit, enable, disable, delete, release, adopt, credential: _, held, unchanged } = Summary::of(plan);
    if plan.decisions.is_empty() {
        return ("No changes.", format!("What is declared is what the directory holds; {} unchanged", count(unchanged)));
    }
    let mut parts: Vec<String> = [(create, "create"), (edit, "edit"), (disable, "disable"), (delete, "delete")]
        .map(|(number, word)| format!("{} to {word}", count(number)))
        .into();
    for (number, word) in [(enable, "enable"), (adopt, "adopt"), (release, "release")] {
        if number > 0 {
            parts.push(format!("{} to {word}", count(number)));
        }
    }
    let issued = issued(plan);
    if issued > 0 {
        parts.push(format!("{} to issue", counted(issued, "credential", "credentials")));
    }
    let losses = plan.losses();
    let losses = if losses > 0 { format!(" ({})", counted(losses, "loss", "losses")) } else { String::new() };
    ("Plan:", format!("{}{losses}; {} held; {} unchanged", parts.join(", "), count(held), count(unchanged)))
}

/// A gate that refuses, with the one flag that allows exactly this.
pub(crate) fn refused(refusal: &Refusal) -> String {
    let Refusal { gate, message, flag } = refusal;
    let mut lines = message.lines().map(visible);
    let first = lines.next().unwrap_or_default();
    let mut out = format!("{} gate `{}`: {first}\n", paint(ERROR, "refused:"), gate.name());
    for line in lines {
        let _ = writeln!(out, "  {line}");
    }
    if let Some(flag) = flag {
        let _ = writeln!(out, "{} `{flag}` allows exactly this", paint(HINT, "hint:"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::render::fixture::planned,
        model::{Name, Namespace, Username},
        plan::{Barred, Gate},
    };

    fn plain(planned: &Planned) -> String {
        anstream::adapter::strip_str(&text(planned, &Sources::default())).to_string()
    }

    #[test]
    fn a_plan_reads_like_the_one_in_the_documentation() {
        let planned = planned(1, 1);
        let digest = planned.plan.digest();
        let expected = format!(
            "\
part: nothing is removed
Directory  memory                        Actor  the operator (nobody's rights are checked)
Managed    0, and 0 strangers            Owner  acme
  + company/a/c00000  create      Company at the root
  - company/a/c00001  delete      not declared any more (last: users/service.yaml:41)
  · user/a/last       held        it is protected\\u{{1b}}[2J

Plan: 1 to create, 0 to edit, 0 to disable, 1 to delete; 1 held; 4 012 unchanged.   {digest}  read 0.21 s, planned 0.02 s
"
        );
        assert_eq!(plain(&planned), expected);
    }

    #[test]
    fn a_long_plan_is_cut_and_says_so_but_losses_never_are() {
        let text = plain(&planned(10_000, 200));
        assert_eq!(text.matches("  create  ").count(), ROWS);
        assert_eq!(text.matches("  delete  ").count(), 200);
        assert!(text.contains("… and 9 950 more to create: `-o json` lists everything"), "{text}");
    }

    #[test]
    fn the_header_says_who_acts_and_what_they_are_here() {
        let username = || Username::new("sofia.berg").unwrap();
        let name = |text| Name::new(text).unwrap();
        let role = name("common-manager");
        let somebody = Actor { username: username(), role, namespace: Namespace::DEFAULT, company: Some(name("c")) };
        for (acting, expected) in [
            (Acting::Operator, "Actor  the operator (nobody's rights are checked)\n"),
            (Acting::FirstApply, "Actor  the operator (the first apply: nobody is here yet)\n"),
            (Acting::Actor(somebody), "Actor  sofia.berg (common-manager)\n"),
            (Acting::Unknown(username()), "Actor  sofia.berg (unknown here)\n"),
            (Acting::Barred(username(), Barred::Disabled), "Actor  sofia.berg (disabled)\n"),
        ] {
            let text = plain(&Planned { acting, ..planned(1, 0) });
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn a_refusal_of_several_lines_stays_below_its_gate_whatever_is_in_it() {
        let mut planned = planned(0, 1);
        let message = "two may not\nuser/a/x (a\u{1b}[2J.yaml:1): no\r\nuser/a/y: no".into();
        planned.refused = vec![Refusal { gate: Gate::Role, message, flag: None }];
        let text = plain(&planned);
        let expected = "\nrefused: gate `role`: two may not\n  user/a/x (a\\u{1b}[2J.yaml:1): no\n  user/a/y: no\n";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn a_refusal_names_its_gate_and_the_flag() {
        let mut planned = planned(0, 8);
        let flag = Some("--allow-removals 8".to_owned());
        planned.refused = vec![Refusal { gate: Gate::Budget, message: "8 of 10 go".into(), flag }];
        let text = plain(&planned);
        assert!(text.ends_with("\nrefused: gate `budget`: 8 of 10 go\nhint: `--allow-removals 8` allows exactly this\n"), "{text}");
    }
}
