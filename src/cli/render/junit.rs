//! `JUnit` XML as Jenkins and GitLab read it: problems, holds and results as test cases.

use std::{collections::BTreeMap, fmt::Write};

use super::{
    View,
    findings::{self, Finding, Level, Spot},
    style::counted,
};
use crate::report::{Outcome, Report, ResultKind};

/// A suite: a file, or something else that has results.
struct Suite {
    name: String,
    cases: Vec<Case>,
}

/// A test case.
struct Case {
    class: String,
    name: String,
    file: Option<String>,
    fate: Fate,
}

/// What became of it.
enum Fate {
    Passed,
    /// Passed, with something to read.
    Said(String),
    Failed {
        kind: String,
        text: String,
    },
    Skipped(String),
}

/// What a check of `documents` documents found.
pub(super) fn check(documents: u64, findings: Vec<Finding>) -> String {
    write(&suites(documents, findings))
}

/// A plan, and the result of each change where it was carried out.
pub(super) fn plan(view: &View<'_>) -> String {
    let found = [findings::problems(view.problems), findings::holds(view)].concat();
    let mut suites = suites(view.planned.plan.tally.documents, found);
    let gates: Vec<Case> = findings::gates(view).into_iter().map(case).collect();
    let changes: Vec<Case> = view.report.map_or_else(Vec::new, results);
    for (name, cases) in [("gates", gates), ("changes", changes)] {
        if !cases.is_empty() {
            suites.push(Suite { name: name.into(), cases });
        }
    }
    write(&suites)
}

/// One suite for each file that has something; before them one that is always there, since a report without a single test case
/// is taken for a run that found no tests.
fn suites(documents: u64, findings: Vec<Finding>) -> Vec<Suite> {
    let fate = Fate::Said(counted(documents, "document", "documents"));
    let checked = Case { class: "tenantry".into(), name: "documents checked".into(), file: None, fate };
    let mut suites = vec![Suite { name: "documents".into(), cases: vec![checked] }];
    let mut files: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for finding in findings {
        let file = finding.at.as_ref().map_or_else(|| "elsewhere".to_owned(), |spot| spot.file.clone());
        files.entry(file).or_default().push(case(finding));
    }
    suites.extend(files.into_iter().map(|(name, cases)| Suite { name, cases }));
    suites
}

fn case(finding: Finding) -> Case {
    let text = finding.whole();
    let Finding { rule, level, message, hint: _, key, at, related } = finding;
    let name = match &key {
        Some(key) => format!("{rule}: {key}"),
        None => format!("{rule}: {}", message.lines().next().unwrap_or_default()),
    };
    let place = |spot: &Spot| {
        let Spot { file, line, column } = spot;
        format!("{file}:{line}{}", column.map_or_else(String::new, |column| format!(":{column}")))
    };
    let mut text = at.iter().fold(text, |text, spot| format!("{}: {text}", place(spot)));
    text.extend(related.iter().map(|(spot, label)| format!("\n{}: {label}", place(spot))));
    let held = rule.starts_with("hold/");
    let class = at.as_ref().map_or_else(|| "tenantry".to_owned(), |spot| spot.file.clone());
    let file = at.map(|spot| spot.file);
    let fate = match level {
        Level::Error => Fate::Failed { kind: rule, text },
        Level::Warning | Level::Note if held => Fate::Skipped(text),
        Level::Warning | Level::Note => Fate::Said(text),
    };
    Case { class, name, file, fate }
}

fn results(report: &Report) -> Vec<Case> {
    let result = |outcome: &Outcome| {
        let Outcome { key, verb, source, id: _, result } = outcome;
        let fate = match result {
            ResultKind::Applied => Fate::Passed,
            ResultKind::Failed { message, retry_helps: _, refused: _, interrupted: _ } => {
                Fate::Failed { kind: "failed".into(), text: message.clone() }
            }
            ResultKind::Skipped(why) => Fate::Skipped(findings::skipped(why)),
        };
        let file = source.as_ref().and_then(|place| findings::spot(place)).map(|spot| spot.file);
        Case { class: "tenantry.changes".into(), name: format!("{} {key}", verb.as_str()), file, fate }
    };
    report.results.iter().map(result).collect()
}

/// Tests, failures and skipped ones, as attributes.
fn counts<'a>(cases: impl Iterator<Item = &'a Case> + Clone) -> String {
    let failed = cases.clone().filter(|case| matches!(case.fate, Fate::Failed { .. })).count();
    let skipped = cases.clone().filter(|case| matches!(case.fate, Fate::Skipped(_))).count();
    format!("tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\" time=\"0\"", cases.count())
}

fn write(suites: &[Suite]) -> String {
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let _ = writeln!(out, "<testsuites name=\"tenantry\" {}>", counts(suites.iter().flat_map(|suite| &suite.cases)));
    for Suite { name, cases } in suites {
        let _ = writeln!(out, "  <testsuite name=\"{}\" {}>", escape(name), counts(cases.iter()));
        // Readers tell test cases apart by class and name alone.
        let mut seen: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for case in cases {
            let number = seen.entry((&case.class, &case.name)).or_default();
            *number += 1;
            write_case(&mut out, case, *number);
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn write_case(out: &mut String, case: &Case, number: usize) {
    let Case { class, name, file, fate } = case;
    let again = if number > 1 { format!(" ({number})") } else { String::new() };
    let file = file.as_ref().map_or_else(String::new, |file| format!(" file=\"{}\"", escape(file)));
    let _ = write!(out, "    <testcase classname=\"{}\" name=\"{}{again}\"{file} time=\"0\"", escape(class), escape(name));
    let first = |text: &str| escape(text.lines().next().unwrap_or_default());
    let inside = match fate {
        Fate::Passed => return out.push_str("/>\n"),
        Fate::Said(text) => format!("<system-out>{}</system-out>", escape(text)),
        Fate::Failed { kind, text } => {
            format!("<failure type=\"{}\" message=\"{}\">{}</failure>", escape(kind), first(text), escape(text))
        }
        Fate::Skipped(text) => format!("<skipped message=\"{}\"/>", escape(text)),
    };
    let _ = writeln!(out, ">{inside}</testcase>");
}

/// Text for an attribute or an element. What XML 1.0 cannot hold in any spelling becomes U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // An attribute would have blanks for them.
            '\t' | '\n' | '\r' => out.push_str(&format!("&#{};", u32::from(c))),
            '\u{20}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}' => out.push(c),
            _ => out.push(char::REPLACEMENT_CHARACTER),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Verb;

    fn finding(rule: &str, level: Level, message: &str) -> Finding {
        let at = Some(Spot { file: "a.yaml".into(), line: 7, column: Some(3) });
        let (rule, message) = (rule.to_owned(), message.to_owned());
        Finding { rule, level, message, hint: Some("mend it".into()), key: None, at, related: Vec::new() }
    }

    /// Whether every element is closed where it should be, and nothing stands in it that XML does not allow. Gives the names of
    /// the elements, in order.
    fn elements(text: &str) -> Vec<String> {
        let mut rest = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").unwrap();
        let (mut open, mut names) = (Vec::new(), Vec::new());
        while let Some(at) = rest.find('<') {
            assert!(!rest[..at].contains('>'), "{rest}");
            let end = rest.find('>').unwrap();
            let tag = &rest[at + 1..end];
            assert!(!tag.contains('<') && tag.matches('"').count().is_multiple_of(2), "{tag}");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name.to_owned()), "{text}");
            } else {
                let name = tag.trim_end_matches('/').split(' ').next().unwrap().to_owned();
                names.push(name.clone());
                if !tag.ends_with('/') {
                    open.push(name);
                }
            }
            rest = &rest[end + 1..];
        }
        assert!(open.is_empty() && rest.trim().is_empty(), "{text}");
        assert!(text.chars().all(|c| matches!(c, '\n' | '\u{20}'..='\u{fffd}' | '\u{10000}'..)), "{text:?}");
        for (at, _) in text.match_indices('&') {
            let entity = &text[at + 1..at + 1 + text[at + 1..].find(';').unwrap()];
            let number = entity.strip_prefix('#').is_some_and(|it| it.parse::<u32>().is_ok());
            assert!(number || ["amp", "lt", "gt", "quot", "apos"].contains(&entity), "{entity}");
        }
        names
    }

    #[test]
    fn a_check_without_problems_has_a_test_all_the_same() {
        let text = check(12, Vec::new());
        assert_eq!(elements(&text), ["testsuites", "testsuite", "testcase", "system-out"]);
        assert!(text.contains("<testsuites name=\"tenantry\" tests=\"1\" failures=\"0\" errors=\"0\" skipped=\"0\""), "{text}");
        assert!(text.contains("name=\"documents checked\"") && text.contains(">12 documents<"), "{text}");
    }

    #[test]
    fn problems_are_failures_and_holds_are_skipped() {
        let found = vec![
            finding("T0007", Level::Error, "`a` does not exist"),
            finding("T0007", Level::Error, "`a` does not exist"),
            finding("T0006", Level::Warning, "not for us"),
            Finding { key: Some("user/a/x".into()), ..finding("hold/Taken", Level::Warning, "it is taken") },
        ];
        let text = check(3, found);
        let names = elements(&text);
        let number = |name: &str| names.iter().filter(|it| *it == name).count();
        assert_eq!((number("testcase"), number("failure"), number("skipped"), number("system-out")), (5, 2, 1, 2));
        assert!(text.contains("<testsuites name=\"tenantry\" tests=\"5\" failures=\"2\" errors=\"0\" skipped=\"1\""), "{text}");
        assert!(text.contains("<testsuite name=\"a.yaml\" tests=\"4\" failures=\"2\" errors=\"0\" skipped=\"1\""), "{text}");
        assert!(
            text.contains("name=\"T0007: `a` does not exist\"") && text.contains("name=\"T0007: `a` does not exist (2)\""),
            "{text}"
        );
        assert!(text.contains("name=\"hold/Taken: user/a/x\" file=\"a.yaml\""), "{text}");
        assert!(text.contains("a.yaml:7:3: `a` does not exist&#10;mend it</failure>"), "{text}");
    }

    #[test]
    fn results_of_an_apply_are_test_cases() {
        let outcome = |key: &str, result| Outcome {
            key: key.parse().unwrap(),
            verb: Verb::Create,
            source: Some("users.yaml:7".into()),
            id: None,
            result,
        };
        let failed =
            ResultKind::Failed { message: "a name <x> is taken".into(), retry_helps: true, refused: false, interrupted: false };
        let skipped = ResultKind::Skipped(crate::report::Skipped::Interrupted);
        let results = vec![outcome("user/a/a", ResultKind::Applied), outcome("user/a/b", failed), outcome("user/a/c", skipped)];
        let cases = self::results(&Report { results, interrupted: true });
        let text = write(&[Suite { name: "changes".into(), cases }]);
        elements(&text);
        assert!(
            text.contains("<testcase classname=\"tenantry.changes\" name=\"create user/a/a\" file=\"users.yaml\" time=\"0\"/>"),
            "{text}"
        );
        assert!(text.contains("<failure type=\"failed\" message=\"a name &lt;x&gt; is taken\">"), "{text}");
        assert!(text.contains("<skipped message=\"the run was asked to stop\"/>"), "{text}");
    }

    #[test]
    fn whatever_stands_in_a_message_the_text_stays_xml() {
        let nasty = "]]> </failure> \"a\" & 'b' \u{0}\u{8}\u{1b}[2J\u{b}\u{fffe}\u{ffff}\u{1f600}\r\n\tc";
        let text = check(1, vec![Finding { key: Some(nasty.into()), ..finding(nasty, Level::Error, nasty) }]);
        elements(&text);
        assert!(text.contains("\u{fffd}[2J") && text.contains('\u{1f600}') && text.contains("&#13;&#10;&#9;c"), "{text}");
    }
}
