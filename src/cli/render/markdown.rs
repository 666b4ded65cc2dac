//! A plan for a comment on a pull request: what is lost first, and never longer than such a comment may be.
//!
//! Whatever is not our own words stands in code spans. Nothing is read in those: no markup, no HTML, no link, no picture, and no
//! `@team` that would send letters to people.

use std::fmt::Write;

use super::{
    View, diagnostics,
    plan::{actor, sum_words},
    report,
    rows::{Group, Row, rows},
    style::{count, counted},
};
use crate::{
    manifest::{Diagnostic, Extent, Severity},
    model::visible,
    pipeline::Planned,
    plan::{Acting, Plan, Refusal},
    report::{Outcome, Report, ResultKind},
};

/// The longest comment. GitHub counts characters; these are bytes, of which there are never fewer, so that it fits however
/// anybody counts.
const MOST: usize = 65_536;
/// What is kept for the ends of lists and for the sentence on what was cut.
const END: usize = 1_500;
/// The longest span, in characters.
const LONGEST: usize = 400;
/// The most that a list above the rows may take, in bytes: rows of losses have room whatever the documents look like.
const LIST: usize = 8_000;
/// Harmless rows of one group that are shown without a click.
const OPEN: usize = 10;

/// A plan, or an apply where it was one.
pub(super) fn plan_or_apply(view: &View<'_>) -> String {
    let View { planned, report, actor: _, problems, sources: _ } = *view;
    let mut out = marker(&planned.plan);
    let (head, words) = sum_words(&planned.plan);
    let _ = writeln!(out, "**{head} {words}.**\n");
    facts(&mut out, planned);
    refusals(&mut out, &planned.refused);
    if let Some(report) = report {
        became(&mut out, view, report);
    }
    let errors = of(problems, Severity::Error);
    if !errors.is_empty() {
        let _ = writeln!(out, "### {} in the documents\n", counted(errors.len() as u64, "error", "errors"));
        list(&mut out, LIST, errors.iter().map(|problem| self::problem(problem)));
    }
    all(&mut out, &rows(view));
    warnings(&mut out, problems);
    out
}

/// What a check of documents found.
pub(super) fn check(documents: u64, problems: &[Diagnostic]) -> String {
    let verdict = anstream::adapter::strip_str(&diagnostics::verdict(documents, problems)).to_string();
    let mut out = format!("<!-- tenantry-validate -->\n**{}**\n\n", verdict.trim_end());
    list(&mut out, MOST - LIST - END, of(problems, Severity::Error).iter().map(|problem| self::problem(problem)));
    warnings(&mut out, problems);
    out
}

/// By what a pipeline finds its one comment again. A name has letters, digits and `-`, and never ends with one.
fn marker(plan: &Plan) -> String {
    format!("<!-- tenantry-plan {} -->\n", plan.owner)
}

/// Where it goes, who acts, and the digest that somebody would approve.
fn facts(out: &mut String, planned: &Planned) {
    let plan = &planned.plan;
    let who = match &planned.acting {
        Acting::Operator | Acting::FirstApply => actor(&planned.acting),
        Acting::Actor(_) | Acting::Unknown(_) | Acting::Barred(..) => code(&actor(&planned.acting)),
    };
    let _ = writeln!(out, "Directory {}, owner {}, actor: {who}.\n", code(&plan.directory), code(plan.owner.as_str()));
    let _ = writeln!(out, "Digest {}\n", code(&plan.digest()));
    if plan.extent == Extent::Part && plan.tally.documents > 0 {
        let _ = writeln!(out, "This is a part of the declaration: nothing is removed.\n");
    }
    if !plan.loosens.is_empty() {
        let _ = writeln!(out, "What the project loosens:\n");
        list(out, LIST / 2, plan.loosens.iter().map(|line| code(line)));
    }
}

fn refusals(out: &mut String, refused: &[Refusal]) {
    for Refusal { gate, message, flag } in refused {
        let _ = writeln!(out, "### Refused by the gate `{}`\n", gate.name());
        // Two gates may be verbose at once, and the rows are to stand below both.
        list(out, LIST / 4, message.lines().map(code));
        if let Some(flag) = flag {
            let _ = writeln!(out, "{} allows exactly this.\n", code(flag));
        }
    }
}

/// What an apply came to, and why what is missing is missing.
fn became(out: &mut String, view: &View<'_>, report: &Report) {
    let planned = view.planned;
    if !planned.refused.is_empty() {
        out.push_str("**Nothing was written.**\n\n");
        return;
    }
    let broken = of(view.problems, Severity::Error).len() as u64;
    let verdict = report::verdict(report, &planned.plan, broken);
    for line in anstream::adapter::strip_str(&verdict).to_string().lines() {
        let _ = writeln!(out, "**{line}**\n");
    }
    let (mut failed, mut skipped) = (Vec::new(), Vec::new());
    for Outcome { key, verb, source, id: _, result } in &report.results {
        let source = source.as_ref().map_or_else(String::new, |source| format!(" ({})", code(source)));
        let head = format!("{} {}{source}", code(&key.to_string()), verb.as_str());
        match result {
            ResultKind::Applied => {}
            ResultKind::Failed { message, retry_helps, refused: _, interrupted: _ } => {
                failed.push(format!("{head}: {} {}", code(message), report::next(*retry_helps)));
            }
            ResultKind::Skipped(why) => skipped.push(format!("{head}: {}", code(&report::skipped(why)))),
        }
    }
    for (title, rows) in [("Failed", failed), ("Skipped", skipped)] {
        if !rows.is_empty() {
            let _ = writeln!(out, "### {title}: {}\n", count(rows.len() as u64));
            list(out, LIST, rows.into_iter());
        }
    }
}

fn warnings(out: &mut String, problems: &[Diagnostic]) {
    let warnings = of(problems, Severity::Warning);
    let room = (MOST - END).saturating_sub(out.len()).min(LIST);
    if warnings.is_empty() {
        return;
    }
    let number = counted(warnings.len() as u64, "warning", "warnings");
    let _ = writeln!(out, "<details><summary>{number} about the documents</summary>\n");
    list(out, room, warnings.iter().map(|problem| self::problem(problem)));
    out.push_str("</details>\n");
}

fn of(problems: &[Diagnostic], severity: Severity) -> Vec<&Diagnostic> {
    problems.iter().filter(|problem| problem.severity == severity).collect()
}

fn problem(problem: &Diagnostic) -> String {
    let Diagnostic { code: number, severity: _, message, file, line, column, hint, snippet: _, related: _ } = problem;
    let hint = hint.as_ref().map_or_else(String::new, |hint| format!(", hint: {}", code(hint)));
    format!("{} {number}: {}{hint}", code(&format!("{file}:{line}:{column}")), code(message))
}

/// A list of so many bytes at most; what does not fit is counted.
fn list(out: &mut String, most: usize, items: impl Iterator<Item = String>) {
    let begin = out.len();
    let mut cut = 0;
    for item in items {
        if cut > 0 || out.len() - begin + "- \n".len() + item.len() > most {
            cut += 1;
        } else {
            let _ = writeln!(out, "- {item}");
        }
    }
    if cut > 0 {
        let _ = writeln!(out, "- … and {} more", count(cut));
    }
    out.push('\n');
}

/// All rows for which there is room. As soon as one does not fit, all that weigh less are cut as well: a comment never shows
/// something harmless in the place of a loss.
fn all(out: &mut String, rows: &[Row<'_>]) {
    let mut cut: Vec<(Group, u64)> = Vec::new();
    for group in Group::ALL {
        let rows: Vec<&Row<'_>> = rows.iter().filter(|row| row.group == group).collect();
        if rows.is_empty() {
            continue;
        }
        let (title, number) = (group.title(), count(rows.len() as u64));
        let folded = !group.destructive() && group != Group::Held && rows.len() > OPEN;
        let (head, end) = if folded {
            (format!("<details><summary>{title}: {number}</summary>\n\n"), "\n</details>\n\n")
        } else {
            (format!("### {title}: {number}\n\n"), "\n")
        };
        let mut body = String::new();
        let mut shown = 0;
        for row in rows.iter().take_while(|_| cut.is_empty()) {
            let line = line(row);
            if out.len() + head.len() + body.len() + line.len() + end.len() > MOST - END {
                break;
            }
            body.push_str(&line);
            shown += 1;
        }
        if shown > 0 {
            let _ = write!(out, "{head}{body}{end}");
        }
        if shown < rows.len() {
            cut.push((group, (rows.len() - shown) as u64));
        }
    }
    if !cut.is_empty() {
        let words: Vec<String> = cut.iter().map(|(group, number)| format!("{} {}", count(*number), group.to_do())).collect();
        let _ = writeln!(out, "**Cut, since a comment has an end: {}.** `-o json` lists everything.\n", words.join(", "));
    }
}

fn line(row: &Row<'_>) -> String {
    let Row { group: _, key, verb: _, details, source, result } = row;
    let became = match result {
        Some(ResultKind::Failed { .. }) => "**failed** ",
        Some(ResultKind::Skipped(_)) => "**skipped** ",
        Some(ResultKind::Applied) | None => "",
    };
    let details: Vec<String> = details.iter().map(|detail| code(detail)).collect();
    let details = if details.is_empty() { String::new() } else { format!(": {}", details.join(", ")) };
    let source = source.as_ref().map_or_else(String::new, |source| format!(" ({})", code(source)));
    format!("- {became}{}{details}{source}\n", code(&key.to_string()))
}

/// Any text as a code span, which ends nowhere but at its end: its fence is longer than every run of backticks in it
/// (`CommonMark` 0.31 §6.1), and it is one line.
fn code(text: &str) -> String {
    let mut text = visible(text);
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // One space at each end is taken away again, so that text may begin and end with a backtick or a space.
    let edge = |c: Option<char>| c.is_none_or(|c| c == '`' || c == ' ');
    let space = if edge(text.chars().next()) || edge(text.chars().next_back()) { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::render::fixture::{change, planned},
        manifest::Sources,
        plan::{Action, Decision, Gate, Held, Hold, Reason},
        report::Skipped,
    };

    /// What people might call a thing, a file or a directory.
    const HOSTILE: [&str; 10] = [
        "@team",
        "`@team`",
        "``` @team",
        " ` @team ` ",
        "<img src=x onerror=alert(1)> @team",
        "![x](https://evil.example) [y](https://evil.example) @team",
        "a | b\n\n# head\n- @team\n</details>",
        "--> </summary> @team \\",
        "https://evil.example/@team #1 GH-2 team@evil.example",
        "\u{202e}@team\u{1b}[2J",
    ];

    fn view<'a>(planned: &'a Planned, problems: &'a [Diagnostic], sources: &'a Sources) -> View<'a> {
        View { planned, report: None, actor: None, problems, sources }
    }

    fn text(planned: &Planned) -> String {
        plan_or_apply(&view(planned, &[], &Sources::default()))
    }

    /// What is left without code spans, as `CommonMark` reads those: a run of backticks ends at the next run of the same length.
    fn outside(line: &str) -> String {
        let (mut out, mut rest) = (String::new(), line);
        while let Some(start) = rest.find('`') {
            out.push_str(&rest[..start]);
            let length = rest[start..].bytes().take_while(|c| *c == b'`').count();
            let inside = &rest[start + length..];
            let mut at = 0;
            let end = loop {
                let Some(next) = inside[at..].find('`') else { panic!("{line} has an open fence") };
                let run = inside[at + next..].bytes().take_while(|c| *c == b'`').count();
                if run == length {
                    break at + next;
                }
                at += next + run;
            };
            rest = &inside[end + length..];
        }
        out + rest
    }

    #[test]
    fn text_of_others_stands_in_code_spans_and_cannot_leave_them() {
        for text in HOSTILE {
            let span = code(text);
            assert_eq!(outside(&span), "", "{span}");
            assert!(!span.contains(['\n', '\u{1b}', '\u{202e}']), "{span}");
        }
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code(""), "`  `");
        assert_eq!(code(&"x".repeat(9_999)).chars().count(), LONGEST + 3);
    }

    #[test]
    fn nothing_in_a_comment_is_markup_but_what_we_say_ourselves() {
        for text in HOSTILE {
            let mut planned = planned(0, 2);
            let plan = &mut planned.plan;
            plan.directory = text.into();
            plan.loosens = vec![text.into()];
            plan.decisions[0].change.as_mut().unwrap().source = Some(text.into());
            plan.decisions[1].held = Some(Held { hold: Hold::Protected, message: text.into() });
            planned.refused = vec![Refusal { gate: Gate::Role, message: text.into(), flag: Some(text.into()) }];
            let problem = |severity| Diagnostic {
                code: crate::manifest::Code::BadValue,
                severity,
                message: text.into(),
                file: text.into(),
                line: 1,
                column: 2,
                hint: Some(text.into()),
                snippet: None,
                related: Vec::new(),
            };
            let outcome = |row: usize, result| {
                let key = planned.plan.decisions[row].key.clone();
                Outcome { key, verb: crate::plan::Verb::Delete, source: Some(text.into()), id: None, result }
            };
            let failed = ResultKind::Failed { message: text.into(), retry_helps: true, refused: false, interrupted: false };
            let results = vec![outcome(0, failed), outcome(1, ResultKind::Skipped(Skipped::Interrupted))];
            let report = Report { results, interrupted: false };
            let problems = [problem(Severity::Error), problem(Severity::Warning)];
            for refused in [true, false] {
                planned.refused.truncate(usize::from(refused));
                let sources = Sources::default();
                let comment = plan_or_apply(&View { report: Some(&report), ..view(&planned, &problems, &sources) });
                assert!(comment.matches("team").count() + comment.matches("evil").count() >= 8, "{comment}");
                let ours = outside(&comment);
                assert!(!["team", "evil", "img", "head", "GH-"].iter().any(|word| ours.contains(word)), "{ours}");
            }
        }
    }

    #[test]
    fn a_comment_fits_and_losses_are_cut_last() {
        let shown = |text: &str, detail: &str| text.matches(detail).count();
        let (created, deleted) = ("`Company at the root`", "`not declared any more");
        for (creates, deletes) in [(0, 2_000), (3_000, 2_000), (3_000, 200), (5_000, 0), (3, 3)] {
            let text = text(&planned(creates, deletes));
            assert!(text.len() <= MOST, "{} bytes of {creates} and {deletes}", text.len());
            let sentence = text.lines().find(|line| line.starts_with("**Cut")).unwrap_or_default();
            let cut = |number: u64, shown: usize, to_do: &str| {
                let left = number - shown as u64;
                let said = format!("{} {to_do}", count(left));
                assert_eq!(sentence.contains(&said), left > 0, "{said} of {creates} and {deletes}");
            };
            cut(deletes, shown(&text, deleted), "to delete");
            cut(creates, shown(&text, created), "to create");
            if shown(&text, created) > 0 {
                assert_eq!(shown(&text, deleted) as u64, deletes, "nothing harmless while a loss is cut");
            }
            assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
        }
        assert!(shown(&text(&planned(3_000, 200)), created) > 100, "what fits is shown");
        assert!(shown(&text(&planned(3_000, 2_000)), deleted) > 500, "what fits is shown");
    }

    #[test]
    fn nothing_harmless_stands_where_a_loss_did_not_fit() {
        for length in (200..300).step_by(10) {
            let mut planned = planned(300, 400);
            // A loss takes more room than what is harmless, which would fit into what is left.
            for change in planned.plan.decisions.iter_mut().filter_map(|decision| decision.change.as_mut()) {
                if change.action == Action::Delete {
                    change.source = Some("x".repeat(length).into());
                }
            }
            let text = text(&planned);
            assert!(text.contains("to delete, 1 held, 300 to create.**"), "{length}");
            assert!(!text.contains("Company at the root"), "{length}");
        }
    }

    #[test]
    fn a_comment_fits_whatever_else_there_is_to_say() {
        let mut planned = planned(2_000, 100);
        let long = "東`".repeat(500);
        planned.plan.loosens = vec![long.clone(); 200];
        let gates = [Gate::Budget, Gate::Creates, Gate::Mails, Gate::EmptyInput, Gate::RootChanged, Gate::LastHolder, Gate::Role];
        let message = vec![long.clone(); 100].join("\n");
        let refusal = |gate| Refusal { gate, message: message.clone(), flag: Some("--whole".into()) };
        planned.refused = gates.map(refusal).into();
        let held = Held { hold: Hold::Protected, message: long.clone() };
        planned.plan.decisions.iter_mut().for_each(|decision| decision.held = Some(held.clone()));
        let problem = |severity| Diagnostic {
            code: crate::manifest::Code::BadValue,
            severity,
            message: long.clone(),
            file: long.clone(),
            line: 1,
            column: 2,
            hint: None,
            snippet: None,
            related: Vec::new(),
        };
        let problems = [vec![problem(Severity::Error); 500], vec![problem(Severity::Warning); 500]].concat();
        let text = plan_or_apply(&view(&planned, &problems, &Sources::default()));
        assert!(text.len() <= MOST, "{}", text.len());
        assert_eq!(text.matches("`not declared any more").count(), 100, "losses have their room");
        assert!(check(9, &problems).len() <= MOST);
    }

    #[test]
    fn what_takes_a_privilege_away_stands_with_the_losses() {
        let mut planned = planned(1, 1);
        let key: crate::model::Key = "role/x".parse().unwrap();
        let Some(Action::Create(state)) = planned.plan.decisions[0].change.clone().map(|change| change.action) else { panic!() };
        let edit = Action::Update { fields: Vec::new(), to: state };
        let change = crate::plan::Change { loss: 3, ..change(&key, edit, Reason::Declared) };
        planned.plan.decisions.push(Decision { key, change: Some(change), held: None, origin: None });
        let text = text(&planned);
        let place = |head: &str| text.find(head).unwrap_or_else(|| panic!("{head} in {text}"));
        assert!(place("### Delete: 1") < place("### Other losses: 1") && place("### Other losses: 1") < place("### Held: 1"));
        assert!(place("### Held: 1") < place("### Create: 1"));
        assert!(text.contains("`role/x`: `this counts as 3 losses` (`users/service.yaml:41`)"), "{text}");
        assert!(text.starts_with("<!-- tenantry-plan acme -->\n**Plan: 1 to create, "), "{text}");
    }
}
