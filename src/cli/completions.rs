//! `tenantry completions`: the verbs and flags, for a shell. Made from the definition that also parses them.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{args::Cli, console::Console, exit::Exit, failure::Failure};

/// Arguments of `tenantry completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry completions bash > ~/.local/share/bash-completion/completions/tenantry
  tenantry completions zsh > ~/.zfunc/_tenantry          with `~/.zfunc` in `fpath`
  tenantry completions fish > ~/.config/fish/completions/tenantry.fish")]
pub(crate) struct Args {
    /// Which shell.
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// Prints the script.
pub(crate) fn run(args: &Args, console: Console) -> Result<Exit, Failure> {
    let Args { shell } = args;
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut Cli::command(), "tenantry", &mut script);
    console.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
