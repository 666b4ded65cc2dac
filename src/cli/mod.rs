//! Words, exit codes and files: the front end for people and pipelines. One short file per verb.
//!
//! Architecture Invariant: only this module prints, and only `console` of it.

mod apply;
mod approved;
mod args;
mod completions;
mod console;
mod controller;
mod crds;
mod drift;
mod exit;
mod explain;
mod failure;
mod get;
mod graph;
mod history;
mod import;
mod input;
mod interrupt;
mod issuer;
mod man;
mod people;
mod place;
mod plan;
mod publish;
mod render;
mod schema;
mod serve;
mod session;
mod signing;
mod summary;
mod validate;
mod values;
mod verify_password;
mod watch;
mod why;

use std::{
    ffi::OsString,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

use clap::{Parser, error::ErrorKind};

use self::{
    args::{Cli, Command},
    console::Console,
    exit::Exit,
    failure::Failure,
    interrupt::Interrupt,
    render::json::{ErrorForm, print},
};
use crate::{config::Config, telemetry};

/// Runs one command line and says how it ended.
pub fn main(line: impl IntoIterator<Item = OsString>) -> ExitCode {
    let line: Vec<OsString> = line.into_iter().collect();
    let exit = catch_unwind(AssertUnwindSafe(|| parse_and_run(&line))).unwrap_or(Exit::Failed);
    ExitCode::from(exit.code())
}

fn parse_and_run(line: &[OsString]) -> Exit {
    let config = Config::from_env();
    report_panics(Console::new(config, false));
    match Cli::try_parse_from(line) {
        Ok(cli) => {
            let console = Console::new(config, cli.verbose);
            run(&cli.command, console).unwrap_or_else(|failure| fail(&failure, asked(line), console))
        }
        Err(error) => wrong_command_line(&error, line, Console::new(config, false)),
    }
}

/// A panic is a defect of ours: say so, and how to tell us. The message stands behind it for the report.
fn report_panics(console: Console) {
    std::panic::set_hook(Box::new(move |panic| {
        let failure = Failure::failed(format!("Tenantry has a defect and stopped: {panic}"))
            .hint("what was written before this is whole; `tenantry plan` shows what remains");
        console.note(&render::error::text(&failure));
    }));
}

fn run(command: &Command, console: Console) -> Result<Exit, Failure> {
    log(command, console)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed("cannot start").because(&error))?;
    runtime.block_on(async {
        let interrupt = Interrupt::listen(console);
        match command {
            Command::Validate(args) => {
                publish::check(&args.outputs.outputs)?;
                validate::run(args, console)
            }
            Command::Plan(args) => {
                publish::check(&args.outputs.outputs)?;
                plan::run(args, console).await
            }
            Command::Apply(args) => {
                publish::check(&args.outputs.outputs)?;
                apply::run(args, console, &interrupt).await
            }
            Command::Reset(args) => {
                publish::check(&args.outputs().outputs)?;
                people::reset(args, console, &interrupt).await
            }
            Command::Lock(args) => {
                publish::check(&args.outputs().outputs)?;
                people::lock(args, console, &interrupt).await
            }
            Command::Unlock(args) => {
                publish::check(&args.outputs().outputs)?;
                people::unlock(args, console, &interrupt).await
            }
            Command::Watch(args) => watch::run(args, console, &interrupt).await,
            Command::Import(args) => import::run(args, console).await,
            Command::Get(args) => get::run(args, console).await,
            Command::Graph(args) => graph::run(args, console).await,
            Command::Why(args) => why::run(args, console).await,
            Command::History(args) => history::run(args, console).await,
            Command::Drift(args) => drift::run(args, console).await,
            Command::Controller(args) => controller::run(args, &interrupt).await,
            Command::Serve(args) => serve::run(args, console, &interrupt).await,
            Command::VerifyPassword(args) => verify_password::run(args, console).await,
            Command::Crds(args) => crds::run(args, console),
            Command::Schema(args) => schema::run(args, console),
            Command::Explain(args) => explain::run(args, console),
            Command::Completions(args) => completions::run(args, console),
            Command::Man(args) => man::run(args, console),
        }
    })
}

/// A server says what it does; a command that ends says it by itself.
fn log(command: &Command, console: Console) -> Result<(), Failure> {
    let filter = Config::log();
    let text = telemetry::Form::Text { colour: console.colours_notes() };
    let (default, form) = if let Command::Controller(args) = command {
        ("info", args.log(text))
    } else {
        (if matches!(command, Command::Serve(_)) { "info" } else { "off" }, text)
    };
    telemetry::start(filter.as_deref().unwrap_or(default), form).map_err(|error| {
        Failure::invalid("`TENANTRY_LOG` cannot be understood").because(&error).hint("for example `tenantry=debug`")
    })
}

/// A failure, as JSON on standard output where JSON is asked for there, and for people in any case.
fn fail(failure: &Failure, asked: Option<Asked>, console: Console) -> Exit {
    console.note(&render::diagnostics::text(&failure.problems));
    console.note(&render::error::text(failure));
    asked.map_or(failure.exit, |asked| fail_quietly(failure, asked, console))
}

/// Clap ends with 2, which means "changes exist" here: a wrong command line is 3.
fn wrong_command_line(error: &clap::Error, line: &[OsString], console: Console) -> Exit {
    let text = error.render().ansi().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match console.data(&text) {
            Ok(()) => Exit::Done,
            Err(failure) => failure.exit,
        },
        _ => {
            console.note(&text);
            if let Some(asked) = asked(line) {
                let message = error.render().to_string();
                let message = message.lines().next().unwrap_or_default().trim_start_matches("error: ");
                return fail_quietly(&Failure::invalid(message).hint("`--help` shows what can be said"), asked, console);
            }
            Exit::Invalid
        }
    }
}

fn fail_quietly(failure: &Failure, asked: Asked, console: Console) -> Exit {
    let text = match asked {
        Asked::Json => print(&ErrorForm::new(failure)),
        Asked::Lines => render::jsonl::error(failure),
    };
    match console.data(&text) {
        Ok(()) => failure.exit,
        Err(other) => failure.exit.and(other.exit),
    }
}

/// A form for programs, in which errors are told too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Json,
    Lines,
}

/// Whether such a form is asked for on standard output. Read from the words themselves, since the line may be a wrong one.
fn asked(line: &[OsString]) -> Option<Asked> {
    let words: Vec<_> = line.iter().map(|word| word.to_string_lossy()).take_while(|word| word != "--").collect();
    let attached = words.iter().filter_map(|word| word.strip_prefix("--output=").or(word.strip_prefix("-o")));
    let apart = words.windows(2).filter(|pair| matches!(&*pair[0], "-o" | "--output")).map(|pair| &*pair[1]);
    attached.map(|value| value.trim_start_matches('=')).chain(apart).find_map(|value| match value {
        "json" => Some(Asked::Json),
        "jsonl" => Some(Asked::Lines),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_recognised_in_a_wrong_line_too() {
        let asked = |line: &str| asked(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        for line in ["tenantry plan -o json", "tenantry plan -ojson --nonsense", "tenantry plan --output=json"] {
            assert_eq!(asked(line), Some(Asked::Json), "{line}");
        }
        for line in ["tenantry plan -o jsonl", "tenantry plan -o=jsonl --nonsense", "tenantry plan -o html=a --output jsonl"] {
            assert_eq!(asked(line), Some(Asked::Lines), "{line}");
        }
        for line in ["tenantry plan", "tenantry plan -o json=plan.json", "tenantry plan -- -o json", "tenantry plan -o jsonl=a"] {
            assert_eq!(asked(line), None, "{line}");
        }
    }
}
