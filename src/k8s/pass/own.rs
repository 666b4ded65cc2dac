//! The Directory itself: what is said of it, how long it stays, and whether what it goes to is believed.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Instant,
};

use jiff::Timestamp;

use super::{
    Came, Failure, Worker, seconds,
    sort::{Row, Stand},
    tell::earlier,
};
use crate::{
    directory::{DirectoryError, ErrorKind},
    k8s::{
        binding::Binding,
        index::{View, Watched},
        item::{FINALIZER, Item},
        scribe::Job,
        status::{self, DirectorySaid, Handled, Verdict},
    },
    manifest::{HeldStatus, HourStatus, Project},
    model::Kind,
    observed::Live,
    pipeline::Seen,
    plan::{Hold, Verb},
};

impl Worker {
    /// Says that nothing could be done, and of what is not settled why.
    pub(super) async fn unable(
        &mut self,
        view: &View,
        project: Option<&Project>,
        reason: &'static str,
        message: &str,
        again: Option<Instant>,
    ) -> Came {
        let rows = self.sort(view, project).await;
        // It has made no account for anybody, and never will as it stands.
        let hopeless = again.is_none() && self.backend.is_none();
        let later = self.tell_outage(view, &rows, project, message, hopeless);
        let verdict = Verdict::Pending { reason, verb: Verb::Held, message: message.to_owned(), stalled: again.is_none() };
        let status = &view.binding.status;
        self.say_directory(view, verdict, status.window.clone(), status.held.clone(), Handled::of(status)).await;
        Came::Rest(earlier(again, later))
    }

    pub(super) async fn say_directory(
        &mut self,
        view: &View,
        verdict: Verdict,
        window: Vec<HourStatus>,
        held: Option<HeldStatus>,
        handled: Handled,
    ) {
        // It may have been written in this pass.
        let Some(binding) = self.shared.index().view(&self.name).map(|it| it.binding) else { return };
        let said = DirectorySaid { verdict, window, held, handled };
        if binding.status.held.is_none()
            && let Some(held) = &said.held
        {
            let note = format!(
                "{} of its objects would lose something at once, and all of it is held: `kubectl annotate directory {name} \
                 tenantry.dev/approve={digest}` carries it out, `tenantry.dev/reject={digest}` lets the objects go and leaves the accounts{more}",
                held.count,
                name = self.name,
                digest = held.digest,
                more = held.message.as_ref().map_or(String::new(), |message| format!("; {message}"))
            );
            tracing::warn!(directory = %self.name, count = held.count, digest = held.digest, "held");
            self.shared.events.directory(&view.binding, true, Hold::OverBudget.name(), &note);
        }
        let Some(status) = status::directory(binding.generation, &binding.status, said, seconds(Timestamp::now())) else { return };
        match self.shared.cluster.say_directory(&binding, &status).await {
            Ok(raw) => {
                let handled = Handled::of(&binding.status) != Handled::of(&status);
                self.shared.index().put(Watched::Directory, &raw);
                if handled {
                    self.shared.wake(&self.name);
                }
            }
            Err(error) if error.gone() => {}
            Err(error) => {
                tracing::warn!(directory = %self.name, %error, "its status cannot be written");
                self.shared.wake_soon(&self.name);
            }
        }
    }

    /// A Directory stays as long as anything is bound to it.
    pub(super) async fn keep_directory(&self, view: &View) {
        let binding = &view.binding;
        let bound = !view.strays.is_empty() || view.items.iter().any(|it| it.is_kept());
        let kept = binding.finalizers.iter().any(|it| it == FINALIZER);
        if bound == kept || bound && binding.deleting {
            return;
        }
        match self.shared.cluster.keep_directory(binding, bound).await {
            Ok(raw) => drop(self.shared.index().put(Watched::Directory, &raw)),
            Err(error) if error.gone() => {}
            Err(error) => {
                tracing::warn!(directory = %self.name, %error, "its finalizer cannot be written");
                self.shared.wake_soon(&self.name);
            }
        }
    }

    /// Lets go of objects elsewhere whose definition goes, and tells once of each definition that does.
    pub(super) async fn let_undefined_go(&mut self, view: &View, rows: &[Row]) {
        let elsewhere: Vec<Arc<Item>> = view.strays.iter().chain(&view.disputed).cloned().collect();
        for item in self.shared.cluster.undefined(elsewhere).await {
            self.shared.scribe.submit(&item, Job::LetGo);
        }
        let kinds: BTreeSet<Kind> = rows.iter().filter(|row| row.stand == Stand::Undefined).map(|row| row.item.key.kind).collect();
        for kind in kinds.difference(&self.undefined) {
            let note = format!(
                "the definition of {} is deleted, and every object with it: they are let go, and no account is touched",
                kind.plural()
            );
            tracing::warn!(directory = %self.name, kind = kind.word(), "the definition is deleted: objects are let go, accounts stay");
            self.shared.events.directory(&view.binding, true, "DefinitionDeleted", &note);
        }
        self.undefined = kinds;
    }

    /// `spec.release`: every finalizer goes, and nothing is written to the directory.
    pub(super) async fn release(&mut self, view: &View) -> Came {
        let kept: Vec<&Arc<Item>> = view.items.iter().chain(&view.strays).chain(&view.disputed).filter(|it| it.is_kept()).collect();
        for item in &kept {
            self.shared.scribe.submit(item, Job::LetGo);
        }
        self.keep_directory(view).await;
        let left = kept.len();
        let verdict = if left == 0 {
            Verdict::True("released: no object waits for this Directory, and nothing is written")
        } else {
            let message = format!("{left} objects are being released");
            Verdict::Pending { reason: "Progressing", verb: Verb::Release, message, stalled: false }
        };
        self.say_directory(view, verdict, view.binding.status.window.clone(), None, Handled::of(&view.binding.status)).await;
        Came::Rest(None)
    }
}

/// Another directory in the place of the one that was there, an empty one or an older copy, is no reason to make people anew, nor to
/// let go of who was deleted: a volume that was not mounted looks like this. More accounts that are gone than may be lost at once are
/// no drift.
pub(super) fn believe(seen: &Seen, rows: &[Row], binding: &Binding, project: &Project) -> Result<(), Failure> {
    let mine = |live: &&Live| live.state.owner.as_ref() == Some(&project.owner);
    let there: HashSet<&str> = seen.observed.ours.iter().filter(mine).map(|live| live.id.0.as_str()).collect();
    let bound = rows.iter().filter(|row| row.counts() && row.item.is_kept()).filter_map(|row| {
        let status = &row.item.status;
        status.directory_id.as_deref().filter(|_| status.directory.as_deref() == Some(binding.name.as_str()))
    });
    let (mut known, mut missing) = (0_u64, 0_u64);
    for id in bound {
        known += 1;
        missing += u64::from(!there.contains(id));
    }
    let tolerated = if there.is_empty() { 0 } else { project.budget.limit(known) };
    if missing <= tolerated {
        return Ok(());
    }
    let cause = format!(
        "{missing} of {known} objects have accounts that are not there any more: is this the directory it was? If it is meant to begin \
         anew, make another Directory for their namespaces, and write `tenantry.dev/rebind` on them"
    );
    Err(DirectoryError::new("read the directory", ErrorKind::Incomplete).because(cause).into())
}
