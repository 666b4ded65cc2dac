//! One Directory: its objects are brought into it, pass by pass. A pass takes everything that was seen since the last one, reads
//! the directory once, plans once, and carries out what passes the gates: one object or ten thousand cost about the same.
//!
//! Level-triggered: a pass decides from what stands there now, never from which event woke it. What was not told, or came twice,
//! makes no difference.

mod judge;
mod sort;
mod tell;
mod window;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::{Timestamp, Unit};
use smol_str::{SmolStr, ToSmolStr};

pub(super) use self::tell::unchanged;
use self::{
    judge::{Ground, Judged},
    sort::Row,
    tell::earlier,
};
use super::{
    Shared,
    binding::Binding,
    cluster::ClusterError,
    gate::Gate,
    index::{View, Watched},
    item::{FINALIZER, Item},
    scribe::Job,
    secrets,
    status::{self, DirectorySaid, Handled, Verdict},
};
use crate::{
    directory::{Directory, DirectoryError, ErrorKind, Right, Stop},
    drivers,
    issue::Issuer,
    manifest::{DirectoryStatus, HeldStatus, HourStatus, Project},
    model::Key,
    observed::{Live, Scope, Settings},
    pipeline::{self, Leases, Order, Seen},
    plan::{Change, Hold, Verb},
    report::{Report, ResultKind},
};

/// How soon something that failed is tried again; then twice as long each time.
const SOON: Duration = Duration::from_secs(1);
/// How long it takes at most.
const LATE: Duration = Duration::from_mins(5);
/// How long a pass waits for another run that changes the directory.
const WAIT: Duration = Duration::from_secs(2);
/// The longest rest between two passes while more and more comes in.
const REST: Duration = Duration::from_secs(1);

/// A change that failed, and when it is tried again.
#[derive(Debug, Clone)]
struct Trouble {
    uid: SmolStr,
    generation: i64,
    times: u32,
    until: Instant,
    message: String,
}

impl Trouble {
    /// One more failure. Objects that fail together are not tried again together.
    fn after(before: Option<Self>, item: &Item, message: String, now: Instant) -> Self {
        let times = before.map_or(0, |it| it.times + 1);
        Self { uid: item.uid.clone(), generation: item.generation, times, until: now + backoff(times, &item.key), message }
    }

    /// Whether it is about this state of the object.
    fn concerns(&self, item: &Item) -> bool {
        self.uid == item.uid && self.generation == item.generation
    }
}

/// Twice as long each time, and between half and all of that by what it is for.
fn backoff(times: u32, what: &impl Hash) -> Duration {
    let full = SOON.saturating_mul(1 << times.min(16)).min(LATE);
    let mut hasher = DefaultHasher::new();
    (what, times).hash(&mut hasher);
    let share = u32::try_from(hasher.finish() % 500).unwrap_or(0);
    full * (500 + share) / 1_000
}

/// Why a pass came to nothing.
enum Failure {
    Directory(DirectoryError),
    Cluster(ClusterError),
}

impl From<DirectoryError> for Failure {
    fn from(error: DirectoryError) -> Self {
        Self::Directory(error)
    }
}

/// What a Directory goes to, opened for one state of its `spec`.
#[derive(Clone)]
struct Backend {
    uid: SmolStr,
    generation: i64,
    directory: Arc<dyn Directory>,
}

/// What stays from pass to pass.
pub(super) struct Worker {
    name: crate::model::Name,
    shared: Arc<Shared>,
    backend: Option<Backend>,
    gate: Gate,
    /// Whether what was held before this process has been held again.
    resumed: bool,
    /// Losses without an object that were approved.
    waived: BTreeSet<(Key, String)>,
    troubles: HashMap<Key, Trouble>,
    /// Objects that are on their way: since when.
    on_the_way: HashMap<Key, (SmolStr, i64, Instant)>,
    /// When the wish for the present state of an object was seen first.
    asked: HashMap<Key, (i64, Timestamp)>,
    /// Whether the server asks who grants, and when it was asked.
    policy: Option<(Instant, bool)>,
    /// What was created and mailed lately: it comes in slices, and is one crowd.
    made: Vec<(Timestamp, Made)>,
    failures: u32,
    unsettled: u64,
    looked: Option<Timestamp>,
}

/// How many accounts were created, and how many mails sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Made {
    creates: u64,
    mails: u64,
}

/// What a pass came to.
enum Came {
    /// There is nothing to do until something happens, or until this time.
    Rest(Option<Instant>),
    /// The Directory is gone.
    Gone,
}

impl Worker {
    pub(super) fn new(name: crate::model::Name, shared: Arc<Shared>) -> Self {
        Self {
            name,
            shared,
            backend: None,
            gate: Gate::default(),
            resumed: false,
            waived: BTreeSet::new(),
            troubles: HashMap::new(),
            on_the_way: HashMap::new(),
            asked: HashMap::new(),
            policy: None,
            made: Vec::new(),
            failures: 0,
            unsettled: 0,
            looked: None,
        }
    }

    /// Pass after pass, until the Directory is gone or the controller stops. Between two of them it rests for as long as the last
    /// took: what comes in meanwhile is done in one.
    pub(super) async fn run(mut self) {
        let mut news = self.shared.revision.subscribe();
        let mut expectant = true;
        loop {
            news.borrow_and_update();
            let stamp = self.shared.index().stamp(&self.name);
            let started = Instant::now();
            let came = self.pass(expectant).await;
            let took = started.elapsed();
            self.shared.metrics.passed(took, self.unsettled);
            let Came::Rest(until) = came else { return };
            let rest = tokio::time::sleep(took.min(REST));
            let resync = started + self.shared.settings.resync;
            tokio::select! {
                () = rest => {}
                () = self.shared.stopped() => return,
            }
            // What is new elsewhere is nothing to look for here.
            let here = async {
                while self.shared.index().stamp(&self.name) == stamp {
                    if news.changed().await.is_err() {
                        return;
                    }
                }
            };
            expectant = tokio::select! {
                () = here => true,
                () = tokio::time::sleep_until(until.map_or(resync, |it| it.min(resync)).into()) => until.is_some(),
                () = self.shared.stopped() => return,
            };
        }
    }

    async fn pass(&mut self, expectant: bool) -> Came {
        let view = { self.shared.index().view(&self.name) };
        let Some(view) = view else { return Came::Gone };
        if view.binding.release {
            return self.release(&view).await;
        }
        self.keep_directory(&view).await;
        let project = match &view.binding.project {
            Ok(project) => project.clone(),
            Err(problem) => {
                let problem = problem.clone();
                return self.unable(&view, None, "Invalid", &problem, None).await;
            }
        };
        let backend = match self.open(&view.binding, &project) {
            Ok(backend) => backend,
            Err(error) => return self.unable(&view, Some(&project), "Unsupported", &error.chain(), None).await,
        };
        let rows = self.sort(&view, Some(&project)).await;
        self.note_asked(&rows);
        match self.attempt(&view, rows, &project, &*backend, expectant).await {
            Ok(until) => {
                self.failures = 0;
                Came::Rest(until)
            }
            Err(failure) => {
                let again = Instant::now() + backoff(self.failures, &self.name);
                self.failures += 1;
                let (reason, message) = match &failure {
                    Failure::Directory(error) => ("DirectoryUnavailable", error.chain()),
                    Failure::Cluster(error) => ("Progressing", error.to_string()),
                };
                tracing::warn!(directory = %self.name, message, "a pass came to nothing");
                self.unable(&view, Some(&project), reason, &message, Some(again)).await
            }
        }
    }

    /// Opens what the Directory goes to, once for each state of its `spec`. What was held is judged anew then: a budget may be
    /// another one.
    fn open(&mut self, binding: &Binding, project: &Project) -> Result<Arc<dyn Directory>, DirectoryError> {
        if let Some(open) = &self.backend
            && open.uid == binding.uid
            && open.generation == binding.generation
        {
            return Ok(Arc::clone(&open.directory));
        }
        let directory = drivers::open(&project.directory, &self.shared.settings.base)?;
        if self.backend.is_some() {
            self.gate.clear();
            self.troubles.clear();
            self.made.clear();
        }
        self.backend =
            Some(Backend { uid: binding.uid.clone(), generation: binding.generation, directory: Arc::clone(&directory) });
        Ok(directory)
    }

    fn note_asked(&mut self, rows: &[Row]) {
        let open = |item: &Item| item.deleting || item.status.observed_generation != Some(item.generation);
        let now = Timestamp::now();
        let mut asked = HashMap::new();
        for row in rows.iter().filter(|row| open(&row.item)) {
            let (key, generation) = (&row.item.key, row.item.generation);
            let since = self.asked.get(key).filter(|it| it.0 == generation).map_or(now, |it| it.1);
            asked.insert(key.clone(), (generation, since));
        }
        self.asked = asked;
    }

    async fn attempt(
        &mut self,
        view: &View,
        mut rows: Vec<Row>,
        project: &Project,
        backend: &dyn Directory,
        expectant: bool,
    ) -> Result<Option<Instant>, Failure> {
        let mut leases = if expectant { self.lease(backend, Duration::ZERO).await? } else { None };
        loop {
            let seen = self.look(backend, project).await?;
            believe(&seen, &rows, &view.binding, project)?;
            if seen.observed.applied.settings.as_ref() != Some(&Settings::of(project)) {
                // Whoever may change a Directory may change these: they are taken over before anything makes use of them.
                let _write = match &leases {
                    Some(_) => None,
                    None => Some(backend.lease(Right::Write, WAIT).await?),
                };
                backend.remember(&project.owner, None, &Settings::of(project)).await?;
            }
            let before = rows.clone();
            Self::find_moved(&mut rows, &seen.observed);
            let (at, now) = (Instant::now(), seconds(Timestamp::now()));
            let aside = self.set_aside(&rows, at);
            let ground = Ground { view, rows: &rows, backend, project, seen: &seen, now };
            let mut judged = self.judge(&ground, aside, at).await;
            let changes = judged.planned.plan.changes().next().is_some();
            if changes && leases.is_none() {
                // What is carried out is decided on what nobody else can change meanwhile.
                leases = Some(self.lease(backend, WAIT).await?.ok_or_else(locked)?);
                rows = before;
                continue;
            }
            let judging = at.elapsed();
            let window = self.spend(&ground, &judged).await?;
            let report = if let Some(leases) = leases.take().filter(|_| changes) {
                self.carry_out(&ground, &mut judged, leases).await?
            } else {
                self.note_found(&ground, &judged).await;
                Report::default()
            };
            self.looked = Some(seen.at);
            self.count_made(&judged, &report, now);
            let telling = Instant::now();
            let mut until = self.tell(&ground, &judged, &report, at);
            tracing::debug!(
                directory = %self.name,
                objects = ground.rows.len(),
                changes = report.results.len(),
                read = ?seen.read,
                judged = ?judging,
                done = ?telling.duration_since(at + judging),
                told = ?telling.elapsed(),
                "passed"
            );
            until = earlier(until, judged.until);
            until = earlier(until, self.troubles.values().map(|it| it.until).filter(|it| *it > at).min());
            until = earlier(until, next_expiry(&judged, ground.now).map(|it| at + it));
            if judged.approved {
                until = Some(at); // what waits beside it is judged next
            }
            let (held, handled) = (judged.held.clone(), judged.handled.clone());
            let verdict = if view.binding.deleting {
                let message =
                    "it is deleted, and waits for the objects that are bound to it: delete those, or write `spec.release: true`";
                Verdict::Pending { reason: "Progressing", verb: Verb::Held, message: message.to_owned(), stalled: false }
            } else {
                Verdict::True("the directory answers")
            };
            self.say_directory(view, verdict, window, held, handled).await;
            return Ok(until);
        }
    }

    /// Both rights to change the directory; none where another run has them.
    async fn lease(&self, backend: &dyn Directory, wait: Duration) -> Result<Option<Leases>, Failure> {
        match Leases::take(backend, wait).await {
            Ok(leases) => Ok(Some(leases)),
            Err(error) if matches!(error.kind, ErrorKind::Locked(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn look(&self, backend: &dyn Directory, project: &Project) -> Result<Seen, Failure> {
        let seen = pipeline::look(backend, project, &Scope::All).await;
        self.shared.metrics.directory("observe", seen.is_ok());
        Ok(seen?)
    }

    /// Writes down what is about to be lost, before it is.
    async fn spend(&self, ground: &Ground<'_>, judged: &Judged) -> Result<Vec<HourStatus>, Failure> {
        let binding = &ground.view.binding;
        let losses = if judged.approved { 0 } else { judged.planned.plan.losses() };
        let window = window::with(&binding.status.window, losses, ground.project.budget.window, ground.now);
        if losses > 0 {
            let status = DirectoryStatus { window: window.clone(), ..binding.status.clone() };
            let raw = self.shared.cluster.say_directory(binding, &status).await.map_err(Failure::Cluster)?;
            self.shared.index().put(Watched::Directory, &raw);
        }
        Ok(window)
    }

    async fn carry_out(&self, ground: &Ground<'_>, judged: &mut Judged, leases: Leases) -> Result<Report, Failure> {
        if !self.shared.cluster.fence.holds() {
            return Err(Failure::Cluster(ClusterError::Fenced));
        }
        let plan = &judged.planned.plan;
        let vault = secrets::fetch(&self.shared.cluster, plan).await;
        let post = secrets::way_out(&self.shared, ground.project, plan.mails() > 0).await;
        let issuer = Issuer::new(ground.project, false, vault, post);
        let order = Order {
            run: uuid::Uuid::now_v7().to_smolstr(),
            actor: None,
            wait: WAIT,
            stop: self.shared.stop.clone(),
            commits: judge::commits(ground.rows, plan, ground.now),
            looked: self.looked,
        };
        let mut request = ground.request(&judged.desired, &judged.aside);
        request.allow = judged.allow.clone();
        let (seen, planned) = (ground.seen, &judged.planned);
        let report = pipeline::carry_out(ground.backend, &request, (seen, planned), leases, &order, &issuer, &|_| {}).await;
        self.shared.metrics.directory("execute", report.is_ok());
        Ok(report?)
    }

    fn count_made(&mut self, judged: &Judged, report: &Report, now: Timestamp) {
        let done = report.results.iter().filter(|it| it.result == ResultKind::Applied);
        let changes: Vec<&Change> = done.filter_map(|it| judged.planned.plan.decision(&it.key)?.change.as_ref()).collect();
        let creates = changes.iter().filter(|it| it.before.is_none()).count() as u64;
        let mails = changes.iter().filter(|it| it.mailed()).count() as u64;
        if creates + mails > 0 {
            self.made.push((now, Made { creates, mails }));
        }
    }

    /// Records what somebody else has changed, where there is nothing to carry out.
    async fn note_found(&self, ground: &Ground<'_>, judged: &Judged) {
        let request = ground.request(&judged.desired, &judged.aside);
        let order = Order {
            run: uuid::Uuid::now_v7().to_smolstr(),
            actor: None,
            wait: WAIT,
            stop: Stop::default(),
            commits: Arc::default(),
            looked: self.looked,
        };
        match pipeline::note_found(ground.backend, &request, ground.seen, &order).await {
            Ok(0) => {}
            Ok(found) => {
                if let Some(looked) = self.looked {
                    self.shared.metrics.drifted(Duration::try_from(ground.now.duration_since(looked)).unwrap_or_default());
                }
                tracing::info!(directory = %self.name, found, "things changed outside");
            }
            Err(error) => tracing::warn!(directory = %self.name, error = error.chain(), "what changed outside was not recorded"),
        }
    }

    /// Says that nothing could be done, and of what is not settled why.
    async fn unable(
        &mut self,
        view: &View,
        project: Option<&Project>,
        reason: &'static str,
        message: &str,
        again: Option<Instant>,
    ) -> Came {
        let rows = self.sort(view, project).await;
        // It has made no account for anybody, and never will as it stands.
        let hopeless = again.is_none() && self.backend.is_none();
        let later = self.tell_outage(view, &rows, project, message, hopeless);
        let verdict = Verdict::Pending { reason, verb: Verb::Held, message: message.to_owned(), stalled: again.is_none() };
        let status = &view.binding.status;
        self.say_directory(view, verdict, status.window.clone(), status.held.clone(), Handled::of(status)).await;
        Came::Rest(earlier(again, later))
    }

    async fn say_directory(
        &mut self,
        view: &View,
        verdict: Verdict,
        window: Vec<HourStatus>,
        held: Option<HeldStatus>,
        handled: Handled,
    ) {
        // It may have been written in this pass.
        let Some(binding) = self.shared.index().view(&self.name).map(|it| it.binding) else { return };
        let said = DirectorySaid { verdict, window, held, handled };
        if binding.status.held.is_none()
            && let Some(held) = &said.held
        {
            let note = format!(
                "{} of its objects would lose something at once, and all of it is held: `kubectl annotate directory {name} \
                 tenantry.dev/approve={digest}` carries it out, `tenantry.dev/reject={digest}` lets the objects go and leaves the accounts",
                held.count,
                name = self.name,
                digest = held.digest
            );
            tracing::warn!(directory = %self.name, count = held.count, digest = held.digest, "held");
            self.shared.events.directory(&view.binding, true, Hold::OverBudget.name(), &note);
        }
        let Some(status) = status::directory(binding.generation, &binding.status, said, seconds(Timestamp::now())) else { return };
        match self.shared.cluster.say_directory(&binding, &status).await {
            Ok(raw) => {
                let handled = Handled::of(&binding.status) != Handled::of(&status);
                self.shared.index().put(Watched::Directory, &raw);
                if handled {
                    self.shared.wake(&self.name);
                }
            }
            Err(error) => {
                tracing::warn!(directory = %self.name, %error, "its status cannot be written");
                self.shared.wake_soon(&self.name);
            }
        }
    }

    /// A Directory stays as long as anything is bound to it.
    async fn keep_directory(&self, view: &View) {
        let binding = &view.binding;
        let bound = !view.strays.is_empty() || view.items.iter().any(|it| it.is_kept());
        let kept = binding.finalizers.iter().any(|it| it == FINALIZER);
        if bound == kept || bound && binding.deleting {
            return;
        }
        match self.shared.cluster.keep_directory(binding, bound).await {
            Ok(raw) => drop(self.shared.index().put(Watched::Directory, &raw)),
            Err(error) => {
                tracing::warn!(directory = %self.name, %error, "its finalizer cannot be written");
                self.shared.wake_soon(&self.name);
            }
        }
    }

    /// `spec.release`: every finalizer goes, and nothing is written to the directory.
    async fn release(&mut self, view: &View) -> Came {
        let kept: Vec<&Arc<Item>> = view.items.iter().chain(&view.strays).filter(|it| it.is_kept()).collect();
        for item in &kept {
            self.shared.scribe.submit(item, Job::LetGo);
        }
        self.keep_directory(view).await;
        let left = kept.len();
        let verdict = if left == 0 {
            Verdict::True("released: no object waits for this Directory, and nothing is written")
        } else {
            let message = format!("{left} objects are being released");
            Verdict::Pending { reason: "Progressing", verb: Verb::Release, message, stalled: false }
        };
        self.say_directory(view, verdict, view.binding.status.window.clone(), None, Handled::of(&view.binding.status)).await;
        Came::Rest(None)
    }
}

/// Another directory in the place of the one that was there, an empty one or an older copy, is no reason to make people anew, nor to
/// let go of who was deleted: a volume that was not mounted looks like this. More accounts that are gone than may be lost at once are
/// no drift.
fn believe(seen: &Seen, rows: &[Row], binding: &Binding, project: &Project) -> Result<(), Failure> {
    let mine = |live: &&Live| live.state.owner.as_ref() == Some(&project.owner);
    let there: HashSet<&str> = seen.observed.ours.iter().filter(mine).map(|live| live.id.0.as_str()).collect();
    let bound = rows.iter().filter(|row| row.counts() && row.item.is_kept()).filter_map(|row| {
        let status = &row.item.status;
        status.directory_id.as_deref().filter(|_| status.directory.as_deref() == Some(binding.name.as_str()))
    });
    let (mut known, mut missing) = (0_u64, 0_u64);
    for id in bound {
        known += 1;
        missing += u64::from(!there.contains(id));
    }
    let tolerated = if there.is_empty() { 0 } else { project.budget.limit(known) };
    if missing <= tolerated {
        return Ok(());
    }
    let cause = format!(
        "{missing} of {known} objects have accounts that are not there any more: is this the directory it was? If it is meant to begin \
         anew, make another Directory for their namespaces, and write `tenantry.dev/rebind` on them"
    );
    Err(DirectoryError::new("read the directory", ErrorKind::Incomplete).because(cause).into())
}

fn locked() -> Failure {
    DirectoryError::new("take the lease", ErrorKind::Locked(None)).into()
}

/// How long until something declared becomes due by time alone.
fn next_expiry(judged: &Judged, now: Timestamp) -> Option<Duration> {
    let expires = judged.desired.entries.iter().filter_map(|entry| entry.state()?.body.user()?.expires);
    let next = expires.filter(|at| *at > now).min()?;
    Some(Duration::try_from(next.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// A time as conditions have it: in whole seconds.
fn seconds(at: Timestamp) -> Timestamp {
    let round = jiff::TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Trunc);
    at.round(round).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_fails_is_tried_again_later_and_later_and_not_all_at_once() {
        let keys: Vec<Key> = (0..64).map(|at| format!("user/nord/u{at}").parse().unwrap()).collect();
        for times in 0..12 {
            let full = (SOON * (1 << times)).min(LATE);
            let waits: BTreeMap<Duration, usize> = keys.iter().map(|key| (backoff(times, key), 0)).collect();
            assert!(waits.keys().all(|wait| *wait >= full / 2 && *wait <= full), "{times}");
            assert!(waits.len() > 32, "{times}");
        }
    }
}
