//! `tenantry graph`: companies, customers and how many users are in them, as a picture. Reads only.

use std::time::Duration;

use clap::ValueEnum;

use super::{
    args::Declaration,
    console::{Artefact, Console},
    exit::Exit,
    failure::Failure,
    input,
    render::{
        diagnostics,
        graph::Picture,
        style::{HINT, count, paint},
    },
    values::{Output, output},
};
use crate::{
    manifest::Severity,
    model::{Namespace, visible},
    observed::Scope,
    organisation::Organisation,
};

/// Boxes that can still be found in a picture. Mermaid draws no more than 500 lines between them, unless it is told to.
const READABLE: usize = 500;

/// Arguments of `tenantry graph`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry graph tenants/                          Mermaid, as GitHub and GitLab draw it in a ```mermaid block
  tenantry graph -o svg=organisation.svg           a picture of what the project declares
  tenantry graph --directory -o dot | dot -Tpdf    what the directory holds, drawn by Graphviz
  tenantry graph --namespace nordlicht --depth 2   a part of a large organisation")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) declaration: Declaration,
    /// Draw what the directory holds, instead of what is declared.
    #[arg(long, conflicts_with = "paths")]
    pub(crate) directory: bool,
    /// Draw this namespace only.
    #[arg(long, value_name = "NAME", value_parser = |text: &str| Namespace::new(text))]
    pub(crate) namespace: Option<Namespace>,
    /// Draw so many levels; what is below is counted in the lowest of them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) depth: Option<u32>,
    /// `mermaid`, `dot` or `svg`, to a file with `=FILE`.
    #[arg(short, long = "output", value_name = "FORMAT[=FILE]", value_parser = output::<Format>, default_value = "mermaid")]
    pub(crate) output: Output<Format>,
}

/// How a picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For Markdown.
    Mermaid,
    /// For Graphviz.
    Dot,
    /// A picture that needs no other program.
    Svg,
}

/// Reads and draws. Documents that are broken are said, and the rest is drawn all the same.
pub(crate) async fn run(args: &Args, console: Console) -> Result<Exit, Failure> {
    let Args { declaration, directory, namespace, depth, output: Output { format, file } } = args;
    let (organisation, errors) =
        if *directory { (held(declaration, console).await?, false) } else { declared(declaration, console)? };
    let organisation = match namespace {
        Some(namespace) => only(organisation, namespace)?,
        None => organisation,
    };
    let file = file.as_deref().map(Artefact::open).transpose()?;
    let picture = Picture::of(&organisation, depth.map(|depth| depth as usize));
    if picture.boxes() > READABLE {
        let (note, boxes) = (paint(HINT, "note:"), count(picture.boxes() as u64));
        console.note(&format!("{note} the picture has {boxes} boxes: `--namespace NAME` or `--depth N` draws fewer\n"));
    }
    let text = match format {
        Format::Mermaid => picture.mermaid(),
        Format::Dot => picture.dot(),
        Format::Svg => picture.svg(),
    };
    match file {
        Some(file) => file.write(&text)?,
        None => console.data(&text)?,
    }
    Ok(Exit::Invalid.when(errors))
}

async fn held(declaration: &Declaration, console: Console) -> Result<Organisation, Failure> {
    let directory = input::home(&declaration.project, None, console)?;
    let observed = directory.open(false)?.observe(&directory.project.owner, &Scope::All, Duration::ZERO).await?;
    Ok(Organisation::held(&observed))
}

fn declared(declaration: &Declaration, console: Console) -> Result<(Organisation, bool), Failure> {
    let (read, ()) = input::read(declaration, console, |_| Ok(()))?;
    let problems = read.diagnostics(&crate::desired::roles(&read.desired, &read.home.project, None).problems);
    console.note(&diagnostics::text(&problems));
    let errors = problems.iter().any(|problem| problem.severity == Severity::Error);
    Ok((Organisation::declared(&read.desired), errors))
}

/// One namespace of it. A name that is mistyped must not look like one in which nobody is.
fn only(mut organisation: Organisation, namespace: &Namespace) -> Result<Organisation, Failure> {
    let known: Vec<_> = organisation.namespaces.iter().map(|it| it.namespace.as_str()).filter(|it| !it.is_empty()).collect();
    if !known.contains(&namespace.as_str()) {
        let failure = Failure::invalid(format!("nothing is in the namespace `{namespace}`"));
        return Err(match crate::desired::closest(namespace.as_str(), known.iter().copied()) {
            Some(close) => failure.hint(format!("did you mean `{}`?", visible(close))),
            None => failure,
        });
    }
    organisation.namespaces.retain(|it| it.namespace == *namespace);
    Ok(organisation)
}
