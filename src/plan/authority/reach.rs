//! The trees of companies and customers before a plan and after it, so numbered that "at or below" is two comparisons: one
//! look for each change, however deep a tree is and whoever asks.

use std::collections::HashMap;

use crate::{
    model::{Key, Kind, RemoteId, State},
    observed::{Observed, Stranger},
    plan::types::{Action, Change, Plan},
};

/// Who stands below whom. What stands in a cycle has no number, and is below nobody.
#[derive(Default)]
struct Tree(HashMap<Key, (usize, usize)>);

impl Tree {
    /// Things with what they stand under. What stands under something that is not among them is a root.
    fn new(things: Vec<(Key, Option<Key>)>) -> Self {
        let rows: HashMap<&Key, usize> = things.iter().enumerate().map(|(row, (key, _))| (key, row)).collect();
        let mut below: Vec<Vec<usize>> = vec![Vec::new(); things.len()];
        let mut waiting = Vec::new();
        for (row, (_, above)) in things.iter().enumerate() {
            match above.as_ref().and_then(|above| rows.get(above)) {
                Some(above) => below[*above].push(row),
                None => waiting.push(Visit::Enter(row)),
            }
        }
        // No recursion: a chain may be as long as the list.
        let (mut spans, mut next) = (vec![None; things.len()], 0);
        while let Some(visit) = waiting.pop() {
            match visit {
                Visit::Enter(row) => {
                    spans[row] = Some((next, next));
                    next += 1;
                    waiting.push(Visit::Leave(row));
                    waiting.extend(below[row].iter().map(|row| Visit::Enter(*row)));
                }
                Visit::Leave(row) => spans[row] = spans[row].map(|(first, _)| (first, next)),
            }
        }
        Self(things.into_iter().zip(spans).filter_map(|((key, _), span)| Some((key, span?))).collect())
    }

    /// Whether a thing is `top`, or below it.
    fn within(&self, top: &Key, key: &Key) -> bool {
        let (Some((first, end)), Some((at, _))) = (self.0.get(top), self.0.get(key)) else { return false };
        first <= at && at < end
    }
}

enum Visit {
    Enter(usize),
    Leave(usize),
}

/// Something that a stranger may stand under.
enum Standing<'a> {
    Ours(&'a Key),
    Stranger(&'a Stranger),
}

/// The trees before a plan and after it.
pub(super) struct Trees<'a> {
    observed: &'a Observed,
    before: Tree,
    /// None where no place changes.
    after: Option<Tree>,
    /// Companies and customers that are called something else after the plan.
    rekeyed: HashMap<&'a Key, &'a Key>,
    /// Companies and customers of ours, and strangers, by identifier; empty where nobody adopts one.
    ids: HashMap<&'a RemoteId, Standing<'a>>,
}

impl<'a> Trees<'a> {
    pub(super) fn new(plan: &'a Plan, observed: &'a Observed) -> Self {
        let places = &observed.ours[..observed.ours.partition_point(|live| live.state.key.kind < Kind::User)];
        let places = || places.iter().filter(|live| live.state.key.kind != Kind::Role);
        let changes: Vec<&Change> =
            plan.changes().filter(|change| matches!(change.key.kind, Kind::Company | Kind::Customer)).collect();
        let old = |change: &'a Change| change.before.as_ref().map_or(&change.key, |before| &before.key);
        let rekeyed: HashMap<&Key, &Key> =
            changes.iter().map(|change| (old(change), &change.key)).filter(|(old, new)| old != new).collect();
        let before = Tree::new(places().map(|live| (live.state.key.clone(), live.state.above())).collect());
        let after = (!changes.is_empty()).then(|| {
            let by_key: HashMap<&Key, &Change> = changes.iter().map(|change| (old(change), *change)).collect();
            let renamed = |key: Key| rekeyed.get(&key).map_or(key, |new| (*new).clone());
            let stays = places().filter(|live| !by_key.contains_key(&live.state.key));
            let stays = stays.map(|live| (live.state.key.clone(), live.state.above().map(renamed)));
            let becomes = changes.iter().filter_map(|change| match &change.action {
                Action::Create(to) | Action::Update { fields: _, to } => Some((change.key.clone(), to.above())),
                Action::Delete => None,
            });
            Tree::new(stays.chain(becomes).collect())
        });
        let adopts = plan.changes().any(|change| change.before.as_ref().is_some_and(|before| before.owner.is_none()));
        let ours = places().map(|live| (&live.id, Standing::Ours(&live.state.key)));
        let strangers = observed.strangers.iter().map(|stranger| (&stranger.id, Standing::Stranger(stranger)));
        let ids = if adopts { ours.chain(strangers).collect() } else { HashMap::new() };
        Self { observed, before, after, rekeyed, ids }
    }

    /// Whether a company or customer is there, and ours.
    pub(super) fn knows(&self, key: &Key) -> bool {
        self.before.0.contains_key(key)
    }

    /// What a company is called after the plan.
    pub(super) fn afterwards<'k>(&'k self, key: &'k Key) -> &'k Key {
        self.rekeyed.get(key).copied().unwrap_or(key)
    }

    /// Whether what a change finds is `top`, or below it.
    pub(super) fn reaches(&self, top: &Key, before: &State, change: &Change) -> bool {
        // `before` has parents under their new names; where a thing stands now is for the directory to say.
        let at = match self.observed.get(&before.key) {
            Some(live) => at(&live.state),
            None => self.above_stranger(change.remote.as_ref()),
        };
        at.is_some_and(|at| self.before.within(top, &at))
    }

    /// Whether what a change leaves is `top`, or below it.
    pub(super) fn will_reach(&self, top: &Key, after: &State) -> bool {
        let tree = self.after.as_ref().unwrap_or(&self.before);
        at(after).is_some_and(|at| tree.within(top, &at))
    }

    /// The nearest thing of ours above a stranger.
    fn above_stranger(&self, id: Option<&RemoteId>) -> Option<Key> {
        let mut id = id?;
        // Longer than there are strangers is a cycle.
        for _ in 0..=self.observed.strangers.len() {
            match self.ids.get(id)? {
                Standing::Ours(key) => return Some((*key).clone()),
                Standing::Stranger(stranger) => id = stranger.parent.as_ref()?,
            }
        }
        None
    }
}

/// Where a thing is in the tree: a company or customer at itself, a user at what they are in.
fn at(state: &State) -> Option<Key> {
    match state.key.kind {
        Kind::Company | Kind::Customer => Some(state.key.clone()),
        Kind::User => state.above(),
        Kind::Role => None,
    }
}
