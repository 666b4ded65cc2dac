//! `tenantry why`: everything about one thing. Who declares it and by which commit, what the directory holds, what happens next
//! and what it waits for. Reads only.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::ValueEnum;

use super::{
    args::{Declaration, Permissions, ProjectArg},
    console::Console,
    exit::Exit,
    failure::Failure,
    render::why::{self as render, Declared},
    session::Session,
};
use crate::{
    desired::closest,
    directory::History,
    git,
    history::{self, Past, Record},
    model::{Key, Kind, RemoteId, Username},
    observed::Observed,
    pipeline::Planned,
};

/// How long `git` may take to say who wrote a document.
const ASKING_GIT: Duration = Duration::from_secs(5);

/// Arguments of `tenantry why`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry why user/nordlicht/mara-lindqvist
  tenantry why mara.lindqvist tenants/        by username; declared below tenants/
  tenantry why company/nordlicht/service -o json")]
pub(crate) struct Args {
    /// KIND/NAME, KIND/NAMESPACE/NAME, or the username of a user.
    #[arg(value_name = "THING")]
    pub(crate) thing: String,
    /// What is declared, as for `plan` [default: `paths` of the project file].
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) project: ProjectArg,
    /// `text` or `json`.
    #[arg(short, long = "output", value_name = "FORMAT", default_value = "text")]
    pub(crate) output: Format,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For scripts, one value.
    Json,
}

/// Reads everything and tells about one thing.
pub(crate) async fn run(args: &Args, console: Console) -> Result<Exit, Failure> {
    let Args { thing, paths, project, output } = args;
    let declaration = Declaration { paths: paths.clone(), project: ProjectArg { project: project.project.clone() } };
    let mut session = Session::open(&declaration, &Permissions::default(), console)?;
    let seen = session.look().await?;
    let planned = session.plan_on(&seen);
    let past = match session.history() {
        Some(history) => history.past(None).await?,
        None => Arc::default(),
    };
    let key = find(thing, &session, &seen.observed, &planned, &past)?;
    let live = seen.observed.get(&key);
    let last = last(&session, &past, &key, live.map(|live| &live.id)).await?;
    let why = render::Why {
        declared: declared(&session, &key).await,
        problems: session.problems_of(&planned, &key),
        found: history::drift(&past, &seen.observed).into_iter().find(|found| found.key.as_ref() == Some(&key)),
        decision: planned.plan.decision(&key),
        above: live.map(|live| render::shut_above(&live.state, &seen.observed)).unwrap_or_default(),
        deletion: session.project().deletion,
        key,
        live,
        last,
        planned: &planned,
    };
    console.data(&match output {
        Format::Text => why.text(),
        Format::Json => why.json(),
    })?;
    Ok(Exit::Done)
}

/// The key that is meant: by itself, or by the username of a user.
fn find(thing: &str, session: &Session, observed: &Observed, planned: &Planned, past: &Past) -> Result<Key, Failure> {
    let unknown = || Failure::failed(format!("nothing is known of `{thing}`: it is neither declared nor in the directory"));
    if let Ok(key) = thing.parse::<Key>() {
        let was = || past.things().any(|(_, thing)| thing.key.as_ref() == Some(&key));
        let declared = session.desired().get(&key).is_some();
        if declared || observed.get(&key).is_some() || planned.plan.decision(&key).is_some() || was() {
            return Ok(key);
        }
        let names =
            session.desired().entries.iter().map(|entry| &entry.key).chain(observed.ours.iter().map(|live| &live.state.key));
        let names: Vec<String> = names.filter(|it| it.kind == key.kind).map(ToString::to_string).collect();
        let failure = unknown();
        return Err(match closest(thing, names.iter().map(String::as_str)) {
            Some(close) => failure.hint(format!("did you mean `{close}`?")),
            None => failure.hint("`tenantry get` lists what the directory holds"),
        });
    }
    let wanted = Username::new(thing).map_err(|_| unknown().hint("write KIND/NAME, KIND/NAMESPACE/NAME, or a username"))?;
    let declared = session
        .desired()
        .entries
        .iter()
        .filter(|entry| entry.key.kind == Kind::User)
        .find(|entry| entry.state().and_then(|state| state.body.user()).is_some_and(|user| user.username == wanted));
    let held = observed.ours.iter().find(|live| live.state.body.user().is_some_and(|user| user.username == wanted));
    let key = held.map(|live| &live.state.key).or(declared.map(|entry| &entry.key)).cloned();
    key.ok_or_else(|| unknown().hint("`tenantry get users` lists who is there"))
}

/// Where it is declared, and by which commit.
async fn declared(session: &Session, key: &Key) -> Option<Declared> {
    let entry = session.desired().get(key)?;
    let (file, line) = (session.sources().file(entry.origin).to_owned(), entry.origin.line);
    let path = PathBuf::from(&file);
    let blamed = tokio::task::spawn_blocking(move || git::blame(&path, line, ASKING_GIT)).await.ok().flatten();
    Some(Declared { file, line, blamed })
}

/// The last record about it.
async fn last(session: &Session, past: &Past, key: &Key, id: Option<&RemoteId>) -> Result<Option<Record>, Failure> {
    let by_key =
        || past.things().filter(|(_, thing)| thing.key.as_ref() == Some(key)).map(|(_, thing)| thing).max_by_key(|it| it.seq);
    let thing = id.and_then(|id| past.get(id)).or_else(by_key);
    match (thing, session.history()) {
        (Some(thing), Some(history)) => Ok(record(history, thing.seq).await?),
        (_, _) => Ok(None),
    }
}

async fn record(history: &dyn History, seq: u64) -> Result<Option<Record>, Failure> {
    Ok(history.records(seq.saturating_sub(1), 1).await?.pop())
}
