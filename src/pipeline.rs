//! The sentences both front ends are made of: plan, apply, import.

mod carry;
mod import;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use crate::{
    desired::{self, Desired, Known},
    directory::{Directory, DirectoryError},
    manifest::{Problem, Project, Sources},
    model::{Body, Key, Kind, RemoteId, Username},
    observed::{Applied, Contents, Observed, Scope},
    organisation::Outlook,
    plan::{self, Acting, Action, Allow, Approved, Authority, Change, Held, Input, Plan, Policy, Purge, Refusal},
};

pub use carry::{ApplyError, Leases, Order, apply, carry_out, note_found};
pub use import::{Imported, ImportedState, LeftOut, import};

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
    /// What is not changed for now, and why.
    pub aside: BTreeMap<Key, Held>,
    /// Nobody is there to say yes: what was shut off outside stays shut off.
    pub unattended: bool,
    /// What is not declared may only not have been written yet: nothing is done that cannot be taken back.
    pub gently: bool,
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
    /// When reading began.
    pub at: Timestamp,
    /// Whether all of it was read then; else only some of it was, and the rest before.
    pub whole: bool,
    /// How long reading took.
    pub read: Duration,
}

/// Reads a directory for a project. Writes nothing.
pub async fn look(directory: &dyn Directory, project: &Project, scope: &Scope) -> Result<Seen, DirectoryError> {
    let (started, at) = (Instant::now(), Timestamp::now());
    let observed = directory.observe(&project.owner, scope, project.budget.window).await?;
    Ok(Seen { observed, at, whole: matches!(scope, Scope::All), read: started.elapsed() })
}

/// Reads the directory and decides. Writes nothing.
pub async fn plan(directory: &dyn Directory, request: &Request<'_>) -> Result<Planned, DirectoryError> {
    let mut seen = look(directory, request.project, &request.scope).await?;
    plan_and_weigh(directory, request, &mut seen).await
}

/// Decides on what was seen, and asks what would go with the customers and companies that would be deleted, where the directory
/// has such things: they are counted and named in the plan. What was asked is kept with what was seen.
pub async fn plan_and_weigh(directory: &dyn Directory, request: &Request<'_>, seen: &mut Seen) -> Result<Planned, DirectoryError> {
    let planned = plan_on(directory, request, seen);
    let weighed = weigh(directory, &planned.plan, &seen.observed).await?;
    if weighed.is_empty() {
        return Ok(planned);
    }
    seen.observed.contents.extend(weighed);
    Ok(plan_on(directory, request, seen))
}

/// What would go with the customers and companies that a plan deletes, of those for which nobody has asked yet.
pub async fn weigh(
    directory: &dyn Directory,
    plan: &Plan,
    observed: &Observed,
) -> Result<BTreeMap<RemoteId, Contents>, DirectoryError> {
    if !directory.capabilities().contents {
        return Ok(BTreeMap::new());
    }
    let emptied = |change: &Change| {
        let id = change.remote.clone().filter(|id| !observed.contents.contains_key(id))?;
        let place = matches!(change.key.kind, Kind::Company | Kind::Customer);
        (place && matches!(change.action, Action::Delete)).then_some((change.key.kind, id))
    };
    let ids: Vec<(Kind, RemoteId)> = plan.changes().filter_map(emptied).collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = directory.contents(&ids).await?;
    Ok(ids.into_iter().map(|(_, id)| id).zip(found).collect())
}

/// Decides on what was seen.
pub fn plan_on(directory: &dyn Directory, request: &Request<'_>, seen: &Seen) -> Planned {
    let started = Instant::now();
    let planned = decide(directory, request, &seen.observed);
    Planned { read: seen.read, planned: started.elapsed(), ..planned }
}

fn decide(directory: &dyn Directory, request: &Request<'_>, observed: &Observed) -> Planned {
    let Request {
        desired,
        sources,
        project,
        actor,
        scope,
        adopt,
        purge,
        orders,
        allow,
        approved,
        aside,
        unattended,
        gently,
        now,
        outlook,
    } = request;
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
        Some(&Known {
            roles: observed.roles(),
            others: observed.roles_of_others(&project.owner),
            aside: aside.keys().filter(|key| key.kind == Kind::Role).cloned().collect(),
            region: &region,
        }),
    );
    let policy = Policy {
        owner: project.owner.clone(),
        now: *now,
        retention: project.retention,
        protected: project.protected.clone(),
        adopt: adopt.clone(),
        purge: purge.clone(),
        orders: orders.clone(),
        aside: aside.clone(),
        gently: *gently,
    };
    let input = Input {
        directory: directory.name(),
        desired,
        roles: &roles,
        observed,
        capabilities: &directory.capabilities(),
        scope,
        policy: &policy,
        approved: *approved,
    };
    let mut plan = plan::plan(&input);
    for decision in &mut plan.decisions {
        if let (Some(change), Some(origin)) = (&mut decision.change, decision.origin) {
            change.source = Some(sources.told(origin, &change.key));
        }
    }
    let authority = Authority::of(*actor, observed, &roles.last, *now);
    plan.withhold(&authority);
    if *unattended {
        plan.leave_shut(observed);
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
