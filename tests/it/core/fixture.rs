//! Declarations in a few words, a directory in sync with one, and decisions in a few words.
//!
//! One document a line (or between semicolons): `user ns/mara company=nord role=owner off from=ns/old`. Lines `part`,
//! `unreadable` and `root=elsewhere` speak of the declaration as a whole.

use std::{collections::BTreeMap, time::Duration};

use tenantry::{
    desired::{self, Desired},
    directory::Stop,
    drivers::Memory,
    manifest::{Declared, Extent, Form, Lowered, Origin, Problem, Project, Salvage, Sources},
    model::{
        Body, Company, CompanyType, Credential, Customer, Deletion, Email, Key, Kind, Line, Method, Name, Paragraph, Phone, Place,
        RemoteId, Role, State, User, Username,
    },
    observed::{Live, Scope, Stranger},
    pipeline::{self, ApplyError, Order, Planned, Request},
    plan::{Allow, Change, Decision, Plan, Purge},
    report::{Report, ResultKind},
};

pub(crate) fn key(text: &str) -> Key {
    text.parse().unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A document in a few words.
struct Words<'a> {
    key: Key,
    values: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    fn read(line: &'a str) -> Self {
        let mut words = line.split_whitespace();
        let (kind, called) = (words.next().unwrap(), words.next().unwrap_or_else(|| panic!("{line}")));
        let key = key(&format!("{kind}/{called}"));
        Self { key, values: words.map(|word| word.split_once('=').unwrap_or((word, ""))).collect() }
    }

    fn get(&self, what: &str) -> Option<&'a str> {
        self.values.get(what).copied()
    }

    fn has(&self, what: &str) -> bool {
        self.values.contains_key(what)
    }

    fn line(&self, what: &str) -> Option<Line> {
        self.get(what).map(|text| Line::new(text).unwrap())
    }

    fn names(&self, what: &str) -> Vec<Name> {
        let mut names: Vec<Name> =
            self.get(what).into_iter().flat_map(|it| it.split(',')).filter(|it| !it.is_empty()).map(name).collect();
        names.sort();
        names
    }

    fn place(&self) -> Option<Place> {
        let company = self.get("company").or(self.get("parent")).map(|it| Place::Company(name(it)));
        company.or_else(|| self.get("customer").map(|it| Place::Customer(name(it))))
    }

    fn moved_from(&self) -> Option<Key> {
        self.get("from").map(|from| key(&format!("{}/{from}", self.key.kind.word())))
    }

    fn body(&self) -> Body {
        let called = self.key.name.as_str();
        let titled = self.line("title").unwrap_or_else(|| Line::new(called).unwrap());
        let region = self.get("region").map(name);
        let description = self.get("description").map(|text| Paragraph::new(text).unwrap());
        match self.key.kind {
            Kind::Role => Body::Role(Role {
                lives_under: match self.get("under") {
                    Some("customer") => vec![Kind::Customer],
                    Some("both") => vec![Kind::Company, Kind::Customer],
                    _ => vec![Kind::Company],
                },
                may_appoint: if self.has("appoints") { self.names("appoints") } else { vec![self.key.name.clone()] },
                privileged: self.has("privileged"),
                manage_companies: false,
                manage_customers: false,
                requires_expires: self.get("requires").is_some_and(|it| it.contains("expires")),
                requires_justification: self.get("requires").is_some_and(|it| it.contains("justification")),
            }),
            Kind::Company => Body::Company(Company {
                display_name: titled,
                company_type: self.get("type").map(|it| if it == "d" { CompanyType::Distributor } else { CompanyType::Installer }),
                region,
                contact: None,
                address: None,
                logo: None,
                description,
            }),
            Kind::Customer => {
                Body::Customer(Customer { display_name: titled, email: None, phone: None, address: None, description })
            }
            Kind::User => {
                let email = self.get("email").map_or_else(|| format!("{called}@x.example"), str::to_owned);
                Body::User(User {
                    username: Username::new(self.get("username").unwrap_or(called)).unwrap(),
                    email: Email::new(&email).unwrap(),
                    role: name(self.get("role").unwrap_or("owner")),
                    display_name: self.line("title"),
                    first_name: None,
                    last_name: None,
                    phone: self.get("phone").map(|it| Phone::new(it).unwrap()),
                    region,
                    description,
                    expires: self.get("expires").map(|at| format!("{at}T00:00:00Z").parse().unwrap()),
                    justification: self.get("because").map(|text| Paragraph::new(text).unwrap()),
                })
            }
        }
    }

    fn form(&self) -> Form {
        if self.has("broken") {
            let role = self.get("role").map(name);
            return Form::Broken(Salvage { disabled: self.has("off"), role, moved_from: self.moved_from() });
        }
        let method = |text| match text {
            "Invite" => Method::Invite,
            "None" => Method::None,
            _ => Method::Temporary,
        };
        let asks = self.has("method") || self.has("reset");
        let credential = asks.then(|| Credential {
            method: method(self.get("method").unwrap_or("Temporary")),
            source: None,
            reset: self.get("reset").map(Into::into),
        });
        Form::Sound(Box::new(Declared {
            place: self.place(),
            body: self.body(),
            enabled: !self.has("off"),
            deletion: self.get("deletion").map(|it| match it {
                "Delete" => Deletion::Delete,
                "Retain" => Deletion::Retain,
                _ => Deletion::Disable,
            }),
            credential,
            moved_from: self.moved_from(),
            adopt: self.get("adopt").map(|id| RemoteId(id.into())),
        }))
    }
}

/// Reads a declaration in a few words.
pub(crate) fn declare(text: &str, project: &Project) -> (Desired, Vec<Problem>) {
    let (mut documents, mut unreadable, mut extent) = (Vec::new(), 0, Extent::Whole { root: "tenants".into() });
    for (row, line) in text.split(['\n', ';']).map(str::trim).enumerate().filter(|it| !it.1.is_empty()) {
        match line.split_once('=') {
            _ if line == "part" => extent = Extent::Part,
            _ if line == "unreadable" => unreadable += 1,
            Some(("root", root)) => extent = Extent::Whole { root: root.into() },
            _ => {
                let words = Words::read(line);
                let origin = Origin { file: 0, line: u32::try_from(row).unwrap() + 1 };
                documents.push(Lowered { key: words.key.clone(), origin, form: words.form() });
            }
        }
    }
    desired::desired(documents, project, extent, unreadable)
}

/// A directory, and how one plans for it.
pub(crate) struct World {
    pub(crate) directory: Memory,
    pub(crate) project: Project,
    pub(crate) purge: Purge,
    pub(crate) adopt: Vec<Key>,
    pub(crate) allow: Allow,
    pub(crate) scope: Scope,
    pub(crate) stop: Stop,
}

/// Flags that let everything pass which only asks for a flag.
pub(crate) fn everything_allowed(plan: &Plan) -> Allow {
    Allow {
        removals: Some(u64::MAX),
        creates: Some(u64::MAX),
        empty: true,
        whole: true,
        last_holders: plan.tally.last_holders.iter().cloned().collect(),
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            directory: Memory::new(),
            project: Project::default(),
            purge: Purge::default(),
            adopt: Vec::new(),
            allow: Allow::default(),
            scope: Scope::All,
            stop: Stop::default(),
        }
    }

    /// A directory in sync with a declaration.
    pub(crate) fn holding(text: &str) -> Self {
        let world = Self::new();
        world.bring(text);
        world
    }

    fn request<R>(&self, text: &str, allow: Option<Allow>, then: impl FnOnce(&Request<'_>) -> R) -> R {
        let (desired, _) = declare(text, &self.project);
        let sources = Sources::default();
        then(&Request {
            desired: &desired,
            sources: &sources,
            project: &self.project,
            scope: self.scope.clone(),
            adopt: self.adopt.iter().cloned().collect(),
            purge: self.purge.clone(),
            allow: allow.unwrap_or_else(|| self.allow.clone()),
            now: self.directory.now(),
        })
    }

    pub(crate) fn plan(&self, text: &str) -> Planned {
        self.request(text, None, |request| block_on(pipeline::plan(&self.directory, request)).unwrap())
    }

    /// The gates that refuse, by name.
    pub(crate) fn refused(&self, text: &str) -> Vec<&'static str> {
        self.plan(text).refused.iter().map(|refusal| refusal.gate.name()).collect()
    }

    /// The decisions, in words.
    pub(crate) fn says(&self, text: &str) -> Vec<String> {
        words(&self.plan(text).plan)
    }

    /// Plans and applies, with everything allowed.
    pub(crate) fn run(&self, text: &str) -> Report {
        let allow = everything_allowed(&self.plan(text).plan);
        self.apply(text, allow).unwrap()
    }

    pub(crate) fn apply(&self, text: &str, allow: Allow) -> Result<Report, ApplyError> {
        let order = Order { run: "run".into(), actor: None, wait: Duration::ZERO, stop: self.stop.clone() };
        self.request(text, Some(allow), |request| {
            block_on(async {
                let shown = pipeline::plan(&self.directory, request).await?;
                pipeline::apply(&self.directory, request, &shown, &order, &|_| {}).await
            })
        })
    }

    /// Applies with everything allowed; all of it must succeed, nothing may be held, and it is settled afterwards.
    pub(crate) fn bring(&self, text: &str) {
        let held: Vec<String> = self.says(text).into_iter().filter(|word| word.starts_with("held")).collect();
        assert!(held.is_empty(), "{held:?}");
        self.turn(text);
        assert_eq!(self.says(text), [""; 0], "settled");
    }

    /// Applies with everything allowed; whatever the plan holds possible must succeed, and what it changed is not changed
    /// again. Gives the decisions, in words.
    pub(crate) fn turn(&self, text: &str) -> Vec<String> {
        let plan = self.plan(text).plan;
        let report = self.run(text);
        for outcome in &report.results {
            assert_eq!(outcome.result, ResultKind::Applied, "{} of {:#?}", outcome.key, words(&plan));
        }
        words(&plan)
    }

    /// Applies and compares the decisions.
    pub(crate) fn expect(&self, text: &str, wanted: &[&str]) {
        assert_eq!(self.turn(text), wanted);
    }

    pub(crate) fn live(&self, text: &str) -> Live {
        self.find(text).unwrap_or_else(|| panic!("{text} is not there"))
    }

    pub(crate) fn find(&self, text: &str) -> Option<Live> {
        self.directory.snapshot().get(&key(text)).cloned()
    }

    pub(crate) fn enabled(&self, text: &str) -> bool {
        self.live(text).state.enabled
    }

    pub(crate) fn id(&self, text: &str) -> String {
        self.live(text).id.0.to_string()
    }

    /// Puts in a user whom nobody manages, under an object of ours.
    pub(crate) fn stranger(&self, id: &str, username: &str, under: Option<&str>) {
        let words = format!("user x company=c username={username} email={username}@x.example");
        self.directory.insert_stranger(Stranger {
            id: RemoteId(id.into()),
            kind: Kind::User,
            parent: under.map(|under| self.live(under).id),
            label: username.into(),
            email: Some(format!("{username}@x.example").into()),
            enabled: true,
            version: None,
            created_at: self.directory.now(),
            fit: Ok(Words::read(&words).body()),
        });
    }

    pub(crate) fn later(&self, days: i64) {
        let now = self.directory.now();
        self.directory.set_now(now + jiff::SignedDuration::from_hours(24 * days));
    }

    pub(crate) fn owner(&mut self, owner: &str) {
        self.project.owner = name(owner);
    }

    /// What it holds, apart from identifiers, versions and times.
    pub(crate) fn holdings(&self) -> Vec<State> {
        self.directory.snapshot().ours.into_iter().map(|live| live.state).collect()
    }
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// Decisions in words: what is done, then what is held.
pub(crate) fn words(plan: &Plan) -> Vec<String> {
    plan.decisions.iter().flat_map(in_words).collect()
}

fn in_words(decision: &Decision) -> Vec<String> {
    let change =
        decision.change.as_ref().map(|change| format!("{} {} {}", change.verb().as_str(), change.key, change.reason.name()));
    let held = decision.held.as_ref().map(|held| format!("held {} {}", decision.key, held.hold.name()));
    change.into_iter().chain(held).collect()
}

/// The change of a key.
pub(crate) fn change<'p>(plan: &'p Plan, text: &str) -> &'p Change {
    plan.decision(&key(text)).and_then(|decision| decision.change.as_ref()).unwrap_or_else(|| panic!("no change of {text}"))
}

/// The fields in which a key differs, by name.
pub(crate) fn fields(plan: &Plan, text: &str) -> Vec<&'static str> {
    change(plan, text).differences().iter().map(|difference| difference.field.name()).collect()
}

/// What is said of a held key.
pub(crate) fn message(plan: &Plan, text: &str) -> String {
    plan.decision(&key(text)).and_then(|it| it.held.as_ref()).unwrap_or_else(|| panic!("{text} is not held")).message.clone()
}
