//! Declarations in a few words, a directory in sync with one, and decisions in a few words.
//!
//! One document a line (or between semicolons): `user ns/mara company=nord role=owner off from=ns/old`. Lines `part`,
//! `objects`, `unreadable` and `root=elsewhere` speak of the declaration as a whole.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tenantry::{
    directory::Stop,
    drivers::Memory,
    manifest::{Project, Sources},
    model::{Key, Kind, Name, RemoteId, State, Username},
    observed::{Live, Scope, Stranger},
    organisation::Organisation,
    pipeline::{self, ApplyError, Order, Planned, Request},
    plan::{self, Allow, Approved, Change, Decision, Held, Plan, Purge},
    report::{Report, ResultKind},
};

pub(crate) use super::notation::declare;
use super::{notation::Words, organisation::drawn};
use crate::post::Letterbox;

pub(crate) fn key(text: &str) -> Key {
    text.parse().unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A directory, and how one plans for it.
pub(crate) struct World {
    pub(crate) directory: Memory,
    pub(crate) project: Project,
    pub(crate) actor: Option<Username>,
    pub(crate) purge: Purge,
    pub(crate) orders: BTreeMap<Key, plan::Order>,
    pub(crate) aside: BTreeMap<Key, Held>,
    pub(crate) unattended: bool,
    pub(crate) adopt: Vec<Key>,
    pub(crate) allow: Allow,
    pub(crate) approved: Option<Approved>,
    pub(crate) scope: Scope,
    pub(crate) stop: Stop,
    pub(crate) letters: Letterbox,
}

/// Flags that let everything pass which only asks for a flag.
pub(crate) fn everything_allowed(plan: &Plan) -> Allow {
    Allow {
        removals: Some(u64::MAX),
        creates: Some(u64::MAX),
        mails: Some(u64::MAX),
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
            actor: None,
            purge: Purge::default(),
            orders: BTreeMap::new(),
            aside: BTreeMap::new(),
            unattended: false,
            adopt: Vec::new(),
            allow: Allow::default(),
            approved: None,
            scope: Scope::All,
            stop: Stop::default(),
            letters: Letterbox::new(),
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
            actor: self.actor.as_ref(),
            scope: self.scope.clone(),
            adopt: self.adopt.iter().cloned().collect(),
            purge: self.purge.clone(),
            orders: self.orders.clone(),
            allow: allow.unwrap_or_else(|| self.allow.clone()),
            unattended: self.unattended,
            aside: self.aside.clone(),
            gently: false,
            approved: self.approved.as_ref(),
            now: self.directory.now(),
            outlook: true,
        })
    }

    pub(crate) fn plan(&self, text: &str) -> Planned {
        self.request(text, None, |request| block_on(pipeline::plan(&self.directory, request)).unwrap())
    }

    /// Somebody sets a password of their own: what was sent to them is used.
    pub(crate) fn use_secret(&self, text: &str) {
        self.directory.tamper(&key(text), |live| live.unused_until = None);
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
        let order = Order {
            run: "run".into(),
            actor: None,
            wait: Duration::ZERO,
            stop: self.stop.clone(),
            commits: Arc::default(),
            looked: None,
        };
        self.request(text, Some(allow), |request| {
            block_on(async {
                let shown = pipeline::plan(&self.directory, request).await?;
                pipeline::apply(&self.directory, request, &shown, &order, &self.letters.issuer(&self.project), &|_| {}).await
            })
        })
    }

    /// Applies a plan that was shown before.
    pub(crate) fn apply_shown(&self, text: &str, shown: &Planned) -> Result<Report, ApplyError> {
        let order = Order {
            run: "run".into(),
            actor: None,
            wait: Duration::ZERO,
            stop: self.stop.clone(),
            commits: Arc::default(),
            looked: None,
        };
        self.request(text, None, |request| {
            block_on(pipeline::apply(&self.directory, request, shown, &order, &self.letters.issuer(&self.project), &|_| {}))
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
        let Planned { plan, outlook, .. } = self.plan(text);
        let report = self.run(text);
        for outcome in &report.results {
            assert_eq!(outcome.result, ResultKind::Applied, "{} of {:#?}", outcome.key, words(&plan));
        }
        // What was drawn before is what is there now.
        let held = Organisation::held(&self.directory.snapshot());
        assert_eq!(drawn(&outlook.unwrap().organisation), drawn(&held), "{:#?}", words(&plan));
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
            locked: None,
            version: None,
            created_at: self.directory.now(),
            fit: Ok(Words::read(&words).body()),
        });
    }

    pub(crate) fn later(&self, days: i64) {
        let now = self.directory.now();
        self.directory.set_now(now + jiff::SignedDuration::from_hours(24 * days));
    }

    /// Another project, of another owner.
    pub(crate) fn owner(&mut self, owner: &str) {
        (self.project.name, self.project.owner) = (name(owner), name(owner));
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
