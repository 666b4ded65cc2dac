//! `tenantry history`: what was done, when, by whom and by which commit. Reads only.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
};

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use smol_str::SmolStr;

use super::{
    args::ProjectArg,
    console::Console,
    exit::Exit,
    failure::Failure,
    input::{self, Home},
    render::{
        history as render, objects,
        objects::Item,
        style::{WARNING, counted, paint},
    },
    signing::Signer,
    values::moment,
};
use crate::{
    directory::{Directory, DirectoryError, ErrorKind, History},
    history::{Chain, Record, Thing},
    model::{Field, FieldChange, FieldValue, Key, Name, RemoteId, Username},
};

/// Records read at once.
const PAGE: usize = 10_000;

/// Arguments of `tenantry history`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  tenantry history                                        everything that was done, oldest first
  tenantry history --user mara.lindqvist                  what was done to one person, by whom and by which commit
  tenantry history --at 2026-03-03 --role common-manager  who held a role when that day ended (UTC)
  tenantry history --leavers                              everybody who was shut out, and how long after the commit
  tenantry history verify --head 3f9c…                    whether the trail is whole, and holds a head kept from earlier
  tenantry history export --key audit.pem > trail.jsonl   all of it, signed")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    /// What the directory held at a time: a date (its end, UTC) or a time such as `2026-03-03T12:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) at: Option<Timestamp>,
    /// Only what was done after a time.
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "at")]
    pub(crate) since: Option<Timestamp>,
    /// Only this user: a username that they have or had, or a key such as `user/nordlicht/mara-lindqvist`.
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Only holders of this role: who got it, who lost it, who was shut out while having it.
    #[arg(long, value_name = "ROLE", value_parser = |text: &str| Name::new(text).map_err(|error| error.to_string()))]
    pub(crate) role: Option<Name>,
    /// Only users who were shut out, with the time from the commit to it.
    #[arg(long, conflicts_with = "at")]
    pub(crate) leavers: bool,
    #[command(flatten)]
    pub(crate) project: ProjectArg,
    /// `text` or `json`.
    #[arg(short, long = "output", value_name = "FORMAT", default_value = "text")]
    pub(crate) output: Format,
}

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Lines for people.
    Text,
    /// One value; with `--at` a List of documents.
    Json,
}

/// What can be done with the trail.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Check that no record was changed, taken out or added in between.
    Verify {
        /// A head that was printed earlier and kept elsewhere: it must be among the records.
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
        #[command(flatten)]
        project: ProjectArg,
    },
    /// Print every record as JSON lines, and a signature.
    Export {
        /// A private key (Ed25519, PKCS#8 in PEM): `openssl genpkey -algorithm ed25519 -out audit.pem`.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        #[command(flatten)]
        project: ProjectArg,
    },
}

/// Reads and prints.
pub(crate) async fn run(args: &Args, console: Console) -> Result<Exit, Failure> {
    match &args.verb {
        Some(Verb::Verify { head, project }) => verify(head.as_deref(), &Trail::open(project, console)?, console).await,
        Some(Verb::Export { key, project }) => {
            let signer = Signer::read(key)?;
            export(signer, &Trail::open(project, console)?, console).await
        }
        None => {
            let trail = Trail::open(&args.project, console)?;
            match args.at {
                Some(at) => held(args, at, &trail, console).await,
                None => done(args, &trail, console).await,
            }
        }
    }
}

/// The directory of a project, and what is kept of what was done to it.
pub(crate) struct Trail {
    home: Home,
    directory: Arc<dyn Directory>,
}

impl Trail {
    pub(crate) fn open(project: &ProjectArg, console: Console) -> Result<Self, Failure> {
        let home = input::home(project, None, console)?;
        let directory = home.open(false)?;
        Ok(Self { home, directory })
    }

    fn history(&self) -> Result<&dyn History, Failure> {
        let none = || DirectoryError::new("read the history", ErrorKind::Rejected).because("this directory keeps none");
        Ok(self.directory.history().ok_or_else(none)?)
    }

    /// Hands every record over, page by page.
    async fn pages(&self, mut each: impl FnMut(Vec<Record>) -> Result<(), Failure>) -> Result<(), Failure> {
        let history = self.history()?;
        let mut after = 0;
        loop {
            let page = history.records(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.seq;
            each(page)?;
        }
    }
}

/// What there was at a time.
async fn held(args: &Args, at: Timestamp, trail: &Trail, console: Console) -> Result<Exit, Failure> {
    let past = trail.history()?.past(Some(at)).await?;
    let mut items = Vec::new();
    let mut unread = Vec::new();
    let text = |thing: &Thing, field| thing.find(field).and_then(FieldValue::text).map(str::to_owned);
    let named = args.user.as_ref().map(|user| (user, Username::new(user).ok()));
    let wanted = |thing: &Thing| {
        let role = args.role.as_ref().is_none_or(|role| text(thing, Field::Role).as_deref() == Some(role.as_str()));
        let user = named.as_ref().is_none_or(|(user, name)| {
            thing.key.as_ref().is_some_and(|key| key.to_string() == **user)
                || name.as_ref().is_some_and(|name| text(thing, Field::Username).as_deref() == Some(name.as_str()))
        });
        role && user
    };
    for (id, key, state) in past.states(wanted) {
        match state {
            Ok(state) => items.push((id, state)),
            Err(error) => unread.push(format!("{key}: {error}")),
        }
    }
    for text in unread {
        console.note(&format!("{} what is recorded of {text}\n", paint(WARNING, "warning:")));
    }
    if past.unsure > 0 {
        let things = counted(past.unsure, "thing was", "things were");
        console.note(&format!(
            "{} {things} found changed later by somebody else, and may have been so already: `tenantry history` says since when\n",
            paint(WARNING, "warning:")
        ));
    }
    let items: Vec<Item> = items.into_iter().map(|(id, state)| Item::past(id, state)).collect();
    let project = &trail.home.project;
    console.data(&match args.output {
        Format::Text => objects::table(&items, &[], &project.owner),
        Format::Json => objects::json(&items, project.deletion),
    })?;
    Ok(Exit::Done)
}

/// What was done.
async fn done(args: &Args, trail: &Trail, console: Console) -> Result<Exit, Failure> {
    let mut wanted = Wanted { args, ids: None, holders: HashMap::new() };
    if let Some(user) = &args.user {
        let (mut ids, whom) = (HashSet::new(), Whom::new(user));
        trail
            .pages(|page| {
                ids.extend(page.iter().filter(|record| whom.is(record)).map(|record| record.remote.clone()));
                Ok(())
            })
            .await?;
        if ids.is_empty() {
            return Err(Failure::failed(format!("the history knows no user `{user}`")));
        }
        wanted.ids = Some(ids);
    }
    let (mut first, mut any) = (true, false);
    if args.output == Format::Json {
        console.data(&render::begin())?;
    }
    trail
        .pages(|page| {
            let mut out = String::new();
            for record in page.iter().filter(|record| wanted.wants(record)) {
                any = true;
                match args.output {
                    Format::Text => out.push_str(&render::text(record)),
                    Format::Json => out.push_str(&render::json(record, std::mem::take(&mut first))),
                }
            }
            console.data(&out)
        })
        .await?;
    match args.output {
        Format::Json => console.data(render::END)?,
        Format::Text if !any => console.data("Nothing.\n")?,
        Format::Text => {}
    }
    Ok(Exit::Done)
}

/// Somebody, by a key or a username that they have or had.
struct Whom {
    key: Option<Key>,
    text: String,
}

impl Whom {
    fn new(text: &str) -> Self {
        let username = Username::new(text).map_or_else(|_| text.to_owned(), |name| name.as_str().to_owned());
        Self { key: text.parse().ok(), text: username }
    }

    fn is(&self, record: &Record) -> bool {
        let key = |key: &Key| key.namespace.as_str() == record.namespace && key.name.as_str() == record.name;
        record.kind == "user" && (self.key.as_ref().is_some_and(key) || self.is_named(record))
    }

    /// Most records do not hold the text at all, which is found out without reading them.
    fn is_named(&self, record: &Record) -> bool {
        let named = |value: &FieldValue| value.text() == Some(&self.text);
        let of = |change: &FieldChange| {
            matches!(change.field, Field::Username | Field::Key) && (named(&change.before) || named(&change.after))
        };
        record.changes.contains(&self.text) && record.fields().iter().any(of)
    }
}

/// Which records are asked for.
struct Wanted<'a> {
    args: &'a Args,
    ids: Option<HashSet<RemoteId>>,
    /// The role that everybody holds, as far as the records have been read.
    holders: HashMap<RemoteId, SmolStr>,
}

impl Wanted<'_> {
    fn wants(&mut self, record: &Record) -> bool {
        let of_role = self.args.role.as_ref().is_none_or(|role| self.holds(record, role.as_str()));
        of_role
            && self.args.since.is_none_or(|since| record.at > since)
            && (!self.args.leavers || record.shuts_out())
            && self.ids.as_ref().is_none_or(|ids| ids.contains(&record.remote))
    }

    /// Whether a record gives a role, takes it, or is about a holder or the role itself.
    fn holds(&mut self, record: &Record, role: &str) -> bool {
        if record.kind == "role" {
            return record.name == role;
        }
        let change = record.fields().into_iter().find(|change| change.field == Field::Role);
        let before = self.holders.get(&record.remote).is_some_and(|held| held == role);
        if let Some(after) = change.as_ref().and_then(|change| change.after.text()) {
            self.holders.insert(record.remote.clone(), after.into());
        }
        let named = |value: &FieldValue| value.text() == Some(role);
        before || change.is_some_and(|change| named(&change.before) || named(&change.after))
    }
}

/// Whether the trail is as it was written.
async fn verify(head: Option<&str>, trail: &Trail, console: Console) -> Result<Exit, Failure> {
    match trail.history()?.verify(head).await? {
        Chain::Whole { records, head: found, at } => {
            let records = counted(records, "record", "records");
            if let (Some(head), None) = (head, at) {
                return Err(Failure::failed(format!("the trail is whole, and no record has the head {head}"))
                    .hint("it was written anew since that head was kept, or the head is that of another directory"));
            }
            let kept = at.map(|at| format!("The head that was kept is that of record {at}.\n")).unwrap_or_default();
            console.data(&format!("{records}, each as it was written.\n{kept}head {found}\n"))?;
            Ok(Exit::Done)
        }
        Chain::Broken { record, reason } => {
            Err(Failure::failed(format!("record {record} of the trail is not as it was written: {reason}"))
                .hint("what stands before it can be trusted; restore the directory from a copy, and find out who wrote to it"))
        }
    }
}

/// Everything, with a signature over it.
async fn export(mut signer: Signer, trail: &Trail, console: Console) -> Result<Exit, Failure> {
    let history = trail.history()?;
    let Chain::Whole { records: _, head: _, at: _ } = history.verify(None).await? else {
        return Err(
            Failure::failed("the trail is not whole, so it is not signed").hint("`tenantry history verify` says where it breaks")
        );
    };
    console.data(&signer.line(&render::export_head(trail.directory.name())))?;
    let (mut records, mut head) = (0, String::from("0").repeat(64));
    trail
        .pages(|page| {
            let lines: String = page.iter().map(|record| signer.line(&render::line(record))).collect();
            records += page.len() as u64;
            if let Some(last) = page.last() {
                head.clone_from(&last.hash);
            }
            console.data(&lines)
        })
        .await?;
    console.data(&signer.sign(records, &head))?;
    Ok(Exit::Done)
}
