//! Who may change what: the table of `plan::authority`, row by row, and the ways around it that must not be there.

use std::collections::BTreeMap;

use tenantry::{
    model::{Method, Paragraph, Username},
    observed::Observed,
    pipeline::ApplyError,
    plan::{Acting, Authority, Barred, Order, Why},
};

use super::fixture::{World, everything_allowed, key};

/// Two namespaces; in the first a tree of four companies, each with people in it.
pub(crate) const ORG: &str = "
    company root
    company a parent=root
    company a1 parent=a
    company b parent=root
    customer k company=a
    customer alone
    user boss company=root role=common-manager
    user ma company=a role=common-manager
    user ma2 company=a role=common-manager
    user ea company=a role=operations-engineer
    user ea2 company=a role=operations-engineer
    user oa company=a
    user ta company=a role=tenant-administrator
    user ka customer=k role=customer-user
    user oa1 company=a1
    user mb company=b role=common-manager
    user ob company=b
    user lone customer=alone role=customer-user
    company north/a
    user north/mn company=a role=common-manager
    user north/on company=a";

/// A declaration with some documents put in the place of those of their key, or beside; `-user x` takes one out.
pub(crate) fn edited(org: &str, edits: &str) -> String {
    let called = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let mut lines: Vec<(String, String)> = Vec::new();
    for line in org.lines().chain(edits.split(';')).map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix('-') {
            Some(gone) => lines.retain(|it| it.0 != called(gone)),
            None => match lines.iter_mut().find(|it| it.0 == called(line)) {
                Some(it) => line.clone_into(&mut it.1),
                None => lines.push((called(line), line.to_owned())),
            },
        }
    }
    lines.into_iter().map(|it| it.1).collect::<Vec<_>>().join("\n")
}

fn acts(world: &mut World, actor: &str) {
    world.actor = Some(Username::new(actor).unwrap());
}

fn word(why: &Why) -> String {
    match why {
        Why::Nobody => "nobody".into(),
        Why::Role => "role".into(),
        Why::Everybody => "everybody".into(),
        Why::Nowhere => "nowhere".into(),
        Why::Namespace(namespace) => format!("namespace={}", namespace.as_str()),
        Why::Manage(kind) => format!("manage={}", kind.plural()),
        Why::Appoint(role) => format!("appoint={role}"),
        Why::Outside => "outside".into(),
        Why::Leaving => "leaving".into(),
        Why::OwnPlace => "own-place".into(),
    }
}

/// What the actor may not do of a plan, in words; the plan has something to do, and its gate says the same.
fn against(world: &World, text: &str) -> Vec<String> {
    let planned = world.plan(text);
    assert!(planned.plan.changes().next().is_some(), "nothing changes: {text}\n{:?}", planned.plan.decisions);
    let observed = world.directory.snapshot();
    let roles = observed.roles();
    let authority = Authority::of(world.actor.as_ref(), &observed, &roles, world.directory.now());
    let forbidden = planned.plan.forbidden(&authority);
    let refused = planned.refused.iter().find(|refusal| refusal.gate.name() == "role");
    assert_eq!(refused, planned.plan.overreach(&authority).as_ref(), "the pipeline asks the same");
    assert_eq!(refused.is_some(), !forbidden.is_empty());
    forbidden.iter().map(|it| format!("{} {}", it.change.key, word(&it.why)).replace("/default/", "/")).collect()
}

/// Each case: who acts, what is edited, and what of it they may not; empty means all of it is theirs to do.
fn table(cases: &[(&str, &str, &[&str])]) {
    let mut world = World::holding(ORG);
    for (actor, edits, expected) in cases {
        acts(&mut world, actor);
        assert_eq!(against(&world, &edited(ORG, edits)), *expected, "{actor}: {edits}");
    }
}

fn message(world: &World, text: &str) -> String {
    let refused = world.plan(text).refused;
    refused.into_iter().find(|it| it.gate.name() == "role").unwrap_or_else(|| panic!("not refused")).message
}

#[test]
fn each_role_appoints_whom_its_table_says() {
    let all = ["common-manager", "operations-engineer", "owner", "tenant-administrator"];
    let held = [("ma2", all[0]), ("ea2", all[1]), ("oa", all[2]), ("ta", all[3])];
    let mut world = World::holding(ORG);
    for (actor, appoints) in
        [("ma", &all[..3]), ("ea", &all[1..3]), ("oa", &all[..0]), ("ta", &all[3..]), ("ka", &all[..0]), ("boss", &all[..3])]
    {
        acts(&mut world, actor);
        for role in all {
            let said = against(&world, &edited(ORG, &format!("user new company=a role={role}")));
            assert_eq!(said.is_empty(), appoints.contains(&role), "{actor} creates {role}: {said:?}");
        }
        for (user, before) in held {
            let edits = [
                format!("user {user} company=a role={before} title=New"),
                format!("user {user} company=a role={before} off"),
                format!("user {user} company=a role={before} username=renamed"),
                format!("user {user} company=a role={before} deletion=Retain"),
                format!("user {user} company=a role={before} reset=1"),
                format!("user {user} company=a role={before} expires=2025-01-01"),
                format!("user {user}x company=a role={before} from={user} username={user} email={user}@x.example; -user {user}"),
                format!("-user {user}"),
            ];
            for edit in edits {
                let said = against(&world, &edited(ORG, &edit));
                assert_eq!(said.is_empty(), appoints.contains(&before), "{actor}: {edit}: {said:?}");
            }
            for after in all.into_iter().filter(|after| *after != before) {
                let said = against(&world, &edited(ORG, &format!("user {user} company=a role={after}")));
                let may = appoints.contains(&before) && appoints.contains(&after);
                assert_eq!(said.is_empty(), may, "{actor}: {user} to {after}: {said:?}");
            }
        }
    }
}

#[test]
fn a_tenant_administrator_has_customers_and_their_users() {
    table(&[
        ("ta", "user new customer=k role=customer-user", &[]),
        ("ta", "-user ka", &[]),
        ("ta", "user new customer=k role=owner", &["user/new appoint=owner"]),
        ("ta", "customer k company=a description=d", &[]),
        ("ta", "customer new company=a1", &[]),
        ("ta", "customer new company=b", &["customer/new leaving"]),
        ("ta", "customer k company=b", &["customer/k leaving"]),
        ("ta", "customer alone description=d", &["customer/alone outside"]),
        ("ta", "customer alone company=a", &["customer/alone outside"]),
        ("ta", "customer k", &["customer/k leaving"]),
        ("ta", "company a1 parent=a title=New", &["company/a1 manage=companies"]),
        ("ma", "customer k company=a1", &[]),
        ("ma", "customer new", &["customer/new leaving"]),
        ("ma", "user new customer=k role=owner", &[]),
        ("ea", "customer k company=a description=d", &["customer/k manage=customers"]),
        ("boss", "user lone customer=alone role=customer-user title=New", &["user/lone appoint=customer-user"]),
    ]);
}

#[test]
fn companies_are_for_those_who_manage_them() {
    table(&[
        ("ma", "company a parent=root title=New", &[]),
        ("ma", "company new parent=a", &[]),
        ("ma", "company new parent=a1", &[]),
        ("ma", "company new parent=new2; company new2 parent=a", &[]),
        ("ma", "company a1 parent=a off", &[]),
        ("ma", "company new parent=b", &["company/new leaving"]),
        ("ma", "company new parent=root", &["company/new leaving"]),
        ("ma", "company new", &["company/new leaving"]),
        ("ma", "company b parent=root title=New", &["company/b outside"]),
        ("ma", "company root title=New", &["company/root outside"]),
        ("ma", "company a1", &["company/a1 leaving"]),
        ("ea", "company a1 parent=a title=New", &["company/a1 manage=companies"]),
        ("ea", "company new parent=a", &["company/new manage=companies"]),
        ("boss", "company root title=New; company b parent=a; company a1 parent=b", &[]),
        ("boss", "company new", &["company/new leaving"]),
    ]);
}

#[test]
fn reach_is_the_own_company_and_what_is_below_it() {
    table(&[
        ("ma", "user oa company=a title=New", &[]),
        ("ma", "user oa1 company=a1 title=New", &[]),
        ("ma", "user oa company=a1; user oa1 company=a", &[]),
        ("ma", "user ob company=b title=New", &["user/ob outside"]),
        ("ma", "user new company=b", &["user/new leaving"]),
        ("ma", "user oa company=b", &["user/oa leaving"]),
        ("ma", "user ob company=a", &["user/ob outside"]),
        ("ma", "-user ob", &["user/ob outside"]),
        ("ma", "user boss company=root role=common-manager title=New", &["user/boss outside"]),
        ("ma", "user mb company=b role=common-manager off", &["user/mb outside"]),
        ("boss", "user ob company=a; user oa company=b title=New", &[]),
        ("boss", "user north/on company=a title=New", &["user/north/on namespace=north"]),
        ("boss", "user north/new company=a", &["user/north/new namespace=north"]),
        ("mn", "user oa company=a title=New", &["user/oa namespace=default"]),
        ("mn", "user north/on company=a title=New", &[]),
        ("ka", "user oa company=a title=New", &["user/oa nowhere"]),
        ("lone", "user new customer=alone role=customer-user", &["user/new nowhere"]),
    ]);
}

#[test]
fn only_changes_need_rights_and_every_one_of_them() {
    let mut world = World::holding(ORG);
    acts(&mut world, "ea");
    // Held: declared and broken, and waiting for something.
    let held = world.plan(&edited(ORG, "user mb company=b broken; user new company=nowhere role=common-manager"));
    assert!(held.plan.held().count() == 2 && held.refused.is_empty(), "{:?}", held.refused);
    // What is shut off of a broken document is a change.
    assert_eq!(
        against(&world, &edited(ORG, "user ma company=a role=common-manager broken off")),
        ["user/ma appoint=common-manager"]
    );
    // One that is allowed does not carry one that is not.
    let text = edited(ORG, "user oa company=a title=New; user ob company=b title=New; user ma company=a title=New");
    assert_eq!(against(&world, &text), ["user/ma appoint=common-manager", "user/ob outside"]);
    let writes = world.directory.writes();
    let applied = world.apply(&text, everything_allowed(&world.plan(&text).plan));
    assert!(matches!(applied, Err(ApplyError::Refused(_))));
    assert_eq!(world.directory.writes(), writes);
}

#[test]
fn a_role_is_the_operators_to_change() {
    let with = format!("{ORG}\n role lead appoints=lead,owner");
    let mut world = World::holding(&with);
    acts(&mut world, "boss");
    for edits in [
        "role lead appoints=lead,owner,common-manager",
        "role new",
        "role default/new",
        "role operations-engineer appoints=operations-engineer,owner,common-manager",
        "-role lead",
    ] {
        let said = against(&world, &edited(&with, edits));
        assert!(said.len() == 1 && said[0].ends_with(" role"), "{edits}: {said:?}");
    }
}

#[test]
fn a_role_that_is_edited_is_not_in_force_in_the_same_run() {
    let mut world = World::holding(ORG);
    acts(&mut world, "ea");
    let more = "role operations-engineer appoints=operations-engineer,owner,common-manager manages=companies";
    let text = edited(ORG, &format!("{more}; user oa company=a role=common-manager; company new parent=a"));
    let expected = ["role/operations-engineer role", "company/new manage=companies", "user/oa appoint=common-manager"];
    assert_eq!(against(&world, &text), expected);
    // Once the operator has applied it, it is.
    world.actor = None;
    world.bring(&edited(ORG, more));
    acts(&mut world, "ea");
    assert_eq!(against(&world, &text), [""; 0]);
}

#[test]
fn nobody_lifts_themselves() {
    table(&[
        // A role, and its use in the same plan.
        (
            "ea",
            "user ea company=a role=common-manager; company new parent=a",
            &["company/new manage=companies", "user/ea appoint=common-manager"],
        ),
        ("oa", "user oa company=a role=common-manager", &["user/oa appoint=owner"]),
        // To another place.
        ("ea", "user ea company=root role=operations-engineer", &["user/ea leaving"]),
        ("ma", "user ma company=root role=common-manager; user ob company=b off", &["user/ma leaving", "user/ob outside"]),
        // The own company to another place, or to the root.
        ("ma", "company a parent=b", &["company/a own-place"]),
        ("ma", "company a", &["company/a own-place"]),
        ("ma", "company a parent=b; company b parent=root title=New", &["company/a own-place", "company/b outside"]),
        // What is foreign under the own company, and what is in it.
        ("ma", "company b parent=a; user ob company=b title=New", &["company/b outside", "user/ob outside"]),
        (
            "ma",
            "company b2 parent=a; -company b; user ob company=b2; user mb company=b2 role=common-manager",
            &["company/b outside", "user/mb outside", "user/ob outside"],
        ),
        // Under another key: in the own namespace, and into it.
        ("ma", "user ob2 company=a from=ob username=ob; -user ob", &["user/ob2 outside"]),
        (
            "ma",
            "company b2 parent=a from=b; -company b; user ob company=b2 title=New; user mb company=b2 role=common-manager",
            &["company/b2 outside", "user/ob outside"],
        ),
        ("ma", "user on2 company=a from=north/on username=on; -user north/on", &["user/on2 namespace=north"]),
        ("mn", "user north/oa2 company=a from=default/oa username=oa; -user oa", &["user/north/oa2 namespace=default"]),
        // One's own things out of the namespace.
        ("ma", "user north/oa2 company=a from=default/oa username=oa; -user oa", &["user/north/oa2 namespace=north"]),
    ]);
}

#[test]
fn a_company_under_another_key_keeps_its_people_where_they_were() {
    let mut world = World::holding(ORG);
    acts(&mut world, "ma");
    // The own company and one below it, renamed; those in them are edited in the same plan.
    let people =
        "user ma company=z role=common-manager; user ma2 company=z role=common-manager; user ea company=z role=operations-engineer;
        user ea2 company=z role=operations-engineer; user oa company=z title=New; user ta company=z role=tenant-administrator;
        customer k company=z; user oa1 company=z1 title=New";
    let text = edited(
        ORG,
        &format!("company z parent=root from=a title=a; -company a; company z1 parent=z from=a1 title=a1; -company a1; {people}"),
    );
    assert_eq!(against(&world, &text), [""; 0]);
    assert_eq!(against(&world, &edited(&text, "company new parent=z1; user ob company=b title=New")), ["user/ob outside"]);
    // Company and all into another namespace.
    let mut world = World::holding("company a; user ma company=a role=common-manager; company north/x");
    acts(&mut world, "ma");
    let away =
        "company north/z from=default/a title=a; user north/ma company=z from=default/ma role=common-manager; company north/x";
    assert_eq!(against(&world, away), ["company/north/z namespace=north", "user/north/ma namespace=north"]);
}

#[test]
fn what_happens_to_somebody_counts_whatever_the_cause() {
    let mut world = World::holding(ORG);
    acts(&mut world, "ma");
    // A company that is disabled shuts off whoever is in it: of those, one is not theirs to shut off.
    let off = edited(ORG, "company a parent=root off");
    assert_eq!(against(&world, &off), ["user/ka appoint=customer-user", "user/ta appoint=tenant-administrator"]);
    acts(&mut world, "ta");
    assert_eq!(against(&world, &edited(ORG, "customer k company=a off")), [""; 0]);
    // Somebody who shuts themselves off with it may: what counts is who they are now.
    acts(&mut world, "boss");
    assert_eq!(against(&world, &edited(ORG, "company b parent=root off; user boss company=root role=common-manager off")), [""; 0]);
    assert_eq!(against(&world, &edited(ORG, "-user boss; user ob company=b title=New")), [""; 0]);
}

#[test]
fn locks_resets_and_purges_are_changes_of_the_user() {
    let (mut world, org) = (World::holding(ORG), ORG);
    for order in [Order::Lock(Paragraph::new("left").unwrap()), Order::Reset(Method::Temporary)] {
        world.orders = BTreeMap::from([(key("user/ma2"), order)]);
        for (actor, expected) in [("ea", vec!["user/ma2 appoint=common-manager"]), ("mb", vec!["user/ma2 outside"]), ("ma", vec![])]
        {
            acts(&mut world, actor);
            assert_eq!(against(&world, org), expected, "{actor} {:?}", world.orders);
        }
    }
    world.orders = BTreeMap::new();
    world.actor = None;
    let without = edited(org, "-user ma2");
    world.bring(&without);
    world.purge.keys = [key("user/ma2")].into();
    for (actor, expected) in [("ea", vec!["user/ma2 appoint=common-manager"]), ("mb", vec!["user/ma2 outside"]), ("ma", vec![])] {
        acts(&mut world, actor);
        assert_eq!(against(&world, &without), expected, "{actor}");
    }
    // Declared again instead: the account is enabled.
    world.purge.keys.clear();
    acts(&mut world, "ea");
    assert_eq!(against(&world, org), ["user/ma2 appoint=common-manager"]);
}

#[test]
fn unlocking_is_a_change_of_the_user() {
    let mut world = World::holding(ORG);
    world.directory.tamper(&key("user/ma2"), |live| {
        (live.state.enabled, live.state.locked) = (false, Some(Box::new(Paragraph::new("left").unwrap())));
    });
    world.orders = BTreeMap::from([(key("user/ma2"), Order::Unlock(Method::Invite))]);
    for (actor, expected) in [("ea", vec!["user/ma2 appoint=common-manager"]), ("ma2", vec!["user/ma2 nobody"]), ("ma", vec![])] {
        acts(&mut world, actor);
        assert_eq!(against(&world, ORG), expected, "{actor}");
    }
}

#[test]
fn adopting_needs_reach_and_role_before_and_after() {
    let mut world = World::holding(ORG);
    world.stranger("s1", "free", None);
    world.stranger("s2", "below", Some("company/a1"));
    world.stranger("s3", "beside", Some("company/b"));
    for (actor, document, expected) in [
        ("ma", "user below company=a1 adopt=s2", vec![]),
        ("ma", "user below company=a adopt=s2", vec![]),
        ("ma", "user below company=a1 role=tenant-administrator adopt=s2", vec!["user/below appoint=tenant-administrator"]),
        ("oa", "user below company=a1 adopt=s2", vec!["user/below appoint=owner"]),
        ("ma", "user free company=a adopt=s1", vec!["user/free outside"]),
        ("ma", "user beside company=a adopt=s3", vec!["user/beside outside"]),
        ("boss", "user beside company=a adopt=s3", vec![]),
        ("boss", "user free company=a adopt=s1", vec!["user/free outside"]),
        ("mn", "user north/below company=a adopt=s2", vec!["user/north/below outside"]),
    ] {
        acts(&mut world, actor);
        assert_eq!(against(&world, &edited(ORG, document)), expected, "{actor}: {document}");
    }
}

#[test]
fn taking_over_from_another_owner_is_a_change_too() {
    let mut world = World::holding(ORG);
    world.owner("others");
    world.adopt = vec![key("user/ob"), key("user/ma2")];
    for (actor, expected) in
        [("ma", vec!["user/ob outside"]), ("ea", vec!["user/ma2 appoint=common-manager", "user/ob outside"]), ("boss", vec![])]
    {
        acts(&mut world, actor);
        let documents = "part; user ma2 company=a role=common-manager; user ob company=b";
        assert_eq!(against(&world, documents), expected, "{actor}");
    }
}

#[test]
fn whoever_is_not_there_may_do_nothing() {
    let mut world = World::holding(&format!("{ORG}\n user old company=a role=common-manager expires=2026-02-01"));
    let org = format!("{ORG}\n user old company=a role=common-manager expires=2026-02-01");
    world.bring(&edited(&org, "user ma2 company=a role=common-manager off; -user ea2; company b parent=root off"));
    world.directory.tamper(&key("user/ea"), |live| {
        (live.state.enabled, live.state.locked) = (false, Some(Box::new(Paragraph::new("left").unwrap())));
    });
    world.stranger("s1", "stranger", Some("company/root"));
    world.later(60);
    let org = edited(
        &org,
        "user ma2 company=a role=common-manager off; -user ea2; company b parent=root off; user oa company=a title=New",
    );
    for (actor, barred) in [
        ("ma2", Some(Barred::Disabled)),
        ("ea2", Some(Barred::Retired)),
        ("ea", Some(Barred::Locked)),
        ("mb", Some(Barred::Disabled)),
        ("old", Some(Barred::Expired)),
        ("stranger", None),
        ("nobody", None),
        // Declared in the very plan, and the directory does not hold them.
        ("joiner", None),
    ] {
        acts(&mut world, actor);
        let text = edited(&org, "user joiner company=root role=common-manager");
        let username = world.actor.clone().unwrap();
        let expected = barred.map_or(Acting::Unknown(username.clone()), |why| Acting::Barred(username, why));
        assert_eq!(world.plan(&text).acting, expected);
        let said = against(&world, &text);
        assert!(said.len() > 1 && said.iter().all(|it| it.ends_with(" nobody")), "{actor}: {said:?}");
        // Where nothing changes there is nothing to refuse.
        assert!(world.plan("part").refused.is_empty());
    }
}

#[test]
fn an_actor_is_found_whoever_declared_them() {
    let mut world = World::new();
    world.owner("platform");
    world.bring("company root; user boss company=root role=common-manager");
    world.owner("default");
    acts(&mut world, "boss");
    assert_eq!(against(&world, "part; company a parent=root; user u company=a"), [""; 0]);
    assert_eq!(against(&world, "part; company a"), ["company/a leaving"]);
}

#[test]
fn the_first_apply_is_the_operators_and_nobody_makes_a_second_first_one() {
    let mut world = World::new();
    acts(&mut world, "boss");
    assert_eq!(world.plan(ORG).acting, Acting::FirstApply);
    world.bring(ORG);
    assert_ne!(world.plan(ORG).acting, Acting::FirstApply);
    // A directory with strangers alone holds nobody of ours.
    let mut world = World::new();
    world.stranger("s1", "free", None);
    acts(&mut world, "boss");
    assert_eq!(world.plan(ORG).acting, Acting::FirstApply);
    // Everybody deleted, the actor with them: the run after that would be trusted.
    let text = "company c deletion=Delete; user m company=c role=common-manager deletion=Delete; user o company=c deletion=Delete";
    let mut world = World::holding(text);
    acts(&mut world, "m");
    assert_eq!(against(&world, "role unused"), ["role/unused role", "user/m everybody", "user/o everybody"]);
    assert_eq!(against(&world, "company c deletion=Delete"), ["user/m everybody", "user/o everybody"]);
    assert_eq!(against(&world, "company c deletion=Delete; user m company=c role=common-manager deletion=Delete"), [""; 0]);
    assert_eq!(against(&world, "company c deletion=Delete; user o company=c deletion=Delete"), [""; 0]);
}

#[test]
fn the_plan_under_the_lease_is_judged_anew() {
    let mut world = World::holding(ORG);
    acts(&mut world, "ma");
    let text = edited(ORG, "user oa company=a title=New");
    let shown = world.plan(&text);
    assert!(shown.refused.is_empty());
    // Locked by somebody else before the run gets there: the plan is the same, and who acts is not.
    world.directory.tamper(&key("user/ma"), |live| {
        (live.state.enabled, live.state.locked) = (false, Some(Box::new(Paragraph::new("left").unwrap())));
    });
    assert!(matches!(world.apply_shown(&text, &shown), Err(ApplyError::Refused(_))));
}

#[test]
fn the_message_says_what_why_and_who_could() {
    let mut world = World::holding(ORG);
    acts(&mut world, "ea");
    let text =
        edited(ORG, "user ma company=a role=common-manager title=New; user ob company=b title=New; user oa company=a title=New");
    let expected = "\
`ea` (operations-engineer) may not make 2 of the 3 changes of this plan
user/default/ma (?:8): `operations-engineer` may not appoint `common-manager`; `boss`, `ma` or `ma2` could do it
user/default/ob (?:17): it stands outside `a` and what is below it; `boss` or `mb` could do it";
    assert_eq!(message(&world, &text), expected);
    // More than a few are counted.
    let many: String = (0..8).map(|n| format!("user new{n} company=b; ")).collect();
    let found = message(&world, &edited(ORG, &many));
    assert!(
        found.starts_with("`ea` (operations-engineer) may not make any of the 8 changes") && found.ends_with("\n… and 3 more"),
        "{found}"
    );
    // What is nobody's to do is the operator's.
    let found = message(&world, &edited(ORG, "company new"));
    assert!(found.ends_with("only the operator of the tool could do it"), "{found}");
    acts(&mut world, "ghost");
    let found = message(&world, &edited(ORG, "user oa company=a title=New"));
    assert!(
        found.starts_with("nobody here is called `ghost`") && found.ends_with(": `boss`, `ea` or `ea2` could do it"),
        "{found}"
    );
}

#[test]
fn whoever_is_in_a_company_that_is_not_ours_reaches_nothing() {
    let mut world = World::holding("company c deletion=Retain; user m company=c role=common-manager; company d");
    // The company is managed by somebody else from now on, or by nobody.
    let observed = world.directory.snapshot();
    let ours = observed.ours.iter().filter(|live| live.state.key != key("company/c")).cloned().collect();
    let half = Observed { ours, ..observed };
    acts(&mut world, "m");
    let plan = world.plan("part; company e parent=c; user n company=c").plan;
    let roles = half.roles();
    let authority = Authority::of(world.actor.as_ref(), &half, &roles, world.directory.now());
    let forbidden = plan.forbidden(&authority);
    assert_eq!(forbidden.iter().map(|it| &it.why).collect::<Vec<_>>(), [&Why::Nowhere, &Why::Nowhere]);
}

#[test]
fn a_cycle_in_the_directory_is_within_nobodys_reach() {
    let mut world = World::holding("company a; company b parent=a; user m company=b role=common-manager; user o company=b");
    let mut observed = world.directory.snapshot();
    let row = observed.ours.iter().position(|live| live.state.key == key("company/a")).unwrap();
    observed.ours[row].state.place =
        observed.ours[row + 1].state.place.clone().map(|_| tenantry::model::Place::under(&key("company/b")).unwrap());
    acts(&mut world, "m");
    let plan = world.plan("part; user o company=b title=New").plan;
    let roles = observed.roles();
    let authority = Authority::of(world.actor.as_ref(), &observed, &roles, world.directory.now());
    assert_eq!(plan.forbidden(&authority).len(), 1);
}

#[test]
fn what_is_still_owed_to_a_manager_is_held_and_keeps_an_engineer_from_nothing_else() {
    let mut world = World::new();
    let text = edited(ORG, "user ma company=a role=common-manager method=Invite; user oa company=a method=Invite");
    world.letters.fate(|_, _| Some(tenantry::mail::MailErrorKind::Rejected));
    world.run(&text);
    world.letters.fate(|_, _| None);
    acts(&mut world, "ea");
    let more = edited(&text, "user oa2 company=a");
    world.expect(&more, &["held user/default/ma Denied", "credential user/default/oa Owed", "create user/default/oa2 Declared"]);
    assert_eq!(world.refused(&more), [""; 0]);
    world.turn(&more);
    assert_eq!(world.letters.recipients(), ["oa@x.example"]);
    // To ask for another one is to change the manager.
    let reset = edited(&more, "user ma company=a role=common-manager method=Invite reset=2");
    assert_eq!(world.refused(&reset), ["role"]);
    // Nor is it given by the way of a document that says how.
    let secret = edited(&more, "user ma company=a role=common-manager method=Secret env=GOOD");
    world.expect(&secret, &["held user/default/ma Denied"]);
    acts(&mut world, "boss");
    world.expect(&more, &["credential user/default/ma Owed"]);
    world.bring(&more);
    assert_eq!(world.letters.recipients(), ["oa@x.example", "ma@x.example"]);
    acts(&mut world, "nobody");
    assert_eq!(world.refused(&reset), ["role"]);
}
