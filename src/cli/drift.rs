//! `tenantry drift`: what changed in the directory since it was last applied, and what the next apply makes of it. Reads only.

use clap::ValueEnum;

use super::{
    args::{Declaration, Permissions},
    console::{Artefact, Console},
    exit::Exit,
    failure::Failure,
    render::drift as render,
    session::Session,
    values::{Output, output},
};
use crate::{
    directory::{DirectoryError, ErrorKind},
    history::{self, Found, What},
    model::{Field, FieldValue},
};

/// Arguments of `tenantry drift`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry drift                               the directory of the project
  tenantry drift tenants/ --detailed-exitcode  in a pipeline at night: 2 if somebody changed something
  tenantry drift -o json=drift.json")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) declaration: Declaration,
    /// End with 2 if anything has changed.
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    #[command(flatten)]
    pub(crate) permissions: Permissions,
    /// `text` or `json`, to a file with `=FILE`.
    #[arg(short, long = "output", value_name = "FORMAT[=FILE]", value_parser = output::<Format>, default_value = "text")]
    pub(crate) output: Output<Format>,
}

/// How drift is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For scripts, one value.
    Json,
}

/// Reads, compares and prints.
pub(crate) async fn run(args: &Args, console: Console) -> Result<Exit, Failure> {
    let Args { declaration, detailed_exitcode, permissions, output: Output { format, file } } = args;
    let mut session = Session::open(declaration, permissions, console)?;
    let file = file.as_deref().map(Artefact::open).transpose()?;
    let seen = session.look().await?;
    let none = || DirectoryError::new("read the history", ErrorKind::Rejected).because("this directory keeps none");
    let past = session.history().ok_or_else(none)?.past(None).await?;
    let owner = session.project().owner.as_str();
    let mut found = history::drift(&past, &seen.observed);
    // What is gone and not wanted any more is nobody's concern.
    let wanted = |it: &Found| it.what != What::Gone || it.key.as_ref().is_some_and(|key| session.desired().get(key).is_some());
    let planned = session.plan_on(&seen);
    // What a run has seen, and the declaration says by now as well, is settled.
    let news = history::news(&past, &seen.observed);
    let open = |it: &Found| {
        let Some(key) = &it.key else { return true };
        planned.plan.decision(key).is_some() || news.iter().any(|new| new.id == it.id)
    };
    found.retain(|it: &Found| concerns(it, owner) && wanted(it) && open(it));
    let problems = session.diagnostics(&planned);
    console.note(&super::render::diagnostics::text(&problems.shown));
    let drift = render::Drift { found: &found, looked: past.looked, plan: &planned.plan };
    let text = match format {
        Format::Text => drift.text(),
        Format::Json => drift.json(),
    };
    match file {
        Some(file) => file.write(&text)?,
        None => console.data(&text)?,
    }
    let exit = Exit::Invalid.when(problems.errors > 0);
    Ok(exit.and(Exit::Changes.when(*detailed_exitcode && !found.is_empty())))
}

/// Whether something is of an owner, was, or is of nobody.
fn concerns(found: &Found, owner: &str) -> bool {
    let is = |value: &FieldValue| value.text() == Some(owner);
    let changed = found.changes.iter().filter(|change| change.field == Field::Owner).any(|it| is(&it.before) || is(&it.after));
    changed || found.owner.as_ref().is_none_or(|whose| whose == owner)
}
