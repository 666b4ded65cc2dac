//! The organisation as a tree: of a declaration, of a directory, and of what a plan makes of it. That what is drawn before an
//! apply is what is there after it, [`World::turn`] holds against every plan of these tests.

use std::time::{Duration, Instant};

use tenantry::{
    manifest::Project,
    model::{Kind, Place},
    organisation::{Adrift, Organisation, People, Standing},
};

use super::fixture::{World, declare, key};

fn people(people: &People) -> String {
    let People { roles, disabled, retired, broken } = people;
    let roles: Vec<String> = roles.iter().map(|(role, number)| format!("{number} {role}")).collect();
    let others = [(disabled, "disabled"), (retired, "retired"), (broken, "broken")];
    let others = others.iter().filter(|(number, _)| **number > 0).map(|(number, word)| format!("{number} {word}"));
    roles.into_iter().chain(others).collect::<Vec<_>>().join(", ")
}

/// The lines of a tree, without what a plan takes away.
pub(crate) fn drawn(organisation: &Organisation) -> Vec<String> {
    let mut lines = Vec::new();
    for division in &organisation.namespaces {
        let mut inside = Vec::new();
        for node in division.nodes.iter().filter(|node| node.standing != Standing::Gone) {
            let standing = match node.standing {
                Standing::Enabled => "",
                Standing::Disabled => " off",
                Standing::Retired => " retired",
                Standing::Broken => " broken",
                Standing::Gone => unreachable!(),
            };
            let adrift = match &node.adrift {
                None => String::new(),
                Some(Adrift::Unknown(key)) => format!(" ?{key}"),
                Some(Adrift::Cycle(key)) => format!(" @{key}"),
            };
            let people = people(&node.people);
            let people = if people.is_empty() { people } else { format!(": {people}") };
            inside.push(format!("{}{} \"{}\"{standing}{adrift}{people}", "  ".repeat(node.depth + 1), node.key, node.title));
        }
        let astray = people(&division.astray);
        if !astray.is_empty() {
            inside.push(format!("  astray: {astray}"));
        }
        if division.roles > 0 {
            inside.push(format!("  roles: {}", division.roles));
        }
        if !inside.is_empty() {
            lines.push(division.namespace.to_string());
            lines.extend(inside);
        }
    }
    lines
}

fn declared(text: &str) -> Organisation {
    Organisation::declared(&declare(text, &Project::default()).0)
}

#[test]
fn each_stands_below_what_it_stands_under() {
    let found = declared(
        "company b parent=a; company a; company m/a; customer s company=b; customer alone; user u customer=s; user v company=a off; \
         user w company=a role=operations-engineer; user x company=a",
    );
    let expected = [
        "default",
        "  company/default/a \"a\": 1 operations-engineer, 2 owner, 1 disabled",
        "    company/default/b \"b\"",
        "      customer/default/s \"s\": 1 owner",
        "  customer/default/alone \"alone\"",
        "m",
        "  company/m/a \"a\"",
    ];
    assert_eq!(drawn(&found), expected);
    let within: Vec<u64> = found.namespaces[0].nodes.iter().map(|node| node.within).collect();
    assert_eq!(within, [4, 1, 1, 0], "everybody below counts");
}

#[test]
fn broken_references_and_cycles_lose_nothing_and_never_go_round() {
    let found = declared(
        "company a parent=nowhere; company b parent=c; company c parent=d; company d parent=c; company e parent=e; user u company=gone; \
         user v company=b; customer s company=b",
    );
    let lines = drawn(&found);
    for called in ["company/default/a", "company/default/b", "company/default/c", "company/default/d", "company/default/e"] {
        assert_eq!(lines.iter().filter(|line| line.contains(&format!("{called} "))).count(), 1, "{lines:#?}");
    }
    assert!(lines.contains(&"  company/default/a \"a\" ?company/default/nowhere".into()), "{lines:#?}");
    assert!(lines.contains(&"  astray: 1 owner".into()), "{lines:#?}");
    assert_eq!(found.namespaces[0].nodes.iter().filter(|node| node.key.kind == Kind::Customer).count(), 1);
}

#[test]
fn a_directory_that_goes_round_is_drawn_too() {
    let world = World::holding("company a; company b parent=a; company c parent=b; company d parent=a; user u company=c");
    // None of our own directories lets this in.
    let mut observed = world.directory.snapshot();
    observed.ours[0].state.place = Place::under(&key("company/default/c"));
    let expected = [
        "default",
        "  company/default/a \"a\" @company/default/c",
        "    company/default/b \"b\"",
        "      company/default/c \"c\": 1 owner",
        "    company/default/d \"d\"",
    ];
    assert_eq!(drawn(&Organisation::held(&observed)), expected);
}

#[test]
fn a_chain_as_long_as_the_list_takes_no_time_and_no_stack() {
    let mut text = "company c00000".to_owned();
    for row in 1..20_000 {
        text += &format!("\ncompany c{row:05} parent=c{:05}", row - 1);
    }
    let (desired, _) = declare(&text, &Project::default());
    let started = Instant::now();
    let found = Organisation::declared(&desired);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(found.namespaces[0].nodes.last().unwrap().depth, 19_999);
    drop(found);
}

#[test]
fn what_goes_stays_in_the_picture_of_the_plan_and_is_marked() {
    let world = World::holding("company a; company b parent=a; customer s company=b; user u customer=s");
    let outlook = world.plan("company a; user new company=a; user u company=a").outlook.unwrap();
    let standing = |text: &str| {
        let nodes = &outlook.organisation.namespaces[0].nodes;
        nodes.iter().find(|node| node.key == key(text)).map(|node| node.standing)
    };
    assert_eq!(standing("company/default/a"), Some(Standing::Enabled));
    assert_eq!(standing("company/default/b"), Some(Standing::Retired));
    assert_eq!(outlook.places[&key("user/default/u")], key("company/default/a"), "where they will be");
    assert_eq!(outlook.places[&key("customer/default/s")], key("company/default/b"));
    assert_eq!(outlook.organisation.namespaces[0].nodes[0].people.total(), 2);

    let world = World::holding("company a deletion=Delete; company b");
    let outlook = world.plan("company b").outlook.unwrap();
    let nodes = &outlook.organisation.namespaces[0].nodes;
    assert_eq!((nodes[0].key.clone(), nodes[0].standing), (key("company/default/a"), Standing::Gone));
}
