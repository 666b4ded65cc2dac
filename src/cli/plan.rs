//! `tenantry plan`: reads the directory and prints what would change. Writes nothing.

use super::{
    args::{Declaration, Outputs, Permissions},
    console::Console,
    exit::Exit,
    failure::Failure,
    publish::Publisher,
    render,
    session::Session,
};

/// Arguments of `tenantry plan`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry plan                                  the whole declaration of the project
  tenantry plan tenants/ -o json=plan.json       text to the terminal, JSON to a file
  tenantry plan tenants/ -o html=plan.html       a page with the organisation as a tree, for a browser
  tenantry plan tenants/ -o markdown             for a comment on a pull request
  tenantry plan tenants/ --detailed-exitcode     exit code 2 if anything would change
  cat user.yaml | tenantry plan -                one document: a part, which removes nobody")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) declaration: Declaration,
    /// End with 2 if anything would change or is held, and with 5 if `apply` would be refused.
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    #[command(flatten)]
    pub(crate) permissions: Permissions,
    #[command(flatten)]
    pub(crate) outputs: Outputs,
}

/// Plans and prints.
pub(crate) async fn run(args: &Args, console: Console) -> Result<Exit, Failure> {
    let mut session = Session::open(&args.declaration, &args.permissions, console)?;
    let publisher = Publisher::open(&args.outputs.outputs, session.sources(), console)?;
    session.foresee(&args.outputs);
    let planned = session.plan().await?;
    session.tell_traffic(console);
    let problems = session.diagnostics(&planned);
    console.note(&render::diagnostics::text(&problems.shown));
    console.note(&session.notes(&planned, false));
    let view = session.view(&planned, &problems, None);
    publisher.publish(|format| render::form(format, &view))?;
    let changes = !planned.plan.decisions.is_empty() || !planned.plan.loosens.is_empty();
    let exit = Exit::Invalid.when(problems.errors > 0);
    Ok(if args.detailed_exitcode {
        exit.and(Exit::Gate.when(!planned.refused.is_empty())).and(Exit::Changes.when(changes))
    } else {
        exit
    })
}
