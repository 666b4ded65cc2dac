//! The project file.

use std::path::Path;

use super::Sources;
use crate::manifest::{Problem, Project};

/// A project file that was read.
#[derive(Debug, Clone)]
pub struct LoadedProject {
    /// What it says, or everything that is wrong with it.
    pub project: Result<Project, Vec<Problem>>,
    /// For [`super::diagnose`].
    pub sources: Sources,
}

/// Reads a project file.
pub fn load_project(_path: &Path) -> LoadedProject {
    LoadedProject { project: Ok(Project::default()), sources: Sources::default() }
}
