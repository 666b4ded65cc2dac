//! From what is declared and what the directory holds to what is carried out now: a plan, and again one with whatever the gates
//! keep back set aside, until nothing in it is kept back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use jiff::Timestamp;

use super::{
    Worker,
    carry::Made,
    sort::{Row, Stand},
};
use crate::{
    desired,
    directory::Directory,
    k8s::{gate::Loss, index::View, scribe::Job, status::Handled},
    manifest::{Extent, HeldStatus, Project, Severity, Sources},
    model::{Key, Namespace},
    observed::Scope,
    pipeline::{self, Planned, Request, Seen},
    plan::{Allow, Change, Gate, Held, Hold, LastHolder, Plan, Purge, Reason, Verb},
};

/// How many held objects a Directory names.
const NAMED: usize = 10;
/// How often it is planned again until nothing that is kept back is in the plan; what is there then all the same is struck out.
const ROUNDS: usize = 16;

/// Whether a change is of some sort.
type Concerns = fn(&Change) -> bool;

/// What is to be done in a pass.
pub(super) struct Judged {
    pub(super) desired: desired::Desired,
    pub(super) planned: Planned,
    pub(super) aside: BTreeMap<Key, Held>,
    /// Removals that are not believed yet, or held: each with why.
    pub(super) unbelieved: BTreeMap<Key, Held>,
    /// What would be done of what is set aside, or not believed.
    pub(super) wanted: BTreeMap<Key, Verb>,
    /// What is wrong with documents.
    pub(super) problems: BTreeMap<Key, String>,
    /// Somebody approved the losses of this plan: they do not count in the budget.
    pub(super) approved: bool,
    pub(super) allow: Allow,
    /// What would be lost if nothing were kept back.
    pub(super) losing: BTreeSet<Key>,
    /// Losses that are gathered, and when they are judged.
    pub(super) waiting: BTreeSet<Key>,
    pub(super) until: Option<Instant>,
    pub(super) held: Option<HeldStatus>,
    /// An approval, or a rejection, that has been seen to with this pass.
    pub(super) handled: Handled,
}

/// What a plan is made on.
pub(super) struct Ground<'a> {
    pub(super) view: &'a View,
    pub(super) rows: &'a [Row],
    pub(super) backend: &'a dyn Directory,
    pub(super) project: &'a Project,
    pub(super) seen: &'a Seen,
    pub(super) now: Timestamp,
}

impl Ground<'_> {
    fn row(&self, key: &Key) -> Option<&Row> {
        self.rows.binary_search_by(|row| row.item.key.cmp(key)).ok().map(|at| &self.rows[at])
    }

    /// What would be lost by a plan. What follows from the shutting off of something above says what that is.
    fn losses(&self, plan: &Plan) -> Vec<Loss> {
        plan.changes().filter_map(|change| self.loss(change)).collect()
    }

    fn loss(&self, change: &Change) -> Option<Loss> {
        let because = if let Reason::Above(above) = &change.reason { Some(above.clone()) } else { None };
        let (uid, generation) = self.row(&change.key).map_or(("", 0), |row| (row.item.uid.as_str(), row.item.generation));
        (change.loss > 0).then(|| Loss::of(change, uid, generation, because))
    }

    fn approved(&self, loss: &Loss) -> bool {
        self.row(&loss.key).is_some_and(|row| row.item.status.approved.as_deref() == Some(loss.line.as_str()))
    }

    /// A plan with some things set aside, and some removals left out.
    fn plan(
        &self,
        aside: &BTreeMap<Key, Held>,
        unbelieved: &BTreeMap<Key, Held>,
    ) -> (desired::Desired, Planned, BTreeMap<Key, String>) {
        let left_out: BTreeSet<Key> = unbelieved.keys().cloned().collect();
        let documents = Worker::documents(self.rows, &left_out);
        let (desired, mut problems) = desired::desired(documents, self.project, Extent::Objects, 0);
        let request = self.request(&desired, aside);
        let planned = pipeline::plan_on(self.backend, &request, self.seen);
        problems.extend(planned.problems.iter().cloned());
        let mut told: BTreeMap<Key, String> = BTreeMap::new();
        for problem in problems.into_iter().filter(|it| it.severity == Severity::Error) {
            let Some(key) = problem.key else { continue };
            let text = problem.hint.map_or(problem.message.clone(), |hint| format!("{}: {hint}", problem.message));
            told.entry(key).and_modify(|all| *all = format!("{all}; {text}")).or_insert(text);
        }
        (desired, planned, told)
    }

    /// Rows whose account another object is about to take, and does not get: as long as that is held they go on as they are, since
    /// shutting off waits for nobody. The other one waits, and gets no account of its own meanwhile.
    pub(super) fn find_stuck(&self, aside: &BTreeMap<Key, Held>) -> Vec<(usize, Key, Held)> {
        let about = |row: &Row| {
            let Stand::Moved(by) = &row.stand else { return None };
            self.seen.observed.get(&row.item.key).is_some().then(|| by.clone())
        };
        let moving: Vec<(usize, Key)> = self.rows.iter().enumerate().filter_map(|(at, row)| Some((at, about(row)?))).collect();
        if moving.is_empty() {
            return Vec::new();
        }
        let (_, planned, _) = self.plan(aside, &BTreeMap::new());
        let stuck = moving.into_iter().filter_map(|(at, by)| {
            let decision = planned.plan.decision(&by);
            if decision.is_some_and(|it| it.change.is_some()) {
                return None;
            }
            let message = || format!("it waits for the account of `{}`", self.rows[at].item.key);
            let held = decision.and_then(|it| it.held.clone());
            Some((at, by, held.unwrap_or_else(|| Held { hold: Hold::Progressing, message: message() })))
        });
        stuck.collect()
    }

    pub(super) fn request<'r>(&'r self, desired: &'r desired::Desired, aside: &BTreeMap<Key, Held>) -> Request<'r> {
        static SOURCES: std::sync::LazyLock<Sources> = std::sync::LazyLock::new(Sources::objects);
        Request {
            desired,
            sources: &SOURCES,
            project: self.project,
            actor: None,
            scope: Scope::All,
            adopt: BTreeSet::new(),
            purge: Purge::default(),
            orders: BTreeMap::new(),
            allow: Allow::default(),
            aside: aside.clone(),
            unattended: true,
            gently: false,
            approved: None,
            now: self.now,
            outlook: false,
        }
    }
}

impl Worker {
    /// Decides what is done now.
    pub(super) async fn judge(&mut self, ground: &Ground<'_>, mut aside: BTreeMap<Key, Held>, at: Instant) -> Judged {
        let none = BTreeMap::new();
        let (mut desired, mut planned, mut problems) = ground.plan(&aside, &none);
        let mut wanted = wanted_anyway(ground, &aside, &planned.plan);
        wanted.extend(planned.plan.changes().map(|it| (it.key.clone(), it.verb())));
        if !planned.plan.tally.grants.is_empty() && !ground.view.binding.trust_authors && !self.asks_who_grants(at).await {
            for key in &planned.plan.tally.grants {
                let policy = &self.shared.settings.policy;
                let message = format!(
                    "it grants a privileged role, and nobody asks who grants it: the ValidatingAdmissionPolicy `{policy}` is not in \
                     force, and the Directory does not say `trustAuthors: true`"
                );
                aside.insert(key.clone(), Held { hold: Hold::Denied, message });
            }
            (desired, planned, problems) = ground.plan(&aside, &none);
        }
        self.limit(ground, &mut aside, (&mut desired, &mut planned, &mut problems));
        let losses = ground.losses(&planned.plan);
        let last_holders = planned.plan.tally.last_holders.clone();
        if !self.resumed {
            self.resumed = true;
            if ground.view.binding.status.held.is_some() {
                self.gate.resume(&losses, at);
            }
        }
        let binding = &ground.view.binding;
        // As long as an approval is being written down nothing of it is carried out: it is for all of the set, or for nothing.
        let fits = |asked: &str| self.gate.digest(&losses).is_some_and(|(digest, _)| digest == asked);
        let in_force = !binding.approval().is_some_and(fits);
        let (granted, open): (Vec<Loss>, Vec<Loss>) = losses
            .iter()
            .cloned()
            .partition(|loss| in_force && (ground.approved(loss) || self.waived.contains(&(loss.key.clone(), loss.line.clone()))));
        let sorted = self.gate.sort(&open, at);
        let approved = !granted.is_empty();
        let mut passing: BTreeSet<Key> =
            if approved { granted.iter().map(|loss| loss.key.clone()).collect() } else { sorted.due.clone() };
        let mut unbelieved = BTreeMap::new();
        for _ in 0..ROUNDS {
            self.keep_back(ground, &losses, &passing, &mut aside, &mut unbelieved, false);
            if !unbelieved.is_empty() || planned.plan.changes().any(|it| aside.contains_key(&it.key)) {
                (desired, planned, problems) = ground.plan(&aside, &unbelieved);
            }
            let more: Vec<Loss> =
                ground.losses(&planned.plan).into_iter().filter(|loss| !passes(loss, &passing, &losses)).collect();
            if !more.is_empty() {
                self.keep_back(ground, &more, &passing, &mut aside, &mut unbelieved, true);
                (desired, planned, problems) = ground.plan(&aside, &unbelieved);
                continue;
            }
            if approved || passing.is_empty() {
                break;
            }
            let Some((gate, refused)) = Self::refused(ground, &mut planned.plan, &passing) else { break };
            self.gate.hold(refused.iter().cloned(), gate, at);
            passing.retain(|key| !refused.contains(key));
        }
        for decision in &mut planned.plan.decisions {
            let losing = decision.change.as_ref().filter(|change| change.loss > 0).cloned();
            if losing.is_some_and(|change| ground.loss(&change).is_some_and(|loss| !passes(&loss, &passing, &losses))) {
                decision.change = None;
                decision.held = Some(self.told(&decision.key));
            }
        }
        let (held, handled) = self.answer(ground, &losses, &last_holders);
        let allow = if approved {
            let last_holders = planned.plan.tally.last_holders.iter().cloned().collect();
            Allow { removals: Some(u64::MAX), last_holders, ..Allow::default() }
        } else {
            Allow::default()
        };
        Judged {
            desired,
            planned,
            aside,
            unbelieved,
            wanted,
            problems,
            approved,
            allow,
            losing: losses.into_iter().map(|it| it.key).collect(),
            waiting: sorted.waiting,
            until: sorted.until,
            held,
            handled,
        }
    }

    /// Holds creates and mails beyond the caps of the Directory. A crowd comes in slices, as its objects are taken up: what was made
    /// within the window counts as well.
    fn limit(
        &mut self,
        ground: &Ground<'_>,
        aside: &mut BTreeMap<Key, Held>,
        (desired, planned, problems): (&mut desired::Desired, &mut Planned, &mut BTreeMap<Key, String>),
    ) {
        let budget = &ground.project.budget;
        let since = ground.now.checked_sub(budget.window).unwrap_or(Timestamp::MIN);
        self.made.retain(|(at, _)| *at > since);
        let made = self
            .made
            .iter()
            .fold(Made::default(), |sum, (_, it)| Made { creates: sum.creates + it.creates, mails: sum.mails + it.mails });
        let caps: [(&str, &str, u64, u64, Concerns); 2] = [
            ("created", "creates", made.creates, budget.creates, |change| change.before.is_none()),
            ("mailed", "mails", made.mails, budget.mails, Change::mailed),
        ];
        for (what, field, before, most, concerns) in caps {
            let keys: Vec<Key> = planned.plan.changes().filter(|it| concerns(it)).map(|it| it.key.clone()).collect();
            if keys.is_empty() || before + keys.len() as u64 <= most {
                continue;
            }
            let message = format!(
                "more would be {what} within the window than `spec.budget.{field}` of the Directory `{}` says, which is {most}",
                self.name
            );
            aside.extend(keys.into_iter().map(|key| (key, Held { hold: Hold::Refused, message: message.clone() })));
            (*desired, *planned, *problems) = ground.plan(aside, &BTreeMap::new());
        }
    }

    /// Keeps back the losses that do not pass: of what is deleted the removal is left out, everything else is set aside; `again`
    /// is for what would be lost of those all the same.
    fn keep_back(
        &self,
        ground: &Ground<'_>,
        losses: &[Loss],
        passing: &BTreeSet<Key>,
        aside: &mut BTreeMap<Key, Held>,
        unbelieved: &mut BTreeMap<Key, Held>,
        again: bool,
    ) {
        for loss in losses.iter().filter(|loss| !passes(loss, passing, losses)) {
            let held = self.told(&loss.key);
            let gone = ground.row(&loss.key).is_some_and(|row| row.gone);
            if gone && !(again && unbelieved.contains_key(&loss.key)) {
                unbelieved.insert(loss.key.clone(), held);
            } else {
                aside.insert(loss.key.clone(), held);
            }
        }
    }

    /// Why a loss is kept back. It says neither how many there are nor which: then all of them would be written again with each
    /// one that comes.
    fn told(&self, key: &Key) -> Held {
        let next = format!("`kubectl get directory {} -o yaml` says what is held, and `status.held.digest` approves it", self.name);
        match self.gate.holds(key) {
            None => {
                let message = "what would be lost is gathered for a moment, and judged as one set".to_owned();
                Held { hold: Hold::Progressing, message }
            }
            Some(Gate::LastHolder) => {
                Held { hold: Hold::Refused, message: format!("nobody enabled would hold a privileged role any more: {next}") }
            }
            Some(
                Gate::Budget
                | Gate::Creates
                | Gate::Mails
                | Gate::EmptyInput
                | Gate::RootChanged
                | Gate::Role
                | Gate::Settings
                | Gate::StalePlan,
            ) => Held { hold: Hold::OverBudget, message: format!("more would be lost at once than the budget allows: {next}") },
        }
    }

    /// The gate that refuses what passes so far, and which of it.
    fn refused(ground: &Ground<'_>, plan: &mut Plan, passing: &BTreeSet<Key>) -> Option<(Gate, BTreeSet<Key>)> {
        // The window of the Directory counts what was about to be done as well: after a crash rather too much than too little.
        let counted = super::window::total(&ground.view.binding.status.window, ground.project.budget.window, ground.now);
        let spent: u64 = plan.tally.spent.values().sum();
        if counted > spent {
            *plan.tally.spent.entry(Namespace::GLOBAL).or_default() += counted - spent;
        }
        let refusals = plan.check(&ground.project.budget, &Allow::default());
        if refusals.iter().any(|it| it.gate == Gate::Budget) {
            return Some((Gate::Budget, passing.clone()));
        }
        if !refusals.iter().any(|it| it.gate == Gate::LastHolder) {
            return None;
        }
        let last = &plan.tally.last_holders;
        let concerned = |key: &Key| {
            let change = plan.decision(key).and_then(|it| it.change.as_ref());
            let role = change.and_then(|it| it.before.as_ref()).and_then(|before| Some((before, &before.body.user()?.role)));
            role.is_some_and(|(before, role)| last.iter().any(|it| it.namespace == before.key.namespace && it.role == *role))
        };
        let holders: BTreeSet<Key> = passing.iter().filter(|key| concerned(key)).cloned().collect();
        // Whoever is shut off by something above is let go on with that alone.
        Some((Gate::LastHolder, if holders.is_empty() { passing.clone() } else { holders }))
    }

    /// What is held, and what comes of an approval or rejection of it.
    fn answer(&mut self, ground: &Ground<'_>, losses: &[Loss], last_holders: &[LastHolder]) -> (Option<HeldStatus>, Handled) {
        let binding = &ground.view.binding;
        let mut handled = Handled::of(&binding.status);
        let Some((digest, count)) = self.gate.digest(losses) else {
            self.waived.retain(|(key, line)| losses.iter().any(|loss| loss.key == *key && loss.line == *line));
            return (None, handled);
        };
        let held: Vec<&Loss> = losses.iter().filter(|loss| self.gate.holds(&loss.key).is_some()).collect();
        let first = held.iter().take(NAMED).map(|loss| loss.key.to_string()).collect();
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let mut status = HeldStatus { count, digest: digest.clone(), first, message: None };
        let (approval, rejection) = (binding.approval(), binding.rejection());
        if approval == Some(digest.as_str()) && rejection == approval {
            let message = "it is approved and rejected at once: nothing is done until one of the two annotations is removed";
            status.message = Some(message.to_owned());
        } else if approval == Some(digest.as_str()) {
            if self.stamp(ground, &held, true) {
                handled.approval = Some(digest);
            }
        } else if rejection == Some(digest.as_str()) {
            if self.stamp(ground, &held, false) {
                handled.rejection = Some(digest);
                let left = held.iter().filter(|loss| ground.row(&loss.key).is_none_or(|row| !row.item.deleting)).count();
                status.message = (left > 0).then(|| {
                    format!(
                        "rejected; {left} of them are no deletions, and their objects still say so: they stay held until somebody \
                         changes those"
                    )
                });
            }
        } else if let Some((what, asked)) = approval.map(|it| ("approval", it)).or(rejection.map(|it| ("rejection", it))) {
            status.message = Some(format!("the {what} of `{asked}` fits nothing that is held: what is held is `{digest}`"));
        }
        // Whoever approves it approves that as well, and has to be told.
        if !last_holders.is_empty() {
            let roles: Vec<String> =
                last_holders.iter().map(|LastHolder { namespace, role }| format!("`{role}` in `{namespace}`")).collect();
            let leaves = format!("once all of it is done nobody enabled holds {}", roles.join(", "));
            status.message = Some(status.message.map_or(leaves.clone(), |message| format!("{message}; {leaves}")));
        }
        (Some(status), handled)
    }

    /// Writes on every object of a held set that it was approved, or rejected; whether that stands on all of them. What has no
    /// object is remembered here.
    fn stamp(&mut self, ground: &Ground<'_>, held: &[&Loss], approves: bool) -> bool {
        let mut stamped = true;
        for loss in held {
            let Some(row) = ground.row(&loss.key) else {
                if approves {
                    self.waived.insert((loss.key.clone(), loss.line.clone()));
                }
                continue;
            };
            let mut status = row.item.status.clone();
            let mark = if approves {
                &mut status.approved
            } else if row.item.deleting {
                &mut status.rejected
            } else {
                continue; // it still says what it says: there is nothing to let go
            };
            if mark.as_deref() != Some(loss.line.as_str()) {
                stamped = false;
                *mark = Some(loss.line.clone());
                self.shared.scribe.submit(&row.item, Job::Stamp(Box::new(status)));
            }
        }
        stamped
    }

    /// Whether the server asks who grants a role, as of a few seconds ago.
    async fn asks_who_grants(&mut self, at: Instant) -> bool {
        const FRESH: std::time::Duration = std::time::Duration::from_secs(5);
        if let Some((asked, answer)) = self.policy
            && at.duration_since(asked) < FRESH
        {
            return answer;
        }
        let answer = self.shared.cluster.asks_who_grants(&self.shared.settings.policy).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "it cannot be told whether anybody asks who grants a role");
            false
        });
        self.policy = Some((at, answer));
        answer
    }
}

/// What would be done of what somebody paused: asked only where there is something of it.
fn wanted_anyway(ground: &Ground<'_>, aside: &BTreeMap<Key, Held>, plan: &Plan) -> BTreeMap<Key, Verb> {
    let paused = |key: &Key| plan.decision(key).and_then(|it| it.held.as_ref()).is_some_and(|it| it.hold == Hold::Paused);
    if !aside.keys().any(paused) {
        return BTreeMap::new();
    }
    let others = aside.iter().filter(|(_, held)| held.hold != Hold::Paused).map(|(key, held)| (key.clone(), held.clone()));
    let (_, planned, _) = ground.plan(&others.collect(), &BTreeMap::new());
    planned.plan.changes().filter(|it| paused(&it.key)).map(|it| (it.key.clone(), it.verb())).collect()
}

/// Whether a loss passes: by itself, or with what it follows from.
fn passes(loss: &Loss, passing: &BTreeSet<Key>, losses: &[Loss]) -> bool {
    let follows = |above: &Key| passing.contains(above) && losses.iter().any(|it| it.key == *above);
    passing.contains(&loss.key) || loss.because.as_ref().is_some_and(follows)
}

/// Changes for which somebody has to be told by which commit they came.
pub(super) fn commits(rows: &[Row], plan: &Plan, now: Timestamp) -> Arc<BTreeMap<Key, crate::history::Commit>> {
    let commit = |change: &Change| {
        let row = rows.binary_search_by(|row| row.item.key.cmp(&change.key)).ok().map(|at| &rows[at])?;
        let id = row.item.asks.commit.clone()?;
        Some((change.key.clone(), crate::history::Commit { id, author: smol_str::SmolStr::default(), at: now }))
    };
    Arc::new(plan.changes().filter_map(commit).collect())
}
