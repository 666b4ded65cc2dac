//! The digest of a plan, the order of its stages, and runs that do not get through; public incidents of other tools.

use tenantry::{directory::ErrorKind, plan::Allow, report::ResultKind};

use super::fixture::{World, key, words};

const HOME: &str = "company c; user u company=c; user v company=c";

#[test]
fn the_digest_covers_what_is_done_and_nothing_else() {
    let world = World::holding(HOME);
    let digest = |text: &str| world.plan(text).plan.digest();
    let edit = digest("company c; user u company=c title=T; user v company=c");
    assert_eq!(edit, digest("; ; user v company=c; user u company=c title=T; company c"), "positions do not matter");
    let mut all = vec![edit.clone()];
    for text in [
        "company c; user u company=c title=S; user v company=c",
        "company c; user u company=c; user v company=c title=T",
        "company c; user u company=c title=T off; user v company=c",
        "company c; user u company=c title=T reset=1; user v company=c",
        "company c; user u company=c title=T reset=2; user v company=c",
        "company c; user u company=c title=T reset=2 method=Temporary; user v company=c",
        "company c; user u company=c title=T; user v company=c broken",
        "company c; user u company=c title=T",
    ] {
        all.push(digest(text));
    }
    let mut other = World::holding(HOME);
    other.owner("others");
    all.push(other.plan("company c; user u company=c title=T; user v company=c").plan.digest());
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count, "each differs from the others");
    world.bring(&format!("{HOME}; user w company=c"));
    let more = world.plan("company c; user u company=c title=T; user v company=c; user w company=c").plan;
    assert_eq!(more.digest(), edit, "settled rows and counts do not matter");
}

#[test]
fn leavers_come_first_and_deletes_last() {
    let world =
        World::holding("company old deletion=Delete; user gone company=old deletion=Delete; user off company=old; company c");
    let plan = world.plan("company c; user off company=c off; company new; user joiner company=new; role lead").plan;
    let stages: Vec<Vec<String>> =
        plan.stages().iter().map(|stage| stage.iter().map(|step| step.change.key.to_string()).collect()).collect();
    let at = |text: &str, last: bool| {
        let mut rows = stages.iter().enumerate().filter(|it| it.1.iter().any(|key| key == text)).map(|it| it.0);
        if last { rows.next_back() } else { rows.next() }.unwrap()
    };
    assert_eq!((at("user/default/gone", false), at("user/default/off", false)), (0, 0), "{stages:?}");
    assert!(at("role/lead", false) < at("company/default/new", false));
    assert!(at("company/default/new", false) < at("user/default/joiner", false));
    assert!(at("user/default/joiner", false) < at("user/default/gone", true));
    assert!(at("user/default/gone", true) < at("company/default/old", true));
}

#[test]
fn giving_up_a_privilege_never_waits_for_the_rest_of_its_change() {
    let world = World::holding("company c; user u company=c role=common-manager");
    // The company that the user moves to cannot be created.
    world.directory.fail_execute(2, ErrorKind::Unavailable);
    world.run("company c; company d; user u company=d role=owner");
    let role = world.live("user/default/u").state.body.user().unwrap().role.to_string();
    assert_eq!(role, "owner", "losing a privilege comes first");
}

#[test]
fn one_failure_stops_what_needs_it_and_nothing_else() {
    let world = World::holding("company c");
    world.directory.fail_execute(1, ErrorKind::Rejected);
    let text = "company c; company d; user u company=d; user v company=c";
    let report = world.run(text);
    let done = report.done();
    assert_eq!((done.applied, done.failed, done.skipped), (1, 1, 1), "{report:?}");
    assert!(matches!(report.results[1].result, ResultKind::Skipped(_)), "{report:?}");
    world.bring(text);
}

#[test]
fn a_request_to_stop_is_heard_and_running_again_resumes() {
    let mut world = World::holding("company c");
    world.stop.request();
    let report = world.run(HOME);
    assert!(report.interrupted && report.done().applied == 0);
    world.stop = tenantry::directory::Stop::default();
    world.bring(HOME);
}

#[test]
fn answers_that_were_lost_are_made_good() {
    for nth in 1..=4 {
        let world = World::holding("company c; user v company=c; user w company=c deletion=Delete");
        let text = "company c; company d; user u company=d; user v company=d off";
        world.directory.lose_answer(nth, ErrorKind::Unavailable);
        world.run(text);
        world.bring(text);
    }
}

#[test]
fn a_failed_list_removes_nobody_as_in_argo_cd_18480() {
    let world = World::holding(HOME);
    world.directory.fail_observe(Some(ErrorKind::Incomplete));
    let writes = world.directory.writes();
    assert!(world.apply("company c", Allow::default()).is_err());
    assert_eq!(world.directory.writes(), writes);
}

#[test]
fn renaming_deletes_nothing_as_in_the_epam_keycloak_operator_18() {
    let world = World::holding("company c deletion=Delete title=C; user u company=c deletion=Delete");
    let id = world.id("company/default/c");
    world.bring("company d deletion=Delete title=C from=default/c; user u company=d deletion=Delete");
    assert_eq!(world.id("company/default/d"), id);
}

#[test]
fn accounts_never_owned_are_not_removed_as_in_ssosync_88() {
    let world = World::holding(HOME);
    world.stranger("s1", "xenia", None);
    world.bring("company c");
    assert_eq!(world.directory.snapshot().strangers.len(), 1);
}

#[test]
fn missing_data_removes_nobody_as_in_firezone_9194() {
    let world = World::holding(HOME);
    assert_eq!(world.refused(""), ["empty-input"]);
    let said = world.turn("company c; unreadable");
    assert_eq!(said, ["held user/default/u Incomplete", "held user/default/v Incomplete"]);
}

#[test]
fn passwords_are_not_reset_on_each_pass_as_in_keycloak_config_cli_489() {
    let text = "company c; user u company=c method=Temporary reset=1";
    let world = World::holding(text);
    let writes = world.directory.writes();
    world.turn(text);
    assert_eq!(world.directory.writes(), writes);
    let edited = world.plan("company c; user u company=c method=Temporary reset=1 title=T").plan;
    assert!(edited.changes().all(|change| change.credential.is_none()), "{:?}", words(&edited));
    let again = world.plan("company c; user u company=c method=Temporary reset=2").plan;
    assert!(again.decision(&key("user/default/u")).unwrap().change.as_ref().unwrap().owes());
}

#[test]
fn shutting_off_goes_through_where_a_broken_document_says_where_it_was() {
    let world = World::holding("company c; user old company=c username=m email=m@x.example");
    world.turn("company c; user new broken off from=default/old");
    assert!(!world.enabled("user/default/old"));
}

#[test]
fn a_name_that_is_not_freed_in_this_scope_is_not_taken() {
    let mut world = World::holding("company c; user u company=c username=x; user v company=c username=z");
    let text = "company c; company d; user u company=d username=y; user v company=c username=x";
    world.scope = tenantry::observed::Scope::Only([key("user/default/v")].into());
    let said = world.turn(text);
    assert_eq!(said, ["held user/default/u WaitingFor", "held user/default/v Taken"]);
    world.scope = tenantry::observed::Scope::All;
    world.bring(text);
}
