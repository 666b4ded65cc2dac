//! Plans for the tests of forms.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    manifest::Extent,
    model::{Body, Company, Deletion, Key, Line, Name, State},
    observed::Applied,
    pipeline::Planned,
    plan::{Acting, Action, Change, Decision, Held, Hold, Plan, Reason, Tally},
};

/// A change of a company that was declared somewhere.
pub(super) fn change(key: &Key, action: Action, reason: Reason) -> Change {
    let loss = u64::from(action == Action::Delete);
    let (remote, expect) = (None, None);
    let source = Some("users/service.yaml:41".into());
    Change { key: key.clone(), action, credential: None, reason, before: None, remote, expect, source, loss, takes: None }
}

fn create(key: &Key) -> Change {
    let display_name = Line::new("x").unwrap();
    let body =
        Company { display_name, company_type: None, region: None, contact: None, address: None, logo: None, description: None };
    let state = State {
        key: key.clone(),
        place: None,
        body: Body::Company(body),
        enabled: true,
        suspended: false,
        retired: false,
        locked: None,
        owner: None,
        deletion: Deletion::Disable,
    };
    change(key, Action::Create(Box::new(state)), Reason::Declared)
}

/// `creates` and `deletes` of companies, and one that is held.
pub(super) fn planned(creates: u64, deletes: u64) -> Planned {
    let key = |number: u64| format!("company/a/c{number:05}").parse::<Key>().unwrap();
    let decision = |key: Key, change, held| Decision { key, change, held, origin: None };
    let mut decisions: Vec<_> = (0..creates).map(|row| decision(key(row), Some(create(&key(row))), None)).collect();
    decisions.extend((creates..creates + deletes).map(|row| {
        let key = key(row);
        decision(key.clone(), Some(change(&key, Action::Delete, Reason::NotDeclared)), None)
    }));
    let held = Held { hold: Hold::Protected, message: "it is protected\u{1b}[2J".into() };
    decisions.push(decision("user/a/last".parse().unwrap(), None, Some(held)));
    let owner = Name::new("acme").unwrap();
    let tally = Tally { settled: 4012, documents: 4014, ..Tally::default() };
    let plan = Plan {
        directory: "memory".into(),
        owner,
        extent: Extent::Part,
        last_root: None,
        decisions,
        after: BTreeMap::new(),
        loosens: Vec::new(),
        tally,
    };
    let (read, planned) = (Duration::from_millis(210), Duration::from_millis(20));
    let acting = Acting::Operator;
    Planned { plan, acting, problems: Vec::new(), refused: Vec::new(), applied: Applied::default(), outlook: None, read, planned }
}
