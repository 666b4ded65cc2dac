//! A plan as one page that needs nothing but itself: no network, no server, no other file.
//!
//! What people wrote comes into it in two ways: escaped in the part that is there without a script, and as JSON that the script
//! shows as text nodes. The policy of the page lets nothing run but that script, and nothing be fetched at all.

mod data;

use std::fmt::Write;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use sha2::{Digest, Sha256};

use self::data::{Data, what};
use super::{
    View, diagnostics,
    plan::{actor, sum_words},
    report,
    rows::{Row, rows},
    style::{count, counted},
};
use crate::{
    manifest::{Diagnostic, Extent, Severity},
    model::visible,
    plan::Refusal,
};

const PAGE: &str = include_str!("html/plan.html");
const STYLE: &str = include_str!("html/plan.css");
const SCRIPT: &str = include_str!("html/plan.js");

/// Rows that stand in the page itself, for a reader without scripts.
const PLAIN: usize = 1_000;
/// Problems of the documents that are shown.
const PROBLEMS: usize = 100;

/// A plan, or an apply where it was one.
pub(super) fn plan_or_apply(view: &View<'_>) -> String {
    let View { planned, report, actor: _, problems, sources: _ } = *view;
    let plan = &planned.plan;
    let (head, words) = sum_words(plan);
    let rows = rows(view);
    let data = Data::new(&rows, planned.outlook.as_ref());
    let mut facts = String::new();
    for (term, text) in [
        ("Directory", plan.directory.as_str()),
        ("Owner", plan.owner.as_str()),
        ("Actor", &actor(&planned.acting)),
        ("Digest", &plan.digest()),
    ] {
        let _ = writeln!(facts, "<dt>{term}</dt><dd>{}</dd>", escape(text));
    }
    let mut notices: String = planned.refused.iter().map(refusal).collect();
    if plan.extent == Extent::Part && plan.tally.documents > 0 {
        notices.push_str(&notice("This is a part of the declaration: nothing is removed.", &[]));
    }
    if !plan.loosens.is_empty() {
        notices.push_str(&notice("What the project loosens", &plan.loosens));
    }
    if let Some(report) = report {
        let broken = problems.iter().filter(|problem| problem.severity == Severity::Error).count() as u64;
        let verdict = plain(&report::verdict(report, plan, broken));
        let became = if planned.refused.is_empty() { verdict.lines().collect() } else { vec!["Nothing was written."] };
        notices.push_str(&became.iter().map(|line| notice(line, &[])).collect::<String>());
    }
    notices.push_str(&self::problems(problems));
    page(&format!("{head} {words}"), &facts, &notices, &table(&rows), &data)
}

/// What a check of documents found.
pub(super) fn check(documents: u64, problems: &[Diagnostic]) -> String {
    let data = Data::new(&[], None);
    page(plain(&diagnostics::verdict(documents, problems)).trim_end(), "", &self::problems(problems), "", &data)
}

fn page(heading: &str, facts: &str, notices: &str, rows: &str, data: &Data<'_>) -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    let (heading, data) = (escape(heading), json(data));
    let title = format!("Tenantry: {heading}");
    fill(
        PAGE,
        &[
            ("policy", &policy),
            ("title", &title),
            ("style", STYLE),
            ("heading", &heading),
            ("facts", facts),
            ("notices", notices),
            ("rows", rows),
            ("data", &data),
            ("script", SCRIPT),
        ],
    )
}

/// Puts values where their names stand, in one pass: what stands in a value is never a name.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut parts = template.split("{{");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("}}").unwrap_or_default();
        let value = values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
        out.push_str(value);
        out.push_str(rest);
    }
    out
}

/// JSON in a script element. Without `<` and `>` there is neither an end of the element nor the beginning of a comment in it, in
/// which a `<script>` would swallow the page (HTML §4.12.1.3); they occur in strings alone, where an escape says the same.
fn json(data: &impl Serialize) -> String {
    let text = serde_json::to_string(data).unwrap_or_default();
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// Text in an element or a quoted attribute; control characters are made visible.
fn escape(text: &str) -> String {
    let text = visible(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn refusal(refusal: &Refusal) -> String {
    let Refusal { gate, message, flag } = refusal;
    let flag = flag.as_ref().map(|flag| format!("`{flag}` allows exactly this"));
    let lines: Vec<String> = message.lines().map(str::to_owned).chain(flag).collect();
    notice(&format!("Refused by the gate `{}`", gate.name()), &lines)
}

fn problems(problems: &[Diagnostic]) -> String {
    let mut out = String::new();
    for (severity, one, several) in [(Severity::Error, "error", "errors"), (Severity::Warning, "warning", "warnings")] {
        let of: Vec<&Diagnostic> = problems.iter().filter(|problem| problem.severity == severity).collect();
        if of.is_empty() {
            continue;
        }
        let mut lines: Vec<String> = of.iter().take(PROBLEMS).map(|problem| self::problem(problem)).collect();
        if of.len() > PROBLEMS {
            lines.push(format!("… and {} more", count((of.len() - PROBLEMS) as u64)));
        }
        out.push_str(&notice(&format!("{} in the documents", counted(of.len() as u64, one, several)), &lines));
    }
    out
}

fn problem(problem: &Diagnostic) -> String {
    let Diagnostic { code, severity: _, message, file, line, column, hint, snippet: _, related: _ } = problem;
    let hint = hint.as_ref().map_or_else(String::new, |hint| format!(" (hint: {hint})"));
    format!("{file}:{line}:{column}: {code}: {message}{hint}")
}

fn notice(head: &str, lines: &[String]) -> String {
    let items: String = lines.iter().map(|line| format!("<li>{}</li>", escape(line))).collect();
    let list = if items.is_empty() { items } else { format!("<ul>{items}</ul>") };
    format!("<div class=\"notice\"><strong>{}</strong>{list}</div>\n", escape(head))
}

/// What is lost, for a reader without scripts; everything else is counted in the heading.
fn table(rows: &[Row<'_>]) -> String {
    let lost: Vec<&Row<'_>> = rows.iter().filter(|row| row.group.destructive()).collect();
    let mut out = format!("<h2>{}</h2>\n", counted(lost.len() as u64, "row of losses", "rows of losses"));
    if lost.is_empty() {
        return out + "<p>Nothing is deleted, disabled, released or taken away.</p>\n";
    }
    out.push_str("<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">What</th><th scope=\"col\">Key</th>");
    out.push_str("<th scope=\"col\">Details</th><th scope=\"col\">Declared at</th></tr></thead>\n<tbody>\n");
    for row in lost.iter().take(PLAIN) {
        let Row { group, key, verb, details, source, result: _ } = row;
        let details: String = details.iter().map(|detail| format!("<li>{}</li>", escape(detail))).collect();
        let (title, key, source) = (what(*group, *verb), escape(&key.to_string()), escape(source.as_deref().unwrap_or_default()));
        let cells = format!("<td>{title}</td><td>{key}</td><td><ul>{details}</ul></td><td>{source}</td>");
        let _ = writeln!(out, "<tr class=\"loss\">{cells}</tr>");
    }
    out.push_str("</tbody>\n</table></div>\n");
    if lost.len() > PLAIN {
        let _ = writeln!(out, "<p>… and {} more, which a browser with scripts shows.</p>", count((lost.len() - PLAIN) as u64));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::render::fixture::planned, manifest::Sources};

    const HOSTILE: &str = "</script><!--<script> {{script}} <b>\u{202e}\u{2028}&amp;\"'";

    #[test]
    fn nothing_in_the_data_ends_it() {
        let text = json(&HOSTILE);
        assert!(!text.contains(['<', '>', '&']), "{text}");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), HOSTILE);
        assert!(!escape(HOSTILE).contains(['<', '>', '"', '\'', '\u{202e}']));
    }

    #[test]
    fn values_are_put_in_once() {
        assert_eq!(fill("a {{x}} b {{y}} {{z}}", &[("x", "{{y}}"), ("y", "1")]), "a {{y}} b 1 ");
    }

    #[test]
    fn the_policy_names_what_is_in_the_page_and_nothing_else() {
        let mut planned = planned(3, 2);
        planned.plan.directory = HOSTILE.into();
        let sources = Sources::default();
        let view = View { planned: &planned, report: None, actor: None, problems: &[], sources: &sources };
        let page = plan_or_apply(&view);
        let between = |start: &str, end: &str| page.split_once(start).unwrap().1.split_once(end).unwrap().0;
        for (kind, text) in [("style", between("<style>", "</style>")), ("script", between("<script>", "</script>"))] {
            let hash = STANDARD.encode(Sha256::digest(text.as_bytes()));
            assert!(page.contains(&format!("{kind}-src 'sha256-{hash}'")), "{kind}");
        }
        assert!(page.contains("content=\"default-src 'none'; "));
        // Two scripts, the data being one; no attribute that is a script or a style, and nothing that could be fetched.
        assert_eq!(page.matches("<script").count(), 2);
        for word in [" style=", " onclick=", " src=", " href=", "@import", "url(", "innerHTML", "fetch(", "eval("] {
            assert!(!page.contains(word), "{word}");
        }
        assert_eq!(page.matches("<tr class=\"loss\">").count(), 2, "without a script, losses are there");
    }

    #[test]
    fn a_check_is_a_page_too() {
        let problem = Diagnostic {
            code: crate::manifest::Code::BadValue,
            severity: Severity::Error,
            message: HOSTILE.into(),
            file: HOSTILE.into(),
            line: 1,
            column: 2,
            hint: Some(HOSTILE.into()),
            snippet: None,
            related: Vec::new(),
        };
        let page = check(3, &vec![problem; PROBLEMS + 1]);
        assert!(page.contains("<h1>101 errors: 3 documents checked.</h1>") && page.contains("… and 1 more"), "{page}");
        assert_eq!((page.matches("<script").count(), page.matches("</script").count()), (2, 2));
    }
}
