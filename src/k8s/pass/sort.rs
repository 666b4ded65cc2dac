//! From what was seen of the cluster to what is declared: which objects count, and as what.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use smol_str::SmolStr;

use super::Worker;
use crate::{
    k8s::{cluster::Life, index::View, item::Item},
    manifest::{Form, Lowered, Origin, Project},
    model::{Deletion, Key, Kind},
    observed::Observed,
    plan::{Held, Hold},
};

/// How an object is taken in a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stand {
    /// As what it says; deleted, as a removal.
    Counts,
    /// Without our finalizer it may go at any time: nothing is written for it yet.
    Unkept,
    /// It is bound to another Directory, and stays so until somebody says otherwise.
    Foreign(SmolStr),
    /// Another object has taken its account.
    Moved(Key),
    /// Its definition is being deleted: it is let go, and nobody is removed.
    Undefined,
    /// Somebody rejected its removal: it is let go, and its account stays.
    Rejected,
    /// Its removal means that the account stays as it is, and nothing can be written now: it is let go.
    LetBe,
    /// It has been let go, and is about to be gone.
    Leaving,
}

/// An object, and how it is taken.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) item: Arc<Item>,
    pub(super) stand: Stand,
    /// Somebody removed it, by itself or with its namespace.
    pub(super) gone: bool,
    /// Older objects have lower ones.
    pub(super) rank: u32,
}

impl Row {
    /// Whether it takes part in planning.
    pub(super) fn counts(&self) -> bool {
        matches!(self.stand, Stand::Counts | Stand::Unkept)
    }
}

/// What removing an object means: what it said when it was last applied.
pub(super) fn deletion(item: &Item, project: &Project) -> Option<Deletion> {
    // Being deleted is a generation of its own.
    let applied = item.status.observed_generation.is_some_and(|it| it + i64::from(item.deleting) >= item.generation);
    let Form::Sound(declared) = &item.form else { return None };
    applied.then(|| declared.deletion.unwrap_or(project.deletion))
}

impl Worker {
    /// Takes every object for what it is. What is removed with its whole kind or namespace is found out from the server, now: a
    /// deletion says nothing of why.
    pub(super) async fn sort(&mut self, view: &View, project: Option<&Project>) -> Vec<Row> {
        let name = view.binding.name.as_str();
        let leaving: Vec<&Arc<Item>> = view.items.iter().filter(|it| it.deleting && it.is_kept()).collect();
        let kinds: BTreeSet<Kind> = leaving.iter().map(|it| it.key.kind).collect();
        let homes: BTreeSet<SmolStr> = leaving.iter().map(|it| it.home.clone()).collect();
        let mut undefined: BTreeMap<Kind, Option<Life>> = BTreeMap::new();
        for kind in kinds {
            undefined.insert(kind, self.life(&Ask::Kind(kind)).await);
        }
        let mut ending: BTreeMap<SmolStr, Option<Life>> = BTreeMap::new();
        for home in homes {
            let life = self.life(&Ask::Namespace(home.clone())).await;
            ending.insert(home, life);
        }
        let mut ages: Vec<usize> = (0..view.items.len()).collect();
        ages.sort_by_key(|at| (view.items[*at].created, &view.items[*at].uid));
        let mut ranks = vec![0; ages.len()];
        for (rank, at) in ages.into_iter().enumerate() {
            ranks[at] = u32::try_from(rank).unwrap_or(u32::MAX);
        }
        let row = |(item, rank): (&Arc<Item>, u32)| {
            // What never had an account is bound to nothing.
            let bound = item.status.directory.as_deref().filter(|it| *it != name && item.status.directory_id.is_some());
            let bound = bound.filter(|_| item.asks.rebind.as_deref() != Some(name));
            let removed = item.deleting && item.is_kept();
            let life = |it: Option<&Option<Life>>| it.copied().flatten();
            // What could not be asked is no reason to remove anybody.
            let unknown = removed && (life(undefined.get(&item.key.kind)).is_none() || life(ending.get(&item.home)).is_none());
            let retain = removed && project.is_some_and(|it| deletion(item, it) == Some(Deletion::Retain));
            let stand = if item.deleting && !item.is_kept() {
                Stand::Leaving
            } else if removed && life(undefined.get(&item.key.kind)) == Some(Life::Ending) {
                Stand::Undefined
            } else if removed && item.status.rejected.is_some() && view.binding.rejection().is_none() {
                Stand::Rejected
            } else if retain && item.asks.paused {
                Stand::LetBe
            } else if let Some(other) = bound {
                Stand::Foreign(other.into())
            } else if item.is_kept() {
                Stand::Counts
            } else {
                Stand::Unkept
            };
            let with_namespace = item.is_kept() && life(ending.get(&item.home)) == Some(Life::Ending);
            Row { item: Arc::clone(item), stand, gone: (removed || with_namespace) && !unknown, rank }
        };
        view.items.iter().zip(ranks).map(row).collect()
    }

    async fn life(&mut self, ask: &Ask) -> Option<Life> {
        let cluster = &self.shared.cluster;
        let life = match ask {
            Ask::Kind(kind) => cluster.definition(*kind).await,
            Ask::Namespace(name) => cluster.namespace(name).await,
        };
        life.inspect_err(|error| tracing::warn!(%error, "it cannot be told why objects are deleted: nobody is removed")).ok()
    }

    /// Finds objects whose account another one has taken, or is about to: that one says where it was, and only one of the two has
    /// an account.
    pub(super) fn find_moved(rows: &mut [Row], observed: &Observed) {
        let mut moved: BTreeMap<Key, Key> = BTreeMap::new();
        let at = |key: &Key| rows.binary_search_by(|row| row.item.key.cmp(key)).ok().map(|at| &rows[at]);
        for row in rows.iter().filter(|row| row.counts() && !row.gone) {
            let Form::Sound(declared) = &row.item.form else { continue };
            let Some(from) = &declared.moved_from else { continue };
            let Some(old) = at(from) else { continue };
            // Where neither has an account there is nothing to take, and where both have one it was taken long ago, or never.
            let accounts = (observed.get(&row.item.key), observed.get(from));
            let ((Some(account), None) | (None, Some(account))) = accounts else { continue };
            // Somebody new may bear the old name: it is the old object only if it was told of this account.
            if old.item.status.directory_id.as_deref() == Some(account.id.0.as_str()) {
                moved.insert(old.item.key.clone(), row.item.key.clone());
            }
        }
        for row in rows.iter_mut() {
            if let (Stand::Counts | Stand::Unkept, Some(by)) = (&row.stand, moved.remove(&row.item.key)) {
                row.stand = Stand::Moved(by);
            }
        }
    }

    /// The documents that these objects are; those whose removal is not believed yet are left out: then nothing is said of them.
    pub(super) fn documents(rows: &[Row], unbelieved: &BTreeSet<Key>) -> Vec<Lowered> {
        let rows = rows.iter().filter(|row| row.counts() && !(row.gone && unbelieved.contains(&row.item.key)));
        rows.filter_map(|row| {
            let form = match (row.gone, row.item.deleting) {
                (true, _) => Form::Gone,
                (false, false) => row.item.form.clone(),
                // Why it is deleted could not be asked.
                (false, true) => return None,
            };
            Some(Lowered { key: row.item.key.clone(), origin: Origin { file: 0, line: row.rank }, form })
        })
        .collect()
    }

    /// What nothing is written for now, and why.
    pub(super) fn set_aside(&mut self, rows: &[Row], now: Instant) -> BTreeMap<Key, Held> {
        let known = |key: &Key| rows.binary_search_by(|row| row.item.key.cmp(key)).is_ok();
        self.troubles.retain(|key, _| known(key));
        let aside = rows.iter().filter(|row| row.counts()).filter_map(|row| {
            let item = &row.item;
            let held = if item.asks.paused {
                let message = "paused: nothing is written as long as the annotation `tenantry.dev/paused` is there";
                Held { hold: Hold::Paused, message: message.into() }
            } else if row.stand == Stand::Unkept {
                Held { hold: Hold::Progressing, message: "it is being taken up".into() }
            } else {
                let trouble = self.troubles.get(&item.key).filter(|it| it.concerns(item) && now < it.until)?;
                Held { hold: Hold::Progressing, message: trouble.message.clone() }
            };
            Some((item.key.clone(), held))
        });
        aside.collect()
    }
}

/// What the server is asked for by name.
enum Ask {
    Kind(Kind),
    Namespace(SmolStr),
}
