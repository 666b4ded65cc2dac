//! Who leads: client-go's algorithm on a Lease
//! (<https://github.com/kubernetes/client-go/blob/master/tools/leaderelection/leaderelection.go>), with the deadline of the
//! renewal judged by our own clock. A leader that cannot renew, or was stopped for a while, ends its term by itself before
//! anybody can follow it; `leaseTransitions` numbers the terms.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{Api, api::PostParams};
use tokio::{
    sync::watch,
    time::{sleep_until, timeout_at},
};

/// How long others wait for a leader that is silent.
const LEASE: Duration = Duration::from_secs(15);
/// How long a leader leads without having renewed.
const RENEW: Duration = Duration::from_secs(10);
/// How often it is tried.
const RETRY: Duration = Duration::from_secs(2);

/// Until when we may write.
#[derive(Debug)]
pub(super) struct Fence(Mutex<Reign>);

#[derive(Debug, Clone, Copy)]
enum Reign {
    /// There is no other replica.
    Alone,
    /// Somebody else leads, or nobody.
    Over,
    /// We lead.
    Until(Instant),
}

impl Fence {
    /// One that always holds: there is no other replica.
    pub(super) fn open() -> Self {
        Self(Mutex::new(Reign::Alone))
    }

    /// One that holds as long as a term says.
    pub(super) fn closed() -> Self {
        Self(Mutex::new(Reign::Over))
    }

    /// Whether we may write now.
    pub(super) fn holds(&self) -> bool {
        match *self.0.lock().expect("nobody panics holding it") {
            Reign::Alone => true,
            Reign::Over => false,
            Reign::Until(until) => Instant::now() < until,
        }
    }

    fn set(&self, until: Option<Instant>) {
        *self.0.lock().expect("nobody panics holding it") = until.map_or(Reign::Over, Reign::Until);
    }
}

/// Tries to lead, and to go on leading.
pub(super) struct Elector {
    pub(super) api: Api<Lease>,
    pub(super) name: String,
    /// New at each start: whoever holds this renews.
    pub(super) id: String,
    /// The version of another's lease, and since when we have seen it.
    pub(super) seen: Option<(String, Instant)>,
}

impl Elector {
    /// Takes or renews, and says which term it is. Another holder's end is judged by our clock, from when its lease last changed.
    async fn attempt(&mut self) -> Result<Option<i32>, kube::Error> {
        let now = MicroTime(Timestamp::now());
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            let mut lease = Lease { spec: Some(self.spec(0, now.clone(), now)), ..Lease::default() };
            lease.metadata.name = Some(self.name.clone());
            return match self.api.create(&PostParams::default(), &lease).await {
                Ok(_) => Ok(Some(0)),
                Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(None),
                Err(error) => Err(error),
            };
        };
        let old = lease.spec.take().unwrap_or_default();
        let holder = old.holder_identity.as_deref().unwrap_or("");
        let mine = holder == self.id;
        if !mine && !holder.is_empty() {
            let version = lease.metadata.resource_version.clone().unwrap_or_default();
            match &self.seen {
                Some((seen, at)) if *seen == version => {
                    if at.elapsed() < LEASE {
                        return Ok(None);
                    }
                }
                Some(_) | None => {
                    self.seen = Some((version, Instant::now()));
                    return Ok(None);
                }
            }
        }
        let term = old.lease_transitions.unwrap_or(0) + i32::from(!mine);
        let since = if mine { old.acquire_time.unwrap_or(now.clone()) } else { now.clone() };
        lease.spec = Some(self.spec(term, since, now));
        self.replace(&lease).await.map(|done| done.then_some(term))
    }

    /// Only if nobody else has written it meanwhile.
    async fn replace(&self, lease: &Lease) -> Result<bool, kube::Error> {
        match self.api.replace(&self.name, &PostParams::default(), lease).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.is_conflict() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn spec(&self, term: i32, since: MicroTime, now: MicroTime) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.id.clone()),
            lease_duration_seconds: Some(i32::try_from(LEASE.as_secs()).unwrap_or(i32::MAX)),
            acquire_time: Some(since),
            renew_time: Some(now),
            lease_transitions: Some(term),
            ..LeaseSpec::default()
        }
    }

    /// Goes on until it is dropped. `leads` says which term it is, while it is one; `waits` is called when somebody else leads, and
    /// the server has said so.
    pub(super) async fn run(&mut self, fence: &Fence, leads: &watch::Sender<Option<i32>>, waits: &(dyn Fn() + Send + Sync)) {
        let mut held: Option<(i32, Instant)> = None;
        loop {
            let started = Instant::now(); // a term counts from the start of its renewal
            let deadline = held.map_or(started + RENEW, |(_, until)| until);
            match timeout_at(deadline.into(), self.attempt()).await {
                Ok(Ok(None)) => {
                    held = None;
                    waits();
                }
                Ok(Ok(Some(term))) => held = Some((term, started + RENEW)),
                Ok(Err(error)) => tracing::warn!(%error, "the lease cannot be renewed"),
                Err(_) => tracing::warn!("the lease was not renewed in time"),
            }
            held = held.filter(|(_, until)| Instant::now() < *until);
            fence.set(held.map(|(_, until)| until));
            leads.send_if_modified(|now| std::mem::replace(now, held.map(|(term, _)| term)) != held.map(|(term, _)| term));
            let next = Instant::now() + RETRY;
            sleep_until(held.map_or(next, |(_, until)| until.min(next)).into()).await;
        }
    }

    /// Lets the next one lead at once. To be called after the last write.
    pub(super) async fn release(&mut self, fence: &Fence) {
        if !fence.holds() {
            return;
        }
        fence.set(None);
        let Ok(Some(mut lease)) = self.api.get_opt(&self.name).await else { return };
        let Some(spec) = lease.spec.as_mut().filter(|it| it.holder_identity.as_deref() == Some(self.id.as_str())) else { return };
        spec.holder_identity = Some(String::new());
        let _ = self.replace(&lease).await; // the lease ends by itself
    }
}
