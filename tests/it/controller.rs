//! The controller against a real API server: what somebody does with objects, and what becomes of accounts.

mod claims;
mod crash;
mod credentials;
#[cfg(feature = "postgres")]
mod elsewhere;
mod ends;
mod gate;
mod leads;
mod life;
mod limits;
mod more;
mod outage;
mod rest;

use std::{collections::BTreeMap, fs, path::Path, process::Command, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    cluster::{CONTROLLER, Call, Cluster, Controller, Mark, Request, unique, until},
    place::Ran,
};

/// However slow the machine is: what is waited for has happened by then, or never will.
const PATIENCE: Duration = Duration::from_secs(40);

/// A namespace, a Directory for it, and a controller that serves this Directory only.
struct Bench<'a> {
    cluster: &'a Cluster,
    /// The namespace.
    home: String,
    /// The Directory; the owner of its accounts is called the same.
    directory: String,
    lease: String,
    words: Vec<String>,
    controller: Option<Controller>,
    folder: TempDir,
}

/// What the directory says of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Account {
    id: String,
    enabled: bool,
    retired: bool,
    spec: Value,
}

/// The plural of a kind, as the API server calls it.
fn plural(kind: &str) -> &'static str {
    match kind {
        "Company" => "companies",
        "Customer" => "customers",
        "User" => "users",
        "Role" => "roles",
        "Directory" => "directories",
        _ => panic!("{kind}"),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({ "apiVersion": "tenantry.dev/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec })
}

fn company(name: &str) -> Value {
    object("Company", name, json!({}))
}

/// A user of the company `north`.
fn user(name: &str) -> Value {
    object("User", name, json!({ "email": format!("{name}@x.example"), "company": "north", "role": "owner" }))
}

/// The same with some more in its `spec`.
fn user_with(name: &str, more: &Value) -> Value {
    with(user(name), more)
}

/// A document with some more in its `spec`; null takes away.
fn with(mut document: Value, more: &Value) -> Value {
    let spec = document["spec"].as_object_mut().unwrap();
    for (field, value) in more.as_object().unwrap() {
        if value.is_null() {
            spec.remove(field);
        } else {
            spec.insert(field.clone(), value.clone());
        }
    }
    document
}

/// The condition of a type; null where there is none.
fn condition<'v>(object: &'v Value, type_: &str) -> &'v Value {
    let all = object["status"]["conditions"].as_array();
    all.and_then(|all| all.iter().find(|it| it["type"] == type_)).unwrap_or(&Value::Null)
}

/// An object for somebody who wants to know why it is not as it should be.
fn shown(object: &Value) -> String {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    object.to_string()
}

/// Whether what stands in the status is about what is declared now.
fn is_current(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
}

fn is_ready(object: &Value) -> bool {
    is_current(object) && condition(object, "Ready")["status"] == "True"
}

/// Whether it is not ready for this reason, and `Stalled` or `Reconciling` says so too.
fn waits(object: &Value, reason: &str, with: &str) -> bool {
    let other = if with == "Stalled" { "Reconciling" } else { "Stalled" };
    is_current(object)
        && condition(object, "Ready")["status"] == "False"
        && condition(object, "Ready")["reason"] == reason
        && condition(object, with)["status"] == "True"
        && condition(object, other).is_null()
}

impl Bench<'static> {
    /// On the cluster that most tests share.
    fn new(hint: &str) -> Self {
        Self::on(Cluster::shared(), hint, &json!({}), &[])
    }

    /// The same, with some more in the Directory, and some more words.
    fn with(hint: &str, more: &Value, words: &[&str]) -> Self {
        Self::on(Cluster::shared(), hint, more, words)
    }
}

impl<'a> Bench<'a> {
    /// Everything but a controller that runs.
    fn idle(cluster: &'a Cluster, hint: &str, more: &Value, words: &[&str]) -> Self {
        let (home, directory, folder) = (cluster.namespace(hint), unique(hint), tempfile::tempdir().unwrap());
        let words = words.iter().map(|it| (*it).to_owned()).collect();
        let lease = unique("lease");
        let bench = Self { cluster, home, directory, lease, words, controller: None, folder };
        bench.direct(more);
        let project = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Project", "metadata": { "name": bench.directory },
            "spec": { "directory": { "sqlite": { "path": bench.database() } } },
        });
        fs::write(bench.path().join("tenantry.yaml"), project.to_string()).unwrap();
        bench
    }

    fn on(cluster: &'a Cluster, hint: &str, more: &Value, words: &[&str]) -> Self {
        let mut bench = Self::idle(cluster, hint, more, words);
        bench.start();
        bench
    }

    /// Where the controller runs.
    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn database(&self) -> String {
        format!("{}.db", self.directory)
    }

    /// Applies the Directory.
    #[track_caller]
    fn direct(&self, more: &Value) {
        let spec = json!({
            "namespaces": [self.home], "directory": { "sqlite": { "path": self.database() } }, "trustAuthors": true,
        });
        self.cluster.ask_all(vec![Call::apply("directories", "", with(object("Directory", &self.directory, spec), more))]);
    }

    fn start(&mut self) {
        let mut words = vec!["--lease", &self.lease];
        if !self.words.iter().any(|it| it == "--all") {
            words.extend(["--only", &self.directory]);
        }
        words.extend(self.words.iter().map(String::as_str).filter(|it| *it != "--all"));
        let controller = Controller::start_in(self.cluster, self.folder.path(), &words);
        self.controller = Some(controller);
    }

    fn controller(&self) -> &Controller {
        self.controller.as_ref().unwrap()
    }

    /// Ends the controller on the spot. Nobody waits for its lease: the next one has another.
    fn kill(&mut self) -> String {
        self.lease = unique("lease");
        self.controller.take().unwrap().kill()
    }

    /// Stops the controller as a cluster does.
    #[track_caller]
    fn stop(&mut self) -> String {
        let (status, log) = self.controller.take().unwrap().stop();
        assert!(status.success(), "{status}\n{log}");
        log
    }

    /// Applies documents in this namespace.
    #[track_caller]
    fn apply(&self, documents: impl IntoIterator<Item = Value>) {
        let calls = documents.into_iter().map(|it| Call::apply(plural(it["kind"].as_str().unwrap()), &self.home, it)).collect();
        self.cluster.ask_all(calls);
    }

    #[track_caller]
    fn delete<'n>(&self, kind: &str, names: impl IntoIterator<Item = &'n str>) {
        let calls = names.into_iter().map(|name| Call::delete(plural(kind), &self.home, name)).collect();
        self.cluster.ask_all(calls);
    }

    /// Sets an annotation, or takes it away: of a Directory where the kind is that.
    #[track_caller]
    fn annotate(&self, kind: &str, name: &str, annotation: &str, value: &Value) {
        let home = if kind == "Directory" { "" } else { &self.home };
        let patch = json!({ "metadata": { "annotations": { format!("tenantry.dev/{annotation}"): value } } });
        self.cluster.ask_all(vec![Call::merge(plural(kind), home, name, patch)]);
    }

    #[track_caller]
    fn get(&self, kind: &str, name: &str) -> Value {
        self.cluster.fetch(plural(kind), if kind == "Directory" { "" } else { &self.home }, name)
    }

    #[track_caller]
    fn dir(&self) -> Value {
        self.get("Directory", &self.directory)
    }

    /// Waits until the Directory has said what it has to say: it stays the same for a while.
    #[track_caller]
    fn settled(&self) {
        let mut last = (Value::Null, std::time::Instant::now());
        self.until("Directory", &self.directory, "is settled", |it| condition(it, "Ready")["status"] == "True");
        self.controller().until(PATIENCE, "it is settled", || {
            let version = self.dir()["metadata"]["resourceVersion"].clone();
            if version != last.0 {
                last = (version, std::time::Instant::now());
            }
            last.1.elapsed() > Duration::from_secs(1)
        });
    }

    /// Waits until an object is so; then it is here.
    #[track_caller]
    fn until(&self, kind: &str, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let look = || {
            let object = self.get(kind, name);
            if is(&object) { Ok(object) } else { Err(shown(&object)) }
        };
        let what = format!("{kind} {name} {what}");
        match &self.controller {
            Some(controller) => controller.until(PATIENCE, &what, look),
            None => until(PATIENCE, &what, look),
        }
    }

    #[track_caller]
    fn ready(&self, kind: &str, name: &str) -> Value {
        self.until(kind, name, "is ready", is_ready)
    }

    #[track_caller]
    fn waiting(&self, kind: &str, name: &str, reason: &str, with: &str) -> Value {
        self.until(kind, name, &format!("is {with}: {reason}"), |it| waits(it, reason, with))
    }

    #[track_caller]
    fn gone(&self, kind: &str, name: &str) {
        self.until(kind, name, "is gone", Value::is_null);
    }

    /// Waits until all objects of a kind are so.
    #[track_caller]
    fn all(&self, kind: &str, what: &str, patience: Duration, is: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        self.controller().until(patience, what, || {
            let all = self.cluster.all(plural(kind), &self.home);
            if is(&all) {
                return Ok(all);
            }
            let ready = all.iter().filter(|it| is_ready(it)).count();
            let first = all.iter().find(|it| !is_ready(it)).map(|it| format!("{} {}", it["metadata"], it["status"]));
            Err(format!("{ready} of {} are ready; one that is not: {}", all.len(), first.unwrap_or_default()))
        })
    }

    /// Waits until there are so many of a kind, each of them ready.
    #[track_caller]
    fn all_ready(&self, kind: &str, count: usize) -> Vec<Value> {
        let patience = PATIENCE * 2;
        self.all(kind, &format!("{count} are ready"), patience, |all| all.len() == count && all.iter().all(is_ready))
    }

    /// The Directory holds so many losses: what it says of them.
    #[track_caller]
    fn held(&self, count: usize) -> Value {
        let held = |it: &Value| it["status"]["held"]["count"] == count;
        self.until("Directory", &self.directory, &format!("holds {count}"), held)["status"]["held"].clone()
    }

    #[track_caller]
    fn nothing_held(&self) {
        self.until("Directory", &self.directory, "holds nothing", |it| it["status"]["held"].is_null());
    }

    /// What the same program says of the directory to somebody in this folder.
    #[track_caller]
    fn tenantry(&self, words: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        command.args(words).current_dir(self.path()).env_clear().env("HOME", self.path());
        command.output().unwrap().into()
    }

    /// What the directory holds of ours.
    #[track_caller]
    fn accounts(&self, kind: &str) -> BTreeMap<String, Account> {
        self.listed(&["get", plural(kind), "-o", "json"])
    }

    #[track_caller]
    fn listed(&self, words: &[&str]) -> BTreeMap<String, Account> {
        let list = self.tenantry(words).ended(0).json();
        let read = |it: &Value| {
            let (status, name) = (&it["status"], it["metadata"]["name"].as_str().unwrap().to_owned());
            let id = status["directoryId"].as_str().unwrap().to_owned();
            let flag = |name: &str| status[name].as_bool().unwrap();
            (name, Account { id, enabled: flag("enabled"), retired: flag("retired"), spec: it["spec"].clone() })
        };
        let items = list["items"].as_array().unwrap();
        let accounts: BTreeMap<_, _> = items.iter().map(read).collect();
        assert_eq!(accounts.len(), items.len(), "no name is there twice");
        accounts
    }

    #[track_caller]
    fn account(&self, name: &str) -> Account {
        let mut accounts = self.accounts("User");
        accounts.remove(name).unwrap_or_else(|| panic!("there is no account `{name}` but {accounts:?}\n{}", self.log()))
    }

    fn log(&self) -> String {
        self.controller.as_ref().map(Controller::log).unwrap_or_default()
    }

    /// SQL behind everybody's back.
    fn sql(&self, sql: &str) {
        let database = rusqlite::Connection::open(self.path().join(self.database())).unwrap();
        database.busy_timeout(PATIENCE).unwrap();
        database.execute_batch(sql).unwrap();
    }

    /// What was written since to objects of this bench.
    fn writes(&self, mark: &Mark<'_>) -> Vec<Request> {
        let mut writes = mark.writes(CONTROLLER);
        writes.retain(|it| it.namespace == self.home || it.resource.starts_with("directories") && it.name == self.directory);
        writes
    }

    /// Nothing is written for a while.
    #[track_caller]
    fn stays_still(&self, during: Duration) {
        let mark = self.cluster.mark();
        std::thread::sleep(during);
        assert_eq!(self.writes(&mark), []);
    }

    /// Events of this Directory.
    fn events(&self, reason: &str) -> Vec<Value> {
        let mut events = self.cluster.all("events", "default");
        events.retain(|it| it["regarding"]["name"] == self.directory.as_str() && it["reason"] == reason);
        events
    }
}

/// How much a counter says, summed over all series that hold all of these texts.
fn counted(metrics: &str, name: &str, labels: &[&str]) -> u64 {
    let lines = metrics.lines().filter(|line| line.starts_with(name) && labels.iter().all(|it| line.contains(it)));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}
