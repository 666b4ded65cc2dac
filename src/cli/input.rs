//! From PATHs to what is wanted: finds the project, reads the documents, judges them together.

use std::{
    io::{self, Read as _},
    path::PathBuf,
    sync::Arc,
    time::Instant,
};

use super::{
    args::{Declaration, ProjectArg},
    console::Console,
    exit::Exit,
    failure::Failure,
    place::{self, PROJECT, STDIN},
    render::style::{WARNING, paint},
};
use crate::{
    config::Config,
    credential::Vault,
    desired::{Desired, desired},
    directory::{Accounts, Directory},
    drivers::{self, Opening},
    manifest::{self, Diagnostic, Extent, Input, Limits, LoadedProject, Problem, Project, Sources},
    model::{Key, visible},
};

/// A project, and the folder that its paths start from.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    /// As declared, or the defaults.
    pub(crate) project: Project,
    /// The project file's folder, or the working directory.
    pub(crate) base: PathBuf,
    /// Whether there is a project file.
    declared: bool,
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Read {
    /// Whose, and within which limits.
    pub(crate) home: Home,
    /// What is wanted.
    pub(crate) desired: Desired,
    /// Where it stands.
    pub(crate) sources: Sources,
    problems: Vec<Problem>,
}

impl Home {
    /// The directory of the project. Nothing is read or written yet: what fails here is what the project file says.
    /// `new_ledger`: an empty ledger beside it is meant.
    pub(crate) fn open(&self, new_ledger: bool) -> Result<Arc<dyn Directory>, Failure> {
        let opened = drivers::open(&self.opening(&self.vault(), new_ledger));
        opened.map(|opened| opened.directory).map_err(|error| Failure { exit: Exit::Invalid, ..Failure::from(error) })
    }

    fn vault(&self) -> Vault {
        Vault::new(&self.base, Config::variable)
    }

    fn opening<'a>(&'a self, vault: &'a Vault, new_ledger: bool) -> Opening<'a> {
        Opening { directory: &self.project.directory, ledger: self.project.ledger.as_ref(), base: &self.base, vault, new_ledger }
    }

    /// Whether there is anything to read.
    pub(crate) fn declares(&self, paths: &[PathBuf]) -> Result<(), Failure> {
        if paths.is_empty() && !self.declared {
            return Err(Failure::invalid(
                "there is nothing to read: no PATH was given, and no `tenantry.yaml` found upward from here",
            )
            .hint("name the folder that holds the documents: `tenantry plan tenants/`"));
        }
        Ok(())
    }

    /// The accounts of the directory, whose people set their passwords with us. Nothing is read yet.
    pub(crate) fn accounts(&self) -> Result<Arc<dyn Accounts>, Failure> {
        let opened = drivers::open(&self.opening(&self.vault(), false));
        opened.map(|opened| opened.accounts).map_err(|error| Failure { exit: Exit::Invalid, ..Failure::from(error) })
    }
}

impl Read {
    /// No document at all: a part in which nothing is declared.
    pub(crate) fn nothing(home: Home) -> Self {
        let desired = Desired { entries: Vec::new(), extent: Extent::Part, unreadable: 0, documents: 0 };
        Self { home, desired, sources: Sources::default(), problems: Vec::new() }
    }

    /// Everything that is wrong, together with what was found later.
    pub(crate) fn diagnostics(&self, more: &[Problem]) -> Vec<Diagnostic> {
        let problems: Vec<Problem> = self.problems.iter().chain(more).cloned().collect();
        manifest::diagnose(&problems, &self.sources)
    }
}

impl Read {
    /// What is wrong with one thing.
    pub(crate) fn diagnostics_of(&self, more: &[Problem], key: &Key) -> Vec<Diagnostic> {
        let of = |problem: &&Problem| problem.key.as_ref() == Some(key);
        let problems: Vec<Problem> = self.problems.iter().chain(more).filter(of).cloned().collect();
        manifest::diagnose(&problems, &self.sources)
    }
}

impl Declaration {
    /// Whether standard input is a document, and cannot be an answer.
    pub(crate) fn reads_stdin(&self) -> bool {
        self.paths.iter().any(|path| path.as_os_str() == STDIN)
    }
}

/// The project of a command.
pub(crate) fn home(arg: &ProjectArg, first: Option<&PathBuf>, console: Console) -> Result<Home, Failure> {
    if arg.project.is_none()
        && let Some(file) = place::misnamed(first.map(PathBuf::as_path))?
    {
        let (word, file) = (paint(WARNING, "warning:"), visible(&file.display().to_string()));
        console.note(&format!("{word} `{file}` is not read: a project file has the name `{PROJECT}`\n"));
    }
    let Some(file) = place::project_file(arg.project.as_deref(), first.map(PathBuf::as_path))? else {
        return Ok(Home { project: Project::default(), base: place::working_directory()?, declared: false });
    };
    let base = place::folder(&file);
    let LoadedProject { project, sources } = manifest::load_project(&file);
    match project {
        Ok(project) => Ok(Home { project, base, declared: true }),
        Err(problems) => {
            let failure = Failure::invalid("the project file is wrong, so nothing is done");
            Err(failure.with(manifest::diagnose(&problems, &sources)))
        }
    }
}

/// Reads what is declared and judges it together. `begin` is called as soon as it is known whose declaration it is, and that
/// there is something to read: whatever it starts goes on meanwhile.
pub(crate) fn read<T>(
    declaration: &Declaration,
    console: Console,
    begin: impl FnOnce(&Home) -> Result<T, Failure>,
) -> Result<(Read, T), Failure> {
    let Declaration { paths, project } = declaration;
    let home = home(project, paths.first(), console)?;
    read_at(home, paths, console, begin)
}

/// The same for a project that is known already.
pub(crate) fn read_at<T>(
    home: Home,
    paths: &[PathBuf],
    console: Console,
    begin: impl FnOnce(&Home) -> Result<T, Failure>,
) -> Result<(Read, T), Failure> {
    let start = Instant::now();
    home.declares(paths)?;
    let chosen = place::choose(paths, &home.project.paths, &home.base)?;
    let inputs = chosen.paths.into_iter().map(input).collect::<Result<Vec<_>, _>>()?;
    let started = begin(&home)?;
    let loaded = manifest::load(&inputs, &Limits::default());
    let count = loaded.count;
    let (desired, found) = desired(loaded.documents, &home.project, chosen.extent, loaded.unreadable as u64);
    let problems = loaded.problems.into_iter().chain(found).collect();
    console.timing(|| format!("read and judged {count} documents in {:.3} s", start.elapsed().as_secs_f64()));
    Ok((Read { home, desired, sources: loaded.sources, problems }, started))
}

fn input(path: PathBuf) -> Result<Input, Failure> {
    if path.as_os_str() == STDIN {
        let mut text = String::new();
        let read = io::stdin().read_to_string(&mut text);
        read.map_err(|error| Failure::invalid("standard input cannot be read as text").because(&error))?;
        return Ok(Input::Stdin(text));
    }
    Ok(if path.is_dir() { Input::Folder(path) } else { Input::File(path) })
}
