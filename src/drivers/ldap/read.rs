//! Reading: everything in a few searches, or some objects by their names.

use std::{
    borrow::Borrow,
    collections::{BTreeSet, HashMap},
};

use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use ldap3::{Scope, ldap_escape};
use smol_str::SmolStr;

use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::remote::Item,
    model::{Kind, RemoteId},
};

use super::{
    Inner, WIDTH, discover,
    dn::{self, Canonical},
    entry::Entry,
    items::{self, ATTRIBUTES, Above, OBJECTS},
    known::Known,
    roles,
    search::Search,
};

impl Inner {
    /// Every object, and what there is to know of where they are.
    pub(super) async fn sweep(&self, asked: &BTreeSet<SmolStr>) -> Result<Vec<Item>, DirectoryError> {
        let abilities = self.abilities().await?;
        self.able(discover::locks(&self.server, abilities).await?);
        let search = Search { base: &self.base, scope: Scope::Subtree, filter: OBJECTS, attributes: ATTRIBUTES };
        let found = self.server.search(&search, abilities.paged).await?.ok_or_else(|| self.no_base())?;
        let groups = self.groups().await?;
        let own = Canonical::of(&self.own);
        let mut entries: HashMap<Canonical, (Entry, Kind)> = HashMap::with_capacity(found.len());
        for entry in found {
            let name = Canonical::of(&entry.dn);
            if let Some(kind) = items::kind_of(&entry)
                && name != self.top
                && name != own
                && !name.is_below(&own)
            {
                entries.insert(name, (entry, kind));
            }
        }
        let mut held: HashMap<Canonical, Vec<SmolStr>> = HashMap::new();
        for (group, members) in groups.iter().filter(|(group, _)| asked.contains(*group)) {
            for member in members {
                held.entry(Canonical::of(member)).or_default().push(group.clone());
            }
        }
        let (mut known, mut swept) = (Known::default(), Vec::with_capacity(entries.len()));
        for (name, (entry, kind)) in &entries {
            let mut above = Above::default();
            for up in name.above().take_while(|up| *up != <Canonical as Borrow<str>>::borrow(&self.top)) {
                match entries.get(up) {
                    Some((place, Kind::Company | Kind::Customer)) => {
                        above.place = Some(items::id_of(place)?);
                        break;
                    }
                    Some((_, Kind::User | Kind::Role)) => above.person = true,
                    None => {}
                }
            }
            let mut item = items::item(entry, *kind, above, abilities, &self.us)?;
            item.roles = if *kind == Kind::User { held.get(name).cloned().unwrap_or_default() } else { Vec::new() };
            known.put(&item.id, *kind, &entry.dn);
            swept.push(item);
        }
        known.leave(roles::left_behind(&groups, |name| entries.contains_key(name), &Canonical::of(&self.roles)));
        *self.known() = known;
        Ok(swept)
    }

    fn no_base(&self) -> DirectoryError {
        DirectoryError::new(format!("read {}", self.base), ErrorKind::Incomplete)
            .because("there is no such entry, or the account that signs in may not see it")
    }

    /// Some objects as they are now.
    pub(super) async fn read(&self, ids: &[(Kind, RemoteId)], asked: &BTreeSet<SmolStr>) -> Result<Vec<Item>, DirectoryError> {
        let jobs: Vec<_> = ids.iter().map(|(_, id)| self.one_item(id).boxed()).collect();
        let found: Vec<_> = stream::iter(jobs).buffer_unordered(WIDTH).try_collect().await?;
        let mut found: Vec<(Item, String)> = found.into_iter().flatten().collect();
        let users: Vec<_> = found.iter().filter(|(item, _)| item.kind == Kind::User).map(|(_, dn)| dn.clone()).collect();
        let held = self.held(&users, asked).await?;
        for (item, dn) in &mut found {
            if item.kind == Kind::User {
                item.roles = held.get(&Canonical::of(dn)).cloned().unwrap_or_default();
            }
        }
        Ok(found.into_iter().map(|(item, _)| item).collect())
    }

    /// An object and its name; nothing where it is gone.
    async fn one_item(&self, id: &RemoteId) -> Result<Option<(Item, String)>, DirectoryError> {
        let Some(entry) = self.entry(id).await? else { return Ok(None) };
        Ok(self.item(&entry).await?.map(|item| (item, entry.dn)))
    }

    /// An entry with one name.
    pub(super) async fn named(&self, dn: &str) -> Result<Option<Entry>, DirectoryError> {
        let search = Search { base: dn, scope: Scope::Base, filter: "(objectClass=*)", attributes: ATTRIBUTES };
        Ok(self.server.search(&search, false).await?.and_then(|mut found| found.pop()))
    }

    /// The entry with an identifier, wherever it is; nothing where it is gone.
    pub(super) async fn entry(&self, id: &RemoteId) -> Result<Option<Entry>, DirectoryError> {
        let name = self.known().name(id).map(str::to_owned);
        if let Some(dn) = name
            && let Some(entry) = self.named(&dn).await?
            && items::id_of(&entry)? == *id
        {
            return Ok(Some(entry));
        }
        // Somebody renamed it, or it is gone, or this program was started to write only.
        let RemoteId(uuid) = id;
        let filter = format!("(entryUUID={})", ldap_escape(uuid.as_str()));
        let search = Search { base: &self.base, scope: Scope::Subtree, filter: &filter, attributes: ATTRIBUTES };
        let paged = self.abilities().await?.paged;
        let found = self.server.search(&search, paged).await?.ok_or_else(|| self.no_base())?.pop();
        match &found {
            Some(entry) => self.learn(entry)?,
            None => self.known().remove(id),
        }
        Ok(found)
    }

    /// Takes in what an entry is called.
    pub(super) fn learn(&self, entry: &Entry) -> Result<(), DirectoryError> {
        if let Some(kind) = items::kind_of(entry) {
            self.known().put(&items::id_of(entry)?, kind, &entry.dn);
        }
        Ok(())
    }

    /// An entry as an object, without roles; nothing where it is none of ours to see.
    pub(super) async fn item(&self, entry: &Entry) -> Result<Option<Item>, DirectoryError> {
        let Some(kind) = items::kind_of(entry) else { return Ok(None) };
        let above = self.above(&entry.dn).await?;
        items::item(entry, kind, above, self.abilities().await?, &self.us).map(Some)
    }

    /// What a name stands under.
    async fn above(&self, dn: &str) -> Result<Above, DirectoryError> {
        let (mut above, mut rest) = (Above::default(), dn);
        loop {
            let (_, under) = dn::split(rest);
            let name = Canonical::of(under);
            if under.is_empty() || name == self.top {
                return Ok(above);
            }
            let known = self.known().place(name.borrow()).cloned();
            if known.is_some() {
                above.place = known;
                return Ok(above);
            }
            if let Some(entry) = self.named(under).await? {
                self.learn(&entry)?;
                match items::kind_of(&entry) {
                    Some(Kind::Company | Kind::Customer) => {
                        above.place = Some(items::id_of(&entry)?);
                        return Ok(above);
                    }
                    Some(Kind::User) => above.person = true,
                    Some(Kind::Role) | None => {}
                }
            }
            rest = under;
        }
    }

    /// What something with an identifier is called; nothing where it is gone.
    pub(super) async fn dn_of(&self, id: &RemoteId) -> Result<Option<String>, DirectoryError> {
        let known = self.known().name(id).map(str::to_owned);
        match known {
            Some(dn) => Ok(Some(dn)),
            None => Ok(self.entry(id).await?.map(|entry| entry.dn)),
        }
    }
}
