//! The API server: every request that is made of it, apart from watching, electing and events. Each has a time limit, since the
//! client has none, and each write is made only by whoever leads.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use k8s_openapi::{
    ByteString,
    api::{
        admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
        core::v1::{Namespace, Secret},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, CustomResourceExt,
    api::{Patch, PatchParams},
    core::{ApiResource, DynamicObject},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    binding::Binding,
    elect::Fence,
    index::Watched,
    item::{FINALIZER, Item},
    status::CONDITIONS,
};
use crate::{
    manifest::{self, DirectoryStatus, Status},
    model::Kind,
};

/// As whom the API server remembers what we have written.
pub(super) const MANAGER: &str = "tenantry";
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClusterError {
    /// It did not answer in time.
    #[error("the API server did not answer in time")]
    Slow,
    /// It said no, or could not be reached.
    #[error("the API server: {0}")]
    Api(#[from] kube::Error),
    /// Somebody else leads by now.
    #[error("another replica leads")]
    Fenced,
}

impl ClusterError {
    /// Whether the object is gone: the watch says so as well, or will.
    pub(super) fn gone(&self) -> bool {
        matches!(self, Self::Api(kube::Error::Api(it)) if it.is_not_found())
    }

    /// Whether the object is another one by now, or gone: whoever sees it next decides anew.
    pub(super) fn moved(&self) -> bool {
        matches!(self, Self::Api(kube::Error::Api(it)) if it.is_conflict() || it.is_not_found())
    }
}

/// What is known of something that is asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Alive,
    /// It is being deleted, or gone.
    Ending,
}

/// The API server, and the right to write to it.
#[derive(Clone)]
pub(super) struct Cluster {
    pub(super) client: Client,
    pub(super) fence: Arc<Fence>,
}

/// What the API server calls what is watched.
pub(super) fn resource(what: Watched) -> ApiResource {
    match what {
        Watched::Directory => manifest::Directory::api_resource(),
        Watched::Kind(Kind::Role) => manifest::Role::api_resource(),
        Watched::Kind(Kind::Company) => manifest::Company::api_resource(),
        Watched::Kind(Kind::Customer) => manifest::Customer::api_resource(),
        Watched::Kind(Kind::User) => manifest::User::api_resource(),
    }
}

async fn within<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, ClusterError> {
    tokio::time::timeout(PATIENCE, request).await.map_err(|_| ClusterError::Slow)?.map_err(ClusterError::from)
}

impl Cluster {
    fn items(&self, item: &Item) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &item.home, &resource(Watched::Kind(item.key.kind)))
    }

    fn directories(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &resource(Watched::Directory))
    }

    fn may_write(&self) -> Result<(), ClusterError> {
        if self.fence.holds() { Ok(()) } else { Err(ClusterError::Fenced) }
    }

    /// Puts our finalizer on an object, or takes it off. Only on just this version of it: others have theirs there too.
    pub(super) async fn keep(&self, item: &Item, kept: bool) -> Result<DynamicObject, ClusterError> {
        self.may_write()?;
        let body = keeping(&item.finalizers, kept, &item.uid, &item.version);
        within(self.items(item).patch(item.key.name.as_str(), &PatchParams::default(), &Patch::Merge(&body))).await
    }

    /// The same for a Directory.
    pub(super) async fn keep_directory(&self, binding: &Binding, kept: bool) -> Result<DynamicObject, ClusterError> {
        self.may_write()?;
        let body = keeping(&binding.finalizers, kept, &binding.uid, &binding.version);
        within(self.directories().patch(binding.name.as_str(), &PatchParams::default(), &Patch::Merge(&body))).await
    }

    /// Writes a status: a partial document, applied, with the object's uid, so that another object of this name is not touched.
    pub(super) async fn say(&self, item: &Item, status: &Status) -> Result<DynamicObject, ClusterError> {
        self.may_write()?;
        let mut status = status.clone();
        status.conditions.retain(|it| CONDITIONS.contains(&it.type_.as_str()));
        let resource = resource(Watched::Kind(item.key.kind));
        let body = json!({
            "apiVersion": resource.api_version, "kind": resource.kind,
            "metadata": { "name": item.key.name.as_str(), "uid": item.uid.as_str() }, "status": status,
        });
        let parameters = PatchParams::apply(MANAGER).force();
        within(self.items(item).patch_status(item.key.name.as_str(), &parameters, &Patch::Apply(&body))).await
    }

    /// The same for a Directory, but only on just this version of it: what its window counts is never counted back.
    pub(super) async fn say_directory(&self, binding: &Binding, status: &DirectoryStatus) -> Result<DynamicObject, ClusterError> {
        self.may_write()?;
        let mut status = status.clone();
        status.conditions.retain(|it| CONDITIONS.contains(&it.type_.as_str()));
        let resource = resource(Watched::Directory);
        let body = json!({
            "apiVersion": resource.api_version, "kind": resource.kind,
            "metadata": { "name": binding.name.as_str(), "uid": binding.uid.as_str(), "resourceVersion": binding.version.as_str() },
            "status": status,
        });
        let parameters = PatchParams::apply(MANAGER).force();
        within(self.directories().patch_status(binding.name.as_str(), &parameters, &Patch::Apply(&body))).await
    }

    /// Whether the definition of a kind is being deleted: then all objects of it go, and nobody meant to remove anybody.
    pub(super) async fn definition(&self, kind: Kind) -> Result<Life, ClusterError> {
        let name = format!("{}.{}", kind.plural(), manifest::GROUP);
        let found = self.get::<CustomResourceDefinition>(Api::all(self.client.clone()), &name).await?;
        Ok(life(found.map(|it| it.metadata.deletion_timestamp.is_some())))
    }

    /// Of some objects those that somebody deleted with their definition. Where that cannot be told, none.
    pub(super) async fn undefined(&self, items: Vec<Arc<Item>>) -> Vec<Arc<Item>> {
        let deleted: Vec<Arc<Item>> = items.into_iter().filter(|it| it.deleting && it.is_kept()).collect();
        let kinds: BTreeSet<Kind> = deleted.iter().map(|it| it.key.kind).collect();
        let mut ending = BTreeSet::new();
        for kind in kinds {
            if matches!(self.definition(kind).await, Ok(Life::Ending)) {
                ending.insert(kind);
            }
        }
        deleted.into_iter().filter(|it| ending.contains(&it.key.kind)).collect()
    }

    /// Whether a namespace is being deleted: then everything in it goes.
    pub(super) async fn namespace(&self, name: &str) -> Result<Life, ClusterError> {
        let found = self.get::<Namespace>(Api::all(self.client.clone()), name).await?;
        Ok(life(found.map(|it| it.metadata.deletion_timestamp.is_some())))
    }

    /// Whether the API server asks who grants a role: there is a policy of this name, and a binding that denies.
    pub(super) async fn asks_who_grants(&self, policy: &str) -> Result<bool, ClusterError> {
        let found = self.get::<ValidatingAdmissionPolicy>(Api::all(self.client.clone()), policy).await?;
        let Some(spec) = found.filter(|it| it.metadata.deletion_timestamp.is_none()).and_then(|it| it.spec) else {
            return Ok(false);
        };
        let bound = self.get::<ValidatingAdmissionPolicyBinding>(Api::all(self.client.clone()), policy).await?;
        let Some(bound) = bound.filter(|it| it.metadata.deletion_timestamp.is_none()).and_then(|it| it.spec) else {
            return Ok(false);
        };
        let denies = bound.validation_actions.is_some_and(|actions| actions.iter().any(|it| it == "Deny"));
        let fails = spec.failure_policy.is_none_or(|it| it == "Fail");
        Ok(denies && fails && bound.policy_name.as_deref() == Some(policy))
    }

    /// One value of a Secret, read by name.
    pub(super) async fn secret(&self, namespace: &str, name: &str, key: &str) -> Result<Vec<u8>, String> {
        let place = format!("`{key}` of the Secret `{namespace}/{name}`");
        let found = self.get::<Secret>(Api::namespaced(self.client.clone(), namespace), name).await;
        let secret = found.map_err(|error| format!("{place} cannot be read: {error}"))?;
        let secret = secret.ok_or_else(|| format!("there is no Secret `{namespace}/{name}`"))?;
        let value = secret.data.and_then(|mut data| data.remove(key));
        value.map(|ByteString(bytes)| bytes).ok_or_else(|| format!("there is no {place}"))
    }

    async fn get<K>(&self, api: Api<K>, name: &str) -> Result<Option<K>, ClusterError>
    where
        K: Clone + DeserializeOwned + std::fmt::Debug,
    {
        within(api.get_opt(name)).await
    }
}

fn life(deleting: Option<bool>) -> Life {
    if deleting == Some(false) { Life::Alive } else { Life::Ending }
}

fn keeping(finalizers: &[String], kept: bool, uid: &str, version: &str) -> impl Serialize + std::fmt::Debug + use<> {
    let mut finalizers: Vec<&String> = finalizers.iter().filter(|it| *it != FINALIZER).collect();
    let ours = FINALIZER.to_owned();
    if kept {
        finalizers.push(&ours);
    }
    let body: Value = json!({ "metadata": { "uid": uid, "resourceVersion": version, "finalizers": finalizers } });
    body
}
