//! The two-by-two table, and ownership and adoption before it.

use super::fixture::{World, fields, message};

const HOME: &str = "company nord";

/// One declared document beside what the directory holds of it, and the decision about it.
fn check(wanted: &str, found: &str) -> String {
    let world = World::holding(&format!("{HOME}; {found}"));
    world.turn(&format!("{HOME}; {wanted}")).join(", ")
}

#[test]
fn two_by_two() {
    let mara = "user mara company=nord";
    for (wanted, found, decision) in [
        ("", "", ""),
        (mara, "", "create user/default/mara Declared"),
        (mara, mara, ""),
        ("", mara, "disable user/default/mara NotDeclared"),
        ("", "user mara company=nord deletion=Delete", "delete user/default/mara NotDeclared"),
        ("", "user mara company=nord deletion=Retain", "release user/default/mara NotDeclared"),
        ("user mara company=nord off", mara, "disable user/default/mara Declared"),
        (mara, "user mara company=nord off", "enable user/default/mara Declared"),
        ("user mara company=nord title=M", mara, "edit user/default/mara Declared"),
        ("user mara company=nord username=ml", mara, "rename user/default/mara Declared"),
        ("user mara company=nord reset=1", mara, "credential user/default/mara Declared"),
        ("user mara company=nord broken", mara, "held user/default/mara Invalid"),
        ("user mara company=nord broken", "", "held user/default/mara Invalid"),
        ("user mara company=nope", "", "held user/default/mara WaitingFor"),
        ("user mara company=nord; unreadable", mara, ""),
        ("unreadable", mara, "held user/default/mara Incomplete"),
        ("part", mara, ""),
        ("customer shop company=nord", "", "create customer/default/shop Declared"),
        ("", "customer shop company=nord", "disable customer/default/shop NotDeclared"),
        ("", "customer shop company=nord deletion=Delete", "delete customer/default/shop NotDeclared"),
        ("customer shop", "customer shop company=nord", "move customer/default/shop Declared"),
        ("role lead", "", "create role/lead Declared"),
        ("role lead privileged", "role lead", "edit role/lead Declared"),
        ("", "role lead", "delete role/lead NotDeclared"),
    ] {
        assert_eq!(check(wanted, found), decision, "{wanted} ← {found}");
    }
}

#[test]
fn another_owner_s_things_are_left_alone_and_may_be_taken_over_by_name() {
    let mut world = World::new();
    world.owner("others");
    world.bring("company nord; user mara company=nord title=M");
    world.owner("default");
    assert_eq!(
        world.says("company nord2; user x company=nord2"),
        ["create company/default/nord2 Declared", "create user/default/x Declared"]
    );
    let ours = "company nord; user mara company=nord title=M";
    let held = ["held company/default/nord NotOurs", "held user/default/mara NotOurs"];
    world.expect(ours, &held);
    assert!(message(&world.plan(ours).plan, "user/default/mara").contains("`--adopt user/default/mara`"));
    world.adopt = vec![super::fixture::key("user/default/mara")];
    let plan = world.plan(ours).plan;
    assert_eq!(fields(&plan, "user/default/mara"), ["owner"]);
    world.expect(ours, &[held[0], "adopt user/default/mara Adopted"]);
    assert_eq!(world.live("user/default/mara").state.owner.unwrap().as_str(), "default");
}

#[test]
fn taking_over_never_empties_a_field() {
    let mut world = World::new();
    world.owner("others");
    world.bring("company nord; user mara company=nord title=Mara description=old");
    world.owner("default");
    world.adopt = vec![super::fixture::key("user/default/mara")];
    let ours = "user mara company=nord title=Mara";
    world.expect(ours, &["held user/default/mara NotOurs"]);
    let message = message(&world.plan(ours).plan, "user/default/mara");
    assert!(message.contains("description") && message.contains("old"), "{message}");
}

#[test]
fn a_stranger_nobody_declares_is_settled() {
    let world = World::holding(HOME);
    world.stranger("s1", "xenia", Some("company/default/nord"));
    let plan = world.plan(HOME).plan;
    assert_eq!((plan.decisions.len(), plan.tally.strangers), (0, 1));
}

#[test]
fn a_stranger_with_the_declared_username_is_held_with_the_line_to_write() {
    let world = World::holding(HOME);
    world.stranger("s1", "Xenia", Some("company/default/nord"));
    let text = "company nord; user other company=nord username=xenia";
    world.expect(text, &["held user/default/other NotOurs"]);
    let message = message(&world.plan(text).plan, "user/default/other");
    assert!(message.contains("tenantry.dev/adopt: s1") && message.contains("--adopt user/default/other"), "{message}");
    let email = "company nord; user other company=nord email=xenia@x.example";
    world.expect(email, &["held user/default/other Taken"]);
}

#[test]
fn an_annotation_adopts_its_one_account_and_does_nothing_else() {
    let world = World::holding(HOME);
    world.stranger("s1", "xenia", Some("company/default/nord"));
    let text = "company nord; user other company=nord username=xenia email=xenia@x.example method=Temporary adopt=s1";
    let plan = world.plan(text).plan;
    assert_eq!(fields(&plan, "user/default/other"), ["owner"]);
    assert!(!super::fixture::change(&plan, "user/default/other").owes(), "adopting sends nothing");
    world.expect(text, &["adopt user/default/other Adopted"]);
    assert_eq!(world.id("user/default/other"), "s1");
    assert_eq!(world.says(text), [""; 0]);
    let gone = "company nord; user other company=nord username=other2 email=o2@x.example adopt=s9";
    let world = World::holding(HOME);
    world.expect(gone, &["held user/default/other NotOurs"]);
}

#[test]
fn one_account_is_adopted_by_one_document() {
    let world = World::holding(HOME);
    world.stranger("s1", "xenia", Some("company/default/nord"));
    let text = "company nord
        user a company=nord username=xenia email=xenia@x.example adopt=s1
        user b company=nord username=bert email=bert@x.example adopt=s1";
    let plan = world.plan(text).plan;
    let ids: Vec<_> = plan.changes().filter_map(|change| change.remote.clone()).collect();
    assert!(ids.len() <= 1, "two changes of one account: {:?}", super::fixture::words(&plan));
    world.turn(text);
}
