//! Credentials: the debt comes first, the mark last, and nothing in between can lose anybody or send without need.

use tenantry::{
    directory::{ErrorKind, NewSecret, Right},
    mail::{MailErrorKind, Occasion},
    model::Method,
    observed::CredentialMark,
    plan::Order,
    report::ResultKind,
};

use super::fixture::*;

const HOME: &str = "company c; user u company=c method=Invite; user v company=c method=Temporary; user w company=c";
const U: &str = "user/default/u";

fn mark(world: &World, user: &str) -> CredentialMark {
    world.live(user).credential
}

fn given(reset: &str) -> CredentialMark {
    CredentialMark::Given(reset.into())
}

fn owed(reset: &str) -> CredentialMark {
    CredentialMark::Owed(reset.into())
}

/// The failures of a run, as `key: message`.
fn failures(world: &World, text: &str) -> Vec<String> {
    let report = world.run(text);
    let failed = report.results.iter().filter_map(|outcome| match &outcome.result {
        ResultKind::Failed { message, retry_helps, refused: _, interrupted: _ } => {
            Some(format!("{} ({retry_helps}): {message}", outcome.key))
        }
        ResultKind::Applied | ResultKind::Skipped(_) => None,
    });
    failed.collect()
}

#[test]
fn a_new_account_gets_its_secret_once() {
    let world = World::new();
    assert_eq!(world.plan(HOME).plan.mails(), 2);
    world.bring(HOME);
    let sent = world.letters.sent();
    assert_eq!(world.letters.recipients(), ["u@x.example", "v@x.example"]);
    assert_eq!([sent[0].occasion, sent[1].occasion], [Occasion::Invite, Occasion::Temporary]);
    assert!(sent[0].secret.starts_with("http://127.0.0.1:8080/set-password/"), "{}", sent[0].secret);
    assert_eq!(sent[1].secret.len(), 20);
    assert_eq!((mark(&world, U), mark(&world, "user/default/w")), (given(""), CredentialMark::None));
    assert!(matches!(world.directory.secret(&key(U)), Some(NewSecret::Link(_))));
    let temporary = world.directory.secret(&key("user/default/v"));
    assert!(matches!(temporary, Some(NewSecret::Password { hash: _, plain: _, must_change: true })));
    world.bring(&format!("{HOME} title=T"));
    world.bring("company c title=X; user u company=c method=Temporary email=n@x.example; user v company=c method=Invite; user w company=c method=Invite");
    assert_eq!(world.letters.sent().len(), 2, "never again because something else changed");
}

#[test]
fn lifetimes_are_those_of_the_project() {
    let mut world = World::new();
    let passwords = &mut world.project.passwords;
    (passwords.invite, passwords.temporary) = (std::time::Duration::from_hours(1), std::time::Duration::from_hours(50));
    world.bring(HOME);
    let left = |user: &str| {
        let until = world.live(user).unused_until.unwrap();
        (until.duration_since(jiff::Timestamp::now()).as_secs() + 60) / 3600
    };
    assert_eq!([left(U), left("user/default/v")], [1, 50]);
}

#[test]
fn another_reset_value_asks_again_and_removing_it_does_not() {
    let world = World::holding(HOME);
    let first = world.directory.secret(&key(U));
    let reset = HOME.replace("method=Invite", "method=Invite reset=2026-01-01");
    world.expect(&reset, &["credential user/default/u Declared"]);
    world.bring(&reset);
    assert_eq!(world.letters.recipients()[2..], ["u@x.example"]);
    assert_eq!(mark(&world, U), given("2026-01-01"));
    assert_ne!(world.directory.secret(&key(U)), first, "one live secret at most");
    assert_eq!(world.says(HOME), [""; 0]);
    assert_eq!(world.says(&HOME.replace("method=Invite", "method=None reset=2026-02-02")), [""; 0], "somebody else owns it");
}

#[test]
fn a_crash_at_each_step_is_made_good_by_the_next_run() {
    // The create gets through and its answer does not; the mail server is away; the mail is refused; the mark is not written.
    let world = World::new();
    world.directory.lose_answer(2, ErrorKind::Unavailable);
    world.run(HOME);
    assert_eq!(mark(&world, U), owed(""), "the debt is there as soon as the account is");
    assert_eq!(world.directory.secret(&key(U)), None);
    assert_eq!(world.says(HOME), ["credential user/default/u Owed"]);

    world.letters.close(Some(MailErrorKind::Unavailable));
    let sent = world.letters.sent().len();
    let failed = failures(&world, HOME);
    assert_eq!(failed.len(), 1);
    assert!(
        failed[0].starts_with("user/default/u (true): the account stands; its credential (Invite) is still owed"),
        "{failed:?}"
    );
    assert_eq!((world.directory.secret(&key(U)), mark(&world, U)), (None, owed("")), "nothing is stored that cannot be sent");
    world.letters.close(None);

    world.letters.fate(|_, _| Some(MailErrorKind::Rejected));
    assert_eq!(failures(&world, HOME).len(), 1);
    let unsent = world.directory.secret(&key(U));
    assert!(unsent.is_some() && mark(&world, U) == owed(""), "stored, not sent, still owed");
    world.letters.fate(|_, _| None);

    world.directory.fail_delivered(1, ErrorKind::Unavailable);
    assert_eq!(failures(&world, HOME).len(), 1);
    assert_eq!((mark(&world, U), world.letters.sent().len()), (owed(""), sent + 1), "sent, and not marked");
    let lost = world.directory.secret(&key(U));
    assert_ne!(lost, unsent, "a fresh secret kills the old one");

    world.directory.fail_issue(1, ErrorKind::Unavailable);
    assert_eq!(failures(&world, HOME).len(), 1);
    assert_eq!((world.directory.secret(&key(U)), world.letters.sent().len()), (lost.clone(), sent + 1));

    world.bring(HOME);
    assert_eq!((mark(&world, U), world.letters.sent().len()), (given(""), sent + 2));
    assert_ne!(world.directory.secret(&key(U)), lost);
}

#[test]
fn one_refused_address_stops_nobody_else_and_a_closed_server_is_asked_once() {
    let world = World::new();
    world.letters.fate(|_, to| (to == "u@x.example").then_some(MailErrorKind::Rejected));
    assert_eq!(failures(&world, HOME).len(), 1);
    assert_eq!(world.letters.recipients(), ["v@x.example"]);
    let people: String = (0..100).map(|row| format!("; user p{row} company=c method=Invite")).collect();
    let many = format!("{HOME}{people}");
    // What one of them makes the server say sounds as if it were for everybody.
    world.letters.fate(|_, to| (to == "u@x.example").then_some(MailErrorKind::Refused));
    assert_eq!(failures(&world, &format!("{HOME}; user q1 company=c method=Invite; user q2 company=c method=Invite")).len(), 1);
    let before = world.letters.sent().len();
    assert_eq!(before, 3);
    // It answers ten letters and is gone.
    world.letters.fate(move |nth, _| (nth >= before + 10).then_some(MailErrorKind::Unavailable));
    let many = format!("{many}; user q1 company=c method=Invite; user q2 company=c method=Invite");
    let failed = failures(&world, &many);
    assert_eq!((failed.len(), world.letters.sent().len()), (91, before + 10));
    let stored = (0..100).filter(|row| world.directory.secret(&key(&format!("user/default/p{row}"))).is_some()).count();
    assert!(stored < 50, "no secret is stored for those who are not tried: {stored}");
    world.letters.fate(|_, _| None);
    world.bring(&many);
    let mut reached = world.letters.recipients();
    reached.sort();
    reached.dedup();
    assert_eq!(reached.len(), 104, "everybody got one");
}

#[test]
fn being_asked_to_stop_loses_nobody() {
    let people: String = (0..200).map(|row| format!("; user p{row:03} company=c method=Invite")).collect();
    let (world, many) = (World::new(), format!("company c{people}"));
    let stop = world.stop.clone();
    world.letters.fate(move |nth, _| {
        if nth == 50 {
            stop.request();
        }
        None
    });
    let report = world.run(&many);
    assert!(report.interrupted);
    let sent = world.letters.sent().len();
    assert!((50..100).contains(&sent), "it stops soon: {sent}");
    let marked = (0..200).filter(|row| mark(&world, &format!("user/default/p{row:03}")) == given("")).count();
    assert_eq!(marked, sent, "who got a mail is marked");
    let again = World { stop: tenantry::directory::Stop::default(), ..world };
    again.letters.fate(|_, _| None);
    again.bring(&many);
    let mut reached = again.letters.recipients();
    assert_eq!(reached.len(), 200, "nobody gets two");
    reached.sort();
    reached.dedup();
    assert_eq!(reached.len(), 200);
}

#[test]
fn an_unused_secret_dies_with_the_account_and_with_its_address() {
    let world = World::holding(HOME);
    assert!(world.directory.secret(&key(U)).is_some());
    let off = HOME.replace("method=Invite", "method=Invite off");
    world.bring(&off);
    assert_eq!(world.directory.secret(&key(U)), None);
    assert!(world.live(U).unused_until.unwrap() <= world.directory.now());
    assert_eq!(world.plan(&off).plan.tally.expired, 1, "it is reported");
    world.expect(HOME, &["enable user/default/u Declared"]);
    world.bring(HOME);
    assert_eq!(world.letters.recipients()[2..], ["u@x.example"], "issued again when the account is enabled");
    assert!(world.directory.secret(&key(U)).is_some());

    let moved = HOME.replace("method=Invite", "method=Invite email=new@x.example");
    world.bring(&moved);
    assert_eq!(world.directory.secret(&key(U)), None, "what went to the old address opens nothing");
    assert_eq!((world.plan(&moved).plan.tally.expired, world.letters.sent().len()), (1, 3));
}

#[test]
fn a_password_of_their_own_outlives_disabling_and_another_address() {
    let world = World::holding(HOME);
    world.use_secret(U);
    let before = world.directory.secret(&key(U));
    world.bring(&HOME.replace("method=Invite", "method=Invite off"));
    world.bring(&HOME.replace("method=Invite", "method=Invite email=new@x.example"));
    world.bring(HOME);
    assert_eq!(world.directory.secret(&key(U)), before);
    assert_eq!(world.letters.sent().len(), 2);
}

#[test]
fn nothing_is_sent_to_who_cannot_sign_in() {
    let world = World::new();
    let off = "company c off; user u company=c method=Invite";
    assert_eq!(world.plan(off).plan.mails(), 0);
    world.bring(off);
    assert_eq!((mark(&world, U), world.plan(off).plan.tally.owed), (owed(""), 1));
    world.bring("company c off; user u company=c method=Invite reset=1");
    assert_eq!(mark(&world, U), owed("1"));
    world.bring("company c; user u company=c method=Invite reset=1");
    assert_eq!((mark(&world, U), world.letters.sent().len()), (given("1"), 1));
}

#[test]
fn a_secret_that_cannot_be_read_or_is_too_weak_leaves_the_debt() {
    let world = World::new();
    let text =
        |u: &str, v: &str| format!("company c; user u company=c method=Secret env={u}; user v company=c method=Hash env={v}");
    let failed = failures(&world, &text("UNSET", "GOOD"));
    assert!(failed[0].contains("the environment variable UNSET is not set"), "{failed:?}");
    assert!(failed[1].contains("this is no PHC string"), "{failed:?}");
    let failed = failures(&world, &text("WEAK", "HASH"));
    assert!(failed.len() == 1 && failed[0].contains("at least 8 characters") && !failed[0].contains("hunter2"), "{failed:?}");
    assert_eq!((mark(&world, U), world.directory.secret(&key(U))), (owed(""), None));
    world.bring(&text("GOOD", "HASH"));
    for user in [U, "user/default/v"] {
        assert!(matches!(world.directory.secret(&key(user)), Some(NewSecret::Password { hash: _, plain: _, must_change: false })));
        assert!(world.live(user).unused_until.is_none());
    }
    assert!(world.letters.sent().is_empty());
}

#[test]
fn too_many_mails_are_refused_before_the_first() {
    let mut world = World::new();
    world.project.budget.mails = 1;
    assert_eq!(world.refused(HOME), ["mails"]);
    world.allow.mails = Some(2);
    assert_eq!(world.refused(HOME), [""; 0]);
    world.allow.mails = Some(1);
    let refusal = &world.plan(HOME).refused[0];
    assert_eq!(
        (refusal.message.as_str(), refusal.flag.as_deref()),
        ("this plan sends 2 mails; 1 is allowed", Some("--allow-mails 2"))
    );
}

#[test]
fn taking_over_records_one_as_given() {
    let world = World::new();
    world.bring("company c");
    world.stranger("s1", "u", Some("company/default/c"));
    world.bring("company c; user u company=c method=Invite adopt=s1");
    assert_eq!((mark(&world, U), world.letters.sent().len()), (given(""), 0));
}

fn order(world: &mut World, user: &str, order: Order) -> Vec<String> {
    world.orders = [(key(user), order)].into();
    let said = world.turn("part");
    world.orders.clear();
    said
}

#[test]
fn lock_shuts_off_against_the_declaration_until_unlock() {
    let mut world = World::holding(HOME);
    world.use_secret("user/default/v");
    let reason = tenantry::model::Paragraph::new("INC-1").unwrap();
    world.orders = [(key("user/default/v"), Order::Lock(reason.clone()))].into();
    assert_eq!(world.plan("part").plan.losses(), 1, "it counts in the budget");
    assert_eq!(order(&mut world, "user/default/v", Order::Lock(reason.clone())), ["disable user/default/v Locked"]);
    let live = world.live("user/default/v");
    assert!(!live.state.enabled && live.state.locked.is_some() && !live.state.suspended);
    assert_eq!(world.says(HOME), [""; 0], "the declaration does not let them in again");
    assert_eq!(world.plan(HOME).plan.tally.locked, 1);
    // Let in by somebody else: shut off again, and for what.
    world.directory.tamper(&key("user/default/v"), |live| live.state.enabled = true);
    world.expect(HOME, &["disable user/default/v Locked"]);
    // Whatever is declared meanwhile is done, except for signing in.
    let text = HOME.replace("method=Temporary", "method=Temporary title=T");
    world.bring(&text);
    assert!(!world.live("user/default/v").state.enabled);
    assert_eq!(order(&mut world, "user/default/v", Order::Unlock(Method::Invite)), ["enable user/default/v Unlocked"]);
    assert_eq!(world.says(&text), [""; 0]);
    assert!(world.live("user/default/v").state.locked.is_none());
    assert_eq!(world.letters.sent().len(), 2, "the password is still theirs");
    assert_eq!(order(&mut world, "user/default/v", Order::Unlock(Method::Invite)), [""; 0]);

    // One whose invite died with the lock gets something to sign in with at once.
    order(&mut world, U, Order::Lock(reason));
    order(&mut world, U, Order::Unlock(Method::Invite));
    assert_eq!((world.letters.recipients()[2..].to_vec(), world.says(&text)), (vec!["u@x.example".to_owned()], vec![]));
}

#[test]
fn unlocking_lets_in_only_whom_everything_else_lets_in() {
    let mut world = World::holding("company c; company d; user u company=c; user v company=d");
    for user in [U, "user/default/v"] {
        order(&mut world, user, Order::Lock(tenantry::model::Paragraph::new("x").unwrap()));
    }
    world.bring("company c off; company d; user u company=c; user v company=d off");
    assert_eq!(order(&mut world, U, Order::Unlock(Method::Invite)), ["edit user/default/u Unlocked"]);
    assert_eq!(order(&mut world, "user/default/v", Order::Unlock(Method::Invite)), ["edit user/default/v Unlocked"]);
    world.bring("company c; company d; user u company=c; user v company=d off");
    assert!(world.live(U).state.enabled && !world.live("user/default/v").state.enabled);
}

#[test]
fn a_lock_outlives_a_new_name_and_a_company_that_is_enabled_again() {
    let mut world = World::holding("company c; user u company=c");
    order(&mut world, U, Order::Lock(tenantry::model::Paragraph::new("x").unwrap()));
    world.bring("company c off; user u company=c");
    world.bring("company c; user u company=c");
    assert!(!world.live(U).state.enabled, "not with its company");
    world.bring("company c; user w company=c username=u email=u@x.example from=default/u");
    let live = world.live("user/default/w");
    assert!(!live.state.enabled && live.state.locked.is_some());
    world.bring("company c");
    world.bring("company c; user w company=c username=u email=u@x.example");
    assert!(!world.live("user/default/w").state.enabled, "not by being declared again");
}

#[test]
fn a_reset_by_command_leaves_the_declaration_settled() {
    let text = "company c; user u company=c method=Invite reset=7";
    let mut world = World::holding(text);
    world.use_secret(U);
    let before = world.directory.secret(&key(U));
    assert_eq!(order(&mut world, U, Order::Reset(Method::Temporary)), ["credential user/default/u Reset"]);
    assert_ne!(world.directory.secret(&key(U)), before, "what they had is dead");
    assert_eq!((mark(&world, U), world.says(text)), (given("7"), vec![]));
    assert_eq!(world.letters.sent()[1].occasion, Occasion::Temporary);
}

#[test]
fn what_belongs_to_another_owner_is_neither_locked_nor_reset() {
    let mut world = World::holding("company c; user u company=c");
    world.owner("others");
    for order in
        [Order::Lock(tenantry::model::Paragraph::new("x").unwrap()), Order::Reset(Method::Invite), Order::Unlock(Method::Invite)]
    {
        world.orders = [(key(U), order)].into();
        assert_eq!(world.says("part"), ["held user/default/u NotOurs"]);
        assert_eq!(world.plan("part").plan.mails(), 0);
    }
}

#[test]
fn what_is_protected_is_not_locked() {
    let mut world = World::holding("company c; user u company=c");
    world.project.protected.insert(key(U));
    world.orders = [(key(U), Order::Lock(tenantry::model::Paragraph::new("x").unwrap()))].into();
    assert_eq!(world.says("part"), ["held user/default/u Protected"]);
}

#[test]
fn what_a_reset_killed_does_not_come_back_by_the_way_of_a_document() {
    let text = "company c; user u company=c method=Secret env=GOOD";
    let mut world = World::holding(text);
    let leaked = world.directory.secret(&key(U));
    world.letters.fate(|_, _| Some(MailErrorKind::Rejected));
    world.orders = [(key(U), Order::Reset(Method::Temporary))].into();
    world.run("part");
    world.orders.clear();
    world.letters.fate(|_, _| None);
    assert_ne!(world.directory.secret(&key(U)), leaked);
    world.expect(text, &["credential user/default/u Owed"]);
    world.bring(text);
    assert_eq!(world.letters.sent().len(), 1, "the reset is made good as it was asked for");
    assert!(matches!(world.directory.secret(&key(U)), Some(NewSecret::Password { hash: _, plain: _, must_change: true })));
    // Nor by being locked and unlocked before it was used.
    order(&mut world, U, Order::Lock(tenantry::model::Paragraph::new("leaked").unwrap()));
    order(&mut world, U, Order::Unlock(Method::Invite));
    world.bring(text);
    assert_eq!(world.letters.sent().len(), 2);
    assert!(matches!(world.directory.secret(&key(U)), Some(NewSecret::Link(_))));
    // A new request of the document is one.
    world.bring("company c; user u company=c method=Secret env=GOOD reset=1");
    assert!(matches!(world.directory.secret(&key(U)), Some(NewSecret::Password { hash: _, plain: _, must_change: false })));
}

#[test]
fn a_reset_that_failed_is_made_good_whatever_is_declared() {
    for declared in ["", " method=None"] {
        let text = format!("company c; user u company=c{declared}");
        let mut world = World::holding(&text);
        world.letters.close(Some(MailErrorKind::Unavailable));
        world.orders = [(key(U), Order::Reset(Method::Invite))].into();
        world.run("part");
        world.orders.clear();
        world.letters.close(None);
        assert_eq!(world.says("part; user v company=c"), ["create user/default/v Declared"], "not by a part without them");
        world.expect(&text, &["credential user/default/u Owed"]);
        world.bring(&text);
        assert_eq!(world.letters.sent()[0].occasion, Occasion::Invite, "{declared}");
    }
}

#[test]
fn a_lock_does_not_wait_for_whoever_holds_the_lease() {
    let mut world = World::holding("company c; user u company=c");
    let lease = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let held =
        lease.block_on(tenantry::directory::Directory::lease(&world.directory, Right::Run, std::time::Duration::ZERO)).unwrap();
    order(&mut world, U, Order::Lock(tenantry::model::Paragraph::new("now").unwrap()));
    assert!(!world.enabled(U));
    world.orders = [(key(U), Order::Unlock(Method::Invite))].into();
    assert!(world.apply("part", tenantry::plan::Allow::default()).is_err(), "letting in waits");
    drop(held);
}

#[test]
fn a_lock_outlives_being_released_and_taken_over_again() {
    let mut world = World::holding("company c; user u company=c deletion=Retain");
    order(&mut world, U, Order::Lock(tenantry::model::Paragraph::new("stolen").unwrap()));
    world.bring("company c");
    let id = world.directory.snapshot().strangers[0].id.0.to_string();
    let again = format!("company c; user u company=c adopt={id}");
    world.bring(&again);
    let live = world.live(U);
    assert!(!live.state.enabled && live.state.locked.is_some());
    order(&mut world, U, Order::Unlock(Method::Invite));
    assert!(world.live(U).state.enabled);
}

#[test]
fn the_digest_covers_where_a_secret_is_found() {
    let world = World::holding("company c");
    let digest = |env: &str| world.plan(&format!("company c; user u company=c method=Secret env={env}")).plan.digest();
    assert_ne!(digest("GOOD"), digest("HASH"));
}

#[test]
fn a_secret_that_will_die_with_its_address_is_told_before() {
    let world = World::holding(HOME);
    let moved = HOME.replace("method=Invite", "method=Invite email=new@x.example");
    assert_eq!(world.plan(&moved).plan.tally.expired, 1);
    let with_reset = HOME.replace("method=Invite", "method=Invite email=new@x.example reset=1");
    assert_eq!(world.plan(&with_reset).plan.tally.expired, 0);
}

#[test]
fn enabled_again_and_asked_for_anew_is_one_letter() {
    let world = World::holding(HOME);
    world.bring(&HOME.replace("method=Invite", "method=Invite off"));
    let again = HOME.replace("method=Invite", "method=Invite reset=2");
    world.bring(&again);
    assert_eq!((world.letters.sent().len(), mark(&world, U)), (3, given("2")));
}

#[test]
fn unlock_makes_good_what_is_owed() {
    let mut world = World::holding("company c; user u company=c method=Secret env=GOOD");
    let reason = || tenantry::model::Paragraph::new("x").unwrap();
    world.letters.fate(|_, _| Some(MailErrorKind::Rejected));
    world.orders = [(key(U), Order::Reset(Method::Temporary))].into();
    world.run("part");
    world.letters.fate(|_, _| None);
    order(&mut world, U, Order::Lock(reason()));
    assert_eq!(world.letters.sent().len(), 0);
    order(&mut world, U, Order::Unlock(Method::Invite));
    assert_eq!(world.letters.sent()[0].occasion, Occasion::Temporary, "in the way that was asked for");
    assert_eq!(world.says("company c; user u company=c method=Secret env=GOOD"), [""; 0]);
}

#[test]
fn what_another_owner_owes_is_given_by_who_takes_over() {
    let mut world = World::holding("company c; user u company=c method=Secret env=GOOD");
    world.letters.close(Some(MailErrorKind::Unavailable));
    world.orders = [(key(U), Order::Reset(Method::Invite))].into();
    world.run("part");
    world.orders.clear();
    world.letters.close(None);
    world.owner("others");
    world.adopt = vec![key(U), key("company/default/c")];
    world.turn("company c; user u company=c method=Secret env=GOOD");
    assert_eq!((mark(&world, U), world.letters.sent().len()), (given(""), 1));
}
