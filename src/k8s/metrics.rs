//! Metrics, under the names that dashboards of controllers expect; no label bears the name of an object or of anybody.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use super::scribe::Job;
use crate::{
    model::{Kind, Name},
    plan::Verb,
};

/// What a label is worth: a word of ours.
type Word = &'static str;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Result_ {
    controller: Word,
    result: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Controller {
    controller: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Queue {
    name: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Objects {
    kind: Word,
    state: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Verbs {
    verb: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reasons {
    reason: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Requests {
    operation: Word,
    result: Word,
}

/// How an object stands, for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum State {
    Ready,
    Pending,
    Stalled,
}

impl State {
    const ALL: [Self; 3] = [Self::Ready, Self::Pending, Self::Stalled];

    fn word(self) -> Word {
        match self {
            Self::Ready => "ready",
            Self::Pending => "pending",
            Self::Stalled => "stalled",
        }
    }
}

/// How many objects of a Directory stand how, and what is held by which reason.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    pub(super) objects: BTreeMap<(Kind, State), u64>,
    pub(super) holds: BTreeMap<Word, u64>,
}

const CONTROLLER: Word = "tenantry";

/// Everything that is counted.
pub(super) struct Metrics {
    registry: Mutex<Registry>,
    reconciles: Family<Result_, Counter>,
    errors: Family<Controller, Counter>,
    time: Histogram,
    depth: Family<Queue, Gauge>,
    adds: Family<Queue, Counter>,
    retries: Family<Queue, Counter>,
    objects: Family<Objects, Gauge>,
    changes: Family<Verbs, Counter>,
    holds: Family<Reasons, Gauge>,
    requests: Family<Requests, Counter>,
    writes: Family<Requests, Counter>,
    drift: Histogram,
    disable: Histogram,
    leads: Gauge,
    standing: Mutex<BTreeMap<Name, Standing>>,
    ready: AtomicBool,
    resident: Gauge<u64, AtomicU64>,
}

fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.005, 2.0, 16))
}

impl Metrics {
    pub(super) fn new() -> Self {
        let this = Self {
            registry: Mutex::new(Registry::default()),
            reconciles: Family::default(),
            errors: Family::default(),
            time: seconds(),
            depth: Family::default(),
            adds: Family::default(),
            retries: Family::default(),
            objects: Family::default(),
            changes: Family::default(),
            holds: Family::default(),
            requests: Family::default(),
            writes: Family::default(),
            drift: seconds(),
            disable: seconds(),
            leads: Gauge::default(),
            standing: Mutex::default(),
            ready: AtomicBool::new(false),
            resident: Gauge::default(),
        };
        {
            let mut registry = this.registry.lock().expect("nobody panics holding it");
            registry.register("controller_runtime_reconcile", "Objects that were settled, by result", this.reconciles.clone());
            registry.register("controller_runtime_reconcile_errors", "Objects whose change failed", this.errors.clone());
            registry.register("controller_runtime_reconcile_time_seconds", "How long a pass took", this.time.clone());
            registry.register("workqueue_depth", "Objects that are not settled", this.depth.clone());
            registry.register("workqueue_adds", "Passes that were asked for", this.adds.clone());
            registry.register("workqueue_retries", "Objects that are tried again after a failure", this.retries.clone());
            registry.register("tenantry_objects", "Objects, by kind and state", this.objects.clone());
            registry.register("tenantry_changes", "Changes of the directory, by verb", this.changes.clone());
            registry.register("tenantry_holds", "What is held now, by reason", this.holds.clone());
            registry.register("tenantry_directory_requests", "Reads and writes of the directory", this.requests.clone());
            registry.register("tenantry_api_writes", "Writes to objects of the cluster", this.writes.clone());
            registry.register("tenantry_drift_seconds", "How old a change from outside was when it was found", this.drift.clone());
            registry.register(
                "tenantry_time_to_disable_seconds",
                "From deleting or changing an object to its account being shut off",
                this.disable.clone(),
            );
            registry.register("leader_election_master_status", "Whether this replica leads", this.leads.clone());
            registry.register("process_resident_memory_bytes", "Memory of the process", this.resident.clone());
        }
        // What begins with 0 is not missed when it happens first.
        for result in ["success", "error", "requeue"] {
            this.reconciled(result, 0);
        }
        this.begin_with_nothing();
        this
    }

    fn begin_with_nothing(&self) {
        self.adds.get_or_create(&Queue { name: CONTROLLER }).inc_by(0);
        self.depth.get_or_create(&Queue { name: CONTROLLER }).inc_by(0);
        for reason in ["OverBudget", "Invalid", "Taken", "WaitingFor", "Denied"] {
            self.holds.get_or_create(&Reasons { reason }).inc_by(0);
        }
    }

    /// The text that a scraper reads.
    pub(super) fn text(&self) -> String {
        if let Some(bytes) = resident() {
            self.resident.set(bytes);
        }
        let mut text = String::new();
        let registry = self.registry.lock().expect("nobody panics holding it");
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }

    pub(super) fn reconciled(&self, result: Word, count: u64) {
        self.reconciles.get_or_create(&Result_ { controller: CONTROLLER, result }).inc_by(count);
        if result == "error" {
            self.errors.get_or_create(&Controller { controller: CONTROLLER }).inc_by(count);
            self.retries.get_or_create(&Queue { name: CONTROLLER }).inc_by(count);
        }
    }

    pub(super) fn passed(&self, took: Duration, unsettled: u64) {
        self.time.observe(took.as_secs_f64());
        self.adds.get_or_create(&Queue { name: CONTROLLER }).inc();
        self.depth.get_or_create(&Queue { name: CONTROLLER }).set(i64::try_from(unsettled).unwrap_or(i64::MAX));
    }

    pub(super) fn changed(&self, verb: Verb) {
        self.changes.get_or_create(&Verbs { verb: verb.as_str() }).inc();
    }

    pub(super) fn shut_off(&self, after: Duration) {
        self.disable.observe(after.as_secs_f64());
    }

    pub(super) fn drifted(&self, since: Duration) {
        self.drift.observe(since.as_secs_f64());
    }

    pub(super) fn directory(&self, operation: Word, good: bool) {
        self.requests.get_or_create(&Requests { operation, result: result(good) }).inc();
    }

    pub(super) fn wrote(&self, job: &Job, good: bool) {
        let operation = match job {
            Job::Keep | Job::LetGo => "finalizer",
            Job::Say(_) | Job::Stamp(_) => "status",
        };
        self.writes.get_or_create(&Requests { operation, result: result(good) }).inc();
    }

    /// Sets how the objects of a Directory stand, and shows the sum over all Directories.
    pub(super) fn stands(&self, directory: &Name, standing: Standing) {
        let mut all = self.standing.lock().expect("nobody panics holding it");
        all.insert(directory.clone(), standing);
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for kind in Kind::ALL {
            for state in State::ALL {
                let count = all.values().filter_map(|it| it.objects.get(&(kind, state))).sum();
                let labels = Objects { kind: kind.word(), state: state.word() };
                self.objects.get_or_create(&labels).set(number(count));
            }
        }
        self.holds.clear();
        self.begin_with_nothing();
        for (reason, count) in all.values().flat_map(|it| &it.holds) {
            self.holds.get_or_create(&Reasons { reason }).inc_by(number(*count));
        }
    }

    pub(super) fn leads(&self, leads: bool) {
        self.leads.set(i64::from(leads));
    }

    /// Everything was seen and looked at once.
    pub(super) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::SeqCst);
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::SeqCst)
    }
}

fn result(good: bool) -> Word {
    if good { "success" } else { "error" }
}

/// Memory of the process, where the system says (proc(5), `statm`, in pages of 4 KiB).
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
