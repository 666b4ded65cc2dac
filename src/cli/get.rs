//! `tenantry get`: what the directory holds. Reads only.

use clap::ValueEnum;
use jiff::Timestamp;

use super::{
    args::ProjectArg,
    console::{Artefact, Console},
    exit::Exit,
    failure::Failure,
    input,
    render::objects::{self, Item},
    values::{Output, output},
};
use crate::{
    model::Kind,
    observed::Scope,
    pipeline::{self, LeftOut},
};

/// Arguments of `tenantry get`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry get users
  tenantry get users mara-lindqvist -o yaml
  tenantry get --unmanaged                     what nobody declared, and whether it could be")]
pub(crate) struct Args {
    /// `roles`, `companies`, `customers` or `users` [default: all].
    #[arg(value_name = "KIND", value_parser = kind)]
    pub(crate) kind: Option<Kind>,
    /// Only what bears this name, in any namespace.
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// What the directory holds and nobody manages.
    #[arg(long)]
    pub(crate) unmanaged: bool,
    #[command(flatten)]
    pub(crate) project: ProjectArg,
    /// `text`, `yaml` or `json`, to a file with `=FILE`.
    #[arg(short, long = "output", value_name = "FORMAT[=FILE]", value_parser = output::<Format>, default_value = "text")]
    pub(crate) output: Output<Format>,
}

/// How objects are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table.
    Text,
    /// Documents.
    Yaml,
    /// A List of documents.
    Json,
}

fn kind(text: &str) -> Result<Kind, String> {
    Kind::parse(text).ok_or_else(|| format!("`{text}` is none of roles, companies, customers, users"))
}

/// Reads and prints.
pub(crate) async fn run(args: &Args, console: Console) -> Result<Exit, Failure> {
    let Args { kind, name, unmanaged, project, output: Output { format, file } } = args;
    let home = input::home(project, None, console)?;
    let directory = home.open(false)?;
    let file = file.as_deref().map(Artefact::open).transpose()?;
    let owner = &home.project.owner;
    let now = Timestamp::now();
    let (mut items, mut left_out) = (Vec::new(), Vec::new());
    if *unmanaged {
        let found = pipeline::import(&*directory, owner, true).await?;
        items.extend(found.states.iter().filter_map(Item::unmanaged));
        left_out = found.left_out;
    } else {
        let observed = directory.observe(owner, &Scope::All, home.project.budget.window).await?;
        items.extend(observed.ours.into_iter().map(|live| Item::managed(live, now)));
    }
    items.retain(|item| kind.is_none_or(|kind| item.state.key.kind == kind));
    items.retain(|item| name.as_ref().is_none_or(|name| item.state.key.name.as_str() == name));
    left_out.retain(|_: &LeftOut| kind.is_none() && name.is_none());
    if let (Some(name), true) = (name, items.is_empty()) {
        return Err(Failure::failed(format!("the directory holds nothing with the name `{name}`"))
            .hint("`tenantry get` lists what it holds"));
    }
    let deletion = home.project.deletion;
    let text = match format {
        Format::Text => objects::table(&items, &left_out, owner),
        Format::Yaml => objects::yaml(&items, deletion),
        Format::Json => objects::json(&items, deletion),
    };
    match file {
        Some(file) => file.write(&text)?,
        None => console.data(&text)?,
    }
    Ok(Exit::Done)
}
