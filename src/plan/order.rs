//! The order in which changes are carried out.
//!
//! Stages: 1 shutting off and lost privileges; 2 parking; 3 roles; 4 companies by depth in the wanted tree, top first, so
//! that a turned-round edge never makes a cycle; 5 customers; 6 users, whoever frees a value before whoever takes it;
//! 7 releases and deletes, reversed. A change that shuts somebody off and does more is split: leavers never wait for
//! joiners. A cycle of claims (a swap) is broken by parking one member inside its one change; after a crash the next plan
//! sees a plain rename.

use std::collections::{BTreeMap, HashMap, HashSet};

use smol_str::format_smolstr;

use super::{
    claims::{Claim, claims},
    types::{Action, Change, Plan},
};
use crate::model::{Body, Email, Field, FieldChange, FieldValue, Key, Kind, Line, RemoteId, State, Username};

/// Something to carry out: a change, or the part of one that comes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What a directory is asked to do.
    pub change: Change,
    /// Keys whose steps before this one must not have failed.
    pub needs: Vec<Key>,
    /// Whether the change is done after it.
    pub last: bool,
}

/// Steps that do not depend on each other.
pub type Stage = Vec<Step>;

/// Where a change's main step belongs; the order is the order of execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    ShutOff,
    Set(Kind),
    Leave(std::cmp::Reverse<Kind>),
}

impl Plan {
    /// The changes in the order of execution.
    pub fn stages(&self) -> Vec<Stage> {
        let changes: Vec<&Change> = self.changes().collect();
        let needs = Needs::new(&changes, &self.after);
        let (mut first, mut parked) = (Stage::new(), Stage::new());
        let mut phases: BTreeMap<Phase, Vec<Step>> = BTreeMap::new();
        for change in &changes {
            let (early, main) = split(change);
            first.extend(early.map(|change| Step { change, needs: Vec::new(), last: false }));
            let phase = phase(&main);
            if phase == Phase::ShutOff {
                first.push(Step { change: main, needs: Vec::new(), last: true });
            } else {
                let needs = needs.of(&main);
                phases.entry(phase).or_default().push(Step { change: main, needs, last: true });
            }
        }
        let later: Vec<Stage> = phases.into_values().flat_map(|steps| levels(steps, &mut parked)).collect();
        [first, parked].into_iter().chain(later).filter(|stage| !stage.is_empty()).collect()
    }
}

fn phase(change: &Change) -> Phase {
    let leave = Phase::Leave(std::cmp::Reverse(change.key.kind));
    match &change.action {
        Action::Delete => leave,
        Action::Update { fields: _, to } if to.owner.is_none() => leave,
        Action::Update { fields, to: _ } if !fields.is_empty() && fields.iter().all(|it| shuts_off(change, it)) => Phase::ShutOff,
        Action::Create(_) | Action::Update { .. } => Phase::Set(change.key.kind),
    }
}

/// Whether a field's change belongs to shutting somebody off.
fn shuts_off(change: &Change, difference: &FieldChange) -> bool {
    let FieldChange { field, before: _, after } = difference;
    let flags = [(Field::Enabled, false), (Field::Suspended, true), (Field::Retired, true)];
    // A role that changes in a loss is a privilege given up, unless the loss is another one; then it does no harm here, since
    // the planner let no role through that cannot live where the user is.
    let demoted = *field == Field::Role && change.loss > 0 && change.before.as_deref().is_some_and(|before| !moves(before, change));
    demoted || *field == Field::Locked || flags.iter().any(|(flag, value)| field == flag && *after == FieldValue::Flag(*value))
}

fn moves(before: &State, change: &Change) -> bool {
    match &change.action {
        Action::Update { fields: _, to } => before.place != to.place || before.key != to.key,
        Action::Create(_) | Action::Delete => false,
    }
}

/// A privilege given up, where the lesser role fits the place that somebody is still in. A loss that neither shuts off,
/// releases nor re-keys is that of a privilege.
fn stepped_down(change: &Change, before: &State, to: &State) -> Option<State> {
    let kind = |state: &State| state.above().map(|above| above.kind);
    let fits = kind(before) == kind(to);
    let lost = change.loss > 0 && to.enabled && to.owner.is_some() && before.key == to.key;
    let role = &to.body.user().filter(|_| fits && lost)?.role;
    let mut state = before.clone();
    if let Body::User(user) = &mut state.body {
        user.role = role.clone();
    }
    (state != *before).then_some(state)
}

/// Takes the shutting off out of a change that does more: first that, then the rest.
fn split(change: &Change) -> (Option<Change>, Change) {
    let to = change.before.as_deref().filter(|before| before.enabled && change.key.kind != Kind::Role).and_then(|before| {
        let off = State { enabled: false, ..before.clone() };
        match &change.action {
            Action::Delete => Some(off),
            Action::Update { fields: _, to } if !to.enabled && to.owner.is_some() && phase(change) != Phase::ShutOff => {
                Some(State { suspended: to.suspended, ..off })
            }
            Action::Update { fields: _, to } if phase(change) != Phase::ShutOff => stepped_down(change, before, to),
            Action::Create(_) | Action::Update { .. } => None,
        }
    });
    match (to, change.before.as_deref()) {
        (Some(to), Some(before)) => (Some(toward(change, before, &to)), after(change, to)),
        _ => (None, change.clone()),
    }
}

/// The part of a change that takes an object from `before` as far as `to`.
fn toward(change: &Change, before: &State, to: &State) -> Change {
    let action = Action::Update { fields: before.changes(to), to: Box::new(to.clone()) };
    Change { action, credential: None, ..change.clone() }
}

/// What is left of a change once an object has come as far as `from`.
fn after(change: &Change, from: State) -> Change {
    let action = match &change.action {
        Action::Update { fields: _, to } => Action::Update { fields: from.changes(to), to: to.clone() },
        Action::Create(_) | Action::Delete => change.action.clone(),
    };
    Change { action, before: Some(Box::new(from)), loss: 0, ..change.clone() }
}

/// Who gives what, and who stands where, so that a change can be asked what it needs.
struct Needs<'a> {
    /// Keys that come into being, or come to be called so.
    arriving: HashSet<&'a Key>,
    /// Who gives up a value.
    giving: HashMap<Claim, &'a Key>,
    /// Who stands under something now and leaves it, or leaves altogether.
    leaving: HashMap<Key, Vec<&'a Key>>,
    /// Companies that move, and which of those above them moves first.
    after: &'a BTreeMap<Key, Key>,
}

impl<'a> Needs<'a> {
    fn new(changes: &[&'a Change], after: &'a BTreeMap<Key, Key>) -> Self {
        let mut this = Self { arriving: HashSet::new(), giving: HashMap::new(), leaving: HashMap::new(), after };
        let removing = changes.iter().any(|change| matches!(phase(change), Phase::Leave(_)));
        for change in changes {
            let to = match &change.action {
                Action::Create(to) | Action::Update { fields: _, to } => Some(to.as_ref()),
                Action::Delete => None,
            };
            let before = change.before.as_deref();
            if before.is_none_or(|before| before.key != change.key || before.retired) {
                this.arriving.insert(&change.key);
            }
            if let (Some(before), Some(to)) = (before, to) {
                let kept = claims(to, to.above());
                this.giving
                    .extend(claims(before, before.above()).into_iter().filter(|it| !kept.contains(it)).map(|it| (it, &change.key)));
            }
            if let Some(above) = before.filter(|_| removing).and_then(State::above)
                && to.and_then(State::above).as_ref() != Some(&above)
            {
                this.leaving.entry(above).or_default().push(&change.key);
            }
        }
        this
    }

    fn of(&self, change: &Change) -> Vec<Key> {
        let to = match &change.action {
            Action::Create(to) | Action::Update { fields: _, to } if to.owner.is_some() => to,
            Action::Create(_) | Action::Update { .. } | Action::Delete => {
                let leaving = change.before.as_deref().and_then(|before| self.leaving.get(&before.key));
                return leaving.into_iter().flatten().map(|key| (*key).clone()).collect();
            }
        };
        let mut needs = Vec::new();
        let before = change.before.as_deref();
        needs.extend(to.above().filter(|above| self.arriving.contains(above)));
        needs.extend(self.after.get(&change.key).cloned());
        if let Body::User(user) = &to.body {
            let own = to.key.sibling(Kind::Role, user.role.clone());
            let global = Key { namespace: crate::model::Namespace::GLOBAL, ..own.clone() };
            needs.extend([own, global].into_iter().filter(|role| self.arriving.contains(role)));
        }
        let held = before.map_or_else(Vec::new, |before| claims(before, before.above()));
        for claim in claims(to, to.above()).into_iter().filter(|claim| !held.contains(claim)) {
            needs.extend(self.giving.get(&claim).filter(|key| **key != &change.key).map(|key| (*key).clone()));
        }
        needs
    }
}

/// Sorts the steps of one phase into levels: whatever another one needs comes before it. Cycles, which only claims can make,
/// are broken by parking.
fn levels(steps: Vec<Step>, parked: &mut Stage) -> Vec<Stage> {
    let index: HashMap<Key, usize> = steps.iter().enumerate().map(|(row, step)| (step.change.key.clone(), row)).collect();
    let mut waits: Vec<Vec<usize>> =
        steps.iter().map(|step| step.needs.iter().filter_map(|key| index.get(key).copied()).collect()).collect();
    let mut steps: Vec<Option<Step>> = steps.into_iter().map(Some).collect();
    let mut left: Vec<usize> = (0..steps.len()).collect();
    let mut out = Vec::new();
    while !left.is_empty() {
        let (ready, waiting): (Vec<usize>, Vec<usize>) =
            left.iter().partition(|row| waits[**row].iter().all(|other| steps[*other].is_none()));
        if ready.is_empty() {
            let member = on_cycle(&waits, &steps, waiting[0]);
            if let Some(step) = &mut steps[member]
                && let Some((parking, rest)) = park(&step.change)
            {
                parked.push(Step { change: parking, needs: Vec::new(), last: false });
                step.change = rest;
            }
            // Nobody waits for what is parked: its values are free.
            for wait in &mut waits {
                wait.retain(|other| *other != member);
            }
            continue;
        }
        out.push(ready.iter().filter_map(|row| steps[*row].take()).collect());
        left = waiting;
    }
    out
}

/// Follows what waits for what, from a step that cannot go on, until one comes round again.
fn on_cycle(waits: &[Vec<usize>], steps: &[Option<Step>], start: usize) -> usize {
    let mut path = vec![start];
    loop {
        let at = path[path.len() - 1];
        let Some(next) = waits[at].iter().copied().find(|other| steps[*other].is_some()) else { return at };
        if let Some(first) = path.iter().position(|row| *row == next) {
            return path[first..].iter().copied().min().unwrap_or(next);
        }
        path.push(next);
    }
}

/// Moves an object's unique values out of the way (`parked-ID`, `ID@parked.invalid`), and what is left to do from there.
fn park(change: &Change) -> Option<(Change, Change)> {
    let before = change.before.as_deref()?;
    let Action::Update { fields, to: _ } = &change.action else { return None };
    let changing = |field| fields.iter().any(|change| change.field == field);
    let RemoteId(id) = change.remote.as_ref()?;
    let mut state = before.clone();
    match &mut state.body {
        Body::User(user) => {
            if changing(Field::Username) {
                user.username = Username::new(&format_smolstr!("parked-{id}")).ok()?;
            }
            if changing(Field::Email) {
                user.email = Email::new(&format_smolstr!("{id}@parked.invalid")).ok()?;
            }
        }
        Body::Customer(customer) => customer.display_name = Line::new(&format_smolstr!("parked-{id}")).ok()?,
        Body::Role(_) | Body::Company(_) => return None,
    }
    let parking = toward(change, before, &state);
    Some((parking, after(change, state)))
}
