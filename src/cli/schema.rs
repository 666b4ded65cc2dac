//! `tenantry schema`: JSON Schemas for editors and for readers of our JSON.

use clap::ValueEnum;

use super::{console::Console, exit::Exit, failure::Failure, render::json};

/// Arguments of `tenantry schema`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry schema user > user.schema.json      for an editor: `# yaml-language-server: $schema=user.schema.json`
  tenantry schema plan                         what `tenantry plan -o json` prints")]
pub(crate) struct Args {
    /// Of what.
    #[arg(value_enum)]
    pub(crate) of: Of,
}

/// What has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Of {
    /// The output of `tenantry plan -o json`.
    Plan,
    /// The project file.
    Project,
    /// A document of kind Company.
    Company,
    /// A document of kind Customer.
    Customer,
    /// A document of kind User.
    User,
    /// A document of kind Role.
    Role,
}

/// Prints one schema.
pub(crate) fn run(args: &Args, console: Console) -> Result<Exit, Failure> {
    let Args { of } = args;
    let text = match of {
        Of::Plan => json::print(&json::plan_schema()),
        Of::Project => document("project")?,
        Of::Company => document("company")?,
        Of::Customer => document("customer")?,
        Of::User => document("user")?,
        Of::Role => document("role")?,
    };
    console.data(&text)?;
    Ok(Exit::Done)
}

fn document(kind: &str) -> Result<String, Failure> {
    let file = format!("/{kind}.json");
    let found = crate::manifest::schemas().into_iter().find(|(path, _)| path.ends_with(&file));
    found.map(|(_, text)| text).ok_or_else(|| Failure::failed(format!("there is no schema of `{kind}`")))
}
