//! Who may change what: the actor's role and place as the directory holds them, the roles as last applied, and every change
//! of a plan before and after. Nothing can be changed and made use of in one run.
//!
//! | who acts | what changes | may they |
//! |---|---|---|
//! | anybody | nothing (what is held needs no rights) | yes |
//! | nobody is named, or the directory holds nobody of ours yet | anything | yes: that is the operator |
//! | somebody unknown here, retired, locked, disabled or expired | anything | no |
//! | anybody | a role | no: the operator alone |
//! | anybody | everybody who is here goes | no: what comes after that would be a first apply again |
//! | a customer's user, or one of a company that is not ours | anything | no |
//! | anybody | something of another namespace, before or after | no |
//! | anybody | a company | `manageCompanies`, within reach before and after; where their own stands is not theirs to say |
//! | anybody | a customer | `manageCompanies` or `manageCustomers`, within reach before and after |
//! | anybody | a user, whatever of them and for whatever reason | may appoint the role before and the role after; within reach before and after |
//!
//! What was asked for before and is only still owed to somebody ([`Reason::Owed`]) is nothing that the one who acts now wants:
//! where they may not give it, it is held (`Denied`) and the rest of the plan goes on.
//!
//! **Reach** is the company of the actor's account and everything below it. What is before is read from the directory, what
//! is after from the plan: to bring something within reach is to change what is out of reach, which is refused by itself. A
//! company at the root and a customer on its own are within the reach of nobody but a company's own people.

mod reach;

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    gates::{Gate, Refusal},
    types::{Action, Change, Held, Hold, Plan, Reason},
};
use crate::{
    model::{Field, Key, Kind, Name, Namespace, Place, Role, RoleTable, State, Username, visible},
    observed::{Live, Observed},
};
use reach::Trees;

/// How many refused changes are told one by one.
const TOLD: usize = 5;
/// How many are named who could make one of them.
const NAMED: usize = 3;

/// Who acts, as the directory knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acting {
    /// Nobody is named: the operator of the tool, who is trusted.
    Operator,
    /// Somebody is named, and the directory holds nobody of ours: the first apply is the operator's.
    FirstApply,
    /// Somebody whom the directory holds.
    Actor(Actor),
    /// Nobody whom we manage bears this username.
    Unknown(Username),
    /// Somebody who can do nothing now.
    Barred(Username, Barred),
}

/// Somebody who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// What they are called.
    pub username: Username,
    /// The role they hold now.
    pub role: Name,
    /// Where their account is.
    pub namespace: Namespace,
    /// The company it is in; none for a customer's user.
    pub company: Option<Name>,
}

/// Why somebody can do nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barred {
    /// No longer declared, kept and shut off.
    Retired,
    /// By `tenantry lock`.
    Locked,
    /// Shut off, or something above them is.
    Disabled,
    /// Their `expires` is over, and no run has shut them off yet.
    Expired,
}

impl Barred {
    /// The word: `retired`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retired => "retired",
            Self::Locked => "locked",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
        }
    }
}

/// Why somebody may not make a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// They may do nothing.
    Nobody,
    /// It is a role.
    Role,
    /// Everybody who is here would go.
    Everybody,
    /// A customer's user reaches nowhere.
    Nowhere,
    /// It is of another namespace, or is about to be.
    Namespace(Namespace),
    /// Their role does not manage such things.
    Manage(Kind),
    /// Their role may not appoint the one that the user holds, or is to hold.
    Appoint(Name),
    /// It is out of reach as it is.
    Outside,
    /// It would be out of reach.
    Leaving,
    /// It is their own company, and would stand elsewhere.
    OwnPlace,
}

/// A change that somebody may not make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forbidden<'p> {
    /// Which one.
    pub change: &'p Change,
    /// Why not.
    pub why: Why,
}

/// Who acts on a directory, and by which roles that is judged.
#[derive(Debug, Clone)]
pub struct Authority<'a> {
    /// Who acts.
    pub acting: Acting,
    observed: &'a Observed,
    /// As last applied.
    roles: &'a RoleTable,
    now: Timestamp,
}

impl<'a> Authority<'a> {
    /// Finds the actor among everybody the directory holds of ours, whoever declared them. `roles` are those last applied.
    pub fn of(actor: Option<&Username>, observed: &'a Observed, roles: &'a RoleTable, now: Timestamp) -> Self {
        let acting = match actor {
            None => Acting::Operator,
            Some(_) if people(observed).next().is_none() => Acting::FirstApply,
            Some(username) => {
                let found = people(observed).find(|live| live.state.body.user().is_some_and(|user| user.username == *username));
                match found.map(|live| standing(&live.state, now)) {
                    None => Acting::Unknown(username.clone()),
                    Some(Err(why)) => Acting::Barred(username.clone(), why),
                    Some(Ok(actor)) => Acting::Actor(actor),
                }
            }
        };
        Self { acting, observed, roles, now }
    }
}

/// Everybody the directory holds of ours.
fn people(observed: &Observed) -> impl Iterator<Item = &Live> {
    let first = observed.ours.partition_point(|live| live.state.key.kind < Kind::User);
    observed.ours[first..].iter()
}

/// Somebody's account, if anything can be done with it.
fn standing(state: &State, now: Timestamp) -> Result<Actor, Barred> {
    let Some(user) = state.body.user() else { return Err(Barred::Disabled) };
    if state.retired {
        return Err(Barred::Retired);
    }
    if state.locked.is_some() {
        return Err(Barred::Locked);
    }
    if !state.enabled {
        return Err(Barred::Disabled);
    }
    if user.expires.is_some_and(|at| at <= now) {
        return Err(Barred::Expired);
    }
    let company = match &state.place {
        Some(Place::Company(name)) => Some(name.clone()),
        Some(Place::Customer(_)) | None => None,
    };
    Ok(Actor { username: user.username.clone(), role: user.role.clone(), namespace: state.key.namespace.clone(), company })
}

impl Plan {
    /// The changes that whoever acts may not make, sorted by key.
    pub fn forbidden<'p>(&'p self, authority: &Authority<'_>) -> Vec<Forbidden<'p>> {
        let all = |why: Why| self.changes().map(|change| Forbidden { change, why: why.clone() }).collect();
        match &authority.acting {
            Acting::Operator | Acting::FirstApply => Vec::new(),
            Acting::Unknown(_) | Acting::Barred(..) => all(Why::Nobody),
            Acting::Actor(_) if self.changes().next().is_none() => Vec::new(),
            Acting::Actor(actor) => {
                let judge = Judge::new(self, authority);
                let rights = judge.rights(actor);
                self.changes().filter_map(|change| Some(Forbidden { change, why: judge.why(&rights, change)? })).collect()
            }
        }
    }

    /// Holds the credentials that are still owed to people whom the actor may not give one: a mail to a manager that did not
    /// go out must not keep an engineer from everything else.
    pub fn withhold(&mut self, authority: &Authority<'_>) {
        let Acting::Actor(Actor { username, role, namespace: _, company: _ }) = &authority.acting else { return };
        let only_owed = |it: &Forbidden<'_>| it.change.reason == Reason::Owed && it.change.fields().is_empty();
        let denied = self.forbidden(authority).into_iter().filter(only_owed);
        let denied: BTreeSet<Key> = denied.map(|it| it.change.key.clone()).collect();
        for decision in self.decisions.iter_mut().filter(|decision| denied.contains(&decision.key)) {
            let message =
                format!("its credential is owed, and `{username}` ({role}) may not give it: somebody who may has to apply");
            decision.change = None;
            decision.held = Some(Held { hold: Hold::Denied, message });
            self.tally.owed += 1;
        }
    }

    /// The gate `role`: whoever acts may make every change, or none is made.
    pub fn overreach(&self, authority: &Authority<'_>) -> Option<Refusal> {
        let forbidden = self.forbidden(authority);
        let of = self.changes().count();
        let none = if of == 1 {
            "the only change of this plan may not".into()
        } else {
            format!("none of the {of} changes of this plan may")
        };
        let some = match forbidden.len() {
            0 => return None,
            1 if of == 1 => "the only change".to_owned(),
            all if all == of => format!("any of the {of} changes"),
            some => format!("{some} of the {of} changes"),
        };
        let mut message = match &authority.acting {
            Acting::Operator | Acting::FirstApply => return None,
            Acting::Unknown(username) => format!("nobody here is called `{username}`, so {none} be made"),
            Acting::Barred(username, why) => format!("`{username}` is {}, so {none} be made", why.as_str()),
            Acting::Actor(Actor { username, role, namespace: _, company: _ }) => {
                format!("`{username}` ({role}) may not make {some} of this plan")
            }
        };
        let judge = Judge::new(self, authority);
        let others = judge.everybody();
        for Forbidden { change, why } in forbidden.iter().take(TOLD) {
            let place = change.source.as_ref().map_or_else(String::new, |source| format!(" ({})", visible(source)));
            let why = match told(&authority.acting, why) {
                Some(why) => format!("{why}; "),
                None => String::new(),
            };
            message.push_str(&format!("\n{}{place}: {why}{}", change.key, judge.who_could(&others, change)));
        }
        if forbidden.len() > TOLD {
            message.push_str(&format!("\n… and {} more", forbidden.len() - TOLD));
        }
        Some(Refusal { gate: Gate::Role, message, flag: None })
    }
}

/// What somebody may do, looked up once.
struct Rights<'a> {
    actor: &'a Actor,
    role: Option<&'a Role>,
    /// Their company, as it is called now and after the plan.
    company: Option<(Key, Key)>,
}

/// Everything a change is judged by.
struct Judge<'a> {
    observed: &'a Observed,
    roles: &'a RoleTable,
    now: Timestamp,
    trees: Trees<'a>,
    /// Whether nobody of ours is there after the plan.
    nobody_left: bool,
}

impl<'a> Judge<'a> {
    fn new(plan: &'a Plan, authority: &Authority<'a>) -> Self {
        let Authority { acting: _, observed, roles, now } = *authority;
        let users = || plan.changes().filter(|change| change.key.kind == Kind::User);
        let leaving = users().filter(|change| leaves(change)).count();
        let coming = users().filter(|change| change.before.as_ref().is_none_or(|before| before.owner.is_none())).count();
        let nobody_left = leaving > 0 && people(observed).count() + coming == leaving;
        Self { observed, roles, now, trees: Trees::new(plan, observed), nobody_left }
    }

    fn rights<'b>(&'b self, actor: &'b Actor) -> Rights<'b> {
        // A company that is not ours is none: whoever declares one of its name would have made it.
        let company = actor.company.as_ref().map(|name| Key::new(Kind::Company, actor.namespace.clone(), name.clone()));
        let company = company.filter(|now| self.trees.knows(now)).map(|now| {
            let after = self.trees.afterwards(&now).clone();
            (now, after)
        });
        Rights { actor, role: self.roles.get(&actor.namespace, &actor.role), company }
    }

    /// Why somebody may not make a change; the rows of the table that are about a plan's changes, in its order.
    fn why(&self, rights: &Rights<'_>, change: &Change) -> Option<Why> {
        let Rights { actor, role, company } = rights;
        let before = change.before.as_deref();
        let after = match &change.action {
            Action::Create(to) | Action::Update { fields: _, to } => Some(to.as_ref()),
            Action::Delete => None,
        };
        let kind = change.key.kind;
        if kind == Kind::Role {
            return Some(Why::Role);
        }
        if kind == Kind::User && self.nobody_left && leaves(change) {
            return Some(Why::Everybody);
        }
        let Some((root, root_after)) = company else { return Some(Why::Nowhere) };
        let states = || before.into_iter().chain(after);
        if let Some(foreign) = states().map(|state| &state.key.namespace).find(|namespace| **namespace != actor.namespace) {
            return Some(Why::Namespace(foreign.clone()));
        }
        let manages = match kind {
            Kind::Role | Kind::User => true,
            Kind::Company => role.is_some_and(|role| role.manage_companies),
            Kind::Customer => role.is_some_and(|role| role.manage_companies || role.manage_customers),
        };
        if !manages {
            return Some(Why::Manage(kind));
        }
        let may_appoint = |name: &Name| role.is_some_and(|role| role.may_appoint.contains(name));
        let held = states().filter_map(|state| state.body.user()).map(|user| &user.role);
        if let Some(role) = held.into_iter().find(|role| !may_appoint(role)) {
            return Some(Why::Appoint(role.clone()));
        }
        if before.is_some_and(|before| !self.trees.reaches(root, before, change)) {
            return Some(Why::Outside);
        }
        if after.is_some_and(|after| !self.trees.will_reach(root_after, after)) {
            return Some(Why::Leaving);
        }
        let own = before.is_some_and(|before| before.key == *root);
        (own && change.fields().iter().any(|field| field.field == Field::Parent)).then_some(Why::OwnPlace)
    }

    /// Everybody who has a right to something.
    fn everybody(&self) -> Vec<Actor> {
        let standing = people(self.observed).filter_map(|live| standing(&live.state, self.now).ok());
        let able = |actor: &Actor| {
            let role = self.roles.get(&actor.namespace, &actor.role);
            actor.company.is_some()
                && role.is_some_and(|role| role.manage_companies || role.manage_customers || !role.may_appoint.is_empty())
        };
        standing.filter(able).collect()
    }

    /// Who could make a change, for people.
    fn who_could(&self, everybody: &[Actor], change: &Change) -> String {
        let able = everybody.iter().filter(|actor| self.why(&self.rights(actor), change).is_none());
        let names: Vec<String> = able.take(NAMED).map(|actor| format!("`{}`", actor.username)).collect();
        match names.split_last() {
            None => "only the operator of the tool could do it".to_owned(),
            Some((last, [])) => format!("{last} could do it"),
            Some((last, others)) => format!("{} or {last} could do it", others.join(", ")),
        }
    }
}

/// Why not, for people; nothing where the message has said it already.
fn told(acting: &Acting, why: &Why) -> Option<String> {
    let Acting::Actor(Actor { username, role, namespace, company }) = acting else { return None };
    let company = company.as_ref().map_or("", |name| name.as_str());
    Some(match why {
        Why::Nobody => return None,
        Why::Role => "roles are the operator's to change".to_owned(),
        Why::Everybody => "nobody at all would be left here".to_owned(),
        Why::Nowhere => format!("`{username}` is in no company that is managed, and reaches nowhere"),
        Why::Namespace(foreign) => format!("it is of the namespace `{foreign}`, and `{username}` is of `{namespace}`"),
        Why::Manage(kind) => format!("`{role}` may not manage {}", kind.plural()),
        Why::Appoint(other) => format!("`{role}` may not appoint `{other}`"),
        Why::Outside => format!("it stands outside `{company}` and what is below it"),
        Why::Leaving => format!("it would stand outside `{company}` and what is below it"),
        Why::OwnPlace => format!("it is the company of `{username}`, who may not move it"),
    })
}

/// Whether somebody is not ours any more after a change.
fn leaves(change: &Change) -> bool {
    match &change.action {
        Action::Delete => change.before.as_ref().is_some_and(|before| before.owner.is_some()),
        Action::Update { fields: _, to } => to.owner.is_none(),
        Action::Create(_) => false,
    }
}
