//! Events: only on a change or a failure. There are never more than the API server can well take: whoever watches a mass change
//! reads the conditions.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::{sync::mpsc, time::Instant};

use super::{binding::Binding, cluster::resource, elect::Fence, index::Watched, item::Item};

/// Events that wait to be sent; what comes on top is dropped.
const WAITING: usize = 256;
/// Events at once, and how often there is room for another.
const BURST: u32 = 25;
const EVERY: Duration = Duration::from_millis(100);
/// The most that a note holds (`EventsV1`: 1 kB).
const NOTE: usize = 1_000;

/// Takes events to be sent.
#[derive(Clone)]
pub(super) struct Events {
    /// What somebody should act on goes before what only tells.
    warnings: mpsc::Sender<(ObjectReference, Event)>,
    others: mpsc::Sender<(ObjectReference, Event)>,
}

impl Events {
    /// Sends in the background, as the replica `instance`, and only while that may write.
    pub(super) fn start(client: Client, instance: String, fence: Arc<Fence>) -> Self {
        let recorder = Recorder::new(client, Reporter { controller: "tenantry.dev/controller".into(), instance: Some(instance) });
        let (warnings, mut urgent) = mpsc::channel::<(ObjectReference, Event)>(WAITING);
        let (others, mut waiting) = mpsc::channel::<(ObjectReference, Event)>(WAITING);
        tokio::spawn(async move {
            let (mut room, mut filled) = (BURST, Instant::now());
            loop {
                let next = tokio::select! {
                    biased;
                    next = urgent.recv() => next,
                    next = waiting.recv() => next,
                };
                let Some((about, event)) = next else { return };
                let new = u32::try_from(filled.elapsed().as_millis() / EVERY.as_millis()).unwrap_or(u32::MAX);
                if new > 0 {
                    (room, filled) = (room.saturating_add(new).min(BURST), Instant::now());
                }
                if room == 0 {
                    tokio::time::sleep(EVERY).await;
                } else {
                    room -= 1;
                }
                if !fence.holds() {
                    continue;
                }
                if let Err(error) = recorder.publish(&event, &about).await {
                    tracing::debug!(%error, "an event could not be sent");
                }
            }
        });
        Self { warnings, others }
    }

    /// Something was done, or failed, with an object.
    pub(super) fn item(&self, item: &Item, bad: bool, reason: &str, note: &str) {
        let about = reference(Watched::Kind(item.key.kind), Some(&item.home), item.key.name.as_str(), &item.uid);
        self.send(about, bad, reason, note);
    }

    /// Something that concerns a Directory as a whole.
    pub(super) fn directory(&self, binding: &Binding, bad: bool, reason: &str, note: &str) {
        self.send(reference(Watched::Directory, None, binding.name.as_str(), &binding.uid), bad, reason, note);
    }

    fn send(&self, about: ObjectReference, bad: bool, reason: &str, note: &str) {
        let end = (0..=note.len().min(NOTE)).rev().find(|at| note.is_char_boundary(*at)).unwrap_or(0);
        let event = Event {
            type_: if bad { EventType::Warning } else { EventType::Normal },
            reason: reason.to_owned(),
            note: Some(note[..end].to_owned()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        // One that there is no room for is dropped: the condition says the same.
        let queue = if bad { &self.warnings } else { &self.others };
        let _ = queue.try_send((about, event));
    }
}

fn reference(what: Watched, namespace: Option<&str>, name: &str, uid: &str) -> ObjectReference {
    let resource = resource(what);
    ObjectReference {
        api_version: Some(resource.api_version),
        kind: Some(resource.kind),
        namespace: namespace.map(str::to_owned),
        name: Some(name.to_owned()),
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    }
}
