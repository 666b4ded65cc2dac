//! `tenantry validate`: every rule that needs no directory, and all problems in one run.

use super::{
    args::{Declaration, Format, Outputs},
    console::{Artefact, Console},
    exit::Exit,
    failure::Failure,
    input,
    publish::Publisher,
    render,
    values::Output,
};
use crate::manifest::Severity;

/// Arguments of `tenantry validate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry validate                          the whole declaration of the project
  tenantry validate tenants/                 every document below a folder
  tenantry validate -o json -                a document from standard input, for an editor
  tenantry validate -o sarif=found.sarif     for code scanning; there are `github` and `junit` too")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) declaration: Declaration,
    #[command(flatten)]
    pub(crate) outputs: Outputs,
}

/// Checks and prints.
pub(crate) fn run(args: &Args, console: Console) -> Result<Exit, Failure> {
    let Args { declaration, outputs: Outputs { outputs } } = args;
    let read = match input::read(declaration, console, |_| Ok(())) {
        Ok((read, ())) => read,
        Err(failure) => {
            tell(&failure, outputs, console)?;
            return Err(failure);
        }
    };
    let problems = read.diagnostics(&crate::desired::roles(&read.desired, &read.home.project, None).problems);
    let publisher = Publisher::open(outputs, &read.sources, console)?;
    console.note(&render::diagnostics::text(&problems));
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    publisher.publish(|format| render::check(format, read.desired.documents, &problems))?;
    Ok(Exit::Invalid.when(errors > 0))
}

/// A project file that is wrong stops the check, and is a problem with a place all the same: the forms for pipelines have it.
fn tell(failure: &Failure, outputs: &[Output<Format>], console: Console) -> Result<(), Failure> {
    for Output { format, file } in outputs.iter().filter(|_| !failure.problems.is_empty()) {
        match format {
            // What ends a command is said to people, and as JSON, in one place for all commands.
            Format::Text | Format::Json | Format::Jsonl => continue,
            Format::Markdown | Format::Html | Format::Sarif | Format::Github | Format::Junit => {}
        }
        let text = render::check(*format, 0, &failure.problems);
        match file {
            Some(file) => Artefact::open(file)?.write(&text)?,
            None => console.data(&text)?,
        }
    }
    Ok(())
}
