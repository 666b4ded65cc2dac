//! A directory that is gone when the program ends: the reference for every other driver, and the double for tests of the
//! core. Identifiers and the clock are deterministic, and it can be made to fail.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use smol_str::format_smolstr;
use tokio::sync::Semaphore;

use crate::{
    directory::{Debt, Directory, DirectoryError, ErrorKind, Executed, Issue, Lease, NewSecret, Right, Run},
    model::{Key, Name, Namespace, RemoteId},
    observed::{Applied, Capabilities, CredentialMark, Live, Observed, Scope, Settings, Spent, Stranger},
    plan::Change,
};

use super::{
    rows::{self, Found, Secret, Step},
    table::{Entry, Table, entry},
};

/// A directory in memory.
#[derive(Debug)]
pub struct Memory {
    capabilities: Arc<Capabilities>,
    run: Arc<Semaphore>,
    write: Arc<Semaphore>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    table: Table,
    losses: Vec<(Timestamp, Namespace)>,
    secrets: BTreeMap<RemoteId, NewSecret>,
    settings: BTreeMap<Name, Settings>,
    roots: BTreeMap<Name, String>,
    /// The root for owners without one of their own: what [`Memory::with`] was given.
    root: Option<String>,
    now: Timestamp,
    ids: u64,
    reads: u64,
    writes: u64,
    executes: u64,
    failing: BTreeMap<u64, (ErrorKind, bool)>,
    /// A secret and a mark from here on that fail, and how.
    failing_issue: Option<(u64, ErrorKind)>,
    failing_delivered: Option<(u64, ErrorKind)>,
    blind: Option<ErrorKind>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// An empty directory. Its clock stands at the beginning of 2026 until it is moved.
    pub fn new() -> Self {
        let now = Timestamp::from_second(1_767_225_600).unwrap_or(Timestamp::UNIX_EPOCH);
        Self {
            capabilities: Arc::new(Capabilities::everything()),
            run: Arc::new(Semaphore::new(1)),
            write: Arc::new(Semaphore::new(1)),
            inner: Mutex::new(Inner { now, ..Inner::default() }),
        }
    }

    /// A directory that holds this much. Places are found by key; losses count from now on; the root is every owner's.
    ///
    /// # Panics
    /// Where two objects have the same key or the same unique value, or something stands under what is not there.
    pub fn with(observed: Observed) -> Self {
        let memory = Self::new();
        let Observed {
            ours,
            strangers,
            spent: Spent(spent),
            applied: Applied { root, settings: _, others: _, begins: _ },
            contents: _,
        } = observed;
        let mut inner = memory.lock();
        inner.root = root;
        let now = inner.now;
        for (namespace, count) in spent {
            inner.losses.extend((0..count).map(|_| (now, namespace.clone())));
        }
        let mut places = Vec::new();
        for stranger in strangers {
            let parent = stranger.parent.clone();
            inner.table.put(Entry { found: Found::Stranger(Box::new(stranger)), parent }).expect("strangers are unique");
        }
        for live in ours {
            places.push((live.id.clone(), live.state.above()));
            inner.table.put(Entry { found: Found::Managed(Box::new(live)), parent: None }).expect("objects are unique");
        }
        for (id, above) in places {
            let Some(above) = above else { continue };
            let parent = inner.table.resolve(&above).unwrap_or_else(|| panic!("{above} is there"));
            let mut entry = inner.table.take(&id).expect("it was just put");
            entry.parent = Some(parent);
            inner.table.put(entry).expect("titles are unique within a company");
        }
        drop(inner);
        memory
    }

    /// The same directory that can do something else.
    #[must_use]
    pub fn capable(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = Arc::new(capabilities);
        self
    }

    /// Puts in an object that nobody manages, as a foreign tool would.
    ///
    /// # Panics
    /// Where another object has its identifier or a unique value of its own.
    pub fn insert_stranger(&self, stranger: Stranger) {
        let parent = stranger.parent.clone();
        self.lock().table.put(Entry { found: Found::Stranger(Box::new(stranger)), parent }).expect("strangers are unique");
    }

    /// Changes a managed object behind our back, as a foreign tool would: its version changes too.
    ///
    /// # Panics
    /// Where there is no such object, or it takes what another one has.
    pub fn tamper(&self, key: &Key, change: impl FnOnce(&mut Live)) {
        let mut inner = self.lock();
        let id = inner.table.id(key).cloned().unwrap_or_else(|| panic!("{key} is there"));
        let mut entry = inner.table.take(&id).expect("it has just been found");
        if let Found::Managed(live) = &mut entry.found {
            let next = live.version.as_ref().and_then(|it| it.0.parse::<u64>().ok()).unwrap_or_default() + 1;
            live.version = Some(rows::version(next));
            change(live);
        }
        inner.table.put(entry).expect("it takes nothing from others");
    }

    /// The time it is in the directory.
    pub fn now(&self) -> Timestamp {
        self.lock().now
    }

    /// Moves the clock.
    pub fn set_now(&self, now: Timestamp) {
        self.lock().now = now;
    }

    /// Makes the `nth` change from here on fail, the next one being the first; nothing is written.
    pub fn fail_execute(&self, nth: u64, kind: ErrorKind) {
        let mut inner = self.lock();
        let at = inner.executes + nth;
        inner.failing.insert(at, (kind, false));
    }

    /// Carries out the `nth` change from here on and says all the same that it failed: an answer that was lost.
    pub fn lose_answer(&self, nth: u64, kind: ErrorKind) {
        let mut inner = self.lock();
        let at = inner.executes + nth;
        inner.failing.insert(at, (kind, true));
    }

    /// Makes the `nth` secret from here on fail to be stored.
    pub fn fail_issue(&self, nth: u64, kind: ErrorKind) {
        self.lock().failing_issue = Some((nth, kind));
    }

    /// Makes the `nth` mark from here on fail to be written.
    pub fn fail_delivered(&self, nth: u64, kind: ErrorKind) {
        self.lock().failing_delivered = Some((nth, kind));
    }

    /// Lets nothing fail any more that was to fail.
    pub fn mend(&self) {
        let mut inner = self.lock();
        inner.failing.clear();
        (inner.failing_issue, inner.failing_delivered) = (None, None);
    }

    /// Makes every look fail, or with `None` no more.
    pub fn fail_observe(&self, kind: Option<ErrorKind>) {
        self.lock().blind = kind;
    }

    /// How often it was looked at.
    pub fn reads(&self) -> u64 {
        self.lock().reads
    }

    /// How many objects were written, and roots remembered.
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// What is kept of an account's secret.
    pub fn secret(&self, key: &Key) -> Option<NewSecret> {
        let inner = self.lock();
        inner.table.id(key).and_then(|id| inner.secrets.get(id)).cloned()
    }

    /// What it holds, without counting as a read: all losses ever, and the root it began with.
    pub fn snapshot(&self) -> Observed {
        self.lock().look(None, None)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Directory for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> Arc<Capabilities> {
        Arc::clone(&self.capabilities)
    }

    async fn observe(&self, owner: &Name, _: &Scope, window: Duration) -> Result<Observed, DirectoryError> {
        let mut inner = self.lock();
        inner.reads += 1;
        if let Some(kind) = &inner.blind {
            return Err(DirectoryError::new("read the directory", kind.clone()));
        }
        let since = inner.now.checked_sub(window).unwrap_or(Timestamp::MIN);
        Ok(inner.look(Some(owner), Some(since)))
    }

    async fn execute_all(&self, changes: &[Change], run: &Run) -> Vec<Result<Executed, DirectoryError>> {
        let mut inner = self.lock();
        let mut one = |change: &Change| {
            if run.stop.requested() {
                return Err(rows::failure(change, ErrorKind::Interrupted));
            }
            inner.executes += 1;
            let at = inner.executes;
            match inner.failing.remove(&at) {
                Some((kind, false)) => Err(rows::failure(change, kind)),
                Some((kind, true)) => inner.execute(change, run).and(Err(rows::failure(change, kind))),
                None => inner.execute(change, run),
            }
        };
        changes.iter().map(&mut one).collect()
    }

    async fn issue(&self, issues: &[Issue], run: &Run) -> Vec<Result<(), DirectoryError>> {
        let mut inner = self.lock();
        let mut one = |issue: &Issue| {
            let Issue { debt, secret, until } = issue;
            fails(&mut inner.failing_issue, debt)?;
            inner.owing(debt, |live| {
                let ours = live.state.owner.as_ref() == Some(&run.owner);
                (ours && live.state.enabled && !live.state.retired).then(|| live.unused_until = *until)
            })?;
            inner.secrets.insert(debt.id.clone(), secret.clone());
            Ok(())
        };
        issues.iter().map(&mut one).collect()
    }

    async fn delivered(&self, debts: &[Debt], _: &Run) -> Vec<Result<(), DirectoryError>> {
        let mut inner = self.lock();
        let mut one = |debt: &Debt| {
            fails(&mut inner.failing_delivered, debt)?;
            inner.owing(debt, |live| {
                live.credential = CredentialMark::Given(debt.owed.reset().cloned().unwrap_or_default());
                Some(())
            })
        };
        debts.iter().map(&mut one).collect()
    }

    async fn remember(&self, owner: &Name, root: Option<&str>, settings: &Settings) -> Result<(), DirectoryError> {
        let mut inner = self.lock();
        let root = root.filter(|root| inner.roots.get(owner).or(inner.root.as_ref()).is_none_or(|known| known != root));
        if let Some(root) = root {
            inner.roots.insert(owner.clone(), root.to_owned());
        }
        let differs = inner.settings.get(owner) != Some(settings);
        if differs {
            inner.settings.insert(owner.clone(), settings.clone());
        }
        inner.writes += u64::from(root.is_some() || differs);
        Ok(())
    }

    async fn lease(&self, right: Right, wait: Duration) -> Result<Lease, DirectoryError> {
        let one = match right {
            Right::Run => &self.run,
            Right::Write => &self.write,
        };
        if let Ok(permit) = Arc::clone(one).try_acquire_owned() {
            return Ok(Lease::new(permit));
        }
        let locked = || DirectoryError::new("take the lock", ErrorKind::Locked(None));
        let waiting = tokio::time::timeout(wait, Arc::clone(one).acquire_owned());
        waiting.await.ok().and_then(Result::ok).map(Lease::new).ok_or_else(locked)
    }
}

impl Inner {
    fn look(&self, owner: Option<&Name>, since: Option<Timestamp>) -> Observed {
        let (ours, strangers) = self.table.look();
        let mut observed = Observed { ours, strangers, ..Observed::default() };
        for (_, namespace) in self.losses.iter().filter(|(at, _)| since.is_none_or(|since| *at > since)) {
            *observed.spent.0.entry(namespace.clone()).or_default() += 1;
        }
        observed.applied.root = owner.and_then(|owner| self.roots.get(owner)).or(self.root.as_ref()).cloned();
        observed.applied.settings = owner.and_then(|owner| self.settings.get(owner)).cloned();
        let others = self.settings.iter().filter(|(other, _)| Some(*other) != owner);
        observed.applied.others = others.map(|(owner, settings)| (owner.clone(), settings.clone())).collect();
        observed
    }

    fn execute(&mut self, change: &Change, run: &Run) -> Result<Executed, DirectoryError> {
        let id = change.remote.as_ref().or_else(|| self.table.id(&change.key));
        let old = id.and_then(|id| self.table.get(id)).cloned();
        let found = old.as_ref().map(|entry| self.table.placed(entry));
        let lost = if run.losses_allowed { 0 } else { change.loss };
        let loser = rows::loses(change, found.as_ref());
        let (id, version) = match (rows::step(change, found.as_ref(), self.now)?, old) {
            (Step::Settled(executed), _) => return Ok(executed),
            (Step::Insert(write), _) => {
                let parent = self.table.parent(change, &write, None)?;
                self.ids += 1;
                let id = RemoteId(format_smolstr!("m{:07}", self.ids));
                let version = rows::version(write.version);
                let entry = entry(id.clone(), self.now, write, parent);
                self.table.put(entry).map_err(|claim| rows::taken(change, claim))?;
                (id, Some(version))
            }
            (Step::Replace(write), Some(old)) => {
                let id = old.found.id().clone();
                let parent = if write.stays { old.parent.clone() } else { self.table.parent(change, &write, Some(&id))? };
                let version = rows::version(write.version);
                let (unused, secret) = (self.unused_after(&old.found, write.secret), write.secret);
                let mut entry = entry(id.clone(), old.found.created_at(), write, parent);
                if let Found::Managed(live) = &mut entry.found {
                    live.unused_until = unused;
                }
                self.table.take(&id);
                if let Err(claim) = self.table.put(entry) {
                    self.table.put(old).expect("it was there before");
                    return Err(rows::taken(change, claim));
                }
                if secret != Secret::Stays {
                    self.secrets.remove(&id);
                }
                (id, Some(version))
            }
            (Step::Remove(_), Some(old)) => {
                let id = old.found.id().clone();
                let count = self.table.children(&id);
                if count > 0 {
                    return Err(rows::inhabited(change, count));
                }
                self.table.take(&id);
                (id, None)
            }
            (Step::Replace(_) | Step::Remove(_), None) => return Err(rows::failure(change, ErrorKind::Moved)),
        };
        self.losses.extend((0..lost).map(|_| (self.now, loser.clone())));
        self.writes += 1;
        Ok(Executed { id, version })
    }

    /// Does something to an account that owes this; `None` from `act` is one that does not.
    fn owing<T>(&mut self, debt: &Debt, act: impl FnOnce(&mut Live) -> Option<T>) -> Result<T, DirectoryError> {
        let done = match self.table.get_mut(&debt.id).map(|entry| &mut entry.found) {
            Some(Found::Managed(live)) if live.credential == debt.owed && debt.owed.is_owed() => act(live),
            Some(Found::Managed(_) | Found::Stranger(_)) | None => None,
        };
        self.writes += u64::from(done.is_some());
        done.ok_or_else(|| DirectoryError::new(format!("give {} its credential", debt.key), ErrorKind::Moved))
    }

    /// Until when the secret of an account is unused, after a write.
    fn unused_after(&self, found: &Found, secret: Secret) -> Option<Timestamp> {
        let until = match found {
            Found::Managed(live) => live.unused_until,
            Found::Stranger(_) => None,
        };
        match secret {
            Secret::Stays => until,
            Secret::Dies => None,
            Secret::DiesUnused => until.map(|until| until.min(self.now)),
        }
    }
}

/// Whether this is the one that was to fail.
fn fails(failing: &mut Option<(u64, ErrorKind)>, debt: &Debt) -> Result<(), DirectoryError> {
    match failing {
        Some((nth, _)) if *nth > 1 => *nth -= 1,
        Some((_, kind)) => {
            let error = DirectoryError::new(format!("give {} its credential", debt.key), kind.clone());
            *failing = None;
            return Err(error);
        }
        None => {}
    }
    Ok(())
}
