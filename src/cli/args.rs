//! The command line: what every verb shares. Each verb has its own arguments beside it.

use std::{collections::BTreeSet, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::{
    apply, completions, controller, crds, drift, explain, get, graph, history, import, man, people, plan, schema, serve, validate,
    values::{Output, PurgeArg, last_holder, output},
    verify_password, watch, why,
};
use crate::{
    model::{Key, Username},
    plan::{Allow, LastHolder, Purge},
};

/// Tenants as code: companies, customers, users and roles declared as YAML, planned and applied to a directory.
#[derive(Debug, Parser)]
#[command(name = "tenantry", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "Examples:
  tenantry validate tenants/            look for mistakes, offline
  tenantry plan tenants/                show what would change
  tenantry apply tenants/               show it, ask, and do it

Exit codes:
  0 done              3 invalid input               6 partly applied
  1 failed            4 refused by the directory    7 locked by another run
  2 changes exist     5 a safety gate refused       8 interrupted")]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Say how long each step takes, on standard error.
    #[arg(short, long, global = true, display_order = 998)]
    pub(crate) verbose: bool,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check documents offline and print every problem.
    Validate(validate::Args),
    /// Read the directory and print what would change.
    Plan(plan::Args),
    /// Plan, ask, carry out, report.
    Apply(apply::Args),
    /// Keep a declaration applied: on every change of a file, and from time to time.
    Watch(watch::Args),
    /// Write what the directory holds as documents.
    Import(import::Args),
    /// Give users a new credential, now and without a commit.
    Reset(people::ResetArgs),
    /// Shut users off against the declaration, until `unlock`.
    Lock(people::LockArgs),
    /// Let the declaration count again.
    Unlock(people::UnlockArgs),
    /// Show what the directory holds.
    Get(get::Args),
    /// Draw companies, customers and how many users are in them.
    Graph(graph::Args),
    /// Show what changed in the directory since it was last applied.
    Drift(drift::Args),
    /// Tell everything about one thing: where it comes from, and what happens next.
    Why(why::Args),
    /// Show what was done, when, by whom and by which commit.
    History(history::Args),
    /// Bring the objects of a Kubernetes cluster into its directories, until stopped.
    Controller(controller::Args),
    /// Serve the pages on which people set and change their passwords.
    Serve(serve::Args),
    /// Check a username and a password against the embedded directory.
    VerifyPassword(verify_password::Args),
    /// Print the custom resource definitions for a Kubernetes cluster.
    Crds(crds::Args),
    /// Print a JSON Schema: of the plan's JSON, or of a document for editors.
    Schema(schema::Args),
    /// Explain a code, a gate, a hold or an exit code at length.
    Explain(explain::Args),
    /// Print a completion script for a shell.
    Completions(completions::Args),
    /// Print a manual page, or write all of them.
    Man(man::Args),
}

/// Where the project file is.
#[derive(Debug, Args)]
pub(crate) struct ProjectArg {
    /// The project file [default: `tenantry.yaml`, looked for upward].
    #[arg(long, value_name = "FILE")]
    pub(crate) project: Option<PathBuf>,
}

/// What is declared.
#[derive(Debug, Args)]
pub(crate) struct Declaration {
    /// A folder is the whole declaration; a file, or `-` for standard input, is a part of it and removes nobody
    /// [default: `paths` of the project file].
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) project: ProjectArg,
}

/// How a plan or its application is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For scripts, one value.
    Json,
    /// For scripts, one value on each line.
    Jsonl,
    /// For a comment on a pull request.
    Markdown,
    /// A page with the organisation as a tree, for a browser.
    Html,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Workflow commands, for notes beside the lines of a pull request on GitHub.
    Github,
    /// `JUnit` XML, for pipelines that show tests.
    Junit,
}

/// `-o` of the verbs that check, plan and apply.
#[derive(Debug, Args)]
pub(crate) struct Outputs {
    /// `text`, `json`, `jsonl`, `markdown`, `html`, `sarif`, `github` or `junit`, to a file with `=FILE`; repeatable. Text goes to standard output unless
    /// something else does.
    #[arg(short, long = "output", value_name = "FORMAT[=FILE]", value_parser = output::<Format>)]
    pub(crate) outputs: Vec<Output<Format>>,
}

impl Outputs {
    /// Whether a form is asked for, wherever it goes.
    pub(crate) fn want(&self, wanted: Format) -> bool {
        self.outputs.iter().any(|output| output.format == wanted)
    }
}

/// What a plan may do beyond its limits, and what it takes over or deletes.
#[derive(Debug, Default, Args)]
pub(crate) struct Permissions {
    /// Who acts: a user whom the directory holds, with the rights of the role they hold there [default: `actor` of the
    /// project file, else the operator, whose rights nobody checks].
    #[arg(long, value_name = "USERNAME", value_parser = |text: &str| Username::new(text))]
    pub(crate) actor: Option<Username>,
    /// Allow up to N losses (disabled, deleted, released, a privileged role taken away), whatever the budget says.
    #[arg(long, value_name = "N")]
    pub(crate) allow_removals: Option<u64>,
    /// Allow up to N creates.
    #[arg(long, value_name = "N")]
    pub(crate) allow_creates: Option<u64>,
    /// Allow up to N mails.
    #[arg(long, value_name = "N")]
    pub(crate) allow_mails: Option<u64>,
    /// Allow a whole declaration without a single document.
    #[arg(long)]
    pub(crate) allow_empty: bool,
    /// This folder is meant to be the whole declaration, though it was another one last time.
    #[arg(long)]
    pub(crate) whole: bool,
    /// Begin a new ledger, although the directory holds what Tenantry has marked: the old one is lost.
    #[arg(long)]
    pub(crate) new_ledger: bool,
    /// Allow that nobody in the namespace holds this privileged role afterwards; repeatable.
    #[arg(long, value_name = "NAMESPACE/ROLE", value_parser = last_holder)]
    pub(crate) allow_last_holder: Vec<LastHolder>,
    /// Take over the object that bears the declared name and is not managed yet; repeatable.
    #[arg(long, value_name = "KEY")]
    pub(crate) adopt: Vec<Key>,
    /// Delete retired accounts: all whose retention is over, or KEY at once; repeatable.
    #[arg(long, value_name = "KEY", num_args = 0..=1, default_missing_value = "")]
    pub(crate) purge: Vec<PurgeArg>,
}

impl Permissions {
    /// What the gates may let through.
    pub(crate) fn allow(&self) -> Allow {
        Allow {
            removals: self.allow_removals,
            creates: self.allow_creates,
            mails: self.allow_mails,
            empty: self.allow_empty,
            whole: self.whole,
            last_holders: self.allow_last_holder.iter().cloned().collect(),
        }
    }

    /// What is taken over.
    pub(crate) fn adopt(&self) -> BTreeSet<Key> {
        self.adopt.iter().cloned().collect()
    }

    /// What is deleted for good.
    pub(crate) fn purge(&self) -> Purge {
        let mut purge = Purge::default();
        for wanted in &self.purge {
            match wanted {
                PurgeArg::Due => purge.due = true,
                PurgeArg::Key(key) => drop(purge.keys.insert(key.clone())),
            }
        }
        purge
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn permissions(line: &str) -> Permissions {
        match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Command::Plan(plan::Args { permissions, .. }) => permissions,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound_and_every_verb_has_an_example() {
        let mut command = Cli::command();
        command.clone().debug_assert();
        for verb in command.get_subcommands_mut() {
            let help = verb.render_long_help().to_string();
            assert!(help.contains("Examples:") && help.contains(&format!("tenantry {}", verb.get_name())), "{help}");
        }
    }

    #[test]
    fn purge_stands_with_and_without_a_key() {
        let purge = permissions("tenantry plan tenants --purge --purge user/a/b --purge=user/a/c").purge();
        assert!(purge.due);
        assert_eq!(purge.keys.len(), 2);
        assert_eq!(permissions("tenantry plan tenants").purge(), Purge::default());
    }
}
