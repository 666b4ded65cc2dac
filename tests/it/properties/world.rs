//! A directory that is looked at before and after each run: whatever the run was about, it keeps some promises.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering},
};

use jiff::SignedDuration;
use proptest::prelude::prop;
use smol_str::{SmolStr, format_smolstr};
use tenantry::{
    apply::apply,
    desired::{self, Desired, Known},
    directory::{Directory, ErrorKind, NewSecret, Run, Stop},
    drivers::Memory,
    mail::MailErrorKind,
    manifest::Project,
    model::{Body, Key, Kind, Name, Namespace, Place, RemoteId, State, TokenHash},
    observed::{CredentialMark, Observed, Scope, Stranger},
    plan::{self, Approved, Input, Plan, Policy, Purge, Reason},
    report::{Report, ResultKind},
};

use crate::post::Letterbox;

use super::organisation::{Foreign, foreign_id, plain_user};

/// A directory, and what happened in it.
pub(super) struct World {
    pub(super) directory: Memory,
    /// Strangers that are put in after the first run.
    foreigners: RefCell<Vec<Foreign>>,
    /// The request each account was last given a credential for.
    handled: RefCell<BTreeMap<RemoteId, SmolStr>>,
    runs: Cell<u64>,
    letters: Letterbox,
}

impl World {
    pub(super) fn new(foreigners: &[Foreign]) -> Self {
        let (foreigners, handled) = (RefCell::new(foreigners.to_vec()), RefCell::default());
        Self { directory: Memory::new(), foreigners, handled, runs: Cell::new(0), letters: Letterbox::new() }
    }

    pub(super) fn later(&self, days: i64) {
        self.directory.set_now(self.directory.now() + SignedDuration::from_hours(24 * days));
    }

    /// Puts the strangers in, as far as their names are free.
    fn people(&self) {
        for (slot, foreign) in self.foreigners.take().into_iter().enumerate() {
            let Foreign { label, email, enabled, under } = foreign;
            let observed = self.directory.snapshot();
            let user = plain_user(label, email);
            let meets = |body: &Body| body.user().is_some_and(|it| it.username == user.username || it.email == user.email);
            let theirs = observed.strangers.iter().filter_map(|it| it.fit.as_ref().ok());
            if observed.ours.iter().map(|live| &live.state.body).chain(theirs).any(meets) {
                continue;
            }
            let places = observed.ours.iter().filter(|live| matches!(live.state.key.kind, Kind::Company | Kind::Customer));
            let places: Vec<&RemoteId> = places.map(|live| &live.id).collect();
            self.directory.insert_stranger(Stranger {
                id: foreign_id(slot),
                kind: Kind::User,
                parent: under.filter(|_| !places.is_empty()).map(|it| places[it.index(places.len())].clone()),
                label: user.username.as_str().into(),
                email: Some(user.email.as_str().into()),
                enabled,
                locked: None,
                version: None,
                created_at: self.directory.now(),
                fit: Ok(Body::User(user)),
            });
        }
    }

    pub(super) fn decide(&self, desired: &Desired, project: &Project, scope: &Scope) -> Plan {
        self.decide_approved(desired, project, scope, None)
    }

    /// Decides what of it somebody approved.
    pub(super) fn decide_approved(&self, desired: &Desired, project: &Project, scope: &Scope, approved: Option<&Approved>) -> Plan {
        let observed = &self.directory.snapshot();
        let region = |_: &Key| None;
        let known = Known {
            roles: observed.roles(),
            others: observed.roles_of_others(&project.owner),
            aside: std::collections::BTreeSet::new(),
            region: &region,
        };
        let roles = &desired::roles(desired, project, Some(&known));
        let policy = &Policy {
            owner: project.owner.clone(),
            now: self.directory.now(),
            retention: project.retention,
            protected: BTreeSet::new(),
            adopt: BTreeSet::new(),
            purge: Purge::default(),
            orders: BTreeMap::new(),
            aside: std::collections::BTreeMap::new(),
            gently: false,
        };
        let capabilities = &self.directory.capabilities();
        plan::plan(&Input { directory: "memory", desired, roles, observed, capabilities, scope, policy, approved })
    }

    pub(super) fn run(&self, plan: &Plan) -> Report {
        self.runs.set(self.runs.get() + 1);
        let run = Run {
            id: format_smolstr!("{}", self.runs.get()),
            owner: plan.owner.clone(),
            actor: None,
            digest: SmolStr::default(),
            losses_allowed: true,
            commits: std::sync::Arc::default(),
            stop: Stop::default(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(apply(&self.directory, plan, &self.letters.issuer(&Project::default()), &run, None, &|_| {}))
    }

    /// Plans and applies; every change that the plan holds possible must be possible.
    pub(super) fn carry_out(&self, desired: &Desired, project: &Project, scope: &Scope) -> Plan {
        let before = self.directory.snapshot();
        let plan = self.decide(desired, project, scope);
        let report = self.run(&plan);
        for outcome in &report.results {
            assert_eq!(outcome.result, ResultKind::Applied, "{} {}\n{}", outcome.verb.as_str(), outcome.key, told(&plan));
        }
        self.kept(desired, &plan, &before);
        self.people();
        plan
    }

    /// Plans and applies while one of the changes fails, or only its answer does, and some letters do not go out, or go out and
    /// are not marked.
    pub(super) fn fail(&self, desired: &Desired, project: &Project, nth: &prop::sample::Index, lost: bool, kind: ErrorKind) {
        let before = self.directory.snapshot();
        let plan = self.decide(desired, project, &Scope::All);
        let steps = plan.stages().iter().map(Vec::len).sum();
        if steps > 0 {
            let nth = nth.index(steps) as u64 + 1;
            if lost { self.directory.lose_answer(nth, kind) } else { self.directory.fail_execute(nth, kind) }
        }
        let unlucky = nth.index(3);
        let kinds = [MailErrorKind::Rejected, MailErrorKind::Unavailable, MailErrorKind::Refused];
        let tries = AtomicUsize::new(unlucky);
        self.letters.fate(move |_, _| tries.fetch_add(1, Ordering::SeqCst).is_multiple_of(2).then_some(kinds[unlucky]));
        if lost {
            self.directory.fail_delivered(1 + unlucky as u64, ErrorKind::Unavailable);
        } else {
            self.directory.fail_issue(1 + unlucky as u64, ErrorKind::Unavailable);
        }
        self.run(&plan);
        self.letters.fate(|_, _| None);
        self.directory.mend();
        self.kept(desired, &plan, &before);
    }

    /// Who has a secret that lives was sent just that one, and nobody was sent a later one that is dead.
    fn letters_arrived(&self) {
        let sent = self.letters.sent();
        for live in self.directory.snapshot().ours {
            let (Some(NewSecret::Link(token)), Some(user)) = (self.directory.secret(&live.state.key), live.state.body.user())
            else {
                continue;
            };
            let last = sent.iter().rev().find(|letter| letter.to == user.email.as_str());
            let token_of = |link: &str| TokenHash::of(link.rsplit('/').next().unwrap_or_default().as_bytes());
            assert!(last.is_some_and(|letter| token_of(&letter.secret) == token), "{} has a link that nobody got", live.state.key);
        }
        for live in self.directory.snapshot().ours.iter().filter(|live| live.state.enabled && !live.state.retired) {
            let used_or_there = live.unused_until.is_none() || self.directory.secret(&live.state.key).is_some();
            let told = live.unused_until.is_some_and(|until| until <= self.directory.now());
            assert!(used_or_there || told, "{} has nothing to sign in with, and nobody says so", live.state.key);
        }
    }

    /// What holds for every run, whatever it was about and whatever failed.
    pub(super) fn kept(&self, desired: &Desired, plan: &Plan, before: &Observed) {
        let after = self.directory.snapshot();
        strangers_stay(desired, before, &after);
        losses_are_told(plan, before, &after);
        let was: BTreeMap<&RemoteId, &CredentialMark> = before.ours.iter().map(|live| (&live.id, &live.credential)).collect();
        for live in after.ours.iter().filter(|live| was.get(&live.id) != Some(&&live.credential)) {
            let CredentialMark::Given(reset) = &live.credential else { continue };
            let last = self.handled.borrow_mut().insert(live.id.clone(), reset.clone());
            let owed_before = was.get(&live.id).is_some_and(|mark| mark.is_owed());
            assert!(owed_before || last.as_ref() != Some(reset), "{} is given a credential again\n{}", live.state.key, told(plan));
        }
    }

    /// Applies in turn until nothing changes any more, which is soon. A run that changes nothing writes nothing.
    pub(super) fn settle(&self, all: &[(&Desired, &Project)]) {
        for _ in 0..8 {
            let writes = self.directory.writes();
            let changes: usize = all.iter().map(|(it, project)| self.carry_out(it, project, &Scope::All).changes().count()).sum();
            if changes == 0 {
                self.letters_arrived();
                assert_eq!(self.directory.writes(), writes, "a run that changes nothing writes nothing");
                return;
            }
        }
        let plans: String = all.iter().map(|(it, project)| told(&self.decide(it, project, &Scope::All))).collect();
        panic!("eight rounds do not settle it: {plans}");
    }
}

/// Invariant 6: a stranger whom nobody adopts is never changed.
fn strangers_stay(desired: &Desired, before: &Observed, after: &Observed) {
    let adopted = |it: &&Stranger| desired.entries.iter().any(|entry| entry.adopt.as_ref() == Some(&it.id));
    for stranger in before.strangers.iter().filter(|it| !adopted(it)) {
        assert!(after.strangers.contains(stranger), "{stranger:?} was changed");
    }
}

/// Everything that is shut off, goes, is released or leaves its namespace was told as a loss: at least so many, in each
/// namespace. A role may be counted where those are who lose a privilege with it.
fn losses_are_told(plan: &Plan, before: &Observed, after: &Observed) {
    let is: BTreeMap<&RemoteId, &State> = after.ours.iter().map(|live| (&live.id, &live.state)).collect();
    let (mut lost, mut all): (BTreeMap<Namespace, u64>, u64) = (BTreeMap::new(), 0);
    for live in before.ours.iter().filter(|live| live.state.owner.as_ref() == Some(&plan.owner)) {
        let was = &live.state;
        let change = plan.changes().find(|change| change.remote.as_ref() == Some(&live.id));
        // A date that lay ahead when it was applied was agreed on then.
        let agreed = change.is_some_and(|change| change.reason == Reason::Expired && change.loss == 0);
        let some = is.get(&live.id).is_none_or(|is| {
            let off = was.enabled && !is.enabled && !agreed;
            off || is.owner != was.owner || is.key.namespace != was.key.namespace
        });
        if some {
            all += 1;
            *lost.entry(was.key.namespace.clone()).or_default() += u64::from(was.key.kind != Kind::Role);
        }
    }
    assert!(plan.losses() >= all, "{all} losses, {} were told\n{}", plan.losses(), told(plan));
    for (namespace, count) in lost {
        let told_of = plan.tally.losses.get(&namespace).copied().unwrap_or(0);
        assert!(told_of >= count, "{count} losses in `{namespace}`, {told_of} were told\n{}", told(plan));
    }
}

/// A plan in a few words.
pub(super) fn told(plan: &Plan) -> String {
    let fields = |decision: &plan::Decision| decision.change.as_ref().map(|it| format!("{:?} {:?}", it.reason, it.differences()));
    let line = |it: &plan::Decision| {
        let held = it.held.as_ref().map(|held| (held.hold.name(), held.message.clone()));
        format!("{} {} {:?} {held:?}\n", it.verb().as_str(), it.key, fields(it))
    };
    plan.decisions.iter().map(line).collect()
}

/// Two directories hold the same. Somebody whose document is held gives a privileged role up at once; where the role lost
/// its privilege before that, there was nothing to give up: so two roles without a privilege count as one.
pub(super) fn alike(one: &World, other: &World) {
    let roles = one.directory.snapshot().roles();
    let plain = |state: &State| {
        let mut state = state.clone();
        if let Body::User(user) = &mut state.body
            && !roles.get(&state.key.namespace, &user.role).is_some_and(|role| role.privileged)
        {
            user.role = Name::new("without-privilege").unwrap();
        }
        state
    };
    let (one, other) = (holdings(&one.directory.snapshot()), holdings(&other.directory.snapshot()));
    for key in one.keys().chain(other.keys()) {
        assert_eq!(one.get(key).map(plain), other.get(key).map(plain), "{key}");
    }
}

/// What a directory holds, apart from identifiers, versions and times. The name of a place that nobody manages has an
/// identifier in it.
pub(super) fn holdings(observed: &Observed) -> BTreeMap<Key, State> {
    let mut out: BTreeMap<Key, State> = observed.ours.iter().map(|live| (live.state.key.clone(), live.state.clone())).collect();
    for state in out.values_mut() {
        let Some(Place::Company(name) | Place::Customer(name)) = &mut state.place else { continue };
        if name.as_str().starts_with("outside-") {
            *name = Name::new("outside").unwrap();
        }
    }
    out
}
