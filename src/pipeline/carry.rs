//! Carrying a plan out: under the lease, on what the directory holds then, with what is recorded beside the changes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use smol_str::SmolStr;

use super::{Planned, Request, Seen, look, plan_and_weigh};
use crate::{
    apply::{self, Told},
    directory::{Directory, DirectoryError, Lease, Right, Run, Stop},
    history::{self, Commit},
    issue::Issuer,
    manifest::Extent,
    model::Key,
    observed::{Scope, Settings},
    plan::{self, Hold},
    report::Report,
};

/// How long to wait, at least, for somebody else who is changing something: that takes seconds.
const WRITING: Duration = Duration::from_mins(1);

/// How a plan is carried out.
#[derive(Debug, Clone)]
pub struct Order {
    /// Unique to the run.
    pub run: SmolStr,
    /// Who acts; none means the operator.
    pub actor: Option<SmolStr>,
    /// How long to wait for the lease.
    pub wait: Duration,
    /// Set by Ctrl-C.
    pub stop: Stop,
    /// By which commit things came to be declared, or ceased to be, where that could be told.
    pub commits: Arc<BTreeMap<Key, Commit>>,
    /// When the directory was last found as it was recorded, for one who looks oftener than they write.
    pub looked: Option<Timestamp>,
}

/// Why nothing was carried out.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The directory failed before the first write, or the lease is held by another run.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The directory moved after the plan was shown: this is what would happen now.
    #[error("the directory changed after the plan was made")]
    Stale(Box<Planned>),
    /// The plan under the lease does not pass the gates.
    #[error("a safety gate refused")]
    Refused(Box<Planned>),
}

/// The right to change a directory, for a run and for as long as it lives.
#[derive(Debug)]
pub struct Leases {
    run: Option<Lease>,
    write: Lease,
}

impl Leases {
    /// Takes both rights, waiting up to `wait` for another run to end.
    pub async fn take(directory: &dyn Directory, wait: Duration) -> Result<Self, DirectoryError> {
        Self::of(directory, wait, false).await
    }

    /// `urgent` is what does not wait for the mails of another run.
    async fn of(directory: &dyn Directory, wait: Duration, urgent: bool) -> Result<Self, DirectoryError> {
        let run = if urgent { None } else { Some(directory.lease(Right::Run, wait).await?) };
        Ok(Self { run, write: directory.lease(Right::Write, wait.max(WRITING)).await? })
    }
}

/// What is new about a run beside its changes.
struct News<'a> {
    root: Option<&'a String>,
    settings: Settings,
    resettled: bool,
}

impl<'a> News<'a> {
    fn of(request: &Request<'a>, shown: &Planned) -> Self {
        let root = match &request.desired.extent {
            Extent::Whole { root } => Some(root).filter(|root| shown.plan.last_root.as_ref() != Some(root)),
            Extent::Part | Extent::Objects => None,
        };
        let settings = Settings::of(request.project);
        let others = shown.applied.settings.as_ref().is_some_and(|last| *last != settings);
        let resettled = request.orders.is_empty() && (others || !shown.plan.loosens.is_empty() || shown.applied.begins);
        Self { root, settings, resettled }
    }

    /// Whether there is nothing to write at all.
    fn none(&self, shown: &Planned) -> bool {
        shown.plan.changes().next().is_none() && self.root.is_none() && !self.resettled
    }
}

/// Takes the lease, plans again, and carries the plan out if it is still `shown`. An empty plan is done at once, without
/// lease or write, unless it is the first of its root or the settings are others.
pub async fn apply(
    directory: &dyn Directory,
    request: &Request<'_>,
    shown: &Planned,
    order: &Order,
    issuer: &Issuer,
    told: &Told<'_>,
) -> Result<Report, ApplyError> {
    if News::of(request, shown).none(shown) {
        return Ok(Report::default());
    }
    let leases = Leases::of(directory, order.wait, urgent(request)).await?;
    // What is about to change is read again; the rest was read a moment ago, and whoever wrote since then is noticed.
    let scope = Scope::Only(shown.plan.decisions.iter().map(|decision| decision.key.clone()).collect());
    let mut seen = look(directory, request.project, &scope).await?;
    let fresh = plan_and_weigh(directory, request, &mut seen).await?;
    // Nearly always the two are equal, which costs far less to find out than another digest.
    if fresh.plan != shown.plan && fresh.plan.digest() != shown.plan.digest() {
        return Err(ApplyError::Stale(Box::new(fresh)));
    }
    if !fresh.refused.is_empty() {
        return Err(ApplyError::Refused(Box::new(fresh)));
    }
    Ok(carry_out(directory, request, (&seen, &fresh), leases, order, issuer, told).await?)
}

/// Carries out a plan that passes its gates and was made on what was `seen` under the lease: nobody can have changed anything
/// since. An empty plan writes nothing, as in [`apply()`].
pub async fn carry_out(
    directory: &dyn Directory,
    request: &Request<'_>,
    (seen, planned): (&Seen, &Planned),
    leases: Leases,
    order: &Order,
    issuer: &Issuer,
    told: &Told<'_>,
) -> Result<Report, DirectoryError> {
    let news = News::of(request, planned);
    if news.none(planned) {
        return Ok(Report::default());
    }
    let run = order.run(request, planned.plan.digest().into());
    if !urgent(request) {
        record_found(directory, seen, order.looked, &run).await?;
        directory.bury(seen.at, &run).await?;
    }
    let Leases { run: _run, write } = leases;
    let report = apply::apply(directory, &planned.plan, issuer, &run, Some(write), told).await;
    // A run that could not read everything, did not get through, or was to leave something for others, vouches for no root: the
    // gate stays where it was.
    let done = report.done();
    let left = planned.plan.held().any(|(_, held)| held.hold == Hold::NotApproved);
    let through = planned.plan.tally.unreadable == 0 && done.failed == 0 && done.skipped == 0 && !left;
    let News { root, settings, resettled: _ } = news;
    let root = root.filter(|_| through).map(String::as_str);
    // An order is no way to take settings over: nobody is asked about them there.
    let settled = !request.orders.is_empty() || planned.applied.settings.as_ref() == Some(&settings);
    // What was done is told whatever becomes of this: the next apply takes the settings over.
    if (root.is_some() || !settled)
        && let Err(error) = directory.remember(&request.project.owner, root, &settings).await
    {
        tracing::warn!(error = error.chain(), "what was applied was not noted: the next apply does that");
    }
    Ok(report)
}

/// Shutting off never waits for somebody else's mails: a lock needs no more than the right to write.
fn urgent(request: &Request<'_>) -> bool {
    !request.orders.is_empty() && request.orders.values().all(|order| matches!(order, plan::Order::Lock(_)))
}

/// Records what somebody else has changed since the last run, before this one changes anything: afterwards nobody could tell.
async fn record_found(directory: &dyn Directory, seen: &Seen, since: Option<Timestamp>, run: &Run) -> Result<(), DirectoryError> {
    let Some(history) = directory.history() else { return Ok(()) };
    let found = history::news(&*history.past(None).await?, &seen.observed);
    history.looked(&found, since, seen.at, run).await
}

/// Records what somebody else has changed, for one who looks oftener than there is anything to apply, and takes passwords away
/// that died unused. Takes the right to write,
/// and looks again, only where `seen` has something to record; says how much that was.
pub async fn note_found(
    directory: &dyn Directory,
    request: &Request<'_>,
    seen: &Seen,
    order: &Order,
) -> Result<usize, DirectoryError> {
    let Some(history) = directory.history() else { return Ok(0) };
    if history::news(&*history.past(None).await?, &seen.observed).is_empty() && directory.overdue(seen.at).await == 0 {
        return Ok(0);
    }
    let _write = directory.lease(Right::Write, order.wait.max(WRITING)).await?;
    let seen = look(directory, request.project, &request.scope).await?;
    let (found, run) = (history::news(&*history.past(None).await?, &seen.observed), order.run(request, SmolStr::default()));
    history.looked(&found, order.looked, seen.at, &run).await?;
    directory.bury(seen.at, &run).await?;
    Ok(found.len())
}

impl Order {
    /// What the trail says of every change of this run.
    fn run(&self, request: &Request<'_>, digest: SmolStr) -> Run {
        let Self { run, actor, wait: _, stop, commits, looked: _ } = self;
        Run {
            id: run.clone(),
            owner: request.project.owner.clone(),
            actor: actor.clone(),
            digest,
            losses_allowed: request.allow.removals.is_some(),
            stop: stop.clone(),
            commits: Arc::clone(commits),
        }
    }
}
