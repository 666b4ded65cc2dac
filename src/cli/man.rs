//! `tenantry man`: manual pages, made from the definition that also parses the command line and prints `--help`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Command, CommandFactory};
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};

use super::{
    args::Cli,
    console::{Artefact, Console},
    exit::Exit,
    failure::Failure,
};
use crate::{desired::closest, model::visible};

/// Arguments of `tenantry man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry man | man -l -                          read the page of `tenantry`
  tenantry man plan | man -l -                     the page of one verb
  tenantry man --into /usr/local/share/man/man1    write tenantry.1, tenantry-plan.1 and the others")]
pub(crate) struct Args {
    /// The page of this verb [default: that of `tenantry` itself].
    #[arg(value_name = "VERB")]
    pub(crate) verb: Option<String>,
    /// Write every page into this folder.
    #[arg(long, value_name = "FOLDER", conflicts_with = "verb")]
    pub(crate) into: Option<PathBuf>,
    /// Write over files that are there.
    #[arg(long, requires = "into")]
    pub(crate) force: bool,
}

/// Prints one page, or writes all of them.
pub(crate) fn run(args: &Args, console: Console) -> Result<Exit, Failure> {
    let Args { verb, into, force } = args;
    let mut tenantry = Cli::command();
    tenantry.build();
    match (into, verb) {
        (Some(folder), _) => write_all(&tenantry, folder, *force)?,
        (None, Some(verb)) => console.data(&page(find(&tenantry, verb)?)?)?,
        (None, None) => console.data(&page(&tenantry)?)?,
    }
    Ok(Exit::Done)
}

fn find<'a>(tenantry: &'a Command, verb: &str) -> Result<&'a Command, Failure> {
    let (outer, inner) = verb.split_once('-').unwrap_or((verb, ""));
    let nested = || tenantry.find_subcommand(outer)?.find_subcommand(inner);
    tenantry.find_subcommand(verb).or_else(nested).ok_or_else(|| {
        let failure = Failure::invalid(format!("there is no verb `{}`", visible(verb)));
        match closest(verb, tenantry.get_subcommands().map(Command::get_name)) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint("`tenantry --help` lists them"),
        }
    })
}

/// Nothing is written where one of the files is there already.
fn write_all(tenantry: &Command, folder: &Path, force: bool) -> Result<(), Failure> {
    let mut pages = Vec::new();
    let verbs = tenantry.get_subcommands().flat_map(|verb| std::iter::once(verb).chain(verb.get_subcommands()));
    for command in std::iter::once(tenantry).chain(verbs) {
        pages.push((folder.join(Man::new(command.clone()).get_filename()), page(command)?));
    }
    if let Some((file, _)) = pages.iter().find(|(file, _)| !force && file.symlink_metadata().is_ok()) {
        let file = visible(&file.display().to_string());
        return Err(Failure::invalid(format!("`{file}` is there already, so nothing was written"))
            .hint("`--force` writes over it; another folder keeps both"));
    }
    fs::create_dir_all(folder).map_err(|error| {
        Failure::invalid(format!("cannot make the folder `{}`", visible(&folder.display().to_string()))).because(&error)
    })?;
    for (file, text) in pages {
        let file = if force { Artefact::open(&file)? } else { Artefact::new(&file)? };
        file.write(&text)?;
    }
    Ok(())
}

/// One page. Examples stand in lines, which is why the section is made here: elsewhere they would run together.
fn page(command: &Command) -> Result<String, Failure> {
    let source = format!("tenantry {}", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).source(source).manual("Tenantry");
    let mut out = Vec::new();
    let sections = || -> io::Result<Vec<u8>> {
        man.render_title(&mut out)?;
        man.render_name_section(&mut out)?;
        man.render_synopsis_section(&mut out)?;
        man.render_description_section(&mut out)?;
        man.render_options_section(&mut out)?;
        if command.has_subcommands() {
            man.render_subcommands_section(&mut out)?;
        }
        after(command).to_writer(&mut out)?;
        Ok(out)
    };
    let text = sections().map_err(|error| Failure::failed("cannot make the page").because(&error))?;
    Ok(String::from_utf8_lossy(&text).chars().map(ascii).collect())
}

/// Not every formatter reads UTF-8, and all of them know this spelling of a character.
fn ascii(c: char) -> String {
    if c.is_ascii() { c.to_string() } else { format!("\\[u{:04X}]", u32::from(c)) }
}

/// What `--help` shows last: `Examples:` and the like become sections of their own.
fn after(command: &Command) -> Roff {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut roff = Roff::new();
    for block in text.split("\n\n") {
        let Some((heading, lines)) = block.split_once(":\n") else { continue };
        roff.control("SH", [heading.to_uppercase().as_str()]);
        roff.control("nf", []);
        for line in lines.lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_names_every_flag_and_the_examples() {
        let mut tenantry = Cli::command();
        tenantry.build();
        let verbs = tenantry.get_subcommands().count();
        assert!(verbs >= 15, "{verbs}");
        for command in std::iter::once(&tenantry).chain(tenantry.get_subcommands()) {
            // What roff writes for a hyphen and for an apostrophe.
            let text = page(command).unwrap().replace("\\-", "-").replace("\\*(Aq", "'");
            // The synopsis names them too, and says nothing about them.
            let options = text.split(".SH OPTIONS\n").nth(1).unwrap().split(".SH ").next().unwrap();
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                let flag = argument.get_long().map(|long| format!("--{long}"));
                let value = argument.get_value_names().and_then(<[_]>::first).map(ToString::to_string);
                let name = flag.or(value).unwrap();
                assert!(options.contains(&name), "{} says nothing of {name}:\n{text}", command.get_name());
            }
            assert!(text.contains(".SH EXAMPLES\n.nf\n"), "{text}");
            assert!(text.is_ascii(), "{text}");
            for line in command.get_after_help().unwrap().to_string().lines().filter(|line| line.starts_with("  ")) {
                assert!(
                    text.contains(&line.trim_end().chars().map(ascii).collect::<String>()),
                    "{} has lost `{line}`",
                    command.get_name()
                );
            }
        }
    }
}
