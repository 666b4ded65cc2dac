//! The invariants of the core on generated organisations: what goes in against what comes out, never a value in between.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use smol_str::SmolStr;
use tenantry::{
    apply::apply,
    desired::{self, Desired, Known},
    directory::{Directory, Run, Stop},
    drivers::Memory,
    manifest::{Declared, Extent, Form, Lowered, Origin, Project, Salvage},
    model::{
        Body, Company, CompanyType, Customer, Deletion, Email, Key, Kind, Line, Name, Namespace, Place, State, User, Username,
    },
    observed::{Observed, Scope},
    plan::{self, Input, Plan, Policy, Purge},
    report::ResultKind,
};

/// One thing of an organisation, small enough that names, parents and claims meet all the time.
#[derive(Debug, Clone)]
struct Thing {
    kind: Kind,
    slot: u8,
    above: Option<(bool, u8)>,
    label: u8,
    email: u8,
    role: u8,
    enabled: bool,
    deletion: Deletion,
    distributor: Option<bool>,
    broken: bool,
    moved_from: Option<u8>,
}

/// A whole or partial declaration.
#[derive(Debug, Clone)]
struct Org {
    things: Vec<Thing>,
    whole: bool,
    unreadable: bool,
}

const ROLES: [&str; 4] = ["owner", "operations-engineer", "common-manager", "customer-user"];

fn name(kind: Kind, slot: u8) -> Name {
    Name::new(&format!("{}{slot}", &kind.word()[..2])).unwrap()
}

fn key(kind: Kind, slot: u8) -> Key {
    Key::new(kind, Namespace::DEFAULT, name(kind, slot))
}

impl Thing {
    fn lower(&self, index: usize) -> Lowered {
        let key = key(self.kind, self.slot);
        let origin = Origin { file: 0, line: u32::try_from(index).unwrap() + 1 };
        if self.broken {
            let role = (self.kind == Kind::User).then(|| Name::new(ROLES[usize::from(self.role) % 4]).unwrap());
            return Lowered { key, origin, form: Form::Broken(Salvage { disabled: !self.enabled, role, moved_from: None }) };
        }
        let line = |text: String| Line::new(&text).unwrap();
        let company = |slot| Some(Place::Company(name(Kind::Company, slot)));
        let customer = |slot| Some(Place::Customer(name(Kind::Customer, slot)));
        let (place, body) = match self.kind {
            Kind::Role => unreachable!("roles have tests of their own"),
            Kind::Company => (
                self.above.and_then(|(_, slot)| company(slot)),
                Body::Company(Company {
                    display_name: line(format!("Company {}", self.label)),
                    company_type: self.distributor.map(|it| if it { CompanyType::Distributor } else { CompanyType::Installer }),
                    region: None,
                    contact: None,
                    address: None,
                    logo: None,
                    description: None,
                }),
            ),
            Kind::Customer => (
                self.above.and_then(|(_, slot)| company(slot)),
                Body::Customer(Customer {
                    display_name: line(format!("Customer {}", self.label)),
                    email: None,
                    phone: None,
                    address: None,
                    description: None,
                }),
            ),
            Kind::User => {
                let (under_company, slot) = self.above.unwrap_or((true, 0));
                let role = if under_company {
                    ROLES[usize::from(self.role) % 3]
                } else {
                    ["owner", "customer-user"][usize::from(self.role) % 2]
                };
                (
                    if under_company { company(slot) } else { customer(slot % 3) },
                    Body::User(User {
                        username: Username::new(&format!("user{}", self.label)).unwrap(),
                        email: Email::new(&format!("user{}@x.example", self.email)).unwrap(),
                        role: Name::new(role).unwrap(),
                        display_name: None,
                        first_name: None,
                        last_name: None,
                        phone: None,
                        region: None,
                        description: None,
                        expires: None,
                        justification: None,
                    }),
                )
            }
        };
        let moved_from = self.moved_from.map(|slot| self::key(self.kind, slot));
        let declared = Declared {
            place,
            body,
            enabled: self.enabled,
            deletion: Some(self.deletion),
            credential: None,
            moved_from,
            adopt: None,
        };
        Lowered { key, origin, form: Form::Sound(Box::new(declared)) }
    }
}

fn thing(kind: Kind, slots: u8) -> impl Strategy<Value = Thing> {
    let deletion = prop_oneof![4 => Just(Deletion::Disable), 4 => Just(Deletion::Delete), 1 => Just(Deletion::Retain)];
    let above = prop_oneof![1 => Just(None), 4 => (prop::bool::weighted(0.7), 0..4u8).prop_map(Some)];
    let moved = prop_oneof![12 => Just(None), 1 => (0..slots).prop_map(Some)];
    let labels = (0..slots, 0..slots * 2, 0..slots * 2, 0..4u8);
    let flags = (prop::bool::weighted(0.85), prop::option::of(any::<bool>()), prop::bool::weighted(0.06));
    (labels, above, deletion, flags, moved).prop_map(move |((slot, label, email, role), above, deletion, flags, moved_from)| {
        let (enabled, distributor, broken) = flags;
        Thing { kind, slot, above, label, email, role, enabled, deletion, distributor, broken, moved_from }
    })
}

fn org() -> impl Strategy<Value = Org> {
    let things = (
        prop::collection::vec(thing(Kind::Company, 4), 0..5),
        prop::collection::vec(thing(Kind::Customer, 3), 0..4),
        prop::collection::vec(thing(Kind::User, 6), 0..8),
    );
    (things, prop::bool::weighted(0.8), prop::bool::weighted(0.05)).prop_map(|((a, b, c), whole, unreadable)| {
        let mut seen = BTreeSet::new();
        let things = a.into_iter().chain(b).chain(c).filter(|it| seen.insert((it.kind, it.slot))).collect();
        Org { things, whole, unreadable }
    })
}

fn judge(org: &Org, project: &Project) -> Desired {
    let documents = org.things.iter().enumerate().map(|(index, thing)| thing.lower(index)).collect();
    let extent = if org.whole { Extent::Whole { root: ".".into() } } else { Extent::Part };
    desired::desired(documents, project, extent, u64::from(org.unreadable)).0
}

fn decide(desired: &Desired, project: &Project, directory: &Memory, observed: &Observed, scope: &Scope) -> Plan {
    let region = |_: &Key| None;
    let roles = desired::roles(
        desired,
        project,
        Some(&Known { roles: observed.roles(), others: observed.roles_of_others(&project.owner), region: &region }),
    );
    let policy = Policy {
        owner: project.owner.clone(),
        now: directory.now(),
        retention: project.retention,
        protected: BTreeSet::new(),
        adopt: BTreeSet::new(),
        purge: Purge::default(),
    };
    let capabilities = directory.capabilities();
    plan::plan(&Input { directory: "memory", desired, roles: &roles, observed, capabilities, scope, policy: &policy })
}

fn run() -> Run {
    let owner = Name::new("default").unwrap();
    Run { id: "run".into(), owner, actor: None, digest: SmolStr::default(), losses_allowed: true, stop: Stop::default() }
}

/// Plans and applies; every change that the plan holds possible must be possible.
fn carry_out(desired: &Desired, project: &Project, directory: &Memory, scope: &Scope) -> Plan {
    let plan = decide(desired, project, directory, &directory.snapshot(), scope);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let report = runtime.block_on(apply(directory, &plan, &run(), &|_| {}));
    for outcome in &report.results {
        assert_eq!(outcome.result, ResultKind::Applied, "{} {}\n{}", outcome.verb.as_str(), outcome.key, told(&plan));
    }
    plan
}

/// A plan in a few words.
fn told(plan: &Plan) -> String {
    let fields = |decision: &plan::Decision| decision.change.as_ref().map(|it| format!("{:?} {:?}", it.reason, it.differences()));
    let line = |it: &plan::Decision| {
        let held = it.held.as_ref().map(|held| (held.hold.name(), held.message.clone()));
        format!("{} {} {:?} {held:?}\n", it.verb().as_str(), it.key, fields(it))
    };
    plan.decisions.iter().map(line).collect()
}

/// Applies until nothing changes any more, which is soon.
fn settle(desired: &Desired, project: &Project, directory: &Memory) {
    for _ in 0..8 {
        let writes = directory.writes();
        carry_out(desired, project, directory, &Scope::All);
        if directory.writes() == writes {
            return;
        }
    }
    panic!("eight runs do not settle it: {}", told(&decide(desired, project, directory, &directory.snapshot(), &Scope::All)));
}

/// What a directory holds, apart from identifiers, versions and times.
fn holdings(observed: &Observed) -> BTreeMap<Key, State> {
    observed.ours.iter().map(|live| (live.state.key.clone(), live.state.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Invariants 2 and 7: one decision for each key; nothing a plan holds possible fails; the plan after it is empty.
    #[test]
    fn what_was_applied_is_settled(orgs in prop::collection::vec(org(), 1..5)) {
        let (project, directory) = (Project::default(), Memory::new());
        for org in &orgs {
            let desired = judge(org, &project);
            let before = directory.snapshot();
            let plan = carry_out(&desired, &project, &directory, &Scope::All);
            prop_assert!(plan.decisions.windows(2).all(|pair| pair[0].key < pair[1].key));
            let concerned: BTreeSet<&Key> =
                desired.entries.iter().map(|entry| &entry.key).chain(before.ours.iter().map(|live| &live.state.key)).collect();
            prop_assert_eq!(plan.tally.settled + plan.decisions.len() as u64, concerned.len() as u64);
            let again = decide(&desired, &project, &directory, &directory.snapshot(), &Scope::All);
            // What is held may become possible by what was done: a name that somebody left is free afterwards.
            let waiting: BTreeSet<&Key> = plan.held().map(|(key, _)| key).collect();
            let unexpected = again.changes().any(|change| !waiting.contains(&change.key));
            prop_assert!(!unexpected || !waiting.is_empty(), "{}after\n{}", told(&again), told(&plan));
            settle(&desired, &project, &directory);
            let writes = directory.writes();
            carry_out(&desired, &project, &directory, &Scope::All);
            prop_assert_eq!(directory.writes(), writes, "a run that changes nothing writes nothing");
        }
    }

    /// Invariant 3: what is declared and broken keeps its account as it was, but for shutting off.
    #[test]
    fn invalid_is_not_absent(first in org(), second in org()) {
        let (project, directory) = (Project::default(), Memory::new());
        carry_out(&judge(&Org { whole: true, ..first }, &project), &project, &directory, &Scope::All);
        let before = holdings(&directory.snapshot());
        carry_out(&judge(&second, &project), &project, &directory, &Scope::All);
        let after = holdings(&directory.snapshot());
        for thing in second.things.iter().filter(|thing| thing.broken) {
            let key = key(thing.kind, thing.slot);
            // Another document may say that it was this one: then the account goes on under the new key.
            let Some(was) = before.get(&key) else { continue };
            let Some(is) = after.get(&key) else { panic!("{key} is gone") };
            prop_assert!(is.retired == was.retired && is.owner == was.owner && is.place == was.place, "{key}: {was:?} → {is:?}");
            prop_assert!(was.enabled || !is.enabled, "{key} was enabled by a broken document");
        }
    }

    /// Invariant 4: in a part, and while something cannot be read, what is not declared loses nothing but what is shut off
    /// above it.
    #[test]
    fn absence_means_something_only_in_a_whole(first in org(), second in org(), unreadable in any::<bool>()) {
        let (project, directory) = (Project::default(), Memory::new());
        carry_out(&judge(&Org { whole: true, unreadable: false, ..first }, &project), &project, &directory, &Scope::All);
        let before = holdings(&directory.snapshot());
        let second = Org { whole: unreadable, unreadable, ..second };
        let desired = judge(&second, &project);
        carry_out(&desired, &project, &directory, &Scope::All);
        let after = holdings(&directory.snapshot());
        let moved: BTreeSet<&Key> = desired.entries.iter().filter_map(|entry| entry.moved_from.as_ref()).collect();
        for (key, was) in before.iter().filter(|(key, _)| desired.get(key).is_none() && !moved.contains(key)) {
            let is = after.get(key).unwrap_or_else(|| panic!("{key} is gone"));
            let same = State { enabled: was.enabled, place: was.place.clone(), ..is.clone() };
            prop_assert_eq!(&same, was);
            prop_assert!(key.kind == Kind::User || is.enabled == was.enabled);
        }
    }

    /// Invariant 6: what belongs to another owner is neither changed nor removed.
    #[test]
    fn what_is_not_ours_stays(first in org(), second in org()) {
        let theirs = Project { owner: Name::new("others").unwrap(), ..Project::default() };
        let (project, directory) = (Project::default(), Memory::new());
        carry_out(&judge(&Org { whole: true, unreadable: false, ..first }, &theirs), &theirs, &directory, &Scope::All);
        let before = holdings(&directory.snapshot());
        carry_out(&judge(&second, &project), &project, &directory, &Scope::All);
        let after = holdings(&directory.snapshot());
        for (key, was) in &before {
            prop_assert_eq!(after.get(key), Some(was), "{}", key);
        }
    }

    /// Invariant 8: one key at a time, in any order, ends where all at once ends.
    #[test]
    fn one_at_a_time_ends_where_all_at_once_ends(first in org(), second in org(), order in any::<prop::sample::Index>()) {
        let project = Project::default();
        let (all, one) = (Memory::new(), Memory::new());
        let first = judge(&Org { whole: true, unreadable: false, ..first }, &project);
        for directory in [&all, &one] {
            carry_out(&first, &project, directory, &Scope::All);
        }
        let desired = judge(&second, &project);
        settle(&desired, &project, &all);
        let mut keys: Vec<Key> = first.entries.iter().chain(&desired.entries).map(|entry| entry.key.clone()).collect();
        keys.sort();
        keys.dedup();
        if !keys.is_empty() {
            let by = order.index(keys.len());
            keys.rotate_left(by);
            if by % 2 == 1 { keys.reverse() }
        }
        for _ in 0..keys.len() + 2 {
            let writes = one.writes();
            for key in &keys {
                carry_out(&desired, &project, &one, &Scope::Only([key.clone()].into()));
            }
            if one.writes() == writes { break }
        }
        prop_assert_eq!(holdings(&all.snapshot()), holdings(&one.snapshot()));
    }
}
