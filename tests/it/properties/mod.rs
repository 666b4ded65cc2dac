//! The invariants of the core on generated organisations: what goes in against what comes out, never a value in between.

mod approve;
mod authority;
mod organisation;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tenantry::{
    directory::ErrorKind,
    manifest::Project,
    model::{Key, Kind, Name, RemoteId, State},
    observed::{Observed, Scope},
};

use organisation::{Org, foreigners, judge, orgs, two};
use world::{World, alike, holdings, told};

/// A project of somebody's.
fn of(owner: &str) -> Project {
    Project { owner: Name::new(owner).unwrap(), ..Project::default() }
}

/// By id: its state, and the id of what it stands under, which no renaming changes.
fn places(observed: &Observed) -> BTreeMap<RemoteId, (State, Option<RemoteId>)> {
    let above = |state: &State| state.above().and_then(|key| observed.get(&key)).map(|live| live.id.clone());
    observed.ours.iter().map(|live| (live.id.clone(), (live.state.clone(), above(&live.state)))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Invariants 2 and 7: one decision for each key; nothing a plan holds possible fails; the plan after it is empty.
    #[test]
    fn what_was_applied_is_settled(orgs in orgs(1..5), foreigners in foreigners(), days in 0..5i64) {
        let (project, world) = (Project::default(), World::new(&foreigners));
        for org in &orgs {
            let desired = judge(org, &project);
            let before = world.directory.snapshot();
            let plan = world.carry_out(&desired, &project, &Scope::All);
            prop_assert!(plan.decisions.windows(2).all(|pair| pair[0].key < pair[1].key));
            let ours = before.ours.iter().map(|live| &live.state.key);
            let concerned: BTreeSet<&Key> = desired.entries.iter().map(|entry| &entry.key).chain(ours).collect();
            prop_assert_eq!(plan.tally.settled + plan.decisions.len() as u64, concerned.len() as u64);
            let again = world.decide(&desired, &project, &Scope::All);
            // What is held may become possible by what was done: a name that somebody left is free afterwards.
            prop_assert!(again.changes().next().is_none() || plan.held().next().is_some(), "{}after\n{}", told(&again), told(&plan));
            world.settle(&[(&desired, &project)]);
            world.later(days);
        }
    }

    /// Invariant 7 for two owners side by side: taking turns, they come to rest.
    #[test]
    fn owners_side_by_side_come_to_rest(orgs in orgs(2..6), foreigners in foreigners(), days in 0..5i64) {
        let projects = [of("default"), of("others")];
        let world = World::new(&foreigners);
        let mut latest: [Option<_>; 2] = [None, None];
        for (turn, org) in orgs.iter().enumerate() {
            latest[turn % 2] = Some(judge(org, &projects[turn % 2]));
            let both: Vec<_> = latest.iter().zip(&projects).filter_map(|(it, project)| Some((it.as_ref()?, project))).collect();
            world.settle(&both);
            world.later(days);
        }
    }

    /// Invariant 3: what is declared and broken keeps its account as it was, but for shutting off.
    #[test]
    fn invalid_is_not_absent((first, second) in two()) {
        let (project, world) = (Project::default(), World::new(&[]));
        world.carry_out(&judge(&first, &project), &project, &Scope::All);
        let before = world.directory.snapshot();
        world.carry_out(&judge(&second, &project), &project, &Scope::All);
        let after = places(&world.directory.snapshot());
        let was = places(&before);
        for thing in second.things.iter().filter(|thing| thing.broken) {
            let key = thing.key();
            // Another document may say that it was this one: then the account goes on under the new key.
            let Some(live) = before.get(&key) else { continue };
            let (was, was_under) = &was[&live.id];
            let Some((is, is_under)) = after.get(&live.id) else { panic!("{key} is gone") };
            let kept = is.key == key && is.retired == was.retired && is.owner == was.owner && is_under == was_under;
            prop_assert!(kept, "{key}: {was:?} → {is:?}");
            prop_assert!(was.enabled || !is.enabled, "{key} was enabled by a broken document");
        }
    }

    /// Invariant 4: in a part, and while something cannot be read, what is not declared loses nothing but what is shut off
    /// above it.
    #[test]
    fn absence_means_something_only_in_a_whole((first, second) in two(), unreadable in any::<bool>()) {
        let (project, world) = (Project::default(), World::new(&[]));
        world.carry_out(&judge(&first, &project), &project, &Scope::All);
        let before = holdings(&world.directory.snapshot());
        let second = Org { whole: unreadable, unreadable, ..second };
        let desired = judge(&second, &project);
        world.carry_out(&desired, &project, &Scope::All);
        let after = holdings(&world.directory.snapshot());
        let moved: BTreeSet<&Key> = desired.entries.iter().filter_map(|entry| entry.moved_from.as_ref()).collect();
        for (key, was) in before.iter().filter(|(key, _)| desired.get(key).is_none() && !moved.contains(key)) {
            let is = after.get(key).unwrap_or_else(|| panic!("{key} is gone"));
            let same = State { enabled: was.enabled, place: was.place.clone(), ..is.clone() };
            prop_assert_eq!(&same, was);
            prop_assert!(key.kind == Kind::User || is.enabled == was.enabled);
        }
    }

    /// Invariant 6: what belongs to another owner is neither changed nor removed.
    #[test]
    fn what_is_not_ours_stays((first, second) in two(), foreigners in foreigners()) {
        let (theirs, project, world) = (of("others"), Project::default(), World::new(&foreigners));
        world.carry_out(&judge(&first, &theirs), &theirs, &Scope::All);
        let before = holdings(&world.directory.snapshot());
        world.carry_out(&judge(&second, &project), &project, &Scope::All);
        let after = holdings(&world.directory.snapshot());
        for (key, was) in &before {
            prop_assert_eq!(after.get(key), Some(was), "{}", key);
        }
    }

    /// Invariant 8: some keys at a time, in any order, end where all at once ends.
    #[test]
    fn some_at_a_time_end_where_all_at_once_ends(
        (first, second) in two(),
        foreigners in foreigners(),
        order in any::<prop::sample::Index>(),
        size in 1..4usize,
    ) {
        let project = Project::default();
        let (all, some) = (World::new(&foreigners), World::new(&foreigners));
        let first = judge(&first, &project);
        for world in [&all, &some] {
            world.carry_out(&first, &project, &Scope::All);
        }
        let desired = judge(&second, &project);
        all.settle(&[(&desired, &project)]);
        let mut keys: Vec<Key> = first.entries.iter().chain(&desired.entries).map(|entry| entry.key.clone()).collect();
        keys.sort();
        keys.dedup();
        if !keys.is_empty() {
            let by = order.index(keys.len());
            keys.rotate_left(by);
            if by % 2 == 1 { keys.reverse() }
        }
        for _ in 0..keys.len() + 2 {
            let writes = some.directory.writes();
            for keys in keys.chunks(size) {
                some.carry_out(&desired, &project, &Scope::Only(keys.iter().cloned().collect()));
            }
            if some.directory.writes() == writes { break }
        }
        alike(&all, &some);
    }

    /// Whatever fails on the way, a run in which nothing fails ends where one would have ended before which nothing failed.
    #[test]
    fn failures_are_made_good(
        (first, second) in two(),
        foreigners in foreigners(),
        failures in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..4),
    ) {
        let project = Project::default();
        let (sound, failing) = (World::new(&foreigners), World::new(&foreigners));
        let first = judge(&first, &project);
        for world in [&sound, &failing] {
            world.settle(&[(&first, &project)]);
        }
        let desired = judge(&second, &project);
        sound.settle(&[(&desired, &project)]);
        for (nth, lost) in failures {
            failing.fail(&desired, &project, &nth, lost, ErrorKind::Unavailable);
        }
        failing.settle(&[(&desired, &project)]);
        alike(&sound, &failing);
    }
}
