//! The rights to run and to write, as groups of the realm: a name among the top-level groups is given once.
//!
//! Whoever holds one says until when, and says so again while it is alive. One that died is pushed aside once its time is up
//! by a margin, since clocks differ; what is deleted is the group that was looked at, and no other of the name.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinHandle;

use super::{
    api::{Api, made},
    marks,
    places::LEASES,
    wire::{Attributes, Group},
};
use crate::{
    directory::{DirectoryError, ErrorKind, Lease, Right},
    drivers::http::{Status, Tuning, Verb},
};

/// For how long one says that it holds a right.
const TERM: Duration = Duration::from_secs(30);
/// How often it says so again.
const RENEWED: Duration = Duration::from_secs(10);
/// By how much clocks may differ.
const MARGIN: Duration = Duration::from_secs(15);
/// How often one that somebody else holds is asked for again.
const EVERY: Duration = Duration::from_millis(250);

const HOLDER: &str = "holder";
const DEADLINE: &str = "deadline";

/// A right, for as long as it lives.
struct Held {
    api: Arc<Api>,
    id: String,
    renewal: JoinHandle<()>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewal.abort();
        let (api, id) = (Arc::clone(&self.api), std::mem::take(&mut self.id));
        // Whoever comes next should not have to wait until the time is up, and this program may end right after: so it is
        // waited for, on a thread and with a connection of its own, since those of a runtime end with it.
        let release = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                let outcome = runtime.block_on(async {
                    let alone = api.alone(Tuning {
                        request: Duration::from_secs(5),
                        connect: Duration::from_secs(5),
                        ..Tuning::default()
                    })?;
                    alone.delete(&["groups", &id], "give back the right").await
                });
                if let Err(error) = outcome {
                    tracing::warn!("{}; it ends by itself within a minute", error.chain());
                }
            }
        });
        let _ = release.join();
    }
}

/// Takes a right, waiting for it if somebody has it.
pub(super) async fn take(api: &Arc<Api>, right: Right, wait: Duration) -> Result<Lease, DirectoryError> {
    let (name, what) = match right {
        Right::Run => (format!("{LEASES}run"), "take the right to run"),
        Right::Write => (format!("{LEASES}write"), "take the right to write"),
    };
    let until = Instant::now().checked_add(wait);
    let holder = format!("process {} since {:.0}", std::process::id(), Timestamp::now());
    loop {
        let body = json!({ "name": name, "attributes": attributes(&holder) });
        let answer = api.client.send(&api.ask(Verb::Post, &["groups"], what).json(&body)).await?;
        if answer.status != Status::Conflict {
            let id = made(&answer.accepted(what)?, what)?;
            let renewal = tokio::spawn(renew(Arc::clone(api), id.clone(), name.clone(), holder.clone()));
            return Ok(Lease::new(Held { api: Arc::clone(api), id, renewal }));
        }
        // It may be ours: an answer that was lost on its way.
        let other = standing(api, &name, what).await?;
        if let Some(group) = &other
            && is_over(&group.attributes)
        {
            api.delete(&["groups", &group.id], what).await?;
            continue;
        }
        let left = until.map_or(EVERY, |until| until.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            let holder = other.and_then(|group| marks::value(&group.attributes, HOLDER).map(str::to_owned));
            return Err(DirectoryError::new(what, ErrorKind::Locked(holder)));
        }
        tokio::time::sleep(EVERY.min(left)).await;
    }
}

async fn standing(api: &Api, name: &str, what: &str) -> Result<Option<Group>, DirectoryError> {
    let request = api.ask(Verb::Get, &["groups"], what).query("search", name).query("exact", "true");
    let request =
        request.query("briefRepresentation", "false").query("populateHierarchy", "false").query("first", 0).query("max", 100);
    let found: Vec<Group> = api.client.send(&request).await?.json(what)?;
    Ok(found.into_iter().find(|group| group.name == name && group.parent_id.is_none()))
}

/// Says again and again that the right is held.
async fn renew(api: Arc<Api>, id: String, name: String, holder: String) {
    loop {
        tokio::time::sleep(RENEWED).await;
        let body = json!({ "name": name, "attributes": attributes(&holder) });
        let request = api.ask(Verb::Put, &["groups", &id], "keep the right").json(&body);
        match api.client.send(&request).await {
            Ok(answer) if answer.status == Status::Missing => {
                tracing::warn!("somebody took the group `{name}` away, by which other runs know of this one");
                return;
            }
            Ok(_) => {}
            Err(error) => tracing::warn!("{}", error.chain()),
        }
    }
}

fn attributes(holder: &str) -> Attributes {
    let deadline = Timestamp::now() + TERM;
    Attributes::from([(HOLDER.into(), vec![holder.into()]), (DEADLINE.into(), vec![format!("{deadline:.0}")])])
}

/// Whether whoever held it is dead. One that does not say until when it holds is nothing of ours.
fn is_over(attributes: &Attributes) -> bool {
    let deadline = marks::value(attributes, DEADLINE).and_then(|text| text.parse::<Timestamp>().ok());
    deadline.is_some_and(|deadline| Timestamp::now() > deadline + MARGIN)
}
