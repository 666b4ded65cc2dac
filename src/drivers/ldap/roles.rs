//! Roles: groups of ours, `cn=<native name>,ou=roles,ou=tenantry,<base>`, with the users who hold one as members.
//!
//! A `groupOfNames` must have a member (RFC 4519 §3.5): the folder of the groups is one of each, since it is no user and does not
//! go away.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use ldap3::{
    Mod, Scope,
    controls::{MatchedValues, RawControl},
    ldap_escape,
};
use smol_str::SmolStr;

use crate::directory::DirectoryError;

use super::{
    Inner,
    answer::{self, ENTRY_EXISTS, NO_SUCH_ATTRIBUTE, NO_SUCH_OBJECT, VALUE_EXISTS},
    dn::{self, Canonical},
    entry::Entry,
    known::LeftBehind,
    search::Search,
};

/// Members that one modification names.
const MEMBERS: usize = 200;
/// Users that one search asks for.
const ASKED: usize = 50;
/// A class that has no member any more: RFC 4511, objectClassViolation.
const CLASS_VIOLATION: u32 = 65;

/// Who is in which group, by name; the members as they stand there.
pub(super) type Groups = BTreeMap<SmolStr, Vec<String>>;

impl Inner {
    /// Every group with every member.
    pub(super) async fn groups(&self) -> Result<Groups, DirectoryError> {
        let abilities = self.abilities().await?;
        let filter = "(objectClass=groupOfNames)";
        let search = Search { base: &self.roles, scope: Scope::OneLevel, filter, attributes: &["cn", "member"] };
        let found = self.server.search(&search, abilities.paged).await?.unwrap_or_default();
        let named = |entry: &Entry| Some((group_name(&entry.dn)?, entry.all("member").to_vec()));
        Ok(found.iter().filter_map(named).collect())
    }

    /// Which of the roles these users hold, each by its name in one form.
    pub(super) async fn held(
        &self,
        dns: &[String],
        roles: &BTreeSet<SmolStr>,
    ) -> Result<HashMap<Canonical, Vec<SmolStr>>, DirectoryError> {
        let abilities = self.abilities().await?;
        let mut groups = Vec::new();
        if abilities.matched_values && !roles.is_empty() {
            for some in dns.chunks(ASKED) {
                let members: String = some.iter().map(|dn| format!("(member={})", ldap_escape(dn.as_str()))).collect();
                let filter = format!("(&(objectClass=groupOfNames)(|{members}))");
                let search = Search { base: &self.roles, scope: Scope::OneLevel, filter: &filter, attributes: &["cn", "member"] };
                let only: RawControl = MatchedValues::new(format!("({members})"));
                let found = self.server.search_with(&search, abilities.paged, vec![only]).await?.unwrap_or_default();
                groups.extend(found.iter().filter_map(|entry| Some((group_name(&entry.dn)?, entry.all("member").to_vec()))));
            }
        } else if !roles.is_empty() {
            groups.extend(self.groups().await?);
        }
        let mut held: HashMap<Canonical, Vec<SmolStr>> = HashMap::new();
        for (group, members) in groups.into_iter().filter(|(group, _)| roles.contains(group)) {
            for member in members {
                held.entry(Canonical::of(&member)).or_default().push(group.clone());
            }
        }
        held.values_mut().for_each(|roles| roles.sort_unstable());
        Ok(held)
    }

    fn group(&self, role: &str) -> String {
        dn::child("cn", role, &self.roles)
    }

    /// Takes users into a group, or out of it. Who is in it already, or not any more, is done: the overlay `refint` keeps
    /// groups in order too, in its own time.
    pub(super) async fn enrol(&self, role: &str, add: bool, dns: &[String]) -> Result<(), DirectoryError> {
        let mut open: Vec<&[String]> = dns.chunks(MEMBERS).collect();
        while let Some(some) = open.pop() {
            let group = self.group(role);
            let values: HashSet<Vec<u8>> = some.iter().map(|dn| dn.clone().into_bytes()).collect();
            let change = if add { Mod::Add(b"member".to_vec(), values) } else { Mod::Delete(b"member".to_vec(), values) };
            let result = self.server.modify(&group, vec![change.clone()], Vec::new()).await?;
            match result.rc {
                0 => {}
                VALUE_EXISTS | NO_SUCH_ATTRIBUTE if some.len() == 1 => {}
                VALUE_EXISTS | NO_SUCH_ATTRIBUTE => {
                    // Which of them it is, it does not say.
                    let (one, other) = some.split_at(some.len() / 2);
                    open.extend([one, other]);
                }
                NO_SUCH_OBJECT if !add => {}
                NO_SUCH_OBJECT => {
                    self.make_group(role).await?;
                    open.push(some);
                }
                // The last member of a group that somebody else made.
                CLASS_VIOLATION if !add => {
                    let changes = vec![Mod::Add(b"member".to_vec(), HashSet::from([self.roles.clone().into_bytes()])), change];
                    let result = self.server.modify(&group, changes, Vec::new()).await?;
                    answer::checked(result, || format!("take members out of {group}"))?;
                }
                _ => return Err(answer::refused(format!("change the members of {group}"), &result)),
            }
        }
        Ok(())
    }

    async fn make_group(&self, role: &str) -> Result<(), DirectoryError> {
        self.make_folders().await?;
        let group = self.group(role);
        let one = |text: &str| HashSet::from([text.as_bytes().to_vec()]);
        let attributes = vec![
            (b"objectClass".to_vec(), HashSet::from([b"top".to_vec(), b"groupOfNames".to_vec()])),
            (b"cn".to_vec(), one(role)),
            (b"member".to_vec(), one(&self.roles)),
        ];
        let result = self.server.add(&group, attributes, Vec::new()).await?;
        if result.rc == ENTRY_EXISTS { Ok(()) } else { answer::checked(result, || format!("add the role {group}")).map(drop) }
    }

    /// Makes the folders that are ours, where they are not there yet.
    pub(super) async fn make_folders(&self) -> Result<(), DirectoryError> {
        for (dn, name) in [(&self.own, super::OWN), (&self.roles, super::ROLES)] {
            let one = |text: &str| HashSet::from([text.as_bytes().to_vec()]);
            let attributes = vec![
                (b"objectClass".to_vec(), HashSet::from([b"top".to_vec(), b"organizationalUnit".to_vec()])),
                (b"ou".to_vec(), one(name)),
                (b"description".to_vec(), one("Kept by Tenantry: leave it alone.")),
            ];
            let result = self.server.add(dn, attributes, Vec::new()).await?;
            if result.rc != ENTRY_EXISTS {
                answer::checked(result, || format!("add {dn}"))?;
            }
        }
        Ok(())
    }

    /// Frees names that groups still have as members, although nobody was called so: whoever gets one next must not have the
    /// role by that.
    pub(super) async fn free(&self, dn: &str) -> Result<(), DirectoryError> {
        let left = self.known().take_left(&Canonical::of(dn));
        let mut by_role: BTreeMap<SmolStr, Vec<String>> = BTreeMap::new();
        for (role, member) in left.into_values().flatten() {
            by_role.entry(role).or_default().push(member);
        }
        for (role, members) in by_role {
            self.enrol(&role, false, &members).await?;
        }
        Ok(())
    }
}

/// The role that a group is.
fn group_name(dn: &str) -> Option<SmolStr> {
    dn::leftmost(dn).filter(|(kind, _)| kind == "cn").map(|(_, name)| SmolStr::new(name))
}

/// Members that nobody is called, with the groups that have them.
pub(super) fn left_behind(groups: &Groups, exists: impl Fn(&Canonical) -> bool, folder: &Canonical) -> LeftBehind {
    let mut left = LeftBehind::new();
    for (group, members) in groups {
        for member in members {
            let name = Canonical::of(member);
            if name != *folder && !exists(&name) {
                left.entry(name).or_default().insert((group.clone(), member.clone()));
            }
        }
    }
    left
}
