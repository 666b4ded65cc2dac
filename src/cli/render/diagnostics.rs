//! Problems for people, in the style of rustc.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::style::{ERROR, GREEN, WARNING, counted, paint};
use crate::manifest::{self, Code, Diagnostic, RelatedPlace, Severity};

/// How many problems of one code are shown before they fold into a count.
const SHOWN: usize = 10;

/// Every problem with its source line; many of one kind fold into one line with a count.
pub(crate) fn text(problems: &[Diagnostic]) -> String {
    let renderer = Renderer::styled();
    let mut seen: BTreeMap<Code, usize> = BTreeMap::new();
    let mut out = String::new();
    for problem in problems {
        let count = seen.entry(problem.code).or_default();
        *count += 1;
        if *count <= SHOWN {
            let _ = write!(out, "{}\n\n", renderer.render(&report(problem)));
        }
    }
    for (code, count) in seen.iter().filter(|(_, count)| **count > SHOWN) {
        let more = super::style::count((count - SHOWN) as u64);
        let _ = write!(out, "{} and {more} more like it: `-o json` lists everything\n\n", paint(ERROR, format!("[{code}]")));
    }
    out.push_str(&more_about(problems));
    out
}

/// Where there is more to read about what is wrong; once, however much there is.
fn more_about(problems: &[Diagnostic]) -> String {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    let codes: Vec<Code> = errors.map(|problem| problem.code).collect::<BTreeSet<_>>().into_iter().collect();
    match &codes[..] {
        [] => String::new(),
        [code] => format!("For more about {code}: tenantry explain {code}\n\n"),
        [first, .., last] => {
            let others = codes[..codes.len() - 1].iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            format!("For more about {others} and {last}: try tenantry explain {first}\n\n")
        }
    }
}

/// What a check came to, in one line.
pub(crate) fn verdict(documents: u64, problems: &[Diagnostic]) -> String {
    let count = |severity| problems.iter().filter(|problem| problem.severity == severity).count() as u64;
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let checked = counted(documents, "document", "documents");
    let warnings = if warnings > 0 { format!(", {}", counted(warnings, "warning", "warnings")) } else { String::new() };
    match errors {
        0 if warnings.is_empty() => format!("{}: {checked} checked.\n", paint(GREEN, "No problems")),
        0 => format!("{}{warnings}: {checked} checked.\n", paint(WARNING, "No errors")),
        errors => format!("{}{warnings}: {checked} checked.\n", paint(ERROR, counted(errors, "error", "errors"))),
    }
}

fn report(problem: &Diagnostic) -> Vec<Group<'_>> {
    let Diagnostic { code, severity, message, file, line, column, hint, snippet, related } = problem;
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(message.as_str()).id(code.to_string());
    let mut group = place(Group::with_title(title), file, (*line, *column), snippet.as_ref());
    if let Some(hint) = hint {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    let others = related.iter().map(|other| {
        let RelatedPlace { file, line, column, label, snippet } = other;
        let title = Level::NOTE.secondary_title(label.as_str());
        place(Group::with_title(title), file, (*line, *column), snippet.as_ref())
    });
    std::iter::once(group).chain(others).collect()
}

/// The source line with a mark under what is meant, or at least where it is.
fn place<'a>(group: Group<'a>, file: &'a str, at: (u32, u32), snippet: Option<&'a manifest::Snippet>) -> Group<'a> {
    match snippet {
        Some(manifest::Snippet { text, first_line, range }) => group.element(
            Snippet::source(text.as_str())
                .path(file)
                .line_start(*first_line as usize)
                .annotation(AnnotationKind::Primary.span(range.clone())),
        ),
        None => group.element(Origin::path(file).line(at.0 as usize).char_column(at.1 as usize)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic(code: Code, line: u32) -> Diagnostic {
        let text = "  role: operations-enginer".to_owned();
        Diagnostic {
            code,
            severity: Severity::Error,
            message: "role `operations-enginer` does not exist".into(),
            file: "users/service.yaml".into(),
            line,
            column: 9,
            hint: Some("did you mean `operations-engineer`?".into()),
            snippet: Some(manifest::Snippet { range: 8..text.len(), text, first_line: line }),
            related: Vec::new(),
        }
    }

    fn plain(problems: &[Diagnostic]) -> String {
        anstream::adapter::strip_str(&text(problems)).to_string()
    }

    #[test]
    fn a_problem_points_at_its_place() {
        let mut problem = diagnostic(Code::UnknownRole, 41);
        problem.related.push(RelatedPlace {
            file: "roles.yaml".into(),
            line: 3,
            column: 1,
            label: "roles are declared here".into(),
            snippet: None,
        });
        let expected = "\
error[T0021]: role `operations-enginer` does not exist
  --> users/service.yaml:41:9
   |
41 |   role: operations-enginer
   |         ^^^^^^^^^^^^^^^^^^
   |
   = help: did you mean `operations-engineer`?
note: roles are declared here
  --> roles.yaml:3:1

For more about T0021: tenantry explain T0021
";
        assert_eq!(plain(&[problem]).trim_end(), expected.trim_end());
    }

    #[test]
    fn a_thousand_of_one_kind_fold_into_one_with_a_count() {
        let mut problems: Vec<_> = (1..=1000).map(|line| diagnostic(Code::UnknownRole, line)).collect();
        problems.push(diagnostic(Code::UnknownField, 1));
        let text = plain(&problems);
        assert_eq!(text.matches("error[T0021]").count(), 10);
        assert!(text.contains("[T0021] and 990 more like it"), "{text}");
        assert!(text.contains("error[T0007]"), "a rare kind is not lost among a thousand of another");
        assert!(text.ends_with("For more about T0007 and T0021: try tenantry explain T0007\n\n"), "{text}");
    }

    #[test]
    fn a_warning_alone_points_nowhere() {
        let warning = Diagnostic { severity: Severity::Warning, ..diagnostic(Code::Foreign, 1) };
        assert!(!plain(&[warning]).contains("For more"));
    }
}
