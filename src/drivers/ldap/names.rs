//! What entries are called: new ones, and those that are renamed or moved, with everything below them.

use std::collections::HashSet;

use ldap3::{LdapResult, controls::RawControl};

use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::remote::{Item, Target},
    model::{Field, Kind},
};

use super::{
    Inner,
    answer::{self, ENTRY_EXISTS, NO_SUCH_OBJECT, OTHER},
    attributes::field,
    dn::{self, Canonical},
    entry::Entry,
    items, known,
    roles::Groups,
    write::{Written, what_item},
};

/// What a place is given for the moment in which it is renamed.
const ONE_MORE: &str = "tenantry-moves";
/// Names that are tried for a place.
const NAMES: usize = 20;

/// Every name was somebody's.
pub(super) fn taken(operation: String) -> DirectoryError {
    DirectoryError::new(operation, ErrorKind::Conflict).because("there is an entry of that name (68)")
}

impl Inner {
    /// What a new entry can be called, best first: the value of its attribute, and the whole name. What a place is called says
    /// nothing, so that another name does where somebody else has the first; none of them hides it in a folder of ours.
    pub(super) fn names_for(&self, kind: Kind, attribute: &str, name: &str, under: &str) -> Vec<(String, String)> {
        let own = Canonical::of(&self.own);
        let more = match kind {
            Kind::Company | Kind::Customer => NAMES,
            Kind::User | Kind::Role => 1,
        };
        let all = (1..=more).map(|n| if n == 1 { name.to_owned() } else { format!("{name}-{n}") });
        let whole = |name: String| (name.clone(), dn::child(attribute, &name, under));
        all.map(whole).filter(|(_, dn)| Canonical::of(dn) != own).collect()
    }

    /// What an entry can be called, and where; nothing where that stays.
    pub(super) async fn new_names(
        &self,
        entry: &Entry,
        item: &Item,
        target: &Target,
    ) -> Result<Option<Vec<String>>, DirectoryError> {
        let (rdn, above) = dn::split(&entry.dn);
        let leftmost = dn::leftmost(&entry.dn);
        let username = field(&target.fields, Field::Username).unwrap_or_default();
        let named = leftmost.as_ref().is_some_and(|(kind, _)| kind == "uid");
        let called = item.kind == Kind::User && named && field(&item.fields, Field::Username) != Some(username);
        if !called && item.parent == target.parent {
            return Ok(None);
        }
        let under = if item.parent == target.parent {
            above.to_owned()
        } else {
            self.under(target.parent.as_ref(), || what_item("move", item)).await?
        };
        let free = match leftmost {
            _ if called => vec![dn::child("uid", username, &under)],
            Some((kind, name)) if kind == "ou" && item.kind != Kind::User => {
                self.names_for(item.kind, "ou", &name, &under).into_iter().map(|(_, dn)| dn).collect()
            }
            Some(_) | None => vec![format!("{rdn},{under}")],
        };
        Ok(Some(free))
    }

    /// Gives an entry the first of these names that is free, and with it everything below it.
    pub(super) async fn rename(&self, entry: &Entry, names: Vec<String>) -> Result<Entry, DirectoryError> {
        let from = &entry.dn;
        let (_, above) = dn::split(from);
        let name = Canonical::of(from);
        let below = if items::kind_of(entry) == Some(Kind::User) { Groups::new() } else { self.members_below(&name).await? };
        // The name of what it stands under is taken too; OpenLDAP has another word for that.
        for to in names.into_iter().filter(|to| !name.is_below(&Canonical::of(to))) {
            self.free(&to).await?;
            let (rdn, under) = dn::split(&to);
            let under = (Canonical::of(above) != Canonical::of(under)).then_some(under);
            let controls = self.controls(entry.first("entrycsn")).await?;
            // Before anybody gets a role by a name: it must be nobody's yet.
            if !below.is_empty() && self.named(&to).await?.is_some() {
                continue;
            }
            self.enrol_ahead(&below, &name, &to, true).await?;
            let mut result = self.server.rename(from, rdn, under, controls.clone()).await?;
            if result.rc == OTHER && result.text.contains("DN index") {
                result = self.rename_miscounted(from, rdn, under, controls).await?;
            }
            if result.rc != 0 {
                self.enrol_ahead(&below, &name, &to, false).await?;
            }
            if result.rc != ENTRY_EXISTS {
                let entry = self.afterwards(&to, result, || format!("move {from} to {to}")).await?;
                self.known().renamed(from, &to);
                return Ok(entry);
            }
        }
        Err(taken(format!("move {from}")))
    }

    /// OpenLDAP 2.5.13 loses count of what stands under a place when the first thing that comes there was moved from beside it;
    /// the place cannot be renamed then (`DN index add failed`), until it gets one more.
    async fn rename_miscounted(
        &self,
        from: &str,
        rdn: &str,
        under: Option<&str>,
        controls: Vec<RawControl>,
    ) -> Result<LdapResult, DirectoryError> {
        let attributes = vec![
            (b"objectClass".to_vec(), HashSet::from([b"top".to_vec(), b"applicationProcess".to_vec()])),
            (b"cn".to_vec(), HashSet::from([ONE_MORE.as_bytes().to_vec()])),
        ];
        let before = dn::child("cn", ONE_MORE, from);
        let result = self.server.add(&before, attributes, Vec::new()).await?;
        if result.rc != ENTRY_EXISTS {
            answer::checked(result, || format!("add {before}"))?;
        }
        let result = self.server.rename(from, rdn, under, controls).await?;
        let (_, above) = dn::split(from);
        let now = if result.rc == 0 { format!("{rdn},{}", under.unwrap_or(above)) } else { from.to_owned() };
        self.take_away_one_more(&now).await?;
        Ok(result)
    }

    /// Takes away what was given to a place so that it can be renamed, perhaps by a run that ended before it did; whether there
    /// was such a thing.
    pub(super) async fn take_away_one_more(&self, place: &str) -> Result<bool, DirectoryError> {
        let one_more = dn::child("cn", ONE_MORE, place);
        let result = self.server.delete(&one_more, Vec::new()).await?;
        if result.rc == NO_SUCH_OBJECT {
            return Ok(false);
        }
        answer::checked(result, || format!("delete {one_more}")).map(|_| true)
    }

    /// Members of groups who stand below a place.
    async fn members_below(&self, place: &Canonical) -> Result<Groups, DirectoryError> {
        let mut groups = self.groups().await?;
        groups.values_mut().for_each(|members| members.retain(|member| Canonical::of(member).is_below(place)));
        groups.retain(|_, members| !members.is_empty());
        Ok(groups)
    }

    /// Has groups know members by the names that they will have, or not any more. Before a place moves: if that is the last thing
    /// that we do, or the last that we hear of, nobody below it has lost their role.
    async fn enrol_ahead(&self, below: &Groups, from: &Canonical, to: &str, enter: bool) -> Result<(), DirectoryError> {
        for (group, members) in below {
            let names: Vec<_> = members.iter().filter_map(|member| known::moved(member, from, to)).collect();
            match self.enrol(group, enter, &names).await {
                // A server may take no members that do not exist yet (`memberof-dangling error`).
                Err(error) if error.kind == ErrorKind::Rejected => {}
                done => done?,
            }
        }
        Ok(())
    }

    /// Members below a place have other names now. The overlay `refint` sees to that as well, where it is there, in its own
    /// time.
    pub(super) async fn follow(&self, from: &str, written: &mut Written) -> Result<(), DirectoryError> {
        let old = Canonical::of(from);
        for (group, members) in self.groups().await? {
            let there: HashSet<_> = members.iter().map(|member| Canonical::of(member)).collect();
            for member in members {
                if let Some(renamed) = known::moved(&member, &old, &written.dn) {
                    written.leaves.push((group.clone(), member));
                    if !there.contains(&Canonical::of(&renamed)) {
                        written.enters.push((group.clone(), renamed));
                    }
                }
            }
        }
        Ok(())
    }
}
