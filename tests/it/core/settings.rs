//! The gate `settings`: what guards a directory is loosened in a run of its own.

use std::time::Duration;

use tenantry::{
    manifest::{Percent, Project},
    model::Username,
    plan::Allow,
};

use super::fixture::{World, key, name};

const HOME: &str = "company c; user u company=c; user v company=c";
const MORE: &str = "company c; user u company=c title=New; user v company=c";

fn guarded() -> World {
    let mut world = World::new();
    world.project.actor = Some(Username::new("u").unwrap());
    world.project.protected = [key("user/v"), key("user/u")].into();
    world.bring(HOME);
    world
}

fn message(world: &World, text: &str) -> Option<String> {
    world.plan(text).refused.into_iter().find(|it| it.gate.name() == "settings").map(|it| it.message)
}

/// An edit of a project, and the line that tells of it.
type Edit = (fn(&mut Project), &'static str);

#[test]
fn what_is_looser_is_named_with_before_and_after() {
    let cases: [Edit; 10] = [
        (|it| it.actor = None, "`actor`: u → none"),
        (|it| it.actor = Some(Username::new("v").unwrap()), "`actor`: u → v"),
        (|it| it.budget.removals = Percent(1_250), "`budget.removals`: 10% → 12.5%"),
        (|it| it.budget.at_least = 6, "`budget.atLeast`: 5 → 6"),
        (|it| it.budget.at_most = 101, "`budget.atMost`: 100 → 101"),
        (|it| it.budget.creates = 100_001, "`budget.creates`: 100000 → 100001"),
        (|it| it.budget.mails = 1_001, "`budget.mails`: 1000 → 1001"),
        (|it| it.budget.window = Duration::from_hours(23), "`budget.window`: 24h → 23h"),
        (|it| assert!(it.protected.remove(&key("user/v"))), "`protected`: user/default/v → not protected"),
        (|it| it.owner = name("others"), "`owner`: default → others"),
    ];
    for (edit, line) in cases {
        let mut world = guarded();
        edit(&mut world.project);
        let more = format!("{MORE}; company new");
        let found = message(&world, &more).unwrap_or_else(|| panic!("{line}: not refused"));
        assert_eq!(found.lines().nth(1), Some(line));
        assert_eq!(found.lines().count(), 3, "{found}");
        let writes = world.directory.writes();
        assert!(world.apply(&more, Allow::default()).is_err());
        assert_eq!(world.directory.writes(), writes);
        // Alone it is applied, and then it is what was applied last.
        assert_eq!(message(&world, HOME), None, "{line}");
        assert!(world.plan(HOME).plan.changes().next().is_none());
        world.apply(HOME, Allow::default()).unwrap();
        assert_eq!(message(&world, &more), None, "{line}");
        world.apply(HOME, Allow::default()).unwrap();
    }
}

#[test]
fn what_is_tighter_passes() {
    let mut world = World::holding(HOME);
    world.project.actor = Some(Username::new("u").unwrap());
    world.project.protected = [key("user/v")].into();
    let budget = &mut world.project.budget;
    (budget.removals, budget.at_least, budget.at_most, budget.creates, budget.mails) = (Percent(500), 4, 99, 10, 10);
    budget.window = Duration::from_hours(25);
    assert_eq!(message(&world, MORE), None);
    world.bring(MORE);
    // And is what counts from then on.
    world.project.budget.at_least = 5;
    assert!(message(&world, HOME).is_some());
}

#[test]
fn a_flag_is_no_setting() {
    let mut world = guarded();
    world.actor = Some(Username::new("somebody.else").unwrap());
    assert_eq!(message(&world, MORE), None);
}

#[test]
fn the_first_time_there_is_nothing_to_loosen() {
    let world = World::new();
    assert!(world.refused(HOME).is_empty());
}

#[test]
fn all_that_is_loosened_is_told_at_once() {
    let mut world = guarded();
    world.project.actor = None;
    world.project.protected.clear();
    world.project.budget.at_least = 50;
    let found = message(&world, MORE).unwrap();
    let expected = [
        "the project is looser than what was last applied, and more than that would change",
        "`actor`: u → none",
        "`budget.atLeast`: 5 → 50",
        "`protected`: user/default/u, user/default/v → not protected",
        "apply the settings alone first, with a declaration that changes nothing else",
    ];
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn two_owners_of_projects_of_one_name_live_side_by_side() {
    let mut world = World::holding(HOME);
    world.project.owner = name("others");
    world.apply("part", Allow::default()).unwrap();
    world.bring("company d");
    world.project.owner = name("default");
    assert_eq!(message(&world, MORE), None);
    world.bring(MORE);
    world.project.owner = name("others");
    assert_eq!(message(&world, "company d title=New"), None);
}

#[test]
fn under_another_name_nobody_gets_rid_of_who_acts() {
    let mut world = guarded();
    (world.project.name, world.project.owner, world.project.actor) = (name("fresh"), name("fresh"), None);
    assert!(message(&world, "part; company d").unwrap().contains("`actor`: u (of the owner `default`) → none"));
    world.project.actor = Some(Username::new("v").unwrap());
    assert!(message(&world, "part; company d").unwrap().contains("`actor`: u (of the owner `default`) → v"));
    // The same one acts: that is nothing looser, and whether they may is for the gate `role`.
    world.project.actor = Some(Username::new("u").unwrap());
    assert_eq!(message(&world, "part; company d"), None);
    // The settings alone, and they are known from then on.
    world.project.actor = None;
    assert_eq!(world.plan("part").refused.len(), 0);
    world.run("part");
    assert_eq!(message(&world, "part; company d"), None);
}

#[test]
fn whoever_approves_a_digest_approves_what_is_loosened() {
    let mut world = guarded();
    let before = world.plan(HOME).plan.digest();
    world.project.actor = None;
    let plan = world.plan(HOME).plan;
    assert!(plan.digest() != before && plan.changes().next().is_none() && plan.loosens.len() == 1);
}
