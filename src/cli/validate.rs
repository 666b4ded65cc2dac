//! `tenantry validate`: every rule that needs no directory, and all problems in one run.

use super::{
    args::{Declaration, Outputs},
    console::Console,
    exit::Exit,
    failure::Failure,
    input,
    publish::Publisher,
    render,
};
use crate::manifest::Severity;

/// Arguments of `tenantry validate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry validate                    the whole declaration of the project
  tenantry validate tenants/           every document below a folder
  tenantry validate -o json -          a document from standard input, the answer for an editor")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) declaration: Declaration,
    #[command(flatten)]
    pub(crate) outputs: Outputs,
}

/// Checks and prints.
pub(crate) fn run(args: &Args, console: Console) -> Result<Exit, Failure> {
    let (read, ()) = input::read(&args.declaration, console, |_| Ok(()))?;
    let problems = read.diagnostics(&crate::desired::roles(&read.desired, &read.home.project, None).problems);
    let publisher = Publisher::open(&args.outputs.outputs, console)?;
    console.note(&render::diagnostics::text(&problems));
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    publisher.publish(|format| render::check(format, read.desired.documents, &problems))?;
    Ok(Exit::Invalid.when(errors > 0))
}
