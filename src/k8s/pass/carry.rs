//! Carrying out what a pass decided, with what is written down before and after.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use smol_str::ToSmolStr;

use super::{
    Failure, WAIT, Worker,
    judge::{self, Ground, Judged},
    window,
};
use crate::{
    directory::Stop,
    issue::Issuer,
    k8s::{cluster::ClusterError, index::Watched, secrets},
    manifest::{DirectoryStatus, HourStatus},
    pipeline::{self, Leases, Order},
    plan::Change,
    report::{Report, ResultKind},
};

/// How many accounts were created, and how many mails sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) creates: u64,
    pub(super) mails: u64,
}

impl Worker {
    /// Writes down what is about to be lost, before it is.
    pub(super) async fn spend(&self, ground: &Ground<'_>, judged: &Judged) -> Result<Vec<HourStatus>, Failure> {
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

    pub(super) async fn carry_out(&self, ground: &Ground<'_>, judged: &mut Judged, leases: Leases) -> Result<Report, Failure> {
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

    pub(super) fn count_made(&mut self, judged: &Judged, report: &Report, now: Timestamp) {
        let done = report.results.iter().filter(|it| it.result == ResultKind::Applied);
        let changes: Vec<&Change> = done.filter_map(|it| judged.planned.plan.decision(&it.key)?.change.as_ref()).collect();
        let creates = changes.iter().filter(|it| it.before.is_none()).count() as u64;
        let mails = changes.iter().filter(|it| it.mailed()).count() as u64;
        if creates + mails > 0 {
            self.made.push((now, Made { creates, mails }));
        }
    }

    /// Records what somebody else has changed, where there is nothing to carry out.
    pub(super) async fn note_found(&self, ground: &Ground<'_>, judged: &Judged) {
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
}

/// How long until something declared becomes due by time alone.
pub(super) fn next_expiry(judged: &Judged, now: Timestamp) -> Option<Duration> {
    let expires = judged.desired.entries.iter().filter_map(|entry| entry.state()?.body.user()?.expires);
    let next = expires.filter(|at| *at > now).min()?;
    Some(Duration::try_from(next.duration_since(now)).unwrap_or(Duration::ZERO))
}
