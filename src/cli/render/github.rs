//! GitHub's workflow commands
//! (<https://docs.github.com/actions/reference/workflow-commands-for-github-actions>): notes beside the lines of a pull request.

use std::fmt::Write;

use super::{
    findings::{Finding, Level, Spot},
    style::count,
};

/// GitHub shows this many of one type for one step, and drops the rest without a word.
const SHOWN: usize = 10;

/// One command for each finding; too many of one type fold into one with a count.
pub(super) fn text(findings: &[Finding]) -> String {
    let mut out = String::new();
    for level in Level::ALL {
        let of: Vec<&Finding> = findings.iter().filter(|finding| finding.level == level).collect();
        let shown = if of.len() > SHOWN { SHOWN - 1 } else { of.len() };
        of[..shown].iter().for_each(|finding| command(&mut out, finding));
        if of.len() > shown {
            let more = count((of.len() - shown) as u64);
            let (word, several) = (word(level), name(level));
            let message = data(&format!("and {more} more {several}: GitHub shows ten of them, `-o json` lists everything"));
            let _ = writeln!(out, "::{word} title=Tenantry::{message}");
        }
    }
    out
}

fn command(out: &mut String, finding: &Finding) {
    let Finding { rule, level, message: _, hint: _, key: _, at, related: _ } = finding;
    let mut properties = Vec::new();
    if let Some(Spot { file, line, column }) = at {
        properties.push(format!("file={}", property(file)));
        properties.push(format!("line={line}"));
        properties.extend(column.map(|column| format!("col={column}")));
    }
    properties.push(format!("title={}", property(rule)));
    let _ = writeln!(out, "::{} {}::{}", word(*level), properties.join(","), data(&finding.whole()));
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "notice",
    }
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Error => "errors",
        Level::Warning => "warnings",
        Level::Note => "notices",
    }
}

/// A message: it ends with its line.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property: it ends at the next one too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(level: Level, file: &str, message: &str) -> Finding {
        let at = Some(Spot { file: file.into(), line: 7, column: Some(3) });
        let (rule, message) = ("T0007".to_owned(), message.to_owned());
        Finding { rule, level, message, hint: None, key: None, at, related: Vec::new() }
    }

    #[test]
    fn nothing_in_a_message_or_a_path_ends_the_command() {
        let message = "100 % of\r\nit::error::x, y";
        let found = text(&[finding(Level::Error, "a,b:c%\n.yaml", message)]);
        let expected = "::error file=a%2Cb%3Ac%25%0A.yaml,line=7,col=3,title=T0007::100 %25 of%0D%0Ait::error::x, y\n";
        assert_eq!(found, expected);
    }

    #[test]
    fn a_place_without_a_column_and_no_place_at_all() {
        let at = Some(Spot { file: "a.yaml".into(), line: 1, column: None });
        let hold = Finding { at, key: Some("user/a/x".into()), ..finding(Level::Warning, "", "it is taken") };
        assert_eq!(text(&[hold]), "::warning file=a.yaml,line=1,title=T0007::user/a/x: it is taken\n");
        let hint = Some("say `--allow-empty`".into());
        let gate = Finding { at: None, hint, rule: "gate/empty-input".into(), ..finding(Level::Error, "", "nothing") };
        assert_eq!(text(&[gate]), "::error title=gate/empty-input::nothing%0Asay `--allow-empty`\n");
    }

    #[test]
    fn more_than_are_shown_fold_into_one_with_a_count() {
        let many = |number: usize| {
            let mut findings = vec![finding(Level::Warning, "a.yaml", "warned")];
            findings.extend((0..number).map(|_| finding(Level::Error, "a.yaml", "wrong")));
            text(&findings)
        };
        assert_eq!(many(10).matches("::error ").count(), 10);
        assert!(!many(10).contains("more"));
        let text = many(1_011);
        assert_eq!(text.matches("::error ").count(), 10);
        assert!(text.contains("::error title=Tenantry::and 1 002 more errors: "), "{text}");
        assert_eq!(text.matches("::warning ").count(), 1);
    }
}
