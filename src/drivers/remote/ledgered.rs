//! A [`Remote`] and a ledger, as a directory.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::{
    directory::{Debt, Directory, DirectoryError, ErrorKind, Executed, History, Issue, Lease, OwnLink, Right, Run, Traffic},
    drivers::ledger::Ledger,
    model::{Key, Kind, Name, RemoteId},
    observed::{Capabilities, Contents, Observed, Scope, Settings},
    plan::Change,
};

use super::{
    Remote,
    sweep::{DIRECTORY, Roles, Sweep},
};

/// A directory that other people run, with a ledger beside it. Objects stand in the directory, each with its mark; Roles, the
/// trail, the window of losses, what was applied last and the links of set-password mails stand in the ledger.
///
/// Claims and places are judged on the last sweep, which our own writes keep up to date; what is about to be written is read
/// again first. Whoever else writes to the directory meanwhile is told by its own checks, where it has any.
pub struct Ledgered<R> {
    pub(super) remote: R,
    pub(super) ledger: Arc<dyn Ledger>,
    /// An empty ledger is meant, although the directory holds what is ours.
    new_ledger: bool,
    pub(super) sweep: Mutex<Option<Sweep>>,
}

impl<R: Remote> Ledgered<R> {
    /// Puts the two together. No I/O.
    pub fn new(remote: R, ledger: Arc<dyn Ledger>, new_ledger: bool) -> Self {
        Self { remote, ledger, new_ledger, sweep: Mutex::new(None) }
    }

    pub(super) fn on_object(&self, kind: Kind) -> bool {
        self.remote.marks().on_object(kind)
    }

    /// Reads everything anew.
    pub(super) async fn fresh(&self, held: &Observed) -> Result<Sweep, DirectoryError> {
        // The trail's end is read first: whoever writes during the sweep is noticed the next time.
        let last = self.ledger.last().await?;
        let notes = self.ledger.notes().await?;
        self.check_bound(notes.get(DIRECTORY).map(String::as_str))?;
        let roles = Roles::of(held);
        let items = self.remote.sweep(&roles.native).await?;
        let sweep = Sweep::of(self.remote.marks(), items, notes, roles, last);
        self.check_whole(&sweep).await?;
        Ok(sweep)
    }

    /// What the ledger itself holds, which is Roles.
    pub(super) async fn roles(&self, owner: &Name) -> Result<Observed, DirectoryError> {
        self.ledger.observe(owner, &Scope::All, Duration::ZERO).await
    }

    /// What is known of the directory; read where nothing is.
    pub(super) async fn known(&self, known: Option<Sweep>, run: &Run) -> Result<Sweep, DirectoryError> {
        match known {
            Some(sweep) => Ok(sweep),
            None => self.fresh(&self.roles(&run.owner).await?).await,
        }
    }

    /// The sweep with some keys read again; all of it where somebody else has written to the ledger.
    async fn refreshed(&self, mut sweep: Sweep, keys: &BTreeSet<Key>, held: &Observed) -> Result<Sweep, DirectoryError> {
        if self.ledger.last().await? != sweep.last || sweep.roles != Roles::of(held) {
            return self.fresh(held).await;
        }
        let ids: Vec<_> = keys.iter().filter_map(|key| sweep.known(sweep.table.id(key)?)).collect();
        self.reread(&mut sweep, &ids).await?;
        Ok(sweep)
    }

    /// Reads some objects again.
    pub(super) async fn reread(&self, sweep: &mut Sweep, ids: &[(Kind, RemoteId)]) -> Result<(), DirectoryError> {
        if ids.is_empty() {
            return Ok(());
        }
        let items = self.remote.read(ids, &sweep.roles.native).await?;
        for (_, id) in ids {
            sweep.forget(id);
        }
        for item in items {
            sweep.renew(self.remote.marks(), item);
        }
        Ok(())
    }

    /// A ledger belongs to one directory.
    fn check_bound(&self, bound: Option<&str>) -> Result<(), DirectoryError> {
        match bound {
            Some(other) if other != self.remote.name() => {
                let cause = format!(
                    "{} is the ledger of `{other}`, and this is `{}`; give each its own with `spec.ledger`",
                    self.ledger.name(),
                    self.remote.name()
                );
                Err(DirectoryError::new("use this ledger", ErrorKind::Rejected).because(cause))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Unknown is not absent: a directory that held things and holds none is not believed, and neither is a ledger that
    /// knows nothing of marks that are ours.
    async fn check_whole(&self, sweep: &Sweep) -> Result<(), DirectoryError> {
        let incomplete = |cause: String| Err(DirectoryError::new("read the directory", ErrorKind::Incomplete).because(cause));
        if sweep.is_new()
            && !self.new_ledger
            && let Some(what) = sweep.any_ours()
        {
            return incomplete(format!(
                "{} is empty, and the directory holds {what}, which is ours: give the ledger that belongs to it with `spec.ledger`, or begin a new one with `--new-ledger`",
                self.ledger.name()
            ));
        }
        if sweep.items.is_empty() && sweep.last > 0 {
            let past = self.ledger.past(None).await?;
            let mut left = past.things().filter(|(id, thing)| thing.managed() && !thing.gone && !sweep.doomed(id));
            let left = left.find_map(|(_, thing)| thing.key.as_ref().filter(|key| key.kind != Kind::Role));
            if let Some(key) = left {
                return incomplete(format!("an empty list from a directory that held things: the ledger has no deletion of {key}"));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl<R: Remote> Directory for Ledgered<R> {
    fn name(&self) -> &str {
        self.remote.name()
    }

    fn capabilities(&self) -> Arc<Capabilities> {
        self.remote.capabilities()
    }

    fn traffic(&self) -> Option<Traffic> {
        Some(self.remote.traffic())
    }

    async fn observe(&self, owner: &Name, scope: &Scope, window: Duration) -> Result<Observed, DirectoryError> {
        let mut held = self.ledger.observe(owner, &Scope::All, window).await?;
        let mut known = self.sweep.lock().await;
        // Until this one is complete nothing is known.
        let sweep = match (known.take(), scope) {
            (Some(sweep), Scope::Only(keys)) => self.refreshed(sweep, keys, &held).await?,
            (None, Scope::Only(_)) | (Some(_) | None, Scope::All) => self.fresh(&held).await?,
        };
        let (ours, strangers) = sweep.table.look();
        // Roles sort before everything else.
        held.ours.extend(ours);
        held.strangers.extend(strangers);
        held.strangers.sort_by(|a, b| a.id.cmp(&b.id));
        let since = Timestamp::now().checked_sub(window).unwrap_or(Timestamp::MIN);
        sweep.spent(&mut held.spent, since);
        held.applied.begins = sweep.is_new() && sweep.any_ours().is_some();
        *known = Some(sweep);
        Ok(held)
    }

    async fn execute_all(&self, changes: &[Change], run: &Run) -> Vec<Result<Executed, DirectoryError>> {
        self.carry_out(changes, run).await
    }

    async fn issue(&self, issues: &[Issue], run: &Run) -> Vec<Result<(), DirectoryError>> {
        self.give(issues, run).await
    }

    async fn delivered(&self, debts: &[Debt], run: &Run) -> Vec<Result<(), DirectoryError>> {
        self.given(debts, run).await
    }

    async fn link(&self, debt: &Debt) -> Result<Option<OwnLink>, DirectoryError> {
        self.remote.link(&debt.id).await
    }

    async fn contents(&self, ids: &[(Kind, RemoteId)]) -> Result<Vec<Contents>, DirectoryError> {
        self.remote.contents(ids).await
    }

    async fn overdue(&self, now: Timestamp) -> usize {
        self.sweep.lock().await.as_ref().map_or(0, |sweep| sweep.overdue(now).len())
    }

    async fn bury(&self, now: Timestamp, run: &Run) -> Result<(), DirectoryError> {
        self.take_away(now, run).await
    }

    async fn remember(&self, owner: &Name, root: Option<&str>, settings: &Settings) -> Result<(), DirectoryError> {
        if !self.ledger.notes().await?.contains_key(DIRECTORY) {
            // Whoever is faster notes the same, or another directory: the next look says so.
            self.ledger.swap(DIRECTORY, None, Some(self.remote.name())).await?;
        }
        self.ledger.remember(owner, root, settings).await
    }

    fn history(&self) -> Option<&dyn History> {
        Some(&*self.ledger)
    }

    async fn lease(&self, right: Right, wait: Duration) -> Result<Lease, DirectoryError> {
        match self.remote.lease(right, wait).await? {
            Some(lease) => Ok(lease),
            None => self.ledger.lease(right, wait).await,
        }
    }
}
