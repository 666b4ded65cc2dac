//! What is kept of an object: its document, lowered once, and what the controller itself has written on it. Everything else of
//! it is dropped as it comes in (`managedFields`, what `kubectl apply` remembers): ten thousand of them have to fit.

use jiff::Timestamp;
use kube::core::DynamicObject;
use smol_str::SmolStr;

use crate::{
    manifest::{Form, Object, Origin, Status, object},
    model::{Key, Kind, Name, Namespace},
};

/// Keeps an object until its account has been seen to.
pub(super) const FINALIZER: &str = "tenantry.dev/directory";
/// Annotation: nothing is written for it.
const PAUSED: &str = "tenantry.dev/paused";
/// Annotation: the Directory it belongs to from now on.
const REBIND: &str = "tenantry.dev/rebind";
/// Annotation: asks for a pass now.
const RECONCILE_AT: &str = "tenantry.dev/reconcile-at";
/// Annotation: the commit that brought it.
const COMMIT: &str = "tenantry.dev/commit";

/// One object of ours.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Whose it is. A role of the controller's own namespace is a global one.
    pub(super) key: Key,
    /// `metadata.namespace`, which decides to which Directory it belongs.
    pub(super) home: SmolStr,
    /// `metadata.uid`: the same name with another one is another object.
    pub(super) uid: SmolStr,
    /// `metadata.generation`.
    pub(super) generation: i64,
    /// `metadata.resourceVersion`.
    pub(super) version: SmolStr,
    /// When it was made: the older of two has the better claim.
    pub(super) created: Timestamp,
    /// Somebody deleted it.
    pub(super) deleting: bool,
    /// Every finalizer on it.
    pub(super) finalizers: Vec<String>,
    /// What it says.
    pub(super) form: Form,
    /// What is wrong with it.
    pub(super) problem: Option<String>,
    /// The annotations that are for the controller.
    pub(super) asks: Asks,
    /// What was last written on it.
    pub(super) status: Status,
}

/// What annotations ask of the controller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asks {
    pub(super) paused: bool,
    pub(super) rebind: Option<SmolStr>,
    pub(super) reconcile_at: Option<SmolStr>,
    pub(super) commit: Option<SmolStr>,
}

impl Item {
    /// Takes from an object what counts. `own` is the namespace of the controller. Nothing comes back for one whose name is no
    /// DNS label: the server refuses to make such.
    pub(super) fn read(kind: Kind, raw: &DynamicObject, own: &str) -> Option<Self> {
        let metadata = &raw.metadata;
        let key = Self::key(kind, raw, own)?;
        let annotations = metadata.annotations.clone().unwrap_or_default();
        let (form, problems) =
            object(&Object { key: &key, annotations: &annotations, spec: &raw.data["spec"] }, Origin { file: 0, line: 0 });
        let told = |it: &crate::manifest::Problem| match &it.hint {
            Some(hint) => format!("{}: {hint}", it.message),
            None => it.message.clone(),
        };
        let problem = problems.iter().map(told).collect::<Vec<_>>().join("; ");
        let text = |name: &str| annotations.get(name).filter(|it| !it.is_empty()).map(SmolStr::new);
        Some(Self {
            home: SmolStr::new(metadata.namespace.as_deref()?),
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            generation: metadata.generation.unwrap_or_default(),
            version: metadata.resource_version.as_deref().unwrap_or_default().into(),
            created: metadata.creation_timestamp.as_ref().map_or(Timestamp::MIN, |at| at.0),
            deleting: metadata.deletion_timestamp.is_some(),
            finalizers: metadata.finalizers.clone().unwrap_or_default(),
            form,
            problem: Some(problem).filter(|it| !it.is_empty()),
            asks: Asks {
                paused: annotations.get(PAUSED).is_some_and(|it| it != "false"),
                rebind: text(REBIND),
                reconcile_at: text(RECONCILE_AT),
                commit: text(COMMIT),
            },
            status: serde_json::from_value(raw.data["status"].clone()).unwrap_or_default(),
            key,
        })
    }

    /// Whose an object is.
    pub(super) fn key(kind: Kind, raw: &DynamicObject, own: &str) -> Option<Key> {
        let home = raw.metadata.namespace.as_deref()?;
        let namespace = if kind == Kind::Role && home == own { Namespace::GLOBAL } else { Namespace::new(home).ok()? };
        Some(Key::new(kind, namespace, Name::new(raw.metadata.name.as_deref()?).ok()?))
    }

    /// Whether the object waits for us before it goes.
    pub(super) fn is_kept(&self) -> bool {
        self.finalizers.iter().any(|it| it == FINALIZER)
    }

    /// Whether what is new about it can change what is done: anything but what we have written ourselves.
    pub(super) fn differs(&self, before: &Self) -> bool {
        self.uid != before.uid
            || self.generation != before.generation
            || self.deleting != before.deleting
            || self.asks != before.asks
            || self.finalizers != before.finalizers
            || self.form != before.form
    }
}
