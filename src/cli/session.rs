//! A declaration and its directory, ready to be planned and applied.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use jiff::Timestamp;
use smol_str::ToSmolStr;
use tokio::task::JoinHandle;

use super::{
    args::{Declaration, Format, Outputs, Permissions},
    console::Console,
    failure::Failure,
    input::{self, Home, Read},
    issuer::{issuer, way_out},
    render::{
        View, note,
        style::{WARNING, paint},
    },
};
use crate::{
    apply::Told,
    desired::{Desired, Entry},
    directory::{Directory, DirectoryError, History, Stop, Traffic},
    git::{self, Asked},
    history::Commit,
    mail::{Closed, MailErrorKind, Mailer, Post},
    manifest::{DEFAULT_BASE_URL, Diagnostic, Project, Severity, Sources, Transport},
    model::{Field, FieldValue, Key, Method, SecretSource, Username, visible},
    observed::{Capabilities, Scope},
    pipeline::{self, ApplyError, Leases, Order, Planned, Request, Seen},
    plan::{self, Allow, Approved, Change, Hold, Plan, Purge, Reason},
    report::Report,
};

/// The directory, being read.
type Ahead = JoinHandle<Result<Seen, DirectoryError>>;

/// Begins to read the directory.
fn look_ahead(directory: &Arc<dyn Directory>, project: &Project) -> Ahead {
    let (reader, project) = (Arc::clone(directory), project.clone());
    tokio::spawn(async move { pipeline::look(&*reader, &project, &Scope::All).await })
}

/// Everything that a plan needs, read once.
pub(crate) struct Session {
    /// The plan that was approved.
    approved: Option<Approved>,
    read: Read,
    directory: Arc<dyn Directory>,
    /// The directory is read while the documents are: a plan takes as long as the slower of the two.
    ahead: Option<Ahead>,
    way_out: OnceLock<Result<Arc<Mailer>, Closed>>,
    actor: Option<Username>,
    adopt: BTreeSet<Key>,
    purge: Purge,
    orders: BTreeMap<Key, plan::Order>,
    allow: Allow,
    unattended: bool,
    gently: bool,
    looked: Option<Timestamp>,
    now: Timestamp,
    outlook: bool,
}

/// What is wrong with the documents, and how much of it is an error.
#[derive(Debug)]
pub(crate) struct Problems {
    /// All of it.
    pub(crate) shown: Vec<Diagnostic>,
    /// How many of them are errors.
    pub(crate) errors: u64,
}

/// How long `git` may take to say by which commit things came to be declared: a remark in the history, which nothing waits for.
const ASKING_GIT: Duration = Duration::from_secs(2);

/// By which commit the changes of a plan came to be declared.
async fn commits(plan: &Plan) -> Arc<BTreeMap<Key, Commit>> {
    let asked: BTreeMap<Key, Asked> =
        plan.changes().filter_map(|change| Some((change.key.clone(), asked(plan, change)?))).collect();
    let found = tokio::task::spawn_blocking(move || git::commits(&asked, ASKING_GIT)).await;
    Arc::new(found.unwrap_or_default())
}

/// What made a change. Whoever is shut off with what stands above them was shut off by that.
fn asked(plan: &Plan, change: &Change) -> Option<Asked> {
    let gone = |change: &Change| Some(Asked::Gone(change.source.clone()?, change.key.name.clone()));
    match &change.reason {
        Reason::Above(above) => {
            let above = plan.decision(above)?.change.as_ref()?;
            if above.reason == Reason::NotDeclared { gone(above) } else { Some(Asked::Document(above.source.clone()?)) }
        }
        // Time, and what somebody asks for at once, are in no commit. Nor does a lock wait for `git` to say so.
        Reason::Expired | Reason::Locked | Reason::Unlocked | Reason::Reset | Reason::Owed | Reason::DisabledOutside => None,
        Reason::NotDeclared | Reason::Purged => gone(change),
        Reason::Declared
        | Reason::DeclaredAgain
        | Reason::MovedFrom(_)
        | Reason::Adopted
        | Reason::Salvaged
        | Reason::ShuttingOff => Some(Asked::Document(change.source.clone()?)),
    }
}

/// Secrets that only a cluster holds.
fn unreachable_secrets(plan: &Plan) -> String {
    let only_there = |change: &&Change| {
        let source = change.issues().and_then(|credential| credential.source.as_ref());
        source.is_some_and(|source| matches!(source, SecretSource::SecretRef { .. }))
    };
    let keys: Vec<String> = plan.changes().filter(only_there).map(|change| change.key.to_string()).collect();
    let Some(first) = keys.first() else { return String::new() };
    let more = if keys.len() > 1 { format!(" and {} more", keys.len() - 1) } else { String::new() };
    let warning = paint(WARNING, "warning:");
    format!(
        "{warning} the credential of `{first}`{more} names a `secretRef`, which is read in a cluster only: use `env` or `file`\n"
    )
}

impl Session {
    /// What was read and the directory it is for; the actor of the project, and nothing that a flag could say.
    fn new(read: Read, directory: Arc<dyn Directory>, ahead: Option<Ahead>) -> Self {
        let actor = read.home.project.actor.clone();
        Self {
            approved: None,
            read,
            directory,
            ahead,
            way_out: OnceLock::new(),
            actor,
            adopt: BTreeSet::new(),
            purge: Purge::default(),
            orders: BTreeMap::new(),
            allow: Allow::default(),
            unattended: false,
            gently: false,
            looked: None,
            now: Timestamp::now(),
            outlook: false,
        }
    }

    /// Reads the declaration, and has the directory read meanwhile. Writes nothing.
    pub(crate) fn open(declaration: &Declaration, permissions: &Permissions, console: Console) -> Result<Self, Failure> {
        let (read, (directory, ahead)) = input::read(declaration, console, |home| {
            let directory = home.open(permissions.new_ledger)?;
            let ahead = look_ahead(&directory, &home.project);
            Ok((directory, ahead))
        })?;
        let session = Self::new(read, directory, Some(ahead));
        let actor = permissions.actor.clone().or(session.actor.clone());
        let (adopt, purge, allow) = (permissions.adopt(), permissions.purge(), permissions.allow());
        Ok(Self { actor, adopt, purge, allow, ..session })
    }

    /// Reads the declaration of a project that is known already, for one whom nobody watches: what was shut off outside stays
    /// shut off. `looked` is when the directory was last found as it was recorded.
    pub(crate) fn unattended(
        home: Home,
        directory: Arc<dyn Directory>,
        paths: &[PathBuf],
        actor: Option<&Username>,
        looked: Option<Timestamp>,
        console: Console,
    ) -> Result<Self, Failure> {
        let (read, ahead) = input::read_at(home, paths, console, |home| Ok(look_ahead(&directory, &home.project)))?;
        let session = Self::new(read, directory, Some(ahead));
        let actor = actor.cloned().or(session.actor.clone());
        Ok(Self { actor, unattended: true, looked, ..session })
    }

    /// A session without documents, in which orders are carried out.
    pub(crate) fn ordering(home: Home, actor: Option<&Username>, allow: Allow) -> Result<Self, Failure> {
        let directory = home.open(false)?;
        let session = Self::new(Read::nothing(home), directory, None);
        let actor = actor.cloned().or(session.actor.clone());
        Ok(Self { actor, allow, ..session })
    }

    /// Whose, and within which limits.
    pub(crate) fn project(&self) -> &Project {
        &self.read.home.project
    }

    /// What is to be done beside the declaration.
    pub(crate) fn order(&mut self, orders: BTreeMap<Key, plan::Order>) {
        self.orders = orders;
    }

    /// Has the organisation after the plan worked out as well, where a form that is asked for draws it.
    pub(crate) fn foresee(&mut self, outputs: &Outputs) {
        self.outlook = outputs.want(Format::Html);
    }

    /// Of all that is wanted, only what this plan has is done.
    pub(crate) fn approve(&mut self, approved: Option<Approved>) {
        self.approved = approved;
    }

    /// Whether a plan was approved, and not only one digest.
    pub(crate) fn approves(&self) -> bool {
        self.approved.is_some()
    }

    /// What is to be done beside the declaration.
    pub(crate) fn orders(&self) -> &BTreeMap<Key, plan::Order> {
        &self.orders
    }

    /// Who acts; none means the operator.
    pub(crate) fn actor(&self) -> Option<&str> {
        self.actor.as_ref().map(Username::as_str)
    }

    /// What is wanted.
    pub(crate) fn desired(&self) -> &Desired {
        &self.read.desired
    }

    /// What is wrong with one thing.
    pub(crate) fn problems_of(&self, planned: &Planned, key: &Key) -> Vec<Diagnostic> {
        self.read.diagnostics_of(&planned.problems, key)
    }

    /// Where documents stand.
    pub(crate) fn sources(&self) -> &Sources {
        &self.read.sources
    }

    /// What is wrong, with what the roles in force have against it.
    pub(crate) fn diagnostics(&self, planned: &Planned) -> Problems {
        let shown = self.read.diagnostics(&planned.problems);
        let errors = shown.iter().filter(|problem| problem.severity == Severity::Error).count() as u64;
        Problems { shown, errors }
    }

    /// What every form is made of.
    pub(crate) fn view<'a>(&'a self, planned: &'a Planned, problems: &'a Problems, report: Option<&'a Report>) -> View<'a> {
        View { planned, report, actor: self.actor(), problems: &problems.shown, sources: self.sources() }
    }

    /// What whoever watches should know beside the plan. A pull request is planned where the password of the mail server is
    /// not at hand: `carried_out` says whether it will be needed.
    pub(crate) fn notes(&self, planned: &Planned, carried_out: bool) -> String {
        let plan = &planned.plan;
        let about = [self.unmatched(planned), self.unwanted(plan), self.about_mail(plan, carried_out), unreachable_secrets(plan)];
        about.concat()
    }

    /// Where mails go, for people.
    pub(crate) fn mail(&self) -> String {
        match self.way_out() {
            Ok(mailer) => mailer.name(),
            Err(closed) => closed.name(),
        }
    }

    /// How mail goes out, opened once.
    fn way_out(&self) -> &Result<Arc<Mailer>, Closed> {
        self.way_out.get_or_init(|| way_out(&self.read.home))
    }

    /// What keeps mails from going out, or from being of use.
    fn about_mail(&self, plan: &Plan, carried_out: bool) -> String {
        let home = &self.read.home;
        if plan.mails() == 0 {
            return String::new();
        }
        let closed = match self.way_out() {
            Ok(_) => String::new(),
            Err(closed) if closed.kind() != MailErrorKind::Template && !carried_out => String::new(),
            Err(closed) => format!("{} no mail can go out: {}\n", paint(WARNING, "warning:"), visible(&closed.to_string())),
        };
        let can = self.directory.capabilities();
        let invited = plan.changes().filter_map(Change::issues).any(|credential| credential.method == Method::Invite);
        let links = invited && !can.links && !can.invites;
        let smtp = home.project.mail.as_ref().is_some_and(|mail| matches!(mail.transport, Transport::Smtp { .. }));
        if links && smtp && home.project.base_url.is_none() {
            let warning = paint(WARNING, "warning:");
            return format!(
                "{closed}{warning} links in mails point to {DEFAULT_BASE_URL}: `links.baseUrl` of the project says where they should\n"
            );
        }
        closed
    }

    /// What `--adopt KEY` and `--purge KEY` name and the plan has nothing of: a typing error that would pass in silence.
    fn unmatched(&self, planned: &Planned) -> String {
        let none = |key: &Key, matches: fn(&Change) -> bool| {
            let decision = planned.plan.decision(key);
            decision.is_none_or(|it| it.held.is_none() && !it.change.as_ref().is_some_and(matches))
        };
        let adopts = |change: &Change| change.fields().iter().any(|it| it.field == Field::Owner && it.after != FieldValue::None);
        let purges = |change: &Change| change.reason == Reason::Purged;
        let adopt = self.adopt.iter().filter(|key| none(key, adopts));
        let purge = self.purge.keys.iter().filter(|key| none(key, purges));
        let adopt = adopt.map(|key| format!("`--adopt {key}` matches nothing: this plan takes no such object over"));
        let purge = purge.map(|key| format!("`--purge {key}` matches nothing: there is no such retired account to delete"));
        adopt.chain(purge).map(|text| note(&text)).collect()
    }

    /// What was approved, and is done already or was taken back in Git.
    fn unwanted(&self, plan: &Plan) -> String {
        match self.approved.as_ref().map_or(0, |approved| approved.unwanted(plan)) {
            0 => String::new(),
            1 => note("1 change of the approved plan is not wanted any more"),
            some => note(&format!("{some} changes of the approved plan are not wanted any more")),
        }
    }

    fn request(&self) -> Request<'_> {
        Request {
            desired: &self.read.desired,
            sources: &self.read.sources,
            project: &self.read.home.project,
            actor: self.actor.as_ref(),
            scope: Scope::All,
            adopt: self.adopt.clone(),
            purge: self.purge.clone(),
            orders: self.orders.clone(),
            allow: self.allow.clone(),
            aside: BTreeMap::new(),
            unattended: self.unattended,
            gently: self.gently,
            approved: self.approved.as_ref(),
            now: self.now,
            outlook: self.outlook,
        }
    }

    /// Reads the directory.
    pub(crate) async fn look(&mut self) -> Result<Seen, Failure> {
        Ok(match self.ahead.take() {
            Some(ahead) => ahead.await.map_err(|error| Failure::failed("the directory could not be read").because(&error))??,
            None => pipeline::look(&*self.directory, &self.read.home.project, &Scope::All).await?,
        })
    }

    /// What the directory can do.
    pub(crate) fn capabilities(&self) -> Arc<Capabilities> {
        self.directory.capabilities()
    }

    /// What is kept of what was done to the directory; none where nothing is.
    pub(crate) fn history(&self) -> Option<&dyn History> {
        self.directory.history()
    }

    /// Decides on what was seen.
    pub(crate) fn plan_on(&self, seen: &Seen) -> Planned {
        pipeline::plan_on(&*self.directory, &self.request(), seen)
    }

    /// Decides on what was seen, and asks what would go with what is deleted.
    pub(crate) async fn plan_and_weigh(&self, seen: &mut Seen) -> Result<Planned, Failure> {
        Ok(pipeline::plan_and_weigh(&*self.directory, &self.request(), seen).await?)
    }

    /// Decides as if whatever is not declared were to be kept: people are shut off, and nothing is done that cannot be taken back.
    pub(crate) fn plan_gently(&mut self, seen: &Seen) -> Planned {
        self.gently = true;
        self.plan_on(seen)
    }

    /// Decides as if part of the declaration could not be read: what is not declared is held, since it may only not have been
    /// written yet.
    pub(crate) fn plan_doubting(&mut self, seen: &Seen) -> Planned {
        let torn = self.read.desired.unreadable > 0;
        self.read.desired.unreadable += 1;
        let mut planned = self.plan_on(seen);
        let held = planned.plan.decisions.iter_mut().filter_map(|decision| decision.held.as_mut());
        for held in held.filter(|held| held.hold == Hold::Incomplete && !torn) {
            held.message = "it is not declared any more; that counts when the files have been at rest for a moment".into();
        }
        planned
    }

    /// What reading and writing has cost so far, for who asked with `-v`.
    pub(crate) fn tell_traffic(&self, console: Console) {
        let Some(Traffic { requests, bytes, time }) = self.directory.traffic() else { return };
        let (name, bytes, time) = (self.directory.name(), bytes.div_ceil(1024), time.as_secs_f64());
        console.timing(|| format!("{name}: {requests} requests, {bytes} KiB, {time:.2} s of waiting for them"));
    }

    /// Reads the directory and decides.
    pub(crate) async fn plan(&mut self) -> Result<Planned, Failure> {
        let mut seen = self.look().await?;
        self.plan_and_weigh(&mut seen).await
    }

    /// Carries out what was shown.
    pub(crate) async fn apply(&self, shown: &Planned, wait: Duration, stop: Stop, told: &Told<'_>) -> Result<Report, ApplyError> {
        let order = Order { commits: commits(&shown.plan).await, ..self.run(wait, stop) };
        let reset = self.orders.values().any(|order| matches!(order, plan::Order::Reset(_)));
        let issuer = issuer(&self.read.home, reset, self.way_out());
        pipeline::apply(&*self.directory, &self.request(), shown, &order, &issuer, told).await
    }

    /// Carries out what was planned under the lease.
    pub(crate) async fn carry_out(
        &self,
        seen: &Seen,
        planned: &Planned,
        leases: Leases,
        stop: Stop,
        told: &Told<'_>,
    ) -> Result<Report, DirectoryError> {
        let order = Order { commits: commits(&planned.plan).await, ..self.run(Duration::ZERO, stop) };
        let issuer = issuer(&self.read.home, false, self.way_out());
        pipeline::carry_out(&*self.directory, &self.request(), (seen, planned), leases, &order, &issuer, told).await
    }

    /// Records what somebody else has changed, where there is nothing to carry out; says how much that was.
    pub(crate) async fn note_found(&self, seen: &Seen, wait: Duration) -> Result<usize, DirectoryError> {
        pipeline::note_found(&*self.directory, &self.request(), seen, &self.run(wait, Stop::default())).await
    }

    /// The same for one that has just found nothing to do: it looks again.
    pub(crate) async fn note_found_anew(&self, wait: Duration) -> Result<usize, DirectoryError> {
        if self.directory.history().is_none() {
            return Ok(0);
        }
        // It was read a moment ago: one on the other side of a network is not swept again for this.
        let seen = pipeline::look(&*self.directory, self.project(), &Scope::Only(BTreeSet::new())).await?;
        self.note_found(&seen, wait).await
    }

    /// When something declared becomes due next by time alone.
    pub(crate) fn next_expiry(&self) -> Option<Timestamp> {
        let expires = |entry: &Entry| entry.state()?.body.user()?.expires.filter(|at| *at > self.now);
        self.read.desired.entries.iter().filter_map(expires).min()
    }

    fn run(&self, wait: Duration, stop: Stop) -> Order {
        let (run, actor) = (uuid::Uuid::now_v7().to_smolstr(), self.actor().map(ToSmolStr::to_smolstr));
        Order { run, actor, wait, stop, commits: Arc::default(), looked: self.looked }
    }
}
