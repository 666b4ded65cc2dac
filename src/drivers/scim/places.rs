//! Who stands where and holds what, as the members of all groups say it. No request is made here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use smol_str::{SmolStr, format_smolstr};

use crate::model::{Kind, RemoteId};

use super::{
    map::{self, Stands},
    resource::{Resource, text},
};

/// What the members of groups come to.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The groups of a member that are companies or customers.
    above: BTreeMap<(Member, SmolStr), Vec<Above>>,
    /// The roles of a user.
    held: BTreeMap<SmolStr, BTreeSet<SmolStr>>,
    /// The groups of each role there is. A service need not mind two of one name.
    roles: BTreeMap<SmolStr, BTreeSet<SmolStr>>,
}

/// What stands in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Member {
    User,
    Group,
}

impl Member {
    /// What an object is as a member.
    pub(super) fn of(kind: Kind) -> Self {
        match kind {
            Kind::User => Self::User,
            Kind::Role | Kind::Company | Kind::Customer => Self::Group,
        }
    }

    /// Whether an entry among the members of a group is such a one, with this identifier: users and groups may have the same.
    pub(super) fn is(self, entry: &Map<String, Value>, id: &str) -> bool {
        text(entry, "value") == Some(id) && text(entry, "type").is_none_or(|it| it.eq_ignore_ascii_case(self.word()))
    }

    /// What services call it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }
}

#[derive(Debug, Clone)]
struct Above {
    id: RemoteId,
    name: SmolStr,
    sure: Sure,
}

/// How sure it is that a group is a company or customer, and not a group for something else altogether.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sure {
    /// It bears a reference of ours.
    Ours,
    /// Its name says so.
    Named,
    /// It is a group.
    Perhaps,
}

impl Places {
    /// What these groups come to, of the roles that are asked for.
    pub(super) fn new(groups: &[Resource], asked: &BTreeSet<SmolStr>) -> Self {
        let mut places = Self::default();
        for group in groups {
            let name = group.text("displayName").unwrap_or_default();
            let members = group.values("members").filter_map(|it| Some((text(it, "value")?, text(it, "type"))));
            match map::stands(name) {
                Stands::Role(role) => {
                    let role = SmolStr::new(role);
                    places.roles.entry(role.clone()).or_default().insert(SmolStr::new(group.id()));
                    if asked.contains(&role) {
                        for (id, _) in members {
                            places.held.entry(SmolStr::new(id)).or_default().insert(role.clone());
                        }
                    }
                }
                Stands::Place(kind, title) => {
                    let ours = group.text("externalId").is_some_and(|it| it.starts_with(REFERENCE));
                    let sure = match (ours, title.len() < name.len()) {
                        (true, _) => Sure::Ours,
                        (false, true) => Sure::Named,
                        (false, false) => Sure::Perhaps,
                    };
                    let above = Above { id: map::remote(kind, group.id()), name: SmolStr::new(name), sure };
                    for (id, kind) in members {
                        for member in [Member::User, Member::Group] {
                            if kind.is_none_or(|kind| kind.eq_ignore_ascii_case(member.word())) {
                                places.above.entry((member, SmolStr::new(id))).or_default().push(above.clone());
                            }
                        }
                    }
                }
            }
        }
        places
    }

    /// What a member stands under, and why it cannot be declared where that is not clear: it is in several groups that are
    /// companies as far as anybody can tell.
    pub(super) fn parent(&self, member: Member, id: &str) -> (Option<RemoteId>, Option<SmolStr>) {
        let above = self.above.get(&(member, SmolStr::new(id))).map_or(&[][..], Vec::as_slice);
        let Some(surest) = above.iter().map(|it| it.sure).min() else { return (None, None) };
        let mut found: BTreeMap<_, _> = above.iter().filter(|it| it.sure == surest).map(|it| (&it.id, &it.name)).collect();
        if found.len() == 1 {
            return (found.pop_first().map(|(id, _)| id.clone()), None);
        }
        let names: BTreeSet<_> = found.into_values().map(SmolStr::as_str).collect();
        let names: Vec<_> = names.into_iter().collect();
        (None, Some(format_smolstr!("it is a member of several groups: {}", names.join(", "))))
    }

    /// The roles of a user, sorted.
    pub(super) fn roles(&self, id: &str) -> Vec<SmolStr> {
        self.held.get(id).into_iter().flatten().cloned().collect()
    }

    /// The groups of a role.
    pub(super) fn role(&self, role: &str) -> impl Iterator<Item = &SmolStr> {
        self.roles.get(role).into_iter().flatten()
    }
}

/// What begins a reference of ours.
const REFERENCE: &str = "tenantry:";
