//! A ledger beside a directory that has no tables: the contract, with the least directory there can be, once with room for
//! marks and once without.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use smol_str::{SmolStr, format_smolstr};
use tempfile::TempDir;
use tenantry::{
    directory::{Directory, DirectoryError, ErrorKind, Stop, Traffic},
    drivers::{
        Sqlite,
        remote::{Edit, Item, Ledgered, Marks, NewPassword, Remote, Target},
    },
    model::{Field, Kind, RemoteId},
    observed::Capabilities,
};

/// Objects in memory. It spells display names in its own way: two spaces are one.
pub(crate) struct Shelf {
    marks: Marks,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    items: BTreeMap<RemoteId, Item>,
    made: u64,
}

impl Shelf {
    fn new(marks: Marks) -> Self {
        Self { marks, state: Mutex::default() }
    }

    fn written(target: &Target, id: RemoteId, created_at: Option<Timestamp>, roles: Vec<SmolStr>) -> Item {
        let Target { kind, name: _, parent, fields, role, enabled, mark } = target.clone();
        let spelled = |(field, text): (Field, SmolStr)| match field {
            Field::DisplayName => (field, SmolStr::new(text.split_whitespace().collect::<Vec<_>>().join(" "))),
            field => (field, text),
        };
        Item {
            id,
            kind,
            parent,
            fields: fields.into_iter().map(spelled).collect(),
            roles: role.map_or(roles, |role| vec![role]),
            enabled: (kind == Kind::User).then_some(enabled),
            mark,
            created_at,
            tag: None,
            must_change: None,
            unfit: None,
        }
    }

    fn one(state: &mut State, edit: &Edit) -> Result<Option<Item>, DirectoryError> {
        let failed = |kind| DirectoryError::new("write", kind);
        match edit {
            Edit::Create(target) => {
                state.made += 1;
                let id = RemoteId(format_smolstr!("o{:06}", state.made));
                let item = Self::written(target, id.clone(), Some(Timestamp::now()), Vec::new());
                state.items.insert(id, item.clone());
                Ok(Some(item))
            }
            Edit::Update(found, target) => {
                let known = state.items.get(&found.id).ok_or_else(|| failed(ErrorKind::Moved))?;
                let item = Self::written(target, found.id.clone(), known.created_at, known.roles.clone());
                state.items.insert(found.id.clone(), item.clone());
                Ok(Some(item))
            }
            Edit::Delete(found) => {
                state.items.remove(&found.id);
                Ok(None)
            }
        }
    }
}

#[async_trait]
impl Remote for Shelf {
    fn name(&self) -> &'static str {
        "shelf"
    }

    fn capabilities(&self) -> Arc<Capabilities> {
        Arc::new(Capabilities::everything())
    }

    fn native(&self, kind: Kind) -> &'static [Field] {
        match kind {
            Kind::User => &[Field::Username, Field::Email, Field::DisplayName, Field::FirstName, Field::Phone],
            Kind::Company | Kind::Customer => &[Field::DisplayName],
            Kind::Role => &[],
        }
    }

    fn marks(&self) -> Marks {
        self.marks
    }

    async fn sweep(&self, _: &BTreeSet<SmolStr>) -> Result<Vec<Item>, DirectoryError> {
        Ok(self.state.lock().unwrap().items.values().cloned().collect())
    }

    async fn read(&self, ids: &[(Kind, RemoteId)], _: &BTreeSet<SmolStr>) -> Result<Vec<Item>, DirectoryError> {
        let state = self.state.lock().unwrap();
        Ok(ids.iter().filter_map(|(_, id)| state.items.get(id).cloned()).collect())
    }

    async fn write(&self, edits: &[Edit], _: &Stop) -> Vec<Result<Option<Item>, DirectoryError>> {
        let mut state = self.state.lock().unwrap();
        edits.iter().map(|edit| Self::one(&mut state, edit)).collect()
    }

    async fn password(&self, _: &RemoteId, _: &NewPassword) -> Result<(), DirectoryError> {
        Ok(())
    }

    async fn revoke(&self, _: &RemoteId) -> Result<(), DirectoryError> {
        Ok(())
    }

    async fn invite(&self, _: &RemoteId, _: Duration) -> Result<(), DirectoryError> {
        Err(DirectoryError::new("invite", ErrorKind::Rejected))
    }

    fn traffic(&self) -> Traffic {
        Traffic::default()
    }
}

fn fresh(marks: Marks) -> (TempDir, Arc<dyn Directory>) {
    let folder = TempDir::new().unwrap();
    let ledger = Arc::new(Sqlite::ledger(folder.path(), Path::new("ledger.db")).unwrap());
    (folder, Arc::new(Ledgered::new(Shelf::new(marks), ledger, false)))
}

mod marks_on_objects {
    crate::conformance::suite!(|| super::fresh(super::Marks::OnObject));
}

mod marks_in_the_ledger {
    crate::conformance::suite!(|| super::fresh(super::Marks::InLedger));
}
