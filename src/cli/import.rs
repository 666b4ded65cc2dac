//! `tenantry import`: writes what the directory holds as documents. A plan right after it is empty.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::ValueEnum;

use super::{
    args::ProjectArg,
    console::{Artefact, Console},
    exit::Exit,
    failure::Failure,
    input,
    render::{
        objects::{self, imported_json, imported_yaml},
        style::{WARNING, counted, paint},
    },
};
use crate::{
    model::{Deletion, visible},
    pipeline::{self, ImportedState, LeftOut},
};

/// Arguments of `tenantry import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry import                          what is managed, to standard output
  tenantry import --into tenants/          as files: NAMESPACE/{roles,companies,customers,users}.yaml
  tenantry import --all --into tenants/    strangers too, each marked for adoption")]
pub(crate) struct Args {
    /// Strangers that can be declared too, each bound to its account by `tenantry.dev/adopt`.
    #[arg(long)]
    pub(crate) all: bool,
    /// Write NAMESPACE/{roles,companies,customers,users}.yaml below this folder.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) into: Option<PathBuf>,
    /// Write over files that are there.
    #[arg(long, requires = "into")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) project: ProjectArg,
    /// `yaml` or `json`.
    #[arg(short, long = "output", value_name = "FORMAT", value_enum, default_value = "yaml")]
    pub(crate) output: Format,
}

/// How documents are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One document after the other.
    Yaml,
    /// A List of documents.
    Json,
}

/// Reads, and writes documents.
pub(crate) async fn run(args: &Args, console: Console) -> Result<Exit, Failure> {
    let Args { all, into, force, project, output } = args;
    if into.is_some() && *output == Format::Json {
        return Err(
            Failure::invalid("`--into` writes documents to be kept, and those are YAML").hint("leave `-o json` out, or `--into`")
        );
    }
    let home = input::home(project, None, console)?;
    let directory = home.open(false)?;
    let found = pipeline::import(&*directory, &home.project.owner, *all).await?;
    let deletion = home.project.deletion;
    match (into, output) {
        (Some(folder), _) => write_files(&files(&found.states, folder, deletion), folder, *force, console)?,
        (None, Format::Yaml) => {
            console.data(&found.states.iter().map(|imported| imported_yaml(imported, deletion)).collect::<String>())?;
        }
        (None, Format::Json) => {
            console.data(&objects::list(found.states.iter().map(|imported| imported_json(imported, deletion))))?;
        }
    }
    console.note(&left_out(&found.left_out));
    Ok(Exit::Partly.when(!found.left_out.is_empty()))
}

/// What each file is to hold. A global role stands outside every namespace, so its file does too.
fn files(states: &[ImportedState], folder: &Path, deletion: Deletion) -> BTreeMap<PathBuf, String> {
    let mut files: BTreeMap<PathBuf, String> = BTreeMap::new();
    for imported in states {
        let key = &imported.state.key;
        let file = folder.join(key.namespace.as_str()).join(format!("{}.yaml", key.kind.plural()));
        files.entry(file).or_default().push_str(&imported_yaml(imported, deletion));
    }
    files
}

fn write_files(files: &BTreeMap<PathBuf, String>, into: &Path, force: bool, console: Console) -> Result<(), Failure> {
    if let Some(link) = files.keys().find_map(|file| link(file, into)) {
        return Err(Failure::invalid(format!(
            "`{}` is a symbolic link, so nothing was written",
            visible(&link.display().to_string())
        ))
        .hint("what is imported stays below the folder that was named; remove the link, or name another folder"));
    }
    if let Some(file) = files.keys().find(|file| !force && file.exists()) {
        return Err(Failure::invalid(format!("`{}` is there already, so nothing was written", file.display()))
            .hint("`--force` writes over it; another folder keeps both"));
    }
    for (file, text) in files {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)
                .map_err(|error| Failure::failed(format!("cannot make the folder `{}`", folder.display())).because(&error))?;
        }
        let artefact = if force { Artefact::open(file)? } else { Artefact::new(file)? };
        artefact.write(text)?;
        console.data(&format!("{}\n", visible(&file.display().to_string())))?;
    }
    Ok(())
}

/// The file, or the folder of its namespace, where that is a symbolic link: it may lead anywhere, even if to nothing yet.
fn link<'a>(file: &'a Path, into: &Path) -> Option<&'a Path> {
    let is_link = |path: &&Path| path.symlink_metadata().is_ok_and(|found| found.is_symlink());
    file.parent().filter(|folder| *folder != into).into_iter().chain([file]).find(is_link)
}

fn left_out(objects: &[LeftOut]) -> String {
    if objects.is_empty() {
        return String::new();
    }
    let count =
        counted(objects.len() as u64, "object cannot be declared and is left out", "objects cannot be declared and are left out");
    let lines = objects.iter().map(|LeftOut { what, reason }| format!("  {}: {}\n", visible(what), visible(reason)));
    format!("{} {count}:\n{}", paint(WARNING, "warning:"), lines.collect::<String>())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::config::Config;

    #[test]
    fn nothing_is_written_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (into, outside) = (folder.path().join("into"), folder.path().join("outside"));
        let console = Console::new(Config::from_env(), false);
        let write = |file: &str, force| write_files(&[(into.join(file), "x".to_owned())].into(), &into, force, console);
        fs::create_dir_all(into.join("a")).unwrap();
        fs::create_dir(&outside).unwrap();
        symlink(outside.join("users.yaml"), into.join("a/users.yaml")).unwrap();
        symlink(&outside, into.join("b")).unwrap();
        symlink(outside.join("later"), into.join("c")).unwrap();
        for file in ["a/users.yaml", "b/users.yaml", "c/users.yaml"] {
            for force in [false, true] {
                assert_eq!(write(file, force).unwrap_err().exit, Exit::Invalid, "{file}");
            }
        }
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        // The folder that was named may be reached by a link.
        let linked = folder.path().join("linked");
        symlink(&outside, &linked).unwrap();
        write_files(&[(linked.join("roles.yaml"), "x".to_owned())].into(), &linked, false, console).unwrap();
        assert!(outside.join("roles.yaml").exists());
    }
}
