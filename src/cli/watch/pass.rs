//! One look at everything: read, plan, carry out, say what came of it. A pass prints what is new, and nothing that was said
//! before.

use std::{path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::{
    apply::Progress,
    cli::{
        args::Format,
        console::Console,
        exit::Exit,
        failure::Failure,
        input::Home,
        render::{
            self,
            style::{count, counted},
        },
        session::{Problems, Session},
    },
    directory::{Directory, Stop},
    model::{Field, FieldValue, Key, Username},
    pipeline::{ApplyError, Leases, Planned},
    plan::{Approved, Change, Plan, Reason, Verb},
    report::{Report, ResultKind},
};

/// How long a pass waits for another run before it says that it waits.
const WAIT: Duration = Duration::from_secs(5);

/// How far it is believed that something is not declared any more, since a file may be half written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Belief {
    /// Somebody is writing.
    None,
    /// What loses nothing that does not come back: accounts that are shut off and kept.
    Retired,
    /// All of it: the files have been at rest for a while.
    All,
}

/// What a pass is told.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// It is likely to have something to do.
    pub(crate) expectant: bool,
    /// How far absence is believed.
    pub(crate) belief: Belief,
    /// Set to have it stop at the next object.
    pub(crate) stop: Stop,
    /// Heard by whoever would stop it: all is done but the mails.
    pub(crate) mailing: Arc<Notify>,
}

/// What a pass came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Came {
    /// To rest: what is declared is true, or held for somebody to mend.
    Rest {
        /// How much is as declared, held and broken.
        standing: String,
        /// When something becomes due by time alone.
        next: Option<Timestamp>,
        /// Something is not declared any more, and waits for the files to be at rest.
        doubt: bool,
    },
    /// Not to its end: doing it again may help.
    Again(String),
    /// To nothing, until somebody changes something.
    Stuck(String),
    /// To a stop half-way, since it was asked to.
    Cut,
}

/// What was said last: the same is not said twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Said {
    problems: String,
    standing: String,
    failure: String,
}

/// What stays from pass to pass.
pub(crate) struct Passes {
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) home: Home,
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) actor: Option<Username>,
    pub(crate) format: Format,
    pub(crate) console: Console,
    /// When the directory was last found as it was recorded.
    pub(crate) looked: Option<Timestamp>,
    /// What was said last of the problems, of what is held or refused, and of a failure.
    pub(crate) said: Said,
}

impl Passes {
    /// Looks, and does what is to be done. One that expects to do something takes the lease first, and looks once; one that does
    /// not takes it only if there is.
    pub(crate) async fn pass(&mut self, told: Told) -> Came {
        match self.attempt(told).await {
            Ok(came) => came,
            Err(failure) => self.failed(&failure),
        }
    }

    async fn attempt(&mut self, told: Told) -> Result<Came, Failure> {
        let Told { expectant, belief, stop, mailing } = told;
        let leases = if expectant { Some(Leases::take(&*self.directory, WAIT).await?) } else { None };
        let (home, directory) = (self.home.clone(), Arc::clone(&self.directory));
        let mut session = Session::unattended(home, directory, &self.paths, self.actor.as_ref(), self.looked, self.console)?;
        let mut seen = session.look().await?;
        let mut planned = session.plan_and_weigh(&mut seen).await?;
        let doubt = doubted(&planned.plan, belief);
        if doubt {
            planned = if belief == Belief::None { session.plan_doubting(&seen) } else { session.plan_gently(&seen) };
        }
        let problems = session.diagnostics(&planned);
        self.say_problems(&session, &planned, &problems);
        self.said.failure.clear();
        let standing = standing(&planned);
        let new = self.said.standing != standing;
        self.said.standing = standing;
        let gate = planned.refused.first().map(|refusal| refusal.gate.name());
        if let Some(gate) = gate {
            if new {
                self.show(&session, &planned, &problems)?;
            }
            // What shuts somebody off by a word of their document, and passes by itself, waits for nobody who mends the rest.
            session.approve(Some(shutting_off(&planned.plan)));
            planned = session.plan_on(&seen);
            if !planned.refused.is_empty() || planned.plan.changes().next().is_none() {
                return Ok(Came::Stuck(format!("refused by the gate `{gate}`")));
            }
        }
        let changes = planned.plan.changes().next().is_some();
        if gate.is_none() && (changes || new) {
            self.show(&session, &planned, &problems)?;
        }
        // Without changes it looks whether anything is new to the directory; with some, that is part of carrying them out.
        let leases = leases.filter(|_| changes);
        if !changes {
            let found = session.note_found(&seen, WAIT).await?;
            if found > 0 {
                let things = counted(found as u64, "thing", "things");
                self.console.note(&format!("{things} changed outside Git: `tenantry history` says what and since when\n"));
            }
        }
        let mails = |progress| {
            if matches!(progress, Progress::Credentials(..)) {
                mailing.notify_one();
            }
        };
        let carried = match leases {
            Some(leases) => session.carry_out(&seen, &planned, leases, stop, &mails).await.map_err(ApplyError::from),
            None => session.apply(&planned, WAIT, stop, &mails).await,
        };
        let came = match carried {
            Ok(report) => {
                self.report(&session, &planned, &problems, &report)?;
                came(&planned, &problems, &report, session.next_expiry(), doubt)
            }
            // It moved between the look and the lease: look again.
            Err(ApplyError::Stale(_)) => Came::Again("the directory changed meanwhile".into()),
            Err(ApplyError::Refused(fresh)) => {
                self.show(&session, &fresh, &problems)?;
                Came::Stuck(format!("refused by the gate `{}`", fresh.refused[0].gate.name()))
            }
            Err(ApplyError::Directory(error)) => return Err(error.into()),
        };
        self.looked = Some(seen.at);
        // From here on another directory under this name, or an older one, is noticed.
        if let Some(history) = session.history() {
            history.past(None).await?;
        }
        match gate {
            Some(gate) if matches!(came, Came::Rest { .. }) => Ok(Came::Stuck(format!("the rest is refused by the gate `{gate}`"))),
            Some(_) | None => Ok(came),
        }
    }

    /// What is wrong with the documents, and what else whoever watches should know.
    fn say_problems(&mut self, session: &Session, planned: &Planned, problems: &Problems) {
        let text = format!("{}{}", render::diagnostics::text(&problems.shown), session.notes(planned, true));
        if self.said.problems != text {
            self.console.note(&text);
        }
        self.said.problems = text;
    }

    /// The plan: as text always, in other forms where no report will follow that holds it.
    fn show(&self, session: &Session, planned: &Planned, problems: &Problems) -> Result<(), Failure> {
        let empty = planned.plan.decisions.is_empty() && planned.plan.loosens.is_empty();
        let reported = planned.refused.is_empty() && planned.plan.changes().next().is_some();
        if empty || self.format != Format::Text && reported {
            return Ok(());
        }
        let form = render::form(self.format, &session.view(planned, problems, None));
        self.console.data(&if self.format == Format::Text { format!("{form}\n") } else { form })
    }

    fn report(&self, session: &Session, planned: &Planned, problems: &Problems, report: &Report) -> Result<(), Failure> {
        if self.format != Format::Text {
            let anything = !report.results.is_empty();
            let view = session.view(planned, problems, Some(report));
            return if anything { self.console.data(&render::form(self.format, &view)) } else { Ok(()) };
        }
        if report.results.is_empty() {
            return Ok(());
        }
        let mailed = render::report::mailed(report, &planned.plan, || session.mail());
        self.console.data(&format!("{mailed}{}\n", render::report::text(report, &planned.plan, problems.errors)))
    }

    /// A failure, said once as long as it is the same.
    fn failed(&mut self, failure: &Failure) -> Came {
        let text = format!("{}{}", render::diagnostics::text(&failure.problems), render::error::text(failure));
        if self.said.failure != text {
            self.console.note(&text);
        }
        self.said.failure = text;
        match failure.exit {
            // What is wrong with a file or a path is mended there.
            Exit::Invalid => Came::Stuck(failure.message.clone()),
            Exit::Done
            | Exit::Failed
            | Exit::Changes
            | Exit::Refused
            | Exit::Gate
            | Exit::Partly
            | Exit::Locked
            | Exit::Interrupted => Came::Again(failure.message.clone()),
        }
    }
}

/// What is held and refused, in one text.
fn standing(planned: &Planned) -> String {
    let refused = planned.refused.iter().map(|refusal| refusal.message.clone());
    let held = planned.plan.held().map(|(key, held)| format!("{key}: {}: {}", held.hold.name(), held.message));
    refused.chain(held).collect::<Vec<_>>().join("\n")
}

/// Whether a plan takes something for not declared any more that may only be half written.
fn doubted(plan: &Plan, belief: Belief) -> bool {
    plan.changes().filter(|change| change.reason == Reason::NotDeclared).any(|change| match belief {
        Belief::None => true,
        Belief::Retired => matches!(change.verb(), Verb::Delete | Verb::Release),
        Belief::All => false,
    })
}

/// Of a plan, what shuts people off: because their document says so, because of what stands above them, or because of the time.
fn shutting_off(plan: &Plan) -> Approved {
    let mut approved = Approved::of(plan);
    let shuts = |key: &Key| {
        let change = plan.decision(key).and_then(|decision| decision.change.as_ref());
        let off =
            |change: &Change| change.fields().iter().any(|it| it.field == Field::Enabled && it.after == FieldValue::Flag(false));
        change.is_some_and(|change| off(change) && change.reason != Reason::NotDeclared)
    };
    approved.changes.retain(|key, _| shuts(key));
    approved
}

fn came(planned: &Planned, problems: &Problems, report: &Report, next: Option<Timestamp>, doubt: bool) -> Came {
    if report.interrupted {
        return Came::Cut;
    }
    let done = report.done();
    let helped = |result: &ResultKind| match result {
        ResultKind::Failed { message: _, retry_helps, refused: _, interrupted: _ } => *retry_helps,
        ResultKind::Applied | ResultKind::Skipped(_) => false,
    };
    if report.results.iter().any(|outcome| helped(&outcome.result)) {
        return Came::Again(format!("{} of {} changes failed", count(done.failed), count(report.results.len() as u64)));
    }
    let mut standing = vec![format!("{} as declared", count(planned.plan.tally.settled + done.applied))];
    let held = planned.plan.decisions.iter().filter(|it| it.held.is_some() && it.verb() == Verb::Held).count() as u64;
    for (number, word) in [(held, "held"), (done.failed, "failed"), (done.skipped, "not done")] {
        if number > 0 {
            standing.push(format!("{} {word}", count(number)));
        }
    }
    if problems.errors > 0 {
        standing.push(counted(problems.errors, "problem in the documents", "problems in the documents"));
    }
    Came::Rest { standing: standing.join(", "), next, doubt }
}
