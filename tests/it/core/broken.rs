//! Broken documents, broken references, protection: what is held, and what goes through all the same.

use super::fixture::{World, key};

#[test]
fn shutting_off_goes_through_in_a_broken_document() {
    let home = "company c; customer s; user u company=c role=common-manager title=T";
    for (document, decisions) in [
        ("user u broken", &["held user/default/u Invalid"][..]),
        ("user u broken off", &["disable user/default/u Salvaged", "held user/default/u Invalid"]),
        ("user u broken role=owner", &["edit user/default/u Salvaged", "held user/default/u Invalid"]),
        ("user u broken role=tenant-administrator", &["held user/default/u Invalid"]),
        ("user u broken role=nope", &["held user/default/u Invalid"]),
        ("user u broken role=customer-user", &["held user/default/u Invalid"]),
        ("user u customer=s role=common-manager off", &["disable user/default/u Salvaged", "held user/default/u Invalid"]),
        ("user u company=nope title=X role=common-manager", &["held user/default/u WaitingFor"]),
        (
            "user u company=nope title=X role=common-manager off",
            &["disable user/default/u ShuttingOff", "held user/default/u WaitingFor"],
        ),
        ("user u company=nope title=X role=owner", &["edit user/default/u ShuttingOff", "held user/default/u WaitingFor"]),
    ] {
        let world = World::holding(home);
        let text = format!("company c; customer s; {document}");
        world.expect(&text, decisions);
        let after: Vec<String> = world.says(&text);
        assert!(after.iter().all(|word| word.starts_with("held")), "{document}: {after:?}");
        let live = world.live("user/default/u").state;
        assert_eq!(live.body.user().unwrap().display_name.as_ref().unwrap().as_str(), "T", "nothing else goes through");
    }
}

#[test]
fn a_broken_document_never_enables_and_never_promotes() {
    let world = World::holding("company c; user u company=c off");
    world.expect("company c; user u broken role=common-manager", &["held user/default/u Invalid"]);
}

#[test]
fn a_broken_company_is_shut_off_with_its_people() {
    let world = World::holding("company c; user u company=c");
    world.expect(
        "company c broken off; user u company=c",
        &["disable company/default/c Salvaged", "held company/default/c Invalid", "disable user/default/u Above"],
    );
}

#[test]
fn what_stands_under_something_broken_goes_on_and_what_comes_waits() {
    let world = World::holding("company c; user u company=c");
    world.expect("company c broken; user u company=c title=T", &["held company/default/c Invalid", "edit user/default/u Declared"]);
    world.expect(
        "company c; company d broken; user u company=c title=T; user w company=d",
        &["held company/default/d Invalid", "held user/default/w WaitingFor"],
    );
}

#[test]
fn edits_of_an_account_whose_stored_reference_is_the_same_go_on() {
    // Another owner's company is no reference of ours, but it is where the account stands.
    let mut world = World::new();
    world.owner("others");
    world.bring("company c");
    world.owner("default");
    world.turn("part; user u company=c");
    world.turn("user u company=c title=T");
    assert_eq!(world.live("user/default/u").state.body.user().unwrap().display_name.as_ref().unwrap().as_str(), "T");
}

#[test]
fn a_broken_document_that_says_where_it_was_keeps_that_account() {
    for (old, new) in [("old", "new"), ("new", "old")] {
        let world = World::holding(&format!(
            "company c; customer s; user {old} company=c role=common-manager username=m email=m@x.example"
        ));
        let broken = format!("company c; customer s; user {new} broken from=default/{old}");
        world.expect(&broken, &[&format!("held user/default/{new} Invalid")[..]]);
        assert!(world.enabled(&format!("user/default/{old}")));
    }
}

#[test]
fn shutting_off_goes_through_where_a_re_keying_is_broken() {
    for (old, new) in [("old", "new"), ("new", "old")] {
        let world = World::holding(&format!(
            "company c; customer s; user {old} company=c role=common-manager username=m email=m@x.example"
        ));
        // The role cannot live under a customer.
        let text = format!(
            "company c; customer s; user {new} customer=s role=common-manager username=m email=m@x.example off from=default/{old}"
        );
        let said = world.turn(&text);
        assert!(!world.enabled(&format!("user/default/{old}")), "{old} → {new}: {said:?}");
        assert!(!world.live(&format!("user/default/{old}")).state.retired);
    }
}

#[test]
fn what_is_protected_loses_nothing() {
    let text = "company c; user root company=c role=common-manager; user u company=c";
    for change in [
        "company c; user root company=c role=common-manager off; user u company=c",
        "company c; user root company=c role=owner; user u company=c",
        "company c; user u company=c",
    ] {
        let mut world = World::holding(text);
        world.project.protected = [key("user/default/root")].into();
        world.expect(change, &["held user/default/root Protected"]);
        assert_eq!(world.says(text), [""; 0]);
    }
    let mut world = World::holding(text);
    world.project.protected = [key("user/default/root")].into();
    world.expect(
        "company c; user root company=c role=common-manager title=T; user u company=c",
        &["edit user/default/root Declared"],
    );
    let said = world.turn("company c off; user root company=c role=common-manager title=T; user u company=c");
    assert_eq!(said, ["disable company/default/c Declared", "held user/default/root Protected", "disable user/default/u Above"]);
}

#[test]
fn an_incomplete_declaration_removes_nobody() {
    let world = World::holding("company c; user u company=c deletion=Delete; user v company=c; role lead");
    world.expect(
        "company c; user v company=c title=T; unreadable",
        &["held role/lead Incomplete", "held user/default/u Incomplete", "edit user/default/v Declared"],
    );
    world.expect("part; user v company=c", &["edit user/default/v Declared"]);
    assert!(world.find("user/default/u").is_some());
}

#[test]
fn the_type_of_a_company_is_immutable() {
    let world = World::holding("company c");
    world.expect("company c type=d", &["edit company/default/c Declared"]);
    world.expect("company c type=i", &["held company/default/c Unsupported"]);
    world.expect("company c", &["held company/default/c Unsupported"]);
    world.expect("company c type=d; company e type=d parent=c", &["create company/default/e Declared"]);
}

#[test]
fn a_cycle_is_broken_and_its_people_go_on() {
    let world = World::holding("company a; company b parent=a; user u company=b");
    let said = world.turn("company a parent=b; company b parent=a; user u company=b title=T");
    assert_eq!(said, ["held company/default/a Invalid", "held company/default/b Invalid", "edit user/default/u Declared"]);
    world.expect("part; company a parent=b", &["held company/default/a WaitingFor"]);
}

#[test]
fn what_is_protected_is_not_renamed_out_of_protection() {
    let mut world = World::holding("company c; user root company=c");
    world.project.protected = [key("user/default/root")].into();
    world.expect("company c; user root2 company=c from=default/root", &["held user/default/root2 Protected"]);
}

#[test]
fn a_chain_of_moves_holds_both_ends() {
    let world = World::holding("company c; user a company=c; user b company=c");
    let text = "company c; user b company=c from=default/a; user c company=c from=default/b";
    world.expect(text, &["held user/default/b Invalid", "held user/default/c Invalid"]);
}

#[test]
fn in_a_whole_declaration_nobody_goes_where_nothing_is_declared() {
    let world = World::holding("company c; user a company=c; user b company=c");
    // What stands there already stays, and may change; a new one waits, whoever the company belongs to.
    let text = "user a company=c title=New; user b company=c; user w company=c";
    let said = world.says(text);
    assert!(said.contains(&"held user/default/w WaitingFor".to_owned()), "{said:?}");
}
