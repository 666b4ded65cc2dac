//! What removal means: policies, retiring, purging, and who remains.

use super::fixture::{World, key, message, words};

#[test]
fn the_policy_last_applied_counts() {
    let world = World::holding("company nord; user mara company=nord deletion=Delete; user timo company=nord");
    // The policy is changed in a run of its own, then the document goes.
    world.bring("company nord; user mara company=nord; user timo company=nord deletion=Delete");
    world.expect("company nord", &["disable user/default/mara NotDeclared", "delete user/default/timo NotDeclared"]);
}

#[test]
fn a_policy_changed_in_a_broken_document_does_not_count() {
    let world = World::holding("company nord; user mara company=nord");
    world.expect("company nord; user mara company=nord deletion=Delete broken", &["held user/default/mara Invalid"]);
    world.expect("company nord", &["disable user/default/mara NotDeclared"]);
}

#[test]
fn declared_again_is_the_same_account_and_sends_nothing() {
    let text = "company nord; user mara company=nord method=Temporary reset=1";
    let world = World::holding(text);
    let id = world.id("user/default/mara");
    world.use_secret("user/default/mara");
    world.bring("company nord");
    assert!(world.live("user/default/mara").state.retired);
    let plan = world.plan(text).plan;
    assert_eq!(words(&plan), ["enable user/default/mara DeclaredAgain"]);
    assert!(plan.changes().all(|change| change.credential.is_none()));
    world.bring(text);
    assert_eq!(world.id("user/default/mara"), id);
}

#[test]
fn nothing_is_deleted_by_time_alone() {
    let mut world = World::holding("company nord; user mara company=nord; user timo company=nord");
    world.bring("company nord");
    world.later(29);
    assert_eq!(world.plan("company nord").plan.tally.purgeable, 0);
    world.purge.due = true;
    assert_eq!(world.says("company nord"), [""; 0]);
    world.purge.due = false;
    world.later(1);
    let plan = world.plan("company nord").plan;
    assert_eq!((plan.tally.purgeable, plan.decisions.len()), (2, 0));
    world.purge.due = true;
    let plan = world.plan("company nord").plan;
    assert_eq!(plan.losses(), 2, "both are losses");
    world.expect("company nord", &["delete user/default/mara Purged", "delete user/default/timo Purged"]);
}

#[test]
fn purging_one_key_frees_its_names() {
    let mut world = World::holding("company nord; user mara company=nord; user timo company=nord");
    let old = world.id("user/default/mara");
    world.bring("company nord; user timo company=nord");
    let again = "company nord; user timo company=nord; user new company=nord username=mara";
    world.expect(again, &["held user/default/new Taken"]);
    let message = message(&world.plan(again).plan, "user/default/new");
    assert!(message.contains("tenantry.dev/moved-from: default/mara"), "{message}");
    assert!(message.contains("--purge user/default/mara"), "{message}");
    world.purge.keys = [key("user/default/mara"), key("user/default/timo")].into();
    let said = world.turn(again);
    assert!(said.contains(&"delete user/default/mara Purged".to_owned()), "{said:?}");
    assert!(world.find("user/default/timo").is_some(), "what is declared or not retired is not purged");
    world.turn(again);
    assert!(world.find("user/default/new").is_some());
    world.purge.keys.clear();
    world.bring(&format!("{again}; user mara company=nord username=mara2"));
    assert_ne!(world.id("user/default/mara"), old, "after a purge it is a new account");
}

#[test]
fn purging_waits_while_part_of_the_declaration_cannot_be_read() {
    let mut world = World::holding("company nord; user mara company=nord");
    world.bring("company nord");
    world.later(40);
    world.purge.due = true;
    // The unreadable document may be the one that declares her again.
    world.turn("company nord; unreadable");
    assert!(world.find("user/default/mara").is_some());
    world.turn("part; company nord");
    assert!(world.find("user/default/mara").is_some(), "a part removes nobody");
}

#[test]
fn a_purged_company_in_which_somebody_remains_stays() {
    let mut world = World::holding("company nord; company sud; user mara company=nord");
    world.stranger("s1", "xenia", Some("company/default/sud"));
    world.bring("user other company=nord off; company nord");
    let mut world2 = World::holding("company nord; user mara company=nord");
    world2.bring("");
    world2.purge.keys = [key("company/default/nord")].into();
    world2.expect("", &["held company/default/nord Blocked"]);
    world2.purge.keys.insert(key("user/default/mara"));
    world2.expect("", &["delete company/default/nord Purged", "delete user/default/mara Purged"]);
    world.purge.keys = [key("company/default/sud")].into();
    world.expect("user other company=nord off; company nord", &["held company/default/sud Blocked"]);
}

#[test]
fn leaves_go_first() {
    let world = World::holding(
        "company a deletion=Delete; company b parent=a deletion=Delete; customer s company=b deletion=Delete
         user u customer=s deletion=Delete role=customer-user; user v company=b deletion=Delete",
    );
    world.bring("");
    assert!(world.holdings().is_empty());
}

#[test]
fn whoever_remains_keeps_what_they_stand_in() {
    let home = "company nord deletion=Delete";
    for (inside, after, decisions) in [
        (
            "user u company=nord",
            "",
            &[
                "disable company/default/nord NotDeclared",
                "held company/default/nord Blocked",
                "disable user/default/u NotDeclared",
            ][..],
        ),
        (
            "user u company=nord deletion=Retain",
            "",
            &[
                "disable company/default/nord NotDeclared",
                "held company/default/nord Blocked",
                "release user/default/u NotDeclared",
            ],
        ),
        (
            "user u company=nord",
            "user u company=nord broken",
            &[
                "disable company/default/nord NotDeclared",
                "held company/default/nord Blocked",
                "disable user/default/u Salvaged",
                "held user/default/u Invalid",
            ],
        ),
        (
            "customer s company=nord deletion=Delete; user u customer=s",
            "",
            &[
                "disable company/default/nord NotDeclared",
                "held company/default/nord Blocked",
                "disable customer/default/s NotDeclared",
                "held customer/default/s Blocked",
                "disable user/default/u NotDeclared",
            ],
        ),
        (
            "user u company=nord deletion=Delete",
            "",
            &["delete company/default/nord NotDeclared", "delete user/default/u NotDeclared"],
        ),
    ] {
        let world = World::holding(&format!("{home}; {inside}"));
        let said = world.turn(after);
        assert_eq!(said, decisions, "{inside} → {after}");
        assert!(world.says(after).iter().all(|word| word.starts_with("held")), "held afterwards: {:?}", world.says(after));
    }
}

#[test]
fn the_first_ten_that_remain_are_named() {
    let users: String = (0..12).map(|n| format!("; user u{n:02} company=nord")).collect();
    let world = World::holding(&format!("company nord deletion=Delete{users}"));
    let plan = world.plan("").plan;
    let message = message(&plan, "company/default/nord");
    assert!(message.contains("u09") && !message.contains("u10") && message.contains("2 more"), "{message}");
}

#[test]
fn strangers_keep_a_company_from_being_deleted() {
    let world = World::holding("company nord deletion=Delete; company sud parent=nord deletion=Delete");
    world.stranger("s1", "xenia", Some("company/default/sud"));
    let said = world.turn("");
    assert_eq!(
        said,
        [
            "disable company/default/nord NotDeclared",
            "held company/default/nord Blocked",
            "disable company/default/sud NotDeclared",
            "held company/default/sud Blocked",
        ]
    );
    assert!(message(&world.plan("").plan, "company/default/sud").contains("xenia"));
}

#[test]
fn expiry_that_lay_ahead_is_no_loss_and_a_later_date_enables_again() {
    let text = "company nord; user mara company=nord expires=2026-03-01";
    let world = World::holding(text);
    world.later(100);
    let plan = world.plan(text).plan;
    assert_eq!((words(&plan), plan.losses()), (vec!["disable user/default/mara Expired".to_owned()], 0));
    world.bring(text);
    world.expect("company nord; user mara company=nord expires=2027-03-01", &["enable user/default/mara Declared"]);
    let past = "company nord; user mara company=nord expires=2026-01-15";
    assert_eq!(world.plan(past).plan.losses(), 1, "a date that is over when it is applied is a loss");
}

#[test]
fn expiry_is_no_loss_even_while_something_else_is_held() {
    let world = World::holding("company nord; user mara company=nord expires=2026-03-01");
    world.later(100);
    let plan = world.plan("company nord; user mara company=nope expires=2026-03-01").plan;
    assert_eq!(plan.losses(), 0, "{:?}", words(&plan));
    assert!(plan.changes().next().is_some(), "shutting off never waits");
}

#[test]
fn shut_off_outside_is_shown_as_such() {
    let text = "company nord; user mara company=nord";
    let world = World::holding(text);
    world.directory.tamper(&key("user/default/mara"), |live| live.state.enabled = false);
    world.expect(text, &["enable user/default/mara DisabledOutside"]);
}

#[test]
fn shut_off_outside_stays_so_while_nobody_is_there() {
    let text = "company nord; user mara company=nord; user timo company=nord";
    let mut world = World::holding(text);
    world.unattended = true;
    world.directory.tamper(&key("user/default/mara"), |live| live.state.enabled = false);
    let more = "company nord; user mara company=nord role=operations-engineer; user timo company=nord role=operations-engineer";
    world.expect(more, &["held user/default/mara DisabledOutside", "edit user/default/timo Declared"]);
    // It is not forgotten that it was somebody else.
    world.run(more);
    world.expect(more, &["held user/default/mara DisabledOutside"]);
    world.unattended = false;
    world.expect(more, &["enable user/default/mara DisabledOutside"]);
    world.unattended = true;
    world.expect("company nord", &["disable user/default/mara NotDeclared", "disable user/default/timo NotDeclared"]);
}

#[test]
fn a_directory_that_cannot_disable_says_so_and_writes_nothing() {
    let text = "company nord; user mara company=nord; user timo company=nord; company sud; user pia company=sud";
    let mut world = World::holding(text);
    let mut capabilities = tenantry::observed::Capabilities::everything();
    capabilities.disable = false;
    world.directory = world.directory.capable(capabilities);
    let said = world.turn("company nord; user mara company=nord off; company sud; user pia company=sud");
    assert_eq!(said, ["held user/default/mara Unsupported", "held user/default/timo Unsupported"]);
    assert!(world.enabled("user/default/mara") && world.enabled("user/default/timo"));
}

#[test]
fn who_remains_keeps_everything_above_whatever_was_wanted_of_the_tree() {
    let before = "company a; company b parent=a deletion=Delete; company c parent=b deletion=Delete; user u company=c off";
    let world = World::holding(before);
    let expected = [
        "held company/default/a WaitingFor",
        "disable company/default/b NotDeclared",
        "held company/default/b Blocked",
        "disable company/default/c NotDeclared",
        "held company/default/c Blocked",
        "edit user/default/u NotDeclared",
    ];
    world.expect("company a parent=c", &expected);
}

#[test]
fn an_import_lets_nobody_in_who_is_shut_off() {
    // The company comes back while somebody's document is broken: they stay out, and an import says so.
    let world = World::holding("company c; user a company=c; user b company=c");
    world.turn("company c off; user a company=c; user b company=c");
    world.turn("company c; user a company=c; user b company=c broken");
    assert!(!world.live("user/default/b").state.enabled);
    let owner = world.project.owner.clone();
    let imported = super::fixture::block_on(tenantry::pipeline::import(&world.directory, &owner, false)).unwrap();
    let suspended = |name: &str| imported.states.iter().find(|it| it.state.key == key(name)).map(|it| it.state.suspended);
    assert_eq!([suspended("user/default/a"), suspended("user/default/b")], [Some(false), Some(true)]);
}
