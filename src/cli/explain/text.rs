//! Pages for people.

use std::fmt::Write;

use super::{
    pages::{Example, ExampleKind, Page, Part, Topic},
    style::{BOLD, DIM, ERROR, GREEN, paint},
};

/// A page, with its examples set in.
pub(super) fn page(page: &Page) -> String {
    let Page { topic, name, title, parts } = page;
    let name = match topic {
        Topic::Code => name.clone(),
        Topic::Gate => format!("Gate `{name}`"),
        Topic::Hold => format!("Hold `{name}`"),
        Topic::Exit => name.replace("exit-", "Exit code "),
    };
    let mut out = format!("{}: {title}\n", paint(BOLD, name));
    for part in parts {
        match part {
            Part::Heading(text) => drop(writeln!(out, "\n{}", paint(BOLD, text))),
            Part::Prose(text) => drop(writeln!(out, "\n{text}")),
            Part::Example(it) => example(&mut out, it),
        }
    }
    out
}

fn example(out: &mut String, example: &Example) {
    let Example { kind, language: _, file, text } = example;
    let word = match kind {
        ExampleKind::Wrong => paint(ERROR, "Wrong"),
        ExampleKind::Right => paint(GREEN, "Right"),
        ExampleKind::Beside => paint(DIM, "Beside it"),
    };
    let file = file.as_ref().map_or_else(String::new, |file| format!(", in {file}"));
    let _ = writeln!(out, "\n{word}{file}:\n");
    for line in text.lines() {
        let _ = writeln!(out, "{}", format!("    {line}").trim_end());
    }
}

/// One line for each page, below the name of its family.
pub(super) fn list(pages: &[Page]) -> String {
    let width = pages.iter().map(|page| page.name.len()).max().unwrap_or(0);
    let (mut out, mut last) = (String::new(), None);
    for Page { topic, name, title, parts: _ } in pages {
        if last != Some(*topic) {
            let gap = if last.is_some() { "\n" } else { "" };
            let _ = writeln!(out, "{gap}{}", paint(BOLD, family(*topic)));
            last = Some(*topic);
        }
        let _ = writeln!(out, "  {name:<width$}  {title}");
    }
    let _ = writeln!(out, "\n`tenantry explain CODE` says more, with an example for each code.");
    out
}

fn family(topic: Topic) -> &'static str {
    match topic {
        Topic::Code => "Problems in documents",
        Topic::Gate => "Gates: why a plan is refused as a whole",
        Topic::Hold => "Holds: why one object is left as it is, while the rest goes on",
        Topic::Exit => "Exit codes",
    }
}
