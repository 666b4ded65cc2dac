//! Secrets of the cluster: read by name when they are needed, never listed, never watched. A document names one of its own
//! namespace; a Directory one of the controller's.

use std::{path::PathBuf, sync::Arc};

use super::{Shared, cluster::Cluster};
use crate::{
    credential::{Fetched, SecretString, Vault},
    mail::{Closed, Mailer, Post},
    manifest::{LedgerSpec, Project, Transport},
    model::{Namespace, SecretSource},
    plan::{Change, Plan},
};

/// Reads the secrets that the credentials of a plan name.
pub(super) async fn fetch(cluster: &Cluster, plan: &Plan) -> Vault {
    let mut fetched = Fetched::new();
    let named = plan.changes().filter_map(|change: &Change| Some((change.key.namespace.clone(), change.issues()?.source.clone()?)));
    for (namespace, source) in named {
        let SecretSource::SecretRef { name, key } = &source else { continue };
        if !fetched.contains_key(&(namespace.clone(), source.clone())) {
            let value = one(cluster, &namespace, name.as_str(), key).await;
            fetched.insert((namespace, source), value);
        }
    }
    Vault::Cluster(Arc::new(fetched))
}

/// Reads the secrets that a directory and its ledger are opened with: of our own namespace.
pub(super) async fn ways_in(shared: &Shared, project: &Project) -> Vault {
    let mut fetched = Fetched::new();
    let ledger = match &project.ledger {
        Some(LedgerSpec::Postgres(settings)) => Some(&settings.url),
        Some(LedgerSpec::Sqlite(_)) | None => None,
    };
    let own = Namespace::new(&shared.settings.own).unwrap_or(Namespace::DEFAULT);
    for source in project.directory.secret().into_iter().chain(ledger) {
        if let SecretSource::SecretRef { name, key } = source {
            let value = one(&shared.cluster, &own, name.as_str(), key).await;
            fetched.insert((Namespace::GLOBAL, source.clone()), value);
        }
    }
    Vault::Cluster(Arc::new(fetched))
}

async fn one(cluster: &Cluster, namespace: &Namespace, name: &str, key: &str) -> Result<SecretString, String> {
    let bytes = zeroize::Zeroizing::new(cluster.secret(namespace.as_str(), name, key).await?);
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("`{key}` of the Secret `{namespace}/{name}` is no text (UTF-8)"))?;
    if text.is_empty() {
        return Err(format!("`{key}` of the Secret `{namespace}/{name}` is empty"));
    }
    Ok(SecretString::from(text))
}

/// How mail goes out. Its password is read only where there is something to send.
pub(super) async fn way_out(shared: &Shared, project: &Project, needed: bool) -> Arc<dyn Post> {
    let source = project.mail.as_ref().and_then(|mail| match &mail.transport {
        Transport::Smtp { host: _, port: _, tls: _, username: _, password } => password.as_ref(),
        Transport::Folder(_) => None,
    });
    let mut password = None;
    if let Some(SecretSource::SecretRef { name, key }) = source.filter(|_| needed) {
        let own = Namespace::new(&shared.settings.own).unwrap_or(Namespace::DEFAULT);
        match one(&shared.cluster, &own, name.as_str(), key).await {
            Ok(read) => password = Some(read),
            Err(why) => return Arc::new(Closed::without_password(&Unread(why))),
        }
    }
    let base: &PathBuf = &shared.settings.base;
    match Mailer::open(project.mail.as_ref(), base, password) {
        Ok(mailer) => Arc::new(mailer),
        Err(error) => Arc::new(Closed::new(&error)),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unread(String);
