//! What is said of a pass: statuses, events, finalizers that go.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use smol_str::{SmolStr, ToSmolStr};

use super::{
    Worker,
    judge::{Ground, Judged},
    sort::{Row, Stand},
    trouble::Trouble,
};
use crate::{
    k8s::{
        index::View,
        item::Item,
        metrics::{Standing, State},
        scribe::Job,
        status::{Delivery, Said, Verdict, stalls, status},
    },
    manifest::{ConditionStatus, Form},
    model::{Deletion, Key, Kind, Method},
    observed::CredentialMark,
    plan::{Change, Decision, Held, Hold, Verb},
    report::{Outcome, Report, ResultKind, Skipped},
};

/// How long something may be on its way before its status says so: nearly everything is done by then.
const GRACE: Duration = Duration::from_millis(1_500);
/// How long while much is being written: what it waits for may only wait for its turn.
const CROWDED: Duration = Duration::from_secs(10);
/// How long until it is said that an object could not even be taken up.
const UNKEPT: Duration = Duration::from_secs(30);

/// What is to be done about an object after a pass.
enum Next {
    /// This is to be said of it.
    Say(Box<Said>),
    /// It may go.
    LetGo,
    /// Nothing.
    Nothing,
}

impl Worker {
    /// Says of every object what became of it; gives the time when there is something to say that can wait until then.
    pub(super) fn tell(&mut self, ground: &Ground<'_>, judged: &Judged, report: &Report, at: Instant) -> Option<Instant> {
        let outcomes: BTreeMap<&Key, &Outcome> = report.results.iter().map(|it| (&it.key, it)).collect();
        let mut standing = Standing::default();
        let mut later: Option<Instant> = None;
        for row in ground.rows {
            let outcome = outcomes.get(&row.item.key).copied();
            let decision = judged.planned.plan.decision(&row.item.key);
            self.events(row, decision, outcome, ground.now);
            if matches!(row.stand, Stand::Moved(_)) && row.item.deleting {
                later = earlier(later, Some(at + GRACE));
            }
            match self.next(ground, judged, row, decision, outcome, at) {
                Next::Nothing => {}
                Next::LetGo => self.let_go(&row.item),
                Next::Say(said) => {
                    count(&mut standing, row.item.key.kind, &said.verdict);
                    later = earlier(later, self.say(&row.item, *said, ground.now, at));
                }
            }
        }
        let unsettled = standing.objects.iter().filter(|((_, state), _)| *state != State::Ready).map(|(_, count)| count).sum();
        self.unsettled = unsettled;
        self.shared.metrics.stands(&self.name, standing);
        later
    }

    /// Writes a status, unless it is what stands there. What is on its way has a moment of time.
    fn say(&mut self, item: &Arc<Item>, said: Said, now: Timestamp, at: Instant) -> Option<Instant> {
        let passing = matches!(&said.verdict, Verdict::Pending { stalled: false, .. });
        let Some(status) = status(item, said, now) else {
            self.on_the_way.remove(&item.key);
            return None;
        };
        if passing {
            let entry = self.on_the_way.entry(item.key.clone()).or_insert_with(|| (item.uid.clone(), item.generation, at));
            if entry.0 != item.uid || entry.1 != item.generation {
                *entry = (item.uid.clone(), item.generation, at);
            }
            let grace = match (item.is_kept(), self.shared.scribe.is_busy()) {
                (false, _) => UNKEPT,
                (true, true) => CROWDED,
                (true, false) => GRACE,
            };
            let until = entry.2 + grace;
            if at < until {
                return Some(until.min(at + GRACE));
            }
        }
        self.on_the_way.remove(&item.key);
        self.shared.scribe.submit(item, Job::Say(Box::new(status)));
        None
    }

    fn let_go(&mut self, item: &Arc<Item>) {
        if item.is_kept() {
            self.shared.scribe.submit(item, Job::LetGo);
        }
        self.troubles.remove(&item.key);
        self.on_the_way.remove(&item.key);
    }

    fn next(
        &mut self,
        ground: &Ground<'_>,
        judged: &Judged,
        row: &Row,
        decision: Option<&Decision>,
        outcome: Option<&Outcome>,
        at: Instant,
    ) -> Next {
        let item = &row.item;
        let pending = |reason, message: String, stalled| Verdict::Pending { reason, verb: Verb::Held, message, stalled };
        match &row.stand {
            Stand::Leaving => return Next::Nothing,
            Stand::Undefined | Stand::Rejected | Stand::LetBe => return Next::LetGo,
            Stand::Foreign(other) => {
                let message = format!(
                    "it is bound to the Directory `{other}`, and its namespace belongs to `{here}` now: nothing is written. The annotation \
                     `tenantry.dev/rebind: {here}` takes it there; its account in `{other}` stays as it is",
                    here = self.name
                );
                let verdict = pending("DirectoryChanged", message, true);
                return Next::Say(Box::new(Said { directory: Some(other.clone()), ..unchanged(item, verdict) }));
            }
            Stand::Moved(by) => {
                // As long as its account is still its own, it stays: the next look tells.
                if item.deleting && ground.seen.observed.get(&item.key).is_none() {
                    return Next::LetGo;
                }
                let message = if ground.seen.observed.get(&item.key).is_some() {
                    format!("its account is about to go on as `{by}`, which says that it was this one")
                } else {
                    format!("its account goes on as `{by}`, which says that it was this one: this object can be deleted")
                };
                return Next::Say(Box::new(unchanged(item, pending("Moved", message, true))));
            }
            Stand::Unkept => {
                self.shared.scribe.submit(item, Job::Keep);
                let verdict = match decision.and_then(|it| it.held.as_ref()).filter(|it| it.hold == Hold::Paused) {
                    Some(held) => held_verdict(held, judged.wanted.get(&item.key).copied(), None),
                    None => pending("Progressing", "it is being taken up".into(), false),
                };
                return Next::Say(Box::new(unchanged(item, verdict)));
            }
            // In three seconds at most there is something to say.
            Stand::Counts if judged.waiting.contains(&item.key) => return Next::Nothing,
            Stand::Counts => {}
        }
        if let Some(ResultKind::Failed { message, retry_helps: _, refused: _, interrupted: false }) = outcome.map(|it| &it.result) {
            let trouble = self.troubles.remove(&item.key).filter(|it| it.concerns(item));
            self.troubles.insert(item.key.clone(), Trouble::after(trouble, item, message.clone(), at));
        } else if outcome.is_some_and(|it| it.result == ResultKind::Applied) {
            self.troubles.remove(&item.key);
        }
        let live = ground.seen.observed.get(&item.key);
        let applied = outcome.is_some_and(|it| it.result == ResultKind::Applied);
        let verdict = Self::verdict(judged, row, decision, outcome);
        if item.deleting && matches!(verdict, Verdict::True(_)) {
            let ours = live.is_some_and(|it| it.state.owner.as_ref() == Some(&ground.project.owner));
            let retired = live.is_some_and(|it| it.state.retired);
            // Settled, and yet there: somebody else speaks for it.
            if applied || !ours || retired {
                return Next::LetGo;
            }
            let message = "its account is spoken for by another object, which is to be mended first".to_owned();
            return Next::Say(Box::new(unchanged(item, pending("Moved", message, false))));
        }
        let change = decision.and_then(|it| it.change.as_ref()).filter(|_| applied);
        let id = outcome.filter(|_| applied).and_then(|it| it.id.as_ref()).or(live.map(|it| &it.id));
        let mark = change.and_then(|it| it.credential.as_ref()).map(|it| &it.mark).or(live.map(|it| &it.credential));
        let expired = live.and_then(|it| it.unused_until).is_some_and(|it| it <= ground.now) && change.is_none();
        // What was approved stays approved until it is done; whoever would be shut off with something above them is as declared.
        let open = matches!(verdict, Verdict::Pending { .. }) || judged.losing.contains(&item.key) && !applied;
        let approved = item.status.approved.clone().filter(|_| open);
        let said = Said {
            verdict,
            directory: Some(self.name.to_smolstr()),
            directory_id: id.map(|it| it.0.clone()),
            delivery: delivery(item, mark, change, expired, outcome),
            reset: mark.and_then(CredentialMark::reset).filter(|it| !it.is_empty()).cloned(),
            approved,
            rejected: item.status.rejected.clone().filter(|_| item.deleting),
        };
        Next::Say(Box::new(said))
    }

    fn verdict(judged: &Judged, row: &Row, decision: Option<&Decision>, outcome: Option<&Outcome>) -> Verdict {
        let item = &row.item;
        if let Some(held) = judged.unbelieved.get(&item.key) {
            return held_verdict(held, judged.wanted.get(&item.key).copied(), None);
        }
        if item.deleting && !row.gone {
            let message =
                "it cannot be told why it is deleted: the API server does not say whether its kind or namespace goes as well";
            return Verdict::Pending { reason: "Progressing", verb: Verb::Held, message: message.into(), stalled: false };
        }
        let problem = judged.problems.get(&item.key).or(item.problem.as_ref());
        match outcome.map(|it| (&it.result, it.verb)) {
            Some((ResultKind::Failed { message, retry_helps, refused: _, interrupted: _ }, verb)) => {
                let message = message.clone();
                return if *retry_helps {
                    Verdict::Pending { reason: "Progressing", verb, message, stalled: false }
                } else {
                    Verdict::Pending { reason: "Refused", verb, message, stalled: true }
                };
            }
            Some((ResultKind::Skipped(why), verb)) => {
                let message = match why {
                    Skipped::Dependency(key) => format!("it waits for `{key}`, which failed"),
                    Skipped::Interrupted => "it was not begun before the controller stopped".to_owned(),
                };
                return Verdict::Pending { reason: "Progressing", verb, message, stalled: false };
            }
            Some((ResultKind::Applied, _)) | None => {}
        }
        if let Some(held) = decision.and_then(|it| it.held.as_ref()) {
            return held_verdict(held, judged.wanted.get(&item.key).copied(), problem);
        }
        let shut = match &item.form {
            Form::Sound(declared) => !declared.enabled,
            Form::Broken(_) | Form::Gone => false,
        };
        Verdict::True(if shut { "as declared: it is shut off" } else { "as declared" })
    }

    /// Something happened to an object: told once, when it does.
    fn events(&self, row: &Row, decision: Option<&Decision>, outcome: Option<&Outcome>, now: Timestamp) {
        let (item, metrics, events) = (&row.item, &self.shared.metrics, &self.shared.events);
        let Some(outcome) = outcome else { return };
        match &outcome.result {
            ResultKind::Applied => {
                metrics.changed(outcome.verb);
                metrics.reconciled("success", 1);
                let reason = decision.and_then(|it| it.change.as_ref()).map_or("Declared", |it| it.reason.name());
                events.item(item, false, past(outcome.verb), &format!("{} in `{}`: {reason}", outcome.verb.as_str(), self.name));
                tracing::info!(key = %item.key, verb = outcome.verb.as_str(), reason, "carried out");
                if matches!(outcome.verb, Verb::Disable | Verb::Delete) {
                    let asked = self.asked.get(&item.key).filter(|it| it.0 == item.generation).map(|it| it.1);
                    metrics.shut_off(
                        asked.map_or(Duration::ZERO, |asked| Duration::try_from(now.duration_since(asked)).unwrap_or_default()),
                    );
                }
            }
            ResultKind::Failed { message, retry_helps: _, refused: _, interrupted: _ } => {
                metrics.reconciled("error", 1);
                if self.troubles.get(&item.key).is_none_or(|it| it.message != *message) {
                    events.item(item, true, "Failed", message);
                }
                tracing::warn!(key = %item.key, verb = outcome.verb.as_str(), message, "failed");
            }
            ResultKind::Skipped(_) => metrics.reconciled("requeue", 1),
        }
    }

    /// What is said while the directory is away: only of what is not settled, since the rest is as true as it was.
    pub(super) fn tell_outage(
        &mut self,
        view: &View,
        rows: &[Row],
        project: Option<&crate::manifest::Project>,
        message: &str,
        hopeless: bool,
    ) -> Option<Instant> {
        let (now, at) = (super::seconds(Timestamp::now()), Instant::now());
        let mut later = None;
        for row in rows {
            let item = &row.item;
            match row.stand {
                Stand::Leaving => continue,
                Stand::Undefined | Stand::Rejected | Stand::LetBe => {
                    self.let_go(item);
                    continue;
                }
                Stand::Unkept => self.shared.scribe.submit(item, Job::Keep),
                Stand::Counts | Stand::Foreign(_) | Stand::Moved(_) => {}
            }
            let retain = project.and_then(|it| super::sort::deletion(item, it)) == Some(Deletion::Retain);
            let never = hopeless && item.status.directory_id.is_none();
            if row.stand == Stand::Counts && row.gone && item.deleting && (retain || never) {
                self.let_go(item);
                continue;
            }
            if item.deleting || item.status.observed_generation != Some(item.generation) || !is_ready(item) {
                let message = format!("the Directory `{}`: {message}", view.binding.name);
                let verdict = Verdict::Pending { reason: "DirectoryUnavailable", verb: Verb::Held, message, stalled: false };
                later = earlier(later, self.say(item, unchanged(item, verdict), now, at));
            }
        }
        later
    }
}

/// Says something of an object, and nothing new of its account.
pub(in crate::k8s) fn unchanged(item: &Item, verdict: Verdict) -> Said {
    let status = &item.status;
    let delivered = status.conditions.iter().find(|it| it.type_ == "CredentialDelivered");
    let delivery = delivered.map(|it| match (it.status, it.reason.as_str()) {
        (ConditionStatus::True, _) => Delivery::Given,
        (ConditionStatus::False | ConditionStatus::Unknown, "Expired") => Delivery::Expired,
        (ConditionStatus::False | ConditionStatus::Unknown, _) => Delivery::Owed(it.message.clone()),
    });
    Said {
        verdict,
        directory: status.directory.as_ref().map(SmolStr::new),
        directory_id: status.directory_id.as_ref().map(SmolStr::new),
        delivery,
        reset: status.last_handled_reset.as_ref().map(SmolStr::new),
        approved: status.approved.clone(),
        rejected: status.rejected.clone(),
    }
}

fn is_ready(item: &Item) -> bool {
    item.status.conditions.iter().any(|it| it.type_ == "Ready" && it.status == ConditionStatus::True)
}

fn held_verdict(held: &Held, verb: Option<Verb>, problem: Option<&String>) -> Verdict {
    let Held { hold, message } = held;
    let message = problem.filter(|_| *hold == Hold::Invalid).unwrap_or(message).clone();
    let verb = verb.unwrap_or(Verb::Held);
    Verdict::Pending { reason: hold.name(), verb, message, stalled: stalls(hold) }
}

/// How it stands with what somebody signs in with; nothing where nothing is asked for.
fn delivery(
    item: &Item,
    mark: Option<&CredentialMark>,
    change: Option<&Change>,
    expired: bool,
    outcome: Option<&Outcome>,
) -> Option<Delivery> {
    let Form::Sound(declared) = &item.form else { return None };
    declared.credential.as_ref().filter(|it| it.method != Method::None)?;
    if change.is_some_and(|it| it.issues().is_some()) {
        return Some(Delivery::Given);
    }
    match mark? {
        CredentialMark::None => None,
        CredentialMark::Given(_) if expired => Some(Delivery::Expired),
        CredentialMark::Given(_) => Some(Delivery::Given),
        CredentialMark::Owed(_) | CredentialMark::Ordered(..) => Some(Delivery::Owed(match outcome.map(|it| &it.result) {
            Some(ResultKind::Failed { message, retry_helps: _, refused: _, interrupted: _ }) => message.clone(),
            Some(ResultKind::Applied | ResultKind::Skipped(_)) | None => {
                "it is owed, and goes out when the account can sign in".into()
            }
        })),
    }
}

fn count(standing: &mut Standing, kind: Kind, verdict: &Verdict) {
    let state = match verdict {
        Verdict::True(_) => State::Ready,
        Verdict::Pending { reason, verb: _, message: _, stalled } => {
            *standing.holds.entry(reason).or_default() += 1;
            if *stalled { State::Stalled } else { State::Pending }
        }
    };
    *standing.objects.entry((kind, state)).or_default() += 1;
}

fn past(verb: Verb) -> &'static str {
    match verb {
        Verb::Delete => "Deleted",
        Verb::Disable => "Disabled",
        Verb::Release => "Released",
        Verb::Held => "Held",
        Verb::Move => "Moved",
        Verb::Rename => "Renamed",
        Verb::Create => "Created",
        Verb::Enable => "Enabled",
        Verb::Adopt => "Adopted",
        Verb::Credential => "CredentialIssued",
        Verb::Edit => "Edited",
    }
}

/// The earlier of two times.
pub(super) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
