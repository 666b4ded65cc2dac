//! `tenantry reset`, `lock`, `unlock`: a new credential, or shut off against the declaration, now and without a commit. They
//! are plans like any other: roles and gates count, and the history has them.

use std::{collections::BTreeMap, time::Duration};

use super::{
    apply::{Carrying, carry_out},
    args::{Outputs, ProjectArg},
    console::Console,
    exit::Exit,
    failure::Failure,
    input,
    interrupt::Interrupt,
    session::Session,
    values::{duration, last_holder},
};
use crate::{
    manifest::Project,
    model::{Key, Kind, Method, Paragraph, Username},
    observed::{Capabilities, Live, Observed},
    plan::{Allow, LastHolder, Order},
};

/// Arguments of `tenantry reset`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry reset mara.lindqvist                          a link to set a new password, by mail
  tenantry reset user/nordlicht/mara-lindqvist --method Temporary")]
pub(crate) struct ResetArgs {
    #[command(flatten)]
    whom: Whom,
    /// `Invite`: a link to set a password. `Temporary`: a password that must be changed. Both by mail to the user's own
    /// address; the password that they have now is dead from then on [default: Temporary; Invite where the project has
    /// `links.baseUrl`, and where the directory has links of its own or takes no temporary passwords].
    #[arg(long, value_name = "METHOD", value_parser = method)]
    method: Option<Method>,
    #[command(flatten)]
    how: How,
}

/// Arguments of `tenantry lock`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry lock timo.krause --reason 'INC-204: laptop stolen'
  tenantry lock user/nordlicht/timo-krause --reason 'left today' --allow-last-holder nordlicht/common-manager")]
pub(crate) struct LockArgs {
    #[command(flatten)]
    whom: Whom,
    /// Why: it stands in the history and in `tenantry get`.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Paragraph,
    #[command(flatten)]
    how: How,
}

/// Arguments of `tenantry unlock`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry unlock timo.krause                            what is declared counts again")]
pub(crate) struct UnlockArgs {
    #[command(flatten)]
    whom: Whom,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
struct Whom {
    /// Usernames, or keys such as `user/nordlicht/mara-lindqvist`.
    #[arg(value_name = "USER", required = true)]
    users: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct How {
    #[command(flatten)]
    project: ProjectArg,
    /// Act as this user of the directory [default: `actor` of the project file].
    #[arg(long, value_name = "USERNAME", value_parser = |text: &str| Username::new(text))]
    actor: Option<Username>,
    /// Wait this long for another run to end, instead of ending with 7 at once: `90s`, `10m`.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0s", hide_default_value = true)]
    wait: Duration,
    /// Allow up to N losses, whatever the budget says.
    #[arg(long, value_name = "N")]
    allow_removals: Option<u64>,
    /// Allow up to N mails.
    #[arg(long, value_name = "N")]
    allow_mails: Option<u64>,
    /// Allow that nobody in the namespace holds this privileged role afterwards; repeatable.
    #[arg(long, value_name = "NAMESPACE/ROLE", value_parser = last_holder)]
    allow_last_holder: Vec<LastHolder>,
    #[command(flatten)]
    outputs: Outputs,
}

impl ResetArgs {
    /// The forms that are asked for.
    pub(crate) fn outputs(&self) -> &Outputs {
        &self.how.outputs
    }
}

impl LockArgs {
    /// The forms that are asked for.
    pub(crate) fn outputs(&self) -> &Outputs {
        &self.how.outputs
    }
}

impl UnlockArgs {
    /// The forms that are asked for.
    pub(crate) fn outputs(&self) -> &Outputs {
        &self.how.outputs
    }
}

fn method(text: &str) -> Result<Method, String> {
    match text {
        "Invite" | "invite" => Ok(Method::Invite),
        "Temporary" | "temporary" => Ok(Method::Temporary),
        _ => Err("`Invite` and `Temporary` can be sent".into()),
    }
}

fn reason(text: &str) -> Result<Paragraph, String> {
    if text.contains(['\n', '\t']) {
        return Err("must be one line".into());
    }
    Paragraph::new(text).map_err(|error| error.to_string())
}

/// Issues new credentials.
pub(crate) async fn reset(args: &ResetArgs, console: Console, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let ResetArgs { whom, method, how } = args;
    let order = |live: &Live, usual: Method| {
        let able = live.state.enabled && !live.state.retired;
        let refusal = || Failure::invalid(format!("`{}` cannot sign in, so nothing is sent", live.state.key));
        if able { Ok(Order::Reset(method.unwrap_or(usual))) } else { Err(refusal().hint("enable or unlock the account first")) }
    };
    run(whom, how, order, console, interrupt).await
}

/// What is sent where nobody says what.
fn usual(project: &Project, can: &Capabilities) -> Method {
    let linked = project.base_url.is_some() || can.links || can.invites;
    if linked || !can.methods.contains(&Method::Temporary) { Method::Invite } else { Method::Temporary }
}

/// Shuts off.
pub(crate) async fn lock(args: &LockArgs, console: Console, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let LockArgs { whom, reason, how } = args;
    run(whom, how, |_, _| Ok(Order::Lock(reason.clone())), console, interrupt).await
}

/// Lets the declaration count again.
pub(crate) async fn unlock(args: &UnlockArgs, console: Console, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let UnlockArgs { whom, how } = args;
    let order = |live: &Live, usual: Method| match &live.state.locked {
        Some(_) => Ok(Order::Unlock(usual)),
        None => Err(Failure::invalid(format!("`{}` is not locked", live.state.key))),
    };
    run(whom, how, order, console, interrupt).await
}

async fn run(
    whom: &Whom,
    how: &How,
    order: impl Fn(&Live, Method) -> Result<Order, Failure>,
    console: Console,
    interrupt: &Interrupt,
) -> Result<Exit, Failure> {
    let How { project, actor, wait, allow_removals, allow_mails, allow_last_holder, outputs } = how;
    let home = input::home(project, None, console)?;
    let allow = Allow {
        removals: *allow_removals,
        mails: *allow_mails,
        last_holders: allow_last_holder.iter().cloned().collect(),
        ..Allow::default()
    };
    let mut session = Session::ordering(home, actor.as_ref(), allow)?;
    let seen = session.look().await?;
    let mut orders = BTreeMap::new();
    for text in &whom.users {
        let live = find(text, &seen.observed)?;
        orders.insert(live.state.key.clone(), order(live, usual(session.project(), &session.capabilities()))?);
    }
    session.order(orders);
    session.foresee(outputs);
    let planned = session.plan_on(&seen);
    carry_out(Carrying { session: &session, planned, wait: *wait, ask: false, anew: false, outputs, console, interrupt }).await
}

/// The user of ours that a word on the command line means.
fn find<'o>(text: &str, observed: &'o Observed) -> Result<&'o Live, Failure> {
    let missing = || Failure::invalid(format!("there is no managed user `{text}`")).hint("`tenantry get users` lists them");
    if let Ok(key) = text.parse::<Key>() {
        return observed.get(&key).filter(|live| live.state.key.kind == Kind::User).ok_or_else(missing);
    }
    let wanted = Username::new(text).map_err(|_| missing())?;
    let named = |live: &&Live| live.state.body.user().is_some_and(|user| user.username == wanted);
    observed.ours.iter().find(named).ok_or_else(missing)
}
