//! Watching: what the API server tells goes into the index, and whoever it concerns is woken.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use kube::{
    Api, ResourceExt,
    core::DynamicObject,
    runtime::{
        WatchStreamExt,
        utils::Backoff,
        watcher::{self, Event, watcher},
    },
};

use super::{Shared, cluster::resource, index::Watched, scribe::Job};

/// How long until a watch that broke is begun anew: soon, and never much later. What happens to objects meanwhile is not seen.
#[derive(Debug, Default)]
struct Patience(u32);

impl Iterator for Patience {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        const LATEST: Duration = Duration::from_secs(5);
        let wait = Duration::from_millis(250).saturating_mul(1 << self.0.min(8)).min(LATEST);
        self.0 += 1;
        Some(wait)
    }
}

impl Backoff for Patience {
    fn reset(&mut self) {
        self.0 = 0;
    }
}

/// Watches one kind of object until the controller stops. Lists are paged; a watch that breaks begins anew.
pub(super) async fn watch(shared: Arc<Shared>, what: Watched) {
    let api = Api::<DynamicObject>::all_with(shared.cluster.client.clone(), &resource(what));
    let mut stream = watcher(api, watcher::Config::default()).backoff(Patience::default()).boxed();
    loop {
        let event = tokio::select! {
            event = stream.next() => event,
            () = shared.stopped() => return,
        };
        match event {
            Some(Ok(event)) => {
                if take(&shared, what, event) {
                    shared.tell();
                }
            }
            Some(Err(error)) => tracing::warn!(kind = resource(what).kind, error = last(&error), "cannot watch"),
            None => return,
        }
    }
}

/// Whether an event can change what is done. In the midst of a list nobody is woken: it may be half of one.
fn take(shared: &Shared, what: Watched, event: Event<DynamicObject>) -> bool {
    let mut index = shared.index();
    match event {
        Event::Init => {
            index.begin(what);
            false
        }
        Event::InitApply(raw) => {
            index.put(what, &lean(raw));
            false
        }
        Event::InitDone => {
            index.end(what);
            true
        }
        Event::Apply(raw) => {
            let raw = lean(raw);
            let news = index.put(what, &raw);
            let Some(item) = index.new_here(what, &raw).filter(|_| news) else { return news };
            drop(index);
            // There is nothing to do for it until it is kept, which is news again.
            shared.scribe.submit(&item, Job::Keep);
            false
        }
        Event::Delete(raw) => index.remove(what, &raw),
    }
}

/// The first cause of an error: those above it repeat it, each longer than the one before.
fn last(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).last().map(ToString::to_string).unwrap_or_default()
}

/// Without what nobody reads, which is half of an object.
fn lean(mut raw: DynamicObject) -> DynamicObject {
    raw.managed_fields_mut().clear();
    raw.annotations_mut().remove("kubectl.kubernetes.io/last-applied-configuration");
    raw
}
