//! The pages: a title, prose and examples, read from the Markdown beside this file. Its form is a small and fixed one, which the
//! tests below hold every page to.

use serde::Serialize;

use crate::manifest::Code;

/// What a page is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    /// A code of a diagnostic.
    Code,
    /// A safety gate.
    Gate,
    /// A reason for which something is held.
    Hold,
    /// An exit code.
    Exit,
}

/// One text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// What it is about.
    pub(crate) topic: Topic,
    /// `T0007`, `budget`, `Taken`, `exit-5`.
    pub(crate) name: String,
    /// One line.
    pub(crate) title: String,
    /// What stands below the title, in order.
    pub(crate) parts: Vec<Part>,
}

/// A piece of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// `## Why`, without the marks.
    Heading(String),
    /// A paragraph, with its line breaks.
    Prose(String),
    /// A file, or a few commands that make one.
    Example(Example),
}

/// An example, as it stands between fences: ```` ```yaml wrong ````, ```` ```yaml right tenantry.yaml ````, ```` ```yaml roles.yaml ````.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Example {
    /// What it shows.
    pub(crate) kind: ExampleKind,
    /// `yaml`, `json`, or `sh` for commands.
    pub(crate) language: String,
    /// The file it is, seen from the project; none for commands.
    pub(crate) file: Option<String>,
    /// Its text.
    pub(crate) text: String,
}

/// What an example shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ExampleKind {
    /// What is reported.
    Wrong,
    /// The same, mended.
    Right,
    /// What stands beside either of them.
    Beside,
}

impl Topic {
    /// One word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Gate => "gate",
            Self::Hold => "hold",
            Self::Exit => "exit",
        }
    }
}

impl Page {
    /// Its examples.
    pub(crate) fn examples(&self) -> impl Iterator<Item = &Example> {
        self.parts.iter().filter_map(|part| match part {
            Part::Example(example) => Some(example),
            Part::Heading(_) | Part::Prose(_) => None,
        })
    }

    /// What is wrong, alone.
    pub(crate) fn first_paragraph(&self) -> String {
        let paragraph = |part: &Part| match part {
            Part::Prose(text) => Some(text.replace('\n', " ")),
            Part::Heading(_) | Part::Example(_) => None,
        };
        self.parts.iter().find_map(paragraph).unwrap_or_default()
    }

    /// Everything but the title and the examples, as Markdown.
    pub(crate) fn prose(&self) -> String {
        let shows = |row: usize| matches!(self.parts.get(row + 1), Some(Part::Example(_)));
        let paragraph = |(row, part): (usize, &Part)| match part {
            // What stands above examples alone says nothing without them.
            Part::Heading(_) if shows(row) => None,
            Part::Heading(text) => Some(format!("## {text}")),
            Part::Prose(text) => Some(text.clone()),
            Part::Example(_) => None,
        };
        self.parts.iter().enumerate().filter_map(paragraph).collect::<Vec<_>>().join("\n\n")
    }
}

/// The page of a code.
pub(crate) fn code(code: Code) -> Page {
    let text = match code {
        Code::Unreadable => include_str!("T0001.md"),
        Code::Syntax => include_str!("T0002.md"),
        Code::TooMuch => include_str!("T0003.md"),
        Code::NotADocument => include_str!("T0004.md"),
        Code::NoIdentity => include_str!("T0005.md"),
        Code::Foreign => include_str!("T0006.md"),
        Code::UnknownField => include_str!("T0007.md"),
        Code::MissingField => include_str!("T0008.md"),
        Code::BadValue => include_str!("T0009.md"),
        Code::Ambiguous => include_str!("T0010.md"),
        Code::DuplicateKey => include_str!("T0011.md"),
        Code::MergeKey => include_str!("T0012.md"),
        Code::Tag => include_str!("T0013.md"),
        Code::DuplicateIdentity => include_str!("T0014.md"),
        Code::DuplicateClaim => include_str!("T0015.md"),
        Code::UnknownReference => include_str!("T0016.md"),
        Code::Cycle => include_str!("T0017.md"),
        Code::WrongParent => include_str!("T0018.md"),
        Code::UnknownRegion => include_str!("T0019.md"),
        Code::PhoneNotAllowed => include_str!("T0020.md"),
        Code::UnknownRole => include_str!("T0021.md"),
        Code::RoleCannotLiveHere => include_str!("T0022.md"),
        Code::NobodyMayAppoint => include_str!("T0023.md"),
        Code::ShadowsGlobalRole => include_str!("T0024.md"),
        Code::RoleRequires => include_str!("T0025.md"),
        Code::RoleBreaksHolder => include_str!("T0026.md"),
        Code::MovedFrom => include_str!("T0027.md"),
        Code::Project => include_str!("T0028.md"),
    };
    let (title, parts) = read(text);
    Page { topic: Topic::Code, name: code.to_string(), title, parts }
}

/// The pages of what is no code: gates, holds, exit codes. Each family is one file, whose titles are `# NAME: TITLE`.
pub(crate) fn named() -> Vec<Page> {
    let families =
        [(Topic::Gate, include_str!("gates.md")), (Topic::Hold, include_str!("holds.md")), (Topic::Exit, include_str!("exits.md"))];
    let mut pages = Vec::new();
    for (topic, text) in families {
        for section in text.trim_start_matches("# ").split("\n# ") {
            let (line, parts) = read(section);
            let (name, title) = line.split_once(": ").unwrap_or((&line, ""));
            pages.push(Page { topic, name: name.to_owned(), title: title.to_owned(), parts });
        }
    }
    pages
}

/// A title and what stands below it.
fn read(text: &str) -> (String, Vec<Part>) {
    let mut lines = text.lines();
    let title = lines.next().unwrap_or_default().trim_start_matches("# ").to_owned();
    let (mut parts, mut paragraph) = (Vec::new(), String::new());
    while let Some(line) = lines.next() {
        let info = line.strip_prefix("```");
        let heading = line.strip_prefix("## ");
        if line.is_empty() || info.is_some() || heading.is_some() {
            if !paragraph.is_empty() {
                parts.push(Part::Prose(std::mem::take(&mut paragraph)));
            }
        } else {
            let gap = if paragraph.is_empty() { "" } else { "\n" };
            paragraph.extend([gap, line]);
        }
        parts.extend(heading.map(|text| Part::Heading(text.to_owned())));
        if let Some(info) = info {
            let body = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
            parts.push(Part::Example(example(info, body)));
        }
    }
    if !paragraph.is_empty() {
        parts.push(Part::Prose(paragraph));
    }
    (title, parts)
}

fn example(info: &str, text: String) -> Example {
    let mut words = info.split_whitespace();
    let language = words.next().unwrap_or_default().to_owned();
    let (kind, file) = match words.next() {
        Some("wrong") => (ExampleKind::Wrong, words.next()),
        Some("right") => (ExampleKind::Right, words.next()),
        other => (ExampleKind::Beside, other),
    };
    let usual = (language != "sh").then(|| format!("tenants/example.{language}"));
    Example { kind, file: file.map(str::to_owned).or(usual), language, text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::json;

    #[test]
    fn every_code_says_what_why_and_how_with_a_wrong_and_a_right_example() {
        for page in Code::ALL.iter().map(|it| code(*it)) {
            let Page { topic: _, name, title, parts } = &page;
            assert!(!title.is_empty() && !title.ends_with('.') && title.len() < 80, "{name}: {title}");
            let headings: Vec<&str> = parts
                .iter()
                .filter_map(|part| match part {
                    Part::Heading(text) => Some(text.as_str()),
                    Part::Prose(_) | Part::Example(_) => None,
                })
                .collect();
            assert_eq!(headings, ["Why it matters", "How to mend it", "Example"], "{name}");
            assert!(matches!(parts[0], Part::Prose(_)), "{name} says first what is wrong");
            for pair in parts.windows(2).filter(|pair| matches!(pair[0], Part::Heading(_))) {
                assert!(!matches!(pair[1], Part::Heading(_)), "{name}: nothing stands below a heading");
            }
            for kind in [ExampleKind::Wrong, ExampleKind::Right] {
                assert!(page.examples().any(|example| example.kind == kind), "{name} has no example that is {kind:?}");
            }
        }
    }

    #[test]
    fn every_gate_hold_and_exit_code_has_a_page() {
        let names = |topic| named().into_iter().filter(|page| page.topic == topic).map(|page| page.name).collect::<Vec<_>>();
        let schema = serde_json::to_value(json::plan_schema()).unwrap();
        let gates = schema.pointer("/$defs/RefusalForm/properties/gate/enum").unwrap();
        assert_eq!(serde_json::to_value(names(Topic::Gate)).unwrap(), *gates);
        let holds = [
            "Invalid",
            "NotOurs",
            "Taken",
            "WaitingFor",
            "Unsupported",
            "Protected",
            "Blocked",
            "Incomplete",
            "Denied",
            "NotApproved",
            "DisabledOutside",
            "PendingActivation",
            "OverBudget",
            "Refused",
            "Paused",
            "Progressing",
        ];
        assert_eq!(names(Topic::Hold), holds);
        assert_eq!(names(Topic::Exit), (0..=8).map(|code| format!("exit-{code}")).collect::<Vec<_>>());
        for Page { topic: _, name, title, parts } in named() {
            assert!(!title.is_empty() && parts.len() >= 2, "{name} says what it is and what to do");
            assert!(parts.iter().all(|part| matches!(part, Part::Prose(_))), "{name}");
        }
    }

    #[test]
    fn lines_fit_a_terminal() {
        for page in Code::ALL.iter().map(|it| code(*it)).chain(named()) {
            for line in page.prose().lines() {
                assert!(line.chars().count() <= 100, "{}: {line}", page.name);
            }
        }
    }

    #[test]
    fn the_form_is_read() {
        let text = "# A title\n\nOne\ntwo.\n\n## More\n\n```yaml wrong a.yaml\n# no title\n```\nEnd.\n";
        let (title, parts) = read(text);
        assert_eq!(title, "A title");
        let [Part::Prose(first), Part::Heading(more), Part::Example(example), Part::Prose(end)] = &parts[..] else {
            panic!("{parts:?}")
        };
        assert_eq!((first.as_str(), more.as_str(), end.as_str()), ("One\ntwo.", "More", "End."));
        let page = Page { topic: Topic::Gate, name: "x".into(), title, parts: parts.clone() };
        assert_eq!(page.prose(), "One\ntwo.\n\nEnd.");
        assert_eq!(page.first_paragraph(), "One two.");
        let (kind, language, file) = (ExampleKind::Wrong, "yaml".to_owned(), Some("a.yaml".to_owned()));
        assert_eq!(*example, Example { kind, language, file, text: "# no title\n".into() });
    }
}
