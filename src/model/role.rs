//! Which roles are in force, and the five that are built in.

use std::collections::BTreeMap;

use super::{Kind, Name, Namespace, Role};

/// Roles by namespace and name. A name is looked up in its namespace first, then among the global ones; the loader sees
/// to it that the two never bear the same name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleTable(BTreeMap<(Namespace, Name), Role>);

impl RoleTable {
    /// The built-in roles alone.
    pub fn built_in() -> Self {
        Self(built_in_roles().into_iter().map(|(name, role)| ((Namespace::GLOBAL, name), role)).collect())
    }

    /// Puts a role into force; a global one replaces the built-in of its name.
    pub fn insert(&mut self, namespace: Namespace, name: Name, role: Role) {
        self.0.insert((namespace, name), role);
    }

    /// Takes a role out of force.
    pub fn remove(&mut self, namespace: &Namespace, name: &Name) {
        self.0.remove(&(namespace.clone(), name.clone()));
    }

    /// The role that a user of `namespace` means by `name`.
    pub fn get(&self, namespace: &Namespace, name: &Name) -> Option<&Role> {
        self.exact(namespace, name).or_else(|| self.exact(&Namespace::GLOBAL, name))
    }

    /// The role declared with exactly this namespace and name.
    pub fn exact(&self, namespace: &Namespace, name: &Name) -> Option<&Role> {
        self.0.get(&(namespace.clone(), name.clone()))
    }

    /// Names that a document of `namespace` can use, sorted.
    pub fn names(&self, namespace: &Namespace) -> Vec<&Name> {
        let mut names: Vec<_> =
            self.0.keys().filter(|(place, _)| place.is_global() || place == namespace).map(|(_, name)| name).collect();
        names.sort_unstable();
        names
    }

    /// Every role in force.
    pub fn iter(&self) -> impl Iterator<Item = (&Namespace, &Name, &Role)> {
        self.0.iter().map(|((namespace, name), role)| (namespace, name, role))
    }
}

/// The built-in roles: the first three are the table of manual S1, the last two that of manual S2.
///
/// | role | may live under | may appoint | privileged |
/// |---|---|---|---|
/// | `common-manager` | Company | `common-manager`, `operations-engineer`, `owner` | yes |
/// | `operations-engineer` | Company | `operations-engineer`, `owner` | no |
/// | `owner` | Company, Customer | nobody | no |
/// | `tenant-administrator` | Company | `tenant-administrator`, `customer-user` | yes |
/// | `customer-user` | Customer | nobody | no |
pub fn built_in_roles() -> Vec<(Name, Role)> {
    let name = |text: &str| Name::new(text).expect("the built-in names are labels");
    let role = |text: &str, lives_under: &[Kind], may_appoint: &[&str], privileged| {
        let role = Role {
            lives_under: lives_under.to_vec(),
            may_appoint: may_appoint.iter().map(|text| name(text)).collect(),
            privileged,
            manage_companies: text == "common-manager",
            manage_customers: matches!(text, "common-manager" | "tenant-administrator"),
            requires_expires: false,
            requires_justification: false,
        };
        (name(text), role)
    };
    let (company, either, customer) = ([Kind::Company], [Kind::Company, Kind::Customer], [Kind::Customer]);
    vec![
        role("common-manager", &company, &["common-manager", "operations-engineer", "owner"], true),
        role("operations-engineer", &company, &["operations-engineer", "owner"], false),
        role("owner", &either, &[], false),
        role("tenant-administrator", &company, &["customer-user", "tenant-administrator"], true),
        role("customer-user", &customer, &[], false),
    ]
}
