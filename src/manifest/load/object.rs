//! One object of a cluster. The server has checked it against the schema of its kind, of this release or of another one: so it
//! is read like a document, and a broken one never reads as a removal.

use serde_json::{Value, json};

use super::document::{self, Format, Found};
use crate::{
    manifest::{API_VERSION, Form, Lowered, Origin, Problem, Salvage, Severity, lower::ANNOTATIONS},
    model::{Key, Kind},
};

/// What of an object counts.
#[derive(Debug, Clone)]
pub struct Object<'a> {
    /// Whose it is. Its namespace is the one that counts here, which for a Role may be the global one.
    pub key: &'a Key,
    /// `metadata.annotations`.
    pub annotations: &'a std::collections::BTreeMap<String, String>,
    /// `spec`.
    pub spec: &'a Value,
}

/// Reads an object, and says what is wrong with it.
pub fn object(object: &Object<'_>, origin: Origin) -> (Form, Vec<Problem>) {
    let Object { key, annotations, spec } = object;
    let annotations: serde_json::Map<String, Value> = annotations
        .iter()
        .filter(|(name, _)| ANNOTATIONS.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    let mut metadata = json!({ "name": key.name.as_str(), "annotations": annotations });
    if key.kind != Kind::Role || !key.namespace.is_global() {
        metadata["namespace"] = key.namespace.to_string().into();
    }
    let document = json!({ "apiVersion": API_VERSION, "kind": key.kind.manifest(), "metadata": metadata, "spec": spec });
    let mut problems = Vec::new();
    let found = document::read(&document.to_string(), Format { json: true, project: false }, origin, &mut problems);
    problems.retain(|problem| problem.severity == Severity::Error);
    let form = match found {
        Found::Ours(Lowered { key: _, origin: _, form }) | Found::Torn(Lowered { key: _, origin: _, form }) => form,
        Found::Unreadable | Found::Foreign | Found::Skipped => Form::Broken(Salvage::default()),
    };
    (form, problems)
}
