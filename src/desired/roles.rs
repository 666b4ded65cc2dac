//! The rules that need to know what is in force: roles, and the regions of companies that are not declared here.
//!
//! They are judged apart from the others, because they are judged again whenever a directory is read: an edit of a role
//! that would make a holder's role illegal is an error at the role, its last applied form stays in force, and its holders
//! stay valid.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Desired, Entry, Wanted,
    rules::{region_of, suggest, unknown_reference},
};
use crate::{
    manifest::{Code, Place, Problem, Project},
    model::{self, Body, Key, Kind, Name, Role, RoleTable, State, User},
};

/// What a directory adds to a declaration.
pub struct Known<'a> {
    /// The roles as last applied.
    pub roles: RoleTable,
    /// Those of them that belong to other owners: they stay in force whatever is declared here.
    pub others: RoleTable,
    /// Roles that are not changed for now: they stay in force as they were applied.
    pub aside: BTreeSet<Key>,
    /// The region of a company or customer the directory holds, and what that stands under.
    pub region: &'a Regions<'a>,
}

/// The region that a company or customer says it is in, and what it stands under.
pub type Regions<'a> = dyn Fn(&Key) -> Option<(Option<Name>, Option<model::Place>)> + 'a;

/// The roles that hold while a declaration is planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// In force before the plan.
    pub last: RoleTable,
    /// In force after the plan.
    pub table: RoleTable,
    /// Keys that break a rule; they are held like broken documents.
    pub broken: BTreeSet<Key>,
    /// What is wrong with them.
    pub problems: Vec<Problem>,
}

/// Judges the rules about roles and phones. Without a directory (`known`), what a part refers to outside itself is a
/// warning: only a plan can know.
pub fn roles(desired: &Desired, project: &Project, known: Option<&Known<'_>>) -> Roles {
    let last = known.map_or_else(RoleTable::built_in, |known| known.roles.clone());
    let nobody = RoleTable::default();
    let others = known.map_or(&nobody, |known| &known.others);
    let nothing = BTreeSet::new();
    let aside = known.map_or(&nothing, |known| &known.aside);
    let certain = desired.whole() || known.is_some();
    // A broken role takes others with it: what appoints it, and who would fit only what it was to become.
    let (mut rejected, mut errors) = (BTreeSet::new(), Vec::new());
    let mut found = loop {
        let table = table(desired, &last, others, (&rejected, aside));
        let mut found = Roles { table, last: last.clone(), broken: rejected.clone(), problems: Vec::new() };
        judge_roles(desired, certain, &mut found);
        if found.broken.len() == rejected.len() {
            judge_holders(desired, certain, &mut found);
        }
        let roles: BTreeSet<Key> = found.broken.iter().filter(|key| key.kind == Kind::Role).cloned().collect();
        if roles.len() == rejected.len() {
            break found;
        }
        let new = |problem: &Problem| problem.key.as_ref().is_some_and(|key| roles.contains(key) && !rejected.contains(key));
        errors.extend(found.problems.into_iter().filter(new));
        rejected = roles;
    };
    found.problems.splice(0..0, errors);
    judge_phones(desired, project, known, &mut found);
    if !certain {
        let elsewhere = desired.entries.iter().filter_map(|entry| Some((entry, entry.state()?.above()?)));
        for (entry, above) in elsewhere.filter(|(_, above)| desired.get(above).is_none()) {
            let problem = unknown_reference(desired, entry, &above);
            found.problems.push(soften(problem, "is not declared in this part; it must stand in the directory"));
        }
    }
    found
}

/// Built-in roles, those the directory holds (in a part: what is not declared stays), and the declared ones; a broken one
/// in its last applied form.
fn table(
    desired: &Desired,
    last: &RoleTable,
    others: &RoleTable,
    (rejected, aside): (&BTreeSet<Key>, &BTreeSet<Key>),
) -> RoleTable {
    let mut table = if desired.whole() { RoleTable::built_in() } else { last.clone() };
    for (namespace, name, role) in others.iter() {
        table.insert(namespace.clone(), name.clone(), role.clone());
    }
    // A removal that is rejected leaves the role in force.
    for key in rejected.iter().filter(|key| desired.get(key).is_none()) {
        if let Some(role) = last.exact(&key.namespace, &key.name) {
            table.insert(key.namespace.clone(), key.name.clone(), role.clone());
        }
    }
    for entry in desired.of(Kind::Role) {
        let Key { kind: _, namespace, name } = &entry.key;
        if others.exact(namespace, name).is_some() {
            continue;
        }
        if entry.wanted == Wanted::Gone && !rejected.contains(&entry.key) && !aside.contains(&entry.key) {
            remove(&mut table, namespace, name);
            continue;
        }
        let stays = rejected.contains(&entry.key) || aside.contains(&entry.key);
        let declared = entry.state().and_then(|state| role_of(state)).filter(|_| !stays);
        if let Some(role) = declared.or_else(|| last.exact(&entry.key.namespace, &entry.key.name)) {
            table.insert(entry.key.namespace.clone(), entry.key.name.clone(), role.clone());
        }
    }
    table
}

/// Takes a role out that is removed; under a built-in name the built-in one holds again.
fn remove(table: &mut RoleTable, namespace: &model::Namespace, name: &Name) {
    match RoleTable::built_in().exact(namespace, name) {
        Some(role) => table.insert(namespace.clone(), name.clone(), role.clone()),
        None => table.remove(namespace, name),
    }
}

fn role_of(state: &State) -> Option<&Role> {
    match &state.body {
        Body::Role(role) => Some(role),
        Body::Company(_) | Body::Customer(_) | Body::User(_) => None,
    }
}

fn soften(mut problem: Problem, what: &str) -> Problem {
    problem.severity = crate::manifest::Severity::Warning;
    problem.message = format!("{}: it {what}", problem.message);
    problem
}

fn judge_roles(desired: &Desired, certain: bool, found: &mut Roles) {
    for entry in desired.of(Kind::Role) {
        if found.broken.contains(&entry.key) {
            continue; // it has been told already
        }
        let Some(role) = entry.state().and_then(role_of) else { continue };
        let Key { kind: _, namespace, name } = &entry.key;
        if !namespace.is_global() && found.table.exact(&model::Namespace::GLOBAL, name).is_some() {
            let message = format!("`{name}` is the name of a global role; a role of one namespace needs a name of its own");
            let problem = Problem::error(Code::ShadowsGlobalRole, entry.origin, Place::path("metadata.name"), message);
            found.broken.insert(entry.key.clone());
            found.problems.push(problem.of(&entry.key));
        }
        for (index, appointed) in role.may_appoint.iter().enumerate() {
            if found.table.get(namespace, appointed).is_none() {
                let place = Place::path(&format!("spec.mayAppoint.{index}"));
                let problem = unknown_role(entry, place, appointed, found);
                if certain {
                    found.broken.insert(entry.key.clone());
                }
                found.problems.push(if certain { problem } else { soften(problem, "is not declared in this part") });
            }
        }
        let grantable = found.table.iter().any(|(place, _, other)| {
            (place == namespace || place.is_global() || namespace.is_global()) && other.may_appoint.contains(name)
        });
        if !grantable {
            let message = format!("nobody may appoint `{name}`, so nobody could ever be given it");
            let problem = Problem::error(Code::NobodyMayAppoint, entry.origin, Place::path("metadata.name"), message)
                .hint(format!("add `{name}` to `mayAppoint` of a role, of this one if its holders appoint each other"))
                .of(&entry.key);
            if certain {
                found.broken.insert(entry.key.clone());
            }
            found.problems.push(if certain { problem } else { soften(problem, "may be appointed by a role outside this part") });
        }
    }
}

fn unknown_role(entry: &Entry, place: Place, name: &Name, found: &Roles) -> Problem {
    let message = format!("there is no role `{name}`");
    let problem = Problem::error(Code::UnknownRole, entry.origin, place, message).of(&entry.key);
    suggest(problem, name.as_str(), found.table.names(&entry.key.namespace).into_iter().map(Name::as_str))
}

/// Why somebody cannot hold a role.
enum Illegal {
    Place(Kind),
    Requires(&'static str),
}

fn illegal(role: &Role, user: &User, place: Option<&model::Place>) -> Option<Illegal> {
    let kind = match place? {
        model::Place::Company(_) => Kind::Company,
        model::Place::Customer(_) => Kind::Customer,
    };
    if !role.lives_under.contains(&kind) {
        return Some(Illegal::Place(kind));
    }
    if role.requires_expires && user.expires.is_none() {
        return Some(Illegal::Requires("expires"));
    }
    (role.requires_justification && user.justification.is_none()).then_some(Illegal::Requires("justification"))
}

fn judge_holders(desired: &Desired, certain: bool, found: &mut Roles) {
    // Roles whose edit breaks holders that were legal before, with a few of the holders.
    let mut breaking: BTreeMap<Key, Vec<&Entry>> = BTreeMap::new();
    for entry in desired.of(Kind::User) {
        let Some(state) = entry.state() else { continue };
        let Some(user) = state.body.user() else { continue };
        let namespace = &entry.key.namespace;
        let Some(role) = found.table.get(namespace, &user.role) else {
            let problem = unknown_role(entry, Place::path("spec.role"), &user.role, found);
            found.problems.push(if certain { problem } else { soften(problem, "is not declared in this part") });
            continue;
        };
        let Some(why) = illegal(role, user, state.place.as_ref()) else { continue };
        let before = found.last.get(namespace, &user.role);
        let legal = before.is_some_and(|before| before != role && illegal(before, user, state.place.as_ref()).is_none());
        // The role that is meant: that of a namespace may be broken, be gone, or bear the name of a global one.
        let here = entry.key.sibling(Kind::Role, user.role.clone());
        let gone = !desired.declares(&here) && found.last.exact(namespace, &user.role).is_some();
        let own = gone || found.table.exact(namespace, &user.role).is_some();
        let key = if own { here } else { Key { namespace: model::Namespace::GLOBAL, ..here } };
        if legal {
            breaking.entry(key).or_default().push(entry);
            continue;
        }
        found.broken.insert(entry.key.clone());
        found.problems.push(illegal_problem(entry, &user.role, role, &why));
    }
    for (key, holders) in breaking {
        let count = holders.len();
        let gone = || format!("`{key}` is not declared any more, and without it the role of {count} of its holders is illegal");
        let edited = format!("this edit would make the role of {count} of its holders illegal");
        let (origin, place, message) = desired.get(&key).map_or_else(
            || (holders[0].origin, Place::path("spec.role"), gone()),
            |role| (role.origin, Place::path("spec"), edited),
        );
        let mut problem = Problem::error(Code::RoleBreaksHolder, origin, place, message)
            .hint("change the holders first; until then the role stays as it was last applied")
            .of(&key);
        for holder in holders.iter().take(3) {
            problem = problem.related(holder.origin, Place::path("spec.role"), format!("`{}` holds it", holder.key));
        }
        found.broken.insert(key);
        found.problems.push(problem);
    }
}

fn illegal_problem(entry: &Entry, name: &Name, role: &Role, why: &Illegal) -> Problem {
    let problem = match why {
        Illegal::Place(kind) => {
            let under: Vec<&str> = role.lives_under.iter().map(|kind| kind.word()).collect();
            let message = format!("the role `{name}` cannot live under a {}", kind.word());
            Problem::error(Code::RoleCannotLiveHere, entry.origin, Place::path("spec.role"), message)
                .hint(format!("it lives under a {}", under.join(" or a ")))
        }
        Illegal::Requires(field) => {
            let message = format!("the role `{name}` requires `{field}`");
            Problem::error(Code::RoleRequires, entry.origin, Place::path("spec.role"), message)
                .hint(format!("add `{field}` to `spec`"))
        }
    };
    problem.of(&entry.key)
}

fn judge_phones(desired: &Desired, project: &Project, known: Option<&Known<'_>>, found: &mut Roles) {
    let find = |key: &Key| {
        let declared = desired.get(key).and_then(Entry::state).map(|state| {
            let region = match &state.body {
                Body::Company(company) => company.region.clone(),
                Body::Role(_) | Body::Customer(_) | Body::User(_) => None,
            };
            (region, state.place.clone())
        });
        declared.or_else(|| known.and_then(|known| (known.region)(key)))
    };
    for entry in desired.of(Kind::User) {
        let Some(state) = entry.state() else { continue };
        if state.body.user().is_none_or(|user| user.phone.is_none()) {
            continue;
        }
        let region = region_of(state, &find);
        // In a part read without a directory the region may stand elsewhere.
        let unknowable = region.is_none() && known.is_none() && !desired.whole();
        if unknowable || region.as_ref().and_then(|name| project.regions.get(name)).is_some_and(|region| region.phone) {
            continue;
        }
        let message = match &region {
            Some(region) => format!("people in region `{region}` have no phone number here"),
            None => "somebody without a region has no phone number here".to_owned(),
        };
        let having: Vec<String> = project.regions.iter().filter(|it| it.1.phone).map(|it| format!("`{}`", it.0)).collect();
        let hint = if having.is_empty() {
            "remove `phone`".to_owned()
        } else {
            format!("only {} has phone numbers: remove `phone`, or set `region`", having.join(", "))
        };
        found.broken.insert(entry.key.clone());
        found.problems.push(
            Problem::error(Code::PhoneNotAllowed, entry.origin, Place::path("spec.phone"), message).hint(hint).of(&entry.key),
        );
    }
}
