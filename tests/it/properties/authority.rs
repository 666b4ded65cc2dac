//! Who may change what, judged by what a directory held before a run and after it, object by object: never by the plan.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tenantry::{
    model::{Body, Key, Kind, RemoteId, Role, State},
    observed::{CredentialMark, Observed},
    plan::{Acting, Actor, Authority},
};

use crate::core::{
    authority::{ORG, edited},
    fixture::{World, words},
};

/// An object, what it stands under, and what it owes.
type Seen = BTreeMap<RemoteId, (State, Option<RemoteId>, CredentialMark)>;

fn seen(observed: &Observed) -> Seen {
    let above = |state: &State| state.above().and_then(|key| observed.get(&key)).map(|live| live.id.clone());
    let seen = |live: &tenantry::observed::Live| (live.state.clone(), above(&live.state), live.credential.clone());
    observed.ours.iter().map(|live| (live.id.clone(), seen(live))).collect()
}

/// Whether an object is `top` or below it, strangers included.
fn below(top: &RemoteId, id: &RemoteId, seen: &Seen, observed: &Observed) -> bool {
    let mut at = Some(id.clone());
    for _ in 0..100 {
        match at {
            None => return false,
            Some(id) if id == *top => return true,
            Some(id) => {
                let stranger = || observed.strangers.iter().find(|it| it.id == id).and_then(|it| it.parent.clone());
                at = seen.get(&id).map_or_else(stranger, |it| it.1.clone());
            }
        }
    }
    false
}

/// Everything a look at the directory says of whom the actor may change.
struct Oracle<'a> {
    actor: &'a Actor,
    role: Option<Role>,
    company: Option<RemoteId>,
    before: (&'a Observed, Seen),
    after: (&'a Observed, Seen),
}

impl Oracle<'_> {
    fn side(&self, id: &RemoteId, state: &State, (observed, seen): &(&Observed, Seen)) -> bool {
        let (Some(role), Some(company)) = (&self.role, &self.company) else { return false };
        let (may, reaches) = match &state.body {
            Body::Role(_) => (false, false),
            Body::Company(_) => (role.manage_companies, below(company, id, seen, observed)),
            Body::Customer(_) => (role.manage_companies || role.manage_customers, below(company, id, seen, observed)),
            Body::User(user) => (role.may_appoint.contains(&user.role), id != company && below(company, id, seen, observed)),
        };
        may && reaches && state.key.namespace == self.actor.namespace
    }

    /// The keys of what was changed and should not have been; what is gone by its last one.
    fn violations(&self) -> BTreeSet<Key> {
        let (before, after) = (&self.before.1, &self.after.1);
        let people = |seen: &Seen| seen.values().filter(|it| it.0.key.kind == Kind::User).count();
        let emptied = people(before) > 0 && people(after) == 0;
        let mut out = BTreeSet::new();
        for id in before.keys().chain(after.keys()) {
            let (was, is) = (before.get(id), after.get(id));
            let same = matches!((was, is), (Some((was, was_under, was_owed)), Some((is, is_under, is_owed)))
                if was_under == is_under && was_owed == is_owed && State { place: None, ..was.clone() } == State { place: None, ..is.clone() });
            if same {
                continue;
            }
            let stranger = self.before.0.strangers.iter().find(|it| it.id == *id);
            let stranger = stranger.and_then(|it| Some((it, it.fit.as_ref().ok()?, is?)));
            let fine_before = match (was, stranger) {
                (Some((was, _, _)), _) => self.side(id, was, &self.before),
                (None, Some((_, body, (is, _, _)))) => self.side(id, &State { body: body.clone(), ..is.clone() }, &self.before),
                (None, None) => true,
            };
            let let_go = self.after.0.strangers.iter().any(|it| it.id == *id);
            let fine_after = match is {
                Some((is, _, _)) => self.side(id, is, &self.after),
                // Somebody who is let go stays where they are.
                None => !let_go || below(self.company.as_ref().unwrap_or(id), id, after, self.after.0),
            };
            let own_place = self.company.as_ref() == Some(id) && was.map(|it| &it.1) != is.map(|it| &it.1) && is.is_some();
            let key = is.or(was).map(|it| it.0.key.clone()).unwrap();
            let everybody = emptied && key.kind == Kind::User;
            if !fine_before || !fine_after || own_place || everybody {
                out.insert(key);
            }
        }
        out
    }
}

/// One document, or a few that belong together.
fn edit() -> impl Strategy<Value = String> {
    let pick = |of: &'static [&'static str]| prop::sample::select(of);
    let user = || pick(&["boss", "ma", "ma2", "ea", "ea2", "oa", "ta", "oa1", "mb", "ob", "new0", "new1"]);
    let company = || pick(&["root", "a", "a1", "b", "c2"]);
    let role = || pick(&["common-manager", "operations-engineer", "owner", "owner", "tenant-administrator"]);
    let more = || pick(&["", "", " title=New", " off", " deletion=Delete", " deletion=Retain"]);
    let place = (user(), company(), role(), more());
    let parent = (company(), prop::option::of(company()), more());
    let under = |parent: Option<&str>| parent.map_or_else(String::new, |parent| format!(" parent={parent}"));
    prop_oneof![
        8 => place.clone().prop_map(|(user, company, role, more)| format!("user {user} company={company} role={role}{more}")),
        3 => user().prop_map(|user| format!("-user {user}")),
        3 => parent.clone().prop_map(move |(name, parent, more)| format!("company {name}{}{more}", under(parent))),
        1 => company().prop_map(|company| format!("-company {company}")),
        1 => more().prop_map(|more| format!("customer k company=a{more}")),
        1 => prop::option::of(company())
            .prop_map(|company| format!("customer k{}", company.map_or_else(String::new, |it| format!(" company={it}")))),
        1 => pick(&["k", "k2"]).prop_map(|customer| format!("user new0 customer={customer} role=customer-user; customer k2 company=b")),
        1 => place.clone().prop_map(|(user, company, role, _)| {
            format!("user x company={company} role={role} from={user} username={user} email={user}@x.example; -user {user}")
        }),
        1 => place.prop_map(|(user, _, role, _)| {
            format!("user north/x company=a role={role} from=default/{user} username={user} email={user}@x.example; -user {user}")
        }),
        1 => parent.prop_map(move |(name, parent, _)| format!("company z{} from={name} title={name}; -company {name}", under(parent))),
        1 => (company(), role(), pick(&["s0", "s1", "s2"]))
            .prop_map(|(company, role, id)| format!("user {id} company={company} role={role} adopt={id}")),
        1 => pick(&["role operations-engineer appoints=common-manager,operations-engineer,owner manages=companies", "role lead"])
            .prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// The gate refuses exactly the changes of what the actor may not appoint or does not reach, whoever acts.
    #[test]
    fn what_may_be_changed_is_what_may_be_appointed_and_reached(
        first in prop::collection::vec(edit(), 0..4),
        second in prop::collection::vec(edit(), 1..5),
    ) {
        let world = World::holding(ORG);
        for (id, under) in [("s0", None), ("s1", Some("company/a1")), ("s2", Some("company/b"))] {
            world.stranger(id, id, under);
        }
        world.run(&edited(ORG, &first.join(";")));
        let before = world.directory.snapshot();
        let text = edited(ORG, &second.join(";"));
        let plan = world.plan(&text).plan;
        world.run(&text);
        let after = world.directory.snapshot();
        let roles = before.roles();
        for user in before.ours.iter().filter_map(|live| live.state.body.user()) {
            let authority = Authority::of(Some(&user.username), &before, &roles, world.directory.now());
            let refused: BTreeSet<Key> = plan.forbidden(&authority).into_iter().map(|it| it.change.key.clone()).collect();
            let Acting::Actor(actor) = &authority.acting else {
                prop_assert_eq!(refused.len(), plan.changes().count());
                continue;
            };
            let company = actor.company.as_ref().map(|name| Key::new(Kind::Company, actor.namespace.clone(), name.clone()));
            let oracle = Oracle {
                actor,
                role: roles.get(&actor.namespace, &actor.role).cloned(),
                company: company.and_then(|key| before.get(&key)).map(|live| live.id.clone()),
                before: (&before, seen(&before)),
                after: (&after, seen(&after)),
            };
            prop_assert_eq!(refused, oracle.violations(), "{:?}\n{:#?}", actor, words(&plan));
        }
    }
}
