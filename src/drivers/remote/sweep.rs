//! What a directory held when it was last read, as far as we know: the objects, their marks, and what the ledger has noted.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};

use crate::{
    drivers::{
        rows::Found,
        table::{Entry, Table},
    },
    model::{Body, Kind, Name, Namespace, RemoteId, built_in_roles},
    observed::{Observed, Spent},
};

use super::{
    Item, Marks,
    decode::decode,
    mark::{Mark, native_role},
};

/// Names of notes begin with one of these.
pub(super) const MARK: &str = "mark/";
pub(super) const SECRET: &str = "secret/";
pub(super) const LINK: &str = "link/";
pub(super) const LOSS: &str = "loss/";
pub(super) const GONE: &str = "gone/";
pub(super) const DIRECTORY: &str = "directory";

/// What references to marks in the ledger begin with.
pub(super) const REFERENCE: &str = "tenantry:";

/// What was noted of the secret that an account was given last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SecretNote {
    /// When it dies unused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<Timestamp>,
    /// The hash of its link, in hexadecimal; none for a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) link: Option<String>,
    /// It died unused, and was taken away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) buried: bool,
}

/// Losses that were about to happen; a run that ended in between leaves them behind, and they count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LossNote {
    pub(super) at: Timestamp,
    pub(super) losses: BTreeMap<Namespace, u64>,
}

/// The roles there are, by their native names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Roles {
    pub(super) native: BTreeSet<SmolStr>,
    local: BTreeSet<(Namespace, Name)>,
}

impl Roles {
    /// The built-in ones and those the ledger holds.
    pub(super) fn of(held: &Observed) -> Self {
        let mut roles = Self::default();
        roles.native.extend(built_in_roles().into_iter().map(|(name, _)| SmolStr::new(name.as_str())));
        for live in held.ours.iter().filter(|live| matches!(live.state.body, Body::Role(_))) {
            roles.add(&live.state.key.namespace, &live.state.key.name);
        }
        roles
    }

    pub(super) fn add(&mut self, namespace: &Namespace, name: &Name) {
        self.native.insert(native_role(namespace, name, true));
        self.local.insert((namespace.clone(), name.clone()));
    }

    /// The native name of what documents of a namespace call this.
    pub(super) fn native(&self, namespace: &Namespace, name: &Name) -> SmolStr {
        native_role(namespace, name, self.local.contains(&(namespace.clone(), name.clone())))
    }
}

/// Everything, as it was read.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    pub(super) table: Table,
    pub(super) items: HashMap<RemoteId, Item>,
    pub(super) notes: BTreeMap<String, String>,
    pub(super) roles: Roles,
    /// The ledger's last record by then.
    pub(super) last: u64,
}

impl Sweep {
    /// Lays out what was read.
    pub(super) fn of(marks: Marks, items: Vec<Item>, notes: BTreeMap<String, String>, roles: Roles, last: u64) -> Self {
        let mut sweep = Self { table: Table::default(), items: HashMap::new(), notes, roles, last };
        let mut entries: Vec<Entry> = items.iter().map(|item| sweep.entry(marks, item)).collect();
        // Of two that bear the same mark the older is the one that was marked.
        entries.sort_by(|a, b| (a.found.created_at(), a.found.id()).cmp(&(b.found.created_at(), b.found.id())));
        for entry in entries {
            sweep.put(entry, &items);
        }
        sweep.items = items.into_iter().map(|item| (item.id.clone(), item)).collect();
        sweep
    }

    fn put(&mut self, entry: Entry, items: &[Item]) {
        let Err(twin) = self.table.put_as_it_is(entry) else { return };
        let Some(key) = twin.found.key() else { return };
        let first = self.table.id(key).map_or("", |id| id.0.as_str());
        let why = format_smolstr!("it bears the mark of {key}, which is {first}; take the mark away");
        if let Some(item) = items.iter().find(|item| item.id == *twin.found.id()) {
            // It cannot be refused again: it has no key now.
            let _ = self.table.put_as_it_is(decode(item, Err(why), None));
        }
    }

    /// The object in an item.
    pub(super) fn entry(&self, marks: Marks, item: &Item) -> Entry {
        let text = if marks.on_object(item.kind) { item.mark.as_deref() } else { self.noted(item).1 };
        let mark = text.map(|text| Mark::parse(item.kind, text)).transpose();
        // A password that need not be changed any more was used; a link is there until it is used, or until it has died.
        let unused = |note: &SecretNote| note.link.is_some() || note.buried || item.must_change != Some(false);
        let secret = self.secret(&item.id).filter(unused);
        decode(item, mark, secret.and_then(|note| note.until))
    }

    /// The name of the note that has the mark of an item, and the mark.
    pub(super) fn noted(&self, item: &Item) -> (String, Option<&str>) {
        let by_id = format!("{MARK}id:{}", item.id.0);
        let by_reference = item.mark.as_ref().map(|reference| format!("{MARK}{reference}"));
        let name = by_reference.filter(|name| self.notes.contains_key(name)).unwrap_or(by_id);
        let text = self.notes.get(&name).map(String::as_str);
        (name, text)
    }

    /// Puts an object as it is now in place of what was known of it.
    pub(super) fn renew(&mut self, marks: Marks, item: Item) {
        self.table.take(&item.id);
        let entry = self.entry(marks, &item);
        self.put(entry, std::slice::from_ref(&item));
        self.items.insert(item.id.clone(), item);
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&mut self, id: &RemoteId) {
        self.table.take(id);
        self.items.remove(id);
    }

    /// What was noted of the secret of an account.
    pub(super) fn secret(&self, id: &RemoteId) -> Option<SecretNote> {
        self.notes.get(&format!("{SECRET}{}", id.0)).and_then(|note| serde_json::from_str(note).ok())
    }

    /// Accounts whose password has died unused by the time `now` and still opens the door.
    pub(super) fn overdue(&self, now: Timestamp) -> Vec<RemoteId> {
        let unused = self.items.values().filter(|item| item.must_change == Some(true));
        let over = |id: &RemoteId| {
            let Some(SecretNote { until, link, buried }) = self.secret(id) else { return false };
            !buried && link.is_none() && until.is_some_and(|until| until <= now)
        };
        let mut ids: Vec<RemoteId> = unused.map(|item| item.id.clone()).filter(over).collect();
        ids.sort();
        ids
    }

    /// Remembers what was written to the notes.
    pub(super) fn noted_now(&mut self, notes: &[(String, Option<String>)]) {
        for (name, note) in notes {
            match note {
                Some(note) => drop(self.notes.insert(name.clone(), note.clone())),
                None => drop(self.notes.remove(name)),
            }
        }
    }

    /// Adds losses that were begun and of which nobody said what became of them.
    pub(super) fn spent(&self, spent: &mut Spent, since: Timestamp) {
        let begun = self.notes.iter().filter(|(name, _)| name.starts_with(LOSS));
        for LossNote { at, losses } in begun.filter_map(|(_, note)| serde_json::from_str(note).ok()) {
            for (namespace, count) in losses.into_iter().filter(|_| at > since) {
                *spent.0.entry(namespace).or_default() += count;
            }
        }
    }

    /// Whether the ledger knows nothing: not even which directory it belongs to, which is noted before the first write.
    pub(super) fn is_new(&self) -> bool {
        self.last == 0 && !self.notes.contains_key(DIRECTORY)
    }

    /// Whether we set out to delete an object, whatever became of that.
    pub(super) fn doomed(&self, id: &RemoteId) -> bool {
        self.notes.contains_key(&format!("{GONE}{}", id.0))
    }

    /// Something here that bears our mark, or a reference to one.
    pub(super) fn any_ours(&self) -> Option<SmolStr> {
        let marked = self.table.objects().find_map(|entry| match &entry.found {
            Found::Managed(live) => Some(format_smolstr!("{}", live.state.key)),
            Found::Stranger(_) => None,
        });
        let referring = |item: &&Item| item.mark.as_ref().is_some_and(|mark| mark.starts_with(REFERENCE));
        marked.or_else(|| {
            let item = self.items.values().filter(referring).min_by(|a, b| a.id.cmp(&b.id))?;
            Some(format_smolstr!("the {} {}", item.kind.word(), item.id.0))
        })
    }

    /// Kind and identifier of an object that is known.
    pub(super) fn known(&self, id: &RemoteId) -> Option<(Kind, RemoteId)> {
        self.items.get(id).map(|item| (item.kind, id.clone()))
    }
}
