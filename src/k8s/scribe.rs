//! Writes to objects, in the background and many at once: the directory does not wait for the API server. One write of an object
//! at a time; the answer goes back into the index, so that nothing is written twice.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{Semaphore, watch};

use super::{
    cluster::{Cluster, ClusterError},
    index::{Index, Watched},
    item::Item,
    metrics::Metrics,
};
use crate::{manifest::Status, model::Key};

/// Writes at once.
const WIDTH: usize = 32;
/// How long after a write that failed the object is looked at again.
const AGAIN: Duration = Duration::from_secs(1);

/// What is to be written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Job {
    /// Our finalizer is put on.
    Keep,
    /// Our finalizer is taken off.
    LetGo,
    /// The status is this.
    Say(Box<Status>),
    /// The same, and somebody waits for it to be there.
    Stamp(Box<Status>),
}

/// Takes what is to be written.
#[derive(Clone)]
pub(super) struct Scribe {
    cluster: Cluster,
    index: Arc<Mutex<Index>>,
    revision: watch::Sender<u64>,
    metrics: Arc<Metrics>,
    /// Objects that are being written, and whether something else is to be written on them by now.
    busy: Arc<Mutex<HashMap<Key, bool>>>,
    width: Arc<Semaphore>,
}

impl Scribe {
    pub(super) fn new(cluster: Cluster, index: Arc<Mutex<Index>>, revision: watch::Sender<u64>, metrics: Arc<Metrics>) -> Self {
        Self { cluster, index, revision, metrics, busy: Arc::default(), width: Arc::new(Semaphore::new(WIDTH)) }
    }

    /// Writes, unless something is being written on this object: then it is looked at again afterwards.
    pub(super) fn submit(&self, item: &Arc<Item>, job: Job) {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(again) = busy.get_mut(&item.key) {
            *again = true;
            return;
        }
        busy.insert(item.key.clone(), false);
        drop(busy);
        let (scribe, item) = (self.clone(), Arc::clone(item));
        tokio::spawn(async move { scribe.write(&item, job).await });
    }

    /// Whether something is being written.
    pub(super) fn is_busy(&self) -> bool {
        !self.busy.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    async fn write(&self, item: &Item, job: Job) {
        let permit = self.width.acquire().await;
        // It may have waited: what has happened meanwhile is not done again, and what is old is not said any more.
        let Some(item) = self.still(item, &job) else {
            let again = self.done(item);
            if again || matches!(job, Job::Say(_) | Job::Stamp(_)) {
                self.wake(item);
            }
            return;
        };
        let item = &*item;
        let done = match &job {
            Job::Keep => self.cluster.keep(item, true).await,
            Job::LetGo => self.cluster.keep(item, false).await,
            Job::Say(status) | Job::Stamp(status) => self.cluster.say(item, status).await,
        };
        drop(permit);
        self.metrics.wrote(&job, done.is_ok());
        let failed = done.as_ref().err().is_some_and(|error| !error.moved());
        let news = match done {
            Ok(raw) => self.index.lock().unwrap_or_else(PoisonError::into_inner).put(Watched::Kind(item.key.kind), &raw),
            Err(error) => {
                report(item, &error);
                false
            }
        };
        let again = self.done(item);
        if news || again || matches!(job, Job::Stamp(_)) {
            self.wake(item);
        }
        if failed {
            tokio::time::sleep(AGAIN).await;
            self.wake(item);
        }
    }

    /// The object as it is now, where the job is still to be done on it. What is said was decided on one version of it: what stands
    /// there by now may be newer.
    fn still(&self, item: &Item, job: &Job) -> Option<Arc<Item>> {
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let now = index.get(&item.key).filter(|now| now.uid == item.uid)?;
        let still = match job {
            Job::Keep => !now.is_kept() && !now.deleting,
            Job::LetGo => now.is_kept(),
            Job::Say(_) | Job::Stamp(_) => now.version == item.version,
        };
        still.then(|| Arc::clone(now))
    }

    /// Nothing is written on an object any more; whether something else was to be, meanwhile.
    fn done(&self, item: &Item) -> bool {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&item.key).unwrap_or(false)
    }

    fn wake(&self, item: &Item) {
        self.index.lock().unwrap_or_else(PoisonError::into_inner).touch(item);
        self.revision.send_modify(|revision| *revision += 1);
    }
}

fn report(item: &Item, error: &ClusterError) {
    match error {
        // The object is another one by now: the watch brings it.
        error if error.moved() => tracing::debug!(key = %item.key, %error, "the object has changed meanwhile"),
        ClusterError::Fenced => {}
        ClusterError::Slow | ClusterError::Api(_) => tracing::warn!(key = %item.key, %error, "the object cannot be written"),
    }
}
