//! Roles: what makes a document broken, what stays in force, and who keeps what.

use tenantry::manifest::Code;

use super::fixture::{World, words};

fn codes(world: &World, text: &str) -> Vec<Code> {
    world.plan(text).problems.iter().map(|problem| problem.code).collect()
}

#[test]
fn a_role_has_to_exist_and_to_fit() {
    let world = World::holding("company c; customer s");
    for (text, decision, code) in [
        ("user u company=c role=nope", "held user/default/u WaitingFor", Code::UnknownRole),
        ("user u customer=s role=common-manager", "held user/default/u Invalid", Code::RoleCannotLiveHere),
        ("user u company=c role=customer-user", "held user/default/u Invalid", Code::RoleCannotLiveHere),
        ("role lead requires=expires; user u company=c role=lead", "held user/default/u Invalid", Code::RoleRequires),
        ("role lead requires=justification; user u company=c role=lead", "held user/default/u Invalid", Code::RoleRequires),
        ("role lead appoints=owner", "held role/lead Invalid", Code::NobodyMayAppoint),
        ("role lead appoints=lead,nope", "held role/lead Invalid", Code::UnknownRole),
        ("role default/owner", "held role/default/owner Invalid", Code::ShadowsGlobalRole),
        ("role lead; role default/lead", "held role/default/lead Invalid", Code::ShadowsGlobalRole),
    ] {
        let text = format!("company c; customer s; {text}");
        let said = world.says(&text);
        assert!(said.contains(&decision.to_owned()), "{text}: {said:?}");
        assert_eq!(codes(&world, &text), [code], "{text}");
    }
}

#[test]
fn an_edit_that_breaks_a_holder_is_an_error_at_the_role() {
    for edit in ["role lead under=customer", "role lead requires=expires"] {
        let world = World::holding("company c; role lead under=both; user u company=c role=lead");
        let text = format!("company c; {edit}; user u company=c role=lead title=New; user w company=c role=lead");
        assert_eq!(codes(&world, &text), [Code::RoleBreaksHolder]);
        world.expect(&text, &["held role/lead Invalid", "edit user/default/u Declared", "create user/default/w Declared"]);
    }
}

#[test]
fn who_would_fit_only_the_broken_edit_is_held() {
    let world = World::holding("company c; customer s; role lead; user u company=c role=lead");
    let text = "company c; customer s; role lead under=customer; user u company=c role=lead; user w customer=s role=lead";
    world.expect(text, &["held role/lead Invalid", "held user/default/w Invalid"]);
}

#[test]
fn what_appoints_a_broken_new_role_is_broken_too() {
    let world = World::holding("company c");
    // `bad` can be given by nobody but `lead`, and appoints a role that does not exist.
    let text = "company c; role lead appoints=lead,bad; role bad appoints=nope";
    world.expect(text, &["held role/bad Invalid", "held role/lead Invalid"]);
}

#[test]
fn holders_and_role_change_together() {
    let world = World::holding("company c; customer s; role lead under=both; user u company=c role=lead");
    world.bring("company c; customer s; role lead under=customer; user u customer=s role=lead");
}

#[test]
fn a_role_goes_when_nobody_holds_it() {
    let world = World::holding("company c; role lead; user u company=c role=lead");
    let text = "company c; user u company=c role=lead";
    assert_eq!(codes(&world, text), [Code::UnknownRole]);
    world.expect(text, &["held role/lead Blocked"]);
    world.expect("company c; user u company=c role=owner", &["delete role/lead NotDeclared", "edit user/default/u Declared"]);
}

#[test]
fn a_role_stays_while_a_retired_or_broken_holder_has_it() {
    let world = World::holding("company c; role lead; user u company=c role=lead");
    world.expect("company c; user u company=c role=lead broken", &["held role/lead Blocked", "held user/default/u Invalid"]);
    world.expect("company c", &["held role/lead Blocked", "disable user/default/u NotDeclared"]);
}

#[test]
fn roles_of_another_owner_stay_in_force() {
    let mut world = World::new();
    world.owner("platform");
    world.bring("role lead");
    world.owner("default");
    world.bring("company c; user u company=c role=lead");
}

#[test]
fn a_role_of_a_namespace_is_known_there_alone() {
    let world = World::new();
    let said = world.turn("company a/c; company b/c; role a/lead; user a/u company=c role=lead; user b/v company=c role=lead");
    assert!(
        said.contains(&"create user/a/u Declared".to_owned()) && said.contains(&"held user/b/v WaitingFor".to_owned()),
        "{said:?}"
    );
}

#[test]
fn taking_a_privilege_away_counts_each_holder() {
    let world = World::holding("company c; role lead privileged; user u company=c role=lead; user v company=c role=lead");
    let text = "company c; role lead; user u company=c role=lead; user v company=c role=lead";
    assert_eq!(world.plan(text).plan.losses(), 2);
    world.bring(text);
}

#[test]
fn replacing_a_built_in_role_takes_its_privilege_away() {
    let before = "company c; user u company=c role=common-manager; user v company=c role=common-manager";
    let world = World::holding(before);
    let text = format!("{before}; role common-manager");
    assert_eq!(world.plan(&text).plan.losses(), 2, "a document in place of the built-in role");
    let privileged = "company c; role owner appoints=owner privileged; user u company=c; user v company=c";
    let world = World::holding(privileged);
    assert_eq!(
        world.plan("company c; user u company=c; user v company=c").plan.losses(),
        2,
        "the built-in role in place of a document"
    );
}

#[test]
fn a_step_down_counts_and_a_step_sideways_does_not() {
    let world = World::holding("company c; user u company=c role=common-manager");
    for (role, losses) in [("owner", 1), ("operations-engineer", 1), ("tenant-administrator", 0)] {
        let plan = world.plan(&format!("company c; user u company=c role={role}")).plan;
        assert_eq!(plan.losses(), losses, "{role}: {:?}", words(&plan));
    }
}

#[test]
fn a_global_role_goes_where_everybody_has_one_of_their_own() {
    let world = World::holding("role r under=company; company c");
    let text = "role default/r under=company; company c; user u company=c role=r";
    for _ in 0..2 {
        world.turn(text);
    }
    assert_eq!(world.says(text), [""; 0]);
    assert!(world.find("role/r").is_none());
}

#[test]
fn a_holder_who_is_shut_off_as_well_is_one_loss() {
    let before = "role boss privileged; company c; user u company=c role=boss; user v company=c role=boss; user w company=c";
    let world = World::holding(before);
    let plan =
        world.plan("role boss; company c; user u company=c role=boss off; user v company=c role=boss; user w company=c").plan;
    assert_eq!(plan.losses(), 2);
    let plan = world.plan("role boss; company c; user u company=c role=boss off; user v company=c off; user w company=c").plan;
    assert_eq!(plan.losses(), 2);
}

#[test]
fn a_role_in_place_of_a_built_in_one_stays_while_the_built_in_would_not_fit() {
    let world =
        World::holding("company c; customer s; role common-manager under=both privileged; user k customer=s role=common-manager");
    let text = "company c; customer s; user k customer=s role=common-manager";
    assert_eq!(codes(&world, text), [Code::RoleBreaksHolder]);
    world.expect(text, &["held role/common-manager Invalid"]);
    world.bring("company c; customer s; user k company=c role=common-manager");
}

#[test]
fn the_edit_of_a_global_role_is_broken_even_where_a_namespace_has_a_broken_one_of_its_name() {
    let world = World::holding("company c");
    let roles = "role operations-engineer under=customer; role default/operations-engineer under=customer";
    let text = format!("part; {roles}; company c; user u company=c role=operations-engineer");
    let expected = [
        "held role/operations-engineer Invalid",
        "held role/default/operations-engineer Invalid",
        "create user/default/u Declared",
    ];
    world.expect(&text, &expected);
}

#[test]
fn a_role_does_not_go_while_somebody_fits_it_alone() {
    let world = World::holding("role owner under=both; company c; customer k company=c; role customer-user under=both");
    world.expect(
        "company c; customer k company=c; user u company=c role=customer-user",
        &["held role/customer-user Invalid", "delete role/owner NotDeclared", "create user/default/u Declared"],
    );
}
