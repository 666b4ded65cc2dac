//! Carries out a plan. Decides nothing: what to do and in which order stands in the plan.

use std::collections::{HashMap, HashSet};

use crate::{
    directory::{Directory, DirectoryError, ErrorKind, Executed, Run},
    model::Key,
    plan::{Change, Plan, Step},
    report::{Outcome, Report, ResultKind, Skipped},
};

/// Changes handed to a directory at once; between two such batches progress is told and a request to stop is heard.
const BATCH: usize = 5_000;

/// Carries out every change of a plan, stage after stage. A failure stops only what needs it. `progress` is told how many
/// changes are done with.
pub async fn apply(directory: &dyn Directory, plan: &Plan, run: &Run, progress: &(dyn Fn(u64) + Send + Sync)) -> Report {
    let mut state = Progress { results: HashMap::new(), undone: HashSet::new(), reached: HashMap::new(), told: progress };
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
    state.report(plan, run)
}

struct Progress<'a> {
    results: HashMap<Key, ResultKind>,
    /// Keys that failed or were not tried.
    undone: HashSet<Key>,
    /// How far objects have come whose change has another step.
    reached: HashMap<Key, Executed>,
    told: &'a (dyn Fn(u64) + Send + Sync),
}

impl Progress<'_> {
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
                Ok(_) => self.finish(change, ResultKind::Applied),
                Err(error) => self.finish(change, failure(&error)),
            }
        }
        (self.told)(self.results.len() as u64);
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
            result: self.results.remove(&change.key).unwrap_or(ResultKind::Skipped(Skipped::Interrupted)),
        };
        let results: Vec<Outcome> = plan.changes().map(outcome).collect();
        let interrupted = run.stop.requested() && results.iter().any(|it| it.result == ResultKind::Skipped(Skipped::Interrupted));
        Report { results, interrupted }
    }
}

fn failure(error: &DirectoryError) -> ResultKind {
    if error.kind == ErrorKind::Interrupted {
        return ResultKind::Skipped(Skipped::Interrupted);
    }
    ResultKind::Failed { message: error.chain(), retry_helps: error.retry_helps(), refused: error.kind == ErrorKind::Refused }
}
