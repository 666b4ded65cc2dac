//! Which project file, which files, and whether they are the whole declaration or a part of it.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use super::failure::Failure;
use crate::manifest::Extent;

/// The name of a project file.
pub(crate) const PROJECT: &str = "tenantry.yaml";
/// The name that people write for it.
const MISNAMED: &str = "tenantry.yml";
/// The PATH that means standard input.
pub(crate) const STDIN: &str = "-";

/// What is to be read, and how much of the owner's declaration that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Files, folders and `-`, as they were given.
    pub(crate) paths: Vec<PathBuf>,
    /// Whole or part.
    pub(crate) extent: Extent,
}

/// The project file: the one that was named, else the nearest one upward from the first PATH (a folder starts in itself),
/// else from the working directory.
pub(crate) fn project_file(named: Option<&Path>, first: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    if let Some(named) = named {
        let file = if named.is_dir() { named.join(PROJECT) } else { named.to_owned() };
        return if file.is_file() { Ok(Some(file)) } else { Err(missing(&file).hint("`--project` names a project file")) };
    }
    let here = working_directory()?;
    let found = start(first)?.ancestors().map(|folder| folder.join(PROJECT)).find(|file| file.is_file());
    Ok(found.map(|file| PathBuf::from(relative(&file, &here))))
}

/// A file of the name that other tools allow, where ours is looked for and before it is found: nobody reads it.
pub(crate) fn misnamed(first: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    for folder in start(first)?.ancestors() {
        let other = folder.join(MISNAMED);
        if other.is_file() {
            return Ok(Some(PathBuf::from(relative(&other, &working_directory()?))));
        }
        if folder.join(PROJECT).is_file() {
            break;
        }
    }
    Ok(None)
}

/// The folder from which a project file is looked for upward.
fn start(first: Option<&Path>) -> Result<PathBuf, Failure> {
    match first {
        Some(path) if path != Path::new(STDIN) => {
            let path = existing(path)?;
            Ok(if path.is_dir() { path } else { path.parent().map(Path::to_owned).unwrap_or_default() })
        }
        Some(_) | None => working_directory(),
    }
}

/// What the PATHs, or in their absence the `paths` of the project, say.
///
/// | PATHs | with `paths` in the project | without |
/// |---|---|---|
/// | none | the whole: `paths` | the whole: the project file's folder |
/// | folders only | the whole if they hold all of `paths`, else a part | the whole |
/// | a file or `-` among them | the whole if it is one of `paths` and the others are there too, else a part | a part |
pub(crate) fn choose(given: &[PathBuf], project_paths: &[String], base: &Path) -> Result<Chosen, Failure> {
    let declared: Vec<PathBuf> = project_paths.iter().map(|path| base.join(path)).collect();
    let paths = named(given, project_paths, base);
    let stdin = paths.iter().any(|path| path == Path::new(STDIN));
    if paths.iter().filter(|path| *path == Path::new(STDIN)).count() > 1 {
        return Err(Failure::invalid("`-` stands twice: standard input can be read once only"));
    }
    let real = paths.iter().filter(|path| *path != Path::new(STDIN)).map(|path| existing(path)).collect::<Result<Vec<_>, _>>()?;
    let whole = if declared.is_empty() {
        !stdin && real.iter().all(|path| path.is_dir())
    } else {
        let declared = declared.iter().map(|path| existing(path)).collect::<Result<Vec<_>, _>>()?;
        !stdin && declared.iter().all(|path| real.iter().any(|given| path.starts_with(given)))
    };
    let extent = if whole { Extent::Whole { root: root(&paths, &real, base)? } } else { Extent::Part };
    Ok(Chosen { paths, extent })
}

/// The paths that are meant, whether or not they are there.
pub(crate) fn named(given: &[PathBuf], project_paths: &[String], base: &Path) -> Vec<PathBuf> {
    match (given, project_paths) {
        ([], []) => vec![base.to_owned()],
        ([], declared) => declared.iter().map(|path| base.join(path)).collect(),
        (given, _) => given.to_vec(),
    }
}

/// A path as people read it and as a directory remembers it: relative to `base`, with `/`.
pub(crate) fn relative(path: &Path, base: &Path) -> String {
    let (path, base): (Vec<_>, Vec<_>) = (path.components().collect(), base.components().collect());
    let common = path.iter().zip(&base).take_while(|(a, b)| a == b).count();
    let up = base[common..].iter().map(|_| "..".to_owned());
    let down = path[common..].iter().map(|part| part.as_os_str().to_string_lossy().into_owned());
    let steps: Vec<String> = up.chain(down).collect();
    if steps.is_empty() { ".".into() } else { steps.join("/") }
}

/// Several folders are one root, whatever their order; a folder inside another adds nothing. `real` are the paths without links.
fn root(paths: &[PathBuf], real: &[PathBuf], base: &Path) -> Result<String, Failure> {
    let real_base = existing(base)?;
    let mut parts = Vec::new();
    for (path, whole) in paths.iter().zip(real) {
        if !real.iter().any(|other| other != whole && whole.starts_with(other)) {
            parts.push(below(path, base).unwrap_or_else(|| relative(whole, &real_base)));
        }
    }
    parts.sort_unstable();
    parts.dedup();
    Ok(parts.join(", "))
}

/// The path below the base as it is called there. A link keeps its name whatever it leads to: tools that check out one revision
/// beside the other swap it, and that is no other declaration.
fn below(path: &Path, base: &Path) -> Option<String> {
    let (path, base) = (std::path::absolute(path).ok()?, std::path::absolute(base).ok()?);
    let plain = path.components().chain(base.components()).all(|part| part != Component::ParentDir);
    (plain && path.starts_with(&base)).then(|| relative(&path, &base))
}

/// The path without links, `.` and `..`, or the failure that says it is not there.
pub(crate) fn existing(path: &Path) -> Result<PathBuf, Failure> {
    let path_or_here = if path.components().next().is_none() { Path::new(".") } else { path };
    fs::canonicalize(path_or_here).map_err(|error| missing(path).because(&error))
}

/// Where we are.
pub(crate) fn working_directory() -> Result<PathBuf, Failure> {
    fs::canonicalize(".").map_err(|error| Failure::failed("the working directory is not there").because(&error))
}

/// The folder of a file, written so that files below it read `./x` as `x`.
pub(crate) fn folder(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if parent.components().any(|part| part != Component::CurDir) => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

fn missing(path: &Path) -> Failure {
    Failure::invalid(format!("`{}` cannot be found", crate::model::visible(&path.display().to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;

    /// A folder with `tenantry.yaml`, `tenants/{a.yaml,deep/b.yaml}` and `other/`.
    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in [PROJECT, "tenants/a.yaml", "tenants/deep/b.yaml", "other/c.yaml"] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn extent(given: &[&str], project_paths: &[&str]) -> String {
        let tree = tree();
        let given: Vec<_> = given.iter().map(|path| if *path == "-" { "-".into() } else { tree.path().join(path) }).collect();
        let project_paths: Vec<_> = project_paths.iter().map(|path| (*path).to_owned()).collect();
        match choose(&given, &project_paths, tree.path()).unwrap().extent {
            Extent::Whole { root } => root,
            Extent::Part | Extent::Objects => "part".into(),
        }
    }

    #[test]
    fn a_folder_is_the_whole_and_a_file_a_part() {
        assert_eq!(extent(&[], &[]), ".");
        assert_eq!(extent(&["."], &[]), ".");
        assert_eq!(extent(&["tenants"], &[]), "tenants");
        assert_eq!(extent(&["tenants", "other"], &[]), "other, tenants");
        assert_eq!(extent(&["other", "tenants", "tenants/deep"], &[]), "other, tenants");
        assert_eq!(extent(&["tenants/a.yaml"], &[]), "part");
        assert_eq!(extent(&["tenants", "other/c.yaml"], &[]), "part");
        assert_eq!(extent(&["-"], &[]), "part");
        assert_eq!(extent(&["tenants", "-"], &[]), "part");
    }

    #[test]
    fn the_paths_of_the_project_are_the_whole_and_less_is_a_part() {
        assert_eq!(extent(&[], &["tenants"]), "tenants");
        assert_eq!(extent(&["tenants"], &["tenants"]), "tenants");
        assert_eq!(extent(&["tenants/deep"], &["tenants"]), "part");
        assert_eq!(extent(&["tenants"], &["tenants", "other"]), "part");
        assert_eq!(extent(&["other", "tenants"], &["tenants", "other"]), "other, tenants");
        assert_eq!(extent(&[], &["tenants", "other"]), "other, tenants");
        // More than the whole is another whole: its root says so.
        assert_eq!(extent(&["."], &["tenants"]), ".");
        assert_eq!(extent(&["tenants/a.yaml"], &["tenants/a.yaml"]), "tenants/a.yaml");
    }

    #[test]
    fn what_does_not_exist_is_invalid() {
        let tree = tree();
        let missing = [tree.path().join("nowhere")];
        assert_eq!(choose(&missing, &[], tree.path()).unwrap_err().exit, Exit::Invalid);
        assert_eq!(choose(&[], &["nowhere".into()], tree.path()).unwrap_err().exit, Exit::Invalid);
        assert_eq!(project_file(None, Some(&missing[0])).unwrap_err().exit, Exit::Invalid);
        assert_eq!(project_file(Some(&missing[0]), None).unwrap_err().exit, Exit::Invalid);
    }

    #[test]
    fn the_project_is_looked_for_upward() {
        let tree = tree();
        let expected = fs::canonicalize(tree.path()).unwrap().join(PROJECT);
        for first in ["tenants/deep/b.yaml", "tenants/deep", "."] {
            let found = project_file(None, Some(&tree.path().join(first))).unwrap().unwrap();
            assert_eq!(fs::canonicalize(found).unwrap(), expected, "{first}");
        }
        assert!(project_file(Some(tree.path()), None).unwrap().is_some(), "a folder stands for the file in it");
    }

    #[test]
    fn paths_relative_to_the_project() {
        let of = |path: &str, base: &str| relative(Path::new(path), Path::new(base));
        assert_eq!(of("/a/b/c", "/a/b"), "c");
        assert_eq!(of("/a/b", "/a/b"), ".");
        assert_eq!(of("/a/x/y", "/a/b"), "../x/y");
    }
}
