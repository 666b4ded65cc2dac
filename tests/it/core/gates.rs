//! The safety gates.

use tenantry::{manifest::Percent, plan::Allow};

use super::fixture::{World, everything_allowed};

fn people(count: usize, options: &str) -> String {
    (0..count).map(|n| format!("; user u{n:03} company=c {options}")).collect()
}

/// An organisation of a company and some people, in namespace `default`.
fn org(count: usize) -> String {
    format!("company c{}", people(count, ""))
}

fn allowing(removals: u64) -> Allow {
    Allow { removals: Some(removals), ..Allow::default() }
}

#[test]
fn the_budget_is_the_larger_of_at_least_and_the_share_and_never_above_at_most() {
    for (held, kept, refused) in
        [(20, 15, false), (20, 14, true), (99, 89, false), (99, 88, true), (120, 108, false), (120, 107, true)]
    {
        let world = World::holding(&org(held));
        let gates = world.refused(&org(kept));
        assert_eq!(gates.contains(&"budget"), refused, "{held} → {kept}");
    }
    let mut world = World::holding(&org(120));
    world.project.budget.at_most = 11;
    assert!(world.refused(&org(109)).is_empty());
    assert_eq!(world.refused(&org(108)), ["budget"]);
    world.project.budget.at_most = 100;
    world.project.budget.removals = Percent(5_000);
    assert!(!world.refused(&org(60)).contains(&"budget"));
}

#[test]
fn the_budget_is_also_for_one_namespace() {
    let many: String = (0..100).map(|n| format!("; user b/v{n:03} company=d")).collect();
    let text = |kept: usize| format!("company c{}; company b/d{many}", people(kept, ""));
    let world = World::holding(&text(20));
    assert!(world.refused(&text(15)).is_empty());
    let refusal = &world.plan(&text(14)).refused[0];
    assert!(refusal.message.contains("namespace `default`"), "{}", refusal.message);
}

#[test]
fn what_was_lost_before_counts_until_the_window_has_passed() {
    let world = World::holding(&org(20));
    let planned = world.plan(&org(16));
    assert!(planned.refused.is_empty());
    world.apply(&org(16), Allow::default()).unwrap();
    assert!(world.refused(&org(15)).is_empty());
    assert_eq!(world.refused(&org(14)), ["budget"]);
    world.later(2);
    assert!(world.refused(&org(14)).is_empty());
}

#[test]
fn what_was_allowed_is_exactly_that_much_and_does_not_count_later() {
    let mut world = World::holding(&org(20));
    world.allow = allowing(9);
    assert_eq!(world.refused(&org(10)), ["budget"]);
    world.allow = allowing(10);
    assert!(world.refused(&org(10)).is_empty());
    world.apply(&org(10), allowing(10)).unwrap();
    world.allow = Allow::default();
    assert!(world.refused(&org(5)).is_empty(), "what was allowed is not in the window");
}

#[test]
fn the_flag_that_is_named_is_the_one_that_works() {
    let mut world = World::holding(&org(20));
    let refusal = world.plan(&org(8)).refused.remove(0);
    assert_eq!(refusal.flag.as_deref(), Some("--allow-removals 12"));
    world.allow = allowing(12);
    assert!(world.refused(&org(8)).is_empty());
}

#[test]
fn enabling_again_gives_nothing_back() {
    let world = World::holding(&org(20));
    world.apply(&org(16), Allow::default()).unwrap();
    world.bring(&org(20));
    assert_eq!(world.refused(&org(18)), ["budget"]);
}

#[test]
fn a_company_that_is_disabled_counts_everybody() {
    let world = World::holding(&org(20));
    let off = org(20).replace("company c;", "company c off;");
    assert_eq!(world.plan(&off).plan.losses(), 21);
    assert_eq!(world.refused(&off), ["budget"]);
}

#[test]
fn a_refused_plan_writes_nothing() {
    let world = World::holding(&org(20));
    let writes = world.directory.writes();
    assert!(world.apply(&org(1), Allow::default()).is_err());
    assert_eq!(world.directory.writes(), writes);
}

#[test]
fn creates_are_capped() {
    let mut world = World::new();
    world.project.budget.creates = 5;
    assert!(world.refused(&org(4)).is_empty());
    assert_eq!(world.refused(&org(5)), ["creates"]);
    world.allow.creates = Some(6);
    assert!(world.refused(&org(5)).is_empty());
}

#[test]
fn a_whole_without_documents_is_refused() {
    let mut world = World::holding(&org(2));
    assert_eq!(world.refused(""), ["empty-input"]);
    assert_eq!(world.refused("part"), [""; 0]);
    world.allow.empty = true;
    assert!(world.refused("").is_empty());
}

#[test]
fn another_root_is_refused_only_if_something_would_be_removed() {
    let mut world = World::holding(&org(3));
    assert!(world.refused(&format!("root=other; {}", org(4))).is_empty());
    assert_eq!(world.refused(&format!("root=other; {}", org(2))), ["root-changed"]);
    assert_eq!(world.refused(&format!("part; {}", org(2))), [""; 0]);
    world.allow.whole = true;
    assert!(world.refused(&format!("root=other; {}", org(2))).is_empty());
}

#[test]
fn the_last_holder_stays() {
    let manager = "user m company=c role=common-manager";
    let both = format!("company c; company d; {manager}; user n company=d role=common-manager; user u company=c");
    let world = World::holding(&both);
    for (text, refused) in [
        ("company c; company d; user m company=c role=common-manager; user u company=c", false),
        ("company c; company d; user u company=c", true),
        ("company c; company d; user m company=c role=owner; user n company=d role=owner; user u company=c", true),
        // Different causes, counted together: one is demoted, the other's company is shut off.
        ("company c; company d off; user m company=c role=owner; user n company=d role=common-manager; user u company=c", true),
        ("company c; company d; user m company=c role=common-manager off; user u company=c", true),
        // Replaced in the same plan.
        ("company c; company d; user new company=c role=common-manager; user u company=c", false),
        ("company c; company d; user u company=c role=common-manager", false),
        // Gone with the last company.
        ("role other", false),
    ] {
        let planned = world.plan(text);
        let gates: Vec<_> = planned.refused.iter().map(|it| it.gate.name()).collect();
        assert_eq!(gates.contains(&"last-holder"), refused, "{text}: {:?}", planned.plan.tally.last_holders);
    }
    let planned = world.plan("company c; company d; user u company=c");
    let refusal = planned.refused.iter().find(|it| it.gate.name() == "last-holder").unwrap();
    assert_eq!(refusal.flag.as_deref(), Some("--allow-last-holder default/common-manager"));
    let allow = Allow { last_holders: everything_allowed(&planned.plan).last_holders, ..Allow::default() };
    assert!(world.apply("company c; company d; user u company=c", allow).is_ok());
}

#[test]
fn the_last_holder_is_counted_in_each_namespace() {
    let world =
        World::holding("company a/c; company b/c; user a/m company=c role=common-manager; user b/n company=c role=common-manager");
    let moved = "company a/c; company b/c; user b/m company=c role=common-manager from=a/m; user b/n company=c role=common-manager";
    assert!(world.refused(moved).contains(&"last-holder"));
}
