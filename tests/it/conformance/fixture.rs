//! A directory beside what it should hold, and short ways to write states.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use smol_str::SmolStr;
use tenantry::{
    directory::{Debt, Directory, DirectoryError, ErrorKind, Executed, Issue, NewSecret, Run, Stop},
    history::{drift, news},
    model::{
        Address, Body, Company, CompanyType, Contact, Country, Credential, Customer, Deletion, Email, Field, FieldChange,
        FieldValue, Key, Kind, Line, Method, Name, Paragraph, PasswordHash, Phone, Place, PlainPassword, RemoteId, Role, State,
        TokenHash, User, Username,
    },
    observed::{Capabilities, CredentialMark, Live, Observed, Scope},
    plan::{Action, Change, CredentialAction, Reason},
};

pub(crate) const WINDOW: Duration = Duration::from_hours(24);

/// How often something is tried again in trouble.
const PATIENCE: usize = 30;

/// Begins or ends trouble on the way to the directory.
pub(crate) type Trouble = Arc<dyn Fn(bool) + Send + Sync>;

/// A directory, and the states it should hold.
pub(crate) struct Org {
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) run: Run,
    pub(crate) wanted: BTreeMap<Key, State>,
    pub(crate) strangers: usize,
    /// What fails for it is tried again; what the directory holds is looked at without it.
    pub(crate) trouble: Option<Trouble>,
}

impl Org {
    pub(crate) fn new(directory: Arc<dyn Directory>) -> Self {
        let run = Run {
            id: "run-1".into(),
            owner: name("acme"),
            actor: Some("sofia.berg".into()),
            digest: "sha256:00".into(),
            losses_allowed: false,
            commits: Arc::default(),
            stop: Stop::default(),
        };
        Self { directory, run, wanted: BTreeMap::new(), strangers: 0, trouble: None }
    }

    /// The same with trouble on the way.
    #[allow(dead_code, reason = "there is none on the way to a file")]
    pub(crate) fn troubled(self, trouble: Trouble) -> Self {
        trouble(true);
        Self { trouble: Some(trouble), ..self }
    }

    /// Whether what failed is to be tried again.
    fn again(&self, error: &DirectoryError) -> bool {
        self.trouble.is_some() && (error.retry_helps() || error.kind == ErrorKind::Incomplete)
    }

    pub(crate) async fn observe(&self) -> Observed {
        for _ in 0..PATIENCE {
            match self.directory.observe(&self.run.owner, &Scope::All, WINDOW).await {
                Err(error) if self.again(&error) => {}
                outcome => return outcome.unwrap(),
            }
        }
        panic!("it cannot be read");
    }

    /// Reads the directory and compares it with what it should hold.
    pub(crate) async fn check(&self) -> Observed {
        if let Some(trouble) = &self.trouble {
            trouble(false);
        }
        let observed = self.observe().await;
        let found: Vec<_> = observed.ours.iter().map(|live| &live.state).collect();
        let wanted: Vec<_> = self.wanted.values().collect();
        assert_eq!(found, wanted);
        assert_eq!(observed.strangers.len(), self.strangers);
        assert!(observed.strangers.is_sorted_by(|a, b| a.id < b.id));
        if let Some(trouble) = &self.trouble {
            trouble(true);
            // Whose answer was lost may have been done without anybody having been told.
            return observed;
        }
        if let Some(history) = self.directory.history() {
            // What was recorded is what there is: otherwise somebody else would seem to have changed it.
            let past = history.past(None).await.unwrap();
            assert_eq!((news(&past, &observed), drift(&past, &observed)), (Vec::new(), Vec::new()));
        }
        observed
    }

    pub(crate) async fn live(&self, key: &Key) -> Live {
        self.observe().await.get(key).unwrap_or_else(|| panic!("{key} is not there")).clone()
    }

    pub(crate) async fn execute(&self, change: &Change) -> Result<Executed, DirectoryError> {
        let mut change = change.clone();
        for _ in 0..PATIENCE {
            match self.directory.execute(&change, &self.run).await {
                Err(error) if self.again(&error) => change = self.planned_again(&change).await,
                outcome => return outcome,
            }
        }
        panic!("{} cannot be written", change.key);
    }

    /// The same change, given what there is by now: some of it may be done, and it may be our own doing that something is not as
    /// it was.
    async fn planned_again(&self, change: &Change) -> Change {
        let observed = self.observe().await;
        match (&change.action, observed.get(&change.key), &change.remote) {
            (Action::Create(to), Some(live), _) if live.state != **to => {
                let fields = live.state.changes(to);
                let action = Action::Update { fields, to: to.clone() };
                Change { action, remote: Some(live.id.clone()), expect: live.version.clone(), ..change.clone() }
            }
            (Action::Update { .. } | Action::Delete, _, Some(id)) => {
                let live = observed.ours.iter().find(|live| live.id == *id).map(|live| live.version.clone());
                let stranger = observed.strangers.iter().find(|it| it.id == *id).map(|it| it.version.clone());
                Change { expect: live.or(stranger).flatten(), ..change.clone() }
            }
            (Action::Create(_) | Action::Update { .. } | Action::Delete, _, _) => change.clone(),
        }
    }

    pub(crate) async fn create(&mut self, state: State) -> RemoteId {
        let executed = self.execute(&create(&state)).await.unwrap();
        self.wanted.insert(state.key.clone(), state);
        self.check().await;
        executed.id
    }

    /// The change that brings an object as it is now into another state.
    pub(crate) async fn change(&self, key: &Key, edit: impl FnOnce(&mut State)) -> Change {
        let live = self.live(key).await;
        let mut to = live.state.clone();
        edit(&mut to);
        let fields = live.state.changes(&to);
        Change {
            key: to.key.clone(),
            action: Action::Update { fields, to: Box::new(to) },
            remote: Some(live.id),
            expect: live.version,
            ..delete(key)
        }
    }

    /// Brings an object into another state and checks that it is, and that nothing else changed.
    pub(crate) async fn update(&mut self, key: &Key, edit: impl FnOnce(&mut State)) -> Live {
        let before = self.live(key).await;
        let change = self.change(key, edit).await;
        let executed = self.execute(&change).await.unwrap();
        assert_eq!(executed.id, before.id, "an update keeps the identifier");
        self.wanted.remove(key);
        let Action::Update { fields: _, to } = change.action else { unreachable!() };
        let key = to.key.clone();
        if to.owner.is_none() {
            self.strangers += 1;
            self.check().await;
            return before;
        }
        self.wanted.insert(key.clone(), *to);
        let observed = self.check().await;
        let after = observed.get(&key).unwrap().clone();
        assert_eq!(after.version, executed.version, "the version is the precondition of the next write");
        assert_ne!(after.version, before.version);
        assert_eq!(after.created_at, before.created_at);
        after
    }

    pub(crate) async fn delete(&mut self, key: &Key) {
        let live = self.live(key).await;
        let change = Change { remote: Some(live.id), expect: live.version, ..delete(key) };
        self.execute(&change).await.unwrap();
        self.wanted.remove(key);
        self.check().await;
    }

    /// Some directories know only after they were read what they can do.
    pub(crate) async fn can_be_asked(&self) {
        self.observe().await;
    }

    /// What the directory can do, as of the last look.
    pub(crate) fn can(&self) -> Arc<Capabilities> {
        self.directory.capabilities()
    }

    /// The same thing with every field filled in that the directory has a place for, in text as awkward as it takes.
    pub(crate) fn full(&self, poor: &State) -> State {
        let (can, rich) = (self.can(), full(poor));
        let takes = |field: Field, value: &FieldValue| {
            let limits = can.limits.iter().filter(|limit| limit.kind == poor.key.kind && limit.field == field);
            let refused = value.text().is_some_and(|text| limits.into_iter().any(|limit| limit.refuses(text).is_some()));
            field == Field::Key || can.fields.contains(&field) && !refused
        };
        let plain = poor.fields();
        let plain = |field: Field| plain.iter().find(|(known, _)| *known == field).unwrap().1.clone();
        let able = |(field, value)| if takes(field, &value) { (field, value) } else { (field, plain(field)) };
        let fields: Vec<_> = rich.fields().into_iter().map(able).collect();
        State::restored(poor.key.clone(), &fields).unwrap()
    }

    /// Whether no company can be made.
    pub(crate) fn one_company(&self) -> bool {
        self.can().closed.contains_key(&Kind::Company)
    }

    /// Takes the one company over that is there, as `company/n/north`. Whatever else is there is nobody's.
    pub(crate) async fn adopt_company(&mut self) {
        let observed = self.observe().await;
        let there = observed.strangers.iter().find(|it| it.kind == Kind::Company).expect("there is one company");
        let state = State { body: there.fit.clone().unwrap(), ..company("north", None) };
        let owner = FieldValue::Text("acme".into());
        let fields = vec![FieldChange { field: Field::Owner, before: FieldValue::None, after: owner }];
        let action = Action::Update { fields, to: Box::new(state.clone()) };
        let (remote, expect) = (Some(there.id.clone()), there.version.clone());
        let change = Change { action, remote, expect, reason: Reason::Adopted, ..delete(&state.key) };
        self.execute(&change).await.unwrap();
        self.strangers = observed.strangers.len() - 1;
        self.wanted.insert(state.key.clone(), state);
        self.check().await;
    }

    /// Whether one thing can stand under another.
    pub(crate) fn places(&self, what: Kind, under: Kind) -> bool {
        self.can().places.contains(&(what, under))
    }

    /// What somebody is invited with: a link of ours, or whatever the directory has in its place.
    pub(crate) fn invitation(&self, live: &Live, token: &str, until: Option<Timestamp>) -> Issue {
        let secret = match (self.can().links, live.activated) {
            (false, _) => return link(live, token, until),
            (true, Some(true)) => NewSecret::Invitation(Duration::from_hours(1)),
            (true, Some(false) | None) => NewSecret::OwnLink,
        };
        Issue { debt: debt(live), secret, until }
    }

    /// A change that the directory cannot make is refused, and nothing is different.
    pub(crate) async fn cannot(&self, key: &Key, edit: impl FnOnce(&mut State)) {
        let change = self.change(key, edit).await;
        assert_eq!(kind_of(self.execute(&change).await), ErrorKind::Rejected);
        self.check().await;
    }

    /// Two companies, the second under the first where that can be, a customer, and a user under each of the three.
    ///
    /// A directory in which one company is all there can be has it already: that is the first one, and the user of the second is
    /// in it as well.
    pub(crate) async fn populate(&mut self) {
        self.can_be_asked().await;
        if self.one_company() {
            self.adopt_company().await;
            let north = || Place::Company(name("north"));
            for state in [
                customer("shop", Some("north")),
                user("mara", north()),
                user("jonas", north()),
                user("pia", Place::Customer(name("shop"))),
            ] {
                self.create(state).await;
            }
            return;
        }
        let nested = self.places(Kind::Company, Kind::Company).then_some("north");
        for state in [
            company("north", None),
            company("south", nested),
            customer("shop", Some("south")),
            user("mara", Place::Company(name("north"))),
            user("jonas", Place::Company(name("south"))),
            user("pia", Place::Customer(name("shop"))),
        ] {
            self.create(state).await;
        }
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn key(text: &str) -> Key {
    text.parse().unwrap()
}

pub(crate) fn line(text: &str) -> Line {
    Line::new(text).unwrap()
}

fn state(key: Key, place: Option<Place>, body: Body) -> State {
    let owner = Some(name("acme"));
    State { key, place, body, enabled: true, suspended: false, locked: None, retired: false, owner, deletion: Deletion::Disable }
}

/// A company of namespace `n` with nothing optional.
pub(crate) fn company(called: &str, parent: Option<&str>) -> State {
    let body = Company {
        display_name: line(called),
        company_type: None,
        region: None,
        contact: None,
        address: None,
        logo: None,
        description: None,
    };
    state(key(&format!("company/n/{called}")), parent.map(|parent| Place::Company(name(parent))), Body::Company(body))
}

/// A customer of namespace `n` with nothing optional.
pub(crate) fn customer(called: &str, company: Option<&str>) -> State {
    let body = Customer { display_name: line(called), email: None, phone: None, address: None, description: None };
    state(key(&format!("customer/n/{called}")), company.map(|company| Place::Company(name(company))), Body::Customer(body))
}

/// A user of namespace `n` with nothing optional.
pub(crate) fn user(called: &str, place: Place) -> State {
    let body = User {
        username: Username::new(called).unwrap(),
        email: Email::new(&format!("{called}@acme.example")).unwrap(),
        role: name("owner"),
        display_name: None,
        first_name: None,
        last_name: None,
        phone: None,
        region: None,
        description: None,
        expires: None,
        justification: None,
    };
    state(key(&format!("user/n/{called}")), Some(place), Body::User(body))
}

pub(crate) fn role(text: &str) -> State {
    let body = Role {
        lives_under: vec![],
        may_appoint: vec![],
        privileged: false,
        manage_companies: false,
        manage_customers: false,
        requires_expires: false,
        requires_justification: false,
    };
    state(key(text), None, Body::Role(body))
}

fn full_address() -> Box<Address> {
    Box::new(Address {
        country: Some(Country::new("DE").unwrap()),
        state: Some(line("Baden-Württemberg")),
        city: Some(line("東京")),
        zip: Some(line("00070")),
        line1: Some(line("\"Größe\" 'x' \\ {}")),
        line2: Some(line("null")),
    })
}

/// The same things with every field filled in, in awkward text.
fn full(state: &State) -> State {
    let paragraph = |text: &str| Some(Paragraph::new(text).unwrap());
    let phone = || Some(Phone::new("+4915112345678").unwrap());
    let body = match &state.body {
        Body::Role(_) => Body::Role(Role {
            lives_under: vec![Kind::Company, Kind::Customer],
            may_appoint: vec![name("a"), name("b")],
            privileged: true,
            manage_companies: true,
            manage_customers: true,
            requires_expires: true,
            requires_justification: true,
        }),
        Body::Company(_) => Body::Company(Company {
            display_name: line(&format!("Gesellschaft für Ökologie & Söhne — {}", state.key.name)),
            company_type: Some(CompanyType::Installer),
            region: Some(name("europe")),
            contact: Some(Box::new(Contact {
                name: Some(line("Łukasz Øst")),
                email: Some(Email::new("l.o@acme.example").unwrap()),
                phone: phone(),
            })),
            address: Some(full_address()),
            logo: paragraph("https://acme.example/logo.png?a=1&b='2'"),
            description: paragraph("line one\nline \t two 🌞"),
        }),
        Body::Customer(_) => Body::Customer(Customer {
            display_name: line("O'Brien \"& Co\""),
            email: Some(Email::new("shop@acme.example").unwrap()),
            phone: phone(),
            address: Some(full_address()),
            description: paragraph("ß"),
        }),
        Body::User(_) => Body::User(User {
            username: Username::new("jörg.müller+x@acme").unwrap(),
            email: Email::new("jm@acme.example").unwrap(),
            role: name("common-manager"),
            display_name: Some(line("Jörg \u{1f31e} Müller")),
            first_name: Some(line("Jo\u{308}rg")),
            last_name: Some(line(&"長".repeat(128))),
            phone: phone(),
            region: Some(name("asia-pacific")),
            description: paragraph(&"x\n".repeat(500)),
            expires: Some("2031-02-03T04:05:06.789Z".parse().unwrap()),
            justification: paragraph("because; DROP TABLE objects; --"),
        }),
    };
    let locked = (state.key.kind == Kind::User).then(|| Box::new(Paragraph::new("laptop \"lost\"; 紛失").unwrap()));
    State { body, locked, ..state.clone() }
}

pub(crate) fn create(state: &State) -> Change {
    Change { action: Action::Create(Box::new(state.clone())), ..delete(&state.key) }
}

/// A deletion by key, without a precondition.
pub(crate) fn delete(key: &Key) -> Change {
    Change {
        before: None,
        key: key.clone(),
        action: Action::Delete,
        credential: None,
        reason: Reason::Declared,
        remote: None,
        expect: None,
        source: Some("users/a.yaml:1".into()),
        loss: 0,
        takes: None,
    }
}

/// A debt of somebody, as it stands in their mark.
pub(crate) fn debt(live: &Live) -> Debt {
    Debt { key: live.state.key.clone(), id: live.id.clone(), owed: live.credential.clone() }
}

/// A link to store for somebody, that lives until then.
pub(crate) fn link(live: &Live, token: &str, until: Option<Timestamp>) -> Issue {
    Issue { debt: debt(live), secret: NewSecret::Link(TokenHash::of(token.as_bytes())), until }
}

/// A password, and the argon2id of it, which the reference implementation made.
pub(crate) const PASSWORD: &str = "correct horse Battery 1";
pub(crate) const PASSWORD_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$1eNJcoLC+cgexDNgZUL28Fgy3fpxELFYi8pXkB8KCsg";

/// A password to store for somebody: [`PASSWORD`].
pub(crate) fn password(live: &Live, must_change: bool, until: Option<Timestamp>) -> Issue {
    let (hash, plain) = (PasswordHash::new(PASSWORD_HASH), Some(PlainPassword::new(PASSWORD)));
    Issue { debt: debt(live), secret: NewSecret::Password { hash, plain, must_change }, until }
}

pub(crate) fn issue(mark: CredentialMark) -> CredentialAction {
    CredentialAction { credential: Credential { method: Method::Invite, source: None, reset: None }, mark }
}

pub(crate) fn with_user(state: &mut State, edit: impl FnOnce(&mut User)) {
    let Body::User(user) = &mut state.body else { panic!("{} is no user", state.key) };
    edit(user);
}

pub(crate) fn call(state: &mut State, username: &str, email: &str) {
    with_user(state, |user| {
        user.username = Username::new(username).unwrap();
        user.email = Email::new(email).unwrap();
    });
}

pub(crate) fn kind_of<T: std::fmt::Debug>(outcome: Result<T, DirectoryError>) -> ErrorKind {
    outcome.unwrap_err().kind
}

/// The cause of a failure.
pub(crate) fn cause<T: std::fmt::Debug>(outcome: Result<T, DirectoryError>) -> SmolStr {
    outcome.unwrap_err().source.map(|cause| SmolStr::new(cause.to_string())).unwrap_or_default()
}
