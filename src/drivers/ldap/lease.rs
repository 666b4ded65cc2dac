//! The two rights, as entries that live no longer than somebody renews them.

use std::{collections::HashSet, sync::Arc, thread, time::Duration};

use jiff::Timestamp;
use ldap3::{
    Mod,
    controls::{Assertion, MakeCritical, RawControl},
    ldap_escape,
};
use tokio::{runtime, task::JoinHandle, time::Instant};

use crate::directory::{DirectoryError, ErrorKind, Lease, Right};

use super::{
    Inner,
    answer::{self, ENTRY_EXISTS, NO_SUCH_OBJECT},
    dn,
    entry::Entry,
};

/// How long a right is somebody's without a sign of life.
const LIFETIME: Duration = Duration::from_secs(30);
/// How often its holder gives one.
const RENEWAL: Duration = Duration::from_secs(10);
/// How often a right that somebody holds is tried again.
const EVERY: Duration = Duration::from_millis(500);

/// A right that is ours.
struct Held {
    inner: Arc<Inner>,
    dn: String,
    /// The `entryUUID` of our entry: another's of the same name is not ours to touch.
    id: String,
    renewal: JoinHandle<()>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewal.abort();
        // Whoever holds this may be on their way out of the runtime that the connection lives in, and who comes next must not
        // wait for the entry to age: so it goes now, from a thread of its own. A server that cannot be reached is not waited
        // for longer than for a sign of life.
        let Self { inner, dn, id, renewal: _ } = self;
        thread::scope(|scope| {
            scope.spawn(|| {
                let Ok(runtime) = runtime::Builder::new_current_thread().enable_all().build() else { return };
                let gone = async {
                    let server = inner.server.apart();
                    let _ = server.delete(dn, vec![same("entryUUID", id)]).await;
                };
                runtime.block_on(async { drop(tokio::time::timeout(RENEWAL, gone).await) });
            });
        });
    }
}

/// Takes a right.
pub(super) async fn lease(inner: &Arc<Inner>, right: Right, wait: Duration) -> Result<Option<Lease>, DirectoryError> {
    // Without preconditions two could break the same entry.
    if !inner.abilities().await?.assertion {
        return Ok(None);
    }
    let name = match right {
        Right::Run => "lease-run",
        Right::Write => "lease-write",
    };
    let dn = dn::child("cn", name, &inner.own);
    let until = Instant::now().checked_add(wait);
    loop {
        match attempt(inner, &dn, name).await {
            Err(error) if matches!(error.kind, ErrorKind::Locked(_)) => {
                let left = until.map_or(EVERY, |until| until.saturating_duration_since(Instant::now()));
                if left.is_zero() {
                    return Err(error);
                }
                tokio::time::sleep(EVERY.min(left)).await;
            }
            done => return done.map(|held| Some(Lease::new(held))),
        }
    }
}

async fn attempt(inner: &Arc<Inner>, dn: &str, name: &str) -> Result<Held, DirectoryError> {
    let operation = || format!("take the lock {dn}");
    let moved = || DirectoryError::new(operation(), ErrorKind::Locked(None));
    let result = match add(inner, dn, name).await? {
        result if result.rc == NO_SUCH_OBJECT => {
            inner.make_folders().await?;
            add(inner, dn, name).await?
        }
        result => result,
    };
    if result.rc != ENTRY_EXISTS {
        answer::checked(result, operation)?;
        let ours = inner.named(dn).await?.and_then(|entry| entry.first("entryuuid").map(str::to_owned));
        let id = ours.ok_or_else(moved)?;
        let renewal = tokio::spawn(renew(Arc::clone(inner), dn.to_owned(), id.clone()));
        return Ok(Held { inner: Arc::clone(inner), dn: dn.to_owned(), id, renewal });
    }
    let Some(entry) = inner.named(dn).await? else { return Err(moved()) };
    if let Some((holder, until)) = holder(&entry)
        && until > Timestamp::now()
    {
        return Err(DirectoryError::new(operation(), ErrorKind::Locked(Some(holder))));
    }
    // Its holder is gone. Of many who see that one breaks it, and all of them try again.
    let seen = same("entryCSN", entry.first("entrycsn").unwrap_or_default());
    let result = inner.server.delete(dn, vec![seen]).await?;
    match result.rc {
        0 | NO_SUCH_OBJECT | 122 => Err(moved()),
        _ => Err(answer::refused(operation(), &result)),
    }
}

async fn add(inner: &Inner, dn: &str, name: &str) -> Result<ldap3::LdapResult, DirectoryError> {
    let one = |text: String| HashSet::from([text.into_bytes()]);
    let attributes = vec![
        (b"objectClass".to_vec(), HashSet::from([b"top".to_vec(), b"applicationProcess".to_vec()])),
        (b"cn".to_vec(), one(name.to_owned())),
        (b"description".to_vec(), one(sign())),
    ];
    inner.server.add(dn, attributes, Vec::new()).await
}

/// Who holds it, and until when unless they say so again.
fn sign() -> String {
    let now = Timestamp::now();
    let until = now.checked_add(LIFETIME).unwrap_or(now);
    format!("until {until:.3} process {} on {}", std::process::id(), host())
}

/// What this machine calls itself.
fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// What [`sign`] wrote.
fn holder(entry: &Entry) -> Option<(String, Timestamp)> {
    let (until, holder) = entry.first("description")?.strip_prefix("until ")?.split_once(' ')?;
    Some((holder.to_owned(), until.parse().ok()?))
}

/// That an entry is the one that was seen.
fn same(attribute: &str, value: &str) -> RawControl {
    Assertion { filter: format!("({attribute}={})", ldap_escape(value)) }.critical().into()
}

async fn renew(inner: Arc<Inner>, dn: String, id: String) {
    loop {
        tokio::time::sleep(RENEWAL).await;
        let change = Mod::Replace(b"description".to_vec(), HashSet::from([sign().into_bytes()]));
        let renewed = inner.server.modify(&dn, vec![change], vec![same("entryUUID", &id)]).await;
        // Gone, or another's: there is nothing to renew. What fails otherwise is tried again.
        if renewed.is_ok_and(|result| matches!(result.rc, 122 | NO_SUCH_OBJECT)) {
            return;
        }
    }
}
