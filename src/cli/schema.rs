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
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit, Failure> {
    let Args { of } = args;
    let text = match of {
        Of::Plan => json::print(&json::plan_schema()),
        Of::Project => json::print(&crate::manifest::schema("Project")),
        Of::Company => json::print(&crate::manifest::schema("Company")),
        Of::Customer => json::print(&crate::manifest::schema("Customer")),
        Of::User => json::print(&crate::manifest::schema("User")),
        Of::Role => json::print(&crate::manifest::schema("Role")),
    };
    console.data(&text)?;
    Ok(Exit::Done)
}
