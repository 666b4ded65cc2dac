//! `tenantry crds`: what a cluster needs to know our kinds.

use super::{console::Console, exit::Exit, failure::Failure};

/// Arguments of `tenantry crds`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry crds | kubectl apply --server-side -f -
  tenantry crds > crds.yaml")]
pub(crate) struct Args {}

/// Prints all of them, one YAML document each.
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit, Failure> {
    let Args {} = args;
    let documents = crate::manifest::crds().iter().map(|crd| serde_yaml::to_string(crd)).collect::<Result<Vec<_>, _>>();
    let documents = documents.map_err(|error| Failure::failed("cannot write the definitions").because(&error))?;
    console.data(&documents.iter().map(|document| format!("---\n{document}")).collect::<String>())?;
    Ok(Exit::Done)
}
