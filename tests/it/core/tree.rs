//! Companies and customers: who is shut off with what, moves, and edges turned round.

use super::fixture::{World, fields, key, words};

const ORG: &str = "company a; company b parent=a; customer s company=b; user u customer=s; user v company=a";

fn org(change: &str) -> String {
    let called = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let changed: Vec<&str> = change.split(';').map(str::trim).collect();
    let kept = ORG.split(';').map(str::trim).filter(|line| !changed.iter().any(|it| called(it) == called(line)));
    kept.chain(changed.iter().copied()).collect::<Vec<_>>().join("; ")
}

#[test]
fn whoever_stands_below_is_shut_off_and_let_in_again() {
    for (off, people) in [
        (
            "company a off",
            &["disable company/default/a Declared", "disable user/default/u Above", "disable user/default/v Above"][..],
        ),
        ("company b parent=a off", &["disable company/default/b Declared", "disable user/default/u Above"]),
        ("customer s company=b off", &["disable customer/default/s Declared", "disable user/default/u Above"]),
    ] {
        let world = World::holding(ORG);
        let plan = world.plan(&org(off)).plan;
        assert_eq!(plan.losses(), people.len() as u64);
        world.expect(&org(off), people);
        assert_eq!(world.says(&org(off)), [""; 0]);
        let again: Vec<String> = people.iter().map(|word| word.replace("disable", "enable")).collect();
        assert_eq!(world.turn(ORG), again);
        assert!(world.enabled("user/default/u") && world.enabled("user/default/v"));
    }
}

#[test]
fn who_is_disabled_for_themselves_stays_so() {
    let world = World::holding(&org("user u customer=s off; company a off"));
    world.bring(&org("user u customer=s off"));
    assert!(!world.enabled("user/default/u") && world.enabled("user/default/v"));
    world.bring(ORG);
    assert!(world.enabled("user/default/u"));
}

#[test]
fn disabled_meanwhile_for_themselves() {
    let world = World::holding(&org("company a off"));
    world.bring(&org("company a off; user u customer=s off"));
    world.bring(&org("user u customer=s off"));
    assert!(!world.enabled("user/default/u"));
}

#[test]
fn a_part_shuts_off_those_it_does_not_declare() {
    let world = World::holding(ORG);
    world.expect(
        "part; company a off",
        &["disable company/default/a Declared", "disable user/default/u Above", "disable user/default/v Above"],
    );
    world.expect(
        "part; company a",
        &["enable company/default/a Declared", "enable user/default/u Above", "enable user/default/v Above"],
    );
}

#[test]
fn a_crash_in_the_middle_is_made_good() {
    let off = org("company a off");
    for nth in 1..=3 {
        let world = World::holding(ORG);
        world.directory.fail_execute(nth, tenantry::directory::ErrorKind::Unavailable);
        assert_eq!(world.run(&off).done().applied, 2);
        world.bring(&off);
        world.directory.fail_execute(nth, tenantry::directory::ErrorKind::Unavailable);
        world.run(ORG);
        world.bring(ORG);
        assert!(world.enabled("user/default/u") && world.enabled("user/default/v"));
    }
}

#[test]
fn somebody_who_moves_under_something_disabled_is_shut_off() {
    let world = World::holding(&org("company c off"));
    world.bring(&org("company c off; user v company=c"));
    assert!(!world.enabled("user/default/v"));
    world.bring(&org("company c off"));
    assert!(world.enabled("user/default/v"));
}

#[test]
fn people_move_between_companies_and_customers() {
    let world = World::holding(ORG);
    let id = world.id("user/default/v");
    world.expect(&org("user v company=b"), &["move user/default/v Declared"]);
    world.expect(&org("user v customer=s"), &["move user/default/v Declared"]);
    assert_eq!(world.id("user/default/v"), id);
    let mut capabilities = tenantry::observed::Capabilities::everything();
    capabilities.move_users = false;
    let mut world = World::holding(ORG);
    world.directory = world.directory.capable(capabilities);
    world.expect(&org("user v company=b"), &["held user/default/v Unsupported"]);
}

#[test]
fn an_edge_is_turned_round_at_once() {
    for (under, over) in [("a", "b"), ("b", "a")] {
        let world = World::holding(&format!("company {over}; company {under} parent={over}; user u company={under}"));
        let turned = format!("company {under}; company {over} parent={under}; user u company={under}");
        world.bring(&turned);
    }
}

#[test]
fn a_chain_is_turned_round_at_once() {
    for [a, b, c] in [["a", "b", "c"], ["c", "b", "a"], ["b", "a", "c"], ["c", "a", "b"]] {
        let world = World::holding(&format!("company {a}; company {b} parent={a}; company {c} parent={b}"));
        world.bring(&format!("company {c}; company {b} parent={c}; company {a} parent={b}"));
    }
}

#[test]
fn a_company_that_is_shut_off_and_turned_round() {
    for (under, over) in [("a", "b"), ("b", "a")] {
        let world = World::holding(&format!("company {over}; company {under} parent={over}; user u company={under}"));
        world.bring(&format!("company {under} off; company {over} parent={under} off; user u company={under}"));
    }
}

#[test]
fn a_company_under_another_name_takes_its_people_along() {
    let world = World::holding(ORG);
    let text = "company z from=default/a; company b parent=z; customer s company=b; user u customer=s; user v company=z";
    let plan = world.plan(text).plan;
    assert_eq!(words(&plan), ["rename company/default/z MovedFrom"]);
    // What a default display name says changes with it.
    assert_eq!(fields(&plan, "company/default/z"), ["key", "displayName"]);
    assert_eq!(plan.losses(), 0);
    world.bring(text);
    world.bring(&text.replace(" from=default/a", ""));
}

#[test]
fn people_of_a_renamed_company_who_are_not_declared_do_not_move() {
    let world = World::holding("company a title=A; user u company=a; user v company=a");
    let text = "company z title=A from=default/a; user v company=z";
    let plan = world.plan(text).plan;
    assert_eq!(words(&plan), ["rename company/default/z MovedFrom", "disable user/default/u NotDeclared"]);
    assert_eq!(fields(&plan, "user/default/u"), ["retired", "enabled"]);
    world.bring(text);
    let part = World::holding("company a title=A; user u company=a");
    let text = "part; company z title=A off from=default/a";
    let plan = part.plan(text).plan;
    assert_eq!(fields(&plan, "user/default/u"), ["enabled"]);
    part.turn(text);
    assert_eq!(part.live("user/default/u").state.above(), Some(key("company/default/z")));
}

#[test]
fn a_company_does_not_leave_its_namespace_without_its_people() {
    let world = World::holding("company a/c; user a/u company=c; user a/v company=c");
    let text = "company b/c from=a/c; user b/u company=c from=a/u; user a/v company=c";
    let (before, said) = (world.holdings(), world.turn(text));
    assert!(said.contains(&"held company/b/c Blocked".into()) && said.contains(&"held user/b/u WaitingFor".into()), "{said:?}");
    assert_eq!(world.holdings(), before, "nobody moves and nobody loses anything");
    world.bring("company b/c from=a/c; user b/u company=c from=a/u; user b/v company=c from=a/v");
    assert_eq!(world.live("user/b/v").state.above(), Some(key("company/b/c")));
}

#[test]
fn moving_a_company_with_its_people_to_another_namespace_is_a_loss_for_each() {
    let world = World::holding("company a/c; user a/u company=c");
    let text = "company b/c from=a/c; user b/u company=c from=a/u";
    let plan = world.plan(text).plan;
    assert_eq!(words(&plan), ["move company/b/c MovedFrom", "move user/b/u MovedFrom"]);
    assert_eq!(plan.losses(), 2);
    world.bring(text);
}

#[test]
fn who_cannot_move_is_judged_by_the_place_where_they_stay() {
    // The place they want is not there; the one where they are is shut off.
    let world = World::holding(ORG);
    world.turn(&org("customer s company=b off; user u company=nope"));
    assert!(!world.enabled("user/default/u"));
    // The place they want is going, the one where they are stays open.
    let world = World::holding("company a; company b deletion=Delete; user u company=a");
    let said = world.turn("company a; user u company=b");
    assert_eq!(said, ["delete company/default/b NotDeclared", "held user/default/u WaitingFor"]);
    assert!(world.enabled("user/default/u"));
}

#[test]
fn a_company_does_not_come_under_what_keeps_a_deleted_one_below_it() {
    let world = World::holding("company a; company b parent=a deletion=Delete; company c parent=b");
    let expected = ["held company/default/a WaitingFor", "disable company/default/b NotDeclared", "held company/default/b Blocked"];
    world.expect("company a parent=c; company c parent=b", &expected);
}
