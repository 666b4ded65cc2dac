//! What was last seen of where things are. Every name that is taken from here is checked against the identifier before
//! anything is written: others rename too.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use smol_str::SmolStr;

use crate::model::{Kind, RemoteId};

use super::dn::{self, Canonical};

/// Names by identifier, and places by name.
#[derive(Debug, Default)]
pub(super) struct Known {
    names: HashMap<RemoteId, String>,
    places: HashMap<Canonical, RemoteId>,
    /// Members of role groups that do not exist, with the groups. Whoever gets such a name next would have the role.
    left_behind: LeftBehind,
}

/// Groups with members that do not exist, by the name of the member: the group, and the member as it stands there.
pub(super) type LeftBehind = BTreeMap<Canonical, BTreeSet<(SmolStr, String)>>;

impl Known {
    /// What an object is called.
    pub(super) fn name(&self, id: &RemoteId) -> Option<&str> {
        self.names.get(id).map(String::as_str)
    }

    /// The place with a name.
    pub(super) fn place(&self, name: &str) -> Option<&RemoteId> {
        self.places.get(name)
    }

    /// Takes in what an object is called.
    pub(super) fn put(&mut self, id: &RemoteId, kind: Kind, dn: &str) {
        match kind {
            Kind::Company | Kind::Customer => {
                self.places.insert(Canonical::of(dn), id.clone());
            }
            Kind::User | Kind::Role => {}
        }
        self.names.insert(id.clone(), dn.to_owned());
    }

    /// An object is gone.
    pub(super) fn remove(&mut self, id: &RemoteId) {
        if let Some(dn) = self.names.remove(id) {
            self.places.remove(&Canonical::of(&dn));
        }
    }

    /// An object has another name, and so has everything below it.
    pub(super) fn renamed(&mut self, from: &str, to: &str) {
        let old = Canonical::of(from);
        for dn in self.names.values_mut() {
            if let Some(renamed) = moved(dn, &old, to) {
                *dn = renamed;
            }
        }
        let within = |name: &Canonical| *name == old || name.is_below(&old);
        let changed: Vec<_> = self.places.keys().filter(|name| within(name)).cloned().collect();
        for name in changed {
            if let Some(id) = self.places.remove(&name)
                && let Some(dn) = self.names.get(&id)
            {
                self.places.insert(Canonical::of(dn), id);
            }
        }
    }

    /// Which groups name a member that does not exist.
    pub(super) fn leave(&mut self, left: LeftBehind) {
        self.left_behind = left;
    }

    /// Takes out the groups that have somebody of this name, or of one below it, as a member already.
    pub(super) fn take_left(&mut self, name: &Canonical) -> LeftBehind {
        if self.left_behind.is_empty() {
            return LeftBehind::new();
        }
        let within = |it: &Canonical| it == name || it.is_below(name);
        self.left_behind.extract_if(.., |it, _| within(it)).collect()
    }
}

/// The new name of something that is called `dn`, when `old` and everything below it goes to `to`; nothing where it stays.
pub(super) fn moved(dn: &str, old: &Canonical, to: &str) -> Option<String> {
    let name = Canonical::of(dn);
    if name == *old {
        return Some(to.to_owned());
    }
    if !name.is_below(old) {
        return None;
    }
    let mut kept = 0;
    loop {
        let (rdn, under) = dn::split(&dn[kept..]);
        kept += rdn.len() + 1;
        if Canonical::of(under) == *old {
            return Some(format!("{}{to}", &dn[..kept]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_below_is_renamed_along() {
        let id = |text: &str| RemoteId(SmolStr::new(text));
        let mut known = Known::default();
        known.put(&id("1"), Kind::Company, "ou=a,dc=x");
        known.put(&id("2"), Kind::Company, "OU=b\\, c,ou=a,dc=x");
        known.put(&id("3"), Kind::User, "uid=m,OU=b\\, c,ou=a,dc=x");
        known.put(&id("4"), Kind::Company, "ou=aa,dc=x");
        known.renamed("ou=A,dc=x", "ou=a,ou=aa,dc=x");
        assert_eq!(known.name(&id("3")), Some("uid=m,OU=b\\, c,ou=a,ou=aa,dc=x"));
        assert_eq!(known.name(&id("4")), Some("ou=aa,dc=x"));
        let place = |known: &Known, dn: &str| {
            use std::borrow::Borrow;
            known.place(Canonical::of(dn).borrow()).cloned()
        };
        assert_eq!(place(&known, "ou=b\\2c c,ou=a,ou=aa,dc=x"), Some(id("2")));
        assert_eq!(place(&known, "ou=a,dc=x"), None);
        known.remove(&id("2"));
        assert_eq!(place(&known, "ou=b\\2c c,ou=a,ou=aa,dc=x"), None);
    }
}
