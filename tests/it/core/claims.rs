//! Names that only one can hold, and accounts under another key.

use tenantry::{
    directory::ErrorKind,
    plan::{Held, Hold},
};

use super::fixture::{World, key, message, words};

#[test]
fn swaps_and_cycles_are_done_at_once() {
    for (before, after) in [
        ("user u company=c username=x; user v company=c username=y", "user u company=c username=y; user v company=c username=x"),
        (
            "user u company=c email=x@x.example; user v company=c email=y@x.example",
            "user u company=c email=y@x.example; user v company=c email=x@x.example",
        ),
        (
            "user u company=c username=x; user v company=c username=y; user w company=c username=z",
            "user u company=c username=y; user v company=c username=z; user w company=c username=x",
        ),
        (
            "user u company=c username=x; user v company=c username=y; user w company=c username=z",
            "user u company=c username=z; user v company=c username=x; user w company=c username=y",
        ),
        // A chain: who frees comes before who takes.
        (
            "user u company=c username=x; user v company=c username=y; user w company=c username=z",
            "user u company=c username=y; user v company=c username=z; user w company=c username=free",
        ),
        (
            "user u company=c username=x; user v company=c username=y; user w company=c username=z",
            "user u company=c username=free; user v company=c username=x; user w company=c username=y",
        ),
        // A new account takes what somebody frees.
        ("user u company=c username=x", "user a company=c username=x; user u company=c username=free"),
        // Two swaps that share a member, by username and by e-mail.
        (
            "user u company=c username=x email=x@x.example; user v company=c username=y email=y@x.example; user w company=c username=z email=z@x.example",
            "user u company=c username=y email=z@x.example; user v company=c username=x email=y@x.example; user w company=c username=z email=x@x.example",
        ),
        (
            "customer s company=c title=x; customer t company=c title=y",
            "customer s company=c title=y; customer t company=c title=x",
        ),
        (
            "company d; customer s company=c title=x; customer t company=d title=x",
            "company d; customer s company=d title=x; customer t company=c title=x",
        ),
    ] {
        let world = World::holding(&format!("company c; {before}"));
        let ids: Vec<_> = world.directory.snapshot().ours.into_iter().map(|live| (live.state.key, live.id)).collect();
        world.bring(&format!("company c; {after}"));
        for (key, id) in ids {
            assert_eq!(world.live(&key.to_string()).id, id, "{key} keeps its account");
        }
    }
}

#[test]
fn a_crash_anywhere_in_a_swap_is_made_good() {
    let before = "company c; user u company=c username=x; user v company=c username=y; user w company=c username=z";
    let after = "company c; user u company=c username=y; user v company=c username=z; user w company=c username=x";
    for nth in 1..=5 {
        for lost in [false, true] {
            let world = World::holding(before);
            if lost {
                world.directory.lose_answer(nth, ErrorKind::Unavailable);
            } else {
                world.directory.fail_execute(nth, ErrorKind::Unavailable);
            }
            world.run(after);
            world.bring(after);
        }
    }
}

#[test]
fn after_a_crash_a_parked_account_is_renamed() {
    let world = World::holding("company c; user u company=c username=x; user v company=c username=y");
    let after = "company c; user u company=c username=y; user v company=c username=x";
    world.directory.fail_execute(2, ErrorKind::Unavailable);
    world.run(after);
    let names: Vec<String> = ["u", "v"]
        .iter()
        .map(|it| world.live(&format!("user/default/{it}")).state.body.user().unwrap().username.to_string())
        .collect();
    assert!(names.iter().any(|it| it.starts_with("parked-")), "{names:?}");
    let said = world.says(after);
    assert!(said.iter().all(|word| word.starts_with("rename")), "{said:?}");
    world.bring(after);
}

#[test]
fn a_name_of_somebody_who_leaves_in_the_same_plan_is_taken() {
    for policy in ["Disable", "Delete"] {
        let world = World::holding(&format!("company c; user old company=c username=x deletion={policy}"));
        let text = "company c; user new company=c username=x email=n@x.example";
        let plan = world.plan(text).plan;
        assert!(words(&plan).contains(&"held user/default/new Taken".to_owned()), "{:?}", words(&plan));
        let message = message(&plan, "user/default/new");
        assert!(message.contains("tenantry.dev/moved-from: default/old"), "{message}");
        assert!(message.contains("--purge user/default/old"), "{message}");
        world.turn(text);
    }
}

#[test]
fn a_name_of_another_owner_is_taken() {
    let mut world = World::new();
    world.owner("others");
    world.bring("company theirs; user mara company=theirs");
    world.owner("default");
    world.expect("company c; user m company=c username=Mara", &["create company/default/c Declared", "held user/default/m Taken"]);
}

/// Objects of a cluster: `zoe` is the older one.
#[test]
fn whoever_is_set_aside_keeps_the_turn() {
    let aside = |world: &mut World, name: &str| {
        let held = Held { hold: Hold::Progressing, message: "it is being taken up".into() };
        world.aside = [(key(&format!("user/default/{name}")), held)].into();
    };
    for claim in ["username=boss", "email=boss@x.example"] {
        let text = format!("objects; company c; user zoe company=c {claim}; user anna company=c {claim}");
        let mut world = World::holding("company c");
        aside(&mut world, "zoe");
        world.expect(&text, &["held user/default/anna Taken", "held user/default/zoe Progressing"]);
        assert!(message(&world.plan(&text).plan, "user/default/anna").contains("`user/default/zoe`"));
        world.aside.clear();
        world.expect(&text, &["held user/default/anna Taken", "create user/default/zoe Declared"]);
        // Whoever is younger holds up nobody.
        let mut world = World::holding("company c");
        aside(&mut world, "anna");
        world.expect(&text, &["held user/default/anna Progressing", "create user/default/zoe Declared"]);
    }
    // Somebody who has the name gives it up all the same.
    let mut world = World::holding("company c; user anna company=c username=boss");
    aside(&mut world, "zoe");
    world.expect(
        "objects; company c; user zoe company=c username=boss; user anna company=c username=other",
        &["rename user/default/anna Declared", "held user/default/zoe Progressing"],
    );
}

#[test]
fn two_documents_that_claim_one_value_are_both_broken() {
    for (one, two) in [
        ("user u company=c username=Mara", "user v company=c username=mara"),
        ("user u company=c username=m\u{fc}ller", "user v company=c username=mu\u{308}ller"),
        ("user u company=c email=A@x.example", "user v company=c email=a@X.example"),
        ("customer s company=c title=x", "customer t company=c title=x"),
        ("user u company=c", "user u company=c title=other"),
    ] {
        let text = format!("company c; {one}; {two}");
        let (_, problems) = super::fixture::declare(&text, &tenantry::manifest::Project::default());
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert!(problems[0].related.len() == 1 && problems[0].origin.line == 3, "it names both lines: {problems:?}");
        let world = World::holding("company c");
        assert!(world.turn(&text).iter().all(|word| word.ends_with("Invalid")));
    }
}

#[test]
fn a_person_under_another_name_keeps_the_account() {
    let world = World::holding("company c; user old company=c username=m email=m@x.example method=Temporary");
    let id = world.id("user/default/old");
    let text = "company c; user new company=c username=m email=m@x.example method=Temporary from=default/old";
    let plan = world.plan(text).plan;
    assert_eq!(words(&plan), ["rename user/default/new MovedFrom"]);
    assert_eq!(super::fixture::fields(&plan, "user/default/new"), ["key"]);
    assert!(plan.losses() == 0 && plan.changes().all(|change| change.credential.is_none()));
    world.bring(text);
    assert_eq!(world.id("user/default/new"), id);
    assert!(world.find("user/default/old").is_none());
    // The annotation stays and does nothing, even when somebody else gets the old name.
    world.bring("company c; user new company=c username=m email=m@x.example method=Temporary");
    world.bring("company c; user new company=c username=m email=m@x.example; user old company=c");
    assert_eq!(world.id("user/default/new"), id);
}

#[test]
fn a_retired_account_may_be_moved_from() {
    let world = World::holding("company c; user old company=c username=m email=m@x.example");
    let id = world.id("user/default/old");
    world.bring("company c");
    world.bring("company c; user new company=c username=m email=m@x.example from=default/old");
    assert!(world.id("user/default/new") == id && world.enabled("user/default/new"));
}

#[test]
fn across_namespaces_it_is_a_loss_in_the_old_one() {
    let world = World::holding("company a/c; company b/c; user a/m company=c");
    let text = "company a/c; company b/c; user b/m company=c from=a/m";
    let plan = world.plan(text).plan;
    assert_eq!(words(&plan), ["move user/b/m MovedFrom"]);
    let losses: Vec<_> = plan.tally.losses.iter().map(|(namespace, count)| (namespace.to_string(), *count)).collect();
    assert_eq!(losses, [("a".to_owned(), 1)]);
    world.bring(text);
}

#[test]
fn declaring_old_and_new_at_once_is_an_error() {
    let world = World::holding("company c; user old company=c username=m");
    let text = "company c; user old company=c username=m; user new company=c from=default/old";
    world.expect(text, &["held user/default/new Invalid"]);
    assert!(world.find("user/default/old").is_some());
}

#[test]
fn two_that_say_they_were_one() {
    let world = World::holding("company c; user old company=c username=m");
    let said = world.turn("company c; user n1 company=c from=default/old; user n2 company=c from=default/old");
    assert_eq!(said, ["held user/default/n1 Invalid", "held user/default/n2 Invalid"]);
    assert!(world.enabled("user/default/old"), "its account is spoken for");
}

#[test]
fn a_new_name_that_has_an_account_already_takes_no_other() {
    let world = World::holding("company c; user new company=c; user old company=c");
    world.expect("company c; user new company=c from=default/old", &["disable user/default/old NotDeclared"]);
}

#[test]
fn an_account_of_another_owner_is_not_moved_from() {
    let mut world = World::new();
    world.owner("others");
    world.bring("company c; user old company=c");
    world.owner("default");
    world.turn("company mine; user new company=mine username=n email=n@x.example from=default/old");
    assert_eq!(world.live("user/default/old").state.owner.unwrap().as_str(), "others");
}

#[test]
fn names_swap_between_re_keyed_accounts() {
    let world = World::holding("company c; user a company=c username=x; user b company=c username=y");
    world.bring("company c; user p company=c username=y email=b@x.example from=default/a; user q company=c username=x email=a@x.example from=default/b");
}

#[test]
fn the_title_of_a_released_customer_is_taken() {
    let world = World::holding("company c; customer s company=c title=x deletion=Retain");
    world.bring("company c");
    world.expect("company c; customer t company=c title=x", &["held customer/default/t Taken"]);
    world.bring("company c; customer t title=x");
}

#[test]
fn what_is_not_taken_over_yet_is_not_shut_off_either() {
    let world = World::holding("company c");
    world.stranger("s1", "mara", None);
    world.expect("company c; user mara company=other adopt=s1 off", &["held user/default/mara WaitingFor"]);
    assert!(world.directory.snapshot().strangers.iter().all(|stranger| stranger.enabled));
}

#[test]
fn who_is_taken_over_from_another_namespace_has_to_move() {
    let world = World::holding("company c");
    world.stranger("s1", "mara", Some("company/default/c"));
    world.expect("company c; user north/mara company=c adopt=s1", &["held user/north/mara WaitingFor"]);
    world.bring("company c; company north/c; user north/mara company=c adopt=s1");
}

#[test]
fn the_title_of_somebody_who_cannot_leave_is_taken() {
    let before = "company a; customer s company=a title=x; customer t company=a title=y";
    let after = "company a; company b broken; customer s company=b title=x; customer t company=a title=x";
    let held = ["held company/default/b Invalid", "held customer/default/s WaitingFor", "held customer/default/t Taken"];
    World::holding(before).expect(after, &held);
    let renamed = "company a; company b broken from=a; customer s company=b title=x; customer t company=a title=x";
    World::holding(before).expect(renamed, &held);
}
