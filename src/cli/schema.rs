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
