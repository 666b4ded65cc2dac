//! Companies and customers: groups or organizations, seen alike.

use std::collections::{BTreeMap, HashMap};

use smol_str::{SmolStr, format_smolstr};

use super::{
    marks::{self, KIND, PARENT},
    wire::{Attributes, Group, Organization},
};
use crate::{
    drivers::remote::{Item, Target},
    model::{Field, Kind, RemoteId},
};

/// Top-level groups of ours that are no company.
pub(super) const ROLES: &str = "tenantry-roles";
pub(super) const LEASES: &str = "tenantry-lease-";

/// The attribute with what people call it.
const TITLE: &str = "displayName";

/// A company or customer.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) id: SmolStr,
    pub(super) name: String,
    /// Of a group its own; of an organization one that says the same.
    pub(super) path: String,
    pub(super) parent: Option<RemoteId>,
    pub(super) attributes: Attributes,
    pub(super) enabled: Option<bool>,
    /// What goes back as it came.
    pub(super) rest: Rest,
}

/// What a PUT has to repeat.
#[derive(Debug, Clone)]
pub(super) enum Rest {
    Group { description: Option<String>, children: u64 },
    Organization(Box<Organization>),
}

impl Place {
    pub(super) fn of_group(group: Group) -> Self {
        let Group { id, name, path, parent_id, description, attributes, sub_group_count } = group;
        let rest = Rest::Group { description, children: sub_group_count };
        let parent = parent_id.map(|id| RemoteId(id.into()));
        Self { id: id.into(), name, path, parent, attributes, enabled: None, rest }
    }

    pub(super) fn of_organization(it: Organization) -> Self {
        let parent = marks::value(&it.attributes, PARENT).map(SmolStr::new);
        let above = parent.as_ref().map(|id| format!("/{id}")).unwrap_or_default();
        let (name, attributes, enabled) = (it.name.clone(), it.attributes.clone(), Some(it.enabled));
        let (id, path) = (SmolStr::new(&it.id), format!("{above}/{}", it.id));
        Self { id, name, path, parent: parent.map(RemoteId), attributes, enabled, rest: Rest::Organization(Box::new(it)) }
    }

    pub(super) fn kind(&self) -> Kind {
        match marks::value(&self.attributes, KIND) {
            Some("customer") => Kind::Customer,
            Some(_) | None => Kind::Company,
        }
    }

    pub(super) fn is_marked(&self) -> bool {
        marks::mark(&self.attributes).is_some()
    }

    /// Whether it stands above another.
    pub(super) fn is_above(&self, other: &Self) -> bool {
        other.path.strip_prefix(&self.path).is_some_and(|rest| rest.starts_with('/'))
    }

    /// As the port has it. What has no display name of its own is called what it is called here.
    pub(super) fn item(&self) -> Item {
        let title = marks::value(&self.attributes, TITLE).unwrap_or(&self.name);
        Item {
            id: RemoteId(self.id.clone()),
            kind: self.kind(),
            parent: self.parent.clone(),
            fields: vec![(Field::DisplayName, SmolStr::new(title))],
            roles: Vec::new(),
            enabled: self.enabled,
            mark: marks::mark(&self.attributes),
            created_at: None,
            tag: None,
            must_change: None,
            unfit: None,
        }
    }

    /// Attributes after a write: those of others stay.
    pub(super) fn written(mut attributes: Attributes, name: &str, target: &Target, flat: bool) -> Attributes {
        let Target { kind, name: _, parent, fields, role: _, enabled: _, mark } = target;
        let title = fields.iter().find(|(field, _)| *field == Field::DisplayName).map(|(_, text)| text.as_str());
        // What is ours keeps its title when its name has to change; what never had one is left as it is.
        if mark.is_some() || title != Some(name) || attributes.contains_key(TITLE) {
            marks::set(&mut attributes, TITLE, title);
        }
        marks::set(&mut attributes, KIND, (*kind == Kind::Customer).then_some("customer"));
        if flat {
            marks::set(&mut attributes, PARENT, parent.as_ref().map(|id| id.0.as_str()));
        }
        marks::set_mark(&mut attributes, *kind, mark.as_deref());
        attributes
    }
}

/// Where somebody belongs who is a member of these: below all others of them. Beside what we manage, other groups are only
/// that: somebody may have put people on a list. Several places, none above the other, are said as what keeps them from being
/// declared.
pub(super) fn home(of: &[&Place]) -> Result<Option<RemoteId>, SmolStr> {
    let ours: Vec<&Place> = of.iter().copied().filter(|place| place.is_marked()).collect();
    let all = if ours.is_empty() { of.to_vec() } else { ours };
    let mut lowest: Vec<&Place> = all.iter().copied().filter(|place| !all.iter().any(|other| place.is_above(other))).collect();
    lowest.sort_by(|a, b| a.path.cmp(&b.path));
    match &lowest[..] {
        [] => Ok(None),
        [only] => Ok(Some(RemoteId(only.id.clone()))),
        several => {
            let names: Vec<&str> = several.iter().map(|place| place.name.as_str()).collect();
            Err(format_smolstr!("it belongs to several companies: {}", names.join(", ")))
        }
    }
}

/// Places, and who is a member of which.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) all: BTreeMap<SmolStr, Place>,
    pub(super) of_users: HashMap<String, Vec<SmolStr>>,
}

impl Places {
    /// Where a user belongs.
    pub(super) fn home(&self, user: &str) -> Result<Option<RemoteId>, SmolStr> {
        let of: Vec<&Place> = self.of_users.get(user).into_iter().flatten().filter_map(|id| self.all.get(id)).collect();
        home(&of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str, marked: bool) -> Place {
        let attributes = if marked { Attributes::from([(marks::MARK.into(), vec!["{}".into()])]) } else { Attributes::new() };
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let rest = Rest::Group { description: None, children: 0 };
        Place { id: path.into(), name, path: path.into(), parent: None, attributes, enabled: None, rest }
    }

    #[test]
    fn people_belong_to_the_lowest_place_of_ours() {
        let of = |paths: &[(&str, bool)]| {
            let places: Vec<Place> = paths.iter().map(|(path, marked)| place(path, *marked)).collect();
            home(&places.iter().collect::<Vec<_>>()).map(|it| it.map(|id| id.0.to_string()))
        };
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[("/a", false)]), Ok(Some("/a".into())));
        assert_eq!(of(&[("/a", false), ("/a/b", false), ("/a/b/c", false)]), Ok(Some("/a/b/c".into())));
        assert_eq!(of(&[("/a", false), ("/ab", false)]), Err("it belongs to several companies: a, ab".into()));
        assert_eq!(of(&[("/list", false), ("/a", true)]), Ok(Some("/a".into())));
        assert_eq!(of(&[("/list", false), ("/a", true), ("/a/b", true)]), Ok(Some("/a/b".into())));
        assert_eq!(of(&[("/b", true), ("/a", true)]), Err("it belongs to several companies: a, b".into()));
    }
}
