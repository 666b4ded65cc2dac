//! The project file: read strictly, as a whole.

use std::{path::Path, sync::LazyLock};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Limits, check,
    document::problem,
    hidden, place, split, text,
    tree::{self, Data, Node},
};
use crate::{
    manifest::{
        Code, DirectoryFields, Lowering, Origin, Place, Problem, Project, ProjectSpec, Sources, schema,
        sources::{self, From},
    },
    model::{Key, Kind, Name, Namespace, visible},
};

static SCHEMA: LazyLock<Value> = LazyLock::new(|| schema::strict("Project", &schema::of::<ProjectSpec>()));

/// Whether a document is a project as far as its shape goes.
pub(super) fn is_project(root: &Node) -> bool {
    fits::<ProjectSpec>(root, &SCHEMA)
}

/// Whether a document is a Directory as far as its shape goes.
pub(super) fn is_directory(root: &Node) -> bool {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| schema::strict("Directory", &schema::of::<DirectoryFields>()));
    fits::<DirectoryFields>(root, &SCHEMA)
}

fn fits<S: DeserializeOwned>(root: &Node, schema: &Value) -> bool {
    let mut findings = Vec::new();
    let mut value = check::check(root, schema, &mut findings);
    findings.is_empty() && serde_json::from_value::<S>(value["spec"].take()).is_ok()
}

/// A project file that was read.
#[derive(Debug, Clone)]
pub struct LoadedProject {
    /// What it says, or everything that is wrong with it.
    pub project: Result<Project, Vec<Problem>>,
    /// For [`super::diagnose`].
    pub sources: Sources,
}

/// Reads a project file: one document of `kind: Project`.
pub fn load_project(path: &Path) -> LoadedProject {
    let mut sources = Sources::default();
    let file = sources.add(visible(&path.to_string_lossy()), From::File(path.to_owned()));
    let origin = Origin { file, line: 1 };
    let project = match text(&sources, file, Limits::default().document) {
        Ok(text) => read(&text, &sources, origin),
        Err(problem) => Err(vec![*problem]),
    };
    let project = project.map_err(|mut problems| {
        for problem in &mut problems {
            problem.key = None;
            if problem.code != Code::Unreadable {
                problem.code = Code::Project;
            }
        }
        problems
    });
    LoadedProject { project, sources }
}

fn read(text: &str, sources: &sources::Sources, origin: Origin) -> Result<Project, Vec<Problem>> {
    let json = sources.files[origin.file as usize].is_json();
    let (pieces, faults) = split::split(text, json);
    let mut problems: Vec<Problem> = faults.iter().map(|fault| place::fault(fault, text, origin)).collect();
    let (first, second) = (pieces.first(), pieces.get(1));
    let Some(piece) = first else {
        problems.push(
            Problem::error(Code::Project, origin, Place::At(1, 1), "the file is empty")
                .hint("it must hold one document, `kind: Project`"),
        );
        return Err(problems);
    };
    if let Some(second) = second {
        let message = "a project file holds one document";
        problems.push(Problem::error(Code::Project, Origin { line: second.line, ..origin }, Place::At(second.line, 1), message));
    }
    let origin = Origin { line: piece.line, ..origin };
    let text = piece.text(text);
    let normal = if json { super::json::normal(&text) } else { text.as_ref().into() };
    let mut tree = tree::parse(&normal);
    tree.faults.extend(hidden::find(&text));
    problems.extend(tree.faults.iter().map(|fault| place::fault(fault, &text, origin)));
    let Some(root) = tree.root.filter(|it| matches!(it.data, Data::Map { .. }) && tree.faults.is_empty()) else {
        if problems.is_empty() {
            problems.push(Problem::error(Code::Project, origin, Place::path(""), "this is no mapping with `kind: Project`"));
        }
        return Err(problems);
    };
    let mut findings = Vec::new();
    let mut value = check::check(&root, &SCHEMA, &mut findings);
    let written = value["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let name = Name::new(&written).or_else(|_| Name::new("default")).expect("a label");
    let key = Key::new(Kind::Role, Namespace::GLOBAL, name.clone());
    let mut lowering = Lowering::new(&key, origin);
    if findings.iter().all(|it| it.place != Place::path("metadata.name") && it.place != Place::path("metadata")) {
        lowering.value("metadata.name", &written, Name::new);
    }
    let project = match serde_json::from_value::<ProjectSpec>(value["spec"].take()) {
        Ok(spec) => Some(Project::lower(&name, &spec, &mut lowering)),
        Err(error) => {
            lowering.problem(Code::Project, "spec", visible(&error.to_string()), None);
            None
        }
    };
    let mut values = lowering.into_problems();
    values.retain(|it| {
        let Place::Path(path) = &it.place else { return true };
        !findings.iter().any(|it| matches!(&it.place, Place::Path(known) | Place::Key(known, _) if path.starts_with(known) || (path.len() > 1 && known.starts_with(path))))
    });
    problems.extend(findings.into_iter().map(|it| problem(it, &key, origin)));
    problems.extend(values);
    match project {
        Some(project) if problems.is_empty() => Ok(project),
        Some(_) | None => Err(problems),
    }
}
