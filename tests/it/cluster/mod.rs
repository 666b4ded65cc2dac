//! A real API server for the tests: started once for most of them, or for one alone.
//!
//! ```ignore
//! let cluster = Cluster::shared();                       // with our definitions and the rights of the controller
//! let namespace = cluster.namespace("north");            // of this test only
//! cluster.apply(&format!("…\nmetadata: {{ name: anna, namespace: {namespace} }}\n…")).ended(0);
//! let mark = cluster.mark();
//! let controller = Controller::start(cluster, &["--only", "dir"]);
//! controller.until(Duration::from_secs(20), "anna is ready", || cluster.get("user", &namespace, "anna")["status"]… == …);
//! assert_eq!(mark.writes(CONTROLLER), []);
//! ```

mod audit;
mod bulk;
mod controller;
mod http;
mod install;
mod kubectl;
mod tests;
mod until;

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};

#[allow(unused_imports, reason = "for the tests of the controller")]
pub(crate) use self::{
    audit::{Mark, Request},
    bulk::Call,
    controller::Controller,
    http::Api,
    until::until,
};

/// Whom the API server takes the controller for.
pub(crate) const CONTROLLER: &str = "system:serviceaccount:tenantry-system:tenantry";
/// Where the controller runs.
pub(crate) const SYSTEM: &str = "tenantry-system";

/// How to start a server.
#[derive(Default)]
pub(crate) struct With {
    /// Also what deletes namespaces and collects garbage: without it a deleted namespace stays for ever.
    pub(crate) controller_manager: bool,
}

/// Somebody the API server knows.
pub(crate) enum Identity<'a> {
    /// Who may do everything.
    Admin,
    /// The controller, with the rights that `install` gave it.
    Controller,
    /// Anybody, with their groups: by impersonation.
    Person(&'a str, &'a [&'a str]),
}

/// An API server that runs, and ends with this or with this process, however that ends.
pub(crate) struct Cluster {
    child: Child,
    assets: PathBuf,
    server: String,
    authority: PathBuf,
    /// What the server keeps; gone when it ends.
    folder: PathBuf,
    /// Kubeconfigs, and what kubectl remembers; inside of it.
    own: PathBuf,
}

impl Cluster {
    /// The one that most tests share, with everything installed. It is never stopped: no test may touch what others need.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: LazyLock<Cluster> = LazyLock::new(|| {
            let cluster = Cluster::start(&With::default());
            cluster.install();
            cluster
        });
        &SHARED
    }

    /// One of its own, with nothing installed.
    pub(crate) fn start(with: &With) -> Self {
        static ASSETS: LazyLock<PathBuf> = LazyLock::new(|| {
            let output = Command::new(script()).arg("assets").stderr(Stdio::inherit()).output().unwrap();
            assert!(output.status.success(), "the API server could not be prepared");
            String::from_utf8(output.stdout).unwrap().trim_end().into()
        });
        // Before anything waits for it.
        LazyLock::force(&ASSETS);
        let groups = format!("system:serviceaccounts,system:serviceaccounts:{SYSTEM}");
        let mut command = Command::new(script());
        command.args(["serve", "--token", &format!("controller,{CONTROLLER},controller,\"{groups}\"")]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        if with.controller_manager {
            command.arg("--controller-manager");
        }
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).expect("the server says where it is");
        let text = |name: &str| told[name].as_str().unwrap().to_owned();
        let (folder, assets) = (PathBuf::from(text("folder")), ASSETS.clone());
        let own = folder.join("tests");
        fs::create_dir(&own).unwrap();
        Self { child, assets, server: text("server"), authority: text("ca").into(), folder, own }
    }

    /// A kubeconfig, for kubectl and for our own client.
    pub(crate) fn kubeconfig(&self, identity: &Identity<'_>) -> PathBuf {
        let user = match identity {
            Identity::Admin => json!({ "token": "admin" }),
            Identity::Controller => json!({ "token": "controller" }),
            Identity::Person(name, groups) => json!({ "token": "admin", "as": name, "as-groups": groups }),
        };
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "it", "cluster": { "server": self.server, "certificate-authority": self.authority } }],
            "users": [{ "name": "it", "user": user }],
            "contexts": [{ "name": "it", "context": { "cluster": "it", "user": "it" } }],
            "current-context": "it",
        });
        let config = config.to_string();
        let mut hasher = DefaultHasher::new();
        config.hash(&mut hasher);
        let path = self.own.join(format!("kubeconfig-{:x}", hasher.finish()));
        if !path.exists() {
            // Nobody reads half of one.
            let written = self.own.join(unique("writing"));
            fs::write(&written, config).unwrap();
            fs::rename(written, &path).unwrap();
        }
        path
    }

    /// A new namespace, for one test.
    pub(crate) fn namespace(&self, hint: &str) -> String {
        let name = unique(hint);
        self.kubectl(&["create", "namespace", &name]).ended(0);
        name
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A name that no other test has.
pub(crate) fn unique(hint: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("{hint}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn servers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers")
}

fn script() -> PathBuf {
    servers().join("kubernetes")
}
