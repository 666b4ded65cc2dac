//! The sentences both front ends are made of: plan, apply, import.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use smol_str::SmolStr;

use crate::{
    apply::{self, Told},
    desired::{self, Desired, Known},
    directory::{Directory, DirectoryError, Right, Run, Stop},
    history::{self, Commit},
    issue::Issuer,
    manifest::{Extent, Problem, Project, Sources},
    model::{Body, Key, Kind, Name, Namespace, Place, RemoteId, State, Username},
    observed::{Applied, Live, Observed, Scope, Settings, Stranger},
    organisation::Outlook,
    plan::{self, Acting, Allow, Approved, Authority, Hold, Input, Plan, Policy, Purge, Refusal},
    report::Report,
};

/// What is asked for: the same for a plan and for the apply of it.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// What is wanted.
    pub desired: &'a Desired,
    /// Where documents stand, for the directory to remember.
    pub sources: &'a Sources,
    /// Whose, and within which limits.
    pub project: &'a Project,
    /// Who acts: `actor` of the project, or `--actor`.
    pub actor: Option<&'a Username>,
    /// What is decided.
    pub scope: Scope,
    /// `--adopt KEY`.
    pub adopt: BTreeSet<Key>,
    /// `--purge`, `--purge KEY`.
    pub purge: Purge,
    /// What is ordered beside the declaration.
    pub orders: BTreeMap<Key, plan::Order>,
    /// What the flags allow.
    pub allow: Allow,
    /// Nobody is there to say yes: what was shut off outside stays shut off.
    pub unattended: bool,
    /// `--expect PLAN.json`: the plan that was approved. Nothing else is done, whatever the directory holds by then.
    pub approved: Option<&'a Approved>,
    /// The time that `expires` and retention are judged by.
    pub now: Timestamp,
    /// Whether the organisation after the plan is wanted as well, which takes its time for everybody in it.
    pub outlook: bool,
}

/// A plan, and what came with it.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// Who acts, as the directory knows them.
    pub acting: Acting,
    /// What the roles in force have against the declaration; the problems of loading are not repeated here.
    pub problems: Vec<Problem>,
    /// The gates it does not pass.
    pub refused: Vec<Refusal>,
    /// What was applied before.
    pub applied: Applied,
    /// The organisation after the plan, where that was wanted.
    pub outlook: Option<Outlook>,
    /// How long reading took.
    pub read: Duration,
    /// How long planning took.
    pub planned: Duration,
}

/// What a directory held, and how long it took to read.
#[derive(Debug, Clone)]
pub struct Seen {
    /// All of it.
    pub observed: Observed,
    /// How long reading took.
    pub read: Duration,
}

/// Reads a directory for a project. Writes nothing.
pub async fn look(directory: &dyn Directory, project: &Project, scope: &Scope) -> Result<Seen, DirectoryError> {
    let started = Instant::now();
    let observed = directory.observe(&project.owner, scope, project.budget.window).await?;
    Ok(Seen { observed, read: started.elapsed() })
}

/// Reads the directory and decides. Writes nothing.
pub async fn plan(directory: &dyn Directory, request: &Request<'_>) -> Result<Planned, DirectoryError> {
    Ok(plan_on(directory, request, &look(directory, request.project, &request.scope).await?))
}

/// Decides on what was seen.
pub fn plan_on(directory: &dyn Directory, request: &Request<'_>, seen: &Seen) -> Planned {
    let started = Instant::now();
    let planned = decide(directory, request, &seen.observed);
    Planned { read: seen.read, planned: started.elapsed(), ..planned }
}

fn decide(directory: &dyn Directory, request: &Request<'_>, observed: &Observed) -> Planned {
    let Request { desired, sources, project, actor, scope, adopt, purge, orders, allow, approved, unattended, now, outlook } =
        request;
    let region = |key: &Key| {
        let state = &observed.get(key)?.state;
        let region = match &state.body {
            Body::Company(company) => company.region.clone(),
            Body::Role(_) | Body::Customer(_) | Body::User(_) => None,
        };
        Some((region, state.place.clone()))
    };
    let roles = desired::roles(
        desired,
        project,
        Some(&Known { roles: observed.roles(), others: observed.roles_of_others(&project.owner), region: &region }),
    );
    let policy = Policy {
        owner: project.owner.clone(),
        now: *now,
        retention: project.retention,
        protected: project.protected.clone(),
        adopt: adopt.clone(),
        purge: purge.clone(),
        orders: orders.clone(),
    };
    let input = Input {
        directory: directory.name(),
        desired,
        roles: &roles,
        observed,
        capabilities: directory.capabilities(),
        scope,
        policy: &policy,
        approved: *approved,
    };
    let mut plan = plan::plan(&input);
    for decision in &mut plan.decisions {
        if let (Some(change), Some(origin)) = (&mut decision.change, decision.origin) {
            change.source = Some(sources.display(origin));
        }
    }
    let authority = Authority::of(*actor, observed, &roles.last, *now);
    plan.withhold(&authority);
    if *unattended {
        plan.leave_shut();
    }
    plan.loosens = observed.applied.loosened_by(project);
    let mut refused: Vec<Refusal> = approved.and_then(|approved| plan.strays(approved)).into_iter().collect();
    refused.extend(plan.check(&project.budget, allow));
    refused.extend(plan.overreach(&authority));
    refused.extend(plan.loosened().or_else(|| plan.loosened_unapproved((*approved)?)));
    let (acting, applied) = (authority.acting, observed.applied.clone());
    let outlook = outlook.then(|| Outlook::new(desired, observed, &plan));
    Planned { plan, acting, problems: roles.problems, refused, applied, outlook, read: Duration::ZERO, planned: Duration::ZERO }
}

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
    let new_root = match &request.desired.extent {
        Extent::Whole { root } => Some(root).filter(|root| shown.plan.last_root.as_ref() != Some(root)),
        Extent::Part => None,
    };
    let settings = Settings::of(request.project);
    let new_settings = request.orders.is_empty()
        && (shown.applied.settings.as_ref().is_some_and(|last| *last != settings) || !shown.plan.loosens.is_empty());
    if shown.plan.changes().next().is_none() && new_root.is_none() && !new_settings {
        return Ok(Report::default());
    }
    // Shutting off never waits for somebody else's mails: a lock needs no more than the right to write.
    let urgent = !request.orders.is_empty() && request.orders.values().all(|order| matches!(order, plan::Order::Lock(_)));
    let _run = if urgent { None } else { Some(directory.lease(Right::Run, order.wait).await?) };
    let write = directory.lease(Right::Write, order.wait.max(WRITING)).await?;
    let at = Timestamp::now();
    let seen = look(directory, request.project, &request.scope).await?;
    let fresh = plan_on(directory, request, &seen);
    let digest = fresh.plan.digest();
    // Nearly always the two are equal, which costs far less to find out than another digest.
    if fresh.plan != shown.plan && digest != shown.plan.digest() {
        return Err(ApplyError::Stale(Box::new(fresh)));
    }
    if !fresh.refused.is_empty() {
        return Err(ApplyError::Refused(Box::new(fresh)));
    }
    let run = order.run(request, digest.into());
    if !urgent {
        record_found(directory, &seen.observed, order.looked, at, &run).await?;
    }
    let report = apply::apply(directory, &fresh.plan, issuer, &run, Some(write), told).await;
    // A run that could not read everything, did not get through, or was to leave something for others, vouches for no root: the
    // gate stays where it was.
    let done = report.done();
    let left = fresh.plan.held().any(|(_, held)| held.hold == Hold::NotApproved);
    let through = fresh.plan.tally.unreadable == 0 && done.failed == 0 && done.skipped == 0 && !left;
    let root = new_root.filter(|_| through).map(String::as_str);
    // An order is no way to take settings over: nobody is asked about them there.
    let settled = !request.orders.is_empty() || shown.applied.settings.as_ref() == Some(&settings);
    if root.is_some() || !settled {
        directory.remember(&request.project.owner, root, &settings).await?;
    }
    Ok(report)
}

/// Records what somebody else has changed since the last run, before this one changes anything: afterwards nobody could tell.
async fn record_found(
    directory: &dyn Directory,
    observed: &Observed,
    since: Option<Timestamp>,
    at: Timestamp,
    run: &Run,
) -> Result<(), DirectoryError> {
    let Some(history) = directory.history() else { return Ok(()) };
    let found = history::drift(&history.past(None).await?, observed);
    history.looked(&found, since, at, run).await
}

/// Records what somebody else has changed, for one who looks oftener than there is anything to apply. Takes the right to write,
/// and looks again, only where `seen` has something to record; says how much that was.
pub async fn note_found(
    directory: &dyn Directory,
    request: &Request<'_>,
    seen: &Seen,
    order: &Order,
) -> Result<usize, DirectoryError> {
    let Some(history) = directory.history() else { return Ok(0) };
    if history::drift(&history.past(None).await?, &seen.observed).is_empty() {
        return Ok(0);
    }
    let _write = directory.lease(Right::Write, order.wait.max(WRITING)).await?;
    let at = Timestamp::now();
    let observed = look(directory, request.project, &request.scope).await?.observed;
    let found = history::drift(&history.past(None).await?, &observed);
    history.looked(&found, order.looked, at, &order.run(request, SmolStr::default())).await?;
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

/// What an import found.
#[derive(Debug, Clone)]
pub struct Imported {
    /// What is managed by this owner and not retired, and with `all` what could be adopted; sorted by key.
    pub states: Vec<ImportedState>,
    /// What cannot be declared, with the reason; sorted.
    pub left_out: Vec<LeftOut>,
}

/// One thing to write as a document.
#[derive(Debug, Clone)]
pub struct ImportedState {
    /// What it is. `suspended` says whether the document has `enabled: false`.
    pub state: State,
    /// The id for `tenantry.dev/adopt`, if it is not managed yet.
    pub adopt: Option<RemoteId>,
}

/// Something that cannot be declared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// Which object, for people.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// Reads what the directory holds as things that can be declared.
pub async fn import(directory: &dyn Directory, owner: &Name, all: bool) -> Result<Imported, DirectoryError> {
    let observed = directory.observe(owner, &Scope::All, Duration::ZERO).await?;
    let mut imported = Imported { states: Vec::new(), left_out: Vec::new() };
    for live in observed.ours.iter().filter(|live| live.state.owner.as_ref() == Some(owner) && !live.state.retired) {
        match declarable(live, &observed) {
            Ok(state) => imported.states.push(ImportedState { state, adopt: None }),
            Err(reason) => imported.left_out.push(LeftOut { what: live.state.key.to_string(), reason }),
        }
    }
    if all {
        strangers(&observed, owner, &mut imported);
    }
    imported.states.sort_by(|a, b| a.state.key.cmp(&b.state.key));
    imported.left_out.sort();
    Ok(imported)
}

fn declarable(live: &Live, observed: &Observed) -> Result<State, String> {
    let state = live.state.clone();
    if state.key.kind != Kind::User {
        return Ok(state);
    }
    let Some(above) = state.above().filter(|above| observed.get(above).is_some()) else {
        return Err("what it stands under is not managed".into());
    };
    // Somebody who is shut off for no reason that the documents will tell is written as what they are: shut off. Otherwise an
    // import, applied, would let them in.
    let expires = state.body.user().and_then(|user| user.expires).is_some();
    let told = expires || state.locked.is_some() || shut_above(&above, observed);
    let suspended = state.suspended || !state.enabled && !told;
    Ok(State { suspended, ..state })
}

/// Whether something at or above a key is disabled.
fn shut_above(above: &Key, observed: &Observed) -> bool {
    let mut at = Some(above.clone());
    // Longer than there are objects is a cycle, which no directory of ours lets in.
    for _ in 0..=observed.ours.len() {
        let Some(live) = at.as_ref().and_then(|key| observed.get(key)) else { return false };
        if !live.state.enabled || live.state.retired {
            return true;
        }
        at = live.state.above();
    }
    true
}

/// Strangers get a name: companies first, since those below name them.
fn strangers(observed: &Observed, owner: &Name, imported: &mut Imported) {
    let mut places: HashMap<&RemoteId, Key> = observed.ours.iter().map(|live| (&live.id, live.state.key.clone())).collect();
    let mut names: BTreeSet<Key> = observed.ours.iter().map(|live| live.state.key.clone()).collect();
    let mut waiting: Vec<&Stranger> = observed.strangers.iter().collect();
    loop {
        let mut later = Vec::new();
        let before = waiting.len();
        for stranger in std::mem::take(&mut waiting) {
            let parent = stranger.parent.as_ref().map(|id| places.get(id));
            match (parent, &stranger.fit) {
                (_, Err(reason)) => imported.left_out.push(left_out(stranger, reason)),
                (Some(None), _) => later.push(stranger),
                (None, _) if stranger.kind == Kind::User => imported.left_out.push(left_out(stranger, "it stands under nothing")),
                (parent, Ok(body)) => {
                    let above = parent.flatten().cloned();
                    let namespace = match (&above, stranger.kind) {
                        (Some(above), _) => above.namespace.clone(),
                        (None, Kind::Role) => Namespace::GLOBAL,
                        (None, Kind::Company | Kind::Customer | Kind::User) => Namespace::DEFAULT,
                    };
                    let key = free_key(stranger, &namespace, &names);
                    names.insert(key.clone());
                    places.insert(&stranger.id, key.clone());
                    let state = State {
                        place: above.as_ref().and_then(Place::under),
                        key,
                        body: body.clone(),
                        enabled: stranger.enabled,
                        suspended: !stranger.enabled,
                        retired: false,
                        locked: stranger.locked.clone(),
                        owner: Some(owner.clone()),
                        deletion: crate::model::Deletion::Disable,
                    };
                    imported.states.push(ImportedState { state, adopt: Some(stranger.id.clone()) });
                }
            }
        }
        waiting = later;
        if waiting.is_empty() || waiting.len() == before {
            break;
        }
    }
    imported.left_out.extend(waiting.into_iter().map(|stranger| left_out(stranger, "what it stands under cannot be declared")));
}

fn left_out(stranger: &Stranger, reason: &str) -> LeftOut {
    LeftOut { what: format!("{} `{}` ({})", stranger.kind.word(), stranger.label, stranger.id.0), reason: reason.to_owned() }
}

/// The label as a DNS label, with a short hash of the directory's id where that changed it or the name is taken.
fn free_key(stranger: &Stranger, namespace: &Namespace, names: &BTreeSet<Key>) -> Key {
    let nearest = Name::nearest(&stranger.label);
    if let Some(name) = nearest.clone().filter(|name| name.as_str() == stranger.label.as_str()) {
        let key = Key::new(stranger.kind, namespace.clone(), name);
        if !names.contains(&key) {
            return key;
        }
    }
    let base: String = nearest.map_or_else(|| stranger.kind.word().to_owned(), |name| name.as_str().chars().take(50).collect());
    let salted = (0u32..).find_map(|salt| {
        let hash = short_hash(&stranger.id, salt);
        let name = Name::new(&format!("{}-{hash}", base.trim_end_matches('-'))).ok()?;
        let key = Key::new(stranger.kind, namespace.clone(), name);
        (!names.contains(&key)).then_some(key)
    });
    salted.expect("one of four thousand million names is free")
}

fn short_hash(id: &RemoteId, salt: u32) -> String {
    use sha2::{Digest, Sha256};
    let hash = Sha256::new().chain_update(id.0.as_bytes()).chain_update(salt.to_be_bytes()).finalize();
    format!("{:08x}", u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]))
}
