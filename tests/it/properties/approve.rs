//! An approved plan, held against what a directory held before a run and after it, object by object.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tenantry::{
    manifest::Project,
    model::{Field, FieldChange, FieldValue, Kind, RemoteId, State},
    observed::{Observed, Scope},
    plan::{Approved, ApprovedChange, ChangeKind, Hold},
    report::ResultKind,
};

use super::{
    organisation::{foreigners, judge, two},
    world::{World, told},
};

/// By id, what it is and what it stands under by id, which no renaming changes.
fn seen(observed: &Observed) -> BTreeMap<RemoteId, (State, Option<RemoteId>)> {
    let above = |state: &State| state.above().and_then(|key| observed.get(&key)).map(|live| live.id.clone());
    observed.ours.iter().map(|live| (live.id.clone(), (live.state.clone(), above(&live.state)))).collect()
}

/// Everything that is other than it was stands in the approved plan. A place of another name may be the same place.
fn only_approved(approved: &Approved, before: &Observed, after: &Observed) {
    let by_id: BTreeMap<&RemoteId, &ApprovedChange> =
        approved.changes.values().filter_map(|change| Some((change.remote.as_ref()?, change))).collect();
    let (was, is) = (seen(before), seen(after));
    for (id, (state, above)) in &is {
        let Some((found, found_above)) = was.get(id) else {
            if before.strangers.iter().any(|it| it.id == *id) {
                assert!(by_id.contains_key(id), "{} was taken over", state.key);
            } else {
                let change = approved.changes.get(&state.key);
                assert!(change.is_some_and(|it| it.kind == ChangeKind::Create), "{} was created", state.key);
            }
            continue;
        };
        let same_place = above == found_above && found.key.namespace == state.key.namespace;
        let place = |change: &FieldChange| matches!(change.field, Field::Parent | Field::Company | Field::Customer);
        for change in found.changes(state).into_iter().filter(|change| !(same_place && place(change))) {
            let stands = by_id.get(id).is_some_and(|it| {
                // To be deleted and to have got no further than shut off is a part of that.
                it.kind == ChangeKind::Delete || it.fields.iter().any(|it| (it.field, &it.after) == (change.field, &change.after))
            });
            // Whoever is below what is shut off is shut off with it.
            let off = change.field == Field::Enabled && change.after == FieldValue::Flag(false);
            assert!(stands || off && shut_above(state, after), "{}: {change:?} was not approved", state.key);
        }
    }
    for (id, (state, _)) in was.iter().filter(|(id, _)| !is.contains_key(*id)) {
        let approved = by_id.get(id).is_some_and(|it| {
            let released = it.fields.iter().any(|it| it.field == Field::Owner && it.after == FieldValue::None);
            it.kind == ChangeKind::Delete || released
        });
        assert!(approved, "{} is gone", state.key);
    }
}

/// Whether something above is shut off.
fn shut_above(state: &State, after: &Observed) -> bool {
    let mut at = state.above();
    for _ in 0..=after.ours.len() {
        let Some(above) = at.as_ref().and_then(|key| after.get(key)) else { return false };
        if !above.state.enabled || above.state.retired {
            return true;
        }
        at = above.state.above();
    }
    false
}

/// Nobody is left able to sign in below something that the run shut off.
fn nobody_left_in(before: &Observed, after: &Observed) {
    let was = |key| before.get(key).is_some_and(|live| shut_above(&live.state, before));
    for live in
        after.ours.iter().filter(|live| live.state.key.kind == Kind::User && live.state.enabled && live.state.owner.is_some())
    {
        assert!(!shut_above(&live.state, after) || was(&live.state.key), "{} was left in", live.state.key);
    }
}

/// Nobody comes to be able to sign in below something that is shut off.
fn nobody_let_in(before: &Observed, after: &Observed) {
    let was: BTreeSet<&RemoteId> = before.ours.iter().filter(|live| live.state.enabled).map(|live| &live.id).collect();
    let new = after.ours.iter().filter(|live| live.state.key.kind == Kind::User && live.state.enabled && !was.contains(&live.id));
    for live in new {
        let mut at = live.state.above();
        for _ in 0..=after.ours.len() {
            let Some(above) = at.as_ref().and_then(|key| after.get(key)) else { break };
            let open = above.state.enabled && !above.state.retired;
            assert!(open, "{} was let in below {}", live.state.key, above.state.key);
            at = above.state.above();
        }
    }
}

/// Takes from an approved plan every change whose turn in `kept` says so.
fn subset(approved: &Approved, kept: &[bool]) -> Approved {
    let changes = approved.changes.iter().zip(kept.iter().cycle()).filter(|(_, kept)| **kept);
    Approved { changes: changes.map(|((key, change), _)| (key.clone(), change.clone())).collect(), ..approved.clone() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Of a plan goes on what is approved and nothing else, without a failure; all of it, if all is approved.
    #[test]
    fn what_is_approved_is_done_and_nothing_else(
        (first, second) in two(),
        foreigners in foreigners(),
        kept in prop::collection::vec(any::<bool>(), 1..9),
    ) {
        let (project, world) = (Project::default(), World::new(&foreigners));
        world.carry_out(&judge(&first, &project), &project, &Scope::All);
        let desired = judge(&second, &project);
        let plan = world.decide(&desired, &project, &Scope::All);
        let whole = Approved::of(&plan);
        let again = world.decide_approved(&desired, &project, &Scope::All, Some(&whole));
        prop_assert!(again == plan, "{}approved is\n{}", told(&plan), told(&again));

        let nothing = Approved { changes: BTreeMap::new(), ..whole.clone() };
        let none = world.decide_approved(&desired, &project, &Scope::All, Some(&nothing));
        prop_assert_eq!(none.changes().count(), 0);
        prop_assert_eq!((none.losses(), none.tally.last_holders.len(), none.mails()), (0, 0, 0));

        let some = subset(&whole, &kept);
        let before = world.directory.snapshot();
        let partly = world.decide_approved(&desired, &project, &Scope::All, Some(&some));
        for decision in &plan.decisions {
            let now = partly.decision(&decision.key);
            // What a broken re-keying left at an old key is told there.
            let told_of = now.is_some() || decision.change.is_none();
            prop_assert!(told_of, "{} is forgotten\n{}", decision.key, told(&partly));
        }
        let report = world.run(&partly);
        for outcome in &report.results {
            prop_assert_eq!(&outcome.result, &ResultKind::Applied, "{} {}\n{}of\n{}", outcome.verb.as_str(), outcome.key, told(&partly), told(&plan));
        }
        let after = world.directory.snapshot();
        only_approved(&some, &before, &after);
        nobody_let_in(&before, &after);
        nobody_left_in(&before, &after);
        world.kept(&desired, &partly, &before);

        // The same approval again finds nothing to do, and all the rest is done by a plan of its own.
        let again = world.decide_approved(&desired, &project, &Scope::All, Some(&some));
        let waiting = again.held().any(|(_, held)| held.hold != Hold::NotApproved);
        prop_assert!(again.changes().next().is_none() || waiting, "{}after\n{}of\n{}", told(&again), told(&partly), told(&plan));
        world.settle(&[(&desired, &project)]);
    }
}
