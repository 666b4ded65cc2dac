//! What a directory cannot do is held in the plan, with the reason; whatever else is wanted goes on.

use tenantry::{
    model::{Body, Field, Kind, Line, Method},
    observed::{Capabilities, Limit, Live},
};

use super::fixture::{World, key};

const ORG: &str = "company a; company b; user u company=a; user v company=b";

/// A directory in sync that cannot do everything.
fn with(edit: impl FnOnce(&mut Capabilities)) -> World {
    let mut world = World::holding(ORG);
    let mut capabilities = Capabilities::everything();
    edit(&mut capabilities);
    world.directory = world.directory.capable(capabilities);
    world
}

/// Why a user is held.
fn why(world: &World, text: &str) -> String {
    let planned = world.plan(text);
    let held: Vec<_> = planned.plan.held().map(|(key, held)| format!("{key}: {}: {}", held.hold.name(), held.message)).collect();
    assert_eq!(held.len(), 1, "{held:?}");
    held.into_iter().next().unwrap()
}

#[test]
fn a_field_without_a_place() {
    let world = with(|can| can.fields.retain(|field| *field != Field::DisplayName));
    let text = format!("{ORG} title=V");
    world.expect(&text, &["held user/default/v Unsupported"]);
    assert_eq!(why(&world, &text), "user/default/v: Unsupported: this directory cannot keep or change `displayName`");
    world.expect(&format!("{ORG}; user w company=a title=W"), &["held user/default/w Unsupported"]);
    // Shutting off never waits.
    world.expect(&format!("{ORG} title=V off"), &["disable user/default/v ShuttingOff", "held user/default/v Unsupported"]);
}

#[test]
fn a_field_that_stays_as_it_was_created() {
    let fixed = ((Kind::User, Field::Username), "the realm does not allow it".into());
    let world = with(|can| drop(can.fixed.insert(fixed.0, fixed.1)));
    let text = format!("{ORG} username=vera");
    assert_eq!(why(&world, &text), "user/default/v: Unsupported: `username` cannot change here: the realm does not allow it");
    world.expect(&format!("{ORG}; user w company=a username=wanda"), &["create user/default/w Declared"]);
}

/// What people are called by themselves.
fn called(live: &mut Live) {
    let Body::User(user) = &mut live.state.body else { panic!("no user") };
    (user.first_name, user.last_name) = (Line::new("Vera").ok(), Line::new("Vogt").ok());
}

#[test]
fn what_it_asks_people_for_stays_where_nothing_is_declared() {
    let world = with(|can| can.asks = [Field::FirstName, Field::LastName].into());
    world.directory.tamper(&key("user/default/v"), called);
    assert_eq!(world.says(ORG), [""; 0]);
    world.expect(&format!("{ORG} email=vera@x.example"), &["edit user/default/v Declared"]);
    let mut same = world.live("user/default/v");
    called(&mut same);
    assert_eq!(world.live("user/default/v").state, same.state);
    // Where it asks for one of them, the other is nobody's but the declaration's.
    let world = with(|can| can.asks = [Field::FirstName].into());
    world.directory.tamper(&key("user/default/v"), called);
    world.expect(ORG, &["edit user/default/v Declared"]);
    let Body::User(user) = world.live("user/default/v").state.body else { panic!("no user") };
    assert_eq!((user.first_name, user.last_name), (Line::new("Vera").ok(), None));
}

#[test]
fn what_it_demands_of_everybody() {
    let world = with(|can| can.needs = [Field::LastName].into());
    assert_eq!(world.says(ORG), [""; 0], "nobody is held for whom there is nothing to do");
    let text = format!("{ORG} email=vera@x.example");
    assert_eq!(why(&world, &text), "user/default/v: Unsupported: this directory writes nobody who has no `lastName`: declare it");
    world.directory.tamper(&key("user/default/v"), called);
    assert_eq!(why(&world, ORG), why(&world, ORG), "it is not taken away either");
}

#[test]
fn a_text_that_it_does_not_take() {
    let limit = |least, most, ascii, without: &str| Limit {
        kind: Kind::User,
        field: Field::Username,
        least,
        most,
        ascii,
        without: without.into(),
    };
    for (limit, username, said) in [
        (limit(3, 9, false, ""), "vv", "at least 3 characters"),
        (limit(3, 9, false, ""), "vvvvvvvvvv", "at most 9 characters in `username`, and these are 10"),
        (limit(0, 9, true, ""), "jörg", "no other characters than ASCII"),
        (limit(0, 9, false, "@+"), "a+b", "no '+' in `username`"),
    ] {
        let world = with(|can| can.limits.push(limit));
        assert!(why(&world, &format!("{ORG} username={username}")).contains(said), "{said}");
        // What is as it is was taken by somebody.
        world.expect(&format!("{ORG} title=V"), &["edit user/default/v Declared"]);
    }
}

#[test]
fn a_place_that_it_does_not_have() {
    let world = with(|can| can.places = [(Kind::User, Kind::Company)].into());
    world.expect("company a; company b parent=a; user u company=a; user v company=b", &["held company/default/b Unsupported"]);
    world.expect(&format!("{ORG}; customer s company=a"), &["held customer/default/s Unsupported"]);
    world.expect("company a; company b; user u company=a; user v company=a", &["move user/default/v Declared"]);
    world.expect(&format!("{ORG}; customer s"), &["create customer/default/s Declared", "move user/default/v Declared"]);
}

#[test]
fn a_credential_that_it_cannot_give() {
    let world = with(|can| can.methods = [Method::None, Method::Invite].into());
    let text = format!("{ORG}; user w company=a method=Temporary");
    world.expect(&text, &["held user/default/w Unsupported"]);
    assert!(why(&world, &text).ends_with("cannot give a credential by `Temporary`; it can by `Invite`, `None`"));
    world.expect(&format!("{ORG} method=Temporary reset=1"), &["held user/default/v Unsupported"]);
    world.expect(&format!("{ORG}; user w company=a method=Invite"), &["create user/default/w Declared"]);
}

#[test]
fn a_role_that_somebody_else_has_to_make() {
    let world = with(|can| can.roles = Some(["owner".into()].into()));
    let text = format!("{ORG}; user w company=a role=common-manager");
    world.expect(&text, &["held user/default/w Unsupported"]);
    assert!(why(&world, &text).contains("has no role `common-manager`, and we may not make one"));
    world.expect(&format!("{ORG}; user w company=a role=owner"), &["create user/default/w Declared"]);
}

#[test]
fn a_role_that_cannot_be_given() {
    let world = with(|can| drop(can.refused_roles.insert("owner".into(), "there are two".into())));
    let text = format!("{ORG}; user w company=a role=owner");
    let said = "user/default/w: Unsupported: the role `owner` cannot be given here: there are two";
    assert_eq!(why(&world, &text), said);
    // Whoever has it keeps it.
    assert_eq!(world.says(&format!("{ORG} title=V")), ["edit user/default/v Declared"]);
}

#[test]
fn a_kind_of_which_there_are_no_new_ones() {
    let world = with(|can| drop(can.closed.insert(Kind::Company, "one is all there is".into())));
    let said = "company/default/c: Unsupported: no company can be made here: one is all there is";
    assert_eq!(why(&world, &format!("{ORG}; company c")), said);
    assert_eq!(world.says(&format!("{ORG}; user w company=a")), ["create user/default/w Declared"]);
    // One that is to go is shut off, and stays.
    world.bring("company a deletion=Delete; company b; user u company=a deletion=Delete; user v company=b");
    let decisions =
        ["disable company/default/a NotDeclared", "held company/default/a Unsupported", "delete user/default/u NotDeclared"];
    assert_eq!(world.says("company b; user v company=b"), decisions);
}

#[test]
fn a_customer_that_cannot_stand_alone_or_move() {
    let world = with(|can| (can.lone_customers, can.move_customers, can.move_users) = (false, false, false));
    assert_eq!(world.says(&format!("{ORG}; customer s")), ["held customer/default/s Unsupported"]);
    let held = format!("{ORG}; customer s company=a; user w customer=s");
    world.bring(&held);
    assert_eq!(world.says(&held.replace("customer s company=a", "customer s company=b")), ["held customer/default/s Unsupported"]);
    assert_eq!(world.says(&held.replace("customer=s", "company=a")), ["held user/default/w Unsupported"]);
    // What it stands under is called something else: nothing moves.
    let renamed =
        "company c from=default/a; company b; user u company=c; user v company=b; customer s company=c; user w customer=s";
    assert_eq!(world.says(renamed), ["rename company/default/c MovedFrom"]);
}

#[test]
fn an_account_that_its_owner_opens() {
    let mut world = with(|can| can.activation = true);
    world.bring("company a; company b; user u company=a; user v company=b off");
    world.directory.tamper(&key("user/default/v"), |live| live.activated = Some(false));
    let open = "company a; company b; user u company=a; user v company=b";
    assert_eq!(world.says(open), ["held user/default/v PendingActivation"]);
    assert_eq!(world.says(&format!("{open} method=Invite reset=1")), ["enable user/default/v Declared"]);
    // Who is enabled and has not come yet is as they should be, and counted.
    world.directory.tamper(&key("user/default/u"), |live| live.activated = Some(false));
    assert_eq!(world.says(&format!("{open} off")), [""; 0]);
    assert_eq!(world.plan(&format!("{open} off")).plan.tally.pending, 1);
    // Who has a password sets the next one alone.
    world.directory.tamper(&key("user/default/u"), |live| live.activated = Some(true));
    for (method, held) in [("Secret env=X", true), ("Temporary", true), ("Invite", false)] {
        let text = format!("company a; company b; user u company=a method={method} reset=2; user v company=b off");
        let wanted = if held { "held user/default/u Unsupported" } else { "credential user/default/u Declared" };
        assert_eq!(world.says(&text), [wanted]);
    }
    world.orders.insert(key("user/default/u"), tenantry::plan::Order::Reset(Method::Temporary));
    assert_eq!(world.says(&format!("{open} off")), ["held user/default/u Unsupported"]);
}
