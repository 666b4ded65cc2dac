//! The files that were read: what origins point into.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use smol_str::SmolStr;

use super::{GROUP, Origin};
use crate::model::Key;

/// The files that were read: what an [`Origin`] points into.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    pub(super) files: Vec<Source>,
    objects: bool,
}

/// One file.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// As people know it.
    pub(super) name: SmolStr,
    /// Where its text is.
    pub(super) from: From,
}

/// Where the text of a source is. Files are read again when somebody is to see a line of them.
#[derive(Debug, Clone)]
pub(super) enum From {
    File(PathBuf),
    Text(Arc<str>),
}

impl Source {
    /// Whether it has the name of a project file.
    pub(super) fn is_project(&self) -> bool {
        match &self.from {
            From::File(path) => path.file_name().is_some_and(|it| it == "tenantry.yaml"),
            From::Text(_) => false,
        }
    }

    pub(super) fn is_json(&self) -> bool {
        match &self.from {
            From::File(path) => path.extension().is_some_and(|it| it.eq_ignore_ascii_case("json")),
            From::Text(text) => text.trim_start().starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(),
        }
    }
}

impl Sources {
    /// The name of a file, as people write it: `users/service.yaml`.
    pub fn file(&self, origin: Origin) -> &str {
        self.files.get(origin.file as usize).map_or("?", |it| it.name.as_str())
    }

    /// Where a document starts, as people write it: `users/service.yaml:41`.
    pub fn display(&self, origin: Origin) -> SmolStr {
        smol_str::format_smolstr!("{}:{}", self.file(origin), origin.line)
    }

    /// Where a thing is declared: a place in a file, or an object of a cluster as `kubectl get` takes it.
    pub fn told(&self, origin: Origin, key: &Key) -> SmolStr {
        if !self.objects {
            return self.display(origin);
        }
        let Key { kind, namespace, name } = key;
        smol_str::format_smolstr!("{}.{GROUP}/{namespace}/{name}", kind.plural())
    }

    /// What stands for the objects of a cluster: they are in no file.
    pub fn objects() -> Self {
        Self { files: Vec::new(), objects: true }
    }

    /// Whether a file, by its path without links, is one of these.
    pub fn reads(&self, file: &Path) -> bool {
        let is = |path: &PathBuf| path.file_name() == file.file_name() && path.canonicalize().is_ok_and(|real| real == file);
        self.files.iter().any(|it| match &it.from {
            From::File(path) => is(path),
            From::Text(_) => false,
        })
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Adds a file; gives its index.
    pub(super) fn add(&mut self, name: impl Into<SmolStr>, from: From) -> u32 {
        self.files.push(Source { name: name.into(), from });
        u32::try_from(self.files.len() - 1).expect("fewer files than four thousand million")
    }
}
