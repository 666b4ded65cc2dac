//! Carries out a plan. Decides nothing: what to do and in which order stands in the plan.

use std::collections::{HashMap, HashSet};

use crate::{
    directory::{Debt, Directory, DirectoryError, ErrorKind, Executed, Lease, Run},
    issue::{Due, IssueError, Issuer, issue},
    model::{Key, RemoteId},
    plan::{Action, Change, Plan, Step},
    report::{Outcome, Report, ResultKind, Skipped},
};

/// Changes handed to a directory at once; between two such batches progress is told and a request to stop is heard.
const BATCH: usize = 5_000;

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many changes are done with.
    Changes(u64),
    /// So many credentials are done with, of so many.
    Credentials(u64, u64),
}

/// Hears how far a run has come.
pub type Told<'a> = dyn Fn(Progress) + Send + Sync + 'a;

/// Carries out every change of a plan, stage after stage, and then gives out what is owed. A failure stops only what needs it.
/// `write`, the right to change, is given back before the first mail.
pub async fn apply(
    directory: &dyn Directory,
    plan: &Plan,
    issuer: &Issuer,
    run: &Run,
    write: Option<Lease>,
    told: &Told<'_>,
) -> Report {
    let (results, undone, reached, ids) = (HashMap::new(), HashSet::new(), HashMap::new(), HashMap::new());
    let mut state = Application { results, undone, reached, ids, told };
    for stage in plan.stages() {
        let mut ready: Vec<Step> = Vec::new();
        for step in stage {
            match state.obstacle(&step, run) {
                None => ready.push(step),
                Some(why) => state.finish(&step.change, ResultKind::Skipped(why)),
            }
        }
        while !ready.is_empty() {
            let rest = ready.split_off(ready.len().min(BATCH));
            state.execute(directory, std::mem::replace(&mut ready, rest), run).await;
        }
    }
    drop(write);
    state.issue(directory, plan, issuer, run).await;
    state.report(plan, run)
}

struct Application<'a> {
    results: HashMap<Key, ResultKind>,
    /// Keys that failed or were not tried.
    undone: HashSet<Key>,
    /// How far objects have come whose change has another step.
    reached: HashMap<Key, Executed>,
    /// The objects that were changed.
    ids: HashMap<Key, RemoteId>,
    told: &'a Told<'a>,
}

impl Application<'_> {
    /// Why a step is not to be tried.
    fn obstacle(&self, step: &Step, run: &Run) -> Option<Skipped> {
        if run.stop.requested() {
            return Some(Skipped::Interrupted);
        }
        let undone = |key: &&Key| self.undone.contains(*key);
        step.needs.iter().find(undone).map(|key| Skipped::Dependency(key.clone()))
    }

    async fn execute(&mut self, directory: &dyn Directory, steps: Vec<Step>, run: &Run) {
        let mut changes = Vec::with_capacity(steps.len());
        let mut last = Vec::with_capacity(steps.len());
        for Step { mut change, needs: _, last: done } in steps {
            if self.results.contains_key(&change.key) {
                continue; // an earlier step of it failed
            }
            if let Some(Executed { id, version }) = self.reached.get(&change.key) {
                (change.remote, change.expect) = (Some(id.clone()), version.clone());
            }
            changes.push(change);
            last.push(done);
        }
        let outcomes = directory.execute_all(&changes, run).await;
        let unanswered = || Err(DirectoryError::new("carry out the change", ErrorKind::Failed));
        let outcomes = outcomes.into_iter().chain(std::iter::repeat_with(unanswered));
        for ((change, last), outcome) in changes.iter().zip(last).zip(outcomes) {
            match outcome {
                Ok(executed) if !last => {
                    self.reached.insert(change.key.clone(), executed);
                }
                Ok(Executed { id, version: _ }) => {
                    self.ids.insert(change.key.clone(), id);
                    self.finish(change, ResultKind::Applied);
                }
                Err(error) => self.finish(change, failure(&error)),
            }
        }
        (self.told)(Progress::Changes(self.results.len() as u64));
    }

    /// Gives out the credentials of everybody whose change was carried out. What fails stays owed, and is a failure of its
    /// change: what is declared is not true yet.
    async fn issue(&mut self, directory: &dyn Directory, plan: &Plan, issuer: &Issuer, run: &Run) {
        let dues: Vec<Due> = plan.changes().filter_map(|change| due(change, self.ids.get(&change.key)?)).collect();
        if dues.is_empty() {
            return;
        }
        let of = dues.len() as u64;
        let told = |done| (self.told)(Progress::Credentials(done, of));
        let outcomes = issue(directory, &dues, issuer, run, &told).await;
        for (due, outcome) in dues.iter().zip(outcomes) {
            if let Err(error) = outcome {
                self.results.insert(due.debt.key.clone(), owed(due, &error));
            }
        }
    }

    fn finish(&mut self, change: &Change, result: ResultKind) {
        if result != ResultKind::Applied {
            self.undone.insert(change.key.clone());
        }
        self.results.entry(change.key.clone()).or_insert(result);
    }

    fn report(mut self, plan: &Plan, run: &Run) -> Report {
        let outcome = |change: &Change| Outcome {
            key: change.key.clone(),
            verb: change.verb(),
            source: change.source.clone(),
            id: self.ids.remove(&change.key).or_else(|| change.remote.clone()),
            result: self.results.remove(&change.key).unwrap_or(ResultKind::Skipped(Skipped::Interrupted)),
        };
        let results: Vec<Outcome> = plan.changes().map(outcome).collect();
        let undone = |it: &Outcome| match &it.result {
            ResultKind::Skipped(Skipped::Interrupted) => true,
            ResultKind::Failed { message: _, retry_helps: _, refused: _, interrupted } => *interrupted,
            ResultKind::Applied | ResultKind::Skipped(Skipped::Dependency(_)) => false,
        };
        let interrupted = run.stop.requested() && results.iter().any(undone);
        Report { results, interrupted }
    }
}

fn failure(error: &DirectoryError) -> ResultKind {
    if error.kind == ErrorKind::Interrupted {
        return ResultKind::Skipped(Skipped::Interrupted);
    }
    let refused = error.kind == ErrorKind::Refused;
    ResultKind::Failed { message: error.chain(), retry_helps: error.retry_helps(), refused, interrupted: false }
}

/// The credential that a change that was carried out makes due.
fn due(change: &Change, id: &RemoteId) -> Option<Due> {
    let credential = change.issues()?.clone();
    let (Action::Create(to) | Action::Update { fields: _, to }) = &change.action else { return None };
    let user = to.body.user()?;
    let owed = change.credential.as_ref()?.mark.clone();
    let debt = Debt { key: change.key.clone(), id: id.clone(), owed };
    let (email, username, name) = (user.email.clone(), user.username.clone(), user.display_name.clone());
    Some(Due { debt, credential, email, username, name })
}

/// The account is as declared, and its credential is still owed.
fn owed(due: &Due, error: &IssueError) -> ResultKind {
    let interrupted = matches!(error, IssueError::Interrupted);
    let message =
        format!("the account stands; its credential ({}) is still owed: {}", due.credential.method.as_str(), error.chain());
    ResultKind::Failed { message, retry_helps: error.retry_helps(), refused: false, interrupted }
}
