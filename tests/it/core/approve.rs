//! What an approved plan lets through of a plan that is made later.

use tenantry::{
    model::{Body, Email, Field, FieldValue, Kind, Line, RemoteId, User, Username},
    observed::{Live, Stranger},
    plan::{Allow, Approved, ChangeKind},
    report::ResultKind,
};

use super::fixture::{World, change, everything_allowed, fields, key, message, words};

const HOME: &str = "company c; user u company=c; user v company=c";

/// A directory that holds `now`, and the plan for `approved` of it as somebody approved it.
fn approving(now: &str, approved: &str) -> World {
    let mut world = World::holding(now);
    world.approved = Some(Approved::of(&world.plan(approved).plan));
    world
}

/// What is done and held for `wanted`, where the plan for `approved` was approved.
fn says(now: &str, approved: &str, wanted: &str) -> Vec<String> {
    approving(now, approved).says(wanted)
}

/// The same, carried out without a failure; afterwards there is nothing more to do.
#[track_caller]
fn expect(now: &str, approved: &str, wanted: &str, expected: &[&str]) -> World {
    let world = approving(now, approved);
    assert_eq!(world.turn(wanted), expected);
    assert_eq!(world.plan(wanted).plan.changes().count(), 0, "what was approved is done");
    world
}

/// The approved plan, without a change.
fn forget(world: &mut World, gone: &str) {
    world.approved.as_mut().unwrap().changes.remove(&key(gone)).unwrap_or_else(|| panic!("{gone} is in the plan"));
}

#[test]
fn an_approved_plan_lets_itself_through_whole() {
    let wanted = "company c title=T; user u company=c username=w; company d; user x company=d method=Invite; role lead";
    let mut world = World::holding(HOME);
    let plan = world.plan(wanted).plan;
    world.approved = Some(Approved::of(&plan));
    assert_eq!(world.plan(wanted).plan, plan);
    world.turn(wanted);
    assert_eq!(world.says(wanted), [""; 0]);
}

#[test]
fn two_merges_do_not_block_each_other() {
    let both = "company c; user u company=c title=U; user v company=c title=V";
    let world = expect(
        HOME,
        "company c; user u company=c title=U; user v company=c",
        both,
        &["edit user/default/u Declared", "held user/default/v NotApproved"],
    );
    let told = message(&world.plan(both).plan, "user/default/v");
    assert_eq!(told, "the approved plan does not change it: its own merge carries it out, or `tenantry apply` without `--expect`");
}

#[test]
fn part_of_what_was_approved_may_be_done_already() {
    let approved = "company c; user u company=c title=U role=operations-engineer; user v company=c";
    let mut world = approving(HOME, approved);
    let plan = world.approved.take();
    world.bring(&approved.replace(" role=operations-engineer", ""));
    world.approved = plan;
    assert_eq!(world.says(approved), ["edit user/default/u Declared"]);
}

#[test]
fn every_difference_must_stand_in_the_approved_plan() {
    let approved = "company c; user u company=c title=U method=Invite reset=1; user v company=c; user x company=c method=Invite";
    for (wanted, who, told) in [
        ("title=S method=Invite reset=1", "user/default/u", "(`displayName`)"),
        ("title=U phone=+4912345678 region=asia-pacific method=Invite reset=1", "user/default/u", "(`phone`, `region`)"),
        ("title=U method=Invite reset=2", "user/default/u", "(`credential`)"),
        ("title=U method=Temporary reset=1", "user/default/u", "(`credential`)"),
    ] {
        let world = approving(HOME, approved);
        let wanted = format!("company c; user u company=c {wanted}; user v company=c; user x company=c method=Invite");
        // What stands for itself and is approved goes on.
        let titled = if wanted.contains("title=U") { vec!["edit user/default/u Declared"] } else { Vec::new() };
        let expected = [titled, vec!["held user/default/u NotApproved", "create user/default/x Declared"]].concat();
        assert_eq!(world.says(&wanted), expected, "{wanted}");
        let told_of = message(&world.plan(&wanted).plan, who);
        assert!(told_of.contains(told) && told_of.contains("approve the plan of today"), "{told_of}");
    }
    // Less than was approved is approved, but for what is created.
    let world = approving(HOME, approved);
    let less = "company c; user u company=c title=U; user v company=c; user x company=c";
    assert_eq!(world.says(less), ["edit user/default/u Declared", "held user/default/x NotApproved"]);
}

#[test]
fn two_merges_of_one_person_do_not_wait_for_each_other() {
    let both = "company c; user u company=c title=U off; user v company=c";
    let off = "company c; user u company=c off; user v company=c";
    let mut world = expect(HOME, off, both, &["disable user/default/u Declared", "held user/default/u NotApproved"]);
    assert!(!world.enabled("user/default/u"), "whoever writes something else keeps no leaver in");
    let titled = World::holding(HOME);
    world.approved = Some(Approved::of(&titled.plan("company c; user u company=c title=U; user v company=c").plan));
    assert_eq!(world.turn(both), ["edit user/default/u Declared"]);
    // And the other way round.
    expect(
        HOME,
        "company c; user u company=c title=U; user v company=c",
        both,
        &["edit user/default/u Declared", "held user/default/u NotApproved"],
    );
    // A privileged role that is given up goes as well; one that is got does not go without the rest.
    let lead = "role lead privileged; company c; user u company=c role=lead; user v company=c role=lead";
    let less = "role lead privileged; company c; user u company=c; user v company=c role=lead";
    let more = format!("{less} title=V").replace("user u company=c", "user u company=c title=U");
    assert_eq!(says(lead, less, &more)[0], "edit user/default/u Declared");
    let fields = fields(&approving(lead, less).plan(&more).plan, "user/default/u");
    assert_eq!(fields, ["role"]);
}

#[test]
fn a_company_that_is_shut_off_shuts_off_whoever_is_in_it_by_then() {
    let now = "company c; company d; user u company=c; user v company=c; user w company=d";
    let off = "company c off; company d; user u company=c; user v company=c; user w company=d";
    let approved = |wanted: &str| {
        let world = expect_done(now, off, wanted);
        ["u", "v", "w"].map(|name| world.enabled(&format!("user/default/{name}")))
    };
    // Something else is written of somebody in it.
    assert_eq!(
        approved("company c off; company d; user u company=c title=U; user v company=c; user w company=d"),
        [false, false, true]
    );
    // Somebody is to leave it, and does not without an approval.
    assert_eq!(approved("company c off; company d; user u company=d; user v company=c; user w company=d"), [false, false, true]);
    // Somebody came to it meanwhile.
    let mut world = World::holding(now);
    world.approved = Some(Approved::of(&world.plan(off).plan));
    world.directory.tamper(&key("user/default/w"), |_| ());
    let approval = world.approved.take();
    world.turn("company c; company d; user u company=c; user v company=c; user w company=c");
    world.approved = approval;
    world.turn("company c off; company d; user u company=c; user v company=c; user w company=c");
    assert!(["u", "v", "w"].iter().all(|name| !world.enabled(&format!("user/default/{name}"))));
    // What was not approved shuts off nobody.
    let on = "company c; company d title=D; user u company=c; user v company=c; user w company=d";
    let both = "company c off; company d title=D; user u company=c; user v company=c; user w company=d";
    let world = expect_done(now, on, both);
    assert!(["u", "v", "w"].iter().all(|name| world.enabled(&format!("user/default/{name}"))));
}

/// What was approved is carried out without a failure, and done.
#[track_caller]
fn expect_done(now: &str, approved: &str, wanted: &str) -> World {
    let world = approving(now, approved);
    world.turn(wanted);
    assert_eq!(world.plan(wanted).plan.changes().count(), 0, "what was approved is done");
    world
}

#[test]
fn time_needs_no_approval() {
    let now = "company c; user u company=c expires=2026-03-01; user v company=c";
    let mut world = World::holding(now);
    world.approved =
        Some(Approved::of(&world.plan("company c title=C; user u company=c expires=2026-03-01; user v company=c").plan));
    world.later(100);
    assert_eq!(world.turn(now), ["disable user/default/u Expired"]);
    // One that the documents bring forward does.
    let sooner = "company c; user u company=c; user v company=c expires=2026-01-10";
    assert!(world.says(sooner).contains(&"held user/default/v NotApproved".to_owned()), "{:?}", world.says(sooner));
}

#[test]
fn a_create_is_the_same_in_all_fields() {
    let approved = format!("{HOME}; user x company=c title=X");
    for wanted in ["title=X role=operations-engineer", "title=X deletion=Delete", ""] {
        let wanted = format!("{HOME}; user x company=c {wanted}");
        assert_eq!(says(HOME, &approved, &wanted), ["held user/default/x NotApproved"], "{wanted}");
    }
    expect(HOME, &approved, &approved, &["create user/default/x Declared"]);
}

#[test]
fn before_counts_as_much_as_after() {
    let approved = "company c; user u company=c title=U; user v company=c";
    let mut world = approving(HOME, approved);
    world.directory.tamper(&key("user/default/u"), |live| {
        let Body::User(user) = &mut live.state.body else { panic!("a user") };
        user.display_name = Some(Line::new("S").unwrap());
    });
    assert_eq!(world.says(approved), ["held user/default/u NotApproved"]);
    let change = world.approved.as_mut().unwrap().changes.get_mut(&key("user/default/u")).unwrap();
    change.fields[0].before = FieldValue::Text("S".into());
    assert_eq!(change.fields[0].field, Field::DisplayName);
    assert_eq!(world.says(approved), ["edit user/default/u Declared"]);
}

#[test]
fn another_object_under_the_same_key_is_another_one() {
    let home = "company c; user u company=c deletion=Delete; user v company=c";
    for wanted in ["company c; user v company=c", "company c; user u company=c title=U deletion=Delete; user v company=c"] {
        let mut world = approving(home, wanted);
        let approved = world.approved.take();
        world.bring("company c; user v company=c");
        world.bring(home);
        world.approved = approved;
        assert_eq!(world.says(wanted), ["held user/default/u NotApproved"], "{wanted}");
        assert!(message(&world.plan(wanted).plan, "user/default/u").contains("another object of the directory"));
    }
    let world = approving(home, "company c; user v company=c");
    assert_eq!(change(&world.plan("company c; user v company=c").plan, "user/default/u").key, key("user/default/u"));
}

#[test]
fn create_update_and_delete_are_not_the_same() {
    let mut world = approving(HOME, "company c; user u company=c title=U; user v company=c");
    let approved = world.approved.as_mut().unwrap().changes.get_mut(&key("user/default/u")).unwrap();
    approved.kind = ChangeKind::Delete;
    let wanted = "company c; user u company=c title=U; user v company=c";
    assert_eq!(world.says(wanted), ["held user/default/u NotApproved"]);
    let told = message(&world.plan(wanted).plan, "user/default/u");
    assert!(told.contains("it was to be deleted, and is to be changed"), "{told}");
}

#[test]
fn what_shuts_off_and_is_not_approved_waits_for_its_own_merge() {
    let world = expect(
        HOME,
        "company c; user u company=c title=U; user v company=c",
        "company c; user u company=c title=U",
        &["edit user/default/u Declared", "held user/default/v NotApproved"],
    );
    assert!(world.enabled("user/default/v"));
    let told = message(&world.plan("company c; user u company=c title=U").plan, "user/default/v");
    assert!(told.starts_with("the approved plan does not shut it off: its own merge"), "{told}");
}

#[test]
fn what_needs_something_that_is_held_is_held_with_its_name() {
    for (now, wanted, gone, expected, told) in [
        (
            HOME,
            "company c; user u company=c; user v company=c; company d; user x company=d",
            "company/default/d",
            &["held company/default/d NotApproved", "held user/default/x NotApproved"][..],
            "user/default/x it needs `company/default/d`",
        ),
        // Along a chain.
        (
            "company c",
            "company c; company d; company e parent=d; user x company=e",
            "company/default/d",
            &["held company/default/d NotApproved", "held company/default/e NotApproved", "held user/default/x NotApproved"],
            "user/default/x it needs `company/default/e`",
        ),
        // A name that is not freed.
        (
            HOME,
            "company c; user u company=c username=w; user v company=c username=u",
            "user/default/u",
            &["held user/default/u NotApproved", "held user/default/v NotApproved"],
            "user/default/v it needs the username of `user/default/u`",
        ),
        // No half swap, whichever half.
        (
            HOME,
            "company c; user u company=c username=v; user v company=c username=u",
            "user/default/u",
            &["held user/default/u NotApproved", "held user/default/v NotApproved"],
            "user/default/v it needs the username",
        ),
        (
            HOME,
            "company c; user u company=c username=v; user v company=c username=u",
            "user/default/v",
            &["held user/default/u NotApproved", "held user/default/v NotApproved"],
            "user/default/u it needs the username",
        ),
        // A role, new or another than it was.
        (
            HOME,
            "role lead; company c; user u company=c role=lead; user v company=c",
            "role/lead",
            &["held role/lead NotApproved", "held user/default/u NotApproved"],
            "user/default/u the role `role/lead` is held",
        ),
        (
            "role lead; company c; user u company=c",
            "role lead privileged; company c; user u company=c role=lead",
            "role/lead",
            &["held role/lead NotApproved", "held user/default/u NotApproved"],
            "user/default/u the role `role/lead` is held",
        ),
        // A role that somebody keeps.
        (
            "role lead deletion=Delete; company c; user u company=c role=lead",
            "company c; user u company=c",
            "user/default/u",
            &["held role/lead NotApproved", "held user/default/u NotApproved"],
            "role/lead it cannot go while",
        ),
        (
            "role lead; company c; user u company=c role=lead",
            "role head from=lead; company c; user u company=c role=head",
            "user/default/u",
            &["held role/head NotApproved", "held user/default/u NotApproved"],
            "role/head `user/default/u` keeps the role under its old name",
        ),
        // A parent under another key.
        (
            "company c; user u company=c",
            "company d from=default/c title=c; user u company=d; user x company=d",
            "company/default/d",
            &["held company/default/d NotApproved", "held user/default/x NotApproved"],
            "user/default/x it needs `company/default/d`",
        ),
        // Whoever remains.
        (
            "company c deletion=Delete; user u company=c deletion=Delete; company e",
            "company e",
            "user/default/u",
            &["held company/default/c NotApproved", "held user/default/u NotApproved"],
            "company/default/c it cannot go while these remain",
        ),
        (
            "company c; company e; user u company=c",
            "company north/c from=default/c; company e; user u company=e",
            "user/default/u",
            &["held company/north/c NotApproved", "held user/default/u NotApproved"],
            "company/north/c it cannot go while these remain",
        ),
        // An edge that is turned round.
        (
            "company a; company b parent=a",
            "company b; company a parent=b",
            "company/default/b",
            &["held company/default/a NotApproved", "held company/default/b NotApproved"],
            "company/default/a it needs `company/default/b`",
        ),
        // Nobody is let in by a company that stays shut off: not who is in it, not who comes, is made or is brought along.
        (
            "company c off; user u company=c",
            "company c; user u company=c",
            "company/default/c",
            &["held company/default/c NotApproved", "held user/default/u NotApproved"],
            "user/default/u `company/default/c` stays shut off",
        ),
        (
            "company c off; company d; user u company=d",
            "company c; company d; user u company=c; user x company=c",
            "company/default/c",
            &["held company/default/c NotApproved", "held user/default/u NotApproved", "held user/default/x NotApproved"],
            "user/default/x `company/default/c` stays shut off",
        ),
        (
            "company c off; company d; user u company=d",
            "company c; company d parent=c; user u company=d",
            "company/default/c",
            &["held company/default/c NotApproved", "held company/default/d NotApproved"],
            "company/default/d `company/default/c` stays shut off",
        ),
    ] {
        let mut world = approving(now, wanted);
        forget(&mut world, gone);
        assert_eq!(world.turn(wanted), expected, "{wanted}");
        let plan = world.plan(wanted).plan;
        assert_eq!(plan.changes().count(), 0, "{wanted}");
        let (who, told) = told.split_once(' ').unwrap();
        assert!(message(&plan, who).starts_with(told), "{wanted}: {}", message(&plan, who));
    }
}

#[test]
fn shutting_off_that_was_approved_does_not_wait_for_what_was_not() {
    let now = "company c; user u company=c role=common-manager; user v company=c role=common-manager";
    let wanted = "company c; company d; user u company=d role=owner; user v company=c role=common-manager";
    let mut world = approving(now, wanted);
    forget(&mut world, "company/default/d");
    let said = world.turn(wanted);
    assert_eq!(said[1..], ["edit user/default/u Declared", "held user/default/u NotApproved"], "{said:?}");
    let off = "company c; company d; user u company=d off; user v company=c role=common-manager";
    let mut world = approving(now, off);
    forget(&mut world, "company/default/d");
    world.turn(off);
    assert!(!world.enabled("user/default/u"));
}

#[test]
fn nobody_is_taken_over_below_somebody_elses() {
    let world = World::holding("company c");
    let Live { state, id: _, .. } = world.live("company/default/c");
    world.directory.insert_stranger(Stranger {
        id: RemoteId("s1".into()),
        kind: Kind::Company,
        parent: None,
        label: "c".into(),
        email: None,
        enabled: true,
        locked: None,
        version: None,
        created_at: world.directory.now(),
        fit: Ok(state.body),
    });
    world.stranger("s2", "x", None);
    let mut stranger = world.directory.snapshot().strangers.into_iter().find(|it| it.id.0 == "s2").unwrap();
    (stranger.id, stranger.parent) = (RemoteId("s3".into()), Some(RemoteId("s1".into())));
    (stranger.label, stranger.email) = ("y".into(), Some("y@x.example".into()));
    stranger.fit = stranger.fit.map(|body| {
        let Body::User(user) = body else { panic!("a user") };
        Body::User(User { username: Username::new("y").unwrap(), email: Email::new("y@x.example").unwrap(), ..user })
    });
    world.directory.insert_stranger(stranger);
    let wanted = "company c; company d title=c adopt=s1; user y company=d adopt=s3";
    let mut world = World { approved: Some(Approved::of(&world.plan(wanted).plan)), ..world };
    forget(&mut world, "company/default/d");
    assert_eq!(world.turn(wanted), ["held company/default/d NotApproved", "held user/default/y NotApproved"]);
    let told = message(&world.plan(wanted).plan, "user/default/y");
    assert!(told.starts_with("`company/default/d` is not taken over"), "{told}");
    world.approved = None;
    world.expect(wanted, &["adopt company/default/d Adopted", "adopt user/default/y Adopted"]);
}

#[test]
fn a_company_below_one_that_stays_shut_off_says_for_itself_that_it_is_open() {
    let wanted = "company c; company d parent=c; user u company=d";
    let mut world = approving("company c off", wanted);
    forget(&mut world, "company/default/c");
    let expected = ["held company/default/c NotApproved", "create company/default/d Declared", "held user/default/u NotApproved"];
    assert_eq!(world.turn(wanted), expected);
}

#[test]
fn what_is_held_for_a_reason_of_its_own_keeps_it() {
    let wanted = "company c; user u company=c username=x off; user v company=c";
    let mut world = World::holding(HOME);
    world.stranger("s1", "x", None);
    world.approved = Some(Approved::of(&world.plan(wanted).plan));
    assert_eq!(world.says(wanted), ["disable user/default/u Declared", "held user/default/u Taken"]);
    forget(&mut world, "user/default/u");
    assert_eq!(world.turn(wanted), ["held user/default/u NotApproved"]);
    let told = message(&world.plan(wanted).plan, "user/default/u");
    assert!(told.starts_with("the approved plan does not shut it off") && told.contains("; besides, the username `x`"), "{told}");
    assert!(world.enabled("user/default/u"));
}

#[test]
fn those_below_are_judged_by_themselves() {
    let wanted = "company c off; user u company=c; user v company=c";
    let mut world = approving(HOME, wanted);
    forget(&mut world, "company/default/c");
    forget(&mut world, "user/default/v");
    let expected = ["held company/default/c NotApproved", "disable user/default/u Above", "held user/default/v NotApproved"];
    assert_eq!(world.turn(wanted), expected);
    assert!(world.enabled("company/default/c") && world.enabled("user/default/v") && !world.enabled("user/default/u"));
}

#[test]
fn gates_count_what_remains() {
    let users: String = (0..20).map(|row| format!("; user u{row} company=c")).collect();
    let (now, wanted) = (format!("company c{users}"), "company c; user u0 company=c title=T");
    let mut world = approving(&now, &format!("company c{}", users.replacen("u0 company=c", "u0 company=c title=T", 1)));
    assert_eq!(world.refused(wanted), [""; 0], "nobody is shut off by this");
    assert_eq!(world.plan(wanted).plan.losses(), 0);
    world.approved = None;
    assert_eq!(world.refused(wanted), ["budget"]);
    // Who goes as the last one is judged by who stays because of a hold, and the other way round.
    let now = "company c; user u company=c role=common-manager; user v company=c role=owner";
    let turned = "company c; user u company=c role=owner; user v company=c role=common-manager";
    let mut world = approving(now, turned);
    assert_eq!(world.refused(turned), [""; 0]);
    forget(&mut world, "user/default/v");
    assert_eq!(world.refused(turned), ["last-holder"]);
    let mut world = approving(now, "company c; user v company=c role=owner");
    assert_eq!(world.refused("company c; user v company=c role=owner"), ["last-holder"]);
    forget(&mut world, "user/default/u");
    assert_eq!(world.refused("company c; user v company=c role=owner"), [""; 0]);
    // A privilege that goes with the role, and from whom.
    let now = "role lead privileged; company c; user u company=c role=lead; user v company=c role=lead; company north/c; \
               user north/w company=c role=lead";
    let wanted =
        "role lead; company c; user u company=c role=lead; user v company=c; company north/c; user north/w company=c role=lead";
    let mut world = approving(now, wanted);
    let all = world.plan(wanted).plan.losses();
    forget(&mut world, "user/default/v");
    assert_eq!((all, world.plan(wanted).plan.losses()), (3, 3), "counted at the role instead");
    forget(&mut world, "role/lead");
    assert_eq!(world.plan(wanted).plan.losses(), 0);
    // What is not issued stays owed, and is no mail.
    let mut world = approving("company c", "company c; user u company=c method=Invite");
    assert_eq!(world.plan("company c; user u company=c method=Invite").plan.mails(), 1);
    forget(&mut world, "user/default/u");
    let plan = world.plan("company c; user u company=c method=Invite").plan;
    assert_eq!((plan.mails(), plan.creates(None)), (0, 0));
}

#[test]
fn a_letter_that_did_not_go_out_may_go_out_by_the_same_approval() {
    let wanted = "company c; user u company=c method=Invite";
    let world = approving("company c", wanted);
    world.letters.fate(|_, _| Some(tenantry::mail::MailErrorKind::Unavailable));
    let report = world.run(wanted);
    assert!(matches!(report.results[0].result, ResultKind::Failed { .. }), "{report:?}");
    world.letters.fate(|_, _| None);
    assert_eq!(world.turn(wanted), ["credential user/default/u Owed"]);
    assert_eq!(world.says(wanted), [""; 0]);
}

#[test]
fn another_directory_or_owner_is_refused_whole() {
    let wanted = "company c title=T; user u company=c; user v company=c";
    for (directory, owner, told) in
        [("sqlite: other.db", "default", "for the directory `sqlite: other.db`"), ("memory", "others", "for the owner `others`")]
    {
        let mut world = approving(HOME, wanted);
        let approved = world.approved.as_mut().unwrap();
        (approved.directory, approved.owner) = (directory.into(), owner.into());
        let refused = world.plan(wanted).refused;
        assert_eq!(refused[0].gate.name(), "stale-plan");
        assert!(refused[0].message.contains(told), "{refused:?}");
        let writes = world.directory.writes();
        assert!(world.apply(wanted, Allow::default()).is_err());
        assert_eq!(world.directory.writes(), writes);
    }
}

#[test]
fn a_run_that_leaves_something_for_others_vouches_for_no_root() {
    let mut world = World::holding("company c; user u company=c; root=first");
    let other = "company c title=T; root=second";
    world.approved = Some(Approved::default());
    let approved = world.approved.as_mut().unwrap();
    (approved.directory, approved.owner) = ("memory".into(), "default".into());
    assert_eq!(words(&world.plan(other).plan), ["held company/default/c NotApproved", "held user/default/u NotApproved"]);
    world.apply(other, Allow::default()).unwrap();
    world.approved = None;
    assert_eq!(world.refused(other), ["root-changed"], "nobody has approved that removal by now");
    let allow = everything_allowed(&world.plan(other).plan);
    world.apply(other, allow).unwrap();
    assert_eq!(world.refused(other), [""; 0]);
}

#[test]
fn a_project_is_loosened_by_approval_alone() {
    let mut world = World::holding(HOME);
    world.project.budget.at_most += 1;
    let loosened = world.plan(HOME).plan;
    assert!(!loosened.loosens.is_empty());
    world.approved = Some(Approved { loosens: Vec::new(), ..Approved::of(&loosened) });
    assert_eq!(world.refused(HOME), ["settings"]);
    world.approved = Some(Approved::of(&loosened));
    assert_eq!(world.refused(HOME), [""; 0]);
}

#[test]
fn what_nobody_wants_any_more_is_counted() {
    let mut world = approving(HOME, "company c title=T; user u company=c title=T; user v company=c title=T");
    let approved = world.approved.take().unwrap();
    let wanted = "company c title=T; user u company=c; user v company=c title=S";
    assert_eq!(approved.unwanted(&world.plan(wanted).plan), 1, "what is held now is wanted");
    assert_eq!(approved.unwanted(&world.plan(HOME).plan), 3);
}
