//! A ledger beside a directory that has no tables: the contract, with the least directory there can be, once with room for
//! marks and once without.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jiff::{Span, Timestamp};
use smol_str::{SmolStr, format_smolstr};
use tempfile::TempDir;
use tenantry::{
    directory::{Accounts, Directory, DirectoryError, ErrorKind, Stop, Traffic},
    drivers::{
        Sqlite,
        ledger::Ledger,
        remote::{Edit, Item, Ledgered, Marks, NewPassword, Remote, Target},
    },
    manifest::Project,
    model::{Body, Field, Kind, PasswordHash, PlainPassword, RemoteId, TokenHash},
    observed::{Capabilities, CredentialMark, Observed, Scope, Settings},
    plan::Change,
};

use crate::conformance::{
    Org, PASSWORD, PASSWORD_HASH, WINDOW, company, create, delete, issue, key, kind_of, line, link, name, password, user, with_user,
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
    sweeps: u64,
    reads: u64,
    revoked: Vec<RemoteId>,
    /// The next write takes effect, and nobody hears of it.
    lost: bool,
    /// Does not keep phone numbers, and does not say so.
    forgets: bool,
}

impl Shelf {
    pub(crate) fn new(marks: Marks) -> Self {
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

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
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

fn forgetful(state: &mut State, mut item: Option<Item>) -> Option<Item> {
    if let (true, Some(item)) = (state.forgets, &mut item) {
        item.fields.retain(|(field, _)| *field != Field::Phone);
        state.items.insert(item.id.clone(), item.clone());
    }
    item
}

/// So that a test holds the same shelf as the directory.
struct Shared(Arc<Shelf>);

#[async_trait]
impl Remote for Shared {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn capabilities(&self) -> Arc<Capabilities> {
        self.0.capabilities()
    }
    fn native(&self, kind: Kind) -> &'static [Field] {
        self.0.native(kind)
    }
    fn marks(&self) -> Marks {
        self.0.marks()
    }
    async fn sweep(&self, roles: &BTreeSet<SmolStr>) -> Result<Vec<Item>, DirectoryError> {
        self.0.sweep(roles).await
    }
    async fn read(&self, ids: &[(Kind, RemoteId)], roles: &BTreeSet<SmolStr>) -> Result<Vec<Item>, DirectoryError> {
        self.0.read(ids, roles).await
    }
    async fn write(&self, edits: &[Edit], stop: &Stop) -> Vec<Result<Option<Item>, DirectoryError>> {
        self.0.write(edits, stop).await
    }
    async fn password(&self, id: &RemoteId, password: &NewPassword) -> Result<(), DirectoryError> {
        self.0.password(id, password).await
    }
    async fn revoke(&self, id: &RemoteId) -> Result<(), DirectoryError> {
        self.0.revoke(id).await
    }
    async fn invite(&self, id: &RemoteId, lifetime: Duration) -> Result<(), DirectoryError> {
        self.0.invite(id, lifetime).await
    }
    fn traffic(&self) -> Traffic {
        self.0.traffic()
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
        let mut state = self.state.lock().unwrap();
        state.sweeps += 1;
        Ok(state.items.values().cloned().collect())
    }

    async fn read(&self, ids: &[(Kind, RemoteId)], _: &BTreeSet<SmolStr>) -> Result<Vec<Item>, DirectoryError> {
        let mut state = self.state.lock().unwrap();
        state.reads += ids.len() as u64;
        Ok(ids.iter().filter_map(|(_, id)| state.items.get(id).cloned()).collect())
    }

    async fn write(&self, edits: &[Edit], _: &Stop) -> Vec<Result<Option<Item>, DirectoryError>> {
        let mut state = self.state.lock().unwrap();
        let lost = std::mem::take(&mut state.lost);
        let done = edits.iter().map(|edit| Self::one(&mut state, edit).map(|item| forgetful(&mut state, item))).collect::<Vec<_>>();
        if lost {
            return edits.iter().map(|_| Err(DirectoryError::new("write", ErrorKind::Unavailable))).collect();
        }
        done
    }

    async fn password(&self, id: &RemoteId, password: &NewPassword) -> Result<(), DirectoryError> {
        let mut state = self.state.lock().unwrap();
        state.items.get_mut(id).unwrap().must_change = Some(password.must_change);
        Ok(())
    }

    async fn revoke(&self, id: &RemoteId) -> Result<(), DirectoryError> {
        self.state.lock().unwrap().revoked.push(id.clone());
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

/// A shelf, and the directory that it is with a ledger in a folder.
struct Stage {
    shelf: Arc<Shelf>,
    folder: TempDir,
}

impl Stage {
    fn new() -> Self {
        Self { shelf: Arc::new(Shelf::new(Marks::OnObject)), folder: TempDir::new().unwrap() }
    }

    fn open(&self, new_ledger: bool) -> Ledgered<Shared> {
        let ledger = Arc::new(Sqlite::ledger(self.folder.path(), Path::new("ledger.db")).unwrap());
        Ledgered::new(Shared(Arc::clone(&self.shelf)), ledger, new_ledger)
    }

    fn org(&self) -> Org {
        Org::new(Arc::new(self.open(false)))
    }

    /// Sweeps, and objects read by themselves.
    fn counts(&self) -> (u64, u64) {
        let state = self.shelf.state();
        (state.sweeps, state.reads)
    }

    fn lose_the_ledger(&self) {
        for file in fs::read_dir(self.folder.path()).unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
}

async fn observe(directory: &dyn Directory) -> Result<Observed, DirectoryError> {
    directory.observe(&name("acme"), &Scope::All, WINDOW).await
}

#[tokio::test]
async fn an_empty_ledger_beside_marked_objects_is_an_incomplete_read() {
    for (marks, kept) in [(Marks::OnObject, 6), (Marks::InLedger, 0)] {
        let stage = Stage { shelf: Arc::new(Shelf::new(marks)), ..Stage::new() };
        stage.org().populate().await;
        let before = observe(&stage.open(false)).await.unwrap();
        stage.lose_the_ledger();
        let refused = observe(&stage.open(false)).await;
        assert!(refused.as_ref().unwrap_err().chain().contains("--new-ledger"), "{refused:?}");
        assert_eq!(refused.unwrap_err().kind, ErrorKind::Incomplete);
        let anew = observe(&stage.open(true)).await.unwrap();
        assert_eq!((anew.ours.len(), anew.strangers.len()), (kept, 6 - kept));
        assert!(anew.applied.begins && !before.applied.begins);
        // The apply that began it is remembered.
        let directory = stage.open(true);
        directory.remember(&name("acme"), None, &Settings::of(&Project::default())).await.unwrap();
        assert!(!observe(&stage.open(false)).await.unwrap().applied.begins);
    }
}

#[tokio::test]
async fn a_directory_that_held_things_and_holds_none_is_not_believed() {
    let stage = Stage::new();
    let mut org = stage.org();
    org.create(company("north", None)).await;
    org.create(company("south", None)).await;
    let held = std::mem::take(&mut stage.shelf.state().items);
    let refused = observe(&stage.open(false)).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Incomplete);
    assert!(refused.chain().contains("company/n/"), "{}", refused.chain());
    stage.shelf.state().items = held;
    // What we deleted ourselves is missed by nobody.
    let mut org = Org { wanted: org.wanted, ..stage.org() };
    org.delete(&key("company/n/north")).await;
    org.delete(&key("company/n/south")).await;
    assert_eq!(observe(&stage.open(false)).await.unwrap().ours, []);
}

#[tokio::test]
async fn the_first_and_the_last_answer_may_be_lost() {
    let stage = Stage::new();
    let org = stage.org();
    let north = company("north", None);
    stage.shelf.state().lost = true;
    assert_eq!(kind_of(org.execute(&create(&north)).await), ErrorKind::Unavailable);
    assert_eq!(observe(&stage.open(false)).await.unwrap().ours.len(), 1, "its ledger is no empty one");
    stage.shelf.state().lost = true;
    assert_eq!(kind_of(org.execute(&delete(&north.key)).await), ErrorKind::Unavailable);
    assert_eq!(observe(&stage.open(false)).await.unwrap().ours, [], "we set out to delete it");
}

#[tokio::test]
async fn a_server_that_is_gone_is_not_asked_for_each_change() {
    let stage = Stage::new();
    let org = stage.org();
    let many: Vec<_> = (0..1_000).map(|at| create(&company(&format!("c{at:04}"), None))).collect();
    stage.shelf.state().lost = true;
    let outcomes = org.directory.execute_all(&many, &org.run).await;
    let gone = |it: &Result<_, DirectoryError>| it.as_ref().is_err_and(|error| error.kind == ErrorKind::Unavailable);
    assert!(outcomes.len() == many.len() && outcomes.iter().all(gone));
    let tried = stage.shelf.state().made;
    assert!(tried < 500, "{tried} were sent");
    // All of it is made good.
    let left = observe(&stage.open(false)).await.unwrap();
    assert_eq!(left.ours.len() as u64, tried, "what was sent has our mark, although nobody heard of it");
}

#[tokio::test]
async fn a_ledger_belongs_to_one_directory() {
    let stage = Stage::new();
    stage.org().create(company("north", None)).await;
    let ledger = Sqlite::ledger(stage.folder.path(), Path::new("ledger.db")).unwrap();
    let write = vec![("directory".to_owned(), Some("another shelf".to_owned()))];
    ledger.write(Vec::new(), write, &stage.org().run).await.unwrap();
    let refused = observe(&stage.open(false)).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Rejected);
    assert!(refused.chain().contains("another shelf") && refused.chain().contains("spec.ledger"), "{}", refused.chain());
}

#[tokio::test]
async fn of_two_with_one_mark_the_older_is_meant() {
    let stage = Stage::new();
    let mut org = stage.org();
    org.populate().await;
    let mara = org.live(&key("user/n/mara")).await;
    let mut copy = stage.shelf.state().items[&mara.id].clone();
    copy.id = RemoteId("copy".into());
    copy.created_at = Some(Timestamp::now());
    stage.shelf.state().items.insert(copy.id.clone(), copy);
    let observed = observe(&stage.open(false)).await.unwrap();
    assert_eq!(observed.get(&mara.state.key).unwrap().id, mara.id);
    let [twin] = &observed.strangers[..] else { panic!("{:?}", observed.strangers) };
    assert!(twin.fit.as_ref().unwrap_err().contains("bears the mark of user/n/mara"), "{twin:?}");
}

#[tokio::test]
async fn what_was_broken_outside_is_a_difference_and_no_failure() {
    let stage = Stage::new();
    let mut org = stage.org();
    org.populate().await;
    let mara = org.live(&key("user/n/mara")).await;
    {
        let mut state = stage.shelf.state();
        let item = state.items.get_mut(&mara.id).unwrap();
        item.fields = vec![(Field::Username, "mara".into()), (Field::Email, "nobody".into()), (Field::Phone, "call me".into())];
        item.roles = vec!["common-manager".into(), "owner".into()];
    }
    let found = observe(&stage.open(false)).await.unwrap().get(&mara.state.key).unwrap().clone();
    let Body::User(user) = &found.state.body else { panic!() };
    assert!(user.email.as_str().ends_with("@unreadable.invalid") && user.phone.is_none());
    assert_eq!(user.role.as_str(), "common-manager", "the one that we did not give shows");
    // An update mends all of it.
    let change = Change { expect: found.version.clone(), ..org.change(&mara.state.key, |it| *it = mara.state.clone()).await };
    org.execute(&change).await.unwrap();
    org.check().await;
    // A mark that cannot be read makes a stranger, not a failure.
    stage.shelf.state().items.get_mut(&mara.id).unwrap().mark = Some("{".into());
    let observed = observe(&stage.open(false)).await.unwrap();
    assert!(observed.get(&mara.state.key).is_none());
    assert!(observed.strangers[0].fit.as_ref().unwrap_err().contains("cannot be read"));
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found_by_the_mark() {
    for marks in [Marks::OnObject, Marks::InLedger] {
        let stage = Stage { shelf: Arc::new(Shelf::new(marks)), ..Stage::new() };
        let mut org = stage.org();
        org.populate().await;
        stage.shelf.state().lost = true;
        let state = user("new", tenantry::model::Place::Company(name("north")));
        assert_eq!(kind_of(org.execute(&create(&state)).await), ErrorKind::Unavailable);
        org.wanted.insert(state.key.clone(), state.clone());
        let found = observe(&stage.open(false)).await.unwrap();
        assert_eq!(found.get(&state.key).map(|live| &live.state), Some(&state), "{marks:?}");
        assert_eq!(found.strangers, []);
        // Again, by the same run: it is there, and nothing is made twice.
        org.execute(&create(&state)).await.unwrap();
        assert_eq!(stage.shelf.state().items.len(), 7);
        // A loss of which nobody knows what became of it counts.
        stage.shelf.state().lost = true;
        let gone = Change { loss: 1, ..delete(&state.key) };
        assert_eq!(kind_of(org.execute(&gone).await), ErrorKind::Unavailable);
        let spent = observe(&stage.open(false)).await.unwrap().spent;
        assert_eq!(spent.total(), 0, "the run lived on, and heard that it failed");
    }
}

#[tokio::test]
async fn what_the_server_spells_in_its_own_way_is_no_difference() {
    for marks in [Marks::OnObject, Marks::InLedger] {
        let stage = Stage { shelf: Arc::new(Shelf::new(marks)), ..Stage::new() };
        let mut org = stage.org();
        org.create(company("north", None)).await;
        let mut state = user("mara", tenantry::model::Place::Company(name("north")));
        with_user(&mut state, |user| user.display_name = Some(line("Mara  Lindqvist")));
        org.create(state.clone()).await;
        // Somebody else's edit is one.
        let id = org.live(&state.key).await.id;
        {
            let mut state = stage.shelf.state();
            let fields = &mut state.items.get_mut(&id).unwrap().fields;
            *fields.iter_mut().find(|(field, _)| *field == Field::DisplayName).unwrap() = (Field::DisplayName, "Mara".into());
        }
        let Body::User(found) = org.live(&state.key).await.state.body else { panic!() };
        assert_eq!(found.display_name, Some(line("Mara")));
    }
}

#[tokio::test]
async fn what_the_server_does_not_keep_is_said() {
    let stage = Stage::new();
    let mut org = stage.org();
    org.create(company("north", None)).await;
    stage.shelf.state().forgets = true;
    let mut state = user("mara", tenantry::model::Place::Company(name("north")));
    with_user(&mut state, |user| user.phone = Some(tenantry::model::Phone::new("+4912345678").unwrap()));
    let failed = org.execute(&create(&state)).await.unwrap_err();
    assert!(failed.chain().contains("did not keep `phone`"), "{}", failed.chain());
}

#[tokio::test]
async fn a_temporary_password_that_nobody_used_is_taken_away_in_time() {
    let stage = Stage::new();
    let mut org = stage.org();
    org.populate().await;
    let state = user("new", tenantry::model::Place::Company(name("north")));
    let owed = issue(CredentialMark::Owed("1".into()));
    org.execute(&Change { credential: Some(owed), ..create(&state) }).await.unwrap();
    let live = org.live(&state.key).await;
    let now = Timestamp::now();
    org.directory.issue(&[password(&live, true, Some(now + Span::new().hours(1)))], &org.run).await.pop().unwrap().unwrap();
    observe(&*org.directory).await.unwrap();
    assert_eq!(org.directory.overdue(now).await, 0);
    let later = now + Span::new().hours(2);
    assert_eq!(org.directory.overdue(later).await, 1);
    for _ in 0..2 {
        org.directory.bury(later, &org.run).await.unwrap();
        assert_eq!(stage.shelf.state().revoked, std::slice::from_ref(&live.id));
        assert_eq!(org.directory.overdue(later).await, 0);
    }
    // One that was used is left alone.
    org.directory.issue(&[password(&live, true, Some(now))], &org.run).await.pop().unwrap().unwrap();
    stage.shelf.state().items.get_mut(&live.id).unwrap().must_change = Some(false);
    observe(&*org.directory).await.unwrap();
    assert_eq!(org.directory.overdue(later).await, 0);
}

#[tokio::test]
async fn of_many_that_use_a_link_one_gets_through() {
    let stage = Stage::new();
    let mut org = stage.org();
    org.populate().await;
    let state = user("new", tenantry::model::Place::Company(name("north")));
    org.execute(&Change { credential: Some(issue(CredentialMark::Owed("1".into()))), ..create(&state) }).await.unwrap();
    let live = org.live(&state.key).await;
    let until = Timestamp::now() + Span::new().hours(1);
    org.directory.issue(&[link(&live, "token", Some(until))], &org.run).await.pop().unwrap().unwrap();
    let directory = Arc::new(stage.open(false));
    let (token, wrong, now) = (TokenHash::of(b"token"), TokenHash::of(b"Token"), Timestamp::now());
    assert!(directory.redeemable(&token, now).await.unwrap() && !directory.redeemable(&wrong, now).await.unwrap());
    assert!(!directory.redeemable(&token, until).await.unwrap());
    let tries = (0..20).map(|_| {
        let (directory, token) = (Arc::clone(&directory), token.clone());
        let (hash, plain) = (PasswordHash::new(PASSWORD_HASH), PlainPassword::new(PASSWORD));
        tokio::spawn(async move { directory.redeem(&token, &hash, &plain, now).await.unwrap() })
    });
    let mut won = 0;
    for one in tries.collect::<Vec<_>>() {
        won += u32::from(one.await.unwrap());
    }
    assert_eq!(won, 1);
    assert_eq!(stage.shelf.state().items[&live.id].must_change, Some(false));
    assert!(!directory.redeemable(&token, now).await.unwrap());
    assert_eq!(org.live(&state.key).await.unused_until, None);
}

#[tokio::test]
async fn what_is_about_to_change_is_read_again_and_the_rest_is_not() {
    let stage = Stage::new();
    let mut org = stage.org();
    org.populate().await;
    let (directory, mara) = (stage.open(false), key("user/n/mara"));
    observe(&directory).await.unwrap();
    let before = stage.counts();
    let only = Scope::Only([mara.clone(), key("user/n/nobody")].into());
    stage.shelf.state().items.values_mut().for_each(|item| {
        item.enabled = item.enabled.map(|_| false);
    });
    let observed = directory.observe(&name("acme"), &only, WINDOW).await.unwrap();
    assert_eq!(stage.counts(), (before.0, before.1 + 1));
    let enabled = |who: &str| observed.get(&key(who)).unwrap().state.enabled;
    assert!(!enabled("user/n/mara") && enabled("user/n/pia"));
    // Another run has written: all of it is read.
    org.execute(&create(&company("other", None))).await.unwrap();
    let before = stage.shelf.state().sweeps;
    let observed = directory.observe(&name("acme"), &only, WINDOW).await.unwrap();
    assert_eq!(stage.shelf.state().sweeps, before + 1);
    assert!(observed.get(&key("company/n/other")).is_some());
}
