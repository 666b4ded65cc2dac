//! One Directory: its objects are brought into it, pass by pass. A pass takes everything that was seen since the last one, reads
//! the directory once, plans once, and carries out what passes the gates: one object or ten thousand cost about the same.
//!
//! Level-triggered: a pass decides from what stands there now, never from which event woke it. What was not told, or came twice,
//! makes no difference.

mod carry;
mod judge;
mod own;
mod sort;
mod tell;
mod trouble;
mod window;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::{Timestamp, Unit};
use smol_str::SmolStr;

pub(super) use self::tell::unchanged;
use self::{
    carry::{Made, next_expiry},
    judge::Ground,
    own::believe,
    sort::{Row, Stand},
    tell::earlier,
    trouble::{Trouble, backoff},
};
use super::{Shared, binding::Binding, cluster::ClusterError, gate::Gate, index::View, item::Item, secrets, status::Verdict};
use crate::{
    credential::Vault,
    directory::{Directory, DirectoryError, ErrorKind, Right},
    drivers::{self, Opening},
    manifest::{LedgerSpec, Project},
    model::{Key, Kind, Name},
    observed::{Scope, Settings},
    pipeline::{self, Leases, Seen},
    plan::Verb,
    report::Report,
};

/// How long a pass waits for another run that changes the directory.
const WAIT: Duration = Duration::from_secs(2);
/// The longest rest between two passes while more and more comes in.
const REST: Duration = Duration::from_secs(1);

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
    /// What it was opened with.
    vault: Vault,
    directory: Arc<dyn Directory>,
}

/// What stays from pass to pass.
pub(super) struct Worker {
    name: Name,
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
    /// Kinds whose definition is being deleted, as far as it was told.
    undefined: BTreeSet<Kind>,
    failures: u32,
    unsettled: u64,
    looked: Option<Timestamp>,
    /// When all of the directory was read last.
    swept: Option<Instant>,
}

/// What a pass came to.
enum Came {
    /// There is nothing to do until something happens, or until this time.
    Rest(Option<Instant>),
    /// The Directory is gone.
    Gone,
}

impl Worker {
    pub(super) fn new(name: Name, shared: Arc<Shared>) -> Self {
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
            undefined: BTreeSet::new(),
            failures: 0,
            unsettled: 0,
            looked: None,
            swept: None,
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
        let backend = match self.open(&view.binding, &project).await {
            Ok(backend) => backend,
            Err(error) => {
                // A Secret may come to be there without anything else changing.
                let secret = project.directory.secret().is_some() && error.kind != ErrorKind::Rejected;
                let again = secret.then(|| Instant::now() + backoff(self.failures, &self.name));
                self.failures += u32::from(secret);
                let reason = if secret { "DirectoryUnavailable" } else { "Unsupported" };
                return self.unable(&view, Some(&project), reason, &error.chain(), again).await;
            }
        };
        let rows = self.sort(&view, Some(&project)).await;
        self.note_asked(&rows);
        self.let_undefined_go(&view, &rows).await;
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
    /// Another secret opens it anew and changes nothing of that.
    async fn open(&mut self, binding: &Binding, project: &Project) -> Result<Arc<dyn Directory>, DirectoryError> {
        let vault = secrets::ways_in(&self.shared, project).await;
        if let Some(open) = &self.backend
            && open.uid == binding.uid
            && open.generation == binding.generation
            && open.vault.same(&vault)
        {
            return Ok(Arc::clone(&open.directory));
        }
        let own = LedgerSpec::Sqlite(format!("tenantry-ledger-{}.db", self.name).into());
        let directory = drivers::open(&Opening {
            directory: &project.directory,
            ledger: project.ledger.as_ref().or(Some(&own)),
            base: &self.shared.settings.base,
            vault: &vault,
            new_ledger: false,
        })?
        .directory;
        if self.backend.as_ref().is_some_and(|open| open.uid != binding.uid || open.generation != binding.generation) {
            self.gate.clear();
            self.troubles.clear();
            self.made.clear();
        }
        self.backend =
            Some(Backend { uid: binding.uid.clone(), generation: binding.generation, vault, directory: Arc::clone(&directory) });
        self.swept = None;
        Ok(directory)
    }

    fn note_asked(&mut self, rows: &[Row]) {
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
        let mut due: BTreeSet<Key> = rows.iter().filter(|row| open(&row.item)).map(|row| row.item.key.clone()).collect();
        let mut contents = BTreeMap::new();
        loop {
            let mut seen = self.look(backend, project, &due).await?;
            seen.observed.contents.clone_from(&contents);
            believe(&seen, &rows, &view.binding, project)?;
            // Reading takes its time. What is written to the directory from here on is written by whoever leads.
            if !self.shared.cluster.fence.holds() {
                return Err(Failure::Cluster(ClusterError::Fenced));
            }
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
            let mut aside = self.set_aside(&rows, at);
            let stuck = Ground { view, rows: &rows, backend, project, seen: &seen, now }.find_stuck(&aside);
            for (row, by, held) in stuck {
                rows[row].stand = Stand::Counts;
                aside.entry(by).or_insert(held);
            }
            let ground = Ground { view, rows: &rows, backend, project, seen: &seen, now };
            let mut judged = self.judge(&ground, aside, at).await;
            let weighed = pipeline::weigh(backend, &judged.planned.plan, &seen.observed).await?;
            if !weighed.is_empty() {
                // What goes with a customer counts in the budget as well.
                contents.extend(weighed);
                rows = before;
                continue;
            }
            let changes = judged.planned.plan.changes().next().is_some();
            if changes && leases.is_none() {
                // What is carried out is decided on what nobody else can change meanwhile.
                leases = Some(self.lease(backend, WAIT).await?.ok_or_else(locked)?);
                due.extend(judged.planned.plan.decisions.iter().map(|decision| decision.key.clone()));
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
            if seen.whole {
                self.looked = Some(seen.at);
            }
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

    /// Reads the directory. One on the other side of a network is swept once in each interval; between two sweeps what is
    /// `due` is read again, and all of it where another run has written.
    async fn look(&mut self, backend: &dyn Directory, project: &Project, due: &BTreeSet<Key>) -> Result<Seen, Failure> {
        let fresh = self.swept.is_some_and(|at| at.elapsed() < self.shared.settings.resync);
        let scope = if fresh && backend.traffic().is_some() { Scope::Only(due.clone()) } else { Scope::All };
        let seen = pipeline::look(backend, project, &scope).await;
        match (&seen, &scope) {
            (Ok(_), Scope::All) => self.swept = Some(Instant::now()),
            (Ok(_), Scope::Only(_)) => {}
            (Err(_), _) => self.swept = None,
        }
        self.shared.metrics.directory("observe", seen.is_ok());
        Ok(seen?)
    }
}

/// Whether something is still to be done about an object, as far as its status tells.
fn open(item: &Item) -> bool {
    item.deleting || item.status.observed_generation != Some(item.generation)
}

fn locked() -> Failure {
    DirectoryError::new("take the lease", ErrorKind::Locked(None)).into()
}

/// A time as conditions have it: in whole seconds.
pub(super) fn seconds(at: Timestamp) -> Timestamp {
    let round = jiff::TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Trunc);
    at.round(round).unwrap_or(at)
}
