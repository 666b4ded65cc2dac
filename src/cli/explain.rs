//! `tenantry explain`: what a code, a gate, a hold or an exit code means, at length. The texts stand beside this file, one for
//! each code and one for each other family; a new code does not compile until it has one.

mod pages;
mod text;

use clap::ValueEnum;
use serde::Serialize;

use self::pages::{Example, Page, code as page, named};
use super::{
    console::Console,
    exit::Exit,
    failure::Failure,
    render::{json, style},
};
use crate::{desired::closest, manifest::Code, model::visible};

/// Arguments of `tenantry explain`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry explain T0007           what is wrong, why it matters, how to mend it; with examples
  tenantry explain                 every code, gate, hold and exit code, one line each
  tenantry explain budget          a gate; `Taken` is a hold, and `exit 5` an exit code")]
pub(crate) struct Args {
    /// A code such as `T0007` or `7`, or the name of a gate or a hold, or `exit` and a number [default: a list of all].
    #[arg(value_name = "CODE")]
    pub(crate) words: Vec<String>,
    /// `text` or `json`.
    #[arg(short, long = "output", value_name = "FORMAT", value_enum, default_value = "text")]
    pub(crate) output: Format,
}

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What `tenantry explain CODE -o json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PageForm<'a> {
    format_version: &'static str,
    code: &'a str,
    title: &'a str,
    text: String,
    examples: Vec<&'a Example>,
}

/// What `tenantry explain -o json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ListForm<'a> {
    format_version: &'static str,
    codes: Vec<RowForm<'a>>,
}

#[derive(Debug, Serialize)]
struct RowForm<'a> {
    code: &'a str,
    topic: &'static str,
    title: &'a str,
}

/// Looks the word up and prints its page.
pub(crate) fn run(args: &Args, console: Console) -> Result<Exit, Failure> {
    let Args { words, output } = args;
    let text = match (words.is_empty(), output) {
        (true, Format::Text) => text::list(&all()),
        (true, Format::Json) => json::print(&list_form(&all())),
        (false, Format::Text) => text::page(&find(words)?),
        (false, Format::Json) => json::print(&page_form(&find(words)?)),
    };
    console.data(&text)?;
    Ok(Exit::Done)
}

/// Every page, in the order of the list.
fn all() -> Vec<Page> {
    Code::ALL.iter().map(|code| page(*code)).chain(named()).collect()
}

/// The page of a code or a name, however it is written. A bare number is a code: exit codes say `exit`.
pub(crate) fn look_up(word: &str) -> Option<Page> {
    let word = word.to_lowercase();
    if let Some(digits) = digits(&word) {
        let number = digits.parse::<u16>().ok();
        return Code::ALL.iter().find(|code| Some(**code as u16) == number).map(|code| page(*code));
    }
    let name = bare(&word);
    named().into_iter().find(|page| page.name.to_lowercase() == name)
}

/// The digits of `t0007` and `7`.
fn digits(word: &str) -> Option<&str> {
    let digits = word.strip_prefix('t').unwrap_or(word);
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
}

/// A name without its family, which stands before it in other forms: `gate/budget`.
fn bare(word: &str) -> &str {
    word.strip_prefix("gate/").or_else(|| word.strip_prefix("hold/")).unwrap_or(word)
}

/// The page that the words of a command line mean.
fn find(words: &[String]) -> Result<Page, Failure> {
    let word = words.join("-").to_lowercase();
    look_up(&word).ok_or_else(|| unknown(&word, &words.join(" ")))
}

fn unknown(word: &str, written: &str) -> Failure {
    if digits(word).is_some() {
        let last = Code::ALL.iter().max().map_or_else(String::new, ToString::to_string);
        return Failure::invalid(format!("there is no code `{}`", visible(written)))
            .hint(format!("codes go from T0001 to {last}: `tenantry explain` lists them; an exit code is `exit 5`"));
    }
    let names: Vec<String> = all().into_iter().map(|page| page.name).collect();
    let lower: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let near = closest(bare(word), lower.iter().map(String::as_str));
    let near = names.iter().find(|name| Some(name.to_lowercase().as_str()) == near);
    let failure = Failure::invalid(format!("there is nothing to explain about `{}`", visible(written)));
    match near {
        Some(name) => failure.hint(format!("did you mean `{name}`? `tenantry explain` lists everything")),
        None => failure.hint("`tenantry explain` lists every code, gate, hold and exit code"),
    }
}

fn page_form(page: &Page) -> PageForm<'_> {
    let Page { topic: _, name, title, parts: _ } = page;
    let examples = page.examples().collect();
    PageForm { format_version: json::FORMAT_VERSION, code: name, title, text: page.prose(), examples }
}

fn list_form(pages: &[Page]) -> ListForm<'_> {
    let codes = pages.iter().map(|page| RowForm { code: &page.name, topic: page.topic.word(), title: &page.title }).collect();
    ListForm { format_version: json::FORMAT_VERSION, codes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_up(line: &str) -> Result<String, Failure> {
        find(&line.split(' ').map(str::to_owned).collect::<Vec<_>>()).map(|page| page.name)
    }

    #[test]
    fn codes_and_names_are_found_however_they_are_written() {
        for (line, name) in [
            ("T0007", "T0007"),
            ("t7", "T0007"),
            ("7", "T0007"),
            ("0028", "T0028"),
            ("budget", "budget"),
            ("gate/Empty-Input", "empty-input"),
            ("empty input", "empty-input"),
            ("taken", "Taken"),
            ("hold/WaitingFor", "WaitingFor"),
            ("exit 5", "exit-5"),
            ("exit-0", "exit-0"),
        ] {
            assert_eq!(look_up(line).unwrap(), name, "{line}");
        }
    }

    #[test]
    fn what_is_unknown_says_what_is_near() {
        for (line, hint) in [
            ("T0099", "codes go from T0001 to T00"),
            ("99999999999999999999", "codes go from T0001"),
            ("bugdet", "did you mean `budget`?"),
            ("gate/bugdet", "did you mean `budget`?"),
            ("Takn", "did you mean `Taken`?"),
            ("exit 9", "did you mean `exit-0`?"),
            ("everything else", "lists every code"),
        ] {
            let failure = look_up(line).unwrap_err();
            assert_eq!(failure.exit, Exit::Invalid);
            assert!(failure.hint.as_deref().unwrap_or_default().contains(hint), "{line}: {:?}", failure.hint);
        }
    }
}
