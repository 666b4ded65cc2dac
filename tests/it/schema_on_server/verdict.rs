//! What the server says of a document, and what our own reader says of the same.

use std::fs;

use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use tenantry::manifest::{Input, Limits, Place, Problem, Severity, Step, load, load_project};

use super::documents::Kind;
use crate::cluster::{Api, Cluster};

/// What is wrong: where, and why.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdict(pub(super) Vec<(String, String)>);

impl Verdict {
    pub(super) fn accepted(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something is wrong there, below it, or with the whole file.
    pub(super) fn refuses(&self, place: &str) -> bool {
        let below = |it: &str| it.strip_prefix(place).is_some_and(|it| it.is_empty() || it.starts_with(['.', '[']));
        self.0.iter().any(|(it, _)| it.is_empty() || below(it))
    }

    /// Whether this is said there.
    pub(super) fn says(&self, place: &str, text: &str) -> bool {
        self.0.iter().any(|(at, why)| at == place && why.contains(text))
    }

    fn of(status: u16, answer: &Value) -> Self {
        if (200..300).contains(&status) {
            return Self::default();
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let causes = answer["details"]["causes"].as_array().cloned().unwrap_or_default();
        let mut found: Vec<_> = causes.iter().map(|it| (text(&it["field"]), text(&it["message"]))).collect();
        if found.is_empty() {
            found.push((String::new(), text(&answer["message"])));
        }
        Self(found)
    }
}

/// Would the server take it as new?
pub(super) async fn create(api: &Api, namespace: &str, kind: &Kind, document: &Value) -> (Verdict, Value) {
    let path = format!("{}?dryRun=All&fieldValidation=Strict", collection(kind, namespace));
    let (status, answer) = api.ask(Method::POST, &path, Some(document)).await;
    (Verdict::of(status, &answer), answer)
}

/// Would it take the second in place of the first? The first is really made.
pub(super) async fn change(api: &Api, namespace: &str, kind: &Kind, name: &str, old: &Value, new: &Value) -> Verdict {
    let path = collection(kind, namespace);
    let (status, made) = api.ask(Method::POST, &path, Some(&kind.document(name, old))).await;
    assert_eq!(status, 201, "{made}");
    let mut document = kind.document(name, new);
    document["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"].clone();
    let (status, answer) = api.ask(Method::PUT, &format!("{path}/{name}?dryRun=All"), Some(&document)).await;
    Verdict::of(status, &answer)
}

/// Many at once.
pub(super) async fn create_all(cluster: &Cluster, namespace: &str, documents: &[(&Kind, &Value)]) -> Vec<Verdict> {
    let api = cluster.api();
    let each = documents.iter().map(|(kind, document)| create(&api, namespace, kind, document));
    stream::iter(each).buffered(8).map(|(verdict, _)| verdict).collect().await
}

fn collection(kind: &Kind, namespace: &str) -> String {
    let group = "/apis/tenantry.dev/v1alpha1";
    if kind.name == "Directory" {
        format!("{group}/{}", kind.plural)
    } else {
        format!("{group}/namespaces/{namespace}/{}", kind.plural)
    }
}

/// What we say. A Directory is read as the project that the controller makes of it.
pub(super) fn ours(kind: &Kind, document: &Value) -> Verdict {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("it.json");
    let problems = if kind.name == "Directory" {
        let mut project = document.clone();
        project["kind"] = json!("Project");
        if let Some(spec) = project["spec"].as_object_mut() {
            spec.retain(|name, _| !["namespaces", "release", "trustAuthors"].contains(&name.as_str()));
        }
        fs::write(&file, project.to_string()).unwrap();
        let mut problems = load_project(&file).project.err().unwrap_or_default();
        // What is not in a project is at least looked at where a folder with documents is read.
        fs::write(&file, document.to_string()).unwrap();
        for mut problem in load(&[Input::File(file)], &Limits::default()).problems {
            // It does not say what is wrong with a Directory, only that something is.
            problem.place = Place::path("");
            problems.push(problem);
        }
        problems
    } else {
        fs::write(&file, document.to_string()).unwrap();
        load(&[Input::File(file)], &Limits::default()).problems
    };
    let errors = problems.into_iter().filter(|it| it.severity == Severity::Error);
    Verdict(errors.map(|it| (place(&it), it.message)).collect())
}

fn place(problem: &Problem) -> String {
    let (Place::Path(steps) | Place::Key(steps, _)) = &problem.place else { return String::new() };
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Key(name) if text.is_empty() => text.push_str(name),
            Step::Key(name) => text.push_str(&format!(".{name}")),
            Step::Index(row) => text.push_str(&format!("[{row}]")),
        }
    }
    text
}
