//! A Directory of the cluster: which backend, within which limits, and for which namespaces.

use kube::core::DynamicObject;
use smol_str::SmolStr;

use crate::{
    manifest::{DirectoryFields, DirectoryStatus, Project},
    model::Name,
};

/// Annotation: the digest of a held set that is to be carried out.
const APPROVE: &str = "tenantry.dev/approve";
/// Annotation: the digest of a held set that is to be let go, its accounts staying.
const REJECT: &str = "tenantry.dev/reject";

/// What is kept of a Directory.
#[derive(Debug, Clone)]
pub(super) struct Binding {
    pub(super) name: Name,
    pub(super) uid: SmolStr,
    pub(super) generation: i64,
    pub(super) version: SmolStr,
    pub(super) deleting: bool,
    pub(super) finalizers: Vec<String>,
    /// What it says, or what is wrong with it.
    pub(super) project: Result<Project, String>,
    /// Namespaces, each a name or its beginning followed by `*`.
    pub(super) namespaces: Vec<SmolStr>,
    /// Every finalizer goes, and nothing is written.
    pub(super) release: bool,
    /// Grants are believed although nobody asks who grants.
    pub(super) trust_authors: bool,
    pub(super) approve: Option<SmolStr>,
    pub(super) reject: Option<SmolStr>,
    pub(super) status: DirectoryStatus,
}

impl Binding {
    /// Takes from a Directory what counts.
    pub(super) fn read(raw: &DynamicObject) -> Option<Self> {
        let metadata = &raw.metadata;
        let name = Name::new(metadata.name.as_deref()?).ok()?;
        let fields = serde_json::from_value::<DirectoryFields>(raw.data["spec"].clone());
        let namespaces = raw.data["spec"]["namespaces"].as_array().into_iter().flatten();
        let annotations = metadata.annotations.clone().unwrap_or_default();
        let text = |name: &str| annotations.get(name).filter(|it| !it.is_empty()).map(SmolStr::new);
        let flag = |name: &str| raw.data["spec"][name].as_bool().unwrap_or(false);
        Some(Self {
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            generation: metadata.generation.unwrap_or_default(),
            version: metadata.resource_version.as_deref().unwrap_or_default().into(),
            deleting: metadata.deletion_timestamp.is_some(),
            finalizers: metadata.finalizers.clone().unwrap_or_default(),
            project: fields.map_err(|error| error.to_string()).and_then(|fields| fields.lower(&name)),
            namespaces: namespaces.filter_map(|it| it.as_str()).map(SmolStr::new).collect(),
            release: flag("release"),
            trust_authors: flag("trustAuthors"),
            approve: text(APPROVE),
            reject: text(REJECT),
            status: serde_json::from_value(raw.data["status"].clone()).unwrap_or_default(),
            name,
        })
    }

    /// An approval that has not been seen to.
    pub(super) fn approval(&self) -> Option<&str> {
        self.approve.as_deref().filter(|it| self.status.last_handled_approval.as_deref() != Some(it))
    }

    /// A rejection that has not been seen to.
    pub(super) fn rejection(&self) -> Option<&str> {
        self.reject.as_deref().filter(|it| self.status.last_handled_rejection.as_deref() != Some(it))
    }

    /// Whether the objects of a namespace belong here.
    pub(super) fn lists(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => namespace.starts_with(beginning),
            None => pattern == namespace,
        })
    }

    /// Whether what is new about it can change what is done: anything but what we have written ourselves.
    pub(super) fn differs(&self, before: &Self) -> bool {
        self.uid != before.uid
            || self.generation != before.generation
            || self.deleting != before.deleting
            || self.finalizers != before.finalizers
            || (&self.approve, &self.reject) != (&before.approve, &before.reject)
    }
}
