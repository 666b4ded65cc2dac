//! Writing: entries first, several at a time; then the groups, many members at once.

use std::collections::BTreeMap;

use futures_util::{FutureExt, StreamExt, stream};
use ldap3::{
    LdapResult,
    controls::{Assertion, MakeCritical, PostRead, RawControl},
    ldap_escape,
};
use smol_str::SmolStr;

use crate::{
    directory::{DirectoryError, ErrorKind, Stop},
    drivers::remote::{Edit, Item, Target},
    model::{Field, Kind, RemoteId},
};

use super::{
    Inner, WIDTH,
    answer::{self, ENTRY_EXISTS, NO_SUCH_OBJECT, NOT_A_LEAF},
    attributes::{self, field},
    entry::Entry,
    items::{ADDED, ATTRIBUTES},
    names::taken,
    server::Modification,
};

/// What an edit came to, apart from what the groups have to learn of it.
pub(super) struct Written {
    /// A failure behind a renaming too: groups must learn of that all the same.
    pub(super) outcome: Result<Option<Item>, DirectoryError>,
    pub(super) dn: String,
    /// Groups to leave, with the name that they know.
    pub(super) leaves: Vec<(SmolStr, String)>,
    /// Groups to enter.
    pub(super) enters: Vec<(SmolStr, String)>,
}

impl Inner {
    /// Carries out edits that do not depend on each other.
    pub(super) async fn write(&self, edits: &[Edit], stop: &Stop) -> Vec<Result<Option<Item>, DirectoryError>> {
        let jobs: Vec<_> = edits.iter().map(|edit| self.begin(edit, stop).boxed()).collect();
        let mut written: Vec<_> = stream::iter(jobs).buffered(WIDTH).collect().await;
        // Out of the old role first: a run that ends here leaves somebody with less than they should have, not with more.
        for enter in [false, true] {
            self.memberships(&mut written, enter).await;
        }
        let jobs: Vec<_> = written.into_iter().map(|written| self.settled(written).boxed()).collect();
        stream::iter(jobs).buffered(WIDTH).collect().await
    }

    async fn begin(&self, edit: &Edit, stop: &Stop) -> Result<Written, DirectoryError> {
        if stop.requested() {
            return Err(DirectoryError::new(what(edit), ErrorKind::Interrupted));
        }
        self.one(edit).await
    }

    async fn one(&self, edit: &Edit) -> Result<Written, DirectoryError> {
        match edit {
            Edit::Create(target) => {
                let _names = self.names.read().await;
                self.create(target).await
            }
            Edit::Update(item, target) if item.kind != Kind::User && item.parent != target.parent => {
                let _names = self.names.write().await;
                self.update(item, target).await
            }
            Edit::Update(item, target) => {
                let _names = self.names.read().await;
                self.update(item, target).await
            }
            Edit::Delete(item) => {
                let _names = self.names.read().await;
                self.delete(item).await
            }
        }
    }

    /// What a place is called, or the base.
    pub(super) async fn under(&self, place: Option<&RemoteId>, operation: impl Fn() -> String) -> Result<String, DirectoryError> {
        let Some(place) = place else { return Ok(self.base.clone()) };
        let gone = || DirectoryError::new(operation(), ErrorKind::Moved).because("what it should stand under is gone");
        self.dn_of(place).await?.ok_or_else(gone)
    }

    async fn create(&self, target: &Target) -> Result<Written, DirectoryError> {
        let Target { kind, name, parent, fields, role, enabled, mark: _ } = target;
        let operation = || format!("add {} `{name}`", kind.word());
        let abilities = self.abilities().await?;
        let under = self.under(parent.as_ref(), operation).await?;
        let (attribute, name) = match kind {
            Kind::User => ("uid", field(fields, Field::Username).unwrap_or_default()),
            Kind::Company | Kind::Customer | Kind::Role => ("ou", name.as_str()),
        };
        if name.is_empty() {
            return Err(DirectoryError::new(operation(), ErrorKind::Rejected).because("it has no name"));
        }
        if *kind == Kind::User && !enabled && !abilities.policy {
            return Err(DirectoryError::new(operation(), ErrorKind::Rejected).because("the server cannot lock an account"));
        }
        let mut names = self.names_for(*kind, attribute, name, &under).into_iter();
        let controls: Vec<RawControl> = abilities.post_read.then(|| PostRead::new(ADDED.to_vec())).into_iter().collect();
        let entry = loop {
            let Some((name, dn)) = names.next() else { return Err(taken(operation())) };
            self.free(&dn).await?;
            let attributes = attributes::new(target, &name, abilities);
            // A server keeps what it takes, so that only what it adds is asked for: new ones come by the thousand.
            let sent = Entry::sent(&dn, &attributes);
            let result = self.server.add(&dn, attributes, controls.clone()).await?;
            if result.rc != ENTRY_EXISTS {
                let entry = self.afterwards(&dn, result, || format!("add {dn}")).await?;
                break sent.with(entry);
            }
        };
        let dn = entry.dn.clone();
        self.learn(&entry)?;
        let enters = role.iter().map(|role| (role.clone(), dn.clone())).collect();
        let mut outcome = self.item(&entry).await;
        if let Ok(Some(item)) = &mut outcome {
            item.roles = role.iter().cloned().collect();
        }
        Ok(Written { outcome, dn, leaves: Vec::new(), enters })
    }

    async fn update(&self, item: &Item, target: &Target) -> Result<Written, DirectoryError> {
        let moved = |why: &str| DirectoryError::new(what_item("change", item), ErrorKind::Moved).because(why);
        let mut entry = self.entry(&item.id).await?.ok_or_else(|| moved("it is gone"))?;
        if item.tag.as_deref() != entry.first("entrycsn") {
            return Err(moved("somebody else changed it"));
        }
        let from = entry.dn.clone();
        // First, since it is what fails when a name is taken; a run that ends behind it finds the rest to do the next time.
        if let Some(names) = self.new_names(&entry, item, target).await? {
            entry = self.rename(&entry, names).await?;
        }
        let changes = attributes::changes(&entry, item, target);
        let outcome = if changes.is_empty() { self.item(&entry).await } else { self.change(&entry, changes).await };
        let mut written = Written { outcome, dn: entry.dn, leaves: Vec::new(), enters: Vec::new() };
        if item.kind == Kind::User {
            let after = match (&written.outcome, &target.role) {
                (Ok(_), Some(role)) => std::slice::from_ref(role),
                (Ok(_), None) | (Err(_), _) => &item.roles,
            };
            let renamed = from != written.dn;
            for role in item.roles.iter().filter(|role| renamed || !after.contains(role)) {
                written.leaves.push((role.clone(), from.clone()));
                if renamed && !after.contains(role) {
                    written.leaves.push((role.clone(), written.dn.clone()));
                }
            }
            for role in after.iter().filter(|role| renamed || !item.roles.contains(role)) {
                written.enters.push((role.clone(), written.dn.clone()));
            }
            if let Ok(Some(done)) = &mut written.outcome {
                done.roles = after.to_vec();
            }
        } else if from != written.dn {
            self.follow(&from, &mut written).await?;
        }
        Ok(written)
    }

    async fn change(&self, entry: &Entry, changes: Vec<Modification>) -> Result<Option<Item>, DirectoryError> {
        let result = self.server.modify(&entry.dn, changes, self.controls(entry.first("entrycsn")).await?).await?;
        let entry = self.afterwards(&entry.dn, result, || format!("change {}", entry.dn)).await?;
        self.item(&entry).await
    }

    async fn delete(&self, item: &Item) -> Result<Written, DirectoryError> {
        let done = |dn: String, leaves| Written { outcome: Ok(None), dn, leaves, enters: Vec::new() };
        let moved = |why: &str| DirectoryError::new(what_item("delete", item), ErrorKind::Moved).because(why);
        let Some(entry) = self.entry(&item.id).await? else { return Ok(done(String::new(), Vec::new())) };
        if item.tag.as_deref() != entry.first("entrycsn") {
            return Err(moved("somebody else changed it"));
        }
        let dn = entry.dn.clone();
        let mut controls = self.controls(entry.first("entrycsn")).await?;
        // There is nothing to read afterwards.
        controls.truncate(usize::from(self.abilities().await?.assertion));
        let mut result = self.server.delete(&dn, controls.clone()).await?;
        if result.rc == NOT_A_LEAF && self.take_away_one_more(&dn).await? {
            result = self.server.delete(&dn, controls).await?;
        }
        if result.rc != NO_SUCH_OBJECT {
            answer::checked(result, || format!("delete {dn}"))?;
        }
        self.known().remove(&item.id);
        let leaves = item.roles.iter().map(|role| (role.clone(), dn.clone())).collect();
        Ok(done(dn, leaves))
    }

    /// What goes with a write: that the entry is as it was read (RFC 4528), and that we want to know what it is afterwards (RFC
    /// 4527).
    pub(super) async fn controls(&self, tag: Option<&str>) -> Result<Vec<RawControl>, DirectoryError> {
        let abilities = self.abilities().await?;
        let mut controls = Vec::new();
        if let Some(tag) = tag.filter(|_| abilities.assertion) {
            controls.push(Assertion { filter: format!("(entryCSN={})", ldap_escape(tag)) }.critical().into());
        }
        if abilities.post_read {
            controls.push(PostRead::new(ATTRIBUTES.to_vec()));
        }
        Ok(controls)
    }

    /// An entry after a write that went well.
    pub(super) async fn afterwards(
        &self,
        dn: &str,
        result: LdapResult,
        operation: impl Fn() -> String,
    ) -> Result<Entry, DirectoryError> {
        let result = answer::checked(result, &operation)?;
        if let Some(entry) = Entry::after(dn, &result) {
            return Ok(entry);
        }
        let gone = || DirectoryError::new(operation(), ErrorKind::Moved).because("it was done, and is gone since");
        self.named(dn).await?.ok_or_else(gone)
    }

    /// Lets users leave their groups, or enter them: many at once, since a group is written whole each time.
    async fn memberships(&self, written: &mut [Result<Written, DirectoryError>], enter: bool) {
        let mut by_role: BTreeMap<SmolStr, (Vec<String>, Vec<usize>)> = BTreeMap::new();
        for (place, one) in written.iter().enumerate() {
            let Ok(Written { outcome: _, dn: _, leaves, enters }) = one else { continue };
            for (role, dn) in if enter { enters } else { leaves } {
                let (dns, places) = by_role.entry(role.clone()).or_default();
                dns.push(dn.clone());
                places.push(place);
            }
        }
        for (role, (dns, places)) in by_role {
            if let Err(error) = self.enrol(&role, enter, &dns).await {
                for place in places {
                    written[place] = Err(error.again());
                }
            }
        }
    }

    /// What there is to say of an edit when the groups know of it.
    async fn settled(&self, written: Result<Written, DirectoryError>) -> Result<Option<Item>, DirectoryError> {
        let Written { outcome, dn, leaves, enters } = written?;
        let Some(mut item) = outcome? else { return Ok(None) };
        // With the overlay `memberof` a group writes to its members.
        if self.abilities().await?.member_of
            && !(leaves.is_empty() && enters.is_empty())
            && let Some(entry) = self.named(&dn).await?
        {
            item.tag = entry.first("entrycsn").map(SmolStr::new);
        }
        Ok(Some(item))
    }
}

/// What an edit does, for an error.
fn what(edit: &Edit) -> String {
    match edit {
        Edit::Create(target) => format!("add {} `{}`", target.kind.word(), target.name),
        Edit::Update(item, _) => what_item("change", item),
        Edit::Delete(item) => what_item("delete", item),
    }
}

pub(super) fn what_item(verb: &str, item: &Item) -> String {
    let RemoteId(id) = &item.id;
    format!("{verb} {} {id}", item.kind.word())
}
