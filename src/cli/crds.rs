//! `tenantry crds`: what a cluster needs to know our kinds.

use super::{console::Console, exit::Exit, failure::Failure};

/// Arguments of `tenantry crds`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry crds | kubectl apply --server-side -f -
  tenantry crds > crds.yaml")]
pub(crate) struct Args {}

/// Prints all of them, one YAML document each.
pub(crate) fn run(args: &Args, console: Console) -> Result<Exit, Failure> {
    let Args {} = args;
    let documents = crate::manifest::crds().into_iter().map(|(_, text)| format!("---\n{text}"));
    console.data(&documents.collect::<String>())?;
    Ok(Exit::Done)
}
