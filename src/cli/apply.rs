//! `tenantry apply`: plans, asks, carries out, reports.

use std::time::Duration;

use super::{
    approved,
    args::{Declaration, Format, Outputs, Permissions},
    console::Console,
    exit::Exit,
    failure::Failure,
    interrupt::Interrupt,
    publish::Publisher,
    render,
    session::{Problems, Session},
    values::{self, Expect},
};
use crate::{
    pipeline::{ApplyError, Planned},
    plan::{Gate, Refusal},
    report::{Report, ResultKind},
};

/// Arguments of `tenantry apply`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry apply tenants/                               shows the plan and asks
  tenantry apply tenants/ --yes                         in a pipeline
  tenantry apply tenants/ --expect sha256:3f9c…         only the plan that somebody approved
  tenantry apply tenants/ --expect plan.json --wait 10m what that plan has, and no more
  tenantry apply tenants/ --yes --allow-removals 12     this plan may hold up to 12 losses")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) declaration: Declaration,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Apply what was approved: only if the plan has this digest, or of the plan only what the one in this file (the JSON of
    /// `tenantry plan`) has too, the rest being held. Implies `--yes` and lifts no gate.
    #[arg(long, value_name = "DIGEST|PLAN.json", value_parser = values::expect)]
    pub(crate) expect: Option<Expect>,
    /// Wait this long for another run to end, instead of ending with 7 at once: `90s`, `10m`.
    #[arg(long, value_name = "DURATION", value_parser = values::duration, default_value = "0s", hide_default_value = true)]
    pub(crate) wait: Duration,
    #[command(flatten)]
    pub(crate) permissions: Permissions,
    #[command(flatten)]
    pub(crate) outputs: Outputs,
}

/// How often an approved plan is judged again because others came first: each time one of them was done.
const TRIES: usize = 20;

/// Plans, asks, applies, reports.
pub(crate) async fn run(args: &Args, console: Console, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let ask = !args.yes && args.expect.is_none();
    if ask && (!console.interactive() || args.declaration.reads_stdin()) {
        return Err(Failure::invalid("nobody can be asked here, so nothing was written")
            .hint("say `--yes`, or `--expect DIGEST` with the digest of the plan that was approved"));
    }
    let (digest, approved) = match &args.expect {
        None => (None, None),
        Some(Expect::Digest(digest)) => (Some(digest.as_str()), None),
        Some(Expect::Plan(path)) => (None, Some(approved::read(path)?)),
    };
    let mut session = Session::open(&args.declaration, &args.permissions, console)?;
    session.foresee(&args.outputs);
    session.approve(approved);
    let mut planned = session.plan().await?;
    planned.refused.extend(stale(digest, &planned));
    let (wait, anew, outputs) = (args.wait, args.yes && args.expect.is_none(), &args.outputs);
    carry_out(Carrying { session: &session, planned, wait, ask, anew, outputs, console, interrupt }).await
}

/// A plan that is to be carried out, and how.
pub(crate) struct Carrying<'a> {
    pub(crate) session: &'a Session,
    pub(crate) planned: Planned,
    pub(crate) wait: Duration,
    /// Somebody is asked first.
    pub(crate) ask: bool,
    /// Nobody has asked for just this plan: another one that passes the gates does as well.
    pub(crate) anew: bool,
    pub(crate) outputs: &'a Outputs,
    pub(crate) console: Console,
    pub(crate) interrupt: &'a Interrupt,
}

/// Shows a plan, asks, carries it out, reports.
pub(crate) async fn carry_out(it: Carrying<'_>) -> Result<Exit, Failure> {
    let Carrying { session, mut planned, wait, ask, anew, outputs, console, interrupt } = it;
    let publisher = Publisher::open(&outputs.outputs, session.sources(), console)?;
    let problems = session.diagnostics(&planned);
    let run = Run { publisher, console, session, problems: &problems };
    console.note(&render::diagnostics::text(&problems.shown));
    console.note(&session.notes(&planned, true));
    run.show(&planned)?;
    if !planned.refused.is_empty() {
        return run.refused(&planned);
    }
    let anything = planned.plan.changes().next().is_some() || !planned.plan.loosens.is_empty();
    if ask && anything && !confirmed(console) {
        return Err(Failure { exit: Exit::Interrupted, ..Failure::invalid("not confirmed, so nothing was written") });
    }
    interrupt.writing();
    let mut tries = TRIES;
    let carried = loop {
        let progress = console.progress(planned.plan.changes().count() as u64);
        let carried = session.apply(&planned, wait, interrupt.stop(), &|step| progress.told(step)).await;
        progress.clear();
        tries -= 1;
        match carried {
            // Somebody else's merge came first. Within what was approved it does not matter what a run saw before that.
            // Nobody has looked at a plan that `--yes` lets through: the gates judge the one that comes after another run as well.
            Err(ApplyError::Stale(fresh)) if (session.approves() || anew) && fresh.refused.is_empty() && tries > 0 => {
                let what = if session.approves() { "of the approved plan" } else { "to be done" };
                console.note(&render::note(&format!("the directory changed meanwhile; this is what remains {what}")));
                run.show(&fresh)?;
                planned = *fresh;
            }
            carried => break carried,
        }
    };
    match carried {
        Ok(report) => {
            // What somebody else changed and is declared by now as well is no change, and stands in the history all the same.
            if report.results.is_empty() && session.orders().is_empty() {
                session.note_found_anew(wait).await?;
            }
            session.tell_traffic(console);
            run.report(&planned, &report)
        }
        Err(ApplyError::Directory(error)) => Err(error.into()),
        Err(ApplyError::Stale(mut fresh)) => {
            let message = "the directory changed after the plan was shown; this is what would happen now".to_owned();
            fresh.refused.insert(0, Refusal { gate: Gate::StalePlan, message, flag: None });
            run.show(&fresh)?;
            run.refused(&fresh)
        }
        Err(ApplyError::Refused(fresh)) => {
            run.show(&fresh)?;
            run.refused(&fresh)
        }
    }
}

/// What printing needs to know.
struct Run<'a> {
    publisher: Publisher,
    console: Console,
    session: &'a Session,
    problems: &'a Problems,
}

impl Run<'_> {
    /// The plan for whoever watches: data where text is wanted, a note where standard output belongs to another form.
    fn show(&self, planned: &Planned) -> Result<(), Failure> {
        let text = render::plan::text(planned, self.session.sources());
        if self.publisher.form_on_stdout() {
            if self.console.interactive() {
                self.console.note(&text);
            }
            return Ok(());
        }
        self.console.data(&text)
    }

    /// Nothing was written: the plan is all there is, with empty results in JSON.
    fn refused(&self, planned: &Planned) -> Result<Exit, Failure> {
        self.publish(planned, &Report::default(), "Nothing was written.\n")?;
        Ok(Exit::Gate)
    }

    fn report(&self, planned: &Planned, report: &Report) -> Result<Exit, Failure> {
        let mailed = render::report::mailed(report, &planned.plan, || self.session.mail());
        let text = format!("{mailed}{}", render::report::text(report, &planned.plan, self.problems.errors));
        if let Err(failure) = self.publish(planned, report, &text) {
            // Whoever reads no report hears at least this.
            self.console.note(&text);
            return Err(failure);
        }
        let refused = |result: &ResultKind| match result {
            ResultKind::Failed { message: _, retry_helps: _, refused, interrupted: _ } => *refused,
            ResultKind::Applied | ResultKind::Skipped(_) => false,
        };
        let done = report.done();
        let partly = done.failed + done.skipped > 0 || planned.plan.held().next().is_some() || self.problems.errors > 0;
        Ok(Exit::Partly
            .when(partly)
            .and(Exit::Interrupted.when(report.interrupted))
            .and(Exit::Refused.when(report.results.iter().any(|outcome| refused(&outcome.result)))))
    }

    /// A text file gets the plan too; on standard output it stands already.
    fn publish(&self, planned: &Planned, report: &Report, text: &str) -> Result<(), Failure> {
        let view = self.session.view(planned, self.problems, Some(report));
        self.publisher.each(|format, file| {
            let form = || render::form(format, &view);
            match (format, file) {
                (Format::Text, None) => self.console.data(&format!("\n{text}")),
                (Format::Text, Some(file)) => file.write(&format!("{}\n{text}", form())),
                (_, None) => self.console.data(&form()),
                (_, Some(file)) => file.write(&form()),
            }
        })
    }
}

/// `--expect` demands exactly the plan that was approved.
fn stale(expect: Option<&str>, planned: &Planned) -> Option<Refusal> {
    let expected = expect?;
    let digest = planned.plan.digest();
    if digest == expected {
        return None;
    }
    let message = format!("this is not the plan that was approved: `--expect` says {expected}, and this one is {digest}");
    Some(Refusal { gate: Gate::StalePlan, message, flag: None })
}

fn confirmed(console: Console) -> bool {
    console.ask("\nApply this plan? Only `yes` is taken for one: ").as_deref() == Some("yes")
}
